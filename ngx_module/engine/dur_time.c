/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_time.h"

#include <stdio.h>


#define DUR_TIME_SLEEP_MAX   (366 * DUR_TIME_DAY_MS)

/* Shorter texts are never dates (protocol 5.5). */
#define DUR_TIME_DATE_LEN    10

#define DUR_NS_PER_MS        1000000

/* 9999-12-31T23:59:59.999Z, the last instant that four digits can name. */
#define DUR_TIME_TEXT_MAX    253402300799999LL
#define DUR_TIME_TEXT_MIN    (-62167219200000LL)


typedef struct {
    const char  *name;
    uint64_t     ns;
} dur_time_unit_t;


/* A name that starts with another stands before it. */

static const dur_time_unit_t  dur_time_units[] = {
    { "ns", 1 },
    { "us", 1000 },
    { "\xc2\xb5s", 1000 },              /* U+00B5, micro sign */
    { "\xce\xbcs", 1000 },              /* U+03BC, Greek mu */
    { "ms", 1000000 },
    { "s", 1000000000 },
    { "m", 60 * 1000000000ULL },
    { "h", 3600 * 1000000000ULL },
    { "d", 86400 * 1000000000ULL },
    { "w", 604800 * 1000000000ULL },
    { NULL, 0 }
};


/* A text being read. */
typedef struct {
    const uint8_t  *p;
    const uint8_t  *last;
} dur_time_in_t;


/* What a date form has filled in so far. */
typedef struct {
    int  year;
    int  month;         /* 1..12 */
    int  day;
    int  hour;
    int  minute;
    int  second;
    int  ms;
    int  offset;        /* seconds east of UTC */
} dur_time_date_t;


static bool
dur_time_digit(const dur_time_in_t *in)
{
    return in->p < in->last && *in->p >= '0' && *in->p <= '9';
}


static const dur_time_unit_t *
dur_time_unit(dur_time_in_t *in)
{
    size_t                  n;
    const dur_time_unit_t  *u;

    for (u = dur_time_units; u->name != NULL; u++) {
        n = strlen(u->name);

        if ((size_t) (in->last - in->p) >= n
            && memcmp(in->p, u->name, n) == 0)
        {
            in->p += n;
            return u;
        }
    }

    return NULL;
}


/*
 * One "number unit", in nanoseconds; *big is set when it is more than any
 * int64 of milliseconds.
 */

static dur_rc_t
dur_duration_term(dur_time_in_t *in, unsigned __int128 *ns, bool *big)
{
    bool                    digits;
    uint64_t                n, fraction, scale;
    const dur_time_unit_t  *unit;

    n = 0;
    digits = false;

    for ( ; dur_time_digit(in); in->p++) {
        digits = true;

        if (n > INT64_MAX / 10) {
            *big = true;
            continue;
        }

        n = n * 10 + (uint64_t) (*in->p - '0');
    }

    fraction = 0;
    scale = 1;

    if (in->p < in->last && *in->p == '.') {

        for (in->p++; dur_time_digit(in); in->p++) {
            digits = true;

            /* what is left of 10^-15 w is less than a nanosecond */

            if (scale < 1000000000000000) {
                fraction = fraction * 10 + (uint64_t) (*in->p - '0');
                scale *= 10;
            }
        }
    }

    unit = dur_time_unit(in);

    if (!digits || unit == NULL) {
        return DUR_EINVAL;
    }

    *ns = (unsigned __int128) n * unit->ns
          + (unsigned __int128) fraction * unit->ns / scale;

    return DUR_OK;
}


dur_rc_t
dur_duration_parse(dur_str_t text, int64_t *ms)
{
    bool               negative, big;
    dur_rc_t           rc;
    dur_time_in_t      in;
    unsigned __int128  ns, sum, max;

    if (text.len == 0) {
        return DUR_EINVAL;
    }

    in.p = text.data;
    in.last = text.data + text.len;

    negative = (*in.p == '-');

    if (negative || *in.p == '+') {
        in.p++;
    }

    if (in.last - in.p == 1 && *in.p == '0') {
        *ms = 0;
        return DUR_OK;
    }

    if (in.p == in.last) {
        return DUR_EINVAL;
    }

    sum = 0;
    big = false;
    max = (unsigned __int128) INT64_MAX * DUR_NS_PER_MS;

    while (in.p < in.last) {
        rc = dur_duration_term(&in, &ns, &big);
        if (rc != DUR_OK) {
            return rc;
        }

        sum += ns;

        if (sum > max) {
            big = true;
            sum = 0;
        }
    }

    if (big) {
        return DUR_ETOOBIG;
    }

    sum = (sum + DUR_NS_PER_MS / 2) / DUR_NS_PER_MS;

    if (sum > INT64_MAX) {
        return DUR_ETOOBIG;
    }

    *ms = negative ? -(int64_t) sum : (int64_t) sum;

    return DUR_OK;
}


