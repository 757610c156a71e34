
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Asks apps to register (protocol 3.2, 3.7): those of the directives, those
 * the store knows, and those that were discovered.  All timers are
 * cancelable: a worker that exits does not wait for an app.
 */


#include "ngx_durable_process.h"

#include "engine/dur_app.h"
#include "engine/dur_json.h"
#include "engine/dur_query.h"
#include "engine/dur_sign.h"


#define NGX_DURABLE_SYNC_TIMEOUT  10000
#define NGX_DURABLE_SYNC_FIRST    500
#define NGX_DURABLE_SYNC_RETRY    5000
#define NGX_DURABLE_SYNC_STUCK    (NGX_DURABLE_SYNC_TIMEOUT * 2)
#define NGX_DURABLE_SYNC_APPS     (4 * 1024 * 1024)


static ngx_durable_target_t *ngx_durable_sync_target(dur_str_t url);
static void ngx_durable_sync_forget(void);
static void ngx_durable_sync_loaded(json_t *app);
static void ngx_durable_sync_schedule(ngx_durable_target_t *t);
static void ngx_durable_sync_arm(void);
static void ngx_durable_sync_handler(ngx_event_t *ev);
static void ngx_durable_sync_put(ngx_durable_target_t *t);
static dur_str_t ngx_durable_sync_outcome(dur_op_result_t *r, u_char *buf,
    size_t size);
static dur_str_t ngx_durable_sync_message(dur_str_t body, const char *code,
    u_char *buf, size_t size);
static void ngx_durable_sync_report(ngx_durable_target_t *t, dur_str_t error);


void
ngx_durable_sync_start(void)
{
    ngx_uint_t              i;
    ngx_durable_app_t      *app;
    ngx_durable_sync_t     *s;
    ngx_durable_target_t   *t;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;
    s = &dp->sync;

    ngx_memzero(s, sizeof(ngx_durable_sync_t));

    s->pool = ngx_create_pool(4096, ngx_cycle->log);
    if (s->pool == NULL) {
        return;
    }

    if (ngx_array_init(&s->targets, s->pool, 8, sizeof(ngx_durable_target_t))
        != NGX_OK)
    {
        ngx_destroy_pool(s->pool);
        s->pool = NULL;
        return;
    }

    s->timer.handler = ngx_durable_sync_handler;
    s->timer.data = &ngx_durable_process.idle;
    s->timer.log = ngx_cycle->log;
    s->timer.cancelable = 1;
    s->started = 1;

    app = dp->conf->apps.elts;

    for (i = 0; i < dp->conf->apps.nelts; i++) {
        t = ngx_durable_sync_target(dur_str_make(app[i].url.data,
                                                 app[i].url.len));
        if (t) {
            t->configured = 1;
        }
    }

    ngx_durable_discovery_start();
    ngx_durable_sync_reload();
}


void
ngx_durable_sync_stop(void)
{
    ngx_durable_sync_t  *s;

    s = &ngx_durable_process.sync;

    ngx_durable_discovery_stop();

    if (s->timer.timer_set) {
        ngx_del_timer(&s->timer);
    }

    if (s->pool) {
        ngx_destroy_pool(s->pool);
        s->pool = NULL;
    }

    s->started = 0;
}


/* The sidecar came or went. */

void
ngx_durable_sync_link(ngx_uint_t up)
{
    ngx_uint_t             i;
    ngx_durable_sync_t    *s;
    ngx_durable_target_t  *t;

    s = &ngx_durable_process.sync;

    if (!s->started) {
        return;
    }

    t = s->targets.elts;

    for (i = 0; i < s->targets.nelts; i++) {
        if (t[i].item) {

            /* its answer is lost with the link */

            t[i].item = 0;
            t[i].due = ngx_current_msec;
        }
    }

    ngx_durable_sync_arm();
    ngx_durable_discovery_link(up);
}


/* The registry changed: learn what it knows. */

