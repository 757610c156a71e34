/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Limits of what runs at the same time (features 5.1): which of them an item
 * is subject to, whether they have room, and taking and giving slots.
 *
 * The values of keys are those of the run's start; the numbers, the scopes
 * and which keys there are, are those of the newest registration.  A key that
 * the run has no value for does not limit it.
 *
 * The slots of calls are counted by dur_counter.h.  Those of whole runs are
 * rows of DUR_T_FLOW with a number, as runs outlive their leases.
 */

#ifndef DUR_FLOW_CONCURRENCY_H
#define DUR_FLOW_CONCURRENCY_H

#include "engine/dur_base.h"
#include "engine/dur_counter.h"
#include "engine/dur_queue.h"
#include "engine/dur_run.h"

/* -- runs that begin ------------------------------------------------------ */

/* Evaluates the keys and the priority, once for the run's life.  What has no
 * value is "false", and a priority of 0. */
dur_rc_t dur_flow_keys(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_run_t *run);

/* The first call of the run was leased, and took a slot of concurrency.fn:
 * the header says so from now on. */
void dur_flow_slot_hold(dur_engine_t *e, const dur_item_t *item,
    dur_run_t *run);

/* The run ends: gives back its slot of concurrency.fn, if it has one. */
dur_rc_t dur_flow_slot_free(dur_engine_t *e, dur_run_t *run);

/* -- items ---------------------------------------------------------------- */

typedef struct {
    dur_counter_t  counter;
    uint32_t       limit;
} dur_limit_t;

/* At most so many: two of calls, one of runs, a throttle. */
#define DUR_LIMITS_MAX  4

/* What the item is subject to, in the order in which it is asked. */
unsigned dur_flow_limits(dur_engine_t *e, const dur_item_t *item,
    dur_limit_t list[DUR_LIMITS_MAX]);

/*
 * Whether a call may go out: *full is the first limit without room, or has no
 * scope.  Those who were woken have their slots, unless `woken`: the item is
 * one of them.
 */
dur_rc_t dur_flow_admit(dur_engine_t *e, const dur_item_t *item, bool woken,
    dur_counter_t *full);

/* The item is leased: takes what it is subject to.  The flags of the item say
 * whether its run holds a slot. */
dur_rc_t dur_flow_take(dur_engine_t *e, dur_item_t *item);

/* The lease ended. */
dur_rc_t dur_flow_give(dur_engine_t *e, const dur_item_t *item);

/* The item goes to `ready` as one that was woken, or is it no more. */
dur_rc_t dur_flow_woken(dur_engine_t *e, const dur_item_t *item, bool woken);

/* Touches all that the item is subject to, but for `except` (may be NULL). */
dur_rc_t dur_flow_touch(dur_engine_t *e, const dur_item_t *item,
    const dur_counter_t *except);

/* -- the process ---------------------------------------------------------- */

/* Counts leases and woken items anew. */
dur_rc_t dur_flow_count(dur_engine_t *e);

/* An app is parked: what it was woken for, others may have. */
dur_rc_t dur_flow_parked(dur_engine_t *e, uint32_t app);

#endif /* DUR_FLOW_CONCURRENCY_H */
