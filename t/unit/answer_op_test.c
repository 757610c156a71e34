/* SPDX-License-Identifier: BSD-2-Clause */

#include "tap.h"
#include "engine/dur_answer_op.h"
#include "engine/dur_time.h"

#define NOW  1790000000000

#define OP(name, opts)                                                        \
    "{\"id\":\"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8\",\"op\":\"" name     \
    "\",\"name\":\"n\",\"opts\":{" opts "}}"


static dur_arena_t  arena;


static void
test_timeouts(void)
{
    char              err[256];
    size_t            n;
    dur_rc_t          rc;
    dur_answer_op_t  *ops;

    static const struct {
        const char  *op;
        int64_t      due;
        const char  *what;
    } rows[] = {
        { OP("WaitForEvent", "\"timeout\":\"1h30m\""), NOW + 5400000,
          "a timeout is a duration" },
        { OP("WaitForEvent", "\"timeout\":\"2026-09-22T00:00:00Z\""),
          1790035200000, "or an instant" },
        { OP("WaitForEvent", "\"timeout\":\"1013-11-21T10:00:00Z\""), NOW,
          "an instant in the past is now" },
        { OP("WaitForEvent", "\"timeout\":\"-5m\""), NOW,
          "a duration below zero is now" },
        { OP("WaitForEvent", "\"timeout\":\"\""), NOW, "none is now" },
        { OP("WaitForEvent", "\"timeout\":\"366d\""),
          NOW + 366 * DUR_TIME_DAY_MS, "366 days are the longest" },
        { OP("WaitForEvent", "\"timeout\":\"367d\""), -1,
          "a longer one is told apart" },
        { OP("WaitForEvent", "\"timeout\":\"2999-01-01T00:00:00Z\""), -1,
          "and so is an instant beyond" },
        { OP("WaitForSignal", "\"signal\":\"s\""),
          NOW + 365 * DUR_TIME_DAY_MS, "a signal is waited for one year" },
        { OP("InvokeFunction", "\"function_id\":\"a-b\""),
          NOW + 365 * DUR_TIME_DAY_MS, "and so is an invoke" },
        { OP("Sleep", "\"duration\":\"10s\""), NOW + 10000,
          "a sleep has its duration in opts" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rc = dur_answer_ops(&arena, dur_str_c(rows[i].op), NOW, &ops, &n,
                            err);
        ok(rc == DUR_OK && n == 1 && ops[0].due == rows[i].due, "%s",
           rows[i].what);
        dur_arena_reset(&arena);
    }
}


static void
test_refused(void)
{
    char              err[256];
    size_t            n;
    dur_rc_t          rc;
    dur_answer_op_t  *ops;

    static const struct {
        const char  *op;
        const char  *err;
    } rows[] = {
        { OP("WaitForEvent", "\"timeout\":\"soon\""), "op 0 has an "
          "\"opts.timeout\" that is no duration or RFC 3339 time" },
        { OP("WaitForSignal", "\"timeout\":\"1h\""),
          "op 0 has no \"opts.signal\"" },
        { OP("InvokeFunction", ""), "op 0 has no \"opts.function_id\"" },
        { OP("Gateway", ""), "op 0 has no \"opts.url\"" },
        { "[" OP("Step", "") "," OP("Jump", "") "]",
          "op 1 has an unknown \"op\"" },
        { "[null]", "op 0 is not an object" },
        { "{}", "op 0 has no \"op\"" },
        { "{\"op\":\"Step\",\"id\":\"x\"}",
          "op 0 has an \"id\" that is not 40 lower-case hex characters" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rc = dur_answer_ops(&arena, dur_str_c(rows[i].op), NOW, &ops, &n,
                            err);
        ok(rc == DUR_EINVAL && strstr(err, rows[i].err) != NULL,
           "it is said that %s", rows[i].err);
        dur_arena_reset(&arena);
    }
}


int
main(void)
{
    dur_arena_init(&arena);

    test_timeouts();
    test_refused();

    dur_arena_deinit(&arena);

    return done_testing();
}
