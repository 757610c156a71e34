
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * What people and the dashboard watch (docs/rest.md): a run until it ends, one
 * function, figures of the newest runs, the state of the server.
 */


#include "ngx_http_durable.h"


#define NGX_HTTP_DURABLE_WAIT_LEAST    1000
#define NGX_HTTP_DURABLE_WAIT_MOST     300000

#define NGX_HTTP_DURABLE_WINDOW        3600000
#define NGX_HTTP_DURABLE_WINDOW_LEAST  60000
#define NGX_HTTP_DURABLE_WINDOW_MOST   86400000

/* How long figures are good. */
#define NGX_HTTP_DURABLE_FIGURES_AGE   2000


static ngx_int_t ngx_http_durable_run_try(ngx_http_request_t *r, void *data,
    ngx_uint_t last);
static ngx_int_t ngx_http_durable_arg_duration(ngx_http_request_t *r,
    const char *name, int64_t *ms);
static ngx_http_durable_figures_t *ngx_http_durable_figures_find(
    ngx_http_durable_figures_t *list, int64_t window);
static void ngx_http_durable_system_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);
static void ngx_http_durable_system_store(ngx_http_durable_ctx_t *ctx,
    dur_buf_t *b);
static void ngx_http_durable_system_server(ngx_http_durable_ctx_t *ctx,
    dur_buf_t *b);


/* GET /v1/runs/{id}?wait= */

ngx_int_t
ngx_http_durable_run_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    int64_t      ms;
    ngx_int_t    rc;
    dur_ulid_t  *run;

    rc = ngx_http_durable_arg_duration(r, "wait", &ms);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == NGX_DECLINED
        || (rc == NGX_OK && (ms < NGX_HTTP_DURABLE_WAIT_LEAST
                             || ms > NGX_HTTP_DURABLE_WAIT_MOST)))
    {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "wait must be a time from 1s to 5m");
    }

    run = ngx_palloc(r->pool, sizeof(dur_ulid_t));
    if (run == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == NGX_DONE || ngx_http_durable_id(r, ctx, run) != NGX_OK) {
        return ngx_http_durable_by_id(r, ctx, "run", 1, dur_query_run);
    }

    rc = ngx_http_durable_run_try(r, run, ngx_exiting || ngx_terminate);

    return rc == NGX_AGAIN
           ? ngx_http_durable_wait(r, (ngx_msec_t) ms,
                                   ngx_http_durable_run_try, run)
           : rc;
}


/* NGX_AGAIN: it lives.  A look is one lookup. */

static ngx_int_t
ngx_http_durable_run_try(ngx_http_request_t *r, void *data, ngx_uint_t last)
{
    dur_ulid_t *run = data;

    bool                     live;
    dur_store_t             *store;
    ngx_http_durable_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_durable_module);
    store = ngx_durable_store();

    if (!last) {

        if (store == NULL) {
            return NGX_AGAIN;
        }

        if (dur_query_live(store, run, &live) == DUR_OK && live) {
            return NGX_AGAIN;
        }
    }

    return ngx_http_durable_by_id(r, ctx, "run", 1, dur_query_run);
}


/* NGX_DONE: it is not there; NGX_DECLINED: it is no duration. */

static ngx_int_t
ngx_http_durable_arg_duration(ngx_http_request_t *r, const char *name,
    int64_t *ms)
{
    ngx_int_t  n;
    ngx_str_t  value;

    if (ngx_http_durable_arg(r, name, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.len == 0) {
        return NGX_DONE;
    }

    n = ngx_atoi(value.data, value.len);

    if (n != NGX_ERROR && n < 1000000) {
        *ms = (int64_t) n * 1000;
        return NGX_OK;
    }

    return dur_duration_parse(dur_str_make(value.data, value.len), ms)
           == DUR_OK ? NGX_OK : NGX_DECLINED;
}


/* GET /v1/functions/{slug} */

ngx_int_t
ngx_http_durable_function_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_rc_t      rc;
    ngx_str_t    *name;
    dur_store_t  *store;

    store = ngx_durable_store();

    if (store == NULL) {
        return ngx_http_durable_unavailable(r);
    }

    name = &ctx->args[0];

    rc = name->len ? dur_query_one_function(store,
                                            dur_str_make(name->data,
                                                         name->len),
                                            ngx_http_durable_answer(ctx, 1))
                   : DUR_ENOTFOUND;

    if (rc == DUR_ENOTFOUND) {
        return ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND,
                                      "there is no function \"%V\"", name);
    }

    return ngx_http_durable_found(r, ctx, rc, NULL, 1);
}


/* GET /v1/figures?window= */

