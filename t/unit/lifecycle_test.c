/* SPDX-License-Identifier: BSD-2-Clause */

/* Events about runs: function.finished, .failed and .cancelled. */

#include "kit.h"

#define FINISHED   "inngest/function.finished"
#define FAILED     "inngest/function.failed"
#define CANCELLED  "inngest/function.cancelled"

#define BOOM                                                                 \
    "{\"name\":\"TypeError\",\"message\":\"boom\",\"stack\":\"at f\","       \
    "\"cause\":{\"message\":\"disk\"}}"


static void
begin(const char *more)
{
    char  text[4096];

    kit_fresh();
    snprintf(text, sizeof(text), "%s%s", KIT_FN("app-f", KIT_ON("t/f"), ""),
             more);
    kit_app("app", text);
}


/* A run of "app-f" by an event with a meta; the event. */
static dur_ulid_t
start(void)
{
    dur_op_t        op;
    dur_op_event_t  event;

    memset(&event, 0, sizeof(event));
    event.id = kit_ulid(kit.entropy);
    event.ts = kit.now;
    event.name = dur_str("t/f");
    event.json = dur_str("{\"data\":{\"n\":1e2},\"id\":\"mine\",\"meta\":{"
                         "\"sessions\":{\"s\":\"7\"}},\"name\":\"t/f\",\"ts\":"
                         "1,\"user\":{}}");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    kit_op(&op);

    return event.id;
}


static void
cancel(const dur_ulid_t *event)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    op.run = kit_run_id(event);
    kit_op(&op);
    kit_gather();
}


/* The only event of the name, as functions get it: a new reference; NULL when
 * there is none, or several. */
static json_t *
only(const char *name)
{
    json_t  *list, *event;

    list = kit_events(name);
    event = json_array_size(list) == 1
            ? json_incref(json_array_get(list, 0)) : NULL;
    json_decref(list);

    json_object_del(event, "internal_id");
    json_object_del(event, "account_id");
    json_object_del(event, "environment_id");
    json_object_del(event, "source");
    json_object_del(event, "source_id");
    json_object_del(event, "received_at");
    json_object_del(event, "runs");

    return event;
}


/* Whether the only event of the name is this, with %s for the run's id. */
static bool
event_is(const char *name, const dur_ulid_t *trigger, const char *want)
{
    bool         same;
    char         text[4096], run[DUR_ULID_TEXT_LEN + 1];
    json_t      *event;
    dur_ulid_t   id;

    id = kit_run_id(trigger);
    dur_ulid_text(&id, run);
    snprintf(text, sizeof(text), want, run, run);

    event = only(name);

    if (strcmp(name, FINISHED) == 0) {
        json_object_del(event, "id");
    }

    same = kit_is(event, text);
    json_decref(event);

    return same;
}


static unsigned
count(const char *name)
{
    size_t   n;
    json_t  *list;

    list = kit_events(name);
    n = json_array_size(list);
    json_decref(list);

    return (unsigned) n;
}


#define TRIGGER                                                              \
    "{\"data\":{\"n\":100},\"id\":\"mine\",\"meta\":{\"sessions\":{\"s\":"   \
    "\"7\"}},\"name\":\"t/f\",\"ts\":1,\"user\":{}}"
#define REST                                                                 \
    "\"event\":" TRIGGER ",\"events\":[" TRIGGER "],\"function_id\":"        \
    "\"app-f\",\"run_id\":\"%s\"}"
#define TAIL(name)                                                           \
    "\"meta\":{\"sessions\":{\"s\":\"7\"}},\"name\":\"" name "\",\"ts\":"    \
    "1790000000000,\"user\":{}}"
#define ERROR                                                                \
    "{\"cause\":{\"message\":\"disk\"},\"error\":\"boom\",\"message\":"      \
    "\"boom\",\"name\":\"TypeError\",\"stack\":\"at f\"}"


