
/*
 * Copyright (C) the nginx-durable authors
 */


/* The directives of a webhook's location, but durable_verify. */


#include "ngx_http_durable.h"
#include "engine/dur_gateway.h"


#define NGX_HTTP_DURABLE_SYNC_TIME     10000
#define NGX_HTTP_DURABLE_FORWARD_MAX   (2 * 60 * 60 * 1000)


static ngx_int_t ngx_http_durable_route_option(ngx_conf_t *cf,
    ngx_http_durable_hook_t *hook, ngx_str_t *option);
static ngx_int_t ngx_http_durable_route_connector(ngx_conf_t *cf,
    ngx_http_durable_hook_t *hook, ngx_str_t *value);
static ngx_int_t ngx_http_durable_route_also(ngx_conf_t *cf,
    ngx_http_durable_hook_t *hook, ngx_str_t *value);
static ngx_uint_t ngx_http_durable_route_is_event(ngx_str_t *name);
static ngx_int_t ngx_http_durable_route_methods(ngx_conf_t *cf,
    ngx_http_durable_hook_t *hook, ngx_str_t *value);
static ngx_int_t ngx_http_durable_route_base(ngx_conf_t *cf,
    ngx_http_durable_hook_t *hook, ngx_str_t *value);
static ngx_http_complex_value_t *ngx_http_durable_route_value(ngx_conf_t *cf,
    ngx_str_t *value);
static ngx_int_t ngx_http_durable_forward_option(ngx_conf_t *cf,
    ngx_http_durable_hook_t *hook, ngx_str_t *option);


static struct {
    ngx_str_t   name;
    ngx_uint_t  method;
} ngx_http_durable_route_names[] = {
    { ngx_string("GET"), NGX_HTTP_GET },
    { ngx_string("POST"), NGX_HTTP_POST },
    { ngx_string("PUT"), NGX_HTTP_PUT },
    { ngx_string("PATCH"), NGX_HTTP_PATCH },
    { ngx_string("DELETE"), NGX_HTTP_DELETE },
    { ngx_null_string, 0 }
};


/* durable_route [connector] [also=connector] [methods=list] [url=base] */

