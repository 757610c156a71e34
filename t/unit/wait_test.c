/* SPDX-License-Identifier: BSD-2-Clause */

/* Steps that wait for an event: who is found by what, what comes first, and
 * that nothing is left behind. */

#include "wait_kit.h"

#define ONE  "[" WAIT_EVENT(KIT_A, "w", "t/other", "1h", WAIT_SAME) "]"


static void
test_matching(void)
{
    json_t      *want;
    dur_ulid_t   event;

    kit_fresh();
    wait_register("");

    event = wait_run("{\"id\":\"x\"}", ONE);
    is_int(wait_rows(), 3, "a wait is a row, one under its run and its name");
    is_str(dur_str_c(kit_status(&event)), "Running", "its run goes on");

    wait_send("t/other", "{\"id\":\"y\"}");
    is_int(kit_dispatch(), 0, "an event with another value resumes nothing");
    wait_send("t/another", "{\"id\":\"x\"}");
    is_int(kit_dispatch(), 0, "nor does one of another name");
    wait_send("t/other/", "{\"id\":\"x\"}");
    wait_send("t/*", "{\"id\":\"x\"}");
    is_int(kit_dispatch(), 0, "names are compared exactly");

    wait_send("t/other", "{\"id\":\"x\"}");
    is_int(kit_dispatch(), 1, "the one that matches asks for the next call");
    kit_build(kit_attempt(0));

    want = json_object_get(kit_get("steps", KIT_A), "data");
    is_str(dur_str_c(json_string_value(json_object_get(want, "id"))), "x",
           "the memo is the event itself");
    is_str(dur_str_c(json_string_value(
               json_object_get(kit_get("steps", KIT_A), "name"))),
           "t/other", "with its name, not wrapped");

    is_int(wait_rows(), 0, "nothing of the wait is left");
    is_int(dur_engine_next_due(kit.engine), INT64_MAX, "nor of its timer");

    wait_send("t/other", "{\"id\":\"x\"}");
    is_int(kit_dispatch(), 0, "a second one finds nobody");

    kit_result(kit_attempt(0), 200, KIT_SDK, "1");
}


static void
test_without_expression(void)
{
    dur_ulid_t  event;

    kit_fresh();
    wait_register("");

    event = wait_run("{}", "[" WAIT_ANY(KIT_A, "w", "t/other", "1h") "]");
    wait_send("t/other", "{\"first\":true}");
    wait_send("t/other", "{\"second\":true}");

    ok(strstr(wait_next_memo(KIT_A), "first") != NULL,
       "without an expression the first event of the name matches");

    kit_result(kit_attempt(0), 200, KIT_SDK, "1");
    is_str(dur_str_c(kit_status(&event)), "Completed", "the run completes");
}


static void
test_timeout(void)
{
    dur_ulid_t  event;

    kit_fresh();
    wait_register("");

    event = wait_run("{\"id\":\"x\"}", ONE);
    is_int(dur_engine_next_due(kit.engine), kit.now + 3600000,
           "a wait times out when it says");
    kit_timers();
    is_str(dur_str_c(wait_next_memo(KIT_A)), "null", "its memo is null then");
    is_int(wait_rows(), 0, "and nobody waits");

    wait_send("t/other", "{\"id\":\"x\"}");
    is_int(kit_dispatch(), 0, "an event that comes later is too late");
    is_str(dur_str_c(kit_status(&event)), "Running", "and harms nothing");

    kit_fresh();
    wait_register("");
    wait_run("{}", "[" WAIT_ANY(KIT_A, "w", "t/other", "") "]");
    is_int(wait_rows(), 0, "a wait that has no time is not even stored");
    kit_timers();
    is_str(dur_str_c(wait_next_memo(KIT_A)), "null", "it ends at once");
}


