/* SPDX-License-Identifier: BSD-2-Clause */

/* debounce: features 5.4, and what it has to do with 0.4, 2.5, 3. */

#include "window_kit.h"

#define FN(more)    KIT_FN("app-f", KIT_ON("f"), more)
#define HOLD(period, more)                                                   \
    ",\"debounce\":{\"period\":\"" period "\"" more "}"
#define KEY(expression)  ",\"key\":\"" expression "\""
#define LIFE(timeout)    ",\"timeout\":\"" timeout "\""


static bool
runs(const dur_ulid_t *event)
{
    return strcmp(kit_status(event), "none") != 0;
}


static void
test_last(void)
{
    dur_ulid_t  a, b, c;

    kit_fresh();
    kit_app("app", FN(HOLD("10s", "")));

    a = send("{\"n\":1}");
    is_text(kit_status(&a), "none", "an event does not start its run at once");
    pass(9 * SECOND);
    b = send("{\"n\":2}");
    pass(9 * SECOND);
    c = send("{\"n\":3}");
    pass(10 * SECOND - 1);
    ok(!runs(&a) && !runs(&b) && !runs(&c),
       "nor does one of a row of them, each within the period of the one "
       "before");
    pass(1);
    ok(!runs(&a) && !runs(&b), "the events before the last one start nothing");
    is_text(kit_status(&c), "Scheduled",
           "the last one starts a run when the period is over");
    ok(kit_take("app-f").item != 0, "and it is called");
    is_int(json_integer_value(json_object_get(
               json_object_get(kit_get("event", NULL), "data"), "n")), 3,
           "with the last event");
    is_int(rows(DUR_T_FLOW), 0, "nothing is held any more");

    a = send("{\"n\":4}");
    pass(10 * SECOND);
    is_text(kit_status(&a), "Scheduled", "the next event begins anew");
}


static void
test_life(void)
{
    size_t   i, n;
    int64_t  began, at;

    static const struct {
        const char  *timeout;
        int64_t      every;             /* an event each */
        int64_t      fires;             /* after the first one */
        const char  *title;
    } tests[] = {
        { "", 900, 0, "without a timeout events in a row hold on" },
        { "5s", 1100, 4300, "what is left at 3.3 s, 1.7 s, is rounded down" },
        { "10s", 1500, 10000, "what is left at 9 s is one second" },
        { "2400ms", 100000, 2000, "a first timeout is rounded down" },
        { "2500ms", 100000, 3000, "or up, to the nearest second" },
        { "100ms", 100000, 1000, "and is one second at least" },
        { "1s", 300, 2000, "events without end cannot hold it for longer than "
          "a second more" },
        { "1m", 100000, 4000, "a longer timeout leaves the period alone" },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        char  fn[1024];

        snprintf(fn, sizeof(fn), FN(HOLD("4s", LIFE("%s"))),
                 tests[i].timeout);
        kit_fresh();
        kit_app("app", fn);

        began = kit.now;
        at = 0;
        send("{}");

        for (n = 0; n < 300 && at == 0; n++) {
            int64_t  next = kit.now + tests[i].every;

            while (kit.now < next && at == 0) {
                int64_t  due = dur_engine_next_due(kit.engine);

                if (due > next) {
                    kit.now = next;
                    break;
                }

                pass(due > kit.now ? due - kit.now : 0);
                settle();
                at = rows(DUR_T_RUN) ? kit.now - began : 0;
            }

            if (at == 0) {
                send("{}");
            }
        }

        is_int(at, tests[i].fires, "%s", tests[i].title);
    }
}


