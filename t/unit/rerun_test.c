/* SPDX-License-Identifier: BSD-2-Clause */

/* Runs that run again: from the beginning, or from a step on. */

#include "kit.h"
#include "engine/dur_run.h"
#include "engine/dur_state.h"
#include "engine/dur_step.h"


static uint64_t  ids;


/* The new run's id; zero when it was refused. */
static dur_ulid_t
rerun(const dur_ulid_t *run, const char *body)
{
    json_t      *root;
    dur_op_t     op;
    dur_ulid_t   id;

    memset(&op, 0, sizeof(op));
    memset(&id, 0, sizeof(id));
    op.type = DUR_OP_RERUN;
    op.id = kit_ulid(1000000 + ++ids);
    op.run = *run;
    op.body = dur_str_c(body);
    kit_op(&op);

    root = json_loadb((char *) kit.reply.body.data, kit.reply.body.len, 0,
                      NULL);
    (void) dur_ulid_parse(
        dur_str_c(json_string_value(json_object_get(root, "run_id"))), &id);
    json_decref(root);

    return id;
}


static bool
header(const dur_ulid_t *id, dur_run_t *run)
{
    dur_rc_t    rc;
    dur_txn_t  *txn;

    dur_txn_begin(dur_engine_store(kit.engine), false, &txn);
    rc = dur_run_get(txn, id, run);
    run->output.bytes = dur_str_null;
    dur_txn_abort(txn);

    return rc == DUR_OK;
}


static uint64_t
timers(void)
{
    uint64_t    n;
    dur_txn_t  *txn;

    dur_txn_begin(dur_engine_store(kit.engine), false, &txn);
    n = dur_txn_count(txn, DUR_T_TIMER);
    dur_txn_abort(txn);

    return n;
}


static const char *
status(const dur_ulid_t *id)
{
    dur_run_t  run;

    return header(id, &run) ? dur_run_status_name(&run) : "none";
}


/* Step i of a run, as the SDKs hash it: here just a number. */
static void
step_report(unsigned i, const char *data, dur_buf_t *b)
{
    dur_buf_addf(b, "%s{\"op\":\"StepRun\",\"id\":\"%040x\",\"name\":"
                 "\"s%u\",\"displayName\":\"s%u\",\"opts\":{},\"data\":%s}",
                 b->len > 1 ? "," : "", i * 7919 % 65521, i, i, data);
}


/* A run of "f" that did n steps with this output each and waits. */
static dur_ulid_t
did(unsigned n, const char *data, kit_attempt_t *open)
{
    unsigned    i;
    dur_buf_t   b;
    dur_ulid_t  event;

    event = kit_event("f");
    kit_dispatch();

    dur_buf_init(&b, 64 << 20);
    dur_buf_addc(&b, '[');
    for (i = 0; i < n; i++) {
        step_report(i, data, &b);
    }
    dur_buf_addz(&b, "]");
    dur_buf_addc(&b, '\0');
    kit_result(kit_attempt(0), 206, KIT_SDK, (char *) b.data);
    dur_buf_deinit(&b);

    *open = kit_attempt(0);

    return kit_run_id(&event);
}


/* The member of a step in the call that was built: "data", "input". */
static json_t *
memo(unsigned i, const char *member)
{
    char  hex[41];

    snprintf(hex, sizeof(hex), "%040x", i * 7919 % 65521);

    return json_object_get(kit_get("steps", hex), member);
}


