/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Definitions of workflows by function and version: a run keeps the one that
 * it started with.  A version that is not the newest goes with the last run of
 * it.  What was compiled is kept, by the engine and by whoever builds calls.
 *
 * Rows of DUR_T_DEFINITION: u32 function + u32 version -> the definition, and
 * with a byte 'n' behind them how many runs of it live.
 */

#ifndef DUR_WORKFLOW_STORE_H
#define DUR_WORKFLOW_STORE_H

#include "engine/dur_base.h"
#include "engine/dur_plan.h"
#include "engine/dur_store.h"

typedef struct dur_engine_s           dur_engine_t;
typedef struct dur_workflow_cache_s   dur_workflow_cache_t;

/*
 * The compiled definition; borrowed until the next call.  *cache is made when
 * it is NULL.  DUR_ENOTFOUND; DUR_ECORRUPT: another version of this program
 * took what this one refuses.
 */
dur_rc_t dur_workflow_def(dur_workflow_cache_t **cache, dur_txn_t *t,
    uint32_t function, uint32_t version, dur_plan_def_t **def);

/* Forgets everything: after an abort what was compiled may never have been.
 * NULL allowed. */
void dur_workflow_cache_free(dur_workflow_cache_t *cache);

dur_rc_t dur_workflow_def_put(dur_engine_t *e, uint32_t function,
    uint32_t version, dur_str_t json);
/* Whether this is what is stored. */
bool dur_workflow_def_is(dur_engine_t *e, uint32_t function,
    uint32_t version, dur_str_t json);

/* Runs of a version more, or less; one that is `old` goes with its last run,
 * or at once when it has none. */
dur_rc_t dur_workflow_def_count(dur_engine_t *e, uint32_t function,
    uint32_t version, int change, bool old);

#endif /* DUR_WORKFLOW_STORE_H */
