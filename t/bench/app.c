/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * An SDK app that costs next to nothing, so that a bench measures the server
 * and not the app: one thread, keep-alive, answers made of constant text.  It
 * speaks what protocol 3 and 4 ask of the SDK's side:
 *
 *     GET  /api/inngest                  introspection
 *     PUT  /api/inngest                  registers by POST /fn/register
 *     POST /api/inngest?fnId=&stepId=    a call
 *
 * and, for the bench alone:
 *
 *     POST /gate/closed, /gate/open      calls wait unanswered while closed
 *     POST /alarm/INSTANT                until when "wake" sleeps, RFC 3339
 *     GET  /counts                       what was answered so far
 *     GET  /watch                        the number of ended runs as u64, in
 *                                        host order, whenever it has grown
 */

#include "net.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define APP_STEPS_MAX  3
#define APP_EVENTS     256
#define APP_PATH       "/api/inngest"

typedef struct {
    const char  *name;
    const char  *hash;          /* SHA-1 of the name */
    const char  *sleep;         /* a Sleep of this time, "" until the alarm */
    const char  *wait;          /* a WaitForEvent of this name and the run's
                                   data.id; both NULL: a StepRun */
} app_step_t;

typedef enum {
    APP_ONE = 0,                /* one step in each answer */
    APP_ALL,                    /* all steps and the end in one answer */
    APP_CHECKPOINT              /* each step told while the call is open */
} app_how_t;

typedef struct {
    const char  *name;          /* slug is bench-<name>, event bench/<name> */
    unsigned     nsteps;
    app_step_t   steps[APP_STEPS_MAX];
    app_how_t    how;
} app_function_t;

typedef struct app_conn_s  app_conn_t;

/* Which call checkpoints are of. */
typedef struct {
    char                   run[32];
    char                   item[32];
    char                   generation[16];
    unsigned               step;            /* told next */
    const app_function_t  *function;
} app_run_t;

struct app_conn_s {
    int          fd;
    unsigned     server:1;      /* to the server, for checkpoints */
    unsigned     watch:1;
    unsigned     held:1;        /* a call is waiting for the gate */
    unsigned     closing:1;     /* once the answer is out */
    unsigned     dead:1;
    size_t       sent;
    net_buf_t    in;
    net_buf_t    out;
    app_run_t    run;
    app_conn_t  *peer;          /* a call and its checkpoint */
    app_conn_t  *idle;          /* the next one to the server */
    app_conn_t  *prev;
    app_conn_t  *next;
};

typedef struct {
    int          epoll;
    bool         closed;        /* the gate */
    char         alarm[32];
    uint64_t     calls;
    uint64_t     steps;
    uint64_t     finals;
    uint64_t     told;          /* finals the watchers know of */
    const char  *address;
    const char  *server;
    app_conn_t  *idle;          /* connections to the server */
    app_conn_t   conns;         /* head of the ring */
} app_t;


#define S1  { "s1", "640d87e741e6aa4c669a82a4cd304787960513ab", NULL, NULL }
#define S2  { "s2", "4205714cdfe14ed9e3d030ddf7887781b964f510", NULL, NULL }
#define S3  { "s3", "dd33a084ba223dd231b0aa962f77a5920017bc8b", NULL, NULL }
#define NAP { "nap", "c2640f79b4ed481b838ce4ad75330aa3f825d4d9", "1h", NULL }
#define ALARM                                                                \
    { "alarm", "73468898c9988e2f9e409b93e8bff16eaa79c0ba", "", NULL }
#define WAIT                                                                 \
    { "wait", "daaad336276d15594d0e765f96c17cd746bf4971", NULL, "bench/go" }

static const app_function_t  app_functions[] = {
    { "zero", 0, { { NULL, NULL, NULL, NULL } }, APP_ONE },
    { "one", 1, { S1 }, APP_ONE },
    { "three", 3, { S1, S2, S3 }, APP_ONE },
    { "all", 3, { S1, S2, S3 }, APP_ALL },
    { "checkpoint", 3, { S1, S2, S3 }, APP_CHECKPOINT },
    { "sleep", 1, { NAP }, APP_ONE },
    { "wake", 1, { ALARM }, APP_ONE },
    { "wait", 1, { WAIT }, APP_ONE }
};

#define APP_NFUNCTIONS  (sizeof(app_functions) / sizeof(app_functions[0]))


