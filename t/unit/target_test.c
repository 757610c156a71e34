/* SPDX-License-Identifier: BSD-2-Clause */

/* Apps that do not answer: when they are parked, what waits and what is
 * counted meanwhile, and what brings them back. */

#include "kit.h"

#define URL  "http://127.0.0.1:3000/api/inngest"


static void
setup(unsigned retries)
{
    kit_fresh();
    dur_engine_set_feed(kit.engine, true);
    kit_register("f", retries);
}


/* So many runs, whose first calls are out. */
static void
start(kit_attempt_t *out, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        kit_event("f");
    }

    kit_dispatch();

    for (i = 0; i < n; i++) {
        out[i] = kit_attempt(i);
    }
}


/* Parks the app by the first five of `out`. */
static void
park(kit_attempt_t *out)
{
    size_t  i;

    for (i = 0; i < 5; i++) {
        kit_result_error(out[i], DUR_CALL_ECONNECT);
    }
}


static json_t *
parked(void)
{
    json_t     *list;
    dur_buf_t   b;

    dur_buf_init(&b, 1 << 20);
    dur_query_parked(dur_engine_store(kit.engine), &b);
    list = json_loadb((char *) b.data, b.len, 0, NULL);
    dur_buf_deinit(&b);

    return list;
}


static unsigned
nparked(void)
{
    unsigned  n;
    json_t   *list;

    list = parked();
    n = json_is_array(list) ? (unsigned) json_array_size(list) : 999;
    json_decref(list);

    return n;
}


/* The probe that is due next: goes there, fires and dispatches. */
static kit_attempt_t
probe(int64_t *after)
{
    int64_t        was;
    kit_attempt_t  none = { 0, 0 };

    was = kit.now;

    if (kit_timers() == INT64_MAX) {
        return none;
    }

    *after = kit.now - was;

    return kit_dispatch() == 1 ? kit_attempt(0) : none;
}


static unsigned
attempt_of(kit_attempt_t a)
{
    kit_build(a);

    return (unsigned) json_integer_value(kit_get("ctx", "attempt"));
}


/* The texts of an effect's lines, one after the other. */
static const char *
lines(dur_effect_type_t type)
{
    size_t        i, n;
    dur_effect_t *f;
    static char   text[4096];

    for (i = 0, n = 0; (f = kit_effect(type, i)) != NULL; i++) {
        n += (size_t) snprintf(text + n, sizeof(text) - n, "%.*s\n",
                               (int) f->text.len,
                               (const char *) f->text.data);
    }

    text[n] = '\0';

    return text;
}


static void
test_parked(void)
{
    json_t         *list;
    kit_attempt_t   a[6];

    setup(3);
    start(a, 6);

    park(a);
    is_int(nparked(), 1, "five failures in a row park an app");
    ok(strstr(lines(DUR_EFFECT_LOG), "app \"app\" does not answer (connection "
              "refused): its work waits") != NULL, "the log says why");
    ok(strstr(lines(DUR_EFFECT_FEED), "\"kind\":\"app.parked\"") != NULL,
       "and so does the feed");

    list = parked();
    is_str(dur_str_c(json_string_value(json_object_get(
               json_array_get(list, 0), "app"))), "app", "its name is shown");
    is_str(dur_str_c(json_string_value(json_object_get(
               json_array_get(list, 0), "error"))), "connection refused",
           "with the error");
    json_decref(list);

    kit_result_error(a[5], DUR_CALL_ECONNECT);
    is_str(dur_str_c(lines(DUR_EFFECT_LOG)), "", "it is said once");
    ok(!dur_engine_has_ready(kit.engine), "no work could go");
    is_int(kit_dispatch(), 0, "and none goes");

    kit_event("f");
    is_int(kit_dispatch(), 0, "new work waits too");
}


