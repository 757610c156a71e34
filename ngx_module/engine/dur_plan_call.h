/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The request of a workflow's step, from the definition and the memos, and
 * what its answer means.
 */

#ifndef DUR_PLAN_CALL_H
#define DUR_PLAN_CALL_H

#include "engine/dur_answer.h"
#include "engine/dur_gateway.h"
#include "engine/dur_plan.h"

/* Gives the value that "file:/path" or "env:NAME" stands for; false when
 * nginx.conf does not name it any more. */
typedef bool (*dur_plan_secret_pt)(void *data, dur_str_t reference,
    dur_str_t *value);

typedef struct {
    dur_plan_secret_pt  get;            /* NULL: there are none */
    void               *data;
} dur_plan_secrets_t;

/*
 * The body is what `body` says, else {"attempt","event","run_id","step",
 * "steps"}; a GET or a HEAD has none.  DUR_EINVAL and a sentence when an
 * expression has no value; DUR_EACCES and one when a secret is not there;
 * DUR_ETOOBIG.
 */
dur_rc_t dur_plan_request(const dur_plan_def_t *def, const dur_plan_at_t *at,
    const dur_plan_memo_t *memo, const dur_plan_secrets_t *secrets,
    const dur_gateway_call_t *call, dur_arena_t *arena, char err[256]);

/*
 * DONE with the body, which is JSON (null for an empty one), for a status
 * that is expected (2xx).  408, 429, 5xx, no answer, and what is no JSON or
 * larger than `most`: ERROR, to be tried again; Retry-After counts.  Every
 * other status, and what the address policy refuses: ERROR that is final.
 */
dur_rc_t dur_plan_answer(const dur_plan_node_t *node,
    const dur_op_result_t *result, uint64_t most, int64_t now_ms,
    dur_arena_t *arena, dur_answer_t *answer);

#endif /* DUR_PLAN_CALL_H */