static void
app_answer(app_conn_t *c, unsigned status, const net_buf_t *body)
{
    net_buf_addf(&c->out, "HTTP/1.1 %u %s\r\n"
                 "content-type: application/json\r\n"
                 "x-inngest-sdk: bench:v1.0.0\r\n"
                 "x-inngest-req-version: 2\r\n"
                 "content-length: %zu\r\n\r\n",
                 status, status == 200 ? "OK" : "Status", body->len);
    net_buf_add(&c->out, body->data, body->len);
}


static void
app_answer_text(app_conn_t *c, unsigned status, const char *text)
{
    net_buf_t  body;

    body = (net_buf_t) { .data = (char *) text, .len = strlen(text) };
    app_answer(c, status, &body);
}


static void
app_registration(const app_t *app, net_buf_t *out)
{
    size_t                 i;
    const app_function_t  *f;

    net_buf_addf(out, "{\"url\":\"http://%s" APP_PATH "\","
                 "\"deployType\":\"ping\",\"framework\":\"bench\","
                 "\"appName\":\"bench\",\"sdk\":\"bench:v1.0.0\","
                 "\"v\":\"0.1\",\"functions\":[", app->address);

    for (i = 0; i < APP_NFUNCTIONS; i++) {
        f = &app_functions[i];
        net_buf_addf(out, "%s{\"id\":\"bench-%s\",\"name\":\"%s\","
                     "\"triggers\":[{\"event\":\"bench/%s\"}],"
                     "\"steps\":{\"step\":{\"id\":\"step\",\"name\":\"step\","
                     "\"runtime\":{\"type\":\"http\",\"url\":\"http://%s"
                     APP_PATH "?fnId=bench-%s&stepId=step\"},"
                     "\"retries\":{\"attempts\":4}}}}",
                     i != 0 ? "," : "", f->name, f->name, f->name,
                     app->address, f->name);
    }

    net_buf_addf(out, "]}");
}


static void
app_register(app_t *app, app_conn_t *c)
{
    int            fd;
    net_buf_t      body = { 0 }, request = { 0 }, in = { 0 };
    net_message_t  m;

    app_registration(app, &body);
    net_buf_addf(&request, "POST /fn/register HTTP/1.1\r\nhost: %s\r\n"
                 "content-type: application/json\r\n"
                 "x-inngest-sdk: bench:v1.0.0\r\n"
                 "content-length: %zu\r\n\r\n", app->server, body.len);
    net_buf_add(&request, body.data, body.len);

    fd = net_connect_blocking(app->server);

    if (fd >= 0 && net_exchange(fd, &request, &in, &m) && m.status == 200) {
        app_answer_text(c, 200, "{\"message\":\"Successfully registered\","
                        "\"modified\":true}");
    } else {
        app_answer_text(c, 500, "{\"message\":\"registration failed\"}");
    }

    if (fd >= 0) {
        close(fd);
    }

    net_buf_free(&body);
    net_buf_free(&request);
    net_buf_free(&in);
}


/* The value of a query parameter in the request line, or NULL. */
static const char *
app_argument(const net_message_t *m, const char *name, size_t *len)
{
    size_t       n;
    const char  *p, *end;

    n = strlen(name);
    p = memmem(m->start_line, m->start_len, name, n);

    if (p == NULL) {
        return NULL;
    }

    p += n;
    end = p;

    while (end < m->start_line + m->start_len && *end != '&' && *end != ' ') {
        end++;
    }

    *len = (size_t) (end - p);

    return p;
}


/*
 * A memo is the hash as a key; in ctx.stack the same hash is a value.  The
 * body is canonical JSON, so there are no blanks to think of.
 */
static bool
app_has_memo(const net_message_t *m, const app_step_t *step)
{
    char  key[48];
    int   n;

    n = snprintf(key, sizeof(key), "\"%s\":", step->hash);

    return memmem(m->body, m->body_len, key, (size_t) n) != NULL;
}


static void
app_step_run(const app_step_t *s, net_buf_t *out)
{
    net_buf_addf(out, "{\"id\":\"%s\",\"op\":\"StepRun\",\"name\":\"%s\","
                 "\"displayName\":\"%s\",\"opts\":{},\"userland\":"
                 "{\"id\":\"%s\"},\"data\":{\"ok\":true}}",
                 s->hash, s->name, s->name, s->name);
}


