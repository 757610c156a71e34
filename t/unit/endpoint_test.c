/* SPDX-License-Identifier: BSD-2-Clause */

/* Durable endpoints: runs that a client's own request starts (protocol
 * 6.3). */

#include "kit.h"

#include "engine/dur_endpoint.h"
#include "engine/dur_endpoint_app.h"
#include "engine/dur_endpoint_read.h"
#include "engine/dur_sign.h"

#define DOMAIN    "http://127.0.0.1:13010"
#define COMPLETE  "0737c22d3bfae812339732d14d8c7dbd6dc4e09c"
#define DATA      "\"domain\":\"" DOMAIN "\",\"method\":\"GET\","            \
                  "\"path\":\"/hello\",\"query_params\":\"q=1\",\"ip\":\"\"," \
                  "\"content_type\":\"\",\"body\":\"\",\"fn\":\"\""
#define DONE(data)                                                           \
    "{\"op\":\"RunComplete\",\"id\":\"" COMPLETE "\",\"data\":" data "}"
#define RESPONSE  "{\"status\":201,\"headers\":{\"x-a\":\"b\"},\"body\":"    \
                  "\"hi\",\"version\":2}"

static dur_ulid_t  run;
static uint64_t    runs;


/* A first report; `data` is what is inside of the event's data. */
static void
report_as(const char *data, const char *steps, const char *more, bool base64)
{
    char      *text;
    dur_op_t   op;

    if (asprintf(&text, "{\"run_id\":\"x\",\"event\":{\"name\":"
                 "\"inngest/http.request\",\"data\":{%s}},\"steps\":%s%s}",
                 data, steps, more) < 0)
    {
        exit(2);
    }

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_ENDPOINT;
    op.id = kit_ulid(1000000 + ++runs);
    op.run = run;
    op.generation = base64;
    op.body = dur_str_c(text);
    kit_op(&op);

    free(text);
}


static void
report(const char *steps)
{
    report_as(DATA, steps, ",\"retries\":2,\"request_version\":2", false);
}


/* A report with a run of its own. */
static void
new_run(void)
{
    run = kit_ulid(5000000 + ++runs);
}


static void
begin(void)
{
    kit_fresh();
    new_run();
}


/* A later report. */
static void
steps(const char *text)
{
    char      body[4096];
    dur_op_t  op;

    snprintf(body, sizeof(body), "{\"fn_id\":\"x\",\"steps\":%s}", text);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_ENDPOINT;
    op.id = kit_ulid(1000000 + ++runs);
    op.run = run;
    op.url = dur_str("steps");
    op.body = dur_str_c(body);
    kit_op(&op);
}


static json_t *
parsed(dur_rc_t rc, dur_buf_t *b)
{
    return rc == DUR_OK ? json_loadb((char *) b->data, b->len, 0, NULL)
                        : NULL;
}


static const char *
status(void)
{
    json_t       *value;
    dur_buf_t     b;
    static char   text[32];
    const char   *found;

    dur_buf_init(&b, 1 << 20);
    value = parsed(dur_query_run(dur_engine_store(kit.engine), &run, &b), &b);
    found = json_string_value(json_object_get(value, "status"));
    snprintf(text, sizeof(text), "%s", found ? found : "none");
    json_decref(value);
    dur_buf_deinit(&b);

    return text;
}


static size_t
memos(void)
{
    size_t      n;
    json_t     *map;
    dur_buf_t   b;

    dur_buf_init(&b, 1 << 20);
    map = parsed(dur_query_actions(dur_engine_store(kit.engine), &run, &b),
                 &b);
    n = json_object_size(map);
    json_decref(map);
    dur_buf_deinit(&b);

    return n;
}


static bool
says(const char *text)
{
    return memmem(kit.reply.body.data, kit.reply.body.len, text,
                  strlen(text)) != NULL;
}


static bool
header(const char *line)
{
    return memmem(kit.call.headers.data, kit.call.headers.len, line,
                  strlen(line)) != NULL;
}


static void
wait_ms(int64_t ms)
{
    kit.now += ms;
    kit_plain(DUR_OP_TIMERS, 0);
}


/* The calls that are due, the first of them built. */
static size_t
called(kit_attempt_t *a)
{
    size_t  n;

    n = kit_dispatch();
    *a = kit_attempt(0);

    if (n > 0) {
        is_int(kit_build(*a), DUR_OK, "the call can be made");
    }

    return n;
}


