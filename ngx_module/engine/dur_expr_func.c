/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_expr_func.h"
#include "engine/dur_expr_conv.h"
#include "engine/dur_expr_time.h"
#include "engine/dur_expr_value.h"
#include "engine/dur_json.h"
#include "engine/dur_sign.h"


/* What compiling a pattern that is no literal costs. */
#define DUR_EXPR_PATTERN_WORK  1000


static dur_expr_value_t
dur_expr_f_size(const dur_expr_args_t *a)
{
    size_t            n;
    dur_expr_value_t  v = a->v[0];

    switch (v.kind) {

    case DUR_EXPR_V_STRING:
        dur_expr_charge(a->run, v.u.text.len);
        n = 0;

        for (size_t i = 0; i < v.u.text.len; i++) {
            n += (v.u.text.data[i] & 0xc0) != 0x80;
        }

        return dur_expr_int((int64_t) n);

    case DUR_EXPR_V_BYTES:
        return dur_expr_int((int64_t) v.u.text.len);

    default:
        return dur_expr_int((int64_t) dur_expr_size(v));
    }
}


static dur_expr_value_t
dur_expr_f_contains(const dur_expr_args_t *a)
{
    dur_str_t  s = a->v[0].u.text, part = a->v[1].u.text;

    dur_expr_charge(a->run, s.len);

    return dur_expr_bool(part.len == 0
                         || (s.len >= part.len
                             && memmem(s.data, s.len, part.data, part.len)));
}


static dur_expr_value_t
dur_expr_f_starts(const dur_expr_args_t *a)
{
    dur_str_t  s = a->v[0].u.text, part = a->v[1].u.text;

    return dur_expr_bool(s.len >= part.len
                         && dur_str_eq(dur_str_make(s.data, part.len), part));
}


static dur_expr_value_t
dur_expr_f_ends(const dur_expr_args_t *a)
{
    dur_str_t  s = a->v[0].u.text, part = a->v[1].u.text;

    return dur_expr_bool(s.len >= part.len
                         && dur_str_eq(dur_str_make(s.data
                                                    + (s.len - part.len),
                                                    part.len), part));
}


static dur_expr_value_t
dur_expr_f_matches(const dur_expr_args_t *a)
{
    bool          matches;
    char          err[96];
    dur_rc_t      rc;
    dur_regex_t  *regex;

    regex = a->node->u.regex;

    if (regex == NULL) {
        a->run->work -= DUR_EXPR_PATTERN_WORK;
        rc = dur_regex_compile(a->v[1].u.text, &regex, err);

        if (rc != DUR_OK) {
            a->run->nomem |= (rc == DUR_ENOMEM);
            return dur_expr_error("invalid pattern");
        }
    }

    dur_expr_charge(a->run, a->v[0].u.text.len);

    matches = false;
    rc = dur_regex_match(regex, a->v[0].u.text, &a->run->work, &matches);

    if (regex != a->node->u.regex) {
        dur_regex_free(regex);
    }

    switch (rc) {

    case DUR_OK:
        return dur_expr_bool(matches);

    case DUR_EINVAL:
        return dur_expr_error("\"matches\" of what is no UTF-8");

    case DUR_ETOOBIG:
        a->run->work = -1;
        break;

    default:
        a->run->nomem = true;
        break;
    }

    return dur_expr_nomem();
}


/* Upper case to lower case by adding `by`; all of them two bytes of UTF-8. */

