/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_expr_run.h"
#include "engine/dur_expr_func.h"
#include "engine/dur_expr_op.h"
#include "engine/dur_expr_value.h"


#define DUR_EXPR_RESULT  (16 << 20)     /* bytes of a text in the making */


static const dur_expr_node_t *
dur_expr_node_at(const dur_expr_run_t *run, uint16_t id)
{
    return &run->expr->nodes[id];
}


/* What a field is taken from: without the root it is missing like the rest. */

static dur_expr_value_t
dur_expr_base(dur_expr_run_t *run, uint16_t id)
{
    switch (dur_expr_node_at(run, id)->kind) {
    case DUR_EXPR_N_EVENT:
        return dur_expr_from_json(run->vars->event);
    case DUR_EXPR_N_ASYNC:
        return dur_expr_from_json(run->vars->async);
    default:
        return dur_expr_walk(run, id);
    }
}


static dur_expr_value_t
dur_expr_root(const json_t *json)
{
    return json ? dur_expr_from_json(json)
                : dur_expr_hard("there is no such event here");
}


/* What a field that is missing is: with event_null and under `event` null to
 * comparisons. */

static dur_expr_value_t
dur_expr_absent(const dur_expr_run_t *run, const dur_expr_node_t *node)
{
    dur_expr_value_t  v;

    v = dur_expr_make(DUR_EXPR_V_MISSING);

    if (run->vars->event_null) {

        while (node->kind == DUR_EXPR_N_SELECT
               || node->kind == DUR_EXPR_N_INDEX)
        {
            node = dur_expr_node_at(run, node->first);
        }

        v.null = (node->kind == DUR_EXPR_N_EVENT
                  || node->kind == DUR_EXPR_N_NAMED);
    }

    return v;
}


static dur_expr_value_t
dur_expr_named(const dur_expr_run_t *run, const dur_expr_node_t *node)
{
    dur_expr_value_t  v;

    v = dur_expr_from_json(run->named[node->op]);

    return v.kind == DUR_EXPR_V_MISSING ? dur_expr_absent(run, node) : v;
}


static dur_expr_value_t
dur_expr_select(dur_expr_run_t *run, const dur_expr_node_t *node)
{
    dur_expr_value_t  v;

    v = dur_expr_base(run, node->first);

    if (v.kind == DUR_EXPR_V_MAP) {
        v = dur_expr_get(run, v, dur_expr_string(node->u.name));

    } else if (v.kind != DUR_EXPR_V_ERROR) {
        v = dur_expr_make(DUR_EXPR_V_MISSING);
    }

    return v.kind == DUR_EXPR_V_MISSING ? dur_expr_absent(run, node) : v;
}


static dur_expr_value_t
dur_expr_index(dur_expr_run_t *run, const dur_expr_node_t *node)
{
    int64_t           i;
    dur_expr_value_t  v, index;

    v = dur_expr_base(run, node->first);
    index = dur_expr_walk(run, dur_expr_node_at(run, node->first)->next);

    if (v.kind == DUR_EXPR_V_ERROR) {
        return v;
    }

    if (index.kind == DUR_EXPR_V_ERROR) {
        return index;
    }

    if (v.kind == DUR_EXPR_V_MAP && index.kind != DUR_EXPR_V_MISSING) {
        v = dur_expr_get(run, v, index);
        return v.kind == DUR_EXPR_V_MISSING ? dur_expr_absent(run, node) : v;
    }

    if (v.kind != DUR_EXPR_V_LIST || index.kind == DUR_EXPR_V_MISSING) {
        return dur_expr_absent(run, node);
    }

    if (!dur_expr_to_int(index, &i)) {
        return dur_expr_error("the index of a list is an integer");
    }

    if (i < 0 || (uint64_t) i >= dur_expr_size(v)) {
        return dur_expr_error("index out of range");
    }

    return dur_expr_item(v, (size_t) i);
}


static dur_expr_value_t
dur_expr_has_field(dur_expr_run_t *run, const dur_expr_node_t *node)
{
    dur_expr_value_t  v;

    v = dur_expr_select(run, dur_expr_node_at(run, node->first));

    return v.kind == DUR_EXPR_V_ERROR
           ? v : dur_expr_bool(v.kind != DUR_EXPR_V_MISSING);
}


