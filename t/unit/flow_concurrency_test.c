/* SPDX-License-Identifier: BSD-2-Clause */

/* Concurrency and priority: features 5.1 and 5.6. */

#include "flow_kit.h"


#define APP(f, more)  KIT_FN("app-" f, KIT_ON("t/" f), "," more)


/* How many calls may be out at once: features 5.1, one row after the other. */
static void
test_limits(void)
{
    size_t  i, j, most[3];

    /* six events of key a, six of key b, twelve credits */

    static const struct {
        const char  *title;
        const char  *option;
        size_t       all, a;
    } cases[] = {
        { "a number is the limit of the function", "3", 3, 2 },
        { "0 is no limit", "0", 12, 6 },
        { "an object is one limit", "{\"limit\":2}", 2, 1 },
        { "an empty object is no limit", "{}", 12, 6 },
        { "a key has a limit for each of its values",
          "{\"limit\":2,\"key\":\"event.data.k\"}", 4, 2 },
        { "of two limits both count",
          "[{\"limit\":3},{\"limit\":2,\"key\":\"event.data.k\"}]", 3, 2 },
        { "the order of the two says nothing",
          "[{\"limit\":2,\"key\":\"event.data.k\"},{\"limit\":3}]", 3, 2 },
        { "the scope is read in any case",
          "{\"limit\":2,\"key\":\"event.data.k\",\"scope\":\"Fn\"}", 4, 2 },
        { "a scope of env has a key",
          "{\"limit\":1,\"key\":\"event.data.k\",\"scope\":\"env\"}", 2, 1 },
        { "a scope of account is a counter of its own",
          "[{\"limit\":1,\"key\":\"event.data.k\",\"scope\":\"account\"},"
          "{\"limit\":4,\"key\":\"'all'\",\"scope\":\"env\"}]", 2, 1 },
        { "a key that is missing is one value for all",
          "{\"limit\":5,\"key\":\"event.data.nothing\"}", 5, 3 },
        { "a key without a value is that same one",
          "{\"limit\":5,\"key\":\"int(event.data.k)\"}", 5, 3 },
        { "limits of calls stand in `step`, too",
          "{\"step\":[{\"limit\":4}]}", 4, 2 },
        { "a limit of whole runs", "{\"fn\":[{\"limit\":5}]}", 5, 3 },
        { "a limit of whole runs has a key, too",
          "{\"fn\":[{\"limit\":1,\"key\":\"event.data.k\"}]}", 2, 1 },
        { "runs and calls have limits of their own",
          "{\"fn\":[{\"limit\":5}],\"step\":[{\"limit\":2,"
          "\"key\":\"event.data.k\"}]}", 4, 2 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char  text[1024];

        flow_fresh();
        snprintf(text, sizeof(text), KIT_FN("app-f", KIT_ON("t/f"),
                 ",\"concurrency\":%s"), cases[i].option);
        kit_app("app", text);

        for (j = 0; j < 6; j++) {
            flow_send("f", "a", (int) j);
            flow_send("f", "b", (int) j);
        }

        flow_settle(12);
        most[0] = flow_out(NULL, NULL);
        most[1] = flow_out(NULL, "a");

        ok(most[0] == cases[i].all && most[1] == cases[i].a,
           "%s: %zu are out, %zu of a key", cases[i].title, most[0], most[1]);

        most[2] = flow_drain(NULL, NULL, 12);

        ok(most[2] <= cases[i].all && flow.started == 12
           && flow_rows(DUR_T_BLOCKED) == 0 && flow_rows(DUR_T_PLACE) == 0
           && flow_rows(DUR_T_FLOW) == 0,
           "%s: never more, and all of them run", cases[i].title);
    }
}


/* Values as Go prints them: 1 is "1", 1.5 is "1.5", true is "true". */
static void
test_values(void)
{
    size_t  i;

    static const struct {
        const char  *one, *two;
        size_t       out;
    } cases[] = {
        { "1", "\"1\"", 1 },
        { "1.0", "1", 1 },
        { "1.5", "\"1.5\"", 1 },
        { "true", "\"true\"", 1 },
        { "false", "\"false\"", 1 },
        { "null", "\"NULL_VALUE\"", 1 },
        { "1", "2", 2 },
        { "\"\"", "\"false\"", 2 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char  more[64];

        flow_fresh();
        kit_app("app", APP("f", "\"concurrency\":{\"limit\":1,"
                           "\"key\":\"event.data.v\"}"));

        snprintf(more, sizeof(more), ",\"v\":%s", cases[i].one);
        flow_send_more("f", "", 1, more);
        snprintf(more, sizeof(more), ",\"v\":%s", cases[i].two);
        flow_send_more("f", "", 2, more);
        flow_settle(10);

        is_int((long) flow.n, (long) cases[i].out, "%s and %s are %s",
               cases[i].one, cases[i].two,
               cases[i].out == 1 ? "one key" : "two keys");
    }
}


static void
test_scopes(void)
{
    flow_fresh();
    kit_app("app", APP("f", "\"concurrency\":{\"limit\":1,\"scope\":\"env\","
                       "\"key\":\"event.data.k\"}") ","
            APP("g", "\"concurrency\":{\"limit\":2,\"scope\":\"Env\","
                "\"key\":\"event.data.k + ''\"}") ","
            APP("h", "\"concurrency\":{\"limit\":1,\"scope\":\"account\","
                "\"key\":\"event.data.k\"}"));

    flow_send("f", "a", 1);
    flow_send("f", "a", 2);
    flow_send("g", "a", 3);
    flow_send("g", "a", 4);
    flow_send("h", "a", 5);
    flow_send("h", "a", 6);
    flow_settle(10);

    is_text(flow.order, "1 3 5", "functions share a value of env, each with "
           "its own limit; account is another counter");
    flow_check("functions that share");

    flow_answer(0);
    flow_settle(10);
    is_text(flow.order, "1 3 5 4", "a slot goes to who may have it");

    flow_answer(1);
    flow_settle(10);
    is_text(flow.order, "1 3 5 4 6", "as it does in the other scope");

    flow_drain(NULL, NULL, 10);
    is_int((long) flow.started, 6, "all of them run");
}


static void
test_order(void)
{
    int  i;

    flow_fresh();
    kit_app("app", APP("f", "\"concurrency\":{\"limit\":1,"
                       "\"key\":\"event.data.k\"}"));

    for (i = 1; i <= 4; i++) {
        kit.now++;
        flow_send("f", "a", i);
    }

    kit.now++;
    flow_send("f", "b", 5);
    flow_settle(10);
    is_text(flow.order, "1 5", "a busy key does not block another one");

    while (flow.n > 0) {
        kit.now++;
        flow_answer(0);
        flow_settle(10);
    }

    is_text(flow.order, "1 5 2 3 4", "runs of a key start in their order");
}


/* The slot is given back and taken in one transaction. */
static void
test_at_once(void)
{
    flow_fresh();
    kit_app("app", APP("f", "\"concurrency\":1"));

    flow_send("f", "a", 1);
    flow_send("f", "a", 2);
    flow_settle(2);
    is_int((long) flow_rows(DUR_T_BLOCKED), 1, "the second run waits");

    flow_answer(0);
    is_text(flow.order, "1 2", "and is called in the op that ended the first");
    is_int((long) flow_rows(DUR_T_PLACE), 0, "nothing is left of its wait");

    flow_drain(NULL, NULL, 1);
}


/* A limit counts calls, not runs that sleep, wait or are tried again. */
static void
test_interleave(void)
{
    flow_fresh();
    kit_app("app", APP("f", "\"concurrency\":1"));

    flow_send("f", "a", 1);
    kit.now++;
    flow_send("f", "a", 2);
    flow_settle(10);

    flow_answer_as(0, 206, "[" KIT_SLEEP(KIT_A, "s", "10s") "]");
    flow_settle(10);
    is_text(flow.order, "1 2", "a run that sleeps has no slot");

    kit_timers();
    flow_gather();
    flow_settle(10);
    is_text(flow.order, "1 2", "when it wakes up it waits for one");
    flow_check("a run that woke up");

    kit.now++;
    flow_send("f", "a", 3);
    flow_settle(10);
    flow_answer_as(0, 206, "[" KIT_RUN(KIT_A, "a", "1") "]");
    flow_settle(10);
    is_text(flow.order, "1 2 1", "who is older goes before the next step");

    flow_drain(NULL, NULL, 10);
    is_text(flow.order, "1 2 1 2 3", "and who is younger after it");
}


static void
test_runs(void)
{
    flow_fresh();
    kit_app("app", APP("f", "\"concurrency\":{\"fn\":[{\"limit\":1}]}"));

    flow_send("f", "a", 1);
    kit.now++;
    flow_send("f", "a", 2);
    flow_settle(10);

    flow_answer_as(0, 206, "[" KIT_SLEEP(KIT_A, "s", "10s") "]");
    flow_settle(10);
    is_text(flow.order, "1", "a run that sleeps holds its slot");

    flow_reopen();
    flow_check("the engine is opened again");
    kit_timers();
    flow_gather();
    flow_settle(10);
    is_text(flow.order, "1 1", "its own calls need no other one");

    flow_answer(0);
    flow_settle(10);
    is_text(flow.order, "1 1 2", "it is given back when the run ends");

    flow_answer_as(0, 500, "{\"name\":\"E\",\"message\":\"bad\"}");
    flow_drain(NULL, NULL, 10);
    is_int((long) flow_rows(DUR_T_FLOW), 0, "however it ends");
}


static dur_rc_t
find(const dur_ulid_t *event, dur_blocked_t *b)
{
    dur_rc_t    rc;
    dur_run_t   run;
    dur_txn_t  *t;
    dur_ulid_t  id;

    id = kit_run_id(event);

    if (dur_txn_begin(dur_engine_store(kit.engine), false, &t) != DUR_OK) {
        return DUR_EIO;
    }

    rc = dur_run_get(t, &id, &run);
    if (rc == DUR_OK) {
        rc = dur_blocked_find(t, run.discovery, b);
    }

    dur_txn_abort(t);

    return rc;
}


static void
cancel(const dur_ulid_t *event)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    op.run = kit_run_id(event);
    kit_op(&op);
    flow_gather();
}


static void
test_why(void)
{
    dur_ulid_t     first, last;
    dur_blocked_t  b;

    flow_fresh();
    kit_app("app", APP("f", "\"concurrency\":{\"limit\":1,"
                       "\"key\":\"event.data.k\"}"));

    first = flow_send("f", "a", 1);
    flow_settle(10);
    flow_send("f", "a", 2);
    flow_send("f", "a", 3);
    flow_send("f", "b", 4);
    flow_send("f", "b", 5);
    last = flow_send("f", "a", 6);
    flow_settle(10);

    is_int(find(&first, &b), DUR_ENOTFOUND, "who runs does not wait");
    is_int(find(&last, &b), DUR_OK, "who waits is found");
    is_int(b.counter.scope, DUR_SCOPE_FN, "with the scope of its limit");
    ok(b.counter.value != 0, "the value of its key");
    is_int((long) b.before, 2, "and how many wait longer");
}


static void
test_gone(void)
{
    dur_ulid_t  event[3];

    flow_fresh();
    kit_app("app", APP("f", "\"concurrency\":1,\"timeouts\":"
                       "{\"start\":\"10s\"}"));

    event[0] = flow_send("f", "a", 1);
    event[1] = flow_send("f", "a", 2);
    event[2] = flow_send("f", "a", 3);
    flow_settle(10);

    cancel(&event[1]);
    is_text(kit_status(&event[1]), "Cancelled",
            "a run that waits is cancelled");
    is_int((long) flow_rows(DUR_T_BLOCKED), 1, "and waits no more");

    kit.now += 10000;
    flow_op(DUR_OP_TIMERS, 0);
    is_text(kit_status(&event[2]), "Cancelled", "its time to start may end");
    is_text(kit_status(&event[0]), "Running", "who runs has started");
    is_int((long) flow_rows(DUR_T_PLACE), 0, "nothing of them is left");

    cancel(&event[0]);
    flow.n = 0;
    flow_send("f", "a", 4);
    flow_settle(10);
    is_text(flow.order, "1 4", "a call that is cancelled gives its slot back");
    flow_check("after cancellations");
}


/* A woken item that never goes out does not keep its slot. */
static void
test_woken_gone(void)
{
    dur_ulid_t  event[4];

    flow_fresh();
    kit_app("app", APP("f", "\"concurrency\":{\"limit\":1,"
                       "\"key\":\"event.data.k\"}") "," APP("g", "\"x\":1"));

    event[0] = flow_send("f", "a", 1);
    event[1] = flow_send("f", "a", 2);
    event[2] = flow_send("f", "a", 3);
    flow_settle(10);

    event[3] = flow_send("g", "", 9);
    kit.now++;
    flow_answer(0);
    is_text(flow.order, "1", "somebody waits for a credit before");
    is_int((long) flow_rows(DUR_T_BLOCKED), 1, "the second one was woken");
    flow_check("one is woken");

    flow_reopen();
    flow_check("one is woken, and the engine opened again");

    cancel(&event[1]);
    is_int((long) flow_rows(DUR_T_BLOCKED), 0, "the third one takes its turn");
    flow_check("the woken one is gone");

    flow_settle(10);
    is_text(flow.order, "1 9 3", "and runs");
    (void) event[0];
    (void) event[2];
    (void) event[3];
    flow_drain(NULL, NULL, 10);
}


static void
set_pause(const char *slug, bool pause)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_PAUSE;
    op.url = dur_str_c(slug);
    op.generation = pause;
    kit_op(&op);
    flow_gather();
}


