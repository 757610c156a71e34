/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What the frames of a link mean (design section 5).
 *
 * A store speaks through one link.  A HELLO of a higher epoch, or of the same
 * one after a lost connection, takes the store over: the older link is closed
 * and what it had not been read yet is gone, so that what the INVENTORY lists
 * is exactly what will ever be known of the calls before it.
 *
 * Credits are counted from both ends: slots = calls of the store + credits
 * that nginx holds + free ones, and what is free is granted at the end of a
 * turn.  So a call that nginx repeats, or a result that it does not want,
 * cannot lose a credit.
 */

#include "durable_sidecar.h"

#include <inttypes.h>


#define DURABLE_FILL  (256 * 1024)      /* bytes of frames made at a time */


static void
durable_session_log(durable_link_t *link, durable_log_level_t level,
    const char *text)
{
    dur_frame_writer_t  w;

    dur_frame_begin(&w, &link->out, DUR_FRAME_LOG, DUR_FRAME_F_END);
    dur_frame_put_u8(&w, DUR_TAG_LEVEL, (uint8_t) level);
    dur_frame_end(&w, dur_str_c(text));
}


static void
durable_session_credit(durable_link_t *link, uint32_t n)
{
    dur_frame_writer_t  w;

    dur_frame_begin(&w, &link->out, DUR_FRAME_CREDIT, DUR_FRAME_F_END);
    dur_frame_put_u32(&w, DUR_TAG_COUNT, n);
    dur_frame_end(&w, dur_str_null);
}


static void
durable_session_welcome(durable_t *d, durable_link_t *link)
{
    dur_frame_writer_t  w;

    dur_frame_begin(&w, &link->out, DUR_FRAME_HELLO, DUR_FRAME_F_END);
    dur_frame_put_u32(&w, DUR_TAG_VERSION, DUR_FRAME_VERSION);
    dur_frame_put(&w, DUR_TAG_INSTANCE, dur_str_make(d->instance, 16));
    dur_frame_put_u32(&w, DUR_TAG_PID, d->pid);
    dur_frame_end(&w, dur_str_null);
}


/* Several frames when one cannot hold all; the last has the end flag. */
static void
durable_session_inventory(durable_link_t *link)
{
    size_t              n;
    uint8_t             list[5000 * DUR_ATTEMPT_LEN];
    durable_call_t     *call;
    durable_node_t     *node;
    durable_space_t    *space = link->space;
    dur_frame_writer_t  w;

    n = 0;

    for (node = space->calls.next; node != &space->calls; node = node->next) {
        call = durable_of(node, durable_call_t, in_space);

        if (n == sizeof(list)) {
            dur_frame_begin(&w, &link->out, DUR_FRAME_INVENTORY, 0);
            dur_frame_end(&w, dur_str_make(list, n));
            n = 0;
        }

        memcpy(list + n, call->attempt, DUR_ATTEMPT_LEN);
        n += DUR_ATTEMPT_LEN;
    }

    dur_frame_begin(&w, &link->out, DUR_FRAME_INVENTORY, DUR_FRAME_F_END);
    dur_frame_end(&w, dur_str_make(list, n));
}


static void
durable_session_send(durable_call_t *call)
{
    call->sent = 0;
    call->announced = false;

    durable_list_del(&call->in_queue);
    durable_list_add(&call->space->send, &call->in_queue);
}


/* Every result that was not ACKed goes again, unasked. */
static void
durable_session_resend(durable_space_t *space)
{
    durable_call_t  *call;
    durable_node_t  *node;

    space->backlog = 0;

    for (node = space->calls.next; node != &space->calls; node = node->next) {
        call = durable_of(node, durable_call_t, in_space);

        if (call->state == DURABLE_CALL_DONE) {
            durable_session_send(call);
            space->backlog++;
        }
    }
}


static void
durable_session_refuse(durable_link_t *link, uint64_t seen)
{
    dur_frame_writer_t  w;

    dur_frame_begin(&w, &link->out, DUR_FRAME_REFUSED, DUR_FRAME_F_END);
    dur_frame_put_u64(&w, DUR_TAG_EPOCH, seen);
    dur_frame_end(&w, dur_str_null);

    link->closing = true;
}


