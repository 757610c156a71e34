
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Calls of functions (protocol 4): the memos of the run are in the body, what
 * is to be done next follows from them.
 */


#include "ngx_http_durable.h"
#include "engine/dur_forward.h"
#include "engine/dur_served_call.h"


/* As long as a step may take: the server that calls gives up earlier. */
#define NGX_HTTP_DURABLE_CALL_TIME   (2 * 60 * 60 * 1000)


/* A call of a route's function. */
typedef struct {
    const dur_served_route_t    *route;
    ngx_str_t                    name;      /* of its step */
    ngx_uint_t                   last;      /* attempt */
} ngx_http_durable_call_t;


static ngx_int_t ngx_http_durable_call_probe(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_uint_t *probe);
static const dur_served_route_t *ngx_http_durable_call_find(
    ngx_http_durable_ctx_t *ctx, ngx_str_t *id);
static ngx_int_t ngx_http_durable_call_route(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const dur_served_route_t *route,
    dur_served_call_t *call);
static ngx_int_t ngx_http_durable_call_step(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_http_durable_call_t *step);
static ngx_int_t ngx_http_durable_call_wanted(ngx_http_durable_ctx_t *ctx,
    ngx_str_t *id);
static ngx_int_t ngx_http_durable_call_memo(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const json_t *memo);
static ngx_int_t ngx_http_durable_call_error(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const json_t *error);
static ngx_int_t ngx_http_durable_call_execute(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_http_durable_call_t *step,
    dur_served_call_t *call);
