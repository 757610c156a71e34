
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * A request that waits for something to be in the store: it is looked for
 * again and again, after an eighth of the time that it waits already, so that
 * what comes soon is found soon.  That needs no subscription that a change of
 * leader could lose.  Nothing is left when the client goes, and an exiting
 * worker does not wait.
 */


#include "ngx_http_durable.h"


#define NGX_HTTP_DURABLE_WAIT_MIN  2
#define NGX_HTTP_DURABLE_WAIT_MAX  250


typedef struct {
    ngx_event_t                  event;
    ngx_http_request_t          *request;
    ngx_http_durable_wait_pt     handler;
    void                        *data;
    ngx_msec_t                   start;
    ngx_msec_t                   timeout;
} ngx_http_durable_wait_t;


static void ngx_http_durable_wait_event(ngx_event_t *ev);
static void ngx_http_durable_wait_arm(ngx_http_durable_wait_t *w);
static void ngx_http_durable_wait_cleanup(void *data);


/*
 * The handler is called until it answers, that is until it returns another
 * code than NGX_AGAIN, which finalizes the request; it must when `last` is
 * set.  NGX_DONE: the request waits.
 */

ngx_int_t
ngx_http_durable_wait(ngx_http_request_t *r, ngx_msec_t timeout,
    ngx_http_durable_wait_pt handler, void *data)
{
    ngx_http_cleanup_t       *cln;
    ngx_http_durable_wait_t  *w;

    cln = ngx_http_cleanup_add(r, sizeof(ngx_http_durable_wait_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    w = cln->data;
    ngx_memzero(w, sizeof(ngx_http_durable_wait_t));

    cln->handler = ngx_http_durable_wait_cleanup;

    w->request = r;
    w->handler = handler;
    w->data = data;
    w->start = ngx_current_msec;
    w->timeout = timeout;

    w->event.handler = ngx_http_durable_wait_event;
    w->event.data = w;
    w->event.log = r->connection->log;

    r->main->count++;
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    ngx_http_durable_wait_arm(w);

    return NGX_DONE;
}


static void
ngx_http_durable_wait_event(ngx_event_t *ev)
{
    ngx_int_t                 rc;
    ngx_uint_t                last;
    ngx_connection_t         *c;
    ngx_http_request_t       *r;
    ngx_http_durable_wait_t  *w;

    w = ev->data;
    r = w->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    last = ngx_exiting || ngx_terminate
           || (ngx_msec_t) (ngx_current_msec - w->start) >= w->timeout;

    rc = w->handler(r, w->data, last);

    if (rc == NGX_AGAIN) {
        ngx_http_durable_wait_arm(w);
        return;
    }

    r->read_event_handler = ngx_http_block_reading;

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_durable_wait_arm(ngx_http_durable_wait_t *w)
{
    ngx_msec_t  waited, next;

    waited = ngx_current_msec - w->start;

    next = ngx_min(waited / 8, NGX_HTTP_DURABLE_WAIT_MAX);
    next = ngx_max(next, NGX_HTTP_DURABLE_WAIT_MIN);

    if (waited < w->timeout) {
        next = ngx_min(next, w->timeout - waited);
    }

    ngx_add_timer(&w->event, next);
}


static void
ngx_http_durable_wait_cleanup(void *data)
{
    ngx_http_durable_wait_t *w = data;

    if (w->event.timer_set) {
        ngx_del_timer(&w->event);
    }
}
