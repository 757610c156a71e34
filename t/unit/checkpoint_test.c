/* SPDX-License-Identifier: BSD-2-Clause */

/* Checkpoints of calls that are still open (protocol 6.2). */

#include "kit.h"

#define KIT_D  "3c363836cf4e16666669a25da280a1865c2d2874"

static dur_ulid_t     event, run;
static kit_attempt_t  call;


static void
begin(unsigned retries)
{
    kit_fresh();
    kit_register("f", retries);
    event = kit_event("f");
    kit_dispatch();
    call = kit_attempt(0);
    run = kit_run_id(&event);
}


static void
checkpoint_of(kit_attempt_t a, const char *steps)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CHECKPOINT;
    op.run = run;
    op.item = a.item;
    op.generation = a.generation;
    op.body = dur_str_c(steps);

    kit_op(&op);
}


static void
checkpoint(const char *steps)
{
    checkpoint_of(call, steps);
}


static json_t *
history(void)
{
    json_t     *list;
    dur_buf_t   b;

    dur_buf_init(&b, 1 << 20);
    (void) dur_query_history(dur_engine_store(kit.engine), &run, &b);
    list = json_loadb((char *) b.data, b.len, 0, NULL);
    dur_buf_deinit(&b);

    return list;
}


static const char *
member(json_t *list, size_t i, const char *key)
{
    const char  *text;

    text = json_string_value(json_object_get(json_array_get(list, i), key));

    return text ? text : "";
}


static size_t
memos(void)
{
    size_t      n;
    json_t     *map;
    dur_buf_t   b;

    dur_buf_init(&b, 64 << 20);
    (void) dur_query_actions(dur_engine_store(kit.engine), &run, &b);
    map = json_loadb((char *) b.data, b.len, 0, NULL);
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


/* The sidecar is lost and a new one comes: what was leased is leased anew. */
static void
lose_sidecar(uint8_t instance)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_INVENTORY;
    memset(op.instance, instance, sizeof(op.instance));
    kit_op(&op);
}


static void
test_steps(void)
{
    begin(3);

    kit_build(call);
    is_int(json_string_length(kit_get("ctx", "fn_id")), DUR_UUID_TEXT_LEN,
           "a call has the UUID of its function: SDKs checkpoint then");

    checkpoint("[" KIT_RUN(KIT_A, "a", "{\"v\":1}") "]");
    is_int(kit.reply.status, 200, "a checkpoint is accepted");
    is_int(kit_calls(), 0, "no call is made for it");
    is_int(memos(), 1, "its step is a memo");

    checkpoint("[" KIT_RUN(KIT_A, "a", "{\"v\":9}") "," KIT_RUN(KIT_B, "b",
               "2") "," KIT_PLAN(KIT_C, "c") "]");
    is_int(kit.reply.status, 200, "one may tell what is known and what is "
           "planned");
    is_int(memos(), 2, "what is planned is no memo");
    is_str(dur_str_c(kit_status(&event)), "Running", "the run goes on");

    kit_result(call, 206, KIT_SDK, "[{\"op\":\"RunComplete\",\"id\":"
               "\"0737c22d3bfae812339732d14d8c7dbd6dc4e09c\",\"data\":7}]");
    is_str(dur_str_c(kit_status(&event)), "Completed",
           "the answer of the call ends it");
    is_int(kit_calls(), 0, "and nothing follows");
}


