/* SPDX-License-Identifier: BSD-2-Clause */

/* Registrations, and which functions an event starts. */

#include "kit.h"

#define FN(id, triggers)                                                     \
    "{\"id\":\"" id "\",\"name\":\"" id "\",\"triggers\":[" triggers "],"    \
    "\"steps\":{\"step\":{\"id\":\"step\",\"name\":\"step\",\"runtime\":{"   \
    "\"type\":\"http\",\"url\":\"http://127.0.0.1:3000/api/inngest?fnId="    \
    id "&stepId=step\"},\"retries\":{\"attempts\":2}}}}"
#define ON(event)         "{\"event\":\"" event "\"}"
#define ON_IF(event, if)  "{\"event\":\"" event "\",\"expression\":\"" if "\"}"


static json_t *
answer(void)
{
    return json_loadb((const char *) kit.reply.body.data, kit.reply.body.len,
                      0, NULL);
}


static bool
answer_is(const char *key, bool value)
{
    bool     is;
    json_t  *v;

    v = answer();
    is = json_boolean_value(json_object_get(v, key)) == value
         && json_object_get(v, key) != NULL;
    json_decref(v);

    return is;
}


static unsigned
register_app(const char *url, const char *name, const char *functions)
{
    dur_op_t   op;
    dur_buf_t  b;

    dur_buf_init(&b, 1 << 20);
    dur_buf_addf(&b, "{\"url\":\"%s\",\"deployType\":\"ping\",\"framework\":"
                 "\"nodejs\",\"appName\":\"%s\",\"sdk\":\"js:v4.24.0\",\"v\":"
                 "\"0.1\",\"functions\":[%s]}", url, name, functions);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REGISTER;
    op.body = dur_buf_str(&b);
    kit_op(&op);
    dur_buf_deinit(&b);

    return kit.reply.status;
}


/* How many runs an event of this name (and n) starts. */
static size_t
starts(const char *name, int n)
{
    size_t           count;
    char             json[256];
    json_t          *list;
    dur_op_t         op;
    dur_buf_t        b;
    dur_op_event_t   event;

    snprintf(json, sizeof(json), "{\"data\":{\"n\":%d},\"id\":\"x\",\"name\":"
             "\"%s\",\"ts\":1,\"user\":{}}", n, name);

    memset(&event, 0, sizeof(event));
    event.id = kit_ulid(kit.entropy);
    event.flags = DUR_EVENT_F_CANONICAL;
    event.ts = kit.now;
    event.name = dur_str_c(name);
    event.json = dur_str_c(json);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    kit_op(&op);

    dur_buf_init(&b, 1 << 20);
    dur_query_event_runs(dur_engine_store(kit.engine), &event.id, &b);
    list = json_loadb((char *) b.data, b.len, 0, NULL);
    count = json_array_size(list);
    json_decref(list);
    dur_buf_deinit(&b);

    return count;
}


static void
test_matching(void)
{
    size_t  i;

    static const struct {
        const char  *name;
        int          n;
        size_t       runs;
        const char  *title;
    } tests[] = {
        { "app/user.created", 0, 3, "its name, its /* and its .*" },
        { "app/user.deleted", 0, 2, "the wildcards alone" },
        { "app/other", 0, 1, "the shorter wildcard alone" },
        { "app", 0, 0, "a name without the separator" },
        { "app/", 0, 1, "a name that ends in it" },
        { "App/other", 0, 0, "another case" },
        { "num", 1, 1, "an expression that is true" },
        { "num", 2, 0, "an expression that is false" },
        { "twice", 0, 1, "two triggers of one function" },
        { "cel", 3, 1, "an expression with a macro that is true" },
        { "cel", 4, 0, "an expression with a macro that is false" },
        { "bad", 0, 0, "an expression without a value" },
        { "soon", 0, 1, "an expression that knows the present" },
        { "second", 2, 1, "a second trigger when the first is false" },
        { "nothing", 0, 0, "no trigger" },
    };

    kit_fresh();
    is_int(register_app("http://127.0.0.1:3000/api/inngest", "app",
        FN("app-exact", ON("app/user.created")) ","
        FN("app-slash", ON("app/*")) ","
        FN("app-dot", ON("app/user.*")) ","
        FN("app-num", ON_IF("num", "event.data.n == 1")) ","
        FN("app-cel", ON_IF("cel", "[1, 3].exists(x, x == event.data.n)")) ","
        FN("app-bad", ON_IF("bad", "1 / event.data.n > 0 || 'x' > 1")) ","
        FN("app-soon", ON_IF("soon", "date(1789999999) < now() && "
                                     "now() < date(1790090000)")) ","
        FN("app-twice", ON("twice") "," ON_IF("twice",
                                               "event.data.n == 0")) ","
        FN("app-second", ON_IF("second", "event.data.n == 1") ","
                         ON_IF("second", "event.data.n == 2")) ","
        FN("app-none", "")), 200, "functions with all kinds of triggers");

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        is_int(starts(tests[i].name, tests[i].n), tests[i].runs, "%s",
               tests[i].title);
    }
}


