/* SPDX-License-Identifier: BSD-2-Clause */

/* A run with its steps: the tree, the trace, jobs, and one step. */

#include "kit.h"

#include "engine/dur_step.h"

#define WAIT(id, name, event)                                                \
    "{\"op\":\"WaitForEvent\",\"id\":\"" id "\",\"name\":\"" event           \
    "\",\"displayName\":\"" name "\",\"opts\":{\"timeout\":\"1h\"}}"
#define OP(op, id, name, opts)                                               \
    "{\"op\":\"" op "\",\"id\":\"" id "\",\"name\":\"" name                  \
    "\",\"displayName\":\"" name "\",\"opts\":" opts "}"

static dur_buf_t    out;
static dur_ulid_t   event, run;
static dur_store_t  *store;


static json_t *
parsed(dur_rc_t rc)
{
    json_t        *v;
    json_error_t   error;

    if (rc != DUR_OK) {
        ok(false, "the query answers: %s", dur_strerror(rc));
        return NULL;
    }

    v = json_loadb((char *) out.data, out.len, JSON_DECODE_ANY, &error);

    if (v == NULL) {
        ok(false, "the answer is JSON: %s", error.text);
    }

    dur_buf_reset(&out);

    return v;
}


static json_t *
tree(void)
{
    return parsed(dur_query_tree(store, &run, &out));
}


/* A path such as "steps.0.attempts.1.error", as text; "(none)". */
static const char *
at(json_t *v, const char *path)
{
    char         *key, *rest, copy[128];
    static char   text[64];

    snprintf(copy, sizeof(copy), "%s", path);

    for (key = strtok_r(copy, ".", &rest); key != NULL;
         key = strtok_r(NULL, ".", &rest))
    {
        v = json_is_array(v) ? json_array_get(v, (size_t) atoi(key))
                             : json_object_get(v, key);
    }

    if (json_is_string(v)) {
        return json_string_value(v);
    }

    if (json_is_integer(v)) {
        snprintf(text, sizeof(text), "%lld",
                 (long long) json_integer_value(v));
        return text;
    }

    return json_is_null(v) ? "null" : v ? "(other)" : "(none)";
}


static void
start(void)
{
    kit_fresh();
    store = dur_engine_store(kit.engine);
    kit_register("f", 3);
    event = kit_event("f");
    run = kit_run_id(&event);
}


/* The first call is answered with these ops. */
static void
begin(const char *ops)
{
    start();
    kit_dispatch();
    kit_result(kit_attempt(0), 206, KIT_SDK, ops);
}


/* -- what the tree says --------------------------------------------------- */

static void
test_header(void)
{
    char     id[DUR_ULID_TEXT_LEN + 1];
    json_t  *v;

    start();
    dur_ulid_text(&run, id);

    v = tree();
    is_str(dur_str_c(at(v, "run_id")), id, "a tree has the run's id");
    is_str(dur_str_c(at(v, "status")), "Scheduled", "its status");
    is_str(dur_str_c(at(v, "app")), "app", "its app");
    is_str(dur_str_c(at(v, "function")), "app-f", "its function");
    dur_ulid_text(&event, id);
    is_str(dur_str_c(at(v, "event_ids.0")), id, "its event");
    is_str(dur_str_c(at(v, "waits.for")), "queue",
           "a run that was not called waits in the queue");
    is_str(dur_str_c(at(v, "next_at")), "null", "until it is called");
    is_str(dur_str_c(at(v, "output")), "null", "and has no output");
    is_int(json_array_size(json_object_get(v, "steps")), 0, "nor steps");
    json_decref(v);

    kit_dispatch();
    v = tree();
    is_str(dur_str_c(at(v, "waits.for")), "call",
           "one that is called waits for the answer");
    json_decref(v);

    kit_result(kit_attempt(0), 500, KIT_SDK, "{\"message\":\"boom\"}");
    v = tree();
    is_str(dur_str_c(at(v, "waits.for")), "retry",
           "one that failed for another attempt");
    ok(at(v, "waits.until")[0] == '2', "at a time");
    is_str(dur_str_c(at(v, "attempts.0.status")), "500",
           "the attempt is there with its status");
    is_str(dur_str_c(at(v, "attempts.0.outcome")), "retry", "its outcome");
    ok(strstr(at(v, "attempts.0.error"), "boom") != NULL, "and its error");
    json_decref(v);
}


