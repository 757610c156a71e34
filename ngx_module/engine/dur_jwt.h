/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * JSON Web Tokens (RFC 7515, RFC 7519) with HMAC-SHA256: what a client that
 * has no key is given so that it may read one run (protocol 6.3).  Only HS256
 * is known: the algorithm that a token names is never asked for, it has to be
 * this one.
 */

#ifndef DUR_JWT_H
#define DUR_JWT_H

#include "engine/dur_base.h"

#include <jansson.h>

#define DUR_JWT_MAX   4096          /* bytes of a token that is looked at */

/* Appends the token of these claims, a JSON object. */
dur_rc_t dur_jwt_sign(dur_str_t key, dur_str_t claims, dur_buf_t *out);

/*
 * The claims of a token that was signed with the key and has not expired
 * ("exp" is required, "nbf" is respected, both in seconds), as a new
 * reference.  DUR_EACCES for any other, whatever is wrong with it; the
 * signature is compared in constant time, before anything is parsed.
 */
dur_rc_t dur_jwt_verify(dur_str_t key, dur_str_t token, int64_t now_s,
    json_t **claims);

#endif /* DUR_JWT_H */
