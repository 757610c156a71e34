/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The conversions of expressions: int(x), string(x) and the others.  Called
 * through the table of dur_expr_func.c.
 */

#ifndef DUR_EXPR_CONV_H
#define DUR_EXPR_CONV_H

#include "engine/dur_expr_func.h"

dur_expr_value_t dur_expr_conv_int(const dur_expr_args_t *a);
dur_expr_value_t dur_expr_conv_uint(const dur_expr_args_t *a);
dur_expr_value_t dur_expr_conv_double(const dur_expr_args_t *a);
dur_expr_value_t dur_expr_conv_string(const dur_expr_args_t *a);
dur_expr_value_t dur_expr_conv_bytes(const dur_expr_args_t *a);
dur_expr_value_t dur_expr_conv_bool(const dur_expr_args_t *a);
dur_expr_value_t dur_expr_conv_dyn(const dur_expr_args_t *a);
dur_expr_value_t dur_expr_conv_type(const dur_expr_args_t *a);

#endif /* DUR_EXPR_CONV_H */
