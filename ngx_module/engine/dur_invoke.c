/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_invoke.h"
#include "engine/dur_state.h"


dur_rc_t
dur_invoke_step(dur_engine_t *e, const dur_run_t *parent,
    const dur_answer_op_t *op, dur_invoke_t *invoke)
{
    (void) e;
    (void) parent;
    (void) op;

    memset(invoke, 0, sizeof(*invoke));

    return DUR_OK;
}


dur_rc_t
dur_invoke_finished(dur_engine_t *e, const dur_run_t *child, dur_str_t output)
{
    (void) e;
    (void) child;
    (void) output;

    return DUR_OK;
}


dur_str_t
dur_invoke_timeout(void)
{
    return dur_str("{\"error\":\"InngestInvokeTimeoutError: Timed out waiting "
                   "for invoked function to complete\","
                   "\"message\":\"Timed out waiting for invoked function to "
                   "complete\",\"name\":\"InngestInvokeTimeoutError\"}");
}


dur_rc_t
dur_invoke_apply(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    (void) e;
    (void) op;

    reply->status = 404;

    return DUR_OK;
}
