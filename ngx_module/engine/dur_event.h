/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Events: what is stored of them, and the runs they start.  The events of one
 * request are stored in one transaction; starting runs is bounded, the rest
 * becomes a task.
 */

#ifndef DUR_EVENT_H
#define DUR_EVENT_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"
#include "engine/dur_payload.h"
#include "engine/dur_run.h"

typedef struct {
    uint8_t        flags;
    int64_t        received;    /* ms */
    int64_t        ts;          /* ms */
    uint64_t       sequence;    /* commit that stored it */
    dur_str_t      name;
    dur_str_t      client_id;
    dur_payload_t  json;        /* the whole normalised object */
} dur_event_t;

/* Borrowed from the transaction.  DUR_ENOTFOUND. */
dur_rc_t dur_event_get(dur_txn_t *t, const dur_ulid_t *id,
    dur_event_t *event);
dur_rc_t dur_event_decode(dur_str_t row, dur_event_t *event);

/*
 * A stored event as what starts a run of a function; all from the arena, its
 * text only when it is `read`.  DUR_ENOTFOUND, also when that is not whole.
 */
dur_rc_t dur_event_recall(dur_engine_t *e, const dur_ulid_t *id, bool read,
    dur_run_event_t *event);

/* The op EVENTS. */
dur_rc_t dur_event_ingest(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply);

/* One step of a fan-out task, within *rows: starts runs for the functions from
 * *cursor on, which is 0 when there are no more. */
dur_rc_t dur_event_fan_out(dur_engine_t *e, const dur_ulid_t *id,
    uint32_t *cursor, bool quiet, unsigned *rows);

/*
 * An event that the engine makes itself: stored and routed like one that came
 * in.  `quiet`: what it starts makes no lifecycle events.
 */
dur_rc_t dur_event_emit(dur_engine_t *e, const dur_op_event_t *event,
    bool quiet);

/*
 * The two halves of it, for the events of runs that are started by name:
 * stored, and then routed.  Routing inngest/function.invoked passes by the
 * function that it was made for.
 */
dur_rc_t dur_event_put(dur_engine_t *e, const dur_op_event_t *event);
dur_rc_t dur_event_publish(dur_engine_t *e, const dur_op_event_t *event,
    bool quiet);

/* The second half for the event of a schedule, past the function that has
 * has it: most often nobody else listens. */
dur_rc_t dur_event_scheduled(dur_engine_t *e, const dur_op_event_t *event,
    uint32_t function);

/* An event that started nothing expires by itself. */
dur_rc_t dur_event_delete(dur_engine_t *e, const dur_ulid_t *id,
    unsigned *budget);

#endif /* DUR_EVENT_H */
