
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Subscribers over Server-Sent Events, on any version of HTTP: of realtime
 * (protocol 8.3), and of the feed, which tells tools what changes.  A client
 * that comes again with Last-Event-ID gets what it missed.
 */


#include "ngx_http_durable_subscriber.h"

#include <inttypes.h>


#define NGX_HTTP_DURABLE_SSE_SEND   16          /* messages at once */
#define NGX_HTTP_DURABLE_SSE_LIFE   900000
#define NGX_HTTP_DURABLE_SSE_GRACE  300000
#define NGX_HTTP_DURABLE_SSE_HEAD   48


typedef struct {
    ngx_http_durable_subscriber_t   subscriber;     /* is first */
    ngx_event_t                     timer;
    ngx_msec_t                      leave;
    ngx_uint_t                      busy;           /* messages in bufs */
    ngx_buf_t                      *bufs;           /* made when needed */
    ngx_chain_t                    *chain;
    u_char                        (*heads)[NGX_HTTP_DURABLE_SSE_HEAD];
    unsigned                        ending:1;
} ngx_http_durable_sse_t;


static ngx_http_durable_sse_t *ngx_http_durable_sse_start(
    ngx_http_request_t *r, ngx_int_t *rc);
static ngx_int_t ngx_http_durable_sse_header(ngx_http_request_t *r);
static ngx_int_t ngx_http_durable_sse_wait(ngx_http_durable_sse_t *sse);
static uint64_t ngx_http_durable_sse_last(ngx_http_request_t *r);
static ngx_int_t ngx_http_durable_sse_feed_topics(ngx_http_request_t *r,
    dur_realtime_grant_t *grant);
static ngx_int_t ngx_http_durable_sse_say(ngx_http_durable_sse_t *sse,
    const char *text);
static void ngx_http_durable_sse_write(ngx_http_request_t *r);
static ngx_int_t ngx_http_durable_sse_send(ngx_http_durable_sse_t *sse);
static ngx_uint_t ngx_http_durable_sse_fill(ngx_http_durable_sse_t *sse);
static void ngx_http_durable_sse_buf(ngx_http_durable_sse_t *sse,
    ngx_uint_t i, u_char *p, size_t n);
static void ngx_http_durable_sse_flush(ngx_http_durable_subscriber_t *s);
static void ngx_http_durable_sse_slow(ngx_http_durable_subscriber_t *s);
static void ngx_http_durable_sse_quit(ngx_http_durable_subscriber_t *s);
static void ngx_http_durable_sse_timer(ngx_event_t *ev);
static void ngx_http_durable_sse_cleanup(void *data);


/* GET /v1/realtime/sse?token= */

ngx_int_t
ngx_http_durable_sse_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    json_t                  *claims;
    ngx_int_t                rc;
    ngx_uint_t               status;
    dur_realtime_grant_t     grant;
    ngx_http_durable_sse_t  *sse;

    status = ngx_http_durable_realtime_token(r, ctx, &claims, &grant);

    if (status) {
        return ngx_http_durable_realtime_refuse(r, status);
    }

    sse = ngx_http_durable_sse_start(r, &rc);

    if (sse) {
        sse->subscriber.streams = grant.streams;

        if (ngx_http_durable_subscribe(&sse->subscriber, &grant,
                                       ngx_http_durable_sse_last(r))
            == NGX_ERROR)
        {
            sse->ending = 1;
        }

        rc = ngx_http_durable_sse_wait(sse);
    }

    json_decref(claims);

    return rc;
}


/* GET /v1/feed?topics= */

ngx_int_t
ngx_http_durable_feed_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    uint64_t                 last;
    ngx_int_t                rc;
    ngx_uint_t               gap;
    dur_realtime_grant_t     grant;
    ngx_http_durable_sse_t  *sse;

    rc = ngx_http_durable_sse_feed_topics(r, &grant);

    if (rc == NGX_DECLINED) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST, "topics must "
                                      "be a list of runs, steps, apps and "
                                      "figures");
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    sse = ngx_http_durable_sse_start(r, &rc);

    if (sse == NULL) {
        return rc;
    }

    last = ngx_http_durable_sse_last(r);

    if (ngx_http_durable_subscribe_feed(&sse->subscriber, &grant, last, &gap)
        != NGX_OK)
    {
        sse->ending = 1;

    } else if (gap) {
        (void) ngx_http_durable_sse_say(sse, "event: gap\ndata: {}\n\n");
    }

    ngx_durable_realtime_want_feed();
    ngx_durable_realtime_tell();

    return ngx_http_durable_sse_wait(sse);
}


