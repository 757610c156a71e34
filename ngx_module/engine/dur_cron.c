/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_cron.h"

#include <stdio.h>


typedef struct {
    const char  *name;          /* for the message */
    unsigned     low;
    unsigned     high;
    const char  *words;         /* three letters each, from `low` on */
} dur_cron_field_t;

typedef struct {
    unsigned  first;
    unsigned  last;
    unsigned  step;
    bool      star;
    bool      single;           /* one value, no range */
} dur_cron_range_t;


static dur_rc_t
dur_cron_refuse(char err[160], const dur_cron_field_t *field, dur_str_t part,
    const char *why)
{
    snprintf(err, 160, "the %s \"%.*s\" %s", field->name,
             (int) (part.len < 32 ? part.len : 32),
             part.len ? (const char *) part.data : "", why);

    return DUR_EINVAL;
}


static dur_str_t
dur_cron_split(dur_str_t *s, uint8_t at)
{
    size_t     i;
    dur_str_t  head;

    for (i = 0; i < s->len && s->data[i] != at; i++) { /* void */ }

    head = dur_str_make(s->data, i);

    i += i < s->len;
    *s = dur_str_make(s->data + i, s->len - i);

    return head;
}


static bool
dur_cron_has(dur_str_t s, uint8_t c)
{
    return s.len != 0 && memchr(s.data, c, s.len) != NULL;
}


/* Digits alone: a sign is no number here. */
static bool
dur_cron_number(dur_str_t s, unsigned *value)
{
    *value = 0;

    if (s.len == 0 || s.len > 4) {
        return false;
    }

    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return false;
        }

        *value = *value * 10 + (unsigned) (s.data[i] - '0');
    }

    return true;
}


static bool
dur_cron_value(const dur_cron_field_t *field, dur_str_t s, unsigned *value)
{
    unsigned     i;
    const char  *word;

    if (dur_cron_number(s, value)) {
        return *value >= field->low && *value <= field->high;
    }

    if (field->words == NULL || s.len != 3) {
        return false;
    }

    for (i = field->low, word = field->words; *word; i++, word += 3) {
        if (dur_str_caseeq(s, dur_str_make(word, 3))) {
            *value = i;
            return true;
        }
    }

    return false;
}


/* One member of a list: *, a, a-b, each with or without /n. */
static dur_rc_t
dur_cron_member(const dur_cron_field_t *field, dur_str_t part,
    dur_cron_range_t *r, char err[160])
{
    bool       stepped;
    dur_str_t  range, step, first;

    step = part;
    range = dur_cron_split(&step, '/');
    stepped = dur_cron_has(part, '/');

    r->star = dur_str_eq(range, dur_str("*"))
              || dur_str_eq(range, dur_str("?"));
    r->single = false;
    r->first = field->low;
    r->last = field->high;
    r->step = 1;

    if (!r->star) {
        r->single = !dur_cron_has(range, '-');
        first = dur_cron_split(&range, '-');

        if (!dur_cron_value(field, first, &r->first)
            || (!r->single && !dur_cron_value(field, range, &r->last)))
        {
            return dur_cron_refuse(err, field, part, "has no such value");
        }

        if (r->single && !stepped) {
            r->last = r->first;
        }

        if (r->first > r->last) {
            return dur_cron_refuse(err, field, part, "ends before it begins");
        }
    }

    if (stepped && (!dur_cron_number(step, &r->step) || r->step == 0)) {
        return dur_cron_refuse(err, field, part,
                               "needs a number from 1 behind its \"/\"");
    }

    return DUR_OK;
}


static dur_rc_t
dur_cron_field(const dur_cron_field_t *field, dur_str_t text, uint64_t *set,
    bool *any, char err[160])
{
    dur_rc_t          rc;
    unsigned          i;
    dur_str_t         part, rest;
    dur_cron_range_t  r;

    *set = 0;
    *any = false;

    /* a comma at the end is an empty member behind it */

    if (text.data[text.len - 1] == ',') {
        return dur_cron_refuse(err, field, text, "has an empty member");
    }

    for (rest = text; rest.len; ) {
        part = dur_cron_split(&rest, ',');

        if (part.len == 0) {
            return dur_cron_refuse(err, field, text, "has an empty member");
        }

        rc = dur_cron_member(field, part, &r, err);
        if (rc != DUR_OK) {
            return rc;
        }

        *any = *any || (r.star && r.step == 1);

        for (i = r.first; i <= r.last; i += r.step) {
            *set |= (uint64_t) 1 << i;
        }
    }

    return DUR_OK;
}


