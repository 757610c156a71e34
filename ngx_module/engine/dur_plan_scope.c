/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_plan_scope.h"
#include "engine/dur_json.h"

#include <stdio.h>


/* -- names ---------------------------------------------------------------- */

size_t
dur_plan_names(const dur_plan_node_t *node, dur_str_t names[DUR_PLAN_NAMES])
{
    size_t  n;

    names[DUR_PLAN_ROOT_STEPS] = dur_str("steps");
    names[DUR_PLAN_ROOT_EVENTS] = dur_str("events");
    names[DUR_PLAN_ROOT_RUN] = dur_str("run_id");
    names[DUR_PLAN_ROOT_ATTEMPT] = dur_str("attempt");
    names[DUR_PLAN_ROOT_INDEX] = dur_str("index");

    for (n = 0; n < node->depth; n++) {
        names[DUR_PLAN_ROOTS + n] = node->loops[n]->name;
    }

    return DUR_PLAN_ROOTS + n;
}


dur_str_t
dur_plan_reference(dur_str_t value)
{
    size_t          len;
    const uint8_t  *p;

    if (value.len == 0) {
        return dur_str_null;
    }

    p = memrchr(value.data, ' ', value.len);
    p = p ? p + 1 : value.data;
    len = (size_t) (value.data + value.len - p);

    if ((len > 5 && memcmp(p, "file:", 5) == 0)
        || (len > 4 && memcmp(p, "env:", 4) == 0))
    {
        return dur_str_make(p, len);
    }

    return dur_str_null;
}


/* -- the scope ------------------------------------------------------------ */

void
dur_plan_scope_init(dur_plan_scope_t *s, const dur_plan_def_t *def,
    const dur_plan_memo_t *memo, dur_arena_t *arena)
{
    memset(s, 0, sizeof(*s));

    s->def = def;
    s->memo = memo;
    s->arena = arena;
}


static void
dur_plan_scope_free(json_t **list, unsigned n)
{
    unsigned  i;

    for (i = 0; list != NULL && i < n; i++) {
        json_decref(list[i]);
    }
}


void
dur_plan_scope_deinit(dur_plan_scope_t *s)
{
    json_decref(s->event);
    json_decref(s->events);
    dur_plan_scope_free(s->outputs, s->def->nnodes);
    dur_plan_scope_free(s->lists, s->def->nnodes);
}


bool
dur_plan_started(const dur_plan_memo_t *memo, const dur_plan_at_t *at)
{
    dur_plan_at_t           child;
    const dur_plan_node_t  *p;

    if (at->node->kind <= DUR_PLAN_INVOKE) {
        return memo->state(memo->data, at) != DUR_PLAN_NEW;
    }

    child = *at;

    if (at->node->kind >= DUR_PLAN_FOREACH) {
        child.round[at->node->depth] = 0;
    }

    for (p = at->node->first; p != NULL; p = p->next) {
        child.node = p;

        if (dur_plan_started(memo, &child)) {
            return true;
        }
    }

    return false;
}


/* -- outputs -------------------------------------------------------------- */

/* Where what was read of a directive outside of loops is kept; NULL. */
static json_t **
dur_plan_kept(dur_plan_scope_t *s, json_t ***table,
    const dur_plan_node_t *node)
{
    if (node->depth > 0) {
        return NULL;
    }

    if (*table == NULL) {
        *table = dur_arena_zalloc(s->arena,
                                  s->def->nnodes * sizeof(json_t *));
    }

    return *table ? *table + node->number : NULL;
}


/* NULL when there is none: the step did not run. */
static dur_rc_t
dur_plan_output(dur_plan_scope_t *s, const dur_plan_at_t *at, json_t **value)
{
    dur_rc_t    rc;
    json_t    **kept;
    dur_str_t   text;

    *value = NULL;
    kept = dur_plan_kept(s, &s->outputs, at->node);

    if (kept != NULL && *kept != NULL) {
        *value = json_incref(*kept);
        return DUR_OK;
    }

    if (s->memo->state(s->memo->data, at) != DUR_PLAN_DONE) {
        return DUR_OK;
    }

    rc = s->memo->output(s->memo->data, at, &text);
    if (rc != DUR_OK) {
        return rc;
    }

    *value = text.len ? dur_json_parse(text, NULL) : json_null();

    if (*value == NULL) {
        return DUR_ECORRUPT;
    }

    if (kept != NULL) {
        *kept = json_incref(*value);
    }

    return DUR_OK;
}