static void
test_sidecar_lost(void)
{
    json_t  *memo;

    begin(0);
    checkpoint("[" KIT_RUN(KIT_A, "a", "{\"v\":1}") "]");
    checkpoint("[" KIT_RUN(KIT_A, "a", "{\"v\":2}") "]");
    checkpoint("[{\"op\":\"Step\",\"id\":\"" KIT_B
               "\",\"data\":{\"raw\":1}}]");

    dur_engine_close(kit.engine);
    kit_open();
    lose_sidecar(9);
    is_int(kit_dispatch(), 1, "a sidecar that is lost: the call is leased "
           "again");
    kit_build(kit_attempt(0));

    memo = json_loads("{\"data\":{\"v\":1}}", 0, NULL);
    ok(json_equal(kit_get("steps", KIT_A), memo),
       "it has the memo, the first that was told");
    json_decref(memo);

    memo = json_loads("{\"raw\":1}", 0, NULL);
    ok(json_equal(kit_get("steps", KIT_B), memo),
       "that of a Step of old is as it came");
    json_decref(memo);

    checkpoint("[" KIT_RUN(KIT_C, "c", "1") "]");
    is_int(kit.reply.status, 409, "the first call is superseded");
    ok(says("superseded"), "the reply says so");
    is_int(memos(), 2, "and what it told is not stored");

    call = kit_attempt(0);
    kit_result(call, 206, KIT_SDK, "[" KIT_RUN(KIT_C, "c", "1") "]");
    is_int(memos(), 2, "an attempt that is none is dropped");
}


static void
test_losses(void)
{
    unsigned  i;

    begin(0);

    for (i = 0; i < 5; i++) {
        lose_sidecar((uint8_t) (20 + i));
        kit_dispatch();
        call = kit_attempt(0);
        checkpoint(i & 1 ? "[" KIT_RUN(KIT_A, "a", "1") "]"
                         : "[" KIT_RUN(KIT_B, "b", "1") "]");
    }

    is_str(dur_str_c(kit_status(&event)), "Running",
           "a call that makes progress outlives any number of sidecars");
}


static void
test_attempts(void)
{
    begin(1);

    kit_result(call, 500, KIT_SDK, "{\"message\":\"boom\"}");
    kit_timers();
    kit_dispatch();
    call = kit_attempt(0);
    kit_build(call);
    is_int(json_integer_value(kit_get("ctx", "attempt")), 1,
           "the last attempt of a call");

    checkpoint("[" KIT_RUN(KIT_A, "a", "1") "]");
    is_int(kit.reply.status, 200, "tells a step");

    kit_result(call, 500, KIT_SDK, "{\"message\":\"boom\"}");
    is_str(dur_str_c(kit_status(&event)), "Running",
           "so its attempts count anew, and it is tried again");
    kit_timers();
    kit_dispatch();
    call = kit_attempt(0);
    kit_build(call);
    is_int(json_integer_value(kit_get("ctx", "attempt")), 1,
           "as the second attempt");

    kit_result(call, 500, KIT_SDK, "{\"message\":\"boom\"}");
    is_str(dur_str_c(kit_status(&event)), "Failed",
           "without a checkpoint it was the last");
}


static void
test_no_item(void)
{
    kit_attempt_t  none = { 0, 0 };

    begin(1);
    kit_result(call, 500, KIT_SDK, "{}");
    kit_timers();
    kit_dispatch();
    call = kit_attempt(0);

    checkpoint_of(none, "[" KIT_RUN(KIT_A, "a", "1") "]");
    is_int(kit.reply.status, 200, "a checkpoint need not say of which call");
    is_int(memos(), 1, "its step is a memo");

    kit_result(call, 500, KIT_SDK, "{}");
    is_str(dur_str_c(kit_status(&event)), "Failed",
           "but the attempts go on counting");

    begin(1);
    none.item = call.item;
    checkpoint_of(none, "[" KIT_RUN(KIT_A, "a", "1") "]");
    is_int(kit.reply.status, 200, "a call may come without its generation");
    none.generation = call.generation + 1;
    checkpoint_of(none, "[" KIT_RUN(KIT_B, "b", "1") "]");
    is_int(kit.reply.status, 409, "but not with another one");
}


static void
test_planned_steps(void)
{
    kit_attempt_t  a, b, none = { 0, 0 };

    begin(1);
    kit_result(call, 206, KIT_SDK, "[" KIT_PLAN(KIT_A, "a") ","
               KIT_PLAN(KIT_B, "b") "]");
    a = kit_attempt(0);
    kit_dispatch();
    b = kit_attempt(0);

    checkpoint_of(none, "[" KIT_RUN(KIT_A, "a", "1") "]");
    ok(kit_effect(DUR_EFFECT_CANCEL, 0) != NULL,
       "a planned step that is told by another call needs its own no more");
    is_int(kit_calls(), 0, "nothing is asked while another is out");

    checkpoint_of(a.item ? b : a, "[" KIT_RUN(KIT_B, "b", "2") "]");
    is_int(kit.reply.status, 200, "the other one tells itself");
    kit_dispatch();
    kit_build(kit_attempt(0));
    is_int(json_object_size(kit_get("steps", NULL)), 2,
           "with nothing left the run is asked, and has both memos");
}