static void
test_paused(void)
{
    flow_fresh();
    kit_app("app", APP("f", "\"concurrency\":{\"limit\":1,\"scope\":\"env\","
                       "\"key\":\"'x'\"}") ","
            APP("g", "\"concurrency\":{\"limit\":1,\"scope\":\"env\","
                "\"key\":\"'x'\"}"));

    flow_send("f", "", 1);
    flow_settle(10);
    kit.now++;
    flow_send("f", "", 2);
    flow_send("f", "", 3);
    kit.now++;
    flow_send("g", "", 4);
    flow_settle(10);

    set_pause("app-f", true);
    flow_answer(0);
    flow_settle(10);
    is_text(flow.order, "1 4", "a paused function holds up nobody");

    flow_answer(0);
    flow_settle(10);
    is_text(flow.order, "1 4", "its own runs wait");

    set_pause("app-f", false);
    flow_settle(10);
    is_text(flow.order, "1 4 2", "until it goes on");
    flow_drain(NULL, NULL, 10);
    is_text(flow.order, "1 4 2 3", "all of them");
}


/* Fails the first call that is out: nobody was there. */
static void
refused(void)
{
    kit_attempt_t  a;

    if (flow.n == 0) {
        ok(false, "a call is out");
        return;
    }

    a = flow.calls[0].attempt;
    flow.n--;
    memmove(&flow.calls[0], &flow.calls[1], flow.n * sizeof(flow.calls[0]));

    kit_result_error(a, DUR_CALL_ECONNECT);
    flow_gather();
}