static void
app_answer_step(app_t *app, app_conn_t *c, const app_step_t *s)
{
    net_buf_t  op = { 0 };

    app->steps++;

    if (s->sleep != NULL) {
        net_buf_addf(&op, "[{\"id\":\"%s\",\"op\":\"Sleep\",\"name\":\"%s\","
                     "\"displayName\":\"%s\",\"opts\":{},"
                     "\"userland\":{\"id\":\"%s\"},\"data\":null}]",
                     s->hash, *s->sleep ? s->sleep : app->alarm, s->name,
                     s->name);
    } else if (s->wait != NULL) {
        net_buf_addf(&op, "[{\"id\":\"%s\",\"op\":\"WaitForEvent\","
                     "\"name\":\"%s\",\"displayName\":\"%s\","
                     "\"opts\":{\"timeout\":\"1h\",\"if\":"
                     "\"event.data.id == async.data.id\"},"
                     "\"userland\":{\"id\":\"%s\"},\"data\":null}]",
                     s->hash, s->wait, s->name, s->name);
    } else {
        net_buf_addf(&op, "[");
        app_step_run(s, &op);
        net_buf_addf(&op, "]");
    }

    app_answer(c, 206, &op);
    net_buf_free(&op);
}


/* -- more than one step in a call ----------------------------------------- */

#define APP_COMPLETE                                                         \
    "{\"id\":\"0737c22d3bfae812339732d14d8c7dbd6dc4e09c\","                  \
    "\"op\":\"RunComplete\",\"data\":{\"done\":true}}]"


static void
app_answer_all(app_t *app, app_conn_t *c, const app_function_t *f)
{
    unsigned   n;
    net_buf_t  ops = { 0 };

    net_buf_addf(&ops, "[");

    for (n = 0; n < f->nsteps; n++) {
        app->steps++;
        app_step_run(&f->steps[n], &ops);
        net_buf_addf(&ops, ",");
    }

    net_buf_addf(&ops, APP_COMPLETE);
    app->finals++;
    app_answer(c, 206, &ops);
    net_buf_free(&ops);
}


/* The value of a header, cut to the size. */
static void
app_header(const net_message_t *m, const char *name, char *text, size_t size)
{
    const char  *p, *end;

    p = memmem(m->start_line, (size_t) (m->body - m->start_line), name,
               strlen(name));
    p = p != NULL ? p + strlen(name) : m->body;
    end = memchr(p, '\r', (size_t) (m->body - p));

    snprintf(text, size, "%.*s", end != NULL ? (int) (end - p) : 0, p);
}


static app_conn_t *app_add(app_t *app, int fd);
static void app_flush(app_t *app, app_conn_t *c);


/* Tells the next step of an open call, or ends it. */
static void
app_tell_step(app_t *app, app_conn_t *c)
{
    net_buf_t    body = { 0 };
    app_run_t   *run = &c->run;
    app_conn_t  *s;

    if (run->step == run->function->nsteps) {
        app->finals++;
        app_answer_text(c, 206, "[" APP_COMPLETE);
        app_flush(app, c);
        return;
    }

    s = app->idle;

    if (s != NULL) {
        app->idle = s->idle;
    } else {
        s = app_add(app, net_connect(app->server));
        s->server = 1;
    }

    s->peer = c;
    c->peer = s;
    app->steps++;

    net_buf_addf(&body, "{\"run_id\":\"%s\",\"qi_id\":\"%s\","
                 "\"generation_id\":%s,\"steps\":[", run->run, run->item,
                 run->generation);
    app_step_run(&run->function->steps[run->step++], &body);
    net_buf_addf(&body, "]}");

    net_buf_addf(&s->out, "POST /v1/checkpoint/%s/async HTTP/1.1\r\n"
                 "host: %s\r\ncontent-type: application/json\r\n"
                 "content-length: %zu\r\n\r\n", run->run, app->server,
                 body.len);
    net_buf_add(&s->out, body.data, body.len);
    net_buf_free(&body);
    app_flush(app, s);
}


/* The server's answer to a checkpoint. */
static void
app_told(app_t *app, app_conn_t *s)
{
    int            rc;
    app_conn_t    *c;
    net_message_t  m;

    rc = net_message_parse(&s->in, &m);

    if (rc == 0) {
        return;
    }

    if (rc < 0 || m.status != 200) {
        net_die("a checkpoint was refused: %.*s",
                (int) (s->in.len < 300 ? s->in.len : 300), s->in.data);
    }

    net_buf_consume(&s->in, m.total);

    c = s->peer;
    s->peer = NULL;
    s->idle = app->idle;
    app->idle = s;

    if (c != NULL) {
        c->peer = NULL;
        app_tell_step(app, c);
    }
}


