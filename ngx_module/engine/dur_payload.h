/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Bodies: small ones stand inside the row that owns them, larger ones are a
 * run of payload rows of at most DUR_PAYLOAD_ROW bytes under the owner's ULID
 * (a 256 KiB value on a fragmented store took 21 ms, as rows under 0.1 ms).
 */

#ifndef DUR_PAYLOAD_H
#define DUR_PAYLOAD_H

#include "engine/dur_base.h"
#include "engine/dur_codec.h"
#include "engine/dur_store.h"

#define DUR_PAYLOAD_ROW     4000
#define DUR_PAYLOAD_INLINE  1024

/* Where a body is.  In a row: u8 where, u8 flags, u32 length, then the bytes
 * (inline) or u32 first sequence (rows). */
typedef struct {
    uint8_t    where;           /* 0 none, 1 inline, 2 rows */
    uint8_t    flags;           /* DUR_PAYLOAD_F_* */
    uint32_t   length;
    uint32_t   sequence;
    dur_str_t  bytes;           /* inline: borrowed from the row */
} dur_payload_t;

#define DUR_PAYLOAD_F_CANONICAL  0x01   /* the JSON is JCS already */

/*
 * Stores a body of `owner`: fills *payload, writes rows when it is large and
 * moves *sequence past them.  Inline bytes are borrowed from `body`.
 */
dur_rc_t dur_payload_put(dur_txn_t *t, const dur_ulid_t *owner,
    uint32_t *sequence, dur_str_t body, uint8_t flags,
    dur_payload_t *payload);

/*
 * The same row by row, for a body that comes in pieces: one more row of at
 * most DUR_PAYLOAD_ROW bytes, and then the payload of all rows from `first`
 * on.  All rows but the last one are full.
 */
dur_rc_t dur_payload_append(dur_txn_t *t, const dur_ulid_t *owner,
    uint32_t *sequence, dur_str_t row);
void dur_payload_rows(dur_payload_t *payload, uint32_t first, uint32_t length,
    uint8_t flags);

/* Appends the whole body; DUR_ECORRUPT when rows are missing. */
dur_rc_t dur_payload_get(dur_txn_t *t, const dur_ulid_t *owner,
    const dur_payload_t *payload, dur_buf_t *out);

/* Appends at most `max` bytes of a body in rows, from `from` on, which is
 * below its length; DUR_ECORRUPT likewise. */
dur_rc_t dur_payload_part(dur_txn_t *t, const dur_ulid_t *owner,
    const dur_payload_t *payload, uint32_t from, size_t max, dur_buf_t *out);

/* Appends its canonical form; scratch is the caller's. */
dur_rc_t dur_payload_get_canonical(dur_txn_t *t, const dur_ulid_t *owner,
    const dur_payload_t *payload, dur_buf_t *out, dur_buf_t *scratch);

/* Deletes at most *budget rows of the owner and takes them off *budget; the
 * owner has none left when *budget is above 0 afterwards. */
dur_rc_t dur_payload_purge(dur_txn_t *t, const dur_ulid_t *owner,
    unsigned *budget);

void dur_payload_enc(dur_enc_t *w, const dur_payload_t *payload);
void dur_payload_dec(dur_dec_t *r, dur_payload_t *payload);

#endif /* DUR_PAYLOAD_H */
