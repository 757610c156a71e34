/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Event-id idempotency (protocol 1.5): one run per function and client event
 * id, while the run lives and 24 hours after it ended.  Rows are grouped in
 * buckets of 12 hours, so they go away bucket by bucket; the row of a run
 * that still lives moves on to the present bucket.  The answers of ops that
 * must not act twice live in the same buckets.
 */

#ifndef DUR_IDEM_H
#define DUR_IDEM_H

#include "engine/dur_base.h"
#include "engine/dur_run.h"

/* DUR_EEXIST when the key has a run; else it is taken for `run`, which learns
 * bucket and hash. */
dur_rc_t dur_idem_take(dur_engine_t *e, dur_run_t *run, dur_str_t client_id);

/* The run never began: its event may start another one. */
dur_rc_t dur_idem_forget(dur_engine_t *e, dur_run_t *run);

/* The run ended now: its 24 hours begin. */
dur_rc_t dur_idem_ended(dur_engine_t *e, dur_run_t *run);

/*
 * What an op answered, under the id that its worker made: it must not act
 * twice when it is sent again.  DUR_ENOTFOUND; the body is from the arena.
 */
dur_rc_t dur_idem_answer_get(dur_engine_t *e, const dur_ulid_t *id,
    dur_reply_t *reply);
dur_rc_t dur_idem_answer_put(dur_engine_t *e, const dur_ulid_t *id,
    const dur_reply_t *reply);

/* Drops expired rows within *budget; *next is when there may be more (ms). */
dur_rc_t dur_idem_expire(dur_engine_t *e, unsigned *budget, int64_t *next);

#endif /* DUR_IDEM_H */
