/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_step.h"
#include "engine/dur_publish.h"
#include "engine/dur_run_feed.h"
#include "engine/dur_state.h"
#include "engine/dur_timer.h"
#include "engine/dur_wait.h"

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
    step->op = dur_dec_u8(&r);
    dur_dec_raw(&r, step->child.b, DUR_ULID_LEN);
    step->app = dur_dec_u32(&r);
    dur_dec_end(&r);

    step->name = dur_dec_str(&r);
    dur_payload_dec(&r, &step->output);

    step->detail = dur_str_null;
    memset(&step->input, 0, sizeof(step->input));

    if (dur_dec_more(&r)) {
        step->detail = dur_dec_str(&r);
        dur_payload_dec(&r, &step->input);
    }

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


dur_rc_t
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
    dur_enc_u8(&w, step->op);
    dur_enc_raw(&w, step->child.b, DUR_ULID_LEN);
    dur_enc_u32(&w, step->app);
    dur_enc_end(&w);

    dur_enc_str(&w, step->name);
    dur_payload_enc(&w, &step->output);

    if (step->detail.len || step->input.where) {
        dur_enc_str(&w, step->detail);
        dur_payload_enc(&w, &step->input);
    }

    if (w.failed) {
        return DUR_EINTERNAL;
    }

    return dur_txn_put(e->txn, DUR_T_STEP, dur_step_key(key, run, id),
                       dur_enc_done(&w));
}


/* What points into the row: its bytes are gone with the next write. */
static void
dur_step_keep(dur_engine_t *e, dur_step_t *step)
{
    step->name = dur_arena_copy(e->arena, step->name);
    step->detail = dur_arena_copy(e->arena, step->detail);
    step->input.bytes = dur_arena_copy(e->arena, step->input.bytes);
}


static dur_str_t
dur_step_cut(dur_str_t s)
{
    if (s.len > DUR_STEP_NAME_MAX) {
        s.len = DUR_STEP_NAME_MAX;
    }

    return s;
}


static dur_rc_t
dur_step_init(dur_engine_t *e, dur_run_t *run,
    const dur_step_report_t *report, dur_step_t *step)
{
    memset(step, 0, sizeof(*step));

    step->created = e->now;
    step->flags = report->race ? DUR_STEP_F_RACE : 0;
    step->op = report->op;
    step->child = report->child;
    step->app = report->app;
    step->name = dur_step_cut(report->name);
    step->detail = dur_step_cut(report->detail);

    if (report->input.len == 0) {
        return DUR_OK;
    }

    return dur_payload_put(e->txn, &run->id, &run->payload_sequence,
                           report->input, 0, &step->input);
}


/* The times of a step that was not known before are those that the app tells,
 * unless its clock is another one. */
static void
dur_step_times(dur_engine_t *e, const dur_run_t *run,
    const dur_step_report_t *report, dur_step_t *step)
{
    int64_t  ended;

    ended = report->started + report->duration / 1000;

    if (report->started >= run->created && ended <= e->now) {
        step->created = report->started;
        step->ended = ended;
    }
}


