/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_flow.h"
#include "engine/dur_flow_concurrency.h"
#include "engine/dur_json.h"
#include "engine/dur_sign.h"
#include "engine/dur_state.h"


/* Seconds that a priority moves a run by (features 5.6). */
#define DUR_PRIORITY_MAX  43200


typedef struct {
    dur_run_t        *run;
    dur_arena_t       arena;
    dur_expr_vars_t   vars;
} dur_flow_keys_t;


/* Keeps the value of an expression, unless it is there already. */
static dur_rc_t
dur_flow_keys_add(dur_flow_keys_t *k, const dur_expr_t *expr, uint32_t hash)
{
    char                err[160], number[32];
    uint8_t             digest[20];
    dur_rc_t            rc;
    unsigned            i;
    dur_str_t           text;
    dur_run_t          *run = k->run;
    dur_expr_result_t   result;

    if (expr == NULL) {
        return DUR_OK;
    }

    for (i = 0; i < run->nkeys; i++) {
        if (run->keys[i].key == hash) {
            return DUR_OK;
        }
    }

    text = dur_str("false");

    rc = k->vars.event != NULL
         ? dur_expr_eval(expr, &k->vars, &k->arena, &result, err)
         : DUR_EINVAL;

    if (rc == DUR_OK) {
        text = dur_flow_text(&result, number);

    } else if (rc != DUR_EINVAL) {
        return rc;
    }

    dur_sha1(text, digest);

    /* 0 is the counter without a key */

    run->keys[i].key = hash;
    run->keys[i].value = dur_get64(digest) != 0 ? dur_get64(digest) : 1;
    run->nkeys = (uint8_t) (i + 1);

    return DUR_OK;
}


/* Only an integer is a priority; the numbers of an event are none, unless
 * int() makes one of them. */
static dur_rc_t
dur_flow_keys_priority(dur_flow_keys_t *k, const dur_expr_t *expr)
{
    char               err[160];
    int64_t            n;
    dur_rc_t           rc;
    dur_expr_result_t  result;

    if (expr == NULL || k->vars.event == NULL) {
        return DUR_OK;
    }

    rc = dur_expr_eval(expr, &k->vars, &k->arena, &result, err);

    if (rc == DUR_OK && result.type == DUR_EXPR_INT && !result.field) {
        n = result.integer;
        n = n > DUR_PRIORITY_MAX ? DUR_PRIORITY_MAX
            : n < -DUR_PRIORITY_MAX ? -DUR_PRIORITY_MAX : n;
        k->run->priority = (int32_t) n;
    }

    return rc == DUR_EINVAL ? DUR_OK : rc;
}


static dur_rc_t
dur_flow_keys_all(dur_flow_keys_t *k, const dur_option_t *o)
{
    dur_rc_t  rc;

    rc = dur_flow_keys_priority(k, o->priority);

    for (unsigned i = 0; rc == DUR_OK && i < o->nlimits; i++) {
        rc = dur_flow_keys_add(k, o->limits[i].key, o->limits[i].hash);
    }

    if (rc == DUR_OK) {
        rc = dur_flow_keys_add(k, o->runs.key, o->runs.hash);
    }

    return rc == DUR_OK ? dur_flow_keys_add(k, o->throttle.key,
                                            o->throttle.hash)
                        : rc;
}


dur_rc_t
dur_flow_keys(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_run_t *run)
{
    json_t           *root;
    dur_rc_t          rc;
    dur_flow_keys_t   k;

    if (!dur_option_waits(&fn->option) && fn->option.priority == NULL) {
        return DUR_OK;
    }

    memset(&k, 0, sizeof(k));

    root = NULL;
    k.run = run;
    k.vars.event = event->root;
    k.vars.now_ms = e->now;

    if (k.vars.event == NULL && dur_option_reads(&fn->option)) {
        root = dur_json_parse(event->json, NULL);
        k.vars.event = root;
    }

    dur_arena_init(&k.arena);
    rc = dur_flow_keys_all(&k, &fn->option);
    dur_arena_deinit(&k.arena);

    json_decref(root);

    return rc;
}
