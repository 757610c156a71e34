/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Values of expressions as text: what + joins and string() makes, and JSON.
 * Both are written to the buffer of the evaluation first.
 */

#ifndef DUR_EXPR_TEXT_H
#define DUR_EXPR_TEXT_H

#include "engine/dur_expr_node.h"

/* Appends the text that + joins. */
void dur_expr_text(dur_expr_run_t *run, dur_expr_value_t v);
/* Appends JSON. */
void dur_expr_write(dur_expr_run_t *run, dur_expr_value_t v);
/* The buffer as a string in the arena; the buffer is empty then. */
dur_expr_value_t dur_expr_taken(dur_expr_run_t *run);

#endif /* DUR_EXPR_TEXT_H */
