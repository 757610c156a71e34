/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_plan.h"
#include "engine/dur_json.h"
#include "engine/dur_plan_scope.h"
#include "engine/dur_time.h"

#include <stdio.h>


#define DUR_PLAN_YEAR  (365 * DUR_TIME_DAY_MS)


/* How far a directive got. */
typedef enum {
    DUR_PLAN_PASSED = 0,
    DUR_PLAN_HELD,                      /* something of it is open */
    DUR_PLAN_STOPPED                    /* the run ends, or rc says why */
} dur_plan_go_t;

typedef struct {
    dur_plan_scope_t  scope;
    dur_plan_t       *plan;
    unsigned          budget;
    unsigned          size;             /* of plan->ops */
    dur_rc_t          rc;
} dur_plan_walk_t;


static dur_plan_go_t dur_plan_walk(dur_plan_walk_t *w,
    const dur_plan_at_t *at);


/* -- errors --------------------------------------------------------------- */

static const char *
dur_plan_word(const dur_plan_node_t *node)
{
    static const char *const  words[] = {
        [DUR_PLAN_STEP] = "step", [DUR_PLAN_SLEEP] = "sleep",
        [DUR_PLAN_SLEEP_UNTIL] = "sleep_until",
        [DUR_PLAN_WAIT_EVENT] = "wait_for_event",
        [DUR_PLAN_WAIT_SIGNAL] = "wait_for_signal",
        [DUR_PLAN_SEND_EVENT] = "send_event", [DUR_PLAN_INVOKE] = "invoke",
        [DUR_PLAN_FAIL] = "fail", [DUR_PLAN_RETURN] = "return",
        [DUR_PLAN_BRANCH] = "branch", [DUR_PLAN_PARALLEL] = "parallel",
        [DUR_PLAN_FOREACH] = "foreach", [DUR_PLAN_UNTIL] = "until",
    };

    return words[node->kind];
}


dur_str_t
dur_plan_message(const dur_plan_node_t *node, dur_arena_t *arena,
    const char *text)
{
    return dur_str_c(dur_arena_printf(arena, "%s%s%.*s in %.*s:%u: %s",
                         dur_plan_word(node), node->name.len ? " " : "",
                         (int) node->name.len,
                         node->name.len ? (const char *) node->name.data : "",
                         (int) node->file.len,
                         node->file.len ? (const char *) node->file.data : "",
                         node->line, text));
}


dur_str_t
dur_plan_error(dur_arena_t *arena, const char *name, dur_str_t message)
{
    dur_buf_t  b;
    dur_str_t  text;

    dur_buf_init(&b, 12 * message.len + 1024);

    dur_buf_addz(&b, "{\"error\":");
    dur_json_write_string(&b, message);
    dur_buf_addz(&b, ",\"message\":");
    dur_json_write_string(&b, message);
    dur_buf_addf(&b, ",\"name\":\"%s\"}", name);

    text = b.failed ? dur_str_null : dur_arena_copy(arena, dur_buf_str(&b));
    dur_buf_deinit(&b);

    return text;
}


static dur_plan_go_t
dur_plan_stop(dur_plan_walk_t *w, dur_rc_t rc)
{
    w->rc = rc;

    return DUR_PLAN_STOPPED;
}


static dur_plan_go_t
dur_plan_end(dur_plan_walk_t *w, const char *name, dur_str_t message)
{
    w->plan->end = DUR_PLAN_ENDED;
    w->plan->again = false;
    w->plan->nops = 0;
    w->plan->message = message;
    w->plan->output = dur_plan_error(w->scope.arena, name, message);

    return dur_plan_stop(w, message.data && w->plan->output.data
                            ? DUR_OK : DUR_ENOMEM);
}


static dur_plan_go_t
dur_plan_fail(dur_plan_walk_t *w, const dur_plan_node_t *node,
    const char *text)
{
    return dur_plan_end(w, "WorkflowError",
                        dur_plan_message(node, w->scope.arena, text));
}


