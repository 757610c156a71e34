/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Paths are followed side by side: of each rule a set of bits says how many
 * of its segments were met on the way to a value.
 */

#include "engine/dur_redact.h"
#include "engine/dur_json.h"

#include <stdio.h>


typedef struct {
    const dur_redact_t  *r;
    dur_redact_what_t    what;
    const uint8_t       *from;      /* what was not copied yet */
    const uint8_t       *p;
    const uint8_t       *last;
    dur_buf_t           *out;       /* NULL: nothing is copied */
    bool                 held;
    uint8_t              key[DUR_REDACT_NAME + 4];
} dur_redact_walk_t;

typedef struct {
    uint16_t             bits[DUR_REDACT_RULES];
    bool                 hidden;    /* one of them was met */
    unsigned             depth;
} dur_redact_state_t;


static bool dur_redact_messages(const dur_redact_t *r);
static bool dur_redact_value(dur_redact_walk_t *w,
    const dur_redact_state_t *s);


/* -- paths ---------------------------------------------------------------- */

static dur_rc_t
dur_redact_wrong(char err[160], dur_str_t path, const char *why)
{
    snprintf(err, 160, "the path \"%.*s\" %s",
             (int) (path.len < 64 ? path.len : 64),
             (const char *) path.data, why);

    return DUR_EINVAL;
}


static const char *
dur_redact_name(const uint8_t **p, const uint8_t *last,
    dur_redact_segment_t *s)
{
    const uint8_t  *from = *p;

    while (*p < last && strchr(".[]*\"' \t", **p) == NULL) {
        (*p)++;
    }

    s->kind = DUR_REDACT_KEY;
    s->name = dur_str_make(from, (size_t) (*p - from));

    if (s->name.len == 0) {
        return "has no name where one must be";
    }

    return NULL;
}


static const char *
dur_redact_stars(const uint8_t **p, const uint8_t *last,
    dur_redact_segment_t *s)
{
    s->kind = DUR_REDACT_ANY_KEY;
    (*p)++;

    if (*p < last && **p == '*') {
        s->kind = DUR_REDACT_DEEP;
        (*p)++;
    }

    return NULL;
}


/* [*], [0], ["a name"] */
static const char *
dur_redact_bracket(const uint8_t **p, const uint8_t *last,
    dur_redact_segment_t *s)
{
    const uint8_t  *end, *from = *p + 1;

    static const char  wrong[] = "has brackets that are neither [*], nor "
                                 "[number], nor [\"name\"]";

    if (from < last && (*from == '"' || *from == '\'')) {
        end = memchr(from + 1, *from, (size_t) (last - from - 1));

        if (end == NULL || end + 1 == last || end[1] != ']'
            || end == from + 1)
        {
            return wrong;
        }

        s->kind = DUR_REDACT_KEY;
        s->name = dur_str_make(from + 1, (size_t) (end - from - 1));
        *p = end + 2;

        return NULL;
    }

    end = memchr(from, ']', (size_t) (last - from));

    if (end == NULL || end == from || end - from > 9) {
        return wrong;
    }

    *p = end + 1;

    if (end - from == 1 && *from == '*') {
        s->kind = DUR_REDACT_ANY_INDEX;
        return NULL;
    }

    s->kind = DUR_REDACT_INDEX;
    s->index = 0;

    for ( /* void */ ; from < end; from++) {

        if (*from < '0' || *from > '9') {
            return wrong;
        }

        s->index = s->index * 10 + (uint32_t) (*from - '0');
    }

    return NULL;
}


static const char *
dur_redact_parse(dur_redact_rule_t *rule, dur_str_t path)
{
    const char            *wrong;
    const uint8_t         *p = path.data, *last = path.data + path.len;
    dur_redact_segment_t  *s;

    while (p < last) {

        if (rule->n == DUR_REDACT_SEGMENTS) {
            return "has more than 15 parts";
        }

        s = &rule->segments[rule->n];

        if (*p == '[') {
            wrong = dur_redact_bracket(&p, last, s);

        } else {

            if (rule->n > 0 && *p++ != '.') {
                return "needs a \".\" between its parts";
            }

            wrong = (p < last && *p == '*') ? dur_redact_stars(&p, last, s)
                                            : dur_redact_name(&p, last, s);
        }

        if (wrong != NULL) {
            return wrong;
        }

        if (s->kind == DUR_REDACT_KEY && s->name.len > DUR_REDACT_NAME) {
            return "has a name of more than 128 bytes";
        }

        rule->n++;
    }

    if (rule->n == 0) {
        return "is empty";
    }

    if (rule->segments[rule->n - 1].kind == DUR_REDACT_DEEP) {
        return "ends with \"**\": name what is to be hidden there";
    }

    return NULL;
}


