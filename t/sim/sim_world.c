/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The world around the engine: clients that repeat an event until it is
 * accepted, apps that register, a clock that jumps, trouble of all kinds, and
 * batches put together in random order.
 */

#include "sim_world.h"

#define SIM_QUIET_MAX   30000           /* batches until all must be over */


int
sim_run_find(sim_t *s, const dur_ulid_t *id, bool add)
{
    unsigned    i;
    sim_run_t  *run;

    for (i = s->nruns; i > 0; i--) {
        if (memcmp(&s->runs[i - 1].id, id, sizeof(*id)) == 0) {
            return (int) i - 1;
        }
    }

    if (!add) {
        return -1;
    }

    if (s->nruns == SIM_RUNS_MAX) {
        sim_fail(s, "the simulation is too small for its runs");
    }

    run = &s->runs[s->nruns];
    memset(run, 0, sizeof(*run));
    run->id = *id;
    run->parent = -1;
    run->original = -1;
    run->from = -1;
    run->memos = -1;

    return (int) s->nruns++;
}


/* -- what goes into a batch ----------------------------------------------- */

static void
sim_gather_results(sim_t *s, sim_ops_t *b)
{
    unsigned     i, k, n, ready[SIM_CALLS_MAX];
    sim_call_t  *c;

    for (i = 0, n = 0; i < s->ncalls; i++) {
        c = &s->calls[i];

        if (c->state == SIM_CALL_FINISHED && !c->submitted
            && s->now >= c->at && (s->calm || !sim_permille(&s->rand, 200)))
        {
            ready[n++] = i;
        }
    }

    while (n > 0 && b->n < SIM_BATCH_MAX / 2) {
        k = sim_below(&s->rand, n);
        sim_add_result(s, b, ready[k]);

        if (!s->calm && sim_permille(&s->rand, 30)) {
            sim_add_result(s, b, ready[k]);         /* sent twice */
        }

        ready[k] = ready[--n];
    }
}


static void
sim_gather_events(sim_t *s, sim_ops_t *b)
{
    unsigned      i;
    sim_event_t  *e;

    for (i = 0; i < s->nevents && b->n < SIM_BATCH_MAX - 8; i++) {
        e = &s->events[i];

        if (!e->first) {
            continue;
        }

        if (!e->acked || (!s->calm && s->conf.retention == 0
                          && sim_permille(&s->rand, 5)))
        {
            sim_add_events(s, b, i);
        }
    }
}


static void
sim_gather_signals(sim_t *s, sim_ops_t *b)
{
    unsigned       i;
    sim_signal_t  *g;

    for (i = 0; i < s->nsignals && b->n < SIM_BATCH_MAX - 8; i++) {
        g = &s->signals[i];

        /* the answer is known for a while; nobody asks for it later */

        if (g->taken && (s->now > g->at + 3600 * 1000 || s->now < g->at)) {
            g->acked = true;
            continue;
        }

        if (!g->acked || (!s->calm && g->taken && sim_permille(&s->rand, 5)))
        {
            sim_add_signal(s, b, i);
        }
    }
}


/* A change of the registry: a function comes or goes, or gets other
 * retries.  The payload is what the app would send afterwards. */
static void
sim_gather_register(sim_t *s, sim_ops_t *b)
{
    unsigned   i;
    sim_fn_t  *fn;

    /* until a commit took it, the app tries again */

    for (i = 0; i < s->napps; i++) {
        if (!s->apps[i].registered) {
            sim_add_register(s, b, i);
        }
    }

    if (s->calm || !sim_permille(&s->rand, 12)) {
        return;
    }

    if (sim_permille(&s->rand, 150)) {
        sim_add_remove(s, b, sim_below(&s->rand, s->napps));
        return;
    }

    i = sim_below(&s->rand, s->nfns);
    fn = &s->fns[i];

    s->apps[fn->app].version++;

    if (sim_permille(&s->rand, 400)) {
        fn->registered = !fn->registered;
        fn->toggled = true;
    } else if (!sim_permille(&s->rand, 600)
               || !sim_option_change(s, fn))
    {
        fn->retries = sim_below(&s->rand, 5);
        fn->retries_changed = true;
    }

    sim_option_drop(s, &fn->flow);

    s->apps[fn->app].registered = false;
    sim_add_register(s, b, fn->app);
}


