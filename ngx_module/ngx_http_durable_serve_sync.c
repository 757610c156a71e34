
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Introspection and syncs (protocol 3.1, 3.2, 3.6).  Out of band this nginx
 * registers itself: the request goes out as the steps of functions do, so the
 * key that it needs stays with the leader.
 */


#include "ngx_http_durable.h"


#define NGX_HTTP_DURABLE_SYNC_TIMEOUT  10000


/* A register request on its way. */
typedef struct {
    dur_served_request_t         request;
    ngx_uint_t                   again;     /* with the fallback key */
} ngx_http_durable_sync_t;


static ngx_int_t ngx_http_durable_sync_in_band(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t body);
static const char *ngx_http_durable_sync_url(dur_str_t body, json_t **root,
    dur_str_t *url);
static ngx_int_t ngx_http_durable_sync_register(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_sync_target(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t *url);
static ngx_int_t ngx_http_durable_sync_headers(ngx_http_request_t *r,
    dur_str_t *headers);
static ngx_int_t ngx_http_durable_sync_go(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_http_durable_sync_t *sync);
static ngx_int_t ngx_http_durable_sync_done(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_sync_answer(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, int64_t status, dur_str_t body);
static ngx_int_t ngx_http_durable_sync_send(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, int64_t status, dur_str_t message,
    ngx_uint_t modified);
static ngx_int_t ngx_http_durable_sync_kind(ngx_http_request_t *r,
    const char *kind);


/* GET: whoever has no key learns how many functions there are, no more. */

ngx_int_t
ngx_http_durable_serve_inspect(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_buf_t                  *b;
    dur_served_app_t            app;
    ngx_http_durable_served_t  *served;
    ngx_str_t                   sdk;

    served = ctx->served;

    (void) ngx_http_durable_serve_app(r, ctx, &app);

    ngx_str_set(&sdk, DUR_SERVED_SDK);

    if (ngx_http_durable_header(r, "X-Inngest-Sdk", &sdk) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b = &ctx->conf->scratch.text;
    dur_buf_reset(b);

    if (dur_served_write_inspection(b, &app, served->key != NULL,
                                    served->refused != 0)
        != DUR_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_serve_send(r, ctx, NGX_HTTP_OK, dur_buf_str(b));
}


/* PUT */

ngx_int_t
ngx_http_durable_serve_sync(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t body)
{
    ngx_str_t  *kind;

    kind = ngx_http_durable_request_header(r, "x-inngest-sync-kind",
                                          sizeof("x-inngest-sync-kind") - 1);

    if (kind && kind->len == 7
        && ngx_strncasecmp(kind->data, (u_char *) "in_band", 7) == 0)
    {
        return ngx_http_durable_sync_in_band(r, ctx, body);
    }

    return ngx_http_durable_sync_register(r, ctx);
}


/* -- in band -------------------------------------------------------------- */

static ngx_int_t
ngx_http_durable_sync_in_band(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t body)
{
    json_t            *root;
    dur_rc_t           rc;
    dur_buf_t         *b;
    const char        *wrong;
    dur_served_app_t   app;

    if (ctx->served->key == NULL && ctx->served->serve->key.len) {
        return ngx_http_durable_serve_error(r, ctx, NGX_HTTP_UNAUTHORIZED,
                                            "sig_verification_failed",
                                            "an in-band sync must be signed");
    }

    if (ngx_http_durable_sync_kind(r, "in_band") != NGX_OK
        || ngx_http_durable_serve_app(r, ctx, &app) == NGX_ERROR)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    wrong = ngx_http_durable_sync_url(body, &root, &app.url);

    if (wrong) {
        json_decref(root);
        return ngx_http_durable_serve_error(r, ctx, NGX_HTTP_BAD_REQUEST,
                                            "invalid_request", "%s", wrong);
    }

    b = &ctx->conf->scratch.text;
    dur_buf_reset(b);

    rc = dur_served_write_sync(b, &app);

    json_decref(root);

    if (rc != DUR_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_serve_send(r, ctx, NGX_HTTP_OK, dur_buf_str(b));
}


/* The server says where it will call; NULL, or what is wrong. */

static const char *
ngx_http_durable_sync_url(dur_str_t body, json_t **root, dur_str_t *url)
{
    ngx_str_t  text;

    *root = dur_json_parse(body, NULL);

    if (!json_is_object(*root) || json_object_size(*root) != 1
        || dur_json_get_string(*root, "url", url) != DUR_OK)
    {
        return "the body of an in-band sync must be {\"url\": ..} and "
               "nothing else";
    }

    text.len = url->len;
    text.data = (u_char *) url->data;

    return ngx_http_durable_check_url(&text) == NGX_OK
           ? NULL : "\"url\" must be an http: or https: URL";
}


/* -- out of band ---------------------------------------------------------- */

static ngx_int_t
ngx_http_durable_sync_register(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    ngx_int_t                 rc;
    ngx_str_t                 body;
    dur_buf_t                *b;
    dur_served_app_t          app;
    ngx_http_durable_sync_t  *sync;

    if (ngx_http_durable_sync_kind(r, "out_of_band") != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_durable_serve_app(r, ctx, &app);

    if (rc == NGX_DECLINED) {
        return ngx_http_durable_serve_error(r, ctx, NGX_HTTP_BAD_REQUEST,
                                            "invalid_request",
                                            "the request has no Host: where "
                                            "this app is called is not known");
    }

    b = &ctx->conf->scratch.text;
    dur_buf_reset(b);

    sync = ngx_pcalloc(r->pool, sizeof(ngx_http_durable_sync_t));

    if (rc != NGX_OK || sync == NULL
        || dur_served_write_register(b, &app) != DUR_OK
        || ngx_http_durable_relay_copy(r, dur_buf_str(b), &body) != NGX_OK
        || ngx_http_durable_sync_target(r, ctx, &sync->request.url) != NGX_OK
        || ngx_http_durable_sync_headers(r, &sync->request.headers)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    sync->request.app = app.app;
    sync->request.method = dur_str("POST");
    sync->request.body = dur_str_make(body.data, body.len);
    sync->request.timeout = NGX_HTTP_DURABLE_SYNC_TIMEOUT;
    sync->request.auth = app.key.len ? DUR_SERVED_KEY : DUR_SERVED_NO_KEY;

    ctx->served->data = sync;
    ctx->served->done = ngx_http_durable_sync_done;

    /* it waits its turn, too */
    ctx->served->timeout = 2 * NGX_HTTP_DURABLE_SYNC_TIMEOUT;

    return ngx_http_durable_sync_go(r, ctx, sync);
}


/* Where it registers; deployId goes along. */

static ngx_int_t
ngx_http_durable_sync_target(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t *url)
{
    u_char     *p;
    ngx_str_t   id, *server;

    server = &ctx->served->serve->server;

    if (ngx_http_arg(r, (u_char *) "deployId", 8, &id) != NGX_OK) {
        id.len = 0;
    }

    p = ngx_pnalloc(r->pool, server->len + id.len
                             + sizeof("/fn/register?deployId="));
    if (p == NULL) {
        return NGX_ERROR;
    }

    url->data = p;

    p = ngx_sprintf(p, "%V/fn/register", server);

    if (id.len) {
        p = ngx_sprintf(p, "?deployId=%V", &id);
    }

    url->len = p - url->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_sync_headers(ngx_http_request_t *r, dur_str_t *headers)
{
    u_char     *p;
    ngx_str_t  *kind;

    static const char  fixed[] = "Content-Type: application/json\n"
                                 "X-Inngest-Sdk: " DUR_SERVED_SDK "\n"
                                 "X-Inngest-Framework: nginx\n"
                                 "X-Inngest-Sync-Kind: out_of_band\n";

    kind = ngx_http_durable_request_header(r, "x-inngest-server-kind",
                                        sizeof("x-inngest-server-kind") - 1);

    p = ngx_pnalloc(r->pool, sizeof(fixed) + (kind ? kind->len : 0)
                             + sizeof("X-Inngest-Expected-Server-Kind: \n"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    headers->data = p;
    p = ngx_cpymem(p, fixed, sizeof(fixed) - 1);

    if (kind && kind->len) {
        p = ngx_sprintf(p, "X-Inngest-Expected-Server-Kind: %V\n", kind);
    }

    headers->len = p - headers->data;

    return NGX_OK;
}


/* Nobody else asks for it, so nothing is shared: a run of its own. */

static ngx_int_t
ngx_http_durable_sync_go(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    ngx_http_durable_sync_t *sync)
{
    if (ngx_http_durable_ulid(&ctx->conf->scratch,
                              (uint64_t) ngx_time() * 1000,
                              &ctx->served->run)
        != NGX_OK)
    {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    return ngx_http_durable_serve_execute(r, ctx, &sync->request);
}


/* {"body","headers","status"}, or an error that has it as "data" */

static ngx_int_t
ngx_http_durable_sync_done(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    json_t                     *root, *answer;
    int64_t                     status;
    dur_str_t                   body;
    ngx_int_t                   rc;
    ngx_http_durable_sync_t    *sync;
    ngx_http_durable_served_t  *served;

    served = ctx->served;
    sync = served->data;

    root = dur_json_parse(dur_buf_str(&ctx->conf->scratch.text), NULL);

    answer = served->result.state == DUR_SERVED_DONE
             ? root : json_object_get(root, "data");

    if (dur_json_get_int(answer, "status", &status) != DUR_OK) {
        status = 0;

        if (dur_json_get_string(root, "message", &body) != DUR_OK) {
            body = dur_str_null;
        }

    } else if (dur_json_get_string(answer, "body", &body) != DUR_OK) {
        body = dur_str_null;
    }

    if ((status == NGX_HTTP_UNAUTHORIZED || status == NGX_HTTP_FORBIDDEN)
        && !sync->again && served->serve->fallback.len)
    {
        json_decref(root);

        sync->again = 1;
        sync->request.auth = DUR_SERVED_FALLBACK_KEY;

        return ngx_http_durable_sync_go(r, ctx, sync);
    }

    rc = ngx_http_durable_sync_answer(r, ctx, status, body);

    json_decref(root);

    return rc;
}


/* As SDKs do, what the JSON says counts, and not the status of its answer. */

static ngx_int_t
ngx_http_durable_sync_answer(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, int64_t status, dur_str_t body)
{
    json_t     *root;
    int64_t     said;
    ngx_int_t   rc;
    ngx_str_t   text;
    dur_str_t   message;

    if (status == 0) {
        text.len = body.len;
        text.data = (u_char *) body.data;

        return ngx_http_durable_serve_error(r, ctx,
                                            NGX_HTTP_INTERNAL_SERVER_ERROR,
                                            "sync_failed",
                                            "the server at %V cannot be "
                                            "reached: %V",
                                            &ctx->served->serve->server,
                                            &text);
    }

    root = dur_json_parse(body, NULL);

    if (!json_is_object(root)) {
        json_decref(root);
        return ngx_http_durable_serve_error(r, ctx,
                           status < 400 ? NGX_HTTP_INTERNAL_SERVER_ERROR
                                        : (ngx_uint_t) status, "sync_failed",
                           "the server at %V answered HTTP %L to the "
                           "registration, and not with JSON%s",
                           &ctx->served->serve->server, status,
                           status == 401 || status == 403
                           ? ": the signing key is not one of its own" : "");
    }

    if (dur_json_get_int(root, "status", &said) != DUR_OK
        || said < 200 || said > 599)
    {
        said = status;
    }

    if (dur_json_get_string(root, "error", &message) != DUR_OK
        || message.len == 0)
    {
        message = said < 300 ? dur_str("Successfully registered")
                             : dur_str("the server refused to register it");
    }

    rc = ngx_http_durable_sync_send(r, ctx, said, message,
                       json_is_true(json_object_get(root, "modified")));

    json_decref(root);

    return rc;
}


static ngx_int_t
ngx_http_durable_sync_send(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, int64_t status, dur_str_t message,
    ngx_uint_t modified)
{
    dur_buf_t  *b;

    b = &ctx->conf->scratch.canonical;
    dur_buf_reset(b);

    dur_buf_addz(b, "{\"message\":");
    dur_json_write_string(b, message);
    dur_buf_addz(b, modified ? ",\"modified\":true}" : ",\"modified\":false}");

    if (b->failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_serve_send(r, ctx, (ngx_uint_t) status,
                                       dur_buf_str(b));
}


static ngx_int_t
ngx_http_durable_sync_kind(ngx_http_request_t *r, const char *kind)
{
    ngx_str_t  value;

    value.len = ngx_strlen(kind);
    value.data = (u_char *) kind;

    return ngx_http_durable_header(r, "X-Inngest-Sync-Kind", &value);
}
