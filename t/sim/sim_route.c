/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A world of webhooks: routes that come and go with new leaders, deliveries,
 * targets that refuse, stall, fail or are away for an hour, leaders that die
 * before or after a commit, sidecars that die with what they hold, and a
 * clock that is set back.  In the end every delivery was accepted by its
 * target, or failed for a reason; nothing went out after a 2xx was committed;
 * in an ordered route nothing went out before all that came earlier had ended.
 *
 * Some seeds have 50,000 deliveries that wait for an hour.
 */

#include "engine/dur_event.h"
#include "engine/dur_run.h"

#include "sim_route.h"

#include <unistd.h>

#define ROUTES    3
#define SLOTS     24
#define BATCH     48
#define LARGE     50000
#define RETRIES   2
#define HOUR      ((int64_t) 3600 * 1000)

typedef struct {
    bool       ordered;
    bool       wanted;                  /* of the next leader's list */
    bool       listed;                  /* of the last one committed */
    bool       says_503;                /* while it is away */
    int64_t    away_until;
    unsigned   n;                       /* deliveries, in order, .. */
    unsigned   head;                    /* .. the first that has not ended */
    unsigned  *all;
} route_t;

typedef struct {
    dur_ulid_t  id;
    unsigned    route;
    int         again;                  /* the one whose id it has, or -1 */
    int64_t     at;
    bool        stored;
    bool        acked;                  /* the provider knows */
    bool        runs;                   /* it must be delivered */
    bool        bad;                    /* the target does not want it */
    bool        good;                   /* a 2xx was committed */
    bool        final;                  /* so was a final status */
    bool        ended;
    bool        look;                   /* it may have ended */
    unsigned    refused;
    unsigned    failed;                 /* other failures, lost executors */
} delivery_t;

typedef struct {
    uint64_t  item;
    uint32_t  generation;
    unsigned  delivery;
    bool      done;                     /* .. with this result */
    uint16_t  status;
    uint8_t   error_kind;
    unsigned  retry_after;
} call_t;

typedef enum {
    OP_OTHER,
    OP_ROUTES,
    OP_EVENT,
    OP_RESULT
} op_kind_t;

typedef struct {
    op_kind_t    kind;
    unsigned     ref;
    dur_reply_t  reply;
} made_t;

typedef struct {
    const sim_options_t  *opt;
    uint64_t              seed;
    sim_rand_t            rand;
    jmp_buf               failed;
    char                  path[256];
    int64_t               now;
    bool                  calm;
    bool                  large;
    unsigned              chaos;        /* permille */
    unsigned              batches;
    unsigned              deaths;

    dur_engine_t         *engine;
    bool                  fresh;        /* a new leader: configures first */
    uint8_t               instance[16];
    dur_arena_t           arena;
    dur_call_t            call;
    dur_buf_t             buf;

    route_t               routes[ROUTES];
    unsigned              n;
    unsigned              max;
    delivery_t           *all;
    unsigned              nopen;        /* must end and have not */
    unsigned              nsubmitted;   /* of all, from the first on */

    unsigned              ncalls;
    call_t                calls[SLOTS];
    uint64_t              sent;

    unsigned              nmade;
    made_t                made[BATCH + 8];
} world_t;


__attribute__((noreturn, format(printf, 2, 3)))
static void
wrong(world_t *w, const char *fmt, ...)
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
lead(world_t *w)
{
    char                  err[256];
    dur_engine_options_t  options;

    memset(&options, 0, sizeof(options));
    options.path = w->path;
    options.size = (uint64_t) 1 << 30;
    options.async = true;
    memset(options.store_id, 7, sizeof(options.store_id));

    if (dur_engine_open(&w->engine, &options, err, sizeof(err)) != DUR_OK) {
        wrong(w, "the store does not open: %s", err);
    }

    w->fresh = true;
}


static void
die(world_t *w)
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


