/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The codec of ops and replies.  Every field is fixed-size and big-endian, or
 * bytes behind a u32 length; which fields follow the 20-byte head is decided
 * by the type alone.  The decoder reads with a sticky error, so a short or
 * hostile input ends in one check and nothing is read past its end.
 */

#include "engine/dur_op.h"


#define DUR_OP_HEAD        20
#define DUR_OP_EVENTS_MAX  5000

/* id, flags, ts, and three empty fields. */
#define DUR_OP_EVENT_MIN   (DUR_ULID_LEN + 1 + 8 + 3 * 4)

#define DUR_REPLY_HEAD     4


typedef struct {
    const uint8_t  *p;
    const uint8_t  *last;
    bool            bad;
} dur_op_reader_t;


static const uint8_t *
dur_op_take(dur_op_reader_t *r, size_t n)
{
    const uint8_t  *p;

    if (r->bad || n > (size_t) (r->last - r->p)) {
        r->bad = true;
        return NULL;
    }

    p = r->p;
    r->p += n;

    return p;
}


static uint8_t
dur_op_get8(dur_op_reader_t *r)
{
    const uint8_t  *p;

    p = dur_op_take(r, 1);
    return p == NULL ? 0 : *p;
}


static uint16_t
dur_op_get16(dur_op_reader_t *r)
{
    const uint8_t  *p;

    p = dur_op_take(r, 2);
    return p == NULL ? 0 : dur_get16(p);
}


static uint32_t
dur_op_get32(dur_op_reader_t *r)
{
    const uint8_t  *p;

    p = dur_op_take(r, 4);
    return p == NULL ? 0 : dur_get32(p);
}


static uint64_t
dur_op_get64(dur_op_reader_t *r)
{
    const uint8_t  *p;

    p = dur_op_take(r, 8);
    return p == NULL ? 0 : dur_get64(p);
}


static dur_str_t
dur_op_get_str(dur_op_reader_t *r)
{
    size_t          n;
    const uint8_t  *p;

    n = dur_op_get32(r);
    p = dur_op_take(r, n);

    return p == NULL ? dur_str_null : dur_str_make(p, n);
}


static void
dur_op_get_bytes(dur_op_reader_t *r, uint8_t *to, size_t n)
{
    const uint8_t  *p;

    p = dur_op_take(r, n);
    if (p != NULL) {
        memcpy(to, p, n);
    }
}


static void
dur_op_add16(dur_buf_t *out, uint16_t v)
{
    uint8_t  p[2];

    dur_put16(p, v);
    dur_buf_add(out, p, sizeof(p));
}


static void
dur_op_add32(dur_buf_t *out, uint32_t v)
{
    uint8_t  p[4];

    dur_put32(p, v);
    dur_buf_add(out, p, sizeof(p));
}


static void
dur_op_add64(dur_buf_t *out, uint64_t v)
{
    uint8_t  p[8];

    dur_put64(p, v);
    dur_buf_add(out, p, sizeof(p));
}


static void
dur_op_add_str(dur_buf_t *out, dur_str_t s)
{
    if (s.len > UINT32_MAX) {
        out->failed = true;
        return;
    }

    dur_op_add32(out, (uint32_t) s.len);
    dur_buf_adds(out, s);
}


static void
dur_op_encode_events(const dur_op_t *op, dur_buf_t *out)
{
    const dur_op_event_t  *ev;

    dur_op_add32(out, (uint32_t) op->nevents);

    for (size_t i = 0; i < op->nevents; i++) {
        ev = &op->events[i];

        dur_buf_add(out, ev->id.b, DUR_ULID_LEN);
        dur_buf_addc(out, ev->flags);
        dur_op_add64(out, (uint64_t) ev->ts);
        dur_op_add_str(out, ev->name);
        dur_op_add_str(out, ev->client_id);
        dur_op_add_str(out, ev->json);

        if (ev->flags & DUR_EVENT_F_UPLOADED) {
            dur_op_add32(out, ev->length);
        }
    }
}


static void
dur_op_encode_result(const dur_op_result_t *r, dur_buf_t *out)
{
    dur_op_add64(out, r->item);
    dur_op_add32(out, r->generation);
    dur_op_add16(out, r->status);
    dur_buf_addc(out, r->error_kind);
    dur_op_add64(out, (uint64_t) r->started);
    dur_op_add64(out, r->duration);
    dur_op_add_str(out, r->error);
    dur_op_add_str(out, r->headers);
    dur_op_add_str(out, r->body);
}


