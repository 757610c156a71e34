/* SPDX-License-Identifier: BSD-2-Clause */

/* What has ended goes after its time, in pieces, and leaves nothing. */

#include "kit.h"
#include "engine/dur_time.h"

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


/* -- the registry --------------------------------------------------------- */

static void
register_only(const char *name)
{
    kit_register(name, 1);
}


static void
test_functions(void)
{
    dur_op_t       op;
    kit_attempt_t  a;

    fresh(2 * HOUR);
    kit_event("f");
    a = kit_take("app-f");
    register_only("g");
    is_int(rows(DUR_T_FUNCTION), 2, "a function that is archived is kept");

    kit.now += 2 * HOUR;
    expire();
    is_int(rows(DUR_T_FUNCTION), 2, "while there is a run of its time");

    kit_result(a, 200, KIT_SDK, "1");
    kit.now += 2 * HOUR - 1;
    expire();
    is_int(rows(DUR_T_FUNCTION), 2, "also one that has ended");
    kit.now += 1;
    expire();
    is_int(rows(DUR_T_FUNCTION), 1, "and goes with the last of them");
    is_int(rows_of_runs(), 0, "which left nothing");
    is_int(dur_engine_next_due(kit.engine), INT64_MAX, "nothing is due");

    register_only("f");
    kit_event("f");
    ok(kit_take("app-f").item != 0, "it may come back");

    /* a pause is not forgotten */

    fresh(2 * HOUR);
    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_PAUSE;
    op.url = dur_str("app-f");
    op.generation = 1;
    kit_op(&op);
    register_only("g");
    kit.now += 3 * HOUR;
    expire();
    is_int(rows(DUR_T_FUNCTION), 2, "one that is paused stays");
    op.generation = 0;
    kit_op(&op);
    expire();
    is_int(rows(DUR_T_FUNCTION), 1, "until it is not");

    /* one that comes back in time is itself again */

    fresh(2 * HOUR);
    register_only("g");
    kit.now += HOUR;
    register_only("f");
    kit.now += 2 * HOUR;
    expire();
    is_int(rows(DUR_T_FUNCTION), 1, "of two the one that is gone goes");
    kit_event("f");
    ok(kit_take("app-f").item != 0, "the other one works");
}


static void
test_apps(void)
{
    dur_op_t  op;

    fresh(2 * HOUR);
    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REMOVE;
    op.url = dur_str("http://127.0.0.1:3000/api/inngest");
    kit_op(&op);
    is_int(kit.reply.status, 200, "an app that is removed");
    kit.now += 2 * HOUR - 1;
    expire();
    is_int(rows(DUR_T_APP), 1, "is kept for the retention");
    kit.now += 1;
    expire();
    is_int(rows(DUR_T_APP), 0, "and goes with its functions");
    is_int(rows(DUR_T_FUNCTION), 0, "which are gone as well");

    fresh(0);
    kit_op(&op);
    kit.now += 24 * 365 * HOUR;
    expire();
    is_int(rows(DUR_T_APP), 1, "without a retention it stays");
}


static void
test_cancellations(void)
{
    char      text[256], when[32];
    dur_op_t  op;

    fresh(2 * HOUR);
    dur_rfc3339_text(kit.now, when);
    snprintf(text, sizeof(text), "{\"app_id\":\"app\",\"function_id\":"
             "\"app-f\",\"started_before\":\"%s\"}", when);
    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCELLATION;
    op.id = kit_ulid(77);
    op.body = dur_str_c(text);
    kit_op(&op);
    ok(kit.reply.status < 300, "a cancellation: %.*s",
       (int) kit.reply.body.len, (const char *) kit.reply.body.data);
    expire();
    is_int(rows(DUR_T_CANCELLATION), 1, "is kept when it is done");
    kit.now += 2 * HOUR;
    expire();
    is_int(rows(DUR_T_CANCELLATION), 0, "for the retention");
}


/* -- months --------------------------------------------------------------- */

#define DAYS      90
#define A_DAY     1100
#define RETENTION 7

