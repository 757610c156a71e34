/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * timeouts.start and timeouts.finish (features 5.10): a run has at most one
 * DEADLINE item on a timer, first the one to start, then the one to finish.
 * It is no open item: a run does not live because it may be too late.
 *
 * The first call of a run is leased either from the ready items, or by
 * dur_run_begin() itself; all later ones change nothing here.
 */

#ifndef DUR_DEADLINE_H
#define DUR_DEADLINE_H

#include "engine/dur_base.h"
#include "engine/dur_run.h"

/* The run begins, its first item is placed: the deadline to start, or, when
 * it was leased at once, to finish.  The caller writes the run. */
dur_rc_t dur_deadline_begin(dur_engine_t *e, dur_run_t *run);

/*
 * A ready item of a function with timeouts is about to be leased; reads and
 * writes the run.  *late: its time is over, the run was cancelled and the
 * item must be dropped.
 */
dur_rc_t dur_deadline_lease(dur_engine_t *e, const dur_item_t *item,
    bool *late);

/* The run begins with something else than a call.  The caller writes the
 * run. */
dur_rc_t dur_deadline_start(dur_engine_t *e, dur_run_t *run);

/* The item's timer fired; it stands in no table now. */
dur_rc_t dur_deadline_due(dur_engine_t *e, const dur_item_t *item);

/* The run ends. */
dur_rc_t dur_deadline_remove(dur_engine_t *e, dur_run_t *run);

#endif /* DUR_DEADLINE_H */
