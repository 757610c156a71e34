/* SPDX-License-Identifier: BSD-2-Clause */

#include "tap.h"
#include "engine/dur_config.h"


static bool
config_eq(const dur_config_t *a, const dur_config_t *b)
{
    return a->dev == b->dev && a->retry_interval == b->retry_interval
           && a->retention == b->retention && a->max_steps == b->max_steps
           && a->max_calls == b->max_calls && a->max_output == b->max_output
           && a->max_state == b->max_state
           && a->call_timeout == b->call_timeout
           && a->max_concurrency == b->max_concurrency;
}


static void
test_apps(void)
{
    char          url[64];
    uint32_t      i;
    dur_buf_t     a, b;
    dur_config_t  one, two, out;

    dur_config_init(&one);
    dur_config_init(&two);
    dur_buf_init(&a, 8192);
    dur_buf_init(&b, 8192);

    is_int(dur_config_app_calls(&one, dur_str("http://localhost/a")), 128,
           "an app without a limit of its own has the common one");

    dur_config_app_add(&one, dur_str("http://localhost/a"), 1);
    dur_config_app_add(&one, dur_str("http://localhost/b"), 9);
    dur_config_app_add(&two, dur_str("http://localhost/b"), 2);
    dur_config_app_add(&two, dur_str("http://localhost/a"), 1);
    dur_config_app_add(&two, dur_str("http://localhost/b"), 9);

    is_int(two.napps, 2, "an app has one limit, the last one");
    is_int(dur_config_app_calls(&one, dur_str("http://localhost/a")), 1,
           "an app has its own limit");
    is_int(dur_config_app_calls(&one, dur_str("http://localhost/b")), 9,
           "and another app another one");
    is_int(dur_config_app_calls(&one, dur_str("http://localhost/c")), 128,
           "which is not that of a third");

    dur_config_encode(&one, &a);
    dur_config_encode(&two, &b);
    ok(dur_str_eq(dur_buf_str(&a), dur_buf_str(&b)),
       "the order of the directives makes no difference to the bytes");

    is_int(dur_config_decode(dur_buf_str(&a), &out), DUR_OK, "they decode");
    is_int(dur_config_app_calls(&out, dur_str("http://localhost/b")), 9,
           "to the same limits");

    /* the two fields of the apps, exchanged */

    memcpy(b.data + 90 + 2, a.data + 90 + 26 + 2, 24);
    memcpy(b.data + 90 + 26 + 2, a.data + 90 + 2, 24);
    is_int(dur_config_decode(dur_buf_str(&b), &out), DUR_EINVAL,
           "apps that are not in order are refused");

    dur_config_init(&out);

    for (i = 0; i < DUR_CONFIG_APPS; i++) {
        snprintf(url, sizeof(url), "http://localhost/%u", i);
        dur_config_app_add(&out, dur_str_c(url), i + 1);
    }

    is_int(dur_config_app_add(&out, dur_str("http://localhost/more"), 3),
           DUR_EFULL, "there is an end to it");
    is_int(dur_config_app_add(&out, dur_str("http://localhost/7"), 3),
           DUR_OK, "what is there can still be changed");

    dur_buf_reset(&a);
    dur_config_encode(&out, &a);
    is_int(dur_config_decode(dur_buf_str(&a), &two), DUR_OK,
           "all of them fit in a blob");
    is_int(dur_config_app_calls(&two, dur_str("http://localhost/63")), 64,
           "the last as well");

    dur_buf_deinit(&a);
    dur_buf_deinit(&b);
}


int
main(void)
{
    size_t        good;
    dur_buf_t     a, b;
    dur_config_t  conf, out;

    static const struct {
        const char  *bytes;
        size_t       len;
        int          rc;
        const char  *title;
    } cases[] = {
        { "", 0, DUR_OK, "no fields are the defaults" },
        { "\xc8\x02hi", 4, DUR_OK, "an unknown field is passed over" },
        { "\x01", 1, DUR_EINVAL, "a tag without a length is refused" },
        { "\x01\x08\x00", 3, DUR_EINVAL, "half a value is refused" },
        { "\x01\x01\x01", 3, DUR_EINVAL, "a value of one byte is refused" },
        { "\x00\x00", 2, DUR_EINVAL, "tag 0 is refused" },
        { "\xc8\x00\xc7\x00", 4, DUR_EINVAL, "a falling order is refused" },
        { "\xc8\x00\xc8\x00", 4, DUR_EINVAL, "a field twice is refused" },
        { "\x01\x08\x00\x00\x00\x00\x00\x00\x00\x02", 10, DUR_EINVAL,
          "dev is a boolean" },
        { "\x02\x08\xff\xff\xff\xff\xff\xff\xff\xfe", 10, DUR_EINVAL,
          "a retry interval below -1 is refused" },
        { "\x03\x08\xff\xff\xff\xff\xff\xff\xff\xff", 10, DUR_EINVAL,
          "a negative retention is refused" },
        { "\x04\x08\x00\x00\x00\x01\x00\x00\x00\x00", 10, DUR_EINVAL,
          "steps beyond 32 bits are refused" },
    };

    dur_config_init(&conf);
    ok(!conf.dev && conf.retry_interval == -1 && conf.max_steps == 1000
       && conf.max_calls == 128 && conf.max_concurrency == 1000
       && conf.max_output == 4194304
       && conf.max_state == 33554432 && conf.call_timeout == 7200000
       && conf.retention == 2592000000,
       "the defaults are the documented ones");

    conf.dev = true;
    conf.retry_interval = 0;
    conf.retention = 0;
    conf.max_steps = 10000;
    conf.max_calls = UINT32_MAX;
    conf.max_concurrency = 1;
    conf.max_output = UINT64_MAX;
    conf.max_state = 1;
    conf.call_timeout = INT64_MAX;

    dur_buf_init(&a, 1024);
    dur_buf_init(&b, 1024);

    is_int(dur_config_encode(&conf, &a), DUR_OK, "settings are encoded");
    is_int(dur_config_encode(&conf, &b), DUR_OK, "twice");
    ok(dur_str_eq(dur_buf_str(&a), dur_buf_str(&b)),
       "equal settings are equal bytes");
    is_int(dur_config_decode(dur_buf_str(&a), &out), DUR_OK, "and decoded");
    ok(config_eq(&conf, &out), "to what they were");

    good = 0;

    for (size_t n = 0; n < a.len; n++) {
        if (dur_config_decode(dur_str_make(a.data, n), &out) == DUR_OK) {
            good++;
        }
    }

    is_int(good, 9, "a blob is only whole at the end of a field");

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int(dur_config_decode(dur_str_make(cases[i].bytes, cases[i].len),
                                 &out), cases[i].rc, "%s", cases[i].title);
    }

    dur_config_init(&conf);
    dur_config_decode(dur_str("\xc8\x02hi"), &out);
    ok(config_eq(&conf, &out), "fields that are missing have their default");

    dur_buf_deinit(&a);
    dur_buf_init(&a, 16);
    ok(dur_config_encode(&conf, &a) != DUR_OK && a.len == 0,
       "a full buffer is left as it was");

    dur_buf_deinit(&a);
    dur_buf_deinit(&b);

    test_apps();

    return done_testing();
}
