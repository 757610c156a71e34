/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What the sidecar says on a link.  Control frames go straight to the link's
 * buffer; results are made into frames only as the link takes them, a frame
 * of each in turn, so that neither a large result nor a slow reader costs
 * more memory than the ledger holds anyway.
 *
 * Credits are counted from both ends: slots = calls of the store + credits
 * that nginx holds + free ones, and what is free is granted at the end of a
 * turn.  So a call that nginx repeats, or a result that it does not want,
 * cannot lose a credit.
 */

#include "durable_sidecar.h"


#define DURABLE_FILL  (256 * 1024)      /* bytes of frames made at a time */


static void
durable_reply_log(durable_link_t *link, durable_log_level_t level,
    const char *text)
{
    dur_frame_writer_t  w;

    dur_frame_begin(&w, &link->out, DUR_FRAME_LOG, DUR_FRAME_F_END);
    dur_frame_put_u8(&w, DUR_TAG_LEVEL, (uint8_t) level);
    dur_frame_end(&w, dur_str_c(text));
}


void
durable_reply_credit(durable_link_t *link, uint32_t n)
{
    dur_frame_writer_t  w;

    dur_frame_begin(&w, &link->out, DUR_FRAME_CREDIT, DUR_FRAME_F_END);
    dur_frame_put_u32(&w, DUR_TAG_COUNT, n);
    dur_frame_end(&w, dur_str_null);
}


void
durable_reply_welcome(durable_t *d, durable_link_t *link)
{
    char                software[96];
    dur_frame_writer_t  w;

    snprintf(software, sizeof(software), "durable/%s libcurl/%s",
             DURABLE_VERSION, curl_version_info(CURLVERSION_NOW)->version);

    dur_frame_begin(&w, &link->out, DUR_FRAME_HELLO, DUR_FRAME_F_END);
    dur_frame_put_u32(&w, DUR_TAG_VERSION, DUR_FRAME_VERSION);
    dur_frame_put(&w, DUR_TAG_INSTANCE, dur_str_make(d->instance, 16));
    dur_frame_put_u32(&w, DUR_TAG_PID, d->pid);
    dur_frame_put(&w, DUR_TAG_SOFTWARE, dur_str_c(software));
    dur_frame_end(&w, dur_str_null);
}


/* One frame: a store never has more calls than it can hold. */
void
durable_reply_inventory(durable_link_t *link)
{
    size_t              n;
    uint8_t             list[DURABLE_INVENTORY * DUR_ATTEMPT_LEN];
    durable_call_t     *call;
    durable_node_t     *node;
    durable_space_t    *space = link->space;
    dur_frame_writer_t  w;

    n = 0;

    for (node = space->calls.next; node != &space->calls; node = node->next) {
        call = durable_of(node, durable_call_t, in_space);

        memcpy(list + n, call->attempt, DUR_ATTEMPT_LEN);
        n += DUR_ATTEMPT_LEN;
    }

    dur_frame_begin(&w, &link->out, DUR_FRAME_INVENTORY, DUR_FRAME_F_END);
    dur_frame_end(&w, dur_str_make(list, n));
}


void
durable_reply_send(durable_call_t *call)
{
    call->sent = 0;
    call->announced = false;

    durable_list_del(&call->in_queue);
    durable_list_add(&call->space->send, &call->in_queue);
}


/* Every result that was not ACKed goes again, unasked. */
void
durable_reply_resend(durable_space_t *space)
{
    durable_call_t  *call;
    durable_node_t  *node;

    space->backlog = 0;

    for (node = space->calls.next; node != &space->calls; node = node->next) {
        call = durable_of(node, durable_call_t, in_space);

        if (call->state == DURABLE_CALL_DONE) {
            durable_reply_send(call);
            space->backlog++;
        }
    }
}


void
durable_reply_refuse(durable_link_t *link, uint64_t seen)
{
    dur_frame_writer_t  w;

    dur_frame_begin(&w, &link->out, DUR_FRAME_REFUSED, DUR_FRAME_F_END);
    dur_frame_put_u64(&w, DUR_TAG_EPOCH, seen);
    dur_frame_end(&w, dur_str_null);

    link->closing = true;
}


/* Nothing is known of the attempt, so nothing runs. */
void
durable_reply_cancelled(durable_link_t *link, const uint8_t *attempt)
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


void
durable_reply_pong(durable_link_t *link, const dur_frame_t *f)
{
    dur_frame_writer_t  w;

    dur_frame_begin(&w, &link->out, DUR_FRAME_PONG, DUR_FRAME_F_END);
    dur_frame_end(&w, f->data);
}


/* The fields of a RESULT. */
static void
durable_reply_result(dur_frame_writer_t *w, durable_call_t *call)
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
durable_reply_next(durable_link_t *link, durable_call_t *call)
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
        durable_reply_result(&w, call);
        call->announced = true;
    }

    dur_frame_end(&w, n == 0 ? dur_str_null
                  : dur_str_make(call->response.data + call->sent, n));
    call->sent += n;

    return last;
}


static void
durable_reply_grant(durable_t *d, durable_link_t *link)
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
        durable_reply_log(link, DURABLE_LOG_WARNING, full
                            ? "the sidecar's ledger is full"
                            : "the sidecar's ledger has room again");
    }

    if (full || d->stop || space->backlog) {
        return;
    }

    n = (int64_t) d->options.credits - space->steps - space->granted;

    if (n > 0) {
        space->granted += n;
        durable_reply_credit(link, (uint32_t) n);
    }
}


/* Results take turns, a frame each: a large one holds up nobody. */
bool
durable_reply_fill(durable_t *d, durable_link_t *link)
{
    durable_call_t   *call;
    durable_space_t  *space = link->space;

    while (!durable_list_empty(&space->send)
           && durable_link_pending(link) < DURABLE_FILL
           && !link->out.failed)
    {
        call = durable_of(space->send.next, durable_call_t, in_queue);
        durable_list_del(&call->in_queue);

        if (!durable_reply_next(link, call)) {
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

    durable_reply_grant(d, link);

    return !durable_list_empty(&space->send);
}
