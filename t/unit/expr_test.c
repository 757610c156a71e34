/* SPDX-License-Identifier: BSD-2-Clause */

/* The expression language: what docs/expressions.md says, row by row. */

#include "tap.h"
#include "engine/dur_expr.h"
#include "engine/dur_json.h"

#include <stdlib.h>


#define NOW  1790000000000          /* 2026-09-21T14:13:20Z */

typedef struct {
    const char  *text;
    const char  *value;             /* JSON, or "error: <a part of it>" */
} row_t;

static dur_arena_t  arena;
static json_t      *event, *async;

static const char  event_json[] =
    "{\"name\":\"app/x\",\"ts\":1700000000001,\"data\":{\"n\":2,\"f\":3.5,"
    "\"s\":\"200\",\"name\":\"hi\",\"t\":true,\"z\":0,\"e\":\"\","
    "\"nul\":null,\"tags\":[\"a\",\"b\"],"
    "\"obj\":{\"k\":1},\"issue\":null,\"plan\":\"paid\","
    "\"big\":9007199254740993,\"whole\":2.0,\"list\":[1,2,3,4],"
    "\"people\":[{\"age\":30},{\"age\":17}],\"in\":\"x\",\"neg\":-7,"
    "\"b64\":\"eyJrIjp7ImEiOls3XX19\",\"uni\":\"\xc3\x84pfel\","
    "\"one\":{\"a\":[1,{\"b\":null}]},\"two\":{\"a\":[1.0,{\"b\":null}]}}}";

static const char  async_json[] = "{\"data\":{\"n\":2,\"id\":\"x\"}}";


static void
show(dur_buf_t *b, const dur_expr_result_t *r)
{
    char  text[32];

    switch (r->type) {
    case DUR_EXPR_NULL:
        dur_buf_addz(b, "null");
        break;
    case DUR_EXPR_BOOL:
        dur_buf_addz(b, r->boolean ? "true" : "false");
        break;
    case DUR_EXPR_INT:
        dur_buf_addf(b, "%lld", (long long) r->integer);
        break;
    case DUR_EXPR_DOUBLE:
        if (r->number - r->number == 0) {
            dur_json_number(r->number, text);
            dur_buf_addf(b, "%s (double)", text);
        } else {
            dur_buf_addz(b, "not finite");
        }
        break;
    case DUR_EXPR_STRING:
        dur_json_write_string(b, r->text);
        break;
    case DUR_EXPR_JSON:
        dur_buf_adds(b, r->text);
        break;
    }
}


/* The value of an expression as the tables have it. */

static void
evaluate(dur_str_t text, bool checked, const json_t *second, dur_buf_t *b)
{
    char               err[160];
    dur_rc_t           rc;
    bool               is_true;
    dur_expr_t        *expr;
    dur_expr_vars_t    vars = { event, second, NOW, false };
    dur_expr_result_t  result;

    dur_buf_reset(b);

    rc = checked ? dur_expr_compile(text, &expr, err)
                 : dur_expr_parse(text, &expr, err);
    if (rc != DUR_OK) {
        dur_buf_addf(b, "refused: %s", err);
        return;
    }

    dur_arena_reset(&arena);

    rc = dur_expr_eval(expr, &vars, &arena, &result, err);

    if (rc == DUR_OK) {
        show(b, &result);
    } else {
        dur_buf_addf(b, "error: %s", err);
    }

    if (dur_expr_true(expr, &vars, &arena, &is_true) != DUR_OK
        || is_true != (rc == DUR_OK && result.type == DUR_EXPR_BOOL
                       && result.boolean))
    {
        dur_buf_addz(b, " and dur_expr_true() differs");
    }

    dur_expr_free(expr);
}


/* A text as one line. */

static void
title(const char *text, char *line, size_t size)
{
    snprintf(line, size, "%s", text);

    for ( ; *line; line++) {
        *line = (*line == '\n') ? ' ' : *line;
    }
}


static void
check(const row_t *rows, size_t n, bool checked, const json_t *second)
{
    bool       as;
    char       line[256];
    dur_buf_t  b;

    dur_buf_init(&b, 1 << 20);

    for (size_t i = 0; i < n; i++) {
        evaluate(dur_str_c(rows[i].text), checked, second, &b);
        dur_buf_addc(&b, '\0');

        as = strcmp((char *) b.data, rows[i].value) == 0
             || ((strncmp(rows[i].value, "error: ", 7) == 0
                  || strncmp(rows[i].value, "refused: ", 9) == 0)
                 && strncmp((char *) b.data, rows[i].value,
                            strlen(rows[i].value)) == 0);

        title(rows[i].text, line, sizeof(line));

        if (!ok(as, "%s is %s", line, rows[i].value)) {
            printf("# got %s\n", (char *) b.data);
        }
    }

    dur_buf_deinit(&b);
}


