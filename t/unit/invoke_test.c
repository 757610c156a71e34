/* SPDX-License-Identifier: BSD-2-Clause */

/* Runs that are started by name: step.invoke and POST /invoke. */

#include "kit.h"

#define INVOKED      "inngest/function.invoked"
#define ANY_TRIGGER  KIT_ON("t/none")


/* parent "app-p", invoked functions "app-c" and, of another app, "more-m". */
static void
begin(void)
{
    kit_fresh();
    kit_app("app", KIT_FN("app-p", KIT_ON("t/p"), "") ","
            KIT_FN("app-c", ANY_TRIGGER, ""));
    kit_app("more", KIT_FN("more-m", ANY_TRIGGER, ""));
}


/* Starts the parent, which invokes; the event that started it. */
static dur_ulid_t
invoke(const char *ops)
{
    dur_ulid_t  event;

    kit_gather();
    event = kit_event("p");
    kit_answer("app-p", 206, ops);

    return event;
}


/* What the parent's next call is told of the step. */
static bool
memo(const char *step, const char *want)
{
    kit_attempt_t  a;

    a = kit_take("app-p");

    return a.item != 0 && kit_is(kit_get("steps", step), want);
}


/* The n-th newest event of the name; borrowed. */
static json_t *
event_at(const char *name, size_t n)
{
    static json_t  *list;

    json_decref(list);
    list = kit_events(name);

    return json_array_get(list, n);
}


static void
test_result(void)
{
    char            text[200];
    json_t         *event, *data;
    dur_ulid_t      id, run;
    kit_attempt_t   a;

    begin();
    id = invoke("[{\"op\":\"InvokeFunction\",\"id\":\"" KIT_A "\","
                "\"displayName\":\"ask\",\"opts\":{\"function_id\":\"app-c\","
                "\"timeout\":\"1h\",\"payload\":{\"data\":{\"q\":1,"
                "\"_inngest\":{\"fn_id\":\"app-p\"}},\"user\":{\"u\":2},"
                "\"v\":\"7\",\"meta\":{\"sessions\":{\"s\":\"1\"}}}}}]");
    run = kit_run_id(&id);

    is_int(kit_calls(), 1, "the function is called with the same commit");
    a = kit_take("app-c");
    event = kit_get("event", NULL);
    is_str(dur_str_c(json_string_value(json_object_get(event, "name"))),
           INVOKED, "by the event of an invoke");
    ok(kit_is(json_object_get(event, "user"), "{\"u\":2}")
       && kit_is(json_object_get(event, "v"), "\"7\"")
       && kit_is(json_object_get(event, "meta"), "{\"sessions\":{\"s\":"
                 "\"1\"}}"), "with the user, v and meta of the payload");

    data = json_object_get(event, "data");
    ok(kit_is(json_object_get(data, "q"), "1"), "and its data");
    data = json_object_get(data, "_inngest");
    is_str(dur_str_c(json_string_value(json_object_get(data, "fn_id"))),
           "app-c", "and which function it is for, whatever the data said");

    dur_ulid_text(&run, text);
    strcat(text, "." KIT_A);
    is_str(dur_str_c(json_string_value(json_object_get(data,
                                                       "correlation_id"))),
           text, "and the run and step that asked");
    is_int(json_integer_value(json_object_get(data, "expire")),
           kit.now + 3600000, "until when it waits");
    ok(kit_is(json_object_get(data, "name"), "\"ask\"")
       && json_is_string(json_object_get(data, "source_app_id"))
       && json_is_string(json_object_get(data, "source_fn_id"))
       && kit_is(json_object_get(data, "source_fn_v"), "1"),
       "the step's name, and the app and function it comes from");

    is_str(dur_str_c(kit_status(&id)), "Running", "the parent waits");
    is_int(kit_take("app-p").item, 0, "and is not called");

    kit_result(a, 200, KIT_SDK, "{\"sum\":3}");
    is_int(kit_calls(), 1, "the child's end calls the parent at once");
    ok(memo(KIT_A, "{\"data\":{\"sum\":3}}"), "which has the result");
    is_int(dur_engine_next_due(kit.engine), INT64_MAX,
           "and no timeout is left");
}


