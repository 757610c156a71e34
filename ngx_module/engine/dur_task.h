/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Bounded tasks: what one op may not finish in its own transaction goes on in
 * later batches, a piece at a time, from a row that says where to go on.
 * Tasks survive a crash like everything else, and take turns: one that has
 * more to do goes behind the others.
 */

#ifndef DUR_TASK_H
#define DUR_TASK_H

#include "engine/dur_base.h"
#include "engine/dur_store.h"

typedef struct dur_engine_s  dur_engine_t;

/* What the subject is, and where its unit goes on. */
typedef enum {
    DUR_TASK_FAN_OUT = 1,       /* event; number: the function, flag: quiet */
    DUR_TASK_WAITS,             /* event; cursor of dur_wait */
    DUR_TASK_RERUN,             /* the new run; cursor of dur_rerun */
    DUR_TASK_CANCELLATION,      /* the cancellation, which knows */
    DUR_TASK_RESUME,            /* nothing; cursor: the function's id */
    DUR_TASK_REDELIVERY,        /* the redelivery, which knows */
    DUR_TASK_SCHEDULE,          /* nothing; cursor of dur_schedule */
    DUR_TASK_BATCH_DROP,        /* the run that a batch does not start */
    DUR_TASK_BATCH_ANSWER,      /* the batch's run; cursor: the next event */
    DUR_TASK_WAKE,              /* nothing; cursor: counters, see dur_wake */
    DUR_TASK_LIMITS,            /* nothing; cursor of dur_wake */
    DUR_TASK_BULK,              /* the bulk job, which knows */
    DUR_TASK_MAX
} dur_task_kind_t;

/* The longest cursor. */
#define DUR_TASK_CURSOR  1024

/* A task of a kind that has a cursor; DUR_ETOOBIG: it is too long. */
dur_rc_t dur_task_add(dur_engine_t *e, dur_task_kind_t kind,
    const dur_ulid_t *subject, dur_str_t cursor);

/* Start runs for the functions from id `cursor` on. */
dur_rc_t dur_task_fan_out(dur_engine_t *e, const dur_ulid_t *event,
    uint32_t cursor, bool quiet);

/*
 * Pieces of the oldest tasks and of retention, about DUR_OP_ROWS rows
 * together; alone: of one of them, so that the one that breaks an invariant
 * is found.
 */
dur_rc_t dur_task_run(dur_engine_t *e, bool alone);

/* Takes the oldest task away, or what retention is at: a piece of it broke an
 * invariant. */
dur_rc_t dur_task_poison(dur_engine_t *e);

#endif /* DUR_TASK_H */
