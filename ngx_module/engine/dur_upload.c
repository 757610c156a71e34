/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_upload.h"
#include "engine/dur_event.h"
#include "engine/dur_state.h"


typedef struct {
    int64_t   created;          /* ms */
    uint32_t  pieces;           /* that are stored */
    uint32_t  sequence;         /* of the next row */
    uint64_t  length;
} dur_upload_t;


/* -- rows ----------------------------------------------------------------- */

static dur_rc_t
dur_upload_put(dur_engine_t *e, const dur_ulid_t *id,
    const dur_upload_t *upload)
{
    uint8_t    row[64];
    dur_enc_t  w;

    dur_enc_init(&w, row, sizeof(row));

    dur_enc_begin(&w);
    dur_enc_u64(&w, (uint64_t) upload->created);
    dur_enc_u32(&w, upload->pieces);
    dur_enc_u32(&w, upload->sequence);
    dur_enc_u64(&w, upload->length);
    dur_enc_end(&w);

    return dur_txn_put(e->txn, DUR_T_UPLOAD, dur_ulid_key(id),
                       dur_enc_done(&w));
}


static dur_rc_t
dur_upload_decode(dur_str_t row, dur_upload_t *upload)
{
    dur_dec_t  r;

    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    upload->created = (int64_t) dur_dec_u64(&r);
    upload->pieces = dur_dec_u32(&r);
    upload->sequence = dur_dec_u32(&r);
    upload->length = dur_dec_u64(&r);
    dur_dec_end(&r);

    return r.failed ? DUR_ECORRUPT : DUR_OK;
}


static dur_rc_t
dur_upload_get(dur_engine_t *e, const dur_ulid_t *id, dur_upload_t *upload)
{
    dur_rc_t   rc;
    dur_str_t  row;

    rc = dur_txn_get(e->txn, DUR_T_UPLOAD, dur_ulid_key(id), &row);

    return rc == DUR_OK ? dur_upload_decode(row, upload) : rc;
}


/* -- pieces --------------------------------------------------------------- */

static bool
dur_upload_expired(const dur_engine_t *e, const dur_upload_t *upload)
{
    return upload->created + DUR_UPLOAD_TIME <= e->now;
}


/* The upload so far, zeroed before the first piece; DUR_EEXIST: its event is
 * there. */
static dur_rc_t
dur_upload_begin(dur_engine_t *e, const dur_ulid_t *id, dur_upload_t *upload)
{
    dur_rc_t     rc;
    dur_event_t  event;

    rc = dur_upload_get(e, id, upload);
    if (rc != DUR_ENOTFOUND) {
        return rc;
    }

    rc = dur_event_get(e->txn, id, &event);
    if (rc != DUR_ENOTFOUND) {
        return rc == DUR_OK ? DUR_EEXIST : rc;
    }

    memset(upload, 0, sizeof(*upload));
    upload->created = e->now;

    return DUR_OK;
}


static dur_rc_t
dur_upload_store(dur_engine_t *e, const dur_op_t *op, dur_upload_t *upload)
{
    size_t     n;
    dur_rc_t   rc;
    dur_str_t  left;

    for (left = op->body; left.len > 0; left.data += n, left.len -= n) {
        n = left.len < DUR_PAYLOAD_ROW ? left.len : DUR_PAYLOAD_ROW;

        rc = dur_payload_append(e->txn, &op->id, &upload->sequence,
                                dur_str_make(left.data, n));
        if (rc != DUR_OK) {
            return rc;
        }
    }

    upload->pieces++;
    upload->length += op->body.len;

    return dur_upload_put(e, &op->id, upload);
}


