/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Steps that are executed here for another server, which owns the runs: this
 * nginx is one of its apps (protocol 3, 4).  Such a server may call again
 * when a connection broke, so what a step brought is durable before it is
 * told, and a call that comes again is answered from here.
 *
 * A served step is one row, by the run and the step, and while it is executed
 * one item, which no run here counts.  The items are of an app of their own
 * that is never parked: how often a target is asked is up to the server that
 * calls, and it shall be told at once what failed.
 */

#ifndef DUR_SERVED_H
#define DUR_SERVED_H

#include "engine/dur_base.h"
#include "engine/dur_call.h"
#include "engine/dur_op.h"
#include "engine/dur_payload.h"
#include "engine/dur_queue.h"
#include "engine/dur_served_request.h"
#include "engine/dur_store.h"

/* The name of their app; no SDK may have one that begins so. */
#define DUR_SERVED_APP   "nginx:/serve"

/* How long a result is kept after it was last asked for, ms. */
#define DUR_SERVED_LIFE  ((int64_t) 24 * 3600 * 1000)

typedef enum {
    DUR_SERVED_RUNNING = 1,
    DUR_SERVED_DONE,            /* output */
    DUR_SERVED_FAILED,          /* error: may be tried again */
    DUR_SERVED_FINAL            /* error: not by trying again */
} dur_served_state_t;

/* What became of it. */
typedef struct {
    uint8_t        state;
    uint64_t       call;        /* which attempt of the server it was */
    uint64_t       item;        /* while it runs */
    int64_t        created;     /* ms */
    int64_t        used;
    int64_t        retry_at;    /* FAILED: Retry-After, 0: none */
    int64_t        started;     /* of the request, ms */
    int64_t        duration;    /* us */
    dur_ulid_t     owner;       /* of its payload rows */
    uint32_t       sequence;
    dur_payload_t  request;
    dur_payload_t  result;      /* JSON: output or error */
} dur_served_t;

/*
 * The op SERVED: run and url (20 bytes) say which step, item which attempt
 * of the server's it is, id is new, body the request.  Replies 200 when it is
 * known what became of this attempt, 202 when it is being executed, 503 when
 * the store is nearly full.  A step that is done, that failed for good, or
 * that runs is never executed by another attempt.
 */
dur_rc_t dur_served_apply(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply);

/* What became of a step, for readers: *result is appended.  DUR_ENOTFOUND. */
dur_rc_t dur_served_find(dur_store_t *store, const dur_ulid_t *run,
    const dur_hash_t *step, dur_served_t *served, dur_buf_t *result);

/* The request of a leased item, for dur_call_build(). */
dur_rc_t dur_served_build(dur_txn_t *t, const dur_item_t *item,
    const dur_call_options_t *options, dur_call_t *call);

/* Its result, what stands for one when it was lost three times, and the end
 * of one that broke an invariant. */
dur_rc_t dur_served_result(dur_engine_t *e, dur_item_t *item,
    const dur_op_result_t *result);
dur_rc_t dur_served_lost(dur_engine_t *e, const dur_item_t *item);
dur_rc_t dur_served_poison(dur_engine_t *e, const dur_item_t *item);

/* Deletes what nobody asked for any more, within *budget; *next is when there
 * is more to delete. */
dur_rc_t dur_served_expire(dur_engine_t *e, unsigned *budget, int64_t *next);

#endif /* DUR_SERVED_H */
