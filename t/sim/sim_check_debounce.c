/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A second opinion on debounces (features 5.4): which event each of them must
 * hold after the ones of a batch, until when at most, and that it starts a run
 * then and not before.
 */

#include "sim_check.h"


typedef struct {
    sim_debounce_t  d;
    bool            client;     /* its event is a client's */
} sim_held_t;

typedef struct {
    sim_view_t     *v;
    unsigned        n;
    sim_held_t      rows[SIM_DEBOUNCES_MAX];
} sim_helds_t;


static void __attribute__((noreturn))
sim_debounce_wrong(sim_t *s, unsigned fn, int value, const char *what)
{
    sim_fail(s, "the debounce of %s for %d %s", s->fns[fn].slug, value, what);
}


/* -- the rows ------------------------------------------------------------- */

/* It fires by an item that stands where the row says. */
static void
sim_debounce_timer(sim_view_t *v, const sim_debounce_t *d)
{
    unsigned     i;
    sim_item_t  *it;

    for (i = 0; i < v->nitems; i++) {
        it = &v->items[i];

        if (it->id != d->item) {
            continue;
        }

        it->counted = true;

        if (it->table != DUR_T_TIMER || it->item.kind != DUR_ITEM_DEBOUNCE
            || it->item.due != d->due)
        {
            break;
        }

        return;
    }

    sim_debounce_wrong(v->s, d->fn, d->value, "has no timer");
}


static void
sim_debounce_row(sim_helds_t *h, dur_str_t key, dur_str_t value)
{
    unsigned         i;
    sim_t           *s;
    dur_dec_t        r;
    sim_data_t       data;
    sim_held_t      *held;
    sim_debounce_t  *d;

    s = h->v->s;

    if (h->n == SIM_DEBOUNCES_MAX) {
        sim_fail(s, "the simulation is too small for its debounces");
    }

    held = &h->rows[h->n++];
    d = &held->d;

    d->fn = sim_view_fn(h->v, dur_get32(key.data + 1));

    dur_dec_init(&r, value);
    dur_dec_begin(&r);
    dur_dec_raw(&r, d->event.b, DUR_ULID_LEN);
    d->ts = (int64_t) dur_dec_u64(&r);
    d->began = (int64_t) dur_dec_u64(&r);
    d->due = (int64_t) dur_dec_u64(&r);
    d->item = dur_dec_u64(&r);
    dur_dec_end(&r);

    if (r.failed) {
        sim_fail(s, "the row of a debounce cannot be read");
    }

    sim_event_data(h->v, &d->event, &data);
    d->value = sim_key_value(s->fns[d->fn].held.debounce_key, &data);
    held->client = sim_event_find(s, &d->event) >= 0;
    sim_debounce_timer(h->v, d);

    for (i = 0; i + 1 < h->n; i++) {
        if (h->rows[i].d.fn == d->fn && h->rows[i].d.value == d->value) {
            sim_debounce_wrong(s, d->fn, d->value, "holds two events");
        }
    }
}


static void
sim_debounce_rows(sim_helds_t *h)
{
    dur_rc_t       rc;
    dur_str_t      key, value;
    dur_cursor_t  *c;

    if (dur_cursor_open(h->v->txn, DUR_T_FLOW, &c) != DUR_OK) {
        sim_fail(h->v->s, "the state of the flow cannot be read");
    }

    for (rc = dur_cursor_seek(c, dur_str("d"), &key, &value);
         rc == DUR_OK && key.data[0] == 'd';
         rc = dur_cursor_next(c, &key, &value))
    {
        sim_debounce_row(h, key, value);
    }

    dur_cursor_close(c);
}


static sim_held_t *
sim_debounce_find(sim_helds_t *h, unsigned fn, int value)
{
    unsigned  i;

    for (i = 0; i < h->n; i++) {
        if (h->rows[i].d.fn == fn && h->rows[i].d.value == value) {
            return &h->rows[i];
        }
    }

    return NULL;
}


/* -- its run -------------------------------------------------------------- */

