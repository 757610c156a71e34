/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What waits ask of an expression (features 9.7, partial evaluation): which
 * part of the run's event it uses, what the other event must have, and
 * whether that can be at all.
 */

#include "tap.h"
#include "engine/dur_expr.h"
#include "engine/dur_expr_path.h"
#include "engine/dur_json.h"

#include <stdlib.h>


#define NOW  1790000000000

static dur_arena_t  arena;
static json_t      *event;

static const char  event_json[] =
    "{\"name\":\"app/x\",\"ts\":1700000000001,\"data\":{\"id\":\"x\",\"n\":2,"
    "\"big\":9007199254740993,\"name\":\"hi\",\"t\":true,\"no\":false,"
    "\"nul\":null,\"tags\":[\"a\",\"b\"],\"obj\":"
    "{\"k\":1,\"deep\":{\"v\":[7]}},\"other\":\"unused\"}}";


static json_t *
parse(const char *text)
{
    json_t  *json;

    json = dur_json_parse(dur_str_c(text), NULL);
    if (json == NULL) {
        printf("# no JSON: %s\n", text);
        exit(2);
    }

    return json;
}


static dur_expr_t *
compile(const char *text)
{
    char         err[160];
    dur_expr_t  *expr;

    if (dur_expr_compile(dur_str_c(text), &expr, err) != DUR_OK) {
        printf("# %s: %s\n", text, err);
        exit(2);
    }

    return expr;
}


static bool
is_true(const dur_expr_t *expr, const json_t *first, const json_t *second)
{
    bool             value;
    dur_expr_vars_t  vars = { first, second, NOW, true };

    dur_arena_reset(&arena);

    return dur_expr_true(expr, &vars, &arena, &value) == DUR_OK && value;
}


/* -- partial evaluation --------------------------------------------------- */

