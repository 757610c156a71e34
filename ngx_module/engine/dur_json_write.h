/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Writes JSON as RFC 8785 (JCS) wants it: the only form that SDKs verify
 * signatures over (protocol 7.2).
 *
 * Included by dur_json.h, which is what other units include.
 */

#ifndef DUR_JSON_WRITE_H
#define DUR_JSON_WRITE_H

#include "engine/dur_base.h"

#include <jansson.h>

/* Appends the JCS form: sorted keys (UTF-16 code units), no white space, ES6
 * numbers (integers beyond 2^53 as the double they are).  On failure the
 * buffer is as long as it was. */
dur_rc_t dur_json_write(dur_buf_t *b, const json_t *value);

/* Appends a quoted and escaped JSON string; invalid UTF-8 becomes U+FFFD. */
dur_rc_t dur_json_write_string(dur_buf_t *b, dur_str_t s);

/* The same without the quotes: a string may be written piece by piece, each
 * of whole characters. */
dur_rc_t dur_json_write_chars(dur_buf_t *b, dur_str_t s);

/* ES6 number text, terminated; finite d only. */
void dur_json_number(double d, char text[32]);

/* The order of keys in JCS: as memcmp(), by UTF-16 code units of UTF-8. */
int dur_json_key_cmp(dur_str_t a, dur_str_t b);

#endif /* DUR_JSON_WRITE_H */
