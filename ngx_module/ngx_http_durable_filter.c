
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Every response of our locations, whoever made it, tells the kind of the
 * server and may be read by browsers; an error page of nginx itself becomes
 * the error body of the protocol.
 */


#include "ngx_http_durable_dashboard.h"


typedef struct {
    ngx_uint_t   status;
    const char  *text;
    ngx_uint_t   retry;
} ngx_http_durable_page_t;


static ngx_int_t ngx_http_durable_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_durable_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_durable_mark(ngx_http_request_t *r);
static ngx_int_t ngx_http_durable_replace(ngx_http_request_t *r);


static ngx_http_durable_page_t  ngx_http_durable_pages[] = {
    { 400, "the request is not valid", 0 },
    { 401, "Unauthorized", 0 },
    { 403, "access is forbidden by the configuration of this server", 0 },
    { 404, "not found", 0 },
    { 405, "the method is not allowed here", 0 },
    { 408, "the request took too long to arrive", 0 },
    { 411, "the request has no Content-Length", 0 },
    { 412, "a precondition of the request does not hold", 0 },
    { 413, "the request body is larger than this server accepts", 0 },
    { 414, "the request line is too long", 0 },
    { 415, "the media type is not supported", 0 },
    { 429, "too many requests", 1 },
    { 500, "internal error", 0 },
    { 501, "not implemented", 0 },
    { 503, "the server is busy, try again", 1 },
    { 507, "there is no space left", 0 },
    { 0, "the request failed", 0 }
};

static ngx_str_t  ngx_http_durable_any = ngx_string("*");
static ngx_str_t  ngx_http_durable_later = ngx_string("1");


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


static ngx_int_t
ngx_http_durable_header_filter(ngx_http_request_t *r)
{
    ngx_http_durable_ctx_t       *ctx;
    ngx_http_durable_loc_conf_t  *dlcf;

    dlcf = ngx_http_get_module_loc_conf(r, ngx_http_durable_module);

    if (dlcf->surface == NGX_HTTP_DURABLE_NONE || r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    if (dlcf->surface == NGX_HTTP_DURABLE_SERVER
        && ngx_http_durable_mark(r) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (dlcf->surface == NGX_HTTP_DURABLE_DASHBOARD
        && ngx_http_durable_dashboard_mark(r) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (r->headers_out.status >= NGX_HTTP_BAD_REQUEST) {

        ctx = ngx_http_durable_ctx(r);
        if (ctx == NULL) {
            return NGX_ERROR;
        }

        if (!ctx->answered && ngx_http_durable_replace(r) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_durable_mark(ngx_http_request_t *r)
{
    ngx_str_t                     *id;
    ngx_http_durable_main_conf_t  *dmcf;

    dmcf = ngx_http_get_module_main_conf(r, ngx_http_durable_module);

    if (ngx_http_durable_header(r, "X-Inngest-Server-Kind", &dmcf->kind)
        != NGX_OK
        || ngx_http_durable_header(r, "Access-Control-Allow-Origin",
                                   &ngx_http_durable_any)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    id = ngx_http_durable_request_header(r, "x-request-id",
                                         sizeof("x-request-id") - 1);

    if (id != NULL) {
        return ngx_http_durable_header(r, "X-Request-ID", id);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_replace(ngx_http_request_t *r)
{
    u_char                   *p;
    const char               *code;
    ngx_http_durable_ctx_t   *ctx;
    ngx_http_durable_page_t  *page;

    ctx = ngx_http_get_module_ctx(r, ngx_http_durable_module);

    for (page = ngx_http_durable_pages; page->status; page++) {
        if (page->status == r->headers_out.status) {
            break;
        }
    }

    code = ngx_http_durable_error_code(r->headers_out.status);

    p = ngx_pnalloc(r->pool, sizeof("{\"errors\":[{\"code\":\"\",\"message\":"
                                    "\"\"}]}")
                             + ngx_strlen(page->text) + ngx_strlen(code)
                             + NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->error.data = p;

    if (ctx->v2) {
        p = ngx_sprintf(p, "{\"errors\":[{\"code\":\"%s\",\"message\":\"%s\""
                           "}]}", code, page->text);
    } else {
        p = ngx_sprintf(p, "{\"error\":\"%s\",\"status\":%ui}",
                        page->text, r->headers_out.status);
    }

    ctx->error.len = p - ctx->error.data;
    ctx->replace = 1;

    if (page->retry
        && ngx_http_durable_header(r, "Retry-After", &ngx_http_durable_later)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);

    r->headers_out.content_length_n = ctx->error.len;

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    ngx_str_null(&r->headers_out.charset);

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t               *b;
    ngx_chain_t              out, *cl;
    ngx_http_durable_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_durable_module);

    if (ctx == NULL || !ctx->replace || in == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    for (cl = in; cl; cl = cl->next) {
        cl->buf->pos = cl->buf->last;
        cl->buf->file_pos = cl->buf->file_last;
    }

    if (ctx->replaced) {
        return NGX_OK;
    }

    ctx->replaced = 1;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = ctx->error.data;
    b->last = ctx->error.data + ctx->error.len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}


ngx_int_t
ngx_http_durable_header_filter_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_durable_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_durable_body_filter;

    return NGX_OK;
}
