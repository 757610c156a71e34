/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A world of webhooks: routes that come and go with new leaders, deliveries,
 * targets that refuse, stall, fail or are away for an hour, leaders that die
 * before or after a commit, sidecars that die with what they hold, and a
 * clock that is set back.  Large ones come in pieces, some of them never to
 * their end; some that ended are delivered again, and at last all that failed.
 * In the end every delivery was accepted by its target, or failed for a
 * reason; nothing went out after a 2xx was committed but what was asked for
 * again; in an ordered route nothing went out before all that came earlier
 * had ended.
 *
 * Some seeds have 50,000 deliveries that wait for an hour.
 */

#include "sim_route_world.h"

#include <unistd.h>


void
sim_wrong(sim_route_world_t *w, const char *fmt, ...)
{
    va_list  ap;

    printf("not ok - webhooks of seed %" PRIu64 ": ", w->seed);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n# batch %u; see it again:\n# %s --start %" PRIu64
           " --seeds 1\n", w->batches, w->opt->program, w->seed);
    fflush(stdout);

    longjmp(w->failed, 1);
}


/* -- the leader ----------------------------------------------------------- */

static void
lead(sim_route_world_t *w)
{
    char                  err[256];
    dur_engine_options_t  options;

    memset(&options, 0, sizeof(options));
    options.path = w->path;
    options.size = (uint64_t) 1 << 30;
    options.async = true;
    memset(options.store_id, 7, sizeof(options.store_id));

    if (dur_engine_open(&w->engine, &options, err, sizeof(err)) != DUR_OK) {
        sim_wrong(w, "the store does not open: %s", err);
    }

    w->fresh = true;
}


void
sim_route_die(sim_route_world_t *w)
{
    unsigned  i;

    dur_engine_close(w->engine);
    w->engine = NULL;
    w->deaths++;

    /* a reload may have another list */

    for (i = 0; i < ROUTES; i++) {
        w->routes[i].wanted = w->calm || !sim_permille(&w->rand, 100);
    }

    lead(w);
}


void
sim_route_apply(sim_route_world_t *w, sim_route_kind_t kind, unsigned ref,
    dur_op_t *op)
{
    dur_rc_t           rc;
    sim_route_made_t  *m;

    m = &w->made[w->nmade++];
    m->kind = kind;
    m->ref = ref;

    sim_bytes(&w->rand, op->entropy, sizeof(op->entropy));
    dur_buf_reset(&w->buf);
    dur_op_encode(op, &w->buf);

    rc = dur_engine_apply(w->engine, dur_buf_str(&w->buf), &m->reply);
    if (rc != DUR_OK) {
        sim_wrong(w, "op %u is not decided: %s", op->type, dur_strerror(rc));
    }
}


static void
apply_plain(sim_route_world_t *w, uint8_t type, unsigned budget)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = type;
    op.budget = budget;
    sim_route_apply(w, OP_OTHER, 0, &op);
}


static void
apply_routes(sim_route_world_t *w)
{
    bool       first;
    dur_op_t   op;
    unsigned   i;
    dur_buf_t  list;

    dur_buf_init(&list, 4096);
    dur_buf_addc(&list, '[');

    for (i = 0, first = true; i < ROUTES; i++) {
        if (w->routes[i].wanted) {
            dur_buf_addf(&list, "%s{\"connector\":\"r%u\",\"url\":\"http://t%u"
                         "/\",\"retries\":%d,\"ordered\":%s,\"timeout\":1000}",
                         first ? "" : ",", i, i, RETRIES,
                         w->routes[i].ordered ? "true" : "false");
            first = false;
        }
    }

    dur_buf_addc(&list, ']');

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_ROUTES;
    op.body = dur_buf_str(&list);
    sim_route_apply(w, OP_ROUTES, 0, &op);

    dur_buf_deinit(&list);
}