static void
test_registration(void)
{
    json_t      *v;
    const char  *url = "http://127.0.0.1:3000/api/inngest";

    kit_fresh();
    is_int(register_app(url, "app", FN("app-f", ON("f"))), 200,
           "an app registers");
    ok(answer_is("ok", true) && answer_is("modified", true),
       "it was modified");
    v = answer();
    is_int(json_string_length(json_object_get(v, "app_id")), 36,
           "the answer has the app's id");
    json_decref(v);

    register_app(url, "app", FN("app-f", ON("f")));
    ok(answer_is("ok", true) && answer_is("modified", false),
       "the same once more changes nothing");

    register_app(url, "app", FN("app-f", ON("g")));
    ok(answer_is("modified", true), "another trigger does");
    is_int(starts("f", 0), 0, "the old one starts nothing");
    is_int(starts("g", 0), 1, "the new one does");

    ok(register_app(url, "app", "{\"id\":\"app-f\"}") >= 400,
       "a function that is not valid refuses the registration");
    v = answer();
    ok(json_string_length(json_object_get(v, "error")) > 0
       && json_integer_value(json_object_get(v, "status")) >= 400,
       "with an error and a status in the body");
    json_decref(v);
    is_int(starts("g", 0), 1, "what was registered stays");

    is_int(register_app(url, "app", ""), 200, "no functions are fine");
    is_int(starts("g", 0), 0, "what is missing from a registration is gone");
}


/* The line that the last op put into the log, or an empty one. */
static const char *
line(void)
{
    const dur_effect_t  *f;
    static char          text[1024];

    f = kit_effect(DUR_EFFECT_LOG, 0);
    snprintf(text, sizeof(text), "%.*s", f ? (int) f->text.len : 0,
             f ? (const char *) f->text.data : "");

    return text;
}


static void
test_refusals(void)
{
    const char  *url = "http://127.0.0.1:3000/api/inngest";
    const char  *bad = "{\"id\":\"app-f\"}";

    kit_fresh();

    register_app(url, "shop", bad);
    ok(strstr(line(), "the registration of app \"shop\" was refused: ")
       == line() && strlen(line()) > 60,
       "a registration that is refused is in the log, with its sentence");
    is_int(kit_effect(DUR_EFFECT_LOG, 0)->level, 1, "as a warning");

    register_app(url, "shop", bad);
    is_str(dur_str_c(line()), "", "which is said once");

    register_app(url, "other", bad);
    ok(strstr(line(), "\"other\"") != NULL, "for each app");

    register_app(url, "shop", bad);
    is_str(dur_str_c(line()), "", "another app's does not count");

    register_app(url, "shop", "7");
    ok(strstr(line(), "\"shop\"") != NULL, "another sentence is said");

    register_app(url, "shop", bad);
    ok(strstr(line(), "\"shop\"") != NULL, "as is the first one after it");

    register_app(url, "shop", FN("shop-f", ON("f")));
    register_app(url, "shop", bad);
    ok(strstr(line(), "\"shop\"") != NULL,
       "and the same one once the app was accepted in between");

    register_app(url, "a\\nb", bad);
    ok(strstr(line(), "\"a?b\"") != NULL, "a name breaks no line");

    register_app(url, "x\",oops", bad);
    ok(strstr(line(), "app \"\" was refused: the payload is not JSON") != NULL,
       "what is no JSON has no name");
}


