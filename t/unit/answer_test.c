/* SPDX-License-Identifier: BSD-2-Clause */

/* What an app answered, made plain (protocol 4.2), and what follows. */

#include "kit.h"

#include "engine/dur_answer.h"


#define SDK     "x-inngest-sdk: js:v4.24.0\n"
#define STREAM  SDK "content-type: application/json\n"


static dur_answer_t  answer;
static dur_ulid_t    event;


static void
parse(unsigned status, const char *headers, const char *body)
{
    dur_op_result_t  result;

    memset(&result, 0, sizeof(result));
    result.status = (uint16_t) status;
    result.headers = dur_str_c(headers);
    result.body = dur_str_c(body);

    if (dur_answer_parse(&result, kit.now, &kit.arena, &answer) != DUR_OK) {
        ok(false, "an answer can be parsed");
    }
}


static kit_attempt_t
start(unsigned retries)
{
    kit_fresh();
    kit_register("f", retries);
    event = kit_event("f");
    kit_dispatch();

    return kit_attempt(0);
}


/* -- what an answer says -------------------------------------------------- */

static void
test_errors(void)
{
    size_t  i;

    static const struct {
        const char  *title;
        unsigned     status;
        const char  *headers;
        const char  *body;
        bool         final;
        const char  *error;
    } tests[] = {
        { "an error of JS", 500, SDK "x-inngest-no-retry: false\n",
          "{\"name\":\"TypeError\",\"message\":\"boom\",\"stack\":\"at f\","
          "\"cause\":{\"name\":\"Error\",\"message\":\"inner\"},"
          "\"__serialized\":true}", false,
          "{\"cause\":{\"message\":\"inner\",\"name\":\"Error\"},"
          "\"error\":\"boom\",\"message\":\"boom\",\"name\":\"TypeError\","
          "\"stack\":\"at f\"}" },
        { "a final error of JS", 400, SDK "X-Inngest-No-Retry: TRUE\n",
          "{\"name\":\"NonRetriableError\",\"message\":\"no\"}", true,
          "{\"error\":\"no\",\"message\":\"no\","
          "\"name\":\"NonRetriableError\"}" },
        { "an error of Python", 500, "x-inngest-sdk: inngest-py:v0.5.0\n",
          "{\"code\":\"unknown\",\"message\":\"boom\",\"name\":"
          "\"ValueError\",\"stack\":null}", false,
          "{\"error\":\"boom\",\"message\":\"boom\","
          "\"name\":\"ValueError\"}" },
        { "an error of Go", 500, "x-inngest-sdk: go:v0.11.0\n",
          "{\"message\":\"boom\"}", false,
          "{\"error\":\"boom\",\"message\":\"boom\",\"name\":\"Error\"}" },
        { "a step that JS does not find", 500, SDK,
          "{\"error\":\"Could not find step\",\"requestedStep\":\"a\"}",
          false, "{\"error\":\"Could not find step\",\"message\":"
          "\"Could not find step\",\"name\":\"Error\"}" },
        { "a text", 500, SDK, "\"boom\"", false,
          "{\"error\":\"boom\",\"message\":\"boom\",\"name\":\"Error\"}" },
        { "null", 500, SDK, "null", false, "{\"error\":\"Function execution "
          "error\",\"message\":\"Function execution error\",\"name\":"
          "\"Error\"}" },
        { "nothing", 500, SDK, "", false, "{\"error\":\"Function execution "
          "error\",\"message\":\"Function execution error\",\"name\":"
          "\"Error\"}" },
        { "an object without a message", 500, SDK, "{\"code\":7}", false,
          "{\"error\":\"Function execution error\",\"message\":\"Function "
          "execution error\",\"name\":\"Error\"}" },
        { "a page of the SDK's host", 500, SDK, "<h1>", false,
          "{\"error\":\"The SDK answered HTTP 500 with a body that is not "
          "JSON\",\"message\":\"The SDK answered HTTP 500 with a body that "
          "is not JSON\",\"name\":\"Error\",\"stack\":\"<h1>\"}" },
        { "a page of a proxy", 502, "content-type: text/html\n", "<h1>",
          false, "{\"error\":\"Your server returned HTTP 502 before the SDK "
          "responded.\",\"message\":\"Your server returned HTTP 502 before "
          "the SDK responded.\",\"name\":\"http_error\",\"stack\":"
          "\"<h1>\"}" },
        { "a page of somebody else", 200, "", "<h1>", false,
          "{\"error\":\"The response did not come from an Inngest SDK (HTTP "
          "200 without the x-inngest-sdk header)\",\"message\":\"The "
          "response did not come from an Inngest SDK (HTTP 200 without the "
          "x-inngest-sdk header)\",\"name\":\"not_sdk\",\"stack\":"
          "\"<h1>\"}" },
        { "200 that is not to be retried", 200, SDK
          "x-inngest-no-retry: true\n", "{\"message\":\"no\"}", true,
          "{\"error\":\"no\",\"message\":\"no\",\"name\":\"Error\"}" },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        parse(tests[i].status, tests[i].headers, tests[i].body);
        is_int(answer.kind, DUR_ANSWER_ERROR, "%s is an error",
               tests[i].title);
        is_str(answer.error, tests[i].error, "it is put like all others");
        is_int(answer.no_retry, tests[i].final, "it is %s",
               tests[i].final ? "final" : "retried");
    }
}