static void
test_steps(void)
{
    json_t  *v;

    begin("[" KIT_RUN(KIT_B, "b", "{\"x\":1}") "]");
    kit.now += 5;
    kit_result(kit_attempt(0), 206, KIT_SDK,
               "[" KIT_ERROR("StepError", KIT_A, "a") "]");
    kit_timers();
    kit_dispatch();
    kit_result(kit_attempt(0), 206, KIT_SDK,
               "[" KIT_ERROR("StepFailed", KIT_A, "a") "]");

    v = tree();
    is_str(dur_str_c(at(v, "steps.0.id")), "b",
           "steps have the order of their first appearance");
    is_str(dur_str_c(at(v, "steps.0.hashed_id")), KIT_B, "their hash");
    is_str(dur_str_c(at(v, "steps.0.op")), "StepRun", "their op");
    is_str(dur_str_c(at(v, "steps.0.state")), "done", "their state");
    is_str(dur_str_c(at(v, "steps.0.output.x")), "1", "their output");
    is_str(dur_str_c(at(v, "steps.0.attempts.0.outcome")), "ok",
           "and the call that brought it");
    is_str(dur_str_c(at(v, "steps.1.error.message")), "bad step",
           "one that failed has its error");
    is_str(dur_str_c(at(v, "steps.1.output")), "(none)", "and no output");
    is_int(json_array_size(json_object_get(json_array_get(
               json_object_get(v, "steps"), 1), "attempts")), 2,
           "every attempt of it is there");
    is_str(dur_str_c(at(v, "steps.1.attempts.0.outcome")), "retry",
           "with what became of it");
    is_int(json_array_size(json_object_get(v, "attempts")), 0,
           "no call is left over");
    json_decref(v);

    kit_result(kit_attempt(0), 200, KIT_SDK, "\"end\"");
    v = tree();
    is_str(dur_str_c(at(v, "status")), "Completed", "an ended run");
    is_str(dur_str_c(at(v, "output")), "end", "has its output");
    is_str(dur_str_c(at(v, "waits")), "null", "and waits for nothing");
    json_decref(v);
}


static void
test_waits(void)
{
    json_t  *v;

    begin("[" KIT_SLEEP(KIT_A, "nap", "30m") "," WAIT(KIT_B, "w", "t/go")
          "," KIT_PLAN(KIT_C, "c") "]");

    if (kit_calls() == 0) {
        kit_dispatch();
    }

    v = tree();
    is_int(json_array_size(json_object_get(v, "steps")), 3,
           "steps that are not done are there");
    is_str(dur_str_c(at(v, "waits.for")), "call",
           "what is nearest is why a run waits");
    is_str(dur_str_c(at(v, "waits.step")), "c", "with the step");
    ok(at(v, "next_at")[0] == '2', "and the next time it wakes up");
    json_decref(v);

    kit_result(kit_attempt(0), 206, KIT_SDK,
               "[" KIT_RUN(KIT_C, "c", "1") "]");

    v = tree();
    is_str(dur_str_c(at(v, "steps.0.state")), "done", "done ones come first");
    is_str(dur_str_c(at(v, "steps.2.state")), "sleeping", "a sleep sleeps");
    ok(at(v, "steps.2.wakes_at")[0] == '2', "until");
    is_str(dur_str_c(at(v, "steps.1.state")), "waiting", "a wait waits");
    is_str(dur_str_c(at(v, "steps.1.event")), "t/go", "for an event");
    ok(at(v, "steps.1.expires_at")[0] == '2', "for so long");
    is_str(dur_str_c(at(v, "waits.for")), "sleep",
           "of two times the first is why it waits");
    json_decref(v);

    v = parsed(dur_query_jobs(store, &run, &out));
    is_int(json_array_size(v), 2, "its jobs are its open items");
    is_str(dur_str_c(at(v, "0.Raw.state")), "timer", "on a timer");
    is_str(dur_str_c(at(v, "0.attempt")), "0", "with the attempt");
    is_str(dur_str_c(at(v, "0.Raw.step_id")), KIT_A, "of a step");
    is_str(dur_str_c(at(v, "0.kind")), "sleep", "and a kind");
    is_str(dur_str_c(at(v, "1.kind")), "wait", "each of its own");
    json_decref(v);
}