/* What an app that does not answer was woken for, others have. */
static void
test_parked(void)
{
    int  i;

    flow_fresh();
    kit_app("app", APP("f", "\"concurrency\":{\"limit\":1,\"scope\":\"env\","
                       "\"key\":\"'x'\"}") "," APP("p", "\"x\":1"));
    kit_app("two", KIT_FN("two-g", KIT_ON("t/g"), ",\"concurrency\":{"
                          "\"limit\":1,\"scope\":\"env\",\"key\":\"'x'\"}"));

    for (i = 0; i < 5; i++) {
        flow_send("p", "", 9);
    }

    flow_settle(10);
    flow_send("f", "", 1);
    flow_settle(10);
    kit.now++;
    flow_send("f", "", 2);
    kit.now++;
    flow_send("g", "", 3);
    flow_settle(10);
    is_int((long) flow_rows(DUR_T_BLOCKED), 2, "two wait for one that runs");

    for (i = 0; i < 5; i++) {
        refused();
    }

    is_int((long) flow.n, 1, "the app is parked");
    refused();
    flow_settle(10);
    ok(flow_out("two-g", NULL) == 1, "the other app has the slot");
    flow_check("an app is parked");

    flow_answer(0);
    flow_settle(10);
    flow_send("g", "", 4);
    flow_settle(10);
    ok(flow_out("two-g", NULL) == 1, "and has it again, whoever rests");
    flow_check("an app is parked still");

    flow_answer(0);
    kit.now += 1000;
    flow_op(DUR_OP_DISPATCH, 10);
    is_int((long) flow.n, 1, "a probe goes out");
    flow_answer(0);
    flow_drain(NULL, NULL, 10);
    is_int((long) (flow_rows(DUR_T_BLOCKED) + flow_rows(DUR_T_READY)), 0,
           "then all that waited runs");
}


