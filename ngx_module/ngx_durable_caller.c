
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * The call thread of a leader: makes the request of every lease that was
 * committed, in a read transaction of its own, signs it, and hands the frames
 * to the event loop, which owns the link.
 */


#include "ngx_durable_process.h"

#include "engine/dur_call.h"

#include <signal.h>


#define NGX_DURABLE_CALLER_HANDOVER  (256 * 1024)
#define NGX_DURABLE_CALLER_PENDING   (16 * 1024 * 1024)

/* Above it large bodies wait, and no more than that is built of them. */
#define NGX_DURABLE_CALLER_STREAM    (128 * 1024)


typedef enum {
    NGX_DURABLE_CALLER_NONE = 0,
    NGX_DURABLE_CALLER_LEASE,
    NGX_DURABLE_CALLER_PART
} ngx_durable_caller_work_e;


static void *ngx_durable_caller_thread(void *data);
static ngx_uint_t ngx_durable_caller_next(ngx_durable_caller_t *t,
    ngx_durable_calls_t *calls, ngx_durable_lease_t *lease);
static ngx_uint_t ngx_durable_caller_choose(ngx_durable_caller_t *t,
    ngx_durable_calls_t *calls);
static ngx_uint_t ngx_durable_caller_full(ngx_durable_calls_t *calls);
static ngx_uint_t ngx_durable_caller_some(ngx_durable_calls_t *calls);
static ngx_durable_calls_t *ngx_durable_caller_get(ngx_durable_caller_t *t);
static void ngx_durable_caller_give(ngx_durable_caller_t *t,
    ngx_durable_calls_t *calls);
static void ngx_durable_caller_build(ngx_durable_caller_t *t,
    ngx_durable_calls_t *calls, ngx_durable_lease_t *lease,
    dur_call_t *call);
static dur_rc_t ngx_durable_caller_frame(ngx_durable_caller_t *t,
    ngx_durable_calls_t *calls, ngx_durable_lease_t *lease,
    dur_call_t *call);
static bool ngx_durable_caller_secret(void *data, dur_str_t reference,
    dur_str_t *value);
static ngx_int_t ngx_durable_caller_grow(ngx_durable_caller_t *t);


ngx_int_t
ngx_durable_caller_start(ngx_durable_caller_t *t)
{
    int       err;
    sigset_t  set, old;

    t->head = 0;
    t->count = 0;
    t->done = NULL;
    t->done_last = &t->done;
    t->free = NULL;
    t->pending = 0;
    t->link = 0;
    t->stop = 0;
    t->streaming = 0;

    ngx_durable_stream_start(t);

    t->size = 1024;
    t->leases = ngx_alloc(t->size * sizeof(ngx_durable_lease_t),
                          ngx_cycle->log);
    if (t->leases == NULL) {
        return NGX_ERROR;
    }

    (void) pthread_mutex_init(&t->mutex, NULL);
    (void) pthread_cond_init(&t->cond, NULL);

    (void) sigfillset(&set);
    (void) sigdelset(&set, SIGSEGV);
    (void) sigdelset(&set, SIGBUS);
    (void) pthread_sigmask(SIG_BLOCK, &set, &old);

    err = pthread_create(&t->thread, NULL, ngx_durable_caller_thread, t);

    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);

    if (err) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, err,
                      "durable: pthread_create() failed");
        ngx_free(t->leases);
        t->leases = NULL;
        return NGX_ERROR;
    }

    t->started = 1;

    return NGX_OK;
}


void
ngx_durable_caller_stop(ngx_durable_caller_t *t)
{
    ngx_durable_calls_t  *calls;

    if (!t->started) {
        return;
    }

    (void) pthread_mutex_lock(&t->mutex);
    t->stop = 1;
    (void) pthread_cond_signal(&t->cond);
    (void) pthread_mutex_unlock(&t->mutex);

    (void) pthread_join(t->thread, NULL);

    t->started = 0;

    /* not sent, not listed: the next leader dispatches them again */

    while (t->done) {
        calls = t->done;
        t->done = calls->next;
        dur_buf_deinit(&calls->frames);
        ngx_free(calls);
    }

    while (t->free) {
        calls = t->free;
        t->free = calls->next;
        dur_buf_deinit(&calls->frames);
        ngx_free(calls);
    }

    ngx_durable_stream_stop(t);

    (void) pthread_cond_destroy(&t->cond);
    (void) pthread_mutex_destroy(&t->mutex);

    ngx_free(t->leases);
    t->leases = NULL;
}


