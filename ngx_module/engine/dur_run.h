/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A run: one execution of a function.  Its header row, how it starts, what
 * asks for the next discovery call, how it ends.
 *
 * Invariant, checked at the end of every op: a live run has open items.
 */

#ifndef DUR_RUN_H
#define DUR_RUN_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"
#include "engine/dur_payload.h"
#include "engine/dur_queue.h"
#include "engine/dur_registry.h"

#include <jansson.h>

typedef enum {
    DUR_RUN_LIVE = 1,
    DUR_RUN_COMPLETED,
    DUR_RUN_FAILED,
    DUR_RUN_CANCELLED,
    DUR_RUN_SKIPPED             /* never ran: paused, or a singleton runs */
} dur_run_status_t;

#define DUR_RUN_F_FORCE_PLAN  0x0001    /* disable_immediate_execution */
#define DUR_RUN_F_AGAIN       0x0002    /* a discovery was asked for while one
                                           was in flight */
#define DUR_RUN_F_REDO        0x0004    /* the last discovery moved nothing */
#define DUR_RUN_F_QUIET       0x0008    /* started by a lifecycle event: makes
                                           none itself */
#define DUR_RUN_F_INVOKED     0x0010    /* parent and parent_step wait */
#define DUR_RUN_F_INPUT       0x0020    /* a step has an edited input */
#define DUR_RUN_F_LOCKED      0x0040    /* holds the singleton of lock_hash */
#define DUR_RUN_F_ENDPOINT    0x0080    /* a durable endpoint */
#define DUR_RUN_F_REDELIVERED 0x0100    /* a webhook that was sent again */
#define DUR_RUN_F_BATCH       0x0800    /* of the events of dur_member; with
                                           INVOKED: some of them were invokes,
                                           parent and parent_step are zero */
#define DUR_RUN_F_SCHEDULED   0x1000    /* by a cron trigger */
#define DUR_RUN_F_SLOT        0x0200    /* holds one of concurrency.fn */
#define DUR_RUN_F_UNDEFERRED  0x4000    /* the log knows that a defer of it is
                                           ignored */

typedef struct {
    dur_ulid_t     id;
    uint8_t        status;
    uint8_t        request_version;     /* 0: not known yet */
    uint8_t        depth;               /* of invokes */
    uint8_t        origin;
    uint16_t       flags;
    uint16_t       crashes;
    uint32_t       app;
    uint32_t       function;
    uint32_t       version;             /* of the function, at the start */
    uint32_t       definition;
    int64_t        created;             /* ms */
    int64_t        started;             /* first call, 0: none yet */
    int64_t        ended;
    uint64_t       sequence;            /* commit that created it */
    dur_ulid_t     event;               /* the (first) event */
    uint32_t       nevents;
    uint32_t       steps;               /* memos, also the stack's length */
    uint32_t       open;                /* items ready, leased or on timers */
    uint32_t       pending;             /* steps a discovery waits for */
    uint32_t       pending_generation;
    uint64_t       discovery;           /* its open discovery item, or 0 */
    int64_t        discovery_due;       /* where its timer stands */
    uint64_t       state_bytes;         /* of all outputs */
    uint32_t       payload_sequence;
    uint32_t       history_sequence;
    dur_ulid_t     parent;
    dur_hash_t     parent_step;
    dur_ulid_t     original;            /* this is a rerun of it, or zero */
    uint32_t       waits;               /* rows of dur_wait: also cancelOn */
    uint16_t       defers;
    uint64_t       deadline;            /* open DEADLINE item, or 0 */
    int64_t        deadline_due;
    uint8_t        lock_hash[16];
    uint32_t       idem_bucket;         /* 0: the event had no client id */
    uint8_t        idem_hash[16];
    int32_t        priority;            /* seconds */
    uint64_t       slot;                /* of which key's value SLOT is */
    uint8_t        nkeys;               /* values of keys, see dur_queue.h */
    dur_item_key_t keys[DUR_ITEM_KEYS];
    dur_payload_t  output;              /* result, or error object */
} dur_run_t;

/* By which the items of the run compete: its age, but for its priority. */
static inline int64_t
dur_run_score(const dur_run_t *run)
{
    return run->created - (int64_t) run->priority * 1000;
}

/* Borrowed from the transaction.  DUR_ENOTFOUND. */
dur_rc_t dur_run_get(dur_txn_t *t, const dur_ulid_t *id, dur_run_t *run);
dur_rc_t dur_run_decode(const dur_ulid_t *id, dur_str_t row, dur_run_t *run);
dur_rc_t dur_run_put(dur_engine_t *e, const dur_run_t *run);

