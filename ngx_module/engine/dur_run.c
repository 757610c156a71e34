/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_run.h"
#include "engine/dur_deadline.h"
#include "engine/dur_defer.h"
#include "engine/dur_event.h"
#include "engine/dur_flow_batch.h"
#include "engine/dur_flow_debounce.h"
#include "engine/dur_flow_concurrency.h"
#include "engine/dur_flow_limit.h"
#include "engine/dur_flow_lock.h"
#include "engine/dur_idem.h"
#include "engine/dur_invoke.h"
#include "engine/dur_json.h"
#include "engine/dur_lifecycle.h"
#include "engine/dur_publish.h"
#include "engine/dur_retention.h"
#include "engine/dur_run_feed.h"
#include "engine/dur_state.h"
#include "engine/dur_step.h"
#include "engine/dur_timer.h"
#include "engine/dur_ulid.h"
#include "engine/dur_wait.h"
#include "engine/dur_workflow.h"

#include <stdio.h>


/* -- the row -------------------------------------------------------------- */

static void
dur_run_enc_keys(dur_enc_t *w, const dur_run_t *run)
{
    dur_enc_u8(w, run->nkeys);

    for (unsigned i = 0; i < run->nkeys; i++) {
        dur_enc_u32(w, run->keys[i].key);
        dur_enc_u64(w, run->keys[i].value);
    }
}


static void
dur_run_dec_keys(dur_dec_t *r, dur_run_t *run)
{
    run->nkeys = dur_dec_u8(r);

    if (run->nkeys > DUR_ITEM_KEYS) {
        run->nkeys = 0;
        r->failed = true;
        return;
    }

    for (unsigned i = 0; i < run->nkeys; i++) {
        run->keys[i].key = dur_dec_u32(r);
        run->keys[i].value = dur_dec_u64(r);
    }
}


dur_rc_t
dur_run_put(dur_engine_t *e, const dur_run_t *run)
{
    dur_enc_t  w;

    dur_enc_init(&w, e->row, sizeof(e->row));

    dur_enc_begin(&w);
    dur_enc_u8(&w, run->status);
    dur_enc_u8(&w, run->request_version);
    dur_enc_u8(&w, run->depth);
    dur_enc_u8(&w, run->origin);
    dur_enc_u16(&w, run->flags);
    dur_enc_u16(&w, run->crashes);
    dur_enc_u32(&w, run->app);
    dur_enc_u32(&w, run->function);
    dur_enc_u32(&w, run->version);
    dur_enc_u32(&w, run->definition);
    dur_enc_u64(&w, (uint64_t) run->created);
    dur_enc_u64(&w, (uint64_t) run->started);
    dur_enc_u64(&w, (uint64_t) run->ended);
    dur_enc_u64(&w, run->sequence);
    dur_enc_raw(&w, run->event.b, DUR_ULID_LEN);
    dur_enc_u32(&w, run->nevents);
    dur_enc_u32(&w, run->steps);
    dur_enc_u32(&w, run->open);
    dur_enc_u32(&w, run->pending);
    dur_enc_u32(&w, run->pending_generation);
    dur_enc_u64(&w, run->discovery);
    dur_enc_u64(&w, (uint64_t) run->discovery_due);
    dur_enc_u64(&w, run->state_bytes);
    dur_enc_u32(&w, run->payload_sequence);
    dur_enc_u32(&w, run->history_sequence);
    dur_enc_raw(&w, run->parent.b, DUR_ULID_LEN);
    dur_enc_raw(&w, run->parent_step.b, DUR_HASH_LEN);
    dur_enc_u32(&w, run->idem_bucket);
    dur_enc_raw(&w, run->idem_hash, sizeof(run->idem_hash));
    dur_enc_raw(&w, run->original.b, DUR_ULID_LEN);
    dur_enc_u32(&w, run->waits);
    dur_enc_u16(&w, run->defers);
    dur_enc_u64(&w, run->deadline);
    dur_enc_u64(&w, (uint64_t) run->deadline_due);
    dur_enc_raw(&w, run->lock_hash, sizeof(run->lock_hash));
    dur_enc_u32(&w, (uint32_t) run->priority);
    dur_enc_u64(&w, run->slot);
    dur_enc_end(&w);

    dur_payload_enc(&w, &run->output);

    if (run->nkeys > 0) {
        dur_run_enc_keys(&w, run);
    }

    if (w.failed) {
        return DUR_EINTERNAL;
    }

    return dur_txn_put(e->txn, DUR_T_RUN, dur_ulid_key(&run->id),
                       dur_enc_done(&w));
}


