/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_served_plan.h"
#include "engine/dur_json.h"
#include "engine/dur_plan_call.h"
#include "engine/dur_time.h"
#include "engine/dur_ulid.h"


/* What an op may say of itself, and a memo. */
#define DUR_SERVED_PLAN_TEXT  (64 * 1024 * 1024)


typedef struct {
    const dur_served_plan_t  *p;
    dur_plan_memo_t           memo;
    char                      run_id[DUR_ULID_TEXT_LEN + 1];
} dur_served_view_t;


/* -- memos ---------------------------------------------------------------- */

static json_t *
dur_served_plan_memo(dur_served_view_t *v, const dur_plan_at_t *at)
{
    dur_hash_t  id;

    dur_plan_id(at, &id);

    return dur_served_call_memo(v->p->call, &id);
}


/* {"data"} and {"error"} alone are a step's; the others are as they are. */
static json_t *
dur_served_plan_member(json_t *memo, const char *key)
{
    return json_object_size(memo) == 1 ? json_object_get(memo, key) : NULL;
}


static dur_plan_state_t
dur_served_plan_state(void *data, const dur_plan_at_t *at)
{
    json_t  *memo;

    memo = dur_served_plan_memo(data, at);

    return memo == NULL ? DUR_PLAN_NEW
           : dur_served_plan_member(memo, "error") ? DUR_PLAN_FAILED
                                                   : DUR_PLAN_DONE;
}


static dur_rc_t
dur_served_plan_output(void *data, const dur_plan_at_t *at, dur_str_t *json)
{
    json_t             *memo, *value;
    dur_rc_t            rc;
    dur_buf_t           b;
    dur_served_view_t  *v = data;

    memo = dur_served_plan_memo(v, at);

    value = dur_served_plan_member(memo, "error");
    value = value ? value : dur_served_plan_member(memo, "data");

    dur_buf_init(&b, DUR_SERVED_PLAN_TEXT);

    rc = dur_json_write(&b, value ? value : memo);

    if (rc == DUR_OK) {
        *json = dur_arena_copy(v->p->arena, dur_buf_str(&b));
        rc = json->data ? DUR_OK : DUR_ENOMEM;
    }

    dur_buf_deinit(&b);

    return rc;
}


static dur_rc_t
dur_served_plan_event(void *data, dur_str_t *event, dur_str_t *events)
{
    dur_served_view_t  *v = data;

    *event = v->p->call->event;
    *events = v->p->call->events;

    return DUR_OK;
}


static void
dur_served_plan_view(const dur_served_plan_t *p, dur_served_view_t *v)
{
    memset(v, 0, sizeof(*v));
    v->p = p;

    v->memo.data = v;
    v->memo.state = dur_served_plan_state;
    v->memo.output = dur_served_plan_output;
    v->memo.event = dur_served_plan_event;
    v->memo.run_id = p->call->run_id;
    v->memo.attempt = p->call->attempt;
    v->memo.now_ms = p->now_ms;
}


/* -- ops ------------------------------------------------------------------ */

static void
dur_served_plan_time(dur_buf_t *b, const char *key, int64_t ms)
{
    char  text[32];

    dur_rfc3339_text(ms, text);
    dur_buf_addf(b, "\"%s\":\"%s\"", key, text);
}


/* A function that is served here is known to the server with the app before
 * its name. */
static void
dur_served_plan_function(const dur_served_plan_t *p, dur_str_t target,
    dur_buf_t *b)
{
    size_t  i;

    dur_buf_addz(b, "\"function_id\":\"");

    for (i = 0; i < p->ndefs; i++) {
        if (dur_str_eq(p->defs[i]->name, target)) {
            dur_json_write_chars(b, p->app);
            dur_buf_addc(b, '-');
            break;
        }
    }

    dur_json_write_chars(b, target);
    dur_buf_addc(b, '"');
}