dur_rc_t
dur_upload_apply(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    dur_rc_t      rc;
    dur_upload_t  upload;

    if (e->nearly_full) {
        reply->rc = DUR_EFULL;
        reply->status = 503;
        return DUR_OK;
    }

    if (op->body.len == 0 || op->body.len > DUR_UPLOAD_PIECE) {
        return dur_state_refuse(e, reply, 400, "a piece of an upload has 1 to "
                                "%u bytes", DUR_UPLOAD_PIECE);
    }

    rc = dur_upload_begin(e, &op->id, &upload);

    if (rc == DUR_OK && dur_upload_expired(e, &upload)) {
        /* its rows may be going */
        return dur_state_refuse(e, reply, 503, "what was uploaded of the "
                                "event is too old: send it again");
    }

    if (rc == DUR_OK && op->item + 1 == upload.pieces) {
        reply->flags |= DUR_REPLY_F_DUPLICATE;
        return DUR_OK;
    }

    if (rc == DUR_EEXIST || (rc == DUR_OK && op->item != upload.pieces)) {
        return dur_state_refuse(e, reply, 409, "this is not the next piece of "
                                "the upload");
    }

    if (rc != DUR_OK) {
        return rc;
    }

    if (upload.length % DUR_PAYLOAD_ROW != 0) {
        return dur_state_refuse(e, reply, 400, "only the last piece of an "
                                "upload may be smaller than its rows");
    }

    if (upload.length + op->body.len > DUR_UPLOAD_MAX) {
        return dur_state_refuse(e, reply, 413, "an event has at most %u bytes",
                                DUR_UPLOAD_MAX);
    }

    if (e->now + DUR_UPLOAD_TIME < e->next_expiry) {
        e->next_expiry = e->now + DUR_UPLOAD_TIME;
    }

    return dur_upload_store(e, op, &upload);
}


/* -- the event ------------------------------------------------------------ */

dur_rc_t
dur_upload_find(dur_engine_t *e, const dur_op_event_t *event)
{
    dur_rc_t      rc;
    dur_upload_t  upload;

    rc = dur_upload_get(e, &event->id, &upload);

    return (rc == DUR_OK && (upload.length != event->length
                             || dur_upload_expired(e, &upload)))
           ? DUR_ENOTFOUND : rc;
}


dur_rc_t
dur_upload_take(dur_engine_t *e, const dur_op_event_t *event,
    dur_payload_t *json)
{
    dur_payload_rows(json, 0, event->length,
                     (event->flags & DUR_EVENT_F_CANONICAL)
                     ? DUR_PAYLOAD_F_CANONICAL : 0);

    return dur_txn_del(e->txn, DUR_T_UPLOAD, dur_ulid_key(&event->id));
}


/* -- expiry --------------------------------------------------------------- */

/* The first one by its id, which is a time; DUR_ENOTFOUND without one. */
static dur_rc_t
dur_upload_first(dur_engine_t *e, dur_ulid_t *id, dur_upload_t *upload)
{
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    rc = dur_cursor_open(e->txn, DUR_T_UPLOAD, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_seek(c, dur_str_null, &k, &v);

    if (rc == DUR_OK) {
        if (k.len == DUR_ULID_LEN) {
            memcpy(id->b, k.data, DUR_ULID_LEN);
            rc = dur_upload_decode(v, upload);

        } else {
            rc = DUR_ECORRUPT;
        }
    }

    dur_cursor_close(c);

    return rc;
}


dur_rc_t
dur_upload_expire(dur_engine_t *e, unsigned *budget, int64_t *next)
{
    dur_rc_t      rc;
    dur_ulid_t    id;
    dur_upload_t  upload;

    for ( ;; ) {
        *next = INT64_MAX;

        rc = dur_upload_first(e, &id, &upload);
        if (rc != DUR_OK) {
            return rc == DUR_ENOTFOUND ? DUR_OK : rc;
        }

        *next = upload.created + DUR_UPLOAD_TIME;

        if (*next > e->now || *budget == 0) {
            return DUR_OK;
        }

        rc = dur_payload_purge(e->txn, &id, budget);
        if (rc != DUR_OK || *budget == 0) {
            return rc;
        }

        rc = dur_txn_del(e->txn, DUR_T_UPLOAD, dur_ulid_key(&id));
        if (rc != DUR_OK) {
            return rc;
        }

        (*budget)--;
    }
}