static void
test_whole(void)
{
    json_t         *list;
    dur_run_t       run;
    dur_buf_t       b;
    dur_ulid_t      old, new;
    kit_attempt_t   a;

    kit_fresh();
    kit_register("f", 0);
    old = did(2, "1", &a);
    kit_result(a, 200, KIT_SDK, "\"first\"");
    is_str(dur_str_c(status(&old)), "Completed", "a run that has ended");

    kit.now += 5000;
    new = rerun(&old, "");
    is_int(kit.reply.status, 200, "runs again");
    ok(memcmp(new.b, old.b, DUR_ULID_LEN) != 0, "as another run");
    header(&new, &run);
    ok(memcmp(run.original.b, old.b, DUR_ULID_LEN) == 0,
       "that knows its original");
    is_int(run.created, kit.now, "and is new");
    is_int(run.idem_bucket, 0, "it takes no client's id");

    is_int(kit_dispatch(), 1, "its first call goes out");
    a = kit_attempt(0);
    kit_build(a);
    is_int(json_object_size(kit_get("steps", NULL)), 0, "without memos");
    is_int(json_integer_value(json_object_get(json_object_get(
               kit_get("event", NULL), "data"), "x")), 1,
           "with the same event");
    kit_result(a, 200, KIT_SDK, "\"second\"");
    is_str(dur_str_c(status(&new)), "Completed", "it ends by itself");

    dur_buf_init(&b, 1 << 20);
    (void) dur_query_event_runs(dur_engine_store(kit.engine), &run.event, &b);
    list = json_loadb((char *) b.data, b.len, 0, NULL);
    is_int(json_array_size(list), 2, "the event has two runs");
    json_decref(list);
    dur_buf_deinit(&b);
}


static void
test_once(void)
{
    char           first[64];
    dur_op_t       op;
    dur_ulid_t     old;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 0);
    old = did(1, "1", &a);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_RERUN;
    op.id = kit_ulid(77);
    op.run = old;
    kit_op(&op);
    snprintf(first, sizeof(first), "%.*s", (int) kit.reply.body.len,
             (char *) kit.reply.body.data);
    kit_op(&op);
    is_str(kit.reply.body, first, "asked twice with one id it runs once");
    is_int(kit_dispatch(), 1, "which is one call");
}


static void
test_client_id(void)
{
    dur_ulid_t     event, old, new;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 0);
    event = kit_event_at("f", "order-1", kit.now);
    old = kit_run_id(&event);
    kit_dispatch();
    a = kit_attempt(0);
    kit_result(a, 200, KIT_SDK, "1");

    new = rerun(&old, "");
    is_int(kit.reply.status, 200,
           "a run whose event has a client's id runs again");
    is_str(dur_str_c(status(&new)), "Running", "and lives");
}


static void
test_live(void)
{
    dur_ulid_t     old, new;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 0);
    old = did(1, "1", &a);
    new = rerun(&old, "");
    is_int(kit.reply.status, 200, "a run that lives may run again");
    kit_result(a, 200, KIT_SDK, "1");
    is_str(dur_str_c(status(&old)), "Completed", "it goes on itself");
    is_str(dur_str_c(status(&new)), "Running", "as does the other");
}


static void
test_from_step(void)
{
    char           body[256];
    dur_run_t      run;
    dur_ulid_t     old, new;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 0);
    old = did(4, "{\"v\":1}", &a);
    kit_result(a, 200, KIT_SDK, "1");

    snprintf(body, sizeof(body), "{\"stepID\":\"%040x\",\"input\":[ {\"b\":1,"
             "\"a\":2} ]}", 2 * 7919);
    new = rerun(&old, body);
    is_int(kit.reply.status, 200, "a run runs again from its third step");
    ok(!dur_engine_has_tasks(kit.engine), "a short copy is no task");
    kit_dispatch();
    a = kit_attempt(0);
    is_int(kit_build(a), DUR_OK, "the call can be built");

    is_int(json_object_size(kit_get("steps", NULL)), 3,
           "it knows three steps");
    is_int(json_integer_value(json_object_get(memo(1, "data"), "v")), 1,
           "those before with their output");
    ok(memo(2, "data") == NULL, "the step itself has none");
    is_int(json_integer_value(json_object_get(json_array_get(
               memo(2, "input"), 0), "a")), 2, "but its edited input");
    is_str(dur_str_c(json_string_value(kit_get("ctx", "fn_id"))), "",
           "and the npm package is not asked for checkpoints");
    is_int(json_array_size(json_object_get(kit_get("ctx", "stack"),
                                           "stack")), 2,
           "the stack holds what is done");

    kit_result(a, 206, KIT_SDK, "[{\"op\":\"StepRun\",\"id\":\"000000000000"
               "0000000000000000000000003dde\",\"name\":\"s2\",\"data\":7}]");
    a = kit_attempt(0);
    kit_build(a);
    is_int(json_integer_value(memo(2, "data")), 7,
           "once it is done it has an output");
    ok(memo(2, "input") == NULL, "and no input");
    header(&new, &run);
    is_int(run.steps, 3, "the run has three memos");
    kit_result(a, 200, KIT_SDK, "1");
    is_str(dur_str_c(status(&new)), "Completed", "it ends");

    snprintf(body, sizeof(body), "{\"stepID\":\"%040x\"}", 2 * 7919);
    new = rerun(&old, body);
    kit_dispatch();
    kit_build(kit_attempt(0));
    is_int(json_object_size(kit_get("steps", NULL)), 2,
           "without an input the step is just not there");

    snprintf(body, sizeof(body), "{\"stepID\":\"%040x\"}", 0);
    new = rerun(&old, body);
    kit_dispatch();
    kit_build(kit_attempt(0));
    is_int(json_object_size(kit_get("steps", NULL)), 0,
           "from the first step on nothing is known");
}


