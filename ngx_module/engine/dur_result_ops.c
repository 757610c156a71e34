/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_result_ops.h"
#include "engine/dur_state.h"
#include "engine/dur_step.h"

#include <stdio.h>


static dur_rc_t
dur_result_overflow(dur_result_t *x)
{
    char  text[128];

    snprintf(text, sizeof(text), "The state of the run is larger than %llu "
             "bytes.", (unsigned long long) x->e->conf.max_state);

    return dur_run_fail(x->e, &x->run, "InngestErrStateOverflowed", text);
}


static dur_rc_t
dur_result_memo(dur_result_t *x, const dur_answer_op_t *op, uint8_t wrap,
    dur_str_t output)
{
    bool               fresh;
    dur_rc_t           rc;
    dur_step_report_t  report;

    report.id = op->id;
    report.name = op->name;
    report.race = op->race;
    report.wrap = wrap;
    report.output = output.len ? output : dur_str("null");

    rc = dur_step_done(x->e, &x->run, &report, x->item.attempt + 1u, &fresh);

    if (rc == DUR_ETOOBIG) {
        return dur_result_overflow(x);
    }

    if (rc != DUR_OK) {
        return rc;
    }

    x->completed++;
    x->race |= op->race;

    if (!fresh) {
        return DUR_OK;
    }

    x->fresh++;

    if (wrap != DUR_STEP_ERROR) {
        return dur_run_feed(x->e, &x->run, "step.completed", op->name,
                            x->item.attempt,
                            (int64_t) (x->history.duration / 1000), 0,
                            dur_str_null);
    }

    x->failed = true;
    x->history.outcome = DUR_HISTORY_FAILED;
    x->history.error = op->message;

    return dur_run_feed(x->e, &x->run, "step.failed", op->name,
                        x->item.attempt,
                        (int64_t) (x->history.duration / 1000), 0,
                        op->message);
}


static dur_rc_t
dur_result_step_error(dur_result_t *x, const dur_answer_op_t *op)
{
    bool      exhausted;
    dur_rc_t  rc;

    if (!x->retry) {
        rc = dur_result_retry(x, op->name, op->message, &exhausted);

        if (rc != DUR_OK || !exhausted) {
            x->retry = true;
            return rc;
        }
    }

    return dur_result_memo(x, op, DUR_STEP_ERROR, op->error);
}


static dur_rc_t
dur_result_plan(dur_result_t *x, const dur_answer_op_t *op)
{
    bool               fresh;
    dur_step_report_t  report;

    x->planned = true;

    report.id = op->id;
    report.name = op->name;
    report.race = op->race;
    report.wrap = DUR_STEP_RAW;
    report.output = dur_str_null;

    if (op->opcode == DUR_OP_STEP_PLANNED) {
        return dur_step_plan(x->e, &x->run, &report, x->pending, &fresh);
    }

    if (op->due < 0) {
        return dur_run_fail(x->e, &x->run, "InngestErrTimeoutTooLong",
                            "A sleep is longer than 366 days.");
    }

    return dur_step_sleep(x->e, &x->run, &report, op->due, x->pending,
                          &fresh);
}


static dur_rc_t
dur_result_unsupported(dur_result_t *x, const dur_answer_op_t *op)
{
    char  text[256];

    snprintf(text, sizeof(text), "The step \"%.*s\" uses %.*s, which this "
             "server does not support yet.",
             (int) (op->name.len < 100 ? op->name.len : 100),
             op->name.len ? (const char *) op->name.data : "",
             (int) (op->opname.len < 40 ? op->opname.len : 40),
             (const char *) op->opname.data);

    x->history.outcome = DUR_HISTORY_FAILED;
    x->history.error = dur_arena_copy(x->e->arena, dur_str_c(text));

    return dur_run_fail(x->e, &x->run, "UnsupportedOp", text);
}


static dur_rc_t
dur_result_op(dur_result_t *x, const dur_answer_op_t *op)
{
    switch (op->opcode) {

    case DUR_OP_STEP_RUN:
        if (op->data.len > x->e->conf.max_output) {
            return dur_result_overflow(x);
        }
        return dur_result_memo(x, op, DUR_STEP_DATA, op->data);

    case DUR_OP_STEP_LEGACY:
        return dur_result_memo(x, op, DUR_STEP_RAW, op->data);

    case DUR_OP_STEP_FAILED:
        return dur_result_memo(x, op, DUR_STEP_ERROR, op->error);

    case DUR_OP_STEP_ERROR:
        return dur_result_step_error(x, op);

    case DUR_OP_STEP_PLANNED:
    case DUR_OP_SLEEP:
        return dur_result_plan(x, op);

    case DUR_OP_DISCOVERY:
        x->discover = true;
        return DUR_OK;

    case DUR_OP_UNSUPPORTED:
        return dur_result_unsupported(x, op);

    default:
        return DUR_OK;
    }
}


