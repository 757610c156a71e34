
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * A location for people: the page and its files, and below "api/" what people
 * may do of the routes of the server.  A browser sends its credentials along
 * with whatever another site makes it ask for, so an action has to prove that
 * our own page asks; and no answer may become a document of another kind.
 */


#include "ngx_http_durable_dashboard.h"


static ngx_int_t ngx_http_durable_dashboard_session(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_uint_t ngx_http_durable_dashboard_read_only(ngx_http_request_t *r,
    ngx_http_durable_dashboard_t *d);
static ngx_int_t ngx_http_durable_dashboard_user(ngx_http_request_t *r,
    dur_str_t *user);
static ngx_uint_t ngx_http_durable_dashboard_is_json(ngx_http_request_t *r);
static ngx_uint_t ngx_http_durable_dashboard_is_same(ngx_http_request_t *r);
static ngx_uint_t ngx_http_durable_dashboard_origin(ngx_http_request_t *r,
    ngx_str_t *origin);
static ngx_uint_t ngx_http_durable_dashboard_says(ngx_http_request_t *r,
    const char *name);


typedef struct {
    const char  *name;
    ngx_str_t    value;
} ngx_http_durable_dashboard_header_t;


static ngx_http_durable_dashboard_header_t  ngx_http_durable_headers[] = {
    { "Content-Security-Policy",
      ngx_string("default-src 'none'; script-src 'self'; style-src 'self'; "
                 "img-src 'self' data:; connect-src 'self'; font-src 'self'; "
                 "base-uri 'none'; form-action 'none'; "
                 "frame-ancestors 'none'") },
    { "X-Content-Type-Options", ngx_string("nosniff") },
    { "Referrer-Policy", ngx_string("no-referrer") },
    { "Cross-Origin-Opener-Policy", ngx_string("same-origin") },
    { "Cross-Origin-Resource-Policy", ngx_string("same-origin") },
    { NULL, ngx_null_string }
};

static ngx_str_t  ngx_http_durable_no_store = ngx_string("no-store");


ngx_int_t
ngx_http_durable_dashboard_handler(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_str_t                     name, path;
    ngx_http_durable_ctx_t       *ctx;
    ngx_http_durable_loc_conf_t  *dlcf;

    ctx = ngx_http_durable_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    dlcf = ngx_http_get_module_loc_conf(r, ngx_http_durable_module);
    ctx->dashboard = dlcf->dashboard;

    /* an internal redirect may have come from elsewhere */

    if (r->uri.len < ctx->dashboard->prefix.len) {
        return NGX_HTTP_NOT_FOUND;
    }

    name.len = r->uri.len - ctx->dashboard->prefix.len;
    name.data = r->uri.data + ctx->dashboard->prefix.len;

    if (name.len < 4 || ngx_strncmp(name.data, "api/", 4) != 0) {
        return ngx_http_durable_dashboard_file(r, ctx, &name);
    }

    path.len = name.len - 3;
    path.data = name.data + 3;

    if (path.len == 8 && ngx_strncmp(path.data, "/session", 8) == 0
        && (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)))
    {
        rc = ngx_http_discard_request_body(r);

        return rc == NGX_OK ? ngx_http_durable_dashboard_session(r, ctx) : rc;
    }

    return ngx_http_durable_server_route(r, ctx, &path);
}


/* What of the route table is there for people. */

ngx_uint_t
ngx_http_durable_dashboard_has(const ngx_http_durable_route_t *route,
    ngx_str_t *arg)
{
    if (route->auth == NGX_HTTP_DURABLE_EVENT_KEY) {
        return arg->len == 9 && ngx_strncmp(arg->data, "dashboard", 9) == 0;
    }

    return route->auth == NGX_HTTP_DURABLE_PEOPLE;
}


/* -- the session ---------------------------------------------------------- */

/* GET api/session: what the page has to know before it asks for a key. */

