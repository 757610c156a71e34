/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One loop over signals, the children's stderr and the feed.  See
 * durable_supervise.h.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/signalfd.h>

#include "durable_child.h"
#include "durable_feed.h"
#include "durable_health.h"
#include "durable_nginx.h"
#include "durable_print.h"
#include "durable_supervise.h"


#define DURABLE_READY_MAX     15000     /* ms until the server answers */
#define DURABLE_UNWELL_MAX    5000      /* of answers that it is not well */
#define DURABLE_READY_NAP     30
#define DURABLE_LISTEN_MAX    2000      /* until the sidecar listens */
#define DURABLE_QUIT_MAX      5000      /* QUIT, then TERM */
#define DURABLE_TERM_MAX      3000      /* TERM, then KILL */
#define DURABLE_KILL_MAX      5000
#define DURABLE_SHORT_LIFE    10000
#define DURABLE_FAILURES_MAX  8         /* short lives in a row */
#define DURABLE_AGAIN_MIN     200
#define DURABLE_AGAIN_MAX     5000
#define DURABLE_TWICE_MIN     300       /* a signal sent twice over is one */
#define DURABLE_MOVES_MAX     10        /* to another port */
#define DURABLE_OUT_MAX       (256 * 1024)


typedef enum {
    DURABLE_STARTING = 0,       /* the server does not answer yet */
    DURABLE_RUNNING,
    DURABLE_STOPPING_NGINX,     /* told to end, the sidecar still runs */
    DURABLE_STOPPING_SIDECAR,
    DURABLE_STOPPED
} durable_state_t;

typedef struct {
    durable_setup_t    *setup;
    durable_ready_pt    ready;
    bool                shown;          /* ready() was called */

    durable_state_t     state;
    int64_t             deadline;       /* of the state */
    int64_t             asked;          /* to stop */
    int                 next;           /* signal at the deadline */
    int                 exit;
    unsigned            moves;

    int                 signals;
    char                socket[DURABLE_STORE_PATH_MAX + 32];
    durable_child_t     nginx;
    durable_child_t     sidecar;
    durable_feed_t      feed;
    durable_print_t     print;
    dur_buf_t           out;
    char                emerg[1024];    /* what kept nginx from starting */
    char                unwell[512];    /* what the server says of itself */
} durable_supervisor_t;


static int64_t
durable_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


static void
durable_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGQUIT);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGCHLD);
}


void
durable_supervise_block(void)
{
    sigset_t  set;

    durable_signals(&set);
    (void) sigprocmask(SIG_BLOCK, &set, NULL);
    (void) signal(SIGPIPE, SIG_IGN);
}


static void
durable_say(const char *who, const char *text)
{
    dur_buf_t  out;

    dur_buf_init(&out, DURABLE_OUT_MAX);

    (void) dur_buf_addz(&out, who);
    durable_print_safe(dur_str_c(text), DURABLE_LINE_MAX, &out);
    (void) dur_buf_addc(&out, '\n');
    (void) !write(STDERR_FILENO, out.data, out.len);

    dur_buf_deinit(&out);
}


static void
durable_nginx_line(void *data, char *line)
{
    char                   who[64];
    const char            *level, *message;
    durable_supervisor_t  *sv = data;

    durable_nginx_log_line(line, &level, &message);

    if (strcmp(level, "emerg") == 0) {

        /* The first one is the cause, those behind are its echo. */
        if (sv->emerg[0] == '\0') {
            snprintf(sv->emerg, sizeof(sv->emerg), "%s", message);
        }

        /* It would try for some seconds more. */
        if (strstr(message, "bind() to ") != NULL
            && strstr(message, "(98:") != NULL)
        {
            durable_child_kill(&sv->nginx, SIGKILL, true);
        }

        if (sv->state == DURABLE_STARTING
            && sv->setup->options->verbose == 0)
        {
            return;
        }
    }

    snprintf(who, sizeof(who), "nginx: %s%s", level, *level ? ": " : "");
    durable_say(who, message);
}


static void
durable_sidecar_line(void *data, char *line)
{
    durable_supervisor_t  *sv = data;

    if (sv->setup->options->verbose > 0 || strstr(line, "error: ") != NULL
        || strstr(line, "warning: ") != NULL)
    {
        durable_say("", line);
    }
}


static void
durable_feed_notice(void *data, dur_str_t json)
{
    durable_supervisor_t  *sv = data;

    durable_print_line(&sv->print, json, &sv->out);
}


