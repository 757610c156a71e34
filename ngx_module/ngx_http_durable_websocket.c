
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Subscribers over WebSocket (RFC 6455, protocol 8.3).  The request becomes
 * the socket: nginx does what it does for any request (limits, TLS, logs),
 * libwslay reads and writes frames.  An idle socket costs its request and the
 * structure below: what libwslay needs to read is there only while it reads.
 */


#include "ngx_http_durable_subscriber.h"

#include <wslay/wslay.h>


#define NGX_HTTP_DURABLE_WS_MESSAGE  (64 * 1024)
#define NGX_HTTP_DURABLE_WS_READ     (64 * 1024)
#define NGX_HTTP_DURABLE_WS_SEND     64         /* frames of one writev() */
#define NGX_HTTP_DURABLE_WS_MISSED   3
#define NGX_HTTP_DURABLE_WS_CLOSE    5000
#define NGX_HTTP_DURABLE_WS_LINGER   2000
#define NGX_HTTP_DURABLE_WS_GRACE    300000

/* Not one of libwslay's: come back later. */
#define NGX_HTTP_DURABLE_WS_LATER    1013


typedef struct {
    ngx_http_durable_subscriber_t   subscriber;     /* is first */
    wslay_event_context_ptr         reader;
    ngx_event_t                     timer;
    ngx_msec_t                      leave;          /* when to go, 0: stay */
    size_t                          left;           /* to read this turn */
    uint64_t                        received;
    uint64_t                        framed;         /* of it, whole frames */
    ngx_uint_t                      pings;          /* without an answer */
    unsigned                        open:1;         /* a message goes on */
    unsigned                        closing:1;      /* the frame is queued */
    unsigned                        done:1;         /* both have said it */
    unsigned                        discard:1;      /* what comes is no more
                                                       looked at */
    unsigned                        eof:1;
} ngx_http_durable_ws_t;


static ngx_int_t ngx_http_durable_ws_start(ngx_http_request_t *r,
    dur_realtime_grant_t *grant);
static void ngx_http_durable_ws_read(ngx_http_request_t *r);
static void ngx_http_durable_ws_write(ngx_http_request_t *r);
static ngx_int_t ngx_http_durable_ws_discard(ngx_http_durable_ws_t *ws);
static ngx_int_t ngx_http_durable_ws_receive(ngx_http_durable_ws_t *ws);
static ngx_int_t ngx_http_durable_ws_reader(ngx_http_durable_ws_t *ws);
static ssize_t ngx_http_durable_ws_on_read(wslay_event_context_ptr ctx,
    uint8_t *buf, size_t len, int flags, void *data);
static ssize_t ngx_http_durable_ws_on_write(wslay_event_context_ptr ctx,
    const uint8_t *buf, size_t len, int flags, void *data);
static void ngx_http_durable_ws_on_frame(wslay_event_context_ptr ctx,
    const struct wslay_event_on_frame_recv_start_arg *arg, void *data);
static void ngx_http_durable_ws_on_message(wslay_event_context_ptr ctx,
    const struct wslay_event_on_msg_recv_arg *arg, void *data);
static void ngx_http_durable_ws_ask(ngx_http_durable_ws_t *ws,
    dur_str_t text);
static ngx_int_t ngx_http_durable_ws_send(ngx_http_durable_ws_t *ws);
static ngx_uint_t ngx_http_durable_ws_sent(ngx_http_durable_ws_t *ws);
static void ngx_http_durable_ws_flush(ngx_http_durable_subscriber_t *s);
static void ngx_http_durable_ws_slow(ngx_http_durable_subscriber_t *s);
static void ngx_http_durable_ws_quit(ngx_http_durable_subscriber_t *s);
static void ngx_http_durable_ws_timer(ngx_event_t *ev);
static void ngx_http_durable_ws_close(ngx_http_durable_ws_t *ws,
    ngx_uint_t code, const char *reason);
static void ngx_http_durable_ws_finish(ngx_http_durable_ws_t *ws);
static void ngx_http_durable_ws_cleanup(void *data);


static struct wslay_event_callbacks  ngx_http_durable_ws_callbacks = {
    ngx_http_durable_ws_on_read,
    ngx_http_durable_ws_on_write,
    NULL,
    ngx_http_durable_ws_on_frame,
    NULL,
    NULL,
    ngx_http_durable_ws_on_message
};


/* GET /v1/realtime/connect?token= */

