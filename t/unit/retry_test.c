/* SPDX-License-Identifier: BSD-2-Clause */

#include "tap.h"
#include "engine/dur_retry.h"


#define NOW  1700000000000


int
main(void)
{
    int64_t  at;

    /* Features 1.2. */

    static const int64_t  seconds[] = {
        15, 30, 60, 120, 300, 600, 1200, 2400, 3600, 7200, 7200, 7200
    };

    static const struct {
        const char  *header;
        int64_t      delay;             /* -1: refused */
    } cases[] = {
        { "5", 5000 },
        { " 5 ", 5000 },
        { "+5", 5000 },
        { "0", 1000 },
        { "-5", 1000 },
        { "86400", 86400000 },
        { "86401", 86400000 },
        { "9999999", 86400000 },
        { "99999999", -1 },             /* 8 digits are no date either */
        { "2023-11-14T22:13:30Z", 10000 },
        { "2023-11-14T22:13:30.400Z", 11000 },
        { "2023-11-14T22:13:20.100Z", 1000 },
        { "2023-11-14T22:00:00Z", 1000 },
        { "2033-01-01T00:00:00Z", 86400000 },
        { "Tue, 14 Nov 2023 22:14:20 GMT", 60000 },
        { "Tuesday, 14-Nov-23 22:14:20 GMT", 60000 },
        { "Tue Nov 14 22:14:20 2023", 60000 },
        { "", -1 },
        { "  ", -1 },
        { "5s", -1 },
        { "1.5", -1 },
        { "+", -1 },
        { "soon", -1 },
        { "next tuesday", -1 },
    };

    for (unsigned n = 0; n < 12; n++) {
        is_int(dur_retry_delay(n, -1, 0), seconds[n] * 1000,
               "attempt %u waits %d s at least", n, (int) seconds[n]);
        is_int(dur_retry_delay(n, -1, 29999), seconds[n] * 1000 + 29999,
               "and up to 30 s more");
        is_int(dur_retry_delay(n, -1, 30000), seconds[n] * 1000,
               "never the 30 s themselves");
    }

    is_int(dur_retry_delay(UINT32_MAX, -1, 0), 7200000,
           "the last delay is kept for ever");
    is_int(dur_retry_delay(7, 1000, 12345), 1000,
           "an interval takes the place of table and jitter");
    is_int(dur_retry_delay(7, 0, 12345), 0, "an interval of 0 is at once");

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        at = NOW - 1;

        is_int(dur_retry_after(dur_str_c(cases[i].header), NOW, &at),
               cases[i].delay < 0 ? DUR_EINVAL : DUR_OK,
               "Retry-After \"%s\" is %s", cases[i].header,
               cases[i].delay < 0 ? "ignored" : "read");
        is_int(at - NOW, cases[i].delay < 0 ? -1 : cases[i].delay,
               "and asks for that delay");
    }

    return done_testing();
}
