/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_sign.h"
#include "engine/dur_ulid.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * The plain digest functions: they need no memory, take no lock and cannot
 * fail, which the fetched ones of OpenSSL 3 do not promise.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>


#define DUR_HMAC_BLOCK  64
#define DUR_SIGN_PREFIX  "signkey-"


void
dur_sha1_parts(const dur_str_t *parts, size_t n, uint8_t digest[20])
{
    SHA_CTX  ctx;

    SHA1_Init(&ctx);

    for (size_t i = 0; i < n; i++) {
        SHA1_Update(&ctx, parts[i].data, parts[i].len);
    }

    SHA1_Final(digest, &ctx);
}


void
dur_sha1(dur_str_t s, uint8_t digest[20])
{
    dur_sha1_parts(&s, 1, digest);
}


void
dur_sha256(dur_str_t s, uint8_t digest[32])
{
    SHA256_CTX  ctx;

    SHA256_Init(&ctx);
    SHA256_Update(&ctx, s.data, s.len);
    SHA256_Final(digest, &ctx);
}


void
dur_sha256_parts(const dur_str_t *parts, size_t n, uint8_t digest[32])
{
    SHA256_CTX  ctx;

    SHA256_Init(&ctx);

    for (size_t i = 0; i < n; i++) {
        SHA256_Update(&ctx, parts[i].data, parts[i].len);
    }

    SHA256_Final(digest, &ctx);
    OPENSSL_cleanse(&ctx, sizeof(ctx));
}


/* -- HMAC, RFC 2104 ------------------------------------------------------- */

typedef union {
    SHA_CTX     sha1;
    SHA256_CTX  sha256;
} dur_hash_ctx_t;


static void
dur_hash_begin(dur_hash_ctx_t *ctx, bool sha256)
{
    if (sha256) {
        SHA256_Init(&ctx->sha256);
    } else {
        SHA1_Init(&ctx->sha1);
    }
}


static void
dur_hash_add(dur_hash_ctx_t *ctx, bool sha256, const void *p, size_t n)
{
    if (sha256) {
        SHA256_Update(&ctx->sha256, p, n);
    } else {
        SHA1_Update(&ctx->sha1, p, n);
    }
}


static void
dur_hash_end(dur_hash_ctx_t *ctx, bool sha256, uint8_t digest[32])
{
    if (sha256) {
        SHA256_Final(digest, &ctx->sha256);
    } else {
        SHA1_Final(digest, &ctx->sha1);
    }
}


/* The key as one block, each byte exclusive-or'ed. */
static void
dur_hmac_pad(dur_hash_ctx_t *ctx, bool sha256,
    const uint8_t block[DUR_HMAC_BLOCK], uint8_t with)
{
    uint8_t  pad[DUR_HMAC_BLOCK];

    for (size_t i = 0; i < sizeof(pad); i++) {
        pad[i] = block[i] ^ with;
    }

    dur_hash_begin(ctx, sha256);
    dur_hash_add(ctx, sha256, pad, sizeof(pad));
    OPENSSL_cleanse(pad, sizeof(pad));
}


void
dur_hmac_parts(bool sha256, dur_str_t key, const dur_str_t *parts, size_t n,
    uint8_t digest[32])
{
    uint8_t         block[DUR_HMAC_BLOCK];
    dur_hash_ctx_t  ctx;

    memset(block, 0, sizeof(block));

    if (key.len > sizeof(block)) {
        dur_hash_begin(&ctx, sha256);
        dur_hash_add(&ctx, sha256, key.data, key.len);
        dur_hash_end(&ctx, sha256, block);

    } else if (key.len) {
        memcpy(block, key.data, key.len);
    }

    dur_hmac_pad(&ctx, sha256, block, 0x36);

    for (size_t i = 0; i < n; i++) {
        dur_hash_add(&ctx, sha256, parts[i].data, parts[i].len);
    }

    dur_hash_end(&ctx, sha256, digest);

    dur_hmac_pad(&ctx, sha256, block, 0x5c);
    dur_hash_add(&ctx, sha256, digest, sha256 ? 32 : 20);
    dur_hash_end(&ctx, sha256, digest);

    OPENSSL_cleanse(block, sizeof(block));
    OPENSSL_cleanse(&ctx, sizeof(ctx));
}


void
dur_hmac_sha256(dur_str_t key, dur_str_t a, dur_str_t b, uint8_t digest[32])
{
    dur_str_t  parts[2] = { a, b };

    dur_hmac_parts(true, key, parts, 2, digest);
}


/* -- public keys ---------------------------------------------------------- */

dur_rc_t
dur_ed25519_verify(dur_str_t key, dur_str_t message, dur_str_t signature)
{
    dur_rc_t     rc;
    EVP_PKEY    *pkey;
    EVP_MD_CTX  *ctx;

    pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key.data,
                                       key.len);
    ctx = EVP_MD_CTX_new();

    if (pkey == NULL) {
        rc = DUR_EINVAL;

    } else if (ctx == NULL
               || EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) != 1)
    {
        rc = DUR_ENOMEM;

    } else {
        rc = EVP_DigestVerify(ctx, signature.data, signature.len,
                              message.data, message.len) == 1
             ? DUR_OK : DUR_EACCES;
    }

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    ERR_clear_error();

    return rc;
}


