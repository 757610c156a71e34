/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The steps of a run as the planner asks for them: read once, in one walk,
 * and found by their hash.  Everything is borrowed from the transaction, so
 * nothing may be written while it is in use.
 */

#ifndef DUR_WORKFLOW_MEMO_H
#define DUR_WORKFLOW_MEMO_H

#include "engine/dur_base.h"
#include "engine/dur_plan.h"
#include "engine/dur_run.h"
#include "engine/dur_step.h"

typedef struct {
    dur_hash_t     id;
    uint8_t        state;               /* dur_plan_state_t */
    dur_payload_t  output;
} dur_workflow_row_t;

typedef struct {
    dur_txn_t           *txn;
    const dur_run_t     *run;
    dur_arena_t         *arena;
    size_t               n;
    dur_workflow_row_t  *rows;          /* sorted by hash */
    dur_str_t            event;         /* as it was read */
    dur_str_t            events;        /* of a batch */
    char                 run_id[DUR_ULID_TEXT_LEN + 1];
} dur_workflow_memo_t;

/* Fills in the view; all from the arena. */
dur_rc_t dur_workflow_memo(dur_workflow_memo_t *m, dur_txn_t *txn,
    const dur_run_t *run, dur_arena_t *arena, dur_plan_memo_t *view);

#endif /* DUR_WORKFLOW_MEMO_H */
