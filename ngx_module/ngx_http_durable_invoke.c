
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * POST /invoke/{slug}, and the same below /v2: one function is started by name
 * (protocol 1.8).  The event is read like those of POST /e/{key}; which
 * function it is for, the engine knows.
 */


#include "ngx_http_durable.h"


static ngx_int_t ngx_http_durable_invoke_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_invoke_v2(ngx_http_request_t *r,
    dur_str_t *body);
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

    if (ctx->v2 && ngx_http_durable_invoke_v2(r, &body) != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_ENOMEM);
    }

    if (ctx->dashboard
        && ngx_http_durable_redacted(ctx, DUR_REDACT_EVENT, body))
    {
        return ngx_http_durable_redacted_error(r);
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


/* The idempotency key of the second API is the id of the event; what is no
 * object is refused by who reads it. */

static ngx_int_t
ngx_http_durable_invoke_v2(ngx_http_request_t *r, dur_str_t *body)
{
    u_char     *p, *last;
    dur_str_t   key, data;

    if (dur_json_member(*body, dur_str("idempotencyKey"), &key) != DUR_OK
        || key.len < 2 || key.data[0] != '"')
    {
        return NGX_OK;
    }

    if (dur_json_member(*body, dur_str("data"), &data) != DUR_OK) {
        data = dur_str("{}");
    }

    p = ngx_pnalloc(r->pool, sizeof("{\"id\":,\"data\":}") + key.len
                             + data.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    last = ngx_sprintf(p, "{\"id\":%*s,\"data\":%*s}", key.len, key.data,
                       data.len, data.data);

    *body = dur_str_make(p, last - p);

    return NGX_OK;
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
    dur_str_t   value;

    dur_ulid_text(&ctx->ids[0], id);

    if (ctx->v2) {
        b = ngx_http_durable_answer(ctx, 1);
        dur_buf_addf(b, "{\"eventId\":\"%s\",\"runId\":", id);

        if (dur_json_member(run, dur_str("run_id"), &value) != DUR_OK) {
            value = dur_str("null");
        }

        dur_buf_adds(b, value);
        dur_buf_addc(b, '}');

        return ngx_http_durable_found(r, ctx, DUR_OK, NULL, 1);
    }

    b = &ctx->conf->scratch.text;
    dur_buf_reset(b);

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
