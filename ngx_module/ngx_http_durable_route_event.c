
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * From a request to the event of a webhook: its parts where nginx has them, a
 * large body where nginx has written it, mapped and not read.
 */


#include "ngx_http_durable.h"

#include <sys/mman.h>


typedef struct {
    void                          *addr;
    size_t                         len;
} ngx_http_durable_map_t;


static ngx_int_t ngx_http_durable_route_bytes(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t *body);
static ngx_int_t ngx_http_durable_route_map(ngx_http_request_t *r,
    ngx_buf_t *b, dur_str_t *body);
static void ngx_http_durable_route_unmap(void *data);
static ngx_int_t ngx_http_durable_route_url(ngx_http_request_t *r,
    ngx_http_durable_delivery_t *d);
static void ngx_http_durable_route_host(ngx_http_request_t *r,
    ngx_str_t *host);
static ngx_int_t ngx_http_durable_route_write(ngx_http_durable_ctx_t *ctx,
    ngx_uint_t second, dur_op_event_t *event);


/* Fills delivery->webhook, but the headers. */

ngx_int_t
ngx_http_durable_route_read(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_webhook_t                *w;
    ngx_http_durable_delivery_t  *d;

    d = ctx->delivery;
    w = &d->webhook;

    w->method = dur_str_make(r->method_name.data, r->method_name.len);
    w->query = dur_str_make(r->args.data, r->args.len);
    w->remote = dur_str_make(r->connection->addr_text.data,
                             r->connection->addr_text.len);

    if (ngx_http_durable_route_url(r, d) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_durable_route_bytes(r, ctx, &w->body);
}


static ngx_int_t
ngx_http_durable_route_bytes(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t *body)
{
    ngx_chain_t  *cl;

    cl = r->request_body ? r->request_body->bufs : NULL;

    if (cl && cl->next == NULL && cl->buf->in_file) {
        return ngx_http_durable_route_map(r, cl->buf, body);
    }

    return ngx_http_durable_body(r, ctx, body);
}


static ngx_int_t
ngx_http_durable_route_map(ngx_http_request_t *r, ngx_buf_t *b,
    dur_str_t *body)
{
    off_t                    start;
    size_t                   skip;
    ngx_pool_cleanup_t      *cln;
    ngx_http_durable_map_t  *map;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_durable_map_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    map = cln->data;

    skip = b->file_pos % ngx_pagesize;
    start = b->file_pos - skip;

    map->len = b->file_last - start;
    map->addr = mmap(NULL, map->len, PROT_READ, MAP_SHARED, b->file->fd,
                     start);

    if (map->addr == MAP_FAILED) {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, ngx_errno,
                      "mmap() of the request body \"%V\" failed",
                      &b->file->name);
        return NGX_ERROR;
    }

    cln->handler = ngx_http_durable_route_unmap;

    *body = dur_str_make((u_char *) map->addr + skip, map->len - skip);

    return NGX_OK;
}


static void
ngx_http_durable_route_unmap(void *data)
{
    ngx_http_durable_map_t *map = data;

    if (munmap(map->addr, map->len) == -1) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                      "munmap() failed");
    }
}


/* As the provider sees it: some sign it. */

static ngx_int_t
ngx_http_durable_route_url(ngx_http_request_t *r,
    ngx_http_durable_delivery_t *d)
{
    u_char     *p;
    ngx_str_t   base, host, scheme;

    if (d->hook->base) {

        if (ngx_http_complex_value(r, d->hook->base, &base) != NGX_OK) {
            return NGX_ERROR;
        }

    } else {
        ngx_str_set(&scheme, "http://");

#if (NGX_HTTP_SSL)
        if (r->connection->ssl) {
            ngx_str_set(&scheme, "https://");
        }
#endif

        ngx_http_durable_route_host(r, &host);

        base.len = scheme.len + host.len;
        base.data = ngx_pnalloc(r->pool, base.len);

        if (base.data == NULL) {
            return NGX_ERROR;
        }

        p = ngx_cpymem(base.data, scheme.data, scheme.len);
        ngx_memcpy(p, host.data, host.len);
    }

    p = ngx_pnalloc(r->pool, base.len + r->unparsed_uri.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    d->webhook.url = dur_str_make(p, base.len + r->unparsed_uri.len);

    p = ngx_cpymem(p, base.data, base.len);
    ngx_memcpy(p, r->unparsed_uri.data, r->unparsed_uri.len);

    return NGX_OK;
}


static void
ngx_http_durable_route_host(ngx_http_request_t *r, ngx_str_t *host)
{
    ngx_http_core_srv_conf_t  *cscf;

    if (r->headers_in.host) {
        *host = r->headers_in.host->value;

    } else if (r->headers_in.server.len) {
        *host = r->headers_in.server;

    } else {
        cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);
        *host = cscf->server_name;
    }
}


