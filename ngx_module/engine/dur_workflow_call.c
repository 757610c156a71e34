/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_workflow_call.h"
#include "engine/dur_plan_call.h"
#include "engine/dur_step.h"
#include "engine/dur_workflow_memo.h"

#include <stdio.h>


/* What is to be called. */
typedef struct {
    dur_plan_def_t  *def;
    dur_plan_at_t    at;
    unsigned         attempt;
} dur_workflow_step_t;


static dur_rc_t
dur_workflow_request(dur_txn_t *txn, const dur_run_t *run,
    const dur_workflow_step_t *w, const dur_call_options_t *options,
    dur_call_t *call)
{
    char                  err[256];
    dur_rc_t              rc;
    dur_plan_memo_t       view;
    dur_workflow_memo_t   memo;
    dur_gateway_call_t    request = { &call->method, &call->url,
                                      &call->headers, &call->body };

    rc = dur_workflow_memo(&memo, txn, run, &call->arena, &view);
    if (rc != DUR_OK) {
        return rc;
    }

    view.attempt = w->attempt;
    view.now_ms = options->now_ms;

    rc = dur_plan_request(w->def, &w->at, &view, &options->secrets, &request,
                          &call->arena, err);

    if (rc == DUR_EINVAL || rc == DUR_EACCES || rc == DUR_ETOOBIG) {
        snprintf(call->error, sizeof(call->error), "%s", err);
        rc = rc == DUR_ETOOBIG ? DUR_EINVAL : rc;
    }

    return rc;
}


dur_rc_t
dur_workflow_build(dur_txn_t *txn, const dur_item_t *item,
    const dur_run_t *run, const dur_call_options_t *options, dur_call_t *call)
{
    dur_rc_t              rc;
    dur_step_t            step;
    dur_workflow_step_t   w;

    dur_arena_reset(&call->arena);

    rc = dur_step_get(txn, &item->run, &item->step, &step);

    if (rc == DUR_OK) {
        rc = dur_workflow_def(&call->workflows, txn, run->function,
                              run->definition, &w.def);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    if (!dur_plan_find(w.def, step.name, &w.at)) {
        return DUR_ECORRUPT;
    }

    call->gateway = true;
    call->exec = w.at.node->exec;
    call->timeout_ms = w.at.node->time ? w.at.node->time : call->timeout_ms;

    w.attempt = item->attempt;

    return dur_workflow_request(txn, run, &w, options, call);
}
