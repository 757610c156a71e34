/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_expr_parse.h"
#include "engine/dur_expr_build.h"
#include "engine/dur_expr_func.h"


#define DUR_EXPR_LEVELS  3              /* of binary operators */


static uint16_t dur_expr_expression(dur_expr_parser_t *ps);
static uint16_t dur_expr_unary(dur_expr_parser_t *ps);


/* Up to the closing bracket, which is taken; in lists a comma may be last. */

static bool
dur_expr_items(dur_expr_parser_t *ps, dur_expr_list_t *list, char close)
{
    while (!dur_expr_at(ps, close)) {

        if (!dur_expr_append(ps, list, dur_expr_expression(ps))) {
            return false;
        }

        if (close == '}'
            && (!dur_expr_expect(ps, ':')
                || !dur_expr_append(ps, list, dur_expr_expression(ps))))
        {
            return false;
        }

        if (!dur_expr_at(ps, ',')) {
            break;
        }

        if (!dur_expr_advance(ps)
            || (close == ')' && dur_expr_at(ps, close)
                && !dur_expr_unexpected(ps)))
        {
            return false;
        }
    }

    return dur_expr_expect(ps, close);
}


/* A literal pattern is compiled with the expression. */

static bool
dur_expr_pattern(dur_expr_parser_t *ps, uint16_t call)
{
    char                    text[96];
    dur_rc_t                rc;
    dur_expr_node_t        *node = &ps->expr->nodes[call];
    const dur_expr_node_t  *arg;

    arg = &ps->expr->nodes[ps->expr->nodes[node->first].next];

    if (arg->kind != DUR_EXPR_N_CONST
        || arg->u.value.kind != DUR_EXPR_V_STRING)
    {
        return true;
    }

    rc = dur_regex_compile(arg->u.value.u.text, &node->u.regex, text);

    if (rc == DUR_EINVAL) {
        return dur_expr_fail(ps->lex.err, arg->line, arg->column,
                             "invalid pattern: %s", text);
    }

    ps->nomem = (rc != DUR_OK);

    return rc == DUR_OK;
}


/* Behind the name and the '(' of a call; receiver is 0 for f(x). */

static uint16_t
dur_expr_call(dur_expr_parser_t *ps, const dur_expr_token_t *name,
    uint16_t receiver)
{
    int                         id;
    dur_expr_list_t             list;
    const dur_expr_function_t  *f;

    id = dur_expr_function_find(name->text);
    if (id < 0) {
        return dur_expr_refuse(ps, name, "unknown function \"%.*s\"",
                               name->text);
    }

    f = dur_expr_function((size_t) id);

    if (!(f->style & (receiver ? DUR_EXPR_METHOD : DUR_EXPR_GLOBAL))) {
        return dur_expr_refuse(ps, name, receiver
                               ? "\"%.*s\" stands in front of its argument"
                               : "\"%.*s\" stands behind a value and a dot",
                               name->text);
    }

    if (!dur_expr_parent(ps, &list, DUR_EXPR_N_CALL, name, receiver)
        || !dur_expr_items(ps, &list, ')'))
    {
        return 0;
    }

    if (list.n < f->least || list.n > f->most) {
        return dur_expr_refuse(ps, name, "wrong number of arguments for "
                               "\"%.*s\"", name->text);
    }

    ps->expr->nodes[list.parent].op = (uint8_t) id;

    if (dur_expr_function_regex(f) && !dur_expr_pattern(ps, list.parent)) {
        return 0;
    }

    return list.parent;
}


static uint16_t
dur_expr_has(dur_expr_parser_t *ps, const dur_expr_token_t *name)
{
    uint16_t         field;
    dur_expr_list_t  list;

    field = dur_expr_expression(ps);
    if (field == 0) {
        return 0;
    }

    if (ps->expr->nodes[field].kind != DUR_EXPR_N_SELECT) {
        return dur_expr_refuse(ps, name, "has needs a field, such as "
                               "has(event.data.id)%.*s", dur_str(""));
    }

    if (!dur_expr_parent(ps, &list, DUR_EXPR_N_HAS, name, field)
        || !dur_expr_expect(ps, ')'))
    {
        return 0;
    }

    return list.parent;
}


