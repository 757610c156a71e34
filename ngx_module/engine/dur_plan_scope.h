/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What the expressions of a workflow see: `event`, `events`, `run_id`,
 * `attempt`, `steps`, and in loops `index` and the item under its name.
 *
 * Only what an expression uses is read and parsed.  Outside of its loop a step
 * of foreach is a list, one of until that of the last round; a step that did
 * not run is missing, which is null.
 *
 * For the dur_plan units alone.
 */

#ifndef DUR_PLAN_SCOPE_H
#define DUR_PLAN_SCOPE_H

#include "engine/dur_plan.h"

/* The names of the roots; those of items follow. */
typedef enum {
    DUR_PLAN_ROOT_STEPS = 0,
    DUR_PLAN_ROOT_EVENTS,
    DUR_PLAN_ROOT_RUN,
    DUR_PLAN_ROOT_ATTEMPT,
    DUR_PLAN_ROOT_INDEX,
    DUR_PLAN_ROOTS
} dur_plan_root_t;

#define DUR_PLAN_NAMES  (DUR_PLAN_ROOTS + DUR_PLAN_DEPTH)

/* Fills in the names that a directive sees; how many there are. */
size_t dur_plan_names(const dur_plan_node_t *node,
    dur_str_t names[DUR_PLAN_NAMES]);

/* What the last word of a header's value refers to, "file:/path" or
 * "env:NAME"; empty when it is a word like others. */
dur_str_t dur_plan_reference(dur_str_t value);

/* What is known while one plan, or one request, is made. */
typedef struct {
    const dur_plan_def_t   *def;
    const dur_plan_memo_t  *memo;
    dur_arena_t            *arena;
    json_t                 *event;
    json_t                 *events;
    json_t                **outputs;    /* by number, of steps outside of
                                           loops */
    json_t                **lists;      /* of foreach outside of loops */
    char                    err[256];
} dur_plan_scope_t;

void dur_plan_scope_init(dur_plan_scope_t *s, const dur_plan_def_t *def,
    const dur_plan_memo_t *memo, dur_arena_t *arena);
void dur_plan_scope_deinit(dur_plan_scope_t *s);

/* The value of an expression where it stands.  DUR_EINVAL: it has none, the
 * sentence is s->err. */
dur_rc_t dur_plan_eval(dur_plan_scope_t *s, const dur_plan_expr_t *expr,
    const dur_plan_at_t *at, dur_expr_result_t *result);

/*
 * What a step is to the directive `at`: loops that are around both are in the
 * same round; a loop that is `at` itself counts as around it.  NULL: the step
 * did not run; else a new reference.
 */
dur_rc_t dur_plan_value_of(dur_plan_scope_t *s, const dur_plan_node_t *step,
    const dur_plan_at_t *at, json_t **value);

/* Appends the value as JSON. */
void dur_plan_write(dur_buf_t *b, const dur_expr_result_t *result);

/* The list that a foreach walks; a new reference.  DUR_EINVAL: it is none. */
dur_rc_t dur_plan_list(dur_plan_scope_t *s, const dur_plan_at_t *loop,
    json_t **list);

/* Whether the directive, or anything in its block, was started. */
bool dur_plan_started(const dur_plan_memo_t *memo, const dur_plan_at_t *at);

#endif /* DUR_PLAN_SCOPE_H */
