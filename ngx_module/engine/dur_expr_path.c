/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_expr_path.h"
#include "engine/dur_expr_func.h"
#include "engine/dur_expr_run.h"
#include "engine/dur_expr_value.h"
#include "engine/dur_json.h"


static const dur_expr_node_t *
dur_expr_path_node(const dur_expr_t *expr, uint16_t id)
{
    return &expr->nodes[id];
}


/* -- paths ---------------------------------------------------------------- */

static void
dur_expr_path_add(dur_expr_path_t *path, dur_str_t name)
{
    if (path->n == DUR_EXPR_PATH_NAMES) {
        path->whole = true;
    }

    if (!path->whole) {
        path->names[path->n++] = name;
    }
}


static void
dur_expr_path_index(dur_expr_path_t *path, const dur_expr_node_t *index)
{
    if (index->kind == DUR_EXPR_N_CONST
        && index->u.value.kind == DUR_EXPR_V_STRING)
    {
        dur_expr_path_add(path, index->u.value.u.text);

    } else {
        path->whole = true;
    }
}


/* The root that the node is a field of, DUR_EXPR_N_EVENT or _ASYNC, and its
 * path; 0 when it is none. */
static uint8_t
dur_expr_path_of(const dur_expr_t *expr, uint16_t id, dur_expr_path_t *path)
{
    uint8_t                 root;
    const dur_expr_node_t  *node, *base;

    node = dur_expr_path_node(expr, id);

    switch (node->kind) {

    case DUR_EXPR_N_EVENT:
    case DUR_EXPR_N_ASYNC:
        path->n = 0;
        path->whole = false;
        return node->kind;

    case DUR_EXPR_N_SELECT:
        root = dur_expr_path_of(expr, node->first, path);
        if (root) {
            dur_expr_path_add(path, node->u.name);
        }
        return root;

    case DUR_EXPR_N_INDEX:
        root = dur_expr_path_of(expr, node->first, path);
        if (root) {
            base = dur_expr_path_node(expr, node->first);
            dur_expr_path_index(path, dur_expr_path_node(expr, base->next));
        }
        return root;

    default:
        return 0;
    }
}


const json_t *
dur_expr_path_get(const dur_expr_path_t *path, const json_t *event)
{
    unsigned  i;

    for (i = 0; i < path->n && event != NULL; i++) {
        event = json_object_getn(event, (const char *) path->names[i].data,
                                 path->names[i].len);
    }

    return event;
}


unsigned
dur_expr_count_event(const dur_expr_t *expr)
{
    size_t    i;
    unsigned  n;

    for (i = 1, n = 0; i < expr->nnodes; i++) {
        n += expr->nodes[i].kind == DUR_EXPR_N_EVENT;
    }

    return n;
}


bool
dur_expr_uses_event(const dur_expr_t *expr)
{
    return dur_expr_count_event(expr) > 0;
}


/* The name under which the node is taken apart: x.name, x["name"]. */
static dur_str_t
dur_expr_use(const dur_expr_t *expr, size_t id)
{
    size_t                  i;
    const dur_expr_node_t  *node, *key;

    for (i = 1; i < expr->nnodes; i++) {
        node = &expr->nodes[i];

        if (node->first != id) {
            continue;
        }

        if (node->kind == DUR_EXPR_N_SELECT) {
            return node->u.name;
        }

        key = &expr->nodes[expr->nodes[id].next];

        if (node->kind == DUR_EXPR_N_INDEX && key->kind == DUR_EXPR_N_CONST
            && key->u.value.kind == DUR_EXPR_V_STRING)
        {
            return key->u.value.u.text;
        }
    }

    return dur_str_null;
}


bool
dur_expr_uses(const dur_expr_t *expr, unsigned name, size_t *at,
    dur_str_t *field)
{
    while (++*at < expr->nnodes) {

        if (expr->nodes[*at].kind == DUR_EXPR_N_NAMED
            && expr->nodes[*at].op == name)
        {
            *field = dur_expr_use(expr, *at);
            return true;
        }
    }

    return false;
}


/* -- the projection ------------------------------------------------------- */

typedef struct dur_expr_project_s  dur_expr_project_t;

struct dur_expr_project_s {
    const dur_expr_t  *expr;
    const json_t      *event;
    dur_str_t          text;            /* the same, where it is not parsed */
    json_t            *made;            /* becomes the event itself when it is
                                           used as a whole */
    bool               whole;
    bool               nomem;

    void             (*take)(dur_expr_project_t *p,
                             const dur_expr_path_t *path);
};


/* jansson counts references in what is const, too. */
static json_t *
dur_expr_path_share(const json_t *json)
{
    return json_incref((json_t *) (uintptr_t) json);
}


static void
dur_expr_project_whole(dur_expr_project_t *p)
{
    json_decref(p->made);
    p->whole = true;
    p->made = p->event ? dur_expr_path_share(p->event)
                       : dur_json_parse(p->text, NULL);
    p->nomem |= p->made == NULL;
}


