/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_expr_check.h"
#include "engine/dur_expr_func.h"
#include "engine/dur_expr_lex.h"


#define DUR_EXPR_M_RANGE  (DUR_EXPR_M(LIST) | DUR_EXPR_M(MAP))
#define DUR_EXPR_M_CLOCK  (DUR_EXPR_M(TIME) | DUR_EXPR_M(DURATION))


/* A set of kinds that a value may have; none once something is refused. */
typedef uint32_t  dur_expr_kinds_t;

typedef struct {
    const dur_expr_t  *expr;
    char              *err;
} dur_expr_checker_t;


static dur_expr_kinds_t dur_expr_check_node(dur_expr_checker_t *c,
    uint16_t id);


static const dur_expr_node_t *
dur_expr_child_at(const dur_expr_checker_t *c, uint16_t id)
{
    return &c->expr->nodes[id];
}


static dur_expr_kinds_t
dur_expr_mismatch(dur_expr_checker_t *c, const dur_expr_node_t *node,
    const char *text, const char *what)
{
    dur_expr_fail(c->err, node->line, node->column, text, what);

    return 0;
}


/* A child whose kind must be among those. */

static dur_expr_kinds_t
dur_expr_check_child(dur_expr_checker_t *c, uint16_t id,
    dur_expr_kinds_t kinds, const char *text, const char *what)
{
    dur_expr_kinds_t  k;

    k = dur_expr_check_node(c, id);

    if (k && !(k & kinds)) {
        return dur_expr_mismatch(c, dur_expr_child_at(c, id), text, what);
    }

    return k;
}


/* The child and those behind it, which may be anything. */

static bool
dur_expr_check_children(dur_expr_checker_t *c, uint16_t id)
{
    for ( ; id; id = dur_expr_child_at(c, id)->next) {
        if (dur_expr_check_node(c, id) == 0) {
            return false;
        }
    }

    return true;
}


static dur_expr_kinds_t
dur_expr_check_call(dur_expr_checker_t *c, const dur_expr_node_t *node)
{
    size_t                      i;
    uint16_t                    id;
    const dur_expr_function_t  *f;

    f = dur_expr_function(node->op);
    i = 0;

    for (id = node->first; id; id = dur_expr_child_at(c, id)->next) {
        if (!dur_expr_check_child(c, id, f->args[i++],
                                  "\"%s\" does not take this type", f->name))
        {
            return 0;
        }
    }

    return f->result;
}


static dur_expr_kinds_t
dur_expr_check_logic(dur_expr_checker_t *c, const dur_expr_node_t *node)
{
    uint16_t          id;
    dur_expr_kinds_t  k, kinds;

    kinds = 0;

    for (id = node->first; id; id = dur_expr_child_at(c, id)->next) {
        k = dur_expr_check_child(c, id, DUR_EXPR_M(BOOL), "\"%s\" needs true "
                                 "or false, not this type",
                                 node->kind == DUR_EXPR_N_AND ? "&&" : "||");
        if (k == 0) {
            return 0;
        }

        kinds |= k;
    }

    return kinds;
}


static dur_expr_kinds_t
dur_expr_check_if(dur_expr_checker_t *c, const dur_expr_node_t *node)
{
    uint16_t          yes;
    dur_expr_kinds_t  a, b;

    if (!dur_expr_check_child(c, node->first, DUR_EXPR_M(BOOL), "\"%s\" needs "
                              "true or false in front, not this type", "?"))
    {
        return 0;
    }

    yes = dur_expr_child_at(c, node->first)->next;
    a = dur_expr_check_node(c, yes);
    b = a ? dur_expr_check_node(c, dur_expr_child_at(c, yes)->next) : 0;

    return b ? a | b : 0;
}


static dur_expr_kinds_t
dur_expr_check_macro(dur_expr_checker_t *c, const dur_expr_node_t *node)
{
    uint16_t          id;
    dur_expr_kinds_t  kinds;

    if (!dur_expr_check_child(c, node->first, DUR_EXPR_M_RANGE,
                              "a macro needs a list or a map%s", ""))
    {
        return 0;
    }

    id = dur_expr_child_at(c, node->first)->next;

    for ( ; id; id = dur_expr_child_at(c, id)->next) {

        /* the last one of map makes the elements, all else are conditions */

        kinds = (node->op == DUR_EXPR_MAP && !dur_expr_child_at(c, id)->next)
                ? DUR_EXPR_M_ANY : DUR_EXPR_M(BOOL);

        if (!dur_expr_check_child(c, id, kinds, "a condition must be true or "
                                  "false, not of this type%s", ""))
        {
            return 0;
        }
    }

    return node->op == DUR_EXPR_MAP || node->op == DUR_EXPR_FILTER
           ? DUR_EXPR_M(LIST) : DUR_EXPR_M(BOOL);
}


/* What - of times makes; anything of those with something unknown. */

static dur_expr_kinds_t
dur_expr_check_clock(dur_expr_binary_t op, dur_expr_kinds_t a,
    dur_expr_kinds_t b)
{
    if (op != DUR_EXPR_SUB || !(a & DUR_EXPR_M_CLOCK)
        || !(b & DUR_EXPR_M_CLOCK))
    {
        return 0;
    }

    if (a == DUR_EXPR_M(DURATION) && b == DUR_EXPR_M(TIME)) {
        return 0;
    }

    return DUR_EXPR_M_CLOCK;
}


