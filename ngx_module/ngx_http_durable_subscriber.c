
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Topics are found by a hash of their channel, so a message costs the work of
 * those who hear it.  What is new in the ring is copied out of it once, under
 * its lock, and only what somebody here listens to.
 */


#include "ngx_http_durable_subscriber.h"


#define NGX_HTTP_DURABLE_BUCKETS      4096
#define NGX_HTTP_DURABLE_HEAR_NOTES   64
#define NGX_HTTP_DURABLE_HEAR_BYTES   (256 * 1024)
#define NGX_HTTP_DURABLE_HEAR_TURNS   8

/* How many messages of a channel, and of what age, a late one still gets. */
#define NGX_HTTP_DURABLE_LATE         100
#define NGX_HTTP_DURABLE_LATE_MS      10000
#define NGX_HTTP_DURABLE_LATE_FEED    1000


typedef struct {
    ngx_queue_t                     queue;      /* of its bucket */
    ngx_queue_t                     own;        /* of its subscriber */
    ngx_http_durable_subscriber_t  *subscriber;
    uint64_t                        from;       /* ids it has not got yet */
    uint32_t                        hash;
    dur_str_t                       channel;
    dur_str_t                       name;
} ngx_http_durable_topic_t;


/* Of this worker. */
static struct {
    ngx_queue_t                     buckets[NGX_HTTP_DURABLE_BUCKETS];
    ngx_queue_t                     subscribers;
    ngx_uint_t                      n;
    uint64_t                        at;         /* in the ring */
    ngx_event_t                     again;
    ngx_connection_t                idle;       /* what the event names */
    ngx_uint_t                      started;
} ngx_http_durable_heard;


static void ngx_http_durable_hear(void);
static void ngx_http_durable_hear_again(ngx_event_t *ev);
static void ngx_http_durable_hear_quit(void);
static ngx_uint_t ngx_http_durable_hear_some(ngx_uint_t *more);
static ngx_uint_t ngx_http_durable_is_heard(dur_ring_message_t *m);
static void ngx_http_durable_missed(void);
static void ngx_http_durable_deliver(ngx_http_durable_note_t *note,
    dur_str_t channel, dur_str_t topic);
static ngx_uint_t ngx_http_durable_may_hear(ngx_http_durable_topic_t *topic,
    dur_realtime_kind_t kind, dur_str_t channel, dur_str_t name);
static ngx_http_durable_topic_t *ngx_http_durable_topic_find(
    ngx_http_durable_subscriber_t *s, dur_str_t channel, dur_str_t name);
static ngx_int_t ngx_http_durable_topic_add(ngx_http_durable_subscriber_t *s,
    dur_realtime_topic_t *want, uint64_t from);
static void ngx_http_durable_topic_remove(ngx_http_durable_topic_t *topic);
static ngx_int_t ngx_http_durable_late(ngx_http_durable_subscriber_t *s,
    dur_str_t channel, uint64_t from, uint64_t after);


/* -- subscribers ---------------------------------------------------------- */

static void
ngx_http_durable_hear_start(void)
{
    ngx_uint_t  i;

    if (ngx_http_durable_heard.started) {
        return;
    }

    for (i = 0; i < NGX_HTTP_DURABLE_BUCKETS; i++) {
        ngx_queue_init(&ngx_http_durable_heard.buckets[i]);
    }

    ngx_queue_init(&ngx_http_durable_heard.subscribers);

    ngx_http_durable_heard.idle.fd = (ngx_socket_t) -1;
    ngx_http_durable_heard.again.handler = ngx_http_durable_hear_again;
    ngx_http_durable_heard.again.data = &ngx_http_durable_heard.idle;
    ngx_http_durable_heard.again.log = ngx_cycle->log;

    ngx_http_durable_heard.started = 1;
}


void
ngx_http_durable_hear_stop(void)
{
    if (!ngx_http_durable_heard.started) {
        return;
    }

    if (ngx_http_durable_heard.again.posted) {
        ngx_delete_posted_event(&ngx_http_durable_heard.again);
    }

    ngx_http_durable_pending_stop();
    ngx_http_durable_notes_stop();
    ngx_http_durable_heard.started = 0;
}