dur_rc_t
dur_run_get(dur_txn_t *t, const dur_ulid_t *id, dur_run_t *run)
{
    dur_rc_t   rc;
    dur_str_t  row;

    rc = dur_txn_get(t, DUR_T_RUN, dur_ulid_key(id), &row);

    return rc == DUR_OK ? dur_run_decode(id, row, run) : rc;
}


dur_rc_t
dur_run_decode(const dur_ulid_t *id, dur_str_t row, dur_run_t *run)
{
    dur_dec_t  r;

    dur_dec_init(&r, row);

    run->id = *id;

    dur_dec_begin(&r);
    run->status = dur_dec_u8(&r);
    run->request_version = dur_dec_u8(&r);
    run->depth = dur_dec_u8(&r);
    run->origin = dur_dec_u8(&r);
    run->flags = dur_dec_u16(&r);
    run->crashes = dur_dec_u16(&r);
    run->app = dur_dec_u32(&r);
    run->function = dur_dec_u32(&r);
    run->version = dur_dec_u32(&r);
    run->definition = dur_dec_u32(&r);
    run->created = (int64_t) dur_dec_u64(&r);
    run->started = (int64_t) dur_dec_u64(&r);
    run->ended = (int64_t) dur_dec_u64(&r);
    run->sequence = dur_dec_u64(&r);
    dur_dec_raw(&r, run->event.b, DUR_ULID_LEN);
    run->nevents = dur_dec_u32(&r);
    run->steps = dur_dec_u32(&r);
    run->open = dur_dec_u32(&r);
    run->pending = dur_dec_u32(&r);
    run->pending_generation = dur_dec_u32(&r);
    run->discovery = dur_dec_u64(&r);
    run->discovery_due = (int64_t) dur_dec_u64(&r);
    run->state_bytes = dur_dec_u64(&r);
    run->payload_sequence = dur_dec_u32(&r);
    run->history_sequence = dur_dec_u32(&r);
    dur_dec_raw(&r, run->parent.b, DUR_ULID_LEN);
    dur_dec_raw(&r, run->parent_step.b, DUR_HASH_LEN);
    run->idem_bucket = dur_dec_u32(&r);
    dur_dec_raw(&r, run->idem_hash, sizeof(run->idem_hash));
    dur_dec_raw(&r, run->original.b, DUR_ULID_LEN);
    run->waits = dur_dec_u32(&r);
    run->defers = dur_dec_u16(&r);
    run->deadline = dur_dec_u64(&r);
    run->deadline_due = (int64_t) dur_dec_u64(&r);
    dur_dec_raw(&r, run->lock_hash, sizeof(run->lock_hash));
    run->priority = (int32_t) dur_dec_u32(&r);
    run->slot = dur_dec_u64(&r);
    dur_dec_end(&r);

    dur_payload_dec(&r, &run->output);

    run->nkeys = 0;

    if (dur_dec_more(&r)) {
        dur_run_dec_keys(&r, run);
    }

    return (r.failed || run->status == 0) ? DUR_ECORRUPT : DUR_OK;
}


const char *
dur_run_status_name(const dur_run_t *run)
{
    switch (run->status) {
    case DUR_RUN_COMPLETED:
        return "Completed";
    case DUR_RUN_FAILED:
        return "Failed";
    case DUR_RUN_CANCELLED:
        return "Cancelled";
    case DUR_RUN_SKIPPED:
        return "Skipped";
    default:
        return "Running";
    }
}


/* -- the beginning -------------------------------------------------------- */

