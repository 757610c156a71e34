
/*
 * Copyright (C) the nginx-durable authors
 */


#include "ngx_durable_process.h"

#include <sys/un.h>


#define NGX_DURABLE_LINK_READ    (64 * 1024)
#define NGX_DURABLE_LINK_TURNS   32
#define NGX_DURABLE_LINK_MOVE    (1024 * 1024)


static void ngx_durable_link_read_handler(ngx_event_t *rev);
static void ngx_durable_link_write_handler(ngx_event_t *wev);
static ngx_int_t ngx_durable_link_parse(ngx_durable_link_t *l);
static void ngx_durable_link_consume(ngx_durable_link_t *l, size_t n);
static void ngx_durable_link_compact(dur_buf_t *b, size_t *pos);


ngx_durable_link_t *
ngx_durable_link_create(ngx_socket_t s)
{
    ngx_connection_t    *c;
    ngx_durable_link_t  *l;

    l = ngx_calloc(sizeof(ngx_durable_link_t), ngx_cycle->log);
    if (l == NULL) {
        (void) ngx_close_socket(s);
        return NULL;
    }

    c = ngx_get_connection(s, ngx_cycle->log);
    if (c == NULL) {
        (void) ngx_close_socket(s);
        ngx_free(l);
        return NULL;
    }

    c->data = l;
    c->log = ngx_cycle->log;
    c->recv = ngx_recv;
    c->send = ngx_send;
    c->log_error = NGX_ERROR_INFO;

    c->read->handler = ngx_durable_link_read_handler;
    c->write->handler = ngx_durable_link_write_handler;
    c->read->log = c->log;
    c->write->log = c->log;
    c->write->ready = 1;

    l->connection = c;

    dur_buf_init(&l->in, DUR_FRAME_MAX + 2 * NGX_DURABLE_LINK_READ);
    dur_buf_init(&l->out, NGX_DURABLE_LINK_MAX);
    dur_buf_init(&l->urgent, NGX_DURABLE_LINK_MAX);

    ngx_queue_init(&l->bodies);
    ngx_queue_init(&l->ops);

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_durable_link_close(l);
        return NULL;
    }

    return l;
}


ngx_durable_link_t *
ngx_durable_link_connect(const char *path, ngx_err_t *err)
{
    int                  s;
    struct sockaddr_un   sun;
    ngx_durable_link_t  *l;

    ngx_memzero(&sun, sizeof(struct sockaddr_un));
    sun.sun_family = AF_UNIX;

    if (ngx_strlen(path) >= sizeof(sun.sun_path)) {
        *err = ENAMETOOLONG;
        return NULL;
    }

    (void) ngx_cpystrn((u_char *) sun.sun_path, (u_char *) path,
                       sizeof(sun.sun_path));

    s = socket(AF_UNIX, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);
    if (s == -1) {
        *err = ngx_socket_errno;
        return NULL;
    }

    /* a stream socket of this family connects at once or not at all */

    if (connect(s, (struct sockaddr *) &sun, sizeof(struct sockaddr_un))
        == -1)
    {
        *err = ngx_socket_errno;
        (void) ngx_close_socket(s);
        return NULL;
    }

    l = ngx_durable_link_create(s);
    *err = (l == NULL) ? NGX_ENOMEM : 0;

    return l;
}


void
ngx_durable_link_close(ngx_durable_link_t *l)
{
    ngx_durable_link_bodies_free(l);

    dur_buf_deinit(&l->in);
    dur_buf_deinit(&l->out);
    dur_buf_deinit(&l->urgent);

    ngx_close_connection(l->connection);

    ngx_free(l);
}


/* What was appended to out or urgent goes at the end of this turn. */

void
ngx_durable_link_push(ngx_durable_link_t *l)
{
    ngx_event_t  *wev;

    wev = l->connection->write;

    if (l->out.failed || l->urgent.failed) {

        /* over the maximum: a peer that does not read */

        l->failed = 1;
    }

    if (ngx_exiting) {
        (void) ngx_durable_link_flush(l);
        return;
    }

    if (wev->ready || l->failed) {
        ngx_post_event(wev, &ngx_posted_events);
    }
}


void
ngx_durable_link_pause(ngx_durable_link_t *l, ngx_uint_t paused)
{
    if (l->paused == paused) {
        return;
    }

    l->paused = paused;

    if (!paused) {
        ngx_post_event(l->connection->read, &ngx_posted_next_events);
    }
}


size_t
ngx_durable_link_pending(ngx_durable_link_t *l)
{
    return l->out.len - l->written + l->urgent.len - l->urgent_written;
}


/*
 * Urgent frames go between two frames of out, never inside one: first the
 * rest of the frame that was begun, then all urgent ones, then out.
 */