ngx_int_t
ngx_http_durable_connect_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    json_t                *claims;
    ngx_int_t              rc;
    ngx_str_t             *key;
    ngx_uint_t             status;
    dur_realtime_grant_t   grant;

    status = ngx_http_durable_handshake(r, ctx, &key);

    if (status) {
        return ngx_http_durable_error(r, status, "%V", &ctx->error);
    }

    status = ngx_http_durable_realtime_token(r, ctx, &claims, &grant);

    if (status) {
        return ngx_http_durable_realtime_refuse(r, status);
    }

    rc = ngx_http_durable_handshake_answer(r, key);

    if (rc == NGX_OK) {
        ctx->answered = 1;
        rc = ngx_http_durable_ws_start(r, &grant);
    }

    json_decref(claims);

    return rc;
}


static ngx_int_t
ngx_http_durable_ws_start(ngx_http_request_t *r, dur_realtime_grant_t *grant)
{
    ngx_connection_t       *c;
    ngx_http_cleanup_t     *cln;
    ngx_http_durable_ws_t  *ws;

    c = r->connection;

    cln = ngx_http_cleanup_add(r, 0);
    ws = ngx_pcalloc(r->pool, sizeof(ngx_http_durable_ws_t));

    if (cln == NULL || ws == NULL) {
        return NGX_ERROR;
    }

    ws->subscriber.request = r;
    ws->subscriber.flush = ngx_http_durable_ws_flush;
    ws->subscriber.slow = ngx_http_durable_ws_slow;
    ws->subscriber.quit = ngx_http_durable_ws_quit;
    ws->subscriber.streams = grant->streams;

    ws->timer.handler = ngx_http_durable_ws_timer;
    ws->timer.data = ws;
    ws->timer.log = c->log;

    if (ngx_http_durable_subscriber_add(&ws->subscriber) != NGX_OK) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_durable_ws_cleanup;
    cln->data = ws;

    /* a small message must not wait for the ACK of the one before */

    if (ngx_tcp_nodelay(c) != NGX_OK) {
        return NGX_ERROR;
    }

    c->log->action = "serving a realtime subscriber";

    r->main->count++;
    r->read_event_handler = ngx_http_durable_ws_read;
    r->write_event_handler = ngx_http_durable_ws_write;

    ngx_http_durable_ctx(r)->websocket = ws;

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    ngx_add_timer(&ws->timer, NGX_HTTP_DURABLE_KEEPALIVE);

    if (ngx_http_durable_subscribe(&ws->subscriber, grant, 0) == NGX_ERROR) {
        ngx_http_durable_ws_close(ws, WSLAY_CODE_INTERNAL_SERVER_ERROR,
                                  "no memory");
    }

    if (ngx_exiting) {
        ngx_http_durable_ws_quit(&ws->subscriber);
    }

    /* what came together with the request, too */

    ngx_post_event(c->read, &ngx_posted_events);

    return NGX_DONE;
}


/* -- in ------------------------------------------------------------------- */

static void
ngx_http_durable_ws_read(ngx_http_request_t *r)
{
    ngx_event_t            *rev;
    ngx_http_durable_ws_t  *ws;

    ws = ngx_http_durable_ctx(r)->websocket;
    rev = r->connection->read;

    ws->left = NGX_HTTP_DURABLE_WS_READ;

    if ((ws->discard ? ngx_http_durable_ws_discard(ws)
                     : ngx_http_durable_ws_receive(ws))
        != NGX_OK
        || ngx_http_durable_ws_send(ws) == NGX_ERROR)
    {
        ngx_http_durable_ws_finish(ws);
        return;
    }

    if (ws->eof || (ws->done && ngx_http_durable_ws_sent(ws))) {
        ngx_http_durable_ws_finish(ws);
        return;
    }

    if (ws->left == 0) {
        ngx_post_event(rev, &ngx_posted_next_events);
        return;
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_http_durable_ws_finish(ws);
    }
}


/* So that the reason of the close arrives, and is not cut off by a reset. */

