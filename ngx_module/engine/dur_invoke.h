/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Runs that are started by name: a step that invokes a function of any app
 * and waits for its result, and POST /invoke (protocol 1.8, 1.9, 5.8,
 * features 2.5).
 *
 * The child's header names its parent and the step, so the transaction that
 * ends the child resumes the parent; no event is needed for it.
 */

#ifndef DUR_INVOKE_H
#define DUR_INVOKE_H

#include "engine/dur_base.h"
#include "engine/dur_answer_op.h"
#include "engine/dur_op.h"
#include "engine/dur_run.h"

/* What becomes of an InvokeFunction op. */
typedef struct {
    bool        started;        /* it waits for `child` */
    dur_ulid_t  child;
    dur_str_t   error;          /* the step fails with this error object (no
                                   such function, rate limit); else empty */
} dur_invoke_t;

/*
 * Stores inngest/function.invoked and starts the function for the step of the
 * op.  Neither started nor an error: nothing was started that could answer
 * (skipped, known by its event id), the step will time out.
 */
dur_rc_t dur_invoke_step(dur_engine_t *e, const dur_run_t *parent,
    const dur_answer_op_t *op, dur_invoke_t *invoke);

/* A run that was invoked has ended: the parent's step has its result.  Nothing
 * when the parent has ended or does not wait any more. */
dur_rc_t dur_invoke_finished(dur_engine_t *e, const dur_run_t *child,
    dur_str_t output);

/* The error of an invoke that timed out, an object. */
dur_str_t dur_invoke_timeout(void);

/* The op INVOKE. */
dur_rc_t dur_invoke_apply(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply);

#endif /* DUR_INVOKE_H */
