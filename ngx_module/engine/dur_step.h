/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Steps: the memo table.  A row is made when a step is planned, sleeps, or
 * is done, whichever comes first; a done row never changes.
 */

#ifndef DUR_STEP_H
#define DUR_STEP_H

#include "engine/dur_base.h"
#include "engine/dur_payload.h"
#include "engine/dur_run.h"

#define DUR_STEP_KEY  (DUR_ULID_LEN + DUR_HASH_LEN)

typedef enum {
    DUR_STEP_PLANNED = 1,       /* an item calls it */
    DUR_STEP_SLEEPING,          /* an item wakes it */
    DUR_STEP_WAITING,           /* for an event, a signal, another run */
    DUR_STEP_DONE,
    DUR_STEP_EDITED,            /* of a rerun: not reported yet, but its input
                                   is known */
    DUR_STEP_DEFERRED,          /* no step: a defer that goes out at the end */
    DUR_STEP_DEFER_ABORTED
} dur_step_state_t;

/* How the memo is shown to the SDK (protocol 4.4). */
typedef enum {
    DUR_STEP_RAW = 0,           /* as it is; null when empty */
    DUR_STEP_DATA,              /* {"data": output} */
    DUR_STEP_ERROR              /* {"error": output} */
} dur_step_wrap_t;

#define DUR_STEP_F_RACE   0x01
#define DUR_STEP_F_INPUT  0x02          /* `input` is an edited one: shown to
                                           the SDK until the step is done */

typedef struct {
    uint8_t        state;
    uint8_t        wrap;
    uint8_t        flags;
    uint8_t        op;                  /* dur_opcode_t it was reported with */
    uint16_t       attempt;             /* attempts used so far */
    uint32_t       pending_generation;  /* equal to the run's: in `pending` */
    uint32_t       stack;               /* done: position, from 0 */
    int64_t        created;             /* ms */
    int64_t        ended;
    uint64_t       item;                /* open item, or 0 */
    int64_t        due;                 /* where its timer stands, or 0 */
    dur_ulid_t     child;               /* INVOKE: the run it started */
    dur_str_t      name;                /* for people */
    dur_payload_t  output;
    dur_str_t      detail;              /* what it waits for or calls: event,
                                           signal, function, URL */
    dur_payload_t  input;               /* gateways: opts; an edited input;
                                           DEFERRED: what it was given */
    uint32_t       app;                 /* that is called; 0: the run's */
} dur_step_t;

/* Borrowed from the transaction.  DUR_ENOTFOUND. */
dur_rc_t dur_step_get(dur_txn_t *t, const dur_ulid_t *run,
    const dur_hash_t *id, dur_step_t *step);
dur_rc_t dur_step_decode(dur_str_t row, dur_step_t *step);
dur_str_t dur_step_key(uint8_t key[DUR_STEP_KEY], const dur_ulid_t *run,
    const dur_hash_t *id);

/* What an op of the SDK says about a step. */
typedef struct {
    dur_hash_t  id;
    dur_str_t   name;
    uint8_t     wrap;
    uint8_t     op;
    bool        race;
    dur_str_t   output;                 /* JSON as received, may be empty */
    dur_str_t   detail;
    dur_str_t   input;
    dur_ulid_t  child;
    int64_t     started;                /* ms, as the app says; 0: not told */
    int64_t     duration;               /* us */
    uint32_t    app;                    /* that is called; 0: the run's */
} dur_step_report_t;

/* The app whose item the step has. */
static inline uint32_t
dur_step_app(const dur_run_t *run, const dur_step_t *step)
{
    return step->app ? step->app : run->app;
}

/*
 * Memoizes a step.  *fresh is false when it was done before: the first memo
 * stays.  DUR_ETOOBIG when the outputs of the run get too large.
 */
dur_rc_t dur_step_done(dur_engine_t *e, dur_run_t *run,
    const dur_step_report_t *report, unsigned attempt, bool *fresh);

/* Plans a call: of the step, or of the URL it names (DUR_ITEM_GATEWAY);
 * nothing but the pending set changes when the step is known.  *fresh says
 * whether it was new. */
dur_rc_t dur_step_plan(dur_engine_t *e, dur_run_t *run,
    const dur_step_report_t *report, dur_item_kind_t kind, bool pending,
    bool *fresh);

/* The same for what ends by itself at `due`: a sleep (DUR_STEP_SLEEPING), or
 * a wait that times out then (DUR_STEP_WAITING). */
typedef struct {
    dur_step_state_t  state;
    int64_t           due;
    bool              pending;
} dur_step_timer_t;

dur_rc_t dur_step_timer(dur_engine_t *e, dur_run_t *run,
    const dur_step_report_t *report, const dur_step_timer_t *timer,
    bool *fresh);

/* Writes a row as it is: for the units that own its state. */
dur_rc_t dur_step_put(dur_engine_t *e, const dur_ulid_t *run,
    const dur_hash_t *id, const dur_step_t *step);

/* The row learns where the timer of its item stands (0: nowhere). */
dur_rc_t dur_step_reschedule(dur_engine_t *e, const dur_ulid_t *run,
    const dur_hash_t *id, uint64_t item, int64_t due, unsigned attempt);

/* The row learns which run the step invoked. */
dur_rc_t dur_step_child(dur_engine_t *e, const dur_ulid_t *run,
    const dur_hash_t *id, const dur_ulid_t *child);

/*
 * The item of a planned step ended without saying anything about the step: it
 * has no item now and may be planned again.  Nothing when the step is done.
 */
dur_rc_t dur_step_orphan(dur_engine_t *e, const dur_ulid_t *run,
    const dur_hash_t *id, uint64_t item);

/* Takes away the items of all steps that are not done. */
dur_rc_t dur_step_remove_items(dur_engine_t *e, dur_run_t *run);

#endif /* DUR_STEP_H */
