
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * What people do with apps: add one by its URL, ask one to register again,
 * remove one (docs/rest.md).  Asking is the leader's (ngx_durable_sync.c), by
 * what these ops leave in the store.
 */


#include "ngx_http_durable.h"
#include "engine/dur_app.h"


#define NGX_HTTP_DURABLE_APP_MAX  (16 * 1024)


static ngx_int_t ngx_http_durable_add_app_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_app_op(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_str_t *name, ngx_uint_t remove);
static ngx_int_t ngx_http_durable_app_remove(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_op_t *op);
static ngx_uint_t ngx_http_durable_app_configured(
    ngx_http_durable_ctx_t *ctx, dur_str_t url);


/* POST /v1/apps */

ngx_int_t
ngx_http_durable_add_app_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_read_body(r, ctx, NGX_HTTP_DURABLE_APP_MAX,
                                      ngx_http_durable_add_app_body);
}


static ngx_int_t
ngx_http_durable_add_app_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    json_t     *root;
    dur_op_t    op;
    dur_str_t   body;
    ngx_int_t   rc;

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_APP;

    if (ngx_http_durable_body(r, ctx, &body) != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    root = ngx_http_durable_control_parse(r, body, &rc);

    if (root == NULL) {
        return rc;
    }

    if (dur_json_get_string(root, "url", &op.url) != DUR_OK) {
        rc = ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                    "\"url\" must be a string, the URL that "
                                    "the app is served at");
    } else {
        rc = ngx_http_durable_control_submit(r, ctx, &op,
                                             ngx_http_durable_control_reply);
    }

    json_decref(root);

    return rc;
}


/* POST /v1/apps/{name}/sync */

ngx_int_t
ngx_http_durable_sync_app_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_app_op(r, ctx, &ctx->args[0], 0);
}


/* DELETE /v1/apps/{name} */

ngx_int_t
ngx_http_durable_remove_app_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_app_op(r, ctx, &ctx->args[0], 1);
}


static ngx_int_t
ngx_http_durable_app_op(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    ngx_str_t *name, ngx_uint_t remove)
{
    dur_op_t  op;

    if (name->len == 0) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "the name of the app is empty");
    }

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_APP;
    op.item = 1;
    op.generation = remove;
    op.url = dur_str_make(name->data, name->len);

    if (remove) {
        return ngx_http_durable_app_remove(r, ctx, &op);
    }

    return ngx_http_durable_control_submit(r, ctx, &op,
                                           ngx_http_durable_control_reply);
}


/* DELETE /v1/apps?url=: of one that never told its name */

ngx_int_t
ngx_http_durable_remove_url_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_op_t   op;
    ngx_str_t  url;

    if (ngx_http_durable_arg(r, "url", &url) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (url.len == 0) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "the argument \"url\" is missing: it "
                                      "is the URL of the app to remove");
    }

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_APP;
    op.generation = 1;
    op.url = dur_str_make(url.data, url.len);

    return ngx_http_durable_app_remove(r, ctx, &op);
}


/* One of a directive would be there again after the next reload. */

static ngx_int_t
ngx_http_durable_app_remove(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_op_t *op)
{
    dur_rc_t      rc;
    dur_buf_t    *b;
    dur_str_t     url;
    ngx_str_t     text;
    dur_store_t  *store;

    url = op->url;

    if (op->item) {

        store = ngx_durable_store();

        if (store == NULL) {
            return ngx_http_durable_unavailable(r);
        }

        b = &ctx->conf->scratch.canonical;
        dur_buf_reset(b);

        rc = dur_query_app_url(store, op->url, b);

        if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
            return ngx_http_durable_error_rc(r, rc);
        }

        url = dur_buf_str(b);
    }

    if (ngx_http_durable_app_configured(ctx, url)) {

        text.data = (u_char *) url.data;
        text.len = url.len;

        return ngx_http_durable_error(r, NGX_HTTP_CONFLICT,
                                      "the app at %V is one of nginx.conf: "
                                      "remove its \"durable_app\" there",
                                      &text);
    }

    return ngx_http_durable_control_submit(r, ctx, op,
                                           ngx_http_durable_control_reply);
}


static ngx_uint_t
ngx_http_durable_app_configured(ngx_http_durable_ctx_t *ctx, dur_str_t url)
{
    dur_str_t           wanted, known;
    ngx_uint_t          i, found;
    dur_arena_t        *arena;
    ngx_durable_app_t  *app;

    arena = &ctx->conf->scratch.arena;
    dur_arena_reset(arena);

    if (dur_app_url_normalize(url, arena, &wanted) != DUR_OK) {
        return 0;
    }

    app = ctx->conf->durable.apps.elts;
    found = 0;

    for (i = 0; i < ctx->conf->durable.apps.nelts && !found; i++) {
        found = dur_app_url_normalize(dur_str_make(app[i].url.data,
                                                   app[i].url.len),
                                      arena, &known)
                == DUR_OK
                && dur_str_eq(known, wanted);
    }

    return found;
}
