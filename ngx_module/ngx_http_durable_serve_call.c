
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Calls of functions (protocol 4): the memos of the run are in the body, what
 * is to be done next follows from them.
 */


#include "ngx_http_durable.h"
#include "engine/dur_forward.h"


/* As long as a step may take: the server that calls gives up earlier. */
#define NGX_HTTP_DURABLE_CALL_TIME   (2 * 60 * 60 * 1000)


static ngx_int_t ngx_http_durable_call_probe(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_uint_t *probe);
static ngx_int_t ngx_http_durable_call_function(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t id, const dur_served_call_t *call);
static ngx_int_t ngx_http_durable_call_route(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const dur_served_route_t *route,
    const dur_served_call_t *call);
static ngx_int_t ngx_http_durable_call_name(ngx_http_durable_ctx_t *ctx,
    const dur_served_route_t *route, dur_str_t *name);
static ngx_int_t ngx_http_durable_call_plan(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t name);
static ngx_int_t ngx_http_durable_call_memo(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const json_t *memo);
static ngx_int_t ngx_http_durable_call_ended(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_call_forward(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const dur_served_route_t *route,
    const dur_served_call_t *call, dur_str_t name);
static ngx_int_t ngx_http_durable_call_done(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_call_verdict(ngx_http_request_t *r,
    ngx_http_durable_served_t *served);
static ngx_int_t ngx_http_durable_call_retry(ngx_http_request_t *r,
    ngx_uint_t again);


ngx_int_t
ngx_http_durable_serve_call(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t body)
{
    ngx_int_t           rc;
    ngx_str_t           id;
    ngx_uint_t          probe;
    const char         *wrong;
    dur_served_call_t   call;

    rc = ngx_http_durable_call_probe(r, ctx, &probe);

    if (probe) {
        return rc;
    }

    if (ngx_http_durable_arg(r, "fnId", &id) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    wrong = dur_served_call_read(body, &call);

    if (wrong) {
        rc = ngx_http_durable_serve_error(r, ctx, NGX_HTTP_BAD_REQUEST,
                                          "invalid_request", "%s", wrong);
    } else {
        ctx->served->run = call.run;
        ctx->served->call = call.id;

        rc = ngx_http_durable_call_function(r, ctx,
                                            dur_str_make(id.data, id.len),
                                            &call);
    }

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


static ngx_int_t
ngx_http_durable_call_function(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t id, const dur_served_call_t *call)
{
    dur_buf_t            *b;
    dur_str_t             app;
    ngx_str_t             name;
    ngx_uint_t            i;
    dur_plan_def_t      **def;
    dur_served_route_t   *route;

    app = dur_str_make(ctx->served->serve->app.data,
                       ctx->served->serve->app.len);

    b = &ctx->conf->scratch.canonical;
    route = ctx->conf->functions.elts;

    for (i = 0; i < ctx->conf->functions.nelts; i++) {
        dur_buf_reset(b);

        if (dur_served_slug(app, route[i].connector, b) == DUR_OK
            && dur_str_eq(dur_buf_str(b), id))
        {
            return ngx_http_durable_call_route(r, ctx, &route[i], call);
        }
    }

    def = ctx->conf->workflows.elts;

    for (i = 0; i < ctx->conf->workflows.nelts; i++) {
        dur_buf_reset(b);

        if (dur_served_slug_of(app, def[i], b) == DUR_OK
            && dur_str_eq(dur_buf_str(b), id))
        {
            return ngx_http_durable_serve_flow(r, ctx, def[i], call);
        }
    }

    name.len = id.len;
    name.data = (u_char *) id.data;

    return ngx_http_durable_serve_error(r, ctx,
                                        NGX_HTTP_INTERNAL_SERVER_ERROR,
                                        "function_not_found",
                                        "this nginx has no function \"%V\" in "
                                        "the app \"%V\": sync the app again "
                                        "(PUT)", &name,
                                        &ctx->served->serve->app);
}


/* -- the function of a route ---------------------------------------------- */

/* One step, and its output is the function's. */

static ngx_int_t
ngx_http_durable_call_route(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const dur_served_route_t *route,
    const dur_served_call_t *call)
{
    json_t      *memo;
    dur_str_t    name;
    ngx_str_t    id;
    dur_hash_t   asked;
    ngx_uint_t   targeted;

    if (ngx_http_durable_call_name(ctx, route, &name) != NGX_OK
        || ngx_http_durable_arg(r, "stepId", &id) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    targeted = id.len && (id.len != 4
                          || ngx_strncmp(id.data, "step", 4) != 0);

    if (targeted
        && (dur_hash_parse(dur_str_make(id.data, id.len), &asked) != DUR_OK
            || ngx_memcmp(asked.b, ctx->served->step.b, DUR_HASH_LEN) != 0))
    {
        return ngx_http_durable_serve_missing(r, ctx, &id);
    }

    memo = dur_served_call_memo(call, &ctx->served->step);

    if (memo) {
        return ngx_http_durable_call_memo(r, ctx, memo);
    }

    if (dur_served_call_done(call, &ctx->served->step)) {
        return ngx_http_durable_call_ended(r, ctx);
    }

    if (call->plan && !targeted) {
        return ngx_http_durable_call_plan(r, ctx, name);
    }

    return ngx_http_durable_call_forward(r, ctx, route, call, name);
}


/* The name of the step, from the arena, and its hash. */

static ngx_int_t
ngx_http_durable_call_name(ngx_http_durable_ctx_t *ctx,
    const dur_served_route_t *route, dur_str_t *name)
{
    dur_arena_t  *arena;

    arena = &ctx->conf->scratch.arena;
    dur_arena_reset(arena);

    return dur_served_step(route->target, arena, name, &ctx->served->step)
           == DUR_OK ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_durable_call_plan(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t name)
{
    dur_buf_t  *b;

    b = &ctx->conf->scratch.text;
    dur_buf_reset(b);

    if (dur_served_write_plan(b, &ctx->served->step, name) != DUR_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_serve_send(r, ctx, NGX_HTTP_PARTIAL_CONTENT,
                                       dur_buf_str(b));
}


/* The server has the result already: the function ends with it. */

static ngx_int_t
ngx_http_durable_call_memo(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const json_t *memo)
{
    json_t     *data, *error;
    dur_buf_t  *b;

    data = json_object_get(memo, "data");
    error = json_object_get(memo, "error");

    if (json_object_size(memo) != 1) {
        data = NULL;
        error = NULL;
    }

    b = &ctx->conf->scratch.text;
    dur_buf_reset(b);

    if (dur_json_write(b, error ? error : data ? data : memo) != DUR_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return error ? ngx_http_durable_serve_final(r, ctx, dur_buf_str(b))
                 : ngx_http_durable_serve_send(r, ctx, NGX_HTTP_OK,
                                               dur_buf_str(b));
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
        return ngx_http_durable_serve_final(r, ctx, dur_buf_str(b));
    }

    return ngx_http_durable_serve_send(r, ctx, NGX_HTTP_OK,
                                       rc == DUR_OK && b->len
                                       ? dur_buf_str(b) : dur_str("null"));
}


static ngx_int_t
ngx_http_durable_call_forward(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const dur_served_route_t *route,
    const dur_served_call_t *call, dur_str_t name)
{
    dur_rc_t                  rc;
    dur_buf_t                 method, url, headers, *body;
    ngx_int_t                 n;
    dur_gateway_call_t        to;
    dur_served_request_t      request;
    ngx_http_durable_step_t  *step;

    step = ngx_pcalloc(r->pool, sizeof(ngx_http_durable_step_t));

    if (step == NULL
        || ngx_http_durable_relay_copy(r, name, &step->name) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    step->last = dur_served_call_last(call);

    body = &ctx->conf->scratch.text;
    dur_buf_reset(body);

    dur_buf_init(&method, DUR_GATEWAY_HEADERS);
    dur_buf_init(&url, 2 * DUR_GATEWAY_URL);
    dur_buf_init(&headers, 2 * DUR_GATEWAY_HEADERS);

    to.method = &method;
    to.url = &url;
    to.headers = &headers;
    to.body = body;

    rc = dur_forward_build(call->event, route->target, &to);

    if (rc == DUR_OK) {
        ngx_memzero(&request, sizeof(dur_served_request_t));

        request.timeout = route->timeout;
        request.method = dur_buf_str(&method);
        request.url = dur_buf_str(&url);
        request.headers = dur_buf_str(&headers);
        request.body = dur_buf_str(body);

        n = ngx_http_durable_serve_step(r, ctx, call, step, &request);

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


/* -- steps ---------------------------------------------------------------- */

/* Executes the request as served->step, and answers with what it brought. */

ngx_int_t
ngx_http_durable_serve_step(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const dur_served_call_t *call,
    ngx_http_durable_step_t *step, dur_served_request_t *request)
{
    ngx_http_durable_served_t  *served;

    served = ctx->served;

    served->run = call->run;
    served->call = call->id;
    served->timeout = NGX_HTTP_DURABLE_CALL_TIME;
    served->data = step;
    served->done = ngx_http_durable_call_done;

    request->app = dur_str_make(served->serve->app.data,
                                served->serve->app.len);

    return ngx_http_durable_serve_execute(r, ctx, request);
}


/* The result of the step, durable by now, in scratch.text. */

static ngx_int_t
ngx_http_durable_call_done(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    dur_buf_t                  *b;
    ngx_http_durable_step_t    *step;
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


ngx_int_t
ngx_http_durable_serve_missing(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_str_t *id)
{
    return ngx_http_durable_serve_error(r, ctx,
                                        NGX_HTTP_INTERNAL_SERVER_ERROR,
                                        "step_not_found",
                                        "Could not find step \"%V\": the "
                                        "function has no such step, or not "
                                        "now", id);
}


/* As an SDK whose function does not catch an error. */

ngx_int_t
ngx_http_durable_serve_final(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t error)
{
    if (ngx_http_durable_call_retry(r, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_serve_send(r, ctx, NGX_HTTP_BAD_REQUEST, error);
}