static void
test_sync(void)
{
    char        first[256];
    json_t     *value;
    dur_buf_t   b;

    begin();
    report("[" KIT_RUN(KIT_A, "a", "1") "]");
    is_int(kit.reply.status, 200, "the first report makes the run");
    is_int(kit_calls(), 0, "the client's own request executes it");
    is_str(dur_str_c(status()), "Running", "it runs");
    is_int(memos(), 1, "its step is a memo");

    value = json_loadb((char *) kit.reply.body.data, kit.reply.body.len, 0,
                       NULL);
    ok(json_string_length(json_object_get(value, "app_id")) == 36
       && json_string_length(json_object_get(value, "fn_id")) == 36
       && json_string_length(json_object_get(value, "run_id")) == 26,
       "the SDK is told app, function and run");
    json_decref(value);

    snprintf(first, sizeof(first), "%.*s", (int) kit.reply.body.len,
             kit.reply.body.data);

    report("[" KIT_RUN(KIT_A, "a", "9") "," KIT_RUN(KIT_B, "b", "2") "]");
    is_str(kit.reply.body, first, "told again it is the same");
    is_int(memos(), 2, "and may tell more");

    report_as(DATA ",\"other\":1", "[]", "", false);
    is_int(kit.reply.status, 409, "the id with another request is refused");

    steps("[" KIT_RUN(KIT_C, "c", "3") ",{\"op\":\"None\"}]");
    is_int(kit.reply.status, 200, "later reports tell steps");
    is_int(memos(), 3, "as memos");

    dur_buf_init(&b, 4096);
    (void) dur_query_actions(dur_engine_store(kit.engine), &run, &b);
    is_str(dur_buf_str(&b), "{\"" KIT_A "\":{\"data\":1},\"" KIT_B
           "\":{\"data\":2},\"" KIT_C "\":{\"data\":3}}",
           "an SDK that fetches them sees in which order they came");
    dur_buf_deinit(&b);

    steps("[" DONE(RESPONSE) "]");
    is_str(dur_str_c(status()), "Completed", "what the handler answered ends "
           "the run");
    is_int(dur_engine_next_due(kit.engine), INT64_MAX, "nothing is left");

    steps("[" KIT_RUN(KIT_A, "a", "1") "]");
    is_int(kit.reply.status, 200, "reports after the end are no mistake");
    report("[]");
    is_str(kit.reply.body, first, "nor is the first one");

    new_run();
    report("[" DONE("null") "]");
    is_str(dur_str_c(status()), "Completed",
           "a handler without steps is told at its end");
    is_int(dur_engine_next_due(kit.engine), INT64_MAX, "nothing is left");
}


static void
test_client_gone(void)
{
    kit_attempt_t  a;

    begin();
    report("[" KIT_RUN(KIT_A, "a", "1") "]");

    wait_ms(DUR_ENDPOINT_PATIENCE - 1);
    is_int(kit_dispatch(), 0, "a client has its time");
    steps("[" KIT_RUN(KIT_B, "b", "1") "]");
    wait_ms(DUR_ENDPOINT_PATIENCE - 1);
    is_int(kit_dispatch(), 0, "from its last report on");

    wait_ms(1);
    is_int(called(&a), 1, "then the endpoint is called in its place");
    is_str(dur_buf_str(&kit.call.method), "GET", "as the client did");
    is_str(dur_buf_str(&kit.call.url), DOMAIN "/hello?q=1", "there");
    is_int(kit.call.body.len, 0, "with its body, without state");
    ok(header("X-Inngest-Signature: \n"), "the SDK knows who calls");
    ok(header("X-Run-ID: 0"), "and for which run");
    ok(header("x-inngest-req-version: 2\n"), "in its version");
    ok(!header("X-Inngest-Step-ID") && !header("Force-Step-Plan")
       && !header("Content-Type"), "no more than that");

    steps("[" KIT_RUN(KIT_C, "c", "1") "," KIT_SLEEP(KIT_A, "nap", "1h")
          "]");
    is_int(kit.reply.status, 200, "a client that comes back may tell steps");
    is_int(memos(), 3, "they are kept");

    kit_result(a, 206, KIT_SDK, DONE("{\"status\":200,\"body\":\"x\"}"));
    is_str(dur_str_c(status()), "Completed",
           "a bare op ends what was called again");
    is_int(dur_engine_next_due(kit.engine), INT64_MAX,
           "what the client wanted to wait for is not waited for");

    begin();
    report("[" KIT_RUN(KIT_A, "a", "1") "]");
    wait_ms(DUR_ENDPOINT_PATIENCE);
    is_int(called(&a), 1, "called in place of another client");
    steps("[" DONE(RESPONSE) "]");
    is_str(dur_str_c(status()), "Completed", "who comes back with the end");
    ok(kit_effect(DUR_EFFECT_CANCEL, 0) != NULL, "ends that call");

    begin();
    report("[" KIT_RUN(KIT_A, "a", "1") "]");
    dur_engine_close(kit.engine);
    kit_open();
    wait_ms(DUR_ENDPOINT_PATIENCE);
    is_int(called(&a), 1, "a restart forgets no client");
    kit_result(a, 500, KIT_SDK, "{\"message\":\"boom\"}");
    is_int(dur_engine_next_due(kit.engine) - kit.now, 1000,
           "a call that fails is tried again");
    steps("[" KIT_RUN(KIT_B, "b", "1") "]");
    is_int(dur_engine_next_due(kit.engine) - kit.now, 1000,
           "a late report does not put that off");
}