static void
test_idempotent(void)
{
    dur_ulid_t  id;

    begin();
    id = invoke("[" KIT_INVOKE(KIT_A, "a", "app-c", "") ","
                KIT_PLAN(KIT_B, "b") "]");
    kit_answer("app-p", 206, "[" KIT_RUN(KIT_B, "b", "1") "]");
    ok(event_at(INVOKED, 0) != NULL && event_at(INVOKED, 1) == NULL,
       "an invoke makes one event");

    kit_answer("app-c", 200, "1");
    kit_answer("app-p", 206, "[" KIT_INVOKE(KIT_A, "a", "app-c", "") "]");
    is_int(kit_take("app-c").item, 0,
           "the op that is reported again starts nothing");
    ok(memo(KIT_A, "{\"data\":1}"), "the step keeps its result");
    is_str(dur_str_c(kit_status(&id)), "Running", "and the run goes on");
}


static void
test_failure(void)
{
    dur_ulid_t     id, run;
    dur_op_t       op;

    begin();
    id = invoke("[" KIT_INVOKE(KIT_A, "a", "app-c", "") "]");
    kit_answer("app-c", 400, "{\"name\":\"TypeError\",\"message\":\"boom\","
               "\"stack\":\"at c\",\"cause\":{\"name\":\"Error\",\"message\":"
               "\"disk\"}}");
    ok(memo(KIT_A, "{\"error\":{\"cause\":{\"name\":\"Error\",\"message\":"
            "\"disk\"},\"error\":\"boom\",\"message\":\"boom\",\"name\":"
            "\"TypeError\",\"stack\":\"at c\"}}"),
       "a child that fails fails the step, with its cause");
    is_str(dur_str_c(kit_status(&id)), "Running",
           "the parent may catch that");

    begin();
    id = invoke("[" KIT_INVOKE(KIT_A, "a", "app-c", "") "]");
    kit_take("app-c");
    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    (void) dur_ulid_parse(dur_str_c(json_string_value(json_object_get(
                              kit_get("ctx", NULL), "run_id"))), &run);
    op.run = run;
    kit_op(&op);
    kit_take("app-p");
    is_str(dur_str_c(json_string_value(json_object_get(json_object_get(
               kit_get("steps", KIT_A), "error"), "name"))),
           "InngestInvokeCancelledError",
           "a child that is cancelled fails the step with an error that says "
           "so");
}


static void
test_refused(void)
{
    json_t  *list;

    begin();
    invoke("[" KIT_INVOKE(KIT_A, "a", "app-none", "") "]");
    is_int(kit_calls(), 1, "an unknown function calls the parent at once");
    ok(memo(KIT_A, "{\"error\":{\"name\":\"Error\",\"message\":\"could not "
            "find function with ID: app-none\"}}"),
       "with an error that names it");
    list = kit_events(INVOKED);
    is_int(json_array_size(list), 0, "no event was made");
    json_decref(list);

    begin();
    kit_app("more", KIT_FN("more-x", ANY_TRIGGER, ""));
    invoke("[" KIT_INVOKE(KIT_A, "a", "more-m", "") "]");
    ok(memo(KIT_A, "{\"error\":{\"name\":\"Error\",\"message\":\"could not "
            "find function with ID: more-m\"}}"),
       "a function that is archived is unknown");

    begin();
    invoke("[{\"op\":\"InvokeFunction\",\"id\":\"" KIT_A "\",\"opts\":{"
           "\"function_id\":\"app-c\",\"payload\":{\"data\":[1]}}}]");
    ok(memo(KIT_A, "{\"error\":{\"name\":\"Error\",\"message\":\"the data of "
            "an invoke must be an object\"}}"),
       "data that is no object is an error of the step");

    begin();
    invoke("[{\"op\":\"InvokeFunction\",\"id\":\"" KIT_A "\",\"opts\":{"
           "\"function_id\":\"app-c\"}}]");
    kit_take("app-c");
    is_int(json_object_size(json_object_get(kit_get("event", NULL),
                                            "data")), 1,
           "without a payload the data is empty but for what we add");
}


