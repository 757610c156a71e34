/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Ops: the records that ask the engine for a decision.  An op is a string of
 * bytes from the moment a worker makes it, so it travels to the leader, waits
 * in a queue, and can be logged and replayed, without sharing memory.
 *
 * Encoded: u8 codec, u8 type, u8 resubmitted, u8 0, 16 bytes of entropy, then
 * the fields of the type.  dur_op_decode() borrows from the input.
 */

#ifndef DUR_OP_H
#define DUR_OP_H

#include "engine/dur_base.h"

#define DUR_OP_CODEC  1

/* What a STATUS is answered with. */
typedef enum {
    DUR_OP_FORM_STATUS = 0,         /* JSON */
    DUR_OP_FORM_PROMETHEUS,         /* text 0.0.4 */
    DUR_OP_FORM_OPENMETRICS,        /* the same, without its end */
    DUR_OP_FORM_SYSTEM              /* JSON of GET /v1/system */
} dur_op_form_t;

typedef enum {
    /* The configuration, first op of every leader.  body: what
     * dur_config_encode() wrote. */
    DUR_OP_CONFIG = 1,

    /* Events of one request, all or nothing.  events, nevents.  The ids were
     * made by the worker; for one event that started no more than eight runs
     * the reply is {"runs":[..]}, their ids.  409: an id is taken by another
     * event; 503: an upload is not there any more; nothing was stored. */
    DUR_OP_EVENTS,

    /* POST /fn/register.  body: the payload as received.  The reply's body
     * is the JSON answer for the SDK, its status the HTTP status. */
    DUR_OP_REGISTER,

    /* How syncing a URL went.  url; error: empty when it went well. */
    DUR_OP_SYNC,

    /* DELETE /fn/remove.  url. */
    DUR_OP_REMOVE,

    /* The outcome of a call.  result. */
    DUR_OP_RESULT,

    /* Sidecar link established.  body: the inventory, 12-byte attempts;
     * instance: of the sidecar. */
    DUR_OP_INVENTORY,

    /* Lease due work.  budget: credits. */
    DUR_OP_DISPATCH,

    /* Fire what is due.  No fields; resubmitted: one timer, since with others
     * an invariant broke. */
    DUR_OP_TIMERS,

    /* Go on with bounded tasks.  budget: 1 when others wait for the batch, so
     * that long ones take a small piece; resubmitted: with one of them. */
    DUR_OP_TASKS,

    /* Cancel a run.  run. */
    DUR_OP_CANCEL,

    /* Submits nothing; answered after a commit.  Used as a barrier. */
    DUR_OP_NOP,

    /* Figures for durable_status and durable_metrics; budget: a
     * dur_op_form_t.  Answered by the leader's event loop, the engine refuses
     * it. */
    DUR_OP_STATUS,

    /*
     * The ops of the REST surface.  All are encoded alike: id, run, item,
     * generation, url, body.  Those that must not act twice when they are sent
     * again carry an id made by the worker; the engine keeps their reply
     * under it for a while.
     */

    /* Start one function by name.  id; url: its slug; body: the event,
     * normalised like those of EVENTS, its id is `id`.  Replies {"run_id"}
     * (absent when none was started), 404 without such a function. */
    DUR_OP_INVOKE,

    /* Deliver a signal.  id; url: its name; body: the data, JSON.  Replies
     * {"run_id"}; 404 when nobody waits. */
    DUR_OP_SIGNAL,

    /* Steps of a call that is still open.  run; item and generation of the
     * call, 0 when not known; body: the array of ops.  Replies 200, 400 for
     * ops that are none of a checkpoint, 404, 409 when the call is superseded
     * or the run has ended, 413. */
    DUR_OP_CHECKPOINT,

    /* A durable endpoint (protocol 6.3).  id; run: made by the SDK; url:
     * empty for the first, "steps" for the later ones; generation: 1 when the
     * client's body is in base64; body as received. */
    DUR_OP_ENDPOINT,

    /* Run again.  id; run: which; body: empty, or {"stepID","input"?}: from
     * that step on, by its hash or its id.  Replies {"run_id"}; 400, 404 (no
     * such run or step), 409 (nothing to run). */
    DUR_OP_RERUN,

    /* Cancel many.  id; body: POST /v1/cancellations as received; url: empty,
     * or the id of the one to delete.  Replies the cancellation, or
     * {"ok":true}; 400, 404, 409 (there are too many). */
    DUR_OP_CANCELLATION,

    /* Pause or resume a function.  url: slug; generation: 1 pauses. */
    DUR_OP_PAUSE,

    /*
     * The routes that forward, all of them; right after CONFIG.  body: JSON,
     * sorted by connector: [{"connector","url","retries","ordered","timeout"
     * (ms)}].  400 and a sentence for what is no such list.
     */
    DUR_OP_ROUTES,

    /* A piece of a large event, before the event.  id: of the event; item:
     * which piece, from 0 on; body: its bytes (dur_upload.h). */
    DUR_OP_UPLOAD,

    /* Deliver a webhook again.  id; run: which.  Replies {"run_id"}; 404, 409
     * (it is under way, or nobody takes it).  Or many: url: the connector;
     * body: {"status"?,"after"?,"before"?}.  Replies the redelivery; 400, 404,
     * 409 (there are too many).  Or stop: generation: 1; run: its id. */
    DUR_OP_REDELIVER,

    /* The workflows of nginx.conf, all of them; right behind ROUTES.  body:
     * a JSON array of definitions (dur_plan.h).  400 and a sentence for what
     * is no such list. */
    DUR_OP_WORKFLOWS,

    /* A step of a run of another server (dur_served.h).  id: new; run; url:
     * 20 bytes, the step's hash; item: which attempt it is; body: the
     * request. */
    DUR_OP_SERVED,

    /* Many runs (dur_bulk.h).  id; body: POST /v1/bulk as received.  Replies
     * the job, 201; 400, 404, 409 (there are too many).  Or stop: generation:
     * 1; run: its id. */
    DUR_OP_BULK,

    /* An app (dur_sync.h).  id; url: its URL, or, with item 1, its name;
     * generation: 0: it is asked to register, 1: it is removed.  Replies
     * {"url","state"}, 202 or 200; 400, 404, 409 (nginx.conf has it). */
    DUR_OP_APP,

    DUR_OP_MAX
} dur_op_type_t;

