/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_workflow.h"
#include "engine/dur_answer_op.h"
#include "engine/dur_deadline.h"
#include "engine/dur_event.h"
#include "engine/dur_gateway.h"
#include "engine/dur_invoke.h"
#include "engine/dur_json.h"
#include "engine/dur_run_feed.h"
#include "engine/dur_state.h"
#include "engine/dur_step.h"
#include "engine/dur_time.h"
#include "engine/dur_timer.h"
#include "engine/dur_ulid.h"
#include "engine/dur_wait.h"
#include "engine/dur_workflow_memo.h"

#include <stdio.h>


/* Ops of one plan: what they write stays below what an op may. */
#define DUR_WORKFLOW_OPS   DUR_PLAN_OPS
#define DUR_WORKFLOW_WAIT  (366 * DUR_TIME_DAY_MS)


/* What other runs may see happens when the run is stored. */
typedef struct dur_workflow_late_s  dur_workflow_late_t;

struct dur_workflow_late_s {
    dur_workflow_late_t  *next;
    bool                  invoke;
    dur_answer_op_t       op;           /* of the invoke */
    dur_op_event_t        event;
};

typedef struct {
    dur_engine_t          *e;
    dur_run_t             *run;
    dur_plan_def_t        *def;
    unsigned               budget;
    dur_workflow_late_t   *late;
    dur_workflow_late_t  **last;
} dur_workflow_t;


/* -- later ---------------------------------------------------------------- */

/* The run is planned by a timer that is due at once. */
static dur_rc_t
dur_workflow_later(dur_engine_t *e, dur_run_t *run)
{
    dur_rc_t    rc;
    dur_item_t  item;

    rc = DUR_OK;

    if (run->discovery == 0) {
        dur_run_item(e, run, DUR_ITEM_DISCOVERY, NULL, &item);
        item.due = e->now;
        run->discovery = item.id;
        run->discovery_due = e->now;

        rc = dur_timer_put(e, &item);
    }

    return rc == DUR_OK ? dur_run_put(e, run) : rc;
}


dur_rc_t
dur_workflow_due(dur_engine_t *e, const dur_item_t *item)
{
    dur_rc_t   rc;
    dur_run_t  run;

    rc = dur_run_get(e->txn, &item->run, &run);

    if (rc != DUR_OK || run.status != DUR_RUN_LIVE || run.open == 0
        || run.discovery != item->id)
    {
        return (rc == DUR_OK || rc == DUR_ENOTFOUND) ? DUR_EINTERNAL : rc;
    }

    run.open--;
    run.discovery = 0;
    run.discovery_due = 0;

    return dur_workflow_next(e, &run);
}


/* -- what a plan asks for ------------------------------------------------- */

static void
dur_workflow_report(const dur_plan_op_t *op, dur_opcode_t opcode,
    dur_step_report_t *report)
{
    memset(report, 0, sizeof(*report));

    report->id = op->id;
    report->name = op->name;
    report->op = (uint8_t) opcode;
    report->detail = op->target;
}


/* The app of a step's target; it is declared with the function. */
static uint32_t
dur_workflow_target(dur_workflow_t *w, const dur_plan_node_t *node)
{
    char                  *name;
    dur_str_t              origin;
    dur_registered_app_t  *app;

    origin = w->def->origins[node->origin];

    name = dur_arena_printf(w->e->arena, DUR_WORKFLOW_TARGET "%.*s",
                            (int) origin.len, (const char *) origin.data);

    app = dur_registry_app_by_name(&w->e->registry, dur_str_c(name));

    return app ? app->id : 0;
}


static dur_rc_t
dur_workflow_step(dur_workflow_t *w, const dur_plan_op_t *op)
{
    bool               fresh;
    dur_step_report_t  report;

    dur_workflow_report(op, DUR_OPCODE_STEP_RUN, &report);

    report.app = dur_workflow_target(w, op->at.node);
    report.detail = op->at.node->exec
                    ? op->at.node->target
                    : dur_gateway_detail(op->at.node->target, w->e->arena);

    return dur_step_plan(w->e, w->run, &report, DUR_ITEM_STEP, false, &fresh);
}


