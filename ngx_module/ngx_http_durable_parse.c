
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * From the body of POST /e/{key} to the events of an op (protocol 1.1-1.4),
 * and from that of POST /invoke/{slug} to the event of one: all of it is good,
 * or the request is refused with a sentence.  The text is parsed once; data,
 * user and meta are kept as they were received.
 */


#include "ngx_http_durable_parse.h"


#define NGX_HTTP_DURABLE_SEED_MAX  (86400 * (int64_t) 1000)


/* The members of an event whose bytes are kept; NULL is "{}", or nothing. */

typedef struct {
    json_t                        *data;
    json_t                        *meta;
    json_t                        *user;
    dur_str_t                      v;
    ngx_uint_t                     stripped;    /* of data */
} ngx_http_durable_members_t;


static ngx_int_t ngx_http_durable_parse_body(ngx_http_durable_parse_t *parse,
    dur_str_t body, json_t **root);
static ngx_int_t ngx_http_durable_parse_all(ngx_http_durable_parse_t *parse,
    dur_str_t body, dur_op_t *op, json_t *root);
static ngx_int_t ngx_http_durable_parse_list(ngx_http_durable_parse_t *parse,
    dur_str_t body, dur_op_t *op, json_t *root);
static void ngx_http_durable_parse_seed(ngx_http_durable_parse_t *parse);
static ngx_int_t ngx_http_durable_parse_event(ngx_http_durable_parse_t *parse,
    dur_str_t text, json_t *json, dur_op_event_t *event);
static ngx_int_t ngx_http_durable_parse_members(
    ngx_http_durable_parse_t *parse, json_t *json, dur_op_event_t *event,
    ngx_http_durable_members_t *members);
static ngx_int_t ngx_http_durable_parse_id(ngx_http_durable_parse_t *parse,
    dur_op_event_t *event);
static void ngx_http_durable_write_event(ngx_http_durable_parse_t *parse,
    ngx_http_durable_members_t *members, dur_op_event_t *event);
static void ngx_http_durable_write_member(ngx_http_durable_parse_t *parse,
    const char *key, json_t *value, dur_op_event_t *event);


/*
 * NGX_OK: the op borrows from the scratch buffers and from *root, which the
 * caller releases; NGX_DECLINED: ctx->error says what is wrong; NGX_ERROR: no
 * memory.
 */

ngx_int_t
ngx_http_durable_events_parse(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t body, dur_op_t *op, json_t **root)
{
    ngx_int_t                 rc;
    ngx_http_durable_parse_t  parse;

    ngx_memzero(&parse, offsetof(ngx_http_durable_parse_t, error));

    parse.request = r;
    parse.ctx = ctx;

    rc = ngx_http_durable_parse_body(&parse, body, root);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_durable_parse_all(&parse, body, op, *root);

    if (rc != NGX_OK) {
        json_decref(*root);

        if (ctx->error.len == 0) {
            return NGX_ERROR;
        }
    }

    return rc;
}


/*
 * The same for the one event of an invoke, whose name is ours: the op has its
 * id and its text, in the scratch buffer.
 */

