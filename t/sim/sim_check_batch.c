/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A second opinion on batches (features 5.5): each event that a function
 * collects is in one batch of its key, in the order in which the events came;
 * a batch starts one run when it is full or its time is over, not before and
 * not later.
 */

#include "engine/dur_query.h"

#include "sim_check.h"

#define SIM_MEMBERS_MAX  64


typedef struct {
    sim_view_t   *v;
    unsigned      n;
    sim_batch_of_t  rows[SIM_BATCHES_MAX];
} sim_batches_t;

/* The events of one run, or of one to come. */
typedef struct {
    unsigned    n;
    dur_ulid_t  events[SIM_MEMBERS_MAX];
} sim_members_t;


static void __attribute__((noreturn))
sim_batch_wrong(sim_t *s, unsigned fn, const char *what)
{
    sim_fail(s, "a batch of %s %s", s->fns[fn].slug, what);
}


static unsigned
sim_batch_most(const sim_t *s, const sim_fn_t *fn)
{
    return fn->held_in == s->nlog && fn->before.batch > fn->held.batch
           ? fn->before.batch : fn->held.batch;
}


static unsigned
sim_batch_least(const sim_t *s, const sim_fn_t *fn)
{
    return fn->held_in == s->nlog && fn->before.batch < fn->held.batch
           && fn->before.batch > 0
           ? fn->before.batch : fn->held.batch;
}


/* -- members -------------------------------------------------------------- */

static void
sim_batch_members(sim_view_t *v, const dur_ulid_t *run, sim_members_t *m)
{
    uint8_t        prefix[1 + DUR_ULID_LEN];
    dur_rc_t       rc;
    dur_str_t      key, value;
    dur_dec_t      r;
    dur_cursor_t  *c;

    m->n = 0;
    prefix[0] = 'm';
    memcpy(prefix + 1, run->b, DUR_ULID_LEN);

    if (dur_cursor_open(v->txn, DUR_T_FLOW, &c) != DUR_OK) {
        sim_fail(v->s, "the state of the flow cannot be read");
    }

    for (rc = dur_cursor_seek(c, dur_str_make(prefix, sizeof(prefix)), &key,
                              &value);
         rc == DUR_OK && memcmp(key.data, prefix, sizeof(prefix)) == 0;
         rc = dur_cursor_next(c, &key, &value))
    {
        dur_dec_init(&r, value);
        dur_dec_begin(&r);

        if (m->n == SIM_MEMBERS_MAX || m->n != dur_get32(key.data + 17)) {
            sim_fail(v->s, "a batch has too many events, or a gap");
        }

        dur_dec_raw(&r, m->events[m->n++].b, DUR_ULID_LEN);
    }

    dur_cursor_close(c);
}


/* It is in no other batch of the function. */
static void
sim_batch_take(sim_t *s, sim_event_t *e, unsigned fn, const dur_ulid_t *run)
{
    static const dur_ulid_t  none;

    if (memcmp(&e->in[fn], &none, sizeof(none)) != 0
        && memcmp(&e->in[fn], run, sizeof(none)) != 0)
    {
        sim_batch_wrong(s, fn, "has an event of another one");
    }

    e->in[fn] = *run;
}


/* Known to the function, of the key, and one came after the other; the value
 * of the key that they have in common. */
static int
sim_batch_check_members(sim_view_t *v, const sim_members_t *m, unsigned fn,
    const dur_ulid_t *run)
{
    int                value, event, last;
    sim_t             *s;
    unsigned           i;
    sim_data_t         data;
    const sim_flow_t  *f;

    s = v->s;
    f = &s->fns[fn].held;
    value = 0;

    for (i = 0, last = -1; i < m->n; i++) {
        event = sim_event_find(s, &m->events[i]);
        sim_event_data(v, &m->events[i], &data);

        if (i == 0) {
            value = sim_key_value(f->batch_key, &data);

        } else if (value != sim_key_value(f->batch_key, &data)) {
            sim_batch_wrong(s, fn, "has events of two keys");
        }

        if (!sim_if_true(f->batch_if, &data, &data)) {
            sim_batch_wrong(s, fn, "has an event that it must not have");
        }

        if (event == -1) {
            continue;           /* of a step that invoked the function */
        }

        if (!(s->events[event].later >> fn & 1)) {
            sim_batch_wrong(s, fn, "has an event that is none of it");
        }

        sim_batch_take(s, &s->events[event], fn, run);

        if (s->events[event].late) {
            continue;           /* others went past it */
        }

        if (last >= 0 && s->events[event].order < s->events[last].order) {
            sim_batch_wrong(s, fn, "has its events in another order");
        }

        last = event;
    }

    return value;
}