static ngx_int_t
ngx_http_durable_sse_feed_topics(ngx_http_request_t *r,
    dur_realtime_grant_t *grant)
{
    u_char              *p, *last, *comma;
    ngx_str_t            topics;
    ngx_uint_t           i;
    static dur_str_t     known[] = {
        { (const uint8_t *) "runs", 4 }, { (const uint8_t *) "steps", 5 },
        { (const uint8_t *) "apps", 4 }, { (const uint8_t *) "figures", 7 },
        { (const uint8_t *) "bulk", 4 }
    };
    const ngx_uint_t     n = sizeof(known) / sizeof(known[0]);

    ngx_memzero(grant, sizeof(dur_realtime_grant_t));

    if (ngx_http_durable_arg(r, "topics", &topics) != NGX_OK) {
        return NGX_ERROR;
    }

    if (topics.len == 0) {
        ngx_str_set(&topics, "runs,apps");
    }

    last = topics.data + topics.len;

    for (p = topics.data; p < last; p = comma + 1) {

        comma = ngx_strlchr(p, last, ',');

        if (comma == NULL) {
            comma = last;
        }

        for (i = 0; i < n; i++) {
            if (dur_str_eq(known[i], dur_str_make(p, comma - p))) {
                break;
            }
        }

        if (i == n || grant->n == n) {
            return NGX_DECLINED;
        }

        grant->topics[grant->n++].name = known[i];
    }

    return NGX_OK;
}


/* -- the request ---------------------------------------------------------- */

/* NULL: the request was answered with *rc. */

static ngx_http_durable_sse_t *
ngx_http_durable_sse_start(ngx_http_request_t *r, ngx_int_t *rc)
{
    ngx_http_cleanup_t      *cln;
    ngx_http_durable_sse_t  *sse;

    *rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    cln = ngx_http_cleanup_add(r, 0);
    sse = ngx_pcalloc(r->pool, sizeof(ngx_http_durable_sse_t));

    if (cln == NULL || sse == NULL) {
        return NULL;
    }

    sse->subscriber.request = r;
    sse->subscriber.flush = ngx_http_durable_sse_flush;
    sse->subscriber.slow = ngx_http_durable_sse_slow;
    sse->subscriber.quit = ngx_http_durable_sse_quit;

    sse->timer.handler = ngx_http_durable_sse_timer;
    sse->timer.data = sse;
    sse->timer.log = r->connection->log;

    sse->leave = ngx_current_msec + NGX_HTTP_DURABLE_SSE_LIFE;

    if (ngx_durable_store() == NULL || ngx_exiting) {
        *rc = ngx_http_durable_unavailable(r);
        return NULL;
    }

    *rc = ngx_http_durable_sse_header(r);

    if (*rc != NGX_OK) {
        return NULL;
    }

    if (r->header_only) {
        return NULL;
    }

    if (ngx_http_durable_subscriber_add(&sse->subscriber) != NGX_OK) {
        *rc = NGX_ERROR;
        return NULL;
    }

    cln->handler = ngx_http_durable_sse_cleanup;
    cln->data = sse;

    return sse;
}


