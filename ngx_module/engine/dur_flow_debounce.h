/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Debounce (features 5.4): of the events that follow each other closely the
 * last one starts a run, when none came for the period.  Per function and key
 * one row holds an event and says where its timer stands; the timer is an
 * item of no run.
 *
 * A held event has a link like those of runs (dur_flow_hold()), so that it is
 * kept as long as it is held.
 */

#ifndef DUR_FLOW_DEBOUNCE_H
#define DUR_FLOW_DEBOUNCE_H

#include "engine/dur_base.h"
#include "engine/dur_queue.h"
#include "engine/dur_run.h"

/* Asked behind the rate limit.  *start becomes DUR_START_DEBOUNCED, or stays
 * DUR_START_RUN for functions without the option. */
dur_rc_t dur_flow_debounce(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_start_t *start);

/* The timer of a held event fired: it starts its run, unless the function is
 * gone. */
dur_rc_t dur_flow_debounce_due(dur_engine_t *e, const dur_item_t *item);

/* That broke an invariant: the event is held no more and starts nothing. */
dur_rc_t dur_flow_debounce_poison(dur_engine_t *e, const dur_item_t *item);

#endif /* DUR_FLOW_DEBOUNCE_H */
