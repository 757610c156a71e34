/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Durations and instants as text (features 0.2): "1h30m", RFC 3339 and the
 * other date forms, HTTP dates.  Pure: the present is an argument.
 */

#ifndef DUR_TIME_H
#define DUR_TIME_H

#include "engine/dur_base.h"

#define DUR_TIME_DAY_MS  (86400 * (int64_t) 1000)

/* [+-]?(number unit)+ with ns us ms s m h d w, fractions, "0" alone; "" is
 * DUR_EINVAL.  Result in milliseconds, rounded to nearest; DUR_ETOOBIG when
 * it leaves int64. */
dur_rc_t dur_duration_parse(dur_str_t text, int64_t *ms);

/* Any date form of features 0.2 and RFC 1123/850/asctime; UTC when the form
 * has no zone.  Milliseconds since the epoch. */
dur_rc_t dur_date_parse(dur_str_t text, int64_t now_ms, int64_t *ms);

/* RFC 3339 only, fractions and zones allowed. */
dur_rc_t dur_rfc3339_parse(dur_str_t text, int64_t *ms);

/* "2026-01-02T03:04:05.678Z" and a zero; the fraction is left out when 0. */
void dur_rfc3339_text(int64_t ms, char text[32]);

/* Days since the epoch, proleptic Gregorian, for years from 0 on. */
int64_t dur_date_days(int64_t year, int month, int day);

typedef struct {
    int  year;
    int  month;                 /* from 1 */
    int  day;                   /* from 1 */
    int  weekday;               /* 0 is Sunday */
} dur_date_t;

void dur_date_of(int64_t days, dur_date_t *date);

/* The wake-up time of a Sleep op (protocol 5.5): texts of 10 or more
 * characters are tried as a date first (whole seconds from now, never before
 * now), otherwise a duration; "" is now.  DUR_ETOOBIG beyond 366 days. */
dur_rc_t dur_sleep_until(dur_str_t text, int64_t now_ms, int64_t *due_ms);

#endif /* DUR_TIME_H */
