/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What the queries share: one read transaction around each of them, a limit
 * for what they write, and the few shapes that several of them show.
 *
 * Included by the dur_query_*.c and dur_filter*.c only; dur_query.h is for
 * everybody else.
 */

#ifndef DUR_QUERY_CORE_H
#define DUR_QUERY_CORE_H

#include "engine/dur_query.h"
#include "engine/dur_history.h"
#include "engine/dur_payload.h"
#include "engine/dur_redact.h"
#include "engine/dur_registry.h"
#include "engine/dur_run.h"
#include "engine/dur_step.h"
#include "engine/dur_target.h"

/* What every query has.  All that a handler allocates is from the arena. */
typedef struct {
    dur_txn_t    *txn;
    dur_buf_t    *out;
    dur_buf_t     scratch;
    dur_arena_t   arena;
    size_t        start;        /* length of `out` before */

    const dur_redact_t  *redact;    /* NULL: everything may be shown */
} dur_query_t;

typedef dur_rc_t (*dur_query_pt)(dur_query_t *q, void *arg);

/*
 * Runs the handler in a read transaction that is over when this returns; the
 * buffer is as it was unless DUR_OK.  DUR_ETOOBIG when it is full.
 */
dur_rc_t dur_query_read(dur_store_t *s, dur_buf_t *out, dur_query_pt handler,
    void *arg);

/* Members: a comma unless the object or the array has just begun. */
void dur_query_comma(dur_buf_t *out);
void dur_query_key(dur_buf_t *out, const char *key);
void dur_query_string(dur_buf_t *out, const char *key, dur_str_t value);
void dur_query_number(dur_buf_t *out, const char *key, uint64_t value);
void dur_query_bool(dur_buf_t *out, const char *key, bool value);
/* RFC 3339, null for 0. */
void dur_query_time(dur_buf_t *out, const char *key, int64_t ms);
void dur_query_ulid(dur_buf_t *out, const char *key, const dur_ulid_t *id);
void dur_query_uuid(dur_buf_t *out, const char *key, const char *kind,
    dur_str_t name);
void dur_query_function_uuid(dur_buf_t *out, const char *key,
    const dur_function_t *fn);

bool dur_query_zero(const dur_ulid_t *id);

/*
 * A member whose value is the body.  Retention takes a run away in pieces, so
 * one that is not whole is null, with "incomplete" beside it; one that is
 * longer than `max` is null, with its length as "<key>_bytes".
 */
dur_rc_t dur_query_body(dur_query_t *q, const char *key,
    const dur_ulid_t *owner, const dur_payload_t *body, size_t max);

/* The same of a run's output, which may be an error. */
dur_rc_t dur_query_result(dur_query_t *q, const char *key,
    const dur_run_t *run, size_t max);

/* Appends a body, or the text, as it may be shown; the text may be that of
 * q->scratch. */
dur_rc_t dur_query_shown(dur_query_t *q, dur_redact_what_t what,
    dur_str_t text);

/* A member: the message of an error, or the beginning of an answer. */
void dur_query_message(dur_query_t *q, const char *key, dur_str_t text);

/* The rest of what may be written before the answer gets too long. */
size_t dur_query_room(const dur_query_t *q, size_t max);

/* The open item of a step of the run, without one that of its discovery, as
 * dur_queue_find(). */
dur_table_t dur_query_item(dur_query_t *q, const dur_run_t *run,
    const dur_step_t *step, dur_item_t *item);

/* "Scheduled", "Running", "Completed", .. */
const char *dur_query_status(dur_query_t *q, const dur_run_t *run);

/* The same as the bit of dur_query_status_mask(), and the bits of live runs.
 */
unsigned dur_query_status_bit(dur_txn_t *txn, const dur_run_t *run);

#define DUR_QUERY_LIVE  (1u << 0 | 1u << DUR_RUN_LIVE)

/* From its first call to its end, ms. */
static inline int64_t
dur_query_duration(const dur_run_t *run)
{
    int64_t  start;

    start = run->started ? run->started : run->created;

    return run->ended > start ? run->ended - start : 0;
}