static void
dur_served_plan_opts(const dur_served_plan_t *p, const dur_plan_op_t *op,
    dur_buf_t *b)
{
    switch (op->at.node->kind) {

    case DUR_PLAN_WAIT_EVENT:
        dur_served_plan_time(b, "timeout", op->due);

        if (op->expression.len) {
            dur_buf_addz(b, ",\"if\":");
            dur_json_write_string(b, op->expression);
        }
        break;

    case DUR_PLAN_WAIT_SIGNAL:
        dur_served_plan_time(b, "timeout", op->due);
        dur_buf_addz(b, ",\"signal\":");
        dur_json_write_string(b, op->target);
        break;

    case DUR_PLAN_INVOKE:
        dur_served_plan_function(p, op->target, b);
        dur_buf_addz(b, ",\"payload\":{\"data\":");
        dur_buf_adds(b, op->data.len ? op->data : dur_str("{}"));
        dur_buf_addz(b, "},");
        dur_served_plan_time(b, "timeout", op->due);
        break;

    case DUR_PLAN_SEND_EVENT:
        dur_buf_addz(b, "\"type\":\"step.sendEvent\"");
        break;

    default:
        break;
    }
}


/* What stands for the name of an op tells when a sleep ends, and for what it
 * is waited. */
static void
dur_served_plan_op(const dur_served_plan_t *p, const dur_plan_op_t *op,
    dur_buf_t *b)
{
    char        hash[DUR_HASH_TEXT_LEN + 1], due[32];
    dur_str_t   name;
    const char *opcode;

    name = op->name;

    switch (op->at.node->kind) {

    case DUR_PLAN_SLEEP:
    case DUR_PLAN_SLEEP_UNTIL:
        opcode = "Sleep";
        dur_rfc3339_text(op->due, due);
        name = dur_str_c(due);
        break;

    case DUR_PLAN_WAIT_EVENT:
        opcode = "WaitForEvent";
        name = op->target;
        break;

    case DUR_PLAN_WAIT_SIGNAL:
        opcode = "WaitForSignal";
        break;

    case DUR_PLAN_INVOKE:
        opcode = "InvokeFunction";
        break;

    default:
        opcode = "StepPlanned";
    }

    dur_hash_text(&op->id, hash);

    dur_buf_addf(b, "{\"id\":\"%s\",\"op\":\"%s\",\"name\":", hash, opcode);
    dur_json_write_string(b, name);
    dur_buf_addz(b, ",\"displayName\":");
    dur_json_write_string(b, op->name);
    dur_buf_addz(b, ",\"opts\":{");
    dur_served_plan_opts(p, op, b);
    dur_buf_addz(b, "},\"userland\":{\"id\":");
    dur_json_write_string(b, op->name);
    dur_buf_addz(b, "},\"data\":null}");
}


static dur_rc_t
dur_served_plan_ops(const dur_served_plan_t *p, const dur_plan_t *plan,
    dur_served_next_t *next)
{
    size_t     i;
    dur_buf_t  b;

    dur_buf_init(&b, DUR_SERVED_PLAN_TEXT);
    dur_buf_addc(&b, '[');

    for (i = 0; i < plan->nops; i++) {
        if (i > 0) {
            dur_buf_addc(&b, ',');
        }

        dur_served_plan_op(p, &plan->ops[i], &b);
    }

    dur_buf_addc(&b, ']');

    next->kind = DUR_SERVED_OPS;
    next->text = b.failed ? dur_str_null
                          : dur_arena_copy(p->arena, dur_buf_str(&b));
    dur_buf_deinit(&b);

    return next->text.data ? DUR_OK : DUR_ENOMEM;
}


/* -- what comes next ------------------------------------------------------ */

static bool
dur_served_plan_runs(const dur_plan_op_t *op)
{
    return op->at.node->kind == DUR_PLAN_STEP
           || op->at.node->kind == DUR_PLAN_SEND_EVENT;
}


static void
dur_served_plan_find(const dur_plan_t *plan, const dur_hash_t *step,
    dur_served_next_t *next)
{
    size_t  i;

    next->kind = DUR_SERVED_MISSING;

    for (i = 0; i < plan->nops; i++) {
        if (memcmp(plan->ops[i].id.b, step->b, DUR_HASH_LEN) == 0
            && dur_served_plan_runs(&plan->ops[i]))
        {
            next->kind = DUR_SERVED_EXECUTE;
            next->op = plan->ops[i];
        }
    }
}


