/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A second opinion on what cancels runs from outside: events that cancelOn
 * names, and cancellations by when runs were created.
 */

#include "engine/dur_wait_row.h"

#include "sim.h"

#define SIM_YEAR  ((int64_t) 365 * 86400 * 1000)


/* -- cancelOn ------------------------------------------------------------- */

static bool
sim_cancel_wants(const sim_t *s, const sim_cancel_t *c, unsigned event)
{
    const sim_run_t    *run;
    const sim_flow_t   *f;
    const sim_event_t  *e;

    run = &s->runs[c->run];
    f = &s->fns[run->fn].flow;
    e = &s->events[event];

    return e->name == f->cancels[c->entry].name
           && sim_if_true(f->cancels[c->entry].cond, &run->data, &e->data);
}


/* Where the run's own event is among those of this batch, or -1. */
static int
sim_cancel_cause(const sim_t *s, const sim_run_t *run)
{
    unsigned  i;

    for (i = s->batch_events; i < s->naccepted; i++) {
        if (memcmp(&s->events[s->accepted[i]].id, &run->event, DUR_ULID_LEN)
            == 0)
        {
            return (int) i;
        }
    }

    return -1;
}


/* Events of the batch that made the run: those behind its own came later, of
 * others nobody knows. */
static void
sim_cancel_same_batch(sim_t *s, const sim_cancel_t *c)
{
    int         cause;
    unsigned    i;
    sim_run_t  *run;

    run = &s->runs[c->run];
    cause = run->original == -1 && !s->had_tasks ? sim_cancel_cause(s, run)
                                                 : -1;

    for (i = s->batch_events; i < s->naccepted; i++) {
        if (s->now < c->expires && sim_cancel_wants(s, c, s->accepted[i])) {
            run->may_cancel = true;
            run->must_cancel |= cause >= 0 && (int) i > cause
                                && !dur_engine_has_tasks(s->engine);
        }
    }
}


/* A run was seen for the first time. */
void
sim_cancel_born(sim_t *s, int run)
{
    unsigned           i;
    sim_cancel_t      *c;
    const sim_flow_t  *f;

    f = &s->fns[s->runs[run].fn].flow;

    for (i = 0; i < f->ncancels; i++) {
        if (s->ncancels == s->cancels_size) {
            s->cancels_size = s->cancels_size ? s->cancels_size * 2 : 64;
            s->cancels = realloc(s->cancels,
                                 s->cancels_size * sizeof(*s->cancels));
        }

        c = &s->cancels[s->ncancels++];
        c->run = run;
        c->entry = i;
        c->expires = s->runs[run].created
                     + (f->cancels[i].ms ? (int64_t) f->cancels[i].ms
                                         : SIM_YEAR);
        sim_cancel_same_batch(s, c);
    }
}


void
sim_cancel_event(sim_t *s, unsigned event)
{
    unsigned       i;
    sim_cancel_t  *c;

    for (i = 0; i < s->ncancels; i++) {
        c = &s->cancels[i];

        if (s->now < c->expires && sim_cancel_wants(s, c, event)) {
            s->runs[c->run].may_cancel = true;
            s->runs[c->run].must_cancel = true;
        }
    }
}


/* Each entry of a run that lives is in the table of waits. */
static bool
sim_cancel_linked(const sim_t *s, dur_txn_t *txn, const sim_cancel_t *c)
{
    uint8_t         key[1 + DUR_WAIT_WHO];
    dur_str_t       row;
    dur_wait_who_t  who;

    memset(&who, 0, sizeof(who));
    who.run = s->runs[c->run].id;
    who.kind = DUR_WAIT_CANCEL;
    dur_put32(who.step.b, c->entry);

    key[0] = 'R';
    dur_wait_who_put(key + 1, &who);

    return dur_txn_get(txn, DUR_T_WAIT, dur_str_make(key, sizeof(key)), &row)
           == DUR_OK;
}


/* -- cancellations -------------------------------------------------------- */

const sim_rule_t *
sim_cancel_rule(const sim_t *s, const sim_run_t *run, const dur_ulid_t *id)
{
    int64_t            ms;
    unsigned           i;
    const sim_rule_t  *r;

    ms = (int64_t) dur_ulid_ms(&run->id);

    for (i = 0; i < s->nrules; i++) {
        r = &s->rules[i];

        if (r->taken && r->fn == run->fn && ms >= r->after && ms <= r->before
            && (!r->some || run->data.k == 1)
            && (id == NULL || memcmp(id, &r->id, sizeof(*id)) == 0)
            && (id != NULL || !r->removed))
        {
            return r;
        }
    }

    return NULL;
}


/* A rule has looked at all runs that were there before it. */
static void
sim_cancel_rules_check(sim_t *s)
{
    unsigned           i;
    sim_run_t         *run;
    const sim_rule_t  *r;

    if (s->nrules == 0 || dur_engine_has_tasks(s->engine)) {
        return;
    }

    for (i = 0; i < s->nruns; i++) {
        run = &s->runs[i];

        if (run->ended || !run->born) {
            continue;
        }

        r = sim_cancel_rule(s, run, NULL);

        if (r != NULL && !r->removing && run->batch < r->batch) {
            sim_fail(s, "a cancellation did not meet a run of %s",
                     s->fns[run->fn].slug);
        }
    }
}


void
sim_cancel_check(sim_t *s, dur_txn_t *txn)
{
    unsigned       i;
    sim_run_t     *run;
    sim_cancel_t  *c;

    for (i = 0; i < s->ncancels; /* void */) {
        c = &s->cancels[i];
        run = &s->runs[c->run];

        if (run->ended) {
            *c = s->cancels[--s->ncancels];
            continue;
        }

        if (run->must_cancel && !dur_engine_has_tasks(s->engine)) {
            sim_fail(s, "an event did not cancel a run of %s",
                     s->fns[run->fn].slug);
        }

        if (!sim_cancel_linked(s, txn, c)) {
            sim_fail(s, "cancelOn %u of a run of %s is not in the table of "
                     "waits", c->entry, s->fns[run->fn].slug);
        }

        i++;
    }

    sim_cancel_rules_check(s);
    sim_bulk_check(s);
}
