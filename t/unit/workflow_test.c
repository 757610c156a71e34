/* SPDX-License-Identifier: BSD-2-Clause */

/* Workflows in the engine: what nginx.conf declares, what runs do, what is
 * asked of targets, and what survives. */

#include "kit.h"
#include "plan_kit.h"

#define H  "http://127.0.0.1:7001/"
#define T  "trigger event=t/go\n"


/* -- a kit for workflows -------------------------------------------------- */

/* The op WORKFLOWS with up to two functions; the status. */
static unsigned
declare_two(const char *one, const char *two)
{
    char       *a, *b;
    dur_op_t    op;
    dur_buf_t   list;

    a = one ? plan_json("wf", one) : NULL;
    b = two ? plan_json("other", two) : NULL;

    dur_buf_init(&list, 1 << 20);
    dur_buf_addf(&list, "[%s%s%s]", a ? a : "", a && b ? "," : "",
                 b ? b : "");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_WORKFLOWS;
    op.body = dur_buf_str(&list);
    kit_op(&op);

    dur_buf_deinit(&list);
    free(a);
    free(b);

    return kit.reply.status;
}


static void
declare(const char *text)
{
    is_int(declare_two(text, NULL), 200, "the function is declared");
}


/* Another store: definitions that were compiled are of the one before. */
static void
anew(void)
{
    dur_call_deinit(&kit.call);
    dur_call_init(&kit.call);
    kit_fresh();
}


/* Begins anew with one function, and an event for it. */
static dur_ulid_t
begin(const char *text)
{
    anew();
    declare(text);

    return kit_event("go");
}


/* The call of a path that is out, built; a zero item when there is none. */
static kit_attempt_t
take(const char *path)
{
    size_t         i;
    kit_attempt_t  a = { 0, 0 };

    kit_gather();
    kit_dispatch();
    kit_gather();

    for (i = 0; i < kit_out.n; i++) {
        if (kit_build(kit_out.out[i]) == DUR_OK
            && kit.call.url.len > strlen(path)
            && kit.call.url.data[kit.call.url.len - strlen(path) - 1] == '/'
            && memcmp(kit.call.url.data + kit.call.url.len - strlen(path),
                      path, strlen(path)) == 0)
        {
            a = kit_out.out[i];
            kit_out.n--;
            memmove(&kit_out.out[i], &kit_out.out[i + 1],
                    (kit_out.n - i) * sizeof(a));
            return a;
        }
    }

    return a;
}


/* The same, and it is still out. */
static void
peek(const char *path)
{
    kit_attempt_t  a;

    a = take(path);

    if (ok(a.item != 0, "%s is called", path)) {
        kit_out.out[kit_out.n++] = a;
    }
}


static void
answer_as(const char *path, unsigned status, const char *headers,
    const char *body)
{
    kit_attempt_t  a;

    a = take(path);

    if (ok(a.item != 0, "%s is called", path)) {
        kit_result(a, status, headers, body);
    }
}


static void
answer(const char *path, const char *body)
{
    answer_as(path, 200, "content-type: application/json\n", body);
}


/* How many calls are out, or could be. */
static size_t
out(void)
{
    kit_gather();
    kit_dispatch();
    kit_gather();

    return kit_out.n;
}


/* The run is over, with this status and output. */
static void
ended(const dur_ulid_t *event, const char *status, const char *output)
{
    json_t  *run;

    is_str(dur_str_c(kit_status(event)), status, "the run is %s", status);

    run = kit_run(event);
    ok(kit_is(json_object_get(run, "output"), output), "its output is %s",
       output);
    json_decref(run);
}


/* The message of the error that it failed with. */
static void
failed(const dur_ulid_t *event, const char *message)
{
    json_t      *run;
    const char  *text;

    is_str(dur_str_c(kit_status(event)), "Failed", "the run has failed");

    run = kit_run(event);
    text = json_string_value(json_object_get(json_object_get(run, "output"),
                                             "message"));
    is_str(dur_str_c(text ? text : ""), message, "with the message");
    json_decref(run);
}


/* -- runs ----------------------------------------------------------------- */

