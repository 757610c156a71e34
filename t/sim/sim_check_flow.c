/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What steers runs, after a commit: timeouts, singletons, rate limits, and
 * why a run was cancelled or never began.
 */

#include "sim_check.h"


static void __attribute__((noreturn))
sim_flow_wrong(sim_t *s, const sim_run_t *m, const char *what)
{
    char  id[DUR_ULID_TEXT_LEN + 1];

    dur_ulid_text(&m->id, id);
    sim_fail(s, "run %s of %s %s", id, s->fns[m->fn].slug, what);
}


/* Both have the same key, where there is one. */
static bool
sim_flow_alike(const sim_run_t *a, const sim_run_t *b, bool key)
{
    return a->fn == b->fn && (!key || a->data.k == b->data.k);
}


/* -- the beginning -------------------------------------------------------- */

static int
sim_flow_client(const sim_t *s, const sim_run_t *m)
{
    int  event;

    event = sim_event_find(s, &m->event);

    return event >= 0 ? s->events[event].client : -1;
}


/* At most a tenth of the limit and one at once, then one each interval. */
static void
sim_flow_born_limit(sim_t *s, const sim_run_t *m)
{
    int64_t            interval;
    unsigned           i, n;
    const sim_run_t   *r;
    const sim_flow_t  *f;

    f = &s->fns[m->fn].flow;
    interval = (int64_t) f->period * 1000 / f->limit;
    n = f->limit / 10 + 1;

    for (i = s->nruns; i > 0; i--) {
        r = &s->runs[i - 1];

        if (r == m || !r->born || !r->counted
            || !sim_flow_alike(r, m, f->limit_key))
        {
            continue;
        }

        if (--n == 0) {
            if (m->created - r->created < interval) {
                sim_flow_wrong(s, m, "began in spite of its rate limit");
            }
            return;
        }
    }
}


void
sim_flow_born(sim_t *s, sim_run_t *m, const dur_run_t *run)
{
    const sim_fn_t  *fn;

    fn = &s->fns[m->fn];

    if (m->original >= 0) {
        return;
    }

    if (fn->flow.limit) {
        m->counted = sim_flow_client(s, m) < 0
                     && (!fn->flow.limit_key || m->data.k >= 0);
        if (m->counted && !s->clock_steps) {
            sim_flow_born_limit(s, m);
        }
    }

    if (fn->paused && fn->paused_in != s->nlog
        && run->status != DUR_RUN_SKIPPED)
    {
        sim_flow_wrong(s, m, "began while its function was paused");
    }
}


/* Something else used the limit up a moment before: it started a run, or
 * was an event of a client's id that was known. */
bool
sim_flow_refuses(const sim_t *s, unsigned event, unsigned fn)
{
    int64_t             since;
    unsigned            i;
    const sim_run_t    *r;
    const sim_flow_t   *f;
    const sim_event_t  *e, *other;

    f = &s->fns[fn].flow;
    e = &s->events[event];

    if (f->limit == 0) {
        return false;
    }

    since = e->accepted - (int64_t) f->period * 1000 / f->limit
                          * (f->limit / 10 + 1) - 1;

    for (i = 0; i < s->nruns; i++) {
        r = &s->runs[i];

        if (r->born && r->fn == fn && r->original == -1
            && (!f->limit_key || r->data.k == e->data.k)
            && (s->clock_steps || r->created >= since))
        {
            return true;
        }
    }

    for (i = 0; i < s->naccepted; i++) {
        other = &s->events[s->accepted[i]];

        if (other != e && other->client >= 0 && (other->may >> fn & 1)
            && (!f->limit_key || other->data.k == e->data.k)
            && (s->clock_steps || other->accepted >= since))
        {
            return true;
        }
    }

    return false;
}


/* -- the middle ----------------------------------------------------------- */

static int64_t
sim_flow_from(const sim_run_t *m)
{
    return (m->original == -1 && m->ts > m->created) ? m->ts : m->created;
}


