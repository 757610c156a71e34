/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The tree of an expression and the values it is evaluated to: what the
 * dur_expr units share.  Not for anybody else.
 */

#ifndef DUR_EXPR_NODE_H
#define DUR_EXPR_NODE_H

#include "engine/dur_expr.h"
#include "engine/dur_regex.h"

#include <stdio.h>

#define DUR_EXPR_MAX       8192         /* bytes of an expression */
#define DUR_EXPR_NODES     2048
#define DUR_EXPR_HEIGHT    200          /* of the tree */
#define DUR_EXPR_NESTING   48           /* brackets, conditions, unary signs */
#define DUR_EXPR_SCOPES    8            /* macros inside of macros */
#define DUR_EXPR_ARGS      3            /* of a function, with the receiver */
#define DUR_EXPR_WORK      500000       /* units of one evaluation */
#define DUR_EXPR_BYTES     64           /* of text for one unit of work */


typedef enum {
    DUR_EXPR_V_MISSING = 0,
    DUR_EXPR_V_ERROR,
    DUR_EXPR_V_NULL,
    DUR_EXPR_V_BOOL,
    DUR_EXPR_V_INT,
    DUR_EXPR_V_UINT,
    DUR_EXPR_V_DOUBLE,
    DUR_EXPR_V_STRING,
    DUR_EXPR_V_BYTES,
    DUR_EXPR_V_LIST,
    DUR_EXPR_V_MAP,
    DUR_EXPR_V_TIME,
    DUR_EXPR_V_DURATION,
    DUR_EXPR_V_TYPE
} dur_expr_kind_t;

/* Sets of kinds. */
#define DUR_EXPR_M(kind)   (1U << DUR_EXPR_V_ ## kind)
#define DUR_EXPR_M_NUMBER  (DUR_EXPR_M(INT) | DUR_EXPR_M(UINT)                \
                            | DUR_EXPR_M(DOUBLE))
#define DUR_EXPR_M_ANY     ((DUR_EXPR_M(TYPE) << 1) - DUR_EXPR_M(NULL))

typedef struct dur_expr_value_s  dur_expr_value_t;

struct dur_expr_value_s {
    uint8_t   kind;
    bool      json;             /* of a list or a map: it is u.json; of an
                                   int: a number of JSON, so as good as a
                                   double */
    bool      hard;             /* of an error: comparisons do not heal it */
    bool      null;             /* of what is missing: null to comparisons */
    uint16_t  node;             /* of an error: where, 0 not known yet */
    union {
        bool                     boolean;
        int64_t                  integer;   /* time, duration: ms */
        uint64_t                 uinteger;
        double                   number;
        dur_str_t                text;      /* string, bytes */
        const json_t            *json;
        const char              *error;
        dur_expr_kind_t          type;
        struct {
            const dur_expr_value_t  *items; /* map: key, value, key, ... */
            size_t                   n;     /* map: of pairs */
        } list;
    } u;
};


typedef enum {
    DUR_EXPR_N_CONST = 1,
    DUR_EXPR_N_EVENT,
    DUR_EXPR_N_ASYNC,
    DUR_EXPR_N_NAMED,           /* op: which of run->named */
    DUR_EXPR_N_LOCAL,           /* op: the slot of a macro's variable */
    DUR_EXPR_N_SELECT,
    DUR_EXPR_N_INDEX,
    DUR_EXPR_N_LIST,
    DUR_EXPR_N_MAP,
    DUR_EXPR_N_CALL,            /* op: the function */
    DUR_EXPR_N_HAS,
    DUR_EXPR_N_MACRO,           /* op: the macro; range, condition */
    DUR_EXPR_N_AND,
    DUR_EXPR_N_OR,
    DUR_EXPR_N_IF,
    DUR_EXPR_N_NOT,
    DUR_EXPR_N_NEGATE,
    DUR_EXPR_N_BINARY           /* op: which */
} dur_expr_node_kind_t;

