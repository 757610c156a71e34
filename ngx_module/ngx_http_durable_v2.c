
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * The second API (protocol 8.5), below /v2 and /api/v2: the same queries in
 * other words.  What is not in the table here is a 404 in its shape.
 */


#include "ngx_http_durable.h"


#define NGX_HTTP_DURABLE_KEY_ID  6


static ngx_int_t ngx_http_durable_v2_data(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const char *data);
static void ngx_http_durable_v2_key(dur_buf_t *b, ngx_str_t *key,
    const char *name);
static void ngx_http_durable_v2_cancelled(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);
static ngx_int_t ngx_http_durable_v2_registry(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc);


static ngx_int_t
ngx_http_durable_v2_health(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx)
{
    if (ngx_durable_reason()->len) {
        return ngx_http_durable_unavailable(r);
    }

    return ngx_http_durable_v2_data(r, ctx, "{\"status\":\"ok\"}");
}


static ngx_int_t
ngx_http_durable_v2_account(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_v2_data(r, ctx,
                       "{\"id\":\"" DUR_QUERY_ACCOUNT "\","
                       "\"name\":\"nginx-durable\"}");
}


static ngx_int_t
ngx_http_durable_v2_envs(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_v2_data(r, ctx, ctx->conf->durable.dev
                       ? "[{\"id\":\"" DUR_QUERY_ENVIRONMENT "\","
                         "\"name\":\"dev\",\"type\":\"TEST\"}]"
                       : "[{\"id\":\"" DUR_QUERY_ENVIRONMENT "\","
                         "\"name\":\"production\",\"type\":\"PRODUCTION\"}]");
}


static ngx_int_t
ngx_http_durable_v2_data(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    const char *data)
{
    dur_buf_addz(ngx_http_durable_answer(ctx, 1), data);

    return ngx_http_durable_found(r, ctx, DUR_OK, NULL, 1);
}


static ngx_int_t
ngx_http_durable_v2_event_keys(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_buf_t   *b;
    ngx_str_t   *key;
    ngx_uint_t   i;

    b = ngx_http_durable_answer(ctx, 1);
    key = ctx->conf->durable.event_keys.elts;

    dur_buf_addc(b, '[');

    for (i = 0; i < ctx->conf->durable.event_keys.nelts; i++) {
        ngx_http_durable_v2_key(b, &key[i], "durable_event_key");
    }

    dur_buf_addc(b, ']');

    return ngx_http_durable_found(r, ctx, DUR_OK, NULL, 1);
}


static ngx_int_t
ngx_http_durable_v2_signing_keys(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_buf_t           *b;
    ngx_durable_conf_t  *conf;

    b = ngx_http_durable_answer(ctx, 1);
    conf = &ctx->conf->durable;

    dur_buf_addc(b, '[');
    ngx_http_durable_v2_key(b, &conf->signing_key, "durable_signing_key");
    ngx_http_durable_v2_key(b, &conf->signing_key_fallback,
                            "durable_signing_key, fallback");
    dur_buf_addc(b, ']');

    return ngx_http_durable_found(r, ctx, DUR_OK, NULL, 1);
}


/*
 * A key is told from others by the first bytes of its hash, never shown: the
 * whole hash of a signing key would be as good as the key.
 */

static void
ngx_http_durable_v2_key(dur_buf_t *b, ngx_str_t *key, const char *name)
{
    char     id[2 * NGX_HTTP_DURABLE_KEY_ID + 1];
    uint8_t  digest[32];

    if (key->len == 0) {
        return;
    }

    dur_sha256(dur_str_make(key->data, key->len), digest);
    dur_hex(digest, NGX_HTTP_DURABLE_KEY_ID, id);

    if (b->len && b->data[b->len - 1] == '}') {
        dur_buf_addc(b, ',');
    }

    dur_buf_addf(b, "{\"id\":\"%s\",\"name\":\"%s\"}", id, name);
}