/* An expression has no value, or there was another trouble. */
static dur_plan_go_t
dur_plan_trouble(dur_plan_walk_t *w, const dur_plan_node_t *node,
    dur_rc_t rc)
{
    return rc == DUR_EINVAL ? dur_plan_fail(w, node, w->scope.err)
                            : dur_plan_stop(w, rc);
}


/* -- steps ---------------------------------------------------------------- */

static dur_rc_t
dur_plan_eval_json(dur_plan_walk_t *w, const dur_plan_expr_t *expr,
    const dur_plan_at_t *at, dur_str_t *json)
{
    dur_rc_t           rc;
    dur_buf_t          b;
    dur_expr_result_t  result;

    rc = dur_plan_eval(&w->scope, expr, at, &result);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_init(&b, 8 * result.text.len + 64);
    dur_plan_write(&b, &result);
    *json = b.failed ? dur_str_null
                     : dur_arena_copy(w->scope.arena, dur_buf_str(&b));
    dur_buf_deinit(&b);

    return json->data ? DUR_OK : DUR_ENOMEM;
}


/* The data of an event: an object. */
static dur_rc_t
dur_plan_data(dur_plan_walk_t *w, const dur_plan_at_t *at,
    dur_plan_op_t *op)
{
    dur_rc_t  rc;

    op->data = dur_str("{}");

    if (at->node->expr.tree == NULL) {
        return DUR_OK;
    }

    rc = dur_plan_eval_json(w, &at->node->expr, at, &op->data);

    if (rc == DUR_OK && op->data.data[0] != '{') {
        snprintf(w->scope.err, sizeof(w->scope.err), "the value of \"data\" "
                 "is no object");
        rc = DUR_EINVAL;
    }

    return rc;
}


/* A text, or an instant: RFC 3339, or milliseconds since 1970. */
static dur_rc_t
dur_plan_instant(dur_plan_walk_t *w, const dur_plan_at_t *at,
    dur_plan_op_t *op)
{
    dur_rc_t           rc;
    dur_expr_result_t  result;

    rc = dur_plan_eval(&w->scope, &at->node->expr, at, &result);
    if (rc != DUR_OK) {
        return rc;
    }

    if (result.type == DUR_EXPR_INT) {
        op->due = result.integer;
        return DUR_OK;
    }

    if (result.type != DUR_EXPR_STRING
        || dur_rfc3339_parse(result.text, &op->due) != DUR_OK)
    {
        snprintf(w->scope.err, sizeof(w->scope.err), "its value is no "
                 "instant, such as '2030-01-31T12:00:00Z' or milliseconds");
        return DUR_EINVAL;
    }

    return DUR_OK;
}


static dur_rc_t
dur_plan_signal(dur_plan_walk_t *w, const dur_plan_at_t *at,
    dur_plan_op_t *op)
{
    dur_rc_t           rc;
    dur_expr_result_t  result;

    rc = dur_plan_eval(&w->scope, &at->node->expr, at, &result);

    if (rc == DUR_OK && (result.type != DUR_EXPR_STRING
                         || result.text.len == 0))
    {
        snprintf(w->scope.err, sizeof(w->scope.err), "the value of "
                 "\"signal\" is no text");
        rc = DUR_EINVAL;
    }

    op->target = rc == DUR_OK ? result.text : dur_str_null;

    return rc;
}