void
dur_run_item(dur_engine_t *e, dur_run_t *run, dur_item_kind_t kind,
    const dur_hash_t *step, dur_item_t *item)
{
    memset(item, 0, sizeof(*item));

    item->kind = (uint8_t) kind;
    item->id = e->counters.item++;
    item->app = run->app;
    item->function = run->function;
    item->score = dur_run_score(run);
    item->run = run->id;
    item->nkeys = run->nkeys;
    memcpy(item->keys, run->keys, sizeof(item->keys));

    if (step != NULL) {
        item->step = *step;
    }

    run->open++;
}


void
dur_run_init(dur_engine_t *e, const dur_function_t *fn, dur_run_t *run)
{
    memset(run, 0, sizeof(*run));

    dur_state_ulid(e, &run->id);
    run->status = DUR_RUN_LIVE;
    run->app = fn->app;
    run->function = fn->id;
    run->version = fn->version;
    run->created = e->now;
    run->definition = fn->kind == DUR_FUNCTION_WORKFLOW ? fn->version : 0;
    run->sequence = e->counters.sequence;
    run->nevents = 1;
}


static dur_rc_t
dur_run_link_event(dur_engine_t *e, const dur_run_t *run)
{
    uint8_t  key[2 * DUR_ULID_LEN];

    memcpy(key, run->event.b, DUR_ULID_LEN);
    memcpy(key + DUR_ULID_LEN, run->id.b, DUR_ULID_LEN);

    return dur_txn_put(e->txn, DUR_T_EVENT_RUN, dur_str_make(key, sizeof(key)),
                       dur_str_null);
}


dur_rc_t
dur_run_begin(dur_engine_t *e, dur_run_t *run, int64_t due,
    dur_str_t event_name)
{
    bool        planned;
    dur_rc_t    rc;
    dur_item_t  item;

    rc = dur_run_link_event(e, run);
    if (rc == DUR_OK && run->definition != 0) {
        rc = dur_workflow_count(e, run, 1);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    planned = due <= e->now && dur_workflow_is(e, run);

    if (!planned) {
        dur_run_item(e, run, DUR_ITEM_DISCOVERY, NULL, &item);
        run->discovery = item.id;
        item.flags = DUR_ITEM_F_START;
    }

    if (due > e->now) {
        run->discovery_due = due;
        item.due = due;
        rc = dur_timer_put(e, &item);

    } else if (!planned) {
        rc = dur_queue_push(e, &item);
        dur_flow_slot_hold(e, &item, run);
    }

    if (rc == DUR_OK) {
        rc = dur_deadline_begin(e, run);
    }
    if (rc == DUR_OK) {
        rc = dur_run_put(e, run);
    }

    if (rc == DUR_OK) {
        e->stat.runs_started++;
        e->counters.live++;
        dur_metrics_started(e, run->function);
        rc = dur_run_feed_started(e, run, event_name);
    }

    return (rc == DUR_OK && planned) ? dur_workflow_next(e, run) : rc;
}


dur_rc_t
dur_run_release(dur_engine_t *e, dur_run_t *run)
{
    dur_rc_t    rc;
    dur_item_t  item;

    if (run->discovery == 0 || run->discovery_due != DUR_RUN_HELD) {
        return DUR_EINTERNAL;
    }

    rc = dur_timer_del(e, run->discovery_due, run->discovery);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_EINTERNAL : rc;
    }

    run->open--;

    if (dur_workflow_is(e, run)) {
        run->discovery = 0;
        run->discovery_due = 0;
        return dur_workflow_next(e, run);
    }

    dur_run_item(e, run, DUR_ITEM_DISCOVERY, NULL, &item);
    run->discovery = item.id;
    run->discovery_due = 0;
    item.flags = DUR_ITEM_F_START;

    rc = dur_queue_push(e, &item);
    dur_flow_slot_hold(e, &item, run);

    return rc;
}


