/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_expr_lex.h"
#include "engine/dur_json.h"

#include <stdio.h>
#include <stdlib.h>


#define DUR_EXPR_DIGITS  64             /* characters of a number */


/* The quotes of a literal and what is in front of them. */
typedef struct {
    uint8_t  quote;
    bool     triple;
    bool     raw;
    bool     bytes;
} dur_expr_quotes_t;


bool
dur_expr_fail(char *err, uint16_t line, uint16_t column, const char *fmt, ...)
{
    size_t   n;
    va_list  ap;

    va_start(ap, fmt);
    vsnprintf(err, 128, fmt, ap);
    va_end(ap);

    n = strlen(err);

    if (line > 1) {
        snprintf(err + n, 160 - n, ", at line %u, column %u", line, column);
    } else {
        snprintf(err + n, 160 - n, ", at column %u", column);
    }

    return false;
}


void
dur_expr_lex_init(dur_expr_lex_t *lex, dur_str_t text, uint8_t *pool,
    char *err)
{
    memset(lex, 0, sizeof(*lex));

    lex->p = text.len ? text.data : (const uint8_t *) "";
    lex->last = lex->p + text.len;
    lex->mark = lex->p;
    lex->line = 1;
    lex->column = 1;
    lex->pool = pool;
    lex->err = err;
}


/* Moves the known place to p, which is never before it. */

static void
dur_expr_place(dur_expr_lex_t *lex, const uint8_t *p)
{
    for ( ; lex->mark < p; lex->mark++) {

        if (*lex->mark == '\n') {
            lex->line++;
            lex->column = 1;

        } else if ((*lex->mark & 0xc0) != 0x80) {
            lex->column++;
        }
    }
}


static bool
dur_expr_wrong(dur_expr_lex_t *lex, const uint8_t *p, const char *text)
{
    dur_expr_place(lex, p);

    return dur_expr_fail(lex->err, lex->line, lex->column, "%s", text);
}


static bool
dur_expr_digit(const uint8_t *p, const uint8_t *last)
{
    return p < last && *p >= '0' && *p <= '9';
}


