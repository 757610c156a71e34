/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_timer.h"
#include "engine/dur_flow_batch.h"
#include "engine/dur_flow_debounce.h"
#include "engine/dur_result.h"
#include "engine/dur_run.h"
#include "engine/dur_schedule.h"
#include "engine/dur_state.h"


#define DUR_TIMER_KEY  16


static dur_str_t
dur_timer_key(uint8_t key[DUR_TIMER_KEY], int64_t due, uint64_t id)
{
    dur_put64(key, (uint64_t) due);
    dur_put64(key + 8, id);

    return dur_str_make(key, DUR_TIMER_KEY);
}


dur_rc_t
dur_timer_put(dur_engine_t *e, const dur_item_t *item)
{
    uint8_t  key[DUR_TIMER_KEY], row[DUR_ITEM_ROW];

    if (item->due < e->next_due) {
        e->next_due = item->due;
    }

    return dur_txn_put(e->txn, DUR_T_TIMER,
                       dur_timer_key(key, item->due, item->id),
                       dur_item_encode(item, row));
}


dur_rc_t
dur_timer_get(dur_engine_t *e, int64_t due, uint64_t id, dur_item_t *item)
{
    uint8_t    key[DUR_TIMER_KEY];
    dur_rc_t   rc;
    dur_str_t  row;

    rc = dur_txn_get(e->txn, DUR_T_TIMER, dur_timer_key(key, due, id), &row);

    return rc == DUR_OK ? dur_item_decode(row, item) : rc;
}


dur_rc_t
dur_timer_del(dur_engine_t *e, int64_t due, uint64_t id)
{
    uint8_t  key[DUR_TIMER_KEY];

    if (due == e->next_due) {
        e->timers_dirty = true;
    }

    return dur_txn_del(e->txn, DUR_T_TIMER, dur_timer_key(key, due, id));
}


/* Takes the first timer that is due; DUR_ENOTFOUND without one. */
static dur_rc_t
dur_timer_pop(dur_engine_t *e, dur_item_t *item)
{
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    e->timers_dirty = true;

    rc = dur_cursor_open(e->txn, DUR_T_TIMER, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_seek(c, dur_str_null, &k, &v);

    /* what cannot be read is dropped: nothing behind it would ever fire */

    while (rc == DUR_OK && dur_item_decode(v, item) != DUR_OK) {
        dur_state_log(e, 0, "a timer cannot be read and was dropped");

        rc = dur_cursor_del(c);
        if (rc == DUR_OK) {
            rc = dur_cursor_seek(c, dur_str_null, &k, &v);
        }
    }

    if (rc == DUR_OK) {
        rc = item->due <= e->now ? dur_cursor_del(c) : DUR_ENOTFOUND;
    }

    dur_cursor_close(c);

    return rc;
}


dur_rc_t
dur_timer_fire(dur_engine_t *e, unsigned max)
{
    dur_rc_t    rc;
    uint64_t    writes;
    dur_item_t  item;

    writes = dur_txn_writes(e->txn);

    for (rc = DUR_OK; rc == DUR_OK && max > 0; max--) {
        if (dur_txn_writes(e->txn) - writes >= DUR_OP_ROWS) {
            break;
        }

        rc = dur_timer_pop(e, &item);
        if (rc == DUR_OK) {
            dur_metrics_fired(e, item.due);
            rc = dur_result_due(e, &item);

        } else if (rc == DUR_ENOTFOUND) {
            max = 1;
            rc = DUR_OK;
        }
    }

    /* whoever asks for more in this batch looks at what is due */

    return rc == DUR_OK ? dur_timer_next(e) : rc;
}


dur_rc_t
dur_timer_poison(dur_engine_t *e)
{
    dur_rc_t    rc;
    dur_run_t   run;
    dur_item_t  item;

    rc = dur_timer_pop(e, &item);

    if (rc == DUR_OK && item.kind == DUR_ITEM_DEBOUNCE) {
        return dur_flow_debounce_poison(e, &item);
    }

    if (rc == DUR_OK && item.kind == DUR_ITEM_CRON) {
        return dur_schedule_poison(e, &item);
    }

    if (rc == DUR_OK && item.kind == DUR_ITEM_BATCH) {
        return dur_flow_batch_poison(e, &item);
    }

    if (rc == DUR_OK) {
        rc = dur_run_get(e->txn, &item.run, &run);
    }
    if (rc != DUR_OK || run.status != DUR_RUN_LIVE) {
        /* gone, or cannot be read: it cannot be marked as failed either */
        return (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) ? DUR_OK : rc;
    }

    return dur_run_fail(e, &run, "internal", "The server could not process "
                        "a timer of this run (internal error).");
}


dur_rc_t
dur_timer_next(dur_engine_t *e)
{
    dur_rc_t       rc;
    dur_str_t      k;
    dur_cursor_t  *c;

    e->timers_dirty = false;
    e->next_due = INT64_MAX;

    rc = dur_cursor_open(e->txn, DUR_T_TIMER, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_seek(c, dur_str_null, &k, NULL);
    if (rc == DUR_OK && k.len == DUR_TIMER_KEY) {
        e->next_due = (int64_t) dur_get64(k.data);
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}
