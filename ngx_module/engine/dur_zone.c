/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_zone.h"
#include "engine/dur_time.h"

#include <stdio.h>


#define DUR_ZONE_HEADER    44
#define DUR_ZONE_TYPE      6
#define DUR_ZONE_RULE_MAX  128

#define DUR_ZONE_DAY       86400
#define DUR_ZONE_OFFSET    (26 * 3600)      /* all are nearer to UTC */

/* Instants that are looked at: years with four digits. */
#define DUR_ZONE_FIRST     (-62135596800)
#define DUR_ZONE_LAST      253402300799


typedef struct {
    uint8_t   version;
    uint32_t  nutc;
    uint32_t  nstd;
    uint32_t  nleaps;
    uint32_t  ntimes;
    uint32_t  ntypes;
    uint32_t  nchars;
} dur_zone_head_t;

typedef struct {
    const uint8_t  *p;
    const uint8_t  *end;
} dur_zone_text_t;


void
dur_zone_utc(dur_zone_t *zone)
{
    memset(zone, 0, sizeof(*zone));
    zone->ruled = true;
}


static dur_rc_t
dur_zone_refuse(char err[80], const char *why)
{
    snprintf(err, 80, "%s", why);
    return DUR_EINVAL;
}


/* -- names ---------------------------------------------------------------- */

