
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * durable_metrics: the figures of the leader as Prometheus reads them,
 * whichever worker is asked.
 */


#include "ngx_http_durable.h"


static void ngx_http_durable_metrics_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);
static ngx_uint_t ngx_http_durable_metrics_open(ngx_http_request_t *r);


static ngx_str_t  ngx_http_durable_metrics_text =
    ngx_string("text/plain; version=0.0.4; charset=utf-8");
static ngx_str_t  ngx_http_durable_metrics_openmetrics =
    ngx_string("application/openmetrics-text; version=1.0.0; charset=utf-8");


/* The location of "durable_metrics". */

ngx_int_t
ngx_http_durable_metrics_handler(ngx_http_request_t *r)
{
    dur_op_t                 op;
    ngx_int_t                rc;
    ngx_str_t                allow;
    ngx_http_durable_ctx_t  *ctx;

    ctx = ngx_http_durable_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->comment = 1;

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
    op.budget = ngx_http_durable_metrics_open(r) ? DUR_OP_FORM_OPENMETRICS
                                                 : DUR_OP_FORM_PROMETHEUS;

    return ngx_http_durable_submit(r, ctx, &op,
                                   ngx_http_durable_metrics_reply);
}


static ngx_uint_t
ngx_http_durable_metrics_open(ngx_http_request_t *r)
{
    ngx_str_t  *accept;

    accept = ngx_http_durable_request_header(r, "accept",
                                             sizeof("accept") - 1);

    return accept != NULL
           && ngx_strlcasestrn(accept->data, accept->data + accept->len,
                               (u_char *) "application/openmetrics-text",
                               sizeof("application/openmetrics-text") - 2)
              != NULL;
}


static void
ngx_http_durable_metrics_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply)
{
    ngx_int_t          n;
    ngx_str_t          copy, *type;
    ngx_uint_t         open;
    dur_exposition_t   x;

    if (rc == DUR_OK && (reply->body.len == 0 || reply->body.data[0] != '#')) {

        /* a leader of another version that knows durable_status only */

        rc = DUR_EBUSY;
    }

    if (rc != DUR_OK) {
        n = (rc == DUR_EBUSY)
            ? ngx_http_durable_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                     "no worker leads now")
            : ngx_http_durable_error_rc(r, rc);

        ngx_http_finalize_request(r, n);
        return;
    }

    open = ngx_http_durable_metrics_open(r);

    dur_buf_reset(&ctx->conf->scratch.text);
    dur_exposition_init(&x, &ctx->conf->scratch.text, open);

    dur_buf_adds(x.out, reply->body);
    ngx_http_durable_tally_write(ctx->conf, &x);
    ngx_durable_realtime_metrics(&x);
    dur_exposition_end(&x);

    if (x.out->failed
        || ngx_http_durable_relay_copy(r, dur_buf_str(x.out), &copy)
           != NGX_OK)
    {
        ngx_http_finalize_request(r, ngx_http_durable_error_rc(r,
                                                               DUR_ENOMEM));
        return;
    }

    type = open ? &ngx_http_durable_metrics_openmetrics
                : &ngx_http_durable_metrics_text;

    ngx_http_finalize_request(r,
        ngx_http_durable_send_typed(r, NGX_HTTP_OK, type, &copy));
}
