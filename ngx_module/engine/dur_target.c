/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_target.h"
#include "engine/dur_answer.h"
#include "engine/dur_flow_concurrency.h"
#include "engine/dur_frame.h"
#include "engine/dur_json.h"
#include "engine/dur_state.h"


/* -- the row -------------------------------------------------------------- */

static dur_str_t
dur_target_key(uint8_t key[4], uint32_t app)
{
    dur_put32(key, app);
    return dur_str_make(key, 4);
}


static dur_rc_t
dur_target_put(dur_engine_t *e, uint32_t app, const dur_target_t *t)
{
    uint8_t    key[4], row[64 + sizeof(t->error)];
    dur_enc_t  w;

    dur_enc_init(&w, row, sizeof(row));

    dur_enc_begin(&w);
    dur_enc_u32(&w, t->errors);
    dur_enc_u32(&w, t->delay);
    dur_enc_u64(&w, (uint64_t) t->parked);
    dur_enc_u64(&w, (uint64_t) t->probe_at);
    dur_enc_u64(&w, t->probe);
    dur_enc_u64(&w, (uint64_t) t->hold);
    dur_enc_u64(&w, t->held);
    dur_enc_end(&w);

    dur_enc_str(&w, dur_str_c(t->error));

    if (w.failed) {
        return DUR_EINTERNAL;
    }

    return dur_txn_put(e->txn, DUR_T_TARGET, dur_target_key(key, app),
                       dur_enc_done(&w));
}


/* As much as there is room for, and no half character. */
static void
dur_target_set_error(dur_target_t *t, dur_str_t error)
{
    if (error.len >= sizeof(t->error)) {
        error.len = sizeof(t->error) - 1;

        while (error.len > 0 && (error.data[error.len] & 0xc0) == 0x80) {
            error.len--;
        }
    }

    if (error.len) {
        memcpy(t->error, error.data, error.len);
    }

    t->error[error.len] = '\0';
}


dur_rc_t
dur_target_decode(dur_str_t row, dur_target_t *t)
{
    dur_dec_t  r;

    memset(t, 0, sizeof(*t));

    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    t->errors = dur_dec_u32(&r);
    t->delay = dur_dec_u32(&r);
    t->parked = (int64_t) dur_dec_u64(&r);
    t->probe_at = (int64_t) dur_dec_u64(&r);
    t->probe = dur_dec_u64(&r);
    t->hold = (int64_t) dur_dec_u64(&r);
    t->held = dur_dec_u64(&r);
    dur_dec_end(&r);

    dur_target_set_error(t, dur_dec_str(&r));

    return r.failed ? DUR_ECORRUPT : DUR_OK;
}


/* -- what people see ------------------------------------------------------ */

static dur_rc_t
dur_target_feed(dur_engine_t *e, const dur_registered_app_t *app,
    const char *kind, dur_str_t error)
{
    dur_buf_t      b;
    dur_effect_t  *effect;

    if (!e->feed) {
        return DUR_OK;
    }

    dur_buf_init(&b, 64 * 1024);

    dur_buf_addz(&b, "{\"app\":");
    dur_json_write_string(&b, app->name);

    if (error.len) {
        dur_buf_addz(&b, ",\"error\":");
        dur_json_write_string(&b, error);
    }

    dur_buf_addf(&b, ",\"kind\":\"%s\",\"ts\":%lld,\"url\":", kind,
                 (long long) e->now);
    dur_json_write_string(&b, app->url);
    dur_buf_addc(&b, '}');

    effect = b.failed ? NULL : dur_state_effect(e, DUR_EFFECT_FEED);
    if (effect != NULL) {
        effect->text = dur_arena_copy(e->arena, dur_buf_str(&b));
    }

    dur_buf_deinit(&b);

    return effect ? DUR_OK : DUR_ENOMEM;
}


static dur_rc_t
dur_target_park(dur_engine_t *e, dur_registered_app_t *app)
{
    dur_rc_t       rc;
    dur_target_t  *t = &app->target;

    t->parked = e->now;
    t->probe_at = e->now + DUR_TARGET_DELAY_MIN;
    t->delay = 2 * DUR_TARGET_DELAY_MIN;

    dur_state_log(e, 1, "app \"%.*s\" does not answer (%s): its work waits",
                  (int) app->name.len, (const char *) app->name.data,
                  t->error);

    rc = dur_flow_parked(e, app->id);

    return rc == DUR_OK ? dur_target_feed(e, app, "app.parked",
                                          dur_str_c(t->error))
                        : rc;
}


/* -- health --------------------------------------------------------------- */

bool
dur_target_is_failure(const dur_op_result_t *result)
{
    switch (result->status) {

    case 0:
        return result->error_kind == DUR_CALL_ECONNECT
               || result->error_kind == DUR_CALL_ETIMEOUT
               || result->error_kind == DUR_CALL_ELOST;

    case 502:
    case 503:
    case 504:
        return dur_headers_get(result->headers, "x-inngest-sdk").len == 0;

    default:
        return false;
    }
}