bool
dur_zone_name(dur_str_t name)
{
    size_t   i;
    uint8_t  c, before;

    before = '/';

    for (i = 0; i < name.len; i++) {
        c = name.data[i];

        if (c == '/' ? before == '/'
            : !(((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
                || (c >= '0' && c <= '9') || c == '_' || c == '+'
                || c == '-'))
        {
            return false;
        }

        before = c;
    }

    return before != '/' && name.len <= DUR_ZONE_NAME_MAX;
}


bool
dur_zone_is_utc(dur_str_t name)
{
    size_t  i;

    static const char  *names[] = {
        "UTC", "Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu", "UCT",
        "Universal", "Zulu", "GMT", "Etc/GMT"
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (dur_str_eq(name, dur_str_c(names[i]))) {
            return true;
        }
    }

    return false;
}


/* -- rules ---------------------------------------------------------------- */

static bool
dur_zone_take(dur_zone_text_t *t, uint8_t c)
{
    if (t->p == t->end || *t->p != c) {
        return false;
    }

    t->p++;

    return true;
}


static bool
dur_zone_number(dur_zone_text_t *t, unsigned max, unsigned *value)
{
    const uint8_t  *start = t->p;

    *value = 0;

    while (t->p < t->end && *t->p >= '0' && *t->p <= '9'
           && t->p - start < 4)
    {
        *value = *value * 10 + (unsigned) (*t->p++ - '0');
    }

    return t->p > start && *value <= max;
}


/* [+-]h[:m[:s]] */
static bool
dur_zone_time(dur_zone_text_t *t, unsigned max, int32_t *seconds)
{
    int       sign;
    unsigned  h, m, s;

    m = 0;
    s = 0;
    sign = dur_zone_take(t, '-') ? -1 : 1;

    if (sign == 1) {
        (void) dur_zone_take(t, '+');
    }

    if (!dur_zone_number(t, max, &h)
        || (dur_zone_take(t, ':')
            && (!dur_zone_number(t, 59, &m)
                || (dur_zone_take(t, ':') && !dur_zone_number(t, 59, &s)))))
    {
        return false;
    }

    *seconds = sign * (int32_t) (h * 3600 + m * 60 + s);

    return true;
}


/* Letters, or whatever stands between < and >. */
static bool
dur_zone_letters(dur_zone_text_t *t)
{
    const uint8_t  *start;

    if (dur_zone_take(t, '<')) {
        start = t->p;

        while (t->p < t->end && *t->p > ' ' && *t->p < 0x7f && *t->p != '>') {
            t->p++;
        }

        return t->p - start >= 3 && dur_zone_take(t, '>');
    }

    start = t->p;

    while (t->p < t->end && (*t->p | 0x20) >= 'a' && (*t->p | 0x20) <= 'z') {
        t->p++;
    }

    return t->p - start >= 3;
}


/* ,Mm.w.d[/time] or ,Jn or ,n */
static bool
dur_zone_date(dur_zone_text_t *t, dur_zone_date_t *date)
{
    unsigned  month, week, day;

    if (!dur_zone_take(t, ',')) {
        return false;
    }

    if (dur_zone_take(t, 'M')) {
        if (!dur_zone_number(t, 12, &month) || month == 0
            || !dur_zone_take(t, '.') || !dur_zone_number(t, 5, &week)
            || week == 0
            || !dur_zone_take(t, '.') || !dur_zone_number(t, 6, &day))
        {
            return false;
        }

        date->form = 'M';
        date->month = (uint8_t) month;
        date->week = (uint8_t) week;
        date->weekday = (uint8_t) day;

    } else {
        date->form = dur_zone_take(t, 'J') ? 'J' : 'D';

        if (!dur_zone_number(t, 365, &day) || (date->form == 'J' && day == 0))
        {
            return false;
        }

        date->day = (uint16_t) day;
    }

    date->time = 2 * 3600;

    return !dur_zone_take(t, '/') || dur_zone_time(t, 167, &date->time);
}


static bool
dur_zone_rule(dur_str_t text, dur_zone_rule_t *rule)
{
    dur_zone_text_t  t = { text.data, text.data + text.len };

    memset(rule, 0, sizeof(*rule));

    if (!dur_zone_letters(&t) || !dur_zone_time(&t, 24, &rule->standard)) {
        return false;
    }

    rule->standard = -rule->standard;

    if (t.p == t.end) {
        return true;
    }

    rule->changes = true;
    rule->summer = rule->standard + 3600;

    if (!dur_zone_letters(&t)) {
        return false;
    }

    if (t.p < t.end && *t.p != ',') {
        if (!dur_zone_time(&t, 24, &rule->summer)) {
            return false;
        }
        rule->summer = -rule->summer;
    }

    return dur_zone_date(&t, &rule->begins) && dur_zone_date(&t, &rule->ends)
           && t.p == t.end;
}


/* The instant of a change in a year, as the clocks before it have it. */
static int64_t
dur_zone_change(const dur_zone_date_t *date, int year, int32_t offset)
{
    bool        leap;
    int64_t     day, length;
    dur_date_t  first;

    leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    switch (date->form) {

    case 'M':
        day = dur_date_days(year, date->month, 1);
        length = (date->month == 12 ? dur_date_days(year + 1, 1, 1)
                  : dur_date_days(year, date->month + 1, 1)) - day;

        dur_date_of(day, &first);
        day += (date->weekday - first.weekday + 7) % 7
               + (date->week - 1) * 7;

        if (day >= dur_date_days(year, date->month, 1) + length) {
            day -= 7;
        }
        break;

    case 'J':
        day = dur_date_days(year, 1, 1) + date->day - 1
              + (leap && date->day >= 60);
        break;

    default:
        day = dur_date_days(year, 1, 1) + date->day;
    }

    return day * DUR_ZONE_DAY + date->time - offset;
}


static int32_t
dur_zone_ruled(const dur_zone_rule_t *rule, int64_t at, int64_t *until)
{
    int         year;
    int32_t     offset;
    int64_t     instants[2], last;
    dur_date_t  date;

    *until = INT64_MAX;

    if (!rule->changes) {
        return rule->standard;
    }

    dur_date_of((at + rule->standard) / DUR_ZONE_DAY
                - ((at + rule->standard) % DUR_ZONE_DAY < 0), &date);

    last = INT64_MIN;
    offset = rule->standard;

    for (year = date.year - 1; year <= date.year + 1; year++) {
        instants[0] = dur_zone_change(&rule->ends, year, rule->summer);
        instants[1] = dur_zone_change(&rule->begins, year, rule->standard);

        for (int i = 0; i < 2; i++) {

            /* where one ends when the next begins, summer goes on */

            if (instants[i] <= at && instants[i] >= last) {
                last = instants[i];
                offset = i ? rule->summer : rule->standard;
            }

            if (instants[i] > at && instants[i] < *until) {
                *until = instants[i];
            }
        }
    }

    return offset;
}


/* -- files ---------------------------------------------------------------- */

static size_t
dur_zone_size(const dur_zone_head_t *h, unsigned width)
{
    return h->ntimes * (width + (size_t) 1)
           + h->ntypes * (size_t) DUR_ZONE_TYPE + h->nchars
           + h->nleaps * (width + (size_t) 4) + h->nstd + h->nutc;
}


/* The header at `at`; its block is within the file. */
static bool
dur_zone_head(dur_str_t file, size_t at, unsigned width, dur_zone_head_t *h)
{
    const uint8_t  *p;

    if (file.len - at < DUR_ZONE_HEADER) {
        return false;
    }

    p = file.data + at;

    h->version = p[4];
    h->nutc = dur_get32(p + 20);
    h->nstd = dur_get32(p + 24);
    h->nleaps = dur_get32(p + 28);
    h->ntimes = dur_get32(p + 32);
    h->ntypes = dur_get32(p + 36);
    h->nchars = dur_get32(p + 40);

    return memcmp(p, "TZif", 4) == 0
           && h->nutc <= file.len && h->nstd <= file.len
           && h->nleaps <= file.len && h->ntimes <= file.len
           && h->ntypes <= file.len && h->nchars <= file.len
           && dur_zone_size(h, width) <= file.len - at - DUR_ZONE_HEADER;
}


static int64_t
dur_zone_instant(const dur_zone_t *zone, uint32_t i)
{
    return zone->width == 8
           ? (int64_t) dur_get64(zone->times + (size_t) i * 8)
           : (int32_t) dur_get32(zone->times + (size_t) i * 4);
}


static int32_t
dur_zone_type(const dur_zone_t *zone, uint8_t type)
{
    return (int32_t) dur_get32(zone->types + type * DUR_ZONE_TYPE);
}


static dur_rc_t
dur_zone_block(const dur_zone_head_t *h, dur_zone_t *zone, char err[80])
{
    uint32_t  i;
    int32_t   offset;

    if (h->nleaps > 0) {
        return dur_zone_refuse(err, "counts leap seconds, which the clock "
                               "here does not");
    }

    if (h->ntypes == 0 || h->ntypes > 256) {
        return dur_zone_refuse(err, "has data without a type of time");
    }

    for (i = 0; i < h->ntypes; i++) {
        offset = dur_zone_type(zone, (uint8_t) i);

        if (offset <= -DUR_ZONE_OFFSET || offset >= DUR_ZONE_OFFSET) {
            return dur_zone_refuse(err, "has data with an offset of more "
                                   "than a day");
        }
    }

    for (i = 0; i < h->ntimes; i++) {
        if (zone->indices[i] >= h->ntypes
            || (i > 0 && dur_zone_instant(zone, i)
                         <= dur_zone_instant(zone, i - 1)))
        {
            return dur_zone_refuse(err, "has data with times out of order");
        }
    }

    return DUR_OK;
}


/* "\n" rule "\n" at the end of the file; the rule may be empty. */
static dur_rc_t
dur_zone_footer(dur_str_t rest, dur_zone_t *zone, char err[80])
{
    dur_str_t  text;

    if (rest.len < 2 || rest.data[0] != '\n'
        || rest.data[rest.len - 1] != '\n')
    {
        return dur_zone_refuse(err, "has data without an end");
    }

    text = dur_str_make(rest.data + 1, rest.len - 2);

    if (text.len == 0) {
        return DUR_OK;
    }

    if (text.len > DUR_ZONE_RULE_MAX || !dur_zone_rule(text, &zone->rule)) {
        return dur_zone_refuse(err, "has data with a rule that is none");
    }

    zone->ruled = true;

    return DUR_OK;
}


static dur_rc_t
dur_zone_file(dur_str_t file, dur_zone_t *zone, char err[80])
{
    size_t           at, size;
    dur_rc_t         rc;
    dur_zone_head_t  h;

    at = 0;
    zone->width = 4;

    if (!dur_zone_head(file, 0, 4, &h)) {
        return dur_zone_refuse(err, "has data that is cut off");
    }

    if (h.version != 0) {
        at = DUR_ZONE_HEADER + dur_zone_size(&h, 4);
        zone->width = 8;

        if (!dur_zone_head(file, at, 8, &h)) {
            return dur_zone_refuse(err, "has data that is cut off");
        }
    }

    at += DUR_ZONE_HEADER;
    size = dur_zone_size(&h, zone->width);

    zone->ntimes = h.ntimes;
    zone->times = file.data + at;
    zone->indices = zone->times + (size_t) h.ntimes * zone->width;
    zone->types = zone->indices + h.ntimes;

    rc = dur_zone_block(&h, zone, err);

    if (rc == DUR_OK && h.version != 0) {
        at += size;
        rc = dur_zone_footer(dur_str_make(file.data + at, file.len - at),
                             zone, err);
    }

    return rc;
}


dur_rc_t
dur_zone_parse(dur_str_t bytes, dur_zone_t *zone, char err[80])
{
    dur_rc_t  rc;

    memset(zone, 0, sizeof(*zone));

    if (bytes.len > DUR_ZONE_MAX) {
        return dur_zone_refuse(err, "has more data than a zone can have");
    }

    if (bytes.len >= 4 && memcmp(bytes.data, "TZif", 4) == 0) {
        rc = dur_zone_file(bytes, zone, err);

    } else if (bytes.len > 0 && bytes.len <= DUR_ZONE_RULE_MAX
               && dur_zone_rule(bytes, &zone->rule))
    {
        zone->ruled = true;
        rc = DUR_OK;

    } else {
        rc = dur_zone_refuse(err, "has data that is not that of a zone");
    }

    if (rc != DUR_OK) {
        dur_zone_utc(zone);
    }

    return rc;
}


int32_t
dur_zone_offset(const dur_zone_t *zone, int64_t at, int64_t *until)
{
    uint32_t  low, high, middle;

    at = at < DUR_ZONE_FIRST ? DUR_ZONE_FIRST : at;
    at = at > DUR_ZONE_LAST ? DUR_ZONE_LAST : at;

    /* `low` times are not after it */

    for (low = 0, high = zone->ntimes; low < high; ) {
        middle = low + (high - low) / 2;

        if (dur_zone_instant(zone, middle) <= at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }

    if (low == zone->ntimes && zone->ruled) {
        return dur_zone_ruled(&zone->rule, at, until);
    }

    *until = low < zone->ntimes ? dur_zone_instant(zone, low) : INT64_MAX;

    return dur_zone_type(zone, low > 0 ? zone->indices[low - 1] : 0);
}
