/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_queue.h"
#include "engine/dur_cancellation_rule.h"
#include "engine/dur_deadline.h"
#include "engine/dur_state.h"
#include "engine/dur_timer.h"


#define DUR_READY_KEY  (4 + 8 + 8 + 8)

/* Where the clock must not decide what is first: the item's number does. */
#define DUR_READY_ORDERED  INT64_MAX

/* Ready items one op passes by: of functions that are paused, of runs whose
 * time is over. */
#define DUR_QUEUE_PASSED   64

/* Items of a function that goes on which one op puts back; two rows each. */
#define DUR_QUEUE_RESUMED  128


/* What became of the turn of an app. */
typedef enum {
    DUR_TURN_IDLE = 0,
    DUR_TURN_PASSED,
    DUR_TURN_LEASED
} dur_turn_t;


/* -- items ---------------------------------------------------------------- */

dur_str_t
dur_item_encode(const dur_item_t *item, uint8_t row[DUR_ITEM_ROW])
{
    dur_enc_t  w;

    dur_enc_init(&w, row, DUR_ITEM_ROW);

    dur_enc_begin(&w);
    dur_enc_u8(&w, item->kind);
    dur_enc_u8(&w, item->losses);
    dur_enc_u16(&w, item->attempt);
    dur_enc_u32(&w, item->generation);
    dur_enc_u64(&w, item->id);
    dur_enc_u32(&w, item->app);
    dur_enc_u32(&w, item->function);
    dur_enc_u64(&w, (uint64_t) item->score);
    dur_enc_u64(&w, (uint64_t) item->due);
    dur_enc_raw(&w, item->run.b, DUR_ULID_LEN);
    dur_enc_raw(&w, item->step.b, DUR_HASH_LEN);
    dur_enc_end(&w);

    return dur_enc_done(&w);
}


dur_rc_t
dur_item_decode(dur_str_t row, dur_item_t *item)
{
    dur_dec_t  r;

    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    item->kind = dur_dec_u8(&r);
    item->losses = dur_dec_u8(&r);
    item->attempt = dur_dec_u16(&r);
    item->generation = dur_dec_u32(&r);
    item->id = dur_dec_u64(&r);
    item->app = dur_dec_u32(&r);
    item->function = dur_dec_u32(&r);
    item->score = (int64_t) dur_dec_u64(&r);
    item->due = (int64_t) dur_dec_u64(&r);
    dur_dec_raw(&r, item->run.b, DUR_ULID_LEN);
    dur_dec_raw(&r, item->step.b, DUR_HASH_LEN);
    dur_dec_end(&r);

    return (r.failed || item->id == 0) ? DUR_ECORRUPT : DUR_OK;
}


/* -- ready ---------------------------------------------------------------- */

/*
 * Partition 0 is what is dispatched.  The items of a paused function wait in
 * a partition of their own, its id, where nobody looks at them.
 */
static dur_str_t
dur_ready_key(uint8_t key[DUR_READY_KEY], uint32_t app, uint64_t partition,
    int64_t score, uint64_t id)
{
    dur_put32(key, app);
    dur_put64(key + 4, partition);
    dur_put64(key + 12, (uint64_t) score);
    dur_put64(key + 20, id);

    return dur_str_make(key, DUR_READY_KEY);
}


static uint64_t
dur_queue_partition(dur_engine_t *e, const dur_item_t *item)
{
    dur_function_t  *fn;

    fn = dur_registry_function(&e->registry, item->function);

    return (fn != NULL && fn->paused) ? fn->id : 0;
}


static dur_rc_t
dur_ready_put(dur_engine_t *e, const dur_item_t *item, uint64_t partition)
{
    int64_t                score;
    uint8_t                key[DUR_READY_KEY], row[DUR_ITEM_ROW];
    dur_registered_app_t  *app;

    app = dur_registry_app(&e->registry, item->app);
    score = (app != NULL && app->ordered) ? DUR_READY_ORDERED : item->score;

    return dur_txn_put(e->txn, DUR_T_READY,
                       dur_ready_key(key, item->app, partition, score,
                                     item->id),
                       dur_item_encode(item, row));
}


/* The app may have been another one, ordered or not, when it was put. */
static dur_rc_t
dur_ready_del(dur_engine_t *e, uint32_t app, uint64_t partition,
    int64_t score, uint64_t id)
{
    uint8_t   key[DUR_READY_KEY];
    dur_rc_t  rc;

    rc = dur_txn_del(e->txn, DUR_T_READY,
                     dur_ready_key(key, app, partition, score, id));

    return rc == DUR_ENOTFOUND
           ? dur_txn_del(e->txn, DUR_T_READY,
                         dur_ready_key(key, app, partition,
                                       DUR_READY_ORDERED, id))
           : rc;
}