static void
test_refused(void)
{
    size_t         i;
    kit_attempt_t  other;

    static const struct {
        const char  *body;
        unsigned     status;
        const char  *sentence;
    } tests[] = {
        { "[" KIT_RUN(KIT_A, "a", "1") "," KIT_SLEEP(KIT_B, "b", "1h") "]",
          400, "op 1 is Sleep" },
        { "[" KIT_RUN(KIT_A, "a", "1") ",{\"op\":\"RunComplete\",\"id\":\""
          KIT_B "\",\"data\":1}]", 400, "op 1 is RunComplete" },
        { "[{\"op\":\"SyncRunComplete\",\"id\":\"" KIT_B "\"}]", 400,
          "op 0 is SyncRunComplete" },
        { "[" KIT_RUN(KIT_A, "a", "1") "," KIT_ERROR("StepFailed", KIT_B, "b")
          "]", 400, "op 1 is StepFailed" },
        { "[" KIT_ERROR("StepError", KIT_B, "b") "]", 400,
          "op 0 is StepError" },
        { "[" KIT_RUN(KIT_A, "a", "1") ",{\"op\":\"Bogus\",\"id\":\"" KIT_B
          "\"}]", 400, "op 1 has an unknown" },
        { "[" KIT_RUN(KIT_A, "a", "1") ",null]", 400,
          "op 1 is not an object" },
        { "[" KIT_RUN("xyz", "a", "1") "]", 400, "40 lower-case hex" },
        { "[{", 400, "not JSON" },
        { "7", 400, "not a list of ops" }
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        begin(1);
        checkpoint(tests[i].body);
        is_int(kit.reply.status, tests[i].status, "refused: %s",
               tests[i].sentence);
        ok(says(tests[i].sentence), "in words");
        is_int(memos(), 0, "nothing of it is stored");
        is_str(dur_str_c(kit_status(&event)), "Running", "the run goes on");
    }

    begin(1);
    run.b[15]++;
    checkpoint("[" KIT_RUN(KIT_A, "a", "1") "]");
    is_int(kit.reply.status, 404, "a run that never was is 404");

    begin(1);
    other = call;
    kit_event("f");
    kit_dispatch();
    other = kit_attempt(0);
    checkpoint_of(other, "[" KIT_RUN(KIT_A, "a", "1") "]");
    is_int(kit.reply.status, 409, "the call of another run is 409");

    kit_result(call, 200, KIT_SDK, "1");
    checkpoint("[" KIT_RUN(KIT_A, "a", "1") "]");
    is_int(kit.reply.status, 409, "a run that has ended is 409");
    ok(says("has ended: Completed"), "and says how");
}


