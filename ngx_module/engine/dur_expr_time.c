/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_expr_time.h"
#include "engine/dur_expr_op.h"
#include "engine/dur_time.h"


/* Features 9.2: what an int given to date() counts. */
#define DUR_EXPR_DATE_MIN      946684800LL
#define DUR_EXPR_DATE_SECONDS  9999999999LL
#define DUR_EXPR_DATE_MS       9999999999999LL

#define DUR_EXPR_NS_PER_MS     1000000
#define DUR_EXPR_MINUTE_MS     60000


typedef struct {
    int64_t  year;
    int      month;             /* 0..11 */
    int      day;               /* 0..30 */
    int      yday;
    int      wday;              /* 0 is Sunday */
} dur_expr_civil_t;


static int64_t
dur_expr_floor(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}


/* The proleptic Gregorian date of a day, 0 being 1970-01-01. */

static void
dur_expr_civil(int64_t days, dur_expr_civil_t *c)
{
    bool     leap;
    int64_t  era, rest, year, yday;

    static const int  before[] = {
        0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334
    };

    c->wday = (int) (((days + 4) % 7 + 7) % 7);

    /* years begin in March, eras are 400 of them */

    days += 719468;
    era = dur_expr_floor(days, 146097);
    rest = days - era * 146097;
    year = (rest - rest / 1460 + rest / 36524 - rest / 146096) / 365;
    yday = rest - (365 * year + year / 4 - year / 100);

    c->month = (int) ((5 * yday + 2) / 153);
    c->day = (int) (yday - (153 * c->month + 2) / 5);
    c->month = c->month < 10 ? c->month + 2 : c->month - 10;
    c->year = year + era * 400 + (c->month < 2);

    leap = (c->year % 4 == 0 && c->year % 100 != 0) || c->year % 400 == 0;
    c->yday = before[c->month] + c->day + (leap && c->month > 1);
}


/* "UTC", "+02:00", "-08:00": the zones that need no data. */

static bool
dur_expr_zone(dur_str_t zone, int64_t *ms)
{
    int             sign, hours, minutes;
    const uint8_t  *p = zone.data;

    *ms = 0;

    if (zone.len == 0 || dur_str_eq(zone, dur_str("UTC"))) {
        return true;
    }

    sign = (*p == '-') ? -1 : 1;
    p += (zone.len == 6 && (*p == '-' || *p == '+'));

    if (zone.len - (size_t) (p - zone.data) != 5 || p[2] != ':'
        || p[0] < '0' || p[0] > '2' || p[1] < '0' || p[1] > '9'
        || p[3] < '0' || p[3] > '5' || p[4] < '0' || p[4] > '9')
    {
        return false;
    }

    hours = (p[0] - '0') * 10 + p[1] - '0';
    minutes = (p[3] - '0') * 10 + p[4] - '0';

    *ms = (int64_t) sign * (hours * 60 + minutes) * DUR_EXPR_MINUTE_MS;

    return hours < 24;
}


/* A duration is counted in whole units. */

static dur_expr_value_t
dur_expr_duration_get(const dur_expr_args_t *a)
{
    int64_t  ms = a->v[0].u.integer;

    if (a->n > 1) {
        return dur_expr_error("a duration has no time zone");
    }

    switch (a->extra) {
    case DUR_EXPR_HOURS:
        return dur_expr_int(ms / 3600000);
    case DUR_EXPR_MINUTES:
        return dur_expr_int(ms / DUR_EXPR_MINUTE_MS);
    case DUR_EXPR_SECONDS:
        return dur_expr_int(ms / 1000);
    default:
        return dur_expr_int(ms);
    }
}


