
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * The leader's link to the sidecar.  A link may carry calls from the commit
 * of its INVENTORY on; calls of an earlier link are dropped, the inventory of
 * the next one finds their leases.
 */


#include "ngx_durable_process.h"
#include "engine/dur_answer.h"
#include "engine/dur_sign.h"


#define NGX_DURABLE_SIDECAR_MIN   50
#define NGX_DURABLE_SIDECAR_MAX   2000
#define NGX_DURABLE_SIDECAR_PING  10000

#define NGX_DURABLE_SIGNATURE_SKEW  300         /* seconds */
#define NGX_DURABLE_STREAMED        201


static void ngx_durable_sidecar_connect(void);
static void ngx_durable_sidecar_retry_handler(ngx_event_t *ev);
static void ngx_durable_sidecar_ping_handler(ngx_event_t *ev);
static void ngx_durable_sidecar_lost(ngx_durable_link_t *l);
static void ngx_durable_sidecar_drained(ngx_durable_link_t *l);
static ngx_int_t ngx_durable_sidecar_frame(ngx_durable_link_t *l,
    dur_frame_t *f);
static ngx_int_t ngx_durable_sidecar_hello(ngx_durable_link_t *l,
    dur_frame_t *f);
static ngx_int_t ngx_durable_sidecar_refused(dur_frame_t *f);
static ngx_int_t ngx_durable_sidecar_inventory(ngx_durable_link_t *l,
    dur_frame_t *f);
static ngx_int_t ngx_durable_sidecar_credit(dur_frame_t *f);
static void ngx_durable_sidecar_credits(ngx_uint_t n);
static void ngx_durable_sidecar_no_credits(void);
static ngx_int_t ngx_durable_sidecar_result(ngx_durable_link_t *l,
    dur_frame_t *f);
static void ngx_durable_sidecar_verify(dur_op_result_t *r);
static void ngx_durable_sidecar_log(dur_frame_t *f);
static void ngx_durable_sidecar_failed(ngx_durable_lease_t *lease,
    u_char *text);


void
ngx_durable_sidecar_start(void)
{
    ngx_durable_sidecar_t  *sc;

    sc = &ngx_durable_process.sidecar;

    if (ngx_durable_process.conf->sidecar.len == 0) {
        return;
    }

    sc->retry.handler = ngx_durable_sidecar_retry_handler;
    sc->retry.data = &ngx_durable_process.idle;
    sc->retry.log = ngx_cycle->log;
    sc->retry.cancelable = 1;

    sc->ping.handler = ngx_durable_sidecar_ping_handler;
    sc->ping.data = &ngx_durable_process.idle;
    sc->ping.log = ngx_cycle->log;
    sc->ping.cancelable = 1;

    sc->started = 1;
    sc->delay = NGX_DURABLE_SIDECAR_MIN;

    ngx_durable_sidecar_connect();
}


void
ngx_durable_sidecar_stop(void)
{
    ngx_durable_sidecar_t  *sc;

    sc = &ngx_durable_process.sidecar;

    sc->started = 0;
    sc->warned = 0;
    sc->denied = 0;

    if (sc->retry.timer_set) {
        ngx_del_timer(&sc->retry);
    }

    if (sc->ping.timer_set) {
        ngx_del_timer(&sc->ping);
    }

    if (sc->link) {

        /* the ACKs of the last commit; what does not fit comes again */

        (void) ngx_durable_link_flush(sc->link);

        ngx_durable_link_close(sc->link);
        sc->link = NULL;
    }
}


/* Reading stops while more results wait than a leader should hold. */

void
ngx_durable_sidecar_flow(void)
{
    size_t                  bytes;
    ngx_uint_t              n;
    ngx_durable_link_t     *l;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;
    l = dp->sidecar.link;

    if (l == NULL) {
        return;
    }

    n = dp->queued[NGX_DURABLE_RESULT];
    bytes = dp->bytes[NGX_DURABLE_RESULT];

    if (dp->role == NGX_DURABLE_DRAINING || n >= NGX_DURABLE_OPS_MAX
        || bytes >= NGX_DURABLE_RESULTS_MAX)
    {
        ngx_durable_link_pause(l, 1);

    } else if (n < NGX_DURABLE_OPS_MAX / 2
               && bytes < NGX_DURABLE_RESULTS_MAX / 2)
    {
        ngx_durable_link_pause(l, 0);
    }
}


