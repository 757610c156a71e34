/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_result_ops.h"
#include "engine/dur_defer.h"
#include "engine/dur_gateway.h"
#include "engine/dur_gateway_answer.h"
#include "engine/dur_invoke.h"
#include "engine/dur_run_feed.h"
#include "engine/dur_state.h"
#include "engine/dur_step.h"
#include "engine/dur_wait.h"

#include <stdio.h>


static dur_rc_t
dur_result_overflow(dur_result_t *x)
{
    char  text[128];

    snprintf(text, sizeof(text), "The state of the run is larger than %llu "
             "bytes.", (unsigned long long) x->e->conf.max_state);

    return dur_run_fail(x->e, &x->run, "InngestErrStateOverflowed", text);
}


static void
dur_result_report(const dur_answer_op_t *op, dur_step_report_t *report)
{
    memset(report, 0, sizeof(*report));

    report->id = op->id;
    report->name = op->name;
    report->op = (uint8_t) op->opcode;
    report->race = op->race;
    report->wrap = DUR_STEP_RAW;
    report->detail = op->target;
    report->started = op->started;
    report->duration = op->duration;
}


/* Go tells the race when it plans a step, not when it has run it. */
static bool
dur_result_is_race(dur_result_t *x, const dur_answer_op_t *op)
{
    dur_step_t  step;

    return op->race
           || (dur_step_get(x->e->txn, &x->run.id, &op->id, &step) == DUR_OK
               && step.flags & DUR_STEP_F_RACE);
}