/* By the commit thread: the calls of a batch. */

void
ngx_durable_caller_push(ngx_durable_caller_t *t, ngx_durable_batch_t *b)
{
    dur_effect_t         *effect;
    ngx_durable_lease_t  *lease;

    (void) pthread_mutex_lock(&t->mutex);

    for (effect = b->effects; effect; effect = effect->next) {

        if (effect->type != DUR_EFFECT_CALL) {
            continue;
        }

        if (t->count == t->size && ngx_durable_caller_grow(t) != NGX_OK) {
            break;
        }

        lease = &t->leases[(t->head + t->count++) % t->size];

        lease->item = effect->item;
        lease->generation = effect->generation;
        lease->link = b->link;
        lease->rc = DUR_OK;
    }

    (void) pthread_cond_signal(&t->cond);
    (void) pthread_mutex_unlock(&t->mutex);
}


/* By the event loop: what was built, oldest first. */

ngx_durable_calls_t *
ngx_durable_caller_take(ngx_durable_caller_t *t)
{
    ngx_durable_calls_t  *calls;

    (void) pthread_mutex_lock(&t->mutex);

    calls = t->done;
    t->done = NULL;
    t->done_last = &t->done;

    (void) pthread_mutex_unlock(&t->mutex);

    return calls;
}


void
ngx_durable_caller_recycle(ngx_durable_caller_t *t,
    ngx_durable_calls_t *calls)
{
    dur_buf_reset(&calls->frames);

    (void) pthread_mutex_lock(&t->mutex);

    calls->next = t->free;
    t->free = calls;

    (void) pthread_mutex_unlock(&t->mutex);
}


/* By the event loop: so much is still to be written to the sidecar. */

void
ngx_durable_caller_sent(ngx_durable_caller_t *t, size_t pending)
{
    if (!t->started) {
        return;
    }

    (void) pthread_mutex_lock(&t->mutex);

    if (t->pending > NGX_DURABLE_CALLER_PENDING || t->streaming) {
        (void) pthread_cond_signal(&t->cond);
    }

    t->pending = pending;

    (void) pthread_mutex_unlock(&t->mutex);
}


/* By the event loop: bodies that were going to another link end. */

void
ngx_durable_caller_link(ngx_durable_caller_t *t, uint32_t link)
{
    if (!t->started) {
        return;
    }

    (void) pthread_mutex_lock(&t->mutex);

    t->link = link;
    (void) pthread_cond_signal(&t->cond);

    (void) pthread_mutex_unlock(&t->mutex);
}


static void *
ngx_durable_caller_thread(void *data)
{
    ngx_durable_caller_t *t = data;

    dur_call_t            call;
    ngx_durable_calls_t  *calls;
    ngx_durable_lease_t   lease;

    dur_call_init(&call);
    calls = NULL;

    for ( ;; ) {

        if (calls == NULL) {
            calls = ngx_durable_caller_get(t);

            if (calls == NULL) {
                break;
            }
        }

        switch (ngx_durable_caller_next(t, calls, &lease)) {

        case NGX_DURABLE_CALLER_LEASE:
            ngx_durable_caller_build(t, calls, &lease, &call);
            continue;

        case NGX_DURABLE_CALLER_PART:
            ngx_durable_stream_next(t, calls);
            continue;
        }

        if (!ngx_durable_caller_some(calls)) {
            break;
        }

        ngx_durable_caller_give(t, calls);
        calls = NULL;
    }

    if (calls) {
        dur_buf_deinit(&calls->frames);
        ngx_free(calls);
    }

    dur_call_deinit(&call);

    return NULL;
}


/*
 * What is to be made next for these frames; none when they are to be handed
 * over, or, with nothing to hand over, when the thread is to end.
 */