/* Exactly or at most n digits. */

static bool
dur_date_number(dur_time_in_t *in, int least, int most, int *value)
{
    int  n, v;

    v = 0;

    for (n = 0; n < most && dur_time_digit(in); n++) {
        v = v * 10 + (*in->p++ - '0');
    }

    *value = v;

    return n >= least;
}


/* The index of the name that comes next, -1 for none. */

static int
dur_date_name(dur_time_in_t *in, const char *const *names, int n, size_t len)
{
    size_t  m;

    for (int i = 0; i < n; i++) {
        m = len ? len : strlen(names[i]);

        if ((size_t) (in->last - in->p) >= m
            && dur_str_caseeq(dur_str_make(in->p, m),
                              dur_str_make(names[i], m)))
        {
            in->p += m;
            return i;
        }
    }

    return -1;
}


static bool
dur_date_month(dur_time_in_t *in, int *month)
{
    static const char *const  names[] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun",
        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
    };

    *month = dur_date_name(in, names, 12, 0) + 1;

    return *month > 0;
}


/* The name is not compared with the date: senders get it wrong. */

static bool
dur_date_weekday(dur_time_in_t *in, size_t len)
{
    static const char *const  names[] = {
        "Sunday", "Monday", "Tuesday", "Wednesday",
        "Thursday", "Friday", "Saturday"
    };

    return dur_date_name(in, names, 7, len) >= 0;
}


/* ".5", ",123456": three digits are kept. */

static bool
dur_date_fraction(dur_time_in_t *in, int *ms)
{
    int  scale;

    if (in->p == in->last || (*in->p != '.' && *in->p != ',')) {
        return true;
    }

    in->p++;

    if (!dur_time_digit(in)) {
        return false;
    }

    for (scale = 100; dur_time_digit(in); in->p++) {
        *ms += (*in->p - '0') * scale;
        scale /= 10;
    }

    return true;
}


/* +hhmm, or +hh:mm with a colon. */

static bool
dur_date_offset(dur_time_in_t *in, bool colon, int *offset)
{
    int  sign, hour, minute;

    if (in->p == in->last || (*in->p != '+' && *in->p != '-')) {
        return false;
    }

    sign = (*in->p++ == '-') ? -1 : 1;

    if (!dur_date_number(in, 2, 2, &hour)) {
        return false;
    }

    if (colon) {
        if (in->p == in->last || *in->p++ != ':') {
            return false;
        }
    }

    if (!dur_date_number(in, 2, 2, &minute) || hour > 24 || minute > 59) {
        return false;
    }

    *offset = sign * (hour * 3600 + minute * 60);

    return true;
}


/*
 * An abbreviation: the zones of RFC 822; any other three to five letters
 * count as UTC.
 */

static bool
dur_date_zone(dur_time_in_t *in, int *offset)
{
    size_t     n;
    dur_str_t  name;

    static const struct {
        const char  *name;
        int          hours;
    } zones[] = {
        { "EST", -5 }, { "EDT", -4 }, { "CST", -6 }, { "CDT", -5 },
        { "MST", -7 }, { "MDT", -6 }, { "PST", -8 }, { "PDT", -7 },
        { NULL, 0 }
    };

    for (n = 0; n < (size_t) (in->last - in->p); n++) {
        if (in->p[n] < 'A' || in->p[n] > 'Z') {
            break;
        }
    }

    if (n != 1 && (n < 3 || n > 5)) {
        return false;
    }

    name = dur_str_make(in->p, n);
    in->p += n;

    if (n == 1) {
        return name.data[0] == 'Z';
    }

    for (int i = 0; zones[i].name != NULL; i++) {
        if (dur_str_eq(name, dur_str_c(zones[i].name))) {
            *offset = zones[i].hours * 3600;
            break;
        }
    }

    return true;
}


static bool
dur_date_rfc3339_zone(dur_time_in_t *in, int *offset)
{
    if (in->p < in->last && (*in->p == 'Z' || *in->p == 'z')) {
        in->p++;
        return true;
    }

    return dur_date_offset(in, true, offset);
}


/*
 * The name of a zone whose offset stood before it: letters, or the offset
 * once more as +hh or +hhmm.
 */

static bool
dur_date_zone_again(dur_time_in_t *in)
{
    int  ignored;

    if (dur_date_zone(in, &ignored)) {
        return true;
    }

    if (in->p == in->last || (*in->p != '+' && *in->p != '-')) {
        return false;
    }

    in->p++;

    return dur_date_number(in, 2, 4, &ignored);
}


