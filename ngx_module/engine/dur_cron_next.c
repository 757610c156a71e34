/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_cron.h"
#include "engine/dur_time.h"


#define DUR_CRON_DAY_MINUTES  1440


static int64_t
dur_cron_floor(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}


/* The first value of a set that is not below `from`; -1. */
static int
dur_cron_bit(uint64_t set, int from)
{
    set = from < 64 ? set >> from << from : 0;

    return set ? __builtin_ctzll(set) : -1;
}


static bool
dur_cron_day(const dur_cron_t *cron, const dur_date_t *date)
{
    bool  day, weekday;

    day = cron->day >> date->day & 1;
    weekday = cron->weekday >> date->weekday & 1;

    return (cron->any_day || cron->any_weekday) ? day && weekday
                                                : day || weekday;
}


/* The first minute of a day that matches, from minute `from` on; -1. */
static int
dur_cron_minute(const dur_cron_t *cron, int from)
{
    int  hour, minute;

    hour = dur_cron_bit(cron->hour, from / 60);
    if (hour < 0) {
        return -1;
    }

    if (hour == from / 60) {
        minute = dur_cron_bit(cron->minute, from % 60);
        if (minute >= 0) {
            return hour * 60 + minute;
        }

        hour = dur_cron_bit(cron->hour, hour + 1);
        if (hour < 0) {
            return -1;
        }
    }

    return hour * 60 + dur_cron_bit(cron->minute, 0);
}


/*
 * The first minute that matches, from one on: minutes since the epoch of
 * clocks that never change.  Years up to `year`; -1 for none.
 */
static int64_t
dur_cron_local(const dur_cron_t *cron, int64_t from, int year)
{
    int         minute;
    int64_t     day;
    dur_date_t  date;

    day = dur_cron_floor(from, DUR_CRON_DAY_MINUTES);
    minute = (int) (from - day * DUR_CRON_DAY_MINUTES);

    for ( ;; day++, minute = 0) {
        dur_date_of(day, &date);

        while (!(cron->month >> date.month & 1)) {
            date.year += date.month == 12;
            date.month = date.month == 12 ? 1 : date.month + 1;

            if (date.year > year) {
                return -1;
            }

            day = dur_date_days(date.year, date.month, 1);
            dur_date_of(day, &date);
            minute = 0;
        }

        if (date.year > year) {
            return -1;
        }

        if (dur_cron_day(cron, &date)) {
            minute = dur_cron_minute(cron, minute);
            if (minute >= 0) {
                return day * DUR_CRON_DAY_MINUTES + minute;
            }
        }
    }
}


int64_t
dur_cron_next(const dur_cron_t *cron, const dur_zone_t *zone, int64_t after)
{
    int32_t     offset;
    int64_t     at, until, local;
    dur_date_t  date;

    at = dur_cron_floor(after, 1000) + 1;

    offset = dur_zone_offset(zone, at, &until);
    dur_date_of(dur_cron_floor(at + offset, 86400), &date);

    /* from one change of the clocks to the next they are as any others */

    for ( ;; ) {
        local = dur_cron_local(cron,
                               dur_cron_floor(at + offset + 59, 60),
                               date.year + DUR_CRON_YEARS);
        if (local < 0) {
            return DUR_CRON_NEVER;
        }

        if (local * 60 - offset < until) {
            return (local * 60 - offset) * 1000;
        }

        at = until;
        offset = dur_zone_offset(zone, at, &until);
    }
}
