/* SPDX-License-Identifier: BSD-2-Clause */

/* rateLimit, idempotency and singleton: features 5.3, 5.7. */

#include "kit.h"

#define SECOND  ((int64_t) 1000)
#define MINUTE  (60 * SECOND)
#define HOUR    (60 * MINUTE)

#define FN(more)    KIT_FN("app-f", KIT_ON("f"), more)
#define LIMIT(limit, period, key)                                            \
    ",\"rateLimit\":{\"limit\":" limit ",\"period\":\"" period "\"" key "}"
#define KEY(expression)  ",\"key\":\"" expression "\""
#define SINGLE(mode, key)  ",\"singleton\":{\"mode\":\"" mode "\"" key "}"


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


/* An event "f" with this data; client may be NULL. */
static dur_ulid_t
send(const char *data, const char *client)
{
    char             json[512];
    dur_op_t         op;
    dur_op_event_t   event;

    memset(&event, 0, sizeof(event));
    event.id = kit_ulid(kit.entropy + 1);

    snprintf(json, sizeof(json), "{\"data\":%s,\"name\":\"f\",\"ts\":%" PRId64
             "}", data, kit.now);

    event.ts = kit.now;
    event.name = dur_str("f");
    event.client_id = dur_str_c(client);
    event.json = dur_str_c(json);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    kit_op(&op);

    return event.id;
}


static bool
starts(const char *data)
{
    dur_ulid_t  id;

    id = send(data, NULL);

    return strcmp(kit_status(&id), "none") != 0;
}


/* How many of n events at once start a run. */
static unsigned
burst(const char *data, unsigned n)
{
    unsigned  started;

    for (started = 0; n > 0; n--) {
        started += starts(data);
    }

    return started;
}


static bool
said(const char *text)
{
    size_t         i;
    dur_effect_t  *f;

    for (i = 0; (f = kit_effect(DUR_EFFECT_LOG, i)) != NULL; i++) {
        if (memmem(f->text.data, f->text.len, text, strlen(text)) != NULL) {
            return true;
        }
    }

    return false;
}


/* -- rateLimit ------------------------------------------------------------ */

static void
test_limits(void)
{
    size_t  i;

    static const struct {
        const char  *options;
        unsigned     at_once;
        int64_t      interval;          /* until the next one */
        const char  *title;
    } tests[] = {
        { LIMIT("1", "24h", ""), 1, 24 * HOUR, "1 in 24 h" },
        { LIMIT("5", "1m", ""), 1, 12 * SECOND, "5 in a minute" },
        { LIMIT("9", "9s", ""), 1, SECOND, "9 in 9 s" },
        { LIMIT("10", "1h", ""), 2, 6 * MINUTE, "10 in an hour" },
        { LIMIT("25", "50s", ""), 3, 2 * SECOND, "25 in 50 s" },
        { LIMIT("100", "100s", ""), 11, SECOND, "100 in 100 s" },
        { LIMIT("1", "1999ms", ""), 1, SECOND, "a period is cut to seconds" },
        { ",\"idempotency\":\"'all'\"", 1, 24 * HOUR, "idempotency" },
        { LIMIT("50", "1m", "") ",\"idempotency\":\"'all'\"", 1, 24 * HOUR,
          "idempotency replaces a rate limit" },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        char  text[1024];

        snprintf(text, sizeof(text), KIT_FN("app-f", KIT_ON("f"), "%s"),
                 tests[i].options);
        kit_fresh();
        kit_app("app", text);

        is_int(burst("{}", 20), tests[i].at_once,
               "%s: so many start together", tests[i].title);
        is_int(rows(DUR_T_RUN), tests[i].at_once, "the others have no run");

        kit.now += tests[i].interval - 1;
        is_int(burst("{}", 3), 0, "none a moment too early");
        kit.now++;
        is_int(burst("{}", 3), 1, "one when its interval is over");
        kit.now += 3 * tests[i].interval;
        is_int(burst("{}", 20), tests[i].at_once < 3 ? tests[i].at_once : 3,
               "later as many as have gathered");
    }
}


