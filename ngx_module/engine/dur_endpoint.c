/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_endpoint.h"
#include "engine/dur_checkpoint.h"
#include "engine/dur_endpoint_app.h"
#include "engine/dur_event.h"
#include "engine/dur_json.h"
#include "engine/dur_match.h"
#include "engine/dur_result_ops.h"
#include "engine/dur_retry.h"
#include "engine/dur_state.h"
#include "engine/dur_task.h"
#include "engine/dur_timer.h"
#include "engine/dur_ulid.h"

#include <stdio.h>


#define DUR_ENDPOINT_EVENT      "inngest/http.request"
#define DUR_ENDPOINT_EVENT_MAX  (64 * 1024 * 1024)

/* The takeover is put off by so much at least: not at every report. */
#define DUR_ENDPOINT_MOVE       (10 * 1000)

/* A request that began longer ago is one whose clock is wrong. */
#define DUR_ENDPOINT_LONG       (60 * 60 * 1000)


/* One report while it is decided. */
typedef struct {
    dur_engine_t     *e;
    const dur_op_t   *op;
    dur_reply_t      *reply;
    json_t           *root;             /* of op->body */
    json_t           *data;             /* of the event, borrowed */
    uint8_t           version;
    dur_endpoint_of_t of;
    dur_run_t         run;
    size_t            nops;
    dur_answer_op_t  *ops;
} dur_endpoint_t;


/* sha1("complete"): the step that the outcome of the handler is told as. */
static const dur_hash_t  dur_endpoint_complete = { {
    0x07, 0x37, 0xc2, 0x2d, 0x3b, 0xfa, 0xe8, 0x12, 0x33, 0x97,
    0x32, 0xd1, 0x4d, 0x8c, 0x7d, 0xbd, 0x6d, 0xc4, 0xe0, 0x9c
} };


/* -- what is sent --------------------------------------------------------- */

static void
dur_endpoint_numbers(dur_endpoint_t *x)
{
    int64_t  n;

    x->of.retries = DUR_RETRY_DEFAULT;

    if (dur_json_get_int(x->root, "retries", &n) == DUR_OK && n >= 0) {
        x->of.retries = n < DUR_RETRY_MAX ? (unsigned) n : DUR_RETRY_MAX;
    }

    if (dur_json_get_int(x->root, "request_version", &n) == DUR_OK
        && (n == 1 || n == 2))
    {
        x->version = (uint8_t) n;
    }
}


/* The steps of any report. */
static dur_rc_t
dur_endpoint_ops(dur_endpoint_t *x)
{
    char       err[256];
    json_t    *steps;
    dur_rc_t   rc;
    dur_str_t  text;

    steps = json_object_get(x->root, "steps");

    if (steps == NULL || json_is_null(steps)) {
        return DUR_OK;
    }

    if (!json_is_array(steps)) {
        (void) dur_state_refuse(x->e, x->reply, 400, "\"steps\" must be an "
                                "array of ops");
        return DUR_OK;
    }

    (void) dur_json_member(x->op->body, dur_str("steps"), &text);

    rc = dur_answer_ops(x->e->arena, text, x->e->now, &x->ops, &x->nops, err);

    if (rc == DUR_EINVAL || rc == DUR_ETOOBIG) {
        (void) dur_state_refuse(x->e, x->reply, rc == DUR_EINVAL ? 400 : 413,
                                "%s", err);
        return DUR_OK;
    }

    return rc;
}


/* -- the event ------------------------------------------------------------ */

static dur_rc_t
dur_endpoint_event(dur_endpoint_t *x)
{
    char             id[DUR_ULID_TEXT_LEN + 1];
    dur_rc_t         rc;
    dur_buf_t        b;
    dur_op_event_t   event;

    dur_ulid_text(&x->op->id, id);
    dur_buf_init(&b, DUR_ENDPOINT_EVENT_MAX);

    dur_buf_addz(&b, "{\"data\":");
    dur_json_write(&b, x->data);
    dur_buf_addf(&b, ",\"id\":\"%s\"", id);

    if (x->op->generation != 0) {
        dur_buf_addz(&b, ",\"meta\":{\"body_encoding\":\"base64\"}");
    }

    dur_buf_addf(&b, ",\"name\":\"" DUR_ENDPOINT_EVENT "\",\"ts\":%lld,"
                 "\"user\":{}}", (long long) x->e->now);

    memset(&event, 0, sizeof(event));
    event.id = x->op->id;
    event.flags = DUR_EVENT_F_CANONICAL;
    event.ts = x->e->now;
    event.name = dur_str(DUR_ENDPOINT_EVENT);
    event.json = dur_buf_str(&b);

    rc = b.failed ? DUR_ENOMEM : dur_event_put(x->e, &event);

    dur_buf_deinit(&b);

    if (rc == DUR_OK && dur_match_any(&x->e->registry, event.name)) {
        rc = dur_task_fan_out(x->e, &event.id, 0, true);
    }

    return rc;
}


