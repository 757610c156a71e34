/* SPDX-License-Identifier: BSD-2-Clause */

/* batchEvents: features 5.5, which events are together, and for how long. */

#include "window_kit.h"

#define FN(more)    KIT_FN("app-f", KIT_ON("f"), more)
#define BATCH(size, timeout, more)                                           \
    ",\"batchEvents\":{\"maxSize\":" size ",\"timeout\":\"" timeout "\""     \
    more "}"
#define KEY(expression)  ",\"key\":\"" expression "\""
#define IF(expression)   ",\"if\":\"" expression "\""


static void
test_size(void)
{
    json_t      *v;
    dur_ulid_t   a, b, c, run;

    kit_fresh();
    kit_app("app", FN(BATCH("3", "10s", "")));

    a = send("{\"n\":1}");
    b = send("{\"n\":2}");
    ok(runs_of(&a) == 0 && runs_of(&b) == 0,
       "events are collected, and have no run");
    c = send("{\"n\":3}");
    is_text(kit_status(&a), "Scheduled", "a full batch starts at once");
    run = kit_run_id(&a);
    ok(runs_of(&b) == 1 && memcmp(kit_run_id(&c).b, run.b, 16) == 0,
       "one run for all of its events");

    is_text(called("app-f"), "1,2,3", "events are all events in order");
    is_int(json_integer_value(json_object_get(
               json_object_get(kit_get("event", NULL), "data"), "n")), 1,
           "event is the first one");

    v = asked(dur_query_batch, &run);
    is_text(numbers(v), "1,2,3", "as is what an SDK fetches");
    json_decref(v);
    v = asked(dur_query_run, &run);
    ok(json_object_get(v, "batch_id") != NULL, "the API names the batch");
    json_decref(v);
    v = asked(dur_query_run_v2, &run);
    is_int(json_array_size(json_object_get(v, "eventIds")), 3,
           "and all of its events");
    json_decref(v);
    v = asked(dur_query_tree, &run);
    is_int(json_array_size(json_object_get(v, "event_ids")), 3,
           "which the run shows");
    json_decref(v);

    pass(HOUR);
    is_int(rows(DUR_T_RUN), 1, "its time-out starts nothing more");
    series(4, 9);
    is_text(called("app-f"), "4,5,6", "the next batch has the next events");
    is_text(called("app-f"), "7,8,9", "and so on");
}


static void
test_time(void)
{
    dur_ulid_t  a;

    kit_fresh();
    kit_app("app", FN(BATCH("100", "10s", "")));

    a = series(1, 1);
    pass(9 * SECOND);
    series(2, 2);
    pass(SECOND - 1);
    is_int(runs_of(&a), 0, "a batch waits for its time-out,");
    pass(1);
    is_int(runs_of(&a), 1, "which counts from its first event");
    is_text(called("app-f"), "1,2", "and has what came until then");
    pass(HOUR);
    is_int(rows(DUR_T_RUN), 1, "without an event there is no batch");
}


/* An event of so many bytes, "f", of which the text is `text`. */
static void
send_large(char *text, size_t n)
{
    dur_op_t         op;
    dur_op_event_t   event;

    memset(text, 'x', n);
    memcpy(text, "{\"data\":\"", 9);
    memcpy(text + n - 13, "\",\"name\":\"f\"}", 13);

    memset(&event, 0, sizeof(event));
    event.id = kit_ulid(kit.entropy + 1);
    event.flags = DUR_EVENT_F_CANONICAL;
    event.ts = kit.now;
    event.name = dur_str("f");
    event.json = dur_str_make(text, n);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    kit_op(&op);
    kit_gather();
}


static void
test_bytes(void)
{
    int     i;
    char   *text;
    size_t  n;

    kit_fresh();
    kit_app("app", FN(BATCH("100", "1h", "")));

    n = 3 * 1024 * 1024;
    text = malloc(n);

    for (i = 0; i < 4; i++) {
        is_int(rows(DUR_T_RUN), 0, "a batch of %d MiB waits", 3 * i);
        send_large(text, n);
    }

    is_int(rows(DUR_T_RUN), 1, "one of 10 MiB and more starts at once");
    ok(kit_take("app-f").item != 0, "and is called");
    is_int(json_array_size(kit_get("events", NULL)), 0,
           "without its list of events, which is too large for a request");
    ok(json_is_true(kit_get("use_api", NULL)), "and is to be fetched");
    free(text);
}


