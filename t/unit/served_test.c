/* SPDX-License-Identifier: BSD-2-Clause */

/* Steps that are executed for the runs of another server: once, whoever asks
 * how often, and whatever ends in between. */

#include "kit.h"

#include "engine/dur_served.h"
#include "engine/dur_served_app.h"
#include "engine/dur_served_call.h"
#include "engine/dur_sign.h"

#define TARGET  "http://127.0.0.1:5000/a"
#define HOUR    ((int64_t) 3600 * 1000)


/* -- a kit ---------------------------------------------------------------- */

static dur_hash_t  step = { { 1, 2, 3 } };


static unsigned
ask_with(const dur_ulid_t *run, uint64_t call, uint8_t auth, dur_str_t body)
{
    dur_op_t              op;
    dur_buf_t             b;
    dur_served_request_t  request;

    memset(&request, 0, sizeof(request));
    request.auth = auth;
    request.timeout = 30000;
    request.app = dur_str("shop");
    request.method = dur_str("PUT");
    request.url = dur_str(TARGET);
    request.headers = dur_str("x-a: b\n");
    request.body = body;

    dur_buf_init(&b, 1 << 20);
    dur_served_encode(&request, &b);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_SERVED;
    op.id = kit_ulid(kit.entropy);
    op.run = *run;
    op.item = call;
    op.url = dur_str_make(step.b, DUR_HASH_LEN);
    op.body = dur_buf_str(&b);
    kit_op(&op);

    dur_buf_deinit(&b);

    return kit.reply.status;
}


static unsigned
ask(const dur_ulid_t *run, uint64_t call)
{
    return ask_with(run, call, DUR_SERVED_NO_KEY, dur_str("hello"));
}


/* What became of it, with its result as text; 0 when it is not known. */
static unsigned
state(const dur_ulid_t *run, const char **text)
{
    dur_rc_t           rc;
    dur_served_t       s;
    static dur_buf_t   b;

    if (b.max == 0) {
        dur_buf_init(&b, 1 << 20);
    }

    dur_buf_reset(&b);
    rc = dur_served_find(dur_engine_store(kit.engine), run, &step, &s, &b);
    dur_buf_addc(&b, '\0');
    *text = (const char *) b.data;

    return rc == DUR_OK ? s.state : 0;
}


static unsigned
state_of(const dur_ulid_t *run)
{
    const char  *text;

    return state(run, &text);
}


/* The one call there is. */
static kit_attempt_t
leased(const char *what)
{
    kit_attempt_t  none = { 0, 0 };

    if (!ok(kit_dispatch() == 1, "%s", what)) {
        return none;
    }

    return kit_attempt(0);
}


static dur_ulid_t
begin(void)
{
    dur_ulid_t  run;

    kit_fresh();
    run = kit_ulid(77);
    is_int(ask(&run, 1), 202, "a step is executed");

    return run;
}


/* -- what is executed ----------------------------------------------------- */

static void
test_once(void)
{
    dur_ulid_t     run;
    const char    *text;
    kit_attempt_t  a;

    run = begin();
    a = leased("it goes out");

    is_int(kit_build(a), DUR_OK, "its request is built");
    ok(dur_str_eq(dur_buf_str(&kit.call.method), dur_str("PUT"))
       && dur_str_eq(dur_buf_str(&kit.call.url), dur_str(TARGET))
       && dur_str_eq(dur_buf_str(&kit.call.headers), dur_str("x-a: b\n"))
       && dur_str_eq(dur_buf_str(&kit.call.body), dur_str("hello")),
       "as it was asked for");
    is_int(kit.call.timeout_ms, 30000, "with its time");

    is_int(ask(&run, 1), 202, "the same call waits for it");
    is_int(ask(&run, 2), 202, "another one, too");
    is_int(kit_dispatch(), 0, "it does not go out again");
    is_int(state_of(&run), DUR_SERVED_RUNNING, "it runs");

    kit_result(a, 200, "content-type: a\n", "thanks");
    ok(kit_effect(DUR_EFFECT_ACK, 0) != NULL, "the result is settled");
    is_int(state(&run, &text), DUR_SERVED_DONE, "it is done");
    ok(strstr(text, "\"body\":\"thanks\"") != NULL, "with the answer");

    is_int(ask(&run, 1), 200, "a call that comes again is told");
    is_int(ask(&run, 9), 200, "whichever attempt it is");
    is_int(kit_dispatch(), 0, "nothing is executed");

    kit_result(a, 500, "", "late");
    is_int(state_of(&run), DUR_SERVED_DONE, "a late result changes nothing");
}