/* A pipe that is full or gone loses lines; the server goes on. */
static void
durable_flush(durable_supervisor_t *sv)
{
    size_t   done;
    ssize_t  n;

    for (done = 0; done < sv->out.len; done += (size_t) n) {
        n = write(STDOUT_FILENO, sv->out.data + done, sv->out.len - done);
        if (n <= 0) {
            break;
        }
    }

    dur_buf_reset(&sv->out);
    sv->out.failed = false;
}


static void
durable_stop_state(durable_supervisor_t *sv, durable_state_t state,
    durable_child_t *child, int signo, int64_t patience)
{
    sv->state = state;
    sv->deadline = durable_now() + patience;
    sv->next = signo == SIGQUIT ? SIGTERM : SIGKILL;

    durable_child_kill(child, signo, false);
}


static void
durable_stop_sidecar(durable_supervisor_t *sv)
{
    if (sv->sidecar.pid == 0) {
        sv->state = DURABLE_STOPPED;
        return;
    }

    durable_stop_state(sv, DURABLE_STOPPING_SIDECAR, &sv->sidecar, SIGTERM,
                       DURABLE_TERM_MAX);
}


/* nginx first: it still takes the results of calls while it ends. */
static void
durable_stop(durable_supervisor_t *sv, int status)
{
    sv->exit = status;
    sv->nginx.again = 0;
    sv->sidecar.again = 0;

    if (sv->nginx.pid == 0) {
        durable_stop_sidecar(sv);
        return;
    }

    durable_stop_state(sv, DURABLE_STOPPING_NGINX, &sv->nginx,
                       sv->state == DURABLE_STARTING ? SIGTERM : SIGQUIT,
                       DURABLE_QUIT_MAX);
}


static void
durable_stop_hard(durable_supervisor_t *sv)
{
    durable_say("", "durable: stopped hard; what ran is taken up again at the "
                    "next start.");

    sv->exit = 130;
    durable_child_kill(&sv->nginx, SIGKILL, true);
    durable_child_kill(&sv->sidecar, SIGKILL, true);

    if (sv->state < DURABLE_STOPPING_NGINX) {
        sv->state = DURABLE_STOPPING_NGINX;
    }

    sv->next = SIGKILL;
    sv->deadline = durable_now() + DURABLE_KILL_MAX;
}


static void
durable_fail(durable_supervisor_t *sv, const char *text)
{
    durable_say("durable: ", text);
    durable_stop(sv, 1);
}


/* The patience of a stopping state is over. */
static void
durable_stop_press(durable_supervisor_t *sv, int64_t now)
{
    bool              hard = sv->next == SIGKILL;
    durable_child_t  *child;

    if (sv->deadline > now) {
        return;
    }

    child = sv->state == DURABLE_STOPPING_NGINX ? &sv->nginx : &sv->sidecar;

    durable_child_kill(child, sv->next, hard);
    sv->deadline = now + (hard ? DURABLE_KILL_MAX : DURABLE_TERM_MAX);
    sv->next = SIGKILL;
}


static void
durable_start_child(durable_supervisor_t *sv, durable_child_t *c)
{
    char  text[256];

    if (durable_child_start(c, durable_now())) {
        return;
    }

    snprintf(text, sizeof(text), "%s cannot be started: %s.", c->name,
             strerror(errno));
    durable_fail(sv, text);
}


/* A child that should have gone on: again, later each time. */
static void
durable_again(durable_supervisor_t *sv, durable_child_t *c, int64_t now)
{
    char     text[512], how[128];
    int64_t  nap;

    durable_child_how(c, how, sizeof(how));

    if (now - c->started >= DURABLE_SHORT_LIFE) {
        c->failures = 0;
    }

    c->failures++;

    if (c->failures > DURABLE_FAILURES_MAX) {
        snprintf(text, sizeof(text), "%s %s, again and again: its lines above "
                 "say why (-v shows more).", c->name, how);
        durable_fail(sv, text);
        return;
    }

    nap = DURABLE_AGAIN_MIN << (c->failures - 1);
    if (nap > DURABLE_AGAIN_MAX) {
        nap = DURABLE_AGAIN_MAX;
    }

    c->again = now + nap;

    snprintf(text, sizeof(text), "%s %s; starting it again.", c->name, how);
    durable_say("durable: ", text);
}


/* Nobody asked for this port: the next free one will do. */
static void
durable_move(durable_supervisor_t *sv)
{
    sv->emerg[0] = '\0';

    if (!durable_setup_port(sv->setup) || !durable_nginx_write(sv->setup)) {
        durable_fail(sv, sv->setup->error);
        return;
    }

    durable_start_child(sv, &sv->nginx);
}


