
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * "durable_respond sync": the provider is answered with what the target said,
 * or at the timeout with 202 and where to ask.  The webhook is durable by then
 * whatever happens.
 */


#include "ngx_http_durable.h"


static ngx_int_t ngx_http_durable_sync_find(ngx_http_durable_ctx_t *ctx,
    dur_ulid_t *run);
static ngx_uint_t ngx_http_durable_sync_is_run(ngx_http_durable_ctx_t *ctx,
    dur_str_t text, dur_ulid_t *run);
static ngx_int_t ngx_http_durable_sync_try(ngx_http_request_t *r, void *data,
    ngx_uint_t last);
static ngx_int_t ngx_http_durable_sync_later(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const char *status, dur_ulid_t *run);
static ngx_int_t ngx_http_durable_sync_ended(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t status, dur_str_t output);
static ngx_int_t ngx_http_durable_sync_relay(ngx_http_request_t *r,
    const json_t *answer);
static ngx_int_t ngx_http_durable_sync_body(ngx_http_request_t *r,
    const json_t *answer, ngx_str_t *body);


ngx_int_t
ngx_http_durable_route_sync(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    ngx_int_t    rc;
    dur_ulid_t  *run;

    run = ngx_palloc(r->pool, sizeof(dur_ulid_t));
    if (run == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_durable_sync_find(ctx, run);

    if (rc == NGX_DECLINED) {

        /* it was delivered before, or waits to be */

        return ngx_http_durable_sync_later(r, ctx, "duplicate", NULL);
    }

    if (rc != NGX_OK) {
        return ngx_http_durable_sync_later(r, ctx, "accepted", NULL);
    }

    return ngx_http_durable_wait(r, ctx->delivery->hook->sync,
                                 ngx_http_durable_sync_try, run);
}


/*
 * The run that sends it on; apps may have functions of the same event.
 * NGX_DECLINED: there is none; NGX_ERROR: it cannot be read now.
 */

static ngx_int_t
ngx_http_durable_sync_find(ngx_http_durable_ctx_t *ctx, dur_ulid_t *run)
{
    size_t        pos;
    dur_buf_t    *b;
    dur_str_t     text;
    dur_store_t  *store;

    b = &ctx->conf->scratch.text;
    dur_buf_reset(b);

    store = ngx_durable_store();

    if (store == NULL
        || dur_query_event_runs(store, &ctx->delivery->ulid, b) != DUR_OK)
    {
        return NGX_ERROR;
    }

    pos = 0;

    while (dur_json_next(dur_buf_str(b), &pos, &text) == DUR_OK) {
        if (ngx_http_durable_sync_is_run(ctx, text, run)) {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_http_durable_sync_is_run(ngx_http_durable_ctx_t *ctx, dur_str_t text,
    dur_ulid_t *run)
{
    dur_str_t   slug, id;
    ngx_str_t  *connector;

    connector = &ctx->delivery->connector;

    return dur_json_member(text, dur_str("function"), &slug) == DUR_OK
           && slug.len == connector->len + sizeof("\"api-\"") - 1
           && ngx_memcmp(slug.data, "\"api-", 5) == 0
           && ngx_memcmp(slug.data + 5, connector->data, connector->len) == 0
           && dur_json_member(text, dur_str("run_id"), &id) == DUR_OK
           && id.len == DUR_ULID_TEXT_LEN + 2
           && dur_ulid_parse(dur_str_make(id.data + 1, DUR_ULID_TEXT_LEN),
                             run)
              == DUR_OK;
}


static ngx_int_t
ngx_http_durable_sync_try(ngx_http_request_t *r, void *data, ngx_uint_t last)
{
    dur_ulid_t *run = data;

    dur_buf_t               *b;
    dur_str_t                status, output;
    dur_store_t             *store;
    ngx_http_durable_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_durable_module);

    b = &ctx->conf->scratch.text;
    dur_buf_reset(b);

    store = ngx_durable_store();

    if (store != NULL
        && dur_query_run_whole(store, run, b) == DUR_OK
        && dur_json_member(dur_buf_str(b), dur_str("status"), &status)
           == DUR_OK
        && !dur_str_eq(status, dur_str("\"Running\""))
        && !dur_str_eq(status, dur_str("\"Scheduled\""))
        && dur_json_member(dur_buf_str(b), dur_str("output"), &output)
           == DUR_OK)
    {
        return ngx_http_durable_sync_ended(r, ctx, status, output);
    }

    return last ? ngx_http_durable_sync_later(r, ctx, "accepted", run)
                : NGX_AGAIN;
}


/* 202, and where to ask what becomes of it. */

static ngx_int_t
ngx_http_durable_sync_later(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const char *status, dur_ulid_t *run)
{
    char        text[DUR_ULID_TEXT_LEN + 1];
    u_char     *p;
    ngx_str_t   body, url;

    p = ngx_pnalloc(r->pool, 256);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = p;
    p = ngx_sprintf(p, "{\"event_id\":\"%V\",\"status\":\"%s\"",
                    &ctx->delivery->event, status);

    if (run) {
        dur_ulid_text(run, text);

        p = ngx_sprintf(p, ",\"status_url\":\"");
        url.data = p;
        p = ngx_sprintf(p, "/v1/runs/%s", text);
        url.len = p - url.data;
        *p++ = '"';

        if (ngx_http_durable_header(r, "Location", &url) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    *p++ = '}';
    body.len = p - body.data;

    return ngx_http_durable_send(r, NGX_HTTP_ACCEPTED, &body);
}


static ngx_int_t
ngx_http_durable_sync_ended(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t status, dur_str_t output)
{
    json_t     *root, *answer;
    ngx_int_t   rc;
    ngx_str_t   text;
    dur_str_t   message;

    root = dur_json_parse(output, NULL);
    answer = root;

    ngx_str_set(&ctx->delivery->outcome, "delivered");

    if (!dur_str_eq(status, dur_str("\"Completed\""))) {
        ngx_str_set(&ctx->delivery->outcome, "undelivered");
        answer = json_object_get(root, "data");
    }

    if (json_is_integer(json_object_get(answer, "status"))) {
        rc = ngx_http_durable_sync_relay(r, answer);

    } else if (dur_str_eq(status, dur_str("\"Failed\""))) {

        if (dur_json_get_string(root, "message", &message) != DUR_OK) {
            message = dur_str("it did not answer");
        }

        text.len = message.len;
        text.data = (u_char *) message.data;

        rc = ngx_http_durable_error(r, NGX_HTTP_BAD_GATEWAY,
                                    "the webhook could not be delivered: %V",
                                    &text);
    } else {
        text.len = status.len;
        text.data = (u_char *) status.data;

        rc = ngx_http_durable_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                    "the webhook was not delivered, its run "
                                    "is %V", &text);
    }

    json_decref(root);

    return rc;
}


/* {"body","bodyEncoding"?,"headers","status"} of dur_forward_answer() */

static ngx_int_t
ngx_http_durable_sync_relay(ngx_http_request_t *r, const json_t *answer)
{
    ngx_str_t   type, body;
    json_int_t  status;

    status = json_integer_value(json_object_get(answer, "status"));

    if (status < 200 || status > 599) {
        status = NGX_HTTP_BAD_GATEWAY;
    }

    ngx_str_set(&type, "text/plain");

    if (ngx_http_durable_relay_headers(r, json_object_get(answer, "headers"),
                                       &type)
        != NGX_OK
        || ngx_http_durable_sync_body(r, answer, &body) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (status == NGX_HTTP_NO_CONTENT || status == NGX_HTTP_NOT_MODIFIED) {
        body.len = 0;
    }

    return ngx_http_durable_send_typed(r, status, &type, &body);
}


static ngx_int_t
ngx_http_durable_sync_body(ngx_http_request_t *r, const json_t *answer,
    ngx_str_t *body)
{
    dur_str_t  text, encoding;

    if (dur_json_get_string(answer, "body", &text) != DUR_OK) {
        text = dur_str_null;
    }

    if (ngx_http_durable_relay_copy(r, text, body) != NGX_OK) {
        return NGX_ERROR;
    }

    if (dur_json_get_string(answer, "bodyEncoding", &encoding) == DUR_OK
        && dur_str_eq(encoding, dur_str("base64")))
    {
        return dur_unbase64(text, body->data, body->len, &body->len) == DUR_OK
               ? NGX_OK : NGX_ERROR;
    }

    return NGX_OK;
}