/* A run that is only a record: it never was. */
static dur_rc_t
dur_run_skip(dur_engine_t *e, dur_run_t *run, const dur_run_skip_t *skip)
{
    char        id[DUR_ULID_TEXT_LEN + 1];
    dur_rc_t    rc;
    dur_str_t   output;
    dur_ulid_t  nobody = { { 0 } };

    run->status = DUR_RUN_SKIPPED;
    run->ended = e->now;

    if (memcmp(&skip->holder, &nobody, sizeof(nobody)) == 0) {
        output = dur_str_c(dur_arena_printf(e->arena, "{\"reason\":\"%s\"}",
                                            skip->reason));
    } else {
        dur_ulid_text(&skip->holder, id);
        output = dur_str_c(dur_arena_printf(e->arena, "{\"reason\":\"%s\","
                                            "\"run_id\":\"%s\"}",
                                            skip->reason, id));
    }

    rc = output.data ? dur_run_link_event(e, run) : DUR_ENOMEM;

    if (rc == DUR_OK) {
        rc = dur_payload_put(e->txn, &run->id, &run->payload_sequence, output,
                             0, &run->output);
    }
    if (rc == DUR_OK) {
        rc = dur_retention_ended(e, run);
    }
    if (rc == DUR_OK) {
        dur_metrics_ended(e, run->function, DUR_ENDED_SKIPPED, run->created);
        rc = dur_run_put(e, run);
    }

    return rc == DUR_OK ? dur_run_feed(e, run, "run.skipped", dur_str_null, 0,
                                       0, 0, dur_str_c(skip->reason))
                        : rc;
}