dur_rc_t
dur_ecdsa_verify(dur_str_t key, const dur_str_t *parts, size_t n,
    dur_str_t signature)
{
    size_t          i;
    dur_rc_t        rc;
    EVP_PKEY       *pkey;
    EVP_MD_CTX     *ctx;
    const uint8_t  *p = key.data;

    pkey = d2i_PUBKEY(NULL, &p, (long) key.len);
    ctx = EVP_MD_CTX_new();

    if (pkey == NULL || EVP_PKEY_base_id(pkey) != EVP_PKEY_EC) {
        rc = DUR_EINVAL;

    } else if (ctx == NULL
               || EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, pkey)
                  != 1)
    {
        rc = DUR_ENOMEM;

    } else {
        for (i = 0; i < n; i++) {
            EVP_DigestVerifyUpdate(ctx, parts[i].data, parts[i].len);
        }

        rc = EVP_DigestVerifyFinal(ctx, signature.data, signature.len) == 1
             ? DUR_OK : DUR_EACCES;
    }

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    ERR_clear_error();

    return rc;
}


bool
dur_const_eq(dur_str_t a, dur_str_t b)
{
    if (a.len != b.len) {
        return false;
    }

    return a.len == 0 || CRYPTO_memcmp(a.data, b.data, a.len) == 0;
}


void
dur_base64(dur_str_t s, char *out)
{
    size_t    i;
    uint32_t  v;

    static const char  digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (i = 0; s.len - i >= 3; i += 3) {
        v = (uint32_t) (s.data[i] << 16 | s.data[i + 1] << 8 | s.data[i + 2]);

        *out++ = digits[v >> 18];
        *out++ = digits[v >> 12 & 63];
        *out++ = digits[v >> 6 & 63];
        *out++ = digits[v & 63];
    }

    if (s.len - i == 1) {
        v = s.data[i];

        *out++ = digits[v >> 2];
        *out++ = digits[v << 4 & 63];
        *out++ = '=';
        *out++ = '=';

    } else if (s.len - i == 2) {
        v = (uint32_t) (s.data[i] << 8 | s.data[i + 1]);

        *out++ = digits[v >> 10];
        *out++ = digits[v >> 4 & 63];
        *out++ = digits[v << 2 & 63];
        *out++ = '=';
    }

    *out = '\0';
}


static int
dur_base64_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }

    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }

    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }

    if (c == '+' || c == '-') {
        return 62;
    }

    return (c == '/' || c == '_') ? 63 : -1;
}


dur_rc_t
dur_unbase64(dur_str_t s, uint8_t *out, size_t size, size_t *n)
{
    int       v;
    size_t    len, pad;
    unsigned  bits;
    uint32_t  acc;

    pad = 0;
    while (pad < 2 && s.len && s.data[s.len - 1] == '=') {
        s.len--;
        pad++;
    }

    /* padding, where it is given, fills up the last group of four */

    if (s.len % 4 == 1 || (pad && (s.len + pad) % 4 != 0)) {
        return DUR_EINVAL;
    }

    len = 0;
    acc = 0;
    bits = 0;

    for (size_t i = 0; i < s.len; i++) {
        v = dur_base64_value(s.data[i]);
        if (v < 0) {
            return DUR_EINVAL;
        }

        acc = (acc << 6 | (uint32_t) v) & 0xfff;
        bits += 6;

        if (bits >= 8) {
            if (len == size) {
                return DUR_EINVAL;
            }

            bits -= 8;
            out[len++] = (uint8_t) (acc >> bits);
        }
    }

    /* one text for one value: the bits that are left over are zero */

    if ((acc & ((1u << bits) - 1)) != 0) {
        return DUR_EINVAL;
    }

    *n = len;

    return DUR_OK;
}


static bool
dur_is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || c == '_';
}


/* Protocol 7.1: what ^signkey-\w+- matches is not part of the key. */

dur_str_t
dur_signing_key_strip(dur_str_t key)
{
    size_t  i, n;

    n = sizeof(DUR_SIGN_PREFIX) - 1;

    if (key.len < n || memcmp(key.data, DUR_SIGN_PREFIX, n) != 0) {
        return key;
    }

    for (i = n; i < key.len && dur_is_word(key.data[i]); i++) { /* void */ }

    if (i == n || i == key.len || key.data[i] != '-') {
        return key;
    }

    return dur_str_make(key.data + i + 1, key.len - i - 1);
}


/* The 64 hex characters of protocol 7.1, and a zero. */

static void
dur_sign_hex(dur_str_t key, dur_str_t body, dur_str_t time, char hex[65])
{
    uint8_t  digest[32];

    dur_hmac_sha256(dur_signing_key_strip(key), body, time, digest);
    dur_hex(digest, sizeof(digest), hex);
}


