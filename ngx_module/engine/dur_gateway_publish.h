/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The result of a gateway as a realtime message, for steps that ask for it
 * with opts.publish {"channel","topic"} (protocol 8.3).  An effect: who
 * listens hears it after the commit.
 */

#ifndef DUR_GATEWAY_PUBLISH_H
#define DUR_GATEWAY_PUBLISH_H

#include "engine/dur_answer.h"
#include "engine/dur_base.h"

typedef struct dur_engine_s  dur_engine_t;

/* opts of the step, and what came of it; an error, or one without a channel,
 * is not published.  Without a topic it is "data".  DUR_ENOMEM. */
dur_rc_t dur_gateway_publish(dur_engine_t *e, const dur_ulid_t *run,
    dur_str_t opts, const dur_answer_t *answer);

#endif /* DUR_GATEWAY_PUBLISH_H */