/* -- open ones ------------------------------------------------------------ */

static void
sim_batch_timer(sim_view_t *v, const sim_batch_of_t *b)
{
    unsigned     i;
    sim_item_t  *it;

    for (i = 0; i < v->nitems; i++) {
        it = &v->items[i];

        if (it->id == b->item) {
            it->counted = true;

            if (it->table == DUR_T_TIMER && it->item.kind == DUR_ITEM_BATCH
                && it->item.due == b->due)
            {
                return;
            }
        }
    }

    sim_batch_wrong(v->s, b->fn, "has no timer");
}


static void
sim_batch_row_read(sim_t *s, dur_str_t row, sim_batch_of_t *b)
{
    dur_dec_t  r;

    dur_dec_init(&r, row);
    dur_dec_begin(&r);
    dur_dec_raw(&r, b->run.b, DUR_ULID_LEN);
    b->count = dur_dec_u32(&r);
    (void) dur_dec_u64(&r);
    b->opened = (int64_t) dur_dec_u64(&r);
    b->due = (int64_t) dur_dec_u64(&r);
    b->item = dur_dec_u64(&r);
    dur_dec_end(&r);

    if (r.failed) {
        sim_batch_wrong(s, b->fn, "cannot be read");
    }
}


static void
sim_batch_row(sim_batches_t *t, dur_str_t key, dur_str_t row)
{
    sim_t             *s;
    unsigned           i;
    sim_members_t      m;
    sim_batch_of_t    *b;
    const sim_fn_t    *fn;

    s = t->v->s;

    if (t->n == SIM_BATCHES_MAX) {
        sim_fail(s, "the simulation is too small for its batches");
    }

    b = &t->rows[t->n++];
    b->fn = sim_view_fn(t->v, dur_get32(key.data + 1));
    fn = &s->fns[b->fn];

    sim_batch_row_read(s, row, b);
    sim_batch_members(t->v, &b->run, &m);
    b->value = sim_batch_check_members(t->v, &m, b->fn, &b->run);

    if (m.n != b->count) {
        sim_fail(s, "a batch of %s counts %u events and has %u", fn->slug,
                 b->count, m.n);
    }

    /* one with a lower limit starts when the next event comes */

    if (m.n == 0 || (m.n >= sim_batch_most(s, fn) && !fn->flow_changed)) {
        sim_batch_wrong(s, b->fn, "is open, with none or all of its events");
    }

    if (b->due != b->opened + (int64_t) fn->held.batch_timeout * 1000) {
        sim_batch_wrong(s, b->fn, "is open for another time than it may be");
    }

    sim_batch_timer(t->v, b);

    for (i = 0; i + 1 < t->n; i++) {
        if (t->rows[i].fn == b->fn && t->rows[i].value == b->value) {
            sim_batch_wrong(s, b->fn, "is open twice for a key");
        }
    }
}


static void
sim_batch_rows(sim_batches_t *t)
{
    dur_rc_t       rc;
    dur_str_t      key, value;
    dur_cursor_t  *c;

    if (dur_cursor_open(t->v->txn, DUR_T_FLOW, &c) != DUR_OK) {
        sim_fail(t->v->s, "the state of the flow cannot be read");
    }

    for (rc = dur_cursor_seek(c, dur_str("b"), &key, &value);
         rc == DUR_OK && key.data[0] == 'b';
         rc = dur_cursor_next(c, &key, &value))
    {
        sim_batch_row(t, key, value);
    }

    dur_cursor_close(c);
}


/* -- runs ----------------------------------------------------------------- */

