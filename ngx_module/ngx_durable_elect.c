
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Who leads.  The holder of a lock on <store>/leader.lock does; the kernel
 * frees it whatever way the holder ends.  Everybody else holds a connection
 * to the leader: its end means "election now".
 *
 * LMDB trusts its file, so a damaged page may be the end of a leader, and of
 * the next one, and of a site whose workers only die.  A leader that crashes
 * leaves a byte in leader.lock: from the third in a row on there is a pause.
 */


#include "ngx_durable_process.h"

#include <signal.h>
#include <sys/file.h>
#include <time.h>


#define NGX_DURABLE_ELECT_FAST   50
#define NGX_DURABLE_ELECT_SLOW   500

#define NGX_DURABLE_CRASHES      3
#define NGX_DURABLE_CRASH_PAUSE  60
#define NGX_DURABLE_CRASH_FAR    60      /* seconds: not in a row */


static ngx_int_t ngx_durable_elect_lock(void);
static ngx_int_t ngx_durable_elect_pause(ngx_fd_t fd);
static void ngx_durable_elect_crash(int signo);


static const int         ngx_durable_crash_signals[] = {
    SIGSEGV, SIGBUS, SIGABRT
};

static struct sigaction  ngx_durable_crash_former[3];
static time_t            ngx_durable_crash_since;


void
ngx_durable_elect_now(void)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    dp->tries = 0;
    dp->lost_at = ngx_current_msec;

    if (dp->elect.timer_set) {
        ngx_del_timer(&dp->elect);
    }

    ngx_durable_elect_handler(&dp->elect);
}


void
ngx_durable_elect_later(ngx_msec_t delay)
{
    ngx_add_timer(&ngx_durable_process.elect, delay);
}


void
ngx_durable_elect_handler(ngx_event_t *ev)
{
    dur_rc_t                rc;
    ngx_int_t               locked;
    ngx_msec_t              delay;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (dp->role != NGX_DURABLE_FOLLOWER || dp->exited) {
        return;
    }

    if (dp->leader) {

        /* connected, but the store could not be opened then */

        (void) ngx_durable_follower_connect();
        return;
    }

    if (ngx_exiting) {

        /* never stands, and looks for a leader only with something to say or
         * to hear */

        if ((dp->hear || !ngx_queue_empty(&dp->waiting))
            && ngx_durable_follower_connect() != NGX_OK)
        {
            ngx_durable_elect_later(5 + ngx_random() % 5);
        }

        return;
    }

    if ((ngx_msec_int_t) (ngx_current_msec - dp->yield_until) >= 0) {
        locked = ngx_durable_elect_lock();

    } else {
        locked = NGX_DECLINED;
    }

    if (locked == NGX_OK) {
        rc = ngx_durable_leader_start();

        if (rc == DUR_OK) {
            dp->backoff = 0;
            return;
        }

        ngx_durable_elect_failed();
        return;
    }

    if (locked == NGX_ERROR) {
        ngx_durable_elect_failed();
        return;
    }

    if (ngx_durable_follower_connect() == NGX_OK) {
        return;
    }

    /* the winner is about to listen */

    dp->tries++;

    if (ngx_current_msec - dp->lost_at < NGX_DURABLE_ELECT_FAST) {
        delay = 1 + ngx_random() % 5;

    } else {
        delay = ngx_min(10 << ngx_min(dp->tries / 8, 6),
                        NGX_DURABLE_ELECT_SLOW);
        delay += ngx_random() % 10;
    }

    ngx_durable_elect_later(delay);
}


/* Tries again with a growing pause; the reason was said already. */

void
ngx_durable_elect_failed(void)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (dp->lock != NGX_INVALID_FILE) {
        (void) ngx_close_file(dp->lock);
        dp->lock = NGX_INVALID_FILE;
    }

    dp->backoff = dp->backoff ? ngx_min(dp->backoff * 2,
                                        NGX_DURABLE_BACKOFF_MAX)
                              : NGX_DURABLE_BACKOFF_MIN;

    ngx_durable_elect_later(dp->backoff);
}