static void
test_shapes(void)
{
    dur_ulid_t  id;

    kit.now = 1790000000000;
    begin("," KIT_FN("app-w", KIT_ON("inngest/*"), ""));
    id = start();
    kit_answer("app-f", 200, "{\"v\":1.0}");
    ok(event_is(FINISHED, &id, "{\"data\":{\"_inngest\":{\"status\":"
                "\"Completed\"},\"result\":{\"v\":1}," REST ","
                TAIL(FINISHED)),
       "a run that completed has a finished event with its result");
    is_int(count(FAILED) + count(CANCELLED), 0, "and no other one");

    begin("," KIT_FN("app-w", KIT_ON("inngest/*"), ""));
    id = start();
    kit_answer("app-f", 400, BOOM);
    ok(event_is(FINISHED, &id, "{\"data\":{\"_inngest\":{\"status\":"
                "\"Failed\"},\"error\":" ERROR ",\"result\":" ERROR ","
                REST "," TAIL(FINISHED)),
       "a run that failed has one with its error and the cause");
    ok(event_is(FAILED, &id, "{\"data\":{\"_inngest\":{\"status\":"
                "\"Failed\"},\"error\":" ERROR ",\"result\":" ERROR ","
                REST ",\"id\":\"%s\"," TAIL(FAILED)),
       "and a failed event whose id is the run");
    is_int(count(CANCELLED), 0, "and none of a cancellation");

    begin("," KIT_FN("app-w", KIT_ON("inngest/*"), ""));
    id = start();
    cancel(&id);
    ok(event_is(FINISHED, &id, "{\"data\":{\"_inngest\":{\"status\":"
                "\"Cancelled\"}," REST "," TAIL(FINISHED)),
       "a run that was cancelled has a finished event without a result");
    ok(event_is(CANCELLED, &id, "{\"data\":{\"_inngest\":{\"status\":"
                "\"Cancelled\"}," REST ",\"id\":\"%s\"," TAIL(CANCELLED)),
       "and a cancelled event whose id is the run");
    is_int(count(FAILED), 0, "and none of a failure");
}


static void
test_null_result(void)
{
    json_t      *event;

    begin("," KIT_FN("app-w", KIT_ON(FINISHED), ""));
    start();
    kit_answer("app-f", 200, "");
    event = only(FINISHED);
    ok(json_is_null(json_object_get(json_object_get(event, "data"),
                                    "result")),
       "the result of a function that returns nothing is null");
    json_decref(event);
}


static void
test_only_when_named(void)
{
    dur_ulid_t  id;

    begin("");
    start();
    kit_answer("app-f", 400, BOOM);
    is_int(count(""), 1, "what nobody names is not written");

    begin("," KIT_FN("app-w", KIT_ON(FAILED), ""));
    start();
    kit_answer("app-f", 200, "1");
    is_int(count(""), 1, "a run that completed says nothing of failures");
    start();
    kit_answer("app-f", 400, BOOM);
    is_int(count(FAILED), 1, "one that failed does");
    is_int(count(FINISHED), 0, "but writes what is named only");

    begin("," KIT_FN("app-w", KIT_ON(CANCELLED), ""));
    id = start();
    cancel(&id);
    is_int(count(CANCELLED), 1, "one that is cancelled does");
    is_int(count(FINISHED), 0, "likewise");
}


static void
test_on_failure(void)
{
    json_t  *event;

    begin("," KIT_FN("app-f-failure", KIT_IF(FAILED, "event.data.function_id "
                                             "== 'app-f'"), "")
          "," KIT_FN("app-g", KIT_ON("t/g"), "")
          "," KIT_FN("app-g-failure", KIT_IF(FAILED, "event.data.function_id "
                                             "== 'app-g'"), ""));
    start();
    kit_answer("app-f", 400, BOOM);
    ok(kit_take("app-f-failure").item != 0,
       "the failure handler of a function is called");
    event = kit_get("event", NULL);
    ok(kit_is(json_object_get(json_object_get(event, "data"), "error"),
              ERROR), "with the error");
    is_int(kit_take("app-g-failure").item, 0,
           "that of another function is not");
}


