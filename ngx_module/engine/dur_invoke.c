/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_invoke.h"
#include "engine/dur_event.h"
#include "engine/dur_json.h"
#include "engine/dur_result.h"
#include "engine/dur_state.h"
#include "engine/dur_step.h"
#include "engine/dur_ulid.h"

#include <stdio.h>


/* What an event may grow to by what is added to its data. */
#define DUR_INVOKE_MAX  (16 * 1024 * 1024)

/* As much of an unknown function's name as is repeated. */
#define DUR_INVOKE_ID_MAX  512


static const dur_str_t  dur_invoke_name = dur_str("inngest/function.invoked");


/* The event of an invoke while it is made. */
typedef struct {
    dur_run_event_t  event;     /* what starts the run */
    json_t          *root;      /* the event, ours */
    json_t          *inner;     /* its data._inngest, borrowed */
    dur_buf_t        json;
} dur_invoke_event_t;


/* -- which function ------------------------------------------------------- */

/* By slug or UUID, in all apps; NULL for one that is not there any more. */
static dur_function_t *
dur_invoke_find(const dur_registry_t *r, dur_str_t id)
{
    uint32_t         i;
    dur_function_t  *fn;

    fn = dur_registry_function_by_slug(r, id);

    for (i = 0; fn == NULL && i < r->nfunctions; i++) {
        if (r->functions[i] != NULL
            && r->functions[i]->kind != DUR_FUNCTION_ENDPOINT
            && dur_str_caseeq(dur_str_c(r->functions[i]->uuid), id))
        {
            fn = r->functions[i];
        }
    }

    return (fn == NULL || fn->archived) ? NULL : fn;
}


dur_function_t *
dur_invoke_target(const dur_registry_t *r, dur_str_t name, dur_str_t json)
{
    json_t          *slug;
    dur_str_t        value;
    dur_function_t  *fn;

    if (!dur_str_eq(name, dur_invoke_name)
        || dur_json_member(json, dur_str("data"), &value) != DUR_OK
        || dur_json_member(value, dur_str("_inngest"), &value) != DUR_OK
        || dur_json_member(value, dur_str("fn_id"), &value) != DUR_OK)
    {
        return NULL;
    }

    slug = dur_json_parse(value, NULL);

    fn = dur_registry_function_by_slug(r,
                             dur_str_make(json_string_value(slug),
                                          json_string_length(slug)));
    json_decref(slug);

    return fn;
}


/* What is said of one that is not there; NULL without memory. */
static const char *
dur_invoke_unknown(dur_engine_t *e, dur_str_t id)
{
    if (id.len > DUR_INVOKE_ID_MAX) {
        id.len = DUR_INVOKE_ID_MAX;
    }

    return dur_arena_printf(e->arena, "could not find function with ID: %.*s",
                            (int) id.len, (const char *) id.data);
}


/* -- its event ------------------------------------------------------------ */

static void
dur_invoke_free(dur_invoke_event_t *v)
{
    json_decref(v->root);
    dur_buf_deinit(&v->json);
}


static int
dur_invoke_set(json_t *object, const char *key, dur_str_t value)
{
    const char  *text;

    text = value.len ? (const char *) value.data : "";

    return json_object_set_new(object, key, json_stringn(text, value.len));
}


/* Takes the member over when it is there and of its type. */
static void
dur_invoke_carry(json_t *root, const json_t *payload, const char *key,
    json_type type)
{
    json_t  *value;

    value = json_object_get(payload, key);

    if (value != NULL && json_typeof(value) == type) {
        json_object_set(root, key, value);
    }
}


/*
 * Begins the event for fn out of {"data","user","v","meta"}; DUR_EINVAL when
 * the data is no object.  The caller calls dur_invoke_free() in any case.
 */
static dur_rc_t
dur_invoke_begin(dur_invoke_event_t *v, const dur_function_t *fn,
    const json_t *payload)
{
    json_t  *data;

    memset(v, 0, sizeof(*v));
    dur_buf_init(&v->json, DUR_INVOKE_MAX);
    v->event.name = dur_invoke_name;

    data = json_object_get(payload, "data");

    if (data == NULL || json_is_null(data)) {
        data = json_object();

    } else if (json_is_object(data)) {
        data = json_copy(data);

    } else {
        return DUR_EINVAL;
    }

    v->inner = json_object();
    v->root = json_object();

    if (json_object_set_new(data, "_inngest", v->inner) == -1) {
        json_decref(data);
        return DUR_ENOMEM;
    }

    if (json_object_set_new(v->root, "data", data) == -1
        || json_object_set_new(v->root, "user", json_object()) == -1
        || dur_invoke_set(v->inner, "fn_id", fn->slug) == -1)
    {
        return DUR_ENOMEM;
    }

    dur_invoke_carry(v->root, payload, "user", JSON_OBJECT);
    dur_invoke_carry(v->root, payload, "meta", JSON_OBJECT);
    dur_invoke_carry(v->root, payload, "v", JSON_STRING);

    return DUR_OK;
}