ngx_int_t
ngx_http_durable_subscriber_add(ngx_http_durable_subscriber_t *s)
{
    dur_ring_t  *ring;

    ngx_http_durable_hear_start();

    if (ngx_http_durable_heard.n == 0) {

        ring = ngx_durable_realtime_lock();

        if (ring == NULL) {
            return NGX_ERROR;
        }

        ngx_http_durable_heard.at = dur_ring_end(ring);
        ngx_durable_realtime_unlock();

        ngx_durable_realtime_hear(ngx_http_durable_hear,
                                  ngx_http_durable_hear_quit);
    }

    ngx_durable_realtime_listeners(++ngx_http_durable_heard.n);

    ngx_queue_init(&s->topics);
    ngx_queue_init(&s->pending);
    ngx_queue_insert_tail(&ngx_http_durable_heard.subscribers, &s->queue);

    return NGX_OK;
}


void
ngx_http_durable_subscriber_remove(ngx_http_durable_subscriber_t *s)
{
    ngx_queue_t                 *q;
    ngx_http_durable_pending_t  *p;

    s->closed = 1;

    while (!ngx_queue_empty(&s->topics)) {
        q = ngx_queue_head(&s->topics);
        ngx_http_durable_topic_remove(ngx_queue_data(q,
                                             ngx_http_durable_topic_t, own));
    }

    while (!ngx_queue_empty(&s->pending)) {
        q = ngx_queue_head(&s->pending);
        p = ngx_queue_data(q, ngx_http_durable_pending_t, queue);
        ngx_http_durable_subscriber_sent(s, p);
    }

    ngx_queue_remove(&s->queue);

    ngx_durable_realtime_listeners(--ngx_http_durable_heard.n);

    if (ngx_http_durable_heard.n == 0) {
        ngx_durable_realtime_hear(NULL, NULL);
    }
}


void
ngx_http_durable_subscriber_alive(ngx_http_durable_subscriber_t *s)
{
    if (s->feed) {
        ngx_durable_realtime_want_feed();
    }

    if (s->runs) {
        ngx_durable_realtime_want_runs();
    }
}


ngx_uint_t
ngx_http_durable_subscribers(void)
{
    return ngx_http_durable_heard.n;
}


/* -- topics --------------------------------------------------------------- */

static ngx_queue_t *
ngx_http_durable_bucket(uint32_t hash)
{
    return &ngx_http_durable_heard.buckets[hash
                                           & (NGX_HTTP_DURABLE_BUCKETS - 1)];
}


