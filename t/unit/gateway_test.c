/* SPDX-License-Identifier: BSD-2-Clause */

/* step.fetch and step.ai.infer (protocol 5.9, 5.10). */

#include "kit.h"

#include "engine/dur_answer_op.h"
#include "engine/dur_gateway.h"


#define OP(op, id, opts)                                                     \
    "{\"op\":\"" op "\",\"id\":\"" id "\",\"name\":\"n\","                   \
    "\"displayName\":\"the step\",\"opts\":" opts "}"
#define FETCH(id, opts)  OP("Gateway", id, opts)
#define INFER(id, opts)  OP("AIGateway", id, opts)
#define GET              "{\"url\":\"http://t.test/x?q=1\",\"method\":\"GET\"}"
#define RACE             "{\"url\":\"http://t.test/\",\"parallelMode\":"     \
                         "\"race\"}"
#define CHAT             "{\"url\":\"https://ai.test/v1\",\"auth_key\":"     \
                         "\"sk-1\",\"format\":\"openai-chat\",\"body\":"     \
                         "{\"n\":1.50}}"


static dur_ulid_t  event;


static kit_attempt_t
start(unsigned retries)
{
    kit_fresh();
    kit_register("f", retries);
    event = kit_event("f");
    kit_dispatch();

    return kit_attempt(0);
}


/* A run whose first answer is these ops; the attempt of the first request. */
static kit_attempt_t
begin(unsigned retries, const char *ops)
{
    kit_result(start(retries), 206, KIT_SDK, ops);

    if (kit_calls() == 0) {
        kit_dispatch();
    }

    return kit_attempt(0);
}


static bool
has_header(const char *line)
{
    return memmem(kit.call.headers.data, kit.call.headers.len, line,
                  strlen(line)) != NULL;
}


/* A member of the memo of a step in the call built last. */
static json_t *
memo(const char *id, const char *wrap, const char *key)
{
    json_t  *v;

    v = json_object_get(kit_get("steps", id), wrap);

    return key ? json_object_get(v, key) : v;
}


static dur_str_t
text(const json_t *v)
{
    return dur_str_c(json_string_value(v));
}


/* The transport of an exchange failed. */
static void
broken(kit_attempt_t a, dur_call_error_t kind, const char *error)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_RESULT;
    op.result.item = a.item;
    op.result.generation = a.generation;
    op.result.error_kind = (uint8_t) kind;
    op.result.error = dur_str_c(error);
    op.result.started = kit.now;
    kit_op(&op);
}


/* -- the request ---------------------------------------------------------- */

static void
test_check(void)
{
    size_t       i;
    const char  *wrong;

    static const struct {
        uint8_t      op;
        const char  *opts;
        const char  *wrong;
    } tests[] = {
        { DUR_OPCODE_GATEWAY, GET, NULL },
        { DUR_OPCODE_GATEWAY, "{\"url\":\"HTTPS://a.test\",\"method\":\"\","
          "\"headers\":null,\"body\":null}", NULL },
        { DUR_OPCODE_AI, CHAT, NULL },
        { DUR_OPCODE_GATEWAY, "[]", "\"opts\" is not an object" },
        { DUR_OPCODE_GATEWAY, "{}",
          "\"opts.url\" is no http: or https: URL" },
        { DUR_OPCODE_GATEWAY, "{\"url\":\"file:///etc/passwd\"}",
          "\"opts.url\" is no http: or https: URL" },
        { DUR_OPCODE_GATEWAY, "{\"url\":\"http:///x\"}",
          "\"opts.url\" is no http: or https: URL" },
        { DUR_OPCODE_GATEWAY, "{\"url\":\"http://a.test/a b\"}",
          "\"opts.url\" is no http: or https: URL" },
        { DUR_OPCODE_GATEWAY, "{\"url\":\"http://a.test/\\r\\nX: y\"}",
          "\"opts.url\" is no http: or https: URL" },
        { DUR_OPCODE_GATEWAY, "{\"url\":\"http://a.test\",\"method\":"
          "\"GET /\"}", "\"opts.method\" is no HTTP method" },
        { DUR_OPCODE_GATEWAY, "{\"url\":\"http://a.test\",\"headers\":[]}",
          "\"opts.headers\" is not an object" },
        { DUR_OPCODE_GATEWAY, "{\"url\":\"http://a.test\",\"headers\":"
          "{\"a b\":\"\"}}",
          "\"opts.headers\" has a name that is none of a header" },
        { DUR_OPCODE_GATEWAY, "{\"url\":\"http://a.test\",\"headers\":"
          "{\"a\":7}}",
          "\"opts.headers\" has a value that is none of a header" },
        { DUR_OPCODE_GATEWAY, "{\"url\":\"http://a.test\",\"headers\":"
          "{\"a\":\"b\\nc: d\"}}",
          "\"opts.headers\" has a value that is none of a header" },
        { DUR_OPCODE_GATEWAY, "{\"url\":\"http://a.test\",\"body\":{}}",
          "\"opts.body\" is not a string" },
        { DUR_OPCODE_AI, "{\"url\":\"http://a.test\",\"auth_key\":\"a\\nb\"}",
          "\"opts.auth_key\" cannot stand in a header" },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        wrong = dur_gateway_check(tests[i].op, dur_str_c(tests[i].opts));
        is_str(dur_str_c(wrong ? wrong : "fine"),
               tests[i].wrong ? tests[i].wrong : "fine", "%s",
               tests[i].opts);
    }
}