static void
test_event_against_timeout(void)
{
    kit_fresh();
    wait_register("");

    wait_run("{\"id\":\"x\"}", ONE);
    kit.now += 3600000 - 1;
    wait_send("t/other", "{\"id\":\"x\"}");
    kit.now += 1;
    kit_timers();
    ok(strstr(wait_next_memo(KIT_A), "t/other") != NULL,
       "an event a moment before the end counts, the timer is gone");

    kit_fresh();
    wait_register("");

    wait_run("{\"id\":\"x\"}", ONE);
    kit.now += 3600000;
    wait_send("t/other", "{\"id\":\"x\"}");
    is_int(kit_dispatch(), 0, "one at the end does not, though the timer has "
           "not fired");
    kit_timers();
    is_str(dur_str_c(wait_next_memo(KIT_A)), "null", "it fires");
    is_int(wait_rows(), 0, "and cleans up");
}


static void
test_bad_expressions(void)
{
    size_t       i;
    char         ops[512];
    json_t      *run, *output;
    dur_ulid_t   event;

    static const struct {
        const char  *expr;
        const char  *message;
    } rows[] = {
        { "event.data.x = 1", "\"=\" is no operator" },
        { "data.x == 1", "data" },
        { "foo(event)", "foo" },
        { "event.data.name && 'x'", "column" },
        { "(", "column" },
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        kit_fresh();
        wait_register("");

        snprintf(ops, sizeof(ops), "[{\"op\":\"WaitForEvent\",\"id\":\"" KIT_A
                 "\",\"name\":\"t/other\",\"opts\":{\"timeout\":\"1h\","
                 "\"if\":\"%s\"}}]", rows[i].expr);
        event = wait_run("{}", ops);

        run = kit_run(&event);
        output = json_object_get(run, "output");

        is_str(dur_str_c(kit_status(&event)), "Failed",
               "the expression %s fails the run at once", rows[i].expr);
        is_str(dur_str_c(json_string_value(json_object_get(output, "name"))),
               "CompileError", "as a CompileError");
        ok(strstr(json_string_value(json_object_get(output, "message")),
                  rows[i].message) != NULL, "that says what is wrong: %s",
           json_string_value(json_object_get(output, "message")));
        is_int(wait_rows() + wait_table(DUR_T_TIMER), 0, "nothing is left");

        json_decref(run);
    }
}


static void
test_errors_do_not_match(void)
{
    kit_fresh();
    wait_register("");

    wait_run("{}", "[" WAIT_EVENT(KIT_A, "w", "t/other", "1h",
                                  "async.data.n > 'a'") "]");

    wait_send("t/other", "{\"n\":1}");
    is_int(kit_dispatch(), 0, "an expression without a value matches not");

    wait_send("t/other", "{\"n\":1}");
    ok(kit_effect(DUR_EFFECT_LOG, 0) == NULL, "the log hears of it once");

    wait_send("t/other", "{\"n\":\"b\"}");
    is_int(kit_dispatch(), 1, "the wait goes on, for one that matches");

    kit_fresh();
    wait_register("");

    wait_run("{}", "[" WAIT_EVENT(KIT_A, "w", "t/other", "1h",
                                  "async.data.n > 'a'") "]");
    wait_send("t/other", "{\"n\":1}");
    ok(kit_effect(DUR_EFFECT_LOG, 0) != NULL
       && kit_effect(DUR_EFFECT_LOG, 0)->level > 0,
       "and not as an error of the server");
    is_int(wait_rows(), 3, "a wait that failed is still one wait");
}


static void
test_own_event(void)
{
    dur_ulid_t  event;

    kit_fresh();
    wait_register("");

    event = wait_run("{}", "[" WAIT_ANY(KIT_A, "w", "t/f", "1h") "]");
    is_int(kit_dispatch(), 0, "the event that started a run is not the one "
           "it waits for");

    wait_send("t/f", "{}");
    is_int(kit_dispatch(), 2, "the next one of the name is, and starts a run "
           "as well");
    is_str(dur_str_c(kit_status(&event)), "Running", "both run");
}