/* The epoch was raised after a REFUSED. */

void
ngx_durable_sidecar_epoch(void)
{
    ngx_durable_sidecar_t  *sc;

    sc = &ngx_durable_process.sidecar;

    if (sc->started && sc->link == NULL) {

        if (sc->retry.timer_set) {
            ngx_del_timer(&sc->retry);
        }

        ngx_durable_sidecar_connect();
    }
}


void
ngx_durable_sidecar_effect(dur_effect_t *effect)
{
    uint8_t              id[DUR_ATTEMPT_LEN];
    dur_frame_writer_t   w;
    ngx_durable_link_t  *l;

    l = ngx_durable_process.sidecar.link;

    if (l == NULL || !l->ready) {
        return;
    }

    dur_attempt_put(id, effect->item, effect->generation);

    if (effect->type == DUR_EFFECT_ACK) {
        dur_frame_begin(&w, &l->urgent, DUR_FRAME_ACK, DUR_FRAME_F_END);

    } else {

        /* never before its CALL */

        dur_frame_begin(&w, &l->out, DUR_FRAME_CANCEL, DUR_FRAME_F_END);
    }

    dur_frame_put(&w, DUR_TAG_ATTEMPT, dur_str_make(id, DUR_ATTEMPT_LEN));
    (void) dur_frame_end(&w, dur_str_null);

    ngx_durable_link_push(l);
}


/* Frames of the call thread. */

void
ngx_durable_sidecar_calls(ngx_durable_calls_t *calls)
{
    ngx_uint_t              i;
    ngx_durable_link_t     *l;
    ngx_durable_sidecar_t  *sc;

    sc = &ngx_durable_process.sidecar;
    l = sc->link;

    if (l == NULL || !l->ready || calls->link != sc->number) {
        ngx_durable_caller_sent(&ngx_durable_process.caller,
                                l ? ngx_durable_link_pending(l) : 0);
        return;
    }

    if (calls->frames.len) {
        (void) dur_buf_adds(&l->out, dur_buf_str(&calls->frames));
        ngx_durable_link_push(l);
    }

    if (calls->unused) {
        ngx_durable_sidecar_credits(calls->unused);
    }

    for (i = 0; i < calls->nfailed; i++) {
        ngx_durable_sidecar_failed(&calls->failed[i], calls->errors[i]);
    }

    ngx_durable_caller_sent(&ngx_durable_process.caller,
                            ngx_durable_link_pending(l));
}


/* An ephemeral call: NGX_DECLINED while there is no link. */

ngx_int_t
ngx_durable_sidecar_call(uint64_t item, dur_call_kind_t kind,
    const char *method, dur_str_t url, dur_str_t headers, dur_str_t body,
    ngx_msec_t timeout)
{
    uint8_t              id[DUR_ATTEMPT_LEN];
    dur_rc_t             rc;
    dur_str_t            attempt;
    dur_frame_writer_t   w;
    ngx_durable_link_t  *l;

    l = ngx_durable_process.sidecar.link;

    if (l == NULL || !l->ready) {
        return NGX_DECLINED;
    }

    dur_attempt_put(id, item, 0);
    attempt = dur_str_make(id, DUR_ATTEMPT_LEN);

    dur_frame_begin(&w, &l->out, DUR_FRAME_CALL, 0);
    dur_frame_put(&w, DUR_TAG_ATTEMPT, attempt);
    dur_frame_put_u8(&w, DUR_TAG_KIND, kind);
    dur_frame_put(&w, DUR_TAG_METHOD, dur_str_c(method));
    dur_frame_put(&w, DUR_TAG_URL, url);
    dur_frame_put(&w, DUR_TAG_HEADERS, headers);
    dur_frame_put_u64(&w, DUR_TAG_TIMEOUT, timeout);
    dur_frame_put_u32(&w, DUR_TAG_APP, 0);
    dur_frame_put_u64(&w, DUR_TAG_MAX_BODY, 1024 * 1024);

    rc = dur_frame_end_body(&w, body, DUR_TAG_ATTEMPT, attempt);

    ngx_durable_link_push(l);

    return rc == DUR_OK ? NGX_OK : NGX_ERROR;
}