/* What the apps and people see of its events is the same list. */
static void
sim_batch_seen(sim_view_t *v, const sim_run_t *r, const sim_members_t *m)
{
    int       event;
    json_t   *events, *n;
    unsigned  i;

    dur_buf_reset(&v->s->buf);

    if (dur_query_batch(dur_engine_store(v->s->engine), &r->id, &v->s->buf)
        != DUR_OK)
    {
        sim_batch_wrong(v->s, r->fn, "cannot be read");
    }

    events = json_loadb((char *) v->s->buf.data, v->s->buf.len, 0, NULL);

    if (json_array_size(events) != m->n) {
        sim_batch_wrong(v->s, r->fn, "shows more events, or less");
    }

    for (i = 0; i < m->n; i++) {
        event = sim_event_find(v->s, &m->events[i]);
        n = json_object_get(json_object_get(json_array_get(events, i),
                                            "data"), "n");

        if (event >= 0 && json_integer_value(n) != event) {
            sim_batch_wrong(v->s, r->fn, "shows other events");
        }
    }

    json_decref(events);
}


static void
sim_batch_run(sim_view_t *v, sim_run_t *r)
{
    sim_t                   *s;
    unsigned                 i;
    sim_members_t            m;
    const sim_batch_of_t    *b;

    s = v->s;

    sim_batch_members(v, &r->id, &m);
    (void) sim_batch_check_members(v, &m, r->fn, &r->id);
    sim_batch_seen(v, r, &m);

    r->nevents = m.n;

    if (m.n == 0 || memcmp(&m.events[0], &r->event, DUR_ULID_LEN) != 0) {
        sim_batch_wrong(s, r->fn, "has a run of another event");
    }

    for (i = 0, b = NULL; i < s->nbatches_of; i++) {
        if (memcmp(&s->batches_of[i].run, &r->id, DUR_ULID_LEN) == 0) {
            b = &s->batches_of[i];
        }
    }

    if (m.n > sim_batch_most(s, &s->fns[r->fn])
        && (b == NULL || m.n > b->count + 1))
    {
        sim_batch_wrong(s, r->fn, "started with too many events");
    }

    if (m.n < sim_batch_least(s, &s->fns[r->fn])
        && (b == NULL || (b->due > s->now && !s->clock_steps)))
    {
        sim_batch_wrong(s, r->fn, "started too early");
    }

    s->figures.batched += m.n;
}


/* One that is open no more has a run, unless its function is gone. */
static void
sim_batch_ended(sim_t *s, const sim_batch_of_t *b)
{
    int  run;

    run = sim_run_find(s, &b->run, false);

    if (run == -1 && !s->fns[b->fn].toggled) {
        sim_batch_wrong(s, b->fn, "ended and started no run");
    }
}


/* -- all of it ------------------------------------------------------------ */

/* The rest of a fan-out is a task. */
static void
sim_batch_late(sim_t *s)
{
    unsigned  i;

    for (i = s->batch_events; i < s->naccepted; i++) {
        s->events[s->accepted[i]].late = s->had_tasks
                                         || dur_engine_has_tasks(s->engine);
    }
}


/* What came is in one; an event of a client's id may be known. */
static void
sim_batch_came(sim_t *s)
{
    unsigned            i, f;
    const sim_event_t  *e;

    static const dur_ulid_t  none;

    if (s->had_tasks || dur_engine_has_tasks(s->engine)) {
        return;
    }

    for (i = s->batch_events; i < s->naccepted; i++) {
        e = &s->events[s->accepted[i]];

        for (f = 0; f < s->nfns; f++) {
            if ((e->later >> f & 1) && s->fns[f].held.batch && e->client < 0
                && memcmp(&e->in[f], &none, sizeof(none)) == 0)
            {
                sim_batch_wrong(s, f, "does not have an event that came");
            }
        }
    }
}


void
sim_view_batch(sim_view_t *v)
{
    static sim_batches_t  t;

    sim_t     *s;
    unsigned   i, j;

    s = v->s;
    t.v = v;
    t.n = 0;

    sim_batch_late(s);
    sim_batch_rows(&t);

    for (i = 0; i < s->nruns; i++) {
        if (s->runs[i].batched && s->runs[i].batch == s->nlog
            && s->runs[i].original == -1)
        {
            sim_batch_run(v, &s->runs[i]);
        }
    }

    for (i = 0; i < s->nbatches_of; i++) {
        for (j = 0; j < t.n && t.rows[j].item != s->batches_of[i].item; j++) {
            /* void */
        }

        if (j == t.n) {
            sim_batch_ended(s, &s->batches_of[i]);
        }
    }

    sim_batch_came(s);

    memcpy(s->batches_of, t.rows, sizeof(t.rows));
    s->nbatches_of = t.n;
}