static void
test_failed(void)
{
    dur_ulid_t     run;
    const char    *text;
    kit_attempt_t  a;

    run = begin();
    a = leased("it goes out");
    kit_result(a, 503, "retry-after: 60\n", "busy");

    is_int(state(&run, &text), DUR_SERVED_FAILED, "it failed");
    ok(strstr(text, "HTTP 503") != NULL, "with a message");

    is_int(ask(&run, 1), 200, "the same attempt is told");
    is_int(kit_dispatch(), 0, "and not executed again");

    is_int(ask(&run, 2), 202, "the next one is executed");
    a = leased("anew");
    is_int(kit_build(a), DUR_OK, "its request is there");
    kit_result_error(a, DUR_CALL_ECONNECT);
    is_int(state_of(&run), DUR_SERVED_FAILED, "nobody there is a failure");

    is_int(ask_with(&run, 3, DUR_SERVED_NO_KEY, dur_str("other")), 202,
           "one may ask for something else");
    a = leased("which goes out");
    kit_build(a);
    ok(dur_str_eq(dur_buf_str(&kit.call.body), dur_str("other")),
       "as it was asked for");

    kit_result(a, 404, "", "");
    is_int(state_of(&run), DUR_SERVED_FINAL, "some failures are final");
    is_int(ask(&run, 4), 200, "and are not tried again");
    is_int(kit_dispatch(), 0, "by any attempt");
}


/* A target of many that is away must not hold up the others. */
static void
test_never_parked(void)
{
    unsigned       i;
    dur_ulid_t     run;
    kit_attempt_t  a;

    kit_fresh();

    for (i = 0; i < 8; i++) {
        run = kit_ulid(100 + i);
        ask(&run, 1);
        a = leased("it goes out at once");
        kit_result_error(a, DUR_CALL_ECONNECT);
    }
}


/* -- what ends in between ------------------------------------------------- */

static void
inventory(uint8_t instance)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_INVENTORY;
    memset(op.instance, instance, sizeof(op.instance));
    kit_op(&op);
}


static void
test_lost(void)
{
    unsigned       i;
    dur_ulid_t     run;
    const char    *text;
    kit_attempt_t  a, b;

    run = begin();
    inventory(1);
    a = leased("it goes out");

    kit_reopen();
    inventory(1);
    b = kit_attempt(0);
    ok(b.item == a.item && b.generation == a.generation,
       "a leader that never sent it lets the next one send the same");

    for (i = 2; i < 4; i++) {
        inventory((uint8_t) i);
        a = leased("an executor that was lost: it goes out again");
    }

    inventory(4);
    is_int(kit_dispatch(), 0, "but not for ever");
    is_int(state(&run, &text), DUR_SERVED_FAILED, "the attempt failed");
    ok(strstr(text, "three times") != NULL, "and says why");

    is_int(ask(&run, 2), 202, "another one is executed");
    a = leased("anew");
    kit_result_error(a, DUR_CALL_ECANCELLED);
    is_int(state_of(&run), DUR_SERVED_RUNNING, "one that is given back");
    a = leased("goes out again");
    kit_result(a, 200, "", "");
    is_int(state_of(&run), DUR_SERVED_DONE, "and is done");
}


static void
test_full_of(dur_str_t body)
{
    dur_ulid_t     run;
    kit_attempt_t  a;

    kit_fresh();
    run = kit_ulid(5);
    is_int(ask_with(&run, 1, DUR_SERVED_NO_KEY, body), 202,
           "a body of %zu bytes", body.len);
    a = leased("goes out");
    kit_build(a);
    ok(dur_str_eq(dur_buf_str(&kit.call.body), body), "whole");
    kit_result(a, 500, "", "x");
    is_int(ask_with(&run, 2, DUR_SERVED_NO_KEY, body), 202, "again");
    a = leased("it goes out");
    kit_build(a);
    ok(dur_str_eq(dur_buf_str(&kit.call.body), body), "whole");
}


static void
test_sizes(void)
{
    char  *body;

    body = malloc(200000);
    memset(body, 'a', 200000);

    test_full_of(dur_str_null);
    test_full_of(dur_str_make(body, 1024));
    test_full_of(dur_str_make(body, 200000));

    free(body);
}


static void
test_refused(void)
{
    dur_op_t    op;
    dur_ulid_t  run;

    kit_fresh();
    run = kit_ulid(5);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_SERVED;
    op.run = run;
    op.url = dur_str_make(step.b, DUR_HASH_LEN);
    op.body = dur_str("nothing");
    kit_op(&op);
    is_int(kit.reply.status, 400, "what is no request is refused");
    is_int(state_of(&run), 0, "and leaves nothing");
}


