/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Retention: finished runs and events that started nothing are kept for the
 * configured time, then deleted in small pieces.  The `ended` table is the
 * queue: ordered by when something ended, so nothing that lives is looked at.
 */

#ifndef DUR_RETENTION_H
#define DUR_RETENTION_H

#include "engine/dur_base.h"
#include "engine/dur_run.h"

/* A run ended now, an event started no run. */
dur_rc_t dur_retention_ended(dur_engine_t *e, const dur_run_t *run);
dur_rc_t dur_retention_event(dur_engine_t *e, const dur_ulid_t *event);

/* Something that has a retention ended then (ms). */
void dur_retention_soon(dur_engine_t *e, int64_t since);

/* The event was routed: it counts as ended when it has no runs. */
dur_rc_t dur_retention_unused(dur_engine_t *e, const dur_ulid_t *event);

/* A run of the event is deleted: it goes with the last one.  There may be more
 * of it when *budget is 0 afterwards. */
dur_rc_t dur_retention_orphan(dur_engine_t *e, const dur_ulid_t *event,
    unsigned *budget);

/* One piece, of about so many rows.  Sets e->next_expiry. */
dur_rc_t dur_retention_run(dur_engine_t *e, unsigned rows);

/* A piece broke an invariant: what it was at is not tried again. */
dur_rc_t dur_retention_poison(dur_engine_t *e);

/* Reads e->next_expiry again. */
dur_rc_t dur_retention_next(dur_engine_t *e);

#endif /* DUR_RETENTION_H */