/* Whether the event of the run is the one that is sent. */
static dur_rc_t
dur_endpoint_same(dur_endpoint_t *x, bool *same)
{
    json_t     *event;
    dur_rc_t    rc;
    dur_buf_t   stored, sent;

    *same = false;

    if (!(x->run.flags & DUR_RUN_F_ENDPOINT)) {
        return DUR_OK;
    }

    rc = dur_run_event(x->e, &x->run, &event);

    if (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) {
        return DUR_OK;
    }

    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_init(&stored, DUR_ENDPOINT_EVENT_MAX);
    dur_buf_init(&sent, DUR_ENDPOINT_EVENT_MAX);

    *same = dur_json_write(&stored, json_object_get(event, "data")) == DUR_OK
            && dur_json_write(&sent, x->data) == DUR_OK
            && dur_str_eq(dur_buf_str(&stored), dur_buf_str(&sent));

    dur_buf_deinit(&stored);
    dur_buf_deinit(&sent);
    json_decref(event);

    return DUR_OK;
}


/* -- what the steps do ---------------------------------------------------- */

static bool
dur_endpoint_takes_time(dur_opcode_t opcode)
{
    switch (opcode) {
    case DUR_OPCODE_NONE:
    case DUR_OPCODE_STEP_RUN:
    case DUR_OPCODE_STEP_LEGACY:
    case DUR_OPCODE_STEP_FAILED:
    case DUR_OPCODE_RUN_COMPLETE:
    case DUR_OPCODE_SYNC_COMPLETE:
    case DUR_OPCODE_DEFER_ADD:
    case DUR_OPCODE_DEFER_ABORT:
        return false;
    default:
        return true;
    }
}


/* The op that tells how the handler ended, or NULL. */
static const dur_answer_op_t *
dur_endpoint_outcome(const dur_endpoint_t *x)
{
    size_t                  i;
    const dur_answer_op_t  *op;

    for (i = 0; i < x->nops; i++) {
        op = &x->ops[i];

        switch (op->opcode) {

        case DUR_OPCODE_RUN_COMPLETE:
        case DUR_OPCODE_SYNC_COMPLETE:
            return op;

        case DUR_OPCODE_STEP_ERROR:
        case DUR_OPCODE_STEP_FAILED:
            if (memcmp(op->id.b, dur_endpoint_complete.b, DUR_HASH_LEN) == 0)
            {
                return op;
            }
            break;

        default:
            break;
        }
    }

    return NULL;
}


/* The item that waits for a client that goes away; DUR_ENOTFOUND when the
 * client's request is the run's no more. */
static dur_rc_t
dur_endpoint_client(dur_endpoint_t *x, dur_item_t *item)
{
    dur_rc_t  rc;

    if (x->run.discovery == 0 || x->run.discovery_due == 0) {
        return DUR_ENOTFOUND;
    }

    rc = dur_timer_get(x->e, x->run.discovery_due, x->run.discovery, item);

    return (rc == DUR_OK && (item->generation != 0 || item->attempt != 0))
           ? DUR_ENOTFOUND : rc;
}


/* The client is still there: the takeover waits for it anew. */
static dur_rc_t
dur_endpoint_wait(dur_endpoint_t *x, dur_item_t *item)
{
    dur_rc_t  rc;

    item->due = x->e->now + DUR_ENDPOINT_PATIENCE;

    if (item->due - x->run.discovery_due >= DUR_ENDPOINT_MOVE) {
        rc = dur_timer_del(x->e, x->run.discovery_due, item->id);
        if (rc == DUR_OK) {
            rc = dur_timer_put(x->e, item);
        }
        if (rc != DUR_OK) {
            return rc;
        }

        x->run.discovery_due = item->due;
    }

    return dur_run_put(x->e, &x->run);
}


static dur_rc_t
dur_endpoint_end(dur_endpoint_t *x, const dur_answer_op_t *op)
{
    if (op->opcode == DUR_OPCODE_STEP_FAILED) {
        return dur_run_end(x->e, &x->run, DUR_RUN_FAILED, op->error);
    }

    return dur_run_end(x->e, &x->run, DUR_RUN_COMPLETED,
                       op->data.len ? op->data : dur_str("null"));
}


