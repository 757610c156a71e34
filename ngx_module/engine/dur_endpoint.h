/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Durable endpoints (protocol 6.3): a handler of an app that the client calls
 * itself, whose steps are reported from inside of it.  App, function and run
 * are made by the first report; when the SDK asks for something that takes
 * time the run goes on by calling the endpoint again.
 *
 * While the client's own request executes, the run's open item is its
 * discovery, on a timer and never leased: DUR_ENDPOINT_PATIENCE after the
 * last report the endpoint is called again in place of a client that went
 * away.  From then on, and from the first op that takes time, it is a run
 * like any other; dur_endpoint_read makes its calls.
 */

#ifndef DUR_ENDPOINT_H
#define DUR_ENDPOINT_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"

typedef struct dur_engine_s  dur_engine_t;

/* ms after the last report of a client's request. */
#define DUR_ENDPOINT_PATIENCE   (5 * 60 * 1000)

/*
 * The op ENDPOINT.  Its reply is {"app_id","fn_id","run_id"} to a first
 * report, {} to a later one; both may be sent twice.  409 when the id is that
 * of another run.
 */
dur_rc_t dur_endpoint_apply(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply);

#endif /* DUR_ENDPOINT_H */
