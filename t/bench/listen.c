/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Subscribers of realtime over WebSocket, and publishers beside them, in one
 * thread.  One line of key=value pairs is what it prints.
 *
 *     listen hold -s SERVER -k TOKEN -l N
 *     listen talk -s SERVER -k TOKEN -l N [-c N] -t SECONDS [-r RATE]
 *
 * hold: opens N subscribers, says "open=N", and keeps them until its input
 *       ends.
 * talk: with N subscribers, C connections that publish messages of about 200
 *       bytes one after the other, RATE a second together or as fast as they
 *       go; the time from the request to each subscriber.
 */

#include "net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define LISTEN_MAX      8192
#define LISTEN_EVENTS   256
#define LISTEN_MARK     "\"at\":"

typedef struct {
    int        fd;
    bool       publisher;
    bool       open;            /* the answer to the upgrade came */
    bool       busy;
    size_t     sent;
    net_buf_t  in;
    net_buf_t  out;
} listen_conn_t;

static struct {
    const char     *server;
    const char     *token;
    unsigned        listeners;
    unsigned        publishers;
    double          seconds;
    double          rate;

    int             epoll;
    unsigned        n;
    listen_conn_t   conns[LISTEN_MAX];
    unsigned        open;
    uint64_t        published;
    uint64_t        heard;
    uint64_t        start;
    bool            over;
    net_hist_t      times;
} l;


static listen_conn_t *
listen_connect(bool publisher)
{
    listen_conn_t       *c;
    struct epoll_event   ev;

    c = &l.conns[l.n++];
    c->publisher = publisher;
    c->fd = net_connect(l.server);

    ev.events = EPOLLIN;
    ev.data.ptr = c;

    if (epoll_ctl(l.epoll, EPOLL_CTL_ADD, c->fd, &ev) == -1) {
        net_die("epoll_ctl() failed");
    }

    return c;
}


static void
listen_write(listen_conn_t *c)
{
    while (c->sent < c->out.len) {
        size_t  before = c->sent;

        if (!net_write(c->fd, &c->out, &c->sent)) {
            net_die("the server closed a connection");
        }

        if (c->sent == before) {
            usleep(50);
        }
    }

    c->out.len = 0;
    c->sent = 0;
}


static void
listen_upgrade(listen_conn_t *c)
{
    net_buf_addf(&c->out, "GET /v1/realtime/connect?token=%s HTTP/1.1\r\n"
                 "Host: bench\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n",
                 l.token);
    listen_write(c);
}


static void
listen_publish(listen_conn_t *c)
{
    char  body[256];
    int   n;

    n = snprintf(body, sizeof(body), "{" LISTEN_MARK "%llu,\"text\":\""
                 "%0160d\"}", (unsigned long long) net_now_us(), 0);

    net_buf_addf(&c->out, "POST /v1/realtime/publish?channel=bench&topic=t "
                 "HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json"
                 "\r\nContent-Length: %d\r\n\r\n%s", n, body);
    c->busy = true;
    listen_write(c);
}


/* A frame of the server: its bytes, 0 when they are not all there. */
static size_t
listen_frame(const listen_conn_t *c, const char **data, size_t *len)
{
    size_t                head;
    const unsigned char  *p = (const unsigned char *) c->in.data;

    if (c->in.len < 2) {
        return 0;
    }

    head = 2;
    *len = p[1];

    if (*len == 126) {
        if (c->in.len < 4) {
            return 0;
        }

        head = 4;
        *len = (size_t) p[2] << 8 | p[3];

    } else if (*len == 127) {
        net_die("a frame is over 64k");
    }

    *data = (const char *) p + head;

    return c->in.len >= head + *len ? head + *len : 0;
}


static void
listen_heard(listen_conn_t *c)
{
    char         *end;
    size_t        n, len;
    uint64_t      at;
    const char   *data, *mark;

    if (!c->open) {
        end = memmem(c->in.data, c->in.len, "\r\n\r\n", 4);

        if (end == NULL) {
            return;
        }

        if (strncmp(c->in.data, "HTTP/1.1 101", 12) != 0) {
            net_die("a subscriber was not let in");
        }

        net_buf_consume(&c->in, (size_t) (end + 4 - c->in.data));
        c->open = true;
        l.open++;
    }

    while ((n = listen_frame(c, &data, &len)) > 0) {

        mark = memmem(data, len, LISTEN_MARK, sizeof(LISTEN_MARK) - 1);

        at = mark ? strtoull(mark + sizeof(LISTEN_MARK) - 1, NULL, 10) : 0;

        /* the channel's last messages before that are kept for who is late */

        if (l.start != 0 && at >= l.start) {
            net_hist_add(&l.times, net_now_us() - at);
            l.heard++;
        }

        net_buf_consume(&c->in, n);
    }
}


