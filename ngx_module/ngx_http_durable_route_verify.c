
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * durable_verify: who may send webhooks.  The rules of the providers are the
 * engine's (dur_verify); here are the directive and the request.
 */


#include "ngx_http_durable.h"


#define NGX_HTTP_DURABLE_TOLERANCE_MAX  (24 * 60 * 60)


static ngx_int_t ngx_http_durable_verify_value(ngx_conf_t *cf,
    ngx_http_durable_verify_t *verify, ngx_str_t *value,
    dur_verify_scheme_t *custom);
static ngx_uint_t ngx_http_durable_verify_is_option(ngx_str_t *value);
static ngx_int_t ngx_http_durable_verify_option(ngx_conf_t *cf,
    ngx_http_durable_verify_t *verify, ngx_str_t *option,
    dur_verify_scheme_t *custom);
static ngx_int_t ngx_http_durable_verify_secrets(ngx_conf_t *cf,
    ngx_http_durable_verify_t *verify);
static ngx_int_t ngx_http_durable_verify_refuse(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const char *why);
static ngx_int_t ngx_http_durable_verify_dedupe(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_verify_request_t *request);
static void ngx_http_durable_verify_headers(ngx_http_request_t *r,
    dur_buf_t *b);


/* durable_verify off | provider secret ... [tolerance=time] */

