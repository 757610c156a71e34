/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_expr_text.h"
#include "engine/dur_expr_value.h"
#include "engine/dur_json.h"
#include "engine/dur_time.h"

#include <math.h>


static void
dur_expr_text_number(dur_buf_t *b, dur_expr_value_t v)
{
    char  text[32];

    if (v.kind == DUR_EXPR_V_INT) {
        dur_buf_addf(b, "%lld", (long long) v.u.integer);

    } else if (v.kind == DUR_EXPR_V_UINT) {
        dur_buf_addf(b, "%llu", (unsigned long long) v.u.uinteger);

    } else if (isfinite(v.u.number)) {
        dur_json_number(v.u.number, text);
        dur_buf_addz(b, text);

    } else {
        dur_buf_addz(b, isnan(v.u.number) ? "NaN"
                        : v.u.number > 0 ? "+Inf" : "-Inf");
    }
}


static void
dur_expr_text_duration(dur_buf_t *b, int64_t ms)
{
    unsigned long long  n;

    n = ms < 0 ? 0 - (unsigned long long) ms : (unsigned long long) ms;

    dur_buf_addf(b, "%s%llu", ms < 0 ? "-" : "", n / 1000);

    if (n % 1000) {
        dur_buf_addf(b, ".%03llu", n % 1000);
        while (b->data[b->len - 1] == '0') { b->len--; }
    }

    dur_buf_addc(b, 's');
}


static void
dur_expr_text_items(dur_expr_run_t *run, dur_expr_value_t v)
{
    size_t            i, n;
    dur_buf_t        *b = &run->b;
    dur_expr_value_t  keys;

    n = dur_expr_size(v);

    if (v.kind == DUR_EXPR_V_LIST) {
        dur_buf_addc(b, '[');

        for (i = 0; i < n; i++) {
            if (i) {
                dur_buf_addc(b, ' ');
            }
            dur_expr_text(run, dur_expr_item(v, i));
        }

        dur_buf_addc(b, ']');
        return;
    }

    dur_buf_addz(b, "map[");
    keys = dur_expr_keys(run, v);
    n = keys.kind == DUR_EXPR_V_LIST ? n : 0;

    for (i = 0; i < n; i++) {
        if (i) {
            dur_buf_addc(b, ' ');
        }
        dur_expr_text(run, keys.u.list.items[i]);
        dur_buf_addc(b, ':');
        dur_expr_text(run, dur_expr_get(run, v, keys.u.list.items[i]));
    }

    dur_buf_addc(b, ']');
}


void
dur_expr_text(dur_expr_run_t *run, dur_expr_value_t v)
{
    char        text[32];
    dur_buf_t  *b = &run->b;

    static const char *const  types[] = {
        [DUR_EXPR_V_NULL] = "null_type", [DUR_EXPR_V_BOOL] = "bool",
        [DUR_EXPR_V_INT] = "int", [DUR_EXPR_V_UINT] = "uint",
        [DUR_EXPR_V_DOUBLE] = "double", [DUR_EXPR_V_STRING] = "string",
        [DUR_EXPR_V_BYTES] = "bytes", [DUR_EXPR_V_LIST] = "list",
        [DUR_EXPR_V_MAP] = "map", [DUR_EXPR_V_TIME] = "timestamp",
        [DUR_EXPR_V_DURATION] = "duration", [DUR_EXPR_V_TYPE] = "type",
    };

    dur_expr_charge(run, 0);

    if (run->work < 0) {
        return;
    }

    switch (v.kind) {

    case DUR_EXPR_V_BOOL:
        dur_buf_addz(b, v.u.boolean ? "true" : "false");
        break;

    case DUR_EXPR_V_INT:
    case DUR_EXPR_V_UINT:
    case DUR_EXPR_V_DOUBLE:
        dur_expr_text_number(b, v);
        break;

    case DUR_EXPR_V_STRING:
    case DUR_EXPR_V_BYTES:
        dur_expr_charge(run, v.u.text.len);
        dur_buf_adds(b, v.u.text);
        break;

    case DUR_EXPR_V_LIST:
    case DUR_EXPR_V_MAP:
        dur_expr_text_items(run, v);
        break;

    case DUR_EXPR_V_TIME:
        dur_rfc3339_text(v.u.integer, text);
        dur_buf_addz(b, text);
        break;

    case DUR_EXPR_V_DURATION:
        dur_expr_text_duration(b, v.u.integer);
        break;

    case DUR_EXPR_V_TYPE:
        dur_buf_addz(b, types[v.u.type]);
        break;

    default:
        dur_buf_addz(b, "NULL_VALUE");
        break;
    }
}


static void
dur_expr_write_items(dur_expr_run_t *run, dur_expr_value_t v)
{
    size_t            n;
    bool              map;
    dur_buf_t        *b = &run->b;
    dur_expr_value_t  item;

    if (v.json) {
        dur_json_write(b, v.u.json);
        return;
    }

    map = (v.kind == DUR_EXPR_V_MAP);
    n = v.u.list.n * (map ? 2 : 1);
    dur_buf_addc(b, map ? '{' : '[');

    for (size_t i = 0; i < n; i++) {
        item = v.u.list.items[i];

        if (i) {
            dur_buf_addc(b, map && i % 2 ? ':' : ',');
        }

        if (map && i % 2 == 0 && item.kind != DUR_EXPR_V_STRING) {
            dur_buf_addc(b, '"');
            dur_expr_text(run, item);
            dur_buf_addc(b, '"');
            continue;
        }

        dur_expr_write(run, item);
    }

    dur_buf_addc(b, map ? '}' : ']');
}


void
dur_expr_write(dur_expr_run_t *run, dur_expr_value_t v)
{
    char        text[32];
    dur_buf_t  *b = &run->b;

    dur_expr_charge(run, 0);

    switch (v.kind) {

    case DUR_EXPR_V_NULL:
        dur_buf_addz(b, "null");
        break;

    case DUR_EXPR_V_DOUBLE:
        if (isfinite(v.u.number)) {
            dur_json_number(v.u.number, text);
            dur_buf_addz(b, text);
        } else {
            dur_buf_addz(b, "null");
        }
        break;

    case DUR_EXPR_V_STRING:
    case DUR_EXPR_V_BYTES:
        dur_expr_charge(run, v.u.text.len);
        dur_json_write_string(b, v.u.text);
        break;

    case DUR_EXPR_V_LIST:
    case DUR_EXPR_V_MAP:
        dur_expr_write_items(run, v);
        break;

    case DUR_EXPR_V_TIME:
    case DUR_EXPR_V_DURATION:
    case DUR_EXPR_V_TYPE:
        dur_buf_addc(b, '"');
        dur_expr_text(run, v);
        dur_buf_addc(b, '"');
        break;

    default:
        dur_expr_text(run, v);
        break;
    }
}


dur_expr_value_t
dur_expr_taken(dur_expr_run_t *run)
{
    uint8_t    *p;
    dur_str_t   text;

    text = dur_buf_str(&run->b);

    if (run->b.failed) {
        run->work = -1;
    }

    p = dur_expr_alloc(run, text.len);
    if (p == NULL) {
        return dur_expr_nomem();
    }

    if (text.len) {
        memcpy(p, text.data, text.len);
    }

    dur_buf_reset(&run->b);

    return dur_expr_string(dur_str_make(p, text.len));
}
