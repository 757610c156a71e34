/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_query_wait.h"
#include "engine/dur_answer_op.h"
#include "engine/dur_config.h"
#include "engine/dur_query_limit.h"
#include "engine/dur_ulid.h"


/* Items of a run that are shown. */
#define DUR_WAIT_ITEMS    100

/* Leases that are looked at. */
#define DUR_WAIT_LEASES   10000

#define DUR_WAIT_KEY      28

/* Where the score of an ordered app's items stands in `ready`. */
#define DUR_WAIT_ORDERED  INT64_MAX


typedef struct {
    dur_query_t             *q;
    dur_tree_t              *tree;
    const dur_wait_words_t  *words;
    unsigned                 n;
    unsigned                 more;

    /* of the app that was looked at last; steps may have others */
    dur_registered_app_t     app;
    dur_target_t             target;
    unsigned                 leased;
    unsigned                 limit;
} dur_wait_view_t;


const dur_wait_words_t  dur_wait_words_v1 = {
    "job_id", "step_id", "at_least", "parked_at", "child_run_id", "key_hash"
};

const dur_wait_words_t  dur_wait_words_v2 = {
    "jobId", "stepId", "atLeast", "parkedAt", "childRunId", "keyHash"
};


/* -- counting ------------------------------------------------------------- */

void
dur_query_count(dur_buf_t *out, const char *key, const char *least,
    unsigned n)
{
    dur_query_number(out, key, n);

    if (n >= DUR_WAIT_COUNT) {
        dur_query_bool(out, least, true);
    }
}


