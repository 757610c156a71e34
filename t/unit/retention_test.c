/* SPDX-License-Identifier: BSD-2-Clause */

/* What has ended goes after its time, in pieces, and leaves nothing. */

#include "kit.h"

#define HOUR  ((int64_t) 3600 * 1000)


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


static uint64_t
rows_of_runs(void)
{
    return rows(DUR_T_RUN) + rows(DUR_T_STEP) + rows(DUR_T_PAYLOAD)
           + rows(DUR_T_EVENT) + rows(DUR_T_EVENT_RUN) + rows(DUR_T_HISTORY)
           + rows(DUR_T_ENDED);
}


/* Does what is due, as the leader would. */
static void
expire(void)
{
    unsigned  i;

    for (i = 0; i < 1000; i++) {
        if (dur_engine_next_due(kit.engine) <= kit.now) {
            kit_plain(DUR_OP_TIMERS, 0);
        }
        if (!dur_engine_has_tasks(kit.engine)) {
            return;
        }
        kit_plain(DUR_OP_TASKS, 0);
    }
}


static void
finish_run(const char *client)
{
    kit_event_at("f", client, kit.now);
    kit_dispatch();
    kit_result(kit_attempt(0), 206, KIT_SDK,
               "[" KIT_RUN(KIT_A, "a", "1") "]");
    kit_result(kit_attempt(0), 200, KIT_SDK, "\"done\"");
}


static void
fresh(int64_t retention)
{
    kit.conf.retention = retention;
    kit_fresh();
    kit_register("f", 1);
}


static void
test_runs(void)
{
    fresh(2 * HOUR);
    finish_run(NULL);
    is_int(rows(DUR_T_RUN), 1, "a run that ended is kept");

    kit.now += 2 * HOUR - 1;
    expire();
    is_int(rows(DUR_T_RUN), 1, "for the retention");

    ok(dur_engine_next_due(kit.engine) == kit.now + 1,
       "the engine knows when that is over");
    kit.now++;
    expire();
    is_int(rows_of_runs(), 0, "then nothing of it is left");
}


static void
test_live_runs(void)
{
    kit_attempt_t  a;

    fresh(2 * HOUR);
    kit_event("f");
    kit_dispatch();
    a = kit_attempt(0);

    kit.now += 100 * HOUR;
    expire();
    is_int(kit_build(a), DUR_OK, "a run that lives keeps all it needs");
}


static void
test_unused_events(void)
{
    fresh(2 * HOUR);
    kit_event("nobody");
    is_int(rows(DUR_T_EVENT), 1, "an event that starts nothing is kept");
    kit.now += 2 * HOUR;
    expire();
    is_int(rows_of_runs(), 0, "for the retention");

    fresh(2 * HOUR);
    finish_run("order-1");
    kit_event_at("f", "order-1", kit.now);
    kit.now += 2 * HOUR;
    expire();
    is_int(rows_of_runs(), 0,
           "so is one that a client's id kept from starting a run");
}


static void
test_for_ever(void)
{
    fresh(0);
    finish_run(NULL);
    kit.now += 24 * 365 * 10 * HOUR;
    expire();
    is_int(rows(DUR_T_RUN), 1, "without a retention all is kept");
    is_int(dur_engine_next_due(kit.engine), INT64_MAX, "and nothing is due");
}


static void
test_client_ids(void)
{
    fresh(2 * HOUR);
    finish_run("order-1");
    kit.now += 60 * HOUR;
    expire();
    is_int(rows(DUR_T_IDEM), 0, "a client's id is forgotten after its day");
}


static void
test_large(void)
{
    char           *body;
    size_t          n;
    unsigned        i;
    kit_attempt_t   a;

    fresh(2 * HOUR);
    kit_event("f");
    kit_dispatch();
    a = kit_attempt(0);

    n = 3 << 20;
    body = malloc(n + 256);
    i = (unsigned) sprintf(body, "[{\"op\":\"StepRun\",\"id\":\"" KIT_A
                           "\",\"data\":\"");
    memset(body + i, 'x', n);
    strcpy(body + i + n, "\"}]");

    kit_result(a, 206, KIT_SDK, body);
    kit_result(kit_attempt(0), 200, KIT_SDK, "1");
    ok(rows(DUR_T_PAYLOAD) > 700, "a large output is many rows");

    kit.now += 2 * HOUR;
    kit_plain(DUR_OP_TASKS, 0);
    ok(rows(DUR_T_PAYLOAD) > 0, "one piece of work does not take them all");
    ok(dur_engine_has_tasks(kit.engine), "there is more to do");
    expire();
    is_int(rows_of_runs(), 0, "until nothing is left");

    free(body);
}


static void
test_many(void)
{
    unsigned  i;

    fresh(2 * HOUR);

    for (i = 0; i < 200; i++) {
        kit_event("nobody");
    }

    kit.now += 2 * HOUR;
    dur_engine_close(kit.engine);
    kit_open();
    kit_configure();
    expire();
    is_int(rows_of_runs(), 0, "a new leader goes on with it");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_runs();
    test_live_runs();
    test_unused_events();
    test_for_ever();
    test_client_ids();
    test_large();
    test_many();

    return kit_done();
}
