/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>


/* Numbers for strtod() are copied here, longer ones to the heap. */
#define DUR_JSON_NUMBER  128

/* Integers up to here are doubles without loss, as are powers of ten. */
#define DUR_JSON_EXACT_INT    ((uint64_t) 1 << 53)
#define DUR_JSON_EXACT_POWER  22


typedef struct {
    const uint8_t     *start;
    const uint8_t     *p;
    const uint8_t     *last;
    unsigned           depth;
    uint8_t           *scratch;         /* a string with its escapes decoded */
    size_t             scratch_size;
    dur_json_error_t  *err;
} dur_json_parser_t;


/* A number as it is read: mantissa * 10^exponent unless it is `big`. */
typedef struct {
    uint64_t  mantissa;
    int       exponent;
    bool      big;              /* more digits than the mantissa holds */
    bool      negative;
    bool      integer;
} dur_json_number_t;


static json_t *dur_json_value(dur_json_parser_t *ps);


static void *
dur_json_fail(dur_json_parser_t *ps, const uint8_t *at, const char *text)
{
    dur_json_error_t  *err;

    err = ps->err;

    if (err != NULL && err->text[0] == '\0') {
        err->offset = (size_t) (at - ps->start);
        err->line = 1;

        for (const uint8_t *p = ps->start; p < at; p++) {
            err->line += (*p == '\n');
        }

        snprintf(err->text, sizeof(err->text), "%s at line %zu, byte %zu",
                 text, err->line, err->offset);
    }

    return NULL;
}


/* Something stands where it must not: says what, and what was expected. */

static void *
dur_json_unexpected(dur_json_parser_t *ps, const char *expected)
{
    char     text[96];
    uint8_t  c;

    if (ps->p == ps->last) {
        snprintf(text, sizeof(text), "the text ends where %s is expected",
                 expected);
        return dur_json_fail(ps, ps->p, text);
    }

    c = *ps->p;

    if (c > 0x20 && c < 0x7f) {
        snprintf(text, sizeof(text), "unexpected '%c' where %s is expected",
                 c, expected);
    } else {
        snprintf(text, sizeof(text),
                 "unexpected byte 0x%02x where %s is expected", c, expected);
    }

    return dur_json_fail(ps, ps->p, text);
}


static void
dur_json_space(dur_json_parser_t *ps)
{
    ps->p = dur_json_skip_space(ps->p, ps->last);
}


static bool
dur_json_scratch(dur_json_parser_t *ps, size_t n)
{
    uint8_t  *p;

    if (n <= ps->scratch_size) {
        return true;
    }

    n = n < 256 ? 256 : n;

    p = realloc(ps->scratch, n);
    if (p == NULL) {
        return false;
    }

    ps->scratch = p;
    ps->scratch_size = n;

    return true;
}


/* Decodes the string whose quotes stand around [p, end) into the scratch. */

static bool
dur_json_decode(dur_json_parser_t *ps, const uint8_t *p, const uint8_t *end,
    dur_str_t *s)
{
    size_t          n, m;
    uint8_t         c[4];
    const uint8_t  *run;

    /* no escape is shorter than what it stands for */

    if (!dur_json_scratch(ps, (size_t) (end - p))) {
        dur_json_fail(ps, p, "out of memory");
        return false;
    }

    n = 0;

    while (p < end) {

        run = memchr(p, '\\', (size_t) (end - p));
        if (run == NULL) {
            run = end;
        }

        memcpy(ps->scratch + n, p, (size_t) (run - p));
        n += (size_t) (run - p);
        p = run;

        if (p < end) {
            m = dur_json_unescape(&p, end, c);
            if (m == 0) {
                dur_json_fail(ps, p, "invalid escape in a string");
                return false;
            }

            memcpy(ps->scratch + n, c, m);
            n += m;
        }
    }

    *s = dur_str_make(ps->scratch, n);

    return true;
}


/* The string at p, as a slice of the text, or of the scratch with escapes. */

static bool
dur_json_string(dur_json_parser_t *ps, dur_str_t *s)
{
    bool            escapes;
    size_t          n;
    const uint8_t  *p, *first;

    escapes = false;
    first = ps->p + 1;
    p = first;

    for ( ;; ) {

        while (p < ps->last && *p < 0x80 && *p >= 0x20 && *p != '"'
               && *p != '\\')
        {
            p++;
        }

        if (p == ps->last) {
            dur_json_fail(ps, ps->p, "a string that does not end");
            return false;
        }

        if (*p == '"') {
            break;
        }

        if (*p == '\\') {
            escapes = true;

            /* what stands behind it is not the closing quote */

            n = (ps->last - p > 1 && p[1] < 0x80) ? 2 : 1;

        } else if (*p < 0x20) {
            dur_json_fail(ps, p, "a control character in a string");
            return false;

        } else {
            n = dur_utf8_len(p, ps->last);
            if (n == 0) {
                dur_json_fail(ps, p, "invalid UTF-8 in a string");
                return false;
            }
        }

        p += n;
    }

    ps->p = p + 1;

    if (escapes) {
        return dur_json_decode(ps, first, p, s);
    }

    *s = dur_str_make(first, (size_t) (p - first));

    return true;
}