/* -- keys ----------------------------------------------------------------- */

static bool
has_bearer(kit_attempt_t a, const dur_call_key_t *keys, size_t n,
    const char *want)
{
    dur_call_options_t  options;

    memset(&options, 0, sizeof(options));
    options.now_ms = kit.now;
    options.served = keys;
    options.nserved = n;

    if (dur_call_build(dur_engine_store(kit.engine), a.item, a.generation,
                       &options, &kit.call) != DUR_OK)
    {
        return false;
    }

    dur_buf_addc(&kit.call.headers, '\0');

    return want ? strstr((char *) kit.call.headers.data, want) != NULL
                : strstr((char *) kit.call.headers.data, "earer") == NULL;
}


static void
test_keys(void)
{
    dur_ulid_t      run;
    dur_call_key_t  keys[2] = {
        { dur_str("other"), dur_str("12"), dur_str("34"), dur_str("e") },
        { dur_str("shop"), dur_str("signkey-test-12345678"),
          dur_str("8765"), dur_str("secret") },
    };
    kit_attempt_t   a;

    kit_fresh();
    run = kit_ulid(5);
    ask_with(&run, 1, DUR_SERVED_KEY, dur_str("x"));
    a = leased("a request with a key");

    ok(has_bearer(a, keys, 2, "Authorization: Bearer signkey-test-b2ed992186a5"
                  "cb19f6668aade821f502c1d00970dfd0e35128d51bac4649916c\n"),
       "has the hash of the key of its app");
    ok(has_bearer(a, keys, 1, NULL), "or none when there is no such app");
    kit_result(a, 401, "", "");

    run = kit_ulid(6);
    ask_with(&run, 1, DUR_SERVED_FALLBACK_KEY, dur_str("x"));
    a = leased("with the fallback key");
    ok(has_bearer(a, keys, 2, "Bearer ")
       && !has_bearer(a, keys, 2, "b2ed992186a5"), "it is another one");
}


/* What the header of a step refers to. */
static bool
secret(void *data, dur_str_t reference, dur_str_t *value)
{
    *value = dur_str_c(data);

    return dur_str_eq(reference, dur_str("env:TOKEN"));
}


