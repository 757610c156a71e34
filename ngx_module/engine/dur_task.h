/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Bounded tasks: what one op may not finish in its own transaction goes on in
 * later batches, a piece at a time, from a row that says where to go on.
 * Tasks survive a crash like everything else.
 */

#ifndef DUR_TASK_H
#define DUR_TASK_H

#include "engine/dur_base.h"
#include "engine/dur_store.h"

typedef struct dur_engine_s  dur_engine_t;

/* Start runs for the functions from id `cursor` on. */
dur_rc_t dur_task_fan_out(dur_engine_t *e, const dur_ulid_t *event,
    uint32_t cursor, bool quiet);

/* One piece of the oldest task, and of retention; about DUR_OP_ROWS rows. */
dur_rc_t dur_task_run(dur_engine_t *e);

#endif /* DUR_TASK_H */
