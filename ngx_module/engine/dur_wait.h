/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Who waits for an event or a signal: steps (WaitForEvent, WaitForSignal) and
 * cancelOn (protocol 5.6, 5.7, features 2.3, 2.4, 5.9).
 *
 * A wait for an event is found by the event's name and, when its expression
 * asks for one field to be equal to something, by the value of that field:
 * an event costs one look-up for its name and one for each such field, however
 * many runs wait.  What the expression uses of the run's own event is stored
 * with it, so nothing of the run is read to see that it does not match.
 *
 * Rows of DUR_T_WAIT; every wait has a second row under its run, by which it
 * is found and taken away.  run->waits counts them.
 *
 *     dur_wait            waits come and go
 *     dur_wait_match      events that meet them
 *     dur_wait_queue      the order of events that more than one op meets
 *     dur_wait_signal     signals
 *     dur_wait_row        the rows
 *     dur_wait_cache      compiled expressions
 *
 * The last two are for this unit alone.
 */

#ifndef DUR_WAIT_H
#define DUR_WAIT_H

#include "engine/dur_base.h"
#include "engine/dur_answer_op.h"
#include "engine/dur_run.h"
#include "engine/dur_wait_match.h"
#include "engine/dur_wait_signal.h"

/*
 * The step of a WaitForEvent op starts to wait; the timer is the caller's.
 * DUR_EINVAL and a sentence: the expression is none.  The caller writes the
 * run.
 */
dur_rc_t dur_wait_event(dur_engine_t *e, dur_run_t *run,
    const dur_answer_op_t *op, char err[160]);

/* Registers the cancelOn entries of fn for a run that begins, before its first
 * item is made; one that can never be true is left out.  The caller writes
 * the run. */
dur_rc_t dur_wait_cancel_on(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_run_t *run);

/* The step waits no more / nothing of the run does. */
dur_rc_t dur_wait_remove(dur_engine_t *e, dur_run_t *run,
    const dur_hash_t *step);
dur_rc_t dur_wait_remove_all(dur_engine_t *e, dur_run_t *run);

#endif /* DUR_WAIT_H */