#define CHECK(rows, checked, second)                                         \
    check(rows, sizeof(rows) / sizeof(rows[0]), checked, second)


/* The rows that have a value after the check of types too. */

static void
test_table(void)
{
    static const row_t  rows[] = {
        { "event.data.n == 2", "true" },
        { "event.data.n == 2.0 && 1 == 1.0", "true" },
        { "event.data.n > 1", "true" },
        { "event.data.f > 3 && event.data.n <= 2", "true" },
        { "event.data.s == 200", "false" },
        { "int(event.data.s) == 200", "true" },
        { "event.data.n == async.data.n", "true" },
        { "event.data.name == async.first.result.name", "false" },
        { "event.data.missing == null", "true" },
        { "event.data.missing != null", "false" },
        { "event.data.missing == \"foo\"", "false" },
        { "event.data.missing != \"\"", "true" },
        { "event.data.a == event.data.b", "false" },
        { "event.data.missing == 0", "false" },
        { "event.data.missing < 5", "true" },
        { "event.data.missing <= 5", "true" },
        { "event.data.missing > 5", "false" },
        { "event.data.missing >= 5", "false" },
        { "5 > event.data.missing", "true" },
        { "5 < event.data.missing", "false" },
        { "event.data.nul == null", "true" },
        { "null > 0", "false" },
        { "null <= 0", "true" },
        { "null < 0.5", "true" },
        { "null < \"foo\"", "true" },
        { "\"foo\" < null", "false" },
        { "null == \"foo\"", "false" },
        { "null != \"foo\"", "true" },
        { "event.data.issue.field.another == 'x'", "false" },
        { "event.data.t == true && event.data.issue.f != 'x'", "true" },
        { "size(event.data.missing) == 0", "true" },
        { "size(event.data.tags) == 2", "true" },
        { "event.data.tags.size() == 2", "true" },
        { "\"a\" in event.data.tags", "true" },
        { "\"k\" in event.data.obj", "true" },
        { "event.data.missing in [\"a\",\"b\"]", "false" },
        { "event.data.name in ['hi','yo'] == true", "true" },
        { "event.data.tags.exists(x, x == \"b\")", "true" },
        { "event.data.missing.exists(x, x == \"b\")", "false" },
        { "event.data.tags.all(x, x != \"z\")", "true" },
        { "event.data.tags.exists_one(x, x == \"a\")", "true" },
        { "event.data.tags.filter(x, x == \"a\").size()", "1" },
        { "event.data.tags.map(x, x + \"!\")", "[\"a!\",\"b!\"]" },
        { "[1,2,3].all(x, x > 0)", "true" },
        { "event.data.name.startsWith(\"h\") "
          "&& event.data.name.endsWith(\"i\")", "true" },
        { "event.name.contains(\"/\")", "true" },
        { "event.data.some.unknown.contains(\"x\")", "false" },
        { "event.data.name.matches(\"^h\")", "true" },
        { "event.data.name.matches('\\w')", "true" },
        { "has(event.data.name)", "true" },
        { "has(event.data.missing)", "false" },
        { "!event.data.t", "false" },
        { "event.data.name || event.data.e", "\"hi\"" },
        { "event.data.e || event.data.name", "\"hi\"" },
        { "event.data.missing || event.data.missing2", "false" },
        { "event.data.name && event.data.e", "\"\"" },
        { "false || event.data.tags", "[\"a\",\"b\"]" },
        { "event.data.missing ? \"y\" : \"n\"", "\"n\"" },
        { "event.data.e ? \"y\" : \"n\"", "\"n\"" },
        { "event.data.name + \"-\" + event.data.missing", "\"hi-\"" },
        { "\"hi-\" + 9.1", "\"hi-9.1\"" },
        { "5 + 4", "9" },
        { "event.data.n - 1.0", "1 (double)" },
        { "7 / 2", "3" },
        { "-7 % 3", "-1" },
        { "1 / 0", "error: division by zero, at column 3" },
        { "uppercase(event.data.name) == \"HI\"", "true" },
        { "lowercase(\"URGENT\")", "\"urgent\"" },
        { "b64decode(\"aGkgdGhlcmUh\")", "\"hi there!\"" },
        { "json_parse(b64decode(event.data.b64)).k", "{\"a\":[7]}" },
        { "date(\"2020-01-01T12:00:00\") + duration('6h35m10s') "
          "== date('2020-01-01T18:35:10')", "true" },
        { "date(event.data.missing_date) > now()", "error: operands of types "
          "that do not go together, at column 31" },
        { "now_plus(\"24h\") > now()", "true" },
        { "now_minus(\"1h\") < now()", "true" },
        { "event['data'].name != '' && event['data'].bar != true", "true" },
        { "event.data.tags[0] == \"a\"", "true" },
        { "event.data.tags[9] == \"a\"", "false" },
        { "event.data == event.data", "true" },
        { "event.ts > 1700000000000", "true" },
        { "event.data.plan == 'paid' ? 100 : 0", "100" },
        { "event.data.plan == 'free' ? 100 : 0", "0" },
        { "event.data.x = 1", "refused: \"=\" is no operator, == compares, "
          "at column 14" },
        { "me-bad", "refused: unknown name \"me\", at column 1" },
        { "foo(event)", "refused: unknown function \"foo\", at column 1" },
        { "string(event.data.n)", "\"2\"" },
        { "duration(\"90m\") == duration(\"1h30m\")", "true" },
        { "timestamp(\"2024-02-29T12:00:00Z\").getDayOfMonth()", "28" },
    };

    /* rows of keys, which are not checked */

    static const row_t  keys[] = {
        { "event.data.z || \"x\"", "\"x\"" },
        { "\"a\" && 1", "1" },
        { "event.data.name && \"x\"", "\"x\"" },
        { "1.0 - 1", "0 (double)" },
        { "lowercase(1)", "error: a function on a value of a wrong type, at "
          "column 1" },
        { "!\"x\"", "error: \"!\" needs true or false, at column 1" },
        { "-\"x\"", "error: \"-\" needs a number" },
        { "\"a\".b == null", "true" },
        { "1 in 2", "error: \"in\" needs a list or a map, at column 3" },
        { "1.all(x, x)", "error: a macro needs a list or a map" },
        { "(1).all(x, x)", "error: a macro needs a list or a map" },
        { "true - 1", "error: operands of types" },
        { "true < [1]", "error: operands of types" },
        { "-1u", "error: \"-\" needs a number" },
        { "date(1.5)", "error: a function on a value of a wrong type" },
        { "[1.5].exists(x, [0][x] == 1)", "false" },
    };

    CHECK(rows, true, async);
    CHECK(keys, false, async);
}


