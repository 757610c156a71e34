/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What the parser of expressions makes its tree with: the token at hand, new
 * nodes and their children, and refusals with a place.
 */

#ifndef DUR_EXPR_BUILD_H
#define DUR_EXPR_BUILD_H

#include "engine/dur_expr_lex.h"
#include "engine/dur_expr_node.h"

typedef struct {
    dur_expr_t        *expr;
    dur_expr_lex_t     lex;
    dur_expr_token_t   t;
    size_t             size;            /* of the nodes */
    bool               nomem;
    unsigned           nesting;
    unsigned           nscopes;
    dur_str_t          scopes[DUR_EXPR_SCOPES];
    const dur_str_t   *names;           /* of roots */
    size_t             nnames;
} dur_expr_parser_t;


/* A list of siblings in the making. */
typedef struct {
    uint16_t  parent;
    uint16_t  last;
    unsigned  n;
} dur_expr_list_t;

/* A refusal at a token; text has one %.*s, for the name.  0. */
uint16_t dur_expr_refuse(dur_expr_parser_t *ps, const dur_expr_token_t *t,
    const char *text, dur_str_t name);
/* Of the token at hand.  0. */
uint16_t dur_expr_unexpected(dur_expr_parser_t *ps);

/* To the next token; false when there is none that is valid. */
bool dur_expr_advance(dur_expr_parser_t *ps);
/* Takes the character that must come now. */
bool dur_expr_expect(dur_expr_parser_t *ps, char c);

static inline bool
dur_expr_at(const dur_expr_parser_t *ps, char c)
{
    return ps->t.type == DUR_EXPR_T_CHAR && ps->t.c == (uint8_t) c;
}

/* A new node, 0 when it failed; nodes may move. */
uint16_t dur_expr_node(dur_expr_parser_t *ps, dur_expr_node_kind_t kind,
    const dur_expr_token_t *t);
/* One that children are appended to, the first at once unless it is 0. */
uint16_t dur_expr_parent(dur_expr_parser_t *ps, dur_expr_list_t *list,
    dur_expr_node_kind_t kind, const dur_expr_token_t *t, uint16_t child);
/* Appends a child; false also when that child is a failure, 0. */
bool dur_expr_append(dur_expr_parser_t *ps, dur_expr_list_t *list,
    uint16_t child);
uint16_t dur_expr_const(dur_expr_parser_t *ps, const dur_expr_token_t *t,
    dur_expr_value_t value);

#endif /* DUR_EXPR_BUILD_H */
