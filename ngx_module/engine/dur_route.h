/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Routes that forward: a webhook is an event, and a function that nginx
 * declares sends it on.  The target of a route is an app like any other, so
 * that parking, limits and fairness are those of apps; its runs have one call
 * and show one step.
 *
 * The requests and what is made of their answers are in dur_forward; here is
 * what they mean for the registry and for runs.
 */

#ifndef DUR_ROUTE_H
#define DUR_ROUTE_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"
#include "engine/dur_result_ops.h"

/* Before the connector: what the app, the function and its event are named. */
#define DUR_ROUTE_APP       "nginx:"
#define DUR_ROUTE_FUNCTION  "api-"

/*
 * The op ROUTES: all routes that forward.  What did not change is left alone;
 * a route that is gone is archived, its runs in flight go on.  One whose
 * function an SDK app has registered is passed over, with a line in the log.
 */
dur_rc_t dur_route_apply(dur_engine_t *e, dur_str_t body,
    dur_reply_t *reply);

/* True for the call of a run that forwards. */
bool dur_route_owns(dur_engine_t *e, const dur_item_t *item);

/* What came back is in x->answer: the step has its memo and the run ends, or
 * it is tried again.  The caller writes x->run while it lives. */
dur_rc_t dur_route_decide(dur_result_t *x);

/* The calls of the item's app go one after the other. */
bool dur_route_ordered(dur_engine_t *e, const dur_item_t *item);

/* A failed attempt of an ordered route is tried again at `due`; the others
 * wait behind it. */
dur_rc_t dur_route_retry(dur_result_t *x, int64_t due);

/*
 * When a probe of a parked target that was answered is ready again: not for
 * the next probe, because it may be this one request that the target answers
 * so, and it would hold up all others.
 */
int64_t dur_route_later(dur_result_t *x);

#endif /* DUR_ROUTE_H */