dur_rc_t
dur_query_calls(dur_query_t *q, const dur_registered_app_t *app,
    unsigned *leased, unsigned *limit)
{
    dur_rc_t       rc;
    unsigned       left;
    dur_str_t      k, v;
    dur_item_t     item;
    dur_cursor_t  *c;
    dur_config_t  *conf;

    *leased = 0;

    conf = dur_arena_zalloc(&q->arena, sizeof(*conf));
    if (conf == NULL) {
        return DUR_ENOMEM;
    }

    dur_config_init(conf);

    if (dur_txn_get(q->txn, DUR_T_META, dur_str("config"), &v) == DUR_OK) {
        (void) dur_config_decode(v, conf);
    }

    *limit = app->ordered ? 1 : dur_config_app_calls(conf, app->url);

    rc = dur_cursor_open(q->txn, DUR_T_LEASE, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_str_null, &k, &v),
             left = DUR_WAIT_LEASES;
         rc == DUR_OK && left > 0;
         rc = dur_cursor_next(c, &k, &v), left--)
    {
        if (dur_item_decode(v, &item) == DUR_OK && item.app == app->id) {
            (*leased)++;
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* Ready items of the same app, or of the same paused function, that go before
 * this one: backwards from its own row, wherever that is. */
static dur_rc_t
dur_wait_before(dur_query_t *q, const dur_item_t *item, uint64_t partition,
    bool ordered, unsigned *before)
{
    uint8_t        key[DUR_WAIT_KEY];
    dur_rc_t       rc;
    dur_str_t      k;
    dur_cursor_t  *c;

    *before = 0;

    dur_put32(key, item->app);
    dur_put64(key + 4, partition);
    dur_put64(key + 12, (uint64_t) (ordered ? DUR_WAIT_ORDERED
                                            : item->score));
    dur_put64(key + 20, item->id);

    rc = dur_cursor_open(q->txn, DUR_T_READY, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_seek(c, dur_str_make(key, sizeof(key)), &k, NULL);

    rc = rc == DUR_OK ? dur_cursor_prev(c, &k, NULL)
         : rc == DUR_ENOTFOUND ? dur_cursor_last(c, &k, NULL) : rc;

    while (rc == DUR_OK && *before < DUR_WAIT_COUNT
           && k.len == sizeof(key) && memcmp(k.data, key, 12) == 0)
    {
        (*before)++;
        rc = dur_cursor_prev(c, &k, NULL);
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* -- one item ------------------------------------------------------------- */

static void
dur_wait_begin(dur_wait_view_t *w, const char *kind, const dur_item_t *item,
    const dur_tree_step_t *s)
{
    char        hash[DUR_HASH_TEXT_LEN + 1];
    dur_buf_t  *out = w->q->out;

    dur_query_comma(out);
    dur_buf_addc(out, '{');
    dur_query_string(out, "kind", dur_str_c(kind));
    dur_query_key(out, w->words->job);
    dur_buf_addf(out, "\"%llu\"", (unsigned long long) item->id);
    dur_query_number(out, "attempt", item->attempt);

    if (s != NULL) {
        dur_hash_text(&s->id, hash);
        dur_query_string(out, "step", s->step.name);
        dur_query_string(out, w->words->step_id, dur_str_c(hash));
        dur_query_detail(out, &s->step);

        if (!dur_query_zero(&s->step.child)) {
            dur_query_ulid(out, w->words->child, &s->step.child);
        }
    }
}


static dur_rc_t
dur_wait_app(dur_wait_view_t *w, uint32_t id)
{
    uint8_t    key[4];
    dur_rc_t   rc;
    dur_str_t  row;

    if (w->app.id == id && id != 0) {
        return DUR_OK;
    }

    rc = dur_query_app(w->q, id, &w->app);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_put32(key, id);
    memset(&w->target, 0, sizeof(w->target));

    if (dur_txn_get(w->q->txn, DUR_T_TARGET, dur_str_make(key, 4), &row)
        == DUR_OK)
    {
        (void) dur_target_decode(row, &w->target);
    }

    return dur_query_calls(w->q, &w->app, &w->leased, &w->limit);
}


/* Why it is ready and does not go: what is nearest to people first. */
static dur_rc_t
dur_wait_ready(dur_wait_view_t *w, const dur_item_t *item,
    const dur_tree_step_t *s)
{
    bool                 held, gateway;
    dur_rc_t             rc;
    unsigned             before;
    dur_buf_t           *out = w->q->out;
    const char          *kind;
    const dur_tree_t    *tree = w->tree;
    const dur_target_t  *target = &w->target;

    rc = dur_wait_app(w, item->app);

    if (rc == DUR_OK) {
        rc = dur_wait_before(w->q, item, tree->fn.paused ? tree->fn.id : 0,
                             w->app.ordered, &before);
    }

    if (rc != DUR_OK) {
        return rc;
    }

    held = target->hold != 0 && target->held == item->id;
    gateway = item->kind == DUR_ITEM_GATEWAY;

    kind = tree->fn.paused ? "paused"
           : target->parked ? "parked"
           : held ? "retry"
           : w->leased >= w->limit ? "calls" : "queued";

    dur_wait_begin(w, kind, item, s);
    dur_query_time(out, "since", item->due);
    dur_query_time(out, "until", tree->fn.paused ? 0
                                 : target->parked ? target->probe_at
                                 : held ? target->hold : 0);
    dur_query_count(out, "before", w->words->least, before);

    if (kind[0] == 'c') {
        dur_query_number(out, "limit", w->limit);
    }

    if (target->parked) {
        dur_query_time(out, w->words->parked, target->parked);

        if (!gateway) {
            dur_query_string(out, "error", dur_str_c(target->error));
        }
    }

    return dur_buf_addc(out, '}');
}


/* It waits for a limit of its function. */
static dur_rc_t
dur_wait_blocked(dur_wait_view_t *w, const dur_item_t *item,
    const dur_tree_step_t *s)
{
    bool            throttle;
    dur_rc_t        rc;
    dur_buf_t      *out = w->q->out;
    dur_blocked_t   b;

    rc = dur_blocked_find(w->q->txn, item->id, &b);
    if (rc != DUR_OK) {
        return rc;
    }

    throttle = b.counter.scope == DUR_SCOPE_THROTTLE;

    dur_wait_begin(w, throttle ? "throttle" : "concurrency", item, s);
    dur_query_time(out, "since", item->due);
    dur_query_time(out, "until", b.allowed);
    dur_query_count(out, "before", w->words->least, b.before);

    rc = dur_query_limit(w->q, &w->tree->fn, &b.counter, item, w->words);

    return rc == DUR_OK ? dur_buf_addc(out, '}') : rc;
}


static const char *
dur_wait_timed(const dur_tree_t *tree, const dur_item_t *item,
    const dur_tree_step_t *s)
{
    if (s == NULL) {
        return (tree->run.flags & DUR_RUN_F_ENDPOINT) && item->attempt == 0
               ? "client"
               : tree->run.discovery_due == DUR_RUN_HELD ? "copying"
               : tree->run.started == 0 && item->attempt == 0 ? "scheduled"
               : "retry";
    }

    switch (s->step.state) {

    case DUR_STEP_SLEEPING:
        return "sleep";

    case DUR_STEP_WAITING:
        return s->step.op == DUR_OPCODE_WAIT_SIGNAL ? "signal"
               : s->step.op == DUR_OPCODE_INVOKE ? "invoke" : "event";

    default:
        return "retry";
    }
}


static dur_rc_t
dur_wait_item(dur_wait_view_t *w, dur_table_t where, const dur_item_t *item,
    const dur_tree_step_t *s)
{
    dur_buf_t  *out = w->q->out;

    if (where == DUR_T_MAX) {
        return DUR_OK;
    }

    if (w->n == DUR_WAIT_ITEMS) {
        w->more++;
        return DUR_OK;
    }

    w->n++;

    switch (where) {

    case DUR_T_READY:
        return dur_wait_ready(w, item, s);

    case DUR_T_BLOCKED:
        return dur_wait_blocked(w, item, s);

    case DUR_T_LEASE:
        dur_wait_begin(w, "call", item, s);
        dur_query_time(out, "since", item->due);
        break;

    default:
        dur_wait_begin(w, dur_wait_timed(w->tree, item, s), item, s);
        dur_query_time(out, "until", item->due == DUR_RUN_HELD ? 0
                                                               : item->due);
    }

    return dur_buf_addc(out, '}');
}


/* -- the run -------------------------------------------------------------- */

static dur_rc_t
dur_wait_items(dur_wait_view_t *w)
{
    dur_rc_t          rc;
    uint32_t          i;
    dur_run_t        *run = &w->tree->run;
    dur_item_t        item;
    dur_table_t       where;
    dur_tree_step_t  *s;

    where = dur_query_item(w->q, run, NULL, &item);
    rc = dur_wait_item(w, where, &item, NULL);

    for (i = 0; i < w->tree->nsteps && rc == DUR_OK; i++) {
        s = &w->tree->steps[i];

        if (s->where != DUR_T_MAX) {
            where = dur_query_item(w->q, run, &s->step, &item);
            rc = dur_wait_item(w, where, &item, s);
        }
    }

    return rc;
}


dur_rc_t
dur_query_waiting(dur_query_t *q, dur_tree_t *tree,
    const dur_wait_words_t *words)
{
    dur_rc_t         rc;
    dur_wait_view_t  w;

    memset(&w, 0, sizeof(w));
    w.q = q;
    w.tree = tree;
    w.words = words;

    dur_query_key(q->out, "waiting");
    dur_buf_addc(q->out, '[');

    rc = tree->run.status == DUR_RUN_LIVE ? dur_wait_items(&w) : DUR_OK;

    dur_buf_addc(q->out, ']');

    if (rc == DUR_OK && w.more) {
        dur_query_number(q->out, "more", w.more);
    }

    return rc;
}