static dur_rc_t
dur_ready_get(dur_txn_t *t, const dur_item_t *item, uint64_t partition,
    dur_str_t *row)
{
    uint8_t   key[DUR_READY_KEY];
    dur_rc_t  rc;

    rc = dur_txn_get(t, DUR_T_READY,
                     dur_ready_key(key, item->app, partition, item->score,
                                   item->id), row);

    return rc == DUR_ENOTFOUND
           ? dur_txn_get(t, DUR_T_READY,
                         dur_ready_key(key, item->app, partition,
                                       DUR_READY_ORDERED, item->id), row)
           : rc;
}


static dur_str_t
dur_lease_key(uint8_t key[8], uint64_t id)
{
    dur_put64(key, id);
    return dur_str_make(key, 8);
}


dur_rc_t
dur_queue_call(dur_engine_t *e, const dur_item_t *item)
{
    dur_effect_t  *effect;

    effect = dur_state_effect(e, DUR_EFFECT_CALL);
    if (effect == NULL) {
        return DUR_ENOMEM;
    }

    effect->item = item->id;
    effect->generation = item->generation;
    effect->app = item->app;

    return DUR_OK;
}


dur_rc_t
dur_queue_cancel(dur_engine_t *e, uint64_t id, uint32_t generation)
{
    dur_effect_t  *effect;

    effect = dur_state_effect(e, DUR_EFFECT_CANCEL);
    if (effect == NULL) {
        return DUR_ENOMEM;
    }

    effect->item = id;
    effect->generation = generation;

    return DUR_OK;
}


static dur_rc_t
dur_queue_lease(dur_engine_t *e, dur_item_t *item,
    dur_registered_app_t *app)
{
    uint8_t   key[8], row[DUR_ITEM_ROW];
    dur_rc_t  rc;

    dur_metrics_leased(e, item->due);

    item->generation++;
    item->due = e->now;

    rc = dur_txn_put(e->txn, DUR_T_LEASE, dur_lease_key(key, item->id),
                     dur_item_encode(item, row));
    if (rc != DUR_OK) {
        return rc;
    }

    if (app != NULL) {
        app->leases++;
    }

    e->stat.attempts++;
    e->stat.leases++;

    return dur_queue_call(e, item);
}


/* A call of its own would not go before others, or to where none may go. */
static bool
dur_queue_may_lease(dur_engine_t *e, const dur_item_t *item,
    dur_registered_app_t *app)
{
    if (app == NULL || app->target.parked != 0
        || !dur_registry_may_call(app, &e->conf))
    {
        return false;
    }

    return (!app->ordered
            || (!app->maybe_ready && !dur_target_waits(&app->target, e->now)))
           && !dur_cancellation_concerns(e, item);
}


dur_rc_t
dur_queue_push(dur_engine_t *e, dur_item_t *item)
{
    uint64_t               partition;
    dur_registered_app_t  *app;

    app = dur_registry_app(&e->registry, item->app);
    partition = dur_queue_partition(e, item);
    item->due = e->now;

    if (partition == 0 && e->credits > 0
        && dur_queue_may_lease(e, item, app))
    {
        e->credits--;
        return dur_queue_lease(e, item, app);
    }

    if (partition == 0 && app != NULL) {
        app->maybe_ready = true;
    }

    return dur_ready_put(e, item, partition);
}


/*
 * The oldest ready item of an app; DUR_ENOTFOUND without one.  What cannot be
 * read is dropped: nothing behind it would ever run.
 */
static dur_rc_t
dur_queue_pop(dur_engine_t *e, dur_cursor_t *c, uint32_t app,
    dur_item_t *item)
{
    bool       good;
    uint8_t    key[DUR_READY_KEY];
    dur_rc_t   rc;
    dur_str_t  k, v;

    for ( ;; ) {
        rc = dur_cursor_seek(c, dur_ready_key(key, app, 0, 0, 0), &k, &v);
        if (rc != DUR_OK) {
            return rc;
        }

        if ((k.len >= 4 && dur_get32(k.data) != app)
            || (k.len == DUR_READY_KEY && dur_get64(k.data + 4) != 0))
        {
            return DUR_ENOTFOUND;
        }

        good = k.len == DUR_READY_KEY && dur_item_decode(v, item) == DUR_OK;

        rc = dur_cursor_del(c);
        if (rc != DUR_OK || good) {
            return rc;
        }

        dur_state_log(e, 0, "work of app %u cannot be read and was dropped",
                      app);
    }
}


/* In an ordered app nothing passes what is being put back. */
static bool
dur_queue_resumes(dur_engine_t *e, const dur_item_t *item)
{
    dur_function_t        *fn;
    dur_registered_app_t  *app;

    fn = dur_registry_function(&e->registry, item->function);
    app = dur_registry_app(&e->registry, item->app);

    return fn != NULL && fn->resuming && app != NULL && app->ordered;
}


