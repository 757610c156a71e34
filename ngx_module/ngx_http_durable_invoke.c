
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * POST /invoke/{slug}: one function is started by name (protocol 1.8).  The
 * event is read like those of POST /e/{key}; which function it is for, the
 * engine knows.
 */


#include "ngx_http_durable.h"


static ngx_int_t ngx_http_durable_invoke_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static void ngx_http_durable_invoke_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);
static ngx_int_t ngx_http_durable_invoke_started(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t run);


ngx_int_t
ngx_http_durable_invoke_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_read_body(r, ctx,
                                      ctx->conf->durable.request_max_size,
                                      ngx_http_durable_invoke_body);
}


static ngx_int_t
ngx_http_durable_invoke_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_op_t    op;
    ngx_int_t   rc;
    dur_str_t   body;

    if (ngx_http_durable_body(r, ctx, &body) != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    rc = ngx_http_durable_invoke_parse(r, ctx, body, &op);

    if (rc == NGX_DECLINED) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST, "%V",
                                      &ctx->error);
    }

    if (rc != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_ENOMEM);
    }

    ctx->ids = ngx_pnalloc(r->pool, sizeof(dur_ulid_t));
    if (ctx->ids == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->ids[0] = op.id;
    op.url = dur_str_make(ctx->args[0].data, ctx->args[0].len);

    return ngx_http_durable_submit(r, ctx, &op, ngx_http_durable_invoke_reply);
}


static void
ngx_http_durable_invoke_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply)
{
    ngx_int_t  n;

    if (rc == DUR_OK && reply->status == NGX_HTTP_OK) {
        n = ngx_http_durable_invoke_started(r, ctx, reply->body);

    } else if (rc == DUR_OK
               && reply->status == NGX_HTTP_CONFLICT
               && ctx->seeded)
    {
        /* another event has the id: the seed is ignored, as for events */

        ctx->unseeded = 1;
        n = ngx_http_durable_invoke_body(r, ctx);

    } else {
        n = ngx_http_durable_reply(r, ctx, rc, reply);
    }

    ngx_http_finalize_request(r, n);
}


/* {"id":"<ulid>","run_id":"<ulid>","status":200}, of an object with run_id or
 * nothing */

static ngx_int_t
ngx_http_durable_invoke_started(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t run)
{
    char        id[DUR_ULID_TEXT_LEN + 1];
    dur_buf_t  *b;

    b = &ctx->conf->scratch.text;
    dur_buf_reset(b);

    dur_ulid_text(&ctx->ids[0], id);
    dur_buf_addf(b, "{\"id\":\"%s\",", id);

    if (run.len > sizeof("{}") - 1) {
        dur_buf_add(b, run.data + 1, run.len - (sizeof("{}") - 1));
        dur_buf_addz(b, ",");
    }

    dur_buf_addz(b, "\"status\":200}");

    if (b->failed) {
        return ngx_http_durable_error_rc(r, DUR_ENOMEM);
    }

    return ngx_http_durable_send_copy(r, NGX_HTTP_OK, dur_buf_str(b));
}