/* Go fetches nothing, but takes requests of 100 MiB. */
static void
test_bytes_of_go(void)
{
    char      *text;
    size_t     n;
    dur_op_t   op;

    static const char  app[] =
        "{\"url\":\"http://127.0.0.1/app\",\"deployType\":\"ping\","
        "\"framework\":\"\",\"appName\":\"app\",\"sdk\":\"go:v0.13.1\","
        "\"v\":\"0.1\",\"functions\":[" FN(BATCH("2", "1h", "")) "]}";

    kit_fresh();

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REGISTER;
    op.body = dur_str_c(app);
    kit_op(&op);
    is_int(kit.reply.status, 200, "an app of the Go SDK");

    n = 3 * 1024 * 1024;
    text = malloc(n);
    send_large(text, n);
    send_large(text, n);

    ok(kit_take("app-f").item != 0, "is called with a batch of 6 MiB");
    is_int(json_array_size(kit_get("events", NULL)), 2,
           "that has all of its events");
    ok(json_is_false(kit_get("use_api", NULL)), "and nothing to be fetched");
    free(text);
}


/* Its text is in the store, and nobody reads it. */
static void
test_upload(void)
{
    char             text[2000], id[DUR_ULID_TEXT_LEN + 1];
    dur_op_t         op;
    dur_ulid_t       last;
    dur_op_event_t   event;

    kit_fresh();
    kit_app("app", FN(BATCH("2", "1h", "")));

    memset(&event, 0, sizeof(event));
    event.id = kit_ulid(9999);
    dur_ulid_text(&event.id, id);
    snprintf(text, sizeof(text), "{\"data\":{\"n\":1},\"id\":\"%s\","
             "\"name\":\"f\",\"ts\":1,\"user\":{}}", id);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_UPLOAD;
    op.id = event.id;
    op.body = dur_str_c(text);
    kit_op(&op);

    event.flags = DUR_EVENT_F_UPLOADED;
    event.length = (uint32_t) strlen(text);
    event.ts = kit.now;
    event.name = dur_str("f");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    kit_op(&op);
    kit_gather();
    is_int(kit.reply.status, 200, "an event that came in pieces");

    last = send("{\"n\":2}");
    is_text(called("app-f"), "1,2", "is one of a batch");
    is_int(runs_of(&last), 1, "with others");
}


static void
test_keys(void)
{
    dur_ulid_t  a;

    kit_fresh();
    kit_app("app", FN(BATCH("2", "10s", KEY("event.data.k"))));

    send("{\"k\":\"x\",\"n\":1}");
    send("{\"k\":\"y\",\"n\":2}");
    is_int(rows(DUR_T_RUN), 0, "each value has a batch of its own");
    send("{\"k\":\"x\",\"n\":3}");
    is_text(called("app-f"), "1,3", "that is full by itself");
    send("{\"n\":4}");
    send("{\"k\":false,\"n\":5}");
    is_text(called("app-f"), "4,5", "what is missing is false");
    send("{\"k\":true,\"n\":6}");
    send("{\"k\":\"true\",\"n\":7}");
    is_text(called("app-f"), "6,7", "a value is its text");

    kit_fresh();
    kit_app("app", FN(BATCH("2", "10s", KEY("event.data.a / event.data.b"))));
    put((sent_t) { "f", "{\"a\":1,\"b\":0}", NULL, 0 });
    kit.now++;
    a = put((sent_t) { "f", "{\"a\":\"x\",\"b\":1}", NULL, 0 });
    pass(10 * SECOND);
    is_int(rows(DUR_T_RUN) + runs_of(&a), 0, "an event whose key has no value "
           "starts nothing");
}


