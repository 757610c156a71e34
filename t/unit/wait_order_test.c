/* SPDX-License-Identifier: BSD-2-Clause */

/* Events that are met by more waits than one op may resume: each wait has the
 * first one that it asks for, in the order of the commits. */

#include "wait_kit.h"


/* Of the calls that are out, those whose memo is an event with this data. */
static unsigned
wait_memos(const char *step, int data)
{
    size_t     i, n;
    json_t    *memo;
    unsigned   found;

    n = kit_dispatch();

    for (i = 0, found = 0; i < n; i++) {
        if (kit_build(kit_attempt(i)) == DUR_OK) {
            memo = json_object_get(kit_get("steps", step), "data");
            found += json_is_integer(memo) && json_integer_value(memo) == data;
        }
    }

    return found;
}


/* More than one op may resume. */
static void
wait_crowd(unsigned n)
{
    kit_fresh();
    kit.conf.max_calls = 4096;
    kit_configure();
    wait_register("");

    while (n--) {
        wait_run("{}", "[" WAIT_ANY(KIT_A, "w", "t/other", "1h") "]");
    }
}


static void
test_order_of_events(void)
{
    dur_ulid_t     event;
    kit_attempt_t  late;

    wait_crowd(80);
    wait_send("t/other", "1");
    ok(dur_engine_has_tasks(kit.engine), "one event is on its way to many");
    wait_send("t/other", "2");
    wait_send("t/other", "3");
    wait_tasks();
    is_int(wait_rows(), 0, "nobody waits any more");
    is_int(wait_memos(KIT_A, 1), 80, "all have the event that came first");

    wait_crowd(80);
    wait_send("t/other", "1");
    wait_reopen();
    kit_configure();
    wait_send("t/other", "2");
    wait_tasks();
    is_int(wait_memos(KIT_A, 1), 80, "also when the leader changes between");

    wait_crowd(80);
    late = wait_start("{}", &event);
    wait_send("t/other", "1");
    kit_result(late, 206, KIT_SDK,
               "[" WAIT_ANY(KIT_A, "w", "t/other", "1h") "]");
    wait_send("t/other", "2");
    wait_tasks();
    is_int(wait_rows(), 0, "a step that waits since then");
    is_int(wait_memos(KIT_A, 2), 1, "has the second event");
}


static void
test_timeout_behind_an_event(void)
{
    dur_ulid_t     event;
    kit_attempt_t  late;

    wait_crowd(80);
    wait_send("t/other", "1");
    kit.now += 3600 * 1000;
    wait_send("t/other", "2");
    kit_plain(DUR_OP_TIMERS, 0);
    kit_plain(DUR_OP_TIMERS, 0);
    ok(wait_rows() > 0, "a wait does not time out before an event that came "
       "in time and is on its way");

    wait_tasks();
    is_int(wait_memos(KIT_A, 1), 80, "which it gets");

    wait_crowd(80);
    late = wait_start("{}", &event);
    wait_send("t/other", "1");
    kit_result(late, 206, KIT_SDK,
               "[" WAIT_ANY(KIT_A, "w", "t/other", "1s") "]");
    kit.now += 1000;
    wait_send("t/other", "2");
    kit_plain(DUR_OP_TIMERS, 0);
    wait_tasks();
    is_int(wait_rows(), 3, "one that was over before the second event");
    kit.now += 200;
    kit_plain(DUR_OP_TIMERS, 0);
    is_int(wait_rows(), 0, "times out as soon as that is known");
    is_int(wait_memos(KIT_A, 1), 80, "and the others have theirs");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_order_of_events();
    test_timeout_behind_an_event();

    return kit_done();
}
