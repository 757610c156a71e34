
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Large bodies of calls, of the call thread: read from the store as the link
 * to the sidecar takes them, one body after the other.  The head of its call
 * has gone out; only a link that is lost ends a body that nobody cancels.
 */


#include "ngx_durable_process.h"


static void ngx_durable_stream_failed(ngx_durable_caller_t *t,
    ngx_durable_calls_t *calls, dur_rc_t rc);
static void ngx_durable_stream_remove(ngx_durable_caller_t *t);


void
ngx_durable_stream_start(ngx_durable_caller_t *t)
{
    t->streams = NULL;
    t->streams_last = &t->streams;
    t->turn = 0;

    dur_buf_init(&t->part, DUR_CALL_BODY_PART);
    dur_buf_init(&t->text, DUR_CALL_BODY_PART);
}


void
ngx_durable_stream_stop(ngx_durable_caller_t *t)
{
    while (t->streams) {
        ngx_durable_stream_remove(t);
    }

    dur_buf_deinit(&t->part);
    dur_buf_deinit(&t->text);
}


dur_rc_t
ngx_durable_stream_add(ngx_durable_caller_t *t, ngx_durable_lease_t *lease,
    dur_call_body_t *body)
{
    ngx_durable_stream_t  *s;

    s = ngx_alloc(sizeof(ngx_durable_stream_t), ngx_cycle->log);
    if (s == NULL) {
        return DUR_ENOMEM;
    }

    s->next = NULL;
    s->lease = *lease;
    s->body = *body;
    s->gone = 0;

    *t->streams_last = s;
    t->streams_last = &s->next;

    return DUR_OK;
}


/* The next piece of the first one. */

void
ngx_durable_stream_next(ngx_durable_caller_t *t, ngx_durable_calls_t *calls)
{
    uint8_t                id[DUR_ATTEMPT_LEN];
    dur_rc_t               rc;
    dur_frame_writer_t     w;
    ngx_durable_stream_t  *s;

    s = t->streams;

    if (s->gone) {

        /* the inventory of the next link finds its lease */

        ngx_durable_stream_remove(t);
        return;
    }

    calls->link = s->lease.link;

    rc = dur_call_body_read(t->store, &s->body, &t->part, &t->text);

    if (rc == DUR_OK) {
        dur_attempt_put(id, s->lease.item, s->lease.generation);

        dur_frame_begin(&w, &calls->frames, DUR_FRAME_DATA,
                        s->body.pos == s->body.end ? DUR_FRAME_F_END : 0);
        dur_frame_put(&w, DUR_TAG_ATTEMPT, dur_str_make(id, DUR_ATTEMPT_LEN));

        rc = dur_frame_end(&w, dur_buf_str(&t->part));
    }

    if (rc != DUR_OK) {
        ngx_durable_stream_failed(t, calls, rc);

    } else if (s->body.pos == s->body.end) {
        ngx_durable_stream_remove(t);
    }
}


/*
 * The sidecar has the beginning, and is told that there is no more.  Without a
 * lease that is all: the run was cancelled.
 */

static void
ngx_durable_stream_failed(ngx_durable_caller_t *t, ngx_durable_calls_t *calls,
    dur_rc_t rc)
{
    uint8_t                id[DUR_ATTEMPT_LEN];
    dur_frame_writer_t     w;
    ngx_durable_lease_t   *lease;

    lease = &t->streams->lease;
    calls->frames.failed = false;

    dur_attempt_put(id, lease->item, lease->generation);

    dur_frame_begin(&w, &calls->frames, DUR_FRAME_CANCEL, DUR_FRAME_F_END);
    dur_frame_put(&w, DUR_TAG_ATTEMPT, dur_str_make(id, DUR_ATTEMPT_LEN));
    (void) dur_frame_end(&w, dur_str_null);

    if (rc != DUR_ENOTFOUND) {
        lease->rc = rc;
        calls->errors[calls->nfailed][0] = '\0';
        calls->failed[calls->nfailed++] = *lease;
    }

    ngx_durable_stream_remove(t);
}


static void
ngx_durable_stream_remove(ngx_durable_caller_t *t)
{
    ngx_durable_stream_t  *s;

    s = t->streams;

    t->streams = s->next;

    if (t->streams == NULL) {
        t->streams_last = &t->streams;
    }

    ngx_free(s);
}
