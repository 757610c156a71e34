/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Durable endpoints (protocol 6.3): a handler of an app that the client calls
 * itself, whose steps are reported from inside of it.  App, function and run
 * are made by the first report; when the SDK asks for something that takes
 * time the run goes on by calling the endpoint again.
 */

#ifndef DUR_ENDPOINT_H
#define DUR_ENDPOINT_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"

typedef struct dur_engine_s  dur_engine_t;

/* The op ENDPOINT. */
dur_rc_t dur_endpoint_apply(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply);

#endif /* DUR_ENDPOINT_H */
