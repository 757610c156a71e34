
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * What can be read (protocol 2.4, 4.7, 8.1): a short read transaction each,
 * its JSON in the scratch buffer, and the envelope around it.
 */


#include "ngx_http_durable.h"


#define NGX_HTTP_DURABLE_GONE       410
#define NGX_HTTP_DURABLE_LIMIT      20
#define NGX_HTTP_DURABLE_LIMIT_MAX  51


typedef dur_rc_t (*ngx_http_durable_query_pt)(dur_store_t *s,
    const dur_ulid_t *id, dur_buf_t *out);


static ngx_int_t ngx_http_durable_by_id(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const char *what, ngx_uint_t envelope,
    ngx_http_durable_query_pt query);
static ngx_int_t ngx_http_durable_id(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_ulid_t *id);
static void ngx_http_durable_envelope_end(dur_buf_t *b);
static ngx_int_t ngx_http_durable_found(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, ngx_uint_t envelope);
static ngx_int_t ngx_http_durable_arg_time(ngx_http_request_t *r,
    const char *name, int64_t *ms);
static ngx_int_t ngx_http_durable_cancel(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_http_durable_reply_pt reply);
static void ngx_http_durable_cancel_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);


static ngx_str_t  ngx_http_durable_short_cache =
    ngx_string("private, max-age=15");


/* GET /v0/runs/{id}/batch */

ngx_int_t
ngx_http_durable_batch_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_by_id(r, ctx, NULL, 0, dur_query_batch);
}


/* GET /v0/runs/{id}/actions */

ngx_int_t
ngx_http_durable_actions_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_by_id(r, ctx, NULL, 0, dur_query_actions);
}


/* GET /v1/events/{id} */

ngx_int_t
ngx_http_durable_one_event_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_by_id(r, ctx, "event", 1, dur_query_event);
}


/* GET /v1/events/{id}/runs */

ngx_int_t
ngx_http_durable_event_runs_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    if (ngx_http_durable_header(r, "Cache-Control",
                                &ngx_http_durable_short_cache)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_by_id(r, ctx, "event", 1, dur_query_event_runs);
}


/* GET /v1/runs/{id} */

ngx_int_t
ngx_http_durable_run_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_by_id(r, ctx, "run", 1, dur_query_run);
}


/* GET /v1/runs/{id}/history */

ngx_int_t
ngx_http_durable_history_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_by_id(r, ctx, "run", 1, dur_query_history);
}


/* `what` is what a 404 names; without it a run that is gone is a 410. */

static ngx_int_t
ngx_http_durable_by_id(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    const char *what, ngx_uint_t envelope, ngx_http_durable_query_pt query)
{
    dur_rc_t      rc;
    dur_buf_t    *b;
    dur_ulid_t    id;
    dur_store_t  *store;

    if (ngx_http_durable_id(r, ctx, &id) != NGX_OK) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "\"%V\" is not a ULID", &ctx->args[0]);
    }

    store = ngx_durable_store();

    if (store == NULL) {
        return ngx_http_durable_unavailable(r);
    }

    b = &ctx->conf->scratch.text;
    dur_buf_reset(b);

    if (envelope) {
        dur_buf_addz(b, "{\"data\":");
    }

    rc = query(store, &id, b);

    if (rc != DUR_ENOTFOUND) {
        return ngx_http_durable_found(r, ctx, rc, envelope);
    }

    if (what == NULL) {
        return ngx_http_durable_error(r, NGX_HTTP_DURABLE_GONE,
                                      "the run %V is gone or never was",
                                      &ctx->args[0]);
    }

    return ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND,
                                  "there is no %s %V", what, &ctx->args[0]);
}


