/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The load generator: a closed loop of N keep-alive connections in one
 * thread, each posting the same bytes again as soon as its answer is there.
 * One line of key=value pairs is what it prints.
 *
 *     load post  -s SERVER [-c N] [-a ARRAY] [-t SECONDS | -n COUNT]
 *     load runs  -s SERVER -A APP -i IN_FLIGHT [-c N] [-t | -n]
 *     load drain -A APP -n COUNT -t SECONDS
 *     load alone -s SERVER -A APP -n COUNT
 *     load last  -A APP -n COUNT -t SECONDS
 *     load match -s SERVER -A APP -n COUNT -k FIRST
 *
 * post:  events per second and the time of one request.
 * runs:  keeps IN_FLIGHT runs going: a run is over when the app gave its last
 *        answer; the first tenth of the time is not measured.
 * drain: opens the app's gate and waits until COUNT runs are over.
 * alone: one run at a time, from the event until GET /v1/events/{id}/runs
 *        says Completed.
 * last:  waits until COUNT runs are over; at_ms is when, of the wall clock.
 * match: one event at a time, from the event until the run that waits for it
 *        is over.
 *
 * With -f FILE the request is what stands there.  With -k the events have a
 * data.id, a number that grows from FIRST on; with -b TEXT the number stands
 * behind this text of the file.
 */

#include "net.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LOAD_CONNECTIONS_MAX  1024
#define LOAD_EVENT_SIZE       300
#define LOAD_PATIENCE_US      (30 * (uint64_t) 1000000)
#define LOAD_EVENTS           256
#define LOAD_ID               "##########"

typedef struct {
    int        fd;
    bool       busy;
    uint64_t   started;
    size_t     sent;
    net_buf_t  in;
} load_conn_t;

typedef struct {
    const char   *server;
    const char   *app;
    const char   *path;
    const char   *event;
    const char   *file;         /* of the request, or NULL */
    const char   *before;       /* the number */
    unsigned      connections;
    unsigned      array;
    unsigned      in_flight;
    uint64_t      count;        /* requests or runs, 0: by time */
    double        seconds;
    bool          keyed;
    uint64_t      key;          /* of the next event */

    int           epoll;
    net_buf_t     request;
    load_conn_t  *conns;
    unsigned      nidle;
    load_conn_t  *idle[LOAD_CONNECTIONS_MAX];

    int           watch;
    net_buf_t     watched;
    uint64_t      finals_first;
    uint64_t      finals;       /* since the start */

    uint64_t      posted;       /* requests sent, */
    uint64_t      answered;     /* answered with 2xx, */
    uint64_t      refused;      /* and with anything else */
    bool          measuring;
    net_hist_t    hist;
} load_t;


static void
load_event(const load_t *load, net_buf_t *out)
{
    size_t  start;

    start = out->len;

    net_buf_addf(out, "{\"name\":\"%s\",\"data\":{%s\"text\":\"", load->event,
                 load->keyed ? "\"id\":\"" LOAD_ID "\"," : "");

    while (out->len - start < LOAD_EVENT_SIZE - 3) {
        net_buf_add(out, "a", 1);
    }

    net_buf_add(out, "\"}}", 3);
}


