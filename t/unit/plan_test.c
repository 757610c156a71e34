/* SPDX-License-Identifier: BSD-2-Clause */

/* Workflows as pure functions: what a definition may say, what is wrong with
 * one, and what comes next for given memos. */

#include "engine/dur_plan.h"
#include "engine/dur_json.h"

#include "plan_kit.h"
#include "tap.h"

#define NOW    1790000000000LL
#define EVENT  "{\"data\":{\"id\":7,\"pages\":[\"a\",\"b\",\"c\"]},"          \
               "\"name\":\"go\",\"ts\":1}"


static dur_arena_t  arena;


static dur_plan_def_t *
load(const char *text)
{
    char              *json;
    dur_plan_def_t    *def;
    dur_plan_error_t   err;

    json = plan_json("wf", text);

    if (dur_plan_load(dur_str_c(json), &def, &err) != DUR_OK) {
        ok(false, "the definition is read: %s in %s:%u", err.text, err.file,
           err.line);
    }

    free(json);

    return def;
}


/* -- memos ---------------------------------------------------------------- */

/* {"name": {"d": output} | {"e": error} | "open"} */
static dur_plan_state_t
state(void *data, const dur_plan_at_t *at)
{
    json_t     *memo;
    dur_str_t   name;

    name = dur_plan_name(at, &arena);
    memo = json_object_get(data, (const char *) name.data);

    return memo == NULL ? DUR_PLAN_NEW
           : json_is_string(memo) ? DUR_PLAN_OPEN
           : json_object_get(memo, "d") ? DUR_PLAN_DONE : DUR_PLAN_FAILED;
}


static dur_rc_t
output(void *data, const dur_plan_at_t *at, dur_str_t *json)
{
    char       *text;
    json_t     *memo, *value;
    dur_str_t   name;

    name = dur_plan_name(at, &arena);
    memo = json_object_get(data, (const char *) name.data);
    value = json_object_get(memo, "d");
    text = json_dumps(value ? value : json_object_get(memo, "e"),
                      JSON_ENCODE_ANY | JSON_COMPACT);
    *json = dur_arena_copy(&arena, dur_str_c(text));
    free(text);

    return DUR_OK;
}


static dur_rc_t
event(void *data, dur_str_t *one, dur_str_t *all)
{
    (void) data;
    *one = dur_str(EVENT);
    *all = dur_str_null;

    return DUR_OK;
}


static void
op_text(dur_buf_t *b, const dur_plan_op_t *op)
{
    static const char *const  kinds[] = {
        "", "step", "sleep", "sleep", "wait", "signal", "send", "invoke"
    };

    dur_buf_addf(b, "%s%s %.*s", b->len ? "; " : "",
                 kinds[op->at.node->kind], (int) op->name.len,
                 (const char *) op->name.data);

    if (op->at.node->kind >= DUR_PLAN_WAIT_EVENT && op->target.len) {
        dur_buf_addf(b, " %.*s", (int) op->target.len,
                     (const char *) op->target.data);
    }

    if (op->expression.len) {
        dur_buf_addf(b, " if %.*s", (int) op->expression.len,
                     (const char *) op->expression.data);
    }

    if (op->data.len) {
        dur_buf_addf(b, " %.*s", (int) op->data.len,
                     (const char *) op->data.data);
    }

    if (op->at.node->kind >= DUR_PLAN_SLEEP
        && op->at.node->kind <= DUR_PLAN_WAIT_SIGNAL)
    {
        dur_buf_addf(b, " +%lld", (long long) (op->due - NOW));
    }
}


