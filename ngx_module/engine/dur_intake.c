/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_intake.h"
#include "engine/dur_json.h"
#include "engine/dur_ulid.h"

#include <stdio.h>
#include <strings.h>


#define DUR_INTAKE_SEED_OFF  (86400 * (int64_t) 1000)

/* 1980-01-01 and 2100-01-01 */
#define DUR_INTAKE_TS_MIN    (315532800 * (int64_t) 1000)
#define DUR_INTAKE_TS_MAX    (4102444800 * (int64_t) 1000)


/* One event while it is read. */
typedef struct {
    dur_intake_t    *in;
    bool             array;             /* messages tell the index */
    size_t           index;
    dur_str_t        text;
    const json_t    *json;
    dur_op_event_t  *event;
    json_t          *object[3];         /* data, user, meta */
    bool             cleaned;           /* data lost a member */
    dur_str_t        v;
} dur_intake_event_t;

enum { DATA, USER, META };


/* -- refusals ------------------------------------------------------------- */

static dur_rc_t dur_intake_refuse(dur_intake_event_t *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));


static dur_rc_t
dur_intake_refuse(dur_intake_event_t *e, const char *fmt, ...)
{
    int           n;
    va_list       args;
    dur_intake_t *in = e->in;

    n = e->array ? snprintf(in->error, sizeof(in->error), "event %zu: ",
                            e->index)
                 : 0;

    va_start(args, fmt);
    vsnprintf(in->error + n, sizeof(in->error) - (size_t) n, fmt, args);
    va_end(args);

    return DUR_EINVAL;
}


/* -- fields --------------------------------------------------------------- */

/* Events that are the start of one function: they start nothing by being
 * sent. */
static dur_rc_t
dur_intake_again(dur_intake_event_t *e, dur_str_t name)
{
    size_t  i;

    static const dur_str_t  names[] = {
        dur_str("inngest/function.invoked"),
        dur_str("inngest/scheduled.timer"),
        dur_str("inngest/http.request")
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (dur_str_eq(name, names[i])) {
            return dur_intake_refuse(e, "an event %.*s starts one function "
                                     "by itself: run its run again",
                                     (int) name.len,
                                     (const char *) name.data);
        }
    }

    return DUR_OK;
}


static dur_rc_t
dur_intake_name(dur_intake_event_t *e)
{
    dur_str_t  *name = &e->event->name;

    if (e->in->invoke) {
        *name = dur_str("inngest/function.invoked");
        return DUR_OK;
    }

    switch (dur_json_get_string(e->json, "name", name)) {

    case DUR_OK:
        break;

    case DUR_ENOTFOUND:
        return dur_intake_refuse(e, "name is missing");

    default:
        return dur_intake_refuse(e, "name must be a string");
    }

    if (name->len == 0) {
        return dur_intake_refuse(e, "name is empty");
    }

    if (name->len > DUR_INTAKE_NAME) {
        return dur_intake_refuse(e, "name is longer than %d bytes",
                                 DUR_INTAKE_NAME);
    }

    if (e->in->again) {
        return dur_intake_again(e, *name);
    }

    if (name->len >= 8
        && strncasecmp((const char *) name->data, "inngest/", 8) == 0)
    {
        return dur_intake_refuse(e, "the prefix \"inngest/\" of a name is "
                                 "reserved");
    }

    return DUR_OK;
}


/*
 * With a seed an event without a time has that of the seed, so that the same
 * request sent again is the same event.
 */
static dur_rc_t
dur_intake_ts(dur_intake_event_t *e)
{
    json_t        *ts;
    dur_intake_t  *in = e->in;

    ts = in->again ? NULL : json_object_get(e->json, "ts");
    e->event->ts = 0;

    if (ts != NULL && !json_is_null(ts)) {
        if (!json_is_integer(ts)) {
            return dur_intake_refuse(e, "ts must be an integer, milliseconds "
                                     "since 1970");
        }

        e->event->ts = json_integer_value(ts);
    }

    if (e->event->ts == 0) {
        e->event->ts = in->seeded ? (int64_t) in->seed_ms : in->now_ms;
        return DUR_OK;
    }

    if (e->event->ts < DUR_INTAKE_TS_MIN || e->event->ts > DUR_INTAKE_TS_MAX)
    {
        return dur_intake_refuse(e, "ts must be between 1980 and 2100, in "
                                 "milliseconds");
    }

    return DUR_OK;
}