static void
ngx_durable_sidecar_connect(void)
{
    ngx_err_t               err;
    dur_frame_writer_t      w;
    ngx_durable_link_t     *l;
    ngx_durable_process_t  *dp;
    ngx_durable_sidecar_t  *sc;

    dp = &ngx_durable_process;
    sc = &dp->sidecar;

    l = ngx_durable_link_connect((char *) dp->conf->sidecar.data, &err);

    if (l == NULL) {

        /* one that came meanwhile and may not be used is told as well */

        if (!sc->warned || (err == NGX_EACCES && !sc->denied)) {
            sc->warned = 1;
            sc->denied = (err == NGX_EACCES);
            ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, err,
                          "durable: no sidecar at unix:%V, work waits",
                          &dp->conf->sidecar);
        }

        ngx_add_timer(&sc->retry, sc->delay);
        sc->delay = ngx_min(sc->delay * 2, NGX_DURABLE_SIDECAR_MAX);
        return;
    }

    l->frame = ngx_durable_sidecar_frame;
    l->lost = ngx_durable_sidecar_lost;
    l->drained = ngx_durable_sidecar_drained;

    sc->link = l;
    sc->number++;
    sc->heard = 0;
    sc->pinged = 0;

    dur_frame_begin(&w, &l->out, DUR_FRAME_HELLO, DUR_FRAME_F_END);
    dur_frame_put_u32(&w, DUR_TAG_VERSION, DUR_FRAME_VERSION);
    dur_frame_put(&w, DUR_TAG_STORE_ID,
                  dur_str_make(dp->store_id, sizeof(dp->store_id)));
    dur_frame_put_u64(&w, DUR_TAG_EPOCH, dp->epoch);
    dur_frame_put_u32(&w, DUR_TAG_PID, (uint32_t) ngx_pid);
    (void) dur_frame_end(&w, dur_str_null);

    (void) ngx_durable_link_flush(l);

    ngx_add_timer(&sc->ping, NGX_DURABLE_SIDECAR_PING);
}


static void
ngx_durable_sidecar_retry_handler(ngx_event_t *ev)
{
    ngx_durable_sidecar_connect();
}


/* An idle link is asked whether it lives. */

static void
ngx_durable_sidecar_ping_handler(ngx_event_t *ev)
{
    dur_frame_writer_t      w;
    ngx_durable_link_t     *l;
    ngx_durable_sidecar_t  *sc;

    sc = &ngx_durable_process.sidecar;
    l = sc->link;

    if (l == NULL) {
        return;
    }

    if (!sc->heard && !l->paused) {

        if (sc->pinged) {
            ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                          "durable: the sidecar does not answer");
            ngx_durable_sidecar_lost(l);
            return;
        }

        sc->pinged = 1;

        dur_frame_begin(&w, &l->urgent, DUR_FRAME_PING, DUR_FRAME_F_END);
        (void) dur_frame_end(&w, dur_str_null);
        ngx_durable_link_push(l);
    }

    sc->heard = 0;

    ngx_add_timer(&sc->ping, NGX_DURABLE_SIDECAR_PING);
}


