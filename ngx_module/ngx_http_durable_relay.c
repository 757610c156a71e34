
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * An answer that somebody else made, kept as JSON, for a client that waited
 * for it: the headers that may be passed on.
 */


#include "ngx_http_durable.h"
#include "engine/dur_gateway.h"


static ngx_uint_t ngx_http_durable_relay_passes(dur_str_t name,
    dur_str_t value);


/* What belongs to the connection, or is this server's to say. */

static const char  *ngx_http_durable_relay_hidden[] = {
    "access-control-allow-origin", "alt-svc", "connection",
    "content-encoding", "content-length", "date", "keep-alive",
    "proxy-authenticate", "proxy-connection", "server", "te", "trailer",
    "transfer-encoding", "upgrade", "x-inngest-server-kind", NULL
};


/* headers is an object of strings, or NULL; *type changes when there is a
 * content-type. */

ngx_int_t
ngx_http_durable_relay_headers(ngx_http_request_t *r, const json_t *headers,
    ngx_str_t *type)
{
    void       *at;
    json_t     *object, *value;
    dur_str_t   name, text;
    ngx_str_t   key, copy;

    object = (json_t *) headers;

    for (at = json_object_iter(object);
         at;
         at = json_object_iter_next(object, at))
    {
        value = json_object_iter_value(at);

        if (!json_is_string(value)) {
            continue;
        }

        name = dur_str_c(json_object_iter_key(at));
        text = dur_str_make(json_string_value(value),
                            json_string_length(value));

        if (!ngx_http_durable_relay_passes(name, text)) {
            continue;
        }

        if (ngx_http_durable_relay_copy(r, name, &key) != NGX_OK
            || ngx_http_durable_relay_copy(r, text, &copy) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (dur_str_caseeq(name, dur_str("content-type"))) {
            *type = copy;

        } else if (ngx_http_durable_header(r, (char *) key.data, &copy)
                   != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_durable_relay_passes(dur_str_t name, dur_str_t value)
{
    const char  **hidden;

    for (hidden = ngx_http_durable_relay_hidden; *hidden; hidden++) {
        if (dur_str_caseeq(name, dur_str_c(*hidden))) {
            return 0;
        }
    }

    return dur_gateway_is_token(name) && dur_gateway_is_value(value);
}


/* Into the pool of the request, with a zero behind it. */

ngx_int_t
ngx_http_durable_relay_copy(ngx_http_request_t *r, dur_str_t s,
    ngx_str_t *copy)
{
    copy->len = s.len;
    copy->data = ngx_pnalloc(r->pool, s.len + 1);

    if (copy->data == NULL) {
        return NGX_ERROR;
    }

    if (s.len) {
        ngx_memcpy(copy->data, s.data, s.len);
    }

    copy->data[s.len] = '\0';

    return NGX_OK;
}