dur_rc_t
dur_redact_add(dur_redact_t *r, dur_str_t path, char err[160])
{
    const char            *wrong;
    dur_redact_rule_t     *rule;
    dur_redact_segment_t  *s;

    if (r->n == DUR_REDACT_RULES) {
        snprintf(err, 160, "there are more than %d paths", DUR_REDACT_RULES);
        return DUR_EFULL;
    }

    rule = &r->rules[r->n];
    memset(rule, 0, sizeof(*rule));

    wrong = dur_redact_parse(rule, path);

    if (wrong != NULL) {
        return dur_redact_wrong(err, path, wrong);
    }

    s = rule->segments;

    rule->data = s[0].kind == DUR_REDACT_KEY
                 && dur_str_eq(s[0].name, dur_str("data"));

    r->n++;
    r->messages = dur_redact_messages(r);

    return DUR_OK;
}


/* -- matching ------------------------------------------------------------- */

/* A "**" may be nothing at all. */
static uint16_t
dur_redact_close(const dur_redact_rule_t *rule, uint16_t bits)
{
    unsigned  i;

    for (i = 0; i < rule->n; i++) {
        if ((bits & 1u << i) && rule->segments[i].kind == DUR_REDACT_DEEP) {
            bits |= (uint16_t) (1u << (i + 1));
        }
    }

    return bits;
}


static void
dur_redact_begin(const dur_redact_walk_t *w, dur_redact_state_t *s)
{
    uint16_t                  bits;
    unsigned                  i;
    const dur_redact_rule_t  *rule;

    s->hidden = false;
    s->depth = 0;

    for (i = 0; i < w->r->n; i++) {
        rule = &w->r->rules[i];
        bits = 1;

        if (rule->data && w->what == DUR_REDACT_VALUE) {
            bits |= 2;
        }

        s->bits[i] = dur_redact_close(rule, bits);
        s->hidden |= (s->bits[i] & 1u << rule->n) != 0;
    }
}


/* The key, or with none the index. */
static bool
dur_redact_meets(const dur_redact_segment_t *s, const dur_str_t *key,
    uint32_t index)
{
    switch (s->kind) {
    case DUR_REDACT_KEY:
        return key != NULL && dur_str_eq(s->name, *key);
    case DUR_REDACT_ANY_KEY:
        return key != NULL;
    case DUR_REDACT_INDEX:
        return key == NULL && s->index == index;
    case DUR_REDACT_ANY_INDEX:
        return key == NULL;
    default:
        return false;
    }
}


static void
dur_redact_enter(const dur_redact_walk_t *w, const dur_redact_state_t *s,
    const dur_str_t *key, uint32_t index, dur_redact_state_t *next)
{
    uint16_t                  bits;
    unsigned                  i, j;
    const dur_redact_rule_t  *rule;

    next->hidden = false;
    next->depth = s->depth + 1;

    for (i = 0; i < w->r->n; i++) {
        rule = &w->r->rules[i];
        bits = 1;

        /* a list of values is each of them */

        if (key == NULL && s->depth == 0) {
            bits |= s->bits[i];
        }

        for (j = 0; j < rule->n; j++) {

            if (!(s->bits[i] & 1u << j)) {
                continue;
            }

            if (rule->segments[j].kind == DUR_REDACT_DEEP) {
                bits |= (uint16_t) (1u << j);

            } else if (dur_redact_meets(&rule->segments[j], key, index)) {
                bits |= (uint16_t) (1u << (j + 1));
            }
        }

        next->bits[i] = dur_redact_close(rule, bits);
        next->hidden |= (next->bits[i] & 1u << rule->n) != 0;
    }
}


static bool
dur_redact_messages(const dur_redact_t *r)
{
    dur_str_t           key = dur_str("message");
    dur_redact_walk_t   w;
    dur_redact_state_t  s, next;

    w.r = r;
    w.what = DUR_REDACT_ERROR;

    dur_redact_begin(&w, &s);
    dur_redact_enter(&w, &s, &key, 0, &next);

    return s.hidden || next.hidden;
}


