/* SPDX-License-Identifier: BSD-2-Clause */

/* A run from its event to its end: attempts, memos, parallel steps. */

#include "kit.h"


static kit_attempt_t
start(const char *name, dur_ulid_t *event)
{
    *event = kit_event(name);
    kit_dispatch();

    return kit_attempt(0);
}


static void
test_sequential(void)
{
    json_t         *run, *memo;
    dur_ulid_t      event;
    kit_attempt_t   a, b;

    kit_fresh();
    kit_register("f", 2);

    event = kit_event("f");
    is_int(kit.reply.rc, DUR_OK, "an event is accepted");
    is_int(kit.reply.status, 200, "with 200");
    is_str(dur_str_c(kit_status(&event)), "Scheduled",
           "its run is there with the answer");
    is_int(kit_calls(), 0, "no call goes out without a credit");

    is_int(kit_dispatch(), 1, "a credit leases its first call");
    a = kit_attempt(0);

    is_int(kit_build(a), DUR_OK, "the call can be built");
    is_int(json_integer_value(kit_get("ctx", "attempt")), 0,
           "attempts count from 0");
    is_int(json_integer_value(kit_get("ctx", "max_attempts")), 3,
           "there is one more of them than retries");
    is_int(json_integer_value(kit_get("version", NULL)), -1,
           "the version is not known yet");
    is_int(json_object_size(kit_get("steps", NULL)), 0, "no memos");

    kit_result(a, 206, KIT_SDK, "[" KIT_RUN(KIT_A, "a", "{\"v\":1}") "]");
    ok(kit_effect(DUR_EFFECT_ACK, 0) != NULL, "a result is acknowledged");
    is_int(kit_calls(), 1,
           "and the next call of its run goes out with the same commit");
    b = kit_attempt(0);
    ok(b.item != a.item, "it is another item");

    kit_build(b);
    memo = json_loads("{\"data\":{\"v\":1}}", 0, NULL);
    ok(json_equal(kit_get("steps", KIT_A), memo),
       "the memo of a step is {\"data\": ..}");
    json_decref(memo);
    is_int(json_array_size(json_object_get(kit_get("ctx", "stack"),
                                           "stack")), 1,
           "it is in the stack");
    is_int(json_integer_value(kit_get("version", NULL)), 2,
           "the version is what the SDK answered");

    kit_result(b, 200, KIT_SDK, "{\"done\":true}");
    is_str(dur_str_c(kit_status(&event)), "Completed",
           "200 ends the run");
    is_int(kit_calls(), 0, "and nothing follows");

    run = kit_run(&event);
    ok(json_is_true(json_object_get(json_object_get(run, "output"), "done")),
       "its output is the body");
    json_decref(run);

    kit_result(b, 500, KIT_SDK, "{}");
    is_int(kit.reply.rc, DUR_ECONFLICT, "a second result is refused");
    ok(kit_effect(DUR_EFFECT_ACK, 0) != NULL, "but acknowledged");
    is_str(dur_str_c(kit_status(&event)), "Completed",
           "and the run stays what it is");
    is_int(dur_engine_next_due(kit.engine), INT64_MAX, "no timer is left");
}


static void
test_run_complete(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 2);
    a = start("f", &event);

    kit_result(a, 206, KIT_SDK, "[" KIT_RUN(KIT_A, "a", "1") ","
               KIT_RUN(KIT_B, "b", "2") ",{\"op\":\"RunComplete\",\"id\":"
               "\"0737c22d3bfae812339732d14d8c7dbd6dc4e09c\",\"data\":7}]");
    is_str(dur_str_c(kit_status(&event)), "Completed",
           "RunComplete behind buffered steps ends the run");
    is_int(kit_calls(), 0, "at once");
}


