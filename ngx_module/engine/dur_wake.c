/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_wake.h"
#include "engine/dur_blocked.h"
#include "engine/dur_flow_concurrency.h"
#include "engine/dur_flow_throttle.h"
#include "engine/dur_state.h"
#include "engine/dur_task.h"


/* Waiters that move to wider counters with a key before those behind them are
 * taken to be of the same key. */
#define DUR_WAKE_WIDE      8

/* Counters of one task that wakes, and that one piece looks at. */
#define DUR_WAKE_TASK      64
#define DUR_WAKE_FUNCTION  32


/* -- one counter ---------------------------------------------------------- */

/* From one counter to another one. */
static dur_rc_t
dur_wake_move(dur_engine_t *e, const dur_counter_t *from,
    const dur_counter_t *to, dur_item_t *item)
{
    dur_rc_t       rc;
    unsigned       i, n;
    dur_limit_t    list[DUR_LIMITS_MAX];
    dur_counter_t  c;

    rc = dur_blocked_del(e, item->id, &c, item);
    if (rc == DUR_OK) {
        rc = dur_blocked_put(e, to, item);
    }

    if (rc != DUR_OK || dur_counter_cmp(to, from) < 0) {
        return rc;
    }

    /* it may have stood for those who wait for another one of its counters */

    n = dur_flow_limits(e, item, list);

    for (i = 0; rc == DUR_OK && i < n; i++) {
        if (dur_counter_cmp(&list[i].counter, from) > 0
            && dur_counter_cmp(&list[i].counter, to) != 0)
        {
            rc = dur_counters_touch(&e->slots, &list[i].counter);
        }
    }

    return rc;
}


/*
 * A waiter of c could not go for `full`.  Whether those behind it cannot go
 * either, as they are subject to the same; *moved: how many were not asked.
 */
static bool
dur_wake_stops(const dur_counter_t *c, const dur_counter_t *full,
    unsigned *moved)
{
    bool  begins;

    begins = full->scope == DUR_SCOPE_RUNS
             || full->scope == DUR_SCOPE_THROTTLE;

    if (!begins && dur_counter_cmp(full, c) > 0) {
        return false;
    }

    /* of keys that is not known: a run that begins must not be held up by the
     * calls of another one, but calls end */

    if (full->value != 0 && !begins
        && (c->scope == DUR_SCOPE_RUNS || c->scope == DUR_SCOPE_THROTTLE))
    {
        return false;
    }

    return full->value == 0 || ++(*moved) == DUR_WAKE_WIDE;
}


/* A registration took the limit away: nobody ever gives it back, so that all
 * who wait there have to move. */
static bool
dur_wake_is_stale(dur_engine_t *e, const dur_counter_t *c,
    const dur_item_t *item)
{
    unsigned     i, n;
    dur_limit_t  list[DUR_LIMITS_MAX];

    n = dur_flow_limits(e, item, list);

    for (i = 0; i < n; i++) {
        if (dur_counter_cmp(&list[i].counter, c) == 0) {
            return false;
        }
    }

    return true;
}


/* The first item of a group that can go; what cannot moves to where it must
 * wait.  *good: there is one. */
static dur_rc_t
dur_wake_head(dur_engine_t *e, const dur_counter_t *c, dur_item_t *item,
    bool *good)
{
    bool             stale;
    dur_rc_t         rc;
    uint64_t         group;
    unsigned         moved;
    dur_counter_t    full;
    dur_function_t  *fn;

    *good = false;
    moved = 0;
    group = dur_blocked_group(item);

    fn = dur_registry_function(&e->registry, item->function);

    if (fn != NULL && fn->paused) {
        return DUR_OK;
    }

    for ( ;; ) {
        stale = dur_wake_is_stale(e, c, item);
        rc = dur_flow_admit(e, item, false, &full);

        if (rc != DUR_OK || full.scope == 0) {
            *good = rc == DUR_OK;
            return rc;
        }

        if (dur_counter_cmp(&full, c) == 0 || e->wakes == 0) {
            return DUR_OK;
        }

        e->wakes--;

        rc = dur_wake_move(e, c, &full, item);

        if (rc != DUR_OK || (!stale && dur_wake_stops(c, &full, &moved))) {
            return rc;
        }

        rc = dur_blocked_first(e, c, group, item);

        if (rc != DUR_OK || dur_blocked_group(item) != group) {
            return rc == DUR_ENOTFOUND ? DUR_OK : rc;
        }
    }
}


static bool
dur_wake_is_parked(dur_engine_t *e, const dur_item_t *item)
{
    dur_registered_app_t  *app;

    app = dur_registry_app(&e->registry, item->app);

    return app == NULL || app->target.parked != 0;
}


