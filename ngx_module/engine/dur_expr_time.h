/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Instants and durations in expressions, both in milliseconds.  Called
 * through the table of dur_expr_func.c; the present comes with the variables.
 */

#ifndef DUR_EXPR_TIME_H
#define DUR_EXPR_TIME_H

#include "engine/dur_expr_func.h"

/* What the getters get: `extra` of the table. */
typedef enum {
    DUR_EXPR_YEAR = 0,
    DUR_EXPR_MONTH,
    DUR_EXPR_DATE,
    DUR_EXPR_DAY_OF_MONTH,
    DUR_EXPR_DAY_OF_WEEK,
    DUR_EXPR_DAY_OF_YEAR,
    DUR_EXPR_HOURS,
    DUR_EXPR_MINUTES,
    DUR_EXPR_SECONDS,
    DUR_EXPR_MILLISECONDS
} dur_expr_field_t;

dur_expr_value_t dur_expr_time_get(const dur_expr_args_t *a);
dur_expr_value_t dur_expr_time_duration(const dur_expr_args_t *a);
dur_expr_value_t dur_expr_time_timestamp(const dur_expr_args_t *a);
dur_expr_value_t dur_expr_time_date(const dur_expr_args_t *a);
/* extra: 0 now, 1 now_plus, 2 now_minus */
dur_expr_value_t dur_expr_time_now(const dur_expr_args_t *a);

#endif /* DUR_EXPR_TIME_H */