/* What is popped and cannot go out: its function is paused, a cancellation
 * stops it, or its time is over. */
static dur_rc_t
dur_queue_pass(dur_engine_t *e, const dur_item_t *item, bool *passed)
{
    dur_rc_t  rc;
    uint64_t  partition;

    partition = dur_queue_partition(e, item);

    if (partition != 0 || dur_queue_resumes(e, item)) {
        *passed = true;
        return dur_ready_put(e, item, partition);
    }

    rc = dur_cancellation_stops(e, item, passed);

    return (rc == DUR_OK && !*passed) ? dur_deadline_lease(e, item, passed)
                                      : rc;
}


/* One item of one app. */
static dur_rc_t
dur_queue_dispatch_one(dur_engine_t *e, dur_cursor_t *c,
    dur_registered_app_t *app, dur_turn_t *turn)
{
    bool        passed;
    dur_rc_t    rc;
    dur_item_t  item;

    *turn = DUR_TURN_IDLE;

    if (!app->maybe_ready || !dur_registry_may_call(app, &e->conf)
        || dur_target_waits(&app->target, e->now))
    {
        return DUR_OK;
    }

    rc = dur_queue_pop(e, c, app->id, &item);

    if (rc == DUR_ENOTFOUND) {
        app->maybe_ready = false;
        return DUR_OK;
    }

    if (rc == DUR_OK) {
        *turn = DUR_TURN_PASSED;
        rc = dur_queue_pass(e, &item, &passed);
    }

    if (rc != DUR_OK || passed) {
        return rc;
    }

    *turn = DUR_TURN_LEASED;

    /* a gateway says nothing of the app */

    if (app->target.parked != 0 && item.kind != DUR_ITEM_GATEWAY) {
        rc = dur_target_probe(e, app->id, item.id);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    return dur_queue_lease(e, &item, app);
}


dur_rc_t
dur_queue_dispatch(dur_engine_t *e, unsigned budget)
{
    dur_rc_t               rc;
    uint32_t               idle, i, next;
    unsigned               passed;
    dur_turn_t             turn;
    dur_cursor_t          *c;
    dur_registry_t        *r;
    dur_registered_app_t  *app;

    r = &e->registry;
    passed = 0;

    if (budget == 0 || r->napps == 0) {
        return DUR_OK;
    }

    rc = dur_cursor_open(e->txn, DUR_T_READY, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    /*
     * The app whose turn it is follows from the commit, not from a counter of
     * this process: the next leader must decide the same.  Ends after one
     * whole round in which no app had anything.
     */

    next = (uint32_t) (e->counters.sequence % r->napps);

    for (idle = 0;
         budget > 0 && idle < r->napps && passed < DUR_QUEUE_PASSED
         && rc == DUR_OK; )
    {
        i = next++ % r->napps;
        app = r->apps[i];
        turn = DUR_TURN_IDLE;

        if (app != NULL) {
            rc = dur_queue_dispatch_one(e, c, app, &turn);
        }

        idle = turn == DUR_TURN_IDLE ? idle + 1 : 0;
        budget -= turn == DUR_TURN_LEASED;
        passed += turn == DUR_TURN_PASSED;
    }

    dur_cursor_close(c);

    if (passed == DUR_QUEUE_PASSED) {
        /* nothing was leased, maybe, and still there is more to do */
        e->has_tasks = true;
    }

    return rc;
}


/* -- leases --------------------------------------------------------------- */

dur_rc_t
dur_queue_lease_get(dur_engine_t *e, uint64_t id, dur_item_t *item)
{
    uint8_t    key[8];
    dur_rc_t   rc;
    dur_str_t  row;

    rc = dur_txn_get(e->txn, DUR_T_LEASE, dur_lease_key(key, id), &row);

    return rc == DUR_OK ? dur_item_decode(row, item) : rc;
}


dur_rc_t
dur_queue_renew(dur_engine_t *e, dur_item_t *item)
{
    uint8_t  key[8], row[DUR_ITEM_ROW];

    if (item->attempt == 0 && item->losses == 0) {
        return DUR_OK;
    }

    item->attempt = 0;
    item->losses = 0;

    return dur_txn_put(e->txn, DUR_T_LEASE, dur_lease_key(key, item->id),
                       dur_item_encode(item, row));
}


dur_rc_t
dur_queue_release(dur_engine_t *e, const dur_item_t *item)
{
    uint8_t                key[8];
    dur_rc_t               rc;
    dur_registered_app_t  *app;

    rc = dur_txn_del(e->txn, DUR_T_LEASE, dur_lease_key(key, item->id));
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_EINTERNAL : rc;
    }

    app = dur_registry_app(&e->registry, item->app);
    if (app != NULL && app->leases > 0) {
        app->leases--;
    }

    if (e->stat.leases > 0) {
        e->stat.leases--;
    }

    return dur_target_released(e, item->app, item->id);
}


/* An item that waits for its function: which one it is is not known here, but
 * few are paused. */
static dur_rc_t
dur_queue_remove_paused(dur_engine_t *e, uint32_t app, int64_t score,
    uint64_t id)
{
    dur_rc_t         rc;
    uint32_t         i;
    dur_function_t  *fn;

    for (i = 0; i < e->registry.nfunctions; i++) {
        fn = e->registry.functions[i];

        if (fn == NULL || (!fn->paused && !fn->resuming)) {
            continue;
        }

        rc = dur_ready_del(e, app, fn->id, score, id);
        if (rc != DUR_ENOTFOUND) {
            return rc;
        }
    }

    return DUR_ENOTFOUND;
}


/* An item that is no more does not hold up the others. */
static dur_rc_t
dur_queue_let_go(dur_engine_t *e, uint32_t app, uint64_t id)
{
    dur_registered_app_t  *a;

    a = dur_registry_app(&e->registry, app);

    return (a != NULL && a->target.hold != 0 && a->target.held == id)
           ? dur_target_hold(e, app, 0, 0) : DUR_OK;
}


dur_rc_t
dur_queue_remove(dur_engine_t *e, uint32_t app, int64_t score, uint64_t id,
    int64_t due)
{
    dur_rc_t    rc;
    dur_item_t  item;

    rc = dur_queue_lease_get(e, id, &item);

    if (rc == DUR_OK) {
        rc = dur_queue_release(e, &item);
        return rc == DUR_OK ? dur_queue_cancel(e, id, item.generation) : rc;
    }

    if (rc != DUR_ENOTFOUND) {
        return rc;
    }

    rc = dur_ready_del(e, app, 0, score, id);

    if (rc == DUR_OK) {
        return dur_queue_let_go(e, app, id);
    }

    if (rc == DUR_ENOTFOUND) {
        rc = dur_timer_del(e, due, id);
    }
    if (rc == DUR_ENOTFOUND) {
        rc = dur_queue_remove_paused(e, app, score, id);
    }

    return rc;
}


/* -- functions that go on ------------------------------------------------- */

/* Puts back what waits for the function in one app, within *left. */
static dur_rc_t
dur_queue_resume_app(dur_engine_t *e, dur_registered_app_t *app,
    uint32_t function, unsigned *left)
{
    bool           good;
    uint8_t        key[DUR_READY_KEY];
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_item_t     item;
    dur_cursor_t  *c;

    rc = dur_cursor_open(e->txn, DUR_T_READY, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    while (rc == DUR_OK && *left > 0) {
        rc = dur_cursor_seek(c, dur_ready_key(key, app->id, function, 0, 0),
                             &k, &v);

        if (rc != DUR_OK || k.len != DUR_READY_KEY
            || memcmp(k.data, key, 4 + 8) != 0)
        {
            break;
        }

        (*left)--;
        good = dur_item_decode(v, &item) == DUR_OK;

        rc = dur_cursor_del(c);

        if (rc == DUR_OK && good) {
            app->maybe_ready = true;
            rc = dur_ready_put(e, &item, 0);
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


dur_rc_t
dur_queue_resume(dur_engine_t *e, uint32_t function, bool *done)
{
    dur_rc_t   rc;
    uint32_t   i;
    unsigned   left;

    left = DUR_QUEUE_RESUMED;
    rc = DUR_OK;

    /* of every app: a function may have moved since */

    for (i = 0; rc == DUR_OK && left > 0 && i < e->registry.napps; i++) {
        if (e->registry.apps[i] != NULL) {
            rc = dur_queue_resume_app(e, e->registry.apps[i], function, &left);
        }
    }

    *done = left > 0;

    return rc;
}


dur_table_t
dur_queue_find(dur_txn_t *t, dur_item_t *item)
{
    uint8_t    key[DUR_READY_KEY];
    dur_str_t  row;

    if (dur_txn_get(t, DUR_T_LEASE, dur_lease_key(key, item->id), &row)
        == DUR_OK)
    {
        return dur_item_decode(row, item) == DUR_OK ? DUR_T_LEASE : DUR_T_MAX;
    }

    if (dur_ready_get(t, item, 0, &row) == DUR_OK
        || dur_ready_get(t, item, item->function, &row) == DUR_OK)
    {
        return dur_item_decode(row, item) == DUR_OK ? DUR_T_READY : DUR_T_MAX;
    }

    dur_put64(key, (uint64_t) item->due);
    dur_put64(key + 8, item->id);

    if (dur_txn_get(t, DUR_T_TIMER, dur_str_make(key, 16), &row) == DUR_OK) {
        return dur_item_decode(row, item) == DUR_OK ? DUR_T_TIMER : DUR_T_MAX;
    }

    return DUR_T_MAX;
}
