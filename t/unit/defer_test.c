/* SPDX-License-Identifier: BSD-2-Clause */

/* Defers: functions that are started when the run has ended. */

#include "kit.h"
#include "engine/dur_run.h"
#include "engine/dur_step.h"

#define SCHEDULE  "inngest/deferred.schedule"

#define ADD(id, slug, input)                                                 \
    "{\"op\":\"DeferAdd\",\"id\":\"" id "\",\"name\":\"d\",\"displayName\":" \
    "\"d\",\"opts\":{\"fn_slug\":\"" slug "\",\"input\":" input "},"         \
    "\"data\":null}"
#define ABORT(id, target)                                                    \
    "{\"op\":\"DeferAbort\",\"id\":\"" id "\",\"opts\":{"                    \
    "\"target_hashed_id\":\"" target "\",\"fn_slug\":\"app-d\",\"id\":"      \
    "\"d\"}}"
#define STEP      KIT_RUN(KIT_C, "c", "3")
#define COMPLETE  "{\"op\":\"RunComplete\",\"id\":\"" KIT_C "\",\"data\":1}"


/* "app-f", and "app-d" that is started by its defers. */
static void
begin(void)
{
    kit_fresh();
    kit_app("app", KIT_FN("app-f", KIT_ON("t/f"), "") ","
            KIT_FN("app-d", KIT_IF(SCHEDULE, "event.data._inngest.fn_slug == "
                                   "'app-d'"), ""));
}


static bool
defers(const char *want)
{
    return kit_take("app-f").item != 0
           && kit_is(kit_get("defers", NULL), want);
}


/* How many calls of "app-d" there are; kit.body is the last one's. */
static unsigned
deferred(void)
{
    unsigned  n;
    json_t   *body;

    for (n = 0, body = NULL; kit_take("app-d").item != 0; n++) {
        json_decref(body);
        body = json_incref(kit.body);
    }

    json_decref(kit.body);
    kit.body = body;

    return n;
}


static void
test_schedule(void)
{
    char            run[DUR_ULID_TEXT_LEN + 1];
    json_t         *event, *data;
    dur_ulid_t      id;
    kit_attempt_t   a;

    begin();
    id = kit_event("f");
    kit_answer("app-f", 206, "[{\"op\":\"DeferAdd\",\"id\":\"" KIT_A "\","
               "\"displayName\":\"d\",\"opts\":{\"fn_slug\":\"app-d\","
               "\"input\":{\"a\":1},\"meta\":{\"sessions\":{\"s\":\"1\"}}}},"
               STEP "]");
    is_int(deferred(), 0, "a defer starts nothing while the run lives");

    a = kit_take("app-f");
    ok(kit_is(kit_get("defers", NULL), "{\"" KIT_A "\":{\"abortable\":true}}"),
       "the next call knows it");
    ok(kit_is(kit_get("steps", NULL), "{\"" KIT_C "\":{\"data\":3}}"),
       "it is no step");
    ok(kit_is(json_object_get(kit_get("ctx", "stack"), "stack"),
              "[\"" KIT_C "\"]"), "and not in the stack");

    kit_result(a, 200, KIT_SDK, "1");
    is_int(deferred(), 1, "when the run has ended it starts its function");

    event = kit_get("event", NULL);
    data = json_object_get(event, "data");
    ok(kit_is(json_object_get(event, "name"), "\"" SCHEDULE "\""),
       "by its event");
    ok(kit_is(json_object_get(event, "meta"), "{\"sessions\":{\"s\":\"1\"}}"),
       "with its meta");
    ok(kit_is(json_object_get(data, "a"), "1"), "and its input");

    data = json_object_get(data, "_inngest");
    id = kit_run_id(&id);
    dur_ulid_text(&id, run);
    is_str(dur_str_c(json_string_value(json_object_get(data,
                                                       "parent_run_id"))),
           run, "which names the run");
    ok(kit_is(json_object_get(data, "fn_slug"), "\"app-d\"")
       && kit_is(json_object_get(data, "parent_fn_slug"), "\"app-f\"")
       && json_is_string(json_object_get(data, "parent_app_id"))
       && json_is_string(json_object_get(data, "parent_fn_id")),
       "its function and app, and the function that is started");
}


