
/*
 * Copyright (C) the nginx-durable authors
 */


/* durable_serve: what is checked of it, and the functions it serves. */


#include "ngx_http_durable.h"


#define NGX_HTTP_DURABLE_SERVE_NAME  64


typedef struct {
    ngx_str_t    name;
    size_t       offset;
    ngx_uint_t   secret;
} ngx_http_durable_serve_option_t;


static ngx_int_t ngx_http_durable_serve_option(ngx_conf_t *cf,
    ngx_http_durable_serve_t *serve, ngx_str_t *option);
static ngx_int_t ngx_http_durable_serve_check(ngx_conf_t *cf,
    ngx_http_durable_serve_t *serve);
static ngx_int_t ngx_http_durable_serve_is_name(ngx_str_t *name);
static ngx_int_t ngx_http_durable_serve_url(ngx_conf_t *cf, const char *what,
    ngx_str_t *url);
static ngx_int_t ngx_http_durable_serve_finish(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf, ngx_http_durable_serve_t *serve);
static ngx_int_t ngx_http_durable_serve_add(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf, ngx_http_durable_serve_t *serve);
static ngx_int_t ngx_http_durable_serve_functions(
    ngx_http_durable_main_conf_t *dmcf);
static ngx_int_t ngx_http_durable_serve_workflows(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf);
static void ngx_http_durable_serve_unload(void *data);


static ngx_http_durable_serve_option_t  ngx_http_durable_serve_options[] = {
    { ngx_string("app="), offsetof(ngx_http_durable_serve_t, app), 0 },
    { ngx_string("server="), offsetof(ngx_http_durable_serve_t, server), 0 },
    { ngx_string("serve_origin="),
      offsetof(ngx_http_durable_serve_t, origin), 0 },
    { ngx_string("signing_key="),
      offsetof(ngx_http_durable_serve_t, key), 1 },
    { ngx_string("signing_key_fallback="),
      offsetof(ngx_http_durable_serve_t, fallback), 1 },
    { ngx_string("event_key="),
      offsetof(ngx_http_durable_serve_t, event_key), 1 },
    { ngx_null_string, 0, 0 }
};


static ngx_str_t  ngx_http_durable_serve_dev =
    ngx_string("http://127.0.0.1:8288");
static ngx_str_t  ngx_http_durable_serve_api =
    ngx_string("https://api.inngest.com");
static ngx_str_t  ngx_http_durable_serve_events =
    ngx_string("https://inn.gs");


/*
 * durable_serve [app=name] [server=url] [serve_origin=url] [signing_key=key]
 *               [signing_key_fallback=key] [event_key=key]
 */

