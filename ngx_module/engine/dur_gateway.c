/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_gateway.h"


dur_rc_t
dur_gateway_build(uint8_t op, dur_str_t opts, const dur_gateway_call_t *call)
{
    (void) op;
    (void) opts;
    (void) call;

    return DUR_EINVAL;
}


const char *
dur_gateway_check(uint8_t op, dur_str_t opts)
{
    (void) op;
    (void) opts;

    return NULL;
}


dur_rc_t
dur_gateway_answer(const dur_op_result_t *result, const dur_hash_t *id,
    const dur_step_t *step, int64_t now_ms, dur_arena_t *arena,
    dur_answer_t *answer)
{
    (void) id;
    (void) step;

    return dur_answer_parse(result, now_ms, arena, answer);
}
