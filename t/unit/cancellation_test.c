/* SPDX-License-Identifier: BSD-2-Clause */

/* Many runs are cancelled at once, and later ones by a rule. */

#include "kit.h"
#include "engine/dur_cancellation.h"
#include "engine/dur_cancellation_rule.h"
#include "engine/dur_run.h"
#include "engine/dur_time.h"


#define RULE(rest)  "{\"app_id\":\"app\",\"function_id\":\"f\"," rest "}"


static uint64_t    ids;
static dur_ulid_t  last;            /* the cancellation made last */


static void
send_op(const char *body, const char *url)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCELLATION;
    last = kit_ulid(2000000 + ++ids);
    op.id = last;
    op.body = dur_str_c(body);
    op.url = dur_str_c(url);
    kit_op(&op);
}


/* A cancellation of "f"; times in ms from kit.now, after INT64_MIN: none. */
static void
cancel(int64_t after, int64_t before, const char *expression)
{
    char  body[1024], a[32], b[32];
    int   n;

    dur_rfc3339_text(kit.now + before, b);
    n = snprintf(body, sizeof(body), "{\"app_id\":\"app\",\"function_id\":"
                 "\"f\",\"started_before\":\"%s\"", b);

    if (after != INT64_MIN) {
        dur_rfc3339_text(kit.now + after, a);
        n += snprintf(body + n, sizeof(body) - (size_t) n,
                      ",\"started_after\":\"%s\"", a);
    }

    if (expression != NULL) {
        n += snprintf(body + n, sizeof(body) - (size_t) n, ",\"if\":\"%s\"",
                      expression);
    }

    snprintf(body + n, sizeof(body) - (size_t) n, "}");
    send_op(body, NULL);
}


static unsigned
tasks(void)
{
    unsigned  n;

    for (n = 0; n < 10000 && dur_engine_has_tasks(kit.engine); n++) {
        kit_plain(DUR_OP_TASKS, 0);
    }

    return n;
}


/* The member of the i-th of the list, newest first. */
static json_t *
listed(size_t i, const char *member)
{
    dur_buf_t        b;
    static json_t   *list;

    json_decref(list);
    dur_buf_init(&b, 16 << 20);
    (void) dur_query_cancellations(dur_engine_store(kit.engine), &b);
    list = json_loadb((char *) b.data, b.len, 0, NULL);
    dur_buf_deinit(&b);

    return member ? json_object_get(json_array_get(list, i), member) : list;
}


static void
reopen(void)
{
    dur_engine_close(kit.engine);
    kit_open();
    kit_configure();
}


static dur_ulid_t
event_x(const char *name, int x)
{
    char            full[64], json[256];
    dur_op_t        op;
    dur_op_event_t  event;

    memset(&event, 0, sizeof(event));
    event.id = kit_ulid(3000000 + ++ids);
    snprintf(full, sizeof(full), "t/%s", name);
    snprintf(json, sizeof(json), "{\"data\":{\"x\":%d},\"id\":\"e%" PRIu64
             "\",\"name\":\"%s\",\"ts\":1,\"user\":{}}", x, ids, full);
    event.ts = kit.now;
    event.name = dur_str_c(full);
    event.json = dur_str_c(json);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    kit_op(&op);

    return event.id;
}


/* "f" and "g". */
static void
register_two(void)
{
    dur_op_t   op;
    dur_buf_t  b;

    dur_buf_init(&b, 1 << 16);
    dur_buf_addz(&b, "{\"url\":\"http://127.0.0.1:3000/api/inngest\","
                 "\"appName\":\"app\",\"sdk\":\"js:v4.24.0\",\"v\":\"0.1\","
                 "\"functions\":[");

    for (int i = 0; i < 2; i++) {
        dur_buf_addf(&b, "%s{\"id\":\"app-%c\",\"name\":\"%c\",\"triggers\":"
                     "[{\"event\":\"t/%c\"}],\"steps\":{\"step\":{\"id\":"
                     "\"step\",\"name\":\"step\",\"runtime\":{\"type\":"
                     "\"http\",\"url\":\"http://127.0.0.1:3000/api/inngest"
                     "?fnId=app-%c&stepId=step\"}}}}", i ? "," : "", 'f' + i,
                     'f' + i, 'f' + i, 'f' + i);
    }

    dur_buf_addz(&b, "]}");
    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REGISTER;
    op.body = dur_buf_str(&b);
    kit_op(&op);
    is_int(kit.reply.status, 200, "two functions");
    dur_buf_deinit(&b);
}


