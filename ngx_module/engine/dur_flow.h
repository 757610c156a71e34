/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Flow control: what decides whether, and when, an event may start a run
 * (features 0.4 and section 5).  Keyed state lives in DUR_T_FLOW and is
 * dropped when it says nothing any more.
 */

#ifndef DUR_FLOW_H
#define DUR_FLOW_H

#include "engine/dur_base.h"
#include "engine/dur_run.h"

/* rateLimit and idempotency, before anything else.  *start stays
 * DUR_START_RUN, or becomes DUR_START_LIMITED. */
dur_rc_t dur_flow_limit(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_start_t *start);

/*
 * Singleton: takes the lock of the key for `run` (which learns lock_hash and
 * DUR_RUN_F_LOCKED); mode cancel ends the present holder first.  *reason is
 * NULL, or why the run is skipped.
 */
dur_rc_t dur_flow_lock(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_run_t *run, const char **reason);

/* Gives the lock back; nothing when the run holds none. */
dur_rc_t dur_flow_unlock(dur_engine_t *e, dur_run_t *run);

/* Drops idle state within *budget; *next is when there may be more (ms). */
dur_rc_t dur_flow_expire(dur_engine_t *e, unsigned *budget, int64_t *next);

#endif /* DUR_FLOW_H */
