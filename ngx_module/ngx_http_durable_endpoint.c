
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * What durable endpoints report (protocol 6.3), and the tokens that let their
 * clients read the output.
 */


#include "ngx_http_durable.h"



#define NGX_HTTP_DURABLE_TOKEN_LIFE  3600
#define NGX_HTTP_DURABLE_TOKEN_MAX   1024


static ngx_int_t ngx_http_durable_endpoint_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static const char *ngx_http_durable_endpoint_run(dur_str_t body,
    dur_ulid_t *run);
static void ngx_http_durable_endpoint_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);
static ngx_int_t ngx_http_durable_endpoint_answer(
    ngx_http_durable_ctx_t *ctx, dur_str_t ids, dur_buf_t *b);
static ngx_int_t ngx_http_durable_endpoint_token(ngx_http_durable_ctx_t *ctx,
    const char *subject, dur_str_t run, dur_buf_t *b);


/* POST /v1/checkpoint, POST /v1/checkpoint/{run}/steps */

ngx_int_t
ngx_http_durable_endpoint_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_read_body(r, ctx,
                                      ctx->conf->durable.request_max_size,
                                      ngx_http_durable_endpoint_body);
}


static ngx_int_t
ngx_http_durable_endpoint_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_op_t     op;
    ngx_str_t   *sdk, pattern;
    const char  *wrong;

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_ENDPOINT;

    if (ngx_http_durable_body(r, ctx, &op.body) != NGX_OK
        || ngx_http_durable_ulid(&ctx->conf->scratch,
                                 (uint64_t) ngx_time() * 1000, &op.id)
           != NGX_OK)
    {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    pattern = ctx->route->pattern;

    if (ngx_strlchr(pattern.data, pattern.data + pattern.len, '*')) {

        op.url = dur_str("steps");

        if (ngx_http_durable_id(r, ctx, &op.run) != NGX_OK) {
            return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                          "\"%V\" is not a ULID",
                                          &ctx->args[0]);
        }

        return ngx_http_durable_submit(r, ctx, &op,
                                       ngx_http_durable_reply_as_is);
    }

    wrong = ngx_http_durable_endpoint_run(op.body, &op.run);

    if (wrong != NULL) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST, "%s", wrong);
    }

    /* the Go SDK has bytes for a body, and JSON has none */

    sdk = ngx_http_durable_request_header(r, "x-inngest-sdk",
                                          sizeof("x-inngest-sdk") - 1);

    op.generation = (sdk && sdk->len > 3
                     && ngx_strncasecmp(sdk->data, (u_char *) "go:", 3) == 0);

    return ngx_http_durable_submit(r, ctx, &op,
                                   ngx_http_durable_endpoint_reply);
}


/* NULL, or what is wrong with a first report. */

static const char *
ngx_http_durable_endpoint_run(dur_str_t body, dur_ulid_t *run)
{
    json_t      *root;
    dur_str_t    id;
    const char  *wrong;

    root = dur_json_parse(body, NULL);
    wrong = NULL;

    if (root == NULL) {
        wrong = "the request body is not JSON";

    } else if (dur_json_get_string(root, "run_id", &id) != DUR_OK
               || dur_ulid_parse(id, run) != DUR_OK)
    {
        wrong = "\"run_id\" must be a ULID";
    }

    json_decref(root);

    return wrong;
}


static void
ngx_http_durable_endpoint_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply)
{
    dur_buf_t    *b;
    dur_reply_t   answer;

    answer = *reply;

    if (rc == DUR_OK && answer.status == NGX_HTTP_OK) {

        b = &ctx->conf->scratch.text;
        dur_buf_reset(b);

        if (ngx_http_durable_endpoint_answer(ctx, reply->body, b) != NGX_OK) {
            ngx_http_finalize_request(r,
                                   ngx_http_durable_error_rc(r, DUR_EIO));
            return;
        }

        answer.body = dur_buf_str(b);
    }

    ngx_http_durable_reply_as_is(r, ctx, rc, &answer);
}


/* {"data":{the ids, and the tokens},"metadata"} */

static ngx_int_t
ngx_http_durable_endpoint_answer(ngx_http_durable_ctx_t *ctx, dur_str_t ids,
    dur_buf_t *b)
{
    char         text[32];
    json_t      *root;
    dur_str_t    run;
    ngx_int_t    rc;
    ngx_time_t  *tp;

    root = dur_json_parse(ids, NULL);
    rc = NGX_ERROR;

    if (ids.len > 1 && dur_json_get_string(root, "run_id", &run) == DUR_OK) {

        dur_buf_addz(b, "{\"data\":");
        dur_buf_add(b, ids.data, ids.len - 1);

        dur_buf_addz(b, ",\"realtime_token\":\"");
        rc = ngx_http_durable_endpoint_token(ctx, "realtime-claim", run, b);

        if (rc == NGX_OK) {
            dur_buf_addz(b, "\",\"token\":\"");
            rc = ngx_http_durable_endpoint_token(ctx, "run-claim", run, b);
        }
    }

    json_decref(root);

    tp = ngx_timeofday();
    dur_rfc3339_text((int64_t) tp->sec * 1000 + tp->msec, text);

    dur_buf_addf(b, "\"},\"metadata\":{\"fetched_at\":\"%s\"}}", text);

    return b->failed ? NGX_ERROR : rc;
}


static ngx_int_t
ngx_http_durable_endpoint_token(ngx_http_durable_ctx_t *ctx,
    const char *subject, dur_str_t run, dur_buf_t *b)
{
    u_char     claims[NGX_HTTP_DURABLE_TOKEN_MAX], *last;
    time_t     now;
    ngx_str_t  id;

    now = ngx_time();

    id.len = run.len;
    id.data = (u_char *) run.data;

    last = ngx_slprintf(claims, claims + sizeof(claims),
                        "{\"Env\":\"" DUR_QUERY_ENVIRONMENT "\","
                        "\"RunID\":\"%V\",\"exp\":%T,\"iat\":%T,"
                        "\"iss\":\"api.inngest.com\",\"sub\":\"%s\"}",
                        &id, now + NGX_HTTP_DURABLE_TOKEN_LIFE, now, subject);

    return ngx_http_durable_token_sign(ctx,
                                       dur_str_make(claims, last - claims),
                                       b);
}


/* NGX_OK when the token opens the output of this run. */

ngx_int_t
ngx_http_durable_token_check(ngx_http_durable_ctx_t *ctx, ngx_str_t *token,
    dur_ulid_t *run)
{
    json_t      *claims;
    dur_str_t    value;
    ngx_int_t    rc;
    dur_ulid_t   id;

    rc = ngx_http_durable_token_verify(ctx, token, &claims);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = NGX_DECLINED;

    if (dur_json_get_string(claims, "sub", &value) == DUR_OK
        && dur_str_eq(value, dur_str("run-claim"))
        && dur_json_get_string(claims, "iss", &value) == DUR_OK
        && dur_str_eq(value, dur_str("api.inngest.com"))
        && dur_json_get_string(claims, "RunID", &value) == DUR_OK
        && dur_ulid_parse(value, &id) == DUR_OK
        && ngx_memcmp(id.b, run->b, DUR_ULID_LEN) == 0)
    {
        rc = NGX_OK;
    }

    json_decref(claims);

    return rc;
}
