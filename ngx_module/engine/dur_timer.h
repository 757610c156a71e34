/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The timer table: future work only, ordered by when it is due.
 */

#ifndef DUR_TIMER_H
#define DUR_TIMER_H

#include "engine/dur_queue.h"

/* Work that must run at item->due. */
dur_rc_t dur_timer_put(dur_engine_t *e, const dur_item_t *item);

/* DUR_ENOTFOUND when there is none. */
dur_rc_t dur_timer_get(dur_engine_t *e, int64_t due, uint64_t id,
    dur_item_t *item);
dur_rc_t dur_timer_del(dur_engine_t *e, int64_t due, uint64_t id);

/* Fires at most `max` due timers, and about DUR_OP_ROWS rows. */
dur_rc_t dur_timer_fire(dur_engine_t *e, unsigned max);

/* The first due timer broke an invariant: its run is Failed, it is gone. */
dur_rc_t dur_timer_poison(dur_engine_t *e);

/* Reads e->next_due again. */
dur_rc_t dur_timer_next(dur_engine_t *e);

#endif /* DUR_TIMER_H */