static void
test_done(void)
{
    size_t  i;

    static const char  *tests[][2] = {
        { "{\"b\":1,\"a\":[]}", "{\"b\":1,\"a\":[]}" },
        { "null", "null" },
        { "", "null" },
        { "7", "7" },
        { "\"{\\\"a\\\":1}\"", "\"{\\\"a\\\":1}\"" },
        { "plain", "\"plain\"" },
        { "<p>\"\xff", "\"<p>\\\"\xef\xbf\xbd\"" },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        parse(200, SDK, tests[i][0]);
        is_int(answer.kind, DUR_ANSWER_DONE, "200 with %s is the end",
               tests[i][0]);
        is_str(answer.output, tests[i][1], "and the output");
    }

    parse(204, SDK, "");
    is_int(answer.kind, DUR_ANSWER_DONE, "any other 2xx is, too");
}


static void
test_retry_after(void)
{
    parse(200, SDK "retry-after: 30\n", "{}");
    is_int(answer.kind, DUR_ANSWER_ERROR, "200 with Retry-After is an error");
    is_int(answer.retry_at - kit.now, 30000, "tried again when it says");

    parse(200, SDK "retry-after: soon\n", "{}");
    is_int(answer.kind, DUR_ANSWER_DONE,
           "a Retry-After that says nothing is none");

    parse(503, "retry-after: 5\n", "");
    is_int(answer.retry_at - kit.now, 5000, "a proxy may ask for time, too");
}


static void
test_streams(void)
{
    size_t  i;

    static const struct {
        const char  *title;
        const char  *body;
        int          kind;
    } tests[] = {
        { "with ops as a text", "  \n {\"status\":206,\"headers\":{},"
          "\"body\":\"[{\\\"op\\\":\\\"None\\\"}]\"}", DUR_ANSWER_OPS },
        { "with ops as JSON", "{\"status\":206,\"body\":[{\"op\":"
          "\"None\"}]}", DUR_ANSWER_OPS },
        { "with a result", "{\"status\":200,\"headers\":{},\"body\":"
          "\"{\\\"a\\\":1}\"}", DUR_ANSWER_DONE },
        { "with an error", "{\"status\":500,\"headers\":{},\"body\":"
          "\"{\\\"message\\\":\\\"boom\\\"}\"}", DUR_ANSWER_ERROR },
        { "that is cut off", "   {\"status\":206,\"bo", DUR_ANSWER_ERROR },
        { "that never came", "        ", DUR_ANSWER_ERROR },
        { "without a status", "{\"body\":\"[]\"}", DUR_ANSWER_ERROR },
        { "with a status that is none", "{\"status\":\"ok\",\"body\":"
          "\"[]\"}", DUR_ANSWER_ERROR },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        parse(201, STREAM, tests[i].body);
        is_int(answer.kind, tests[i].kind, "a stream %s is understood",
               tests[i].title);
    }

    parse(201, SDK "x-inngest-no-retry: false\n", "{\"status\":400,"
          "\"headers\":{\"X-Inngest-No-Retry\":\"true\","
          "\"x-inngest-req-version\":\"2\"},\"body\":\"{}\"}");
    ok(answer.no_retry, "the inner headers are the ones that count");
    is_int(answer.request_version, 2, "all of them");

    parse(201, STREAM, "{\"status\":500,\"body\":{\"message\":\"boom\"},"
          "\"noRetry\":true,\"retryAt\":null}");
    ok(answer.no_retry, "Go says noRetry in the stream");
    is_str(answer.message, "boom", "its error is the body");

    parse(201, STREAM, "{\"status\":500,\"body\":{\"message\":\"boom\"},"
          "\"noRetry\":false,\"retryAt\":\"2026-09-21T14:13:40Z\"}");
    is_int(answer.retry_at, 1790000020000, "and retryAt");

    parse(201, "", "{\"status\":200,\"body\":\"1\"}");
    is_int(answer.kind, DUR_ANSWER_ERROR,
           "a stream of somebody else is an error");

    parse(201, STREAM, "{\"status\":200,\"headers\":{},\"body\":\"\","
          "\"error\":\"the handler crashed\"}");
    is_int(answer.kind, DUR_ANSWER_ERROR, "a stream may say what went wrong");
    is_str(answer.message, "the handler crashed", "in its own words");
}