static bool
dur_op_is_rest(uint8_t type)
{
    return type >= DUR_OP_INVOKE && type < DUR_OP_MAX;
}


static void
dur_op_encode_rest(const dur_op_t *op, dur_buf_t *out)
{
    dur_buf_add(out, op->id.b, DUR_ULID_LEN);
    dur_buf_add(out, op->run.b, DUR_ULID_LEN);
    dur_op_add64(out, op->item);
    dur_op_add32(out, op->generation);
    dur_op_add_str(out, op->url);
    dur_op_add_str(out, op->body);
}


dur_rc_t
dur_op_encode(const dur_op_t *op, dur_buf_t *out)
{
    size_t   start;
    uint8_t  head[4];

    start = out->len;

    head[0] = DUR_OP_CODEC;
    head[1] = op->type;
    head[2] = op->resubmitted;
    head[3] = 0;

    dur_buf_add(out, head, sizeof(head));
    dur_buf_add(out, op->entropy, sizeof(op->entropy));

    switch (op->type) {

    case DUR_OP_CONFIG:
    case DUR_OP_REGISTER:
        dur_op_add_str(out, op->body);
        break;

    case DUR_OP_EVENTS:
        if (op->nevents > DUR_OP_EVENTS_MAX) {
            out->len = start;
            return DUR_ETOOBIG;
        }

        dur_op_encode_events(op, out);
        break;

    case DUR_OP_SYNC:
        dur_op_add_str(out, op->url);
        dur_op_add_str(out, op->error);
        break;

    case DUR_OP_REMOVE:
        dur_op_add_str(out, op->url);
        break;

    case DUR_OP_RESULT:
        dur_op_encode_result(&op->result, out);
        break;

    case DUR_OP_INVENTORY:
        dur_buf_add(out, op->instance, sizeof(op->instance));
        dur_op_add_str(out, op->body);
        break;

    case DUR_OP_DISPATCH:
    case DUR_OP_STATUS:
    case DUR_OP_TASKS:
        dur_op_add32(out, op->budget);
        break;

    case DUR_OP_CANCEL:
        dur_buf_add(out, op->run.b, DUR_ULID_LEN);
        break;

    case DUR_OP_TIMERS:
    case DUR_OP_NOP:
        break;

    default:
        if (!dur_op_is_rest(op->type)) {
            out->len = start;
            return DUR_EINVAL;
        }

        dur_op_encode_rest(op, out);
    }

    if (out->failed) {
        out->len = start;
        return DUR_ETOOBIG;
    }

    return DUR_OK;
}


static dur_rc_t
dur_op_decode_events(dur_op_reader_t *r, dur_op_t *op, dur_arena_t *arena)
{
    size_t           n;
    dur_op_event_t  *ev;

    n = dur_op_get32(r);

    /* the count is checked against what is there before memory is asked */

    if (r->bad || n > DUR_OP_EVENTS_MAX
        || n > (size_t) (r->last - r->p) / DUR_OP_EVENT_MIN)
    {
        return DUR_EINVAL;
    }

    if (n == 0) {
        return DUR_OK;
    }

    ev = dur_arena_zalloc(arena, n * sizeof(dur_op_event_t));
    if (ev == NULL) {
        return DUR_ENOMEM;
    }

    op->events = ev;
    op->nevents = n;

    for ( ; n > 0; n--, ev++) {
        dur_op_get_bytes(r, ev->id.b, DUR_ULID_LEN);
        ev->flags = dur_op_get8(r);
        ev->ts = (int64_t) dur_op_get64(r);
        ev->name = dur_op_get_str(r);
        ev->client_id = dur_op_get_str(r);
        ev->json = dur_op_get_str(r);

        if (ev->flags & DUR_EVENT_F_UPLOADED) {
            ev->length = dur_op_get32(r);
        }
    }

    return DUR_OK;
}


