/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * libcurl's sockets in our epoll.
 *
 * libcurl tells a socket "none", then "read", for every exchange on a
 * connection that stays open.  Each would be a system call; so what libcurl
 * wants is only noted, and epoll hears of the difference at the end of a
 * turn.  A connection that rests in libcurl's cache stays registered until
 * something happens on it.  That is safe only for sockets whose closing we
 * hear of (libcurl's resolver has others): those are told at once.
 */

#include "durable_sidecar.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>


static durable_socket_t *
durable_socket_get(durable_t *d, int fd)
{
    int                n;
    durable_socket_t  *sockets;

    if (fd < d->nsockets) {
        return &d->sockets[fd];
    }

    n = d->nsockets ? d->nsockets : 256;
    while (n <= fd) {
        n *= 2;
    }

    sockets = realloc(d->sockets, (size_t) n * sizeof(durable_socket_t));
    if (sockets == NULL) {
        return NULL;
    }

    memset(sockets + d->nsockets, 0,
           (size_t) (n - d->nsockets) * sizeof(durable_socket_t));

    d->sockets = sockets;
    d->nsockets = n;

    return &d->sockets[fd];
}


static void
durable_socket_epoll(durable_t *d, int fd, durable_socket_t *s)
{
    struct epoll_event  ev;

    s->dirty = false;

    if (s->want == s->have) {
        return;
    }

    ev.events = 0;
    ev.data.u64 = durable_event(fd, DURABLE_EVENT_SOCKET);

    if (s->want & CURL_POLL_IN) {
        ev.events |= EPOLLIN;
    }

    if (s->want & CURL_POLL_OUT) {
        ev.events |= EPOLLOUT;
    }

    if (s->want == 0) {
        epoll_ctl(d->epoll, EPOLL_CTL_DEL, fd, &ev);

    } else if (epoll_ctl(d->epoll, s->have ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
                         fd, &ev) == -1
               && (errno == EEXIST || errno == ENOENT))
    {
        epoll_ctl(d->epoll, errno == EEXIST ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
                  fd, &ev);
    }

    s->have = s->want;
}


/* Notes that epoll has to hear of the socket at the end of the turn. */
static void
durable_socket_later(durable_t *d, int fd, durable_socket_t *s)
{
    int  *dirty, size;

    if (s->dirty) {
        return;
    }

    if (d->ndirty == d->dirty_size) {
        size = d->dirty_size ? d->dirty_size * 2 : 256;

        dirty = realloc(d->dirty, (size_t) size * sizeof(int));
        if (dirty == NULL) {
            durable_socket_epoll(d, fd, s);
            return;
        }

        d->dirty = dirty;
        d->dirty_size = size;
    }

    s->dirty = true;
    d->dirty[d->ndirty++] = fd;
}


void
durable_socket_settle(durable_t *d)
{
    int                fd;
    durable_socket_t  *s;

    for (int i = 0; i < d->ndirty; i++) {
        fd = d->dirty[i];
        s = &d->sockets[fd];

        if (s->dirty && s->want != 0) {
            durable_socket_epoll(d, fd, s);
        }

        s->dirty = false;
    }

    d->ndirty = 0;
}


int
durable_socket_opened(durable_t *d, int fd)
{
    durable_socket_t  *s;

    s = durable_socket_get(d, fd);
    if (s == NULL) {
        return -1;
    }

    memset(s, 0, sizeof(*s));
    s->ours = true;

    return 0;
}


void
durable_socket_closed(durable_t *d, int fd)
{
    if (fd < d->nsockets) {
        memset(&d->sockets[fd], 0, sizeof(durable_socket_t));
    }
}


int
durable_socket_on_want(CURL *curl, curl_socket_t fd, int what, void *data,
    void *socket_data)
{
    durable_t         *d;
    durable_multi_t   *m = data;
    durable_socket_t  *s;

    (void) curl;
    (void) socket_data;

    d = m->durable;

    s = durable_socket_get(d, fd);
    if (s == NULL) {
        return -1;
    }

    s->multi = m;
    s->want = what == CURL_POLL_REMOVE ? 0 : (uint8_t) (what & 3);

    if (s->ours) {
        if (s->want != 0 && s->want != s->have) {
            durable_socket_later(d, fd, s);
        }

    } else {
        durable_socket_epoll(d, fd, s);
    }

    return 0;
}


void
durable_socket_event(durable_t *d, int fd, uint32_t events)
{
    int                what, running;
    durable_socket_t  *s;

    if (fd >= d->nsockets) {
        return;
    }

    s = &d->sockets[fd];

    if (s->want == 0) {
        /* at rest in the cache: libcurl looks at it before it uses it */
        durable_socket_epoll(d, fd, s);
        return;
    }

    what = 0;

    if (events & (EPOLLIN|EPOLLHUP)) {
        what |= CURL_CSELECT_IN;
    }

    if (events & EPOLLOUT) {
        what |= CURL_CSELECT_OUT;
    }

    if (events & EPOLLERR) {
        what |= CURL_CSELECT_ERR;
    }

    curl_multi_socket_action(s->multi->curl, fd, what, &running);
}


void
durable_socket_deinit(durable_t *d)
{
    free(d->sockets);
    free(d->dirty);

    d->sockets = NULL;
    d->nsockets = 0;
    d->dirty = NULL;
    d->ndirty = 0;
    d->dirty_size = 0;
}
