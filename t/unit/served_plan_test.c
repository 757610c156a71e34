/* SPDX-License-Identifier: BSD-2-Clause */

/* Workflows whose runs another server has: what its calls are answered with,
 * and what is executed for them. */

#include "engine/dur_json.h"
#include "engine/dur_served_plan.h"
#include "engine/dur_sign.h"
#include "engine/dur_ulid.h"

#include "tap.h"

#include <jansson.h>
#include <stdlib.h>

#define NOW     1790000000000LL
#define LATER   "2026-09-21T14:18:20Z"          /* 5 minutes after it */
#define D(...)  "{\"w\":[" __VA_ARGS__ "],\"l\":1}"
#define BLOCK(word, body)  "{\"w\":[" word "],\"l\":1,\"b\":[" body "]}"
#define STEP(name)                                                           \
    D("\"step\",\"" name "\",\"http://127.0.0.1:7001/" name "\"")
#define TRIGGER     D("\"trigger\",\"event=go\"")


static dur_arena_t         arena;
static dur_plan_def_t     *def;
static dur_served_call_t   call;
static dur_served_plan_t   plan;
static dur_served_next_t   next;
static json_t             *ops;


static void
setup(const char *body)
{
    char               text[4096];
    dur_rc_t           rc;
    dur_plan_error_t   err;

    dur_plan_free(def);
    def = NULL;

    snprintf(text, sizeof(text), "{\"name\":\"wf\",\"file\":\"x.conf\","
             "\"line\":0,\"body\":[%s]}", body);

    rc = dur_plan_load(dur_str_c(text), &def, &err);

    if (!ok(rc == DUR_OK, "the workflow is read%s%s", rc ? ": " : "",
            rc ? err.text : ""))
    {
        exit(2);
    }
}


static void
answer(const char *ctx, const char *steps, const char *step)
{
    const char  *wrong;
    dur_hash_t   id;
    static char  text[4096];            /* the call borrows from it */

    dur_served_call_free(&call);
    json_decref(ops);
    ops = NULL;

    snprintf(text, sizeof(text), "{\"ctx\":{\"run_id\":\"r1\"%s},\"event\":{"
             "\"data\":{\"id\":7,\"pages\":[\"a\",\"b\"]},\"name\":\"go\"},"
             "\"steps\":{%s}}", ctx, steps);

    wrong = dur_served_call_read(dur_str_c(text), &call);
    ok(wrong == NULL, "a call%s%s", wrong ? ": " : "", wrong ? wrong : "");

    plan.def = def;
    plan.call = &call;
    plan.app = dur_str("shop");
    plan.ndefs = 1;
    plan.defs = &def;
    plan.now_ms = NOW;
    plan.arena = &arena;

    if (step != NULL) {
        dur_sha1(dur_str_c(step), id.b);
    }

    is_int(dur_served_plan(&plan, step ? &id : NULL, &next), DUR_OK,
           "is planned");

    if (next.kind == DUR_SERVED_OPS) {
        ops = dur_json_parse(next.text, NULL);
        ok(json_is_array(ops), "ops are JSON");
    }
}


static const char *
hash(const char *name)
{
    uint8_t       digest[20];
    static char   text[4][41];
    static int    n;
    char         *s = text[n++ % 4];

    dur_sha1(dur_str_c(name), digest);
    dur_hex(digest, 20, s);

    return s;
}


static char *
memos(const char *fmt, ...)
{
    va_list       args;
    static char   text[2048];

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    return text;
}


static const char *
text(size_t i, const char *key)
{
    const char  *s;

    s = json_string_value(json_object_get(json_array_get(ops, i), key));

    return s ? s : "";
}


static json_t *
opt(size_t i, const char *key)
{
    return json_object_get(json_object_get(json_array_get(ops, i), "opts"),
                           key);
}


static bool
is(const char *got, const char *want, const char *what)
{
    return ok(strcmp(got, want) == 0, "%s: %s (%s)", what, want, got);
}


/* The request of what is to be executed; its body and headers as text. */
static dur_rc_t
request(dur_served_request_t *r, dur_buf_t b[4])
{
    int                  i;
    char                 err[256];
    dur_rc_t             rc;
    dur_gateway_call_t   to = { &b[0], &b[1], &b[2], &b[3] };

    for (i = 0; i < 4; i++) {
        dur_buf_reset(&b[i]);
    }

    rc = dur_served_plan_request(&plan, &next.op, dur_str("http://server"),
                                 &to, r, err);
    dur_buf_addc(&b[2], '\0');
    dur_buf_addc(&b[3], '\0');

    return rc;
}


/* -- tests ---------------------------------------------------------------- */