static void
begin(void)
{
    kit_fresh();
    register_two();
    is_int(json_array_size(listed(0, NULL)), 0, "there is no cancellation");
}


static void
test_window(void)
{
    json_t      *root;
    dur_ulid_t   early, in, late, other;

    begin();
    early = kit_event("f");
    kit.now += 1000;
    in = kit_event("f");
    other = kit_event("g");
    kit.now += 1000;
    late = kit_event("f");
    kit.now += 1000;

    cancel(-2500, -1500, NULL);
    is_int(kit.reply.status, 200, "a cancellation is accepted");

    root = json_loadb((char *) kit.reply.body.data, kit.reply.body.len, 0,
                      NULL);
    is_str(dur_str_c(json_string_value(json_object_get(root,
                                                       "function_id"))),
           "app-f", "it names its function");
    is_int(json_is_false(json_object_get(root, "done")), 1,
           "and is not done yet");
    json_decref(root);

    tasks();
    is_str(dur_str_c(kit_status(&in)), "Cancelled",
           "a run of the window is cancelled");
    is_str(dur_str_c(kit_status(&early)), "Scheduled", "not one before it");
    is_str(dur_str_c(kit_status(&late)), "Scheduled", "nor one behind it");
    is_str(dur_str_c(kit_status(&other)), "Scheduled",
           "nor one of another function");
    is_int(json_is_true(listed(0, "done")), 1, "it is done then");
    is_int(json_integer_value(listed(0, "cancelled")), 1, "one was cancelled");
    is_int(json_integer_value(listed(0, "scanned")), 2,
           "two stand in the window");

    is_int(kit_dispatch(), 3, "the others are called");
    cancel(INT64_MIN, 0, NULL);
    tasks();
    is_str(dur_str_c(kit_status(&early)), "Cancelled",
           "without a beginning it is from the first run on");
    is_str(dur_str_c(kit_status(&late)), "Cancelled", "to the last");
    is_str(dur_str_c(kit_status(&other)), "Running", "of its function");
    is_int(json_integer_value(listed(0, "cancelled")), 2,
           "the newest stands first in the list");
}


static void
test_expression(void)
{
    dur_ulid_t  one, two;

    begin();
    one = event_x("f", 1);
    two = event_x("f", 2);
    kit.now += 10;
    cancel(INT64_MIN, 0, "event.data.x == 2");
    is_int(kit.reply.status, 200, "with an expression");
    tasks();
    is_str(dur_str_c(kit_status(&one)), "Scheduled",
           "what does not fit goes on");
    is_str(dur_str_c(kit_status(&two)), "Cancelled", "what fits does not");
    is_int(kit_dispatch(), 1, "it is called");

    cancel(INT64_MIN, 0, "event.data.x.y > 'a' || event.nothing == 1");
    tasks();
    is_str(dur_str_c(kit_status(&one)), "Running",
           "an expression that fails is true for nothing");
}


