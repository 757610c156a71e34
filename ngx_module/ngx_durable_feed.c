
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * The feed: one line for everything that happens, for whoever subscribed on
 * the leader link.  A subscriber that does not read is told of a gap.
 */


#include "ngx_durable_process.h"


static void ngx_durable_feed_drained(ngx_durable_link_t *l);


void
ngx_durable_feed_subscribe(ngx_durable_link_t *l)
{
    if (l->feed) {
        return;
    }

    l->feed = 1;
    l->drained = ngx_durable_feed_drained;
    ngx_durable_process.nfeeds++;

    ngx_durable_feed_set();
}


void
ngx_durable_feed_forget(ngx_durable_link_t *l)
{
    if (!l->feed) {
        return;
    }

    l->feed = 0;
    ngx_durable_process.nfeeds--;

    ngx_durable_feed_set();
}


void
ngx_durable_feed_notify(dur_str_t text)
{
    ngx_queue_t            *q;
    dur_frame_writer_t      w;
    ngx_durable_link_t     *l;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    dp->notices++;

    ngx_durable_changes_notice(text);

    for (q = ngx_queue_head(&dp->peers);
         q != ngx_queue_sentinel(&dp->peers);
         q = ngx_queue_next(q))
    {
        l = ngx_queue_data(q, ngx_durable_link_t, queue);

        if (!l->feed) {
            continue;
        }

        if (l->gap
            || text.len > DUR_FRAME_DATA_MAX
            || ngx_durable_link_pending(l) + text.len
               > NGX_DURABLE_SUBSCRIBER_MAX)
        {
            l->gap = 1;
            ngx_durable_link_push(l);
            continue;
        }

        dur_frame_begin(&w, &l->out, DUR_FRAME_NOTIFY, DUR_FRAME_F_END);
        dur_frame_put(&w, DUR_TAG_TOPIC, dur_str("feed"));
        dur_frame_put_u64(&w, DUR_TAG_SEQUENCE, dp->notices);
        (void) dur_frame_end(&w, text);

        ngx_durable_link_push(l);
    }
}


/* It has read all there was: it may know what it missed. */

static void
ngx_durable_feed_drained(ngx_durable_link_t *l)
{
    dur_frame_writer_t  w;

    if (!l->gap) {
        return;
    }

    l->gap = 0;

    dur_frame_begin(&w, &l->out, DUR_FRAME_GAP, DUR_FRAME_F_END);
    dur_frame_put(&w, DUR_TAG_TOPIC, dur_str("feed"));
    (void) dur_frame_end(&w, dur_str_null);

    ngx_durable_link_push(l);
}


/* The engine makes notices while somebody is there to read them. */

void
ngx_durable_feed_set(void)
{
    ngx_durable_commit_t  *c;

    c = &ngx_durable_process.commit;

    if (!c->started) {
        return;
    }

    (void) pthread_mutex_lock(&c->mutex);

    c->feed = (ngx_durable_process.nfeeds != 0
               || ngx_durable_changes_heard());

    if (c->idle) {
        (void) pthread_cond_signal(&c->cond);
    }

    (void) pthread_mutex_unlock(&c->mutex);
}