static ngx_int_t
ngx_http_durable_v2_runs(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx)
{
    dur_query_list_t  want;

    ngx_memzero(&want, sizeof(dur_query_list_t));

    want.shape = DUR_QUERY_V2;

    return ngx_http_durable_list_runs(r, ctx, &want);
}


static ngx_int_t
ngx_http_durable_v2_function_runs(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_query_list_t  want;

    ngx_memzero(&want, sizeof(dur_query_list_t));

    want.shape = DUR_QUERY_V2;
    want.filter.app = dur_str_make(ctx->args[0].data, ctx->args[0].len);
    want.filter.function = dur_str_make(ctx->args[1].data, ctx->args[1].len);

    return ngx_http_durable_list_runs(r, ctx, &want);
}


static ngx_int_t
ngx_http_durable_v2_run(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_by_id(r, ctx, "run", 1, dur_query_run_v2);
}


static ngx_int_t
ngx_http_durable_v2_trace(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_by_id(r, ctx, "run", 1, dur_query_trace);
}


static ngx_int_t
ngx_http_durable_v2_event_runs(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_by_id(r, ctx, "event", 1,
                                  dur_query_event_runs_v2);
}


static ngx_int_t
ngx_http_durable_v2_cancel(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_cancel(r, ctx, ngx_http_durable_v2_cancelled);
}


static void
ngx_http_durable_v2_cancelled(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply)
{
    dur_buf_t  *b;
    ngx_int_t   n;

    if (rc != DUR_OK || reply->status != NGX_HTTP_OK) {
        n = (rc == DUR_ENOTFOUND
             || (rc == DUR_OK && reply->status == NGX_HTTP_NOT_FOUND))
            ? ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND,
                                     "there is no run %V", &ctx->args[0])
            : ngx_http_durable_reply(r, ctx, rc, reply);

        ngx_http_finalize_request(r, n);
        return;
    }

    b = ngx_http_durable_answer(ctx, 1);

    dur_buf_addz(b, "{\"runId\":");
    dur_json_write_string(b, dur_str_make(ctx->args[0].data,
                                          ctx->args[0].len));
    dur_buf_addf(b, ",\"ended\":%s}",
                 reply->flags & DUR_REPLY_F_ENDED ? "true" : "false");

    ngx_http_finalize_request(r, ngx_http_durable_found(r, ctx, DUR_OK, NULL,
                                                        1));
}


static ngx_int_t
ngx_http_durable_v2_apps(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx)
{
    dur_str_t     app;
    dur_store_t  *store;

    store = ngx_durable_store();

    if (store == NULL) {
        return ngx_http_durable_unavailable(r);
    }

    app = dur_str_make(ctx->args[0].data, ctx->args[0].len);

    return ngx_http_durable_v2_registry(r, ctx,
               dur_query_apps_v2(store, app,
                                 ngx_http_durable_answer(ctx, 1)));
}


static ngx_int_t
ngx_http_durable_v2_functions(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_str_t     app, function;
    dur_store_t  *store;

    store = ngx_durable_store();

    if (store == NULL) {
        return ngx_http_durable_unavailable(r);
    }

    app = dur_str_make(ctx->args[0].data, ctx->args[0].len);
    function = dur_str_make(ctx->args[1].data, ctx->args[1].len);

    return ngx_http_durable_v2_registry(r, ctx,
               dur_query_functions_v2(store, app, function,
                                      ngx_http_durable_answer(ctx, 1)));
}


/* POST /v2/apps/{app}/functions/{fn}/invoke: the function has a slug. */

