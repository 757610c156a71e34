/* SPDX-License-Identifier: BSD-2-Clause */

/* Cron triggers: their text, and when they are due (features 6.1). */

#include "tap.h"
#include "engine/dur_cron.h"
#include "engine/dur_time.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NEW_YORK   "EST5EDT,M3.2.0,M11.1.0"
#define SAO_PAULO  "<-03>3<-02>,M11.1.0/0,M2.3.0/0"


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


/* -- when ----------------------------------------------------------------- */

static void
zone_of(const char *rule, dur_zone_t *zone)
{
    char  err[80];

    if (rule == NULL) {
        dur_zone_utc(zone);

    } else if (dur_zone_parse(dur_str_c(rule), zone, err) != DUR_OK) {
        ok(false, "\"%s\" %s", rule, err);
    }
}


static void
test_next(void)
{
    char        err[160], got[32];
    int64_t     at;
    dur_cron_t  cron;
    dur_zone_t  zone;

    static const struct {
        const char  *text;
        const char  *rule;
        const char  *after;
        const char  *next;              /* several, in order; empty: never */
    } tests[] = {
        { "0 9 * * 1", NULL, "2026-01-02T12:00:00Z", "2026-01-05T09:00:00Z" },
        { "*/15 * * * *", NULL, "2026-01-02T10:07:30Z",
          "2026-01-02T10:15:00Z" },
        { "* * * * *", NULL, "2026-01-02T10:07:00Z", "2026-01-02T10:08:00Z" },
        { "* * * * *", NULL, "2026-01-02T10:07:59.999Z",
          "2026-01-02T10:08:00Z" },
        { "0 0 29 2 *", NULL, "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z" },
        { "0 0 29 2 *", NULL, "2096-02-29T00:00:00Z", "" },
        { "0 0 31 2,4 *", NULL, "2026-01-01T00:00:00Z", "" },
        { "0 0 30 2 *", NULL, "2026-01-01T00:00:00Z", "" },
        { "0 0 13 * 5", NULL, "2026-01-01T00:00:00Z",
          "2026-01-02T00:00:00Z 2026-01-09T00:00:00Z 2026-01-13T00:00:00Z" },
        { "0 0 13 * */1", NULL, "2026-01-01T00:00:00Z",
          "2026-01-13T00:00:00Z 2026-02-13T00:00:00Z" },
        { "0 0 13 * 0-6", NULL, "2026-01-01T00:00:00Z",
          "2026-01-02T00:00:00Z 2026-01-03T00:00:00Z" },
        { "0 0 */2 * 1", NULL, "2026-01-03T12:00:00Z",
          "2026-01-05T00:00:00Z 2026-01-07T00:00:00Z 2026-01-09T00:00:00Z "
          "2026-01-11T00:00:00Z 2026-01-12T00:00:00Z" },
        { "5/20 * * * *", NULL, "2026-01-01T00:00:00Z",
          "2026-01-01T00:05:00Z 2026-01-01T00:25:00Z 2026-01-01T00:45:00Z "
          "2026-01-01T01:05:00Z" },
        { "0 0 * * sun", NULL, "2026-01-01T00:00:00Z",
          "2026-01-04T00:00:00Z" },
        { "0 0 ? * MON", NULL, "2026-01-01T00:00:00Z",
          "2026-01-05T00:00:00Z" },
        { "59 23 31 12 *", NULL, "2026-12-31T23:59:00Z",
          "2027-12-31T23:59:00Z" },

        /* spring: the hour from two is not there */
        { "0 2 * * *", NEW_YORK, "2012-03-10T12:00:00Z",
          "2012-03-12T06:00:00Z" },
        { "30 2 11 3 *", NEW_YORK, "2012-03-11T00:00:00Z",
          "2013-03-11T06:30:00Z" },
        { "0 * * * *", NEW_YORK, "2012-03-11T05:30:00Z",
          "2012-03-11T06:00:00Z 2012-03-11T07:00:00Z" },
        { "0 0 * * *", NEW_YORK, "2012-03-11T04:30:00Z",
          "2012-03-11T05:00:00Z 2012-03-12T04:00:00Z" },
        { "*/30 1-3 11 3 *", NEW_YORK, "2012-03-11T06:00:00Z",
          "2012-03-11T06:30:00Z 2012-03-11T07:00:00Z 2012-03-11T07:30:00Z" },

        /* autumn: the hour from one is there twice */
        { "0 * * * *", NEW_YORK, "2012-11-04T04:30:00Z",
          "2012-11-04T05:00:00Z 2012-11-04T06:00:00Z 2012-11-04T07:00:00Z" },
        { "0 1 * * *", NEW_YORK, "2012-11-04T00:00:00Z",
          "2012-11-04T05:00:00Z 2012-11-04T06:00:00Z 2012-11-05T06:00:00Z" },
        { "0 2 * * *", NEW_YORK, "2012-11-04T00:00:00Z",
          "2012-11-04T07:00:00Z 2012-11-05T07:00:00Z" },
        { "0 3 * * *", NEW_YORK, "2012-11-04T00:00:00Z",
          "2012-11-04T08:00:00Z 2012-11-05T08:00:00Z" },

        /* a day without a midnight */
        { "0 9 10 * *", SAO_PAULO, "2012-10-17T05:00:00Z",
          "2012-11-10T11:00:00Z" },
        { "0 0 * * *", SAO_PAULO, "2012-11-03T12:00:00Z",
          "2012-11-05T02:00:00Z" },
        { "0 1 * * *", SAO_PAULO, "2012-11-03T12:00:00Z",
          "2012-11-04T03:00:00Z" },

        /* offsets that are no hours */
        { "0 0 * * *", "IST-5:30", "2026-01-01T00:00:00Z",
          "2026-01-01T18:30:00Z" },
        { "*/30 * * * *", "LMT0:16:08", "2026-01-01T00:00:00Z",
          "2026-01-01T00:16:08Z 2026-01-01T00:46:08Z" },
    };

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        char    list[256] = "";

        zone_of(tests[i].rule, &zone);
        dur_cron_parse(dur_str_c(tests[i].text), &cron, err);
        dur_rfc3339_parse(dur_str_c(tests[i].after), &at);

        do {
            at = dur_cron_next(&cron, &zone, at);

            if (at != DUR_CRON_NEVER) {
                dur_rfc3339_text(at, got);
                snprintf(list + strlen(list), sizeof(list) - strlen(list),
                         "%s%s", list[0] ? " " : "", got);
            }
        } while (at != DUR_CRON_NEVER
                 && strlen(list) < strlen(tests[i].next));

        if (!ok(strcmp(list, tests[i].next) == 0,
                "\"%s\"%s%s after %s: %s", tests[i].text,
                tests[i].rule ? " in " : "",
                tests[i].rule ? tests[i].rule : "", tests[i].after,
                tests[i].next[0] ? tests[i].next : "never"))
        {
            printf("# got %s\n", list);
        }
    }
}