/* Where we do what a user expects and not what the original does. */

static void
test_ours(void)
{
    static const row_t  rows[] = {
        { "!has(event.data.missing)", "true" },
        { "has(event.data.missing) == false", "true" },
        { "has(event.data.nul)", "true" },
        { "has(event.data.missing.deeper)", "false" },
        { "event.data.n + 1", "3" },
        { "event.data.n - 1", "1" },
        { "event.data.n * 1.5", "3 (double)" },
        { "event.data.f + 1", "4.5 (double)" },
        { "(event.data.n + 5) / 2", "3.5 (double)" },
        { "(event.data.n + 6) / 2", "4" },
        { "event.data.neg % 3", "-1" },
        { "event.data.whole % 2 == 0", "true" },
        { "event.data.list[event.data.n]", "3" },
        { "event.data.list[event.data.whole]", "3" },
        { "event.data.list[1.5] == null", "true" },
        { "event.data.priority == null", "true" },
        { "event.data.n", "2" },
        { "event.data.f", "3.5 (double)" },
        { "date(event.ts) == timestamp(\"2023-11-14T22:13:20.001Z\")",
          "true" },
        { "event.data.big == 9007199254740993", "true" },
        { "event.data.big == 9007199254740992", "false" },
        { "\"user-\" + event.data.big", "\"user-9007199254740993\"" },
        { "\"n\" + 100000000.0", "\"n100000000\"" },
        { "'\\w' == r'\\w'", "true" },
        { "event.data.in", "\"x\"" },
        { "type(event.data.n) == double && type(2) == int", "true" },
        { "event.data.n == 2 && event.data.missing == null "
          "&& event.data == event.data", "true" },
        { "true ? 1 : \"a\"", "1" },
    };

    CHECK(rows, true, async);
}


