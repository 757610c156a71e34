
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Routes, their deliveries, and deliveries that are sent again (docs/rest.md).
 * Reading is a query each; what acts is an op that acts once.
 */


#include "ngx_http_durable.h"


#define NGX_HTTP_DURABLE_REDELIVER_MAX  4096


static ngx_int_t ngx_http_durable_redeliver_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_redeliver_one(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_uint_t stop);


/* GET /v1/routes */

ngx_int_t
ngx_http_durable_routes_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_all(r, ctx, dur_query_routes);
}


/* GET /v1/routes/{connector}/deliveries?status=&after=&before=&cursor= */

ngx_int_t
ngx_http_durable_deliveries_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_query_list_t  want;

    if (ctx->args[0].len == 0) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "the name of the route is empty");
    }

    ngx_memzero(&want, sizeof(dur_query_list_t));

    want.shape = DUR_QUERY_DELIVERY;
    want.filter.connector = dur_str_make(ctx->args[0].data, ctx->args[0].len);

    return ngx_http_durable_list_runs(r, ctx, &want);
}


/* POST /v1/deliveries/{run}/redeliver */

ngx_int_t
ngx_http_durable_redeliver_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_redeliver_one(r, ctx, 0);
}


/* DELETE /v1/redeliveries/{id} */

ngx_int_t
ngx_http_durable_unredeliver_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_redeliver_one(r, ctx, 1);
}


static ngx_int_t
ngx_http_durable_redeliver_one(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_uint_t stop)
{
    dur_op_t  op;

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_REDELIVER;
    op.generation = stop;

    if (ngx_http_durable_id(r, ctx, &op.run) != NGX_OK) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "\"%V\" is not a ULID", &ctx->args[0]);
    }

    return ngx_http_durable_control_submit(r, ctx, &op,
                                           ngx_http_durable_control_reply);
}


/* POST /v1/routes/{connector}/redeliver */

ngx_int_t
ngx_http_durable_redeliver_many_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_read_body(r, ctx, NGX_HTTP_DURABLE_REDELIVER_MAX,
                                      ngx_http_durable_redeliver_body);
}


static ngx_int_t
ngx_http_durable_redeliver_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_op_t  op;

    if (ctx->args[0].len == 0) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "the name of the route is empty");
    }

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_REDELIVER;
    op.url = dur_str_make(ctx->args[0].data, ctx->args[0].len);

    if (ngx_http_durable_body(r, ctx, &op.body) != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    if (op.body.len == 0) {
        op.body = dur_str("{}");
    }

    return ngx_http_durable_control_submit(r, ctx, &op,
                                           ngx_http_durable_control_reply);
}


/* GET /v1/redeliveries */

ngx_int_t
ngx_http_durable_redeliveries_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_all(r, ctx, dur_query_redeliveries);
}


/* GET /v1/redeliveries/{id} */

ngx_int_t
ngx_http_durable_redelivery_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_by_id(r, ctx, "redelivery", 1,
                                  dur_query_redelivery);
}
