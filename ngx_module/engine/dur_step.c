/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_step.h"
#include "engine/dur_state.h"
#include "engine/dur_timer.h"

#include <stdlib.h>


#define DUR_STEP_NAME_MAX  512


dur_str_t
dur_step_key(uint8_t key[DUR_STEP_KEY], const dur_ulid_t *run,
    const dur_hash_t *id)
{
    memcpy(key, run->b, DUR_ULID_LEN);
    memcpy(key + DUR_ULID_LEN, id->b, DUR_HASH_LEN);

    return dur_str_make(key, DUR_STEP_KEY);
}


dur_rc_t
dur_step_decode(dur_str_t row, dur_step_t *step)
{
    dur_dec_t  r;

    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    step->state = dur_dec_u8(&r);
    step->wrap = dur_dec_u8(&r);
    step->flags = dur_dec_u8(&r);
    step->attempt = dur_dec_u16(&r);
    step->pending_generation = dur_dec_u32(&r);
    step->stack = dur_dec_u32(&r);
    step->created = (int64_t) dur_dec_u64(&r);
    step->ended = (int64_t) dur_dec_u64(&r);
    step->item = dur_dec_u64(&r);
    step->due = (int64_t) dur_dec_u64(&r);
    dur_dec_end(&r);

    step->name = dur_dec_str(&r);
    dur_payload_dec(&r, &step->output);

    return r.failed ? DUR_ECORRUPT : DUR_OK;
}


dur_rc_t
dur_step_get(dur_txn_t *t, const dur_ulid_t *run, const dur_hash_t *id,
    dur_step_t *step)
{
    uint8_t    key[DUR_STEP_KEY];
    dur_rc_t   rc;
    dur_str_t  row;

    rc = dur_txn_get(t, DUR_T_STEP, dur_step_key(key, run, id), &row);

    return rc == DUR_OK ? dur_step_decode(row, step) : rc;
}


static dur_rc_t
dur_step_put(dur_engine_t *e, const dur_ulid_t *run, const dur_hash_t *id,
    const dur_step_t *step)
{
    uint8_t    key[DUR_STEP_KEY];
    dur_enc_t  w;

    dur_enc_init(&w, e->row, sizeof(e->row));

    dur_enc_begin(&w);
    dur_enc_u8(&w, step->state);
    dur_enc_u8(&w, step->wrap);
    dur_enc_u8(&w, step->flags);
    dur_enc_u16(&w, step->attempt);
    dur_enc_u32(&w, step->pending_generation);
    dur_enc_u32(&w, step->stack);
    dur_enc_u64(&w, (uint64_t) step->created);
    dur_enc_u64(&w, (uint64_t) step->ended);
    dur_enc_u64(&w, step->item);
    dur_enc_u64(&w, (uint64_t) step->due);
    dur_enc_end(&w);

    dur_enc_str(&w, step->name);
    dur_payload_enc(&w, &step->output);

    if (w.failed) {
        return DUR_EINTERNAL;
    }

    return dur_txn_put(e->txn, DUR_T_STEP, dur_step_key(key, run, id),
                       dur_enc_done(&w));
}


static void
dur_step_init(dur_engine_t *e, const dur_step_report_t *report,
    dur_step_t *step)
{
    memset(step, 0, sizeof(*step));

    step->created = e->now;
    step->flags = report->race ? DUR_STEP_F_RACE : 0;
    step->name = report->name;

    if (step->name.len > DUR_STEP_NAME_MAX) {
        step->name.len = DUR_STEP_NAME_MAX;
    }
}


