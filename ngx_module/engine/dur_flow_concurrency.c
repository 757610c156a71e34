/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_flow_concurrency.h"
#include "engine/dur_blocked.h"
#include "engine/dur_flow.h"
#include "engine/dur_flow_throttle.h"
#include "engine/dur_state.h"


static dur_function_t *
dur_flow_function(dur_engine_t *e, const dur_item_t *item)
{
    dur_function_t  *fn;

    fn = dur_registry_function(&e->registry, item->function);

    return (fn != NULL && dur_option_waits(&fn->option)) ? fn : NULL;
}


/* -- what an item is subject to ------------------------------------------- */

static const dur_item_key_t *
dur_flow_key_of(const dur_item_t *item, uint32_t hash)
{
    for (unsigned i = 0; i < item->nkeys; i++) {
        if (item->keys[i].key == hash) {
            return &item->keys[i];
        }
    }

    return NULL;
}


/* Puts a limit where it belongs; of two of one counter the lower counts. */
static unsigned
dur_flow_limit_add(dur_limit_t *list, unsigned n, const dur_limit_t *limit)
{
    int       cmp;
    unsigned  i;

    for (i = 0; i < n; i++) {
        cmp = dur_counter_cmp(&list[i].counter, &limit->counter);

        if (cmp == 0) {
            if (limit->limit < list[i].limit) {
                list[i].limit = limit->limit;
            }
            return n;
        }

        if (cmp < 0) {
            break;
        }
    }

    memmove(&list[i + 1], &list[i], (n - i) * sizeof(*list));
    list[i] = *limit;

    return n + 1;
}


/* One limit with its key's hash, or 0. */
static unsigned
dur_flow_limit_of(const dur_item_t *item, dur_scope_t scope, uint32_t limit,
    uint32_t hash, dur_limit_t *list, unsigned n)
{
    dur_limit_t            one;
    const dur_item_key_t  *key;

    key = hash != 0 ? dur_flow_key_of(item, hash) : NULL;

    if (limit == 0 || (hash != 0 && key == NULL)) {
        return n;
    }

    memset(&one, 0, sizeof(one));

    one.limit = limit;
    one.counter.scope = (uint8_t) scope;
    one.counter.function = (scope == DUR_SCOPE_ENV
                            || scope == DUR_SCOPE_ACCOUNT)
                           ? 0 : item->function;
    one.counter.value = key != NULL ? key->value : 0;

    return dur_flow_limit_add(list, n, &one);
}


unsigned
dur_flow_limits(dur_engine_t *e, const dur_item_t *item,
    dur_limit_t list[DUR_LIMITS_MAX])
{
    unsigned             i, n;
    dur_option_t        *o;
    dur_function_t      *fn;
    dur_option_limit_t  *l;

    fn = dur_flow_function(e, item);

    if (fn == NULL) {
        return 0;
    }

    n = 0;
    o = &fn->option;

    for (i = 0; i < o->nlimits; i++) {
        l = &o->limits[i];
        n = dur_flow_limit_of(item, l->scope, l->limit, l->hash, list, n);
    }

    if ((item->flags & DUR_ITEM_F_START) == 0) {
        return n;
    }

    n = dur_flow_limit_of(item, DUR_SCOPE_RUNS, o->runs.limit, o->runs.hash,
                          list, n);

    return dur_flow_limit_of(item, DUR_SCOPE_THROTTLE, o->throttle.limit,
                             o->throttle.hash, list, n);
}


/* -- slots of runs -------------------------------------------------------- */

static dur_str_t
dur_flow_runs_key(uint8_t key[DUR_FLOW_KEY], const dur_counter_t *c)
{
    uint8_t  hash[DUR_FLOW_HASH];

    memset(hash, 0, sizeof(hash));
    dur_put64(hash, c->value);

    return dur_flow_key(key, DUR_FLOW_RUNS, c->function, hash);
}


