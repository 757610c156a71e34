
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * From the body of POST /e/{key} to the events of an op (protocol 1.1-1.4):
 * all of them are good, or the request is refused with a sentence.  The text
 * is parsed once; data, user and meta are kept as they were received.
 */


#include "ngx_http_durable_parse.h"


#define NGX_HTTP_DURABLE_SEED_MAX  (86400 * (int64_t) 1000)


/* A member whose bytes are kept; absent is "{}" or nothing at all. */

typedef struct {
    const char                    *key;
    json_t                        *value;
    ngx_uint_t                     changed;
} ngx_http_durable_member_t;


static ngx_int_t ngx_http_durable_parse_all(ngx_http_durable_parse_t *parse,
    dur_str_t body, dur_op_t *op, json_t *root);
static void ngx_http_durable_parse_seed(ngx_http_durable_parse_t *parse);
static ngx_int_t ngx_http_durable_parse_event(ngx_http_durable_parse_t *parse,
    dur_str_t text, json_t *json, dur_op_event_t *event);
static ngx_int_t ngx_http_durable_parse_id(ngx_http_durable_parse_t *parse,
    dur_op_event_t *event);
static ngx_int_t ngx_http_durable_write_member(
    ngx_http_durable_parse_t *parse, dur_str_t text,
    ngx_http_durable_member_t *member);


/*
 * NGX_OK: the op borrows from the scratch buffers and from *root, which the
 * caller releases; NGX_DECLINED: ctx->error says what is wrong; NGX_ERROR: no
 * memory.
 */

ngx_int_t
ngx_http_durable_events_parse(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t body, dur_op_t *op, json_t **root)
{
    size_t                    i;
    ngx_int_t                 rc;
    ngx_time_t               *tp;
    dur_json_error_t          error;
    ngx_http_durable_parse_t  parse;

    ngx_memzero(&parse, offsetof(ngx_http_durable_parse_t, error));

    parse.request = r;
    parse.ctx = ctx;
    parse.scratch = &ctx->conf->scratch;

    for (i = 0; i < body.len; i++) {
        if (body.data[i] != ' ' && body.data[i] != '\t'
            && body.data[i] != CR && body.data[i] != LF)
        {
            break;
        }
    }

    if (i == body.len) {
        return ngx_http_durable_parse_failed(&parse,
                                             "the request has no body: send "
                                             "an event object or an array of "
                                             "them");
    }

    if (body.data[i] != '{' && body.data[i] != '[') {
        return ngx_http_durable_parse_failed(&parse,
                                             "the body must be a JSON object "
                                             "or an array of objects");
    }

    *root = dur_json_parse(body, &error);

    if (*root == NULL) {
        return ngx_http_durable_parse_failed(&parse,
                                             "the body is not valid JSON: %s "
                                             "(line %uz, byte %uz)",
                                             error.text, error.line,
                                             error.offset);
    }

    parse.array = (body.data[i] == '[');
    tp = ngx_timeofday();
    parse.now = (int64_t) tp->sec * 1000 + tp->msec;

    rc = ngx_http_durable_parse_all(&parse, body, op, *root);

    if (rc != NGX_OK) {
        json_decref(*root);

        if (ctx->error.len == 0) {
            return NGX_ERROR;
        }
    }

    return rc;
}


static ngx_int_t
ngx_http_durable_parse_all(ngx_http_durable_parse_t *parse, dur_str_t body,
    dur_op_t *op, json_t *root)
{
    size_t                   n, pos;
    ngx_int_t                rc;
    dur_str_t                text;
    dur_buf_t               *b;
    dur_op_event_t          *event;
    ngx_http_durable_ctx_t  *ctx;

    ctx = parse->ctx;
    n = parse->array ? json_array_size(root) : 1;

    if (n > NGX_HTTP_DURABLE_EVENTS_MAX) {
        parse->array = 0;
        return ngx_http_durable_parse_failed(parse,
                                             "a request holds at most %d "
                                             "events, this one has %uz",
                                             NGX_HTTP_DURABLE_EVENTS_MAX, n);
    }

    ngx_memzero(op, sizeof(dur_op_t));

    op->type = DUR_OP_EVENTS;
    op->nevents = n;
    op->events = ngx_pcalloc(parse->request->pool,
                             n * sizeof(dur_op_event_t) + 1);

    ctx->nids = n;
    ctx->ids = ngx_pnalloc(parse->request->pool, n * sizeof(dur_ulid_t) + 1);

    if (op->events == NULL || ctx->ids == NULL) {
        return NGX_ERROR;
    }

    ngx_http_durable_parse_seed(parse);

    b = &parse->scratch->text;
    dur_buf_reset(b);

    text = body;
    pos = 0;

    for (parse->index = 0; parse->index < n; parse->index++) {

        event = &op->events[parse->index];

        if (parse->array) {
            if (dur_json_next(body, &pos, &text) != DUR_OK) {
                return NGX_ERROR;
            }
        }

        /* the buffer moves while it grows: lengths now, addresses below */

        event->json.len = b->len;

        rc = ngx_http_durable_parse_event(parse, text,
                                          parse->array
                                          ? json_array_get(root, parse->index)
                                          : root, event);
        if (rc != NGX_OK) {
            return rc;
        }

        if (b->failed) {
            return NGX_ERROR;
        }

        event->json.len = b->len - event->json.len;
        ctx->ids[parse->index] = event->id;
    }

    pos = 0;

    for (parse->index = 0; parse->index < n; parse->index++) {
        event = &op->events[parse->index];
        event->json.data = b->data + pos;
        pos += event->json.len;
    }

    return NGX_OK;
}


/* A seed that is malformed, old or known to be taken is not used. */