/* A field that is no object is taken as it is: what is looked for in it is
 * missing there or an error, and shall stay so. */
static void
dur_expr_project_path(dur_expr_project_t *p, const dur_expr_path_t *path)
{
    size_t         len;
    json_t        *to, *have;
    unsigned       i;
    const char    *name;
    const json_t  *from;

    to = p->made;
    from = p->event;

    for (i = 0; i < path->n; i++) {
        name = (const char *) path->names[i].data;
        len = path->names[i].len;

        from = json_object_getn(from, name, len);
        have = json_object_getn(to, name, len);

        if (from == NULL || have == from) {
            return;             /* missing, or there as a whole */
        }

        if (i == path->n - 1 || !json_is_object(from)) {
            p->nomem |= json_object_setn_new(to, name, len,
                                             dur_expr_path_share(from)) != 0;
            return;
        }

        if (have == NULL) {
            have = json_object();
            p->nomem |= json_object_setn_new(to, name, len, have) != 0;
        }

        if (p->nomem) {
            return;
        }

        to = have;
    }
}


/* The same, of a text: nothing else of it is parsed. */
static void
dur_expr_project_slice(dur_expr_project_t *p, const dur_expr_path_t *path)
{
    json_t     *to, *have;
    unsigned    i;
    dur_str_t   from, value;

    to = p->made;
    from = p->text;

    for (i = 0; i < path->n; i++) {

        /* of a list it would be an element */

        if (from.len == 0 || from.data[0] != '{'
            || dur_json_member(from, path->names[i], &value) != DUR_OK)
        {
            return;
        }

        have = json_object_getn(to, (const char *) path->names[i].data,
                                path->names[i].len);

        if (i == path->n - 1 || value.data[0] != '{') {
            have = dur_json_parse(value, NULL);

        } else if (have == NULL) {
            have = json_object();

        } else {
            json_incref(have);
        }

        if (json_object_setn_new(to, (const char *) path->names[i].data,
                                 path->names[i].len, have) != 0)
        {
            p->nomem = true;
            return;
        }

        to = have;
        from = value;

        if (!json_is_object(to)) {
            return;
        }
    }
}


static void
dur_expr_project_node(dur_expr_project_t *p, uint16_t id)
{
    uint8_t                 root;
    dur_expr_path_t         path;
    const dur_expr_node_t  *node;

    node = dur_expr_path_node(p->expr, id);
    root = dur_expr_path_of(p->expr, id, &path);

    if (root == DUR_EXPR_N_EVENT && !p->whole && !p->nomem) {

        if (path.n == 0) {
            dur_expr_project_whole(p);

        } else {
            p->take(p, &path);
        }
    }

    /* of a chain only what stands in its brackets is left to look at */

    for ( ; root != 0 && (node->kind == DUR_EXPR_N_SELECT
                          || node->kind == DUR_EXPR_N_INDEX);
          node = dur_expr_path_node(p->expr, node->first))
    {
        if (node->kind == DUR_EXPR_N_INDEX) {
            id = dur_expr_path_node(p->expr, node->first)->next;
            dur_expr_project_node(p, id);
        }
    }

    if (root == 0) {
        for (id = node->first; id != 0;
             id = dur_expr_path_node(p->expr, id)->next)
        {
            dur_expr_project_node(p, id);
        }
    }
}


static json_t *
dur_expr_projected(dur_expr_project_t *p)
{
    p->made = json_object();
    if (p->made == NULL) {
        return NULL;
    }

    dur_expr_project_node(p, p->expr->root);

    if (p->nomem) {
        json_decref(p->made);
        return NULL;
    }

    return p->made;
}


json_t *
dur_expr_project(const dur_expr_t *expr, const json_t *event)
{
    dur_expr_project_t  p;

    memset(&p, 0, sizeof(p));
    p.expr = expr;
    p.event = event;
    p.take = dur_expr_project_path;

    return dur_expr_projected(&p);
}


json_t *
dur_expr_project_text(const dur_expr_t *expr, dur_str_t text)
{
    dur_expr_project_t  p;

    memset(&p, 0, sizeof(p));
    p.expr = expr;
    p.text = text;
    p.take = dur_expr_project_slice;

    return dur_expr_projected(&p);
}


/* -- the equality --------------------------------------------------------- */

/* A constant as JSON; NULL when it has no such form. */
static json_t *
dur_expr_path_constant(dur_expr_value_t v, bool negative)
{
    int64_t  i;

    switch (v.kind) {

    case DUR_EXPR_V_NULL:
        return negative ? NULL : json_null();

    case DUR_EXPR_V_BOOL:
        return negative ? NULL : json_boolean(v.u.boolean);

    case DUR_EXPR_V_STRING:
        return negative ? NULL
                        : json_stringn((const char *) v.u.text.data,
                                       v.u.text.len);

    case DUR_EXPR_V_INT:
    case DUR_EXPR_V_UINT:
        if (dur_expr_to_int(v, &i) && (!negative || i != INT64_MIN)) {
            return json_integer(negative ? -i : i);
        }
        return NULL;

    case DUR_EXPR_V_DOUBLE:
        return json_real(negative ? -v.u.number : v.u.number);

    default:
        return NULL;
    }
}