static bool
dur_cron_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}


static dur_str_t
dur_cron_word(dur_str_t *s)
{
    size_t     i, start;
    dur_str_t  word;

    for (start = 0; start < s->len && dur_cron_blank(s->data[start]);
         start++) { /* void */ }

    for (i = start; i < s->len && !dur_cron_blank(s->data[i]); i++) {
        /* void */
    }

    word = dur_str_make(s->data + start, i - start);
    *s = dur_str_make(s->data + i, s->len - i);

    return word;
}


static bool
dur_cron_in_zone(uint8_t c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9')
           || c == '_' || c == '+' || c == '-' || c == '/';
}


/* The zone in front, when there is one. */
static dur_rc_t
dur_cron_zone(dur_str_t *text, dur_cron_t *cron, char err[160])
{
    size_t     i, n;
    dur_str_t  zone;

    n = (text->len >= 3 && memcmp(text->data, "TZ=", 3) == 0) ? 3
        : (text->len >= 8 && memcmp(text->data, "CRON_TZ=", 8) == 0) ? 8 : 0;

    if (n == 0) {
        return DUR_OK;
    }

    for (i = n; i < text->len && text->data[i] != ' '; i++) { /* void */ }

    zone = dur_str_make(text->data + n, i - n);
    *text = dur_str_make(text->data + i, text->len - i);

    for (i = 0; i < zone.len && dur_cron_in_zone(zone.data[i]); i++) {
        /* void */
    }

    if (zone.len == 0) {
        snprintf(err, 160, "there is no zone behind its TZ=");
        return DUR_EINVAL;
    }

    if (i < zone.len || zone.len > 64 || zone.data[0] == '/') {
        snprintf(err, 160, "\"%.*s\" is not the name of a zone",
                 (int) (zone.len < 64 ? zone.len : 64), zone.data);
        return DUR_EINVAL;
    }

    cron->zone = zone;

    return DUR_OK;
}


dur_rc_t
dur_cron_parse(dur_str_t text, dur_cron_t *cron, char err[160])
{
    bool       any[DUR_CRON_FIELDS];
    size_t     n;
    dur_rc_t   rc;
    uint64_t   set[DUR_CRON_FIELDS];
    dur_str_t  word, words[DUR_CRON_FIELDS];

    static const dur_cron_field_t  fields[DUR_CRON_FIELDS] = {
        { "minute", 0, 59, NULL },
        { "hour", 0, 23, NULL },
        { "day", 1, 31, NULL },
        { "month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec" },
        { "weekday", 0, 6, "sunmontuewedthufrisat" },
    };

    memset(cron, 0, sizeof(*cron));

    rc = dur_cron_zone(&text, cron, err);
    if (rc != DUR_OK) {
        return rc;
    }

    for (n = 0; ; n++) {
        word = dur_cron_word(&text);

        if (word.len == 0) {
            break;
        }

        if (n < DUR_CRON_FIELDS) {
            words[n] = word;
        }
    }

    if (n != DUR_CRON_FIELDS) {
        snprintf(err, 160, "it must have five fields: minute hour day month "
                 "weekday");
        return DUR_EINVAL;
    }

    for (n = 0; n < DUR_CRON_FIELDS; n++) {
        rc = dur_cron_field(&fields[n], words[n], &set[n], &any[n], err);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    cron->minute = set[0];
    cron->hour = (uint32_t) set[1];
    cron->day = (uint32_t) set[2];
    cron->month = (uint16_t) set[3];
    cron->weekday = (uint8_t) set[4];
    cron->any_day = any[2];
    cron->any_weekday = any[4];

    return DUR_OK;
}