static void
ngx_http_durable_parse_seed(ngx_http_durable_parse_t *parse)
{
    int64_t     off;
    ngx_str_t  *header;

    parse->ctx->seeded = 0;

    if (parse->ctx->unseeded) {
        return;
    }

    header = ngx_http_durable_request_header(parse->request,
                                     "x-inngest-event-id-seed",
                                     sizeof("x-inngest-event-id-seed") - 1);

    if (header == NULL
        || dur_ulid_seed_parse(dur_str_make(header->data, header->len),
                               &parse->seed_ms, parse->seed)
           != DUR_OK)
    {
        return;
    }

    off = (int64_t) parse->seed_ms - parse->now;

    if (off > NGX_HTTP_DURABLE_SEED_MAX || off < -NGX_HTTP_DURABLE_SEED_MAX) {
        return;
    }

    parse->ctx->seeded = 1;
}


/* Appends the event as it is stored, its keys in JCS order. */

static ngx_int_t
ngx_http_durable_parse_event(ngx_http_durable_parse_t *parse, dur_str_t text,
    json_t *json, dur_op_event_t *event)
{
    char                        id[DUR_ULID_TEXT_LEN + 1];
    u_char                      ts[NGX_INT64_LEN], *p;
    size_t                      max;
    dur_str_t                   v;
    dur_buf_t                  *b;
    ngx_http_durable_member_t   data, meta, user;

    max = parse->ctx->conf->durable.event_max_size;

    if (!json_is_object(json)) {
        return ngx_http_durable_parse_failed(parse, "it must be an object");
    }

    if (text.len > max) {
        return ngx_http_durable_parse_failed(parse,
                                             "it is larger than %uz bytes",
                                             max);
    }

    ngx_memzero(&data, sizeof(ngx_http_durable_member_t));
    ngx_memzero(&meta, sizeof(ngx_http_durable_member_t));
    ngx_memzero(&user, sizeof(ngx_http_durable_member_t));

    data.key = "data";
    meta.key = "meta";
    user.key = "user";

    if (ngx_http_durable_parse_name(parse, json, event) != NGX_OK
        || ngx_http_durable_parse_object(parse, json, "data", &data.value)
           != NGX_OK
        || ngx_http_durable_parse_object(parse, json, "user", &user.value)
           != NGX_OK
        || ngx_http_durable_parse_object(parse, json, "meta", &meta.value)
           != NGX_OK
        || ngx_http_durable_parse_string(parse, json, "id", &event->client_id)
           != NGX_OK
        || ngx_http_durable_parse_string(parse, json, "v", &v) != NGX_OK
        || ngx_http_durable_parse_ts(parse, json, event) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (ngx_http_durable_parse_id(parse, event) != NGX_OK) {
        return NGX_ERROR;
    }

    if (data.value && json_object_del(data.value, "_inngest") == 0) {
        data.changed = 1;
    }

    event->flags = DUR_EVENT_F_CANONICAL;

    b = &parse->scratch->text;

    dur_buf_addz(b, "{\"data\":");

    if (ngx_http_durable_write_member(parse, text, &data) != NGX_OK) {
        event->flags = 0;
    }

    dur_buf_addz(b, ",\"id\":");

    if (event->client_id.len) {
        dur_json_write_string(b, event->client_id);

    } else {
        dur_ulid_text(&event->id, id);
        dur_buf_addz(b, "\"");
        dur_buf_add(b, id, DUR_ULID_TEXT_LEN);
        dur_buf_addz(b, "\"");
    }

    if (meta.value) {
        dur_buf_addz(b, ",\"meta\":");

        if (ngx_http_durable_write_member(parse, text, &meta) != NGX_OK) {
            event->flags = 0;
        }
    }

    dur_buf_addz(b, ",\"name\":");
    dur_json_write_string(b, event->name);

    p = ngx_sprintf(ts, "%L", event->ts);

    dur_buf_addz(b, ",\"ts\":");
    dur_buf_add(b, ts, p - ts);
    dur_buf_addz(b, ",\"user\":");

    if (ngx_http_durable_write_member(parse, text, &user) != NGX_OK) {
        event->flags = 0;
    }

    if (v.len) {
        dur_buf_addz(b, ",\"v\":");
        dur_json_write_string(b, v);
    }

    dur_buf_addz(b, "}");

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_parse_id(ngx_http_durable_parse_t *parse,
    dur_op_event_t *event)
{
    if (parse->ctx->seeded) {
        dur_ulid_from_seed(&event->id, parse->seed_ms, parse->seed,
                           parse->index + 1);
        return NGX_OK;
    }

    return ngx_http_durable_ulid(parse->scratch, parse->now, &event->id);
}


/* NGX_OK: what was written is canonical; NGX_DECLINED: it may not be. */

static ngx_int_t
ngx_http_durable_write_member(ngx_http_durable_parse_t *parse, dur_str_t text,
    ngx_http_durable_member_t *member)
{
    dur_str_t   value;
    dur_buf_t  *b, *canonical;

    b = &parse->scratch->text;

    if (member->value == NULL) {
        dur_buf_addz(b, "{}");
        return NGX_OK;
    }

    if (member->changed) {
        if (dur_json_write(b, member->value) != DUR_OK) {
            b->failed = 1;
        }

        return NGX_OK;
    }

    if (dur_json_member(text, dur_str_c(member->key), &value) != DUR_OK) {
        b->failed = 1;
        return NGX_DECLINED;
    }

    dur_buf_adds(b, value);

    canonical = &parse->scratch->canonical;
    dur_buf_reset(canonical);

    if (dur_json_write(canonical, member->value) != DUR_OK
        || !dur_str_eq(dur_buf_str(canonical), value))
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}