static void
test_missing(void)
{
    static const row_t  rows[] = {
        { "event.data.m < event.data.m2", "true" },
        { "event.data.m >= event.data.m2", "false" },
        { "event.data.m != event.data.m2", "true" },
        { "event.data.m + 5", "5" },
        { "5 + event.data.m", "5" },
        { "event.data.m + event.data.m2", "false" },
        { "event.data.m - 1", "false" },
        { "-event.data.m", "false" },
        { "!event.data.m", "false" },
        { "int(event.data.m)", "false" },
        { "!event.data.m.contains(\"x\")", "true" },
        { "!(event.data.m in [1])", "true" },
        { "1 in event.data.m", "false" },
        { "event.data.m.exists(x, x == 1) == null", "true" },
        { "event.data.m.exists(x, x == 1) == false", "false" },
        { "event.data.m.all(x, x == 1) || event.data.name", "\"hi\"" },
        { "event.data.m.all(x, x == 1)", "false" },
        { "[event.data.m, 1]", "error: what is missing in a list or a map" },
        { "[event.data.m, 1].size()", "0" },
        { "1 in [event.data.m, 1]", "error: what is missing" },
        { "{'a': event.data.m} == null", "true" },
        { "event.data.tags.map(x, event.data.m)", "error: what is missing" },
        { "event.data.nul == event.data.m", "true" },
        { "event.data.nul != event.data.m", "false" },
        { "!event.data.nul", "error: \"!\" needs true or false" },
        { "!event.data.name", "error: \"!\" needs true or false" },
        { "event.data.list.exists(x, x > event.data.m)", "true" },
        { "event.data.m", "false" },
        { "event.data.name.foo == null", "true" },
        { "event.data.name[0] == null", "true" },
        { "event.data.obj[event.data.m] == null", "true" },
        { "event.data.tags[9].x == null", "true" },
        { "event.data.tags[9]", "error: index out of range, at column 16" },
        { "event.data.tags[-1]", "error: index out of range" },
    };

    static const row_t  absent[] = {
        { "async.data.x == null", "true" },
        { "async.data == null", "true" },
        { "async['data'] == null", "true" },
        { "has(async.data)", "false" },
        { "async == null", "error: there is no such event here, "
          "at column 1" },
        { "size(async)", "error: there is no such event here" },
        { "event == event", "true" },
    };

    CHECK(rows, true, async);
    CHECK(absent, true, NULL);
}


static void
test_errors(void)
{
    static const row_t  rows[] = {
        { "1 / 0 == 1", "false" },
        { "1 / 0 != 1", "true" },
        { "1 / 0 == null", "true" },
        { "1 / 0 < 3", "true" },
        { "1 / 0 + 1", "error: division by zero, at column 3" },
        { "size([1 / 0])", "0" },
        { "string(1 / 0)", "error: division by zero" },
        { "(1 / 0 == 2) || true", "true" },
        { "event.data.list.map(x, 1 / (x - 2))",
          "error: division by zero, at column 26" },
        { "event.data.list.exists(x, int('q') == x)", "false" },
        { "event.data.list.all(x, 1 / (x - 2) != 0)", "true" },
        { "[1, 2].all(x, event.data.list[9])", "error: index out of range" },
        { "[1, 2].all(x, x == 9 && event.data.list[9])", "false" },
        { "event.data.list[9] || true", "true" },
        { "event.data.list[9] && false", "false" },
        { "event.data.list[9] && true", "error: index out of range" },
        { "event.data.list[9] ? 1 : 2", "2" },
        { "9223372036854775807 + 1", "error: integer overflow" },
        { "-9223372036854775808 - 1", "error: integer overflow" },
        { "-(-9223372036854775808)", "error: integer overflow" },
        { "-9223372036854775808 / -1", "error: integer overflow" },
        { "-9223372036854775808 % -1", "0" },
        { "9223372036854775807 * 2", "error: integer overflow" },
        { "event.data.big * 9007199254740993", "8.112963841460668e+31"
          " (double)" },
        { "0u - 1u", "error: integer overflow" },
        { "5u % 0u", "error: division by zero" },
        { "1.5 / 0.0", "not finite" },
        { "int(1e300)", "error: int() of a number out of range" },
        { "int('12x')", "error: int() of a text that is no integer" },
        { "uint(-1)", "error: uint() of what is no number" },
        { "double('x')", "error: double() of a text that is no number" },
        { "bool('yes')", "error: bool() of a text" },
        { "duration('yes')", "error: a duration is written as in" },
        { "date('tomorrow')", "error: date() of a text that is no date" },
        { "date(946684799)", "error: date() of a number before" },
        { "timestamp('2020-01-01')", "error: timestamp() needs RFC 3339" },
        { "timestamp(300000000000)", "error: an instant out of range" },
        { "now().getHours('Europe/Paris')", "error: time zones are" },
        { "b64decode('*')", "error: b64decode() of what is no base64" },
        { "string(b'\\xff')", "error: string() of bytes" },
        { "event.data.name.matches('(' + '')", "error: invalid pattern" },
    };

    CHECK(rows, true, async);
}