static void
test_parked(void)
{
    json_t    *v;
    unsigned   i;

    start();

    for (i = 0; i < 6; i++) {
        kit_event("f");
    }

    kit_dispatch();
    kit_gather();

    for (i = 0; i < 6; i++) {
        kit_result_error(kit_take("app-f"), DUR_CALL_ECONNECT);
    }

    event = kit_event("f");
    run = kit_run_id(&event);

    v = tree();
    is_str(dur_str_c(at(v, "waits.for")), "parked",
           "a run of an app that does not answer waits for the app");
    ok(strstr(at(v, "waits.error"), "refused") != NULL,
       "with what is wrong");
    ok(at(v, "next_at")[0] == '2', "until it is tried again");
    json_decref(v);
}


static void
test_paused(void)
{
    json_t    *v;
    dur_op_t   op;

    start();
    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_PAUSE;
    op.url = dur_str("app-f");
    op.generation = 1;
    kit_op(&op);
    is_int(kit_dispatch(), 0, "a function that is paused is not called");

    v = tree();
    is_str(dur_str_c(at(v, "waits.for")), "paused",
           "its run waits for that to end");
    json_decref(v);

    v = parsed(dur_query_jobs(store, &run, &out));
    is_str(dur_str_c(at(v, "0.Raw.state")), "ready",
           "and its job is there all the same");
    json_decref(v);
}


/* A batch is open, as while the leader decides. */
static void
test_beside_a_batch(void)
{
    json_t             *v;
    dur_query_list_t    q;
    dur_query_page_t    page;

    begin("[" KIT_SLEEP(KIT_A, "nap", "1h") "]");
    memset(&q, 0, sizeof(q));
    q.limit = 5;
    q.filter.before_ms = INT64_MAX;

    is_int(dur_engine_begin(kit.engine, kit.now, &kit.arena), DUR_OK,
           "while a batch is decided");
    v = tree();
    is_str(dur_str_c(at(v, "waits.for")), "sleep", "a run can be read");
    json_decref(v);
    v = parsed(dur_query_runs(store, &q, &page, &out));
    is_int(json_array_size(v), 1, "and the list of them");
    json_decref(v);
    dur_engine_abort(kit.engine);
}


static void
test_invoke(void)
{
    json_t      *v, *list;
    dur_ulid_t   child;

    kit_fresh();
    store = dur_engine_store(kit.engine);
    kit_app("app", KIT_FN("app-f", KIT_ON("t/f"), "") ","
            KIT_FN("app-g", KIT_ON("t/g"), ""));
    event = kit_event("f");
    run = kit_run_id(&event);
    kit_dispatch();
    kit_result(kit_attempt(0), 206, KIT_SDK,
               "[" KIT_INVOKE(KIT_A, "call g", "app-g", "") "]");

    v = tree();
    is_str(dur_str_c(at(v, "steps.0.function")), "app-g",
           "an invoke names its function");
    is_str(dur_str_c(at(v, "waits.for")), "invoke", "the run waits for it");
    ok(dur_ulid_parse(dur_str_c(at(v, "steps.0.child_run_id")), &child)
       == DUR_OK, "with the run that it started");
    json_decref(v);

    list = parsed(dur_query_tree(store, &child, &out));
    is_str(dur_str_c(at(list, "function")), "app-g", "which can be read");
    ok(dur_ulid_parse(dur_str_c(at(list, "parent_run_id")), &child) == DUR_OK
       && memcmp(&child, &run, sizeof(run)) == 0, "and names its parent");
    json_decref(list);
}


/* -- secrets -------------------------------------------------------------- */