static void
test_long(void)
{
    char  opts[DUR_GATEWAY_HEADERS + 256], fill[DUR_GATEWAY_HEADERS + 1];

    memset(fill, 'x', sizeof(fill) - 1);
    fill[sizeof(fill) - 1] = '\0';

    snprintf(opts, sizeof(opts), "{\"url\":\"http://a.test/%.*s\"}",
             DUR_GATEWAY_URL, fill);
    is_str(dur_str_c(dur_gateway_check(DUR_OPCODE_GATEWAY,
                                       dur_str_c(opts))),
           "\"opts.url\" is longer than 8 KiB", "a URL has a limit");

    snprintf(opts, sizeof(opts), "{\"url\":\"http://a.test/\",\"headers\":"
             "{\"x\":\"%s\"}}", fill);
    is_str(dur_str_c(dur_gateway_check(DUR_OPCODE_GATEWAY,
                                       dur_str_c(opts))),
           "\"opts.headers\" are longer than 16 KiB", "and headers have one");
}


static void
test_detail(void)
{
    size_t  i;

    static const char  *tests[][2] = {
        { "http://a.test/x?key=1#f", "http://a.test/x" },
        { "http://u:p@a.test:80/x@y", "http://a.test:80/x@y" },
        { "http://u:p@a.test?x", "http://a.test" },
        { "http://a.test/@", "http://a.test/@" },
        { "none", "none" },
        { "", "" },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        is_str(dur_gateway_detail(dur_str_c(tests[i][0]), &kit.arena),
               tests[i][1], "of \"%s\" people see \"%s\"", tests[i][0],
               tests[i][1]);
    }
}


static void
test_fetch_request(void)
{
    kit_attempt_t  a;

    a = begin(2, "[" FETCH(KIT_A, "{\"url\":\"http://t.test/x?q=1#top\","
              "\"method\":\"PUT\",\"headers\":{\"X-One\":\"1\","
              "\"Authorization\":\"Basic abc\"},\"body\":\"a\\u00e9\"}") "]");

    is_int(kit_build(a), DUR_OK, "a fetch is a call of its own");
    is_str(dur_buf_str(&kit.call.method), "PUT", "of its method");
    is_str(dur_buf_str(&kit.call.url), "http://t.test/x?q=1",
           "to its URL, without the fragment");
    is_str(dur_buf_str(&kit.call.headers),
           "X-One: 1\nAuthorization: Basic abc\n",
           "with its headers and no others");
    is_str(dur_buf_str(&kit.call.body), "a\xc3\xa9", "and its body");
    ok(kit.call.gateway, "redirects are followed as browsers do");
    is_int((int64_t) kit.call.max_body, (int64_t) kit.conf.max_output,
           "its answer may be as large as a step's output");

    a = begin(2, "[" FETCH(KIT_A, "{\"url\":\"http://t.test/\"}") "]");
    kit_build(a);
    is_str(dur_buf_str(&kit.call.method), "POST", "the method is POST");
    is_int(kit.call.headers.len, 0, "without headers there are none");
}


