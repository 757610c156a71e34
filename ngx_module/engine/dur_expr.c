/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_expr.h"
#include "engine/dur_json.h"

#include <stdio.h>
#include <stdlib.h>


#define DUR_EXPR_TERMS  32
#define DUR_EXPR_PARTS  128
#define DUR_EXPR_TEXT   8192

#define DUR_EXPR_FORM                                                         \
    "only comparisons such as event.data.id == 'a', joined by &&, are "       \
    "supported yet: "


typedef enum {
    DUR_EXPR_NULL = 0,
    DUR_EXPR_TRUE,
    DUR_EXPR_FALSE,
    DUR_EXPR_INTEGER,
    DUR_EXPR_STRING
} dur_expr_kind_t;


/* A member of an object, or with `index` an element of an array. */
typedef struct {
    dur_str_t  key;
    size_t     element;
    bool       index;
} dur_expr_part_t;


typedef struct {
    uint16_t         first;             /* of the parts: the path */
    uint16_t         nparts;
    bool             differs;           /* != */
    dur_expr_kind_t  kind;
    int64_t          integer;
    dur_str_t        string;
} dur_expr_term_t;


struct dur_expr_s {
    size_t            nterms;
    dur_expr_term_t  *terms;
    dur_expr_part_t  *parts;
    uint8_t          *pool;             /* the bytes of keys and strings */
};


typedef struct {
    const uint8_t    *start;
    const uint8_t    *p;
    const uint8_t    *last;
    char             *err;
    size_t            nterms;
    size_t            nparts;
    size_t            used;             /* of the pool: never more than the
                                           text is long */
    uint8_t          *pool;
    dur_expr_term_t   terms[DUR_EXPR_TERMS];
    dur_expr_part_t   parts[DUR_EXPR_PARTS];
} dur_expr_parser_t;


static bool
dur_expr_fail(dur_expr_parser_t *ps, const char *text)
{
    snprintf(ps->err, 160, DUR_EXPR_FORM "%.44s at position %u", text,
             (unsigned) (ps->p - ps->start) + 1);

    return false;
}


static void
dur_expr_space(dur_expr_parser_t *ps)
{
    ps->p = dur_json_skip_space(ps->p, ps->last);
}


static bool
dur_expr_is(const dur_expr_parser_t *ps, const char *text)
{
    size_t  n;

    n = strlen(text);

    return (size_t) (ps->last - ps->p) >= n && memcmp(ps->p, text, n) == 0;
}


static bool
dur_expr_digit(const dur_expr_parser_t *ps)
{
    return ps->p < ps->last && *ps->p >= '0' && *ps->p <= '9';
}


/* [A-Za-z_][A-Za-z0-9_]*, empty when there is none. */

static dur_str_t
dur_expr_word(dur_expr_parser_t *ps)
{
    uint8_t         c;
    const uint8_t  *start;

    start = ps->p;

    for ( ; ps->p < ps->last; ps->p++) {
        c = *ps->p;

        if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && c != '_'
            && (ps->p == start || c < '0' || c > '9'))
        {
            break;
        }
    }

    return dur_str_make(start, (size_t) (ps->p - start));
}


/* The code point of n digits of a base, -1 for anything else. */

static int64_t
dur_expr_code(dur_expr_parser_t *ps, int n, int base)
{
    int      v;
    int64_t  code;

    code = 0;

    for ( ; n > 0; n--, ps->p++) {

        if (ps->p == ps->last) {
            return -1;
        }

        v = *ps->p;
        v = (v >= '0' && v <= '9') ? v - '0'
            : ((v | 0x20) >= 'a' && (v | 0x20) <= 'f') ? (v | 0x20) - 'a' + 10
            : base;

        if (v >= base) {
            return -1;
        }

        code = code * base + v;
    }

    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return -1;
    }

    return code;
}


