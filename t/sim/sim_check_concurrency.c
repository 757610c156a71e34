/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A second opinion on concurrency (features 5.1): what counts is the calls
 * that are out, by the newest registration and the values that the keys had
 * when the run began.  No call goes out over a limit that held when it went,
 * whatever is out already, and nothing waits while all its limits have room.
 */

#include "engine/dur_sign.h"

#include "sim_check.h"

#define SIM_COUNTERS_MAX    128

/* That the engine may leave where they are when those before them have to wait
 * for something else. */
#define SIM_WAITERS_PASSED  8

/* A result, say, and a dispatch. */
#define SIM_OPS_FEW         2


/* What is counted together. */
typedef struct {
    sim_scope_t  scope;
    unsigned     fn;            /* of scope fn */
    sim_key_t    key;           /* .. which of its limits, nearly */
    int          value;
} sim_counter_id_t;

typedef struct {
    sim_counter_id_t  id;
    unsigned          least;    /* calls out, or runs, that surely count */
    unsigned          most;
    unsigned          woken;    /* items that have a turn */
    unsigned          allowed;  /* by the limits of what went out now */
    const char       *slug;
} sim_counter_t;

typedef struct {
    sim_view_t     *v;
    unsigned        n;
    sim_counter_t   counters[SIM_COUNTERS_MAX];
} sim_counters_t;


static uint32_t
sim_concurrency_keys(const sim_flow_t *f)
{
    uint32_t  keys;
    unsigned  i;

    for (i = 0, keys = 0; i < f->nlimits; i++) {
        keys |= (uint32_t) 1 << f->limits[i].key;
    }

    return keys;
}


/* The keys are asked once, by the registration of that moment. */
void
sim_concurrency_born(sim_t *s, sim_run_t *m)
{
    const sim_fn_t  *fn;

    fn = &s->fns[m->fn];
    m->keys = sim_concurrency_keys(&fn->held);
    m->maybe_keys = m->keys;

    if (fn->held_in == s->nlog) {
        m->keys &= sim_concurrency_keys(&fn->before);
        m->maybe_keys |= sim_concurrency_keys(&fn->before);
    }
}


static sim_counter_t *
sim_counter(sim_counters_t *t, const sim_counter_id_t *id)
{
    unsigned  i;

    for (i = 0; i < t->n; i++) {
        if (memcmp(&t->counters[i].id, id, sizeof(*id)) == 0) {
            return &t->counters[i];
        }
    }

    if (t->n == SIM_COUNTERS_MAX) {
        sim_fail(t->v->s, "the simulation is too small for its counters");
    }

    memset(&t->counters[t->n], 0, sizeof(t->counters[0]));
    t->counters[t->n].id = *id;

    return &t->counters[t->n++];
}


/* The key is told apart only where it is not part of a value for all: those
 * of a function may say the same of different fields. */
static void
sim_counter_id(sim_counter_id_t *id, const sim_limit_t *l, unsigned fn,
    const sim_run_t *m)
{
    memset(id, 0, sizeof(*id));

    id->scope = l->scope;
    id->fn = l->scope == SIM_SCOPE_FN ? fn : 0;
    id->key = l->key != SIM_KEY_NONE;
    id->value = sim_key_value(l->key, &m->data);
}


/* The limit applies to the run; *surely: that is known. */
static bool
sim_limit_applies(const sim_limit_t *l, const sim_run_t *m, bool *surely)
{
    *surely = l->key == SIM_KEY_NONE || (m->keys >> l->key & 1);

    return l->limit > 0 && (*surely || (m->maybe_keys >> l->key & 1));
}


/* What the values of keys are stored as. */
static uint64_t
sim_counter_hash(int value)
{
    char     text[16];
    uint8_t  digest[20];

    snprintf(text, sizeof(text), "%d", value);
    dur_sha1(dur_str_c(value >= 0 ? text : "false"), digest);

    return dur_get64(digest);
}


/* What an item of the run waits for is that limit. */
static bool
sim_counter_is(const dur_counter_t *c, const sim_limit_t *l,
    uint32_t function, const sim_run_t *m)
{
    static const uint8_t  scopes[] = {
        [SIM_SCOPE_FN] = DUR_SCOPE_FN,
        [SIM_SCOPE_ENV] = DUR_SCOPE_ENV,
        [SIM_SCOPE_ACCOUNT] = DUR_SCOPE_ACCOUNT,
    };

    return c->scope == scopes[l->scope]
           && c->function == (l->scope == SIM_SCOPE_FN ? function : 0)
           && c->value == (l->key == SIM_KEY_NONE ? 0
                           : sim_counter_hash(sim_key_value(l->key,
                                                            &m->data)));
}


