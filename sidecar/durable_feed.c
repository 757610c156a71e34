/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The observer's end of the leader link.  See durable_feed.h, and dur_frame.h
 * for the frames.
 */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/socket.h>

#include "engine/dur_frame.h"
#include "engine/dur_op.h"

#include "durable_feed.h"


#define DURABLE_FEED_TOPIC  "feed"
#define DURABLE_FEED_NAP    100         /* ms between attempts */
#define DURABLE_FEED_READ   (64 * 1024)
#define DURABLE_FEED_TURNS  16          /* reads before others have a turn */
#define DURABLE_FEED_MAX    (DUR_FRAME_PREFIX + DUR_FRAME_MAX                 \
                             + DURABLE_FEED_READ)


void
durable_feed_init(durable_feed_t *f, const char *store,
    durable_feed_pt notice, void *data)
{
    memset(f, 0, sizeof(*f));

    f->fd = -1;
    f->notice = notice;
    f->data = data;
    f->addr.sun_family = AF_UNIX;
    snprintf(f->addr.sun_path, sizeof(f->addr.sun_path), "%s/leader.sock",
             store);

    dur_buf_init(&f->in, DURABLE_FEED_MAX);
}


void
durable_feed_deinit(durable_feed_t *f)
{
    if (f->fd != -1) {
        close(f->fd);
        f->fd = -1;
    }

    dur_buf_deinit(&f->in);
}


static void
durable_feed_close(durable_feed_t *f, int64_t now)
{
    close(f->fd);

    f->fd = -1;
    f->welcome = false;
    f->due = now + DURABLE_FEED_NAP;
    dur_buf_reset(&f->in);
}


/* A few hundred bytes into an empty socket buffer: all of it or a failure. */
static bool
durable_feed_send(durable_feed_t *f, dur_buf_t *out)
{
    return !out->failed
           && send(f->fd, out->data, out->len, MSG_NOSIGNAL | MSG_DONTWAIT)
              == (ssize_t) out->len;
}


static bool
durable_feed_hello(durable_feed_t *f)
{
    bool                ok;
    dur_buf_t           out;
    dur_frame_writer_t  w;

    dur_buf_init(&out, DUR_FRAME_MAX);

    dur_frame_begin(&w, &out, DUR_FRAME_HELLO, DUR_FRAME_F_END);
    dur_frame_put_u32(&w, DUR_TAG_VERSION, DUR_FRAME_VERSION);
    dur_frame_put_u32(&w, DUR_TAG_PID, (uint32_t) getpid());
    dur_frame_put_u8(&w, DUR_TAG_ROLE, 1);
    dur_frame_put_u8(&w, DUR_TAG_CODEC, DUR_OP_CODEC);

    ok = dur_frame_end(&w, dur_str_null) == DUR_OK
         && durable_feed_send(f, &out);

    dur_buf_deinit(&out);

    return ok;
}


static bool
durable_feed_subscribe(durable_feed_t *f)
{
    bool                ok;
    dur_buf_t           out;
    dur_frame_writer_t  w;

    dur_buf_init(&out, DUR_FRAME_MAX);

    dur_frame_begin(&w, &out, DUR_FRAME_SUBSCRIBE, DUR_FRAME_F_END);
    dur_frame_put(&w, DUR_TAG_TOPIC, dur_str(DURABLE_FEED_TOPIC));
    dur_frame_put_u64(&w, DUR_TAG_SEQUENCE,
                      f->sequence == 0 ? 0 : f->sequence + 1);

    ok = dur_frame_end(&w, dur_str_null) == DUR_OK
         && durable_feed_send(f, &out);

    dur_buf_deinit(&out);

    return ok;
}


int64_t
durable_feed_step(durable_feed_t *f, int64_t now)
{
    if (f->fd != -1) {
        return -1;
    }

    if (now < f->due) {
        return f->due - now;
    }

    f->due = now + DURABLE_FEED_NAP;

    f->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (f->fd == -1) {
        return DURABLE_FEED_NAP;
    }

    if (connect(f->fd, (struct sockaddr *) &f->addr, sizeof(f->addr)) == -1
        || !durable_feed_hello(f))
    {
        durable_feed_close(f, now);
        return DURABLE_FEED_NAP;
    }

    return -1;
}


static bool
durable_feed_frame(durable_feed_t *f, const dur_frame_t *frame)
{
    uint64_t  sequence;

    switch (frame->type) {

    case DUR_FRAME_WELCOME:
        f->welcome = true;
        return durable_feed_subscribe(f);

    case DUR_FRAME_NOTIFY:
        if (dur_frame_get_u64(frame, DUR_TAG_SEQUENCE, &sequence) == DUR_OK) {
            f->sequence = sequence;
        }

        if (frame->data.len > 0) {
            f->notice(f->data, frame->data);
        }

        return true;

    case DUR_FRAME_GAP:
        f->notice(f->data, dur_str_null);
        return true;

    default:
        return true;
    }
}


/* Consumes whole frames; false when the link must be closed. */
static bool
durable_feed_frames(durable_feed_t *f)
{
    size_t       done, used, need;
    dur_rc_t     rc;
    dur_frame_t  frame;

    for (done = 0; done < f->in.len; done += used) {

        rc = dur_frame_decode(dur_str_make(f->in.data + done,
                                           f->in.len - done),
                              &frame, &used, &need);
        if (rc == DUR_ENOTFOUND) {
            break;
        }

        if (rc != DUR_OK || !durable_feed_frame(f, &frame)) {
            return false;
        }
    }

    if (done > 0) {
        memmove(f->in.data, f->in.data + done, f->in.len - done);
        f->in.len -= done;
    }

    return true;
}


void
durable_feed_read(durable_feed_t *f, int64_t now)
{
    int      turn;
    ssize_t  n;

    for (turn = 0; turn < DURABLE_FEED_TURNS; turn++) {

        if (dur_buf_reserve(&f->in, DURABLE_FEED_READ) != DUR_OK) {
            durable_feed_close(f, now);
            return;
        }

        n = recv(f->fd, f->in.data + f->in.len, DURABLE_FEED_READ, 0);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return;
        }

        if (n <= 0) {
            durable_feed_close(f, now);
            return;
        }

        f->in.len += (size_t) n;

        if (!durable_feed_frames(f)) {
            durable_feed_close(f, now);
            return;
        }
    }
}