static dur_rc_t
dur_result_memo(dur_result_t *x, const dur_answer_op_t *op, uint8_t wrap,
    dur_str_t output)
{
    bool               fresh;
    dur_rc_t           rc;
    dur_step_report_t  report;

    x->history.reported = op->id;

    dur_result_report(op, &report);
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
    x->race |= dur_result_is_race(x, op);

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

    x->history.reported = op->id;

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
dur_result_refuse(dur_result_t *x, const char *name, const char *message)
{
    x->history.outcome = DUR_HISTORY_FAILED;
    x->history.error = dur_arena_copy(x->e->arena, dur_str_c(message));

    return dur_run_fail(x->e, &x->run, name, message);
}


static dur_rc_t
dur_result_too_long(dur_result_t *x)
{
    return dur_result_refuse(x, "InngestErrTimeoutTooLong", "A sleep or a "
                             "timeout is longer than 366 days.");
}


static dur_rc_t
dur_result_sleep(dur_result_t *x, const dur_answer_op_t *op)
{
    bool               fresh;
    dur_step_timer_t   timer = { DUR_STEP_SLEEPING, op->due, x->pending };
    dur_step_report_t  report;

    if (op->due < 0) {
        return dur_result_too_long(x);
    }

    dur_result_report(op, &report);

    return dur_step_timer(x->e, &x->run, &report, &timer, &fresh);
}


/* The step is known already, and not only by an edited input. */
static dur_rc_t
dur_result_known(dur_result_t *x, const dur_answer_op_t *op, bool *known)
{
    dur_rc_t    rc;
    dur_step_t  step;

    rc = dur_step_get(x->e->txn, &x->run.id, &op->id, &step);

    *known = rc == DUR_OK && step.state != DUR_STEP_EDITED;

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static dur_rc_t
dur_result_wait(dur_result_t *x, const dur_answer_op_t *op)
{
    bool               fresh;
    char               err[160];
    dur_rc_t           rc;
    dur_step_timer_t   timer = { DUR_STEP_WAITING, op->due, x->pending };
    dur_step_report_t  report;

    if (op->due < 0) {
        return dur_result_too_long(x);
    }

    dur_result_report(op, &report);

    rc = dur_step_timer(x->e, &x->run, &report, &timer, &fresh);
    if (rc != DUR_OK || !fresh) {
        return rc;
    }

    rc = op->opcode == DUR_OPCODE_WAIT_EVENT
         ? dur_wait_event(x->e, &x->run, op, err)
         : dur_wait_signal(x->e, &x->run, op);

    if (rc == DUR_EINVAL) {
        return dur_result_refuse(x, "CompileError", err);
    }

    if (rc == DUR_ECONFLICT) {
        return dur_result_refuse(x, "SignalConflict", "Signal conflict; "
                                 "signal wait already exists for another "
                                 "run");
    }

    return rc;
}


/* The step waits; what it waits for is started by dur_result_invokes(). */
static dur_rc_t
dur_result_invoke(dur_result_t *x, const dur_answer_op_t *op)
{
    bool               fresh;
    dur_rc_t           rc;
    dur_step_timer_t   timer = { DUR_STEP_WAITING, op->due, x->pending };
    dur_step_report_t  report;

    if (op->due < 0) {
        return dur_result_too_long(x);
    }

    dur_result_report(op, &report);

    rc = dur_step_timer(x->e, &x->run, &report, &timer, &fresh);
    if (rc != DUR_OK || !fresh) {
        return rc;
    }

    if (x->invokes == NULL) {
        x->invokes = dur_arena_alloc(x->e->arena,
                                     x->answer.nops * sizeof(*x->invokes));
        if (x->invokes == NULL) {
            return DUR_ENOMEM;
        }
    }

    x->invokes[x->ninvokes++] = op;

    return DUR_OK;
}


/*
 * Starting a function may reach any run, also this one: a singleton that
 * cancels, somebody who waits for the event.  So it is stored before that and
 * read again after it.
 */
static dur_rc_t
dur_result_invokes(dur_result_t *x)
{
    size_t      i;
    dur_rc_t    rc;
    dur_ulid_t  id;

    if (x->ninvokes == 0 || x->run.status != DUR_RUN_LIVE) {
        return DUR_OK;
    }

    rc = dur_run_put(x->e, &x->run);

    for (i = 0; rc == DUR_OK && i < x->ninvokes; i++) {
        rc = dur_invoke_step(x->e, &x->run.id, x->invokes[i]);
    }

    id = x->run.id;

    return rc == DUR_OK ? dur_run_get(x->e->txn, &id, &x->run) : rc;
}


static dur_rc_t
dur_result_plan(dur_result_t *x, const dur_answer_op_t *op)
{
    bool               fresh;
    dur_step_report_t  report;

    dur_result_report(op, &report);

    return dur_step_plan(x->e, &x->run, &report, DUR_ITEM_STEP, x->pending,
                         &fresh);
}


/* What cannot be sent is an error that the function may catch. */
static dur_rc_t
dur_result_bad_gateway(dur_result_t *x, const dur_answer_op_t *op,
    const char *wrong)
{
    dur_answer_op_t  failed = *op;

    failed.target = dur_str_null;
    failed.message = dur_str_c(wrong);
    failed.error = dur_gateway_error((uint8_t) op->opcode, wrong,
                                     x->e->arena);

    return failed.error.data
           ? dur_result_memo(x, &failed, DUR_STEP_ERROR, failed.error)
           : DUR_ENOMEM;
}


static dur_rc_t
dur_result_gateway(dur_result_t *x, const dur_answer_op_t *op)
{
    bool               known, fresh;
    dur_rc_t           rc;
    const char        *wrong;
    dur_step_report_t  report;

    rc = dur_result_known(x, op, &known);
    if (rc != DUR_OK) {
        return rc;
    }

    wrong = known ? NULL : dur_gateway_check((uint8_t) op->opcode, op->opts);

    if (wrong != NULL) {
        return dur_result_bad_gateway(x, op, wrong);
    }

    dur_result_report(op, &report);
    report.input = op->opts;
    report.detail = dur_gateway_detail(op->target, x->e->arena);

    return dur_step_plan(x->e, &x->run, &report, DUR_ITEM_GATEWAY, x->pending,
                         &fresh);
}


static dur_rc_t
dur_result_op(dur_result_t *x, const dur_answer_op_t *op)
{
    switch (op->opcode) {

    case DUR_OPCODE_STEP_RUN:
        return dur_result_memo(x, op, DUR_STEP_DATA, op->data);

    case DUR_OPCODE_STEP_LEGACY:
        return dur_result_memo(x, op, DUR_STEP_RAW, op->data);

    case DUR_OPCODE_STEP_FAILED:
        return dur_result_memo(x, op, DUR_STEP_ERROR, op->error);

    case DUR_OPCODE_STEP_ERROR:
        return dur_result_step_error(x, op);

    case DUR_OPCODE_STEP_PLANNED:
        return dur_result_plan(x, op);

    case DUR_OPCODE_SLEEP:
        return dur_result_sleep(x, op);

    case DUR_OPCODE_WAIT_EVENT:
    case DUR_OPCODE_WAIT_SIGNAL:
        return dur_result_wait(x, op);

    case DUR_OPCODE_INVOKE:
        return dur_result_invoke(x, op);

    case DUR_OPCODE_AI:
    case DUR_OPCODE_GATEWAY:
        return dur_result_gateway(x, op);

    case DUR_OPCODE_DEFER_ADD:
        return dur_defer_add(x->e, &x->run, op);

    case DUR_OPCODE_DEFER_ABORT:
        return dur_defer_abort(x->e, &x->run, op);

    case DUR_OPCODE_DISCOVERY:
        x->discover = true;
        return DUR_OK;

    default:
        return DUR_OK;
    }
}


/* Before all others: an event that another op sends must not be missed, and
 * a defer must be there when the run ends. */
static bool
dur_result_goes_first(dur_opcode_t opcode)
{
    return opcode == DUR_OPCODE_WAIT_EVENT
           || opcode == DUR_OPCODE_WAIT_SIGNAL
           || opcode == DUR_OPCODE_DEFER_ADD
           || opcode == DUR_OPCODE_DEFER_ABORT;
}


static dur_rc_t
dur_result_each(dur_result_t *x, bool first)
{
    size_t                  i;
    dur_rc_t                rc;
    const dur_answer_op_t  *op;

    for (i = 0; i < x->answer.nops && x->run.status == DUR_RUN_LIVE; i++) {
        op = &x->answer.ops[i];

        if (dur_result_goes_first(op->opcode) == first) {
            rc = dur_result_op(x, op);
            if (rc != DUR_OK) {
                return rc;
            }
        }
    }

    return DUR_OK;
}


/* Before the ops: how many there are, and what that changes in the run. */
static void
dur_result_survey(dur_result_t *x)
{
    bool           plan;
    size_t         i;
    dur_opcode_t   opcode;

    plan = false;

    for (i = 0; i < x->answer.nops; i++) {
        opcode = x->answer.ops[i].opcode;

        if (dur_opcode_is_step(opcode)) {
            x->reported++;
            plan |= dur_opcode_is_plan(opcode);
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
        if (answer->ops[i].opcode == DUR_OPCODE_RUN_COMPLETE
            || answer->ops[i].opcode == DUR_OPCODE_SYNC_COMPLETE)
        {
            return &answer->ops[i];
        }
    }

    return NULL;
}


/* An op whose output or input is over the limit, or NULL. */
static const dur_answer_op_t *
dur_result_too_large(const dur_result_t *x)
{
    size_t                  i;
    uint64_t                max = x->e->conf.max_output;
    const dur_answer_op_t  *op;

    for (i = 0; i < x->answer.nops; i++) {
        op = &x->answer.ops[i];

        if (dur_opcode_is_step(op->opcode)
            && (op->data.len > max || op->error.len > max
                || op->opts.len > max))
        {
            return op;
        }
    }

    return NULL;
}


/* The attempt failed, and nothing of its answer is applied (features 1.3). */
static dur_rc_t
dur_result_oversize(dur_result_t *x, const dur_answer_op_t *op)
{
    char      *text;
    dur_rc_t   rc;

    text = dur_arena_printf(x->e->arena, "The input or the output of step "
                            "\"%.*s\" is larger than %llu bytes.",
                            (int) op->name.len,
                            (const char *) op->name.data,
                            (unsigned long long) x->e->conf.max_output);

    rc = dur_answer_error(x->e->arena, &x->answer, "output_too_large",
                          dur_str_c(text), dur_str_null);

    return rc == DUR_OK ? dur_result_error(x) : rc;
}


static dur_rc_t
dur_result_all(dur_result_t *x)
{
    dur_rc_t                rc;
    const dur_answer_op_t  *op;

    op = dur_result_too_large(x);

    if (op != NULL) {
        return dur_result_oversize(x, op);
    }

    dur_result_survey(x);

    rc = dur_result_each(x, true);
    if (rc == DUR_OK) {
        rc = dur_result_each(x, false);
    }
    if (rc != DUR_OK || x->run.status != DUR_RUN_LIVE) {
        return rc;
    }

    op = dur_result_run_complete(&x->answer);

    if (op != NULL) {
        return dur_run_end(x->e, &x->run, DUR_RUN_COMPLETED,
                           op->data.len ? op->data : dur_str("null"));
    }

    if (x->retry) {
        return DUR_OK;
    }

    if (x->item.kind != DUR_ITEM_DISCOVERY) {
        rc = dur_step_orphan(x->e, &x->run.id, &x->item.step, x->item.id);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    return dur_result_next(x);
}


dur_rc_t
dur_result_ops(dur_result_t *x)
{
    dur_rc_t  rc;

    rc = dur_result_all(x);

    return rc == DUR_OK ? dur_result_invokes(x) : rc;
}
