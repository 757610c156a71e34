/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A run with its steps and attempts, as people want to see it: read in one
 * walk over the steps and one over the history, joined in memory.  Writing it
 * is in dur_query_show.c and dur_query_trace.c.
 */

#include "engine/dur_query_core.h"
#include "engine/dur_answer_op.h"

#include <stdlib.h>


/* Attempts that are shown; a run that has more says so. */
#define DUR_TREE_ATTEMPTS  5000

/* How near a reason to wait is: what is nearest is why the run waits. */
#define DUR_TREE_CALLED    1
#define DUR_TREE_QUEUED    2
#define DUR_TREE_TIMED     3


/* -- steps ---------------------------------------------------------------- */

/* Room for one more element; the array doubles. */
static dur_rc_t
dur_tree_grow(dur_query_t *q, void **array, uint32_t n, size_t size)
{
    void  *p;

    if (n != 0 && (n < 16 || (n & (n - 1)) != 0)) {
        return DUR_OK;
    }

    p = dur_arena_alloc(&q->arena, (n < 16 ? 16 : (size_t) n * 2) * size);
    if (p == NULL) {
        return DUR_ENOMEM;
    }

    if (n) {
        memcpy(p, *array, n * size);
    }

    *array = p;

    return DUR_OK;
}


static dur_rc_t
dur_tree_add_step(dur_query_t *q, dur_tree_t *tree, dur_str_t k, dur_str_t v)
{
    void             *array = tree->steps;
    dur_rc_t          rc;
    dur_item_t        item;
    dur_step_t        step;
    dur_tree_step_t  *s;

    if (dur_step_decode(v, &step) != DUR_OK
        || step.state == DUR_STEP_DEFERRED
        || step.state == DUR_STEP_DEFER_ABORTED)
    {
        return DUR_OK;
    }

    rc = dur_tree_grow(q, &array, tree->nsteps, sizeof(dur_tree_step_t));
    if (rc != DUR_OK) {
        return rc;
    }

    tree->steps = array;
    s = &tree->steps[tree->nsteps++];

    memcpy(s->id.b, k.data + DUR_ULID_LEN, DUR_HASH_LEN);
    s->step = step;
    s->first = DUR_TREE_NONE;
    s->last = DUR_TREE_NONE;
    s->where = step.state == DUR_STEP_DONE
               ? DUR_T_MAX
               : dur_query_item(q, &tree->run, &step, &item);

    return DUR_OK;
}