static void
test_sequence(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a;

    event = begin(T "step a " H "a\nstep b " H "b `body={'x': steps.a.n}`\n"
                  "return steps.b");

    is_int(out(), 1, "the event starts one call");
    a = take("a");
    is_str(dur_buf_str(&kit.call.method), "POST", "a step is a POST");
    is_str(dur_buf_str(&kit.call.url), H "a", "to its URL");
    ok(memmem(kit.call.headers.data, kit.call.headers.len,
              "Idempotency-Key: ", 17) != NULL
       && memmem(kit.call.headers.data, kit.call.headers.len, ":a\n", 3),
       "with an idempotency key of run and step");
    ok(kit_is(kit_get("step", NULL), "\"a\"")
       && kit_is(kit_get("attempt", NULL), "0")
       && kit_is(kit_get("steps", NULL), "{}")
       && kit_is(kit_get("event", "data"), "{\"x\":1}"),
       "and a body of event, steps, step and attempt");

    kit_result(a, 200, "", "{\"n\":5}");
    is_int(kit_calls(), 1, "the result leases the next call");

    a = take("b");
    ok(kit_is(kit.body, "{\"x\":5}"), "a body of its own sees the steps");
    kit_result(a, 200, "", " [1, 2] ");
    ended(&event, "Completed", "[1,2]");
    is_int(out(), 0, "and nothing is called any more");
}


static void
test_parallel(void)
{
    dur_ulid_t  event;

    event = begin(T "parallel {\nstep a " H "a\nstep b " H "b\n}\nstep c "
                  H "c\nreturn steps");

    is_int(out(), 2, "both steps are called at once");
    answer("b", "2");
    is_int(out(), 1, "one alone does not go on");
    answer("a", "1");
    answer("c", "3");
    ended(&event, "Completed", "{\"a\":1,\"b\":2,\"c\":3}");
}


static void
test_foreach(void)
{
    dur_ulid_t  event;

    event = begin(T "step list " H "list\nforeach p in=steps.list "
                  "concurrency=2 {\nstep s " H "s `body={'p': p, 'i': index}`"
                  "\n}\nreturn steps.s");

    answer("list", "[\"x\",\"y\",\"z\"]");
    is_int(out(), 2, "two rounds run at once");
    answer("s", "10");
    is_int(out(), 2, "one that is done makes room");
    answer("s", "11");
    peek("s");
    ok(kit_is(kit.body, "{\"p\":\"z\",\"i\":2}"), "the item and its index");
    answer("s", "12");
    ended(&event, "Completed", "[10,11,12]");
}


static void
test_sleep_until(void)
{
    int64_t     start;
    dur_ulid_t  event;

    event = begin(T "until steps.poll.done max=3 {\nstep poll " H "poll\n"
                  "sleep again 10s\n}\nreturn steps.poll");

    start = kit.now;
    answer("poll", "{}");
    is_int(out(), 0, "it sleeps");
    kit_timers();
    is_int(kit.now - start, 10000, "for ten seconds");
    answer("poll", "{\"done\":true}");
    kit_timers();
    ended(&event, "Completed", "{\"done\":true}");
}


static void
test_wait(void)
{
    dur_ulid_t  event;

    event = begin(T "wait_for_event w event=t/ok match=data.x timeout=1h\n"
                  "branch `if=steps.w == null` {\nfail late\n}\n"
                  "return steps.w.name");
    is_str(dur_str_c(kit_status(&event)), "Running", "the run waits");
    (void) kit_event("ok");
    ended(&event, "Completed", "\"t/ok\"");

    event = begin(T "wait_for_event w event=t/ok timeout=1h\n"
                  "branch `if=steps.w == null` {\nfail late\n}");
    kit_timers();
    failed(&event, "fail in x.conf:4: late");
}


static void
test_signal(void)
{
    dur_op_t    op;
    dur_ulid_t  event;

    event = begin(T "wait_for_signal w signal='yes' timeout=1h\n"
                  "return steps.w.data");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_SIGNAL;
    op.id = kit_ulid(99);
    op.url = dur_str("yes");
    op.body = dur_str("{\"n\":1}");
    kit_op(&op);

    ended(&event, "Completed", "{\"n\":1}");
}


static void
test_send(void)
{
    json_t      *list;
    dur_ulid_t   event;

    event = begin(T "send_event s event=t/done `data={'n': event.data.x}`\n"
                  "step a " H "a\nreturn steps.s.ids.size()");
    answer("a", "1");
    ended(&event, "Completed", "1");

    list = kit_events("t/done");
    is_int(json_array_size(list), 1, "the event is sent once");
    ok(kit_is(json_object_get(json_array_get(list, 0), "data"), "{\"n\":1}"),
       "with its data");
    json_decref(list);
}


/* A workflow that sends what starts it goes on, and harms nobody else. */
static void
test_send_itself(void)
{
    unsigned  i;

    (void) begin(T "send_event s event=t/go");

    for (i = 0; i < 20; i++) {
        kit_timers();
    }

    declare("trigger event=t/none\nstep a " H "a");
    for (i = 0; i < 5; i++) {
        kit_timers();
    }
    is_int(dur_engine_next_due(kit.engine), INT64_MAX, "it ends when the "
           "function is changed");
}