static void
test_keys(void)
{
    kit_fresh();
    kit_app("app", FN(LIMIT("1", "1h", KEY("event.data.k"))));

    ok(starts("{\"k\":\"a\"}") && starts("{\"k\":\"b\"}"),
       "every value of the key has a limit of its own");
    ok(!starts("{\"k\":\"a\"}") && !starts("{\"k\":\"b\"}"),
       "that holds for all its events");
    ok(starts("{\"k\":1}") && !starts("{\"k\":1.0}")
       && !starts("{\"k\":\"1\"}"), "numbers count as their text");
    ok(starts("{\"k\":1.5}") && !starts("{\"k\":\"1.5\"}"),
       "with fractions too");
    ok(starts("{\"k\":[1,2]}") && !starts("{\"k\":[1,2]}")
       && starts("{\"k\":[2,1]}"), "lists count as a whole");
    ok(starts("{\"k\":null}") && !starts("{\"k\":null}"), "so does null");
    ok(starts("{\"k\":true}") && !starts("{\"k\":true}"), "and true");

    is_int(burst("{}", 3), 3, "without the field there is no limit");
    is_int(burst("{\"k\":false}", 3), 3, "nor when it is false");

    kit_fresh();
    kit_app("app", FN(LIMIT("1", "1h", KEY("1 / event.data.k"))));
    ok(!starts("{\"k\":0}"), "a key without a value starts nothing");
    ok(said("function \"app-f\" is not started") && said("its rate limit"),
       "and the log says so");
    ok(starts("{\"k\":1}"), "other events are not concerned");

    kit_fresh();
    kit_app("app", KIT_FN("app-f", KIT_ON("f"), LIMIT("1", "1h", "")) ","
            KIT_FN("app-g", KIT_ON("f"), LIMIT("1", "1h", "")));
    is_int(rows(DUR_T_RUN), 0, "two functions");
    (void) starts("{}");
    is_int(rows(DUR_T_RUN), 2, "have limits of their own");

    kit_fresh();
    kit_app("app", FN(LIMIT("1", "1h", KEY("event.data.k"))));
    (void) starts("{\"k\":\"a\"}");
    kit_reopen();
    ok(!starts("{\"k\":\"a\"}"), "a new leader knows what was counted");

    kit.now -= 24 * HOUR;
    ok(!starts("{\"k\":\"a\"}"), "a clock that was set back");
    kit.now += HOUR;
    ok(starts("{\"k\":\"a\"}"), "holds a key up for one interval at most");

    kit_app("app", FN(LIMIT("60", "1m", KEY("event.data.k"))));
    ok(!starts("{\"k\":\"a\"}"), "after a new limit was registered");
    kit.now += 7 * SECOND;
    is_int(burst("{\"k\":\"a\"}", 20), 7, "that one counts alone");
}


static void
test_event_ids(void)
{
    dur_ulid_t  id;

    kit_fresh();
    kit_app("app", FN(LIMIT("10", "1h", "")));

    id = send("{}", "one");
    is_str(dur_str_c(kit_status(&id)), "Scheduled", "an event with an id");
    id = send("{}", "one");
    is_str(dur_str_c(kit_status(&id)), "none", "starts one run alone");
    ok(starts("{}"), "the second one did not count");
    ok(!starts("{}"), "the third does");

    kit.now += 6 * MINUTE;
    id = send("{}", "one");
    ok(!starts("{}"), "after five minutes it counts again");
}


static void
test_idle(void)
{
    char      data[64];
    unsigned  i, n;

    kit_fresh();
    kit_app("app", FN(LIMIT("60", "1m", KEY("event.data.k"))));

    for (i = 0; i < 300; i++) {
        snprintf(data, sizeof(data), "{\"k\":%u}", i);
        (void) send(data, i % 3 ? NULL : data);
    }

    n = (unsigned) rows(DUR_T_FLOW);
    is_int(n, 2 * 300 + 2 * 100, "keyed state has its rows");

    /* one key stays in use */

    for (i = 0; i < 30; i++) {
        kit.now += SECOND;
        (void) send("{\"k\":1}", NULL);
        expire();
    }

    is_int(rows(DUR_T_FLOW), 2 + 2 * 100,
           "what is idle goes, what is in use stays, with one entry");
    is_int(burst("{\"k\":1}", 20), 6, "and is counted on");

    kit.now += 6 * MINUTE;
    expire();
    is_int(rows(DUR_T_FLOW), 0, "in the end nothing is left");
}


