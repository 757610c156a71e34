/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Who sends webhooks: once, or again when no answer came; large ones in
 * pieces; and who asks for one that has ended to be delivered again.
 */

#include "sim_route_world.h"


/* -- providers ------------------------------------------------------------ */

static sim_delivery_t *
deliver(sim_route_world_t *w)
{
    uint8_t          entropy[10];
    unsigned         i;
    sim_delivery_t  *d;

    d = &w->all[w->n++];
    memset(d, 0, sizeof(*d));

    sim_bytes(&w->rand, entropy, sizeof(entropy));
    dur_ulid_make(&d->id, (uint64_t) w->now, entropy);

    d->route = sim_below(&w->rand, ROUTES);
    d->again = -1;
    d->at = w->now;
    d->bad = !w->large && sim_permille(&w->rand, 50);

    if (!w->large && sim_permille(&w->rand, 30)) {
        d->size = sim_range(&w->rand, 2 * DUR_PAYLOAD_INLINE, 200000);
        d->left = sim_permille(&w->rand, 200);
    }

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
event_name(const sim_delivery_t *d, char name[64])
{
    snprintf(name, 64, "event/api.webhooks.r%u.action", d->route);
}


static void
event_client(const sim_delivery_t *d, unsigned n, char client[32])
{
    snprintf(client, 32, "c%u", d->again >= 0 ? (unsigned) d->again : n);
}


/* The text of an event; its body begins with the number. */
static dur_str_t
event_text(sim_route_world_t *w, unsigned n)
{
    char                   name[64], client[32], *fill;
    const sim_delivery_t  *d = &w->all[n];

    event_name(d, name);
    event_client(d, n, client);

    fill = dur_arena_alloc(&w->arena, d->size + 1);
    memset(fill, 'x', d->size);
    fill[d->size] = '\0';

    return dur_str_c(dur_arena_printf(&w->arena, "{\"data\":{\"body\":\"%u%s%s"
                                      "\"},\"id\":\"%s\",\"name\":\"%s\","
                                      "\"ts\":1,\"user\":{}}", n,
                                      d->size ? " " : "", fill, client,
                                      name));
}


static void
apply_piece(sim_route_world_t *w, unsigned n, dur_str_t text)
{
    size_t           from;
    dur_op_t         op;
    sim_delivery_t  *d = &w->all[n];

    from = (size_t) d->sent_pieces * DUR_UPLOAD_PIECE;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_UPLOAD;
    op.id = d->id;
    op.item = d->sent_pieces;
    op.body = dur_str_make(text.data + from,
                           text.len - from < DUR_UPLOAD_PIECE
                           ? text.len - from : DUR_UPLOAD_PIECE);
    sim_route_apply(w, OP_PIECE, n, &op);
}


static void
apply_event(sim_route_world_t *w, unsigned n)
{
    char             name[64], client[32];
    dur_op_t         op;
    dur_str_t        text;
    sim_delivery_t  *d;
    dur_op_event_t   event;

    d = &w->all[n];
    text = event_text(w, n);

    if (d->size && (size_t) d->sent_pieces * DUR_UPLOAD_PIECE < text.len) {
        apply_piece(w, n, text);
        return;
    }

    event_name(d, name);
    event_client(d, n, client);

    memset(&event, 0, sizeof(event));
    event.id = d->id;
    event.ts = d->at;
    event.name = dur_str_c(name);
    event.client_id = dur_str_c(client);

    if (d->size) {
        event.flags = DUR_EVENT_F_CANONICAL | DUR_EVENT_F_UPLOADED;
        event.length = (uint32_t) text.len;

    } else {
        event.json = text;
    }

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    sim_route_apply(w, OP_EVENT, n, &op);
}


/* One that ended is wanted once more. */
void
sim_route_apply_again(sim_route_world_t *w)
{
    unsigned  n;
    dur_op_t  op;
    uint8_t   entropy[10];

    if (w->large || w->calm || w->n == 0 || !sim_permille(&w->rand, 300)) {
        return;
    }

    n = sim_below(&w->rand, w->n);

    if (!w->all[n].ended || w->nagain == w->max) {
        return;
    }

    sim_bytes(&w->rand, entropy, sizeof(entropy));

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REDELIVER;
    dur_ulid_make(&op.id, (uint64_t) w->now, entropy);
    op.run = w->all[n].run;
    sim_route_apply(w, OP_AGAIN, n, &op);
}


void
sim_route_apply_events(sim_route_world_t *w, unsigned most)
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


/* Nothing of a large one is forgotten before an hour is over; then it comes
 * again, as another request. */
static void
forgotten(sim_route_world_t *w, unsigned n, const sim_route_made_t *m)
{
    uint8_t          entropy[10];
    sim_delivery_t  *d = &w->all[n];

    if (d->size == 0 || m->reply.status != 503 || d->pieces == 0
        || w->now - d->since < HOUR)
    {
        sim_wrong(w, "delivery %u: %u with %u pieces", n, m->reply.status,
                  d->pieces);
    }

    d->pieces = d->sent_pieces = 0;
    sim_bytes(&w->rand, entropy, sizeof(entropy));
    dur_ulid_make(&d->id, (uint64_t) w->now, entropy);
}


void
sim_route_committed_piece(sim_route_world_t *w, const sim_route_made_t *m)
{
    bool             known;
    sim_delivery_t  *d = &w->all[m->ref];

    if (m->reply.status != 200) {
        forgotten(w, m->ref, m);
        return;
    }

    known = (m->reply.flags & DUR_REPLY_F_DUPLICATE) != 0;

    if (known && d->sent_pieces >= d->pieces) {
        sim_wrong(w, "delivery %u: piece %u is known, which was not sent",
                  m->ref, d->sent_pieces);
    }

    if (!known) {
        if (d->sent_pieces == 0) {
            d->since = w->now;
        }
        d->pieces = d->sent_pieces + 1;
    }
}


void
sim_route_committed_again(sim_route_world_t *w, const sim_route_made_t *m)
{
    sim_route_t     *r;
    dur_str_t        id;
    sim_delivery_t  *d = &w->all[m->ref];

    r = &w->routes[d->route];

    if (m->reply.status == 409 && !r->listed) {
        return;
    }

    if (m->reply.status != 200
        || dur_json_member(m->reply.body, dur_str("run_id"), &id) != DUR_OK
        || dur_ulid_parse(dur_str_make(id.data + 1, DUR_ULID_TEXT_LEN),
                          &d->run) != DUR_OK)
    {
        sim_wrong(w, "delivery %u is not delivered again: %u", m->ref,
                  m->reply.status);
    }

    d->nruns++;
    d->ended = d->good = d->final = false;
    d->failed = d->refused = 0;
    w->nopen++;
    w->nagain++;
    r->all[r->n++] = m->ref;
}


void
sim_route_committed_event(sim_route_world_t *w, const sim_route_made_t *m)
{
    sim_route_t     *r;
    sim_delivery_t  *d;

    d = &w->all[m->ref];
    r = &w->routes[d->route];

    if (m->reply.status != 200 && d->size && !d->stored) {
        forgotten(w, m->ref, m);
        return;
    }

    if (m->reply.status != 200
        || d->stored != ((m->reply.flags & DUR_REPLY_F_DUPLICATE) != 0))
    {
        sim_wrong(w, "delivery %u: %u, %s", m->ref, m->reply.status,
                  d->stored ? "it was stored before" : "it was not stored");
    }

    if (d->stored) {
        return;
    }

    d->stored = true;
    d->runs = r->listed && (d->again == -1 || !w->all[d->again].runs);

    if (d->runs) {
        d->nruns = 1;
        w->nopen++;
        r->all[r->n++] = m->ref;
    }
}


/* What a sender does with its answer. */
void
sim_route_answered(sim_route_world_t *w, const sim_route_made_t *m)
{
    sim_delivery_t  *d = &w->all[m->ref];

    if (m->kind == OP_EVENT) {
        d->acked = true;

    } else if (m->kind == OP_PIECE) {
        d->sent_pieces++;

        if (d->left && d->sent_pieces > d->size / DUR_UPLOAD_PIECE / 2) {
            d->acked = true;
        }
    }
}
