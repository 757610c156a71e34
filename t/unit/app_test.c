/* SPDX-License-Identifier: BSD-2-Clause */

#include "tap.h"
#include "engine/dur_app.h"

#include <stdlib.h>


#define STEP                                                                 \
    "\"steps\":{\"step\":{\"id\":\"step\",\"name\":\"step\",\"runtime\":"     \
    "{\"type\":\"http\",\"url\":\"http://127.0.0.1:3000/api/inngest"          \
    "?fnId=f&stepId=step\"}}}"

#define APP(functions)                                                       \
    "{\"appName\":\"myapp\",\"url\":\"http://127.0.0.1:3000/api/inngest\","   \
    "\"functions\":[" functions "]}"

/* A function that differs in its options only. */
#define WITH(options)                                                        \
    APP("{\"id\":\"myapp-f\",\"name\":\"F\"," STEP "," options "}")


#define CANCEL(expression)                                                   \
    WITH("\"cancel\":[{\"event\":\"a\",\"if\":\"" expression "\"}]")


static char  err[512];


static void
test_full(void)
{
    dur_rc_t             rc;
    dur_app_t            app;
    dur_app_function_t  *fn;

    /* Protocol 3.3, with an expression of the form we have. */

    static const char  payload[] =
        "{\"url\":\"http://127.0.0.1:13004/api/inngest?deployId=d1\","
        "\"deployType\":\"ping\",\"framework\":\"nodejs\","
        "\"appName\":\"myapp\",\"sdk\":\"js:v4.24.0\",\"v\":\"0.1\","
        "\"capabilities\":{\"trust_probe\":\"v1\"},\"appVersion\":\"v1.2.3\","
        "\"featureObservations\":{\"sendEvents\":{}},\"functions\":["
        "{\"id\":\"myapp-full\",\"name\":\"Full One\",\"triggers\":["
        "{\"event\":\"t/e\",\"expression\":\"event.data.x == 1\"},"
        "{\"cron\":\"TZ=Europe/Paris 0 12 * * 5\",\"jitter\":\"30s\"}],"
        "\"steps\":{\"step\":{\"id\":\"step\",\"name\":\"step\",\"runtime\":{"
        "\"type\":\"http\",\"url\":\"http://127.0.0.1:13004/api/inngest"
        "?fnId=myapp-full&stepId=step\"},\"retries\":{\"attempts\":2}}},"
        "\"idempotency\":\"event.data.id\","
        "\"rateLimit\":{\"limit\":5,\"period\":\"1h\",\"key\":\"event.data.k\""
        "},\"throttle\":{\"limit\":1,\"period\":\"5s\",\"burst\":2},"
        "\"concurrency\":[{\"limit\":3,\"key\":\"event.data.id\","
        "\"scope\":\"env\"},{\"limit\":10}],"
        "\"debounce\":{\"period\":\"10s\",\"timeout\":\"1m\"},"
        "\"priority\":{\"run\":\"event.data.p\"},"
        "\"timeouts\":{\"start\":\"10s\",\"finish\":\"1h\"},"
        "\"singleton\":{\"key\":\"event.data.k\",\"mode\":\"skip\"},"
        "\"cancel\":[{\"event\":\"t/cancel\",\"timeout\":\"1h\","
        "\"if\":\"event.data.id == async.data.id\"},{\"event\":\"t/cancel2\","
        "\"timeout\":\"2030-01-01T00:00:00Z\"}]},"
        "{\"id\":\"myapp-full-failure\",\"name\":\"Full One (failure)\","
        "\"triggers\":[{\"event\":\"inngest/function.failed\","
        "\"expression\":\"event.data.function_id == 'myapp-full'\"}],"
        "\"steps\":{\"step\":{\"runtime\":{\"url\":\"https://h/x\"},"
        "\"retries\":{\"attempts\":1}}}},"
        "{\"id\":\"myapp-batch\",\"name\":\"batch\",\"triggers\":["
        "{\"event\":\"t/b\"}],\"steps\":{\"step\":{\"runtime\":{\"url\":"
        "\"https://h/x\"}}},\"batchEvents\":{\"maxSize\":10,\"timeout\":\"5s\""
        "},\"concurrency\":5},"
        "{\"id\":\"myapp-target\",\"name\":\"target\",\"triggers\":[],"
        "\"steps\":{\"step\":{\"runtime\":{\"url\":\"https://h/x\"}}}}]}";

    rc = dur_app_parse(dur_str_c(payload), &app, err, sizeof(err));

    if (!ok(rc == DUR_OK, "what the npm package registers is taken")) {
        printf("# %s\n", err);
        return;
    }

    is_str(app.name, "myapp", "the app has its name");
    is_str(app.url, "http://localhost:13004/api/inngest", "and a plain URL");
    is_str(app.sdk, "js:v4.24.0", "its SDK");
    is_str(app.framework, "nodejs", "its framework");
    is_str(app.version, "v1.2.3", "its version");
    is_int(app.nfunctions, 4, "and four functions");

    fn = &app.functions[0];
    is_str(fn->slug, "myapp-full", "a function has its id");
    is_str(fn->name, "Full One", "its name");
    is_str(fn->url, "http://127.0.0.1:13004/api/inngest?fnId=myapp-full"
           "&stepId=step", "its URL as it was sent");
    is_int(fn->retries, 2, "its retries");
    is_int(fn->ntriggers, 2, "its triggers");
    is_str(fn->triggers[0].event, "t/e", "one by an event");
    is_str(fn->triggers[0].expression, "event.data.x == 1", "with a filter");
    is_str(fn->triggers[1].cron, "TZ=Europe/Paris 0 12 * * 5", "one by cron");
    is_str(fn->unenforced, "",
           "and nothing that is not enforced");
    ok(json_is_object(json_object_get(fn->config, "throttle")),
       "and its configuration as it was sent");

    is_str(app.functions[1].unenforced, "", "a plain function has no list");
    is_str(app.functions[2].unenforced, "",
           "nor has one with a batch");
    is_int(app.functions[3].ntriggers, 0, "a function may have no trigger");
    is_int(app.functions[3].retries, 4, "the default is four retries");

    dur_app_deinit(&app);
    dur_app_deinit(&app);
    ok(app.root == NULL, "an app may be given back twice");
}