/* What a new leader does before anything else. */
static void
apply_first(sim_route_world_t *w)
{
    uint8_t       held[SLOTS * DUR_ATTEMPT_LEN];
    dur_op_t      op;
    unsigned      i;
    dur_buf_t     blob;
    dur_config_t  conf;

    dur_config_init(&conf);
    dur_buf_init(&blob, 4096);
    dur_config_encode(&conf, &blob);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CONFIG;
    op.body = dur_buf_str(&blob);
    sim_route_apply(w, OP_OTHER, 0, &op);
    dur_buf_deinit(&blob);

    apply_routes(w);

    for (i = 0; i < w->ncalls; i++) {
        dur_attempt_put(held + i * DUR_ATTEMPT_LEN, w->calls[i].item,
                        w->calls[i].generation);
    }

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_INVENTORY;
    op.body = dur_str_make(held, w->ncalls * DUR_ATTEMPT_LEN);
    memcpy(op.instance, w->instance, sizeof(op.instance));
    sim_route_apply(w, OP_OTHER, 0, &op);
}


/* -- batches -------------------------------------------------------------- */

static void
committed(sim_route_world_t *w)
{
    unsigned  i, j;

    for (i = 0; i < w->nmade; i++) {

        switch (w->made[i].kind) {

        case OP_ROUTES:
            for (j = 0; j < ROUTES; j++) {
                w->routes[j].listed = w->routes[j].wanted;
            }
            break;

        case OP_EVENT:
            sim_route_committed_event(w, &w->made[i]);
            break;

        case OP_PIECE:
            sim_route_committed_piece(w, &w->made[i]);
            break;

        case OP_AGAIN:
            sim_route_committed_again(w, &w->made[i]);
            break;

        case OP_RESULT:
            sim_route_committed_result(w, &w->made[i]);
            break;

        default:
            break;
        }
    }

    sim_route_look_all(w);
}


static void
effects(sim_route_world_t *w, const dur_effect_t *f)
{
    unsigned             i;
    const dur_effect_t  *first = f;

    for (i = 0; i < w->nmade; i++) {
        if (w->made[i].reply.status == 200) {
            sim_route_answered(w, &w->made[i]);
        }
    }

    for ( ; f != NULL; f = f->next) {
        if (f->type == DUR_EFFECT_ACK || f->type == DUR_EFFECT_CANCEL) {
            sim_route_settled(w, f);
        }
    }

    for (f = first; f != NULL; f = f->next) {
        if (f->type == DUR_EFFECT_CALL) {
            sim_route_sent(w, f);
        }
    }
}


static void
decide(sim_route_world_t *w)
{
    unsigned           i, before, used;
    dur_engine_stat_t  stat;

    if (w->fresh) {
        apply_first(w);
    }

    if (dur_engine_next_due(w->engine) <= w->now) {
        apply_plain(w, DUR_OP_TIMERS, 0);
    }

    for (i = 0; i < w->ncalls; i++) {
        if (w->calls[i].done && (w->calm || !sim_permille(&w->rand, 300))) {
            sim_route_apply_result(w, i);
        }
    }

    sim_route_apply_again(w);

    before = w->nmade;
    sim_route_apply_events(w, before < BATCH ? BATCH - before : 0);

    if (dur_engine_has_tasks(w->engine)) {
        apply_plain(w, DUR_OP_TASKS, 0);
    }

    /* what was leased and never sent takes up a slot, too */

    dur_engine_stat(w->engine, &stat);
    used = w->ncalls > stat.leases ? w->ncalls : (unsigned) stat.leases;

    if (dur_engine_has_ready(w->engine) && used < SLOTS) {
        apply_plain(w, DUR_OP_DISPATCH, SLOTS - used);
    }
}