static dur_rc_t
dur_workflow_too_long(dur_workflow_t *w, const dur_plan_op_t *op)
{
    dur_str_t  text;

    text = dur_plan_message(op->at.node, w->e->arena, "it would wait for more "
                            "than 366 days");

    return text.data ? dur_run_fail(w->e, w->run, "InngestErrTimeoutTooLong",
                                    (const char *) text.data)
                     : DUR_ENOMEM;
}


static dur_rc_t
dur_workflow_timer(dur_workflow_t *w, const dur_plan_op_t *op,
    dur_opcode_t opcode, bool *fresh)
{
    dur_step_timer_t   timer;
    dur_step_report_t  report;

    *fresh = false;

    if (op->due > w->e->now + DUR_WORKFLOW_WAIT) {
        return dur_workflow_too_long(w, op);
    }

    dur_workflow_report(op, opcode, &report);

    timer.state = opcode == DUR_OPCODE_SLEEP ? DUR_STEP_SLEEPING
                                             : DUR_STEP_WAITING;
    timer.due = op->due;
    timer.pending = false;

    return dur_step_timer(w->e, w->run, &report, &timer, fresh);
}


/* The op as an SDK reports it. */
static void
dur_workflow_op(const dur_plan_op_t *op, dur_opcode_t opcode,
    dur_answer_op_t *answer)
{
    memset(answer, 0, sizeof(*answer));

    answer->opcode = opcode;
    answer->id = op->id;
    answer->name = op->name;
    answer->target = op->target;
    answer->expression = op->expression;
    answer->due = op->due;
}


static dur_rc_t
dur_workflow_wait(dur_workflow_t *w, const dur_plan_op_t *op,
    dur_opcode_t opcode)
{
    bool             fresh;
    char             err[160];
    dur_rc_t         rc;
    dur_str_t        text;
    dur_answer_op_t  answer;

    rc = dur_workflow_timer(w, op, opcode, &fresh);
    if (rc != DUR_OK || !fresh) {
        return rc;
    }

    dur_workflow_op(op, opcode, &answer);

    rc = opcode == DUR_OPCODE_WAIT_EVENT
         ? dur_wait_event(w->e, w->run, &answer, err)
         : dur_wait_signal(w->e, w->run, &answer);

    if (rc != DUR_EINVAL && rc != DUR_ECONFLICT) {
        return rc;
    }

    text = dur_plan_message(op->at.node, w->e->arena, rc == DUR_EINVAL
                            ? err : "another run waits for this signal");

    return text.data ? dur_run_fail(w->e, w->run, rc == DUR_EINVAL
                                    ? "WorkflowError" : "SignalConflict",
                                    (const char *) text.data)
                     : DUR_ENOMEM;
}


static dur_workflow_late_t *
dur_workflow_add_late(dur_workflow_t *w)
{
    dur_workflow_late_t  *late;

    late = dur_arena_zalloc(w->e->arena, sizeof(*late));

    if (late != NULL) {
        *w->last = late;
        w->last = &late->next;
    }

    return late;
}


static dur_rc_t
dur_workflow_invoke(dur_workflow_t *w, const dur_plan_op_t *op)
{
    bool                  fresh;
    dur_rc_t              rc;
    dur_workflow_late_t  *late;

    rc = dur_workflow_timer(w, op, DUR_OPCODE_INVOKE, &fresh);
    if (rc != DUR_OK || !fresh) {
        return rc;
    }

    late = dur_workflow_add_late(w);
    if (late == NULL) {
        return DUR_ENOMEM;
    }

    late->invoke = true;
    dur_workflow_op(op, DUR_OPCODE_INVOKE, &late->op);
    late->op.opts = dur_str_c(dur_arena_printf(w->e->arena,
                              "{\"payload\":{\"data\":%.*s}}",
                              (int) op->data.len,
                              (const char *) op->data.data));

    return late->op.opts.data ? DUR_OK : DUR_ENOMEM;
}


