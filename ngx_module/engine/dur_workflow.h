/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Workflows of nginx.conf as functions: what they mean for the registry and
 * for runs.  What comes next is decided by dur_plan in the transaction that
 * made it known (a result, a timer, an event), and done by the units that do
 * it for SDKs: a step is an item like a planned step, for the app that is its
 * target (scheme, host and port), so that parking and limits are those of
 * targets.
 *
 *     dur_workflow        the op, results, runs
 *     dur_workflow_run    a plan is made and carried out
 *     dur_workflow_store  definitions
 *     dur_workflow_call   requests, on the read side
 */

#ifndef DUR_WORKFLOW_H
#define DUR_WORKFLOW_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"
#include "engine/dur_plan.h"
#include "engine/dur_result_ops.h"
#include "engine/dur_run.h"

/* The app that functions of nginx.conf belong to; before the name of a target
 * that is one. */
#define DUR_WORKFLOW_APP     "nginx://functions"
#define DUR_WORKFLOW_TARGET  "nginx:"

/*
 * The op WORKFLOWS: all of nginx.conf.  What did not change is left alone; a
 * function that is gone is archived, its runs go on with the definition that
 * they have.  One that an SDK app has registered is passed over, with a line
 * in the log.
 */
dur_rc_t dur_workflow_apply(dur_engine_t *e, dur_str_t body,
    dur_reply_t *reply);

bool dur_workflow_is(dur_engine_t *e, const dur_run_t *run);
/* The item is of such a run. */
bool dur_workflow_owns(dur_engine_t *e, const dur_item_t *item);

/* A run more of its definition, or less. */
dur_rc_t dur_workflow_count(dur_engine_t *e, const dur_run_t *run,
    int change);

/*
 * Plans the run and carries the plan out; the run is stored.  It may have
 * ended.  While what another plan asked for happens it is only set down, and a
 * timer that is due at once goes on.
 */
dur_rc_t dur_workflow_next(dur_engine_t *e, dur_run_t *run);

/* The timer of a run that was to be planned later; the item stands in no
 * table now. */
dur_rc_t dur_workflow_due(dur_engine_t *e, const dur_item_t *item);

/* The result of a step: as an answer, and what follows from it. */
dur_rc_t dur_workflow_parse(dur_result_t *x, const dur_op_result_t *result);
dur_rc_t dur_workflow_decide(dur_result_t *x);

/* The run's definition.  DUR_ENOTFOUND, DUR_ECORRUPT: it cannot be read. */
dur_rc_t dur_workflow_of(dur_engine_t *e, const dur_run_t *run,
    dur_plan_def_t **def);

#endif /* DUR_WORKFLOW_H */