static void
test_registered(void)
{
    int  i;

    flow_fresh();
    kit.conf.max_calls = 1000;
    kit_configure();
    kit_app("app", APP("f", "\"concurrency\":{\"limit\":2,"
                       "\"key\":\"event.data.k\"}"));

    for (i = 0; i < 300; i++) {
        flow_send("f", "a", i);
    }

    flow_settle(1000);
    is_int((long) flow.n, 2, "two of a key");

    kit_app("app", APP("f", "\"concurrency\":{\"limit\":7,"
                       "\"key\":\"event.data.k\"}"));
    flow_settle(1000);
    is_int((long) flow.n, 7, "a limit that is raised holds at once");
    flow_check("the limit is raised");

    kit_app("app", APP("f", "\"concurrency\":{\"limit\":3,"
                       "\"key\":\"event.data.k\"}"));
    flow_settle(1000);
    is_int((long) flow.n, 7, "one that is lowered ends no call");

    for (i = 0; i < 4; i++) {
        flow_answer(0);
        flow_settle(1000);
    }

    is_int((long) flow.n, 3, "but there will be fewer");
    flow_answer(0);
    flow_settle(1000);
    is_int((long) flow.n, 3, "down to the new limit");

    kit_app("app", APP("f", "\"concurrency\":{\"limit\":3,"
                       "\"key\":\"event.data.k + 'x'\"}"));
    flow_settle(1000);
    is_int((long) flow.n, 292 + 3, "runs without a value for the key of a "
           "new limit are not limited by it");
    is_int((long) flow_rows(DUR_T_BLOCKED), 0, "and nobody waits");

    for (i = 0; i < 5; i++) {
        flow_send("f", "a", 1000);
    }

    flow_settle(1000);
    is_int((long) flow.n, 292 + 3 + 3, "new runs are");

    kit_app("app", APP("f", "\"x\":1"));
    flow_settle(1000);
    is_int((long) flow.n, 292 + 3 + 5, "a limit that is gone holds nobody");
    flow_check("the limit is gone");
}


