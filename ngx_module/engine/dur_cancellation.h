/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Cancellations as people ask for them (protocol 8.1): many runs of a function
 * at once, by when they were created and by an expression over their event.
 * What they do then is dur_cancellation_rule.h.
 */

#ifndef DUR_CANCELLATION_H
#define DUR_CANCELLATION_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"
#include "engine/dur_store.h"

typedef struct dur_engine_s  dur_engine_t;

/* The op CANCELLATION. */
dur_rc_t dur_cancellation_apply(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply);

/* For readers: how a row is shown.  DUR_ECORRUPT. */
dur_rc_t dur_cancellation_show(dur_str_t key, dur_str_t row, dur_buf_t *out);

#endif /* DUR_CANCELLATION_H */
