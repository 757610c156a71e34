/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A second opinion on parking: which results say that an app is away, when it
 * is parked, which calls of it were attempts, and how many probes may go out.
 */

#include "engine/dur_queue.h"
#include "engine/dur_registry.h"
#include "engine/dur_target.h"

#include "sim_world.h"

#define SIM_FAILURES  5                 /* that park */
#define SIM_BROKEN    3                 /* broken calls that are an attempt */


bool
sim_target_away(const sim_call_t *c)
{
    switch (c->error_kind) {
    case DUR_CALL_ECONNECT:
    case DUR_CALL_ETIMEOUT:
    case DUR_CALL_ELOST:
        return true;
    default:
        return c->status >= 502 && c->status <= 504
               && strstr(c->headers, "x-inngest-sdk") == NULL;
    }
}


/* The lease of the item; false when there is none. */
bool
sim_target_lease(sim_t *s, uint64_t id, dur_item_t *item)
{
    bool         found;
    uint8_t      key[8];
    dur_str_t    row;
    dur_txn_t   *txn;

    dur_put64(key, id);

    if (dur_txn_begin(dur_engine_store(s->engine), false, &txn) != DUR_OK) {
        sim_fail(s, "the store cannot be read");
    }

    found = dur_txn_get(txn, DUR_T_LEASE, dur_str_make(key, sizeof(key)),
                        &row) == DUR_OK
            && dur_item_decode(row, item) == DUR_OK;

    dur_txn_abort(txn);

    return found;
}


/* What the lease says when the call goes out. */
void
sim_target_sent(sim_t *s, sim_call_t *c)
{
    dur_item_t  item;

    if (!sim_target_lease(s, c->item, &item)) {
        sim_fail(s, "item %" PRIu64 " is sent and has no lease", c->item);
    }

    c->attempt = item.attempt;
    c->losses = item.losses;
    c->run = sim_run_find(s, &item.run, true);
}


/* A result that was decided, in the order of the batch. */
void
sim_target_result(sim_t *s, const sim_call_t *c)
{
    bool        broken;
    sim_app_t  *app;

    if (c->error_kind == DUR_CALL_ECANCELLED || c->gateway) {
        return;
    }

    app = &s->apps[c->app - 1];

    if (!sim_target_away(c)) {
        app->answered |= app->errors > 0;
        app->errors = 0;
        return;
    }

    if (app->errors < SIM_FAILURES) {
        app->errors++;
        s->figures.parked += app->errors == SIM_FAILURES;
    }

    broken = c->error_kind == DUR_CALL_ETIMEOUT
             || c->error_kind == DUR_CALL_ELOST;

    if (app->errors < SIM_FAILURES
        || (broken && c->losses + 1 >= SIM_BROKEN))
    {
        s->runs[c->run].errored = true;
        return;
    }

    if (s->nwaiting == SIM_BATCH_MAX) {
        sim_fail(s, "the simulation is too small for what waits");
    }

    s->waiting[s->nwaiting].item = c->item;
    s->waiting[s->nwaiting++].attempt = c->attempt;
}


void
sim_target_removed(sim_t *s, unsigned app)
{
    s->apps[app].answered |= s->apps[app].errors > 0;
    s->apps[app].errors = 0;
}


/* Before a batch: what is parked now. */
void
sim_target_begin(sim_t *s)
{
    unsigned  i;

    s->nwaiting = 0;

    for (i = 0; i < s->napps; i++) {
        s->apps[i].was_parked = s->apps[i].errors == SIM_FAILURES;
        s->apps[i].answered = false;
        s->apps[i].calls = 0;
    }
}


/* After it: an app that was parked all the time got one probe at most. */
void
sim_target_probes(sim_t *s, const sim_ops_t *b)
{
    unsigned    i;
    sim_app_t  *app;

    for (i = 0; i < b->n; i++) {
        if (b->ops[i].type == DUR_OP_INVENTORY) {
            return;                     /* sends again what was lost */
        }
    }

    for (i = 0; i < s->napps; i++) {
        app = &s->apps[i];

        if (!app->was_parked || app->answered) {
            continue;
        }

        if (app->calls > 1) {
            sim_fail(s, "%u calls of %s, which is parked", app->calls,
                     app->name);
        }

        s->figures.probes += app->calls;
    }
}


static void
sim_target_rows(sim_t *s, dur_txn_t *txn, dur_target_t targets[SIM_APPS_MAX])
{
    unsigned               i, rows, failing;
    uint8_t                key[4];
    dur_str_t              k, row;
    sim_app_t             *app;
    dur_registered_app_t   registered;

    k = dur_str_make(key, sizeof(key));

    for (i = 0, rows = 0, failing = 0; i < s->napps; i++) {
        app = &s->apps[i];
        failing += app->errors > 0;
        memset(&targets[i], 0, sizeof(targets[i]));
        dur_put32(key, i + 1);

        if (dur_txn_get(txn, DUR_T_APP, k, &row) != DUR_OK
            || dur_registry_app_decode(k, row, &registered) != DUR_OK
            || !dur_str_eq(registered.name, dur_str_c(app->name)))
        {
            sim_fail(s, "app %u is not %s", i + 1, app->name);
        }

        if (dur_txn_get(txn, DUR_T_TARGET, k, &row) == DUR_OK) {
            rows++;
            if (dur_target_decode(row, &targets[i]) != DUR_OK) {
                sim_fail(s, "the health of %s cannot be read", app->name);
            }
        }

        if (targets[i].errors != app->errors
            || (targets[i].parked != 0) != (app->errors == SIM_FAILURES))
        {
            sim_fail(s, "%s failed %u times in a row, the store says %u%s",
                     app->name, app->errors, targets[i].errors,
                     targets[i].parked ? ", parked" : "");
        }
    }

    if (rows != failing || dur_txn_count(txn, DUR_T_TARGET) != rows) {
        sim_fail(s, "an app that answers has a row");
    }
}


/* The items whose calls were no attempts: ready, or leased again. */
static void
sim_target_waiting(sim_t *s, dur_txn_t *txn, dur_table_t table)
{
    dur_rc_t       rc;
    unsigned       i;
    dur_str_t      key, value;
    dur_item_t     item;
    dur_cursor_t  *c;

    if (dur_cursor_open(txn, table, &c) != DUR_OK) {
        sim_fail(s, "a table cannot be read");
    }

    for (rc = dur_cursor_seek(c, dur_str_null, &key, &value);
         rc == DUR_OK;
         rc = dur_cursor_next(c, &key, &value))
    {
        if (dur_item_decode(value, &item) != DUR_OK) {
            sim_fail(s, "a row is no item");
        }

        for (i = 0; i < s->nwaiting; i++) {
            if (s->waiting[i].item != item.id) {
                continue;
            }
            if (table == DUR_T_TIMER) {
                sim_fail(s, "item %" PRIu64 " of a parked app is on a timer",
                         item.id);
            }
            if (item.attempt != s->waiting[i].attempt) {
                sim_fail(s, "a parked app used an attempt of item %" PRIu64,
                         item.id);
            }
        }
    }

    dur_cursor_close(c);
}


void
sim_target_check(sim_t *s, dur_txn_t *txn, dur_target_t targets[SIM_APPS_MAX])
{
    sim_target_rows(s, txn, targets);

    sim_target_waiting(s, txn, DUR_T_READY);
    sim_target_waiting(s, txn, DUR_T_LEASE);
    sim_target_waiting(s, txn, DUR_T_TIMER);
}
