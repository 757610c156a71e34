/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * JSON as text: what dur_json.c, the writer and everybody who only needs one
 * member of a large body share.  Nothing here allocates or builds values.
 *
 * Included by dur_json.h, which is what other units include.
 */

#ifndef DUR_JSON_TEXT_H
#define DUR_JSON_TEXT_H

#include "engine/dur_base.h"

/* Bytes of the UTF-8 sequence at p (1..4), 0 when it is none: overlong,
 * a surrogate, beyond U+10FFFF, or cut off by `last`. */
size_t dur_utf8_len(const uint8_t *p, const uint8_t *last);

/* Whether all of it is UTF-8. */
bool dur_utf8_valid(dur_str_t s);

/*
 * Decodes the escape at *p (which is a backslash) to UTF-8 and moves *p
 * behind it; a lone surrogate becomes U+FFFD.  The number of bytes in out,
 * 0 when it is no escape.
 */
size_t dur_json_unescape(const uint8_t **p, const uint8_t *last,
    uint8_t out[4]);

/*
 * Slices a text that dur_json_parse() accepted: the bytes of a member's value
 * as received, without white space around it.  For an object the LAST member
 * with this key (escapes in keys are compared unescaped), for an array the
 * element at the index, a decimal.  DUR_ENOTFOUND.
 */
dur_rc_t dur_json_member(dur_str_t object, dur_str_t key, dur_str_t *value);

/* Walks an array text: *pos starts at 0; DUR_ENOTFOUND at the end. */
dur_rc_t dur_json_next(dur_str_t array, size_t *pos, dur_str_t *value);

static inline const uint8_t *
dur_json_skip_space(const uint8_t *p, const uint8_t *last)
{
    while (p < last
           && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
    {
        p++;
    }

    return p;
}

#endif /* DUR_JSON_TEXT_H */
