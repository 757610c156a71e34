
/*
 * Copyright (C) the nginx-durable authors
 */


#include "ngx_http_durable_dashboard.h"

#include <dlfcn.h>


#define NGX_HTTP_DURABLE_INDEX  "/index.html"


static ngx_int_t ngx_http_durable_dashboard_location(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf);
static ngx_int_t ngx_http_durable_dashboard_option(ngx_conf_t *cf,
    ngx_http_durable_dashboard_t *d, ngx_str_t *option);
static ngx_int_t ngx_http_durable_dashboard_read_only(ngx_conf_t *cf,
    ngx_http_durable_dashboard_t *d, ngx_str_t *value);
static ngx_int_t ngx_http_durable_dashboard_root(ngx_conf_t *cf,
    ngx_http_durable_dashboard_t *d);
static ngx_int_t ngx_http_durable_dashboard_default(ngx_conf_t *cf,
    ngx_str_t *root);
static ngx_int_t ngx_http_durable_dashboard_index(ngx_conf_t *cf,
    ngx_str_t *root);


/* Where `make dashboard` and `make install` put it, beside the module. */

static const char  *ngx_http_durable_dashboard_places[] = {
    "%s/dashboard",
    "%s/../../../share/nginx-durable/dashboard",
    NULL
};

static ngx_str_t  ngx_http_durable_dashboard_share =
    ngx_string("/usr/share/nginx-durable/dashboard");


/* durable_dashboard [read_only[=value]] [access=key|nginx] [root=dir] */

