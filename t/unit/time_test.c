/* SPDX-License-Identifier: BSD-2-Clause */

#include "tap.h"
#include "engine/dur_time.h"


#define NOW  1700000000000          /* 2023-11-14T22:13:20Z */
#define BAD  INT64_MIN
#define BIG  (INT64_MIN + 2)


static int
expected_rc(int64_t v)
{
    return v == BAD ? DUR_EINVAL : v == BIG ? DUR_ETOOBIG : DUR_OK;
}


static void
test_duration(void)
{
    int64_t  ms;

    static const struct {
        const char  *text;
        int64_t      ms;
    } cases[] = {
        { "0", 0 }, { "+0", 0 }, { "-0", 0 }, { "0s", 0 },
        { "1s", 1000 }, { "10s", 10000 }, { "1m", 60000 }, { "1h", 3600000 },
        { "1d", 86400000 }, { "1w", 604800000 }, { "250ms", 250 },
        { "1h30m", 5400000 }, { "2d12h", 216000000 },
        { "1w2d3h4m5s6ms", 788645006 }, { "1.5h", 5400000 },
        { ".5s", 500 }, { "1.s", 1000 }, { "0.1s", 100 },
        { "-1.5h", -5400000 },
        { "+1s", 1000 }, { "1s1s", 2000 }, { "24h0m0s", 86400000 },
        { "1500us", 2 }, { "1499us", 1 }, { "499999ns", 0 }, { "500000ns", 1 },
        { "1000\xc2\xb5s", 1 }, { "1000\xce\xbcs", 1 },
        { "0.0000000000000000000000001w", 0 },
        { "00000000000000000000000001s", 1000 },
        { "9223372036854775807ms", INT64_MAX },
        { "-9223372036854775807ms", -INT64_MAX },
        { "9223372036854775808ms", BIG }, { "99999999999999999999w", BIG },
        { "9223372036854775807ms1ms", BIG }, { "15250284453w", BIG },
        { "", BAD }, { "-", BAD }, { "+", BAD }, { "1", BAD }, { "00", BAD },
        { "s", BAD }, { ".s", BAD }, { "1x", BAD }, { "1s ", BAD },
        { " 1s", BAD }, { "1 s", BAD }, { "1s-1s", BAD }, { "--1s", BAD },
        { "1h30", BAD }, { "1y", BAD }, { "1S", BAD }, { "1e3s", BAD },
        { "99999999999999999999", BAD }, { "99999999999999999999w x", BAD },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ms = 0;
        is_int(dur_duration_parse(dur_str_c(cases[i].text), &ms),
               expected_rc(cases[i].ms), "the duration \"%s\"",
               cases[i].text);
        is_int(ms, expected_rc(cases[i].ms) == DUR_OK ? cases[i].ms : 0,
               "has its length");
    }
}