static int
dur_expr_macro_find(dur_str_t name)
{
    static const char *const  names[] = {
        [DUR_EXPR_ALL] = "all", [DUR_EXPR_EXISTS] = "exists",
        [DUR_EXPR_EXISTS_ONE] = "exists_one", [DUR_EXPR_MAP] = "map",
        [DUR_EXPR_FILTER] = "filter",
    };

    for (int i = 0; i <= DUR_EXPR_FILTER; i++) {
        if (dur_str_eq(name, dur_str_c(names[i]))) {
            return i;
        }
    }

    return -1;
}


/* Behind x.all( and the others: a name, a comma and what uses the name. */

static uint16_t
dur_expr_macro(dur_expr_parser_t *ps, const dur_expr_token_t *name, int macro,
    uint16_t range)
{
    unsigned          slot;
    dur_expr_list_t   list;
    dur_expr_node_t  *node;

    if (ps->t.type != DUR_EXPR_T_NAME) {
        return dur_expr_refuse(ps, &ps->t, "\"%.*s\" needs the name of a "
                               "variable first", name->text);
    }

    slot = ps->nscopes;

    if (slot == DUR_EXPR_SCOPES) {
        return dur_expr_refuse(ps, name, "too many macros inside of each "
                               "other%.*s", dur_str(""));
    }

    ps->scopes[slot] = ps->t.text;

    if (!dur_expr_advance(ps) || !dur_expr_expect(ps, ',')
        || !dur_expr_parent(ps, &list, DUR_EXPR_N_MACRO, name, range))
    {
        return 0;
    }

    node = &ps->expr->nodes[list.parent];
    node->op = (uint8_t) macro;
    node->slot = (uint8_t) slot;

    ps->nscopes++;

    if (!dur_expr_items(ps, &list, ')')) {
        return 0;
    }

    ps->nscopes--;

    if (list.n != 2 && !(macro == DUR_EXPR_MAP && list.n == 3)) {
        return dur_expr_refuse(ps, name, "wrong number of arguments for "
                               "\"%.*s\"", name->text);
    }

    return list.parent;
}


/* A name that no '(' follows. */

static uint16_t
dur_expr_name(dur_expr_parser_t *ps, const dur_expr_token_t *t)
{
    unsigned          i;
    uint16_t          id;
    dur_expr_value_t  value;

    static const struct {
        const char       *name;
        dur_expr_kind_t   kind;
    } types[] = {
        { "int", DUR_EXPR_V_INT }, { "uint", DUR_EXPR_V_UINT },
        { "double", DUR_EXPR_V_DOUBLE }, { "string", DUR_EXPR_V_STRING },
        { "bytes", DUR_EXPR_V_BYTES }, { "bool", DUR_EXPR_V_BOOL },
        { "list", DUR_EXPR_V_LIST }, { "map", DUR_EXPR_V_MAP },
        { "null_type", DUR_EXPR_V_NULL }, { "type", DUR_EXPR_V_TYPE },
    };

    for (i = ps->nscopes; i > 0; i--) {
        if (dur_str_eq(ps->scopes[i - 1], t->text)) {
            id = dur_expr_node(ps, DUR_EXPR_N_LOCAL, t);
            if (id) {
                ps->expr->nodes[id].op = (uint8_t) (i - 1);
            }
            return id;
        }
    }

    for (i = 0; i < ps->nnames; i++) {
        if (dur_str_eq(ps->names[i], t->text)) {
            id = dur_expr_node(ps, DUR_EXPR_N_NAMED, t);
            if (id) {
                ps->expr->nodes[id].op = (uint8_t) i;
            }
            return id;
        }
    }

    if (dur_str_eq(t->text, dur_str("event"))) {
        return dur_expr_node(ps, DUR_EXPR_N_EVENT, t);
    }

    if (dur_str_eq(t->text, dur_str("async"))) {
        return dur_expr_node(ps, DUR_EXPR_N_ASYNC, t);
    }

    if (dur_str_eq(t->text, dur_str("true"))
        || dur_str_eq(t->text, dur_str("false")))
    {
        return dur_expr_const(ps, t, dur_expr_bool(t->text.len == 4));
    }

    if (dur_str_eq(t->text, dur_str("null"))) {
        return dur_expr_const(ps, t, dur_expr_make(DUR_EXPR_V_NULL));
    }

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (dur_str_eq(t->text, dur_str_c(types[i].name))) {
            value = dur_expr_make(DUR_EXPR_V_TYPE);
            value.u.type = types[i].kind;
            return dur_expr_const(ps, t, value);
        }
    }

    return dur_expr_refuse(ps, t, "unknown name \"%.*s\"", t->text);
}


