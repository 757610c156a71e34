/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_rerun.h"
#include "engine/dur_state.h"


dur_rc_t
dur_rerun_apply(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    (void) e;
    (void) op;

    reply->status = 501;

    return DUR_OK;
}


dur_rc_t
dur_rerun_more(dur_engine_t *e, const dur_ulid_t *run, dur_buf_t *cursor,
    bool *done)
{
    (void) e;
    (void) run;
    (void) cursor;

    *done = true;

    return DUR_OK;
}


dur_rc_t
dur_rerun_poison(dur_engine_t *e, const dur_ulid_t *run)
{
    (void) e;
    (void) run;

    return DUR_OK;
}