static void
apply(world_t *w, op_kind_t kind, unsigned ref, dur_op_t *op)
{
    dur_rc_t   rc;
    made_t    *m;

    m = &w->made[w->nmade++];
    m->kind = kind;
    m->ref = ref;

    sim_bytes(&w->rand, op->entropy, sizeof(op->entropy));
    dur_buf_reset(&w->buf);
    dur_op_encode(op, &w->buf);

    rc = dur_engine_apply(w->engine, dur_buf_str(&w->buf), &m->reply);
    if (rc != DUR_OK) {
        wrong(w, "op %u is not decided: %s", op->type, dur_strerror(rc));
    }
}


static void
apply_plain(world_t *w, uint8_t type, unsigned budget)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = type;
    op.budget = budget;
    apply(w, OP_OTHER, 0, &op);
}


static void
apply_routes(world_t *w)
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
    apply(w, OP_ROUTES, 0, &op);

    dur_buf_deinit(&list);
}


/* What a new leader does before anything else. */
static void
apply_first(world_t *w)
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
    apply(w, OP_OTHER, 0, &op);
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
    apply(w, OP_OTHER, 0, &op);
}


/* -- providers ------------------------------------------------------------ */

static delivery_t *
deliver(world_t *w)
{
    uint8_t      entropy[10];
    unsigned     i;
    delivery_t  *d;

    d = &w->all[w->n++];
    memset(d, 0, sizeof(*d));

    sim_bytes(&w->rand, entropy, sizeof(entropy));
    dur_ulid_make(&d->id, (uint64_t) w->now, entropy);

    d->route = sim_below(&w->rand, ROUTES);
    d->again = -1;
    d->at = w->now;
    d->bad = !w->large && sim_permille(&w->rand, 50);

    /* a provider that had no answer in time sends it again */

    if (w->n > 1 && sim_permille(&w->rand, 50)) {
        i = w->n - 2 - sim_below(&w->rand, w->n - 1 < 20 ? w->n - 1 : 20);

        if (w->all[i].again == -1 && w->all[i].runs
            && w->now - w->all[i].at < HOUR)
        {
            d->again = (int) i;
            d->route = w->all[i].route;
        }
    }

    return d;
}


static void
apply_event(world_t *w, unsigned n)
{
    char             name[64], client[32], *json;
    dur_op_t         op;
    delivery_t      *d;
    dur_op_event_t   event;

    d = &w->all[n];

    snprintf(name, sizeof(name), "event/api.webhooks.r%u.action", d->route);
    snprintf(client, sizeof(client), "c%u",
             d->again >= 0 ? (unsigned) d->again : n);
    json = dur_arena_printf(&w->arena, "{\"data\":{\"body\":\"%u\"},\"id\":"
                            "\"%s\",\"name\":\"%s\",\"ts\":1,\"user\":{}}", n,
                            client, name);

    memset(&event, 0, sizeof(event));
    event.id = d->id;
    event.ts = d->at;
    event.name = dur_str_c(name);
    event.client_id = dur_str_c(client);
    event.json = dur_str_c(json);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    apply(w, OP_EVENT, n, &op);
}


static void
apply_events(world_t *w, unsigned most)
{
    unsigned  i, new;

    /* one whose answer was lost goes again, in its old place or later */

    while (w->nsubmitted < w->n && w->all[w->nsubmitted].acked) {
        w->nsubmitted++;
    }

    for (i = w->nsubmitted; i < w->n && most > 0; i++) {
        if (!w->all[i].acked) {
            apply_event(w, i);
            most--;
        }
    }

    new = w->calm ? 0 : w->large ? most : sim_below(&w->rand, most / 4 + 1);

    for ( ; new > 0 && w->n < w->max; new--) {
        deliver(w);
        apply_event(w, w->n - 1);
    }
}


