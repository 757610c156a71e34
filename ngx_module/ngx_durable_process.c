
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * The process half as the HTTP half sees it, the wake-up of the event loop by
 * the two threads, and the way out of a worker that exits.
 */


#include "ngx_durable_process.h"

#include <sys/eventfd.h>


#define NGX_DURABLE_HOLD  1000


static ngx_int_t ngx_durable_wake_open(void);
static void ngx_durable_wake_handler(ngx_event_t *rev);
static void ngx_durable_wake_write_handler(ngx_event_t *wev);
static void ngx_durable_quit(void);
static void ngx_durable_hold_handler(ngx_event_t *ev);
static void ngx_durable_kick_handler(ngx_event_t *ev);


ngx_durable_process_t  ngx_durable_process;


ngx_int_t
ngx_durable_init_process(ngx_cycle_t *cycle, ngx_durable_conf_t *conf)
{
    ngx_uint_t              i;
    ngx_durable_process_t  *dp;

    if (!conf->enabled
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    dp = &ngx_durable_process;
    ngx_memzero(dp, sizeof(ngx_durable_process_t));

    dp->conf = conf;
    dp->started = ngx_time();
    dp->role = NGX_DURABLE_FOLLOWER;
    dp->lock = NGX_INVALID_FILE;
    dp->due = INT64_MAX;
    dp->id = (uint64_t) ngx_random() << 20;

    for (i = 0; i <= NGX_DURABLE_INGEST; i++) {
        ngx_durable_list_init(&dp->fresh[i]);
    }

    ngx_durable_list_init(&dp->status);
    ngx_queue_init(&dp->waiting);
    ngx_queue_init(&dp->own);
    ngx_queue_init(&dp->peers);
    ngx_rbtree_init(&dp->sent, &dp->sentinel, ngx_rbtree_insert_value);

    dur_buf_init(&dp->scratch, NGX_DURABLE_LINK_MAX);
    dur_buf_init(&dp->answer, NGX_DURABLE_LINK_MAX);

    dp->idle.fd = (ngx_socket_t) -1;

    ngx_durable_realtime_listeners(0);

    dp->hold.handler = ngx_durable_hold_handler;
    dp->hold.data = &dp->idle;
    dp->hold.log = cycle->log;

    dp->kick.handler = ngx_durable_kick_handler;
    dp->kick.data = &dp->idle;
    dp->kick.log = cycle->log;

    dp->elect.handler = ngx_durable_elect_handler;
    dp->elect.data = &dp->idle;
    dp->elect.log = cycle->log;
    dp->elect.cancelable = 1;

    dp->lost_at = ngx_current_msec;

    if (ngx_durable_wake_open() != NGX_OK) {
        ngx_durable_fail(DUR_EIO, "the worker has no connection left");
        dp->role = NGX_DURABLE_OFF;
        return NGX_OK;
    }

    ngx_durable_elect_now();

    return NGX_OK;
}


void
ngx_durable_exit_process(ngx_cycle_t *cycle)
{
    ngx_connection_t       *c;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (dp->conf == NULL) {
        return;
    }

    /* requests are beyond an answer now */

    dp->exited = 1;

    if (dp->role == NGX_DURABLE_LEADER || dp->role == NGX_DURABLE_DRAINING) {
        ngx_durable_leader_stop();
    }

    ngx_durable_follower_close();

    if (dp->store) {
        dur_store_close(dp->store);
        dp->store = NULL;
    }

    if (dp->elect.timer_set) {
        ngx_del_timer(&dp->elect);
    }

    if (dp->hold.timer_set) {
        ngx_del_timer(&dp->hold);
    }

    if (dp->kick.posted) {
        ngx_delete_posted_event(&dp->kick);
    }

    if (dp->tell.posted) {
        ngx_delete_posted_event(&dp->tell);
    }

    c = dp->wake;

    if (c) {
        dp->wake = NULL;
        ngx_close_connection(c);
    }

    ngx_durable_chunks_free();
    dur_buf_deinit(&dp->scratch);
    dur_buf_deinit(&dp->answer);

    dp->role = NGX_DURABLE_OFF;
    dp->conf = NULL;
}


ngx_int_t
ngx_durable_submit(ngx_durable_op_t *op, dur_str_t bytes)
{
    u_char                  type;
    ngx_durable_entry_t    *e;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (dp->role == NGX_DURABLE_OFF || dp->abandoned
        || (dp->broken && dp->role == NGX_DURABLE_FOLLOWER
            && dp->leader == NULL))
    {
        return NGX_BUSY;
    }

    if (bytes.len < 4) {
        return NGX_ERROR;
    }

    type = bytes.data[1];

    if (type != DUR_OP_STATUS
        && (dp->queued[NGX_DURABLE_INGEST] + dp->queued[NGX_DURABLE_CONTROL]
            >= NGX_DURABLE_OPS_MAX
            || dp->bytes[NGX_DURABLE_INGEST] + dp->bytes[NGX_DURABLE_CONTROL]
               >= NGX_DURABLE_BYTES_MAX
            || (dp->leader && ngx_durable_link_pending(dp->leader)
                              >= NGX_DURABLE_BYTES_MAX)))
    {
        return NGX_BUSY;
    }

    e = ngx_durable_entry_create(bytes);
    if (e == NULL) {
        return NGX_ERROR;
    }

    e->op = op;

    op->entry = e;
    op->id = e->id;
    op->sent = ngx_current_msec;
    op->pending = 1;
    op->resubmitted = 0;
    op->rc = DUR_EBUSY;
    ngx_memzero(&op->reply, sizeof(dur_reply_t));

    if (dp->role == NGX_DURABLE_LEADER) {
        return ngx_durable_queue(e);
    }

    ngx_durable_follower_wait(e);

    return NGX_OK;
}


void
ngx_durable_orphan(ngx_durable_op_t *op)
{
    ngx_durable_entry_t  *e;

    e = op->entry;

    if (e) {
        e->op = NULL;
    }

    op->entry = NULL;
    op->pending = 0;
}


dur_store_t *
ngx_durable_store(void)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    return dp->engine ? dur_engine_store(dp->engine) : dp->store;
}


