
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Realtime messages between the workers: a ring (dur_ring) in memory that they
 * share, so that none is lost when the leader changes, nor by a reload.  Who
 * put something there tells the others over the leader link, once a turn of
 * the event loop: the leader passes it on to those that listen.
 */


#include "ngx_durable_process.h"


/* Seconds; longer than subscribers take to ask again. */
#define NGX_DURABLE_REALTIME_WANTED  45


typedef struct {
    ngx_atomic_t                feed;       /* seconds: until when somebody
                                               wants the feed, */
    ngx_atomic_t                runs;       /* or what runs put out */
    ngx_atomic_t                dropped;
    uint32_t                    listeners[NGX_MAX_PROCESSES];
    dur_ring_t                 *ring;
} ngx_durable_realtime_shared_t;


static ngx_durable_realtime_shared_t *ngx_durable_realtime_shared(void);
static ngx_slab_pool_t *ngx_durable_realtime_pool(void);
static void ngx_durable_realtime_until(ngx_atomic_t *wanted);
static void ngx_durable_realtime_tell_handler(ngx_event_t *ev);
static void ngx_durable_realtime_frame(ngx_durable_link_t *l, uint8_t type);


/* The zone's init handler: the ring of the cycle before goes on. */

ngx_int_t
ngx_durable_realtime_init(ngx_shm_zone_t *zone, void *data)
{
    size_t                          size;
    void                           *block;
    ngx_slab_pool_t                *pool;
    ngx_durable_realtime_shared_t  *shared;

    pool = (ngx_slab_pool_t *) zone->shm.addr;

    if (data || zone->shm.exists) {
        zone->data = pool->data;
        return NGX_OK;
    }

    shared = ngx_slab_calloc(pool, sizeof(ngx_durable_realtime_shared_t));
    if (shared == NULL) {
        return NGX_ERROR;
    }

    size = pool->pfree * ngx_pagesize;
    block = ngx_slab_alloc(pool, size);

    if (block == NULL || size < DUR_RING_MIN) {
        ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                      "durable: the zone of durable_realtime is too small");
        return NGX_ERROR;
    }

    /* larger than any id of a ring before */

    shared->ring = dur_ring_create(block, size,
                                   (uint64_t) ngx_time() << 28);

    pool->data = shared;
    zone->data = shared;

    return NGX_OK;
}


/* NULL without durable_store. */

dur_ring_t *
ngx_durable_realtime_lock(void)
{
    ngx_durable_realtime_shared_t  *shared;

    shared = ngx_durable_realtime_shared();

    if (shared == NULL) {
        return NULL;
    }

    ngx_shmtx_lock(&ngx_durable_realtime_pool()->mutex);

    return shared->ring;
}


void
ngx_durable_realtime_unlock(void)
{
    ngx_shmtx_unlock(&ngx_durable_realtime_pool()->mutex);
}


static ngx_durable_realtime_shared_t *
ngx_durable_realtime_shared(void)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    return (dp->conf && dp->conf->realtime) ? dp->conf->realtime->data : NULL;
}


static ngx_slab_pool_t *
ngx_durable_realtime_pool(void)
{
    return (ngx_slab_pool_t *)
           ngx_durable_process.conf->realtime->shm.addr;
}


/* A message of the server itself. */

void
ngx_durable_realtime_publish(ngx_uint_t kind, dur_str_t channel,
    dur_str_t topic, dur_str_t text)
{
    dur_ring_t          *ring;
    ngx_time_t          *tp;
    dur_ring_message_t   m;

    ring = ngx_durable_realtime_lock();

    if (ring == NULL) {
        return;
    }

    tp = ngx_timeofday();

    ngx_memzero(&m, sizeof(dur_ring_message_t));

    m.time = (int64_t) tp->sec * 1000 + tp->msec;
    m.kind = (uint8_t) kind;
    m.channel = channel;
    m.topic = topic;
    m.text = text;

    (void) dur_ring_put(ring, &m);

    ngx_durable_realtime_unlock();
    ngx_durable_realtime_tell();
}


/* Something was put into the ring: at the end of this turn all hear of it. */

void
ngx_durable_realtime_tell(void)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    dp->tell.handler = ngx_durable_realtime_tell_handler;
    dp->tell.data = &dp->idle;
    dp->tell.log = ngx_cycle->log;

    ngx_post_event(&dp->tell, &ngx_posted_events);
}


static void
ngx_durable_realtime_tell_handler(ngx_event_t *ev)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (dp->hear) {
        dp->hear();
    }

    if (dp->role == NGX_DURABLE_LEADER || dp->role == NGX_DURABLE_DRAINING) {
        ngx_durable_changes_wanted();
        ngx_durable_realtime_relay(NULL);
        return;
    }

    /* without a leader now, the WELCOME of the next one makes up for it */

    if (dp->leader && dp->leader->ready) {
        ngx_durable_realtime_frame(dp->leader, DUR_FRAME_NOTIFY);
    }
}


/* A worker listens from now on.  What others told while it said so was not
 * passed on to it. */

void
ngx_durable_realtime_listen(ngx_durable_link_t *l)
{
    l->realtime = 1;
    ngx_durable_realtime_frame(l, DUR_FRAME_NOTIFY);
}


/* The leader passes it on, but not to the one that told. */

