/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What must hold after every commit: the rows of the store agree with each
 * other, with the engine's own figures, and with what the models saw.
 */

#include "sim_check.h"


static const char  *sim_tables[] = {
    [DUR_T_READY] = "ready",
    [DUR_T_LEASE] = "lease",
    [DUR_T_TIMER] = "timer",
    [DUR_T_BLOCKED] = "blocked",
};


void
sim_view_open(sim_t *s, dur_txn_t **txn)
{
    if (dur_txn_begin(dur_engine_store(s->engine), false, txn) != DUR_OK) {
        sim_fail(s, "the store cannot be read");
    }
}


/* Work of a function that is paused waits apart; some that was ready when it
 * paused may not have moved yet. */
static void
sim_view_partition(sim_view_t *v, const sim_item_t *it)
{
    unsigned  fn;

    if (it->partition == 0) {
        return;
    }

    fn = it->item.function < SIM_IDS_MAX
         ? v->s->fn_ids[it->item.function] : 0;

    if (it->partition != it->item.function
        || (fn > 0 && !v->s->fns[fn - 1].paused
            && !dur_engine_has_tasks(v->s->engine)))
    {
        sim_fail(v->s, "item %" PRIu64 " waits for a function that is not "
                 "paused", it->id);
    }
}


/* Every item of a table; one item is in one place. */
static void
sim_view_items(sim_view_t *v, dur_table_t table)
{
    unsigned       i;
    dur_rc_t       rc;
    dur_str_t      key, value;
    sim_item_t    *it;
    dur_cursor_t  *c;

    if (dur_cursor_open(v->txn, table, &c) != DUR_OK) {
        sim_fail(v->s, "a table cannot be read");
    }

    for (rc = dur_cursor_seek(c, dur_str_null, &key, &value);
         rc == DUR_OK;
         rc = dur_cursor_next(c, &key, &value))
    {
        if (v->nitems == SIM_ITEMS_MAX) {
            sim_fail(v->s, "the simulation is too small for its items");
        }

        it = &v->items[v->nitems];
        memset(it, 0, sizeof(*it));

        if (dur_item_decode(value, &it->item) != DUR_OK) {
            sim_fail(v->s, "a row of %s is no item", sim_tables[table]);
        }

        it->id = it->item.id;
        it->table = table;
        it->run = -1;

        if (table == DUR_T_READY) {
            it->partition = dur_get64(key.data + 4);
            sim_view_partition(v, it);
        }

        if (table == DUR_T_BLOCKED) {
            dur_counter_get(key.data, &it->counter);
        }

        for (i = 0; i < v->nitems; i++) {
            if (v->items[i].id == it->id) {
                sim_fail(v->s, "item %" PRIu64 " is in %s and in %s", it->id,
                         sim_tables[v->items[i].table], sim_tables[table]);
            }
        }

        if (table == DUR_T_TIMER && v->first_timer == INT64_MAX) {
            v->first_timer = (int64_t) dur_get64(key.data);
        }

        v->nitems++;
    }

    dur_cursor_close(c);
}


