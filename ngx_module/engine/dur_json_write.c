/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_json_write.h"
#include "engine/dur_json_text.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>


/* More than the parser ever lets in; stops on a value that holds itself. */
#define DUR_JSON_WRITE_DEPTH  600

#define DUR_JSON_ENTRIES      64
#define DUR_JSON_SAFE_INT     ((int64_t) 1 << 53)

/* Decimals of at most this many digits name one double each. */
#define DUR_JSON_DIGITS       15


typedef struct {
    dur_str_t  key;
    json_t    *value;
} dur_json_entry_t;


/*
 * The members of all objects that are open, the innermost at the end: one
 * vector, so that sorting needs no memory of its own per object.
 */
typedef struct {
    dur_buf_t         *b;
    dur_json_entry_t  *entries;
    size_t             n;
    size_t             size;
    unsigned           depth;
    dur_json_entry_t   first[DUR_JSON_ENTRIES];
} dur_json_writer_t;


static dur_rc_t dur_json_write_value(dur_json_writer_t *w,
    const json_t *value);


/*
 * The order of bytes is the order of code points.  It differs from UTF-16
 * only between U+E000..U+FFFF and what needs a surrogate pair, which is told
 * by the lead bytes.
 */

int
dur_json_key_cmp(dur_str_t a, dur_str_t b)
{
    size_t   n;
    uint8_t  x, y;

    n = a.len < b.len ? a.len : b.len;

    for (size_t i = 0; i < n; i++) {
        x = a.data[i];
        y = b.data[i];

        if (x == y) {
            continue;
        }

        if (x >= 0xee && y >= 0xee && (x >= 0xf0) != (y >= 0xf0)) {
            return x >= 0xf0 ? -1 : 1;
        }

        return x < y ? -1 : 1;
    }

    return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}


static int
dur_json_entry_cmp(const void *a, const void *b)
{
    return dur_json_key_cmp(((const dur_json_entry_t *) a)->key,
                            ((const dur_json_entry_t *) b)->key);
}


/*
 * The shortest digits that read back as d, and of those the nearest: d is
 * 0.digits * 10^point.
 */

static int
dur_json_digits(double d, char digits[24], int *point)
{
    int   n, ignored;
    char  text[40];

    /* subnormal numbers have less than 15 digits to begin with */

    for (n = d < DBL_MIN ? 1 : DUR_JSON_DIGITS; /* void */ ; n++) {

        snprintf(text, sizeof(text), "%.*e", n - 1, d);

        if (n >= 17 || strtod(text, NULL) == d) {
            break;
        }

        /*
         * A power of two has more room above than below: the next decimal
         * upwards may do where the nearest, below, does not.  Of all powers
         * those that do have 16 digits, none of which carries.
         */

        if (n == 16 && frexp(d, &ignored) == 0.5 && text[16] != '9') {
            text[16]++;

            if (strtod(text, NULL) == d) {
                break;
            }
        }
    }

    digits[0] = text[0];
    memcpy(digits + 1, text + 2, (size_t) n - 1);

    *point = (int) strtol(strchr(text, 'e') + 1, NULL, 10) + 1;

    while (n > 1 && digits[n - 1] == '0') {
        n--;
    }

    return n;
}


/* Number::toString of ECMAScript, 6.1.6.1.20. */

void
dur_json_number(double d, char text[32])
{
    int    n, point;
    char  *p, digits[24];

    p = text;

    if (d == 0 || !isfinite(d)) {
        memcpy(p, "0", 2);
        return;
    }

    if (d < 0) {
        *p++ = '-';
        d = -d;
    }

    n = dur_json_digits(d, digits, &point);

    if (point >= n && point <= 21) {
        memcpy(p, digits, (size_t) n);
        memset(p + n, '0', (size_t) (point - n));
        p[point] = '\0';
        return;
    }

    if (point > 0 && point <= 21) {
        memcpy(p, digits, (size_t) point);
        p[point] = '.';
        memcpy(p + point + 1, digits + point, (size_t) (n - point));
        p[n + 1] = '\0';
        return;
    }

    if (point > -6 && point <= 0) {
        memcpy(p, "0.", 2);
        memset(p + 2, '0', (size_t) -point);
        memcpy(p + 2 - point, digits, (size_t) n);
        p[2 - point + n] = '\0';
        return;
    }

    *p++ = digits[0];

    if (n > 1) {
        *p++ = '.';
        memcpy(p, digits + 1, (size_t) n - 1);
        p += n - 1;
    }

    snprintf(p, 8, "e%c%d", point > 0 ? '+' : '-', abs(point - 1) % 1000);
}


