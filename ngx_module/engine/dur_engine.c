/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_engine.h"
#include "engine/dur_bulk.h"
#include "engine/dur_cancellation.h"
#include "engine/dur_checkpoint.h"
#include "engine/dur_endpoint.h"
#include "engine/dur_event.h"
#include "engine/dur_flow_concurrency.h"
#include "engine/dur_idem.h"
#include "engine/dur_inventory.h"
#include "engine/dur_invoke.h"
#include "engine/dur_redelivery.h"
#include "engine/dur_register.h"
#include "engine/dur_rerun.h"
#include "engine/dur_result.h"
#include "engine/dur_retention.h"
#include "engine/dur_route.h"
#include "engine/dur_run.h"
#include "engine/dur_schedule.h"
#include "engine/dur_served.h"
#include "engine/dur_state.h"
#include "engine/dur_sync.h"
#include "engine/dur_task.h"
#include "engine/dur_timer.h"
#include "engine/dur_ulid.h"
#include "engine/dur_upload.h"
#include "engine/dur_wait.h"
#include "engine/dur_workflow.h"
#include "engine/dur_wake.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>


/* Timers one op fires; the rest is due at once again. */
#define DUR_ENGINE_TIMERS   64

/* Ingest stops when less than this share of the map is left. */
#define DUR_ENGINE_RESERVE  20          /* 1/20 = 5 % */


/* -- meta ----------------------------------------------------------------- */

static dur_rc_t
dur_engine_meta(dur_engine_t *e, const char *name, dur_str_t *value)
{
    return dur_txn_get(e->txn, DUR_T_META, dur_str_c(name), value);
}


/* Reads what is cached; inside a transaction. */
static dur_rc_t
dur_engine_load(dur_engine_t *e)
{
    dur_rc_t   rc;
    dur_str_t  value;

    rc = dur_state_counters_get(e);

    if (rc == DUR_OK) {
        dur_config_init(&e->conf);

        rc = dur_engine_meta(e, "config", &value);
        if (rc == DUR_OK) {
            rc = dur_config_decode(value, &e->conf);
        }
        if (rc == DUR_ENOTFOUND) {
            rc = DUR_OK;
        }
    }

    if (rc == DUR_OK) {
        memset(e->instance, 0, sizeof(e->instance));

        rc = dur_engine_meta(e, "instance", &value);
        if (rc == DUR_OK && value.len == sizeof(e->instance)) {
            memcpy(e->instance, value.data, value.len);
        }
        if (rc == DUR_ENOTFOUND) {
            rc = DUR_OK;
        }
    }

    if (rc == DUR_OK) {
        rc = dur_registry_load(&e->registry, e->txn);
    }
    if (rc == DUR_OK) {
        rc = dur_flow_count(e);
    }
    if (rc == DUR_OK) {
        rc = dur_cancellation_load(e);
    }
    if (rc == DUR_OK) {
        e->has_tasks = dur_txn_count(e->txn, DUR_T_TASK) > 0;
        e->stat.leases = dur_txn_count(e->txn, DUR_T_LEASE);
        rc = dur_timer_next(e);
    }
    if (rc == DUR_OK) {
        rc = dur_retention_next(e);
    }

    return rc;
}


/* -- open and close ------------------------------------------------------- */

static dur_rc_t
dur_engine_open_meta(dur_engine_t *e, const uint8_t store_id[16])
{
    uint8_t    row[8];
    dur_rc_t   rc;
    dur_str_t  value;

    rc = dur_engine_meta(e, "store_id", &value);

    if (rc == DUR_ENOTFOUND) {
        memcpy(e->store_id, store_id, sizeof(e->store_id));
        rc = dur_txn_put(e->txn, DUR_T_META, dur_str("store_id"),
                         dur_str_make(e->store_id, sizeof(e->store_id)));

    } else if (rc == DUR_OK) {
        if (value.len != sizeof(e->store_id)) {
            return DUR_ECORRUPT;
        }
        memcpy(e->store_id, value.data, value.len);
    }

    if (rc == DUR_OK) {
        rc = dur_engine_meta(e, "epoch", &value);
        if (rc == DUR_OK) {
            e->epoch = value.len == 8 ? dur_get64(value.data) : 0;
        }
        if (rc == DUR_ENOTFOUND) {
            rc = DUR_OK;
        }
    }

    if (rc == DUR_OK) {
        dur_put64(row, ++e->epoch);
        rc = dur_txn_put(e->txn, DUR_T_META, dur_str("epoch"),
                         dur_str_make(row, sizeof(row)));
    }

    return rc;
}


