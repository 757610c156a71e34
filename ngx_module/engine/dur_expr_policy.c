/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_expr_policy.h"
#include "engine/dur_expr_func.h"
#include "engine/dur_expr_lex.h"
#include "engine/dur_expr_node.h"


static bool
dur_expr_is_conversion(const char *name)
{
    return strcmp(name, "int") == 0 || strcmp(name, "uint") == 0
           || strcmp(name, "double") == 0;
}


/* The name of what the policy refuses, NULL when it allows the node. */
static const char *
dur_expr_refused(const dur_expr_t *expr, const dur_expr_node_t *node)
{
    const char  *name;

    static const char *const  macros[] = {
        "all", "exists", "exists_one", "map", "filter"
    };

    static const char *const  arithmetic[] = { "+", "-", "*", "/", "%" };

    switch (node->kind) {

    case DUR_EXPR_N_HAS:
        return "has";

    case DUR_EXPR_N_MACRO:
        return macros[node->op];

    case DUR_EXPR_N_CALL:
        name = dur_expr_function(node->op)->name;
        return dur_expr_is_conversion(name) ? NULL : name;

    case DUR_EXPR_N_NEGATE:
        /* -5 is a literal */
        return expr->nodes[node->first].kind == DUR_EXPR_N_CONST ? NULL : "-";

    case DUR_EXPR_N_BINARY:
        return node->op >= DUR_EXPR_ADD ? arithmetic[node->op - DUR_EXPR_ADD]
                                        : NULL;

    default:
        return NULL;
    }
}


dur_rc_t
dur_expr_restricted(const dur_expr_t *expr, char err[160])
{
    const char             *name;
    const dur_expr_node_t  *node;

    for (size_t i = 1; i < expr->nnodes; i++) {
        node = &expr->nodes[i];
        name = dur_expr_refused(expr, node);

        if (name != NULL) {
            dur_expr_fail(err, node->line, node->column, "\"%s\" is not "
                          "allowed here: compare fields as they are", name);
            return DUR_EINVAL;
        }
    }

    return DUR_OK;
}