typedef enum {
    DUR_EXPR_EQ = 0,
    DUR_EXPR_NE,
    DUR_EXPR_LT,
    DUR_EXPR_LE,
    DUR_EXPR_GT,
    DUR_EXPR_GE,
    DUR_EXPR_IN,
    DUR_EXPR_ADD,
    DUR_EXPR_SUB,
    DUR_EXPR_MUL,
    DUR_EXPR_DIV,
    DUR_EXPR_MOD
} dur_expr_binary_t;

typedef enum {
    DUR_EXPR_ALL = 0,
    DUR_EXPR_EXISTS,
    DUR_EXPR_EXISTS_ONE,
    DUR_EXPR_MAP,
    DUR_EXPR_FILTER
} dur_expr_macro_t;

/* Children are linked by `next`; 0 is no node. */
typedef struct {
    uint8_t    kind;
    uint8_t    op;
    uint8_t    slot;            /* of a macro: its variable */
    uint8_t    height;
    uint16_t   line;
    uint16_t   column;
    uint16_t   first;
    uint16_t   next;
    union {
        dur_expr_value_t  value;        /* of a constant */
        dur_str_t         name;         /* of a select */
        dur_regex_t      *regex;        /* of matches with a literal */
    } u;
} dur_expr_node_t;

struct dur_expr_s {
    size_t            nnodes;
    uint16_t          root;
    dur_expr_node_t  *nodes;
    uint8_t          *pool;             /* the bytes of names and literals */
};


/* One evaluation. */

typedef struct dur_expr_owned_s  dur_expr_owned_t;

struct dur_expr_owned_s {
    dur_expr_owned_t  *next;
    json_t            *json;
};

typedef struct {
    const dur_expr_t       *expr;
    const dur_expr_vars_t  *vars;
    const json_t *const    *named;      /* roots of the caller's, or NULL */
    dur_arena_t            *arena;
    dur_buf_t               b;          /* for texts in the making */
    int64_t                 work;       /* left; below 0 all is over */
    bool                    nomem;
    dur_expr_owned_t       *owned;      /* what json_parse() made */
    dur_expr_value_t        locals[DUR_EXPR_SCOPES];
} dur_expr_run_t;


/* Values. */

static inline dur_expr_value_t
dur_expr_make(dur_expr_kind_t kind)
{
    return (dur_expr_value_t) { .kind = (uint8_t) kind };
}

static inline dur_expr_value_t
dur_expr_error(const char *text)
{
    return (dur_expr_value_t) { .kind = DUR_EXPR_V_ERROR, .u.error = text };
}

/* An error that ends the evaluation where nothing falls back. */
static inline dur_expr_value_t
dur_expr_hard(const char *text)
{
    return (dur_expr_value_t) { .kind = DUR_EXPR_V_ERROR, .hard = true,
                                .u.error = text };
}

static inline dur_expr_value_t
dur_expr_bool(bool v)
{
    return (dur_expr_value_t) { .kind = DUR_EXPR_V_BOOL, .u.boolean = v };
}

static inline dur_expr_value_t
dur_expr_int(int64_t v)
{
    return (dur_expr_value_t) { .kind = DUR_EXPR_V_INT, .u.integer = v };
}

static inline dur_expr_value_t
dur_expr_double(double v)
{
    return (dur_expr_value_t) { .kind = DUR_EXPR_V_DOUBLE, .u.number = v };
}

static inline dur_expr_value_t
dur_expr_string(dur_str_t v)
{
    return (dur_expr_value_t) { .kind = DUR_EXPR_V_STRING, .u.text = v };
}

static inline bool
dur_expr_is_number(dur_expr_value_t v)
{
    return (1U << v.kind) & DUR_EXPR_M_NUMBER;
}

/* Missing or without a value. */
static inline bool
dur_expr_is_none(dur_expr_value_t v)
{
    return v.kind <= DUR_EXPR_V_ERROR;
}

/* Takes work for so many bytes. */
static inline void
dur_expr_charge(dur_expr_run_t *run, size_t bytes)
{
    run->work -= 1 + (int64_t) (bytes / DUR_EXPR_BYTES);
}

#endif /* DUR_EXPR_NODE_H */