dur_rc_t
dur_step_done(dur_engine_t *e, dur_run_t *run,
    const dur_step_report_t *report, unsigned attempt, bool *fresh)
{
    dur_rc_t    rc;
    dur_step_t  step;

    *fresh = false;

    rc = dur_step_get(e->txn, &run->id, &report->id, &step);

    if (rc == DUR_OK && step.state == DUR_STEP_DONE) {
        return DUR_OK;
    }

    if (rc == DUR_ENOTFOUND) {
        dur_step_init(e, report, &step);

    } else if (rc != DUR_OK) {
        return rc;

    } else {
        /* the row's bytes are gone with the next write */
        step.name = dur_arena_copy(e->arena, step.name);

        if (step.item != 0) {
            rc = dur_queue_remove(e, run->app, run->created, step.item,
                                  step.due);
            if (rc == DUR_OK) {
                run->open--;

            } else if (rc != DUR_ENOTFOUND) {
                return rc;
            }
        }

        if (step.pending_generation == run->pending_generation
            && run->pending > 0)
        {
            run->pending--;
        }
    }

    if (report->output.len > e->conf.max_state
        || run->state_bytes + report->output.len > e->conf.max_state)
    {
        return DUR_ETOOBIG;
    }

    step.state = DUR_STEP_DONE;
    step.wrap = report->wrap;
    step.attempt = (uint16_t) attempt;
    step.stack = run->steps++;
    step.ended = e->now;
    step.item = 0;
    step.due = 0;

    rc = dur_payload_put(e->txn, &run->id, &run->payload_sequence,
                         report->output, 0, &step.output);
    if (rc != DUR_OK) {
        return rc;
    }

    run->state_bytes += report->output.len;
    run->flags &= (uint16_t) ~DUR_RUN_F_REDO;
    e->stat.steps++;
    *fresh = true;

    return dur_step_put(e, &run->id, &report->id, &step);
}


/* A planned step whose call said nothing of it is called once more. */
static dur_rc_t
dur_step_replan(dur_engine_t *e, dur_run_t *run, const dur_hash_t *id,
    dur_step_t *step)
{
    dur_rc_t    rc;
    dur_item_t  item;

    step->name = dur_arena_copy(e->arena, step->name);

    dur_run_item(e, run, DUR_ITEM_STEP, id, &item);
    step->item = item.id;
    step->due = 0;

    rc = dur_step_put(e, &run->id, id, step);

    return rc == DUR_OK ? dur_queue_push(e, &item) : rc;
}


/* A step that is known already: it may only join the pending set. */
static dur_rc_t
dur_step_again(dur_engine_t *e, dur_run_t *run, const dur_hash_t *id,
    dur_step_t *step, bool pending)
{
    if (step->state == DUR_STEP_DONE || !pending
        || step->pending_generation == run->pending_generation)
    {
        return DUR_OK;
    }

    step->name = dur_arena_copy(e->arena, step->name);
    step->pending_generation = run->pending_generation;
    run->pending++;

    return dur_step_put(e, &run->id, id, step);
}


static dur_rc_t
dur_step_new(dur_engine_t *e, dur_run_t *run, const dur_step_report_t *report,
    dur_step_t *step, bool pending, dur_item_kind_t kind, dur_item_t *item)
{
    dur_run_item(e, run, kind, &report->id, item);

    step->item = item->id;

    if (pending) {
        step->pending_generation = run->pending_generation;
        run->pending++;
    }

    run->flags &= (uint16_t) ~DUR_RUN_F_REDO;

    return dur_step_put(e, &run->id, &report->id, step);
}


dur_rc_t
dur_step_plan(dur_engine_t *e, dur_run_t *run,
    const dur_step_report_t *report, bool pending, bool *fresh)
{
    dur_rc_t    rc;
    dur_item_t  item;
    dur_step_t  step;

    *fresh = false;

    rc = dur_step_get(e->txn, &run->id, &report->id, &step);

    if (rc == DUR_OK) {
        if (step.state == DUR_STEP_PLANNED && step.item == 0) {
            if (pending) {
                step.pending_generation = run->pending_generation;
                run->pending++;
            }
            return dur_step_replan(e, run, &report->id, &step);
        }

        return dur_step_again(e, run, &report->id, &step, pending);
    }

    if (rc != DUR_ENOTFOUND) {
        return rc;
    }

    *fresh = true;

    dur_step_init(e, report, &step);
    step.state = DUR_STEP_PLANNED;

    rc = dur_step_new(e, run, report, &step, pending, DUR_ITEM_STEP, &item);

    return rc == DUR_OK ? dur_queue_push(e, &item) : rc;
}