static void
pause_function(const char *slug, bool on)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_PAUSE;
    op.url = dur_str_c(slug);
    op.generation = on;
    kit_op(&op);
}


static void
test_skipped(void)
{
    dur_ulid_t  id, event;

    begin();
    pause_function("app-c", true);
    id = invoke("[" KIT_INVOKE(KIT_A, "a", "app-c",
                               ",\"timeout\":\"1h\"") "]");
    (void) dur_ulid_parse(dur_str_c(json_string_value(json_object_get(
                              event_at(INVOKED, 0), "internal_id"))), &event);
    is_str(dur_str_c(kit_status(&event)), "Skipped",
           "a function that is paused is skipped");
    pause_function("app-c", false);
    is_int(kit_dispatch(), 0, "which is no answer");
    is_str(dur_str_c(kit_status(&id)), "Running", "the parent waits on");
    kit_timers();
    kit_gather();
    kit_take("app-p");
    ok(json_object_get(kit_get("steps", KIT_A), "error") != NULL,
       "until it times out");
}


static void
test_unknown_beside_others(void)
{
    dur_ulid_t  id;

    begin();
    id = invoke("[" KIT_INVOKE(KIT_A, "a", "app-none", "") ","
                KIT_INVOKE(KIT_B, "b", "app-c", "") "]");
    is_int(kit_take("app-p").item, 0,
           "with an invoke that goes on the parent waits for both");
    kit_answer("app-c", 200, "2");
    kit_take("app-p");
    ok(json_object_size(kit_get("steps", NULL)) == 2, "then it has both");
    ok(kit_is(kit_get("steps", KIT_B), "{\"data\":2}"), "the result");
    ok(json_object_get(kit_get("steps", KIT_A), "error") != NULL,
       "and the error");
    is_str(dur_str_c(kit_status(&id)), "Running", "and lives");
}


static void
test_timeout(void)
{
    int64_t        due;
    dur_ulid_t     id, child;
    kit_attempt_t  a, b;

    begin();
    id = invoke("[" KIT_INVOKE(KIT_A, "a", "app-c",
                               ",\"timeout\":\"30s\"") "]");
    a = kit_take("app-c");
    due = kit_timers();
    is_int(due, kit.now, "the step times out when it is due");
    kit_gather();
    b = kit_take("app-p");
    ok(kit_is(json_object_get(kit_get("steps", KIT_A), "error"),
              "{\"error\":\"InngestInvokeTimeoutError: Timed out waiting for "
              "invoked function to complete\",\"message\":\"Timed out waiting "
              "for invoked function to complete\",\"name\":"
              "\"InngestInvokeTimeoutError\"}"),
       "with the error that SDKs know");

    (void) dur_ulid_parse(dur_str_c(json_string_value(json_object_get(
                              event_at(INVOKED, 0), "internal_id"))), &child);
    is_str(dur_str_c(kit_status(&child)), "Running",
           "the child is not cancelled");
    kit_result(a, 200, KIT_SDK, "\"late\"");
    is_str(dur_str_c(kit_status(&child)), "Completed", "and may end later");
    is_int(kit_calls(), 0, "which nobody waits for any more");

    kit_result(b, 200, KIT_SDK, "1");
    is_str(dur_str_c(kit_status(&id)), "Completed", "the parent ends");
}


static void
test_parent_ended(void)
{
    dur_op_t       op;
    dur_ulid_t     id;
    kit_attempt_t  a;

    begin();
    id = invoke("[" KIT_INVOKE(KIT_A, "a", "app-c", "") "]");
    a = kit_take("app-c");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    op.run = kit_run_id(&id);
    kit_op(&op);
    is_str(dur_str_c(kit_status(&id)), "Cancelled", "the parent is cancelled");

    kit_result(a, 200, KIT_SDK, "1");
    is_int(kit.reply.rc, DUR_OK, "its child ends all the same");
    is_str(dur_str_c(kit_status(&id)), "Cancelled",
           "and changes nothing of the parent");
    is_int(kit_dispatch(), 0, "which is not called");
}


