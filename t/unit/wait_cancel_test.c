/* SPDX-License-Identifier: BSD-2-Clause */

/* Runs that an event cancels, and steps that wait for a signal. */

#include "wait_kit.h"

#define CANCEL(entry)  ",\"cancel\":[" entry "]"


/* -- cancelOn ------------------------------------------------------------- */

static void
test_cancel(void)
{
    json_t         *run, *output;
    dur_ulid_t      event, other;
    kit_attempt_t   a;

    kit_fresh();
    wait_register(CANCEL("{\"event\":\"t/stop\",\"if\":\"" WAIT_SAME "\"}"));

    a = wait_start("{\"id\":\"x\"}", &event);
    wait_start("{\"id\":\"y\"}", &other);
    is_int(wait_rows(), 5, "runs of a function with cancelOn wait from their "
           "start");

    wait_send("t/stop", "{\"id\":\"x\"}");
    is_str(dur_str_c(kit_status(&event)), "Cancelled",
           "the event that matches cancels");
    is_str(dur_str_c(kit_status(&other)), "Running", "one run of them");
    ok(kit_effect(DUR_EFFECT_CANCEL, 0) != NULL,
       "the executor hears that nobody waits for its call");

    run = kit_run(&event);
    output = json_object_get(run, "output");
    is_str(dur_str_c(json_string_value(json_object_get(output, "message"))),
           "The run was cancelled by an event", "and people why");
    json_decref(run);

    kit_result(a, 200, KIT_SDK, "1");
    is_str(dur_str_c(kit_status(&event)), "Cancelled",
           "the result of its call is too late");

    wait_send("t/stop", "{\"id\":\"y\"}");
    is_str(dur_str_c(kit_status(&other)), "Cancelled", "then the other");
    is_int(wait_rows(), 0, "nobody waits any more");
}


static void
test_cancel_folded(void)
{
    size_t      i;
    char        more[256];
    dur_ulid_t  event;

    static const struct {
        const char  *expr;
        bool         stored;
        const char  *title;
    } rows[] = {
        { "event.data.vip == true && async.data.b == 2", false,
          "that the run's event rules out is not even stored" },
        { "event.data.id == 'x' && async.data.b == 2", true,
          "that it allows is" },
        { "event.data.id == 'x'", true, "that any event meets is" },
        { "event.data.vip", false, "that is a field which is missing is not" },
        { "async.data.id == event.data.nothing", true,
          "with a field that is missing may match" },
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        kit_fresh();
        snprintf(more, sizeof(more), ",\"cancel\":[{\"event\":\"t/stop\","
                 "\"if\":\"%s\"}]", rows[i].expr);
        wait_register(more);
        wait_start("{\"id\":\"x\"}", &event);

        is_int(wait_rows(), rows[i].stored ? 3 : 0, "a condition %s",
               rows[i].title);
    }
}


static void
test_cancel_timeout(void)
{
    size_t      i;
    char        more[256];
    dur_ulid_t  event;

    static const struct {
        const char  *timeout;
        int64_t      good;          /* ms that it is good for */
    } rows[] = {
        { "1h", 3600000 },
        { "2026-09-21T15:13:20Z", 3600000 },
        { "", 365 * (int64_t) 86400000 },
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        kit_fresh();
        kit.now = 1790000000000;
        snprintf(more, sizeof(more), ",\"cancel\":[{\"event\":\"t/stop\"%s%s"
                 "%s}]", rows[i].timeout[0] ? ",\"timeout\":\"" : "",
                 rows[i].timeout, rows[i].timeout[0] ? "\"" : "");
        wait_register(more);

        event = wait_run("{}", "[" KIT_SLEEP(KIT_A, "s", "366d") "]");
        kit.now += rows[i].good;
        wait_send("t/stop", "{}");
        is_str(dur_str_c(kit_status(&event)), "Running",
               "cancelOn with the timeout \"%s\" is over then",
               rows[i].timeout);

        kit.now -= 1;
        wait_send("t/stop", "{}");
        is_str(dur_str_c(kit_status(&event)), "Cancelled",
               "and good until then");
    }

    kit.now = 1790000000000;
}


static void
test_cancel_and_start(void)
{
    dur_ulid_t  first, second;

    kit_fresh();
    wait_register(CANCEL("{\"event\":\"t/f\"}"));

    wait_start("{}", &first);
    is_str(dur_str_c(kit_status(&first)), "Running",
           "the event that starts a run does not cancel it");

    wait_start("{}", &second);
    is_str(dur_str_c(kit_status(&first)), "Cancelled",
           "the next one of the name cancels it");
    is_str(dur_str_c(kit_status(&second)), "Running", "and starts another");
    is_int(wait_rows(), 3, "which waits as the first did");
}


