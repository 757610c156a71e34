
/*
 * Copyright (C) the nginx-durable authors
 */


#include "ngx_http_durable_dashboard.h"


static ngx_int_t ngx_http_durable_dispatch(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_options(ngx_http_request_t *r,
    ngx_uint_t allowed);
static ngx_int_t ngx_http_durable_methods(ngx_http_request_t *r,
    ngx_uint_t allowed, ngx_str_t *list);
static ngx_int_t ngx_http_durable_later_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);


#define NGX_HTTP_DURABLE_READS_BODY(h)                                        \
    ((h) == ngx_http_durable_event_handler                                    \
     || (h) == ngx_http_durable_invoke_handler                                \
     || (h) == ngx_http_durable_register_handler                              \
     || (h) == ngx_http_durable_checkpoint_handler                            \
     || (h) == ngx_http_durable_signal_handler                                \
     || (h) == ngx_http_durable_rerun_handler                                 \
     || (h) == ngx_http_durable_cancellation_handler                          \
     || (h) == ngx_http_durable_endpoint_handler                              \
     || (h) == ngx_http_durable_redeliver_many_handler                        \
     || (h) == ngx_http_durable_add_app_handler                               \
     || (h) == ngx_http_durable_bulk_begin_handler                            \
     || (h) == ngx_http_durable_metadata_handler                              \
     || (h) == ngx_http_durable_publish_handler                               \
     || (h) == ngx_http_durable_tee_handler                                   \
     || (h) == ngx_http_durable_realtime_token_handler                        \
     || (h) == ngx_http_durable_traces_handler                                \
     || (h) == ngx_http_durable_v2_handler)


/*
 * The surface of protocol section 0.  A pattern may stand here several times,
 * once for each set of methods.
 */

