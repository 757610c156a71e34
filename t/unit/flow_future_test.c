/* SPDX-License-Identifier: BSD-2-Clause */

/* Events of the future: features section 3. */

#include "window_kit.h"

#define FN(more)  KIT_FN("app-f", KIT_ON("f"), more)


static dur_ulid_t
later(int64_t ms)
{
    return put((sent_t) { "f", "{\"n\":1}", NULL, kit.now + ms });
}


static void
test_run(void)
{
    json_t      *run;
    dur_ulid_t   a;

    kit_fresh();
    kit_app("app", FN(""));

    a = later(HOUR);
    run = kit_run(&a);
    ok(run != NULL, "an event of the future has a run at once");
    is_text(json_string_value(json_object_get(run, "status")), "Scheduled",
            "that is scheduled");
    json_decref(run);

    pass(HOUR - 1);
    ok(kit_take("app-f").item == 0, "it is not called before its time");
    kit_reopen();
    pass(1);
    ok(kit_take("app-f").item != 0, "and then, also by the next leader");
    is_int(json_integer_value(json_object_get(kit_get("event", NULL), "ts")),
           kit.now, "with its ts");

    a = later(-HOUR);
    ok(kit_take("app-f").item != 0, "an event of the past is called at once");
}


/* What it meets sees it when it comes. */
static void
test_now(void)
{
    dur_ulid_t  a, b;

    kit_fresh();
    kit_app("app", FN("") "," KIT_FN("app-w", KIT_ON("w"), "") ","
            KIT_FN("app-c", KIT_ON("c"), ",\"cancel\":[{\"event\":\"f\"}]"));

    put((sent_t) { "w", "{}", NULL, 0 });
    kit_answer("app-w", 206, "[{\"op\":\"WaitForEvent\",\"id\":\"" KIT_A "\","
               "\"name\":\"f\",\"displayName\":\"f\",\"opts\":{\"timeout\":"
               "\"2h\"}}]");
    b = put((sent_t) { "c", "{}", NULL, 0 });
    kit_gather();

    a = later(HOUR);
    ok(kit_take("app-w").item != 0, "a wait has an event of the future now");
    is_int(json_integer_value(json_object_get(json_object_get(
               kit_get("steps", KIT_A), "data"), "n")), 1,
           "that very event");
    is_text(kit_status(&b), "Cancelled", "and it cancels what it is to");
    is_text(kit_status(&a), "Scheduled", "while its own run waits");
}


static void
test_ended(void)
{
    dur_op_t    op;
    dur_ulid_t  a;

    kit_fresh();
    kit_app("app", FN(",\"cancel\":[{\"event\":\"c\"}],"
                      "\"timeouts\":{\"start\":\"10s\"}"));

    a = later(HOUR);
    pass(MINUTE);
    is_text(kit_status(&a), "Scheduled", "the time to start begins with it");
    put((sent_t) { "c", "{}", NULL, 0 });
    is_text(kit_status(&a), "Cancelled", "an event cancels a run of the "
            "future");

    a = later(HOUR);
    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    op.run = kit_run_id(&a);
    kit_op(&op);
    is_text(kit_status(&a), "Cancelled", "and so does a request");
    pass(2 * HOUR);
    is_int(rows(DUR_T_TIMER) + rows(DUR_T_READY) + rows(DUR_T_LEASE), 0,
           "nothing of it is left to be done");
}


static void
test_options(void)
{
    dur_ulid_t  a, b;

    kit_fresh();
    kit_app("app", FN(",\"singleton\":{\"mode\":\"skip\"}"));
    a = later(HOUR);
    b = send("{}");
    is_text(kit_status(&a), "Scheduled", "a run of the future");
    is_text(kit_status(&b), "Skipped", "is the one of its singleton");

    kit_fresh();
    kit_app("app", FN(",\"rateLimit\":{\"limit\":1,\"period\":\"1m\"}"));
    a = later(HOUR);
    b = send("{}");
    is_text(kit_status(&b), "none", "a rate limit counts it now");
    pass(MINUTE);
    b = send("{}");
    is_text(kit_status(&b), "Scheduled", "and not when it starts");

    kit_fresh();
    kit_app("app", FN(""));
    put((sent_t) { "f", "{}", "one", kit.now + HOUR });
    b = put((sent_t) { "f", "{}", "one", 0 });
    is_text(kit_status(&b), "none", "its client's id has its run");

    kit_fresh();
    kit_app("app", FN(""));
    pause_function("app-f", true);
    a = later(HOUR);
    is_text(kit_status(&a), "Skipped", "a function that is paused when it "
            "comes skips it");
    pause_function("app-f", false);
    a = later(HOUR);
    pause_function("app-f", true);
    pass(HOUR);
    ok(kit_take("app-f").item == 0, "one that is paused when it is due waits");
    pause_function("app-f", false);
    settle();
    ok(kit_take("app-f").item != 0, "until it goes on");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_run();
    test_now();
    test_ended();
    test_options();

    return kit_done();
}
