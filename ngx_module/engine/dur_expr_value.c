/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_expr_value.h"

#include <math.h>


/* Integers up to here are doubles without loss. */
#define DUR_EXPR_EXACT  9007199254740992.0


dur_expr_value_t
dur_expr_nomem(void)
{
    return dur_expr_hard("out of memory");
}


void *
dur_expr_alloc(dur_expr_run_t *run, size_t n)
{
    void  *p;

    dur_expr_charge(run, n);

    if (run->work < 0) {
        return NULL;
    }

    p = dur_arena_alloc(run->arena, n ? n : 1);
    run->nomem |= (p == NULL);

    return p;
}


dur_expr_value_t
dur_expr_from_json(const json_t *json)
{
    double            d;
    dur_expr_value_t  v;

    if (json == NULL) {
        return dur_expr_make(DUR_EXPR_V_MISSING);
    }

    switch (json_typeof(json)) {

    case JSON_NULL:
        return dur_expr_make(DUR_EXPR_V_NULL);

    case JSON_TRUE:
    case JSON_FALSE:
        return dur_expr_bool(json_is_true(json));

    case JSON_STRING:
        return dur_expr_string(dur_str_make(json_string_value(json),
                                            json_string_length(json)));

    case JSON_REAL:
        d = json_real_value(json);

        if (d != trunc(d) || fabs(d) > DUR_EXPR_EXACT) {
            return dur_expr_double(d);
        }

        v = dur_expr_int((int64_t) d);
        v.json = true;
        return v;

    case JSON_INTEGER:
        v = dur_expr_int(json_integer_value(json));
        v.json = true;
        return v;

    default:
        v = dur_expr_make(json_is_array(json) ? DUR_EXPR_V_LIST
                                              : DUR_EXPR_V_MAP);
        v.json = true;
        v.u.json = json;
        return v;
    }
}


size_t
dur_expr_size(dur_expr_value_t v)
{
    if (!v.json) {
        return v.u.list.n;
    }

    return v.kind == DUR_EXPR_V_LIST ? json_array_size(v.u.json)
                                     : json_object_size(v.u.json);
}


dur_expr_value_t
dur_expr_item(dur_expr_value_t list, size_t i)
{
    return list.json ? dur_expr_from_json(json_array_get(list.u.json, i))
                     : list.u.list.items[i];
}


dur_expr_value_t
dur_expr_get(dur_expr_run_t *run, dur_expr_value_t map, dur_expr_value_t key)
{
    size_t  i;

    if (map.json) {
        return key.kind != DUR_EXPR_V_STRING
               ? dur_expr_make(DUR_EXPR_V_MISSING)
               : dur_expr_from_json(json_object_getn(map.u.json,
                                        (const char *) key.u.text.data,
                                        key.u.text.len));
    }

    for (i = map.u.list.n; i > 0; i--) {
        if (dur_expr_equal(run, map.u.list.items[2 * i - 2], key)) {
            return map.u.list.items[2 * i - 1];
        }
    }

    return dur_expr_make(DUR_EXPR_V_MISSING);
}


/* jansson has no iterator over what is const. */

static json_t *
dur_expr_object(dur_expr_value_t map)
{
    return (json_t *) (uintptr_t) map.u.json;
}


dur_expr_value_t
dur_expr_keys(dur_expr_run_t *run, dur_expr_value_t map)
{
    void              *it;
    size_t             n;
    json_t            *object;
    dur_expr_value_t   list, *items;

    n = dur_expr_size(map);

    items = dur_expr_alloc(run, n * sizeof(dur_expr_value_t));
    if (items == NULL) {
        return dur_expr_nomem();
    }

    list = dur_expr_make(DUR_EXPR_V_LIST);
    list.u.list.items = items;
    list.u.list.n = n;

    if (!map.json) {
        for (size_t i = 0; i < n; i++) {
            items[i] = map.u.list.items[2 * i];
        }

        return list;
    }

    object = dur_expr_object(map);

    for (it = json_object_iter(object);
         it != NULL;
         it = json_object_iter_next(object, it))
    {
        *items++ = dur_expr_string(dur_str_make(json_object_iter_key(it),
                                             json_object_iter_key_len(it)));
    }

    return list;
}


