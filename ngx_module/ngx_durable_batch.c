
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * One batch in the commit thread: decide, commit, and what to do when that
 * fails.  A failed batch is rolled back whole; its results are kept and tried
 * again, everybody else is told.  When an invariant of the engine fails the
 * ops run one by one, and the one that fails alone is quarantined.
 */


#include "ngx_durable_process.h"

#include <sys/random.h>


#define NGX_DURABLE_EIO_MAX  3

/* TIMERS ops of one batch. */
#define NGX_DURABLE_TIMERS   64

/* How long after a batch of others a task takes small pieces, ms. */
#define NGX_DURABLE_BUSY     10


static dur_rc_t ngx_durable_batch_try(ngx_durable_commit_t *c,
    ngx_durable_batch_t *b, int64_t now, int64_t budget);
static dur_rc_t ngx_durable_batch_each(ngx_durable_commit_t *c,
    ngx_durable_batch_t *b, int64_t now, int64_t budget);
static dur_rc_t ngx_durable_batch_single(ngx_durable_commit_t *c,
    ngx_durable_batch_t *b, int64_t now, dur_str_t op, dur_reply_t *reply);
static dur_rc_t ngx_durable_batch_alone(ngx_durable_commit_t *c,
    ngx_durable_batch_t *b, int64_t now, dur_str_t op, dur_reply_t *reply,
    ngx_uint_t poison);
static dur_rc_t ngx_durable_batch_commit(ngx_durable_commit_t *c,
    ngx_durable_batch_t *b);
static dur_str_t ngx_durable_batch_own(ngx_durable_commit_t *c,
    dur_op_type_t type, int64_t budget, ngx_uint_t alone);
static void ngx_durable_batch_failed(ngx_durable_commit_t *c,
    ngx_durable_batch_t *b, dur_rc_t rc);
static void ngx_durable_batch_hold(ngx_durable_commit_t *c);
static void ngx_durable_batch_log(ngx_durable_batch_t *b, uint8_t level,
    const char *text);
static int64_t ngx_durable_batch_leased(ngx_durable_commit_t *c,
    int64_t before);


void
ngx_durable_batch_run(ngx_durable_commit_t *c, ngx_durable_batch_t *b,
    int64_t now, int64_t budget)
{
    int64_t     due;
    uint64_t    start;
    dur_rc_t    rc;

    start = ngx_durable_us();
    due = dur_engine_next_due(c->engine);

    if (b->ops.count && b->ops.first->data[2] >= 2) {
        rc = ngx_durable_batch_each(c, b, now, budget);

    } else {
        rc = ngx_durable_batch_try(c, b, now, budget);

        if (rc == DUR_EINTERNAL) {
            ngx_durable_batch_log(b, 0, "an invariant of the engine failed, "
                                        "the batch runs op by op");
            rc = ngx_durable_batch_each(c, b, now, budget);
        }
    }

    if (rc != DUR_OK) {
        ngx_durable_batch_failed(c, b, rc);

    } else {

        if (c->errors && (b->nops || b->own)) {
            c->errors = 0;
            ngx_durable_batch_log(b, 2, "commits work again");
        }

        if (b->own) {
            c->backoff = NGX_DURABLE_BACKOFF_MIN;
            c->retry_at = 0;

            if (due <= now && dur_engine_next_due(c->engine) == due
                && c->last_due == due)
            {
                /* timers that do not go: no endless loop on them */

                ngx_durable_batch_hold(c);
            }

            c->last_due = due;
        }

        if (b->ops.first
            && b->ops.first->class == NGX_DURABLE_INVENTORY)
        {
            c->ready_link = b->ops.first->link;
        }
    }

    b->rc = rc;
    b->due = dur_engine_next_due(c->engine);
    dur_engine_stat(c->engine, &b->stat);
    b->us = ngx_durable_us() - start;

    ngx_durable_metrics_batch(c, b);
}