/* What is always shown. */
static bool
dur_redact_spares(const dur_redact_walk_t *w, const dur_redact_state_t *s,
    dur_str_t key)
{
    if (s->depth != 0 || w->what == DUR_REDACT_VALUE) {
        return false;
    }

    if (dur_str_eq(key, dur_str("name"))) {
        return true;
    }

    return w->what == DUR_REDACT_EVENT
           && (dur_str_eq(key, dur_str("id")) || dur_str_eq(key, dur_str("ts"))
               || dur_str_eq(key, dur_str("v")));
}


/* What repeats a message; the value is next. */
static bool
dur_redact_repeats(const dur_redact_walk_t *w, dur_str_t key)
{
    const uint8_t  *p;

    if (!w->r->messages) {
        return false;
    }

    p = dur_json_skip_space(w->p, w->last);

    return dur_str_eq(key, dur_str("stack"))
           || (dur_str_eq(key, dur_str("error")) && p < w->last && *p == '"');
}


/* -- the text ------------------------------------------------------------- */

static void
dur_redact_space(dur_redact_walk_t *w)
{
    w->p = dur_json_skip_space(w->p, w->last);
}


static bool
dur_redact_next_is(dur_redact_walk_t *w, uint8_t c)
{
    dur_redact_space(w);

    if (w->p == w->last || *w->p != c) {
        return false;
    }

    w->p++;

    return true;
}


/* The text between the quotes. */
static bool
dur_redact_string(dur_redact_walk_t *w, dur_str_t *text)
{
    const uint8_t  *from = ++w->p;

    for ( /* void */ ; w->p < w->last; w->p++) {

        if (*w->p == '"') {
            *text = dur_str_make(from, (size_t) (w->p - from));
            w->p++;
            return true;
        }

        if (*w->p == '\\' && w->p + 1 < w->last) {
            w->p++;
        }
    }

    return false;
}


/* A key as it is meant, until the next one; what is longer than any name is
 * not looked at. */
static dur_str_t
dur_redact_key(dur_redact_walk_t *w, dur_str_t raw)
{
    size_t          n, len;
    const uint8_t  *p = raw.data, *last = raw.data + raw.len;

    if (raw.len == 0 || memchr(raw.data, '\\', raw.len) == NULL) {
        return raw;
    }

    for (n = 0; p < last && n <= DUR_REDACT_NAME; n += len) {

        len = 1;

        if (*p != '\\') {
            w->key[n] = *p++;
            continue;
        }

        len = dur_json_unescape(&p, last, w->key + n);

        if (len == 0) {
            return raw;
        }
    }

    return dur_str_make(w->key, n);
}


/* Behind a value, whatever it is. */
static bool
dur_redact_skip(dur_redact_walk_t *w)
{
    size_t     depth;
    dur_str_t  text;

    depth = 0;

    while (w->p < w->last) {

        switch (*w->p) {

        case '"':
            if (!dur_redact_string(w, &text)) {
                return false;
            }
            break;

        case '{':
        case '[':
            depth++;
            w->p++;
            break;

        case '}':
        case ']':
            if (depth == 0) {
                return true;
            }
            depth--;
            w->p++;
            break;

        case ',':
            if (depth == 0) {
                return true;
            }
            w->p++;
            break;

        default:
            w->p++;
            continue;
        }

        if (depth == 0) {
            return true;
        }
    }

    return depth == 0;
}


static bool
dur_redact_hide(dur_redact_walk_t *w)
{
    bool            good;
    const uint8_t  *begin;

    static const char  text[] = "\"" DUR_REDACT_TEXT "\"";

    dur_redact_space(w);
    begin = w->p;

    if (w->out != NULL) {
        dur_buf_add(w->out, w->from, (size_t) (begin - w->from));
        dur_buf_addz(w->out, text);
    }

    good = dur_redact_skip(w);
    w->from = w->p;

    if (dur_str_eq(dur_str_make(begin, (size_t) (w->p - begin)),
                   dur_str(text)))
    {
        w->held = true;
    }

    return good;
}


