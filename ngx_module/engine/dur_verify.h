/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Signatures of webhooks.  A provider is a row of the table (or two, where it
 * signs in several ways), not a function; "custom" is a row that the
 * configuration fills in.  Pure: the instant is an argument, a request is a
 * few strings.
 */

#ifndef DUR_VERIFY_H
#define DUR_VERIFY_H

#include "engine/dur_base.h"
#include "engine/dur_verify_scheme.h"

typedef struct {
    dur_str_t  method;
    dur_str_t  url;             /* whole, as the provider sees it */
    dur_str_t  headers;         /* "name: value\n" lines */
    dur_str_t  body;            /* raw */
    int64_t    now_ms;
    unsigned   tolerance;       /* seconds, in place of the scheme's; 0: its */
} dur_verify_request_t;

/*
 * Whether a secret can be one of this provider.  DUR_EINVAL and a sentence
 * that does not show it.
 */
dur_rc_t dur_verify_secret(const dur_verify_scheme_t *scheme,
    dur_str_t secret, char err[160]);

/*
 * DUR_OK: one of the secrets (a rotation has several) signed the request, in
 * time; DUR_EACCES and a sentence; DUR_ENOMEM.
 */
dur_rc_t dur_verify(const dur_verify_scheme_t *scheme,
    const dur_str_t *secrets, size_t n, const dur_verify_request_t *request,
    dur_arena_t *arena, char err[160]);

/* By what a repeated delivery is known; empty: by nothing. */
dur_str_t dur_verify_dedupe(const dur_verify_scheme_t *scheme,
    const dur_verify_request_t *request, dur_arena_t *arena);

/* A challenge and its answer (text or JSON, *json says which), false when
 * the request is none.  Verify first. */
bool dur_verify_challenge(const dur_verify_scheme_t *scheme,
    const dur_verify_request_t *request, dur_arena_t *arena, dur_str_t *body,
    bool *json);

#endif /* DUR_VERIFY_H */