static dur_rc_t
ngx_durable_batch_try(ngx_durable_commit_t *c, ngx_durable_batch_t *b,
    int64_t now, int64_t budget)
{
    int64_t               leased;
    dur_rc_t              rc;
    dur_str_t             op;
    ngx_uint_t            n;
    dur_reply_t           reply;
    dur_effect_t         *effect;
    ngx_durable_entry_t  *e;

    if (b->ops.first == NULL && !b->own) {
        return DUR_OK;
    }

    leased = ngx_durable_batch_leased(c, 0);

    rc = dur_engine_begin(c->engine, now, &b->arena);
    if (rc != DUR_OK) {
        return rc;
    }

    /* many schedules are due at the same instant: one op is a small piece */

    for (n = 0;
         n < NGX_DURABLE_TIMERS && b->own && rc == DUR_OK
         && dur_engine_has_timers(c->engine);
         n++)
    {
        op = ngx_durable_batch_own(c, DUR_OP_TIMERS, 0, 0);
        rc = dur_engine_apply(c->engine, op, &reply);
    }

    for (e = b->ops.first; e && rc == DUR_OK; e = e->next) {
        rc = dur_engine_apply(c->engine, dur_str_make(e->data, e->len),
                              &e->reply);
    }

    if (rc == DUR_OK && b->own && dur_engine_has_tasks(c->engine)) {
        /* others come back in a moment */

        if (b->ops.first) {
            c->busy = now + NGX_DURABLE_BUSY;
        }

        op = ngx_durable_batch_own(c, DUR_OP_TASKS, now < c->busy, 0);
        rc = dur_engine_apply(c->engine, op, &reply);
    }

    if (rc == DUR_OK && dur_engine_has_ready(c->engine)) {
        budget -= ngx_durable_batch_leased(c, leased);

        if (budget > 0) {
            op = ngx_durable_batch_own(c, DUR_OP_DISPATCH, budget, 0);
            rc = dur_engine_apply(c->engine, op, &reply);
        }
    }

    if (rc != DUR_OK) {
        dur_engine_abort(c->engine);
        return rc;
    }

    rc = ngx_durable_batch_commit(c, b);

    if (rc == DUR_OK && budget > 0) {

        /* what is ready but not allowed now is not asked for again at once */

        effect = b->effects;

        while (effect && effect->type != DUR_EFFECT_CALL) {
            effect = effect->next;
        }

        c->dispatched = (effect == NULL);
    }

    return rc;
}


/* Every op in a transaction of its own, our own ops last and of one piece. */

static dur_rc_t
ngx_durable_batch_each(ngx_durable_commit_t *c, ngx_durable_batch_t *b,
    int64_t now, int64_t budget)
{
    int64_t               leased;
    dur_rc_t              rc;
    dur_str_t             op;
    dur_reply_t           reply;
    ngx_durable_entry_t  *e;

    leased = ngx_durable_batch_leased(c, 0);

    for (e = b->ops.first; e; e = e->next) {
        rc = ngx_durable_batch_single(c, b, now,
                                      dur_str_make(e->data, e->len),
                                      &e->reply);
        if (rc != DUR_OK) {
            return rc;
        }

        e->settled = 1;
    }

    if (!b->own) {
        return DUR_OK;
    }

    if (dur_engine_next_due(c->engine) <= now) {
        op = ngx_durable_batch_own(c, DUR_OP_TIMERS, 0, 1);
        rc = ngx_durable_batch_single(c, b, now, op, &reply);

        if (rc != DUR_OK) {
            return rc;
        }
    }

    if (dur_engine_has_tasks(c->engine)) {
        op = ngx_durable_batch_own(c, DUR_OP_TASKS, 0, 1);
        rc = ngx_durable_batch_single(c, b, now, op, &reply);

        if (rc != DUR_OK) {
            return rc;
        }
    }

    budget -= ngx_durable_batch_leased(c, leased);

    if (budget > 0 && dur_engine_has_ready(c->engine)) {
        op = ngx_durable_batch_own(c, DUR_OP_DISPATCH, budget, 0);
        return ngx_durable_batch_single(c, b, now, op, &reply);
    }

    return DUR_OK;
}


/* An op that fails alone is quarantined; that it failed is its reply. */

static dur_rc_t
ngx_durable_batch_single(ngx_durable_commit_t *c, ngx_durable_batch_t *b,
    int64_t now, dur_str_t op, dur_reply_t *reply)
{
    dur_rc_t  rc;

    rc = ngx_durable_batch_alone(c, b, now, op, reply, 0);

    if (rc != DUR_EINTERNAL) {
        return rc;
    }

    rc = ngx_durable_batch_alone(c, b, now, op, reply, 1);

    if (rc == DUR_OK) {
        ngx_durable_batch_log(b, 0, "an op that the engine cannot decide was "
                                    "quarantined with its run");
        return DUR_OK;
    }

    if (rc != DUR_EINTERNAL) {
        return rc;
    }

    ngx_durable_batch_log(b, 0, "an op that the engine cannot decide was "
                                "dropped");

    ngx_memzero(reply, sizeof(dur_reply_t));
    reply->rc = DUR_EINTERNAL;

    /* when it is one of our own it comes again: not at once */

    ngx_durable_batch_hold(c);

    return DUR_OK;
}