/* Items are of live runs, and the engine's figures are the store's. */
static void
sim_view_figures(sim_view_t *v)
{
    bool               ready;
    int64_t            probe;
    unsigned           i, j, n;
    sim_item_t        *it;
    dur_target_t      *target;
    dur_engine_stat_t  stat;

    ready = false;
    probe = INT64_MAX;

    for (i = 0; i < v->nitems; i++) {
        it = &v->items[i];

        if (!it->counted) {
            sim_fail(v->s, "item %" PRIu64 " in %s is of no run", it->id,
                     sim_tables[it->table]);
        }

        if (it->table == DUR_T_TIMER || it->table == DUR_T_BLOCKED) {
            continue;
        }

        for (j = 0, n = 0; j < v->nitems; j++) {
            if (v->items[j].table == DUR_T_LEASE
                && v->items[j].item.app == it->item.app)
            {
                n++;
            }
        }

        if (it->table == DUR_T_READY && it->partition != 0) {
            continue;
        }

        if (it->table == DUR_T_READY) {
            target = &v->targets[it->item.app - 1];

            if (n >= v->s->conf.max_calls) {
                continue;
            }

            if (!dur_target_waits(target, v->s->now)) {
                ready = true;
            } else if (target->probe_at < probe) {
                probe = target->probe_at;
            }
            continue;
        }

        v->leases++;

        if (n > v->s->conf.max_calls) {
            sim_fail(v->s, "%u leases of an app that may have %u", n,
                     v->s->conf.max_calls);
        }
    }

    if (v->leases > v->s->slots) {
        sim_fail(v->s, "%u leases for %u slots", (unsigned) v->leases,
                 v->s->slots);
    }

    dur_engine_stat(v->s->engine, &stat);

    if (stat.leases != v->leases) {
        sim_fail(v->s, "the engine counts %u leases, there are %u",
                 (unsigned) stat.leases, (unsigned) v->leases);
    }

    if (v->leases > v->s->conf.max_concurrency) {
        sim_fail(v->s, "%u calls are out, all together may be %u",
                 (unsigned) v->leases, v->s->conf.max_concurrency);
    }

    ready &= v->leases < v->s->conf.max_concurrency;

    if (ready && !dur_engine_has_ready(v->s->engine)) {
        sim_fail(v->s, "the engine does not see its ready work");
    }

    if (stat.runs_live != v->live) {
        sim_fail(v->s, "the engine counts %u live runs, there are %u",
                 (unsigned) stat.runs_live, (unsigned) v->live);
    }

    if (dur_engine_next_due(v->s->engine) > v->first_timer) {
        sim_fail(v->s, "the engine sleeps past its first timer");
    }

    if (dur_engine_next_due(v->s->engine) > probe) {
        sim_fail(v->s, "the engine sleeps past a probe");
    }
}


void
sim_check_commit(sim_t *s)
{
    static sim_view_t  v;

    v.s = s;
    v.nitems = 0;
    v.leases = 0;
    v.live = 0;
    v.locked = 0;
    v.first_timer = INT64_MAX;

    sim_view_open(s, &v.txn);

    sim_view_items(&v, DUR_T_READY);
    sim_view_items(&v, DUR_T_BLOCKED);
    sim_view_items(&v, DUR_T_LEASE);
    sim_view_items(&v, DUR_T_TIMER);
    sim_view_runs(&v);
    sim_view_debounce(&v);
    sim_view_batch(&v);
    sim_view_cron(&v);
    sim_target_check(s, v.txn, v.targets);
    sim_view_throttle(&v);
    sim_view_concurrency(&v);
    sim_view_blocked(&v);
    sim_view_figures(&v);
    sim_view_events(&v);
    sim_wait_check(s, v.txn);
    sim_cancel_check(s, v.txn);
    sim_flow_rows(&v);
    s->had_tasks = dur_engine_has_tasks(s->engine);
    s->batch_events = s->naccepted;

    dur_txn_abort(v.txn);
}


void
sim_check_lost(sim_t *s, uint64_t id)
{
    uint8_t      key[8];
    dur_str_t    row;
    dur_txn_t   *txn;
    dur_item_t   item;

    dur_put64(key, id);
    sim_view_open(s, &txn);

    if (dur_txn_get(txn, DUR_T_LEASE, dur_str_make(key, sizeof(key)), &row)
        == DUR_OK && dur_item_decode(row, &item) == DUR_OK)
    {
        s->runs[sim_run_find(s, &item.run, true)].errored = true;
    }

    dur_txn_abort(txn);
}


bool
sim_check_empty(sim_t *s)
{
    bool        empty;
    dur_txn_t  *txn;

    sim_view_open(s, &txn);
    empty = dur_txn_count(txn, DUR_T_READY) == 0
            && dur_txn_count(txn, DUR_T_BLOCKED) == 0
            && dur_txn_count(txn, DUR_T_LEASE) == 0
            && dur_txn_count(txn, DUR_T_TIMER) == 0
            && dur_txn_count(txn, DUR_T_TASK) == 0;
    dur_txn_abort(txn);

    return empty;
}


void
sim_check_stuck(sim_t *s)
{
    unsigned  i, live;

    for (i = 0, live = 0; i < s->nruns; i++) {
        live += !s->runs[i].ended;
    }

    sim_fail(s, "%u runs do not come to an end (ready %d, tasks %d)", live,
             dur_engine_has_ready(s->engine),
             dur_engine_has_tasks(s->engine));
}
