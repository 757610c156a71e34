/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The text of a cron trigger (features 6.1): five fields, minute hour day
 * month weekday, behind an optional TZ=Area/City.  Read into sets of values;
 * and when such a schedule is due next.  Pure; where a zone is found is for
 * dur_schedule.
 */

#ifndef DUR_CRON_H
#define DUR_CRON_H

#include "engine/dur_base.h"
#include "engine/dur_zone.h"

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

/* Years that are looked through; what is not due in them never is. */
#define DUR_CRON_YEARS  5

#define DUR_CRON_NEVER  INT64_MAX

/*
 * The first instant after `after` at which the clocks of the zone show a time
 * that matches, both in milliseconds; DUR_CRON_NEVER.  So a time that the
 * clocks leave out in spring is skipped, and one that they show twice in
 * autumn is due twice.
 */
int64_t dur_cron_next(const dur_cron_t *cron, const dur_zone_t *zone,
    int64_t after);

#endif /* DUR_CRON_H */
