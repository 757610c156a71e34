/* SPDX-License-Identifier: BSD-2-Clause */

/* The runs of batches, and who waits for them: features 0.4, 1.7, 2.5, 5.5. */

#include "window_kit.h"

#define FN(more)    KIT_FN("app-f", KIT_ON("f"), more)
#define BATCH(size, timeout, more)                                           \
    ",\"batchEvents\":{\"maxSize\":" size ",\"timeout\":\"" timeout "\""     \
    more "}"
#define KEY(expression)  ",\"key\":\"" expression "\""


static void
test_run(void)
{
    dur_ulid_t  a;

    kit_fresh();
    kit_app("app", FN(BATCH("2", "1m", "")
                      ",\"timeouts\":{\"start\":\"5s\",\"finish\":\"10s\"}"));
    a = put((sent_t) { "f", "{\"n\":1}", NULL, kit.now + HOUR });
    series(2, 2);
    is_text(kit_status(&a), "Scheduled", "an event of the future does not put "
            "a batch off");
    pass(HOUR);
    is_text(kit_status(&a), "Scheduled", "a batch has no time to start in");
    is_text(called("app-f"), "1,2", "it begins when it is called");
    pass(10 * SECOND);
    is_text(kit_status(&a), "Cancelled", "and has its time to finish");
}


/* Batches are limited as one run each, with the keys of their first event. */
static void
test_limits(void)
{
    kit_attempt_t  a, b;

    kit_fresh();
    kit_app("app", FN(BATCH("2", "10s", "") ",\"concurrency\":{\"limit\":1,"
                      "\"key\":\"event.data.k\"}"));

    send("{\"n\":1,\"k\":\"x\"}");
    send("{\"n\":2,\"k\":\"y\"}");
    send("{\"n\":3,\"k\":\"x\"}");
    send("{\"n\":4,\"k\":\"x\"}");
    send("{\"n\":5,\"k\":\"y\"}");
    send("{\"n\":6,\"k\":\"x\"}");

    a = kit_take("app-f");
    is_text(numbers(kit_get("events", NULL)), "1,2", "a batch has a slot of "
            "its first event's key");
    b = kit_take("app-f");
    is_text(numbers(kit_get("events", NULL)), "5,6", "one of another key has "
            "its own");
    ok(kit_take("app-f").item == 0, "and a second one of the key waits");
    kit_result(a, 200, KIT_SDK, "1");
    is_text(called("app-f"), "3,4", "until the first one has ended");
    kit_result(b, 200, KIT_SDK, "1");

    kit_fresh();
    kit_app("app", FN(BATCH("2", "10s", "") ",\"throttle\":{\"limit\":1,"
                      "\"period\":\"1m\"}"));
    series(1, 4);
    is_text(called("app-f"), "1,2", "a throttle lets a batch go");
    ok(kit_take("app-f").item == 0, "and counts it as one run");
    pass(MINUTE);
    is_text(called("app-f"), "3,4", "so the next one goes in its time");
}


/* -- callers -------------------------------------------------------------- */

#define CALLS  "[" KIT_INVOKE(KIT_A, "a", "app-f", ",\"timeout\":\"1h\"") "]"


static void
test_answers(void)
{
    size_t         i, finished, correlated;
    json_t        *v, *list, *data;
    dur_ulid_t     callers[30];
    kit_attempt_t  call;

    kit_fresh();
    kit_app("app", KIT_FN("app-f", KIT_ON("f"), BATCH("31", "10s", "")) ","
            KIT_FN("app-p", KIT_ON("p"), "") ","
            KIT_FN("app-l", KIT_IF("inngest/function.finished",
                                   "event.data.function_id == 'app-f'"), ""));

    send("{\"n\":1}");

    for (i = 0; i < 30; i++) {
        callers[i] = put((sent_t) { "p", "{}", NULL, 0 });
        kit_answer("app-p", 206, CALLS);
        kit_gather();
    }

    call = kit_take("app-f");
    ok(call.item != 0, "a batch with invokes is full");
    is_int(json_array_size(kit_get("events", NULL)), 31, "and has them all");

    kit_result(call, 200, KIT_SDK, "\"done\"");
    kit_gather();
    kit_reopen();
    settle();

    for (i = 0; i < 30; i++) {
        if (kit_take("app-p").item == 0
            || !kit_is(kit_get("steps", KIT_A), "{\"data\":\"done\"}"))
        {
            break;
        }
    }

    is_int(i, 30, "each caller is answered, also by the next leader");
    is_text(kit_status(&callers[29]), "Running", "and goes on");

    list = kit_events("inngest/function.finished");
    finished = correlated = 0;

    for (i = 0; i < json_array_size(list); i++) {
        data = json_object_get(json_array_get(list, i), "data");

        if (strcmp(json_string_value(json_object_get(data, "function_id")),
                   "app-f") != 0)
        {
            continue;
        }

        finished++;
        correlated += json_object_get(data, "correlation_id") != NULL;
        ok(json_array_size(json_object_get(data, "events")) == 31,
           "an event of the end has all events");
    }

    is_int(finished, 31, "one for the first event and one for each caller");
    is_int(correlated, 30, "which has its correlation");
    json_decref(list);

    v = kit_run(&callers[0]);
    ok(v != NULL, "callers have runs of their own");
    json_decref(v);
}


