/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Events about runs: inngest/function.finished, .failed and .cancelled
 * (protocol 1.9).  Written only when a trigger or a wait names them, in the
 * transaction that ends the run; the runs that they start make none.
 */

#ifndef DUR_LIFECYCLE_H
#define DUR_LIFECYCLE_H

#include "engine/dur_base.h"
#include "engine/dur_member.h"
#include "engine/dur_run.h"

/* The run has ended and is stored; its output is a result, or an error
 * object. */
dur_rc_t dur_lifecycle_ended(dur_engine_t *e, const dur_run_t *run,
    dur_str_t output);

/* Whether anybody listens to function.finished. */
bool dur_lifecycle_heard(dur_engine_t *e);

/*
 * The same for one of the events of a batch's run, of which a caller waits:
 * function.finished as of a run of this event alone.  The first event has its
 * own from dur_lifecycle_ended().
 */
dur_rc_t dur_lifecycle_answered(dur_engine_t *e, const dur_run_t *run,
    const dur_member_t *member, dur_str_t output);

#endif /* DUR_LIFECYCLE_H */