static void
test_secrets(void)
{
    size_t              i;
    dur_hash_t          a;
    static const char  *secrets[] = {
        "sk-secret", "tok-secret", "pw-secret", "key-secret", "odd-secret"
    };
    dur_rc_t (*queries[])(dur_store_t *, const dur_ulid_t *, dur_buf_t *) = {
        dur_query_tree, dur_query_trace, dur_query_jobs, dur_query_history
    };

    begin("[" OP("AIGateway", KIT_A, "ask",
                 "{\"type\":\"step.ai.infer\",\"url\":\"https://u:pw-secret@"
                 "ai.test/v1?key=key-secret&n=1#f\",\"auth_key\":\"sk-secret"
                 "\",\"format\":\"openai-chat\",\"headers\":{\"Authorization"
                 "\":\"Bearer tok-secret\",\"X-Odd\":\"odd-secret\","
                 "\"Content-Type\":\"text/plain\"},\"body\":{\"m\":1}}") "]");

    json_decref(tree());
    (void) dur_hash_parse(dur_str(KIT_A), &a);

    for (i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        is_int(queries[i](store, &run, &out), DUR_OK, "query %zu", i);
    }

    is_int(dur_query_step(store, &run, &a, &out), DUR_OK, "and the step");

    for (i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        ok(memmem(out.data, out.len, secrets[i], strlen(secrets[i])) == NULL,
           "%s is not shown", secrets[i]);
    }

    ok(memmem(out.data, out.len, "https://ai.test/v1?key=***&n=***\"", 33)
       != NULL, "the URL is, with the names of its arguments");
    ok(memmem(out.data, out.len, "\"Content-Type\":\"text/plain\"", 27)
       != NULL, "and a header that says what is sent");
    ok(memmem(out.data, out.len, "\"X-Odd\":\"***\"", 13) != NULL,
       "and the names of the others");
    ok(memmem(out.data, out.len, "{\"m\":1}", 7) != NULL, "and the body");
    dur_buf_reset(&out);
}


/* -- large and broken runs ------------------------------------------------ */

static void
test_large_output(void)
{
    char        *ops;
    json_t      *v;
    size_t       n = 100 * 1000;
    dur_hash_t   a;

    ops = malloc(n + 512);
    if (ops == NULL) {
        exit(2);
    }

    snprintf(ops, n + 512, "[{\"op\":\"StepRun\",\"id\":\"" KIT_A "\",\"name\""
             ":\"a\",\"displayName\":\"a\",\"opts\":{},\"data\":\"%0*d\"}]",
             (int) n, 0);
    begin(ops);
    free(ops);

    v = tree();
    is_str(dur_str_c(at(v, "steps.0.output")), "null",
           "an output that is large is not in the tree");
    is_str(dur_str_c(at(v, "steps.0.output_bytes")), "100002",
           "but its length");
    ok(strstr(at(v, "steps.0.link"), "/steps/" KIT_A) != NULL,
       "and where it is");
    json_decref(v);

    (void) dur_hash_parse(dur_str(KIT_A), &a);
    v = parsed(dur_query_step(store, &run, &a, &out));
    is_int(json_string_length(json_object_get(v, "output")), n,
           "there it is whole");
    json_decref(v);
}


static void
test_many_steps(void)
{
    char        hash[64], name[32];
    json_t     *v, *steps;
    size_t      i, wrong;
    unsigned    n;
    dur_buf_t   ops;

    start();
    kit_dispatch();
    dur_buf_init(&ops, 1 << 20);

    for (n = 0; n < 1000; n += 50) {
        dur_buf_reset(&ops);

        for (i = n; i < n + 50; i++) {
            snprintf(hash, sizeof(hash), "%08zx%032d", i * 2654435761u
                     & 0xffffffff, 7);
            dur_buf_addf(&ops, "%s{\"op\":\"StepRun\",\"id\":\"%s\",\"name\":"
                         "\"s%zu\",\"opts\":{},\"data\":%zu}",
                         i == n ? "[" : ",", hash, i, i);
        }

        dur_buf_add(&ops, "]", 2);
        kit.now++;
        kit_result(kit_attempt(0), 206, KIT_SDK, (char *) ops.data);

        if (kit_calls() == 0) {
            kit_dispatch();
        }
    }

    dur_buf_deinit(&ops);

    v = tree();
    steps = json_object_get(v, "steps");
    is_int(json_array_size(steps), 1000, "a run of 1,000 steps has them all");

    wrong = 0;

    for (i = 0; i < json_array_size(steps); i++) {
        snprintf(name, sizeof(name), "s%zu", i);
        wrong += strcmp(at(json_array_get(steps, i), "id"), name) != 0;
    }

    is_int(wrong, 0, "in their order");
    json_decref(v);

    v = parsed(dur_query_trace(store, &run, &out));
    is_int(json_array_size(json_object_get(json_object_get(v, "rootSpan"),
                                           "childrenSpans")), 1000,
           "and as spans");
    json_decref(v);
}


