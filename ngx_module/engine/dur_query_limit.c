/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_query_limit.h"
#include "engine/dur_json.h"
#include "engine/dur_sign.h"

#include <stdlib.h>


/* Counters that are looked at, rows of them that are counted, leases that are
 * looked at, and counters that are shown. */
#define DUR_LIMIT_COUNTERS  1000
#define DUR_LIMIT_ROWS      10000
#define DUR_LIMIT_LEASES    10000
#define DUR_LIMIT_SHOWN     20


typedef struct {
    dur_counter_t  counter;
    unsigned       waiting;
    int64_t        oldest;      /* since when, ms */
    dur_item_t     item;        /* the first */
} dur_limit_waiter_t;


const char *
dur_query_scope(uint8_t scope)
{
    static const char  *names[] = {
        "unknown", "fn", "account", "env", "run", "throttle"
    };

    return scope < sizeof(names) / sizeof(names[0]) ? names[scope] : names[0];
}


/* -- what was registered -------------------------------------------------- */

/* The text of a key by its hash, anywhere below a setting. */
static dur_str_t
dur_limit_text(const json_t *v, uint32_t hash)
{
    void       *it;
    size_t      i;
    uint8_t     digest[20];
    uint32_t    h;
    dur_str_t   text;

    if (json_is_string(v)) {
        text = dur_str_make(json_string_value(v), json_string_length(v));
        dur_sha1(text, digest);
        h = dur_get32(digest) != 0 ? dur_get32(digest) : 1;

        return h == hash ? text : dur_str_null;
    }

    for (i = 0; i < json_array_size(v); i++) {
        text = dur_limit_text(json_array_get(v, i), hash);
        if (text.len) {
            return text;
        }
    }

    for (it = json_object_iter((json_t *) v); it;
         it = json_object_iter_next((json_t *) v, it))
    {
        text = dur_limit_text(json_object_iter_value(it), hash);
        if (text.len) {
            return text;
        }
    }

    return dur_str_null;
}


static void
dur_limit_write_key(dur_query_t *q, const dur_function_t *fn, uint32_t hash)
{
    json_t     *config;
    dur_str_t   text;

    config = dur_json_parse(fn->config, NULL);

    text = dur_limit_text(dur_json_iget(config, "concurrency"), hash);

    if (text.len == 0) {
        text = dur_limit_text(dur_json_iget(config, "throttle"), hash);
    }

    if (text.len) {
        dur_query_string(q->out, "key", text);
    }

    json_decref(config);
}


static bool
dur_limit_has(const dur_item_t *item, uint32_t hash, uint64_t value)
{
    unsigned  i;

    if (hash == 0) {
        return value == 0;
    }

    for (i = 0; i < item->nkeys; i++) {
        if (item->keys[i].key == hash && item->keys[i].value == value) {
            return true;
        }
    }

    return false;
}


/* The number of a counter's limit, and the hash of its key; false: there is
 * none any more. */
static bool
dur_limit_of(const dur_option_t *o, const dur_counter_t *c,
    const dur_item_t *item, uint32_t *limit, uint32_t *hash)
{
    unsigned  i;

    *limit = 0;
    *hash = 0;

    if (c->scope == DUR_SCOPE_THROTTLE) {
        *limit = o->throttle.limit;
        *hash = o->throttle.hash;

    } else if (c->scope == DUR_SCOPE_RUNS) {
        *limit = o->runs.limit;
        *hash = o->runs.hash;
    }

    for (i = 0; i < o->nlimits; i++) {
        if (o->limits[i].scope == c->scope
            && dur_limit_has(item, o->limits[i].hash, c->value)
            && (*limit == 0 || o->limits[i].limit < *limit))
        {
            *limit = o->limits[i].limit;
            *hash = o->limits[i].hash;
        }
    }

    return *limit != 0;
}


