
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Realtime, the publisher's side (protocol 8.3): tokens for those who listen,
 * and messages, which go into the ring that all workers share.  A body that is
 * a stream is passed on while it comes.
 */


#include "ngx_http_durable.h"

#include "engine/dur_json_text.h"
#include "engine/dur_realtime.h"


#define NGX_HTTP_DURABLE_TOPICS_MAX   (64 * 1024)
#define NGX_HTTP_DURABLE_PUBLISH_MAX  (512 * 1024)
#define NGX_HTTP_DURABLE_STREAM_MAX   (1000 * DUR_REALTIME_CHUNK)


/* A body that is passed on in pieces. */
struct ngx_http_durable_stream_s {
    dur_realtime_message_t  message;
    char                    id[DUR_ULID_TEXT_LEN + 1];
    u_char                  rest[4];    /* a character that is not whole */
    size_t                  nrest;
    ngx_uint_t              begun;
};


static ngx_int_t ngx_http_durable_realtime_token_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_uint_t ngx_http_durable_realtime_streams(ngx_http_request_t *r);
static void ngx_http_durable_realtime_bearer(ngx_http_request_t *r,
    ngx_str_t *token);
static ngx_int_t ngx_http_durable_realtime_names(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_realtime_message_t *m);
static ngx_int_t ngx_http_durable_realtime_arg(ngx_http_request_t *r,
    const char *name, dur_str_t *value);
static ngx_int_t ngx_http_durable_realtime_publish_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_realtime_topic(ngx_http_request_t *r,
    ngx_uint_t *n, ngx_str_t *topic);
static ngx_int_t ngx_http_durable_realtime_put(ngx_http_durable_ctx_t *ctx,
    dur_realtime_message_t *m);
static int64_t ngx_http_durable_realtime_now(void);
static ngx_int_t ngx_http_durable_stream(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_realtime_kind_t kind);
static void ngx_http_durable_stream_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_durable_stream_read(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static ngx_int_t ngx_http_durable_stream_bytes(ngx_http_durable_ctx_t *ctx,
    u_char *p, size_t n);
static ngx_int_t ngx_http_durable_stream_text(ngx_http_durable_ctx_t *ctx,
    u_char *p, size_t n);
static size_t ngx_http_durable_stream_cut(u_char *p, size_t n);
static void ngx_http_durable_stream_end(void *data);


/* POST /v1/realtime/token */

ngx_int_t
ngx_http_durable_realtime_token_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_read_body(r, ctx, NGX_HTTP_DURABLE_TOPICS_MAX,
                                      ngx_http_durable_realtime_token_body);
}


static ngx_int_t
ngx_http_durable_realtime_token_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    char        err[160];
    dur_rc_t    rc;
    dur_buf_t  *claims, *answer;
    dur_str_t   body;

    claims = &ctx->conf->scratch.canonical;
    answer = &ctx->conf->scratch.text;

    dur_buf_reset(claims);
    dur_buf_reset(answer);

    if (ngx_http_durable_body(r, ctx, &body) != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    rc = dur_realtime_claims(body, ngx_time(),
                             ngx_http_durable_realtime_streams(r), claims,
                             err);

    if (rc == DUR_EINVAL) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST, "%s", err);
    }

    if (rc != DUR_OK) {
        return ngx_http_durable_error_rc(r, rc);
    }

    dur_buf_addz(answer, "{\"jwt\":\"");

    if (ngx_http_durable_token_sign(ctx, dur_buf_str(claims), answer)
        != NGX_OK)
    {
        return ngx_http_durable_unavailable(r);
    }

    dur_buf_addz(answer, "\"}");

    return ngx_http_durable_send_copy(r, NGX_HTTP_CREATED,
                                      dur_buf_str(answer));
}


/* Version 4 of the JS SDK does not survive the messages of a stream; those
 * before it, and Python's and Go's, know them. */

