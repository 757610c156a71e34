/* SPDX-License-Identifier: BSD-2-Clause */

/* timeouts.start and timeouts.finish: features 5.10. */

#include "kit.h"

#define SECOND  ((int64_t) 1000)

#define WITH(timeouts)  KIT_FN("app-t", KIT_ON("t/t"), timeouts)
#define START   "\"start\":\"10s\""
#define FINISH  "\"finish\":\"1m\""
#define TIMEOUTS(which)  ",\"timeouts\":{" which "}"


static uint64_t
timers(void)
{
    uint64_t    n;
    dur_txn_t  *t;

    if (dur_txn_begin(dur_engine_store(kit.engine), false, &t) != DUR_OK) {
        return 0;
    }

    n = dur_txn_count(t, DUR_T_TIMER);
    dur_txn_abort(t);

    return n;
}


static void
fresh(const char *function)
{
    kit_fresh();
    kit_app("app", function);
}


static void
wait_for(int64_t ms)
{
    kit.now += ms;
    kit_plain(DUR_OP_TIMERS, 0);
}


static bool
message_has(const dur_ulid_t *event, const char *text)
{
    bool         has;
    json_t      *run;
    const char  *message;

    run = kit_run(event);
    message = json_string_value(json_object_get(json_object_get(run,
                                                                "output"),
                                                "message"));
    has = message != NULL && strstr(message, text) != NULL;
    json_decref(run);

    return has;
}


static void
test_start(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a;

    fresh(WITH(TIMEOUTS(START)));

    event = kit_event("t");
    is_int(timers(), 1, "a run that waits for its start has a timer");
    is_int(dur_engine_next_due(kit.engine) - kit.now, 10 * SECOND,
           "at its time");

    wait_for(10 * SECOND - 1);
    is_str(dur_str_c(kit_status(&event)), "Scheduled", "until then it waits");
    wait_for(1);
    is_str(dur_str_c(kit_status(&event)), "Cancelled",
           "without a call it is cancelled");
    ok(message_has(&event, "timeouts.start"), "and says why");
    is_int(kit_dispatch(), 0, "nothing goes out any more");
    is_int(timers(), 0, "no timer is left");

    event = kit_event("t");
    kit_dispatch();
    a = kit_attempt(0);
    is_int(timers(), 0, "a call that is out ends the wait");
    wait_for(60 * SECOND);
    is_str(dur_str_c(kit_status(&event)), "Running",
           "however long it takes");
    kit_result_error(a, DUR_CALL_ECONNECT);
    wait_for(60 * SECOND);
    is_str(dur_str_c(kit_status(&event)), "Failed",
           "an attempt that failed is a start, too");

    event = kit_event_at("t", NULL, kit.now + 3600 * SECOND);
    wait_for(3000 * SECOND);
    is_str(dur_str_c(kit_status(&event)), "Scheduled",
           "a run of the future is not late before its time");
    wait_for(600 * SECOND);
    is_str(dur_str_c(kit_status(&event)), "Scheduled", "at its time");
    wait_for(10 * SECOND);
    is_str(dur_str_c(kit_status(&event)), "Cancelled", "but after it");

    event = kit_event("t");
    kit_reopen();
    wait_for(10 * SECOND);
    is_str(dur_str_c(kit_status(&event)), "Cancelled",
           "a new leader keeps the time");
}


