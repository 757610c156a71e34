/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Programs of this machine as steps of workflows ("exec:/path"): the request
 * is their standard input, what they print is the answer.  Only what lies in a
 * directory that the command line names is run, as the user of the sidecar,
 * in a process group of its own, with an empty environment and limits.
 *
 * To nginx a program is an HTTP exchange: 200 with its output, or 500 with a
 * sentence and the end of its standard error.
 */

#include "durable_sidecar.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>


#define DURABLE_EXEC_STDERR  4096       /* bytes of it that are kept */
#define DURABLE_EXEC_FILES   256        /* descriptors of a program */


struct durable_program_s {
    durable_node_t    node;
    durable_call_t   *call;
    pid_t             pid;
    int               in;               /* its standard input, in memory */
    int               exit;             /* readable when it has ended */
    int               out[2];           /* what we read, what it writes */
    int               err[2];
    uint64_t          due;              /* ms */
    bool              late;
    size_t            nerror;
    char              error[2 * DURABLE_EXEC_STDERR];
};


/* -- what may be run ------------------------------------------------------ */

/* Others could change what it is. */
static bool
durable_exec_loose(const char *path)
{
    struct stat  st;

    return stat(path, &st) == -1 || (st.st_mode & S_IWOTH);
}


int
durable_exec_allow(durable_options_t *o, const char *dir)
{
    char         *path;
    struct stat   st;

    if (dir[0] != '/' || o->nexec == DURABLE_EXEC_DIRS) {
        return -1;
    }

    path = realpath(dir, NULL);

    if (path == NULL || stat(path, &st) == -1 || !S_ISDIR(st.st_mode)
        || durable_exec_loose(path) || strcmp(path, "/") == 0)
    {
        free(path);
        return -1;
    }

    o->exec[o->nexec++] = path;

    return 0;
}


/* NULL, or why it is not run; `path` is where it really lies. */
static const char *
durable_exec_check(const durable_options_t *o, const char *name,
    char path[PATH_MAX])
{
    char         *slash;
    size_t        len;
    uint32_t      i;
    struct stat   st;

    len = 0;

    if (o->nexec == 0) {
        return "programs are not run: start the sidecar with --exec-dir and "
               "the directory of this one";
    }

    if (realpath(name, path) == NULL || stat(path, &st) == -1) {
        return "there is no such program";
    }

    len = 0;

    for (i = 0; i < o->nexec; i++) {
        len = strlen(o->exec[i]);

        if (strncmp(path, o->exec[i], len) == 0 && path[len] == '/') {
            break;
        }
    }

    if (i == o->nexec) {
        return "the program lies in no directory of --exec-dir";
    }

    if (!S_ISREG(st.st_mode) || access(path, X_OK) == -1) {
        return "this is no program that may be run";
    }

    for ( ; path[len] != '\0'; *slash = '\0') {
        if (durable_exec_loose(path)) {
            return "everybody may write the program, or its directory";
        }

        slash = strrchr(path, '/');
    }

    return realpath(name, path) ? NULL : "there is no such program";
}


/* -- the program ---------------------------------------------------------- */

static void
durable_exec_close(int *fd)
{
    if (*fd != -1) {
        close(*fd);
        *fd = -1;
    }
}


static void
durable_exec_free(durable_t *d, durable_program_t *p)
{
    if (p->pid > 0) {
        kill(-p->pid, SIGKILL);

        while (waitpid(p->pid, NULL, 0) == -1 && errno == EINTR) {
            /* void */
        }
    }

    durable_exec_close(&p->in);
    durable_exec_close(&p->exit);
    durable_exec_close(&p->out[0]);
    durable_exec_close(&p->out[1]);
    durable_exec_close(&p->err[0]);
    durable_exec_close(&p->err[1]);

    durable_list_del(&p->node);
    p->call->program = NULL;
    d->running--;
    free(p);
}


static void
durable_exec_limit(int what, uint64_t most)
{
    struct rlimit  limit;

    limit.rlim_cur = most;
    limit.rlim_max = most;
    setrlimit(what, &limit);
}