/* Keys without case and nulls for everything, as Python sends them. */

static void
test_lenient(void)
{
    dur_app_t  app;

    static const char  payload[] =
        "{\"appname\":\"py\",\"URL\":\"https://h:443/api\",\"sdk\":null,"
        "\"framework\":null,\"appVersion\":null,\"functions\":[{\"id\":null,"
        "\"name\":\"Full  One!\",\"triggers\":null,\"batchEvents\":null,"
        "\"cancel\":null,\"concurrency\":null,\"debounce\":null,"
        "\"idempotency\":null,\"priority\":null,\"rateLimit\":null,"
        "\"singleton\":null,\"throttle\":null,\"timeouts\":null,"
        "\"retries\":7,\"Steps\":{\"step\":{\"retries\":null,\"RunTime\":"
        "{\"url\":\"https://h/api\"}}}}]}";

    is_int(dur_app_parse(dur_str_c(payload), &app, err, sizeof(err)), DUR_OK,
           "nulls and other cases of keys are taken");
    is_str(app.name, "py", "the app has its name");
    is_str(app.url, "https://h/api", "the default port is dropped");
    is_str(app.sdk, "", "what is null is empty");
    is_str(app.functions[0].slug, "full-one", "an id is made of the name");
    is_int(app.functions[0].retries, 7, "retries of the function count");
    is_str(app.functions[0].unenforced, "", "null asks for nothing");
    dur_app_deinit(&app);

    is_int(dur_app_parse(dur_str("{\"appName\":\"a\",\"url\":\"http://h\"}"),
                         &app, err, sizeof(err)), DUR_OK,
           "an app may have no functions");
    is_int(app.nfunctions, 0, "none at all");
    dur_app_deinit(&app);
}


static void
test_checksum(void)
{
    uint8_t    first[32];
    dur_app_t  app;

    static const struct {
        const char  *payload;
        bool         same;
        const char  *title;
    } cases[] = {
        { "{\"url\":\"http://h\",\"appName\":\"a\",\"v\":\"1\"}", true,
          "the order of keys makes no difference" },
        { "{\"appName\":\"a\",\"url\":\"http://h\",\"v\":\"1\","
          "\"featureObservations\":{\"x\":1}}", true,
          "nor do observations" },
        { "{\"appName\":\"a\",\"url\":\"http://h\",\"v\":\"2\"}", false,
          "anything else does" },
    };

    dur_app_parse(dur_str("{\"appName\":\"a\",\"url\":\"http://h\","
                          "\"v\":\"1\"}"), &app, err, sizeof(err));
    memcpy(first, app.checksum, 32);
    dur_app_deinit(&app);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        dur_app_parse(dur_str_c(cases[i].payload), &app, err, sizeof(err));
        ok((memcmp(first, app.checksum, 32) == 0) == cases[i].same, "%s",
           cases[i].title);
        dur_app_deinit(&app);
    }
}