static void
dur_limit_hash(dur_query_t *q, const char *key, const dur_counter_t *c)
{
    dur_query_key(q->out, key);

    if (c->value == 0) {
        dur_buf_addz(q->out, "null");
        return;
    }

    dur_buf_addf(q->out, "\"%016llx\"", (unsigned long long) c->value);
}


/* Options that cannot be read are none, as for the engine. */
static dur_rc_t
dur_limit_load(dur_query_t *q, const dur_function_t *fn, dur_option_t *o)
{
    dur_rc_t  rc;

    memset(o, 0, sizeof(*o));

    if (fn->config.len == 0) {
        return DUR_OK;
    }

    rc = dur_option_load(fn->config, &q->arena, o);

    if (rc == DUR_ECORRUPT) {
        memset(o, 0, sizeof(*o));
        return DUR_OK;
    }

    return rc;
}


dur_rc_t
dur_query_limit(dur_query_t *q, const dur_function_t *fn,
    const dur_counter_t *c, const dur_item_t *item,
    const dur_wait_words_t *words)
{
    dur_rc_t      rc;
    uint32_t      limit, hash;
    dur_option_t  option;

    rc = dur_limit_load(q, fn, &option);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_query_string(q->out, "scope", dur_str_c(dur_query_scope(c->scope)));

    if (dur_limit_of(&option, c, item, &limit, &hash)) {
        dur_query_number(q->out, "limit", limit);
        dur_limit_write_key(q, fn, hash);
    }

    dur_limit_hash(q, words->key_hash, c);
    dur_option_free(&option);

    return DUR_OK;
}


/* -- who waits ------------------------------------------------------------ */

static int
dur_limit_cmp(const void *one, const void *two)
{
    const dur_limit_waiter_t  *a = one, *b = two;

    if (a->waiting != b->waiting) {
        return a->waiting > b->waiting ? -1 : 1;
    }

    return a->oldest < b->oldest ? -1 : a->oldest > b->oldest;
}


/* A counter that others of the function's scope use as well counts those of
 * the function only. */
static bool
dur_limit_mine(const dur_counter_t *c, const dur_function_t *fn)
{
    return c->function == fn->id || c->function == 0;
}


static dur_rc_t
dur_limit_collect(dur_query_t *q, const dur_function_t *fn,
    dur_limit_waiter_t *list, unsigned *n, unsigned *blocked)
{
    dur_rc_t        rc;
    unsigned        left, rows, waiting;
    dur_item_t      item;
    dur_counter_t   c;

    *n = 0;
    *blocked = 0;
    rows = DUR_LIMIT_ROWS;
    memset(&c, 0, sizeof(c));

    for (left = DUR_LIMIT_COUNTERS; left > 0 && rows > 0; left--) {
        rc = dur_blocked_next(q->txn, &c, &item);

        if (rc != DUR_OK) {
            return rc == DUR_ENOTFOUND ? DUR_OK : rc;
        }

        if (!dur_limit_mine(&c, fn)) {
            continue;
        }

        waiting = dur_blocked_count(q->txn, &c, fn->id,
                                    rows < DUR_WAIT_COUNT ? rows
                                                          : DUR_WAIT_COUNT);
        if (waiting == 0) {
            continue;
        }

        rows -= waiting;
        *blocked += waiting;
        list[*n].counter = c;
        list[*n].waiting = waiting;
        list[*n].oldest = item.due;
        list[(*n)++].item = item;
    }

    return DUR_OK;
}


static bool
dur_limit_carries(const dur_item_t *lease, const dur_limit_waiter_t *w)
{
    unsigned  i;

    if (w->counter.function != 0 && lease->function != w->counter.function) {
        return false;
    }

    if (w->counter.value == 0) {
        return true;
    }

    for (i = 0; i < lease->nkeys; i++) {
        if (lease->keys[i].value == w->counter.value) {
            return true;
        }
    }

    return false;
}