static void
test_batch(void)
{
    dur_ulid_t  event;

    event = begin("batch 2 timeout=1h\n" T "step a " H "a\n"
                  "return `[events.size(), events[1].name]`");
    (void) kit_event("go");
    peek("a");
    is_int(json_array_size(kit_get("events", NULL)), 2, "a batch is in the "
           "body of its steps");
    answer("a", "1");
    ended(&event, "Completed", "[2,\"t/go\"]");
}


static void
test_options(void)
{
    dur_ulid_t  event, other;

    event = begin(T "singleton skip\nconcurrency 1\n"
                  "timeouts finish=10s\nstep a " H "a\nsleep s 1h");
    other = kit_event("go");
    is_str(dur_str_c(kit_status(&other)), "Skipped", "a singleton");
    answer("a", "1");
    kit_timers();
    is_str(dur_str_c(kit_status(&event)), "Cancelled", "a timeout");

    event = begin(T "cancel_on event=t/stop match=data.x\nsleep s 1h");
    (void) kit_event("stop");
    is_str(dur_str_c(kit_status(&event)), "Cancelled", "cancel_on");

    event = begin(T "concurrency 1\nparallel {\nstep a " H "a\nstep b " H
                  "b\n}\nreturn 1");
    is_int(out(), 1, "concurrency is that of steps");
    answer("a", "1");
    answer("b", "1");
    ended(&event, "Completed", "1");
}


static void
test_invoke(void)
{
    dur_ulid_t  event;

    anew();
    is_int(declare_two(T "invoke i function=other `data={'q': 7}`\n"
                       "return steps.i", "step a " H "a `body=event.data.q`\n"
                       "return steps.a"), 200, "two functions");
    event = kit_event("go");
    kit_timers();

    peek("a");
    is_str(dur_buf_str(&kit.call.body), "7", "the child has the data");
    answer("a", "{\"z\":1}");
    ended(&event, "Completed", "{\"z\":1}");

    event = begin(T "invoke i function=nobody");
    kit_timers();
    failed(&event, "invoke i in x.conf:2: could not find function with ID: "
           "nobody");
}


/* -- answers -------------------------------------------------------------- */

typedef struct {
    const char  *title;
    const char  *options;
    unsigned     status;
    const char  *headers;
    const char  *body;
    bool         again;         /* it is tried again */
    const char  *message;       /* or the run fails; NULL: completes */
} answer_case_t;


static const answer_case_t  answers[] = {
    { "2xx is an output", "", 201, "", "1", false, NULL },
    { "an empty answer is null", "", 204, "", "", false, NULL },
    { "4xx is final", "", 404, "", "{\"error\":\"no\nsuch\"}", false,
      "step a in x.conf:3: the answer has the status 404: "
      "{\"error\":\"no such\"}" },
    { "408 is tried again", "", 408, "", "", true, NULL },
    { "429 is tried again", "", 429, "", "", true, NULL },
    { "500 is tried again", "", 500, "", "", true, NULL },
    { "3xx is final", "", 302, "", "", false,
      "step a in x.conf:3: the answer has the status 302" },
    { "what is no JSON is tried again", "", 200, "", "<html>", true, NULL },
    { "in the end it fails the run", " retries=0", 200, "", "<html>", false,
      "step a in x.conf:3: the answer is no JSON: invalid token near "
      "'<': <html>" },
    { "half a body is tried again", "", 200, "", "{\"a\":", true, NULL },
    { "an expected status is an output", " expect=2xx,404", 404, "", "1",
      false, NULL },
    { "others are not", " expect=200", 201, "", "1", false,
      "step a in x.conf:3: the answer has the status 201: 1" },
    { "a step has retries of its own", " retries=0", 503, "", "", false,
      "step a in x.conf:3: the answer has the status 503" },
};


static void
test_answers(void)
{
    char                 text[512];
    size_t               i;
    dur_ulid_t           event;
    const answer_case_t  *c;

    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        c = &answers[i];
        snprintf(text, sizeof(text), T "retries 3\nstep a " H "a%s",
                 c->options);
        event = begin(text);
        answer_as("a", c->status, c->headers, c->body);

        if (c->again) {
            is_str(dur_str_c(kit_status(&event)), "Running", "%s", c->title);
            kit_timers();
            answer("a", "1");
            ended(&event, "Completed", "null");

        } else if (c->message != NULL) {
            failed(&event, c->message);

        } else {
            is_str(dur_str_c(kit_status(&event)), "Completed", "%s",
                   c->title);
        }
    }
}


static void
test_retry_after(void)
{
    int64_t     now;
    dur_ulid_t  event;

    event = begin(T "step a " H "a");
    now = kit.now;
    answer_as("a", 503, "retry-after: 7\n", "");
    kit_timers();
    is_int(kit.now - now, 7000, "Retry-After is honoured");
    peek("a");
    ok(kit_is(kit_get("attempt", NULL), "1"), "the attempt is in the body");
    answer("a", "1");
    ended(&event, "Completed", "null");
}


