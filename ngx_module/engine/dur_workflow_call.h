/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The request of a workflow's step, from what is stored: for dur_call alone.
 */

#ifndef DUR_WORKFLOW_CALL_H
#define DUR_WORKFLOW_CALL_H

#include "engine/dur_call.h"
#include "engine/dur_config.h"
#include "engine/dur_run.h"

/* DUR_EINVAL: it can never be made, DUR_EACCES: not now; call->error says
 * why. */
dur_rc_t dur_workflow_build(dur_txn_t *txn, const dur_item_t *item,
    const dur_run_t *run, const dur_call_options_t *options,
    dur_call_t *call);

#endif /* DUR_WORKFLOW_CALL_H */