static ngx_int_t
ngx_http_durable_sse_header(ngx_http_request_t *r)
{
    ngx_int_t                rc;
    ngx_str_t                cache, buffering;
    ngx_http_durable_ctx_t  *ctx;

    ngx_str_set(&cache, "no-cache, no-store");
    ngx_str_set(&buffering, "no");

    if (ngx_http_durable_header(r, "Cache-Control", &cache) != NGX_OK
        || ngx_http_durable_header(r, "X-Accel-Buffering", &buffering)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx = ngx_http_durable_ctx(r);
    ctx->answered = 1;

    r->headers_out.status = NGX_HTTP_OK;
    ngx_str_set(&r->headers_out.content_type, "text/event-stream");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    return rc > NGX_OK ? NGX_ERROR : rc;
}


static ngx_int_t
ngx_http_durable_sse_wait(ngx_http_durable_sse_t *sse)
{
    ngx_http_request_t  *r;

    r = sse->subscriber.request;

    r->main->count++;
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_durable_sse_write;

    ngx_http_durable_ctx(r)->sse = sse;
    r->connection->log->action = "serving a realtime subscriber";

    ngx_add_timer(&sse->timer, NGX_HTTP_DURABLE_KEEPALIVE);

    /* the header goes at once, with a comment */

    if (ngx_http_durable_sse_say(sse, ":\n\n") != NGX_OK) {
        sse->ending = 1;
    }

    ngx_post_event(r->connection->write, &ngx_posted_events);

    return NGX_DONE;
}


/* 0: none, or what is no id. */

static uint64_t
ngx_http_durable_sse_last(ngx_http_request_t *r)
{
    u_char     *p, *last;
    uint64_t    id;
    ngx_str_t  *value;

    value = ngx_http_durable_request_header(r, "last-event-id",
                                            sizeof("last-event-id") - 1);

    if (value == NULL || value->len == 0 || value->len > 19) {
        return 0;
    }

    id = 0;
    last = value->data + value->len;

    for (p = value->data; p < last; p++) {

        if (*p < '0' || *p > '9') {
            return 0;
        }

        id = id * 10 + (*p - '0');
    }

    return id;
}


/* -- out ------------------------------------------------------------------ */

/* Text of the protocol itself. */

static ngx_int_t
ngx_http_durable_sse_say(ngx_http_durable_sse_t *sse, const char *text)
{
    ngx_int_t                 rc;
    ngx_http_durable_note_t  *note;

    note = ngx_http_durable_note_raw(dur_str_c(text));

    if (note == NULL) {
        return NGX_ERROR;
    }

    note->kind = DUR_REALTIME_BYTES;
    note->text = note->frame;

    rc = ngx_http_durable_subscriber_queue(&sse->subscriber, note);
    ngx_http_durable_note_free(note);

    return rc;
}


static void
ngx_http_durable_sse_flush(ngx_http_durable_subscriber_t *s)
{
    ngx_event_t  *wev;

    wev = s->request->connection->write;

    if (wev->ready) {
        ngx_post_event(wev, &ngx_posted_events);
    }
}


static void
ngx_http_durable_sse_write(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_event_t               *wev;
    ngx_http_durable_sse_t    *sse;
    ngx_http_core_loc_conf_t  *clcf;

    sse = ngx_http_durable_ctx(r)->sse;
    wev = r->connection->write;

    if (wev->timedout) {
        r->connection->timedout = 1;
        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    rc = ngx_http_durable_sse_send(sse);

    if (rc == NGX_ERROR) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    if (rc == NGX_OK) {

        if (wev->timer_set) {
            ngx_del_timer(wev);
        }

        if (sse->ending) {
            ngx_http_finalize_request(r,
                                     ngx_http_send_special(r, NGX_HTTP_LAST));
        }

        return;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (!wev->timer_set) {
        ngx_add_timer(wev, clcf->send_timeout);
    }

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_ERROR);
    }
}


/* NGX_OK: all was sent; NGX_AGAIN: the client has to read. */

static ngx_int_t
ngx_http_durable_sse_send(ngx_http_durable_sse_t *sse)
{
    ngx_int_t                       rc;
    ngx_uint_t                      n;
    ngx_queue_t                    *q;
    ngx_http_request_t             *r;
    ngx_http_durable_subscriber_t  *s;

    s = &sse->subscriber;
    r = s->request;

    for ( ;; ) {

        n = 0;

        if (sse->busy == 0) {

            if (ngx_queue_empty(&s->pending)) {
                return NGX_OK;
            }

            n = ngx_http_durable_sse_fill(sse);

            if (n == 0) {
                return NGX_ERROR;
            }
        }

        rc = ngx_http_output_filter(r, n ? sse->chain : NULL);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_AGAIN || r->buffered || r->connection->buffered) {
            return NGX_AGAIN;
        }

        for ( /* void */ ; sse->busy; sse->busy--) {
            q = ngx_queue_head(&s->pending);
            ngx_http_durable_subscriber_sent(s,
                       ngx_queue_data(q, ngx_http_durable_pending_t, queue));
        }
    }
}


/* Chains what pends, as far as there is room; the number of buffers. */