/* What a byte below U+0080 is written as, NULL for itself. */

static const char *
dur_json_escape(uint8_t c, char text[8])
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    }

    if (c >= 0x20) {
        return NULL;
    }

    memcpy(text, "\\u0000", 7);
    text[4] = (char) ('0' + (c >> 4));
    text[5] = "0123456789abcdef"[c & 15];

    return text;
}


static void
dur_json_add_chars(dur_buf_t *b, dur_str_t s)
{
    char            escape[8];
    size_t          n;
    const char     *text;
    const uint8_t  *p, *run, *last;

    if (s.len == 0) {
        return;
    }

    p = s.data;
    last = s.data + s.len;

    while (p < last) {

        for (run = p; p < last; p += n) {

            if (dur_likely(*p < 0x80)) {
                if (*p < 0x20 || *p == '"' || *p == '\\') {
                    break;
                }
                n = 1;
                continue;
            }

            n = dur_utf8_len(p, last);
            if (n == 0) {
                break;
            }
        }

        dur_buf_add(b, run, (size_t) (p - run));

        if (p < last) {
            text = *p < 0x80 ? dur_json_escape(*p, escape) : "\xef\xbf\xbd";
            dur_buf_addz(b, text);
            p++;
        }
    }
}


static void
dur_json_add_string(dur_buf_t *b, dur_str_t s)
{
    dur_buf_addc(b, '"');
    dur_json_add_chars(b, s);
    dur_buf_addc(b, '"');
}


dur_rc_t
dur_json_write_chars(dur_buf_t *b, dur_str_t s)
{
    size_t    start;
    dur_rc_t  rc;

    start = b->len;

    rc = dur_buf_reserve(b, s.len);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_json_add_chars(b, s);

    if (b->failed) {
        b->len = start;
        return DUR_ETOOBIG;
    }

    return DUR_OK;
}


dur_rc_t
dur_json_write_string(dur_buf_t *b, dur_str_t s)
{
    size_t    start;
    dur_rc_t  rc;

    start = b->len;

    /* the usual string has nothing to escape */

    rc = dur_buf_reserve(b, s.len + 2);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_json_add_string(b, s);

    if (b->failed) {
        b->len = start;
        return DUR_ETOOBIG;
    }

    return DUR_OK;
}


static dur_rc_t
dur_json_push(dur_json_writer_t *w, dur_str_t key, json_t *value)
{
    size_t             size;
    dur_json_entry_t  *p;

    if (w->n == w->size) {
        size = w->size * 2;

        p = malloc(size * sizeof(*p));
        if (p == NULL) {
            return DUR_ENOMEM;
        }

        memcpy(p, w->entries, w->n * sizeof(*p));

        if (w->entries != w->first) {
            free(w->entries);
        }

        w->entries = p;
        w->size = size;
    }

    w->entries[w->n].key = key;
    w->entries[w->n].value = value;
    w->n++;

    return DUR_OK;
}


/* Puts the members of an object behind the others, in order. */

static dur_rc_t
dur_json_push_sorted(dur_json_writer_t *w, json_t *object)
{
    void              *it;
    bool               sorted;
    size_t             start, n;
    dur_rc_t           rc;
    dur_json_entry_t   e, *v;

    start = w->n;
    sorted = true;

    for (it = json_object_iter(object);
         it != NULL;
         it = json_object_iter_next(object, it))
    {
        rc = dur_json_push(w, dur_str_make(json_object_iter_key(it),
                                           json_object_iter_key_len(it)),
                           json_object_iter_value(it));
        if (rc != DUR_OK) {
            return rc;
        }

        v = &w->entries[w->n - 1];

        if (w->n - start > 1 && dur_json_key_cmp(v[-1].key, v->key) > 0) {
            sorted = false;
        }
    }

    if (sorted) {
        return DUR_OK;
    }

    v = w->entries + start;
    n = w->n - start;

    if (n > 16) {
        qsort(v, n, sizeof(*v), dur_json_entry_cmp);
        return DUR_OK;
    }

    for (size_t i = 1, k; i < n; i++) {
        e = v[i];

        for (k = i; k > 0 && dur_json_key_cmp(v[k - 1].key, e.key) > 0; k--) {
            v[k] = v[k - 1];
        }

        v[k] = e;
    }

    return DUR_OK;
}


