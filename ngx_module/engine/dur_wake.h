/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Whose turn it is when a limit has room again.  An op notes the counters
 * where it gave something back; when it is decided, those who wait there get
 * what there is, the oldest first.  So nothing is ever polled, and what is
 * looked at is what moves.
 *
 * An item waits under one counter only, the first without room in the order
 * of dur_flow_limits().  When its turn comes and another one is full it moves
 * there.  If that one is narrower (the key of one customer) the next waiter
 * gets the turn.  If it is wider (the function) those behind would have to
 * wait for it too: they stay, the one that moved stands for them, and their
 * counter is looked at again when it leaves.  So waiters do not move more
 * often than slots are given back, but for a factor; and of two limits with
 * keys of their own, a waiter far behind may miss a turn until the next slot
 * of either is given back.
 */

#ifndef DUR_WAKE_H
#define DUR_WAKE_H

#include "engine/dur_base.h"
#include "engine/dur_counter.h"
#include "engine/dur_queue.h"

/* Counters and waiters that one op looks at and moves; the rest is a task. */
#define DUR_WAKE_MAX  64

/* Wakes who waits for what was touched, within e->wakes. */
dur_rc_t dur_wake(dur_engine_t *e);

/* The same at the end of an op: what is left becomes a task. */
dur_rc_t dur_wake_end(dur_engine_t *e);

/* *full is a counter of the item that has room just now, but for an older
 * waiter; or has no scope. */
dur_rc_t dur_wake_first(dur_engine_t *e, const dur_item_t *item,
    dur_counter_t *full);

/* The limits of a function changed, or it goes on: a task looks at all that
 * wait for one of them. */
dur_rc_t dur_wake_function(dur_engine_t *e, uint32_t function);

/* Pieces of the tasks. */
dur_rc_t dur_wake_more(dur_engine_t *e, dur_str_t cursor);
dur_rc_t dur_wake_function_more(dur_engine_t *e, dur_buf_t *cursor,
    bool *done);

#endif /* DUR_WAKE_H */
