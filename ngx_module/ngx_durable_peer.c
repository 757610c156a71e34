
/*
 * Copyright (C) the nginx-durable authors
 */


/* The leader's side of the leader link: followers and observers. */


#include "ngx_durable_process.h"

#include <sys/stat.h>
#include <sys/un.h>


#define NGX_DURABLE_PEER_BACKLOG  511
#define NGX_DURABLE_PEER_MASTERS  16


static ngx_int_t ngx_durable_peer_bind(ngx_socket_t s);
static void ngx_durable_peer_accept_handler(ngx_event_t *rev);
static void ngx_durable_peer_lost(ngx_durable_link_t *l);
static void ngx_durable_peer_forget(ngx_durable_link_t *l);
static ngx_int_t ngx_durable_peer_frame(ngx_durable_link_t *l,
    dur_frame_t *f);
static ngx_int_t ngx_durable_peer_hello(ngx_durable_link_t *l,
    dur_frame_t *f);
static void ngx_durable_peer_master(ngx_durable_link_t *l);
static ngx_uint_t ngx_durable_peer_descends(ngx_pid_t pid, ngx_pid_t master);
static ngx_pid_t ngx_durable_peer_parent(ngx_pid_t pid);
static ngx_int_t ngx_durable_peer_op(ngx_durable_link_t *l, dur_frame_t *f);
static ngx_uint_t ngx_durable_peer_may(u_char type);
static void ngx_durable_peer_yield(dur_frame_t *f);
static void ngx_durable_peer_answer(ngx_durable_link_t *l, uint64_t id,
    dur_reply_t *reply);


ngx_int_t
ngx_durable_peer_listen(void)
{
    ngx_socket_t            s;
    ngx_connection_t       *c;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    s = socket(AF_UNIX, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);

    if (s == (ngx_socket_t) -1) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, ngx_socket_errno,
                      "durable: socket() failed");
        return NGX_ERROR;
    }

    if (ngx_durable_peer_bind(s) != NGX_OK) {
        (void) ngx_close_socket(s);
        return NGX_ERROR;
    }

    c = ngx_get_connection(s, ngx_cycle->log);

    if (c == NULL) {
        (void) ngx_close_socket(s);
        return NGX_ERROR;
    }

    c->data = dp;
    c->log = ngx_cycle->log;
    c->read->handler = ngx_durable_peer_accept_handler;
    c->read->log = c->log;
    c->write->log = c->log;

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_close_connection(c);
        return NGX_ERROR;
    }

    dp->listening = c;

    return NGX_OK;
}


/* Under another name first: nobody finds a socket that does not listen. */

static ngx_int_t
ngx_durable_peer_bind(ngx_socket_t s)
{
    u_char              *p;
    ngx_err_t            err;
    struct sockaddr_un   sun, to;
    ngx_str_t           *path;

    path = &ngx_durable_process.conf->path;

    if (path->len > NGX_DURABLE_PATH_MAX) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "durable: \"%V\" is too long for a socket", path);
        return NGX_ERROR;
    }

    ngx_memzero(&sun, sizeof(struct sockaddr_un));
    sun.sun_family = AF_UNIX;
    to = sun;

    p = ngx_cpymem(sun.sun_path, path->data, path->len);
    ngx_memcpy(p, "/leader.temp", sizeof("/leader.temp"));

    p = ngx_cpymem(to.sun_path, path->data, path->len);
    ngx_memcpy(p, "/leader.sock", sizeof("/leader.sock"));

    (void) unlink(sun.sun_path);

    if (bind(s, (struct sockaddr *) &sun, sizeof(struct sockaddr_un)) == -1
        || chmod(sun.sun_path, 0600) == -1
        || listen(s, NGX_DURABLE_PEER_BACKLOG) == -1
        || rename(sun.sun_path, to.sun_path) == -1)
    {
        err = ngx_errno;
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, err,
                      "durable: cannot listen on \"%s\"", to.sun_path);
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_durable_peer_pause_all(void)
{
    ngx_queue_t            *q;
    ngx_durable_link_t     *l;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    for (q = ngx_queue_head(&dp->peers);
         q != ngx_queue_sentinel(&dp->peers);
         q = ngx_queue_next(q))
    {
        l = ngx_queue_data(q, ngx_durable_link_t, queue);
        ngx_durable_link_pause(l, 1);
    }
}


