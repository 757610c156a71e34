
/*
 * Copyright (C) the nginx-durable authors
 */


#include "ngx_http_durable.h"


static ngx_int_t ngx_http_durable_event_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static void ngx_http_durable_event_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);
static ngx_int_t ngx_http_durable_event_ids(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static void ngx_http_durable_replay_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);
static ngx_int_t ngx_http_durable_event_data(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);


/* POST /e/{key} */

ngx_int_t
ngx_http_durable_event_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_read_body(r, ctx,
                                      ctx->conf->durable.request_max_size,
                                      ngx_http_durable_event_body);
}


/*
 * From the bytes to the op.  All of it is between reading and submitting, so
 * that a large body can be given to a helper thread here.
 */

static ngx_int_t
ngx_http_durable_event_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    json_t     *root;
    dur_op_t    op;
    ngx_int_t   rc;
    dur_str_t   body;

    if (ngx_http_durable_body(r, ctx, &body) != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    if (ctx->dashboard
        && ngx_http_durable_redacted(ctx, DUR_REDACT_EVENT, body))
    {
        return ngx_http_durable_redacted_error(r);
    }

    rc = ngx_http_durable_events_parse(r, ctx, body, &op, &root);

    if (rc == NGX_DECLINED) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST, "%V",
                                      &ctx->error);
    }

    if (rc != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_ENOMEM);
    }

    if (op.nevents == 0) {
        rc = ngx_http_durable_event_ids(r, ctx);

    } else {
        rc = ngx_http_durable_submit(r, ctx, &op,
                                     ngx_http_durable_event_reply);
    }

    json_decref(root);

    return rc;
}


static void
ngx_http_durable_event_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply)
{
    ngx_int_t  n;

    if (rc == DUR_OK && reply->status == NGX_HTTP_OK) {
        n = ngx_http_durable_event_ids(r, ctx);

    } else if (rc == DUR_OK
               && reply->status == NGX_HTTP_CONFLICT
               && ctx->seeded)
    {
        /* another body has these ids: the seed is ignored (design 3) */

        ctx->unseeded = 1;
        n = ngx_http_durable_event_body(r, ctx);

    } else {
        n = ngx_http_durable_reply(r, ctx, rc, reply);
    }

    ngx_http_finalize_request(r, n);
}


/* POST /v1/events/{id}/replay */

ngx_int_t
ngx_http_durable_replay_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    json_t       *root;
    dur_rc_t      rc;
    dur_op_t      op;
    ngx_int_t     n;
    dur_buf_t    *text;
    dur_ulid_t    id;
    dur_store_t  *store;

    if (ngx_http_durable_id(r, ctx, &id) != NGX_OK) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "\"%V\" is not a ULID", &ctx->args[0]);
    }

    store = ngx_durable_store();

    if (store == NULL) {
        return ngx_http_durable_unavailable(r);
    }

    text = &ctx->conf->scratch.body;
    dur_buf_reset(text);

    rc = dur_query_event_text(store, &id, ctx->conf->durable.event_max_size,
                              text);

    switch (rc) {

    case DUR_OK:
        break;

    case DUR_ENOTFOUND:
        return ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND,
                                      "there is no event %V", &ctx->args[0]);

    case DUR_ETOOBIG:
        return ngx_http_durable_error(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                      "the event %V is larger than an event "
                                      "that is sent may be (%uz bytes): run "
                                      "its runs again instead", &ctx->args[0],
                                      ctx->conf->durable.event_max_size);

    default:
        return ngx_http_durable_error_rc(r, rc);
    }

    n = ngx_http_durable_replay_parse(r, ctx, dur_buf_str(text), &op, &root);

    if (n == NGX_DECLINED) {
        return ngx_http_durable_error(r, NGX_HTTP_CONFLICT, "%V",
                                      &ctx->error);
    }

    if (n != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_ENOMEM);
    }

    n = ngx_http_durable_submit(r, ctx, &op, ngx_http_durable_replay_reply);

    json_decref(root);

    return n;
}


static void
ngx_http_durable_replay_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply)
{
    ngx_http_finalize_request(r,
                              rc == DUR_OK && reply->status == NGX_HTTP_OK
                              ? ngx_http_durable_event_data(r, ctx)
                              : ngx_http_durable_reply(r, ctx, rc, reply));
}


/* {"ids":["<ulid>",...],"status":200} */

static ngx_int_t
ngx_http_durable_event_ids(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    u_char      *p;
    ngx_str_t    body;
    ngx_uint_t   i;

    if (ctx->v2) {
        return ngx_http_durable_event_data(r, ctx);
    }

    p = ngx_pnalloc(r->pool, sizeof("{\"ids\":[],\"status\":200}")
                             + ctx->nids * (DUR_ULID_TEXT_LEN + 3));
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = p;

    p = ngx_cpymem(p, "{\"ids\":[", sizeof("{\"ids\":[") - 1);

    for (i = 0; i < ctx->nids; i++) {

        if (i) {
            *p++ = ',';
        }

        *p++ = '"';

        dur_ulid_text(&ctx->ids[i], (char *) p);
        p += DUR_ULID_TEXT_LEN;

        *p++ = '"';
    }

    p = ngx_cpymem(p, "],\"status\":200}", sizeof("],\"status\":200}") - 1);

    body.len = p - body.data;

    return ngx_http_durable_send(r, NGX_HTTP_OK, &body);
}


/* {"data":{"ids":["<ulid>",...]},"metadata":...} */

static ngx_int_t
ngx_http_durable_event_data(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    char         id[DUR_ULID_TEXT_LEN + 1];
    dur_buf_t   *b;
    ngx_uint_t   i;

    b = ngx_http_durable_answer(ctx, 1);

    dur_buf_addz(b, "{\"ids\":[");

    for (i = 0; i < ctx->nids; i++) {
        dur_ulid_text(&ctx->ids[i], id);
        dur_buf_addf(b, i ? ",\"%s\"" : "\"%s\"", id);
    }

    dur_buf_addz(b, "]}");

    return ngx_http_durable_found(r, ctx, DUR_OK, NULL, 1);
}