static void
test_from_step_by_id(void)
{
    dur_ulid_t     event, old;
    kit_attempt_t  a;

    static const char *const  bodies[] = {
        "{\"stepID\":\"b\",\"input\":[1]}",
        "{\"stepId\":\"" KIT_B "\",\"input\":[1]}",
        "{\"step_id\":\"b\",\"input\":[1]}",
    };

    kit_fresh();
    kit_register("f", 0);
    event = kit_event("f");
    old = kit_run_id(&event);
    kit_dispatch();
    kit_result(kit_attempt(0), 206, KIT_SDK, "[" KIT_RUN(KIT_A, "a", "1") ","
               KIT_RUN(KIT_B, "b", "2") "]");
    a = kit_attempt(0);

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        (void) rerun(&old, bodies[i]);
        is_int(kit.reply.status, 200, "%s is a step", bodies[i]);
        kit_dispatch();
        kit_build(kit_attempt(0));
        is_int(json_integer_value(json_object_get(kit_get("steps", KIT_A),
                                                  "data")), 1,
               "before it stands what was done");
        is_int(json_array_size(json_object_get(kit_get("steps", KIT_B),
                                               "input")), 1,
               "its input is edited");
    }

    kit_result(a, 200, KIT_SDK, "1");
}


static void
test_parallel(void)
{
    dur_ulid_t     event, old, new;
    kit_attempt_t  a, b;

    kit_fresh();
    kit_register("f", 0);
    event = kit_event("f");
    old = kit_run_id(&event);
    kit_dispatch();
    kit_result(kit_attempt(0), 206, KIT_SDK, "[" KIT_PLAN(KIT_A, "a") ","
               KIT_PLAN(KIT_B, "b") "]");
    a = kit_attempt(0);
    kit_dispatch();
    b = kit_attempt(0);
    kit_result(a, 206, KIT_SDK, "[" KIT_RUN(KIT_A, "a", "1") "]");

    new = rerun(&old, "{\"stepID\":\"b\",\"input\":[2]}");
    is_int(kit.reply.status, 200, "a step that is under way");
    kit_dispatch();
    a = kit_attempt(0);
    kit_build(a);
    is_int(json_integer_value(json_object_get(kit_get("steps", KIT_A),
                                              "data")), 1,
           "everything done comes before it");
    is_int(json_object_size(kit_get("steps", NULL)), 2,
           "it stands there with its input");

    kit_result(a, 206, KIT_SDK, "[" KIT_PLAN(KIT_B, "b") "]");
    a = kit_attempt(0);
    ok(a.item != 0, "planned, it is called");
    kit_build(a);
    ok(json_is_array(json_object_get(kit_get("steps", KIT_B), "input")),
       "with its input");
    kit_result(a, 206, KIT_SDK, "[" KIT_RUN(KIT_B, "b", "3") "]");
    a = kit_attempt(0);
    kit_result(a, 200, KIT_SDK, "1");
    is_str(dur_str_c(status(&new)), "Completed", "the rerun ends");
    kit_result(b, 206, KIT_SDK, "[" KIT_RUN(KIT_B, "b", "2") "]");
    is_str(dur_str_c(status(&old)), "Running", "the original goes on");
}