static uint16_t
dur_expr_scalar(dur_expr_parser_t *ps, const dur_expr_token_t *t)
{
    dur_expr_value_t  value;

    switch (t->type) {

    case DUR_EXPR_T_INT:
        if (t->integer > INT64_MAX) {
            return dur_expr_refuse(ps, t, "a number that is out of range%.*s",
                                   dur_str(""));
        }
        return dur_expr_const(ps, t, dur_expr_int((int64_t) t->integer));

    case DUR_EXPR_T_UINT:
        value = dur_expr_make(DUR_EXPR_V_UINT);
        value.u.uinteger = t->integer;
        return dur_expr_const(ps, t, value);

    case DUR_EXPR_T_DOUBLE:
        return dur_expr_const(ps, t, dur_expr_double(t->number));

    default:
        value = dur_expr_string(t->text);
        if (t->type == DUR_EXPR_T_BYTES) {
            value.kind = DUR_EXPR_V_BYTES;
        }
        return dur_expr_const(ps, t, value);
    }
}


static uint16_t
dur_expr_primary(dur_expr_parser_t *ps)
{
    char              c;
    uint16_t          id;
    dur_expr_list_t   list;
    dur_expr_token_t  t = ps->t;

    if (t.type == DUR_EXPR_T_CHAR && strchr("([{", t.c) != NULL) {
        c = (char) t.c;

        if (!dur_expr_advance(ps)) {
            return 0;
        }

        if (c == '(') {
            id = dur_expr_expression(ps);
            return id && dur_expr_expect(ps, ')') ? id : 0;
        }

        if (!dur_expr_parent(ps, &list, c == '[' ? DUR_EXPR_N_LIST
                                                 : DUR_EXPR_N_MAP, &t, 0)
            || !dur_expr_items(ps, &list, c == '[' ? ']' : '}'))
        {
            return 0;
        }

        return list.parent;
    }

    if (t.type == DUR_EXPR_T_END || t.type == DUR_EXPR_T_CHAR
        || (t.type >= DUR_EXPR_T_EQ && t.type <= DUR_EXPR_T_OR))
    {
        return dur_expr_unexpected(ps);
    }

    if (!dur_expr_advance(ps)) {
        return 0;
    }

    if (t.type != DUR_EXPR_T_NAME) {
        return dur_expr_scalar(ps, &t);
    }

    if (!dur_expr_at(ps, '(')) {
        return dur_expr_name(ps, &t);
    }

    if (!dur_expr_advance(ps)) {
        return 0;
    }

    return dur_str_eq(t.text, dur_str("has")) ? dur_expr_has(ps, &t)
                                              : dur_expr_call(ps, &t, 0);
}


/* Behind the dot of x.name or x.name(..). */

