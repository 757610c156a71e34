/* SPDX-License-Identifier: BSD-2-Clause */

#include "fuzz.h"
#include "engine/dur_cron.h"
#include "engine/dur_time.h"
#include "engine/dur_zone.h"

FUZZ_TARGET("time zones and schedules")

#define NOW  1700000000000

#define ZERO4        "\0\0\0\0"
#define HEAD(v)      "TZif" v ZERO4 ZERO4 ZERO4 "\0\0\0"
#define COUNTS(t, n) ZERO4 ZERO4 ZERO4 "\0\0\0" t "\0\0\0" n "\0\0\0\4"
#define TYPE_STD     "\0\0\x0e\x10\0\0"
#define TYPE_DST     "\0\0\x1c\x20\1\0"

/* a file, or the text of a rule; up to a zero byte, a schedule */

const dur_str_t  fuzz_seeds[] = {
    dur_str("0 9 * * 1-5\0CET-1CEST,M3.5.0,M10.5.0/3"),
    dur_str("*/15 0-23/2 1,15 jan-jun ?\0<-03>3<-02>,J60/-1,300/167"),
    dur_str("0 0 29 2 *\0EST5EDT4:30:15,M3.2.0,M11.1.0"),
    dur_str("30 2 * * *\0" HEAD("\0") COUNTS("\2", "\2")
            "\x65\0\0\0\x66\0\0\0" "\1\0" TYPE_STD TYPE_DST "CET"),
    dur_str("* * * * *\0" HEAD("2") COUNTS("\0", "\1") TYPE_STD "CET\0"
            HEAD("2") COUNTS("\1", "\2") "\0\0\0\0\x65\0\0\0" "\1"
            TYPE_STD TYPE_DST "CET\0" "\nCET-1CEST,M3.5.0,M10.5.0/3\n"),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("TZif"), dur_str("TZif2"), dur_str("\xff\xff\xff\xff"),
    dur_str("\x80\0\0\0"), dur_str("\0\0\0\1"), dur_str(",M3.5.0"),
    dur_str(",J365/167"), dur_str("<+03>"), dur_str("-24:59:59"),
    dur_str("*/1"), dur_str("29 2"), dur_str("fri"), dur_str("\n\n"),
    dur_str_null
};


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char            err[160];
    size_t          n;
    int64_t         at, next, until;
    int32_t         offset;
    dur_cron_t      cron;
    dur_zone_t      zone;
    const uint8_t  *zero;

    zero = len ? memchr(data, 0, len) : NULL;
    n = zero ? (size_t) (zero - data) : len;

    (void) dur_zone_parse(dur_str_make(data + n + (n < len),
                                       len - n - (n < len)), &zone, err);
    (void) dur_zone_name(dur_str_make(data, n));

    for (at = -5000000000; at < 50000000000; at += 3333333333) {
        offset = dur_zone_offset(&zone, at, &until);
        fuzz_check(offset > -200000 && offset < 200000 && until > at);
    }

    if (dur_cron_parse(dur_str_make(data, n), &cron, err) != DUR_OK) {
        return 0;
    }

    for (at = NOW; at < NOW + 400 * DUR_TIME_DAY_MS; at = next) {
        next = dur_cron_next(&cron, &zone, at);
        fuzz_check(next > at);

        if (next == DUR_CRON_NEVER || next < at + DUR_TIME_DAY_MS) {
            break;
        }
    }

    return 0;
}
