/* SPDX-License-Identifier: BSD-2-Clause */

#include "fuzz.h"
#include "engine/dur_plan.h"
#include "engine/dur_plan_call.h"

FUZZ_TARGET("definitions and plans of workflows")

#define STEPS  200              /* of a run that is played */

#define D(body)        "{\"name\":\"f\",\"file\":\"c\",\"line\":1,\"body\":[" \
                       body "]}"
#define W(words)       "{\"l\":2,\"w\":[" words "]}"
#define B(words, body) "{\"l\":3,\"w\":[" words "],\"b\":[" body "]}"
#define STEP(name)     W("\"step\",\"" name "\",\"http://h/x\"")

/* a definition; up to a zero byte; then how its steps end */

const dur_str_t  fuzz_seeds[] = {
    dur_str(D(STEP("a") "," W("\"step\",\"b\",\"http://h/\",\"body=steps.a\","
            "\"header=X: env:Y\",\"expect=2xx,404\",\"retries=2\"") ","
            W("\"return\",\"steps\"")) "\0\1\2\3"),
    dur_str(D(B("\"parallel\"", STEP("a") "," STEP("b")) ","
            B("\"branch\",\"if=steps.a == null\"", W("\"fail\",\"x\"")))
            "\0\4\5"),
    dur_str(D(STEP("l") "," B("\"foreach\",\"p\",\"in=steps.l\","
            "\"concurrency=3\"", B("\"foreach\",\"q\",\"in=[p, index]\"",
            STEP("s") "," W("\"send_event\",\"e\",\"event=x\","
            "\"data={'a': steps.s}\""))) "," W("\"return\",\"steps.s\""))
            "\0\3\1\2\4"),
    dur_str(D(B("\"until\",\"steps.p.done\",\"max=5\"", STEP("p") ","
            W("\"sleep\",\"z\",\"1s\"")) "," W("\"wait_for_event\",\"w\","
            "\"event=a\",\"match=data.x\",\"equals=steps.p\","
            "\"timeout=1s\"") "," W("\"wait_for_signal\",\"g\","
            "\"signal=run_id\",\"timeout=1h\"") "," W("\"invoke\",\"i\","
            "\"function=f\",\"data=event.data\"")) "\0\6\1\5"),
    dur_str(D(W("\"trigger\",\"event=a\",\"if=true\"") ","
            W("\"retries\",\"3\"") "," W("\"throttle\",\"5\",\"period=1m\"")
            "," W("\"concurrency\",\"5\",\"key=event.data.u\"") ","
            W("\"sleep_until\",\"u\",\"steps\"") "," STEP("a")) "\0\1"),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("\"b\":["), dur_str("\"w\":["), dur_str("\"in=steps.a\""),
    dur_str("\"if=steps['a'][0]\""), dur_str("\"until\""),
    dur_str("\"max=10000\""), dur_str("\"concurrency=64\""),
    dur_str("steps.s[0]"), dur_str("exec:/x"), dur_str("index"),
    dur_str("\"timeout=366d\""), dur_str("\"rate_limit\""),
    dur_str_null
};


typedef struct {
    dur_hash_t  id;
    unsigned    how;
} memo_t;

typedef struct {
    unsigned         n;
    memo_t           memos[STEPS];
    const uint8_t   *ends;
    size_t           nends;
} run_t;


/* the input, for fuzz_check() */
static const uint8_t  *data;
static size_t          len;


static const char *const  outputs[] = {
    "null", "true", "[1,2,3]", "{\"done\":true,\"a\":[{}]}", "\"x\"", "0",
    "{\"a\":1e300}", "[[],[1]]"
};


static memo_t *
memo_of(run_t *run, const dur_plan_at_t *at)
{
    unsigned    i;
    dur_hash_t  id;

    dur_plan_id(at, &id);

    for (i = 0; i < run->n; i++) {
        if (memcmp(&run->memos[i].id, &id, sizeof(id)) == 0) {
            return &run->memos[i];
        }
    }

    return NULL;
}


