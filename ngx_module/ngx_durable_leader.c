
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * A leader's life: open the store and say the configuration, lead, hand over.
 * Nothing leaves this process for a batch before the batch was committed.
 */


#include "ngx_durable_process.h"

#include "engine/dur_realtime.h"
#include "engine/dur_app.h"
#include "engine/dur_json.h"


#define NGX_DURABLE_CONF_MAX  (4 * 1024 * 1024)


static dur_rc_t ngx_durable_leader_open(char *err, size_t size);
static dur_rc_t ngx_durable_leader_configure(char *err, size_t size);
static dur_rc_t ngx_durable_leader_first(dur_op_type_t type, dur_buf_t *body,
    dur_str_t *text);
static void ngx_durable_leader_routes(dur_buf_t *out);
static void ngx_durable_leader_workflows(dur_buf_t *out);
static void ngx_durable_leader_config(dur_config_t *config);
static void ngx_durable_leader_limit(dur_config_t *config,
    ngx_durable_app_t *app);
static void ngx_durable_leader_batches(ngx_durable_batch_t *b);
static void ngx_durable_leader_effects(dur_effect_t *effect);
static void ngx_durable_leader_log(dur_effect_t *effect);
static void ngx_durable_leader_finish(ngx_durable_list_t *ops);
static void ngx_durable_leader_failed(dur_rc_t rc);
static ngx_uint_t ngx_durable_leader_idle(void);
static void ngx_durable_leader_abandon(void);


/* The lock is held.  On failure everything but the lock is as before. */

dur_rc_t
ngx_durable_leader_start(void)
{
    char                    err[sizeof(ngx_durable_process.reason_text)];
    dur_rc_t                rc;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    /* a process opens a store once */

    if (dp->store) {
        dur_store_close(dp->store);
        dp->store = NULL;
    }

    ngx_durable_elect_guard(1);

    err[0] = '\0';
    rc = ngx_durable_leader_open(err, sizeof(err));

    if (rc != DUR_OK) {
        ngx_durable_elect_guard(0);
        ngx_durable_fail(rc, err);
        return rc;
    }

    dp->commit.engine = dp->engine;

    dp->caller.store = dur_engine_store(dp->engine);
    dp->caller.dev = dp->conf->dev;
    dp->caller.signing_key = dp->conf->dev
                             ? dur_str_null
                             : dur_str_make(dp->conf->signing_key.data,
                                            dp->conf->signing_key.len);
    dp->caller.served = dp->conf->served;
    dp->caller.secrets = dp->conf->secrets;

    if (ngx_durable_caller_start(&dp->caller) != NGX_OK
        || ngx_durable_commit_start(&dp->commit) != NGX_OK
        || ngx_durable_clock_open() != NGX_OK
        || ngx_durable_peer_listen() != NGX_OK)
    {
        ngx_durable_leader_stop();
        ngx_durable_fail(DUR_EIO, "the leader could not start");
        return DUR_EIO;
    }

    dp->role = NGX_DURABLE_LEADER;
    dp->yield = 0;
    dp->since = ngx_time();
    ngx_memzero(&dp->lag, sizeof(dur_histogram_t));

    ngx_durable_fail(DUR_OK, NULL);

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "durable: this worker leads, epoch %uL", dp->epoch);

    ngx_durable_follower_send_all();
    ngx_durable_kick();

    ngx_durable_clock_arm(dur_engine_next_due(dp->engine));
    ngx_durable_sidecar_start();
    ngx_durable_sync_start();

    /* what was published while nobody led */

    ngx_durable_realtime_tell();

    return DUR_OK;
}


/* Ends the threads and gives everything back, the lock last. */