static void
test_infer_request(void)
{
    size_t         i;
    kit_attempt_t  a;

    static const struct {
        const char  *more;
        const char  *url;
        const char  *headers;
    } tests[] = {
        { "\"format\":\"openai-chat\"", "https://ai.test/v1",
          "Content-Type: application/json\nAuthorization: Bearer s/1\n" },
        { "\"format\":\"anthropic\",\"headers\":{\"anthropic-version\":"
          "\"2\"}", "https://ai.test/v1",
          "Content-Type: application/json\nx-api-key: s/1\n"
          "anthropic-version: 2\n" },
        { "\"format\":\"gemini\"", "https://ai.test/v1?key=s%2F1",
          "Content-Type: application/json\n" },
        { "\"format\":\"bedrock\"", "https://ai.test/v1",
          "Content-Type: application/json\nAuthorization: s/1\n" },
        { "\"headers\":{\"authorization\":\"mine\",\"content-type\":\"x\"}",
          "https://ai.test/v1", "authorization: mine\ncontent-type: x\n" },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        char  op[512];

        snprintf(op, sizeof(op), "[" INFER(KIT_A, "{\"url\":\"https://ai.test"
                 "/v1\",\"auth_key\":\"s/1\",%s,\"method\":\"GET\",\"body\":"
                 "{\"b\":1.50,\"a\":12345678901234567890}}") "]",
                 tests[i].more);

        a = begin(2, op);
        is_int(kit_build(a), DUR_OK, "inference with %s", tests[i].more);
        is_str(dur_buf_str(&kit.call.method), "POST", "is posted");
        is_str(dur_buf_str(&kit.call.url), tests[i].url, "to this URL");
        is_str(dur_buf_str(&kit.call.headers), tests[i].headers,
               "with these headers");
        is_str(dur_buf_str(&kit.call.body),
               "{\"b\":1.50,\"a\":12345678901234567890}",
               "and the body as the app wrote it");
    }

    a = begin(2, "[" INFER(KIT_A, "{\"url\":\"https://ai.test/v1?key=x\","
              "\"auth_key\":\"k\",\"format\":\"gemini\"}") "]");
    kit_build(a);
    is_str(dur_buf_str(&kit.call.url), "https://ai.test/v1?key=x",
           "a key that the URL has already is not added again");
}


/* -- the answer ----------------------------------------------------------- */

static void
test_fetch_answer(void)
{
    json_t         *data;
    kit_attempt_t   a;

    a = begin(2, "[" FETCH(KIT_A, GET) "]");
    kit_result(a, 404, "content-type: text/html\nset-cookie: a=1\n"
               "x-one: 1\nset-cookie: b=2\ncontent-encoding: gzip\n"
               "content-length: 3\n", "<html>\xff\xfe\"");

    is_int(kit_calls(), 1, "after a fetch the function is called");
    kit_build(kit_attempt(0));

    data = memo(KIT_A, "data", NULL);
    is_int(json_integer_value(json_object_get(data, "status_code")), 404,
           "every status is a success");
    is_str(text(json_object_get(data, "body")),
           "<html>\xef\xbf\xbd\xef\xbf\xbd\"",
           "bytes that are not UTF-8 are replaced");
    is_str(text(json_object_get(data, "url")), "http://t.test/x?q=1",
           "the URL is the one asked for");

    data = json_object_get(data, "headers");
    is_int(json_object_size(data), 3, "the headers");
    is_str(text(json_object_get(data, "set-cookie")), "a=1,b=2",
           "joined when they are repeated");
    is_str(text(json_object_get(data, "x-one")), "1", "else as they are");
    ok(json_object_get(data, "content-encoding") == NULL
       && json_object_get(data, "content-length") == NULL,
       "without those that the body is no longer true to");
}


static void
test_empty_answer(void)
{
    kit_attempt_t  a;

    a = begin(2, "[" FETCH(KIT_A, GET) "]");
    kit_result(a, 204, "content-length: 0\n", "");
    kit_build(kit_attempt(0));
    is_str(text(memo(KIT_A, "data", "body")), "",
           "a body may be empty");
    is_str(text(json_object_get(memo(KIT_A, "data", "headers"),
                                "content-length")), "0",
           "the length of one that was not packed is kept");
}


