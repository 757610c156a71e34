/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_expr_op.h"
#include "engine/dur_expr_text.h"
#include "engine/dur_expr_value.h"


/* 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999Z */
#define DUR_EXPR_TIME_MIN  (-62135596800000LL)
#define DUR_EXPR_TIME_MAX  253402300799999LL


static dur_expr_value_t
dur_expr_no_overload(void)
{
    return dur_expr_error("operands of types that do not go together");
}


dur_expr_value_t
dur_expr_time(int64_t ms)
{
    dur_expr_value_t  v;

    if (ms < DUR_EXPR_TIME_MIN || ms > DUR_EXPR_TIME_MAX) {
        return dur_expr_error("an instant out of range");
    }

    v = dur_expr_make(DUR_EXPR_V_TIME);
    v.u.integer = ms;

    return v;
}


dur_expr_value_t
dur_expr_duration(int64_t ms)
{
    dur_expr_value_t  v;

    v = dur_expr_make(DUR_EXPR_V_DURATION);
    v.u.integer = ms;

    return v;
}


/* What an error, and a field that counts as null, is to a comparison. */

static dur_expr_value_t
dur_expr_healed(dur_expr_value_t v)
{
    if (v.kind == DUR_EXPR_V_MISSING && v.null) {
        return dur_expr_make(DUR_EXPR_V_NULL);
    }

    return v.kind == DUR_EXPR_V_ERROR ? dur_expr_make(DUR_EXPR_V_MISSING) : v;
}


/* Whether a == b; what is missing equals null and nothing else. */

static bool
dur_expr_same(dur_expr_run_t *run, dur_expr_value_t a, dur_expr_value_t b)
{
    if (a.kind == DUR_EXPR_V_MISSING) {
        return b.kind == DUR_EXPR_V_NULL;
    }

    if (b.kind == DUR_EXPR_V_MISSING) {
        return a.kind == DUR_EXPR_V_NULL;
    }

    if (a.kind == DUR_EXPR_V_STRING) {
        dur_expr_charge(run, a.u.text.len);
    }

    return dur_expr_equal(run, a, b);
}


static dur_expr_value_t
dur_expr_compare(dur_expr_run_t *run, dur_expr_binary_t op,
    dur_expr_value_t a, dur_expr_value_t b)
{
    int  order;

    if (a.kind == DUR_EXPR_V_ERROR && a.hard) {
        return a;
    }

    if (b.kind == DUR_EXPR_V_ERROR && b.hard) {
        return b;
    }

    a = dur_expr_healed(a);
    b = dur_expr_healed(b);

    if (op == DUR_EXPR_EQ || op == DUR_EXPR_NE) {
        return dur_expr_bool(dur_expr_same(run, a, b) == (op == DUR_EXPR_EQ));
    }

    if (a.kind == DUR_EXPR_V_MISSING || b.kind == DUR_EXPR_V_MISSING) {
        order = (a.kind == DUR_EXPR_V_MISSING) ? -1 : 1;

    } else if (!dur_expr_order(a, b, &order)) {
        return dur_expr_no_overload();
    }

    switch (op) {
    case DUR_EXPR_LT:
        return dur_expr_bool(order == -1);
    case DUR_EXPR_LE:
        return dur_expr_bool(order == -1 || order == 0);
    case DUR_EXPR_GT:
        return dur_expr_bool(order == 1);
    default:
        return dur_expr_bool(order == 1 || order == 0);
    }
}


static dur_expr_value_t
dur_expr_in(dur_expr_run_t *run, dur_expr_value_t v, dur_expr_value_t range)
{
    size_t  i, n;

    if (range.kind == DUR_EXPR_V_MAP) {
        return dur_expr_bool(dur_expr_get(run, range, v).kind
                             != DUR_EXPR_V_MISSING);
    }

    if (range.kind != DUR_EXPR_V_LIST) {
        return dur_expr_error("\"in\" needs a list or a map");
    }

    n = dur_expr_size(range);

    for (i = 0; i < n && run->work >= 0; i++) {
        if (dur_expr_equal(run, v, dur_expr_item(range, i))) {
            return dur_expr_bool(true);
        }
    }

    return dur_expr_bool(false);
}


static dur_expr_value_t
dur_expr_join_lists(dur_expr_run_t *run, dur_expr_value_t a,
    dur_expr_value_t b)
{
    size_t            i, n, m;
    dur_expr_value_t  list, *items;

    n = dur_expr_size(a);
    m = dur_expr_size(b);

    items = dur_expr_alloc(run, (n + m) * sizeof(dur_expr_value_t));
    if (items == NULL) {
        return dur_expr_nomem();
    }

    for (i = 0; i < n; i++) {
        items[i] = dur_expr_item(a, i);
    }

    for (i = 0; i < m; i++) {
        items[n + i] = dur_expr_item(b, i);
    }

    list = dur_expr_make(DUR_EXPR_V_LIST);
    list.u.list.items = items;
    list.u.list.n = n + m;

    return list;
}


