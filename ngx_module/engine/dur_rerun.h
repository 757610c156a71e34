/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Reruns (features 8): a new run of the same event, from the beginning, or
 * from a step on, whose earlier steps are then known and whose input may be
 * edited.
 */

#ifndef DUR_RERUN_H
#define DUR_RERUN_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"

typedef struct dur_engine_s  dur_engine_t;

/* The op RERUN. */
dur_rc_t dur_rerun_apply(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply);

#endif /* DUR_RERUN_H */
