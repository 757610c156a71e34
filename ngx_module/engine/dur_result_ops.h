/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What the ops of an answer do to their run (protocol 4.6, 5): the half of
 * dur_result that knows parallel steps.
 */

#ifndef DUR_RESULT_OPS_H
#define DUR_RESULT_OPS_H

#include "engine/dur_base.h"
#include "engine/dur_answer.h"
#include "engine/dur_history.h"
#include "engine/dur_queue.h"
#include "engine/dur_run.h"

/* One result while it is decided. */
typedef struct {
    dur_engine_t     *e;
    dur_run_t         run;
    dur_item_t        item;             /* released: in no table */
    dur_history_t     history;

    unsigned          reported;         /* non-lazy ops of this answer */
    unsigned          completed;        /* steps reported as done */
    unsigned          fresh;            /* of them not known before */
    bool              planned;          /* a plan-type op was among them */
    bool              pending;          /* the pending set is replaced */
    bool              failed;           /* an error memo was written */
    bool              race;             /* a completed step is in a race */
    bool              retry;            /* the item is tried again */
    bool              discover;         /* a discovery was asked for */

    dur_answer_t      answer;
    unsigned          attempts;         /* of a workflow's step; 0: those of
                                           the function */

    /* ops that invoke, to be done when the run is stored */
    size_t                   ninvokes;
    const dur_answer_op_t  **invokes;
} dur_result_t;

/* Applies the ops of x->answer and asks for what comes next.  The caller
 * writes x->run while it lives. */
dur_rc_t dur_result_ops(dur_result_t *x);

/* An error of the function, not of a step: x->answer has it. */
dur_rc_t dur_result_error(dur_result_t *x);

/*
 * A failed attempt: `message` is for people.  *exhausted is set, and nothing
 * done, when there are no attempts left.
 */
dur_rc_t dur_result_retry(dur_result_t *x, dur_str_t name,
    dur_str_t message, bool *exhausted);

#endif /* DUR_RESULT_OPS_H */