ngx_int_t
ngx_http_durable_invoke_parse(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t body, dur_op_t *op)
{
    json_t                    *root;
    dur_buf_t                 *b;
    ngx_int_t                  rc;
    dur_op_event_t             event;
    ngx_http_durable_parse_t   parse;

    ngx_memzero(&parse, offsetof(ngx_http_durable_parse_t, error));

    parse.request = r;
    parse.ctx = ctx;
    parse.invoke = 1;

    rc = ngx_http_durable_parse_body(&parse, body, &root);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_durable_parse_seed(&parse);

    b = &parse.scratch->text;
    dur_buf_reset(b);

    rc = ngx_http_durable_parse_event(&parse, body, root, &event);

    json_decref(root);

    if (rc != NGX_OK) {
        return ctx->error.len ? rc : NGX_ERROR;
    }

    if (b->failed) {
        return NGX_ERROR;
    }

    ngx_memzero(op, sizeof(dur_op_t));

    op->type = DUR_OP_INVOKE;
    op->id = event.id;
    op->body = dur_buf_str(b);

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_parse_body(ngx_http_durable_parse_t *parse, dur_str_t body,
    json_t **root)
{
    ngx_time_t        *tp;
    const uint8_t     *p, *last;
    dur_json_error_t   error;

    last = body.data + body.len;
    p = dur_json_skip_space(body.data, last);

    if (p == last) {
        return ngx_http_durable_parse_failed(parse,
                                             parse->invoke
                                             ? "the request has no body: send "
                                               "an object, {} at least"
                                             : "the request has no body: send "
                                               "an event object or an array "
                                               "of them");
    }

    if (*p != '{' && (*p != '[' || parse->invoke)) {
        return ngx_http_durable_parse_failed(parse,
                                             parse->invoke
                                             ? "the body must be a JSON object"
                                             : "the body must be a JSON "
                                               "object or an array of "
                                               "objects");
    }

    *root = dur_json_parse(body, &error);

    if (*root == NULL) {
        return ngx_http_durable_parse_failed(parse,
                                             "the body is not valid JSON: %s "
                                             "(line %uz, byte %uz)",
                                             error.text, error.line,
                                             error.offset);
    }

    tp = ngx_timeofday();

    parse->array = (*p == '[');
    parse->now = (int64_t) tp->sec * 1000 + tp->msec;
    parse->scratch = &parse->ctx->conf->scratch;

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_parse_all(ngx_http_durable_parse_t *parse, dur_str_t body,
    dur_op_t *op, json_t *root)
{
    size_t                   n, pos;
    ngx_int_t                rc;
    dur_buf_t               *b;
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

    rc = ngx_http_durable_parse_list(parse, body, op, root);

    if (rc != NGX_OK) {
        return rc;
    }

    /* the buffer does not move any more */

    pos = 0;

    for (parse->index = 0; parse->index < n; parse->index++) {
        op->events[parse->index].json.data = b->data + pos;
        pos += op->events[parse->index].json.len;
    }

    return NGX_OK;
}


/* Their texts one after the other in the buffer, which moves while it grows:
 * lengths here, addresses later. */

static ngx_int_t
ngx_http_durable_parse_list(ngx_http_durable_parse_t *parse, dur_str_t body,
    dur_op_t *op, json_t *root)
{
    size_t           pos, start;
    json_t          *json;
    ngx_int_t        rc;
    dur_str_t        text;
    dur_buf_t       *b;
    dur_op_event_t  *event;

    b = &parse->scratch->text;
    text = body;
    json = root;
    pos = 0;

    for (parse->index = 0; parse->index < op->nevents; parse->index++) {

        event = &op->events[parse->index];
        start = b->len;

        if (parse->array) {
            json = json_array_get(root, parse->index);

            if (dur_json_next(body, &pos, &text) != DUR_OK) {
                return NGX_ERROR;
            }
        }

        rc = ngx_http_durable_parse_event(parse, text, json, event);

        if (rc != NGX_OK) {
            return rc;
        }

        if (b->failed) {
            return NGX_ERROR;
        }

        event->json.len = b->len - start;
        parse->ctx->ids[parse->index] = event->id;
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


/* Appends the event as it is stored. */

static ngx_int_t
ngx_http_durable_parse_event(ngx_http_durable_parse_t *parse, dur_str_t text,
    json_t *json, dur_op_event_t *event)
{
    size_t                      max;
    ngx_http_durable_members_t  members;

    max = parse->ctx->conf->durable.event_max_size;

    if (!json_is_object(json)) {
        return ngx_http_durable_parse_failed(parse, "it must be an object");
    }

    if (text.len > max) {
        return ngx_http_durable_parse_failed(parse,
                                             "it is larger than %uz bytes",
                                             max);
    }

    ngx_memzero(&members, sizeof(ngx_http_durable_members_t));

    if (ngx_http_durable_parse_members(parse, json, event, &members)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (ngx_http_durable_parse_id(parse, event) != NGX_OK) {
        return NGX_ERROR;
    }

    parse->text = text;

    ngx_http_durable_write_event(parse, &members, event);

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_parse_members(ngx_http_durable_parse_t *parse, json_t *json,
    dur_op_event_t *event, ngx_http_durable_members_t *members)
{
    if (parse->invoke) {
        event->name = dur_str("inngest/function.invoked");

    } else if (ngx_http_durable_parse_name(parse, json, event) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (ngx_http_durable_parse_object(parse, json, "data", &members->data)
        != NGX_OK
        || ngx_http_durable_parse_object(parse, json, "user", &members->user)
           != NGX_OK
        || ngx_http_durable_parse_object(parse, json, "meta", &members->meta)
           != NGX_OK
        || ngx_http_durable_parse_string(parse, json, "id", &event->client_id)
           != NGX_OK
        || ngx_http_durable_parse_string(parse, json, "v", &members->v)
           != NGX_OK
        || ngx_http_durable_parse_ts(parse, json, event) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (members->data && json_object_del(members->data, "_inngest") == 0) {
        members->stripped = 1;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_parse_id(ngx_http_durable_parse_t *parse,
    dur_op_event_t *event)
{
    if (parse->ctx->seeded) {
        dur_ulid_from_seed(&event->id, parse->seed_ms, parse->seed,
                           parse->invoke ? 0 : parse->index + 1);
        return NGX_OK;
    }

    return ngx_http_durable_ulid(parse->scratch, parse->now, &event->id);
}


/* Its keys in JCS order; the flag says whether all of it is canonical. */

static void
ngx_http_durable_write_event(ngx_http_durable_parse_t *parse,
    ngx_http_durable_members_t *members, dur_op_event_t *event)
{
    char        id[DUR_ULID_TEXT_LEN + 1];
    dur_buf_t  *b;

    b = &parse->scratch->text;

    event->flags = DUR_EVENT_F_CANONICAL;

    dur_buf_addz(b, "{\"data\":");

    if (!members->stripped) {
        ngx_http_durable_write_member(parse, "data", members->data, event);

    } else if (dur_json_write(b, members->data) != DUR_OK) {
        b->failed = 1;
    }

    dur_buf_addz(b, ",\"id\":");

    if (event->client_id.len) {
        dur_json_write_string(b, event->client_id);

    } else {
        dur_ulid_text(&event->id, id);
        dur_buf_addf(b, "\"%s\"", id);
    }

    if (members->meta) {
        dur_buf_addz(b, ",\"meta\":");
        ngx_http_durable_write_member(parse, "meta", members->meta, event);
    }

    dur_buf_addz(b, ",\"name\":");
    dur_json_write_string(b, event->name);
    dur_buf_addf(b, ",\"ts\":%lld,\"user\":", (long long) event->ts);
    ngx_http_durable_write_member(parse, "user", members->user, event);

    if (members->v.len) {
        dur_buf_addz(b, ",\"v\":");
        dur_json_write_string(b, members->v);
    }

    dur_buf_addz(b, "}");
}


/* As it was received; takes the flag away when that is not canonical. */

static void
ngx_http_durable_write_member(ngx_http_durable_parse_t *parse,
    const char *key, json_t *value, dur_op_event_t *event)
{
    dur_str_t   text;
    dur_buf_t  *b, *canonical;

    b = &parse->scratch->text;

    if (value == NULL) {
        dur_buf_addz(b, "{}");
        return;
    }

    if (dur_json_member(parse->text, dur_str_c(key), &text) != DUR_OK) {
        b->failed = 1;
        return;
    }

    dur_buf_adds(b, text);

    canonical = &parse->scratch->canonical;
    dur_buf_reset(canonical);

    if (dur_json_write(canonical, value) != DUR_OK
        || !dur_str_eq(dur_buf_str(canonical), text))
    {
        event->flags = 0;
    }
}
