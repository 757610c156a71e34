/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_served.h"
#include "engine/dur_answer.h"
#include "engine/dur_forward.h"
#include "engine/dur_frame.h"
#include "engine/dur_plan_call.h"
#include "engine/dur_state.h"


/* Rows: "k" run step -> served; "x" when ms, run, step: to look whether it is
 * still used. */
#define DUR_SERVED_KEY_LEN  (1 + DUR_ULID_LEN + DUR_HASH_LEN)
#define DUR_SERVED_AT_LEN   (1 + 8 + DUR_ULID_LEN + DUR_HASH_LEN)


/* -- rows ----------------------------------------------------------------- */

static dur_str_t
dur_served_key(uint8_t key[DUR_SERVED_KEY_LEN], const dur_ulid_t *run,
    const dur_hash_t *step)
{
    key[0] = 'k';
    memcpy(key + 1, run->b, DUR_ULID_LEN);
    memcpy(key + 1 + DUR_ULID_LEN, step->b, DUR_HASH_LEN);

    return dur_str_make(key, DUR_SERVED_KEY_LEN);
}


static dur_rc_t
dur_served_row(dur_str_t row, dur_served_t *s)
{
    dur_dec_t  r;

    memset(s, 0, sizeof(*s));
    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    s->state = dur_dec_u8(&r);
    s->call = dur_dec_u64(&r);
    s->item = dur_dec_u64(&r);
    s->created = (int64_t) dur_dec_u64(&r);
    s->used = (int64_t) dur_dec_u64(&r);
    s->retry_at = (int64_t) dur_dec_u64(&r);
    s->started = (int64_t) dur_dec_u64(&r);
    s->duration = (int64_t) dur_dec_u64(&r);
    dur_dec_raw(&r, s->owner.b, DUR_ULID_LEN);
    s->sequence = dur_dec_u32(&r);
    dur_dec_end(&r);

    dur_payload_dec(&r, &s->request);
    dur_payload_dec(&r, &s->result);

    return r.failed ? DUR_ECORRUPT : DUR_OK;
}


static dur_rc_t
dur_served_get(dur_txn_t *t, const dur_ulid_t *run, const dur_hash_t *step,
    dur_served_t *s)
{
    uint8_t    key[DUR_SERVED_KEY_LEN];
    dur_rc_t   rc;
    dur_str_t  row;

    rc = dur_txn_get(t, DUR_T_SERVED, dur_served_key(key, run, step), &row);

    return rc == DUR_OK ? dur_served_row(row, s) : rc;
}


/* What stands in the old row is copied by the encoder before it is written. */
static dur_rc_t
dur_served_put(dur_engine_t *e, const dur_ulid_t *run,
    const dur_hash_t *step, const dur_served_t *s)
{
    uint8_t    key[DUR_SERVED_KEY_LEN];
    dur_enc_t  w;

    dur_enc_init(&w, e->row, sizeof(e->row));

    dur_enc_begin(&w);
    dur_enc_u8(&w, s->state);
    dur_enc_u64(&w, s->call);
    dur_enc_u64(&w, s->item);
    dur_enc_u64(&w, (uint64_t) s->created);
    dur_enc_u64(&w, (uint64_t) s->used);
    dur_enc_u64(&w, (uint64_t) s->retry_at);
    dur_enc_u64(&w, (uint64_t) s->started);
    dur_enc_u64(&w, (uint64_t) s->duration);
    dur_enc_raw(&w, s->owner.b, DUR_ULID_LEN);
    dur_enc_u32(&w, s->sequence);
    dur_enc_end(&w);

    dur_payload_enc(&w, &s->request);
    dur_payload_enc(&w, &s->result);

    return w.failed ? DUR_EINTERNAL
                    : dur_txn_put(e->txn, DUR_T_SERVED,
                                  dur_served_key(key, run, step),
                                  dur_enc_done(&w));
}


/* A payload that stands in the row is borrowed from it; payload rows may be
 * written before the row is. */
static dur_rc_t
dur_served_keep(dur_engine_t *e, dur_payload_t *payload)
{
    if (payload->bytes.len == 0) {
        return DUR_OK;
    }

    payload->bytes = dur_arena_copy(e->arena, payload->bytes);

    return payload->bytes.data ? DUR_OK : DUR_ENOMEM;
}


/* -- the op --------------------------------------------------------------- */

