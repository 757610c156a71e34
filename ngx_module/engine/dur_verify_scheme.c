/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The providers of webhooks, a row for each way in which one signs.  The rules
 * are those of the providers' own documentation.
 */

#include "engine/dur_verify_scheme.h"


#define MINUTES_5  300

static const dur_verify_scheme_t  dur_verify_schemes[] = {

    { .name = "discord", .algorithm = DUR_VERIFY_ED25519,
      .key = DUR_VERIFY_HEX, .source = "x-signature-ed25519",
      .encoding = DUR_VERIFY_HEX, .timestamp = "x-signature-timestamp",
      .tolerance = MINUTES_5, .signs = "%t%b", .dedupe = "json:id",
      .challenge = DUR_CHALLENGE_DISCORD },

    { .name = "front", .source = "x-front-signature",
      .encoding = DUR_VERIFY_BASE64,
      .timestamp = "x-front-request-timestamp",
      .unit = DUR_VERIFY_MILLISECONDS, .tolerance = MINUTES_5,
      .signs = "%t:%b", .dedupe = "json:id",
      .challenge = DUR_CHALLENGE_FRONT },

    /* rules of Front have no timestamp */
    { .name = "front", .algorithm = DUR_VERIFY_HMAC_SHA1,
      .source = "x-front-signature", .encoding = DUR_VERIFY_BASE64,
      .signs = "%b", .dedupe = "json:id" },

    { .name = "github", .source = "x-hub-signature-256",
      .prefix = "sha256=", .encoding = DUR_VERIFY_HEX, .signs = "%b",
      .dedupe = "x-github-delivery" },

    { .name = "github", .algorithm = DUR_VERIFY_HMAC_SHA1,
      .source = "x-hub-signature", .prefix = "sha1=",
      .encoding = DUR_VERIFY_HEX, .signs = "%b",
      .dedupe = "x-github-delivery" },

    /* a signing token is Standard Webhooks, a secret token is sent as it is */
    { .name = "gitlab", .key = DUR_VERIFY_BASE64, .key_prefix = "whsec_",
      .source = "webhook-signature", .item = "v1", .separator = ' ',
      .assign = ',', .encoding = DUR_VERIFY_BASE64,
      .timestamp = "webhook-timestamp", .tolerance = MINUTES_5,
      .id = "webhook-id", .signs = "%i.%t.%b", .dedupe = "webhook-id" },

    { .name = "gitlab", .algorithm = DUR_VERIFY_TOKEN,
      .source = "x-gitlab-token", .signs = "",
      .dedupe = "x-gitlab-event-uuid" },

    { .name = "hubspot", .source = "x-hubspot-signature-v3",
      .encoding = DUR_VERIFY_BASE64,
      .timestamp = "x-hubspot-request-timestamp",
      .unit = DUR_VERIFY_MILLISECONDS, .tolerance = MINUTES_5,
      .signs = "%m%d%b%t", .dedupe = "json:eventId" },

    { .name = "hubspot", .algorithm = DUR_VERIFY_SHA256,
      .source = "x-hubspot-signature", .encoding = DUR_VERIFY_HEX,
      .signs = "%k%m%u%b", .dedupe = "json:eventId" },

    { .name = "hubspot", .algorithm = DUR_VERIFY_SHA256,
      .source = "x-hubspot-signature", .encoding = DUR_VERIFY_HEX,
      .signs = "%k%b", .dedupe = "json:eventId" },

    { .name = "intercom", .algorithm = DUR_VERIFY_HMAC_SHA1,
      .source = "x-hub-signature", .prefix = "sha1=",
      .encoding = DUR_VERIFY_HEX, .signs = "%b", .dedupe = "json:id" },

    { .name = "linear", .source = "linear-signature",
      .encoding = DUR_VERIFY_HEX, .timestamp = "json:webhookTimestamp",
      .unit = DUR_VERIFY_MILLISECONDS, .tolerance = MINUTES_5,
      .signs = "%b", .dedupe = "linear-delivery" },

    { .name = "linear", .source = "linear-signature",
      .encoding = DUR_VERIFY_HEX, .signs = "%b",
      .dedupe = "linear-delivery" },

    { .name = "mailgun", .source = "json:signature.signature",
      .encoding = DUR_VERIFY_HEX, .timestamp = "json:signature.timestamp",
      .tolerance = MINUTES_5, .id = "json:signature.token",
      .signs = "%t%i", .dedupe = "json:signature.token" },

    { .name = "paddle", .source = "paddle-signature", .item = "h1",
      .separator = ';', .assign = '=', .encoding = DUR_VERIFY_HEX,
      .timestamp = "item:ts", .tolerance = MINUTES_5, .signs = "%t:%b",
      .dedupe = "json:event_id" },

    { .name = "sendgrid", .algorithm = DUR_VERIFY_ECDSA,
      .key = DUR_VERIFY_BASE64,
      .source = "x-twilio-email-event-webhook-signature",
      .encoding = DUR_VERIFY_BASE64,
      .timestamp = "x-twilio-email-event-webhook-timestamp",
      .tolerance = MINUTES_5, .signs = "%t%b" },

    { .name = "sentry", .source = "sentry-hook-signature",
      .encoding = DUR_VERIFY_HEX, .signs = "%b", .dedupe = "request-id" },

    { .name = "shopify", .source = "x-shopify-hmac-sha256",
      .encoding = DUR_VERIFY_BASE64, .signs = "%b",
      .dedupe = "x-shopify-webhook-id" },

    { .name = "slack", .source = "x-slack-signature", .prefix = "v0=",
      .encoding = DUR_VERIFY_HEX,
      .timestamp = "x-slack-request-timestamp", .tolerance = MINUTES_5,
      .signs = "v0:%t:%b", .dedupe = "json:event_id",
      .challenge = DUR_CHALLENGE_SLACK },

    { .name = "square", .source = "x-square-hmacsha256-signature",
      .encoding = DUR_VERIFY_BASE64, .signs = "%u%b",
      .dedupe = "json:event_id" },

    { .name = "standard", .key = DUR_VERIFY_BASE64, .key_prefix = "whsec_",
      .source = "webhook-signature", .item = "v1", .separator = ' ',
      .assign = ',', .encoding = DUR_VERIFY_BASE64,
      .timestamp = "webhook-timestamp", .tolerance = MINUTES_5,
      .id = "webhook-id", .signs = "%i.%t.%b", .dedupe = "webhook-id" },

    { .name = "standard", .algorithm = DUR_VERIFY_ED25519,
      .key = DUR_VERIFY_BASE64, .key_prefix = "whpk_",
      .source = "webhook-signature", .item = "v1a", .separator = ' ',
      .assign = ',', .encoding = DUR_VERIFY_BASE64,
      .timestamp = "webhook-timestamp", .tolerance = MINUTES_5,
      .id = "webhook-id", .signs = "%i.%t.%b", .dedupe = "webhook-id" },

    { .name = "standard", .key = DUR_VERIFY_BASE64, .key_prefix = "whsec_",
      .source = "svix-signature", .item = "v1", .separator = ' ',
      .assign = ',', .encoding = DUR_VERIFY_BASE64,
      .timestamp = "svix-timestamp", .tolerance = MINUTES_5,
      .id = "svix-id", .signs = "%i.%t.%b", .dedupe = "svix-id" },

    { .name = "stripe", .source = "stripe-signature", .item = "v1",
      .separator = ',', .assign = '=', .encoding = DUR_VERIFY_HEX,
      .timestamp = "item:t", .tolerance = MINUTES_5, .signs = "%t.%b",
      .dedupe = "json:id" },

    { .name = "telegram", .algorithm = DUR_VERIFY_TOKEN,
      .source = "x-telegram-bot-api-secret-token", .signs = "",
      .dedupe = "json:update_id" },

    { .name = "twilio", .algorithm = DUR_VERIFY_HMAC_SHA1,
      .source = "x-twilio-signature", .encoding = DUR_VERIFY_BASE64,
      .signs = "%u%f", .dedupe = "i-twilio-idempotency-token" },

    { .name = "zendesk", .source = "x-zendesk-webhook-signature",
      .encoding = DUR_VERIFY_BASE64,
      .timestamp = "x-zendesk-webhook-signature-timestamp",
      .unit = DUR_VERIFY_RFC3339, .tolerance = MINUTES_5,
      .signs = "%t%b", .dedupe = "x-zendesk-webhook-invocation-id" }
};

#define DUR_VERIFY_NSCHEMES                                                   \
    (sizeof(dur_verify_schemes) / sizeof(dur_verify_schemes[0]))


const dur_verify_scheme_t *
dur_verify_find(dur_str_t name)
{
    size_t  i;

    for (i = 0; i < DUR_VERIFY_NSCHEMES; i++) {
        if (dur_str_eq(name, dur_str_c(dur_verify_schemes[i].name))) {
            return &dur_verify_schemes[i];
        }
    }

    return NULL;
}


const char *
dur_verify_names(void)
{
    return "custom, discord, front, github, gitlab, hubspot, intercom, "
           "linear, mailgun, paddle, sendgrid, sentry, shopify, slack, "
           "square, standard, stripe, telegram, twilio, zendesk";
}


const dur_verify_scheme_t *
dur_verify_next(const dur_verify_scheme_t *scheme)
{
    const dur_verify_scheme_t  *last;

    last = &dur_verify_schemes[DUR_VERIFY_NSCHEMES - 1];

    if (scheme < dur_verify_schemes || scheme >= last
        || strcmp(scheme->name, scheme[1].name) != 0)
    {
        return NULL;
    }

    return scheme + 1;
}
