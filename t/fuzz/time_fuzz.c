/* SPDX-License-Identifier: BSD-2-Clause */

#include "fuzz.h"
#include "engine/dur_retry.h"
#include "engine/dur_time.h"

FUZZ_TARGET("durations and dates")

#define NOW  1700000000000

const dur_str_t  fuzz_seeds[] = {
    dur_str("1h30m10s500ms"), dur_str("1.5w2d"), dur_str("-10us"),
    dur_str("2023-11-14T22:13:20.123Z"), dur_str("2023-11-14T22:13:20+01:00"),
    dur_str("Tue, 14 Nov 2023 22:13:20 GMT"),
    dur_str("Tuesday, 14-Nov-23 22:13:20 GMT"),
    dur_str("Tue Nov 14 22:13:20 +0000 2023"),
    dur_str("Nov 14 22:13:20.250"), dur_str("14 Nov 23 22:13 +0100"),
    dur_str("2023-11-14 22:13:20 +0000 UTC m=+0.01"), dur_str("120"),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("9999999999999999999"), dur_str("w"), dur_str("ns"), dur_str("."),
    dur_str("0"), dur_str("-"), dur_str("+"), dur_str("24"), dur_str("60"),
    dur_str("\xc2\xb5s"), dur_str("EST"), dur_str("Z"), dur_str(" "),
    dur_str_null
};


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char       text[32];
    int64_t    ms, back;
    dur_rc_t   rc;
    dur_str_t  in;

    in = dur_str_make(data, len);

    rc = dur_duration_parse(in, &ms);
    fuzz_check(rc == DUR_OK || rc == DUR_EINVAL || rc == DUR_ETOOBIG);

    if (dur_date_parse(in, NOW, &ms) == DUR_OK) {
        dur_rfc3339_text(ms, text);
        fuzz_check(dur_rfc3339_parse(dur_str_c(text), &back) == DUR_OK);

        /* a zone may lead out of the years that four digits name */
        fuzz_check(back == ms || ms < -62167219200000
                   || ms > 253402300799999);
    }

    if (dur_rfc3339_parse(in, &ms) == DUR_OK) {
        fuzz_check(dur_date_parse(in, NOW, &back) == DUR_OK && back == ms);
    }

    if (dur_sleep_until(in, NOW, &ms) == DUR_OK) {
        fuzz_check(ms >= NOW && ms <= NOW + 366 * DUR_TIME_DAY_MS);
    }

    if (dur_retry_after(in, NOW, &ms) == DUR_OK) {
        fuzz_check(ms >= NOW + 1000 && ms <= NOW + DUR_TIME_DAY_MS);
    }

    return 0;
}
