/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_wait.h"
#include "engine/dur_state.h"


dur_rc_t
dur_wait_event(dur_engine_t *e, dur_run_t *run, const dur_answer_op_t *op,
    char err[160])
{
    (void) e;
    (void) run;
    (void) op;
    (void) err;

    return DUR_OK;
}


dur_rc_t
dur_wait_signal(dur_engine_t *e, dur_run_t *run, const dur_answer_op_t *op)
{
    (void) e;
    (void) run;
    (void) op;

    return DUR_OK;
}


dur_rc_t
dur_wait_cancel_on(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_run_t *run)
{
    (void) e;
    (void) fn;
    (void) event;
    (void) run;

    return DUR_OK;
}


dur_rc_t
dur_wait_remove(dur_engine_t *e, dur_run_t *run, const dur_hash_t *step)
{
    (void) e;
    (void) run;
    (void) step;

    return DUR_OK;
}


dur_rc_t
dur_wait_remove_all(dur_engine_t *e, dur_run_t *run)
{
    (void) e;
    (void) run;

    return DUR_OK;
}


dur_rc_t
dur_wait_match(dur_engine_t *e, const dur_wait_match_t *event, unsigned *rows)
{
    (void) e;
    (void) event;
    (void) rows;

    return DUR_OK;
}


dur_rc_t
dur_wait_match_more(dur_engine_t *e, const dur_ulid_t *event,
    dur_buf_t *cursor, bool *done)
{
    (void) e;
    (void) event;
    (void) cursor;

    *done = true;

    return DUR_OK;
}


bool
dur_wait_any(dur_engine_t *e, dur_str_t name)
{
    (void) e;
    (void) name;

    return false;
}


dur_rc_t
dur_signal_apply(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    (void) e;
    (void) op;

    reply->status = 404;

    return DUR_OK;
}