/* Ops that ingest must not push aside: results, timers, tasks, control. */
static inline bool
dur_op_is_ingest(uint8_t type)
{
    return type == DUR_OP_EVENTS || type == DUR_OP_UPLOAD;
}

#define DUR_EVENT_F_CANONICAL  0x01     /* json is JCS already */
#define DUR_EVENT_F_UPLOADED   0x02     /* json came before, see UPLOAD */

/* One event, ready to be stored. */
typedef struct {
    dur_ulid_t  id;             /* internal id, made by the worker */
    uint8_t     flags;          /* DUR_EVENT_F_* */
    int64_t     ts;             /* ms; the run starts at max(now, ts) */
    dur_str_t   name;
    dur_str_t   client_id;      /* the caller's "id", or empty */
    dur_str_t   json;           /* whole normalised object, keys in JCS order:
                                   {"data":..,"id":..,"meta"?,"name":..,
                                    "ts":..,"user":{},"v"?} with data, user
                                    and meta as received; empty: uploaded */
    uint32_t    length;         /* of what was uploaded */
} dur_op_event_t;

typedef struct {
    uint64_t   item;
    uint32_t   generation;
    uint16_t   status;          /* HTTP status, 0 with error_kind */
    uint8_t    error_kind;      /* dur_call_error_t */
    dur_str_t  error;           /* text for the user */
    dur_str_t  headers;         /* "name: value\n" lines */
    int64_t    started;         /* ms since the epoch */
    uint64_t   duration;        /* us */
    dur_str_t  body;
} dur_op_result_t;

typedef struct {
    uint8_t          type;
    uint8_t          resubmitted;       /* how often it was sent again */
    uint8_t          entropy[16];
    dur_str_t        body;
    dur_str_t        url;
    dur_str_t        error;
    dur_ulid_t       id;
    dur_ulid_t       run;
    uint64_t         item;
    uint32_t         generation;
    uint8_t          instance[16];
    uint32_t         budget;
    dur_op_result_t  result;
    size_t           nevents;
    dur_op_event_t  *events;            /* encode: the caller's array; decode:
                                           from the arena */
} dur_op_t;

/* Appends the encoded op. */
dur_rc_t dur_op_encode(const dur_op_t *op, dur_buf_t *out);

/* Borrows from `in`; the events array is from the arena.  DUR_EINVAL for
 * bytes that are no op, DUR_EFORMAT for another codec. */
dur_rc_t dur_op_decode(dur_str_t in, dur_op_t *op, dur_arena_t *arena);


/*
 * The answer to an op, again bytes: u16 HTTP status, u8 flags, u8 0, body.
 */
#define DUR_REPLY_F_DUPLICATE  0x01     /* the events were stored before */
#define DUR_REPLY_F_ENDED      0x02     /* the run had ended before */

typedef struct {
    dur_rc_t   rc;
    uint16_t   status;          /* HTTP status for the client */
    uint8_t    flags;
    dur_str_t  body;            /* JSON, may be empty */
} dur_reply_t;

dur_rc_t dur_reply_encode(const dur_reply_t *reply, dur_buf_t *out);
dur_rc_t dur_reply_decode(dur_str_t in, dur_reply_t *reply);

/* Of an encoded STATUS. */
dur_op_form_t dur_op_form(dur_str_t bytes);

#endif /* DUR_OP_H */