static void
test_partial(void)
{
    size_t       i;
    json_t      *second, *projection;
    dur_expr_t  *expr;

    static const struct {
        const char  *text;
        const char  *async;
        bool         matches;
    } rows[] = {
        { "event.data.id == async.data.id", "{\"id\":\"x\"}", true },
        { "event.data.id == async.data.id", "{\"id\":\"y\"}", false },
        { "event.data.id == async.data.id", "{}", false },

        /* null on the event's side: it matches what lacks the field */
        { "event.data.zz == async.data.id", "{}", true },
        { "event.data.zz == async.data.id", "{\"id\":null}", true },
        { "event.data.zz == async.data.id", "{\"id\":\"x\"}", false },
        { "async.data.id == event.data.zz", "{}", true },
        { "async.data.id == event.data.zz", "{\"id\":null}", true },
        { "async.data.id == event.data.zz", "{\"id\":\"x\"}", false },
        { "event.data.zz != async.data.id", "{}", false },
        { "event.data.zz != async.data.id", "{\"id\":\"x\"}", true },
        { "event.data.zz.deep['er'] == async.data.id", "{}", true },
        { "event.data.nul == async.data.id", "{}", true },

        /* however the field is written */
        { "event['data'].id == async.data.id", "{\"id\":\"x\"}", true },
        { "event['data'][\"id\"] == async['data'].id", "{\"id\":\"x\"}",
          true },
        { "event['data'].id == async.data.id", "{\"id\":\"y\"}", false },

        /* the order of the operands stays */
        { "event.data.zz > async.data.n", "{\"n\":-1}", true },
        { "event.data.zz > async.data.n", "{\"n\":1}", false },
        { "event.data.zz < async.data.n", "{\"n\":1}", true },
        { "async.data.n > event.data.zz", "{\"n\":1}", true },
        { "async.data.n > event.data.zz", "{\"n\":-1}", false },
        { "event.data.n > async.data.n", "{\"n\":1}", true },

        /* macros and has() over either event */
        { "event.data.tags.exists(x, x == async.data.id)", "{\"id\":\"b\"}",
          true },
        { "event.data.tags.exists(x, x == async.data.id)", "{\"id\":\"c\"}",
          false },
        { "async.data.ids.all(x, x == event.data.id)",
          "{\"ids\":[\"x\",\"x\"]}", true },
        { "has(event.data.zz) && async.data.id == 1", "{\"id\":1}", false },
        { "!has(event.data.zz) && async.data.id == 1", "{\"id\":1}", true },
        { "has(event.data.nul) && async.data.id == 1", "{\"id\":1}", true },
        { "has(async.data.id)", "{\"id\":1}", true },
        { "has(async.data.id)", "{}", false },

        { "event.data.n == async.data.n", "{\"n\":2}", true },
        { "event.data.n == async.data.n", "{\"n\":2.0}", true },
        { "event.data.n == async.data.n", "{\"n\":\"2\"}", false },
        { "async.data.id in event.data.tags", "{\"id\":\"a\"}", true },
        { "async.data.id in event.data.tags", "{\"id\":\"z\"}", false },
        { "async.data.id in event.data.zz", "{\"id\":\"z\"}", false },
        { "async.data.id in [event.data.zz, event.data.id]", "{\"id\":\"x\"}",
          true },
        { "async.data.id in [event.data.zz]", "{\"id\":\"x\"}", false },
        { "uppercase(event.data.name) == async.data.n", "{\"n\":\"HI\"}",
          true },
        { "async.data.n == event.data.n + 1", "{\"n\":3}", true },
        { "async.data.n == event.data.zz + 1", "{\"n\":1}", true },
        { "event.data.zz == \"foo\"", "{}", false },
        { "event.data.zz == null", "{}", true },
        { "event.data.n == 2 && async.data.b == 2", "{\"b\":2}", true },
        { "event.data.n == 2 && async.data.b == 2", "{\"b\":1}", false },
        { "event.data.n == 1 && async.data.b == 2", "{\"b\":2}", false },
        { "async.data.b == 2", "{\"b\":2}", true },
        { "size(event.data.zz) == 0 && async.data.b == 2", "{\"b\":2}",
          true },
        { "event.data.big == async.data.id", "{\"id\":9007199254740993}",
          true },
        { "event.data.big == async.data.id", "{\"id\":9007199254740992}",
          false },

        /* only true is true */
        { "async.data.id", "{\"id\":\"x\"}", false },
        { "async.data.id", "{\"id\":true}", true },
        { "async.data.id > 1 || true", "{\"id\":\"x\"}", true },
        { "async.data.id > 1 && true", "{\"id\":\"x\"}", false },
        { "async == null", "{}", false },
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expr = compile(rows[i].text);
        second = json_pack("{s:o}", "data", parse(rows[i].async));

        ok(is_true(expr, event, second) == rows[i].matches, "%s %s %s",
           rows[i].text, rows[i].matches ? "matches" : "does not match",
           rows[i].async);

        projection = dur_expr_project(expr, event);
        ok(is_true(expr, projection, second) == rows[i].matches,
           "and with the projection alone");

        json_decref(projection);
        json_decref(second);
        dur_expr_free(expr);
    }
}


static void
test_without_the_mode(void)
{
    bool             value;
    json_t          *empty;
    dur_expr_t      *expr;
    dur_expr_vars_t  vars = { event, NULL, NOW, false };

    expr = compile("event.data.a == event.data.b");
    empty = parse("{}");
    vars.async = empty;

    dur_expr_true(expr, &vars, &arena, &value);
    ok(!value, "elsewhere two fields that are missing are not equal");

    vars.event_null = true;
    dur_expr_true(expr, &vars, &arena, &value);
    ok(value, "where missing is null they are");

    dur_expr_free(expr);
    json_decref(empty);
}


/* -- the projection ------------------------------------------------------- */