static dur_rc_t
dur_flow_runs_get(dur_engine_t *e, const dur_counter_t *c, uint32_t *n)
{
    uint8_t    key[DUR_FLOW_KEY];
    dur_rc_t   rc;
    dur_str_t  row;
    dur_dec_t  r;

    *n = 0;

    rc = dur_txn_get(e->txn, DUR_T_FLOW, dur_flow_runs_key(key, c), &row);

    if (rc == DUR_OK) {
        dur_dec_init(&r, row);
        dur_dec_begin(&r);
        *n = dur_dec_u32(&r);
        dur_dec_end(&r);
    }

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static dur_rc_t
dur_flow_runs_put(dur_engine_t *e, const dur_counter_t *c, uint32_t n)
{
    uint8_t    key[DUR_FLOW_KEY], row[16];
    dur_rc_t   rc;
    dur_enc_t  w;

    if (n == 0) {
        rc = dur_txn_del(e->txn, DUR_T_FLOW, dur_flow_runs_key(key, c));
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    dur_enc_init(&w, row, sizeof(row));
    dur_enc_begin(&w);
    dur_enc_u32(&w, n);
    dur_enc_end(&w);

    return dur_txn_put(e->txn, DUR_T_FLOW, dur_flow_runs_key(key, c),
                       dur_enc_done(&w));
}


void
dur_flow_slot_hold(dur_engine_t *e, const dur_item_t *item, dur_run_t *run)
{
    const dur_item_key_t  *key;
    const dur_function_t  *fn;

    if ((item->flags & DUR_ITEM_F_SLOT) == 0) {
        return;
    }

    fn = dur_registry_function(&e->registry, item->function);
    key = fn != NULL ? dur_flow_key_of(item, fn->option.runs.hash) : NULL;

    run->flags |= DUR_RUN_F_SLOT;
    run->slot = key != NULL ? key->value : 0;
}


dur_rc_t
dur_flow_slot_free(dur_engine_t *e, dur_run_t *run)
{
    dur_rc_t       rc;
    uint32_t       n;
    dur_counter_t  c;

    if ((run->flags & DUR_RUN_F_SLOT) == 0) {
        return DUR_OK;
    }

    memset(&c, 0, sizeof(c));
    c.scope = DUR_SCOPE_RUNS;
    c.function = run->function;
    c.value = run->slot;

    run->flags &= (uint16_t) ~DUR_RUN_F_SLOT;

    rc = dur_flow_runs_get(e, &c, &n);

    if (rc == DUR_OK) {
        rc = dur_flow_runs_put(e, &c, n > 0 ? n - 1 : 0);
    }

    return rc == DUR_OK ? dur_counters_touch(&e->slots, &c) : rc;
}


/* -- room ----------------------------------------------------------------- */

static bool
dur_flow_is_shared(const dur_counter_t *c)
{
    return c->function == 0;
}


/* Woken items that will take the counter before anybody else does; those of
 * apps that are parked hold up nobody of another one. */
static uint32_t
dur_flow_count_woken(dur_engine_t *e, const dur_counter_t *c)
{
    uint32_t     i, n;
    dur_slot_t  *slot, *parked;

    slot = dur_counters_find(&e->slots, c, 0);
    n = slot != NULL ? slot->woken : 0;

    for (i = 0; n > 0 && dur_flow_is_shared(c) && i < e->registry.napps; i++) {
        if (e->registry.apps[i] == NULL
            || e->registry.apps[i]->target.parked == 0)
        {
            continue;
        }

        parked = dur_counters_find(&e->slots, c, i + 1);
        n -= parked != NULL && parked->woken < n ? parked->woken
             : parked != NULL ? n : 0;
    }

    return n;
}


static dur_rc_t
dur_flow_room(dur_engine_t *e, const dur_limit_t *limit, int64_t *room)
{
    dur_rc_t     rc;
    uint32_t     n;
    dur_slot_t  *slot;

    switch (limit->counter.scope) {

    case DUR_SCOPE_THROTTLE:
        return dur_flow_throttle_room(e, &limit->counter, room);

    case DUR_SCOPE_RUNS:
        rc = dur_flow_runs_get(e, &limit->counter, &n);
        break;

    default:
        rc = DUR_OK;
        slot = dur_counters_find(&e->slots, &limit->counter, 0);
        n = slot != NULL ? slot->leased : 0;
    }

    *room = (int64_t) limit->limit - n;

    return rc;
}


dur_rc_t
dur_flow_admit(dur_engine_t *e, const dur_item_t *item, bool woken,
    dur_counter_t *full)
{
    int64_t      room;
    dur_rc_t     rc;
    unsigned     i, n;
    dur_limit_t  list[DUR_LIMITS_MAX];

    memset(full, 0, sizeof(*full));

    n = dur_flow_limits(e, item, list);

    for (i = 0; i < n; i++) {
        rc = dur_flow_room(e, &list[i], &room);
        if (rc != DUR_OK) {
            return rc;
        }

        if (!woken) {
            room -= dur_flow_count_woken(e, &list[i].counter);
        }

        if (room <= 0) {
            *full = list[i].counter;
            return DUR_OK;
        }
    }

    return DUR_OK;
}


/* -- taking and giving ---------------------------------------------------- */

static dur_rc_t
dur_flow_take_one(dur_engine_t *e, const dur_limit_t *limit,
    dur_item_t *item)
{
    dur_rc_t     rc;
    uint32_t     n;
    dur_slot_t  *slot;

    switch (limit->counter.scope) {

    case DUR_SCOPE_THROTTLE:
        rc = dur_flow_throttle_take(e, &limit->counter);

        /* those behind it are let go later than was thought */

        return rc == DUR_OK ? dur_counters_touch(&e->slots, &limit->counter)
                            : rc;

    case DUR_SCOPE_RUNS:
        item->flags |= DUR_ITEM_F_SLOT;

        rc = dur_flow_runs_get(e, &limit->counter, &n);

        return rc == DUR_OK ? dur_flow_runs_put(e, &limit->counter, n + 1)
                            : rc;

    default:
        rc = dur_counters_slot(&e->slots, &limit->counter, 0, &slot);
        if (rc == DUR_OK) {
            slot->leased++;
        }

        return rc;
    }
}


dur_rc_t
dur_flow_take(dur_engine_t *e, dur_item_t *item)
{
    dur_rc_t     rc;
    unsigned     i, n;
    dur_limit_t  list[DUR_LIMITS_MAX];

    n = dur_flow_limits(e, item, list);

    for (i = 0, rc = DUR_OK; rc == DUR_OK && i < n; i++) {
        rc = dur_flow_take_one(e, &list[i], item);
    }

    item->flags &= (uint8_t) ~DUR_ITEM_F_START;

    return rc;
}


dur_rc_t
dur_flow_give(dur_engine_t *e, const dur_item_t *item)
{
    dur_rc_t      rc;
    unsigned      i, n;
    dur_slot_t   *slot;
    dur_limit_t   list[DUR_LIMITS_MAX];

    n = dur_flow_limits(e, item, list);

    for (i = 0, rc = DUR_OK; rc == DUR_OK && i < n; i++) {
        slot = dur_counters_find(&e->slots, &list[i].counter, 0);

        if (slot != NULL && slot->leased > 0) {
            slot->leased--;
        }

        rc = dur_counters_touch(&e->slots, &list[i].counter);
    }

    return rc;
}


static dur_rc_t
dur_flow_woken_one(dur_engine_t *e, const dur_counter_t *c, uint32_t app,
    bool woken)
{
    dur_rc_t     rc;
    dur_slot_t  *slot;

    rc = dur_counters_slot(&e->slots, c, app, &slot);

    if (rc == DUR_OK && woken) {
        slot->woken++;

    } else if (rc == DUR_OK && slot->woken > 0) {
        slot->woken--;
    }

    return rc;
}


dur_rc_t
dur_flow_woken(dur_engine_t *e, const dur_item_t *item, bool woken)
{
    dur_rc_t      rc;
    unsigned      i, n;
    dur_limit_t   list[DUR_LIMITS_MAX];

    n = dur_flow_limits(e, item, list);

    for (i = 0, rc = DUR_OK; rc == DUR_OK && i < n; i++) {
        rc = dur_flow_woken_one(e, &list[i].counter, 0, woken);

        if (rc == DUR_OK && dur_flow_is_shared(&list[i].counter)) {
            rc = dur_flow_woken_one(e, &list[i].counter, item->app, woken);
        }
    }

    return rc;
}


dur_rc_t
dur_flow_touch(dur_engine_t *e, const dur_item_t *item,
    const dur_counter_t *except)
{
    dur_rc_t     rc;
    unsigned     i, n;
    dur_limit_t  list[DUR_LIMITS_MAX];

    n = dur_flow_limits(e, item, list);

    for (i = 0, rc = DUR_OK; rc == DUR_OK && i < n; i++) {
        if (except == NULL
            || dur_counter_cmp(&list[i].counter, except) != 0)
        {
            rc = dur_counters_touch(&e->slots, &list[i].counter);
        }
    }

    return rc;
}


/* -- the process ---------------------------------------------------------- */

static dur_rc_t
dur_flow_count_lease(dur_engine_t *e, dur_str_t row)
{
    dur_rc_t      rc;
    unsigned      i, n;
    dur_item_t    item;
    dur_slot_t   *slot;
    dur_limit_t   list[DUR_LIMITS_MAX];

    if (dur_item_decode(row, &item) != DUR_OK) {
        return DUR_OK;
    }

    n = dur_flow_limits(e, &item, list);

    for (i = 0, rc = DUR_OK; rc == DUR_OK && i < n; i++) {
        rc = dur_counters_slot(&e->slots, &list[i].counter, 0, &slot);
        if (rc == DUR_OK) {
            slot->leased++;
        }
    }

    return rc;
}


static dur_rc_t
dur_flow_count_leases(dur_engine_t *e)
{
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    rc = dur_cursor_open(e->txn, DUR_T_LEASE, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_str_null, &k, &v);
         rc == DUR_OK;
         rc = dur_cursor_next(c, &k, &v))
    {
        rc = dur_flow_count_lease(e, v);
        if (rc != DUR_OK) {
            break;
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* A row that says where a woken item stands. */
static dur_rc_t
dur_flow_count_place(dur_engine_t *e, dur_str_t k)
{
    int64_t     score;
    uint32_t    app;
    dur_item_t  item;

    return dur_woken_get(e->txn, dur_get64(k.data + 1), &app, &score)
           == DUR_OK
           && dur_queue_ready(e->txn, app, score, dur_get64(k.data + 1),
                              &item) == DUR_OK
           ? dur_flow_woken(e, &item, true) : DUR_OK;
}


static dur_rc_t
dur_flow_count_woken_items(dur_engine_t *e)
{
    dur_rc_t       rc;
    dur_str_t      k;
    dur_cursor_t  *c;

    static const uint8_t  first[] = { 'w' };

    rc = dur_cursor_open(e->txn, DUR_T_PLACE, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_str_make(first, 1), &k, NULL);
         rc == DUR_OK && k.len == 1 + 8 && k.data[0] == first[0];
         rc = dur_cursor_next(c, &k, NULL))
    {
        rc = dur_flow_count_place(e, k);
        if (rc != DUR_OK) {
            break;
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


dur_rc_t
dur_flow_count(dur_engine_t *e)
{
    dur_rc_t  rc;

    dur_counters_clear(&e->slots);

    rc = dur_flow_count_leases(e);

    return rc == DUR_OK ? dur_flow_count_woken_items(e) : rc;
}


dur_rc_t
dur_flow_parked(dur_engine_t *e, uint32_t app)
{
    size_t       i;
    dur_rc_t     rc;
    dur_slot_t  *slot;

    for (i = 0, rc = DUR_OK; rc == DUR_OK && i < e->slots.size; i++) {
        slot = &e->slots.list[i];

        if (slot->app == app && slot->woken > 0) {
            rc = dur_counters_touch(&e->slots, &slot->counter);
        }
    }

    return rc;
}
