/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_verify.h"
#include "engine/dur_answer.h"
#include "engine/dur_sign.h"
#include "engine/dur_time.h"
#include "engine/dur_ulid.h"
#include "engine/dur_verify_value.h"

#include <stdio.h>


#define DUR_VERIFY_PARTS      16
#define DUR_VERIFY_SIG_MAX    256           /* bytes of a signature */


/* -- lists ---------------------------------------------------------------- */

/* The next value of `name` in a list such as "t=1,v1=ab,v1=cd"; *pos is where
 * to go on.  False at the end. */
static bool
dur_verify_item(dur_str_t list, const dur_verify_scheme_t *scheme,
    dur_str_t name, size_t *pos, dur_str_t *value)
{
    size_t          n;
    const uint8_t  *p, *end, *stop;

    if (list.len == 0) {
        return false;
    }

    end = list.data + list.len;

    while (*pos < list.len) {
        p = list.data + *pos;
        stop = memchr(p, scheme->separator, (size_t) (end - p));
        stop = stop ? stop : end;
        *pos = (size_t) (stop - list.data) + 1;

        while (p < stop && *p == ' ') {
            p++;
        }

        n = (size_t) (stop - p);

        if (n > name.len && memcmp(p, name.data, name.len) == 0
            && p[name.len] == (uint8_t) scheme->assign)
        {
            *value = dur_str_make(p + name.len + 1, n - name.len - 1);
            return true;
        }
    }

    return false;
}


static dur_str_t
dur_verify_timestamp(dur_verify_t *v, const dur_verify_scheme_t *scheme,
    dur_str_t list)
{
    size_t     pos;
    dur_str_t  value;

    if (scheme->timestamp == NULL
        || strncmp(scheme->timestamp, "item:", 5) != 0)
    {
        return dur_verify_value(v, scheme->timestamp);
    }

    pos = 0;

    return dur_verify_item(list, scheme, dur_str_c(scheme->timestamp + 5),
                           &pos, &value)
           ? value : dur_str_null;
}


static bool
dur_verify_decode(dur_str_t text, dur_verify_encoding_t encoding,
    uint8_t *out, size_t size, dur_str_t *value)
{
    size_t  n;

    switch (encoding) {

    case DUR_VERIFY_HEX:
        n = text.len / 2;
        if (n > size || dur_unhex(text, out, n) != DUR_OK) {
            return false;
        }
        break;

    case DUR_VERIFY_BASE64:
        if (dur_unbase64(text, out, size, &n) != DUR_OK) {
            return false;
        }
        break;

    default:
        *value = text;
        return text.len > 0;
    }

    *value = dur_str_make(out, n);

    return n > 0;
}


/* -- time ----------------------------------------------------------------- */

static bool
dur_verify_digits(dur_str_t s, int64_t *value)
{
    size_t  i;

    *value = 0;

    if (s.len == 0 || s.len > 15) {
        return false;
    }

    for (i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return false;
        }
        *value = *value * 10 + (s.data[i] - '0');
    }

    return true;
}


static bool
dur_verify_in_time(dur_verify_t *v, const dur_verify_scheme_t *scheme,
    dur_str_t text, char err[160])
{
    int64_t   ms, off, now;
    unsigned  tolerance;

    now = v->request->now_ms;
    tolerance = v->request->tolerance ? v->request->tolerance
                                      : scheme->tolerance;

    if (scheme->unit == DUR_VERIFY_RFC3339
        ? dur_rfc3339_parse(text, &ms) != DUR_OK
        : !dur_verify_digits(text, &ms))
    {
        snprintf(err, 160, "its timestamp cannot be read");
        return false;
    }

    if (scheme->unit == DUR_VERIFY_SECONDS) {
        ms *= 1000;
    }

    off = now > ms ? now - ms : ms - now;

    if (tolerance != 0 && off > (int64_t) tolerance * 1000) {
        snprintf(err, 160, "its timestamp is %lld seconds %s, more than %u",
                 (long long) (off / 1000), now > ms ? "old" : "ahead",
                 tolerance);
        v->late = true;
        return false;
    }

    return true;
}