static void
test_function_errors(void)
{
    unsigned       i;
    int64_t        due;
    dur_ulid_t     event;
    kit_attempt_t  a, b;

    kit_fresh();
    kit_register("f", 2);
    a = start("f", &event);

    for (i = 0; i < 2; i++) {
        kit_result(a, 500, KIT_SDK "x-inngest-no-retry: false\n",
                   "{\"name\":\"Error\",\"message\":\"boom\"}");
        due = dur_engine_next_due(kit.engine);
        is_int(due - kit.now, 1000, "a failed call waits for its back-off");
        is_int(kit_dispatch(), 0, "before that it does not go out");

        kit_timers();
        is_int(kit_dispatch(), 1, "when it is over it goes out again");
        b = kit_attempt(0);
        is_int(b.item, a.item, "it is the same item");
        is_int(b.generation, a.generation + 1, "of the next generation");
        kit_build(b);
        is_int(json_integer_value(kit_get("ctx", "attempt")), i + 1,
               "and the next attempt");
        a = b;
    }

    kit_result(a, 500, KIT_SDK, "{\"name\":\"Error\",\"message\":\"boom\"}");
    is_str(dur_str_c(kit_status(&event)), "Failed",
           "without attempts left the run fails");

    a = start("f", &event);
    kit_result(a, 400, KIT_SDK "x-inngest-no-retry: true\n", "{}");
    is_str(dur_str_c(kit_status(&event)), "Failed",
           "an error that is not retriable fails the run at once");

    a = start("f", &event);
    kit_result(a, 500, KIT_SDK "retry-after: 30\n", "{}");
    is_int(dur_engine_next_due(kit.engine) - kit.now, 30000,
           "Retry-After takes the place of the back-off");
}


static void
test_answers_that_are_none(void)
{
    size_t         i;
    dur_ulid_t     event;
    kit_attempt_t  a;

    static const struct {
        unsigned     status;
        const char  *headers;
        const char  *body;
        const char  *title;
    } tests[] = {
        { 200, "", "{}", "200 without the SDK's header" },
        { 206, "", "[" KIT_RUN(KIT_A, "a", "1") "]",
          "206 without the SDK's header" },
        { 206, KIT_SDK, "", "206 without a body" },
        { 206, KIT_SDK, "[{", "206 with half a body" },
        { 206, KIT_SDK, "7", "206 with a number" },
        { 206, KIT_SDK, "[null]", "206 with null for an op" },
        { 206, KIT_SDK, "[{\"op\":\"Bogus\",\"id\":\"" KIT_A "\"}]",
          "206 with an unknown op" },
        { 206, KIT_SDK, "[{\"op\":\"StepError\",\"id\":\"" KIT_A "\"}]",
          "a StepError without an error" },
        { 502, "", "<html>", "502 of a proxy" },
        { 404, "", "", "404 of another server" },
        { 201, KIT_SDK, "{\"stat", "half a streamed answer" },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        kit_fresh();
        kit_register("f", 1);
        a = start("f", &event);

        kit_result(a, tests[i].status, tests[i].headers, tests[i].body);
        is_str(dur_str_c(kit_status(&event)), "Running",
               "%s is a failed attempt", tests[i].title);
        kit_timers();
        kit_dispatch();
        is_int(kit_build(kit_attempt(0)), DUR_OK, "it is tried again");
        is_int(json_object_size(kit_get("steps", NULL)), 0,
               "and nothing of it was applied");
    }

    kit_fresh();
    kit_register("f", 0);
    a = start("f", &event);
    kit_result(a, 201, KIT_SDK, "   {\"status\":206,\"headers\":{},\"body\":"
               "\"[{\\\"op\\\":\\\"StepRun\\\",\\\"id\\\":\\\"" KIT_A
               "\\\",\\\"data\\\":5}]\"}");
    kit_build(kit_attempt(0));
    is_int(json_integer_value(json_object_get(kit_get("steps", KIT_A),
                                              "data")), 5,
           "a streamed answer is what it wraps");
}


static void
test_transport_errors(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 1);
    a = start("f", &event);

    kit_result_error(a, DUR_CALL_ECONNECT);
    kit_timers();
    kit_dispatch();
    a = kit_attempt(0);
    kit_build(a);
    is_int(json_integer_value(kit_get("ctx", "attempt")), 1,
           "a connection that is refused uses an attempt");
    kit_result_error(a, DUR_CALL_ETIMEOUT);
    is_str(dur_str_c(kit_status(&event)), "Failed", "and so does a timeout");
}