/* What the field is compared with, a new reference; NULL: not known. */
static json_t *
dur_expr_equality_value(const dur_expr_t *expr, uint16_t id,
    const json_t *event)
{
    bool                    negative;
    const json_t           *value;
    dur_expr_path_t         path;
    const dur_expr_node_t  *node;

    if (dur_expr_path_of(expr, id, &path) == DUR_EXPR_N_EVENT) {

        if (path.whole || path.n == 0) {
            return NULL;
        }

        value = dur_expr_path_get(&path, event);

        return value ? dur_expr_path_share(value) : json_null();
    }

    node = dur_expr_path_node(expr, id);
    negative = node->kind == DUR_EXPR_N_NEGATE;

    if (negative) {
        node = dur_expr_path_node(expr, node->first);
    }

    return node->kind == DUR_EXPR_N_CONST
           ? dur_expr_path_constant(node->u.value, negative) : NULL;
}


static bool
dur_expr_equality_node(const dur_expr_t *expr, uint16_t id,
    const json_t *event, dur_expr_equality_t *equality)
{
    uint16_t                left, right, child;
    const dur_expr_node_t  *node;

    node = dur_expr_path_node(expr, id);

    if (node->kind == DUR_EXPR_N_AND) {
        for (child = node->first; child != 0;
             child = dur_expr_path_node(expr, child)->next)
        {
            if (dur_expr_equality_node(expr, child, event, equality)) {
                return true;
            }
        }

        return false;
    }

    if (node->kind != DUR_EXPR_N_BINARY || node->op != DUR_EXPR_EQ) {
        return false;
    }

    left = node->first;
    right = dur_expr_path_node(expr, left)->next;

    if (dur_expr_path_of(expr, left, &equality->path) != DUR_EXPR_N_ASYNC) {

        if (dur_expr_path_of(expr, right, &equality->path)
            != DUR_EXPR_N_ASYNC)
        {
            return false;
        }

        right = left;
    }

    if (equality->path.whole || equality->path.n == 0) {
        return false;
    }

    equality->value = dur_expr_equality_value(expr, right, event);

    return equality->value != NULL;
}


bool
dur_expr_equality(const dur_expr_t *expr, const json_t *event,
    dur_expr_equality_t *equality)
{
    return dur_expr_equality_node(expr, expr->root, event, equality);
}


/* -- what can never be true ----------------------------------------------- */

/* Its value is the same for every second event, at any time. */
static bool
dur_expr_is_settled(const dur_expr_t *expr, uint16_t id)
{
    uint16_t                child;
    const dur_expr_node_t  *node;

    node = dur_expr_path_node(expr, id);

    if (node->kind == DUR_EXPR_N_ASYNC
        || (node->kind == DUR_EXPR_N_CALL
            && dur_expr_function_timed(dur_expr_function(node->op))))
    {
        return false;
    }

    for (child = node->first; child != 0;
         child = dur_expr_path_node(expr, child)->next)
    {
        if (!dur_expr_is_settled(expr, child)) {
            return false;
        }
    }

    return true;
}


static bool
dur_expr_never_node(dur_expr_run_t *run, uint16_t id)
{
    uint16_t                yes, no;
    const dur_expr_t       *expr = run->expr;
    const dur_expr_node_t  *node;

    node = dur_expr_path_node(expr, id);

    switch (node->kind) {

    case DUR_EXPR_N_AND:
        for (id = node->first; id; id = dur_expr_path_node(expr, id)->next) {
            if (dur_expr_never_node(run, id)) {
                return true;
            }
        }
        return false;

    case DUR_EXPR_N_OR:
        for (id = node->first; id; id = dur_expr_path_node(expr, id)->next) {
            if (!dur_expr_never_node(run, id)) {
                return false;
            }
        }
        return true;

    case DUR_EXPR_N_IF:
        yes = dur_expr_path_node(expr, node->first)->next;
        no = dur_expr_path_node(expr, yes)->next;

        if (dur_expr_is_settled(expr, node->first)) {
            return dur_expr_never_node(run,
                dur_expr_truthy(dur_expr_walk(run, node->first)) ? yes : no);
        }

        return dur_expr_never_node(run, yes) && dur_expr_never_node(run, no);

    default:
        return dur_expr_is_settled(expr, id)
               && !dur_expr_truthy(dur_expr_walk(run, id));
    }
}


dur_rc_t
dur_expr_never(const dur_expr_t *expr, const dur_expr_vars_t *vars,
    dur_arena_t *arena, bool *never)
{
    dur_expr_run_t  run;

    dur_expr_begin(&run, expr, vars, arena);
    *never = dur_expr_never_node(&run, expr->root);
    dur_expr_end(&run);

    return run.nomem ? DUR_ENOMEM : DUR_OK;
}