static void
test_failures(void)
{
    size_t         i;
    kit_attempt_t  a[24];

    static const struct {
        unsigned          status;
        dur_call_error_t  error;
        const char       *headers;
        unsigned          parks;
        const char       *what;
    } kinds[] = {
        { 0, DUR_CALL_ECONNECT, "", 1, "a refused connection" },
        { 0, DUR_CALL_ELOST, "", 1, "a broken connection" },
        { 0, DUR_CALL_ETIMEOUT, "", 1, "a call whose time is over" },
        { 502, 0, "", 1, "502 of a proxy" },
        { 503, 0, "", 1, "503 of a proxy" },
        { 504, 0, "", 1, "504 of a proxy" },
        { 503, 0, KIT_SDK, 0, "503 of the SDK" },
        { 500, 0, "", 0, "500" },
        { 404, 0, "", 0, "404" },
        { 0, DUR_CALL_ETOOBIG, "", 0, "an answer that is too large" },
        { 0, DUR_CALL_EPOLICY, "", 0, "an address that is not allowed" },
    };

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        setup(3);
        start(a, 5);
        for (size_t k = 0; k < 5; k++) {
            if (kinds[i].status) {
                kit_result(a[k], kinds[i].status, kinds[i].headers, "\"x\"");
            } else {
                kit_result_error(a[k], kinds[i].error);
            }
        }
        is_int(nparked(), kinds[i].parks, "%s %s", kinds[i].what,
               kinds[i].parks ? "counts" : "is an answer");
    }

    setup(3);
    start(a, 24);
    for (i = 0; i < 24; i++) {
        if (i % 5 == 4) {
            kit_result(a[i], 200, KIT_SDK, "1");
        } else {
            kit_result_error(a[i], DUR_CALL_ECONNECT);
        }
    }
    is_int(nparked(), 0, "one answer in five keeps an app from being parked");
}


static void
test_attempts(void)
{
    int64_t        after;
    unsigned       i;
    dur_ulid_t     event;
    kit_attempt_t  a;

    /* one run with a single attempt: any that is used fails it */

    setup(0);
    start(&a, 1);
    kit_result(a, 200, KIT_SDK, "1");

    for (i = 0; i < 4; i++) {
        event = kit_event("f");
        kit_dispatch();
        kit_result_error(kit_attempt(0), DUR_CALL_ECONNECT);
        is_str(dur_str_c(kit_status(&event)), "Failed",
               "the first four failures are attempts");
    }

    event = kit_event("f");
    kit_dispatch();
    kit_result_error(kit_attempt(0), DUR_CALL_ECONNECT);
    is_str(dur_str_c(kit_status(&event)), "Running", "the fifth is not");

    for (i = 0; i < 20; i++) {
        a = probe(&after);
        is_int(attempt_of(a), 0, "a probe is the same attempt");
        kit_result(a, 502, "", "bad gateway");
    }

    a = probe(&after);
    kit_result(a, 200, KIT_SDK, "1");
    is_str(dur_str_c(kit_status(&event)), "Completed",
           "the run completes when the app is back");
}


static void
test_probes(void)
{
    size_t         i;
    int64_t        after;
    kit_attempt_t  a[5], p, second;

    static const int64_t  delays[] = {
        1000, 2000, 4000, 8000, 16000, 30000, 30000
    };

    setup(3);
    start(a, 5);
    kit.conf.retry_interval = 3600 * 1000;      /* out of the way */
    kit_configure();
    park(a);

    kit_plain(DUR_OP_TIMERS, 0);
    is_int(kit_dispatch(), 0, "no probe before its time");

    for (i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
        p = probe(&after);
        ok(p.item != 0, "a probe goes out");
        is_int(after, delays[i], "after %d ms", (int) delays[i]);
        is_int(kit_dispatch(), 0, "one at a time");
        if (i + 1 < sizeof(delays) / sizeof(delays[0])) {
            kit_result_error(p, DUR_CALL_ECONNECT);
            is_int(kit_calls(), 0, "its credit is not passed on");
        }
    }

    ok(!dur_engine_has_ready(kit.engine), "a parked app has no work to go");
    second = probe(&after);
    is_int(second.item, 0, "nothing else is there to probe with");

    kit.conf.retry_interval = 1000;
}


