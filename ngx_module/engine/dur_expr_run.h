/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The walk over the tree of an expression.  Its recursion is as deep as the
 * tree is high, its work is counted.
 */

#ifndef DUR_EXPR_RUN_H
#define DUR_EXPR_RUN_H

#include "engine/dur_expr_node.h"

/* One evaluation, of the tree or of parts of it: what its values point to is
 * there until the end, and longer in the arena. */
void dur_expr_begin(dur_expr_run_t *run, const dur_expr_t *expr,
    const dur_expr_vars_t *vars, dur_arena_t *arena);
void dur_expr_end(dur_expr_run_t *run);

dur_expr_value_t dur_expr_walk(dur_expr_run_t *run, uint16_t id);

#endif /* DUR_EXPR_RUN_H */
