
/*
 * Copyright (C) the nginx-durable authors
 */


/* What waits: GET /v1/queue, GET /v1/functions/{slug}/queue. */


#include "ngx_http_durable.h"
#include "engine/dur_query_queue.h"


#define NGX_HTTP_DURABLE_QUEUE_APPS  20
#define NGX_HTTP_DURABLE_QUEUE_MAX   51


static ngx_int_t ngx_http_durable_queue_number(ngx_http_request_t *r,
    const char *name, ngx_int_t most, ngx_int_t *value);
static int64_t ngx_http_durable_queue_now(void);


/* GET /v1/queue?limit=&cursor= */

ngx_int_t
ngx_http_durable_queue_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_rc_t            rc;
    ngx_int_t           n, limit, cursor;
    dur_store_t        *store;
    dur_query_queue_t   want;

    limit = NGX_HTTP_DURABLE_QUEUE_APPS;
    cursor = 0;

    n = ngx_http_durable_queue_number(r, "limit", NGX_HTTP_DURABLE_QUEUE_MAX,
                                      &limit);

    if (n == NGX_DECLINED) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "limit must be a number from 1 to %d",
                                      NGX_HTTP_DURABLE_QUEUE_MAX);
    }

    if (n == NGX_OK) {
        n = ngx_http_durable_queue_number(r, "cursor", NGX_MAX_INT32_VALUE,
                                          &cursor);
    }

    if (n == NGX_DECLINED) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "cursor must be one that an answer "
                                      "had");
    }

    if (n != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    store = ngx_durable_store();

    if (store == NULL) {
        return ngx_http_durable_unavailable(r);
    }

    want.limit = limit;
    want.cursor = (uint32_t) cursor;
    want.now = ngx_http_durable_queue_now();

    rc = dur_query_queue(store, &want, ngx_http_durable_answer(ctx, 1));

    return ngx_http_durable_found(r, ctx, rc, NULL, 1);
}


/* An argument that is a number from 1 on; left alone without it. */

static ngx_int_t
ngx_http_durable_queue_number(ngx_http_request_t *r, const char *name,
    ngx_int_t most, ngx_int_t *value)
{
    ngx_int_t  n;
    ngx_str_t  arg;

    if (ngx_http_durable_arg(r, name, &arg) != NGX_OK) {
        return NGX_ERROR;
    }

    if (arg.len == 0) {
        return NGX_OK;
    }

    n = ngx_atoi(arg.data, arg.len);

    if (n == NGX_ERROR || n < 1 || n > most) {
        return NGX_DECLINED;
    }

    *value = n;

    return NGX_OK;
}


static int64_t
ngx_http_durable_queue_now(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (int64_t) tp->sec * 1000 + tp->msec;
}


/* GET /v1/functions/{slug}/queue */

ngx_int_t
ngx_http_durable_function_queue_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_rc_t      rc;
    dur_str_t     slug;
    dur_store_t  *store;

    store = ngx_durable_store();

    if (store == NULL) {
        return ngx_http_durable_unavailable(r);
    }

    slug = dur_str_make(ctx->args[0].data, ctx->args[0].len);

    rc = dur_query_function_queue(store, slug, ngx_http_durable_queue_now(),
                                  ngx_http_durable_answer(ctx, 1));

    if (rc == DUR_ENOTFOUND) {
        return ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND,
                                      "there is no function \"%V\"",
                                      &ctx->args[0]);
    }

    return ngx_http_durable_found(r, ctx, rc, NULL, 1);
}
