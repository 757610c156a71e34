/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * ULIDs (48-bit milliseconds, 80 bits of entropy), their Crockford text, the
 * event ids that the seed header makes deterministic (protocol 1.4), SHA-1
 * step ids as hex text, and UUIDv5 (RFC 4122) for apps and functions.
 * Time and randomness are arguments.
 */

#ifndef DUR_ULID_H
#define DUR_ULID_H

#include "engine/dur_base.h"

/* From milliseconds and 10 bytes of entropy. */
void dur_ulid_make(dur_ulid_t *u, uint64_t ms, const uint8_t entropy[10]);

uint64_t dur_ulid_ms(const dur_ulid_t *u);

/* Writes 26 upper-case characters and a terminating zero. */
void dur_ulid_text(const dur_ulid_t *u, char text[DUR_ULID_TEXT_LEN + 1]);

/* Either case; DUR_EINVAL unless exactly 26 valid characters <= 7ZZZ.... */
dur_rc_t dur_ulid_parse(dur_str_t text, dur_ulid_t *u);

/*
 * Parses "<millis>,<base64 of 10 bytes>"; DUR_EINVAL when malformed.
 */
dur_rc_t dur_ulid_seed_parse(dur_str_t header, uint64_t *ms,
    uint8_t entropy[10]);

/* The id of the event at `index` (the first event of a request has 1). */
void dur_ulid_from_seed(dur_ulid_t *u, uint64_t ms, const uint8_t entropy[10],
    uint32_t index);

/* An id that a run and a step always give, for the events they cause. */
void dur_ulid_derive(dur_ulid_t *u, int64_t ms, const dur_ulid_t *run,
    const dur_hash_t *step);

/* 40 lower-case hex characters and a zero; parse: DUR_EINVAL otherwise. */
void dur_hash_text(const dur_hash_t *h, char text[DUR_HASH_TEXT_LEN + 1]);
dur_rc_t dur_hash_parse(dur_str_t text, dur_hash_t *h);

/* Lower-case hex of n bytes; writes 2 n characters and a zero. */
void dur_hex(const uint8_t *p, size_t n, char *text);
/* Either case; DUR_EINVAL unless text.len is 2 n and all hex. */
dur_rc_t dur_unhex(dur_str_t text, uint8_t *p, size_t n);

/* UUIDv5 in the project's own namespace of `kind` ("app", "function") and
 * name, as 36 characters and a zero. */
void dur_uuid5(const char *kind, dur_str_t name,
    char text[DUR_UUID_TEXT_LEN + 1]);

#endif /* DUR_ULID_H */