static void
test_parked(void)
{
    unsigned       i;
    dur_ulid_t     event;
    kit_attempt_t  a;

    event = begin(T "retries 0\nstep a " H "a\nreturn steps.a");

    for (i = 0; i < 10; i++) {
        a = take("a");
        if (a.item == 0) {
            kit_timers();
            continue;
        }
        kit_result_error(a, DUR_CALL_ECONNECT);
    }

    is_str(dur_str_c(kit_status(&event)), "Running", "a target that is down "
           "ends no run");

    kit.now += 31000;
    answer("a", "1");
    ended(&event, "Completed", "1");
}


static void
test_cancel(void)
{
    dur_op_t    op;
    dur_ulid_t  event;

    event = begin(T "parallel {\nstep a " H "a\nstep b http://h:1/b\n"
                  "wait_for_event w event=t/x timeout=1h\nsleep z 1h\n}");
    is_int(out(), 2, "two calls to two targets");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    op.run = kit_run_id(&event);
    kit_op(&op);

    is_str(dur_str_c(kit_status(&event)), "Cancelled", "it is cancelled");
    ok(kit_effect(DUR_EFFECT_CANCEL, 1) != NULL, "both calls are cancelled");
    is_int(dur_engine_next_due(kit.engine), INT64_MAX, "no timer is left");
}


/* -- versions ------------------------------------------------------------- */

/* Rows of the table of definitions. */
static uint64_t
definitions(void)
{
    uint64_t    n;
    dur_txn_t  *t;

    if (dur_txn_begin(dur_engine_store(kit.engine), false, &t) != DUR_OK) {
        return UINT64_MAX;
    }

    n = dur_txn_count(t, DUR_T_DEFINITION);
    dur_txn_abort(t);

    return n;
}


static void
test_versions(void)
{
    dur_ulid_t  old, new;

    old = begin(T "step a " H "a\nstep b " H "b\nreturn 'old'");
    declare(T "step a " H "a2\nreturn 'new'");
    new = kit_event("go");

    is_int(definitions(), 4, "two definitions with a run each");
    answer("a", "1");
    answer("b", "1");
    ended(&old, "Completed", "\"old\"");
    is_int(definitions(), 2, "the old one goes with its last run");
    answer("a2", "1");
    ended(&new, "Completed", "\"new\"");

    new = kit_event("go");
    is_int(declare_two(NULL, NULL), 200, "the function is removed");
    old = kit_event("go");
    is_str(dur_str_c(kit_status(&old)), "none", "it starts nothing any more");
    answer("a2", "1");
    ended(&new, "Completed", "\"new\"");
    is_int(definitions(), 0, "nothing of it is left");
}


static void
test_reopen(void)
{
    dur_ulid_t  event;

    event = begin(T "step a " H "a\nsleep s 1h\nstep b " H "b\nreturn 7");
    answer("a", "1");
    kit_reopen();
    declare(T "step c " H "c");
    kit_timers();
    answer("b", "1");
    ended(&event, "Completed", "7");
}


static void
test_taken(void)
{
    dur_ulid_t  event;

    anew();
    ok(kit_register("x", 0), "an app registers app-x");
    ok(kit_app("two", KIT_FN("wf", KIT_ON("t/go"), "")), "another has wf");
    is_int(declare_two(T "step a " H "a", NULL), 200, "the op is taken");
    event = kit_event("go");
    ok(take("a").item == 0, "but the app keeps its function");
    ok(event.b[0] != 0, "and gets the event");

    is_int(declare_two("step a ftp://x", NULL), 400, "what is wrong is "
           "refused");
}


static void
test_rerun(void)
{
    char        body[128];
    dur_op_t    op;
    dur_ulid_t  event;

    event = begin(T "step a " H "a\nstep b " H "b\nreturn steps");
    answer("a", "1");
    answer_as("b", 400, "", "");
    is_str(dur_str_c(kit_status(&event)), "Failed", "the run has failed");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_RERUN;
    op.id = kit_ulid(77);
    op.run = kit_run_id(&event);
    snprintf(body, sizeof(body), "{\"stepID\":\"b\"}");
    op.body = dur_str_c(body);
    kit_op(&op);
    is_int(kit.reply.status, 200, "it is run again from a step on");

    ok(take("a").item == 0, "what was before is kept");
    answer("b", "2");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_sequence();
    test_parallel();
    test_foreach();
    test_sleep_until();
    test_wait();
    test_signal();
    test_send();
    test_send_itself();
    test_batch();
    test_options();
    test_invoke();
    test_answers();
    test_retry_after();
    test_parked();
    test_cancel();
    test_versions();
    test_reopen();
    test_taken();
    test_rerun();

    return kit_done();
}