static uint32_t
dur_expr_case(uint32_t c, bool lower)
{
    uint32_t  from;

    static const struct {
        uint16_t  first;
        uint16_t  last;
        uint16_t  step;
        int16_t   by;
    } ranges[] = {
        { 0xc0, 0xd6, 1, 32 }, { 0xd8, 0xde, 1, 32 },
        { 0x100, 0x12e, 2, 1 }, { 0x132, 0x136, 2, 1 },
        { 0x139, 0x147, 2, 1 }, { 0x14a, 0x176, 2, 1 },
        { 0x178, 0x178, 1, -121 }, { 0x179, 0x17d, 2, 1 },
        { 0x386, 0x386, 1, 38 }, { 0x388, 0x38a, 1, 37 },
        { 0x38c, 0x38c, 1, 64 }, { 0x38e, 0x38f, 1, 63 },
        { 0x391, 0x3a1, 1, 32 }, { 0x3a3, 0x3ab, 1, 32 },
        { 0x400, 0x40f, 1, 80 }, { 0x410, 0x42f, 1, 32 },
        { 0x460, 0x480, 2, 1 }, { 0x48a, 0x4be, 2, 1 },
        { 0x4d0, 0x52e, 2, 1 },
    };

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        from = lower ? c : c - (uint32_t) ranges[i].by;

        if (from >= ranges[i].first && from <= ranges[i].last
            && (from - ranges[i].first) % ranges[i].step == 0)
        {
            return lower ? c + (uint32_t) ranges[i].by : from;
        }
    }

    return c;
}


/* extra: 1 lowercase, 0 uppercase */

static dur_expr_value_t
dur_expr_f_case(const dur_expr_args_t *a)
{
    bool       lower = (a->extra == 1);
    size_t     i;
    uint8_t   *p, first;
    uint32_t   c;
    dur_str_t  s = a->v[0].u.text;

    p = dur_expr_alloc(a->run, s.len);
    if (p == NULL) {
        return dur_expr_nomem();
    }

    first = lower ? 'A' : 'a';

    for (i = 0; i < s.len; i++) {
        p[i] = s.data[i];

        if (p[i] < 0x80) {
            p[i] ^= (p[i] >= first && p[i] < first + 26) ? 0x20 : 0;

        } else if ((p[i] & 0xe0) == 0xc0 && i + 1 < s.len
                   && (s.data[i + 1] & 0xc0) == 0x80)
        {
            c = (uint32_t) (p[i] & 0x1f) << 6 | (s.data[i + 1] & 0x3f);
            c = dur_expr_case(c, lower);
            p[i++] = (uint8_t) (0xc0 | c >> 6);
            p[i] = (uint8_t) (0x80 | (c & 0x3f));
        }
    }

    return dur_expr_string(dur_str_make(p, s.len));
}


static dur_expr_value_t
dur_expr_f_b64decode(const dur_expr_args_t *a)
{
    size_t      n, size;
    uint8_t    *p;
    dur_str_t   s = a->v[0].u.text;

    size = s.len / 4 * 3 + 3;

    p = dur_expr_alloc(a->run, size);
    if (p == NULL) {
        return dur_expr_nomem();
    }

    if (dur_unbase64(s, p, size, &n) != DUR_OK) {
        return dur_expr_error("b64decode() of what is no base64");
    }

    return dur_expr_string(dur_str_make(p, n));
}


/* An object, otherwise the empty map. */

static dur_expr_value_t
dur_expr_f_json_parse(const dur_expr_args_t *a)
{
    json_t            *json;
    dur_str_t          s = a->v[0].u.text;
    dur_expr_value_t   map;
    dur_expr_owned_t  *owned;

    /* a value takes more memory than its text */

    owned = dur_expr_alloc(a->run, sizeof(*owned));
    dur_expr_charge(a->run, s.len * 4);

    if (owned == NULL || a->run->work < 0) {
        return dur_expr_nomem();
    }

    json = dur_json_parse(s, NULL);

    if (!json_is_object(json)) {
        json_decref(json);
        map = dur_expr_make(DUR_EXPR_V_MAP);
        map.u.list.items = NULL;
        map.u.list.n = 0;
        return map;
    }

    owned->json = json;
    owned->next = a->run->owned;
    a->run->owned = owned;

    return dur_expr_from_json(json);
}


