/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * JSON through jansson, without losing what jansson as it is would lose
 * (design section 3): U+0000 is allowed, a lone surrogate becomes U+FFFD,
 * integers beyond 64 bits become doubles, depth is limited, and numbers are
 * written as ES6 writes them.  dur_json_write() is RFC 8785 (JCS).
 *
 * This unit parses; dur_json_write.h writes, dur_json_text.h cuts members out
 * of a text.  The parser is jansson's, behind one pass over the text which
 * limits the depth before anything is allocated and rewrites, in a copy, the
 * lone surrogates and the integers that jansson refuses.  A text that needs
 * neither is not copied.
 *
 * Jansson objects belong to the caller (json_decref) unless a comment says
 * "borrowed".  json_set_alloc_funcs() is never called.
 */

#ifndef DUR_JSON_H
#define DUR_JSON_H

#include "engine/dur_base.h"
#include "engine/dur_json_text.h"
#include "engine/dur_json_write.h"

#include <jansson.h>

#define DUR_JSON_DEPTH  512

typedef struct {
    size_t  offset;             /* bytes read when it was found */
    size_t  line;
    char    text[160];          /* what is wrong, for the user */
} dur_json_error_t;

/*
 * Parses one complete JSON text (any value; only white space may follow).
 * NULL and *err filled on failure.  All numbers are kept as json_real when
 * not representable in int64, otherwise json_integer where the text is an
 * integer, json_real otherwise.  Duplicate keys: the last one wins.  Refused
 * are also numbers over the double range, invalid UTF-8, and \u0000 in a key
 * (in a string it is kept).  A new reference.
 *
 * The message is jansson's, such as "':' expected near '1'", without the
 * place; the offset is behind what jansson read of the text.
 */
json_t *dur_json_parse(dur_str_t text, dur_json_error_t *err);

/* Parses and writes; DUR_EINVAL when `text` is not JSON. */
dur_rc_t dur_json_canonicalize(dur_buf_t *b, dur_str_t text);

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
