/* SPDX-License-Identifier: BSD-2-Clause */

/* A function that is paused and goes on: features 5.11. */

#include "kit.h"

#define SECOND  ((int64_t) 1000)


static uint64_t
rows(dur_table_t table)
{
    uint64_t    n;
    dur_txn_t  *t;

    if (dur_txn_begin(dur_engine_store(kit.engine), false, &t) != DUR_OK) {
        return 0;
    }

    n = dur_txn_count(t, table);
    dur_txn_abort(t);

    return n;
}


static unsigned
set_pause(const char *slug, bool pause)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_PAUSE;
    op.url = dur_str_c(slug);
    op.generation = pause;
    kit_op(&op);

    return kit.reply.status;
}


/* Runs the tasks that are there; how many pieces. */
static unsigned
run_tasks(void)
{
    unsigned  n;

    for (n = 0; dur_engine_has_tasks(kit.engine) && n < 1000; n++) {
        kit_plain(DUR_OP_TASKS, 0);
    }

    return n;
}


static void
go_on(const char *slug)
{
    set_pause(slug, false);
    run_tasks();
}


static void
fresh(void)
{
    kit_fresh();
    kit_app("app", KIT_FN("app-f", KIT_ON("t/f"), "") ","
            KIT_FN("app-g", KIT_ON("t/g"), ""));
}


static void
test_events(void)
{
    json_t      *run;
    dur_ulid_t   event;

    fresh();
    is_int(set_pause("app-x", true), 404, "only what is there is paused");
    is_int(set_pause("app-f", true), 200, "a function is paused");
    is_int(set_pause("app-f", true), 200, "also twice");

    event = kit_event("f");
    is_str(dur_str_c(kit_status(&event)), "Skipped",
           "an event makes a run that is skipped");
    run = kit_run(&event);
    ok(kit_is(json_object_get(run, "output"),
              "{\"reason\":\"FunctionPaused\"}"), "which says why");
    json_decref(run);
    event = kit_event("g");
    is_str(dur_str_c(kit_status(&event)), "Scheduled",
           "other functions are not concerned");

    kit_app("app", KIT_FN("app-f", KIT_ON("t/f") "," KIT_ON("t/h"), "") ","
            KIT_FN("app-g", KIT_ON("t/g"), ""));
    event = kit_event("f");
    is_str(dur_str_c(kit_status(&event)), "Skipped",
           "a new version of it is paused too");
    kit_reopen();
    event = kit_event("f");
    is_str(dur_str_c(kit_status(&event)), "Skipped", "for every leader");

    is_int(set_pause("app-f", false), 200, "it goes on");
    event = kit_event("f");
    is_str(dur_str_c(kit_status(&event)), "Scheduled", "with the next event");
}


/* What lives waits, wherever it is, and uses no attempts. */
static void
test_waits(void)
{
    dur_ulid_t     ready, out, asleep;
    kit_attempt_t  a;

    fresh();

    asleep = kit_event("f");
    kit_dispatch();
    kit_result(kit_attempt(0), 206, KIT_SDK,
               "[" KIT_SLEEP(KIT_A, "nap", "5s") "]");
    out = kit_event("f");
    kit_dispatch();
    a = kit_attempt(0);
    ready = kit_event("f");

    set_pause("app-f", true);
    is_int(kit_dispatch(), 0, "what is ready does not go out");
    ok(!dur_engine_has_ready(kit.engine), "and nobody asks for it again");

    kit_result(a, 206, KIT_SDK, "[" KIT_RUN(KIT_A, "a", "1") "]");
    is_int(kit_calls(), 0, "the result of a call counts, its run waits then");

    kit.now += 10 * SECOND;
    kit_plain(DUR_OP_TIMERS, 0);
    is_int(kit_dispatch(), 0, "a sleep that ends waits, too");
    is_int(dur_engine_next_due(kit.engine), INT64_MAX, "without a timer");
    is_int(rows(DUR_T_READY), 3, "all three are kept");

    kit_event("g");
    is_int(kit_dispatch(), 1, "others go out past them");

    kit_reopen();
    is_int(kit_dispatch(), 0, "a new leader leaves them where they are");

    go_on("app-f");
    is_int(kit_dispatch(), 3, "then all of them go out");
    kit_gather();

    while (kit_out.n > 0) {
        kit_build(kit_out.out[--kit_out.n]);
        is_int(json_integer_value(kit_get("ctx", "attempt")), 0,
               "with the first attempt");
        kit_result(kit_out.out[kit_out.n], 200, KIT_SDK, "1");
    }

    is_str(dur_str_c(kit_status(&ready)), "Completed", "the one was ready,");
    is_str(dur_str_c(kit_status(&out)), "Completed", "the one was out,");
    is_str(dur_str_c(kit_status(&asleep)), "Completed", "the one slept");
}


