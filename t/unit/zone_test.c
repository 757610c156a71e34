/* SPDX-License-Identifier: BSD-2-Clause */

/* Time zones: rules, files, and the C library as the witness. */

#include "tap.h"
#include "engine/dur_time.h"
#include "engine/dur_zone.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>


static uint8_t  bytes[DUR_ZONE_MAX + 2];


static dur_str_t
read_zone(const char *name)
{
    char    path[128];
    size_t  n;
    FILE   *f;

    snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", name);

    f = fopen(path, "rb");
    if (f == NULL) {
        return dur_str_null;
    }

    n = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);

    return dur_str_make(bytes, n);
}


static int64_t
instant(const char *text)
{
    int64_t  ms;

    return dur_rfc3339_parse(dur_str_c(text), &ms) == DUR_OK ? ms / 1000 : 0;
}


static void
test_names(void)
{
    size_t  i;

    static const char  *good[] = {
        "Europe/Paris", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "UTC",
        "America/Port-au-Prince", "EST5EDT"
    };
    static const char  *bad[] = {
        "", "/etc/passwd", "..", "../x", "Europe/../../etc/passwd",
        "Europe//Paris", "Europe/", "./UTC", "Europe/Paris ", "a\tb",
        "zone.tab",
        "Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    };

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ok(dur_zone_name(dur_str_c(good[i])), "\"%s\" may be a zone", good[i]);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ok(!dur_zone_name(dur_str_c(bad[i])), "\"%s\" is none", bad[i]);
    }

    ok(dur_zone_is_utc(dur_str("Etc/UTC")) && dur_zone_is_utc(dur_str("UTC"))
       && !dur_zone_is_utc(dur_str("WET")), "UTC needs no data");
}


static void
test_rules(void)
{
    char        err[80];
    int64_t     until;
    dur_zone_t  zone;

    static const struct {
        const char  *rule;
        const char  *at;
        int32_t      offset;
        const char  *until;             /* NULL: for ever */
    } tests[] = {
        { "UTC0", "2026-06-01T00:00:00Z", 0, NULL },
        { "JST-9", "2026-06-01T00:00:00Z", 32400, NULL },
        { "<-0330>3:30", "2026-06-01T00:00:00Z", -12600, NULL },
        { "CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29T00:59:59Z", 3600,
          "2026-03-29T01:00:00Z" },
        { "CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29T01:00:00Z", 7200,
          "2026-10-25T01:00:00Z" },
        { "CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25T01:00:00Z", 3600,
          "2027-03-28T01:00:00Z" },
        { "EST5EDT,M3.2.0,M11.1.0", "2026-03-08T07:00:00Z", -14400,
          "2026-11-01T06:00:00Z" },
        { "EST5EDT,M3.2.0,M11.1.0", "2026-11-01T06:00:00Z", -18000,
          "2027-03-14T07:00:00Z" },

        /* the south: summer is over the turn of the year */
        { "AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-01-01T00:00:00Z", 39600,
          "2026-04-04T16:00:00Z" },
        { "AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-12-31T00:00:00Z", 39600,
          "2027-04-03T16:00:00Z" },

        /* times before midnight and after the end of the day */
        { "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z", -3600,
          "2026-10-25T01:00:00Z" },
        { "EET-2EEST,M3.4.4/50,M10.4.4/50", "2026-03-28T00:00:00Z", 10800,
          "2026-10-23T23:00:00Z" },

        /* by the day of the year; J60 is the first of March in any year */
        { "AAA0BBB,J60/0,J300/0", "2028-03-01T00:00:00Z", 3600,
          "2028-10-26T23:00:00Z" },
        { "AAA0BBB,59/0,300/0", "2028-02-29T00:00:00Z", 3600,
          "2028-10-26T23:00:00Z" },

        /* summer all the year, as files say it */
        { "XXX3EDT4,0/0,J365/23", "2026-07-01T00:00:00Z", -14400,
          "2027-01-01T03:00:00Z" },
        { "XXX3EDT4,0/0,J365/23", "2027-01-01T03:00:00Z", -14400,
          "2028-01-01T03:00:00Z" },
    };

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        is_int(dur_zone_parse(dur_str_c(tests[i].rule), &zone, err), DUR_OK,
               "\"%s\" is a rule", tests[i].rule);
        is_int(dur_zone_offset(&zone, instant(tests[i].at), &until),
               tests[i].offset, "at %s", tests[i].at);
        is_int(until, tests[i].until ? instant(tests[i].until) : INT64_MAX,
               "until %s", tests[i].until ? tests[i].until : "for ever");
    }
}