static ngx_int_t ngx_http_durable_call_done(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_call_verdict(ngx_http_request_t *r,
    ngx_http_durable_served_t *served);
static ngx_int_t ngx_http_durable_call_ended(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_call_retry(ngx_http_request_t *r,
    ngx_uint_t again);


ngx_int_t
ngx_http_durable_serve_call(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t body)
{
    ngx_int_t                  rc;
    ngx_str_t                  id;
    ngx_uint_t                 probe;
    const char                *wrong;
    dur_served_call_t          call;
    const dur_served_route_t  *route;

    rc = ngx_http_durable_call_probe(r, ctx, &probe);

    if (probe) {
        return rc;
    }

    if (ngx_http_durable_arg(r, "fnId", &id) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    route = ngx_http_durable_call_find(ctx, &id);

    if (route == NULL) {
        return ngx_http_durable_serve_error(r, ctx,
                                            NGX_HTTP_INTERNAL_SERVER_ERROR,
                                            "function_not_found",
                                            "this nginx has no function "
                                            "\"%V\" in the app \"%V\": sync "
                                            "the app again (PUT)",
                                            &id, &ctx->served->serve->app);
    }

    wrong = dur_served_call_read(body, &call);

    rc = wrong ? ngx_http_durable_serve_error(r, ctx, NGX_HTTP_BAD_REQUEST,
                                              "invalid_request", "%s", wrong)
               : ngx_http_durable_call_route(r, ctx, route, &call);

    dur_served_call_free(&call);

    return rc;
}


/* POST ?probe=trust: whether both sides have the same key. */

static ngx_int_t
ngx_http_durable_call_probe(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_uint_t *probe)
{
    ngx_str_t  value;

    *probe = ngx_http_durable_arg(r, "probe", &value) == NGX_OK && value.len;

    if (!*probe) {
        return NGX_OK;
    }

    if (value.len != 5 || ngx_strncmp(value.data, "trust", 5) != 0) {
        return ngx_http_durable_serve_error(r, ctx, NGX_HTTP_BAD_REQUEST,
                                            "invalid_request",
                                            "\"trust\" is the only probe");
    }

    return ngx_http_durable_serve_send(r, ctx, NGX_HTTP_OK, dur_str_null);
}


static const dur_served_route_t *
ngx_http_durable_call_find(ngx_http_durable_ctx_t *ctx, ngx_str_t *id)
{
    dur_buf_t           *b;
    dur_str_t            app;
    ngx_uint_t           i;
    dur_served_route_t  *route;

    app = dur_str_make(ctx->served->serve->app.data,
                       ctx->served->serve->app.len);

    b = &ctx->conf->scratch.canonical;
    route = ctx->conf->functions.elts;

    for (i = 0; i < ctx->conf->functions.nelts; i++) {
        dur_buf_reset(b);

        if (dur_served_slug(app, route[i].connector, b) == DUR_OK
            && dur_str_eq(dur_buf_str(b), dur_str_make(id->data, id->len)))
        {
            return &route[i];
        }
    }

    return NULL;
}


/* -- the function of a route ---------------------------------------------- */

/* One step, and its output is the function's. */

static ngx_int_t
ngx_http_durable_call_route(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const dur_served_route_t *route,
    dur_served_call_t *call)
{
    json_t                   *memo;
    dur_buf_t                *b;
    ngx_str_t                 id;
    ngx_uint_t                targeted;
    ngx_http_durable_call_t  *step;

    step = ngx_pcalloc(r->pool, sizeof(ngx_http_durable_call_t));
    if (step == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    step->route = route;

    if (ngx_http_durable_call_step(r, ctx, step) != NGX_OK
        || ngx_http_durable_arg(r, "stepId", &id) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    targeted = id.len && (id.len != 4
                          || ngx_strncmp(id.data, "step", 4) != 0);

    if (targeted && ngx_http_durable_call_wanted(ctx, &id) != NGX_OK) {
        return ngx_http_durable_serve_error(r, ctx,
                                            NGX_HTTP_INTERNAL_SERVER_ERROR,
                                            "step_not_found",
                                            "Could not find step \"%V\": the "
                                            "only one is \"%V\"", &id,
                                            &step->name);
    }

    memo = dur_served_call_memo(call, &ctx->served->step);

    if (memo) {
        return ngx_http_durable_call_memo(r, ctx, memo);
    }

    if (dur_served_call_done(call, &ctx->served->step)) {
        ctx->served->run = call->run;
        return ngx_http_durable_call_ended(r, ctx);
    }

    step->last = dur_served_call_last(call);

    if (call->plan && !targeted) {

        b = &ctx->conf->scratch.text;
        dur_buf_reset(b);

        if (dur_served_write_plan(b, &ctx->served->step,
                                  dur_str_make(step->name.data,
                                               step->name.len))
            != DUR_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_durable_serve_send(r, ctx, NGX_HTTP_PARTIAL_CONTENT,
                                           dur_buf_str(b));
    }

    return ngx_http_durable_call_execute(r, ctx, step, call);
}


static ngx_int_t
ngx_http_durable_call_step(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_http_durable_call_t *step)
{
    dur_rc_t      rc;
    dur_str_t     name;
    dur_arena_t  *arena;

    arena = &ctx->conf->scratch.arena;
    dur_arena_reset(arena);

    rc = dur_served_step(step->route->target, arena, &name,
                         &ctx->served->step);

    return rc == DUR_OK ? ngx_http_durable_relay_copy(r, name, &step->name)
                        : NGX_ERROR;
}


/* The step that the call names, if it names one, must be the one there is. */

static ngx_int_t
ngx_http_durable_call_wanted(ngx_http_durable_ctx_t *ctx, ngx_str_t *id)
{
    char  text[DUR_HASH_TEXT_LEN + 1];

    dur_hash_text(&ctx->served->step, text);

    return (id->len == DUR_HASH_TEXT_LEN
            && ngx_strncmp(id->data, text, DUR_HASH_TEXT_LEN) == 0)
           ? NGX_OK : NGX_DECLINED;
}


/* The server has the result already: the function ends with it. */

static ngx_int_t
ngx_http_durable_call_memo(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const json_t *memo)
{
    json_t       *data, *error;
    dur_buf_t    *b;

    error = json_object_get(memo, "error");

    if (json_object_size(memo) == 1 && error) {
        return ngx_http_durable_call_error(r, ctx, error);
    }

    data = json_object_get(memo, "data");

    b = &ctx->conf->scratch.text;
    dur_buf_reset(b);

    if (dur_json_write(b, (json_object_size(memo) == 1 && data) ? data : memo)
        != DUR_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_serve_send(r, ctx, NGX_HTTP_OK, dur_buf_str(b));
}


/* As an SDK whose function does not catch the error of its step. */

static ngx_int_t
ngx_http_durable_call_error(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const json_t *error)
{
    dur_buf_t  *b;

    b = &ctx->conf->scratch.text;
    dur_buf_reset(b);

    if (dur_json_write(b, error) != DUR_OK
        || ngx_http_durable_call_retry(r, 0) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_serve_send(r, ctx, NGX_HTTP_BAD_REQUEST,
                                       dur_buf_str(b));
}


/* -- the step ------------------------------------------------------------- */

static ngx_int_t
ngx_http_durable_call_execute(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_http_durable_call_t *step,
    dur_served_call_t *call)
{
    dur_rc_t                     rc;
    dur_buf_t                    method, url, headers, *body;
    ngx_int_t                    n;
    dur_gateway_call_t           request;
    dur_served_request_t         served;

    ctx->served->run = call->run;
    ctx->served->call = call->id;
    ctx->served->timeout = NGX_HTTP_DURABLE_CALL_TIME;
    ctx->served->data = step;
    ctx->served->done = ngx_http_durable_call_done;

    body = &ctx->conf->scratch.text;
    dur_buf_reset(body);

    dur_buf_init(&method, DUR_GATEWAY_HEADERS);
    dur_buf_init(&url, 2 * DUR_GATEWAY_URL);
    dur_buf_init(&headers, 2 * DUR_GATEWAY_HEADERS);

    request.method = &method;
    request.url = &url;
    request.headers = &headers;
    request.body = body;

    rc = dur_forward_build(call->event, step->route->target, &request);

    if (rc == DUR_OK) {
        served.auth = DUR_SERVED_NO_KEY;
        served.timeout = step->route->timeout;
        served.app = dur_str_make(ctx->served->serve->app.data,
                                  ctx->served->serve->app.len);
        served.method = dur_buf_str(&method);
        served.url = dur_buf_str(&url);
        served.headers = dur_buf_str(&headers);
        served.body = dur_buf_str(body);

        n = ngx_http_durable_serve_execute(r, ctx, &served);

    } else if (ngx_http_durable_call_retry(r, 0) != NGX_OK) {
        n = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else {
        n = ngx_http_durable_serve_error(r, ctx, NGX_HTTP_BAD_REQUEST,
                                         "invalid_event",
                                         "the event is no webhook that can be "
                                         "sent on: %s", dur_strerror(rc));
    }

    dur_buf_deinit(&method);
    dur_buf_deinit(&url);
    dur_buf_deinit(&headers);

    return n;
}


/* The result of the step, durable by now, in scratch.text. */

static ngx_int_t
ngx_http_durable_call_done(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_buf_t                  *b;
    ngx_http_durable_call_t    *step;
    ngx_http_durable_served_t  *served;

    served = ctx->served;
    step = served->data;

    if (served->result.state == DUR_SERVED_FAILED && step->last) {
        served->result.state = DUR_SERVED_FINAL;
    }

    b = &ctx->conf->scratch.canonical;
    dur_buf_reset(b);

    if (dur_served_write_result(b, &served->step,
                                dur_str_make(step->name.data, step->name.len),
                                &served->result,
                                dur_buf_str(&ctx->conf->scratch.text))
        != DUR_OK
        || ngx_http_durable_call_verdict(r, served) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_serve_send(r, ctx, NGX_HTTP_PARTIAL_CONTENT,
                                       dur_buf_str(b));
}


/* Whether, and when, the server shall call again. */

static ngx_int_t
ngx_http_durable_call_verdict(ngx_http_request_t *r,
    ngx_http_durable_served_t *served)
{
    u_char     *p;
    int64_t     left;
    ngx_str_t   text;

    if (served->result.state == DUR_SERVED_DONE) {
        return NGX_OK;
    }

    if (served->result.state == DUR_SERVED_FINAL) {
        return ngx_http_durable_call_retry(r, 0);
    }

    left = served->result.retry_at - (int64_t) ngx_time() * 1000;

    if (served->result.retry_at && left > 0) {

        p = ngx_pnalloc(r->pool, NGX_INT64_LEN);
        if (p == NULL) {
            return NGX_ERROR;
        }

        text.data = p;
        text.len = ngx_sprintf(p, "%L", (left + 999) / 1000) - p;

        if (ngx_http_durable_header(r, "Retry-After", &text) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_durable_call_retry(r, 1);
}


/* The step is done, says the server, but its memo did not fit into the call:
 * most often it is still here. */

static ngx_int_t
ngx_http_durable_call_ended(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_rc_t                    rc;
    dur_buf_t                  *b;
    dur_store_t                *store;
    ngx_http_durable_served_t  *served;

    served = ctx->served;

    store = ngx_durable_store();

    if (store == NULL) {
        return ngx_http_durable_unavailable(r);
    }

    b = &ctx->conf->scratch.text;
    dur_buf_reset(b);

    rc = dur_served_find(store, &served->run, &served->step, &served->result,
                         b);

    if (rc == DUR_OK && (served->result.state == DUR_SERVED_FAILED
                         || served->result.state == DUR_SERVED_FINAL))
    {
        if (ngx_http_durable_call_retry(r, 0) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_durable_serve_send(r, ctx, NGX_HTTP_BAD_REQUEST,
                                           dur_buf_str(b));
    }

    return ngx_http_durable_serve_send(r, ctx, NGX_HTTP_OK,
                                       rc == DUR_OK && b->len
                                       ? dur_buf_str(b) : dur_str("null"));
}


static ngx_int_t
ngx_http_durable_call_retry(ngx_http_request_t *r, ngx_uint_t again)
{
    ngx_str_t  value;

    ngx_str_set(&value, "true");

    if (again) {
        ngx_str_set(&value, "false");
    }

    return ngx_http_durable_header(r, "X-Inngest-No-Retry", &value);
}
