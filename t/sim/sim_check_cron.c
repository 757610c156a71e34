/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A second opinion on schedules (features 6): which slot each function waits
 * for, that a slot has one run, and that what was missed has one together.
 * The texts are simple enough for a division to know their slots.
 */

#include "sim_check.h"

typedef struct {
    sim_view_t    *v;
    unsigned       n;
    sim_slot_t     rows[SIM_FNS_MAX];
} sim_slots_t;


static void __attribute__((noreturn))
sim_cron_wrong(sim_t *s, unsigned fn, const char *what)
{
    sim_fail(s, "the schedule of %s %s", s->fns[fn].slug, what);
}


/* The first slot after an instant. */
static int64_t
sim_cron_next(unsigned cron, int64_t after)
{
    int64_t                    period, n;
    const sim_cron_text_t     *text;

    text = &sim_crons[cron];
    period = (int64_t) text->period * 1000;
    n = (after - (int64_t) text->offset * 1000) / period + 1;

    return n * period + (int64_t) text->offset * 1000;
}


/* -- the rows ------------------------------------------------------------- */

static void
sim_cron_timer(sim_view_t *v, const sim_slot_t *slot)
{
    unsigned     i;
    sim_item_t  *it;

    for (i = 0; i < v->nitems; i++) {
        it = &v->items[i];

        if (it->id == slot->item) {
            it->counted = true;

            if (it->table == DUR_T_TIMER && it->item.kind == DUR_ITEM_CRON
                && it->item.due == slot->due)
            {
                return;
            }
        }
    }

    sim_cron_wrong(v->s, slot->fn, "has no timer");
}


/* A slot, and as much later as its jitter allows. */
static void
sim_cron_times(sim_t *s, const sim_slot_t *slot, const sim_flow_t *f)
{
    int64_t  late, jitter;

    if (sim_cron_next(f->cron, slot->slot - 1) != slot->slot) {
        sim_cron_wrong(s, slot->fn, "waits for what is no slot");
    }

    late = slot->due - slot->slot;
    jitter = (int64_t) f->jitter * 1000;

    if (jitter == 0 ? late != 0
                    : late < 1000 || (late >= jitter && jitter > 1000))
    {
        sim_cron_wrong(s, slot->fn, "has another jitter than it asks for");
    }
}


static void
sim_cron_row(sim_slots_t *t, dur_str_t key, dur_str_t value)
{
    sim_t       *s;
    dur_dec_t    r;
    sim_fn_t    *fn;
    sim_slot_t  *slot;

    s = t->v->s;

    if (t->n == SIM_FNS_MAX) {
        sim_fail(s, "there are more schedules than functions");
    }

    slot = &t->rows[t->n++];
    slot->fn = sim_view_fn(t->v, dur_get32(key.data + 1));

    dur_dec_init(&r, value);
    dur_dec_begin(&r);
    (void) dur_dec_u64(&r);
    slot->slot = (int64_t) dur_dec_u64(&r);
    slot->due = (int64_t) dur_dec_u64(&r);
    slot->item = dur_dec_u64(&r);
    dur_dec_end(&r);

    if (r.failed) {
        sim_cron_wrong(s, slot->fn, "cannot be read");
    }

    sim_cron_timer(t->v, slot);

    fn = &s->fns[slot->fn];
    slot->cron = fn->held.cron;

    if (dur_engine_has_tasks(s->engine)) {
        return;                 /* it may be of the registration before */
    }

    if (!fn->active || fn->held.cron == 0) {
        sim_cron_wrong(s, slot->fn, "is there, and its function has none");
    }

    sim_cron_times(s, slot, &fn->held);
}


static void
sim_cron_rows(sim_slots_t *t)
{
    dur_rc_t       rc;
    dur_str_t      key, value;
    dur_cursor_t  *c;

    if (dur_cursor_open(t->v->txn, DUR_T_FLOW, &c) != DUR_OK) {
        sim_fail(t->v->s, "the state of the flow cannot be read");
    }

    for (rc = dur_cursor_seek(c, dur_str("c"), &key, &value);
         rc == DUR_OK && key.data[0] == 'c';
         rc = dur_cursor_next(c, &key, &value))
    {
        sim_cron_row(t, key, value);
    }

    dur_cursor_close(c);
}


