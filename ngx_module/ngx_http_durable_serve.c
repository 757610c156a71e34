
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * durable_serve: this nginx as an app of a server that speaks the protocol,
 * another nginx with this module among them.  Who asks is verified, what is
 * asked for goes to the sync or the call half, and answers are signed with the
 * key that signed the request.
 *
 * What is executed is an op and then a row that is looked for; so a worker
 * that dies, a connection that breaks and a change of leader leave a result
 * that the server gets when it calls again.
 */


#include "ngx_http_durable.h"


#define NGX_HTTP_DURABLE_SERVE_SKEW  300


static ngx_int_t ngx_http_durable_serve_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_serve_verify(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t body);
static ngx_int_t ngx_http_durable_serve_headers(ngx_http_request_t *r);
static ngx_int_t ngx_http_durable_serve_echo(ngx_http_request_t *r,
    const char *from, const char *to);
static ngx_int_t ngx_http_durable_serve_url(ngx_http_request_t *r,
    ngx_http_durable_serve_t *serve, dur_str_t *url);
static ngx_str_t *ngx_http_durable_serve_host(ngx_http_request_t *r);
static ngx_uint_t ngx_http_durable_serve_https(ngx_http_request_t *r);
static void ngx_http_durable_serve_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);
static ngx_int_t ngx_http_durable_serve_try(ngx_http_request_t *r,
    void *data, ngx_uint_t last);


static ngx_str_t  ngx_http_durable_serve_sdk = ngx_string(DUR_SERVED_SDK);
static ngx_str_t  ngx_http_durable_serve_framework = ngx_string("nginx");
static ngx_str_t  ngx_http_durable_serve_version = ngx_string("2");
static ngx_str_t  ngx_http_durable_serve_true = ngx_string("true");


