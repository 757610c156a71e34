/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A second opinion on when runs may start: throttles (features 5.2), which
 * let a run through when its first call goes out, and the priority of runs
 * (5.6), which is a shift of their age.
 */

#include "sim_check.h"


/* -- priority ------------------------------------------------------------- */

/* What it is when the run begins, for as long as it lives. */
void
sim_priority_born(sim_t *s, sim_run_t *m)
{
    const sim_fn_t  *fn;

    fn = &s->fns[m->fn];

    m->factor = sim_priority_value(fn->held.priority, &m->data);
    m->any_factor = fn->held_in == s->nlog;
}


static void
sim_priority_item(sim_t *s, const sim_item_t *it)
{
    int64_t           score;
    const sim_run_t  *m;

    m = &s->runs[it->run];
    score = m->created - (int64_t) m->factor * 1000;

    if (!m->any_factor && it->item.score != score) {
        sim_fail(s, "item %" PRIu64 " of %s has the score %" PRId64
                 " instead of %" PRId64, it->id, s->fns[m->fn].slug,
                 it->item.score, score);
    }
}


/* -- throttles ------------------------------------------------------------ */

static sim_throttle_t *
sim_throttle(sim_t *s, unsigned fn, int value)
{
    unsigned         i;
    sim_throttle_t  *t;

    for (i = 0; i < s->nthrottles; i++) {
        t = &s->throttles[i];

        if (t->fn == fn && t->value == value) {
            return t;
        }
    }

    if (s->nthrottles == SIM_THROTTLES_MAX) {
        sim_fail(s, "the simulation is too small for its throttles");
    }

    t = &s->throttles[s->nthrottles++];
    memset(t, 0, sizeof(*t));
    t->fn = fn;
    t->value = value;

    return t;
}


/* When it lets the next one go, us. */
static int64_t
sim_throttle_next(const sim_flow_t *f, const sim_throttle_t *t)
{
    int64_t  each;

    each = (int64_t) f->throttle_period * 1000000 / f->throttle;

    return t->tat + each - each * (f->throttle + f->burst);
}


/* What is owed by other settings is no more than these can owe. */
static void
sim_throttle_most(const sim_fn_t *fn, sim_throttle_t *t, int64_t now)
{
    int64_t            most;
    const sim_flow_t  *f;

    f = &fn->held;
    most = (int64_t) f->throttle_period * 1000000 / f->throttle
           * (f->throttle + f->burst);

    if (fn->flow_changed && t->tat > now + most) {
        t->tat = now + most;
    }
}


static void
sim_throttle_take(sim_t *s, const sim_run_t *m)
{
    int64_t           now;
    sim_throttle_t   *t;
    const sim_fn_t   *fn;
    const sim_flow_t *f;

    fn = &s->fns[m->fn];
    f = &fn->held;

    if (f->throttle == 0) {
        return;
    }

    t = sim_throttle(s, m->fn, sim_key_value(f->throttle_key, &m->data));
    now = s->now * 1000;
    sim_throttle_most(fn, t, now);

    /* to the millisecond */

    if (now < sim_throttle_next(f, t) - 1000 && fn->held_in != s->nlog
        && !s->clock_steps)
    {
        sim_fail(s, "a run of %s starts %" PRId64 " ms before its throttle "
                 "allows it", fn->slug,
                 sim_throttle_next(f, t) / 1000 - s->now);
    }

    if (t->tat < now) {
        t->tat = now;
    }

    t->tat += (int64_t) f->throttle_period * 1000000 / f->throttle;
}


/* A run began when its first item has been leased. */
static void
sim_throttle_begun(sim_t *s, const sim_item_t *it)
{
    sim_run_t  *m;

    m = &s->runs[it->run];

    if (m->begun || it->item.kind != DUR_ITEM_DISCOVERY
        || it->item.generation == 0)
    {
        return;
    }

    m->begun = true;
    m->begun_in = s->nlog;
    sim_throttle_take(s, m);
}


