/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Reruns (features 8): a new run of the same event, from the beginning, or
 * from a step on, whose earlier steps are then known and whose input may be
 * edited.
 */

#ifndef DUR_RERUN_H
#define DUR_RERUN_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"
#include "engine/dur_registry.h"
#include "engine/dur_run.h"

typedef struct dur_engine_s  dur_engine_t;

/* The op RERUN. */
dur_rc_t dur_rerun_apply(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply);

/* The same of an ended run, from the beginning; the caller decided whether.
 * DUR_ENOTFOUND: retention is deleting its event. */
dur_rc_t dur_rerun_whole(dur_engine_t *e, const dur_run_t *old,
    const dur_function_t *fn, dur_ulid_t *id);

/* One piece of the copy of a run's memos; the cursor is dur_rerun's own. */
dur_rc_t dur_rerun_more(dur_engine_t *e, const dur_ulid_t *run,
    dur_buf_t *cursor, bool *done);

/* That copy cannot go on: the new run is Failed. */
dur_rc_t dur_rerun_poison(dur_engine_t *e, const dur_ulid_t *run);

#endif /* DUR_RERUN_H */
