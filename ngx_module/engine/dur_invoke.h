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

/* Runs that invoke each other, below the first. */
#define DUR_INVOKE_DEPTH  20

/*
 * Stores inngest/function.invoked and starts the function for the step of the
 * op, which waits already.  The step has an error at once when there is no
 * such function, the chain is too long or a rate limit says no.  When nothing
 * was started that could answer (skipped), it will time out.
 *
 * Reads and writes the parent: nobody holds a copy of it meanwhile.  Nothing
 * when it has ended.
 */
dur_rc_t dur_invoke_step(dur_engine_t *e, const dur_ulid_t *parent,
    const dur_answer_op_t *op);

/* A run that was invoked has ended: the parent's step has its result.  Nothing
 * when the parent has ended or does not wait any more. */
dur_rc_t dur_invoke_finished(dur_engine_t *e, const dur_run_t *child,
    dur_str_t output);

/* An invoke that was held back starts nothing, as its function is gone: the
 * parent's step has an error.  Nothing when it does not wait any more. */
dur_rc_t dur_invoke_gone(dur_engine_t *e, const dur_ulid_t *parent,
    const dur_hash_t *step);

/* An invoke that was held back has its run: the parent's step shows it. */
dur_rc_t dur_invoke_started(dur_engine_t *e, const dur_run_t *child);

/* The function that an inngest/function.invoked event was made for; NULL for
 * events of other names. */
dur_function_t *dur_invoke_target(const dur_registry_t *r, dur_str_t name,
    dur_str_t json);

/* The error of an invoke that timed out, an object. */
dur_str_t dur_invoke_timeout(void);

/* The op INVOKE. */
dur_rc_t dur_invoke_apply(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply);

#endif /* DUR_INVOKE_H */
