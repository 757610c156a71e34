
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Lists (protocol 8.1, docs/rest.md).  Each looks at a bounded number of rows;
 * the cursor in its metadata goes on from there.
 */


#include "ngx_http_durable.h"


#define NGX_HTTP_DURABLE_LIMIT      20
#define NGX_HTTP_DURABLE_LIMIT_MAX  51


static ngx_int_t ngx_http_durable_list_args(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_query_list_t *want, dur_ulid_t *cursor);
static ngx_int_t ngx_http_durable_list_statuses(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_query_list_t *want);
static ngx_int_t ngx_http_durable_bad_args(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_int_t rc);
static ngx_int_t ngx_http_durable_arg_str(ngx_http_request_t *r,
    const char *name, dur_str_t *value);
static ngx_int_t ngx_http_durable_arg_time(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const char *name, int64_t *ms);
static ngx_int_t ngx_http_durable_functions(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t app, ngx_uint_t envelope);


/* GET /v1/events?limit=&cursor=&received_after=&received_before=&name= */

ngx_int_t
ngx_http_durable_events_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_rc_t           rc;
    ngx_int_t          n;
    dur_ulid_t         cursor;
    dur_store_t       *store;
    dur_query_list_t   want;
    dur_query_page_t   page;

    ngx_memzero(&want, sizeof(dur_query_list_t));

    n = ngx_http_durable_list_args(r, ctx, &want, &cursor);

    if (n == NGX_OK) {
        n = ngx_http_durable_arg_time(r, ctx, "received_after",
                                      &want.after_ms);
    }

    if (n == NGX_OK) {
        n = ngx_http_durable_arg_time(r, ctx, "received_before",
                                      &want.before_ms);
    }

    if (n == NGX_OK) {
        n = ngx_http_durable_arg_str(r, "name", &want.name);
    }

    if (n != NGX_OK) {
        return ngx_http_durable_bad_args(r, ctx, n);
    }

    store = ngx_durable_store();

    if (store == NULL) {
        return ngx_http_durable_unavailable(r);
    }

    rc = dur_query_events(store, &want, &page,
                          ngx_http_durable_answer(ctx, 1));

    return ngx_http_durable_found(r, ctx, rc, &page, 1);
}


/* GET /v1/runs?limit=&cursor=&after=&before=&status=&app=&function= */

ngx_int_t
ngx_http_durable_runs_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_query_list_t  want;

    ngx_memzero(&want, sizeof(dur_query_list_t));

    want.shape = DUR_QUERY_LIST;

    return ngx_http_durable_list_runs(r, ctx, &want);
}


/* What `want` names already is not asked for. */

ngx_int_t
ngx_http_durable_list_runs(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    dur_query_list_t *want)
{
    dur_rc_t           rc;
    ngx_int_t          n;
    dur_ulid_t         cursor;
    dur_store_t       *store;
    dur_query_page_t   page;

    n = ngx_http_durable_list_args(r, ctx, want, &cursor);

    if (n == NGX_OK) {
        n = ngx_http_durable_arg_time(r, ctx, "after", &want->after_ms);
    }

    if (n == NGX_OK) {
        n = ngx_http_durable_arg_time(r, ctx, "before", &want->before_ms);
    }

    if (n == NGX_OK) {
        n = ngx_http_durable_list_statuses(r, ctx, want);
    }

    if (n == NGX_OK && want->app.len == 0) {
        n = ngx_http_durable_arg_str(r, "app", &want->app);
    }

    if (n == NGX_OK && want->function.len == 0) {
        n = ngx_http_durable_arg_str(r, "function", &want->function);
    }

    if (n != NGX_OK) {
        return ngx_http_durable_bad_args(r, ctx, n);
    }

    store = ngx_durable_store();

    if (store == NULL) {
        return ngx_http_durable_unavailable(r);
    }

    rc = dur_query_runs(store, want, &page, ngx_http_durable_answer(ctx, 1));

    if (rc == DUR_ENOTFOUND && want->connector.len) {
        return ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND,
                                      "there is no route \"%V\"",
                                      &ctx->args[0]);
    }

    if (rc == DUR_ENOTFOUND) {
        return ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND,
                                      "there is no such app or function");
    }

    return ngx_http_durable_found(r, ctx, rc, &page, 1);
}


/* NGX_DECLINED: ctx->error is the sentence of a 400. */

