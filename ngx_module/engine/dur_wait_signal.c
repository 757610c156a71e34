/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_wait_signal.h"
#include "engine/dur_json.h"
#include "engine/dur_result.h"
#include "engine/dur_state.h"
#include "engine/dur_step.h"
#include "engine/dur_ulid.h"
#include "engine/dur_wait_row.h"


/* The step that waited so far will only time out. */
static dur_rc_t
dur_signal_displace(dur_engine_t *e, dur_run_t *run,
    const dur_wait_signal_t *old)
{
    dur_rc_t        rc;
    dur_run_t       other;
    dur_wait_who_t  who = { old->run, DUR_WAIT_SIGNAL, old->step };

    if (memcmp(old->run.b, run->id.b, DUR_ULID_LEN) == 0) {
        return dur_wait_delete(e, run, &who);
    }

    rc = dur_run_get(e->txn, &old->run, &other);

    if (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) {
        return DUR_OK;
    }

    /* the row that the run is read from moves with the first write */

    if (rc == DUR_OK) {
        other.output.bytes = dur_arena_copy(e->arena, other.output.bytes);
        rc = dur_wait_delete(e, &other, &who);
    }

    return rc == DUR_OK ? dur_run_put(e, &other) : rc;
}


dur_rc_t
dur_wait_signal(dur_engine_t *e, dur_run_t *run, const dur_answer_op_t *op)
{
    uint8_t            bytes[DUR_WAIT_SIGNAL_KEY];
    dur_rc_t           rc;
    dur_str_t          key;
    dur_wait_who_t     who = { run->id, DUR_WAIT_SIGNAL, op->id };
    dur_wait_signal_t  signal;

    key = dur_wait_signal_key(bytes, op->target);

    rc = dur_wait_signal_get(e, key, &signal);

    if (rc == DUR_OK) {
        /* one whose timer is due does not count any more */

        if (!op->replace && signal.expires > e->now) {
            return DUR_ECONFLICT;
        }

        rc = dur_signal_displace(e, run, &signal);
        if (rc != DUR_OK) {
            return rc;
        }

    } else if (rc != DUR_ENOTFOUND && rc != DUR_ECORRUPT) {
        return rc;
    }

    signal.expires = op->due;
    signal.run = run->id;
    signal.step = op->id;

    rc = dur_wait_signal_put(e, key, &signal);

    return rc == DUR_OK ? dur_wait_link(e, run, &who, key) : rc;
}


/* -- delivery ------------------------------------------------------------- */

static dur_rc_t
dur_signal_refuse(dur_reply_t *reply, dur_rc_t rc, uint16_t status)
{
    reply->rc = rc;
    reply->status = status;

    return DUR_OK;
}


/* The step still waits; what cannot be read does not. */
static dur_rc_t
dur_signal_waits(dur_engine_t *e, const dur_wait_signal_t *signal,
    bool *waits)
{
    dur_rc_t    rc;
    dur_run_t   run;
    dur_step_t  step;

    *waits = false;

    if (signal->expires <= e->now) {
        return DUR_OK;
    }

    rc = dur_run_get(e->txn, &signal->run, &run);
    if (rc == DUR_OK && run.status == DUR_RUN_LIVE) {
        rc = dur_step_get(e->txn, &signal->run, &signal->step, &step);
        *waits = rc == DUR_OK && step.state == DUR_STEP_WAITING;
    }

    return (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) ? DUR_OK : rc;
}


static dur_rc_t
dur_signal_deliver(dur_engine_t *e, const dur_wait_signal_t *signal,
    const dur_op_t *op)
{
    dur_rc_t   rc;
    dur_buf_t  b;

    dur_buf_init(&b, op->body.len + 6 * op->url.len + 64);

    dur_buf_addz(&b, "{\"data\":");
    dur_buf_adds(&b, op->body.len ? op->body : dur_str("null"));
    dur_buf_addz(&b, ",\"signal\":");
    dur_json_write_string(&b, op->url);
    dur_buf_addc(&b, '}');

    rc = b.failed ? DUR_ENOMEM
                  : dur_result_resume(e, &signal->run, &signal->step,
                                      DUR_STEP_DATA, dur_buf_str(&b));
    dur_buf_deinit(&b);

    return rc;
}


static dur_rc_t
dur_signal_reply(dur_engine_t *e, const dur_wait_signal_t *signal,
    dur_reply_t *reply)
{
    char  id[DUR_ULID_TEXT_LEN + 1];

    dur_ulid_text(&signal->run, id);

    reply->status = 200;
    reply->body = dur_str_c(dur_arena_printf(e->arena, "{\"run_id\":\"%s\"}",
                                             id));

    return reply->body.len ? DUR_OK : DUR_ENOMEM;
}


dur_rc_t
dur_signal_apply(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    bool                waits;
    json_t             *data;
    uint8_t             key[DUR_WAIT_SIGNAL_KEY];
    dur_rc_t            rc;
    dur_wait_signal_t   signal;

    if (op->body.len) {
        data = dur_json_parse(op->body, NULL);
        if (data == NULL) {
            return dur_signal_refuse(reply, DUR_EINVAL, 400);
        }
        json_decref(data);
    }

    rc = dur_wait_signal_get(e, dur_wait_signal_key(key, op->url), &signal);

    if (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) {
        return dur_signal_refuse(reply, DUR_ENOTFOUND, 404);
    }

    if (rc == DUR_OK) {
        rc = dur_signal_waits(e, &signal, &waits);
    }
    if (rc == DUR_OK && !waits) {
        return dur_signal_refuse(reply, DUR_ENOTFOUND, 404);
    }
    if (rc == DUR_OK) {
        rc = dur_signal_deliver(e, &signal, op);
    }

    return rc == DUR_OK ? dur_signal_reply(e, &signal, reply) : rc;
}