static void
test_steps(void)
{
    dur_buf_t              b[4];
    dur_served_request_t   r;

    setup(TRIGGER "," STEP("one") "," STEP("two") ","
          D("\"return\",\"{'x': steps.two.n}\""));

    answer("", "", NULL);
    is_int(next.kind, DUR_SERVED_EXECUTE, "a step that is alone is executed");
    ok(dur_str_eq(next.op.name, dur_str("one")), "the first one");

    dur_buf_init(&b[0], 1024);
    dur_buf_init(&b[1], 1024);
    dur_buf_init(&b[2], 1024);
    dur_buf_init(&b[3], 65536);

    is_int(request(&r, b), DUR_OK, "it has a request");
    ok(dur_str_eq(r.url, dur_str("http://127.0.0.1:7001/one"))
       && dur_str_eq(r.method, dur_str("POST")), "for its target");
    ok(strstr((char *) b[2].data, "Idempotency-Key: r1:one\n") != NULL,
       "which may know it by the server's run");
    ok(strstr((char *) b[3].data, "\"run_id\":\"r1\"") != NULL
       && strstr((char *) b[3].data, "\"pages\":[\"a\",\"b\"]") != NULL,
       "with the run and the event");
    is_int(r.judge, DUR_SERVED_STEP, "its answer is that of a step");

    answer("", memos("\"%s\":{\"data\":{\"n\":1}}", hash("one")), NULL);
    ok(dur_str_eq(next.op.name, dur_str("two")), "then the second one");
    request(&r, b);
    ok(strstr((char *) b[3].data, "\"steps\":{\"one\":{\"n\":1}}") != NULL,
       "which sees the first one");

    answer("", memos("\"%s\":{\"data\":{\"n\":1}},\"%s\":{\"data\":{\"n\":5}}",
                     hash("one"), hash("two")), NULL);
    is_int(next.kind, DUR_SERVED_COMPLETED, "then it has a result");
    ok(dur_str_eq(next.text, dur_str("{\"x\":5}")), "as it says");

    answer("", memos("\"%s\":{\"error\":{\"message\":\"no ocr\"}}",
                     hash("one")), NULL);
    is_int(next.kind, DUR_SERVED_ENDED, "a step that failed ends it");
    ok(memmem(next.text.data, next.text.len, "no ocr", 6) != NULL,
       "with its error");

    answer(",\"disable_immediate_execution\":true", "", NULL);
    is_int(next.kind, DUR_SERVED_OPS, "what the server wants planned");
    is(text(0, "op"), "StepPlanned", "is planned");
    is(text(0, "id"), hash("one"), "by its hash");

    answer("", "", "one");
    is_int(next.kind, DUR_SERVED_EXECUTE, "and executed when it is called");
    answer("", "", "two");
    is_int(next.kind, DUR_SERVED_MISSING, "but not before its time");
    answer(memos(",\"stack\":{\"stack\":[\"%s\"]}", hash("one")), "", NULL);
    is_int(next.kind, DUR_SERVED_UNKNOWN, "a memo is missing");

    dur_buf_deinit(&b[0]);
    dur_buf_deinit(&b[1]);
    dur_buf_deinit(&b[2]);
    dur_buf_deinit(&b[3]);
}


static void
test_parallel(void)
{
    setup(TRIGGER "," BLOCK("\"parallel\"", STEP("a") "," STEP("b")));

    answer("", "", NULL);
    is_int(json_array_size(ops), 2, "two at once");
    is(text(0, "op"), "StepPlanned", "the first one");
    is(text(1, "displayName"), "b", "the second one");

    answer("", memos("\"%s\":{\"data\":1}", hash("b")), NULL);
    is_int(next.kind, DUR_SERVED_EXECUTE, "what is left is executed");
    ok(dur_str_eq(next.op.name, dur_str("a")), "at once");

    setup(TRIGGER "," BLOCK("\"foreach\",\"page\",\"in=event.data.pages\","
                            "\"concurrency=2\"", STEP("embed")));
    answer("", "", NULL);
    is_int(json_array_size(ops), 2, "a round for each item");
    is(text(1, "id"), hash("embed[1]"), "with its number");
}


