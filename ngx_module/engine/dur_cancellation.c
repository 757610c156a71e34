/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_cancellation.h"
#include "engine/dur_state.h"


dur_rc_t
dur_cancellation_apply(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    (void) e;
    (void) op;

    reply->status = 501;

    return DUR_OK;
}


dur_rc_t
dur_cancellation_more(dur_engine_t *e, const dur_ulid_t *id, bool *done)
{
    (void) e;
    (void) id;

    *done = true;

    return DUR_OK;
}