static void
test_ops(void)
{
    size_t       i;
    dur_buf_t    b;

    static const struct {
        const char  *body;
        const char  *message;
    } tests[] = {
        { "", "The SDK answered HTTP 206 with a body that is not JSON: '[' "
          "or '{' expected near end of file (byte 0)" },
        { "null", "The SDK answered HTTP 206 with a body that is not a list "
          "of ops" },
        { "{}", "The SDK reported an op that cannot be understood: op 0 has "
          "no \"op\"" },
        { "[null]", "The SDK reported an op that cannot be understood: op 0 "
          "is not an object" },
        { "[{\"op\":\"None\"},{\"op\":\"Frob\"}]", "The SDK reported an op "
          "that cannot be understood: op 1 has an unknown \"op\"" },
        { "[{\"op\":\"StepRun\",\"id\":\"A\"}]", "The SDK reported an op "
          "that cannot be understood: op 0 has an \"id\" that is not 40 "
          "lower-case hex characters" },
        { "[{\"op\":\"StepError\",\"id\":\"" KIT_A "\",\"error\":\"x\"}]",
          "The SDK reported an op that cannot be understood: op 0 has no "
          "\"error\" object" },
        { "[{\"op\":\"Gateway\",\"id\":\"" KIT_A "\",\"opts\":{}}]",
          "The SDK reported an op that cannot be understood: op 0 has no "
          "\"opts.url\"" },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        parse(206, SDK, tests[i].body);
        is_int(answer.kind, DUR_ANSWER_ERROR, "206 with %s is no answer",
               tests[i].body);
        ok(!answer.no_retry, "it is asked again");
        if (i > 0) {
            is_str(answer.message, tests[i].message, "the error says why");
        }
    }

    parse(206, SDK, "[]");
    is_int(answer.kind, DUR_ANSWER_OPS, "no ops are fine");
    is_int(answer.nops, 0, "and none");

    parse(206, SDK, "{\"OP\":1,\"op\":\"steprun\",\"id\":\"" KIT_A "\"}");
    is_int(answer.nops, 1, "one op may stand alone, its name in any case");

    parse(206, SDK, "[{\"op\":\"StepFailed\",\"id\":\"" KIT_A "\",\"data\":"
          "{\"__serialized\":true},\"error\":{\"name\":\"E\",\"message\":"
          "\"no\"},\"mode\":\"x\",\"rawArgs\":[]}]");
    is_str(answer.ops[0].error, "{\"name\":\"E\",\"message\":\"no\"}",
           "unknown members are passed over");

    dur_buf_init(&b, 1 << 20);
    dur_buf_addc(&b, '[');

    for (i = 0; i < 1001; i++) {
        dur_buf_addf(&b, "%s{\"op\":\"None\"}", i ? "," : "");
    }

    dur_buf_add(&b, "]", 2);
    parse(206, SDK, (char *) b.data);
    is_int(answer.kind, DUR_ANSWER_ERROR, "more than 1000 ops are an error");
    ok(answer.no_retry, "that is final");
    dur_buf_deinit(&b);
}


static void
test_transport(void)
{
    size_t           i;
    dur_op_result_t  result;

    static const struct {
        uint8_t      kind;
        const char  *name;
    } tests[] = {
        { DUR_CALL_ECONNECT, "unreachable" },
        { DUR_CALL_ETIMEOUT, "timeout" },
        { DUR_CALL_ELOST, "connection_lost" },
        { DUR_CALL_ETOOBIG, "output_too_large" },
        { DUR_CALL_EPOLICY, "address_not_allowed" },
        { DUR_CALL_EOTHER, "transport_error" },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        char  want[128];

        memset(&result, 0, sizeof(result));
        result.error_kind = tests[i].kind;
        result.error = dur_str("why");
        (void) dur_answer_parse(&result, kit.now, &kit.arena, &answer);

        snprintf(want, sizeof(want), "{\"error\":\"why\",\"message\":\"why\","
                 "\"name\":\"%s\"}", tests[i].name);
        is_str(answer.error, want, "%s is an error", tests[i].name);
        ok(!answer.no_retry, "that is retried");
    }
}