static void
test_fetch_errors(void)
{
    json_t         *error;
    kit_attempt_t   a, b;

    a = begin(1, "[" FETCH(KIT_A, GET) "]");
    broken(a, DUR_CALL_ECONNECT, "connection refused by t.test:80");
    is_int(kit_calls(), 0, "a fetch that found nobody is not a memo");
    is_int(dur_engine_next_due(kit.engine) - kit.now, 1000,
           "it is tried again after the back-off");

    kit_timers();
    kit_dispatch();
    b = kit_attempt(0);
    is_int(b.item, a.item, "with the attempts of its item");
    is_int(kit_build(b), DUR_OK, "as the same request");
    is_str(dur_buf_str(&kit.call.url), "http://t.test/x?q=1",
           "to the same URL");

    broken(b, DUR_CALL_ELOST, "the connection to t.test:80 was lost");
    is_int(kit_calls(), 1, "without attempts left the function is told");
    kit_build(kit_attempt(0));
    error = memo(KIT_A, "error", NULL);
    is_str(text(json_object_get(error, "name")), "GatewayError",
           "by the name of the error");
    is_str(text(json_object_get(error, "message")), "Error making the "
           "request: the connection to t.test:80 was lost",
           "and what happened");
    is_int(json_integer_value(kit_get("ctx", "attempt")), 0,
           "in a call with attempts of its own");
}


static void
test_policy(void)
{
    kit_attempt_t  a;

    a = begin(3, "[" FETCH(KIT_A, GET) "]");
    broken(a, DUR_CALL_EPOLICY, "the address of t.test:80 is not allowed");
    is_int(kit_calls(), 1, "an address that is refused is not tried again");
    kit_build(kit_attempt(0));
    is_str(text(memo(KIT_A, "error", "message")), "Error making the request: "
           "the address of t.test:80 is not allowed", "the error says so");
}


static void
test_infer_answer(void)
{
    kit_attempt_t  a;

    a = begin(1, "[" INFER(KIT_A, CHAT) "]");
    kit_result(a, 200, "", " {\"choices\":[1]}");
    kit_build(kit_attempt(0));
    is_int(json_array_size(memo(KIT_A, "data", "choices")), 1,
           "the memo of an inference is the provider's JSON");

    a = begin(0, "[" INFER(KIT_A, CHAT) "]");
    kit_result(a, 200, "", "data: {}\n\n");
    kit_build(kit_attempt(0));
    is_str(text(memo(KIT_A, "error", "message")), "Error making AI request: "
           "the provider's answer is not JSON", "anything else is an error");
    is_str(text(memo(KIT_A, "error", "data")), "data: {}\n\n",
           "that shows what it was");
}


static void
test_infer_errors(void)
{
    json_t         *error;
    kit_attempt_t   a;

    a = begin(1, "[" INFER(KIT_A, CHAT) "]");
    kit_result(a, 429, "retry-after: 20\n", "{\"error\":\"slow down\"}");
    is_int(kit_calls(), 0, "a provider's error is retried");
    is_int(dur_engine_next_due(kit.engine) - kit.now, 20000,
           "when the provider says");

    kit_timers();
    kit_dispatch();
    kit_result(kit_attempt(0), 300, "", "{\"error\":\"no\"}");
    is_int(kit_calls(), 1, "the last error is told to the function");
    kit_build(kit_attempt(0));
    error = memo(KIT_A, "error", NULL);
    is_str(text(json_object_get(error, "name")), "AIGatewayError",
           "by its name");
    is_str(text(json_object_get(error, "message")),
           "Error making AI request: the provider answered HTTP 300",
           "and status");
    is_str(text(json_object_get(json_object_get(error, "data"), "error")),
           "no", "with the body as data");
    is_str(text(json_object_get(error, "stack")), "{\"error\":\"no\"}",
           "and as stack");

    a = begin(0, "[" INFER(KIT_A, CHAT) "]");
    broken(a, DUR_CALL_ETIMEOUT, "no answer within 2 h");
    kit_build(kit_attempt(0));
    is_str(text(memo(KIT_A, "error", "message")),
           "Error making AI request: no answer within 2 h",
           "a transport error is one, too");
}


static void
test_bad_opts(void)
{
    kit_attempt_t  a;

    a = begin(3, "[" FETCH(KIT_A, "{\"url\":\"ftp://t.test/\"}") ","
              KIT_PLAN(KIT_B, "b") "]");
    kit_build(a);
    ok(!kit.call.gateway, "a fetch that cannot be made is not made");
    kit_result(a, 206, KIT_SDK, "[" KIT_RUN(KIT_B, "b", "1") "]");

    is_int(kit_calls() + kit_dispatch(), 1, "its neighbours are called");
    kit_build(kit_attempt(0));
    is_str(text(memo(KIT_A, "error", "message")),
           "\"opts.url\" is no http: or https: URL",
           "and the function may catch why");
    is_int(json_integer_value(memo(KIT_B, "data", NULL)), 1,
           "as it sees what they did");
}