static void
committed_event(world_t *w, const made_t *m)
{
    route_t     *r;
    delivery_t  *d;

    d = &w->all[m->ref];
    r = &w->routes[d->route];

    if (m->reply.status != 200
        || d->stored != ((m->reply.flags & DUR_REPLY_F_DUPLICATE) != 0))
    {
        wrong(w, "delivery %u: %u, %s", m->ref, m->reply.status,
              d->stored ? "it was stored before" : "it was not stored");
    }

    if (d->stored) {
        return;
    }

    d->stored = true;
    d->runs = r->listed && (d->again == -1 || !w->all[d->again].runs);

    if (d->runs) {
        w->nopen++;
        r->all[r->n++] = m->ref;
    }
}


/* -- the sidecar and the targets ------------------------------------------ */

static void
sent(world_t *w, const dur_effect_t *f)
{
    char                 text[16] = "";
    call_t              *c;
    route_t             *r;
    dur_rc_t             rc;
    delivery_t          *d;
    dur_call_options_t   options = { .now_ms = w->now };

    rc = dur_call_build(dur_engine_store(w->engine), f->item, f->generation,
                        &options, &w->call);
    if (rc == DUR_ENOTFOUND) {
        return;
    }

    if (rc != DUR_OK || w->call.body.len >= sizeof(text)
        || w->ncalls == SLOTS)
    {
        wrong(w, "the call of item %" PRIu64 " cannot be made: %s", f->item,
              dur_strerror(rc));
    }

    memcpy(text, w->call.body.data, w->call.body.len);

    c = &w->calls[w->ncalls++];
    memset(c, 0, sizeof(*c));
    c->item = f->item;
    c->generation = f->generation;
    c->delivery = (unsigned) strtoul(text, NULL, 10);
    w->sent++;

    d = &w->all[c->delivery];
    r = &w->routes[d->route];

    if (!d->runs || d->ended) {
        wrong(w, "delivery %u goes out, which %s", c->delivery,
              d->ended ? "has ended" : "starts nothing");
    }

    if (r->ordered && r->all[r->head] != c->delivery) {
        wrong(w, "delivery %u goes out before %u has ended", c->delivery,
              r->all[r->head]);
    }
}


/* What the target makes of it. */
static void
answer(world_t *w, call_t *c)
{
    route_t           *r;
    delivery_t        *d;
    static const struct {
        uint16_t  status;
        uint8_t   error_kind;
        unsigned  retry_after;
    } troubles[] = {
        { 500, 0, 0 }, { 408, 0, 0 }, { 429, 0, 30 }, { 503, 0, 0 },
        { 0, DUR_CALL_ELOST, 0 }, { 0, DUR_CALL_ETIMEOUT, 0 },
        { 0, DUR_CALL_ECONNECT, 0 }, { 0, DUR_CALL_EOTHER, 0 }
    };
    unsigned           i;

    d = &w->all[c->delivery];
    r = &w->routes[d->route];
    c->done = true;
    c->status = d->bad ? 404 : 200;

    if (!w->calm && w->now < r->away_until) {
        c->status = r->says_503 ? 503 : 0;
        c->error_kind = r->says_503 ? 0 : DUR_CALL_ECONNECT;

    } else if (!w->calm && !w->large && sim_permille(&w->rand, w->chaos)) {
        i = sim_below(&w->rand, sizeof(troubles) / sizeof(troubles[0]));
        c->status = troubles[i].status;
        c->error_kind = troubles[i].error_kind;
        c->retry_after = troubles[i].retry_after;
    }
}


static void
apply_result(world_t *w, unsigned n)
{
    char       lines[64] = "";
    call_t    *c;
    dur_op_t   op;

    c = &w->calls[n];

    if (c->retry_after) {
        snprintf(lines, sizeof(lines), "retry-after: %u\n", c->retry_after);
    }

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_RESULT;
    op.result.item = c->item;
    op.result.generation = c->generation;
    op.result.status = c->status;
    op.result.error_kind = c->error_kind;
    op.result.error = dur_str("no answer");
    op.result.headers = dur_str_c(lines);
    op.result.body = dur_str("thanks");
    op.result.started = w->now;
    apply(w, OP_RESULT, n, &op);
}