static void
test_account(void)
{
    int  i;

    flow_fresh();
    kit.conf.max_concurrency = 4;
    kit_configure();
    kit_app("app", APP("f", "\"x\":1"));
    kit_app("two", KIT_FN("two-g", KIT_ON("t/g"), ""));

    for (i = 0; i < 5; i++) {
        flow_send("f", "", i);
        flow_send("g", "", i);
    }

    flow_settle(100);
    is_int((long) flow.n, 4, "the account's limit is that of all calls");
    ok(!dur_engine_has_ready(kit.engine), "nothing is asked for meanwhile");
    is_int((long) flow_drain(NULL, NULL, 100), 4, "at any time");
    is_int((long) flow.started, 10, "all of them run");

    kit.conf.max_concurrency = 1000;
}


/* Keys with a backlog each take turns, whatever came first. */
static void
test_fair(void)
{
    int     i, turns;
    char    key[16];
    size_t  j, seen;

    flow_fresh();
    kit_app("app", APP("f", "\"concurrency\":{\"limit\":1,"
                       "\"key\":\"event.data.k\"}"));

    for (i = 0; i < 40; i++) {
        for (j = 0; j < 5; j++) {
            snprintf(key, sizeof(key), "k%d", i);
            flow_send("f", key, i);
        }
        kit.now++;
    }

    /* four credits for forty keys: after ten turns of four all had one */

    flow_settle(4);

    for (turns = 0; turns < 36; turns++) {
        kit.now++;
        flow_answer(0);
        flow_settle(4);
    }

    for (seen = 0, i = 0; i < 40; i++) {
        char  *p, text[4200];

        snprintf(key, sizeof(key), " %d ", i);
        snprintf(text, sizeof(text), " %s ", flow.order);
        p = strstr(text, key);
        seen += p != NULL;
    }

    is_int((long) seen, 40, "each key had a turn before one had two");

    flow_drain(NULL, NULL, 4);
    is_int((long) flow.started, 200, "and all of them run");
}


/* What an op costs does not depend on how many wait. */
static void
test_bounded(void)
{
    int  i;

    flow_fresh();
    kit_app("app", APP("f", "\"concurrency\":[{\"limit\":1,\"key\":"
                       "\"event.data.k\"},{\"limit\":3}]"));

    for (i = 0; i < 500; i++) {
        flow_send("f", "hot", i);
    }

    for (i = 0; i < 20; i++) {
        flow_send("f", i % 2 ? "b" : "c", i);
    }

    flow_settle(10);
    is_int((long) flow_out(NULL, "hot"), 1, "one of the busy key");
    is_int((long) flow.n, 3, "the others are not held up by it");
    is_int((long) flow_drain(NULL, "hot", 10), 1, "at any time");
    is_int((long) flow.started, 520, "all of them run");
}