/* Takes them over, in the form that events have. */

ngx_int_t
ngx_http_durable_route_headers(ngx_http_request_t *r, dur_webhook_t *w)
{
    size_t                 n;
    ngx_uint_t             i;
    ngx_list_part_t       *part;
    ngx_table_elt_t       *h;
    dur_webhook_header_t  *header;

    n = DUR_WEBHOOK_MORE;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        n += part->nelts;
    }

    header = ngx_palloc(r->pool, n * sizeof(dur_webhook_header_t));
    if (header == NULL) {
        return NGX_ERROR;
    }

    w->headers = header;
    w->nheaders = n - DUR_WEBHOOK_MORE;

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++, header++) {
            header->name = dur_str_make(h[i].lowcase_key, h[i].key.len);
            header->value = dur_str_make(h[i].value.data, h[i].value.len);
        }
    }

    dur_webhook_prepare(w);

    return NGX_OK;
}


/*
 * The event, or two of them: op->events has room for that.  They borrow from
 * the scratch buffers.  NGX_DECLINED: an event would be too large.
 */

ngx_int_t
ngx_http_durable_route_events(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_op_t *op)
{
    size_t                        i, pos;
    ngx_int_t                     rc;
    dur_buf_t                    *b;
    ngx_http_durable_delivery_t  *d;

    d = ctx->delivery;
    b = &ctx->conf->scratch.text;

    if (ngx_http_durable_route_headers(r, &d->webhook) != NGX_OK) {
        return NGX_ERROR;
    }

    dur_buf_reset(b);

    op->nevents = d->hook->also.len ? 2 : 1;

    for (i = 0; i < op->nevents; i++) {
        rc = ngx_http_durable_route_write(ctx, i, &op->events[i]);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    /* the buffer has moved while it grew */

    for (i = 0, pos = 0; i < op->nevents; i++) {
        op->events[i].json.data = b->data + pos;
        pos += op->events[i].json.len;
    }

    d->ulid = op->events[0].id;

    return NGX_OK;
}


/*
 * What an event is, the first or the second, but its text; the strings are
 * from the scratch arena.
 */

ngx_int_t
ngx_http_durable_route_event(ngx_http_durable_ctx_t *ctx, ngx_uint_t second,
    dur_op_event_t *event, dur_webhook_event_t *e)
{
    char                         *id;
    dur_str_t                     connector;
    ngx_time_t                   *tp;
    dur_arena_t                  *arena;
    ngx_http_durable_delivery_t  *d;

    d = ctx->delivery;
    arena = &ctx->conf->scratch.arena;

    tp = ngx_timeofday();
    connector = dur_str_make(d->connector.data, d->connector.len);

    event->flags = DUR_EVENT_F_CANONICAL;
    event->ts = (int64_t) tp->sec * 1000 + tp->msec;

    if (ngx_http_durable_ulid(&ctx->conf->scratch, event->ts, &event->id)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (second) {
        event->name = dur_str_make(d->hook->also.data, d->hook->also.len);

    } else {
        event->name = dur_str_c(dur_arena_printf(arena, DUR_WEBHOOK_BEFORE
                                                 "%.*s" DUR_WEBHOOK_AFTER,
                                                 (int) connector.len,
                                                 (char *) connector.data));
    }

    if (d->id.len) {
        event->client_id = dur_webhook_id(connector, d->id, arena);
        e->id = event->client_id;

    } else {
        id = dur_arena_alloc(arena, DUR_ULID_TEXT_LEN + 1);

        if (id) {
            dur_ulid_text(&event->id, id);
        }

        e->id = dur_str_c(id);
    }

    if (event->name.data == NULL || e->id.data == NULL) {
        return NGX_ERROR;
    }

    e->name = event->name;
    e->ts = event->ts;

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_route_write(ngx_http_durable_ctx_t *ctx,
    ngx_uint_t second, dur_op_event_t *event)
{
    size_t                        start;
    dur_buf_t                    *b;
    dur_webhook_event_t           e;
    ngx_http_durable_delivery_t  *d;

    d = ctx->delivery;
    b = &ctx->conf->scratch.text;

    if (ngx_http_durable_route_event(ctx, second, event, &e) != NGX_OK) {
        return NGX_ERROR;
    }

    start = b->len;

    (void) dur_webhook_head(&d->webhook, &e, b);

    while (!b->failed && e.pos < d->webhook.body.len) {
        (void) dur_webhook_part(&d->webhook, &e, d->webhook.body.len, b);
    }

    (void) dur_webhook_tail(&d->webhook, &e, b);

    event->json.len = b->len - start;

    return b->failed || event->json.len > NGX_HTTP_DURABLE_REQUEST_MAX
           ? NGX_DECLINED : NGX_OK;
}