ngx_int_t
ngx_durable_link_flush(ngx_durable_link_t *l)
{
    size_t             rest;
    ssize_t            n;
    ngx_err_t          err;
    ngx_uint_t         niov;
    struct iovec       iov[3];
    ngx_connection_t  *c;

    c = l->connection;

    if (l->failed) {
        return NGX_ERROR;
    }

    while (ngx_durable_link_pending(l)) {

        niov = 0;
        rest = l->out.len - l->written;

        if (l->partial) {
            iov[niov].iov_base = l->out.data + l->written;
            iov[niov++].iov_len = l->partial;
            rest -= l->partial;
        }

        if (l->urgent.len > l->urgent_written) {
            iov[niov].iov_base = l->urgent.data + l->urgent_written;
            iov[niov++].iov_len = l->urgent.len - l->urgent_written;
        }

        if (rest) {
            iov[niov].iov_base = l->out.data + l->out.len - rest;
            iov[niov++].iov_len = rest;
        }

        n = writev(c->fd, iov, niov);

        if (n == -1) {
            err = ngx_socket_errno;

            if (err == NGX_EINTR) {
                continue;
            }

            if (err == NGX_EAGAIN) {
                c->write->ready = 0;

                if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
                    break;
                }

                return NGX_AGAIN;
            }

            break;
        }

        ngx_durable_link_consume(l, n);
    }

    if (ngx_durable_link_pending(l)) {
        l->failed = 1;

        /* lost() is called from the event loop, not under the caller */

        ngx_post_event(c->write, &ngx_posted_events);

        return NGX_ERROR;
    }

    if (c->write->active
        && ngx_handle_write_event(c->write, 0) != NGX_OK)
    {
        l->failed = 1;
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_durable_link_consume(ngx_durable_link_t *l, size_t n)
{
    size_t  size;

    size = ngx_min(n, l->partial);
    l->partial -= size;
    l->written += size;
    n -= size;

    size = ngx_min(n, l->urgent.len - l->urgent_written);
    l->urgent_written += size;
    n -= size;

    /* whole frames, and the start of the one that stays */

    while (n) {
        size = 4 + dur_get32(l->out.data + l->written);

        if (size > n) {
            l->partial = size - n;
            size = n;
        }

        l->written += size;
        n -= size;
    }

    ngx_durable_link_compact(&l->out, &l->written);
    ngx_durable_link_compact(&l->urgent, &l->urgent_written);
}


static void
ngx_durable_link_compact(dur_buf_t *b, size_t *pos)
{
    if (*pos == b->len) {
        dur_buf_reset(b);
        *pos = 0;
        return;
    }

    if (*pos >= NGX_DURABLE_LINK_MOVE && *pos >= b->len / 2) {
        ngx_memmove(b->data, b->data + *pos, b->len - *pos);
        b->len -= *pos;
        *pos = 0;
    }
}


static void
ngx_durable_link_read_handler(ngx_event_t *rev)
{
    ssize_t              n;
    ngx_uint_t           i;
    ngx_connection_t    *c;
    ngx_durable_link_t  *l;

    c = rev->data;
    l = c->data;

    if (l->failed || ngx_durable_link_parse(l) != NGX_OK) {
        goto lost;
    }

    for (i = 0; i < NGX_DURABLE_LINK_TURNS; i++) {

        if (l->paused) {
            return;
        }

        if (dur_buf_reserve(&l->in, NGX_DURABLE_LINK_READ) != DUR_OK) {
            goto lost;
        }

        n = c->recv(c, l->in.data + l->in.len, l->in.size - l->in.len);

        if (n == NGX_AGAIN) {
            if (ngx_handle_read_event(rev, 0) != NGX_OK) {
                goto lost;
            }

            return;
        }

        if (n == NGX_ERROR || n == 0) {
            goto lost;
        }

        l->in.len += n;

        if (ngx_durable_link_parse(l) != NGX_OK) {
            goto lost;
        }
    }

    /* others want their turn too */

    ngx_post_event(rev, &ngx_posted_next_events);

    return;

lost:

    l->lost(l);
}


static void
ngx_durable_link_write_handler(ngx_event_t *wev)
{
    ngx_connection_t    *c;
    ngx_durable_link_t  *l;

    c = wev->data;
    l = c->data;

    switch (ngx_durable_link_flush(l)) {

    case NGX_ERROR:
        l->lost(l);
        return;

    case NGX_OK:
        if (l->drained) {
            l->drained(l);
        }

        return;

    default:
        return;
    }
}


static ngx_int_t
ngx_durable_link_parse(ngx_durable_link_t *l)
{
    size_t       used, need;
    dur_rc_t     rc;
    dur_frame_t  f;

    while (!l->paused && l->parsed < l->in.len) {

        rc = dur_frame_decode(dur_str_make(l->in.data + l->parsed,
                                           l->in.len - l->parsed),
                              &f, &used, &need);

        if (rc == DUR_ENOTFOUND) {
            break;
        }

        if (rc != DUR_OK) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "durable: a link received what is no frame");
            return NGX_ERROR;
        }

        l->parsed += used;

        if (l->frame(l, &f) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (l->parsed == l->in.len) {
        dur_buf_reset(&l->in);

    } else if (l->parsed) {
        ngx_memmove(l->in.data, l->in.data + l->parsed,
                    l->in.len - l->parsed);
        l->in.len -= l->parsed;
    }

    l->parsed = 0;

    return NGX_OK;
}