static void
committed_result(world_t *w, const made_t *m)
{
    call_t      *c;
    delivery_t  *d;

    c = &w->calls[m->ref];

    if (m->reply.rc != DUR_OK) {
        return;                         /* it was committed before */
    }

    d = &w->all[c->delivery];
    d->look = true;
    d->good |= c->status == 200;
    d->final |= c->status == 404;

    if (c->error_kind == DUR_CALL_ECONNECT) {
        d->refused++;
    } else if (c->status != 200) {
        d->failed++;
    }
}


/* All that it held is gone with it. */
static void
sidecar_dies(world_t *w)
{
    unsigned  i;

    for (i = 0; i < w->ncalls; i++) {
        w->all[w->calls[i].delivery].failed++;
        w->all[w->calls[i].delivery].look = true;
    }

    w->ncalls = 0;
    sim_bytes(&w->rand, w->instance, sizeof(w->instance));
    die(w);
}


static void
settled(world_t *w, const dur_effect_t *f)
{
    unsigned  i;

    for (i = 0; i < w->ncalls; i++) {
        if (w->calls[i].item == f->item
            && w->calls[i].generation == f->generation)
        {
            w->calls[i] = w->calls[--w->ncalls];
            return;
        }
    }
}


/* -- what the store says -------------------------------------------------- */

/* The run of a delivery: how many, and the status of the last one. */
static unsigned
runs_of(world_t *w, dur_txn_t *txn, const delivery_t *d, uint8_t *status)
{
    unsigned       n;
    dur_rc_t       rc;
    dur_str_t      k;
    dur_run_t      run;
    dur_ulid_t     id;
    dur_cursor_t  *c;

    n = 0;

    if (dur_cursor_open(txn, DUR_T_EVENT_RUN, &c) != DUR_OK) {
        wrong(w, "the store cannot be read");
    }

    for (rc = dur_cursor_seek(c, dur_str_make(d->id.b, DUR_ULID_LEN), &k,
                              NULL);
         rc == DUR_OK && memcmp(k.data, d->id.b, DUR_ULID_LEN) == 0;
         rc = dur_cursor_next(c, &k, NULL))
    {
        memcpy(id.b, k.data + DUR_ULID_LEN, DUR_ULID_LEN);

        if (dur_run_get(txn, &id, &run) == DUR_OK) {
            *status = run.status;
            n++;
        }
    }

    dur_cursor_close(c);

    return n;
}


static void
look(world_t *w, dur_txn_t *txn, unsigned n)
{
    uint8_t      status;
    route_t     *r;
    delivery_t  *d;

    d = &w->all[n];
    d->look = false;

    if (d->ended || runs_of(w, txn, d, &status) != 1
        || status == DUR_RUN_LIVE)
    {
        return;
    }

    if (status == DUR_RUN_COMPLETED ? !d->good
        : !d->final && (d->failed == 0
                        || d->failed + d->refused < RETRIES + 1))
    {
        wrong(w, "delivery %u is %s after %u refused and %u failed attempts",
              n, status == DUR_RUN_COMPLETED ? "delivered" : "given up",
              d->refused, d->failed);
    }

    d->ended = true;
    w->nopen--;
    r = &w->routes[d->route];

    while (r->head < r->n && w->all[r->all[r->head]].ended) {
        r->head++;
    }
}


static void
look_all(world_t *w)
{
    unsigned    i, j;
    dur_txn_t  *txn;

    if (dur_txn_begin(dur_engine_store(w->engine), false, &txn) != DUR_OK) {
        wrong(w, "the store cannot be read");
    }

    for (i = 0; i < w->nmade; i++) {
        if (w->made[i].kind == OP_RESULT) {
            j = w->calls[w->made[i].ref].delivery;
            if (w->all[j].look) {
                look(w, txn, j);
            }
        }
    }

    if (w->fresh) {
        /* the inventory may have ended some */
        for (i = 0; i < w->n; i++) {
            if (w->all[i].look) {
                look(w, txn, i);
            }
        }
    }

    dur_txn_abort(txn);
}


/* -- batches -------------------------------------------------------------- */

