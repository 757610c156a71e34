/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_queue.h"
#include "engine/dur_blocked.h"
#include "engine/dur_cancellation_rule.h"
#include "engine/dur_flow_concurrency.h"
#include "engine/dur_ready.h"
#include "engine/dur_state.h"
#include "engine/dur_timer.h"
#include "engine/dur_ulid.h"
#include "engine/dur_wake.h"


/* Items of a function that goes on which one op puts back; two rows each. */
#define DUR_QUEUE_RESUMED  128


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


/* The run of the item holds a slot from now on; one that begins just now has
 * no row yet, dur_run_begin() knows. */
static dur_rc_t
dur_queue_hold(dur_engine_t *e, const dur_item_t *item)
{
    dur_rc_t   rc;
    dur_run_t  run;

    rc = dur_run_get(e->txn, &item->run, &run);

    if (rc == DUR_OK) {
        run.output.bytes = dur_arena_copy(e->arena, run.output.bytes);
        dur_flow_slot_hold(e, item, &run);
        rc = dur_run_put(e, &run);
    }

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


dur_rc_t
dur_queue_lease(dur_engine_t *e, dur_item_t *item,
    dur_registered_app_t *app)
{
    bool      start;
    uint8_t   key[8], row[DUR_ITEM_ROW];
    dur_rc_t  rc;

    dur_metrics_leased(e, item->due);

    item->generation++;
    item->due = e->now;

    start = (item->flags & DUR_ITEM_F_START) != 0;

    rc = dur_flow_take(e, item);

    if (rc == DUR_OK && start && (item->flags & DUR_ITEM_F_SLOT)) {
        rc = dur_queue_hold(e, item);
    }
    if (rc != DUR_OK) {
        return rc;
    }

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
        || e->stat.leases >= e->conf.max_concurrency
        || !dur_registry_may_call(app, &e->conf))
    {
        return false;
    }

    return (!app->ordered
            || (!app->maybe_ready && !dur_target_waits(&app->target, e->now)))
           && !dur_cancellation_concerns(e, item);
}


dur_rc_t
dur_queue_block(dur_engine_t *e, dur_item_t *item, bool woken, bool *blocked)
{
    dur_rc_t       rc;
    dur_counter_t  full;

    rc = dur_flow_admit(e, item, woken, &full);

    if (rc == DUR_OK && full.scope == 0 && !woken) {
        rc = dur_wake_first(e, item, &full);
    }

    *blocked = rc == DUR_OK && full.scope != 0;

    if (*blocked) {
        rc = dur_blocked_put(e, &full, item);
    }

    /* what it was woken for is for others, whose limit of the same counter may
     * be another one, too */

    return (rc == DUR_OK && *blocked && woken)
           ? dur_flow_touch(e, item, NULL) : rc;
}


dur_rc_t
dur_queue_push(dur_engine_t *e, dur_item_t *item)
{
    bool                   blocked;
    dur_rc_t               rc;
    uint64_t               partition;
    dur_registered_app_t  *app;

    app = dur_registry_app(&e->registry, item->app);
    partition = dur_ready_partition(e, item);
    item->due = e->now;

    if (partition == 0) {
        rc = dur_queue_block(e, item, false, &blocked);
        if (rc != DUR_OK || blocked) {
            return rc;
        }
    }

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
 * Those that were woken compete by when that was, so that the keys take turns,
 * however far back the runs of one of them are.
 */
static int64_t
dur_queue_woken_score(dur_engine_t *e, const dur_item_t *item)
{
    int64_t  score;

    score = e->now - ((int64_t) dur_ulid_ms(&item->run) - item->score);

    return score > item->score ? score : item->score;
}


/* Nobody waits for a credit, and nothing has to be asked or written first.
 * The table says so: what this process remembers of it is only a hint, and
 * another one must decide the same. */
static bool
dur_queue_goes_at_once(dur_engine_t *e, const dur_item_t *item,
    dur_registered_app_t *app)
{
    dur_function_t  *fn;

    fn = dur_registry_function(&e->registry, item->function);

    return e->credits > 0 && fn != NULL && fn->option.start == 0
           && fn->option.finish == 0 && dur_queue_may_lease(e, item, app)
           && dur_txn_count(e->txn, DUR_T_READY) == 0;
}


dur_rc_t
dur_queue_wake(dur_engine_t *e, dur_item_t *item)
{
    int64_t                score;
    dur_rc_t               rc;
    dur_registered_app_t  *app;

    app = dur_registry_app(&e->registry, item->app);

    if (dur_queue_goes_at_once(e, item, app)) {
        e->credits--;
        return dur_queue_lease(e, item, app);
    }

    if (app != NULL) {
        app->maybe_ready = true;
    }

    item->flags |= DUR_ITEM_F_WOKEN;
    score = dur_queue_woken_score(e, item);

    rc = dur_ready_put_at(e, item, 0, score);
    if (rc == DUR_OK) {
        rc = dur_woken_put(e, item, score);
    }

    return rc == DUR_OK ? dur_flow_woken(e, item, true) : rc;
}


dur_rc_t
dur_queue_unwake(dur_engine_t *e, dur_item_t *item)
{
    dur_rc_t  rc;

    item->flags &= (uint8_t) ~DUR_ITEM_F_WOKEN;

    rc = dur_woken_del(e, item->id);

    return (rc == DUR_OK || rc == DUR_ENOTFOUND)
           ? dur_flow_woken(e, item, false) : rc;
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

    rc = dur_flow_give(e, item);

    return rc == DUR_OK ? dur_target_released(e, item->app, item->id) : rc;
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


/* An item that waits for a limit, or was woken.  Those that it stood for, or
 * that its slots are for now, are looked at. */
static dur_rc_t
dur_queue_remove_placed(dur_engine_t *e, uint64_t id)
{
    int64_t        score;
    dur_rc_t       rc;
    uint32_t       app;
    dur_item_t     item;
    dur_counter_t  where;

    rc = dur_blocked_del(e, id, &where, &item);

    if (rc == DUR_OK) {
        return dur_flow_touch(e, &item, &where);
    }

    if (rc == DUR_ENOTFOUND) {
        rc = dur_woken_get(e->txn, id, &app, &score);
    }
    if (rc == DUR_OK) {
        rc = dur_queue_ready(e->txn, app, score, id, &item);
    }
    if (rc == DUR_OK) {
        rc = dur_ready_del(e, app, 0, score, id);
    }
    if (rc == DUR_OK) {
        rc = dur_queue_unwake(e, &item);
    }

    return rc == DUR_OK ? dur_flow_touch(e, &item, NULL) : rc;
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

    if (dur_txn_count(e->txn, DUR_T_PLACE) > 0) {
        rc = dur_queue_remove_placed(e, id);
        if (rc != DUR_ENOTFOUND) {
            return rc;
        }
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
    int64_t    score;
    uint8_t    key[DUR_READY_KEY];
    uint32_t   app;
    dur_str_t  row;

    if (dur_txn_get(t, DUR_T_LEASE, dur_lease_key(key, item->id), &row)
        == DUR_OK)
    {
        return dur_item_decode(row, item) == DUR_OK ? DUR_T_LEASE : DUR_T_MAX;
    }

    if (dur_txn_count(t, DUR_T_PLACE) > 0) {
        if (dur_blocked_get(t, item->id, item) == DUR_OK) {
            return DUR_T_BLOCKED;
        }

        if (dur_woken_get(t, item->id, &app, &score) == DUR_OK
            && dur_queue_ready(t, app, score, item->id, item) == DUR_OK)
        {
            return DUR_T_READY;
        }
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
