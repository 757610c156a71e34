
/*
 * Copyright (C) the nginx-durable authors
 */


#include "ngx_http_durable.h"


static ngx_int_t ngx_http_durable_register_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);


/* POST /fn/register */

ngx_int_t
ngx_http_durable_register_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    ngx_int_t   rc;
    ngx_str_t  *kind;

    kind = ngx_http_durable_request_header(r, "x-inngest-expected-server-kind",
                                sizeof("x-inngest-expected-server-kind") - 1);

    if (kind != NULL && kind->len
        && (kind->len != ctx->conf->kind.len
            || ngx_strncasecmp(kind->data, ctx->conf->kind.data, kind->len)
               != 0))
    {
        rc = ngx_http_discard_request_body(r);

        if (rc != NGX_OK) {
            return rc;
        }

        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "Expected server kind %V, got %V",
                                      kind, &ctx->conf->kind);
    }

    return ngx_http_durable_read_body(r, ctx,
                                      ctx->conf->durable.request_max_size,
                                      ngx_http_durable_register_body);
}


static ngx_int_t
ngx_http_durable_register_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_op_t  op;

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_REGISTER;

    if (ngx_http_durable_body(r, ctx, &op.body) != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    if (op.body.len == 0) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "the request has no body: an app sends "
                                      "its functions here");
    }

    return ngx_http_durable_submit(r, ctx, &op, ngx_http_durable_reply_as_is);
}


/* DELETE /fn/remove?url= */

ngx_int_t
ngx_http_durable_remove_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_op_t   op;
    ngx_str_t  url;

    if (ngx_http_durable_arg(r, "url", &url) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (url.len == 0) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "the argument \"url\" is missing: it "
                                      "is the URL of the app to remove");
    }

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_REMOVE;
    op.url = dur_str_make(url.data, url.len);

    return ngx_http_durable_submit(r, ctx, &op, ngx_http_durable_reply_as_is);
}