static void
test_keys(void)
{
    dur_ulid_t  a, b, c, d, e, f;

    kit_fresh();
    kit_app("app", FN(HOLD("5s", KEY("event.data.k"))));

    a = send("{\"k\":\"x\"}");
    b = send("{\"k\":\"y\"}");
    c = send("{\"k\":\"x\"}");
    d = send("{\"k\":1}");
    e = send("{\"k\":\"1\"}");
    pass(5 * SECOND);
    ok(!runs(&a) && runs(&b) && runs(&c), "each value has its own last event");
    ok(!runs(&d) && runs(&e), "a number is its text");

    a = send("{}");
    b = send("{\"k\":false}");
    c = send("{\"k\":\"true\"}");
    d = send("{\"k\":true}");
    e = send("{\"k\":null}");
    f = send("{\"k\":null}");
    pass(5 * SECOND);
    ok(!runs(&a) && runs(&b), "what is missing is false, which is a value");
    ok(!runs(&c) && runs(&d), "and so is true");
    ok(!runs(&e) && runs(&f), "null is a value");

    kit_fresh();
    kit_app("app", FN(HOLD("5s", KEY("event.data.a / event.data.b"))));
    a = send("{\"a\":1,\"b\":\"x\"}");
    b = send("{\"a\":\"y\",\"b\":2}");
    pass(5 * SECOND);
    ok(!runs(&a) && runs(&b), "events whose key is an error share one");
}


static void
test_out_of_order(void)
{
    int64_t     now;
    dur_ulid_t  a, b, c;

    kit_fresh();
    kit_app("app", FN(HOLD("10s", "")));
    now = kit.now;

    a = put((sent_t) { "f", "{}", NULL, now });
    pass(5 * SECOND);
    b = put((sent_t) { "f", "{}", NULL, now - 1 });
    pass(5 * SECOND);
    ok(runs(&a) && !runs(&b), "an event with an older ts neither replaces the "
       "held one nor restarts its period");

    now = kit.now;
    a = put((sent_t) { "f", "{}", NULL, now });
    pass(5 * SECOND);
    b = put((sent_t) { "f", "{}", NULL, now });
    pass(5 * SECOND);
    ok(!runs(&a) && !runs(&b), "one with the same ts does both");
    pass(5 * SECOND);
    ok(!runs(&a) && runs(&b), "and is the one that starts");

    now = kit.now;
    c = put((sent_t) { "f", "{}", NULL, now + HOUR });
    pass(10 * SECOND);
    is_text(kit_status(&c), "Scheduled", "an event of the future");
    kit_dispatch();
    is_text(kit_status(&c), "Scheduled", "is held, and then waits for its ts");
    pass(HOUR);
    kit_dispatch();
    is_text(kit_status(&c), "Running", "which comes");
}


/* Who is asked before, and who after. */
static void
test_order(void)
{
    dur_ulid_t  a, b, c;

    kit_fresh();
    kit_app("app", FN(HOLD("10s", "")
                      ",\"rateLimit\":{\"limit\":1,\"period\":\"1h\"}"));
    a = send("{}");
    pass(SECOND);
    b = send("{}");
    pass(10 * SECOND);
    ok(runs(&a) && !runs(&b), "a rate limit counts events, before they are "
       "held");

    kit_fresh();
    kit_app("app", FN(HOLD("10s", "")
                      ",\"singleton\":{\"mode\":\"skip\"}"));
    a = send("{}");
    pass(10 * SECOND);
    b = send("{}");
    is_text(kit_status(&b), "none", "a singleton is asked when it fires");
    pass(10 * SECOND);
    is_text(kit_status(&b), "Skipped", "and skips it");

    kit_fresh();
    kit_app("app", FN(HOLD("10s", "")));
    a = put((sent_t) { "f", "{}", "one", 0 });
    b = put((sent_t) { "f", "{}", "one", 0 });
    pass(10 * SECOND);
    ok(!runs(&a) && runs(&b), "a client's event id may be held again");
    c = put((sent_t) { "f", "{}", "one", 0 });
    pass(10 * SECOND);
    is_text(kit_status(&c), "none", "but starts one run only");
    is_int(rows(DUR_T_FLOW), 0, "and is not held for ever");

    kit_fresh();
    kit_app("app", FN(HOLD("10s", "") ",\"cancel\":[{\"event\":\"c\"}],"
                      "\"timeouts\":{\"start\":\"30s\"}"));
    a = send("{}");
    put((sent_t) { "c", "{}", NULL, 0 });
    pass(10 * SECOND);
    ok(runs(&a), "a cancelOn begins with the run");
    put((sent_t) { "c", "{}", NULL, 0 });
    is_text(kit_status(&a), "Cancelled", "which it cancels");

    a = send("{}");
    pass(39 * SECOND);
    is_text(kit_status(&a), "Scheduled", "the time to start counts from "
            "there");
    pass(SECOND);
    is_text(kit_status(&a), "Cancelled", "and is over when it is");
}


