/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A second opinion on concurrency (features 5.1): what counts is the calls
 * that are out, by the newest registration and the values that the keys had
 * when the run began.  No call goes out over a limit that held when it went,
 * whatever is out already, and nothing waits while all its limits have room.
 */

#include "sim_check.h"

#define SIM_COUNTERS_MAX  128


/* What is counted together. */
typedef struct {
    bool         runs;          /* whole runs, of concurrency.fn */
    sim_scope_t  scope;
    unsigned     fn;            /* of scope fn */
    sim_key_t    key;           /* .. which of its limits, nearly */
    int          value;
} sim_counter_id_t;

typedef struct {
    sim_counter_id_t  id;
    unsigned          least;    /* calls out, or runs, that surely count */
    unsigned          most;
    unsigned          ready;    /* items that have a turn */
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
        c->ready++;
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

        for (j = 0; j < s->nleased && s->leased[j] != it->id; j++) {
            /* void */
        }

        it->fresh = it->table == DUR_T_LEASE && j == s->nleased;
    }

    for (i = 0, s->nleased = 0; i < v->nitems; i++) {
        if (v->items[i].table == DUR_T_LEASE && s->nleased < SIM_CALLS_MAX) {
            s->leased[s->nleased++] = v->items[i].id;
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
}