/* The end of a run that callers wait for, by a cancellation. */
static void
test_cancelled(void)
{
    dur_op_t    op;
    dur_ulid_t  caller, other;

    kit_fresh();
    kit_app("app", KIT_FN("app-f", KIT_ON("f"), BATCH("2", "10s", "")) ","
            KIT_FN("app-p", KIT_ON("p"), ""));

    caller = put((sent_t) { "p", "{}", NULL, 0 });
    kit_answer("app-p", 206, CALLS);
    kit_gather();
    other = send("{\"n\":1}");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    op.run = kit_run_id(&other);
    kit_op(&op);
    kit_gather();
    settle();
    is_text(kit_status(&other), "Cancelled", "a batch is cancelled");
    ok(kit_take("app-p").item != 0, "who invoked it goes on");
    ok(json_object_get(kit_get("steps", KIT_A), "error") != NULL,
       "with an error");
    is_text(kit_status(&caller), "Running", "that it may catch");
}


/* The function is removed while its batch is open. */
static void
test_removed(void)
{
    unsigned    i, told, known;
    dur_ulid_t  callers[30];

    kit_fresh();
    kit_app("app", KIT_FN("app-f", KIT_ON("f"), BATCH("100", "10s", "")) ","
            KIT_FN("app-p", KIT_ON("p"), ""));

    for (i = 0; i < 30; i++) {
        callers[i] = put((sent_t) { "p", "{}", NULL, 0 });
        kit_answer("app-p", 206, CALLS);
        kit_gather();
    }

    kit_app("app", KIT_FN("app-p", KIT_ON("p"), ""));
    pass(10 * SECOND);
    kit_reopen();
    settle();

    for (told = 0, known = 0; kit_take("app-p").item != 0; told++) {
        known += kit_is(kit_get("steps", KIT_A), "{\"error\":{\"message\":"
                        "\"could not find function with ID: app-f\","
                        "\"name\":\"Error\"}}");
    }

    is_int(told, 30, "who invoked a function that is gone goes on");
    is_int(known, 30, "and knows why");
    is_text(kit_status(&callers[29]), "Running", "it may catch that");
    is_int(rows(DUR_T_FLOW) + rows(DUR_T_TASK), 0, "nothing is left of it");
}


static void
test_refused(void)
{
    kit_fresh();
    kit_app("app", KIT_FN("app-f", KIT_ON("f"),
                          BATCH("2", "10s", KEY("event.data.q - "
                                "event.data._inngest.fn_id"))) ","
            KIT_FN("app-p", KIT_ON("p"), ""));

    put((sent_t) { "p", "{}", NULL, 0 });
    kit_answer("app-p", 206, CALLS);
    kit_gather();
    settle();
    ok(kit_take("app-p").item != 0, "an invoke whose key has no value");
    ok(json_object_get(kit_get("steps", KIT_A), "error") != NULL,
       "is an error of its step");
}


