/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * People who look at the dashboard, in one thread: each has the feed open and
 * asks for the page it stands on again when the feed has told something, a
 * second after the last answer, or twenty times what that took when this is
 * longer.  So does the page itself (usePages of the dashboard).
 *
 *     watch -s SERVER -l N [-f FEED] [-p PATH]
 *
 * Says "open=N" when all feeds are, and at the end of its input how many pages
 * were read, what that took, and how many bytes the feeds had.
 */

#include "net.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define WATCH_MAX     1024
#define WATCH_EVENTS  64
#define WATCH_REST    1000000           /* us, and 20 times of an answer */

typedef struct {
    int        fd;
    int        feed_fd;
    bool       open;                    /* the head of the feed came */
    bool       busy;                    /* a page is asked for */
    bool       told;                    /* the feed has said something */
    uint64_t   sent_at;
    uint64_t   rest;                    /* not before */
    net_buf_t  in;
    net_buf_t  feed;
} watch_page_t;

static struct {
    const char    *server;
    const char    *feed;
    const char    *path;
    unsigned       n;
    unsigned       open;
    int            epoll;
    bool           over;
    uint64_t       bytes;
    net_hist_t     times;
    watch_page_t   pages[WATCH_MAX];
} w;


static int
watch_connect(uint64_t id)
{
    int                  fd = net_connect(w.server);
    struct epoll_event   ev;

    ev.events = EPOLLIN;
    ev.data.u64 = id;

    if (epoll_ctl(w.epoll, EPOLL_CTL_ADD, fd, &ev) == -1) {
        net_die("epoll_ctl() failed");
    }

    return fd;
}


static void
watch_get(int fd, const char *path)
{
    size_t     sent = 0, before;
    net_buf_t  out = { NULL, 0, 0 };

    net_buf_addf(&out, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", path);

    while (sent < out.len) {
        before = sent;

        if (!net_write(fd, &out, &sent)) {
            net_die("the server closed a connection");
        }

        if (sent == before) {
            usleep(50);
        }
    }

    net_buf_free(&out);
}


static void
watch_told(watch_page_t *p)
{
    char  *end;

    if (!p->open) {
        end = memmem(p->feed.data, p->feed.len, "\r\n\r\n", 4);

        if (end == NULL) {
            return;
        }

        if (strncmp(p->feed.data, "HTTP/1.1 200", 12) != 0) {
            net_die("a feed was not opened");
        }

        net_buf_consume(&p->feed, (size_t) (end + 4 - p->feed.data));
        p->open = true;
        w.open++;
    }

    p->told = p->told || memmem(p->feed.data, p->feed.len, "data:", 5);
    w.bytes += p->feed.len;
    p->feed.len = 0;
}


static void
watch_answered(watch_page_t *p)
{
    uint64_t       now, took;
    net_message_t  m;

    if (net_message_parse(&p->in, &m) <= 0) {
        return;
    }

    if (m.status != 200) {
        net_die("a page was answered with %u", m.status);
    }

    net_buf_consume(&p->in, m.total);

    now = net_now_us();
    took = now - p->sent_at;

    net_hist_add(&w.times, took);
    p->busy = false;
    p->rest = now + (20 * took > WATCH_REST ? 20 * took : WATCH_REST);
}


static void
watch_ask(watch_page_t *p)
{
    if (p->busy || !p->told || net_now_us() < p->rest) {
        return;
    }

    p->busy = true;
    p->told = false;
    p->sent_at = net_now_us();
    watch_get(p->fd, w.path);
}


static void
watch_turn(int ms)
{
    int                  i, n;
    char                 end[16];
    watch_page_t        *p;
    struct epoll_event   events[WATCH_EVENTS];

    n = epoll_wait(w.epoll, events, WATCH_EVENTS, ms);

    for (i = 0; i < n; i++) {

        if (events[i].data.u64 == UINT64_MAX) {
            w.over = read(0, end, sizeof(end)) <= 0;
            continue;
        }

        p = &w.pages[events[i].data.u64 / 2];

        if (events[i].data.u64 & 1) {

            if (!net_read(p->feed_fd, &p->feed)) {
                net_die("the server closed a feed");
            }

            watch_told(p);

        } else {

            if (!net_read(p->fd, &p->in)) {
                net_die("the server closed a connection");
            }

            watch_answered(p);
        }
    }
}


static void
watch_open(void)
{
    unsigned            i;
    struct epoll_event  ev = { .events = EPOLLIN, .data.u64 = UINT64_MAX };

    if (epoll_ctl(w.epoll, EPOLL_CTL_ADD, 0, &ev) == -1) {
        net_die("epoll_ctl() failed, is the input a pipe?");
    }

    for (i = 0; i < w.n; i++) {
        w.pages[i].fd = watch_connect(2 * i);
        w.pages[i].feed_fd = watch_connect(2 * i + 1);
        w.pages[i].told = true;
        watch_get(w.pages[i].feed_fd, w.feed);
    }

    while (w.open < w.n) {
        watch_turn(1000);
    }
}


int
main(int argc, char **argv)
{
    int       opt;
    unsigned  i;

    w.feed = "/v1/feed?topics=figures,runs";
    w.path = "/v1/runs?limit=50";

    while ((opt = getopt(argc, argv, "s:l:f:p:")) != -1) {

        switch (opt) {

        case 's':
            w.server = optarg;
            break;

        case 'l':
            w.n = (unsigned) atoi(optarg);
            break;

        case 'f':
            w.feed = optarg;
            break;

        case 'p':
            w.path = optarg;
            break;

        default:
            return 1;
        }
    }

    if (w.server == NULL || w.n == 0 || w.n > WATCH_MAX) {
        net_die("usage: watch -s SERVER -l N [-f FEED] [-p PATH]");
    }

    w.epoll = epoll_create1(0);

    watch_open();
    printf("open=%u\n", w.open);
    fflush(stdout);

    while (!w.over) {

        for (i = 0; i < w.n; i++) {
            watch_ask(&w.pages[i]);
        }

        watch_turn(10);
    }

    printf("pages=%llu p50_us=%llu p99_us=%llu bytes=%llu\n",
           (unsigned long long) w.times.count,
           (unsigned long long) net_hist_at(&w.times, 50),
           (unsigned long long) net_hist_at(&w.times, 99),
           (unsigned long long) w.bytes);

    return 0;
}
