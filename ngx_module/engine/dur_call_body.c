/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_call_body.h"
#include "engine/dur_forward.h"


#define DUR_CALL_BODY_BEFORE  dur_str("{\"data\":{\"body\":\"")


dur_rc_t
dur_call_body_lease(dur_txn_t *t, uint64_t item, uint32_t generation,
    dur_item_t *leased)
{
    uint8_t    key[8];
    dur_rc_t   rc;
    dur_str_t  row;

    dur_put64(key, item);

    rc = dur_txn_get(t, DUR_T_LEASE, dur_str_make(key, 8), &row);
    if (rc == DUR_OK) {
        rc = dur_item_decode(row, leased);
    }

    return (rc == DUR_OK && leased->generation != generation) ? DUR_ENOTFOUND
                                                              : rc;
}


bool
dur_call_body_is_large(dur_txn_t *t, const dur_ulid_t *owner,
    const dur_payload_t *event, dur_buf_t *scratch)
{
    dur_str_t  before = DUR_CALL_BODY_BEFORE;

    if (event->length < DUR_CALL_BODY_LARGE
        || !(event->flags & DUR_PAYLOAD_F_CANONICAL))
    {
        return false;
    }

    dur_buf_reset(scratch);

    return dur_payload_part(t, owner, event, 0, before.len, scratch) == DUR_OK
           && dur_str_eq(dur_buf_str(scratch), before);
}


/* Where the string that goes on in `text` ends, text.len when it does not;
 * *escaped: the byte behind is, or was, part of an escape. */
static size_t
dur_call_body_quote(dur_str_t text, bool *escaped)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        if (*escaped) {
            *escaped = false;

        } else if (text.data[i] == '\\') {
            *escaped = true;

        } else if (text.data[i] == '"') {
            break;
        }
    }

    return i;
}


static dur_rc_t
dur_call_body_find(dur_txn_t *t, dur_call_body_t *body, dur_buf_t *scratch)
{
    bool      escaped;
    size_t    n;
    uint32_t  pos;
    dur_rc_t  rc;

    escaped = false;

    for (pos = body->pos; pos < body->event.length; pos += (uint32_t) n) {
        dur_buf_reset(scratch);

        rc = dur_payload_part(t, &body->owner, &body->event, pos,
                              DUR_CALL_BODY_PART, scratch);
        if (rc != DUR_OK) {
            return rc;
        }

        n = dur_call_body_quote(dur_buf_str(scratch), &escaped);

        if (n < scratch->len) {
            body->end = pos + (uint32_t) n;
            return DUR_OK;
        }
    }

    return DUR_ECORRUPT;
}


/* The event with a 0 in place of its body. */
static dur_rc_t
dur_call_body_around(dur_txn_t *t, const dur_call_body_t *body,
    dur_buf_t *out)
{
    uint32_t   from;
    dur_str_t  before = DUR_CALL_BODY_BEFORE;

    from = body->end + 1;

    dur_buf_reset(out);
    dur_buf_add(out, before.data, before.len - 1);
    dur_buf_addc(out, '0');

    return from < body->event.length
           ? dur_payload_part(t, &body->owner, &body->event, from,
                              body->event.length - from, out)
           : DUR_ECORRUPT;
}


static dur_rc_t
dur_call_body_part(dur_txn_t *t, dur_call_body_t *body, dur_buf_t *out,
    dur_buf_t *scratch)
{
    bool      last;
    size_t    n;
    dur_rc_t  rc;

    n = body->end - body->pos;
    last = n <= DUR_CALL_BODY_PART;
    n = last ? n : DUR_CALL_BODY_PART;

    dur_buf_reset(out);
    dur_buf_reset(scratch);

    rc = dur_payload_part(t, &body->owner, &body->event, body->pos, n,
                          scratch);
    if (rc == DUR_OK) {
        rc = dur_forward_part(dur_buf_str(scratch), body->encoded, last, out,
                              &n);
    }
    if (rc == DUR_OK) {
        body->pos += (uint32_t) n;
    }

    return rc;
}


/* How many bytes the text stands for: the sidecar is told before it gets
 * them. */
static dur_rc_t
dur_call_body_measure(dur_txn_t *t, dur_call_body_t *body,
    dur_buf_t *scratch)
{
    uint32_t   start;
    dur_rc_t   rc;
    dur_buf_t  part;

    rc = DUR_OK;
    start = body->pos;
    body->length = 0;

    dur_buf_init(&part, DUR_CALL_BODY_PART);

    while (rc == DUR_OK && body->pos < body->end) {
        rc = dur_call_body_part(t, body, &part, scratch);
        body->length += part.len;
    }

    dur_buf_deinit(&part);
    body->pos = start;

    return rc;
}


dur_rc_t
dur_call_body_open(dur_txn_t *t, dur_call_body_t *body, dur_str_t target,
    const dur_gateway_call_t *request, dur_buf_t *scratch)
{
    dur_rc_t   rc;
    dur_str_t  before = DUR_CALL_BODY_BEFORE;

    body->pos = (uint32_t) before.len;

    rc = dur_call_body_find(t, body, scratch);

    if (rc == DUR_OK) {
        rc = dur_call_body_around(t, body, scratch);
    }
    if (rc == DUR_OK) {
        rc = dur_forward_head(dur_buf_str(scratch), target, request,
                              &body->encoded);
    }

    return rc == DUR_OK ? dur_call_body_measure(t, body, scratch) : rc;
}


dur_rc_t
dur_call_body_read(dur_store_t *store, dur_call_body_t *body, dur_buf_t *out,
    dur_buf_t *scratch)
{
    dur_rc_t     rc;
    dur_txn_t   *t;
    dur_item_t   item;

    rc = dur_txn_begin(store, false, &t);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_call_body_lease(t, body->item, body->generation, &item);

    if (rc == DUR_OK) {
        rc = dur_call_body_part(t, body, out, scratch);
    }

    dur_txn_abort(t);

    return rc;
}
