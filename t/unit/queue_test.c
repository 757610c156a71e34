/* SPDX-License-Identifier: BSD-2-Clause */

/* Credits, limits, the order of work, and what an inventory means. */

#include "kit.h"


static bool
inventory(uint8_t instance, const kit_attempt_t *held, size_t n)
{
    size_t    i;
    uint8_t   body[16 * DUR_ATTEMPT_LEN];
    dur_op_t  op;

    for (i = 0; i < n; i++) {
        dur_attempt_put(body + i * DUR_ATTEMPT_LEN, held[i].item,
                        held[i].generation);
    }

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_INVENTORY;
    op.body = dur_str_make(body, n * DUR_ATTEMPT_LEN);
    memset(op.instance, instance, sizeof(op.instance));

    return kit_op(&op);
}


/* The run id of a built call. */
static const char *
run_of(kit_attempt_t a)
{
    kit_build(a);

    return json_string_value(kit_get("ctx", "run_id"));
}


static void
test_credits(void)
{
    dur_engine_stat_t  stat;

    kit_fresh();
    kit_register("f", 1);
    kit_event("f");
    kit_event("f");
    kit_event("f");

    ok(dur_engine_has_ready(kit.engine), "due work waits for credits");
    kit_plain(DUR_OP_DISPATCH, 2);
    is_int(kit_calls(), 2, "as many calls go out as there are credits");
    dur_engine_stat(kit.engine, &stat);
    is_int(stat.leases, 2, "and as many are leased");

    kit_plain(DUR_OP_DISPATCH, 2);
    is_int(kit_calls(), 1, "the rest goes out with the next ones");
    ok(!dur_engine_has_ready(kit.engine), "then nothing waits");
}


static void
test_oldest_first(void)
{
    char           first[32];
    dur_ulid_t     old, young;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 1);

    old = kit_event("f");
    kit.now += 10;
    young = kit_event("f");
    kit_plain(DUR_OP_DISPATCH, 1);
    a = kit_attempt(0);
    snprintf(first, sizeof(first), "%s", run_of(a));

    /* the younger one is in the queue when the older has its next step */

    kit.now += 10;
    kit_result(a, 206, KIT_SDK, "[" KIT_PLAN(KIT_A, "a") ","
               KIT_PLAN(KIT_B, "b") "]");
    is_int(kit_calls(), 1, "one of two planned steps takes the credit");
    kit_plain(DUR_OP_DISPATCH, 1);
    ok(strcmp(run_of(kit_attempt(0)), first) == 0,
       "the other goes before the first call of a younger run");
    kit_plain(DUR_OP_DISPATCH, 1);
    ok(strcmp(run_of(kit_attempt(0)), first) != 0, "which comes then");

    is_str(dur_str_c(kit_status(&old)), "Running", "both run");
    is_str(dur_str_c(kit_status(&young)), "Running", "at last");
}


static void
test_max_calls(void)
{
    kit_attempt_t  a;

    kit_fresh();
    kit.conf.max_calls = 2;
    kit_configure();
    kit_register("f", 1);
    kit_event("f");
    kit_event("f");
    kit_event("f");

    is_int(kit_dispatch(), 2, "an app has no more calls than its limit");
    a = kit_attempt(0);
    ok(!dur_engine_has_ready(kit.engine),
       "what waits for the limit does not wait for credits");

    kit_result(a, 206, KIT_SDK, "[" KIT_PLAN(KIT_A, "a") ","
               KIT_PLAN(KIT_B, "b") "]");
    is_int(kit_calls(), 1, "a place that is free is taken by its run");
    is_int(kit_dispatch(), 0, "and the limit holds");

    kit.conf.max_calls = 128;
}


static void
test_own_limit(void)
{
    kit_fresh();
    kit_configure();
    kit_register("f", 1);
    kit_event("f");
    kit_event("f");
    kit_event("f");

    dur_config_app_add(&kit.conf, dur_str("http://localhost:3000/api/inngest"),
                       1);
    kit_configure();
    is_int(kit_dispatch(), 1, "an app has the limit of its own URL");
    ok(!dur_engine_has_ready(kit.engine), "and no work that could go");

    kit.conf.napps = 0;
    dur_config_app_add(&kit.conf, dur_str("http://localhost:3001/api/inngest"),
                       1);
    kit_configure();
    ok(dur_engine_has_ready(kit.engine),
       "a reload changes it while calls are out");
    is_int(kit_dispatch(), 2, "another app's limit is not its own");

    kit.conf.napps = 0;
}


/* Overwrites the first row of a table with what no encoder writes. */
static void
damage(dur_table_t table)
{
    dur_str_t      k;
    dur_txn_t     *t;
    dur_arena_t    arena;
    dur_cursor_t  *c;

    dur_arena_init(&arena);

    dur_txn_begin(dur_engine_store(kit.engine), true, &t);
    dur_cursor_open(t, table, &c);
    is_int(dur_cursor_seek(c, dur_str_null, &k, NULL), DUR_OK,
           "there is a row to damage");
    k = dur_arena_copy(&arena, k);
    dur_cursor_close(c);
    dur_txn_put(t, table, k, dur_str("?"));
    dur_txn_commit(t);

    dur_arena_deinit(&arena);
}


