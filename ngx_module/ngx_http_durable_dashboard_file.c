
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * The files of a dashboard, sent as nginx's static module does: by their
 * extension, which is one of a few, and as the ".gz" beside them to who takes
 * it.
 */


#include "ngx_http_durable_dashboard.h"


typedef struct {
    ngx_str_t   extension;
    ngx_str_t   type;
} ngx_http_durable_file_type_t;


static ngx_http_durable_file_type_t *ngx_http_durable_file_type(
    ngx_str_t *name);
static ngx_int_t ngx_http_durable_file_open(ngx_http_request_t *r,
    ngx_str_t *path, ngx_open_file_info_t *of);
static ngx_int_t ngx_http_durable_file_header(ngx_http_request_t *r,
    ngx_str_t *type, ngx_open_file_info_t *of);
static ngx_int_t ngx_http_durable_file_send(ngx_http_request_t *r,
    ngx_str_t *path, ngx_open_file_info_t *of);


static ngx_http_durable_file_type_t  ngx_http_durable_file_types[] = {
    { ngx_string(".html"), ngx_string("text/html; charset=utf-8") },
    { ngx_string(".css"), ngx_string("text/css; charset=utf-8") },
    { ngx_string(".js"), ngx_string("text/javascript; charset=utf-8") },
    { ngx_string(".mjs"), ngx_string("text/javascript; charset=utf-8") },
    { ngx_string(".json"), ngx_string("application/json") },
    { ngx_string(".map"), ngx_string("application/json") },
    { ngx_string(".svg"), ngx_string("image/svg+xml") },
    { ngx_string(".png"), ngx_string("image/png") },
    { ngx_string(".ico"), ngx_string("image/x-icon") },
    { ngx_string(".webp"), ngx_string("image/webp") },
    { ngx_string(".woff2"), ngx_string("font/woff2") },
    { ngx_string(".txt"), ngx_string("text/plain; charset=utf-8") },
    { ngx_null_string, ngx_null_string }
};

static ngx_str_t  ngx_http_durable_file_index = ngx_string("index.html");
static ngx_str_t  ngx_http_durable_file_methods = ngx_string("GET, HEAD");
static ngx_str_t  ngx_http_durable_file_cache = ngx_string("no-cache");
static ngx_str_t  ngx_http_durable_file_gzip = ngx_string("gzip");
static ngx_str_t  ngx_http_durable_file_vary = ngx_string("Accept-Encoding");


ngx_int_t
ngx_http_durable_dashboard_file(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_str_t *name)
{
    ngx_int_t                      rc;
    ngx_str_t                      path;
    ngx_open_file_info_t           of;
    ngx_http_durable_file_type_t  *type;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {

        if (ngx_http_durable_header(r, "Allow",
                                    &ngx_http_durable_file_methods)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_durable_error(r, NGX_HTTP_NOT_ALLOWED,
                                      "%V is not allowed here, GET and HEAD "
                                      "are", &r->method_name);
    }

    if (name->len == 0) {
        name = &ngx_http_durable_file_index;
    }

    type = ngx_http_durable_file_type(name);

    if (type == NULL) {
        return ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND,
                                      "there is nothing at %V", &r->uri);
    }

    path.len = ctx->dashboard->root.len + 1 + name->len;
    path.data = ngx_pnalloc(r->pool, path.len + sizeof(".gz"));
    if (path.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_sprintf(path.data, "%V/%V%Z", &ctx->dashboard->root, name);

    rc = ngx_http_durable_file_open(r, &path, &of);

    if (rc == NGX_HTTP_NOT_FOUND) {
        return ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND,
                                      "there is nothing at %V", &r->uri);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_durable_file_header(r, &type->type, &of);

    if (rc != NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_durable_file_send(r, &path, &of);
}


/* NULL: there is no such file, whatever the directory has. */

static ngx_http_durable_file_type_t *
ngx_http_durable_file_type(ngx_str_t *name)
{
    u_char                         c, last;
    size_t                         i;
    ngx_http_durable_file_type_t  *type;

    last = '/';

    for (i = 0; i < name->len; i++) {

        c = name->data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '-' || c == '_'
              || ((c == '.' || c == '/') && last != '/')))
        {
            return NULL;
        }

        last = c;
    }

    for (type = ngx_http_durable_file_types; type->extension.len; type++) {

        if (name->len > type->extension.len
            && ngx_strncmp(name->data + name->len - type->extension.len,
                           type->extension.data, type->extension.len)
               == 0)
        {
            return type;
        }
    }

    return NULL;
}