static void
test_step_errors(void)
{
    json_t         *memo;
    dur_ulid_t      event;
    kit_attempt_t   a, b;

    kit_fresh();
    kit_register("f", 1);
    a = start("f", &event);

    kit_result(a, 206, KIT_SDK "x-inngest-no-retry: false\n",
               "[" KIT_ERROR("StepError", KIT_A, "a") "]");
    is_int(kit_calls(), 0, "a step that failed is not called at once");
    kit_timers();
    kit_dispatch();
    b = kit_attempt(0);
    is_int(b.item, a.item, "after the back-off the same call is tried");
    kit_build(b);
    is_int(json_object_size(kit_get("steps", NULL)), 0,
           "nothing was memoized");

    kit_result(b, 206, KIT_SDK "x-inngest-no-retry: false\n",
               "[" KIT_ERROR("StepError", KIT_A, "a") "]");
    is_int(kit_calls(), 1,
           "a step that failed on its last attempt is given to the function");
    a = kit_attempt(0);
    kit_build(a);
    is_int(json_integer_value(kit_get("ctx", "attempt")), 0,
           "in a call with attempts of its own");
    memo = json_object_get(kit_get("steps", KIT_A), "error");
    is_str(dur_str_c(json_string_value(json_object_get(memo, "message"))),
           "bad step", "as its error");

    kit_result(a, 206, KIT_SDK "x-inngest-no-retry: true\n",
               "[" KIT_ERROR("StepError", KIT_B, "b") "]");
    is_int(kit_calls(), 1, "an error that is not retriable is final");

    a = kit_attempt(0);
    kit_result(a, 206, KIT_SDK "x-inngest-no-retry: false\n",
               "[" KIT_ERROR("StepFailed", KIT_C, "c") "]");
    is_int(kit_calls(), 1, "StepFailed is final whatever the header says");
    kit_build(kit_attempt(0));
    is_int(json_object_size(kit_get("steps", NULL)), 3, "all are memos");
}


static void
test_sleep(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 1);
    a = start("f", &event);

    kit_result(a, 206, KIT_SDK, "[" KIT_SLEEP(KIT_A, "a", "1h30m") "]");
    is_int(dur_engine_next_due(kit.engine) - kit.now, 5400 * 1000,
           "a sleep is due after its duration");
    kit_plain(DUR_OP_TIMERS, 0);
    is_int(kit_dispatch(), 0, "it does not end before");

    kit_timers();
    is_int(kit_dispatch(), 1, "when it ends the function is called");
    kit_build(kit_attempt(0));
    ok(json_is_null(kit_get("steps", KIT_A)), "its memo is null");

    kit_result(kit_attempt(0), 206, KIT_SDK,
               "[" KIT_SLEEP(KIT_B, "b", "9000h") "]");
    is_str(dur_str_c(kit_status(&event)), "Failed",
           "a sleep of more than 366 days fails the run");
}


/* Two planned steps and a sleep; the attempts of the two. */
static void
plan_three(kit_attempt_t a, kit_attempt_t *p, kit_attempt_t *q)
{
    kit_result(a, 206, KIT_SDK, "[" KIT_PLAN(KIT_A, "a") ","
               KIT_PLAN(KIT_B, "b") "," KIT_SLEEP(KIT_C, "c", "10s") "]");

    memset(p, 0, sizeof(*p));
    memset(q, 0, sizeof(*q));

    if (kit_calls() > 0) {
        *p = kit_attempt(0);
    }
    if (kit_dispatch() > 0) {
        *q = kit_attempt(0);
    }
}


