/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Functions with limits, for unit tests: events with data, an executor that
 * holds calls until it is told to answer, and the invariants of waiting.
 */

#ifndef DUR_FLOW_KIT_H
#define DUR_FLOW_KIT_H

#include "kit.h"

#include "engine/dur_blocked.h"
#include "engine/dur_flow_concurrency.h"
#include "engine/dur_state.h"

#define FLOW_CALLS  4096

/* Both are C strings. */
#define is_text(got, want, ...)  is_str(dur_str_c(got), want, __VA_ARGS__)

/* A call that is out: of which function and event. */
typedef struct {
    kit_attempt_t  attempt;
    char           fn[32];
    char           key[32];         /* event.data.k */
    int            n;               /* event.data.n */
} flow_call_t;

static struct {
    size_t       n;
    flow_call_t  calls[FLOW_CALLS];     /* out, in order */
    size_t       started;               /* calls so far */
    char         order[4096];           /* event.data.n of each call */
    unsigned     sent;
} flow;


__attribute__((unused))
static void
flow_fresh(void)
{
    kit_fresh();
    memset(&flow, 0, sizeof(flow));
}


/* Remembers the calls of the last op. */
__attribute__((unused))
static void
flow_gather(void)
{
    size_t         i, n, len;
    json_t        *data;
    const char    *url, *p;
    flow_call_t   *call;
    kit_attempt_t  list[KIT_EFFECTS_MAX];

    n = kit_calls();

    for (i = 0; i < n; i++) {
        list[i] = kit_attempt(i);
    }

    kit.n = 0;

    for (i = 0; i < n && flow.n < FLOW_CALLS; i++) {
        call = &flow.calls[flow.n++];
        memset(call, 0, sizeof(*call));
        call->attempt = list[i];
        flow.started++;

        if (kit_build(list[i]) != DUR_OK) {
            ok(false, "the call is built");
            continue;
        }

        data = kit_get("event", "data");
        p = json_string_value(json_object_get(data, "k"));
        snprintf(call->key, sizeof(call->key), "%s", p ? p : "");
        call->n = (int) json_integer_value(json_object_get(data, "n"));

        len = strlen(flow.order);
        snprintf(flow.order + len, sizeof(flow.order) - len, "%s%d",
                 len ? " " : "", call->n);

        url = memmem(kit.call.url.data, kit.call.url.len, "fnId=", 5);
        for (p = url ? url + 5 : "", len = 0;
             len < sizeof(call->fn) - 1 && *p && *p != '&'; len++)
        {
            call->fn[len] = *p++;
        }
    }
}


__attribute__((unused))
static void
flow_op(uint8_t type, uint32_t budget)
{
    kit_plain(type, budget);
    flow_gather();
}


/* Tasks, and credits for all, until nothing moves any more. */
__attribute__((unused))
static void
flow_settle(uint32_t credits)
{
    unsigned  i;

    for (i = 0; i < 5000; i++) {
        if (dur_engine_has_tasks(kit.engine)) {
            flow_op(DUR_OP_TASKS, 0);

        } else if (dur_engine_has_ready(kit.engine) && flow.n < credits) {
            flow_op(DUR_OP_DISPATCH, credits - (uint32_t) flow.n);

        } else {
            return;
        }
    }

    ok(false, "work comes to rest");
}


/* An event "t/<name>" with { "k": key, "n": n, .. more }. */
__attribute__((unused))
static dur_ulid_t
flow_send_more(const char *name, const char *key, int n, const char *more)
{
    char            full[64], json[512], id[DUR_ULID_TEXT_LEN + 1];
    dur_op_t        op;
    dur_op_event_t  event;

    memset(&event, 0, sizeof(event));
    event.id = kit_ulid(kit.entropy + 1000000);
    dur_ulid_text(&event.id, id);

    snprintf(full, sizeof(full), "t/%s", name);
    snprintf(json, sizeof(json), "{\"data\":{\"k\":\"%s\",\"n\":%d%s},"
             "\"id\":\"%s\",\"name\":\"%s\",\"ts\":%" PRId64 ",\"user\":{}}",
             key, n, more, id, full, kit.now);

    event.ts = kit.now;
    event.name = dur_str_c(full);
    event.json = dur_str_c(json);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    kit_op(&op);
    flow_gather();
    flow.sent++;

    return event.id;
}


__attribute__((unused))
static dur_ulid_t
flow_send(const char *name, const char *key, int n)
{
    return flow_send_more(name, key, n, "");
}


/* Answers the i-th call that is out. */
__attribute__((unused))
static void
flow_answer_as(size_t i, unsigned status, const char *body)
{
    kit_attempt_t  a;

    if (i >= flow.n) {
        ok(false, "call %zu is out", i);
        return;
    }

    a = flow.calls[i].attempt;
    flow.n--;
    memmove(&flow.calls[i], &flow.calls[i + 1],
            (flow.n - i) * sizeof(flow.calls[0]));

    kit_result(a, status, KIT_SDK, body);
    flow_gather();
}


__attribute__((unused))
static void
flow_answer(size_t i)
{
    flow_answer_as(i, 200, "null");
}