static void
test_sleep(void)
{
    kit_attempt_t  a;

    begin();
    report("[" KIT_RUN(KIT_A, "a", "1") "]");
    steps("[" KIT_SLEEP(KIT_B, "nap", "1h") "]");
    is_int(kit.reply.status, 200, "a sleep sends the client away");
    is_int(dur_engine_next_due(kit.engine) - kit.now, 3600000,
           "and the run sleeps");
    steps("[" KIT_SLEEP(KIT_B, "nap", "1h") "]");
    is_int(dur_engine_next_due(kit.engine) - kit.now, 3600000,
           "told twice it sleeps once");

    wait_ms(3600000);
    is_int(called(&a), 1, "when it is over the endpoint is called");
    is_int(memos(), 2, "with two memos to fetch");
    kit_result(a, 206, KIT_SDK, "[" KIT_RUN(KIT_C, "c", "1") "]");
    is_int(kit_calls(), 1, "from then on it is called step by step");
    kit_result(kit_attempt(0), 206, KIT_SDK, DONE(RESPONSE));
    is_str(dur_str_c(status()), "Completed", "to its end");

    begin();
    report("[" KIT_SLEEP(KIT_B, "nap", "1s") "]");
    wait_ms(1000);
    is_int(called(&a), 1, "the first report may be one that takes time");

    begin();
    report("[" KIT_RUN(KIT_A, "a", "1") "]");
    steps("[{\"op\":\"DiscoveryRequest\",\"id\":\"" KIT_B "\"}]");
    is_int(called(&a), 1, "an SDK may just ask to be called");
}


static void
test_parallel(void)
{
    kit_attempt_t  a, b;

    begin();
    report("[" KIT_PLAN(KIT_A, "a") "," KIT_PLAN(KIT_B, "b") "]");
    is_int(called(&a), 2, "planned steps are called beside each other");
    b = kit_attempt(1);
    ok(header("X-Inngest-Step-ID: " KIT_A "\n")
       || header("X-Inngest-Step-ID: " KIT_B "\n"), "each by its id");
    ok(header("X-Inngest-Force-Step-Plan: true\n"), "and nothing else runs");

    kit_result(a, 206, KIT_SDK, "[" KIT_RUN(KIT_A, "a", "1") "]");
    is_int(kit_calls(), 0, "the first waits for the second");
    kit_result(b, 206, KIT_SDK, "[" KIT_RUN(KIT_B, "b", "1") "]");
    is_int(kit_calls(), 1, "then the run goes on");
    kit_build(kit_attempt(0));
    ok(!header("Force-Step-Plan"), "free again");
}