char *
ngx_http_durable_set_serve(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_durable_loc_conf_t *dlcf = conf;

    ngx_str_t                      *value;
    ngx_uint_t                      i;
    ngx_http_core_loc_conf_t       *clcf;
    ngx_http_durable_serve_t       *serve, **place;
    ngx_http_durable_main_conf_t   *dmcf;

    if (dlcf->surface != NGX_CONF_UNSET_UINT) {
        return ngx_http_durable_taken(dlcf, NGX_HTTP_DURABLE_SERVE);
    }

    serve = ngx_pcalloc(cf->pool, sizeof(ngx_http_durable_serve_t));
    if (serve == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_durable_serve_option(cf, serve, &value[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_http_durable_serve_check(cf, serve) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    dmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_durable_module);

    place = ngx_array_push(&dmcf->serves);
    if (place == NULL) {
        return NGX_CONF_ERROR;
    }

    *place = serve;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    dlcf->handler = ngx_http_durable_serve_handler;
    clcf->handler = dlcf->handler;

    dlcf->surface = NGX_HTTP_DURABLE_SERVE;
    dlcf->serve = serve;
    ngx_http_durable_place(cf, &serve->place);

    if (dmcf->serve.line == 0) {
        dmcf->serve = serve->place;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_durable_serve_option(ngx_conf_t *cf, ngx_http_durable_serve_t *serve,
    ngx_str_t *option)
{
    ngx_str_t                         value, *field;
    ngx_http_durable_serve_option_t  *o;

    for (o = ngx_http_durable_serve_options; o->name.len; o++) {

        if (ngx_strncmp(option->data, o->name.data, o->name.len) != 0) {
            continue;
        }

        field = (ngx_str_t *) ((u_char *) serve + o->offset);

        value.len = option->len - o->name.len;
        value.data = option->data + o->name.len;

        if (field->len || value.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" %s in \"durable_serve\"", &o->name,
                               value.len ? "is duplicate" : "has no value");
            return NGX_ERROR;
        }

        if (o->secret) {
            return ngx_http_durable_secret(cf, &value, field);
        }

        *field = value;

        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown option: \"durable_serve\" knows app=, "
                       "server=, serve_origin=, signing_key=, "
                       "signing_key_fallback= and event_key=");
    return NGX_ERROR;
}


static ngx_int_t
ngx_http_durable_serve_check(ngx_conf_t *cf, ngx_http_durable_serve_t *serve)
{
    if (serve->app.len == 0) {
        ngx_str_set(&serve->app, "nginx");
    }

    if (ngx_http_durable_serve_is_name(&serve->app) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"app=%V\" is no name of an app: it has letters, "
                           "digits, \"-\", \"_\" and \".\", and at most %d of "
                           "them", &serve->app, NGX_HTTP_DURABLE_SERVE_NAME);
        return NGX_ERROR;
    }

    if (ngx_http_durable_serve_url(cf, "server", &serve->server) != NGX_OK
        || ngx_http_durable_serve_url(cf, "serve_origin", &serve->origin)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if ((serve->key.len
         && ngx_http_durable_check_signing_key(&serve->key) != NGX_OK)
        || (serve->fallback.len
            && ngx_http_durable_check_signing_key(&serve->fallback)
               != NGX_OK))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "a signing key of \"durable_serve\" is not valid: "
                           "after an optional \"signkey-<word>-\" it is an "
                           "even number of hexadecimal digits");
        return NGX_ERROR;
    }

    if (serve->fallback.len && serve->key.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"signing_key_fallback=\" needs "
                           "\"signing_key=\" in \"durable_serve\"");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_serve_is_name(ngx_str_t *name)
{
    u_char      c;
    ngx_uint_t  i;

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if ((c < '0' || c > '9') && (c < 'A' || c > 'Z')
            && (c < 'a' || c > 'z') && c != '-' && c != '_' && c != '.')
        {
            return NGX_ERROR;
        }
    }

    return name->len <= NGX_HTTP_DURABLE_SERVE_NAME ? NGX_OK : NGX_ERROR;
}


/* What a path is put behind. */

static ngx_int_t
ngx_http_durable_serve_url(ngx_conf_t *cf, const char *what, ngx_str_t *url)
{
    if (url->len == 0) {
        return NGX_OK;
    }

    while (url->len && url->data[url->len - 1] == '/') {
        url->len--;
    }

    if (ngx_http_durable_check_url(url) == NGX_OK
        && ngx_strlchr(url->data, url->data + url->len, '?') == NULL)
    {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%s=\" is \"http://host:port\" or https, not \"%V\"",
                       what, url);
    return NGX_ERROR;
}


/* Postconfiguration: the keys are known, and the routes. */

ngx_int_t
ngx_http_durable_serve_init(ngx_conf_t *cf)
{
    ngx_uint_t                       i;
    ngx_http_durable_serve_t       **serve;
    ngx_http_durable_main_conf_t    *dmcf;

    dmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_durable_module);

    serve = dmcf->serves.elts;

    for (i = 0; i < dmcf->serves.nelts; i++) {
        if (ngx_http_durable_serve_finish(cf, dmcf, serve[i]) != NGX_OK
            || ngx_http_durable_serve_add(cf, dmcf, serve[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (dmcf->serves.nelts == 0) {
        return NGX_OK;
    }

    if (ngx_http_durable_serve_functions(dmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_durable_serve_workflows(cf, dmcf);
}


/* Whoever has a key of its own is in production, whatever the mode of the
 * server in this nginx. */

static ngx_int_t
ngx_http_durable_serve_finish(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf, ngx_http_durable_serve_t *serve)
{
    if (serve->key.len == 0 && !dmcf->durable.dev) {
        serve->key = dmcf->durable.signing_key;
        serve->fallback = dmcf->durable.signing_key_fallback;

        if (serve->key.len == 0) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"durable_serve\" in production needs "
                          "\"signing_key=\" or \"durable_signing_key\" (or "
                          "\"durable_mode dev\") in %V:%ui",
                          &serve->place.file, serve->place.line);
            return NGX_ERROR;
        }
    }

    if (dmcf->sidecar.line == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"durable_serve\" needs \"durable_sidecar\", which "
                      "executes the steps, in %V:%ui",
                      &serve->place.file, serve->place.line);
        return NGX_ERROR;
    }

    if (serve->server.len) {
        serve->events = serve->server;

    } else if (serve->key.len) {
        serve->server = ngx_http_durable_serve_api;
        serve->events = ngx_http_durable_serve_events;

    } else {
        serve->server = ngx_http_durable_serve_dev;
        serve->events = ngx_http_durable_serve_dev;
    }

    return NGX_OK;
}


/* Several locations may serve the same app, with the same keys. */

static ngx_int_t
ngx_http_durable_serve_add(ngx_conf_t *cf, ngx_http_durable_main_conf_t *dmcf,
    ngx_http_durable_serve_t *serve)
{
    ngx_uint_t       i;
    dur_str_t        app, name, fallback, event;
    dur_call_key_t  *key;

    app = dur_str_make(serve->app.data, serve->app.len);
    name = dur_str_make(serve->key.data, serve->key.len);
    fallback = dur_str_make(serve->fallback.data, serve->fallback.len);
    event = dur_str_make(serve->event_key.data, serve->event_key.len);

    key = dmcf->durable.served.elts;

    for (i = 0; i < dmcf->durable.served.nelts; i++) {

        if (!dur_str_eq(key[i].app, app)) {
            continue;
        }

        if (dur_str_eq(key[i].key, name)
            && dur_str_eq(key[i].fallback, fallback)
            && dur_str_eq(key[i].event, event))
        {
            return NGX_OK;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "the app \"%V\" is served with other keys elsewhere: "
                      "give it another name with \"app=\" in %V:%ui",
                      &serve->app, &serve->place.file, serve->place.line);
        return NGX_ERROR;
    }

    key = ngx_array_push(&dmcf->durable.served);
    if (key == NULL) {
        return NGX_ERROR;
    }

    key->app = app;
    key->key = name;
    key->fallback = fallback;
    key->event = event;

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_serve_functions(ngx_http_durable_main_conf_t *dmcf)
{
    ngx_uint_t            i;
    ngx_durable_route_t  *route;
    dur_served_route_t   *function;

    route = dmcf->durable.routes.elts;

    for (i = 0; i < dmcf->durable.routes.nelts; i++) {

        function = ngx_array_push(&dmcf->functions);
        if (function == NULL) {
            return NGX_ERROR;
        }

        function->connector = dur_str_make(route[i].connector.data,
                                           route[i].connector.len);
        function->target = dur_str_make(route[i].url.data, route[i].url.len);
        function->timeout = (uint32_t) route[i].timeout;
        function->retries = (unsigned) route[i].retries;
        function->ordered = route[i].ordered != 0;
    }

    return NGX_OK;
}


/* They were checked where they stand; each worker plans with them. */

static ngx_int_t
ngx_http_durable_serve_workflows(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf)
{
    ngx_uint_t               i;
    dur_plan_def_t         **def;
    dur_plan_error_t         err;
    ngx_pool_cleanup_t      *cln;
    ngx_durable_workflow_t  *workflow;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_durable_serve_unload;
    cln->data = &dmcf->workflows;

    workflow = dmcf->durable.workflows.elts;

    for (i = 0; i < dmcf->durable.workflows.nelts; i++) {

        def = ngx_array_push(&dmcf->workflows);
        if (def == NULL) {
            return NGX_ERROR;
        }

        *def = NULL;

        if (dur_plan_load(dur_str_make(workflow[i].text.data,
                                       workflow[i].text.len), def, &err)
            != DUR_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_durable_serve_unload(void *data)
{
    ngx_array_t *workflows = data;

    ngx_uint_t        i;
    dur_plan_def_t  **def;

    def = workflows->elts;

    for (i = 0; i < workflows->nelts; i++) {
        dur_plan_free(def[i]);
    }
}