static dur_rc_t
dur_intake_string(dur_intake_event_t *e, const char *key, dur_str_t *value)
{
    switch (dur_json_get_string(e->json, key, value)) {

    case DUR_OK:
        return DUR_OK;

    case DUR_ENOTFOUND:
        *value = dur_str_null;
        return DUR_OK;

    default:
        return dur_intake_refuse(e, "%s must be a string", key);
    }
}


static dur_rc_t
dur_intake_object(dur_intake_event_t *e, const char *key, json_t **value)
{
    *value = json_object_get(e->json, key);

    if (*value == NULL || json_is_null(*value)) {
        *value = NULL;
        return DUR_OK;
    }

    return json_is_object(*value)
           ? DUR_OK : dur_intake_refuse(e, "%s must be an object", key);
}


static dur_rc_t
dur_intake_fields(dur_intake_event_t *e)
{
    dur_rc_t  rc;

    rc = dur_intake_name(e);

    if (rc == DUR_OK) {
        rc = dur_intake_object(e, "data", &e->object[DATA]);
    }
    if (rc == DUR_OK) {
        rc = dur_intake_object(e, "user", &e->object[USER]);
    }
    if (rc == DUR_OK) {
        rc = dur_intake_object(e, "meta", &e->object[META]);
    }
    if (rc == DUR_OK && !e->in->again) {
        rc = dur_intake_string(e, "id", &e->event->client_id);
    }
    if (rc == DUR_OK) {
        rc = dur_intake_string(e, "v", &e->v);
    }

    return rc == DUR_OK ? dur_intake_ts(e) : rc;
}


/* -- what is stored ------------------------------------------------------- */

/* As it was received; the event is canonical while all of this is. */
static void
dur_intake_write(dur_intake_event_t *e, const char *key, json_t *value,
    bool changed)
{
    dur_str_t   bytes;
    dur_buf_t  *b = e->in->text, *canonical = e->in->scratch;

    if (value == NULL) {
        dur_buf_addz(b, "{}");
        return;
    }

    if (changed) {
        if (dur_json_write(b, value) != DUR_OK) {
            b->failed = true;
        }
        return;
    }

    if (dur_json_member(e->text, dur_str_c(key), &bytes) != DUR_OK) {
        b->failed = true;
        return;
    }

    dur_buf_adds(b, bytes);
    dur_buf_reset(canonical);

    if (dur_json_write(canonical, value) != DUR_OK
        || !dur_str_eq(dur_buf_str(canonical), bytes))
    {
        e->event->flags = 0;
    }
}


/* Appends the event, its keys in JCS order. */
static void
dur_intake_store(dur_intake_event_t *e)
{
    char        id[DUR_ULID_TEXT_LEN + 1];
    dur_buf_t  *b = e->in->text;

    e->event->flags = DUR_EVENT_F_CANONICAL;

    dur_buf_addz(b, "{\"data\":");
    dur_intake_write(e, "data", e->object[DATA], e->cleaned);
    dur_buf_addz(b, ",\"id\":");

    if (e->event->client_id.len) {
        dur_json_write_string(b, e->event->client_id);

    } else {
        dur_ulid_text(&e->event->id, id);
        dur_buf_addc(b, '"');
        dur_buf_add(b, id, DUR_ULID_TEXT_LEN);
        dur_buf_addc(b, '"');
    }

    if (e->object[META] != NULL) {
        dur_buf_addz(b, ",\"meta\":");
        dur_intake_write(e, "meta", e->object[META], false);
    }

    dur_buf_addz(b, ",\"name\":");
    dur_json_write_string(b, e->event->name);
    dur_buf_addf(b, ",\"ts\":%lld,\"user\":", (long long) e->event->ts);
    dur_intake_write(e, "user", e->object[USER], false);

    if (e->v.len) {
        dur_buf_addz(b, ",\"v\":");
        dur_json_write_string(b, e->v);
    }

    dur_buf_addc(b, '}');
}


