
/*
 * Copyright (C) the nginx-durable authors
 */


#include "ngx_http_durable.h"


static ngx_int_t ngx_http_durable_check_store(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf);
static ngx_int_t ngx_http_durable_check_keys(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf);
static ngx_int_t ngx_http_durable_check_sizes(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf);
static char *ngx_http_durable_zone(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf);
static void ngx_http_durable_complain(ngx_conf_t *cf, ngx_uint_t level,
    ngx_http_durable_place_t *place, const char *text);
static void ngx_http_durable_cleanup(void *data);


#define NGX_HTTP_DURABLE_ZONE_MIN  (1024 * 1024)
#define NGX_HTTP_DURABLE_ZONE_MAX  (1024 * 1024 * 1024)


static ngx_str_t  ngx_http_durable_kind_dev = ngx_string("dev");
static ngx_str_t  ngx_http_durable_kind_cloud = ngx_string("cloud");


void *
ngx_http_durable_create_main_conf(ngx_conf_t *cf)
{
    ngx_uint_t                     i;
    ngx_pool_cleanup_t            *cln;
    ngx_durable_conf_t            *conf;
    ngx_http_durable_main_conf_t  *dmcf;

    dmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_durable_main_conf_t));
    if (dmcf == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_durable_cleanup;
    cln->data = &dmcf->scratch;

    dur_buf_init(&dmcf->scratch.body, NGX_HTTP_DURABLE_BUFFER_MAX);
    dur_buf_init(&dmcf->scratch.text, NGX_HTTP_DURABLE_BUFFER_MAX);
    dur_buf_init(&dmcf->scratch.canonical, NGX_HTTP_DURABLE_BUFFER_MAX);
    dur_buf_init(&dmcf->scratch.op, NGX_HTTP_DURABLE_BUFFER_MAX);

    for (i = 0; i < NGX_HTTP_DURABLE_FIGURES; i++) {
        dur_buf_init(&dmcf->scratch.figures[i].text,
                     NGX_HTTP_DURABLE_BUFFER_MAX);
    }

    dur_arena_init(&dmcf->scratch.arena);

    conf = &dmcf->durable;

    if (ngx_array_init(&conf->event_keys, cf->pool, 2, sizeof(ngx_str_t))
        != NGX_OK
        || ngx_array_init(&conf->apps, cf->pool, 2, sizeof(ngx_durable_app_t))
        != NGX_OK
        || ngx_array_init(&conf->routes, cf->pool, 2,
                          sizeof(ngx_durable_route_t))
        != NGX_OK
        || ngx_array_init(&conf->workflows, cf->pool, 4,
                          sizeof(ngx_durable_workflow_t))
        != NGX_OK
        || ngx_array_init(&conf->secrets, cf->pool, 2,
                          sizeof(ngx_durable_secret_t))
        != NGX_OK
        || ngx_array_init(&dmcf->function_places, cf->pool, 4,
                          sizeof(ngx_http_durable_place_t))
        != NGX_OK
        || ngx_array_init(&dmcf->targets, cf->pool, 4,
                          sizeof(ngx_http_durable_target_t))
        != NGX_OK
        || ngx_array_init(&conf->served, cf->pool, 1, sizeof(dur_call_key_t))
        != NGX_OK
        || ngx_array_init(&dmcf->forwards, cf->pool, 2,
                          sizeof(ngx_http_durable_hook_t *))
        != NGX_OK
        || ngx_array_init(&dmcf->serves, cf->pool, 1,
                          sizeof(ngx_http_durable_serve_t *))
        != NGX_OK
        || ngx_array_init(&dmcf->functions, cf->pool, 2,
                          sizeof(dur_served_route_t))
        != NGX_OK
        || ngx_array_init(&dmcf->workflows, cf->pool, 2,
                          sizeof(dur_plan_def_t *))
        != NGX_OK)
    {
        return NULL;
    }

    conf->size = (uint64_t) 64 * 1024 * 1024 * 1024;
    conf->retention = 30 * 24 * 60 * 60;

    conf->dev = NGX_CONF_UNSET;
    conf->discovery = NGX_CONF_UNSET;
    conf->poll_interval = NGX_CONF_UNSET_MSEC;
    conf->retry_interval = NGX_CONF_UNSET;
    conf->event_max_size = NGX_CONF_UNSET_SIZE;
    conf->request_max_size = NGX_CONF_UNSET_SIZE;
    conf->max_steps = NGX_CONF_UNSET_UINT;
    conf->concurrency = NGX_CONF_UNSET_UINT;
    conf->realtime_size = NGX_CONF_UNSET_SIZE;

    return dmcf;
}


