/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Realtime messages that the engine makes (protocol 8.3): effects, so that
 * who listens hears of what is durable.
 *
 * A run has a channel of its own, its id: there the topic "$step" has the
 * outputs of its steps, a topic of the name of a step that one's, and "$run"
 * its result, as messages of the kinds `step` and `run`.  They are made only
 * while somebody listens to a run; a gateway's, for a step that asks for it
 * with opts.publish, always.
 */

#ifndef DUR_PUBLISH_H
#define DUR_PUBLISH_H

#include "engine/dur_answer.h"
#include "engine/dur_base.h"
#include "engine/dur_run.h"

typedef struct dur_engine_s  dur_engine_t;

/* The output of a step.  Larger ones than 512 KiB are not published, as here
 * below.  DUR_ENOMEM. */
dur_rc_t dur_publish_step(dur_engine_t *e, const dur_run_t *run,
    dur_str_t name, dur_str_t output);

/* The result of a run that has ended, or its error; metadata has its
 * status. */
dur_rc_t dur_publish_run(dur_engine_t *e, const dur_run_t *run,
    dur_str_t output);

/* opts of the step, and what came of it; an error, or one without a channel,
 * is not published.  Without a topic it is "data". */
dur_rc_t dur_publish_gateway(dur_engine_t *e, const dur_ulid_t *run,
    dur_str_t opts, const dur_answer_t *answer);

#endif /* DUR_PUBLISH_H */
