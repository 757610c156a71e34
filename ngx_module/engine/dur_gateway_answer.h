/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What came back for a gateway (protocol 5.9, 5.10), as an SDK would have
 * reported it.  Pure; knows no store.
 */

#ifndef DUR_GATEWAY_ANSWER_H
#define DUR_GATEWAY_ANSWER_H

#include "engine/dur_base.h"
#include "engine/dur_answer.h"
#include "engine/dur_op.h"
#include "engine/dur_step.h"

/* What the answer to a request is judged by. */
typedef struct {
    const dur_hash_t  *id;
    const dur_step_t  *step;
    dur_str_t          opts;            /* the step's input */
    uint64_t           max_output;
    int64_t            now_ms;
} dur_gateway_t;

/*
 * The result of the request as an answer: one StepRun or StepError op.
 *
 *   Gateway    every HTTP status is data: {"body","headers","status_code",
 *              "url"}.  Bytes of the body that are not UTF-8 become U+FFFD;
 *              header names are in lower case, repeated ones joined by ",".
 *   AIGateway  the JSON of the provider; a status over 299 and a body that is
 *              not JSON are errors with the body as `data` and `stack`.
 *
 * A transport failure is an error; one of the address policy is final.
 */
dur_rc_t dur_gateway_answer(const dur_gateway_t *gateway,
    const dur_op_result_t *result, dur_arena_t *arena, dur_answer_t *answer);

/* Appends the headers of an answer as a JSON object: one member for each name,
 * without what says how the body was packed. */
void dur_gateway_write_headers(dur_buf_t *b, dur_str_t headers);

/* An error object of the op's kind, JSON from the arena; empty without
 * memory. */
dur_str_t dur_gateway_error(uint8_t op, const char *message,
    dur_arena_t *arena);

#endif /* DUR_GATEWAY_ANSWER_H */
