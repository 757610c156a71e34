
/*
 * Copyright (C) the nginx-durable authors
 */


#include "ngx_http_durable.h"

#include <sys/un.h>


/* The longest name the process half makes of the path of a store. */
#define NGX_HTTP_DURABLE_SOCKET  "/leader.sock.4294967295"

#define NGX_HTTP_DURABLE_PATH_MAX                                             \
    (sizeof(((struct sockaddr_un *) 0)->sun_path) - 1)

#define NGX_HTTP_DURABLE_STORE_MIN  (1024 * 1024)


static char *ngx_http_durable_store_option(ngx_conf_t *cf,
    ngx_durable_conf_t *conf, ngx_str_t *value);
static ngx_int_t ngx_http_durable_check_path(ngx_conf_t *cf, ngx_str_t *path,
    size_t max);


void
ngx_http_durable_place(ngx_conf_t *cf, ngx_http_durable_place_t *place)
{
    place->file = cf->conf_file->file.name;
    place->line = cf->conf_file->line;
}


/* durable_store path [size=size] [retention=time] [durability=sync|async] */

char *
ngx_http_durable_set_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_durable_main_conf_t *dmcf = conf;

    char        *rv;
    u_char       text[NGX_HTTP_DURABLE_ERROR_LEN];
    ngx_str_t   *value, path;
    ngx_uint_t   i;

    if (dmcf->durable.enabled) {
        return "is duplicate";
    }

    value = cf->args->elts;
    path = value[1];

    while (path.len > 1 && path.data[path.len - 1] == '/') {
        path.data[--path.len] = '\0';
    }

    if (ngx_http_durable_check_path(cf, &path, NGX_HTTP_DURABLE_PATH_MAX
                                       - sizeof(NGX_HTTP_DURABLE_SOCKET) + 1)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        rv = ngx_http_durable_store_option(cf, &dmcf->durable, &value[i]);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (dur_store_check_format((char *) path.data, (char *) text, sizeof(text))
        != DUR_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the store \"%V\" cannot be used: %s",
                           &path, text);
        return NGX_CONF_ERROR;
    }

    dmcf->path = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));
    if (dmcf->path == NULL) {
        return NGX_CONF_ERROR;
    }

    dmcf->path->name = path;
    dmcf->path->conf_file = cf->conf_file->file.name.data;
    dmcf->path->line = cf->conf_file->line;

    if (ngx_add_path(cf, &dmcf->path) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    dmcf->durable.path = path;
    dmcf->durable.enabled = 1;

    ngx_http_durable_place(cf, &dmcf->store);

    return NGX_CONF_OK;
}


static char *
ngx_http_durable_store_option(ngx_conf_t *cf, ngx_durable_conf_t *conf,
    ngx_str_t *value)
{
    off_t      size;
    time_t     time;
    ngx_str_t  s;

    if (ngx_strncmp(value->data, "size=", 5) == 0) {
        s.len = value->len - 5;
        s.data = value->data + 5;

        size = ngx_parse_offset(&s);

        if (size == NGX_ERROR || size < NGX_HTTP_DURABLE_STORE_MIN) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid store size \"%V\": it is a number "
                               "with k, m or g, and at least 1m", &s);
            return NGX_CONF_ERROR;
        }

        conf->size = ngx_align((uint64_t) size, (uint64_t) ngx_pagesize);

        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value->data, "retention=", 10) == 0) {
        s.len = value->len - 10;
        s.data = value->data + 10;

        time = ngx_parse_time(&s, 1);

        if (s.len == 0 || time == (time_t) NGX_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid retention \"%V\": it is a time such "
                               "as 30d or 12h, or 0 to keep runs for ever",
                               &s);
            return NGX_CONF_ERROR;
        }

        conf->retention = time;

        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value->data, "durability=sync") == 0) {
        conf->async = 0;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value->data, "durability=async") == 0) {
        conf->async = 1;
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown option \"%V\": \"durable_store\" knows size=, "
                       "retention= and durability=sync|async", value);

    return NGX_CONF_ERROR;
}


/* durable_sidecar unix:path */

