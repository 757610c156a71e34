/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Runs, their items and their steps after a commit.
 */

#include "engine/dur_event.h"
#include "engine/dur_registry.h"
#include "engine/dur_time.h"

#include "sim_check.h"


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


/* A memo is written once, and what a checkpoint told is one. */
static void
sim_view_memo(sim_view_t *v, sim_run_t *m, dur_str_t key,
    const dur_step_t *step)
{
    unsigned         i;
    const sim_fn_t  *fn;

    fn = &v->s->fns[m->fn];

    for (i = 0; i < fn->nsteps; i++) {
        if (memcmp(key.data + DUR_ULID_LEN, fn->steps[i].key.b, DUR_HASH_LEN)
            == 0)
        {
            break;
        }
    }

    if (i == fn->nsteps) {
        sim_fail(v->s, "%s has no step %.*s", fn->slug, (int) step->name.len,
                 (const char *) step->name.data);
    }

    if ((m->seen_rows >> i & 1) && m->steps[i].stack != step->stack) {
        sim_fail(v->s, "step %s of a run of %s was done twice",
                 fn->steps[i].id, fn->slug);
    }

    m->seen_rows |= (uint32_t) 1 << i;
    m->steps[i].stack = step->stack;
}


static void
sim_view_steps(sim_view_t *v, const dur_run_t *run)
{
    uint8_t        seen[1024] = { 0 };
    unsigned       done, pending, told;
    dur_rc_t       rc;
    dur_str_t      key, value;
    sim_run_t     *m;
    dur_step_t     step;
    dur_cursor_t  *c;

    if (dur_cursor_open(v->txn, DUR_T_STEP, &c) != DUR_OK) {
        sim_fail(v->s, "the steps cannot be read");
    }

    done = 0;
    pending = 0;
    m = &v->s->runs[sim_run_find(v->s, &run->id, false)];
    told = m->seen;

    for (rc = dur_cursor_seek(c, dur_str_make(run->id.b, DUR_ULID_LEN), &key,
                              &value);
         rc == DUR_OK && memcmp(key.data, run->id.b, DUR_ULID_LEN) == 0;
         rc = dur_cursor_next(c, &key, &value))
    {
        if (dur_step_decode(value, &step) != DUR_OK) {
            sim_fail(v->s, "a step row cannot be decoded");
        }

        if (step.state == DUR_STEP_DEFERRED || step.state == DUR_STEP_EDITED
            || step.state == DUR_STEP_DEFER_ABORTED)
        {
            continue;
        }

        if (step.state == DUR_STEP_DONE) {
            done++;
            sim_view_memo(v, m, key, &step);

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

    if (m->told & ~m->seen_rows) {
        sim_fail(v->s, "a run of %s does not know what a checkpoint told",
                 v->s->fns[m->fn].slug);
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


unsigned
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


/* -- a run ---------------------------------------------------------------- */

static void
sim_view_run_slot(sim_view_t *v, sim_run_t *m, const json_t *data)
{
    unsigned     i;
    const char  *slot, *cron;

    slot = json_string_value(json_object_get(data, "scheduledAt"));
    cron = json_string_value(json_object_get(data, "cron"));

    for (i = 1; cron != NULL && i <= SIM_CRONS; i++) {
        if (strcmp(cron, sim_crons[i].text) == 0) {
            m->cron = i;
        }
    }

    if (slot == NULL || m->cron == 0
        || dur_rfc3339_parse(dur_str_c(slot), &m->slot) != DUR_OK)
    {
        sim_fail(v->s, "the slot of a run of %s is none",
                 v->s->fns[m->fn].slug);
    }
}


/* What its event says, which expressions may ask for. */
static void
sim_view_run_event(sim_view_t *v, sim_run_t *m)
{
    json_t       *json;
    dur_event_t   event;

    dur_buf_reset(&v->s->buf);

    if (dur_event_get(v->txn, &m->event, &event) != DUR_OK
        || dur_payload_get(v->txn, &m->event, &event.json, &v->s->buf)
           != DUR_OK)
    {
        sim_fail(v->s, "the event of a run of %s cannot be read",
                 v->s->fns[m->fn].slug);
    }

    m->ts = event.ts;
    json = json_loadb((char *) v->s->buf.data, v->s->buf.len, 0, NULL);
    sim_data_read(json, &m->data);

    if (dur_str_eq(event.name, dur_str("inngest/scheduled.timer"))) {
        sim_view_run_slot(v, m, json_object_get(json, "data"));
    }

    json_decref(json);
}


static void
sim_view_run_born(sim_view_t *v, sim_run_t *m, const dur_run_t *run)
{
    bool    again;
    sim_t  *s;

    s = v->s;

    if (m->born) {
        return;
    }

    m->born = true;
    m->batch = s->nlog;
    m->created = run->created;
    m->event = run->event;
    m->batched = (run->flags & DUR_RUN_F_BATCH) != 0;
    m->locked = (run->flags & DUR_RUN_F_LOCKED) != 0;

    if (run->flags & DUR_RUN_F_INVOKED) {
        m->parent = sim_run_find(s, &run->parent, false);
    }

    again = memcmp(&run->original, &(dur_ulid_t) { { 0 } }, DUR_ULID_LEN) != 0;

    if ((m->original >= 0) != again
        && (!again || !sim_bulk_born(s, m, &run->original)))
    {
        sim_fail(s, "a run of %s that nobody asked for runs one again",
                 s->fns[m->fn].slug);
    }

    sim_view_run_event(v, m);
    sim_flow_born(s, m, run);
    sim_concurrency_born(s, m);
    sim_priority_born(s, m);

    sim_cancel_born(s, (int) (m - s->runs));
}


/* Its items, but for the deadline; *discovery is found among them. */
static unsigned
sim_view_run_items(sim_view_t *v, const dur_run_t *run, const char *id,
    bool *discovery)
{
    unsigned     i, open;
    sim_item_t  *it;

    open = 0;
    *discovery = false;

    for (i = 0; i < v->nitems; i++) {
        it = &v->items[i];

        if (memcmp(&it->item.run, &run->id, sizeof(run->id)) != 0) {
            continue;
        }

        it->counted = true;
        it->run = sim_run_find(v->s, &run->id, false);

        if (it->item.kind == DUR_ITEM_DEADLINE) {
            if (run->status != DUR_RUN_LIVE || run->deadline != it->id) {
                sim_fail(v->s, "run %s does not know its deadline", id);
            }
            continue;
        }

        open++;

        if (it->item.kind == DUR_ITEM_DISCOVERY) {
            if (*discovery) {
                sim_fail(v->s, "run %s has two discoveries", id);
            }
            if (run->discovery != it->id) {
                sim_fail(v->s, "run %s does not know its discovery", id);
            }
            *discovery = true;
        }
    }

    return open;
}


static void
sim_view_run_live(sim_view_t *v, const sim_run_t *m, const dur_run_t *run,
    const char *id)
{
    bool      discovery;
    unsigned  open;

    open = sim_view_run_items(v, run, id, &discovery);
    v->live++;

    if (m->ended) {
        sim_fail(v->s, "run %s was %s and lives again", id, m->status);
    }

    if (m->must_fail) {
        sim_fail(v->s, "run %s asked for what is refused and lives", id);
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

    sim_flow_live(v, m, run);
}


static void
sim_view_run_ended(sim_view_t *v, sim_run_t *m, const dur_run_t *run,
    const char *id)
{
    bool         discovery;
    unsigned     open;
    const char  *status;

    open = sim_view_run_items(v, run, id, &discovery);
    status = dur_run_status_name(run);

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
        m->ended_in = v->s->nlog;
        sim_flow_ended(v, m, run);
    }
}


/* First all runs are known: some ended because of those that are new. */
static void
sim_view_run_known(sim_view_t *v, const dur_run_t *run)
{
    char         id[DUR_ULID_TEXT_LEN + 1];
    unsigned     fn;
    sim_run_t   *m;

    dur_ulid_text(&run->id, id);
    m = &v->s->runs[sim_run_find(v->s, &run->id, true)];
    m->kept = true;

    fn = sim_view_fn(v, run->function);

    if (m->born && m->fn != fn) {
        sim_fail(v->s, "run %s has changed its function", id);
    }

    m->fn = fn;
    m->waits = run->waits;
    m->slot_of = (run->flags & DUR_RUN_F_SLOT) != 0;
    sim_view_run_born(v, m, run);
}


static void
sim_view_run(sim_view_t *v, const dur_run_t *run)
{
    char        id[DUR_ULID_TEXT_LEN + 1];
    sim_run_t  *m;

    dur_ulid_text(&run->id, id);
    m = &v->s->runs[sim_run_find(v->s, &run->id, false)];

    if (run->status == DUR_RUN_LIVE) {
        sim_view_run_live(v, m, run, id);
    } else {
        sim_view_run_ended(v, m, run, id);
    }

    sim_view_steps(v, run);
}


static void
sim_view_each(sim_view_t *v, void (*look)(sim_view_t *, const dur_run_t *))
{
    dur_rc_t       rc;
    dur_run_t      run;
    dur_str_t      key, value;
    dur_ulid_t     id;
    dur_cursor_t  *c;

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

        look(v, &run);
    }

    dur_cursor_close(c);
}


void
sim_view_runs(sim_view_t *v)
{
    unsigned    i;
    sim_run_t  *m;

    for (i = 0; i < v->s->nruns; i++) {
        v->s->runs[i].kept = false;
    }

    sim_view_each(v, sim_view_run_known);
    sim_view_each(v, sim_view_run);

    for (i = 0; i < v->s->nruns; i++) {
        m = &v->s->runs[i];

        if (!m->kept && (!m->ended || v->s->conf.retention == 0)) {
            sim_fail(v->s, "a run of %s is gone", v->s->fns[m->fn].slug);
        }
    }
}