static bool
dur_expr_put(dur_expr_parser_t *ps, int64_t c)
{
    uint8_t  *p;

    if (c < 0) {
        return dur_expr_fail(ps, "invalid escape in a string");
    }

    p = ps->pool + ps->used;

    if (c < 0x80) {
        *p++ = (uint8_t) c;

    } else if (c < 0x800) {
        *p++ = (uint8_t) (0xc0 | c >> 6);
        *p++ = (uint8_t) (0x80 | (c & 0x3f));

    } else {
        if (c < 0x10000) {
            *p++ = (uint8_t) (0xe0 | c >> 12);
        } else {
            *p++ = (uint8_t) (0xf0 | c >> 18);
            *p++ = (uint8_t) (0x80 | (c >> 12 & 0x3f));
        }

        *p++ = (uint8_t) (0x80 | (c >> 6 & 0x3f));
        *p++ = (uint8_t) (0x80 | (c & 0x3f));
    }

    ps->used = (size_t) (p - ps->pool);

    return true;
}


/* The escapes of CEL. */

static bool
dur_expr_escape(dur_expr_parser_t *ps)
{
    char         c;
    const char  *at;

    static const char  from[] = "abfnrtv\\\"'`?";
    static const char  to[] = "\a\b\f\n\r\t\v\\\"'`?";

    ps->p++;

    if (ps->p == ps->last) {
        return dur_expr_fail(ps, "a string that does not end");
    }

    c = (char) *ps->p;
    at = (c != '\0') ? strchr(from, c) : NULL;

    if (at != NULL) {
        ps->p++;
        return dur_expr_put(ps, to[at - from]);
    }

    if (c >= '0' && c <= '3') {
        return dur_expr_put(ps, dur_expr_code(ps, 3, 8));
    }

    ps->p++;

    switch (c) {
    case 'x':
    case 'X':
        return dur_expr_put(ps, dur_expr_code(ps, 2, 16));
    case 'u':
        return dur_expr_put(ps, dur_expr_code(ps, 4, 16));
    case 'U':
        return dur_expr_put(ps, dur_expr_code(ps, 8, 16));
    default:
        return dur_expr_put(ps, -1);
    }
}


/* A string in either kind of quotes, decoded into the pool. */

static bool
dur_expr_string(dur_expr_parser_t *ps, dur_str_t *s)
{
    size_t   start;
    uint8_t  quote;

    start = ps->used;
    quote = *ps->p++;

    while (ps->p < ps->last && *ps->p != quote) {

        if (*ps->p == '\n' || *ps->p == '\r') {
            break;
        }

        if (*ps->p == '\\') {
            if (!dur_expr_escape(ps)) {
                return false;
            }
            continue;
        }

        ps->pool[ps->used++] = *ps->p++;
    }

    if (ps->p == ps->last || *ps->p != quote) {
        return dur_expr_fail(ps, "a string that does not end");
    }

    ps->p++;

    *s = dur_str_make(ps->pool + start, ps->used - start);

    return true;
}


/* A number; INT64_MIN is out of its range, as the sign comes after it. */

static bool
dur_expr_integer(dur_expr_parser_t *ps, int64_t *value)
{
    int64_t  v;

    if (!dur_expr_digit(ps)) {
        return dur_expr_fail(ps, "a number is expected");
    }

    if (*ps->p == '0' && ps->last - ps->p > 1 && ps->p[1] >= '0'
        && ps->p[1] <= '9')
    {
        return dur_expr_fail(ps, "a number that starts with 0");
    }

    for (v = 0; dur_expr_digit(ps); ps->p++) {

        if (__builtin_mul_overflow(v, 10, &v)
            || __builtin_add_overflow(v, *ps->p - '0', &v))
        {
            return dur_expr_fail(ps, "a number that is out of range");
        }
    }

    if (ps->p < ps->last
        && (*ps->p == '.' || dur_expr_word(ps).len != 0))
    {
        return dur_expr_fail(ps, "a number that is not a plain integer");
    }

    *value = v;

    return true;
}


static dur_expr_part_t *
dur_expr_part(dur_expr_parser_t *ps)
{
    dur_expr_part_t  *part;

    if (ps->nparts == DUR_EXPR_PARTS) {
        dur_expr_fail(ps, "too many names");
        return NULL;
    }

    part = &ps->parts[ps->nparts++];
    memset(part, 0, sizeof(*part));

    return part;
}


/* Behind a '[': a key in quotes or the number of an element. */