time_t
ngx_durable_started(void)
{
    return ngx_durable_process.started;
}


ngx_str_t *
ngx_durable_reason(void)
{
    ngx_durable_process_t  *dp;
    static ngx_str_t        starting =
                                ngx_string("the store is not open yet");

    dp = &ngx_durable_process;

    if (dp->reason.len == 0 && ngx_durable_store() == NULL) {
        return &starting;
    }

    return &dp->reason;
}


/* Says once why the store cannot be used; DUR_OK: it can again. */

void
ngx_durable_fail(dur_rc_t rc, const char *text)
{
    u_char                 *p;
    u_char                  buf[sizeof(ngx_durable_process.reason_text)];
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (rc == DUR_OK) {
        if (dp->broken) {
            ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                          "durable: the store is in use again");
        }

        dp->broken = 0;
        dp->reason.len = 0;
        return;
    }

    p = ngx_snprintf(buf, sizeof(buf), "%s",
                     text[0] ? text : dur_strerror(rc));

    if (!dp->broken
        || dp->reason.len != (size_t) (p - buf)
        || ngx_memcmp(dp->reason_text, buf, p - buf) != 0)
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "durable: the store cannot be used: %*s",
                      (size_t) (p - buf), buf);
    }

    dp->broken = 1;
    dp->reason.data = dp->reason_text;
    dp->reason.len = p - buf;
    ngx_memcpy(dp->reason_text, buf, p - buf);
}


/*
 * One eventfd for everything that wakes this process: it is the completion of
 * both threads, and as an idle connection it is told at once when the worker
 * starts to exit.
 */

static ngx_int_t
ngx_durable_wake_open(void)
{
    int                     fd;
    ngx_connection_t       *c;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    fd = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);
    if (fd == -1) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, ngx_errno,
                      "durable: eventfd() failed");
        return NGX_ERROR;
    }

    c = ngx_get_connection(fd, ngx_cycle->log);
    if (c == NULL) {
        (void) close(fd);
        return NGX_ERROR;
    }

    c->data = dp;
    c->log = ngx_cycle->log;
    c->idle = 1;
    c->read->handler = ngx_durable_wake_handler;
    c->read->log = c->log;
    c->write->handler = ngx_durable_wake_write_handler;
    c->write->log = c->log;

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_close_connection(c);
        return NGX_ERROR;
    }

    dp->wake = c;

    return NGX_OK;
}