static void
test_refused(void)
{
    size_t   i;
    json_t  *root;
    char     soon[64];

    static const struct {
        const char  *body;
        unsigned     status;
        const char  *text;
    } tests[] = {
        { "{", 400, NULL },
        { "[]", 400, "a cancellation has the strings \"app_id\", "
          "\"function_id\" and \"started_before\"" },
        { "{\"app_id\":\"app\",\"started_before\":\"2020-01-01T00:00:00Z\"}",
          400, "a cancellation has the strings \"app_id\", \"function_id\" "
          "and \"started_before\"" },
        { RULE("\"x\":1"), 400, "started_before must be an RFC 3339 time" },
        { RULE("\"started_before\":7"), 400,
          "started_before must be an RFC 3339 time" },
        { RULE("\"started_before\":\"yesterday\""), 400,
          "started_before must be an RFC 3339 time" },
        { RULE("\"started_before\":\"2020-01-01T00:00:00Z\","
               "\"started_after\":\"x\""), 400,
          "started_after must be an RFC 3339 time" },
        { RULE("\"started_before\":\"2020-01-01T00:00:00Z\","
               "\"started_after\":\"2020-01-01T00:00:01Z\""), 400,
          "started_before must not be before started_after" },
        { RULE("\"started_before\":\"9999-01-01T00:00:00Z\""), 400,
          "started_before must not be in the future" },
        { RULE("\"started_before\":\"1950-01-01T00:00:00Z\""), 400,
          "a time before 1970 is before all runs" },
        { RULE("\"started_before\":\"2020-01-01T00:00:00Z\",\"if\":7"), 400,
          "if must be a string" },
        { RULE("\"started_before\":\"2020-01-01T00:00:00Z\",\"if\":\"==\""),
          400, NULL },
        { "{\"app_id\":\"app\",\"function_id\":\"h\\\"\","
          "\"started_before\":\"2020-01-01T00:00:00Z\"}", 404,
          "the app \"app\" has no function \"h\"\"" },
        { "{\"app_id\":\"other\",\"function_id\":\"app-f\","
          "\"started_before\":\"2020-01-01T00:00:00Z\"}", 404,
          "the app \"other\" has no function \"app-f\"" },
    };

    begin();

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        send_op(tests[i].body, NULL);
        is_int(kit.reply.status, tests[i].status, "%s is refused",
               tests[i].body);
        root = json_loadb((char *) kit.reply.body.data, kit.reply.body.len,
                          0, NULL);
        if (tests[i].text != NULL) {
            is_str(dur_str_c(json_string_value(json_object_get(root,
                                                               "error"))),
                   tests[i].text, "with a sentence");
        } else {
            ok(json_is_string(json_object_get(root, "error")),
               "with a sentence");
        }
        json_decref(root);
    }

    is_int(json_array_size(listed(0, NULL)), 0, "nothing of it was kept");

    cancel(INT64_MIN, 5000, NULL);
    is_int(kit.reply.status, 200, "a clock may be 5 s ahead of ours");
    cancel(INT64_MIN, 5001, NULL);
    is_int(kit.reply.status, 400, "not more");

    dur_rfc3339_text(kit.now, soon);
    {
        char  body[256];

        snprintf(body, sizeof(body), "{\"app_id\":\"app\",\"function_id\":"
                 "\"app-f\",\"started_before\":\"%s\",\"started_after\":null,"
                 "\"if\":null}", soon);
        send_op(body, NULL);
        is_int(kit.reply.status, 200, "the slug is a name as well");
    }
}