void
ngx_durable_leader_stop(void)
{
    ngx_uint_t              i;
    ngx_durable_list_t      rest;
    ngx_durable_batch_t    *b;
    ngx_durable_commit_t   *c;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;
    c = &dp->commit;

    ngx_durable_sync_stop();
    ngx_durable_clock_close();
    ngx_durable_changes_stop();
    ngx_durable_peer_pause_all();

    ngx_durable_list_init(&rest);

    if (c->started) {

        if (ngx_durable_commit_stop(c) != NGX_OK) {
            ngx_durable_leader_abandon();
            return;
        }

        b = c->done;
        c->done = NULL;
        ngx_durable_leader_batches(b);

        if (c->inventory) {
            ngx_durable_list_push(&rest, c->inventory);
        }

        for (i = 0; i <= NGX_DURABLE_INGEST; i++) {
            ngx_durable_list_append(&rest, &c->queues[i]);
            ngx_durable_list_append(&rest, &dp->fresh[i]);
        }

        for (i = 0; i < NGX_DURABLE_BATCHES; i++) {
            dur_arena_deinit(&c->batches[i].arena);
        }

        dur_buf_deinit(&c->op);

        (void) pthread_cond_destroy(&c->cond);
        (void) pthread_mutex_destroy(&c->mutex);
    }

    ngx_durable_list_append(&rest, &dp->status);

    ngx_durable_caller_stop(&dp->caller);

    /* the last ACKs, then the last replies */

    ngx_durable_sidecar_stop();

    dp->role = NGX_DURABLE_FOLLOWER;

    ngx_durable_requeue(&rest);
    ngx_durable_peer_close_all();

    if (dp->engine) {
        dur_engine_close(dp->engine);
        dp->engine = NULL;
    }

    ngx_durable_elect_guard(0);

    if (dp->lock != NGX_INVALID_FILE) {
        (void) ngx_close_file(dp->lock);
        dp->lock = NGX_INVALID_FILE;
    }
}


/*
 * Steps down in good order: nothing new is taken, what was taken is committed
 * and answered.
 */

void
ngx_durable_leader_drain(void)
{
    ngx_durable_commit_t   *c;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;
    c = &dp->commit;

    ngx_durable_kick();

    dp->role = NGX_DURABLE_DRAINING;
    dp->drain_until = ngx_current_msec + NGX_DURABLE_DRAIN;

    ngx_durable_sync_stop();
    ngx_durable_clock_close();
    ngx_durable_sidecar_flow();
    ngx_durable_peer_pause_all();

    (void) pthread_mutex_lock(&c->mutex);
    c->drain = 1;
    (void) pthread_cond_signal(&c->cond);
    (void) pthread_mutex_unlock(&c->mutex);

    if (!dp->hold.timer_set) {
        ngx_add_timer(&dp->hold, 1000);
    }

    ngx_durable_leader_wake();
}


void
ngx_durable_leader_drained(void)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    ngx_durable_leader_stop();

    if (dp->yield) {
        dp->yield = 0;
        dp->yield_until = ngx_current_msec + NGX_DURABLE_NO_LEADER;
    }

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "durable: this worker leads no more");

    if (ngx_exiting && dp->nops == 0 && dp->hear == NULL) {

        if (dp->hold.timer_set) {
            ngx_del_timer(&dp->hold);
        }

        return;
    }

    dp->tries = 0;
    dp->lost_at = ngx_current_msec;
    ngx_durable_elect_later(1);
}


/*
 * The last commit takes too long.  A worker that exits leaves without its
 * answers, as soon as nginx lets it; another one cannot let go of the store.
 */

void
ngx_durable_leader_late(void)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (!ngx_durable_commit_busy(&dp->commit)) {
        ngx_durable_leader_drained();
        return;
    }

    if (ngx_exiting && !dp->abandoned) {
        dp->abandoned = 1;

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "durable: the last commit takes too long, "
                      "leaving without its answers");

        ngx_durable_expire(&dp->waiting, 1);
        ngx_durable_expire(&dp->own, 1);
    }
}


/*
 * The process ends while a commit hangs: that is no worse than a kill.  The
 * lock is freed with the process, when the commit is over.
 */

static void
ngx_durable_leader_abandon(void)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    __atomic_store_n(&dp->notified, 1, __ATOMIC_SEQ_CST);

    ngx_durable_caller_stop(&dp->caller);
    ngx_durable_sidecar_stop();
    ngx_durable_peer_close_all();

    dp->role = NGX_DURABLE_OFF;
}


/* The threads have something for us. */

