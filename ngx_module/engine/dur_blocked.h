/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Items that wait for a limit: DUR_T_BLOCKED, under the counter that has no
 * room for them, in groups by score.  Those of one function are two groups,
 * as only runs that begin are subject to concurrency.fn and throttle.
 *
 * DUR_T_PLACE says where an item is that cannot be found by the score of its
 * run: 'b' + item is the key of its row here; 'w' + item says under which
 * score a woken item stands in `ready`.
 *
 * The first half is for readers in any process, the second for dur_queue and
 * dur_wake.
 */

#ifndef DUR_BLOCKED_H
#define DUR_BLOCKED_H

#include "engine/dur_base.h"
#include "engine/dur_counter.h"
#include "engine/dur_queue.h"
#include "engine/dur_store.h"

/* Waiters are counted up to here; more is "1000+". */
#define DUR_BLOCKED_COUNT  1000

/* -- readers -------------------------------------------------------------- */

/* Why an item waits. */
typedef struct {
    dur_counter_t  counter;     /* scope and hash of the key's value */
    uint32_t       function;    /* of the item */
    int64_t        score;
    unsigned       before;      /* that wait longer, <= DUR_BLOCKED_COUNT */
    int64_t        allowed;     /* throttle: when it is let go if those before
                                   are, ms; others: 0 */
} dur_blocked_t;

/* DUR_ENOTFOUND: it does not wait for a limit. */
dur_rc_t dur_blocked_find(dur_txn_t *t, uint64_t item, dur_blocked_t *b);

/* How many wait for a counter, at most `max`; of a function, or of all: 0. */
unsigned dur_blocked_count(dur_txn_t *t, const dur_counter_t *c,
    uint32_t function, unsigned max);

/*
 * The next counter that somebody waits for, and the oldest item there (one
 * that cannot be read is zeroed); a zeroed counter begins.  Each is one seek,
 * however many wait.  DUR_ENOTFOUND: no more.
 */
dur_rc_t dur_blocked_next(dur_txn_t *t, dur_counter_t *c, dur_item_t *item);

/* -- the engine ----------------------------------------------------------- */

/* The item waits for the counter from now on; it is in no table. */
dur_rc_t dur_blocked_put(dur_engine_t *e, const dur_counter_t *c,
    dur_item_t *item);

/* The group of an item; the next one is the number behind it. */
static inline uint64_t
dur_blocked_group(const dur_item_t *item)
{
    return (uint64_t) item->function << 1
           | ((item->flags & DUR_ITEM_F_START) != 0);
}

/* The first item of a group, or of the next one, that waits for the counter.
 * DUR_ENOTFOUND. */
dur_rc_t dur_blocked_first(dur_engine_t *e, const dur_counter_t *c,
    uint64_t group, dur_item_t *item);

/* It waits no more; *c is what it waited for.  DUR_ENOTFOUND. */
dur_rc_t dur_blocked_del(dur_engine_t *e, uint64_t id, dur_counter_t *c,
    dur_item_t *item);

/* The item itself, wherever it waits; DUR_ENOTFOUND. */
dur_rc_t dur_blocked_get(dur_txn_t *t, uint64_t id, dur_item_t *item);

/* Woken items in `ready`: under which score. */
dur_rc_t dur_woken_put(dur_engine_t *e, const dur_item_t *item,
    int64_t score);
dur_rc_t dur_woken_get(dur_txn_t *t, uint64_t id, uint32_t *app,
    int64_t *score);
dur_rc_t dur_woken_del(dur_engine_t *e, uint64_t id);

#endif /* DUR_BLOCKED_H */