static void
test_parallel(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a, p, q;

    kit_fresh();
    kit_register("f", 1);
    a = start("f", &event);

    plan_three(a, &p, &q);
    ok(p.item && q.item, "each planned step is a call of its own");

    kit_build(p);
    ok(json_is_string(kit_get("ctx", "step_id"))
       && strlen(json_string_value(kit_get("ctx", "step_id"))) == 40,
       "it names its step");
    ok(json_is_true(kit_get("ctx", "disable_immediate_execution")),
       "immediate execution is disabled");

    kit_result(p, 206, KIT_SDK, "[" KIT_RUN(KIT_A, "a", "1") "]");
    kit_result(q, 206, KIT_SDK, "[" KIT_RUN(KIT_B, "b", "2") "]");
    is_int(kit_calls() + kit_dispatch(), 0,
           "while one of a group is missing there is no discovery");

    kit_timers();
    is_int(kit_dispatch(), 1, "when the last is done there is one");
    a = kit_attempt(0);
    kit_build(a);
    is_int(json_object_size(kit_get("steps", NULL)), 3, "with all memos");
    ok(json_is_false(kit_get("ctx", "disable_immediate_execution")),
       "and immediate execution is allowed again");
    kit_result(a, 200, KIT_SDK, "1");
    is_str(dur_str_c(kit_status(&event)), "Completed", "the run completes");
}


static void
test_parallel_version_1(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a, p, q, d;

    kit_fresh();
    kit_register("f", 1);
    a = start("f", &event);

    kit_result(a, 206, KIT_SDK1, "[" KIT_PLAN(KIT_A, "a") ","
               KIT_PLAN(KIT_B, "b") "]");
    p = kit_attempt(0);
    kit_dispatch();
    q = kit_attempt(0);

    kit_result(p, 206, KIT_SDK1, "[" KIT_RUN(KIT_A, "a", "1") "]");
    is_int(kit_calls(), 1, "version 1: a discovery follows every step");
    d = kit_attempt(0);
    kit_result(d, 206, KIT_SDK1, "[]");
    is_int(kit_calls() + kit_dispatch(), 0,
           "[] while other steps run ends that path");
    is_str(dur_str_c(kit_status(&event)), "Running", "but not the run");

    kit_result(q, 206, KIT_SDK1, "[" KIT_RUN(KIT_B, "b", "2") "]");
    is_int(kit_calls(), 1, "the other step has a discovery, too");
    d = kit_attempt(0);
    kit_result(d, 206, KIT_SDK1, "[]");
    is_int(kit_calls() + kit_dispatch(), 1,
           "[] with nothing outstanding is asked once more");
}


static void
test_replanning(void)
{
    int64_t        due;
    dur_ulid_t     event;
    kit_attempt_t  a, p, d;

    kit_fresh();
    kit_register("f", 1);
    a = start("f", &event);

    kit_result(a, 206, KIT_SDK, "[" KIT_PLAN_RACE(KIT_A, "a") ","
               KIT_PLAN_RACE(KIT_B, "b") "," KIT_SLEEP(KIT_C, "c", "1m")
               "]");
    p = kit_attempt(0);
    kit_dispatch();
    due = dur_engine_next_due(kit.engine);

    kit_result(p, 206, KIT_SDK, "[{\"op\":\"StepRun\",\"id\":\"" KIT_A
               "\",\"opts\":{\"parallelMode\":\"race\"},\"data\":1}]");
    is_int(kit_calls(), 1, "a step of a race has a discovery at once");
    d = kit_attempt(0);

    kit.now += 5000;
    kit_result(d, 206, KIT_SDK, "[" KIT_PLAN_RACE(KIT_B, "b") ","
               KIT_SLEEP(KIT_C, "c", "1m") "]");
    is_int(kit_calls() + kit_dispatch(), 0,
           "a step that was reported before is not called again");
    is_int(dur_engine_next_due(kit.engine), due,
           "a sleep that was reported before keeps its due time");
}


static void
test_race_told_once(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 1);
    a = start("f", &event);

    kit_result(a, 206, KIT_GO, "[{\"op\":\"StepPlanned\",\"id\":\"" KIT_A
               "\",\"opts\":{\"parallelMode\":\"Race\"}},{\"op\":"
               "\"StepPlanned\",\"id\":\"" KIT_B
               "\",\"opts\":{\"parallelMode\":\"Race\"}}]");
    a = kit_attempt(0);
    kit_dispatch();

    kit_result(a, 206, KIT_GO, "[" KIT_RUN(KIT_A, "a", "1") "]");
    is_int(kit_calls(), 1,
           "so has one that was of a race when it was planned");
}