void
ngx_durable_peer_close_all(void)
{
    ngx_queue_t            *q;
    ngx_connection_t       *c;
    ngx_durable_link_t     *l;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    c = dp->listening;

    if (c) {
        dp->listening = NULL;
        ngx_close_connection(c);
    }

    while (!ngx_queue_empty(&dp->peers)) {
        q = ngx_queue_head(&dp->peers);
        l = ngx_queue_data(q, ngx_durable_link_t, queue);

        (void) ngx_durable_link_flush(l);
        ngx_durable_peer_forget(l);
    }
}


/* The reply to an op that came over a link. */

void
ngx_durable_peer_reply(ngx_durable_entry_t *e)
{
    ngx_durable_peer_answer(e->peer, e->id, &e->reply);
}


static void
ngx_durable_peer_accept_handler(ngx_event_t *rev)
{
    ngx_err_t               err;
    ngx_socket_t            s;
    ngx_connection_t       *c;
    ngx_durable_link_t     *l;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;
    c = rev->data;

    for ( ;; ) {
        s = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK|SOCK_CLOEXEC);

        if (s == (ngx_socket_t) -1) {
            err = ngx_socket_errno;

            if (err == NGX_EINTR || err == NGX_ECONNABORTED) {
                continue;
            }

            if (err != NGX_EAGAIN) {
                ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, err,
                              "durable: accept4() failed");
            }

            break;
        }

        l = ngx_durable_link_create(s);

        if (l == NULL) {
            continue;
        }

        l->frame = ngx_durable_peer_frame;
        l->lost = ngx_durable_peer_lost;

        ngx_queue_insert_tail(&dp->peers, &l->queue);
    }

    rev->ready = 0;

    (void) ngx_handle_read_event(rev, 0);
}


static void
ngx_durable_peer_lost(ngx_durable_link_t *l)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    ngx_durable_peer_forget(l);

    /* a worker that was killed may have left a reader slot */

    if (dp->engine) {
        dur_store_reader_check(dur_engine_store(dp->engine));
    }
}


static void
ngx_durable_peer_forget(ngx_durable_link_t *l)
{
    ngx_queue_t          *q;
    ngx_durable_entry_t  *e;

    /* its ops go on, nobody waits for their replies */

    while (!ngx_queue_empty(&l->ops)) {
        q = ngx_queue_head(&l->ops);
        e = ngx_queue_data(q, ngx_durable_entry_t, queue);

        e->peer = NULL;
        ngx_queue_remove(q);
        ngx_queue_init(q);
    }

    if (l->ready && !l->observer) {
        ngx_durable_process.npeers--;
    }

    ngx_durable_feed_forget(l);
    ngx_queue_remove(&l->queue);
    ngx_durable_link_close(l);
}


static ngx_int_t
ngx_durable_peer_frame(ngx_durable_link_t *l, dur_frame_t *f)
{
    dur_str_t           topic;
    dur_frame_writer_t  w;

    if (f->type == DUR_FRAME_HELLO) {
        return ngx_durable_peer_hello(l, f);
    }

    if (!l->ready) {
        return NGX_ERROR;
    }

    switch (f->type) {

    case DUR_FRAME_OP:
    case DUR_FRAME_DATA:
        return l->observer ? NGX_ERROR : ngx_durable_peer_op(l, f);

    case DUR_FRAME_SUBSCRIBE:
        if (dur_frame_get(f, DUR_TAG_TOPIC, &topic) == DUR_OK
            && dur_str_eq(topic, dur_str("feed")))
        {
            ngx_durable_feed_subscribe(l);

        } else {
            ngx_durable_realtime_listen(l);
        }

        return NGX_OK;

    case DUR_FRAME_NOTIFY:
        ngx_durable_realtime_relay(l);
        return NGX_OK;

    case DUR_FRAME_YIELD:
        ngx_durable_peer_yield(f);
        return NGX_OK;

    case DUR_FRAME_PING:
        dur_frame_begin(&w, &l->urgent, DUR_FRAME_PONG, DUR_FRAME_F_END);
        (void) dur_frame_end(&w, f->data);
        ngx_durable_link_push(l);
        return NGX_OK;

    default:
        return NGX_OK;
    }
}


