/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The pool: libcurl's multi handle and the slots that run calls in it.  Steps
 * are bounded by the credits and start at once; ephemeral calls have a number
 * of their own and wait their turn.
 *
 * SIGHUP retires the multi handle: new calls go to a new one, whose
 * connections trust what the CA file says then; the old one ends with its
 * last call.
 */

#include "durable_sidecar.h"

#include <stdlib.h>
#include <unistd.h>


static int
durable_pool_on_timer(CURLM *curl, long timeout, void *data)
{
    durable_multi_t  *m = data;

    (void) curl;

    if (timeout < 0) {
        m->due = DURABLE_NEVER;

    } else if (timeout == 0) {
        m->due = 0;

    } else {
        m->due = durable_monotonic_us() / 1000 + (uint64_t) timeout;
    }

    return 0;
}


static durable_multi_t *
durable_multi_new(durable_t *d)
{
    CURLM            *curl;
    durable_multi_t  *m;

    m = calloc(1, sizeof(durable_multi_t));
    if (m == NULL) {
        return NULL;
    }

    curl = curl_multi_init();
    if (curl == NULL) {
        free(m);
        return NULL;
    }

    m->durable = d;
    m->curl = curl;
    m->due = DURABLE_NEVER;

    curl_multi_setopt(curl, CURLMOPT_SOCKETFUNCTION, durable_socket_on_want);
    curl_multi_setopt(curl, CURLMOPT_SOCKETDATA, m);
    curl_multi_setopt(curl, CURLMOPT_TIMERFUNCTION, durable_pool_on_timer);
    curl_multi_setopt(curl, CURLMOPT_TIMERDATA, m);
    curl_multi_setopt(curl, CURLMOPT_PIPELINING, (long) CURLPIPE_MULTIPLEX);
    curl_multi_setopt(curl, CURLMOPT_MAX_HOST_CONNECTIONS,
                      (long) DURABLE_HOST_CONNECTIONS);
    curl_multi_setopt(curl, CURLMOPT_MAXCONNECTS,
                      (long) d->options.credits + DURABLE_EPHEMERAL_RUNNING);

    return m;
}


static void
durable_pool_encodings(durable_t *d)
{
    curl_version_info_data  *info;

    info = curl_version_info(CURLVERSION_NOW);

    if (info->features & CURL_VERSION_LIBZ) {
        strcpy(d->encodings, "gzip, deflate");
    }

    if (info->features & CURL_VERSION_BROTLI) {
        strcat(d->encodings, d->encodings[0] ? ", br" : "br");
    }
}


int
durable_pool_init(durable_t *d)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        durable_log(DURABLE_LOG_ERROR, "libcurl does not start");
        return -1;
    }

    durable_list_init(&d->queue);
    durable_pool_encodings(d);

    d->multi = durable_multi_new(d);

    return d->multi == NULL ? -1 : 0;
}


int
durable_pool_reload(durable_t *d)
{
    durable_multi_t  *m;

    if (d->options.ca != NULL && access(d->options.ca, R_OK) != 0) {
        durable_log(DURABLE_LOG_ERROR,
                    "the CAs stay as they are: %s cannot be read",
                    d->options.ca);
        return -1;
    }

    m = durable_multi_new(d);
    if (m == NULL) {
        return -1;
    }

    d->multi->retired = true;
    m->next = d->multi;
    d->multi = m;

    return 0;
}


/* Retired ones without a call. */
static void
durable_pool_sweep(durable_t *d)
{
    durable_multi_t  *m, **p;

    for (p = &d->multi; (m = *p) != NULL; ) {
        if (!m->retired || m->running) {
            p = &m->next;
            continue;
        }

        *p = m->next;
        curl_multi_cleanup(m->curl);
        free(m);
    }
}


static durable_slot_t *
durable_pool_slot(durable_t *d)
{
    durable_slot_t  *slot;

    slot = d->free_slots;
    if (slot == NULL) {
        return durable_slot_new(d);
    }

    d->free_slots = slot->next;

    return slot;
}


/* Gives the slot back; the call is over, or is going to be. */
static void
durable_pool_release(durable_t *d, durable_slot_t *slot)
{
    durable_call_t  *call = slot->call;

    if (call->kind != DUR_CALL_STEP) {
        d->ephemerals--;
    }

    d->running--;
    call->slot = NULL;

    slot->call = NULL;
    slot->next = d->free_slots;
    d->free_slots = slot;
}


/* One exchange of the call; 0, or the call has its error. */
static int
durable_pool_exchange(durable_t *d, durable_slot_t *slot)
{
    slot->multi = d->multi;

    if (durable_call_prepare(slot) != DUR_OK
        || curl_multi_add_handle(slot->multi->curl, slot->curl) != CURLM_OK)
    {
        durable_call_fail(slot->call, DUR_CALL_EOTHER,
                          "the sidecar has no room for the call");
        return -1;
    }

    slot->multi->running++;

    return 0;
}


