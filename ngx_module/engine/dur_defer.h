/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Defers (protocol 5.14): functions that an SDK asks to be started when the
 * run has ended, whatever it ended with.  They are kept among the steps of the
 * run as DUR_STEP_DEFERRED and count as none.  A bad defer never fails a run.
 *
 * SDKs hash the ids of defers like those of steps, and a defer may have the id
 * of a step: its row stands under the hash with all bits turned over.
 */

#ifndef DUR_DEFER_H
#define DUR_DEFER_H

#include "engine/dur_base.h"
#include "engine/dur_answer_op.h"
#include "engine/dur_run.h"

/* Of one run: how many, and bytes of input together. */
#define DUR_DEFER_MAX    20
#define DUR_DEFER_BYTES  (4 * 1024 * 1024)

/* DeferAdd and DeferAbort; the caller writes the run.  What is over a limit or
 * wrong is left out, with a line in the log. */
dur_rc_t dur_defer_add(dur_engine_t *e, dur_run_t *run,
    const dur_answer_op_t *op);
dur_rc_t dur_defer_abort(dur_engine_t *e, dur_run_t *run,
    const dur_answer_op_t *op);

/* Appends {"<hash>":{"abortable":true}, ...} for a call, false for those that
 * were aborted: an SDK reports what stands here no more.  Read side. */
dur_rc_t dur_defer_write(dur_txn_t *t, const dur_run_t *run, dur_buf_t *out);

/* The run has ended: inngest/deferred.schedule for each that was not
 * aborted. */
dur_rc_t dur_defer_ended(dur_engine_t *e, const dur_run_t *run);

#endif /* DUR_DEFER_H */