static void
test_two_apps(void)
{
    kit_fresh();
    register_app("http://127.0.0.1:3000/api/inngest", "one",
                 FN("one-f", ON("f")));
    register_app("http://127.0.0.1:3001/api/inngest", "two",
                 FN("two-f", ON("f")));
    is_int(starts("f", 0), 2, "an event starts functions of every app");

    register_app("http://127.0.0.1:3000/api/inngest", "one", "");
    is_int(starts("f", 0), 1, "an app takes along its own alone");
}


static void
test_running_on(void)
{
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 2);
    kit_event("f");
    register_app("http://127.0.0.1:3000/api/inngest", "app", "");

    is_int(kit_dispatch(), 1, "a run outlives its function");
    a = kit_attempt(0);
    is_int(kit_build(a), DUR_OK, "its calls are built as before");

    kit_register("f", 7);
    kit_build(a);
    is_int(json_integer_value(kit_get("ctx", "max_attempts")), 8,
           "and follow the present configuration");
}


static void
test_remove(void)
{
    dur_op_t   op;
    dur_buf_t  b;

    kit_fresh();
    kit_register("f", 2);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REMOVE;
    op.url = dur_str("http://localhost:3000/api/inngest");
    kit_op(&op);
    is_int(kit.reply.rc, DUR_OK,
           "an app is removed by its URL, however the host is written");
    is_int(starts("t/f", 0), 0, "its functions start no more");

    kit_register("f", 2);
    is_int(starts("t/f", 0), 1, "until it registers again");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_SYNC;
    op.url = dur_str("http://127.0.0.1:9/api/inngest");
    op.error = dur_str("unreachable");
    kit_op(&op);

    dur_buf_init(&b, 1 << 20);
    is_int(dur_query_apps(dur_engine_store(kit.engine), &b), DUR_OK,
           "the apps can be listed");
    ok(memmem(b.data, b.len, "unreachable", 11) != NULL,
       "also one that never registered, with the reason");
    dur_buf_deinit(&b);
}


static void
test_reopened(void)
{
    kit_fresh();
    register_app("http://127.0.0.1:3000/api/inngest", "app",
                 FN("app-f", ON("f") "," ON_IF("g", "event.data.n == 1")));

    dur_engine_close(kit.engine);
    kit_open();

    is_int(starts("f", 0) + starts("g", 1), 2,
           "a new leader knows what was registered");
    is_int(starts("g", 0), 0, "with its expressions");
}


static json_t *
list(dur_rc_t (*query)(dur_store_t *store, dur_buf_t *out))
{
    json_t     *v;
    dur_buf_t   b;

    dur_buf_init(&b, 1 << 20);
    (void) query(dur_engine_store(kit.engine), &b);
    v = json_loadb((char *) b.data, b.len, 0, NULL);
    dur_buf_deinit(&b);

    return v;
}


/* How many apps of this name are there; one that was removed is not. */
static unsigned
apps(const char *name)
{
    json_t    *all, *app;
    size_t     i;
    unsigned   n;

    n = 0;
    all = list(dur_query_apps);

    json_array_foreach(all, i, app) {
        n += strcmp(json_string_value(json_object_get(app, "name")), name)
             == 0;
    }

    json_decref(all);

    return n;
}


