/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_checkpoint.h"
#include "engine/dur_defer.h"
#include "engine/dur_history.h"
#include "engine/dur_json.h"
#include "engine/dur_run_feed.h"
#include "engine/dur_state.h"
#include "engine/dur_step.h"
#include "engine/dur_ulid.h"

#include <stdio.h>


/* -- memos ---------------------------------------------------------------- */

static dur_rc_t
dur_checkpoint_too_large(dur_engine_t *e, dur_run_t *run, const char *name,
    const char *message, dur_reply_t *reply)
{
    (void) dur_state_refuse(e, reply, 413, "%s", message);

    return dur_run_fail(e, run, name, message);
}


static dur_rc_t
dur_checkpoint_memo(dur_engine_t *e, dur_run_t *run,
    const dur_answer_op_t *op, unsigned attempt, bool *fresh)
{
    dur_rc_t           rc;
    dur_step_report_t  report;

    memset(&report, 0, sizeof(report));
    report.id = op->id;
    report.name = op->name;
    report.op = (uint8_t) op->opcode;
    report.race = op->race;
    report.started = op->started;
    report.duration = op->duration;

    switch (op->opcode) {

    case DUR_OPCODE_STEP_FAILED:
        report.wrap = DUR_STEP_ERROR;
        report.output = op->error;
        break;

    case DUR_OPCODE_STEP_LEGACY:
        report.wrap = DUR_STEP_RAW;
        report.output = op->data;
        break;

    default:
        report.wrap = DUR_STEP_DATA;
        report.output = op->data;
    }

    if (report.output.len > e->conf.max_output) {
        return DUR_ETOOBIG;
    }

    if (report.output.len == 0) {
        report.output = dur_str("null");
    }

    rc = dur_step_done(e, run, &report, attempt, fresh);

    if (rc != DUR_OK || !*fresh) {
        return rc;
    }

    return dur_run_feed(e, run, report.wrap == DUR_STEP_ERROR
                                ? "step.failed" : "step.completed",
                        op->name, attempt - 1, op->duration / 1000, 0,
                        op->message);
}


/* One op; *fresh says that it told something new. */
static dur_rc_t
dur_checkpoint_op(dur_engine_t *e, dur_run_t *run, const dur_answer_op_t *op,
    unsigned attempt, bool *fresh)
{
    *fresh = false;

    switch (op->opcode) {

    case DUR_OPCODE_STEP_RUN:
    case DUR_OPCODE_STEP_LEGACY:
    case DUR_OPCODE_STEP_FAILED:
        return dur_checkpoint_memo(e, run, op, attempt, fresh);

    case DUR_OPCODE_DEFER_ADD:
        return dur_defer_add(e, run, op);

    case DUR_OPCODE_DEFER_ABORT:
        return dur_defer_abort(e, run, op);

    default:
        return DUR_OK;
    }
}


/* People see when the steps ran: by the app's clock where it tells. */
static void
dur_checkpoint_record(dur_engine_t *e, const dur_run_t *run,
    const dur_checkpoint_of_t *of, const dur_answer_op_t *op,
    dur_history_t *h)
{
    int64_t  ended;

    if (h->outcome == 0) {
        h->outcome = DUR_HISTORY_CHECKPOINT;
        h->kind = DUR_ITEM_STEP;
        h->step = op->id;
        h->item = of->item;
        h->generation = of->generation;
        h->attempt = of->attempt;
        h->started = op->started >= run->created && op->started <= e->now
                     ? op->started : e->now;
        h->duration = (uint64_t) op->duration;
        return;
    }

    ended = op->started + op->duration / 1000;

    if (ended > h->started && ended <= e->now) {
        h->duration = (uint64_t) (ended - h->started) * 1000;
    }
}


dur_rc_t
dur_checkpoint_memos(dur_engine_t *e, dur_run_t *run,
    const dur_answer_op_t *ops, size_t n, const dur_checkpoint_of_t *of,
    dur_reply_t *reply)
{
    bool           fresh;
    size_t         i;
    dur_rc_t       rc;
    dur_history_t  h;

    memset(&h, 0, sizeof(h));

    for (i = 0; i < n; i++) {
        rc = dur_checkpoint_op(e, run, &ops[i], of->attempt + 1u, &fresh);

        if (rc == DUR_ETOOBIG) {
            return dur_checkpoint_too_large(e, run,
                "InngestErrStateOverflowed", "The output of a step, or of all "
                "steps of the run, is larger than the server allows.", reply);
        }

        if (rc != DUR_OK) {
            return rc;
        }

        if (fresh && run->steps > e->conf.max_steps) {
            return dur_checkpoint_too_large(e, run,
                "InngestErrFunctionOverflowed", "The function run exceeded "
                "the step limit of the server.", reply);
        }

        if (fresh) {
            dur_checkpoint_record(e, run, of, &ops[i], &h);
        }
    }

    return h.outcome != 0 ? dur_history_add(e, run, &h) : DUR_OK;
}