static dur_rc_t
durable_session_hello(durable_t *d, durable_link_t *link,
    const dur_frame_t *f)
{
    uint64_t          version, epoch, pid;
    dur_str_t         id;
    durable_space_t  *space;

    pid = 0;
    dur_frame_get_u64(f, DUR_TAG_PID, &pid);
    link->pid = (uint32_t) pid;

    if (link->space != NULL
        || dur_frame_get_u64(f, DUR_TAG_VERSION, &version) != DUR_OK
        || dur_frame_get_u64(f, DUR_TAG_EPOCH, &epoch) != DUR_OK
        || dur_frame_get(f, DUR_TAG_STORE_ID, &id) != DUR_OK
        || id.len != sizeof(space->id))
    {
        return DUR_EINVAL;
    }

    if (version != DUR_FRAME_VERSION) {
        durable_log(DURABLE_LOG_ERROR, "nginx %" PRIu32 " speaks version %"
                    PRIu64 " of the link, this is version %d", link->pid,
                    version, DUR_FRAME_VERSION);
        return DUR_EINVAL;
    }

    space = durable_space_find(d, id.data);
    if (space == NULL) {
        space = durable_space_new(d, id.data);
    }

    if (space == NULL) {
        durable_log(DURABLE_LOG_ERROR, "too many stores are served");
        return DUR_EINVAL;
    }

    if (epoch < space->epoch) {
        durable_log(DURABLE_LOG_WARNING, "nginx %" PRIu32 " is refused: its "
                    "epoch %" PRIu64 " is behind %" PRIu64, link->pid, epoch,
                    space->epoch);
        durable_session_refuse(link, space->epoch);
        return DUR_OK;
    }

    if (space->link != NULL) {
        durable_link_close(d, space->link);
    }

    space->epoch = epoch;
    space->link = link;
    space->granted = 0;
    link->space = space;

    durable_session_welcome(d, link);
    durable_session_inventory(link);
    durable_session_resend(space);

    if (d->stop) {
        durable_session_credit(link, 0);
    }

    durable_log(DURABLE_LOG_NOTICE, "nginx %" PRIu32 " is the leader of epoch "
                "%" PRIu64 ", %" PRIu32 " calls are known", link->pid, epoch,
                space->steps);

    return DUR_OK;
}


/* The request is complete. */
static void
durable_session_begin(durable_t *d, durable_call_t *call)
{
    if (call->length != 0 && call->length != call->request.len) {
        durable_call_fail(call, DUR_CALL_EOTHER,
                          "the body of the call is not whole");
        durable_session_done(d, call);
        return;
    }

    durable_pool_submit(d, call);
}


static void
durable_session_body(durable_t *d, durable_call_t *call,
    const dur_frame_t *f)
{
    dur_rc_t  rc;

    rc = DUR_ETOOBIG;

    if (f->data.len <= DURABLE_REQUEST_MAX - call->request.len) {
        rc = durable_body_add(&call->request, f->data.data, f->data.len);
    }

    if (rc != DUR_OK) {
        durable_call_fail(call, DUR_CALL_EOTHER,
                          "the sidecar has no room for the call's body");
        durable_session_done(d, call);
        return;
    }

    durable_ledger_charge(d, call);

    if (f->flags & DUR_FRAME_F_END) {
        durable_session_begin(d, call);
    }
}


/* The ledger knows the attempt: it never goes out twice. */
static dur_rc_t
durable_session_again(durable_call_t *call)
{
    switch (call->state) {
    case DURABLE_CALL_RECEIVING:
        return DUR_EINVAL;              /* two bodies in one */
    case DURABLE_CALL_DONE:
        if (durable_list_empty(&call->in_queue)) {
            durable_session_send(call);
        }
        return DUR_OK;
    default:
        return DUR_OK;
    }
}


static dur_rc_t
durable_session_call(durable_t *d, durable_link_t *link,
    const dur_frame_t *f, const uint8_t *attempt)
{
    uint64_t          kind;
    dur_rc_t          rc;
    durable_call_t   *call;
    durable_space_t  *space = link->space;

    kind = DUR_CALL_STEP;
    dur_frame_get_u64(f, DUR_TAG_KIND, &kind);

    if (kind > DUR_CALL_PROBE) {
        return DUR_EINVAL;
    }

    if (kind == DUR_CALL_STEP) {
        space->granted--;
    }

    call = durable_ledger_find(d, space, attempt);
    if (call != NULL) {
        return durable_session_again(call);
    }

    if (d->stop && kind == DUR_CALL_STEP) {
        return DUR_OK;                  /* the next sidecar's */
    }

    call = durable_ledger_add(d, space, attempt, (uint8_t) kind);
    if (call == NULL) {
        durable_log(DURABLE_LOG_ERROR, "no memory for a call");
        return DUR_ENOMEM;
    }

    rc = durable_call_set(call, f);

    if (rc != DUR_OK || d->stop) {
        durable_call_fail(call, DUR_CALL_EOTHER, "%s",
                          rc == DUR_OK ? "the sidecar is stopping"
                          : rc == DUR_EINVAL ? "the URL is not valid"
                          : "the sidecar has no room for the call");
        durable_session_done(d, call);
        return DUR_OK;
    }

    durable_session_body(d, call, f);

    return DUR_OK;
}