/* -- what is signed ------------------------------------------------------- */

typedef struct {
    dur_str_t  secret;
    dur_str_t  timestamp;
    dur_str_t  id;
    size_t     n;
    dur_str_t  parts[DUR_VERIFY_PARTS];
} dur_verify_signed_t;


static void
dur_verify_template(dur_verify_t *v, const char *p, dur_verify_signed_t *s)
{
    size_t  n;

    s->n = 0;

    while (*p != '\0' && s->n < DUR_VERIFY_PARTS) {
        n = strcspn(p, "%");

        if (n > 0) {
            s->parts[s->n++] = dur_str_make(p, n);
            p += n;
            continue;
        }

        switch (p[1]) {
        case 'b':
            s->parts[s->n++] = v->request->body;
            break;
        case 't':
            s->parts[s->n++] = s->timestamp;
            break;
        case 'i':
            s->parts[s->n++] = s->id;
            break;
        case 'm':
            s->parts[s->n++] = v->request->method;
            break;
        case 'u':
            s->parts[s->n++] = v->request->url;
            break;
        case 'd':
            s->parts[s->n++] = dur_verify_unescape(v, v->request->url, false);
            break;
        case 'f':
            s->parts[s->n++] = dur_verify_form(v);
            break;
        case 'k':
            s->parts[s->n++] = s->secret;
            break;
        default:
            s->parts[s->n++] = dur_str("%");
        }

        p += p[1] ? 2 : 1;
    }
}


static dur_str_t
dur_verify_join(dur_verify_t *v, const dur_verify_signed_t *s)
{
    size_t    i, n;
    uint8_t  *out, *p;

    for (i = 0, n = 0; i < s->n; i++) {
        n += s->parts[i].len;
    }

    out = dur_arena_alloc(v->arena, n + 1);
    if (out == NULL) {
        v->nomem = true;
        return dur_str_null;
    }

    for (i = 0, p = out; i < s->n; i++) {
        if (s->parts[i].len) {
            memcpy(p, s->parts[i].data, s->parts[i].len);
            p += s->parts[i].len;
        }
    }

    return dur_str_make(out, n);
}


/* -- one signature -------------------------------------------------------- */

/* The bytes of a secret; false when it is none of this scheme. */
static bool
dur_verify_key(const dur_verify_scheme_t *scheme, dur_str_t secret,
    uint8_t *out, size_t size, dur_str_t *key)
{
    size_t  n;

    n = scheme->key_prefix ? strlen(scheme->key_prefix) : 0;

    if (n > 0 && secret.len > n
        && memcmp(secret.data, scheme->key_prefix, n) == 0)
    {
        secret.data += n;
        secret.len -= n;

    } else if (n > 0 && secret.len > 5
               && memcmp(secret.data, "wh", 2) == 0
               && memchr(secret.data, '_', 6) != NULL)
    {
        return false;               /* of the other kind, whpk_ or whsec_ */
    }

    return dur_verify_decode(secret, scheme->key, out, size, key);
}