static void
committed(world_t *w)
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
            committed_event(w, &w->made[i]);
            break;

        case OP_RESULT:
            committed_result(w, &w->made[i]);
            break;

        default:
            break;
        }
    }

    look_all(w);
}


static void
effects(world_t *w, const dur_effect_t *f)
{
    unsigned             i;
    const dur_effect_t  *first = f;

    for (i = 0; i < w->nmade; i++) {
        if (w->made[i].kind == OP_EVENT) {
            w->all[w->made[i].ref].acked = true;
        }
    }

    for ( ; f != NULL; f = f->next) {
        if (f->type == DUR_EFFECT_ACK || f->type == DUR_EFFECT_CANCEL) {
            settled(w, f);
        }
    }

    for (f = first; f != NULL; f = f->next) {
        if (f->type == DUR_EFFECT_CALL) {
            sent(w, f);
        }
    }
}


static void
decide(world_t *w)
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
            apply_result(w, i);
        }
    }

    before = w->nmade;
    apply_events(w, before < BATCH ? BATCH - before : 0);

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
batch(world_t *w)
{
    unsigned       i, luck;
    dur_rc_t       rc;
    dur_effect_t  *f;

    w->batches++;
    w->nmade = 0;
    dur_arena_reset(&w->arena);

    rc = dur_engine_begin(w->engine, w->now, &w->arena);
    if (rc != DUR_OK) {
        wrong(w, "a batch does not begin: %s", dur_strerror(rc));
    }

    decide(w);
    luck = w->calm ? 1000 : sim_below(&w->rand, w->large ? 20000 : 1000);

    if (luck < 15) {
        dur_engine_abort(w->engine);
        die(w);
        return;
    }

    rc = dur_engine_commit(w->engine, &f);
    if (rc != DUR_OK) {
        wrong(w, "a batch does not commit: %s", dur_strerror(rc));
    }

    committed(w);
    w->fresh = false;

    if (luck < 30) {
        die(w);
        return;
    }

    effects(w, f);

    if (luck < 40) {
        sidecar_dies(w);
    }

    for (i = 0; i < w->ncalls; i++) {
        if (!w->calls[i].done && (w->calm || !sim_permille(&w->rand, 400))) {
            answer(w, &w->calls[i]);
        }
    }
}


/* Time goes on: to what is due when nothing else is to be done. */
static void
wait_some(world_t *w)
{
    int64_t    due;
    unsigned   i, idle;
    route_t   *r;

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
check_end(world_t *w)
{
    uint8_t      status;
    unsigned     i, n;
    dur_txn_t   *txn;
    delivery_t  *d;

    if (dur_txn_begin(dur_engine_store(w->engine), false, &txn) != DUR_OK) {
        wrong(w, "the store cannot be read");
    }

    for (i = 0; i < w->n; i++) {
        d = &w->all[i];
        n = runs_of(w, txn, d, &status);

        if (!d->acked || n != d->runs) {
            wrong(w, "delivery %u has %u runs, not %u", i, n, d->runs);
        }

        if (w->large && d->runs && !d->good) {
            wrong(w, "delivery %u is lost", i);
        }
    }

    if (dur_txn_count(txn, DUR_T_READY) || dur_txn_count(txn, DUR_T_LEASE)
        || dur_txn_count(txn, DUR_T_TIMER))
    {
        wrong(w, "work is left");
    }

    dur_txn_abort(txn);
}


static void
simulate(world_t *w)
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

    for (steps = 0; w->nopen > 0 || w->ncalls > 0 || w->nsubmitted < w->n;
         steps++)
    {
        if (steps > 100 * w->opt->steps + 2 * w->max) {
            wrong(w, "%u deliveries do not end", w->nopen);
        }

        batch(w);
        wait_some(w);
    }

    check_end(w);
}


bool
sim_route(const sim_options_t *opt, uint64_t seed, sim_figures_t *total)
{
    bool       passed;
    unsigned   i;
    world_t   *w;

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
        w->routes[i].all = calloc(w->max, sizeof(unsigned));
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