/*
 * From here on it is a run like any other: the report is the answer of a
 * call that was made, and decides what comes next.
 */
static dur_rc_t
dur_endpoint_switch(dur_endpoint_t *x, const dur_item_t *item,
    const dur_answer_op_t *outcome)
{
    dur_rc_t       rc;
    dur_result_t   r;
    dur_engine_t  *e = x->e;

    rc = dur_timer_del(e, x->run.discovery_due, item->id);
    if (rc != DUR_OK || x->run.open == 0) {
        return rc == DUR_OK ? DUR_EINTERNAL : rc;
    }

    memset(&r, 0, sizeof(r));
    r.e = e;
    r.run = x->run;
    r.item = *item;
    r.run.open--;
    r.run.discovery = 0;
    r.run.discovery_due = 0;

    r.history.outcome = DUR_HISTORY_OK;
    r.history.kind = item->kind;
    r.history.item = item->id;
    r.history.started = e->now;

    if (outcome != NULL) {
        r.answer.error = outcome->error;
        r.answer.message = outcome->message;
        rc = dur_result_error(&r);

    } else {
        r.answer.ops = x->ops;
        r.answer.nops = x->nops;
        rc = dur_result_ops(&r);
    }

    if (rc == DUR_OK) {
        rc = dur_history_add(e, &r.run, &r.history);
    }
    if (rc == DUR_OK && r.run.status == DUR_RUN_LIVE) {
        rc = r.run.open > 0 ? dur_run_put(e, &r.run) : DUR_EINTERNAL;
    }

    return rc;
}


/* The steps of a report on a run that lives. */
static dur_rc_t
dur_endpoint_steps(dur_endpoint_t *x)
{
    bool                    client, takes_time;
    size_t                  i;
    dur_rc_t                rc;
    dur_item_t              item;
    dur_checkpoint_of_t     of = { 0, 0, 0 };
    const dur_answer_op_t  *outcome;

    rc = dur_endpoint_client(x, &item);
    if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
        return rc;
    }

    client = rc == DUR_OK;
    outcome = dur_endpoint_outcome(x);
    takes_time = false;

    for (i = 0; i < x->nops; i++) {
        takes_time |= dur_endpoint_takes_time(x->ops[i].opcode);
    }

    if (client && takes_time && outcome == NULL) {
        return dur_endpoint_switch(x, &item, NULL);
    }

    /* once the endpoint is called again, its own answers say what is next */

    rc = dur_checkpoint_memos(x->e, &x->run, x->ops, x->nops, &of, x->reply);

    if (rc != DUR_OK || x->run.status != DUR_RUN_LIVE) {
        return rc;
    }

    if (outcome != NULL && outcome->opcode != DUR_OPCODE_STEP_ERROR) {
        return dur_endpoint_end(x, outcome);
    }

    if (client) {
        return outcome ? dur_endpoint_switch(x, &item, outcome)
                       : dur_endpoint_wait(x, &item);
    }

    if (x->run.open == 0) {
        rc = dur_run_discover(x->e, &x->run, NULL);
        if (rc != DUR_OK || x->run.status != DUR_RUN_LIVE) {
            return rc;
        }
    }

    return dur_run_put(x->e, &x->run);
}


/* -- reports -------------------------------------------------------------- */

/* When the client's request began: the SDK made the run's id then. */
static int64_t
dur_endpoint_began(const dur_endpoint_t *x)
{
    int64_t  ms;

    ms = (int64_t) dur_ulid_ms(&x->op->run);

    return (ms <= x->e->now && ms > x->e->now - DUR_ENDPOINT_LONG)
           ? ms : x->e->now;
}


static dur_rc_t
dur_endpoint_start(dur_endpoint_t *x)
{
    dur_rc_t         rc;
    dur_engine_t    *e = x->e;
    dur_function_t  *fn;

    if (e->nearly_full) {
        x->reply->rc = DUR_EFULL;
        x->reply->status = 503;
        return DUR_OK;
    }

    rc = dur_endpoint_find(e, &x->of, &fn, x->reply);
    if (rc != DUR_OK || fn == NULL) {
        return rc;
    }

    rc = dur_endpoint_event(x);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_run_init(e, fn, &x->run);
    x->run.id = x->op->run;
    x->run.event = x->op->id;
    x->run.flags = DUR_RUN_F_ENDPOINT;
    x->run.request_version = x->version;
    x->run.created = dur_endpoint_began(x);
    x->run.started = x->run.created;

    return dur_run_begin(e, &x->run, e->now + DUR_ENDPOINT_PATIENCE,
                         dur_str(DUR_ENDPOINT_EVENT));
}