static void
test_errors(void)
{
    unsigned       i;
    kit_attempt_t  a;

    begin();
    report("[" KIT_ERROR("StepError", KIT_A, "a") "]");
    is_int(dur_engine_next_due(kit.engine) - kit.now, 1000,
           "a step that fails waits for its back-off");
    steps("[" KIT_RUN(KIT_B, "b", "1") "]");
    is_int(dur_engine_next_due(kit.engine) - kit.now, 1000,
           "which a late report does not put off");
    wait_ms(1000);
    is_int(called(&a), 1, "then the endpoint is called");

    for (i = 1; i < 3; i++) {
        kit_result(a, 206, KIT_SDK "x-inngest-no-retry: false\n",
                   "[" KIT_ERROR("StepError", KIT_A, "a") "]");
        if (i == 1) {
            wait_ms(1000);
            called(&a);
        }
    }

    is_int(memos(), 2, "without attempts left its error is a memo");
    a = kit_attempt(0);
    kit_result(a, 400, KIT_SDK "x-inngest-no-retry: true\n",
               "{\"message\":\"bad step\"}");
    is_str(dur_str_c(status()), "Failed", "that nobody catches");

    begin();
    report("[" KIT_ERROR("StepError", COMPLETE, "x") "]");
    is_str(dur_str_c(status()), "Running", "a handler that throws");
    is_int(memos(), 0, "has no memo of it");
    wait_ms(1000);
    is_int(called(&a), 1, "and is called again");

    begin();
    report_as(DATA, "[" KIT_ERROR("StepError", COMPLETE, "x") "]",
              ",\"retries\":0", false);
    is_str(dur_str_c(status()), "Failed", "unless it may not be");

    begin();
    report("[" KIT_RUN(KIT_A, "a", "1") ","
           KIT_ERROR("StepFailed", COMPLETE, "x") "]");
    is_str(dur_str_c(status()), "Failed", "or says that it is final");

    begin();
    report("[" KIT_ERROR("StepFailed", KIT_A, "a") "]");
    is_int(memos(), 1, "a step that failed for good is a memo");
    is_int(kit_dispatch(), 0, "and the client goes on");
}


/* Called at once, as a client that asked for it. */
static void
call_of(const char *data, bool base64)
{
    kit_attempt_t  a;

    begin();
    report_as(data, "[{\"op\":\"DiscoveryRequest\"}]", "", base64);
    is_int(kit.reply.status, 200, "accepted");
    is_int(called(&a), 1, "and called");
}


static void
test_requests(void)
{
    call_of("\"domain\":\"" DOMAIN "\",\"method\":\"POST\",\"path\":\"/a\","
            "\"content_type\":\"text/plain\",\"body\":\"{\\\"x\\\":1}\"",
            false);
    is_str(dur_buf_str(&kit.call.method), "POST", "a POST is one again");
    is_str(dur_buf_str(&kit.call.body), "{\"x\":1}", "with its body");
    ok(header("Content-Type: text/plain\n"), "and its type");
    is_str(dur_buf_str(&kit.call.url), DOMAIN "/a", "without a question");

    call_of("\"domain\":\"" DOMAIN "\",\"method\":\"PUT\",\"path\":\"/a\","
            "\"body\":\"AAEC/w==\"", true);
    is_int(kit.call.body.len, 4, "bytes that came as base64");
    ok(memcmp(kit.call.body.data, "\0\1\2\377", 4) == 0, "are bytes again");

    call_of("\"domain\":\"" DOMAIN "\",\"method\":\"PUT\",\"path\":\"/a\","
            "\"body\":\"no base64!\"", true);
    is_str(dur_buf_str(&kit.call.body), "no base64!",
           "what is no base64 is a text");

    call_of("\"domain\":\"" DOMAIN "\",\"method\":\"GET\",\"path\":"
            "\"/a b\\u00e4?%41#\\r\\n\",\"query_params\":\"a=b c#&d=%20\"",
            false);
    is_str(dur_buf_str(&kit.call.url),
           DOMAIN "/a%20b%C3%A4%3F%41%23%0D%0A?a=b%20c%23&d=%20",
           "nothing in it ends the request line");
}