static bool
dur_expr_subscript(dur_expr_parser_t *ps, dur_expr_part_t *part)
{
    int64_t  element;

    dur_expr_space(ps);

    if (ps->p < ps->last && (*ps->p == '"' || *ps->p == '\'')) {
        if (!dur_expr_string(ps, &part->key)) {
            return false;
        }

    } else {
        if (!dur_expr_integer(ps, &element)) {
            return false;
        }

        part->index = true;
        part->element = (size_t) element;
    }

    dur_expr_space(ps);

    if (!dur_expr_is(ps, "]")) {
        return dur_expr_fail(ps, "']' is expected");
    }

    ps->p++;

    return true;
}


/* What stands behind the word "event". */

static bool
dur_expr_path(dur_expr_parser_t *ps, dur_expr_term_t *term)
{
    dur_str_t         word;
    dur_expr_part_t  *part;

    term->first = (uint16_t) ps->nparts;

    for ( ;; ) {
        dur_expr_space(ps);

        if (dur_expr_is(ps, ".")) {
            ps->p++;
            dur_expr_space(ps);

            word = dur_expr_word(ps);
            if (word.len == 0) {
                return dur_expr_fail(ps, "a name is expected");
            }

            dur_expr_space(ps);

            if (dur_expr_is(ps, "(")) {
                return dur_expr_fail(ps, "a function call");
            }

            part = dur_expr_part(ps);
            if (part == NULL) {
                return false;
            }

            memcpy(ps->pool + ps->used, word.data, word.len);
            part->key = dur_str_make(ps->pool + ps->used, word.len);
            ps->used += word.len;

        } else if (dur_expr_is(ps, "[")) {
            ps->p++;

            part = dur_expr_part(ps);
            if (part == NULL || !dur_expr_subscript(ps, part)) {
                return false;
            }

        } else {
            term->nparts = (uint16_t) (ps->nparts - term->first);
            return true;
        }
    }
}


/* One side of a comparison: *path says which kind it was. */

static bool
dur_expr_operand(dur_expr_parser_t *ps, dur_expr_term_t *term, bool *path)
{
    bool       negative;
    char       text[64];
    dur_str_t  word;

    *path = false;

    dur_expr_space(ps);

    if (ps->p < ps->last && (*ps->p == '"' || *ps->p == '\'')) {
        term->kind = DUR_EXPR_STRING;
        return dur_expr_string(ps, &term->string);
    }

    negative = dur_expr_is(ps, "-");

    if (negative || dur_expr_digit(ps)) {
        ps->p += negative;
        term->kind = DUR_EXPR_INTEGER;

        if (!dur_expr_integer(ps, &term->integer)) {
            return false;
        }

        term->integer = negative ? -term->integer : term->integer;

        return true;
    }

    word = dur_expr_word(ps);

    if (dur_str_eq(word, dur_str("event"))) {
        *path = true;
        return dur_expr_path(ps, term);
    }

    if (dur_str_eq(word, dur_str("true"))) {
        term->kind = DUR_EXPR_TRUE;
        return true;
    }

    if (dur_str_eq(word, dur_str("false"))) {
        term->kind = DUR_EXPR_FALSE;
        return true;
    }

    if (dur_str_eq(word, dur_str("null"))) {
        term->kind = DUR_EXPR_NULL;
        return true;
    }

    ps->p -= word.len;

    if (word.len) {
        snprintf(text, sizeof(text), "unknown name \"%.*s\"",
                 (int) (word.len > 28 ? 28 : word.len), word.data);
        return dur_expr_fail(ps, text);
    }

    return dur_expr_fail(ps, "a value is expected");
}


static bool
dur_expr_term(dur_expr_parser_t *ps)
{
    bool              left, right;
    dur_expr_term_t  *term;

    if (ps->nterms == DUR_EXPR_TERMS) {
        return dur_expr_fail(ps, "too many comparisons");
    }

    term = &ps->terms[ps->nterms++];
    memset(term, 0, sizeof(*term));

    if (!dur_expr_operand(ps, term, &left)) {
        return false;
    }

    dur_expr_space(ps);

    if (!dur_expr_is(ps, "==") && !dur_expr_is(ps, "!=")) {
        return dur_expr_fail(ps, "== or != is expected");
    }

    term->differs = (*ps->p == '!');
    ps->p += 2;

    if (!dur_expr_operand(ps, term, &right)) {
        return false;
    }

    if (left == right) {
        return dur_expr_fail(ps, "one side must be a path, the other a value");
    }

    return true;
}


