/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * `durable sidecar`: executes the calls of an nginx.  One thread, one epoll:
 * a turn reads what arrived, lets libcurl work, and writes what came of it.
 */

#include "durable_sidecar.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>


#define DURABLE_EVENTS         256
#define DURABLE_HELLO_TIMEOUT  10000    /* ms a link may say nothing */
#define DURABLE_ORPHAN_TIMEOUT 2000     /* ms a stop waits for an nginx */
#define DURABLE_STOP_LOOK      100      /* ms between looks at a stop */


uint64_t
durable_monotonic_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}


uint64_t
durable_wall_ms(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}


static void
durable_sidecar_usage(FILE *out)
{
    fprintf(out,
        "usage: durable sidecar --socket PATH [options]\n\n"
        "  --socket PATH        the unix socket that nginx connects to\n"
        "  --credits N          calls of one store at a time, 1-4096 (1024)\n"
        "  --allow CIDR         an address that may be called\n"
        "  --deny CIDR          one that may not; the most specific rule "
        "wins\n"
        "                       (denied: link-local and metadata addresses)\n"
        "  --ledger-bytes SIZE  bodies held before credits stop (256m)\n"
        "  --ca FILE            trusted CAs instead of the system's\n"
        "  --proxy-from-env     use http_proxy, https_proxy, no_proxy\n"
        "  --drain SECONDS      time for running calls after SIGTERM (30)\n"
        "  --abandon SECONDS    calls of an nginx that stays away (600)\n"
        "  --exec-dir DIR       programs in it may be steps of workflows; may "
        "be\n"
        "                       repeated (none: no program is run)\n"
        "  --exec-memory SIZE   memory of a program (1g)\n"
        "  --log-level LEVEL    error, warning, notice, info, debug "
        "(notice)\n");
}


/* "256m"; 0: not a size. */
static uint64_t
durable_sidecar_size(const char *s)
{
    char                *end;
    unsigned             shift;
    unsigned long long   n;

    errno = 0;
    n = strtoull(s, &end, 10);
    shift = 0;

    if (end == s || errno != 0 || s[0] == '-') {
        return 0;
    }

    switch (*end | 0x20) {
    case 'k':
        shift = 10;
        break;
    case 'm':
        shift = 20;
        break;
    case 'g':
        shift = 30;
        break;
    }

    if (end[shift ? 1 : 0] != '\0' || n > (UINT64_MAX >> shift)) {
        return 0;
    }

    return (uint64_t) n << shift;
}


/* Between 1 and max; 0: not such a number. */
static uint32_t
durable_sidecar_number(const char *s, uint32_t max)
{
    char           *end;
    unsigned long   n;

    errno = 0;
    n = strtoul(s, &end, 10);

    if (end == s || *end != '\0' || errno != 0 || s[0] == '-' || n > max) {
        return 0;
    }

    return (uint32_t) n;
}


static bool
durable_sidecar_option(durable_options_t *o, int c, const char *arg)
{
    switch (c) {
    case 's':
        o->path = strncmp(arg, "unix:", 5) == 0 ? arg + 5 : arg;
        return true;
    case 'c':
        o->credits = durable_sidecar_number(arg,
                                            DURABLE_CREDITS_MAX);
        return o->credits != 0;
    case 'a':
        return durable_policy_add(&o->policy, arg, true) == 0;
    case 'd':
        return durable_policy_add(&o->policy, arg, false) == 0;
    case 'b':
        o->ledger_bytes = durable_sidecar_size(arg);
        return o->ledger_bytes != 0;
    case 'C':
        o->ca = arg;
        return access(arg, R_OK) == 0;
    case 'e':
        return durable_exec_allow(o, arg) == 0;
    case 'm':
        o->exec_memory = durable_sidecar_size(arg);
        return o->exec_memory != 0;
    case 'p':
        o->proxy_from_env = true;
        return true;
    case 'D':
        o->drain = (uint64_t) durable_sidecar_number(arg, 86400) * 1000;
        return o->drain != 0;
    case 'A':
        o->abandon = (uint64_t) durable_sidecar_number(arg, 86400) * 1000;
        return o->abandon != 0;
    default:
        return durable_log_set_level(arg) == 0;
    }
}


