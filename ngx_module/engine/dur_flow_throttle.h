/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * throttle (features 5.2): how many runs of a key may start at once, and then
 * at what pace.  GCRA with a tolerance of limit + burst: from idle that many
 * start together, afterwards one every period / limit.
 *
 * It is asked and taken in the transaction that leases the first call of a
 * run.  What it does not let go waits in DUR_T_BLOCKED; one timer for each key
 * that is waited for lets go who is allowed next.
 */

#ifndef DUR_FLOW_THROTTLE_H
#define DUR_FLOW_THROTTLE_H

#include "engine/dur_base.h"
#include "engine/dur_counter.h"
#include "engine/dur_queue.h"
#include "engine/dur_store.h"

/* How many runs may start now; a function without a throttle: INT64_MAX. */
dur_rc_t dur_flow_throttle_room(dur_engine_t *e, const dur_counter_t *c,
    int64_t *room);

/* One starts. */
dur_rc_t dur_flow_throttle_take(dur_engine_t *e, const dur_counter_t *c);

/* Somebody waits and nobody is on his way: wakes them when it is time. */
dur_rc_t dur_flow_throttle_arm(dur_engine_t *e, const dur_counter_t *c);

/* The item of kind THROTTLE is due; it stands in no table now. */
dur_rc_t dur_flow_throttle_due(dur_engine_t *e, const dur_item_t *item);

/* For readers: when the one is let go that has `before` before it, ms; 0: it
 * is not known. */
int64_t dur_flow_throttle_allowed(dur_txn_t *t, const dur_counter_t *c,
    unsigned before);

#endif /* DUR_FLOW_THROTTLE_H */
