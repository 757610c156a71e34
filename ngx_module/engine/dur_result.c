/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_result.h"
#include "engine/dur_answer.h"
#include "engine/dur_frame.h"
#include "engine/dur_history.h"
#include "engine/dur_retry.h"
#include "engine/dur_run.h"
#include "engine/dur_state.h"
#include "engine/dur_step.h"
#include "engine/dur_timer.h"

#include <stdio.h>


/* One result while it is decided. */
typedef struct {
    dur_engine_t     *e;
    dur_run_t         run;
    dur_item_t        item;             /* released: in no table */
    dur_history_t     history;

    unsigned          reported;         /* non-lazy ops of this answer */
    unsigned          completed;        /* steps reported as done */
    unsigned          fresh;            /* of them not known before */
    bool              planned;          /* a plan-type op was among them */
    bool              pending;          /* the pending set is replaced */
    bool              failed;           /* an error memo was written */
    bool              race;             /* a completed step is in a race */
    bool              retry;            /* the item is tried again */
    bool              discover;         /* a discovery was asked for */

    dur_answer_t      answer;
} dur_result_t;


/* -- settling ------------------------------------------------------------- */

static dur_rc_t
dur_result_ack(dur_engine_t *e, uint64_t item, uint32_t generation)
{
    dur_effect_t  *effect;

    effect = dur_engine_effect(e, DUR_EFFECT_ACK);
    if (effect == NULL) {
        return DUR_ENOMEM;
    }

    effect->item = item;
    effect->generation = generation;

    return DUR_OK;
}


static unsigned
dur_result_max_attempts(dur_engine_t *e, const dur_item_t *item)
{
    dur_function_t  *fn;

    fn = dur_registry_function(&e->registry, item->function);

    return (fn ? fn->retries : DUR_RETRY_DEFAULT) + 1;
}


/* The step's name of a planned item, empty otherwise. */
static dur_str_t
dur_result_step_name(dur_engine_t *e, const dur_item_t *item)
{
    dur_step_t  step;

    if (item->kind != DUR_ITEM_STEP
        || dur_step_get(e->txn, &item->run, &item->step, &step) != DUR_OK)
    {
        return dur_str_null;
    }

    return dur_arena_copy(e->arena, step.name);
}