dur_rc_t
dur_engine_open(dur_engine_t **engine, const dur_engine_options_t *options,
    char *err, size_t size)
{
    dur_rc_t              rc;
    dur_engine_t         *e;
    dur_store_options_t   opt;

    e = calloc(1, sizeof(*e));
    if (e == NULL) {
        snprintf(err, size, "no memory for the engine");
        return DUR_ENOMEM;
    }

    e->zone = options->zone;
    e->zone_data = options->zone_data;

    opt.path = options->path;
    opt.size = options->size;
    opt.async = options->async;
    opt.create = true;

    rc = dur_store_open(&e->store, &opt, err, size);
    if (rc != DUR_OK) {
        free(e);
        return rc;
    }

    dur_store_reader_check(e->store);

    rc = dur_txn_begin(e->store, true, &e->txn);

    if (rc == DUR_OK) {
        rc = dur_engine_open_meta(e, options->store_id);
        if (rc == DUR_OK) {
            rc = dur_engine_load(e);
        }
        if (rc == DUR_OK) {
            rc = dur_txn_commit(e->txn);
        } else {
            dur_txn_abort(e->txn);
        }
        e->txn = NULL;
    }

    if (rc != DUR_OK) {
        snprintf(err, size, "opening the store \"%s\" failed: %s",
                 options->path, dur_strerror(rc));
        dur_engine_close(e);
        return rc;
    }

    e->committed_stat = e->stat;

    *engine = e;

    return DUR_OK;
}


void
dur_engine_close(dur_engine_t *e)
{
    if (e == NULL) {
        return;
    }

    dur_txn_abort(e->txn);
    dur_registry_unload(&e->registry);
    dur_cancellation_unload(e);
    dur_wait_cache_free(e->wait_cache);
    dur_workflow_cache_free(e->workflows);
    dur_counters_free(&e->slots);
    dur_store_close(e->store);
    free(e);
}


dur_store_t *
dur_engine_store(dur_engine_t *e)
{
    return e->store;
}


dur_rc_t
dur_engine_raise_epoch(dur_engine_t *e, uint64_t seen)
{
    uint8_t    row[8];
    uint64_t   epoch;
    dur_rc_t   rc;
    dur_txn_t *txn;

    epoch = (seen >= e->epoch ? seen : e->epoch) + 1;

    rc = dur_txn_begin(e->store, true, &txn);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_put64(row, epoch);

    (void) dur_txn_put(txn, DUR_T_META, dur_str("epoch"),
                       dur_str_make(row, sizeof(row)));

    rc = dur_txn_commit(txn);
    if (rc == DUR_OK) {
        e->epoch = epoch;
    }

    return rc;
}


/* -- batches -------------------------------------------------------------- */

static void
dur_engine_measure(dur_engine_t *e)
{
    dur_store_stat_t  st;

    if (dur_store_stat(e->store, &st) != DUR_OK) {
        return;
    }

    e->stat.pages_used = st.pages_used;
    e->stat.pages_last = st.pages_last;
    e->stat.readers = st.readers;
    e->stat.pages_total = st.pages_total;
    e->stat.page_size = st.page_size;

    e->nearly_full = st.pages_used
                     >= st.pages_total - st.pages_total / DUR_ENGINE_RESERVE;
}


