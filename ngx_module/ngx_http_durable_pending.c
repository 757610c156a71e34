
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Messages on their way to subscribers: queued by reference, and no more of
 * them than a subscriber, and all of this worker together, may be behind.
 */


#include "ngx_http_durable_subscriber.h"


/* Freed structures that are kept for the next ones. */
#define NGX_HTTP_DURABLE_SPARE  1024


/* Of this worker. */
static struct {
    ngx_queue_t                     spare;
    ngx_uint_t                      nspare;
    size_t                          behind;
} ngx_http_durable_pending;


void
ngx_http_durable_pending_stop(void)
{
    ngx_queue_t  *q;

    while (ngx_http_durable_pending.nspare) {
        q = ngx_queue_head(&ngx_http_durable_pending.spare);
        ngx_queue_remove(q);
        ngx_http_durable_pending.nspare--;
        ngx_free(ngx_queue_data(q, ngx_http_durable_pending_t, queue));
    }
}


ngx_int_t
ngx_http_durable_subscriber_send(ngx_http_durable_subscriber_t *s,
    ngx_http_durable_note_t *note)
{
    if (note->plain && !s->streams) {
        note = note->plain;
    }

    if (s->behind + note->size > NGX_HTTP_DURABLE_BEHIND
        || ngx_http_durable_pending.behind + note->size
           > NGX_HTTP_DURABLE_BEHIND_ALL)
    {
        s->slow(s);
        return NGX_DECLINED;
    }

    return ngx_http_durable_subscriber_queue(s, note);
}


/* The same whatever pends already: for what is said once. */

ngx_int_t
ngx_http_durable_subscriber_queue(ngx_http_durable_subscriber_t *s,
    ngx_http_durable_note_t *note)
{
    ngx_queue_t                 *q;
    ngx_http_durable_pending_t  *p;

    if (ngx_http_durable_pending.nspare) {
        q = ngx_queue_head(&ngx_http_durable_pending.spare);
        ngx_queue_remove(q);
        ngx_http_durable_pending.nspare--;
        p = ngx_queue_data(q, ngx_http_durable_pending_t, queue);

    } else {
        p = ngx_alloc(sizeof(ngx_http_durable_pending_t), ngx_cycle->log);

        if (p == NULL) {
            return NGX_ERROR;
        }
    }

    p->note = note;
    p->sent = 0;
    note->refs++;

    s->behind += note->size;
    ngx_http_durable_pending.behind += note->size;

    ngx_queue_insert_tail(&s->pending, &p->queue);

    s->flush(s);

    return NGX_OK;
}


void
ngx_http_durable_subscriber_sent(ngx_http_durable_subscriber_t *s,
    ngx_http_durable_pending_t *p)
{
    s->behind -= p->note->size;
    ngx_http_durable_pending.behind -= p->note->size;

    ngx_http_durable_note_free(p->note);
    ngx_queue_remove(&p->queue);

    if (ngx_http_durable_pending.nspare < NGX_HTTP_DURABLE_SPARE) {

        if (ngx_http_durable_pending.nspare == 0) {
            ngx_queue_init(&ngx_http_durable_pending.spare);
        }

        ngx_queue_insert_head(&ngx_http_durable_pending.spare, &p->queue);
        ngx_http_durable_pending.nspare++;
        return;
    }

    ngx_free(p);
}
