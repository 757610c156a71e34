/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What a person reads: one aligned line for each object of the leader's feed.
 * Names and errors come from apps, so nothing in them reaches the terminal as
 * a control.
 */

#ifndef DURABLE_PRINT_H
#define DURABLE_PRINT_H

#include "engine/dur_base.h"

#define DURABLE_COLUMN_MAX  32


typedef struct {
    bool    json;           /* the object itself, one per line */
    bool    colour;
    size_t  function;       /* widths, growing with what is seen */
    size_t  step;
} durable_print_t;


/* Decides on colour: a terminal, and no NO_COLOR. */
void durable_print_init(durable_print_t *p, bool json);

/* Appends the line of one object with its newline; empty json: a gap. */
void durable_print_line(durable_print_t *p, dur_str_t json, dur_buf_t *out);

/* "41 ms", "4.38 s", "3 min 2 s", "2 h 5 min", "3 d 4 h". */
void durable_print_duration(int64_t ms, char *text, size_t size);

/* Printable UTF-8 only, at most `max` bytes of text. */
void durable_print_safe(dur_str_t text, size_t max, dur_buf_t *out);

#endif /* DURABLE_PRINT_H */