static void
test_silent_probe(void)
{
    int64_t        after;
    kit_attempt_t  a[7], p, second;

    setup(3);
    start(a, 7);
    kit.conf.retry_interval = 3600 * 1000;
    kit_configure();
    park(a);
    kit_result_error(a[5], DUR_CALL_ECONNECT);
    kit_result_error(a[6], DUR_CALL_ECONNECT);

    p = probe(&after);
    second = probe(&after);
    is_int(after, 30000, "a probe that says nothing holds up 30 seconds");
    ok(second.item != 0 && second.item != p.item, "then another goes out");

    kit_result_error(p, DUR_CALL_ECONNECT);
    is_int(kit_dispatch(), 0, "what the first says then changes nothing");

    kit_result(second, 206, KIT_SDK, "[" KIT_RUN(KIT_A, "a", "1") "]");
    is_int(kit_calls(), 1, "the second answers, its run goes on at once");
    is_int(nparked(), 0, "and the app is parked no more");

    kit.conf.retry_interval = 1000;
}


static void
test_unparked(void)
{
    kit_attempt_t  a[8];

    setup(3);
    start(a, 8);
    park(a);
    kit_result_error(a[5], DUR_CALL_ECONNECT);
    kit_result_error(a[6], DUR_CALL_ECONNECT);

    /* a call that was out before answers */

    kit_result(a[7], 500, "", "oops");
    is_int(nparked(), 0, "any answer unparks, an error too");
    ok(strstr(lines(DUR_EFFECT_LOG), "app \"app\" answers again") != NULL,
       "the log says so");
    ok(strstr(lines(DUR_EFFECT_FEED), "app.unparked") != NULL,
       "the feed too");
    ok(dur_engine_has_ready(kit.engine), "its work may go");
    is_int(kit_dispatch(), 3, "and goes at once");

    kit_result_error(kit_attempt(0), DUR_CALL_ECONNECT);
    is_int(nparked(), 0, "failures are counted from the beginning");
}


static void
test_hint(void)
{
    int64_t        after;
    dur_op_t       op;
    kit_attempt_t  a[5], p;

    setup(3);
    start(a, 5);
    kit.conf.retry_interval = 3600 * 1000;
    kit_configure();
    park(a);

    for (size_t i = 0; i < 6; i++) {
        p = probe(&after);
        kit_result_error(p, DUR_CALL_ECONNECT);
    }

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_SYNC;
    op.url = dur_str(URL);
    op.error = dur_str("not there");
    kit_op(&op);
    is_int(kit_dispatch(), 0, "a sync that fails brings no probe");

    op.error = dur_str_null;
    kit_op(&op);
    is_int(kit_dispatch(), 1, "one that goes well brings it at once");
    kit_result_error(kit_attempt(0), DUR_CALL_ECONNECT);
    is_int(kit_dispatch(), 0, "its failure is one more");

    kit_register("f", 3);
    is_int(kit_dispatch(), 1, "a registration does the same");
    kit_result_error(kit_attempt(0), DUR_CALL_ECONNECT);

    kit_register("f", 4);
    is_int(kit_dispatch(), 1, "also one that changes something");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REMOVE;
    op.url = dur_str(URL);
    kit_op(&op);
    is_int(nparked(), 0, "an app that is removed is not shown");

    kit.conf.retry_interval = 1000;
}


static void
test_leader(void)
{
    int64_t        after;
    kit_attempt_t  a[5], p;

    setup(3);
    start(a, 5);
    kit.conf.retry_interval = 3600 * 1000;
    kit_configure();
    park(a);
    p = probe(&after);
    kit_result_error(p, DUR_CALL_ECONNECT);

    dur_engine_close(kit.engine);
    kit_open();
    kit_configure();

    is_int(nparked(), 1, "the next leader knows");
    is_int(kit_dispatch(), 0, "and does not call");
    p = probe(&after);
    is_int(after, 2000, "but probes when it is time");
    ok(p.item != 0, "with the work that waits");

    kit_plain(DUR_OP_NOP, 0);
    kit.now -= 7200 * 1000;
    kit_result_error(p, DUR_CALL_ECONNECT);
    kit.now -= 7200 * 1000;
    is_int(kit_dispatch(), 1, "a clock that was set back does not hold it up");

    kit.conf.retry_interval = 1000;
}


