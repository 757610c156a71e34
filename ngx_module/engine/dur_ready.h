/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The ready table, and what dur_queue.c and dur_dispatch.c share; for these
 * two alone.
 */

#ifndef DUR_READY_H
#define DUR_READY_H

#include "engine/dur_queue.h"
#include "engine/dur_registry.h"

#define DUR_READY_KEY  (4 + 8 + 8 + 8)

/* Where the clock must not decide what is first: the item's number does. */
#define DUR_READY_ORDERED  INT64_MAX

/*
 * Partition 0 is what is dispatched.  The items of a paused function wait in
 * a partition of their own, its id, where nobody looks at them.
 */
dur_str_t dur_ready_key(uint8_t key[DUR_READY_KEY], uint32_t app,
    uint64_t partition, int64_t score, uint64_t id);
uint64_t dur_ready_partition(dur_engine_t *e, const dur_item_t *item);

/* Under the score of the item, or another one. */
dur_rc_t dur_ready_put(dur_engine_t *e, const dur_item_t *item,
    uint64_t partition);
dur_rc_t dur_ready_put_at(dur_engine_t *e, const dur_item_t *item,
    uint64_t partition, int64_t score);

/* DUR_ENOTFOUND.  The app may have been another one, ordered or not, when it
 * was put. */
dur_rc_t dur_ready_del(dur_engine_t *e, uint32_t app, uint64_t partition,
    int64_t score, uint64_t id);
dur_rc_t dur_ready_get(dur_txn_t *t, const dur_item_t *item,
    uint64_t partition, dur_str_t *row);

/* -- dur_queue.c, for dispatch -------------------------------------------- */

/* Whether a limit holds the item up: then it waits there.  `woken`: it was
 * woken for the slots that it needs. */
dur_rc_t dur_queue_block(dur_engine_t *e, dur_item_t *item, bool woken,
    bool *blocked);

/* A woken item is not in `ready` any more. */
dur_rc_t dur_queue_unwake(dur_engine_t *e, dur_item_t *item);

dur_rc_t dur_queue_lease(dur_engine_t *e, dur_item_t *item,
    dur_registered_app_t *app);

#endif /* DUR_READY_H */
