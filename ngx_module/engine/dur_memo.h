/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The memos of a run as the SDK reads them (protocol 4.4): the `steps` map
 * and the `stack`, in one walk over the step table.  Read side only.
 */

#ifndef DUR_MEMO_H
#define DUR_MEMO_H

#include "engine/dur_base.h"
#include "engine/dur_run.h"

/* Appends {"<hash>": memo, ...} in JCS order with canonical values. */
dur_rc_t dur_memo_steps(dur_txn_t *t, const dur_run_t *run, dur_buf_t *out,
    dur_buf_t *scratch);

/* The same in the order in which the steps were done: without a stack, SDKs
 * take it from the map. */
dur_rc_t dur_memo_in_order(dur_txn_t *t, const dur_run_t *run, dur_buf_t *out,
    dur_buf_t *scratch);

/* Appends ["<hash>", ...] in the order in which the steps were done. */
dur_rc_t dur_memo_stack(dur_txn_t *t, const dur_run_t *run, dur_buf_t *out,
    dur_buf_t *scratch);

#endif /* DUR_MEMO_H */
