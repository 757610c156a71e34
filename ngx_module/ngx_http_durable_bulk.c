
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Bulk jobs (docs/rest.md): begin one, look at how far it is, stop it.  What
 * they do is engine/dur_bulk.h.
 */


#include "ngx_http_durable.h"


#define NGX_HTTP_DURABLE_BULK_MAX  (16 * 1024)


static ngx_int_t ngx_http_durable_bulk_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);


/* POST /v1/bulk */

ngx_int_t
ngx_http_durable_bulk_begin_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_read_body(r, ctx, NGX_HTTP_DURABLE_BULK_MAX,
                                      ngx_http_durable_bulk_body);
}


static ngx_int_t
ngx_http_durable_bulk_body(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx)
{
    dur_op_t  op;

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_BULK;

    if (ngx_http_durable_body(r, ctx, &op.body) != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    return ngx_http_durable_control_submit(r, ctx, &op,
                                           ngx_http_durable_control_reply);
}


/* GET /v1/bulk */

ngx_int_t
ngx_http_durable_bulks_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_all(r, ctx, dur_query_bulks);
}


/* GET /v1/bulk/{id} */

ngx_int_t
ngx_http_durable_bulk_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_by_id(r, ctx, "bulk job", 1, dur_query_bulk);
}


/* DELETE /v1/bulk/{id} */

ngx_int_t
ngx_http_durable_bulk_stop_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_op_t  op;

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_BULK;
    op.generation = 1;

    if (ngx_http_durable_id(r, ctx, &op.run) != NGX_OK) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "\"%V\" is not a ULID", &ctx->args[0]);
    }

    return ngx_http_durable_control_submit(r, ctx, &op,
                                           ngx_http_durable_control_reply);
}
