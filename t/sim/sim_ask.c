/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What people ask for now and then: functions that pause and go on, runs that
 * run again, all of them or from a step on, and cancellations.  Whoever asks
 * repeats it until there is an answer.
 */

#include "engine/dur_time.h"

#include "sim_world.h"


/* The id of the run in {"run_id":"..."}. */
static bool
sim_ask_run_id(dur_str_t body, dur_ulid_t *id)
{
    char  text[DUR_ULID_TEXT_LEN + 1];

    if (body.len < 11 + DUR_ULID_TEXT_LEN) {
        return false;
    }

    memcpy(text, body.data + 11, DUR_ULID_TEXT_LEN);
    text[DUR_ULID_TEXT_LEN] = '\0';

    return dur_ulid_parse(dur_str_c(text), id) == DUR_OK;
}


static void
sim_ask_id(sim_t *s, dur_ulid_t *id)
{
    uint8_t  entropy[10];

    sim_bytes(&s->rand, entropy, sizeof(entropy));
    dur_ulid_make(id, (uint64_t) s->now, entropy);
}


/* -- functions that pause ------------------------------------------------- */

static void
sim_ask_pause(sim_t *s, sim_ops_t *b)
{
    unsigned   i;
    sim_fn_t  *fn;

    for (i = 0; i < s->nfns && b->n < SIM_BATCH_MAX - 8; i++) {
        fn = &s->fns[i];

        if (s->calm ? fn->paused
            : sim_permille(&s->rand, fn->paused ? 60 : s->asks / 5))
        {
            sim_add_pause(s, b, i, !fn->paused);
        }
    }
}


void
sim_committed_pause(sim_t *s, const sim_op_t *o, const dur_reply_t *reply)
{
    bool       pause;
    sim_fn_t  *fn;

    pause = o->ref >= 0;
    fn = &s->fns[pause ? o->ref : -1 - o->ref];

    if (reply->status == 404 && fn->toggled && pause) {
        return;
    }

    if (reply->status == 404 && fn->toggled && s->conf.retention > 0) {
        fn->paused = false;     /* retention has deleted it meanwhile */
        return;
    }

    if (reply->status != 200) {
        sim_fail(s, "%s does not %s: %u", fn->slug, pause ? "pause" : "go on",
                 reply->status);
    }

    fn->paused_in = s->nlog;
    fn->paused = pause;
    fn->was_paused |= pause;
}


/* -- runs that run again -------------------------------------------------- */

static void
sim_ask_rerun_new(sim_t *s)
{
    sim_fn_t     *fn;
    sim_rerun_t  *r;

    if (s->nreruns == SIM_RERUNS_MAX || s->nruns == 0) {
        return;
    }

    r = &s->reruns[s->nreruns++];
    memset(r, 0, sizeof(*r));
    sim_ask_id(s, &r->id);
    r->run = (int) sim_below(&s->rand, s->nruns);
    r->from = -1;

    fn = &s->fns[s->runs[r->run].fn];

    if (fn->nsteps > 0 && sim_permille(&s->rand, 600)) {
        r->from = (int) sim_below(&s->rand, fn->nsteps);
        r->edited = sim_permille(&s->rand, 400);
    }
}


static void
sim_ask_reruns(sim_t *s, sim_ops_t *b)
{
    unsigned      i;
    sim_rerun_t  *r;

    if (!s->calm && sim_permille(&s->rand, s->asks)) {
        sim_ask_rerun_new(s);
    }

    for (i = 0; i < s->nreruns && b->n < SIM_BATCH_MAX - 8; i++) {
        r = &s->reruns[i];

        if (r->taken && (s->now > r->at + 3600 * 1000 || s->now < r->at)) {
            r->acked = true;
            continue;
        }

        if (!r->acked || (!s->calm && r->taken && sim_permille(&s->rand, 5)))
        {
            sim_add_rerun(s, b, i);
        }
    }
}


/* The memos that it must have; -1: the run went on in between. */
static int
sim_rerun_memos(const sim_run_t *old, int from)
{
    if (from == -1) {
        return 0;
    }

    if (!old->ended) {
        return -1;
    }

    return (old->seen_rows >> from & 1)
           ? (int) old->steps[from].stack
           : __builtin_popcount(old->seen_rows);
}


static void
sim_rerun_taken(sim_t *s, sim_rerun_t *r, const dur_reply_t *reply)
{
    dur_ulid_t         id;
    sim_run_t         *run;
    const sim_run_t   *old;

    if (!sim_ask_run_id(reply->body, &id)) {
        sim_fail(s, "the answer to a rerun names no run");
    }

    if (r->taken) {
        if (memcmp(&id, &r->made, sizeof(id)) != 0) {
            sim_fail(s, "a rerun that is asked for again is another one");
        }
        return;
    }

    s->figures.reruns++;
    r->taken = true;
    r->at = s->now;
    r->made = id;

    run = &s->runs[sim_run_find(s, &id, true)];
    old = &s->runs[r->run];

    run->fn = old->fn;
    run->original = r->run;
    run->from = r->from;
    run->edited = r->edited;
    run->memos = sim_rerun_memos(old, r->from);
    run->errored = s->conf.retention > 0;       /* the old one may go */
}


