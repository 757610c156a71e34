/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A second opinion on steps that wait for events, signals and other runs.
 * The ops of a commit are followed in their order: an answer makes a step
 * wait, the first event that it asks for is its memo, and null comes only when
 * none was there in time.  After the commit the store must say the same.
 *
 * What is left open is how a run ends in the middle of a batch: then what the
 * store says of it decides.
 */

#include "engine/dur_run.h"
#include "engine/dur_step.h"

#include "sim_wait.h"

#define SIM_YEAR  ((int64_t) 365 * 86400 * 1000)


static const sim_step_t *
sim_wait_step(const sim_t *s, const sim_wait_t *w)
{
    return &s->fns[s->runs[w->run].fn].steps[w->step];
}


static sim_wait_t *
sim_wait_add(sim_t *s, int run, unsigned step)
{
    sim_wait_t        *w;
    const sim_step_t  *st;

    if (s->nwaits == s->waits_size) {
        s->waits_size = s->waits_size ? s->waits_size * 2 : 64;
        s->waits = realloc(s->waits, s->waits_size * sizeof(*s->waits));
    }

    w = &s->waits[s->nwaits++];
    memset(w, 0, sizeof(*w));
    w->run = run;
    w->step = step;
    w->match = -1;
    w->heard = -1;

    st = sim_wait_step(s, w);

    if (st->forever) {
        w->expires = s->now + SIM_YEAR;
    } else {
        w->expires = (st->date ? SIM_TIME : s->now) + st->ms;
    }

    if (w->expires <= s->now) {
        w->expires = s->now;
        w->empty = true;
    }

    return w;
}


static void
sim_wait_drop(sim_t *s, sim_wait_t *w)
{
    unsigned           name;
    const sim_step_t  *st;

    st = sim_wait_step(s, w);
    name = st->name;

    if (st->kind == SIM_DO_SIGNAL && s->waiter[name] == w->run
        && s->waiter_step[name] == w->step)
    {
        s->waiter[name] = -1;
    }

    *w = s->waits[--s->nwaits];
}


/* -- signals -------------------------------------------------------------- */

static sim_wait_t *
sim_wait_waiter(sim_t *s, unsigned name)
{
    unsigned  i;

    for (i = 0; s->waiter[name] >= 0 && i < s->nwaits; i++) {
        if (s->waits[i].run == s->waiter[name]
            && s->waits[i].step == s->waiter_step[name])
        {
            return &s->waits[i];
        }
    }

    return NULL;
}


/* What the store says now: whether the run lives, or failed for the signal. */
static void
sim_wait_fate(sim_t *s, int run, bool *live, bool *refused)
{
    dur_run_t   row;
    dur_txn_t  *txn;

    *live = false;
    *refused = false;

    if (dur_txn_begin(dur_engine_store(s->engine), false, &txn) != DUR_OK) {
        sim_fail(s, "the store cannot be read");
    }

    if (dur_run_get(txn, &s->runs[run].id, &row) == DUR_OK) {
        *live = row.status == DUR_RUN_LIVE;
        *refused = row.status == DUR_RUN_FAILED && row.output.bytes.len
                   && memmem(row.output.bytes.data, row.output.bytes.len,
                             "SignalConflict", 14) != NULL;
    }

    dur_txn_abort(txn);
}


/* True when the step waits now: nobody else did, or it may replace that. */
static bool
sim_wait_claims(sim_t *s, int run, unsigned step, sim_wait_t *old)
{
    bool               live, refused, ignored;
    const sim_step_t  *st;

    st = &s->fns[s->runs[run].fn].steps[step];

    if (old == NULL || old->expires <= s->now) {
        return true;
    }

    if (st->replace) {
        old->displaced = true;
        return true;
    }

    sim_wait_fate(s, old->run, &live, &ignored);
    sim_wait_fate(s, run, &ignored, &refused);

    if (!live && !refused) {
        return true;
    }

    s->runs[run].errored = true;
    s->runs[run].must_fail = true;

    return false;
}