static void
sim_counter_add(sim_counters_t *t, const sim_item_t *it, const sim_limit_t *l)
{
    bool               surely;
    sim_fn_t          *fn;
    const sim_run_t   *m;
    sim_counter_t     *c;
    sim_counter_id_t   id;

    m = &t->v->s->runs[it->run];
    fn = &t->v->s->fns[m->fn];

    if (!sim_limit_applies(l, m, &surely)) {
        return;
    }

    sim_counter_id(&id, l, m->fn, m);
    c = sim_counter(t, &id);

    if (it->table == DUR_T_LEASE) {
        c->least += surely;
        c->most++;

        if (it->fresh && l->limit > c->allowed) {
            c->allowed = l->limit;
            c->slug = fn->slug;
        }

        /* what it was leased by is not known, or was another limit */

        if (it->fresh && (!surely || fn->held_in == t->v->s->nlog)) {
            c->allowed = (unsigned) -1;
        }

    } else if (it->table == DUR_T_READY && it->partition == 0) {
        c->woken += (it->item.flags & DUR_ITEM_F_WOKEN) != 0;

    }
}


/* Limits of one function whose keys say the same are one counter: the lower
 * limit is what counts. */
static unsigned
sim_limits_of(const sim_flow_t *f, unsigned fn, const sim_run_t *m,
    sim_limit_t limits[SIM_LIMITS_MAX])
{
    bool              surely;
    unsigned          i, n;
    sim_counter_id_t  id, first;

    for (i = 0, n = 0; i < f->nlimits; i++) {
        if (!sim_limit_applies(&f->limits[i], m, &surely)) {
            continue;
        }

        sim_counter_id(&id, &f->limits[i], fn, m);

        if (n > 0 && memcmp(&id, &first, sizeof(id)) == 0) {
            if (f->limits[i].limit < limits[0].limit) {
                limits[0].limit = f->limits[i].limit;
            }
            continue;
        }

        first = id;
        limits[n++] = f->limits[i];
    }

    return n;
}


static void
sim_counters_fill(sim_counters_t *t)
{
    unsigned           i, j, n;
    sim_t             *s;
    sim_limit_t        limits[SIM_LIMITS_MAX];
    const sim_run_t   *m;
    const sim_item_t  *it;

    s = t->v->s;

    for (i = 0; i < t->v->nitems; i++) {
        it = &t->v->items[i];

        if (it->run < 0 || it->table == DUR_T_TIMER) {
            continue;
        }

        m = &s->runs[it->run];
        n = sim_limits_of(&s->fns[m->fn].held, m->fn, m, limits);

        for (j = 0; j < n; j++) {
            sim_counter_add(t, it, &limits[j]);
        }
    }
}


static void
sim_counters_check(sim_counters_t *t)
{
    unsigned              i;
    const sim_counter_t  *c;

    for (i = 0; i < t->n; i++) {
        c = &t->counters[i];

        if (c->allowed > 0 && c->least > c->allowed) {
            sim_fail(t->v->s, "%u calls of %s are out that may have %u at a "
                     "time", c->least, c->slug, c->allowed);
        }
    }
}


/* -- those who wait ------------------------------------------------------- */

/* Nobody could call it now. */
static bool
sim_waiter_rests(sim_view_t *v, const sim_item_t *it)
{
    sim_t     *s;
    unsigned   fn;

    s = v->s;
    fn = s->runs[it->run].fn;

    return s->fns[fn].paused
           || dur_target_waits(&v->targets[it->item.app - 1], s->now);
}


/* Runs that are there, or have their turn. */
static unsigned
sim_runs_at_a_time(const sim_view_t *v, const sim_run_t *m)
{
    unsigned            i, n;
    const sim_t        *s;
    const sim_run_t    *r;
    const sim_item_t   *it;
    const sim_limit_t  *l;

    s = v->s;
    l = &s->fns[m->fn].held.runs;

    for (i = 0, n = 0; i < s->nruns; i++) {
        r = &s->runs[i];
        n += r->slot_of && !r->ended && r->fn == m->fn
             && sim_key_value(l->key, &r->data)
                == sim_key_value(l->key, &m->data);
    }

    for (i = 0; i < v->nitems; i++) {
        it = &v->items[i];
        n += it->table == DUR_T_READY && it->run >= 0
             && (it->item.flags & DUR_ITEM_F_WOKEN)
             && (it->item.flags & DUR_ITEM_F_START)
             && s->runs[it->run].fn == m->fn;
    }

    return n;
}