/* Zeroed when there is no such row, DUR_OK all the same. */
dur_rc_t dur_query_function(dur_query_t *q, uint32_t id, dur_function_t *fn);
dur_rc_t dur_query_app(dur_query_t *q, uint32_t id,
    dur_registered_app_t *app);

/* By its name or its UUID; a function also by its id without the app.
 * DUR_ENOTFOUND.  app NULL: of any. */
dur_rc_t dur_query_find_app(dur_query_t *q, dur_str_t name,
    dur_registered_app_t *app);
dur_rc_t dur_query_find_function(dur_query_t *q, dur_str_t name,
    const dur_registered_app_t *app, dur_function_t *fn);

/* The functions that the event of a connector starts, also archived ones;
 * from the arena.  DUR_ENOTFOUND. */
dur_rc_t dur_query_connector(dur_query_t *q, dur_str_t connector,
    uint32_t **ids, size_t *n);

/* The members of a delivery. */
dur_rc_t dur_query_write_delivery(dur_query_t *q, const dur_run_t *run,
    const dur_function_t *fn);

/* The ids of a run's events as an array: of a large batch the first ones. */
void dur_query_event_ids(dur_query_t *q, const dur_run_t *run);

/* One run in the shape of the list it is in. */
dur_rc_t dur_query_write_run(dur_query_t *q, const dur_run_t *run,
    dur_query_shape_t shape);


/* -- the steps of a run, in order of their first appearance --------------- */

#define DUR_TREE_NONE  UINT32_MAX

typedef struct {
    dur_hash_t      id;
    dur_step_t      step;
    dur_table_t     where;          /* of its item, DUR_T_MAX: it has none */
    uint32_t        first;          /* attempts, a list */
    uint32_t        last;
} dur_tree_step_t;

typedef struct {
    dur_history_t   record;
    uint32_t        next;
} dur_tree_attempt_t;

typedef struct {
    const char      *reason;        /* NULL: it does not wait */
    unsigned         rank;
    int64_t          until;         /* 0: not known */
    const dur_tree_step_t  *step;   /* or NULL */
} dur_tree_wait_t;

typedef struct {
    dur_run_t              run;
    dur_function_t         fn;
    dur_registered_app_t   app;
    dur_target_t           target;  /* parked 0: the app answers */
    uint32_t               nsteps;
    uint32_t               nattempts;
    dur_tree_step_t       *steps;
    dur_tree_attempt_t    *attempts;
    uint32_t               first;   /* attempts that are of no step */
    uint32_t               last;
    bool                   truncated;
    dur_tree_wait_t        wait;
    int64_t                next;    /* when it wakes up, 0: not known */
} dur_tree_t;

/* The run and its steps; then the attempts and what it waits for.  Borrowed
 * from the transaction and the arena.  DUR_ENOTFOUND. */
dur_rc_t dur_tree_load(dur_query_t *q, const dur_ulid_t *id,
    dur_tree_t *tree);
dur_rc_t dur_tree_load_attempts(dur_query_t *q, dur_tree_t *tree);

/* Into the order that is shown, for who needs no attempts. */
void dur_tree_sort(dur_tree_t *tree);

/* "planned", "running", "sleeping", "waiting", "done", "edited". */
const char *dur_tree_state(const dur_tree_step_t *s);

/* One step of the run; `max` is the longest body that stands in it. */
dur_rc_t dur_tree_write_step(dur_query_t *q, const dur_run_t *run,
    const dur_tree_step_t *s, size_t max);


/* -- secrets -------------------------------------------------------------- */

/* The input of a step, without what a gateway's opts must not show: keys,
 * values of headers but those that say what the body is. */
dur_rc_t dur_query_input(dur_query_t *q, const dur_ulid_t *run,
    const dur_step_t *step, size_t max);

/* What a step waits for or calls, as a member; nothing when there is none. */
void dur_query_detail(dur_buf_t *out, const dur_step_t *step);

#endif /* DUR_QUERY_CORE_H */