static bool
listen_may_publish(void)
{
    if (l.over) {
        return false;
    }

    return l.rate == 0
           || (double) l.published
              < l.rate * (double) (net_now_us() - l.start) / 1e6;
}


static void
listen_answered(listen_conn_t *c)
{
    net_message_t  m;

    if (net_message_parse(&c->in, &m) <= 0) {
        return;
    }

    if (m.status != 200) {
        net_die("a message was answered with %u", m.status);
    }

    net_buf_consume(&c->in, m.total);
    c->busy = false;
    l.published++;

    if (listen_may_publish()) {
        listen_publish(c);
    }
}


static void
listen_turn(int ms)
{
    int                  i, n;
    listen_conn_t       *c;
    struct epoll_event   events[LISTEN_EVENTS];

    n = epoll_wait(l.epoll, events, LISTEN_EVENTS, ms);

    for (i = 0; i < n; i++) {
        c = events[i].data.ptr;

        if (!net_read(c->fd, &c->in)) {
            net_die("the server closed a connection");
        }

        if (c->publisher) {
            listen_answered(c);
        } else {
            listen_heard(c);
        }
    }
}


static void
listen_open(void)
{
    unsigned  i;

    for (i = 0; i < l.listeners; i++) {
        listen_upgrade(listen_connect(false));

        while (l.open + 64 < i) {
            listen_turn(1000);
        }
    }

    while (l.open < l.listeners) {
        listen_turn(1000);
    }
}


static void
listen_talk(void)
{
    unsigned  i;
    uint64_t  until, wait, us;

    for (i = 0; i < l.publishers; i++) {
        (void) listen_connect(true);
    }

    l.start = net_now_us();
    until = l.start + (uint64_t) (l.seconds * 1e6);

    while (net_now_us() < until) {

        for (i = l.listeners; i < l.n; i++) {
            if (!l.conns[i].busy && listen_may_publish()) {
                listen_publish(&l.conns[i]);
            }
        }

        listen_turn(1);
    }

    us = net_now_us() - l.start;
    l.over = true;
    wait = net_now_us() + 10 * (uint64_t) 1000000;

    while (l.heard < l.published * l.listeners && net_now_us() < wait) {
        listen_turn(10);
    }

    printf("published=%llu heard=%llu rate=%.0f p50_us=%llu p99_us=%llu\n",
           (unsigned long long) l.published, (unsigned long long) l.heard,
           (double) l.published * 1e6 / (double) us,
           (unsigned long long) net_hist_at(&l.times, 50),
           (unsigned long long) net_hist_at(&l.times, 99));
}


int
main(int argc, char **argv)
{
    int  opt;

    l.publishers = 1;
    l.seconds = 2;

    while ((opt = getopt(argc - 1, argv + 1, "s:k:l:c:t:r:")) != -1) {

        switch (opt) {

        case 's':
            l.server = optarg;
            break;

        case 'k':
            l.token = optarg;
            break;

        case 'l':
            l.listeners = (unsigned) atoi(optarg);
            break;

        case 'c':
            l.publishers = (unsigned) atoi(optarg);
            break;

        case 't':
            l.seconds = atof(optarg);
            break;

        case 'r':
            l.rate = atof(optarg);
            break;

        default:
            return 1;
        }
    }

    if (argc < 2 || l.server == NULL || l.token == NULL
        || l.listeners + l.publishers > LISTEN_MAX)
    {
        net_die("usage: listen hold|talk -s SERVER -k TOKEN -l N ..");
    }

    l.epoll = epoll_create1(0);

    listen_open();

    if (strcmp(argv[1], "talk") == 0) {
        listen_talk();
        return 0;
    }

    printf("open=%u\n", l.open);
    fflush(stdout);

    while (read(0, &opt, sizeof(opt)) > 0) { /* until it ends */ }

    return 0;
}
