/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_queue.h"
#include "engine/dur_codec.h"


dur_str_t
dur_item_encode(const dur_item_t *item, uint8_t row[DUR_ITEM_ROW])
{
    dur_enc_t  w;

    dur_enc_init(&w, row, DUR_ITEM_ROW);

    dur_enc_begin(&w);
    dur_enc_u8(&w, item->kind);
    dur_enc_u8(&w, item->losses);
    dur_enc_u16(&w, item->attempt);
    dur_enc_u32(&w, item->generation);
    dur_enc_u64(&w, item->id);
    dur_enc_u32(&w, item->app);
    dur_enc_u32(&w, item->function);
    dur_enc_u64(&w, (uint64_t) item->score);
    dur_enc_u64(&w, (uint64_t) item->due);
    dur_enc_raw(&w, item->run.b, DUR_ULID_LEN);
    dur_enc_raw(&w, item->step.b, DUR_HASH_LEN);
    dur_enc_u8(&w, item->flags);
    dur_enc_u8(&w, item->nkeys);

    for (unsigned i = 0; i < item->nkeys; i++) {
        dur_enc_u32(&w, item->keys[i].key);
        dur_enc_u64(&w, item->keys[i].value);
    }

    dur_enc_end(&w);

    return dur_enc_done(&w);
}


dur_rc_t
dur_item_decode(dur_str_t row, dur_item_t *item)
{
    dur_dec_t  r;

    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    item->kind = dur_dec_u8(&r);
    item->losses = dur_dec_u8(&r);
    item->attempt = dur_dec_u16(&r);
    item->generation = dur_dec_u32(&r);
    item->id = dur_dec_u64(&r);
    item->app = dur_dec_u32(&r);
    item->function = dur_dec_u32(&r);
    item->score = (int64_t) dur_dec_u64(&r);
    item->due = (int64_t) dur_dec_u64(&r);
    dur_dec_raw(&r, item->run.b, DUR_ULID_LEN);
    dur_dec_raw(&r, item->step.b, DUR_HASH_LEN);
    item->flags = dur_dec_u8(&r);
    item->nkeys = dur_dec_u8(&r);

    if (item->nkeys > DUR_ITEM_KEYS) {
        return DUR_ECORRUPT;
    }

    for (unsigned i = 0; i < item->nkeys; i++) {
        item->keys[i].key = dur_dec_u32(&r);
        item->keys[i].value = dur_dec_u64(&r);
    }

    dur_dec_end(&r);

    return (r.failed || item->id == 0) ? DUR_ECORRUPT : DUR_OK;
}
