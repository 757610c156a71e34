
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * durable_route: a request of any location becomes a durable event, and its
 * sender is answered when that is on disk.  It is a content handler, so what
 * nginx does before (limits, access, real addresses) is done.
 */


#include "ngx_http_durable.h"


/* A body that is larger is stored in pieces. */
#define NGX_HTTP_DURABLE_ROUTE_LARGE  (64 * 1024)


static ngx_int_t ngx_http_durable_route_probe(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_route_not_allowed(ngx_http_request_t *r,
    ngx_uint_t methods);
static ngx_int_t ngx_http_durable_route_connector(ngx_http_request_t *r,
    ngx_http_durable_delivery_t *d);
static ngx_int_t ngx_http_durable_route_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_route_submit(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static void ngx_http_durable_route_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);
static ngx_int_t ngx_http_durable_route_runs(ngx_http_request_t *r,
    ngx_http_durable_delivery_t *d, dur_str_t body);


ngx_int_t
ngx_http_durable_route_handler(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_http_durable_ctx_t       *ctx;
    ngx_http_durable_delivery_t  *d;
    ngx_http_durable_loc_conf_t  *dlcf;

    ctx = ngx_http_durable_ctx(r);
    d = ngx_pcalloc(r->pool, sizeof(ngx_http_durable_delivery_t));

    if (ctx == NULL || d == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    dlcf = ngx_http_get_module_loc_conf(r, ngx_http_durable_module);

    d->hook = &dlcf->hook;
    ngx_str_set(&d->outcome, "refused");

    ctx->delivery = d;

    if (ngx_http_durable_tally(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->method == NGX_HTTP_HEAD) {
        return ngx_http_durable_route_probe(r, ctx);
    }

    if (!(d->hook->methods & r->method)) {
        return ngx_http_durable_route_not_allowed(r, d->hook->methods);
    }

    rc = ngx_http_durable_route_connector(r, d);

    if (rc == NGX_DECLINED) {
        rc = ngx_http_discard_request_body(r);

        return rc != NGX_OK ? rc
               : ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND,
                                        "the path of this webhook names no "
                                        "connector");
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_read_body(r, ctx,
                                      ctx->conf->durable.request_max_size,
                                      ngx_http_durable_route_body);
}


/* Providers ask with HEAD whether there is anybody. */

static ngx_int_t
ngx_http_durable_route_probe(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    ngx_int_t  rc;
    ngx_str_t  empty;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_str_set(&ctx->delivery->outcome, "probe");
    ngx_str_null(&empty);

    return ngx_http_durable_send(r, NGX_HTTP_OK, &empty);
}


static ngx_int_t
ngx_http_durable_route_not_allowed(ngx_http_request_t *r, ngx_uint_t methods)
{
    u_char      *p;
    ngx_int_t    rc;
    ngx_str_t    list;
    ngx_uint_t   i;

    static struct {
        ngx_uint_t   method;
        const char  *name;
    } names[] = {
        { NGX_HTTP_GET, ", GET" }, { NGX_HTTP_POST, ", POST" },
        { NGX_HTTP_PUT, ", PUT" }, { NGX_HTTP_PATCH, ", PATCH" },
        { NGX_HTTP_DELETE, ", DELETE" }
    };

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    p = ngx_pnalloc(r->pool, sizeof("HEAD, GET, POST, PUT, PATCH, DELETE"));
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    list.data = p;
    p = ngx_cpymem(p, "HEAD", 4);

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (methods & names[i].method) {
            p = ngx_cpymem(p, names[i].name, ngx_strlen(names[i].name));
        }
    }

    list.len = p - list.data;

    if (ngx_http_durable_header(r, "Allow", &list) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_error(r, NGX_HTTP_NOT_ALLOWED,
                                  r->internal && r->method == NGX_HTTP_GET
                                  ? "%V is not allowed here, %V are; an "
                                    "internal redirect to a path asks with "
                                    "GET, one to a named location does not"
                                  : "%V is not allowed here, %V are",
                                  &r->method_name, &list);
}


static ngx_int_t
ngx_http_durable_route_connector(ngx_http_request_t *r,
    ngx_http_durable_delivery_t *d)
{
    if (d->hook->name.len) {
        d->connector = d->hook->name;
        return NGX_OK;
    }

    if (d->hook->connector == NULL) {
        return ngx_http_durable_route_segment(&r->uri, 1, &d->connector);
    }

    if (ngx_http_complex_value(r, d->hook->connector, &d->connector)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return dur_webhook_is_connector(dur_str_make(d->connector.data,
                                                 d->connector.len))
           ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_durable_route_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    ngx_int_t  rc;

    ngx_str_set(&ctx->delivery->outcome, "failed");

    if (ngx_http_durable_route_read(r, ctx) != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    rc = ngx_http_durable_route_verify(r, ctx);

    if (rc == NGX_DECLINED) {
        rc = ngx_http_durable_route_submit(r, ctx);
    }

    dur_arena_reset(&ctx->conf->scratch.arena);

    return rc;
}


static ngx_int_t
ngx_http_durable_route_submit(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_op_t        op;
    ngx_int_t       rc;
    dur_op_event_t  events[2];

    if (ctx->delivery->webhook.body.len > NGX_HTTP_DURABLE_ROUTE_LARGE) {
        return ngx_http_durable_route_upload(r, ctx,
                                             ngx_http_durable_route_reply);
    }

    ngx_memzero(&op, sizeof(dur_op_t));
    ngx_memzero(events, sizeof(events));

    op.type = DUR_OP_EVENTS;
    op.events = events;

    rc = ngx_http_durable_route_events(r, ctx, &op);

    if (rc == NGX_DECLINED) {
        ngx_str_set(&ctx->delivery->outcome, "refused");
        return ngx_http_durable_error_rc(r, DUR_ETOOBIG);
    }

    if (rc != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_ENOMEM);
    }

    return ngx_http_durable_submit(r, ctx, &op, ngx_http_durable_route_reply);
}


static void
ngx_http_durable_route_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply)
{
    ngx_int_t                     n;
    ngx_str_t                     empty;
    ngx_http_durable_delivery_t  *d;

    d = ctx->delivery;

    if (rc != DUR_OK || reply->status != NGX_HTTP_OK) {
        n = ngx_http_durable_reply(r, ctx, rc, reply);

    } else if (ngx_http_durable_route_runs(r, d, reply->body) != NGX_OK) {
        n = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else if (d->hook->status == 0) {
        n = ngx_http_durable_route_sync(r, ctx);

    } else {
        ngx_str_null(&empty);
        n = ngx_http_durable_send(r, d->hook->status, &empty);
    }

    ngx_http_finalize_request(r, n);
}


/* {"runs":["<ulid>",..]}, nothing when there are none, or many. */

static ngx_int_t
ngx_http_durable_route_runs(ngx_http_request_t *r,
    ngx_http_durable_delivery_t *d, dur_str_t body)
{
    u_char     *p;
    size_t      pos;
    dur_str_t   list, run;

    ngx_str_set(&d->outcome, "accepted");

    p = ngx_pnalloc(r->pool, DUR_ULID_TEXT_LEN + 1 + body.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    dur_ulid_text(&d->ulid, (char *) p);

    d->event.len = DUR_ULID_TEXT_LEN;
    d->event.data = p;

    p += DUR_ULID_TEXT_LEN + 1;

    d->runs.data = p;
    pos = 0;

    if (body.len && dur_json_member(body, dur_str("runs"), &list) == DUR_OK) {

        while (dur_json_next(list, &pos, &run) == DUR_OK && run.len > 2) {

            if (p != d->runs.data) {
                *p++ = ',';
            }

            p = ngx_cpymem(p, run.data + 1, run.len - 2);
        }
    }

    d->runs.len = p - d->runs.data;

    if (d->runs.len == 0 && d->id.len && d->hook->forward.len) {
        ngx_str_set(&d->outcome, "duplicate");
    }

    return NGX_OK;
}
