/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What can be said of the types of an expression without an event (features
 * 9.6): fields may be anything, literals and the values of functions may not.
 */

#ifndef DUR_EXPR_CHECK_H
#define DUR_EXPR_CHECK_H

#include "engine/dur_expr_node.h"

/* DUR_EINVAL and a sentence with the place. */
dur_rc_t dur_expr_check(const dur_expr_t *expr, char err[160]);

#endif /* DUR_EXPR_CHECK_H */