/* The run is of what was held; or, when nobody looked in time, of an event
 * that came after its end and before anybody did. */
static bool
sim_debounce_is(const sim_t *s, const sim_debounce_t *d, const sim_run_t *r)
{
    int  event;

    if (r->fn != d->fn || r->original >= 0 || r->batch != s->nlog) {
        return false;
    }

    if (memcmp(&r->event, &d->event, DUR_ULID_LEN) == 0) {
        return true;
    }

    event = sim_event_find(s, &r->event);

    return d->due <= s->now && s->fns[d->fn].held.debounce_timeout
           && (event == -1 || s->events[event].batch == s->nlog)
           && sim_key_value(s->fns[d->fn].held.debounce_key, &r->data)
              == d->value;
}


static bool
sim_debounce_begun(const sim_t *s, const sim_debounce_t *d)
{
    unsigned  i;

    for (i = 0; i < s->nruns; i++) {
        if (sim_debounce_is(s, d, &s->runs[i])) {
            return true;
        }
    }

    return false;
}


/* -- what came in this batch ---------------------------------------------- */

/*
 * The last event by its ts, of those that are the same age the last that
 * came: *held, when the row is that of the batch before, or one of the batch.
 * -1: none that is known.
 */
static int
sim_debounce_last(const sim_t *s, unsigned fn, int value,
    const sim_debounce_t *held)
{
    int                 last;
    int64_t             ts;
    unsigned            i;
    const sim_event_t  *e;

    last = -1;
    ts = held != NULL ? held->ts : INT64_MIN;

    for (i = s->batch_events; i < s->naccepted; i++) {
        e = &s->events[s->accepted[i]];

        if ((e->later >> fn & 1) && e->ts >= ts
            && sim_key_value(s->fns[fn].held.debounce_key, &e->data) == value)
        {
            last = (int) s->accepted[i];
            ts = e->ts;
        }
    }

    return last;
}


/* Latest and earliest end of one that an event moved just now. */
static void
sim_debounce_moved(sim_t *s, const sim_debounce_t *d)
{
    int64_t            lo, hi, end;
    const sim_fn_t    *fn;
    const sim_flow_t  *f;

    fn = &s->fns[d->fn];
    f = &fn->held;

    if (fn->held_in == s->nlog || s->clock_steps) {
        return;
    }

    lo = hi = s->now + (int64_t) f->debounce * 1000;

    if (f->debounce_timeout) {
        end = d->began + (int64_t) f->debounce_timeout * 1000;
        lo = end - 1000 < lo ? end - 1000 : lo;
        hi = end + 1000 < hi ? end + 1000 : hi;
    }

    lo = lo < s->now + 1000 && hi >= s->now + 1000 ? s->now + 1000 : lo;

    if (d->due < lo || d->due > hi) {
        sim_fail(s, "the debounce of %s for %d ends at %" PRId64 ", not from "
                 "%" PRId64 " to %" PRId64, fn->slug, d->value, d->due, lo,
                 hi);
    }
}


static void
sim_debounce_came(sim_helds_t *h, const sim_event_t *e, unsigned fn)
{
    int                    value, last;
    unsigned               i;
    sim_t                 *s;
    sim_held_t            *row;
    const sim_debounce_t  *before;

    s = h->v->s;
    value = sim_key_value(s->fns[fn].held.debounce_key, &e->data);
    row = sim_debounce_find(h, fn, value);


    for (i = 0, before = NULL; i < s->ndebounces; i++) {
        if (s->debounces[i].fn == fn && s->debounces[i].value == value) {
            before = &s->debounces[i];
        }
    }

    if (row == NULL) {
        if (before == NULL || before->due > s->now
            || (e->ts >= before->ts && e->client < 0
                && !sim_debounce_begun(s, before)))
        {
            sim_debounce_wrong(s, fn, value, "does not hold an event that "
                               "came");
        }
        return;                 /* it was older than what began its run */
    }

    if (!row->client) {
        return;                 /* a step invoked the function later on */
    }

    if (before != NULL && before->item != row->d.item) {
        before = NULL;
    }

    last = sim_debounce_last(s, fn, value, before);

    if (last == -1) {
        if (before == NULL || row->d.due != before->due) {
            sim_debounce_wrong(s, fn, value, "was moved by an old event");
        }
        return;
    }

    if (memcmp(&s->events[last].id, &row->d.event, DUR_ULID_LEN) != 0) {
        sim_debounce_wrong(s, fn, value, "does not hold the last event");
    }

    sim_debounce_moved(s, &row->d);
}