bool
sim_throttle_allows(sim_t *s, const sim_run_t *m)
{
    sim_throttle_t    *t;
    const sim_flow_t  *f;

    f = &s->fns[m->fn].held;

    if (f->throttle == 0) {
        return true;
    }

    t = sim_throttle(s, m->fn, sim_key_value(f->throttle_key, &m->data));

    /* those that are woken are on their way, one of them may be enough; and
     * what is due may be looked at in the next batch */

    return !t->unsure && t->woken == 0
           && dur_engine_next_due(s->engine) > s->now
           && s->now * 1000 >= sim_throttle_next(f, t) + 1000;
}


/* While others wait for it, somebody looks when the next one may go. */
static void
sim_throttle_waiter(sim_view_t *v, const sim_item_t *it)
{
    int64_t            due;
    unsigned           i;
    const sim_fn_t    *fn;
    sim_throttle_t    *t;
    const sim_run_t   *m;
    const sim_item_t  *o;

    m = &v->s->runs[it->run];
    fn = &v->s->fns[m->fn];
    t = sim_throttle(v->s, m->fn, sim_key_value(fn->held.throttle_key,
                                                &m->data));
    sim_throttle_most(fn, t, v->s->now * 1000);
    due = sim_throttle_next(&fn->held, t) / 1000 + 1;

    if (due <= v->s->now + 1 || t->woken > 0 || t->unsure) {
        return;
    }

    for (i = 0; i < v->nitems; i++) {
        o = &v->items[i];

        if (o->item.kind == DUR_ITEM_THROTTLE && o->item.due <= due
            && o->item.function == it->item.function
            && dur_get64(o->item.step.b) == it->counter.value)
        {
            return;
        }
    }

    sim_fail(v->s, "item %" PRIu64 " of %s waits for a throttle that lets it "
             "go at %" PRId64 ", and nobody looks then", it->id, fn->slug,
             due);
}


/* Those that have their turn, and will take theirs of the throttle. */
static void
sim_throttle_woken(sim_view_t *v)
{
    sim_t             *s;
    unsigned           i;
    const sim_fn_t    *fn;
    const sim_run_t   *m;
    const sim_item_t  *it;

    s = v->s;

    for (i = 0; i < s->nthrottles; i++) {
        s->throttles[i].woken = 0;
    }

    for (i = 0; i < v->nitems; i++) {
        it = &v->items[i];

        if (it->run < 0 || it->table != DUR_T_READY
            || !(it->item.flags & DUR_ITEM_F_WOKEN)
            || !(it->item.flags & DUR_ITEM_F_START))
        {
            continue;
        }

        m = &s->runs[it->run];
        fn = &s->fns[m->fn];

        if (fn->held.throttle) {
            sim_throttle(s, m->fn, sim_key_value(fn->held.throttle_key,
                                                 &m->data))->woken++;
        }
    }
}


/* A run that ended in the batch that made it may have begun in between. */
static void
sim_throttle_ended(sim_t *s)
{
    unsigned          i;
    const sim_fn_t   *fn;
    const sim_run_t  *m;

    for (i = 0; i < s->nruns; i++) {
        m = &s->runs[i];
        fn = &s->fns[m->fn];

        if (m->ended && m->ended_in == s->nlog && !m->begun
            && fn->held.throttle)
        {
            sim_throttle(s, m->fn, sim_key_value(fn->held.throttle_key,
                                                 &m->data))->unsure = true;
        }
    }
}


void
sim_view_throttle(sim_view_t *v)
{
    unsigned     i;
    sim_item_t  *it;

    sim_throttle_ended(v->s);

    for (i = 0; i < v->nitems; i++) {
        it = &v->items[i];
        it->counted |= it->item.kind == DUR_ITEM_THROTTLE;

        if (it->run >= 0) {
            sim_priority_item(v->s, it);
            sim_throttle_begun(v->s, it);
        }
    }

    sim_throttle_woken(v);

    for (i = 0; i < v->nitems; i++) {
        it = &v->items[i];

        if (it->run >= 0 && it->table == DUR_T_BLOCKED
            && it->counter.scope == DUR_SCOPE_THROTTLE && !v->s->clock_steps
            && !v->s->fns[v->s->runs[it->run].fn].paused
            && !dur_engine_has_tasks(v->s->engine))
        {
            sim_throttle_waiter(v, it);
        }
    }
}