/* In the child: nothing of ours but what the program is given. */
static void
durable_exec_child(const durable_t *d, const durable_program_t *p,
    const char *path)
{
    int       sig;
    sigset_t  none;

    static char *const  environment[] = {
        (char *) "PATH=/usr/local/bin:/usr/bin:/bin",
        (char *) "LANG=C.UTF-8", NULL
    };

    char *const  argv[] = { (char *) path, NULL };

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    for (sig = 1; sig < NSIG; sig++) {
        signal(sig, SIG_DFL);
    }

    durable_exec_limit(RLIMIT_AS, d->options.exec_memory);
    durable_exec_limit(RLIMIT_CORE, 0);

    if (dup2(p->in, 0) == -1 || dup2(p->out[1], 1) == -1
        || dup2(p->err[1], 2) == -1 || chdir("/") == -1)
    {
        _exit(126);
    }

    syscall(SYS_close_range, 3U, ~0U, 0U);
    durable_exec_limit(RLIMIT_NOFILE, DURABLE_EXEC_FILES);

    execve(path, argv, environment);
    dprintf(2, "it cannot be run: %s", strerror(errno));
    _exit(126);
}


/* The body of the request, to be read from the start. */
static int
durable_exec_input(durable_program_t *p, const durable_body_t *body)
{
    size_t   sent;
    ssize_t  n;

    p->in = memfd_create("durable", MFD_CLOEXEC);

    for (sent = 0; p->in != -1 && sent < body->len; sent += (size_t) n) {
        n = write(p->in, body->data + sent, body->len - sent);
        if (n <= 0) {
            return -1;
        }
    }

    return p->in == -1 || lseek(p->in, 0, SEEK_SET) == -1 ? -1 : 0;
}


static int
durable_exec_watch(durable_t *d, int fd)
{
    struct epoll_event  ev;

    ev.events = EPOLLIN;
    ev.data.u64 = durable_event(fd, DURABLE_EVENT_PROGRAM);

    return epoll_ctl(d->epoll, EPOLL_CTL_ADD, fd, &ev);
}


static int
durable_exec_fork(durable_t *d, durable_program_t *p, const char *path)
{
    if (durable_exec_input(p, &p->call->request) == -1
        || pipe2(p->out, O_CLOEXEC) == -1 || pipe2(p->err, O_CLOEXEC) == -1
        || fcntl(p->out[0], F_SETFL, O_NONBLOCK) == -1
        || fcntl(p->err[0], F_SETFL, O_NONBLOCK) == -1)
    {
        return -1;
    }

    p->pid = fork();

    if (p->pid == 0) {
        durable_exec_child(d, p, path);
    }

    if (p->pid == -1) {
        return -1;
    }

    setpgid(p->pid, p->pid);
    durable_exec_close(&p->out[1]);
    durable_exec_close(&p->err[1]);
    durable_exec_close(&p->in);

    p->exit = (int) syscall(SYS_pidfd_open, p->pid, 0);

    return p->exit == -1 || durable_exec_watch(d, p->exit) == -1
           || durable_exec_watch(d, p->out[0]) == -1
           || durable_exec_watch(d, p->err[0]) == -1 ? -1 : 0;
}


void
durable_exec_start(durable_t *d, durable_call_t *call)
{
    char                path[PATH_MAX];
    const char         *wrong;
    durable_program_t  *p;

    call->begun_us = durable_monotonic_us();
    call->started_ms = durable_wall_ms();

    wrong = durable_exec_check(&d->options, call->first_url + 5, path);

    if (wrong != NULL) {
        durable_call_fail(call, DUR_CALL_EPOLICY, "%s", wrong);
        durable_session_done(d, call);
        return;
    }

    p = calloc(1, sizeof(*p));

    if (p == NULL || durable_body_seal(&call->request) != DUR_OK) {
        free(p);
        durable_call_fail(call, DUR_CALL_EOTHER,
                          "the sidecar has no room for the call");
        durable_session_done(d, call);
        return;
    }

    p->call = call;
    p->in = p->exit = p->out[0] = p->out[1] = p->err[0] = p->err[1] = -1;
    p->due = d->now + call->timeout;
    durable_list_add(&d->programs, &p->node);

    call->program = p;
    call->state = DURABLE_CALL_RUNNING;
    d->running++;

    if (durable_exec_fork(d, p, path) == -1) {
        wrong = strerror(errno);
        durable_exec_free(d, p);
        durable_call_fail(call, DUR_CALL_EOTHER, "the program cannot be "
                          "started: %s", wrong);
        durable_session_done(d, call);
    }
}


void
durable_exec_cancel(durable_t *d, durable_call_t *call)
{
    durable_exec_free(d, call->program);
}


/* -- what it says --------------------------------------------------------- */