static void
test_unreadable_items(void)
{
    dur_ulid_t     old, young;
    kit_attempt_t  a;

    kit_fresh();
    kit_configure();
    kit_register("f", 1);
    old = kit_event("f");
    kit.now += 10;
    young = kit_event("f");

    damage(DUR_T_READY);
    is_int(kit_dispatch(), 1, "what waits behind an unreadable row goes out");
    is_int(kit_effect(DUR_EFFECT_LOG, 0) != NULL, 1, "the log says so");
    is_str(dur_str_c(kit_status(&young)), "Running", "the younger run runs");
    is_str(dur_str_c(kit_status(&old)), "Scheduled", "the other one waits");

    damage(DUR_T_LEASE);
    a = kit_attempt(0);
    is_int(kit_dispatch(), 0, "nothing else is ready");

    dur_engine_close(kit.engine);
    ok(kit_open(), "an unreadable lease does not keep a leader from leading");

    young = kit_event("f");
    is_int(kit_dispatch(), 1, "and other runs go on");
    a = kit_attempt(0);
    kit_result(a, 200, KIT_SDK, "1");
    is_str(dur_str_c(kit_status(&young)), "Completed", "to their end");
}


static void
test_adoption(void)
{
    kit_attempt_t  held[2], b;

    kit_fresh();
    kit_register("f", 1);
    inventory(1, NULL, 0);
    kit_event("f");
    kit_event("f");
    kit_dispatch();
    held[0] = kit_attempt(0);
    b = kit_attempt(1);

    dur_engine_close(kit.engine);
    kit_open();
    kit_configure();

    inventory(1, held, 1);
    is_int(kit_calls(), 1,
           "the next leader sends what the sidecar never got");
    is_int(kit_attempt(0).item, b.item, "and only that");
    is_int(kit_attempt(0).generation, b.generation,
           "as the attempt that it was");

    kit_result(held[0], 200, KIT_SDK, "1");
    is_int(kit.reply.rc, DUR_OK, "what it held is adopted: its result counts");
}


static void
test_lost_sidecar(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a, b;

    kit_fresh();
    kit_register("f", 1);
    inventory(1, NULL, 0);
    event = kit_event("f");
    kit_dispatch();
    a = kit_attempt(0);

    inventory(2, NULL, 0);
    is_int(kit_calls() + kit_dispatch(), 1,
           "what another sidecar ran is sent again at once");
    b = kit_attempt(0);
    is_int(b.item, a.item, "it is the same item");
    is_int(b.generation, a.generation + 1, "of the next generation");
    kit_build(b);
    is_int(json_integer_value(kit_get("ctx", "attempt")), 0,
           "and not another attempt");

    kit_result(a, 200, KIT_SDK, "1");
    is_int(kit.reply.rc, DUR_ECONFLICT, "a late result is discarded");
    is_str(dur_str_c(kit_status(&event)), "Running", "and changes nothing");

    inventory(3, NULL, 0);
    kit_dispatch();
    inventory(4, NULL, 0);
    kit_timers();
    kit_dispatch();
    kit_build(kit_attempt(0));
    is_int(json_integer_value(kit_get("ctx", "attempt")), 1,
           "to be lost three times is an attempt");
}


static void
test_lost_together(void)
{
    dur_ulid_t  event;
    unsigned    i;

    kit_fresh();
    kit_register("f", 0);
    inventory(1, NULL, 0);
    event = kit_event("f");
    kit_dispatch();
    kit_result(kit_attempt(0), 206, KIT_SDK, "[" KIT_PLAN(KIT_A, "a") ","
               KIT_PLAN(KIT_B, "b") "]");
    kit_dispatch();

    for (i = 2; i < 5; i++) {
        inventory((uint8_t) i, NULL, 0);
        kit_dispatch();
    }

    is_str(dur_str_c(kit_status(&event)), "Failed",
           "a run that is lost with two calls fails once");
}


static void
test_unknown(void)
{
    dur_op_t       op;
    dur_ulid_t     event;
    kit_attempt_t  held;

    kit_fresh();
    kit_register("f", 1);
    event = kit_event("f");
    kit_dispatch();
    held = kit_attempt(0);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    op.run = kit_run_id(&event);
    kit_op(&op);

    inventory(1, &held, 1);
    ok(kit_effect(DUR_EFFECT_CANCEL, 0) != NULL
       && kit_effect(DUR_EFFECT_CANCEL, 0)->item == held.item,
       "a call that nobody waits for is cancelled");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_credits();
    test_oldest_first();
    test_max_calls();
    test_own_limit();
    test_unreadable_items();
    test_adoption();
    test_lost_sidecar();
    test_lost_together();
    test_unknown();

    return kit_done();
}