static void
test_no_zones(void)
{
    char        err[80];
    int64_t     until;
    dur_zone_t  zone;

    static const char  *tests[] = {
        "", "U0", "UTC", "UTC25", "UTC0UTX", "UTC0UTX,M3.5.0",
        "UTC0UTX,M3.5.0,", "UTC0UTX,M13.5.0,M10.5.0", "UTC0UTX,M0.5.0,M1.1.1",
        "UTC0UTX,M3.6.0,M10.5.0", "UTC0UTX,M3.5.7,M10.5.0",
        "UTC0UTX,J0,J366", "UTC0UTX,J1,366", "UTC0UTX,J1/168,J2",
        "UTC0UTX,J1,J2,", "<UTC0", "<>0", "UTC0:60", "TZif", "hello, world"
    };

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        err[0] = '\0';
        ok(dur_zone_parse(dur_str_c(tests[i]), &zone, err) == DUR_EINVAL
           && strncmp(err, "has ", 4) == 0, "\"%s\" is no zone: it %s",
           tests[i], err);
        ok(dur_zone_offset(&zone, 0, &until) == 0 && until == INT64_MAX,
           "and is used as UTC by whoever does not look");
    }
}


/* Whatever is cut off or turned over is refused or read within its bytes. */
static void
test_damage(void)
{
    char        err[80];
    size_t      i;
    int64_t     until;
    uint8_t    *copy;
    dur_str_t   file;
    dur_zone_t  zone;
    unsigned    taken;

    file = read_zone("Europe/Paris");
    taken = 0;

    for (i = 0; i < file.len; i++) {
        copy = malloc(i + 1);
        memcpy(copy, file.data, i);
        taken += dur_zone_parse(dur_str_make(copy, i), &zone, err) == DUR_OK;
        free(copy);
    }

    is_int(taken, 0, "a file that is cut off is refused wherever that is");

    copy = malloc(file.len + 1);

    for (i = 0; i < file.len; i++) {
        memcpy(copy, file.data, file.len);
        copy[i] ^= 0xff;

        if (dur_zone_parse(dur_str_make(copy, file.len), &zone, err)
            == DUR_OK)
        {
            (void) dur_zone_offset(&zone, INT64_MIN, &until);
            (void) dur_zone_offset(&zone, 1790000000, &until);
            (void) dur_zone_offset(&zone, INT64_MAX, &until);
        }
    }

    copy[file.len] = 'x';
    memcpy(copy, file.data, file.len);
    is_int(dur_zone_parse(dur_str_make(copy, file.len + 1), &zone, err),
           DUR_EINVAL, "so is one with something behind its end");
    free(copy);
}


static void
test_library(const char *name)
{
    char        err[80], tz[64];
    time_t      t;
    int64_t     at, until, wrong;
    struct tm   tm;
    dur_zone_t  zone;

    if (dur_zone_parse(read_zone(name), &zone, err) != DUR_OK) {
        ok(false, "%s %s", name, err);
        return;
    }

    snprintf(tz, sizeof(tz), ":%s", name);
    setenv("TZ", tz, 1);
    tzset();

    /* each change, and the second before it */

    wrong = 0;

    for (at = 0; at < 4102444800; at = until) {
        for (t = at > 0 ? at - 1 : 0; t <= at; t++) {
            localtime_r(&t, &tm);
            wrong += tm.tm_gmtoff != dur_zone_offset(&zone, t, &until);
        }
    }

    is_int(wrong, 0, "%s changes when the C library says", name);

    for (t = 0; t < 4102444800; t += 86400 * 3 + 3671) {
        localtime_r(&t, &tm);
        wrong += tm.tm_gmtoff != dur_zone_offset(&zone, t, &until);
    }

    is_int(wrong, 0, "and not in between, up to 2100");
}


int
main(void)
{
    size_t  i;

    static const char  *zones[] = {
        "Europe/Paris", "America/New_York", "America/Sao_Paulo",
        "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata",
        "Asia/Gaza", "Pacific/Apia", "America/Nuuk", "Europe/Dublin",
        "Asia/Tehran", "Africa/Cairo", "Etc/GMT+5", "UTC"
    };

    test_names();
    test_rules();
    test_no_zones();

    if (access("/usr/share/zoneinfo/Europe/Paris", R_OK) != 0) {
        ok(true, "no zones on this machine # SKIP tzdata is not installed");
        return done_testing();
    }

    test_damage();

    for (i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        test_library(zones[i]);
    }

    return done_testing();
}
