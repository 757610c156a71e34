
/*
 * Copyright (C) the nginx-durable authors
 */


#include "ngx_http_durable.h"


static ngx_int_t ngx_http_durable_too_large(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static void ngx_http_durable_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_durable_count_filter(ngx_http_request_t *r,
    ngx_chain_t *in);


static ngx_http_request_body_filter_pt  ngx_http_next_request_body_filter;


/*
 * Reads the body, at most `limit` bytes of it, and calls the handler, whose
 * return code finalizes the request.  A length that is known is looked at
 * before a byte is read; without one the filter below counts.
 */

ngx_int_t
ngx_http_durable_read_body(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    off_t limit, ngx_http_durable_handler_pt handler)
{
    ngx_int_t  rc;

    ctx->limit = limit;
    ctx->read = handler;

    if (r->headers_in.content_length_n > limit) {
        return ngx_http_durable_too_large(r, ctx);
    }

    ctx->reading = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_durable_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_http_durable_too_large(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx)
{
    ngx_int_t  rc;

    r->expect_tested = 1;
    r->keepalive = 0;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_durable_error(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                  "the request body is larger than %O bytes",
                                  ctx->limit);
}


static void
ngx_http_durable_body_handler(ngx_http_request_t *r)
{
    ngx_http_durable_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_durable_module);

    ctx->reading = 0;

    ngx_http_finalize_request(r, ctx->read(r, ctx));
}


/*
 * The body in one piece: where nginx read it when it is one buffer, otherwise
 * in the scratch buffer, valid until the next request is handled.
 */

ngx_int_t
ngx_http_durable_body(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    dur_str_t *body)
{
    size_t        size;
    ssize_t       n;
    ngx_buf_t    *b;
    dur_buf_t    *scratch;
    ngx_chain_t  *cl;

    *body = dur_str_null;

    if (r->request_body == NULL || r->request_body->bufs == NULL) {
        return NGX_OK;
    }

    cl = r->request_body->bufs;

    if (cl->next == NULL && !cl->buf->in_file) {
        *body = dur_str_make(cl->buf->pos, cl->buf->last - cl->buf->pos);
        return NGX_OK;
    }

    scratch = &ctx->conf->scratch.body;
    dur_buf_reset(scratch);

    for ( /* void */ ; cl; cl = cl->next) {

        b = cl->buf;

        if (!b->in_file) {
            dur_buf_add(scratch, b->pos, b->last - b->pos);
            continue;
        }

        size = b->file_last - b->file_pos;

        if (dur_buf_reserve(scratch, size) != DUR_OK) {
            return NGX_ERROR;
        }

        n = ngx_read_file(b->file, scratch->data + scratch->len, size,
                          b->file_pos);

        if (n != (ssize_t) size) {
            return NGX_ERROR;
        }

        scratch->len += size;
    }

    if (scratch->failed) {
        return NGX_ERROR;
    }

    *body = dur_buf_str(scratch);

    return NGX_OK;
}


/* A chunked body has no length to look at: it is counted on its way in. */

static ngx_int_t
ngx_http_durable_count_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_chain_t             *cl;
    ngx_http_durable_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_durable_module);

    if (ctx == NULL || !ctx->reading) {
        return ngx_http_next_request_body_filter(r, in);
    }

    for (cl = in; cl; cl = cl->next) {
        ctx->received += cl->buf->last - cl->buf->pos;
    }

    if (ctx->received > ctx->limit) {
        ctx->reading = 0;
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }

    return ngx_http_next_request_body_filter(r, in);
}


ngx_int_t
ngx_http_durable_body_filter_init(ngx_conf_t *cf)
{
    ngx_http_next_request_body_filter = ngx_http_top_request_body_filter;
    ngx_http_top_request_body_filter = ngx_http_durable_count_filter;

    return NGX_OK;
}
