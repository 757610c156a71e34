/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_result.h"
#include "engine/dur_result_ops.h"
#include "engine/dur_deadline.h"
#include "engine/dur_flow_batch.h"
#include "engine/dur_flow_debounce.h"
#include "engine/dur_flow_throttle.h"
#include "engine/dur_frame.h"
#include "engine/dur_gateway_answer.h"
#include "engine/dur_publish.h"
#include "engine/dur_history.h"
#include "engine/dur_invoke.h"
#include "engine/dur_forward.h"
#include "engine/dur_retry.h"
#include "engine/dur_route.h"
#include "engine/dur_run.h"
#include "engine/dur_schedule.h"
#include "engine/dur_run_feed.h"
#include "engine/dur_served.h"
#include "engine/dur_state.h"
#include "engine/dur_step.h"
#include "engine/dur_timer.h"
#include "engine/dur_wait_queue.h"
#include "engine/dur_workflow.h"


/* How often a wait that is over asks for events that came in time, ms. */
#define DUR_RESULT_WAIT_ON  200


/* -- settling ------------------------------------------------------------- */

static dur_rc_t
dur_result_ack(dur_engine_t *e, uint64_t item, uint32_t generation)
{
    dur_effect_t  *effect;

    effect = dur_state_effect(e, DUR_EFFECT_ACK);
    if (effect == NULL) {
        return DUR_ENOMEM;
    }

    effect->item = item;
    effect->generation = generation;

    return DUR_OK;
}


static unsigned
dur_result_max_attempts(const dur_result_t *x)
{
    dur_function_t  *fn;

    if (x->attempts != 0) {
        return x->attempts;
    }

    fn = dur_registry_function(&x->e->registry, x->item.function);

    return (fn ? fn->retries : DUR_RETRY_DEFAULT) + 1;
}