void
dur_sign_request(dur_str_t key, dur_str_t body, int64_t now_s, char text[96])
{
    char  hex[65], time[24];

    snprintf(time, sizeof(time), "%lld", (long long) now_s);

    dur_sign_hex(key, body, dur_str_c(time), hex);

    snprintf(text, 96, "t=%s&s=%s", time, hex);
}


/* The value of a parameter of "a=b&c=d"; the first one counts. */

static bool
dur_sign_parameter(dur_str_t header, uint8_t name, dur_str_t *value)
{
    size_t          n;
    const uint8_t  *p, *end, *last;

    p = header.data;
    last = header.data + header.len;

    while (p < last) {
        end = memchr(p, '&', (size_t) (last - p));
        if (end == NULL) {
            end = last;
        }

        n = (size_t) (end - p);

        if (n >= 2 && p[0] == name && p[1] == '=') {
            *value = dur_str_make(p + 2, n - 2);
            return true;
        }

        p = end + 1;
    }

    return false;
}


/* A decimal without sign and leading zero, as every SDK writes it. */

static bool
dur_sign_time(dur_str_t s, int64_t *t)
{
    int64_t  v;

    if (s.len == 0 || s.len > 15 || (s.data[0] == '0' && s.len > 1)) {
        return false;
    }

    v = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return false;
        }
        v = v * 10 + (s.data[i] - '0');
    }

    *t = v;

    return true;
}


dur_rc_t
dur_sign_verify(dur_str_t key, dur_str_t body, dur_str_t header,
    int64_t now_s, int64_t skew_s)
{
    char       hex[65];
    int64_t    t;
    dur_str_t  time, sign;

    if (!dur_sign_parameter(header, 't', &time)
        || !dur_sign_parameter(header, 's', &sign)
        || !dur_sign_time(time, &t)
        || sign.len != sizeof(hex) - 1)
    {
        return DUR_EINVAL;
    }

    if (now_s - t > skew_s || t - now_s > skew_s) {
        return DUR_ECONFLICT;
    }

    /* nobody signs with an empty key */

    if (dur_signing_key_strip(key).len == 0) {
        return DUR_EACCES;
    }

    dur_sign_hex(key, body, time, hex);

    return dur_const_eq(dur_str_c(hex), sign) ? DUR_OK : DUR_EACCES;
}


/* SHA-256 of the hex-decoded rest of a key. */

static dur_rc_t
dur_signing_key_digest(dur_str_t rest, uint8_t digest[32])
{
    size_t    n;
    uint8_t  *raw, small[128];

    n = rest.len / 2;

    if (n == 0 || rest.len % 2 != 0) {
        return DUR_EINVAL;
    }

    raw = small;

    if (n > sizeof(small)) {
        raw = malloc(n);
        if (raw == NULL) {
            return DUR_ENOMEM;
        }
    }

    if (dur_unhex(rest, raw, n) != DUR_OK) {
        n = 0;
    }

    if (n) {
        dur_sha256(dur_str_make(raw, n), digest);
        OPENSSL_cleanse(raw, n);
    }

    if (raw != small) {
        free(raw);
    }

    return n ? DUR_OK : DUR_EINVAL;
}


dur_rc_t
dur_signing_key_hash(dur_str_t key, dur_buf_t *out)
{
    char       hex[65];
    uint8_t    digest[32];
    dur_rc_t   rc;
    dur_str_t  rest;

    rest = dur_signing_key_strip(key);

    rc = dur_signing_key_digest(rest, digest);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_hex(digest, sizeof(digest), hex);

    rc = dur_buf_reserve(out, key.len - rest.len + sizeof(hex));
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_add(out, key.data, key.len - rest.len);
    dur_buf_addz(out, hex);

    return DUR_OK;
}


bool
dur_bearer_check(dur_str_t authorization, dur_str_t key)
{
    bool       plain, hashed;
    char       hex[65];
    uint8_t    digest[32];
    dur_str_t  token, rest, scheme;

    scheme = dur_str("bearer");
    token = authorization;

    if (token.len <= scheme.len
        || !dur_str_caseeq(dur_str_make(token.data, scheme.len), scheme)
        || token.data[scheme.len] != ' ')
    {
        return false;
    }

    token.data += scheme.len;
    token.len -= scheme.len;

    while (token.len && token.data[0] == ' ') {
        token.data++;
        token.len--;
    }

    while (token.len && token.data[token.len - 1] == ' ') {
        token.len--;
    }

    token = dur_signing_key_strip(token);
    rest = dur_signing_key_strip(key);

    if (token.len == 0 || rest.len == 0) {
        return false;
    }

    /* both are compared in any case: which one it was does not show */

    plain = dur_const_eq(token, rest);
    hashed = false;

    if (dur_signing_key_digest(rest, digest) == DUR_OK) {
        dur_hex(digest, sizeof(digest), hex);
        hashed = dur_const_eq(token, dur_str_c(hex));
    }

    return plain || hashed;
}
