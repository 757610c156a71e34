/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_served.h"
#include "engine/dur_answer.h"
#include "engine/dur_forward.h"
#include "engine/dur_frame.h"
#include "engine/dur_gateway.h"
#include "engine/dur_json.h"
#include "engine/dur_sign.h"
#include "engine/dur_state.h"


#define DUR_SERVED_VERSION  1

/* Rows: "k" run step -> served; "x" when ms, run, step: to look whether it is
 * still used. */
#define DUR_SERVED_KEY_LEN  (1 + DUR_ULID_LEN + DUR_HASH_LEN)
#define DUR_SERVED_AT_LEN   (1 + 8 + DUR_ULID_LEN + DUR_HASH_LEN)

/* Around a request's parts. */
#define DUR_SERVED_AROUND   64


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


/* -- requests ------------------------------------------------------------- */

dur_rc_t
dur_served_encode(const dur_served_request_t *request, dur_buf_t *out)
{
    size_t     n;
    dur_rc_t   rc;
    dur_enc_t  w;

    n = DUR_SERVED_AROUND + request->app.len + request->method.len
        + request->url.len + request->headers.len + request->body.len;

    rc = dur_buf_reserve(out, n);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_enc_init(&w, out->data + out->len, n);

    dur_enc_u8(&w, DUR_SERVED_VERSION);
    dur_enc_u8(&w, request->auth);
    dur_enc_u32(&w, request->timeout);
    dur_enc_str(&w, request->app);
    dur_enc_str(&w, request->method);
    dur_enc_str(&w, request->url);
    dur_enc_str(&w, request->headers);
    dur_enc_str(&w, request->body);

    out->len += dur_enc_done(&w).len;

    return DUR_OK;
}


dur_rc_t
dur_served_decode(dur_str_t in, dur_served_request_t *request)
{
    uint8_t    version;
    dur_dec_t  r;

    memset(request, 0, sizeof(*request));
    dur_dec_init(&r, in);

    version = dur_dec_u8(&r);
    request->auth = dur_dec_u8(&r);
    request->timeout = dur_dec_u32(&r);
    request->app = dur_dec_str(&r);
    request->method = dur_dec_str(&r);
    request->url = dur_dec_str(&r);
    request->headers = dur_dec_str(&r);
    request->body = dur_dec_str(&r);

    return (r.failed || dur_dec_more(&r) || version != DUR_SERVED_VERSION
            || request->auth > DUR_SERVED_FALLBACK_KEY
            || request->timeout == 0
            || !dur_gateway_is_token(request->method)
            || !dur_gateway_is_url(request->url))
           ? DUR_EINVAL : DUR_OK;
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

/* The key is of this instant: it may be another one than when it was asked
 * for, or gone. */
static dur_rc_t
dur_served_authorize(const dur_served_request_t *request,
    const dur_call_options_t *options, dur_buf_t *headers)
{
    size_t     i, start;
    dur_str_t  key;

    if (request->auth == DUR_SERVED_NO_KEY) {
        return DUR_OK;
    }

    for (i = 0; i < options->nserved; i++) {
        if (!dur_str_eq(options->served[i].app, request->app)) {
            continue;
        }

        key = request->auth == DUR_SERVED_KEY ? options->served[i].key
                                              : options->served[i].fallback;
        start = headers->len;
        dur_buf_addz(headers, "Authorization: Bearer ");

        if (dur_signing_key_hash(key, headers) != DUR_OK) {
            headers->len = start;
            return DUR_OK;
        }

        return dur_buf_addc(headers, '\n');
    }

    return DUR_OK;
}


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
    call->gateway = false;
    call->forward = true;
    call->timeout_ms = request.timeout;
    call->max_body = DUR_FORWARD_ANSWER + 1;

    dur_buf_adds(&call->method, request.method);
    dur_buf_adds(&call->url, request.url);
    dur_buf_adds(&call->headers, request.headers);
    dur_buf_adds(&call->body, request.body);

    rc = dur_served_authorize(&request, options, &call->headers);

    return (call->method.failed || call->url.failed || call->headers.failed
            || call->body.failed) ? DUR_ETOOBIG : rc;
}


/* -- the result ----------------------------------------------------------- */

static dur_rc_t
dur_served_settle(dur_engine_t *e, const dur_item_t *item,
    const dur_answer_t *answer, const dur_op_result_t *result)
{
    dur_rc_t      rc;
    dur_str_t     text;
    dur_served_t  s;

    rc = dur_served_get(e->txn, &item->run, &item->step, &s);

    if (rc != DUR_OK || s.item != item->id) {
        /* it goes with its item, and only that */
        return (rc == DUR_OK || rc == DUR_ENOTFOUND) ? DUR_EINTERNAL : rc;
    }

    rc = dur_served_keep(e, &s.request);
    if (rc != DUR_OK) {
        return rc;
    }

    s.state = answer->kind == DUR_ANSWER_DONE ? DUR_SERVED_DONE
              : answer->no_retry ? DUR_SERVED_FINAL : DUR_SERVED_FAILED;
    s.item = 0;
    s.used = e->now;
    s.retry_at = answer->retry_at;
    s.started = result->started;
    s.duration = (int64_t) result->duration;

    text = answer->kind == DUR_ANSWER_DONE ? answer->output : answer->error;

    rc = dur_payload_put(e->txn, &s.owner, &s.sequence, text, 0, &s.result);

    return rc == DUR_OK ? dur_served_put(e, &item->run, &item->step, &s)
                        : rc;
}


dur_rc_t
dur_served_result(dur_engine_t *e, dur_item_t *item,
    const dur_op_result_t *result)
{
    dur_rc_t      rc;
    dur_answer_t  answer;

    rc = dur_queue_release(e, item);
    if (rc != DUR_OK) {
        return rc;
    }

    if (result->error_kind == DUR_CALL_ECANCELLED) {
        return dur_queue_push(e, item);
    }

    rc = dur_forward_answer(result, e->now, e->arena, &answer);

    return rc == DUR_OK ? dur_served_settle(e, item, &answer, result) : rc;
}


static dur_rc_t
dur_served_fail(dur_engine_t *e, const dur_item_t *item, const char *text)
{
    dur_rc_t         rc;
    dur_answer_t     answer;
    dur_op_result_t  result;

    memset(&result, 0, sizeof(result));
    result.error_kind = DUR_CALL_EOTHER;
    result.error = dur_str_c(text);
    result.started = e->now;

    rc = dur_forward_answer(&result, e->now, e->arena, &answer);

    return rc == DUR_OK ? dur_served_settle(e, item, &answer, &result) : rc;
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