static void
test_restart(void)
{
    dur_ulid_t     id;
    kit_attempt_t  a;

    begin();
    id = invoke("[" KIT_INVOKE(KIT_A, "a", "app-c",
                               ",\"timeout\":\"1h\"") "]");
    a = kit_take("app-c");
    kit_reopen();
    kit_result(a, 200, KIT_SDK, "5");
    is_int(kit_calls(), 1, "a child that ends after a restart");
    ok(memo(KIT_A, "{\"data\":5}"), "resumes its parent");

    begin();
    id = invoke("[" KIT_INVOKE(KIT_A, "a", "app-c",
                               ",\"timeout\":\"1h\"") "]");
    kit_take("app-c");
    kit_reopen();
    kit_timers();
    kit_gather();
    ok(memo(KIT_A, "{\"error\":{\"error\":\"InngestInvokeTimeoutError: Timed "
            "out waiting for invoked function to complete\",\"message\":"
            "\"Timed out waiting for invoked function to complete\",\"name\":"
            "\"InngestInvokeTimeoutError\"}}"),
       "and so does the timeout");
    is_str(dur_str_c(kit_status(&id)), "Running", "the parent lives");
}


static void
test_other_app(void)
{
    char  ops[512], uuid[DUR_UUID_TEXT_LEN + 1];

    begin();
    invoke("[" KIT_INVOKE(KIT_A, "a", "more-m", "") "]");
    kit_answer("more-m", 200, "\"m\"");
    ok(memo(KIT_A, "{\"data\":\"m\"}"), "a function of another app answers");

    begin();
    dur_uuid5("function", dur_str("more-m"), uuid);
    snprintf(ops, sizeof(ops), "[" KIT_INVOKE(KIT_A, "a", "%s", "") "]",
             uuid);
    invoke(ops);
    kit_take("more-m");
    is_str(dur_str_c(json_string_value(json_object_get(json_object_get(
               json_object_get(kit_get("event", NULL), "data"), "_inngest"),
               "fn_id"))), "more-m",
           "a function is found by its UUID too, the event names its slug");
}


static void
test_parallel(void)
{
    dur_ulid_t  id;

    begin();
    id = invoke("[" KIT_INVOKE(KIT_A, "a", "app-c", "") ","
                KIT_INVOKE(KIT_B, "b", "app-c", "") ","
                KIT_INVOKE(KIT_C, "c", "more-m", "") "]");

    kit_answer("app-c", 200, "1");
    kit_answer("more-m", 200, "3");
    is_int(kit_take("app-p").item, 0,
           "the parent of three invokes waits for the third");
    kit_answer("app-c", 200, "2");
    kit_take("app-p");
    ok(kit_is(kit_get("steps", NULL), "{\"" KIT_A "\":{\"data\":1},\"" KIT_B
              "\":{\"data\":2},\"" KIT_C "\":{\"data\":3}}"),
       "each step has the result of its child");
    is_str(dur_str_c(kit_status(&id)), "Running", "the parent lives");
}


/* Runs of "app-p" that each invoke "app-p"; the depth that was refused. */
static unsigned
descend(dur_ulid_t *first)
{
    unsigned       n;
    kit_attempt_t  a;

    *first = kit_event("p");

    for (n = 0; n < 40; n++) {
        a = kit_take("app-p");

        if (a.item == 0 || json_object_size(kit_get("steps", NULL)) > 0) {
            break;
        }

        kit_result(a, 206, KIT_SDK, "[" KIT_INVOKE(KIT_A, "a", "app-p", "")
                   "]");
    }

    return n;
}