/* Nothing limits it now; `besides`: but for what it waits for. */
static bool
sim_waiter_could_go(sim_counters_t *t, const sim_item_t *it, bool besides)
{
    unsigned            i, n;
    sim_limit_t         limits[SIM_LIMITS_MAX];
    sim_counter_t      *c;
    const sim_run_t    *m;
    sim_counter_id_t    id;
    const sim_limit_t  *runs;

    m = &t->v->s->runs[it->run];
    runs = &t->v->s->fns[m->fn].held.runs;
    n = sim_limits_of(&t->v->s->fns[m->fn].held, m->fn, m, limits);

    for (i = 0; i < n; i++) {
        sim_counter_id(&id, &limits[i], m->fn, m);
        c = sim_counter(t, &id);

        if (c->most + c->woken >= limits[i].limit
            && !(besides && sim_counter_is(&it->counter, &limits[i],
                                           it->item.function, m)))
        {
            return false;
        }
    }

    if (m->begun) {
        return true;
    }

    return (runs->limit == 0 || sim_runs_at_a_time(t->v, m) < runs->limit
            || (besides && it->counter.scope == DUR_SCOPE_RUNS))
           && (sim_throttle_allows(t->v->s, m)
               || (besides && it->counter.scope == DUR_SCOPE_THROTTLE));
}


/* What an item waits for is one of its limits. */
static bool
sim_waiter_limited(const sim_view_t *v, const sim_item_t *it)
{
    unsigned           i, n;
    sim_limit_t        limits[SIM_LIMITS_MAX];
    const sim_fn_t    *fn;
    const sim_run_t   *m;

    m = &v->s->runs[it->run];
    fn = &v->s->fns[m->fn];

    switch (it->counter.scope) {

    case DUR_SCOPE_RUNS:
        return fn->held.runs.limit > 0 && !m->begun;

    case DUR_SCOPE_THROTTLE:
        return fn->held.throttle > 0 && !m->begun;

    default:
        n = sim_limits_of(&fn->held, m->fn, m, limits);

        for (i = 0; i < n; i++) {
            if (sim_counter_is(&it->counter, &limits[i], it->item.function,
                               m))
            {
                return true;
            }
        }
    }

    return m->keys != m->maybe_keys;
}


/* What the counter that an item waits for allows it. */
static unsigned
sim_limit_at(const sim_view_t *v, const sim_item_t *it)
{
    unsigned           i, n;
    sim_limit_t        limits[SIM_LIMITS_MAX];
    const sim_run_t   *m;

    m = &v->s->runs[it->run];
    n = sim_limits_of(&v->s->fns[m->fn].held, m->fn, m, limits);

    for (i = 0; i < n; i++) {
        if (sim_counter_is(&it->counter, &limits[i], it->item.function, m)) {
            return limits[i].limit;
        }
    }

    return 0;
}


/* The other one is subject to what the item waits for. */
static bool
sim_waiter_shares(const sim_view_t *v, const sim_item_t *it,
    const sim_item_t *other)
{
    unsigned           i, n;
    sim_limit_t        limits[SIM_LIMITS_MAX];
    const sim_run_t   *m;

    if (memcmp(&other->counter, &it->counter, sizeof(it->counter)) == 0) {
        return true;
    }

    m = &v->s->runs[other->run];
    n = sim_limits_of(&v->s->fns[m->fn].held, m->fn, m, limits);

    for (i = 0; i < n; i++) {
        if (sim_counter_is(&it->counter, &limits[i], other->item.function, m))
        {
            return true;
        }
    }

    return !m->begun && (it->counter.scope == DUR_SCOPE_RUNS
                         || it->counter.scope == DUR_SCOPE_THROTTLE);
}


/*
 * It is behind others of its function that want the same: one that has less
 * of it, or so many that the engine did not look at all of them, those that
 * moved on to what else they wait for among them.
 */