/* The rounds of a foreach, one value for each. */
static dur_rc_t
dur_plan_outputs(dur_plan_scope_t *s, const dur_plan_node_t *step,
    dur_plan_at_t *at, json_t **value)
{
    size_t    i, n;
    json_t   *list, *one;
    dur_rc_t  rc;
    unsigned  depth;

    depth = at->node->depth;

    rc = dur_plan_list(s, at, &list);
    if (rc != DUR_OK) {
        return rc;
    }

    n = json_array_size(list);
    json_decref(list);
    *value = json_array();

    for (i = 0; rc == DUR_OK && i < n; i++) {
        at->round[depth] = (uint32_t) i;
        at->node = step->loops[depth];

        rc = dur_plan_value_of(s, step, at, &one);

        if (rc == DUR_OK
            && json_array_append_new(*value, one ? one : json_null()) != 0)
        {
            rc = DUR_ENOMEM;
        }
    }

    if (rc != DUR_OK) {
        json_decref(*value);
        *value = NULL;
    }

    return rc;
}


/* The last round of an until in which the step was done. */
static dur_rc_t
dur_plan_latest(dur_plan_scope_t *s, const dur_plan_node_t *step,
    dur_plan_at_t *at, json_t **value)
{
    json_t                 *one;
    dur_rc_t                rc;
    unsigned                i, depth;
    const dur_plan_node_t  *loop, *p;

    loop = at->node;
    depth = loop->depth;
    *value = NULL;

    for (i = 0, rc = DUR_OK; rc == DUR_OK && i < loop->most; i++) {
        at->round[depth] = i;

        for (p = loop->first; p != NULL; p = p->next) {
            at->node = p;
            if (dur_plan_started(s->memo, at)) {
                break;
            }
        }

        if (p == NULL) {
            break;
        }

        at->node = loop;
        rc = dur_plan_value_of(s, step, at, &one);

        if (rc == DUR_OK && one != NULL) {
            json_decref(*value);
            *value = one;
        }
    }

    return rc;
}


dur_rc_t
dur_plan_value_of(dur_plan_scope_t *s, const dur_plan_node_t *step,
    const dur_plan_at_t *at, json_t **value)
{
    unsigned                i, depth;
    dur_plan_at_t           other;
    const dur_plan_node_t  *node;

    node = at->node;
    depth = node->depth;
    other = *at;

    for (i = 0; i < step->depth; i++) {

        if ((i < depth && step->loops[i] == node->loops[i])
            || (i == depth && step->loops[i] == node))
        {
            continue;
        }

        other.node = step->loops[i];

        return other.node->kind == DUR_PLAN_FOREACH
               ? dur_plan_outputs(s, step, &other, value)
               : dur_plan_latest(s, step, &other, value);
    }

    other.node = step;

    return dur_plan_output(s, &other, value);
}


/* -- roots ---------------------------------------------------------------- */

static dur_rc_t
dur_plan_event(dur_plan_scope_t *s)
{
    dur_rc_t   rc;
    dur_str_t  event, events;

    if (s->event != NULL) {
        return DUR_OK;
    }

    rc = s->memo->event(s->memo->data, &event, &events);
    if (rc != DUR_OK) {
        return rc;
    }

    s->event = dur_json_parse(event, NULL);
    s->events = events.len ? dur_json_parse(events, NULL)
                           : json_pack("[O]", s->event);

    return s->event && s->events ? DUR_OK : DUR_ECORRUPT;
}


dur_rc_t
dur_plan_list(dur_plan_scope_t *s, const dur_plan_at_t *loop, json_t **list)
{
    dur_rc_t             rc;
    json_t             **kept;
    dur_expr_result_t    result;

    *list = NULL;
    kept = dur_plan_kept(s, &s->lists, loop->node);

    if (kept != NULL && *kept != NULL) {
        *list = json_incref(*kept);
        return DUR_OK;
    }

    rc = dur_plan_eval(s, &loop->node->expr, loop, &result);
    if (rc != DUR_OK) {
        return rc;
    }

    if (result.type == DUR_EXPR_JSON) {
        *list = dur_json_parse(result.text, NULL);
    }

    if (!json_is_array(*list)) {
        snprintf(s->err, sizeof(s->err), "the value of \"in\" is no list");
        json_decref(*list);
        *list = NULL;
        return DUR_EINVAL;
    }

    if (json_array_size(*list) > DUR_PLAN_ROUNDS) {
        snprintf(s->err, sizeof(s->err), "the list has more than %d items",
                 DUR_PLAN_ROUNDS);
        json_decref(*list);
        *list = NULL;
        return DUR_EINVAL;
    }

    if (kept != NULL) {
        *kept = json_incref(*list);
    }

    return DUR_OK;
}