static void
test_chain(void)
{
    unsigned       i;
    dur_ulid_t     id;
    kit_attempt_t  a;

    begin();
    is_int(descend(&id), 21, "functions invoke each other 20 runs deep");
    ok(kit_is(json_object_get(json_object_get(kit_get("steps", KIT_A),
                                              "error"), "message"),
              "\"functions may invoke each other 20 runs deep, not deeper\""),
       "and the next one is refused on the step");

    /* the call that has the error is the last one taken: answer by hand */

    begin();
    id = kit_event("p");

    for (i = 0; i < 20; i++) {
        kit_answer("app-p", 206, "[" KIT_INVOKE(KIT_A, "a", "app-p", "")
                   "]");
    }

    for (i = 0; i < 20; i++) {
        a = kit_take("app-p");
        kit_reopen();
        kit_result(a, 200, KIT_SDK, i % 2 ? "{\"n\":1}" : "[1]");
    }

    kit_answer("app-p", 200, "\"top\"");
    is_str(dur_str_c(kit_status(&id)), "Completed",
           "the results come up through all of them, also across restarts");
    is_int(kit_dispatch(), 0, "and nothing is left to call");
    is_int(dur_engine_next_due(kit.engine), INT64_MAX, "or to wait for");
}


/* Each run of the chain may take two steps, and has one already. */
static void
test_chain_of_ends(void)
{
    unsigned               i;
    dur_ulid_t             id;
    dur_engine_stat_t      stat;

    kit.conf.max_steps = 1;
    begin();
    id = kit_event("p");

    for (i = 0; i < 20; i++) {
        kit_answer("app-p", 206, "[" KIT_INVOKE(KIT_A, "a", "app-p", "")
                   "]");
    }

    kit_answer("app-p", 200, "1");
    dur_engine_stat(kit.engine, &stat);
    is_int(stat.runs_live, 0,
           "a child's end may end its parent, and that one's, to the top");
    is_str(dur_str_c(kit_status(&id)), "Failed", "of 20 runs");
    kit.conf.max_steps = 1000;
}


/* Wildcards and waits see the event; names do not. */
static void
test_routing(void)
{
    size_t   n;
    json_t  *list;

    kit_fresh();
    kit_app("app", KIT_FN("app-p", KIT_ON("t/p"), "") ","
            KIT_FN("app-c", KIT_ON(INVOKED), "") ","
            KIT_FN("app-d", KIT_ON(INVOKED), "") ","
            KIT_FN("app-w", KIT_ON("inngest/*"), ""));

    invoke("[" KIT_INVOKE(KIT_A, "a", "app-c", "") "]");
    ok(kit_take("app-c").item != 0, "the function that is named is started");
    is_int(kit_take("app-c").item, 0, "once, though it has a trigger");
    is_int(kit_take("app-d").item, 0,
           "another one with a trigger on invokes is not");
    ok(kit_take("app-w").item != 0, "a wildcard sees the event");
    is_int(kit_take("app-w").item, 0, "once");

    invoke("[" KIT_INVOKE(KIT_A, "a", "app-w", "") "]");
    n = 0;
    while (kit_take("app-w").item != 0) {
        n++;
    }
    is_int(n, 1, "a wildcard that is the function invoked is started once");

    list = kit_events(INVOKED);
    is_int(json_array_size(list), 2, "each invoke left its event");
    json_decref(list);
}


static void
test_many_wildcards(void)
{
    char         text[64 * 1024], *p;
    size_t       n;
    unsigned     i;

    p = text;
    p += sprintf(p, "%s,%s", KIT_FN("app-p", KIT_ON("t/p"), ""),
                 KIT_FN("app-c", KIT_ON("inngest/*"), ""));

    for (i = 0; i < 100; i++) {
        p += sprintf(p, ",{\"id\":\"app-w%u\",\"name\":\"w\",\"triggers\":["
                     KIT_ON("inngest/*") "],\"steps\":{\"step\":{\"id\":"
                     "\"step\",\"name\":\"step\",\"runtime\":{\"type\":"
                     "\"http\",\"url\":\"http://127.0.0.1/?fnId=app-w&stepId="
                     "step\"}}}}", i);
    }

    kit_fresh();
    kit_app("app", text);
    invoke("[" KIT_INVOKE(KIT_A, "a", "app-c", "") "]");
    ok(dur_engine_has_tasks(kit.engine),
       "a hundred wildcards become a task");

    kit_gather();
    for (i = 0; i < 10 && dur_engine_has_tasks(kit.engine); i++) {
        kit_plain(DUR_OP_TASKS, 0);
    }

    n = 0;
    while (kit_take("app-w").item != 0) {
        n++;
    }
    is_int(n, 100, "all of them are started");
    ok(kit_take("app-c").item != 0, "the function invoked as well");
    is_int(kit_take("app-c").item, 0, "once");
}


