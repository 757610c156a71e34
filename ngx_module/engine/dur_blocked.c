/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_blocked.h"
#include "engine/dur_flow.h"
#include "engine/dur_flow_throttle.h"
#include "engine/dur_state.h"


/* counter, group, score, item */
#define DUR_BLOCKED_KEY    (DUR_COUNTER_KEY + DUR_BLOCKED_GROUP + 8 + 8)

/* function, whether its run begins: u32, u8 */
#define DUR_BLOCKED_GROUP  (4 + 1)

/* kind, item */
#define DUR_PLACE_KEY    (1 + 8)


static dur_str_t
dur_blocked_key(uint8_t key[DUR_BLOCKED_KEY], const dur_counter_t *c,
    uint64_t group, int64_t score, uint64_t id)
{
    uint8_t  *p = key + DUR_COUNTER_KEY;

    dur_counter_put(key, c);
    dur_put32(p, (uint32_t) (group >> 1));
    p[4] = group & 1;

    p += DUR_BLOCKED_GROUP;
    dur_put64(p, (uint64_t) score);
    dur_put64(p + 8, id);

    return dur_str_make(key, DUR_BLOCKED_KEY);
}


static dur_str_t
dur_place_key(uint8_t key[DUR_PLACE_KEY], char kind, uint64_t id)
{
    key[0] = (uint8_t) kind;
    dur_put64(key + 1, id);

    return dur_str_make(key, DUR_PLACE_KEY);
}


/* The key of the item's row; DUR_ENOTFOUND. */
static dur_rc_t
dur_blocked_where(dur_txn_t *t, uint64_t id, uint8_t key[DUR_BLOCKED_KEY])
{
    uint8_t    place[DUR_PLACE_KEY];
    dur_rc_t   rc;
    dur_str_t  row;

    rc = dur_txn_get(t, DUR_T_PLACE, dur_place_key(place, 'b', id), &row);

    if (rc == DUR_OK && row.len != DUR_BLOCKED_KEY) {
        rc = DUR_ECORRUPT;
    }
    if (rc == DUR_OK) {
        memcpy(key, row.data, DUR_BLOCKED_KEY);
    }

    return rc;
}


/* -- readers -------------------------------------------------------------- */

/* Rows from key `from` on that begin with the same n bytes, up to `to`. */
static unsigned
dur_blocked_walk(dur_txn_t *t, const uint8_t *from, const uint8_t *to,
    size_t n, unsigned max)
{
    unsigned       found;
    dur_rc_t       rc;
    dur_str_t      k;
    dur_cursor_t  *c;

    if (dur_cursor_open(t, DUR_T_BLOCKED, &c) != DUR_OK) {
        return 0;
    }

    found = 0;

    for (rc = dur_cursor_seek(c, dur_str_make(from, DUR_BLOCKED_KEY), &k,
                              NULL);
         rc == DUR_OK && found < max && k.len == DUR_BLOCKED_KEY
         && memcmp(k.data, from, n) == 0
         && (to == NULL || memcmp(k.data, to, DUR_BLOCKED_KEY) < 0);
         rc = dur_cursor_next(c, &k, NULL))
    {
        found++;
    }

    dur_cursor_close(c);

    return found;
}


dur_rc_t
dur_blocked_find(dur_txn_t *t, uint64_t item, dur_blocked_t *b)
{
    uint8_t   key[DUR_BLOCKED_KEY], first[DUR_BLOCKED_KEY];
    dur_rc_t  rc;

    memset(b, 0, sizeof(*b));

    rc = dur_blocked_where(t, item, key);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_counter_get(key, &b->counter);
    b->function = dur_get32(key + DUR_COUNTER_KEY);
    b->score = (int64_t) dur_get64(key + DUR_COUNTER_KEY + DUR_BLOCKED_GROUP);

    (void) dur_blocked_key(first, &b->counter, (uint64_t) b->function << 1, 0,
                           0);

    b->before = dur_blocked_walk(t, first, key, DUR_COUNTER_KEY + 4,
                                 DUR_BLOCKED_COUNT);

    if (b->counter.scope == DUR_SCOPE_THROTTLE) {
        b->allowed = dur_flow_throttle_allowed(t, &b->counter, b->before);
    }

    return DUR_OK;
}


unsigned
dur_blocked_count(dur_txn_t *t, const dur_counter_t *c, uint32_t function,
    unsigned max)
{
    uint8_t  key[DUR_BLOCKED_KEY];

    (void) dur_blocked_key(key, c, (uint64_t) function << 1, 0, 0);

    return dur_blocked_walk(t, key, NULL, DUR_COUNTER_KEY
                                          + (function != 0 ? 4 : 0), max);
}


dur_rc_t
dur_blocked_next(dur_txn_t *t, dur_counter_t *c, dur_item_t *item)
{
    uint8_t        key[DUR_BLOCKED_KEY];
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *cursor;

    rc = dur_cursor_open(t, DUR_T_BLOCKED, &cursor);
    if (rc != DUR_OK) {
        return rc;
    }

    memset(key, 0xff, sizeof(key));

    if (c->scope == 0) {
        memset(key, 0, sizeof(key));

    } else {
        dur_counter_put(key, c);
    }

    rc = dur_cursor_seek(cursor, dur_str_make(key, sizeof(key)), &k, &v);

    if (rc == DUR_OK) {
        rc = k.len == DUR_BLOCKED_KEY ? DUR_OK : DUR_ECORRUPT;
    }
    if (rc == DUR_OK) {
        dur_counter_get(k.data, c);

        if (dur_item_decode(v, item) != DUR_OK) {
            memset(item, 0, sizeof(*item));
        }
    }

    dur_cursor_close(cursor);

    return rc;
}