dur_rc_t
dur_step_sleep(dur_engine_t *e, dur_run_t *run,
    const dur_step_report_t *report, int64_t due, bool pending, bool *fresh)
{
    dur_rc_t    rc;
    dur_item_t  item;
    dur_step_t  step;

    *fresh = false;

    rc = dur_step_get(e->txn, &run->id, &report->id, &step);

    if (rc == DUR_OK) {
        return dur_step_again(e, run, &report->id, &step, pending);
    }

    if (rc != DUR_ENOTFOUND) {
        return rc;
    }

    *fresh = true;

    dur_step_init(e, report, &step);
    step.state = DUR_STEP_SLEEPING;
    step.due = due;

    rc = dur_step_new(e, run, report, &step, pending, DUR_ITEM_SLEEP, &item);
    if (rc != DUR_OK) {
        return rc;
    }

    item.due = due;

    rc = dur_run_feed(e, run, "step.sleeping", step.name, 0, 0, due,
                      dur_str_null);

    return rc == DUR_OK ? dur_timer_put(e, &item) : rc;
}


dur_rc_t
dur_step_reschedule(dur_engine_t *e, const dur_ulid_t *run,
    const dur_hash_t *id, uint64_t item, int64_t due, unsigned attempt)
{
    dur_rc_t    rc;
    dur_step_t  step;

    rc = dur_step_get(e->txn, run, id, &step);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_EINTERNAL : rc;
    }

    step.name = dur_arena_copy(e->arena, step.name);
    step.item = item;
    step.due = due;
    step.attempt = (uint16_t) attempt;

    return dur_step_put(e, run, id, &step);
}


dur_rc_t
dur_step_orphan(dur_engine_t *e, const dur_ulid_t *run, const dur_hash_t *id,
    uint64_t item)
{
    dur_rc_t    rc;
    dur_step_t  step;

    rc = dur_step_get(e->txn, run, id, &step);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_EINTERNAL : rc;
    }

    if (step.state == DUR_STEP_DONE || step.item != item) {
        return DUR_OK;
    }

    step.name = dur_arena_copy(e->arena, step.name);
    step.item = 0;
    step.due = 0;

    return dur_step_put(e, run, id, &step);
}


dur_rc_t
dur_step_remove_items(dur_engine_t *e, dur_run_t *run)
{
    size_t         n, i, size;
    uint8_t        key[DUR_STEP_KEY];
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_step_t     step;
    dur_hash_t     first;
    dur_cursor_t  *c;

    struct dur_open_s {
        uint64_t  item;
        int64_t   due;
    } *open;

    /*
     * Collected first: what is removed must not move under the cursor.  One
     * more than are open: the row of an item whose result ends the run names
     * that item still.
     */

    size = run->open + 1;
    open = dur_arena_alloc(e->arena, (size + 1) * sizeof(*open));
    if (open == NULL) {
        return DUR_ENOMEM;
    }

    memset(&first, 0, sizeof(first));

    rc = dur_cursor_open(e->txn, DUR_T_STEP, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    n = 0;

    for (rc = dur_cursor_seek(c, dur_step_key(key, &run->id, &first), &k, &v);
         rc == DUR_OK && n < size
         && memcmp(k.data, run->id.b, DUR_ULID_LEN) == 0;
         rc = dur_cursor_next(c, &k, &v))
    {
        if (dur_step_decode(v, &step) != DUR_OK) {
            /* the run ends, maybe for that: its item finds no run then */
            continue;
        }

        if (step.state != DUR_STEP_DONE && step.item != 0) {
            open[n].item = step.item;
            open[n++].due = step.due;
        }
    }

    dur_cursor_close(c);

    if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
        return rc;
    }

    for (i = 0; i < n; i++) {
        rc = dur_queue_remove(e, run->app, run->created, open[i].item,
                              open[i].due);
        if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
            return rc;
        }
    }

    return DUR_OK;
}