static ngx_uint_t
ngx_http_durable_realtime_streams(ngx_http_request_t *r)
{
    ngx_str_t  *sdk;

    sdk = ngx_http_durable_request_header(r, "x-inngest-sdk",
                                          sizeof("x-inngest-sdk") - 1);

    return sdk == NULL
           || (ngx_strlcasestrn(sdk->data, sdk->data + sdk->len,
                                (u_char *) "js:v4", sizeof("js:v4") - 2)
               == NULL);
}


/*
 * The token of a subscriber, in the arguments or as a bearer.  0: *claims is
 * the caller's, *grant borrowed from it; otherwise a status to refuse with.
 */

ngx_uint_t
ngx_http_durable_realtime_token(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, json_t **claims, dur_realtime_grant_t *grant)
{
    ngx_int_t  rc;
    ngx_str_t  token;

    if (ngx_http_durable_arg(r, "token", &token) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (token.len == 0) {
        ngx_http_durable_realtime_bearer(r, &token);
    }

    rc = ngx_http_durable_token_verify(ctx, &token, claims);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    if (rc == NGX_OK && dur_realtime_grant(*claims, grant) != DUR_OK) {
        json_decref(*claims);
        rc = NGX_DECLINED;
    }

    return rc == NGX_OK ? 0 : NGX_HTTP_UNAUTHORIZED;
}


ngx_int_t
ngx_http_durable_realtime_refuse(ngx_http_request_t *r, ngx_uint_t status)
{
    if (status == NGX_HTTP_SERVICE_UNAVAILABLE) {
        return ngx_http_durable_unavailable(r);
    }

    if (status != NGX_HTTP_UNAUTHORIZED) {
        return (ngx_int_t) status;
    }

    return ngx_http_durable_error(r, NGX_HTTP_UNAUTHORIZED, "Unauthorized: "
                                  "the argument \"token\" is no token of "
                                  "/v1/realtime/token, or it has expired");
}


/* NGX_OK when the bearer may publish. */

ngx_int_t
ngx_http_durable_realtime_publisher(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    json_t                *claims;
    ngx_int_t              rc;
    ngx_str_t              token;
    dur_realtime_grant_t   grant;

    ngx_http_durable_realtime_bearer(r, &token);

    if (token.len == 0
        || ngx_http_durable_token_verify(ctx, &token, &claims) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    rc = (dur_realtime_grant(claims, &grant) == DUR_OK && grant.publish)
         ? NGX_OK : NGX_DECLINED;

    json_decref(claims);

    return rc;
}


static void
ngx_http_durable_realtime_bearer(ngx_http_request_t *r, ngx_str_t *token)
{
    ngx_str_null(token);

    if (r->headers_in.authorization == NULL) {
        return;
    }

    *token = r->headers_in.authorization->value;

    if (token->len <= sizeof("Bearer ") - 1
        || ngx_strncasecmp(token->data, (u_char *) "Bearer ",
                           sizeof("Bearer ") - 1)
           != 0)
    {
        ngx_str_null(token);
        return;
    }

    token->data += sizeof("Bearer ") - 1;
    token->len -= sizeof("Bearer ") - 1;
}


/* POST /v1/realtime/publish?channel=&topic=&run_id=&metadata= */

ngx_int_t
ngx_http_durable_publish_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    ngx_str_t  *type;

    type = r->headers_in.content_type ? &r->headers_in.content_type->value
                                      : NULL;

    if (type && type->len >= sizeof("text/stream") - 1
        && ngx_strncasecmp(type->data, (u_char *) "text/stream",
                           sizeof("text/stream") - 1)
           == 0)
    {
        return ngx_http_durable_stream(r, ctx, DUR_REALTIME_CHUNK_OF);
    }

    return ngx_http_durable_read_body(r, ctx, NGX_HTTP_DURABLE_PUBLISH_MAX,
                                      ngx_http_durable_realtime_publish_body);
}


/* POST /v1/realtime/publish/tee?channel= */

ngx_int_t
ngx_http_durable_tee_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_stream(r, ctx, DUR_REALTIME_BYTES);
}