static ngx_uint_t
ngx_http_durable_sse_fill(ngx_http_durable_sse_t *sse)
{
    u_char                      *p, *head;
    ngx_pool_t                  *pool;
    ngx_uint_t                   n;
    ngx_queue_t                 *q;
    ngx_http_durable_note_t     *note;
    ngx_http_durable_pending_t  *pending;

    if (sse->bufs == NULL) {
        pool = sse->subscriber.request->pool;

        sse->chain = ngx_palloc(pool, 3 * NGX_HTTP_DURABLE_SSE_SEND
                                      * sizeof(ngx_chain_t));
        sse->heads = ngx_palloc(pool, NGX_HTTP_DURABLE_SSE_SEND
                                      * NGX_HTTP_DURABLE_SSE_HEAD);
        sse->bufs = ngx_palloc(pool, 3 * NGX_HTTP_DURABLE_SSE_SEND
                                     * sizeof(ngx_buf_t));

        if (sse->chain == NULL || sse->heads == NULL || sse->bufs == NULL) {
            sse->bufs = NULL;
            return 0;
        }
    }

    n = 0;

    for (q = ngx_queue_head(&sse->subscriber.pending);
         q != ngx_queue_sentinel(&sse->subscriber.pending)
         && sse->busy < NGX_HTTP_DURABLE_SSE_SEND;
         q = ngx_queue_next(q))
    {
        pending = ngx_queue_data(q, ngx_http_durable_pending_t, queue);
        note = pending->note;

        if (note->kind == DUR_REALTIME_BYTES) {
            ngx_http_durable_sse_buf(sse, n++, (u_char *) note->text.data,
                                     note->text.len);
            sse->busy++;
            continue;
        }

        head = sse->heads[sse->busy];
        p = ngx_snprintf(head, NGX_HTTP_DURABLE_SSE_HEAD, "id: %uL\ndata: ",
                         note->id);

        ngx_http_durable_sse_buf(sse, n++, head, p - head);
        ngx_http_durable_sse_buf(sse, n++, (u_char *) note->text.data,
                                 note->text.len);
        ngx_http_durable_sse_buf(sse, n++, (u_char *) "\n\n", 2);

        sse->busy++;
    }

    sse->bufs[n - 1].flush = 1;
    sse->chain[n - 1].next = NULL;

    return n;
}


static void
ngx_http_durable_sse_buf(ngx_http_durable_sse_t *sse, ngx_uint_t i,
    u_char *p, size_t n)
{
    ngx_buf_t  *b;

    b = &sse->bufs[i];
    ngx_memzero(b, sizeof(ngx_buf_t));

    b->memory = 1;
    b->start = p;
    b->pos = p;
    b->last = p + n;
    b->end = p + n;

    sse->chain[i].buf = b;
    sse->chain[i].next = &sse->chain[i + 1];
}


/* -- the end -------------------------------------------------------------- */

static void
ngx_http_durable_sse_slow(ngx_http_durable_subscriber_t *s)
{
    ngx_http_durable_sse_t  *sse;

    sse = (ngx_http_durable_sse_t *) s;

    if (s->closed) {
        return;
    }

    ngx_log_error(NGX_LOG_INFO, s->request->connection->log, 0,
                  "durable: a realtime subscriber does not read, it is "
                  "disconnected");

    ngx_durable_realtime_dropped();

    s->closed = 1;
    sse->ending = 1;
    sse->leave = ngx_current_msec;

    ngx_add_timer(&sse->timer, 1);
}


/* Readers of the feed come again by themselves and miss nothing. */

static void
ngx_http_durable_sse_quit(ngx_http_durable_subscriber_t *s)
{
    ngx_msec_t               leave;
    ngx_http_durable_sse_t  *sse;

    sse = (ngx_http_durable_sse_t *) s;

    if (s->feed) {
        s->closed = 1;
        sse->ending = 1;
        ngx_post_event(s->request->connection->write, &ngx_posted_events);
        return;
    }

    leave = ngx_current_msec + NGX_HTTP_DURABLE_SSE_GRACE;

    if ((ngx_msec_int_t) (leave - sse->leave) < 0) {
        sse->leave = leave;
    }

    (void) ngx_http_durable_sse_say(sse,
                                    "data: {\"kind\":\"closing\"}\n\n");
}


static void
ngx_http_durable_sse_timer(ngx_event_t *ev)
{
    ngx_connection_t        *c;
    ngx_http_request_t      *r;
    ngx_http_durable_sse_t  *sse;

    sse = ev->data;
    r = sse->subscriber.request;
    c = r->connection;

    if (sse->subscriber.closed && sse->busy) {

        /* it does not read */

        ngx_http_finalize_request(r, NGX_ERROR);
        ngx_http_run_posted_requests(c);
        return;
    }

    if ((ngx_msec_int_t) (ngx_current_msec - sse->leave) >= 0) {
        sse->subscriber.closed = 1;
        sse->ending = 1;
        ngx_post_event(c->write, &ngx_posted_events);
        return;
    }

    ngx_http_durable_subscriber_alive(&sse->subscriber);

    if (ngx_queue_empty(&sse->subscriber.pending)) {
        (void) ngx_http_durable_sse_say(sse, ":\n\n");
    }

    ngx_add_timer(&sse->timer, NGX_HTTP_DURABLE_KEEPALIVE);
}


static void
ngx_http_durable_sse_cleanup(void *data)
{
    ngx_http_durable_sse_t *sse = data;

    ngx_http_durable_subscriber_remove(&sse->subscriber);

    if (sse->timer.timer_set) {
        ngx_del_timer(&sse->timer);
    }
}
