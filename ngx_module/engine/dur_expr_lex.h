/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The words of an expression: names, literals with their escapes decoded, and
 * punctuation, each with its place in the text.
 */

#ifndef DUR_EXPR_LEX_H
#define DUR_EXPR_LEX_H

#include "engine/dur_base.h"

typedef enum {
    DUR_EXPR_T_END = 0,
    DUR_EXPR_T_NAME,
    DUR_EXPR_T_INT,             /* without its sign */
    DUR_EXPR_T_UINT,
    DUR_EXPR_T_DOUBLE,
    DUR_EXPR_T_STRING,
    DUR_EXPR_T_BYTES,
    DUR_EXPR_T_EQ,
    DUR_EXPR_T_NE,
    DUR_EXPR_T_LE,
    DUR_EXPR_T_GE,
    DUR_EXPR_T_AND,
    DUR_EXPR_T_OR,
    DUR_EXPR_T_CHAR             /* one of < > ! + - * / % ? : . , ()[]{} */
} dur_expr_token_type_t;

typedef struct {
    dur_expr_token_type_t  type;
    uint8_t                c;           /* of a character */
    uint16_t               line;        /* from 1 */
    uint16_t               column;      /* from 1, in characters */
    uint64_t               integer;
    double                 number;
    dur_str_t              text;        /* in the pool */
} dur_expr_token_t;

typedef struct {
    const uint8_t  *p;
    const uint8_t  *last;
    const uint8_t  *mark;               /* the place is known up to here */
    uint16_t        line;
    uint16_t        column;
    uint8_t        *pool;               /* as long as the text */
    size_t          used;
    char           *err;                /* char[160] */
} dur_expr_lex_t;

/* The pool has room for text.len bytes. */
void dur_expr_lex_init(dur_expr_lex_t *lex, dur_str_t text, uint8_t *pool,
    char *err);

/* False with a sentence in err. */
bool dur_expr_lex_next(dur_expr_lex_t *lex, dur_expr_token_t *token);

/* Writes the sentence with the place behind it; false. */
bool dur_expr_fail(char *err, uint16_t line, uint16_t column, const char *fmt,
    ...) __attribute__((format(printf, 4, 5)));

/* A double in decimal, all of the text; false for any other text. */
bool dur_expr_number(dur_str_t text, double *number);

#endif /* DUR_EXPR_LEX_H */
