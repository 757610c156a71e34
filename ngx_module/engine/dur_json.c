/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_json.h"

#include <math.h>
#include <stdio.h>


/* Integers up to here are doubles without loss. */
#define DUR_JSON_EXACT_INT  ((double) ((uint64_t) 1 << 53))

/* What a json_int_t holds: digits behind no sign, and behind a minus. */
#define DUR_JSON_INT_MAX    "9223372036854775807"
#define DUR_JSON_INT_MIN    "9223372036854775808"
#define DUR_JSON_INT_LEN    (sizeof(DUR_JSON_INT_MAX) - 1)


/*
 * What jansson reads instead of the text, where it would refuse a part of it.
 * Empty while nothing has to be replaced.
 */
typedef struct {
    dur_buf_t       b;
    const uint8_t  *p;          /* of the text; what is before is in b */
} dur_json_copy_t;


/* Puts `with` in the place of [p, next). */

static void
dur_json_replace(dur_json_copy_t *copy, const uint8_t *p,
    const uint8_t *next, const char *with)
{
    dur_buf_add(&copy->b, copy->p, (size_t) (p - copy->p));
    dur_buf_addz(&copy->b, with);

    copy->p = next;
}


/* Behind the string at p. */

static const uint8_t *
dur_json_pass_string(dur_json_copy_t *copy, const uint8_t *p,
    const uint8_t *last)
{
    size_t          n;
    uint8_t         c[4];
    const uint8_t  *escape;

    p++;

    while (p < last && *p != '"') {

        if (*p != '\\') {
            p++;
            continue;
        }

        escape = p;

        n = dur_json_unescape(&p, last, c);

        if (n == 0) {
            p++;                        /* no escape: jansson says so */

        } else if (n == 3 && memcmp(c, "\xef\xbf\xbd", 3) == 0) {
            dur_json_replace(copy, escape, p, "\\ufffd");
        }
    }

    return p < last ? p + 1 : last;
}


static bool
dur_json_is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}


static bool
dur_json_in_fraction(uint8_t c)
{
    return dur_json_is_digit(c) || c == '.' || c == '+' || c == '-'
           || (c | 0x20) == 'e';
}


/* Behind the number at p. */

static const uint8_t *
dur_json_pass_number(dur_json_copy_t *copy, const uint8_t *p,
    const uint8_t *last)
{
    size_t          n;
    const char     *max;
    const uint8_t  *first;

    max = DUR_JSON_INT_MAX;

    if (*p == '-') {
        max = DUR_JSON_INT_MIN;
        p++;
    }

    first = p;

    while (p < last && dur_json_is_digit(*p)) {
        p++;
    }

    if (p < last && dur_json_in_fraction(*p)) {
        do { p++; } while (p < last && dur_json_in_fraction(*p));
        return p;
    }

    n = (size_t) (p - first);

    if (n > DUR_JSON_INT_LEN
        || (n == DUR_JSON_INT_LEN && memcmp(first, max, n) > 0))
    {
        dur_json_replace(copy, p, p, ".0");
    }

    return p;
}


/*
 * One pass before jansson's: it knows strings, numbers and brackets from each
 * other and leaves all else to jansson.  NULL, or what is wrong and where.
 */

static const char *
dur_json_pass(dur_json_copy_t *copy, dur_str_t text, size_t *offset)
{
    unsigned        depth;
    const char     *wrong;
    const uint8_t  *p, *last;

    p = text.data;
    last = text.data + text.len;

    copy->p = p;
    depth = 0;
    wrong = NULL;

    while (p < last && wrong == NULL) {

        switch (*p) {

        case '"':
            p = dur_json_pass_string(copy, p, last);
            continue;

        case '-':
        case '0': case '1': case '2': case '3': case '4':
        case '5': case '6': case '7': case '8': case '9':
            p = dur_json_pass_number(copy, p, last);
            continue;

        case '{':
        case '[':
            if (depth++ == DUR_JSON_DEPTH) {
                wrong = "more than 512 levels of nesting";
            }
            break;

        case '}':
        case ']':
            depth -= (depth > 0);
            break;

        case '\0':                      /* jansson skips it behind a number */
            wrong = "a NUL byte";
            break;
        }

        p++;
    }

    if (wrong != NULL) {
        *offset = (size_t) (p - 1 - text.data);

    } else if (copy->b.len) {
        dur_buf_add(&copy->b, copy->p, (size_t) (last - copy->p));
    }

    return wrong != NULL ? wrong : copy->b.failed ? "out of memory" : NULL;
}