dur_rc_t
dur_step_done(dur_engine_t *e, dur_run_t *run,
    const dur_step_report_t *report, unsigned attempt, bool *fresh)
{
    bool        known;
    dur_rc_t    rc;
    dur_step_t  step;

    *fresh = false;

    rc = dur_step_get(e->txn, &run->id, &report->id, &step);
    known = rc == DUR_OK;

    if (rc == DUR_OK && step.state == DUR_STEP_DONE) {
        return DUR_OK;
    }

    if (rc == DUR_ENOTFOUND) {
        rc = dur_step_init(e, run, report, &step);
        if (rc != DUR_OK) {
            return rc;
        }

    } else if (rc != DUR_OK) {
        return rc;

    } else {
        dur_step_keep(e, &step);

        if (step.state == DUR_STEP_WAITING) {
            rc = dur_wait_remove(e, run, &report->id);
            if (rc != DUR_OK) {
                return rc;
            }
        }

        if (step.item != 0) {
            rc = dur_queue_remove(e, dur_step_app(run, &step),
                                  dur_run_score(run), step.item, step.due);
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
    step.flags &= (uint8_t) ~DUR_STEP_F_INPUT;

    if (!known) {
        dur_step_times(e, run, report, &step);
    }

    rc = dur_payload_put(e->txn, &run->id, &run->payload_sequence,
                         report->output, 0, &step.output);
    if (rc != DUR_OK) {
        return rc;
    }

    run->state_bytes += report->output.len;
    run->flags &= (uint16_t) ~DUR_RUN_F_REDO;
    e->stat.steps++;
    dur_metrics_step(e, report->op ? report->op : step.op);
    *fresh = true;

    rc = dur_step_put(e, &run->id, &report->id, &step);

    if (rc != DUR_OK || step.wrap == DUR_STEP_ERROR
        || step.op == DUR_OPCODE_SLEEP)
    {
        return rc;
    }

    return dur_publish_step(e, run, step.name, report->output);
}


/* A step that was only edited, or whose call said nothing of it, is called. */
static dur_rc_t
dur_step_replan(dur_engine_t *e, dur_run_t *run,
    const dur_step_report_t *report, dur_item_kind_t kind, dur_step_t *step)
{
    dur_rc_t    rc;
    dur_item_t  item;

    dur_step_keep(e, step);

    if (kind == DUR_ITEM_GATEWAY) {
        /* the request follows from the op, which knows the edited input */
        rc = dur_payload_put(e->txn, &run->id, &run->payload_sequence,
                             report->input, 0, &step->input);
        if (rc != DUR_OK) {
            return rc;
        }

        step->flags &= (uint8_t) ~DUR_STEP_F_INPUT;
        step->detail = dur_step_cut(report->detail);
    }

    if (step->state == DUR_STEP_EDITED) {
        step->state = DUR_STEP_PLANNED;
        step->op = report->op;
        step->name = dur_step_cut(report->name);
        step->created = e->now;
        run->flags &= (uint16_t) ~DUR_RUN_F_REDO;
    }

    dur_run_item(e, run, kind, &report->id, &item);
    item.app = dur_step_app(run, step);
    step->item = item.id;
    step->due = 0;

    rc = dur_step_put(e, &run->id, &report->id, step);

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

    dur_step_keep(e, step);
    step->pending_generation = run->pending_generation;
    run->pending++;

    return dur_step_put(e, &run->id, id, step);
}


static dur_rc_t
dur_step_new(dur_engine_t *e, dur_run_t *run, const dur_step_report_t *report,
    dur_step_t *step, bool pending, dur_item_kind_t kind, dur_item_t *item)
{
    dur_run_item(e, run, kind, &report->id, item);

    item->app = dur_step_app(run, step);
    step->item = item->id;

    if (pending) {
        step->pending_generation = run->pending_generation;
        run->pending++;
    }

    run->flags &= (uint16_t) ~DUR_RUN_F_REDO;

    return dur_step_put(e, &run->id, &report->id, step);
}


/* For people: that the step is open, and what it waits for or calls. */
static dur_rc_t
dur_step_feed(dur_engine_t *e, const dur_run_t *run, const dur_step_t *step)
{
    dur_run_open_t  open;

    memset(&open, 0, sizeof(open));

    open.kind = step->state == DUR_STEP_SLEEPING ? "step.sleeping"
                : step->state == DUR_STEP_WAITING ? "step.waiting"
                                                  : "step.calling";
    open.step = step->name;
    open.name = step->detail;
    open.due = step->due;

    switch (step->op) {

    case DUR_OPCODE_WAIT_EVENT:
        open.what = "event";
        break;

    case DUR_OPCODE_WAIT_SIGNAL:
        open.what = "signal";
        break;

    case DUR_OPCODE_INVOKE:
        open.what = "invokes";
        break;

    case DUR_OPCODE_AI:
    case DUR_OPCODE_GATEWAY:
        open.what = "url";
        break;

    default:
        break;
    }

    return dur_run_feed_open(e, run, &open);
}


dur_rc_t
dur_step_plan(dur_engine_t *e, dur_run_t *run,
    const dur_step_report_t *report, dur_item_kind_t kind, bool pending,
    bool *fresh)
{
    dur_rc_t    rc;
    dur_item_t  item;
    dur_step_t  step;

    *fresh = false;

    rc = dur_step_get(e->txn, &run->id, &report->id, &step);

    if (rc == DUR_OK) {
        if (step.state == DUR_STEP_EDITED
            || (step.state == DUR_STEP_PLANNED && step.item == 0))
        {
            *fresh = step.state == DUR_STEP_EDITED;

            if (pending) {
                step.pending_generation = run->pending_generation;
                run->pending++;
            }
            return dur_step_replan(e, run, report, kind, &step);
        }

        return dur_step_again(e, run, &report->id, &step, pending);
    }

    if (rc != DUR_ENOTFOUND) {
        return rc;
    }

    *fresh = true;

    rc = dur_step_init(e, run, report, &step);
    if (rc != DUR_OK) {
        return rc;
    }

    step.state = DUR_STEP_PLANNED;

    rc = dur_step_new(e, run, report, &step, pending, kind, &item);

    if (rc == DUR_OK && kind == DUR_ITEM_GATEWAY) {
        rc = dur_step_feed(e, run, &step);
    }

    return rc == DUR_OK ? dur_queue_push(e, &item) : rc;
}


dur_rc_t
dur_step_timer(dur_engine_t *e, dur_run_t *run,
    const dur_step_report_t *report, const dur_step_timer_t *timer,
    bool *fresh)
{
    bool        sleeps;
    dur_rc_t    rc;
    dur_item_t  item;
    dur_step_t  step;

    *fresh = false;
    sleeps = timer->state == DUR_STEP_SLEEPING;

    rc = dur_step_get(e->txn, &run->id, &report->id, &step);

    if (rc == DUR_OK && step.state != DUR_STEP_EDITED) {
        return dur_step_again(e, run, &report->id, &step, timer->pending);
    }

    if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
        return rc;
    }

    *fresh = true;

    rc = dur_step_init(e, run, report, &step);
    if (rc != DUR_OK) {
        return rc;
    }

    step.state = (uint8_t) timer->state;
    step.due = timer->due;

    rc = dur_step_new(e, run, report, &step, timer->pending,
                      sleeps ? DUR_ITEM_SLEEP : DUR_ITEM_WAIT, &item);
    if (rc != DUR_OK) {
        return rc;
    }

    item.due = timer->due;

    rc = dur_step_feed(e, run, &step);

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

    dur_step_keep(e, &step);
    step.item = item;
    step.due = due;
    step.attempt = (uint16_t) attempt;

    return dur_step_put(e, run, id, &step);
}


dur_rc_t
dur_step_child(dur_engine_t *e, const dur_ulid_t *run, const dur_hash_t *id,
    const dur_ulid_t *child)
{
    dur_rc_t    rc;
    dur_step_t  step;

    rc = dur_step_get(e->txn, run, id, &step);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_EINTERNAL : rc;
    }

    dur_step_keep(e, &step);
    step.output.bytes = dur_arena_copy(e->arena, step.output.bytes);
    step.child = *child;

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

    dur_step_keep(e, &step);
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
        uint32_t  app;
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
            open[n].app = dur_step_app(run, &step);
            open[n].item = step.item;
            open[n++].due = step.due;
        }
    }

    dur_cursor_close(c);

    if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
        return rc;
    }

    for (i = 0; i < n; i++) {
        rc = dur_queue_remove(e, open[i].app, dur_run_score(run), open[i].item,
                              open[i].due);
        if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
            return rc;
        }
    }

    return DUR_OK;
}