static void
test_names_and_places(void)
{
    kit_attempt_t  a;

    static const char  here[] = "http://127.0.0.1:3000/api/inngest";
    static const char  there[] = "http://127.0.0.1:3001/api/inngest";

    kit_fresh();
    register_app(here, "one", FN("one-f", ON("f")));
    register_app(here, "two", FN("two-f", ON("f")));
    is_int(starts("f", 0), 1, "an app with a new name is the same app");
    is_int(apps("one"), 0, "its old name is gone");
    is_int(apps("two"), 1, "it has the new one");
    ok(register_app(here, "two", FN("two-f", ON("f"))) == 200
       && answer_is("modified", false), "and keeps it");

    kit_fresh();
    register_app(here, "one", FN("one-f", ON("f")));
    (void) starts("f", 0);
    register_app(there, "one", FN("one-f", ON("f")));
    is_int(apps("one"), 1, "an app that moved is the same app");
    is_int(starts("f", 0), 1, "its functions are the same functions");
    is_int(kit_dispatch(), 2, "and its runs go on");

    kit_fresh();
    register_app(here, "one", FN("one-f", ON("f")));
    register_app(there, "two", FN("two-f", ON("f")));
    register_app(there, "one", FN("one-f", ON("f")));
    is_int(apps("two"), 0, "an app that moves takes the place of another one");
    is_int(starts("f", 0), 1, "which starts nothing any more");
    register_app(here, "two", FN("two-f", ON("f")));
    is_int(starts("f", 0), 2, "until it answers elsewhere");

    kit_fresh();
    register_app(here, "one", FN("shared-f", ON("f")));
    is_int(starts("f", 0), 1, "a function of one app");
    is_int(register_app(there, "two", FN("shared-f", ON("g"))), 400,
           "is not taken by another one");
    ok(memmem(kit.reply.body.data, kit.reply.body.len, "one", 3) != NULL,
       "which is told whose it is");
    is_int(starts("f", 0), 1, "nothing has changed");

    register_app(here, "one", "");
    is_int(register_app(there, "two", FN("shared-f", ON("g"))), 200,
           "once the first app is without it, it moves");
    is_int(starts("f", 0), 0, "with its triggers");
    is_int(starts("g", 0), 1, "to the second one");
    is_int(kit_dispatch(), 3, "the runs it had go on");
    a = kit_attempt(0);
    kit_build(a);
    kit_result(a, 200, KIT_SDK, "1");
    is_int(kit.reply.status, 200, "to their end");
}


static void
test_removed_with_runs(void)
{
    dur_op_t       op;
    dur_ulid_t     event;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 2);
    event = kit_event("f");
    kit_dispatch();
    a = kit_attempt(0);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REMOVE;
    op.url = dur_str("http://127.0.0.1:3000/api/inngest");
    kit_op(&op);

    kit_result(a, 206, KIT_SDK, "[" KIT_RUN(KIT_A, "a", "1") "]");
    is_int(kit_calls(), 1, "a run goes on when its app is removed");
    a = kit_attempt(0);
    kit_reopen();
    kit_result(a, 200, KIT_SDK, "1");
    is_str(dur_str_c(kit_status(&event)), "Completed", "to its end");

    kit_op(&op);
    is_int(kit.reply.status, 404, "an app is removed once");
}


/* A function that changes under a run: the next call follows it. */
static void
test_versions(void)
{
    kit_attempt_t  a;

    static const char  here[] = "http://127.0.0.1:3000/api/inngest";

    kit_fresh();
    register_app(here, "app", FN("app-f", ON("t/f")));
    kit_event("f");
    kit_dispatch();
    a = kit_attempt(0);
    register_app(here, "app",
                 "{\"id\":\"app-f\",\"name\":\"F\",\"triggers\":[],"
                 "\"steps\":{\"step\":{\"runtime\":{\"url\":"
                 "\"http://127.0.0.1:4000/new\"}}},\"retries\":9}");

    kit_result(a, 206, KIT_SDK, "[" KIT_RUN(KIT_A, "a", "1") "]");
    kit_build(kit_attempt(0));
    ok(memmem(kit.call.url.data, kit.call.url.len, ":4000/new", 9) != NULL,
       "the next call of a run goes to the new URL of its function");
    is_int(json_integer_value(kit_get("ctx", "max_attempts")), 10,
           "with its new retries");
    ok(kit_get("steps", KIT_A) != NULL, "and the memos it has");
}


