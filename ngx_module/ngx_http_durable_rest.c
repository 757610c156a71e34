
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * What can be read by its id (protocol 4.7, 8.1): a short read transaction
 * each, its JSON in the scratch buffer, and the envelope around it.
 */


#include "ngx_http_durable.h"


#define NGX_HTTP_DURABLE_GONE  410


static void ngx_http_durable_metadata(dur_buf_t *b, ngx_uint_t v2,
    const dur_query_page_t *page);
static void ngx_http_durable_cancel_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);


static ngx_str_t  ngx_http_durable_short_cache =
    ngx_string("private, max-age=15");


/* GET /v0/runs/{id}/batch */

ngx_int_t
ngx_http_durable_batch_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_by_id(r, ctx, NULL, 0, dur_query_batch);
}


/* GET /v0/runs/{id}/actions */

ngx_int_t
ngx_http_durable_actions_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_by_id(r, ctx, NULL, 0, dur_query_actions);
}


/* GET /v1/events/{id} */

ngx_int_t
ngx_http_durable_one_event_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_by_id(r, ctx, "event", 1, dur_query_event);
}


/* GET /v1/events/{id}/runs */

ngx_int_t
ngx_http_durable_event_runs_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    if (ngx_http_durable_header(r, "Cache-Control",
                                &ngx_http_durable_short_cache)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_by_id(r, ctx, "event", 1, dur_query_event_runs);
}


/* GET /v1/runs/{id}/history */

ngx_int_t
ngx_http_durable_history_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_by_id(r, ctx, "run", 1, dur_query_history);
}


/* GET /v1/runs/{id}/tree */

ngx_int_t
ngx_http_durable_tree_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_by_id(r, ctx, "run", 1, dur_query_tree);
}


/* GET /v1/runs/{id}/jobs */

ngx_int_t
ngx_http_durable_jobs_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_by_id(r, ctx, "run", 1, dur_query_jobs);
}


/* GET /v1/runs/{id}/steps/{hash} */

ngx_int_t
ngx_http_durable_step_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_rc_t      rc;
    dur_buf_t    *b;
    dur_ulid_t    id;
    dur_hash_t    step;
    dur_store_t  *store;

    if (ngx_http_durable_id(r, ctx, &id) != NGX_OK) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "\"%V\" is not a ULID", &ctx->args[0]);
    }

    if (dur_hash_parse(dur_str_make(ctx->args[1].data, ctx->args[1].len),
                       &step)
        != DUR_OK)
    {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "\"%V\" is not the hashed id of a step",
                                      &ctx->args[1]);
    }

    store = ngx_durable_store();

    if (store == NULL) {
        return ngx_http_durable_unavailable(r);
    }

    b = ngx_http_durable_answer(ctx, 1);
    rc = dur_query_step(store, &id, &step, b);

    if (rc == DUR_ENOTFOUND) {
        return ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND,
                                      "there is no step %V of a run %V",
                                      &ctx->args[1], &ctx->args[0]);
    }

    return ngx_http_durable_found(r, ctx, rc, NULL, 1);
}


/* `what` is what a 404 names; without it a run that is gone is a 410. */

ngx_int_t
ngx_http_durable_by_id(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    const char *what, ngx_uint_t envelope, ngx_http_durable_query_pt query)
{
    dur_rc_t      rc;
    dur_buf_t    *b;
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

    b = ngx_http_durable_answer(ctx, envelope);
    rc = query(store, &id, b);

    if (rc != DUR_ENOTFOUND) {
        return ngx_http_durable_found(r, ctx, rc, NULL, envelope);
    }

    if (what == NULL) {
        return ngx_http_durable_error(r, NGX_HTTP_DURABLE_GONE,
                                      "the run %V is gone or never was",
                                      &ctx->args[0]);
    }

    return ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND,
                                  "there is no %s %V", what, &ctx->args[0]);
}


/* A short list, given whole. */

ngx_int_t
ngx_http_durable_all(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    ngx_http_durable_all_pt query)
{
    dur_rc_t      rc;
    dur_store_t  *store;

    store = ngx_durable_store();

    if (store == NULL) {
        return ngx_http_durable_unavailable(r);
    }

    rc = query(store, ngx_http_durable_answer(ctx, 1));

    return ngx_http_durable_found(r, ctx, rc, NULL, 1);
}