/* What comes next, in words. */
static void
plan(const dur_plan_def_t *def, const char *memos, unsigned budget,
    dur_buf_t *b)
{
    size_t            i;
    json_t           *root;
    dur_plan_t        next;
    dur_plan_memo_t   memo;

    dur_buf_reset(b);
    root = json_loads(memos, 0, NULL);

    memset(&memo, 0, sizeof(memo));
    memo.data = root;
    memo.state = state;
    memo.output = output;
    memo.event = event;
    memo.run_id = dur_str("01RUN");
    memo.now_ms = NOW;

    is_int(dur_plan_next(def, &memo, budget, &arena, &next), DUR_OK,
           "the plan is made");

    for (i = 0; i < next.nops; i++) {
        op_text(b, &next.ops[i]);
    }

    if (next.again) {
        dur_buf_addz(b, b->len ? "; again" : "again");
    }

    if (next.end == DUR_PLAN_COMPLETED) {
        dur_buf_addz(b, "completed ");
        dur_buf_adds(b, next.output);

    } else if (next.end == DUR_PLAN_ENDED) {
        dur_buf_addz(b, "failed ");
        dur_buf_adds(b, next.message);
    }

    dur_buf_addc(b, '\0');
    json_decref(root);
    dur_arena_reset(&arena);
}


#define U  "http://127.0.0.1:1/x"

typedef struct {
    const char  *title;
    const char  *text;
    const char  *memos;
    const char  *want;
} plan_case_t;


