/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Walks over the runs, from the oldest on, in pieces: what cancellations,
 * redeliveries and bulk jobs do.  Each has a row that says how far it is, and
 * a task that goes on with it; the row is written in the transaction of the
 * piece, so a run is looked at once however often the leader changes.
 *
 * Here is what they share: the next run, also while runs are written, and the
 * table of their rows, of which the oldest go.
 */

#ifndef DUR_WALK_H
#define DUR_WALK_H

#include "engine/dur_base.h"
#include "engine/dur_store.h"

typedef struct {
    dur_txn_t     *txn;
    dur_cursor_t  *c;
    dur_ulid_t     at;          /* the next one is behind it, */
    bool           past;        /* .. or it is the first that may be */
    dur_ulid_t     last;        /* none behind it */
    uint64_t       writes;      /* of the transaction, when c was there */
    bool           there;
} dur_walk_t;

/*
 * From behind *cursor on, or, when that is zero, from the first run made at
 * `from_ms`; to *last.  Close it unless it failed.
 */
dur_rc_t dur_walk_open(dur_walk_t *w, dur_txn_t *txn,
    const dur_ulid_t *cursor, int64_t from_ms, const dur_ulid_t *last);
void dur_walk_close(dur_walk_t *w);

/* DUR_ENOTFOUND: there are no more.  Runs may be written in between. */
dur_rc_t dur_walk_next(dur_walk_t *w, dur_ulid_t *run);

/* The last id that a run made at `ms` may have. */
void dur_walk_until(dur_ulid_t *last, int64_t ms);

/*
 * Makes room for one more row in a table that keeps `max`: the oldest goes
 * that is done, or that cannot be read.  DUR_EBUSY: there is none.
 */
typedef bool (*dur_walk_done_pt)(dur_str_t key, dur_str_t row);

dur_rc_t dur_walk_room(dur_txn_t *txn, dur_table_t table, size_t max,
    dur_walk_done_pt done);

#endif /* DUR_WALK_H */