static void
test_cancel_and_resume(void)
{
    dur_ulid_t  event;

    kit_fresh();
    wait_register(CANCEL("{\"event\":\"t/other\",\"if\":"
                         "\"async.data.stop == true\"}"));

    event = wait_run("{\"id\":\"x\"}", "["
                     WAIT_EVENT(KIT_A, "w", "t/other", "1h", WAIT_SAME) "]");
    wait_run("{\"id\":\"x\"}", "["
             WAIT_EVENT(KIT_A, "w", "t/other", "1h", WAIT_SAME) "]");
    is_int(wait_rows(), 9, "two runs wait for an event in two ways each");

    wait_send("t/other", "{\"id\":\"x\",\"stop\":true}");
    is_str(dur_str_c(kit_status(&event)), "Cancelled",
           "one event may resume a run and cancel it");
    is_int(kit_dispatch(), 0, "then it is not called");
    is_int(wait_rows(), 0, "and waits for nothing");
    is_int(wait_table(DUR_T_TIMER) + wait_table(DUR_T_READY), 0,
           "no work of it is left");
}


static void
test_cancel_many(void)
{
    size_t      i;
    dur_ulid_t  event;

    kit_fresh();
    kit.conf.max_calls = 4096;
    kit_configure();
    wait_register(CANCEL("{\"event\":\"t/stop\"},{\"event\":\"t/halt\","
                         "\"if\":\"" WAIT_SAME "\"}"));

    for (i = 0; i < 500; i++) {
        wait_start("{}", &event);
    }

    is_int(wait_rows(), 2002, "each entry of cancelOn is a wait");
    wait_send("t/stop", "{}");
    ok(wait_rows() > 1000, "a first piece of the runs is cancelled at once");

    wait_start("{}", &event);
    wait_reopen();
    kit_configure();
    ok(wait_tasks() > 10, "tasks cancel the others");
    is_str(dur_str_c(kit_status(&event)), "Running",
           "but no run that started after the event");
    is_int(wait_rows(), 6, "which alone waits now");
}


/* Runs that end make events, which may end runs, which make events. */
static void
test_cancel_chain(void)
{
    size_t      i;
    dur_ulid_t  event;

    static const char  handler[] =
        CANCEL("{\"event\":\"inngest/function.cancelled\"},"
               "{\"event\":\"t/stop\",\"if\":\"" WAIT_SAME "\"}")
        "},{\"id\":\"app-h\",\"name\":\"h\",\"triggers\":[{\"event\":"
        "\"inngest/function.cancelled\"}],\"steps\":{\"step\":{\"id\":"
        "\"step\",\"name\":\"step\",\"runtime\":{\"type\":\"http\",\"url\":"
        "\"http://127.0.0.1:3000/api/inngest?fnId=app-h&stepId=step\"}}}";

    kit_fresh();
    kit.conf.max_calls = 4096;
    kit_configure();
    wait_register(handler);

    for (i = 0; i < 300; i++) {
        wait_start(i == 0 ? "{\"id\":\"x\"}" : "{\"id\":\"y\"}", &event);
    }

    wait_send("t/stop", "{\"id\":\"x\"}");
    wait_tasks();
    is_str(dur_str_c(kit_status(&event)), "Cancelled",
           "events of runs that an event cancelled cancel others");
    is_int(wait_rows(), 0, "in tasks, not in each other, all of them");
}


/* -- signals -------------------------------------------------------------- */

static void
test_signal(void)
{
    char        want[64], id[DUR_ULID_TEXT_LEN + 1];
    dur_ulid_t  event, run;

    kit_fresh();
    wait_register("");

    wait_signal("sig", "1");
    is_int(kit.reply.status, 404, "a signal that nobody waits for is refused");

    event = wait_run("{}", "[" WAIT_SIGNAL(KIT_A, "s", "sig", "fail") "]");
    is_int(wait_rows(), 2, "and was not kept for who comes later");

    wait_signal("si", "1");
    is_int(kit.reply.status, 404, "names are compared exactly");
    wait_signal("sig", "{no");
    is_int(kit.reply.status, 400, "data that is no JSON is refused");

    wait_signal("sig", "{\"k\": 123}");
    is_int(kit.reply.status, 200, "the one that is waited for is delivered");
    run = kit_run_id(&event);
    dur_ulid_text(&run, id);
    snprintf(want, sizeof(want), "{\"run_id\":\"%s\"}", id);
    is_str(kit.reply.body, want, "to a run that the answer names");

    ok(strstr(wait_next_memo(KIT_A), "{\"data\":{\"data\":{\"k\":123") != NULL,
       "the memo has the data and the signal");
    is_int(wait_rows() + wait_table(DUR_T_TIMER), 0, "the wait is over");

    wait_signal("sig", "1");
    is_int(kit.reply.status, 404, "so a second one is refused");
}


