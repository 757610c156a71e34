
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * The commit thread of a leader: takes what waits, has it decided and
 * committed as one batch, and hands the batch back.  There is no window timer:
 * a batch is what arrived while the one before was committed.
 */


#include "ngx_durable_process.h"

#include <signal.h>
#include <time.h>


static void *ngx_durable_commit_thread(void *data);
static ngx_durable_batch_t *ngx_durable_commit_wait(ngx_durable_commit_t *c,
    int64_t *now, int64_t *budget);
static ngx_uint_t ngx_durable_commit_work(ngx_durable_commit_t *c,
    int64_t now);
static ngx_uint_t ngx_durable_commit_held(ngx_durable_commit_t *c);
static ngx_durable_batch_t *ngx_durable_commit_take(ngx_durable_commit_t *c,
    int64_t *budget);
static void ngx_durable_commit_fill(ngx_durable_batch_t *b,
    ngx_durable_list_t *queue, ngx_uint_t max, size_t *bytes);
static void ngx_durable_commit_control(ngx_durable_commit_t *c,
    uint64_t raise, ngx_uint_t feed);
static void ngx_durable_commit_done(ngx_durable_commit_t *c,
    ngx_durable_batch_t *b);


/* Only the mutex, the queues and the engine are set before. */

ngx_int_t
ngx_durable_commit_start(ngx_durable_commit_t *c)
{
    int                   err;
    sigset_t              set, old;
    ngx_uint_t            i;
    dur_engine_t         *engine;
    pthread_condattr_t    attr;
    ngx_durable_batch_t  *b;

    engine = c->engine;
    ngx_memzero(c, sizeof(ngx_durable_commit_t));

    c->engine = engine;
    c->backoff = NGX_DURABLE_BACKOFF_MIN;
    c->last_due = INT64_MIN;
    c->done_last = &c->done;

    for (i = 0; i <= NGX_DURABLE_INGEST; i++) {
        ngx_durable_list_init(&c->queues[i]);
    }

    dur_buf_init(&c->op, 4096);

    for (i = 0; i < NGX_DURABLE_BATCHES; i++) {
        b = &c->batches[i];
        dur_arena_init(&b->arena);
        b->next = c->free;
        c->free = b;
    }

    (void) pthread_mutex_init(&c->mutex, NULL);

    (void) pthread_condattr_init(&attr);
    (void) pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&c->cond, &attr);
    (void) pthread_condattr_destroy(&attr);

    /* all but what says that it crashed */

    (void) sigfillset(&set);
    (void) sigdelset(&set, SIGSEGV);
    (void) sigdelset(&set, SIGBUS);
    (void) pthread_sigmask(SIG_BLOCK, &set, &old);

    err = pthread_create(&c->thread, NULL, ngx_durable_commit_thread, c);

    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);

    if (err) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, err,
                      "durable: pthread_create() failed");
        return NGX_ERROR;
    }

    c->started = 1;

    return NGX_OK;
}


/*
 * Waits for the commit that runs.  What waits stays in the queues.  NGX_BUSY:
 * the process ends and the commit does not, the thread was left alone.
 */

ngx_int_t
ngx_durable_commit_stop(ngx_durable_commit_t *c)
{
    int              err;
    struct timespec  ts;

    (void) pthread_mutex_lock(&c->mutex);
    c->stop = 1;
    (void) pthread_cond_signal(&c->cond);
    (void) pthread_mutex_unlock(&c->mutex);

    c->started = 0;

    if (!ngx_durable_process.exited) {
        (void) pthread_join(c->thread, NULL);
        return NGX_OK;
    }

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    if (!ngx_durable_process.abandoned) {
        ts.tv_sec += NGX_DURABLE_DRAIN / 1000;
    }

    err = pthread_timedjoin_np(c->thread, NULL, &ts);

    return err == ETIMEDOUT ? NGX_BUSY : NGX_OK;
}


/* A batch is with the thread. */

ngx_uint_t
ngx_durable_commit_busy(ngx_durable_commit_t *c)
{
    ngx_uint_t            n;
    ngx_durable_batch_t  *b;

    n = 0;

    (void) pthread_mutex_lock(&c->mutex);

    for (b = c->free; b; b = b->next) {
        n++;
    }

    for (b = c->done; b; b = b->next) {
        n++;
    }

    (void) pthread_mutex_unlock(&c->mutex);

    return n < NGX_DURABLE_BATCHES;
}