void
ngx_durable_realtime_relay(ngx_durable_link_t *from)
{
    ngx_queue_t            *q;
    ngx_durable_link_t     *l;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    for (q = ngx_queue_head(&dp->peers);
         q != ngx_queue_sentinel(&dp->peers);
         q = ngx_queue_next(q))
    {
        l = ngx_queue_data(q, ngx_durable_link_t, queue);

        /* one that has not read the last one needs no other */

        if (l->realtime && l != from
            && ngx_durable_link_pending(l) < NGX_DURABLE_SUBSCRIBER_MAX)
        {
            ngx_durable_realtime_frame(l, DUR_FRAME_NOTIFY);
        }
    }

    if (from) {
        ngx_durable_changes_wanted();

        if (dp->hear) {
            dp->hear();
        }
    }
}


static void
ngx_durable_realtime_frame(ngx_durable_link_t *l, uint8_t type)
{
    dur_frame_writer_t  w;

    dur_frame_begin(&w, &l->out, type, DUR_FRAME_F_END);
    dur_frame_put(&w, DUR_TAG_TOPIC, dur_str("realtime"));
    (void) dur_frame_end(&w, dur_str_null);

    ngx_durable_link_push(l);
}


/*
 * The handler is called whenever there may be new messages; NULL: this worker
 * has nobody who listens any more.  `quit` is called once when the worker
 * starts to exit.
 */

void
ngx_durable_realtime_hear(ngx_durable_realtime_pt hear,
    ngx_durable_realtime_pt quit)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    dp->hear = hear;
    dp->hear_quit = quit;

    if (hear && dp->leader && dp->leader->ready && !dp->leader->realtime) {
        dp->leader->realtime = 1;
        ngx_durable_realtime_frame(dp->leader, DUR_FRAME_SUBSCRIBE);
    }
}


/* A new leader: it has to know who listens, and the others what was missed
 * meanwhile. */

void
ngx_durable_realtime_welcome(ngx_durable_link_t *l)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (dp->hear) {
        l->realtime = 1;
        ngx_durable_realtime_frame(l, DUR_FRAME_SUBSCRIBE);
        dp->hear();
    }

    if (ngx_durable_realtime_shared()) {
        ngx_durable_realtime_frame(l, DUR_FRAME_NOTIFY);
    }
}


/*
 * What the server itself puts into the ring it does while somebody in any
 * worker wants it: who listens asks again and again.
 */

static void
ngx_durable_realtime_until(ngx_atomic_t *wanted)
{
    ngx_atomic_uint_t  until;

    until = (ngx_atomic_uint_t) ngx_time() + NGX_DURABLE_REALTIME_WANTED;

    if (*wanted < until) {
        *wanted = until;
    }
}


void
ngx_durable_realtime_want_feed(void)
{
    ngx_durable_realtime_shared_t  *shared;

    shared = ngx_durable_realtime_shared();

    if (shared) {
        ngx_durable_realtime_until(&shared->feed);
    }
}


void
ngx_durable_realtime_want_runs(void)
{
    ngx_durable_realtime_shared_t  *shared;

    shared = ngx_durable_realtime_shared();

    if (shared) {
        ngx_durable_realtime_until(&shared->runs);
    }
}


ngx_uint_t
ngx_durable_realtime_feed_wanted(void)
{
    ngx_durable_realtime_shared_t  *shared;

    shared = ngx_durable_realtime_shared();

    return shared && shared->feed > (ngx_atomic_uint_t) ngx_time();
}


/* Any thread may ask. */

ngx_uint_t
ngx_durable_realtime_runs_wanted(time_t now)
{
    ngx_durable_realtime_shared_t  *shared;

    shared = ngx_durable_realtime_shared();

    return shared && shared->runs > (ngx_atomic_uint_t) now;
}


/* -- figures -------------------------------------------------------------- */

/* The next worker in the slot of one that was killed says what is true. */

void
ngx_durable_realtime_listeners(ngx_uint_t n)
{
    ngx_durable_realtime_shared_t  *shared;

    shared = ngx_durable_realtime_shared();

    if (shared && ngx_process_slot >= 0
        && ngx_process_slot < NGX_MAX_PROCESSES)
    {
        shared->listeners[ngx_process_slot] = n;
    }
}


void
ngx_durable_realtime_dropped(void)
{
    ngx_durable_realtime_shared_t  *shared;

    shared = ngx_durable_realtime_shared();

    if (shared) {
        (void) ngx_atomic_fetch_add(&shared->dropped, 1);
    }
}


void
ngx_durable_realtime_metrics(dur_exposition_t *x)
{
    uint64_t                        listeners, messages;
    ngx_uint_t                      i;
    ngx_durable_realtime_shared_t  *shared;

    shared = ngx_durable_realtime_shared();

    if (shared == NULL) {
        return;
    }

    listeners = 0;

    for (i = 0; i < NGX_MAX_PROCESSES; i++) {
        listeners += shared->listeners[i];
    }

    messages = dur_ring_count(ngx_durable_realtime_lock());
    ngx_durable_realtime_unlock();

    dur_exposition_gauge(x, "durable_realtime_subscribers",
                         "Who listens, in all workers.", listeners);

    dur_exposition_family(x, DUR_EXPOSITION_COUNTER,
                          "durable_realtime_messages",
                          "Realtime messages, and those of the feed.");
    dur_exposition_sample(x);
    dur_exposition_integer(x, messages);

    dur_exposition_family(x, DUR_EXPOSITION_COUNTER,
                          "durable_realtime_dropped",
                          "Subscribers that did not read fast enough.");
    dur_exposition_sample(x);
    dur_exposition_integer(x, shared->dropped);
}
