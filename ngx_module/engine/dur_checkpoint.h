/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Checkpoints (protocol 6.2): steps of a call that is still open.  Only ops
 * that report results are taken; no discovery is asked for, the call itself
 * goes on.  The attempts of its item start anew.
 *
 * A checkpoint is all or nothing: what is wrong with one of its ops is found
 * before anything is written, and what is too large ends the run.
 */

#ifndef DUR_CHECKPOINT_H
#define DUR_CHECKPOINT_H

#include "engine/dur_base.h"
#include "engine/dur_answer_op.h"
#include "engine/dur_op.h"
#include "engine/dur_run.h"

/* The op CHECKPOINT. */
dur_rc_t dur_checkpoint_apply(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply);

/* Which attempt reports the steps; zeroes when nobody knows. */
typedef struct {
    uint64_t  item;
    uint32_t  generation;
    uint16_t  attempt;
} dur_checkpoint_of_t;

/*
 * Memoizes in their order the steps that the ops report as done, stores or
 * drops defers, and adds one record to the history if any of it was new.
 * Ops that plan, wait or complete are passed over.  The run is changed but
 * not written, unless it ended: over a limit it is Failed, reply is 413.
 */
dur_rc_t dur_checkpoint_memos(dur_engine_t *e, dur_run_t *run,
    const dur_answer_op_t *ops, size_t n, const dur_checkpoint_of_t *of,
    dur_reply_t *reply);

#endif /* DUR_CHECKPOINT_H */
