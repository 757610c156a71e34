
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * What people and SDKs tell the server to do with runs and functions: signals,
 * reruns, cancellations, pause (protocol 8.1, 8.5).  Here requests are made
 * ops, with ids by which the engine does them once; their meaning is the
 * engine's.
 */


#include "ngx_http_durable.h"


#define NGX_HTTP_DURABLE_CONTROL_MAX  (64 * 1024)


static ngx_int_t ngx_http_durable_signal_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_rerun_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_cancellation_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_pause(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_uint_t pause);
static void ngx_http_durable_signal_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);
static void ngx_http_durable_rerun_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);
static void ngx_http_durable_paused_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);
static void ngx_http_durable_resumed_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);
static void ngx_http_durable_pause_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply,
    ngx_uint_t paused);


/* POST /v1/signals */

ngx_int_t
ngx_http_durable_signal_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_read_body(r, ctx,
                                      ctx->conf->durable.event_max_size,
                                      ngx_http_durable_signal_body);
}


static ngx_int_t
ngx_http_durable_signal_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    json_t     *root;
    dur_op_t    op;
    dur_str_t   body, name;
    ngx_int_t   rc;

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_SIGNAL;

    if (ngx_http_durable_body(r, ctx, &body) != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    root = ngx_http_durable_control_parse(r, body, &rc);

    if (root == NULL) {
        return rc;
    }

    if (dur_json_get_string(root, "signal", &name) != DUR_OK || name.len == 0)
    {
        rc = ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                    "\"signal\" must be a string that is not "
                                    "empty");
        goto done;
    }

    if (name.len > NGX_HTTP_DURABLE_NAME_MAX) {
        rc = ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                    "the name of a signal has at most %d "
                                    "bytes", NGX_HTTP_DURABLE_NAME_MAX);
        goto done;
    }

    op.url = name;

    if (dur_json_member(body, dur_str("data"), &op.body) != DUR_OK) {
        op.body = dur_str("null");
    }

    rc = ngx_http_durable_control_submit(r, ctx, &op,
                                         ngx_http_durable_signal_reply);

done:

    json_decref(root);

    return rc;
}


static void
ngx_http_durable_signal_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply)
{
    if (rc == DUR_ENOTFOUND) {
        ngx_http_finalize_request(r,
            ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND,
                                   "no run waits for this signal"));
        return;
    }

    ngx_http_durable_control_reply(r, ctx, rc, reply);
}


/* POST /v1/runs/{id}/rerun, and the same below /v2 */

ngx_int_t
ngx_http_durable_rerun_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_read_body(r, ctx,
                                      ctx->conf->durable.request_max_size,
                                      ngx_http_durable_rerun_body);
}


static ngx_int_t
ngx_http_durable_rerun_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    json_t     *root;
    dur_op_t    op;
    dur_str_t   body, input;
    ngx_int_t   rc;

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_RERUN;

    if (ngx_http_durable_id(r, ctx, &op.run) != NGX_OK) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "\"%V\" is not a ULID", &ctx->args[0]);
    }

    if (ngx_http_durable_body(r, ctx, &body) != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    if (body.len) {
        root = ngx_http_durable_control_parse(r, body, &rc);

        if (root == NULL) {
            return rc;
        }

        json_decref(root);

        if (dur_json_member(body, dur_str("from_step"), &op.body) != DUR_OK
            && dur_json_member(body, dur_str("fromStep"), &op.body) != DUR_OK
            && (dur_json_member(body, dur_str("stepID"), &input) == DUR_OK
                || dur_json_member(body, dur_str("stepId"), &input)
                   == DUR_OK))
        {
            return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                          "the step stands in \"from_step\": "
                                          "{\"from_step\": {\"stepID\": ..}}");
        }

        if (dur_str_eq(op.body, dur_str("null"))) {
            op.body = dur_str_null;
        }

        if (op.body.len
            && dur_json_member(op.body, dur_str("input"), &input) == DUR_OK
            && ngx_http_durable_redacted(ctx, DUR_REDACT_VALUE, input))
        {
            return ngx_http_durable_redacted_error(r);
        }
    }

    return ngx_http_durable_control_submit(r, ctx, &op,
                                           ngx_http_durable_rerun_reply);
}


static void
ngx_http_durable_rerun_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply)
{
    dur_str_t    id;
    dur_buf_t   *b;
    dur_reply_t  answer;

    if (!ctx->v2 || rc != DUR_OK
        || dur_json_member(reply->body, dur_str("run_id"), &id) != DUR_OK)
    {
        ngx_http_durable_control_reply(r, ctx, rc, reply);
        return;
    }

    b = &ctx->conf->scratch.canonical;
    dur_buf_reset(b);
    dur_buf_addz(b, "{\"runId\":");
    dur_buf_adds(b, id);
    dur_buf_addz(b, "}");

    answer = *reply;
    answer.body = dur_buf_str(b);

    ngx_http_durable_control_reply(r, ctx, rc, &answer);
}


/* GET /v1/cancellations */

ngx_int_t
ngx_http_durable_cancellations_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_all(r, ctx, dur_query_cancellations);
}


