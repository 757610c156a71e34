/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_bulk_row.h"
#include "engine/dur_state.h"
#include "engine/dur_time.h"
#include "engine/dur_ulid.h"


/* Notices of one job are so far apart, ms. */
#define DUR_BULK_NOTICE  250

#define DUR_BULK_F_DONE     0x01
#define DUR_BULK_F_STOPPED  0x02


const char *
dur_bulk_name(dur_bulk_action_t action)
{
    return action == DUR_BULK_CANCEL ? "cancel" : "replay";
}


/* -- rows ----------------------------------------------------------------- */

dur_rc_t
dur_bulk_put(dur_engine_t *e, const dur_bulk_t *x)
{
    dur_enc_t  w;

    dur_enc_init(&w, e->row, sizeof(e->row));

    dur_enc_begin(&w);
    dur_enc_u8(&w, x->action);
    dur_enc_u8(&w, (x->done ? DUR_BULK_F_DONE : 0)
                   | (x->stopped ? DUR_BULK_F_STOPPED : 0));
    dur_enc_u32(&w, x->app);
    dur_enc_u32(&w, x->function);
    dur_enc_u64(&w, (uint64_t) x->created);
    dur_enc_u64(&w, x->sequence);
    dur_enc_raw(&w, x->cursor.b, DUR_ULID_LEN);
    dur_enc_raw(&w, x->last.b, DUR_ULID_LEN);
    dur_enc_u64(&w, (uint64_t) x->first);
    dur_enc_u64(&w, x->scanned);
    dur_enc_u64(&w, x->matched);
    dur_enc_u64(&w, x->changed);
    dur_enc_u64(&w, x->refused);
    dur_enc_u64(&w, (uint64_t) x->told);
    dur_enc_end(&w);

    dur_enc_str(&w, x->filter);

    if (w.failed) {
        return DUR_EINTERNAL;
    }

    return dur_txn_put(e->txn, DUR_T_BULK, dur_ulid_key(&x->id),
                       dur_enc_done(&w));
}


dur_rc_t
dur_bulk_decode(dur_str_t key, dur_str_t row, dur_bulk_t *x)
{
    uint8_t    flags;
    dur_dec_t  r;

    memset(x, 0, sizeof(*x));

    if (key.len != DUR_ULID_LEN) {
        return DUR_ECORRUPT;
    }

    memcpy(x->id.b, key.data, DUR_ULID_LEN);

    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    x->action = dur_dec_u8(&r);
    flags = dur_dec_u8(&r);
    x->app = dur_dec_u32(&r);
    x->function = dur_dec_u32(&r);
    x->created = (int64_t) dur_dec_u64(&r);
    x->sequence = dur_dec_u64(&r);
    dur_dec_raw(&r, x->cursor.b, DUR_ULID_LEN);
    dur_dec_raw(&r, x->last.b, DUR_ULID_LEN);
    x->first = (int64_t) dur_dec_u64(&r);
    x->scanned = dur_dec_u64(&r);
    x->matched = dur_dec_u64(&r);
    x->changed = dur_dec_u64(&r);
    x->refused = dur_dec_u64(&r);
    x->told = (int64_t) dur_dec_u64(&r);
    dur_dec_end(&r);

    x->done = (flags & DUR_BULK_F_DONE) != 0;
    x->stopped = (flags & DUR_BULK_F_STOPPED) != 0;
    x->filter = dur_dec_str(&r);

    return (r.failed || x->action < DUR_BULK_CANCEL
            || x->action > DUR_BULK_REPLAY)
           ? DUR_ECORRUPT : DUR_OK;
}


dur_rc_t
dur_bulk_get(dur_engine_t *e, const dur_ulid_t *id, dur_bulk_t *x)
{
    dur_rc_t   rc;
    dur_str_t  row;

    rc = dur_txn_get(e->txn, DUR_T_BULK, dur_ulid_key(id), &row);
    if (rc == DUR_OK) {
        rc = dur_bulk_decode(dur_ulid_key(id), row, x);
    }
    if (rc == DUR_OK) {
        x->filter = dur_arena_copy(e->arena, x->filter);
        rc = x->filter.data ? DUR_OK : DUR_ENOMEM;
    }

    return rc;
}