static void
test_alone(void)
{
    dur_ulid_t  a, b;

    kit_fresh();
    kit_app("app", FN(BATCH("2", "10s", IF("event.data.ok"))
                      ",\"rateLimit\":{\"limit\":1,\"period\":\"1h\"}"));

    a = send("{\"n\":1,\"ok\":false}");
    is_int(runs_of(&a), 1, "an event that `if` says no to runs alone");
    is_text(called("app-f"), "1", "with itself in the list");
    b = send("{\"n\":2,\"ok\":false}");
    is_int(runs_of(&b), 0, "and may be over a rate limit");

    send("{\"n\":3,\"ok\":true}");
    send("{\"n\":4,\"ok\":true}");
    send("{\"n\":5,\"ok\":true}");
    send("{\"n\":6,\"ok\":true}");
    is_text(called("app-f"), "3,4", "a batch never is,");
    is_text(called("app-f"), "5,6", "however many there are");

    kit_fresh();
    kit_app("app", FN(BATCH("2", "10s", IF("event.data.a / event.data.b"))));
    a = send("{\"a\":1,\"b\":0}");
    is_int(runs_of(&a), 1, "one of which `if` has no value runs alone, too");
    a = send("{\"a\":4,\"b\":2}");
    is_int(runs_of(&a), 1, "and one of which it is not true");
}


static void
test_once(void)
{
    dur_ulid_t  a, b, c;

    kit_fresh();
    kit_app("app", FN(BATCH("3", "1m", "")));
    a = put((sent_t) { "f", "{\"n\":1}", "one", 0 });
    b = put((sent_t) { "f", "{\"n\":2}", "one", 0 });
    series(3, 4);
    is_text(called("app-f"), "1,3,4", "a client's event id is in a batch "
            "once");
    is_int(runs_of(&a) + runs_of(&b), 1, "the second one has no run");

    pass(30 * MINUTE - 1);
    c = put((sent_t) { "f", "{\"n\":5}", "one", 0 });
    pass(1);
    put((sent_t) { "f", "{\"n\":6}", "one", 0 });
    series(7, 8);
    is_text(called("app-f"), "6,7,8", "it is taken again after 30 minutes");
    is_int(runs_of(&c), 0, "and not before");
}


static void
test_functions(void)
{
    dur_ulid_t  a, b;

    kit_fresh();
    kit_app("app", FN(BATCH("3", "10s", "")));
    a = series(1, 1);
    pause_function("app-f", true);
    b = series(2, 2);
    pass(10 * SECOND);
    is_text(kit_status(&a), "Skipped", "a batch that is due while its "
            "function is paused is skipped");
    is_text(kit_status(&b), "Skipped", "with all that it has");
    pause_function("app-f", false);

    a = series(1, 2);
    kit_app("app", FN(BATCH("2", "20s", "")));
    series(3, 3);
    is_text(called("app-f"), "1,2,3", "a smaller size closes what is open "
            "with the next event");

    a = series(1, 1);
    kit_app("app", FN(BATCH("2", "5s", "")));
    pass(10 * SECOND);
    is_int(runs_of(&a), 0, "a time-out is that of later batches");
    pass(10 * SECOND);
    is_text(called("app-f"), "1", "what is open ends when it was to end");

    a = series(1, 1);
    kit_app("app", FN(""));
    b = series(2, 2);
    is_text(called("app-f"), "2", "a function that lost the option starts "
            "runs at once");
    pass(5 * SECOND);
    is_text(called("app-f"), "1", "and what was open when it is due");
}


static void
test_removed(void)
{
    dur_ulid_t  a;

    kit_fresh();
    kit.conf.retention = MINUTE;
    kit_configure();
    kit_app("app", FN(BATCH("1000", "10s", "")));
    a = series(1, 400);
    kit_app("app", KIT_FN("app-g", KIT_ON("g"), ""));
    pass(10 * SECOND);
    is_int(rows(DUR_T_RUN), 0, "the batch of a function that is gone starts "
           "nothing");
    ok(stored(&a), "its events are kept like others that start nothing");
    pass(2 * MINUTE);
    is_int(rows(DUR_T_EVENT) + rows(DUR_T_EVENT_RUN) + rows(DUR_T_FLOW)
           + rows(DUR_T_TIMER) + rows(DUR_T_ENDED) + rows(DUR_T_TASK), 0,
           "and are deleted like them");
    kit.conf.retention = 0;
}


