/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What a filter was asked for, as text: arguments of a URL, or members of a
 * JSON object.  It is checked word by word as it is set; whether its names
 * exist, and its expression compiles, is seen when it is opened (dur_filter).
 */

#ifndef DUR_FILTER_WANT_H
#define DUR_FILTER_WANT_H

#include "engine/dur_base.h"

#include <jansson.h>

/* What was asked for, borrowed; empty: any. */
typedef struct {
    dur_str_t   app;            /* of runs, by name or UUID */
    dur_str_t   function;       /* of runs, by slug or UUID */
    dur_str_t   connector;      /* of runs: of its functions */
    dur_str_t   event;          /* the name; a * at the end: begins so */
    dur_str_t   id;             /* text in the id, or in that of the event */
    dur_str_t   q;              /* an expression (docs/expressions.md) */
    unsigned    statuses;       /* of runs, dur_query_status_mask(); 0: any */
    int64_t     after_ms;       /* created or received at or after, or 0 */
    int64_t     before_ms;      /* and before, or INT64_MAX */
} dur_filter_want_t;

/* Everything. */
void dur_filter_init(dur_filter_want_t *want);

/*
 * Sets one member by its name: status, app, function, event, id, q, after,
 * before; an empty value leaves it as it is.  DUR_ENOTFOUND: there is none of
 * this name; DUR_EINVAL: it is wrong; both with a sentence.
 */
dur_rc_t dur_filter_set(dur_filter_want_t *want, const char *name,
    dur_str_t value, char err[160]);

/* All members of an object, borrowed from it; DUR_EINVAL with a sentence,
 * also for one that is not known or no string.  null is absent. */
dur_rc_t dur_filter_read(const json_t *object, dur_filter_want_t *want,
    char err[160]);

/* The same object again: what dur_filter_read() takes. */
dur_rc_t dur_filter_write(const dur_filter_want_t *want, dur_buf_t *out);

/* Whether nothing is asked for. */
bool dur_filter_all(const dur_filter_want_t *want);

#endif /* DUR_FILTER_WANT_H */