/* -- by request ----------------------------------------------------------- */

static dur_ulid_t
request(const char *slug, const char *client, const char *data)
{
    char      json[512], id[DUR_ULID_TEXT_LEN + 1];
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_INVOKE;
    op.id = kit_ulid(1000 + kit.entropy);
    dur_ulid_text(&op.id, id);
    snprintf(json, sizeof(json), "{\"data\":%s,\"id\":\"%s\",\"name\":\""
             INVOKED "\",\"ts\":%" PRId64 ",\"user\":{}}", data,
             client ? client : id, kit.now);
    op.url = dur_str_c(slug);
    op.body = dur_str_c(json);
    kit_op(&op);

    return op.id;
}


static void
test_request(void)
{
    char         text[128], run[DUR_ULID_TEXT_LEN + 1];
    dur_ulid_t   id, known;

    begin();
    id = request("app-c", NULL, "{\"x\":1}");
    is_int(kit.reply.status, 200, "a function is started by name");
    known = kit_run_id(&id);
    dur_ulid_text(&known, run);
    snprintf(text, sizeof(text), "{\"run_id\":\"%s\"}", run);
    is_str(kit.reply.body, text, "the answer has its run");
    kit_take("app-c");
    ok(kit_is(json_object_get(kit_get("event", NULL), "data"),
              "{\"x\":1,\"_inngest\":{\"fn_id\":\"app-c\"}}"),
       "which has the data");

    request("app-none", NULL, "{}");
    is_int(kit.reply.status, 404, "an unknown function is 404");
    is_str(kit.reply.body, "{\"data\":null,\"error\":\"could not find "
           "function with ID: app-none\",\"status\":404}", "and named");

    begin();
    request("app-c", "mine", "{}");
    ok(kit.reply.body.len > 2, "a client's id starts a run");
    id = request("app-c", "mine", "{}");
    is_int(kit.reply.status, 200, "sent again");
    is_str(kit.reply.body, "{}", "it starts no other one");
    is_str(dur_str_c(kit_status(&id)), "none", "the event is there alone");

    request("more-m", "mine", "{}");
    ok(kit.reply.body.len > 2, "but one of another function");
}


static void
test_request_again(void)
{
    dur_op_t    op;
    dur_buf_t   b;
    dur_ulid_t  id;

    begin();
    dur_buf_init(&b, 4096);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_INVOKE;
    op.id = id = kit_ulid(5);
    op.url = dur_str("app-c");
    op.body = dur_str("{\"data\":{},\"id\":\"x\",\"name\":\"n\",\"ts\":1,"
                      "\"user\":{}}");
    kit_op(&op);
    dur_buf_adds(&b, kit.reply.body);
    kit_op(&op);
    is_int(kit.reply.status, 200, "the op sent again");
    ok(dur_str_eq(kit.reply.body, dur_buf_str(&b)), "has the same answer");
    is_str(dur_str_c(kit_status(&id)), "Scheduled",
           "and the event one run");

    op.id = kit_event("p");
    kit_op(&op);
    is_int(kit.reply.status, 409, "an id that another event has is refused");

    op.id = kit_ulid(77);
    op.body = dur_str("{\"data\":3}");
    kit_op(&op);
    is_int(kit.reply.status, 400, "and so is what is no event");

    dur_buf_deinit(&b);
}


/* What the invoked function asks of flow control. */

