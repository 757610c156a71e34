/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What can be done with values of expressions, whatever made them: fields of
 * JSON and of computed lists and maps look the same from here on.
 */

#ifndef DUR_EXPR_VALUE_H
#define DUR_EXPR_VALUE_H

#include "engine/dur_expr_node.h"

/* NULL is missing.  Integral numbers are ints with the json flag. */
dur_expr_value_t dur_expr_from_json(const json_t *json);

size_t dur_expr_size(dur_expr_value_t list_or_map);
dur_expr_value_t dur_expr_item(dur_expr_value_t list, size_t i);
/* Missing when there is no such key. */
dur_expr_value_t dur_expr_get(dur_expr_run_t *run, dur_expr_value_t map,
    dur_expr_value_t key);
/* The keys of a map, as a list in the arena. */
dur_expr_value_t dur_expr_keys(dur_expr_run_t *run, dur_expr_value_t map);

/* Deep equality; values of different types are not equal, numbers of
 * different types may be.  Neither is missing or an error. */
bool dur_expr_equal(dur_expr_run_t *run, dur_expr_value_t a,
    dur_expr_value_t b);

/* *order is -1, 0, 1, or 2 for not a number; false: they have no order. */
bool dur_expr_order(dur_expr_value_t a, dur_expr_value_t b, int *order);

bool dur_expr_truthy(dur_expr_value_t v);

/* The double that a number is. */
double dur_expr_to_double(dur_expr_value_t v);
/* The int that a number is without loss. */
bool dur_expr_to_int(dur_expr_value_t v, int64_t *i);

/* What `v` is to the table of functions: a set of kinds. */
uint32_t dur_expr_kinds(dur_expr_value_t v);

/* n bytes of the arena, paid for; NULL when there is no memory or no work
 * left, which ends the evaluation. */
void *dur_expr_alloc(dur_expr_run_t *run, size_t n);
/* What a function returns when that was NULL. */
dur_expr_value_t dur_expr_nomem(void);

#endif /* DUR_EXPR_VALUE_H */