ngx_int_t
ngx_http_durable_serve_handler(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_str_t                     allow;
    ngx_http_durable_ctx_t       *ctx;
    ngx_http_durable_loc_conf_t  *dlcf;

    ctx = ngx_http_durable_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->served == NULL) {
        ctx->served = ngx_pcalloc(r->pool, sizeof(ngx_http_durable_served_t));
        if (ctx->served == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        dlcf = ngx_http_get_module_loc_conf(r, ngx_http_durable_module);
        ctx->served->serve = dlcf->serve;
    }

    switch (r->method) {

    case NGX_HTTP_GET:
    case NGX_HTTP_HEAD:
        rc = ngx_http_discard_request_body(r);

        if (rc != NGX_OK) {
            return rc;
        }

        (void) ngx_http_durable_serve_verify(r, ctx, dur_str_null);

        return ngx_http_durable_serve_inspect(r, ctx);

    case NGX_HTTP_POST:
    case NGX_HTTP_PUT:
        return ngx_http_durable_read_body(r, ctx,
                                          ctx->conf->durable.request_max_size,
                                          ngx_http_durable_serve_body);
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_str_set(&allow, "GET, HEAD, POST, PUT");

    if (ngx_http_durable_header(r, "Allow", &allow) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_serve_error(r, ctx, NGX_HTTP_NOT_ALLOWED,
                                        "method_not_allowed",
                                        "GET looks at this app, PUT syncs it, "
                                        "POST calls a function");
}


static ngx_int_t
ngx_http_durable_serve_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_str_t                   body;
    const char                 *how;
    ngx_http_durable_served_t  *served;

    served = ctx->served;

    if (ngx_http_durable_body(r, ctx, &body) != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    if (ngx_http_durable_serve_verify(r, ctx, body) == NGX_OK) {

        if (ngx_http_durable_serve_headers(r) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return r->method == NGX_HTTP_PUT
               ? ngx_http_durable_serve_sync(r, ctx, body)
               : ngx_http_durable_serve_call(r, ctx, body);
    }

    /*
     * Anybody may ask for a sync as long as nothing of the request goes into
     * it: a host that was made up would be where the server calls.
     */

    if (r->method == NGX_HTTP_PUT && !served->refused
        && served->serve->origin.len)
    {
        if (ngx_http_durable_serve_headers(r) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_durable_serve_sync(r, ctx, dur_str_null);
    }

    how = served->refused ? "its X-Inngest-Signature is not of the signing "
                            "key, or is older than 5 minutes"
                          : r->method == NGX_HTTP_PUT
                          ? "it has no X-Inngest-Signature; a sync without "
                            "one needs \"serve_origin=\" in \"durable_serve\""
                          : "it has no X-Inngest-Signature";

    return ngx_http_durable_serve_error(r, ctx, NGX_HTTP_UNAUTHORIZED,
                                        "sig_verification_failed",
                                        "Unauthorized: the request cannot be "
                                        "trusted, %s", how);
}


/* -- who asks ------------------------------------------------------------- */

/* NGX_OK: it may; NGX_DECLINED.  Both keys are tried whatever the first one
 * says, so that the time tells nothing. */

static ngx_int_t
ngx_http_durable_serve_verify(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t body)
{
    time_t                      now;
    dur_rc_t                    first, second;
    dur_str_t                   given;
    ngx_str_t                  *header;
    ngx_http_durable_serve_t   *serve;
    ngx_http_durable_served_t  *served;

    served = ctx->served;
    serve = served->serve;

    if (serve->key.len == 0) {
        return NGX_OK;
    }

    header = ngx_http_durable_request_header(r, "x-inngest-signature",
                                          sizeof("x-inngest-signature") - 1);
    if (header == NULL) {
        return NGX_DECLINED;
    }

    now = ngx_time();
    given = dur_str_make(header->data, header->len);

    first = dur_sign_verify(dur_str_make(serve->key.data, serve->key.len),
                            body, given, now, NGX_HTTP_DURABLE_SERVE_SKEW);
    second = DUR_EACCES;

    if (serve->fallback.len) {
        second = dur_sign_verify(dur_str_make(serve->fallback.data,
                                              serve->fallback.len),
                                 body, given, now,
                                 NGX_HTTP_DURABLE_SERVE_SKEW);
    }

    served->key = first == DUR_OK ? &serve->key
                  : second == DUR_OK ? &serve->fallback : NULL;
    served->refused = served->key == NULL;

    return served->key ? NGX_OK : NGX_DECLINED;
}


/* -- answers -------------------------------------------------------------- */

/* What makes an answer one of an SDK; also what nginx itself answers has it
 * from here on. */

static ngx_int_t
ngx_http_durable_serve_headers(ngx_http_request_t *r)
{
    if (ngx_http_durable_header(r, "X-Inngest-Sdk",
                                &ngx_http_durable_serve_sdk) != NGX_OK
        || ngx_http_durable_header(r, "X-Inngest-Framework",
                                   &ngx_http_durable_serve_framework)
           != NGX_OK
        || ngx_http_durable_header(r, "X-Inngest-Req-Version",
                                   &ngx_http_durable_serve_version)
           != NGX_OK
        || ngx_http_durable_header(r, "X-Inngest-Sdk-Handled",
                                   &ngx_http_durable_serve_true)
           != NGX_OK
        || ngx_http_durable_serve_echo(r, "x-inngest-server-kind",
                                       "X-Inngest-Expected-Server-Kind")
           != NGX_OK
        || ngx_http_durable_serve_echo(r, "traceparent", "Traceparent")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_durable_serve_echo(r, "tracestate", "Tracestate");
}


static ngx_int_t
ngx_http_durable_serve_echo(ngx_http_request_t *r, const char *from,
    const char *to)
{
    ngx_str_t  *value;

    value = ngx_http_durable_request_header(r, from, ngx_strlen(from));

    return value ? ngx_http_durable_header(r, to, value) : NGX_OK;
}


/* The body is copied; it is JSON. */

ngx_int_t
ngx_http_durable_serve_send(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_uint_t status, dur_str_t body)
{
    char        text[96];
    ngx_str_t  *key, signature;

    key = ctx->served->key;

    if (key) {
        dur_sign_request(dur_str_make(key->data, key->len), body, ngx_time(),
                         text);

        signature.len = ngx_strlen(text);
        signature.data = ngx_pnalloc(r->pool, signature.len);
        if (signature.data == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_memcpy(signature.data, text, signature.len);

        if (ngx_http_durable_header(r, "X-Inngest-Signature", &signature)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_durable_send_copy(r, status, body);
}


/* {"code","error","message","name","stack","status"}: each SDK reads another
 * one, and people read the sentence. */

ngx_int_t
ngx_http_durable_serve_error(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_uint_t status, const char *name,
    const char *fmt, ...)
{
    u_char      buf[NGX_HTTP_DURABLE_ERROR_LEN];
    va_list     args;
    dur_buf_t  *b;
    dur_str_t   text;

    va_start(args, fmt);
    text = dur_str_make(buf, ngx_vslprintf(buf, buf + sizeof(buf), fmt, args)
                             - buf);
    va_end(args);

    b = &ctx->conf->scratch.canonical;
    dur_buf_reset(b);

    dur_buf_addf(b, "{\"code\":\"%s\",\"error\":", name);
    dur_json_write_string(b, text);
    dur_buf_addz(b, ",\"message\":");
    dur_json_write_string(b, text);
    dur_buf_addf(b, ",\"name\":\"%s\",\"status\":%d}", name, (int) status);

    if (b->failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_serve_send(r, ctx, status, dur_buf_str(b));
}


/* -- what is served ------------------------------------------------------- */

ngx_int_t
ngx_http_durable_serve_app(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_served_app_t *app)
{
    ngx_http_durable_serve_t  *serve;

    serve = ctx->served->serve;

    ngx_memzero(app, sizeof(dur_served_app_t));

    app->app = dur_str_make(serve->app.data, serve->app.len);
    app->api = dur_str_make(serve->server.data, serve->server.len);
    app->events = dur_str_make(serve->events.data, serve->events.len);
    app->key = dur_str_make(serve->key.data, serve->key.len);
    app->fallback = dur_str_make(serve->fallback.data, serve->fallback.len);
    app->event_key = dur_str_make(serve->event_key.data,
                                  serve->event_key.len);
    app->origin = dur_str_make(serve->origin.data, serve->origin.len);
    app->dev = (serve->key.len == 0);
    app->routes = ctx->conf->functions.elts;
    app->nroutes = ctx->conf->functions.nelts;
    app->defs = ctx->conf->workflows.elts;
    app->ndefs = ctx->conf->workflows.nelts;

    return ngx_http_durable_serve_url(r, serve, &app->url);
}


/* Where this app is called: as the request was, but for its arguments, or at
 * the origin that the configuration names. */

static ngx_int_t
ngx_http_durable_serve_url(ngx_http_request_t *r,
    ngx_http_durable_serve_t *serve, dur_str_t *url)
{
    u_char     *p;
    ngx_str_t  *host, path;

    host = ngx_http_durable_serve_host(r);

    path = r->unparsed_uri;

    p = ngx_strlchr(path.data, path.data + path.len, '?');
    if (p) {
        path.len = p - path.data;
    }

    p = ngx_pnalloc(r->pool, sizeof("https://") + serve->origin.len
                             + (host ? host->len : 0) + path.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    url->data = p;

    if (serve->origin.len) {
        p = ngx_sprintf(p, "%V%V", &serve->origin, &path);

    } else if (host) {
        p = ngx_sprintf(p, "%s://%V%V",
                        ngx_http_durable_serve_https(r) ? "https" : "http",
                        host, &path);
    } else {
        return NGX_DECLINED;
    }

    url->len = p - url->data;

    return NGX_OK;
}


static ngx_str_t *
ngx_http_durable_serve_host(ngx_http_request_t *r)
{
    if (r->headers_in.host == NULL) {
        return r->headers_in.server.len ? &r->headers_in.server : NULL;
    }

    return &r->headers_in.host->value;
}


static ngx_uint_t
ngx_http_durable_serve_https(ngx_http_request_t *r)
{
    ngx_str_t  *proto;

#if (NGX_HTTP_SSL)
    if (r->connection->ssl) {
        return 1;
    }
#endif

    /* a proxy in front, as SDKs believe it */

    proto = ngx_http_durable_request_header(r, "x-forwarded-proto",
                                            sizeof("x-forwarded-proto") - 1);

    return proto && proto->len == 5
           && ngx_strncasecmp(proto->data, (u_char *) "https", 5) == 0;
}


/* -- what is executed ----------------------------------------------------- */

/*
 * Executes the request for served->run and served->step; served->done is
 * called when it is known what became of it, then or earlier.
 */

ngx_int_t
ngx_http_durable_serve_execute(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const dur_served_request_t *request)
{
    dur_op_t                    op;
    dur_buf_t                  *b;
    ngx_http_durable_served_t  *served;

    served = ctx->served;

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_SERVED;
    op.run = served->run;
    op.item = served->call;
    op.url = dur_str_make(served->step.b, DUR_HASH_LEN);

    b = &ctx->conf->scratch.canonical;
    dur_buf_reset(b);

    if (dur_served_encode(request, b) != DUR_OK
        || ngx_http_durable_ulid(&ctx->conf->scratch,
                                 (uint64_t) ngx_time() * 1000, &op.id)
           != NGX_OK)
    {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    op.body = dur_buf_str(b);

    return ngx_http_durable_submit(r, ctx, &op, ngx_http_durable_serve_reply);
}


static void
ngx_http_durable_serve_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply)
{
    ngx_int_t  n;

    if (rc != DUR_OK || reply->status >= NGX_HTTP_BAD_REQUEST) {
        n = ngx_http_durable_reply(r, ctx, rc, reply);

    } else if (reply->status == NGX_HTTP_OK) {
        n = ngx_http_durable_serve_try(r, ctx, 1);

    } else {
        n = ngx_http_durable_wait(r, ctx->served->timeout,
                                  ngx_http_durable_serve_try, ctx);
    }

    ngx_http_finalize_request(r, n);
}


/*
 * A worker that exits waits on, as nginx does for requests that are being
 * proxied, as long as it can read the store: what it said instead would be a
 * failed attempt.
 */

static ngx_int_t
ngx_http_durable_serve_try(ngx_http_request_t *r, void *data, ngx_uint_t last)
{
    ngx_http_durable_ctx_t *ctx = data;

    dur_rc_t                    rc;
    dur_buf_t                  *b;
    dur_store_t                *store;
    ngx_http_durable_served_t  *served;

    served = ctx->served;

    b = &ctx->conf->scratch.text;
    dur_buf_reset(b);

    store = ngx_durable_store();
    rc = DUR_EBUSY;

    if (store) {
        rc = dur_served_find(store, &served->run, &served->step,
                             &served->result, b);
    }

    if (rc == DUR_OK && served->result.state != DUR_SERVED_RUNNING) {
        return served->done(r, ctx);
    }

    if (!last || (store && ngx_exiting && !ngx_terminate)) {
        return NGX_AGAIN;
    }

    return ngx_http_durable_serve_error(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                        "unavailable",
                                        "the step is being executed, and this "
                                        "server cannot wait for it: call "
                                        "again, it will not run twice");
}
