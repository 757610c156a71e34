/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What an expression says about two events of which only one is known yet
 * (features 9.7): the fields of the known one that it uses, the field of the
 * other one that must have a certain value, and whether it can be true at all.
 * Waits are stored and found by this.
 *
 * A path is a chain of names, event.data.id or event['data'].id.  It ends
 * where an index is computed or counts; what is behind that belongs to the
 * field as a whole, as does what a macro looks through.
 */

#ifndef DUR_EXPR_PATH_H
#define DUR_EXPR_PATH_H

#include "engine/dur_expr.h"

#define DUR_EXPR_PATH_NAMES  8          /* what is deeper is the whole field */

/* Outermost name first; without a name the event itself. */
typedef struct {
    unsigned   n;
    bool       whole;                   /* cut off: the field it leads to is
                                           not the one that was written */
    dur_str_t  names[DUR_EXPR_PATH_NAMES];
} dur_expr_path_t;

/* async.<path> == value, either way round. */
typedef struct {
    dur_expr_path_t  path;
    json_t          *value;             /* the caller's to release */
} dur_expr_equality_t;

/* The field of an object; NULL when it is missing.  Borrowed. */
const json_t *dur_expr_path_get(const dur_expr_path_t *path,
    const json_t *event);

/* Whether it looks at `event` at all, and how many times. */
bool dur_expr_uses_event(const dur_expr_t *expr);
unsigned dur_expr_count_event(const dur_expr_t *expr);

/*
 * What the expression takes of a named root (dur_expr_compile_named()), one
 * use after the other; *at starts at 0.  False when there are no more; the
 * field has no data when the root is used as a whole.
 */
bool dur_expr_uses(const dur_expr_t *expr, unsigned name, size_t *at,
    dur_str_t *field);

/*
 * The part of `event` that the expression uses as `event`: evaluated with
 * either it has the same value.  A new reference; the fields are shared with
 * `event`.  NULL without memory.
 */
json_t *dur_expr_project(const dur_expr_t *expr, const json_t *event);

/* The same of an event's text, an object that dur_json_parse() accepts and
 * that begins with its bracket: each use is one pass over it, and only what is
 * used is parsed. */
json_t *dur_expr_project_text(const dur_expr_t *expr, dur_str_t text);

/*
 * The first equality that must hold for the expression to be true, between a
 * field of the second event and a literal or a field of `event` (null when
 * that is missing).  False when there is none.  The names are borrowed from
 * the expression.
 */
bool dur_expr_equality(const dur_expr_t *expr, const json_t *event,
    dur_expr_equality_t *equality);

/* Whether the expression is not true whatever the second event is and
 * whenever it comes; vars->async is not looked at.  DUR_ENOMEM. */
dur_rc_t dur_expr_never(const dur_expr_t *expr, const dur_expr_vars_t *vars,
    dur_arena_t *arena, bool *never);

#endif /* DUR_EXPR_PATH_H */