static bool
dur_verify_one(dur_verify_t *v, const dur_verify_scheme_t *scheme,
    const dur_verify_signed_t *s, dur_str_t text)
{
    uint8_t    digest[32], key_bytes[512], sig_bytes[DUR_VERIFY_SIG_MAX];
    dur_str_t  key, sig;

    if (scheme->algorithm == DUR_VERIFY_TOKEN) {
        return text.len > 0 && dur_const_eq(text, s->secret);
    }

    if (!dur_verify_key(scheme, s->secret, key_bytes, sizeof(key_bytes), &key)
        || !dur_verify_decode(text, scheme->encoding, sig_bytes,
                              sizeof(sig_bytes), &sig))
    {
        return false;
    }

    switch (scheme->algorithm) {

    case DUR_VERIFY_HMAC_SHA256:
    case DUR_VERIFY_HMAC_SHA1:
        dur_hmac_parts(scheme->algorithm == DUR_VERIFY_HMAC_SHA256, key,
                       s->parts, s->n, digest);
        break;

    case DUR_VERIFY_SHA256:
        dur_sha256_parts(s->parts, s->n, digest);
        break;

    case DUR_VERIFY_ED25519:
        return dur_ed25519_verify(key, dur_verify_join(v, s), sig) == DUR_OK;

    default:
        return dur_ecdsa_verify(key, s->parts, s->n, sig) == DUR_OK;
    }

    return dur_const_eq(sig, dur_str_make(digest,
                        scheme->algorithm == DUR_VERIFY_HMAC_SHA1 ? 20 : 32));
}


/* Any signature of the source with this secret. */
static bool
dur_verify_any(dur_verify_t *v, const dur_verify_scheme_t *scheme,
    const dur_verify_signed_t *s, dur_str_t source)
{
    size_t     n, pos;
    dur_str_t  text;

    if (scheme->item == NULL) {
        n = scheme->prefix ? strlen(scheme->prefix) : 0;

        if (source.len <= n
            || (n && memcmp(source.data, scheme->prefix, n) != 0))
        {
            return false;
        }

        return dur_verify_one(v, scheme, s, dur_str_make(source.data + n,
                                                         source.len - n));
    }

    pos = 0;

    while (dur_verify_item(source, scheme, dur_str_c(scheme->item), &pos,
                           &text))
    {
        if (dur_verify_one(v, scheme, s, text)) {
            return true;
        }
    }

    return false;
}


/* Twilio signs only the URL of a JSON body, which then names its hash. */
static bool
dur_verify_body_hash(const dur_verify_request_t *r)
{
    char        hex[65];
    uint8_t     digest[32];
    dur_str_t   url = r->url;
    const void  *p;

    static const char  name[] = "bodySHA256=";

    p = memmem(url.data, url.len, name, sizeof(name) - 1);

    if (p == NULL) {
        return dur_verify_is_form(r) || r->body.len == 0;
    }

    url.len -= (size_t) ((const uint8_t *) p - url.data) + sizeof(name) - 1;
    url.data = (const uint8_t *) p + sizeof(name) - 1;

    if (url.len < 64) {
        return false;
    }

    url.len = 64;
    dur_sha256(r->body, digest);
    dur_hex(digest, sizeof(digest), hex);

    return dur_const_eq(url, dur_str_make(hex, 64));
}


/* -- rows ----------------------------------------------------------------- */

static bool
dur_verify_row(dur_verify_t *v, const dur_verify_scheme_t *scheme,
    const dur_str_t *secrets, size_t n, char err[160])
{
    size_t               i;
    dur_str_t            source;
    dur_verify_signed_t  s;

    source = dur_verify_value(v, scheme->source);

    memset(&s, 0, sizeof(s));
    s.timestamp = dur_verify_timestamp(v, scheme, source);
    s.id = dur_verify_value(v, scheme->id);

    if (source.len == 0
        || (scheme->timestamp != NULL && s.timestamp.len == 0)
        || (scheme->id != NULL && s.id.len == 0))
    {
        return false;
    }

    snprintf(err, 160, "its signature is not right");

    if (scheme->timestamp != NULL
        && !dur_verify_in_time(v, scheme, s.timestamp, err))
    {
        return false;
    }

    if (strstr(scheme->signs, "%f") && !dur_verify_body_hash(v->request)) {
        return false;
    }

    for (i = 0; i < n; i++) {
        s.secret = secrets[i];
        dur_verify_template(v, scheme->signs, &s);

        if (!v->nomem && dur_verify_any(v, scheme, &s, source)) {
            return true;
        }
    }

    return false;
}