/* -- the op --------------------------------------------------------------- */

/* Whether the run and the call it is from still wait for it. */
static dur_rc_t
dur_checkpoint_find(dur_engine_t *e, const dur_op_t *op, dur_run_t *run,
    dur_item_t *item, dur_reply_t *reply)
{
    char      id[DUR_ULID_TEXT_LEN + 1];
    dur_rc_t  rc;

    dur_ulid_text(&op->run, id);
    memset(item, 0, sizeof(*item));

    rc = dur_run_get(e->txn, &op->run, run);

    if (rc == DUR_ENOTFOUND) {
        (void) dur_state_refuse(e, reply, 404, "there is no run %s", id);
        return DUR_OK;
    }

    if (rc != DUR_OK) {
        return rc;
    }

    if (run->status != DUR_RUN_LIVE) {
        (void) dur_state_refuse(e, reply, 409, "the run %s has ended: %s", id,
                                dur_run_status_name(run));
        return DUR_OK;
    }

    if (op->item == 0) {
        return DUR_OK;
    }

    rc = dur_queue_lease_get(e, op->item, item);

    if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
        return rc;
    }

    if (rc == DUR_ENOTFOUND || memcmp(&item->run, &op->run, DUR_ULID_LEN) != 0
        || (op->generation != 0 && op->generation != item->generation))
    {
        (void) dur_state_refuse(e, reply, 409, "this call of the run %s is "
                                "superseded", id);
    }

    return DUR_OK;
}


static dur_rc_t
dur_checkpoint_parse(dur_engine_t *e, dur_str_t text, dur_answer_op_t **ops,
    size_t *n, dur_reply_t *reply)
{
    char      err[256];
    size_t    i;
    dur_rc_t  rc;

    rc = dur_answer_ops(e->arena, text, e->now, ops, n, err);

    if (rc == DUR_EINVAL || rc == DUR_ETOOBIG) {
        (void) dur_state_refuse(e, reply, rc == DUR_EINVAL ? 400 : 413, "%s",
                                err);
        return DUR_OK;
    }

    if (rc != DUR_OK) {
        return rc;
    }

    for (i = 0; i < *n; i++) {
        switch ((*ops)[i].opcode) {

        case DUR_OPCODE_STEP_RUN:
        case DUR_OPCODE_STEP_LEGACY:
        case DUR_OPCODE_STEP_PLANNED:
        case DUR_OPCODE_DEFER_ADD:
        case DUR_OPCODE_DEFER_ABORT:
            break;

        default:
            (void) dur_state_refuse(e, reply, 400, "a checkpoint takes "
                                    "StepRun, Step, StepPlanned, DeferAdd "
                                    "and DeferAbort: op %zu is %s", i,
                                    dur_opcode_name((*ops)[i].opcode));
            return DUR_OK;
        }
    }

    return DUR_OK;
}


/* Goes on: the call as a new first attempt, the run with its new memos. */
static dur_rc_t
dur_checkpoint_go_on(dur_engine_t *e, dur_run_t *run, uint64_t id)
{
    dur_rc_t    rc;
    dur_item_t  item;

    if (id != 0) {
        /* the call of a planned step that reports itself is over */

        rc = dur_queue_lease_get(e, id, &item);
        if (rc == DUR_OK) {
            rc = dur_queue_renew(e, &item);
        }
        if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
            return rc;
        }
    }

    if (run->open == 0) {
        rc = dur_run_discover(e, run, NULL);
        if (rc != DUR_OK || run->status != DUR_RUN_LIVE) {
            return rc;
        }
    }

    return dur_run_put(e, run);
}


dur_rc_t
dur_checkpoint_apply(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    size_t                n;
    dur_rc_t              rc;
    dur_run_t             run;
    dur_item_t            item;
    dur_answer_op_t      *ops;
    dur_checkpoint_of_t   of;

    reply->status = 200;

    rc = dur_checkpoint_find(e, op, &run, &item, reply);

    if (rc == DUR_OK && reply->status == 200) {
        rc = dur_checkpoint_parse(e, op->body, &ops, &n, reply);
    }
    if (rc != DUR_OK || reply->status != 200) {
        return rc;
    }

    of.item = item.id;
    of.generation = item.generation;
    of.attempt = item.attempt;

    rc = dur_checkpoint_memos(e, &run, ops, n, &of, reply);

    if (rc != DUR_OK || run.status != DUR_RUN_LIVE) {
        return rc;
    }

    reply->body = dur_str("{}");

    return dur_checkpoint_go_on(e, &run, item.id);
}