/* A rule that has not come to a run yet stops it all the same. */
static void
test_before_the_walk(void)
{
    dur_ulid_t     run, other;
    kit_attempt_t  a;

    begin();
    run = kit_event("f");
    kit.now += 10;
    cancel(INT64_MIN, 0, NULL);
    ok(dur_engine_has_tasks(kit.engine), "a cancellation is a task");
    is_int(kit_dispatch(), 0, "before it does anything, nothing is called");
    is_str(dur_str_c(kit_status(&run)), "Cancelled", "that it means");
    is_int(json_integer_value(listed(0, "cancelled")), 1, "and it counts");
    tasks();
    is_int(json_integer_value(listed(0, "cancelled")), 1, "once");

    kit.now += 10;
    run = kit_event("f");
    kit_dispatch();
    a = kit_attempt(0);
    kit.now += 10;
    cancel(INT64_MIN, 0, "event.data.x == 1");
    kit_result(a, 206, KIT_SDK, "[" KIT_RUN(KIT_A, "a", "1") "]");
    is_int(kit_calls(), 0, "nor is the next call of one that runs");
    is_int(kit_dispatch(), 0, "not even when there is a credit");
    is_str(dur_str_c(kit_status(&run)), "Cancelled", "it ends");

    other = kit_event("g");
    is_int(kit_dispatch(), 1, "another function is called");
    a = kit_attempt(0);
    kit_result(a, 206, KIT_SDK, "[" KIT_RUN(KIT_A, "a", "1") "]");
    is_int(kit_calls(), 1, "with the next call in the same commit");
    is_str(dur_str_c(kit_status(&other)), "Running", "it goes on");
}


/* Runs of the window that begin when the walk is over. */
static void
test_standing_rule(void)
{
    dur_ulid_t     soon, back, fits;
    kit_attempt_t  a;

    begin();
    fits = event_x("f", 2);
    kit_dispatch();
    a = kit_attempt(0);

    cancel(INT64_MIN, 5000, "event.data.x == 1");
    tasks();
    is_int(json_is_true(listed(0, "done")), 1, "a walk is over");

    kit_result(a, 206, KIT_SDK, "[" KIT_RUN(KIT_A, "a", "1") "]");
    is_int(kit_calls(), 1, "what it has looked at is called without asking");
    is_str(dur_str_c(kit_status(&fits)), "Running", "and lives");

    kit.now += 3000;
    soon = event_x("f", 1);
    is_int(kit_dispatch(), 0, "a run that begins before the window ends");
    is_str(dur_str_c(kit_status(&soon)), "Cancelled", "is cancelled");
    soon = event_x("f", 3);
    is_int(kit_dispatch(), 1, "unless it is another");

    kit.now += 3000;
    soon = event_x("f", 1);
    is_int(kit_dispatch(), 1, "one behind the window is called");
    is_int(json_integer_value(listed(0, "cancelled")), 1, "one was cancelled");

    soon = event_x("f", 1);
    kit.now -= 1500;
    (void) event_x("f", 1);
    kit_plain(DUR_OP_DISPATCH, 1);
    is_int(kit_calls(), 1, "a credit goes past those that end");
    is_str(dur_str_c(kit_status(&soon)), "Running", "to the next");
    kit.now += 1500;

    reopen();
    kit.now -= 60000;
    back = event_x("f", 1);
    is_int(kit_dispatch(), 0, "a clock that was set back makes runs in it");
    is_str(dur_str_c(kit_status(&back)), "Cancelled",
           "which are cancelled, after a restart as well");
    is_int(json_integer_value(listed(0, "cancelled")), 3, "they count");
}


static void
test_sleeping(void)
{
    dur_ulid_t  run;

    begin();
    run = kit_event("f");
    kit_dispatch();
    kit_result(kit_attempt(0), 206, KIT_SDK, "[" KIT_SLEEP(KIT_A, "nap",
               "1h") "]");
    kit.now += 10;
    cancel(INT64_MIN, 0, NULL);
    tasks();
    is_str(dur_str_c(kit_status(&run)), "Cancelled",
           "a run that sleeps is cancelled");
    kit.now += 3600 * 1000 + 2000;
    kit_plain(DUR_OP_TIMERS, 0);
    is_int(kit_dispatch(), 0, "it does not wake");
}


