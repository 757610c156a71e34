/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * From the text of an expression to its tree: precedence, names, macros,
 * functions and their number of arguments.
 */

#ifndef DUR_EXPR_PARSE_H
#define DUR_EXPR_PARSE_H

#include "engine/dur_expr_node.h"

/* Fills in nodes and root; pool is there.  On failure the nodes made so far
 * are in expr, with their patterns, for dur_expr_free(). */
dur_rc_t dur_expr_tree(dur_expr_t *expr, dur_str_t text,
    const dur_str_t *names, size_t n, char err[160]);

#endif /* DUR_EXPR_PARSE_H */
