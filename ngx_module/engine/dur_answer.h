/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What an app answered to a call, made plain (protocol 4.2, 5): either ops, or
 * the function's return value, or an error.  Pure; knows no store.
 */

#ifndef DUR_ANSWER_H
#define DUR_ANSWER_H

#include "engine/dur_base.h"
#include "engine/dur_answer_op.h"
#include "engine/dur_op.h"

typedef enum {
    DUR_ANSWER_OPS = 1,
    DUR_ANSWER_DONE,
    DUR_ANSWER_ERROR
} dur_answer_kind_t;

typedef struct {
    dur_answer_kind_t  kind;
    size_t             nops;
    dur_answer_op_t   *ops;
    dur_str_t          output;          /* DONE: JSON */
    bool               missed;          /* DONE: or the step was not found */
    dur_str_t          error;           /* ERROR: normalised JSON object */
    dur_str_t          message;         /* ERROR: for people */
    bool               no_retry;
    int64_t            retry_at;        /* Retry-After, 0: none */
    uint8_t            request_version; /* 0: no header */
    dur_str_t          excerpt;         /* forwards: its first bytes, for
                                           people */
} dur_answer_t;

/*
 * Everything is from the arena or borrowed from the result.  DUR_OK for any
 * input; DUR_ENOMEM.
 */
dur_rc_t dur_answer_parse(const dur_op_result_t *result, int64_t now_ms,
    dur_arena_t *arena, dur_answer_t *answer);

/* Value of a header in "name: value\n" lines, trimmed; empty when absent. */
dur_str_t dur_headers_get(dur_str_t headers, const char *name);

/* An error object {"error","message","name"} as the answer. */
dur_rc_t dur_answer_error(dur_arena_t *arena, dur_answer_t *answer,
    const char *name, dur_str_t message, dur_str_t stack);

#endif /* DUR_ANSWER_H */
