/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Expressions over an event.  Today the one form that failure handlers and
 * defers need: comparisons of a path with a literal,
 *
 *     event.data.function_id == 'myapp-full'
 *
 * joined by && where there are several; literals are strings in either kind
 * of quotes, integers, true, false and null; == and != are known.  Anything
 * else is refused when it is compiled, with a sentence.  The full language
 * takes this unit's place behind the same three functions.
 */

#ifndef DUR_EXPR_H
#define DUR_EXPR_H

#include "engine/dur_base.h"

#include <jansson.h>

typedef struct dur_expr_s  dur_expr_t;

/* Heap object; on DUR_EINVAL err holds a sentence with the position. */
dur_rc_t dur_expr_compile(dur_str_t text, dur_expr_t **expr, char err[160]);
void dur_expr_free(dur_expr_t *expr);

/* `event` is borrowed.  A missing path equals only null.  Never fails and
 * never allocates. */
bool dur_expr_true(const dur_expr_t *expr, const json_t *event);

#endif /* DUR_EXPR_H */