/* The last members, and the text; DUR_ETOOBIG. */
static dur_rc_t
dur_invoke_write(dur_invoke_event_t *v)
{
    char       id[DUR_ULID_TEXT_LEN + 1];
    dur_rc_t   rc;
    dur_str_t  client;

    dur_ulid_text(&v->event.id, id);
    client = v->event.client_id.len ? v->event.client_id : dur_str_c(id);

    if (dur_invoke_set(v->root, "id", client) == -1
        || dur_invoke_set(v->root, "name", dur_invoke_name) == -1
        || json_object_set_new(v->root, "ts", json_integer(v->event.ts)) == -1)
    {
        return DUR_ENOMEM;
    }

    rc = dur_json_write(&v->json, v->root);

    v->event.json = dur_buf_str(&v->json);
    v->event.root = v->root;

    return rc;
}


/* Stores the event, starts the function, lets others see the event. */
static dur_rc_t
dur_invoke_start(dur_engine_t *e, const dur_function_t *fn,
    const dur_invoke_event_t *v, dur_run_t *run, dur_start_t *start)
{
    dur_rc_t        rc;
    dur_op_event_t  event;

    memset(&event, 0, sizeof(event));
    event.id = v->event.id;
    event.flags = DUR_EVENT_F_CANONICAL;
    event.ts = v->event.ts;
    event.name = v->event.name;
    event.client_id = v->event.client_id;
    event.json = v->event.json;

    *start = DUR_START_RUN;

    rc = dur_event_put(e, &event);
    if (rc == DUR_OK) {
        rc = dur_run_start(e, fn, &v->event, run, start);
    }

    return rc == DUR_OK ? dur_event_publish(e, &event, false) : rc;
}


/* -- a step --------------------------------------------------------------- */

static dur_rc_t
dur_invoke_error(dur_engine_t *e, const dur_ulid_t *parent,
    const dur_hash_t *step, dur_str_t message)
{
    dur_rc_t   rc;
    dur_buf_t  b;

    dur_buf_init(&b, 64 * 1024);

    dur_buf_addz(&b, "{\"message\":");
    dur_json_write_string(&b, message);
    dur_buf_addz(&b, ",\"name\":\"Error\"}");

    rc = b.failed ? DUR_ENOMEM
                  : dur_result_resume(e, parent, step, DUR_STEP_ERROR,
                                      dur_buf_str(&b));

    dur_buf_deinit(&b);

    return rc;
}


/* data._inngest (protocol 1.9). */
static dur_rc_t
dur_invoke_source(dur_engine_t *e, const dur_run_t *parent,
    const dur_answer_op_t *op, json_t *inner)
{
    int                    bad;
    char                   run[DUR_ULID_TEXT_LEN + 1];
    char                   step[DUR_HASH_TEXT_LEN + 1];
    char                   app[DUR_UUID_TEXT_LEN + 1], text[80];
    dur_function_t        *fn;
    dur_registered_app_t  *source;

    dur_ulid_text(&parent->id, run);
    dur_hash_text(&op->id, step);
    snprintf(text, sizeof(text), "%s.%s", run, step);

    fn = dur_registry_function(&e->registry, parent->function);
    source = dur_registry_app(&e->registry, parent->app);

    bad = dur_invoke_set(inner, "correlation_id", dur_str_c(text))
          | json_object_set_new(inner, "expire", json_integer(op->due))
          | dur_invoke_set(inner, "name", op->name);

    if (source != NULL) {
        dur_uuid5("app", source->name, app);
        bad |= dur_invoke_set(inner, "source_app_id", dur_str_c(app));
    }

    if (fn != NULL) {
        bad |= dur_invoke_set(inner, "source_fn_id", dur_str_c(fn->uuid))
               | json_object_set_new(inner, "source_fn_v",
                                     json_integer(parent->version));
    }

    return bad ? DUR_ENOMEM : DUR_OK;
}


