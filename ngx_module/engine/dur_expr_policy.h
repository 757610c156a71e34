/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The restrictive policy of features 9.6: an expression that every event of a
 * name meets once per waiting run may compare and choose, but not compute.
 */

#ifndef DUR_EXPR_POLICY_H
#define DUR_EXPR_POLICY_H

#include "engine/dur_expr.h"

/* DUR_EINVAL and a sentence with the place of the first thing that is neither
 * a comparison, logic, a condition, a field or int(), uint(), double(). */
dur_rc_t dur_expr_restricted(const dur_expr_t *expr, char err[160]);

#endif /* DUR_EXPR_POLICY_H */