/* -- singleton ------------------------------------------------------------ */

static void
test_skip(void)
{
    char         holder[DUR_ULID_TEXT_LEN + 1];
    json_t      *run, *output;
    dur_ulid_t   first, second, id;

    kit_fresh();
    kit_app("app", FN(SINGLE("skip", KEY("event.data.k"))));

    first = send("{\"k\":\"a\"}", NULL);
    second = send("{\"k\":\"a\"}", NULL);
    is_str(dur_str_c(kit_status(&first)), "Scheduled", "a first run");
    is_str(dur_str_c(kit_status(&second)), "Skipped",
           "keeps a second one of its key from running");

    id = kit_run_id(&first);
    dur_ulid_text(&id, holder);
    run = kit_run(&second);
    output = json_object_get(run, "output");
    is_str(dur_str_c(json_string_value(json_object_get(output, "reason"))),
           "Singleton", "which says why");
    is_str(dur_str_c(json_string_value(json_object_get(output, "run_id"))),
           holder, "and names the one that runs");
    json_decref(run);

    second = send("{\"k\":\"b\"}", NULL);
    is_str(dur_str_c(kit_status(&second)), "Scheduled", "another key runs");
    second = send("{}", NULL);
    first = send("{}", NULL);
    is_str(dur_str_c(kit_status(&first)), "Scheduled",
           "without a value of the key nothing is single");
    is_int(rows(DUR_T_FLOW), 2, "two keys are locked");

    kit_reopen();
    second = send("{\"k\":\"a\"}", NULL);
    is_str(dur_str_c(kit_status(&second)), "Skipped",
           "a new leader knows who runs");

    second = send("{\"k\":\"b\"}", "client");
    is_str(dur_str_c(kit_status(&second)), "Skipped",
           "an event with an id is skipped too");

    kit_dispatch();
    kit_gather();

    while (kit_out.n > 0) {
        kit_result(kit_out.out[--kit_out.n], 200, KIT_SDK, "1");
    }

    is_int(rows(DUR_T_FLOW), 0, "the locks go with their runs");
    second = send("{\"k\":\"b\"}", "client");
    is_str(dur_str_c(kit_status(&second)), "Scheduled",
           "and the same event may start one then");
}


/* However a run ends, its key is free afterwards. */
static void
test_ends(void)
{
    size_t         i;
    dur_op_t       op;
    dur_ulid_t     first, second;
    kit_attempt_t  a;

    static const char *const  titles[] = {
        "a result", "an error", "a cancellation", "a broken invariant"
    };

    for (i = 0; i < 4; i++) {
        kit_fresh();
        kit_app("app", FN(SINGLE("skip", "")));
        first = send("{}", NULL);
        kit_dispatch();
        a = kit_attempt(0);

        memset(&op, 0, sizeof(op));

        switch (i) {
        case 0:
            kit_result(a, 200, KIT_SDK, "1");
            break;
        case 1:
            kit_result(a, 400, KIT_SDK "x-inngest-no-retry: true\n", "{}");
            break;
        case 2:
            op.type = DUR_OP_CANCEL;
            op.run = kit_run_id(&first);
            kit_op(&op);
            break;
        default:
            op.type = DUR_OP_RESULT;
            op.result.item = a.item;
            op.result.generation = a.generation;
            op.entropy[0] = 1;
            dur_buf_reset(&kit.buf);
            dur_op_encode(&op, &kit.buf);
            dur_arena_reset(&kit.arena);
            dur_engine_begin(kit.engine, kit.now, &kit.arena);
            dur_engine_poison(kit.engine, dur_buf_str(&kit.buf), &kit.reply);
            dur_engine_commit(kit.engine, &(dur_effect_t *) { NULL });
        }

        is_int(rows(DUR_T_FLOW), 0, "%s frees the key", titles[i]);
        second = send("{}", NULL);
        is_str(dur_str_c(kit_status(&second)), "Scheduled",
               "for the next run");
    }
}


