
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Calls of workflows: what comes next is planned from the memos in the call,
 * and a step that is to run now is executed.
 */


#include "ngx_http_durable.h"
#include "engine/dur_served_plan.h"


static ngx_int_t ngx_http_durable_flow_next(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_served_plan_t *plan,
    dur_served_next_t *next);
static ngx_int_t ngx_http_durable_flow_run(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_served_plan_t *plan, dur_plan_op_t *op);
static ngx_int_t ngx_http_durable_flow_refuse(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_served_plan_t *plan, dur_plan_op_t *op,
    const char *text);


ngx_int_t
ngx_http_durable_serve_flow(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const dur_plan_def_t *def,
    const dur_served_call_t *call)
{
    ngx_str_t           id;
    ngx_uint_t          targeted;
    ngx_time_t         *tp;
    dur_hash_t          step;
    dur_served_plan_t   plan;
    dur_served_next_t   next;

    if (ngx_http_durable_arg(r, "stepId", &id) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    targeted = id.len && (id.len != 4
                          || ngx_strncmp(id.data, "step", 4) != 0);

    if (targeted
        && dur_hash_parse(dur_str_make(id.data, id.len), &step) != DUR_OK)
    {
        return ngx_http_durable_serve_missing(r, ctx, &id);
    }

    tp = ngx_timeofday();

    ngx_memzero(&plan, sizeof(dur_served_plan_t));

    plan.def = def;
    plan.call = call;
    plan.app = dur_str_make(ctx->served->serve->app.data,
                            ctx->served->serve->app.len);
    plan.defs = ctx->conf->workflows.elts;
    plan.ndefs = ctx->conf->workflows.nelts;
    plan.now_ms = (int64_t) tp->sec * 1000 + tp->msec;
    plan.arena = &ctx->conf->scratch.arena;

    dur_arena_reset(plan.arena);

    if (dur_served_plan(&plan, targeted ? &step : NULL, &next) != DUR_OK) {
        return ngx_http_durable_error_rc(r, DUR_ENOMEM);
    }

    return next.kind == DUR_SERVED_MISSING
           ? ngx_http_durable_serve_missing(r, ctx, &id)
           : ngx_http_durable_flow_next(r, ctx, &plan, &next);
}


static ngx_int_t
ngx_http_durable_flow_next(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_served_plan_t *plan,
    dur_served_next_t *next)
{
    switch (next->kind) {

    case DUR_SERVED_OPS:
        return ngx_http_durable_serve_send(r, ctx, NGX_HTTP_PARTIAL_CONTENT,
                                           next->text);

    case DUR_SERVED_COMPLETED:
        return ngx_http_durable_serve_send(r, ctx, NGX_HTTP_OK,
                                           next->text.len ? next->text
                                                          : dur_str("null"));

    case DUR_SERVED_ENDED:
        return ngx_http_durable_serve_final(r, ctx, next->text);

    case DUR_SERVED_EXECUTE:
        return ngx_http_durable_flow_run(r, ctx, plan, &next->op);

    default:
        return ngx_http_durable_serve_final(r, ctx,
                   dur_plan_error(plan->arena, "StateTooLarge",
                                  dur_str("the outputs of the steps are more "
                                          "than the server sends with a "
                                          "call, and nginx does not ask for "
                                          "the rest")));
    }
}


static ngx_int_t
ngx_http_durable_flow_run(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_served_plan_t *plan, dur_plan_op_t *op)
{
    char                      err[256];
    dur_rc_t                  rc;
    dur_buf_t                 method, url, headers, *body;
    ngx_int_t                 n;
    dur_str_t                 api;
    dur_gateway_call_t        to;
    dur_served_request_t      request;
    ngx_http_durable_step_t  *step;

    if (op->at.node->exec) {
        return ngx_http_durable_flow_refuse(r, ctx, plan, op, "programs are "
                                            "not run for another server");
    }

    step = ngx_pcalloc(r->pool, sizeof(ngx_http_durable_step_t));

    if (step == NULL
        || ngx_http_durable_relay_copy(r, op->name, &step->name) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    step->last = dur_served_call_last(plan->call)
                 || (op->at.node->kind == DUR_PLAN_STEP
                     && plan->call->attempt >= op->at.node->retries);

    ctx->served->step = op->id;

    body = &ctx->conf->scratch.text;
    dur_buf_reset(body);

    dur_buf_init(&method, DUR_GATEWAY_HEADERS);
    dur_buf_init(&url, 2 * DUR_GATEWAY_URL);
    dur_buf_init(&headers, 2 * DUR_GATEWAY_HEADERS);

    to.method = &method;
    to.url = &url;
    to.headers = &headers;
    to.body = body;

    api = dur_str_make(ctx->served->serve->events.data,
                       ctx->served->serve->events.len);

    rc = dur_served_plan_request(plan, op, api, &to, &request, err);

    if (rc == DUR_OK) {
        n = ngx_http_durable_serve_step(r, ctx, plan->call, step, &request);

    } else if (rc == DUR_ENOMEM) {
        n = ngx_http_durable_error_rc(r, DUR_ENOMEM);

    } else {
        n = ngx_http_durable_flow_refuse(r, ctx, plan, op, err);
    }

    dur_buf_deinit(&method);
    dur_buf_deinit(&url);
    dur_buf_deinit(&headers);

    return n;
}


/* No attempt would succeed. */

static ngx_int_t
ngx_http_durable_flow_refuse(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_served_plan_t *plan, dur_plan_op_t *op,
    const char *text)
{
    dur_str_t  message;

    message = dur_plan_message(op->at.node, plan->arena, text);

    return ngx_http_durable_serve_final(r, ctx,
                                        dur_plan_error(plan->arena,
                                                       "StepError", message));
}