char *
ngx_http_durable_set_verify(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_durable_loc_conf_t *dlcf = conf;

    ngx_str_t                  *value;
    ngx_uint_t                  i;
    dur_verify_scheme_t        *custom;
    ngx_http_durable_verify_t  *verify;

    if (dlcf->hook.verify != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0 && cf->args->nelts == 2) {
        dlcf->hook.verify = NULL;
        return NGX_CONF_OK;
    }

    verify = ngx_pcalloc(cf->pool, sizeof(ngx_http_durable_verify_t));

    if (verify == NULL
        || ngx_array_init(&verify->secrets, cf->pool, 2, sizeof(dur_str_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    custom = NULL;

    if (ngx_strcmp(value[1].data, "custom") == 0) {

        custom = ngx_http_durable_custom(cf);
        if (custom == NULL) {
            return NGX_CONF_ERROR;
        }

        verify->scheme = custom;

    } else {
        verify->scheme = dur_verify_find(dur_str_make(value[1].data,
                                                      value[1].len));
    }

    if (verify->scheme == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown provider \"%V\": it is one of %s, or "
                           "\"off\"", &value[1], dur_verify_names());
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_durable_verify_value(cf, verify, &value[i], custom)
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (custom && ngx_http_durable_custom_check(cf, custom) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_durable_verify_secrets(cf, verify) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    dlcf->hook.verify = verify;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_durable_verify_value(ngx_conf_t *cf,
    ngx_http_durable_verify_t *verify, ngx_str_t *value,
    dur_verify_scheme_t *custom)
{
    ngx_str_t   secret;
    dur_str_t  *s;

    if (ngx_http_durable_verify_is_option(value)) {
        return ngx_http_durable_verify_option(cf, verify, value, custom);
    }

    if (ngx_http_durable_secret(cf, value, &secret) != NGX_OK) {
        return NGX_ERROR;
    }

    s = ngx_array_push(&verify->secrets);
    if (s == NULL) {
        return NGX_ERROR;
    }

    *s = dur_str_make(secret.data, secret.len);

    return NGX_OK;
}


/* "word=value": a secret in base64 has "=" at its end only. */

static ngx_uint_t
ngx_http_durable_verify_is_option(ngx_str_t *value)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {

        if (value->data[i] == '=') {
            return i > 0 && i + 1 < value->len
                   && (value->data[i + 1] != '=' || i + 2 < value->len
                       || ngx_strncmp(value->data, "assign", 6) == 0);
        }

        if ((value->data[i] < 'a' || value->data[i] > 'z')
            && value->data[i] != '_')
        {
            return 0;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_durable_verify_option(ngx_conf_t *cf,
    ngx_http_durable_verify_t *verify, ngx_str_t *option,
    dur_verify_scheme_t *custom)
{
    ngx_int_t   n;
    ngx_str_t   value, name;

    if (ngx_strncmp(option->data, "tolerance=", 10) == 0) {
        value.len = option->len - 10;
        value.data = option->data + 10;

        n = ngx_parse_time(&value, 1);

        if (n == NGX_ERROR || n < 1 || n > NGX_HTTP_DURABLE_TOLERANCE_MAX) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"%V\": it is how old a webhook may "
                               "be, from 1s to 24h", option);
            return NGX_ERROR;
        }

        verify->tolerance = n;

        return NGX_OK;
    }

    if (custom) {
        return ngx_http_durable_custom_option(cf, custom, option);
    }

    /* what is behind "=" may be meant as a secret */

    name.data = option->data;
    name.len = ngx_strlchr(option->data, option->data + option->len, '=')
               - option->data;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown option \"%V=\": \"durable_verify\" knows "
                       "tolerance= here; a secret that looks like an option "
                       "can stand in a file (file:/path)", &name);
    return NGX_ERROR;
}


static ngx_int_t
ngx_http_durable_verify_secrets(ngx_conf_t *cf,
    ngx_http_durable_verify_t *verify)
{
    char         err[160];
    dur_str_t   *secrets;
    ngx_uint_t   i;

    if (verify->secrets.nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"durable_verify %s\" needs a secret",
                           verify->scheme->name);
        return NGX_ERROR;
    }

    secrets = verify->secrets.elts;

    for (i = 0; i < verify->secrets.nelts; i++) {
        if (dur_verify_secret(verify->scheme, secrets[i], err) != DUR_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "secret %ui of \"durable_verify\" cannot be "
                               "used: %s", i + 1, err);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * NGX_DECLINED: go on, the delivery's id is known; any other code: the request
 * was answered, because it is refused or a challenge.
 */

ngx_int_t
ngx_http_durable_route_verify(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    bool                          json;
    char                          err[160];
    dur_rc_t                      rc;
    dur_str_t                     body;
    ngx_str_t                     text;
    ngx_time_t                   *tp;
    dur_verify_request_t          request;
    ngx_http_durable_verify_t    *verify;
    ngx_http_durable_delivery_t  *d;

    d = ctx->delivery;
    verify = d->hook->verify;

    ngx_memzero(&request, sizeof(dur_verify_request_t));

    if (verify == NULL) {
        return ngx_http_durable_verify_dedupe(r, ctx, &request);
    }

    dur_buf_reset(&ctx->conf->scratch.text);
    ngx_http_durable_verify_headers(r, &ctx->conf->scratch.text);

    if (ctx->conf->scratch.text.failed) {
        return ngx_http_durable_error_rc(r, DUR_ENOMEM);
    }

    tp = ngx_timeofday();

    request.method = d->webhook.method;
    request.url = d->webhook.url;
    request.body = d->webhook.body;
    request.headers = dur_buf_str(&ctx->conf->scratch.text);
    request.now_ms = (int64_t) tp->sec * 1000 + tp->msec;
    request.tolerance = verify->tolerance;

    rc = dur_verify(verify->scheme, verify->secrets.elts,
                    verify->secrets.nelts, &request,
                    &ctx->conf->scratch.arena, err);

    if (rc == DUR_EACCES) {
        return ngx_http_durable_verify_refuse(r, ctx, err);
    }

    if (rc != DUR_OK) {
        return ngx_http_durable_error_rc(r, rc);
    }

    if (!dur_verify_challenge(verify->scheme, &request,
                              &ctx->conf->scratch.arena, &body, &json))
    {
        return ngx_http_durable_verify_dedupe(r, ctx, &request);
    }

    ngx_str_set(&d->outcome, "challenge");

    if (json) {
        return ngx_http_durable_send_copy(r, NGX_HTTP_OK, body);
    }

    text.len = body.len;
    text.data = ngx_pnalloc(r->pool, body.len + 1);

    if (text.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memcpy(text.data, body.data, body.len);

    return ngx_http_durable_send_text(r, body.len ? NGX_HTTP_OK
                                                  : NGX_HTTP_NO_CONTENT,
                                      &text);
}


static ngx_int_t
ngx_http_durable_verify_refuse(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const char *why)
{
    ngx_http_durable_delivery_t  *d;

    d = ctx->delivery;
    ngx_str_set(&d->outcome, "unverified");

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "durable: a webhook of \"%V\" was refused: %s",
                  &d->connector, why);

    return ngx_http_durable_error(r, NGX_HTTP_UNAUTHORIZED,
                                  "the webhook was refused: %s", why);
}


/* By which a repeated delivery is known: what the directive says, or the
 * provider. */

static ngx_int_t
ngx_http_durable_verify_dedupe(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_verify_request_t *request)
{
    dur_str_t                     id;
    ngx_str_t                     value;
    ngx_http_durable_hook_t      *hook;
    ngx_http_durable_delivery_t  *d;

    d = ctx->delivery;
    hook = d->hook;

    id = dur_str_null;

    if (hook->dedupe) {

        if (ngx_http_complex_value(r, hook->dedupe, &value) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        id = dur_str_make(value.data, value.len);

    } else if (hook->verify) {
        id = dur_verify_dedupe(hook->verify->scheme, request,
                               &ctx->conf->scratch.arena);
    }

    d->id = id;

    return NGX_DECLINED;
}


static void
ngx_http_durable_verify_headers(ngx_http_request_t *r, dur_buf_t *b)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        dur_buf_add(b, h[i].lowcase_key, h[i].key.len);
        dur_buf_addz(b, ": ");
        dur_buf_add(b, h[i].value.data, h[i].value.len);
        dur_buf_addc(b, '\n');
    }
}