/* async.<path> == the value that "equals" has now. */
static dur_rc_t
dur_plan_wait(dur_plan_walk_t *w, const dur_plan_at_t *at, dur_plan_op_t *op)
{
    dur_rc_t                rc;
    dur_str_t               value;
    const dur_plan_node_t  *node = at->node;

    op->expression = node->condition;

    if (node->equals.tree == NULL) {
        return DUR_OK;
    }

    rc = dur_plan_eval_json(w, &node->equals, at, &value);
    if (rc != DUR_OK) {
        return rc;
    }

    if (value.data[0] == '{' || value.data[0] == '[') {
        snprintf(w->scope.err, sizeof(w->scope.err), "the value of "
                 "\"equals\" is a list or an object");
        return DUR_EINVAL;
    }

    op->expression = dur_str_c(dur_arena_printf(w->scope.arena,
                               "async.%.*s == %.*s", (int) node->match.len,
                               (const char *) node->match.data,
                               (int) value.len, (const char *) value.data));

    return op->expression.data ? DUR_OK : DUR_ENOMEM;
}


static dur_rc_t
dur_plan_fill(dur_plan_walk_t *w, const dur_plan_at_t *at, dur_plan_op_t *op)
{
    int64_t                 now;
    const dur_plan_node_t  *node = at->node;

    now = w->scope.memo->now_ms;

    memset(op, 0, sizeof(*op));
    op->at = *at;
    op->target = node->target;
    op->due = now + (node->time ? node->time : DUR_PLAN_YEAR);
    dur_plan_id(at, &op->id);
    op->name = dur_plan_name(at, w->scope.arena);

    if (op->name.data == NULL) {
        return DUR_ENOMEM;
    }

    switch (node->kind) {

    case DUR_PLAN_SLEEP:
        op->due = now + node->time;
        return DUR_OK;

    case DUR_PLAN_SLEEP_UNTIL:
        return dur_plan_instant(w, at, op);

    case DUR_PLAN_WAIT_EVENT:
        return dur_plan_wait(w, at, op);

    case DUR_PLAN_WAIT_SIGNAL:
        return dur_plan_signal(w, at, op);

    case DUR_PLAN_SEND_EVENT:
        w->plan->again = true;
        return dur_plan_data(w, at, op);

    case DUR_PLAN_INVOKE:
        return dur_plan_data(w, at, op);

    default:
        return DUR_OK;
    }
}


static dur_plan_go_t
dur_plan_begin(dur_plan_walk_t *w, const dur_plan_at_t *at)
{
    dur_rc_t        rc;
    dur_plan_op_t  *ops;

    if (w->plan->nops == w->budget) {
        w->plan->again = true;
        return DUR_PLAN_HELD;
    }

    if (w->plan->nops == w->size) {
        w->size = w->size ? w->budget : 1;
        ops = dur_arena_alloc(w->scope.arena, w->size * sizeof(*ops));
        if (ops == NULL) {
            return dur_plan_stop(w, DUR_ENOMEM);
        }

        if (w->plan->nops > 0) {
            memcpy(ops, w->plan->ops, w->plan->nops * sizeof(*ops));
        }

        w->plan->ops = ops;
    }

    rc = dur_plan_fill(w, at, &w->plan->ops[w->plan->nops]);
    if (rc != DUR_OK) {
        return dur_plan_trouble(w, at->node, rc);
    }

    w->plan->nops++;

    return DUR_PLAN_HELD;
}


/* Its error is that of the run. */
static dur_plan_go_t
dur_plan_failed(dur_plan_walk_t *w, const dur_plan_at_t *at)
{
    char       *text;
    json_t     *error;
    dur_rc_t    rc;
    dur_str_t   json, message;

    rc = w->scope.memo->output(w->scope.memo->data, at, &json);
    if (rc != DUR_OK) {
        return dur_plan_stop(w, rc);
    }

    error = json.len ? dur_json_parse(json, NULL) : NULL;

    if (dur_json_get_string(error, "message", &message) != DUR_OK) {
        message = dur_str("it failed");
    }

    text = dur_arena_printf(w->scope.arena, "%.*s", (int) message.len,
                            (const char *) message.data);
    json_decref(error);

    return text ? dur_plan_end(w, "StepError",
                               dur_plan_message(at->node, w->scope.arena,
                                                text))
                : dur_plan_stop(w, DUR_ENOMEM);
}