/* What the loser of a race meets when its first try failed, or was lost. */
static void
test_race_that_is_over(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a, p, q;

    kit_fresh();
    kit_register("f", 1);
    a = start("f", &event);

    kit_result(a, 206, KIT_SDK, "[" KIT_PLAN_RACE(KIT_A, "a") ","
               KIT_PLAN_RACE(KIT_B, "b") "]");
    p = kit_attempt(0);
    kit_dispatch();
    q = kit_attempt(0);

    kit_result(p, 206, KIT_SDK, "[{\"op\":\"StepRun\",\"id\":\"" KIT_A
               "\",\"opts\":{\"parallelMode\":\"race\"},\"data\":1}]");
    a = kit_attempt(0);
    kit_result(a, 206, KIT_SDK, "[" KIT_PLAN_RACE(KIT_B, "b") "]");

    kit_result(q, 200, KIT_SDK, "{\"winner\":1}");
    is_str(dur_str_c(kit_status(&event)), "Completed",
           "a call of a step may find that the function has returned");
}


static void
test_one_discovery(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a, p, q, d;

    kit_fresh();
    kit_register("f", 1);
    a = start("f", &event);

    kit_result(a, 206, KIT_SDK, "[" KIT_PLAN_RACE(KIT_A, "a") ","
               KIT_PLAN_RACE(KIT_B, "b") "]");
    p = kit_attempt(0);
    kit_dispatch();
    q = kit_attempt(0);

    kit_result(p, 206, KIT_SDK, "[{\"op\":\"StepRun\",\"id\":\"" KIT_A
               "\",\"opts\":{\"parallelMode\":\"race\"},\"data\":1}]");
    d = kit_attempt(0);
    kit_build(d);

    kit_result(q, 206, KIT_SDK, "[{\"op\":\"StepRun\",\"id\":\"" KIT_B
               "\",\"opts\":{\"parallelMode\":\"race\"},\"data\":2}]");
    is_int(kit_calls() + kit_dispatch(), 0,
           "while a discovery is out there is no second one");

    kit_result(d, 206, KIT_SDK, "[" KIT_PLAN_RACE(KIT_B, "b") ","
               KIT_PLAN(KIT_C, "c") "]");
    is_int(kit_calls() + kit_dispatch(), 2,
           "what was asked for meanwhile goes out after it, and the new step");
    is_str(dur_str_c(kit_status(&event)), "Running", "the run goes on");
}


static void
test_nothing_to_do(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 0);
    a = start("f", &event);

    kit_result(a, 206, KIT_SDK, "[]");
    is_int(kit_calls(), 1, "[] is asked once more");

    a = kit_attempt(0);
    kit_result(a, 206, KIT_SDK, "[]");
    is_str(dur_str_c(kit_status(&event)), "Failed",
           "a second [] is a failed attempt, here the last one");
}


static void
test_planned_step_without_answer(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 0);
    a = start("f", &event);

    kit_result(a, 206, KIT_SDK, "[" KIT_PLAN(KIT_A, "a") "]");
    is_int(kit_calls(), 1, "a planned step is called");
    a = kit_attempt(0);
    kit_result(a, 206, KIT_SDK, "[]");
    is_int(kit_calls(), 1,
           "when its call says nothing, the function is asked again");
    a = kit_attempt(0);
    kit_result(a, 206, KIT_SDK, "[" KIT_PLAN(KIT_A, "a") "]");
    is_int(kit_calls(), 1, "and the step is called again");
    a = kit_attempt(0);
    kit_result(a, 206, KIT_SDK, "[{\"op\":\"StepRun\",\"id\":\"" KIT_A
               "\",\"data\":1}]");
    is_int(kit_calls(), 1, "its result moves the run");

    a = start("f", &event);
    kit_result(a, 206, KIT_SDK, "[" KIT_PLAN(KIT_A, "a") "]");
    a = kit_attempt(0);
    kit_result(a, 206, KIT_SDK, "[]");
    a = kit_attempt(0);
    kit_result(a, 206, KIT_SDK, "[" KIT_PLAN(KIT_A, "a") "]");
    a = kit_attempt(0);
    kit_result(a, 206, KIT_SDK, "[]");
    is_str(dur_str_c(kit_status(&event)), "Failed",
           "a step that never gets an answer fails the run");
}