static const ngx_http_durable_route_t  ngx_http_durable_routes[] = {

    { NGX_HTTP_POST, ngx_string("/e/*"),
      NGX_HTTP_DURABLE_EVENT_KEY, ngx_http_durable_event_handler },

    { NGX_HTTP_POST, ngx_string("/invoke/*"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_invoke_handler },

    { NGX_HTTP_GET, ngx_string("/health"),
      NGX_HTTP_DURABLE_OPEN, ngx_http_durable_health_handler },

    { NGX_HTTP_GET, ngx_string("/dev"),
      NGX_HTTP_DURABLE_OPEN, ngx_http_durable_dev_handler },

    { NGX_HTTP_POST, ngx_string("/fn/register"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_register_handler },

    { NGX_HTTP_DELETE, ngx_string("/fn/remove"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_remove_handler },

    { NGX_HTTP_GET, ngx_string("/v0/runs/*/batch"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_batch_handler },

    { NGX_HTTP_GET, ngx_string("/v0/runs/*/actions"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_actions_handler },

    { NGX_HTTP_DELETE, ngx_string("/v0/runs/*"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_cancel_v0_handler },

    { NGX_HTTP_POST, ngx_string("/v0/telemetry"),
      NGX_HTTP_DURABLE_OPEN, ngx_http_durable_telemetry_handler },

    { NGX_HTTP_GET, ngx_string("/v1/events"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_events_handler },

    { NGX_HTTP_GET, ngx_string("/v1/events/*"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_one_event_handler },

    { NGX_HTTP_GET, ngx_string("/v1/events/*/runs"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_event_runs_handler },

    { NGX_HTTP_POST, ngx_string("/v1/events/*/replay"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_replay_handler },

    { NGX_HTTP_GET, ngx_string("/v1/runs/*"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_run_handler },

    { NGX_HTTP_DELETE, ngx_string("/v1/runs/*"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_cancel_handler },

    { NGX_HTTP_GET, ngx_string("/v1/runs/*/history"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_history_handler },

    { NGX_HTTP_GET, ngx_string("/v1/runs"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_runs_handler },

    { NGX_HTTP_GET, ngx_string("/v1/runs/*/tree"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_tree_handler },

    { NGX_HTTP_GET, ngx_string("/v1/runs/*/steps/*"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_step_handler },

    { NGX_HTTP_GET, ngx_string("/v1/runs/*/jobs"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_jobs_handler },

    { NGX_HTTP_POST, ngx_string("/v1/runs/*/metadata"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_metadata_handler },

    { NGX_HTTP_POST, ngx_string("/v1/signals"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_signal_handler },

    { NGX_HTTP_POST, ngx_string("/v1/runs/*/rerun"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_rerun_handler },

    { NGX_HTTP_GET, ngx_string("/v1/cancellations"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_cancellations_handler },

    { NGX_HTTP_POST, ngx_string("/v1/cancellations"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_cancellation_handler },

    { NGX_HTTP_DELETE, ngx_string("/v1/cancellations/*"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_uncancel_handler },

    { NGX_HTTP_GET, ngx_string("/v1/routes"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_routes_handler },

    { NGX_HTTP_GET, ngx_string("/v1/routes/*/deliveries"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_deliveries_handler },

    { NGX_HTTP_POST, ngx_string("/v1/routes/*/redeliver"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_redeliver_many_handler },

    { NGX_HTTP_POST, ngx_string("/v1/deliveries/*/redeliver"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_redeliver_handler },

    { NGX_HTTP_GET, ngx_string("/v1/redeliveries"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_redeliveries_handler },

    { NGX_HTTP_GET, ngx_string("/v1/redeliveries/*"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_redelivery_handler },

    { NGX_HTTP_DELETE, ngx_string("/v1/redeliveries/*"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_unredeliver_handler },

    { NGX_HTTP_POST, ngx_string("/v1/bulk"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_bulk_begin_handler },

    { NGX_HTTP_GET, ngx_string("/v1/bulk"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_bulks_handler },

    { NGX_HTTP_GET, ngx_string("/v1/bulk/*"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_bulk_handler },

    { NGX_HTTP_DELETE, ngx_string("/v1/bulk/*"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_bulk_stop_handler },

    { NGX_HTTP_GET, ngx_string("/v1/queue"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_queue_handler },

    { NGX_HTTP_GET, ngx_string("/v1/functions/*/queue"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_function_queue_handler },

    { NGX_HTTP_POST, ngx_string("/v1/functions/*/pause"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_pause_handler },

    { NGX_HTTP_POST, ngx_string("/v1/functions/*/resume"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_resume_handler },

    { NGX_HTTP_GET, ngx_string("/v1/apps"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_apps_handler },

    { NGX_HTTP_POST, ngx_string("/v1/apps"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_add_app_handler },

    { NGX_HTTP_DELETE, ngx_string("/v1/apps"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_remove_url_handler },

    { NGX_HTTP_DELETE, ngx_string("/v1/apps/*"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_remove_app_handler },

    { NGX_HTTP_POST, ngx_string("/v1/apps/*/sync"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_sync_app_handler },

    { NGX_HTTP_GET, ngx_string("/v1/apps/*/functions"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_app_functions_handler },

    { NGX_HTTP_GET, ngx_string("/v1/functions/*"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_function_handler },

    { NGX_HTTP_GET, ngx_string("/v1/figures"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_figures_handler },

    { NGX_HTTP_GET, ngx_string("/v1/system"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_system_handler },

    { NGX_HTTP_GET, ngx_string("/v1/functions"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_functions_handler },

    { NGX_HTTP_POST, ngx_string("/v1/realtime/publish"),
      NGX_HTTP_DURABLE_PUBLISH, ngx_http_durable_publish_handler },

    { NGX_HTTP_POST, ngx_string("/v1/realtime/publish/tee"),
      NGX_HTTP_DURABLE_PUBLISH, ngx_http_durable_tee_handler },

    { NGX_HTTP_POST, ngx_string("/v1/realtime/token"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_realtime_token_handler },

    { NGX_HTTP_GET, ngx_string("/v1/realtime/connect"),
      NGX_HTTP_DURABLE_OPEN, ngx_http_durable_connect_handler },

    { NGX_HTTP_GET, ngx_string("/v1/realtime/sse"),
      NGX_HTTP_DURABLE_OPEN, ngx_http_durable_sse_handler },

    { NGX_HTTP_GET, ngx_string("/v1/feed"),
      NGX_HTTP_DURABLE_PEOPLE, ngx_http_durable_feed_handler },

    { NGX_HTTP_POST, ngx_string("/v1/traces/userland"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_traces_handler },

    { NGX_HTTP_POST, ngx_string("/dev/traces"),
      NGX_HTTP_DURABLE_OPEN, ngx_http_durable_traces_handler },

    { NGX_HTTP_GET|NGX_HTTP_POST|NGX_HTTP_PUT|NGX_HTTP_PATCH|NGX_HTTP_DELETE,
      ngx_string("/api/v2/**"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_v2_handler },

    { NGX_HTTP_GET|NGX_HTTP_POST|NGX_HTTP_PUT|NGX_HTTP_PATCH|NGX_HTTP_DELETE,
      ngx_string("/v2/**"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_v2_handler },

    /* known, and answered with 501 until they are there */

    { NGX_HTTP_POST, ngx_string("/v0/connect/start"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_later_handler },

    { NGX_HTTP_POST, ngx_string("/v0/connect/flush"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_later_handler },

    { NGX_HTTP_POST, ngx_string("/v1/checkpoint"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_endpoint_handler },

    { NGX_HTTP_POST, ngx_string("/v1/checkpoint/*/steps"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_endpoint_handler },

    { NGX_HTTP_POST, ngx_string("/v1/checkpoint/*/async"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_checkpoint_handler },

    { NGX_HTTP_GET, ngx_string("/v1/checkpoint/*/output"),
      NGX_HTTP_DURABLE_OPEN, ngx_http_durable_output_handler },

    { NGX_HTTP_POST, ngx_string("/v1/http/runs"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_endpoint_handler },

    { NGX_HTTP_POST, ngx_string("/v1/http/runs/*/steps"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_endpoint_handler },

    { NGX_HTTP_POST, ngx_string("/v1/http/runs/*/async"),
      NGX_HTTP_DURABLE_SIGNING_KEY, ngx_http_durable_checkpoint_handler },

    { NGX_HTTP_GET, ngx_string("/v1/http/runs/*/output"),
      NGX_HTTP_DURABLE_OPEN, ngx_http_durable_output_handler },

    { 0, ngx_null_string, NGX_HTTP_DURABLE_OPEN, NULL }
};


static struct {
    ngx_uint_t   method;
    ngx_str_t    name;
} ngx_http_durable_method_names[] = {
    { NGX_HTTP_GET, ngx_string("GET, HEAD, ") },
    { NGX_HTTP_POST, ngx_string("POST, ") },
    { NGX_HTTP_PUT, ngx_string("PUT, ") },
    { NGX_HTTP_PATCH, ngx_string("PATCH, ") },
    { NGX_HTTP_DELETE, ngx_string("DELETE, ") },
    { 0, ngx_null_string }
};


static ngx_str_t  ngx_http_durable_cors_methods =
    ngx_string("GET, POST, PUT, DELETE, OPTIONS");
static ngx_str_t  ngx_http_durable_cors_age = ngx_string("3600");


ngx_int_t
ngx_http_durable_server_handler(ngx_http_request_t *r)
{
    ngx_http_durable_ctx_t  *ctx;

    ctx = ngx_http_durable_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_server_route(r, ctx, &r->uri);
}


/* The path is a part of the request's, for a dashboard. */

ngx_int_t
ngx_http_durable_server_route(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_str_t *path)
{
    ngx_uint_t                       method, allowed;
    const ngx_http_durable_route_t  *route;

    method = (r->method == NGX_HTTP_HEAD) ? NGX_HTTP_GET : r->method;
    allowed = 0;

    for (route = ngx_http_durable_routes; route->methods; route++) {

        if (!ngx_http_durable_match((ngx_str_t *) &route->pattern, path,
                                    ctx->args))
        {
            continue;
        }

        if (ctx->dashboard
            && !ngx_http_durable_dashboard_has(route, &ctx->args[0]))
        {
            continue;
        }

        if (route->methods & method) {
            ctx->route = route;
            return ngx_http_durable_dispatch(r, ctx);
        }

        allowed |= route->methods;
    }

    return ngx_http_durable_no_route(r, ctx, allowed);
}


static ngx_int_t
ngx_http_durable_dispatch(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx)
{
    ngx_int_t  rc;
    ngx_str_t  bearer;

    ctx->events = (ctx->route->auth == NGX_HTTP_DURABLE_EVENT_KEY);

    if (ngx_http_durable_auth(r, ctx) != NGX_OK) {

        if (ctx->route->auth != NGX_HTTP_DURABLE_EVENT_KEY
            || ctx->dashboard)
        {
            ngx_str_set(&bearer, "Bearer");

            if (ngx_http_durable_header(r, "WWW-Authenticate", &bearer)
                != NGX_OK)
            {
                return NGX_HTTP_INTERNAL_SERVER_ERROR;
            }
        }

        return ngx_http_durable_refuse(r, NGX_HTTP_UNAUTHORIZED,
                                       &ctx->error);
    }

    if (ctx->dashboard && ngx_http_durable_dashboard_access(r, ctx) != NGX_OK)
    {
        return ngx_http_durable_refuse(r, NGX_HTTP_FORBIDDEN, &ctx->error);
    }

    if (!NGX_HTTP_DURABLE_READS_BODY(ctx->route->handler)) {

        rc = ngx_http_discard_request_body(r);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return ctx->route->handler(r, ctx);
}


ngx_http_durable_ctx_t *
ngx_http_durable_ctx(ngx_http_request_t *r)
{
    ngx_http_durable_ctx_t       *ctx;
    ngx_http_durable_loc_conf_t  *dlcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_durable_module);

    if (ctx == NULL) {
        ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_durable_ctx_t));
        if (ctx == NULL) {
            return NULL;
        }

        ctx->request = r;
        ctx->conf = ngx_http_get_module_main_conf(r, ngx_http_durable_module);
        dlcf = ngx_http_get_module_loc_conf(r, ngx_http_durable_module);

        ctx->v2 = dlcf->surface == NGX_HTTP_DURABLE_SERVER
                  && (ngx_strncmp(r->uri.data, "/v2/", 4) == 0
                      || ngx_strncmp(r->uri.data, "/api/v2/", 8) == 0);

        ngx_http_set_ctx(r, ctx, ngx_http_durable_module);
    }

    return ctx;
}


ngx_uint_t
ngx_http_durable_match(ngx_str_t *pattern, ngx_str_t *uri, ngx_str_t *args)
{
    u_char  *p, *u, *pe, *ue;

    p = pattern->data;
    pe = pattern->data + pattern->len;
    u = uri->data;
    ue = uri->data + uri->len;

    while (p < pe) {

        if (*p != '*') {

            if (u == ue || *u != *p) {
                return 0;
            }

            p++;
            u++;
            continue;
        }

        args->data = u;

        if (pe - p == 2) {
            args->len = ue - u;
            return 1;
        }

        while (u < ue && *u != '/') { u++; }

        args->len = u - args->data;
        args++;
        p++;
    }

    return u == ue;
}


ngx_int_t
ngx_http_durable_no_route(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    ngx_uint_t allowed)
{
    ngx_int_t  rc;
    ngx_str_t  list;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (allowed == 0) {
        return ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND,
                                      "there is nothing at %V", &r->uri);
    }

    if (r->method == NGX_HTTP_OPTIONS && ctx->dashboard == NULL) {
        return ngx_http_durable_options(r, allowed);
    }

    if (ngx_http_durable_methods(r, allowed, &list) != NGX_OK
        || ngx_http_durable_header(r, "Allow", &list) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_error(r, NGX_HTTP_NOT_ALLOWED,
                                  "%V is not allowed here, %V are",
                                  &r->method_name, &list);
}


/* Also what a browser asks before it sends an event (protocol 0, CORS). */

static ngx_int_t
ngx_http_durable_options(ngx_http_request_t *r, ngx_uint_t allowed)
{
    ngx_str_t  list, empty, *headers;

    ngx_str_null(&empty);

    if (ngx_http_durable_methods(r, allowed, &list) != NGX_OK
        || ngx_http_durable_header(r, "Allow", &list) != NGX_OK
        || ngx_http_durable_header(r, "Access-Control-Allow-Methods",
                                   &ngx_http_durable_cors_methods)
           != NGX_OK
        || ngx_http_durable_header(r, "Access-Control-Max-Age",
                                   &ngx_http_durable_cors_age)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    headers = ngx_http_durable_request_header(r,
                                 "access-control-request-headers",
                                 sizeof("access-control-request-headers") - 1);

    if (headers != NULL
        && ngx_http_durable_header(r, "Access-Control-Allow-Headers", headers)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_send(r, NGX_HTTP_NO_CONTENT, &empty);
}


static ngx_int_t
ngx_http_durable_methods(ngx_http_request_t *r, ngx_uint_t allowed,
    ngx_str_t *list)
{
    u_char      *p;
    ngx_uint_t   i;

    p = ngx_pnalloc(r->pool, sizeof("GET, HEAD, POST, PUT, PATCH, DELETE, "
                                    "OPTIONS"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    list->data = p;

    for (i = 0; ngx_http_durable_method_names[i].method; i++) {

        if (allowed & ngx_http_durable_method_names[i].method) {
            p = ngx_cpymem(p, ngx_http_durable_method_names[i].name.data,
                           ngx_http_durable_method_names[i].name.len);
        }
    }

    p = ngx_cpymem(p, "OPTIONS", sizeof("OPTIONS") - 1);

    list->len = p - list->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_later_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_error(r, NGX_HTTP_NOT_IMPLEMENTED,
                                  "%V %V is not implemented by this server",
                                  &r->method_name, &r->uri);
}