static dur_rc_t
dur_served_add_app(dur_engine_t *e, dur_registered_app_t **app)
{
    dur_rc_t              rc;
    dur_registered_app_t  fresh;

    memset(&fresh, 0, sizeof(fresh));
    fresh.id = e->counters.app++;
    fresh.created = e->now;
    fresh.registered = true;
    fresh.served = true;
    fresh.name = dur_str(DUR_SERVED_APP);
    fresh.sdk = dur_str("nginx");
    fresh.framework = dur_str("nginx");

    rc = dur_registry_app_put(e, &fresh);

    if (rc == DUR_OK) {
        rc = dur_registry_load(&e->registry, e->txn);
        *app = dur_registry_app(&e->registry, fresh.id);
    }

    return (rc == DUR_OK && *app == NULL) ? DUR_EINTERNAL : rc;
}


static dur_rc_t
dur_served_start(dur_engine_t *e, const dur_op_t *op, const dur_hash_t *step,
    dur_served_t *s)
{
    dur_rc_t               rc;
    dur_item_t             item;
    dur_registered_app_t  *app;

    rc = DUR_OK;
    app = dur_registry_app_by_name(&e->registry, dur_str(DUR_SERVED_APP));

    if (app == NULL) {
        rc = dur_served_add_app(e, &app);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    memset(&item, 0, sizeof(item));
    item.kind = DUR_ITEM_SERVED;
    item.id = e->counters.item++;
    item.app = app->id;
    item.score = e->now;
    item.run = op->run;
    item.step = *step;

    s->state = DUR_SERVED_RUNNING;
    s->item = item.id;
    s->call = op->item;
    s->used = e->now;
    s->retry_at = 0;
    memset(&s->result, 0, sizeof(s->result));

    rc = dur_served_put(e, &op->run, step, s);

    return rc == DUR_OK ? dur_queue_push(e, &item) : rc;
}


static dur_rc_t
dur_served_put_at(dur_engine_t *e, const dur_ulid_t *run,
    const dur_hash_t *step, int64_t at)
{
    uint8_t  key[DUR_SERVED_AT_LEN];

    key[0] = 'x';
    dur_put64(key + 1, (uint64_t) at);
    memcpy(key + 9, run->b, DUR_ULID_LEN);
    memcpy(key + 9 + DUR_ULID_LEN, step->b, DUR_HASH_LEN);

    if (at < e->next_expiry) {
        e->next_expiry = at;
    }

    return dur_txn_put(e->txn, DUR_T_SERVED, dur_str_make(key, sizeof(key)),
                       dur_str_null);
}


static dur_rc_t
dur_served_first(dur_engine_t *e, const dur_op_t *op, const dur_hash_t *step)
{
    dur_rc_t      rc;
    dur_served_t  s;

    memset(&s, 0, sizeof(s));
    s.created = e->now;
    s.owner = op->id;

    rc = dur_payload_put(e->txn, &s.owner, &s.sequence, op->body, 0,
                         &s.request);

    if (rc == DUR_OK) {
        rc = dur_served_put_at(e, &op->run, step, e->now + DUR_SERVED_LIFE);
    }

    return rc == DUR_OK ? dur_served_start(e, op, step, &s) : rc;
}


/* Another attempt of a step that failed; most often it asks for the same. */
static dur_rc_t
dur_served_again(dur_engine_t *e, const dur_op_t *op, const dur_hash_t *step,
    dur_served_t *s)
{
    bool       same;
    dur_rc_t   rc;
    dur_buf_t  b;

    dur_buf_init(&b, (size_t) s->request.length + 1);
    rc = dur_payload_get(e->txn, &s->owner, &s->request, &b);
    same = rc == DUR_OK && dur_str_eq(dur_buf_str(&b), op->body);
    dur_buf_deinit(&b);

    if (rc == DUR_OK && same) {
        rc = dur_served_keep(e, &s->request);

    } else if (rc == DUR_OK || rc == DUR_ECORRUPT) {
        rc = dur_payload_put(e->txn, &s->owner, &s->sequence, op->body, 0,
                             &s->request);
    }

    return rc == DUR_OK ? dur_served_start(e, op, step, s) : rc;
}


/* It is known, or being found out: only that it was asked for is written. */
static dur_rc_t
dur_served_known(dur_engine_t *e, const dur_op_t *op, const dur_hash_t *step,
    dur_served_t *s, dur_reply_t *reply)
{
    reply->status = s->state == DUR_SERVED_RUNNING ? 202 : 200;

    if (s->used == e->now) {
        return DUR_OK;
    }

    s->used = e->now;

    return dur_served_put(e, &op->run, step, s);
}


dur_rc_t
dur_served_apply(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    dur_rc_t              rc;
    dur_hash_t            step;
    dur_served_t          s;
    dur_served_request_t  request;

    if (op->url.len != DUR_HASH_LEN
        || dur_served_decode(op->body, &request) != DUR_OK)
    {
        return dur_state_refuse(e, reply, 400, "this is no step to execute");
    }

    memcpy(step.b, op->url.data, DUR_HASH_LEN);

    rc = dur_served_get(e->txn, &op->run, &step, &s);

    if (rc == DUR_OK
        && (s.state != DUR_SERVED_FAILED || s.call == op->item))
    {
        return dur_served_known(e, op, &step, &s, reply);
    }

    if (rc == DUR_ECORRUPT) {
        return dur_state_refuse(e, reply, 500, "what became of this step "
                                "cannot be read");
    }

    if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
        return rc;
    }

    if (e->nearly_full) {
        return dur_state_refuse(e, reply, 503, "the store is nearly full: no "
                                "step is executed");
    }

    reply->status = 202;

    return rc == DUR_OK ? dur_served_again(e, op, &step, &s)
                        : dur_served_first(e, op, &step);
}