static void
test_large_answers(void)
{
    char           *body;
    kit_attempt_t   a;

    kit.conf.max_output = 100000;

    body = malloc(100001);
    memset(body, '\001', 100000);
    body[100000] = '\0';

    a = begin(0, "[" FETCH(KIT_A, GET) "]");
    kit_result(a, 200, "", body);
    kit_build(kit_attempt(0));
    is_str(text(memo(KIT_A, "error", "message")), "Error making the request: "
           "the answer is larger than the output of a step may be",
           "what is too large as JSON is an error of the step");

    a = begin(0, "[" INFER(KIT_A, CHAT) "]");
    kit_result(a, 500, "", body);
    kit_build(kit_attempt(0));
    is_str(text(memo(KIT_A, "error", "name")), "AIGatewayError",
           "an error with a large body is one");
    ok(json_string_length(memo(KIT_A, "error", "data")) < 10000,
       "with as much of it as fits");

    kit.conf.max_output = 4 << 20;
    free(body);
}


/* -- with other steps ----------------------------------------------------- */

static void
test_parallel(void)
{
    kit_attempt_t  a, b;

    a = begin(1, "[" FETCH(KIT_A, GET) "," INFER(KIT_B, CHAT) "]");
    kit_dispatch();
    b = kit_attempt(0);
    ok(a.item && b.item && a.item != b.item,
       "gateways of one answer are made side by side");

    kit_result(a, 200, "", "one");
    is_int(kit_calls() + kit_dispatch(), 0,
           "while one is missing there is no discovery");
    kit_result(b, 200, "", "2");
    is_int(kit_calls(), 1, "the last one has it");
    kit_build(kit_attempt(0));
    is_int(json_object_size(kit_get("steps", NULL)), 2, "with both memos");
    ok(json_is_false(kit_get("ctx", "disable_immediate_execution")),
       "and immediate execution is allowed again");
}


static void
test_race(void)
{
    kit_attempt_t  a, b;

    a = begin(1, "[" FETCH(KIT_A, RACE) "," FETCH(KIT_B, RACE) "]");
    kit_dispatch();
    b = kit_attempt(0);

    kit_result(a, 200, "", "one");
    is_int(kit_calls(), 1, "the first of a race has a discovery at once");
    a = kit_attempt(0);
    kit_result(a, 206, KIT_SDK, "[" FETCH(KIT_B, RACE) "]");
    is_int(kit_calls() + kit_dispatch(), 0,
           "one that is on its way is not made again");

    kit_result(b, 200, "", "two");
    is_int(kit_calls(), 1, "the run goes on when it is back");
    kit_result(kit_attempt(0), 200, KIT_SDK, "1");
    is_str(dur_str_c(kit_status(&event)), "Completed", "and completes");
}


static void
test_cancelled(void)
{
    dur_op_t       op;
    kit_attempt_t  a;

    a = begin(1, "[" FETCH(KIT_A, GET) "]");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    op.run = kit_run_id(&event);
    kit_op(&op);
    ok(kit_effect(DUR_EFFECT_CANCEL, 0) != NULL
       && kit_effect(DUR_EFFECT_CANCEL, 0)->item == a.item,
       "a request ends with its run");
    is_int(kit_build(a), DUR_ENOTFOUND, "and is not built any more");
}


static void
test_lost_executors(void)
{
    unsigned       i;
    dur_op_t       op;
    kit_attempt_t  a;

    a = begin(0, "[" FETCH(KIT_A, GET) "]");
    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_INVENTORY;

    for (i = 0; i < 3; i++) {
        memset(op.instance, (int) i + 1, sizeof(op.instance));
        kit_op(&op);
        kit_dispatch();
    }

    is_str(dur_str_c(kit_status(&event)), "Running",
           "a request whose executors are lost does not fail the run");
    a = kit_attempt(0);
    kit_build(a);
    is_str(text(memo(KIT_A, "error", "name")), "GatewayError",
           "the function is told");
}


/* -- what others see ------------------------------------------------------ */