static void
test_operators(void)
{
    static const row_t  rows[] = {
        { "1 + 2 * 3 - 4 / 2", "5" },
        { "(1 + 2) * 3", "9" },
        { "10 - 2 - 3", "5" },
        { "!true || true && false", "false" },
        { "1 < 2 == true", "true" },
        { "true ? (false ? 1 : 2) : 3", "2" },
        { "0x1F + 0", "31" },
        { "1u + 2u", "3" },
        { "1u == 1 && 1u < 2.5 && -1 < 1u", "true" },
        { "1e3", "1000 (double)" },
        { ".5 + .5", "1 (double)" },
        { "--3", "3" },
        { "!!true", "true" },
        { "[1, 2,] == [1.0, 2u]", "true" },
        { "{'a': 1, \"b\": [2]} == {'b': [2.0], 'a': 1}", "true" },
        { "{'a': 1}.a + {2: 'x'}[2].size()", "2" },
        { "{'': 1}", "{\"\":1}" },
        { "{'a\\000': 1}", "error: a key with a zero byte" },
        { "{'a': 1, 3: b'x'}", "{\"a\":1,\"3\":\"x\"}" },
        { "event.data.one == event.data.two", "true" },
        { "event.data.one == {'a': [1, {'b': null}]}", "true" },
        { "event.data.one == {'a': [1, {'c': null}]}", "false" },
        { "[1] + [2, 'x']", "[1,2,\"x\"]" },
        { "event.data.tags + [1]", "[\"a\",\"b\",1]" },
        { "[3, true] + ''", "\"[3 true]\"" },
        { "'' + {'k': 1}", "\"map[k:1]\"" },
        { "'' + event.data.obj", "\"map[k:1]\"" },
        { "true + 'x'", "\"truex\"" },
        { "'n' + event.data.nul", "\"nNULL_VALUE\"" },
        { "'a' + 1.5", "\"a1.5\"" },
        { "b'a' + b'b' == b'ab'", "true" },
        { "'a' < 'b' && 'ab' > 'a' && b'a' <= b'a'", "true" },
        { "false < true", "true" },
        { "9007199254740993 > 9007199254740992.0", "true" },
        { "9223372036854775807 < 9223372036854775808.0", "true" },
        { "18446744073709551615u > 1e19 && 1u > -1.5 && 1 < 1.5", "true" },
        { "2 in [1, 2.0] && !('x' in [])", "true" },
        { "'k' in {'k': null}", "true" },
        { "event.data // what follows is a comment \xe2\x82\xac\n == null",
          "false" },
        { "'a\\u00e9\\x41\\101\\n' == 'a\xc3\xa9" "AA\\n'", "true" },
        { "'''a\nb''' == \"a\\nb\"", "true" },
        { "R\"\\n\" == '\\\\n' && rb'\\x' == b'\\\\x'", "true" },
        { "b'\\xff\\377'.size() == 2 && '\\xff'.size() == 1", "true" },
        { "{}", "{}" },
        { "[]", "[]" },
        { "null", "null" },
        { "'\\U0001F600'", "\"\xf0\x9f\x98\x80\"" },
    };

    CHECK(rows, true, async);
}


