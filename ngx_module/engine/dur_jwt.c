/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_jwt.h"
#include "engine/dur_json.h"
#include "engine/dur_sign.h"

#include <math.h>


#define DUR_JWT_HEADER   "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define DUR_JWT_DIGEST   32


/* Base64 with the URL alphabet and without padding. */
static dur_rc_t
dur_jwt_encode(dur_str_t s, dur_buf_t *out)
{
    char    *p;
    size_t   n, i;

    n = 4 * ((s.len + 2) / 3);

    if (dur_buf_reserve(out, n + 1) != DUR_OK) {
        out->failed = true;
        return DUR_ENOMEM;
    }

    p = (char *) out->data + out->len;
    dur_base64(s, p);

    while (n > 0 && p[n - 1] == '=') {
        n--;
    }

    for (i = 0; i < n; i++) {
        if (p[i] == '+') {
            p[i] = '-';

        } else if (p[i] == '/') {
            p[i] = '_';
        }
    }

    out->len += n;

    return DUR_OK;
}


dur_rc_t
dur_jwt_sign(dur_str_t key, dur_str_t claims, dur_buf_t *out)
{
    size_t   start;
    uint8_t  digest[DUR_JWT_DIGEST];

    start = out->len;

    dur_jwt_encode(dur_str(DUR_JWT_HEADER), out);
    dur_buf_addc(out, '.');
    dur_jwt_encode(claims, out);

    if (out->failed) {
        return DUR_ENOMEM;
    }

    dur_hmac_sha256(key, dur_str_make(out->data + start, out->len - start),
                    dur_str_null, digest);

    dur_buf_addc(out, '.');
    dur_jwt_encode(dur_str_make(digest, sizeof(digest)), out);

    return out->failed ? DUR_ENOMEM : DUR_OK;
}


/* A part of a token as the object that it has to be; NULL otherwise. */
static json_t *
dur_jwt_object(dur_str_t part)
{
    size_t    n;
    json_t   *value;
    uint8_t   text[DUR_JWT_MAX];

    if (dur_unbase64(part, text, sizeof(text), &n) != DUR_OK) {
        return NULL;
    }

    value = dur_json_parse(dur_str_make(text, n), NULL);

    if (!json_is_object(value)) {
        json_decref(value);
        return NULL;
    }

    return value;
}


static bool
dur_jwt_header_is_ours(dur_str_t part)
{
    bool        ours;
    json_t     *header;
    dur_str_t   alg;

    header = dur_jwt_object(part);

    ours = header != NULL
           && dur_json_get_string(header, "alg", &alg) == DUR_OK
           && dur_str_eq(alg, dur_str("HS256"))
           && json_object_get(header, "crit") == NULL;

    json_decref(header);

    return ours;
}


static bool
dur_jwt_in_time(const json_t *claims, int64_t now_s)
{
    double   exp, nbf;
    json_t  *value;

    value = json_object_get(claims, "exp");
    exp = json_number_value(value);

    if (!json_is_number(value) || !isfinite(exp) || exp <= (double) now_s) {
        return false;
    }

    value = json_object_get(claims, "nbf");
    nbf = json_number_value(value);

    return value == NULL || (json_is_number(value) && nbf <= (double) now_s);
}


dur_rc_t
dur_jwt_verify(dur_str_t key, dur_str_t token, int64_t now_s,
    json_t **claims)
{
    size_t          n;
    uint8_t         digest[DUR_JWT_DIGEST], given[DUR_JWT_DIGEST];
    dur_str_t       header, payload, signature;
    const uint8_t  *first, *last;

    if (key.len == 0 || token.len == 0 || token.len > DUR_JWT_MAX) {
        return DUR_EACCES;
    }

    first = memchr(token.data, '.', token.len);
    last = memrchr(token.data, '.', token.len);

    if (first == NULL || first == last) {
        return DUR_EACCES;
    }

    header = dur_str_make(token.data, (size_t) (first - token.data));
    payload = dur_str_make(first + 1, (size_t) (last - first - 1));
    signature = dur_str_make(last + 1,
                             (size_t) (token.data + token.len - last - 1));

    if (dur_unbase64(signature, given, sizeof(given), &n) != DUR_OK
        || n != sizeof(given))
    {
        return DUR_EACCES;
    }

    dur_hmac_sha256(key,
                    dur_str_make(token.data, (size_t) (last - token.data)),
                    dur_str_null, digest);

    if (!dur_const_eq(dur_str_make(given, n), dur_str_make(digest, n))
        || !dur_jwt_header_is_ours(header))
    {
        return DUR_EACCES;
    }

    *claims = dur_jwt_object(payload);

    if (*claims == NULL) {
        return DUR_EACCES;
    }

    if (!dur_jwt_in_time(*claims, now_s)) {
        json_decref(*claims);
        *claims = NULL;
        return DUR_EACCES;
    }

    return DUR_OK;
}