#define DUR_EXPR_M_TEXT   DUR_EXPR_M(STRING)
#define DUR_EXPR_M_SPAN   DUR_EXPR_M(DURATION)
#define DUR_EXPR_BOTH     (DUR_EXPR_GLOBAL | DUR_EXPR_METHOD)

#define DUR_EXPR_TEST(name, style, call)                                      \
    { name, style, 2, 2, 0, { DUR_EXPR_M_TEXT, DUR_EXPR_M_TEXT },             \
      DUR_EXPR_M(BOOL), call }
#define DUR_EXPR_OF_TEXT(name, extra, result, call)                           \
    { name, DUR_EXPR_GLOBAL, 1, 1, extra, { DUR_EXPR_M_TEXT },                \
      DUR_EXPR_M(result), call }
#define DUR_EXPR_CONV(name, args, result, call)                               \
    { name, DUR_EXPR_GLOBAL, 1, 1, 0, { args }, result, call }
#define DUR_EXPR_GETTER(name, args, field)                                    \
    { name, DUR_EXPR_METHOD, 1, 2, DUR_EXPR_ ## field,                        \
      { args, DUR_EXPR_M_TEXT }, DUR_EXPR_M(INT), dur_expr_time_get }

static const dur_expr_function_t  dur_expr_functions[] = {
    { "size", DUR_EXPR_BOTH, 1, 1, 0,
      { DUR_EXPR_M_TEXT | DUR_EXPR_M(BYTES) | DUR_EXPR_M(LIST)
        | DUR_EXPR_M(MAP) }, DUR_EXPR_M(INT), dur_expr_f_size },

    DUR_EXPR_TEST("contains", DUR_EXPR_METHOD, dur_expr_f_contains),
    DUR_EXPR_TEST("startsWith", DUR_EXPR_METHOD, dur_expr_f_starts),
    DUR_EXPR_TEST("endsWith", DUR_EXPR_METHOD, dur_expr_f_ends),
    DUR_EXPR_TEST("matches", DUR_EXPR_BOTH, dur_expr_f_matches),

    DUR_EXPR_OF_TEXT("lowercase", 1, STRING, dur_expr_f_case),
    DUR_EXPR_OF_TEXT("uppercase", 0, STRING, dur_expr_f_case),
    DUR_EXPR_OF_TEXT("b64decode", 0, STRING, dur_expr_f_b64decode),
    DUR_EXPR_OF_TEXT("json_parse", 0, MAP, dur_expr_f_json_parse),

    DUR_EXPR_CONV("int", DUR_EXPR_M_NUMBER | DUR_EXPR_M_TEXT
                  | DUR_EXPR_M(TIME), DUR_EXPR_M(INT), dur_expr_conv_int),
    DUR_EXPR_CONV("uint", DUR_EXPR_M_NUMBER | DUR_EXPR_M_TEXT,
                  DUR_EXPR_M(UINT), dur_expr_conv_uint),
    DUR_EXPR_CONV("double", DUR_EXPR_M_NUMBER | DUR_EXPR_M_TEXT,
                  DUR_EXPR_M(DOUBLE), dur_expr_conv_double),
    DUR_EXPR_CONV("string", DUR_EXPR_M_NUMBER | DUR_EXPR_M_TEXT
                  | DUR_EXPR_M(BOOL) | DUR_EXPR_M(BYTES) | DUR_EXPR_M(TIME)
                  | DUR_EXPR_M_SPAN, DUR_EXPR_M_TEXT, dur_expr_conv_string),
    DUR_EXPR_CONV("bytes", DUR_EXPR_M_TEXT | DUR_EXPR_M(BYTES),
                  DUR_EXPR_M(BYTES), dur_expr_conv_bytes),
    DUR_EXPR_CONV("bool", DUR_EXPR_M_TEXT | DUR_EXPR_M(BOOL),
                  DUR_EXPR_M(BOOL), dur_expr_conv_bool),
    DUR_EXPR_CONV("dyn", DUR_EXPR_M_ANY, DUR_EXPR_M_ANY, dur_expr_conv_dyn),
    DUR_EXPR_CONV("type", DUR_EXPR_M_ANY, DUR_EXPR_M(TYPE),
                  dur_expr_conv_type),

    DUR_EXPR_CONV("duration", DUR_EXPR_M_TEXT | DUR_EXPR_M_SPAN,
                  DUR_EXPR_M_SPAN, dur_expr_time_duration),
    DUR_EXPR_CONV("timestamp", DUR_EXPR_M_TEXT | DUR_EXPR_M(INT)
                  | DUR_EXPR_M(TIME), DUR_EXPR_M(TIME),
                  dur_expr_time_timestamp),
    DUR_EXPR_CONV("date", DUR_EXPR_M_TEXT | DUR_EXPR_M(INT)
                  | DUR_EXPR_M(TIME), DUR_EXPR_M(TIME), dur_expr_time_date),
    { "now", DUR_EXPR_GLOBAL, 0, 0, 0, { 0 }, DUR_EXPR_M(TIME),
      dur_expr_time_now },
    { "now_plus", DUR_EXPR_GLOBAL, 1, 1, 1,
      { DUR_EXPR_M_TEXT | DUR_EXPR_M_SPAN }, DUR_EXPR_M(TIME),
      dur_expr_time_now },
    { "now_minus", DUR_EXPR_GLOBAL, 1, 1, 2,
      { DUR_EXPR_M_TEXT | DUR_EXPR_M_SPAN }, DUR_EXPR_M(TIME),
      dur_expr_time_now },

    DUR_EXPR_GETTER("getFullYear", DUR_EXPR_M(TIME), YEAR),
    DUR_EXPR_GETTER("getMonth", DUR_EXPR_M(TIME), MONTH),
    DUR_EXPR_GETTER("getDate", DUR_EXPR_M(TIME), DATE),
    DUR_EXPR_GETTER("getDayOfMonth", DUR_EXPR_M(TIME), DAY_OF_MONTH),
    DUR_EXPR_GETTER("getDayOfWeek", DUR_EXPR_M(TIME), DAY_OF_WEEK),
    DUR_EXPR_GETTER("getDayOfYear", DUR_EXPR_M(TIME), DAY_OF_YEAR),
    DUR_EXPR_GETTER("getHours", DUR_EXPR_M(TIME) | DUR_EXPR_M_SPAN, HOURS),
    DUR_EXPR_GETTER("getMinutes", DUR_EXPR_M(TIME) | DUR_EXPR_M_SPAN,
                    MINUTES),
    DUR_EXPR_GETTER("getSeconds", DUR_EXPR_M(TIME) | DUR_EXPR_M_SPAN,
                    SECONDS),
    DUR_EXPR_GETTER("getMilliseconds", DUR_EXPR_M(TIME) | DUR_EXPR_M_SPAN,
                    MILLISECONDS),
};

#define DUR_EXPR_NFUNCTIONS                                                   \
    (sizeof(dur_expr_functions) / sizeof(dur_expr_functions[0]))


const dur_expr_function_t *
dur_expr_function(size_t id)
{
    return id < DUR_EXPR_NFUNCTIONS ? &dur_expr_functions[id] : NULL;
}


int
dur_expr_function_find(dur_str_t name)
{
    for (size_t i = 0; i < DUR_EXPR_NFUNCTIONS; i++) {
        if (dur_str_eq(name, dur_str_c(dur_expr_functions[i].name))) {
            return (int) i;
        }
    }

    return -1;
}


bool
dur_expr_function_regex(const dur_expr_function_t *f)
{
    return f->call == dur_expr_f_matches;
}


bool
dur_expr_function_size(const dur_expr_function_t *f)
{
    return f->call == dur_expr_f_size;
}


/* date(), because a text without a year is of this one. */

bool
dur_expr_function_timed(const dur_expr_function_t *f)
{
    return f->call == dur_expr_time_now || f->call == dur_expr_time_date;
}