static void
test_signed(void)
{
    char                line[160], signature[96];
    dur_call_options_t  options;
    kit_attempt_t       a;

    begin();
    report_as("\"domain\":\"" DOMAIN "\",\"method\":\"POST\",\"path\":\"/a\","
              "\"body\":\"{\\\"b\\\":1, \\\"a\\\":2}\"",
              "[{\"op\":\"DiscoveryRequest\"}]", "", false);
    called(&a);

    memset(&options, 0, sizeof(options));
    options.signing_key = dur_str("signkey-test-12345678");
    options.now_ms = 1705586504000;

    is_int(dur_call_build(dur_engine_store(kit.engine), a.item, a.generation,
                          &options, &kit.call), DUR_OK, "with a key");
    is_str(dur_buf_str(&kit.call.body), "{\"b\":1, \"a\":2}",
           "the body is sent as it came");
    dur_sign_request(options.signing_key, dur_str("{\"a\":2,\"b\":1}"),
                     1705586504, signature);
    snprintf(line, sizeof(line), "X-Inngest-Signature: %s\n", signature);
    ok(header(line), "and signed in its canonical form");

    begin();
    report("[{\"op\":\"DiscoveryRequest\"}]");
    called(&a);
    (void) dur_call_build(dur_engine_store(kit.engine), a.item, a.generation,
                          &options, &kit.call);
    ok(header("X-Inngest-Signature: t=1705586504&s=5382b6f2675f33d0dee56e929f"
              "c1d170032d3270c297d33e1ce16b4dc1227cf3\n"),
       "a GET is signed over nothing");
}


static void
test_refused(void)
{
    size_t  i;
    char    text[512];

    static const struct {
        const char  *data;
        const char  *steps;
        unsigned     status;
        const char  *sentence;
    } tests[] = {
        { "", "[]", 400, "\\\"event.data.domain\\\" must be http" },
        { "\"domain\":7", "[]", 400, "domain\\\" must be a string" },
        { "\"domain\":\"ftp://x\"", "[]", 400, "must be http" },
        { "\"domain\":\"http://a b\"", "[]", 400, "must be http" },
        { "\"domain\":\"http://u:p@x\"", "[]", 400, "must be http" },
        { "\"domain\":\"http://x/y\"", "[]", 400, "must be http" },
        { "\"domain\":\"http://x\\r\\ny\"", "[]", 400, "must be http" },
        { "\"domain\":\"http://x\"", "[]", 400, "method\\\" must be" },
        { "\"domain\":\"http://x\",\"method\":\"GET \"", "[]", 400,
          "method\\\" must be" },
        { "\"domain\":\"http://x\",\"method\":\"GETGETGETGETGETGET\"", "[]",
          400, "method\\\" is longer" },
        { "\"domain\":\"http://x\",\"method\":\"GET\"", "[]", 400,
          "path\\\" must begin" },
        { "\"domain\":\"http://x\",\"method\":\"GET\",\"path\":\"/\","
          "\"content_type\":\"a\\r\\nX-B: c\"", "[]", 400,
          "content_type\\\" has a control" },
        { "\"domain\":\"http://x\",\"method\":\"GET\",\"path\":\"/\","
          "\"body\":{}", "[]", 400, "body\\\" must be a string" },
        { DATA, "{}", 400, "must be an array" },
        { DATA, "7", 400, "must be an array" },
        { DATA, "[7]", 400, "op 0 is not an object" },
        { DATA, "[{\"op\":\"Bogus\"}]", 400, "unknown" }
    };

    static const char  *bodies[] = {
        "", "[]", "7", "{", "{}", "{\"event\":7}", "{\"event\":{\"name\":"
        "\"inngest/http.request\"}}", "{\"event\":{\"name\":\"x\",\"data\":{}"
        "}}", "{\"event\":{\"name\":\"inngest/http.request\",\"data\":[]}}"
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        begin();
        report_as(tests[i].data, tests[i].steps, "", false);
        is_int(kit.reply.status, tests[i].status, "refused: %s",
               tests[i].sentence);
        ok(says(tests[i].sentence), "in words");
        is_str(dur_str_c(status()), "none", "there is no run");
    }

    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        dur_op_t  op;

        begin();
        memset(&op, 0, sizeof(op));
        op.type = DUR_OP_ENDPOINT;
        op.run = run;
        op.id = kit_ulid(1);
        op.body = dur_str_c(bodies[i]);
        kit_op(&op);
        is_int(kit.reply.status, 400, "refused: %s", bodies[i]);
    }

    memset(text, 'x', sizeof(text));
    memcpy(text, "\"domain\":\"http://", 17);
    memcpy(text + sizeof(text) - 2, "\"", 2);
    report_as(text, "[]", "", false);
    is_int(kit.reply.status, 400, "a domain of 500 bytes is too long");

    begin();
    steps("[]");
    is_int(kit.reply.status, 404, "steps of a run that never was are 404");

    kit_register("f", 1);
    {
        dur_ulid_t  event = kit_event("f");

        run = kit_run_id(&event);
    }
    steps("[]");
    is_int(kit.reply.status, 400, "those of another kind of run are 400");
    report("[]");
    is_int(kit.reply.status, 409, "and its id is taken");
}