/* "Running", "Completed", ... */
const char *dur_run_status_name(const dur_run_t *run);

/* What starts a run. */
typedef struct {
    dur_ulid_t   id;
    int64_t      ts;
    dur_str_t    name;
    dur_str_t    client_id;             /* empty: no idempotency */
    dur_str_t    json;                  /* the normalised object */
    const json_t  *root;                /* the same parsed, or NULL */
    bool         quiet;                 /* a function.* lifecycle event */
    bool         invoked;               /* parent and parent_step wait */
    bool         scheduled;             /* by a schedule: in no batch */
    uint32_t     past;                  /* a function that has it already */
    dur_ulid_t   parent;
    dur_hash_t   parent_step;
    uint8_t      depth;                 /* of invokes */
} dur_run_event_t;

/* What became of it. */
typedef enum {
    DUR_START_RUN = 0,          /* a run lives */
    DUR_START_LIMITED,          /* over the rate limit: no run */
    DUR_START_SKIPPED,          /* a run that is Skipped */
    DUR_START_KNOWN,            /* the client's event id started one before */
    DUR_START_DEBOUNCED,        /* the event is held, or came too late to be */
    DUR_START_BATCHED,          /* in a batch: run->id is that of its run */
    DUR_START_REFUSED           /* the batch's key has no value: no run */
} dur_start_t;

/* Why a run is only a record. */
typedef struct {
    const char  *reason;                /* NULL: it is none */
    dur_ulid_t   holder;                /* Singleton: the run that runs */
} dur_run_skip_t;

/*
 * Starts one run of fn, in the order of features 0.4.  *run is filled when
 * there is one (RUN, SKIPPED).
 */
dur_rc_t dur_run_start(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_run_t *run, dur_start_t *start);

/*
 * The two halves of it that come behind rate limit, debounce and batch, for
 * what these let go later: a header that knows the event, then the run.
 */
void dur_run_prepare(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_run_t *run);
dur_rc_t dur_run_launch(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_run_t *run, dur_start_t *start);

/*
 * The same for callers that made the header themselves (reruns, durable
 * endpoints): nothing is asked, the run is stored, its first discovery item
 * is due at `due`, or at once.
 */
dur_rc_t dur_run_begin(dur_engine_t *e, dur_run_t *run, int64_t due,
    dur_str_t event_name);

/*
 * `due` of a run whose first call waits for something else: its item stands
 * behind all timers until dur_run_release() makes it due.  The caller writes
 * the run.
 */
#define DUR_RUN_HELD  (INT64_MAX - 1)

dur_rc_t dur_run_release(dur_engine_t *e, dur_run_t *run);

/* A new header: live, made now. */
void dur_run_init(dur_engine_t *e, const dur_function_t *fn, dur_run_t *run);

/* Asks for a discovery call (protocol 4.6 with design (ii), (iii)). */
dur_rc_t dur_run_discover(dur_engine_t *e, dur_run_t *run,
    const dur_hash_t *cause);

/*
 * Reads the event that started the run, its (first) one: the normalised JSON
 * as a new reference.  DUR_ENOTFOUND, DUR_ECORRUPT.
 */
dur_rc_t dur_run_event(dur_engine_t *e, const dur_run_t *run, json_t **event);

/* A new item of the run, counted as open; place it with push or timer. */
void dur_run_item(dur_engine_t *e, dur_run_t *run, dur_item_kind_t kind,
    const dur_hash_t *step, dur_item_t *item);

/*
 * Ends the run: output is JSON (an error object unless completed), items that
 * are still open are taken away, lifecycle events are made when somebody
 * listens.  Writes the run.
 */
dur_rc_t dur_run_end(dur_engine_t *e, dur_run_t *run,
    dur_run_status_t status, dur_str_t output);

/* Ends it Failed with an error object of this name and message. */
dur_rc_t dur_run_fail(dur_engine_t *e, dur_run_t *run, const char *name,
    const char *message);

/* Ends it Cancelled; `why` is for people: "The run was cancelled". */
dur_rc_t dur_run_cancel_live(dur_engine_t *e, dur_run_t *run,
    const char *why);

/* The op CANCEL. */
dur_rc_t dur_run_cancel(dur_engine_t *e, const dur_ulid_t *id,
    dur_reply_t *reply);

#endif /* DUR_RUN_H */