static void
sim_wait_claim(sim_t *s, int run, unsigned step)
{
    unsigned     name;
    sim_wait_t  *old;

    name = s->fns[s->runs[run].fn].steps[step].name;
    old = sim_wait_waiter(s, name);

    if (!sim_wait_claims(s, run, step, old)) {
        return;
    }

    if (old != NULL && old->expires <= s->now) {
        old->displaced = true;
    }

    (void) sim_wait_add(s, run, step);
    s->waiter[name] = run;
    s->waiter_step[name] = step;
}


void
sim_wait_signal(sim_t *s, sim_signal_t *g, int run)
{
    bool         live, ignored;
    sim_wait_t  *w;

    w = sim_wait_waiter(s, g->name);

    if (w != NULL && w->expires <= s->now) {
        w = NULL;
    }

    if (run >= 0) {
        if (w == NULL || w->run != run) {
            sim_fail(s, "signal %u went to a run that does not wait for it",
                     g->name);
        }

        w->heard = (int) (g - s->signals);
        s->waiter[g->name] = -1;
        g->taken = true;
        g->run = run;
        g->at = s->now;
        return;
    }

    if (w != NULL) {
        sim_wait_fate(s, w->run, &live, &ignored);
        if (live) {
            sim_fail(s, "signal %u did not find the step that waits for it",
                     g->name);
        }
    }
}


/* -- what commits say ----------------------------------------------------- */

void
sim_wait_reported(sim_t *s, const sim_call_t *c)
{
    unsigned           i;
    sim_run_t         *run;
    const sim_step_t  *st;

    run = &s->runs[c->run];

    for (i = 0; i < s->fns[run->fn].nsteps; i++) {
        st = &s->fns[run->fn].steps[i];

        if (!(c->reports >> i & 1) || run->steps[i].known) {
            continue;
        }

        run->steps[i].known = true;

        switch (st->kind) {

        case SIM_DO_WAIT:
            if (st->cond == SIM_IF_BAD) {
                run->errored = true;
                run->must_fail = true;
                return;
            }
            (void) sim_wait_add(s, c->run, i);
            break;

        case SIM_DO_SIGNAL:
            sim_wait_claim(s, c->run, i);
            break;

        case SIM_DO_INVOKE:
            (void) sim_wait_add(s, c->run, i);
            s->figures.invoked++;
            break;

        default:
            break;
        }

        if (run->must_fail) {
            return;
        }
    }
}


static bool
sim_wait_wants(const sim_t *s, const sim_wait_t *w, const sim_event_t *e)
{
    const sim_step_t  *st;

    st = sim_wait_step(s, w);

    return st->kind == SIM_DO_WAIT && st->name == e->name
           && sim_if_true(st->cond, &s->runs[w->run].data, &e->data);
}


void
sim_wait_event(sim_t *s, unsigned event)
{
    unsigned      i;
    sim_wait_t   *w;
    sim_event_t  *e;

    e = &s->events[event];

    for (i = 0; i < s->nwaits; i++) {
        w = &s->waits[i];

        if (w->match == -1 && !w->empty && s->now < w->expires
            && sim_wait_wants(s, w, e))
        {
            w->match = (int) event;
        }
    }
}


/* -- what the store says -------------------------------------------------- */

void
sim_wait_check(sim_t *s, dur_txn_t *txn)
{
    unsigned           i;
    sim_wait_t        *w;
    dur_step_t         row;
    const sim_step_t  *st;

    for (i = 0; i < s->nwaits; /* void */) {
        w = &s->waits[i];
        st = sim_wait_step(s, w);

        if (s->runs[w->run].ended) {
            sim_wait_drop(s, w);
            continue;
        }

        if (dur_step_get(txn, &s->runs[w->run].id, &st->key, &row) != DUR_OK) {
            sim_fail(s, "step %s of a run of %s does not wait", st->id,
                     s->fns[s->runs[w->run].fn].slug);
        }

        if (row.state == DUR_STEP_DONE) {
            sim_wait_done(s, txn, w, &row);
            sim_wait_drop(s, w);
            continue;
        }

        sim_wait_open(s, txn, w, &row);
        i++;
    }

    sim_wait_rows(s, txn);
}
