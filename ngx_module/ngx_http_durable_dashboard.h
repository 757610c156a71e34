
/*
 * Copyright (C) the nginx-durable authors
 */


/* What the files of the dashboard share, and the server's table asks them. */


#ifndef _NGX_HTTP_DURABLE_DASHBOARD_H_INCLUDED_
#define _NGX_HTTP_DURABLE_DASHBOARD_H_INCLUDED_


#include "ngx_http_durable.h"


typedef enum {
    NGX_HTTP_DURABLE_ACCESS_UNSET = 0,
    NGX_HTTP_DURABLE_ACCESS_KEY,
    NGX_HTTP_DURABLE_ACCESS_NGINX           /* nginx asks who it is */
} ngx_http_durable_access_e;


/* What durable_dashboard says. */
struct ngx_http_durable_dashboard_s {
    ngx_str_t                      prefix;      /* of the location */
    ngx_str_t                      root;        /* without a slash behind */
    ngx_http_complex_value_t      *read_only;   /* NULL: it is not */
    ngx_uint_t                     access;
};


/* ngx_http_durable_dashboard_conf.c */
char *ngx_http_durable_set_dashboard(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ngx_http_durable_dashboard.c */
ngx_int_t ngx_http_durable_dashboard_handler(ngx_http_request_t *r);
ngx_uint_t ngx_http_durable_dashboard_has(
    const ngx_http_durable_route_t *route, ngx_str_t *arg);
ngx_int_t ngx_http_durable_dashboard_access(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_dashboard_mark(ngx_http_request_t *r);

/* ngx_http_durable_dashboard_file.c */
ngx_int_t ngx_http_durable_dashboard_file(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_str_t *name);


#endif /* _NGX_HTTP_DURABLE_DASHBOARD_H_INCLUDED_ */
