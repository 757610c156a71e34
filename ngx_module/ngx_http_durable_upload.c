
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Events that are too large for one op: their text is made and submitted piece
 * by piece, each after the one before is durable, so that a request holds
 * little more than a piece whatever the size of its body.
 */


#include "ngx_http_durable.h"
#include "engine/dur_upload.h"


/* What is made in addition to a piece before that goes. */
#define NGX_HTTP_DURABLE_UPLOAD_MORE  (1024 * 1024)


static void ngx_http_durable_upload_cleanup(void *data);
static ngx_int_t ngx_http_durable_upload_next(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static void ngx_http_durable_upload_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);


/*
 * Uploads one event.  The caller fills id, write, done and data and keeps the
 * structure in the request's pool.  Answers as ngx_http_durable_submit() does;
 * when all of it is durable, `done` is called as a body handler is, and length
 * is what DUR_EVENT_F_UPLOADED wants to know.  It may upload another event.
 */

ngx_int_t
ngx_http_durable_upload(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    ngx_http_durable_upload_t *upload)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    dur_buf_init(&upload->text, DUR_UPLOAD_PIECE
                                + NGX_HTTP_DURABLE_UPLOAD_MORE);

    cln->handler = ngx_http_durable_upload_cleanup;
    cln->data = upload;

    upload->pieces = 0;
    upload->length = 0;
    upload->written = 0;

    ctx->upload = upload;

    return ngx_http_durable_upload_next(r, ctx);
}


static void
ngx_http_durable_upload_cleanup(void *data)
{
    ngx_http_durable_upload_t *upload = data;

    dur_buf_deinit(&upload->text);
}


static ngx_int_t
ngx_http_durable_upload_next(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    size_t                      size;
    dur_op_t                    op;
    ngx_int_t                   rc;
    dur_buf_t                  *text;
    ngx_http_durable_upload_t  *upload;

    upload = ctx->upload;
    text = &upload->text;

    while (!upload->written && text->len < DUR_UPLOAD_PIECE) {

        rc = upload->write(upload->data, text);

        if (rc == NGX_ERROR || text->failed) {
            return ngx_http_durable_error_rc(r, DUR_ENOMEM);
        }

        upload->written = (rc == NGX_DONE);
    }

    size = ngx_min(text->len, DUR_UPLOAD_PIECE);

    if (size == 0) {
        dur_buf_deinit(text);
        return upload->done(r, ctx);
    }

    if (upload->length + size > DUR_UPLOAD_MAX) {
        return ngx_http_durable_upload_refuse(r, ctx);
    }

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_UPLOAD;
    op.id = upload->id;
    op.item = upload->pieces;
    op.body = dur_str_make(text->data, size);

    rc = ngx_http_durable_submit(r, ctx, &op, ngx_http_durable_upload_reply);

    if (rc == NGX_DONE) {
        upload->pieces++;
        upload->length += size;

        text->len -= size;
        ngx_memmove(text->data, text->data + size, text->len);
    }

    return rc;
}


/* Best before anything of it is stored, when its size is known. */

ngx_int_t
ngx_http_durable_upload_refuse(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    if (ctx->delivery) {
        ngx_str_set(&ctx->delivery->outcome, "refused");
    }

    return ngx_http_durable_error(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                  "the event of this request is larger "
                                  "than %d bytes", DUR_UPLOAD_MAX);
}


static void
ngx_http_durable_upload_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply)
{
    ngx_int_t  n;

    if (rc == DUR_OK && reply->status == NGX_HTTP_OK) {
        n = ngx_http_durable_upload_next(r, ctx);

    } else {
        n = ngx_http_durable_reply(r, ctx, rc, reply);
    }

    ngx_http_finalize_request(r, n);
}