static void
test_priority(void)
{
    size_t  i;

    static const struct {
        const char  *title, *expression, *order;
    } cases[] = {
        { "who has a higher priority goes first",
          "int(event.data.n) * 60", "1 4 3 2" },
        { "a lower one goes last", "0 - int(event.data.n) * 60", "1 2 3 4" },
        { "one that is no integer is none",
          "double(event.data.n) * 60.0", "1 2 3 4" },
        { "the numbers of an event are no integers", "event.data.n",
          "1 2 3 4" },
        { "a comparison chooses one",
          "event.data.n == 4 ? 120 : 0", "1 4 2 3" },
        { "nor has one without a value any", "int(event.data.k)",
          "1 2 3 4" },
        { "there are bounds", "int(event.data.n) * 43200 - 43200",
          "1 2 3 4" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int   n;
        char  text[1024];

        flow_fresh();
        snprintf(text, sizeof(text), KIT_FN("app-f", KIT_ON("t/f"),
                 ",\"concurrency\":1,\"priority\":{\"run\":\"%s\"}"),
                 cases[i].expression);
        kit_app("app", text);

        for (n = 1; n <= 4; n++) {
            flow_send("f", "x", n);
            kit.now++;
            flow_settle(10);
        }

        flow_drain(NULL, NULL, 10);
        is_text(flow.order, cases[i].order, "priority: %s", cases[i].title);
    }
}


/* Crashes between any two ops change nothing. */
static void
test_crash(void)
{
    int  i;

    flow_fresh();
    kit_app("app", APP("f", "\"concurrency\":{\"fn\":[{\"limit\":6}],\"step\":"
                       "[{\"limit\":2,\"key\":\"event.data.k\"},"
                       "{\"limit\":3}]}"));

    for (i = 0; i < 30; i++) {
        flow_send("f", i % 3 ? "a" : "b", i);
        flow_reopen();
        flow_check("after a crash");
        flow_settle(4);
        ok(flow_out(NULL, "a") <= 2 && flow.n <= 3, "limits hold");

        if (flow.n > 1) {
            flow_answer_as(0, 206, "[" KIT_SLEEP(KIT_A, "s", "1s") "]");
        }

        flow_reopen();
        kit.now += 100;
        flow_op(DUR_OP_TIMERS, 0);
    }

    while (kit_timers() != INT64_MAX && i++ < 1000) {
        flow_gather();
        flow_drain(NULL, NULL, 10);
    }

    flow_drain(NULL, NULL, 10);
    is_int((long) flow_rows(DUR_T_BLOCKED), 0, "nobody waits in the end");
    is_int((long) flow_rows(DUR_T_FLOW), 0, "and no slot is held");
}


/* Those who wait for a limit that is taken away all wait for another one, not
 * only the first of them. */
static void
test_limit_taken_away(void)
{
    int  i;

    flow_fresh();
    kit_app("app", APP("f", "\"concurrency\":[{\"limit\":1,\"key\":"
                       "\"event.data.k\"}]"));

    for (i = 0; i < 20; i++) {
        flow_send("f", "a", i);
    }

    flow_settle(10);
    is_int((long) flow.n, 1, "one of a key at a time");

    kit_app("app", APP("f", "\"concurrency\":1"));
    flow_settle(10);
    flow_check("after a limit was taken away");
    flow_drain(NULL, NULL, 10);
    is_int((long) flow.started, 20, "all run by the other limit");
    is_int((long) flow_rows(DUR_T_BLOCKED), 0, "and nobody is forgotten");
}


/* One that comes when a throttle is used up already has a timer of its own
 * key, though nobody ever gives a throttle back. */
static void
test_throttled_later(void)
{
    flow_fresh();
    kit_app("app", APP("f", "\"throttle\":{\"limit\":1,\"period\":"
                       "\"10s\"}"));

    flow_send("f", "a", 1);
    flow_settle(10);
    is_int((long) flow.started, 1, "one starts at once");

    kit.now += 1000;
    flow_send("f", "a", 2);
    flow_settle(10);
    is_int((long) flow_rows(DUR_T_BLOCKED), 1, "the next one waits");
    is_int((long) (dur_engine_next_due(kit.engine) - kit.now), 9000,
           "for its time");

    kit.now += 9000;
    flow_op(DUR_OP_TIMERS, 0);
    flow_settle(10);
    is_int((long) flow.started, 2, "and starts then");
}


int
main(void)
{
    if (!kit_init()) {
        return 1;
    }

    test_limits();
    test_values();
    test_scopes();
    test_order();
    test_at_once();
    test_interleave();
    test_runs();
    test_why();
    test_gone();
    test_woken_gone();
    test_paused();
    test_parked();
    test_registered();
    test_account();
    test_fair();
    test_bounded();
    test_priority();
    test_limit_taken_away();
    test_throttled_later();
    test_crash();

    return kit_done();
}