static void
test_projection(void)
{
    size_t       i;
    json_t      *projection, *want;
    dur_expr_t  *expr;

    static const struct {
        const char  *text;
        const char  *json;
        const char  *title;
    } rows[] = {
        { "async.data.id == 1", "{}", "nothing when it uses nothing" },
        { "event.data.id == async.data.id", "{\"data\":{\"id\":\"x\"}}",
          "one field" },
        { "event['data'][\"id\"] == 1", "{\"data\":{\"id\":\"x\"}}",
          "a field in brackets" },
        { "event.data.id == event.data.n && event.name == async.name",
          "{\"name\":\"app/x\",\"data\":{\"id\":\"x\",\"n\":2}}",
          "several fields" },
        { "event.data.zz == async.data.id", "{\"data\":{}}",
          "nothing of what is missing" },
        { "event.data.id.x == 1", "{\"data\":{\"id\":\"x\"}}",
          "what is no map where one is looked for" },
        { "event.data.obj.deep.v[0] == 1",
          "{\"data\":{\"obj\":{\"deep\":{\"v\":[7]}}}}",
          "a whole list for one element" },
        { "event.data.obj[async.data.k] == 1",
          "{\"data\":{\"obj\":{\"k\":1,\"deep\":{\"v\":[7]}}}}",
          "the whole map for a computed key" },
        { "event.data.obj[event.data.id].x == 1",
          "{\"data\":{\"id\":\"x\",\"obj\":{\"k\":1,\"deep\":{\"v\":[7]}}}}",
          "and what the key is computed from" },
        { "event.data.obj.k == 1 && event.data.obj == async.data",
          "{\"data\":{\"obj\":{\"k\":1,\"deep\":{\"v\":[7]}}}}",
          "a map and a field of it: the map" },
        { "event.data.obj == async.data && event.data.obj.k == 1",
          "{\"data\":{\"obj\":{\"k\":1,\"deep\":{\"v\":[7]}}}}",
          "in either order" },
        { "event.data.tags.exists(t, t == async.data.t)",
          "{\"data\":{\"tags\":[\"a\",\"b\"]}}",
          "what a macro looks through" },
        { "[1].exists(i, i == event.data.n)", "{\"data\":{\"n\":2}}",
          "what stands in a macro" },
        { "has(event.data.t)", "{\"data\":{\"t\":true}}",
          "what has() looks for" },
        { "(event.data.t ? event.data : async.data).n == 1", event_json,
          "the map that a condition gives" },
        { "async.data[event.data.id] == 1", "{\"data\":{\"id\":\"x\"}}",
          "the key of a field of the other event" },
        { "size(event) == 3", event_json, "the event itself" },
        { "lowercase(event.name) == 'a'", "{\"name\":\"app/x\"}",
          "an argument" },
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expr = compile(rows[i].text);
        projection = dur_expr_project(expr, event);
        want = parse(rows[i].json);

        if (strstr(rows[i].text, "event.data :") != NULL) {
            json_object_del(want, "name");
            json_object_del(want, "ts");
        }

        ok(json_equal(projection, want), "%s: %s", rows[i].text,
           rows[i].title);
        json_decref(projection);

        projection = dur_expr_project_text(expr, dur_str_c(event_json));
        ok(json_equal(projection, want), "and the same of a text");

        json_decref(want);
        json_decref(projection);
        dur_expr_free(expr);
    }

    want = parse(event_json);
    ok(json_equal(event, want), "the event is as it was");
    json_decref(want);
}


/* -- the equality --------------------------------------------------------- */

static void
show(dur_buf_t *b, const dur_expr_equality_t *equality)
{
    unsigned  i;

    for (i = 0; i < equality->path.n; i++) {
        dur_buf_addz(b, i ? "/" : "");
        dur_buf_adds(b, equality->path.names[i]);
    }

    dur_buf_addz(b, " ");
    dur_json_write(b, equality->value);
}


