/* SPDX-License-Identifier: BSD-2-Clause */

/* What is read of a stored configuration: features 0.1. */

#include "tap.h"
#include "engine/dur_option.h"


static dur_arena_t   arena;
static dur_option_t  option;


static dur_rc_t
load(const char *config)
{
    dur_option_free(&option);

    return dur_option_load(dur_str_c(config), &arena, &option);
}


static void
test_absent(void)
{
    size_t  i;

    static const char *const  none[] = {
        "{}", "{\"id\":\"f\"}",
        "{\"cancel\":null,\"timeouts\":null,\"rateLimit\":null,"
        "\"idempotency\":null,\"singleton\":null}",
        "{\"cancel\":[],\"timeouts\":{},\"idempotency\":\"\"}",
        "{\"timeouts\":{\"start\":\"0\",\"finish\":\"\"}}",
        "{\"timeouts\":{\"start\":null}}",
    };

    for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        is_int(load(none[i]), DUR_OK, "%s can be read", none[i]);
        ok(option.ncancels == 0 && option.start == 0 && option.finish == 0
           && option.limit == 0 && option.singleton == DUR_SINGLETON_NONE
           && option.rows == 0, "and asks for nothing");
    }
}


static void
test_options(void)
{
    is_int(load("{\"CANCEL\":[{\"event\":\"c\",\"if\":\"event.data.id == "
                "async.data.id\",\"timeout\":\"1h\"},{\"Event\":\"d\","
                "\"if\":null}]}"), DUR_OK, "cancelOn, keys in any case");
    is_int(option.ncancels, 2, "all of its entries");
    is_str(option.cancels[0].event, "c", "with their events,");
    is_str(option.cancels[0].expression, "event.data.id == async.data.id",
           "expressions");
    is_str(option.cancels[0].timeout, "1h", "and time-outs as they were sent");
    ok(option.cancels[0].expr != NULL && option.cancels[1].expr == NULL,
       "the expressions are compiled");
    is_str(option.cancels[1].event, "d", "the second entry");

    is_int(load("{\"timeouts\":{\"start\":\"1.5s\",\"finish\":\"1d2h\"}}"),
           DUR_OK, "timeouts");
    is_int(option.start, 1500, "to start");
    is_int(option.finish, 26 * 3600 * 1000, "to finish");

    is_int(load("{\"rateLimit\":{\"limit\":5.0,\"period\":\"1m\",\"key\":"
                "\"event.data.k\"}}"), DUR_OK, "rateLimit");
    is_int(option.limit, 5, "its limit");
    is_int(option.period, 60000, "its period");
    ok(option.limit_key != NULL, "its key");

    is_int(load("{\"rateLimit\":{\"limit\":5,\"period\":\"1m\",\"key\":"
                "\"event.data.k\"},\"idempotency\":\"event.data.id\"}"),
           DUR_OK, "idempotency");
    is_int(option.limit, 1, "is a limit of one");
    is_int(option.period, 24 * 3600 * 1000, "in a day");
    ok(option.limit_key != NULL, "and replaces the one that is there");

    is_int(load("{\"singleton\":{\"mode\":\"skip\"}}"), DUR_OK, "singleton");
    is_int(option.singleton, DUR_SINGLETON_SKIP, "that skips");
    ok(option.singleton_key == NULL, "without a key");
    is_int(load("{\"singleton\":{\"mode\":\"cancel\",\"key\":\"event.data.k\""
                "}}"), DUR_OK, "singleton");
    is_int(option.singleton, DUR_SINGLETON_CANCEL, "that cancels");
    ok(option.singleton_key != NULL && option.rows > 0, "with a key");
}


static void
test_damaged(void)
{
    size_t  i;

    static const char *const  bad[] = {
        "", "{", "{\"rateLimit\":{\"limit\":0,\"period\":\"1h\"}}",
        "{\"rateLimit\":{\"limit\":1,\"period\":\"soon\"}}",
        "{\"rateLimit\":{\"limit\":1,\"period\":\"1h\",\"key\":\"x\"}}",
        "{\"rateLimit\":{\"limit\":1,\"period\":\"1h\",\"key\":\"event.a\"},"
        "\"idempotency\":\"(\"}",
        "{\"timeouts\":{\"start\":5}}",
        "{\"timeouts\":{\"finish\":\"-1s\"}}",
        "{\"cancel\":[{\"event\":\"c\",\"if\":\"event.a == 1\"},"
        "{\"event\":\"c\",\"if\":\")\"}]}",
        "{\"cancel\":[{\"event\":\"1\"},{\"event\":\"2\"},{\"event\":\"3\"},"
        "{\"event\":\"4\"},{\"event\":\"5\"},{\"event\":\"6\"}]}",
        "{\"singleton\":{\"mode\":\"skip\",\"key\":\"event.data.k =\"}}",
    };

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        is_int(load(bad[i]), DUR_ECORRUPT, "%s was never registered", bad[i]);
        ok(option.ncancels == 0 && option.limit_key == NULL
           && option.limit == 0, "and nothing is left of it");
    }
}


int
main(void)
{
    dur_arena_init(&arena);

    test_absent();
    test_options();
    test_damaged();

    dur_option_free(&option);
    dur_arena_deinit(&arena);

    return done_testing();
}
