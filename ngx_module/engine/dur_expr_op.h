/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The operators, with the coercions and the rules for what is missing that
 * features 9.3 and 9.4 add to CEL.
 */

#ifndef DUR_EXPR_OP_H
#define DUR_EXPR_OP_H

#include "engine/dur_expr_node.h"

/* Operands may be anything, also missing or errors. */
dur_expr_value_t dur_expr_apply(dur_expr_run_t *run, dur_expr_binary_t op,
    dur_expr_value_t a, dur_expr_value_t b);
dur_expr_value_t dur_expr_not(dur_expr_value_t v);
dur_expr_value_t dur_expr_negate(dur_expr_value_t v);

/* An instant of the years 1 to 9999, and a duration; otherwise an error. */
dur_expr_value_t dur_expr_time(int64_t ms);
dur_expr_value_t dur_expr_duration(int64_t ms);

#endif /* DUR_EXPR_OP_H */