void
ngx_durable_sync_reload(void)
{
    size_t                  i;
    json_t                 *apps;
    dur_buf_t               buf;
    dur_store_t            *store;
    ngx_durable_sync_t     *s;
    ngx_durable_target_t   *t;

    s = &ngx_durable_process.sync;
    store = ngx_durable_store();

    if (!s->started || store == NULL) {
        return;
    }

    dur_buf_init(&buf, NGX_DURABLE_SYNC_APPS);
    apps = NULL;

    if (dur_query_apps(store, &buf) == DUR_OK) {
        apps = dur_json_parse(dur_buf_str(&buf), NULL);
    }

    dur_buf_deinit(&buf);

    if (!json_is_array(apps)) {
        json_decref(apps);
        ngx_durable_sync_arm();
        return;
    }

    t = s->targets.elts;

    for (i = 0; i < s->targets.nelts; i++) {
        t[i].stored = 0;
    }

    for (i = 0; i < json_array_size(apps); i++) {
        ngx_durable_sync_loaded(json_array_get(apps, i));
    }

    json_decref(apps);

    ngx_durable_sync_forget();
    ngx_durable_sync_arm();
}


/* A discovered app: 1 when it is a new one. */

ngx_uint_t
ngx_durable_sync_add(ngx_str_t *url)
{
    ngx_uint_t             n;
    ngx_durable_sync_t    *s;
    ngx_durable_target_t  *t;

    s = &ngx_durable_process.sync;
    n = s->targets.nelts;

    t = ngx_durable_sync_target(dur_str_make(url->data, url->len));

    if (t == NULL) {
        return 0;
    }

    t->found = 1;
    ngx_durable_sync_arm();

    return s->targets.nelts > n;
}


void
ngx_durable_sync_result(dur_op_result_t *r)
{
    u_char                 buf[sizeof(((ngx_durable_target_t *) 0)->error)];
    dur_str_t              error;
    ngx_uint_t             i;
    ngx_durable_sync_t    *s;
    ngx_durable_target_t  *t;

    s = &ngx_durable_process.sync;

    if (!s->started) {
        return;
    }

    t = s->targets.elts;

    for (i = 0; i < s->targets.nelts; i++) {
        if (t[i].item == r->item) {
            break;
        }
    }

    if (i == s->targets.nelts) {
        ngx_durable_discovery_result(r);
        return;
    }

    t = &t[i];
    t->item = 0;

    error = ngx_durable_sync_outcome(r, buf, sizeof(buf));

    t->failed = (error.len != 0);

    ngx_durable_sync_report(t, error);
    ngx_durable_sync_schedule(t);
    ngx_durable_sync_arm();
}


/* The entry of a URL, a new one is due at once; NULL without memory or for
 * what is no URL. */

static ngx_durable_target_t *
ngx_durable_sync_target(dur_str_t url)
{
    dur_str_t              key;
    dur_arena_t            arena;
    ngx_uint_t             i;
    ngx_durable_sync_t    *s;
    ngx_durable_target_t  *t;

    s = &ngx_durable_process.sync;

    dur_arena_init(&arena);

    if (dur_app_url_normalize(url, &arena, &key) != DUR_OK) {
        dur_arena_deinit(&arena);
        return NULL;
    }

    t = s->targets.elts;

    for (i = 0; i < s->targets.nelts; i++) {
        if (t[i].key.len == key.len
            && ngx_memcmp(t[i].key.data, key.data, key.len) == 0)
        {
            dur_arena_deinit(&arena);
            return &t[i];
        }
    }

    t = ngx_array_push(&s->targets);

    if (t) {
        ngx_memzero(t, sizeof(ngx_durable_target_t));

        t->url.len = url.len;
        t->url.data = ngx_pnalloc(s->pool, url.len + key.len);

        if (t->url.data == NULL) {
            s->targets.nelts--;
            t = NULL;

        } else {
            ngx_memcpy(t->url.data, url.data, url.len);

            t->key.len = key.len;
            t->key.data = t->url.data + url.len;
            ngx_memcpy(t->key.data, key.data, key.len);

            t->due = ngx_current_msec;
        }
    }

    dur_arena_deinit(&arena);

    return t;
}


/* Drops what neither a directive nor the store names any more; what was found
 * gets into the store with its first answer. */