static void
durable_pool_start(durable_t *d, durable_call_t *call)
{
    durable_slot_t  *slot;

    slot = durable_pool_slot(d);

    if (slot == NULL) {
        durable_call_fail(call, DUR_CALL_EOTHER,
                          "the sidecar has no room for the call");
        durable_session_done(d, call);
        return;
    }

    slot->call = call;
    call->slot = slot;
    call->state = DURABLE_CALL_RUNNING;

    d->running++;
    if (call->kind != DUR_CALL_STEP) {
        d->ephemerals++;
    }

    if (durable_pool_exchange(d, slot) != 0) {
        durable_pool_release(d, slot);
        durable_session_done(d, call);
    }
}


void
durable_pool_submit(durable_t *d, durable_call_t *call)
{
    if (strncmp(call->first_url, "exec:", 5) == 0) {
        durable_exec_start(d, call);
        return;
    }

    if (call->kind == DUR_CALL_STEP
        || d->ephemerals < DURABLE_EPHEMERAL_RUNNING)
    {
        durable_pool_start(d, call);
        return;
    }

    if (d->waiting == DURABLE_EPHEMERAL_QUEUED) {
        durable_call_fail(call, DUR_CALL_EOTHER,
                          "too many calls are waiting");
        durable_session_done(d, call);
        return;
    }

    d->waiting++;
    call->state = DURABLE_CALL_QUEUED;
    durable_list_add(&d->queue, &call->in_queue);
}


void
durable_pool_cancel(durable_t *d, durable_call_t *call)
{
    durable_slot_t  *slot = call->slot;

    if (call->state == DURABLE_CALL_QUEUED) {
        durable_list_del(&call->in_queue);
        d->waiting--;
        return;
    }

    if (call->program != NULL) {
        durable_exec_cancel(d, call);
    }

    if (slot != NULL) {
        curl_multi_remove_handle(slot->multi->curl, slot->curl);
        slot->multi->running--;
        durable_pool_release(d, slot);
    }
}


static void
durable_pool_next(durable_t *d)
{
    durable_call_t  *call;

    while (d->waiting && d->ephemerals < DURABLE_EPHEMERAL_RUNNING) {
        call = durable_of(d->queue.next, durable_call_t, in_queue);
        durable_list_del(&call->in_queue);
        d->waiting--;
        durable_pool_start(d, call);
    }
}


static void
durable_pool_done(durable_t *d, durable_slot_t *slot, CURLcode code)
{
    bool             again;
    durable_call_t  *call = slot->call;

    again = durable_call_finish(slot, code);

    curl_multi_remove_handle(slot->multi->curl, slot->curl);
    slot->multi->running--;

    if (again && durable_pool_exchange(d, slot) == 0) {
        return;
    }

    durable_pool_release(d, slot);
    durable_session_done(d, call);
}


static void
durable_pool_collect(durable_t *d, durable_multi_t *m)
{
    int              left;
    void            *slot;
    CURLMsg         *msg;

    while ((msg = curl_multi_info_read(m->curl, &left)) != NULL) {
        if (msg->msg == CURLMSG_DONE) {
            slot = NULL;
            curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE,
                              (char **) &slot);
            durable_pool_done(d, slot, msg->data.result);
        }
    }
}


uint64_t
durable_pool_turn(durable_t *d)
{
    int               running;
    uint64_t          due;
    durable_multi_t  *m;

    due = DURABLE_NEVER;

    for (m = d->multi; m != NULL; m = m->next) {
        durable_pool_collect(d, m);
    }

    durable_pool_next(d);

    for (m = d->multi; m != NULL; m = m->next) {

        /* a second round for what the first one ended or began */
        for (int i = 0; i < 2 && m->due <= d->now; i++) {
            m->due = DURABLE_NEVER;
            curl_multi_socket_action(m->curl, CURL_SOCKET_TIMEOUT, 0,
                                     &running);
            durable_pool_collect(d, m);
        }

        if (m->due < due) {
            due = m->due;
        }
    }

    durable_socket_settle(d);
    durable_pool_sweep(d);

    return d->waiting && d->ephemerals < DURABLE_EPHEMERAL_RUNNING ? 0 : due;
}


/* After every call was cancelled. */
void
durable_pool_deinit(durable_t *d)
{
    durable_slot_t   *slot;
    durable_multi_t  *m;

    while (d->free_slots != NULL) {
        slot = d->free_slots;
        d->free_slots = slot->next;
        durable_slot_free(slot);
    }

    while (d->multi != NULL) {
        m = d->multi;
        d->multi = m->next;
        curl_multi_cleanup(m->curl);
        free(m);
    }

    durable_socket_deinit(d);
    curl_global_cleanup();
}