static void
test_functions(void)
{
    static const row_t  rows[] = {
        { "size('\xc3\xa9\xe2\x82\xac')", "2" },
        { "size(b'abc') + size({'a': 1}) + size('')", "4" },
        { "'abc'.contains('') && !'abc'.contains('abcd')", "true" },
        { "''.startsWith('') && !''.endsWith('x')", "true" },
        { "lowercase(event.data.uni) + uppercase(event.data.uni)",
          "\"\xc3\xa4pfel\xc3\x84PFEL\"" },
        { "lowercase('\xce\xa9\xd0\x96\xc4\x80\xc5\xb8')",
          "\"\xcf\x89\xd0\xb6\xc4\x81\xc3\xbf\"" },
        { "uppercase('\xcf\x89\xd0\xb6\xc4\x81\xc3\xbf\xc3\xb7')",
          "\"\xce\xa9\xd0\x96\xc4\x80\xc5\xb8\xc3\xb7\"" },
        { "json_parse('[1]') == {}", "true" },
        { "json_parse('no') == {}", "true" },
        { "json_parse('{\"a\":\"b\"}').a", "\"b\"" },
        { "int(3.9) + int('-4') + int(5u)", "4" },
        { "int('-9223372036854775808')", "-9223372036854775808" },
        { "uint('7') + uint(3.5)", "10" },
        { "double('1.5e1') + double(2)", "17 (double)" },
        { "string(true) + string(1.0) + string(b'x') + string(3u)",
          "\"true1x3\"" },
        { "bool('true') && !bool('F') && bool(true)", "true" },
        { "bytes('\xc3\xa9').size()", "2" },
        { "dyn(1) == 1", "true" },
        { "type('') == string && type(type(1)) == type && type([]) == list "
          "&& type(null) == null_type && type({}) == map "
          "&& type(b'') == bytes && type(1u) == uint && type(true) == bool",
          "true" },
        { "type(1.5)", "\"double\"" },
        { "now()", "\"2026-09-21T14:13:20Z\"" },
        { "now_plus('1d')", "\"2026-09-22T14:13:20Z\"" },
        { "now_minus(duration('1h'))", "\"2026-09-21T13:13:20Z\"" },
        { "now() - timestamp('2026-09-21T14:13:18.5Z')", "\"1.5s\"" },
        { "now() - duration('20s') == timestamp('2026-09-21T14:13:00Z')",
          "true" },
        { "duration('1h') - duration('30m') + duration('1s')", "\"1801s\"" },
        { "duration('1h') + now() > now()", "true" },
        { "string(duration('-1500ms'))", "\"-1.5s\"" },
        { "date(1700000000) == date(1700000000000) "
          "&& date(1700000000000000000) == date(1700000000)", "true" },
        { "date(now()) == now()", "true" },
        { "timestamp(0) == timestamp('1970-01-01T00:00:00Z')", "true" },
        { "int(timestamp('1969-12-31T23:59:59.5Z'))", "-1" },
        { "[now().getFullYear(), now().getMonth(), now().getDate(), "
          "now().getDayOfMonth(), now().getDayOfWeek(), "
          "now().getDayOfYear(), now().getHours(), now().getMinutes(), "
          "now().getSeconds(), now().getMilliseconds()]",
          "[2026,8,21,20,1,263,14,13,20,0]" },
        { "timestamp('2024-12-31T23:30:00Z').getDayOfYear()", "365" },
        { "timestamp('2024-12-31T23:30:00Z').getFullYear('+00:30')",
          "2025" },
        { "timestamp('2000-03-01T00:00:00Z').getDayOfYear('-00:01')", "59" },
        { "timestamp('0001-01-01T00:00:00Z').getDayOfWeek('UTC')", "1" },
        { "duration('90m').getMinutes() + duration('90m').getHours() "
          "+ duration('1s').getMilliseconds() + duration('9s').getSeconds()",
          "1100" },
        { "matches('abc', 'b')", "true" },
        { "'abc'.matches('^b') || 'ab\\n'.matches('b$')", "false" },
        { "'abc'.matches('x' + '|c')", "true" },
    };

    CHECK(rows, true, async);
}


static void
test_macros(void)
{
    static const row_t  rows[] = {
        { "event.data.people.filter(p, p.age > 18).map(p, p.age)", "[30]" },
        { "event.data.list.map(x, x > 2, x * 10)", "[30,40]" },
        { "event.data.obj.exists(k, k == 'k')", "true" },
        { "{'a': 1, 'b': 2}.all(k, k in ['a', 'b'])", "true" },
        { "event.data.list.exists_one(x, x > 3)", "true" },
        { "event.data.list.exists_one(x, x > 2)", "false" },
        { "[].all(x, false) && ![].exists(x, true)", "true" },
        { "[1, 2].all(x, [3, 4].exists(y, y > x && x > 0))", "true" },
        { "[1, 2].map(x, [x].map(x, x + 1))", "[[2],[3]]" },
        { "[1].map(event, event + 1)", "[2]" },
        { "event.data.tags.exists(x, x == async.data.id || x == 'b')",
          "true" },
        { "[[1], [2, 3]].filter(l, size(l) > 1)", "[[2,3]]" },
        { "event.data.list.filter(x, x % 2 == 0) == [2, 4]", "true" },
        { "x == [1].exists(x, true)", "refused: unknown name \"x\"" },
        { "[1].exists(x, true) && x", "refused: unknown name \"x\"" },
        { "has(event.data.list[0].x)", "false" },
    };

    CHECK(rows, true, async);
}