static void
test_retention(void)
{
    dur_ulid_t  a;

    kit_fresh();
    kit.conf.retention = MINUTE;
    kit_configure();
    kit_app("app", FN(BATCH("400", "1h", "")) ","
            KIT_FN("app-g", KIT_ON("f"), ",\"rateLimit\":{\"limit\":1,"
                   "\"period\":\"24h\"}"));

    a = series(1, 399);
    kit_answer("app-g", 200, "1");
    pass(10 * MINUTE);
    ok(stored(&a), "the events of an open batch are kept");
    series(400, 400);
    is_int(rows(DUR_T_RUN), 1, "when others have deleted their runs, too");
    pass(10 * MINUTE);
    ok(stored(&a), "and those of a run that lives");
    kit_answer("app-f", 200, "1");
    pass(3 * MINUTE);
    is_int(rows(DUR_T_RUN) + rows(DUR_T_EVENT) + rows(DUR_T_EVENT_RUN)
           + rows(DUR_T_PAYLOAD) + rows(DUR_T_ENDED), 0,
           "all of it goes with the run");
    pass(24 * HOUR);
    is_int(rows(DUR_T_FLOW), 0, "and the members, too");
    kit.conf.retention = 0;
}


static void
test_crash(void)
{
    dur_ulid_t  a;

    kit_fresh();
    kit_app("app", FN(BATCH("4", "10s", "")));
    a = series(1, 1);
    kit_reopen();
    series(2, 2);
    kit_reopen();
    series(3, 3);
    kit_reopen();
    is_int(runs_of(&a), 0, "an open batch outlives the leader");
    series(4, 4);
    kit_reopen();
    is_text(called("app-f"), "1,2,3,4", "with its events,");

    a = series(5, 6);
    kit.now += 10 * SECOND;
    kit_reopen();
    settle();
    is_text(called("app-f"), "5,6", "and its time-out");
}


/* What is done with an op that broke an invariant. */
static bool
poison(uint8_t type)
{
    dur_rc_t       rc;
    dur_op_t       op;
    dur_effect_t  *f;

    memset(&op, 0, sizeof(op));
    op.type = type;
    dur_buf_reset(&kit.buf);
    dur_op_encode(&op, &kit.buf);
    dur_arena_reset(&kit.arena);

    rc = dur_engine_begin(kit.engine, kit.now, &kit.arena);
    if (rc == DUR_OK) {
        rc = dur_engine_poison(kit.engine, dur_buf_str(&kit.buf), &kit.reply);
    }

    return rc == DUR_OK && dur_engine_commit(kit.engine, &f) == DUR_OK;
}


static void
test_poison(void)
{
    dur_ulid_t  a, b;

    kit_fresh();
    kit_app("app", FN(BATCH("3", "10s", "")) "," KIT_FN("app-g", KIT_ON("g"),
            ",\"debounce\":{\"period\":\"10s\"}"));

    a = series(1, 2);
    kit.now += 10 * SECOND;
    ok(poison(DUR_OP_TIMERS), "the timer of a batch that cannot be started");
    settle();
    is_int(runs_of(&a) + rows(DUR_T_EVENT_RUN) + rows(DUR_T_TIMER)
           + rows(DUR_T_FLOW), 0, "lets go of its events");
    series(3, 5);
    is_text(called("app-f"), "3,4,5", "the next one is another");

    b = put((sent_t) { "g", "{}", NULL, 0 });
    kit.now += 10 * SECOND;
    ok(poison(DUR_OP_TIMERS), "so does that of a debounce");
    settle();
    is_int(runs_of(&b) + rows(DUR_T_TIMER), 0, "of its event");
    b = put((sent_t) { "g", "{}", NULL, 0 });
    pass(10 * SECOND);
    is_int(runs_of(&b), 1, "and holds the next one");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_size();
    test_time();
    test_bytes();
    test_bytes_of_go();
    test_upload();
    test_keys();
    test_alone();
    test_once();
    test_functions();
    test_removed();
    test_retention();
    test_crash();
    test_poison();

    return kit_done();
}