static void
test_refused(void)
{
    size_t         i;
    dur_op_t       op;
    dur_ulid_t     old, none = kit_ulid(5);
    kit_attempt_t  a;

    static const struct {
        const char  *body;
        unsigned     status;
        const char  *text;
    } tests[] = {
        { "{\"stepID\":\"zzz\"}", 404, "the run has no such step" },
        { "{\"stepID\":\"\"}", 400, "from_step must be an object with the "
          "string \"stepID\"" },
        { "{\"stepID\":7}", 400, "from_step must be an object with the "
          "string \"stepID\"" },
        { "{}", 400, "from_step must be an object with the string "
          "\"stepID\"" },
        { "[]", 400, "from_step must be an object with the string "
          "\"stepID\"" },
        { "{\"stepID\":\"a\",\"input\":{}}", 400,
          "the input of a step must be an array of its arguments" },
        { "{\"stepID\":\"a\",\"input\":\"[]\"}", 400,
          "the input of a step must be an array of its arguments" },
    };

    kit_fresh();
    kit_register("f", 0);
    old = did(1, "1", &a);

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        json_t  *root;

        (void) rerun(&old, tests[i].body);
        is_int(kit.reply.status, tests[i].status, "%s is refused",
               tests[i].body);
        root = json_loadb((char *) kit.reply.body.data, kit.reply.body.len,
                          0, NULL);
        is_str(dur_str_c(json_string_value(json_object_get(root, "error"))),
               tests[i].text, "with a sentence");
        is_int(json_integer_value(json_object_get(root, "status")),
               tests[i].status, "and its status");
        json_decref(root);
    }

    is_int(kit_dispatch(), 0, "nothing of it started anything");

    (void) rerun(&none, "");
    is_int(kit.reply.status, 404, "there is no such run");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REMOVE;
    op.url = dur_str("http://127.0.0.1:3000/api/inngest");
    kit_op(&op);
    (void) rerun(&old, "");
    is_int(kit.reply.status, 409, "an archived function does not run again");
}


/* The pieces until all is done. */
static unsigned
tasks(void)
{
    unsigned  n;

    for (n = 0; n < 1000 && dur_engine_has_tasks(kit.engine); n++) {
        kit_plain(DUR_OP_TASKS, 0);
    }

    return n;
}


static void
test_long_copy(void)
{
    char           body[256], big[3000];
    unsigned       i, n;
    dur_run_t      run, before;
    dur_ulid_t     old, new;
    kit_attempt_t  a;

    memset(big, 'x', sizeof(big));
    big[0] = '"';
    big[sizeof(big) - 2] = '"';
    big[sizeof(big) - 1] = '\0';

    kit_fresh();
    kit_register("f", 0);
    old = did(900, big, &a);

    snprintf(body, sizeof(body), "{\"stepID\":\"%040x\",\"input\":[5]}",
             700 * 7919 % 65521);
    new = rerun(&old, body);
    is_int(kit.reply.status, 200, "a long run runs again at once");
    ok(dur_engine_has_tasks(kit.engine), "its memos are copied later");
    is_int(kit_dispatch(), 0, "until then no call goes out");
    is_str(dur_str_c(status(&new)), "Running", "but it is there");

    kit_plain(DUR_OP_TASKS, 0);
    header(&new, &run);
    ok(run.steps > 0 && run.steps < 700, "a piece is a part of them");
    is_int(kit_dispatch(), 0, "still no call");

    dur_engine_close(kit.engine);
    kit_open();
    kit_configure();
    kit_result(a, 206, KIT_SDK, "[" KIT_RUN(KIT_A, "late", "1") "]");

    n = tasks();
    ok(n > 1, "after a restart %u more pieces do the rest", n);
    is_int(kit_dispatch(), 1, "then the call goes out");
    kit_build(kit_attempt(0));
    is_int(json_object_size(kit_get("steps", NULL)), 701,
           "with the memos before the step, and the step");

    for (i = 0; i < 700 && json_is_string(memo(i, "data")); i++) { /**/ }
    is_int(i, 700, "each of them has its output");
    is_int(json_integer_value(json_array_get(memo(700, "input"), 0)), 5,
           "and the step its input");
    is_int(json_array_size(json_object_get(kit_get("ctx", "stack"),
                                           "stack")), 700,
           "the stack is as it was");

    header(&old, &before);
    header(&new, &run);
    is_int(run.state_bytes, 700 * (sizeof(big) - 1),
           "what was copied counts as state");
    is_int(timers(), 0, "no timer is left");
}