dur_rc_t
dur_blocked_get(dur_txn_t *t, uint64_t id, dur_item_t *item)
{
    uint8_t    key[DUR_BLOCKED_KEY];
    dur_rc_t   rc;
    dur_str_t  row;

    rc = dur_blocked_where(t, id, key);
    if (rc == DUR_OK) {
        rc = dur_txn_get(t, DUR_T_BLOCKED, dur_str_make(key, sizeof(key)),
                         &row);
    }

    return rc == DUR_OK ? dur_item_decode(row, item) : rc;
}


/* -- the engine ----------------------------------------------------------- */

dur_rc_t
dur_blocked_put(dur_engine_t *e, const dur_counter_t *c, dur_item_t *item)
{
    uint8_t    key[DUR_BLOCKED_KEY], place[DUR_PLACE_KEY], row[DUR_ITEM_ROW];
    dur_rc_t   rc;
    dur_str_t  k;

    item->flags &= (uint8_t) ~DUR_ITEM_F_WOKEN;
    dur_metrics_blocked(e, c->scope);

    k = dur_blocked_key(key, c, dur_blocked_group(item), item->score,
                        item->id);

    rc = dur_txn_put(e->txn, DUR_T_BLOCKED, k, dur_item_encode(item, row));

    if (rc == DUR_OK) {
        rc = dur_txn_put(e->txn, DUR_T_PLACE,
                         dur_place_key(place, 'b', item->id), k);
    }

    /* nobody gives a throttle back: the clock must be asked to look */

    return (rc == DUR_OK && c->scope == DUR_SCOPE_THROTTLE)
           ? dur_counters_touch(&e->slots, c) : rc;
}


dur_rc_t
dur_blocked_first(dur_engine_t *e, const dur_counter_t *c, uint64_t group,
    dur_item_t *item)
{
    bool           good;
    uint8_t        key[DUR_BLOCKED_KEY], place[DUR_PLACE_KEY];
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *cursor;

    rc = dur_cursor_open(e->txn, DUR_T_BLOCKED, &cursor);
    if (rc != DUR_OK) {
        return rc;
    }

    for ( ;; ) {
        rc = dur_cursor_seek(cursor, dur_blocked_key(key, c, group, 0, 0),
                             &k, &v);

        if (rc == DUR_OK && (k.len != DUR_BLOCKED_KEY
                             || memcmp(k.data, key, DUR_COUNTER_KEY) != 0))
        {
            rc = DUR_ENOTFOUND;
        }
        if (rc != DUR_OK) {
            break;
        }

        good = dur_item_decode(v, item) == DUR_OK;
        if (good) {
            break;
        }

        /* nothing behind what cannot be read would ever run */

        dur_state_log(e, 0, "work that waits for a limit cannot be read and "
                      "was dropped");

        (void) dur_place_key(place, 'b', dur_get64(k.data + DUR_BLOCKED_KEY
                                                   - 8));
        rc = dur_cursor_del(cursor);
        if (rc == DUR_OK) {
            rc = dur_txn_del(e->txn, DUR_T_PLACE,
                             dur_str_make(place, sizeof(place)));
        }
        if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
            break;
        }
    }

    dur_cursor_close(cursor);

    return rc;
}


dur_rc_t
dur_blocked_del(dur_engine_t *e, uint64_t id, dur_counter_t *c,
    dur_item_t *item)
{
    uint8_t    key[DUR_BLOCKED_KEY], place[DUR_PLACE_KEY];
    dur_rc_t   rc;
    dur_str_t  k, row;

    rc = dur_blocked_where(e->txn, id, key);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_counter_get(key, c);
    k = dur_str_make(key, sizeof(key));

    rc = dur_txn_get(e->txn, DUR_T_BLOCKED, k, &row);

    if (rc == DUR_OK && dur_item_decode(row, item) != DUR_OK) {
        memset(item, 0, sizeof(*item));
        item->id = id;
    }

    if (rc == DUR_OK) {
        rc = dur_txn_del(e->txn, DUR_T_BLOCKED, k);
    }
    if (rc == DUR_OK) {
        rc = dur_txn_del(e->txn, DUR_T_PLACE, dur_place_key(place, 'b', id));
    }

    return rc;
}


/* -- woken items ---------------------------------------------------------- */

dur_rc_t
dur_woken_put(dur_engine_t *e, const dur_item_t *item, int64_t score)
{
    uint8_t  place[DUR_PLACE_KEY], row[4 + 8];

    dur_put32(row, item->app);
    dur_put64(row + 4, (uint64_t) score);

    return dur_txn_put(e->txn, DUR_T_PLACE,
                       dur_place_key(place, 'w', item->id),
                       dur_str_make(row, sizeof(row)));
}


dur_rc_t
dur_woken_get(dur_txn_t *t, uint64_t id, uint32_t *app, int64_t *score)
{
    uint8_t    place[DUR_PLACE_KEY];
    dur_rc_t   rc;
    dur_str_t  row;

    rc = dur_txn_get(t, DUR_T_PLACE, dur_place_key(place, 'w', id), &row);

    if (rc == DUR_OK && row.len != 4 + 8) {
        rc = DUR_ECORRUPT;
    }
    if (rc == DUR_OK) {
        *app = dur_get32(row.data);
        *score = (int64_t) dur_get64(row.data + 4);
    }

    return rc;
}


dur_rc_t
dur_woken_del(dur_engine_t *e, uint64_t id)
{
    uint8_t  place[DUR_PLACE_KEY];

    return dur_txn_del(e->txn, DUR_T_PLACE, dur_place_key(place, 'w', id));
}