static ngx_int_t
ngx_http_durable_v2_invoke(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx)
{
    dur_rc_t      rc;
    ngx_int_t     n;
    dur_buf_t    *b;
    dur_str_t     app, function;
    dur_store_t  *store;

    store = ngx_durable_store();
    app = dur_str_make(ctx->args[0].data, ctx->args[0].len);
    function = dur_str_make(ctx->args[1].data, ctx->args[1].len);

    b = ngx_http_durable_answer(ctx, 0);
    rc = store ? dur_query_slug(store, app, function, b) : DUR_OK;

    if (rc != DUR_OK || store == NULL) {

        n = ngx_http_discard_request_body(r);

        if (n != NGX_OK) {
            return n;
        }

        return store ? ngx_http_durable_v2_registry(r, ctx, rc)
                     : ngx_http_durable_unavailable(r);
    }

    if (ngx_http_durable_relay_copy(r, dur_buf_str(b), &ctx->args[0])
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_invoke_handler(r, ctx);
}


static ngx_int_t
ngx_http_durable_v2_registry(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc)
{
    if (rc == DUR_ENOTFOUND) {
        return ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND,
                                      "there is nothing at %V", &r->uri);
    }

    return ngx_http_durable_found(r, ctx, rc, NULL, 1);
}


/* A "*" meets something: "apps/" is not "apps/{id}". */

static const ngx_http_durable_route_t  ngx_http_durable_v2_routes[] = {

    { NGX_HTTP_GET, ngx_string("health"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_v2_health },

    { NGX_HTTP_POST, ngx_string("events"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_event_handler },

    { NGX_HTTP_GET, ngx_string("events/*/runs"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_v2_event_runs },

    { NGX_HTTP_GET, ngx_string("runs"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_v2_runs },

    { NGX_HTTP_GET, ngx_string("runs/*"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_v2_run },

    { NGX_HTTP_GET, ngx_string("runs/*/trace"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_v2_trace },

    { NGX_HTTP_POST, ngx_string("runs/*/cancel"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_v2_cancel },

    { NGX_HTTP_POST, ngx_string("runs/*/rerun"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_rerun_handler },

    { NGX_HTTP_GET, ngx_string("apps"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_v2_apps },

    { NGX_HTTP_GET, ngx_string("apps/*"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_v2_apps },

    { NGX_HTTP_GET, ngx_string("apps/*/functions"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_v2_functions },

    { NGX_HTTP_GET, ngx_string("apps/*/functions/*"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_v2_functions },

    { NGX_HTTP_GET, ngx_string("apps/*/functions/*/runs"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_v2_function_runs },

    { NGX_HTTP_POST, ngx_string("apps/*/functions/*/invoke"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_v2_invoke },

    { NGX_HTTP_GET, ngx_string("keys/events"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_v2_event_keys },

    { NGX_HTTP_GET, ngx_string("keys/signing"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_v2_signing_keys },

    { NGX_HTTP_GET, ngx_string("envs"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_v2_envs },

    { NGX_HTTP_GET, ngx_string("account"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_v2_account },

    { 0, ngx_null_string, NGX_HTTP_DURABLE_OPEN, NULL }
};


/* The server's table let it in; what is behind the "**" is matched here. */

ngx_int_t
ngx_http_durable_v2_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    ngx_int_t                        rc;
    ngx_str_t                        path;
    ngx_uint_t                       method, allowed;
    const ngx_http_durable_route_t  *route;

    path = ctx->args[0];
    method = (r->method == NGX_HTTP_HEAD) ? NGX_HTTP_GET : r->method;
    allowed = 0;

    for (route = ngx_http_durable_v2_routes; route->methods; route++) {

        ngx_memzero(ctx->args, sizeof(ctx->args));

        if (!ngx_http_durable_match((ngx_str_t *) &route->pattern, &path,
                                    ctx->args)
            || (ctx->args[0].data != NULL && ctx->args[0].len == 0)
            || (ctx->args[1].data != NULL && ctx->args[1].len == 0))
        {
            continue;
        }

        if (!(route->methods & method)) {
            allowed |= route->methods;
            continue;
        }

        if (route->handler != ngx_http_durable_event_handler
            && route->handler != ngx_http_durable_rerun_handler
            && route->handler != ngx_http_durable_v2_invoke)
        {
            rc = ngx_http_discard_request_body(r);

            if (rc != NGX_OK) {
                return rc;
            }
        }

        return route->handler(r, ctx);
    }

    return ngx_http_durable_no_route(r, ctx, allowed);
}
