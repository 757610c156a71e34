/* SPDX-License-Identifier: BSD-2-Clause */

#include "fuzz.h"
#include "engine/dur_app.h"

FUZZ_TARGET("registrations and URLs")

const dur_str_t  fuzz_seeds[] = {
    dur_str("{\"appName\":\"a\",\"url\":\"http://127.0.0.1:3000/x?deployId=1"
            "&y=2\",\"functions\":[{\"id\":\"a-f\",\"name\":\"F\","
            "\"triggers\":[{\"event\":\"t/e\",\"expression\":"
            "\"event.data.x == 1\"},{\"cron\":\"TZ=UTC 0 0 * * *\","
            "\"jitter\":\"30s\"}],\"steps\":{\"step\":{\"runtime\":{\"url\":"
            "\"http://h/x\"},\"retries\":{\"attempts\":3}}},"
            "\"rateLimit\":{\"limit\":1,\"period\":\"1h\"},"
            "\"concurrency\":[{\"limit\":1,\"scope\":\"fn\"},{\"limit\":2}],"
            "\"throttle\":{\"limit\":1,\"period\":\"1s\",\"burst\":1},"
            "\"cancel\":[{\"event\":\"c\",\"timeout\":\"1h\"}]}]}"),
    dur_str("{\"appname\":\"a\",\"url\":\"https://[::1]:443\",\"functions\":[{"
            "\"name\":\"F G\",\"steps\":{\"s\":{\"runtime\":{\"url\":"
            "\"https://h\"}}},\"batchEvents\":{\"maxSize\":2,\"timeout\":"
            "\"5s\"},\"concurrency\":{\"fn\":[{\"limit\":1}]},"
            "\"timeouts\":{\"start\":\"1s\"}}]}"),
    dur_str("http://u:p@0.0.0.0:80/a?deployId=1&b=2#c"),
    dur_str("https://[::1]:3000/?deployId"),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("null"), dur_str("0"), dur_str("-1"), dur_str("1.5"),
    dur_str("\"\""), dur_str("[]"), dur_str("{}"), dur_str("\\u0000"),
    dur_str("\"singleton\":{\"mode\":\"skip\"},"),
    dur_str("\"debounce\":{\"period\":\"1s\"},"), dur_str("://"),
    dur_str("deployId="), dur_str("@"), dur_str("["), dur_str("]"),
    dur_str(":"), dur_str("\"retries\":99,"), dur_str_null
};


static void
check_url(const uint8_t *data, size_t len)
{
    dur_str_t    out, again;
    dur_arena_t  arena;

    dur_arena_init(&arena);

    if (dur_app_url_normalize(dur_str_make(data, len), &arena, &out)
        == DUR_OK)
    {
        /* "0.0.0.0" grows by two bytes, which may lead over the limit */

        if (dur_app_url_normalize(out, &arena, &again) == DUR_OK) {
            fuzz_check(dur_str_eq(out, again));
        } else {
            fuzz_check(out.len > 2048);
        }
    }

    dur_arena_deinit(&arena);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char       err[300];
    dur_rc_t   rc;
    dur_app_t  app;

    check_url(data, len);

    memset(err, 'x', sizeof(err));
    rc = dur_app_parse(dur_str_make(data, len), &app, err, sizeof(err));

    if (rc != DUR_OK) {
        fuzz_check(rc == DUR_EINVAL);
        fuzz_check(err[0] != '\0');
        fuzz_check(memchr(err, '\0', sizeof(err)) != NULL);
        return 0;
    }

    fuzz_check(app.name.len && app.url.len && json_is_object(app.root));

    for (size_t i = 0; i < app.nfunctions; i++) {
        fuzz_check(app.functions[i].slug.len && app.functions[i].url.len);
        fuzz_check(app.functions[i].retries <= 20);
        fuzz_check(app.functions[i].ntriggers <= DUR_APP_TRIGGERS_MAX);
    }

    dur_app_deinit(&app);

    return 0;
}
