/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_payload.h"
#include "engine/dur_json.h"


#define DUR_PAYLOAD_KEY  (DUR_ULID_LEN + 4)


enum {
    DUR_PAYLOAD_NONE = 0,
    DUR_PAYLOAD_INROW,
    DUR_PAYLOAD_ROWS
};


static dur_str_t
dur_payload_key(uint8_t key[DUR_PAYLOAD_KEY], const dur_ulid_t *owner,
    uint32_t sequence)
{
    memcpy(key, owner->b, DUR_ULID_LEN);
    dur_put32(key + DUR_ULID_LEN, sequence);

    return dur_str_make(key, DUR_PAYLOAD_KEY);
}


dur_rc_t
dur_payload_append(dur_txn_t *t, const dur_ulid_t *owner, uint32_t *sequence,
    dur_str_t row)
{
    uint8_t  key[DUR_PAYLOAD_KEY];

    return dur_txn_put(t, DUR_T_PAYLOAD,
                       dur_payload_key(key, owner, (*sequence)++), row);
}


void
dur_payload_rows(dur_payload_t *payload, uint32_t first, uint32_t length,
    uint8_t flags)
{
    memset(payload, 0, sizeof(*payload));
    payload->where = DUR_PAYLOAD_ROWS;
    payload->flags = flags;
    payload->length = length;
    payload->sequence = first;
}


dur_rc_t
dur_payload_put(dur_txn_t *t, const dur_ulid_t *owner, uint32_t *sequence,
    dur_str_t body, uint8_t flags, dur_payload_t *payload)
{
    size_t    n, done;
    dur_rc_t  rc;

    memset(payload, 0, sizeof(*payload));
    payload->flags = flags;
    payload->length = (uint32_t) body.len;

    if (body.len == 0) {
        return DUR_OK;
    }

    if (body.len <= DUR_PAYLOAD_INLINE) {
        payload->where = DUR_PAYLOAD_INROW;
        payload->bytes = body;
        return DUR_OK;
    }

    dur_payload_rows(payload, *sequence, (uint32_t) body.len, flags);

    for (done = 0; done < body.len; done += n) {
        n = body.len - done;
        if (n > DUR_PAYLOAD_ROW) {
            n = DUR_PAYLOAD_ROW;
        }

        rc = dur_payload_append(t, owner, sequence,
                                dur_str_make(body.data + done, n));
        if (rc != DUR_OK) {
            return rc;
        }
    }

    return DUR_OK;
}


dur_rc_t
dur_payload_get(dur_txn_t *t, const dur_ulid_t *owner,
    const dur_payload_t *payload, dur_buf_t *out)
{
    size_t         left;
    uint8_t        key[DUR_PAYLOAD_KEY];
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    if (payload->where == DUR_PAYLOAD_NONE) {
        return DUR_OK;
    }

    if (payload->where == DUR_PAYLOAD_INROW) {
        return dur_buf_adds(out, payload->bytes);
    }

    left = payload->length;

    rc = dur_buf_reserve(out, left);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_open(t, DUR_T_PAYLOAD, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_seek(c, dur_payload_key(key, owner, payload->sequence),
                         &k, &v);

    while (rc == DUR_OK && left > 0) {
        if (k.len != DUR_PAYLOAD_KEY || v.len > left
            || memcmp(k.data, owner->b, DUR_ULID_LEN) != 0)
        {
            rc = DUR_ECORRUPT;
            break;
        }

        rc = dur_buf_adds(out, v);
        left -= v.len;

        if (rc == DUR_OK && left > 0) {
            rc = dur_cursor_next(c, &k, &v);
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_ECORRUPT : rc;
}


dur_rc_t
dur_payload_part(dur_txn_t *t, const dur_ulid_t *owner,
    const dur_payload_t *payload, uint32_t from, size_t max, dur_buf_t *out)
{
    size_t         n, skip, left;
    uint8_t        key[DUR_PAYLOAD_KEY];
    uint32_t       sequence;
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    left = payload->length - from;
    left = left < max ? left : max;
    skip = from % DUR_PAYLOAD_ROW;
    sequence = payload->sequence + from / DUR_PAYLOAD_ROW;

    rc = dur_cursor_open(t, DUR_T_PAYLOAD, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_seek(c, dur_payload_key(key, owner, sequence), &k, &v);

    while (rc == DUR_OK && left > 0) {
        n = v.len > skip ? v.len - skip : 0;
        n = n < left ? n : left;

        if (!dur_str_eq(k, dur_payload_key(key, owner, sequence++))
            || n == 0 || (n < left && v.len != DUR_PAYLOAD_ROW))
        {
            rc = DUR_ECORRUPT;
            break;
        }

        rc = dur_buf_add(out, v.data + skip, n);
        left -= n;
        skip = 0;

        if (rc == DUR_OK && left > 0) {
            rc = dur_cursor_next(c, &k, &v);
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_ECORRUPT : rc;
}


dur_rc_t
dur_payload_get_canonical(dur_txn_t *t, const dur_ulid_t *owner,
    const dur_payload_t *payload, dur_buf_t *out, dur_buf_t *scratch)
{
    dur_rc_t  rc;

    if (payload->flags & DUR_PAYLOAD_F_CANONICAL) {
        return dur_payload_get(t, owner, payload, out);
    }

    dur_buf_reset(scratch);

    rc = dur_payload_get(t, owner, payload, scratch);
    if (rc != DUR_OK) {
        return rc;
    }

    return dur_json_canonicalize(out, dur_buf_str(scratch));
}


dur_rc_t
dur_payload_purge(dur_txn_t *t, const dur_ulid_t *owner, unsigned *budget)
{
    uint8_t        key[DUR_PAYLOAD_KEY];
    dur_rc_t       rc;
    dur_str_t      k;
    dur_cursor_t  *c;

    rc = dur_cursor_open(t, DUR_T_PAYLOAD, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_seek(c, dur_payload_key(key, owner, 0), &k, NULL);

    while (rc == DUR_OK && *budget > 0
           && memcmp(k.data, owner->b, DUR_ULID_LEN) == 0)
    {
        rc = dur_cursor_del(c);
        (*budget)--;

        if (rc == DUR_OK) {
            rc = dur_cursor_seek(c, dur_payload_key(key, owner, 0), &k, NULL);
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


void
dur_payload_enc(dur_enc_t *w, const dur_payload_t *payload)
{
    dur_enc_u8(w, payload->where);
    dur_enc_u8(w, payload->flags);
    dur_enc_u32(w, payload->length);

    if (payload->where == DUR_PAYLOAD_INROW) {
        dur_enc_raw(w, payload->bytes.data, payload->length);

    } else if (payload->where == DUR_PAYLOAD_ROWS) {
        dur_enc_u32(w, payload->sequence);
    }
}


void
dur_payload_dec(dur_dec_t *r, dur_payload_t *payload)
{
    const uint8_t  *p;

    memset(payload, 0, sizeof(*payload));

    payload->where = dur_dec_u8(r);
    payload->flags = dur_dec_u8(r);
    payload->length = dur_dec_u32(r);

    if (payload->where == DUR_PAYLOAD_INROW) {
        p = dur_dec_room(r, payload->length);
        payload->bytes = dur_str_make(p, p ? payload->length : 0);

    } else if (payload->where == DUR_PAYLOAD_ROWS) {
        payload->sequence = dur_dec_u32(r);
    }
}