static void
test_signal_forms(void)
{
    dur_op_t    op;
    dur_ulid_t  event;

    kit_fresh();
    wait_register("");

    wait_run("{}", "[" WAIT_SIGNAL(KIT_A, "s", "a\\\"b", "fail") "]");
    wait_signal("a\"b", "");
    is_str(dur_str_c(wait_next_memo(KIT_A)),
           "{\"data\":{\"data\":null,\"signal\":\"a\\\"b\"}}",
           "without data it is null");

    kit_fresh();
    wait_register("");

    event = wait_run("{}", "[" WAIT_SIGNAL(KIT_A, "s", "sig", "fail") "]");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_SIGNAL;
    op.id = kit_ulid(99);
    op.url = dur_str("sig");
    op.body = dur_str("1");
    kit_op(&op);
    is_int(kit.reply.status, 200, "a signal is delivered");
    kit_op(&op);
    is_int(kit.reply.status, 200, "the same one sent again has the same "
           "answer");
    is_int(kit_dispatch(), 1, "and does nothing more");
    is_str(dur_str_c(kit_status(&event)), "Running", "the run goes on");

    kit_fresh();
    wait_register("");
    wait_run("{}", "[" WAIT_SIGNAL(KIT_A, "s", "sig", "fail") "]");
    kit.now += 3600000;
    wait_signal("sig", "1");
    is_int(kit.reply.status, 404, "when its time is over nobody waits");
    kit_timers();
    is_str(dur_str_c(wait_next_memo(KIT_A)), "null", "the memo is null then");
    is_int(wait_rows(), 0, "and nothing is left");
}


static void
test_signal_conflict(void)
{
    json_t      *run;
    dur_ulid_t   first, second;

    kit_fresh();
    wait_register("");

    first = wait_run("{}", "[" WAIT_SIGNAL(KIT_A, "s", "sig", "fail") "]");
    second = wait_run("{}", "[" WAIT_SIGNAL(KIT_A, "s", "sig", "fail") "]");

    is_str(dur_str_c(kit_status(&second)), "Failed",
           "a second run that waits for the signal fails");
    run = kit_run(&second);
    is_str(dur_str_c(json_string_value(json_object_get(
               json_object_get(run, "output"), "message"))),
           "Signal conflict; signal wait already exists for another run",
           "and says why");
    json_decref(run);

    is_int(wait_rows(), 2, "the first one waits as before");
    wait_signal("sig", "1");
    is_int(kit_dispatch(), 1, "and gets it");
    is_str(dur_str_c(kit_status(&first)), "Running", "it goes on");

    kit_fresh();
    wait_register("");

    first = wait_run("{}", "[" WAIT_SIGNAL(KIT_A, "s", "sig", "fail") ","
                     WAIT_SIGNAL(KIT_B, "t", "sig", "fail") "]");
    is_str(dur_str_c(kit_status(&first)), "Failed",
           "two steps of one run may not wait for one signal either");
    is_int(wait_rows() + wait_table(DUR_T_TIMER), 0, "nothing is left");
}


static void
test_signal_replace(void)
{
    dur_ulid_t  first, second;

    kit_fresh();
    wait_register("");

    first = wait_run("{}", "[" WAIT_SIGNAL(KIT_A, "s", "sig", "fail") "]");
    second = wait_run("{}", "[" WAIT_SIGNAL(KIT_A, "s", "sig", "replace")
                      "]");
    is_int(wait_rows(), 2, "with \"replace\" a second run takes over");

    wait_signal("sig", "1");
    is_int(kit_dispatch(), 1, "one run is called");
    kit_result(kit_attempt(0), 200, KIT_SDK, "1");
    is_str(dur_str_c(kit_status(&second)), "Completed", "the second");
    is_str(dur_str_c(kit_status(&first)), "Running", "not the first");

    kit_timers();
    is_str(dur_str_c(wait_next_memo(KIT_A)), "null",
           "which times out when its time comes");
    kit_result(kit_attempt(0), 200, KIT_SDK, "1");
    is_str(dur_str_c(kit_status(&first)), "Completed", "and completes");
    is_int(wait_rows(), 0, "nothing is left");

    kit_fresh();
    wait_register("");

    wait_run("{}", "[" WAIT_SIGNAL(KIT_A, "s", "sig", "fail") ","
             WAIT_SIGNAL(KIT_B, "t", "sig", "replace") "]");
    is_int(wait_rows(), 2, "a step may replace one of its own run");
    wait_signal("sig", "1");
    is_int(wait_rows(), 0, "and gets the signal");

    kit_fresh();
    wait_register("");

    first = wait_run("{}", "[" WAIT_SIGNAL(KIT_A, "s", "sig", "fail") "]");
    wait_run("{}", "[" WAIT_SIGNAL(KIT_A, "s", "sig", "replace") "]");
    kit_timers();
    is_int(wait_rows(), 0, "both time out");

    kit_fresh();
    wait_register("");

    wait_run("{}", "[" WAIT_SIGNAL(KIT_A, "s", "sig", "fail") "]");
    kit.now += 3600000;
    second = wait_run("{}", "[" WAIT_SIGNAL(KIT_A, "s", "sig", "fail") "]");
    is_str(dur_str_c(kit_status(&second)), "Running",
           "one whose time is over is in nobody's way");
    kit_timers();
    is_int(wait_rows(), 2, "and its timer does not take the other's away");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_cancel();
    test_cancel_folded();
    test_cancel_timeout();
    test_cancel_and_start();
    test_cancel_and_resume();
    test_cancel_many();
    test_cancel_chain();
    test_signal();
    test_signal_forms();
    test_signal_conflict();
    test_signal_replace();

    return kit_done();
}