/* The step's name of a planned item, empty otherwise. */
static dur_str_t
dur_result_step_name(dur_engine_t *e, const dur_item_t *item)
{
    dur_step_t  step;

    if (item->kind == DUR_ITEM_DISCOVERY
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

        if (dur_route_ordered(e, &x->item)) {
            x->run.discovery_due = 0;
            return dur_route_retry(x, due);
        }

    } else {
        rc = dur_step_reschedule(e, &x->run.id, &x->item.step, x->item.id,
                                 due, x->item.attempt);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    return dur_timer_put(e, &x->item);
}


dur_rc_t
dur_result_retry(dur_result_t *x, dur_str_t name, dur_str_t message,
    bool *exhausted)
{
    int64_t        due;
    dur_rc_t       rc;
    dur_engine_t  *e = x->e;

    *exhausted = x->answer.no_retry
                 || x->item.attempt + 1u >= dur_result_max_attempts(x);
    x->history.error = message;

    if (*exhausted) {
        x->history.outcome = DUR_HISTORY_FAILED;
        return DUR_OK;
    }

    due = x->answer.retry_at
          ? x->answer.retry_at
          : e->now + dur_retry_delay(x->item.attempt, e->conf.retry_interval,
                                     dur_state_random(e));

    rc = dur_run_feed(e, &x->run, "step.retry", name, x->item.attempt,
                      (int64_t) (x->history.duration / 1000), due, message);

    return rc == DUR_OK ? dur_result_retry_at(x, due) : rc;
}


dur_rc_t
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


/*
 * A call of one step that may not have found it: a discovery will tell, but
 * is not asked for ever.
 */
static dur_rc_t
dur_result_step_missed(dur_result_t *x)
{
    x->history.error = dur_str("The SDK ended the function in a call of one "
                               "step");

    if (!(x->run.flags & DUR_RUN_F_REDO)) {
        x->run.flags |= DUR_RUN_F_REDO;
        x->discover = true;
    }

    return dur_result_ops(x);
}


static dur_rc_t
dur_result_decide(dur_result_t *x)
{
    if (dur_route_owns(x->e, &x->item)) {
        return dur_route_decide(x);
    }

    if (dur_workflow_owns(x->e, &x->item)) {
        return dur_workflow_decide(x);
    }

    switch (x->answer.kind) {

    case DUR_ANSWER_OPS:
        return dur_result_ops(x);

    case DUR_ANSWER_DONE:
        /* The loser of a race that runs late may find the function done. */
        if (x->item.kind == DUR_ITEM_STEP && x->answer.missed) {
            return dur_result_step_missed(x);
        }
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


/*
 * What the result says of the app's health.  *parked: the app is parked and
 * this was no attempt.  A call that broke after it was sent may have done
 * something, to the app even: the third such call of an item is an attempt
 * all the same, so that a step that ends its app does not hold up the rest
 * for ever.
 */
static dur_rc_t
dur_result_health(dur_result_t *x, const dur_op_result_t *result, bool probe,
    bool *parked)
{
    dur_rc_t  rc;

    *parked = false;

    if (!dur_target_is_failure(result)
        || (result->status != 0 && dur_workflow_owns(x->e, &x->item)))
    {
        /* a 503 of a workflow's target is about one of its paths */
        return dur_target_answered(x->e, x->item.app);
    }

    if ((dur_route_owns(x->e, &x->item) || dur_workflow_owns(x->e, &x->item))
        && result->error_kind == DUR_CALL_ECONNECT
        && x->item.attempt + 1u >= dur_result_max_attempts(x))
    {
        /* nobody was there: that never ends a delivery */
        dur_target_doubt(x->e, x->item.app);
    }

    rc = dur_target_failed(x->e, x->item.app, probe, x->answer.message,
                           parked);

    if (rc == DUR_OK && *parked
        && (result->error_kind == DUR_CALL_ELOST
            || result->error_kind == DUR_CALL_ETIMEOUT)
        && ++x->item.losses >= DUR_ITEM_LOSSES)
    {
        x->item.losses = 0;
        *parked = false;
    }

    return rc;
}


/* The app is parked: the item waits as it is, for a probe or an answer. */
static dur_rc_t
dur_result_parked(dur_result_t *x, const dur_op_result_t *result, bool probe)
{
    dur_rc_t  rc;

    dur_result_start_history(x, result);
    x->history.outcome = DUR_HISTORY_PARKED;
    x->history.error = x->answer.message;

    if (x->run.started == 0) {
        x->run.started = x->item.due;
    }

    if (x->item.kind == DUR_ITEM_DISCOVERY) {
        x->run.flags &= (uint16_t) ~DUR_RUN_F_AGAIN;
    }

    if (probe && result->status != 0 && dur_route_owns(x->e, &x->item)
        && !dur_route_ordered(x->e, &x->item))
    {
        x->item.due = dur_route_later(x);
        x->run.discovery_due = x->item.due;
        rc = dur_timer_put(x->e, &x->item);

    } else {
        rc = dur_queue_push(x->e, &x->item);
    }

    return rc == DUR_OK ? dur_result_finish(x) : rc;
}


/* There is no request to be made, now or later, of this run. */
static dur_rc_t
dur_result_gone(dur_result_t *x, const dur_op_result_t *result)
{
    dur_rc_t     rc;
    const char  *message;

    message = "The server has lost what this call is made of: the event, the "
              "function or the input of a step is not in the store any more.";

    rc = dur_queue_release(x->e, &x->item);

    if (rc == DUR_OK) {
        rc = dur_result_close_item(x);
    }
    if (rc == DUR_OK) {
        dur_result_start_history(x, result);
        x->history.outcome = DUR_HISTORY_FAILED;
        x->history.error = dur_str_c(message);

        rc = dur_run_fail(x->e, &x->run, "call_lost", message);
    }

    return rc == DUR_OK ? dur_result_finish(x) : rc;
}


/* What came back for a step's request, with what the step asked for. */
static dur_rc_t
dur_result_parse_gateway(dur_result_t *x, const dur_op_result_t *result)
{
    dur_rc_t        rc;
    dur_buf_t       opts;
    dur_step_t      step;
    dur_engine_t   *e = x->e;
    dur_gateway_t   gateway;

    rc = dur_step_get(e->txn, &x->item.run, &x->item.step, &step);

    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_EINTERNAL : rc;
    }

    dur_buf_init(&opts, (size_t) step.input.length + 1);

    rc = dur_payload_get(e->txn, &x->item.run, &step.input, &opts);

    if (rc == DUR_OK) {
        gateway.id = &x->item.step;
        gateway.step = &step;
        gateway.opts = dur_buf_str(&opts);
        gateway.max_output = e->conf.max_output;
        gateway.now_ms = e->now;

        rc = dur_gateway_answer(&gateway, result, e->arena, &x->answer);
    }
    if (rc == DUR_OK) {
        rc = dur_publish_gateway(e, &x->item.run, gateway.opts, &x->answer);
    }

    dur_buf_deinit(&opts);

    return rc;
}


/* What came back, as an answer of an SDK. */
static dur_rc_t
dur_result_parse(dur_result_t *x, const dur_op_result_t *result)
{
    if (dur_route_owns(x->e, &x->item)) {
        return dur_forward_answer(result, x->e->now, x->e->arena, &x->answer);
    }

    if (dur_workflow_owns(x->e, &x->item)) {
        return dur_workflow_parse(x, result);
    }

    return x->item.kind == DUR_ITEM_GATEWAY
           ? dur_result_parse_gateway(x, result)
           : dur_answer_parse(result, x->e->now, x->e->arena, &x->answer);
}


static dur_rc_t
dur_result_live(dur_result_t *x, const dur_op_result_t *result)
{
    bool           probe, parked;
    dur_rc_t       rc;
    dur_engine_t  *e = x->e;

    if (result->error_kind == DUR_CALL_ECANCELLED) {
        return dur_result_given_back(e, &x->item);
    }

    if (result->error_kind == DUR_CALL_EGONE) {
        return dur_result_gone(x, result);
    }

    probe = dur_target_is_probe(e, x->item.app, x->item.id);
    parked = false;

    rc = dur_result_parse(x, result);

    if (rc == DUR_OK) {
        rc = dur_queue_release(e, &x->item);
    }
    if (rc == DUR_OK && x->item.kind != DUR_ITEM_GATEWAY) {
        rc = dur_result_health(x, result, probe, &parked);
    }
    if (rc == DUR_OK && parked) {
        return dur_result_parked(x, result, probe);
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

    if (x.item.kind == DUR_ITEM_SERVED) {
        return dur_served_result(e, &x.item, result);
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

/* What the run does after a step of it ended outside of a call. */
static dur_rc_t
dur_result_woken(dur_engine_t *e, dur_run_t *run,
    const dur_step_report_t *report)
{
    dur_rc_t  rc;

    /* a pending step may have lost its item: then nobody else will ask */

    if (run->pending == 0 || report->race || run->request_version < 2
        || run->open == 0)
    {
        rc = dur_run_discover(e, run, &report->id);
        if (rc != DUR_OK || run->status != DUR_RUN_LIVE) {
            return rc;
        }
    }

    return run->open > 0 ? dur_run_put(e, run) : DUR_EINTERNAL;
}


static dur_rc_t
dur_result_memo_step(dur_engine_t *e, dur_run_t *run, const dur_step_t *step,
    const dur_hash_t *id, uint8_t wrap, dur_str_t output)
{
    bool               fresh;
    dur_rc_t           rc;
    dur_step_report_t  report;

    memset(&report, 0, sizeof(report));
    report.id = *id;
    report.wrap = wrap;
    report.output = output;
    report.name = dur_arena_copy(e->arena, step->name);
    report.race = (step->flags & DUR_STEP_F_RACE) != 0;

    rc = dur_step_done(e, run, &report, 1, &fresh);

    if (rc == DUR_ETOOBIG) {
        return dur_run_fail(e, run, "InngestErrStateOverflowed", "The state "
                            "of the run is larger than the server allows.");
    }

    if (rc == DUR_OK) {
        rc = dur_run_feed(e, run, wrap == DUR_STEP_ERROR ? "step.failed"
                                                         : "step.completed",
                          report.name, 0, e->now - step->created, 0,
                          dur_str_null);
    }

    return rc == DUR_OK ? dur_result_woken(e, run, &report) : rc;
}


/* An event that came in time is on its way: the step waits for it. */
static dur_rc_t
dur_result_wait_on(dur_engine_t *e, dur_item_t *item, const dur_step_t *step)
{
    dur_rc_t  rc;

    item->due = e->now + DUR_RESULT_WAIT_ON;

    rc = dur_step_reschedule(e, &item->run, &item->step, item->id, item->due,
                             step->attempt);

    return rc == DUR_OK ? dur_timer_put(e, item) : rc;
}


static dur_rc_t
dur_result_wake(dur_engine_t *e, dur_item_t *item)
{
    bool        before;
    dur_rc_t    rc;
    dur_run_t   run;
    dur_step_t  step;

    rc = dur_run_get(e->txn, &item->run, &run);
    if (rc != DUR_OK || run.status != DUR_RUN_LIVE || run.open == 0) {
        return (rc == DUR_OK || rc == DUR_ENOTFOUND) ? DUR_EINTERNAL : rc;
    }

    rc = dur_step_get(e->txn, &item->run, &item->step, &step);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_EINTERNAL : rc;
    }

    if (step.op == DUR_OPCODE_WAIT_EVENT) {
        rc = dur_wait_queue_before(e, &item->run, &item->step, &before);
        if (rc != DUR_OK || before) {
            return rc == DUR_OK ? dur_result_wait_on(e, item, &step) : rc;
        }
    }

    run.open--;

    return step.op == DUR_OPCODE_INVOKE
           ? dur_result_memo_step(e, &run, &step, &item->step,
                                  DUR_STEP_ERROR, dur_invoke_timeout())
           : dur_result_memo_step(e, &run, &step, &item->step, DUR_STEP_RAW,
                                  dur_str("null"));
}


dur_rc_t
dur_result_resume(dur_engine_t *e, const dur_ulid_t *id,
    const dur_hash_t *hash, uint8_t wrap, dur_str_t output)
{
    dur_rc_t    rc;
    dur_run_t   run;
    dur_step_t  step;

    rc = dur_run_get(e->txn, id, &run);
    if (rc != DUR_OK || run.status != DUR_RUN_LIVE) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    rc = dur_step_get(e->txn, id, hash, &step);
    if (rc != DUR_OK || step.state != DUR_STEP_WAITING) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    return dur_result_memo_step(e, &run, &step, hash, wrap, output);
}


dur_rc_t
dur_result_due(dur_engine_t *e, dur_item_t *item)
{
    switch (item->kind) {

    case DUR_ITEM_SLEEP:
    case DUR_ITEM_WAIT:
        return dur_result_wake(e, item);

    case DUR_ITEM_DEADLINE:
        return dur_deadline_due(e, item);

    case DUR_ITEM_DEBOUNCE:
        return dur_flow_debounce_due(e, item);

    case DUR_ITEM_CRON:
        return dur_schedule_due(e, item);

    case DUR_ITEM_BATCH:
        return dur_flow_batch_due(e, item);

    case DUR_ITEM_THROTTLE:
        return dur_flow_throttle_due(e, item);

    default:
        return item->kind == DUR_ITEM_DISCOVERY && dur_workflow_owns(e, item)
               ? dur_workflow_due(e, item) : dur_queue_push(e, item);
    }
}


dur_rc_t
dur_result_lost(dur_engine_t *e, dur_item_t *item)
{
    dur_rc_t         rc;
    dur_result_t     x;
    dur_op_result_t  result;

    if (item->kind == DUR_ITEM_SERVED) {
        return dur_served_lost(e, item);
    }

    memset(&x, 0, sizeof(x));
    x.e = e;
    x.item = *item;

    memset(&result, 0, sizeof(result));
    result.error_kind = DUR_CALL_EOTHER;
    result.error = dur_str("The executor stopped three times while it ran "
                           "this call.");

    rc = dur_run_get(e->txn, &item->run, &x.run);
    if (rc == DUR_OK) {
        rc = dur_result_close_item(&x);
    }
    if (rc == DUR_OK) {
        rc = item->kind == DUR_ITEM_GATEWAY
             ? dur_result_parse_gateway(&x, &result)
             : dur_workflow_owns(e, item)
             ? dur_workflow_parse(&x, &result)
             : dur_answer_error(e->arena, &x.answer, "executor_lost",
                                result.error, dur_str_null);
    }
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_EINTERNAL : rc;
    }

    dur_result_start_history(&x, NULL);
    x.history.outcome = DUR_HISTORY_LOST;

    rc = dur_result_decide(&x);

    return rc == DUR_OK ? dur_result_finish(&x) : rc;
}


/* What is not there, or cannot be read, cannot be marked as failed either. */
static dur_rc_t
dur_result_unreadable(dur_rc_t rc)
{
    return (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) ? DUR_OK : rc;
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
        return dur_result_unreadable(rc);
    }

    rc = dur_queue_release(e, &item);

    if (rc == DUR_OK && item.kind == DUR_ITEM_SERVED) {
        return dur_served_poison(e, &item);
    }
    if (rc == DUR_OK) {
        rc = dur_run_get(e->txn, &item.run, &run);
    }
    if (rc != DUR_OK || run.status != DUR_RUN_LIVE) {
        return dur_result_unreadable(rc);
    }

    return dur_run_fail(e, &run, "internal", "The server could not process "
                        "an answer of this run (internal error).");
}