/* -- minute by minute ----------------------------------------------------- */

#define TEXTS  10

/* The rule of the fields, word for word, on what the C library shows. */
static bool
matches(const dur_cron_t *cron, const struct tm *tm)
{
    bool  day, weekday;

    day = cron->day >> tm->tm_mday & 1;
    weekday = cron->weekday >> tm->tm_wday & 1;

    return tm->tm_sec == 0
           && (cron->minute >> tm->tm_min & 1)
           && (cron->hour >> tm->tm_hour & 1)
           && (cron->month >> (tm->tm_mon + 1) & 1)
           && ((cron->any_day || cron->any_weekday) ? day && weekday
                                                    : day || weekday);
}


static void
test_minutes(const char *name, int64_t from, int64_t to)
{
    char               path[128], err[160];
    size_t             i, n, due;
    FILE              *f;
    time_t             t;
    int64_t            next[TEXTS];
    unsigned           wrong;
    struct tm          tm;
    dur_zone_t         zone;
    dur_cron_t         crons[TEXTS];
    static uint8_t     file[DUR_ZONE_MAX];
    static const char *texts[TEXTS] = {
        "* * * * *", "*/7 * * * *", "0 * * * *", "30 2 * * *", "0 0 * * *",
        "15 1-3 * * *", "59 23 * * sun", "0 1 1 * *", "30 0,12 13 * 5",
        "45 */5 28-31 2,3,10,11 *"
    };

    snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", name);
    f = fopen(path, "rb");
    n = f ? fread(file, 1, sizeof(file), f) : 0;
    if (f == NULL || fclose(f) != 0
        || dur_zone_parse(dur_str_make(file, n), &zone, err) != DUR_OK)
    {
        ok(false, "%s is read", name);
        return;
    }

    snprintf(path, sizeof(path), ":%s", name);
    setenv("TZ", path, 1);
    tzset();

    for (i = 0; i < TEXTS; i++) {
        dur_cron_parse(dur_str_c(texts[i]), &crons[i], err);
        next[i] = dur_cron_next(&crons[i], &zone, (from - 1) * 1000);
    }

    for (wrong = 0, due = 0, t = from; t < to; t += 60) {
        localtime_r(&t, &tm);

        for (i = 0; i < TEXTS; i++) {
            if (matches(&crons[i], &tm) != (next[i] == t * 1000)) {
                wrong++;
            }

            if (next[i] <= t * 1000) {
                next[i] = dur_cron_next(&crons[i], &zone, t * 1000);
                due++;
            }
        }
    }

    ok(wrong == 0 && due > 0, "%s: each minute from %lld to %lld, %zu are due",
       name, (long long) from, (long long) to, due);
}


int
main(void)
{
    size_t  i;

    static const char  *zones[] = {
        "Europe/Paris", "America/New_York", "America/Sao_Paulo",
        "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"
    };

    test_texts();
    test_sets();
    test_next();

    if (access("/usr/share/zoneinfo/Europe/Paris", R_OK) != 0) {
        ok(true, "no zones on this machine # SKIP tzdata is not installed");
        return done_testing();
    }

    /* two years with changes, before 2019 also in Brazil */

    for (i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        test_minutes(zones[i], 1514764800, 1546300800);
        test_minutes(zones[i], 1767225600, 1798761600);
    }

    return done_testing();
}
