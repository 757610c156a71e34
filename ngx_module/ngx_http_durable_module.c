
/*
 * Copyright (C) the nginx-durable authors
 */


#include "ngx_http_durable_dashboard.h"
#include "ngx_http_durable_subscriber.h"


static char *ngx_http_durable_server(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_durable_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_durable_metrics(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_durable_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_durable_init_process(ngx_cycle_t *cycle);
static void ngx_http_durable_exit_process(ngx_cycle_t *cycle);


static ngx_conf_enum_t  ngx_http_durable_modes[] = {
    { ngx_string("production"), 0 },
    { ngx_string("dev"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_num_bounds_t  ngx_http_durable_steps_bounds = {
    ngx_conf_check_num_bounds, 1, 100000
};


static ngx_conf_num_bounds_t  ngx_http_durable_retries_bounds = {
    ngx_conf_check_num_bounds, 0, 20
};


/* Each of them is documented in docs/directives.md; a test compares. */

/* A directive inside of "durable_function"; what it may say is decided when
 * the whole of it was read. */
#define NGX_HTTP_DURABLE_WORD(name)                                          \
    { ngx_string(name), NGX_HTTP_DURABLE_FUNCTION_CONF|NGX_CONF_ANY,         \
      ngx_http_durable_set_word, NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL }

#define NGX_HTTP_DURABLE_BLOCK(name)                                         \
    { ngx_string(name),                                                      \
      NGX_HTTP_DURABLE_FUNCTION_CONF|NGX_CONF_BLOCK|NGX_CONF_ANY,            \
      ngx_http_durable_set_block, NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL }

#define NGX_HTTP_DURABLE_INCLUDE(name)                                       \
    { ngx_string(name), NGX_HTTP_DURABLE_FUNCTION_CONF|NGX_CONF_TAKE1,       \
      ngx_conf_include, 0, 0, NULL }


static ngx_command_t  ngx_http_durable_commands[] = {

    { ngx_string("durable_store"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1234,
      ngx_http_durable_set_store,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("durable_sidecar"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_durable_set_sidecar,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("durable_mode"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_durable_main_conf_t, durable.dev),
      &ngx_http_durable_modes },

    { ngx_string("durable_event_key"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_durable_set_event_key,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("durable_signing_key"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_durable_set_signing_key,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("durable_app"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_durable_set_app,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("durable_poll_interval"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_durable_main_conf_t, durable.poll_interval),
      NULL },

    { ngx_string("durable_retry_interval"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_durable_main_conf_t, durable.retry_interval),
      NULL },

    { ngx_string("durable_discovery"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_durable_main_conf_t, durable.discovery),
      NULL },

    { ngx_string("durable_event_max_size"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_durable_main_conf_t, durable.event_max_size),
      NULL },

    { ngx_string("durable_request_max_size"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_durable_main_conf_t, durable.request_max_size),
      NULL },

    { ngx_string("durable_max_steps"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_durable_main_conf_t, durable.max_steps),
      &ngx_http_durable_steps_bounds },

    { ngx_string("durable_concurrency"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_durable_main_conf_t, durable.concurrency),
      &ngx_http_durable_steps_bounds },

    { ngx_string("durable_realtime"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_durable_main_conf_t, durable.realtime_size),
      NULL },

    { ngx_string("durable_server"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_durable_server,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("durable_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_durable_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("durable_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_durable_metrics,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("durable_dashboard"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE123,
      ngx_http_durable_set_dashboard,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("durable_redact"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_durable_set_redact,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("durable_function"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_durable_set_function,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    NGX_HTTP_DURABLE_WORD("step"),
    NGX_HTTP_DURABLE_WORD("sleep"),
    NGX_HTTP_DURABLE_WORD("sleep_until"),
    NGX_HTTP_DURABLE_WORD("wait_for_event"),
    NGX_HTTP_DURABLE_WORD("wait_for_signal"),
    NGX_HTTP_DURABLE_WORD("send_event"),
    NGX_HTTP_DURABLE_WORD("invoke"),
    NGX_HTTP_DURABLE_WORD("fail"),
    NGX_HTTP_DURABLE_WORD("return"),
    NGX_HTTP_DURABLE_WORD("trigger"),
    NGX_HTTP_DURABLE_WORD("retries"),
    NGX_HTTP_DURABLE_WORD("concurrency"),
    NGX_HTTP_DURABLE_WORD("throttle"),
    NGX_HTTP_DURABLE_WORD("rate_limit"),
    NGX_HTTP_DURABLE_WORD("debounce"),
    NGX_HTTP_DURABLE_WORD("batch"),
    NGX_HTTP_DURABLE_WORD("priority"),
    NGX_HTTP_DURABLE_WORD("singleton"),
    NGX_HTTP_DURABLE_WORD("idempotency"),
    NGX_HTTP_DURABLE_WORD("timeouts"),
    NGX_HTTP_DURABLE_WORD("cancel_on"),
    NGX_HTTP_DURABLE_BLOCK("branch"),
    NGX_HTTP_DURABLE_BLOCK("parallel"),
    NGX_HTTP_DURABLE_BLOCK("foreach"),
    NGX_HTTP_DURABLE_BLOCK("until"),
    NGX_HTTP_DURABLE_BLOCK("on_failure"),

    NGX_HTTP_DURABLE_INCLUDE("include"),

    { ngx_string("durable_route"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1234,
      ngx_http_durable_set_route,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("durable_verify"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF
                        |NGX_CONF_1MORE,
      ngx_http_durable_set_verify,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("durable_forward"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_TAKE123,
      ngx_http_durable_set_forward,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("durable_retries"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF
                        |NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_durable_loc_conf_t, hook.retries),
      &ngx_http_durable_retries_bounds },

    { ngx_string("durable_dedupe"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF
                        |NGX_CONF_TAKE1,
      ngx_http_durable_set_dedupe,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("durable_respond"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF
                        |NGX_CONF_TAKE12,
      ngx_http_durable_set_respond,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("durable_serve"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_ANY,
      ngx_http_durable_set_serve,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_durable_module_ctx = {
    ngx_http_durable_add_variables,        /* preconfiguration */
    ngx_http_durable_init,                 /* postconfiguration */

    ngx_http_durable_create_main_conf,     /* create main configuration */
    ngx_http_durable_init_main_conf,       /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_durable_create_loc_conf,      /* create location configuration */
    ngx_http_durable_merge_loc_conf        /* merge location configuration */
};


ngx_module_t  ngx_http_durable_module = {
    NGX_MODULE_V1,
    &ngx_http_durable_module_ctx,          /* module context */
    ngx_http_durable_commands,             /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_durable_init_process,         /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_durable_exit_process,         /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* What is wrong with a location that has one of these directives. */

char *
ngx_http_durable_taken(ngx_http_durable_loc_conf_t *dlcf,
    ngx_uint_t surface)
{
    if (dlcf->surface == surface) {
        return "is duplicate";
    }

    switch (dlcf->surface) {

    case NGX_HTTP_DURABLE_SERVER:
        return "cannot share a location with \"durable_server\"";

    case NGX_HTTP_DURABLE_STATUS:
        return "cannot share a location with \"durable_status\"";

    case NGX_HTTP_DURABLE_SERVE:
        return "cannot share a location with \"durable_serve\"";

    case NGX_HTTP_DURABLE_METRICS:
        return "cannot share a location with \"durable_metrics\"";

    case NGX_HTTP_DURABLE_DASHBOARD:
        return "cannot share a location with \"durable_dashboard\"";

    default:
        return "cannot share a location with \"durable_route\"";
    }
}


static char *
ngx_http_durable_server(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_durable_loc_conf_t *dlcf = conf;

    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_durable_main_conf_t  *dmcf;

    if (dlcf->surface != NGX_CONF_UNSET_UINT) {
        return ngx_http_durable_taken(dlcf, NGX_HTTP_DURABLE_SERVER);
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->name.len != 1 || clcf->name.data[0] != '/'
        || clcf->exact_match)
    {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"durable_server\" should be in \"location /\": "
                           "SDKs use absolute paths such as /e/ and "
                           "/fn/register, location \"%V\" will not see them "
                           "all", &clcf->name);
    }

    dlcf->handler = ngx_http_durable_server_handler;
    clcf->handler = dlcf->handler;
    dlcf->surface = NGX_HTTP_DURABLE_SERVER;

    dmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_durable_module);

    if (dmcf->server.line == 0) {
        ngx_http_durable_place(cf, &dmcf->server);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_durable_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_durable_loc_conf_t *dlcf = conf;

    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_durable_main_conf_t  *dmcf;

    if (dlcf->surface != NGX_CONF_UNSET_UINT) {
        return ngx_http_durable_taken(dlcf, NGX_HTTP_DURABLE_STATUS);
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    dlcf->handler = ngx_http_durable_status_handler;
    clcf->handler = dlcf->handler;
    dlcf->surface = NGX_HTTP_DURABLE_STATUS;

    dmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_durable_module);

    if (dmcf->status.line == 0) {
        ngx_http_durable_place(cf, &dmcf->status);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_durable_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_durable_loc_conf_t *dlcf = conf;

    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_durable_main_conf_t  *dmcf;

    if (dlcf->surface != NGX_CONF_UNSET_UINT) {
        return ngx_http_durable_taken(dlcf, NGX_HTTP_DURABLE_METRICS);
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    dlcf->handler = ngx_http_durable_metrics_handler;
    clcf->handler = dlcf->handler;
    dlcf->surface = NGX_HTTP_DURABLE_METRICS;

    dmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_durable_module);

    if (dmcf->metrics.line == 0) {
        ngx_http_durable_place(cf, &dmcf->metrics);
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_durable_init(ngx_conf_t *cf)
{
    ngx_http_durable_main_conf_t  *dmcf;

    dmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_durable_module);

    if (ngx_http_durable_function_init(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (dmcf->server.line == 0 && dmcf->status.line == 0
        && dmcf->metrics.line == 0 && dmcf->route.line == 0
        && dmcf->serve.line == 0 && dmcf->dashboard.line == 0)
    {
        return NGX_OK;
    }

    if (ngx_http_durable_route_init(cf) != NGX_OK
        || ngx_http_durable_serve_init(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (dmcf->route.line && dmcf->metrics.line
        && ngx_http_durable_tally_zone(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_durable_header_filter_init(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_durable_body_filter_init(cf);
}


static ngx_int_t
ngx_http_durable_init_process(ngx_cycle_t *cycle)
{
    ngx_http_durable_main_conf_t  *dmcf;

    dmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_durable_module);

    if (dmcf == NULL || !dmcf->durable.enabled) {
        return NGX_OK;
    }

    return ngx_durable_init_process(cycle, &dmcf->durable);
}


static void
ngx_http_durable_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_durable_main_conf_t  *dmcf;

    dmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_durable_module);

    if (dmcf == NULL || !dmcf->durable.enabled) {
        return;
    }

    ngx_durable_exit_process(cycle);
    ngx_http_durable_hear_stop();
}