static void
app_checkpoint(app_t *app, app_conn_t *c, const net_message_t *m,
    const app_function_t *f)
{
    app_run_t  *run = &c->run;

    app_header(m, "X-Run-ID: ", run->run, sizeof(run->run));
    app_header(m, "x-inngest-job-id: ", run->item, sizeof(run->item));
    app_header(m, "x-inngest-generation-id: ", run->generation,
               sizeof(run->generation));
    run->function = f;
    run->step = 0;

    app_tell_step(app, c);
}


static void
app_call(app_t *app, app_conn_t *c, const net_message_t *m)
{
    size_t                 i, fn_len, step_len;
    unsigned               n;
    const char            *fn, *step;
    const app_function_t  *f;

    app->calls++;

    fn = app_argument(m, "fnId=bench-", &fn_len);
    step = app_argument(m, "stepId=", &step_len);
    f = NULL;

    for (i = 0; fn != NULL && i < APP_NFUNCTIONS; i++) {
        if (strlen(app_functions[i].name) == fn_len
            && memcmp(app_functions[i].name, fn, fn_len) == 0)
        {
            f = &app_functions[i];
        }
    }

    if (f == NULL || step == NULL) {
        app_answer_text(c, 500, "{\"name\":\"Error\","
                        "\"message\":\"unknown function\"}");
        return;
    }

    if (f->how == APP_ALL) {
        app_answer_all(app, c, f);
        return;
    }

    if (f->how == APP_CHECKPOINT) {
        app_checkpoint(app, c, m, f);
        return;
    }

    for (n = 0; n < f->nsteps; n++) {
        if (step_len == 40
            ? memcmp(step, f->steps[n].hash, 40) == 0
            : !app_has_memo(m, &f->steps[n]))
        {
            app_answer_step(app, c, &f->steps[n]);
            return;
        }
    }

    app->finals++;
    app_answer_text(c, 200, "{\"done\":true}");
}


static bool
app_starts(const net_message_t *m, const char *prefix)
{
    size_t  n;

    n = strlen(prefix);

    return m->start_len > n && memcmp(m->start_line, prefix, n) == 0;
}


static void
app_set_alarm(app_t *app, const net_message_t *m)
{
    size_t       n;
    const char  *p;

    p = m->start_line + sizeof("POST /alarm/") - 1;
    n = strcspn(p, " ");

    if (n < sizeof(app->alarm)) {
        memcpy(app->alarm, p, n);
        app->alarm[n] = '\0';
    }
}


static void app_release(app_t *app);


/* False: the call has to wait for the gate, the request stays where it is. */
static bool
app_request(app_t *app, app_conn_t *c, const net_message_t *m)
{
    char  text[128];

    if (app_starts(m, "POST " APP_PATH)) {
        if (app->closed) {
            return false;
        }

        app_call(app, c, m);

    } else if (app_starts(m, "PUT " APP_PATH)) {
        app_register(app, c);

    } else if (app_starts(m, "GET " APP_PATH)) {
        app_answer_text(c, 200, "{\"function_count\":4,\"mode\":\"dev\"}");

    } else if (app_starts(m, "GET /counts")) {
        snprintf(text, sizeof(text),
                 "{\"calls\":%llu,\"steps\":%llu,\"finals\":%llu}",
                 (unsigned long long) app->calls,
                 (unsigned long long) app->steps,
                 (unsigned long long) app->finals);
        app_answer_text(c, 200, text);

    } else if (app_starts(m, "GET /watch")) {
        c->watch = 1;
        net_buf_add(&c->out, &app->finals, sizeof(app->finals));

    } else if (app_starts(m, "POST /gate/closed")) {
        app->closed = true;
        app_answer_text(c, 200, "{}");

    } else if (app_starts(m, "POST /gate/open")) {
        app->closed = false;
        app_answer_text(c, 200, "{}");
        app_release(app);

    } else if (app_starts(m, "POST /alarm/")) {
        app_set_alarm(app, m);
        app_answer_text(c, 200, "{}");

    } else {
        app_answer_text(c, 404, "{}");
    }

    return true;
}