char *
ngx_http_durable_set_sidecar(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_durable_main_conf_t *dmcf = conf;

    ngx_str_t  *value, path;

    if (dmcf->sidecar.line) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strncmp(value[1].data, "unix:", 5) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the sidecar is reached over a unix socket: "
                           "write \"unix:/path\" in place of \"%V\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    path.len = value[1].len - 5;
    path.data = value[1].data + 5;

    if (ngx_http_durable_check_path(cf, &path, NGX_HTTP_DURABLE_PATH_MAX)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    dmcf->durable.sidecar = path;

    ngx_http_durable_place(cf, &dmcf->sidecar);

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_durable_check_path(ngx_conf_t *cf, ngx_str_t *path, size_t max)
{
    if (path->len == 0 || path->data[0] != '/') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the path \"%V\" is not absolute", path);
        return NGX_ERROR;
    }

    if (path->len > max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the path \"%V\" is too long for a unix socket: "
                           "at most %uz bytes fit here", path, max);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* durable_event_key key ... */

char *
ngx_http_durable_set_event_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_durable_main_conf_t *dmcf = conf;

    ngx_str_t   *value, *key;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        key = ngx_array_push(&dmcf->durable.event_keys);
        if (key == NULL) {
            return NGX_CONF_ERROR;
        }

        if (ngx_http_durable_secret(cf, &value[i], key) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        if (key->len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "an event key must not be empty");
            return NGX_CONF_ERROR;
        }

        if (ngx_strlchr(key->data, key->data + key->len, '/')
            || ngx_strlchr(key->data, key->data + key->len, LF))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "an event key is a part of a path: it must "
                               "not have \"/\" or line breaks in it");
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* durable_signing_key key [fallback] */

char *
ngx_http_durable_set_signing_key(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_durable_main_conf_t *dmcf = conf;

    ngx_str_t   *value, *key;
    ngx_uint_t   i;

    if (dmcf->durable.signing_key.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        key = (i == 1) ? &dmcf->durable.signing_key
                       : &dmcf->durable.signing_key_fallback;

        if (ngx_http_durable_secret(cf, &value[i], key) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        if (ngx_http_durable_check_signing_key(key) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "the %s signing key is not valid: after an "
                               "optional \"signkey-<word>-\" it is an even "
                               "number of hexadecimal digits "
                               "(\"openssl rand -hex 32\" makes one)",
                               i == 1 ? "first" : "fallback");
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_durable_check_signing_key(ngx_str_t *key)
{
    u_char     c;
    size_t     i;
    dur_str_t  rest;

    rest = dur_signing_key_strip(dur_str_make(key->data, key->len));

    if (rest.len == 0 || rest.len % 2 != 0) {
        return NGX_ERROR;
    }

    for (i = 0; i < rest.len; i++) {
        c = rest.data[i] | 0x20;

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))
            || rest.data[i] < '0')
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* durable_app url [max_calls=number] */

char *
ngx_http_durable_set_app(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_durable_main_conf_t *dmcf = conf;

    ngx_int_t           n;
    ngx_str_t          *value;
    ngx_uint_t          i;
    ngx_durable_app_t  *app;

    value = cf->args->elts;

    if (ngx_http_durable_check_url(&value[1]) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the URL of an app is "
                           "\"http://host:port/path\" or https, not \"%V\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    app = dmcf->durable.apps.elts;

    for (i = 0; i < dmcf->durable.apps.nelts; i++) {
        if (app[i].url.len == value[1].len
            && ngx_strncmp(app[i].url.data, value[1].data, value[1].len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "the app \"%V\" is there already", &value[1]);
            return NGX_CONF_ERROR;
        }
    }

    app = ngx_array_push(&dmcf->durable.apps);
    if (app == NULL) {
        return NGX_CONF_ERROR;
    }

    app->url = value[1];
    app->max_calls = 128;

    if (cf->args->nelts > 2) {

        if (ngx_strncmp(value[2].data, "max_calls=", 10) != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown option \"%V\": \"durable_app\" knows "
                               "max_calls=", &value[2]);
            return NGX_CONF_ERROR;
        }

        n = ngx_atoi(value[2].data + 10, value[2].len - 10);

        if (n == NGX_ERROR || n < 1 || n > 65535) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"%V\": it is a number from 1 to "
                               "65535", &value[2]);
            return NGX_CONF_ERROR;
        }

        app->max_calls = n;
    }

    if (dmcf->app.line == 0) {
        ngx_http_durable_place(cf, &dmcf->app);
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_durable_check_url(ngx_str_t *url)
{
    u_char  *p, *last;

    p = url->data;
    last = url->data + url->len;

    if (ngx_strncasecmp(p, (u_char *) "http://", 7) == 0) {
        p += 7;

    } else if (ngx_strncasecmp(p, (u_char *) "https://", 8) == 0) {
        p += 8;

    } else {
        return NGX_ERROR;
    }

    if (p == last || *p == '/' || *p == ':' || *p == '?') {
        return NGX_ERROR;
    }

    for ( /* void */ ; p < last; p++) {
        if (*p <= ' ' || *p == 0x7f) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