static void
ngx_durable_sidecar_lost(ngx_durable_link_t *l)
{
    ngx_uint_t              ready;
    ngx_durable_commit_t   *c;
    ngx_durable_sidecar_t  *sc;

    sc = &ngx_durable_process.sidecar;
    c = &ngx_durable_process.commit;
    ready = l->ready;

    ngx_durable_link_close(l);
    sc->link = NULL;

    if (sc->ping.timer_set) {
        ngx_del_timer(&sc->ping);
    }

    if (c->started) {
        (void) pthread_mutex_lock(&c->mutex);
        c->link = 0;
        c->credits = 0;
        (void) pthread_mutex_unlock(&c->mutex);
    }

    ngx_durable_caller_sent(&ngx_durable_process.caller, 0);
    ngx_durable_caller_link(&ngx_durable_process.caller, 0);

    if (ready) {
        ngx_durable_sync_link(0);
        sc->delay = NGX_DURABLE_SIDECAR_MIN;
    }

    if (!sc->started) {
        return;
    }

    if (!sc->warned) {
        sc->warned = 1;
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "durable: the sidecar is gone, work waits");
    }

    if (!sc->retry.timer_set) {
        ngx_add_timer(&sc->retry, sc->delay);
    }

    sc->delay = ngx_min(sc->delay * 2, NGX_DURABLE_SIDECAR_MAX);
}


static void
ngx_durable_sidecar_drained(ngx_durable_link_t *l)
{
    ngx_durable_caller_sent(&ngx_durable_process.caller, 0);
}


static ngx_int_t
ngx_durable_sidecar_frame(ngx_durable_link_t *l, dur_frame_t *f)
{
    dur_frame_writer_t  w;

    ngx_durable_process.sidecar.heard = 1;
    ngx_durable_process.sidecar.pinged = 0;

    switch (f->type) {

    case DUR_FRAME_HELLO:
        return ngx_durable_sidecar_hello(l, f);

    case DUR_FRAME_REFUSED:
        return ngx_durable_sidecar_refused(f);

    case DUR_FRAME_INVENTORY:
        return ngx_durable_sidecar_inventory(l, f);

    case DUR_FRAME_CREDIT:
        return ngx_durable_sidecar_credit(f);

    case DUR_FRAME_RESULT:
    case DUR_FRAME_DATA:
        return ngx_durable_sidecar_result(l, f);

    case DUR_FRAME_PING:
        dur_frame_begin(&w, &l->urgent, DUR_FRAME_PONG, DUR_FRAME_F_END);
        (void) dur_frame_end(&w, f->data);
        ngx_durable_link_push(l);
        return NGX_OK;

    case DUR_FRAME_LOG:
        ngx_durable_sidecar_log(f);
        return NGX_OK;

    default:
        return NGX_OK;
    }
}


static ngx_int_t
ngx_durable_sidecar_hello(ngx_durable_link_t *l, dur_frame_t *f)
{
    uint64_t                version, pid;
    dur_str_t               instance, software;
    ngx_durable_sidecar_t  *sc;

    sc = &ngx_durable_process.sidecar;

    if (dur_frame_get_u64(f, DUR_TAG_VERSION, &version) != DUR_OK
        || version != DUR_FRAME_VERSION
        || dur_frame_get(f, DUR_TAG_INSTANCE, &instance) != DUR_OK
        || instance.len != sizeof(sc->instance))
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "durable: the sidecar speaks another version");
        return NGX_ERROR;
    }

    ngx_memcpy(sc->instance, instance.data, sizeof(sc->instance));

    if (dur_frame_get_u64(f, DUR_TAG_PID, &pid) != DUR_OK) {
        pid = 0;
    }

    if (dur_frame_get(f, DUR_TAG_SOFTWARE, &software) != DUR_OK) {
        software = dur_str_null;
    }

    sc->pid = (ngx_uint_t) pid;
    sc->software_len = ngx_min(software.len, sizeof(sc->software));
    ngx_memcpy(sc->software, software.data, sc->software_len);

    l->ready = 1;
    sc->delay = NGX_DURABLE_SIDECAR_MIN;

    sc->denied = 0;

    if (sc->warned) {
        sc->warned = 0;
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "durable: the sidecar is back");
    }

    ngx_durable_sync_link(1);

    return NGX_OK;
}


/* It has seen a higher epoch: we hold the lock, so ours becomes higher. */

