
/*
 * Copyright (C) the nginx-durable authors
 */


#include "ngx_http_durable.h"


static ngx_int_t ngx_http_durable_error_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_uint_t status, ngx_str_t *text,
    ngx_str_t *body);


static ngx_str_t  ngx_http_durable_json = ngx_string("application/json");
static ngx_str_t  ngx_http_durable_text = ngx_string("text/plain");
static ngx_str_t  ngx_http_durable_retry = ngx_string("1");


/* A JSON body that lives as long as the request. */

ngx_int_t
ngx_http_durable_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *body)
{
    return ngx_http_durable_send_typed(r, status, &ngx_http_durable_json,
                                       body);
}


ngx_int_t
ngx_http_durable_send_text(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *body)
{
    return ngx_http_durable_send_typed(r, status, &ngx_http_durable_text,
                                       body);
}


ngx_int_t
ngx_http_durable_send_copy(ngx_http_request_t *r, ngx_uint_t status,
    dur_str_t body)
{
    ngx_str_t  copy;

    copy.len = body.len;
    copy.data = NULL;

    if (body.len) {
        copy.data = ngx_pnalloc(r->pool, body.len);
        if (copy.data == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_memcpy(copy.data, body.data, body.len);
    }

    return ngx_http_durable_send(r, status, &copy);
}


ngx_int_t
ngx_http_durable_send_typed(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_str_t *body)
{
    u_char                  *semicolon;
    ngx_int_t                rc;
    ngx_buf_t               *b;
    ngx_chain_t              out;
    ngx_http_durable_ctx_t  *ctx;

    ctx = ngx_http_durable_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->answered = 1;

    r->headers_out.status = status;

    if (status != NGX_HTTP_NO_CONTENT) {
        r->headers_out.content_length_n = body->len;
    }

    if (body->len) {
        r->headers_out.content_type = *type;
        r->headers_out.content_type_len = type->len;
        r->headers_out.content_type_lowcase = NULL;

        semicolon = ngx_strlchr(type->data, type->data + type->len, ';');

        if (semicolon) {
            r->headers_out.content_type_len = semicolon - type->data;
        }
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = body->data;
    b->last = body->data + body->len;
    b->memory = body->len ? 1 : 0;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/* The standard error body (protocol 0), or that of protocol 1.6 or 8.5. */

ngx_int_t
ngx_http_durable_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *fmt, ...)
{
    u_char                   buf[NGX_HTTP_DURABLE_ERROR_LEN];
    va_list                  args;
    ngx_str_t                text, body;
    ngx_http_durable_ctx_t  *ctx;

    ctx = ngx_http_durable_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    va_start(args, fmt);
    text.data = buf;
    text.len = ngx_vslprintf(buf, buf + sizeof(buf), fmt, args) - buf;
    va_end(args);

    if (ngx_http_durable_error_body(r, ctx, status, &text, &body) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (status == NGX_HTTP_SERVICE_UNAVAILABLE
        && ngx_http_durable_header(r, "Retry-After", &ngx_http_durable_retry)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ctx->comment ? ngx_http_durable_send_text(r, status, &body)
                        : ngx_http_durable_send(r, status, &body);
}


static ngx_int_t
ngx_http_durable_error_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_uint_t status, ngx_str_t *text,
    ngx_str_t *body)
{
    int         code;
    dur_buf_t  *b;

    code = (int) status;
    b = &ctx->conf->scratch.canonical;
    dur_buf_reset(b);

    if (ctx->comment) {
        dur_buf_addz(b, "# ");
        dur_buf_add(b, text->data, text->len);
        dur_buf_addc(b, '\n');

    } else if (ctx->events) {
        dur_buf_addf(b, status == NGX_HTTP_UNAUTHORIZED
                        ? "{\"status\":%d,\"message\":\"\",\"error\":"
                        : "{\"ids\":[],\"status\":%d,\"error\":", code);

        dur_json_write_string(b, dur_str_make(text->data, text->len));
        dur_buf_addz(b, "}");

    } else if (ctx->v2) {
        dur_buf_addf(b, "{\"errors\":[{\"code\":\"%s\",\"message\":",
                     ngx_http_durable_error_code(status));
        dur_json_write_string(b, dur_str_make(text->data, text->len));
        dur_buf_addz(b, "}]}");

    } else {
        dur_buf_addz(b, "{\"error\":");
        dur_json_write_string(b, dur_str_make(text->data, text->len));
        dur_buf_addf(b, ",\"status\":%d}", code);
    }

    if (b->failed) {
        return NGX_ERROR;
    }

    body->len = b->len;
    body->data = ngx_pnalloc(r->pool, b->len);
    if (body->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(body->data, b->data, b->len);

    return NGX_OK;
}


/* An error before the body was looked at. */

ngx_int_t
ngx_http_durable_refuse(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *text)
{
    ngx_int_t  rc;

    r->expect_tested = 1;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_durable_error(r, status, "%V", text);
}


/* The word for a status (protocol 8.5). */

const char *
ngx_http_durable_error_code(ngx_uint_t status)
{
    switch (status) {

    case NGX_HTTP_UNAUTHORIZED:
        return "unauthorized";

    case NGX_HTTP_FORBIDDEN:
        return "forbidden";

    case NGX_HTTP_NOT_FOUND:
        return "not_found";

    case NGX_HTTP_NOT_ALLOWED:
        return "method_not_allowed";

    case NGX_HTTP_CONFLICT:
        return "conflict";

    case NGX_HTTP_REQUEST_ENTITY_TOO_LARGE:
        return "too_large";

    case NGX_HTTP_NOT_IMPLEMENTED:
        return "not_implemented";

    case NGX_HTTP_SERVICE_UNAVAILABLE:
        return "unavailable";

    default:
        return status < NGX_HTTP_INTERNAL_SERVER_ERROR ? "invalid_request"
                                                       : "internal_error";
    }
}


/* Nothing was taken: there is no store to use, or too much is waiting. */

ngx_int_t
ngx_http_durable_unavailable(ngx_http_request_t *r)
{
    ngx_str_t  *reason;

    reason = ngx_durable_reason();

    if (reason->len) {
        return ngx_http_durable_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                      "the store cannot be used now: %V",
                                      reason);
    }

    return ngx_http_durable_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                  "the server is busy, try again");
}


/* What the engine's return codes are for a client. */

ngx_int_t
ngx_http_durable_error_rc(ngx_http_request_t *r, dur_rc_t rc)
{
    switch (rc) {

    case DUR_EFULL:
        return ngx_http_durable_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                      "the store is full, nothing was stored");

    case DUR_EIO:
        return ngx_http_durable_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                      "the store cannot be written or read "
                                      "now: try again with the same id");

    case DUR_EBUSY:
        return ngx_http_durable_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                      "no answer from the leader in time, the "
                                      "outcome is unknown: try again with the "
                                      "same id");

    case DUR_ENOTFOUND:
        return ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND, "not found");

    case DUR_EINVAL:
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "the request is not valid");

    case DUR_ETOOBIG:
        return ngx_http_durable_error(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                      "the request is too large");

    case DUR_ECONFLICT:
    case DUR_EEXIST:
        return ngx_http_durable_error(r, NGX_HTTP_CONFLICT, "%s",
                                      dur_strerror(rc));

    default:
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "durable: %s", dur_strerror(rc));

        return ngx_http_durable_error(r, NGX_HTTP_INTERNAL_SERVER_ERROR, "%s",
                                      dur_strerror(rc));
    }
}


/* A header of the response; the value lives as long as the request. */

ngx_int_t
ngx_http_durable_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.len = ngx_strlen(name);
    h->key.data = (u_char *) name;
    h->value = *value;
    h->lowcase_key = NULL;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return NGX_OK;
}


/* A header of the request by its name in lower case, or NULL. */

ngx_str_t *
ngx_http_durable_request_header(ngx_http_request_t *r, const char *name,
    size_t len)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return NULL;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len == len
            && ngx_memcmp(h[i].lowcase_key, name, len) == 0)
        {
            return &h[i].value;
        }
    }
}
