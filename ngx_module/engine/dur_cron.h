/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The text of a cron trigger (features 6.1): five fields, minute hour day
 * month weekday, behind an optional TZ=Area/City.  Read into sets of values.
 * Pure; whether the zone is known is for those who compute instants.
 */

#ifndef DUR_CRON_H
#define DUR_CRON_H

#include "engine/dur_base.h"

#define DUR_CRON_FIELDS  5

/* Bit n: the value n fires. */
typedef struct {
    uint64_t   minute;
    uint32_t   hour;
    uint32_t   day;             /* of the month, from bit 1 */
    uint16_t   month;           /* from bit 1 */
    uint8_t    weekday;         /* bit 0 is Sunday */
    bool       any_day;         /* a plain star: both days must match, */
    bool       any_weekday;     /* else one of them is enough */
    dur_str_t  zone;            /* borrowed from the text; empty: local */
} dur_cron_t;

/* DUR_EINVAL and a sentence. */
dur_rc_t dur_cron_parse(dur_str_t text, dur_cron_t *cron, char err[160]);

#endif /* DUR_CRON_H */