/* Whether a run may begin: skip says why not.  DUR_EEXIST: it did before. */
static dur_rc_t
dur_run_admit(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_run_t *run, dur_run_skip_t *skip)
{
    dur_rc_t  rc;

    memset(skip, 0, sizeof(*skip));

    if (fn->paused) {
        skip->reason = "FunctionPaused";
        return DUR_OK;
    }

    /* before the lock: an event that is known must not end what it started */

    if (event->client_id.len) {
        rc = dur_idem_take(e, run, event->client_id);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    rc = dur_flow_keys(e, fn, event, run);

    if (rc == DUR_OK) {
        rc = dur_flow_lock(e, fn, event, run, skip);
    }

    if (rc == DUR_OK && skip->reason != NULL) {
        rc = dur_idem_forget(e, run);
    }

    return rc;
}


void
dur_run_prepare(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_run_t *run)
{
    dur_run_init(e, fn, run);

    run->flags = (event->quiet ? DUR_RUN_F_QUIET : 0)
                 | (event->invoked ? DUR_RUN_F_INVOKED : 0)
                 | (event->scheduled ? DUR_RUN_F_SCHEDULED : 0);
    run->event = event->id;
    run->parent = event->parent;
    run->parent_step = event->parent_step;
    run->depth = event->depth;
}


dur_rc_t
dur_run_launch(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_run_t *run, dur_start_t *start)
{
    int64_t         due;
    dur_rc_t        rc;
    dur_run_skip_t  skip;

    *start = DUR_START_RUN;

    rc = dur_run_admit(e, fn, event, run, &skip);

    if (rc == DUR_EEXIST) {
        *start = DUR_START_KNOWN;
        dur_metrics_refused(e, fn->id, DUR_REFUSED_KNOWN);
        return DUR_OK;
    }

    if (rc != DUR_OK) {
        return rc;
    }

    if (skip.reason != NULL) {
        *start = DUR_START_SKIPPED;
        return dur_run_skip(e, run, &skip);
    }

    /* a webhook is sent on in the order in which it came, whatever the clock
     * of the worker says that took it */

    due = fn->kind == DUR_FUNCTION_FORWARD ? e->now : event->ts;

    if (run->flags & DUR_RUN_F_BATCH) {
        return dur_run_begin(e, run, e->now, event->name);
    }

    rc = dur_wait_cancel_on(e, fn, event, run);

    return rc == DUR_OK ? dur_run_begin(e, run, due, event->name) : rc;
}


dur_rc_t
dur_run_start(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_run_t *run, dur_start_t *start)
{
    dur_rc_t  rc;

    dur_run_prepare(e, fn, event, run);

    if (fn->unreadable) {
        dur_state_log(e, 1, "function \"%.*s\": its options were stored by "
                      "another version and cannot be read, none is enforced",
                      (int) fn->slug.len, (const char *) fn->slug.data);
    }

    rc = dur_flow_batch(e, fn, event, run, start);

    if (rc == DUR_OK && *start == DUR_START_KNOWN) {
        dur_metrics_refused(e, fn->id, DUR_REFUSED_KNOWN);
    }

    if (rc == DUR_OK && *start == DUR_START_RUN) {
        rc = dur_flow_limit(e, fn, event, start);
    }

    if (rc == DUR_OK && *start == DUR_START_LIMITED) {
        dur_metrics_refused(e, fn->id, DUR_REFUSED_LIMIT);
    }

    if (rc == DUR_OK && *start == DUR_START_RUN) {
        rc = dur_flow_debounce(e, fn, event, start);
    }

    return (rc == DUR_OK && *start == DUR_START_RUN)
           ? dur_run_launch(e, fn, event, run, start) : rc;
}


dur_rc_t
dur_run_event(dur_engine_t *e, const dur_run_t *run, json_t **event)
{
    dur_rc_t     rc;
    dur_buf_t    b;
    dur_event_t  row;

    rc = dur_event_get(e->txn, &run->event, &row);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_init(&b, (size_t) row.json.length + 1);

    rc = dur_payload_get(e->txn, &run->event, &row.json, &b);

    if (rc == DUR_OK) {
        *event = dur_json_parse(dur_buf_str(&b), NULL);
        if (*event == NULL) {
            rc = DUR_ECORRUPT;
        }
    }

    dur_buf_deinit(&b);

    return rc;
}


/* -- the middle ----------------------------------------------------------- */

dur_rc_t
dur_run_discover(dur_engine_t *e, dur_run_t *run, const dur_hash_t *cause)
{
    char        text[128];
    dur_rc_t    rc;
    dur_item_t  item;

    if (dur_workflow_is(e, run)) {
        return dur_workflow_next(e, run);
    }

    if (run->steps >= e->conf.max_steps) {
        snprintf(text, sizeof(text), "The function run exceeded the step "
                 "limit of %u steps.", e->conf.max_steps);
        return dur_run_fail(e, run, "InngestErrFunctionOverflowed", text);
    }

    if (run->discovery != 0) {
        rc = dur_queue_lease_get(e, run->discovery, &item);

        if (rc == DUR_OK) {
            /* it was told of an older state: one more when it is back */
            run->flags |= DUR_RUN_F_AGAIN;
        }

        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    if (run->request_version >= 2 && run->open == 0) {
        run->flags &= (uint16_t) ~DUR_RUN_F_FORCE_PLAN;
    }

    dur_run_item(e, run, DUR_ITEM_DISCOVERY, cause, &item);
    run->discovery = item.id;
    run->discovery_due = 0;

    return dur_queue_push(e, &item);
}


/* -- the end -------------------------------------------------------------- */

static dur_rc_t
dur_run_remove_items(dur_engine_t *e, dur_run_t *run)
{
    dur_rc_t  rc;

    if (run->open == 0) {
        return DUR_OK;
    }

    if (run->discovery != 0) {
        rc = dur_queue_remove(e, run->app, dur_run_score(run),
                              run->discovery, run->discovery_due);
        if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
            return rc;
        }
    }

    rc = dur_step_remove_items(e, run);

    run->open = 0;
    run->pending = 0;
    run->discovery = 0;
    run->discovery_due = 0;

    return rc;
}


static void
dur_run_count_end(dur_engine_t *e, const dur_run_t *run)
{
    dur_metrics_end_t  how;

    switch (run->status) {

    case DUR_RUN_COMPLETED:
        e->stat.runs_completed++;
        how = DUR_ENDED_COMPLETED;
        break;

    case DUR_RUN_FAILED:
        e->stat.runs_failed++;
        how = DUR_ENDED_FAILED;
        break;

    default:
        e->stat.runs_cancelled++;
        how = DUR_ENDED_CANCELLED;
        break;
    }

    dur_metrics_ended(e, run->function, how, run->created);
}


dur_rc_t
dur_run_end(dur_engine_t *e, dur_run_t *run, dur_run_status_t status,
    dur_str_t output)
{
    dur_rc_t  rc;

    if (run->status != DUR_RUN_LIVE) {
        return DUR_OK;
    }

    if (e->counters.live > 0) {
        e->counters.live--;
    }

    run->status = (uint8_t) status;
    run->ended = e->now;
    run->flags &= (uint16_t) ~(DUR_RUN_F_AGAIN | DUR_RUN_F_REDO);

    rc = dur_run_remove_items(e, run);

    if (rc == DUR_OK && run->waits > 0) {
        rc = dur_wait_remove_all(e, run);
    }
    if (rc == DUR_OK && run->deadline != 0) {
        rc = dur_deadline_remove(e, run);
    }
    if (rc == DUR_OK && (run->flags & DUR_RUN_F_LOCKED)) {
        rc = dur_flow_unlock(e, run);
    }
    if (rc == DUR_OK) {
        rc = dur_flow_slot_free(e, run);
    }
    if (rc == DUR_OK) {
        rc = dur_payload_put(e->txn, &run->id, &run->payload_sequence, output,
                             0, &run->output);
    }
    if (rc == DUR_OK) {
        rc = dur_retention_ended(e, run);
    }
    if (rc == DUR_OK) {
        rc = dur_idem_ended(e, run);
    }
    if (rc == DUR_OK && run->definition != 0) {
        rc = dur_workflow_count(e, run, -1);
    }
    if (rc == DUR_OK) {
        rc = dur_run_put(e, run);
    }
    if (rc == DUR_OK) {
        dur_run_count_end(e, run);
        rc = dur_run_feed_ended(e, run, output);
    }
    if (rc == DUR_OK) {
        rc = dur_publish_run(e, run, output);
    }
    if (rc == DUR_OK) {
        rc = dur_lifecycle_ended(e, run, output);
    }
    if (rc == DUR_OK && run->defers > 0) {
        rc = dur_defer_ended(e, run);
    }
    if (rc == DUR_OK && (run->flags & DUR_RUN_F_INVOKED)) {
        rc = (run->flags & DUR_RUN_F_BATCH)
             ? dur_flow_batch_ended(e, run, output)
             : dur_invoke_finished(e, run, output);
    }

    return rc;
}


dur_rc_t
dur_run_fail(dur_engine_t *e, dur_run_t *run, const char *name,
    const char *message)
{
    dur_rc_t   rc;
    dur_buf_t  b;

    dur_buf_init(&b, 64 * 1024);

    dur_buf_addz(&b, "{\"error\":");
    dur_json_write_string(&b, dur_str_c(message));
    dur_buf_addz(&b, ",\"message\":");
    dur_json_write_string(&b, dur_str_c(message));
    dur_buf_addf(&b, ",\"name\":\"%s\"}", name);

    rc = b.failed ? DUR_ENOMEM
                  : dur_run_end(e, run, DUR_RUN_FAILED, dur_buf_str(&b));

    dur_buf_deinit(&b);

    return rc;
}


dur_rc_t
dur_run_cancel_live(dur_engine_t *e, dur_run_t *run, const char *why)
{
    dur_str_t  error;

    error = dur_str_c(dur_arena_printf(e->arena, "{\"error\":\"%s\","
                                       "\"message\":\"%s\","
                                       "\"name\":\"Cancelled\"}", why, why));

    return error.data ? dur_run_end(e, run, DUR_RUN_CANCELLED, error)
                      : DUR_ENOMEM;
}


dur_rc_t
dur_run_cancel(dur_engine_t *e, const dur_ulid_t *id, dur_reply_t *reply)
{
    dur_rc_t   rc;
    dur_run_t  run;

    reply->status = 200;

    rc = dur_run_get(e->txn, id, &run);

    if (rc == DUR_ENOTFOUND) {
        reply->rc = DUR_ENOTFOUND;
        reply->status = 404;
        return DUR_OK;
    }

    if (rc != DUR_OK) {
        return rc;
    }

    if (run.status != DUR_RUN_LIVE) {
        reply->flags |= DUR_REPLY_F_ENDED;
        return DUR_OK;
    }

    return dur_run_cancel_live(e, &run, "The run was cancelled");
}