static dur_rc_t
dur_tree_steps(dur_query_t *q, dur_tree_t *tree)
{
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;
    const uint8_t *id = tree->run.id.b;

    rc = dur_cursor_open(q->txn, DUR_T_STEP, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_str_make(id, DUR_ULID_LEN), &k, &v);
         rc == DUR_OK && k.len == DUR_STEP_KEY
         && memcmp(k.data, id, DUR_ULID_LEN) == 0;
         rc = dur_cursor_next(c, &k, &v))
    {
        rc = dur_tree_add_step(q, tree, k, v);
        if (rc != DUR_OK) {
            break;
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* By the time of their first report; what was reported together has the order
 * in which it was done, or in which its items were made. */
static int
dur_tree_cmp(const void *one, const void *two)
{
    bool                    done;
    const dur_tree_step_t  *a = one, *b = two;

    if (a->step.created != b->step.created) {
        return a->step.created < b->step.created ? -1 : 1;
    }

    done = a->step.state == DUR_STEP_DONE;

    if (done != (b->step.state == DUR_STEP_DONE)) {
        return done ? -1 : 1;
    }

    if (done && a->step.stack != b->step.stack) {
        return a->step.stack < b->step.stack ? -1 : 1;
    }

    if (a->step.item != b->step.item) {
        return a->step.item < b->step.item ? -1 : 1;
    }

    return memcmp(a->id.b, b->id.b, DUR_HASH_LEN);
}


/* -- attempts ------------------------------------------------------------- */

/* The steps are still in the order of their keys. */
static dur_tree_step_t *
dur_tree_find(dur_tree_t *tree, const dur_hash_t *id)
{
    int       cmp;
    uint32_t  low, high, i;

    low = 0;
    high = tree->nsteps;

    while (low < high) {
        i = (low + high) / 2;
        cmp = memcmp(tree->steps[i].id.b, id->b, DUR_HASH_LEN);

        if (cmp == 0) {
            return &tree->steps[i];
        }

        if (cmp < 0) {
            low = i + 1;
        } else {
            high = i;
        }
    }

    return NULL;
}


/* An attempt belongs to the step that it called, or brought a result of. */
static void
dur_tree_link(dur_tree_t *tree, uint32_t n)
{
    uint32_t         *first, *last;
    dur_history_t    *h = &tree->attempts[n].record;
    dur_tree_step_t  *s;

    s = dur_tree_find(tree, h->kind == DUR_ITEM_DISCOVERY ? &h->reported
                                                          : &h->step);

    first = s ? &s->first : &tree->first;
    last = s ? &s->last : &tree->last;

    if (*last == DUR_TREE_NONE) {
        *first = n;
    } else {
        tree->attempts[*last].next = n;
    }

    *last = n;
}


static dur_rc_t
dur_tree_add_attempt(dur_query_t *q, dur_tree_t *tree, dur_str_t v)
{
    void           *array = tree->attempts;
    dur_rc_t        rc;
    dur_history_t   record;

    if (dur_history_decode(v, &record) != DUR_OK) {
        return DUR_OK;
    }

    rc = dur_tree_grow(q, &array, tree->nattempts,
                       sizeof(dur_tree_attempt_t));
    if (rc != DUR_OK) {
        return rc;
    }

    tree->attempts = array;
    tree->attempts[tree->nattempts].record = record;
    tree->attempts[tree->nattempts].next = DUR_TREE_NONE;
    dur_tree_link(tree, tree->nattempts++);

    return DUR_OK;
}


static dur_rc_t
dur_tree_history(dur_query_t *q, dur_tree_t *tree)
{
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;
    const uint8_t *id = tree->run.id.b;

    rc = dur_cursor_open(q->txn, DUR_T_HISTORY, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_str_make(id, DUR_ULID_LEN), &k, &v);
         rc == DUR_OK && k.len >= DUR_ULID_LEN
         && memcmp(k.data, id, DUR_ULID_LEN) == 0;
         rc = dur_cursor_next(c, &k, &v))
    {
        if (tree->nattempts == DUR_TREE_ATTEMPTS) {
            tree->truncated = true;
            break;
        }

        rc = dur_tree_add_attempt(q, tree, v);
        if (rc != DUR_OK) {
            break;
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* -- why it waits --------------------------------------------------------- */

static void
dur_tree_waits(dur_tree_t *tree, const dur_tree_wait_t *wait)
{
    if (tree->wait.reason == NULL || wait->rank < tree->wait.rank
        || (wait->rank == tree->wait.rank
            && wait->until && wait->until < tree->wait.until))
    {
        tree->wait = *wait;
    }

    if (wait->until && (tree->next == 0 || wait->until < tree->next)) {
        tree->next = wait->until;
    }
}


static void
dur_tree_waits_item(dur_tree_t *tree, dur_table_t where, int64_t due,
    const dur_tree_step_t *s, const char *timed)
{
    dur_tree_wait_t  wait;

    wait.step = s;
    wait.until = 0;

    if (where == DUR_T_LEASE) {
        wait.reason = "call";
        wait.rank = DUR_TREE_CALLED;

    } else if (where == DUR_T_READY) {
        wait.reason = tree->fn.paused ? "paused"
                      : tree->target.parked ? "parked" : "queue";
        wait.rank = DUR_TREE_QUEUED;
        wait.until = (tree->target.parked && !tree->fn.paused)
                     ? tree->target.probe_at : 0;

    } else {
        wait.reason = timed;
        wait.rank = DUR_TREE_TIMED;
        wait.until = due;
    }

    dur_tree_waits(tree, &wait);
}


static const char *
dur_tree_timed(const dur_tree_step_t *s)
{
    if (s->step.state == DUR_STEP_SLEEPING) {
        return "sleep";
    }

    if (s->step.state != DUR_STEP_WAITING) {
        return "retry";
    }

    switch (s->step.op) {
    case DUR_OPCODE_WAIT_SIGNAL:
        return "signal";
    case DUR_OPCODE_INVOKE:
        return "invoke";
    default:
        return "event";
    }
}


static void
dur_tree_why(dur_query_t *q, dur_tree_t *tree)
{
    uint32_t          i;
    dur_item_t        item;
    dur_table_t       where;
    dur_tree_step_t  *s;

    if (tree->run.status != DUR_RUN_LIVE) {
        return;
    }

    where = dur_query_item(q, &tree->run, NULL, &item);

    if (where == DUR_T_READY && tree->target.hold != 0
        && tree->target.held == item.id && tree->target.parked == 0)
    {
        /* the first of an ordered app, which waits for its back-off */
        where = DUR_T_TIMER;
        item.due = tree->target.hold;
    }

    if (where != DUR_T_MAX) {
        dur_tree_waits_item(tree, where, item.due, NULL,
                            item.attempt ? "retry" : "start");
    }

    for (i = 0; i < tree->nsteps; i++) {
        s = &tree->steps[i];

        if (s->where != DUR_T_MAX) {
            dur_tree_waits_item(tree, s->where, s->step.due, s,
                                dur_tree_timed(s));
        }
    }
}


/* -- the tree ------------------------------------------------------------- */

dur_rc_t
dur_tree_load(dur_query_t *q, const dur_ulid_t *id, dur_tree_t *tree)
{
    uint8_t    key[4];
    dur_rc_t   rc;
    dur_str_t  row;

    memset(tree, 0, sizeof(*tree));
    tree->first = DUR_TREE_NONE;
    tree->last = DUR_TREE_NONE;

    rc = dur_run_get(q->txn, id, &tree->run);
    if (rc == DUR_OK) {
        rc = dur_query_function(q, tree->run.function, &tree->fn);
    }
    if (rc == DUR_OK) {
        rc = dur_query_app(q, tree->run.app, &tree->app);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    dur_put32(key, tree->run.app);

    if (dur_txn_get(q->txn, DUR_T_TARGET, dur_str_make(key, 4), &row)
        == DUR_OK)
    {
        (void) dur_target_decode(row, &tree->target);
    }

    return dur_tree_steps(q, tree);
}


void
dur_tree_sort(dur_tree_t *tree)
{
    if (tree->nsteps) {
        qsort(tree->steps, tree->nsteps, sizeof(dur_tree_step_t),
              dur_tree_cmp);
    }
}


dur_rc_t
dur_tree_load_attempts(dur_query_t *q, dur_tree_t *tree)
{
    dur_rc_t  rc;

    rc = dur_tree_history(q, tree);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_tree_sort(tree);
    dur_tree_why(q, tree);

    return DUR_OK;
}


const char *
dur_tree_state(const dur_tree_step_t *s)
{
    switch (s->step.state) {
    case DUR_STEP_PLANNED:
        return s->where == DUR_T_LEASE ? "running" : "planned";
    case DUR_STEP_SLEEPING:
        return "sleeping";
    case DUR_STEP_WAITING:
        return "waiting";
    case DUR_STEP_EDITED:
        return "edited";
    default:
        return "done";
    }
}