static void
test_waits(void)
{
    setup(TRIGGER "," D("\"sleep\",\"nap\",\"5m\"") ","
          D("\"wait_for_event\",\"paid\",\"event=shop/paid\","
            "\"match=data.id\",\"timeout=5m\"") ","
          D("\"invoke\",\"again\",\"function=wf\",\"data={'a': 1}\"") ","
          D("\"return\",\"steps.paid.data.sum\""));

    answer("", "", NULL);
    is(text(0, "op"), "Sleep", "a sleep");
    ok(strncmp(text(0, "name"), LATER, 19) == 0, "until then: %s",
       text(0, "name"));
    is(text(0, "displayName"), "nap", "its name");

    answer("", memos("\"%s\":null", hash("nap")), NULL);
    is(text(0, "op"), "WaitForEvent", "a wait");
    is(text(0, "name"), "shop/paid", "for an event");
    ok(strncmp(json_string_value(opt(0, "timeout")), LATER, 19) == 0,
       "until then");
    ok(strstr(json_string_value(opt(0, "if")), "async.data.id") != NULL,
       "that matches");

    answer("", memos("\"%s\":null,\"%s\":{\"data\":{\"id\":7,\"sum\":3},"
                     "\"name\":\"shop/paid\"}", hash("nap"), hash("paid")),
           NULL);
    is(text(0, "op"), "InvokeFunction", "an invoke");
    is(json_string_value(opt(0, "function_id")), "shop-wf",
       "of a function that is served as well");
    ok(json_is_object(json_object_get(opt(0, "payload"), "data")),
       "with its data");

    answer("", memos("\"%s\":null,\"%s\":{\"data\":{\"id\":7,\"sum\":3},"
                     "\"name\":\"shop/paid\"},\"%s\":{\"data\":0}",
                     hash("nap"), hash("paid"), hash("again")), NULL);
    is_int(next.kind, DUR_SERVED_COMPLETED, "the end");
    ok(dur_str_eq(next.text, dur_str("3")), "of what the event brought");
}


static void
test_events(void)
{
    int                    i;
    dur_buf_t              b[4];
    dur_served_request_t   r;

    for (i = 0; i < 4; i++) {
        dur_buf_init(&b[i], 65536);
    }

    setup(TRIGGER "," D("\"send_event\",\"done\",\"event=shop/done\","
                        "\"data={'id': event.data.id}\""));

    answer("", "", NULL);
    is_int(next.kind, DUR_SERVED_EXECUTE, "an event is sent by us");
    is_int(request(&r, b), DUR_OK, "it has a request");
    ok(dur_str_eq(r.url, dur_str("http://server/e/")), "to the server");
    is_int(r.auth, DUR_SERVED_EVENT_KEY, "with the event key, later");
    ok(strstr((char *) b[3].data, "{\"data\":{\"id\":7},\"id\":\"r1-") != NULL,
       "it has data, and an id by which it counts once");

    setup(TRIGGER "," D("\"step\",\"a\",\"http://a\",\"header=Authorization: "
                        "Bearer env:TOKEN\""));
    answer("", "", NULL);
    is_int(request(&r, b), DUR_OK, "a step with a secret");
    ok(strstr((char *) b[2].data, "Authorization: Bearer " DUR_SERVED_SECRET
              "env:TOKEN" DUR_SERVED_SECRET "\n") != NULL,
       "has its name, not its value");

    for (i = 0; i < 4; i++) {
        dur_buf_deinit(&b[i]);
    }
}


static void
test_registration(void)
{
    dur_buf_t          b;
    json_t            *root, *f;
    dur_served_app_t   app;

    setup(TRIGGER "," D("\"retries\",\"2\"") ","
          D("\"concurrency\",\"5\",\"key=event.data.id\"") "," STEP("a"));

    memset(&app, 0, sizeof(app));
    app.app = dur_str("shop");
    app.url = dur_str("https://a/x");
    app.ndefs = 1;
    app.defs = &def;

    dur_buf_init(&b, 65536);
    is_int(dur_served_write_register(&b, &app), DUR_OK, "it is registered");

    root = dur_json_parse(dur_buf_str(&b), NULL);
    f = json_array_get(json_object_get(root, "functions"), 0);

    is(json_string_value(json_object_get(f, "id")), "shop-wf", "by its id");
    f = json_object_get(json_object_get(f, "steps"), "step");
    is(json_string_value(json_object_get(json_object_get(f, "runtime"),
                                         "url")),
       "https://a/x?fnId=shop-wf&stepId=step", "where it is called");
    is_int(json_integer_value(json_object_get(json_object_get(f, "retries"),
                                              "attempts")), 2, "its retries");
    f = json_array_get(json_object_get(root, "functions"), 0);
    ok(json_object_get(f, "concurrency") != NULL, "its limits");
    is(json_string_value(json_object_get(json_array_get(json_object_get(f,
                         "triggers"), 0), "event")), "go", "its trigger");

    json_decref(root);
    dur_buf_deinit(&b);
}


int
main(void)
{
    dur_arena_init(&arena);

    test_registration();

    test_steps();
    test_parallel();
    test_waits();
    test_events();

    dur_served_call_free(&call);
    json_decref(ops);
    dur_plan_free(def);
    dur_arena_deinit(&arena);

    return done_testing();
}