static void
test_direct(void)
{
    json_t    *v;
    dur_op_t   op;
    char       body[256], id[DUR_ULID_TEXT_LEN + 1];

    kit_fresh();
    kit_app("app", FN(BATCH("2", "10s", "")));

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_INVOKE;
    op.id = kit_ulid(77);
    op.url = dur_str("app-f");
    dur_ulid_text(&op.id, id);
    snprintf(body, sizeof(body), "{\"id\":\"%s\",\"ts\":%" PRId64 ","
             "\"data\":{\"n\":1}}", id, kit.now);
    op.body = dur_str_c(body);
    kit_op(&op);

    v = json_loadb((char *) kit.reply.body.data, kit.reply.body.len, 0, NULL);
    is_int(kit.reply.status, 200, "a batched function is invoked by request");
    ok(json_object_get(v, "run_id") != NULL, "and the run to come is named");
    json_decref(v);

    send("{\"n\":2}");
    is_text(called("app-f"), "1,2", "which has the event");
}


/* -- again ---------------------------------------------------------------- */

static dur_ulid_t
rerun(const dur_ulid_t *run)
{
    json_t      *v;
    dur_op_t     op;
    dur_ulid_t   id;

    memset(&id, 0, sizeof(id));
    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_RERUN;
    op.run = *run;
    op.id = kit_ulid(kit.entropy + 1);
    kit_op(&op);

    v = json_loadb((char *) kit.reply.body.data, kit.reply.body.len, 0, NULL);
    (void) dur_ulid_parse(dur_str_c(json_string_value(
                              json_object_get(v, "run_id"))), &id);
    json_decref(v);
    kit_gather();
    settle();

    return id;
}


static void
test_rerun(void)
{
    json_t      *v;
    dur_ulid_t   a, run, again;

    kit_fresh();
    kit.conf.retention = HOUR;
    kit_configure();
    kit_app("app", FN(BATCH("300", "10s", "")));

    a = series(1, 300);
    run = kit_run_id(&a);
    kit_answer("app-f", 200, "1");

    pass(30 * MINUTE);
    again = rerun(&run);
    ok(kit_take("app-f").item != 0, "a batch is run again");
    is_int(json_array_size(kit_get("events", NULL)), 300,
           "with all of its events");

    pass(HOUR);
    ok(stored(&a), "which are kept when the first run is deleted");
    v = asked(dur_query_batch, &again);
    is_int(json_array_size(v), 300, "all of them");
    json_decref(v);
    is_int(runs_of(&a), 1, "and show the run that is left");
    again = rerun(&again);
    ok(kit_take("app-f").item != 0
       && json_array_size(kit_get("events", NULL)) == 300,
       "a rerun is run again");
    kit.conf.retention = 0;
}


static void
test_failed(void)
{
    json_t      *list, *data;
    dur_ulid_t   a;

    kit_fresh();
    kit_app("app", FN(BATCH("3", "10s", "")) ","
            KIT_FN("app-l", KIT_ON("inngest/function.failed"), ""));

    a = series(1, 3);
    kit_answer("app-f", 500, "{\"message\":\"no\"}");
    is_text(kit_status(&a), "Failed", "a batch fails as a whole");

    list = kit_events("inngest/function.failed");
    data = json_object_get(json_array_get(list, 0), "data");
    is_int(json_array_size(list), 1, "which is told once");
    is_text(numbers(json_object_get(data, "events")), "1,2,3",
            "with all events");
    is_int(json_integer_value(json_object_get(json_object_get(
               json_object_get(data, "event"), "data"), "n")), 1,
           "and the first one as its event");
    ok(json_object_get(data, "correlation_id") == NULL, "nobody waits for it");
    json_decref(list);
}


static void
test_waits(void)
{
    dur_ulid_t  a;

    kit_fresh();
    kit_app("app", FN(BATCH("2", "10s", "")));
    a = series(7, 8);
    kit_answer("app-f", 206, "[{\"op\":\"WaitForEvent\",\"id\":\"" KIT_A "\","
               "\"name\":\"w\",\"displayName\":\"w\",\"opts\":{\"timeout\":"
               "\"1h\",\"if\":\"event.data.n == async.data.n\"}}]");
    put((sent_t) { "w", "{\"n\":8}", NULL, 0 });
    ok(kit_take("app-f").item == 0, "a wait looks at the first event");
    put((sent_t) { "w", "{\"n\":7}", NULL, 0 });
    is_text(called("app-f"), "7,8", "which lets the batch go on");
    is_text(kit_status(&a), "Running", "with its events");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_run();
    test_limits();
    test_answers();
    test_cancelled();
    test_removed();
    test_refused();
    test_direct();
    test_rerun();
    test_failed();
    test_waits();

    return kit_done();
}
