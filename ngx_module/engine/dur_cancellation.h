/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Cancellations (features 8): many runs of a function at once, by when they
 * began and by an expression over their event, in pieces.
 */

#ifndef DUR_CANCELLATION_H
#define DUR_CANCELLATION_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"

typedef struct dur_engine_s  dur_engine_t;

/* The op CANCELLATION. */
dur_rc_t dur_cancellation_apply(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply);

/* One piece of its work: some hundreds of runs are looked at. */
dur_rc_t dur_cancellation_more(dur_engine_t *e, const dur_ulid_t *id,
    bool *done);

#endif /* DUR_CANCELLATION_H */
