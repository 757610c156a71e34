/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_expr_build.h"

#include <stdlib.h>


#define DUR_EXPR_SHOWN  32              /* of a name in a message */


uint16_t
dur_expr_refuse(dur_expr_parser_t *ps, const dur_expr_token_t *t,
    const char *text, dur_str_t name)
{
    dur_expr_fail(ps->lex.err, t->line, t->column, text,
                  (int) (name.len < DUR_EXPR_SHOWN ? name.len
                                                   : DUR_EXPR_SHOWN),
                  (const char *) name.data);
    return 0;
}


uint16_t
dur_expr_unexpected(dur_expr_parser_t *ps)
{
    const dur_expr_token_t  *t = &ps->t;

    static const char *const  names[] = {
        [DUR_EXPR_T_END] = "end", [DUR_EXPR_T_INT] = "number",
        [DUR_EXPR_T_UINT] = "number", [DUR_EXPR_T_DOUBLE] = "number",
        [DUR_EXPR_T_STRING] = "string", [DUR_EXPR_T_BYTES] = "bytes",
        [DUR_EXPR_T_EQ] = "\"==\"", [DUR_EXPR_T_NE] = "\"!=\"",
        [DUR_EXPR_T_LE] = "\"<=\"", [DUR_EXPR_T_GE] = "\">=\"",
        [DUR_EXPR_T_AND] = "\"&&\"", [DUR_EXPR_T_OR] = "\"||\"",
    };

    if (t->type == DUR_EXPR_T_NAME) {
        return dur_expr_refuse(ps, t, "unexpected \"%.*s\"", t->text);
    }

    if (t->type == DUR_EXPR_T_CHAR) {
        return dur_expr_refuse(ps, t, "unexpected \"%.*s\"",
                               dur_str_make(&t->c, 1));
    }

    return dur_expr_refuse(ps, t, "unexpected %.*s",
                           dur_str_c(names[t->type]));
}


bool
dur_expr_advance(dur_expr_parser_t *ps)
{
    return dur_expr_lex_next(&ps->lex, &ps->t);
}


bool
dur_expr_expect(dur_expr_parser_t *ps, char c)
{
    if (!dur_expr_at(ps, c)) {
        return dur_expr_unexpected(ps);
    }

    return dur_expr_advance(ps);
}


uint16_t
dur_expr_node(dur_expr_parser_t *ps, dur_expr_node_kind_t kind,
    const dur_expr_token_t *t)
{
    size_t            size;
    dur_expr_t       *expr = ps->expr;
    dur_expr_node_t  *node;

    if (expr->nnodes == ps->size) {

        if (ps->size == DUR_EXPR_NODES) {
            return dur_expr_refuse(ps, t, "the expression has too many parts"
                                   "%.*s", dur_str(""));
        }

        size = ps->size ? ps->size * 2 : 16;

        node = realloc(expr->nodes, size * sizeof(dur_expr_node_t));
        if (node == NULL) {
            ps->nomem = true;
            return 0;
        }

        expr->nodes = node;
        ps->size = size;
        expr->nnodes += (expr->nnodes == 0);    /* 0 is no node */
    }

    node = &expr->nodes[expr->nnodes];
    memset(node, 0, sizeof(*node));

    node->kind = (uint8_t) kind;
    node->line = t->line;
    node->column = t->column;
    node->height = 1;

    return (uint16_t) expr->nnodes++;
}


bool
dur_expr_append(dur_expr_parser_t *ps, dur_expr_list_t *list, uint16_t child)
{
    dur_expr_node_t  *nodes = ps->expr->nodes;

    if (child == 0) {
        return false;
    }

    if (nodes[child].height >= DUR_EXPR_HEIGHT) {
        return dur_expr_fail(ps->lex.err, nodes[child].line,
                             nodes[child].column,
                             "the expression is nested too deeply");
    }

    if (list->last) {
        nodes[list->last].next = child;
    } else {
        nodes[list->parent].first = child;
    }

    if (nodes[list->parent].height <= nodes[child].height) {
        nodes[list->parent].height = (uint8_t) (nodes[child].height + 1);
    }

    list->last = child;
    list->n++;

    return true;
}


uint16_t
dur_expr_parent(dur_expr_parser_t *ps, dur_expr_list_t *list,
    dur_expr_node_kind_t kind, const dur_expr_token_t *t, uint16_t child)
{
    memset(list, 0, sizeof(*list));

    list->parent = dur_expr_node(ps, kind, t);

    if (list->parent == 0 || (child && !dur_expr_append(ps, list, child))) {
        return 0;
    }

    return list->parent;
}


uint16_t
dur_expr_const(dur_expr_parser_t *ps, const dur_expr_token_t *t,
    dur_expr_value_t value)
{
    uint16_t  id;

    id = dur_expr_node(ps, DUR_EXPR_N_CONST, t);
    if (id) {
        ps->expr->nodes[id].u.value = value;
    }

    return id;
}