static void
durable_session_ack(durable_t *d, durable_space_t *space,
    durable_call_t *call)
{
    if (call == NULL || call->state != DURABLE_CALL_DONE) {
        return;
    }

    if (space->backlog && !durable_list_empty(&call->in_queue)) {
        space->backlog--;
    }

    durable_ledger_remove(d, call);
}


/* Nothing is known of the attempt, so nothing runs. */
static void
durable_session_cancelled(durable_link_t *link, const uint8_t *attempt)
{
    dur_frame_writer_t  w;

    dur_frame_begin(&w, &link->out, DUR_FRAME_RESULT, DUR_FRAME_F_END);
    dur_frame_put(&w, DUR_TAG_ATTEMPT,
                  dur_str_make(attempt, DUR_ATTEMPT_LEN));
    dur_frame_put_u8(&w, DUR_TAG_KIND, DUR_CALL_STEP);
    dur_frame_put_u16(&w, DUR_TAG_STATUS, 0);
    dur_frame_put(&w, DUR_TAG_ERROR, dur_str("cancelled"));
    dur_frame_put_u8(&w, DUR_TAG_ERROR_KIND, DUR_CALL_ECANCELLED);
    dur_frame_put_u64(&w, DUR_TAG_STARTED, durable_wall_ms());
    dur_frame_put_u64(&w, DUR_TAG_DURATION, 0);
    dur_frame_put_u64(&w, DUR_TAG_LENGTH, 0);
    dur_frame_end(&w, dur_str_null);
}


static void
durable_session_cancel(durable_t *d, durable_link_t *link,
    durable_call_t *call, const uint8_t *attempt)
{
    if (call == NULL) {
        durable_session_cancelled(link, attempt);
        return;
    }

    if (call->state == DURABLE_CALL_DONE) {
        return;                         /* its result is on the way */
    }

    durable_pool_cancel(d, call);
    durable_call_fail(call, DUR_CALL_ECANCELLED, "cancelled");
    durable_session_done(d, call);
}


static void
durable_session_pong(durable_link_t *link, const dur_frame_t *f)
{
    dur_frame_writer_t  w;

    dur_frame_begin(&w, &link->out, DUR_FRAME_PONG, DUR_FRAME_F_END);
    dur_frame_end(&w, f->data);
}


dur_rc_t
durable_session_frame(durable_t *d, durable_link_t *link,
    const dur_frame_t *f)
{
    dur_str_t        attempt;
    durable_call_t  *call;

    switch (f->type) {
    case DUR_FRAME_HELLO:
        return durable_session_hello(d, link, f);
    case DUR_FRAME_PING:
        durable_session_pong(link, f);
        return DUR_OK;
    case DUR_FRAME_CALL:
    case DUR_FRAME_DATA:
    case DUR_FRAME_ACK:
    case DUR_FRAME_CANCEL:
        break;
    default:
        return DUR_OK;                  /* of a later version */
    }

    if (link->space == NULL
        || dur_frame_get(f, DUR_TAG_ATTEMPT, &attempt) != DUR_OK
        || attempt.len != DUR_ATTEMPT_LEN)
    {
        return DUR_EINVAL;
    }

    if (f->type == DUR_FRAME_CALL) {
        return durable_session_call(d, link, f, attempt.data);
    }

    call = durable_ledger_find(d, link->space, attempt.data);

    if (f->type == DUR_FRAME_ACK) {
        durable_session_ack(d, link->space, call);

    } else if (f->type == DUR_FRAME_CANCEL) {
        durable_session_cancel(d, link, call, attempt.data);

    } else if (call != NULL && call->state == DURABLE_CALL_RECEIVING) {
        durable_session_body(d, call, f);
    }

    return DUR_OK;
}


void
durable_session_done(durable_t *d, durable_call_t *call)
{
    call->state = DURABLE_CALL_DONE;

    durable_body_reset(&call->request, DURABLE_KEEP);
    durable_ledger_charge(d, call);

    if (call->space->link != NULL) {
        durable_session_send(call);

    } else if (call->kind != DUR_CALL_STEP) {
        durable_ledger_remove(d, call);
    }
}


/* The fields of a RESULT. */
static void
durable_session_result(dur_frame_writer_t *w, durable_call_t *call)
{
    dur_frame_put(w, DUR_TAG_ATTEMPT,
                  dur_str_make(call->attempt, DUR_ATTEMPT_LEN));
    dur_frame_put_u8(w, DUR_TAG_KIND, call->kind);
    dur_frame_put_u16(w, DUR_TAG_STATUS, call->status);

    if (call->error_kind != DUR_CALL_OK) {
        dur_frame_put(w, DUR_TAG_ERROR, dur_str_c(call->error));
        dur_frame_put_u8(w, DUR_TAG_ERROR_KIND, call->error_kind);
    }

    dur_frame_put(w, DUR_TAG_HEADERS, dur_buf_str(&call->headers));
    dur_frame_put_u64(w, DUR_TAG_STARTED, call->started_ms);
    dur_frame_put_u64(w, DUR_TAG_DURATION, call->duration_us);
    dur_frame_put_u64(w, DUR_TAG_LENGTH, call->response.len);
}


