/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_expr.h"
#include "engine/dur_expr_check.h"
#include "engine/dur_expr_lex.h"
#include "engine/dur_expr_node.h"
#include "engine/dur_expr_parse.h"
#include "engine/dur_expr_run.h"
#include "engine/dur_expr_text.h"
#include "engine/dur_expr_value.h"

#include <stdlib.h>


/* Roots that an expression has besides `event` and `async`. */
typedef struct {
    const dur_str_t  *names;
    size_t            n;
} dur_expr_names_t;


static dur_rc_t
dur_expr_read(dur_str_t text, const dur_expr_names_t *names,
    dur_expr_t **expr, char err[160])
{
    dur_rc_t     rc;
    dur_expr_t  *x;

    *expr = NULL;
    err[0] = '\0';

    if (text.len > DUR_EXPR_MAX) {
        snprintf(err, 160, "the expression is longer than %d bytes",
                 DUR_EXPR_MAX);
        return DUR_EINVAL;
    }

    x = calloc(1, sizeof(dur_expr_t));
    if (x == NULL) {
        return DUR_ENOMEM;
    }

    x->pool = malloc(text.len + 1);
    rc = x->pool ? dur_expr_tree(x, text, names->names, names->n, err)
                 : DUR_ENOMEM;

    if (rc != DUR_OK) {
        dur_expr_free(x);
        return rc;
    }

    *expr = x;

    return DUR_OK;
}


dur_rc_t
dur_expr_parse(dur_str_t text, dur_expr_t **expr, char err[160])
{
    dur_expr_names_t  none = { NULL, 0 };

    return dur_expr_read(text, &none, expr, err);
}


dur_rc_t
dur_expr_compile(dur_str_t text, dur_expr_t **expr, char err[160])
{
    return dur_expr_compile_named(text, NULL, 0, expr, err);
}


dur_rc_t
dur_expr_compile_named(dur_str_t text, const dur_str_t *names, size_t n,
    dur_expr_t **expr, char err[160])
{
    dur_rc_t          rc;
    dur_expr_names_t  roots = { names, n };

    rc = dur_expr_read(text, &roots, expr, err);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_expr_check(*expr, err);

    if (rc != DUR_OK) {
        dur_expr_free(*expr);
        *expr = NULL;
    }

    return rc;
}


void
dur_expr_free(dur_expr_t *expr)
{
    if (expr == NULL) {
        return;
    }

    for (size_t i = 1; i < expr->nnodes; i++) {
        if (expr->nodes[i].kind == DUR_EXPR_N_CALL) {
            dur_regex_free(expr->nodes[i].u.regex);
        }
    }

    free(expr->nodes);
    free(expr->pool);
    free(expr);
}


static dur_rc_t
dur_expr_errored(const dur_expr_run_t *run, dur_expr_value_t v, char err[160])
{
    const dur_expr_node_t  *node;

    if (run->nomem) {
        return DUR_ENOMEM;
    }

    if (run->work < 0) {
        snprintf(err, 160, "the expression takes too much work");
        return DUR_EINVAL;
    }

    node = &run->expr->nodes[v.node ? v.node : run->expr->root];
    dur_expr_fail(err, node->line, node->column, "%s", v.u.error);

    return DUR_EINVAL;
}


/* The value for others; texts move out of what ends with the evaluation. */

static void
dur_expr_result(dur_expr_run_t *run, dur_expr_value_t v,
    dur_expr_result_t *result)
{
    memset(result, 0, sizeof(*result));

    switch (v.kind) {

    case DUR_EXPR_V_NULL:
        result->type = DUR_EXPR_NULL;
        break;

    case DUR_EXPR_V_MISSING:
    case DUR_EXPR_V_BOOL:
        result->type = v.null ? DUR_EXPR_NULL : DUR_EXPR_BOOL;
        result->boolean = v.kind == DUR_EXPR_V_BOOL && v.u.boolean;
        break;

    case DUR_EXPR_V_INT:
    case DUR_EXPR_V_UINT:
    case DUR_EXPR_V_DOUBLE:
        result->type = DUR_EXPR_DOUBLE;
        result->field = v.json;
        result->number = dur_expr_to_double(v);

        if (v.kind != DUR_EXPR_V_DOUBLE
            && dur_expr_to_int(v, &result->integer))
        {
            result->type = DUR_EXPR_INT;
        }
        break;

    case DUR_EXPR_V_LIST:
    case DUR_EXPR_V_MAP:
        result->type = DUR_EXPR_JSON;
        dur_expr_write(run, v);
        result->text = dur_expr_taken(run).u.text;
        break;

    default:
        result->type = DUR_EXPR_STRING;
        result->text = v.u.text;

        if (v.kind != DUR_EXPR_V_STRING || run->owned != NULL) {
            dur_expr_text(run, v);
            result->text = dur_expr_taken(run).u.text;
        }
        break;
    }
}


dur_rc_t
dur_expr_eval(const dur_expr_t *expr, const dur_expr_vars_t *vars,
    dur_arena_t *arena, dur_expr_result_t *result, char err[160])
{
    return dur_expr_eval_named(expr, vars, NULL, arena, result, err);
}


dur_rc_t
dur_expr_eval_named(const dur_expr_t *expr, const dur_expr_vars_t *vars,
    const json_t *const *named, dur_arena_t *arena,
    dur_expr_result_t *result, char err[160])
{
    dur_rc_t          rc;
    dur_expr_run_t    run;
    dur_expr_value_t  v;

    err[0] = '\0';

    dur_expr_begin(&run, expr, vars, arena);
    run.named = named;
    v = dur_expr_walk(&run, expr->root);

    if (v.kind != DUR_EXPR_V_ERROR && run.work >= 0) {
        dur_expr_result(&run, v, result);
    }

    rc = (v.kind == DUR_EXPR_V_ERROR || run.work < 0 || run.nomem)
         ? dur_expr_errored(&run, v, err) : DUR_OK;

    dur_expr_end(&run);

    return rc;
}


dur_rc_t
dur_expr_true(const dur_expr_t *expr, const dur_expr_vars_t *vars,
    dur_arena_t *arena, bool *value)
{
    dur_rc_t          rc;
    dur_expr_truth_t  truth;

    rc = dur_expr_true_named(expr, vars, NULL, arena, &truth);
    *value = truth.value;

    return rc;
}


dur_rc_t
dur_expr_true_named(const dur_expr_t *expr, const dur_expr_vars_t *vars,
    const json_t *const *named, dur_arena_t *arena, dur_expr_truth_t *truth)
{
    dur_expr_run_t    run;
    dur_expr_value_t  v;

    dur_expr_begin(&run, expr, vars, arena);
    run.named = named;
    v = dur_expr_walk(&run, expr->root);

    truth->value = run.work >= 0 && v.kind == DUR_EXPR_V_BOOL && v.u.boolean;
    truth->work = (uint64_t) (DUR_EXPR_WORK - run.work);

    dur_expr_end(&run);

    return run.nomem ? DUR_ENOMEM : DUR_OK;
}