static void
batch(sim_route_world_t *w)
{
    unsigned       i, luck;
    dur_rc_t       rc;
    dur_effect_t  *f;

    w->batches++;
    w->nmade = 0;
    dur_arena_reset(&w->arena);

    rc = dur_engine_begin(w->engine, w->now, &w->arena);
    if (rc != DUR_OK) {
        sim_wrong(w, "a batch does not begin: %s", dur_strerror(rc));
    }

    decide(w);
    luck = w->calm ? 1000 : sim_below(&w->rand, w->large ? 20000 : 1000);

    if (luck < 15) {
        dur_engine_abort(w->engine);
        sim_route_die(w);
        return;
    }

    rc = dur_engine_commit(w->engine, &f);
    if (rc != DUR_OK) {
        sim_wrong(w, "a batch does not commit: %s", dur_strerror(rc));
    }

    committed(w);
    w->fresh = false;

    if (luck < 30) {
        sim_route_die(w);
        return;
    }

    effects(w, f);

    if (luck < 40) {
        sim_route_sidecar_dies(w);
    }

    for (i = 0; i < w->ncalls; i++) {
        if (!w->calls[i].done && (w->calm || !sim_permille(&w->rand, 400))) {
            sim_route_answer(w, &w->calls[i]);
        }
    }
}


/* Time goes on: to what is due when nothing else is to be done. */
static void
wait_some(sim_route_world_t *w)
{
    int64_t       due;
    unsigned      i, idle;
    sim_route_t  *r;

    if (w->large && !w->calm) {
        w->now += HOUR * BATCH / LARGE;
        return;
    }

    w->now += sim_below(&w->rand, 200);
    idle = w->ncalls == 0 && w->nsubmitted == w->n
           && !dur_engine_has_ready(w->engine)
           && !dur_engine_has_tasks(w->engine);
    due = dur_engine_next_due(w->engine);

    if ((idle || (!w->calm && sim_permille(&w->rand, 50)))
        && due != INT64_MAX && due > w->now)
    {
        w->now = due;
    }

    if (w->calm) {
        return;
    }

    if (sim_permille(&w->rand, 10)) {
        w->now -= sim_below(&w->rand, 2 * 60 * 1000);
    }

    r = &w->routes[sim_below(&w->rand, ROUTES)];
    i = sim_below(&w->rand, 1000);

    if (w->now >= r->away_until && i < 20) {
        r->says_503 = i < 5;
        r->away_until = w->now + (i < 3 ? HOUR
                                  : sim_range(&w->rand, 1000, 60000));
    }
}


static void
check_end(sim_route_world_t *w)
{
    uint8_t          status;
    unsigned         i, n;
    dur_txn_t       *txn;
    sim_delivery_t  *d;

    if (dur_txn_begin(dur_engine_store(w->engine), false, &txn) != DUR_OK) {
        sim_wrong(w, "the store cannot be read");
    }

    for (i = 0; i < w->n; i++) {
        d = &w->all[i];
        n = sim_route_runs_of(w, txn, d, &status);

        if (!d->acked || n != d->nruns) {
            sim_wrong(w, "delivery %u has %u runs, not %u", i, n, d->nruns);
        }

        if (d->runs && !d->good && w->routes[d->route].listed) {
            sim_wrong(w, "delivery %u failed, and was not delivered again", i);
        }

        if (w->large && d->runs && !d->good) {
            sim_wrong(w, "delivery %u is lost", i);
        }
    }

    if (dur_txn_count(txn, DUR_T_READY) || dur_txn_count(txn, DUR_T_LEASE)
        || dur_txn_count(txn, DUR_T_TIMER) || dur_txn_count(txn, DUR_T_UPLOAD))
    {
        sim_wrong(w, "work is left");
    }

    dur_txn_abort(txn);
}


/* Goes on until everything has ended that must. */
static void
settle(sim_route_world_t *w)
{
    unsigned  steps;

    for (steps = 0; w->nopen > 0 || w->ncalls > 0 || w->nsubmitted < w->n;
         steps++)
    {
        if (steps > 100 * w->opt->steps + 2 * w->max) {
            sim_wrong(w, "%u deliveries do not end", w->nopen);
        }

        batch(w);
        wait_some(w);
    }
}


