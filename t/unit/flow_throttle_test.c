/* SPDX-License-Identifier: BSD-2-Clause */

/* Throttles: features 5.2, and how they go together with concurrency. */

#include "flow_kit.h"


#define APP(f, more)  KIT_FN("app-" f, KIT_ON("t/" f), "," more)


/* Lets time go by to `ms`, whatever is due on the way. */
static void
go_to(int64_t ms)
{
    unsigned  i;

    for (i = 0; i < 1000; i++) {
        flow_settle(100);

        if (dur_engine_next_due(kit.engine) > ms) {
            break;
        }

        kit_timers();
        flow_gather();
    }

    kit.now = ms;
    flow_settle(100);
}


/* When runs start, of six that come at once: features 5.2. */
static void
test_pace(void)
{
    size_t  i, j;

    static const struct {
        const char  *title;
        const char  *option;
        int          starts[6];         /* ms after the first event */
    } cases[] = {
        { "one in five seconds", "\"limit\":1,\"period\":\"5s\"",
          { 0, 5000, 10000, 15000, 20000, 25000 } },
        { "two in five seconds: two at once, then one every 2.5 s",
          "\"limit\":2,\"period\":\"5s\"",
          { 0, 0, 2500, 5000, 7500, 10000 } },
        { "a burst lets more of them start together",
          "\"limit\":1,\"period\":\"5s\",\"burst\":2",
          { 0, 0, 0, 5000, 10000, 15000 } },
        { "a limit of 0 is one of 1", "\"limit\":0,\"period\":\"2s\"",
          { 0, 2000, 4000, 6000, 8000, 10000 } },
        { "a third of a second is no whole number of milliseconds",
          "\"limit\":3,\"period\":\"1s\"",
          { 0, 0, 0, 334, 667, 1000 } },
        { "the period is cut to whole seconds",
          "\"limit\":1,\"period\":\"1900ms\"",
          { 0, 1000, 2000, 3000, 4000, 5000 } },
        { "a short one is a second", "\"limit\":1,\"period\":\"10ms\"",
          { 0, 1000, 2000, 3000, 4000, 5000 } },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char     text[512];
        bool     good;
        int64_t  begin;

        flow_fresh();
        snprintf(text, sizeof(text), KIT_FN("app-f", KIT_ON("t/f"),
                 ",\"throttle\":{%s}"), cases[i].option);
        kit_app("app", text);
        begin = kit.now;

        for (j = 0; j < 6; j++) {
            flow_send("f", "a", (int) j);
        }

        for (j = 0, good = true; j < 6; j++) {
            go_to(begin + cases[i].starts[j] - 1);
            good = good && (cases[i].starts[j] == 0 || flow.started <= j);
            go_to(begin + cases[i].starts[j]);
            good = good && flow.started > j && flow_check("a throttle");

            if (!good) {
                printf("# %zu have started after %d ms\n", flow.started,
                       cases[i].starts[j]);
                break;
            }
        }

        ok(good, "%s", cases[i].title);
        is_text(flow.order, "0 1 2 3 4 5", "%s: in order", cases[i].title);

        /* nobody waits: what it knew is dropped */

        go_to(kit.now + 3600000);
        is_int((long) flow_rows(DUR_T_FLOW), 0, "%s: nothing is left",
               cases[i].title);
        is_int((long) flow_rows(DUR_T_TIMER), 0, "%s: no timer either",
               cases[i].title);
    }
}


static void
test_keys(void)
{
    flow_fresh();
    kit_app("app", APP("f", "\"throttle\":{\"limit\":1,\"period\":\"10s\","
                       "\"key\":\"event.data.k\"}"));

    flow_send("f", "a", 1);
    flow_send("f", "a", 2);
    flow_send("f", "b", 3);
    flow_send("f", "b", 4);
    flow_settle(100);
    is_text(flow.order, "1 3", "each key has a throttle of its own");

    go_to(kit.now + 10000);
    is_text(flow.order, "1 3 2 4", "each goes on when it is time");
}