static ngx_int_t
ngx_http_durable_realtime_publish_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    ngx_str_t               topic, empty;
    ngx_uint_t              n, next;
    dur_realtime_message_t  m;

    ngx_memzero(&m, sizeof(dur_realtime_message_t));

    m.kind = DUR_REALTIME_DATA;

    switch (ngx_http_durable_realtime_names(r, ctx, &m)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST, "%V",
                                      &ctx->error);

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_durable_body(r, ctx, &m.data) != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    next = 0;

    for (n = 0; n < DUR_REALTIME_TOPICS; n++) {

        if (ngx_http_durable_realtime_topic(r, &next, &topic) != NGX_OK) {
            break;
        }

        m.topic = dur_str_make(topic.data, topic.len);

        if (ngx_http_durable_realtime_put(ctx, &m) != NGX_OK) {
            return ngx_http_durable_unavailable(r);
        }
    }

    if (n == 0) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "the argument \"topic\" is missing");
    }

    ngx_str_null(&empty);

    return ngx_http_durable_send(r, NGX_HTTP_OK, &empty);
}


/* NGX_DECLINED: ctx->error says what is wrong. */

static ngx_int_t
ngx_http_durable_realtime_names(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_realtime_message_t *m)
{
    ngx_uint_t  next;
    ngx_str_t   topic;

    if (ngx_http_durable_realtime_arg(r, "channel", &m->channel) != NGX_OK
        || ngx_http_durable_realtime_arg(r, "run_id", &m->run_id) != NGX_OK
        || ngx_http_durable_realtime_arg(r, "metadata", &m->metadata)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    m->now = ngx_http_durable_realtime_now();

    if (m->channel.len == 0) {
        ngx_str_set(&ctx->error, "the argument \"channel\" is missing");
        return NGX_DECLINED;
    }

    if (m->channel.len > DUR_RING_NAME) {
        ngx_str_set(&ctx->error, "the argument \"channel\" is longer than "
                                 "1024 bytes");
        return NGX_DECLINED;
    }

    next = 0;

    while (ngx_http_durable_realtime_topic(r, &next, &topic) == NGX_OK) {
        if (topic.len == 0 || topic.len > DUR_RING_NAME) {
            ngx_str_set(&ctx->error, "the argument \"topic\" must have 1 to "
                                     "1024 bytes");
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_realtime_arg(ngx_http_request_t *r, const char *name,
    dur_str_t *value)
{
    ngx_str_t  arg;

    if (ngx_http_durable_arg(r, name, &arg) != NGX_OK) {
        return NGX_ERROR;
    }

    *value = dur_str_make(arg.data, arg.len);

    return NGX_OK;
}


/* The next "topic" of the arguments, unescaped; *next is where to go on.
 * NGX_DONE: there is none. */

static ngx_int_t
ngx_http_durable_realtime_topic(ngx_http_request_t *r, ngx_uint_t *next,
    ngx_str_t *topic)
{
    u_char  *p, *end, *last, *dst, *src;

    p = r->args.data + *next;
    last = r->args.data + r->args.len;

    for ( /* void */ ; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, '&');

        if (end == NULL) {
            end = last;
        }

        if (end - p < (ssize_t) sizeof("topic=") - 1
            || ngx_strncmp(p, "topic=", sizeof("topic=") - 1) != 0)
        {
            continue;
        }

        p += sizeof("topic=") - 1;

        topic->data = ngx_pnalloc(r->pool, end - p + 1);
        if (topic->data == NULL) {
            return NGX_ERROR;
        }

        dst = topic->data;
        src = p;

        ngx_unescape_uri(&dst, &src, end - p, 0);

        topic->len = dst - topic->data;
        *next = ngx_min(end + 1, last) - r->args.data;

        return NGX_OK;
    }

    return NGX_DONE;
}


static int64_t
ngx_http_durable_realtime_now(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (int64_t) tp->sec * 1000 + tp->msec;
}


/* Makes the message and puts it into the ring. */

static ngx_int_t
ngx_http_durable_realtime_put(ngx_http_durable_ctx_t *ctx,
    dur_realtime_message_t *m)
{
    dur_rc_t             rc;
    dur_buf_t           *text;
    dur_ring_t          *ring;
    dur_ring_message_t   entry;

    text = &ctx->conf->scratch.text;
    dur_buf_reset(text);

    ngx_memzero(&entry, sizeof(dur_ring_message_t));

    entry.time = m->now;
    entry.kind = (uint8_t) m->kind;
    entry.channel = m->channel;
    entry.topic = m->topic;
    entry.text = m->data;

    if (m->kind != DUR_REALTIME_BYTES) {

        if (dur_realtime_write(text, m) != DUR_OK) {
            return NGX_ERROR;
        }

        entry.text = dur_buf_str(text);
    }

    ring = ngx_durable_realtime_lock();

    if (ring == NULL) {
        return NGX_ERROR;
    }

    rc = dur_ring_put(ring, &entry);

    ngx_durable_realtime_unlock();

    if (rc != DUR_OK) {
        return NGX_ERROR;
    }

    ngx_durable_realtime_tell();

    return NGX_OK;
}


/* -- streams -------------------------------------------------------------- */

static ngx_int_t
ngx_http_durable_stream(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx,
    dur_realtime_kind_t kind)
{
    ngx_int_t                   rc;
    ngx_str_t                   topic;
    ngx_uint_t                  next;
    dur_ulid_t                  id;
    ngx_http_cleanup_t         *cln;
    dur_realtime_message_t     *m;
    ngx_http_durable_stream_t  *stream;

    stream = ngx_pcalloc(r->pool, sizeof(ngx_http_durable_stream_t));
    if (stream == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    m = &stream->message;
    m->kind = kind;
    m->topic = dur_str(DUR_REALTIME_RAW);

    rc = ngx_http_durable_realtime_names(r, ctx, m);
    next = 0;

    if (rc == NGX_OK && kind == DUR_REALTIME_CHUNK_OF) {

        rc = ngx_http_durable_realtime_topic(r, &next, &topic);
        m->topic = dur_str_make(topic.data, topic.len);

        if (rc == NGX_DONE) {
            ngx_str_set(&ctx->error, "the argument \"topic\" is missing");
            rc = NGX_DECLINED;
        }
    }

    if (rc == NGX_DECLINED) {

        rc = ngx_http_discard_request_body(r);

        return rc != NGX_OK ? rc
               : ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST, "%V",
                                        &ctx->error);
    }

    cln = ngx_http_cleanup_add(r, 0);

    if (rc != NGX_OK || cln == NULL
        || ngx_http_durable_ulid(&ctx->conf->scratch, (uint64_t) m->now, &id)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    dur_ulid_text(&id, stream->id);

    ctx->stream = stream;

    cln->handler = ngx_http_durable_stream_end;
    cln->data = ctx;

    ctx->limit = NGX_HTTP_DURABLE_STREAM_MAX;
    ctx->reading = 1;

    r->request_body_no_buffering = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_durable_stream_handler);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


/* The first part of the body is here. */

static void
ngx_http_durable_stream_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_str_t                   empty;
    ngx_http_durable_ctx_t     *ctx;
    ngx_http_durable_stream_t  *stream;

    ctx = ngx_http_get_module_ctx(r, ngx_http_durable_module);
    stream = ctx->stream;

    rc = NGX_OK;

    if (!stream->begun && stream->message.kind == DUR_REALTIME_CHUNK_OF) {
        stream->message.kind = DUR_REALTIME_STREAM_START;
        stream->message.data = dur_str_c(stream->id);

        rc = ngx_http_durable_realtime_put(ctx, &stream->message);

        stream->message.kind = DUR_REALTIME_CHUNK_OF;
        stream->message.stream_id = dur_str_c(stream->id);
        stream->begun = 1;
    }

    if (rc == NGX_OK) {
        rc = ngx_http_durable_stream_read(r, ctx);
    }

    if (rc == NGX_AGAIN) {
        r->read_event_handler = ngx_http_durable_stream_handler;
        return;
    }

    ctx->reading = 0;
    r->read_event_handler = ngx_http_block_reading;

    if (rc == NGX_ERROR) {
        rc = ngx_http_durable_unavailable(r);

    } else if (rc == NGX_OK) {
        ngx_http_durable_stream_end(ctx);
        ngx_str_null(&empty);
        rc = ngx_http_durable_send(r, NGX_HTTP_OK, &empty);
    }

    ngx_http_finalize_request(r, rc);
}


/* NGX_OK: all of it was passed on; NGX_AGAIN: as much as came. */

static ngx_int_t
ngx_http_durable_stream_read(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t  *cl, *next;

    for ( ;; ) {

        for (cl = r->request_body->bufs; cl; cl = next) {

            next = cl->next;
            b = cl->buf;

            if (ngx_http_durable_stream_bytes(ctx, b->pos, b->last - b->pos)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            b->pos = b->last;
            ngx_free_chain(r->pool, cl);
        }

        r->request_body->bufs = NULL;

        if (!r->reading_body) {
            return NGX_OK;
        }

        rc = ngx_http_read_unbuffered_request_body(r);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            return rc;
        }

        if (r->request_body->bufs == NULL && rc == NGX_AGAIN) {
            return NGX_AGAIN;
        }
    }
}


static ngx_int_t
ngx_http_durable_stream_bytes(ngx_http_durable_ctx_t *ctx, u_char *p,
    size_t n)
{
    dur_realtime_message_t  *m;

    if (n == 0) {
        return NGX_OK;
    }

    m = &ctx->stream->message;
    m->now = ngx_http_durable_realtime_now();

    if (m->kind == DUR_REALTIME_CHUNK_OF) {
        return ngx_http_durable_stream_text(ctx, p, n);
    }

    m->data = dur_str_make(p, n);

    return ngx_http_durable_realtime_put(ctx, m);
}


/* Pieces of whole characters. */

static ngx_int_t
ngx_http_durable_stream_text(ngx_http_durable_ctx_t *ctx, u_char *p, size_t n)
{
    size_t                      size, cut;
    u_char                      piece[DUR_REALTIME_CHUNK];
    ngx_http_durable_stream_t  *stream;

    stream = ctx->stream;

    while (n) {
        ngx_memcpy(piece, stream->rest, stream->nrest);

        size = ngx_min(n, sizeof(piece) - stream->nrest);
        ngx_memcpy(piece + stream->nrest, p, size);

        p += size;
        n -= size;
        size += stream->nrest;

        cut = ngx_http_durable_stream_cut(piece, size);
        stream->nrest = size - cut;
        ngx_memcpy(stream->rest, piece + cut, stream->nrest);

        if (cut == 0) {
            return NGX_OK;
        }

        stream->message.data = dur_str_make(piece, cut);

        if (ngx_http_durable_realtime_put(ctx, &stream->message) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* The length without the start of a character at the end. */

static size_t
ngx_http_durable_stream_cut(u_char *p, size_t n)
{
    size_t  back, need;

    for (back = 1; back <= 3 && back <= n; back++) {

        if ((p[n - back] & 0xc0) == 0x80) {
            continue;
        }

        need = p[n - back] >= 0xf0 ? 4 : p[n - back] >= 0xe0 ? 3
               : p[n - back] >= 0xc0 ? 2 : 1;

        return need > back ? n - back : n;
    }

    return n;
}


/* The body is over, or its sender went away. */

static void
ngx_http_durable_stream_end(void *data)
{
    ngx_http_durable_ctx_t *ctx = data;

    dur_realtime_message_t     *m;
    ngx_http_durable_stream_t  *stream;

    stream = ctx->stream;

    if (!stream->begun) {
        return;
    }

    stream->begun = 0;

    m = &stream->message;
    m->now = ngx_http_durable_realtime_now();

    if (stream->nrest) {
        m->data = dur_str_make(stream->rest, stream->nrest);
        (void) ngx_http_durable_realtime_put(ctx, m);
    }

    m->kind = DUR_REALTIME_STREAM_END;
    m->data = dur_str_c(stream->id);
    m->stream_id = dur_str_null;

    (void) ngx_http_durable_realtime_put(ctx, m);
}