/* As the SDKs of other languages write it. */
static void
test_languages(void)
{
    size_t    i;
    dur_op_t  op;

    static const struct {
        const char  *payload;
        const char  *title;
    } tests[] = {
        { "{\"url\":\"http://127.0.0.1:8000/api/inngest\",\"v\":\"0.1\","
          "\"deploy_type\":\"ping\",\"sdk\":\"py:v0.5.1\",\"framework\":"
          "\"fast_api\",\"appname\":\"py\",\"functions\":[{\"id\":\"py-f\","
          "\"name\":\"f\",\"triggers\":[{\"event\":\"f\","
          "\"expression\":null}],"
          "\"batch_events\":null,\"cancel\":null,\"concurrency\":null,"
          "\"debounce\":null,\"idempotency\":null,\"priority\":null,"
          "\"rate_limit\":null,\"singleton\":null,\"throttle\":null,"
          "\"timeouts\":null,\"steps\":{\"step\":{\"id\":\"step\",\"name\":"
          "\"step\",\"retries\":{\"attempts\":3},\"runtime\":{\"type\":"
          "\"http\",\"url\":\"http://127.0.0.1:8000/api/inngest?fnId=py-f"
          "&stepId=step\"}}}}]}", "Python" },
        { "{\"V\":\"1\",\"deployType\":\"ping\",\"sdk\":\"go:v0.14.0\","
          "\"appName\":\"go\",\"framework\":\"\",\"headers\":{\"env\":\"\","
          "\"platform\":\"\"},\"idempotencyKey\":\"\",\"url\":"
          "\"http://127.0.0.1:8080/api/inngest\",\"functions\":[{\"name\":"
          "\"f\",\"slug\":\"go-f\",\"id\":\"go-f\",\"triggers\":[{\"event\":"
          "\"f\"}],\"concurrency\":null,\"priority\":null,\"retries\":null,"
          "\"checkpoint\":{\"batch_steps\":3},\"steps\":{\"step\":{\"id\":"
          "\"step\",\"name\":\"f\",\"retries\":null,\"runtime\":{\"url\":"
          "\"http://127.0.0.1:8080/api/inngest?fnId=go-f&step=step\"}}}}]}",
          "Go" },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        kit_fresh();
        memset(&op, 0, sizeof(op));
        op.type = DUR_OP_REGISTER;
        op.body = dur_str_c(tests[i].payload);
        kit_op(&op);
        is_int(kit.reply.status, 200, "what %s sends is taken",
               tests[i].title);
        is_int(starts("f", 0), 1, "and started");
    }
}


/* Changes bytes of a row behind the engine's back. */
static bool
damage(dur_table_t table, const char *from, const char *to)
{
    bool           done;
    void          *at;
    uint8_t       *copy;
    dur_str_t      k, v, key;
    dur_txn_t     *t;
    dur_arena_t    arena;
    dur_cursor_t  *c;

    done = false;
    dur_arena_init(&arena);
    dur_txn_begin(dur_engine_store(kit.engine), true, &t);
    dur_cursor_open(t, table, &c);

    if (dur_cursor_seek(c, dur_str_null, &k, &v) == DUR_OK) {
        key = dur_arena_copy(&arena, k);
        copy = (uint8_t *) dur_arena_copy(&arena, v).data;
        at = memmem(copy, v.len, from, strlen(from));

        if (at != NULL) {
            memcpy(at, to, strlen(from));
            done = true;
        }
    }

    dur_cursor_close(c);

    if (done) {
        dur_txn_put(t, table, key, dur_str_make(copy, v.len));
    }

    dur_txn_commit(t);
    dur_arena_deinit(&arena);

    return done;
}


static void
test_unreadable(void)
{
    const char  *url = "http://127.0.0.1:3000/api/inngest";

    static const char  limited[] =
        "{\"id\":\"app-f\",\"name\":\"F\",\"triggers\":[{\"event\":\"f\"}],"
        "\"rateLimit\":{\"limit\":1,\"period\":\"1h\"},\"steps\":{\"step\":{"
        "\"runtime\":{\"url\":\"http://127.0.0.1:3000/\"}}}}";

    kit_fresh();
    register_app(url, "app", limited);
    is_int(starts("f", 0) + starts("f", 0), 1, "a limit holds");

    ok(damage(DUR_T_FUNCTION, "\"1h\"", "\"1y\""),
       "another version stored it");
    kit_reopen();
    is_int(starts("f", 0), 1, "the server starts and does without");
    ok(kit_effect(DUR_EFFECT_LOG, 0) != NULL
       && memmem(kit_effect(DUR_EFFECT_LOG, 0)->text.data,
                 kit_effect(DUR_EFFECT_LOG, 0)->text.len, "app-f", 5) != NULL,
       "and says so");

    register_app(url, "app", "");
    register_app(url, "app", limited);
    is_int(starts("f", 0), 0, "until the function is registered again");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_matching();
    test_registration();
    test_refusals();
    test_two_apps();
    test_running_on();
    test_remove();
    test_reopened();
    test_names_and_places();
    test_removed_with_runs();
    test_versions();
    test_languages();
    test_unreadable();

    return kit_done();
}