static ngx_int_t
ngx_durable_sidecar_refused(dur_frame_t *f)
{
    uint64_t               seen;
    ngx_durable_commit_t  *c;

    c = &ngx_durable_process.commit;

    if (dur_frame_get_u64(f, DUR_TAG_EPOCH, &seen) == DUR_OK && seen) {
        (void) pthread_mutex_lock(&c->mutex);
        c->raise = seen;
        (void) pthread_cond_signal(&c->cond);
        (void) pthread_mutex_unlock(&c->mutex);
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_durable_sidecar_inventory(ngx_durable_link_t *l, dur_frame_t *f)
{
    dur_op_t                op;
    ngx_durable_commit_t   *c;
    ngx_durable_sidecar_t  *sc;

    sc = &ngx_durable_process.sidecar;
    c = &ngx_durable_process.commit;

    if (!l->ready || f->data.len % DUR_ATTEMPT_LEN) {
        return NGX_ERROR;
    }

    (void) pthread_mutex_lock(&c->mutex);
    c->link = sc->number;
    c->credits = 0;
    (void) pthread_mutex_unlock(&c->mutex);

    ngx_durable_caller_link(&ngx_durable_process.caller, sc->number);

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_INVENTORY;
    op.body = f->data;
    ngx_memcpy(op.instance, sc->instance, sizeof(op.instance));

    return ngx_durable_internal(&op, sc->number);
}


static ngx_int_t
ngx_durable_sidecar_credit(dur_frame_t *f)
{
    uint64_t  n;

    if (dur_frame_get_u64(f, DUR_TAG_COUNT, &n) != DUR_OK) {
        return NGX_ERROR;
    }

    if (n == 0) {
        ngx_durable_sidecar_no_credits();
        return NGX_OK;
    }

    ngx_durable_sidecar_credits(n);

    return NGX_OK;
}


/* The sidecar stops: what it granted before is void. */

static void
ngx_durable_sidecar_no_credits(void)
{
    ngx_durable_commit_t  *c;

    c = &ngx_durable_process.commit;

    (void) pthread_mutex_lock(&c->mutex);
    c->credits = 0;
    (void) pthread_mutex_unlock(&c->mutex);
}


static void
ngx_durable_sidecar_credits(ngx_uint_t n)
{
    ngx_durable_commit_t  *c;

    c = &ngx_durable_process.commit;

    (void) pthread_mutex_lock(&c->mutex);

    c->credits += n;
    c->fresh = 1;

    if (c->idle) {
        (void) pthread_cond_signal(&c->cond);
    }

    (void) pthread_mutex_unlock(&c->mutex);
}


static ngx_int_t
ngx_durable_sidecar_result(ngx_durable_link_t *l, dur_frame_t *f)
{
    uint64_t          v;
    dur_op_t          op;
    dur_str_t         id;
    ngx_int_t         rc;
    dur_frame_t       whole;
    dur_op_result_t  *r;

    rc = ngx_durable_link_body(l, f, DUR_TAG_ATTEMPT, NGX_DURABLE_BODY_MAX,
                               &whole);
    if (rc != NGX_OK) {
        return rc == NGX_AGAIN ? NGX_OK : NGX_ERROR;
    }

    if (dur_frame_get(&whole, DUR_TAG_ATTEMPT, &id) != DUR_OK
        || id.len != DUR_ATTEMPT_LEN)
    {
        return NGX_ERROR;
    }

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_RESULT;
    r = &op.result;

    r->item = dur_attempt_item(id.data);
    r->generation = dur_attempt_generation(id.data);
    r->body = whole.data;

    if (dur_frame_get_u64(&whole, DUR_TAG_STATUS, &v) == DUR_OK) {
        r->status = (uint16_t) v;
    }

    if (dur_frame_get_u64(&whole, DUR_TAG_ERROR_KIND, &v) == DUR_OK) {
        r->error_kind = (uint8_t) v;
    }

    if (dur_frame_get_u64(&whole, DUR_TAG_STARTED, &v) == DUR_OK) {
        r->started = (int64_t) v;
    }

    if (dur_frame_get_u64(&whole, DUR_TAG_DURATION, &v) == DUR_OK) {
        r->duration = v;
    }

    (void) dur_frame_get(&whole, DUR_TAG_ERROR, &r->error);
    (void) dur_frame_get(&whole, DUR_TAG_HEADERS, &r->headers);

    if (r->item & DUR_ITEM_EPHEMERAL) {
        ngx_durable_sync_result(r);
        return NGX_OK;
    }

    ngx_durable_sidecar_verify(r);

    rc = ngx_durable_internal(&op, 0);

    ngx_durable_sidecar_flow();

    return rc;
}


/*
 * SDKs with a signing key sign what they answer (protocol 7.2); an answer that
 * says so and is not what was signed is a failed attempt.  The instant is when
 * the answer came, which the sidecar knows: it may have kept it for long.
 */

static void
ngx_durable_sidecar_verify(dur_op_result_t *r)
{
    int64_t              at;
    dur_rc_t             rc;
    dur_str_t            signature, key, fallback;
    ngx_durable_conf_t  *conf;

    conf = ngx_durable_process.conf;

    /* the signature of a stream was made before its body was known */

    if (conf->dev || r->status == 0 || r->status == NGX_DURABLE_STREAMED) {
        return;
    }

    signature = dur_headers_get(r->headers, "x-inngest-signature");

    if (signature.len == 0) {
        return;
    }

    key = dur_str_make(conf->signing_key.data, conf->signing_key.len);
    fallback = dur_str_make(conf->signing_key_fallback.data,
                            conf->signing_key_fallback.len);

    at = (r->started + (int64_t) r->duration / 1000) / 1000;

    rc = dur_sign_verify(key, r->body, signature, at,
                         NGX_DURABLE_SIGNATURE_SKEW);

    if (rc == DUR_EACCES && fallback.len) {
        rc = dur_sign_verify(fallback, r->body, signature, at,
                             NGX_DURABLE_SIGNATURE_SKEW);
    }

    if (rc == DUR_OK) {
        return;
    }

    r->error = rc == DUR_ECONFLICT
               ? dur_str("the answer was signed more than 300 seconds from "
                         "now: the clocks of the app and the server differ")
               : dur_str("the signature of the answer does not fit the "
                         "answer and a signing key of this server");
    r->error_kind = DUR_CALL_EOTHER;
    r->status = 0;
    r->headers = dur_str_null;
    r->body = dur_str_null;
}


static void
ngx_durable_sidecar_log(dur_frame_t *f)
{
    uint64_t                 level;
    static const ngx_uint_t  levels[] = {
        NGX_LOG_ERR, NGX_LOG_WARN, NGX_LOG_NOTICE, NGX_LOG_INFO
    };

    if (dur_frame_get_u64(f, DUR_TAG_LEVEL, &level) != DUR_OK || level > 3) {
        level = 3;
    }

    ngx_log_error(levels[level], ngx_cycle->log, 0,
                  "durable: sidecar: %*s", f->data.len, f->data.data);
}


/*
 * A request that cannot be made is a failed attempt, not a lost one; the last
 * one when there is nothing that it could be made of.
 */

static void
ngx_durable_sidecar_failed(ngx_durable_lease_t *lease, u_char *text)
{
    dur_op_t  op;

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_RESULT;
    op.result.item = lease->item;
    op.result.generation = lease->generation;
    op.result.error_kind = lease->rc == DUR_ECORRUPT ? DUR_CALL_EGONE
                           : lease->rc == DUR_EINVAL ? DUR_CALL_EREQUEST
                                                     : DUR_CALL_EOTHER;
    op.result.started = ngx_durable_clock_now();
    op.result.error = text[0] != '\0'
                      ? dur_str_c((char *) text)
                      : lease->rc == DUR_ETOOBIG
                      ? dur_str("the request of this call is too large")
                      : dur_str("the request of this call could not be "
                                "made");

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "durable: the call of item %uL could not be made: %s",
                  lease->item, dur_strerror(lease->rc));

    (void) ngx_durable_internal(&op, 0);
}