void
sim_committed_rerun(sim_t *s, const sim_op_t *o, const dur_reply_t *reply)
{
    bool               gone;
    sim_rerun_t       *r;
    const sim_run_t   *old;

    r = &s->reruns[o->ref];
    old = &s->runs[r->run];

    if (reply->status == 200) {
        sim_rerun_taken(s, r, reply);
        return;
    }

    gone = s->conf.retention > 0 && old->ended;

    if (r->taken
        || !((reply->status == 404 && (gone || (r->from >= 0
                                    && !(old->seen_rows >> r->from & 1))))
             || (reply->status == 409 && s->fns[old->fn].toggled)))
    {
        sim_fail(s, "a run of %s does not run again: %u %.*s",
                 s->fns[old->fn].slug, reply->status,
                 (int) reply->body.len, (const char *) reply->body.data);
    }
}


/* -- cancellations -------------------------------------------------------- */

static void
sim_ask_rule_new(sim_t *s)
{
    sim_rule_t  *r;

    if (s->nrules == SIM_RULES_MAX) {
        return;
    }

    r = &s->rules[s->nrules++];
    memset(r, 0, sizeof(*r));
    sim_ask_id(s, &r->id);
    r->fn = sim_below(&s->rand, s->nfns);
    r->before = s->now - sim_below(&s->rand, 20000);

    if (sim_permille(&s->rand, 500)) {
        r->before = s->now + sim_below(&s->rand, 4000);
    }

    if (sim_permille(&s->rand, 500)) {
        r->after = r->before - sim_below(&s->rand, 120 * 1000);
    }

    r->some = sim_permille(&s->rand, 500);
}


static void
sim_ask_rules(sim_t *s, sim_ops_t *b)
{
    unsigned     i;
    sim_rule_t  *r;

    if (!s->calm && sim_permille(&s->rand, s->asks / 3)) {
        sim_ask_rule_new(s);
    }

    for (i = 0; i < s->nrules && b->n < SIM_BATCH_MAX - 8; i++) {
        r = &s->rules[i];

        if (!r->acked) {
            sim_add_rule(s, b, i, false);

        } else if (r->taken && !r->removed
                   && (r->removing || sim_permille(&s->rand, 5)))
        {
            r->removing = true;
            sim_add_rule(s, b, i, true);
        }
    }
}


void
sim_committed_rule(sim_t *s, const sim_op_t *o, const dur_reply_t *reply)
{
    sim_rule_t  *r;

    r = &s->rules[o->ref >= 0 ? o->ref : -1 - o->ref];

    if (o->ref < 0) {
        /* asked for again, or its time over, it is gone already */
        if (reply->status != 200
            && (reply->status != 404
                || (!r->removed && s->conf.retention == 0)))
        {
            sim_fail(s, "a cancellation is not deleted: %u", reply->status);
        }
        r->removed = true;
        return;
    }

    /* whoever waited for too long asks for a time that was */

    if (reply->status == 200) {
        if (!r->taken) {
            r->taken = true;
            r->batch = s->nlog;
        }
        return;
    }

    if (r->taken
        || !((reply->status == 404 && s->fns[r->fn].toggled)
             || (reply->status == 400 && r->before > s->now + 4000)))
    {
        sim_fail(s, "a cancellation is refused: %u %.*s", reply->status,
                 (int) reply->body.len, (const char *) reply->body.data);
    }
}


/* -- all of them ---------------------------------------------------------- */

void
sim_gather_asks(sim_t *s, sim_ops_t *b)
{
    sim_ask_pause(s, b);
    sim_ask_reruns(s, b);
    sim_ask_rules(s, b);
    sim_bulk_gather(s, b);
}


void
sim_ask_replied(sim_t *s, const sim_op_t *o)
{
    if (o->type == DUR_OP_RERUN) {
        s->reruns[o->ref].acked = true;
    }

    if (o->type == DUR_OP_BULK) {
        s->bulks[o->ref].acked = true;
    }

    if (o->type == DUR_OP_CANCELLATION && o->ref >= 0) {
        s->rules[o->ref].acked = true;
    }
}


bool
sim_ask_idle(const sim_t *s)
{
    unsigned  i;

    for (i = 0; i < s->nfns; i++) {
        if (s->fns[i].paused) {
            return false;
        }
    }

    for (i = 0; i < s->nreruns; i++) {
        if (!s->reruns[i].acked) {
            return false;
        }
    }

    for (i = 0; i < s->nrules; i++) {
        if (!s->rules[i].acked
            || (s->rules[i].removing && !s->rules[i].removed))
        {
            return false;
        }
    }

    return sim_bulk_idle(s);
}