/* The next frame of a result; true when it was the last. */
static bool
durable_session_next(durable_link_t *link, durable_call_t *call)
{
    bool                last;
    size_t              n;
    dur_frame_writer_t  w;

    n = call->response.len - call->sent;
    last = n <= DUR_FRAME_DATA_MAX;
    n = last ? n : DUR_FRAME_DATA_MAX;

    dur_frame_begin(&w, &link->out,
                    call->announced ? DUR_FRAME_DATA : DUR_FRAME_RESULT,
                    last ? DUR_FRAME_F_END : 0);

    if (call->announced) {
        dur_frame_put(&w, DUR_TAG_ATTEMPT,
                      dur_str_make(call->attempt, DUR_ATTEMPT_LEN));

    } else {
        durable_session_result(&w, call);
        call->announced = true;
    }

    dur_frame_end(&w, n == 0 ? dur_str_null
                  : dur_str_make(call->response.data + call->sent, n));
    call->sent += n;

    return last;
}


static void
durable_session_grant(durable_t *d, durable_link_t *link)
{
    bool              full;
    int64_t           n;
    durable_space_t  *space = link->space;

    full = d->bytes >= d->options.ledger_bytes;

    if (full != d->full) {
        d->full = full;
        durable_log(DURABLE_LOG_WARNING, full
                    ? "no credits: results that wait for nginx fill the "
                      "ledger" : "the ledger has room again");
        durable_session_log(link, DURABLE_LOG_WARNING, full
                            ? "the sidecar's ledger is full"
                            : "the sidecar's ledger has room again");
    }

    if (full || d->stop || space->backlog) {
        return;
    }

    n = (int64_t) d->options.credits - space->steps - space->granted;

    if (n > 0) {
        space->granted += n;
        durable_session_credit(link, (uint32_t) n);
    }
}


/* Results take turns, a frame each: a large one holds up nobody. */
bool
durable_session_fill(durable_t *d, durable_link_t *link)
{
    durable_call_t   *call;
    durable_space_t  *space = link->space;

    while (!durable_list_empty(&space->send)
           && durable_link_pending(link) < DURABLE_FILL
           && !link->out.failed)
    {
        call = durable_of(space->send.next, durable_call_t, in_queue);
        durable_list_del(&call->in_queue);

        if (!durable_session_next(link, call)) {
            durable_list_add(&space->send, &call->in_queue);
            continue;
        }

        if (space->backlog) {
            space->backlog--;
        }

        if (call->kind != DUR_CALL_STEP) {
            durable_ledger_remove(d, call);
        }
    }

    durable_session_grant(d, link);

    return !durable_list_empty(&space->send);
}


static void
durable_session_drop(durable_t *d, durable_call_t *call)
{
    durable_pool_cancel(d, call);
    durable_ledger_remove(d, call);
}


/* What the next link cannot continue is dropped, what runs goes on. */
void
durable_session_lost(durable_t *d, durable_space_t *space)
{
    durable_call_t  *call;
    durable_node_t  *node, *next;

    space->link = NULL;
    space->lost = d->now;
    space->granted = 0;

    for (node = space->calls.next; node != &space->calls; node = next) {
        next = node->next;
        call = durable_of(node, durable_call_t, in_space);

        if (call->kind != DUR_CALL_STEP
            || call->state == DURABLE_CALL_RECEIVING)
        {
            durable_session_drop(d, call);
        }
    }
}


uint64_t
durable_session_expire(durable_t *d)
{
    uint64_t          due;
    durable_node_t   *node;
    durable_space_t  *space;

    due = DURABLE_NEVER;

    for (node = d->spaces.next; node != &d->spaces; node = node->next) {
        space = durable_of(node, durable_space_t, node);

        if (space->link != NULL || durable_list_empty(&space->calls)) {
            continue;
        }

        if (d->now < space->lost + d->options.abandon) {
            if (space->lost + d->options.abandon < due) {
                due = space->lost + d->options.abandon;
            }
            continue;
        }

        durable_log(DURABLE_LOG_WARNING, "%" PRIu32 " calls are dropped: "
                    "their nginx did not come back", space->steps);

        while (!durable_list_empty(&space->calls)) {
            durable_session_drop(d, durable_of(space->calls.next,
                                               durable_call_t, in_space));
        }
    }

    return due;
}


void
durable_session_stop(durable_t *d)
{
    durable_link_t  *link;
    durable_node_t  *node;

    for (node = d->links.next; node != &d->links; node = node->next) {
        link = durable_of(node, durable_link_t, node);

        if (link->space != NULL) {
            durable_session_credit(link, 0);
        }
    }
}