static ngx_int_t
ngx_durable_peer_hello(ngx_durable_link_t *l, dur_frame_t *f)
{
    uint64_t                v;
    dur_frame_writer_t      w;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (l->ready
        || dur_frame_get_u64(f, DUR_TAG_VERSION, &v) != DUR_OK
        || v != DUR_FRAME_VERSION)
    {
        return NGX_ERROR;
    }

    if (dur_frame_get_u64(f, DUR_TAG_PID, &v) == DUR_OK) {
        l->pid = v;
    }

    if (dur_frame_get_u64(f, DUR_TAG_ROLE, &v) == DUR_OK) {
        l->observer = (v != 0);
    }

    l->ready = 1;

    if (!l->observer) {
        dp->npeers++;
        ngx_durable_peer_master(l);
    }

    dur_frame_begin(&w, &l->out, DUR_FRAME_WELCOME, DUR_FRAME_F_END);
    dur_frame_put_u32(&w, DUR_TAG_VERSION, DUR_FRAME_VERSION);
    dur_frame_put_u32(&w, DUR_TAG_FORMAT, DUR_STORE_FORMAT);
    dur_frame_put_u64(&w, DUR_TAG_EPOCH, dp->epoch);
    dur_frame_put(&w, DUR_TAG_STORE_ID,
                  dur_str_make(dp->store_id, sizeof(dp->store_id)));
    dur_frame_put_u32(&w, DUR_TAG_PID, (uint32_t) ngx_pid);
    dur_frame_put_u8(&w, DUR_TAG_CODEC, DUR_OP_CODEC);
    (void) dur_frame_end(&w, dur_str_null);

    ngx_durable_link_push(l);

    return NGX_OK;
}


/*
 * Two masters may share a store, for a binary upgrade needs it: there one of
 * them descends from the other.  If not, somebody should know.
 */

static void
ngx_durable_peer_master(ngx_durable_link_t *l)
{
    ngx_pid_t               master, other;
    socklen_t               len;
    struct ucred            cred;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;
    len = sizeof(struct ucred);

    if (dp->strange
        || getsockopt(l->connection->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len)
           == -1)
    {
        return;
    }

    master = (ngx_process == NGX_PROCESS_SINGLE) ? ngx_pid : getppid();
    other = ngx_durable_peer_parent(cred.pid);

    /* the worker is gone, or its master is, or ours */

    if (other <= 1 || master <= 1
        || ngx_durable_peer_descends(cred.pid, master)
        || ngx_durable_peer_descends(master, other))
    {
        return;
    }

    dp->strange = 1;

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "durable: process %P of another nginx (master %P, ours is "
                  "%P) uses this store too: two configurations with the same "
                  "durable_store?", cred.pid, other, master);
}


static ngx_uint_t
ngx_durable_peer_descends(ngx_pid_t pid, ngx_pid_t master)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_DURABLE_PEER_MASTERS && pid > 1; i++) {

        if (pid == master) {
            return 1;
        }

        pid = ngx_durable_peer_parent(pid);
    }

    return 0;
}


/* 0 when the process is gone or cannot be seen. */

static ngx_pid_t
ngx_durable_peer_parent(ngx_pid_t pid)
{
    int       parent;
    FILE     *f;
    char      path[64], text[512], *p;
    size_t    n;

    (void) ngx_snprintf((u_char *) path, sizeof(path), "/proc/%P/stat%Z",
                        pid);

    f = fopen(path, "re");
    if (f == NULL) {
        return 0;
    }

    n = fread(text, 1, sizeof(text) - 1, f);
    (void) fclose(f);
    text[n] = '\0';

    /* "pid (name) state ppid ...", where the name may hold anything */

    p = strrchr(text, ')');

    return p && sscanf(p, ") %*c %d", &parent) == 1 ? parent : 0;
}


