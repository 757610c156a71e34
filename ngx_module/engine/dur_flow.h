/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Flow control: what decides whether, and when, an event may start a run
 * (features 0.4 and section 5).  Keyed state lives in DUR_T_FLOW and is
 * dropped when it says nothing any more: a row that goes idle has an entry in
 * an index by time, so dropping never looks at what is in use.
 *
 * This unit makes keys, asks expressions for their values, keeps the index
 * and holds events; the other dur_flow_* and retention use it.
 */

#ifndef DUR_FLOW_H
#define DUR_FLOW_H

#include "engine/dur_base.h"
#include "engine/dur_run.h"

/* Drops idle state within *budget; *next is when there may be more (ms). */
dur_rc_t dur_flow_expire(dur_engine_t *e, unsigned *budget, int64_t *next);

#define DUR_FLOW_KEY   (1 + 4 + 16)
#define DUR_FLOW_HASH  16

/* Kinds of rows; the first byte of a key. */
typedef enum {
    DUR_FLOW_BATCH = 'b',
    DUR_FLOW_BATCHED = 'i',     /* a client's event id is in a batch */
    DUR_FLOW_DEBOUNCE = 'd',
    DUR_FLOW_CRON = 'c',        /* of dur_schedule */
    DUR_FLOW_EVENT = 'e',       /* a client's event id was counted */
    DUR_FLOW_LIMIT = 'l',
    DUR_FLOW_RUNS = 'r',        /* runs that hold a slot of concurrency.fn */
    DUR_FLOW_LOCK = 's',
    DUR_FLOW_MEMBER = 'm',      /* + run ULID + u32: dur_member.h */
    DUR_FLOW_THROTTLE = 't',
    DUR_FLOW_INDEX = 'x'        /* + due ms u64 + the key of a row */
} dur_flow_kind_t;

dur_str_t dur_flow_key(uint8_t key[DUR_FLOW_KEY], dur_flow_kind_t kind,
    uint32_t function, const uint8_t hash[DUR_FLOW_HASH]);

/* What a key expression says of an event. */
typedef struct {
    bool     none;              /* false: the option does not apply */
    uint8_t  hash[DUR_FLOW_HASH];
    char     err[160];
} dur_flow_value_t;

/* expr may be NULL: one value for all.  DUR_EINVAL and a sentence: it has
 * none.  DUR_ENOMEM. */
dur_rc_t dur_flow_value(dur_engine_t *e, const dur_run_event_t *event,
    const dur_expr_t *expr, dur_flow_value_t *value);

/* A value as Go prints it; a number is printed to `number`.  What is missing
 * is false. */
dur_str_t dur_flow_text(const dur_expr_result_t *result, char number[32]);

/* The row of this key must be looked at when it may be idle, at `ns`. */
dur_rc_t dur_flow_index(dur_engine_t *e, dur_str_t key, int64_t ns);

/* Rows that go idle: an instant in nanoseconds, until when they count. */
dur_rc_t dur_flow_until_get(dur_engine_t *e, dur_str_t key, int64_t *ns);
dur_rc_t dur_flow_until_put(dur_engine_t *e, dur_str_t key, int64_t ns,
    bool fresh);

/*
 * Keeps an event that a function holds back from retention: a link in
 * DUR_T_EVENT_RUN as of a run, but of an id that no run has.
 * dur_flow_is_hold() says which links those are.  The caller of release asks
 * retention what is left of the event.
 */
dur_rc_t dur_flow_hold(dur_engine_t *e, uint32_t function,
    const dur_ulid_t *event);
dur_rc_t dur_flow_release(dur_engine_t *e, uint32_t function,
    const dur_ulid_t *event);
bool dur_flow_is_hold(const dur_ulid_t *run);

#endif /* DUR_FLOW_H */