/* Takes rows of the run away as retention would have by now. */
static void
lose(dur_table_t table)
{
    dur_str_t      k;
    dur_txn_t     *t;
    dur_cursor_t  *c;

    if (dur_txn_begin(store, true, &t) != DUR_OK
        || dur_cursor_open(t, table, &c) != DUR_OK)
    {
        exit(2);
    }

    while (dur_cursor_seek(c, dur_str_make(run.b, DUR_ULID_LEN), &k, NULL)
           == DUR_OK
           && memcmp(k.data, run.b, DUR_ULID_LEN) == 0)
    {
        dur_cursor_del(c);
    }

    dur_cursor_close(c);

    if (dur_txn_commit(t) != DUR_OK) {
        exit(2);
    }
}


static void
test_half_gone(void)
{
    char    *body;
    json_t  *v;

    body = malloc(8192);
    if (body == NULL) {
        exit(2);
    }

    begin("[" KIT_RUN(KIT_A, "a", "1") "]");
    snprintf(body, 8192, "\"%05000d\"", 0);
    kit_result(kit_attempt(0), 200, KIT_SDK, body);
    free(body);

    lose(DUR_T_PAYLOAD);
    v = tree();
    is_str(dur_str_c(at(v, "output")), "null",
           "a run whose output is gone has none");
    ok(json_is_true(json_object_get(v, "incomplete")), "and says so");
    json_decref(v);

    lose(DUR_T_STEP);
    lose(DUR_T_HISTORY);
    v = tree();
    is_int(json_array_size(json_object_get(v, "steps")), 0,
           "one that is nearly gone is still a run");
    json_decref(v);

    v = parsed(dur_query_event_runs(store, &event, &out));
    is_int(json_array_size(v), 1, "also in a list");
    json_decref(v);
    json_decref(parsed(dur_query_trace(store, &run, &out)));

    lose(DUR_T_RUN);
    is_int(dur_query_tree(store, &run, &out), DUR_ENOTFOUND,
           "then it is not found");
    v = parsed(dur_query_event_runs(store, &event, &out));
    is_int(json_array_size(v), 0, "and in no list");
    json_decref(v);
}


/* -- spans ---------------------------------------------------------------- */

static void
test_trace(void)
{
    json_t  *v;

    begin("[" KIT_RUN(KIT_B, "b", "1") "," KIT_SLEEP(KIT_A, "nap", "1h")
          "]");

    v = parsed(dur_query_trace(store, &run, &out));
    is_str(dur_str_c(at(v, "rootSpan.status")), "RUNNING",
           "a trace has the run at its root");
    is_str(dur_str_c(at(v, "rootSpan.childrenSpans.0.stepOp")), "RUN",
           "and the steps below it");
    is_str(dur_str_c(at(v, "rootSpan.childrenSpans.0.childrenSpans.0.name")),
           "Attempt 0", "each with its attempts");
    is_str(dur_str_c(at(v, "rootSpan.childrenSpans.1.stepOp")), "SLEEP",
           "what kind they are");
    is_str(dur_str_c(at(v, "rootSpan.childrenSpans.1.status")), "WAITING",
           "and how they are");
    json_decref(v);
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    dur_buf_init(&out, 64 << 20);

    test_header();
    test_steps();
    test_waits();
    test_parked();
    test_paused();
    test_beside_a_batch();
    test_invoke();
    test_secrets();
    test_large_output();
    test_many_steps();
    test_half_gone();
    test_trace();

    dur_buf_deinit(&out);

    return kit_done();
}