bool
dur_target_waits(const dur_target_t *t, int64_t now)
{
    if (t->hold > now) {
        return true;
    }

    /* further away than any probe is: the clock was set back */

    return t->parked != 0 && now < t->probe_at
           && t->probe_at <= now + DUR_TARGET_DELAY_MAX;
}


int64_t
dur_target_wakes(const dur_target_t *t)
{
    int64_t  probe;

    probe = t->parked != 0 ? t->probe_at : 0;

    return probe > t->hold ? probe : t->hold;
}


bool
dur_target_is_probe(dur_engine_t *e, uint32_t app, uint64_t item)
{
    dur_registered_app_t  *a;

    a = dur_registry_app(&e->registry, app);

    return a != NULL && a->target.probe == item;
}


dur_rc_t
dur_target_probe(dur_engine_t *e, uint32_t app, uint64_t item)
{
    dur_target_t  *t;

    t = &dur_registry_app(&e->registry, app)->target;

    t->probe = item;
    t->probe_at = e->now + DUR_TARGET_DELAY_MAX;

    return dur_target_put(e, app, t);
}


dur_rc_t
dur_target_released(dur_engine_t *e, uint32_t app, uint64_t item)
{
    dur_registered_app_t  *a;

    if (!dur_target_is_probe(e, app, item)) {
        return DUR_OK;
    }

    a = dur_registry_app(&e->registry, app);

    a->target.probe = 0;
    a->target.probe_at = e->now;

    return dur_target_put(e, app, &a->target);
}


dur_rc_t
dur_target_failed(dur_engine_t *e, uint32_t app, bool probe, dur_str_t error,
    bool *parked)
{
    dur_rc_t               rc;
    dur_target_t          *t;
    dur_registered_app_t  *a;

    a = dur_registry_app(&e->registry, app);

    if (a == NULL) {
        *parked = false;
        return DUR_OK;
    }

    t = &a->target;
    t->hold = 0;
    rc = DUR_OK;

    if (t->parked == 0) {
        dur_target_set_error(t, error);

        if (++t->errors >= DUR_TARGET_ERRORS) {
            rc = dur_target_park(e, a);
        }

    } else if (probe) {
        dur_target_set_error(t, error);

        t->probe_at = e->now + t->delay;
        t->delay = t->delay < DUR_TARGET_DELAY_MAX / 2
                   ? t->delay * 2 : DUR_TARGET_DELAY_MAX;

    } else {
        /* it was out when the app was parked: nothing that is not known */
        *parked = true;
        return DUR_OK;
    }

    *parked = t->parked != 0;

    return rc == DUR_OK ? dur_target_put(e, app, t) : rc;
}


void
dur_target_doubt(dur_engine_t *e, uint32_t app)
{
    dur_registered_app_t  *a;

    a = dur_registry_app(&e->registry, app);

    if (a != NULL && a->target.parked == 0) {
        a->target.errors = DUR_TARGET_ERRORS - 1;
    }
}


dur_rc_t
dur_target_hold(dur_engine_t *e, uint32_t app, uint64_t item, int64_t until)
{
    dur_registered_app_t  *a;

    a = dur_registry_app(&e->registry, app);

    if (a == NULL) {
        return DUR_OK;
    }

    a->target.hold = until;
    a->target.held = item;

    return dur_target_put(e, app, &a->target);
}


dur_rc_t
dur_target_forget(dur_engine_t *e, uint32_t app)
{
    uint8_t                key[4];
    dur_rc_t               rc;
    dur_registered_app_t  *a;

    a = dur_registry_app(&e->registry, app);

    if (a == NULL || (a->target.errors == 0 && a->target.hold == 0)) {
        return DUR_OK;
    }

    memset(&a->target, 0, sizeof(a->target));

    rc = dur_txn_del(e->txn, DUR_T_TARGET, dur_target_key(key, app));

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


dur_rc_t
dur_target_answered(dur_engine_t *e, uint32_t app)
{
    bool                   parked;
    dur_rc_t               rc;
    dur_registered_app_t  *a;

    a = dur_registry_app(&e->registry, app);

    if (a == NULL) {
        return DUR_OK;
    }

    parked = a->target.parked != 0;

    rc = dur_target_forget(e, app);
    if (rc != DUR_OK || !parked) {
        return rc;
    }

    dur_state_log(e, 2, "app \"%.*s\" answers again", (int) a->name.len,
                  (const char *) a->name.data);

    return dur_target_feed(e, a, "app.unparked", dur_str_null);
}


dur_rc_t
dur_target_hint(dur_engine_t *e, uint32_t app)
{
    dur_target_t          *t;
    dur_registered_app_t  *a;

    a = dur_registry_app(&e->registry, app);

    if (a == NULL || a->target.probe != 0
        || !dur_target_waits(&a->target, e->now))
    {
        return DUR_OK;
    }

    t = &a->target;
    t->probe_at = e->now;

    return dur_target_put(e, app, t);
}