static ngx_int_t
ngx_http_durable_dashboard_session(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_buf_t           *b;
    dur_str_t            user;
    ngx_uint_t           key, read_only;
    ngx_durable_conf_t  *conf;

    if (ngx_http_durable_dashboard_user(r, &user) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    conf = &ctx->conf->durable;
    read_only = ngx_http_durable_dashboard_read_only(r, ctx->dashboard);
    key = !conf->dev && ctx->dashboard->access == NGX_HTTP_DURABLE_ACCESS_KEY;

    b = &ctx->conf->scratch.text;
    dur_buf_reset(b);

    dur_buf_addf(b, "{\"data\":{\"mode\":\"%s\",\"read_only\":%s,\"key\":%s,"
                    "\"version\":\"" NGX_HTTP_DURABLE_VERSION "\","
                    "\"redacted\":%s,\"user\":",
                 conf->dev ? "dev" : "production",
                 read_only ? "true" : "false", key ? "true" : "false",
                 conf->redact ? "true" : "false");

    if (user.len) {
        dur_json_write_string(b, user);
    } else {
        dur_buf_addz(b, "null");
    }

    dur_buf_addz(b, "}}");

    if (b->failed) {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    return ngx_http_durable_send_copy(r, NGX_HTTP_OK, dur_buf_str(b));
}


static ngx_int_t
ngx_http_durable_dashboard_user(ngx_http_request_t *r, dur_str_t *user)
{
    ngx_str_t                   name;
    ngx_http_variable_value_t  *vv;

    ngx_str_set(&name, "remote_user");

    vv = ngx_http_get_variable(r, &name,
                               ngx_hash_key(name.data, name.len));
    if (vv == NULL) {
        return NGX_ERROR;
    }

    *user = vv->not_found ? dur_str_null : dur_str_make(vv->data, vv->len);

    return NGX_OK;
}


/* As limit_rate and others: empty or "0" is no. */

static ngx_uint_t
ngx_http_durable_dashboard_read_only(ngx_http_request_t *r,
    ngx_http_durable_dashboard_t *d)
{
    ngx_str_t  value;

    if (d->read_only == NULL) {
        return 0;
    }

    if (ngx_http_complex_value(r, d->read_only, &value) != NGX_OK) {
        return 1;
    }

    return value.len > 1 || (value.len == 1 && value.data[0] != '0');
}


/* -- actions -------------------------------------------------------------- */

/* NGX_DECLINED: ctx->error is the sentence of a 403. */

ngx_int_t
ngx_http_durable_dashboard_access(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    if (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) {
        return NGX_OK;
    }

    if (!ngx_http_durable_dashboard_is_same(r)) {
        ngx_str_set(&ctx->error, "an action must be asked for by the "
                                 "dashboard's own page: neither the header "
                                 "Sec-Fetch-Site nor Origin says so");
        return NGX_DECLINED;
    }

    if (!ngx_http_durable_dashboard_is_json(r)) {
        ngx_str_set(&ctx->error, "an action needs the header "
                                 "\"Content-Type: application/json\"");
        return NGX_DECLINED;
    }

    if (ngx_http_durable_dashboard_read_only(r, ctx->dashboard)) {
        ngx_str_set(&ctx->error, "this dashboard is read-only");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* A form cannot send it, and a script of another site has to ask first. */

static ngx_uint_t
ngx_http_durable_dashboard_is_json(ngx_http_request_t *r)
{
    ngx_str_t         *type;
    static ngx_str_t   json = ngx_string("application/json");

    if (r->headers_in.content_type == NULL) {
        return r->method == NGX_HTTP_DELETE
               && r->headers_in.content_length_n <= 0
               && !r->headers_in.chunked;
    }

    type = &r->headers_in.content_type->value;

    return type->len >= json.len
           && ngx_strncasecmp(type->data, json.data, json.len) == 0
           && (type->len == json.len || type->data[json.len] == ';'
               || type->data[json.len] == ' ');
}


static ngx_uint_t
ngx_http_durable_dashboard_is_same(ngx_http_request_t *r)
{
    ngx_str_t  *site, *origin;

    site = ngx_http_durable_request_header(r, "sec-fetch-site",
                                           sizeof("sec-fetch-site") - 1);

    if (site != NULL) {
        return (site->len == 11
                && ngx_strncmp(site->data, "same-origin", 11) == 0)
               || (site->len == 4
                   && ngx_strncmp(site->data, "none", 4) == 0);
    }

    origin = ngx_http_durable_request_header(r, "origin",
                                             sizeof("origin") - 1);

    return origin != NULL && ngx_http_durable_dashboard_origin(r, origin);
}


/*
 * The scheme is not compared: TLS may have ended at a proxy in front.  Neither
 * Origin nor Host has a port that is the scheme's own.
 */

static ngx_uint_t
ngx_http_durable_dashboard_origin(ngx_http_request_t *r, ngx_str_t *origin)
{
    u_char     *p, *last;
    ngx_str_t  *host;

    if (r->headers_in.host == NULL) {
        return 0;
    }

    host = &r->headers_in.host->value;

    last = origin->data + origin->len;
    p = ngx_strlcasestrn(origin->data, last, (u_char *) "://", 2);

    if (p == NULL) {
        return 0;
    }

    p += 3;

    return (size_t) (last - p) == host->len
           && ngx_strncasecmp(p, host->data, host->len) == 0;
}


/* -- headers -------------------------------------------------------------- */

/* Those of every answer, whoever made it. */

ngx_int_t
ngx_http_durable_dashboard_mark(ngx_http_request_t *r)
{
    ngx_http_durable_dashboard_header_t  *h;

    for (h = ngx_http_durable_headers; h->name; h++) {
        if (ngx_http_durable_header(r, h->name, &h->value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_http_durable_dashboard_says(r, "Cache-Control")) {
        return NGX_OK;
    }

    return ngx_http_durable_header(r, "Cache-Control",
                                   &ngx_http_durable_no_store);
}


static ngx_uint_t
ngx_http_durable_dashboard_says(ngx_http_request_t *r, const char *name)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    for (part = &r->headers_out.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash && h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                return 1;
            }
        }
    }

    return 0;
}