/* Those whose app answers come before the others, then the oldest. */
static bool
dur_wake_before(dur_engine_t *e, const dur_item_t *a, const dur_item_t *b)
{
    bool  x, y;

    x = dur_wake_is_parked(e, a);
    y = dur_wake_is_parked(e, b);

    if (x != y) {
        return y;
    }

    return a->score != b->score ? a->score < b->score : a->id < b->id;
}


/* Who is next at the counter; DUR_ENOTFOUND. */
static dur_rc_t
dur_wake_pick(dur_engine_t *e, const dur_counter_t *c, dur_item_t *best)
{
    bool        good, found;
    dur_rc_t    rc;
    uint64_t    group;
    dur_item_t  item;

    found = false;
    group = 0;

    do {
        rc = dur_blocked_first(e, c, group, &item);
        if (rc != DUR_OK) {
            break;
        }

        group = dur_blocked_group(&item) + 1;

        rc = dur_wake_head(e, c, &item, &good);

        if (rc == DUR_OK && good
            && (!found || dur_wake_before(e, &item, best)))
        {
            *best = item;
            found = true;
        }

    } while (rc == DUR_OK);

    if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
        return rc;
    }

    return found ? DUR_OK : DUR_ENOTFOUND;
}


/* Those who wait for a throttle are woken by the clock. */
static dur_rc_t
dur_wake_throttle(dur_engine_t *e, const dur_counter_t *c)
{
    int64_t      room;
    dur_rc_t     rc;
    dur_item_t   item;
    dur_slot_t  *slot;

    /* who is on the way takes, and looks back here then */

    slot = dur_counters_find(&e->slots, c, 0);

    if (slot != NULL && slot->woken > 0) {
        return DUR_OK;
    }

    rc = dur_blocked_first(e, c, 0, &item);
    if (rc == DUR_OK) {
        rc = dur_flow_throttle_room(e, c, &room);
    }

    if (rc != DUR_OK || room > 0) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    return dur_flow_throttle_arm(e, c);
}