static dur_plan_go_t
dur_plan_leaf(dur_plan_walk_t *w, const dur_plan_at_t *at)
{
    switch (w->scope.memo->state(w->scope.memo->data, at)) {

    case DUR_PLAN_NEW:
        return dur_plan_begin(w, at);

    case DUR_PLAN_OPEN:
        return DUR_PLAN_HELD;

    case DUR_PLAN_FAILED:
        return dur_plan_failed(w, at);

    default:
        return DUR_PLAN_PASSED;
    }
}


/* -- blocks --------------------------------------------------------------- */

/*
 * One after the other.  What stands before a directive that was started has
 * passed, so it is not looked at again: neither are its conditions.
 */
static dur_plan_go_t
dur_plan_sequence(dur_plan_walk_t *w, const dur_plan_node_t *block,
    const dur_plan_at_t *at)
{
    dur_plan_go_t  go;
    dur_plan_at_t  child;

    child = *at;

    for (child.node = block->last; child.node->prev != NULL;
         child.node = child.node->prev)
    {
        if (dur_plan_started(w->scope.memo, &child)) {
            break;
        }
    }

    for ( ; child.node != NULL; child.node = child.node->next) {
        go = dur_plan_walk(w, &child);

        if (go != DUR_PLAN_PASSED) {
            return go;
        }
    }

    return DUR_PLAN_PASSED;
}


/* A condition is true or false; what is missing is false. */
static dur_rc_t
dur_plan_true(dur_plan_walk_t *w, const dur_plan_expr_t *expr,
    const dur_plan_at_t *at, bool *value)
{
    dur_rc_t           rc;
    dur_expr_result_t  result;

    rc = dur_plan_eval(&w->scope, expr, at, &result);
    if (rc != DUR_OK) {
        return rc;
    }

    if (result.type != DUR_EXPR_BOOL && result.type != DUR_EXPR_NULL) {
        snprintf(w->scope.err, sizeof(w->scope.err), "the condition is "
                 "neither true nor false");
        return DUR_EINVAL;
    }

    *value = result.type == DUR_EXPR_BOOL && result.boolean;

    return DUR_OK;
}


static dur_plan_go_t
dur_plan_branch(dur_plan_walk_t *w, const dur_plan_at_t *at)
{
    bool      taken;
    dur_rc_t  rc;

    if (at->node->expr.tree != NULL && !dur_plan_started(w->scope.memo, at)) {

        rc = dur_plan_true(w, &at->node->expr, at, &taken);
        if (rc != DUR_OK) {
            return dur_plan_trouble(w, at->node, rc);
        }

        if (!taken) {
            return DUR_PLAN_PASSED;
        }
    }

    return dur_plan_sequence(w, at->node, at);
}


static dur_plan_go_t
dur_plan_parallel(dur_plan_walk_t *w, const dur_plan_at_t *at)
{
    bool           held;
    dur_plan_go_t  go;
    dur_plan_at_t  child;

    child = *at;
    held = false;

    for (child.node = at->node->first; child.node != NULL;
         child.node = child.node->next)
    {
        go = dur_plan_walk(w, &child);

        if (go == DUR_PLAN_STOPPED) {
            return go;
        }

        held |= go == DUR_PLAN_HELD;
    }

    return held ? DUR_PLAN_HELD : DUR_PLAN_PASSED;
}


static dur_plan_go_t
dur_plan_foreach(dur_plan_walk_t *w, const dur_plan_at_t *at)
{
    json_t         *list;
    size_t          n;
    dur_rc_t        rc;
    unsigned        held;
    uint32_t       *round;
    dur_plan_go_t   go;
    dur_plan_at_t   child;

    rc = dur_plan_list(&w->scope, at, &list);
    if (rc != DUR_OK) {
        return dur_plan_trouble(w, at->node, rc);
    }

    n = json_array_size(list);
    json_decref(list);

    child = *at;
    round = &child.round[at->node->depth];
    held = 0;

    for (*round = 0; *round < n && held < at->node->most; (*round)++) {
        go = dur_plan_sequence(w, at->node, &child);

        if (go == DUR_PLAN_STOPPED) {
            return go;
        }

        held += go == DUR_PLAN_HELD;
    }

    return held ? DUR_PLAN_HELD : DUR_PLAN_PASSED;
}


