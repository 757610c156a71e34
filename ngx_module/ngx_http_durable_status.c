
/*
 * Copyright (C) the nginx-durable authors
 */


/* What the server says of itself: durable_status, GET /health, GET /dev. */


#include "ngx_http_durable.h"


static ngx_int_t ngx_http_durable_dev_body(ngx_http_durable_ctx_t *ctx,
    dur_buf_t *b);


/* The location of "durable_status"; not a part of the server's surface. */

ngx_int_t
ngx_http_durable_status_handler(ngx_http_request_t *r)
{
    dur_op_t                 op;
    ngx_int_t                rc;
    ngx_str_t                allow;
    ngx_http_durable_ctx_t  *ctx;

    ctx = ngx_http_durable_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {

        ngx_str_set(&allow, "GET, HEAD");

        if (ngx_http_durable_header(r, "Allow", &allow) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_durable_error(r, NGX_HTTP_NOT_ALLOWED,
                                      "%V is not allowed here, GET is",
                                      &r->method_name);
    }

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_STATUS;

    return ngx_http_durable_submit(r, ctx, &op, ngx_http_durable_reply_as_is);
}


/* GET /health */

ngx_int_t
ngx_http_durable_health_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    ngx_str_t  body;

    if (ngx_durable_reason()->len) {
        return ngx_http_durable_unavailable(r);
    }

    ngx_str_set(&body, "{\"status\":200,\"message\":\"OK\"}");

    return ngx_http_durable_send(r, NGX_HTTP_OK, &body);
}


/* GET /dev: SDKs look for a dev server here (protocol 2.4) */

ngx_int_t
ngx_http_durable_dev_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_buf_t  *b;
    ngx_str_t   body;

    if (!ctx->conf->durable.dev) {
        ngx_str_set(&body, "404 page not found" CRLF);
        return ngx_http_durable_send_text(r, NGX_HTTP_NOT_FOUND, &body);
    }

    b = &ctx->conf->scratch.text;

    if (ngx_http_durable_dev_body(ctx, b) != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_ENOMEM);
    }

    return ngx_http_durable_send_copy(r, NGX_HTTP_OK, dur_buf_str(b));
}


/* Without a store the lists are empty: the server is a dev server anyway. */

static ngx_int_t
ngx_http_durable_dev_body(ngx_http_durable_ctx_t *ctx, dur_buf_t *b)
{
    ngx_uint_t           events, signing;
    dur_store_t         *store;
    ngx_durable_conf_t  *conf;

    conf = &ctx->conf->durable;
    store = ngx_durable_store();

    events = conf->event_keys.nelts;
    signing = conf->signing_key.len;

    dur_buf_reset(b);

    dur_buf_addz(b, "{\"version\":\"" NGX_HTTP_DURABLE_VERSION "\","
                    "\"authed\":false,\"startOpts\":{},\"functions\":");

    if (store == NULL
        || dur_query_functions(store, dur_str_null, b) != DUR_OK)
    {
        dur_buf_addz(b, "[]");
    }

    dur_buf_addz(b, ",\"handlers\":");

    if (store == NULL || dur_query_apps(store, b) != DUR_OK) {
        dur_buf_addz(b, "[]");
    }

    dur_buf_addf(b, ",\"isSingleNodeService\":false,"
                    "\"isMissingSigningKey\":%s,\"isMissingEventKeys\":%s,"
                    "\"features\":{}}",
                 signing ? "false" : "true", events ? "false" : "true");

    return b->failed ? NGX_ERROR : NGX_OK;
}


/* POST /v0/telemetry: taken and thrown away */

ngx_int_t
ngx_http_durable_telemetry_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    ngx_str_t  body;

    ngx_str_set(&body, "{}");

    return ngx_http_durable_send(r, NGX_HTTP_OK, &body);
}
