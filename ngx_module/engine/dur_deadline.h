/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * timeouts.start and timeouts.finish (features 5.10): a run has at most one
 * DEADLINE item on a timer, first the one to start, then the one to finish.
 * It is no open item: a run does not live because it may be too late.
 */

#ifndef DUR_DEADLINE_H
#define DUR_DEADLINE_H

#include "engine/dur_base.h"
#include "engine/dur_run.h"

/* The run begins: the deadline to start, when its function has one.  The
 * caller writes the run. */
dur_rc_t dur_deadline_begin(dur_engine_t *e, dur_run_t *run);

/* Its first call was leased: the deadline to finish, when its function has
 * one; reads and writes the run.  Only called for functions with timeouts. */
dur_rc_t dur_deadline_leased(dur_engine_t *e, const dur_item_t *item);

/* The item's timer fired; it stands in no table now. */
dur_rc_t dur_deadline_due(dur_engine_t *e, const dur_item_t *item);

/* The run ends. */
dur_rc_t dur_deadline_remove(dur_engine_t *e, dur_run_t *run);

#endif /* DUR_DEADLINE_H */
