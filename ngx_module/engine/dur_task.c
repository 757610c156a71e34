/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_task.h"
#include "engine/dur_bulk.h"
#include "engine/dur_cancellation_rule.h"
#include "engine/dur_event.h"
#include "engine/dur_flow_batch.h"
#include "engine/dur_redelivery.h"
#include "engine/dur_register.h"
#include "engine/dur_rerun.h"
#include "engine/dur_retention.h"
#include "engine/dur_schedule.h"
#include "engine/dur_state.h"
#include "engine/dur_wait.h"
#include "engine/dur_wake.h"
#include "engine/dur_wait_queue.h"


#define DUR_TASK_ROW  (64 + DUR_TASK_CURSOR)

/* With fewer rows left in an op no other task is begun. */
#define DUR_TASK_ROWS_MIN  32


typedef struct {
    uint8_t     kind;
    uint8_t     flag;
    uint32_t    number;
    dur_ulid_t  subject;
    dur_buf_t   cursor;
} dur_task_t;


/* -- the row -------------------------------------------------------------- */

static dur_rc_t
dur_task_put(dur_engine_t *e, const dur_task_t *task)
{
    uint8_t    key[8], row[DUR_TASK_ROW];
    dur_enc_t  w;

    dur_enc_init(&w, row, sizeof(row));

    dur_enc_begin(&w);
    dur_enc_u8(&w, task->kind);
    dur_enc_u8(&w, task->flag);
    dur_enc_u32(&w, task->number);
    dur_enc_raw(&w, task->subject.b, DUR_ULID_LEN);
    dur_enc_end(&w);

    dur_enc_str(&w, dur_buf_str(&task->cursor));

    if (w.failed || task->cursor.failed) {
        return DUR_ETOOBIG;
    }

    dur_put64(key, e->counters.task++);
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
    task->flag = dur_dec_u8(&r);
    task->number = dur_dec_u32(&r);
    dur_dec_raw(&r, task->subject.b, DUR_ULID_LEN);
    dur_dec_end(&r);

    dur_buf_reset(&task->cursor);

    if (dur_dec_more(&r)) {
        dur_buf_adds(&task->cursor, dur_dec_str(&r));
    }

    return (r.failed || task->cursor.failed || task->kind == 0
            || task->kind >= DUR_TASK_MAX)
           ? DUR_ECORRUPT : DUR_OK;
}


dur_rc_t
dur_task_add(dur_engine_t *e, dur_task_kind_t kind, const dur_ulid_t *subject,
    dur_str_t cursor)
{
    dur_rc_t    rc;
    dur_task_t  task;

    memset(&task, 0, sizeof(task));
    task.kind = (uint8_t) kind;
    task.subject = *subject;

    dur_buf_init(&task.cursor, DUR_TASK_CURSOR);
    dur_buf_adds(&task.cursor, cursor);

    rc = dur_task_put(e, &task);

    dur_buf_deinit(&task.cursor);

    return rc;
}


dur_rc_t
dur_task_fan_out(dur_engine_t *e, const dur_ulid_t *event, uint32_t cursor,
    bool quiet)
{
    dur_task_t  task;

    memset(&task, 0, sizeof(task));
    task.kind = DUR_TASK_FAN_OUT;
    task.flag = quiet;
    task.number = cursor;
    task.subject = *event;

    return dur_task_put(e, &task);
}


/*
 * Takes the oldest task out, unless its kind cannot do with less than a whole
 * op; DUR_ENOTFOUND without one.  What cannot be read is dropped: nothing
 * behind it would ever go on.
 */
