/* SPDX-License-Identifier: BSD-2-Clause */

/* The request that an app gets (protocol 4.1, 4.7). */

#include "kit.h"

#include "engine/dur_json.h"
#include "engine/dur_sign.h"


static bool
header_is(const char *line)
{
    return memmem(kit.call.headers.data, kit.call.headers.len, line,
                  strlen(line)) != NULL;
}


static kit_attempt_t
start(void)
{
    kit_fresh();
    kit_register("f", 2);
    kit_event("f");
    kit_dispatch();

    return kit_attempt(0);
}


static void
test_request(void)
{
    char            text[128];
    json_t         *event;
    const char     *run;
    dur_buf_t       b;
    kit_attempt_t   a;

    a = start();
    is_int(kit_build(a), DUR_OK, "a leased call can be built");

    is_str(dur_buf_str(&kit.call.url),
           "http://127.0.0.1:3000/api/inngest?fnId=app-f&stepId=step",
           "a discovery goes to stepId=step");

    run = json_string_value(kit_get("ctx", "run_id"));
    snprintf(text, sizeof(text), "X-Run-ID: %s\n", run);
    ok(header_is(text), "a header names the run");
    ok(header_is("X-Inngest-Step-ID: step\n"), "and the step");
    ok(header_is("Content-Type: application/json\n"), "and the type");
    ok(header_is("x-inngest-req-version: -1\n"),
       "the version is -1 at first");
    ok(!header_is("X-Inngest-Signature"), "without a key it is not signed");

    dur_buf_init(&b, 1 << 20);
    is_int(dur_json_canonicalize(&b, dur_buf_str(&kit.call.body)), DUR_OK,
           "the body is JSON");
    ok(dur_str_eq(dur_buf_str(&b), dur_buf_str(&kit.call.body)),
       "in its canonical form");
    dur_buf_deinit(&b);

    event = kit_get("event", NULL);
    is_str(dur_str_c(json_string_value(json_object_get(event, "name"))),
           "t/f", "it has the event");
    ok(json_is_object(json_object_get(event, "user")), "with a user");
    ok(json_equal(event, json_array_get(kit_get("events", NULL), 0))
       && json_array_size(kit_get("events", NULL)) == 1,
       "and the list of them");
    ok(json_is_boolean(kit_get("use_api", NULL))
       && json_is_boolean(kit_get("ctx", "use_api"))
       && json_is_boolean(kit_get("ctx", "disable_immediate_execution"))
       && json_is_integer(kit_get("ctx", "attempt"))
       && json_is_object(kit_get("ctx", "stack"))
       && json_is_object(kit_get("steps", NULL)),
       "what strict SDKs require has its exact type");

    a.generation++;
    is_int(kit_build(a), DUR_ENOTFOUND, "another generation is not built");
    a.item += 100;
    is_int(kit_build(a), DUR_ENOTFOUND, "nor an unknown item");
}


static void
test_trace(void)
{
    char           first[128], again[128], *p;
    const char    *run;
    dur_ulid_t     id;
    kit_attempt_t  a;

    a = start();
    kit_build(a);
    run = json_string_value(kit_get("ctx", "run_id"));
    (void) dur_ulid_parse(dur_str_c(run), &id);

    p = first + sprintf(first, "traceparent: 00-");
    for (unsigned i = 0; i < DUR_ULID_LEN; i++) {
        p += sprintf(p, "%02x", id.b[i]);
    }

    strcpy(again, first);
    sprintf(p, "-%04x%012x-01\n", 1, (unsigned) a.item);
    sprintf(again + strlen(again), "-%04x%012x-01\n", 2, (unsigned) a.item);

    ok(header_is(first), "the trace is the run, the span the attempt");

    kit_result(a, 500, KIT_SDK, "{}");
    kit_timers();
    kit_dispatch();
    kit_build(kit_attempt(0));
    ok(header_is(again), "another attempt is another span");
    is_str(dur_buf_str(&kit.call.method), "POST", "calls are posted");
    is_int((int64_t) kit.call.max_body, 8 << 20,
           "their answers may have 8 MiB");
    ok(!kit.call.gateway, "redirects repeat them");
}