static ngx_int_t
ngx_http_durable_list_args(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    dur_query_list_t *want, dur_ulid_t *cursor)
{
    ngx_int_t  n;
    ngx_str_t  value;

    want->limit = NGX_HTTP_DURABLE_LIMIT;
    want->before_ms = INT64_MAX;

    if (ngx_http_durable_arg(r, "limit", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.len) {
        n = ngx_atoi(value.data, value.len);

        if (n == NGX_ERROR || n < 1 || n > NGX_HTTP_DURABLE_LIMIT_MAX) {
            ngx_str_set(&ctx->error, "limit must be a number from 1 to 51");
            return NGX_DECLINED;
        }

        want->limit = n;
    }

    if (ngx_http_durable_arg(r, "cursor", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.len == 0) {
        return NGX_OK;
    }

    if (dur_ulid_parse(dur_str_make(value.data, value.len), cursor)
        != DUR_OK)
    {
        ngx_str_set(&ctx->error, "cursor must be a ULID");
        return NGX_DECLINED;
    }

    want->cursor = cursor;

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_list_statuses(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_query_list_t *want)
{
    u_char      *p, *last, *comma;
    ngx_str_t    value;
    ngx_uint_t   bit;

    if (ngx_http_durable_arg(r, "status", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    last = value.data + value.len;

    for (p = value.data; p < last; p = comma + 1) {

        comma = ngx_strlchr(p, last, ',');

        if (comma == NULL) {
            comma = last;
        }

        bit = dur_query_status_mask(dur_str_make(p, comma - p));

        if (bit == 0) {
            ngx_str_set(&ctx->error, "status must be a list of Scheduled, "
                                     "Running, Completed, Failed, Cancelled "
                                     "and Skipped");
            return NGX_DECLINED;
        }

        want->statuses |= bit;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_bad_args(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    ngx_int_t rc)
{
    if (rc != NGX_DECLINED) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST, "%V", &ctx->error);
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
ngx_http_durable_arg_str(ngx_http_request_t *r, const char *name,
    dur_str_t *value)
{
    ngx_str_t  arg;

    if (ngx_http_durable_arg(r, name, &arg) != NGX_OK) {
        return NGX_ERROR;
    }

    *value = dur_str_make(arg.data, arg.len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_arg_time(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    const char *name, int64_t *ms)
{
    u_char     *p;
    ngx_str_t   value;

    if (ngx_http_durable_arg(r, name, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.len == 0
        || dur_rfc3339_parse(dur_str_make(value.data, value.len), ms)
           == DUR_OK)
    {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, ngx_strlen(name)
                             + sizeof(" must be an RFC 3339 time") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->error.data = p;
    ctx->error.len = ngx_sprintf(p, "%s must be an RFC 3339 time", name) - p;

    return NGX_DECLINED;
}


/* GET /v1/apps/{name}/functions: without an envelope (protocol 8.1) */

ngx_int_t
ngx_http_durable_app_functions_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    ngx_str_t  *app;

    app = &ctx->args[0];

    if (app->len == 0) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "the name of the app is empty");
    }

    return ngx_http_durable_functions(r, ctx,
                                      dur_str_make(app->data, app->len), 0);
}


/* GET /v1/functions?app= */

ngx_int_t
ngx_http_durable_functions_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_str_t  app;

    if (ngx_http_durable_arg_str(r, "app", &app) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_functions(r, ctx, app, 1);
}


static ngx_int_t
ngx_http_durable_functions(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    dur_str_t app, ngx_uint_t envelope)
{
    dur_rc_t      rc;
    ngx_str_t     name;
    dur_store_t  *store;

    store = ngx_durable_store();

    if (store == NULL) {
        return ngx_http_durable_unavailable(r);
    }

    rc = dur_query_functions(store, app,
                             ngx_http_durable_answer(ctx, envelope));

    if (rc == DUR_ENOTFOUND) {
        name.len = app.len;
        name.data = (u_char *) app.data;

        return ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND,
                                      "there is no app \"%V\"", &name);
    }

    return ngx_http_durable_found(r, ctx, rc, NULL, envelope);
}


/* GET /v1/apps */

ngx_int_t
ngx_http_durable_apps_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_store_t  *store;

    store = ngx_durable_store();

    if (store == NULL) {
        return ngx_http_durable_unavailable(r);
    }

    return ngx_http_durable_found(r, ctx,
                                  dur_query_apps(store,
                                            ngx_http_durable_answer(ctx, 1)),
                                  NULL, 1);
}
