/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * How a provider signs its webhooks: what dur_verify reads.
 *
 * What is signed is written as a template: %b body, %t the timestamp as sent,
 * %i the id as sent, %m method, %u URL, %f form parameters sorted and joined,
 * %d URL unescaped, %k the secret itself, %% a percent sign; the rest stands
 * for itself.
 *
 * Where a value comes from: the name of a header, or "json:a.b", a member of
 * a JSON body.
 */

#ifndef DUR_VERIFY_SCHEME_H
#define DUR_VERIFY_SCHEME_H

#include "engine/dur_base.h"

typedef enum {
    DUR_VERIFY_HMAC_SHA256 = 0,
    DUR_VERIFY_HMAC_SHA1,
    DUR_VERIFY_SHA256,          /* of a template that has %k in it */
    DUR_VERIFY_ED25519,
    DUR_VERIFY_ECDSA,           /* P-256, SHA-256 */
    DUR_VERIFY_TOKEN            /* the secret itself is sent */
} dur_verify_algorithm_t;

typedef enum {
    DUR_VERIFY_TEXT = 0,
    DUR_VERIFY_HEX,
    DUR_VERIFY_BASE64
} dur_verify_encoding_t;

typedef enum {
    DUR_VERIFY_SECONDS = 0,
    DUR_VERIFY_MILLISECONDS,
    DUR_VERIFY_RFC3339
} dur_verify_unit_t;

/* What is answered at once, without any event. */
typedef enum {
    DUR_CHALLENGE_NONE = 0,
    DUR_CHALLENGE_SLACK,        /* {"type":"url_verification"}: challenge */
    DUR_CHALLENGE_DISCORD,      /* PING */
    DUR_CHALLENGE_FRONT         /* X-Front-Challenge is echoed */
} dur_challenge_t;

typedef struct {
    const char              *name;
    dur_verify_algorithm_t   algorithm;
    dur_verify_encoding_t    key;           /* of the secret */
    const char              *key_prefix;    /* cut off the secret, or NULL */
    const char              *source;        /* of the signature */
    const char              *prefix;        /* of its text, or NULL */
    const char              *item;          /* its name in a list, or NULL */
    char                     separator;     /* of the list */
    char                     assign;        /* between name and value */
    dur_verify_encoding_t    encoding;      /* of the signature */
    const char              *timestamp;     /* source, "item:t" in the same
                                               list, or NULL */
    dur_verify_unit_t        unit;
    unsigned                 tolerance;     /* seconds both ways, 0: any */
    const char              *id;            /* source of %i, or NULL */
    const char              *signs;         /* the template */
    const char              *dedupe;        /* source, or NULL */
    dur_challenge_t          challenge;
} dur_verify_scheme_t;

/* The first row of a provider, NULL when there is none of this name, and the
 * one after it, NULL when that is of another provider. */
const dur_verify_scheme_t *dur_verify_find(dur_str_t name);
const dur_verify_scheme_t *dur_verify_next(const dur_verify_scheme_t *scheme);

/* All names, for a message: "discord, front, ..". */
const char *dur_verify_names(void);

#endif /* DUR_VERIFY_SCHEME_H */
