/* SPDX-License-Identifier: BSD-2-Clause */

/* Work in pieces: the row that says where to go on. */

#include "kit.h"
#include "engine/dur_state.h"
#include "engine/dur_task.h"


#define FUNCTIONS  150


/* "f0" .. of app "app", all triggered by "t/all". */
static void
register_many(void)
{
    unsigned   i;
    dur_op_t   op;
    dur_buf_t  b;

    dur_buf_init(&b, 1 << 20);
    dur_buf_addz(&b, "{\"url\":\"http://127.0.0.1:3000/api\",\"appName\":"
                 "\"app\",\"sdk\":\"js:v4.24.0\",\"v\":\"0.1\","
                 "\"functions\":[");

    for (i = 0; i < FUNCTIONS; i++) {
        dur_buf_addf(&b, "%s{\"id\":\"app-f%u\",\"name\":\"f%u\",\"triggers\":"
                     "[{\"event\":\"t/all\"}],\"steps\":{\"step\":{\"id\":"
                     "\"step\",\"name\":\"step\",\"runtime\":{\"type\":"
                     "\"http\",\"url\":\"http://127.0.0.1:3000/api?fnId="
                     "app-f%u&stepId=step\"}}}}", i ? "," : "", i, i, i);
    }

    dur_buf_addz(&b, "]}");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REGISTER;
    op.body = dur_buf_str(&b);
    kit_op(&op);
    is_int(kit.reply.status, 200, "many functions of one event");

    dur_buf_deinit(&b);
}


static size_t
runs_of(const dur_ulid_t *event)
{
    size_t      n;
    json_t     *list;
    dur_buf_t   b;

    dur_buf_init(&b, 16 << 20);
    (void) dur_query_event_runs(dur_engine_store(kit.engine), event, &b);
    list = json_loadb((char *) b.data, b.len, 0, NULL);
    n = json_array_size(list);

    json_decref(list);
    dur_buf_deinit(&b);

    return n;
}


static void
reopen(void)
{
    dur_engine_close(kit.engine);
    kit_open();
    kit_configure();
}


static void
test_turns(void)
{
    size_t      first, second;
    dur_ulid_t  a, b;

    kit_fresh();
    register_many();

    a = kit_event("all");
    b = kit_event("all");
    ok(dur_engine_has_tasks(kit.engine), "a large fan-out is a task");

    first = runs_of(&a);
    second = runs_of(&b);
    ok(first < FUNCTIONS && second < FUNCTIONS, "which has not started all");

    kit_plain(DUR_OP_TASKS, 0);
    ok(runs_of(&a) > first, "a piece of the oldest");
    is_int(runs_of(&b), second, "is not one of the next");

    reopen();
    ok(dur_engine_has_tasks(kit.engine), "tasks survive a restart");

    first = runs_of(&a);
    kit_plain(DUR_OP_TASKS, 0);
    is_int(runs_of(&a), first, "the first one goes behind the second");
    ok(runs_of(&b) > second, "which has its turn then");

    while (dur_engine_has_tasks(kit.engine)) {
        kit_plain(DUR_OP_TASKS, 0);
    }

    is_int(runs_of(&a), FUNCTIONS, "in the end all runs of the first");
    is_int(runs_of(&b), FUNCTIONS, "and of the second are there, once");
}


/* Events of one request, as many as it takes to leave tasks behind. */
static void
send_many(const char *name, size_t n)
{
    char             id[DUR_ULID_TEXT_LEN + 1], full[32];
    size_t           i;
    dur_op_t         op;
    dur_op_event_t  *events;

    events = calloc(n, sizeof(*events));
    snprintf(full, sizeof(full), "t/%s", name);

    for (i = 0; i < n; i++) {
        events[i].id = kit_ulid(1000000 + kit.entropy * 1000 + i);
        dur_ulid_text(&events[i].id, id);
        events[i].flags = DUR_EVENT_F_CANONICAL;
        events[i].ts = kit.now;
        events[i].name = dur_str_c(full);
        events[i].json = dur_arena_copy(&kit.arena, dur_str_c(
            dur_arena_printf(&kit.arena, "{\"data\":{},\"id\":\"%s\","
                             "\"name\":\"%s\",\"ts\":%" PRId64 ",\"user\":"
                             "{}}", id, full, kit.now)));
    }

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = n;
    op.events = events;
    kit_op(&op);
    is_int(kit.reply.status, 200, "%zu events of one request", n);

    free(events);
}


static uint64_t
rows(dur_table_t table)
{
    uint64_t    n;
    dur_txn_t  *t;

    dur_txn_begin(dur_engine_store(kit.engine), false, &t);
    n = dur_txn_count(t, table);
    dur_txn_abort(t);

    return n;
}