static uint16_t
dur_expr_dot(dur_expr_parser_t *ps, uint16_t object)
{
    int               macro;
    dur_expr_list_t   list;
    dur_expr_token_t  name = ps->t;

    if (name.type != DUR_EXPR_T_NAME) {
        return dur_expr_unexpected(ps);
    }

    if (!dur_expr_advance(ps)) {
        return 0;
    }

    if (!dur_expr_at(ps, '(')) {

        if (!dur_expr_parent(ps, &list, DUR_EXPR_N_SELECT, &name, object)) {
            return 0;
        }

        ps->expr->nodes[list.parent].u.name = name.text;

        return list.parent;
    }

    if (!dur_expr_advance(ps)) {
        return 0;
    }

    macro = dur_expr_macro_find(name.text);

    return macro < 0 ? dur_expr_call(ps, &name, object)
                     : dur_expr_macro(ps, &name, macro, object);
}


static uint16_t
dur_expr_member(dur_expr_parser_t *ps)
{
    uint16_t          id;
    dur_expr_list_t   list;
    dur_expr_token_t  t;

    id = dur_expr_primary(ps);

    while (id) {
        t = ps->t;

        if (dur_expr_at(ps, '.')) {
            id = dur_expr_advance(ps) ? dur_expr_dot(ps, id) : 0;

        } else if (dur_expr_at(ps, '[')) {

            if (!dur_expr_advance(ps)
                || !dur_expr_parent(ps, &list, DUR_EXPR_N_INDEX, &t, id)
                || !dur_expr_append(ps, &list, dur_expr_expression(ps))
                || !dur_expr_expect(ps, ']'))
            {
                return 0;
            }

            id = list.parent;

        } else {
            break;
        }
    }

    return id;
}


static bool
dur_expr_enter(dur_expr_parser_t *ps)
{
    if (ps->nesting++ == DUR_EXPR_NESTING) {
        return dur_expr_fail(ps->lex.err, ps->t.line, ps->t.column,
                             "the expression is nested too deeply");
    }

    return true;
}


static uint16_t
dur_expr_signed(dur_expr_parser_t *ps)
{
    uint16_t          id;
    dur_expr_list_t   list;
    dur_expr_token_t  t = ps->t;

    if (!dur_expr_advance(ps)) {
        return 0;
    }

    if (t.c == '-' && ps->t.type == DUR_EXPR_T_INT
        && ps->t.integer == (uint64_t) INT64_MAX + 1)
    {
        return dur_expr_advance(ps)
               ? dur_expr_const(ps, &t, dur_expr_int(INT64_MIN)) : 0;
    }

    id = dur_expr_unary(ps);

    if (id == 0
        || !dur_expr_parent(ps, &list, t.c == '-' ? DUR_EXPR_N_NEGATE
                                                  : DUR_EXPR_N_NOT, &t, id))
    {
        return 0;
    }

    return list.parent;
}


static uint16_t
dur_expr_unary(dur_expr_parser_t *ps)
{
    uint16_t  id;

    if (!dur_expr_at(ps, '-') && !dur_expr_at(ps, '!')) {
        return dur_expr_member(ps);
    }

    if (!dur_expr_enter(ps)) {
        return 0;
    }

    id = dur_expr_signed(ps);
    ps->nesting--;

    return id;
}


/* The operator of a level that comes next, -1. */

static int
dur_expr_operator(const dur_expr_parser_t *ps, unsigned level)
{
    const char  *at;

    static const char     chars[DUR_EXPR_LEVELS][4] = { "<>", "+-", "*/%" };
    static const uint8_t  ops[DUR_EXPR_LEVELS][3] = {
        { DUR_EXPR_LT, DUR_EXPR_GT }, { DUR_EXPR_ADD, DUR_EXPR_SUB },
        { DUR_EXPR_MUL, DUR_EXPR_DIV, DUR_EXPR_MOD }
    };

    if (ps->t.type == DUR_EXPR_T_CHAR) {
        at = strchr(chars[level], ps->t.c);
        return at ? ops[level][at - chars[level]] : -1;
    }

    if (level != 0) {
        return -1;
    }

    switch (ps->t.type) {
    case DUR_EXPR_T_EQ:
        return DUR_EXPR_EQ;
    case DUR_EXPR_T_NE:
        return DUR_EXPR_NE;
    case DUR_EXPR_T_LE:
        return DUR_EXPR_LE;
    case DUR_EXPR_T_GE:
        return DUR_EXPR_GE;
    default:
        return ps->t.type == DUR_EXPR_T_NAME
               && dur_str_eq(ps->t.text, dur_str("in")) ? DUR_EXPR_IN : -1;
    }
}