/* The calls out whose event has the key; NULL: all. */
__attribute__((unused))
static size_t
flow_out(const char *fn, const char *key)
{
    size_t  i, n;

    for (i = 0, n = 0; i < flow.n; i++) {
        n += (fn == NULL || strcmp(flow.calls[i].fn, fn) == 0)
             && (key == NULL || strcmp(flow.calls[i].key, key) == 0);
    }

    return n;
}


__attribute__((unused))
static uint64_t
flow_rows(dur_table_t table)
{
    uint64_t    n;
    dur_txn_t  *t;

    if (dur_txn_begin(dur_engine_store(kit.engine), false, &t) != DUR_OK) {
        return UINT64_MAX;
    }

    n = dur_txn_count(t, table);
    dur_txn_abort(t);

    return n;
}


__attribute__((unused))
static void
flow_reopen(void)
{
    dur_engine_close(kit.engine);

    if (!kit_open() || !kit_configure()) {
        exit(2);
    }
}


/* -- invariants ----------------------------------------------------------- */

/* The counters are those of the leases, and none is over its limit. */
__attribute__((unused))
static bool
flow_check_counters(dur_engine_t *e, bool lowered)
{
    bool            good;
    unsigned        i, n;
    dur_str_t       k, v;
    dur_item_t      item;
    dur_slot_t     *slot;
    dur_limit_t     list[DUR_LIMITS_MAX];
    dur_cursor_t   *c;
    dur_counters_of_t  kept, *now = &e->slots;

    kept = e->slots;
    memset(&e->slots, 0, sizeof(e->slots));
    good = dur_flow_count(e) == DUR_OK;

    for (size_t s = 0; good && s < kept.size; s++) {
        if (kept.list[s].counter.scope == 0) {
            continue;
        }

        slot = dur_counters_find(now, &kept.list[s].counter,
                                 kept.list[s].app);

        good = (slot ? slot->leased : 0) == kept.list[s].leased
               && (slot ? slot->woken : 0) == kept.list[s].woken;
    }

    dur_counters_free(&e->slots);
    e->slots = kept;

    if (!good || dur_cursor_open(e->txn, DUR_T_LEASE, &c) != DUR_OK) {
        return false;
    }

    while (good && !lowered
           && dur_cursor_next(c, &k, &v) == DUR_OK)
    {
        good = dur_item_decode(v, &item) == DUR_OK;
        n = dur_flow_limits(e, &item, list);

        for (i = 0; good && i < n; i++) {
            slot = dur_counters_find(&e->slots, &list[i].counter, 0);
            good = slot != NULL && slot->leased > 0
                   && (list[i].counter.function == 0
                       || slot->leased <= list[i].limit);
        }
    }

    dur_cursor_close(c);

    return good;
}


/* Nobody waits who could go. */
__attribute__((unused))
static bool
flow_check_waiters(dur_engine_t *e)
{
    uint64_t         group;
    dur_item_t       item;
    dur_counter_t    c, full;
    dur_function_t  *fn;

    memset(&c, 0, sizeof(c));

    while (dur_blocked_next(e->txn, &c, &item) == DUR_OK) {

        for (group = 0;
             dur_blocked_first(e, &c, group, &item) == DUR_OK;
             group = dur_blocked_group(&item) + 1)
        {
            fn = dur_registry_function(&e->registry, item.function);

            if (!fn->paused
                && (dur_flow_admit(e, &item, false, &full) != DUR_OK
                    || full.scope == 0))
            {
                printf("# item %llu could go\n",
                       (unsigned long long) item.id);
                return false;
            }
        }
    }

    return true;
}


__attribute__((unused))
static bool
flow_check_as(const char *when, bool lowered)
{
    bool           counters, waiters, places;
    uint64_t       blocked, placed;
    dur_engine_t  *e = kit.engine;

    if (dur_txn_begin(e->store, false, &e->txn) != DUR_OK) {
        return ok(false, "the store is read");
    }

    counters = flow_check_counters(e, lowered);
    waiters = dur_engine_has_tasks(e) || flow_check_waiters(e);

    blocked = dur_txn_count(e->txn, DUR_T_BLOCKED);
    placed = dur_txn_count(e->txn, DUR_T_PLACE);
    places = placed >= blocked
             && placed - blocked <= dur_txn_count(e->txn, DUR_T_READY);

    dur_txn_abort(e->txn);
    e->txn = NULL;

    return (counters && waiters && places)
           || ok(false, "%s:%s%s%s", when,
                 counters ? "" : " a counter is wrong",
                 waiters ? "" : " somebody waits who could go",
                 places ? "" : " the places do not fit");
}


__attribute__((unused))
static bool
flow_check(const char *when)
{
    return flow_check_as(when, false);
}


/* Answers all there is; how many calls were out at most, of fn and key. */
__attribute__((unused))
static size_t
flow_drain(const char *fn, const char *key, uint32_t credits)
{
    size_t    most, out;
    unsigned  i;

    most = 0;

    for (i = 0; i < 20000; i++) {
        flow_settle(credits);

        out = flow_out(fn, key);
        most = out > most ? out : most;

        if (!flow_check("while it goes on") || flow.n == 0) {
            return most;
        }

        flow_answer(0);
    }

    ok(false, "all of it ends");

    return most;
}

#endif /* DUR_FLOW_KIT_H */
