/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Schedules: each cron text of a function has one timer, and a row that says
 * which slot it stands for.  When it fires, the function's run is started and
 * the next slot is planned in the same transaction, so a slot has one run
 * however often the leader changes.  What was missed while nobody was there
 * is made up by one run.
 */

#ifndef DUR_SCHEDULE_H
#define DUR_SCHEDULE_H

#include "engine/dur_base.h"
#include "engine/dur_queue.h"
#include "engine/dur_store.h"

/* Whether a cron text's zone is known here.  DUR_EINVAL and a sentence. */
dur_rc_t dur_schedule_check(dur_engine_t *e, dur_str_t cron, char err[160]);

/*
 * The functions of an app were stored: plans what is new, takes back what is
 * no more and leaves the rest as it is; a piece of it, the rest is a task.
 * From after the registry was read anew.
 */
dur_rc_t dur_schedule_plan(dur_engine_t *e, uint32_t app);
dur_rc_t dur_schedule_more(dur_engine_t *e, dur_buf_t *cursor, bool *done);

/* A leader begins: zones are read again, and what changed is planned anew. */
dur_rc_t dur_schedule_start(dur_engine_t *e);

/* The timer of a schedule came up, or it broke an invariant: then this slot
 * is left out. */
dur_rc_t dur_schedule_due(dur_engine_t *e, const dur_item_t *item);
dur_rc_t dur_schedule_poison(dur_engine_t *e, const dur_item_t *item);

/* When a schedule of the function is due next (ms); INT64_MAX: there is
 * none. */
dur_rc_t dur_schedule_next(dur_txn_t *t, uint32_t function, int64_t *due);

#endif /* DUR_SCHEDULE_H */
