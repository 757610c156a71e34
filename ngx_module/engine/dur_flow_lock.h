/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Singleton (features 5.7): one run at a time of a function, or of a key.  The
 * lock is a row with the run that holds it, from its beginning to its end; a
 * row that names no live run says nothing.
 */

#ifndef DUR_FLOW_LOCK_H
#define DUR_FLOW_LOCK_H

#include "engine/dur_base.h"
#include "engine/dur_run.h"

/*
 * Takes the lock of the key for `run` (which learns lock_hash and
 * DUR_RUN_F_LOCKED); mode cancel ends the present holder first.
 * skip->reason is NULL, or why the run is skipped.
 */
dur_rc_t dur_flow_lock(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_run_t *run, dur_run_skip_t *skip);

/* Gives the lock back; nothing when the run holds none. */
dur_rc_t dur_flow_unlock(dur_engine_t *e, dur_run_t *run);

#endif /* DUR_FLOW_LOCK_H */