static void
test_many(void)
{
    unsigned     i, n, pieces;
    dur_ulid_t   events[1500];

    begin();

    for (i = 0; i < 1500; i++) {
        if (i % 3 == 0) {
            kit.now++;
        }
        events[i] = kit_event(i % 2 ? "f" : "g");
    }

    kit.now += 10;
    cancel(INT64_MIN, 0, NULL);

    for (pieces = 0; pieces < 5; pieces++) {
        kit_plain(DUR_OP_TASKS, 0);
    }

    n = (unsigned) json_integer_value(listed(0, "cancelled"));
    ok(n > 0 && n < 750, "a piece is bounded: %u after 5", n);
    is_int(json_is_false(listed(0, "done")), 1, "more are to come");

    reopen();
    ok(dur_engine_has_tasks(kit.engine), "it goes on after a restart");
    tasks();
    is_int(json_integer_value(listed(0, "cancelled")), 750,
           "in the end all are cancelled");
    is_int(json_integer_value(listed(0, "scanned")), 1500, "each was seen");

    for (i = 0, n = 0; i < 1500; i++) {
        n += strcmp(kit_status(&events[i]),
                    i % 2 ? "Cancelled" : "Scheduled") == 0;
    }
    is_int(n, 1500, "and no other");
}


static void
test_delete(void)
{
    char        id[DUR_ULID_TEXT_LEN + 1];
    dur_ulid_t  run;
    json_t     *root;

    begin();
    cancel(INT64_MIN, 5000, NULL);
    dur_ulid_text(&last, id);
    is_str(dur_str_c(json_string_value(listed(0, "id"))), id,
           "a cancellation has the id of its op");

    send_op(NULL, id);
    is_int(kit.reply.status, 200, "it is deleted");
    is_str(kit.reply.body, "{\"ok\":true}", "which is said");
    is_int(json_array_size(listed(0, NULL)), 0, "it is gone");
    tasks();
    run = kit_event("f");
    is_int(kit_dispatch(), 1, "and does nothing any more");
    is_str(dur_str_c(kit_status(&run)), "Running", "the run lives");

    send_op(NULL, id);
    is_int(kit.reply.status, 404, "it cannot be deleted twice");
    root = json_loadb((char *) kit.reply.body.data, kit.reply.body.len, 0,
                      NULL);
    is_int(json_integer_value(json_object_get(root, "status")), 404,
           "with a status in the body");
    json_decref(root);
    send_op(NULL, "x");
    is_int(kit.reply.status, 400, "an id is a ULID");
}


static void
test_once(void)
{
    char      before[32], body[256];
    dur_op_t  op;

    begin();
    dur_rfc3339_text(kit.now, before);
    snprintf(body, sizeof(body), RULE("\"started_before\":\"%s\""), before);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCELLATION;
    op.id = kit_ulid(9);
    op.body = dur_str_c(body);
    kit_op(&op);
    kit_op(&op);
    is_int(kit.reply.status, 200, "one that is sent again");
    is_int(json_array_size(listed(0, NULL)), 1, "is there once");
}


static void
test_too_many(void)
{
    unsigned  i;

    begin();

    for (i = 0; i < DUR_CANCELLATIONS; i++) {
        cancel(INT64_MIN, -1000, NULL);
    }

    is_int(kit.reply.status, 200, "there may be a thousand");
    cancel(INT64_MIN, -1000, NULL);
    is_int(kit.reply.status, 409, "not more");
    is_int(json_array_size(listed(0, NULL)), DUR_CANCELLATIONS,
           "the others stay");
}


static void
test_lifecycle_of_many(void)
{
    dur_ulid_t  run;

    begin();
    run = kit_event("f");
    kit_dispatch();
    kit_result(kit_attempt(0), 206, KIT_SDK, "[" KIT_PLAN(KIT_A, "a") ","
               KIT_PLAN(KIT_B, "b") "]");
    kit.now += 10;
    cancel(INT64_MIN, 0, NULL);
    tasks();
    is_str(dur_str_c(kit_status(&run)), "Cancelled", "with parallel steps");
    is_int(kit_dispatch(), 0, "nothing of them is left");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_window();
    test_expression();
    test_refused();
    test_before_the_walk();
    test_standing_rule();
    test_sleeping();
    test_many();
    test_delete();
    test_once();
    test_too_many();
    test_lifecycle_of_many();

    return kit_done();
}
