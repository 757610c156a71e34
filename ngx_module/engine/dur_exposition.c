/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_exposition.h"

#include <stdio.h>


#define DUR_EXPOSITION_NUMBER  48


void
dur_exposition_init(dur_exposition_t *x, dur_buf_t *out, bool open)
{
    memset(x, 0, sizeof(*x));
    x->out = out;
    x->open = open;
}


/* "_seconds" makes a unit, in OpenMetrics only. */
static void
dur_exposition_unit(dur_exposition_t *x)
{
    size_t       i, len;
    dur_str_t    name;
    static const char  *units[] = { "_seconds", "_bytes" };

    name = dur_str_c(x->name);

    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        len = strlen(units[i]);

        if (name.len > len
            && memcmp(name.data + name.len - len, units[i], len) == 0)
        {
            dur_buf_addf(x->out, "# UNIT %s %s\n", x->name, units[i] + 1);
        }
    }
}


void
dur_exposition_family(dur_exposition_t *x, dur_exposition_type_t type,
    const char *name, const char *help)
{
    const char         *suffix;
    static const char  *types[] = { "counter", "gauge", "histogram" };

    x->type = type;
    x->name = name;

    suffix = (type == DUR_EXPOSITION_COUNTER && !x->open) ? "_total" : "";

    dur_buf_addf(x->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix,
                 help, name, suffix, types[type]);

    if (x->open) {
        dur_exposition_unit(x);
    }
}


static void
dur_exposition_begin(dur_exposition_t *x, const char *suffix)
{
    x->labels = 0;
    dur_buf_addz(x->out, x->name);
    dur_buf_addz(x->out, suffix);
}


void
dur_exposition_sample(dur_exposition_t *x)
{
    dur_exposition_begin(x, x->type == DUR_EXPOSITION_COUNTER ? "_total" : "");
}


/* A name that is no UTF-8, or has control characters, was never taken. */
void
dur_exposition_label(dur_exposition_t *x, const char *key, dur_str_t value)
{
    size_t  i;

    dur_buf_addf(x->out, "%c%s=\"", x->labels++ ? ',' : '{', key);

    for (i = 0; i < value.len; i++) {

        switch (value.data[i]) {

        case '\\':
            dur_buf_addz(x->out, "\\\\");
            break;

        case '"':
            dur_buf_addz(x->out, "\\\"");
            break;

        case '\n':
            dur_buf_addz(x->out, "\\n");
            break;

        default:
            dur_buf_addc(x->out, value.data[i]);
        }
    }

    dur_buf_addc(x->out, '"');
}


static void
dur_exposition_value(dur_exposition_t *x, const char *value)
{
    dur_buf_addf(x->out, "%s %s\n", x->labels ? "}" : "", value);
}


void
dur_exposition_integer(dur_exposition_t *x, uint64_t value)
{
    char  text[DUR_EXPOSITION_NUMBER];

    snprintf(text, sizeof(text), "%llu", (unsigned long long) value);
    dur_exposition_value(x, text);
}


/* Exact, without the zeros at the end. */
static void
dur_exposition_decimal(uint64_t us, char text[DUR_EXPOSITION_NUMBER])
{
    size_t  n;

    n = (size_t) snprintf(text, DUR_EXPOSITION_NUMBER, "%llu.%06u",
                          (unsigned long long) (us / 1000000),
                          (unsigned) (us % 1000000));

    while (text[n - 1] == '0' && text[n - 2] != '.') {
        text[--n] = '\0';
    }
}


void
dur_exposition_seconds(dur_exposition_t *x, uint64_t us)
{
    char  text[DUR_EXPOSITION_NUMBER];

    dur_exposition_decimal(us, text);
    dur_exposition_value(x, text);
}


void
dur_exposition_gauge(dur_exposition_t *x, const char *name, const char *help,
    uint64_t value)
{
    dur_exposition_family(x, DUR_EXPOSITION_GAUGE, name, help);
    dur_exposition_sample(x);
    dur_exposition_integer(x, value);
}


/* -- histograms ----------------------------------------------------------- */

static void
dur_exposition_bound(const dur_bounds_t *bounds, unsigned i,
    char text[DUR_EXPOSITION_NUMBER])
{
    if (i == bounds->n) {
        snprintf(text, DUR_EXPOSITION_NUMBER, "+Inf");

    } else if (bounds->seconds) {
        dur_exposition_decimal(bounds->le[i], text);

    } else {
        snprintf(text, DUR_EXPOSITION_NUMBER, "%llu.0",
                 (unsigned long long) bounds->le[i]);
    }
}


void
dur_exposition_histogram(dur_exposition_t *x, const dur_histogram_t *h,
    const dur_bounds_t *bounds, const char *key, const char *value)
{
    char      le[DUR_EXPOSITION_NUMBER];
    unsigned  i;
    uint64_t  count;

    count = 0;

    for (i = 0; i <= bounds->n; i++) {
        count += h->bucket[i];
        dur_exposition_begin(x, "_bucket");

        if (key) {
            dur_exposition_label(x, key, dur_str_c(value));
        }

        dur_exposition_bound(bounds, i, le);
        dur_exposition_label(x, "le", dur_str_c(le));
        dur_exposition_integer(x, count);
    }

    dur_exposition_begin(x, "_sum");

    if (key) {
        dur_exposition_label(x, key, dur_str_c(value));
    }

    if (bounds->seconds) {
        dur_exposition_seconds(x, h->sum);
    } else {
        dur_exposition_integer(x, h->sum);
    }

    dur_exposition_begin(x, "_count");

    if (key) {
        dur_exposition_label(x, key, dur_str_c(value));
    }

    dur_exposition_integer(x, count);
}


void
dur_exposition_end(dur_exposition_t *x)
{
    if (x->open) {
        dur_buf_addz(x->out, "# EOF\n");
    }
}
