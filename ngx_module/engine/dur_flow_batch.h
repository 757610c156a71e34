/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Batches (features 5.5): events of a function and key that are collected
 * until there are enough of them, or for long enough, and start one run
 * together.  A row per open batch says what it has; its events are members
 * (dur_member.h) of the run to come, whose id is made when the batch opens, so
 * that starting it costs the same whatever its size.  The timer is an item of
 * no run.
 */

#ifndef DUR_FLOW_BATCH_H
#define DUR_FLOW_BATCH_H

#include "engine/dur_base.h"
#include "engine/dur_queue.h"
#include "engine/dur_run.h"

/*
 * Asked before anything else.  *start becomes DUR_START_BATCHED and run->id
 * that of the batch's run, which begins here when the batch is full;
 * DUR_START_KNOWN for an event that is in a batch already; DUR_START_REFUSED.
 * It stays DUR_START_RUN when the event is to run alone.
 */
dur_rc_t dur_flow_batch(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_run_t *run, dur_start_t *start);

/* The timer of an open batch fired: its run begins, unless the function is
 * gone. */
dur_rc_t dur_flow_batch_due(dur_engine_t *e, const dur_item_t *item);

/* That broke an invariant: the events of the batch start nothing. */
dur_rc_t dur_flow_batch_poison(dur_engine_t *e, const dur_item_t *item);

/* One piece of the task that lets go of the events of a batch that started
 * nothing: callers among them have an error, then all are told to
 * retention. */
dur_rc_t dur_flow_batch_drop(dur_engine_t *e, const dur_ulid_t *run,
    dur_buf_t *cursor, bool *done);

/*
 * A batch's run has ended: all callers among its events are answered, some at
 * once, the others by a task that goes on with the second function.
 */
dur_rc_t dur_flow_batch_ended(dur_engine_t *e, const dur_run_t *run,
    dur_str_t output);
dur_rc_t dur_flow_batch_answer(dur_engine_t *e, const dur_ulid_t *run,
    dur_buf_t *cursor, bool *done);

#endif /* DUR_FLOW_BATCH_H */