static void
sim_gather_cancel(sim_t *s, sim_ops_t *b)
{
    if (!s->calm && s->nruns > 0 && sim_permille(&s->rand, 8)) {
        sim_add_cancel(s, b, sim_below(&s->rand, s->nruns));
    }
}


/* The sidecar's free slots, as the leader may spend them: none before the
 * inventory is decided, which may use any of them. */
static unsigned
sim_budget(sim_t *s)
{
    unsigned  used;

    if (s->need_inventory) {
        return 0;
    }

    used = sim_sidecar_used(s);

    return used < s->slots ? s->slots - used : 0;
}


static void
sim_shuffle(sim_t *s, sim_ops_t *b, unsigned first)
{
    unsigned  i, k;
    sim_op_t  o;

    for (i = b->n; i > first + 1; i--) {
        k = first + sim_below(&s->rand, i - first);
        o = b->ops[i - 1];
        b->ops[i - 1] = b->ops[k];
        b->ops[k] = o;
    }
}


static void
sim_gather(sim_t *s, sim_ops_t *b)
{
    unsigned  first;

    b->n = 0;

    if (s->need_config) {
        sim_add_config(s, b);
    }

    if (s->need_inventory) {
        sim_add_inventory(s, b);
    }

    sim_gather_register(s, b);
    first = b->n;

    sim_gather_results(s, b);
    sim_gather_checkpoints(s, b);

    if (s->now >= dur_engine_next_due(s->engine)
        && (s->calm || !sim_permille(&s->rand, 100)))
    {
        sim_add_plain(s, b, DUR_OP_TIMERS, 0);
    }

    if (dur_engine_has_tasks(s->engine)) {
        sim_add_plain(s, b, DUR_OP_TASKS, (uint32_t) (s->now & 1));
    }

    sim_gather_cancel(s, b);
    sim_gather_events(s, b);
    sim_gather_signals(s, b);
    sim_gather_asks(s, b);

    if (!s->calm && sim_permille(&s->rand, 15)) {
        sim_add_sync(s, b, sim_below(&s->rand, s->napps));
    }

    if (!s->calm && sim_permille(&s->rand, 20)) {
        sim_add_plain(s, b, DUR_OP_NOP, 0);
    }

    sim_shuffle(s, b, first);

    if (b->n > 0 || (dur_engine_has_ready(s->engine) && sim_budget(s))) {
        sim_add_plain(s, b, DUR_OP_DISPATCH, sim_budget(s));
    }
}


/* -- time and trouble ----------------------------------------------------- */

static void
sim_new_events(sim_t *s)
{
    int       client;
    unsigned  i, n, name, first;

    n = !s->crowd && sim_permille(&s->rand, 800)
        ? 1 : sim_range(&s->rand, 2, SIM_EVENTS_MAX);
    first = s->nevents;
    s->nrequests++;

    for (i = 0; i < n; i++) {
        name = (s->waits_share && sim_permille(&s->rand, s->crowd ? 20 : 300))
               ? SIM_NAME_WORD + sim_below(&s->rand, SIM_WORDS)
               : s->crowd ? 0 : sim_below(&s->rand, s->nnames + 1);
        client = sim_permille(&s->rand, 250)
                 ? (int) sim_below(&s->rand, SIM_CLIENTS) : -1;

        (void) sim_event_new(s, name, client);

        if (sim_permille(&s->rand, 50)) {
            s->events[first + i].ts += sim_below(&s->rand, 3600 * 1000);
        }

        s->events[first + i].first = i == 0;
        s->events[first + i].nops = i == 0 ? n : 0;
    }
}