static bool
sim_waiter_is_behind(const sim_view_t *v, const sim_item_t *it)
{
    unsigned           i, before;
    const sim_item_t  *o;

    for (i = 0, before = 0; i < v->nitems; i++) {
        o = &v->items[i];

        if (o->table != DUR_T_BLOCKED || o->run < 0
            || o->item.function != it->item.function
            || o->item.score > it->item.score
            || (o->item.score == it->item.score && o->id >= it->id)
            || !sim_waiter_shares(v, it, o))
        {
            continue;
        }

        if (memcmp(&o->counter, &it->counter, sizeof(it->counter)) == 0
            && sim_limit_at(v, o) < sim_limit_at(v, it))
        {
            return true;
        }

        before++;
    }

    return before >= SIM_WAITERS_PASSED;
}


/* It waits for something that limits it, and while something does. */
static void
sim_waiter_check(sim_counters_t *t, const sim_item_t *it)
{
    sim_t           *s;
    const sim_fn_t  *fn;

    s = t->v->s;
    fn = &s->fns[s->runs[it->run].fn];

    if (!sim_waiter_limited(t->v, it)) {
        sim_fail(s, "item %" PRIu64 " of %s waits for what does not limit "
                 "it", it->id, fn->slug);
    }

    if (!s->clock_steps && s->nleased < s->conf.max_concurrency
        && sim_waiter_could_go(t, it, false)
        && !sim_waiter_is_behind(t->v, it))
    {
        sim_fail(s, "item %" PRIu64 " of %s waits, and nothing limits it now",
                 it->id, fn->slug);
    }
}


static const sim_item_t *
sim_waiter_now(const sim_view_t *v, uint64_t id)
{
    unsigned  i;

    for (i = 0; i < v->nitems; i++) {
        if (v->items[i].id == id) {
            return &v->items[i];
        }
    }

    return NULL;
}


/* Of those that wait for the same in one function, and for nothing else, the
 * older has its turn first. */
static void
sim_waiters_order(sim_counters_t *t, const sim_waiter_t *w)
{
    sim_t               *s;
    sim_view_t          *v;
    unsigned             i;
    const sim_item_t    *it, *other;
    const sim_waiter_t  *o;

    v = t->v;
    s = v->s;
    it = sim_waiter_now(v, w->item);

    if (it == NULL || it->table != DUR_T_LEASE) {
        return;
    }

    for (i = 0; i < s->nblocked; i++) {
        o = &s->blocked[i];

        if (o->function != w->function || o->score >= w->score
            || memcmp(&o->counter, &w->counter, sizeof(o->counter)) != 0)
        {
            continue;
        }

        other = sim_waiter_now(v, o->item);

        if (other != NULL && other->table == DUR_T_BLOCKED
            && memcmp(&other->counter, &w->counter, sizeof(o->counter)) == 0
            && s->fns[s->runs[other->run].fn].paused_in != s->nlog
            && !sim_waiter_rests(v, other)
            && !sim_waiter_is_behind(v, other)
            && sim_waiter_could_go(t, other, true))
        {
            sim_fail(s, "item %" PRIu64 " has its turn before %" PRIu64
                     ", which is older", w->item, o->item);
        }
    }
}


static void
sim_waiters_check(sim_counters_t *t)
{
    sim_t             *s;
    unsigned           i;
    sim_waiter_t      *w;
    const sim_item_t  *it;

    s = t->v->s;

    /* in a batch of many ops there was room for this one and then for that */

    for (i = 0; i < s->nblocked && !dur_engine_has_tasks(s->engine)
                && !s->had_tasks && s->batch_ops <= SIM_OPS_FEW; i++)
    {
        sim_waiters_order(t, &s->blocked[i]);
    }

    for (i = 0, s->nblocked = 0; i < t->v->nitems; i++) {
        it = &t->v->items[i];

        if (it->table != DUR_T_BLOCKED || it->run < 0) {
            continue;
        }

        if (!dur_engine_has_tasks(s->engine) && !sim_waiter_rests(t->v, it))
        {
            sim_waiter_check(t, it);
        }

        if (s->nblocked == SIM_BLOCKED_MAX) {
            sim_fail(s, "the simulation is too small for those who wait");
        }

        w = &s->blocked[s->nblocked++];
        memset(w, 0, sizeof(*w));
        w->item = it->id;
        w->function = it->item.function;
        w->score = it->item.score;
        memcpy(&w->counter, &it->counter, sizeof(w->counter));
    }

    s->figures.waiters += s->nblocked;
}


/* -- tables --------------------------------------------------------------- */