char *
ngx_http_durable_set_dashboard(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_durable_loc_conf_t *dlcf = conf;

    ngx_str_t                     *value;
    ngx_uint_t                     i;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_durable_dashboard_t  *d;
    ngx_http_durable_main_conf_t  *dmcf;

    if (dlcf->surface != NGX_CONF_UNSET_UINT) {
        return ngx_http_durable_taken(dlcf, NGX_HTTP_DURABLE_DASHBOARD);
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    d = ngx_pcalloc(cf->pool, sizeof(ngx_http_durable_dashboard_t));

    if (d == NULL || ngx_http_durable_dashboard_location(cf, clcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_durable_dashboard_option(cf, d, &value[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_http_durable_dashboard_root(cf, d) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (d->access == NGX_HTTP_DURABLE_ACCESS_UNSET) {
        d->access = NGX_HTTP_DURABLE_ACCESS_KEY;
    }

    d->prefix = clcf->name;

    dlcf->handler = ngx_http_durable_dashboard_handler;
    dlcf->surface = NGX_HTTP_DURABLE_DASHBOARD;
    dlcf->dashboard = d;

    clcf->handler = dlcf->handler;
    clcf->auto_redirect = 1;

    dmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_durable_module);

    if (dmcf->dashboard.line == 0) {
        ngx_http_durable_place(cf, &dmcf->dashboard);
    }

    if (d->access == NGX_HTTP_DURABLE_ACCESS_KEY && dmcf->keyed.line == 0) {
        ngx_http_durable_place(cf, &dmcf->keyed);
    }

    return NGX_CONF_OK;
}


/* The page asks for what is beside it by relative names. */

static ngx_int_t
ngx_http_durable_dashboard_location(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf)
{
    ngx_uint_t  regex;

#if (NGX_PCRE)
    regex = (clcf->regex != NULL);
#else
    regex = 0;
#endif

    if (regex || clcf->exact_match || clcf->named || clcf->noname
        || clcf->name.len == 0
        || clcf->name.data[clcf->name.len - 1] != '/')
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"durable_dashboard\" must be in a prefix "
                           "location with a slash at its end, such as "
                           "\"location /durable/\"");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_dashboard_option(ngx_conf_t *cf,
    ngx_http_durable_dashboard_t *d, ngx_str_t *option)
{
    u_char     *p;
    ngx_str_t   name, value;

    p = ngx_strlchr(option->data, option->data + option->len, '=');

    name = *option;
    ngx_str_null(&value);

    if (p != NULL) {
        name.len = p - option->data;
        value.data = p + 1;
        value.len = option->data + option->len - value.data;
    }

    if (name.len == 9 && ngx_strncmp(name.data, "read_only", 9) == 0) {

        if (d->read_only) {
            goto duplicate;
        }

        if (p == NULL) {
            ngx_str_set(&value, "1");
        }

        return ngx_http_durable_dashboard_read_only(cf, d, &value);
    }

    if (name.len == 6 && ngx_strncmp(name.data, "access", 6) == 0) {

        if (d->access != NGX_HTTP_DURABLE_ACCESS_UNSET) {
            goto duplicate;
        }

        if (value.len == 3 && ngx_strncmp(value.data, "key", 3) == 0) {
            d->access = NGX_HTTP_DURABLE_ACCESS_KEY;
            return NGX_OK;
        }

        if (value.len == 5 && ngx_strncmp(value.data, "nginx", 5) == 0) {
            d->access = NGX_HTTP_DURABLE_ACCESS_NGINX;
            return NGX_OK;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"access\" of \"durable_dashboard\" must be "
                           "\"key\" or \"nginx\"");
        return NGX_ERROR;
    }

    if (name.len == 4 && ngx_strncmp(name.data, "root", 4) == 0) {

        if (d->root.len) {
            goto duplicate;
        }

        if (value.len) {
            d->root = value;
            return NGX_OK;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"root\" has no value in \"durable_dashboard\"");
        return NGX_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown option \"%V\": \"durable_dashboard\" knows "
                       "read_only, access= and root=", option);
    return NGX_ERROR;

duplicate:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V\" is duplicate in \"durable_dashboard\"", &name);
    return NGX_ERROR;
}


static ngx_int_t
ngx_http_durable_dashboard_read_only(ngx_conf_t *cf,
    ngx_http_durable_dashboard_t *d, ngx_str_t *value)
{
    ngx_http_compile_complex_value_t  ccv;

    if (value->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"read_only\" has no value in "
                           "\"durable_dashboard\"");
        return NGX_ERROR;
    }

    d->read_only = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (d->read_only == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = d->read_only;

    return ngx_http_compile_complex_value(&ccv);
}


static ngx_int_t
ngx_http_durable_dashboard_root(ngx_conf_t *cf,
    ngx_http_durable_dashboard_t *d)
{
    if (d->root.len == 0) {

        if (ngx_http_durable_dashboard_default(cf, &d->root) != NGX_OK) {
            return NGX_ERROR;
        }

    } else if (ngx_conf_full_name(cf->cycle, &d->root, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    while (d->root.len > 1 && d->root.data[d->root.len - 1] == '/') {
        d->root.len--;
    }

    if (ngx_http_durable_dashboard_index(cf, &d->root) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "there is no index.html in \"%V\": run \"make "
                           "dashboard\", or name the directory of the "
                           "dashboard with \"root=\"", &d->root);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_dashboard_default(ngx_conf_t *cf, ngx_str_t *root)
{
    char        dir[NGX_MAX_PATH], path[NGX_MAX_PATH + 64], *slash, *copy;
    size_t      len;
    Dl_info     info;
    ngx_uint_t  i;

    *root = ngx_http_durable_dashboard_share;

    if (dladdr(&ngx_http_durable_module, &info) == 0
        || info.dli_fname == NULL || realpath(info.dli_fname, dir) == NULL)
    {
        return NGX_OK;
    }

    slash = strrchr(dir, '/');
    *slash = '\0';

    for (i = 0; ngx_http_durable_dashboard_places[i]; i++) {

        (void) snprintf(path, sizeof(path),
                        ngx_http_durable_dashboard_places[i], dir);

        len = ngx_strlen(path);

        copy = ngx_pnalloc(cf->pool, len + 1);
        if (copy == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(copy, path, len + 1);

        root->len = len;
        root->data = (u_char *) copy;

        if (ngx_http_durable_dashboard_index(cf, root) == NGX_OK) {
            return NGX_OK;
        }
    }

    *root = ngx_http_durable_dashboard_share;

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_dashboard_index(ngx_conf_t *cf, ngx_str_t *root)
{
    u_char           *path;
    ngx_file_info_t   fi;

    path = ngx_pnalloc(cf->temp_pool,
                       root->len + sizeof(NGX_HTTP_DURABLE_INDEX));
    if (path == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(path, "%V" NGX_HTTP_DURABLE_INDEX "%Z", root);

    if (ngx_file_info(path, &fi) == NGX_FILE_ERROR || !ngx_is_file(&fi)) {
        return NGX_ERROR;
    }

    return NGX_OK;
}
