/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The functions of the expression language: their names and types, for the
 * parser and the check, and those that work on strings, lists and maps.
 */

#ifndef DUR_EXPR_FUNC_H
#define DUR_EXPR_FUNC_H

#include "engine/dur_expr_node.h"

#define DUR_EXPR_GLOBAL  1              /* f(x) */
#define DUR_EXPR_METHOD  2              /* x.f() */

/* Of one call: neither missing nor errors, of the kinds of the table. */
typedef struct {
    dur_expr_run_t         *run;
    const dur_expr_node_t  *node;
    unsigned                extra;      /* of the table */
    size_t                  n;
    dur_expr_value_t        v[DUR_EXPR_ARGS];
} dur_expr_args_t;

typedef dur_expr_value_t (*dur_expr_call_pt)(const dur_expr_args_t *a);

typedef struct {
    const char        *name;
    uint8_t            style;
    uint8_t            least;           /* arguments, with the receiver */
    uint8_t            most;
    uint8_t            extra;
    uint32_t           args[DUR_EXPR_ARGS];
    uint32_t           result;
    dur_expr_call_pt   call;
} dur_expr_function_t;

/* NULL behind the last one. */
const dur_expr_function_t *dur_expr_function(size_t id);

/* The id of the function with this name, -1. */
int dur_expr_function_find(dur_str_t name);

/* True for the one whose literal argument is compiled with the tree. */
bool dur_expr_function_regex(const dur_expr_function_t *f);
/* True for the one that has a value for what is missing. */
bool dur_expr_function_size(const dur_expr_function_t *f);
/* True for those whose value depends on the instant. */
bool dur_expr_function_timed(const dur_expr_function_t *f);

#endif /* DUR_EXPR_FUNC_H */