static void
test_fan_out(void)
{
    size_t         i, n;
    unsigned       pieces;
    dur_ulid_t     event;
    kit_attempt_t  late;

    kit_fresh();
    kit.conf.max_calls = 4096;
    kit_configure();
    wait_register("");

    for (i = 0; i < 1000; i++) {
        wait_run("{}", "[" WAIT_ANY(KIT_A, "w", "t/other", "1h") "]");
    }

    is_int(wait_rows(), 2001, "a thousand runs wait for the same event");

    late = wait_start("{}", &event);
    wait_send("t/other", "{}");
    ok(wait_rows() > 1001 && dur_engine_has_tasks(kit.engine),
       "it resumes as many as one op may");

    kit_result(late, 206, KIT_SDK,
               "[" WAIT_ANY(KIT_A, "w", "t/other", "1h") "]");
    pieces = 0;

    for (i = 0; i < 3 && dur_engine_has_tasks(kit.engine); i++) {
        kit_plain(DUR_OP_TASKS, 0);
        pieces++;
    }

    wait_reopen();
    kit_configure();
    ok(dur_engine_has_tasks(kit.engine), "the rest survives a restart");

    pieces += wait_tasks();
    ok(pieces > 10, "and is done in %u pieces", pieces);
    is_int(wait_rows(), 3, "but for the wait that was made after the event");

    for (n = 0, i = 0; i < 10; i++) {
        n += kit_dispatch();
    }

    is_int(n, 1000, "each is called once");
}


static void
test_fan_out_of_a_large_event(void)
{
    size_t     i;
    dur_buf_t  data;

    kit_fresh();
    wait_register("");

    for (i = 0; i < 3; i++) {
        wait_run("{}", "[" WAIT_ANY(KIT_A, "w", "t/other", "1h") "]");
    }

    dur_buf_init(&data, 4 << 20);
    dur_buf_addz(&data, "\"");
    for (i = 0; i < 2000000; i++) {
        dur_buf_addc(&data, 'a');
    }
    dur_buf_add(&data, "\"", 2);

    wait_send("t/other", (char *) data.data);
    is_int(wait_rows(), 8, "an event that is larger than what one op writes "
           "is left to a task");
    is_int(wait_tasks(), 3, "which takes a piece for each run");
    is_int(wait_rows(), 0, "all of them get it");

    dur_buf_deinit(&data);
}


static void
test_index(void)
{
    size_t      i;
    char        data[64];
    dur_ulid_t  event;

    static const char  *none[] = {
        "{\"id\":\"v10000\"}", "{\"id\":1}", "{\"id\":null}", "{}",
        "{\"id\":[\"v1\"]}", "{\"id\":{\"v1\":1}}", "[]", "null", "\"v1\""
    };

    kit_fresh();
    kit.conf.max_calls = 100;
    kit_configure();
    wait_register("");

    for (i = 0; i < 10000; i++) {
        snprintf(data, sizeof(data), "{\"id\":\"v%zu\"}", i);
        wait_run(data, ONE);
    }

    for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        wait_send("t/other", none[i]);
        ok(kit_dispatch() == 0 && !dur_engine_has_tasks(kit.engine),
           "of 10,000 waits none is looked at for %s", none[i]);
    }

    wait_send("t/other", "{\"id\":\"v7777\"}");
    ok(!dur_engine_has_tasks(kit.engine),
       "nor is more than one for a value that is waited for");
    is_int(kit_dispatch(), 1, "which is resumed");
    is_int(wait_rows(), 2 * 9999 + 1, "alone");

    /* without a value to go by every wait has to be tried */

    event = wait_run("{\"id\":\"v1\"}", "[" WAIT_EVENT(KIT_A, "w", "t/all",
                                        "1h", "async.data.n > 1") "]");
    for (i = 0; i < 1500; i++) {
        wait_run("{}", "[" WAIT_EVENT(KIT_A, "w", "t/all", "1h",
                                      "async.data.n > 2") "]");
    }

    wait_send("t/all", "{\"n\":2}");
    is_int(wait_tasks(), 1, "without a value the waits are tried, in pieces");
    is_int(kit_dispatch(), 1, "and the one that matches is found");
    is_str(dur_str_c(kit_status(&event)), "Running", "it goes on");
}