static ngx_int_t
ngx_durable_elect_lock(void)
{
    u_char                  path[NGX_MAX_PATH], text[128];
    ngx_fd_t                fd;
    ngx_err_t               err;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    (void) ngx_snprintf(path, NGX_MAX_PATH, "%V/leader.lock%Z",
                        &dp->conf->path);

    fd = open((char *) path, O_RDWR|O_CREAT|O_APPEND|O_CLOEXEC, 0600);

    if (fd == NGX_INVALID_FILE) {
        err = ngx_errno;

        (void) ngx_snprintf(text, sizeof(text),
                            "leader.lock cannot be opened (%d)%Z", (int) err);

        ngx_durable_fail(err == NGX_EACCES ? DUR_EACCES : DUR_EIO,
                         (char *) text);
        return NGX_ERROR;
    }

    if (flock(fd, LOCK_EX|LOCK_NB) == 0) {

        if (ngx_durable_elect_pause(fd) != NGX_OK) {
            (void) ngx_close_file(fd);
            return NGX_ERROR;
        }

        dp->lock = fd;
        return NGX_OK;
    }

    err = ngx_errno;
    (void) ngx_close_file(fd);

    if (err == EWOULDBLOCK) {
        return NGX_DECLINED;
    }

    ngx_durable_fail(DUR_EIO, "leader.lock cannot be locked");

    return NGX_ERROR;
}


static ngx_int_t
ngx_durable_elect_pause(ngx_fd_t fd)
{
    u_char           text[128];
    time_t           left;
    struct stat      st;
    struct timespec  now;

    if (fstat(fd, &st) == -1 || st.st_size < NGX_DURABLE_CRASHES) {
        return NGX_OK;
    }

    (void) clock_gettime(CLOCK_REALTIME, &now);

    left = ngx_min(1 << ngx_min(st.st_size - NGX_DURABLE_CRASHES, 6),
                   NGX_DURABLE_CRASH_PAUSE);
    left -= now.tv_sec - st.st_mtime;

    /* the clock may have been set meanwhile */

    if (left <= 0 || left > NGX_DURABLE_CRASH_PAUSE) {
        return NGX_OK;
    }

    (void) ngx_snprintf(text, sizeof(text), "%O workers crashed in a row "
                        "while they used it%Z", st.st_size);
    ngx_durable_fail(DUR_ECORRUPT, (char *) text);

    return NGX_ERROR;
}


/* While this process leads. */

void
ngx_durable_elect_guard(ngx_uint_t on)
{
    ngx_uint_t        i;
    struct sigaction  sa;

    ngx_memzero(&sa, sizeof(struct sigaction));
    sa.sa_handler = ngx_durable_elect_crash;
    (void) sigemptyset(&sa.sa_mask);

    if (on) {
        ngx_durable_crash_since = time(NULL);
    }

    for (i = 0; i < 3; i++) {

        if (on) {
            (void) sigaction(ngx_durable_crash_signals[i], &sa,
                             &ngx_durable_crash_former[i]);

        } else {
            (void) sigaction(ngx_durable_crash_signals[i],
                             &ngx_durable_crash_former[i], NULL);
        }
    }
}


/* Says it in the lock file and lets the signal do what it would have done. */

static void
ngx_durable_elect_crash(int signo)
{
    ngx_fd_t  fd;

    ngx_durable_elect_guard(0);

    fd = ngx_durable_process.lock;

    if (fd != NGX_INVALID_FILE) {

        if (time(NULL) - ngx_durable_crash_since > NGX_DURABLE_CRASH_FAR
            && ftruncate(fd, 0) == -1)
        {
            /* it counts on */
        }

        if (write(fd, "x", 1) == -1) {
            /* nothing can be done about that here */
        }
    }

    (void) raise(signo);
}