static void
dur_op_decode_result(dur_op_reader_t *r, dur_op_result_t *res)
{
    res->item = dur_op_get64(r);
    res->generation = dur_op_get32(r);
    res->status = dur_op_get16(r);
    res->error_kind = dur_op_get8(r);
    res->started = (int64_t) dur_op_get64(r);
    res->duration = dur_op_get64(r);
    res->error = dur_op_get_str(r);
    res->headers = dur_op_get_str(r);
    res->body = dur_op_get_str(r);
}


static void
dur_op_decode_rest(dur_op_reader_t *r, dur_op_t *op)
{
    dur_op_get_bytes(r, op->id.b, DUR_ULID_LEN);
    dur_op_get_bytes(r, op->run.b, DUR_ULID_LEN);
    op->item = dur_op_get64(r);
    op->generation = dur_op_get32(r);
    op->url = dur_op_get_str(r);
    op->body = dur_op_get_str(r);
}


dur_rc_t
dur_op_decode(dur_str_t in, dur_op_t *op, dur_arena_t *arena)
{
    dur_rc_t         rc;
    dur_op_reader_t  r;

    memset(op, 0, sizeof(*op));

    if (in.len < DUR_OP_HEAD) {
        return DUR_EINVAL;
    }

    if (in.data[0] != DUR_OP_CODEC) {
        return DUR_EFORMAT;
    }

    if (in.data[3] != 0) {
        return DUR_EINVAL;
    }

    op->type = in.data[1];
    op->resubmitted = in.data[2];
    memcpy(op->entropy, in.data + 4, sizeof(op->entropy));

    r.p = in.data + DUR_OP_HEAD;
    r.last = in.data + in.len;
    r.bad = false;

    switch (op->type) {

    case DUR_OP_CONFIG:
    case DUR_OP_REGISTER:
        op->body = dur_op_get_str(&r);
        break;

    case DUR_OP_EVENTS:
        rc = dur_op_decode_events(&r, op, arena);
        if (rc != DUR_OK) {
            return rc;
        }
        break;

    case DUR_OP_SYNC:
        op->url = dur_op_get_str(&r);
        op->error = dur_op_get_str(&r);
        break;

    case DUR_OP_REMOVE:
        op->url = dur_op_get_str(&r);
        break;

    case DUR_OP_RESULT:
        dur_op_decode_result(&r, &op->result);
        break;

    case DUR_OP_INVENTORY:
        dur_op_get_bytes(&r, op->instance, sizeof(op->instance));
        op->body = dur_op_get_str(&r);
        break;

    case DUR_OP_DISPATCH:
    case DUR_OP_STATUS:
    case DUR_OP_TASKS:
        op->budget = dur_op_get32(&r);
        break;

    case DUR_OP_CANCEL:
        dur_op_get_bytes(&r, op->run.b, DUR_ULID_LEN);
        break;

    case DUR_OP_TIMERS:
    case DUR_OP_NOP:
        break;

    default:
        if (!dur_op_is_rest(op->type)) {
            return DUR_EINVAL;
        }

        dur_op_decode_rest(&r, op);
    }

    /* bytes left over mean that this is something else */

    return (r.bad || r.p != r.last) ? DUR_EINVAL : DUR_OK;
}


dur_rc_t
dur_reply_encode(const dur_reply_t *reply, dur_buf_t *out)
{
    uint8_t   head[DUR_REPLY_HEAD];
    dur_rc_t  rc;

    dur_put16(head, reply->status);
    head[2] = reply->flags;
    head[3] = 0;

    rc = dur_buf_reserve(out, sizeof(head) + reply->body.len);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_add(out, head, sizeof(head));
    dur_buf_adds(out, reply->body);

    return DUR_OK;
}


dur_rc_t
dur_reply_decode(dur_str_t in, dur_reply_t *reply)
{
    memset(reply, 0, sizeof(*reply));

    if (in.len < DUR_REPLY_HEAD || in.data[3] != 0) {
        return DUR_EINVAL;
    }

    reply->status = dur_get16(in.data);
    reply->flags = in.data[2];
    reply->body = dur_str_make(in.data + DUR_REPLY_HEAD,
                               in.len - DUR_REPLY_HEAD);

    return DUR_OK;
}


dur_op_form_t
dur_op_form(dur_str_t bytes)
{
    return bytes.len == 4 + 16 + 4
           ? (dur_op_form_t) dur_get32(bytes.data + 4 + 16)
           : DUR_OP_FORM_STATUS;
}