/* False when there is no more to come. */
static bool
durable_exec_read_out(durable_t *d, durable_program_t *p)
{
    char             buf[64 * 1024];
    ssize_t          n;
    durable_call_t  *call = p->call;

    for ( ;; ) {
        n = read(p->out[0], buf, sizeof(buf));

        if (n <= 0) {
            return n == -1 && (errno == EAGAIN || errno == EINTR);
        }

        if ((size_t) n > call->max_body - call->response.len) {
            call->too_big = true;
            kill(-p->pid, SIGKILL);
            return false;
        }

        if (durable_body_add(&call->response, buf, (size_t) n) != DUR_OK) {
            call->spool_failed = true;
            kill(-p->pid, SIGKILL);
            return false;
        }

        durable_ledger_charge(d, call);
    }
}


/* Its end is kept. */
static bool
durable_exec_read_err(durable_program_t *p)
{
    ssize_t  n;

    for ( ;; ) {

        if (p->nerror > DURABLE_EXEC_STDERR) {
            memmove(p->error, p->error + p->nerror - DURABLE_EXEC_STDERR,
                    DURABLE_EXEC_STDERR);
            p->nerror = DURABLE_EXEC_STDERR;
        }

        n = read(p->err[0], p->error + p->nerror,
                 sizeof(p->error) - p->nerror);

        if (n <= 0) {
            return n == -1 && (errno == EAGAIN || errno == EINTR);
        }

        p->nerror += (size_t) n;
    }
}


/* An answer as from a server that has failed. */
static void
durable_exec_failed(durable_program_t *p, const char *what)
{
    durable_call_t  *call = p->call;

    durable_body_reset(&call->response, DURABLE_KEEP);

    (void) durable_body_add(&call->response, what, strlen(what));

    if (p->nerror > 0) {
        (void) durable_body_add(&call->response, ": ", 2);
        (void) durable_body_add(&call->response, p->error, p->nerror);
    }

    call->status = 500;
}


static void
durable_exec_answer(durable_program_t *p, int status)
{
    char             text[160], time[32];
    durable_call_t  *call = p->call;

    if (call->too_big) {
        snprintf(text, sizeof(text), "the program printed more than %llu "
                 "bytes", (unsigned long long) call->max_body);

    } else if (call->spool_failed) {
        snprintf(text, sizeof(text), "the sidecar has no room for what the "
                 "program printed");

    } else if (p->late) {
        snprintf(text, sizeof(text), "the program did not end within %s",
                 durable_error_time(call->timeout, time, sizeof(time)));

    } else if (WIFSIGNALED(status)) {
        snprintf(text, sizeof(text), "the program was ended by signal %d",
                 WTERMSIG(status));

    } else if (WEXITSTATUS(status) != 0) {
        snprintf(text, sizeof(text), "the program ended with status %d",
                 WEXITSTATUS(status));

    } else {
        call->status = 200;
        return;
    }

    durable_exec_failed(p, text);
}


static void
durable_exec_done(durable_t *d, durable_program_t *p)
{
    int              status;
    durable_call_t  *call = p->call;

    status = 0;

    if (waitpid(p->pid, &status, WNOHANG) != p->pid) {
        return;
    }

    kill(-p->pid, SIGKILL);             /* what it left behind */
    p->pid = 0;

    (void) durable_exec_read_out(d, p);
    (void) durable_exec_read_err(p);

    durable_exec_answer(p, status);
    durable_exec_free(d, p);

    call->duration_us = durable_monotonic_us() - call->begun_us;

    if (durable_body_seal(&call->response) != DUR_OK) {
        durable_call_fail(call, DUR_CALL_EOTHER,
                          "the sidecar has no room for the answer");
    }

    durable_session_done(d, call);
}


void
durable_exec_event(durable_t *d, int fd)
{
    durable_node_t     *node;
    durable_program_t  *p;

    for (node = d->programs.next; node != &d->programs; node = node->next) {
        p = durable_of(node, durable_program_t, node);

        if (fd == p->exit) {
            durable_exec_done(d, p);
            return;
        }

        if (fd == p->out[0]) {
            if (!durable_exec_read_out(d, p)) {
                durable_exec_close(&p->out[0]);
            }
            return;
        }

        if (fd == p->err[0]) {
            if (!durable_exec_read_err(p)) {
                durable_exec_close(&p->err[0]);
            }
            return;
        }
    }
}


uint64_t
durable_exec_turn(durable_t *d)
{
    uint64_t            due;
    durable_node_t     *node;
    durable_program_t  *p;

    due = DURABLE_NEVER;

    for (node = d->programs.next; node != &d->programs; node = node->next) {
        p = durable_of(node, durable_program_t, node);

        if (!p->late && d->now >= p->due) {
            p->late = true;
            kill(-p->pid, SIGKILL);
        }

        if (!p->late && p->due < due) {
            due = p->due;
        }
    }

    return due;
}