static void
dur_engine_say_full(dur_engine_t *e)
{
    e->said_full = e->nearly_full;

    if (e->nearly_full) {
        dur_state_log(e, 1, "the store is nearly full (%" PRIu64 " of %"
                      PRIu64 " pages): events are refused, runs go on",
                      e->stat.pages_used, e->stat.pages_total);
        return;
    }

    dur_state_log(e, 2, "the store has room again: events are accepted");
}


dur_rc_t
dur_engine_begin(dur_engine_t *e, int64_t now_ms, dur_arena_t *arena)
{
    dur_rc_t  rc;

    if (e->txn != NULL) {
        return DUR_EINTERNAL;
    }

    dur_engine_measure(e);

    rc = dur_txn_begin(e->store, true, &e->txn);
    if (rc != DUR_OK) {
        return rc;
    }

    e->arena = arena;
    e->now = now_ms;
    e->effects = NULL;
    e->effects_last = &e->effects;
    e->credits = 0;
    e->matching = false;

    if (e->nearly_full != e->said_full) {
        dur_engine_say_full(e);
    }

    return DUR_OK;
}


static dur_rc_t
dur_engine_config(dur_engine_t *e, dur_str_t blob, dur_reply_t *reply)
{
    dur_rc_t      rc;
    dur_config_t  conf;

    rc = dur_config_decode(blob, &conf);
    if (rc != DUR_OK) {
        reply->rc = rc;
        reply->status = 400;
        return DUR_OK;
    }

    e->conf = conf;
    dur_registry_configure(&e->registry);
    reply->status = 200;

    rc = dur_txn_put(e->txn, DUR_T_META, dur_str("config"), blob);

    if (rc == DUR_OK) {
        rc = dur_retention_next(e);
    }

    return rc == DUR_OK ? dur_schedule_start(e) : rc;
}


/* An op that carries an id acts once: sent again, it is answered again. */
static dur_rc_t
dur_engine_once(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    dur_rc_t  rc;

    rc = dur_idem_answer_get(e, &op->id, reply);
    if (rc != DUR_ENOTFOUND) {
        return rc;
    }

    switch (op->type) {

    case DUR_OP_INVOKE:
        rc = dur_invoke_apply(e, op, reply);
        break;

    case DUR_OP_SIGNAL:
        rc = dur_signal_apply(e, op, reply);
        break;

    case DUR_OP_RERUN:
        rc = dur_rerun_apply(e, op, reply);
        break;

    case DUR_OP_REDELIVER:
        rc = dur_redelivery_apply(e, op, reply);
        break;

    case DUR_OP_BULK:
        rc = dur_bulk_apply(e, op, reply);
        break;

    case DUR_OP_APP:
        rc = dur_sync_apply(e, op, reply);
        break;

    default:
        rc = dur_cancellation_apply(e, op, reply);
    }

    /* what was refused did nothing, and may be asked again */

    return (rc == DUR_OK && reply->status < 300)
           ? dur_idem_answer_put(e, &op->id, reply) : rc;
}