/* Only the first call of a run is throttled, and only once. */
static void
test_start(void)
{
    int64_t  begin;

    flow_fresh();
    kit_app("app", "{\"id\":\"app-f\",\"name\":\"f\",\"triggers\":[{\"event\":"
            "\"t/f\"}],\"steps\":{\"step\":{\"id\":\"step\",\"name\":\"step\","
            "\"runtime\":{\"type\":\"http\",\"url\":\"http://127.0.0.1/?"
            "fnId=app-f&stepId=step\"},\"retries\":{\"attempts\":3}}},"
            "\"throttle\":{\"limit\":1,\"period\":\"60s\"}}");
    begin = kit.now;

    flow_send("f", "a", 1);
    flow_send("f", "a", 2);
    flow_settle(100);

    flow_answer_as(0, 500, "{\"name\":\"E\",\"message\":\"bad\"}");
    go_to(begin + 30000);
    is_text(flow.order, "1 1", "it is tried again without a throttle");

    flow_answer_as(0, 206, "[" KIT_RUN(KIT_A, "a", "1") "]");
    flow_settle(100);
    is_text(flow.order, "1 1 1", "and its steps are not throttled");

    flow_reopen();
    go_to(begin + 59999);
    is_int((long) flow.started, 3, "after a restart the next one still waits");
    go_to(begin + 60000);
    is_text(flow.order, "1 1 1 2", "until it is time");
}


/* What waits for something else takes nothing from the throttle. */
static void
test_concurrency(void)
{
    int      i;
    int64_t  begin;

    flow_fresh();
    kit_app("app", APP("f", "\"throttle\":{\"limit\":2,\"period\":\"10s\"},"
                       "\"concurrency\":1"));
    begin = kit.now;

    for (i = 1; i <= 4; i++) {
        flow_send("f", "a", i);
    }

    go_to(begin + 20000);
    is_text(flow.order, "1", "the second run waits for the first");
    flow_check("a throttle that is idle");

    flow_answer(0);
    flow_settle(100);
    is_text(flow.order, "1 2", "and starts when that has ended");

    flow_answer(0);
    flow_settle(100);
    is_text(flow.order, "1 2 3", "the throttle was idle meanwhile");

    flow_answer(0);
    flow_settle(100);
    is_text(flow.order, "1 2 3", "until that is used up");
    go_to(begin + 25000);
    is_text(flow.order, "1 2 3 4", "then its time counts");
}


/* A key that is busy holds up nobody else, however many wait before. */
static void
test_busy(void)
{
    int      i;
    int64_t  begin;

    flow_fresh();
    kit_app("app", APP("f", "\"throttle\":{\"limit\":2,\"period\":\"1s\"},"
                       "\"concurrency\":{\"limit\":1,"
                       "\"key\":\"event.data.k\"}"));
    begin = kit.now;

    for (i = 0; i < 200; i++) {
        flow_send("f", "busy", i);
    }

    flow_send("f", "b", 1000);
    flow_send("f", "c", 1001);

    go_to(begin + 2000);
    is_text(flow.order, "0 1000 1001", "other keys start as the throttle "
            "allows");
    is_int((long) flow_rows(DUR_T_BLOCKED), 199, "those of the key wait");

    for (i = 0; i < 400 && flow.n > 0; i++) {
        flow_answer(0);
        go_to(kit.now + 1000);
    }

    is_int((long) flow.started, 202, "all of them run");
}


static void
test_registered(void)
{
    int  i;

    flow_fresh();
    kit_app("app", APP("f", "\"throttle\":{\"limit\":1,\"period\":\"1h\"}"));

    for (i = 0; i < 10; i++) {
        flow_send("f", "a", i);
    }

    flow_settle(100);
    is_int((long) flow.started, 1, "one in an hour");

    kit_app("app", APP("f", "\"throttle\":{\"limit\":1,\"period\":\"10s\"}"));
    go_to(kit.now + 10000);
    is_int((long) flow.started, 2, "a faster pace holds from the next start");

    kit_app("app", APP("f", "\"x\":1"));
    flow_settle(100);
    is_int((long) flow.started, 10, "without a throttle all of them start");

    go_to(kit.now + 4 * 3600000);
    is_int((long) flow_rows(DUR_T_FLOW), 0, "its state is dropped");
    is_int((long) flow_rows(DUR_T_TIMER), 0, "its timer too");
}


static void
test_gone(void)
{
    dur_op_t    op;
    dur_ulid_t  event;

    flow_fresh();
    kit_app("app", APP("f", "\"throttle\":{\"limit\":1,\"period\":\"10s\"}"));

    flow_send("f", "a", 1);
    event = flow_send("f", "a", 2);
    flow_settle(100);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    op.run = kit_run_id(&event);
    kit_op(&op);

    flow_send("f", "a", 3);
    flow_settle(100);
    is_int((long) flow_rows(DUR_T_TIMER), 1, "one timer for a key");
    go_to(kit.now + 10000);
    is_text(flow.order, "1 3", "who is cancelled uses nothing up");
}


int
main(void)
{
    if (!kit_init()) {
        return 1;
    }

    test_pace();
    test_keys();
    test_start();
    test_concurrency();
    test_busy();
    test_registered();
    test_gone();

    return kit_done();
}