/* What is missing has no place in lists and maps. */

static dur_expr_value_t
dur_expr_listed(dur_expr_value_t v)
{
    if (v.kind != DUR_EXPR_V_MISSING) {
        return v;
    }

    return v.null ? dur_expr_make(DUR_EXPR_V_NULL)
                  : dur_expr_error("what is missing in a list or a map");
}


/* What makes it unfit for the key of a map, NULL when nothing does.  JSON has
 * text with zero bytes, the library that reads it has no such keys. */

static const char *
dur_expr_key_fault(dur_expr_run_t *run, dur_expr_value_t key)
{
    if (key.kind == DUR_EXPR_V_STRING) {
        dur_expr_charge(run, key.u.text.len);

        return key.u.text.len > 0
               && memchr(key.u.text.data, '\0', key.u.text.len) != NULL
               ? "a key with a zero byte" : NULL;
    }

    return (1U << key.kind) & (DUR_EXPR_M(BOOL) | DUR_EXPR_M_NUMBER)
           ? NULL : "a key that is no string or number";
}


/* A list or a map. */

static dur_expr_value_t
dur_expr_collect(dur_expr_run_t *run, const dur_expr_node_t *node)
{
    size_t            n;
    uint16_t          id;
    const char       *fault;
    dur_expr_value_t  v, *items;

    n = 0;

    for (id = node->first; id; id = dur_expr_node_at(run, id)->next) {
        n++;
    }

    items = dur_expr_alloc(run, n * sizeof(dur_expr_value_t));
    if (items == NULL) {
        return dur_expr_nomem();
    }

    n = 0;

    for (id = node->first; id; id = dur_expr_node_at(run, id)->next) {
        v = dur_expr_listed(dur_expr_walk(run, id));

        if (v.kind == DUR_EXPR_V_ERROR) {
            return v;
        }

        items[n++] = v;
    }

    v = dur_expr_make(DUR_EXPR_V_LIST);

    if (node->kind == DUR_EXPR_N_MAP) {
        v.kind = DUR_EXPR_V_MAP;
        n /= 2;

        for (size_t i = 0; i < n; i++) {
            fault = dur_expr_key_fault(run, items[2 * i]);

            if (fault != NULL) {
                return dur_expr_error(fault);
            }
        }
    }

    v.u.list.items = items;
    v.u.list.n = n;

    return v;
}


static dur_expr_value_t
dur_expr_function_call(dur_expr_run_t *run, const dur_expr_node_t *node)
{
    size_t                      i;
    uint16_t                    id;
    bool                        missing;
    dur_expr_args_t             a;
    const dur_expr_function_t  *f;

    f = dur_expr_function(node->op);
    a.run = run;
    a.node = node;
    a.extra = f->extra;
    a.n = 0;
    missing = false;

    for (id = node->first; id; id = dur_expr_node_at(run, id)->next) {
        a.v[a.n] = dur_expr_walk(run, id);
        missing |= (a.v[a.n].kind == DUR_EXPR_V_MISSING);
        a.n++;
    }

    if (dur_expr_function_size(f) && dur_expr_is_none(a.v[0])
        && !a.v[0].hard)
    {
        return dur_expr_int(0);
    }

    for (i = 0; i < a.n; i++) {
        if (a.v[i].kind == DUR_EXPR_V_ERROR) {
            return a.v[i];
        }
    }

    if (missing) {
        return dur_expr_bool(false);
    }

    for (i = 0; i < a.n; i++) {
        if (!(dur_expr_kinds(a.v[i]) & f->args[i])) {
            return dur_expr_error("a function on a value of a wrong type");
        }
    }

    return f->call(&a);
}