static void
test_limits(void)
{
    size_t     i;
    dur_buf_t  b;

    dur_buf_init(&b, 1 << 20);

    begin(1);
    dur_buf_addc(&b, '[');
    for (i = 0; i < 1001; i++) {
        dur_buf_addf(&b, "%s{\"op\":\"StepRun\",\"id\":\"%040zx\"}",
                     i ? "," : "", i + 1);
    }
    dur_buf_addz(&b, "]");
    dur_buf_addc(&b, '\0');
    checkpoint((char *) b.data);
    is_int(kit.reply.status, 413, "more than 1,000 ops are too many");
    is_int(memos(), 0, "nothing of them is stored");
    is_str(dur_str_c(kit_status(&event)), "Running",
           "the run goes on: the SDK may tell them otherwise");

    kit.conf.max_steps = 2;
    begin(1);
    kit_configure();
    checkpoint("[" KIT_RUN(KIT_A, "a", "1") "," KIT_RUN(KIT_B, "b", "1") ","
               KIT_RUN(KIT_A, "a", "1") "]");
    is_int(kit.reply.status, 200, "as many steps as the limit are fine");
    checkpoint("[" KIT_RUN(KIT_C, "c", "1") "]");
    is_int(kit.reply.status, 413, "one more is too many");
    is_str(dur_str_c(kit_status(&event)), "Failed", "and ends the run");
    kit.conf.max_steps = 1000;

    kit.conf.max_output = 10;
    begin(1);
    kit_configure();
    checkpoint("[" KIT_RUN(KIT_A, "a", "\"12345678\"") "]");
    is_int(kit.reply.status, 200, "an output as long as the limit is fine");
    checkpoint("[" KIT_RUN(KIT_B, "b", "\"123456789\"") "]");
    is_int(kit.reply.status, 413, "a longer one is 413");
    is_str(dur_str_c(kit_status(&event)), "Failed", "and ends the run");
    ok(kit_effect(DUR_EFFECT_CANCEL, 0) != NULL, "its call is cancelled");
    kit.conf.max_output = 4 << 20;

    kit.conf.max_state = 10;
    begin(1);
    kit_configure();
    checkpoint("[" KIT_RUN(KIT_A, "a", "12345") "," KIT_RUN(KIT_B, "b",
               "12345") "," KIT_RUN(KIT_A, "a", "12345") "]");
    is_int(kit.reply.status, 200, "outputs as long as the limit are fine");
    checkpoint("[" KIT_RUN(KIT_C, "c", "1") "]");
    is_int(kit.reply.status, 413, "more are 413");
    is_str(dur_str_c(kit_status(&event)), "Failed", "and end the run");
    kit.conf.max_state = 32 << 20;

    dur_buf_deinit(&b);
}


static void
test_history(void)
{
    char     text[512];
    json_t  *list;

    begin(1);
    kit.now += 5000;

    snprintf(text, sizeof(text), "[{\"op\":\"StepRun\",\"id\":\"" KIT_A "\","
             "\"displayName\":\"a\",\"data\":1,\"timing\":{\"a\":%" PRId64
             "000000,\"b\":1500000000}},{\"op\":\"StepRun\",\"id\":\"" KIT_B
             "\",\"displayName\":\"b\",\"data\":1,\"timing\":{\"a\":%" PRId64
             "000000,\"b\":500000000}}]", kit.now - 3000, kit.now - 1000);
    checkpoint(text);
    checkpoint(text);

    list = history();
    is_int(json_array_size(list), 1, "each checkpoint is one record, told "
           "twice it is still one");
    is_str(dur_str_c(member(list, 0, "outcome")), "checkpoint",
           "that says what it is");
    is_str(dur_str_c(member(list, 0, "step")), "a", "its first step");
    is_int(json_integer_value(json_object_get(json_array_get(list, 0),
                                              "duration_us")), 2500000,
           "and how long it took by the app's clock");
    json_decref(list);

    snprintf(text, sizeof(text), "[{\"op\":\"StepRun\",\"id\":\"" KIT_C "\","
             "\"displayName\":\"c\",\"data\":1,\"timing\":{\"a\":%" PRId64
             "000000,\"b\":7}}]", kit.now + 3600000);
    checkpoint(text);
    is_int(kit.reply.status, 200, "a clock that is wrong harms nobody");

    checkpoint("[{\"op\":\"StepRun\",\"id\":\"" KIT_D "\",\"data\":1,"
               "\"timing\":{\"a\":\"x\",\"b\":-1}}]");
    is_int(kit.reply.status, 200, "nor does a time that is none");

    list = history();
    is_int(json_array_size(list), 3, "they are records as well");
    is_str(dur_str_c(member(list, 1, "started_at")),
           member(list, 2, "started_at"), "at the time of the server");
    json_decref(list);
}


int
main(void)
{
    if (!kit_init()) {
        return 1;
    }

    test_steps();
    test_sidecar_lost();
    test_losses();
    test_attempts();
    test_no_item();
    test_planned_steps();
    test_refused();
    test_limits();
    test_history();

    return kit_done();
}