/* -- how it is shown ------------------------------------------------------ */

/* Thousandths, by the time of the run it is at; all of them only when nothing
 * is left. */
static unsigned
dur_bulk_progress(const dur_bulk_t *x)
{
    int64_t  at, all;

    if (x->done && !x->stopped) {
        return 1000;
    }

    at = (int64_t) dur_ulid_ms(&x->cursor) - x->first;
    all = (int64_t) dur_ulid_ms(&x->last) - x->first;

    if (at <= 0 || all <= 0) {
        return 0;
    }

    return at >= all ? 999 : (unsigned) ((double) at / (double) all * 999);
}


static void
dur_bulk_figures(const dur_bulk_t *x, dur_buf_t *out)
{
    char      text[32];
    unsigned  progress = dur_bulk_progress(x);

    dur_buf_addf(out, "\"done\":%s,\"stopped\":%s,\"progress\":%u.%03u,"
                 "\"scanned\":%llu,\"matched\":%llu,\"changed\":%llu,"
                 "\"refused\":%llu,\"at\":",
                 x->done ? "true" : "false", x->stopped ? "true" : "false",
                 progress / 1000, progress % 1000,
                 (unsigned long long) x->scanned,
                 (unsigned long long) x->matched,
                 (unsigned long long) x->changed,
                 (unsigned long long) x->refused);

    if (x->scanned == 0) {
        dur_buf_addz(out, "null");
        return;
    }

    dur_rfc3339_text((int64_t) dur_ulid_ms(&x->cursor), text);
    dur_buf_addf(out, "\"%s\"", text);
}


void
dur_bulk_write(const dur_bulk_t *x, dur_buf_t *out)
{
    char  id[DUR_ULID_TEXT_LEN + 1], created[32];

    dur_ulid_text(&x->id, id);
    dur_rfc3339_text(x->created, created);

    dur_buf_addf(out, "{\"id\":\"%s\",\"action\":\"%s\",\"filter\":", id,
                 dur_bulk_name(x->action));
    dur_buf_adds(out, x->filter);
    dur_buf_addf(out, ",\"created_at\":\"%s\",", created);
    dur_bulk_figures(x, out);
    dur_buf_addc(out, '}');
}


dur_rc_t
dur_bulk_show(dur_str_t key, dur_str_t row, dur_buf_t *out)
{
    dur_rc_t    rc;
    dur_bulk_t  x;

    rc = dur_bulk_decode(key, row, &x);

    if (rc == DUR_OK) {
        dur_bulk_write(&x, out);
    }

    return rc;
}


dur_rc_t
dur_bulk_notice(dur_engine_t *e, dur_bulk_t *x)
{
    char           id[DUR_ULID_TEXT_LEN + 1];
    dur_buf_t      b;
    dur_effect_t  *effect;

    if (!e->feed
        || (!x->done && e->now >= x->told
            && e->now - x->told < DUR_BULK_NOTICE))
    {
        return DUR_OK;
    }

    x->told = e->now;

    dur_ulid_text(&x->id, id);
    dur_buf_init(&b, 1024);

    dur_buf_addf(&b, "{\"kind\":\"bulk.%s\",\"ts\":%lld,\"id\":\"%s\","
                 "\"action\":\"%s\",", x->done ? "done" : "progress",
                 (long long) e->now, id, dur_bulk_name(x->action));
    dur_bulk_figures(x, &b);
    dur_buf_addc(&b, '}');

    effect = dur_state_effect(e, DUR_EFFECT_FEED);
    if (effect != NULL) {
        effect->text = dur_arena_copy(e->arena, dur_buf_str(&b));
    }

    dur_buf_deinit(&b);

    return (effect && effect->text.data) ? DUR_OK : DUR_ENOMEM;
}