static void
test_any_end(void)
{
    dur_op_t    op;
    dur_ulid_t  id;

    begin();
    kit_event("f");
    kit_answer("app-f", 206, "[" ADD(KIT_A, "app-d", "{}") "," STEP "]");
    kit_answer("app-f", 400, "{\"message\":\"boom\"}");
    is_int(deferred(), 1, "a run that failed starts its defers");

    begin();
    id = kit_event("f");
    kit_answer("app-f", 206, "[" ADD(KIT_A, "app-d", "{}") "," STEP "]");
    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    op.run = kit_run_id(&id);
    kit_op(&op);
    is_int(deferred(), 1, "one that is cancelled too");

    begin();
    kit_event("f");
    kit_answer("app-f", 206, "[" COMPLETE "," ADD(KIT_A, "app-d", "{}") "]");
    is_int(deferred(), 1,
           "a defer beside the end of the run is one of the run");
}


static void
test_again(void)
{
    dur_ulid_t  id;

    begin();
    id = kit_event("f");
    kit_answer("app-f", 206, "[" ADD(KIT_A, "app-d", "{\"n\":1}") "," STEP
               "]");
    kit_answer("app-f", 206, "[" ADD(KIT_A, "app-d", "{\"n\":2}") ","
               KIT_RUN(KIT_B, "b", "2") "]");
    kit_reopen();
    kit_answer("app-f", 200, "1");
    is_int(deferred(), 1, "a defer that is reported twice is one");
    ok(kit_is(json_object_get(json_object_get(kit_get("event", NULL), "data"),
                              "n"), "1"), "the first one");
    is_str(dur_str_c(kit_status(&id)), "Completed", "also after a restart");
}


/* SDKs hash both alike: defer("a") and step.run("a") are the same hash. */
static void
test_same_id(void)
{
    dur_ulid_t  id;

    begin();
    id = kit_event("f");
    kit_answer("app-f", 206, "[" ADD(KIT_A, "app-d", "{}") ","
               KIT_PLAN(KIT_A, "a") "," KIT_PLAN(KIT_B, "b") "]");
    kit_answer("app-f", 206, "[" KIT_RUN(KIT_A, "a", "1") "]");
    kit_answer("app-f", 206, "[" KIT_RUN(KIT_B, "b", "2") "]");
    kit_take("app-f");
    ok(kit_is(kit_get("steps", NULL), "{\"" KIT_A "\":{\"data\":1},\"" KIT_B
              "\":{\"data\":2}}"), "a step may have the id of a defer");
    ok(kit_is(kit_get("defers", NULL), "{\"" KIT_A "\":{\"abortable\":true}}"),
       "which is there as well");
    is_str(dur_str_c(kit_status(&id)), "Running", "and the run goes on");
}


static void
test_abort(void)
{
    dur_ulid_t  id;

    begin();
    id = kit_event("f");
    kit_answer("app-f", 206, "[" ADD(KIT_A, "app-d", "{}") ","
               ADD(KIT_B, "app-d", "{}") "," STEP "]");
    kit_answer("app-f", 206, "[" ABORT("0000000000000000000000000000000000000"
               "00a", KIT_A) "," KIT_RUN(KIT_B, "b", "2") "]");
    ok(defers("{\"" KIT_A "\":{\"abortable\":false},\"" KIT_B
              "\":{\"abortable\":true}}"),
       "a defer that was aborted is known as that");

    begin();
    id = kit_event("f");
    kit_answer("app-f", 206, "[" ADD(KIT_A, "app-d", "{}") ","
               ADD(KIT_B, "app-d", "{\"b\":1}") "," STEP "]");
    kit_answer("app-f", 206, "[" ABORT("0000000000000000000000000000000000000"
               "00a", KIT_A) "," ADD(KIT_A, "app-d", "{}") ","
               KIT_RUN(KIT_B, "b", "2") "]");
    kit_answer("app-f", 200, "1");
    is_int(deferred(), 1, "it starts nothing, even when it is added again");
    ok(kit_is(json_object_get(json_object_get(kit_get("event", NULL), "data"),
                              "b"), "1"), "the other one does");

    begin();
    id = kit_event("f");
    kit_answer("app-f", 206, "[" ABORT("0000000000000000000000000000000000000"
               "00a", KIT_A) "," ABORT("000000000000000000000000000000000000"
               "000b", "nonsense") "," STEP "]");
    kit_answer("app-f", 200, "1");
    is_str(dur_str_c(kit_status(&id)), "Completed",
           "to abort what is not there, or nothing at all, is no mistake of "
           "the run");
}