static void
sim_flow_deadline(sim_view_t *v, const sim_run_t *m, const dur_run_t *run)
{
    int64_t            due;
    unsigned           i;
    const sim_flow_t  *f;

    f = &v->s->fns[m->fn].flow;

    /* a batch has waited long enough */

    if (run->started == 0) {
        due = f->start && !m->batched ? sim_flow_from(m) + f->start : 0;
    } else {
        due = f->finish ? run->started + f->finish : 0;
    }

    if (run->deadline_due != due || (run->deadline != 0) != (due != 0)) {
        sim_flow_wrong(v->s, m, "has another deadline than its function asks "
                       "for");
    }

    for (i = 0; due != 0 && i < v->nitems; i++) {
        if (v->items[i].id == run->deadline) {
            if (v->items[i].item.kind != DUR_ITEM_DEADLINE
                || v->items[i].table != DUR_T_TIMER
                || v->items[i].item.due != due)
            {
                sim_flow_wrong(v->s, m, "has a deadline that is none");
            }
            return;
        }
    }

    if (due != 0) {
        sim_flow_wrong(v->s, m, "has a deadline that nobody will tell of");
    }
}


void
sim_flow_live(sim_view_t *v, const sim_run_t *m, const dur_run_t *run)
{
    bool               locked;
    const sim_flow_t  *f;

    sim_flow_deadline(v, m, run);

    f = &v->s->fns[m->fn].flow;
    locked = (run->flags & DUR_RUN_F_LOCKED) != 0;
    v->locked += locked;

    /* without a value for the key it is none */

    if (locked != (f->singleton != SIM_SINGLETON_NONE && m->original == -1
                   && (!f->singleton_key || m->data.k >= 0)))
    {
        sim_flow_wrong(v->s, m, locked ? "holds a lock that it needs not"
                                       : "has no lock, but should");
    }
}


/* -- the end -------------------------------------------------------------- */

static bool
sim_flow_newer(const sim_t *s, const sim_run_t *m)
{
    unsigned          i;
    const sim_run_t  *r;

    for (i = 0; i < s->nruns; i++) {
        r = &s->runs[i];

        if (r != m && r->original == -1
            && (!r->born || sim_flow_alike(r, m, s->fns[m->fn].flow
                                                 .singleton_key)))
        {
            return true;
        }
    }

    return false;
}


/* By whom a run was cancelled, as it says itself, and whether that is so. */
static bool
sim_flow_reason(sim_t *s, const sim_run_t *m, const dur_run_t *run,
    const char *why)
{
    dur_ulid_t         id;
    const char        *rule = "The run was cancelled by the cancellation ";
    const sim_flow_t  *f;

    f = &s->fns[m->fn].flow;

    if (strcmp(why, "The run was cancelled") == 0) {
        return m->cancelled;
    }

    if (strcmp(why, "The run was cancelled by an event") == 0) {
        s->figures.cancelled++;
        return m->may_cancel;
    }

    if (strcmp(why, "A newer run of the same singleton began") == 0) {
        s->figures.skipped++;
        return f->singleton == SIM_SINGLETON_CANCEL && sim_flow_newer(s, m);
    }

    if (strstr(why, "(timeouts.start)")) {
        s->figures.late++;
        return f->start && run->started == 0
               && s->now >= sim_flow_from(m) + f->start;
    }

    if (strstr(why, "(timeouts.finish)")) {
        s->figures.late++;
        return f->finish && run->started != 0
               && s->now >= run->started + f->finish;
    }

    if (sim_bulk_cancels(s, m, why)) {
        s->figures.swept++;
        return true;
    }

    if (strncmp(why, rule, strlen(rule)) == 0) {
        s->figures.ruled_out++;
        return dur_ulid_parse(dur_str_c(why + strlen(rule)), &id) == DUR_OK
               && sim_cancel_rule(s, m, &id) != NULL;
    }

    return false;
}