static const uint8_t *
dur_json_digits_of(const uint8_t *p, const uint8_t *last,
    dur_json_number_t *n)
{
    for ( ; p < last && *p >= '0' && *p <= '9'; p++) {

        if (n->mantissa > UINT64_MAX / 10 - 1) {
            n->big = true;
            continue;
        }

        n->mantissa = n->mantissa * 10 + (uint64_t) (*p - '0');
    }

    return p;
}


/* The grammar of a number; the end of its text, NULL when it is none. */

static const uint8_t *
dur_json_scan_number(const uint8_t *p, const uint8_t *last,
    dur_json_number_t *n)
{
    int             e;
    bool            negative;
    const uint8_t  *first;

    memset(n, 0, sizeof(*n));
    n->integer = true;

    if (p < last && *p == '-') {
        n->negative = true;
        p++;
    }

    first = p;
    p = dur_json_digits_of(p, last, n);

    if (p == first || (*first == '0' && p - first > 1)) {
        return NULL;
    }

    if (p < last && *p == '.') {
        n->integer = false;

        first = ++p;
        p = dur_json_digits_of(p, last, n);

        if (p == first) {
            return NULL;
        }

        n->big = n->big || p - first > DUR_JSON_NUMBER;
        n->exponent = n->big ? 0 : -(int) (p - first);
    }

    if (p < last && (*p | 0x20) == 'e') {
        n->integer = false;
        negative = false;
        p++;

        if (p < last && (*p == '+' || *p == '-')) {
            negative = (*p++ == '-');
        }

        first = p;

        for (e = 0; p < last && *p >= '0' && *p <= '9'; p++) {
            e = e < 100000 ? e * 10 + (*p - '0') : e;
        }

        if (p == first) {
            return NULL;
        }

        n->exponent += negative ? -e : e;
    }

    return p;
}


/* strtod() of a text that is not terminated. */

static bool
dur_json_strtod(const uint8_t *p, size_t len, double *d)
{
    char  *text, small[DUR_JSON_NUMBER];

    text = small;

    if (len >= sizeof(small)) {
        text = malloc(len + 1);
        if (text == NULL) {
            return false;
        }
    }

    memcpy(text, p, len);
    text[len] = '\0';

    *d = strtod(text, NULL);

    if (text != small) {
        free(text);
    }

    return true;
}


/* A quotient or product of two exact doubles is rounded once: no loss. */

static bool
dur_json_exact_double(const dur_json_number_t *n, double *d)
{
    static const double  ten[] = {
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
    };

    if (n->big || n->mantissa > DUR_JSON_EXACT_INT
        || n->exponent > DUR_JSON_EXACT_POWER
        || n->exponent < -DUR_JSON_EXACT_POWER)
    {
        return false;
    }

    *d = (double) n->mantissa;

    if (n->exponent < 0) {
        *d /= ten[-n->exponent];
    } else {
        *d *= ten[n->exponent];
    }

    if (n->negative) {
        *d = -*d;
    }

    return true;
}


static json_t *
dur_json_parse_number(dur_json_parser_t *ps)
{
    json_t            *value;
    double             d;
    uint64_t           max;
    const uint8_t     *p, *end;
    dur_json_number_t  n;

    p = ps->p;

    end = dur_json_scan_number(p, ps->last, &n);
    if (end == NULL) {
        return dur_json_fail(ps, p, "a malformed number");
    }

    max = (uint64_t) INT64_MAX + n.negative;

    if (n.integer && !n.big && n.mantissa <= max) {
        value = json_integer(n.negative ? (int64_t) (0 - n.mantissa)
                                        : (int64_t) n.mantissa);

    } else {
        if (!dur_json_exact_double(&n, &d)
            && !dur_json_strtod(p, (size_t) (end - p), &d))
        {
            return dur_json_fail(ps, p, "out of memory");
        }

        if (!isfinite(d)) {
            return dur_json_fail(ps, p, "a number that is out of range");
        }

        value = json_real(d);
    }

    if (value == NULL) {
        return dur_json_fail(ps, p, "out of memory");
    }

    ps->p = end;

    return value;
}


/*
 * The value of a member.  A key with escapes lives in the scratch, which the
 * value may overwrite, so it moves away first.
 */

static bool
dur_json_member_value(dur_json_parser_t *ps, json_t *object, dur_str_t key)
{
    int       rc;
    char     *copy;
    json_t   *value;

    copy = NULL;

    if (key.len && key.data == ps->scratch) {
        copy = malloc(key.len);
        if (copy == NULL) {
            dur_json_fail(ps, ps->p, "out of memory");
            return false;
        }

        memcpy(copy, key.data, key.len);
        key.data = (uint8_t *) copy;
    }

    value = dur_json_value(ps);
    rc = -1;

    if (value != NULL) {
        rc = json_object_setn_new_nocheck(object, (const char *) key.data,
                                          key.len, value);
        if (rc != 0) {
            dur_json_fail(ps, ps->p, "out of memory");
        }
    }

    free(copy);

    return rc == 0;
}