static void
test_secrets(void)
{
    unsigned               i;
    dur_rc_t               rc;
    dur_call_options_t     options;
    dur_served_request_t   request;

    static const struct {
        const char  *headers;
        const char  *value;
        const char  *want;              /* NULL: refused */
    } cases[] = {
        { "a: b\n", "x", "a: b\n" },
        { "a: Bearer " DUR_SERVED_SECRET "env:TOKEN" DUR_SERVED_SECRET "\nb: c"
          "\n", "x y", "a: Bearer x y\nb: c\n" },
        { "a: " DUR_SERVED_SECRET "env:TOKEN" DUR_SERVED_SECRET "\nb: "
          DUR_SERVED_SECRET "env:TOKEN" DUR_SERVED_SECRET "\n", "x",
          "a: x\nb: x\n" },
        { "a: " DUR_SERVED_SECRET "env:GONE" DUR_SERVED_SECRET "\n", "x",
          NULL },
        { "a: " DUR_SERVED_SECRET "env:TOKEN" DUR_SERVED_SECRET "\n",
          "x\ny: z", NULL },
        { "a: " DUR_SERVED_SECRET "b\n", "x", "a: " DUR_SERVED_SECRET "b\n" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(&options, 0, sizeof(options));
        options.secrets.get = secret;
        options.secrets.data = (void *) cases[i].value;

        memset(&request, 0, sizeof(request));
        request.timeout = 1;
        request.method = dur_str("GET");
        request.url = dur_str(TARGET);
        request.headers = dur_str_c(cases[i].headers);

        dur_buf_reset(&kit.call.headers);
        rc = dur_served_fill(&request, &options, &kit.call);

        if (cases[i].want == NULL) {
            ok(rc == DUR_EACCES && strstr(kit.call.error, "is not in"),
               "headers %u: the secret is not there", i);
        } else {
            ok(rc == DUR_OK && dur_str_eq(dur_buf_str(&kit.call.headers),
                                          dur_str_c(cases[i].want)),
               "headers %u: secrets are put in", i);
        }
    }
}


/* -- expiry --------------------------------------------------------------- */

static void
expire(int64_t ms)
{
    unsigned  i;

    kit.now += ms;

    for (i = 0; i < 100; i++) {
        kit_plain(DUR_OP_TASKS, 0);
        if (!dur_engine_has_tasks(kit.engine)) {
            break;
        }
    }
}


static void
test_expiry(void)
{
    char          *body;
    dur_txn_t     *t;
    dur_ulid_t     run, running;
    kit_attempt_t  a;

    run = begin();
    a = leased("it goes out");

    body = malloc(150000);
    memset(body, 'a', 150000);
    body[149999] = '\0';
    kit_result(a, 200, "", body);
    free(body);

    running = kit_ulid(78);
    ask(&running, 1);

    expire(23 * HOUR);
    is_int(ask(&run, 1), 200, "a result is there after 23 hours");

    expire(20 * HOUR);
    is_int(ask(&run, 1), 200, "and 20 hours after it was asked for");

    expire(25 * HOUR);
    is_int(state_of(&run), 0, "after 25 hours it is gone");
    is_int(state_of(&running), DUR_SERVED_RUNNING, "what runs is not");

    a = leased("it goes out");
    kit_result(a, 200, "", "");
    expire(50 * HOUR);

    dur_txn_begin(dur_engine_store(kit.engine), false, &t);
    is_int(dur_txn_count(t, DUR_T_SERVED), 0, "nothing is left");
    is_int(dur_txn_count(t, DUR_T_PAYLOAD), 0, "of all that was stored");
    dur_txn_abort(t);
}


/* -- calls ---------------------------------------------------------------- */

#define CALL(ctx, more)                                                      \
    "{\"ctx\":{\"run_id\":\"r\"" ctx "},\"event\":{}" more "}"

static void
test_call(void)
{
    size_t             i;
    dur_hash_t         hash;
    const char        *wrong;
    dur_served_call_t  call, other;

    static const struct {
        const char  *body;
        const char  *wrong;
    } refused[] = {
        { "", "object" }, { "nothing", "object" }, { "3", "object" },
        { "{}", "\"ctx\"" }, { "{\"ctx\":[]}", "\"ctx\"" },
        { "{\"ctx\":{\"run_id\":\"\"}}", "run_id" },
        { "{\"ctx\":{\"run_id\":7}}", "run_id" },
        { CALL(",\"attempt\":-1", ""), "attempt" },
        { CALL(",\"attempt\":1.5", ""), "attempt" },
        { CALL(",\"max_attempts\":\"4\"", ""), "attempt" },
        { CALL("", ",\"version\":0"), "version" },
        { CALL("", ",\"version\":3"), "version" },
        { CALL("", ",\"steps\":7"), "steps" },
        { "{\"ctx\":{\"run_id\":\"r\"},\"event\":7}", "event" },
    };

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        wrong = dur_served_call_read(dur_str_c(refused[i].body), &call);
        ok(wrong != NULL && strstr(wrong, refused[i].wrong) != NULL,
           "refused: %s", refused[i].body);
        dur_served_call_free(&call);
    }

    wrong = dur_served_call_read(dur_str(
        CALL(",\"attempt\":1,\"max_attempts\":2,\"qi_id\":\"q\",\"stack\":{"
             "\"stack\":[\"" KIT_B "\"]},\"disable_immediate_execution\":true",
             ",\"steps\":{\"" KIT_A "\":{\"data\":1},\"" KIT_C
             "\":{\"input\":[]}}")), &call);

    ok(wrong == NULL, "a call is read");
    ok(call.plan && !call.use_api, "what the server wants");
    ok(dur_served_call_last(&call), "its last attempt");

    dur_hash_parse(dur_str(KIT_A), &hash);
    ok(dur_served_call_memo(&call, &hash) != NULL, "a memo");
    dur_hash_parse(dur_str(KIT_B), &hash);
    ok(dur_served_call_memo(&call, &hash) == NULL
       && dur_served_call_done(&call, &hash), "a step whose memo is not here");
    dur_hash_parse(dur_str(KIT_C), &hash);
    ok(!dur_served_call_done(&call, &hash), "an edited input is no memo");

    dur_served_call_read(dur_str(CALL(",\"attempt\":2,\"qi_id\":\"q\"", "")),
                         &other);
    ok(other.id != call.id, "attempts are told apart");
    ok(memcmp(other.run.b, call.run.b, DUR_ULID_LEN) == 0, "runs are known");
    dur_served_call_free(&other);

    dur_served_call_read(dur_str(CALL(",\"attempt\":1,\"qi_id\":\"p\"", "")),
                         &other);
    ok(other.id != call.id, "so are items of the server's queue");
    dur_served_call_free(&other);
    dur_served_call_free(&call);
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_once();
    test_failed();
    test_never_parked();
    test_lost();
    test_sizes();
    test_refused();
    test_keys();
    test_secrets();
    test_expiry();
    test_call();

    return kit_done();
}