dur_rc_t
dur_verify(const dur_verify_scheme_t *scheme, const dur_str_t *secrets,
    size_t n, const dur_verify_request_t *request, dur_arena_t *arena,
    char err[160])
{
    bool                        ok;
    char                        other[160];
    dur_verify_t                v = { request, arena, false, false };
    const dur_verify_scheme_t  *row;

    err[0] = '\0';
    row = scheme;

    /*
     * What the first row that applies says is what the user should read.  One
     * that is out of time is so for rows without a timestamp, too.
     */

    do {
        ok = dur_verify_row(&v, row, secrets, n, err[0] ? other : err);
        row = dur_verify_next(row);
    } while (!ok && !v.late && row != NULL);

    if (err[0] == '\0') {
        snprintf(err, 160, "it has no signature of %s (%s)", scheme->name,
                 scheme->source);
    }

    if (v.nomem) {
        return DUR_ENOMEM;
    }

    return ok ? DUR_OK : DUR_EACCES;
}


dur_rc_t
dur_verify_secret(const dur_verify_scheme_t *scheme, dur_str_t secret,
    char err[160])
{
    uint8_t                     bytes[512];
    dur_str_t                   key;
    const dur_verify_scheme_t  *row;

    if (secret.len == 0) {
        snprintf(err, 160, "the secret is empty");
        return DUR_EINVAL;
    }

    row = scheme;

    do {
        if ((row->algorithm == DUR_VERIFY_TOKEN
             || dur_verify_key(row, secret, bytes, sizeof(bytes), &key))
            && (row->algorithm != DUR_VERIFY_ED25519 || key.len == 32)
            && (row->algorithm != DUR_VERIFY_ECDSA
                || dur_ecdsa_verify(key, NULL, 0, dur_str_null)
                   != DUR_EINVAL))
        {
            return DUR_OK;
        }

        row = dur_verify_next(row);
    } while (row != NULL);

    snprintf(err, 160, "the secret is not a key of %s: it must be %s",
             scheme->name, scheme->key == DUR_VERIFY_HEX ? "hex"
             : scheme->algorithm == DUR_VERIFY_ECDSA
             ? "a public key in base64" : "base64");

    return DUR_EINVAL;
}


dur_str_t
dur_verify_dedupe(const dur_verify_scheme_t *scheme,
    const dur_verify_request_t *request, dur_arena_t *arena)
{
    dur_str_t                   id;
    dur_verify_t                v = { request, arena, false, false };
    const dur_verify_scheme_t  *row;

    row = scheme;

    do {
        id = dur_verify_value(&v, row->source).len
             ? dur_verify_value(&v, row->dedupe) : dur_str_null;
        row = dur_verify_next(row);
    } while (id.len == 0 && row != NULL);

    return id;
}


bool
dur_verify_challenge(const dur_verify_scheme_t *scheme,
    const dur_verify_request_t *request, dur_arena_t *arena, dur_str_t *body,
    bool *json)
{
    bool          found;
    dur_str_t     type;
    dur_verify_t  v = { request, arena, false, false };

    found = false;
    *json = false;

    switch (scheme->challenge) {

    case DUR_CHALLENGE_SLACK:
        type = dur_verify_member(&v, "type");
        *body = dur_verify_member(&v, "challenge");
        found = dur_str_eq(type, dur_str("url_verification")) && body->len;
        break;

    case DUR_CHALLENGE_DISCORD:
        /* interactions send 1, webhook events 0 */
        type = dur_verify_member(&v, "type");
        *json = dur_str_eq(type, dur_str("1"));
        *body = *json ? dur_str("{\"type\":1}") : dur_str_null;
        found = *json || dur_str_eq(type, dur_str("0"));
        break;

    case DUR_CHALLENGE_FRONT:
        *body = dur_headers_get(request->headers, "x-front-challenge");
        found = body->len > 0;
        break;

    default:
        break;
    }

    return found;
}
