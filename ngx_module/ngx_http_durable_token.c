
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Tokens for clients that have no key: signed with the signing key, or, where
 * there is none, with a key of the store.
 */


#include "ngx_http_durable.h"

#include "engine/dur_endpoint_read.h"
#include "engine/dur_jwt.h"


static ngx_int_t ngx_http_durable_token_keys(ngx_http_durable_ctx_t *ctx,
    uint8_t own[32], dur_str_t keys[2], ngx_uint_t *n);


ngx_int_t
ngx_http_durable_token_sign(ngx_http_durable_ctx_t *ctx, dur_str_t claims,
    dur_buf_t *out)
{
    uint8_t      own[32];
    dur_str_t    keys[2];
    ngx_uint_t   n;

    if (ngx_http_durable_token_keys(ctx, own, keys, &n) != NGX_OK) {
        return NGX_ERROR;
    }

    return dur_jwt_sign(keys[0], claims, out) == DUR_OK ? NGX_OK : NGX_ERROR;
}


/*
 * NGX_OK and the claims, which the caller frees; NGX_DECLINED: it is no token
 * of ours, or no more; NGX_ERROR: the store that has the key is not there.
 */

ngx_int_t
ngx_http_durable_token_verify(ngx_http_durable_ctx_t *ctx, ngx_str_t *token,
    json_t **claims)
{
    uint8_t      own[32];
    dur_str_t    keys[2];
    ngx_uint_t   i, n;

    if (ngx_http_durable_token_keys(ctx, own, keys, &n) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        if (dur_jwt_verify(keys[i], dur_str_make(token->data, token->len),
                           ngx_time(), claims)
            == DUR_OK)
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_durable_token_keys(ngx_http_durable_ctx_t *ctx, uint8_t own[32],
    dur_str_t keys[2], ngx_uint_t *n)
{
    ngx_str_t    *key;
    dur_store_t  *store;

    *n = 1;

    key = &ctx->conf->durable.signing_key;

    if (key->len == 0) {
        store = ngx_durable_store();

        if (store == NULL || dur_endpoint_key(store, own) != DUR_OK) {
            return NGX_ERROR;
        }

        keys[0] = dur_str_make(own, 32);

        return NGX_OK;
    }

    keys[0] = dur_signing_key_strip(dur_str_make(key->data, key->len));

    key = &ctx->conf->durable.signing_key_fallback;

    if (key->len) {
        keys[1] = dur_signing_key_strip(dur_str_make(key->data, key->len));
        *n = 2;
    }

    return NGX_OK;
}