static bool
dur_redact_object(dur_redact_walk_t *w, const dur_redact_state_t *s)
{
    bool                 good;
    dur_str_t            key;
    dur_redact_state_t   next;

    w->p++;

    if (dur_redact_next_is(w, '}')) {
        return true;
    }

    do {
        dur_redact_space(w);

        if (w->p == w->last || *w->p != '"' || !dur_redact_string(w, &key)
            || !dur_redact_next_is(w, ':'))
        {
            return false;
        }

        key = dur_redact_key(w, key);
        dur_redact_enter(w, s, &key, 0, &next);

        good = (next.hidden && !dur_redact_spares(w, s, key))
               || dur_redact_repeats(w, key)
               ? dur_redact_hide(w) : dur_redact_value(w, &next);

        if (!good) {
            return false;
        }

    } while (dur_redact_next_is(w, ','));

    return dur_redact_next_is(w, '}');
}


static bool
dur_redact_array(dur_redact_walk_t *w, const dur_redact_state_t *s)
{
    bool                 good;
    uint32_t             i;
    dur_redact_state_t   next;

    w->p++;

    if (dur_redact_next_is(w, ']')) {
        return true;
    }

    i = 0;

    do {
        dur_redact_enter(w, s, NULL, i++, &next);

        good = next.hidden ? dur_redact_hide(w) : dur_redact_value(w, &next);

        if (!good) {
            return false;
        }

    } while (dur_redact_next_is(w, ','));

    return dur_redact_next_is(w, ']');
}


static bool
dur_redact_value(dur_redact_walk_t *w, const dur_redact_state_t *s)
{
    dur_str_t       text;
    const uint8_t  *from;

    dur_redact_space(w);

    if (w->p == w->last || s->depth > DUR_JSON_DEPTH) {
        return false;
    }

    switch (*w->p) {

    case '{':
        return dur_redact_object(w, s);

    case '[':
        return dur_redact_array(w, s);

    case '"':
        return dur_redact_string(w, &text);

    default:
        from = w->p;

        while (w->p < w->last
               && ((*w->p >= '0' && *w->p <= '9')
                   || (*w->p >= 'a' && *w->p <= 'z') || *w->p == 'E'
                   || *w->p == '+' || *w->p == '-' || *w->p == '.'))
        {
            w->p++;
        }

        return w->p != from;
    }
}


/* -- bodies --------------------------------------------------------------- */

static bool
dur_redact_walk(dur_redact_walk_t *w, const dur_redact_t *r,
    dur_redact_what_t what, dur_str_t text)
{
    bool                good;
    dur_redact_state_t  s;

    w->r = r;
    w->what = what;
    w->from = text.data;
    w->p = text.data;
    w->last = text.data + text.len;
    w->held = false;

    dur_redact_begin(w, &s);

    good = s.hidden ? dur_redact_hide(w) : dur_redact_value(w, &s);

    if (good) {
        dur_redact_space(w);
    }

    return good && w->p == w->last;
}


dur_rc_t
dur_redact_json(const dur_redact_t *r, dur_redact_what_t what,
    dur_str_t json, dur_buf_t *out)
{
    size_t             len;
    dur_redact_walk_t  w;

    len = out->len;
    w.out = out;

    if (!dur_redact_walk(&w, r, what, json)) {
        out->len = len;
        return DUR_EINVAL;
    }

    return dur_buf_add(out, w.from, (size_t) (w.last - w.from));
}


dur_rc_t
dur_redact_text(const dur_redact_t *r, dur_str_t text, dur_buf_t *out)
{
    const uint8_t      *p;
    dur_redact_walk_t   w;

    p = dur_json_skip_space(text.data, text.data + text.len);

    if (p == text.data + text.len || (*p != '{' && *p != '[')) {
        return dur_buf_add(out, text.data, text.len);
    }

    w.out = out;

    if (dur_redact_walk(&w, r, DUR_REDACT_VALUE, text)) {
        return dur_buf_add(out, w.from, (size_t) (w.last - w.from));
    }

    dur_buf_add(out, w.from, (size_t) (w.p - w.from));

    return w.p == w.last ? DUR_OK : dur_buf_addz(out, DUR_REDACT_TEXT);
}


dur_rc_t
dur_redact_message(const dur_redact_t *r, dur_str_t text, dur_buf_t *out)
{
    return r->messages ? dur_buf_addz(out, DUR_REDACT_TEXT)
                       : dur_redact_text(r, text, out);
}


bool
dur_redact_holds(const dur_redact_t *r, dur_redact_what_t what,
    dur_str_t json)
{
    dur_redact_walk_t  w;

    w.out = NULL;
    (void) dur_redact_walk(&w, r, what, json);

    return w.held;
}
