/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The ledger: every call of every store from its CALL frame on, a step until
 * its ACK.  It is why no attempt is sent twice within one life of the
 * sidecar: whoever asks again finds the call here.
 *
 * Calls are found by (space, attempt) in one table of fixed size, which the
 * number of credits bounds, and are used again with their buffers, so that a
 * sidecar under load asks the system for no memory.
 */

#include "durable_sidecar.h"

#include <stdlib.h>


durable_space_t *
durable_space_find(durable_t *d, const uint8_t *id)
{
    durable_node_t   *node;
    durable_space_t  *space;

    for (node = d->spaces.next; node != &d->spaces; node = node->next) {
        space = durable_of(node, durable_space_t, node);

        if (memcmp(space->id, id, sizeof(space->id)) == 0) {
            return space;
        }
    }

    return NULL;
}


/* An epoch that may be forgotten: the store that was lost first. */
static durable_space_t *
durable_space_oldest(durable_t *d)
{
    durable_node_t   *node;
    durable_space_t  *space, *oldest;

    oldest = NULL;

    for (node = d->spaces.next; node != &d->spaces; node = node->next) {
        space = durable_of(node, durable_space_t, node);

        if (space->link == NULL
            && durable_list_empty(&space->calls)
            && (oldest == NULL || space->lost < oldest->lost))
        {
            oldest = space;
        }
    }

    return oldest;
}


/* NULL when too many stores are in use, or without memory. */
durable_space_t *
durable_space_new(durable_t *d, const uint8_t *id)
{
    unsigned          n;
    durable_node_t   *node;
    durable_space_t  *space;

    n = 0;
    for (node = d->spaces.next; node != &d->spaces; node = node->next) {
        n++;
    }

    if (n >= DURABLE_SPACES) {
        space = durable_space_oldest(d);
        if (space == NULL) {
            return NULL;
        }

        durable_list_del(&space->node);
        free(space);
    }

    space = calloc(1, sizeof(durable_space_t));
    if (space == NULL) {
        return NULL;
    }

    memcpy(space->id, id, sizeof(space->id));
    durable_list_init(&space->calls);
    durable_list_init(&space->send);
    durable_list_add(&d->spaces, &space->node);

    return space;
}


static durable_call_t **
durable_ledger_bucket(durable_t *d, durable_space_t *space,
    const uint8_t *attempt)
{
    uint64_t  h;

    h = dur_attempt_item(attempt) ^ (uintptr_t) space;
    h += dur_attempt_generation(attempt);
    h *= 0x9e3779b97f4a7c15;

    return &d->buckets[(h >> 40) & (DURABLE_BUCKETS - 1)];
}


durable_call_t *
durable_ledger_find(durable_t *d, durable_space_t *space,
    const uint8_t *attempt)
{
    durable_call_t  *call;

    call = *durable_ledger_bucket(d, space, attempt);

    for ( ; call != NULL; call = call->chain) {
        if (call->space == space
            && memcmp(call->attempt, attempt, DUR_ATTEMPT_LEN) == 0)
        {
            return call;
        }
    }

    return NULL;
}


static durable_call_t *
durable_ledger_alloc(durable_t *d)
{
    durable_call_t  *call;

    call = d->free_calls;

    if (call != NULL) {
        d->free_calls = call->chain;
        return call;
    }

    call = calloc(1, sizeof(durable_call_t));
    if (call == NULL) {
        return NULL;
    }

    durable_body_init(&call->request);
    durable_body_init(&call->response);
    dur_buf_init(&call->text, 3 * DUR_FRAME_HEADER_MAX);
    dur_buf_init(&call->url, 3 * DUR_FRAME_HEADER_MAX);
    dur_buf_init(&call->headers, DURABLE_HEADERS_MAX);

    return call;
}


durable_call_t *
durable_ledger_add(durable_t *d, durable_space_t *space,
    const uint8_t *attempt, uint8_t kind)
{
    durable_call_t  *call, **bucket;

    call = durable_ledger_alloc(d);
    if (call == NULL) {
        return NULL;
    }

    memcpy(call->attempt, attempt, DUR_ATTEMPT_LEN);
    call->kind = kind;
    call->space = space;
    call->state = DURABLE_CALL_RECEIVING;

    durable_list_init(&call->in_queue);
    durable_list_add(&space->calls, &call->in_space);

    bucket = durable_ledger_bucket(d, space, attempt);
    call->chain = *bucket;
    *bucket = call;

    if (kind == DUR_CALL_STEP) {
        space->steps++;
    }
    d->calls++;

    return call;
}


static void
durable_ledger_shrink(dur_buf_t *b)
{
    if (b->size > DURABLE_KEEP) {
        dur_buf_deinit(b);
    }

    dur_buf_reset(b);
}


/* Everything of a call but its memory starts from zero again. */
static void
durable_ledger_wipe(durable_call_t *call)
{
    durable_call_t  kept;

    durable_ledger_shrink(&call->text);
    durable_ledger_shrink(&call->url);
    durable_ledger_shrink(&call->headers);
    durable_body_reset(&call->request, DURABLE_KEEP);
    durable_body_reset(&call->response, DURABLE_KEEP);

    kept.text = call->text;
    kept.url = call->url;
    kept.headers = call->headers;
    kept.request = call->request;
    kept.response = call->response;

    memset(call, 0, offsetof(durable_call_t, error) + 1);

    call->text = kept.text;
    call->url = kept.url;
    call->headers = kept.headers;
    call->request = kept.request;
    call->response = kept.response;
}


/* The call is not running: the pool has let it go. */
void
durable_ledger_remove(durable_t *d, durable_call_t *call)
{
    durable_call_t  **p;

    p = durable_ledger_bucket(d, call->space, call->attempt);
    while (*p != call) {
        p = &(*p)->chain;
    }
    *p = call->chain;

    durable_list_del(&call->in_space);
    durable_list_del(&call->in_queue);

    if (call->kind == DUR_CALL_STEP) {
        call->space->steps--;
    }

    d->calls--;
    d->bytes -= call->charged;

    durable_ledger_wipe(call);

    call->chain = d->free_calls;
    d->free_calls = call;
}


void
durable_ledger_charge(durable_t *d, durable_call_t *call)
{
    uint64_t  bytes;

    bytes = call->request.len + call->response.len;

    d->bytes += bytes - call->charged;
    call->charged = bytes;
}


static void
durable_ledger_free(durable_call_t *call)
{
    dur_buf_deinit(&call->text);
    dur_buf_deinit(&call->url);
    dur_buf_deinit(&call->headers);
    durable_body_reset(&call->request, 0);
    durable_body_reset(&call->response, 0);
    free(call);
}


/* After the pool and the links are gone. */
void
durable_ledger_deinit(durable_t *d)
{
    durable_call_t   *call;
    durable_space_t  *space;

    while (!durable_list_empty(&d->spaces)) {
        space = durable_of(d->spaces.next, durable_space_t, node);

        while (!durable_list_empty(&space->calls)) {
            durable_ledger_remove(d, durable_of(space->calls.next,
                                                durable_call_t, in_space));
        }

        durable_list_del(&space->node);
        free(space);
    }

    while (d->free_calls != NULL) {
        call = d->free_calls;
        d->free_calls = call->chain;
        durable_ledger_free(call);
    }
}
