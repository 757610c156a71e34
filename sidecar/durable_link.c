/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A connection of an nginx: bytes in, frames out.  One read and one write per
 * turn of the loop; a peer that does not read stops being read.
 */

#include "durable_sidecar.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>


#define DURABLE_LINK_IN      (256 * 1024)
#define DURABLE_LINK_OUT     (8 * 1024 * 1024)
#define DURABLE_LINK_PAUSE   (1024 * 1024)      /* pending: read no more */
#define DURABLE_LINK_WRITES  4                  /* a turn */


static void
durable_link_interest(durable_t *d, durable_link_t *link, uint32_t events)
{
    struct epoll_event  ev;

    if (link->events == events) {
        return;
    }

    ev.events = events;
    ev.data.u64 = durable_event(link->fd, DURABLE_EVENT_LINK);

    epoll_ctl(d->epoll, EPOLL_CTL_MOD, link->fd, &ev);
    link->events = events;
}


/* NULL: no memory, the descriptor is still the caller's. */
durable_link_t *
durable_link_new(durable_t *d, int fd)
{
    durable_link_t      *link;
    struct epoll_event   ev;

    link = calloc(1, sizeof(durable_link_t));
    if (link == NULL) {
        return NULL;
    }

    link->in = malloc(DURABLE_LINK_IN);
    if (link->in == NULL) {
        free(link);
        return NULL;
    }

    link->fd = fd;
    link->opened = d->now;
    link->events = EPOLLIN;
    dur_buf_init(&link->out, DURABLE_LINK_OUT);

    ev.events = EPOLLIN;
    ev.data.u64 = durable_event(fd, DURABLE_EVENT_LINK);

    if (epoll_ctl(d->epoll, EPOLL_CTL_ADD, fd, &ev) == -1) {
        free(link->in);
        free(link);
        return NULL;
    }

    durable_list_add(&d->links, &link->node);

    return link;
}


durable_link_t *
durable_link_find(durable_t *d, int fd)
{
    durable_link_t  *link;
    durable_node_t  *node;

    for (node = d->links.next; node != &d->links; node = node->next) {
        link = durable_of(node, durable_link_t, node);

        if (link->fd == fd) {
            return link;
        }
    }

    return NULL;
}


void
durable_link_close(durable_t *d, durable_link_t *link)
{
    durable_list_del(&link->node);

    if (link->space != NULL && link->space->link == link) {
        durable_session_lost(d, link->space);
    }

    close(link->fd);
    dur_buf_deinit(&link->out);
    free(link->in);
    free(link);
}


size_t
durable_link_pending(const durable_link_t *link)
{
    return link->out.len - link->out_sent;
}


/* Takes the whole frames that were read; DUR_EINVAL, DUR_ENOMEM. */
static dur_rc_t
durable_link_frames(durable_t *d, durable_link_t *link)
{
    size_t       used, need, at;
    dur_rc_t     rc;
    dur_frame_t  f;

    for (at = 0; !link->closing; at += used) {
        rc = dur_frame_decode(dur_str_make(link->in + at, link->in_len - at),
                              &f, &used, &need);

        if (rc == DUR_ENOTFOUND) {
            break;
        }

        if (rc == DUR_OK) {
            rc = durable_session_frame(d, link, &f);
        }

        if (rc != DUR_OK) {
            return rc;
        }
    }

    link->in_len -= at;
    memmove(link->in, link->in + at, link->in_len);

    return DUR_OK;
}


void
durable_link_read(durable_t *d, durable_link_t *link)
{
    ssize_t   n;
    dur_rc_t  rc;

    n = recv(link->fd, link->in + link->in_len,
             DURABLE_LINK_IN - link->in_len, MSG_DONTWAIT);

    if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }

    if (n <= 0) {
        durable_log(DURABLE_LOG_INFO, "nginx %" PRIu32 " closed its link",
                    link->pid);
        durable_link_close(d, link);
        return;
    }

    if (link->closing) {
        return;
    }

    link->in_len += (size_t) n;

    rc = durable_link_frames(d, link);

    if (rc != DUR_OK) {
        durable_log(DURABLE_LOG_ERROR, "the link of nginx %" PRIu32 " is "
                    "closed: %s", link->pid,
                    rc == DUR_EINVAL ? "it sent what is no valid frame"
                                     : dur_strerror(rc));
        durable_link_close(d, link);
    }
}


/* -1: the peer is gone. */
static int
durable_link_write(durable_link_t *link)
{
    ssize_t  n;

    if (durable_link_pending(link) == 0) {
        return 0;
    }

    n = send(link->fd, link->out.data + link->out_sent,
             durable_link_pending(link), MSG_DONTWAIT|MSG_NOSIGNAL);

    if (n == -1) {
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }

    link->out_sent += (size_t) n;

    if (durable_link_pending(link) == 0) {
        dur_buf_reset(&link->out);
        link->out_sent = 0;

    } else if (link->out_sent > DURABLE_LINK_IN) {
        link->out.len -= link->out_sent;
        memmove(link->out.data, link->out.data + link->out_sent,
                link->out.len);
        link->out_sent = 0;
    }

    return 0;
}


void
durable_link_flush(durable_t *d, durable_link_t *link)
{
    bool      more;
    uint32_t  events;

    more = false;

    for (int i = 0; i < DURABLE_LINK_WRITES; i++) {
        more = link->space != NULL && durable_reply_fill(d, link);

        if (link->out.failed || durable_link_write(link) != 0) {
            durable_link_close(d, link);
            return;
        }

        if (!more || durable_link_pending(link)) {
            break;
        }
    }

    if (link->closing && durable_link_pending(link) == 0) {
        durable_link_close(d, link);
        return;
    }

    events = durable_link_pending(link) < DURABLE_LINK_PAUSE ? EPOLLIN : 0;

    if (more || durable_link_pending(link)) {
        events |= EPOLLOUT;
    }

    durable_link_interest(d, link, events);
}
