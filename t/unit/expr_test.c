/* SPDX-License-Identifier: BSD-2-Clause */

#include "tap.h"
#include "engine/dur_expr.h"
#include "engine/dur_json.h"


int
main(void)
{
    char         err[160];
    json_t      *event;
    dur_rc_t     rc;
    dur_expr_t  *expr;

    static const char  json[] =
        "{\"name\":\"inngest/function.failed\",\"ts\":1700000000000,"
        "\"data\":{\"function_id\":\"myapp-full\",\"n\":2,\"f\":2.0,"
        "\"half\":2.5,\"t\":true,\"e\":\"\",\"nul\":null,\"q\":\"it's\","
        "\"nl\":\"a\\nb\",\"u\":\"\\u00e9\\ud83d\\ude00\","
        "\"list\":[\"a\",{\"k\":1}],\"a.b\":\"dot\",\"big\":1e300,"
        "\"max\":9223372036854775807,"
        "\"_inngest\":{\"fn_slug\":\"app-fn\"}}}";

    static const struct {
        const char  *text;
        int          value;                     /* -1: refused */
    } cases[] = {
        { "event.data.function_id == 'myapp-full'", 1 },
        { "event.data.function_id == \"myapp-full\"", 1 },
        { "event.data._inngest.fn_slug == 'app-fn'", 1 },
        { "  event . data . function_id=='myapp-full'  ", 1 },
        { "'myapp-full' == event.data.function_id", 1 },
        { "event.data.function_id == 'other'", 0 },
        { "event.data.function_id != 'other'", 1 },
        { "event.data.function_id != 'myapp-full'", 0 },
        { "event.data.n == 2", 1 }, { "event.data.f == 2", 1 },
        { "event.data.half == 2", 0 }, { "event.data.n == -2", 0 },
        { "event.data.n == '2'", 0 }, { "event.data.big == 1", 0 },
        { "event.data.max == 9223372036854775807", 1 },
        { "event.ts == 1700000000000", 1 },
        { "event.data.t == true", 1 }, { "event.data.t == false", 0 },
        { "event.data.n == true", 0 }, { "event.data.e == ''", 1 },
        { "event.data.nul == null", 1 }, { "event.data.nul != null", 0 },
        { "event.data.missing == null", 1 }, { "event.data.n == null", 0 },
        { "event.data.missing == 'x'", 0 }, { "event.data.missing != 'x'", 1 },
        { "event.data.n.deeper == null", 1 }, { "event.none.x.y == 1", 0 },
        { "event.data.q == 'it\\'s'", 1 }, { "event.data.q == \"it's\"", 1 },
        { "event.data.nl == 'a\\nb'", 1 }, { "event.data.nl == 'a\\x0ab'", 1 },
        { "event.data.nl == 'a\\012b'", 1 },
        { "event.data.u == '\\u00e9\\U0001f600'", 1 },
        { "event.data['function_id'] == 'myapp-full'", 1 },
        { "event.data[\"a.b\"] == 'dot'", 1 },
        { "event.data.list[0] == 'a'", 1 },
        { "event.data.list[ 1 ].k == 1", 1 },
        { "event.data.list[2] == null", 1 }, { "event.data[0] == null", 1 },
        { "event.data.n == 2 && event.data.t == true", 1 },
        { "event.data.n == 2 && event.data.t == false", 0 },
        { "event.data.n == 3 && event.data.t == true", 0 },
        { "event == null", 0 },
        { "", -1 }, { "event", -1 }, { "event.data.n", -1 },
        { "event.data.n > 1", -1 }, { "event.data.n >= 1", -1 },
        { "event.data.n = 2", -1 }, { "event.data.n == 2.5", -1 },
        { "event.data.n == 2u", -1 }, { "event.data.n == 0x2", -1 },
        { "event.data.n == 02", -1 }, { "event.data.n == -", -1 },
        { "event.data.n == 9223372036854775808", -1 },
        { "event.data.n == 2 || event.data.n == 3", -1 },
        { "event.data.n == 2 &&", -1 }, { "&& event.data.n == 2", -1 },
        { "event.data.n == 2 & event.data.n == 2", -1 },
        { "!event.data.t == true", -1 }, { "(event.data.n == 2)", -1 },
        { "event.data.n == event.data.f", -1 }, { "1 == 1", -1 },
        { "data.n == 2", -1 }, { "async.data.n == 2", -1 },
        { "events.n == 2", -1 }, { "event. == 2", -1 },
        { "event.data.n == 'x", -1 }, { "event.data.n == 'x\ny'", -1 },
        { "event.data.n == '\\q'", -1 }, { "event.data.n == '\\ud800'", -1 },
        { "event.data.n == '\\x4'", -1 }, { "event.data.n == 'a\\", -1 },
        { "event.data.list[-1] == 1", -1 }, { "event.data.list[0 == 1", -1 },
        { "event.data.q.contains('x') == true", -1 },
        { "has(event.data.n) == true", -1 }, { "event.data.n == 2 // x", -1 },
        { "event.data.n == 2 event.data.n == 2", -1 },
    };

    event = dur_json_parse(dur_str_c(json), NULL);
    ok(event != NULL, "the event is JSON");

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rc = dur_expr_compile(dur_str_c(cases[i].text), &expr, err);

        if (cases[i].value < 0) {
            ok(rc == DUR_EINVAL && expr == NULL, "%s is refused",
               cases[i].text);
            ok(strstr(err, "event.data.id == 'a'") != NULL
               && strstr(err, " at position ") != NULL,
               "by a sentence that shows the form and the position");

        } else {
            is_int(rc, DUR_OK, "%s is compiled", cases[i].text);
            is_int(expr && dur_expr_true(expr, event), cases[i].value,
                   "and is %s", cases[i].value ? "true" : "false");
        }

        dur_expr_free(expr);
    }

    rc = dur_expr_compile(dur_str("data.n == 2"), &expr, err);
    ok(strstr(err, "unknown name \"data\" at position 1") != NULL,
       "the message names what it does not know");

    {
        dur_buf_t  b;

        dur_buf_init(&b, 1 << 16);
        dur_buf_addz(&b, "event.a==1");

        for (int i = 1; i < 33; i++) {
            dur_buf_addz(&b, "&&event.a==1");
        }

        is_int(dur_expr_compile(dur_buf_str(&b), &expr, err), DUR_EINVAL,
               "33 comparisons are refused");
        b.len -= strlen("&&event.a==1");
        is_int(dur_expr_compile(dur_buf_str(&b), &expr, err), DUR_OK,
               "32 are not");
        dur_expr_free(expr);

        dur_buf_reset(&b);
        dur_buf_addz(&b, "event");
        for (int i = 0; i < 129; i++) {
            dur_buf_addz(&b, ".a");
        }
        dur_buf_addz(&b, "==1");
        is_int(dur_expr_compile(dur_buf_str(&b), &expr, err), DUR_EINVAL,
               "a path of 129 names is refused");

        dur_buf_reset(&b);
        for (int i = 0; i < 8193; i++) {
            dur_buf_addc(&b, ' ');
        }
        is_int(dur_expr_compile(dur_buf_str(&b), &expr, err), DUR_EINVAL,
               "a text over 8 KiB is refused");
        dur_buf_deinit(&b);
    }

    dur_expr_free(NULL);
    json_decref(event);

    return done_testing();
}