static void
ngx_durable_sync_forget(void)
{
    ngx_uint_t             i, n;
    ngx_durable_sync_t    *s;
    ngx_durable_target_t  *t;

    s = &ngx_durable_process.sync;
    t = s->targets.elts;
    n = 0;

    for (i = 0; i < s->targets.nelts; i++) {
        if (t[i].configured || t[i].stored || t[i].item
            || (t[i].found && !t[i].known))
        {
            if (n != i) {
                t[n] = t[i];
            }
            n++;
        }
    }

    s->targets.nelts = n;
}


static void
ngx_durable_sync_loaded(json_t *app)
{
    size_t                 n;
    dur_str_t              url, error;
    ngx_uint_t             syncing;
    ngx_durable_sync_t    *s;
    ngx_durable_target_t  *t;

    s = &ngx_durable_process.sync;

    if (dur_json_get_string(app, "url", &url) != DUR_OK || url.len == 0) {
        return;
    }

    /* they register nothing */

    if (json_is_true(json_object_get(app, "forward"))
        || json_is_true(json_object_get(app, "endpoint")))
    {
        return;
    }

    if (dur_json_get_string(app, "error", &error) != DUR_OK) {
        error = dur_str_null;
    }

    n = s->targets.nelts;
    t = ngx_durable_sync_target(url);

    if (t == NULL) {
        return;
    }

    t->stored = 1;
    t->known = 1;
    t->error_len = ngx_min(error.len, sizeof(t->error));
    ngx_memcpy(t->error, error.data, t->error_len);

    syncing = json_is_true(json_object_get(app, "syncing"));

    if (error.len == 0 && !syncing) {
        s->found = 1;
    }

    if (s->targets.nelts > n) {

        /* it registered by itself, or another leader knew it */

        t->failed = (error.len != 0);
        ngx_durable_sync_schedule(t);
    }

    if (syncing && !t->asked) {
        t->asked = 1;
        t->due = t->item ? t->due : ngx_current_msec;
    }
}


static void
ngx_durable_sync_schedule(ngx_durable_target_t *t)
{
    ngx_msec_t  interval;

    interval = ngx_durable_process.conf->poll_interval;

    if (t->failed) {

        /* it may be about to start */

        t->delay = t->delay ? ngx_min(t->delay * 2, NGX_DURABLE_SYNC_RETRY)
                            : NGX_DURABLE_SYNC_FIRST;

        interval = interval ? ngx_min(interval, t->delay) : t->delay;

    } else {
        t->delay = 0;

        if (interval == 0) {

            /* only those in error are asked again */

            t->due = 0;
            return;
        }
    }

    t->due = ngx_current_msec + interval;

    if (t->due == 0) {
        t->due = 1;
    }
}


static void
ngx_durable_sync_arm(void)
{
    ngx_msec_t              delay;
    ngx_uint_t              i, found;
    ngx_durable_sync_t     *s;
    ngx_durable_target_t   *t;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;
    s = &dp->sync;

    if (s->timer.timer_set) {
        ngx_del_timer(&s->timer);
    }

    if (dp->sidecar.link == NULL || !dp->sidecar.link->ready || ngx_exiting) {
        return;
    }

    t = s->targets.elts;
    delay = 0;
    found = 0;

    for (i = 0; i < s->targets.nelts; i++) {
        ngx_msec_int_t  left;

        if (t[i].due == 0) {
            continue;
        }

        left = (ngx_msec_int_t) (t[i].due - ngx_current_msec);
        left = ngx_max(left, 1);

        if (!found || (ngx_msec_t) left < delay) {
            delay = left;
            found = 1;
        }
    }

    if (found) {
        ngx_add_timer(&s->timer, delay);
    }
}


static void
ngx_durable_sync_handler(ngx_event_t *ev)
{
    ngx_uint_t             i;
    ngx_durable_sync_t    *s;
    ngx_durable_target_t  *t;

    s = &ngx_durable_process.sync;
    t = s->targets.elts;

    for (i = 0; i < s->targets.nelts; i++) {
        if (t[i].due
            && (ngx_msec_int_t) (t[i].due - ngx_current_msec) <= 0)
        {
            ngx_durable_sync_put(&t[i]);
        }
    }

    ngx_durable_sync_arm();
}


