
/*
 * Copyright (C) the nginx-durable authors
 */


#include "ngx_http_durable_dashboard.h"


static ngx_int_t ngx_http_durable_auth_event_key(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);


/* NGX_OK: let in; NGX_DECLINED: ctx->error is the sentence of the 401. */

ngx_int_t
ngx_http_durable_auth(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx)
{
    if (ctx->dashboard) {
        return ctx->dashboard->access == NGX_HTTP_DURABLE_ACCESS_KEY
               ? ngx_http_durable_auth_signing_key(r, ctx) : NGX_OK;
    }

    switch (ctx->route->auth) {

    case NGX_HTTP_DURABLE_EVENT_KEY:
        return ngx_http_durable_auth_event_key(r, ctx);

    case NGX_HTTP_DURABLE_SIGNING_KEY:
    case NGX_HTTP_DURABLE_PEOPLE:
        return ngx_http_durable_auth_signing_key(r, ctx);

    case NGX_HTTP_DURABLE_PUBLISH:
        if (ngx_http_durable_auth_signing_key(r, ctx) == NGX_OK) {
            return NGX_OK;
        }

        return ngx_http_durable_realtime_publisher(r, ctx);

    case NGX_HTTP_DURABLE_OPEN:
        break;
    }

    return NGX_OK;
}


/* All keys are compared, so that the time does not tell which one it was. */

static ngx_int_t
ngx_http_durable_auth_event_key(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    ngx_str_t   *key;
    dur_str_t    given;
    ngx_uint_t   i, found;

    if (ctx->args[0].len == 0) {
        ngx_str_set(&ctx->error, "Event key is required");
        return NGX_DECLINED;
    }

    if (ctx->conf->durable.dev) {
        return NGX_OK;
    }

    given = dur_str_make(ctx->args[0].data, ctx->args[0].len);
    key = ctx->conf->durable.event_keys.elts;
    found = 0;

    for (i = 0; i < ctx->conf->durable.event_keys.nelts; i++) {
        found |= dur_const_eq(given, dur_str_make(key[i].data, key[i].len));
    }

    if (!found) {
        ngx_str_set(&ctx->error, "Event key not found");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_durable_auth_signing_key(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    ngx_str_t   *key, value;
    dur_str_t    authorization;
    ngx_uint_t   found;

    if (ctx->conf->durable.dev) {
        return NGX_OK;
    }

    if (r->headers_in.authorization == NULL) {
        ngx_str_set(&ctx->error, "Unauthorized: the request has no "
                                 "\"Authorization: Bearer\" header with the "
                                 "signing key");
        return NGX_DECLINED;
    }

    value = r->headers_in.authorization->value;
    authorization = dur_str_make(value.data, value.len);

    key = &ctx->conf->durable.signing_key;
    found = dur_bearer_check(authorization, dur_str_make(key->data, key->len));

    key = &ctx->conf->durable.signing_key_fallback;

    if (key->len) {
        found |= dur_bearer_check(authorization,
                                  dur_str_make(key->data, key->len));
    }

    if (!found) {
        ngx_str_set(&ctx->error, "Unauthorized: the signing key of the "
                                 "request is not the signing key of this "
                                 "server");
        return NGX_DECLINED;
    }

    return NGX_OK;
}