static const plan_case_t  cases[] = {
    { "the first step comes first", "step a " U "\nstep b " U, "{}",
      "step a" },
    { "the second waits for the first", "step a " U "\nstep b " U,
      "{\"a\":\"open\"}", "" },
    { "the second comes after the first", "step a " U "\nstep b " U,
      "{\"a\":{\"d\":1}}", "step b" },
    { "without return the output is null", "step a " U,
      "{\"a\":{\"d\":1}}", "completed null" },
    { "return gives the output", "step a " U "\nreturn `{'x': steps.a.y}`",
      "{\"a\":{\"d\":{\"y\":[1,2]}}}", "completed {\"x\":[1,2]}" },
    { "return of a text is JSON", "step a " U "\nreturn steps.a",
      "{\"a\":{\"d\":\"q\\\"\"}}", "completed \"q\\\"\"" },
    { "a step that did not run is null",
      "branch if=false {\nstep a " U "\n}\nreturn steps.a", "{}",
      "completed null" },
    { "in a map it is null, too",
      "branch if=false {\nstep a " U "\n}\nreturn `{'a': steps.a}`", "{}",
      "completed {\"a\":null}" },
    { "a failed step fails the run with its place",
      "step a " U, "{\"a\":{\"e\":{\"message\":\"no\"}}}",
      "failed step a in x.conf:1: no" },
    { "parallel steps begin together",
      "parallel {\nstep a " U "\nstep b " U "\n}\nstep c " U, "{}",
      "step a; step b" },
    { "parallel ends with the last of them",
      "parallel {\nstep a " U "\nstep b " U "\n}\nstep c " U,
      "{\"b\":{\"d\":1},\"a\":\"open\"}", "" },
    { "after parallel it goes on",
      "parallel {\nstep a " U "\nstep b " U "\n}\nstep c " U,
      "{\"b\":{\"d\":1},\"a\":{\"d\":1}}", "step c" },
    { "a lane of parallel may have several steps",
      "parallel {\nstep a " U "\nbranch {\nstep b " U "\nstep c " U
      "\n}\n}", "{\"b\":{\"d\":1},\"a\":{\"d\":1}}", "step c" },
    { "a branch is taken when its condition is true",
      "branch `if=event.data.id == 7` {\nstep a " U "\n}\nstep b " U, "{}",
      "step a" },
    { "a branch is passed when its condition is false",
      "branch `if=event.data.id == 8` {\nstep a " U "\n}\nstep b " U, "{}",
      "step b" },
    { "a branch is passed when its condition looks at what is missing",
      "branch if=event.data.nothing {\nstep a " U "\n}\nstep b " U, "{}",
      "step b" },
    { "a branch that was begun is not asked again",
      "branch `if=event.data.id == 8` {\nstep a " U "\nstep c " U
      "\n}\nstep b " U, "{\"a\":{\"d\":1}}", "step c" },
    { "what was passed is not asked again, either",
      "branch `if=event.data.id == 7` {\nstep a " U "\n}\nstep b " U,
      "{\"b\":\"open\"}", "" },
    { "a condition that is a text fails the run",
      "branch `if='yes'` {\nstep a " U "\n}", "{}",
      "failed branch in x.conf:1: the condition is neither true nor false" },
    { "an expression error names directive and line",
      "step a " U "\nreturn 1/steps.a", "{\"a\":{\"d\":\"x\"}}",
      "failed return in x.conf:2: operands of types that do not go "
      "together, at column 2" },
    { "fail ends the run", "fail `not approved`", "{}",
      "failed fail in x.conf:1: not approved" },
    { "a sleep has a time", "sleep s 5m", "{}", "sleep s +300000" },
    { "sleep_until has an instant",
      "sleep_until s `'2026-09-21T14:13:25Z'`", "{}", "sleep s +5000" },
    { "sleep_until of what is no instant fails the run",
      "sleep_until s `'soon'`", "{}", "failed sleep_until s in x.conf:1: its "
      "value is no instant, such as '2030-01-31T12:00:00Z' or "
      "milliseconds" },
    { "a wait has its event, match and timeout",
      "wait_for_event w event=x/y match=data.id timeout=1h", "{}",
      "wait w x/y if event.data.id == async.data.id +3600000" },
    { "a wait may match the output of a step",
      "step a " U "\nwait_for_event w event=x match=data.id equals=steps.a.id"
      " timeout=1s", "{\"a\":{\"d\":{\"id\":\"q\\\"\"}}}",
      "wait w x if async.data.id == \"q\\\"\" +1000" },
    { "a wait for a signal", "wait_for_signal w `signal='s-' + run_id`"
      " timeout=1s", "{}", "signal w s-01RUN +1000" },
    { "an event is sent and the run goes on",
      "send_event e event=done `data={'id': event.data.id}`\nstep a " U,
      "{}", "send e done {\"id\":7}; again" },
    { "data that is no object fails the run",
      "send_event e event=done data=event.data.id", "{}",
      "failed send_event e in x.conf:1: the value of \"data\" is no object" },
    { "a function is invoked", "invoke i function=f", "{}",
      "invoke i f {}" },
    { "foreach begins one round", "foreach p in=event.data.pages {\nstep s " U
      "\n}", "{}", "step s[0]" },
    { "foreach begins as many rounds as it may",
      "foreach p in=event.data.pages concurrency=2 {\nstep s " U "\n}", "{}",
      "step s[0]; step s[1]" },
    { "a round that is over makes room for the next",
      "foreach p in=event.data.pages concurrency=2 {\nstep s " U "\n}",
      "{\"s[1]\":{\"d\":1},\"s[0]\":\"open\"}", "step s[2]" },
    { "after the last round it goes on",
      "foreach p in=event.data.pages concurrency=2 {\nstep s " U "\n}\n"
      "return steps.s",
      "{\"s[1]\":{\"d\":1},\"s[0]\":{\"d\":0},\"s[2]\":{\"d\":2}}",
      "completed [0,1,2]" },
    { "in a round the item and the index are known",
      "foreach p in=event.data.pages {\nsend_event s event=x `data={'p': p, "
      "'i': index}`\n}", "{\"s[0]\":{\"d\":0}}",
      "send s[1] x {\"p\":\"b\",\"i\":1}; again" },
    { "in a round a step is that of the round",
      "foreach p in=event.data.pages {\nstep a " U "\nsend_event s event=x "
      "`data={'a': steps.a}`\n}", "{\"a[0]\":{\"d\":9}}",
      "send s[0] x {\"a\":9}; again" },
    { "foreach over nothing does nothing",
      "foreach p in=[] {\nstep s " U "\n}\nreturn steps.s", "{}",
      "completed []" },
    { "foreach over what is no list fails the run",
      "foreach p in=event.data.id {\nstep s " U "\n}", "{}",
      "failed foreach p in x.conf:1: the value of \"in\" is no list" },
    { "loops in loops",
      "foreach p in=event.data.pages {\nforeach q in=[1,2] concurrency=2 {\n"
      "step s " U "\n}\n}", "{\"s[0][0]\":{\"d\":1},\"s[0][1]\":{\"d\":2}}",
      "step s[1][0]; step s[1][1]" },
    { "outside of both loops a step is a list of lists",
      "foreach p in=[1,2] {\nforeach q in=[1] {\nstep s " U
      "\n}\n}\nreturn steps.s",
      "{\"s[0][0]\":{\"d\":1},\"s[1][0]\":{\"d\":2}}",
      "completed [[1],[2]]" },
    { "until does its block once before it asks",
      "until steps.a.done max=3 {\nstep a " U "\n}", "{}", "step a[0]" },
    { "until goes on while the condition is not true",
      "until steps.a.done max=3 {\nstep a " U "\nsleep z 1s\n}",
      "{\"a[0]\":{\"d\":{}},\"z[0]\":{\"d\":null}}", "step a[1]" },
    { "until ends when the condition is true",
      "until steps.a.done max=3 {\nstep a " U "\n}\nreturn steps.a.n",
      "{\"a[0]\":{\"d\":{}},\"a[1]\":{\"d\":{\"done\":true,\"n\":5}}}",
      "completed 5" },
    { "until past max fails the run",
      "until steps.a.done max=2 {\nstep a " U "\n}",
      "{\"a[0]\":{\"d\":{}},\"a[1]\":{\"d\":{}}}",
      "failed until in x.conf:1: the condition is not true after 2 rounds" },
    { "return in a branch ends the run",
      "branch if=true {\nreturn 1\n}\nstep a " U, "{}", "completed 1" },
    { "all steps can be had at once",
      "step a " U "\nstep b " U "\nreturn steps",
      "{\"a\":{\"d\":1},\"b\":{\"d\":{\"x\":2}}}",
      "completed {\"a\":1,\"b\":{\"x\":2}}" },
};


