/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The body of a webhook that is sent on, when it is large: read piece by piece
 * from the rows of its event while the link to the sidecar takes it, so that
 * nobody holds all of it.  Each piece is a read transaction of its own; the
 * event cannot go while its run lives.
 *
 * Only for the text that dur_webhook.h writes: canonical, and the body is the
 * first member of data.  Whoever else may send such events sends smaller ones.
 */

#ifndef DUR_CALL_BODY_H
#define DUR_CALL_BODY_H

#include "engine/dur_base.h"
#include "engine/dur_gateway.h"
#include "engine/dur_payload.h"
#include "engine/dur_queue.h"
#include "engine/dur_store.h"

/* Texts of events that are smaller are read as a whole. */
#define DUR_CALL_BODY_LARGE  (128 * 1024)

/* Bytes of text that are read at a time; they stand for no more bytes. */
#define DUR_CALL_BODY_PART   (16 * DUR_PAYLOAD_ROW)

typedef struct {
    uint64_t       item;
    uint32_t       generation;
    dur_ulid_t     owner;       /* the event */
    dur_payload_t  event;
    uint32_t       pos;         /* of the event's text: what is read next */
    uint32_t       end;         /* where the body's text ends */
    bool           encoded;     /* base64 */
    uint64_t       length;      /* bytes of the body */
} dur_call_body_t;

/* Whether this event is read in pieces; scratch is the caller's. */
bool dur_call_body_is_large(dur_txn_t *t, const dur_ulid_t *owner,
    const dur_payload_t *event, dur_buf_t *scratch);

/*
 * Reads the event once, without keeping its body: fills pos, end, encoded and
 * length of `body`, and method, URL and headers of the request.  length is 0
 * for an empty body.  DUR_ECORRUPT, DUR_EINVAL, DUR_ETOOBIG.
 */
dur_rc_t dur_call_body_open(dur_txn_t *t, dur_call_body_t *body,
    dur_str_t target, const dur_gateway_call_t *request, dur_buf_t *scratch);

/*
 * The next bytes, in place of what is in `out`: at most DUR_CALL_BODY_PART,
 * and the last ones when pos == end afterwards.  DUR_ENOTFOUND: the lease is
 * gone, nobody wants the rest.
 */
dur_rc_t dur_call_body_read(dur_store_t *store, dur_call_body_t *body,
    dur_buf_t *out, dur_buf_t *scratch);

/* The leased item; DUR_ENOTFOUND: it is gone or the generation is another. */
dur_rc_t dur_call_body_lease(dur_txn_t *t, uint64_t item, uint32_t generation,
    dur_item_t *leased);

#endif /* DUR_CALL_BODY_H */