static uint16_t
dur_expr_binary(dur_expr_parser_t *ps, unsigned level)
{
    int               op;
    uint16_t          id, right;
    dur_expr_list_t   list;
    dur_expr_token_t  t;

    if (level == DUR_EXPR_LEVELS) {
        return dur_expr_unary(ps);
    }

    id = dur_expr_binary(ps, level + 1);

    while (id && (op = dur_expr_operator(ps, level)) >= 0) {
        t = ps->t;

        right = dur_expr_advance(ps) ? dur_expr_binary(ps, level + 1) : 0;

        if (right == 0
            || !dur_expr_parent(ps, &list, DUR_EXPR_N_BINARY, &t, id)
            || !dur_expr_append(ps, &list, right))
        {
            return 0;
        }

        id = list.parent;
        ps->expr->nodes[id].op = (uint8_t) op;
    }

    return id;
}


/* a && b && c, or with `or` those joined by ||: one node. */

static uint16_t
dur_expr_logic(dur_expr_parser_t *ps, bool or)
{
    uint16_t                id, next;
    dur_expr_list_t         list;
    dur_expr_token_type_t   type;

    type = or ? DUR_EXPR_T_OR : DUR_EXPR_T_AND;
    id = or ? dur_expr_logic(ps, false) : dur_expr_binary(ps, 0);

    if (id == 0 || ps->t.type != type) {
        return id;
    }

    if (!dur_expr_parent(ps, &list, or ? DUR_EXPR_N_OR : DUR_EXPR_N_AND,
                         &ps->t, id))
    {
        return 0;
    }

    while (ps->t.type == type) {

        if (!dur_expr_advance(ps)) {
            return 0;
        }

        next = or ? dur_expr_logic(ps, false) : dur_expr_binary(ps, 0);

        if (!dur_expr_append(ps, &list, next)) {
            return 0;
        }
    }

    return list.parent;
}


static uint16_t
dur_expr_condition(dur_expr_parser_t *ps)
{
    uint16_t          id;
    dur_expr_list_t   list;
    dur_expr_token_t  t;

    id = dur_expr_logic(ps, true);
    t = ps->t;

    if (id == 0 || !dur_expr_at(ps, '?')) {
        return id;
    }

    if (!dur_expr_parent(ps, &list, DUR_EXPR_N_IF, &t, id)
        || !dur_expr_advance(ps)
        || !dur_expr_append(ps, &list, dur_expr_logic(ps, true))
        || !dur_expr_expect(ps, ':')
        || !dur_expr_append(ps, &list, dur_expr_expression(ps)))
    {
        return 0;
    }

    return list.parent;
}


static uint16_t
dur_expr_expression(dur_expr_parser_t *ps)
{
    uint16_t  id;

    if (!dur_expr_enter(ps)) {
        return 0;
    }

    id = dur_expr_condition(ps);
    ps->nesting--;

    return id;
}


dur_rc_t
dur_expr_tree(dur_expr_t *expr, dur_str_t text, const dur_str_t *names,
    size_t n, char err[160])
{
    dur_expr_parser_t  ps;

    memset(&ps, 0, sizeof(ps));
    ps.expr = expr;
    ps.names = names;
    ps.nnames = n;
    dur_expr_lex_init(&ps.lex, text, expr->pool, err);

    if (dur_expr_advance(&ps)) {
        expr->root = dur_expr_expression(&ps);

        if (expr->root && ps.t.type != DUR_EXPR_T_END) {
            expr->root = dur_expr_unexpected(&ps);
        }
    }

    if (ps.nomem) {
        return DUR_ENOMEM;
    }

    return expr->root ? DUR_OK : DUR_EINVAL;
}
