/* SPDX-License-Identifier: BSD-2-Clause */

#include "fuzz.h"
#include "engine/dur_expr.h"
#include "engine/dur_expr_path.h"
#include "engine/dur_json.h"

FUZZ_TARGET("expressions")

const dur_str_t  fuzz_seeds[] = {
    dur_str("event.data.function_id == 'myapp-full'"),
    dur_str("event.data['a\\u00e9\\x41\\101'] != \"it's\" && 5 == event.ts"),
    dur_str("event.data.list[0].k == null && event.data.t == true"),
    dur_str("event . a == -9223372036854775807 // comment"),
    dur_str("event.data.list.exists(x, x.k == async.data.k) || has(event.a)"),
    dur_str("event.data.list.map(x, x != null, {'k': x, 2: [x, 1u]}).size()"),
    dur_str("date(event.ts) + duration('1h30m') > now_minus(\"2d\")"),
    dur_str("event.data.function_id.matches('^(my|our)+[a-z]*-\\w') ? 1 : 2"),
    dur_str("lowercase(json_parse(b64decode('eyJrIjoxfQ==')).k + \"X\")"),
    dur_str("(event.data.a + 1) * 2.5 / event.ts % 3 - -4 in [1.0, 2e3]"),
    dur_str("timestamp('2024-02-29T12:00:00Z').getDayOfYear('+02:00')"),
    dur_str("async.data.t == event.data.t && event.zz == async['data'].zz"),
    dur_str("r'\\d' + '''a\n''' + string(b\"\\xff\") + {'a': [null, true]}"),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("event"), dur_str("async.data"), dur_str("=="), dur_str("!="),
    dur_str("&&"), dur_str("||"), dur_str("."), dur_str("["), dur_str("]"),
    dur_str("("), dur_str(")"), dur_str("?"), dur_str(":"), dur_str(","),
    dur_str("'"), dur_str("\""), dur_str("\\"), dur_str("\\U0010ffff"),
    dur_str("null"), dur_str("true"), dur_str("99999999999999999999"),
    dur_str("event.a==1&&"), dur_str("-"), dur_str("!"), dur_str(" in "),
    dur_str(".all(x,x)"), dur_str(".filter(y,y)"), dur_str(".matches('"),
    dur_str(".size()"), dur_str("string("), dur_str("int("), dur_str("now()"),
    dur_str("type("), dur_str("uint("), dur_str("[event.data.list,event]"),
    dur_str_null
};


static void
fuzz_evaluate(const uint8_t *data, size_t len, const dur_expr_t *expr,
    const dur_expr_vars_t *vars)
{
    char               err[160];
    bool               value;
    dur_rc_t           rc;
    json_t            *json;
    dur_arena_t        arena;
    dur_expr_result_t  result;

    dur_arena_init(&arena);

    rc = dur_expr_eval(expr, vars, &arena, &result, err);
    fuzz_check(rc == DUR_OK || rc == DUR_EINVAL);
    fuzz_check((err[0] == '\0') == (rc == DUR_OK)
               && memchr(err, '\0', sizeof(err)) != NULL);

    fuzz_check(dur_expr_true(expr, vars, &arena, &value) == DUR_OK);
    fuzz_check(value == (rc == DUR_OK && result.type == DUR_EXPR_BOOL
                         && result.boolean));

    if (rc == DUR_OK && result.type == DUR_EXPR_JSON) {
        json = dur_json_parse(result.text, NULL);
        fuzz_check(json_is_array(json) || json_is_object(json));
        json_decref(json);
    }

    /* every byte of it is there */

    if (rc == DUR_OK && result.type == DUR_EXPR_STRING) {
        fuzz_check(dur_arena_copy(&arena, result.text).data != NULL);
    }

    dur_arena_deinit(&arena);
}


#define FUZZ_EVENT                                                           \
    "{\"ts\":5,\"data\":{\"function_id\":\"myapp-full\",\"list\":[{\"k\":"    \
    "null}],\"t\":true,\"a\":1.5}}"


/* What lists do: a projection of the text is that of the event. */

static void
fuzz_list(const uint8_t *data, size_t len, const dur_expr_t *expr,
    const json_t *event)
{
    json_t  *one, *two;

    one = dur_expr_project(expr, event);
    two = dur_expr_project_text(expr, dur_str(FUZZ_EVENT));

    fuzz_check(one != NULL && two != NULL && json_equal(one, two));

    json_decref(one);
    json_decref(two);
}


/* What waits do with it: the projection is as good as the event, an equality
 * holds, and what can never be true is not. */

static void
fuzz_wait(const uint8_t *data, size_t len, const dur_expr_t *expr,
    const dur_expr_vars_t *known)
{
    bool                 whole, part, never;
    json_t              *projection, *value;
    dur_arena_t          arena;
    dur_expr_vars_t      vars = *known;
    dur_expr_equality_t  equality;

    dur_arena_init(&arena);
    vars.event_null = true;

    projection = dur_expr_project(expr, vars.event);
    fuzz_check(projection != NULL);
    fuzz_check(dur_expr_never(expr, &vars, &arena, &never) == DUR_OK);

    if (dur_expr_true(expr, &vars, &arena, &whole) == DUR_OK) {
        fuzz_check(!(never && whole));

        vars.event = projection;
        fuzz_check(dur_expr_true(expr, &vars, &arena, &part) == DUR_OK);
        fuzz_check(part == whole);

        if (dur_expr_equality(expr, known->event, &equality)) {
            value = (json_t *) dur_expr_path_get(&equality.path, vars.async);
            fuzz_check(!whole
                       || json_is_null(equality.value)
                          == (value == NULL || json_is_null(value)));
            json_decref(equality.value);
        }
    }

    json_decref(projection);
    dur_arena_deinit(&arena);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char             err[160];
    dur_rc_t         rc;
    dur_expr_t      *expr, *checked;
    dur_expr_vars_t  vars = { NULL, NULL, 1790000000000, false };

    static json_t  *event;

    if (event == NULL) {
        event = dur_json_parse(dur_str(FUZZ_EVENT), NULL);
    }

    rc = dur_expr_parse(dur_str_make(data, len), &expr, err);

    if (rc != DUR_OK) {
        fuzz_check(rc == DUR_EINVAL && expr == NULL);
        fuzz_check(err[0] != '\0'
                   && memchr(err, '\0', sizeof(err)) != NULL);
        fuzz_check(dur_expr_compile(dur_str_make(data, len), &checked, err)
                   == DUR_EINVAL);
        return 0;
    }

    /* the check refuses more, with a sentence, and changes nothing */

    rc = dur_expr_compile(dur_str_make(data, len), &checked, err);
    fuzz_check(rc == DUR_OK || (rc == DUR_EINVAL && err[0] != '\0'));
    dur_expr_free(checked);

    fuzz_evaluate(data, len, expr, &vars);
    vars.event = event;
    fuzz_evaluate(data, len, expr, &vars);
    vars.async = event;
    fuzz_evaluate(data, len, expr, &vars);
    fuzz_wait(data, len, expr, &vars);
    fuzz_list(data, len, expr, event);

    dur_expr_free(expr);

    return 0;
}