static size_t
functions(void)
{
    size_t      n;
    json_t     *list;
    dur_buf_t   b;

    dur_buf_init(&b, 16 << 20);
    list = parsed(dur_query_functions(dur_engine_store(kit.engine),
                                      dur_str_null, &b), &b);
    n = json_array_size(list);
    json_decref(list);
    dur_buf_deinit(&b);

    return n;
}


static void
test_bounds(void)
{
    char      data[256];
    unsigned  i;

    begin();

    for (i = 0; i < DUR_ENDPOINT_FUNCTIONS + 20; i++) {
        snprintf(data, sizeof(data), "\"domain\":\"" DOMAIN "\",\"method\":"
                 "\"GET\",\"path\":\"/users/%u\"", i);
        new_run();
        report_as(data, "[]", "", false);
    }

    is_int(kit.reply.status, 200, "paths with ids are all taken");
    is_int(functions(), DUR_ENDPOINT_FUNCTIONS + 1,
           "the ones beyond the bound share a function");

    for (i = 1; i < DUR_ENDPOINT_APPS; i++) {
        snprintf(data, sizeof(data), "\"domain\":\"http://host-%u\","
                 "\"method\":\"GET\",\"path\":\"/\"", i);
        new_run();
        report_as(data, "[]", "", false);
    }

    is_int(kit.reply.status, 200, "so many servers are taken");

    new_run();
    report_as("\"domain\":\"http://another\",\"method\":\"GET\","
              "\"path\":\"/\"", "[]", "", false);
    is_int(kit.reply.status, 429, "and no more");
    is_str(dur_str_c(status()), "none", "there is no run");

    new_run();
    report("[]");
    is_int(kit.reply.status, 200, "those that are known go on");
}


static void
test_no_clash(void)
{
    char        fn_id[64];
    dur_op_t    op;
    dur_ulid_t  event;

    begin();
    report_as("\"domain\":\"http://127.0.0.1:3000\",\"method\":\"GET\","
              "\"path\":\"/\",\"fn\":\"app-f\"", "[]", "", false);
    is_int(kit.reply.status, 200, "an endpoint with the name of a function");
    snprintf(fn_id, sizeof(fn_id), "%.*s", 36,
             strstr((char *) kit.reply.body.data, "fn_id") + 8);

    ok(kit_register("f", 1), "does not keep that from being registered");
    event = kit_event("f");
    is_int(kit_dispatch(), 1, "and called");
    kit_build(kit_attempt(0));
    ok(strcmp(json_string_value(kit_get("ctx", "fn_id")), fn_id) != 0,
       "they have ids of their own");
    is_str(dur_str_c(kit_status(&event)), "Running", "its run is its own");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REMOVE;
    op.url = dur_str("http://127.0.0.1:3000/api/inngest");
    kit_op(&op);
    is_int(kit.reply.status, 200, "what is removed is the registered app");
    kit_op(&op);
    is_int(kit.reply.status, 404, "once");

    steps("[" DONE("1") "]");
    is_str(dur_str_c(status()), "Completed", "the endpoint goes on");
}


static void
test_triggers(void)
{
    dur_op_t  op;

    begin();
    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REGISTER;
    op.body = dur_str("{\"url\":\"http://127.0.0.1:3000/api/inngest\","
        "\"appName\":\"app\",\"sdk\":\"js:v4.24.0\",\"v\":\"0.1\","
        "\"functions\":[{\"id\":\"app-w\",\"name\":\"w\",\"triggers\":"
        "[{\"event\":\"inngest/http.request\"}],\"steps\":{\"step\":{\"id\":"
        "\"step\",\"name\":\"step\",\"runtime\":{\"type\":\"http\",\"url\":"
        "\"http://127.0.0.1:3000/api/inngest?fnId=app-w&stepId=step\"}}}}]}");
    kit_op(&op);
    is_int(kit.reply.status, 200, "a function on requests of endpoints");

    report("[]");
    kit_plain(DUR_OP_TASKS, 0);
    is_int(kit_dispatch(), 1, "is started by one");
    kit_build(kit_attempt(0));
    ok(json_string_length(json_object_get(kit_get("event", "data"), "path")),
       "and gets it as its event");

    dur_engine_close(kit.engine);
    kit_open();
    report_as(DATA, "[]", ",\"retries\":7", false);
    is_int(kit.reply.status, 200, "retries may change");
    is_int(functions(), 2, "without another function");
}