static void
ngx_http_durable_cleanup(void *data)
{
    ngx_http_durable_scratch_t *s = data;

    ngx_uint_t  i;

    dur_buf_deinit(&s->body);
    dur_buf_deinit(&s->text);
    dur_buf_deinit(&s->canonical);
    dur_buf_deinit(&s->op);

    for (i = 0; i < NGX_HTTP_DURABLE_FIGURES; i++) {
        dur_buf_deinit(&s->figures[i].text);
    }

    dur_arena_deinit(&s->arena);
}


char *
ngx_http_durable_init_main_conf(ngx_conf_t *cf, void *data)
{
    ngx_http_durable_main_conf_t *dmcf = data;

    ngx_durable_conf_t  *conf;

    conf = &dmcf->durable;

    ngx_conf_init_value(conf->dev, 0);
    ngx_conf_init_value(conf->discovery, 0);
    ngx_conf_init_msec_value(conf->poll_interval, conf->dev ? 5000 : 0);
    ngx_conf_init_value(conf->retry_interval, -1);
    ngx_conf_init_size_value(conf->event_max_size, 3 * 1024 * 1024);
    ngx_conf_init_size_value(conf->request_max_size, 16 * 1024 * 1024);
    ngx_conf_init_uint_value(conf->max_steps, 1000);
    ngx_conf_init_uint_value(conf->concurrency, 1000);
    ngx_conf_init_size_value(conf->realtime_size, 16 * 1024 * 1024);

    dmcf->kind = conf->dev ? ngx_http_durable_kind_dev
                           : ngx_http_durable_kind_cloud;

    if (ngx_http_durable_check_store(cf, dmcf) != NGX_OK
        || ngx_http_durable_check_keys(cf, dmcf) != NGX_OK
        || ngx_http_durable_check_sizes(cf, dmcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return conf->enabled ? ngx_http_durable_zone(cf, dmcf) : NGX_CONF_OK;
}


static ngx_int_t
ngx_http_durable_check_store(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf)
{
    if (!dmcf->durable.enabled) {

        if (dmcf->server.line) {
            ngx_http_durable_complain(cf, NGX_LOG_EMERG, &dmcf->server,
                                      "\"durable_server\" needs "
                                      "\"durable_store\" in the http block");
            return NGX_ERROR;
        }

        if (dmcf->status.line) {
            ngx_http_durable_complain(cf, NGX_LOG_EMERG, &dmcf->status,
                                      "\"durable_status\" needs "
                                      "\"durable_store\" in the http block");
            return NGX_ERROR;
        }

        if (dmcf->metrics.line) {
            ngx_http_durable_complain(cf, NGX_LOG_EMERG, &dmcf->metrics,
                                      "\"durable_metrics\" needs "
                                      "\"durable_store\" in the http block");
            return NGX_ERROR;
        }

        if (dmcf->route.line) {
            ngx_http_durable_complain(cf, NGX_LOG_EMERG, &dmcf->route,
                                      "\"durable_route\" needs "
                                      "\"durable_store\" in the http block");
            return NGX_ERROR;
        }

        if (dmcf->serve.line) {
            ngx_http_durable_complain(cf, NGX_LOG_EMERG, &dmcf->serve,
                                      "\"durable_serve\" needs "
                                      "\"durable_store\" in the http block");
            return NGX_ERROR;
        }

        if (dmcf->dashboard.line) {
            ngx_http_durable_complain(cf, NGX_LOG_EMERG, &dmcf->dashboard,
                                      "\"durable_dashboard\" needs "
                                      "\"durable_store\" in the http block");
            return NGX_ERROR;
        }

        if (dmcf->function.line) {
            ngx_http_durable_complain(cf, NGX_LOG_EMERG, &dmcf->function,
                                      "\"durable_function\" needs "
                                      "\"durable_store\" in the http block");
            return NGX_ERROR;
        }

        if (dmcf->app.line) {
            ngx_http_durable_complain(cf, NGX_LOG_EMERG, &dmcf->app,
                                      "\"durable_app\" needs "
                                      "\"durable_store\" in the http block");
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    if (dmcf->sidecar.line == 0) {
        ngx_http_durable_complain(cf, NGX_LOG_WARN, &dmcf->store,
                                  "there is no \"durable_sidecar\": events "
                                  "are stored, but no step will be executed");
    }

    if (dmcf->durable.discovery && !dmcf->durable.dev) {
        ngx_http_durable_complain(cf, NGX_LOG_EMERG, &dmcf->store,
                                  "\"durable_discovery\" needs "
                                  "\"durable_mode dev\"");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_check_keys(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf)
{
    if (dmcf->durable.dev) {
        return NGX_OK;
    }

    if (dmcf->keyed.line && dmcf->durable.signing_key.len == 0) {
        ngx_http_durable_complain(cf, NGX_LOG_EMERG, &dmcf->keyed,
                                  "\"durable_dashboard\" in production needs "
                                  "\"durable_signing_key\", or "
                                  "\"access=nginx\" where nginx protects it,");
        return NGX_ERROR;
    }

    if (dmcf->server.line == 0) {
        return NGX_OK;
    }

    if (dmcf->durable.signing_key.len == 0) {
        ngx_http_durable_complain(cf, NGX_LOG_EMERG, &dmcf->server,
                                  "\"durable_server\" in production needs "
                                  "\"durable_signing_key\" "
                                  "(or \"durable_mode dev\")");
        return NGX_ERROR;
    }

    if (dmcf->durable.event_keys.nelts == 0) {
        ngx_http_durable_complain(cf, NGX_LOG_EMERG, &dmcf->server,
                                  "\"durable_server\" in production needs "
                                  "\"durable_event_key\" "
                                  "(or \"durable_mode dev\")");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_check_sizes(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf)
{
    ngx_durable_conf_t        *conf;
    ngx_http_durable_place_t   place;

    conf = &dmcf->durable;

    ngx_http_durable_place(cf, &place);

    if (conf->request_max_size < 1024
        || conf->request_max_size > NGX_HTTP_DURABLE_REQUEST_MAX)
    {
        ngx_http_durable_complain(cf, NGX_LOG_EMERG, &place,
                                  "\"durable_request_max_size\" must be "
                                  "between 1k and 16m");
        return NGX_ERROR;
    }

    if (conf->event_max_size == 0
        || conf->event_max_size > conf->request_max_size)
    {
        ngx_http_durable_complain(cf, NGX_LOG_EMERG, &place,
                                  "\"durable_event_max_size\" must be "
                                  "between 1 and "
                                  "\"durable_request_max_size\"");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static char *
ngx_http_durable_zone(ngx_conf_t *cf, ngx_http_durable_main_conf_t *dmcf)
{
    ngx_shm_zone_t            *zone;
    static ngx_str_t           name = ngx_string("durable_realtime");
    ngx_http_durable_place_t   place;

    ngx_http_durable_place(cf, &place);

    if (dmcf->durable.realtime_size < NGX_HTTP_DURABLE_ZONE_MIN
        || dmcf->durable.realtime_size > NGX_HTTP_DURABLE_ZONE_MAX)
    {
        ngx_http_durable_complain(cf, NGX_LOG_EMERG, &place,
                                  "\"durable_realtime\" must be between 1m "
                                  "and 1g");
        return NGX_CONF_ERROR;
    }

    zone = ngx_shared_memory_add(cf, &name, dmcf->durable.realtime_size,
                                 &ngx_http_durable_module);
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    zone->init = ngx_durable_realtime_init;
    dmcf->durable.realtime = zone;

    return NGX_CONF_OK;
}


/* What concerns several directives names the place of one of them. */

static void
ngx_http_durable_complain(ngx_conf_t *cf, ngx_uint_t level,
    ngx_http_durable_place_t *place, const char *text)
{
    ngx_log_error(level, cf->log, 0, "%s in %V:%ui", text, &place->file,
                  place->line);
}


void *
ngx_http_durable_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_durable_loc_conf_t  *dlcf;

    dlcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_durable_loc_conf_t));
    if (dlcf == NULL) {
        return NULL;
    }

    dlcf->surface = NGX_CONF_UNSET_UINT;
    ngx_http_durable_route_create(&dlcf->hook);

    return dlcf;
}


char *
ngx_http_durable_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_durable_loc_conf_t *prev = parent;
    ngx_http_durable_loc_conf_t *conf = child;

    char                          *rv;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_durable_main_conf_t  *dmcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    dmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_durable_module);

    if (conf->surface == NGX_CONF_UNSET_UINT) {

        /* "if" and "limit_except" are their location, others inside are not */

        conf->surface = NGX_HTTP_DURABLE_NONE;
        conf->serve = NULL;
        conf->dashboard = NULL;

        if (clcf->noname && clcf->handler == NULL) {
            conf->surface = prev->surface;
            conf->handler = prev->handler;
            conf->serve = prev->serve;
            conf->dashboard = prev->dashboard;
        }

        /* nginx does not do that for "limit_except" */

        if (clcf->lmt_excpt && clcf->handler == NULL) {
            clcf->handler = conf->handler;
        }
    }

    rv = ngx_http_durable_route_merge(cf, prev, conf);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (conf->surface != NGX_HTTP_DURABLE_SERVER
        || dmcf->warned
        || clcf->client_max_body_size == 0
        || clcf->client_max_body_size
           >= (off_t) dmcf->durable.request_max_size)
    {
        return NGX_CONF_OK;
    }

    dmcf->warned = 1;

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "\"client_max_body_size\" (%O) is smaller than "
                  "\"durable_request_max_size\" (%uz), requests in between "
                  "are refused; set both alike in %V:%ui",
                  clcf->client_max_body_size, dmcf->durable.request_max_size,
                  &dmcf->server.file, dmcf->server.line);

    return NGX_CONF_OK;
}