static void
test_small(void)
{
    unsigned  ops;
    uint64_t  before, most, n;
    dur_op_t  op;

    kit_fresh();
    kit_register("f", 1);
    send_many("f", 300);
    before = rows(DUR_T_RUN);
    ok(before < 100, "a request starts as many runs as one op may");
    is_int(rows(DUR_T_TASK), 300 - before, "each of the rest is a task");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_TASKS;
    op.resubmitted = 1;
    kit_op(&op);
    is_int(rows(DUR_T_RUN), before + 1, "one that is looked for comes alone");

    for (ops = 0, most = 0; dur_engine_has_tasks(kit.engine); ops++) {
        n = rows(DUR_T_RUN);
        kit_plain(DUR_OP_TASKS, 0);
        n = rows(DUR_T_RUN) - n;
        most = n > most ? n : most;
    }

    is_int(rows(DUR_T_RUN), 300, "all of them start");
    ok(ops <= 10, "many to an op: %u ops", ops);
    ok(most <= DUR_OP_ROWS / 4, "and within its rows: %d", (int) most);
}


/* Work that goes on for long does not keep what ended from being deleted. */
static void
test_retention(void)
{
    kit.conf.retention = 3600 * 1000;
    kit_fresh();
    register_many();
    (void) kit_event("nobody");
    is_int(rows(DUR_T_EVENT), 1, "an event that ends");

    kit.now += 3600 * 1000;
    (void) kit_event("all");
    ok(rows(DUR_T_TASK) > 0, "while there is a task");
    kit_plain(DUR_OP_TASKS, 0);
    is_int(rows(DUR_T_EVENT), 1, "goes when its time is over");

    kit.conf.retention = 0;
}


/* Writes a row that is none in front of all others. */
static void
damage(void)
{
    uint8_t     key[8] = { 0 };
    dur_txn_t  *txn;

    dur_txn_begin(dur_engine_store(kit.engine), true, &txn);
    dur_txn_put(txn, DUR_T_TASK, dur_str_make(key, 8), dur_str("\xff\xffx"));
    is_int(dur_txn_commit(txn), DUR_OK, "a task that is none");
}


static void
test_unreadable(void)
{
    dur_ulid_t  a;

    kit_fresh();
    register_many();
    a = kit_event("all");
    damage();

    while (dur_engine_has_tasks(kit.engine)) {
        if (!kit_plain(DUR_OP_TASKS, 0)) {
            break;
        }
        if (kit_effect(DUR_EFFECT_LOG, 0) != NULL) {
            is_str(kit_effect(DUR_EFFECT_LOG, 0)->text,
                   "a task cannot be read and was dropped",
                   "it is dropped with a word");
        }
    }

    is_int(runs_of(&a), FUNCTIONS, "and does not hold up those behind it");
}


static void
test_poison(void)
{
    dur_op_t       op;
    dur_reply_t    reply;
    dur_effect_t  *f;

    kit_fresh();
    register_many();
    (void) kit_event("all");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_TASKS;
    dur_buf_reset(&kit.buf);
    dur_op_encode(&op, &kit.buf);

    dur_arena_reset(&kit.arena);
    is_int(dur_engine_begin(kit.engine, kit.now, &kit.arena), DUR_OK,
           "a batch for what broke an invariant");
    is_int(dur_engine_poison(kit.engine, dur_buf_str(&kit.buf), &reply),
           DUR_OK, "takes the task away");
    is_int(dur_engine_commit(kit.engine, &f), DUR_OK, "for ever");

    kit_plain(DUR_OP_TASKS, 0);
    ok(!dur_engine_has_tasks(kit.engine), "it does not come again");
}


static void
test_cursor(void)
{
    dur_buf_t   big;
    dur_ulid_t  id = kit_ulid(1);

    kit_fresh();
    dur_buf_init(&big, DUR_TASK_CURSOR + 1);
    while (big.len <= DUR_TASK_CURSOR) {
        dur_buf_addc(&big, 'x');
    }

    dur_arena_reset(&kit.arena);
    dur_engine_begin(kit.engine, kit.now, &kit.arena);
    is_int(dur_task_add(kit.engine, DUR_TASK_WAITS, &id, dur_buf_str(&big)),
           DUR_ETOOBIG, "a cursor that is too long is refused");
    dur_engine_abort(kit.engine);
    ok(!dur_engine_has_tasks(kit.engine), "and nothing was written");

    dur_buf_deinit(&big);
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_turns();
    test_small();
    test_retention();
    test_unreadable();
    test_poison();
    test_cursor();

    return kit_done();
}