static ngx_int_t
ngx_http_durable_ws_discard(ngx_http_durable_ws_t *ws)
{
    u_char             buf[4096];
    ssize_t            n;
    ngx_connection_t  *c;

    c = ws->subscriber.request->connection;

    while (ws->left) {
        n = c->recv(c, buf, ngx_min(sizeof(buf), ws->left));

        if (n == NGX_AGAIN) {
            return NGX_OK;
        }

        if (n <= 0) {
            ws->eof = 1;
            return NGX_OK;
        }

        ws->left -= n;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_ws_receive(ngx_http_durable_ws_t *ws)
{
    if (ngx_http_durable_ws_reader(ws) != NGX_OK) {
        return NGX_ERROR;
    }

    /* libwslay checks what it was asked to check, and answers itself */

    if (wslay_event_recv(ws->reader) != 0) {

        if (ws->eof) {
            return NGX_OK;
        }

        /* what is no frame at all */

        ngx_http_durable_ws_close(ws, WSLAY_CODE_PROTOCOL_ERROR,
                                  "this is no frame");
    }

    while (wslay_event_want_write(ws->reader)) {
        if (wslay_event_send(ws->reader) != 0) {
            return NGX_ERROR;
        }
    }

    if (!wslay_event_get_read_enabled(ws->reader)) {

        /* the client closes, or breaks the rules */

        ws->done = (wslay_event_get_close_received(ws->reader) != 0);
        ws->closing = 1;
        ws->discard = 1;
        ws->subscriber.closed = 1;

        ngx_add_timer(&ws->timer, NGX_HTTP_DURABLE_WS_LINGER);
    }

    if (ws->discard || (!ws->open && ws->received == ws->framed)) {
        wslay_event_context_free(ws->reader);
        ws->reader = NULL;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_ws_reader(ngx_http_durable_ws_t *ws)
{
    if (ws->reader) {
        return NGX_OK;
    }

    if (wslay_event_context_server_init(&ws->reader,
                                        &ngx_http_durable_ws_callbacks, ws)
        != 0)
    {
        ws->reader = NULL;
        return NGX_ERROR;
    }

    wslay_event_config_set_max_recv_msg_length(ws->reader,
                                               NGX_HTTP_DURABLE_WS_MESSAGE);

    ws->received = 0;
    ws->framed = 0;

    return NGX_OK;
}


static ssize_t
ngx_http_durable_ws_on_read(wslay_event_context_ptr ctx, uint8_t *buf,
    size_t len, int flags, void *data)
{
    ngx_http_durable_ws_t *ws = data;

    ssize_t              n;
    ngx_buf_t           *b;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ws->subscriber.request;
    c = r->connection;
    b = r->header_in;

    len = ngx_min(len, ws->left);

    if (len == 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }

    if (b->pos < b->last) {
        n = ngx_min((size_t) (b->last - b->pos), len);
        ngx_memcpy(buf, b->pos, n);
        b->pos += n;

    } else {
        n = c->recv(c, buf, len);
    }

    if (n == NGX_AGAIN) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }

    if (n == NGX_ERROR || n == 0) {
        ws->eof = 1;
        wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }

    ws->left -= n;
    ws->received += n;
    ws->pings = 0;

    return n;
}


/* Counts whole frames: between two of them nothing has to be kept. */

static void
ngx_http_durable_ws_on_frame(wslay_event_context_ptr ctx,
    const struct wslay_event_on_frame_recv_start_arg *arg, void *data)
{
    ngx_http_durable_ws_t *ws = data;

    ws->framed += 6 + arg->payload_length;

    if (arg->payload_length > 65535) {
        ws->framed += 8;

    } else if (arg->payload_length > 125) {
        ws->framed += 2;
    }

    if (!wslay_is_ctrl_frame(arg->opcode)) {
        ws->open = !arg->fin;
    }
}


static void
ngx_http_durable_ws_on_message(wslay_event_context_ptr ctx,
    const struct wslay_event_on_msg_recv_arg *arg, void *data)
{
    ngx_http_durable_ws_t *ws = data;

    if (arg->opcode == WSLAY_TEXT_FRAME && !ws->closing) {
        ngx_http_durable_ws_ask(ws, dur_str_make(arg->msg, arg->msg_length));
    }
}


/* {"kind":"sub"} and {"kind":"unsub"}; nothing is answered. */

static void
ngx_http_durable_ws_ask(ngx_http_durable_ws_t *ws, dur_str_t text)
{
    json_t                *root, *claims;
    ngx_int_t              rc;
    ngx_str_t              value;
    dur_str_t              token;
    dur_realtime_ask_t     ask;
    dur_realtime_grant_t   grant;

    ask = dur_realtime_ask(text, &root, &token, &grant);

    if (ask == DUR_REALTIME_UNSUB) {
        ngx_http_durable_unsubscribe(&ws->subscriber, &grant);
    }

    if (ask == DUR_REALTIME_SUB) {
        value.data = (u_char *) token.data;
        value.len = token.len;

        rc = ngx_http_durable_token_verify(
                             ngx_http_durable_ctx(ws->subscriber.request),
                             &value, &claims);

        if (rc == NGX_OK) {
            rc = dur_realtime_grant(claims, &grant) == DUR_OK ? NGX_OK
                                                              : NGX_DECLINED;

            if (rc == NGX_OK) {
                rc = ngx_http_durable_subscribe(&ws->subscriber, &grant, 0);
            }

            json_decref(claims);
        }

        if (rc == NGX_DECLINED) {
            ngx_http_durable_ws_close(ws, WSLAY_CODE_POLICY_VIOLATION,
                                      "the token is not valid, or has too "
                                      "many topics");

        } else if (rc != NGX_OK) {
            ngx_http_durable_ws_close(ws, NGX_HTTP_DURABLE_WS_LATER,
                                      "try again later");
        }
    }

    json_decref(root);
}


/* -- out ------------------------------------------------------------------ */

/* A frame of libwslay's own: pong, close. */

static ssize_t
ngx_http_durable_ws_on_write(wslay_event_context_ptr ctx, const uint8_t *buf,
    size_t len, int flags, void *data)
{
    ngx_http_durable_ws_t *ws = data;

    ngx_int_t                 rc;
    ngx_http_durable_note_t  *note;

    if (ws->closing) {
        /* we have said it already */
        return len;
    }

    note = ngx_http_durable_note_raw(dur_str_make(buf, len));

    if (note == NULL) {
        wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }

    rc = ngx_http_durable_subscriber_send(&ws->subscriber, note);
    ngx_http_durable_note_free(note);

    if (rc == NGX_ERROR) {
        wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }

    return len;
}


/* At the end of this turn, so that messages go together. */

static void
ngx_http_durable_ws_flush(ngx_http_durable_subscriber_t *s)
{
    ngx_event_t  *wev;

    wev = s->request->connection->write;

    if (wev->ready) {
        ngx_post_event(wev, &ngx_posted_events);
    }
}


static void
ngx_http_durable_ws_write(ngx_http_request_t *r)
{
    ngx_http_durable_ws_t  *ws;

    ws = ngx_http_durable_ctx(r)->websocket;

    if (ngx_http_durable_ws_send(ws) == NGX_ERROR
        || (ws->done && ngx_http_durable_ws_sent(ws)))
    {
        ngx_http_durable_ws_finish(ws);
    }
}


/* NGX_OK: nothing pends; NGX_AGAIN: the client has to read. */

static ngx_int_t
ngx_http_durable_ws_send(ngx_http_durable_ws_t *ws)
{
    ngx_buf_t                       bufs[NGX_HTTP_DURABLE_WS_SEND];
    ngx_uint_t                      i, n;
    ngx_chain_t                     chain[NGX_HTTP_DURABLE_WS_SEND], *rest;
    ngx_queue_t                    *q;
    ngx_connection_t               *c;
    ngx_http_durable_pending_t     *p;
    ngx_http_durable_subscriber_t  *s;

    s = &ws->subscriber;
    c = s->request->connection;

    /* TLS may have taken what it could not send yet */

    while (!ngx_queue_empty(&s->pending) || c->buffered) {

        n = 0;

        for (q = ngx_queue_head(&s->pending);
             q != ngx_queue_sentinel(&s->pending)
             && n < NGX_HTTP_DURABLE_WS_SEND;
             q = ngx_queue_next(q))
        {
            p = ngx_queue_data(q, ngx_http_durable_pending_t, queue);

            ngx_memzero(&bufs[n], sizeof(ngx_buf_t));
            bufs[n].memory = 1;
            bufs[n].pos = (u_char *) p->note->frame.data + p->sent;
            bufs[n].last = (u_char *) p->note->frame.data
                           + p->note->frame.len;

            chain[n].buf = &bufs[n];
            chain[n].next = NULL;

            if (n) {
                chain[n - 1].next = &chain[n];
            }

            n++;
        }

        if (n) {
            bufs[n - 1].flush = 1;
        }

        rest = c->send_chain(c, n ? chain : NULL, 0);

        if (rest == NGX_CHAIN_ERROR) {
            return NGX_ERROR;
        }

        for (i = 0; i < n; i++) {
            q = ngx_queue_head(&s->pending);
            p = ngx_queue_data(q, ngx_http_durable_pending_t, queue);

            if (bufs[i].pos != bufs[i].last) {
                p->sent = bufs[i].pos - p->note->frame.data;
                break;
            }

            ngx_http_durable_subscriber_sent(s, p);
        }

        if (rest || c->buffered) {
            return ngx_handle_write_event(c->write, 0) == NGX_OK
                   ? NGX_AGAIN : NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_durable_ws_sent(ngx_http_durable_ws_t *ws)
{
    return ngx_queue_empty(&ws->subscriber.pending)
           && !ws->subscriber.request->connection->buffered;
}


/* -- the end -------------------------------------------------------------- */

/* What pends is behind by too much: it is dropped, but for the frame that has
 * begun. */

static void
ngx_http_durable_ws_slow(ngx_http_durable_subscriber_t *s)
{
    ngx_queue_t                 *q, *next;
    ngx_http_durable_ws_t       *ws;
    ngx_http_durable_pending_t  *p;

    ws = (ngx_http_durable_ws_t *) s;

    if (ws->closing) {
        return;
    }

    for (q = ngx_queue_head(&s->pending);
         q != ngx_queue_sentinel(&s->pending);
         q = next)
    {
        next = ngx_queue_next(q);
        p = ngx_queue_data(q, ngx_http_durable_pending_t, queue);

        if (p->sent == 0) {
            ngx_http_durable_subscriber_sent(s, p);
        }
    }

    ngx_log_error(NGX_LOG_INFO, s->request->connection->log, 0,
                  "durable: a realtime subscriber does not read, it is "
                  "disconnected");

    ngx_durable_realtime_dropped();

    ngx_http_durable_ws_close(ws, NGX_HTTP_DURABLE_WS_LATER,
                              "messages were lost: the client is too slow");
}


/* The clients of the SDKs do not connect again by themselves: those who are
 * here may stay for a while. */

static void
ngx_http_durable_ws_quit(ngx_http_durable_subscriber_t *s)
{
    ngx_http_durable_ws_t    *ws;
    ngx_http_durable_note_t  *note;

    ws = (ngx_http_durable_ws_t *) s;

    if (ws->closing || ws->leave) {
        return;
    }

    ws->leave = ngx_current_msec + NGX_HTTP_DURABLE_WS_GRACE;

    note = ngx_http_durable_note(WSLAY_TEXT_FRAME, dur_str_null,
                                 dur_str("{\"kind\":\"closing\"}"));

    if (note) {
        (void) ngx_http_durable_subscriber_queue(s, note);
        ngx_http_durable_note_free(note);
    }
}


static void
ngx_http_durable_ws_timer(ngx_event_t *ev)
{
    ngx_connection_t         *c;
    ngx_http_durable_ws_t    *ws;
    ngx_http_durable_note_t  *note;

    ws = ev->data;
    c = ws->subscriber.request->connection;

    if (ws->closing) {
        ngx_http_durable_ws_finish(ws);
        ngx_http_run_posted_requests(c);
        return;
    }

    if (ws->leave && (ngx_msec_int_t) (ngx_current_msec - ws->leave) >= 0) {
        ngx_http_durable_ws_close(ws, WSLAY_CODE_GOING_AWAY, "closing");
        return;
    }

    if (ws->pings == NGX_HTTP_DURABLE_WS_MISSED) {
        ngx_http_durable_ws_close(ws, WSLAY_CODE_POLICY_VIOLATION,
                                  "the client does not answer pings");
        return;
    }

    ws->pings++;
    ngx_http_durable_subscriber_alive(&ws->subscriber);

    note = ngx_http_durable_note(WSLAY_PING, dur_str_null, dur_str_null);

    if (note) {
        (void) ngx_http_durable_subscriber_queue(&ws->subscriber, note);
        ngx_http_durable_note_free(note);
    }

    ngx_add_timer(&ws->timer, NGX_HTTP_DURABLE_KEEPALIVE);
}


/* Says why, then waits for the client to go, a few seconds. */

static void
ngx_http_durable_ws_close(ngx_http_durable_ws_t *ws, ngx_uint_t code,
    const char *reason)
{
    uint8_t                   text[2];
    ngx_http_durable_note_t  *note;

    if (ws->closing) {
        return;
    }

    dur_put16(text, (uint16_t) code);

    note = ngx_http_durable_note(WSLAY_CONNECTION_CLOSE, dur_str_make(text, 2),
                                 dur_str_c(reason));

    if (note) {
        (void) ngx_http_durable_subscriber_queue(&ws->subscriber, note);
        ngx_http_durable_note_free(note);
    }

    ws->closing = 1;
    ws->subscriber.closed = 1;

    ngx_add_timer(&ws->timer, NGX_HTTP_DURABLE_WS_CLOSE);
}


static void
ngx_http_durable_ws_finish(ngx_http_durable_ws_t *ws)
{
    ngx_http_request_t  *r;

    r = ws->subscriber.request;

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    ngx_http_finalize_request(r, NGX_HTTP_CLOSE);
}


static void
ngx_http_durable_ws_cleanup(void *data)
{
    ngx_http_durable_ws_t *ws = data;

    ngx_http_durable_subscriber_remove(&ws->subscriber);

    if (ws->reader) {
        wslay_event_context_free(ws->reader);
        ws->reader = NULL;
    }

    if (ws->timer.timer_set) {
        ngx_del_timer(&ws->timer);
    }
}
