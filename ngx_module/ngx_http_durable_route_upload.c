
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * A webhook with a large body: its event, or both of them, is made piece by
 * piece from where nginx has the body, and exists when all of it is stored.
 */


#include "ngx_http_durable.h"
#include "engine/dur_upload.h"


/* Bytes of the body that are made text at a time. */
#define NGX_HTTP_DURABLE_ROUTE_PART  (32 * 1024)


typedef enum {
    NGX_HTTP_DURABLE_ROUTE_HEAD = 0,
    NGX_HTTP_DURABLE_ROUTE_BODY,
    NGX_HTTP_DURABLE_ROUTE_TAIL
} ngx_http_durable_route_state_e;


typedef struct {
    ngx_http_durable_upload_t      upload;
    ngx_http_durable_ctx_t        *ctx;
    ngx_http_durable_reply_pt      reply;
    ngx_uint_t                     state;
    ngx_uint_t                     current;
    ngx_uint_t                     nevents;
    dur_op_event_t                 events[2];
    dur_webhook_event_t            texts[2];
} ngx_http_durable_route_upload_t;


static ngx_int_t ngx_http_durable_route_keep(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_route_keep_event(ngx_http_request_t *r,
    dur_op_event_t *event, dur_webhook_event_t *text);
static ngx_int_t ngx_http_durable_route_keep_str(ngx_http_request_t *r,
    dur_str_t *s);
static ngx_int_t ngx_http_durable_route_upload_next(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_route_upload_write(void *data,
    dur_buf_t *out);
static ngx_int_t ngx_http_durable_route_upload_done(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);


/* In place of submitting it: `reply` gets what the events are answered. */

ngx_int_t
ngx_http_durable_route_upload(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_http_durable_reply_pt reply)
{
    ngx_uint_t                        i;
    ngx_http_durable_delivery_t      *d;
    ngx_http_durable_route_upload_t  *u;

    d = ctx->delivery;

    u = ngx_pcalloc(r->pool, sizeof(ngx_http_durable_route_upload_t));

    if (u == NULL || ngx_http_durable_route_keep(r, ctx) != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_ENOMEM);
    }

    u->ctx = ctx;
    u->reply = reply;
    u->nevents = d->hook->also.len ? 2 : 1;

    for (i = 0; i < u->nevents; i++) {

        if (ngx_http_durable_route_event(ctx, i, &u->events[i],
                                         &u->texts[i])
            != NGX_OK
            || ngx_http_durable_route_keep_event(r, &u->events[i],
                                                 &u->texts[i])
               != NGX_OK)
        {
            return ngx_http_durable_error_rc(r, DUR_ENOMEM);
        }

        if (dur_webhook_size(&d->webhook, &u->texts[i],
                             &ctx->conf->scratch.text)
            > DUR_UPLOAD_MAX)
        {
            return ngx_http_durable_upload_refuse(r, ctx);
        }
    }

    d->ulid = u->events[0].id;

    ctx->upload = &u->upload;

    return ngx_http_durable_route_upload_next(r, ctx);
}


/* What stands in the buffers of the worker is taken along. */

static ngx_int_t
ngx_http_durable_route_keep(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_webhook_t  *w;

    w = &ctx->delivery->webhook;

    if (w->body.data == ctx->conf->scratch.body.data
        && ngx_http_durable_route_keep_str(r, &w->body) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_durable_route_headers(r, w);
}


static ngx_int_t
ngx_http_durable_route_keep_event(ngx_http_request_t *r,
    dur_op_event_t *event, dur_webhook_event_t *text)
{
    if (ngx_http_durable_route_keep_str(r, &event->name) != NGX_OK
        || ngx_http_durable_route_keep_str(r, &text->id) != NGX_OK)
    {
        return NGX_ERROR;
    }

    text->name = event->name;

    if (event->client_id.len) {
        event->client_id = text->id;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_route_keep_str(ngx_http_request_t *r, dur_str_t *s)
{
    u_char  *p;

    p = ngx_pnalloc(r->pool, s->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, s->data, s->len);
    s->data = p;

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_route_upload_next(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    ngx_http_durable_route_upload_t  *u;

    u = (ngx_http_durable_route_upload_t *) ctx->upload;

    u->state = NGX_HTTP_DURABLE_ROUTE_HEAD;

    u->upload.id = u->events[u->current].id;
    u->upload.write = ngx_http_durable_route_upload_write;
    u->upload.done = ngx_http_durable_route_upload_done;
    u->upload.data = u;

    return ngx_http_durable_upload(r, ctx, &u->upload);
}


static ngx_int_t
ngx_http_durable_route_upload_write(void *data, dur_buf_t *out)
{
    ngx_http_durable_route_upload_t *u = data;

    dur_rc_t              rc;
    dur_webhook_t        *w;
    dur_webhook_event_t  *text;

    w = &u->ctx->delivery->webhook;
    text = &u->texts[u->current];

    switch (u->state) {

    case NGX_HTTP_DURABLE_ROUTE_HEAD:
        rc = dur_webhook_head(w, text, out);
        u->state = NGX_HTTP_DURABLE_ROUTE_BODY;
        break;

    case NGX_HTTP_DURABLE_ROUTE_BODY:
        rc = dur_webhook_part(w, text, NGX_HTTP_DURABLE_ROUTE_PART, out);

        if (text->pos == w->body.len) {
            u->state = NGX_HTTP_DURABLE_ROUTE_TAIL;
        }

        break;

    default:
        return dur_webhook_tail(w, text, out) == DUR_OK ? NGX_DONE
                                                        : NGX_ERROR;
    }

    return rc == DUR_OK ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_durable_route_upload_done(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_op_t                          op;
    dur_op_event_t                   *event;
    ngx_http_durable_route_upload_t  *u;

    u = (ngx_http_durable_route_upload_t *) ctx->upload;

    event = &u->events[u->current];
    event->flags |= DUR_EVENT_F_UPLOADED;
    event->length = u->upload.length;

    if (++u->current < u->nevents) {
        return ngx_http_durable_route_upload_next(r, ctx);
    }

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_EVENTS;
    op.nevents = u->nevents;
    op.events = u->events;

    return ngx_http_durable_submit(r, ctx, &op, u->reply);
}