static dur_rc_t
dur_workflow_overflow(dur_workflow_t *w)
{
    return dur_run_fail(w->e, w->run, "InngestErrStateOverflowed", "The state "
                        "of the run is larger than the server allows.");
}


/* The event's id follows from run and step, so the memo is known before it is
 * sent: {"ids":[..]}, as SDKs have it. */
static dur_rc_t
dur_workflow_send(dur_workflow_t *w, const dur_plan_op_t *op)
{
    bool                  fresh;
    char                  id[DUR_ULID_TEXT_LEN + 1];
    dur_rc_t              rc;
    dur_buf_t             b;
    dur_step_report_t     report;
    dur_workflow_late_t  *late;

    late = dur_workflow_add_late(w);
    if (late == NULL) {
        return DUR_ENOMEM;
    }

    dur_ulid_derive(&late->event.id, w->e->now, &w->run->id, &op->id);
    dur_ulid_text(&late->event.id, id);
    late->event.ts = w->e->now;
    late->event.name = op->target;

    dur_buf_init(&b, op->data.len + 8 * op->target.len + 256);
    dur_buf_addz(&b, "{\"data\":");
    dur_buf_adds(&b, op->data);
    dur_buf_addf(&b, ",\"id\":\"%s\",\"name\":", id);
    dur_json_write_string(&b, op->target);
    dur_buf_addf(&b, ",\"ts\":%lld,\"user\":{}}", (long long) w->e->now);
    late->event.json = b.failed ? dur_str_null
                                : dur_arena_copy(w->e->arena,
                                                 dur_buf_str(&b));
    dur_buf_deinit(&b);

    dur_workflow_report(op, DUR_OPCODE_STEP_RUN, &report);
    report.wrap = DUR_STEP_DATA;
    report.output = dur_str_c(dur_arena_printf(w->e->arena,
                                               "{\"ids\":[\"%s\"]}", id));

    if (late->event.json.data == NULL || report.output.data == NULL) {
        return DUR_ENOMEM;
    }

    rc = dur_step_done(w->e, w->run, &report, 1, &fresh);

    if (rc == DUR_ETOOBIG) {
        return dur_workflow_overflow(w);
    }

    return rc == DUR_OK ? dur_run_feed(w->e, w->run, "step.completed",
                                       op->name, 0, 0, 0, dur_str_null)
                        : rc;
}


