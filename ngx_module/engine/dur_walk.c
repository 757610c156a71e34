/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_walk.h"
#include "engine/dur_ulid.h"


static bool
dur_walk_zero(const dur_ulid_t *id)
{
    static const dur_ulid_t  none;

    return memcmp(id->b, none.b, DUR_ULID_LEN) == 0;
}


dur_rc_t
dur_walk_open(dur_walk_t *w, dur_txn_t *txn, const dur_ulid_t *cursor,
    int64_t from_ms, const dur_ulid_t *last)
{
    static const uint8_t  zero[10];

    memset(w, 0, sizeof(*w));

    w->txn = txn;
    w->at = *cursor;
    w->past = !dur_walk_zero(cursor);
    w->last = *last;

    if (!w->past) {
        dur_ulid_make(&w->at, (uint64_t) from_ms, zero);
    }

    return dur_cursor_open(txn, DUR_T_RUN, &w->c);
}


void
dur_walk_close(dur_walk_t *w)
{
    dur_cursor_close(w->c);
}


void
dur_walk_until(dur_ulid_t *last, int64_t ms)
{
    uint8_t  high[10];

    memset(last, 0, sizeof(*last));

    if (ms >= 0) {
        memset(high, 0xff, sizeof(high));
        dur_ulid_make(last, (uint64_t) ms, high);
    }
}


/* A cursor that was written past is not where it was. */
static dur_rc_t
dur_walk_seek(dur_walk_t *w, dur_str_t *k)
{
    dur_rc_t  rc;

    if (w->there && dur_txn_writes(w->txn) == w->writes) {
        return dur_cursor_next(w->c, k, NULL);
    }

    rc = dur_cursor_seek(w->c, dur_str_make(w->at.b, DUR_ULID_LEN), k, NULL);

    if (rc == DUR_OK && w->past
        && dur_str_eq(*k, dur_str_make(w->at.b, DUR_ULID_LEN)))
    {
        rc = dur_cursor_next(w->c, k, NULL);
    }

    return rc;
}


dur_rc_t
dur_walk_next(dur_walk_t *w, dur_ulid_t *run)
{
    dur_rc_t   rc;
    dur_str_t  k;

    rc = dur_walk_seek(w, &k);
    if (rc != DUR_OK) {
        return rc;
    }

    if (k.len != DUR_ULID_LEN) {
        return DUR_ECORRUPT;
    }

    memcpy(w->at.b, k.data, DUR_ULID_LEN);
    w->writes = dur_txn_writes(w->txn);
    w->there = true;
    w->past = true;

    *run = w->at;

    return memcmp(run->b, w->last.b, DUR_ULID_LEN) <= 0 ? DUR_OK
                                                        : DUR_ENOTFOUND;
}


dur_rc_t
dur_walk_room(dur_txn_t *txn, dur_table_t table, size_t max,
    dur_walk_done_pt done)
{
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    if (dur_txn_count(txn, table) < max) {
        return DUR_OK;
    }

    rc = dur_cursor_open(txn, table, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_str_null, &k, &v);
         rc == DUR_OK;
         rc = dur_cursor_next(c, &k, &v))
    {
        if (done(k, v)) {
            rc = dur_cursor_del(c);
            break;
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_EBUSY : rc;
}
