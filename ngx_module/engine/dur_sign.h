/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The only unit that knows OpenSSL: digests, HMAC, constant-time comparison,
 * base64, and the two uses of an Inngest signing key (protocol section 7):
 * X-Inngest-Signature and the hashed bearer token.
 */

#ifndef DUR_SIGN_H
#define DUR_SIGN_H

#include "engine/dur_base.h"

void dur_sha1(dur_str_t s, uint8_t digest[20]);
/* Over the parts as if they were one string. */
void dur_sha1_parts(const dur_str_t *parts, size_t n, uint8_t digest[20]);
void dur_sha256(dur_str_t s, uint8_t digest[32]);
void dur_hmac_sha256(dur_str_t key, dur_str_t a, dur_str_t b,
    uint8_t digest[32]);            /* over a || b */

/* HMAC over the parts as if they were one string; sha1 or sha256. */
void dur_hmac_parts(bool sha256, dur_str_t key, const dur_str_t *parts,
    size_t n, uint8_t digest[32]);
/* SHA-256 over the parts. */
void dur_sha256_parts(const dur_str_t *parts, size_t n, uint8_t digest[32]);

/*
 * Signatures with a public key: Ed25519 (32 raw bytes), ECDSA with SHA-256
 * (key and signature in DER).  DUR_OK; DUR_EACCES: it is another's;
 * DUR_EINVAL: the key is none; DUR_ENOMEM.
 */
dur_rc_t dur_ed25519_verify(dur_str_t key, dur_str_t message,
    dur_str_t signature);
dur_rc_t dur_ecdsa_verify(dur_str_t key, const dur_str_t *parts, size_t n,
    dur_str_t signature);

/* Takes the same time whatever differs; false when the lengths differ. */
bool dur_const_eq(dur_str_t a, dur_str_t b);

/* Standard alphabet with padding; out holds 4 * ((n + 2) / 3) + 1 bytes. */
void dur_base64(dur_str_t s, char *out);
/* Padding optional, both alphabets; DUR_EINVAL when malformed or larger than
 * size; *n is the number of bytes written. */
dur_rc_t dur_unbase64(dur_str_t s, uint8_t *out, size_t size, size_t *n);

/* The key without its "signkey-<word>-" prefix. */
dur_str_t dur_signing_key_strip(dur_str_t key);

/*
 * "t=<unix seconds>&s=<hex>" over body || t (protocol 7.1), with the prefix of
 * the key stripped; text holds at least 96 bytes and is terminated.
 */
void dur_sign_request(dur_str_t key, dur_str_t body, int64_t now_s,
    char text[96]);

/* DUR_OK; DUR_EINVAL malformed; DUR_ECONFLICT when |now - t| > skew seconds;
 * DUR_EACCES when the signature differs. */
dur_rc_t dur_sign_verify(dur_str_t key, dur_str_t body, dur_str_t header,
    int64_t now_s, int64_t skew_s);

/* "<prefix><sha256 hex of the hex-decoded rest>" (protocol 7.3, vectors 7.4);
 * out.  DUR_EINVAL when the rest is not hex or empty. */
dur_rc_t dur_signing_key_hash(dur_str_t key, dur_buf_t *out);

/*
 * Checks the value of an Authorization header against a signing key: true for
 * the plain key or its hash, prefixes ignored, constant time.  An empty rest
 * never matches.
 */
bool dur_bearer_check(dur_str_t authorization, dur_str_t key);

#endif /* DUR_SIGN_H */
