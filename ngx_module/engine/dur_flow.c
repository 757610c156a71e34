/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_flow.h"
#include "engine/dur_json.h"
#include "engine/dur_sign.h"
#include "engine/dur_state.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>


#define DUR_FLOW_INDEX_KEY  (1 + 8 + DUR_FLOW_KEY)

/* Idle rows are dropped in groups: state of seconds would otherwise ask for a
 * batch of its own each time. */
#define DUR_FLOW_GROUP_MS   10000

/* Integers up to here are doubles without loss. */
#define DUR_FLOW_EXACT_INT  ((int64_t) 1 << 53)


dur_str_t
dur_flow_key(uint8_t key[DUR_FLOW_KEY], dur_flow_kind_t kind,
    uint32_t function, const uint8_t hash[DUR_FLOW_HASH])
{
    key[0] = (uint8_t) kind;
    dur_put32(key + 1, function);
    memcpy(key + 5, hash, DUR_FLOW_HASH);

    return dur_str_make(key, DUR_FLOW_KEY);
}


/* -- values --------------------------------------------------------------- */

/* A number as text: 1 and 1.0 are one key, and so is "1". */
static dur_str_t
dur_flow_number(const dur_expr_result_t *result, char text[32])
{
    if (result->type == DUR_EXPR_INT
        && (result->integer > DUR_FLOW_EXACT_INT
            || result->integer < -DUR_FLOW_EXACT_INT))
    {
        snprintf(text, 32, "%" PRId64, result->integer);

    } else if (isfinite(result->number)) {
        dur_json_number(result->number, text);

    } else {
        snprintf(text, 32, "%s", isnan(result->number) ? "NaN"
                                 : result->number > 0 ? "+Inf" : "-Inf");
    }

    return dur_str_c(text);
}


dur_str_t
dur_flow_text(const dur_expr_result_t *result, char number[32])
{
    switch (result->type) {

    case DUR_EXPR_BOOL:
        return result->boolean ? dur_str("true") : dur_str("false");

    case DUR_EXPR_NULL:
        return dur_str("NULL_VALUE");

    case DUR_EXPR_INT:
    case DUR_EXPR_DOUBLE:
        return dur_flow_number(result, number);

    default:
        return result->text;
    }
}


static void
dur_flow_result(const dur_expr_result_t *result, dur_flow_value_t *value)
{
    char     number[32];
    uint8_t  digest[20];

    value->none = result->type == DUR_EXPR_BOOL && !result->boolean;

    dur_sha1(dur_flow_text(result, number), digest);
    memcpy(value->hash, digest, DUR_FLOW_HASH);
}


dur_rc_t
dur_flow_value(dur_engine_t *e, const dur_run_event_t *event,
    const dur_expr_t *expr, dur_flow_value_t *value)
{
    json_t             *root;
    dur_rc_t            rc;
    dur_arena_t         arena;
    dur_expr_vars_t     vars;
    dur_expr_result_t   result;

    memset(value, 0, sizeof(*value));
    memset(&vars, 0, sizeof(vars));

    if (expr == NULL) {
        return DUR_OK;
    }

    root = NULL;
    vars.event = event->root;
    vars.now_ms = e->now;

    if (vars.event == NULL) {
        root = dur_json_parse(event->json, NULL);
        vars.event = root;
    }

    if (vars.event == NULL) {
        snprintf(value->err, sizeof(value->err), "the event cannot be read");
        return DUR_EINVAL;
    }

    dur_arena_init(&arena);

    rc = dur_expr_eval(expr, &vars, &arena, &result, value->err);
    if (rc == DUR_OK) {
        dur_flow_result(&result, value);
    }

    dur_arena_deinit(&arena);
    json_decref(root);

    return rc;
}


/* -- events that are held ------------------------------------------------- */

/* A ULID of the year 1970. */
static dur_str_t
dur_flow_hold_key(uint8_t key[2 * DUR_ULID_LEN], uint32_t function,
    const dur_ulid_t *event)
{
    memset(key, 0, 2 * DUR_ULID_LEN);
    memcpy(key, event->b, DUR_ULID_LEN);
    dur_put32(key + 2 * DUR_ULID_LEN - 4, function);

    return dur_str_make(key, 2 * DUR_ULID_LEN);
}


dur_rc_t
dur_flow_hold(dur_engine_t *e, uint32_t function, const dur_ulid_t *event)
{
    uint8_t  key[2 * DUR_ULID_LEN];

    return dur_txn_put(e->txn, DUR_T_EVENT_RUN,
                       dur_flow_hold_key(key, function, event), dur_str_null);
}