static void
app_flush(app_t *app, app_conn_t *c)
{
    struct epoll_event  ev;

    if (c->out.len == 0 || c->dead) {
        return;
    }

    if (!net_write(c->fd, &c->out, &c->sent)) {
        c->dead = 1;
        return;
    }

    ev.data.ptr = c;
    ev.events = EPOLLIN;

    if (c->sent == c->out.len) {
        c->sent = 0;
        c->out.len = 0;
        c->dead = c->closing;
    } else {
        ev.events |= EPOLLOUT;
    }

    epoll_ctl(app->epoll, EPOLL_CTL_MOD, c->fd, &ev);
}


static void
app_process(app_t *app, app_conn_t *c)
{
    int            rc;
    net_message_t  m;

    if (c->server) {
        app_told(app, c);
        return;
    }

    c->held = 0;

    for ( ;; ) {
        rc = net_message_parse(&c->in, &m);

        if (rc < 0) {
            c->dead = 1;
            return;
        }

        if (rc == 0) {
            break;
        }

        if (!app_request(app, c, &m)) {
            c->held = 1;
            break;
        }

        c->closing = m.close;
        net_buf_consume(&c->in, m.total);
    }

    app_flush(app, c);
}


static void
app_release(app_t *app)
{
    app_conn_t  *c;

    for (c = app->conns.next; c != &app->conns; c = c->next) {
        if (c->held) {
            app_process(app, c);
        }
    }
}


static app_conn_t *
app_add(app_t *app, int fd)
{
    app_conn_t          *c;
    struct epoll_event   ev;

    c = calloc(1, sizeof(app_conn_t));
    if (c == NULL) {
        net_die("no memory");
    }

    c->fd = fd;
    c->next = &app->conns;
    c->prev = app->conns.prev;
    c->prev->next = c;
    app->conns.prev = c;

    ev.events = EPOLLIN;
    ev.data.ptr = c;
    epoll_ctl(app->epoll, EPOLL_CTL_ADD, fd, &ev);

    return c;
}


static void
app_accept(app_t *app, int listener)
{
    int  fd;

    for ( ;; ) {
        fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }

        (void) app_add(app, fd);
    }
}


static void
app_close(app_conn_t *c)
{
    if (c->server) {
        net_die("the server closed a connection of checkpoints");
    }

    if (c->peer != NULL) {
        c->peer->peer = NULL;
    }

    close(c->fd);
    c->prev->next = c->next;
    c->next->prev = c->prev;
    net_buf_free(&c->in);
    net_buf_free(&c->out);
    free(c);
}


static void
app_tell(app_t *app)
{
    app_conn_t  *c, *next;

    for (c = app->conns.next; c != &app->conns; c = next) {
        next = c->next;

        if (c->watch && app->told != app->finals) {
            net_buf_add(&c->out, &app->finals, sizeof(app->finals));
            app_flush(app, c);
        }

        if (c->dead) {
            app_close(c);
        }
    }

    app->told = app->finals;
}


static void
app_loop(app_t *app, int listener)
{
    int                  i, n;
    app_conn_t          *c;
    struct epoll_event   events[APP_EVENTS];

    for ( ;; ) {
        n = epoll_wait(app->epoll, events, APP_EVENTS, -1);

        if (n < 0 && errno != EINTR) {
            net_die("epoll_wait: %s", strerror(errno));
        }

        for (i = 0; i < n; i++) {
            c = events[i].data.ptr;

            if (c == NULL) {
                app_accept(app, listener);
                continue;
            }

            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
                if (!net_read(c->fd, &c->in)) {
                    c->dead = 1;
                    continue;
                }

                app_process(app, c);
            }

            if (events[i].events & EPOLLOUT) {
                app_flush(app, c);
            }
        }

        app_tell(app);
    }
}


int
main(int argc, char **argv)
{
    int                 listener;
    app_t               app = { 0 };
    struct epoll_event  ev;

    if (argc != 3) {
        net_die("usage: app LISTEN SERVER, both as 127.0.0.1:port");
    }

    signal(SIGPIPE, SIG_IGN);

    app.address = argv[1];
    app.server = argv[2];
    app.conns.next = app.conns.prev = &app.conns;
    app.epoll = epoll_create1(EPOLL_CLOEXEC);

    listener = net_listen(app.address);

    ev.events = EPOLLIN;
    ev.data.ptr = NULL;
    epoll_ctl(app.epoll, EPOLL_CTL_ADD, listener, &ev);

    app_loop(&app, listener);

    return 0;
}