static void
test_same_step_for_ever(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 0);
    a = start("f", &event);

    kit_result(a, 206, KIT_SDK, "[{\"op\":\"StepRun\",\"id\":\"" KIT_A
               "\",\"data\":1}]");
    a = kit_attempt(0);
    kit_result(a, 206, KIT_SDK, "[{\"op\":\"StepRun\",\"id\":\"" KIT_A
               "\",\"data\":2}]");
    is_int(kit_calls(), 1, "a step that is done already is asked once more");

    a = kit_attempt(0);
    kit_result(a, 206, KIT_SDK, "[{\"op\":\"StepRun\",\"id\":\"" KIT_A
               "\",\"data\":3}]");
    is_str(dur_str_c(kit_status(&event)), "Failed",
           "an app that does not see its memos does not loop for ever");
}


static void
test_uncaught(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a, p, q;

    kit_fresh();
    kit_register("f", 1);
    a = start("f", &event);
    plan_three(a, &p, &q);

    kit_result(p, 400, KIT_SDK "x-inngest-no-retry: true\n",
               "{\"name\":\"Error\",\"message\":\"boom\"}");
    is_str(dur_str_c(kit_status(&event)), "Failed",
           "a run may fail while others of its steps are out");
    ok(kit_effect(DUR_EFFECT_CANCEL, 0) != NULL
       && kit_effect(DUR_EFFECT_CANCEL, 0)->item == q.item,
       "they are cancelled");
    is_int(dur_engine_next_due(kit.engine), INT64_MAX,
           "and sleeps taken away");

    kit_result(q, 206, KIT_SDK, "[" KIT_RUN(KIT_B, "b", "2") "]");
    is_int(kit.reply.rc, DUR_ECONFLICT, "a late result is discarded");
}


static void
test_cancel(void)
{
    dur_op_t       op;
    dur_ulid_t     event;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 1);
    a = start("f", &event);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    op.run = kit_run_id(&event);
    kit_op(&op);
    is_int(kit.reply.rc, DUR_OK, "a run can be cancelled");
    is_str(dur_str_c(kit_status(&event)), "Cancelled", "it ends");
    ok(kit_effect(DUR_EFFECT_CANCEL, 0) != NULL
       && kit_effect(DUR_EFFECT_CANCEL, 0)->item == a.item,
       "its call is cancelled");
    is_int(kit_build(a), DUR_ENOTFOUND, "and can be built no more");

    kit_result(a, 200, KIT_SDK, "1");
    is_str(dur_str_c(kit_status(&event)), "Cancelled",
           "its result changes nothing");

    op.run = kit_ulid(99);
    kit_op(&op);
    is_int(kit.reply.rc, DUR_ENOTFOUND, "an unknown run cannot be");
}


static void
test_idempotency(void)
{
    dur_ulid_t     first, second, third;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 1);

    first = kit_event_at("f", "order-1", kit.now);
    second = kit_event_at("f", "order-1", kit.now);
    is_int(kit.reply.status, 200,
           "a second event with the client's id is accepted");
    is_str(dur_str_c(kit_status(&second)), "none", "it starts no run");
    third = kit_event_at("f", "order-2", kit.now);
    is_str(dur_str_c(kit_status(&third)), "Scheduled",
           "another id does");

    kit_dispatch();
    a = kit_attempt(0);
    kit_build(a);
    kit_result(a, 200, KIT_SDK, "1");
    is_str(dur_str_c(kit_status(&first)), "Completed", "the first run ends");

    kit.now += 23 * 3600 * 1000;
    kit_plain(DUR_OP_TIMERS, 0);
    second = kit_event_at("f", "order-1", kit.now);
    is_str(dur_str_c(kit_status(&second)), "none",
           "23 hours later the id still starts none");

    kit.now += 27 * 3600 * 1000;
    kit_plain(DUR_OP_TIMERS, 0);
    second = kit_event_at("f", "order-1", kit.now);
    is_str(dur_str_c(kit_status(&second)), "Scheduled",
           "two days later it does");
}


