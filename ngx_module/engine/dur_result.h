/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What an item's end means: the result of a call, a timer that is due, an
 * executor that was lost.  Here the rules of protocol 4.2, 4.6 and 5 meet.
 */

#ifndef DUR_RESULT_H
#define DUR_RESULT_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"
#include "engine/dur_queue.h"

/* The op RESULT.  Stale results are settled (ACK) and dropped. */
dur_rc_t dur_result_apply(dur_engine_t *e, const dur_op_result_t *result,
    dur_reply_t *reply);

/* The item's timer fired; it stands in no table now. */
dur_rc_t dur_result_due(dur_engine_t *e, dur_item_t *item);

/*
 * A step that waited has its memo: written unless it has one already, and the
 * next call of the run asked for.  `output` is JSON.  Reads and writes the
 * run; nothing when the run has ended or the step does not wait.
 */
dur_rc_t dur_result_resume(dur_engine_t *e, const dur_ulid_t *run,
    const dur_hash_t *step, uint8_t wrap, dur_str_t output);

/* The item was leased to executors that were lost, too often: one attempt is
 * used up.  It stands in no table now. */
dur_rc_t dur_result_lost(dur_engine_t *e, dur_item_t *item);

/* The run behind the result of an op that broke an invariant: Failed. */
dur_rc_t dur_result_poison(dur_engine_t *e, const dur_op_result_t *result);

#endif /* DUR_RESULT_H */
