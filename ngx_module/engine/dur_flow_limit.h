/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * rateLimit and idempotency (features 5.3): what keeps an event from starting
 * a run of a function, without a trace.
 */

#ifndef DUR_FLOW_LIMIT_H
#define DUR_FLOW_LIMIT_H

#include "engine/dur_base.h"
#include "engine/dur_run.h"

/* Asked before anything else.  *start becomes DUR_START_RUN, which is counted
 * then, or DUR_START_LIMITED. */
dur_rc_t dur_flow_limit(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_start_t *start);

#endif /* DUR_FLOW_LIMIT_H */
