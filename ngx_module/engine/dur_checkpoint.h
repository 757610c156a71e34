/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Checkpoints (protocol 6.2): steps of a call that is still open.  Only ops
 * that report results are taken; no discovery is asked for, the call itself
 * goes on.  The attempts of its item start anew.
 */

#ifndef DUR_CHECKPOINT_H
#define DUR_CHECKPOINT_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"

typedef struct dur_engine_s  dur_engine_t;

/* The op CHECKPOINT. */
dur_rc_t dur_checkpoint_apply(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply);

#endif /* DUR_CHECKPOINT_H */
