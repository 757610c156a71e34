/* SPDX-License-Identifier: BSD-2-Clause */

/* The text of cron triggers, features 6.1. */

#include "tap.h"
#include "engine/dur_cron.h"


static void
test_texts(void)
{
    char        err[160];
    dur_rc_t    rc;
    dur_cron_t  cron;

    static const struct {
        const char  *text;
        const char  *says;              /* NULL: it is one */
    } tests[] = {
        { "* * * * *", NULL },
        { "  0\t9 *  * 1 ", NULL },
        { "0 0 ? * MON", NULL },
        { "0 0 * jan-Dec sun", NULL },
        { "*/15 0-23/2 1,15,31 1-6 mon-fri", NULL },
        { "5/20 * * * *", NULL },
        { "0 0 30 2 *", NULL },
        { "0 0 * * fri,SAT", NULL },
        { "TZ=Europe/Paris 0 12 * * 5", NULL },
        { "CRON_TZ=Etc/GMT+5 0 12 * * 5", NULL },
        { "TZ=UTC 0 0 * * *", NULL },

        { "", "five fields" },
        { "* * * *", "five fields" },
        { "* * * * * *", "five fields" },
        { "@daily", "five fields" },
        { "@every 1h", "five fields" },
        { "TZ=UTC", "five fields" },
        { "TZ= 0 9 * * *", "no zone behind its TZ=" },
        { "TZ=../etc 0 9 * * *", "not the name of a zone" },
        { "TZ=/etc/x 0 9 * * *", "not the name of a zone" },
        { "60 * * * *", "minute \"60\" has no such value" },
        { "* 24 * * *", "hour \"24\" has no such value" },
        { "* * 0 * *", "day \"0\" has no such value" },
        { "* * 32 * *", "day \"32\" has no such value" },
        { "* * * 13 *", "month \"13\" has no such value" },
        { "0 0 * * 7", "weekday \"7\" has no such value" },
        { "0 0 * * monday", "weekday \"monday\" has no such value" },
        { "0 0 * * 5-1", "ends before it begins" },
        { "0 0 * * fri-mon", "ends before it begins" },
        { "*/0 * * * *", "number from 1 behind its \"/\"" },
        { "*/x * * * *", "number from 1 behind its \"/\"" },
        { "*/ * * * *", "number from 1 behind its \"/\"" },
        { "1/2/3 * * * *", "number from 1 behind its \"/\"" },
        { "1-2-3 * * * *", "has no such value" },
        { "*-5 * * * *", "has no such value" },
        { "+5 * * * *", "has no such value" },
        { "-5 * * * *", "has no such value" },
        { "1,,2 * * * *", "has an empty member" },
        { ",1 * * * *", "has an empty member" },
        { "1, * * * *", "has an empty member" },
        { ", * * * *", "has an empty member" },
        { "0 0 L * *", "has no such value" },
        { "0 0 * * 5#2", "has no such value" },
        { "00000 * * * *", "has no such value" },
    };

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        err[0] = '\0';
        rc = dur_cron_parse(dur_str_c(tests[i].text), &cron, err);

        if (tests[i].says == NULL) {
            ok(rc == DUR_OK, "\"%s\" is a cron text %s", tests[i].text, err);
            continue;
        }

        if (!ok(rc == DUR_EINVAL && strstr(err, tests[i].says) != NULL,
                "\"%s\" is none: %s", tests[i].text, tests[i].says))
        {
            printf("# %s\n", err);
        }
    }
}


static void
test_sets(void)
{
    char        err[160];
    dur_cron_t  cron;

    dur_cron_parse(dur_str("TZ=Asia/Tokyo 5/20 9,17-18 */10 feb-apr mon"),
                   &cron, err);
    ok(cron.minute == (1ULL << 5 | 1ULL << 25 | 1ULL << 45),
       "a value with a step goes on to the end");
    ok(cron.hour == (1U << 9 | 1U << 17 | 1U << 18), "lists and ranges");
    ok(cron.day == (1U << 1 | 1U << 11 | 1U << 21 | 1U << 31),
       "a star with a step begins at the lowest value");
    ok(cron.month == (1U << 2 | 1U << 3 | 1U << 4), "names of months");
    ok(cron.weekday == 1U << 1, "names of days");
    is_str(cron.zone, "Asia/Tokyo", "the zone in front");
    ok(!cron.any_day && !cron.any_weekday, "a star with a step restricts");

    dur_cron_parse(dur_str("0 0 */1 * ?"), &cron, err);
    ok(cron.any_day && cron.any_weekday && cron.zone.len == 0,
       "*/1 and ? are plain stars");

    dur_cron_parse(dur_str("0 0 1-31 * 0-6"), &cron, err);
    ok(!cron.any_day && !cron.any_weekday && cron.weekday == 0x7f,
       "a range of all values is none");
}


int
main(void)
{
    test_texts();
    test_sets();

    return done_testing();
}