/* A bad defer never fails a run. */
static void
test_bad(void)
{
    size_t         i;
    dur_ulid_t     id;

    static const struct {
        const char  *op;
        const char  *title;
    } tests[] = {
        { "{\"op\":\"DeferAdd\",\"id\":\"" KIT_A "\"}", "without options" },
        { "{\"op\":\"DeferAdd\",\"id\":\"" KIT_A "\",\"opts\":{\"input\":{}}}",
          "without a function" },
        { ADD(KIT_A, "app-d", "[1]"), "with an input that is an array" },
        { ADD(KIT_A, "app-d", "7"), "with an input that is a number" },
        { "{\"op\":\"DeferAdd\",\"id\":\"" KIT_A "\",\"opts\":{\"fn_slug\":"
          "\"app-d\",\"meta\":3}}", "with a meta that is a number" },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        char  text[1024];

        begin();
        id = kit_event("f");
        snprintf(text, sizeof(text), "[%s," STEP "]", tests[i].op);
        kit_answer("app-f", 206, text);
        ok(kit_effect(DUR_EFFECT_LOG, 0) != NULL,
           "a defer %s is in the log", tests[i].title);
        kit_answer("app-f", 206, text);
        ok(kit_effect(DUR_EFFECT_LOG, 0) == NULL,
           "once, however often the app tells it");
        ok(defers("{}"), "and nowhere else");
        is_str(dur_str_c(kit_status(&id)), "Running", "the run goes on");
    }

    begin();
    kit_event("f");
    kit_answer("app-f", 206, "[{\"op\":\"DeferAdd\",\"id\":\"" KIT_A "\","
               "\"opts\":{\"fn_slug\":\"app-d\"}}," STEP "]");
    kit_answer("app-f", 200, "1");
    is_int(deferred(), 1, "one without an input is started without one");

    begin();
    kit_event("f");
    kit_answer("app-f", 206, "[" ADD(KIT_A, "app-none", "{}") "," STEP "]");
    kit_answer("app-f", 200, "1");
    is_int(deferred(), 0, "one of an unknown function starts nothing");
}


/* n defers of `size` bytes each beside a step. */
static void
add_many(unsigned n, size_t size)
{
    char       *input;
    unsigned    i;
    dur_buf_t   b;

    input = malloc(size + 1);
    memset(input, 'x', size);
    input[size] = '\0';

    dur_buf_init(&b, 64 << 20);
    dur_buf_addz(&b, "[");

    for (i = 0; i < n; i++) {
        dur_buf_addf(&b, "{\"op\":\"DeferAdd\",\"id\":\"%040x\",\"opts\":{"
                     "\"fn_slug\":\"app-d\",\"input\":{\"i\":%u,\"x\":\"",
                     i + 1, i);
        dur_buf_addz(&b, input);
        dur_buf_addz(&b, "\"}}},");
    }

    dur_buf_addz(&b, STEP "]");
    dur_buf_addc(&b, 0);
    kit_answer("app-f", 206, (const char *) b.data);

    dur_buf_deinit(&b);
    free(input);
}