static void
test_limits(void)
{
    kit_attempt_t  a;

    kit_fresh();
    kit_app("app", FN(HOLD("10s", KEY("event.data.k"))
                      ",\"concurrency\":1,\"priority\":{\"run\":"
                      "\"event.data.first ? 600 : 0\"}"));
    send("{\"k\":1}");
    pass(10 * SECOND);
    a = kit_take("app-f");
    ok(a.item != 0, "a run of a held event has a slot when it starts");

    send("{\"k\":2}");
    pass(SECOND);
    send("{\"k\":3,\"first\":true}");
    pass(10 * SECOND);
    ok(kit_take("app-f").item == 0, "others wait for theirs");
    kit_result(a, 200, KIT_SDK, "1");
    ok(kit_take("app-f").item != 0, "and one of them gets it");
    is_int(json_integer_value(json_object_get(kit_get("event", "data"), "k")),
           3, "the one of the higher priority");
}


static void
test_functions(void)
{
    dur_ulid_t  a, b;

    kit_fresh();
    kit_app("app", FN(HOLD("10s", "")));
    pause_function("app-f", true);
    a = send("{}");
    is_text(kit_status(&a), "none", "a paused function holds events");
    pass(10 * SECOND);
    is_text(kit_status(&a), "Skipped", "and skips them when they are due");
    pause_function("app-f", false);

    a = send("{}");
    kit_app("app", KIT_FN("app-g", KIT_ON("g"), ""));
    pass(10 * SECOND);
    is_text(kit_status(&a), "none", "what a function held that is gone is "
           "dropped");
    is_int(rows(DUR_T_FLOW) + rows(DUR_T_TIMER) + rows(DUR_T_EVENT_RUN), 1,
           "without a trace");

    kit_fresh();
    kit_app("app", FN(HOLD("10s", "")));
    a = send("{}");
    kit_app("app", FN(""));
    b = send("{}");
    ok(runs(&b) && !runs(&a), "a function that lost the option starts runs at "
       "once");
    pass(10 * SECOND);
    ok(runs(&a), "what it held is due when it was");

    kit_app("app", FN(HOLD("10s", "")));
    a = send("{}");
    kit_app("app", FN(HOLD("20s", "")));
    pass(10 * SECOND);
    ok(runs(&a), "a longer period is that of later events");
}


static void
test_crash(void)
{
    dur_ulid_t  a, b;

    kit_fresh();
    kit_app("app", FN(HOLD("10s", "")));
    a = send("{}");
    pass(SECOND);
    b = send("{}");
    kit_reopen();
    pass(10 * SECOND - 1);
    ok(!runs(&a) && !runs(&b), "what is held outlives the leader");
    pass(1);
    ok(!runs(&a) && runs(&b), "and its time with it");

    a = send("{}");
    kit.now += HOUR;
    kit_reopen();
    settle();
    ok(runs(&a), "what was due in the meantime starts at once");
}


