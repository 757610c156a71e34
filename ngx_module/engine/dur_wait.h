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
 */

#ifndef DUR_WAIT_H
#define DUR_WAIT_H

#include "engine/dur_base.h"
#include "engine/dur_answer_op.h"
#include "engine/dur_op.h"
#include "engine/dur_run.h"

/*
 * The step of a WaitForEvent op starts to wait; the timer is the caller's.
 * DUR_EINVAL and a sentence: the expression is none.  The caller writes the
 * run.
 */
dur_rc_t dur_wait_event(dur_engine_t *e, dur_run_t *run,
    const dur_answer_op_t *op, char err[160]);

/* The same of a WaitForSignal op.  DUR_ECONFLICT: another step waits for the
 * signal and the op does not replace it (it will only time out then). */
dur_rc_t dur_wait_signal(dur_engine_t *e, dur_run_t *run,
    const dur_answer_op_t *op);

/* Registers the cancelOn entries of fn for a run that begins; one that can
 * never be true is left out.  The caller writes the run. */
dur_rc_t dur_wait_cancel_on(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_run_t *run);

/* The step waits no more / nothing of the run does. */
dur_rc_t dur_wait_remove(dur_engine_t *e, dur_run_t *run,
    const dur_hash_t *step);
dur_rc_t dur_wait_remove_all(dur_engine_t *e, dur_run_t *run);

/* An event that was just stored. */
typedef struct {
    dur_ulid_t  id;
    dur_str_t   name;
    dur_str_t   json;
} dur_wait_match_t;

/*
 * Resumes and cancels what waits for the event, within *rows; what is left
 * becomes a task.  Waits that were made after it never match.
 */
dur_rc_t dur_wait_match(dur_engine_t *e, const dur_wait_match_t *event,
    unsigned *rows);

/* One piece of that task; the cursor is dur_wait's own. */
dur_rc_t dur_wait_match_more(dur_engine_t *e, const dur_ulid_t *event,
    dur_buf_t *cursor, bool *done);

/* Whether anybody waits for events of this name; cheap. */
bool dur_wait_any(dur_engine_t *e, dur_str_t name);

/* The op SIGNAL. */
dur_rc_t dur_signal_apply(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply);

#endif /* DUR_WAIT_H */