static void
test_huge(void)
{
    size_t   i, n;
    char    *body;

    static const struct {
        unsigned     status;
        const char  *before;
        const char  *after;
        const char  *title;
    } tests[] = {
        { 200, "", "", "a result that is no JSON" },
        { 500, "", "", "an error that is no JSON" },
        { 500, "\"", "\"", "an error that is a text" },
        { 500, "[\"", "\"]", "an error that is a list" },
        { 500, "{\"message\":\"", "\"}", "a message" },
        { 500, "{\"message\":\"no\",\"stack\":\"", "\"}", "a stack" },
        { 206, "[{\"op\":\"", "\"}]", "the name of an op" },
        { 201, "{\"status\":200,\"headers\":{\"a\":\"", "\"}}",
          "a header in a stream" },
        { 201, "{\"status\":200,\"error\":\"", "\"}",
          "an error in a stream" },
    };

    n = 8 << 20;
    body = malloc(n + 1);

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        memset(body, '\\', n);
        memcpy(body, tests[i].before, strlen(tests[i].before));
        strcpy(body + n - strlen(tests[i].after) - n % 2, tests[i].after);

        if ((n - strlen(tests[i].after) - strlen(tests[i].before)) % 2) {
            body[strlen(tests[i].before)] = ' ';
        }

        parse(tests[i].status, SDK, body);
        ok(answer.kind == DUR_ANSWER_ERROR || answer.kind == DUR_ANSWER_DONE,
           "%s may have 8 MiB", tests[i].title);
        ok(answer.message.len <= 8192, "people need not read all of it");
        dur_arena_reset(&kit.arena);
    }

    memset(body, 1, n);
    body[n] = '\0';
    parse(200, SDK, body);
    is_int(answer.kind, DUR_ANSWER_DONE, "bytes that need escapes are text");
    is_int((int64_t) answer.output.len, (int64_t) n * 6 + 2, "all of them");

    free(body);
}


/* -- what follows from it ------------------------------------------------- */

static void
test_version(void)
{
    kit_result(start(1), 206, SDK, "[" KIT_RUN(KIT_A, "a", "1") "]");
    kit_build(kit_attempt(0));
    is_int(json_integer_value(kit_get("version", NULL)), 1,
           "a first answer without a version is one of version 1");

    kit_result(kit_attempt(0), 206, KIT_SDK, "[" KIT_RUN(KIT_B, "b", "1")
               "]");
    kit_build(kit_attempt(0));
    is_int(json_integer_value(kit_get("version", NULL)), 1,
           "later ones do not change it");
}


static void
test_done_in_a_step(void)
{
    kit_attempt_t  a;

    a = start(0);
    kit_result(a, 206, KIT_SDK, "[" KIT_PLAN(KIT_A, "a") "]");
    kit_result(kit_attempt(0), 200, KIT_GO, "null");
    is_str(dur_str_c(kit_status(&event)), "Running",
           "a null of Go for one step does not end the run");
    is_int(kit_calls(), 1, "the function is asked");

    kit_build(kit_attempt(0));
    is_str(dur_str_c(json_string_value(kit_get("ctx", "step_id"))), "step",
           "by a discovery");
    kit_result(kit_attempt(0), 200, KIT_SDK, "7");
    is_str(dur_str_c(kit_status(&event)), "Completed", "which may end it");
}


static void
test_done_in_steps_for_ever(void)
{
    unsigned       i;
    kit_attempt_t  a;

    a = start(0);

    for (i = 0; i < 2; i++) {
        kit_result(a, 206, KIT_SDK, "[" KIT_PLAN(KIT_A, "a") "]");
        is_int(kit_calls(), 1, "the step is called");
        kit_result(kit_attempt(0), 200, KIT_GO, "null");
        a = kit_attempt(0);
    }

    is_str(dur_str_c(kit_status(&event)), "Failed",
           "a step that is never found fails the run");
}