/* -1: go on; else the exit status. */
static int
durable_sidecar_options(durable_options_t *o, int argc, char **argv)
{
    int  c, i;

    static const struct option  options[] = {
        { "socket", required_argument, NULL, 's' },
        { "credits", required_argument, NULL, 'c' },
        { "allow", required_argument, NULL, 'a' },
        { "deny", required_argument, NULL, 'd' },
        { "ledger-bytes", required_argument, NULL, 'b' },
        { "ca", required_argument, NULL, 'C' },
        { "proxy-from-env", no_argument, NULL, 'p' },
        { "drain", required_argument, NULL, 'D' },
        { "abandon", required_argument, NULL, 'A' },
        { "exec-dir", required_argument, NULL, 'e' },
        { "exec-memory", required_argument, NULL, 'm' },
        { "log-level", required_argument, NULL, 'l' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 }
    };

    o->credits = 1024;
    o->ledger_bytes = 256 * 1024 * 1024;
    o->drain = 30 * 1000;
    o->abandon = 600 * 1000;
    o->exec_memory = (uint64_t) 1024 * 1024 * 1024;
    durable_policy_init(&o->policy);

    opterr = 0;
    optind = 1;

    while ((c = getopt_long(argc, argv, ":h", options, &i)) != -1) {

        if (c == 'h') {
            durable_sidecar_usage(stdout);
            return 0;
        }

        if (c == '?' || c == ':') {
            durable_log(DURABLE_LOG_ERROR, "%s %s", argv[optind - 1],
                        c == '?' ? "is no option" : "needs a value");
            return 2;
        }

        if (!durable_sidecar_option(o, c, optarg)) {
            durable_log(DURABLE_LOG_ERROR, "--%s: \"%s\" is not valid",
                        options[i].name, optarg);
            return 2;
        }
    }

    if (optind < argc) {
        durable_log(DURABLE_LOG_ERROR, "%s is no option", argv[optind]);
        return 2;
    }

    return -1;
}


static void
durable_sidecar_stop(durable_t *d)
{
    if (d->stop) {
        d->quit = true;                 /* asked twice */
        return;
    }

    d->stop = d->now + d->options.drain;
    d->stopped = d->now;
    durable_session_stop(d);

    durable_log(DURABLE_LOG_NOTICE, "stopping, %" PRIu32 " calls are open",
                d->calls);
}


static void
durable_sidecar_signal(durable_t *d)
{
    struct signalfd_siginfo  si;

    while (read(d->signals, &si, sizeof(si)) == sizeof(si)) {
        if (si.ssi_signo != SIGHUP) {
            durable_sidecar_stop(d);

        } else if (durable_pool_reload(d) == 0) {
            durable_log(DURABLE_LOG_NOTICE, "new connections use the CAs as "
                        "they are now");
        }
    }
}


/* True when nothing is left that a stop should wait for. */
static bool
durable_sidecar_drained(durable_t *d)
{
    uint64_t          since;
    durable_link_t   *link;
    durable_node_t   *node;
    durable_space_t  *space;

    if (d->running || d->waiting) {
        return false;
    }

    for (node = d->links.next; node != &d->links; node = node->next) {
        link = durable_of(node, durable_link_t, node);

        if (durable_link_pending(link)) {
            return false;
        }
    }

    for (node = d->spaces.next; node != &d->spaces; node = node->next) {
        space = durable_of(node, durable_space_t, node);
        since = space->lost > d->stopped ? space->lost : d->stopped;

        if (!durable_list_empty(&space->calls)
            && (space->link != NULL
                || d->now < since + DURABLE_ORPHAN_TIMEOUT))
        {
            return false;
        }
    }

    return true;
}


/* Writes every link; returns when one of them must be looked at. */
static uint64_t
durable_sidecar_links(durable_t *d)
{
    uint64_t         due;
    durable_link_t  *link;
    durable_node_t  *node, *next;

    due = DURABLE_NEVER;

    for (node = d->links.next; node != &d->links; node = next) {
        next = node->next;
        link = durable_of(node, durable_link_t, node);

        if (link->space == NULL) {
            if (d->now >= link->opened + DURABLE_HELLO_TIMEOUT) {
                durable_link_close(d, link);
                continue;
            }

            if (link->opened + DURABLE_HELLO_TIMEOUT < due) {
                due = link->opened + DURABLE_HELLO_TIMEOUT;
            }
        }

        durable_link_flush(d, link);
    }

    return due;
}


static void
durable_sidecar_event(durable_t *d, const struct epoll_event *ev)
{
    int              fd;
    durable_link_t  *link;

    fd = (int) (ev->data.u64 >> 32);

    switch ((durable_event_t) (ev->data.u64 & 0xff)) {
    case DURABLE_EVENT_SOCKET:
        durable_socket_event(d, fd, ev->events);
        break;
    case DURABLE_EVENT_LINK:
        link = durable_link_find(d, fd);
        if (link != NULL && ev->events & ~(uint32_t) EPOLLOUT) {
            durable_link_read(d, link);
        }
        break;
    case DURABLE_EVENT_LISTEN:
        durable_accept(d);
        break;
    case DURABLE_EVENT_SIGNAL:
        durable_sidecar_signal(d);
        break;
    case DURABLE_EVENT_PROGRAM:
        durable_exec_event(d, fd);
        break;
    }
}