dur_expr_value_t
dur_expr_time_get(const dur_expr_args_t *a)
{
    int64_t           ms, days, zone;
    dur_expr_civil_t  c;

    if (a->v[0].kind == DUR_EXPR_V_DURATION) {
        return dur_expr_duration_get(a);
    }

    zone = 0;

    if (a->n > 1 && !dur_expr_zone(a->v[1].u.text, &zone)) {
        return dur_expr_error("time zones are \"UTC\" or such as \"+02:00\"");
    }

    ms = a->v[0].u.integer + zone;
    days = dur_expr_floor(ms, DUR_TIME_DAY_MS);
    ms -= days * DUR_TIME_DAY_MS;

    dur_expr_civil(days, &c);

    switch (a->extra) {
    case DUR_EXPR_YEAR:
        return dur_expr_int(c.year);
    case DUR_EXPR_MONTH:
        return dur_expr_int(c.month);
    case DUR_EXPR_DATE:
        return dur_expr_int(c.day + 1);
    case DUR_EXPR_DAY_OF_MONTH:
        return dur_expr_int(c.day);
    case DUR_EXPR_DAY_OF_WEEK:
        return dur_expr_int(c.wday);
    case DUR_EXPR_DAY_OF_YEAR:
        return dur_expr_int(c.yday);
    case DUR_EXPR_HOURS:
        return dur_expr_int(ms / 3600000);
    case DUR_EXPR_MINUTES:
        return dur_expr_int(ms / DUR_EXPR_MINUTE_MS % 60);
    case DUR_EXPR_SECONDS:
        return dur_expr_int(ms / 1000 % 60);
    default:
        return dur_expr_int(ms % 1000);
    }
}


dur_expr_value_t
dur_expr_time_duration(const dur_expr_args_t *a)
{
    int64_t  ms;

    if (a->v[0].kind == DUR_EXPR_V_DURATION) {
        return a->v[0];
    }

    if (dur_duration_parse(a->v[0].u.text, &ms) != DUR_OK) {
        return dur_expr_error("a duration is written as in \"1h30m\"");
    }

    return dur_expr_duration(ms);
}


static dur_expr_value_t
dur_expr_time_seconds(int64_t seconds)
{
    int64_t  ms;

    if (__builtin_mul_overflow(seconds, 1000, &ms)) {
        return dur_expr_error("an instant out of range");
    }

    return dur_expr_time(ms);
}


dur_expr_value_t
dur_expr_time_timestamp(const dur_expr_args_t *a)
{
    int64_t           ms;
    dur_expr_value_t  v = a->v[0];

    if (v.kind == DUR_EXPR_V_TIME) {
        return v;
    }

    if (v.kind == DUR_EXPR_V_INT) {
        return dur_expr_time_seconds(v.u.integer);
    }

    if (dur_rfc3339_parse(v.u.text, &ms) != DUR_OK) {
        return dur_expr_error("timestamp() needs RFC 3339");
    }

    return dur_expr_time(ms);
}


dur_expr_value_t
dur_expr_time_date(const dur_expr_args_t *a)
{
    int64_t           ms;
    dur_expr_value_t  v = a->v[0];

    if (v.kind == DUR_EXPR_V_TIME) {
        return v;
    }

    if (v.kind == DUR_EXPR_V_STRING) {
        return dur_date_parse(v.u.text, a->run->vars->now_ms, &ms) == DUR_OK
               ? dur_expr_time(ms)
               : dur_expr_error("date() of a text that is no date");
    }

    if (v.u.integer < DUR_EXPR_DATE_MIN) {
        return dur_expr_error("date() of a number before the year 2000");
    }

    if (v.u.integer < DUR_EXPR_DATE_SECONDS) {
        return dur_expr_time_seconds(v.u.integer);
    }

    return dur_expr_time(v.u.integer < DUR_EXPR_DATE_MS
                         ? v.u.integer : v.u.integer / DUR_EXPR_NS_PER_MS);
}


dur_expr_value_t
dur_expr_time_now(const dur_expr_args_t *a)
{
    int64_t           ms;
    dur_expr_value_t  by;

    if (a->extra == 0) {
        return dur_expr_time(a->run->vars->now_ms);
    }

    by = dur_expr_time_duration(a);
    if (by.kind == DUR_EXPR_V_ERROR) {
        return by;
    }

    if (a->extra == 1
        ? __builtin_add_overflow(a->run->vars->now_ms, by.u.integer, &ms)
        : __builtin_sub_overflow(a->run->vars->now_ms, by.u.integer, &ms))
    {
        return dur_expr_error("an instant out of range");
    }

    return dur_expr_time(ms);
}