/* Calls that are out and count for it. */
static dur_rc_t
dur_limit_in_use(dur_query_t *q, const dur_limit_waiter_t *w, unsigned *n)
{
    dur_rc_t       rc;
    unsigned       left;
    dur_str_t      k, v;
    dur_item_t     item;
    dur_cursor_t  *c;

    *n = 0;

    rc = dur_cursor_open(q->txn, DUR_T_LEASE, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_str_null, &k, &v),
             left = DUR_LIMIT_LEASES;
         rc == DUR_OK && left > 0;
         rc = dur_cursor_next(c, &k, &v), left--)
    {
        if (dur_item_decode(v, &item) == DUR_OK
            && dur_limit_carries(&item, w))
        {
            (*n)++;
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* -- writing -------------------------------------------------------------- */

static dur_rc_t
dur_limit_write_waiters(dur_query_t *q, const dur_limit_waiter_t *list,
    unsigned n)
{
    dur_rc_t   rc;
    unsigned   i, in_use;

    dur_query_key(q->out, "keys");
    dur_buf_addc(q->out, '[');

    for (i = 0; i < n && i < DUR_LIMIT_SHOWN; i++) {
        dur_query_comma(q->out);
        dur_buf_addc(q->out, '{');
        dur_query_string(q->out, "scope",
                         dur_str_c(dur_query_scope(list[i].counter.scope)));
        dur_limit_hash(q, "key_hash", &list[i].counter);
        dur_query_count(q->out, "waiting", "at_least", list[i].waiting);

        if (list[i].counter.scope <= DUR_SCOPE_ENV) {
            rc = dur_limit_in_use(q, &list[i], &in_use);
            if (rc != DUR_OK) {
                return rc;
            }

            dur_query_number(q->out, "in_use", in_use);
        }

        dur_query_time(q->out, "oldest_at", list[i].oldest);
        dur_buf_addc(q->out, '}');
    }

    return dur_buf_addc(q->out, ']');
}


static void
dur_limit_write_one(dur_query_t *q, const dur_function_t *fn, uint8_t scope,
    uint32_t limit, uint32_t hash)
{
    if (limit == 0) {
        return;
    }

    dur_query_comma(q->out);
    dur_buf_addc(q->out, '{');
    dur_query_string(q->out, "scope", dur_str_c(dur_query_scope(scope)));
    dur_query_number(q->out, "limit", limit);

    if (hash != 0) {
        dur_limit_write_key(q, fn, hash);
    }

    dur_buf_addc(q->out, '}');
}


dur_rc_t
dur_query_limits(dur_query_t *q, const dur_function_t *fn)
{
    dur_rc_t             rc;
    unsigned             i, n, blocked;
    dur_option_t         o;
    dur_limit_waiter_t  *list;

    list = dur_arena_alloc(&q->arena, DUR_LIMIT_COUNTERS * sizeof(*list));
    if (list == NULL) {
        return DUR_ENOMEM;
    }

    rc = dur_limit_collect(q, fn, list, &n, &blocked);
    if (rc == DUR_OK) {
        rc = dur_limit_load(q, fn, &o);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    dur_query_number(q->out, "blocked", blocked);
    dur_query_key(q->out, "limits");
    dur_buf_addc(q->out, '[');

    for (i = 0; i < o.nlimits; i++) {
        dur_limit_write_one(q, fn, o.limits[i].scope, o.limits[i].limit,
                            o.limits[i].hash);
    }

    dur_limit_write_one(q, fn, DUR_SCOPE_RUNS, o.runs.limit, o.runs.hash);
    dur_limit_write_one(q, fn, DUR_SCOPE_THROTTLE, o.throttle.limit,
                        o.throttle.hash);
    dur_buf_addc(q->out, ']');
    dur_option_free(&o);

    qsort(list, n, sizeof(*list), dur_limit_cmp);

    return dur_limit_write_waiters(q, list, n);
}