static void
test_health(void)
{
    unsigned       i;
    kit_attempt_t  a;

    a = begin(9, "[" FETCH(KIT_A, GET) "]");

    for (i = 0; i < 6; i++) {
        broken(a, DUR_CALL_ECONNECT, "connection refused by t.test:80");
        kit_timers();
        kit_dispatch();
        a = kit_attempt(0);
    }

    kit_register("g", 1);
    kit_event("g");
    is_int(kit_dispatch(), 1,
           "a URL that does not answer does not park the app");
}


static void
test_not_a_probe(void)
{
    unsigned       i;
    kit_attempt_t  a;

    a = begin(9, "[" INFER(KIT_A, CHAT) "]");
    kit_result(a, 429, "retry-after: 60\n", "{}");

    /* meanwhile a younger run finds that the app is away */

    kit_event("f");

    for (i = 0; i < 5; i++) {
        kit.now += 1000;
        kit_plain(DUR_OP_TIMERS, 0);
        is_int(kit_dispatch(), 1, "call %u of the app", i);
        kit_result_error(kit_attempt(0), DUR_CALL_ECONNECT);
    }

    kit.now += 60000;
    kit_plain(DUR_OP_TIMERS, 0);
    is_int(kit_dispatch(), 2,
           "of a parked app goes out a probe, and gateways before it");
}


static void
test_publish(void)
{
    kit_attempt_t  a;
    dur_effect_t  *effect;

    a = begin(1, "[" FETCH(KIT_A, "{\"url\":\"http://t.test/\","
              "\"publish\":{\"channel\":\"c\",\"topic\":\"t\"}}") "]");
    kit_result(a, 200, "", "hello");

    effect = kit_effect(DUR_EFFECT_PUBLISH, 0);

    ok(effect != NULL, "a result that is to be published is an effect");
    is_str(effect->channel, "c", "for the channel");
    is_str(effect->topic, "t", "and the topic that the step names");
    ok(memmem(effect->text.data, effect->text.len, "\"body\":\"hello\"", 14)
       != NULL, "with the data that the step gets");

    a = begin(1, "[" FETCH(KIT_A, "{\"url\":\"http://t.test/\","
              "\"publish\":{\"channel\":\"c\"}}") "]");
    kit_result_error(a, DUR_CALL_ECONNECT);
    ok(kit_effect(DUR_EFFECT_PUBLISH, 0) == NULL, "an error is none");

    a = begin(1, "[" FETCH(KIT_A, "{\"url\":\"http://t.test/\","
              "\"publish\":{\"topic\":\"t\"}}") "]");
    kit_result(a, 200, "", "hello");
    ok(kit_effect(DUR_EFFECT_PUBLISH, 0) == NULL,
       "and there has to be a channel");
}


static void
test_secrets(void)
{
    dur_ulid_t     run;
    dur_buf_t      b;
    kit_attempt_t  a;

    a = begin(1, "[" INFER(KIT_A, "{\"url\":\"https://u:hush1@ai.test/v1?"
              "token=hush2\",\"auth_key\":\"hush3\",\"headers\":"
              "{\"Authorization\":\"hush4\"},\"body\":{}}") "]");
    kit_build(a);
    ok(has_header("Authorization: hush4\n"), "a request has its key");

    run = kit_run_id(&event);
    dur_buf_init(&b, 1 << 20);
    kit_result(a, 500, "", "{}");
    dur_query_history(dur_engine_store(kit.engine), &run, &b);
    kit_timers();
    kit_dispatch();
    kit_result(kit_attempt(0), 500, "", "{}");
    dur_query_history(dur_engine_store(kit.engine), &run, &b);
    dur_query_actions(dur_engine_store(kit.engine), &run, &b);
    dur_query_run(dur_engine_store(kit.engine), &run, &b);

    ok(b.len > 500 && memmem(b.data, b.len, "hush", 4) == NULL,
       "what people see of the run does not");
    ok(memmem(b.data, b.len, "\"step\":\"the step\"", 17) != NULL,
       "but the step's name");
    dur_buf_deinit(&b);
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_check();
    test_long();
    test_detail();
    test_fetch_request();
    test_infer_request();
    test_fetch_answer();
    test_empty_answer();
    test_fetch_errors();
    test_policy();
    test_infer_answer();
    test_infer_errors();
    test_bad_opts();
    test_large_answers();
    test_parallel();
    test_race();
    test_cancelled();
    test_lost_executors();
    test_health();
    test_not_a_probe();
    test_publish();
    test_secrets();

    return kit_done();
}
