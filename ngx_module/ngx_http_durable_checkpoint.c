
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Checkpoints (protocol 6.2): the steps of a call that is still open.  Here
 * the request is made an op; what it means is the engine's.
 */


#include "ngx_http_durable.h"


static ngx_int_t ngx_http_durable_checkpoint_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static const char *ngx_http_durable_checkpoint_parse(json_t *root,
    dur_op_t *op);
static const char *ngx_http_durable_checkpoint_item(json_t *root,
    dur_op_t *op);


/* POST /v1/checkpoint/{run}/async */

ngx_int_t
ngx_http_durable_checkpoint_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_read_body(r, ctx,
                                      ctx->conf->durable.request_max_size,
                                      ngx_http_durable_checkpoint_body);
}


static ngx_int_t
ngx_http_durable_checkpoint_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    json_t            *root;
    dur_op_t           op;
    dur_str_t          body;
    const char        *wrong;
    dur_json_error_t   err;

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_CHECKPOINT;

    if (dur_ulid_parse(dur_str_make(ctx->args[0].data, ctx->args[0].len),
                       &op.run)
        != DUR_OK)
    {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "\"%V\" is not a ULID", &ctx->args[0]);
    }

    if (ngx_http_durable_body(r, ctx, &body) != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    root = dur_json_parse(body, &err);

    if (root == NULL) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "the request body is not JSON: %s "
                                      "(byte %uz)", err.text, err.offset);
    }

    wrong = ngx_http_durable_checkpoint_parse(root, &op);

    json_decref(root);

    if (wrong != NULL) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST, "%s", wrong);
    }

    (void) dur_json_member(body, dur_str("steps"), &op.body);

    return ngx_http_durable_submit(r, ctx, &op, ngx_http_durable_reply_as_is);
}


/* NULL, or what is wrong with the request. */

static const char *
ngx_http_durable_checkpoint_parse(json_t *root, dur_op_t *op)
{
    if (!json_is_object(root)) {
        return "the request body is not a JSON object";
    }

    if (!json_is_array(json_object_get(root, "steps"))) {
        return "\"steps\" must be an array of ops";
    }

    return ngx_http_durable_checkpoint_item(root, op);
}


/* Which call it is: what we gave it as ctx.qi_id and ctx.generation_id. */

static const char *
ngx_http_durable_checkpoint_item(json_t *root, dur_op_t *op)
{
    int64_t    generation;
    ngx_int_t  item;
    dur_str_t  text;

    switch (dur_json_get_string(root, "qi_id", &text)) {

    case DUR_OK:
        break;

    case DUR_ENOTFOUND:
        return NULL;

    default:
        return "\"qi_id\" must be a string";
    }

    if (text.len == 0) {
        return NULL;
    }

    item = ngx_atoi((u_char *) text.data, text.len);

    if (item <= 0) {
        return "\"qi_id\" is not one that this server gave to a call";
    }

    op->item = item;

    switch (dur_json_get_int(root, "generation_id", &generation)) {

    case DUR_OK:
        break;

    case DUR_ENOTFOUND:
        return NULL;

    default:
        generation = -1;
    }

    if (generation < 0 || generation > (int64_t) UINT32_MAX) {
        return "\"generation_id\" must be a number that this server gave to "
               "a call";
    }

    op->generation = (uint32_t) generation;

    return NULL;
}