void
ngx_durable_commit_wake(ngx_durable_commit_t *c)
{
    (void) pthread_mutex_lock(&c->mutex);
    (void) pthread_cond_signal(&c->cond);
    (void) pthread_mutex_unlock(&c->mutex);
}


static void *
ngx_durable_commit_thread(void *data)
{
    ngx_durable_commit_t *c = data;

    int64_t               now, budget;
    ngx_uint_t            fatal;
    ngx_durable_batch_t  *b;

    for ( ;; ) {
        b = ngx_durable_commit_wait(c, &now, &budget);

        if (b == NULL) {
            return NULL;
        }

        ngx_durable_metrics_taken(c, b);
        ngx_durable_batch_run(c, b, now, budget);

        fatal = b->fatal;

        ngx_durable_commit_done(c, b);

        if (fatal) {
            return NULL;
        }
    }
}


static ngx_durable_batch_t *
ngx_durable_commit_wait(ngx_durable_commit_t *c, int64_t *now,
    int64_t *budget)
{
    uint64_t              raise;
    ngx_uint_t            feed;
    struct timespec       ts;
    ngx_durable_batch_t  *b;

    (void) pthread_mutex_lock(&c->mutex);

    for ( ;; ) {

        if (c->stop) {
            (void) pthread_mutex_unlock(&c->mutex);
            return NULL;
        }

        *now = ngx_durable_clock_now();

        if (c->free && ngx_durable_commit_work(c, *now)) {
            break;
        }

        c->idle = 1;

        if (ngx_durable_commit_held(c)) {
            ts.tv_sec = c->retry_at / 1000;
            ts.tv_nsec = c->retry_at % 1000 * 1000000;

            (void) pthread_cond_timedwait(&c->cond, &c->mutex, &ts);

        } else {
            (void) pthread_cond_wait(&c->cond, &c->mutex);
        }

        c->idle = 0;
    }

    b = ngx_durable_commit_take(c, budget);
    raise = c->raise;
    c->raise = 0;
    feed = c->feed;

    (void) pthread_mutex_unlock(&c->mutex);

    dur_arena_reset(&b->arena);
    ngx_durable_commit_control(c, raise, feed);
    dur_engine_set_heard(c->engine,
                         ngx_durable_realtime_runs_wanted(*now / 1000));

    return b;
}


static ngx_uint_t
ngx_durable_commit_work(ngx_durable_commit_t *c, int64_t now)
{
    if (c->queues[NGX_DURABLE_CONTROL].first
        || c->queues[NGX_DURABLE_INGEST].first
        || c->raise
        || c->feed != c->feeding)
    {
        return 1;
    }

    if (ngx_durable_commit_held(c)) {
        return 0;
    }

    if (c->inventory || c->queues[NGX_DURABLE_RESULT].first) {
        return 1;
    }

    if (c->drain) {
        return 0;
    }

    if (dur_engine_next_due(c->engine) <= now
        || dur_engine_has_tasks(c->engine))
    {
        return 1;
    }

    return c->link && c->link == c->ready_link && c->credits > 0
           && (!c->dispatched || c->fresh)
           && dur_engine_has_ready(c->engine);
}


/* After a failure results and our own work wait, ingest gets its answer. */

static ngx_uint_t
ngx_durable_commit_held(ngx_durable_commit_t *c)
{
    struct timespec  ts;

    if (c->retry_at == 0) {
        return 0;
    }

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return c->retry_at > ts.tv_sec * (int64_t) 1000 + ts.tv_nsec / 1000000;
}