/* The byte of the text which stands at `position` of its copy. */

static size_t
dur_json_offset(dur_str_t text, dur_str_t copy, size_t position)
{
    size_t  i, k;

    i = 0;
    k = 0;

    /* only ".0" changes the length */

    while (k < position && k < copy.len && i < text.len) {

        if (copy.data[k] == '.' && text.data[i] != '.') {
            k += 2;

        } else {
            i++;
            k++;
        }
    }

    return i;
}


static void
dur_json_fail(dur_json_error_t *err, dur_str_t text, size_t offset,
    const char *wrong)
{
    err->offset = offset;
    err->line = 1;

    for (size_t i = 0; i < offset; i++) {
        err->line += (text.data[i] == '\n');
    }

    snprintf(err->text, sizeof(err->text), "%s", wrong);
}


json_t *
dur_json_parse(dur_str_t text, dur_json_error_t *err)
{
    size_t             offset;
    json_t            *value;
    dur_str_t          read;
    const char        *wrong;
    json_error_t       error;
    dur_json_copy_t    copy;
    dur_json_error_t   ignored;

    if (text.data == NULL) {
        text = dur_str("");
    }

    if (err == NULL) {
        err = &ignored;
    }

    memset(err, 0, sizeof(*err));

    /* two bytes more for 19 digits or more */

    dur_buf_init(&copy.b, text.len + text.len / 8);

    value = NULL;
    offset = 0;

    wrong = dur_json_pass(&copy, text, &offset);

    if (wrong == NULL) {
        read = copy.b.len ? dur_buf_str(&copy.b) : text;

        value = json_loadb((const char *) read.data, read.len,
                           JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

        if (value == NULL) {
            wrong = error.text[0] ? error.text : "out of memory";
            offset = dur_json_offset(text, read, (size_t) error.position);
        }
    }

    if (value == NULL) {
        dur_json_fail(err, text, offset, wrong);
    }

    dur_buf_deinit(&copy.b);

    return value;
}


dur_rc_t
dur_json_canonicalize(dur_buf_t *b, dur_str_t text)
{
    json_t    *value;
    dur_rc_t   rc;

    value = dur_json_parse(text, NULL);
    if (value == NULL) {
        return DUR_EINVAL;
    }

    rc = dur_json_write(b, value);

    json_decref(value);

    return rc;
}


dur_rc_t
dur_json_get_string(const json_t *object, const char *key, dur_str_t *value)
{
    json_t  *v;

    v = json_object_get(object, key);

    if (v == NULL || json_is_null(v)) {
        return DUR_ENOTFOUND;
    }

    if (!json_is_string(v)) {
        return DUR_EINVAL;
    }

    *value = dur_str_make(json_string_value(v), json_string_length(v));

    return DUR_OK;
}


dur_rc_t
dur_json_get_int(const json_t *object, const char *key, int64_t *value)
{
    double   d;
    json_t  *v;

    v = json_object_get(object, key);

    if (v == NULL || json_is_null(v)) {
        return DUR_ENOTFOUND;
    }

    if (json_is_integer(v)) {
        *value = json_integer_value(v);
        return DUR_OK;
    }

    if (!json_is_real(v)) {
        return DUR_EINVAL;
    }

    /* 5.0 and 1e3 are integers too */

    d = json_real_value(v);

    if (fabs(d) > DUR_JSON_EXACT_INT || d != trunc(d)) {
        return DUR_EINVAL;
    }

    *value = (int64_t) d;

    return DUR_OK;
}


json_t *
dur_json_iget(const json_t *object, const char *key)
{
    void       *it;
    json_t     *value, *o;
    dur_str_t   k;

    value = json_object_get(object, key);

    if (value == NULL) {
        o = (json_t *) (uintptr_t) object;
        k = dur_str_c(key);

        for (it = json_object_iter(o);
             it != NULL;
             it = json_object_iter_next(o, it))
        {
            if (dur_str_caseeq(dur_str_make(json_object_iter_key(it),
                                            json_object_iter_key_len(it)), k))
            {
                value = json_object_iter_value(it);
                break;
            }
        }
    }

    return json_is_null(value) ? NULL : value;
}
