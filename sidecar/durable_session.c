/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What the frames of a link mean (design section 5).
 *
 * A store speaks through one link.  A HELLO of a higher epoch, or of the same
 * one after a lost connection, takes the store over: the older link is closed
 * and what it sent that was not read yet is gone, so that the INVENTORY lists
 * exactly what will ever be known of the calls before it.
 */

#include "durable_sidecar.h"

#include <inttypes.h>


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
        durable_reply_refuse(link, space->epoch);
        return DUR_OK;
    }

    if (space->link != NULL) {
        durable_link_close(d, space->link);
    }

    space->epoch = epoch;
    space->link = link;
    space->granted = 0;
    link->space = space;

    durable_reply_welcome(d, link);
    durable_reply_inventory(link);
    durable_reply_resend(space);

    if (d->stop) {
        durable_reply_credit(link, 0);
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
            durable_reply_send(call);
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

    if (kind == DUR_CALL_STEP && space->steps == DURABLE_INVENTORY) {
        durable_log(DURABLE_LOG_ERROR, "nginx %" PRIu32 " does not wait for "
                    "credits", link->pid);
        return DUR_EINVAL;
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


static void
durable_session_cancel(durable_t *d, durable_link_t *link,
    durable_call_t *call, const uint8_t *attempt)
{
    if (call == NULL) {
        durable_reply_cancelled(link, attempt);
        return;
    }

    if (call->state == DURABLE_CALL_DONE) {
        return;                         /* its result is on the way */
    }

    durable_pool_cancel(d, call);
    durable_call_fail(call, DUR_CALL_ECANCELLED, "cancelled");
    durable_session_done(d, call);
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
        durable_reply_pong(link, f);
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
        durable_reply_send(call);

    } else if (call->kind != DUR_CALL_STEP) {
        durable_ledger_remove(d, call);
    }
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
            durable_reply_credit(link, 0);
        }
    }
}
