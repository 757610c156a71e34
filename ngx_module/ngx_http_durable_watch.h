
/*
 * Copyright (C) the nginx-durable authors
 */


#ifndef _NGX_HTTP_DURABLE_WATCH_H_INCLUDED_
#define _NGX_HTTP_DURABLE_WATCH_H_INCLUDED_


/* Included by ngx_http_durable.h. */


#define NGX_HTTP_DURABLE_FIGURES  4


/* What GET /v1/figures answers for a while, of a window. */
typedef struct {
    dur_buf_t                      text;
    int64_t                        window;
    ngx_msec_t                     made;
} ngx_http_durable_figures_t;


ngx_int_t ngx_http_durable_run_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_function_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_figures_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_system_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_wait.c */
ngx_int_t ngx_http_durable_wait(ngx_http_request_t *r, ngx_msec_t timeout,
    ngx_http_durable_wait_pt handler, void *data);


#endif /* _NGX_HTTP_DURABLE_WATCH_H_INCLUDED_ */