static void
test_date(void)
{
    int64_t  ms;

    static const struct {
        const char  *text;
        int64_t      ms;
    } cases[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2023-11-14T22:13:20Z", NOW },
        { "2023-11-14t22:13:20z", NOW },
        { "2023-11-14T22:13:20.123Z", NOW + 123 },
        { "2023-11-14T22:13:20.1239999Z", NOW + 123 },
        { "2023-11-14T22:13:20,5Z", NOW + 500 },
        { "2023-11-14T23:13:20+01:00", NOW },
        { "2023-11-14T16:43:20-05:30", NOW },
        { "2023-11-14T22:13:20", NOW },
        { "2023-11-14T22:13:20.5", NOW + 500 },
        { "2023-11-14", NOW - 80000000 },
        { "Tue, 14 Nov 2023 22:13:20 GMT", NOW },
        { "Tue, 14 Nov 2023 22:13:20 UTC", NOW },
        { "Tue, 14 Nov 2023 17:13:20 EST", NOW },
        { "Tue, 14 Nov 2023 22:13:20 XYZ", NOW },
        { "Tue, 14 Nov 2023 23:13:20 +0100", NOW },
        { "14 Nov 23 22:13 UTC", NOW - 20000 },
        { "14 Nov 23 23:13 +0100", NOW - 20000 },
        { "01 Jan 70 00:00 UTC", 0 },
        { "Tuesday, 14-Nov-23 22:13:20 GMT", NOW },
        { "Tue Nov 14 22:13:20 +0000 2023", NOW },
        { "Tue Nov 14 22:13:20 UTC 2023", NOW },
        { "Tue Nov 14 22:13:20 2023", NOW },
        { "Wed Nov  1 22:13:20 2023", NOW - 13 * DUR_TIME_DAY_MS },
        { "Nov 14 22:13:20", NOW },
        { "Nov 14 22:13:20.250", NOW + 250 },
        { "2023-11-14 22:13:20 +0000 UTC", NOW },
        { "2023-11-14 23:13:20.25 +0100 CET", NOW + 250 },
        { "2023-11-14 23:13:20 +0100 +01", NOW },
        { "2023-11-14 22:13:20 +0000 UTC m=+0.012345", NOW },
        { "0000-01-01T00:00:00Z", -62167219200000 },
        { "0000-03-01T00:00:00Z", -62162035200000 },
        { "9999-12-31T23:59:59.999Z", 253402300799999 },
        { "2024-02-29T00:00:00Z", 1709164800000 },
        { "2000-02-29T00:00:00Z", 951782400000 },
        { "2023-02-29T00:00:00Z", BAD }, { "1900-02-29T00:00:00Z", BAD },
        { "2023-13-01T00:00:00Z", BAD }, { "2023-00-01T00:00:00Z", BAD },
        { "2023-04-31", BAD }, { "2023-04-00", BAD },
        { "2023-11-14T24:00:00Z", BAD }, { "2023-11-14T22:60:00Z", BAD },
        { "2023-11-14T22:13:60Z", BAD }, { "2023-11-14T22:13Z", BAD },
        { "2023-11-14T22:13:20+0100", BAD },
        { "2023-11-14T22:13:20+25:00", BAD },
        { "2023-11-14T22:13:20.Z", BAD }, { "2023-11-14T22:13:20Zx", BAD },
        { " 2023-11-14T22:13:20Z", BAD }, { "2023-1-14", BAD },
        { "23-11-14", BAD }, { "Tue, 14 Nov 2023 22:13:20 gmt", BAD },
        { "Tue, 14 Nov 2023", BAD }, { "", BAD }, { "now", BAD },
        { "2023-11-14 22:13:20 +0000 UTC m=x", BAD },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ms = 0;
        is_int(dur_date_parse(dur_str_c(cases[i].text), NOW, &ms),
               expected_rc(cases[i].ms), "the date \"%s\"", cases[i].text);
        is_int(ms, expected_rc(cases[i].ms) == DUR_OK ? cases[i].ms : 0,
               "names its instant");
    }

    is_int(dur_rfc3339_parse(dur_str("2023-11-14T22:13:20.5+00:00"), &ms),
           DUR_OK, "RFC 3339 is RFC 3339");
    is_int(ms, NOW + 500, "to the millisecond");
    is_int(dur_rfc3339_parse(dur_str("2023-11-14"), &ms), DUR_EINVAL,
           "a day alone is not");
    is_int(dur_rfc3339_parse(dur_str("2023-11-14T22:13:20"), &ms), DUR_EINVAL,
           "nor is a time without its zone");
}


static void
test_text(void)
{
    bool     same;
    char     text[32];
    int64_t  ms, step;

    static const struct {
        int64_t      ms;
        const char  *text;
    } cases[] = {
        { 0, "1970-01-01T00:00:00Z" },
        { NOW, "2023-11-14T22:13:20Z" },
        { NOW + 678, "2023-11-14T22:13:20.678Z" },
        { NOW + 5, "2023-11-14T22:13:20.005Z" },
        { -1, "1969-12-31T23:59:59.999Z" },
        { 1709164800000, "2024-02-29T00:00:00Z" },
        { INT64_MAX, "9999-12-31T23:59:59.999Z" },
        { INT64_MIN, "0000-01-01T00:00:00Z" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        dur_rfc3339_text(cases[i].ms, text);
        is_str(dur_str_c(text), cases[i].text, "an instant as text");
    }

    same = true;
    step = 86400000 * 13LL + 3723007;

    for (int64_t t = -62167219200000; t < 253402300799999; t += step) {
        dur_rfc3339_text(t, text);

        if (dur_rfc3339_parse(dur_str_c(text), &ms) != DUR_OK || ms != t) {
            same = false;
        }
    }

    ok(same, "instants of ten thousand years read back as they were");
}


/* Protocol 5.5. */

static void
test_sleep(void)
{
    int64_t  due;

    static const struct {
        const char  *text;
        int64_t      delay;
    } cases[] = {
        { "", 0 }, { "0", 0 }, { "1s", 1000 }, { "-1s", 0 }, { "1ms", 1 },
        { "1h30m10s500ms", 5410500 },           /* 10 and more, no date */
        { "366d", 31622400000 }, { "366d1ms", BIG },
        { "2023-11-14T22:13:30Z", 10000 },
        { "2023-11-14T22:13:30.400Z", 10000 },
        { "2023-11-14T22:13:30.500Z", 11000 },
        { "2023-11-14T22:13:19Z", 0 }, { "2001-01-01", 0 },
        { "2023-11-15", 6400000 },
        { "2024-11-14T22:13:20Z", 31622400000 },
        { "2024-11-14T22:13:21Z", BIG },
        { "2999-01-01T00:00:00Z", BIG },
        { "99999999999999999999w", BIG },
        { "tomorrow at noon", BAD }, { "1y", BAD },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        due = NOW - 1;
        is_int(dur_sleep_until(dur_str_c(cases[i].text), NOW, &due),
               expected_rc(cases[i].delay), "a sleep of \"%s\"",
               cases[i].text);
        is_int(due - NOW, cases[i].delay > BIG ? cases[i].delay : -1,
               "ends when it should");
    }
}


int
main(void)
{
    test_duration();
    test_date();
    test_text();
    test_sleep();

    return done_testing();
}