ngx_int_t
ngx_http_durable_figures_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    int64_t                      ms;
    dur_rc_t                     rc;
    dur_buf_t                   *b;
    ngx_int_t                    n;
    ngx_time_t                  *tp;
    dur_store_t                 *store;
    ngx_http_durable_figures_t  *f;

    n = ngx_http_durable_arg_duration(r, "window", &ms);

    if (n == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (n == NGX_DONE) {
        ms = NGX_HTTP_DURABLE_WINDOW;
    }

    if (n == NGX_DECLINED || ms < NGX_HTTP_DURABLE_WINDOW_LEAST
        || ms > NGX_HTTP_DURABLE_WINDOW_MOST)
    {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "window must be a time from 1m to 24h");
    }

    store = ngx_durable_store();

    if (store == NULL) {
        return ngx_http_durable_unavailable(r);
    }

    b = ngx_http_durable_answer(ctx, 1);
    f = ngx_http_durable_figures_find(ctx->conf->scratch.figures, ms);

    if (f->text.len == 0) {
        tp = ngx_timeofday();

        rc = dur_query_figures(store, (int64_t) tp->sec * 1000 + tp->msec, ms,
                               &f->text);
        if (rc != DUR_OK) {
            return ngx_http_durable_error_rc(r, rc);
        }

        f->window = ms;
        f->made = ngx_current_msec;
    }

    (void) dur_buf_adds(b, dur_buf_str(&f->text));

    return ngx_http_durable_found(r, ctx, DUR_OK, NULL, 1);
}


/* Those of the window; or an empty place, that of the oldest if need be. */

static ngx_http_durable_figures_t *
ngx_http_durable_figures_find(ngx_http_durable_figures_t *list,
    int64_t window)
{
    ngx_uint_t                   i;
    ngx_http_durable_figures_t  *f, *place;

    place = list;

    for (i = 0; i < NGX_HTTP_DURABLE_FIGURES; i++) {
        f = &list[i];

        if (ngx_current_msec - f->made >= NGX_HTTP_DURABLE_FIGURES_AGE) {
            dur_buf_reset(&f->text);
        }

        if (f->text.len && f->window == window) {
            return f;
        }

        if (place->text.len
            && (f->text.len == 0
                || (ngx_msec_int_t) (f->made - place->made) < 0))
        {
            place = f;
        }
    }

    dur_buf_reset(&place->text);

    return place;
}


/* GET /v1/system */

ngx_int_t
ngx_http_durable_system_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_op_t  op;

    ngx_memzero(&op, sizeof(dur_op_t));

    op.type = DUR_OP_STATUS;
    op.budget = DUR_OP_FORM_SYSTEM;

    return ngx_http_durable_submit(r, ctx, &op,
                                   ngx_http_durable_system_reply);
}


static void
ngx_http_durable_system_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply)
{
    dur_buf_t  *b;
    ngx_int_t   n;

    if (rc == DUR_OK && (reply->body.len == 0 || reply->body.data[0] != '{')) {

        /* a leader of another version */

        rc = DUR_EBUSY;
    }

    if (rc != DUR_OK) {
        n = (rc == DUR_EBUSY)
            ? ngx_http_durable_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                     "no worker leads now")
            : ngx_http_durable_error_rc(r, rc);

        ngx_http_finalize_request(r, n);
        return;
    }

    b = ngx_http_durable_answer(ctx, 1);

    (void) dur_buf_adds(b, reply->body);
    ngx_http_durable_system_store(ctx, b);
    ngx_http_durable_system_server(ctx, b);
    (void) dur_buf_addc(b, '}');

    ngx_http_finalize_request(r, ngx_http_durable_found(r, ctx, DUR_OK, NULL,
                                                        1));
}


/* Of the path only the last part is told. */

static void
ngx_http_durable_system_store(ngx_http_durable_ctx_t *ctx, dur_buf_t *b)
{
    u_char              *p, *last;
    size_t               len;
    dur_store_t         *store;
    ngx_durable_conf_t  *conf;

    conf = &ctx->conf->durable;
    last = conf->path.data + conf->path.len;

    for (p = last; p > conf->path.data && p[-1] != '/'; p--) { /* void */ }

    (void) dur_buf_addz(b, ",\"store\":{\"name\":");
    (void) dur_json_write_string(b, dur_str_make(p, last - p));
    (void) dur_buf_addf(b, ",\"durability\":\"%s\",\"retention_s\":",
                        conf->async ? "async" : "sync");

    if (conf->retention) {
        (void) dur_buf_addf(b, "%lu", (unsigned long) conf->retention);
    } else {
        (void) dur_buf_addz(b, "null");
    }

    (void) dur_buf_addz(b, ",\"contents\":");

    store = ngx_durable_store();
    len = b->len;

    if (store == NULL || dur_query_system(store, b) != DUR_OK) {
        b->len = len;
        (void) dur_buf_addz(b, "null");
    }

    (void) dur_buf_addc(b, '}');
}


static void
ngx_http_durable_system_server(ngx_http_durable_ctx_t *ctx, dur_buf_t *b)
{
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                           ngx_core_module);

    (void) dur_buf_addf(b, ",\"versions\":{\"nginx\":\"" NGINX_VERSION "\","
                        "\"module\":\"" NGX_HTTP_DURABLE_VERSION "\","
                        "\"lmdb\":\"%s\"},\"mode\":\"%s\",\"workers\":%ld,"
                        "\"worker\":{\"pid\":%ld,\"uptime_s\":%ld}",
                        dur_store_version(),
                        ctx->conf->durable.dev ? "dev" : "production",
                        (long) ccf->worker_processes, (long) ngx_pid,
                        (long) (ngx_time() - ngx_durable_started()));
}