static void
durable_nginx_ended(durable_supervisor_t *sv, int64_t now)
{
    char  how[128];

    if (sv->state >= DURABLE_STOPPING_NGINX) {
        if (sv->state == DURABLE_STOPPING_NGINX) {
            durable_stop_sidecar(sv);
        }
        return;
    }

    if (!sv->shown) {
        if (strstr(sv->emerg, "(98:") != NULL
            && sv->setup->options->port == 0
            && sv->moves++ < DURABLE_MOVES_MAX)
        {
            durable_move(sv);
            return;
        }

        if (sv->emerg[0] == '\0') {
            durable_child_how(&sv->nginx, how, sizeof(how));
            snprintf(sv->emerg, sizeof(sv->emerg), "it %s.", how);
        }

        durable_nginx_explain(sv->setup, sv->emerg);
        durable_fail(sv, sv->setup->error);
        return;
    }

    sv->state = DURABLE_STARTING;
    sv->deadline = INT64_MAX;
    durable_again(sv, &sv->nginx, now);
}


static void
durable_sidecar_ended(durable_supervisor_t *sv, int64_t now)
{
    if (sv->state >= DURABLE_STOPPING_NGINX) {
        if (sv->state == DURABLE_STOPPING_SIDECAR) {
            sv->state = DURABLE_STOPPED;
        }
        return;
    }

    durable_again(sv, &sv->sidecar, now);
}


/* `start` without a terminal reloads at SIGHUP, as daemons do. */
static void
durable_hangup(durable_supervisor_t *sv)
{
    if (sv->setup->options->command == DURABLE_CMD_START
        && !isatty(STDIN_FILENO) && !isatty(STDERR_FILENO))
    {
        durable_child_kill(&sv->nginx, SIGHUP, false);
        durable_child_kill(&sv->sidecar, SIGHUP, false);
        return;
    }

    if (sv->state < DURABLE_STOPPING_NGINX) {
        durable_stop(sv, 0);
    }
}


static void
durable_signalled(durable_supervisor_t *sv)
{
    ssize_t                  n;
    struct signalfd_siginfo  si;

    while ((n = read(sv->signals, &si, sizeof(si))) == sizeof(si)) {

        switch (si.ssi_signo) {

        case SIGCHLD:
            break;

        case SIGHUP:
            durable_hangup(sv);
            break;

        default:
            if (sv->state >= DURABLE_STOPPING_NGINX) {
                if (durable_now() - sv->asked >= DURABLE_TWICE_MIN) {
                    durable_stop_hard(sv);
                }
                break;
            }

            sv->asked = durable_now();

            durable_say("", "durable: stopping (once more stops hard)");
            durable_stop(sv, 0);
        }
    }
}


static void
durable_starting(durable_supervisor_t *sv, int64_t now)
{
    char              text[1024];
    durable_setup_t  *s = sv->setup;

    if (sv->nginx.pid == 0) {
        return;
    }

    if (durable_health(s->options->address, s->port, s->token, sv->unwell,
                       sizeof(sv->unwell)))
    {
        sv->state = DURABLE_RUNNING;

        if (!sv->shown) {
            sv->shown = true;
            durable_flush(sv);
            s->error[0] = '\0';
            sv->ready(s);
        } else {
            durable_say("durable: ", "nginx is back.");
        }

        return;
    }

    if (sv->unwell[0] != '\0' && !sv->shown
        && sv->deadline > now + DURABLE_UNWELL_MAX)
    {
        sv->deadline = now + DURABLE_UNWELL_MAX;
    }

    if (now >= sv->deadline) {
        snprintf(text, sizeof(text), "The server does not become ready: %s",
                 sv->unwell[0] != '\0' ? sv->unwell : "nothing answers on its "
                 "port (-v shows what nginx says).");
        durable_fail(sv, text);
    }
}


/* What is due by time; returns ms until the next of it. */
static int64_t
durable_due(durable_supervisor_t *sv, int64_t now)
{
    int64_t            due, nap;
    size_t             i;
    durable_child_t   *children[2] = { &sv->sidecar, &sv->nginx };

    /* nginx comes when the sidecar listens, and would say if it did not. */
    if (!sv->shown && sv->nginx.again != 0
        && access(sv->socket, F_OK) == 0)
    {
        sv->nginx.again = now;
    }

    for (i = 0; i < 2; i++) {
        if (children[i]->again != 0 && children[i]->again <= now) {
            durable_start_child(sv, children[i]);
        }
    }

    if (sv->state == DURABLE_STARTING) {
        durable_starting(sv, now);

    } else if (sv->state >= DURABLE_STOPPING_NGINX) {
        durable_stop_press(sv, now);
    }

    due = durable_feed_step(&sv->feed, now);
    due = due == -1 ? 1000 : due;

    if (sv->state == DURABLE_STARTING) {
        due = DURABLE_READY_NAP;

    } else if (sv->state >= DURABLE_STOPPING_NGINX) {
        nap = sv->deadline - now;
        due = nap < due ? nap : due;
    }

    for (i = 0; i < 2; i++) {
        if (children[i]->again != 0) {
            nap = children[i]->again - now;
            due = nap < due ? nap : due;
        }
    }

    return due < 0 ? 0 : due;
}