static void
test_cancel(void)
{
    json_t      *run, *output;
    dur_ulid_t   first, second, third;

    kit_fresh();
    kit_app("app", FN(SINGLE("cancel", KEY("event.data.k"))));

    first = send("{\"k\":1}", NULL);
    kit_dispatch();
    second = send("{\"k\":1}", "x");
    is_str(dur_str_c(kit_status(&first)), "Cancelled",
           "a newer run ends the one that runs");
    ok(kit_effect(DUR_EFFECT_CANCEL, 0) != NULL, "with the call that is out");
    is_str(dur_str_c(kit_status(&second)), "Scheduled", "and begins itself");

    run = kit_run(&first);
    output = json_object_get(run, "output");
    ok(strstr(json_string_value(json_object_get(output, "message")),
              "singleton") != NULL, "the older one says why it ended");
    json_decref(run);

    third = send("{\"k\":1}", "x");
    is_str(dur_str_c(kit_status(&third)), "none",
           "an event that is known starts nothing");
    is_str(dur_str_c(kit_status(&second)), "Scheduled", "and ends nothing");

    third = send("{\"k\":2}", NULL);
    is_str(dur_str_c(kit_status(&second)), "Scheduled",
           "another key ends nothing either");
    is_int(rows(DUR_T_FLOW), 2, "each live run holds its key");
}


/* What a cancelled run starts may be faster than who cancelled it. */
static void
test_third(void)
{
    char         holder[DUR_ULID_TEXT_LEN + 1];
    json_t      *run;
    dur_ulid_t   first, second;

    kit_fresh();
    kit_app("app", KIT_FN("app-f", KIT_ON("f") ","
                          KIT_ON("inngest/function.cancelled"),
                          SINGLE("cancel", "")));

    first = send("{}", NULL);
    second = send("{}", NULL);
    is_str(dur_str_c(kit_status(&first)), "Cancelled", "the holder ends");
    is_str(dur_str_c(kit_status(&second)), "Skipped",
           "the run that its end started has the key");

    run = kit_run(&second);
    snprintf(holder, sizeof(holder), "%s", json_string_value(
             json_object_get(json_object_get(run, "output"), "run_id")));
    json_decref(run);
    is_int(strlen(holder), DUR_ULID_TEXT_LEN, "and is named");
    is_int(rows(DUR_T_FLOW), 1, "one lock is held");
}


/* A run cannot be replaced by one that it waits for. */
static void
test_itself(void)
{
    dur_ulid_t  event;

    kit_fresh();
    kit_app("app", KIT_FN("app-f", KIT_ON("f"), SINGLE("cancel", "")));

    event = send("{}", NULL);
    kit_answer("app-f", 206, "[" KIT_INVOKE(KIT_A, "a", "app-f",
                                            ",\"timeout\":\"1h\"") "]");
    is_str(dur_str_c(kit_status(&event)), "Running",
           "a run that invokes its own function goes on");
    is_int(rows(DUR_T_RUN), 2, "the one it invokes is skipped");
    is_int(rows(DUR_T_FLOW), 1, "it keeps its lock");
    kit.now += HOUR;
    kit_plain(DUR_OP_TIMERS, 0);
    kit_answer("app-f", 200, "1");
    is_str(dur_str_c(kit_status(&event)), "Completed",
           "and ends when its step timed out");
    is_int(rows(DUR_T_FLOW), 0, "with the lock");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_limits();
    test_keys();
    test_event_ids();
    test_idle();
    test_skip();
    test_ends();
    test_cancel();
    test_third();
    test_itself();

    return kit_done();
}
