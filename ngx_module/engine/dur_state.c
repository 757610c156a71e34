/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_state.h"
#include "engine/dur_json.h"
#include "engine/dur_ulid.h"

#include <stdarg.h>
#include <stdio.h>


dur_effect_t *
dur_state_effect(dur_engine_t *e, dur_effect_type_t type)
{
    dur_effect_t  *effect;

    effect = dur_arena_zalloc(e->arena, sizeof(*effect));
    if (effect == NULL) {
        return NULL;
    }

    effect->type = type;

    *e->effects_last = effect;
    e->effects_last = &effect->next;

    return effect;
}


void
dur_state_log(dur_engine_t *e, unsigned level, const char *fmt, ...)
{
    char           text[1024];
    va_list        ap;
    dur_effect_t  *effect;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);

    effect = dur_state_effect(e, DUR_EFFECT_LOG);
    if (effect != NULL) {
        effect->level = (uint8_t) level;
        effect->text = dur_arena_copy(e->arena, dur_str_c(text));
    }
}


dur_rc_t
dur_state_refuse(dur_engine_t *e, dur_reply_t *reply, unsigned status,
    const char *fmt, ...)
{
    char       text[1024];
    va_list    ap;
    dur_buf_t  b;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);

    dur_buf_init(&b, 8 * sizeof(text));
    dur_buf_addz(&b, "{\"data\":null,\"error\":");
    dur_json_write_string(&b, dur_str_c(text));
    dur_buf_addf(&b, ",\"status\":%u}", status);

    reply->rc = DUR_EINVAL;
    reply->status = (uint16_t) status;
    reply->body = b.failed ? dur_str_null
                           : dur_arena_copy(e->arena, dur_buf_str(&b));

    dur_buf_deinit(&b);

    return reply->body.data ? DUR_OK : DUR_ENOMEM;
}


/* splitmix64 */
uint64_t
dur_state_random(dur_engine_t *e)
{
    uint64_t  z;

    z = (e->random += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;

    return z ^ (z >> 31);
}


void
dur_state_ulid(dur_engine_t *e, dur_ulid_t *u)
{
    uint8_t  entropy[16];

    dur_put64(entropy, dur_state_random(e));
    dur_put64(entropy + 8, dur_state_random(e));

    dur_ulid_make(u, (uint64_t) e->now, entropy);
}


dur_rc_t
dur_state_counters_put(dur_engine_t *e)
{
    uint8_t    row[128];
    dur_enc_t  w;

    dur_enc_init(&w, row, sizeof(row));

    dur_enc_begin(&w);
    dur_enc_u64(&w, e->counters.item);
    dur_enc_u64(&w, e->counters.sequence);
    dur_enc_u64(&w, e->counters.task);
    dur_enc_u32(&w, e->counters.app);
    dur_enc_u32(&w, e->counters.function);
    dur_enc_u64(&w, e->counters.live);
    dur_enc_u64(&w, e->counters.waits);
    dur_enc_end(&w);

    return dur_txn_put(e->txn, DUR_T_META, dur_str("counters"),
                       dur_enc_done(&w));
}


dur_rc_t
dur_state_counters_get(dur_engine_t *e)
{
    dur_rc_t   rc;
    dur_str_t  row;
    dur_dec_t  r;

    memset(&e->counters, 0, sizeof(e->counters));

    rc = dur_txn_get(e->txn, DUR_T_META, dur_str("counters"), &row);

    if (rc == DUR_OK) {
        dur_dec_init(&r, row);
        dur_dec_begin(&r);
        e->counters.item = dur_dec_u64(&r);
        e->counters.sequence = dur_dec_u64(&r);
        e->counters.task = dur_dec_u64(&r);
        e->counters.app = dur_dec_u32(&r);
        e->counters.function = dur_dec_u32(&r);
        e->counters.live = dur_dec_u64(&r);
        e->counters.waits = dur_dec_u64(&r);
        dur_dec_end(&r);

        return r.failed ? DUR_ECORRUPT : DUR_OK;
    }

    if (rc != DUR_ENOTFOUND) {
        return rc;
    }

    e->counters.item = 1;
    e->counters.sequence = 1;
    e->counters.task = 1;
    e->counters.app = 1;
    e->counters.function = 1;

    return DUR_OK;
}