static bool
dur_plan_round_started(dur_plan_walk_t *w, const dur_plan_at_t *at)
{
    dur_plan_at_t  child;

    child = *at;

    for (child.node = at->node->first; child.node != NULL;
         child.node = child.node->next)
    {
        if (dur_plan_started(w->scope.memo, &child)) {
            return true;
        }
    }

    return false;
}


/* The block, then the condition, then the block again. */
static dur_plan_go_t
dur_plan_until(dur_plan_walk_t *w, const dur_plan_at_t *at)
{
    bool            done;
    char            text[64];
    dur_rc_t        rc;
    uint32_t       *round;
    dur_plan_go_t   go;
    dur_plan_at_t   child;

    child = *at;
    round = &child.round[at->node->depth];

    for (*round = 1; *round < at->node->most; (*round)++) {
        if (!dur_plan_round_started(w, &child)) {
            break;
        }
    }

    for ((*round)--; *round < at->node->most; (*round)++) {
        go = dur_plan_sequence(w, at->node, &child);
        if (go != DUR_PLAN_PASSED) {
            return go;
        }

        rc = dur_plan_true(w, &at->node->expr, &child, &done);
        if (rc != DUR_OK) {
            return dur_plan_trouble(w, at->node, rc);
        }

        if (done) {
            return DUR_PLAN_PASSED;
        }
    }

    snprintf(text, sizeof(text), "the condition is not true after %u rounds",
             at->node->most);

    return dur_plan_fail(w, at->node, text);
}


static dur_plan_go_t
dur_plan_return(dur_plan_walk_t *w, const dur_plan_at_t *at)
{
    dur_rc_t  rc;

    rc = dur_plan_eval_json(w, &at->node->expr, at, &w->plan->output);
    if (rc != DUR_OK) {
        return dur_plan_trouble(w, at->node, rc);
    }

    w->plan->end = DUR_PLAN_COMPLETED;

    return DUR_PLAN_STOPPED;
}


static dur_plan_go_t
dur_plan_walk(dur_plan_walk_t *w, const dur_plan_at_t *at)
{
    switch (at->node->kind) {

    case DUR_PLAN_FAIL:
        return dur_plan_fail(w, at->node, (const char *)
                                          at->node->target.data);

    case DUR_PLAN_RETURN:
        return dur_plan_return(w, at);

    case DUR_PLAN_BRANCH:
        return dur_plan_branch(w, at);

    case DUR_PLAN_PARALLEL:
        return dur_plan_parallel(w, at);

    case DUR_PLAN_FOREACH:
        return dur_plan_foreach(w, at);

    case DUR_PLAN_UNTIL:
        return dur_plan_until(w, at);

    default:
        return dur_plan_leaf(w, at);
    }
}


dur_rc_t
dur_plan_next(const dur_plan_def_t *def, const dur_plan_memo_t *memo,
    unsigned budget, dur_arena_t *arena, dur_plan_t *plan)
{
    dur_plan_at_t    at;
    dur_plan_go_t    go;
    dur_plan_walk_t  w;

    memset(plan, 0, sizeof(*plan));
    memset(&at, 0, sizeof(at));

    w.plan = plan;
    w.budget = budget;
    w.size = 0;
    w.rc = DUR_OK;
    dur_plan_scope_init(&w.scope, def, memo, arena);

    go = dur_plan_sequence(&w, &def->root, &at);

    if (go == DUR_PLAN_PASSED) {
        plan->end = DUR_PLAN_COMPLETED;
        plan->output = dur_str("null");
    }

    dur_plan_scope_deinit(&w.scope);

    return w.rc;
}