static void
test_refused(void)
{
    static const row_t  rows[] = {
        { "", "refused: unexpected end, at column 1" },
        { "data.x", "refused: unknown name \"data\", at column 1" },
        { "event.data.n ==", "refused: unexpected end, at column 16" },
        { "event.data.n == 2 event", "refused: unexpected \"event\", "
          "at column 19" },
        { "event.data.n\n  && (1", "refused: unexpected end, at line 2, "
          "column 8" },
        { "'\xc3\xa9\xc3\xa9' ! ", "refused: unexpected \"!\", at column 6" },
        { "event.", "refused: unexpected end" },
        { "event.data.5", "refused: unexpected number" },
        { "event.data['x'", "refused: unexpected end" },
        { "event.data & 1", "refused: unexpected \"&\", at column 12" },
        { "event.data @", "refused: unexpected \"@\"" },
        { "'abc", "refused: a string that does not end, at column 1" },
        { "'a\nb'", "refused: a string that does not end" },
        { "'a\\", "refused: a string that does not end" },
        { "1 == '\\ud800'", "refused: invalid escape in a string, "
          "at column 7" },
        { "'\\x4'", "refused: invalid escape" },
        { "'\\U00110000'", "refused: invalid escape" },
        { "9223372036854775808", "refused: a number that is out of range" },
        { "18446744073709551616u", "refused: a number that is out of" },
        { "1e999", "refused: a number that is out of range" },
        { "12ab", "refused: a number with a letter in it, at column 1" },
        { "has(1)", "refused: has needs a field" },
        { "has(event)", "refused: has needs a field" },
        { "size(1, 2)", "refused: wrong number of arguments for \"size\"" },
        { "size()", "refused: wrong number of arguments" },
        { "size(1,)", "refused: unexpected \")\"" },
        { "contains('a', 'b')", "refused: \"contains\" stands behind a value"
          " and a dot, at column 1" },
        { "'x'.lowercase()", "refused: \"lowercase\" stands in front of its "
          "argument, at column 5" },
        { "[1].all(1, true)", "refused: \"all\" needs the name of a "
          "variable first, at column 9" },
        { "[1].all(x, true, 1)", "refused: wrong number of arguments" },
        { "[1].all(x)", "refused: unexpected" },
        { "event.data.split(',')", "refused: unknown function \"split\", at "
          "column 12" },
        { "event?.data", "refused: unexpected" },
        { "event.data.name.matches('(')", "refused: invalid pattern: missing "
          "closing parenthesis at its byte 1, at column 25" },
        { "\"a\" && 1", "refused: \"&&\" needs true or false, not this type, "
          "at column 1" },
        { "event.data.name && \"x\"", "refused: \"&&\" needs true or false, "
          "not this type, at column 20" },
        { "1.0 - 1", "refused: \"-\" does not go with these types, "
          "at column 5" },
        { "lowercase(1)", "refused: \"lowercase\" does not take this type, "
          "at column 11" },
        { "'a'.b", "refused: only maps have fields, at column 1" },
        { "1[0]", "refused: only lists and maps have elements" },
        { "!1", "refused: \"!\" needs true or false, at column 2" },
        { "-'a'", "refused: \"-\" needs a number" },
        { "1 ? 2 : 3", "refused: \"?\" needs true or false" },
        { "1 in 'a'", "refused: \"in\" does not go with these types" },
        { "[1].all(x, 'a')", "refused: a condition must be true or false" },
        { "(1).map(x, x)", "refused: a macro needs a list or a map" },
        { "true + false", "refused: \"+\" does not go" },
        { "now() + event.data.name != null", "true" },
        { "now() + now()", "refused: \"+\" does not go" },
        { "duration('1s') - now()", "refused: \"-\" does not go" },
        { "[1] < [2]", "refused: \"<\" does not go with these types" },
        { "1 + \"a\"", "\"1a\"" },
        { "\"a\" == 1", "false" },
        { "1 < \"a\"", "error: operands of types that do not go together" },
        { "1", "1" },
        { "\"x\"", "\"x\"" },
        { "event.data.one", "{\"a\":[1,{\"b\":null}]}" },
    };

    CHECK(rows, true, async);
}


/* head, n times part, tail */

static void
build(dur_buf_t *b, const char *head, int n, const char *part,
    const char *tail)
{
    dur_buf_reset(b);
    dur_buf_addz(b, head);

    for (int i = 0; i < n; i++) {
        dur_buf_addz(b, part);
    }

    dur_buf_addz(b, tail);
}