static void
test_many(void)
{
    unsigned  i, n;

    kit.conf.max_calls = 1000;
    fresh();

    for (i = 0; i < 500; i++) {
        kit_event("f");
    }

    set_pause("app-f", true);

    for (i = 0; i < 100 && dur_engine_has_ready(kit.engine); i++) {
        is_int(kit_dispatch(), 0, "nothing goes out");
        ok(!dur_engine_has_ready(kit.engine)
           || dur_engine_has_tasks(kit.engine),
           "and the next piece is asked for at once");
    }

    ok(i >= 500 / 64 && i < 20, "many items step aside in pieces");
    kit_event("g");
    is_int(kit_dispatch(), 1, "then others find their way");

    set_pause("app-f", false);
    kit_event("f");
    is_int(kit_dispatch(), 1, "when it goes on new ones go out at once");
    ok(run_tasks() >= 500 / 128, "and old ones come back in pieces");
    is_int(kit_dispatch(), 500, "all of them");

    fresh();

    for (i = 0; i < 300; i++) {
        kit_event("f");
    }

    set_pause("app-f", true);
    for (i = 0; i < 10; i++) {
        kit_dispatch();
    }
    set_pause("app-f", false);
    kit_plain(DUR_OP_TASKS, 0);
    set_pause("app-f", true);
    run_tasks();
    for (i = 0; i < 10; i++) {
        is_int(kit_dispatch(), 0, "paused again while they come back");
    }
    kit_reopen();
    go_on("app-f");
    for (n = 0, i = 0; i < 10; i++) {
        n += (unsigned) kit_dispatch();
    }
    is_int(n, 300, "nothing is lost");
}


static void
test_ends(void)
{
    dur_op_t    op;
    dur_ulid_t  event, other;

    fresh();

    event = kit_event("f");
    other = kit_event("f");
    set_pause("app-f", true);
    kit_dispatch();

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    op.run = kit_run_id(&event);
    kit_op(&op);
    is_str(dur_str_c(kit_status(&event)), "Cancelled",
           "a run that waits can be cancelled");
    is_int(rows(DUR_T_READY), 1, "and waits no more");

    set_pause("app-f", false);
    op.run = kit_run_id(&other);
    kit_op(&op);
    is_int(rows(DUR_T_READY), 0, "also while the function comes back");
    run_tasks();
    is_int(kit_dispatch(), 0, "nothing of them goes out");
}


static void
test_archived(void)
{
    fresh();
    kit_event("f");
    kit_app("app", KIT_FN("app-g", KIT_ON("t/g"), ""));
    is_int(kit_dispatch(), 1, "runs of an archived function go on");

    fresh();
    kit_event("f");
    set_pause("app-f", true);
    kit_app("app", KIT_FN("app-g", KIT_ON("t/g"), ""));
    is_int(kit_dispatch(), 0, "one that was paused before waits");
    is_int(set_pause("app-g", true), 200, "another one");
    go_on("app-f");
    is_int(kit_dispatch(), 1, "and may go on");
    is_int(set_pause("app-f", true), 404,
           "what is archived cannot be paused");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_events();
    test_waits();
    test_many();
    test_ends();
    test_archived();

    return kit_done();
}
