/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_flow.h"
#include "engine/dur_state.h"


dur_rc_t
dur_flow_limit(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_start_t *start)
{
    (void) e;
    (void) fn;
    (void) event;

    *start = DUR_START_RUN;

    return DUR_OK;
}


dur_rc_t
dur_flow_lock(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_run_t *run, const char **reason)
{
    (void) e;
    (void) fn;
    (void) event;
    (void) run;

    *reason = NULL;

    return DUR_OK;
}


dur_rc_t
dur_flow_unlock(dur_engine_t *e, dur_run_t *run)
{
    (void) e;
    (void) run;

    return DUR_OK;
}


dur_rc_t
dur_flow_expire(dur_engine_t *e, unsigned *budget, int64_t *next)
{
    (void) e;
    (void) budget;

    *next = INT64_MAX;

    return DUR_OK;
}
