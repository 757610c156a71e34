/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The walk over the tree of an expression.  Its recursion is as deep as the
 * tree is high, its work is counted.
 */

#ifndef DUR_EXPR_RUN_H
#define DUR_EXPR_RUN_H

#include "engine/dur_expr_node.h"

dur_expr_value_t dur_expr_walk(dur_expr_run_t *run, uint16_t id);

#endif /* DUR_EXPR_RUN_H */
