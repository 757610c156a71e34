/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_retry.h"
#include "engine/dur_time.h"


#define DUR_RETRY_JITTER      30000
#define DUR_RETRY_AFTER_MIN   1000
#define DUR_RETRY_AFTER_MAX   DUR_TIME_DAY_MS

/* Longer texts are dates. */
#define DUR_RETRY_SECONDS_LEN  7


/* Seconds, features 1.2. */
static const uint16_t  dur_retry_table[] = {
    15, 30, 60, 120, 300, 600, 1200, 2400, 3600, 7200
};


int64_t
dur_retry_delay(unsigned attempt, int64_t interval_ms, uint64_t random)
{
    size_t  n;

    if (interval_ms >= 0) {
        return interval_ms;
    }

    n = sizeof(dur_retry_table) / sizeof(dur_retry_table[0]);
    if (attempt >= n) {
        attempt = (unsigned) n - 1;
    }

    return (int64_t) dur_retry_table[attempt] * 1000
           + (int64_t) (random % DUR_RETRY_JITTER);
}


static dur_rc_t
dur_retry_seconds(dur_str_t s, int64_t *seconds)
{
    size_t   i;
    bool     negative;
    int64_t  n;

    i = 0;
    n = 0;
    negative = (s.data[0] == '-');

    if (negative || s.data[0] == '+') {
        i++;
    }

    if (i == s.len) {
        return DUR_EINVAL;
    }

    for ( ; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return DUR_EINVAL;
        }
        n = n * 10 + (s.data[i] - '0');
    }

    *seconds = negative ? -n : n;

    return DUR_OK;
}


dur_rc_t
dur_retry_after(dur_str_t header, int64_t now_ms, int64_t *at_ms)
{
    int64_t   seconds, delay, at;
    dur_rc_t  rc;

    while (header.len && (header.data[0] == ' ' || header.data[0] == '\t')) {
        header.data++;
        header.len--;
    }

    while (header.len && (header.data[header.len - 1] == ' '
                          || header.data[header.len - 1] == '\t'))
    {
        header.len--;
    }

    if (header.len == 0) {
        return DUR_EINVAL;
    }

    if (header.len <= DUR_RETRY_SECONDS_LEN) {
        rc = dur_retry_seconds(header, &seconds);
        if (rc != DUR_OK) {
            return rc;
        }

        delay = seconds * 1000;

    } else {
        rc = dur_date_parse(header, now_ms, &at);
        if (rc != DUR_OK) {
            return rc;
        }

        /* whole seconds, rounded up: never before the instant asked for */

        delay = at > now_ms ? (at - now_ms + 999) / 1000 * 1000 : 0;
    }

    if (delay < DUR_RETRY_AFTER_MIN) {
        delay = DUR_RETRY_AFTER_MIN;
    }

    if (delay > DUR_RETRY_AFTER_MAX) {
        delay = DUR_RETRY_AFTER_MAX;
    }

    *at_ms = now_ms + delay;

    return DUR_OK;
}