static const sim_slot_t *
sim_cron_find(const sim_slot_t *slots, unsigned n, unsigned fn)
{
    unsigned  i;

    for (i = 0; i < n; i++) {
        if (slots[i].fn == fn) {
            return &slots[i];
        }
    }

    return NULL;
}


/* -- what became of them -------------------------------------------------- */

static bool
sim_cron_began(const sim_t *s, unsigned fn, int64_t slot)
{
    unsigned          i;
    const sim_run_t  *r;

    for (i = 0; i < s->nruns; i++) {
        r = &s->runs[i];

        if (r->fn == fn && r->slot == slot && r->original == -1
            && r->batch == s->nlog)
        {
            return true;
        }
    }

    return false;
}


/* A slot was due and has its run, unless something else steers that; the next
 * one is the first that is to come. */
static void
sim_cron_fired(sim_t *s, const sim_slot_t *old, const sim_slot_t *now)
{
    int64_t            next, over;
    const sim_flow_t  *f;

    f = &s->fns[old->fn].held;

    if (old->due > s->now) {
        sim_cron_wrong(s, old->fn, "was not awaited");
    }

    if (f->limit == 0 && f->debounce == 0
        && !sim_cron_began(s, old->fn, old->slot))
    {
        sim_cron_wrong(s, old->fn, "was due and started no run");
    }

    over = s->now - (int64_t) f->jitter * 1000;
    next = sim_cron_next(f->cron, over > old->slot ? over : old->slot);

    /* that one may have been due within its jitter already */

    if (now->slot != next
        && (now->slot != sim_cron_next(f->cron, next)
            || next + (int64_t) f->jitter * 1000 <= s->now))
    {
        sim_cron_wrong(s, old->fn, "does not wait for the next slot");
    }

    s->figures.slots++;
}


static void
sim_cron_changed(sim_slots_t *t, unsigned fn)
{
    sim_t             *s;
    const sim_fn_t    *f;
    const sim_slot_t  *old, *now;

    s = t->v->s;
    f = &s->fns[fn];
    old = sim_cron_find(s->slots_of, s->nslots_of, fn);
    now = sim_cron_find(t->rows, t->n, fn);

    if (s->had_tasks || dur_engine_has_tasks(s->engine) || s->clock_steps) {
        return;
    }

    if (now == NULL) {
        if (f->active && f->held.cron > 0) {
            sim_cron_wrong(s, fn, "is not there");
        }
        return;
    }

    if (old == NULL || f->held_in == s->nlog || f->active_in == s->nlog) {
        if (now->slot > sim_cron_next(f->held.cron, s->now)) {
            sim_cron_wrong(s, fn, "waits for a later slot than the first");
        }
        return;
    }

    if (old->item != now->item) {
        sim_cron_fired(s, old, now);
    }
}


/* However often the leader changes and the clock is set, a slot has one. */
static void
sim_cron_once(sim_t *s)
{
    unsigned          i, j;
    const sim_run_t  *a, *b;

    for (i = 0; i < s->nruns; i++) {
        a = &s->runs[i];

        for (j = 0; a->slot != 0 && a->batch == s->nlog && a->original == -1
                    && j < i; j++)
        {
            b = &s->runs[j];

            if (b->fn == a->fn && b->slot == a->slot && b->original == -1
                && b->cron == a->cron)
            {
                sim_cron_wrong(s, a->fn, "started two runs for one slot");
            }
        }
    }
}


void
sim_view_cron(sim_view_t *v)
{
    static sim_slots_t  t;

    unsigned  i;

    t.v = v;
    t.n = 0;

    sim_cron_rows(&t);

    for (i = 0; i < v->s->nfns; i++) {
        sim_cron_changed(&t, i);
    }

    sim_cron_once(v->s);

    memcpy(v->s->slots_of, t.rows, sizeof(t.rows));
    v->s->nslots_of = t.n;
}