static void
begin_with(const char *option)
{
    char  text[2048];

    snprintf(text, sizeof(text), "%s,{\"id\":\"app-c\",\"name\":\"c\","
             "\"triggers\":[" ANY_TRIGGER "],%s,\"steps\":{\"step\":{"
             "\"id\":\"step\",\"name\":\"step\",\"runtime\":{\"type\":"
             "\"http\",\"url\":\"http://127.0.0.1/?fnId=app-c&stepId="
             "step\"}}}}", KIT_FN("app-p", KIT_ON("t/p"), ""), option);

    kit_fresh();
    kit_app("app", text);
}


static void
test_rate_limit(void)
{
    json_t  *list;

    begin_with("\"rateLimit\":{\"limit\":1,\"period\":\"1h\"}");
    invoke("[" KIT_INVOKE(KIT_A, "a", "app-c", "") "]");
    invoke("[" KIT_INVOKE(KIT_A, "a", "app-c", "") "]");
    ok(memo(KIT_A, "{\"error\":{\"name\":\"Error\",\"message\":\"invoked "
            "function is rate limited\"}}"),
       "a rate limit is an error of the step");
    ok(kit_take("app-c").item != 0, "the first one runs");
    is_int(kit_take("app-c").item, 0, "alone");

    request("app-c", NULL, "{}");
    is_int(kit.reply.status, 200, "a request over it is taken");
    is_str(kit.reply.body, "{}", "and starts nothing");

    list = kit_events(INVOKED);
    is_int(json_array_size(list), 3, "all three left their event");
    json_decref(list);
}


static void
test_singleton_skip(void)
{
    dur_ulid_t  id;

    begin_with("\"singleton\":{\"mode\":\"skip\"}");
    id = invoke("[" KIT_INVOKE(KIT_A, "a", "app-c", "") ","
                KIT_INVOKE(KIT_B, "b", "app-c", ",\"timeout\":\"1h\"")
                "]");
    kit_answer("app-c", 200, "1");
    is_int(kit_take("app-c").item, 0, "a singleton that runs skips another");
    is_str(dur_str_c(kit_status(&id)), "Running",
           "for whose step there is no answer");
    kit_timers();
    kit_gather();
    kit_take("app-p");
    ok(kit_is(kit_get("steps", KIT_A), "{\"data\":1}")
       && json_object_get(kit_get("steps", KIT_B), "error") != NULL,
       "but the timeout");
}


/* The second invoke cancels the first one's run, whose end resumes the run
 * that is just being decided. */
static void
test_singleton_cancel(void)
{
    dur_ulid_t  id;

    begin_with("\"singleton\":{\"mode\":\"cancel\"}");
    id = invoke("[" KIT_INVOKE(KIT_A, "a", "app-c", "") ","
                KIT_INVOKE(KIT_B, "b", "app-c", "") "]");
    is_str(dur_str_c(kit_status(&id)), "Running",
           "an invoke may cancel what the one before has started");
    kit_take("app-c");
    kit_out.n = 0;
    kit_reopen();
    kit_plain(DUR_OP_INVENTORY, 0);
    kit_answer("app-c", 200, "2");
    kit_take("app-p");
    ok(kit_is(json_object_get(json_object_get(kit_get("steps", KIT_A),
                                              "error"), "name"),
              "\"InngestInvokeCancelledError\""),
       "whose step has an error");
    ok(kit_is(kit_get("steps", KIT_B), "{\"data\":2}"), "its own a result");
    kit_out.n = 0;
    kit_plain(DUR_OP_INVENTORY, 0);
    kit_answer("app-p", 200, "1");
    is_str(dur_str_c(kit_status(&id)), "Completed", "and the run ends");
    is_int(dur_engine_next_due(kit.engine), INT64_MAX, "with nothing left");
}