/* Pairs of values that are equal to expressions are found as well. */
static void
test_index_values(void)
{
    size_t  i;

    static const struct {
        const char  *event;
        const char  *async;
        bool         matches;
    } rows[] = {
        { "{\"id\":1}", "{\"id\":1.0}", true },
        { "{\"id\":0}", "{\"id\":-0.0}", true },
        { "{\"id\":1e3}", "{\"id\":1000}", true },
        { "{\"id\":9007199254740993}", "{\"id\":9007199254740993}", true },
        { "{\"id\":9007199254740993}", "{\"id\":9007199254740992}", false },
        { "{\"id\":\"1\"}", "{\"id\":1}", false },
        { "{\"id\":true}", "{\"id\":true}", true },
        { "{\"id\":true}", "{\"id\":false}", false },
        { "{\"id\":false}", "{\"id\":null}", false },
        { "{}", "{\"id\":null}", true },
        { "{\"id\":null}", "{}", true },
        { "{}", "{}", true },
        { "{}", "{\"id\":\"x\"}", false },
        { "{\"id\":\"\\u00e9\"}", "{\"id\":\"\xc3\xa9\"}", true },
        { "{\"id\":\"\"}", "{\"id\":\"\"}", true },
        { "{\"id\":\"\"}", "{}", false },
        { "{\"id\":[1,{\"a\":2.0}]}", "{\"id\":[1.0,{\"a\":2}]}", true },
        { "{\"id\":[1]}", "{\"id\":[2]}", false },
        { "{\"id\":{\"a\":1}}", "{\"id\":{\"a\":1}}", true },
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        kit_fresh();
        wait_register("");
        wait_run(rows[i].event, ONE);
        wait_send("t/other", rows[i].async);

        is_int(kit_dispatch(), rows[i].matches, "%s %s %s", rows[i].event,
               rows[i].matches ? "meets" : "does not meet", rows[i].async);
    }
}


static void
test_many_fields(void)
{
    char    ops[512], data[64];
    size_t  i;

    kit_fresh();
    wait_register("");

    for (i = 0; i < 20; i++) {
        snprintf(ops, sizeof(ops), "[{\"op\":\"WaitForEvent\",\"id\":\"" KIT_A
                 "\",\"name\":\"t/other\",\"opts\":{\"timeout\":\"1h\","
                 "\"if\":\"async.data.f%zu == 1\"}}]", i);
        wait_run("{}", ops);
    }

    for (i = 0; i < 20; i++) {
        snprintf(data, sizeof(data), "{\"f%zu\":1}", i);
        wait_send("t/other", data);
        is_int(kit_dispatch(), 1, "of twenty fields that are asked for "
               "number %zu is found", i + 1);
    }

    is_int(wait_rows(), 0, "and all of them are forgotten");

    wait_run("{}", "[" WAIT_EVENT(KIT_A, "w", "t/other", "1h",
             "async.data['a.b'].c == 1") "," WAIT_EVENT(KIT_B, "v", "t/other",
             "1h", "async.data.a['b.c'] == 1") "]");
    wait_send("t/other", "{\"a.b\":{\"c\":1}}");
    is_int(kit_dispatch(), 0, "paths are not mixed up (one of two waits)");
    is_int(wait_rows(), 3, "though their names have dots");
    wait_send("t/other", "{\"a\":{\"b.c\":1}}");
    is_int(kit_dispatch(), 1, "then the other");
}


static void
test_large_parts(void)
{
    size_t     i;
    dur_buf_t  data, ops;

    kit_fresh();
    wait_register("");

    dur_buf_init(&data, 1 << 20);
    dur_buf_init(&ops, 1 << 20);

    dur_buf_addz(&data, "{\"id\":\"x\",\"list\":[");
    for (i = 0; i < 5000; i++) {
        dur_buf_addf(&data, "%zu,", i);
    }
    dur_buf_add(&data, "-1]}", 5);

    dur_buf_addz(&ops, "[{\"op\":\"WaitForEvent\",\"id\":\"" KIT_A
                 "\",\"name\":\"t/other\",\"opts\":{\"timeout\":\"1h\","
                 "\"if\":\"async.data.n in event.data.list && (true");
    for (i = 0; i < 300; i++) {
        dur_buf_addz(&ops, " && 1 == 1");
    }
    dur_buf_add(&ops, ")\"}}]", 6);

    wait_run((char *) data.data, (char *) ops.data);

    wait_send("t/other", "{\"n\":5000}");
    is_int(kit_dispatch(), 0, "a long expression over a large event has its "
           "value");
    wait_send("t/other", "{\"n\":4999}");
    is_int(kit_dispatch(), 1, "whatever that is");

    dur_buf_deinit(&data);
    dur_buf_deinit(&ops);
}


