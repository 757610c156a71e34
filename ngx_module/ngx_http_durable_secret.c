
/*
 * Copyright (C) the nginx-durable authors
 */


#include "ngx_http_durable.h"


#define NGX_HTTP_DURABLE_SECRET_MAX  4096


static ngx_int_t ngx_http_durable_secret_file(ngx_conf_t *cf,
    ngx_str_t *name, ngx_str_t *secret);
static ngx_int_t ngx_http_durable_secret_env(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *secret);


/*
 * A secret as it stands in the configuration, or from "file:/path", or from
 * "env:NAME"; it is never written to a log.
 */

ngx_int_t
ngx_http_durable_secret(ngx_conf_t *cf, ngx_str_t *value, ngx_str_t *secret)
{
    ngx_int_t  rc;
    ngx_str_t  name;

    if (ngx_strncmp(value->data, "file:", 5) == 0) {
        name.len = value->len - 5;
        name.data = value->data + 5;

        rc = ngx_http_durable_secret_file(cf, &name, secret);

    } else if (ngx_strncmp(value->data, "env:", 4) == 0) {
        name.len = value->len - 4;
        name.data = value->data + 4;

        rc = ngx_http_durable_secret_env(cf, &name, secret);

    } else {
        *secret = *value;
        rc = NGX_OK;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    while (secret->len
           && (secret->data[secret->len - 1] == LF
               || secret->data[secret->len - 1] == CR))
    {
        secret->len--;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_secret_file(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *secret)
{
    ssize_t   n;
    u_char   *p;
    ngx_fd_t  fd;

    if (name->len == 0 || name->data[0] != '/') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"file:\" needs an absolute path, not \"%V\"",
                           name);
        return NGX_ERROR;
    }

    fd = ngx_open_file(name->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "the secret in \"%V\" cannot be read: "
                           ngx_open_file_n " failed", name);
        return NGX_ERROR;
    }

    n = -1;

    p = ngx_pnalloc(cf->pool, NGX_HTTP_DURABLE_SECRET_MAX + 1);

    if (p != NULL) {
        n = ngx_read_fd(fd, p, NGX_HTTP_DURABLE_SECRET_MAX + 1);

        if (n == -1) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                               "the secret in \"%V\" cannot be read: "
                               ngx_read_fd_n " failed", name);

        } else if (n > NGX_HTTP_DURABLE_SECRET_MAX) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "the secret in \"%V\" is longer than %d bytes",
                               name, NGX_HTTP_DURABLE_SECRET_MAX);
            n = -1;
        }
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", name);
    }

    if (n == -1) {
        return NGX_ERROR;
    }

    secret->len = n;
    secret->data = p;

    return NGX_OK;
}


/*
 * The variable is kept for the next binary: an upgrade passes on only what the
 * "env" directive lists.
 */

static ngx_int_t
ngx_http_durable_secret_env(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *secret)
{
    char             *value;
    ngx_str_t        *variable;
    ngx_core_conf_t  *ccf;

    if (name->len == 0 || ngx_strlchr(name->data, name->data + name->len, '='))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"env:\" needs the name of a variable, "
                           "not \"%V\"", name);
        return NGX_ERROR;
    }

    value = getenv((char *) name->data);

    if (value == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the environment has no variable \"%V\"", name);
        return NGX_ERROR;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                           ngx_core_module);

    variable = ngx_array_push(&ccf->env);
    if (variable == NULL) {
        return NGX_ERROR;
    }

    *variable = *name;

    secret->len = ngx_strlen(value);
    secret->data = ngx_pnalloc(cf->pool, secret->len + 1);
    if (secret->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(secret->data, value, secret->len + 1);

    return NGX_OK;
}