void
ngx_durable_leader_wake(void)
{
    dur_rc_t                rc;
    ngx_durable_batch_t    *b, *last;
    ngx_durable_calls_t    *calls, *next;
    ngx_durable_commit_t   *c;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;
    c = &dp->commit;

    /* calls are taken first, so that their batches are there */

    calls = ngx_durable_caller_take(&dp->caller);

    (void) pthread_mutex_lock(&c->mutex);
    b = c->done;
    c->done = NULL;
    c->done_last = &c->done;
    (void) pthread_mutex_unlock(&c->mutex);

    rc = DUR_OK;

    if (b) {
        ngx_durable_leader_batches(b);

        for (last = b; last->next; last = last->next) { /* void */ }

        rc = last->fatal ? last->rc : DUR_OK;

        (void) pthread_mutex_lock(&c->mutex);

        last->next = c->free;
        c->free = b;

        if (c->idle) {
            (void) pthread_cond_signal(&c->cond);
        }

        (void) pthread_mutex_unlock(&c->mutex);
    }

    for ( /* void */ ; calls; calls = next) {
        next = calls->next;
        ngx_durable_sidecar_calls(calls);
        ngx_durable_caller_recycle(&dp->caller, calls);
    }

    if (rc != DUR_OK) {
        ngx_durable_leader_failed(rc);
        return;
    }

    if (dp->role == NGX_DURABLE_DRAINING) {

        if (ngx_durable_leader_idle()) {
            ngx_durable_leader_drained();
        }

        return;
    }

    ngx_durable_sidecar_flow();
}


static dur_rc_t
ngx_durable_leader_open(char *err, size_t size)
{
    dur_rc_t                rc;
    dur_engine_options_t    opt;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    ngx_memzero(&opt, sizeof(dur_engine_options_t));

    opt.path = (char *) dp->conf->path.data;
    opt.size = dp->conf->size;
    opt.async = dp->conf->async;
    opt.zone = ngx_durable_zone_read;
    ngx_durable_entropy(opt.store_id);

    rc = dur_engine_open(&dp->engine, &opt, err, size);

    if (rc != DUR_OK) {
        dp->engine = NULL;
        return rc;
    }

    dur_store_reader_check(dur_engine_store(dp->engine));
    dur_store_set_redact(dur_engine_store(dp->engine), dp->conf->redact);

    rc = ngx_durable_leader_configure(err, size);

    if (rc != DUR_OK) {
        dur_engine_close(dp->engine);
        dp->engine = NULL;
        return rc;
    }

    dur_engine_stat(dp->engine, &dp->stat);

    dp->epoch = dp->stat.epoch;
    ngx_memcpy(dp->store_id, dp->stat.store_id, sizeof(dp->store_id));

    return DUR_OK;
}


/*
 * CONFIG, ROUTES and WORKFLOWS are the first ops of every leader, committed
 * before anything else.
 */

static dur_rc_t
ngx_durable_leader_configure(char *err, size_t size)
{
    dur_rc_t       rc;
    dur_buf_t      blob;
    dur_str_t      text;
    dur_arena_t    arena;
    dur_config_t   config;
    dur_effect_t  *effects;
    dur_engine_t  *engine;

    engine = ngx_durable_process.engine;

    dur_buf_init(&blob, NGX_DURABLE_CONF_MAX);
    dur_arena_init(&arena);

    ngx_durable_leader_config(&config);

    text = dur_str_null;
    rc = dur_engine_begin(engine, ngx_durable_clock_now(), &arena);

    if (rc == DUR_OK) {
        rc = dur_config_encode(&config, &blob);

        if (rc == DUR_OK) {
            rc = ngx_durable_leader_first(DUR_OP_CONFIG, &blob, &text);
        }

        if (rc == DUR_OK) {
            dur_buf_reset(&blob);
            ngx_durable_leader_routes(&blob);
            rc = ngx_durable_leader_first(DUR_OP_ROUTES, &blob, &text);
        }

        if (rc == DUR_OK) {
            dur_buf_reset(&blob);
            ngx_durable_leader_workflows(&blob);
            rc = ngx_durable_leader_first(DUR_OP_WORKFLOWS, &blob, &text);
        }

        if (rc == DUR_OK) {
            rc = dur_engine_commit(engine, &effects);

        } else {
            dur_engine_abort(engine);
        }
    }

    if (rc == DUR_OK) {
        ngx_durable_leader_effects(effects);

    } else {
        (void) ngx_snprintf((u_char *) err, size,
                            "the configuration could not be stored: %s %*s%Z",
                            dur_strerror(rc), text.len, text.data);
    }

    dur_arena_deinit(&arena);
    dur_buf_deinit(&blob);

    return rc;
}