/* All that failed, of every route; the targets want anything now. */
static void
mend(sim_route_world_t *w)
{
    char             connector[8];
    dur_op_t         op;
    unsigned         i;
    dur_rc_t         rc;
    sim_delivery_t  *d;
    dur_effect_t    *f;

    w->now++;
    w->nmade = 0;
    w->mending = true;
    dur_arena_reset(&w->arena);

    rc = dur_engine_begin(w->engine, w->now, &w->arena);

    for (i = 0; i < ROUTES && rc == DUR_OK; i++) {
        if (!w->routes[i].listed) {
            continue;
        }

        snprintf(connector, sizeof(connector), "r%u", i);
        memset(&op, 0, sizeof(op));
        op.type = DUR_OP_REDELIVER;
        dur_ulid_make(&op.id, (uint64_t) w->now, (uint8_t[10]) { i });
        op.url = dur_str_c(connector);
        op.body = dur_str("{\"status\":\"Failed\"}");
        sim_route_apply(w, OP_OTHER, 0, &op);

        if (w->made[w->nmade - 1].reply.status != 200) {
            sim_wrong(w, "what failed of route %u is not delivered again: %u",
                      i, w->made[w->nmade - 1].reply.status);
        }
    }

    if (rc != DUR_OK || dur_engine_commit(w->engine, &f) != DUR_OK) {
        sim_wrong(w, "a batch does not commit");
    }

    for (i = 0; i < w->n; i++) {
        d = &w->all[i];

        if (d->runs && !d->good && w->routes[d->route].listed) {
            d->nruns++;
            d->ended = d->final = false;
            d->failed = d->refused = 0;
            d->mended = true;
            w->nopen++;
        }
    }
}


/* What nobody sent to its end is deleted after an hour. */
static void
forget(sim_route_world_t *w)
{
    unsigned  i;

    w->now += HOUR + 1;

    for (i = 0; i < 1000 && (dur_engine_has_tasks(w->engine)
                             || dur_engine_next_due(w->engine) <= w->now);
         i++)
    {
        batch(w);
    }
}


static void
simulate(sim_route_world_t *w)
{
    unsigned  i, steps;

    lead(w);

    for (i = 0; i < ROUTES; i++) {
        w->routes[i].wanted = true;
        w->routes[i].ordered = w->large ? i == 0
                                        : sim_permille(&w->rand, 600);
        w->routes[i].away_until = w->large ? w->now + HOUR : 0;
    }

    for (steps = 0; w->large ? w->n < w->max : steps < w->opt->steps;
         steps++)
    {
        batch(w);
        wait_some(w);
    }

    w->calm = true;
    settle(w);

    if (!w->large) {
        mend(w);
        settle(w);
        mend(w);                        /* nothing is left for a second one */
        settle(w);
        forget(w);
    }

    check_end(w);
}


bool
sim_route(const sim_options_t *opt, uint64_t seed, sim_figures_t *total)
{
    bool                passed;
    unsigned            i;
    sim_route_world_t  *w;

    w = calloc(1, sizeof(*w));
    if (w == NULL) {
        abort();
    }

    w->opt = opt;
    w->seed = seed;
    w->rand.state = seed * 0x9fb21c651e98df25 + 7;
    w->now = 1790000000000;
    w->large = seed % 200 == 199;
    w->max = w->large ? LARGE : 20 * opt->steps;
    w->chaos = sim_below(&w->rand, 400);
    w->all = calloc(w->max, sizeof(*w->all));

    for (i = 0; i < ROUTES; i++) {
        w->routes[i].all = calloc(3 * w->max, sizeof(unsigned));
    }

    dur_arena_init(&w->arena);
    dur_call_init(&w->call);
    dur_buf_init(&w->buf, 1 << 20);

    snprintf(w->path, sizeof(w->path), "%s/dur-sim-route-%d", opt->directory,
             (int) getpid());
    sim_directory(w->path, true);

    passed = setjmp(w->failed) == 0;

    if (passed) {
        simulate(w);
    }

    total->deliveries += w->n;
    total->failed += !passed;
    total->deaths += w->deaths;
    total->batches += w->batches;

    sim_directory(w->path, false);

    if (passed) {
        dur_engine_close(w->engine);
        dur_arena_deinit(&w->arena);
        dur_call_deinit(&w->call);
        dur_buf_deinit(&w->buf);

        for (i = 0; i < ROUTES; i++) {
            free(w->routes[i].all);
        }

        free(w->all);
        free(w);
    }

    /* what failed stands in the middle of a batch: it is left as it is */

    return passed;
}
