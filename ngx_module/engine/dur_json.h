/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * JSON through jansson, without losing what jansson as it is would lose
 * (design section 3): U+0000 is allowed, a lone surrogate becomes U+FFFD,
 * integers beyond 64 bits become doubles, depth is limited, and numbers are
 * written as ES6 writes them.  dur_json_write() is RFC 8785 (JCS).
 *
 * Jansson objects belong to the caller (json_decref) unless a comment says
 * "borrowed".  json_set_alloc_funcs() is never called.
 */

#ifndef DUR_JSON_H
#define DUR_JSON_H

#include "engine/dur_base.h"

#include <jansson.h>

#define DUR_JSON_DEPTH  512

typedef struct {
    size_t  offset;             /* byte of the text */
    size_t  line;
    char    text[160];          /* what is wrong, for the user */
} dur_json_error_t;

/*
 * Parses one complete JSON text (any value; only white space may follow).
 * NULL and *err filled on failure.  All numbers are kept as json_real when
 * not representable in int64, otherwise json_integer where the text is an
 * integer, json_real otherwise.  Numbers over the double range are an error.
 * Duplicate keys: the last one wins.  A new reference.
 */
json_t *dur_json_parse(dur_str_t text, dur_json_error_t *err);

/* Appends the JCS form: sorted keys (UTF-16 code units), no white space, ES6
 * numbers (integers beyond 2^53 as the double they are). */
dur_rc_t dur_json_write(dur_buf_t *b, const json_t *value);

/* Parses and writes; DUR_EINVAL when `text` is not JSON. */
dur_rc_t dur_json_canonicalize(dur_buf_t *b, dur_str_t text);

/* Appends a quoted and escaped JSON string; invalid UTF-8 becomes U+FFFD. */
dur_rc_t dur_json_write_string(dur_buf_t *b, dur_str_t s);

/* ES6 number text, terminated; finite d only. */
void dur_json_number(double d, char text[32]);

/*
 * Slices a text that dur_json_parse() accepted: the bytes of a member's value
 * as received, without white space around it.  For an object the LAST member
 * with this key (escapes in keys are compared unescaped), for an array the
 * element at the index.  DUR_ENOTFOUND.
 */
dur_rc_t dur_json_member(dur_str_t object, dur_str_t key, dur_str_t *value);

/* Walks an array text: *pos starts at 0; DUR_ENOTFOUND at the end. */
dur_rc_t dur_json_next(dur_str_t array, size_t *pos, dur_str_t *value);

/* Borrowed string of a member: DUR_ENOTFOUND absent or null, DUR_EINVAL when
 * of another type. */
dur_rc_t dur_json_get_string(const json_t *object, const char *key,
    dur_str_t *value);
dur_rc_t dur_json_get_int(const json_t *object, const char *key,
    int64_t *value);

/* Like json_object_get, keys compared without case (protocol 3.3); an exact
 * match wins.  JSON null counts as absent (NULL).  Borrowed. */
json_t *dur_json_iget(const json_t *object, const char *key);

#endif /* DUR_JSON_H */