/* For those who wait; most of them find nobody. */
static void
sim_new_words(sim_t *s)
{
    unsigned  n;

    if (s->waits_share == 0 || s->nevents > s->opt->steps
        || (s->crowd && sim_permille(&s->rand, 900)))
    {
        return;
    }

    if (sim_permille(&s->rand, s->waits_share / 2)) {
        for (n = s->crowd ? 3 : 1; n > 0; n--) {
            (void) sim_event_new(s, SIM_NAME_WORD
                                    + sim_below(&s->rand, SIM_WORDS), -1);
        }
    }

    if (sim_permille(&s->rand, s->waits_share / 6)) {
        sim_signal_new(s, sim_below(&s->rand, SIM_SIGNALS));
    }
}


static void
sim_clock(sim_t *s)
{
    int64_t  due, next;

    if (sim_permille(&s->rand, 700)) {
        s->now += sim_below(&s->rand, 40);
        return;
    }

    if (s->long_pauses && sim_permille(&s->rand, 150)) {
        s->now += sim_below(&s->rand, 6 * 3600 * 1000);
        return;
    }

    /* nothing to wait for but the clock */

    due = dur_engine_next_due(s->engine);
    next = sim_sidecar_next(s);

    if (next < due) {
        due = next;
    }

    if (due == INT64_MAX || due <= s->now) {
        s->now += sim_below(&s->rand, 1000);

    } else if (sim_permille(&s->rand, 500)) {
        s->now = due;

    } else {
        s->now += sim_below(&s->rand, 30000);
    }
}


static void
sim_trouble(sim_t *s)
{
    sim_app_t  *app;

    if (sim_permille(&s->rand, s->chaos / 2)) {
        sim_note(s, "another leader");
        sim_leader_change(s);
    }

    if (sim_permille(&s->rand, s->chaos / 2)) {
        sim_sidecar_crash(s);
    }

    if (sim_permille(&s->rand, s->chaos / 2)) {
        sim_note(s, "the link breaks");
        sim_sidecar_link(s);
    }

    if (sim_permille(&s->rand, s->chaos / 4)) {
        app = &s->apps[sim_below(&s->rand, s->napps)];
        app->down_until = s->now
                          + sim_below(&s->rand, sim_permille(&s->rand, 300)
                                                ? 3600 * 1000 : 120 * 1000);
        app->down_503 = sim_permille(&s->rand, 500);
        sim_note(s, "%s is down", app->name);
    }

    if (s->clock_steps && sim_permille(&s->rand, s->chaos / 4)) {
        s->now += (int64_t) sim_below(&s->rand, 7200 * 1000) - 3600 * 1000;
        sim_note(s, "the clock is set to %" PRId64, s->now);
    }
}


static bool
sim_idle(sim_t *s)
{
    unsigned  i;

    if (dur_engine_has_tasks(s->engine) || dur_engine_has_ready(s->engine)
        || s->nlate > 0 || !sim_ask_idle(s) || s->need_config
        || s->need_inventory)
    {
        return false;
    }

    for (i = 0; i < s->nevents; i++) {
        if (!s->events[i].acked) {
            return false;
        }
    }

    for (i = 0; i < s->nsignals; i++) {
        if (!s->signals[i].acked) {
            return false;
        }
    }

    return sim_sidecar_next(s) == INT64_MAX;
}


/* No more trouble: all that was accepted must come to its end. */
static void
sim_quiesce(sim_t *s)
{
    bool       moved;
    int64_t    due, next;
    unsigned   i;
    sim_ops_t  b;

    s->calm = true;
    sim_note(s, "calm");

    /* schedules would never come to an end */

    for (i = 0; i < s->nfns; i++) {
        if (s->fns[i].flow.cron) {
            s->fns[i].flow.cron = 0;
            s->apps[s->fns[i].app].registered = false;
            s->apps[s->fns[i].app].version++;
        }
    }

    for (i = 0; i < SIM_QUIET_MAX; i++) {
        sim_sidecar_work(s);
        sim_gather(s, &b);

        moved = b.n > 1 || (b.n == 1 && b.ops[0].type != DUR_OP_DISPATCH);

        if (b.n > 0) {
            sim_batch(s, &b);
            if (moved) {
                continue;
            }
        }

        if (sim_idle(s) && sim_check_empty(s)) {
            return;
        }

        due = dur_engine_next_due(s->engine);
        next = sim_sidecar_next(s);

        if (next < due) {
            due = next;
        }

        if (due == INT64_MAX) {
            sim_check_stuck(s);
        }

        s->now = due > s->now ? due : s->now + 1;
    }

    sim_check_stuck(s);
}