static bool
dur_result_is_plan(dur_opcode_t opcode)
{
    return opcode == DUR_OP_STEP_PLANNED || opcode == DUR_OP_SLEEP;
}


/* Before the ops: how many there are, and what that changes in the run. */
static void
dur_result_survey(dur_result_t *x)
{
    bool      plan;
    size_t    i;
    uint8_t   opcode;

    plan = false;

    for (i = 0; i < x->answer.nops; i++) {
        opcode = (uint8_t) x->answer.ops[i].opcode;

        if (opcode != DUR_OP_NONE && opcode != DUR_OP_RUN_COMPLETE
            && opcode != DUR_OP_DISCOVERY)
        {
            x->reported++;
            plan |= dur_result_is_plan(opcode);
        }
    }

    if (x->run.request_version == 0) {
        x->run.request_version = x->answer.request_version
                                 ? x->answer.request_version : 1;
    }

    if (x->reported > 1) {
        x->run.flags |= DUR_RUN_F_FORCE_PLAN;

        if (x->run.request_version >= 2 && plan) {
            x->pending = true;
            x->run.pending = 0;
            x->run.pending_generation++;
        }
    }
}


/*
 * A discovery that moved nothing: fine while something else of the run is
 * still going on; otherwise it is asked once more, then it has failed.
 */
static dur_rc_t
dur_result_idle(dur_result_t *x, bool *again)
{
    dur_rc_t  rc;

    *again = false;

    if (x->run.open > 0) {
        return DUR_OK;
    }

    if (!(x->run.flags & DUR_RUN_F_REDO)) {
        x->run.flags |= DUR_RUN_F_REDO;
        *again = true;
        return DUR_OK;
    }

    rc = dur_answer_error(x->e->arena, &x->answer, "ProtocolError",
                          dur_str("The SDK reported no step that could move "
                                  "the run, twice."), dur_str_null);

    return rc == DUR_OK ? dur_result_error(x) : rc;
}


/* After the ops: does the run want a discovery call (protocol 4.6)? */
static dur_rc_t
dur_result_next(dur_result_t *x)
{
    bool        want;
    dur_rc_t    rc;
    dur_run_t  *run = &x->run;

    want = x->discover || x->failed;

    if (x->completed > 0) {
        want |= x->race || run->request_version < 2 || run->pending == 0;

    } else if (x->pending && run->pending == 0) {
        want = true;            /* all that was reported is done already */
    }

    if (want && x->fresh == 0 && !x->discover && run->open == 0) {
        /* steps that are known: an SDK that does not see its memos would
         * report them for ever */
        rc = dur_result_idle(x, &want);
        if (rc != DUR_OK || run->status != DUR_RUN_LIVE) {
            return rc;
        }
    }

    if (run->flags & DUR_RUN_F_AGAIN && x->item.kind == DUR_ITEM_DISCOVERY) {
        run->flags &= (uint16_t) ~DUR_RUN_F_AGAIN;
        want = true;
    }

    if (!want && run->open == 0) {
        rc = dur_result_idle(x, &want);
        if (rc != DUR_OK || run->status != DUR_RUN_LIVE) {
            return rc;
        }
    }

    return want ? dur_run_discover(x->e, run, &x->item.step) : DUR_OK;
}


static const dur_answer_op_t *
dur_result_run_complete(const dur_answer_t *answer)
{
    size_t  i;

    for (i = 0; i < answer->nops; i++) {
        if (answer->ops[i].opcode == DUR_OP_RUN_COMPLETE) {
            return &answer->ops[i];
        }
    }

    return NULL;
}


dur_rc_t
dur_result_ops(dur_result_t *x)
{
    size_t                  i;
    dur_rc_t                rc;
    const dur_answer_op_t  *op;

    /* an op that is not built fails the run before any other has an effect */

    for (i = 0; i < x->answer.nops; i++) {
        if (x->answer.ops[i].opcode == DUR_OP_UNSUPPORTED) {
            return dur_result_unsupported(x, &x->answer.ops[i]);
        }
    }

    dur_result_survey(x);

    for (i = 0; i < x->answer.nops; i++) {
        op = &x->answer.ops[i];

        rc = dur_result_op(x, op);
        if (rc != DUR_OK || x->run.status != DUR_RUN_LIVE) {
            return rc;
        }
    }

    op = dur_result_run_complete(&x->answer);

    if (op != NULL) {
        return dur_run_end(x->e, &x->run, DUR_RUN_COMPLETED,
                           op->data.len ? op->data : dur_str("null"));
    }

    if (x->retry) {
        return DUR_OK;
    }

    if (x->item.kind == DUR_ITEM_STEP) {
        rc = dur_step_orphan(x->e, &x->run.id, &x->item.step, x->item.id);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    return dur_result_next(x);
}
