/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The socket that nginx connects to: ours, made and unlinked by us with mode
 * 0600, or one that systemd handed over.
 */

#include "durable_sidecar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>


#define DURABLE_ACTIVATED_FD  3
#define DURABLE_BACKLOG       64


static int
durable_listen_address(const char *path, struct sockaddr_un *sun)
{
    memset(sun, 0, sizeof(*sun));
    sun->sun_family = AF_UNIX;

    if (strlen(path) >= sizeof(sun->sun_path)) {
        durable_log(DURABLE_LOG_ERROR, "the path of the socket is longer than "
                    "%zu bytes: %s", sizeof(sun->sun_path) - 1, path);
        return -1;
    }

    strcpy(sun->sun_path, path);

    return 0;
}


/* A socket that nobody answers on is what a killed sidecar left. */
static int
durable_listen_probe(const char *path, const struct sockaddr_un *sun)
{
    int          fd, rc, err;
    struct stat  st;

    if (lstat(path, &st) == -1) {
        if (errno == ENOENT) {
            return 0;
        }

        durable_log(DURABLE_LOG_ERROR, "%s: %s", path, strerror(errno));
        return -1;
    }

    if (!S_ISSOCK(st.st_mode)) {
        durable_log(DURABLE_LOG_ERROR, "%s exists and is no socket", path);
        return -1;
    }

    fd = socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0);
    if (fd == -1) {
        durable_log(DURABLE_LOG_ERROR, "socket: %s", strerror(errno));
        return -1;
    }

    rc = connect(fd, (const struct sockaddr *) sun, sizeof(*sun));
    err = errno;
    close(fd);

    if (rc == 0 || err == EAGAIN) {
        durable_log(DURABLE_LOG_ERROR, "another process listens on %s", path);
        return -1;
    }

    if (err != ECONNREFUSED && err != ENOENT) {
        durable_log(DURABLE_LOG_ERROR, "%s: %s", path, strerror(err));
        return -1;
    }

    unlink(path);

    return 0;
}


static int
durable_listen_bind(const char *path)
{
    int                 fd, rc, err;
    mode_t              mask;
    struct sockaddr_un  sun;

    if (durable_listen_address(path, &sun) != 0
        || durable_listen_probe(path, &sun) != 0)
    {
        return -1;
    }

    fd = socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0);
    if (fd == -1) {
        durable_log(DURABLE_LOG_ERROR, "socket: %s", strerror(errno));
        return -1;
    }

    mask = umask(0177);
    rc = bind(fd, (const struct sockaddr *) &sun, sizeof(sun));
    err = errno;
    umask(mask);

    if (rc == 0 && listen(fd, DURABLE_BACKLOG) == 0) {
        return fd;
    }

    durable_log(DURABLE_LOG_ERROR, "cannot listen on %s: %s", path,
                strerror(rc == 0 ? errno : err));
    close(fd);

    return -1;
}


/* The socket of LISTEN_FDS (sd_listen_fds(3)); -1: there is none. */
static int
durable_listen_activated(void)
{
    int          n, type, fd;
    long         pid;
    socklen_t    len;
    const char  *fds, *to;

    struct sockaddr_storage  sa;

    to = getenv("LISTEN_PID");
    fds = getenv("LISTEN_FDS");

    if (to == NULL || fds == NULL) {
        return -1;
    }

    pid = strtol(to, NULL, 10);
    n = atoi(fds);

    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");

    if (pid != (long) getpid() || n < 1) {
        return -1;
    }

    fd = DURABLE_ACTIVATED_FD;
    len = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == -1
        || type != SOCK_STREAM)
    {
        return -1;
    }

    len = sizeof(sa);

    if (getsockname(fd, (struct sockaddr *) &sa, &len) == -1
        || sa.ss_family != AF_UNIX)
    {
        return -1;
    }

    if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1
        || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == -1)
    {
        return -1;
    }

    return fd;
}


int
durable_listen(durable_t *d)
{
    struct epoll_event  ev;

    d->listen = durable_listen_activated();
    d->activated = d->listen != -1;

    if (d->listen == -1) {
        if (d->options.path == NULL) {
            durable_log(DURABLE_LOG_ERROR, "--socket is missing");
            return -1;
        }

        d->listen = durable_listen_bind(d->options.path);
    }

    if (d->listen == -1) {
        return -1;
    }

    ev.events = EPOLLIN;
    ev.data.u64 = durable_event(d->listen, DURABLE_EVENT_LISTEN);

    if (epoll_ctl(d->epoll, EPOLL_CTL_ADD, d->listen, &ev) == -1) {
        durable_log(DURABLE_LOG_ERROR, "epoll: %s", strerror(errno));
        return -1;
    }

    durable_log(DURABLE_LOG_NOTICE, "listening on %s",
                d->activated ? "the socket of the system"
                             : d->options.path);

    return 0;
}


void
durable_listen_close(durable_t *d)
{
    if (d->listen == -1) {
        return;
    }

    if (!d->activated) {
        unlink(d->options.path);
    }

    close(d->listen);
    d->listen = -1;
}


void
durable_accept(durable_t *d)
{
    int              fd, n;
    durable_node_t  *node;

    fd = accept4(d->listen, NULL, NULL, SOCK_CLOEXEC|SOCK_NONBLOCK);
    if (fd == -1) {
        return;
    }

    n = 0;
    for (node = d->links.next; node != &d->links; node = node->next) {
        n++;
    }

    if (n >= DURABLE_LINKS || durable_link_new(d, fd) == NULL) {
        durable_log(DURABLE_LOG_ERROR, "a link is refused: %s",
                    n >= DURABLE_LINKS ? "there are too many" : "no memory");
        close(fd);
    }
}