static dur_rc_t
dur_json_write_object(dur_json_writer_t *w, json_t *object)
{
    size_t            start, end;
    dur_rc_t          rc;
    dur_json_entry_t  e;

    start = w->n;

    rc = dur_json_push_sorted(w, object);
    if (rc != DUR_OK) {
        return rc;
    }

    end = w->n;

    dur_buf_addc(w->b, '{');

    for (size_t i = start; i < end; i++) {

        /* a copy: inner objects may move the vector */

        e = w->entries[i];

        if (i > start) {
            dur_buf_addc(w->b, ',');
        }

        dur_json_add_string(w->b, e.key);
        dur_buf_addc(w->b, ':');

        rc = dur_json_write_value(w, e.value);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    w->n = start;

    return dur_buf_addc(w->b, '}');
}


static dur_rc_t
dur_json_write_array(dur_json_writer_t *w, const json_t *array)
{
    size_t    n;
    dur_rc_t  rc;

    n = json_array_size(array);

    dur_buf_addc(w->b, '[');

    for (size_t i = 0; i < n; i++) {

        if (i) {
            dur_buf_addc(w->b, ',');
        }

        rc = dur_json_write_value(w, json_array_get(array, i));
        if (rc != DUR_OK) {
            return rc;
        }
    }

    return dur_buf_addc(w->b, ']');
}


static dur_rc_t
dur_json_write_integer(dur_buf_t *b, int64_t v)
{
    char  text[32];

    if (v > DUR_JSON_SAFE_INT || v < -DUR_JSON_SAFE_INT) {
        dur_json_number((double) v, text);
        return dur_buf_addz(b, text);
    }

    return dur_buf_addf(b, "%" PRId64, v);
}


static dur_rc_t
dur_json_write_value(dur_json_writer_t *w, const json_t *value)
{
    char      text[32];
    dur_rc_t  rc;

    switch (json_typeof(value)) {

    case JSON_OBJECT:
    case JSON_ARRAY:
        if (w->depth == DUR_JSON_WRITE_DEPTH) {
            return DUR_EINVAL;
        }

        w->depth++;

        rc = json_is_object(value)
             ? dur_json_write_object(w, (json_t *) (uintptr_t) value)
             : dur_json_write_array(w, value);

        w->depth--;

        return rc;

    case JSON_STRING:
        dur_json_add_string(w->b, dur_str_make(json_string_value(value),
                                               json_string_length(value)));
        break;

    case JSON_INTEGER:
        return dur_json_write_integer(w->b, json_integer_value(value));

    case JSON_REAL:
        dur_json_number(json_real_value(value), text);
        return dur_buf_addz(w->b, text);

    case JSON_TRUE:
        return dur_buf_add(w->b, "true", 4);

    case JSON_FALSE:
        return dur_buf_add(w->b, "false", 5);

    case JSON_NULL:
        return dur_buf_add(w->b, "null", 4);
    }

    return w->b->failed ? DUR_ETOOBIG : DUR_OK;
}


dur_rc_t
dur_json_write(dur_buf_t *b, const json_t *value)
{
    size_t             start;
    dur_rc_t           rc;
    dur_json_writer_t  w;

    if (value == NULL) {
        return DUR_EINVAL;
    }

    start = b->len;

    w.b = b;
    w.entries = w.first;
    w.n = 0;
    w.size = DUR_JSON_ENTRIES;
    w.depth = 0;

    rc = dur_json_write_value(&w, value);

    if (rc == DUR_OK && b->failed) {
        rc = DUR_ETOOBIG;
    }

    if (rc != DUR_OK) {
        b->len = start;
    }

    if (w.entries != w.first) {
        free(w.entries);
    }

    return rc;
}