/* -- what ended ----------------------------------------------------------- */

/* An event of a client's id came after its end and before anybody looked: the
 * id may be known, and then nothing begins. */
static bool
sim_debounce_known(const sim_t *s, const sim_debounce_t *d)
{
    unsigned            i;
    const sim_event_t  *e;

    for (i = s->batch_events; i < s->naccepted; i++) {
        e = &s->events[s->accepted[i]];

        if ((e->later >> d->fn & 1) && e->client >= 0
            && sim_key_value(s->fns[d->fn].held.debounce_key, &e->data)
               == d->value)
        {
            return s->fns[d->fn].held.debounce_timeout > 0;
        }
    }

    return false;
}


/* A row that is not there any more, or another one, has started its run, and
 * not too early. */
static void
sim_debounce_ended(sim_t *s, const sim_debounce_t *d)
{
    int  event;

    event = sim_event_find(s, &d->event);

    if (d->due > s->now && !s->clock_steps) {
        sim_debounce_wrong(s, d->fn, d->value, "ended too early");
    }

    if (!sim_debounce_begun(s, d) && !sim_debounce_known(s, d)
        && !s->fns[d->fn].toggled
        && (event == -1 || s->events[event].client == -1))
    {
        sim_debounce_wrong(s, d->fn, d->value, "ended and started no run");
    }

    s->figures.debounced++;
}


/* A run of a function with a debounce was held by it. */
static void
sim_debounce_runs(sim_t *s)
{
    unsigned          i, j;
    const sim_run_t  *r;

    for (i = 0; i < s->nruns; i++) {
        r = &s->runs[i];

        if (r->batch != s->nlog || r->original >= 0
            || !s->fns[r->fn].held.debounce)
        {
            continue;
        }

        for (j = 0; j < s->ndebounces; j++) {
            if (sim_debounce_is(s, &s->debounces[j], r)) {
                break;
            }
        }

        if (j == s->ndebounces) {
            sim_fail(s, "a run of %s began at once, in spite of its debounce",
                     s->fns[r->fn].slug);
        }
    }
}


/* In which a task moves events on, nobody knows what came when. */
static void
sim_debounce_batch(sim_helds_t *h)
{
    sim_t              *s;
    unsigned            i, f;
    const sim_event_t  *e;

    s = h->v->s;

    if (s->had_tasks || dur_engine_has_tasks(s->engine)) {
        return;
    }

    for (i = s->batch_events; i < s->naccepted; i++) {
        e = &s->events[s->accepted[i]];

        for (f = 0; f < s->nfns; f++) {
            if ((e->later >> f & 1) && s->fns[f].held.debounce) {
                sim_debounce_came(h, e, f);
            }
        }
    }
}


void
sim_view_debounce(sim_view_t *v)
{
    static sim_helds_t  h;

    sim_t     *s;
    unsigned   i, j;

    s = v->s;
    h.v = v;
    h.n = 0;

    sim_debounce_rows(&h);
    sim_debounce_batch(&h);

    for (i = 0; i < s->ndebounces; i++) {
        for (j = 0; j < h.n && h.rows[j].d.item != s->debounces[i].item; j++)
        {
            /* void */
        }

        if (j == h.n) {
            sim_debounce_ended(s, &s->debounces[i]);
        }
    }

    sim_debounce_runs(s);

    for (i = 0; i < h.n; i++) {
        s->debounces[i] = h.rows[i].d;
    }

    s->ndebounces = h.n;
}