static bool
dur_expr_maps_equal(dur_expr_run_t *run, dur_expr_value_t a,
    dur_expr_value_t b)
{
    size_t            i, n;
    dur_expr_value_t  keys, one, two;

    keys = dur_expr_keys(run, a);
    n = keys.kind == DUR_EXPR_V_LIST ? keys.u.list.n : 0;

    for (i = 0; i < n; i++) {
        one = dur_expr_get(run, a, keys.u.list.items[i]);
        two = dur_expr_get(run, b, keys.u.list.items[i]);

        if (dur_expr_is_none(two) || !dur_expr_equal(run, one, two)) {
            return false;
        }
    }

    return keys.kind == DUR_EXPR_V_LIST;
}


static bool
dur_expr_lists_equal(dur_expr_run_t *run, dur_expr_value_t a,
    dur_expr_value_t b)
{
    size_t  i, n;

    n = dur_expr_size(a);

    for (i = 0; i < n; i++) {
        if (!dur_expr_equal(run, dur_expr_item(a, i), dur_expr_item(b, i))) {
            return false;
        }
    }

    return true;
}


bool
dur_expr_equal(dur_expr_run_t *run, dur_expr_value_t a, dur_expr_value_t b)
{
    int  order;

    dur_expr_charge(run, 0);

    if (run->work < 0) {
        return false;
    }

    if (dur_expr_is_number(a) && dur_expr_is_number(b)) {
        return dur_expr_order(a, b, &order) && order == 0;
    }

    if (a.kind != b.kind) {
        return false;
    }

    switch (a.kind) {

    case DUR_EXPR_V_NULL:
        return true;

    case DUR_EXPR_V_TYPE:
        return a.u.type == b.u.type;

    case DUR_EXPR_V_LIST:
    case DUR_EXPR_V_MAP:

        if (a.json && b.json && a.u.json == b.u.json) {
            return true;
        }

        if (dur_expr_size(a) != dur_expr_size(b)) {
            return false;
        }

        return a.kind == DUR_EXPR_V_LIST ? dur_expr_lists_equal(run, a, b)
                                         : dur_expr_maps_equal(run, a, b);

    case DUR_EXPR_V_STRING:
    case DUR_EXPR_V_BYTES:
        return dur_str_eq(a.u.text, b.u.text);

    default:
        return dur_expr_order(a, b, &order) && order == 0;
    }
}


/* An integer against a double, without the loss of a conversion. */

static int
dur_expr_order_double(dur_expr_value_t a, double d)
{
    double  whole;

    if (a.kind == DUR_EXPR_V_DOUBLE) {
        return isnan(a.u.number) || isnan(d)
               ? 2 : (a.u.number > d) - (a.u.number < d);
    }

    if (isnan(d)) {
        return 2;
    }

    whole = floor(d);

    if (a.kind == DUR_EXPR_V_UINT) {

        if (whole < 0) {
            return 1;
        }

        if (whole >= 18446744073709551616.0) {
            return -1;
        }

        if (a.u.uinteger != (uint64_t) whole) {
            return a.u.uinteger < (uint64_t) whole ? -1 : 1;
        }

    } else {
        if (whole < -9223372036854775808.0) {
            return 1;
        }

        if (whole >= 9223372036854775808.0) {
            return -1;
        }

        if (a.u.integer != (int64_t) whole) {
            return a.u.integer < (int64_t) whole ? -1 : 1;
        }
    }

    return d > whole ? -1 : 0;
}


static int
dur_expr_order_numbers(dur_expr_value_t a, dur_expr_value_t b)
{
    int  order;

    if (b.kind == DUR_EXPR_V_DOUBLE) {
        return dur_expr_order_double(a, b.u.number);
    }

    if (a.kind == DUR_EXPR_V_DOUBLE) {
        order = dur_expr_order_double(b, a.u.number);
        return order == 2 ? 2 : -order;
    }

    if (a.kind != b.kind) {

        if (a.kind == DUR_EXPR_V_INT ? a.u.integer < 0 : b.u.integer < 0) {
            return a.kind == DUR_EXPR_V_INT ? -1 : 1;
        }

        a.kind = DUR_EXPR_V_UINT;
    }

    if (a.kind == DUR_EXPR_V_UINT) {
        return (a.u.uinteger > b.u.uinteger) - (a.u.uinteger < b.u.uinteger);
    }

    return (a.u.integer > b.u.integer) - (a.u.integer < b.u.integer);
}


