/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The sidecar of the world of webhooks, the targets that it sends them to, and
 * whether each delivery has ended as it had to.
 */

#include "sim_route_world.h"


/* -- the sidecar and the targets ------------------------------------------ */

/* The body of a call, whole or in pieces. */
static dur_rc_t
sent_body(sim_route_world_t *w)
{
    dur_rc_t          rc;
    dur_buf_t         text, part;
    dur_call_body_t  *rest = &w->call.rest;

    rc = DUR_OK;
    dur_buf_reset(&w->buf);
    dur_buf_adds(&w->buf, dur_buf_str(&w->call.body));

    if (rest->length == 0) {
        return rc;
    }

    dur_buf_init(&text, DUR_CALL_BODY_PART);
    dur_buf_init(&part, DUR_CALL_BODY_PART);

    while (rc == DUR_OK && rest->pos < rest->end) {
        rc = dur_call_body_read(dur_engine_store(w->engine), rest, &part,
                                &text);
        dur_buf_adds(&w->buf, dur_buf_str(&part));
    }

    dur_buf_deinit(&text);
    dur_buf_deinit(&part);

    return rc;
}


/* Which delivery it is, by its body, which must be whole. */
static unsigned
sent_number(sim_route_world_t *w)
{
    char      text[16] = "";
    size_t    i, n;
    unsigned  number;

    n = w->buf.len < 15 ? w->buf.len : 15;
    memcpy(text, w->buf.data, n);
    number = (unsigned) strtoul(text, NULL, 10);
    i = strspn(text, "0123456789");

    if (number >= w->n
        || w->buf.len != i + (w->all[number].size
                              ? 1 + w->all[number].size : 0))
    {
        sim_wrong(w, "a body of %zu bytes goes out, \"%s\"", w->buf.len, text);
    }

    for (i++; i < w->buf.len; i++) {
        if (w->buf.data[i] != 'x') {
            sim_wrong(w, "delivery %u has another body", number);
        }
    }

    return number;
}


static void
sent_run(sim_route_world_t *w, const dur_effect_t *f, unsigned n)
{
    dur_txn_t       *txn;
    dur_item_t       item;
    sim_delivery_t  *d = &w->all[n];
    dur_ulid_t       none = { { 0 } };

    if (dur_txn_begin(dur_engine_store(w->engine), false, &txn) != DUR_OK
        || dur_call_body_lease(txn, f->item, f->generation, &item) != DUR_OK)
    {
        sim_wrong(w, "the lease of item %" PRIu64 " cannot be read", f->item);
    }

    dur_txn_abort(txn);

    if (memcmp(&d->run, &none, sizeof(none)) == 0 || d->mended) {
        d->run = item.run;
        d->mended = false;

    } else if (memcmp(&d->run, &item.run, sizeof(none)) != 0) {
        sim_wrong(w, "delivery %u goes out as a run that nobody asked for", n);
    }
}


void
sim_route_sent(sim_route_world_t *w, const dur_effect_t *f)
{
    sim_route_call_t    *c;
    sim_route_t         *r;
    dur_rc_t             rc;
    sim_delivery_t      *d;
    dur_call_options_t   options = { .now_ms = w->now };

    rc = dur_call_build(dur_engine_store(w->engine), f->item, f->generation,
                        &options, &w->call);
    if (rc == DUR_ENOTFOUND) {
        return;
    }

    if (rc == DUR_OK) {
        rc = sent_body(w);
    }

    if (rc != DUR_OK || w->ncalls == SLOTS) {
        sim_wrong(w, "the call of item %" PRIu64 " cannot be made: %s",
                  f->item, dur_strerror(rc));
    }

    c = &w->calls[w->ncalls++];
    memset(c, 0, sizeof(*c));
    c->item = f->item;
    c->generation = f->generation;
    c->delivery = sent_number(w);
    w->sent++;

    d = &w->all[c->delivery];
    r = &w->routes[d->route];

    if (!d->runs || d->ended) {
        sim_wrong(w, "delivery %u goes out, which %s", c->delivery,
                  d->ended ? "has ended" : "starts nothing");
    }

    sent_run(w, f, c->delivery);

    if (r->ordered && !w->mending && r->all[r->head] != c->delivery) {
        sim_wrong(w, "delivery %u goes out before %u has ended", c->delivery,
                  r->all[r->head]);
    }
}


/* What the target makes of it. */
void
sim_route_answer(sim_route_world_t *w, sim_route_call_t *c)
{
    sim_route_t           *r;
    sim_delivery_t        *d;
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
    c->status = d->bad && !w->mending ? 404 : 200;

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


void
sim_route_apply_result(sim_route_world_t *w, unsigned n)
{
    char               lines[64] = "";
    sim_route_call_t  *c;
    dur_op_t           op;

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
    sim_route_apply(w, OP_RESULT, n, &op);
}


void
sim_route_committed_result(sim_route_world_t *w, const sim_route_made_t *m)
{
    sim_route_call_t  *c;
    sim_delivery_t    *d;

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
void
sim_route_sidecar_dies(sim_route_world_t *w)
{
    unsigned  i;

    for (i = 0; i < w->ncalls; i++) {
        w->all[w->calls[i].delivery].failed++;
        w->all[w->calls[i].delivery].look = true;
    }

    w->ncalls = 0;
    sim_bytes(&w->rand, w->instance, sizeof(w->instance));
    sim_route_die(w);
}


void
sim_route_settled(sim_route_world_t *w, const dur_effect_t *f)
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
unsigned
sim_route_runs_of(sim_route_world_t *w, dur_txn_t *txn,
    const sim_delivery_t *d, uint8_t *status)
{
    unsigned       n;
    dur_rc_t       rc;
    dur_str_t      k;
    dur_run_t      run;
    dur_ulid_t     id;
    dur_cursor_t  *c;

    n = 0;

    if (dur_cursor_open(txn, DUR_T_EVENT_RUN, &c) != DUR_OK) {
        sim_wrong(w, "the store cannot be read");
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
look(sim_route_world_t *w, dur_txn_t *txn, unsigned n)
{
    uint8_t          status;
    sim_route_t     *r;
    dur_run_t        run;
    sim_delivery_t  *d;

    d = &w->all[n];
    d->look = false;

    if (d->ended || d->mended
        || sim_route_runs_of(w, txn, d, &status) != d->nruns)
    {
        return;
    }

    if (d->nruns > 1) {
        if (dur_run_get(txn, &d->run, &run) != DUR_OK) {
            sim_wrong(w, "the run of delivery %u is gone", n);
        }
        status = run.status;
    }

    if (status == DUR_RUN_LIVE) {
        return;
    }

    if (status == DUR_RUN_COMPLETED ? !d->good
        : !d->final && (d->failed == 0
                        || d->failed + d->refused < RETRIES + 1))
    {
        sim_wrong(w, "delivery %u is %s after %u refused and %u failed "
                  "attempts", n, status == DUR_RUN_COMPLETED ? "delivered"
                                                             : "given up",
                  d->refused, d->failed);
    }

    d->ended = true;
    w->nopen--;
    r = &w->routes[d->route];

    while (r->head < r->n && w->all[r->all[r->head]].ended) {
        r->head++;
    }
}


void
sim_route_look_all(sim_route_world_t *w)
{
    unsigned    i, j;
    dur_txn_t  *txn;

    if (dur_txn_begin(dur_engine_store(w->engine), false, &txn) != DUR_OK) {
        sim_wrong(w, "the store cannot be read");
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