static dur_rc_t
dur_engine_decide(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    switch (op->type) {

    case DUR_OP_CONFIG:
        return dur_engine_config(e, op->body, reply);

    case DUR_OP_EVENTS:
        return dur_event_ingest(e, op, reply);

    case DUR_OP_UPLOAD:
        return dur_upload_apply(e, op, reply);

    case DUR_OP_REGISTER:
        return dur_register(e, op->body, reply);

    case DUR_OP_SYNC:
        return dur_sync_report(e, op->url, op->error, reply);

    case DUR_OP_REMOVE:
        return dur_register_remove(e, op->url, reply);

    case DUR_OP_RESULT:
        return dur_result_apply(e, &op->result, reply);

    case DUR_OP_INVENTORY:
        return dur_inventory_apply(e, op->instance, op->body);

    case DUR_OP_DISPATCH:
        return dur_queue_dispatch(e, op->budget);

    case DUR_OP_TIMERS:
        return dur_timer_fire(e, op->resubmitted ? 1 : DUR_ENGINE_TIMERS);

    case DUR_OP_TASKS:
        e->shared = op->budget != 0;
        return dur_task_run(e, op->resubmitted != 0);

    case DUR_OP_CANCEL:
        return dur_run_cancel(e, &op->run, reply);

    case DUR_OP_NOP:
        return DUR_OK;

    case DUR_OP_INVOKE:
    case DUR_OP_SIGNAL:
    case DUR_OP_RERUN:
    case DUR_OP_CANCELLATION:
    case DUR_OP_REDELIVER:
    case DUR_OP_BULK:
    case DUR_OP_APP:
        return dur_engine_once(e, op, reply);

    case DUR_OP_CHECKPOINT:
        return dur_checkpoint_apply(e, op, reply);

    case DUR_OP_ENDPOINT:
        return dur_endpoint_apply(e, op, reply);

    case DUR_OP_PAUSE:
        return dur_register_pause(e, op->url, op->generation != 0, reply);

    case DUR_OP_ROUTES:
        return dur_route_apply(e, op->body, reply);

    case DUR_OP_SERVED:
        return dur_served_apply(e, op, reply);

    case DUR_OP_WORKFLOWS:
        return dur_workflow_apply(e, op->body, reply);

    default:
        reply->rc = DUR_EINVAL;
        reply->status = 400;
        return DUR_OK;
    }
}


static void
dur_engine_seed(dur_engine_t *e, const uint8_t entropy[16])
{
    e->rows = DUR_OP_ROWS;
    e->wakes = DUR_WAKE_MAX;
    e->slots.ntouched = 0;
    e->random = dur_get64(entropy) ^ dur_get64(entropy + 8) * 31;
}


/* The end of an op: the rc of a decision as the rc of its batch. */
static dur_rc_t
dur_engine_outcome(dur_engine_t *e, dur_rc_t rc)
{
    if (rc == DUR_OK) {
        rc = dur_wake_end(e);
    }

    e->credits = 0;

    if (dur_txn_rc(e->txn) != DUR_OK) {
        return dur_txn_rc(e->txn);
    }

    /*
     * These are answers; one that got here was not handled where it arose.  A
     * damaged store is an error of the transaction: ECORRUPT is one row.
     */

    if (rc == DUR_ENOTFOUND || rc == DUR_EEXIST || rc == DUR_ECONFLICT
        || rc == DUR_EINVAL || rc == DUR_ETOOBIG || rc == DUR_ECORRUPT)
    {
        return DUR_EINTERNAL;
    }

    return rc;
}


dur_rc_t
dur_engine_apply(dur_engine_t *e, dur_str_t bytes, dur_reply_t *reply)
{
    dur_rc_t  rc;
    dur_op_t  op;

    memset(reply, 0, sizeof(*reply));
    reply->status = 200;

    rc = dur_op_decode(bytes, &op, e->arena);

    if (rc == DUR_ENOMEM) {
        return rc;
    }

    if (rc != DUR_OK) {
        reply->rc = rc;
        reply->status = 400;
        return DUR_OK;
    }

    dur_engine_seed(e, op.entropy);

    rc = dur_engine_decide(e, &op, reply);

    return dur_engine_outcome(e, rc);
}


dur_rc_t
dur_engine_poison(dur_engine_t *e, dur_str_t bytes, dur_reply_t *reply)
{
    dur_rc_t  rc;
    dur_op_t  op;

    memset(reply, 0, sizeof(*reply));
    reply->rc = DUR_EINTERNAL;
    reply->status = 500;

    rc = dur_op_decode(bytes, &op, e->arena);
    if (rc != DUR_OK) {
        return rc == DUR_ENOMEM ? rc : DUR_OK;
    }

    dur_engine_seed(e, op.entropy);

    switch (op.type) {

    case DUR_OP_RESULT:
        rc = dur_result_poison(e, &op.result);
        break;

    case DUR_OP_TIMERS:
        rc = dur_timer_poison(e);
        break;

    case DUR_OP_TASKS:
        rc = dur_task_poison(e);
        break;

    default:
        rc = DUR_OK;
    }

    dur_state_log(e, 0, "an op of type %u broke an invariant of the engine "
                  "and was refused", op.type);

    return dur_engine_outcome(e, rc);
}