/* Each payload and a piece of the message, NULL when it is good; features
 * 0.3. */

static void
test_rules(void)
{
    dur_rc_t   rc;
    dur_app_t  app;

    static const struct {
        const char  *payload;
        const char  *says;
    } cases[] = {
        { "", "not JSON" }, { "{", "not JSON" }, { "[]", "a JSON object" },
        { "{}", "appName is required" },
        { "{\"appName\":1}", "appName must be a string" },
        { "{\"appName\":\"a\"}", "url must be an http" },
        { "{\"appName\":\"a\",\"url\":\"ftp://h\"}", "url must be an http" },
        { "{\"appName\":\"a\\n\",\"url\":\"http://h\"}", "control character" },
        { "{\"appName\":\"a\",\"url\":\"http://h\",\"functions\":{}}",
          "functions must be an array" },
        { APP("1"), "functions[0] must be an object" },
        { APP("{\"id\":\"f\"," STEP "}"), "function \"f\": a function name" },
        { APP("{\"name\":\"!\"," STEP "}"), "needs an id" },
        { APP("{\"id\":\"f\",\"name\":\"F\"}"), "exactly one step" },
        { APP("{\"id\":\"f\",\"name\":\"F\",\"steps\":{\"a\":{},\"b\":{}}}"),
          "exactly one step" },
        { APP("{\"id\":\"f\",\"name\":\"F\",\"steps\":{\"a\":1}}"),
          "step in steps must be an object" },
        { APP("{\"id\":\"f\",\"name\":\"F\",\"steps\":{\"a\":{}}}"),
          "steps.runtime must be an object" },
        { APP("{\"id\":\"f\",\"name\":\"F\",\"steps\":{\"a\":{\"runtime\":"
              "{\"url\":\"/x\"}}}}"), "runtime.url must be an absolute" },
        { APP("{\"id\":\"f\",\"name\":\"F\",\"steps\":{\"a\":{\"runtime\":"
              "{\"url\":\"wss://h/x\"}}}}"), "connect worker (wss)" },
        { APP("{\"id\":\"f\",\"name\":\"F\",\"steps\":{\"a\":{\"runtime\":"
              "{\"url\":\"file://h/x\"}}}}"), "must start with http" },
        { APP("{\"id\":\"f\",\"name\":\"F\"," STEP "},"
              "{\"id\":\"f\",\"name\":\"G\"," STEP "}"), "two functions" },

        { WITH("\"retries\":25"), NULL }, { WITH("\"retries\":0"), NULL },
        { WITH("\"retries\":-1"), "retries must not be negative" },
        { WITH("\"retries\":1.5"), "retries must be a whole number" },

        { WITH("\"triggers\":{}"), "triggers must be an array" },
        { WITH("\"triggers\":[1]"), "triggers must be an object" },
        { WITH("\"triggers\":[{}]"), "either an event or a cron" },
        { WITH("\"triggers\":[{\"event\":\"a\",\"cron\":\"* * * * *\"}]"),
          "either an event or a cron" },
        { WITH("\"triggers\":[{\"event\":\"a\",\"cron\":\"\"}]"), NULL },
        { WITH("\"triggers\":[{\"event\":\"a/*\"},{\"event\":\"a/*\","
               "\"expression\":\"event.data.x == 1\"}]"), NULL },
        { WITH("\"triggers\":[{\"event\":\"a\"},{\"event\":\"a\"}]"),
          "trigger \"a\" is there twice" },
        { WITH("\"triggers\":[{\"cron\":\"0 0 * * *\",\"jitter\":\"1s\"},"
               "{\"cron\":\"0 0 * * *\"}]"), "is there twice" },
        { WITH("\"triggers\":[{\"cron\":\"0 0 * *\"}]"), "five fields" },
        { WITH("\"triggers\":[{\"cron\":\"0 0 * * * *\"}]"), "five fields" },
        { WITH("\"triggers\":[{\"cron\":\"@daily\"}]"), "five fields" },
        { WITH("\"triggers\":[{\"cron\":\"TZ=UTC\"}]"), "five fields" },
        { WITH("\"triggers\":[{\"cron\":\"TZ= 0 0 * * *\"}]"), "no zone" },
        { WITH("\"triggers\":[{\"cron\":\"CRON_TZ=UTC 0 0 * * *\"}]"), NULL },
        { WITH("\"triggers\":[{\"cron\":\"60 0 * * *\"}]"),
          "invalid triggers.cron \"60 0 * * *\": the minute \"60\"" },
        { WITH("\"triggers\":[{\"cron\":\"0 0 * * *\",\"jitter\":\"\"}]"),
          NULL },
        { WITH("\"triggers\":[{\"cron\":\"0 0 * * *\",\"jitter\":\"-5s\"}]"),
          "jitter must lie between" },
        { WITH("\"triggers\":[{\"cron\":\"0 0 * * *\",\"jitter\":\"6m\"}]"),
          "jitter must lie between" },
        { WITH("\"triggers\":[{\"cron\":\"0 0 * * *\",\"jitter\":\"0.5s\"}]"),
          "jitter must lie between" },
        { WITH("\"triggers\":[{\"event\":\"a\",\"expression\":"
               "\"event.data.x > 1 && has(event.data.y)\"}]"), NULL },
        { WITH("\"triggers\":[{\"event\":\"a\",\"expression\":"
               "\"event.data.x = 1\"}]"),
          "function \"myapp-f\": invalid trigger expression "
          "\"event.data.x = 1\": \"=\" is no operator, == compares, "
          "at column 14" },
        { WITH("\"triggers\":[{\"event\":\"a\",\"expression\":"
               "\"event.data.x && 'a'\"}]"),
          "\"&&\" needs true or false, not this type, at column 17" },
        { WITH("\"triggers\":[{\"event\":1}]"), "event must be a string" },
        { WITH("\"triggers\":[{\"event\":\"1\"},{\"event\":\"2\"},"
               "{\"event\":\"3\"},{\"event\":\"4\"},{\"event\":\"5\"},"
               "{\"event\":\"6\"},{\"event\":\"7\"},{\"event\":\"8\"},"
               "{\"event\":\"9\"},{\"event\":\"10\"}]"), NULL },
        { WITH("\"triggers\":[{\"event\":\"1\"},{\"event\":\"2\"},"
               "{\"event\":\"3\"},{\"event\":\"4\"},{\"event\":\"5\"},"
               "{\"event\":\"6\"},{\"event\":\"7\"},{\"event\":\"8\"},"
               "{\"event\":\"9\"},{\"event\":\"10\"},{\"event\":\"11\"}]"),
          "more than 10" },

        { WITH("\"rateLimit\":{\"limit\":1,\"period\":\"24h\"}"), NULL },
        { WITH("\"rateLimit\":{\"limit\":0,\"period\":\"1h\"}"),
          "rateLimit.limit must be at least 1" },
        { WITH("\"rateLimit\":{\"limit\":1}"), "rateLimit.period" },
        { WITH("\"rateLimit\":{\"limit\":1,\"period\":\"25h\"}"), "24h" },
        { WITH("\"rateLimit\":{\"limit\":1,\"period\":\"0.5s\"}"),
          "must lie between 1s and 24h" },
        { WITH("\"rateLimit\":{\"limit\":4294967296,\"period\":\"1h\"}"),
          "rateLimit.limit" },
        { WITH("\"rateLimit\":{\"limit\":1,\"period\":\"1h\",\"key\":"
               "\"event.data.a + 'x'\"}"), NULL },
        { WITH("\"rateLimit\":{\"limit\":1,\"period\":\"1h\",\"key\":"
               "\"data.a\"}"), "invalid rateLimit.key expression \"data.a\"" },
        { WITH("\"rateLimit\":{\"limit\":1,\"period\":\"1h\",\"key\":"
               "\"lowercase(1)\"}"), "does not take this type" },
        { WITH("\"rateLimit\":{\"limit\":1,\"period\":\"1h\",\"key\":1}"),
          "rateLimit.key must be a string" },
        { WITH("\"rateLimit\":{\"limit\":1,\"period\":\"soon\"}"),
          "must be a duration" },
        { WITH("\"rateLimit\":[]"), "rateLimit must be an object" },

        { WITH("\"throttle\":{\"limit\":0,\"period\":\"1s\"}"), NULL },
        { WITH("\"throttle\":{\"limit\":-1,\"period\":\"1s\"}"), "negative" },
        { WITH("\"throttle\":{\"limit\":1}"), "throttle.period" },
        { WITH("\"throttle\":{\"limit\":1,\"period\":\"1s\",\"key\":"
               "\"foo(event)\"}"), "invalid throttle.key expression" },
        { WITH("\"throttle\":{\"period\":\"1s\",\"burst\":-1}"), "burst" },

        { WITH("\"debounce\":{\"period\":\"1s\"}"), NULL },
        { WITH("\"debounce\":{\"period\":\"7d\",\"timeout\":\"\"}"), NULL },
        { WITH("\"debounce\":{\"period\":\"999ms\"}"), "between 1s and 7d" },
        { WITH("\"debounce\":{\"period\":\"8d\"}"), "between 1s and 7d" },
        { WITH("\"debounce\":{\"period\":\"1s\",\"timeout\":\"x\"}"),
          "debounce.timeout must be a duration" },
        { WITH("\"debounce\":{\"period\":\"1s\",\"key\":\"1.0 - 1\"}"),
          "invalid debounce.key expression" },

        { WITH("\"batchEvents\":{\"maxSize\":2,\"timeout\":\"1s\"}"), NULL },
        { WITH("\"batchEvents\":{\"maxSize\":1,\"timeout\":\"1s\"}"),
          "at least 2" },
        { WITH("\"batchEvents\":{\"maxSize\":2,\"timeout\":\"0.9s\"}"),
          "batchEvents.timeout must be at least 1s" },
        { WITH("\"batchEvents\":{\"maxSize\":2,\"timeout\":\"1d\"}"),
          "units up to h" },
        { WITH("\"batchEvents\":{\"maxSize\":2}"), "at least 1s" },
        { WITH("\"batchEvents\":{\"maxSize\":2,\"timeout\":\"1s\","
               "\"key\":\"event.data.\"}"),
          "invalid batchEvents.key expression" },
        { WITH("\"batchEvents\":{\"maxSize\":2,\"timeout\":\"1s\","
               "\"if\":\"event.data.a && 'x'\"}"),
          "invalid batchEvents.if expression" },
        { WITH("\"batchEvents\":{\"maxSize\":2,\"timeout\":\"1s\"},"
               "\"cancel\":[{\"event\":\"x\"}]"), "batchEvents and cancel" },
        { WITH("\"batchEvents\":{\"maxSize\":2,\"timeout\":\"1s\"},"
               "\"cancel\":[]"), NULL },
        { WITH("\"batchEvents\":{\"maxSize\":2,\"timeout\":\"1s\"},"
               "\"debounce\":{\"period\":\"1s\"}"),
          "batchEvents and debounce are mutually exclusive" },
        { WITH("\"singleton\":{\"mode\":\"skip\"},"
               "\"batchEvents\":{\"maxSize\":2,\"timeout\":\"1s\"}"),
          "batchEvents and singleton" },
        { WITH("\"batchEvents\":{\"maxSize\":2,\"timeout\":\"1s\"},"
               "\"priority\":{\"run\":\"1\"}"), "batchEvents and priority" },

        { WITH("\"priority\":{}"), NULL },
        { WITH("\"priority\":{\"run\":1}"), "priority.run must be a string" },
        { WITH("\"priority\":{\"run\":\"'a' && 1\"}"), NULL },
        { WITH("\"priority\":{\"run\":\"'a' &&\"}"),
          "invalid priority.run expression" },
        { WITH("\"singleton\":{\"mode\":\"cancel\"}"), NULL },
        { WITH("\"singleton\":{}"), "singleton.mode" },
        { WITH("\"singleton\":{\"mode\":\"Skip\"}"), "singleton.mode" },
        { WITH("\"singleton\":{\"mode\":\"skip\",\"key\":\"event.data.k ==\""
               "}"), "invalid singleton.key expression" },
        { WITH("\"idempotency\":1"), "idempotency must be a string" },
        { WITH("\"idempotency\":\"event.data.id\""), NULL },
        { WITH("\"idempotency\":\"data.id\""),
          "invalid idempotency expression" },
        { WITH("\"timeouts\":{\"start\":\"1s\"}"), NULL },
        { WITH("\"timeouts\":{\"start\":\"0\",\"finish\":null}"), NULL },
        { WITH("\"timeouts\":{\"finish\":\"-1s\"}"), "timeouts.finish" },
        { WITH("\"timeouts\":{\"start\":\"1 hour\"}"), "timeouts.start" },
        { WITH("\"timeouts\":\"1h\""), "timeouts must be an object" },

        { WITH("\"cancel\":{}"), "cancel must be an array" },
        { WITH("\"cancel\":[{}]"), "cancel.event" },
        { WITH("\"cancel\":[{\"event\":\"a\",\"timeout\":\"x\"}]"),
          "cancel.timeout" },
        { CANCEL("event.data.id == async.data.id"), NULL },
        { CANCEL("event.data.a in ['x', 'y'] && (async.data.n >= -5 || "
                 "!event.data.t)"), NULL },
        { CANCEL("async.data.t ? int(async.data.n) == 1 : "
                 "async.data['n'] != 2.0"), NULL },
        { CANCEL("uint(async.data.n) < 5u && double(async.data.n) > 1.0"),
          NULL },
        { CANCEL("has(async.data.a)"), "\"has\" is not allowed here" },
        { CANCEL("async.data.a.exists(x, x == 1)"), "\"exists\" is not" },
        { CANCEL("async.data.n + 1 == 2"), "\"+\" is not allowed here" },
        { CANCEL("async.data.n - 1 == 2"), "\"-\" is not allowed here" },
        { CANCEL("async.data.n * 2 == 2"), "\"*\" is not allowed here" },
        { CANCEL("async.data.n / 2 == 2"), "\"/\" is not allowed here" },
        { CANCEL("async.data.n % 2 == 0"), "\"%\" is not allowed here" },
        { CANCEL("-async.data.n == 2"), "\"-\" is not allowed here" },
        { CANCEL("size(async.data.a) == 2"), "\"size\" is not allowed" },
        { CANCEL("async.data.a.contains('x')"), "\"contains\" is not" },
        { CANCEL("string(async.data.a) == '1'"), "\"string\" is not" },
        { CANCEL("date(async.data.a) > now()"), "is not allowed here" },
        { CANCEL("async.data.a = 1"), "invalid cancel.if expression" },
        { CANCEL("1 && 'a'"), "needs true or false" },
        { WITH("\"cancel\":[{\"event\":\"a\"},{\"event\":\"a\"},"
               "{\"event\":\"a\"},{\"event\":\"a\"},{\"event\":\"a\"},"
               "{\"event\":\"a\"}]"), "more than 5" },

        { WITH("\"concurrency\":0"), NULL },
        { WITH("\"concurrency\":5"), NULL },
        { WITH("\"concurrency\":-1"), "concurrency must be a number" },
        { WITH("\"concurrency\":\"5\""), "concurrency must be a number" },
        { WITH("\"concurrency\":{}"), NULL },
        { WITH("\"concurrency\":{\"limit\":1,\"scope\":\"fn\"}"), NULL },
        { WITH("\"concurrency\":[{\"limit\":1,\"scope\":\"Fn\",\"hash\":"
               "\"\"}]"), NULL },
        { WITH("\"concurrency\":{\"limit\":1,\"scope\":\"env\"}"),
          "needs a key" },
        { WITH("\"concurrency\":{\"limit\":1,\"scope\":\"account\"}"),
          "needs a key" },
        { WITH("\"concurrency\":{\"limit\":1,\"scope\":\"app\"}"),
          "concurrency.scope must be" },
        { WITH("\"concurrency\":[{\"limit\":1},{\"limit\":2},{\"limit\":3}]"),
          "more than 2 limits" },
        { WITH("\"concurrency\":[{\"limit\":-1}]"), "negative" },
        { WITH("\"concurrency\":[1]"), "must be an object" },
        { WITH("\"concurrency\":{\"fn\":[{\"limit\":1}],"
               "\"step\":[{\"limit\":2}]}"), NULL },
        { WITH("\"concurrency\":{\"fn\":[{\"limit\":1},{\"limit\":2}]}"),
          "concurrency.fn has more than 1 limit" },
        { WITH("\"concurrency\":{\"fn\":[{\"limit\":0}]}"),
          "concurrency.fn.limit" },
        { WITH("\"concurrency\":{\"fn\":[],\"step\":[],\"limit\":-1}"),
          "concurrency.limit must not be negative" },
        { WITH("\"concurrency\":{\"fn\":[],\"step\":[{\"limit\":0}]}"), NULL },
        { WITH("\"concurrency\":[{\"limit\":2,\"key\":\"event.data.\"}]"),
          "invalid concurrency.key expression" },
        { WITH("\"concurrency\":{\"limit\":1,\"scope\":\"env\",\"key\":"
               "\"'all'\"}"), NULL },
        { WITH("\"concurrency\":{\"fn\":1}"), "must be an array" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rc = dur_app_parse(dur_str_c(cases[i].payload), &app, err,
                           sizeof(err));

        if (cases[i].says == NULL) {
            if (!ok(rc == DUR_OK, "payload %zu is taken", i)) {
                printf("# %s\n", err);
            }

            dur_app_deinit(&app);
            continue;
        }

        if (!ok(rc == DUR_EINVAL && strstr(err, cases[i].says) != NULL,
                "payload %zu is refused: %s", i, cases[i].says))
        {
            printf("# %s\n# %s\n", cases[i].payload, err);
        }
    }

    is_int(dur_app_parse(dur_str("{}"), &app, err, 8), DUR_EINVAL,
           "a short room for the message");
    is_str(dur_str_c(err), "appName", "is filled and not overrun");
}


static void
test_url(void)
{
    dur_rc_t     rc;
    dur_str_t    out;
    dur_arena_t  arena;

    static const struct {
        const char  *url;
        const char  *normal;            /* NULL: refused */
    } cases[] = {
        { "http://localhost:3000/api", "http://localhost:3000/api" },
        { "http://127.0.0.1:3000/api", "http://localhost:3000/api" },
        { "http://0.0.0.0:3000/api", "http://localhost:3000/api" },
        { "http://0.0.0.0", "http://localhost" },
        { "HTTP://LocalHost/API", "http://localhost/API" },
        { "http://h:80/", "http://h/" }, { "https://h:443/", "https://h/" },
        { "http://h:443/", "http://h:443/" }, { "https://h:", "https://h" },
        { "https://h:80/", "https://h:80/" },
        { "http://h/a?deployId=1", "http://h/a" },
        { "http://h/a?x=1&deployId=1&y=2", "http://h/a?x=1&y=2" },
        { "http://h/a?deployId&x=1#f", "http://h/a?x=1" },
        { "http://h?deployIdx=1", "http://h?deployIdx=1" },
        { "http://h/a?x=http://y?z", "http://h/a?x=http://y?z" },
        { "http://u:p@127.0.0.1:80/", "http://u:p@localhost/" },
        { "http://[::1]:3000/", "http://[::1]:3000/" },
        { "http://127.0.0.1.example.com/", "http://127.0.0.1.example.com/" },
        { "", NULL }, { "http", NULL }, { "http:/h", NULL },
        { "http://", NULL }, { "http:///x", NULL }, { "http://:80/", NULL },
        { "//h/x", NULL }, { "/x", NULL }, { "ws://h/", NULL },
        { "http://h:x/", NULL }, { "http://h:0/", NULL },
        { "http://h:65536/", NULL }, { "http://h:99999999999999/", NULL },
        { "http://[::1/", NULL }, { "http://[::1]x/", NULL },
        { "http://h/a b", NULL }, { "http://h/a\n", NULL },
        { " http://h/", NULL },
    };

    dur_arena_init(&arena);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        out = dur_str_null;
        rc = dur_app_url_normalize(dur_str_c(cases[i].url), &arena, &out);

        is_int(rc, cases[i].normal ? DUR_OK : DUR_EINVAL, "the URL \"%s\"",
               cases[i].url);
        is_str(out, cases[i].normal ? cases[i].normal : "",
               "has its normal form");
    }

    dur_arena_deinit(&arena);
}


int
main(void)
{
    test_full();
    test_lenient();
    test_checksum();
    test_rules();
    test_url();

    return done_testing();
}