static bool
dur_expr_terms(dur_expr_parser_t *ps)
{
    for ( ;; ) {

        if (!dur_expr_term(ps)) {
            return false;
        }

        dur_expr_space(ps);

        if (ps->p == ps->last) {
            return true;
        }

        if (!dur_expr_is(ps, "&&")) {
            return dur_expr_fail(ps, "&& or the end is expected");
        }

        ps->p += 2;
    }
}


/* The parsed form in memory of its size; takes over the pool. */

static dur_expr_t *
dur_expr_new(const dur_expr_parser_t *ps)
{
    uint8_t     *p;
    dur_expr_t  *expr;

    p = malloc(sizeof(dur_expr_t) + ps->nterms * sizeof(dur_expr_term_t)
               + ps->nparts * sizeof(dur_expr_part_t));
    if (p == NULL) {
        return NULL;
    }

    expr = (dur_expr_t *) (void *) p;
    p += sizeof(dur_expr_t);

    expr->nterms = ps->nterms;
    expr->pool = ps->pool;

    expr->terms = (dur_expr_term_t *) (void *) p;
    memcpy(expr->terms, ps->terms, ps->nterms * sizeof(dur_expr_term_t));
    p += ps->nterms * sizeof(dur_expr_term_t);

    expr->parts = (dur_expr_part_t *) (void *) p;
    memcpy(expr->parts, ps->parts, ps->nparts * sizeof(dur_expr_part_t));

    return expr;
}


dur_rc_t
dur_expr_compile(dur_str_t text, dur_expr_t **expr, char err[160])
{
    dur_rc_t           rc;
    dur_expr_parser_t  ps;

    *expr = NULL;
    err[0] = '\0';

    if (text.len > DUR_EXPR_TEXT) {
        snprintf(err, 160, "the expression is longer than %d bytes",
                 DUR_EXPR_TEXT);
        return DUR_EINVAL;
    }

    ps.start = text.len ? text.data : (const uint8_t *) "";
    ps.p = ps.start;
    ps.last = ps.start + text.len;
    ps.err = err;
    ps.nterms = 0;
    ps.nparts = 0;
    ps.used = 0;

    ps.pool = malloc(text.len + 1);
    if (ps.pool == NULL) {
        return DUR_ENOMEM;
    }

    rc = DUR_EINVAL;

    if (dur_expr_terms(&ps)) {
        *expr = dur_expr_new(&ps);
        rc = *expr ? DUR_OK : DUR_ENOMEM;
    }

    if (rc != DUR_OK) {
        free(ps.pool);
    }

    return rc;
}


void
dur_expr_free(dur_expr_t *expr)
{
    if (expr != NULL) {
        free(expr->pool);
        free(expr);
    }
}


/* The value at a path, NULL when it is missing. */

static const json_t *
dur_expr_value(const dur_expr_t *expr, const dur_expr_term_t *term,
    const json_t *v)
{
    const dur_expr_part_t  *part, *last;

    part = expr->parts + term->first;
    last = part + term->nparts;

    for ( ; part < last && v != NULL; part++) {
        v = part->index ? json_array_get(v, part->element)
                        : json_object_getn(v, (const char *) part->key.data,
                                           part->key.len);
    }

    return v;
}


static bool
dur_expr_equal(const dur_expr_term_t *term, const json_t *v)
{
    switch (term->kind) {

    case DUR_EXPR_NULL:
        return v == NULL || json_is_null(v);

    case DUR_EXPR_TRUE:
        return json_is_true(v);

    case DUR_EXPR_FALSE:
        return json_is_false(v);

    case DUR_EXPR_INTEGER:
        if (json_is_integer(v)) {
            return json_integer_value(v) == term->integer;
        }

        return json_is_real(v)
               && json_real_value(v) == (double) term->integer;

    case DUR_EXPR_STRING:
        return json_is_string(v)
               && dur_str_eq(term->string,
                             dur_str_make(json_string_value(v),
                                          json_string_length(v)));
    }

    return false;
}


bool
dur_expr_true(const dur_expr_t *expr, const json_t *event)
{
    const dur_expr_term_t  *term;

    for (size_t i = 0; i < expr->nterms; i++) {
        term = &expr->terms[i];

        if (dur_expr_equal(term, dur_expr_value(expr, term, event))
            == term->differs)
        {
            return false;
        }
    }

    return true;
}