/* Makes the event of the op; DUR_EINVAL, DUR_ETOOBIG for its data. */
static dur_rc_t
dur_invoke_prepare(dur_engine_t *e, const dur_run_t *parent,
    const dur_function_t *fn, const dur_answer_op_t *op,
    dur_invoke_event_t *v)
{
    json_t    *opts;
    dur_rc_t   rc;

    opts = op->opts.len ? dur_json_parse(op->opts, NULL) : NULL;

    rc = dur_invoke_begin(v, fn, json_object_get(opts, "payload"));

    json_decref(opts);

    if (rc == DUR_OK) {
        rc = dur_invoke_source(e, parent, op, v->inner);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    v->event.ts = e->now;
    v->event.invoked = true;
    v->event.parent = parent->id;
    v->event.parent_step = op->id;
    v->event.depth = (uint8_t) (parent->depth + 1);
    dur_ulid_derive(&v->event.id, e->now, &parent->id, &op->id);

    return dur_invoke_write(v);
}


/* Starts the function for the step; *why, when set, is why it cannot. */
static dur_rc_t
dur_invoke_child(dur_engine_t *e, const dur_run_t *parent,
    const dur_function_t *fn, const dur_answer_op_t *op, dur_str_t *why)
{
    dur_rc_t             rc;
    dur_run_t            child;
    dur_start_t          start;
    dur_invoke_event_t   v;

    rc = dur_invoke_prepare(e, parent, fn, op, &v);

    switch (rc) {

    case DUR_OK:
        rc = dur_invoke_start(e, fn, &v, &child, &start);

        if (rc == DUR_OK && (start == DUR_START_RUN
                             || start == DUR_START_BATCHED))
        {
            rc = dur_step_child(e, &parent->id, &op->id, &child.id);

        } else if (rc == DUR_OK && start == DUR_START_REFUSED) {
            *why = dur_str("the key of the invoked function's batch has no "
                           "value");

        } else if (rc == DUR_OK && start == DUR_START_LIMITED) {
            *why = dur_str("invoked function is rate limited");
        }
        break;

    case DUR_EINVAL:
        *why = dur_str("the data of an invoke must be an object");
        rc = DUR_OK;
        break;

    case DUR_ETOOBIG:
        *why = dur_str("the data of an invoke must be smaller than 16 MiB");
        rc = DUR_OK;
        break;

    default:
        break;
    }

    dur_invoke_free(&v);

    return rc;
}


dur_rc_t
dur_invoke_step(dur_engine_t *e, const dur_ulid_t *id,
    const dur_answer_op_t *op)
{
    dur_rc_t         rc;
    dur_str_t        why;
    dur_run_t        parent;
    dur_function_t  *fn;

    rc = dur_run_get(e->txn, id, &parent);
    if (rc != DUR_OK || parent.status != DUR_RUN_LIVE) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    why = dur_str_null;
    fn = dur_invoke_find(&e->registry, op->target);

    if (fn == NULL) {
        why = dur_str_c(dur_invoke_unknown(e, op->target));
        rc = why.data ? DUR_OK : DUR_ENOMEM;

    } else if (parent.depth >= DUR_INVOKE_DEPTH) {
        why = dur_str("functions may invoke each other 20 runs deep, not "
                      "deeper");

    } else {
        rc = dur_invoke_child(e, &parent, fn, op, &why);
    }

    return (rc == DUR_OK && why.len) ? dur_invoke_error(e, id, &op->id, why)
                                     : rc;
}


dur_rc_t
dur_invoke_gone(dur_engine_t *e, const dur_ulid_t *parent,
    const dur_hash_t *step)
{
    dur_rc_t     rc;
    dur_step_t   row;
    const char  *why;

    rc = dur_step_get(e->txn, parent, step, &row);

    if (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) {
        return DUR_OK;
    }

    why = rc == DUR_OK ? dur_invoke_unknown(e, row.detail) : NULL;

    return why ? dur_invoke_error(e, parent, step, dur_str_c(why))
           : rc != DUR_OK ? rc : DUR_ENOMEM;
}


dur_rc_t
dur_invoke_started(dur_engine_t *e, const dur_run_t *child)
{
    dur_rc_t   rc;
    dur_run_t  parent;

    rc = dur_run_get(e->txn, &child->parent, &parent);

    if (rc != DUR_OK || parent.status != DUR_RUN_LIVE) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    return dur_step_child(e, &child->parent, &child->parent_step, &child->id);
}


/* -- the answer ----------------------------------------------------------- */

/* The SDK throws what a step failed with: it must say what happened. */
static dur_str_t
dur_invoke_cancelled(dur_engine_t *e, const dur_run_t *child)
{
    char  id[DUR_ULID_TEXT_LEN + 1];

    dur_ulid_text(&child->id, id);

    return dur_str_c(dur_arena_printf(e->arena,
                         "{\"error\":\"InngestInvokeCancelledError: The "
                         "invoked run %s was cancelled\",\"message\":\"The "
                         "invoked run %s was cancelled\",\"name\":"
                         "\"InngestInvokeCancelledError\"}", id, id));
}


dur_rc_t
dur_invoke_finished(dur_engine_t *e, const dur_run_t *child, dur_str_t output)
{
    uint8_t  wrap;

    wrap = DUR_STEP_ERROR;

    switch (child->status) {

    case DUR_RUN_COMPLETED:
        wrap = DUR_STEP_DATA;
        if (output.len == 0) {
            output = dur_str("null");
        }
        break;

    case DUR_RUN_CANCELLED:
        output = dur_invoke_cancelled(e, child);
        if (output.data == NULL) {
            return DUR_ENOMEM;
        }
        break;

    default:
        break;
    }

    return dur_result_resume(e, &child->parent, &child->parent_step, wrap,
                             output);
}


dur_str_t
dur_invoke_timeout(void)
{
    return dur_str("{\"error\":\"InngestInvokeTimeoutError: Timed out waiting "
                   "for invoked function to complete\","
                   "\"message\":\"Timed out waiting for invoked function to "
                   "complete\",\"name\":\"InngestInvokeTimeoutError\"}");
}


/* -- by request ----------------------------------------------------------- */

/* The id and ts that the worker wrote; an id of the caller's own is one that
 * is not the event's. */
static dur_rc_t
dur_invoke_fields(const dur_op_t *op, const json_t *body,
    dur_run_event_t *event)
{
    char       id[DUR_ULID_TEXT_LEN + 1];
    dur_str_t  client;

    event->id = op->id;
    dur_ulid_text(&op->id, id);

    if (dur_json_get_int(body, "ts", &event->ts) != DUR_OK
        || dur_json_get_string(body, "id", &client) != DUR_OK)
    {
        return DUR_EINVAL;
    }

    event->client_id = dur_str_eq(client, dur_str_c(id)) ? dur_str_null
                                                         : client;

    return DUR_OK;
}


static dur_rc_t
dur_invoke_request(dur_engine_t *e, const dur_op_t *op,
    const dur_function_t *fn, const json_t *body, dur_reply_t *reply)
{
    char                 id[DUR_ULID_TEXT_LEN + 1], *text;
    dur_rc_t             rc;
    dur_run_t            run;
    dur_start_t          start;
    dur_invoke_event_t   v;

    rc = dur_invoke_begin(&v, fn, body);

    if (rc == DUR_OK) {
        rc = dur_invoke_fields(op, body, &v.event);
    }
    if (rc == DUR_OK) {
        rc = dur_invoke_write(&v);
    }

    if (rc == DUR_EINVAL || rc == DUR_ETOOBIG) {
        dur_invoke_free(&v);
        return dur_state_refuse(e, reply, rc == DUR_EINVAL ? 400 : 413, "%s",
                                rc == DUR_EINVAL ? "the event is not valid"
                                                 : "the event is too large");
    }

    if (rc == DUR_OK) {
        rc = dur_invoke_start(e, fn, &v, &run, &start);
    }

    dur_invoke_free(&v);

    if (rc != DUR_OK) {
        return rc;
    }

    e->stat.events++;
    text = "{}";

    if (start == DUR_START_RUN || start == DUR_START_SKIPPED
        || start == DUR_START_BATCHED)
    {
        dur_ulid_text(&run.id, id);
        text = dur_arena_printf(e->arena, "{\"run_id\":\"%s\"}", id);
    }

    reply->status = 200;
    reply->body = dur_str_c(text);

    return text ? DUR_OK : DUR_ENOMEM;
}


dur_rc_t
dur_invoke_apply(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    json_t          *body;
    dur_rc_t         rc;
    const char      *text;
    dur_event_t      event;
    dur_function_t  *fn;

    if (e->nearly_full) {
        reply->rc = DUR_EFULL;
        reply->status = 503;
        return DUR_OK;
    }

    fn = dur_invoke_find(&e->registry, op->url);

    if (fn == NULL) {
        text = dur_invoke_unknown(e, op->url);
        return text ? dur_state_refuse(e, reply, 404, "%s", text) : DUR_ENOMEM;
    }

    rc = dur_event_get(e->txn, &op->id, &event);

    if (rc == DUR_OK) {
        return dur_state_refuse(e, reply, 409, "another event has this id");
    }

    if (rc != DUR_ENOTFOUND) {
        return rc;
    }

    body = dur_json_parse(op->body, NULL);

    rc = dur_invoke_request(e, op, fn, body, reply);

    json_decref(body);

    return rc;
}
