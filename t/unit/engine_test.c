/* SPDX-License-Identifier: BSD-2-Clause */

/* Batches, aborts, epochs, poison, and what outlives a leader. */

#include "kit.h"


static uint64_t
epoch(void)
{
    dur_engine_stat_t  stat;

    dur_engine_stat(kit.engine, &stat);

    return stat.epoch;
}


static void
reopen(void)
{
    dur_engine_close(kit.engine);
    kit_open();
}


static void
test_epoch(void)
{
    uint64_t           before;
    dur_engine_stat_t  stat;

    kit_fresh();
    before = epoch();
    reopen();
    is_int(epoch(), before + 1, "every leader has an epoch of its own");

    dur_engine_stat(kit.engine, &stat);
    is_int(stat.store_id[0], 7, "the store keeps its id");

    is_int(dur_engine_raise_epoch(kit.engine, before + 100), DUR_OK,
           "a refused epoch is raised");
    is_int(epoch(), before + 101, "above the one that was seen");
    reopen();
    is_int(epoch(), before + 102, "and stays there");
}


static void
test_config_is_state(void)
{
    kit_attempt_t  a;

    kit_fresh();
    kit.conf.retry_interval = 7000;
    kit_configure();
    kit_register("f", 3);
    reopen();

    kit_event("f");
    kit_dispatch();
    a = kit_attempt(0);
    kit_result(a, 500, KIT_SDK, "{}");
    is_int(dur_engine_next_due(kit.engine) - kit.now, 7000,
           "a new leader decides by what was configured before it");

    kit.conf.retry_interval = 1000;
}


static void
encode_event(dur_buf_t *b, dur_ulid_t *id)
{
    dur_op_t        op;
    dur_op_event_t  event;

    *id = kit_ulid(77);
    memset(&event, 0, sizeof(event));
    event.id = *id;
    event.flags = DUR_EVENT_F_CANONICAL;
    event.ts = kit.now;
    event.name = dur_str("t/f");
    event.json = dur_str("{\"data\":{},\"id\":\"x\",\"name\":\"t/f\","
                         "\"ts\":1,\"user\":{}}");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    dur_op_encode(&op, b);
}


static void
test_abort(void)
{
    dur_buf_t           b;
    dur_ulid_t          id;
    dur_reply_t         reply;
    dur_engine_stat_t   stat;

    kit_fresh();
    kit_register("f", 3);

    dur_buf_init(&b, 1 << 20);
    encode_event(&b, &id);

    dur_arena_reset(&kit.arena);
    dur_engine_begin(kit.engine, kit.now, &kit.arena);
    is_int(dur_engine_apply(kit.engine, dur_buf_str(&b), &reply), DUR_OK,
           "an op is decided");
    dur_engine_abort(kit.engine);

    is_str(dur_str_c(kit_status(&id)), "none",
           "of an aborted batch nothing happened");
    ok(!dur_engine_has_ready(kit.engine) || kit_dispatch() == 0,
       "and no work waits");
    is_int(dur_engine_next_due(kit.engine), INT64_MAX, "nor a timer");

    dur_engine_begin(kit.engine, kit.now, &kit.arena);
    is_int(dur_engine_begin(kit.engine, kit.now, &kit.arena), DUR_EINTERNAL,
           "there is one batch at a time");
    dur_engine_abort(kit.engine);

    kit_event("f");
    kit_dispatch();
    dur_engine_stat(kit.engine, &stat);
    is_int(stat.leases, 1, "the engine goes on");

    dur_buf_deinit(&b);
}


static void
test_bad_ops(void)
{
    dur_reply_t    reply;
    dur_effect_t  *f;

    kit_fresh();
    kit_register("f", 3);
    dur_arena_reset(&kit.arena);

    dur_engine_begin(kit.engine, kit.now, &kit.arena);
    is_int(dur_engine_apply(kit.engine, dur_str("hello"), &reply), DUR_OK,
           "bytes that are no op do not harm their batch");
    ok(reply.rc != DUR_OK, "they are refused");
    is_int(dur_engine_commit(kit.engine, &f), DUR_OK, "the batch commits");

    kit_plain(DUR_OP_STATUS, 0);
    ok(kit.reply.rc != DUR_OK, "an op that is not for the engine is refused");
    kit_plain(DUR_OP_NOP, 0);
    is_int(kit.reply.rc, DUR_OK, "a barrier is not");
}