static void
test_no_recursion(void)
{
    begin("," KIT_FN("app-w", KIT_ON("inngest/*"), ""));
    start();
    kit_answer("app-f", 400, BOOM);
    kit_answer("app-w", 400, BOOM);
    kit_answer("app-w", 400, BOOM);
    is_int(kit_take("app-w").item, 0,
           "a run of an event about a run makes none when it fails");
    is_int(count(FAILED), 1, "one failure");
    is_int(count(FINISHED), 1, "and one end are told");
}


static void
test_correlation(void)
{
    char         text[128];
    json_t      *list, *data;
    dur_ulid_t   id;

    begin("," KIT_FN("app-c", KIT_ON("t/none"), "")
          "," KIT_FN("app-w", KIT_ON(FINISHED), ""));
    id = start();
    kit_answer("app-f", 206, "[" KIT_INVOKE(KIT_A, "a", "app-c", "") "]");
    kit_answer("app-c", 200, "1");
    kit_answer("app-f", 200, "2");

    id = kit_run_id(&id);
    dur_ulid_text(&id, text);
    strcat(text, "." KIT_A);

    list = kit_events(FINISHED);
    is_int(json_array_size(list), 2, "both runs have finished");
    data = json_object_get(json_array_get(list, 1), "data");
    ok(kit_is(json_object_get(data, "function_id"), "\"app-c\""),
       "the one that was invoked first");
    is_str(dur_str_c(json_string_value(json_object_get(data,
                                                       "correlation_id"))),
           text, "and it says for whom");
    data = json_object_get(json_array_get(list, 0), "data");
    is_int(json_object_get(data, "correlation_id") != NULL, false,
           "the other one was invoked by nobody");
    json_decref(list);
}


static void
test_restart(void)
{
    dur_ulid_t     id;
    kit_attempt_t  a;

    begin("," KIT_FN("app-w", KIT_ON(FINISHED), ""));
    id = start();
    a = kit_take("app-f");
    kit_reopen();
    kit_result(a, 200, KIT_SDK, "1");
    is_int(count(FINISHED), 1, "a run that ends after a restart says so");
    is_str(dur_str_c(kit_status(&id)), "Completed", "once");
    kit_reopen();
    ok(kit_take("app-w").item != 0,
       "and who is told is called after the next one");
}


/* An event and a result that are not too large themselves. */
static void
test_too_large(void)
{
    char            *text, *body;
    size_t           n = 6 << 20;
    dur_op_t         op;
    dur_op_event_t   event;

    begin("," KIT_FN("app-w", KIT_ON(FINISHED), ""));

    body = malloc(n + 1);
    memset(body, 'x', n);
    body[0] = '"';
    body[n - 1] = '"';
    body[n] = '\0';

    text = malloc(n + 256);
    sprintf(text, "{\"data\":{\"x\":%s},\"id\":\"i\",\"name\":\"t/f\",\"ts\":"
            "1,\"user\":{}}", body);

    memset(&event, 0, sizeof(event));
    event.id = kit_ulid(kit.entropy);
    event.ts = kit.now;
    event.name = dur_str("t/f");
    event.json = dur_str_c(text);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    kit_op(&op);

    kit_answer("app-f", 200, body);
    is_str(dur_str_c(kit_status(&event.id)), "Completed",
           "a run ends whose event would be too large");
    ok(kit_effect(DUR_EFFECT_LOG, 0) != NULL, "the log says so");
    is_int(count(FINISHED), 0, "and nothing is sent");

    free(text);
    free(body);
}


int
main(void)
{
    if (!kit_init()) {
        return 1;
    }

    test_shapes();
    test_null_result();
    test_only_when_named();
    test_on_failure();
    test_no_recursion();
    test_correlation();
    test_restart();
    test_too_large();

    return kit_done();
}