static dur_rc_t
dur_task_take(dur_engine_t *e, dur_task_t *task, bool whole)
{
    bool           good;
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    rc = dur_cursor_open(e->txn, DUR_T_TASK, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for ( ;; ) {
        rc = dur_cursor_seek(c, dur_str_null, &k, &v);
        if (rc != DUR_OK) {
            break;
        }

        good = dur_task_decode(v, task) == DUR_OK;

        if (good && !whole && task->kind != DUR_TASK_FAN_OUT) {
            rc = DUR_EBUSY;
            break;
        }

        rc = dur_cursor_del(c);
        if (rc != DUR_OK || good) {
            break;
        }

        dur_state_log(e, 0, "a task cannot be read and was dropped");
    }

    dur_cursor_close(c);

    return rc;
}


/* -- pieces --------------------------------------------------------------- */

static dur_rc_t
dur_task_piece(dur_engine_t *e, dur_task_t *task, unsigned rows, bool *done)
{
    dur_rc_t  rc;

    switch (task->kind) {

    case DUR_TASK_FAN_OUT:
        rc = dur_event_fan_out(e, &task->subject, &task->number,
                               task->flag != 0, &rows);
        *done = task->number == 0;
        return rc;

    case DUR_TASK_WAITS:
        return dur_wait_match_more(e, &task->cursor, done);

    case DUR_TASK_RERUN:
        return dur_rerun_more(e, &task->subject, &task->cursor, done);

    case DUR_TASK_RESUME:
        return dur_register_resume(e, dur_buf_str(&task->cursor), done);

    case DUR_TASK_SCHEDULE:
        return dur_schedule_more(e, &task->cursor, done);

    case DUR_TASK_REDELIVERY:
        return dur_redelivery_more(e, &task->subject, done);

    case DUR_TASK_BULK:
        return dur_bulk_more(e, &task->subject, done);

    case DUR_TASK_BATCH_DROP:
        return dur_flow_batch_drop(e, &task->subject, &task->cursor, done);

    case DUR_TASK_BATCH_ANSWER:
        return dur_flow_batch_answer(e, &task->subject, &task->cursor, done);

    case DUR_TASK_WAKE:
        *done = true;
        return dur_wake_more(e, dur_buf_str(&task->cursor));

    case DUR_TASK_LIMITS:
        return dur_wake_function_more(e, &task->cursor, done);

    default:
        return dur_cancellation_more(e, &task->subject, done);
    }
}


/* The oldest tasks one after the other; *left are the rows that the op may
 * still write.  DUR_ENOTFOUND: there are no more. */
static dur_rc_t
dur_task_pieces(dur_engine_t *e, bool alone, unsigned *left)
{
    bool        done;
    dur_rc_t    rc;
    uint64_t    start, written;
    unsigned    n;
    dur_task_t  task;

    dur_buf_init(&task.cursor, DUR_TASK_CURSOR);

    start = dur_txn_writes(e->txn);
    done = true;

    for (n = 0, rc = DUR_OK; rc == DUR_OK && done; n++) {
        written = dur_txn_writes(e->txn) - start;
        *left = written < DUR_OP_ROWS ? (unsigned) (DUR_OP_ROWS - written) : 0;

        if (n > 0 && (alone || *left < DUR_TASK_ROWS_MIN)) {
            break;
        }

        rc = dur_task_take(e, &task, n == 0 || *left >= DUR_OP_ROWS / 2);

        if (rc == DUR_OK) {
            rc = dur_task_piece(e, &task, *left, &done);
        }
        if (rc == DUR_OK && !done) {
            rc = dur_task_put(e, &task);
        }
    }

    dur_buf_deinit(&task.cursor);

    return rc == DUR_EBUSY ? DUR_OK : rc;
}


dur_rc_t
dur_task_run(dur_engine_t *e, bool alone)
{
    dur_rc_t  rc;
    unsigned  left;

    rc = dur_task_pieces(e, alone, &left);

    if (rc == DUR_ENOTFOUND) {
        e->has_tasks = false;
        rc = dur_wait_queue_revive(e);

    } else if (alone) {
        return rc;
    }

    /* also while there are tasks: they may go on for hours */

    if (rc == DUR_OK && e->next_expiry <= e->now) {
        rc = dur_retention_run(e, left > DUR_TASK_ROWS_MIN
                                  ? left : DUR_TASK_ROWS_MIN);
    }

    return rc;
}


dur_rc_t
dur_task_poison(dur_engine_t *e)
{
    dur_rc_t    rc;
    dur_task_t  task;

    dur_buf_init(&task.cursor, DUR_TASK_CURSOR);

    rc = dur_task_take(e, &task, true);

    if (rc == DUR_OK) {
        dur_state_log(e, 0, "a task of kind %u was dropped", task.kind);

        if (task.kind == DUR_TASK_RERUN) {
            rc = dur_rerun_poison(e, &task.subject);

        } else if (task.kind == DUR_TASK_WAITS) {
            rc = dur_wait_queue_poison(e, &task.subject, &task.cursor);

        } else if (task.kind == DUR_TASK_REDELIVERY) {
            rc = dur_redelivery_poison(e, &task.subject);

        } else if (task.kind == DUR_TASK_BULK) {
            rc = dur_bulk_poison(e, &task.subject);
        }
    }

    dur_buf_deinit(&task.cursor);

    return rc == DUR_ENOTFOUND ? dur_retention_poison(e) : rc;
}