/* The clock of a Go process behind its String(): " m=+0.000012". */

static bool
dur_date_monotonic(dur_time_in_t *in)
{
    if (in->p == in->last) {
        return true;
    }

    if (in->last - in->p < 5 || memcmp(in->p, " m=", 3) != 0
        || (in->p[3] != '+' && in->p[3] != '-'))
    {
        return false;
    }

    for (in->p += 4; in->p < in->last; in->p++) {
        if (!dur_time_digit(in) && *in->p != '.') {
            return false;
        }
    }

    return true;
}


/* One conversion of a form; see dur_date_forms. */

static bool
dur_date_field(dur_time_in_t *in, char c, dur_time_date_t *d)
{
    switch (c) {
    case 'Y':
        return dur_date_number(in, 4, 4, &d->year);
    case 'y':
        if (!dur_date_number(in, 2, 2, &d->year)) {
            return false;
        }
        d->year += d->year >= 69 ? 1900 : 2000;
        return true;
    case 'm':
        return dur_date_number(in, 2, 2, &d->month);
    case 'b':
        return dur_date_month(in, &d->month);
    case 'd':
        return dur_date_number(in, 2, 2, &d->day);
    case 'e':
        if (in->p < in->last && *in->p == ' ') {
            in->p++;
        }
        return dur_date_number(in, 1, 2, &d->day);
    case 'a':
        return dur_date_weekday(in, 3);
    case 'A':
        return dur_date_weekday(in, 0);
    case 'H':
        return dur_date_number(in, 2, 2, &d->hour);
    case 'M':
        return dur_date_number(in, 2, 2, &d->minute);
    case 'S':
        return dur_date_number(in, 2, 2, &d->second)
               && dur_date_fraction(in, &d->ms);
    case 'R':
        return dur_date_rfc3339_zone(in, &d->offset);
    case 'z':
        return dur_date_offset(in, false, &d->offset);
    case 'Z':
        return dur_date_zone(in, &d->offset);
    case 'N':
        return dur_date_zone_again(in);
    case '+':
        return dur_date_monotonic(in);
    default:
        return false;
    }
}


int64_t
dur_date_days(int64_t year, int month, int day)
{
    int64_t  y, leaps;

    /* the year starts in March, so that the leap day is its last */

    y = month > 2 ? year : year - 1;
    month = month > 2 ? month - 3 : month + 9;

    leaps = y / 4 - y / 100 + y / 400;
    if (y < 0) {
        leaps = -1;                     /* only the January of year 0 */
    }

    return y * 365 + leaps + (month * 153 + 2) / 5 + day - 1 - 719468;
}


static int
dur_date_month_days(int year, int month)
{
    static const int8_t  days[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)) {
        return 29;
    }

    return days[month - 1];
}


static bool
dur_date_ms(const dur_time_date_t *d, int64_t *ms)
{
    int64_t  s;

    if (d->month < 1 || d->month > 12 || d->day < 1
        || d->day > dur_date_month_days(d->year, d->month)
        || d->hour > 23 || d->minute > 59 || d->second > 59)
    {
        return false;
    }

    s = dur_date_days(d->year, d->month, d->day) * 86400
        + d->hour * 3600 + d->minute * 60 + d->second - d->offset;

    *ms = s * 1000 + d->ms;

    return true;
}


/* The year, month and day of an instant. */

static void
dur_date_civil(int64_t ms, dur_time_date_t *d)
{
    int64_t  days, era, doe, yoe, doy, mp;

    days = ms / DUR_TIME_DAY_MS;
    if (ms % DUR_TIME_DAY_MS < 0) {
        days--;
    }

    days += 719468;
    era = (days >= 0 ? days : days - 146096) / 146097;
    doe = days - era * 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;

    d->day = (int) (doy - (153 * mp + 2) / 5 + 1);
    d->month = (int) (mp < 10 ? mp + 3 : mp - 9);
    d->year = (int) (yoe + era * 400 + (d->month <= 2));
}


void
dur_date_of(int64_t days, dur_date_t *date)
{
    dur_time_date_t  d;

    dur_date_civil(days * DUR_TIME_DAY_MS, &d);

    date->year = d.year;
    date->month = d.month;
    date->day = d.day;
    date->weekday = (int) (((days + 4) % 7 + 7) % 7);
}


/* One whole text against one form. */