static uint64_t
pages(void)
{
    dur_engine_stat_t  stat;

    kit_plain(DUR_OP_NOP, 0);
    dur_engine_stat(kit.engine, &stat);

    return stat.pages_used;
}


static uint64_t
file_pages(void)
{
    dur_store_stat_t  st;

    return dur_store_stat(dur_engine_store(kit.engine), &st) == DUR_OK
           ? st.pages_last : 0;
}


/* Some of them have a client's id, some start nothing, some are large. */
static void
one_of_many(unsigned n)
{
    char  client[32], body[6000];

    snprintf(client, sizeof(client), "c-%u", n);
    kit_event_at(n % 10 == 9 ? "nobody" : "f", n % 3 ? NULL : client,
                 kit.now);
    kit_dispatch();

    if (kit_calls() == 0) {
        return;
    }

    if (n % 10 == 0) {
        memset(body, 'x', sizeof(body));
        body[0] = '"';
        strcpy(body + sizeof(body) - 2, "\"");
        kit_result(kit_attempt(0), 200, KIT_SDK, body);

    } else {
        kit_result(kit_attempt(0), 200, KIT_SDK, "1");
    }
}


/* The function, and one that only this release has. */
static void
register_release(unsigned n)
{
    char      text[2048];
    dur_op_t  op;

    snprintf(text, sizeof(text), "{\"url\":\"http://127.0.0.1:3000/api/inngest"
             "\",\"appName\":\"app\",\"functions\":["
             KIT_FN("app-f", KIT_ON("t/f"), "")
             ",{\"id\":\"app-r%u\",\"name\":\"r\",\"triggers\":[{\"cron\":"
             "\"%u 0 1 8 *\"}],\"steps\":{\"step\":{\"id\":\"step\",\"name\":"
             "\"step\",\"runtime\":{\"type\":\"http\",\"url\":"
             "\"http://127.0.0.1/?fnId=r&stepId=step\"}}}}]}", n, n % 60);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REGISTER;
    op.body = dur_str_c(text);
    kit_op(&op);
}


/* As a leader does: what is due, and one TASKS op for each batch. */
static void
go_on(int64_t ms)
{
    kit.now += ms;

    if (dur_engine_next_due(kit.engine) <= kit.now) {
        kit_plain(DUR_OP_TIMERS, 0);
    }
    if (dur_engine_has_tasks(kit.engine)) {
        kit_plain(DUR_OP_TASKS, 0);
    }
}


static void
test_months(void)
{
    unsigned       day, i, n;
    uint64_t       used, file, most, largest;
    kit_attempt_t  live;

    kit.now = 1790000000000;
    fresh(RETENTION * 24 * HOUR);
    kit_event("f");
    kit_dispatch();
    live = kit_attempt(0);
    used = file = most = largest = 0;

    for (n = 0, day = 0; day < DAYS; day++) {

        /* a release each day, with a function that is new */

        register_release(day);

        for (i = 0; i < A_DAY; i++) {
            one_of_many(n++);
            go_on(24 * HOUR / A_DAY);
        }

        if (day == RETENTION + 2) {
            used = pages();
            file = file_pages();
        }

        if (day > RETENTION + 2) {
            most = pages() > most ? pages() : most;
            largest = file_pages();
        }
    }

    ok(most <= used + used / 20, "in %d days %u events come and go: %d pages "
       "after the first week, never more than %d", DAYS, n, (int) used,
       (int) most);
    ok(largest <= file + file / 10, "and the file does not grow: %d and %d",
       (int) file, (int) largest);
    is_int(kit_build(live), DUR_OK, "what lives all the time is there");

    kit_result(live, 200, KIT_SDK, "1");
    kit.now += (RETENTION + 2) * 24 * HOUR;
    expire();
    is_int(rows_of_runs(), 0, "in the end nothing is left");
    is_int(rows(DUR_T_IDEM), 0, "no client ids");
    is_int(rows(DUR_T_FLOW), 1, "the schedule of the last release");
    is_int(rows(DUR_T_FUNCTION), 2, "its functions, and no older ones");
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
    test_functions();
    test_apps();
    test_cancellations();
    test_months();

    return kit_done();
}
