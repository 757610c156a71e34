/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * How many times in a second the expression that most waits have is evaluated,
 * for events whose ids are equal.  Prints "rate=..".
 *
 *     cel SECONDS
 */

#include "net.h"

#include "engine/dur_expr.h"
#include "engine/dur_json.h"

#include <stdio.h>
#include <stdlib.h>

#define CEL_TURN  10000


int
main(int argc, char **argv)
{
    int               i;
    bool              value;
    char              err[160];
    json_t           *event, *async;
    uint64_t          n, start, now, end;
    dur_expr_t       *expr;
    dur_arena_t       arena;
    dur_expr_vars_t   vars = { NULL, NULL, 0, true };

    if (argc != 2) {
        net_die("usage: cel SECONDS");
    }

    event = dur_json_parse(dur_str("{\"data\":{\"id\":\"order-1\"}}"), NULL);
    async = dur_json_parse(dur_str("{\"name\":\"a/b\",\"ts\":1,\"data\":"
                                   "{\"id\":\"order-1\",\"x\":1}}"), NULL);
    vars.event = event;
    vars.async = async;

    if (dur_expr_compile(dur_str("event.data.id == async.data.id"), &expr,
                         err) != DUR_OK)
    {
        net_die("%s", err);
    }

    dur_arena_init(&arena);
    n = 0;
    start = now = net_now_us();
    end = start + (uint64_t) (atof(argv[1]) * 1e6);

    for ( ; now < end; now = net_now_us()) {
        for (i = 0; i < CEL_TURN; i++) {
            if (dur_expr_true(expr, &vars, &arena, &value) != DUR_OK
                || !value)
            {
                net_die("the expression is not true");
            }
        }

        n += CEL_TURN;
    }

    printf("rate=%.0f\n", (double) n * 1e6 / (double) (now - start));

    dur_arena_deinit(&arena);
    dur_expr_free(expr);
    json_decref(event);
    json_decref(async);

    return 0;
}