static bool
dur_date_form(const char *form, dur_str_t text, int year, int64_t *ms)
{
    dur_time_in_t    in;
    dur_time_date_t  d;

    in.p = text.data;
    in.last = text.data + text.len;

    memset(&d, 0, sizeof(d));
    d.year = year;

    for ( ; *form != '\0'; form++) {

        if (*form == '%') {
            if (!dur_date_field(&in, *++form, &d)) {
                return false;
            }
            continue;
        }

        if (in.p == in.last
            || (*in.p != *form && !(*form == 'T' && *in.p == 't')))
        {
            return false;
        }

        in.p++;
    }

    return in.p == in.last && dur_date_ms(&d, ms);
}


dur_rc_t
dur_rfc3339_parse(dur_str_t text, int64_t *ms)
{
    return dur_date_form("%Y-%m-%dT%H:%M:%S%R", text, 0, ms) ? DUR_OK
                                                             : DUR_EINVAL;
}


/*
 * Features 0.2, in its order.  %e is a day with or without a space for its
 * first digit, %S takes a fraction, %R the zone of RFC 3339, %z +hhmm, %Z an
 * abbreviation, %N one that says nothing new, %+ Go's monotonic clock.
 */

dur_rc_t
dur_date_parse(dur_str_t text, int64_t now_ms, int64_t *ms)
{
    dur_time_date_t  now;

    static const char *const  forms[] = {
        "%Y-%m-%dT%H:%M:%S%R",              /* RFC 3339 */
        "%Y-%m-%dT%H:%M:%S",
        "%a, %d %b %Y %H:%M:%S %Z",         /* RFC 1123 */
        "%a, %d %b %Y %H:%M:%S %z",
        "%d %b %y %H:%M %Z",                /* RFC 822 */
        "%d %b %y %H:%M %z",
        "%A, %d-%b-%y %H:%M:%S %Z",         /* RFC 850 */
        "%a %b %d %H:%M:%S %z %Y",          /* Ruby */
        "%a %b %e %H:%M:%S %Z %Y",          /* date(1) */
        "%a %b %e %H:%M:%S %Y",             /* asctime(3) */
        "%b %e %H:%M:%S",                   /* syslog: a day of this year */
        "%Y-%m-%d",
        "%Y-%m-%d %H:%M:%S %z %N%+",        /* Go's String() */
        NULL
    };

    /* years beyond 9999 would not fit; nobody's clock says so */

    if (now_ms < DUR_TIME_TEXT_MIN || now_ms > DUR_TIME_TEXT_MAX) {
        return DUR_EINVAL;
    }

    dur_date_civil(now_ms, &now);

    for (int i = 0; forms[i] != NULL; i++) {
        if (dur_date_form(forms[i], text, now.year, ms)) {
            return DUR_OK;
        }
    }

    return DUR_EINVAL;
}


void
dur_rfc3339_text(int64_t ms, char text[32])
{
    int              n, left;
    dur_time_date_t  d;

    if (ms > DUR_TIME_TEXT_MAX) {
        ms = DUR_TIME_TEXT_MAX;
    }

    if (ms < DUR_TIME_TEXT_MIN) {
        ms = DUR_TIME_TEXT_MIN;
    }

    dur_date_civil(ms, &d);

    left = (int) (ms % DUR_TIME_DAY_MS);
    if (left < 0) {
        left += (int) DUR_TIME_DAY_MS;
    }

    n = snprintf(text, 32, "%04u-%02u-%02uT%02u:%02u:%02u",
                 (unsigned) d.year % 10000, (unsigned) d.month % 100,
                 (unsigned) d.day % 100, (unsigned) left / 3600000 % 100,
                 (unsigned) left / 60000 % 60, (unsigned) left / 1000 % 60);

    if (left % 1000) {
        snprintf(text + n, (size_t) (32 - n), ".%03uZ",
                 (unsigned) left % 1000);

    } else {
        memcpy(text + n, "Z", 2);
    }
}


dur_rc_t
dur_sleep_until(dur_str_t text, int64_t now_ms, int64_t *due_ms)
{
    int64_t   at, delay;
    dur_rc_t  rc;

    if (text.len == 0) {
        *due_ms = now_ms;
        return DUR_OK;
    }

    if (text.len >= DUR_TIME_DATE_LEN
        && dur_date_parse(text, now_ms, &at) == DUR_OK)
    {
        delay = at > now_ms ? (at - now_ms + 500) / 1000 * 1000 : 0;

    } else {
        rc = dur_duration_parse(text, &delay);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    if (delay < 0) {
        delay = 0;
    }

    if (delay > DUR_TIME_SLEEP_MAX) {
        return DUR_ETOOBIG;
    }

    *due_ms = now_ms + delay;

    return DUR_OK;
}