static dur_rc_t
dur_wake_counter(dur_engine_t *e, const dur_counter_t *c)
{
    dur_rc_t       rc;
    dur_item_t     item;
    dur_counter_t  where;

    for ( ;; ) {
        rc = dur_wake_pick(e, c, &item);
        if (rc != DUR_OK) {
            break;
        }

        if (e->wakes == 0) {
            return dur_counters_touch(&e->slots, c);
        }

        e->wakes--;

        rc = dur_blocked_del(e, item.id, &where, &item);
        if (rc == DUR_OK) {
            rc = dur_queue_wake(e, &item);
        }
        if (rc == DUR_OK) {
            rc = dur_flow_touch(e, &item, c);
        }
        if (rc != DUR_OK) {
            return rc;
        }
    }

    if (rc == DUR_ENOTFOUND && e->wakes == 0) {
        /* it was not looked at to the end */
        return dur_counters_touch(&e->slots, c);
    }

    if (rc == DUR_ENOTFOUND && c->scope == DUR_SCOPE_THROTTLE) {
        return dur_wake_throttle(e, c);
    }

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* -- an op ---------------------------------------------------------------- */

/* Takes the narrowest out, so that who goes there takes the wider ones along;
 * the order does not depend on that of the list. */
static void
dur_wake_take(dur_counters_of_t *s, dur_counter_t *c)
{
    size_t  i, best;

    for (i = 1, best = 0; i < s->ntouched; i++) {
        if (dur_counter_cmp(&s->touched[i], &s->touched[best]) > 0) {
            best = i;
        }
    }

    *c = s->touched[best];

    for (i = 0; i < s->ntouched; ) {
        if (dur_counter_cmp(&s->touched[i], c) == 0) {
            s->touched[i] = s->touched[--s->ntouched];
        } else {
            i++;
        }
    }
}


dur_rc_t
dur_wake(dur_engine_t *e)
{
    dur_rc_t       rc;
    dur_counter_t  c;

    for (rc = DUR_OK; rc == DUR_OK && e->slots.ntouched > 0 && e->wakes > 0; )
    {
        e->wakes--;

        dur_wake_take(&e->slots, &c);
        rc = dur_wake_counter(e, &c);
    }

    return rc;
}


dur_rc_t
dur_wake_end(dur_engine_t *e)
{
    size_t         n;
    uint8_t        cursor[DUR_WAKE_TASK * DUR_COUNTER_KEY];
    dur_rc_t       rc;
    dur_ulid_t     nothing = { { 0 } };
    dur_counter_t  c;

    if (e->slots.ntouched == 0) {
        return DUR_OK;
    }

    if (dur_txn_count(e->txn, DUR_T_BLOCKED) == 0) {
        e->slots.ntouched = 0;
        return DUR_OK;
    }

    rc = dur_wake(e);

    while (rc == DUR_OK && e->slots.ntouched > 0) {
        for (n = 0; n < DUR_WAKE_TASK && e->slots.ntouched > 0; n++) {
            dur_wake_take(&e->slots, &c);
            dur_counter_put(cursor + n * DUR_COUNTER_KEY, &c);
        }

        rc = dur_task_add(e, DUR_TASK_WAKE, &nothing,
                          dur_str_make(cursor, n * DUR_COUNTER_KEY));
    }

    return rc;
}


/* Whether somebody of the item's function waits longer. */
static dur_rc_t
dur_wake_older(dur_engine_t *e, const dur_counter_t *c,
    const dur_item_t *item, bool *older)
{
    dur_rc_t    rc;
    uint64_t    group;
    dur_item_t  first;

    *older = false;
    group = (uint64_t) item->function << 1;

    do {
        rc = dur_blocked_first(e, c, group, &first);
        if (rc != DUR_OK || first.function != item->function) {
            return rc == DUR_ENOTFOUND ? DUR_OK : rc;
        }

        *older = first.score < item->score
                 || (first.score == item->score && first.id < item->id);
        group = dur_blocked_group(&first) + 1;

    } while (!*older);

    return DUR_OK;
}


dur_rc_t
dur_wake_first(dur_engine_t *e, const dur_item_t *item, dur_counter_t *full)
{
    bool         older;
    dur_rc_t     rc;
    unsigned     i, n;
    dur_limit_t  list[DUR_LIMITS_MAX];

    memset(full, 0, sizeof(*full));

    n = dur_flow_limits(e, item, list);

    for (i = 0; i < n; i++) {

        /* elsewhere nobody waits while there is room; a throttle gets room as
         * time goes by */

        if (list[i].counter.scope != DUR_SCOPE_THROTTLE
            && !dur_counters_touched(&e->slots, &list[i].counter))
        {
            continue;
        }

        rc = dur_wake_older(e, &list[i].counter, item, &older);

        if (rc != DUR_OK || older) {
            *full = list[i].counter;
            return rc;
        }
    }

    return DUR_OK;
}


/* -- tasks ---------------------------------------------------------------- */

dur_rc_t
dur_wake_more(dur_engine_t *e, dur_str_t cursor)
{
    size_t         i;
    dur_rc_t       rc;
    dur_counter_t  c;

    for (i = 0, rc = DUR_OK;
         rc == DUR_OK && i + DUR_COUNTER_KEY <= cursor.len;
         i += DUR_COUNTER_KEY)
    {
        dur_counter_get(cursor.data + i, &c);
        rc = dur_counters_touch(&e->slots, &c);
    }

    return rc;
}


static void
dur_wake_cursor(uint8_t cursor[4 + DUR_COUNTER_KEY], uint32_t function,
    const dur_counter_t *c)
{
    dur_put32(cursor, function);
    dur_counter_put(cursor + 4, c);
}


dur_rc_t
dur_wake_function(dur_engine_t *e, uint32_t function)
{
    uint8_t        cursor[4 + DUR_COUNTER_KEY];
    dur_ulid_t     nothing = { { 0 } };
    dur_counter_t  c;

    memset(&c, 0, sizeof(c));
    dur_wake_cursor(cursor, function, &c);

    return dur_task_add(e, DUR_TASK_LIMITS, &nothing,
                        dur_str_make(cursor, sizeof(cursor)));
}


/* The next counter that may be the function's; DUR_ENOTFOUND behind all. */
static dur_rc_t
dur_wake_next(dur_engine_t *e, uint32_t function, dur_counter_t *c)
{
    dur_rc_t    rc;
    dur_item_t  item;

    for ( ;; ) {
        rc = dur_blocked_next(e->txn, c, &item);

        if (rc != DUR_OK || c->function == 0 || c->function == function) {
            return rc;
        }

        /* over those of other functions, in the order of the keys */

        if (c->function < function) {
            c->function = function - 1;

        } else {
            c->function = UINT32_MAX;
        }

        c->value = UINT64_MAX;
    }
}


dur_rc_t
dur_wake_function_more(dur_engine_t *e, dur_buf_t *cursor, bool *done)
{
    uint8_t        bytes[4 + DUR_COUNTER_KEY];
    dur_rc_t       rc;
    unsigned       i;
    uint32_t       function;
    dur_counter_t  c;

    *done = true;

    if (cursor->len != sizeof(bytes)) {
        return DUR_ECORRUPT;
    }

    function = dur_get32(cursor->data);
    dur_counter_get(cursor->data + 4, &c);

    for (i = 0, rc = DUR_OK; rc == DUR_OK && i < DUR_WAKE_FUNCTION; i++) {
        rc = dur_wake_next(e, function, &c);
        if (rc == DUR_OK) {
            rc = dur_counters_touch(&e->slots, &c);
        }
    }

    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    *done = false;
    dur_wake_cursor(bytes, function, &c);
    dur_buf_reset(cursor);

    return dur_buf_add(cursor, bytes, sizeof(bytes));
}