/* Each of them is found by its number. */
static void
sim_places_check(sim_view_t *v)
{
    uint64_t           blocked, woken;
    unsigned           i;
    const sim_item_t  *it;

    for (i = 0, blocked = 0, woken = 0; i < v->nitems; i++) {
        it = &v->items[i];
        blocked += it->table == DUR_T_BLOCKED;
        woken += it->table == DUR_T_READY
                 && (it->item.flags & DUR_ITEM_F_WOKEN);
    }

    if (dur_txn_count(v->txn, DUR_T_PLACE) != blocked + woken) {
        sim_fail(v->s, "%u items wait for limits or did, and %u have a place",
                 (unsigned) (blocked + woken),
                 (unsigned) dur_txn_count(v->txn, DUR_T_PLACE));
    }
}


/* Runs at a time, as they are counted and as they are. */
static void
sim_slots_check(sim_view_t *v)
{
    dur_rc_t       rc;
    unsigned       i;
    uint64_t       rows, runs;
    dur_dec_t      r;
    dur_str_t      key, value;
    dur_cursor_t  *c;

    if (dur_cursor_open(v->txn, DUR_T_FLOW, &c) != DUR_OK) {
        sim_fail(v->s, "the state of the flow cannot be read");
    }

    rows = 0;

    for (rc = dur_cursor_seek(c, dur_str("r"), &key, &value);
         rc == DUR_OK && key.data[0] == 'r';
         rc = dur_cursor_next(c, &key, &value))
    {
        dur_dec_init(&r, value);
        dur_dec_begin(&r);
        rows += dur_dec_u32(&r);
        dur_dec_end(&r);
    }

    dur_cursor_close(c);

    for (i = 0, runs = 0; i < v->s->nruns; i++) {
        runs += v->s->runs[i].slot_of && !v->s->runs[i].ended;
    }

    if (rows != runs) {
        sim_fail(v->s, "%u runs at a time are counted, there are %u",
                 (unsigned) rows, (unsigned) runs);
    }
}


/* A run that began just now is not one too many. */
static void
sim_runs_check(sim_view_t *v)
{
    unsigned           i, j, n;
    sim_t             *s;
    const sim_fn_t    *fn;
    const sim_run_t   *m, *r;

    s = v->s;

    for (i = 0; i < s->nruns; i++) {
        m = &s->runs[i];
        fn = &s->fns[m->fn];

        if (!m->begun || m->begun_in != s->nlog || m->ended
            || fn->held.runs.limit == 0 || fn->held_in == s->nlog)
        {
            continue;
        }

        if (!m->slot_of) {
            sim_fail(s, "a run of %s began and is not counted", fn->slug);
        }

        for (j = 0, n = 0; j < s->nruns; j++) {
            r = &s->runs[j];
            n += r->slot_of && !r->ended && r->fn == m->fn
                 && sim_key_value(fn->held.runs.key, &r->data)
                    == sim_key_value(fn->held.runs.key, &m->data);
        }

        if (n > fn->held.runs.limit) {
            sim_fail(s, "%u runs of %s are there at a time, of %u", n,
                     fn->slug, fn->held.runs.limit);
        }
    }
}


/* A call: one that is tried again is another. */
static uint64_t
sim_lease_of(const sim_item_t *it)
{
    return it->id << 24 | (it->item.generation & 0xffffff);
}


/* What was not out before. */
static void
sim_concurrency_fresh(sim_view_t *v)
{
    unsigned     i, j;
    sim_t       *s;
    sim_item_t  *it;

    s = v->s;

    for (i = 0; i < v->nitems; i++) {
        it = &v->items[i];

        for (j = 0; j < s->nleased && s->leased[j] != sim_lease_of(it); j++) {
            /* void */
        }

        it->fresh = it->table == DUR_T_LEASE && j == s->nleased;
    }

    for (i = 0, s->nleased = 0; i < v->nitems; i++) {
        if (v->items[i].table == DUR_T_LEASE && s->nleased < SIM_CALLS_MAX) {
            s->leased[s->nleased++] = sim_lease_of(&v->items[i]);
        }
    }
}


void
sim_view_concurrency(sim_view_t *v)
{
    static sim_counters_t  t;

    t.v = v;
    t.n = 0;

    sim_concurrency_fresh(v);
    sim_counters_fill(&t);
    sim_counters_check(&t);
    sim_waiters_check(&t);
    sim_places_check(v);
    sim_slots_check(v);
    sim_runs_check(v);
}