/* -- several steps -------------------------------------------------------- */

static void
test_parallel(void)
{
    dur_ulid_t     event;
    kit_attempt_t  b;

    kit_fresh();
    wait_register("");

    event = wait_run("{\"id\":\"x\"}", "[" KIT_PLAN(KIT_B, "b") ","
                     WAIT_EVENT(KIT_A, "w", "t/other", "1h", WAIT_SAME) "]");
    is_int(kit_calls(), 1, "a step beside a wait is called");
    b = kit_attempt(0);

    wait_send("t/other", "{\"id\":\"x\"}");
    is_int(kit_dispatch(), 0, "the event alone is not enough: the step is "
           "pending");
    kit_result(b, 206, KIT_SDK, "[" KIT_RUN(KIT_B, "b", "2") "]");
    is_int(kit_calls(), 1, "the step was the last, the run is asked once");
    kit_build(kit_attempt(0));
    is_int(json_object_size(kit_get("steps", NULL)), 2, "both have memos");

    kit_result(kit_attempt(0), 200, KIT_SDK, "1");
    is_str(dur_str_c(kit_status(&event)), "Completed", "and it completes");
}


static void
test_race(void)
{
    kit_fresh();
    wait_register("");

    wait_run("{\"id\":\"x\"}", "[" KIT_PLAN_RACE(KIT_B, "b") ",{\"op\":"
             "\"WaitForEvent\",\"id\":\"" KIT_A "\",\"name\":\"t/other\","
             "\"opts\":{\"timeout\":\"1h\",\"parallelMode\":\"race\"}}]");

    wait_send("t/other", "{}");
    ok(strstr(wait_next_memo(KIT_A), "t/other") != NULL,
       "in a race the event asks at once");
    is_int(json_object_size(kit_get("steps", NULL)), 1, "it came first");
}


static void
test_two_waits(void)
{
    dur_ulid_t  event;

    kit_fresh();
    wait_register("");

    event = wait_run("{\"id\":\"x\"}", "["
                     WAIT_EVENT(KIT_A, "w", "t/other", "1h", WAIT_SAME) ","
                     WAIT_ANY(KIT_B, "v", "t/other", "2h") "]");
    is_int(wait_rows(), 5, "two waits of one answer are two");

    wait_send("t/other", "{\"id\":\"x\"}");
    is_int(kit_dispatch(), 1, "one event may end both");
    kit_build(kit_attempt(0));
    is_int(json_object_size(kit_get("steps", NULL)), 2, "with one call");
    is_int(wait_rows(), 0, "nobody waits then");

    kit_result(kit_attempt(0), 206, KIT_SDK,
               "[" WAIT_ANY(KIT_C, "z", "t/other", "1h") "]");
    kit_result(kit_attempt(0), 206, KIT_SDK, "[]");
    is_int(wait_rows(), 3, "a third comes later");
    wait_send("t/other", "{}");
    kit_dispatch();
    kit_result(kit_attempt(0), 200, KIT_SDK, "1");
    is_str(dur_str_c(kit_status(&event)), "Completed", "and the run ends");
}


static void
test_reported_again(void)
{
    kit_attempt_t  b;

    kit_fresh();
    wait_register("");

    wait_run("{\"id\":\"x\"}", "[" KIT_PLAN(KIT_B, "b") ","
             WAIT_EVENT(KIT_A, "w", "t/other", "1h", WAIT_SAME) "]");
    b = kit_attempt(0);
    kit.now += 60000;
    kit_result(b, 206, KIT_SDK, "[" KIT_RUN(KIT_B, "b", "2") ","
               WAIT_EVENT(KIT_A, "w", "t/other", "1h", "false") "]");

    is_int(wait_rows(), 3, "a wait that is reported again is the same");
    wait_send("t/other", "{\"id\":\"x\"}");
    is_int(wait_rows(), 0, "and waits for what it did");
}


/* -- ends ----------------------------------------------------------------- */