static dur_rc_t
dur_endpoint_answer(dur_endpoint_t *x)
{
    char                   app[DUR_UUID_TEXT_LEN + 1];
    char                   run[DUR_ULID_TEXT_LEN + 1];
    dur_function_t        *fn;
    dur_registered_app_t  *known;

    fn = dur_registry_function(&x->e->registry, x->run.function);
    known = dur_registry_app(&x->e->registry, x->run.app);

    if (fn == NULL || known == NULL) {
        return DUR_EINTERNAL;
    }

    dur_uuid5("app", known->name, app);
    dur_ulid_text(&x->run.id, run);

    x->reply->body = dur_str_c(dur_arena_printf(x->e->arena,
        "{\"app_id\":\"%s\",\"fn_id\":\"%s\",\"run_id\":\"%s\"}", app,
        fn->uuid, run));

    return x->reply->body.data ? DUR_OK : DUR_ENOMEM;
}


static dur_rc_t
dur_endpoint_first(dur_endpoint_t *x)
{
    bool       same;
    json_t    *event;
    dur_rc_t   rc;
    dur_str_t  name;

    event = json_object_get(x->root, "event");
    x->data = json_object_get(event, "data");

    if (dur_json_get_string(event, "name", &name) != DUR_OK
        || !dur_str_eq(name, dur_str(DUR_ENDPOINT_EVENT))
        || !json_is_object(x->data))
    {
        (void) dur_state_refuse(x->e, x->reply, 400, "\"event\" must be an "
                                DUR_ENDPOINT_EVENT " with its data");
        return DUR_OK;
    }

    rc = dur_endpoint_check(x->e, x->data, &x->of, x->reply);
    if (rc != DUR_OK || x->reply->status != 200) {
        return rc;
    }

    dur_endpoint_numbers(x);

    rc = dur_run_get(x->e->txn, &x->op->run, &x->run);

    if (rc == DUR_ENOTFOUND) {
        rc = dur_endpoint_start(x);

    } else if (rc == DUR_OK) {
        rc = dur_endpoint_same(x, &same);

        if (rc == DUR_OK && !same) {
            (void) dur_state_refuse(x->e, x->reply, 409, "there is another "
                                    "run with this id");
        }
    }

    if (rc == DUR_OK && x->reply->status == 200
        && x->run.status == DUR_RUN_LIVE)
    {
        rc = dur_endpoint_steps(x);
    }

    return (rc == DUR_OK && x->reply->status == 200) ? dur_endpoint_answer(x)
                                                     : rc;
}


static dur_rc_t
dur_endpoint_later(dur_endpoint_t *x)
{
    char      id[DUR_ULID_TEXT_LEN + 1];
    dur_rc_t  rc;

    x->reply->body = dur_str("{}");

    rc = dur_run_get(x->e->txn, &x->op->run, &x->run);

    if (rc == DUR_ENOTFOUND) {
        dur_ulid_text(&x->op->run, id);
        (void) dur_state_refuse(x->e, x->reply, 404, "there is no run %s", id);
        return DUR_OK;
    }

    if (rc != DUR_OK) {
        return rc;
    }

    if (!(x->run.flags & DUR_RUN_F_ENDPOINT)) {
        (void) dur_state_refuse(x->e, x->reply, 400, "the run is not one of "
                                "a durable endpoint");
        return DUR_OK;
    }

    return x->run.status == DUR_RUN_LIVE ? dur_endpoint_steps(x) : DUR_OK;
}


dur_rc_t
dur_endpoint_apply(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    dur_rc_t        rc;
    dur_endpoint_t  x;

    memset(&x, 0, sizeof(x));
    x.e = e;
    x.op = op;
    x.reply = reply;
    x.root = dur_json_parse(op->body, NULL);

    reply->status = 200;

    if (!json_is_object(x.root)) {
        (void) dur_state_refuse(e, reply, 400, "the request body is not a "
                                "JSON object");
        rc = DUR_OK;

    } else {
        rc = dur_endpoint_ops(&x);

        if (rc == DUR_OK && reply->status == 200) {
            rc = op->url.len ? dur_endpoint_later(&x)
                             : dur_endpoint_first(&x);
        }
    }

    json_decref(x.root);

    return rc;
}
