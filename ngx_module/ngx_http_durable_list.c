
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


typedef struct {
    const char                  *name;
    const char                  *member;    /* of the filter */
    ngx_uint_t                   form;
} ngx_http_durable_filter_arg_t;


static ngx_int_t ngx_http_durable_list_found(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_query_page_t *page);
static ngx_int_t ngx_http_durable_list_args(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_query_list_t *want, dur_ulid_t *cursor);
static ngx_int_t ngx_http_durable_list_data(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_query_shape_t *shape);
static ngx_int_t ngx_http_durable_list_filter(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const ngx_http_durable_filter_arg_t *args,
    dur_filter_want_t *filter);
static ngx_int_t ngx_http_durable_bad_args(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_int_t rc);
static ngx_int_t ngx_http_durable_arg_text(ngx_http_request_t *r,
    const char *name, ngx_uint_t form, dur_str_t *value);
static ngx_int_t ngx_http_durable_functions(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t app, ngx_uint_t envelope);


static const ngx_http_durable_filter_arg_t  ngx_http_durable_run_args[] = {
    { "status",          "status",   0 },
    { "app",             "app",      0 },
    { "function",        "function", 0 },
    { "event",           "event",    0 },
    { "id",              "id",       0 },
    { "q",               "q",        1 },
    { "after",           "after",    0 },
    { "before",          "before",   0 },
    { NULL,              NULL,       0 }
};


static const ngx_http_durable_filter_arg_t  ngx_http_durable_event_args[] = {
    { "name",            "event",    0 },
    { "id",              "id",       0 },
    { "q",               "q",        1 },
    { "received_after",  "after",    0 },
    { "received_before", "before",   0 },
    { NULL,              NULL,       0 }
};


/* GET /v1/events?limit=&cursor=&received_after=&received_before=&name=&.. */

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
        n = ngx_http_durable_list_filter(r, ctx, ngx_http_durable_event_args,
                                         &want.filter);
    }

    if (n == NGX_OK) {
        n = ngx_http_durable_list_data(r, ctx, &want.shape);
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

    return ngx_http_durable_list_found(r, ctx, rc, &page);
}


/* ?data=short: without what is large. */

static ngx_int_t
ngx_http_durable_list_data(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    dur_query_shape_t *shape)
{
    ngx_str_t  value;

    if (ngx_http_durable_arg(r, "data", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.len == 0) {
        return NGX_OK;
    }

    if (value.len != 5 || ngx_strncmp(value.data, "short", 5) != 0) {
        ngx_str_set(&ctx->error, "data must be \"short\", or be left out");
        return NGX_DECLINED;
    }

    *shape = DUR_QUERY_LIST;

    return NGX_OK;
}


/* GET /v1/runs?limit=&cursor=&after=&before=&status=&app=&function=&.. */

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
    dur_rc_t            rc;
    ngx_int_t           n;
    dur_ulid_t          cursor;
    dur_store_t        *store;
    dur_query_page_t    page;
    dur_filter_want_t   named;

    named = want->filter;

    n = ngx_http_durable_list_args(r, ctx, want, &cursor);

    if (n == NGX_OK) {
        n = ngx_http_durable_list_filter(r, ctx, ngx_http_durable_run_args,
                                         &want->filter);
    }

    if (n != NGX_OK) {
        return ngx_http_durable_bad_args(r, ctx, n);
    }

    if (named.app.len) {
        want->filter.app = named.app;
        want->filter.function = named.function.len ? named.function
                                                   : want->filter.function;
    }

    want->filter.connector = named.connector;

    store = ngx_durable_store();

    if (store == NULL) {
        return ngx_http_durable_unavailable(r);
    }

    rc = dur_query_runs(store, want, &page, ngx_http_durable_answer(ctx, 1));

    return ngx_http_durable_list_found(r, ctx, rc, &page);
}


static ngx_int_t
ngx_http_durable_list_found(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_query_page_t *page)
{
    if (rc == DUR_ENOTFOUND) {
        return ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND, "%s",
                                      page->error);
    }

    if (rc == DUR_EINVAL) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST, "%s",
                                      page->error);
    }

    return ngx_http_durable_found(r, ctx, rc, page, 1);
}


/* NGX_DECLINED: ctx->error is the sentence of a 400. */

static ngx_int_t
ngx_http_durable_list_args(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    dur_query_list_t *want, dur_ulid_t *cursor)
{
    ngx_int_t    n;
    ngx_str_t    value;
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    want->limit = NGX_HTTP_DURABLE_LIMIT;
    want->now_ms = (int64_t) tp->sec * 1000 + tp->msec;

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


/* The arguments that are there; NGX_DECLINED likewise. */

static ngx_int_t
ngx_http_durable_list_filter(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const ngx_http_durable_filter_arg_t *args,
    dur_filter_want_t *filter)
{
    u_char     *p;
    char        err[160];
    dur_str_t   value;

    dur_filter_init(filter);

    for ( ; args->name; args++) {

        if (ngx_http_durable_arg_text(r, args->name, args->form, &value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (dur_filter_set(filter, args->member, value, err) == DUR_OK) {
            continue;
        }

        /* a sentence begins with the member that is wrong */

        p = ngx_pnalloc(r->pool, ngx_strlen(args->name) + sizeof(err));
        if (p == NULL) {
            return NGX_ERROR;
        }

        ctx->error.data = p;
        ctx->error.len = ngx_sprintf(p, "%s%s", args->name,
                                     err + ngx_strlen(args->member))
                         - p;

        return NGX_DECLINED;
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
    dur_str_t  text;

    if (ngx_http_durable_arg_text(r, name, 0, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    value->len = text.len;
    value->data = (u_char *) text.data;

    return NGX_OK;
}


/* `form`: a plus is a space, as forms write it. */

static ngx_int_t
ngx_http_durable_arg_text(ngx_http_request_t *r, const char *name,
    ngx_uint_t form, dur_str_t *value)
{
    u_char      *p;
    ngx_str_t    raw;
    ngx_uint_t   i;

    *value = dur_str_null;

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &raw) != NGX_OK
        || raw.len == 0)
    {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, raw.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->data = p;

    for (i = 0; i < raw.len; i++) {
        p[i] = (form && raw.data[i] == '+') ? ' ' : raw.data[i];
    }

    raw.data = p;
    ngx_unescape_uri(&p, &raw.data, raw.len, 0);

    value->len = p - value->data;

    return NGX_OK;
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

    if (ngx_http_durable_arg_text(r, "app", 0, &app) != NGX_OK) {
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