static int
dur_expr_order_text(dur_str_t a, dur_str_t b)
{
    int     rc;
    size_t  n;

    n = a.len < b.len ? a.len : b.len;
    rc = n ? memcmp(a.data, b.data, n) : 0;

    if (rc == 0) {
        return (a.len > b.len) - (a.len < b.len);
    }

    return rc < 0 ? -1 : 1;
}


/* null is the zero of numbers and of strings. */

static dur_expr_value_t
dur_expr_zero(dur_expr_value_t v, dur_expr_value_t other)
{
    if (v.kind == DUR_EXPR_V_NULL) {

        if (dur_expr_is_number(other)) {
            return dur_expr_int(0);
        }

        if (other.kind == DUR_EXPR_V_STRING) {
            return dur_expr_string(dur_str(""));
        }
    }

    return v;
}


bool
dur_expr_order(dur_expr_value_t a, dur_expr_value_t b, int *order)
{
    a = dur_expr_zero(a, b);
    b = dur_expr_zero(b, a);

    if (dur_expr_is_number(a) && dur_expr_is_number(b)) {
        *order = dur_expr_order_numbers(a, b);
        return true;
    }

    if (a.kind != b.kind) {
        return false;
    }

    switch (a.kind) {

    case DUR_EXPR_V_BOOL:
        *order = a.u.boolean - b.u.boolean;
        return true;

    case DUR_EXPR_V_STRING:
    case DUR_EXPR_V_BYTES:
        *order = dur_expr_order_text(a.u.text, b.u.text);
        return true;

    case DUR_EXPR_V_TIME:
    case DUR_EXPR_V_DURATION:
        *order = (a.u.integer > b.u.integer) - (a.u.integer < b.u.integer);
        return true;

    default:
        return false;
    }
}


bool
dur_expr_truthy(dur_expr_value_t v)
{
    switch (v.kind) {
    case DUR_EXPR_V_MISSING:
    case DUR_EXPR_V_ERROR:
    case DUR_EXPR_V_NULL:
        return false;
    case DUR_EXPR_V_BOOL:
        return v.u.boolean;
    case DUR_EXPR_V_INT:
        return v.u.integer != 0;
    case DUR_EXPR_V_UINT:
        return v.u.uinteger != 0;
    case DUR_EXPR_V_DOUBLE:
        return v.u.number != 0;
    case DUR_EXPR_V_STRING:
        return v.u.text.len != 0;
    default:
        return true;
    }
}


double
dur_expr_to_double(dur_expr_value_t v)
{
    return v.kind == DUR_EXPR_V_DOUBLE ? v.u.number
           : v.kind == DUR_EXPR_V_UINT ? (double) v.u.uinteger
                                       : (double) v.u.integer;
}


bool
dur_expr_to_int(dur_expr_value_t v, int64_t *i)
{
    switch (v.kind) {

    case DUR_EXPR_V_INT:
        *i = v.u.integer;
        return true;

    case DUR_EXPR_V_UINT:
        *i = (int64_t) v.u.uinteger;
        return v.u.uinteger <= INT64_MAX;

    case DUR_EXPR_V_DOUBLE:

        if (!(fabs(v.u.number) <= DUR_EXPR_EXACT)
            || v.u.number != trunc(v.u.number))
        {
            return false;
        }

        *i = (int64_t) v.u.number;
        return true;

    default:
        return false;
    }
}


uint32_t
dur_expr_kinds(dur_expr_value_t v)
{
    uint32_t  kinds;

    kinds = 1U << v.kind;

    if (v.kind == DUR_EXPR_V_INT && v.json) {
        kinds |= DUR_EXPR_M(DOUBLE);
    }

    return kinds;
}
