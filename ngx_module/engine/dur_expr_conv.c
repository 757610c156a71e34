/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_expr_conv.h"
#include "engine/dur_expr_lex.h"
#include "engine/dur_expr_text.h"
#include "engine/dur_expr_value.h"
#include "engine/dur_json.h"


/* A decimal with a sign or none, all of the text. */

static bool
dur_expr_decimal(dur_str_t text, bool *negative, uint64_t *value)
{
    size_t  i;

    *negative = text.len && text.data[0] == '-';
    *value = 0;

    i = text.len && (text.data[0] == '-' || text.data[0] == '+');

    if (i == text.len) {
        return false;
    }

    for ( ; i < text.len; i++) {

        if (text.data[i] < '0' || text.data[i] > '9'
            || __builtin_mul_overflow(*value, 10, value)
            || __builtin_add_overflow(*value,
                                      (uint64_t) (text.data[i] - '0'), value))
        {
            return false;
        }
    }

    return true;
}


static dur_expr_value_t
dur_expr_int_text(dur_str_t text)
{
    bool      negative;
    uint64_t  v;

    if (!dur_expr_decimal(text, &negative, &v)
        || v > (uint64_t) INT64_MAX + negative)
    {
        return dur_expr_error("int() of a text that is no integer");
    }

    return dur_expr_int((int64_t) (negative ? 0 - v : v));
}


dur_expr_value_t
dur_expr_conv_int(const dur_expr_args_t *a)
{
    dur_expr_value_t  v = a->v[0];

    switch (v.kind) {

    case DUR_EXPR_V_STRING:
        return dur_expr_int_text(v.u.text);

    case DUR_EXPR_V_UINT:
        return v.u.uinteger <= INT64_MAX
               ? dur_expr_int((int64_t) v.u.uinteger)
               : dur_expr_error("int() of a number out of range");

    case DUR_EXPR_V_DOUBLE:
        if (!(v.u.number > -9223372036854775808.0
              && v.u.number < 9223372036854775808.0))
        {
            return dur_expr_error("int() of a number out of range");
        }
        return dur_expr_int((int64_t) v.u.number);

    case DUR_EXPR_V_TIME:
        /* whole seconds, towards the past */
        return dur_expr_int(v.u.integer / 1000 - (v.u.integer % 1000 < 0));

    default:
        v.json = false;
        return v;
    }
}


dur_expr_value_t
dur_expr_conv_uint(const dur_expr_args_t *a)
{
    bool              negative;
    dur_expr_value_t  v = a->v[0], u;

    u = dur_expr_make(DUR_EXPR_V_UINT);
    negative = false;

    switch (v.kind) {

    case DUR_EXPR_V_STRING:
        negative = !dur_expr_decimal(v.u.text, &negative, &u.u.uinteger)
                   || negative;
        break;

    case DUR_EXPR_V_INT:
        negative = v.u.integer < 0;
        u.u.uinteger = (uint64_t) v.u.integer;
        break;

    case DUR_EXPR_V_DOUBLE:
        negative = !(v.u.number > -1 && v.u.number < 18446744073709551616.0);
        u.u.uinteger = negative ? 0 : (uint64_t) v.u.number;
        break;

    default:
        return v;
    }

    return negative ? dur_expr_error("uint() of what is no number from 0 on")
                    : u;
}


dur_expr_value_t
dur_expr_conv_double(const dur_expr_args_t *a)
{
    double  number;

    if (a->v[0].kind != DUR_EXPR_V_STRING) {
        return dur_expr_double(dur_expr_to_double(a->v[0]));
    }

    return dur_expr_number(a->v[0].u.text, &number)
           ? dur_expr_double(number)
           : dur_expr_error("double() of a text that is no number");
}


dur_expr_value_t
dur_expr_conv_string(const dur_expr_args_t *a)
{
    size_t     n;
    dur_str_t  s = a->v[0].u.text;

    switch (a->v[0].kind) {

    case DUR_EXPR_V_STRING:
        return a->v[0];

    case DUR_EXPR_V_BYTES:
        dur_expr_charge(a->run, s.len);

        for (size_t i = 0; i < s.len; i += n) {
            n = dur_utf8_len(s.data + i, s.data + s.len);
            if (n == 0) {
                return dur_expr_error("string() of bytes that are no UTF-8");
            }
        }

        return dur_expr_string(s);

    default:
        dur_expr_text(a->run, a->v[0]);
        return dur_expr_taken(a->run);
    }
}


dur_expr_value_t
dur_expr_conv_bytes(const dur_expr_args_t *a)
{
    dur_expr_value_t  v = a->v[0];

    v.kind = DUR_EXPR_V_BYTES;

    return v;
}


dur_expr_value_t
dur_expr_conv_bool(const dur_expr_args_t *a)
{
    static const char *const  texts[] = {
        "true", "1", "t", "T", "True", "TRUE",
        "false", "0", "f", "F", "False", "FALSE",
    };

    if (a->v[0].kind == DUR_EXPR_V_BOOL) {
        return a->v[0];
    }

    for (int i = 0; i < 12; i++) {
        if (dur_str_eq(a->v[0].u.text, dur_str_c(texts[i]))) {
            return dur_expr_bool(i < 6);
        }
    }

    return dur_expr_error("bool() of a text that is neither true nor false");
}


dur_expr_value_t
dur_expr_conv_dyn(const dur_expr_args_t *a)
{
    return a->v[0];
}


dur_expr_value_t
dur_expr_conv_type(const dur_expr_args_t *a)
{
    dur_expr_value_t  v;

    v = dur_expr_make(DUR_EXPR_V_TYPE);
    v.u.type = a->v[0].kind;

    if (a->v[0].kind == DUR_EXPR_V_INT && a->v[0].json) {
        v.u.type = DUR_EXPR_V_DOUBLE;
    }

    return v;
}