dur_rc_t
dur_served_find(dur_store_t *store, const dur_ulid_t *run,
    const dur_hash_t *step, dur_served_t *served, dur_buf_t *result)
{
    dur_rc_t    rc;
    dur_txn_t  *t;

    rc = dur_txn_begin(store, false, &t);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_served_get(t, run, step, served);

    if (rc == DUR_OK) {
        rc = dur_payload_get(t, &served->owner, &served->result, result);
    }

    served->request.bytes = dur_str_null;
    served->result.bytes = dur_str_null;

    dur_txn_abort(t);

    return rc;
}


/* -- the call ------------------------------------------------------------- */

dur_rc_t
dur_served_build(dur_txn_t *t, const dur_item_t *item,
    const dur_call_options_t *options, dur_call_t *call)
{
    dur_rc_t              rc;
    dur_served_t          s;
    dur_served_request_t  request;

    rc = dur_served_get(t, &item->run, &item->step, &s);

    if (rc == DUR_OK && s.item != item->id) {
        rc = DUR_ENOTFOUND;
    }
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_reset(&call->scratch);

    rc = dur_payload_get(t, &s.owner, &s.request, &call->scratch);

    if (rc == DUR_OK) {
        rc = dur_served_decode(dur_buf_str(&call->scratch), &request);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    call->app = item->app;

    return dur_served_fill(&request, options, call);
}


/* -- the result ----------------------------------------------------------- */

/* As a step of a workflow: all that counts of its directive is which statuses
 * it expects. */
static dur_rc_t
dur_served_judge_step(dur_engine_t *e, const dur_served_request_t *request,
    const dur_op_result_t *result, dur_answer_t *answer)
{
    uint16_t         expect[DUR_SERVED_EXPECT];
    dur_plan_node_t  node;

    memset(&node, 0, sizeof(node));
    dur_served_expect(request, expect);
    node.nexpect = request->nexpect;
    node.expect = expect;

    return dur_plan_answer(&node, result, DUR_SERVED_ANSWER, e->now, e->arena,
                           answer);
}


static dur_rc_t
dur_served_judge(dur_engine_t *e, const dur_served_t *s,
    const dur_op_result_t *result, dur_answer_t *answer)
{
    dur_rc_t              rc;
    dur_buf_t             b;
    dur_served_request_t  request;

    dur_buf_init(&b, (size_t) s->request.length + 1);
    rc = dur_payload_get(e->txn, &s->owner, &s->request, &b);

    if (rc == DUR_OK
        && dur_served_decode(dur_buf_str(&b), &request) == DUR_OK
        && request.judge == DUR_SERVED_STEP)
    {
        rc = dur_served_judge_step(e, &request, result, answer);

    } else if (rc == DUR_OK || rc == DUR_ECORRUPT) {
        rc = dur_forward_answer(result, e->now, e->arena, answer);
    }

    dur_buf_deinit(&b);

    return rc;
}


static dur_rc_t
dur_served_settle(dur_engine_t *e, const dur_item_t *item,
    const dur_op_result_t *result)
{
    dur_rc_t      rc;
    dur_str_t     text;
    dur_answer_t  outcome;
    dur_served_t  s;

    rc = dur_served_get(e->txn, &item->run, &item->step, &s);

    if (rc != DUR_OK || s.item != item->id) {
        /* it goes with its item, and only that */
        return (rc == DUR_OK || rc == DUR_ENOTFOUND) ? DUR_EINTERNAL : rc;
    }

    rc = dur_served_judge(e, &s, result, &outcome);

    if (rc == DUR_OK) {
        rc = dur_served_keep(e, &s.request);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    s.state = outcome.kind == DUR_ANSWER_DONE ? DUR_SERVED_DONE
              : outcome.no_retry ? DUR_SERVED_FINAL : DUR_SERVED_FAILED;
    s.item = 0;
    s.used = e->now;
    s.retry_at = outcome.retry_at;
    s.started = result->started;
    s.duration = (int64_t) result->duration;

    text = outcome.kind == DUR_ANSWER_DONE ? outcome.output : outcome.error;

    rc = dur_payload_put(e->txn, &s.owner, &s.sequence, text, 0, &s.result);

    return rc == DUR_OK ? dur_served_put(e, &item->run, &item->step, &s)
                        : rc;
}


dur_rc_t
dur_served_result(dur_engine_t *e, dur_item_t *item,
    const dur_op_result_t *result)
{
    dur_rc_t  rc;

    rc = dur_queue_release(e, item);
    if (rc != DUR_OK) {
        return rc;
    }

    return result->error_kind == DUR_CALL_ECANCELLED
           ? dur_queue_push(e, item) : dur_served_settle(e, item, result);
}


static dur_rc_t
dur_served_fail(dur_engine_t *e, const dur_item_t *item, const char *text)
{
    dur_op_result_t  result;

    memset(&result, 0, sizeof(result));
    result.error_kind = DUR_CALL_EOTHER;
    result.error = dur_str_c(text);
    result.started = e->now;

    return dur_served_settle(e, item, &result);
}


dur_rc_t
dur_served_lost(dur_engine_t *e, const dur_item_t *item)
{
    return dur_served_fail(e, item, "The executor stopped three times while "
                           "it ran this step.");
}


dur_rc_t
dur_served_poison(dur_engine_t *e, const dur_item_t *item)
{
    dur_rc_t  rc;

    rc = dur_served_fail(e, item, "The server could not process an answer of "
                         "this step (internal error).");

    return rc == DUR_EINTERNAL ? DUR_OK : rc;
}


/* -- expiry --------------------------------------------------------------- */

/* The oldest entry, a time and then run and step; DUR_ENOTFOUND without. */
static dur_rc_t
dur_served_oldest(dur_engine_t *e, uint8_t key[DUR_SERVED_AT_LEN])
{
    dur_rc_t       rc;
    dur_str_t      k;
    dur_cursor_t  *c;

    rc = dur_cursor_open(e->txn, DUR_T_SERVED, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_seek(c, dur_str("x"), &k, NULL);

    if (rc == DUR_OK) {
        if (k.len == DUR_SERVED_AT_LEN) {
            memcpy(key, k.data, DUR_SERVED_AT_LEN);
        } else {
            rc = DUR_ECORRUPT;
        }
    }

    dur_cursor_close(c);

    return rc;
}


/* *at: it is looked at again then; 0: it is gone, unless *budget is. */
static dur_rc_t
dur_served_look(dur_engine_t *e, const dur_ulid_t *run,
    const dur_hash_t *step, unsigned *budget, int64_t *at)
{
    uint8_t       key[DUR_SERVED_KEY_LEN];
    dur_rc_t      rc;
    dur_served_t  s;

    *at = 0;

    rc = dur_served_get(e->txn, run, step, &s);

    if (rc == DUR_ECORRUPT) {
        return dur_txn_del(e->txn, DUR_T_SERVED,
                           dur_served_key(key, run, step));
    }
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    if (s.state == DUR_SERVED_RUNNING) {
        *at = e->now + DUR_SERVED_LIFE;
        return DUR_OK;
    }

    if (s.used + DUR_SERVED_LIFE > e->now) {
        *at = s.used + DUR_SERVED_LIFE;
        return DUR_OK;
    }

    rc = dur_payload_purge(e->txn, &s.owner, budget);

    return (rc == DUR_OK && *budget > 0)
           ? dur_txn_del(e->txn, DUR_T_SERVED, dur_served_key(key, run, step))
           : rc;
}


dur_rc_t
dur_served_expire(dur_engine_t *e, unsigned *budget, int64_t *next)
{
    int64_t     at;
    uint8_t     key[DUR_SERVED_AT_LEN];
    dur_rc_t    rc;
    dur_hash_t  step;
    dur_ulid_t  run;

    for ( ;; ) {
        *next = INT64_MAX;

        rc = dur_served_oldest(e, key);
        if (rc != DUR_OK) {
            return rc == DUR_ENOTFOUND ? DUR_OK : rc;
        }

        *next = (int64_t) dur_get64(key + 1);

        if (*next > e->now || *budget == 0) {
            return DUR_OK;
        }

        memcpy(run.b, key + 9, DUR_ULID_LEN);
        memcpy(step.b, key + 9 + DUR_ULID_LEN, DUR_HASH_LEN);

        rc = dur_served_look(e, &run, &step, budget, &at);
        if (rc != DUR_OK || *budget == 0) {
            return rc;
        }

        rc = dur_txn_del(e->txn, DUR_T_SERVED,
                         dur_str_make(key, sizeof(key)));

        if (rc == DUR_OK && at != 0) {
            rc = dur_served_put_at(e, &run, &step, at);
        }
        if (rc != DUR_OK) {
            return rc;
        }

        (*budget)--;
    }
}