/* The members of `steps` that the expression looks at; a new object. */
static dur_rc_t
dur_plan_steps(dur_plan_scope_t *s, const dur_plan_expr_t *expr,
    const dur_plan_at_t *at, json_t **steps)
{
    json_t    *value;
    dur_rc_t   rc;
    unsigned   i;

    *steps = json_object();

    for (i = 0, rc = DUR_OK; rc == DUR_OK && i < expr->nuses; i++) {
        rc = dur_plan_value_of(s, expr->uses[i], at, &value);

        if (rc == DUR_OK && value != NULL
            && json_object_set_new(*steps, (const char *)
                                   expr->uses[i]->name.data, value) != 0)
        {
            rc = DUR_ENOMEM;
        }
    }

    return rc;
}


/* The items of the loops around a directive; borrowed from the lists. */
static dur_rc_t
dur_plan_items(dur_plan_scope_t *s, const dur_plan_at_t *at, json_t **lists,
    const json_t **named)
{
    dur_rc_t       rc;
    unsigned       i;
    dur_plan_at_t  loop;

    loop = *at;

    for (i = 0; i < at->node->depth; i++) {
        loop.node = at->node->loops[i];

        if (loop.node->kind != DUR_PLAN_FOREACH) {
            continue;
        }

        rc = dur_plan_list(s, &loop, &lists[i]);
        if (rc != DUR_OK) {
            return rc;
        }

        named[DUR_PLAN_ROOTS + i] = json_array_get(lists[i], at->round[i]);
    }

    return DUR_OK;
}


static dur_rc_t
dur_plan_evaluate(dur_plan_scope_t *s, const dur_plan_expr_t *expr,
    const json_t *const *named, dur_expr_result_t *result)
{
    char             err[160];
    dur_rc_t         rc;
    dur_expr_vars_t  vars;

    memset(&vars, 0, sizeof(vars));
    vars.event = s->event;
    vars.now_ms = s->memo->now_ms;
    vars.event_null = true;

    rc = dur_expr_eval_named(expr->tree, &vars, named, s->arena, result, err);

    if (rc == DUR_EINVAL) {
        snprintf(s->err, sizeof(s->err), "%s", err);
    }

    /* a text may be borrowed from what is released now */

    if (rc == DUR_OK && result->text.len) {
        result->text = dur_arena_copy(s->arena, result->text);
        rc = result->text.data ? DUR_OK : DUR_ENOMEM;
    }

    return rc;
}


dur_rc_t
dur_plan_eval(dur_plan_scope_t *s, const dur_plan_expr_t *expr,
    const dur_plan_at_t *at, dur_expr_result_t *result)
{
    json_t        *owned[4], *lists[DUR_PLAN_DEPTH];
    dur_rc_t       rc;
    unsigned       i;
    const json_t  *named[DUR_PLAN_NAMES];

    memset(owned, 0, sizeof(owned));
    memset(lists, 0, sizeof(lists));
    memset(named, 0, sizeof(named));

    rc = expr->event ? dur_plan_event(s) : DUR_OK;

    if (rc == DUR_OK) {
        rc = dur_plan_steps(s, expr, at, &owned[0]);
    }
    if (rc == DUR_OK) {
        rc = dur_plan_items(s, at, lists, named);
    }

    if (rc == DUR_OK) {
        owned[1] = json_stringn((const char *) s->memo->run_id.data,
                                s->memo->run_id.len);
        i = at->node->depth;
        owned[2] = i ? json_integer(at->round[i - 1]) : NULL;

        owned[3] = json_integer(s->memo->attempt);

        named[DUR_PLAN_ROOT_STEPS] = owned[0];
        named[DUR_PLAN_ROOT_EVENTS] = s->events;
        named[DUR_PLAN_ROOT_RUN] = owned[1];
        named[DUR_PLAN_ROOT_ATTEMPT] = owned[3];
        named[DUR_PLAN_ROOT_INDEX] = owned[2];

        rc = dur_plan_evaluate(s, expr, named, result);
    }

    for (i = 0; i < 4; i++) {
        json_decref(owned[i]);
    }

    for (i = 0; i < DUR_PLAN_DEPTH; i++) {
        json_decref(lists[i]);
    }

    return rc;
}


void
dur_plan_write(dur_buf_t *b, const dur_expr_result_t *result)
{
    char  text[32];

    switch (result->type) {

    case DUR_EXPR_NULL:
        dur_buf_addz(b, "null");
        break;

    case DUR_EXPR_BOOL:
        dur_buf_addz(b, result->boolean ? "true" : "false");
        break;

    case DUR_EXPR_INT:
        dur_buf_addf(b, "%lld", (long long) result->integer);
        break;

    case DUR_EXPR_DOUBLE:
        dur_json_number(result->number, text);
        dur_buf_addz(b, text);
        break;

    case DUR_EXPR_STRING:
        dur_json_write_string(b, result->text);
        break;

    default:
        dur_buf_adds(b, result->text);
        break;
    }
}
