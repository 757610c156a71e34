/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Gateways (protocol 5.9, 5.10): requests that the server itself makes for a
 * step, step.fetch and step.ai.infer.  The op's opts are kept as the step's
 * input; the request is built from them when it is sent, and what comes back
 * is put as an SDK would have answered, so attempts, memos and history are
 * those of any other step.
 */

#ifndef DUR_GATEWAY_H
#define DUR_GATEWAY_H

#include "engine/dur_base.h"
#include "engine/dur_answer.h"
#include "engine/dur_op.h"
#include "engine/dur_step.h"

typedef struct {
    dur_buf_t  *method;
    dur_buf_t  *url;
    dur_buf_t  *headers;        /* "Name: value\n" lines */
    dur_buf_t  *body;
} dur_gateway_call_t;

/* The request of a step; opts is its input, JSON.  DUR_EINVAL: it cannot be
 * sent (dur_gateway_check() refused it). */
dur_rc_t dur_gateway_build(uint8_t op, dur_str_t opts,
    const dur_gateway_call_t *call);

/* NULL, or a sentence: what is wrong with the opts of an op. */
const char *dur_gateway_check(uint8_t op, dur_str_t opts);

/* The result of the request as an answer: one StepRun or StepError op. */
dur_rc_t dur_gateway_answer(const dur_op_result_t *result,
    const dur_hash_t *id, const dur_step_t *step, int64_t now_ms,
    dur_arena_t *arena, dur_answer_t *answer);

#endif /* DUR_GATEWAY_H */