static void
test_ends(void)
{
    dur_op_t       op;
    dur_ulid_t     event;
    kit_attempt_t  b;

    kit_fresh();
    wait_register("");

    event = wait_run("{\"id\":\"x\"}", "["
                     WAIT_EVENT(KIT_A, "w", "t/other", "1h", WAIT_SAME) ","
                     WAIT_SIGNAL(KIT_B, "s", "sig", "fail") "]");
    is_int(wait_rows(), 5, "a run waits for an event and for a signal");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    op.run = kit_run_id(&event);
    kit_op(&op);
    is_str(dur_str_c(kit_status(&event)), "Cancelled", "it is cancelled");
    is_int(wait_rows() + wait_table(DUR_T_TIMER), 0, "it waits for nothing");

    event = wait_run("{\"id\":\"x\"}", "[" KIT_PLAN(KIT_B, "b") ","
                     WAIT_EVENT(KIT_A, "w", "t/other", "1h", WAIT_SAME) "]");
    b = kit_attempt(0);
    kit_result(b, 400, KIT_SDK "x-inngest-no-retry: true\n",
               "{\"name\":\"Error\",\"message\":\"no\"}");
    is_str(dur_str_c(kit_status(&event)), "Failed", "a run fails");
    is_int(wait_rows() + wait_table(DUR_T_TIMER), 0, "so it is with that");

    wait_send("t/other", "{\"id\":\"x\"}");
    is_int(kit_dispatch(), 0, "an event for them is for nobody");
}


static void
test_retention(void)
{
    dur_ulid_t  event;

    kit_fresh();
    kit.conf.retention = 1000;
    kit_configure();
    wait_register("");

    event = wait_run("{\"id\":\"x\"}", ONE);
    wait_send("t/other", "{\"id\":\"x\"}");
    kit_dispatch();
    kit_result(kit_attempt(0), 200, KIT_SDK, "1");
    is_str(dur_str_c(kit_status(&event)), "Completed", "a run that waited "
           "has completed");

    kit.now += 2000;
    kit_plain(DUR_OP_TASKS, 0);
    wait_tasks();
    is_int(wait_rows() + wait_table(DUR_T_STEP) + wait_table(DUR_T_PAYLOAD)
           + wait_table(DUR_T_RUN) + wait_table(DUR_T_EVENT), 0,
           "retention leaves nothing of it");

    kit.conf.retention = 0;
}


static void
test_restart(void)
{
    kit_fresh();
    wait_register("");

    wait_run("{\"id\":\"x\"}", ONE);
    wait_reopen();

    wait_send("t/nobody", "{\"id\":\"x\"}");
    wait_send("t/other", "{\"id\":\"y\"}");
    is_int(kit_dispatch(), 0, "after a restart other events resume nothing");
    wait_send("t/other", "{\"id\":\"x\"}");
    is_int(kit_dispatch(), 1, "and the right one does");
}


/* An answer to what a run sends must not come before it waits. */
static void
test_wait_and_send(void)
{
    dur_ulid_t      event;
    kit_attempt_t   a;

    kit_fresh();
    wait_register("");

    a = wait_start("{\"id\":\"x\"}", &event);

    /* the wait stands behind the step in the answer */

    kit_result(a, 206, KIT_SDK, "[" KIT_RUN(KIT_B, "send", "{\"ids\":[]}") ","
               WAIT_EVENT(KIT_A, "w", "t/other", "1h", WAIT_SAME) "]");
    is_int(wait_rows(), 3, "a wait beside a step that is done is stored");
    wait_send("t/other", "{\"id\":\"x\"}");
    is_int(wait_rows(), 0, "so the event that the step sent finds it");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_matching();
    test_without_expression();
    test_timeout();
    test_event_against_timeout();
    test_bad_expressions();
    test_errors_do_not_match();
    test_own_event();
    test_fan_out();
    test_fan_out_of_a_large_event();
    test_index();
    test_index_values();
    test_many_fields();
    test_large_parts();
    test_parallel();
    test_race();
    test_two_waits();
    test_reported_again();
    test_ends();
    test_retention();
    test_restart();
    test_wait_and_send();

    return kit_done();
}
