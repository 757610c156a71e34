/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Events that are on their way through those who wait for them: while one is,
 * later ones of its name stand behind it, so that a wait has the first event
 * that it asks for, in the order of the commits.  One task for each name takes
 * them in turn.  For the dur_wait units and what runs tasks.
 *
 * Rows of DUR_T_WAIT: 'T' name, ticket.
 */

#ifndef DUR_WAIT_QUEUE_H
#define DUR_WAIT_QUEUE_H

#include "engine/dur_base.h"
#include "engine/dur_wait_row.h"

typedef struct {
    uint8_t     name[DUR_WAIT_NAME];
    dur_ulid_t  event;
    uint64_t    mark;           /* waits of a higher one came later */
    int64_t     received;       /* ms */
} dur_wait_queued_t;

/* The first of a name; DUR_ENOTFOUND. */
dur_rc_t dur_wait_queue_first(dur_engine_t *e,
    const uint8_t name[DUR_WAIT_NAME], dur_wait_queued_t *queued);

/* The last one, received now. */
dur_rc_t dur_wait_queue_add(dur_engine_t *e, const dur_wait_queued_t *queued);

/* True while an event is on its way that came before the wait of the step was
 * over: it may be met yet. */
dur_rc_t dur_wait_queue_before(dur_engine_t *e, const dur_ulid_t *run,
    const dur_hash_t *step, bool *before);

/*
 * The cursor of the task: the name, and the slot and the wait that its first
 * event is at.
 */
#define DUR_WAIT_CURSOR  (DUR_WAIT_NAME + 2 + DUR_WAIT_WHO)

/* The first event is through: the next one from the start.  *last: there is
 * none. */
dur_rc_t dur_wait_queue_next(dur_engine_t *e, dur_buf_t *cursor, bool *last);

/* The same for an event that broke an invariant; what is behind it goes on. */
dur_rc_t dur_wait_queue_poison(dur_engine_t *e, const dur_ulid_t *subject,
    dur_buf_t *cursor);

/* There are no tasks: makes one for events whose task was lost. */
dur_rc_t dur_wait_queue_revive(dur_engine_t *e);

#endif /* DUR_WAIT_QUEUE_H */