/* One of them, in the batch; text is what was answered when it failed. */

static dur_rc_t
ngx_durable_leader_first(dur_op_type_t type, dur_buf_t *body, dur_str_t *text)
{
    dur_rc_t     rc;
    dur_op_t     op;
    dur_buf_t    bytes;
    dur_reply_t  reply;

    ngx_memzero(&op, sizeof(dur_op_t));
    ngx_memzero(&reply, sizeof(dur_reply_t));

    op.type = type;
    op.body = dur_buf_str(body);
    ngx_durable_entropy(op.entropy);

    dur_buf_init(&bytes, body->len + 256);

    rc = body->failed ? DUR_ETOOBIG : dur_op_encode(&op, &bytes);

    if (rc == DUR_OK) {
        rc = dur_engine_apply(ngx_durable_process.engine, dur_buf_str(&bytes),
                              &reply);
    }

    dur_buf_deinit(&bytes);

    if (rc == DUR_OK && reply.rc != DUR_OK) {
        *text = reply.body;
        rc = reply.rc;
    }

    return rc;
}


/* The routes that forward, as the engine reads them. */

static void
ngx_durable_leader_routes(dur_buf_t *out)
{
    ngx_uint_t            i;
    ngx_durable_conf_t   *conf;
    ngx_durable_route_t  *route;

    conf = ngx_durable_process.conf;
    route = conf->routes.elts;

    (void) dur_buf_addc(out, '[');

    for (i = 0; i < conf->routes.nelts; i++) {
        (void) dur_buf_addz(out, i ? ",{\"connector\":" : "{\"connector\":");
        (void) dur_json_write_string(out,
                                     dur_str_make(route[i].connector.data,
                                                  route[i].connector.len));
        (void) dur_buf_addz(out, ",\"url\":");
        (void) dur_json_write_string(out, dur_str_make(route[i].url.data,
                                                       route[i].url.len));
        (void) dur_buf_addf(out, ",\"retries\":%lu,\"ordered\":%s,"
                                 "\"timeout\":%lu}",
                            (unsigned long) route[i].retries,
                            route[i].ordered ? "true" : "false",
                            (unsigned long) route[i].timeout);
    }

    (void) dur_buf_addc(out, ']');
}


/* The definitions of all workflows. */

static void
ngx_durable_leader_workflows(dur_buf_t *out)
{
    ngx_uint_t               i;
    ngx_durable_conf_t      *conf;
    ngx_durable_workflow_t  *workflow;

    conf = ngx_durable_process.conf;
    workflow = conf->workflows.elts;

    (void) dur_buf_addc(out, '[');

    for (i = 0; i < conf->workflows.nelts; i++) {
        (void) dur_buf_addz(out, i ? "," : "");
        (void) dur_buf_add(out, workflow[i].text.data, workflow[i].text.len);
    }

    (void) dur_buf_addc(out, ']');
}


static void
ngx_durable_leader_config(dur_config_t *config)
{
    ngx_uint_t           i;
    ngx_durable_app_t   *app;
    ngx_durable_conf_t  *conf;

    conf = ngx_durable_process.conf;

    dur_config_init(config);

    config->dev = conf->dev;
    config->retry_interval = conf->retry_interval;
    config->retention = (int64_t) conf->retention * 1000;

    if (conf->max_steps) {
        config->max_steps = conf->max_steps;
    }

    if (conf->concurrency) {
        config->max_concurrency = conf->concurrency;
    }

    app = conf->apps.elts;

    for (i = 0; i < conf->apps.nelts; i++) {
        if (app[i].max_calls != config->max_calls) {
            ngx_durable_leader_limit(config, &app[i]);
        }
    }
}


/* The app is known to the engine by its normalised URL. */