/* POST /v1/cancellations */

ngx_int_t
ngx_http_durable_cancellation_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_read_body(r, ctx, NGX_HTTP_DURABLE_CONTROL_MAX,
                                      ngx_http_durable_cancellation_body);
}


static ngx_int_t
ngx_http_durable_cancellation_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_op_t  op;

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_CANCELLATION;

    if (ngx_http_durable_body(r, ctx, &op.body) != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    return ngx_http_durable_control_submit(r, ctx, &op,
                                           ngx_http_durable_control_reply);
}


/* DELETE /v1/cancellations/{id} */

ngx_int_t
ngx_http_durable_uncancel_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_op_t    op;
    dur_ulid_t  id;

    if (ngx_http_durable_id(r, ctx, &id) != NGX_OK) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "\"%V\" is not a ULID", &ctx->args[0]);
    }

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_CANCELLATION;
    op.url = dur_str_make(ctx->args[0].data, ctx->args[0].len);

    return ngx_http_durable_control_submit(r, ctx, &op,
                                           ngx_http_durable_control_reply);
}


/* POST /v1/functions/{slug}/pause */

ngx_int_t
ngx_http_durable_pause_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_pause(r, ctx, 1);
}


/* POST /v1/functions/{slug}/resume */

ngx_int_t
ngx_http_durable_resume_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_pause(r, ctx, 0);
}


static ngx_int_t
ngx_http_durable_pause(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    ngx_uint_t pause)
{
    dur_op_t  op;

    if (ctx->args[0].len == 0) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "the name of the function is empty");
    }

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_PAUSE;
    op.url = dur_str_make(ctx->args[0].data, ctx->args[0].len);
    op.generation = pause;

    return ngx_http_durable_control_submit(r, ctx, &op,
                                       pause ? ngx_http_durable_paused_reply
                                             : ngx_http_durable_resumed_reply);
}


static void
ngx_http_durable_paused_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply)
{
    ngx_http_durable_pause_reply(r, ctx, rc, reply, 1);
}


static void
ngx_http_durable_resumed_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply)
{
    ngx_http_durable_pause_reply(r, ctx, rc, reply, 0);
}


static void
ngx_http_durable_pause_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply,
    ngx_uint_t paused)
{
    dur_buf_t    *b;
    dur_reply_t   answer;

    answer = *reply;

    if (rc == DUR_OK && answer.status == NGX_HTTP_OK) {
        b = &ctx->conf->scratch.canonical;
        dur_buf_reset(b);

        dur_buf_addz(b, "{\"function_id\":");
        dur_json_write_string(b, dur_str_make(ctx->args[0].data,
                                              ctx->args[0].len));
        dur_buf_addf(b, ",\"paused\":%s}", paused ? "true" : "false");

        answer.body = dur_buf_str(b);
    }

    ngx_http_durable_control_reply(r, ctx, rc, &answer);
}


/* The body as an object, NULL: it is none, *rc finalizes the request. */

json_t *
ngx_http_durable_control_parse(ngx_http_request_t *r, dur_str_t body,
    ngx_int_t *rc)
{
    json_t            *root;
    dur_json_error_t   err;

    root = dur_json_parse(body, &err);

    if (root == NULL) {
        *rc = ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                     "the request body is not JSON: %s "
                                     "(byte %uz)", err.text, err.offset);
        return NULL;
    }

    if (!json_is_object(root)) {
        json_decref(root);
        *rc = ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                     "the request body is not a JSON object");
        return NULL;
    }

    return root;
}


/* Sent again, after a change of leader, an op acts once by this id. */

ngx_int_t
ngx_http_durable_control_submit(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_op_t *op,
    ngx_http_durable_reply_pt reply)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    if (ngx_http_durable_ulid(&ctx->conf->scratch,
                              (uint64_t) tp->sec * 1000 + tp->msec, &op->id)
        != NGX_OK)
    {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    return ngx_http_durable_submit(r, ctx, op, reply);
}


/* What the engine said, in an envelope; what it refused, in the words of the
 * API that was asked. */

void
ngx_http_durable_control_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply)
{
    ngx_int_t         n;
    json_t           *root;
    dur_str_t         text;
    ngx_str_t         error;
    dur_json_error_t  err;

    if (rc == DUR_OK && reply->status < NGX_HTTP_SPECIAL_RESPONSE
        && reply->body.len)
    {
        ctx->status = reply->status;

        dur_buf_adds(ngx_http_durable_answer(ctx, 1), reply->body);

        ngx_http_finalize_request(r, ngx_http_durable_found(r, ctx, DUR_OK,
                                                            NULL, 1));
        return;
    }

    root = reply->body.len ? dur_json_parse(reply->body, &err) : NULL;

    if (ctx->v2 && dur_json_get_string(root, "error", &text) == DUR_OK) {

        error.data = (u_char *) text.data;
        error.len = text.len;

        n = ngx_http_durable_error(r, reply->status, "%V", &error);

    } else {
        n = ngx_http_durable_reply(r, ctx, rc, reply);
    }

    json_decref(root);

    ngx_http_finalize_request(r, n);
}