static dur_expr_value_t
dur_expr_binary_node(dur_expr_run_t *run, const dur_expr_node_t *node)
{
    uint16_t                right;
    dur_expr_value_t        a, b;
    const dur_expr_node_t  *list;

    right = dur_expr_node_at(run, node->first)->next;
    list = dur_expr_node_at(run, right);

    a = dur_expr_walk(run, node->first);

    if (node->op != DUR_EXPR_IN || list->kind != DUR_EXPR_N_LIST
        || dur_expr_is_none(a))
    {
        b = dur_expr_walk(run, right);
        return dur_expr_apply(run, node->op, a, b);
    }

    /* x in [a, b]: without making the list */

    b = dur_expr_bool(false);

    for (right = list->first; right;
         right = dur_expr_node_at(run, right)->next)
    {
        b = dur_expr_listed(dur_expr_walk(run, right));

        if (b.kind == DUR_EXPR_V_ERROR) {
            return b;
        }

        if (dur_expr_equal(run, a, b)) {
            return dur_expr_bool(true);
        }
    }

    return dur_expr_bool(false);
}


/*
 * && and || as in JavaScript: the operand that decides.  An error does not
 * decide while another operand can.
 */

static dur_expr_value_t
dur_expr_logic_node(dur_expr_run_t *run, const dur_expr_node_t *node)
{
    bool              or;
    uint16_t          id;
    dur_expr_value_t  v, error;

    or = (node->kind == DUR_EXPR_N_OR);
    v = error = dur_expr_bool(false);

    for (id = node->first; id; id = dur_expr_node_at(run, id)->next) {
        v = dur_expr_walk(run, id);

        if (!or && v.kind == DUR_EXPR_V_ERROR) {
            error = v;
            continue;
        }

        if (dur_expr_truthy(v) == or) {
            return v;
        }
    }

    return error.kind == DUR_EXPR_V_ERROR ? error : v;
}


static dur_expr_value_t
dur_expr_if_node(dur_expr_run_t *run, const dur_expr_node_t *node)
{
    uint16_t  yes, no;

    yes = dur_expr_node_at(run, node->first)->next;
    no = dur_expr_node_at(run, yes)->next;

    return dur_expr_walk(run, dur_expr_truthy(dur_expr_walk(run, node->first))
                              ? yes : no);
}


/* What a macro has found out so far. */
typedef struct {
    size_t             hits;
    size_t             falses;
    size_t             n;
    dur_expr_value_t   error;
    dur_expr_value_t  *items;           /* of map and filter */
} dur_expr_found_t;


/* One element; false when no other can change the value. */

static bool
dur_expr_element(dur_expr_run_t *run, const dur_expr_node_t *node,
    dur_expr_found_t *found)
{
    uint16_t          id;
    dur_expr_value_t  v;

    id = dur_expr_node_at(run, node->first)->next;

    if (node->op == DUR_EXPR_MAP && dur_expr_node_at(run, id)->next) {

        if (!dur_expr_truthy(dur_expr_walk(run, id))) {
            return true;
        }

        id = dur_expr_node_at(run, id)->next;
    }

    v = dur_expr_walk(run, id);

    if (node->op == DUR_EXPR_MAP) {

        v = dur_expr_listed(v);

        if (v.kind == DUR_EXPR_V_ERROR) {
            found->error = v;
            return false;
        }

        found->items[found->n++] = v;
        return true;
    }

    if (node->op == DUR_EXPR_ALL) {

        if (v.kind == DUR_EXPR_V_ERROR) {
            found->error = v;
            return true;
        }

        found->falses += !dur_expr_truthy(v);
        return found->falses == 0;
    }

    if (dur_expr_truthy(v)) {
        found->hits++;

        if (node->op == DUR_EXPR_FILTER) {
            found->items[found->n++] = run->locals[node->slot];
        }
    }

    return node->op != DUR_EXPR_EXISTS || found->hits == 0;
}


static dur_expr_value_t
dur_expr_outcome(const dur_expr_node_t *node, const dur_expr_found_t *found)
{
    dur_expr_value_t  list;

    switch (node->op) {

    case DUR_EXPR_ALL:
        return found->falses == 0 && found->error.kind == DUR_EXPR_V_ERROR
               ? found->error : dur_expr_bool(found->falses == 0);

    case DUR_EXPR_EXISTS:
        return dur_expr_bool(found->hits != 0);

    case DUR_EXPR_EXISTS_ONE:
        return dur_expr_bool(found->hits == 1);

    default:
        if (found->error.kind == DUR_EXPR_V_ERROR) {
            return found->error;
        }

        list = dur_expr_make(DUR_EXPR_V_LIST);
        list.u.list.items = found->items;
        list.u.list.n = found->n;
        return list;
    }
}