/* A child that invokes the function of its parent ends the parent by that. */
static void
test_singleton_above(void)
{
    char               text[2048];
    dur_ulid_t         id;
    dur_engine_stat_t  stat;

    snprintf(text, sizeof(text), "%s,%s", KIT_FN("app-c", ANY_TRIGGER, ""),
             KIT_FN("app-p", KIT_ON("t/p"),
                    ",\"singleton\":{\"mode\":\"cancel\"}"));
    kit_fresh();
    kit_app("app", text);
    id = invoke("[" KIT_INVOKE(KIT_A, "a", "app-c", "") "]");
    kit_answer("app-c", 206, "[" KIT_INVOKE(KIT_B, "b", "app-p", "") "]");
    is_str(dur_str_c(kit_status(&id)), "Cancelled",
           "a run may be cancelled by what it has invoked");
    kit_answer("app-p", 200, "3");
    kit_take("app-c");
    ok(kit_is(kit_get("steps", KIT_B), "{\"data\":3}"),
       "which goes on with its own result");
    dur_engine_stat(kit.engine, &stat);
    is_int(stat.runs_live, 1, "and is the only one left");
}


#define WAIT(id, event, more)                                                \
    "{\"op\":\"WaitForEvent\",\"id\":\"" id "\",\"name\":\"" event           \
    "\",\"displayName\":\"w\",\"opts\":{\"timeout\":\"1h\"" more "}}"

/* The run waits for the very event that its other step makes. */
static void
test_wait_for_own(void)
{
    dur_ulid_t  id;

    begin();
    id = invoke("[" KIT_INVOKE(KIT_A, "a", "app-c", "") ","
                WAIT(KIT_B, INVOKED, "") "]");
    is_str(dur_str_c(kit_status(&id)), "Running",
           "a run may wait for the event of its own invoke");
    kit_answer("app-c", 200, "1");
    kit_take("app-p");
    ok(kit_is(kit_get("steps", KIT_A), "{\"data\":1}"), "has the result");
    ok(kit_is(json_object_get(kit_get("steps", KIT_B), "name"),
              "\"" INVOKED "\""), "and the event");
    is_int(dur_engine_next_due(kit.engine), INT64_MAX, "and no timer left");
}


static void
test_cancel_on(void)
{
    dur_ulid_t  id;

    kit_fresh();
    kit_app("app", KIT_FN("app-p", KIT_ON("t/p"), ",\"cancel\":[{\"event\":"
                          "\"" INVOKED "\"}]") ","
            KIT_FN("app-c", ANY_TRIGGER, ""));
    id = invoke("[" KIT_INVOKE(KIT_A, "a", "app-c", "") ","
                KIT_INVOKE(KIT_B, "b", "app-c", "") "]");
    is_str(dur_str_c(kit_status(&id)), "Cancelled",
           "a run that is cancelled by the event of its own invoke ends");
    kit_answer("app-c", 200, "1");
    is_int(kit_take("app-c").item, 0, "and starts nothing after it");
}


/* Somebody waits for the end of a run by its event. */
static void
test_wait_for_finished(void)
{
    dur_ulid_t  id;

    begin();
    id = invoke("[" WAIT(KIT_A, "inngest/function.finished",
                         ",\"if\":\"async.data.function_id == 'app-c'\"")
                "]");
    request("app-c", NULL, "{}");
    kit_answer("app-c", 200, "{\"x\":9}");
    kit_take("app-p");
    ok(kit_is(json_object_get(json_object_get(kit_get("steps", KIT_A),
                                              "data"), "result"),
              "{\"x\":9}"),
       "a wait is reason enough to write that a run has finished");
    is_str(dur_str_c(kit_status(&id)), "Running", "and goes on with it");
}


int
main(void)
{
    if (!kit_init()) {
        return 1;
    }

    test_result();
    test_idempotent();
    test_failure();
    test_refused();
    test_skipped();
    test_unknown_beside_others();
    test_timeout();
    test_parent_ended();
    test_restart();
    test_other_app();
    test_parallel();
    test_chain();
    test_chain_of_ends();
    test_routing();
    test_many_wildcards();
    test_request();
    test_request_again();
    test_rate_limit();
    test_singleton_skip();
    test_singleton_cancel();
    test_singleton_above();
    test_wait_for_own();
    test_cancel_on();
    test_wait_for_finished();

    return kit_done();
}