static void
test_limits(void)
{
    begin();
    kit_event("f");
    add_many(21, 1);
    ok(kit_effect(DUR_EFFECT_LOG, 0) != NULL, "the 21st defer is in the log");
    kit_answer("app-f", 200, "1");
    is_int(deferred(), 20, "20 are started");

    begin();
    kit_event("f");
    add_many(5, 1 << 20);
    ok(kit_effect(DUR_EFFECT_LOG, 0) != NULL,
       "what is over 4 MiB of input together is in the log");
    kit_answer("app-f", 200, "1");
    is_int(deferred(), 3, "what is below is started");
}


static void
test_order(void)
{
    const char  *body, *a, *b, *c;

    begin();
    kit_event("f");
    kit_answer("app-f", 206, "[" ADD(KIT_B, "app-d", "{}") ","
               ADD(KIT_A, "app-d", "{}") "," ADD(KIT_C, "app-d", "{}") ","
               KIT_RUN("00000000000000000000000000000000000000ff", "s", "1")
               "]");
    kit_take("app-f");
    dur_buf_addc(&kit.call.body, 0);
    body = (const char *) kit.call.body.data;
    a = strstr(body, "\"" KIT_A);
    b = strstr(body, "\"" KIT_B);
    c = strstr(body, "\"" KIT_C);
    ok(c != NULL && c < a && a < b,
       "the defers of a call ascend, as in all canonical JSON");
}


static void
test_deterministic(void)
{
    json_t      *list;
    dur_ulid_t   id, want, event;
    dur_hash_t   hash;
    size_t       i;

    begin();
    id = kit_event("f");
    kit_answer("app-f", 206, "[" ADD(KIT_A, "app-d", "{}") "," STEP "]");
    kit_answer("app-f", 200, "1");

    list = kit_events(SCHEDULE);
    is_int(json_array_size(list), 1, "a defer makes one event");
    (void) dur_ulid_parse(dur_str_c(json_string_value(json_object_get(
               json_array_get(list, 0), "id"))), &event);
    json_decref(list);

    id = kit_run_id(&id);
    (void) dur_hash_parse(dur_str(KIT_A), &hash);
    for (i = 0; i < DUR_HASH_LEN; i++) {
        hash.b[i] ^= 0xff;
    }
    dur_ulid_derive(&want, kit.now, &id, &hash);
    ok(memcmp(&want, &event, sizeof(want)) == 0,
       "whose id follows from the run and the defer");
}


static void
test_retention(void)
{
    size_t         n;
    dur_str_t      k, v;
    dur_txn_t     *t;
    dur_cursor_t  *c;

    kit.conf.retention = 1000;
    begin();
    kit_event("f");
    kit_answer("app-f", 206, "[" ADD(KIT_A, "app-none", "{}") "," STEP "]");
    kit_answer("app-f", 200, "1");
    kit.now += 2000;

    for (n = 0; n < 10 && dur_engine_has_tasks(kit.engine); n++) {
        kit_plain(DUR_OP_TASKS, 0);
    }

    kit_plain(DUR_OP_TASKS, 0);
    n = 0;

    if (dur_txn_begin(dur_engine_store(kit.engine), false, &t) == DUR_OK) {
        (void) dur_cursor_open(t, DUR_T_STEP, &c);
        while (n < 10 && (n ? dur_cursor_next(c, &k, &v)
                            : dur_cursor_seek(c, dur_str_null, &k, &v))
                         == DUR_OK)
        {
            n++;
        }
        dur_cursor_close(c);
        dur_txn_abort(t);
    }

    is_int(n, 0, "retention takes the defers of a run with it");
    kit.conf.retention = 0;
}


int
main(void)
{
    if (!kit_init()) {
        return 1;
    }

    test_schedule();
    test_any_end();
    test_again();
    test_same_id();
    test_abort();
    test_bad();
    test_limits();
    test_order();
    test_deterministic();
    test_retention();

    return kit_done();
}