static void
test_equality(void)
{
    size_t               i;
    dur_buf_t            b;
    dur_expr_t          *expr;
    dur_expr_equality_t  equality;

    static const struct {
        const char  *text;
        const char  *value;             /* path, blank, JSON */
    } rows[] = {
        { "event.data.id == async.data.id", "data/id \"x\"" },
        { "async.data.id == event.data.id", "data/id \"x\"" },
        { "async['data'].id == event['data']['n']", "data/id 2" },
        { "async.data.id == 5", "data/id 5" },
        { "-5 == async.data.id", "data/id -5" },
        { "async.data.id == -2.5", "data/id -2.5" },
        { "async.data.id == 7u", "data/id 7" },
        { "async.name == 'a'", "name \"a\"" },
        { "async.data.id == null", "data/id null" },
        { "async.data.id == true", "data/id true" },
        { "async.data.id == event.data.zz", "data/id null" },
        { "async.data.id == event.data.id.x", "data/id null" },
        { "async.data.id == event.data.tags", "data/id [\"a\",\"b\"]" },
        { "async.data.n > 1 && async.data.id == 5 && async.data.b == 6",
          "data/id 5" },
        { "async.data.n > 1 && (async.data.b == 6 && true)", "data/b 6" },
        { "async.data.a == async.data.b && async.data.c == 1", "data/c 1" },
        { "async.data.a == 1 || async.data.c == 1", "" },
        { "!(async.data.a == 1)", "" },
        { "async.data.a != 1", "" },
        { "async.data.a == async.data.b", "" },
        { "async == event", "" },
        { "async.data.list[0] == 1", "" },
        { "async.data[event.data.id] == 1", "" },
        { "async.data.id == event.data.tags[0]", "" },
        { "async.data.id == event.data.n + 1", "" },
        { "async.data.id == b'x'", "" },
        { "event.data.id == 'x'", "" },
        { "async.a.b.c.d.e.f.g.h == 1", "a/b/c/d/e/f/g/h 1" },
        { "async.a.b.c.d.e.f.g.h.i == 1", "" },
        { "async.data.t == 1 ? true : false", "" },
    };

    dur_buf_init(&b, 4096);

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        dur_buf_reset(&b);
        expr = compile(rows[i].text);

        if (dur_expr_equality(expr, event, &equality)) {
            show(&b, &equality);
            json_decref(equality.value);
        }

        is_str(dur_buf_str(&b), rows[i].value, "%s asks for %s",
               rows[i].text, rows[i].value[0] ? rows[i].value : "no value");
        dur_expr_free(expr);
    }

    dur_buf_deinit(&b);
}


/* -- never ---------------------------------------------------------------- */

static void
test_never(void)
{
    bool             never;
    size_t           i;
    dur_expr_t      *expr;
    dur_expr_vars_t  vars = { event, NULL, NOW, true };

    static const struct {
        const char  *text;
        bool         never;
    } rows[] = {
        { "false", true },
        { "true", false },
        { "event.data.n == 1 && async.data.b == 2", true },
        { "async.data.b == 2 && event.data.n == 1", true },
        { "event.data.n == 2 && async.data.b == 2", false },
        { "event.data.n == 1 || async.data.b == 2", false },
        { "event.data.n == 1 || event.data.zz == 2", true },
        { "event.data.t ? event.data.no : async.data.b == 1", true },
        { "event.data.no ? true : async.data.b == 1", false },
        { "async.data.b ? event.data.no : false", true },
        { "async.data.b == 1", false },
        { "event.data.zz == null", false },
        { "has(event.data.zz) && async.data.b == 1", true },
        { "1 / 0 == 1 && async.data.b == 1", true },
        { "now() < date('2020-01-01')", false },
        { "event.ts > 0 && now() < now_minus('1h') && async.data.b == 1",
          false },
        { "event.data.tags.exists(x, x == 'q') && async.data.b == 1", true },
        { "event.data.tags.exists(x, x == async.data.b)", false },
        { "!(event.data.t) && async.data.b == 1", true },
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expr = compile(rows[i].text);
        dur_arena_reset(&arena);

        ok(dur_expr_never(expr, &vars, &arena, &never) == DUR_OK
           && never == rows[i].never, "%s %s", rows[i].text,
           rows[i].never ? "can never be true" : "may be true");

        dur_expr_free(expr);
    }
}


int
main(void)
{
    dur_arena_init(&arena);
    event = parse(event_json);

    test_partial();
    test_without_the_mode();
    test_projection();
    test_equality();
    test_never();

    json_decref(event);
    dur_arena_deinit(&arena);

    return done_testing();
}