static void
test_retention(void)
{
    dur_ulid_t  a, b;

    kit_fresh();
    kit.conf.retention = MINUTE;
    kit_configure();
    kit_app("app", FN(HOLD("10m", "")) ","
            KIT_FN("app-g", KIT_ON("f"), HOLD("5m", "")));

    a = send("{}");
    pass(9 * MINUTE);
    ok(stored(&a), "a held event is kept");
    pass(SECOND);
    b = send("{}");
    pass(2 * MINUTE);
    ok(stored(&a), "one that was replaced is, while the run of another "
       "function has it");

    kit_fresh();
    kit_configure();
    kit_app("app", FN(HOLD("10m", "")) ","
            KIT_FN("app-g", KIT_ON("f"), HOLD("15m", "")));
    a = send("{}");
    pass(9 * MINUTE);
    b = send("{}");
    pass(MINUTE + SECOND);
    ok(!stored(&a), "one that all have replaced is deleted like one that "
       "starts nothing");
    pass(13 * MINUTE);
    ok(stored(&b), "the one that fired is not, and the other function holds "
       "it");
    kit_answer("app-f", 200, "1");
    pass(10 * MINUTE);
    ok(stored(&b), "nor when the first run is deleted");
    kit_answer("app-g", 200, "1");
    pass(10 * MINUTE);
    ok(!stored(&b), "but with the last one");
    is_int(rows(DUR_T_EVENT_RUN) + rows(DUR_T_FLOW) + rows(DUR_T_RUN)
           + rows(DUR_T_EVENT) + rows(DUR_T_ENDED), 0, "nothing is left");
    kit.conf.retention = 0;
}


static void
test_invoke(void)
{
    char        id[DUR_ULID_TEXT_LEN + 1];
    dur_ulid_t  one, two, run;

    kit_fresh();
    kit_app("app", KIT_FN("app-f", KIT_ON("f"), HOLD("10s", "")) ","
            KIT_FN("app-p", KIT_ON("p"), ""));

    one = put((sent_t) { "p", "{}", NULL, 0 });
    kit_answer("app-p", 206, "[" KIT_INVOKE(KIT_A, "a", "app-f",
                                            ",\"timeout\":\"30s\"") "]");
    pass(SECOND);
    two = put((sent_t) { "p", "{}", NULL, 0 });
    kit_answer("app-p", 206, "[" KIT_INVOKE(KIT_A, "a", "app-f",
                                            ",\"timeout\":\"30s\"") "]");
    ok(kit_take("app-f").item == 0, "an invoke is held like any event");
    pass(10 * SECOND);
    kit_answer("app-f", 200, "\"done\"");

    run = kit_run_id(&two);
    ok(kit_take("app-p").item != 0, "the last caller goes on");
    ok(kit_is(kit_get("steps", KIT_A), "{\"data\":\"done\"}"),
       "with what the run returned");
    dur_ulid_text(&run, id);
    is_text(json_string_value(kit_get("ctx", "run_id")), id,
            "it is the one whose event fired");
    ok(kit_take("app-p").item == 0, "the one before waits");
    pass(30 * SECOND);
    ok(kit_take("app-p").item != 0, "until its time is over");
    is_text(kit_status(&one), "Running", "and goes on as well");

    kit_fresh();
    kit_app("app", KIT_FN("app-f", KIT_ON("f"), HOLD("10s", "")) ","
            KIT_FN("app-p", KIT_ON("p"), ""));
    put((sent_t) { "p", "{}", NULL, 0 });
    kit_answer("app-p", 206, "[" KIT_INVOKE(KIT_A, "a", "app-f", "") "]");
    kit_app("app", KIT_FN("app-p", KIT_ON("p"), ""));
    pass(10 * SECOND);
    ok(kit_take("app-p").item != 0
       && json_object_get(kit_get("steps", KIT_A), "error") != NULL,
       "when the function is gone the caller has an error");
}


static void
test_rerun(void)
{
    dur_op_t    op;
    dur_ulid_t  a;

    kit_fresh();
    kit_app("app", FN(HOLD("10s", KEY("event.data.k"))));
    a = send("{\"k\":1}");
    pass(10 * SECOND);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_RERUN;
    op.run = kit_run_id(&a);
    op.id = kit_ulid(kit.entropy + 1);
    kit_op(&op);
    kit_gather();
    is_int(rows(DUR_T_RUN), 2, "a rerun is not held");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_last();
    test_life();
    test_keys();
    test_out_of_order();
    test_order();
    test_limits();
    test_functions();
    test_crash();
    test_retention();
    test_invoke();
    test_rerun();

    return kit_done();
}
