/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_task.h"
#include "engine/dur_event.h"
#include "engine/dur_retention.h"
#include "engine/dur_state.h"


enum {
    DUR_TASK_FAN_OUT = 1
};


typedef struct {
    uint8_t     kind;
    uint8_t     quiet;
    uint32_t    cursor;
    dur_ulid_t  event;
} dur_task_t;


static dur_rc_t
dur_task_put(dur_engine_t *e, uint64_t id, const dur_task_t *task)
{
    uint8_t    key[8], row[64];
    dur_enc_t  w;

    dur_enc_init(&w, row, sizeof(row));

    dur_enc_begin(&w);
    dur_enc_u8(&w, task->kind);
    dur_enc_u8(&w, task->quiet);
    dur_enc_u32(&w, task->cursor);
    dur_enc_raw(&w, task->event.b, DUR_ULID_LEN);
    dur_enc_end(&w);

    dur_put64(key, id);
    e->has_tasks = true;

    return dur_txn_put(e->txn, DUR_T_TASK, dur_str_make(key, 8),
                       dur_enc_done(&w));
}


static dur_rc_t
dur_task_decode(dur_str_t row, dur_task_t *task)
{
    dur_dec_t  r;

    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    task->kind = dur_dec_u8(&r);
    task->quiet = dur_dec_u8(&r);
    task->cursor = dur_dec_u32(&r);
    dur_dec_raw(&r, task->event.b, DUR_ULID_LEN);
    dur_dec_end(&r);

    return (r.failed || task->kind != DUR_TASK_FAN_OUT) ? DUR_ECORRUPT
                                                        : DUR_OK;
}


dur_rc_t
dur_task_fan_out(dur_engine_t *e, const dur_ulid_t *event, uint32_t cursor,
    bool quiet)
{
    dur_task_t  task = { DUR_TASK_FAN_OUT, quiet, cursor, *event };

    return dur_task_put(e, e->counters.task++, &task);
}


/* The oldest task; DUR_ENOTFOUND without one. */
static dur_rc_t
dur_task_first(dur_engine_t *e, uint64_t *id, dur_task_t *task)
{
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    rc = dur_cursor_open(e->txn, DUR_T_TASK, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_seek(c, dur_str_null, &k, &v);

    if (rc == DUR_OK) {
        *id = k.len == 8 ? dur_get64(k.data) : 0;
        rc = dur_task_decode(v, task);
    }

    dur_cursor_close(c);

    return rc;
}


dur_rc_t
dur_task_run(dur_engine_t *e)
{
    bool        done;
    uint8_t     key[8];
    uint64_t    id;
    dur_rc_t    rc;
    dur_task_t  task;

    rc = dur_task_first(e, &id, &task);

    if (rc == DUR_ENOTFOUND) {
        e->has_tasks = false;
        return dur_retention_run(e);
    }

    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_event_fan_out(e, &task.event, &task.cursor, task.quiet, &done);
    if (rc != DUR_OK) {
        return rc;
    }

    if (!done) {
        return dur_task_put(e, id, &task);
    }

    dur_put64(key, id);

    return dur_txn_del(e->txn, DUR_T_TASK, dur_str_make(key, 8));
}
