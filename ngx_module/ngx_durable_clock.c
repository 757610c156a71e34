
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * When the earliest timer of the store is due.  One timerfd on the wall clock
 * that is cancelled by a step of that clock: no tick, and nothing that would
 * hold an exiting worker.
 */


#include "ngx_durable_process.h"

#include <sys/timerfd.h>
#include <time.h>


#ifndef TFD_TIMER_CANCEL_ON_SET
#define TFD_TIMER_CANCEL_ON_SET  (1 << 1)
#endif


static void ngx_durable_clock_handler(ngx_event_t *rev);


int64_t
ngx_durable_clock_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    return ts.tv_sec * (int64_t) 1000 + ts.tv_nsec / 1000000;
}


ngx_int_t
ngx_durable_clock_open(void)
{
    int                     fd;
    ngx_connection_t       *c;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK|TFD_CLOEXEC);

    if (fd == -1) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, ngx_errno,
                      "durable: timerfd_create() failed");
        return NGX_ERROR;
    }

    c = ngx_get_connection(fd, ngx_cycle->log);

    if (c == NULL) {
        (void) close(fd);
        return NGX_ERROR;
    }

    c->data = dp;
    c->log = ngx_cycle->log;
    c->read->handler = ngx_durable_clock_handler;
    c->read->log = c->log;
    c->write->log = c->log;

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_close_connection(c);
        return NGX_ERROR;
    }

    dp->clock = c;
    dp->due = INT64_MAX;

    return NGX_OK;
}


void
ngx_durable_clock_close(void)
{
    ngx_connection_t  *c;

    c = ngx_durable_process.clock;

    if (c) {
        ngx_durable_process.clock = NULL;
        ngx_close_connection(c);
    }
}


void
ngx_durable_clock_arm(int64_t due)
{
    struct itimerspec       its;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (dp->clock == NULL || dp->due == due) {
        return;
    }

    dp->due = due;

    ngx_memzero(&its, sizeof(struct itimerspec));

    if (due != INT64_MAX) {
        due = ngx_max(due, 1);
        its.it_value.tv_sec = due / 1000;
        its.it_value.tv_nsec = due % 1000 * 1000000;
    }

    if (timerfd_settime(dp->clock->fd,
                        TFD_TIMER_ABSTIME|TFD_TIMER_CANCEL_ON_SET, &its, NULL)
        == -1)
    {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                      "durable: timerfd_settime() failed");
    }
}


/* Something is due, or the clock was set: the thread looks for itself. */

static void
ngx_durable_clock_handler(ngx_event_t *rev)
{
    int64_t                 due;
    ssize_t                 n;
    uint64_t                expired;
    ngx_connection_t       *c;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;
    c = rev->data;

    n = read(c->fd, &expired, sizeof(expired));

    if (n == -1 && ngx_errno == NGX_ECANCELED) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "durable: the clock was set");

        due = dp->due;
        dp->due = INT64_MAX;
        ngx_durable_clock_arm(due);
    }

    rev->ready = 0;

    (void) ngx_handle_read_event(rev, 0);

    if (dp->role == NGX_DURABLE_LEADER) {
        ngx_durable_commit_wake(&dp->commit);
    }
}