static ngx_int_t
ngx_durable_peer_op(ngx_durable_link_t *l, dur_frame_t *f)
{
    uint64_t                id;
    ngx_int_t               rc;
    dur_frame_t             whole;
    dur_reply_t             reply;
    ngx_durable_entry_t    *e;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    rc = ngx_durable_link_body(l, f, DUR_TAG_ID, NGX_DURABLE_BODY_MAX,
                               &whole);
    if (rc != NGX_OK) {
        return rc == NGX_AGAIN ? NGX_OK : NGX_ERROR;
    }

    if (dur_frame_get_u64(&whole, DUR_TAG_ID, &id) != DUR_OK
        || whole.data.len < 4 || !ngx_durable_peer_may(whole.data.data[1]))
    {
        return NGX_ERROR;
    }

    e = NULL;

    if (dp->queued[NGX_DURABLE_INGEST] + dp->queued[NGX_DURABLE_CONTROL]
        < NGX_DURABLE_OPS_MAX
        && dp->bytes[NGX_DURABLE_INGEST] + dp->bytes[NGX_DURABLE_CONTROL]
           < NGX_DURABLE_BYTES_MAX)
    {
        e = ngx_durable_entry_create(whole.data);
    }

    if (e == NULL) {
        ngx_memzero(&reply, sizeof(dur_reply_t));
        reply.rc = DUR_EBUSY;
        ngx_durable_peer_answer(l, id, &reply);
        return NGX_OK;
    }

    e->id = id;
    e->peer = l;
    ngx_queue_insert_tail(&l->ops, &e->queue);

    return ngx_durable_queue(e);
}


/* What a worker may ask for; the rest is the leader's own. */

static ngx_uint_t
ngx_durable_peer_may(u_char type)
{
    switch (type) {

    case DUR_OP_EVENTS:
    case DUR_OP_REGISTER:
    case DUR_OP_SYNC:
    case DUR_OP_REMOVE:
    case DUR_OP_CANCEL:
    case DUR_OP_NOP:
    case DUR_OP_STATUS:
        return 1;

    default:
        return type > DUR_OP_STATUS;
    }
}


static void
ngx_durable_peer_yield(dur_frame_t *f)
{
    uint64_t                codec;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (dur_frame_get_u64(f, DUR_TAG_CODEC, &codec) != DUR_OK
        || codec <= DUR_OP_CODEC || dp->role != NGX_DURABLE_LEADER)
    {
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "durable: a newer worker wants to lead");

    /* not now: this closes the link whose frame is being read */

    dp->yield = 1;
    ngx_post_event(&dp->kick, &ngx_posted_events);
}


static void
ngx_durable_peer_answer(ngx_durable_link_t *l, uint64_t id,
    dur_reply_t *reply)
{
    u_char              text[8];
    dur_rc_t            rc;
    dur_buf_t          *body;
    dur_frame_writer_t  w;

    body = &ngx_durable_process.answer;

    dur_put64(text, id);
    dur_buf_reset(body);

    rc = reply->rc;

    if (dur_reply_encode(reply, body) != DUR_OK) {
        rc = DUR_ENOMEM;
        dur_buf_reset(body);
    }

    dur_frame_begin(&w, &l->out, DUR_FRAME_REPLY, 0);
    dur_frame_put(&w, DUR_TAG_ID, dur_str_make(text, 8));
    dur_frame_put_u16(&w, DUR_TAG_STATUS, (uint16_t) rc);

    if (dur_frame_end_body(&w, dur_buf_str(body), DUR_TAG_ID,
                           dur_str_make(text, 8))
        != DUR_OK)
    {
        l->out.failed = 1;
    }

    ngx_durable_link_push(l);
}
