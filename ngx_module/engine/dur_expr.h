/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Expressions over events: CEL as Inngest speaks it (features 9), which is
 * what triggers, waits, keys and priorities are written in; the language is
 * docs/expressions.md.
 *
 * A text is compiled once, to a tree in one piece of memory, and evaluated
 * many times.  Depth and size have limits when it is compiled, the work has
 * one when it is evaluated.  The instant is an argument.  What is computed
 * (joined strings, lists) is made in the caller's arena; comparisons of
 * fields with each other and with literals allocate nothing.
 *
 *     dur_expr_lex, _build, _parse    text to tree
 *     dur_expr_check                  types that cannot fit
 *     dur_expr_node                   the tree and the values
 *     dur_expr_value, dur_expr_text   equality, order; values as text
 *     dur_expr_op                     operators
 *     dur_expr_func                   the functions, those on text
 *     dur_expr_conv, dur_expr_time    conversions, instants and durations
 *     dur_expr_run                    the walk over the tree
 *     dur_expr_path                   what waits ask of a tree
 *
 * Those but the last are for this unit alone.
 */

#ifndef DUR_EXPR_H
#define DUR_EXPR_H

#include "engine/dur_base.h"

#include <jansson.h>

typedef struct dur_expr_s  dur_expr_t;

/*
 * What an expression sees; all borrowed.  NULL: there is no such event.
 * event_null is for waits (features 9.7): a field that is missing in `event`
 * is null where it is compared or listed, so that it equals one that is
 * missing in `async`; so is one that is missing in a named root.
 */
typedef struct {
    const json_t  *event;
    const json_t  *async;
    int64_t        now_ms;
    bool           event_null;
} dur_expr_vars_t;

typedef enum {
    DUR_EXPR_NULL = 0,
    DUR_EXPR_BOOL,
    DUR_EXPR_INT,
    DUR_EXPR_DOUBLE,
    DUR_EXPR_STRING,
    DUR_EXPR_JSON               /* a list or a map, as JSON text */
} dur_expr_type_t;

typedef struct {
    dur_expr_type_t  type;
    bool             field;     /* a value as it stands in an event */
    bool             boolean;
    int64_t          integer;
    double           number;    /* of an integer too */
    dur_str_t        text;      /* from the arena or borrowed from vars */
} dur_expr_result_t;

/*
 * Heap object; on DUR_EINVAL err holds a sentence that ends with the place,
 * such as ", at column 12".  Types that cannot fit are refused here, as
 * features 9.6 has it for all expressions but keys and priorities: those are
 * only parsed, and what does not fit is an error when it is evaluated.
 */
dur_rc_t dur_expr_compile(dur_str_t text, dur_expr_t **expr, char err[160]);
dur_rc_t dur_expr_parse(dur_str_t text, dur_expr_t **expr, char err[160]);
void dur_expr_free(dur_expr_t *expr);

/* Compiles with roots besides `event` and `async`, at most 32; the names are
 * not kept. */
dur_rc_t dur_expr_compile_named(dur_str_t text, const dur_str_t *names,
    size_t n, dur_expr_t **expr, char err[160]);

/* DUR_EINVAL and a sentence when the expression has no value; what is missing
 * as a whole is false.  An expression is evaluated by one thread at a time. */
dur_rc_t dur_expr_eval(const dur_expr_t *expr, const dur_expr_vars_t *vars,
    dur_arena_t *arena, dur_expr_result_t *result, char err[160]);

/* The same for dur_expr_compile_named(): the values of the roots, in the order
 * of their names; one that is NULL is missing. */
dur_rc_t dur_expr_eval_named(const dur_expr_t *expr,
    const dur_expr_vars_t *vars, const json_t *const *named,
    dur_arena_t *arena, dur_expr_result_t *result, char err[160]);

/* Whether the value is true; all else, errors too, is not.  DUR_ENOMEM. */
dur_rc_t dur_expr_true(const dur_expr_t *expr, const dur_expr_vars_t *vars,
    dur_arena_t *arena, bool *value);

typedef struct {
    bool      value;
    uint64_t  work;             /* units that it took */
} dur_expr_truth_t;

/* The same for dur_expr_compile_named(). */
dur_rc_t dur_expr_true_named(const dur_expr_t *expr,
    const dur_expr_vars_t *vars, const json_t *const *named,
    dur_arena_t *arena, dur_expr_truth_t *truth);

#endif /* DUR_EXPR_H */