static ngx_http_durable_topic_t *
ngx_http_durable_topic_find(ngx_http_durable_subscriber_t *s,
    dur_str_t channel, dur_str_t name)
{
    ngx_queue_t               *q;
    ngx_http_durable_topic_t  *topic;

    for (q = ngx_queue_head(&s->topics);
         q != ngx_queue_sentinel(&s->topics);
         q = ngx_queue_next(q))
    {
        topic = ngx_queue_data(q, ngx_http_durable_topic_t, own);

        if (dur_str_eq(topic->channel, channel)
            && dur_str_eq(topic->name, name))
        {
            return topic;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_durable_topic_add(ngx_http_durable_subscriber_t *s,
    dur_realtime_topic_t *want, uint64_t from)
{
    u_char                    *p;
    dur_ulid_t                 run;
    ngx_pool_t                *pool;
    ngx_http_durable_topic_t  *topic;

    pool = s->request->pool;

    topic = ngx_palloc(pool, sizeof(ngx_http_durable_topic_t));
    p = ngx_pnalloc(pool, want->channel.len + want->name.len);

    if (topic == NULL || p == NULL) {
        return NGX_ERROR;
    }

    topic->subscriber = s;
    topic->from = from;
    topic->channel = dur_str_make(p, want->channel.len);
    topic->name = dur_str_make(p + want->channel.len, want->name.len);

    p = ngx_cpymem(p, want->channel.data, want->channel.len);
    ngx_memcpy(p, want->name.data, want->name.len);

    topic->hash = dur_ring_hash(topic->channel);

    /* the channel of a run is its id */

    if (!s->feed && dur_ulid_parse(topic->channel, &run) == DUR_OK) {
        s->runs = 1;
        ngx_durable_realtime_want_runs();
    }

    ngx_queue_insert_tail(ngx_http_durable_bucket(topic->hash),
                          &topic->queue);
    ngx_queue_insert_tail(&s->topics, &topic->own);
    s->ntopics++;

    return NGX_OK;
}


static void
ngx_http_durable_topic_remove(ngx_http_durable_topic_t *topic)
{
    topic->subscriber->ntopics--;
    ngx_queue_remove(&topic->queue);
    ngx_queue_remove(&topic->own);
}


/* NGX_DECLINED: too many; those before were added. */

ngx_int_t
ngx_http_durable_subscribe(ngx_http_durable_subscriber_t *s,
    dur_realtime_grant_t *grant, uint64_t after)
{
    uint64_t               from;
    ngx_int_t              rc;
    ngx_uint_t             i, j;
    dur_ring_t            *ring;
    dur_realtime_topic_t  *want;

    ring = ngx_durable_realtime_lock();

    if (ring == NULL) {
        return NGX_ERROR;
    }

    from = dur_ring_end(ring);
    ngx_durable_realtime_unlock();

    /* what comes from now on is heard; what was before is looked up */

    for (i = 0; i < grant->n; i++) {

        want = &grant->topics[i];

        if (ngx_http_durable_topic_find(s, want->channel, want->name)) {
            grant->topics[i--] = grant->topics[--grant->n];
            continue;
        }

        if (s->ntopics == DUR_REALTIME_TOPICS) {
            return NGX_DECLINED;
        }

        if (ngx_http_durable_topic_add(s, want, from) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < grant->n; i++) {

        for (j = 0; j < i; j++) {
            if (dur_str_eq(grant->topics[j].channel,
                           grant->topics[i].channel))
            {
                break;
            }
        }

        if (j < i) {
            continue;
        }

        rc = ngx_http_durable_late(s, grant->topics[i].channel, from, after);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


void
ngx_http_durable_unsubscribe(ngx_http_durable_subscriber_t *s,
    dur_realtime_grant_t *grant)
{
    ngx_uint_t                 i;
    ngx_queue_t               *q, *next;
    dur_realtime_topic_t      *want;
    ngx_http_durable_topic_t  *topic;

    for (q = ngx_queue_head(&s->topics);
         q != ngx_queue_sentinel(&s->topics);
         q = next)
    {
        next = ngx_queue_next(q);
        topic = ngx_queue_data(q, ngx_http_durable_topic_t, own);

        for (i = 0; i < grant->n; i++) {

            want = &grant->topics[i];

            if (dur_str_eq(want->name, topic->name)
                && (want->channel.len == 0
                    || dur_str_eq(want->channel, topic->channel)))
            {
                ngx_http_durable_topic_remove(topic);
                break;
            }
        }
    }
}


/*
 * What was said in the channel before `from`, in its order, as far as the
 * subscriber may hear it: the newest of the last seconds, or all that is
 * behind `after`.
 */

static ngx_int_t
ngx_http_durable_late(ngx_http_durable_subscriber_t *s, dur_str_t channel,
    uint64_t from, uint64_t after)
{
    int64_t                    since;
    unsigned                   n, i, max;
    uint64_t                   ids[NGX_HTTP_DURABLE_LATE_FEED], at;
    ngx_int_t                  rc;
    dur_ring_t                *ring;
    ngx_time_t                *tp;
    dur_ring_message_t         m;
    ngx_http_durable_note_t   *note;
    ngx_http_durable_topic_t  *topic;

    tp = ngx_timeofday();
    since = after ? 0 : (int64_t) tp->sec * 1000 + tp->msec
                        - NGX_HTTP_DURABLE_LATE_MS;
    max = after ? NGX_HTTP_DURABLE_LATE_FEED : NGX_HTTP_DURABLE_LATE;

    ring = ngx_durable_realtime_lock();

    if (ring == NULL) {
        return NGX_ERROR;
    }

    n = dur_ring_recent(ring, channel, since, ids, max);

    for (i = 0, rc = NGX_OK; i < n && rc == NGX_OK; i++) {

        at = ids[i];

        if (at >= from || at <= after
            || dur_ring_next(ring, &at, &m) != DUR_OK)
        {
            continue;
        }

        topic = ngx_http_durable_topic_find(s, m.channel, m.topic);

        if (topic == NULL || topic->from != from
            || !ngx_http_durable_may_hear(topic,
                                          (dur_realtime_kind_t) m.kind,
                                          m.channel, m.topic))
        {
            continue;
        }

        note = ngx_http_durable_note_of(&m);

        if (note == NULL) {
            rc = NGX_ERROR;
            break;
        }

        (void) ngx_http_durable_subscriber_send(s, note);
        ngx_http_durable_note_free(note);
    }

    ngx_durable_realtime_unlock();

    return rc;
}


/*
 * NGX_OK; *gap is set when messages behind `after` have fallen out of the
 * ring, or are too many.
 */

ngx_int_t
ngx_http_durable_subscribe_feed(ngx_http_durable_subscriber_t *s,
    dur_realtime_grant_t *grant, uint64_t after, ngx_uint_t *gap)
{
    uint64_t      from, ids[NGX_HTTP_DURABLE_LATE_FEED];
    ngx_uint_t    i;
    dur_ring_t   *ring;

    s->feed = 1;
    *gap = 0;

    ring = ngx_durable_realtime_lock();

    if (ring == NULL) {
        return NGX_ERROR;
    }

    from = dur_ring_end(ring);

    if (after) {
        *gap = after < dur_ring_first(ring) || after >= from
               || (dur_ring_recent(ring, NGX_DURABLE_FEED_CHANNEL, 0, ids,
                                   NGX_HTTP_DURABLE_LATE_FEED)
                   == NGX_HTTP_DURABLE_LATE_FEED
                   && ids[0] > after);
    }

    ngx_durable_realtime_unlock();

    for (i = 0; i < grant->n; i++) {
        grant->topics[i].channel = NGX_DURABLE_FEED_CHANNEL;

        if (ngx_http_durable_topic_add(s, &grant->topics[i], from)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return (after && !*gap)
           ? ngx_http_durable_late(s, NGX_DURABLE_FEED_CHANNEL, from, after)
           : NGX_OK;
}


/* -- hearing -------------------------------------------------------------- */

static void
ngx_http_durable_hear(void)
{
    ngx_uint_t  turns, more;

    more = 0;

    for (turns = 0; turns < NGX_HTTP_DURABLE_HEAR_TURNS; turns++) {
        if (ngx_http_durable_hear_some(&more) == 0 && !more) {
            return;
        }
    }

    if (more) {
        /* requests want their turn too */
        ngx_post_event(&ngx_http_durable_heard.again,
                       &ngx_posted_next_events);
    }
}


static void
ngx_http_durable_hear_again(ngx_event_t *ev)
{
    ngx_http_durable_hear();
}


/* Copies some of what is new, and delivers it; the number of messages. */

static ngx_uint_t
ngx_http_durable_hear_some(ngx_uint_t *more)
{
    size_t                    bytes;
    dur_rc_t                  rc;
    ngx_uint_t                n, i, looked, missed;
    dur_ring_t               *ring;
    dur_ring_message_t        m;
    dur_realtime_topic_t      names[NGX_HTTP_DURABLE_HEAR_NOTES];
    ngx_http_durable_note_t  *notes[NGX_HTTP_DURABLE_HEAR_NOTES], *note;

    *more = 0;

    ring = ngx_durable_realtime_lock();

    if (ring == NULL) {
        return 0;
    }

    n = 0;
    bytes = 0;
    missed = 0;
    rc = DUR_OK;

    for (looked = 0;
         looked < 16 * NGX_HTTP_DURABLE_HEAR_NOTES
         && n < NGX_HTTP_DURABLE_HEAR_NOTES
         && bytes < NGX_HTTP_DURABLE_HEAR_BYTES;
         looked++)
    {
        rc = dur_ring_next(ring, &ngx_http_durable_heard.at, &m);

        if (rc == DUR_ENOTFOUND) {
            break;
        }

        if (rc == DUR_ECONFLICT) {
            missed = 1;
            continue;
        }

        if (!ngx_http_durable_is_heard(&m)) {
            continue;
        }

        note = ngx_http_durable_note_of(&m);

        if (note == NULL) {
            missed = 1;
            continue;
        }

        names[n].channel = dur_str_make(note->data, m.channel.len);
        names[n].name = dur_str_make(note->data + m.channel.len, m.topic.len);
        notes[n++] = note;
        bytes += note->size;
    }

    ngx_durable_realtime_unlock();

    *more = (rc != DUR_ENOTFOUND);

    if (missed) {
        ngx_http_durable_missed();
    }

    for (i = 0; i < n; i++) {
        ngx_http_durable_deliver(notes[i], names[i].channel, names[i].name);
        ngx_http_durable_note_free(notes[i]);
    }

    return n;
}


static ngx_uint_t
ngx_http_durable_is_heard(dur_ring_message_t *m)
{
    uint32_t                   hash;
    ngx_queue_t               *q, *bucket;
    ngx_http_durable_topic_t  *topic;

    hash = dur_ring_hash(m->channel);
    bucket = ngx_http_durable_bucket(hash);

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        topic = ngx_queue_data(q, ngx_http_durable_topic_t, queue);

        if (topic->hash == hash
            && ngx_http_durable_may_hear(topic,
                                         (dur_realtime_kind_t) m->kind,
                                         m->channel, m->topic))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_durable_may_hear(ngx_http_durable_topic_t *topic,
    dur_realtime_kind_t kind, dur_str_t channel, dur_str_t name)
{
    ngx_http_durable_subscriber_t  *s;

    s = topic->subscriber;

    if (s->closed || s->feed != (kind == DUR_REALTIME_FEED)
        || (!s->streams && (kind == DUR_REALTIME_STREAM_START
                            || kind == DUR_REALTIME_STREAM_END)))
    {
        return 0;
    }

    return dur_str_eq(topic->channel, channel)
           && dur_str_eq(topic->name, name);
}


static void
ngx_http_durable_deliver(ngx_http_durable_note_t *note, dur_str_t channel,
    dur_str_t name)
{
    uint32_t                        hash;
    ngx_queue_t                    *q, *bucket;
    ngx_http_durable_topic_t       *topic;

    hash = dur_ring_hash(channel);
    bucket = ngx_http_durable_bucket(hash);

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        topic = ngx_queue_data(q, ngx_http_durable_topic_t, queue);

        if (topic->hash == hash && note->id >= topic->from
            && ngx_http_durable_may_hear(topic, note->kind, channel, name))
        {
            (void) ngx_http_durable_subscriber_send(topic->subscriber, note);
        }
    }
}


/* This worker was too slow for the ring: nobody here has all messages. */

static void
ngx_http_durable_missed(void)
{
    ngx_queue_t                    *q;
    ngx_http_durable_subscriber_t  *s;

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "durable: realtime messages were lost for the subscribers "
                  "of this worker, who are disconnected: more was published "
                  "at once than \"durable_realtime\" holds");

    for (q = ngx_queue_head(&ngx_http_durable_heard.subscribers);
         q != ngx_queue_sentinel(&ngx_http_durable_heard.subscribers);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_http_durable_subscriber_t, queue);

        if (!s->closed && s->ntopics) {
            s->slow(s);
        }
    }
}


static void
ngx_http_durable_hear_quit(void)
{
    ngx_queue_t                    *q, *next;
    ngx_http_durable_subscriber_t  *s;

    for (q = ngx_queue_head(&ngx_http_durable_heard.subscribers);
         q != ngx_queue_sentinel(&ngx_http_durable_heard.subscribers);
         q = next)
    {
        next = ngx_queue_next(q);
        s = ngx_queue_data(q, ngx_http_durable_subscriber_t, queue);

        s->quit(s);
    }
}