/*
 * The name gets its ".gz" when that is what was opened; there is room for it.
 */

static ngx_int_t
ngx_http_durable_file_open(ngx_http_request_t *r, ngx_str_t *path,
    ngx_open_file_info_t *of)
{
    ngx_uint_t                 gzip;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

#if (NGX_HTTP_GZIP)
    gzip = (ngx_http_gzip_ok(r) == NGX_OK);
#else
    gzip = 0;
#endif

    for ( ;; ) {

        if (gzip) {
            ngx_memcpy(path->data + path->len, ".gz", sizeof(".gz"));
            path->len += 3;
        }

        ngx_memzero(of, sizeof(ngx_open_file_info_t));

        of->read_ahead = clcf->read_ahead;
        of->directio = clcf->directio;
        of->valid = clcf->open_file_cache_valid;
        of->min_uses = clcf->open_file_cache_min_uses;
        of->errors = clcf->open_file_cache_errors;
        of->events = clcf->open_file_cache_events;

        if (ngx_http_set_disable_symlinks(r, clcf, path, of) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (ngx_open_cached_file(clcf->open_file_cache, path, of, r->pool)
            == NGX_OK)
        {
            if (of->is_file) {
                break;
            }

            of->err = NGX_ENOENT;
        }

        if (of->err == 0) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (!gzip) {

            if (of->err == NGX_ENOENT || of->err == NGX_ENOTDIR
                || of->err == NGX_ENAMETOOLONG)
            {
                return NGX_HTTP_NOT_FOUND;
            }

            ngx_log_error(NGX_LOG_CRIT, r->connection->log, of->err,
                          "%s \"%s\" failed", of->failed, path->data);

            return of->err == NGX_EACCES ? NGX_HTTP_FORBIDDEN
                                         : NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        path->len -= 3;
        path->data[path->len] = '\0';
        gzip = 0;
    }

    if (!gzip) {
        return NGX_OK;
    }

    r->headers_out.content_encoding = ngx_list_push(&r->headers_out.headers);
    if (r->headers_out.content_encoding == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.content_encoding->hash = 1;
#if (nginx_version >= 1023000)
    r->headers_out.content_encoding->next = NULL;
#endif
    ngx_str_set(&r->headers_out.content_encoding->key, "Content-Encoding");
    r->headers_out.content_encoding->value = ngx_http_durable_file_gzip;
    r->headers_out.content_encoding->lowcase_key = NULL;

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_file_header(ngx_http_request_t *r, ngx_str_t *type,
    ngx_open_file_info_t *of)
{
    u_char     *semicolon;
    ngx_int_t   rc;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = of->size;
    r->headers_out.last_modified_time = of->mtime;

    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;
    r->headers_out.content_type_lowcase = NULL;

    semicolon = ngx_strlchr(type->data, type->data + type->len, ';');

    if (semicolon) {
        r->headers_out.content_type_len = semicolon - type->data;
    }

    if (ngx_http_set_etag(r) != NGX_OK
        || ngx_http_durable_header(r, "Cache-Control",
                                   &ngx_http_durable_file_cache)
           != NGX_OK
        || ngx_http_durable_header(r, "Vary", &ngx_http_durable_file_vary)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    return rc > NGX_OK ? NGX_ERROR : rc;
}


static ngx_int_t
ngx_http_durable_file_send(ngx_http_request_t *r, ngx_str_t *path,
    ngx_open_file_info_t *of)
{
    ngx_buf_t    *b;
    ngx_chain_t   out;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->file = ngx_pcalloc(r->pool, sizeof(ngx_file_t));
    if (b->file == NULL) {
        return NGX_ERROR;
    }

    b->file_pos = 0;
    b->file_last = of->size;

    b->in_file = b->file_last ? 1 : 0;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;
    b->sync = (b->last_buf || b->in_file) ? 0 : 1;

    b->file->fd = of->fd;
    b->file->name = *path;
    b->file->log = r->connection->log;
    b->file->directio = of->is_directio;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