/* Two of a kind. */

static dur_expr_value_t
dur_expr_join(dur_expr_run_t *run, dur_expr_value_t a, dur_expr_value_t b)
{
    uint8_t  *p;

    if (a.kind == DUR_EXPR_V_LIST) {
        return dur_expr_join_lists(run, a, b);
    }

    if (a.kind != DUR_EXPR_V_STRING && a.kind != DUR_EXPR_V_BYTES) {
        return dur_expr_no_overload();
    }

    p = dur_expr_alloc(run, a.u.text.len + b.u.text.len);
    if (p == NULL) {
        return dur_expr_nomem();
    }

    if (a.u.text.len) {
        memcpy(p, a.u.text.data, a.u.text.len);
    }

    if (b.u.text.len) {
        memcpy(p + a.u.text.len, b.u.text.data, b.u.text.len);
    }

    a.u.text = dur_str_make(p, a.u.text.len + b.u.text.len);

    return a;
}


/* A duration added to or taken from an instant or a duration. */

static dur_expr_value_t
dur_expr_shift(dur_expr_value_t a, dur_expr_value_t b, bool minus)
{
    int64_t  ms;

    if (minus ? __builtin_sub_overflow(a.u.integer, b.u.integer, &ms)
              : __builtin_add_overflow(a.u.integer, b.u.integer, &ms))
    {
        return dur_expr_error("an instant out of range");
    }

    return a.kind == DUR_EXPR_V_TIME && b.kind == DUR_EXPR_V_DURATION
           ? dur_expr_time(ms) : dur_expr_duration(ms);
}


static dur_expr_value_t
dur_expr_divide(dur_expr_value_t a, dur_expr_value_t b, bool json)
{
    dur_expr_value_t  v;

    if (b.u.integer == 0) {
        return dur_expr_error("division by zero");
    }

    if (b.u.integer == -1) {
        a.json = json;
        return dur_expr_negate(a);
    }

    if (json && a.u.integer % b.u.integer != 0) {
        return dur_expr_double((double) a.u.integer / (double) b.u.integer);
    }

    v = dur_expr_int(a.u.integer / b.u.integer);
    v.json = json;

    return v;
}


/* Those of JSON are doubles by right: past the range they become doubles. */

static dur_expr_value_t
dur_expr_ints(dur_expr_binary_t op, dur_expr_value_t a, dur_expr_value_t b)
{
    bool              over, json;
    double            x, y;
    dur_expr_value_t  v;

    json = a.json || b.json;
    v = dur_expr_int(0);
    v.json = json;

    x = (double) a.u.integer;
    y = (double) b.u.integer;

    switch (op) {

    case DUR_EXPR_ADD:
        over = __builtin_add_overflow(a.u.integer, b.u.integer, &v.u.integer);
        x += y;
        break;

    case DUR_EXPR_SUB:
        over = __builtin_sub_overflow(a.u.integer, b.u.integer, &v.u.integer);
        x -= y;
        break;

    case DUR_EXPR_MUL:
        over = __builtin_mul_overflow(a.u.integer, b.u.integer, &v.u.integer);
        x *= y;
        break;

    case DUR_EXPR_DIV:
        return dur_expr_divide(a, b, json);

    default:
        if (b.u.integer == 0) {
            return dur_expr_error("division by zero");
        }

        v.u.integer = b.u.integer == -1 ? 0 : a.u.integer % b.u.integer;
        return v;
    }

    if (!over) {
        return v;
    }

    return json ? dur_expr_double(x) : dur_expr_error("integer overflow");
}


static dur_expr_value_t
dur_expr_uints(dur_expr_binary_t op, uint64_t a, uint64_t b)
{
    bool              over;
    dur_expr_value_t  v;

    v = dur_expr_make(DUR_EXPR_V_UINT);
    over = false;

    switch (op) {

    case DUR_EXPR_ADD:
        over = __builtin_add_overflow(a, b, &v.u.uinteger);
        break;

    case DUR_EXPR_SUB:
        over = __builtin_sub_overflow(a, b, &v.u.uinteger);
        break;

    case DUR_EXPR_MUL:
        over = __builtin_mul_overflow(a, b, &v.u.uinteger);
        break;

    default:
        if (b == 0) {
            return dur_expr_error("division by zero");
        }

        v.u.uinteger = (op == DUR_EXPR_DIV) ? a / b : a % b;
        break;
    }

    return over ? dur_expr_error("integer overflow") : v;
}


/* Numbers of different types are doubles, but for the rest of a division. */