static ngx_uint_t
ngx_durable_caller_next(ngx_durable_caller_t *t, ngx_durable_calls_t *calls,
    ngx_durable_lease_t *lease)
{
    ngx_uint_t  work;

    work = NGX_DURABLE_CALLER_NONE;

    (void) pthread_mutex_lock(&t->mutex);

    while (!t->stop) {

        work = ngx_durable_caller_choose(t, calls);

        if (work != NGX_DURABLE_CALLER_NONE
            || ngx_durable_caller_some(calls))
        {
            break;
        }

        t->streaming = (t->streams != NULL);

        (void) pthread_cond_wait(&t->cond, &t->mutex);
    }

    t->streaming = 0;

    if (work == NGX_DURABLE_CALLER_LEASE) {
        *lease = t->leases[t->head];
        t->head = (t->head + 1) % t->size;
        t->count--;
    }

    (void) pthread_mutex_unlock(&t->mutex);

    return work;
}


/* Under the mutex.  Calls and pieces of a body take turns. */

static ngx_uint_t
ngx_durable_caller_choose(ngx_durable_caller_t *t, ngx_durable_calls_t *calls)
{
    ngx_uint_t  lease, part, mine;

    mine = !ngx_durable_caller_some(calls);

    lease = t->count && t->pending <= NGX_DURABLE_CALLER_PENDING
            && !ngx_durable_caller_full(calls)
            && (mine || t->leases[t->head].link == calls->link);

    part = t->streams
           && (t->streams->lease.link != t->link
               || t->pending + calls->frames.len <= NGX_DURABLE_CALLER_STREAM)
           && !ngx_durable_caller_full(calls)
           && (mine || t->streams->lease.link == calls->link);

    if (part) {
        t->streams->gone = (t->streams->lease.link != t->link);
    }

    if (lease && part) {
        t->turn = !t->turn;
        return t->turn ? NGX_DURABLE_CALLER_LEASE : NGX_DURABLE_CALLER_PART;
    }

    return lease ? NGX_DURABLE_CALLER_LEASE
           : part ? NGX_DURABLE_CALLER_PART : NGX_DURABLE_CALLER_NONE;
}


static ngx_uint_t
ngx_durable_caller_full(ngx_durable_calls_t *calls)
{
    return calls->frames.len >= NGX_DURABLE_CALLER_HANDOVER
           || calls->nfailed
              == sizeof(calls->failed) / sizeof(calls->failed[0]);
}


static ngx_uint_t
ngx_durable_caller_some(ngx_durable_calls_t *calls)
{
    return calls->frames.len || calls->unused || calls->nfailed;
}


static ngx_durable_calls_t *
ngx_durable_caller_get(ngx_durable_caller_t *t)
{
    ngx_durable_calls_t  *calls;

    (void) pthread_mutex_lock(&t->mutex);

    calls = t->free;

    if (calls) {
        t->free = calls->next;
    }

    (void) pthread_mutex_unlock(&t->mutex);

    if (calls == NULL) {
        calls = ngx_calloc(sizeof(ngx_durable_calls_t), ngx_cycle->log);

        if (calls == NULL) {
            return NULL;
        }

        dur_buf_init(&calls->frames, NGX_DURABLE_LINK_MAX);
    }

    calls->next = NULL;
    calls->link = 0;
    calls->unused = 0;
    calls->nfailed = 0;

    return calls;
}


static void
ngx_durable_caller_give(ngx_durable_caller_t *t, ngx_durable_calls_t *calls)
{
    (void) pthread_mutex_lock(&t->mutex);

    t->pending += calls->frames.len;

    *t->done_last = calls;
    t->done_last = &calls->next;

    (void) pthread_mutex_unlock(&t->mutex);

    ngx_durable_notify();
}


