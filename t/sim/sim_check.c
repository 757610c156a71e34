/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What must hold after every commit: the rows of the store agree with each
 * other, with the engine's own figures, and with what the models saw.
 */

#include "engine/dur_query.h"
#include "engine/dur_queue.h"
#include "engine/dur_registry.h"
#include "engine/dur_run.h"
#include "engine/dur_sign.h"
#include "engine/dur_step.h"

#include "sim.h"

#define SIM_ITEMS_MAX   4096
#define SIM_HOUR        ((int64_t) 3600 * 1000)


typedef struct {
    uint64_t     id;
    dur_table_t  table;
    dur_item_t   item;
    bool         counted;
} sim_item_t;

typedef struct {
    sim_t       *s;
    dur_txn_t   *txn;
    unsigned     nitems;
    sim_item_t   items[SIM_ITEMS_MAX];
    uint64_t     leases;
    uint64_t     live;
    int64_t      first_timer;
    dur_target_t targets[SIM_APPS_MAX];
} sim_view_t;


static const char  *sim_tables[] = {
    [DUR_T_READY] = "ready",
    [DUR_T_LEASE] = "lease",
    [DUR_T_TIMER] = "timer",
};


static void
sim_view_open(sim_t *s, dur_txn_t **txn)
{
    if (dur_txn_begin(dur_engine_store(s->engine), false, txn) != DUR_OK) {
        sim_fail(s, "the store cannot be read");
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


/*
 * A step that is not done has an item that will do it, or lost it to an answer
 * that said nothing of it: then something else of the run is still open.
 */
static void
sim_view_step_item(sim_view_t *v, const dur_run_t *run,
    const dur_step_t *step)
{
    unsigned  i;

    if (step->state == DUR_STEP_PLANNED && step->item == 0 && run->open > 0) {
        return;
    }

    for (i = 0; i < v->nitems; i++) {
        if (v->items[i].id == step->item
            && memcmp(&v->items[i].item.run, &run->id, sizeof(run->id)) == 0)
        {
            return;
        }
    }

    sim_fail(v->s, "nothing will ever do step %.*s", (int) step->name.len,
             (const char *) step->name.data);
}


static void
sim_view_steps(sim_view_t *v, const dur_run_t *run)
{
    uint8_t        seen[1024] = { 0 };
    unsigned       done, pending, told;
    dur_rc_t       rc;
    dur_str_t      key, value;
    dur_step_t     step;
    dur_cursor_t  *c;

    if (dur_cursor_open(v->txn, DUR_T_STEP, &c) != DUR_OK) {
        sim_fail(v->s, "the steps cannot be read");
    }

    done = 0;
    pending = 0;
    told = v->s->runs[sim_run_find(v->s, &run->id, false)].seen;

    for (rc = dur_cursor_seek(c, dur_str_make(run->id.b, DUR_ULID_LEN), &key,
                              &value);
         rc == DUR_OK && memcmp(key.data, run->id.b, DUR_ULID_LEN) == 0;
         rc = dur_cursor_next(c, &key, &value))
    {
        if (dur_step_decode(value, &step) != DUR_OK) {
            sim_fail(v->s, "a step row cannot be decoded");
        }

        if (step.state == DUR_STEP_DONE) {
            done++;

            if (step.stack >= run->steps || step.stack >= sizeof(seen)
                || seen[step.stack]++)
            {
                sim_fail(v->s, "two steps stand at %u of a stack of %u",
                         step.stack, run->steps);
            }

            if (run->status == DUR_RUN_LIVE && run->discovery == 0
                && step.stack >= told
                && (run->pending == 0 || run->request_version < 2
                    || (step.flags & DUR_STEP_F_RACE)))
            {
                sim_fail(v->s, "nobody will tell the function of step %.*s",
                         (int) step.name.len, (const char *) step.name.data);
            }

            continue;
        }

        if (run->status == DUR_RUN_LIVE) {
            sim_view_step_item(v, run, &step);
        }

        if (step.pending_generation == run->pending_generation) {
            pending++;
        }
    }

    dur_cursor_close(c);

    if (run->status != DUR_RUN_LIVE && v->s->conf.retention > 0
        && done < run->steps)
    {
        return;             /* on its way out */
    }

    if (done != run->steps) {
        sim_fail(v->s, "a run counts %u memos and has %u", run->steps, done);
    }

    if (run->status == DUR_RUN_LIVE && run->pending_generation > 0
        && pending != run->pending)
    {
        sim_fail(v->s, "a run counts %u pending steps and has %u",
                 run->pending, pending);
    }
}


static unsigned
sim_view_fn(sim_view_t *v, uint32_t id)
{
    uint8_t         key[4];
    unsigned        i;
    dur_str_t       row;
    dur_function_t  fn;

    if (id < SIM_IDS_MAX && v->s->fn_ids[id] != 0) {
        return v->s->fn_ids[id] - 1;
    }

    dur_put32(key, id);

    if (dur_txn_get(v->txn, DUR_T_FUNCTION, dur_str_make(key, 4), &row)
        != DUR_OK
        || dur_registry_function_decode(dur_str_make(key, 4), row, &fn)
           != DUR_OK)
    {
        sim_fail(v->s, "function %u of a run is unknown", id);
    }

    for (i = 0; i < v->s->nfns; i++) {
        if (dur_str_eq(fn.slug, dur_str_c(v->s->fns[i].slug))) {
            break;
        }
    }

    if (i == v->s->nfns || id >= SIM_IDS_MAX) {
        sim_fail(v->s, "function %u of a run is not ours", id);
    }

    v->s->fn_ids[id] = i + 1;

    return i;
}


static void
sim_view_run(sim_view_t *v, const dur_run_t *run)
{
    bool         discovery;
    char         id[DUR_ULID_TEXT_LEN + 1];
    unsigned     i, open;
    sim_run_t   *m;
    sim_item_t  *it;
    const char  *status;

    dur_ulid_text(&run->id, id);
    m = &v->s->runs[sim_run_find(v->s, &run->id, true)];
    m->kept = true;

    i = sim_view_fn(v, run->function);
    if (m->called && m->fn != i) {
        sim_fail(v->s, "run %s has changed its function", id);
    }
    m->fn = i;

    open = 0;
    discovery = false;

    for (i = 0; i < v->nitems; i++) {
        it = &v->items[i];

        if (memcmp(&it->item.run, &run->id, sizeof(run->id)) != 0) {
            continue;
        }

        it->counted = true;
        open++;

        if (it->item.kind == DUR_ITEM_DISCOVERY) {
            if (discovery) {
                sim_fail(v->s, "run %s has two discoveries", id);
            }
            if (run->discovery != it->id) {
                sim_fail(v->s, "run %s does not know its discovery", id);
            }
            discovery = true;
        }
    }

    status = dur_run_status_name(run);

    if (run->status == DUR_RUN_LIVE) {
        v->live++;
        if (m->ended) {
            sim_fail(v->s, "run %s was %s and lives again", id, m->status);
        }
        if (m->cancelled) {
            sim_fail(v->s, "run %s was cancelled and lives", id);
        }
        if (open == 0) {
            sim_fail(v->s, "run %s of %s lives and has no open item", id,
                     v->s->fns[m->fn].slug);
        }
        if (open != run->open) {
            sim_fail(v->s, "run %s counts %u open items and has %u", id,
                     run->open, open);
        }
        if (run->discovery != 0 && !discovery) {
            sim_fail(v->s, "the discovery of run %s is nowhere", id);
        }

    } else {
        if (open != 0) {
            sim_fail(v->s, "run %s is %s and has %u items", id, status, open);
        }
        if (m->ended && strcmp(m->status, status) != 0) {
            sim_fail(v->s, "run %s was %s and is %s", id, m->status, status);
        }
        if (!m->ended) {
            snprintf(m->status, sizeof(m->status), "%s", status);
            m->ended = true;
            m->ended_at = run->ended;
        }
    }

    m->event = run->event;
    sim_view_steps(v, run);
}


static void
sim_view_runs(sim_view_t *v)
{
    dur_rc_t       rc;
    unsigned       i;
    dur_run_t      run;
    dur_str_t      key, value;
    dur_ulid_t     id;
    dur_cursor_t  *c;

    for (i = 0; i < v->s->nruns; i++) {
        v->s->runs[i].kept = false;
    }

    if (dur_cursor_open(v->txn, DUR_T_RUN, &c) != DUR_OK) {
        sim_fail(v->s, "the runs cannot be read");
    }

    for (rc = dur_cursor_seek(c, dur_str_null, &key, &value);
         rc == DUR_OK;
         rc = dur_cursor_next(c, &key, &value))
    {
        memcpy(&id, key.data, sizeof(id));

        if (dur_run_get(v->txn, &id, &run) != DUR_OK) {
            sim_fail(v->s, "a run cannot be read");
        }

        sim_view_run(v, &run);
    }

    dur_cursor_close(c);

    for (i = 0; i < v->s->nruns; i++) {
        if (!v->s->runs[i].kept && (!v->s->runs[i].ended
                                    || v->s->conf.retention == 0))
        {
            sim_fail(v->s, "a run of %s is gone",
                     v->s->fns[v->s->runs[i].fn].slug);
        }
    }
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

        if (it->table == DUR_T_TIMER) {
            continue;
        }

        for (j = 0, n = 0; j < v->nitems; j++) {
            if (v->items[j].table == DUR_T_LEASE
                && v->items[j].item.app == it->item.app)
            {
                n++;
            }
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


/* -- events --------------------------------------------------------------- */

/* The runs that an event started, by function. */
static void
sim_event_runs(sim_t *s, dur_txn_t *txn, const dur_ulid_t *event,
    unsigned counts[SIM_FNS_MAX], int runs[SIM_FNS_MAX])
{
    int            r;
    unsigned       i;
    dur_rc_t       rc;
    dur_str_t      key;
    dur_ulid_t     id;
    dur_cursor_t  *c;

    for (i = 0; i < SIM_FNS_MAX; i++) {
        counts[i] = 0;
        runs[i] = -1;
    }

    if (dur_cursor_open(txn, DUR_T_EVENT_RUN, &c) != DUR_OK) {
        sim_fail(s, "the runs of events cannot be read");
    }

    for (rc = dur_cursor_seek(c, dur_str_make(event->b, DUR_ULID_LEN), &key,
                              NULL);
         rc == DUR_OK && memcmp(key.data, event->b, DUR_ULID_LEN) == 0;
         rc = dur_cursor_next(c, &key, NULL))
    {
        memcpy(&id, key.data + DUR_ULID_LEN, sizeof(id));

        r = sim_run_find(s, &id, false);
        if (r == -1) {
            continue;
        }

        if (memcmp(&s->runs[r].event, event, sizeof(*event)) != 0) {
            sim_fail(s, "an event claims the run of another");
        }

        counts[s->runs[r].fn]++;
        runs[s->runs[r].fn] = r;
    }

    dur_cursor_close(c);
}


/*
 * Functions that must, or may, start for an event: its triggers, without
 * those whose last run for the same client id lives or ended within 24 hours
 * (rows of ended ones may stay for another day).
 */
void
sim_check_event(sim_t *s, unsigned event)
{
    unsigned      i;
    sim_fn_t     *fn;
    sim_event_t  *e;

    if (s->naccepted == s->accepted_size) {
        s->accepted_size = s->accepted_size ? s->accepted_size * 2 : 64;
        s->accepted = realloc(s->accepted,
                              s->accepted_size * sizeof(*s->accepted));
    }

    s->accepted[s->naccepted++] = event;

    e = &s->events[event];
    e->must = 0;
    e->may = 0;
    e->accepted = s->now;

    for (i = 0; i < s->nfns; i++) {
        fn = &s->fns[i];

        if (fn->handles >= 0 || !fn->active
            || (!fn->any && fn->event != e->name))
        {
            continue;
        }

        e->may |= (uint32_t) 1 << i;

        if (e->client < 0) {
            e->must |= (uint32_t) 1 << i;
        }
    }
}


static void
sim_view_client(sim_view_t *v, sim_event_t *e, unsigned fn, int run)
{
    bool         held;
    int          last;
    int64_t      ended;

    last = v->s->clients[e->client][fn];

    if (run >= 0) {
        v->s->clients[e->client][fn] = run + 1;
    }

    if (last-- == 0) {
        if (run < 0) {
            sim_fail(v->s, "the first event of a client id started no run "
                     "of %s", v->s->fns[fn].slug);
        }
        return;
    }

    if (last == run) {
        return;
    }

    ended = v->s->runs[last].ended_at;
    held = !v->s->runs[last].ended || ended > e->accepted - 24 * SIM_HOUR;

    if (run >= 0 && held && !v->s->clock_steps) {
        sim_fail(v->s, "a second run of %s for the same client id",
                 v->s->fns[fn].slug);
    }

    if (run < 0 && v->s->runs[last].ended
        && ended < e->accepted - 50 * SIM_HOUR)
    {
        sim_fail(v->s, "no run of %s for a client id of old",
                 v->s->fns[fn].slug);
    }
}


/* In the order of acceptance, once all fan-out is done; retention may have
 * taken what an event started long ago. */
static void
sim_view_events(sim_view_t *v)
{
    int           runs[SIM_FNS_MAX];
    sim_t        *s;
    unsigned      f, bit, counts[SIM_FNS_MAX];
    sim_event_t  *e;

    s = v->s;

    if (dur_engine_has_tasks(s->engine)) {
        return;
    }

    while (s->nverified < s->naccepted) {
        e = &s->events[s->accepted[s->nverified++]];

        sim_event_runs(s, v->txn, &e->id, counts, runs);

        for (f = 0; f < s->nfns; f++) {
            bit = (uint32_t) 1 << f;

            if (counts[f] > 1) {
                sim_fail(s, "an event started %u runs of %s", counts[f],
                         s->fns[f].slug);
            }
            if (counts[f] && !(e->may & bit)) {
                sim_fail(s, "an event started %s, which does not want it",
                         s->fns[f].slug);
            }
            if (!counts[f] && (e->must & bit)
                && (s->conf.retention == 0
                    || s->now < e->accepted + s->conf.retention))
            {
                sim_fail(s, "an accepted event started no run of %s",
                         s->fns[f].slug);
            }
            if (e->client >= 0 && (e->may & bit)) {
                sim_view_client(v, e, f, runs[f]);
            }
        }
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
    v.first_timer = INT64_MAX;

    sim_view_open(s, &v.txn);

    sim_view_items(&v, DUR_T_READY);
    sim_view_items(&v, DUR_T_LEASE);
    sim_view_items(&v, DUR_T_TIMER);
    sim_view_runs(&v);
    sim_target_check(s, v.txn, v.targets);
    sim_view_figures(&v);
    sim_view_events(&v);

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


/* -- when all is over ----------------------------------------------------- */

static void
sim_quiet_memos(sim_t *s, sim_run_t *run)
{
    json_t        *map;
    dur_rc_t       rc;
    unsigned       i;
    sim_fn_t      *fn;
    json_error_t   err;

    dur_buf_reset(&s->buf);
    rc = dur_query_actions(dur_engine_store(s->engine), &run->id, &s->buf);
    if (rc != DUR_OK) {
        sim_fail(s, "the memos of a run cannot be read: %s",
                 dur_strerror(rc));
    }

    map = json_loadb((char *) s->buf.data, s->buf.len, 0, &err);
    if (!json_is_object(map)) {
        sim_fail(s, "the memos of a run are no map: %s", err.text);
    }

    fn = &s->fns[run->fn];

    for (i = 0; i < fn->nsteps; i++) {
        if (run->steps[i].memo != NULL
            && !json_equal(run->steps[i].memo,
                           json_object_get(map, fn->steps[i].hash)))
        {
            sim_fail(s, "the stored memo of step %s of %s is another one",
                     fn->steps[i].id, fn->slug);
        }
    }

    json_decref(map);
}


static void
sim_quiet_run(sim_t *s, sim_run_t *run)
{
    char       id[DUR_ULID_TEXT_LEN + 1];
    unsigned   want;
    sim_fn_t  *fn;

    fn = &s->fns[run->fn];
    dur_ulid_text(&run->id, id);

    if (!run->ended) {
        sim_fail(s, "run %s of %s never ends", id, fn->slug);
    }

    if (strcmp(run->status, "Completed") == 0 && !run->completed) {
        sim_fail(s, "run %s of %s is Completed, but no app said so", id,
                 fn->slug);
    }

    if (strcmp(run->status, "Failed") == 0 && !run->errored) {
        sim_fail(s, "run %s of %s is Failed, but nothing failed", id,
                 fn->slug);
    }

    if (strcmp(run->status, "Cancelled") == 0 && !run->cancelled) {
        sim_fail(s, "run %s of %s is Cancelled, but nobody asked for it", id,
                 fn->slug);
    }

    if (s->conf.retention > 0) {
        return;
    }

    sim_quiet_memos(s, run);

    if (fn->handler < 0) {
        return;
    }

    want = strcmp(run->status, "Failed") == 0;

    if (run->handled > want
        || (run->handled < want && !s->fns[fn->handler].toggled))
    {
        sim_fail(s, "run %s of %s is %s and started %u runs of its failure "
                 "handler", id, fn->slug, run->status, run->handled);
    }
}


/* Whose failure a run of a failure handler is about. */
static void
sim_quiet_handler(sim_t *s, sim_run_t *run)
{
    int            about;
    json_t        *events, *id;
    dur_ulid_t     ulid;
    json_error_t   err;

    dur_buf_reset(&s->buf);

    if (dur_query_batch(dur_engine_store(s->engine), &run->id, &s->buf)
        != DUR_OK)
    {
        sim_fail(s, "the events of a run cannot be read");
    }

    events = json_loadb((char *) s->buf.data, s->buf.len, 0, &err);
    id = json_object_get(json_array_get(events, 0), "data");
    id = json_object_get(id, "run_id");
    about = -1;

    if (json_is_string(id)
        && dur_ulid_parse(dur_str_c(json_string_value(id)), &ulid) == DUR_OK)
    {
        about = sim_run_find(s, &ulid, false);
    }

    if (about == -1
        || s->fns[run->fn].handles != (int) s->runs[about].fn)
    {
        sim_fail(s, "a run of %s is about none of its function",
                 s->fns[run->fn].slug);
    }

    s->runs[about].handled++;
    json_decref(events);
}


void
sim_check_quiet(sim_t *s)
{
    unsigned  i;

    if (s->nverified != s->nevents) {
        sim_fail(s, "%u events were never fanned out",
                 s->nevents - s->nverified);
    }

    for (i = 0; i < s->nruns && s->conf.retention == 0; i++) {
        if (s->fns[s->runs[i].fn].handles >= 0) {
            sim_quiet_handler(s, &s->runs[i]);
        }
    }

    for (i = 0; i < s->nruns; i++) {
        sim_quiet_run(s, &s->runs[i]);
    }
}


void
sim_check_retired(sim_t *s)
{
    unsigned     i;
    uint64_t     n;
    dur_txn_t   *txn;

    static const struct {
        dur_table_t  table;
        const char  *name;
    } tables[] = {
        { DUR_T_RUN, "run" },
        { DUR_T_STEP, "step" },
        { DUR_T_PAYLOAD, "payload" },
        { DUR_T_EVENT, "event" },
        { DUR_T_EVENT_RUN, "event_run" },
        { DUR_T_HISTORY, "history" },
        { DUR_T_ENDED, "ended" },
        { DUR_T_IDEM, "idem" },
        { DUR_T_TASK, "task" },
        { DUR_T_TIMER, "timer" },
        { DUR_T_READY, "ready" },
        { DUR_T_LEASE, "lease" },
    };

    sim_view_open(s, &txn);

    for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        n = dur_txn_count(txn, tables[i].table);

        if (n != 0) {
            sim_fail(s, "%u rows of %s are left after the retention",
                     (unsigned) n, tables[i].name);
        }
    }

    dur_txn_abort(txn);
}
