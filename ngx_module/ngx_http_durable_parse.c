
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * From a body to an op: the engine's intake, with the buffers, the clock and
 * the ids of this worker.
 */


#include "ngx_http_durable.h"
#include "engine/dur_intake.h"


static ngx_int_t ngx_http_durable_intake(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_intake_t *in, dur_str_t body,
    dur_op_t *op, json_t **root);
static ngx_int_t ngx_http_durable_intake_events(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_intake_t *in, dur_str_t body,
    dur_op_t *op, json_t **root);
static void ngx_http_durable_intake_seed(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_intake_t *in);
static dur_rc_t ngx_http_durable_intake_id(void *data, int64_t ms,
    dur_ulid_t *id);


/*
 * NGX_OK: the op borrows from the scratch buffers and from *root, which the
 * caller releases; NGX_DECLINED: ctx->error says what is wrong; NGX_ERROR: no
 * memory.
 */

ngx_int_t
ngx_http_durable_events_parse(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t body, dur_op_t *op, json_t **root)
{
    dur_intake_t  in;

    ngx_memzero(&in, sizeof(dur_intake_t));

    return ngx_http_durable_intake_events(r, ctx, &in, body, op, root);
}


/* The same for the text of a stored event, which is to be another one. */

ngx_int_t
ngx_http_durable_replay_parse(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t text, dur_op_t *op, json_t **root)
{
    dur_intake_t  in;

    ngx_memzero(&in, sizeof(dur_intake_t));

    in.again = 1;

    return ngx_http_durable_intake_events(r, ctx, &in, text, op, root);
}


static ngx_int_t
ngx_http_durable_intake_events(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_intake_t *in, dur_str_t body,
    dur_op_t *op, json_t **root)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    rc = ngx_http_durable_intake(r, ctx, in, body, op, root);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx->nids = op->nevents;
    ctx->ids = ngx_pnalloc(r->pool, ctx->nids * sizeof(dur_ulid_t) + 1);

    if (ctx->ids == NULL) {
        json_decref(*root);
        return NGX_ERROR;
    }

    for (i = 0; i < ctx->nids; i++) {
        ctx->ids[i] = op->events[i].id;
    }

    return NGX_OK;
}


/* The same for the one event of an invoke: the op has its id and its text. */

ngx_int_t
ngx_http_durable_invoke_parse(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t body, dur_op_t *op)
{
    json_t        *root;
    ngx_int_t      rc;
    dur_intake_t   in;

    ngx_memzero(&in, sizeof(dur_intake_t));

    in.invoke = 1;

    rc = ngx_http_durable_intake(r, ctx, &in, body, op, &root);

    if (rc == NGX_OK) {
        json_decref(root);
    }

    return rc;
}


/* What kind of events these are is the caller's. */

static ngx_int_t
ngx_http_durable_intake(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    dur_intake_t *in, dur_str_t body, dur_op_t *op, json_t **root)
{
    dur_rc_t                     rc;
    ngx_time_t                  *tp;
    ngx_http_durable_scratch_t  *s;

    tp = ngx_timeofday();
    s = &ctx->conf->scratch;

    dur_arena_reset(&s->arena);

    in->now_ms = (int64_t) tp->sec * 1000 + tp->msec;
    in->event_max = ctx->conf->durable.event_max_size;
    in->id = ngx_http_durable_intake_id;
    in->data = s;
    in->text = &s->text;
    in->scratch = &s->canonical;
    in->arena = &s->arena;

    if (!in->again) {
        ngx_http_durable_intake_seed(r, ctx, in);
    }

    rc = dur_intake(in, body, op, root);

    if (rc == DUR_OK) {
        return NGX_OK;
    }

    if (rc != DUR_EINVAL) {
        return NGX_ERROR;
    }

    ctx->error.len = ngx_strlen(in->error);
    ctx->error.data = ngx_pnalloc(r->pool, ctx->error.len);

    if (ctx->error.data == NULL) {
        ctx->error.len = 0;
        return NGX_ERROR;
    }

    ngx_memcpy(ctx->error.data, in->error, ctx->error.len);

    return NGX_DECLINED;
}


/* One that is known to be taken is not used. */

static void
ngx_http_durable_intake_seed(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_intake_t *in)
{
    ngx_str_t  *header;

    in->seeded = false;

    header = ngx_http_durable_request_header(r, "x-inngest-event-id-seed",
                                     sizeof("x-inngest-event-id-seed") - 1);

    if (header != NULL && !ctx->unseeded) {
        dur_intake_seed(in, dur_str_make(header->data, header->len));
    }

    ctx->seeded = in->seeded;
}


static dur_rc_t
ngx_http_durable_intake_id(void *data, int64_t ms, dur_ulid_t *id)
{
    ngx_http_durable_scratch_t *s = data;

    return ngx_http_durable_ulid(s, ms, id) == NGX_OK ? DUR_OK : DUR_EIO;
}