static void
test_plans(void)
{
    size_t           i;
    dur_buf_t        b;
    dur_plan_def_t  *def;

    dur_buf_init(&b, 1 << 20);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        def = load(cases[i].text);

        if (def != NULL) {
            plan(def, cases[i].memos, 64, &b);
            is_str(dur_str_c((char *) b.data), cases[i].want, "%s",
                   cases[i].title);
        }

        dur_plan_free(def);
    }

    dur_buf_deinit(&b);
}


/* -- what is wrong -------------------------------------------------------- */

typedef struct {
    const char  *text;
    const char  *err;
    unsigned     line;
} wrong_case_t;


static const wrong_case_t  wrongs[] = {
    { "", "the function does nothing: it has no step", 0 },
    { "stop a " U, "unknown directive \"stop\"", 1 },
    { "step a", "\"step\" needs 2 words", 1 },
    { "step a ftp://x/", "\"ftp://x/\" is no http: or https: URL", 1 },
    { "step a/b " U, "\"a/b\" is no name: it has letters, digits, \"_\", "
      "\"-\" and \".\", and at most 100 of them", 1 },
    { "step a " U "\nstep a " U, "the name \"a\" is taken, in line 1", 2 },
    { "step a " U " speed=1", "unknown word \"speed=1\": \"step\" knows the "
      "options timeout retries method body header* expect idempotency", 1 },
    { "step a " U " timeout=1s timeout=2s", "\"timeout=\" is there twice",
      1 },
    { "step a " U " timeout=long", "timeout \"long\" is no duration from 1ms "
      "to 366 days, such as 30s, 5m or 24h", 1 },
    { "step a " U " retries=21", "retries \"21\" is no number from 0 to 20",
      1 },
    { "step a " U " method=BREW", "method \"BREW\" is none of POST, GET, "
      "PUT, PATCH, DELETE and HEAD", 1 },
    { "step a " U " expect=2xx,999", "expect \"999\" is no number from 100 "
      "to 599", 1 },
    { "step a " U " header=x", "header \"\" is not \"Name: value\"", 1 },
    { "step a " U " body={", "the expression of body cannot be read: "
      "unexpected end, at column 2", 1 },
    { "step a " U " body=steps.b", "there is no step \"b\"", 1 },
    { "step a " U " body=steps.b\nstep b " U, "the step \"b\" comes later, "
      "in line 2", 1 },
    { "step a " U " body=page", "the expression of body cannot be read: "
      "unknown name \"page\", at column 1", 1 },
    { "step a exec:bin", "\"exec:\" needs an absolute path", 1 },
    { "step a exec:/bin/x method=GET", "a program has no method, headers, "
      "statuses or idempotency header", 1 },
    { "sleep s", "\"sleep\" needs 2 words", 1 },
    { "sleep s 400d", "the time \"400d\" is no duration from 0ms to 366 "
      "days, such as 30s, 5m or 24h", 1 },
    { "wait_for_event w event=x", "how long it waits is missing: "
      "\"timeout=24h\"", 1 },
    { "wait_for_event w timeout=1s", "the name of an event is missing: "
      "\"event=\"", 1 },
    { "wait_for_event w event=x timeout=1s match=data..x", "match cannot be "
      "read: unexpected \".\", at column 12", 1 },
    { "wait_for_event w event=x timeout=1s match=a if=true",
      "\"if=\" and \"match=\" exclude each other", 1 },
    { "wait_for_signal w timeout=1s", "the signal is missing: "
      "\"signal='name-' + run_id\"", 1 },
    { "send_event e event=inngest/x", "events \"inngest/\" are the server's "
      "own", 1 },
    { "invoke i", "the function is missing: \"function=\"", 1 },
    { "branch if=true", "\"branch\" needs a block", 1 },
    { "branch if=true {\n}", "the block of \"branch\" is empty", 1 },
    { "step a " U " {\n}", "\"step\" has no block", 1 },
    { "foreach p {\nstep a " U "\n}", "the list is missing: \"in=\"", 1 },
    { "foreach index in=[] {\nstep a " U "\n}", "\"index\" is a word of "
      "expressions and no name of an item", 1 },
    { "foreach p in=[] concurrency=65 {\nstep a " U "\n}", "concurrency "
      "\"65\" is no number from 1 to 64", 1 },
    { "until true {\nstep a " U "\n}", "how many rounds it has at most is "
      "missing: \"max=\"", 1 },
    { "branch {\nretries 3\n}", "\"retries\" is about the whole function: it "
      "stands in no other block", 2 },
    { "retries many\nstep a " U, "steps.retries.attempts must be a whole "
      "number", 1 },
    { "retries 1\nretries 2\nstep a " U, "\"retries\" is there twice", 2 },
    { "trigger name=x\nstep a " U, "unknown word \"name=x\": \"trigger\" "
      "knows the options event if cron jitter", 1 },
    { "trigger if=true\nstep a " U, "each of triggers must have either an "
      "event or a cron", 1 },
    { "throttle 5\nstep a " U, "", 1 },
    { "batch 1 timeout=1s\nstep a " U, "", 1 },
    { "singleton never\nstep a " U, "", 1 },
};


static void
test_wrong(void)
{
    char              *json;
    size_t             i;
    dur_plan_def_t    *def;
    dur_plan_error_t   err;

    for (i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        json = plan_json("wf", wrongs[i].text);

        is_int(dur_plan_load(dur_str_c(json), &def, &err), DUR_EINVAL,
               "refused: %s", wrongs[i].text);

        if (wrongs[i].err[0] != '\0') {
            is_str(dur_str_c(err.text), wrongs[i].err, "with the sentence: %s",
                   wrongs[i].err);
        } else {
            ok(err.text[0] != '\0', "with a sentence: %s", err.text);
        }

        is_int(err.line, wrongs[i].line, "and the line");

        dur_plan_free(def);
        free(json);
    }
}


int
main(void)
{
    dur_arena_init(&arena);

    test_plans();
    test_wrong();

    dur_arena_deinit(&arena);

    return done_testing();
}
