/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Events and the waits they meet: steps are resumed, runs are cancelled.  One
 * event may do either to any number of runs; what does not fit into its op
 * becomes a task.
 *
 * Included by dur_wait.h, which is what other units include.
 */

#ifndef DUR_WAIT_MATCH_H
#define DUR_WAIT_MATCH_H

#include "engine/dur_base.h"

typedef struct dur_engine_s  dur_engine_t;

/* An event that was just stored. */
typedef struct {
    dur_ulid_t  id;
    dur_str_t   name;
    dur_str_t   json;
} dur_wait_match_t;

/*
 * Resumes and cancels what waits for the event, within *rows; what is left
 * becomes a task.  Waits that were made after it never match.  While another
 * event of its name is on its way it stands behind that (dur_wait_queue.h).
 */
dur_rc_t dur_wait_match(dur_engine_t *e, const dur_wait_match_t *event,
    unsigned *rows);

/* One piece of that task; the cursor is dur_wait's own. */
dur_rc_t dur_wait_match_more(dur_engine_t *e, dur_buf_t *cursor, bool *done);

/* Whether anybody waits for events of this name; cheap. */
bool dur_wait_any(dur_engine_t *e, dur_str_t name);

#endif /* DUR_WAIT_MATCH_H */