dur_rc_t
dur_engine_commit(dur_engine_t *e, dur_effect_t **effects)
{
    dur_rc_t  rc;

    *effects = NULL;

    if (e->txn == NULL) {
        return DUR_EINTERNAL;
    }

    if (e->timers_dirty) {
        (void) dur_timer_next(e);
    }

    e->counters.sequence++;
    (void) dur_state_counters_put(e);

    rc = dur_txn_commit(e->txn);
    e->txn = NULL;

    if (rc != DUR_OK) {
        dur_engine_abort(e);
        return rc;
    }

    *effects = e->effects;
    e->effects = NULL;

    e->committed_stat = e->stat;
    dur_metrics_copy(&e->committed, &e->metrics);

    return DUR_OK;
}


void
dur_engine_abort(dur_engine_t *e)
{
    dur_rc_t  rc;

    dur_txn_abort(e->txn);
    e->txn = NULL;
    e->effects = NULL;

    e->stat = e->committed_stat;
    memset(&e->metrics, 0, sizeof(e->metrics));
    dur_metrics_copy(&e->metrics, &e->committed);

    /* the caches may hold what did not happen: read them again */

    dur_workflow_cache_free(e->workflows);
    e->workflows = NULL;
    e->planning = false;

    rc = dur_txn_begin(e->store, false, &e->txn);

    if (rc == DUR_OK) {
        (void) dur_engine_load(e);
        dur_txn_abort(e->txn);
        e->txn = NULL;
    }
}


/* -- outside a batch ------------------------------------------------------ */

int64_t
dur_engine_next_due(const dur_engine_t *e)
{
    int64_t                due, wakes;
    uint32_t               i;
    dur_registered_app_t  *app;

    due = e->next_due < e->next_expiry ? e->next_due : e->next_expiry;

    /* a probe that was due in the last batch is ready work, see below */

    for (i = 0; i < e->registry.napps; i++) {
        app = e->registry.apps[i];

        if (app == NULL || !app->maybe_ready
            || !dur_registry_may_call(app, &e->conf))
        {
            continue;
        }

        wakes = dur_target_wakes(&app->target);

        if (wakes > e->now && wakes < due) {
            due = wakes;
        }
    }

    return due;
}


bool
dur_engine_has_timers(const dur_engine_t *e)
{
    return e->next_due <= e->now;
}


bool
dur_engine_has_tasks(const dur_engine_t *e)
{
    return e->has_tasks || e->next_expiry <= e->now;
}


bool
dur_engine_has_ready(const dur_engine_t *e)
{
    uint32_t               i;
    dur_registered_app_t  *app;

    if (e->stat.leases >= e->conf.max_concurrency) {
        return false;
    }

    for (i = 0; i < e->registry.napps; i++) {
        app = e->registry.apps[i];

        if (app != NULL && app->maybe_ready
            && dur_registry_may_call(app, &e->conf)
            && !dur_target_waits(&app->target, e->now))
        {
            return true;
        }
    }

    return false;
}


void
dur_engine_set_feed(dur_engine_t *e, bool on)
{
    e->feed = on;
}


void
dur_engine_set_heard(dur_engine_t *e, bool on)
{
    e->heard = on;
}


void
dur_engine_stat(const dur_engine_t *e, dur_engine_stat_t *stat)
{
    *stat = e->stat;
    stat->epoch = e->epoch;
    stat->sequence = e->counters.sequence;
    stat->runs_live = e->counters.live;
    memcpy(stat->store_id, e->store_id, sizeof(stat->store_id));
}