/* Called by the threads: one write for whatever happens until it is read. */

void
ngx_durable_notify(void)
{
    uint64_t                one;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (__atomic_exchange_n(&dp->notified, 1, __ATOMIC_SEQ_CST)) {
        return;
    }

    one = 1;

    /* read by who finds the event, before the next one can be told */

    __atomic_store_n(&dp->notified_at, ngx_durable_us(), __ATOMIC_SEQ_CST);

    while (write(dp->wake->fd, &one, sizeof(one)) == -1
           && ngx_errno == NGX_EINTR)
    {
        /* void */
    }
}


static void
ngx_durable_wake_handler(ngx_event_t *rev)
{
    uint64_t                value;
    ngx_connection_t       *c;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;
    c = rev->data;

    if (c->close) {
        c->close = 0;
        c->idle = 0;
        ngx_durable_quit();
        return;
    }

    while (read(c->fd, &value, sizeof(value)) == -1
           && ngx_errno == NGX_EINTR)
    {
        /* void */
    }

    rev->ready = 0;

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0,
                      "durable: the wake-up event was lost");
    }

    value = __atomic_load_n(&dp->notified_at, __ATOMIC_SEQ_CST);

    if (value) {
        dur_histogram_add(&dp->lag, &dur_bounds_short,
                          ngx_durable_us() - value);
    }

    __atomic_store_n(&dp->notified, 0, __ATOMIC_SEQ_CST);

    if (dp->role == NGX_DURABLE_LEADER || dp->role == NGX_DURABLE_DRAINING) {
        ngx_durable_leader_wake();
    }
}


static void
ngx_durable_wake_write_handler(ngx_event_t *wev)
{
    /* an eventfd can always be written: nothing to do */
}


/* The worker starts to exit: a leader hands over, nobody stands any more. */

static void
ngx_durable_quit(void)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (dp->hear_quit) {
        dp->hear_quit();
    }

    if (dp->role == NGX_DURABLE_LEADER) {
        ngx_durable_leader_drain();
    }

    if (dp->nops == 0 && dp->hold.timer_set) {
        ngx_del_timer(&dp->hold);
    }
}


/*
 * nginx 1.22 ends a worker as soon as no ordinary timer is left, whatever is
 * still pending elsewhere; this one is armed while an op is in flight.
 */

void
ngx_durable_arm_hold(void)
{
    ngx_queue_t            *q, *lists[2];
    ngx_uint_t              i;
    ngx_msec_int_t          delay, left;
    ngx_durable_entry_t    *e;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (dp->nops == 0 || dp->hold.timer_set || dp->abandoned) {
        return;
    }

    delay = NGX_DURABLE_HOLD;

    lists[0] = &dp->waiting;
    lists[1] = &dp->own;

    for (i = 0; i < 2; i++) {

        if (ngx_queue_empty(lists[i])) {
            continue;
        }

        q = ngx_queue_head(lists[i]);
        e = ngx_queue_data(q, ngx_durable_entry_t, queue);

        left = (ngx_msec_int_t) (e->deadline - ngx_current_msec);
        delay = ngx_max(ngx_min(delay, left), 1);
    }

    ngx_add_timer(&dp->hold, (ngx_msec_t) delay);
}


static void
ngx_durable_hold_handler(ngx_event_t *ev)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    ngx_durable_expire(&dp->waiting, 0);
    ngx_durable_expire(&dp->own, 0);

    if (dp->role == NGX_DURABLE_DRAINING
        && (ngx_msec_int_t) (ngx_current_msec - dp->drain_until) >= 0)
    {
        ngx_durable_leader_late();
    }

    ngx_durable_arm_hold();
}


static void
ngx_durable_kick_handler(ngx_event_t *ev)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (dp->yield && dp->role == NGX_DURABLE_LEADER) {
        ngx_durable_leader_drain();
    }

    ngx_durable_kick();
}
