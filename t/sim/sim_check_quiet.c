/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * When all is over: every run came to the end that the apps saw, and what
 * ended is forgotten in time.
 */

#include "engine/dur_query.h"

#include "sim_check.h"


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


/* It may have been cancelled before anybody called it. */
static bool
sim_quiet_uncalled(const sim_t *s, int fn)
{
    unsigned  i;

    for (i = 0; i < s->nruns; i++) {
        if (s->runs[i].fn == (unsigned) fn && !s->runs[i].called) {
            return true;
        }
    }

    return false;
}


/* What a run deferred was started when it ended, and nothing else. */
static void
sim_quiet_defers(sim_t *s, sim_run_t *run)
{
    int        target;
    unsigned   i;
    sim_fn_t  *fn;

    fn = &s->fns[run->fn];

    for (i = 0; i < fn->nsteps; i++) {
        target = fn->steps[i].defer;

        if (!((run->defers & ~run->aborted) >> i & 1)
            || (run->deferred >> i & 1) || target >= (int) s->nfns
            || !s->fns[target].deferred || s->fns[target].toggled
            || sim_quiet_uncalled(s, target))
        {
            continue;
        }

        sim_fail(s, "a run of %s deferred %s, which never began", fn->slug,
                 s->fns[target].slug);
    }
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

    if (s->conf.retention > 0) {
        return;
    }

    sim_quiet_memos(s, run);
    sim_quiet_defers(s, run);

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
    json_t        *events, *event, *id;
    dur_ulid_t     ulid;
    json_error_t   err;

    dur_buf_reset(&s->buf);

    if (dur_query_batch(dur_engine_store(s->engine), &run->id, &s->buf)
        != DUR_OK)
    {
        sim_fail(s, "the events of a run cannot be read");
    }

    events = json_loadb((char *) s->buf.data, s->buf.len, 0, &err);
    event = json_array_get(events, 0);

    if (strcmp(json_string_value(json_object_get(event, "name")),
               "inngest/function.failed") != 0)
    {
        json_decref(events);            /* it was invoked */
        return;
    }

    id = json_object_get(json_object_get(event, "data"), "run_id");
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

    if (s->nverified != s->naccepted) {
        sim_fail(s, "%u events were never fanned out",
                 s->naccepted - s->nverified);
    }

    for (i = 0; i < s->nruns && s->conf.retention == 0; i++) {
        if (s->fns[s->runs[i].fn].handles >= 0 && s->runs[i].original == -1) {
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
        { DUR_T_BLOCKED, "blocked" },
        { DUR_T_PLACE, "place" },
        { DUR_T_WAIT, "wait" },
        { DUR_T_FLOW, "flow" },
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