static dur_expr_value_t
dur_expr_numbers(dur_expr_binary_t op, dur_expr_value_t a, dur_expr_value_t b)
{
    double  x, y;

    if (a.kind == DUR_EXPR_V_INT && b.kind == DUR_EXPR_V_INT) {
        return dur_expr_ints(op, a, b);
    }

    if (a.kind == DUR_EXPR_V_UINT && b.kind == DUR_EXPR_V_UINT) {
        return dur_expr_uints(op, a.u.uinteger, b.u.uinteger);
    }

    x = dur_expr_to_double(a);
    y = dur_expr_to_double(b);

    switch (op) {

    case DUR_EXPR_ADD:
        return dur_expr_double(x + y);

    case DUR_EXPR_SUB:
        return dur_expr_double(x - y);

    case DUR_EXPR_MUL:
        return dur_expr_double(x * y);

    case DUR_EXPR_DIV:
        return dur_expr_double(x / y);

    default:
        if (dur_expr_to_int(a, &a.u.integer)
            && dur_expr_to_int(b, &b.u.integer))
        {
            return dur_expr_ints(op, a, b);
        }

        return dur_expr_error("\"%\" needs integers");
    }
}


static dur_expr_value_t
dur_expr_add(dur_expr_run_t *run, dur_expr_value_t a, dur_expr_value_t b)
{
    if (a.kind == DUR_EXPR_V_DURATION
        && (b.kind == DUR_EXPR_V_TIME || b.kind == DUR_EXPR_V_DURATION))
    {
        return dur_expr_shift(b, a, false);
    }

    if (a.kind == DUR_EXPR_V_TIME && b.kind == DUR_EXPR_V_DURATION) {
        return dur_expr_shift(a, b, false);
    }

    if (a.kind == b.kind) {
        return dur_expr_join(run, a, b);
    }

    dur_expr_text(run, a);
    dur_expr_text(run, b);

    return dur_expr_taken(run);
}


static dur_expr_value_t
dur_expr_arithmetic(dur_expr_run_t *run, dur_expr_binary_t op,
    dur_expr_value_t a, dur_expr_value_t b)
{
    if (dur_expr_is_number(a) && dur_expr_is_number(b)) {
        return dur_expr_numbers(op, a, b);
    }

    if (op == DUR_EXPR_ADD) {
        return dur_expr_add(run, a, b);
    }

    if (op == DUR_EXPR_SUB
        && ((a.kind == DUR_EXPR_V_TIME
             && (b.kind == DUR_EXPR_V_TIME || b.kind == DUR_EXPR_V_DURATION))
            || (a.kind == DUR_EXPR_V_DURATION
                && b.kind == DUR_EXPR_V_DURATION)))
    {
        return dur_expr_shift(a, b, true);
    }

    return dur_expr_no_overload();
}


dur_expr_value_t
dur_expr_apply(dur_expr_run_t *run, dur_expr_binary_t op, dur_expr_value_t a,
    dur_expr_value_t b)
{
    if (op <= DUR_EXPR_GE) {
        return dur_expr_compare(run, op, a, b);
    }

    if (a.kind == DUR_EXPR_V_ERROR) {
        return a;
    }

    if (b.kind == DUR_EXPR_V_ERROR) {
        return b;
    }

    if (a.kind == DUR_EXPR_V_MISSING || b.kind == DUR_EXPR_V_MISSING) {

        /* what is there stays as it is; all else is false, not missing */

        if (op == DUR_EXPR_ADD && a.kind != b.kind) {
            return a.kind == DUR_EXPR_V_MISSING ? b : a;
        }

        return dur_expr_bool(false);
    }

    return op == DUR_EXPR_IN ? dur_expr_in(run, a, b)
                             : dur_expr_arithmetic(run, op, a, b);
}


dur_expr_value_t
dur_expr_not(dur_expr_value_t v)
{
    switch (v.kind) {
    case DUR_EXPR_V_ERROR:
        return v;
    case DUR_EXPR_V_MISSING:
        return dur_expr_bool(false);
    case DUR_EXPR_V_BOOL:
        return dur_expr_bool(!v.u.boolean);
    default:
        return dur_expr_error("\"!\" needs true or false");
    }
}


dur_expr_value_t
dur_expr_negate(dur_expr_value_t v)
{
    switch (v.kind) {

    case DUR_EXPR_V_ERROR:
        return v;

    case DUR_EXPR_V_MISSING:
        return dur_expr_bool(false);

    case DUR_EXPR_V_DOUBLE:
        return dur_expr_double(-v.u.number);

    case DUR_EXPR_V_INT:
        if (v.u.integer != INT64_MIN) {
            v.u.integer = -v.u.integer;
            return v;
        }

        return v.json ? dur_expr_double(9223372036854775808.0)
                      : dur_expr_error("integer overflow");

    default:
        return dur_expr_error("\"-\" needs a number");
    }
}