static dur_rc_t
dur_intake_one(dur_intake_event_t *e)
{
    size_t         start;
    dur_rc_t       rc;
    dur_intake_t  *in = e->in;

    memset(e->event, 0, sizeof(*e->event));
    e->cleaned = false;

    if (!json_is_object(e->json)) {
        return dur_intake_refuse(e, "it must be an object");
    }

    if (e->text.len > in->event_max) {
        return dur_intake_refuse(e, "it is larger than %zu bytes",
                                 in->event_max);
    }

    rc = dur_intake_fields(e);
    if (rc != DUR_OK) {
        return rc;
    }

    if (in->seeded) {
        dur_ulid_from_seed(&e->event->id, in->seed_ms, in->seed,
                           in->invoke ? 0 : (uint32_t) e->index + 1);
    } else {
        rc = in->id(in->data, in->now_ms, &e->event->id);
    }

    if (rc != DUR_OK) {
        return rc;
    }

    /* the key is the server's own */

    e->cleaned = e->object[DATA] != NULL && !in->again
                 && json_object_del(e->object[DATA], "_inngest") == 0;

    start = in->text->len;
    dur_intake_store(e);

    /* the buffer moves while it grows: the length now, the address later */

    e->event->json = dur_str_make(NULL, in->text->len - start);

    return in->text->failed ? DUR_ENOMEM : DUR_OK;
}


/* -- the request ---------------------------------------------------------- */

void
dur_intake_seed(dur_intake_t *in, dur_str_t header)
{
    int64_t  off;

    in->seeded = false;

    if (dur_ulid_seed_parse(header, &in->seed_ms, in->seed) != DUR_OK) {
        return;
    }

    off = (int64_t) in->seed_ms - in->now_ms;
    in->seeded = off <= DUR_INTAKE_SEED_OFF && off >= -DUR_INTAKE_SEED_OFF;
}


static dur_rc_t
dur_intake_body(dur_intake_event_t *e, dur_str_t body, json_t **root)
{
    bool              invoke = e->in->invoke;
    const uint8_t    *p, *last;
    dur_json_error_t  err;

    last = body.data + body.len;
    p = body.len ? dur_json_skip_space(body.data, last) : last;

    if (p == last) {
        return dur_intake_refuse(e, invoke
                                 ? "the request has no body: send an object, "
                                   "{} at least"
                                 : "the request has no body: send an event "
                                   "object or an array of them");
    }

    if (*p != '{' && (*p != '[' || invoke)) {
        return dur_intake_refuse(e, invoke
                                 ? "the body must be a JSON object"
                                 : "the body must be a JSON object or an "
                                   "array of objects");
    }

    *root = dur_json_parse(body, &err);

    if (*root == NULL) {
        return dur_intake_refuse(e, "the body is not valid JSON: %s (line "
                                 "%zu, byte %zu)", err.text, err.line,
                                 err.offset);
    }

    e->array = *p == '[';

    return DUR_OK;
}


static dur_rc_t
dur_intake_events(dur_intake_event_t *e, dur_str_t body, const json_t *root,
    dur_op_t *op)
{
    size_t          n, pos, at;
    dur_rc_t        rc;
    dur_op_event_t *events;

    n = e->array ? json_array_size(root) : 1;

    if (n > DUR_INTAKE_EVENTS) {
        e->array = false;
        return dur_intake_refuse(e, "a request holds at most %d events, this "
                                 "one has %zu", DUR_INTAKE_EVENTS, n);
    }

    events = dur_arena_alloc(e->in->arena, n * sizeof(*events) + 1);
    if (events == NULL) {
        return DUR_ENOMEM;
    }

    for (e->index = 0, pos = 0; e->index < n; e->index++) {
        e->event = &events[e->index];
        e->json = e->array ? json_array_get(root, e->index) : root;
        e->text = body;

        if (e->array && dur_json_next(body, &pos, &e->text) != DUR_OK) {
            return DUR_EINTERNAL;
        }

        rc = dur_intake_one(e);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    for (e->index = 0, at = 0; e->index < n; e->index++) {
        events[e->index].json.data = e->in->text->data + at;
        at += events[e->index].json.len;
    }

    op->events = events;
    op->nevents = n;

    return DUR_OK;
}


dur_rc_t
dur_intake(dur_intake_t *in, dur_str_t body, dur_op_t *op, json_t **root)
{
    dur_rc_t            rc;
    dur_intake_event_t  e;

    memset(&e, 0, sizeof(e));
    memset(op, 0, sizeof(*op));

    e.in = in;
    *root = NULL;
    in->error[0] = '\0';
    dur_buf_reset(in->text);

    rc = dur_intake_body(&e, body, root);
    if (rc == DUR_OK) {
        rc = dur_intake_events(&e, body, *root, op);
    }

    if (rc != DUR_OK) {
        json_decref(*root);
        *root = NULL;
        return rc;
    }

    op->type = DUR_OP_EVENTS;

    if (in->invoke) {
        op->type = DUR_OP_INVOKE;
        op->id = op->events[0].id;
        op->body = op->events[0].json;
        op->nevents = 0;
    }

    return DUR_OK;
}
