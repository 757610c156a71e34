/* SPDX-License-Identifier: BSD-2-Clause */

#include "fuzz.h"
#include "engine/dur_verify.h"

FUZZ_TARGET("signatures of webhooks")

/* Headers, an empty line, the body; every provider looks at it. */

const dur_str_t  fuzz_seeds[] = {
    dur_str("stripe-signature: t=1700000000,v1=e1d9686a764bd50be1902d6b2f297"
            "1064af4cdd93ebc23377594e80620c599e3\n\n{\"id\":\"evt_1\"}"),
    dur_str("webhook-id: a\nwebhook-timestamp: 1700000000\n"
            "webhook-signature: v1,AAAA v1a,AAAA\n\n{}"),
    dur_str("x-slack-signature: v0=2aad\nx-slack-request-timestamp: "
            "1700000000\n\n{\"type\":\"url_verification\",\"challenge\":1}"),
    dur_str("x-twilio-signature: RSOYDt4T1cUTdK1PDd93/VVr8B8=\ncontent-type: "
            "application/x-www-form-urlencoded\n\na=%2B1&b=c+d&a="),
    dur_str("x-signature-ed25519: 00\nx-signature-timestamp: 1\n\n"
            "{\"type\":1}"),
    dur_str("paddle-signature: ts=1;h1=0;h1=1\nx-front-signature: AA==\n\n"
            "{\"signature\":{\"timestamp\":\"1\",\"token\":2,"
            "\"signature\":\"00\"},\"webhookTimestamp\":1700000000000}"),
    dur_str("x-zendesk-webhook-signature: AA==\nx-zendesk-webhook-signature-"
            "timestamp: 2023-11-14T22:13:20Z\nx-gitlab-token: k\n\n"),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("x-hub-signature-256: sha256="), dur_str("v1="), dur_str("v1,"),
    dur_str("t="), dur_str(","), dur_str(";"), dur_str(" "), dur_str("\n\n"),
    dur_str("x-hubspot-signature: "), dur_str("linear-signature: "),
    dur_str("%"), dur_str("&"), dur_str("1700000000"), dur_str("AA=="),
    dur_str("x-front-challenge: "), dur_str_null
};


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    bool                        json;
    char                        err[160];
    size_t                      i;
    dur_rc_t                    rc;
    dur_str_t                   body;
    dur_arena_t                 arena;
    const uint8_t              *p;
    dur_verify_request_t        r;
    const dur_verify_scheme_t  *scheme;

    static const dur_str_t  secret = { (const uint8_t *) "c2VjcmV0", 8 };
    static const char *const  names[] = {
        "discord", "front", "github", "gitlab", "hubspot", "intercom",
        "linear", "mailgun", "paddle", "sendgrid", "sentry", "shopify",
        "slack", "square", "standard", "stripe", "telegram", "twilio",
        "zendesk"
    };

    p = memmem(data, len, "\n\n", 2);
    p = p ? p + 1 : data + len;

    r.method = dur_str("POST");
    r.url = dur_str("https://example.com/hook?a=%41");
    r.headers = dur_str_make(data, (size_t) (p - data));
    r.body = p < data + len ? dur_str_make(p + 1,
                                           (size_t) (data + len - p) - 1)
                            : dur_str_null;
    r.now_ms = 1700000000000;
    r.tolerance = 0;

    dur_arena_init(&arena);

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        scheme = dur_verify_find(dur_str_c(names[i]));
        fuzz_check(scheme != NULL);

        rc = dur_verify(scheme, &secret, 1, &r, &arena, err);
        fuzz_check(rc == DUR_OK || (rc == DUR_EACCES && err[0] != '\0'
                                    && memchr(err, '\0', sizeof(err))));

        body = dur_verify_dedupe(scheme, &r, &arena);
        fuzz_check(body.len <= len + 32);

        if (dur_verify_challenge(scheme, &r, &arena, &body, &json)) {
            fuzz_check(body.len <= len + 32);
        }
    }

    dur_arena_deinit(&arena);

    return 0;
}