/* Everything that ended is forgotten when its time is over. */
static void
sim_retire(sim_t *s)
{
    unsigned   i;
    sim_ops_t  b;

    s->now += s->conf.retention + (int64_t) 60 * 3600 * 1000;

    for (i = 0; i < 1000; i++) {
        b.n = 0;
        sim_add_plain(s, &b, DUR_OP_TIMERS, 0);
        sim_add_plain(s, &b, DUR_OP_TASKS, 0);
        sim_batch(s, &b);

        if (!dur_engine_has_tasks(s->engine)
            && dur_engine_next_due(s->engine) > s->now)
        {
            break;
        }
    }

    sim_check_retired(s);
}


static void
sim_world_init(sim_t *s)
{
    unsigned              i;
    static const int64_t  retries[] = { -1, 0, 1000, 5000 };
    static const int64_t  kept[] = { 0, 0, 0, 3600 * 1000,
                                     (int64_t) 48 * 3600 * 1000 };

    s->now = SIM_TIME;
    s->chaos = sim_permille(&s->rand, 200)
               ? 0 : sim_range(&s->rand, 1, 60);
    s->garbage = sim_permille(&s->rand, 500)
                 ? 0 : sim_range(&s->rand, 1, 150);
    s->clock_steps = sim_permille(&s->rand, 250);
    s->long_pauses = sim_permille(&s->rand, 300);
    s->slots = sim_permille(&s->rand, 300)
               ? sim_range(&s->rand, 1, 4) : sim_range(&s->rand, 5, 200);

    sim_bytes(&s->rand, s->store_id, sizeof(s->store_id));

    dur_config_init(&s->conf);
    s->conf.dev = true;
    s->conf.retry_interval = retries[sim_below(&s->rand, 4)];
    s->conf.retention = kept[sim_below(&s->rand, 5)];
    if (sim_permille(&s->rand, 300)) {
        s->conf.max_calls = sim_range(&s->rand, 1, 6);
    }

    if (s->seed % 7 == 3) {
        s->conf.max_concurrency = 1 + (uint32_t) (s->seed / 7 % 8);
    }

    s->asks = sim_permille(&s->rand, 500)
              ? 0 : sim_range(&s->rand, 5, 40);
    s->crowd = sim_permille(&s->rand, 40);
    sim_program_make(s);

    for (i = 0; i < s->nfns; i++) {
        s->fns[i].active = true;
    }

    for (i = 0; i < SIM_SIGNALS; i++) {
        s->waiter[i] = -1;
    }

    sim_sidecar_start(s);
}


void
sim_world_run(sim_t *s)
{
    unsigned   i, load;
    sim_ops_t  b;

    sim_world_init(s);
    sim_open(s);

    b.n = 0;
    sim_add_config(s, &b);
    for (i = 0; i < s->napps; i++) {
        sim_add_register(s, &b, i);
    }
    s->calm = true;
    sim_batch(s, &b);
    s->calm = false;

    load = s->crowd ? 500 : sim_range(&s->rand, 10, 300);

    for (i = 0; i < s->opt->steps; i++) {
        sim_clock(s);
        sim_trouble(s);

        if (s->nrequests < s->opt->steps / 5 && s->nruns < SIM_RUNS_MAX / 4
            && sim_permille(&s->rand, load)) {
            sim_new_events(s);
        }

        sim_new_words(s);

        sim_sidecar_work(s);
        sim_gather(s, &b);

        if (b.n > 0) {
            sim_batch(s, &b);
        }
    }

    sim_quiesce(s);
    sim_check_quiet(s);

    if (s->conf.retention > 0) {
        sim_retire(s);
    }
}
