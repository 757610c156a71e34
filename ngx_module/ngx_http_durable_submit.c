
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * A request that waits for an op: submitted, answered from the event loop when
 * the op is durable, orphaned when the client leaves first.
 */


#include "ngx_http_durable.h"

#include <sys/random.h>


static void ngx_http_durable_done(ngx_durable_op_t *op);
static void ngx_http_durable_submit_cleanup(void *data);


/*
 * NGX_DONE: the request waits and `reply` will be called; otherwise the
 * request was answered and the code finalizes it.
 */

ngx_int_t
ngx_http_durable_submit(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    dur_op_t *op, ngx_http_durable_reply_pt reply)
{
    dur_rc_t             rc;
    dur_buf_t           *b;
    ngx_http_cleanup_t  *cln;

    if (ngx_http_durable_entropy(&ctx->conf->scratch, op->entropy,
                                 sizeof(op->entropy))
        != NGX_OK)
    {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    b = &ctx->conf->scratch.op;
    dur_buf_reset(b);

    rc = dur_op_encode(op, b);

    if (rc != DUR_OK) {
        return ngx_http_durable_error_rc(r, rc);
    }

    if (!ctx->cleanup) {
        cln = ngx_http_cleanup_add(r, 0);
        if (cln == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        cln->handler = ngx_http_durable_submit_cleanup;
        cln->data = ctx;

        ctx->cleanup = 1;
    }

    ctx->op.done = ngx_http_durable_done;
    ctx->op.data = ctx;
    ctx->reply = reply;

    switch (ngx_durable_submit(&ctx->op, dur_buf_str(b))) {

    case NGX_OK:
        break;

    case NGX_BUSY:
        return ngx_http_durable_unavailable(r);

    default:
        return ngx_http_durable_error_rc(r, DUR_ENOMEM);
    }

    ctx->waiting = 1;

    r->main->count++;
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    return NGX_DONE;
}


static void
ngx_http_durable_submit_cleanup(void *data)
{
    ngx_http_durable_ctx_t *ctx = data;

    if (ctx->waiting) {
        ctx->waiting = 0;
        ngx_durable_orphan(&ctx->op);
    }
}


static void
ngx_http_durable_done(ngx_durable_op_t *op)
{
    ngx_connection_t        *c;
    ngx_http_request_t      *r;
    ngx_http_durable_ctx_t  *ctx;

    ctx = op->data;
    r = ctx->request;
    c = r->connection;

    ctx->waiting = 0;

    ngx_http_set_log_request(c->log, r);

    r->read_event_handler = ngx_http_block_reading;

    ctx->reply(r, ctx, op->rc, &op->reply);

    ngx_http_run_posted_requests(c);
}


/* Answers with what the engine said; the code finalizes the request. */

ngx_int_t
ngx_http_durable_reply(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    dur_rc_t rc, dur_reply_t *reply)
{
    ngx_str_t  text;

    /* what was refused with a sentence keeps it */

    if (rc != DUR_OK && (rc != DUR_EINVAL || reply->body.len == 0)) {
        return ngx_http_durable_error_rc(r, rc);
    }

    if (reply->status < NGX_HTTP_BAD_REQUEST || reply->body.len) {

        if (reply->status == NGX_HTTP_SERVICE_UNAVAILABLE) {
            ngx_str_set(&text, "1");

            if (ngx_http_durable_header(r, "Retry-After", &text) != NGX_OK) {
                return NGX_HTTP_INTERNAL_SERVER_ERROR;
            }
        }

        return ngx_http_durable_send_copy(r, reply->status, reply->body);
    }

    switch (reply->status) {

    case NGX_HTTP_NOT_FOUND:
        return ngx_http_durable_error_rc(r, DUR_ENOTFOUND);

    case NGX_HTTP_SERVICE_UNAVAILABLE:
    case NGX_HTTP_INSUFFICIENT_STORAGE:
        return ngx_http_durable_error_rc(r, DUR_EFULL);

    default:
        return ngx_http_durable_error(r, reply->status,
                                      "the request was refused");
    }
}


void
ngx_http_durable_reply_as_is(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply)
{
    ngx_http_finalize_request(r, ngx_http_durable_reply(r, ctx, rc, reply));
}


/* Random bytes, asked from the system a kilobyte at a time. */

ngx_int_t
ngx_http_durable_entropy(ngx_http_durable_scratch_t *s, u_char *p, size_t n)
{
    ssize_t  got;

    if (s->left < n) {

        /* up to 256 bytes come at once and whole */

        for (s->left = 0; s->left < sizeof(s->random); s->left += got) {

            got = getrandom(s->random + s->left,
                            ngx_min(sizeof(s->random) - s->left, 256), 0);

            if (got <= 0) {
                ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                              "getrandom() failed");
                s->left = 0;
                return NGX_ERROR;
            }
        }
    }

    s->left -= n;
    ngx_memcpy(p, s->random + s->left, n);

    return NGX_OK;
}


/* Ids of one worker grow, also within a millisecond and when the clock went
 * back. */

ngx_int_t
ngx_http_durable_ulid(ngx_http_durable_scratch_t *s, uint64_t ms,
    dur_ulid_t *id)
{
    u_char      entropy[10];
    ngx_uint_t  i;

    if (ms > dur_ulid_ms(&s->last)) {

        if (ngx_http_durable_entropy(s, entropy, sizeof(entropy)) != NGX_OK) {
            return NGX_ERROR;
        }

        dur_ulid_make(&s->last, ms, entropy);

    } else {

        for (i = DUR_ULID_LEN; i > 0; i--) {
            if (++s->last.b[i - 1] != 0) {
                break;
            }
        }
    }

    *id = s->last;

    return NGX_OK;
}