static void
test_limits(void)
{
    begin();
    kit.conf.max_output = 4;
    kit_configure();
    report("[" KIT_RUN(KIT_A, "a", "12345") "]");
    is_int(kit.reply.status, 413, "too large an output is 413");
    is_str(dur_str_c(status()), "Failed", "and fails the run");
    kit.conf.max_output = 4 << 20;

    kit.conf.retention = 1000;
    begin();
    report("[" KIT_RUN(KIT_A, "a", "1") "," DONE("1") "]");
    kit.now += 2000;
    while (dur_engine_has_tasks(kit.engine)) {
        kit_plain(DUR_OP_TASKS, 0);
    }
    kit_plain(DUR_OP_TASKS, 0);
    is_str(dur_str_c(status()), "none", "a run that has ended goes away");
    kit.conf.retention = 0;
}


static void
test_output(void)
{
    size_t                  i;
    dur_buf_t               b;
    dur_endpoint_output_t   o;

    static const struct {
        const char  *output;
        unsigned     status;
        const char  *body;
        bool         json;
        const char  *title;
    } tests[] = {
        { RESPONSE, 201, "hi", false, "status and body" },
        { "{\"data\":" RESPONSE "}", 201, "hi", false, "the same in data" },
        { "{\"status\":200,\"body\":{\"b\":1,\"a\":[2]}}", 200,
          "{\"a\":[2],\"b\":1}", false, "a body that is no text" },
        { "{\"status\":204}", 204, "", false, "no body" },
        { "{\"status\":99,\"body\":\"x\"}", 200, "x", false,
          "a status that is none" },
        { "{\"status\":\"ok\",\"n\":1}", 200, "{\"status\":\"ok\",\"n\":1}",
          true, "any object" },
        { "[1]", 200, "[1]", true, "any value" },
        { "null", 200, "null", true, "nothing" }
    };

    dur_buf_init(&b, 1 << 20);

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        char  text[512];

        begin();
        report("[]");
        is_int(dur_endpoint_output(dur_engine_store(kit.engine), &run, &b,
                                   &o), DUR_OK, "a run can be asked");
        is_int(o.run, DUR_RUN_LIVE, "while it runs");

        snprintf(text, sizeof(text), "[{\"op\":\"RunComplete\",\"data\":%s}]",
                 tests[i].output);
        steps(text);
        is_int(dur_endpoint_output(dur_engine_store(kit.engine), &run, &b,
                                   &o), DUR_OK, "and afterwards");
        is_int(o.run, DUR_RUN_COMPLETED, "%s", tests[i].title);
        is_int(o.status, tests[i].status, "its status");
        is_str(o.body, tests[i].body, "its body");
        is_int(o.json, tests[i].json, "whether it is JSON of ours");
        json_decref(o.root);
    }

    begin();
    report("[" KIT_ERROR("StepFailed", COMPLETE, "x") "]");
    (void) dur_endpoint_output(dur_engine_store(kit.engine), &run, &b, &o);
    is_int(o.run, DUR_RUN_FAILED, "a run that failed");
    is_int(o.status, 0, "has no answer");
    is_str(o.error, "bad step", "but says why");
    json_decref(o.root);

    new_run();
    is_int(dur_endpoint_output(dur_engine_store(kit.engine), &run, &b, &o),
           DUR_ENOTFOUND, "a run that never was is not found");

    dur_buf_deinit(&b);
}


int
main(void)
{
    if (!kit_init()) {
        return 1;
    }

    test_sync();
    test_client_gone();
    test_sleep();
    test_parallel();
    test_errors();
    test_requests();
    test_signed();
    test_refused();
    test_bounds();
    test_no_clash();
    test_triggers();
    test_limits();
    test_output();

    return kit_done();
}