ngx_int_t
ngx_http_durable_id(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    dur_ulid_t *id)
{
    if (dur_ulid_parse(dur_str_make(ctx->args[0].data, ctx->args[0].len), id)
        != DUR_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* The buffer of an answer, with the beginning of its envelope. */

dur_buf_t *
ngx_http_durable_answer(ngx_http_durable_ctx_t *ctx, ngx_uint_t envelope)
{
    dur_buf_t  *b;

    b = &ctx->conf->scratch.text;
    dur_buf_reset(b);

    if (envelope) {
        dur_buf_addz(b, "{\"data\":");
    }

    return b;
}


/* Ends the answer and sends it, or what the query said instead. */

ngx_int_t
ngx_http_durable_found(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    dur_rc_t rc, const dur_query_page_t *page, ngx_uint_t envelope)
{
    dur_buf_t  *b;

    b = &ctx->conf->scratch.text;

    if (rc == DUR_ETOOBIG) {
        return ngx_http_durable_error(r, NGX_HTTP_INTERNAL_SERVER_ERROR,
                                      "the answer is larger than this server "
                                      "can give");
    }

    if (rc != DUR_OK) {
        return ngx_http_durable_error_rc(r, rc);
    }

    if (envelope) {
        ngx_http_durable_metadata(b, ctx->v2, page);
    }

    if (b->failed) {
        return ngx_http_durable_error_rc(r, DUR_ENOMEM);
    }

    return ngx_http_durable_send_copy(r, ctx->status ? ctx->status
                                                     : NGX_HTTP_OK,
                                      dur_buf_str(b));
}


/* What follows the data (protocol 0, 8.5). */

static void
ngx_http_durable_metadata(dur_buf_t *b, ngx_uint_t v2,
    const dur_query_page_t *page)
{
    char        text[32], cursor[DUR_ULID_TEXT_LEN + 3];
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    dur_rfc3339_text((int64_t) tp->sec * 1000 + tp->msec, text);

    dur_buf_addf(b, v2 ? ",\"metadata\":{\"fetchedAt\":\"%s\","
                         "\"cachedUntil\":null"
                       : ",\"metadata\":{\"fetched_at\":\"%s\"", text);

    if (page == NULL) {
        dur_buf_addz(b, "}}");
        return;
    }

    ngx_memcpy(cursor, "null", 5);

    if (page->more) {
        dur_ulid_text(&page->cursor, cursor + 1);
        cursor[0] = '"';
        cursor[DUR_ULID_TEXT_LEN + 1] = '"';
        cursor[DUR_ULID_TEXT_LEN + 2] = '\0';
    }

    if (v2) {
        dur_buf_addf(b, "},\"page\":{\"cursor\":%s,\"hasMore\":%s,"
                        "\"limit\":%u}}",
                     cursor, page->more ? "true" : "false", page->limit);
        return;
    }

    dur_buf_addf(b, ",\"cursor\":%s,\"scanned\":{\"rows\":%u,\"newest\":",
                 cursor, page->scanned);

    if (page->scanned) {
        dur_rfc3339_text(page->newest, text);
        dur_buf_addf(b, "\"%s\",\"oldest\":", text);
        dur_rfc3339_text(page->oldest, text);
        dur_buf_addf(b, "\"%s\"}}}", text);

    } else {
        dur_buf_addz(b, "null,\"oldest\":null}}}");
    }
}


/* DELETE /v1/runs/{id} */

ngx_int_t
ngx_http_durable_cancel_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_cancel(r, ctx, ngx_http_durable_reply_as_is);
}


/* DELETE /v0/runs/{id}: the same, but success is a 204 */

ngx_int_t
ngx_http_durable_cancel_v0_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_cancel(r, ctx, ngx_http_durable_cancel_reply);
}


ngx_int_t
ngx_http_durable_cancel(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    ngx_http_durable_reply_pt reply)
{
    dur_op_t  op;

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_CANCEL;

    if (ngx_http_durable_id(r, ctx, &op.run) != NGX_OK) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "\"%V\" is not a ULID", &ctx->args[0]);
    }

    return ngx_http_durable_submit(r, ctx, &op, reply);
}


static void
ngx_http_durable_cancel_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply)
{
    dur_reply_t  answer;

    answer = *reply;

    if (rc == DUR_OK && answer.flags & DUR_REPLY_F_ENDED) {
        ngx_http_finalize_request(r,
            ngx_http_durable_error(r, NGX_HTTP_CONFLICT,
                                   "the run has ended already"));
        return;
    }

    if (rc == DUR_OK && answer.status == NGX_HTTP_OK) {
        answer.status = NGX_HTTP_NO_CONTENT;
        answer.body = dur_str_null;
    }

    ngx_http_durable_reply_as_is(r, ctx, rc, &answer);
}