static void
test_done_beside_others(void)
{
    kit_attempt_t  a;

    a = start(0);
    kit_result(a, 206, KIT_SDK, "[" KIT_PLAN(KIT_A, "a") ","
               KIT_SLEEP(KIT_B, "b", "30d") "]");
    kit_result(kit_attempt(0), 200, KIT_GO, "null");
    is_int(kit_calls(), 1, "a sleep does not hold up a step that was not "
           "found");
    kit_result(kit_attempt(0), 206, KIT_SDK, "[" KIT_PLAN(KIT_A, "a") ","
               KIT_SLEEP(KIT_B, "b", "30d") "]");
    is_int(kit_calls() + kit_dispatch(), 1, "it is called again");
    kit_result(kit_attempt(0), 200, KIT_GO, "null");
    is_int(kit_calls() + kit_dispatch(), 0, "but not for ever");
    is_str(dur_str_c(kit_status(&event)), "Running",
           "the run waits for its sleep");
}


static void
test_duplicate_failure(void)
{
    kit_attempt_t  a, d;

    a = start(3);
    kit_result(a, 206, KIT_SDK1, "[" KIT_PLAN(KIT_A, "a") ","
               KIT_PLAN(KIT_B, "b") "]");
    a = kit_attempt(0);
    kit_dispatch();
    kit_result(kit_attempt(0), 206, KIT_SDK1, "[" KIT_RUN(KIT_B, "b", "1")
               "]");
    d = kit_attempt(0);

    kit_result(a, 206, KIT_SDK1, "[" KIT_ERROR("StepFailed", KIT_A, "a")
               "]");
    kit_result(d, 206, KIT_SDK1, "[{\"op\":\"StepFailed\",\"id\":\"" KIT_A
               "\",\"error\":{\"name\":\"E\",\"message\":\"later\"}}]");
    is_str(dur_str_c(kit_status(&event)), "Running",
           "a failure that is reported twice is one");
    is_int(kit_calls(), 1, "the run goes on");
    kit_build(kit_attempt(0));
    is_str(dur_str_c(json_string_value(json_object_get(json_object_get(
               kit_get("steps", KIT_A), "error"), "message"))), "bad step",
           "with the first");
}


/* An answer whose only step has an output of n bytes. */
static char *
large(const char *id, size_t n)
{
    char  *p, *body;

    body = malloc(n + 256);
    p = body + sprintf(body, "[{\"op\":\"StepRun\",\"id\":\"%s\",\"name\":"
                       "\"big\",\"data\":\"", id);
    memset(p, 'x', n - 2);
    strcpy(p + n - 2, "\"}]");

    return body;
}


static void
test_large_output(void)
{
    char           *body;
    kit_attempt_t   a;

    a = start(1);
    body = large(KIT_A, (4 << 20) + 1);
    kit_result(a, 206, KIT_SDK, body);
    is_str(dur_str_c(kit_status(&event)), "Running",
           "an output over 4 MiB is a failed attempt");
    is_int(kit_calls(), 0, "that waits for its back-off");
    kit_timers();
    kit_dispatch();
    kit_result(kit_attempt(0), 206, KIT_SDK, body);
    is_str(dur_str_c(kit_status(&event)), "Failed", "the last one is final");
    free(body);

    a = start(1);
    body = large(KIT_A, 4 << 20);
    kit_result(a, 206, KIT_SDK, body);
    is_int(kit_calls(), 1, "4 MiB are allowed");
    free(body);
}


static void
test_large_state(void)
{
    char           *body, id[DUR_HASH_TEXT_LEN + 1];
    json_t         *run, *output;
    unsigned        i;
    kit_attempt_t   a;

    a = start(3);

    for (i = 0; i < 8; i++) {
        snprintf(id, sizeof(id), "%040u", i);
        body = large(id, 4 << 20);
        kit_result(a, 206, KIT_SDK, body);
        free(body);
        a = kit_attempt(0);
    }

    is_str(dur_str_c(kit_status(&event)), "Running", "32 MiB are allowed");
    kit_result(a, 206, KIT_SDK, "[" KIT_RUN(KIT_A, "a", "1") "]");
    is_str(dur_str_c(kit_status(&event)), "Failed",
           "a byte more fails the run");

    run = kit_run(&event);
    output = json_object_get(run, "output");
    is_str(dur_str_c(json_string_value(json_object_get(output, "name"))),
           "InngestErrStateOverflowed", "by its name");
    json_decref(run);
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_errors();
    test_done();
    test_retry_after();
    test_streams();
    test_ops();
    test_transport();
    test_huge();
    test_version();
    test_done_in_a_step();
    test_done_in_steps_for_ever();
    test_done_beside_others();
    test_duplicate_failure();
    test_large_output();
    test_large_state();

    return kit_done();
}
