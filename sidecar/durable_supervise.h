/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Keeps the sidecar and nginx running, shows what they say and what the
 * leader tells, and ends both in order.
 */

#ifndef DURABLE_SUPERVISE_H
#define DURABLE_SUPERVISE_H

#include "durable_setup.h"


/* Called once, when the server answers. */
typedef void (*durable_ready_pt)(const durable_setup_t *s);

/*
 * Starts both and returns when both have ended, with the exit status: 0 after
 * SIGINT or SIGTERM, 1 when they could not be kept running (said on stderr),
 * 130 after a second signal.  The signals must be blocked before
 * durable_setup_init(), by durable_supervise_block(), so that none comes
 * between.
 */
int durable_supervise(durable_setup_t *s, durable_ready_pt ready);

void durable_supervise_block(void);

#endif /* DURABLE_SUPERVISE_H */
