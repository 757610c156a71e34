
/*
 * Copyright (C) the nginx-durable authors
 */


/* What the two files that read events share. */


#ifndef _NGX_HTTP_DURABLE_PARSE_H_INCLUDED_
#define _NGX_HTTP_DURABLE_PARSE_H_INCLUDED_


#include "ngx_http_durable.h"


typedef struct {
    ngx_http_request_t            *request;
    ngx_http_durable_ctx_t        *ctx;
    ngx_http_durable_scratch_t    *scratch;
    ngx_uint_t                     invoke;  /* the name is not the client's */
    ngx_uint_t                     array;   /* messages tell the index */
    ngx_uint_t                     index;
    int64_t                        now;
    uint64_t                       seed_ms;
    u_char                         seed[10];
    dur_str_t                      text;    /* of the event */
    u_char                         error[NGX_HTTP_DURABLE_ERROR_LEN];
} ngx_http_durable_parse_t;


/* NGX_OK; NGX_DECLINED: ctx->error says what is wrong; NGX_ERROR. */

ngx_int_t ngx_http_durable_parse_name(ngx_http_durable_parse_t *parse,
    json_t *json, dur_op_event_t *event);
ngx_int_t ngx_http_durable_parse_ts(ngx_http_durable_parse_t *parse,
    json_t *json, dur_op_event_t *event);
ngx_int_t ngx_http_durable_parse_string(
    ngx_http_durable_parse_t *parse, json_t *json, const char *key,
    dur_str_t *value);
ngx_int_t ngx_http_durable_parse_object(
    ngx_http_durable_parse_t *parse, json_t *json, const char *key,
    json_t **value);
ngx_int_t ngx_http_durable_parse_failed(
    ngx_http_durable_parse_t *parse, const char *fmt, ...);


#endif /* _NGX_HTTP_DURABLE_PARSE_H_INCLUDED_ */