static void
load_request(load_t *load)
{
    unsigned   i;
    net_buf_t  body = { 0 };

    if (load->array > 1) {
        net_buf_add(&body, "[", 1);
    }

    for (i = 0; i < load->array; i++) {
        if (i != 0) {
            net_buf_add(&body, ",", 1);
        }

        load_event(load, &body);
    }

    if (load->array > 1) {
        net_buf_add(&body, "]", 1);
    }

    net_buf_addf(&load->request, "POST %s HTTP/1.1\r\nHost: %s\r\n"
                 "Content-Type: application/json\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 load->path, load->server, body.len);
    net_buf_add(&load->request, body.data, body.len);
    net_buf_free(&body);
}


static void
load_file(load_t *load)
{
    FILE    *f;
    size_t   n;
    char     part[4096];

    f = fopen(load->file, "rb");
    if (f == NULL) {
        net_die("%s: %s", load->file, strerror(errno));
    }

    while ((n = fread(part, 1, sizeof(part), f)) > 0) {
        net_buf_add(&load->request, part, n);
    }

    fclose(f);
}


/* Gives the events of the request the next ids; the place of each is where
 * the one before stood, behind the same words. */
static void
load_number(load_t *load)
{
    char    id[24], *p, *last;
    size_t  n;

    n = strlen(load->before);
    p = load->request.data;
    last = p + load->request.len;

    while (load->keyed
           && (p = memmem(p, (size_t) (last - p), load->before, n))
              != NULL)
    {
        p += n;
        snprintf(id, sizeof(id), "%0*llu", (int) sizeof(LOAD_ID) - 1,
                 (unsigned long long) load->key++);
        memcpy(p, id, sizeof(LOAD_ID) - 1);
    }
}


static void
load_connect(load_t *load)
{
    unsigned             i;
    load_conn_t         *c;
    struct epoll_event   ev;

    load->conns = calloc(load->connections, sizeof(load_conn_t));
    if (load->conns == NULL) {
        net_die("no memory");
    }

    for (i = 0; i < load->connections; i++) {
        c = &load->conns[i];
        c->fd = net_connect(load->server);

        ev.events = EPOLLIN;
        ev.data.ptr = c;
        epoll_ctl(load->epoll, EPOLL_CTL_ADD, c->fd, &ev);

        load->idle[load->nidle++] = c;
    }
}


static void
load_watch(load_t *load)
{
    size_t              off;
    net_buf_t           request = { 0 };
    struct epoll_event  ev;

    load->watch = net_connect(load->app);
    net_buf_addf(&request, "GET /watch HTTP/1.1\r\n\r\n");

    off = 0;
    net_write(load->watch, &request, &off);
    net_buf_free(&request);

    ev.events = EPOLLIN;
    ev.data.ptr = NULL;
    epoll_ctl(load->epoll, EPOLL_CTL_ADD, load->watch, &ev);
}


static void
load_post(load_t *load)
{
    load_conn_t         *c;
    struct epoll_event   ev;

    c = load->idle[--load->nidle];
    c->busy = true;
    c->sent = 0;
    c->started = net_now_us();
    load->posted++;
    load_number(load);

    do {
        if (!net_write(c->fd, &load->request, &c->sent)) {
            net_die("the server closed a connection");
        }

        /* with ids the bytes are those of this request alone */

    } while (load->keyed && c->sent < load->request.len);

    if (c->sent < load->request.len) {
        ev.events = EPOLLIN | EPOLLOUT;
        ev.data.ptr = c;
        epoll_ctl(load->epoll, EPOLL_CTL_MOD, c->fd, &ev);
    }
}


static void
load_write_rest(load_t *load, load_conn_t *c)
{
    struct epoll_event  ev;

    if (!net_write(c->fd, &load->request, &c->sent)) {
        net_die("the server closed a connection");
    }

    if (c->sent == load->request.len) {
        ev.events = EPOLLIN;
        ev.data.ptr = c;
        epoll_ctl(load->epoll, EPOLL_CTL_MOD, c->fd, &ev);
    }
}


static void
load_answer(load_t *load, load_conn_t *c)
{
    int            rc;
    bool           good;
    net_message_t  m;

    if (!net_read(c->fd, &c->in)) {
        net_die("the server closed a connection after %llu answers",
                (unsigned long long) load->answered);
    }

    rc = net_message_parse(&c->in, &m);

    if (rc == 0) {
        return;
    }

    if (rc < 0 || !c->busy) {
        net_die("the server sent what is no answer: %.*s",
                (int) (c->in.len < 300 ? c->in.len : 300), c->in.data);
    }

    good = m.status >= 200 && m.status < 300;

    if (!good && load->refused == 0) {
        fprintf(stderr, "first refusal: %.*s %.*s\n", (int) m.start_len,
                m.start_line, (int) (m.body_len < 200 ? m.body_len : 200),
                m.body);
    }

    if (good) {
        load->answered++;
    } else {
        load->refused++;
    }

    if (load->measuring) {
        net_hist_add(&load->hist, net_now_us() - c->started);
    }

    if (m.close) {
        net_die("the server does not keep connections alive");
    }

    net_buf_consume(&c->in, m.total);
    c->busy = false;
    load->idle[load->nidle++] = c;
}


static void
load_finals(load_t *load)
{
    bool      first;
    size_t    n;
    uint64_t  finals;

    if (!net_read(load->watch, &load->watched)) {
        net_die("the app went away");
    }

    n = load->watched.len / sizeof(finals);
    first = load->finals_first == UINT64_MAX;

    if (n == 0) {
        return;
    }

    if (first) {
        memcpy(&load->finals_first, load->watched.data, sizeof(finals));
    }

    memcpy(&finals, load->watched.data + (n - 1) * sizeof(finals),
           sizeof(finals));
    load->finals = finals - load->finals_first;

    net_buf_consume(&load->watched, n * sizeof(finals));
}


/* Waits for at most `ms` and takes what has arrived. */
static bool
load_turn(load_t *load, int ms)
{
    int                  i, n;
    load_conn_t         *c;
    struct epoll_event   events[LOAD_EVENTS];

    n = epoll_wait(load->epoll, events, LOAD_EVENTS, ms);

    for (i = 0; i < n; i++) {
        c = events[i].data.ptr;

        if (c == NULL) {
            load_finals(load);
            continue;
        }

        if (events[i].events & EPOLLOUT) {
            load_write_rest(load, c);
        }

        if (events[i].events & ~(uint32_t) EPOLLOUT) {
            load_answer(load, c);
        }
    }

    return n > 0;
}


static bool
load_may_post(const load_t *load, uint64_t now, uint64_t end)
{
    if (load->nidle == 0) {
        return false;
    }

    if (load->count != 0 ? load->posted >= load->count : now >= end) {
        return false;
    }

    return load->in_flight == 0
           || load->posted * load->array
              < load->finals + load->refused + load->in_flight;
}


static bool
load_is_over(const load_t *load, uint64_t now, uint64_t end)
{
    if (load->count != 0 ? load->posted < load->count : now < end) {
        return false;
    }

    if (load->nidle < load->connections) {
        return false;
    }

    return load->in_flight == 0
           || load->finals >= load->answered * load->array;
}


static void
load_report(const load_t *load, uint64_t us, uint64_t done)
{
    printf("rate=%.1f seconds=%.3f posted=%llu refused=%llu finals=%llu "
           "p50_us=%llu p90_us=%llu p99_us=%llu max_us=%llu\n",
           (double) done * 1e6 / (double) us, (double) us / 1e6,
           (unsigned long long) load->posted,
           (unsigned long long) load->refused,
           (unsigned long long) load->finals,
           (unsigned long long) net_hist_at(&load->hist, 50),
           (unsigned long long) net_hist_at(&load->hist, 90),
           (unsigned long long) net_hist_at(&load->hist, 99),
           (unsigned long long) load->hist.max);
}


/* Events answered, or runs that are over: what the rate counts. */
static uint64_t
load_done(const load_t *load)
{
    return load->in_flight != 0 ? load->finals
                                : load->answered * load->array;
}


static void
load_closed_loop(load_t *load)
{
    uint64_t  now, start, warm, end, moved, first, last, done;

    start = moved = now = net_now_us();
    end = start + (uint64_t) (load->seconds * 1e6);
    warm = start + (end - start) / 10;
    first = last = 0;
    done = 0;

    if (load->count != 0) {
        warm = start;
    }

    for ( ;; ) {
        if (!load->measuring && now >= warm) {
            load->measuring = true;
            warm = now;
            first = load_done(load);
        }

        if (load->count == 0 && now >= end && last == 0) {
            last = now;
            done = load_done(load) - first;
        }

        if (load_is_over(load, now, end)) {
            break;
        }

        while (load_may_post(load, now, end)) {
            load_post(load);
        }

        if (load_turn(load, 100)) {
            moved = net_now_us();

        } else if (now - moved > LOAD_PATIENCE_US) {
            net_die("nothing moves: %llu posted, %llu answered, "
                    "%llu runs over", (unsigned long long) load->posted,
                    (unsigned long long) load->answered,
                    (unsigned long long) load->finals);
        }

        now = net_now_us();
    }

    if (last == 0) {
        last = now;
        done = load_done(load) - first;
    }

    load_report(load, last - warm, done);
}


static void
load_drain(load_t *load)
{
    int            fd;
    uint64_t       start, end, now;
    net_buf_t      request = { 0 }, in = { 0 };
    net_message_t  m;

    fd = net_connect_blocking(load->app);
    net_buf_addf(&request, "POST /gate/open HTTP/1.1\r\n"
                 "Content-Length: 0\r\n\r\n");

    start = net_now_us();
    end = start + (uint64_t) (load->seconds * 1e6);

    if (fd < 0 || !net_exchange(fd, &request, &in, &m)) {
        net_die("the app does not answer");
    }

    for (now = start; load->finals < load->count; now = net_now_us()) {
        if (now > end) {
            net_die("only %llu of %llu runs are over after %.0f s",
                    (unsigned long long) load->finals,
                    (unsigned long long) load->count, load->seconds);
        }

        load_turn(load, 100);
    }

    load_report(load, now - start, load->finals);
    close(fd);
}


static void
load_last(load_t *load)
{
    uint64_t         end;
    struct timespec  now;

    end = net_now_us() + (uint64_t) (load->seconds * 1e6);

    while (load->finals < load->count) {
        if (net_now_us() > end) {
            net_die("only %llu of %llu runs are over after %.0f s",
                    (unsigned long long) load->finals,
                    (unsigned long long) load->count, load->seconds);
        }

        load_turn(load, 100);
    }

    clock_gettime(CLOCK_REALTIME, &now);

    printf("at_ms=%llu\n", (unsigned long long) now.tv_sec * 1000
                           + (unsigned long long) now.tv_nsec / 1000000);
}


/* The first id of {"ids":["...",...]}. */
static void
load_first_id(const net_message_t *m, char id[27])
{
    const char  *p, *end;

    end = m->body + m->body_len;
    p = memmem(m->body, m->body_len, "\"ids\"", 5);
    p = p != NULL ? memchr(p, '[', (size_t) (end - p)) : NULL;
    p = p != NULL ? memchr(p, '"', (size_t) (end - p)) : NULL;

    if (m->status != 200 || p == NULL || end - p < 28) {
        net_die("no id in the answer: %.*s %.*s", (int) m->start_len,
                m->start_line, (int) m->body_len, m->body);
    }

    memcpy(id, p + 1, 26);
    id[26] = '\0';
}


static void
load_wait_completed(int fd, const char *server, const char *id,
    uint64_t limit)
{
    net_buf_t      request = { 0 }, in = { 0 };
    net_message_t  m;

    net_buf_addf(&request, "GET /v1/events/%s/runs HTTP/1.1\r\n"
                 "Host: %s\r\n\r\n", id, server);

    do {
        if (!net_exchange(fd, &request, &in, &m)) {
            net_die("no answer to GET /v1/events/%s/runs", id);
        }

        if (memmem(m.body, m.body_len, "\"Completed\"", 11) != NULL) {
            break;
        }

    } while (net_now_us() < limit);

    if (net_now_us() >= limit) {
        net_die("the run of event %s is not Completed: %.*s", id,
                (int) m.body_len, m.body);
    }

    net_buf_free(&request);
    net_buf_free(&in);
}


static void
load_alone(load_t *load)
{
    int            fd;
    char           id[27];
    uint64_t       i, start, first, limit;
    net_buf_t      in = { 0 };
    net_message_t  m;

    fd = net_connect_blocking(load->server);
    if (fd < 0) {
        net_die("connect to %s: %s", load->server, strerror(errno));
    }

    first = net_now_us();

    for (i = 0; i < load->count; i++) {
        start = net_now_us();
        limit = start + LOAD_PATIENCE_US;
        load->posted++;

        if (!net_exchange(fd, &load->request, &in, &m)) {
            net_die("no answer to an event");
        }

        load_first_id(&m, id);

        while (load->finals <= i && net_now_us() < limit) {
            load_turn(load, 100);
        }

        load_wait_completed(fd, load->server, id, limit);
        net_hist_add(&load->hist, net_now_us() - start);
    }

    load_report(load, net_now_us() - first, load->count);
    net_buf_free(&in);
    close(fd);
}


static void
load_match(load_t *load)
{
    int            fd;
    uint64_t       i, start, first, limit;
    net_buf_t      in = { 0 };
    net_message_t  m;

    fd = net_connect_blocking(load->server);
    if (fd < 0) {
        net_die("connect to %s: %s", load->server, strerror(errno));
    }

    first = net_now_us();

    for (i = 0; i < load->count; i++) {
        load_number(load);

        start = net_now_us();
        limit = start + LOAD_PATIENCE_US;
        load->posted++;

        if (!net_exchange(fd, &load->request, &in, &m) || m.status != 200) {
            net_die("an event was not accepted");
        }

        while (load->finals <= i) {
            if (net_now_us() > limit) {
                net_die("no run went on after event %llu",
                        (unsigned long long) i);
            }

            load_turn(load, 100);
        }

        net_hist_add(&load->hist, net_now_us() - start);
    }

    load_report(load, net_now_us() - first, load->count);
    net_buf_free(&in);
    close(fd);
}


static void
load_options(load_t *load, int argc, char **argv)
{
    int  option;

    while ((option = getopt(argc, argv, "s:A:p:e:f:b:c:a:i:n:t:k:")) != -1) {
        switch (option) {
        case 's': load->server = optarg; break;
        case 'A': load->app = optarg; break;
        case 'p': load->path = optarg; break;
        case 'e': load->event = optarg; break;
        case 'f': load->file = optarg; break;
        case 'b': load->before = optarg; break;
        case 'c': load->connections = (unsigned) atoi(optarg); break;
        case 'a': load->array = (unsigned) atoi(optarg); break;
        case 'i': load->in_flight = (unsigned) atoi(optarg); break;
        case 'n': load->count = strtoull(optarg, NULL, 10); break;
        case 't': load->seconds = atof(optarg); break;
        case 'k':
            load->keyed = true;
            load->key = strtoull(optarg, NULL, 10);
            break;
        default: exit(2);
        }
    }

    if (load->connections < 1 || load->connections > LOAD_CONNECTIONS_MAX
        || load->array < 1)
    {
        net_die("1 to %d connections, arrays of at least 1",
                LOAD_CONNECTIONS_MAX);
    }
}


int
main(int argc, char **argv)
{
    const char     *mode;
    static load_t   load;

    mode = argc > 1 ? argv[1] : "";

    load.path = "/e/bench";
    load.event = "bench/one";
    load.before = "\"data\":{\"id\":\"";
    load.connections = 64;
    load.array = 1;
    load.seconds = 5;
    load.finals_first = UINT64_MAX;

    if (argc > 1) {
        load_options(&load, argc - 1, argv + 1);
    }

    signal(SIGPIPE, SIG_IGN);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);

    if (load.app != NULL) {
        load_watch(&load);

        while (load.finals_first == UINT64_MAX) {
            load_turn(&load, 1000);
        }
    }

    if (load.file != NULL) {
        load_file(&load);

    } else {
        load_request(&load);
    }

    if (strcmp(mode, "post") == 0 || strcmp(mode, "runs") == 0) {
        if (load.server == NULL
            || (load.in_flight != 0 && load.app == NULL))
        {
            net_die("-s is needed, and with -i also -A");
        }

        load_connect(&load);
        load_closed_loop(&load);

    } else if (strcmp(mode, "drain") == 0 && load.app != NULL) {
        load_drain(&load);

    } else if (strcmp(mode, "last") == 0 && load.app != NULL) {
        load_last(&load);

    } else if (strcmp(mode, "alone") == 0 && load.app != NULL
               && load.server != NULL)
    {
        load_alone(&load);

    } else if (strcmp(mode, "match") == 0 && load.app != NULL
               && load.server != NULL)
    {
        load_match(&load);

    } else {
        net_die("usage: load post|runs|drain|alone|last|match options, see "
                "load.c");
    }

    return 0;
}