static ngx_durable_batch_t *
ngx_durable_commit_take(ngx_durable_commit_t *c, int64_t *budget)
{
    size_t                bytes;
    ngx_uint_t            held;
    ngx_durable_list_t   *q;
    ngx_durable_batch_t  *b;

    b = c->free;
    c->free = b->next;
    b->next = NULL;

    ngx_durable_list_init(&b->ops);
    ngx_durable_list_init(&b->kept);
    b->effects = NULL;
    b->last = &b->effects;
    b->rc = DUR_OK;
    b->fatal = 0;

    q = c->queues;
    held = ngx_durable_commit_held(c);
    b->own = !held && !c->drain;
    bytes = 0;

    b->link = (c->link == c->ready_link) ? c->link : 0;

    if (!held && c->inventory) {
        b->link = c->inventory->link;
        bytes += c->inventory->len;
        ngx_durable_list_push(&b->ops, c->inventory);
        c->inventory = NULL;
    }

    if (!held) {
        ngx_durable_commit_fill(b, &q[NGX_DURABLE_RESULT],
                                NGX_DURABLE_BATCH_OPS / 2, &bytes);
    }

    ngx_durable_commit_fill(b, &q[NGX_DURABLE_CONTROL],
                            NGX_DURABLE_BATCH_CONTROL, &bytes);
    ngx_durable_commit_fill(b, &q[NGX_DURABLE_INGEST],
                            NGX_DURABLE_BATCH_OPS, &bytes);

    if (!held) {
        ngx_durable_commit_fill(b, &q[NGX_DURABLE_RESULT],
                                NGX_DURABLE_BATCH_OPS, &bytes);
    }

    b->nops = b->ops.count;

    *budget = (b->own && b->link && b->link == c->link) ? c->credits : 0;

    if (c->fresh) {
        c->fresh = 0;
        c->dispatched = 0;
    }

    return b;
}


/* An op that was on its way when two leaders ended runs alone. */

static void
ngx_durable_commit_fill(ngx_durable_batch_t *b, ngx_durable_list_t *queue,
    ngx_uint_t max, size_t *bytes)
{
    ngx_durable_entry_t  *e;

    while (queue->first && b->ops.count < max) {
        e = queue->first;

        if (b->ops.count
            && (e->data[2] >= 2 || b->ops.first->data[2] >= 2
                || *bytes + e->len > NGX_DURABLE_BATCH_BYTES))
        {
            return;
        }

        *bytes += e->len;
        ngx_durable_list_push(&b->ops, ngx_durable_list_pop(queue));
    }
}


static void
ngx_durable_commit_control(ngx_durable_commit_t *c, uint64_t raise,
    ngx_uint_t feed)
{
    if (feed != c->feeding) {
        dur_engine_set_feed(c->engine, feed);
        c->feeding = feed;
    }

    if (raise) {

        /* when it fails the sidecar refuses again, and so do we ask again */

        (void) dur_engine_raise_epoch(c->engine, raise);
    }
}


static void
ngx_durable_commit_done(ngx_durable_commit_t *c, ngx_durable_batch_t *b)
{
    ngx_uint_t     calls;
    dur_effect_t  *effect;

    calls = 0;

    for (effect = b->effects; effect; effect = effect->next) {
        if (effect->type == DUR_EFFECT_CALL) {
            calls++;
        }
    }

    (void) pthread_mutex_lock(&c->mutex);

    /* what failed goes first again */

    ngx_durable_list_append(&b->kept, &c->queues[NGX_DURABLE_RESULT]);
    ngx_durable_list_append(&c->queues[NGX_DURABLE_RESULT], &b->kept);

    if (b->inventory) {
        if (c->inventory == NULL) {
            c->inventory = b->inventory;

        } else {
            ngx_durable_list_push(&b->ops, b->inventory);
        }

        b->inventory = NULL;
    }

    if (b->link == 0 || b->link != c->link) {

        /* of a sidecar link that is gone: the next inventory finds them */

        b->link = 0;
        calls = 0;
    }

    c->credits -= calls;

    b->calls = calls;

    c->published = c->figures;
    dur_metrics_copy(&c->metrics, dur_engine_metrics(c->engine));

    *c->done_last = b;
    c->done_last = &b->next;

    /*
     * Inside the lock: who sees the frame of a call sees its batch too, so
     * ACKs are written before the calls that use their credits.
     */

    if (calls) {
        ngx_durable_caller_push(&ngx_durable_process.caller, b);
    }

    (void) pthread_mutex_unlock(&c->mutex);

    ngx_durable_notify();
}