static void
ngx_durable_sync_put(ngx_durable_target_t *t)
{
    char                    signature[96];
    dur_buf_t               body, headers;
    ngx_durable_conf_t     *conf;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;
    conf = dp->conf;

    /* when this is due again the answer did not come */

    t->item = DUR_ITEM_EPHEMERAL | ++dp->sync.item;
    t->due = ngx_current_msec + NGX_DURABLE_SYNC_STUCK;

    dur_buf_init(&body, 8192);
    dur_buf_init(&headers, 1024);

    (void) dur_buf_addz(&body, "{\"url\":");
    (void) dur_json_write_string(&body, dur_str_make(t->url.data,
                                                     t->url.len));
    (void) dur_buf_addz(&body, "}");

    (void) dur_buf_addf(&headers, "content-type: application/json\n"
                                  "X-Inngest-Server-Kind: %s\n",
                        conf->dev ? "dev" : "cloud");

    if (!conf->dev && conf->signing_key.len) {
        dur_sign_request(dur_str_make(conf->signing_key.data,
                                      conf->signing_key.len),
                         dur_buf_str(&body), ngx_durable_clock_now() / 1000,
                         signature);
        (void) dur_buf_addf(&headers, "X-Inngest-Signature: %s\n",
                            signature);
    }

    if (!body.failed && !headers.failed) {
        (void) ngx_durable_sidecar_call(t->item, DUR_CALL_SYNC, "PUT",
                                        dur_str_make(t->url.data,
                                                     t->url.len),
                                        dur_buf_str(&headers),
                                        dur_buf_str(&body),
                                        NGX_DURABLE_SYNC_TIMEOUT);
    }

    dur_buf_deinit(&body);
    dur_buf_deinit(&headers);
}


/* What the user reads (protocol 3.7); empty when the app registered. */

static dur_str_t
ngx_durable_sync_outcome(dur_op_result_t *r, u_char *buf, size_t size)
{
    u_char  *p;

    if (r->status >= 200 && r->status < 300) {
        return dur_str_null;
    }

    switch (r->status) {

    case 0:
        return dur_str("unreachable");

    case 400:
        return ngx_durable_sync_message(r->body, "bad_request", buf, size);

    case 401:
        return dur_str("unauthorized");

    case 403:
        return dur_str("forbidden");

    case 404:
        return dur_str("url_not_found");

    case 500:
        /* where SDKs repeat why we refused the registration */
        return ngx_durable_sync_message(r->body, "internal_server_error", buf,
                                        size);

    default:
        p = ngx_snprintf(buf, size, "status %ui", (ngx_uint_t) r->status);
        return dur_str_make(buf, p - buf);
    }
}


static dur_str_t
ngx_durable_sync_message(dur_str_t body, const char *code, u_char *buf,
    size_t size)
{
    json_t     *json;
    dur_str_t   text;

    json = dur_json_parse(body, NULL);

    if (!json_is_object(json)
        || (dur_json_get_string(json, "message", &text) != DUR_OK
            && dur_json_get_string(json, "error", &text) != DUR_OK)
        || text.len == 0)
    {
        text = dur_str_c(code);
    }

    size = ngx_min(size, text.len);

    while (size < text.len && size && (text.data[size] & 0xc0) == 0x80) {
        size--;
    }

    ngx_memcpy(buf, text.data, size);

    json_decref(json);

    return dur_str_make(buf, size);
}


/* Only what changed is an op, and what somebody waits for. */

static void
ngx_durable_sync_report(ngx_durable_target_t *t, dur_str_t error)
{
    dur_op_t  op;

    if (error.len == 0) {
        error = dur_str("");
    }

    if (t->known && !t->asked && t->error_len == error.len
        && ngx_memcmp(t->error, error.data, error.len) == 0)
    {
        return;
    }

    t->known = 1;
    t->asked = 0;
    t->error_len = ngx_min(error.len, sizeof(t->error));
    ngx_memcpy(t->error, error.data, t->error_len);

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_SYNC;
    op.url = dur_str_make(t->url.data, t->url.len);
    op.error = error;

    (void) ngx_durable_internal(&op, 0);
}
