/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_verify_value.h"
#include "engine/dur_answer.h"
#include "engine/dur_json_text.h"
#include "engine/dur_ulid.h"

#include <stdlib.h>


#define DUR_VERIFY_FORM_MAX   1024          /* parameters */


/* What a JSON string means; bytes that are no UTF-8 stay. */
static dur_str_t
dur_verify_unquote(dur_verify_t *v, dur_str_t text)
{
    size_t          n;
    uint8_t        *out, *p;
    const uint8_t  *s, *last;

    if (text.len < 2) {
        return dur_str_null;
    }

    out = dur_arena_alloc(v->arena, text.len + 4);
    if (out == NULL) {
        v->nomem = true;
        return dur_str_null;
    }

    p = out;
    s = text.data + 1;
    last = text.data + text.len - 1;

    while (s < last) {
        if (*s != '\\') {
            *p++ = *s++;
            continue;
        }

        n = dur_json_unescape(&s, last, p);
        if (n == 0) {
            return dur_str_null;
        }

        p += n;
    }

    return dur_str_make(out, (size_t) (p - out));
}


dur_str_t
dur_verify_member(dur_verify_t *v, const char *path)
{
    size_t     i, n;
    dur_str_t  value;

    value = v->request->body;

    while (*path != '\0') {
        n = strcspn(path, ".");

        if (value.len == 0
            || dur_json_member(value, dur_str_make(path, n), &value)
               != DUR_OK)
        {
            return dur_str_null;
        }

        path += n + (path[n] == '.');
    }

    if (value.len && value.data[0] == '"') {
        return dur_verify_unquote(v, value);
    }

    for (i = value.len && value.data[0] == '-'; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            return dur_str_null;
        }
    }

    return value;
}


dur_str_t
dur_verify_value(dur_verify_t *v, const char *source)
{
    if (source == NULL) {
        return dur_str_null;
    }

    if (strncmp(source, "json:", 5) == 0) {
        return dur_verify_member(v, source + 5);
    }

    return dur_headers_get(v->request->headers, source);
}


/* -- forms ---------------------------------------------------------------- */

typedef struct {
    dur_str_t  name;
    dur_str_t  value;
} dur_verify_pair_t;


static int
dur_verify_pair_cmp(const void *one, const void *two)
{
    int                       rc;
    size_t                    n;
    const dur_verify_pair_t  *a = one, *b = two;

    n = a->name.len < b->name.len ? a->name.len : b->name.len;

    rc = memcmp(a->name.data, b->name.data, n);
    if (rc != 0) {
        return rc;
    }

    if (a->name.len != b->name.len) {
        return a->name.len < b->name.len ? -1 : 1;
    }

    return a->name.data < b->name.data ? -1 : a->name.data > b->name.data;
}


dur_str_t
dur_verify_unescape(dur_verify_t *v, dur_str_t s, bool plus)
{
    size_t    i, n;
    uint8_t  *p, byte;

    p = dur_arena_alloc(v->arena, s.len + 1);
    if (p == NULL) {
        v->nomem = true;
        return dur_str_null;
    }

    for (i = 0, n = 0; i < s.len; i++, n++) {
        p[n] = s.data[i];

        if (plus && p[n] == '+') {
            p[n] = ' ';

        } else if (p[n] == '%' && s.len - i > 2
                   && dur_unhex(dur_str_make(s.data + i + 1, 2), &byte, 1)
                      == DUR_OK)
        {
            p[n] = byte;
            i += 2;
        }
    }

    return dur_str_make(p, n);
}


bool
dur_verify_is_form(const dur_verify_request_t *r)
{
    dur_str_t  type;

    type = dur_headers_get(r->headers, "content-type");

    if (type.len > 33) {
        type.len = 33;
    }

    return dur_str_caseeq(type, dur_str("application/x-www-form-urlencoded"));
}


dur_str_t
dur_verify_form(dur_verify_t *v)
{
    size_t              i, n, size, len, total;
    uint8_t            *out, *p;
    dur_str_t           body, name, value;
    const uint8_t      *eq;
    dur_verify_pair_t  *pairs;

    body = v->request->body;

    if (!dur_verify_is_form(v->request) || body.len == 0) {
        return dur_str_null;
    }

    pairs = dur_arena_alloc(v->arena, DUR_VERIFY_FORM_MAX * sizeof(*pairs));
    out = dur_arena_alloc(v->arena, body.len + 1);

    if (pairs == NULL || out == NULL) {
        v->nomem = true;
        return dur_str_null;
    }

    for (i = 0, n = 0; i < body.len && n < DUR_VERIFY_FORM_MAX; i += len + 1) {
        eq = memchr(body.data + i, '&', body.len - i);
        len = eq ? (size_t) (eq - body.data) - i : body.len - i;

        eq = memchr(body.data + i, '=', len);
        size = eq ? (size_t) (eq - body.data) - i : len;

        name = dur_str_make(body.data + i, size);
        value = dur_str_make(body.data + i + size + (eq != NULL),
                             len - size - (eq != NULL));

        pairs[n].name = dur_verify_unescape(v, name, true);
        pairs[n++].value = dur_verify_unescape(v, value, true);
    }

    if (v->nomem) {
        return dur_str_null;
    }

    qsort(pairs, n, sizeof(*pairs), dur_verify_pair_cmp);

    for (i = 0, p = out, total = 0; i < n; i++) {
        memcpy(p, pairs[i].name.data, pairs[i].name.len);
        p += pairs[i].name.len;
        memcpy(p, pairs[i].value.data, pairs[i].value.len);
        p += pairs[i].value.len;
        total += pairs[i].name.len + pairs[i].value.len;
    }

    return dur_str_make(out, total);
}