static bool
dur_json_members(dur_json_parser_t *ps, json_t *object)
{
    dur_str_t  key;

    ps->p++;
    dur_json_space(ps);

    if (ps->p < ps->last && *ps->p == '}') {
        ps->p++;
        return true;
    }

    for ( ;; ) {

        if (ps->p == ps->last || *ps->p != '"') {
            return dur_json_unexpected(ps, "a key in quotes");
        }

        if (!dur_json_string(ps, &key)) {
            return false;
        }

        dur_json_space(ps);

        if (ps->p == ps->last || *ps->p != ':') {
            return dur_json_unexpected(ps, "':'");
        }

        ps->p++;

        if (!dur_json_member_value(ps, object, key)) {
            return false;
        }

        dur_json_space(ps);

        if (ps->p < ps->last && *ps->p == '}') {
            ps->p++;
            return true;
        }

        if (ps->p == ps->last || *ps->p != ',') {
            return dur_json_unexpected(ps, "',' or '}'");
        }

        ps->p++;
        dur_json_space(ps);
    }
}


static bool
dur_json_elements(dur_json_parser_t *ps, json_t *array)
{
    json_t  *value;

    ps->p++;
    dur_json_space(ps);

    if (ps->p < ps->last && *ps->p == ']') {
        ps->p++;
        return true;
    }

    for ( ;; ) {

        value = dur_json_value(ps);
        if (value == NULL) {
            return false;
        }

        if (json_array_append_new(array, value) != 0) {
            dur_json_fail(ps, ps->p, "out of memory");
            return false;
        }

        dur_json_space(ps);

        if (ps->p < ps->last && *ps->p == ']') {
            ps->p++;
            return true;
        }

        if (ps->p == ps->last || *ps->p != ',') {
            return dur_json_unexpected(ps, "',' or ']'");
        }

        ps->p++;
    }
}


static json_t *
dur_json_container(dur_json_parser_t *ps, bool object)
{
    bool     done;
    json_t  *value;

    if (ps->depth == DUR_JSON_DEPTH) {
        return dur_json_fail(ps, ps->p, "more than 512 levels of nesting");
    }

    value = object ? json_object() : json_array();
    if (value == NULL) {
        return dur_json_fail(ps, ps->p, "out of memory");
    }

    ps->depth++;
    done = object ? dur_json_members(ps, value) : dur_json_elements(ps, value);
    ps->depth--;

    if (!done) {
        json_decref(value);
        return NULL;
    }

    return value;
}


static json_t *
dur_json_word(dur_json_parser_t *ps, const char *word, json_t *value)
{
    size_t  n;

    n = strlen(word);

    if ((size_t) (ps->last - ps->p) < n || memcmp(ps->p, word, n) != 0) {
        return dur_json_unexpected(ps, "a value");
    }

    ps->p += n;

    return value;
}


static json_t *
dur_json_value(dur_json_parser_t *ps)
{
    json_t         *value;
    dur_str_t       s;
    const uint8_t  *start;

    dur_json_space(ps);

    if (ps->p == ps->last) {
        return dur_json_unexpected(ps, "a value");
    }

    start = ps->p;

    switch (*start) {

    case '{':
        return dur_json_container(ps, true);

    case '[':
        return dur_json_container(ps, false);

    case '"':
        if (!dur_json_string(ps, &s)) {
            return NULL;
        }

        value = json_stringn_nocheck((const char *) s.data, s.len);

        return value ? value : dur_json_fail(ps, start, "out of memory");

    case 't':
        return dur_json_word(ps, "true", json_true());

    case 'f':
        return dur_json_word(ps, "false", json_false());

    case 'n':
        return dur_json_word(ps, "null", json_null());

    case '-':
    case '0': case '1': case '2': case '3': case '4':
    case '5': case '6': case '7': case '8': case '9':
        return dur_json_parse_number(ps);

    default:
        return dur_json_unexpected(ps, "a value");
    }
}


json_t *
dur_json_parse(dur_str_t text, dur_json_error_t *err)
{
    json_t             *value;
    dur_json_parser_t   ps;

    if (text.data == NULL) {
        text = dur_str("");
    }

    memset(&ps, 0, sizeof(ps));

    ps.start = text.data;
    ps.p = text.data;
    ps.last = text.data + text.len;
    ps.err = err;

    if (err != NULL) {
        memset(err, 0, sizeof(*err));
    }

    value = dur_json_value(&ps);

    if (value != NULL) {
        dur_json_space(&ps);

        if (ps.p != ps.last) {
            json_decref(value);
            value = dur_json_unexpected(&ps, "the end");
        }
    }

    free(ps.scratch);

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

    if (fabs(d) > (double) DUR_JSON_EXACT_INT || d != trunc(d)) {
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
