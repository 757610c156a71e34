/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_history.h"
#include "engine/dur_state.h"


#define DUR_HISTORY_KEY    (DUR_ULID_LEN + 4)
#define DUR_HISTORY_ERROR  1024


const char *
dur_history_outcome_name(uint8_t outcome)
{
    switch (outcome) {
    case DUR_HISTORY_OK:
        return "ok";
    case DUR_HISTORY_RETRY:
        return "retry";
    case DUR_HISTORY_FAILED:
        return "failed";
    case DUR_HISTORY_LOST:
        return "lost";
    case DUR_HISTORY_PARKED:
        return "parked";
    case DUR_HISTORY_CHECKPOINT:
        return "checkpoint";
    default:
        return "unknown";
    }
}


static dur_str_t
dur_history_key(uint8_t key[DUR_HISTORY_KEY], const dur_run_t *run,
    uint32_t sequence)
{
    memcpy(key, run->id.b, DUR_ULID_LEN);
    dur_put32(key + DUR_ULID_LEN, sequence);

    return dur_str_make(key, DUR_HISTORY_KEY);
}


/* The last record of the run says the same of the same item. */
static bool
dur_history_repeats(dur_engine_t *e, const dur_run_t *run,
    const dur_history_t *h)
{
    uint8_t        key[DUR_HISTORY_KEY];
    dur_str_t      row;
    dur_history_t  last;

    if (h->outcome != DUR_HISTORY_PARKED || run->history_sequence == 0) {
        return false;
    }

    return dur_txn_get(e->txn, DUR_T_HISTORY,
                       dur_history_key(key, run, run->history_sequence - 1),
                       &row) == DUR_OK
           && dur_history_decode(row, &last) == DUR_OK
           && last.outcome == DUR_HISTORY_PARKED && last.item == h->item;
}


dur_rc_t
dur_history_add(dur_engine_t *e, dur_run_t *run, const dur_history_t *h)
{
    uint8_t    key[DUR_HISTORY_KEY];
    dur_enc_t  w;
    dur_str_t  error;

    dur_metrics_attempt(e, run->function, h->outcome, h->duration);

    if (dur_history_repeats(e, run, h)) {
        run->history_sequence--;
    }

    error = h->error;
    if (error.len > DUR_HISTORY_ERROR) {
        error.len = DUR_HISTORY_ERROR;
    }

    dur_enc_init(&w, e->row, sizeof(e->row));

    dur_enc_begin(&w);
    dur_enc_u8(&w, h->outcome);
    dur_enc_u8(&w, h->kind);
    dur_enc_u16(&w, h->status);
    dur_enc_u16(&w, h->attempt);
    dur_enc_u32(&w, h->generation);
    dur_enc_u64(&w, h->item);
    dur_enc_u64(&w, (uint64_t) h->started);
    dur_enc_u64(&w, h->duration);
    dur_enc_u64(&w, (uint64_t) h->at);
    dur_enc_raw(&w, h->step.b, DUR_HASH_LEN);
    dur_enc_raw(&w, h->reported.b, DUR_HASH_LEN);
    dur_enc_end(&w);

    dur_enc_str(&w, error);

    if (h->answer.len) {
        dur_enc_str(&w, h->answer);
    }

    return dur_txn_put(e->txn, DUR_T_HISTORY,
                       dur_history_key(key, run, run->history_sequence++),
                       dur_enc_done(&w));
}


dur_rc_t
dur_history_decode(dur_str_t row, dur_history_t *h)
{
    dur_dec_t  r;

    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    h->outcome = dur_dec_u8(&r);
    h->kind = dur_dec_u8(&r);
    h->status = dur_dec_u16(&r);
    h->attempt = dur_dec_u16(&r);
    h->generation = dur_dec_u32(&r);
    h->item = dur_dec_u64(&r);
    h->started = (int64_t) dur_dec_u64(&r);
    h->duration = dur_dec_u64(&r);
    h->at = (int64_t) dur_dec_u64(&r);
    dur_dec_raw(&r, h->step.b, DUR_HASH_LEN);
    dur_dec_raw(&r, h->reported.b, DUR_HASH_LEN);
    dur_dec_end(&r);

    h->error = dur_dec_str(&r);
    h->answer = dur_dec_more(&r) ? dur_dec_str(&r) : dur_str_null;

    return r.failed ? DUR_ECORRUPT : DUR_OK;
}