static int
durable_sidecar_timeout(durable_t *d, uint64_t due)
{
    uint64_t  now;

    if (d->stop && due > d->now + DURABLE_STOP_LOOK) {
        due = d->now + DURABLE_STOP_LOOK;
    }

    if (due == DURABLE_NEVER) {
        return -1;
    }

    now = durable_monotonic_us() / 1000;

    if (due <= now) {
        return 0;
    }

    return due - now > 3600000 ? 3600000 : (int) (due - now);
}


static void
durable_sidecar_loop(durable_t *d)
{
    int                 n;
    uint64_t            due, next;
    struct epoll_event  events[DURABLE_EVENTS];

    due = 0;

    while (!d->quit) {
        n = epoll_wait(d->epoll, events, DURABLE_EVENTS,
                       durable_sidecar_timeout(d, due));

        d->now = durable_monotonic_us() / 1000;

        for (int i = 0; i < n; i++) {
            durable_sidecar_event(d, &events[i]);
        }

        due = durable_pool_turn(d);

        next = durable_sidecar_links(d);
        due = next < due ? next : due;

        next = durable_exec_turn(d);
        due = next < due ? next : due;

        next = durable_session_expire(d);
        due = next < due ? next : due;

        if (d->stop && (durable_sidecar_drained(d) || d->now >= d->stop)) {
            d->quit = true;
        }
    }
}


static int
durable_sidecar_signals(durable_t *d)
{
    sigset_t            set;
    struct epoll_event  ev;

    signal(SIGPIPE, SIG_IGN);

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);

    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1) {
        return -1;
    }

    d->signals = signalfd(-1, &set, SFD_NONBLOCK|SFD_CLOEXEC);
    if (d->signals == -1) {
        return -1;
    }

    ev.events = EPOLLIN;
    ev.data.u64 = durable_event(d->signals, DURABLE_EVENT_SIGNAL);

    return epoll_ctl(d->epoll, EPOLL_CTL_ADD, d->signals, &ev);
}


static int
durable_sidecar_init(durable_t *d)
{
    struct rlimit  files;

    durable_list_init(&d->links);
    durable_list_init(&d->spaces);
    durable_list_init(&d->programs);
    d->listen = -1;
    d->signals = -1;
    d->pid = (uint32_t) getpid();
    d->now = durable_monotonic_us() / 1000;

    /* a descriptor for every call, a file for many */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }

    if (getrandom(d->instance, sizeof(d->instance), 0)
        != sizeof(d->instance))
    {
        durable_log(DURABLE_LOG_ERROR, "getrandom: %s", strerror(errno));
        return -1;
    }

    d->epoll = epoll_create1(EPOLL_CLOEXEC);

    if (d->epoll == -1 || durable_sidecar_signals(d) == -1) {
        durable_log(DURABLE_LOG_ERROR, "epoll: %s", strerror(errno));
        return -1;
    }

    if (durable_pool_init(d) != 0) {
        return -1;
    }

    return durable_listen(d);
}


static void
durable_sidecar_exit(durable_t *d)
{
    durable_node_t   *node, *call, *next;
    durable_space_t  *space;

    if (d->calls) {
        durable_log(DURABLE_LOG_WARNING, "%" PRIu32 " calls are given up",
                    d->calls);
    }

    while (!durable_list_empty(&d->links)) {
        durable_link_close(d, durable_of(d->links.next, durable_link_t,
                                         node));
    }

    for (node = d->spaces.next; node != &d->spaces; node = node->next) {
        space = durable_of(node, durable_space_t, node);

        for (call = space->calls.next; call != &space->calls; call = next) {
            next = call->next;
            durable_pool_cancel(d, durable_of(call, durable_call_t,
                                              in_space));
        }
    }

    durable_listen_close(d);
    durable_pool_deinit(d);
    durable_ledger_deinit(d);

    close(d->signals);
    close(d->epoll);
}


int
durable_sidecar_main(int argc, char **argv)
{
    int         rc;
    durable_t  *d;

    durable_log_init("sidecar");

    d = calloc(1, sizeof(durable_t));
    if (d == NULL) {
        return 1;
    }

    rc = durable_sidecar_options(&d->options, argc, argv);

    if (rc == -1) {
        rc = 1;

        if (durable_sidecar_init(d) == 0) {
            durable_sidecar_loop(d);
            durable_sidecar_exit(d);
            rc = 0;
        }
    }

    free(d);

    return rc;
}