static dur_rc_t
ngx_durable_batch_alone(ngx_durable_commit_t *c, ngx_durable_batch_t *b,
    int64_t now, dur_str_t op, dur_reply_t *reply, ngx_uint_t poison)
{
    dur_rc_t  rc;

    rc = dur_engine_begin(c->engine, now, &b->arena);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = poison ? dur_engine_poison(c->engine, op, reply)
                : dur_engine_apply(c->engine, op, reply);

    if (rc != DUR_OK) {
        dur_engine_abort(c->engine);
        return rc;
    }

    return ngx_durable_batch_commit(c, b);
}


static dur_rc_t
ngx_durable_batch_commit(ngx_durable_commit_t *c, ngx_durable_batch_t *b)
{
    dur_rc_t       rc;
    uint64_t       start;
    dur_effect_t  *effects;

    effects = NULL;
    start = ngx_durable_us();

    rc = dur_engine_commit(c->engine, &effects);

    if (rc != DUR_OK) {
        return rc;
    }

    dur_histogram_add(&c->figures.commit, &dur_bounds_short,
                      ngx_durable_us() - start);

    *b->last = effects;

    while (*b->last) {
        b->last = &(*b->last)->next;
    }

    return DUR_OK;
}


static dur_str_t
ngx_durable_batch_own(ngx_durable_commit_t *c, dur_op_type_t type,
    int64_t budget, ngx_uint_t alone)
{
    dur_op_t  op;

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = type;
    op.resubmitted = alone;
    op.budget = (uint32_t) budget;

    if (getrandom(op.entropy, sizeof(op.entropy), 0)
        != (ssize_t) sizeof(op.entropy))
    {
        dur_put64(op.entropy, ngx_durable_us());
    }

    dur_buf_reset(&c->op);
    (void) dur_op_encode(&op, &c->op);

    return dur_buf_str(&c->op);
}


static void
ngx_durable_batch_failed(ngx_durable_commit_t *c, ngx_durable_batch_t *b,
    dur_rc_t rc)
{
    ngx_uint_t            kept;
    ngx_durable_list_t    ops;
    ngx_durable_entry_t  *e;

    ops = b->ops;

    if (ops.first == NULL) {
        ops.last = &ops.first;
    }

    ngx_durable_list_init(&b->ops);
    kept = 0;

    while ((e = ngx_durable_list_pop(&ops)) != NULL) {

        if (e->settled) {
            ngx_durable_list_push(&b->ops, e);
            continue;
        }

        ngx_memzero(&e->reply, sizeof(dur_reply_t));

        if (e->class == NGX_DURABLE_INVENTORY) {
            b->inventory = e;
            kept = 1;
            continue;
        }

        if (e->class == NGX_DURABLE_RESULT) {
            ngx_durable_list_push(&b->kept, e);
            kept = 1;
            continue;
        }

        /* whatever it is, it is the store and not the request */

        e->reply.rc = (rc == DUR_EFULL) ? DUR_EFULL : DUR_EIO;
        ngx_durable_list_push(&b->ops, e);
    }

    if (b->own || kept) {
        ngx_durable_batch_hold(c);
    }

    c->errors++;

    if (rc == DUR_ECORRUPT
        || (rc == DUR_EIO && c->errors >= NGX_DURABLE_EIO_MAX))
    {
        b->fatal = 1;
    }

    if (c->errors == 1) {
        ngx_durable_batch_log(b, 0, dur_arena_printf(&b->arena,
                              "a commit failed (%s), it is tried again and "
                              "requests get 503 meanwhile",
                              dur_strerror(rc)));
    }
}


static void
ngx_durable_batch_hold(ngx_durable_commit_t *c)
{
    c->retry_at = ngx_durable_us() / 1000 + c->backoff;
    c->backoff = ngx_min(c->backoff * 2, NGX_DURABLE_BACKOFF_MAX);
}


static void
ngx_durable_batch_log(ngx_durable_batch_t *b, uint8_t level, const char *text)
{
    dur_effect_t  *effect;

    effect = dur_arena_zalloc(&b->arena, sizeof(dur_effect_t));
    if (effect == NULL) {
        return;
    }

    effect->type = DUR_EFFECT_LOG;
    effect->level = level;
    effect->text = dur_str_c(text);

    *b->last = effect;
    b->last = &effect->next;
}


/* A result leases the next call of its run by itself: it spends a credit. */

static int64_t
ngx_durable_batch_leased(ngx_durable_commit_t *c, int64_t before)
{
    dur_engine_stat_t  stat;

    dur_engine_stat(c->engine, &stat);

    return (int64_t) stat.attempts - before;
}