static void
test_finish(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a;

    fresh(WITH(TIMEOUTS(FINISH)));

    event = kit_event("t");
    wait_for(3600 * SECOND);
    is_str(dur_str_c(kit_status(&event)), "Scheduled",
           "the time to finish begins with the first call");
    is_int(timers(), 0, "before it there is no timer");

    kit_dispatch();
    a = kit_attempt(0);
    is_int(dur_engine_next_due(kit.engine) - kit.now, 60 * SECOND,
           "then there is");

    kit.now += 20 * SECOND;
    kit_result(a, 206, KIT_SDK, "[" KIT_RUN(KIT_A, "a", "1") "]");
    a = kit_attempt(0);
    is_int(timers(), 1, "a second call changes nothing");

    wait_for(39 * SECOND);
    is_str(dur_str_c(kit_status(&event)), "Running", "until then it runs");
    wait_for(1 * SECOND);
    is_str(dur_str_c(kit_status(&event)), "Cancelled", "then it is cancelled");
    ok(kit_effect(DUR_EFFECT_CANCEL, 0) != NULL, "with the call that is out");
    ok(message_has(&event, "timeouts.finish"), "and says why");
    kit_result(a, 200, KIT_SDK, "1");
    is_int(kit.reply.rc, DUR_ECONFLICT, "a late answer is dropped");

    event = kit_event("t");
    kit_dispatch();
    kit.now += 60 * SECOND;
    kit_result(kit_attempt(0), 200, KIT_SDK, "1");
    is_str(dur_str_c(kit_status(&event)), "Completed",
           "a last call that is back before the timer fires wins");
    is_int(timers(), 0, "and takes the timer along");

    event = kit_event("t");
    kit_dispatch();
    kit_result(kit_attempt(0), 206, KIT_SDK,
               "[" KIT_SLEEP(KIT_A, "nap", "1h") "]");
    is_int(timers(), 2, "a run that sleeps");
    wait_for(60 * SECOND);
    is_str(dur_str_c(kit_status(&event)), "Cancelled",
           "is cancelled in its sleep");
    is_int(timers(), 0, "which is over");

    event = kit_event("t");
    kit_dispatch();
    kit_result(kit_attempt(0), 400, KIT_SDK "x-inngest-no-retry: true\n",
               "{}");
    is_str(dur_str_c(kit_status(&event)), "Failed", "a run that fails");
    is_int(timers(), 0, "has no timer either");
}


static void
test_both(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a;

    fresh(WITH(TIMEOUTS(START "," FINISH)));

    event = kit_event("t");
    is_int(timers(), 1, "a run has one deadline at a time");
    kit.now += 5 * SECOND;
    kit_dispatch();
    a = kit_attempt(0);
    is_int(timers(), 1, "first the one to start, then the one to finish");
    is_int(dur_engine_next_due(kit.engine) - kit.now, 60 * SECOND,
           "from its first call on");

    kit_result(a, 500, KIT_SDK, "{}");
    is_str(dur_str_c(kit_status(&event)), "Failed", "until it ends");
    is_int(timers(), 0, "with it");

    kit_app("app", WITH(TIMEOUTS("\"start\":\"0\",\"finish\":\"\"")));
    event = kit_event("t");
    is_int(timers(), 0, "nothing and \"0\" are no timeouts");
    is_str(dur_str_c(kit_status(&event)), "Scheduled", "at all");
}


/* The server was down when the time was over. */
static void
test_late(void)
{
    dur_ulid_t  first, second;

    fresh(WITH(TIMEOUTS(START "," FINISH)));

    first = kit_event("t");
    kit.now += 9 * SECOND;
    second = kit_event("t");
    kit.now += 5 * SECOND;

    is_int(kit_dispatch(), 1, "what is late is not called any more");
    is_str(dur_str_c(kit_status(&first)), "Cancelled", "but cancelled");
    is_str(dur_str_c(kit_status(&second)), "Running", "what is not goes out");
    is_int(timers(), 1, "and has its time to finish");
}


/* A run that begins inside of another one's result is leased at once. */
static void
test_leased_at_once(void)
{
    fresh(KIT_FN("app-p", KIT_ON("t/p"), "") ","
          WITH(TIMEOUTS(START "," FINISH)));

    kit_event("p");
    kit_answer("app-p", 206, "[" KIT_INVOKE(KIT_A, "a", "app-t", "") "]");
    is_int(kit_calls(), 1, "a step invokes a function with timeouts");
    kit_gather();
    is_int(kit_timers() - kit.now, 0, "which is called in the same commit");
    kit_plain(DUR_OP_NOP, 0);
    ok(kit_take("app-t").item == 0, "its time to finish is over");
    is_int(kit_take("app-p").item != 0, 1, "and its caller goes on");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_start();
    test_finish();
    test_both();
    test_late();
    test_leased_at_once();

    return kit_done();
}