static void
durable_turn(durable_supervisor_t *sv)
{
    int64_t        now, due;
    struct pollfd  fds[4];

    due = durable_due(sv, durable_now());

    if (sv->state == DURABLE_STOPPED) {
        return;
    }

    fds[0].fd = sv->signals;
    fds[1].fd = sv->nginx.fd;
    fds[2].fd = sv->sidecar.fd;
    fds[3].fd = sv->feed.fd;
    fds[0].events = fds[1].events = fds[2].events = fds[3].events = POLLIN;

    if (poll(fds, 4, (int) due) == -1) {
        return;
    }

    now = durable_now();

    if (fds[1].revents != 0) {
        durable_child_read(&sv->nginx);
    }

    if (fds[2].revents != 0) {
        durable_child_read(&sv->sidecar);
    }

    if (fds[3].revents != 0) {
        durable_feed_read(&sv->feed, now);
    }

    if (fds[0].revents != 0) {
        durable_signalled(sv);
    }

    if (durable_child_reap(&sv->nginx)) {
        durable_nginx_ended(sv, now);
    }

    if (durable_child_reap(&sv->sidecar)) {
        durable_sidecar_ended(sv, now);
    }

    if (sv->shown) {
        durable_flush(sv);
    }
}


static void
durable_child_init(durable_child_t *c, durable_supervisor_t *sv,
    const char *name, durable_child_line_pt line)
{
    c->name = name;
    c->line = line;
    c->data = sv;
    c->fd = -1;
}


/* Our own file; when it was replaced, still the one that runs. */
static const char *
durable_self(char *path, size_t size)
{
    static const char  link[] = "/proc/self/exe";

    ssize_t  n;

    n = readlink(link, path, size - 1);
    path[n > 0 ? n : 0] = '\0';

    return access(path, X_OK) == 0 ? path : link;
}


int
durable_supervise(durable_setup_t *s, durable_ready_pt ready)
{
    int                   status;
    char                  conf[PATH_MAX], run[PATH_MAX], self[PATH_MAX];
    sigset_t              set;
    durable_supervisor_t *sv;

    char *const  nginx[] = { "nginx", "-p", run, "-c", conf, "-e", "stderr",
                             NULL };
    char        *sidecar[] = { "durable", "sidecar", "--socket", NULL,
                               "--drain", "2", NULL };

    sv = calloc(1, sizeof(*sv));
    if (sv == NULL) {
        durable_say("durable: ", "There is not enough memory.");
        return 1;
    }

    sv->setup = s;
    sv->ready = ready;
    snprintf(sv->socket, sizeof(sv->socket), "%s/sidecar.sock", s->run);
    sidecar[3] = sv->socket;
    sv->deadline = durable_now() + DURABLE_READY_MAX;

    durable_signals(&set);
    sv->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);

    snprintf(run, sizeof(run), "%s/", s->run);
    snprintf(conf, sizeof(conf), "%s/nginx.conf", s->run);

    durable_child_init(&sv->nginx, sv, "nginx", durable_nginx_line);
    sv->nginx.program = s->nginx;
    sv->nginx.argv = nginx;

    durable_child_init(&sv->sidecar, sv, "the sidecar", durable_sidecar_line);
    sv->sidecar.program = durable_self(self, sizeof(self));
    sv->sidecar.argv = sidecar;
    sv->sidecar.drop = s->root && s->uid != 0;
    sv->sidecar.uid = s->uid;
    sv->sidecar.gid = s->gid;

    durable_print_init(&sv->print, s->options->json);
    durable_feed_init(&sv->feed, s->store, durable_feed_notice, sv);
    dur_buf_init(&sv->out, DURABLE_OUT_MAX);

    sv->nginx.again = durable_now() + DURABLE_LISTEN_MAX;

    if (sv->signals == -1) {
        durable_fail(sv, "Signals cannot be read.");
    }

    if (sv->state == DURABLE_STARTING) {
        durable_start_child(sv, &sv->sidecar);
    }

    while (sv->state != DURABLE_STOPPED) {
        durable_turn(sv);
    }

    durable_flush(sv);

    status = sv->exit;

    durable_feed_deinit(&sv->feed);
    dur_buf_deinit(&sv->out);
    close(sv->signals);
    free(sv);

    return status;
}
