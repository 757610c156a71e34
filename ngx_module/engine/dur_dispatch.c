/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_queue.h"
#include "engine/dur_cancellation_rule.h"
#include "engine/dur_deadline.h"
#include "engine/dur_flow_concurrency.h"
#include "engine/dur_ready.h"
#include "engine/dur_state.h"
#include "engine/dur_wake.h"


/* Ready items one op passes by: of functions that are paused or at a limit,
 * of runs whose time is over. */
#define DUR_QUEUE_PASSED  64


/* What became of the turn of an app. */
typedef enum {
    DUR_TURN_IDLE = 0,
    DUR_TURN_PASSED,
    DUR_TURN_LEASED
} dur_turn_t;


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


/* What is popped and cannot go out: its function is paused, a limit is full,
 * a cancellation stops it, or its time is over. */
static dur_rc_t
dur_queue_pass(dur_engine_t *e, dur_item_t *item, bool *passed)
{
    bool      woken;
    dur_rc_t  rc;
    uint64_t  partition;

    woken = (item->flags & DUR_ITEM_F_WOKEN) != 0;

    if (woken) {
        rc = dur_queue_unwake(e, item);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    partition = dur_ready_partition(e, item);

    if (partition != 0 || dur_queue_resumes(e, item)) {
        *passed = true;
        rc = dur_ready_put(e, item, partition);

    } else {
        rc = dur_queue_block(e, item, woken, passed);
        if (rc != DUR_OK || *passed) {
            return rc;
        }

        rc = dur_cancellation_stops(e, item, passed);

        if (rc == DUR_OK && !*passed) {
            rc = dur_deadline_lease(e, item, passed);
        }
    }

    return (rc == DUR_OK && *passed && woken)
           ? dur_flow_touch(e, item, NULL) : rc;
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

    if (e->stat.leases >= e->conf.max_concurrency) {
        budget = 0;

    } else if (budget > e->conf.max_concurrency - e->stat.leases) {
        budget = (unsigned) (e->conf.max_concurrency - e->stat.leases);
    }

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
        if (rc == DUR_OK && e->slots.ntouched > 0) {
            rc = dur_wake(e);
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