static void
ngx_durable_caller_build(ngx_durable_caller_t *t, ngx_durable_calls_t *calls,
    ngx_durable_lease_t *lease, dur_call_t *call)
{
    size_t              len;
    dur_rc_t            rc;
    dur_call_options_t  options;

    calls->link = lease->link;

    options.signing_key = t->signing_key;
    options.dev = t->dev;
    options.now_ms = ngx_durable_clock_now();
    options.served = t->served.elts;
    options.nserved = t->served.nelts;
    options.secrets.get = ngx_durable_caller_secret;
    options.secrets.data = &t->secrets;

    rc = dur_call_build(t->store, lease->item, lease->generation, &options,
                        call);

    if (rc == DUR_ENOTFOUND) {

        /* cancelled since: its credit was not used */

        calls->unused++;
        return;
    }

    len = calls->frames.len;

    if (rc == DUR_OK) {
        rc = ngx_durable_caller_frame(t, calls, lease, call);
    }

    if (rc != DUR_OK) {
        calls->frames.len = len;
        calls->frames.failed = false;

        lease->rc = rc;
        (void) ngx_cpystrn(calls->errors[calls->nfailed],
                           (u_char *) call->error,
                           sizeof(calls->errors[0]));
        calls->failed[calls->nfailed++] = *lease;
        calls->unused++;
    }
}


/* By the call thread: what nginx.conf said when it was read. */

static bool
ngx_durable_caller_secret(void *data, dur_str_t reference, dur_str_t *value)
{
    ngx_array_t *secrets = data;

    ngx_uint_t             i;
    ngx_durable_secret_t  *secret;

    secret = secrets->elts;

    for (i = 0; i < secrets->nelts; i++) {

        if (secret[i].name.len == reference.len
            && ngx_memcmp(secret[i].name.data, reference.data, reference.len)
               == 0)
        {
            *value = dur_str_make(secret[i].value.data, secret[i].value.len);
            return true;
        }
    }

    return false;
}


static dur_rc_t
ngx_durable_caller_frame(ngx_durable_caller_t *t, ngx_durable_calls_t *calls,
    ngx_durable_lease_t *lease, dur_call_t *call)
{
    uint8_t             id[DUR_ATTEMPT_LEN];
    dur_rc_t            rc;
    dur_str_t           attempt;
    dur_frame_writer_t  w;

    dur_attempt_put(id, lease->item, lease->generation);
    attempt = dur_str_make(id, DUR_ATTEMPT_LEN);

    dur_frame_begin(&w, &calls->frames, DUR_FRAME_CALL, 0);
    dur_frame_put(&w, DUR_TAG_ATTEMPT, attempt);
    dur_frame_put_u8(&w, DUR_TAG_KIND, DUR_CALL_STEP);
    dur_frame_put(&w, DUR_TAG_METHOD, dur_buf_str(&call->method));
    dur_frame_put(&w, DUR_TAG_URL, dur_buf_str(&call->url));
    dur_frame_put(&w, DUR_TAG_HEADERS, dur_buf_str(&call->headers));
    dur_frame_put_u64(&w, DUR_TAG_TIMEOUT, (uint64_t) call->timeout_ms);
    dur_frame_put_u32(&w, DUR_TAG_APP, call->app);
    dur_frame_put_u64(&w, DUR_TAG_MAX_BODY, call->max_body);
    dur_frame_put_u8(&w, DUR_TAG_FOLLOW,
                     call->forward ? DUR_FOLLOW_NONE
                     : call->gateway ? DUR_FOLLOW_FETCH : DUR_FOLLOW_REPEAT);

    if (call->rest.length) {
        dur_frame_put_u64(&w, DUR_TAG_LENGTH, call->rest.length);
        rc = dur_frame_end(&w, dur_str_null);

    } else {
        rc = dur_frame_end_body(&w, dur_buf_str(&call->body),
                                DUR_TAG_ATTEMPT, attempt);
    }

    if (rc == DUR_OK && calls->frames.failed) {
        rc = DUR_ETOOBIG;
    }

    return (rc == DUR_OK && call->rest.length)
           ? ngx_durable_stream_add(t, lease, &call->rest) : rc;
}


static ngx_int_t
ngx_durable_caller_grow(ngx_durable_caller_t *t)
{
    size_t                i;
    ngx_durable_lease_t  *leases;

    leases = ngx_alloc(2 * t->size * sizeof(ngx_durable_lease_t),
                       ngx_cycle->log);
    if (leases == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < t->count; i++) {
        leases[i] = t->leases[(t->head + i) % t->size];
    }

    ngx_free(t->leases);

    t->leases = leases;
    t->head = 0;
    t->size *= 2;

    return NGX_OK;
}