char *
ngx_http_durable_set_route(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_durable_loc_conf_t *dlcf = conf;

    ngx_str_t                     *value;
    ngx_uint_t                     i;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_durable_main_conf_t  *dmcf;

    if (dlcf->surface != NGX_CONF_UNSET_UINT) {
        return ngx_http_durable_taken(dlcf, NGX_HTTP_DURABLE_ROUTE);
    }

    value = cf->args->elts;
    i = 1;

    if (cf->args->nelts > 1
        && (value[1].data[0] == '$'
            || ngx_strlchr(value[1].data, value[1].data + value[1].len, '=')
               == NULL))
    {
        if (ngx_http_durable_route_connector(cf, &dlcf->hook, &value[1])
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }

        i = 2;
    }

    for ( /* void */ ; i < cf->args->nelts; i++) {
        if (ngx_http_durable_route_option(cf, &dlcf->hook, &value[i])
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    dlcf->handler = ngx_http_durable_route_handler;
    clcf->handler = dlcf->handler;

    dlcf->surface = NGX_HTTP_DURABLE_ROUTE;
    ngx_http_durable_place(cf, &dlcf->hook.place);

    dmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_durable_module);

    if (dmcf->route.line == 0) {
        dmcf->route = dlcf->hook.place;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_durable_route_option(ngx_conf_t *cf, ngx_http_durable_hook_t *hook,
    ngx_str_t *option)
{
    ngx_str_t  value;

    if (ngx_strncmp(option->data, "also=", 5) == 0) {
        value.len = option->len - 5;
        value.data = option->data + 5;

        return ngx_http_durable_route_also(cf, hook, &value);
    }

    if (ngx_strncmp(option->data, "methods=", 8) == 0) {
        value.len = option->len - 8;
        value.data = option->data + 8;

        return ngx_http_durable_route_methods(cf, hook, &value);
    }

    if (ngx_strncmp(option->data, "url=", 4) == 0) {
        value.len = option->len - 4;
        value.data = option->data + 4;

        return ngx_http_durable_route_base(cf, hook, &value);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown option \"%V\": \"durable_route\" knows also=, "
                       "methods= and url=", option);
    return NGX_ERROR;
}


static ngx_int_t
ngx_http_durable_route_connector(ngx_conf_t *cf,
    ngx_http_durable_hook_t *hook, ngx_str_t *value)
{
    if (ngx_http_script_variables_count(value)) {
        hook->connector = ngx_http_durable_route_value(cf, value);
        return hook->connector ? NGX_OK : NGX_ERROR;
    }

    if (!dur_webhook_is_connector(dur_str_make(value->data, value->len))) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is no name of a connector: it has letters, "
                           "digits, \"-\", \"_\" and \".\", and at most %d of "
                           "them", value, DUR_WEBHOOK_CONNECTOR);
        return NGX_ERROR;
    }

    hook->name = *value;

    return NGX_OK;
}


/* Another connector, or the whole name of an event: that has a "/". */

static ngx_int_t
ngx_http_durable_route_also(ngx_conf_t *cf, ngx_http_durable_hook_t *hook,
    ngx_str_t *value)
{
    u_char  *p;

    if (ngx_strlchr(value->data, value->data + value->len, '/')) {

        if (ngx_http_durable_route_is_event(value)) {
            hook->also = *value;
            return NGX_OK;
        }

    } else if (dur_webhook_is_connector(dur_str_make(value->data,
                                                     value->len)))
    {
        if (value->len == hook->name.len
            && ngx_strncmp(value->data, hook->name.data, value->len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"also=%V\" is the connector itself", value);
            return NGX_ERROR;
        }

        p = ngx_pnalloc(cf->pool, sizeof(DUR_WEBHOOK_BEFORE DUR_WEBHOOK_AFTER)
                                  + value->len);
        if (p == NULL) {
            return NGX_ERROR;
        }

        hook->also.data = p;
        hook->also.len = ngx_sprintf(p, DUR_WEBHOOK_BEFORE "%V"
                                        DUR_WEBHOOK_AFTER, value)
                         - p;
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"also=%V\": it is a second name, of letters, "
                       "digits, \"-\", \"_\" and \".\", or the name of an "
                       "event, with \"/\" in it", value);
    return NGX_ERROR;
}


static ngx_uint_t
ngx_http_durable_route_is_event(ngx_str_t *name)
{
    size_t  i;

    for (i = 0; i < name->len; i++) {
        if (name->data[i] <= ' ' || name->data[i] >= 0x7f) {
            return 0;
        }
    }

    return name->len <= NGX_HTTP_DURABLE_NAME_MAX
           && ngx_strncasecmp(name->data, (u_char *) "inngest/", 8) != 0;
}


static ngx_int_t
ngx_http_durable_route_methods(ngx_conf_t *cf, ngx_http_durable_hook_t *hook,
    ngx_str_t *value)
{
    u_char      *p, *last, *end;
    ngx_str_t    word;
    ngx_uint_t   i;

    hook->methods = 0;
    last = value->data + value->len;

    for (p = value->data; p <= last; p = end + 1) {

        end = ngx_strlchr(p, last, ',');
        if (end == NULL) {
            end = last;
        }

        word.len = end - p;
        word.data = p;

        for (i = 0; ngx_http_durable_route_names[i].method; i++) {
            if (word.len == ngx_http_durable_route_names[i].name.len
                && ngx_strncmp(p, ngx_http_durable_route_names[i].name.data,
                               word.len)
                   == 0)
            {
                break;
            }
        }

        if (ngx_http_durable_route_names[i].method == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid method \"%V\" in \"methods=\": they "
                               "are GET, POST, PUT, PATCH and DELETE, with "
                               "commas between them", &word);
            return NGX_ERROR;
        }

        hook->methods |= ngx_http_durable_route_names[i].method;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_route_base(ngx_conf_t *cf, ngx_http_durable_hook_t *hook,
    ngx_str_t *value)
{
    while (value->len && value->data[value->len - 1] == '/') {
        value->len--;
    }

    if ((value->len == 0 || value->data[0] != '$')
        && ngx_http_durable_check_url(value) != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"url=%V\": it is what stands before the "
                           "path of the request, such as "
                           "\"https://hooks.example.com\"", value);
        return NGX_ERROR;
    }

    hook->base = ngx_http_durable_route_value(cf, value);

    return hook->base ? NGX_OK : NGX_ERROR;
}


static ngx_http_complex_value_t *
ngx_http_durable_route_value(ngx_conf_t *cf, ngx_str_t *value)
{
    ngx_http_complex_value_t          *cv;
    ngx_http_compile_complex_value_t   ccv;

    cv = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (cv == NULL) {
        return NULL;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = cv;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? cv : NULL;
}


/* durable_forward url [ordered] [timeout=time] */

char *
ngx_http_durable_set_forward(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_durable_loc_conf_t *dlcf = conf;

    ngx_str_t                *value;
    ngx_uint_t                i;
    ngx_http_durable_hook_t  *hook;

    hook = &dlcf->hook;

    if (hook->forward.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_http_script_variables_count(&value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"durable_forward\" takes no variables: a webhook "
                           "is sent on when its request may be long over");
        return NGX_CONF_ERROR;
    }

    if (ngx_http_durable_check_url(&value[1]) != NGX_OK
        || value[1].len > DUR_GATEWAY_URL)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "webhooks are sent on to "
                           "\"http://host:port/path\" or https, not \"%V\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    hook->forward = value[1];
    hook->timeout = NGX_CONF_UNSET_MSEC;
    hook->ordered = 0;

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_durable_forward_option(cf, hook, &value[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    ngx_conf_init_msec_value(hook->timeout, 60000);
    ngx_http_durable_place(cf, &hook->forward_place);

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_durable_forward_option(ngx_conf_t *cf, ngx_http_durable_hook_t *hook,
    ngx_str_t *option)
{
    ngx_int_t  time;
    ngx_str_t  value;

    if (ngx_strcmp(option->data, "ordered") == 0) {
        hook->ordered = 1;
        return NGX_OK;
    }

    if (ngx_strncmp(option->data, "timeout=", 8) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown option \"%V\": \"durable_forward\" knows "
                           "\"ordered\" and timeout=", option);
        return NGX_ERROR;
    }

    value.len = option->len - 8;
    value.data = option->data + 8;

    time = value.len ? ngx_parse_time(&value, 0) : NGX_ERROR;

    if (time == NGX_ERROR || time < 1 || time > NGX_HTTP_DURABLE_FORWARD_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\": it is a time such as 30s, and at "
                           "most 2h", option);
        return NGX_ERROR;
    }

    hook->timeout = time;

    return NGX_OK;
}


/* durable_dedupe value | off */

char *
ngx_http_durable_set_dedupe(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_durable_loc_conf_t *dlcf = conf;

    ngx_str_t  *value, none;

    if (dlcf->hook.dedupe != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        ngx_str_set(&none, "");
        value = &none;

    } else if (ngx_http_script_variables_count(&value[1]) == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"durable_dedupe\" needs a variable, such as "
                           "$http_linear_delivery: \"%V\" is the same for "
                           "every webhook", &value[1]);
        return NGX_CONF_ERROR;

    } else {
        value = &value[1];
    }

    dlcf->hook.dedupe = ngx_http_durable_route_value(cf, value);

    return dlcf->hook.dedupe ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* durable_respond code | sync [timeout] */

char *
ngx_http_durable_set_respond(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_durable_loc_conf_t *dlcf = conf;

    ngx_int_t                 n;
    ngx_str_t                *value;
    ngx_http_durable_hook_t  *hook;

    hook = &dlcf->hook;

    if (hook->status != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "sync") == 0) {

        n = NGX_HTTP_DURABLE_SYNC_TIME;

        if (cf->args->nelts > 2) {
            n = ngx_parse_time(&value[2], 0);

            if (n == NGX_ERROR || n == 0) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "invalid time \"%V\": it is how long "
                                   "\"sync\" waits, such as 10s", &value[2]);
                return NGX_CONF_ERROR;
            }
        }

        hook->status = 0;
        hook->sync = n;
        ngx_http_durable_place(cf, &hook->sync_place);

        return NGX_CONF_OK;
    }

    n = ngx_atoi(value[1].data, value[1].len);

    if (n < 200 || n > 299 || cf->args->nelts > 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"durable_respond\" is a status from 200 to 299 "
                           "or \"sync\" with a time: providers send again "
                           "what is answered otherwise");
        return NGX_CONF_ERROR;
    }

    hook->status = n;

    return NGX_CONF_OK;
}