static dur_rc_t
dur_workflow_carry(dur_workflow_t *w, const dur_plan_op_t *op)
{
    bool      fresh;
    dur_rc_t  rc;

    if (op->at.node->kind == DUR_PLAN_STEP) {
        return dur_workflow_step(w, op);
    }

    if (w->run->started == 0) {
        rc = dur_deadline_start(w->e, w->run);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    switch (op->at.node->kind) {

    case DUR_PLAN_SLEEP:
    case DUR_PLAN_SLEEP_UNTIL:
        return dur_workflow_timer(w, op, DUR_OPCODE_SLEEP, &fresh);

    case DUR_PLAN_WAIT_EVENT:
        return dur_workflow_wait(w, op, DUR_OPCODE_WAIT_EVENT);

    case DUR_PLAN_WAIT_SIGNAL:
        return dur_workflow_wait(w, op, DUR_OPCODE_WAIT_SIGNAL);

    case DUR_PLAN_SEND_EVENT:
        return dur_workflow_send(w, op);

    default:
        return dur_workflow_invoke(w, op);
    }
}


/* -- the plan ------------------------------------------------------------- */

static dur_rc_t
dur_workflow_too_many(dur_workflow_t *w)
{
    char  text[128];

    snprintf(text, sizeof(text), "The function run exceeded the step limit "
             "of %u steps.", w->e->conf.max_steps);

    return dur_run_fail(w->e, w->run, "InngestErrFunctionOverflowed", text);
}


/* One plan; *again: there is more to be planned now. */
static dur_rc_t
dur_workflow_once(dur_workflow_t *w, bool *again)
{
    size_t                i;
    dur_rc_t              rc;
    dur_plan_t            plan;
    dur_plan_memo_t       view;
    dur_workflow_memo_t   memo;

    *again = false;

    rc = dur_workflow_memo(&memo, w->e->txn, w->run, w->e->arena, &view);

    if (rc == DUR_OK) {
        view.now_ms = w->e->now;
        rc = dur_plan_next(w->def, &view, w->budget, w->e->arena, &plan);
    }

    if (rc == DUR_ECORRUPT) {
        return dur_run_fail(w->e, w->run, "internal", "The server could not "
                            "read the event or the steps of the run.");
    }

    if (rc != DUR_OK) {
        return rc;
    }

    if (plan.end != DUR_PLAN_GOES_ON) {
        return dur_run_end(w->e, w->run, plan.end == DUR_PLAN_COMPLETED
                           ? DUR_RUN_COMPLETED : DUR_RUN_FAILED, plan.output);
    }

    if (plan.nops > 0 && w->run->steps >= w->e->conf.max_steps) {
        return dur_workflow_too_many(w);
    }

    for (i = 0; i < plan.nops && w->run->status == DUR_RUN_LIVE; i++) {
        rc = dur_workflow_carry(w, &plan.ops[i]);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    w->budget -= (unsigned) plan.nops;
    *again = plan.again && w->run->status == DUR_RUN_LIVE;

    return DUR_OK;
}


/*
 * What was asked for may reach any run, this one too: it is stored before that
 * and read again behind it.
 */
static dur_rc_t
dur_workflow_happen(dur_workflow_t *w)
{
    dur_rc_t              rc;
    dur_ulid_t            id;
    dur_engine_t         *e = w->e;
    dur_workflow_late_t  *late;

    id = w->run->id;
    rc = DUR_OK;
    e->planning = true;

    for (late = w->late; rc == DUR_OK && late != NULL; late = late->next) {
        rc = late->invoke ? dur_invoke_step(e, &id, &late->op)
                          : dur_event_emit(e, &late->event, false);
    }

    e->planning = false;

    return rc == DUR_OK ? dur_run_get(e->txn, &id, w->run) : rc;
}


static dur_rc_t
dur_workflow_plan(dur_workflow_t *w)
{
    bool      again;
    dur_rc_t  rc;

    do {
        rc = dur_workflow_once(w, &again);
    } while (rc == DUR_OK && again && w->budget > 0);

    if (rc != DUR_OK) {
        return rc;
    }

    if (w->run->status == DUR_RUN_LIVE) {
        rc = again ? dur_workflow_later(w->e, w->run)
                   : dur_run_put(w->e, w->run);
    }

    return (rc == DUR_OK && w->late != NULL) ? dur_workflow_happen(w) : rc;
}


dur_rc_t
dur_workflow_next(dur_engine_t *e, dur_run_t *run)
{
    dur_rc_t        rc;
    dur_workflow_t  w;

    if (e->planning) {
        return dur_workflow_later(e, run);
    }

    memset(&w, 0, sizeof(w));
    w.e = e;
    w.run = run;
    w.budget = DUR_WORKFLOW_OPS;
    w.last = &w.late;

    rc = dur_workflow_of(e, run, &w.def);

    if (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) {
        return dur_run_fail(e, run, "internal", "The definition of the "
                            "function cannot be read by this version of the "
                            "server.");
    }

    if (run->started == 0) {
        /* the first call is leased where its deadlines are looked at */
        e->credits = 0;
    }

    return rc == DUR_OK ? dur_workflow_plan(&w) : rc;
}
