/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Signals (protocol 5.7, features 2.4): one step of all waits for a name.  A
 * signal that nobody waits for is not kept.
 *
 * Included by dur_wait.h, which is what other units include.
 */

#ifndef DUR_WAIT_SIGNAL_H
#define DUR_WAIT_SIGNAL_H

#include "engine/dur_base.h"
#include "engine/dur_answer_op.h"
#include "engine/dur_op.h"
#include "engine/dur_run.h"

/* The step of a WaitForSignal op starts to wait.  DUR_ECONFLICT: another step
 * waits for the signal and the op does not replace it (which then can only
 * time out).  The caller writes the run. */
dur_rc_t dur_wait_signal(dur_engine_t *e, dur_run_t *run,
    const dur_answer_op_t *op);

/* The op SIGNAL. */
dur_rc_t dur_signal_apply(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply);

#endif /* DUR_WAIT_SIGNAL_H */
