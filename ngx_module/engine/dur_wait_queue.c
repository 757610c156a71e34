/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_wait_queue.h"
#include "engine/dur_state.h"
#include "engine/dur_task.h"


#define DUR_WAIT_QUEUE_NAME  (1 + DUR_WAIT_NAME)
#define DUR_WAIT_QUEUE_KEY   (DUR_WAIT_QUEUE_NAME + 8)
#define DUR_WAIT_QUEUE_ROW   64


static dur_rc_t
dur_wait_queue_decode(dur_str_t key, dur_str_t row,
    dur_wait_queued_t *queued)
{
    dur_dec_t  r;

    memcpy(queued->name, key.data + 1, DUR_WAIT_NAME);

    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    dur_dec_raw(&r, queued->event.b, DUR_ULID_LEN);
    queued->mark = dur_dec_u64(&r);
    queued->received = (int64_t) dur_dec_u64(&r);
    dur_dec_end(&r);

    return r.failed ? DUR_ECORRUPT : DUR_OK;
}


/* The first row behind a prefix; one that cannot be read is dropped. */
static dur_rc_t
dur_wait_queue_seek(dur_engine_t *e, dur_str_t prefix, bool drop,
    dur_wait_queued_t *queued)
{
    bool           good;
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    rc = dur_cursor_open(e->txn, DUR_T_WAIT, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for ( ;; ) {
        rc = dur_cursor_seek(c, prefix, &k, &v);

        if (rc == DUR_OK
            && (k.len != DUR_WAIT_QUEUE_KEY
                || memcmp(k.data, prefix.data, prefix.len) != 0))
        {
            rc = DUR_ENOTFOUND;
        }

        if (rc != DUR_OK) {
            break;
        }

        good = dur_wait_queue_decode(k, v, queued) == DUR_OK;

        if (good && !drop) {
            break;
        }

        rc = dur_cursor_del(c);
        if (rc != DUR_OK || good) {
            break;
        }
    }

    dur_cursor_close(c);

    return rc;
}


static dur_str_t
dur_wait_queue_prefix(uint8_t p[DUR_WAIT_QUEUE_KEY],
    const uint8_t name[DUR_WAIT_NAME])
{
    p[0] = 'T';
    memcpy(p + 1, name, DUR_WAIT_NAME);

    return dur_str_make(p, DUR_WAIT_QUEUE_NAME);
}


dur_rc_t
dur_wait_queue_first(dur_engine_t *e, const uint8_t name[DUR_WAIT_NAME],
    dur_wait_queued_t *queued)
{
    uint8_t  p[DUR_WAIT_QUEUE_KEY];

    return dur_wait_queue_seek(e, dur_wait_queue_prefix(p, name), false,
                               queued);
}


dur_rc_t
dur_wait_queue_add(dur_engine_t *e, const dur_wait_queued_t *queued)
{
    uint8_t    p[DUR_WAIT_QUEUE_KEY], row[DUR_WAIT_QUEUE_ROW];
    dur_enc_t  w;

    dur_wait_queue_prefix(p, queued->name);
    dur_put64(p + DUR_WAIT_QUEUE_NAME, e->counters.task++);

    dur_enc_init(&w, row, sizeof(row));

    dur_enc_begin(&w);
    dur_enc_raw(&w, queued->event.b, DUR_ULID_LEN);
    dur_enc_u64(&w, queued->mark);
    dur_enc_u64(&w, (uint64_t) e->now);
    dur_enc_end(&w);

    return dur_txn_put(e->txn, DUR_T_WAIT,
                       dur_str_make(p, DUR_WAIT_QUEUE_KEY), dur_enc_done(&w));
}


dur_rc_t
dur_wait_queue_before(dur_engine_t *e, const dur_ulid_t *run,
    const dur_hash_t *step, bool *before)
{
    uint8_t            key[1 + DUR_WAIT_WHO], other[DUR_WAIT_KEY];
    dur_rc_t           rc;
    dur_str_t          row;
    dur_wait_t         wait;
    dur_wait_who_t     who = { *run, DUR_WAIT_STEP, *step };
    dur_wait_queued_t  first;

    *before = false;

    if (!e->has_tasks) {
        return DUR_OK;
    }

    key[0] = 'R';
    dur_wait_who_put(key + 1, &who);

    rc = dur_txn_get(e->txn, DUR_T_WAIT, dur_str_make(key, sizeof(key)),
                     &row);

    if (rc == DUR_OK && row.len == DUR_WAIT_KEY) {
        memcpy(other, row.data, DUR_WAIT_KEY);

        rc = dur_txn_get(e->txn, DUR_T_WAIT,
                         dur_str_make(other, DUR_WAIT_KEY), &row);
        if (rc == DUR_OK) {
            rc = dur_wait_decode(row, &wait);
        }
        if (rc == DUR_OK) {
            rc = dur_wait_queue_first(e, other + 1, &first);
        }
        if (rc == DUR_OK) {
            *before = first.received < wait.expires;
        }
    }

    return (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) ? DUR_OK : rc;
}


/* -- its task ------------------------------------------------------------- */

dur_rc_t
dur_wait_queue_next(dur_engine_t *e, dur_buf_t *cursor, bool *last)
{
    uint8_t            bytes[DUR_WAIT_CURSOR] = { 0 };
    uint8_t            p[DUR_WAIT_QUEUE_KEY];
    dur_rc_t           rc;
    dur_wait_queued_t  queued;

    memcpy(bytes, cursor->data, DUR_WAIT_NAME);

    dur_buf_reset(cursor);
    dur_buf_add(cursor, bytes, sizeof(bytes));

    rc = dur_wait_queue_seek(e, dur_wait_queue_prefix(p, bytes), true,
                             &queued);

    if (rc == DUR_OK || rc == DUR_ENOTFOUND) {
        rc = dur_wait_queue_first(e, bytes, &queued);
    }

    *last = rc == DUR_ENOTFOUND;

    return *last ? DUR_OK : rc;
}


dur_rc_t
dur_wait_queue_poison(dur_engine_t *e, const dur_ulid_t *subject,
    dur_buf_t *cursor)
{
    bool      last;
    dur_rc_t  rc;

    if (cursor->len != DUR_WAIT_CURSOR) {
        return DUR_OK;
    }

    rc = dur_wait_queue_next(e, cursor, &last);

    return (rc == DUR_OK && !last)
           ? dur_task_add(e, DUR_TASK_WAITS, subject, dur_buf_str(cursor))
           : rc;
}


dur_rc_t
dur_wait_queue_revive(dur_engine_t *e)
{
    uint8_t            cursor[DUR_WAIT_CURSOR] = { 0 };
    dur_rc_t           rc;
    dur_wait_queued_t  first;

    rc = dur_wait_queue_seek(e, dur_str("T"), false, &first);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    memcpy(cursor, first.name, DUR_WAIT_NAME);

    return dur_task_add(e, DUR_TASK_WAITS, &first.event,
                        dur_str_make(cursor, sizeof(cursor)));
}