/* It never began: the one that held the lock lived, when this batch began. */
static bool
sim_flow_skipped(sim_t *s, const sim_run_t *m, const json_t *output)
{
    int                holder;
    dur_ulid_t         id;
    const char        *reason;
    const sim_fn_t    *fn;
    const sim_run_t   *h;

    s->figures.skipped++;
    fn = &s->fns[m->fn];
    reason = json_string_value(json_object_get(output, "reason"));

    if (reason == NULL) {
        return false;
    }

    if (strcmp(reason, "FunctionPaused") == 0) {
        return fn->paused || fn->paused_in == s->nlog;
    }

    reason = json_string_value(json_object_get(output, "run_id"));

    if (reason == NULL || dur_ulid_parse(dur_str_c(reason), &id) != DUR_OK
        || (holder = sim_run_find(s, &id, false)) == -1)
    {
        return false;
    }

    h = &s->runs[holder];

    return fn->flow.singleton != SIM_SINGLETON_NONE && h->original == -1
           && (!h->born || sim_flow_alike(h, m, fn->flow.singleton_key))
           && (!h->ended || h->ended_in == s->nlog)
           && (fn->flow.singleton == SIM_SINGLETON_SKIP
               || m->parent == holder);
}


void
sim_flow_ended(sim_view_t *v, const sim_run_t *m, const dur_run_t *run)
{
    bool         good;
    json_t      *output;
    const char  *why;

    if (run->status != DUR_RUN_CANCELLED && run->status != DUR_RUN_SKIPPED) {
        return;
    }

    dur_buf_reset(&v->s->buf);

    if (dur_payload_get(v->txn, &run->id, &run->output, &v->s->buf)
        != DUR_OK)
    {
        sim_flow_wrong(v->s, m, "does not say why it ended");
    }

    output = json_loadb((char *) v->s->buf.data, v->s->buf.len, 0, NULL);
    why = json_string_value(json_object_get(output, "message"));

    if (run->status == DUR_RUN_SKIPPED) {
        good = sim_flow_skipped(v->s, m, output);
    } else {
        good = why != NULL && sim_flow_reason(v->s, m, run, why);
    }

    json_decref(output);

    if (!good) {
        sim_fail(v->s, "a run of %s ended for a reason that is none: %.*s",
                 v->s->fns[m->fn].slug, (int) v->s->buf.len,
                 (char *) v->s->buf.data);
    }
}


/* -- the table ------------------------------------------------------------ */

/* Of runs with a key in common one lives. */
static void
sim_flow_single(sim_t *s)
{
    unsigned    i, j;
    sim_run_t  *a, *b;

    for (i = 0; i < s->nruns; i++) {
        a = &s->runs[i];

        for (j = 0; a->locked && !a->ended && j < i; j++) {
            b = &s->runs[j];

            if (b->locked && !b->ended
                && sim_flow_alike(a, b, s->fns[a->fn].flow.singleton_key))
            {
                sim_flow_wrong(s, a, "is not the only one of its singleton");
            }
        }
    }
}


/* A lock has a live holder, and each row that may go idle one entry. */
void
sim_flow_rows(sim_view_t *v)
{
    int            run;
    dur_rc_t       rc;
    uint64_t       locks, rows, entries;
    dur_str_t      key, value;
    dur_ulid_t     id;
    dur_cursor_t  *c;

    sim_flow_single(v->s);

    locks = 0;
    rows = 0;
    entries = 0;

    if (dur_cursor_open(v->txn, DUR_T_FLOW, &c) != DUR_OK) {
        sim_fail(v->s, "the state of the flow cannot be read");
    }

    for (rc = dur_cursor_seek(c, dur_str_null, &key, &value);
         rc == DUR_OK;
         rc = dur_cursor_next(c, &key, &value))
    {
        switch (key.data[0]) {

        case 's':
            locks++;
            memcpy(&id, value.data, sizeof(id));
            run = value.len == sizeof(id) ? sim_run_find(v->s, &id, false)
                                          : -1;

            if (run == -1 || !v->s->runs[run].locked
                || v->s->runs[run].ended)
            {
                sim_fail(v->s, "a lock is held by nobody");
            }
            break;

        case 'x':
            entries++;
            break;

        case 'b':
        case 'c':
        case 'd':
        case 'm':
        case 'r':
            break;

        default:
            rows++;
        }
    }

    dur_cursor_close(c);

    if (locks != v->locked) {
        sim_fail(v->s, "%u runs hold a lock, there are %u",
                 (unsigned) v->locked, (unsigned) locks);
    }

    if (rows != entries) {
        sim_fail(v->s, "%u rows of the flow have %u entries by time",
                 (unsigned) rows, (unsigned) entries);
    }
}