/* Answers whatever is out: calls of one run end the app, others go well. */
static void
answer_all(const dur_ulid_t *bad, const kit_attempt_t *out, size_t n)
{
    char    id[DUR_ULID_TEXT_LEN + 1];
    size_t  i;

    dur_ulid_text(bad, id);

    for (i = 0; i < n; i++) {
        if (kit_build(out[i]) != DUR_OK) {
            continue;
        }

        if (strcmp(json_string_value(kit_get("ctx", "run_id")), id) == 0) {
            kit_result_error(out[i], DUR_CALL_ELOST);
        } else {
            kit_result(out[i], 200, KIT_SDK, "1");
        }
    }
}


static void
test_poison(void)
{
    size_t         i, k, n;
    dur_ulid_t     event, last, bad;
    kit_attempt_t  out[16];

    setup(1);
    event = kit_event("f");
    bad = kit_run_id(&event);

    kit.now += 10;
    start(out, 5);                      /* the bad one is the oldest of them */
    last = kit_event("f");

    for (i = 0; i < 5; i++) {
        kit_result_error(out[i], DUR_CALL_ELOST);
    }
    is_int(nparked(), 1, "an app that a step ends is parked");

    for (i = 0; i < 100; i++) {
        n = kit_dispatch();
        if (n == 0 && kit_timers() != INT64_MAX) {
            n = kit_dispatch();
        }
        if (n == 0) {
            break;
        }
        for (k = 0; k < n; k++) {
            out[k] = kit_attempt(k);
        }
        answer_all(&bad, out, n);
    }

    is_str(dur_str_c(kit_status(&event)), "Failed",
           "calls that break after they were sent are attempts in the end");
    is_str(dur_str_c(kit_status(&last)), "Completed",
           "so the work behind comes to its turn");
}


/* "f" with no retries, and "g" that is started when it fails. */
static void
register_handler(void)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REGISTER;
    op.body = dur_str("{\"url\":\"" URL "\",\"appName\":\"app\",\"sdk\":"
        "\"js:v4.24.0\",\"v\":\"0.1\",\"functions\":[{\"id\":\"app-f\","
        "\"name\":\"f\",\"triggers\":[{\"event\":\"t/f\"}],\"steps\":{"
        "\"step\":{\"id\":\"step\",\"name\":\"step\",\"runtime\":{\"type\":"
        "\"http\",\"url\":\"" URL "?fnId=app-f&stepId=step\"},\"retries\":{"
        "\"attempts\":0}}}},{\"id\":\"app-g\",\"name\":\"g\",\"triggers\":[{"
        "\"event\":\"inngest/function.failed\"}],\"steps\":{\"step\":{\"id\":"
        "\"step\",\"name\":\"step\",\"runtime\":{\"type\":\"http\",\"url\":\""
        URL "?fnId=app-g&stepId=step\"}}}}]}");
    kit_op(&op);
}


static void
test_handler(void)
{
    int64_t        after;
    unsigned       i;
    dur_ulid_t     event;
    kit_attempt_t  a[5], p;

    kit_fresh();
    register_handler();
    start(a, 4);
    event = kit_event("f");
    kit_dispatch();
    a[4] = kit_attempt(0);

    for (i = 0; i < 5; i++) {
        kit_result_error(a[i], DUR_CALL_ELOST);
    }

    /* the handlers of four runs wait with it, and it is the oldest */

    for (i = 0; i < 2; i++) {
        is_str(dur_str_c(kit_status(&event)), "Running", "no attempt yet");
        p = probe(&after);
        is_int(p.item, a[4].item, "the oldest work is the probe");
        kit_result_error(p, DUR_CALL_ELOST);
    }

    is_str(dur_str_c(kit_status(&event)), "Failed",
           "the third broken call was an attempt");
    is_int(kit_calls(), 0, "a failure handler waits as well");
    is_int(nparked(), 1, "while its app is parked");
}


