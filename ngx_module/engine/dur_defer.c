/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_defer.h"
#include "engine/dur_state.h"


dur_rc_t
dur_defer_add(dur_engine_t *e, dur_run_t *run, const dur_answer_op_t *op)
{
    (void) e;
    (void) run;
    (void) op;

    return DUR_OK;
}


dur_rc_t
dur_defer_abort(dur_engine_t *e, dur_run_t *run, const dur_answer_op_t *op)
{
    (void) e;
    (void) run;
    (void) op;

    return DUR_OK;
}


dur_rc_t
dur_defer_write(dur_txn_t *t, const dur_run_t *run, dur_buf_t *out)
{
    (void) t;
    (void) run;

    return dur_buf_addz(out, "{}");
}


dur_rc_t
dur_defer_ended(dur_engine_t *e, const dur_run_t *run)
{
    (void) e;
    (void) run;

    return DUR_OK;
}