static dur_expr_value_t
dur_expr_macro_node(dur_expr_run_t *run, const dur_expr_node_t *node)
{
    size_t            i, n;
    dur_expr_found_t  found;
    dur_expr_value_t  range;

    range = dur_expr_walk(run, node->first);

    if (range.kind == DUR_EXPR_V_MAP) {
        range = dur_expr_keys(run, range);
    }

    if (dur_expr_is_none(range)) {
        return range;
    }

    if (range.kind != DUR_EXPR_V_LIST) {
        return dur_expr_error("a macro needs a list or a map");
    }

    n = dur_expr_size(range);
    memset(&found, 0, sizeof(found));

    if (node->op == DUR_EXPR_MAP || node->op == DUR_EXPR_FILTER) {

        found.items = dur_expr_alloc(run, n * sizeof(dur_expr_value_t));
        if (found.items == NULL) {
            return dur_expr_nomem();
        }
    }

    for (i = 0; i < n && run->work >= 0; i++) {
        run->locals[node->slot] = dur_expr_item(range, i);

        if (!dur_expr_element(run, node, &found)) {
            break;
        }
    }

    return dur_expr_outcome(node, &found);
}


static dur_expr_value_t
dur_expr_value_of(dur_expr_run_t *run, const dur_expr_node_t *node)
{
    switch (node->kind) {
    case DUR_EXPR_N_CONST:
        return node->u.value;
    case DUR_EXPR_N_EVENT:
        return dur_expr_root(run->vars->event);
    case DUR_EXPR_N_ASYNC:
        return dur_expr_root(run->vars->async);
    case DUR_EXPR_N_NAMED:
        return dur_expr_named(run, node);
    case DUR_EXPR_N_LOCAL:
        return run->locals[node->op];
    case DUR_EXPR_N_SELECT:
        return dur_expr_select(run, node);
    case DUR_EXPR_N_INDEX:
        return dur_expr_index(run, node);
    case DUR_EXPR_N_LIST:
    case DUR_EXPR_N_MAP:
        return dur_expr_collect(run, node);
    case DUR_EXPR_N_CALL:
        return dur_expr_function_call(run, node);
    case DUR_EXPR_N_HAS:
        return dur_expr_has_field(run, node);
    case DUR_EXPR_N_MACRO:
        return dur_expr_macro_node(run, node);
    case DUR_EXPR_N_AND:
    case DUR_EXPR_N_OR:
        return dur_expr_logic_node(run, node);
    case DUR_EXPR_N_IF:
        return dur_expr_if_node(run, node);
    case DUR_EXPR_N_NOT:
        return dur_expr_not(dur_expr_walk(run, node->first));
    case DUR_EXPR_N_NEGATE:
        return dur_expr_negate(dur_expr_walk(run, node->first));
    default:
        return dur_expr_binary_node(run, node);
    }
}


dur_expr_value_t
dur_expr_walk(dur_expr_run_t *run, uint16_t id)
{
    dur_expr_value_t  v;

    if (--run->work < 0) {
        return dur_expr_hard("too much work");
    }

    v = dur_expr_value_of(run, dur_expr_node_at(run, id));

    if (v.kind == DUR_EXPR_V_ERROR && v.node == 0) {
        v.node = id;
    }

    return v;
}


void
dur_expr_begin(dur_expr_run_t *run, const dur_expr_t *expr,
    const dur_expr_vars_t *vars, dur_arena_t *arena)
{
    run->expr = expr;
    run->vars = vars;
    run->named = NULL;
    run->arena = arena;
    run->work = DUR_EXPR_WORK;
    run->nomem = false;
    run->owned = NULL;
    dur_buf_init(&run->b, DUR_EXPR_RESULT);
}


void
dur_expr_end(dur_expr_run_t *run)
{
    for ( ; run->owned != NULL; run->owned = run->owned->next) {
        json_decref(run->owned->json);
    }

    dur_buf_deinit(&run->b);
}
