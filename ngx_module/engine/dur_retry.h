/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * When a failed attempt is tried again: the back-off table (features 1.2),
 * a constant interval in its place, and Retry-After above both.
 */

#ifndef DUR_RETRY_H
#define DUR_RETRY_H

#include "engine/dur_base.h"

#define DUR_RETRY_DEFAULT  4            /* retries, so 5 attempts */
#define DUR_RETRY_MAX      20

/*
 * Milliseconds to wait after attempt number `attempt` (from 0) failed.
 * interval_ms >= 0 replaces table and jitter.  `random` is any 64-bit value;
 * the jitter is 0..29999 ms of it.
 */
int64_t dur_retry_delay(unsigned attempt, int64_t interval_ms,
    uint64_t random);

/*
 * The instant of a Retry-After header: integer seconds when at most 7
 * characters, else any date of dur_time.h, clamped to now + 1 s .. now + 24 h.
 * DUR_EINVAL when it is neither (the header is then ignored).
 */
dur_rc_t dur_retry_after(dur_str_t header, int64_t now_ms, int64_t *at_ms);

#endif /* DUR_RETRY_H */