static dur_plan_state_t
state(void *run, const dur_plan_at_t *at)
{
    memo_t  *memo;

    memo = memo_of(run, at);

    return memo == NULL ? DUR_PLAN_NEW
           : memo->how % 16 == 15 ? DUR_PLAN_OPEN
           : memo->how % 16 == 14 ? DUR_PLAN_FAILED : DUR_PLAN_DONE;
}


static dur_rc_t
output(void *run, const dur_plan_at_t *at, dur_str_t *json)
{
    memo_t  *memo;

    memo = memo_of(run, at);
    fuzz_check(memo != NULL);
    *json = dur_str_c(outputs[memo->how % 8]);

    return DUR_OK;
}


static dur_rc_t
event(void *run, dur_str_t *one, dur_str_t *all)
{
    (void) run;
    *one = dur_str("{\"data\":{\"list\":[1,2]},\"name\":\"a\",\"ts\":1}");
    *all = dur_str_null;

    return DUR_OK;
}


/* The name of a step leads to it, and its request can be made or not. */
static void
look(const dur_plan_def_t *def, const dur_plan_memo_t *memo,
    const dur_plan_op_t *op, dur_arena_t *arena)
{
    char                 err[256];
    dur_buf_t            b[4];
    dur_plan_at_t        at;
    dur_gateway_call_t   call = { &b[0], &b[1], &b[2], &b[3] };

    fuzz_check(dur_plan_find(def, op->name, &at));
    fuzz_check(at.node == op->at.node);

    if (op->at.node->kind != DUR_PLAN_STEP) {
        return;
    }

    for (int i = 0; i < 4; i++) {
        dur_buf_init(&b[i], 1 << 20);
    }

    if (dur_plan_request(def, &at, memo, NULL, &call, arena, err) != DUR_OK) {
        fuzz_check(err[0] != '\0');
    }

    for (int i = 0; i < 4; i++) {
        dur_buf_deinit(&b[i]);
    }
}


/* Every step of a plan ends as the bytes say; none is begun twice. */
static void
play(const dur_plan_def_t *def, run_t *run, dur_arena_t *arena)
{
    size_t            i;
    dur_rc_t          rc;
    dur_plan_t        plan, again;
    dur_plan_memo_t   memo;

    memset(&memo, 0, sizeof(memo));
    memo.data = run;
    memo.state = state;
    memo.output = output;
    memo.event = event;
    memo.run_id = dur_str("01RUN");
    memo.now_ms = 1700000000000;

    while (run->n < STEPS) {
        rc = dur_plan_next(def, &memo, 8, arena, &plan);
        fuzz_check(rc == DUR_OK);
        rc = dur_plan_next(def, &memo, 8, arena, &again);
        fuzz_check(rc == DUR_OK && again.nops == plan.nops
                   && again.end == plan.end);

        if (plan.nops == 0) {
            fuzz_check(plan.end == DUR_PLAN_GOES_ON || plan.output.len > 0);
            return;
        }

        fuzz_check(plan.nops <= 8);

        for (i = 0; i < plan.nops && run->n < STEPS; i++) {
            fuzz_check(memo_of(run, &plan.ops[i].at) == NULL);
            look(def, &memo, &plan.ops[i], arena);

            run->memos[run->n].id = plan.ops[i].id;
            run->memos[run->n].how = run->nends
                                     ? run->ends[run->n % run->nends] : 0;
            run->n++;
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    run_t              run;
    size_t             n;
    dur_rc_t           rc;
    dur_arena_t        arena;
    const uint8_t     *zero;
    dur_plan_def_t    *def;
    dur_plan_error_t   err;

    data = bytes;
    len = size;
    zero = len ? memchr(data, 0, len) : NULL;
    n = zero ? (size_t) (zero - data) : len;

    rc = dur_plan_load(dur_str_make(data, n), &def, &err);

    if (rc != DUR_OK) {
        fuzz_check(rc == DUR_EINVAL && err.text[0] != '\0');
        return 0;
    }

    run.n = 0;
    run.ends = data + n + (n < len);
    run.nends = len - n - (n < len);

    dur_arena_init(&arena);
    play(def, &run, &arena);
    dur_arena_deinit(&arena);
    dur_plan_free(def);

    return 0;
}