static void
ngx_durable_leader_limit(dur_config_t *config, ngx_durable_app_t *app)
{
    dur_rc_t     rc;
    dur_str_t    url;
    dur_arena_t  arena;

    dur_arena_init(&arena);

    rc = dur_app_url_normalize(dur_str_make(app->url.data, app->url.len),
                               &arena, &url);
    if (rc == DUR_OK) {
        rc = dur_config_app_add(config, url, app->max_calls);
    }

    dur_arena_deinit(&arena);

    if (rc != DUR_OK) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "durable: max_calls of durable_app \"%V\" is not "
                      "used: %s", &app->url,
                      rc == DUR_EFULL ? "too many apps have one"
                                      : dur_strerror(rc));
    }
}


static void
ngx_durable_leader_batches(ngx_durable_batch_t *b)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    for ( /* void */ ; b; b = b->next) {

        dp->stat = b->stat;

        if (b->nops || b->effects) {
            dp->batches++;
            dp->batch_ops = b->nops;
            dp->batch_us = b->us;
        }

        ngx_durable_leader_effects(b->effects);
        ngx_durable_leader_finish(&b->ops);

        if (dp->epoch != b->stat.epoch) {
            dp->epoch = b->stat.epoch;
            ngx_durable_sidecar_epoch();
        }

        ngx_durable_clock_arm(b->due);
    }
}


static void
ngx_durable_leader_effects(dur_effect_t *effect)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    for ( /* void */ ; effect; effect = effect->next) {

        switch (effect->type) {

        case DUR_EFFECT_ACK:
        case DUR_EFFECT_CANCEL:
            ngx_durable_sidecar_effect(effect);
            break;

        case DUR_EFFECT_FEED:
            ngx_durable_feed_notify(effect->text);
            break;

        case DUR_EFFECT_LOG:
            ngx_durable_leader_log(effect);
            break;

        case DUR_EFFECT_APPS:
            if (dp->role == NGX_DURABLE_LEADER) {
                ngx_durable_sync_reload();
            }
            break;

        case DUR_EFFECT_PUBLISH:
            ngx_durable_realtime_publish(DUR_REALTIME_DATA, effect->channel,
                                         effect->topic, effect->text);
            break;

        case DUR_EFFECT_CALL:
            /* the call thread has it */
            break;
        }
    }
}


static void
ngx_durable_leader_log(dur_effect_t *effect)
{
    static const ngx_uint_t  levels[] = {
        NGX_LOG_ERR, NGX_LOG_WARN, NGX_LOG_NOTICE, NGX_LOG_INFO
    };

    ngx_log_error(levels[ngx_min(effect->level, 3)], ngx_cycle->log, 0,
                  "durable: %*s", effect->text.len, effect->text.data);
}


static void
ngx_durable_leader_finish(ngx_durable_list_t *ops)
{
    ngx_durable_entry_t  *e;

    while ((e = ngx_durable_list_pop(ops)) != NULL) {

        if (ngx_durable_process.exited) {
            e->op = NULL;
        }

        ngx_durable_entry_finish(e);
    }
}


/* The store is damaged or its disk is gone: close, and try it anew. */

static void
ngx_durable_leader_failed(dur_rc_t rc)
{
    ngx_durable_leader_stop();
    ngx_durable_fail(rc, "");

    if (!ngx_exiting) {
        ngx_durable_elect_failed();
    }
}


static ngx_uint_t
ngx_durable_leader_idle(void)
{
    ngx_uint_t             n, idle;
    ngx_durable_batch_t   *b;
    ngx_durable_commit_t  *c;

    c = &ngx_durable_process.commit;
    n = 0;

    (void) pthread_mutex_lock(&c->mutex);

    for (b = c->free; b; b = b->next) {
        n++;
    }

    /* results that fail stay with the sidecar */

    idle = n == NGX_DURABLE_BATCHES
           && c->queues[NGX_DURABLE_CONTROL].first == NULL
           && c->queues[NGX_DURABLE_INGEST].first == NULL
           && ((c->queues[NGX_DURABLE_RESULT].first == NULL
                && c->inventory == NULL)
               || c->errors);

    (void) pthread_mutex_unlock(&c->mutex);

    return idle;
}