static dur_expr_kinds_t
dur_expr_check_arithmetic(dur_expr_binary_t op, dur_expr_kinds_t a,
    dur_expr_kinds_t b)
{
    dur_expr_kinds_t  kinds;

    if (op == DUR_EXPR_ADD) {

        /* those of two types are joined as text */

        if (a != b || (a & (a - 1))) {
            return DUR_EXPR_M_ANY;
        }

        return a & (DUR_EXPR_M_NUMBER | DUR_EXPR_M(STRING)
                    | DUR_EXPR_M(BYTES) | DUR_EXPR_M(LIST)
                    | DUR_EXPR_M(DURATION));
    }

    kinds = a & b & (op == DUR_EXPR_MOD
                     ? DUR_EXPR_M(INT) | DUR_EXPR_M(UINT)
                     : DUR_EXPR_M_NUMBER);

    /* a field may be of any type of number: what comes out too */

    if (kinds && (a != b || (kinds & (kinds - 1)))) {
        kinds = DUR_EXPR_M_NUMBER;
    }

    return kinds | dur_expr_check_clock(op, a, b);
}


/* Whether < and the like have an order for some pair of these. */

static bool
dur_expr_check_order(dur_expr_kinds_t a, dur_expr_kinds_t b)
{
    dur_expr_kinds_t  same;

    same = DUR_EXPR_M(BOOL) | DUR_EXPR_M(STRING) | DUR_EXPR_M(BYTES)
           | DUR_EXPR_M_CLOCK;

    return (a & b & same)
           || ((a & DUR_EXPR_M_NUMBER) && (b & DUR_EXPR_M_NUMBER))
           || ((a | b) & (DUR_EXPR_M_NUMBER | DUR_EXPR_M(STRING)));
}


static dur_expr_kinds_t
dur_expr_check_binary(dur_expr_checker_t *c, const dur_expr_node_t *node)
{
    dur_expr_kinds_t  a, b, k;

    static const char *const  names[] = {
        "==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "/", "%"
    };

    a = dur_expr_check_node(c, node->first);
    b = a ? dur_expr_check_node(c, dur_expr_child_at(c, node->first)->next)
          : 0;

    if (b == 0) {
        return 0;
    }

    switch (node->op) {

    case DUR_EXPR_EQ:
    case DUR_EXPR_NE:
        return DUR_EXPR_M(BOOL);

    case DUR_EXPR_IN:
        k = (b & DUR_EXPR_M_RANGE) ? DUR_EXPR_M(BOOL) : 0;
        break;

    case DUR_EXPR_LT:
    case DUR_EXPR_LE:
    case DUR_EXPR_GT:
    case DUR_EXPR_GE:
        k = dur_expr_check_order(a, b) ? DUR_EXPR_M(BOOL) : 0;
        break;

    default:
        k = dur_expr_check_arithmetic(node->op, a, b);
        break;
    }

    return k ? k : dur_expr_mismatch(c, node, "\"%s\" does not go with these "
                                     "types", names[node->op]);
}


static dur_expr_kinds_t
dur_expr_check_node(dur_expr_checker_t *c, uint16_t id)
{
    const dur_expr_node_t  *node;

    node = dur_expr_child_at(c, id);

    switch (node->kind) {

    case DUR_EXPR_N_CONST:
        return 1U << node->u.value.kind;

    case DUR_EXPR_N_LIST:
        return dur_expr_check_children(c, node->first) ? DUR_EXPR_M(LIST) : 0;

    case DUR_EXPR_N_MAP:
        return dur_expr_check_children(c, node->first) ? DUR_EXPR_M(MAP) : 0;

    case DUR_EXPR_N_HAS:
        return dur_expr_check_children(c, node->first) ? DUR_EXPR_M(BOOL) : 0;

    case DUR_EXPR_N_SELECT:
        return dur_expr_check_child(c, node->first, DUR_EXPR_M(MAP),
                                    "only maps have fields%s", "")
               ? DUR_EXPR_M_ANY : 0;

    case DUR_EXPR_N_INDEX:
        return dur_expr_check_child(c, node->first, DUR_EXPR_M_RANGE,
                                    "only lists and maps have elements%s", "")
               && dur_expr_check_children(c,
                                  dur_expr_child_at(c, node->first)->next)
               ? DUR_EXPR_M_ANY : 0;

    case DUR_EXPR_N_CALL:
        return dur_expr_check_call(c, node);

    case DUR_EXPR_N_MACRO:
        return dur_expr_check_macro(c, node);

    case DUR_EXPR_N_AND:
    case DUR_EXPR_N_OR:
        return dur_expr_check_logic(c, node);

    case DUR_EXPR_N_IF:
        return dur_expr_check_if(c, node);

    case DUR_EXPR_N_NOT:
        return dur_expr_check_child(c, node->first, DUR_EXPR_M(BOOL),
                                    "\"!\" needs true or false%s", "")
               ? DUR_EXPR_M(BOOL) : 0;

    case DUR_EXPR_N_NEGATE:
        return dur_expr_check_child(c, node->first,
                                    DUR_EXPR_M(INT) | DUR_EXPR_M(DOUBLE),
                                    "\"-\" needs a number%s", "")
               & DUR_EXPR_M_NUMBER;

    case DUR_EXPR_N_BINARY:
        return dur_expr_check_binary(c, node);

    default:
        return DUR_EXPR_M_ANY;
    }
}


dur_rc_t
dur_expr_check(const dur_expr_t *expr, char err[160])
{
    dur_expr_checker_t  c = { expr, err };

    return dur_expr_check_node(&c, expr->root) ? DUR_OK : DUR_EINVAL;
}