static bool
dur_expr_letter(const uint8_t *p, const uint8_t *last)
{
    return p < last
           && ((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z')
               || *p == '_');
}


static int
dur_expr_hex(const uint8_t *p, const uint8_t *last)
{
    if (dur_expr_digit(p, last)) {
        return *p - '0';
    }

    if (p < last && (*p | 0x20) >= 'a' && (*p | 0x20) <= 'f') {
        return (*p | 0x20) - 'a' + 10;
    }

    return 16;
}


static void
dur_expr_skip(dur_expr_lex_t *lex)
{
    const uint8_t  *p, *last;

    p = lex->p;
    last = lex->last;

    for ( ; p < last; p++) {

        if (last - p > 1 && p[0] == '/' && p[1] == '/') {
            while (p < last && *p != '\n') { p++; }

            if (p == last) {
                break;
            }
        }

        if (*p != ' ' && *p != '\t' && *p != '\n' && *p != '\r'
            && *p != '\f')
        {
            break;
        }
    }

    lex->p = p;
}


/* The code of n digits of a base at *p, -1 for anything else. */

static int64_t
dur_expr_code(dur_expr_lex_t *lex, const uint8_t **p, int n, int base)
{
    int      v;
    int64_t  code;

    code = 0;

    for ( ; n > 0; n--, (*p)++) {
        v = dur_expr_hex(*p, lex->last);

        if (v >= base) {
            return -1;
        }

        code = code * base + v;
    }

    return code;
}


static void
dur_expr_put(dur_expr_lex_t *lex, uint32_t c)
{
    uint8_t  *p;

    p = lex->pool + lex->used;

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

    lex->used = (size_t) (p - lex->pool);
}


/*
 * The escapes of CEL.  Any other one stays as it is, backslash and all: in
 * the language we follow literals are raw, so patterns such as '\w+' are
 * common.
 */

static bool
dur_expr_escape(dur_expr_lex_t *lex, bool bytes)
{
    char            c;
    int64_t         code;
    const char     *at;
    const uint8_t  *p;

    static const char  from[] = "abfnrtv\\\"'`?";
    static const char  to[] = "\a\b\f\n\r\t\v\\\"'`?";

    p = lex->p + 1;
    c = (p < lex->last) ? (char) *p : '\0';
    at = (c != '\0') ? strchr(from, c) : NULL;

    if (at != NULL) {
        dur_expr_put(lex, (uint32_t) (uint8_t) to[at - from]);
        lex->p = p + 1;
        return true;
    }

    if (c >= '0' && c <= '3') {
        code = dur_expr_code(lex, &p, 3, 8);

    } else if (c == 'x' || c == 'X') {
        p++;
        code = dur_expr_code(lex, &p, 2, 16);

    } else if ((c == 'u' || c == 'U') && !bytes) {
        p++;
        code = dur_expr_code(lex, &p, c == 'u' ? 4 : 8, 16);

    } else {
        lex->pool[lex->used++] = '\\';
        lex->p++;
        return true;
    }

    if (code < 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return dur_expr_wrong(lex, lex->p, "invalid escape in a string");
    }

    if (bytes) {
        lex->pool[lex->used++] = (uint8_t) code;
    } else {
        dur_expr_put(lex, (uint32_t) code);
    }

    lex->p = p;

    return true;
}


/* Whether there is a literal, and what kind: r"..", b'..', """..""". */

static bool
dur_expr_quotes(dur_expr_lex_t *lex, dur_expr_quotes_t *q)
{
    const uint8_t  *p;

    memset(q, 0, sizeof(*q));

    for (p = lex->p; p < lex->last && p - lex->p < 3; p++) {

        if (*p == '"' || *p == '\'') {
            q->quote = *p;
            q->triple = (lex->last - p > 2 && p[1] == *p && p[2] == *p);
            lex->p = p + (q->triple ? 3 : 1);
            return true;
        }

        if ((*p | 0x20) == 'r' && !q->raw) {
            q->raw = true;

        } else if ((*p | 0x20) == 'b' && !q->bytes) {
            q->bytes = true;

        } else {
            return false;
        }
    }

    return false;
}


static bool
dur_expr_closes(const dur_expr_lex_t *lex, const dur_expr_quotes_t *q)
{
    const uint8_t  *p = lex->p;

    if (*p != q->quote) {
        return false;
    }

    return !q->triple
           || (lex->last - p > 2 && p[1] == q->quote && p[2] == q->quote);
}


static bool
dur_expr_literal(dur_expr_lex_t *lex, dur_expr_token_t *token,
    const dur_expr_quotes_t *q)
{
    size_t  start;

    start = lex->used;

    while (lex->p < lex->last && !dur_expr_closes(lex, q)) {

        if (!q->triple && (*lex->p == '\n' || *lex->p == '\r')) {
            break;
        }

        if (*lex->p == '\\' && !q->raw) {
            if (!dur_expr_escape(lex, q->bytes)) {
                return false;
            }
            continue;
        }

        lex->pool[lex->used++] = *lex->p++;
    }

    if (lex->p == lex->last || !dur_expr_closes(lex, q)) {
        return dur_expr_fail(lex->err, token->line, token->column,
                             "a string that does not end");
    }

    lex->p += q->triple ? 3 : 1;

    token->type = q->bytes ? DUR_EXPR_T_BYTES : DUR_EXPR_T_STRING;
    token->text = dur_str_make(lex->pool + start, lex->used - start);

    return true;
}


bool
dur_expr_number(dur_str_t text, double *number)
{
    char            copy[DUR_EXPR_DIGITS];
    const uint8_t  *p, *last;

    if (text.len == 0 || text.len >= sizeof(copy)) {
        return false;
    }

    p = text.data;
    last = p + text.len;

    p += (*p == '-' || *p == '+');

    while (dur_expr_digit(p, last)) { p++; }

    if (p < last && *p == '.') {
        p++;
        while (dur_expr_digit(p, last)) { p++; }
    }

    if (p == text.data || (!dur_expr_digit(p - 1, last)
                           && !(p - text.data > 1
                                && dur_expr_digit(p - 2, last))))
    {
        return false;
    }

    if (p < last && (*p | 0x20) == 'e') {
        p++;
        p += (p < last && (*p == '-' || *p == '+'));

        if (!dur_expr_digit(p, last)) {
            return false;
        }

        while (dur_expr_digit(p, last)) { p++; }
    }

    if (p != last) {
        return false;
    }

    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';

    *number = strtod(copy, NULL);

    return *number - *number == 0;      /* finite */
}


/* Behind the digits of a number, which may turn out to be a double. */

static const uint8_t *
dur_expr_digits(dur_expr_lex_t *lex, int base, uint64_t *integer, bool *over)
{
    int             v;
    const uint8_t  *p;

    *integer = 0;
    *over = false;

    for (p = lex->p; (v = dur_expr_hex(p, lex->last)) < base; p++) {

        *over |= __builtin_mul_overflow(*integer, (uint64_t) base, integer)
                 || __builtin_add_overflow(*integer, (uint64_t) v, integer);
    }

    return p;
}


static const uint8_t *
dur_expr_exponent(dur_expr_lex_t *lex, const uint8_t *p)
{
    const uint8_t  *e;

    if (p >= lex->last || (*p | 0x20) != 'e') {
        return p;
    }

    e = p + 1;
    e += (e < lex->last && (*e == '-' || *e == '+'));

    if (!dur_expr_digit(e, lex->last)) {
        return p;
    }

    while (dur_expr_digit(e, lex->last)) { e++; }

    return e;
}


static bool
dur_expr_numeral(dur_expr_lex_t *lex, dur_expr_token_t *token)
{
    int             base;
    bool            over;
    const uint8_t  *p, *start;

    start = lex->p;
    base = 10;

    if (lex->last - start > 2 && start[0] == '0' && (start[1] | 0x20) == 'x'
        && dur_expr_hex(start + 2, lex->last) < 16)
    {
        base = 16;
        lex->p += 2;
    }

    p = dur_expr_digits(lex, base, &token->integer, &over);
    token->type = DUR_EXPR_T_INT;

    if (base == 10) {

        if (p < lex->last && *p == '.' && dur_expr_digit(p + 1, lex->last)) {
            token->type = DUR_EXPR_T_DOUBLE;
            for (p++; dur_expr_digit(p, lex->last); p++) { /* void */ }
        }

        if (dur_expr_exponent(lex, p) != p) {
            token->type = DUR_EXPR_T_DOUBLE;
            p = dur_expr_exponent(lex, p);
        }
    }

    if (token->type == DUR_EXPR_T_DOUBLE) {
        over = !dur_expr_number(dur_str_make(start, (size_t) (p - start)),
                                &token->number);

    } else if (p < lex->last && (*p | 0x20) == 'u') {
        token->type = DUR_EXPR_T_UINT;
        p++;

    } else if (token->integer > (uint64_t) INT64_MAX + 1) {
        over = true;
    }

    lex->p = p;

    if (over) {
        return dur_expr_fail(lex->err, token->line, token->column,
                             "a number that is out of range");
    }

    if (dur_expr_letter(p, lex->last) || dur_expr_digit(p, lex->last)) {
        return dur_expr_fail(lex->err, token->line, token->column,
                             "a number with a letter in it");
    }

    return true;
}


static bool
dur_expr_punctuation(dur_expr_lex_t *lex, dur_expr_token_t *token)
{
    static const struct {
        char                   text[3];
        dur_expr_token_type_t  type;
    } pairs[] = {
        { "==", DUR_EXPR_T_EQ }, { "!=", DUR_EXPR_T_NE },
        { "<=", DUR_EXPR_T_LE }, { ">=", DUR_EXPR_T_GE },
        { "&&", DUR_EXPR_T_AND }, { "||", DUR_EXPR_T_OR },
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {

        if (lex->last - lex->p > 1 && memcmp(lex->p, pairs[i].text, 2) == 0) {
            token->type = pairs[i].type;
            lex->p += 2;
            return true;
        }
    }

    token->type = DUR_EXPR_T_CHAR;
    token->c = *lex->p;

    if (token->c == '=') {
        return dur_expr_fail(lex->err, token->line, token->column,
                             "\"=\" is no operator, == compares");
    }

    if (token->c == '\0' || strchr("<>!+-*/%?:.,()[]{}", token->c) == NULL) {
        return dur_expr_fail(lex->err, token->line, token->column,
                             token->c > ' ' && token->c < 0x7f
                             ? "unexpected \"%c\"" : "unexpected character",
                             token->c);
    }

    lex->p++;

    return true;
}


bool
dur_expr_lex_next(dur_expr_lex_t *lex, dur_expr_token_t *token)
{
    const uint8_t      *start;
    dur_expr_quotes_t   quotes;

    dur_expr_skip(lex);
    dur_expr_place(lex, lex->p);

    memset(token, 0, sizeof(*token));
    token->line = lex->line;
    token->column = lex->column;

    start = lex->p;

    if (start == lex->last) {
        return true;
    }

    if (dur_expr_quotes(lex, &quotes)) {
        return dur_expr_literal(lex, token, &quotes);
    }

    if (dur_expr_digit(start, lex->last)
        || (*start == '.' && dur_expr_digit(start + 1, lex->last)))
    {
        return dur_expr_numeral(lex, token);
    }

    if (!dur_expr_letter(start, lex->last)) {
        return dur_expr_punctuation(lex, token);
    }

    while (dur_expr_letter(lex->p, lex->last)
           || dur_expr_digit(lex->p, lex->last))
    {
        lex->pool[lex->used++] = *lex->p++;
    }

    token->type = DUR_EXPR_T_NAME;
    token->text.len = (size_t) (lex->p - start);
    token->text.data = lex->pool + lex->used - token->text.len;

    return true;
}