static void
test_large_event(void)
{
    char            *json;
    size_t           n;
    dur_op_t         op;
    dur_op_event_t   e;

    kit_fresh();
    kit_register("f", 2);

    n = 5 << 19;
    json = malloc(n + 256);
    memset(json, 'x', n + 255);
    json[sprintf(json, "{\"data\":{\"x\":\"")] = 'x';
    strcpy(json + n, "\"},\"id\":\"i\",\"name\":\"t/f\",\"ts\":1,"
           "\"user\":{}}");

    memset(&e, 0, sizeof(e));
    e.id = kit_ulid(7);
    e.flags = DUR_EVENT_F_CANONICAL;
    e.ts = kit.now;
    e.name = dur_str("t/f");
    e.json = dur_str_c(json);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &e;
    kit_op(&op);
    kit_dispatch();

    is_int(kit_build(kit_attempt(0)), DUR_OK,
           "a call with a large event can be built");
    ok(json_is_true(kit_get("use_api", NULL)), "the SDK fetches the list");
    is_int(json_array_size(kit_get("events", NULL)), 0,
           "which is not in the call");
    ok(json_is_object(kit_get("event", NULL)), "but the event itself is");
    ok(kit.call.body.len < 4 << 20, "so that it fits");

    kit_result(kit_attempt(0), 206, KIT_GO, "[" KIT_RUN(KIT_A, "a", "1") "]");
    kit_build(kit_attempt(0));
    is_int(json_object_size(kit_get("steps", NULL)), 1,
           "memos stay in it, for an SDK that fetches none");
    free(json);
}


static void
test_signature(void)
{
    dur_str_t            line;
    const char          *p;
    kit_attempt_t        a;
    dur_call_options_t   options;

    a = start();
    memset(&options, 0, sizeof(options));
    options.signing_key = dur_str("signkey-test-12345678");
    options.now_ms = kit.now;

    is_int(dur_call_build(dur_engine_store(kit.engine), a.item, a.generation,
                          &options, &kit.call), DUR_OK, "a call is signed");

    p = memmem(kit.call.headers.data, kit.call.headers.len,
               "X-Inngest-Signature: ", 21);
    line = dur_str_null;
    if (p != NULL) {
        line.data = (const uint8_t *) p + 21;
        line.len = (size_t) ((const char *) memchr(p, '\n', 256) - p - 21);
    }

    is_int(dur_sign_verify(options.signing_key,
                           dur_buf_str(&kit.call.body), line,
                           kit.now / 1000, 300), DUR_OK,
           "and an SDK with the key accepts it");
    ok(header_is("X-Inngest-Server-Kind: cloud\n"),
       "outside of dev the server says that it is not");
}


static void
test_targeted(void)
{
    kit_attempt_t  a;

    a = start();
    kit_result(a, 206, KIT_SDK, "[" KIT_PLAN(KIT_A, "a") ","
               KIT_PLAN(KIT_B, "b") "]");
    kit_build(kit_attempt(0));
    is_str(dur_buf_str(&kit.call.url), "http://127.0.0.1:3000/api/inngest?"
           "fnId=app-f&stepId=" KIT_A,
           "a planned step is called by its id");
    ok(header_is("X-Inngest-Step-ID: " KIT_A "\n"), "also in the header");
    ok(header_is("x-inngest-req-version: 2\n"),
       "the version is what the SDK answered first");
}


static void
test_large_state(void)
{
    char           *body;
    size_t          i, n;
    json_t         *actions;
    dur_ulid_t      run;
    dur_buf_t       b;
    kit_attempt_t   a;

    static const char  *ids[] = { KIT_B, KIT_A };

    a = start();
    n = 3 << 20;
    body = malloc(n + 1024);

    for (i = 0; i < 2; i++) {
        char  *p;

        p = body + sprintf(body, "[{\"op\":\"StepRun\",\"id\":\"%s\","
                           "\"data\":\"", ids[i]);
        memset(p, 'x', n);
        strcpy(p + n, "\"}]");
        kit_result(a, 206, KIT_SDK, body);
        a = kit_attempt(0);
    }

    is_int(kit_build(a), DUR_OK, "a call with a large state can be built");
    ok(kit.call.body.len < n, "it does not carry it");
    ok(json_is_true(kit_get("use_api", NULL))
       && json_is_true(kit_get("ctx", "use_api")),
       "the SDK is told to fetch it");
    is_int(json_object_size(kit_get("steps", NULL)), 0, "steps are empty");
    is_int(json_array_size(kit_get("events", NULL)), 1,
           "events are still there");
    is_str(dur_str_c(json_string_value(json_array_get(json_object_get(
               kit_get("ctx", "stack"), "stack"), 0))), KIT_B,
           "and the stack, which says in what order steps ended");

    (void) dur_ulid_parse(dur_str_c(json_string_value(kit_get("ctx",
                                                              "run_id"))),
                          &run);
    dur_buf_init(&b, 64 << 20);
    is_int(dur_query_actions(dur_engine_store(kit.engine), &run, &b), DUR_OK,
           "what it fetches");
    actions = json_loadb((char *) b.data, b.len, 0, NULL);
    is_int(json_object_size(actions), 2, "are the memos");
    json_decref(actions);
    dur_buf_deinit(&b);
    free(body);
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_request();
    test_trace();
    test_signature();
    test_targeted();
    test_large_state();
    test_large_event();

    return kit_done();
}