static ngx_int_t
ngx_http_durable_id(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    dur_ulid_t *id)
{
    if (dur_ulid_parse(dur_str_make(ctx->args[0].data, ctx->args[0].len), id)
        != DUR_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_found(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    dur_rc_t rc, ngx_uint_t envelope)
{
    dur_buf_t  *b;

    b = &ctx->conf->scratch.text;

    if (rc != DUR_OK) {
        return ngx_http_durable_error_rc(r, rc);
    }

    if (envelope) {
        ngx_http_durable_envelope_end(b);
    }

    if (b->failed) {
        return ngx_http_durable_error_rc(r, DUR_ENOMEM);
    }

    return ngx_http_durable_send_copy(r, NGX_HTTP_OK, dur_buf_str(b));
}


static void
ngx_http_durable_envelope_end(dur_buf_t *b)
{
    char        text[32];
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    dur_rfc3339_text((int64_t) tp->sec * 1000 + tp->msec, text);

    dur_buf_addf(b, ",\"metadata\":{\"fetched_at\":\"%s\"}}", text);
}


/* GET /v1/events?limit=&cursor=&received_after=&received_before=&name= */

ngx_int_t
ngx_http_durable_events_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_buf_t           *b;
    ngx_int_t            n;
    ngx_str_t            value;
    dur_ulid_t           cursor;
    dur_store_t         *store;
    dur_query_events_t   query;

    ngx_memzero(&query, sizeof(dur_query_events_t));

    query.limit = NGX_HTTP_DURABLE_LIMIT;
    query.before_ms = INT64_MAX;

    if (ngx_http_durable_arg(r, "limit", &value) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (value.len) {
        n = ngx_atoi(value.data, value.len);

        if (n == NGX_ERROR || n < 1 || n > NGX_HTTP_DURABLE_LIMIT_MAX) {
            return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                          "limit must be a number from 1 to "
                                          "%d", NGX_HTTP_DURABLE_LIMIT_MAX);
        }

        query.limit = n;
    }

    if (ngx_http_durable_arg(r, "cursor", &value) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (value.len) {
        if (dur_ulid_parse(dur_str_make(value.data, value.len), &cursor)
            != DUR_OK)
        {
            return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                          "cursor must be a ULID");
        }

        query.cursor = &cursor;
    }

    if (ngx_http_durable_arg_time(r, "received_after", &query.after_ms)
        != NGX_OK)
    {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "received_after must be an RFC 3339 "
                                      "time");
    }

    if (ngx_http_durable_arg_time(r, "received_before", &query.before_ms)
        != NGX_OK)
    {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "received_before must be an RFC 3339 "
                                      "time");
    }

    if (ngx_http_durable_arg(r, "name", &value) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    query.name = dur_str_make(value.data, value.len);

    store = ngx_durable_store();

    if (store == NULL) {
        return ngx_http_durable_unavailable(r);
    }

    b = &ctx->conf->scratch.text;
    dur_buf_reset(b);

    dur_buf_addz(b, "{\"data\":");

    return ngx_http_durable_found(r, ctx, dur_query_events(store, &query, b),
                                  1);
}


/* The value of an argument, decoded; empty when it is not there. */

ngx_int_t
ngx_http_durable_arg(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    u_char     *dst, *src;
    ngx_str_t   raw;

    ngx_str_null(value);

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &raw) != NGX_OK
        || raw.len == 0)
    {
        return NGX_OK;
    }

    value->data = ngx_pnalloc(r->pool, raw.len);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    dst = value->data;
    src = raw.data;

    ngx_unescape_uri(&dst, &src, raw.len, 0);

    value->len = dst - value->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_arg_time(ngx_http_request_t *r, const char *name,
    int64_t *ms)
{
    ngx_str_t  value;

    if (ngx_http_durable_arg(r, name, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.len == 0) {
        return NGX_OK;
    }

    if (dur_rfc3339_parse(dur_str_make(value.data, value.len), ms) != DUR_OK) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* GET /v1/apps/{name}/functions */

ngx_int_t
ngx_http_durable_functions_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_rc_t      rc;
    dur_buf_t    *b;
    ngx_str_t    *app;
    dur_store_t  *store;

    app = &ctx->args[0];

    if (app->len == 0) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "the name of the app is empty");
    }

    store = ngx_durable_store();

    if (store == NULL) {
        return ngx_http_durable_unavailable(r);
    }

    b = &ctx->conf->scratch.text;
    dur_buf_reset(b);

    rc = dur_query_functions(store, dur_str_make(app->data, app->len), b);

    if (rc == DUR_ENOTFOUND) {
        return ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND,
                                      "there is no app \"%V\"", app);
    }

    return ngx_http_durable_found(r, ctx, rc, 0);
}


/* DELETE /v1/runs/{id} */

ngx_int_t
ngx_http_durable_cancel_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_cancel(r, ctx, ngx_http_durable_reply_as_is);
}


/* DELETE /v0/runs/{id}: the same, but success is a 204 */

ngx_int_t
ngx_http_durable_cancel_v0_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_cancel(r, ctx, ngx_http_durable_cancel_reply);
}


static ngx_int_t
ngx_http_durable_cancel(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    ngx_http_durable_reply_pt reply)
{
    dur_op_t  op;

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_CANCEL;

    if (ngx_http_durable_id(r, ctx, &op.run) != NGX_OK) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "\"%V\" is not a ULID", &ctx->args[0]);
    }

    return ngx_http_durable_submit(r, ctx, &op, reply);
}


static void
ngx_http_durable_cancel_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply)
{
    dur_reply_t  answer;

    answer = *reply;

    if (rc == DUR_OK && answer.flags & DUR_REPLY_F_ENDED) {
        ngx_http_finalize_request(r,
            ngx_http_durable_error(r, NGX_HTTP_CONFLICT,
                                   "the run has ended already"));
        return;
    }

    if (rc == DUR_OK && answer.status == NGX_HTTP_OK) {
        answer.status = NGX_HTTP_NO_CONTENT;
        answer.body = dur_str_null;
    }

    ngx_http_durable_reply_as_is(r, ctx, rc, &answer);
}