dur_rc_t
dur_served_plan(const dur_served_plan_t *p, const dur_hash_t *step,
    dur_served_next_t *next)
{
    dur_rc_t           rc;
    dur_plan_t         plan;
    dur_served_view_t  v;

    memset(next, 0, sizeof(*next));

    if (!dur_served_call_whole(p->call)) {
        next->kind = DUR_SERVED_UNKNOWN;
        return DUR_OK;
    }

    dur_served_plan_view(p, &v);

    rc = dur_plan_next(p->def, &v.memo, DUR_PLAN_OPS, p->arena, &plan);
    if (rc != DUR_OK) {
        return rc;
    }

    if (plan.end != DUR_PLAN_GOES_ON) {
        next->kind = plan.end == DUR_PLAN_COMPLETED ? DUR_SERVED_COMPLETED
                                                    : DUR_SERVED_ENDED;
        next->text = plan.output;
        return DUR_OK;
    }

    if (step != NULL) {
        dur_served_plan_find(&plan, step, next);
        return DUR_OK;
    }

    if (plan.nops == 1 && !p->call->plan
        && dur_served_plan_runs(&plan.ops[0]))
    {
        next->kind = DUR_SERVED_EXECUTE;
        next->op = plan.ops[0];
        return DUR_OK;
    }

    return dur_served_plan_ops(p, &plan, next);
}


/* -- requests ------------------------------------------------------------- */

/* The value is put in when the request is sent: it never enters the store. */
static bool
dur_served_plan_secret(void *data, dur_str_t reference, dur_str_t *value)
{
    const dur_served_plan_t  *p = data;

    *value = dur_str_c(dur_arena_printf(p->arena, DUR_SERVED_SECRET "%.*s"
                                        DUR_SERVED_SECRET,
                                        (int) reference.len,
                                        (const char *) reference.data));

    return value->data != NULL;
}


/* An event has an id that its step always gives: it counts once. */
static dur_rc_t
dur_served_plan_send(const dur_served_plan_t *p, const dur_plan_op_t *op,
    dur_str_t api, const dur_gateway_call_t *call)
{
    char  hash[DUR_HASH_TEXT_LEN + 1];

    dur_hash_text(&op->id, hash);

    dur_buf_addz(call->method, "POST");
    dur_buf_adds(call->url, api);
    dur_buf_addz(call->url, "/e/");
    dur_buf_addz(call->headers, "Content-Type: application/json\n");
    dur_buf_addz(call->body, "{\"data\":");
    dur_buf_adds(call->body, op->data.len ? op->data : dur_str("{}"));
    dur_buf_addz(call->body, ",\"id\":\"");
    dur_json_write_chars(call->body, p->call->run_id);
    dur_buf_addf(call->body, "-%s\",\"name\":", hash);
    dur_json_write_string(call->body, op->target);

    return dur_buf_addc(call->body, '}');
}


dur_rc_t
dur_served_plan_request(const dur_served_plan_t *p, const dur_plan_op_t *op,
    dur_str_t api, const dur_gateway_call_t *call,
    dur_served_request_t *request, char err[256])
{
    dur_rc_t                 rc;
    dur_served_view_t        v;
    dur_plan_secrets_t       secrets = { dur_served_plan_secret, (void *) p };
    const dur_plan_node_t   *node = op->at.node;

    memset(request, 0, sizeof(*request));
    err[0] = '\0';

    if (node->kind == DUR_PLAN_SEND_EVENT) {
        request->auth = DUR_SERVED_EVENT_KEY;
        rc = dur_served_plan_send(p, op, api, call);

    } else {
        dur_served_plan_view(p, &v);
        request->nexpect = node->nexpect;
        request->expect = node->expect;
        rc = dur_plan_request(p->def, &op->at, &v.memo, &secrets, call,
                              p->arena, err);
    }

    request->judge = DUR_SERVED_STEP;
    request->timeout = node->time ? (uint32_t) node->time
                                  : DUR_SERVED_STEP_TIME;
    request->app = p->app;
    request->method = dur_buf_str(call->method);
    request->url = dur_buf_str(call->url);
    request->headers = dur_buf_str(call->headers);
    request->body = dur_buf_str(call->body);

    return rc;
}