/* Takes the memos of a run away, as retention does before the run. */
static void
delete_steps(const dur_ulid_t *run, unsigned n)
{
    char         hex[41];
    uint8_t      key[DUR_STEP_KEY];
    unsigned     i;
    dur_txn_t   *txn;
    dur_hash_t   id;

    dur_txn_begin(dur_engine_store(kit.engine), true, &txn);

    for (i = 0; i < n; i++) {
        snprintf(hex, sizeof(hex), "%040x", i * 7919 % 65521);
        dur_hash_parse(dur_str_c(hex), &id);
        (void) dur_txn_del(txn, DUR_T_STEP, dur_step_key(key, run, &id));
    }

    is_int(dur_txn_commit(txn), DUR_OK,
           "the original is deleted while it is copied");
}


static void
test_cut_short(void)
{
    char           body[256];
    json_t        *run;
    dur_op_t       op;
    dur_buf_t      b;
    dur_ulid_t     old, new;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 0);
    old = did(900, "1", &a);
    kit_result(a, 200, KIT_SDK, "1");
    snprintf(body, sizeof(body), "{\"stepID\":\"%040x\"}",
             800 * 7919 % 65521);

    new = rerun(&old, body);
    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    op.run = new;
    kit_op(&op);
    is_int(kit.reply.status, 200, "a run is cancelled while it is copied");
    tasks();
    is_int(kit_dispatch(), 0, "no call goes out");
    is_str(dur_str_c(status(&new)), "Cancelled", "it stays so");

    new = rerun(&old, body);
    delete_steps(&old, 900);
    tasks();
    is_str(dur_str_c(status(&new)), "Failed", "the new run fails");

    dur_buf_init(&b, 1 << 20);
    (void) dur_query_run(dur_engine_store(kit.engine), &new, &b);
    run = json_loadb((char *) b.data, b.len, 0, NULL);
    is_str(dur_str_c(json_string_value(json_object_get(json_object_get(
               run, "output"), "name"))), "RerunFailed", "and says so");
    json_decref(run);
    dur_buf_deinit(&b);
    is_int(timers(), 0, "no timer is left");
}


static void
test_poison(void)
{
    char           body[256];
    dur_op_t       op;
    dur_ulid_t     old, new;
    dur_reply_t    reply;
    dur_effect_t  *f;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 0);
    old = did(900, "1", &a);
    snprintf(body, sizeof(body), "{\"stepID\":\"%040x\"}",
             800 * 7919 % 65521);
    new = rerun(&old, body);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_TASKS;
    dur_buf_reset(&kit.buf);
    dur_op_encode(&op, &kit.buf);
    dur_arena_reset(&kit.arena);
    dur_engine_begin(kit.engine, kit.now, &kit.arena);
    is_int(dur_engine_poison(kit.engine, dur_buf_str(&kit.buf), &reply),
           DUR_OK, "a copy that breaks an invariant is given up");
    dur_engine_commit(kit.engine, &f);
    is_str(dur_str_c(status(&new)), "Failed", "its run fails");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_whole();
    test_once();
    test_client_id();
    test_live();
    test_from_step();
    test_from_step_by_id();
    test_parallel();
    test_refused();
    test_long_copy();
    test_cut_short();
    test_poison();

    return kit_done();
}