static void
test_limits(void)
{
    size_t     i;
    dur_buf_t  text, value;

    static const struct {
        const char  *head, *part, *tail;
        int          fits, over;
        const char  *value, *err;
    } rows[] = {
        { "event", ".a", " == null", 128, 199, "true", "nested too deeply" },
        { "event", "['a']", " == null", 128, 199, "true",
          "nested too deeply" },
        { "true", "&&true", "", 1000, 1365, "true", "longer than 8192" },
        { "1", "+1", "", 199, 200, "200", "nested too deeply" },
        { "", "(", "1", 0, 48, "1", "nested too deeply" },
        { "", "!", "true", 46, 49, "true", "nested too deeply" },
        { "", "false?1:", "2", 47, 48, "2", "nested too deeply" },
        { "", "[0].all(x,", "true", 0, 9, "true", "too many macros" },
        { "[", "1,", "].size()", 2000, 2047, "2000", "too many parts" },
        { "", " ", "1", 8191, 8192, "1", "longer than 8192 bytes" },
    };

    dur_buf_init(&text, 1 << 16);
    dur_buf_init(&value, 1 << 16);

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        build(&text, rows[i].head, rows[i].fits, rows[i].part, rows[i].tail);
        evaluate(dur_buf_str(&text), true, async, &value);
        is_str(dur_buf_str(&value), rows[i].value, "%d of \"%s\" are fine",
               rows[i].fits, rows[i].part);

        build(&text, rows[i].head, rows[i].over, rows[i].part, rows[i].tail);
        evaluate(dur_buf_str(&text), true, async, &value);
        dur_buf_addc(&value, '\0');
        ok(strncmp((char *) value.data, "refused: ", 9) == 0
           && strstr((char *) value.data, rows[i].err) != NULL,
           "%d of \"%s\" are refused: %s", rows[i].over, rows[i].part,
           rows[i].err);
    }

    dur_buf_deinit(&text);
    dur_buf_deinit(&value);
}


/* An event made to keep the engine busy. */

static void
test_work(void)
{
    size_t   i;
    char    *text;
    json_t  *saved, *list;

    static const row_t  spent[] = {
        { "event.list.all(x, event.list.all(y, x == y || true))",
          "error: the expression takes too much work" },
        { "event.list == event.copy && event.list.all(x, event.list == "
          "event.copy)", "error: the expression takes too much work" },
        { "event.list.exists(x, event.text.matches('(a|aa)+[bc]'))",
          "error: the expression takes too much work" },
        { "event.list.exists(x, event.text.matches('ab'))",
          "error: the expression takes too much work" },
        { "event.list.map(x, event.text + event.text).size()",
          "error: the expression takes too much work" },
        { "event.list.map(x, event.list).map(x, x + '').size()",
          "error: the expression takes too much work" },
        { "event.list.exists(x, event.text.contains('b'))",
          "error: the expression takes too much work" },
        { "event.list.map(x, json_parse('{}')).size() > 0 "
          "&& event.list.map(x, lowercase(event.text)).size() > 0",
          "error: the expression takes too much work" },
        { "event.list.exists(x, 'a'.matches('b' + x))",
          "error: the expression takes too much work" },
        { "event.list.all(x, x >= 0)", "true" },
        { "event.text.matches('aab') || event.text.matches('a$')", "true" },
    };

    saved = event;
    list = json_array();
    event = json_object();

    for (i = 0; i < 5000; i++) {
        json_array_append_new(list, json_integer((json_int_t) i));
    }

    json_object_set_new(event, "list", list);
    json_object_set_new(event, "copy", json_deep_copy(list));

    text = malloc(20000);
    if (text == NULL) {
        exit(2);
    }

    memset(text, 'a', 20000);
    json_object_set_new(event, "text", json_stringn(text, 20000));
    free(text);

    CHECK(spent, true, async);

    json_decref(event);
    event = saved;
}


/* Comparisons ask for no memory: an arena that has none is enough. */

static void
test_allocation(void)
{
    char              err[160];
    bool              value;
    size_t            i;
    dur_expr_t       *expr;
    dur_arena_t       none;
    dur_expr_vars_t   vars = { event, async, NOW, false };

    static const char *const  texts[] = {
        "event.data.n == 2 && event.data.name != 'x'",
        "event.data.name in ['a', 'hi'] && event.data.n >= async.data.n",
        "event.data.name.startsWith('h') && size(event.data.tags) == 2",
        "event.data.tags.exists(x, x == 'b') && has(event.data.obj)",
        "event.data.name.matches('^h')",
    };

    dur_arena_init(&none);

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        is_int(dur_expr_compile(dur_str_c(texts[i]), &expr, err), DUR_OK,
               "%s is compiled", texts[i]);
        is_int(dur_expr_true(expr, &vars, &none, &value), DUR_OK,
               "and evaluated");
        ok(value, "and true");
        ok(none.total == 0, "without memory");
        dur_expr_free(expr);
    }

    dur_arena_deinit(&none);
    dur_expr_free(NULL);
}


int
main(void)
{
    event = dur_json_parse(dur_str_c(event_json), NULL);
    async = dur_json_parse(dur_str_c(async_json), NULL);
    dur_arena_init(&arena);

    if (!ok(event != NULL && async != NULL, "the events are JSON")) {
        return done_testing();
    }

    test_table();
    test_ours();
    test_missing();
    test_errors();
    test_operators();
    test_functions();
    test_macros();
    test_refused();
    test_limits();
    test_work();
    test_allocation();

    dur_arena_deinit(&arena);
    json_decref(event);
    json_decref(async);

    return done_testing();
}