dur_rc_t
dur_flow_release(dur_engine_t *e, uint32_t function, const dur_ulid_t *event)
{
    uint8_t   key[2 * DUR_ULID_LEN];
    dur_rc_t  rc;

    rc = dur_txn_del(e->txn, DUR_T_EVENT_RUN,
                     dur_flow_hold_key(key, function, event));

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


bool
dur_flow_is_hold(const dur_ulid_t *run)
{
    static const uint8_t  zero[DUR_ULID_LEN - 4];

    return memcmp(run->b, zero, sizeof(zero)) == 0;
}


/* -- rows that go idle ---------------------------------------------------- */

dur_rc_t
dur_flow_index(dur_engine_t *e, dur_str_t key, int64_t ns)
{
    int64_t   due;
    uint8_t   row[DUR_FLOW_INDEX_KEY];

    due = ns / 1000000 / DUR_FLOW_GROUP_MS * DUR_FLOW_GROUP_MS
          + DUR_FLOW_GROUP_MS;

    if (due < e->next_expiry) {
        e->next_expiry = due;
    }

    row[0] = DUR_FLOW_INDEX;
    dur_put64(row + 1, (uint64_t) due);
    memcpy(row + 9, key.data, DUR_FLOW_KEY);

    return dur_txn_put(e->txn, DUR_T_FLOW, dur_str_make(row, sizeof(row)),
                       dur_str_null);
}


dur_rc_t
dur_flow_until_get(dur_engine_t *e, dur_str_t key, int64_t *ns)
{
    dur_rc_t   rc;
    dur_str_t  row;
    dur_dec_t  r;

    rc = dur_txn_get(e->txn, DUR_T_FLOW, key, &row);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_dec_init(&r, row);
    dur_dec_begin(&r);
    *ns = (int64_t) dur_dec_u64(&r);
    dur_dec_end(&r);

    /* one that cannot be read counts no more */

    if (r.failed) {
        *ns = 0;
    }

    return DUR_OK;
}


dur_rc_t
dur_flow_until_put(dur_engine_t *e, dur_str_t key, int64_t ns, bool fresh)
{
    uint8_t    row[16];
    dur_rc_t   rc;
    dur_enc_t  w;

    dur_enc_init(&w, row, sizeof(row));
    dur_enc_begin(&w);
    dur_enc_u64(&w, (uint64_t) ns);
    dur_enc_end(&w);

    rc = dur_txn_put(e->txn, DUR_T_FLOW, key, dur_enc_done(&w));

    /* one that is there has an entry: it moves on when that comes up */

    return (rc == DUR_OK && fresh) ? dur_flow_index(e, key, ns) : rc;
}


/* The entry of the row came up: it goes, or comes up again later. */
static dur_rc_t
dur_flow_drop(dur_engine_t *e, dur_str_t key)
{
    int64_t   ns;
    dur_rc_t  rc;

    rc = dur_flow_until_get(e, key, &ns);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    return ns > e->now * 1000000 ? dur_flow_index(e, key, ns)
                                 : dur_txn_del(e->txn, DUR_T_FLOW, key);
}


dur_rc_t
dur_flow_expire(dur_engine_t *e, unsigned *budget, int64_t *next)
{
    uint8_t        key[DUR_FLOW_INDEX_KEY];
    dur_rc_t       rc;
    dur_str_t      k;
    dur_cursor_t  *c;

    static const uint8_t  first[] = { DUR_FLOW_INDEX };

    for ( ;; ) {
        *next = INT64_MAX;

        rc = dur_cursor_open(e->txn, DUR_T_FLOW, &c);
        if (rc != DUR_OK) {
            return rc;
        }

        rc = dur_cursor_seek(c, dur_str_make(first, 1), &k, NULL);
        if (rc == DUR_OK) {
            rc = k.len == sizeof(key) ? DUR_OK : DUR_ECORRUPT;
        }
        if (rc == DUR_OK) {
            memcpy(key, k.data, sizeof(key));
            *next = (int64_t) dur_get64(key + 1);
        }
        if (rc == DUR_OK && *next <= e->now && *budget > 0) {
            rc = dur_cursor_del(c);
        }

        dur_cursor_close(c);

        if (rc != DUR_OK || *next > e->now || *budget == 0) {
            return rc == DUR_ENOTFOUND ? DUR_OK : rc;
        }

        (*budget)--;

        rc = dur_flow_drop(e, dur_str_make(key + 9, DUR_FLOW_KEY));
        if (rc != DUR_OK) {
            return rc;
        }
    }
}
