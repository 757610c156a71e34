
/*
 * Copyright (C) the nginx-durable authors
 */


/* The opening handshake of WebSocket (RFC 6455, section 4.2). */


#include "ngx_http_durable.h"


#define NGX_HTTP_DURABLE_WS_GUID     "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define NGX_HTTP_DURABLE_UPGRADE     426


static ngx_uint_t ngx_http_durable_handshake_has(ngx_str_t *list,
    const char *word);


/* 0, or a status, and ctx->error says why. */

ngx_uint_t
ngx_http_durable_handshake(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_str_t **key)
{
    size_t      n;
    uint8_t     nonce[18];
    ngx_str_t  *upgrade, *connection, *version, known;

    *key = NULL;

    if (r->http_version != NGX_HTTP_VERSION_11 || r->method != NGX_HTTP_GET) {
        ngx_str_set(&ctx->error, "this is for WebSocket over HTTP/1.1; over "
                                 "another version use /v1/realtime/sse");
        return NGX_HTTP_DURABLE_UPGRADE;
    }

    upgrade = ngx_http_durable_request_header(r, "upgrade",
                                              sizeof("upgrade") - 1);
    connection = ngx_http_durable_request_header(r, "connection",
                                                 sizeof("connection") - 1);
    version = ngx_http_durable_request_header(r, "sec-websocket-version",
                                          sizeof("sec-websocket-version") - 1);
    *key = ngx_http_durable_request_header(r, "sec-websocket-key",
                                           sizeof("sec-websocket-key") - 1);

    if (upgrade == NULL || connection == NULL
        || !ngx_http_durable_handshake_has(upgrade, "websocket")
        || !ngx_http_durable_handshake_has(connection, "upgrade"))
    {
        ngx_str_set(&ctx->error, "this is for WebSocket: the request has no "
                                 "Upgrade: websocket with Connection: "
                                 "Upgrade (a proxy in front has to pass them "
                                 "on)");
        return NGX_HTTP_DURABLE_UPGRADE;
    }

    if (version == NULL || version->len != 2
        || ngx_strncmp(version->data, "13", 2) != 0)
    {
        ngx_str_set(&known, "13");
        ngx_str_set(&ctx->error, "only version 13 of WebSocket is spoken "
                                 "here");

        (void) ngx_http_durable_header(r, "Sec-WebSocket-Version", &known);

        return NGX_HTTP_DURABLE_UPGRADE;
    }

    if (*key == NULL
        || dur_unbase64(dur_str_make((*key)->data, (*key)->len), nonce,
                        sizeof(nonce), &n)
           != DUR_OK
        || n != 16)
    {
        ngx_str_set(&ctx->error, "the header Sec-WebSocket-Key must be 16 "
                                 "bytes in base64");
        return NGX_HTTP_BAD_REQUEST;
    }

    return 0;
}


/* A comma-separated list with this word. */

static ngx_uint_t
ngx_http_durable_handshake_has(ngx_str_t *list, const char *word)
{
    size_t   len;
    u_char  *p, *end, *last;

    len = ngx_strlen(word);
    last = list->data + list->len;

    for (p = list->data; p < last; p = end + 1) {

        while (p < last && (*p == ' ' || *p == '\t')) { p++; }

        end = ngx_strlchr(p, last, ',');

        if (end == NULL) {
            end = last;
        }

        if ((size_t) (end - p) >= len
            && ngx_strncasecmp(p, (u_char *) word, len) == 0
            && ((size_t) (end - p) == len || p[len] == ' '
                || p[len] == '\t'))
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_durable_handshake_answer(ngx_http_request_t *r, ngx_str_t *key)
{
    char        *text;
    u_char       joined[128], *last;
    uint8_t      digest[20];
    ngx_int_t    rc;
    ngx_str_t    accept, protocol;

    last = ngx_slprintf(joined, joined + sizeof(joined), "%V%s", key,
                        NGX_HTTP_DURABLE_WS_GUID);

    dur_sha1(dur_str_make(joined, last - joined), digest);

    text = ngx_pnalloc(r->pool, 32);
    if (text == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    dur_base64(dur_str_make(digest, sizeof(digest)), text);

    accept.data = (u_char *) text;
    accept.len = ngx_strlen(text);
    ngx_str_set(&protocol, "websocket");

    if (ngx_http_durable_header(r, "Upgrade", &protocol) != NGX_OK
        || ngx_http_durable_header(r, "Sec-WebSocket-Accept", &accept)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* "Connection: upgrade" is nginx's own for this status */

    r->headers_out.status = NGX_HTTP_SWITCHING_PROTOCOLS;
    r->keepalive = 0;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK) {
        return rc;
    }

    /* what follows goes past nginx's filters, so this has to be out */

    if (ngx_http_send_special(r, NGX_HTTP_FLUSH) != NGX_OK
        || r->connection->buffered)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