static void
test_poison(void)
{
    dur_op_t       op;
    dur_buf_t      b;
    dur_ulid_t     event;
    dur_reply_t    reply;
    dur_effect_t  *f;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 3);
    event = kit_event("f");
    kit_dispatch();
    a = kit_attempt(0);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_RESULT;
    op.result.item = a.item;
    op.result.generation = a.generation;
    op.result.status = 200;
    op.result.headers = dur_str(KIT_SDK);
    op.result.body = dur_str("1");

    dur_buf_init(&b, 1 << 20);
    dur_op_encode(&op, &b);
    dur_arena_reset(&kit.arena);

    dur_engine_begin(kit.engine, kit.now, &kit.arena);
    is_int(dur_engine_poison(kit.engine, dur_buf_str(&b), &reply), DUR_OK,
           "a result that broke an invariant can be quarantined");
    is_int(dur_engine_commit(kit.engine, &f), DUR_OK, "durably");
    is_str(dur_str_c(kit_status(&event)), "Failed", "its run has failed");
    is_int(kit_build(a), DUR_ENOTFOUND, "its lease is gone");

    kit_op(&op);
    is_int(kit.reply.rc, DUR_ECONFLICT, "and it does not come again");

    dur_buf_deinit(&b);
}


static void
test_clock(void)
{
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 3);
    kit_event("f");
    kit_dispatch();
    a = kit_attempt(0);
    kit_result(a, 206, KIT_SDK, "[" KIT_SLEEP(KIT_A, "a", "1m") "]");

    kit.now -= 3600 * 1000;
    kit_plain(DUR_OP_TIMERS, 0);
    is_int(kit_dispatch(), 0, "a clock set back wakes nothing");

    kit.now += 3 * 3600 * 1000;
    kit_plain(DUR_OP_TIMERS, 0);
    is_int(kit_dispatch(), 1, "a clock set forward wakes what is due");
}


static void
test_many_functions(void)
{
    char       text[512];
    size_t     n;
    unsigned   i;
    dur_op_t   op;
    dur_buf_t  b;

    kit_fresh();
    dur_buf_init(&b, 1 << 20);
    dur_buf_addz(&b, "{\"url\":\"http://127.0.0.1:3000/api/inngest\","
                 "\"deployType\":\"ping\",\"framework\":\"nodejs\","
                 "\"appName\":\"app\",\"sdk\":\"js:v4.24.0\",\"v\":\"0.1\","
                 "\"functions\":[");

    for (i = 0; i < 300; i++) {
        snprintf(text, sizeof(text), "%s{\"id\":\"app-f%u\",\"name\":\"f\","
                 "\"triggers\":[{\"event\":\"t/f\"}],\"steps\":{\"step\":{"
                 "\"id\":\"step\",\"name\":\"step\",\"runtime\":{\"type\":"
                 "\"http\",\"url\":\"http://127.0.0.1:3000/?fnId=app-f%u&"
                 "stepId=step\"}}}}", i ? "," : "", i, i);
        dur_buf_addz(&b, text);
    }

    dur_buf_addz(&b, "]}");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REGISTER;
    op.body = dur_buf_str(&b);
    kit_op(&op);
    is_int(kit.reply.status, 200, "300 functions of one event register");

    kit_event("f");
    ok(dur_engine_has_tasks(kit.engine),
       "an event for all of them is not routed at once");

    for (i = 0; i < 100 && dur_engine_has_tasks(kit.engine); i++) {
        kit_plain(DUR_OP_TASKS, 0);
    }

    ok(!dur_engine_has_tasks(kit.engine), "but in pieces");
    ok(i >= 3, "of a bounded size");

    kit.conf.max_calls = 1000;
    kit_configure();

    for (i = 0, n = 0; i < 10; i++) {
        n += kit_dispatch();
    }

    is_int(n, 300, "every function has its run, once");

    kit.conf.max_calls = 128;
    dur_buf_deinit(&b);
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_epoch();
    test_config_is_state();
    test_abort();
    test_bad_ops();
    test_poison();
    test_clock();
    test_many_functions();

    return kit_done();
}