static void
test_idempotency_of_long_runs(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 1);

    kit_event_at("f", "order-1", kit.now);
    kit_dispatch();
    a = kit_attempt(0);
    kit_result(a, 206, KIT_SDK, "[" KIT_SLEEP(KIT_A, "a", "300d") "]");

    kit.now += (int64_t) 200 * 86400 * 1000;
    event = kit_event_at("f", "order-1", kit.now);
    is_str(dur_str_c(kit_status(&event)), "none",
           "while a run lives its id starts no other, however long");
}


static void
test_duplicate_op(void)
{
    dur_op_t        op;
    dur_ulid_t      id;
    dur_op_event_t  event;

    kit_fresh();
    kit_register("f", 1);

    id = kit_ulid(5);
    memset(&event, 0, sizeof(event));
    event.id = id;
    event.flags = DUR_EVENT_F_CANONICAL;
    event.ts = kit.now;
    event.name = dur_str("t/f");
    event.json = dur_str("{\"data\":{},\"id\":\"x\",\"name\":\"t/f\","
                         "\"ts\":1,\"user\":{}}");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    kit_op(&op);
    is_int(kit.reply.flags & DUR_REPLY_F_DUPLICATE, 0, "an event is new");

    kit_op(&op);
    is_int(kit.reply.status, 200, "sent again it is accepted");
    ok(kit.reply.flags & DUR_REPLY_F_DUPLICATE, "as a duplicate");
    is_str(dur_str_c(kit_status(&id)), "Scheduled", "with one run");

    event.json = dur_str("{\"data\":{},\"id\":\"y\",\"name\":\"t/f\","
                         "\"ts\":1,\"user\":{}}");
    kit_op(&op);
    is_int(kit.reply.status, 409, "another event under its id is refused");
}


static void
test_scheduled(void)
{
    dur_ulid_t  event;

    kit_fresh();
    kit_register("f", 1);

    event = kit_event_at("f", NULL, kit.now + 60000);
    is_str(dur_str_c(kit_status(&event)), "Scheduled",
           "an event of the future has a run");
    is_int(kit_dispatch(), 0, "that does not start before its time");
    is_int(dur_engine_next_due(kit.engine) - kit.now, 60000, "but then");
    kit_timers();
    is_int(kit_dispatch(), 1, "it does");
}


static void
test_step_limit(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a;

    kit_fresh();
    kit.conf.max_steps = 2;
    kit_configure();
    kit_register("f", 1);
    a = start("f", &event);

    kit_result(a, 206, KIT_SDK, "[" KIT_RUN(KIT_A, "a", "1") "]");
    a = kit_attempt(0);
    kit_result(a, 206, KIT_SDK, "[" KIT_RUN(KIT_B, "b", "1") "]");
    is_str(dur_str_c(kit_status(&event)), "Failed",
           "a run with as many steps as are allowed is called no more");

    kit.conf.max_steps = 1000;
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_sequential();
    test_run_complete();
    test_function_errors();
    test_answers_that_are_none();
    test_transport_errors();
    test_step_errors();
    test_sleep();
    test_parallel();
    test_parallel_version_1();
    test_replanning();
    test_race_told_once();
    test_race_that_is_over();
    test_one_discovery();
    test_nothing_to_do();
    test_planned_step_without_answer();
    test_same_step_for_ever();
    test_uncaught();
    test_cancel();
    test_idempotency();
    test_idempotency_of_long_runs();
    test_duplicate_op();
    test_scheduled();
    test_step_limit();

    return kit_done();
}
