
/*
 * Copyright (C) the nginx-durable authors
 */


/* The fields of an event (protocol 1.2, 1.3), and what is wrong with one. */


#include "ngx_http_durable_parse.h"


/* 1980-01-01 and 2100-01-01 */
#define NGX_HTTP_DURABLE_TS_MIN  (315532800 * (int64_t) 1000)
#define NGX_HTTP_DURABLE_TS_MAX  (4102444800 * (int64_t) 1000)


ngx_int_t
ngx_http_durable_parse_name(ngx_http_durable_parse_t *parse, json_t *json,
    dur_op_event_t *event)
{
    switch (dur_json_get_string(json, "name", &event->name)) {

    case DUR_OK:
        break;

    case DUR_ENOTFOUND:
        return ngx_http_durable_parse_failed(parse, "name is missing");

    default:
        return ngx_http_durable_parse_failed(parse, "name must be a string");
    }

    if (event->name.len == 0) {
        return ngx_http_durable_parse_failed(parse, "name is empty");
    }

    if (event->name.len > NGX_HTTP_DURABLE_NAME_MAX) {
        return ngx_http_durable_parse_failed(parse,
                                             "name is longer than %d bytes",
                                             NGX_HTTP_DURABLE_NAME_MAX);
    }

    if (event->name.len >= sizeof("inngest/") - 1
        && ngx_strncasecmp((u_char *) event->name.data,
                           (u_char *) "inngest/", sizeof("inngest/") - 1)
           == 0)
    {
        return ngx_http_durable_parse_failed(parse,
                                             "the prefix \"inngest/\" of a "
                                             "name is reserved");
    }

    return NGX_OK;
}


/*
 * With a seed an event without a time has that of the seed, so that the same
 * request sent again is the same event.
 */

ngx_int_t
ngx_http_durable_parse_ts(ngx_http_durable_parse_t *parse, json_t *json,
    dur_op_event_t *event)
{
    json_t  *ts;

    ts = json_object_get(json, "ts");

    event->ts = 0;

    if (ts != NULL && !json_is_null(ts)) {

        if (!json_is_integer(ts)) {
            return ngx_http_durable_parse_failed(parse,
                                                 "ts must be an integer, "
                                                 "milliseconds since 1970");
        }

        event->ts = json_integer_value(ts);
    }

    if (event->ts == 0) {
        event->ts = parse->ctx->seeded ? (int64_t) parse->seed_ms : parse->now;
        return NGX_OK;
    }

    if (event->ts < NGX_HTTP_DURABLE_TS_MIN
        || event->ts > NGX_HTTP_DURABLE_TS_MAX)
    {
        return ngx_http_durable_parse_failed(parse,
                                             "ts must be between 1980 and "
                                             "2100, in milliseconds");
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_durable_parse_string(ngx_http_durable_parse_t *parse, json_t *json,
    const char *key, dur_str_t *value)
{
    switch (dur_json_get_string(json, key, value)) {

    case DUR_OK:
        return NGX_OK;

    case DUR_ENOTFOUND:
        *value = dur_str_null;
        return NGX_OK;

    default:
        return ngx_http_durable_parse_failed(parse, "%s must be a string",
                                             key);
    }
}


ngx_int_t
ngx_http_durable_parse_object(ngx_http_durable_parse_t *parse, json_t *json,
    const char *key, json_t **value)
{
    *value = json_object_get(json, key);

    if (*value == NULL || json_is_null(*value)) {
        *value = NULL;
        return NGX_OK;
    }

    if (!json_is_object(*value)) {
        return ngx_http_durable_parse_failed(parse, "%s must be an object",
                                             key);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_durable_parse_failed(ngx_http_durable_parse_t *parse,
    const char *fmt, ...)
{
    u_char     *p, *last;
    va_list     args;
    ngx_str_t  *error;

    p = parse->error;
    last = parse->error + NGX_HTTP_DURABLE_ERROR_LEN;

    if (parse->array) {
        p = ngx_slprintf(p, last, "event %ui: ", parse->index);
    }

    va_start(args, fmt);
    p = ngx_vslprintf(p, last, fmt, args);
    va_end(args);

    error = &parse->ctx->error;

    error->data = ngx_pnalloc(parse->request->pool, p - parse->error);
    if (error->data == NULL) {
        return NGX_ERROR;
    }

    error->len = p - parse->error;
    ngx_memcpy(error->data, parse->error, error->len);

    return NGX_DECLINED;
}