static void
test_history(void)
{
    size_t         i, n;
    json_t        *list;
    int64_t        after;
    dur_buf_t      b;
    dur_ulid_t     event, run;
    kit_attempt_t  a[5], p;

    setup(0);
    start(a, 4);
    for (i = 0; i < 4; i++) {
        kit_result_error(a[i], DUR_CALL_ECONNECT);
    }

    event = kit_event("f");
    run = kit_run_id(&event);
    kit_dispatch();
    p = kit_attempt(0);

    for (i = 0; i < 10; i++) {
        kit_result_error(p, DUR_CALL_ECONNECT);
        p = probe(&after);
    }

    kit_result(p, 200, KIT_SDK, "1");

    dur_buf_init(&b, 1 << 20);
    dur_query_history(dur_engine_store(kit.engine), &run, &b);
    list = json_loadb((char *) b.data, b.len, 0, NULL);
    n = json_array_size(list);

    is_int(n, 2, "an outage is one record of an item");
    is_str(dur_str_c(json_string_value(json_object_get(
               json_array_get(list, 0), "outcome"))), "parked",
           "which says that it was parked");
    is_str(dur_str_c(json_string_value(json_object_get(
               json_array_get(list, 0), "error"))), "connection refused",
           "and why");
    is_int(json_integer_value(json_object_get(json_array_get(list, 0),
                                              "generation")), 10,
           "and which call was the last");
    is_str(dur_str_c(json_string_value(json_object_get(
               json_array_get(list, 1), "outcome"))), "ok",
           "the answer is the other");

    json_decref(list);
    dur_buf_deinit(&b);
}


static void
test_cancel(void)
{
    int64_t        after;
    dur_op_t       op;
    dur_ulid_t     event;
    kit_attempt_t  a[5], p;

    setup(0);
    start(a, 4);
    for (size_t i = 0; i < 4; i++) {
        kit_result_error(a[i], DUR_CALL_ECONNECT);
    }

    event = kit_event("f");
    kit_dispatch();
    kit_result_error(kit_attempt(0), DUR_CALL_ECONNECT);
    kit.now += 1;
    kit_event("f");
    p = probe(&after);
    ok(p.item != 0, "a probe is out");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    op.run = kit_run_id(&event);
    kit_op(&op);
    is_str(dur_str_c(kit_status(&event)), "Cancelled", "its run is cancelled");
    is_int(kit_dispatch(), 1, "another item takes its place");
}


static void
test_live(void)
{
    dur_op_t           op;
    dur_ulid_t         event;
    kit_attempt_t      a[3];
    dur_engine_stat_t  stat;

    setup(0);
    start(a, 3);
    ok(strstr(lines(DUR_EFFECT_FEED), "run.started") == NULL,
       "a dispatch starts nothing");
    event = kit_event("f");
    ok(strstr(lines(DUR_EFFECT_FEED), "\"event\":\"t/f\"") != NULL,
       "the feed says which event started a run");

    dur_engine_stat(kit.engine, &stat);
    is_int(stat.runs_live, 4, "runs that live are counted");

    kit_result(a[0], 200, KIT_SDK, "1");
    kit_result(a[1], 500, KIT_SDK, "{}");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    op.run = kit_run_id(&event);
    kit_op(&op);

    dur_engine_stat(kit.engine, &stat);
    is_int(stat.runs_live, 1, "until they end, however they do");

    dur_engine_close(kit.engine);
    kit_open();
    dur_engine_stat(kit.engine, &stat);
    is_int(stat.runs_live, 1, "the next leader counts on");
}


int
main(void)
{
    if (!kit_init()) {
        return 1;
    }

    test_parked();
    test_failures();
    test_attempts();
    test_probes();
    test_silent_probe();
    test_unparked();
    test_hint();
    test_leader();
    test_poison();
    test_handler();
    test_history();
    test_cancel();
    test_live();

    return kit_done();
}