/* Puts the item on the timer table for another attempt. */
static dur_rc_t
dur_result_retry_at(dur_result_t *x, int64_t due)
{
    dur_rc_t       rc;
    dur_engine_t  *e = x->e;

    x->item.attempt++;
    x->item.due = due;
    x->run.open++;

    x->history.outcome = DUR_HISTORY_RETRY;
    x->history.at = due;

    if (x->item.kind == DUR_ITEM_DISCOVERY) {
        x->run.discovery = x->item.id;
        x->run.discovery_due = due;
        x->run.flags &= (uint16_t) ~DUR_RUN_F_AGAIN;

    } else {
        rc = dur_step_reschedule(e, &x->run.id, &x->item.step, x->item.id,
                                 due, x->item.attempt);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    return dur_timer_put(e, &x->item);
}


/*
 * A failed attempt: `message` is for people.  *exhausted is set, and nothing
 * done, when there are no attempts left.
 */
static dur_rc_t
dur_result_retry(dur_result_t *x, dur_str_t name, dur_str_t message,
    bool *exhausted)
{
    int64_t        due;
    dur_rc_t       rc;
    dur_engine_t  *e = x->e;

    *exhausted = x->answer.no_retry
                 || x->item.attempt + 1u >= dur_result_max_attempts(e,
                                                                    &x->item);
    x->history.error = message;

    if (*exhausted) {
        x->history.outcome = DUR_HISTORY_FAILED;
        return DUR_OK;
    }

    due = x->answer.retry_at
          ? x->answer.retry_at
          : e->now + dur_retry_delay(x->item.attempt, e->conf.retry_interval,
                                     dur_engine_random(e));

    rc = dur_run_feed(e, &x->run, "step.retry", name, x->item.attempt,
                      (int64_t) (x->history.duration / 1000), due, message);

    return rc == DUR_OK ? dur_result_retry_at(x, due) : rc;
}


/* An error of the function, not of a step. */
static dur_rc_t
dur_result_error(dur_result_t *x)
{
    bool      exhausted;
    dur_rc_t  rc;

    rc = dur_result_retry(x, dur_result_step_name(x->e, &x->item),
                          x->answer.message, &exhausted);

    if (rc == DUR_OK && exhausted) {
        rc = dur_run_end(x->e, &x->run, DUR_RUN_FAILED, x->answer.error);
    }

    return rc;
}


/* -- ops ------------------------------------------------------------------ */

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


static dur_rc_t
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


/* -- the result ----------------------------------------------------------- */

static void
dur_result_start_history(dur_result_t *x, const dur_op_result_t *result)
{
    dur_history_t  *h = &x->history;

    memset(h, 0, sizeof(*h));

    h->outcome = DUR_HISTORY_OK;
    h->kind = x->item.kind;
    h->attempt = x->item.attempt;
    h->generation = x->item.generation;
    h->item = x->item.id;
    h->step = x->item.step;

    if (result != NULL) {
        h->status = result->status;
        h->started = result->started;
        h->duration = result->duration;
    }
}


/* The item is leased no more; the run counts one item less. */
static dur_rc_t
dur_result_close_item(dur_result_t *x)
{
    if (x->run.open == 0) {
        return DUR_EINTERNAL;
    }

    x->run.open--;

    if (x->item.kind == DUR_ITEM_DISCOVERY) {
        if (x->run.discovery != x->item.id) {
            return DUR_EINTERNAL;
        }

        x->run.discovery = 0;
        x->run.discovery_due = 0;
    }

    if (x->run.started == 0) {
        x->run.started = x->item.due;
    }

    return DUR_OK;
}


static dur_rc_t
dur_result_decide(dur_result_t *x)
{
    switch (x->answer.kind) {

    case DUR_ANSWER_OPS:
        return dur_result_ops(x);

    case DUR_ANSWER_DONE:
        return dur_run_end(x->e, &x->run, DUR_RUN_COMPLETED,
                           x->answer.output);

    default:
        return dur_result_error(x);
    }
}


/* The run after all decisions: the attempt's record, the row. */
static dur_rc_t
dur_result_finish(dur_result_t *x)
{
    dur_rc_t  rc;

    rc = dur_history_add(x->e, &x->run, &x->history);

    if (rc == DUR_OK && x->run.status == DUR_RUN_LIVE) {
        if (x->run.open == 0) {
            return DUR_EINTERNAL;
        }

        rc = dur_run_put(x->e, &x->run);
    }

    return rc;
}


/* Cancelled by an executor that gave the namespace up: not an attempt. */
static dur_rc_t
dur_result_given_back(dur_engine_t *e, dur_item_t *item)
{
    dur_rc_t  rc;

    rc = dur_queue_release(e, item);

    return rc == DUR_OK ? dur_queue_push(e, item) : rc;
}


static dur_rc_t
dur_result_live(dur_result_t *x, const dur_op_result_t *result)
{
    dur_rc_t       rc;
    dur_engine_t  *e = x->e;

    if (result->error_kind == DUR_CALL_ECANCELLED) {
        return dur_result_given_back(e, &x->item);
    }

    rc = dur_answer_parse(result, e->now, e->arena, &x->answer);

    if (rc == DUR_OK) {
        rc = dur_queue_release(e, &x->item);
    }
    if (rc == DUR_OK) {
        rc = dur_result_close_item(x);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    dur_result_start_history(x, result);

    /* the slot of this result carries the next call of its run */
    e->credits = 1;
    rc = dur_result_decide(x);
    e->credits = 0;

    return rc == DUR_OK ? dur_result_finish(x) : rc;
}


dur_rc_t
dur_result_apply(dur_engine_t *e, const dur_op_result_t *result,
    dur_reply_t *reply)
{
    dur_rc_t      rc;
    dur_result_t  x;

    reply->status = 200;

    rc = dur_result_ack(e, result->item, result->generation);
    if (rc != DUR_OK) {
        return rc;
    }

    memset(&x, 0, sizeof(x));
    x.e = e;

    rc = dur_queue_lease_get(e, result->item, &x.item);

    if (rc == DUR_ENOTFOUND
        || (rc == DUR_OK && x.item.generation != result->generation))
    {
        reply->rc = DUR_ECONFLICT;
        reply->status = 409;
        return DUR_OK;
    }

    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_run_get(e->txn, &x.item.run, &x.run);

    if (rc == DUR_ENOTFOUND
        || (rc == DUR_OK && x.run.status != DUR_RUN_LIVE))
    {
        /* an ended run takes its leases along */
        return DUR_EINTERNAL;
    }

    return rc == DUR_OK ? dur_result_live(&x, result) : rc;
}


/* -- timers and losses ---------------------------------------------------- */

static dur_rc_t
dur_result_wake(dur_engine_t *e, dur_item_t *item)
{
    bool               fresh;
    dur_rc_t           rc;
    dur_run_t          run;
    dur_step_t         step;
    dur_step_report_t  report;

    rc = dur_run_get(e->txn, &item->run, &run);
    if (rc != DUR_OK || run.status != DUR_RUN_LIVE || run.open == 0) {
        return (rc == DUR_OK || rc == DUR_ENOTFOUND) ? DUR_EINTERNAL : rc;
    }

    rc = dur_step_get(e->txn, &item->run, &item->step, &step);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_EINTERNAL : rc;
    }

    memset(&report, 0, sizeof(report));
    report.id = item->step;
    report.wrap = DUR_STEP_RAW;
    report.name = dur_arena_copy(e->arena, step.name);
    report.race = (step.flags & DUR_STEP_F_RACE) != 0;

    run.open--;

    rc = dur_step_done(e, &run, &report, 1, &fresh);

    if (rc == DUR_OK) {
        rc = dur_run_feed(e, &run, "step.completed", report.name, 0,
                          e->now - step.created, 0, dur_str_null);
    }

    /* a pending step may have lost its item: then nobody else will ask */

    if (rc == DUR_OK
        && (run.pending == 0 || report.race || run.request_version < 2
            || run.open == 0))
    {
        rc = dur_run_discover(e, &run, &item->step);
    }

    if (rc != DUR_OK || run.status != DUR_RUN_LIVE) {
        return rc;
    }

    return run.open > 0 ? dur_run_put(e, &run) : DUR_EINTERNAL;
}


dur_rc_t
dur_result_due(dur_engine_t *e, dur_item_t *item)
{
    return item->kind == DUR_ITEM_SLEEP ? dur_result_wake(e, item)
                                        : dur_queue_push(e, item);
}


dur_rc_t
dur_result_lost(dur_engine_t *e, dur_item_t *item)
{
    dur_rc_t      rc;
    dur_result_t  x;

    memset(&x, 0, sizeof(x));
    x.e = e;
    x.item = *item;

    rc = dur_run_get(e->txn, &item->run, &x.run);
    if (rc == DUR_OK) {
        rc = dur_result_close_item(&x);
    }
    if (rc == DUR_OK) {
        rc = dur_answer_error(e->arena, &x.answer, "executor_lost",
                              dur_str("The executor stopped three times "
                                      "while it ran this call."),
                              dur_str_null);
    }
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_EINTERNAL : rc;
    }

    dur_result_start_history(&x, NULL);
    x.history.outcome = DUR_HISTORY_LOST;

    rc = dur_result_error(&x);

    return rc == DUR_OK ? dur_result_finish(&x) : rc;
}


dur_rc_t
dur_result_poison(dur_engine_t *e, const dur_op_result_t *result)
{
    dur_rc_t    rc;
    dur_run_t   run;
    dur_item_t  item;

    rc = dur_result_ack(e, result->item, result->generation);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_queue_lease_get(e, result->item, &item);
    if (rc != DUR_OK || item.generation != result->generation) {
        return (rc == DUR_OK || rc == DUR_ENOTFOUND) ? DUR_OK : rc;
    }

    rc = dur_queue_release(e, &item);
    if (rc == DUR_OK) {
        rc = dur_run_get(e->txn, &item.run, &run);
    }
    if (rc != DUR_OK || run.status != DUR_RUN_LIVE) {
        return (rc == DUR_OK || rc == DUR_ENOTFOUND) ? DUR_OK : rc;
    }

    return dur_run_fail(e, &run, "internal", "The server could not process "
                        "an answer of this run (internal error).");
}
