/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Bulk jobs: many runs are cancelled, or run again, by what a filter says
 * (POST /v1/bulk).  A job is a row that says what is meant and how far it is,
 * and a task that walks the runs from the oldest on (dur_walk.h).  What a
 * piece does and how far the job is are one transaction, so each run is met
 * once, whatever becomes of the leader.
 *
 * Only runs that were committed before the job are looked at: what it starts
 * is never met by itself.  A job that is done stays for people, as long as it
 * is one of the last.
 */

#ifndef DUR_BULK_H
#define DUR_BULK_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"

typedef struct dur_engine_s  dur_engine_t;

/* How many are kept, and how many may be under way. */
#define DUR_BULKS     100
#define DUR_BULKS_ON  20

/* The op BULK. */
dur_rc_t dur_bulk_apply(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply);

/* One piece of the walk; *done when nothing is left. */
dur_rc_t dur_bulk_more(dur_engine_t *e, const dur_ulid_t *id, bool *done);

/* It cannot go on. */
dur_rc_t dur_bulk_poison(dur_engine_t *e, const dur_ulid_t *id);

#endif /* DUR_BULK_H */
