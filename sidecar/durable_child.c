/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Starting, hearing and ending a child.  See durable_child.h.
 */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/prctl.h>
#include <sys/wait.h>

#include "durable_child.h"


#define DURABLE_CHILD_READS  64     /* before others have a turn */


/* Between fork and exec; a message goes to the pipe like any line. */
static void
durable_child_exec(const durable_child_t *c, int out, pid_t parent)
{
    int       null;
    char      text[256];
    sigset_t  none;

    null = open("/dev/null", O_RDWR);

    if (null == -1 || dup2(null, STDIN_FILENO) == -1
        || dup2(out, STDOUT_FILENO) == -1 || dup2(out, STDERR_FILENO) == -1)
    {
        _exit(127);
    }

    if (null > STDERR_FILENO) {
        close(null);
    }

    sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
    (void) signal(SIGPIPE, SIG_DFL);
    (void) setpgid(0, 0);

    if (c->drop && (setgroups(0, NULL) == -1 || setgid(c->gid) == -1
                    || setuid(c->uid) == -1))
    {
        snprintf(text, sizeof(text), "error: cannot become user %u: %s\n",
                 (unsigned) c->uid, strerror(errno));
        (void) !write(STDERR_FILENO, text, strlen(text));
        _exit(126);
    }

    /* After the change of user, which would undo it. */
    (void) prctl(PR_SET_PDEATHSIG, SIGTERM);

    if (getppid() != parent) {
        _exit(125);
    }

    execv(c->program, c->argv);

    snprintf(text, sizeof(text), "error: cannot run %.100s: %s\n", c->program,
             strerror(errno));
    (void) !write(STDERR_FILENO, text, strlen(text));
    _exit(127);
}


bool
durable_child_start(durable_child_t *c, int64_t now)
{
    int    fd[2];
    pid_t  pid, self;

    if (pipe2(fd, O_CLOEXEC) == -1) {
        return false;
    }

    self = getpid();
    pid = fork();

    if (pid == -1) {
        close(fd[0]);
        close(fd[1]);
        return false;
    }

    if (pid == 0) {
        durable_child_exec(c, fd[1], self);
    }

    close(fd[1]);

    /* Both sides do it: neither may be the first. */
    (void) setpgid(pid, pid);
    (void) fcntl(fd[0], F_SETFL, O_NONBLOCK);

    c->pid = pid;
    c->fd = fd[0];
    c->len = 0;
    c->started = now;
    c->again = 0;

    return true;
}


static void
durable_child_lines(durable_child_t *c)
{
    char    *end;
    size_t   used;

    used = 0;

    while ((end = memchr(c->text + used, '\n', c->len - used)) != NULL) {
        *end = '\0';
        c->line(c->data, c->text + used);
        used = (size_t) (end - c->text) + 1;
    }

    if (used == 0 && c->len == sizeof(c->text) - 1) {
        c->text[c->len] = '\0';
        c->line(c->data, c->text);
        used = c->len;
    }

    memmove(c->text, c->text + used, c->len - used);
    c->len -= used;
}


void
durable_child_read(durable_child_t *c)
{
    int      i;
    ssize_t  n;

    for (i = 0; c->fd != -1 && i < DURABLE_CHILD_READS; i++) {

        n = read(c->fd, c->text + c->len, sizeof(c->text) - 1 - c->len);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n == -1 && errno == EAGAIN) {
            return;
        }

        if (n > 0) {
            c->len += (size_t) n;
            durable_child_lines(c);
            continue;
        }

        if (c->len > 0) {
            c->text[c->len] = '\0';
            c->line(c->data, c->text);
            c->len = 0;
        }

        close(c->fd);
        c->fd = -1;
    }
}


bool
durable_child_reap(durable_child_t *c)
{
    if (c->pid == 0 || waitpid(c->pid, &c->status, WNOHANG) != c->pid) {
        return false;
    }

    /* nginx's workers outlive a master that was killed. */
    (void) kill(-c->pid, SIGKILL);
    c->pid = 0;

    durable_child_read(c);

    if (c->fd != -1) {
        close(c->fd);
        c->fd = -1;
    }

    return true;
}


void
durable_child_kill(const durable_child_t *c, int signo, bool group)
{
    if (c->pid != 0) {
        (void) kill(group ? -c->pid : c->pid, signo);
    }
}


void
durable_child_how(const durable_child_t *c, char *text, size_t size)
{
    if (WIFSIGNALED(c->status)) {
        snprintf(text, size, "was killed by signal %d (%s)",
                 WTERMSIG(c->status), strsignal(WTERMSIG(c->status)));
    } else {
        snprintf(text, size, "ended with status %d", WEXITSTATUS(c->status));
    }
}
