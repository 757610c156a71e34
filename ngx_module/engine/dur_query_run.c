/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_query_core.h"
#include "engine/dur_event.h"
#include "engine/dur_json.h"
#include "engine/dur_member.h"
#include "engine/dur_memo.h"
#include "engine/dur_query_wait.h"
#include "engine/dur_ulid.h"


/* Outputs stand in an answer up to here, later ones by their length only. */
#define DUR_QUERY_OUTPUTS  (32 * 1024 * 1024)

#define DUR_QUERY_JOBS     10

/* Events of a batch that are named. */
#define DUR_QUERY_EVENTS   100


/* -- what apps read ------------------------------------------------------- */

static dur_rc_t
dur_query_read_batch(dur_query_t *q, void *id)
{
    dur_rc_t   rc;
    dur_run_t  run;

    rc = dur_run_get(q->txn, id, &run);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_addc(q->out, '[');
    rc = dur_member_events(q->txn, &run, q->out, &q->scratch);
    dur_buf_addc(q->out, ']');

    return rc;
}


dur_rc_t
dur_query_batch(dur_store_t *s, const dur_ulid_t *id, dur_buf_t *out)
{
    return dur_query_read(s, out, dur_query_read_batch, (void *) id);
}


static dur_rc_t
dur_query_read_actions(dur_query_t *q, void *id)
{
    dur_rc_t   rc;
    dur_run_t  run;

    rc = dur_run_get(q->txn, id, &run);

    return rc == DUR_OK ? dur_memo_in_order(q->txn, &run, q->out, &q->scratch)
                        : rc;
}


dur_rc_t
dur_query_actions(dur_store_t *s, const dur_ulid_t *id, dur_buf_t *out)
{
    return dur_query_read(s, out, dur_query_read_actions, (void *) id);
}


/* -- runs ----------------------------------------------------------------- */

void
dur_query_event_ids(dur_query_t *q, const dur_run_t *run)
{
    char        text[DUR_ULID_TEXT_LEN + 1];
    uint32_t    n;
    dur_ulid_t  id;

    dur_buf_addc(q->out, '[');

    for (n = 0; n < DUR_QUERY_EVENTS && n < dur_member_count(run); n++) {

        if (dur_member_event(q->txn, run, n, &id) == DUR_OK) {
            dur_ulid_text(&id, text);
            dur_buf_addf(q->out, "%s\"%s\"", n ? "," : "", text);
        }
    }

    dur_buf_addc(q->out, ']');
}


/* The text of the schedule that started the run. */
static void
dur_query_cron(dur_query_t *q, const char *key, const dur_run_t *run)
{
    json_t       *root;
    const char   *cron;
    dur_event_t   event;

    if (!(run->flags & DUR_RUN_F_SCHEDULED)
        || dur_event_get(q->txn, &run->event, &event) != DUR_OK)
    {
        return;
    }

    dur_buf_reset(&q->scratch);
    (void) dur_payload_get(q->txn, &run->event, &event.json, &q->scratch);

    root = dur_json_parse(dur_buf_str(&q->scratch), NULL);
    cron = json_string_value(json_object_get(json_object_get(root, "data"),
                                             "cron"));
    if (cron != NULL) {
        dur_query_string(q->out, key, dur_str_c(cron));
    }

    json_decref(root);
}


static void
dur_query_write_run_v1(dur_query_t *q, const dur_run_t *run,
    const dur_function_t *fn)
{
    dur_buf_t  *out = q->out;

    dur_query_ulid(out, "run_id", &run->id);
    dur_query_string(out, "status", dur_str_c(dur_query_status(q, run)));
    dur_query_time(out, "run_started_at",
                   run->started ? run->started : run->created);
    dur_query_time(out, "ended_at", run->ended);
    dur_query_function_uuid(out, "function_id", fn);
    dur_query_number(out, "function_version", run->version);
    dur_buf_addz(out, ",\"environment_id\":\"" DUR_QUERY_ENVIRONMENT "\"");
    dur_query_ulid(out, "event_id", &run->event);

    if (run->flags & DUR_RUN_F_BATCH) {
        dur_query_ulid(out, "batch_id", &run->id);
        dur_query_number(out, "events", run->nevents);
    }

    dur_query_string(out, "function", fn->slug);
    dur_query_cron(q, "cron", run);

    if (!dur_query_zero(&run->original)) {
        dur_query_ulid(out, "original_run_id", &run->original);
    }
}


static void
dur_query_write_run_v2(dur_query_t *q, const dur_run_t *run,
    const dur_function_t *fn)
{
    const char            *name;
    dur_buf_t             *out = q->out;
    dur_registered_app_t   app;

    (void) dur_query_app(q, run->app, &app);

    dur_query_ulid(out, "id", &run->id);
    dur_query_key(out, "status");
    dur_buf_addc(out, '"');

    for (name = dur_query_status(q, run); *name; name++) {
        dur_buf_addc(out, (uint8_t) (*name & ~0x20));
    }

    dur_buf_addc(out, '"');
    dur_query_string(out, "appId", app.name);
    dur_query_string(out, "functionId", fn->slug);
    dur_query_time(out, "queuedAt", run->created);
    dur_query_time(out, "startedAt", run->started);
    dur_query_time(out, "endedAt", run->ended);
    dur_query_key(out, "eventIds");
    dur_query_event_ids(q, run);
    dur_query_cron(q, "cronSchedule", run);

    if (!dur_query_zero(&run->original)) {
        dur_query_ulid(out, "originalRunId", &run->original);
    }
}


dur_rc_t
dur_query_write_run(dur_query_t *q, const dur_run_t *run,
    dur_query_shape_t shape)
{
    size_t                 max;
    dur_rc_t               rc;
    dur_function_t         fn;
    dur_registered_app_t   app;

    rc = dur_query_function(q, run->function, &fn);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_query_comma(q->out);
    dur_buf_addc(q->out, '{');

    if (shape == DUR_QUERY_DELIVERY) {
        rc = dur_query_write_delivery(q, run, &fn);
        return rc == DUR_OK ? dur_buf_addc(q->out, '}') : rc;
    }

    if (shape == DUR_QUERY_V2) {
        dur_query_write_run_v2(q, run, &fn);
    } else {
        dur_query_write_run_v1(q, run, &fn);
    }

    if (shape == DUR_QUERY_LIST) {
        (void) dur_query_app(q, run->app, &app);
        dur_query_string(q->out, "app", app.name);
        dur_query_number(q->out, "output_bytes", run->output.length);
        return dur_buf_addc(q->out, '}');
    }

    max = dur_query_room(q, DUR_QUERY_OUTPUTS);
    rc = dur_query_result(q, "output", run, max);

    return rc == DUR_OK ? dur_buf_addc(q->out, '}') : rc;
}


/* A run, or the runs of an event. */
typedef struct {
    const dur_ulid_t   *id;
    dur_query_shape_t   shape;
    bool                whole;      /* nothing is hidden */
} dur_query_which_t;


/* Why it waits, inside of the object that was just written. */
static dur_rc_t
dur_query_add_waiting(dur_query_t *q, const dur_query_which_t *which)
{
    dur_rc_t    rc;
    dur_tree_t  tree;

    rc = dur_tree_load(q, which->id, &tree);

    if (rc != DUR_OK || q->out->failed) {
        return rc;
    }

    q->out->len--;
    dur_tree_sort(&tree);

    rc = dur_query_waiting(q, &tree, which->shape == DUR_QUERY_V2
                                     ? &dur_wait_words_v2
                                     : &dur_wait_words_v1);

    return rc == DUR_OK ? dur_buf_addc(q->out, '}') : rc;
}


static dur_rc_t
dur_query_read_run(dur_query_t *q, void *arg)
{
    dur_rc_t                  rc;
    dur_run_t                 run;
    const dur_query_which_t  *which = arg;

    if (which->whole) {
        q->redact = NULL;
    }

    rc = dur_run_get(q->txn, which->id, &run);
    if (rc == DUR_OK) {
        rc = dur_query_write_run(q, &run, which->shape);
    }

    return rc == DUR_OK ? dur_query_add_waiting(q, which) : rc;
}


dur_rc_t
dur_query_run(dur_store_t *s, const dur_ulid_t *id, dur_buf_t *out)
{
    dur_query_which_t  which = { id, DUR_QUERY_V1, false };

    return dur_query_read(s, out, dur_query_read_run, &which);
}


dur_rc_t
dur_query_run_whole(dur_store_t *s, const dur_ulid_t *id, dur_buf_t *out)
{
    dur_query_which_t  which = { id, DUR_QUERY_V1, true };

    return dur_query_read(s, out, dur_query_read_run, &which);
}


dur_rc_t
dur_query_run_v2(dur_store_t *s, const dur_ulid_t *id, dur_buf_t *out)
{
    dur_query_which_t  which = { id, DUR_QUERY_V2, false };

    return dur_query_read(s, out, dur_query_read_run, &which);
}


dur_rc_t
dur_query_live(dur_store_t *s, const dur_ulid_t *id, bool *live)
{
    dur_rc_t    rc;
    dur_run_t   run;
    dur_txn_t  *txn;

    rc = dur_txn_begin(s, false, &txn);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_run_get(txn, id, &run);
    dur_txn_abort(txn);

    *live = rc == DUR_OK && run.status == DUR_RUN_LIVE;

    return rc;
}


static dur_rc_t
dur_query_read_exists(dur_query_t *q, void *id)
{
    dur_rc_t   rc;
    dur_run_t  run;

    rc = dur_run_get(q->txn, id, &run);

    return rc == DUR_OK ? dur_buf_addz(q->out, "null") : rc;
}


dur_rc_t
dur_query_exists(dur_store_t *s, const dur_ulid_t *id, dur_buf_t *out)
{
    return dur_query_read(s, out, dur_query_read_exists, (void *) id);
}


static dur_rc_t
dur_query_read_event_runs(dur_query_t *q, void *arg)
{
    dur_rc_t                  rc;
    dur_str_t                 k;
    dur_run_t                 run;
    dur_ulid_t                id;
    dur_cursor_t             *c;
    const dur_query_which_t  *which = arg;

    rc = dur_cursor_open(q->txn, DUR_T_EVENT_RUN, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_addc(q->out, '[');

    for (rc = dur_cursor_seek(c, dur_str_make(which->id->b, DUR_ULID_LEN), &k,
                              NULL);
         rc == DUR_OK && k.len == 2 * DUR_ULID_LEN
         && memcmp(k.data, which->id->b, DUR_ULID_LEN) == 0;
         rc = dur_cursor_next(c, &k, NULL))
    {
        memcpy(id.b, k.data + DUR_ULID_LEN, DUR_ULID_LEN);

        rc = dur_run_get(q->txn, &id, &run);
        if (rc == DUR_OK) {
            rc = dur_query_write_run(q, &run, which->shape);
        }

        if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
            break;
        }
    }

    dur_cursor_close(c);
    dur_buf_addc(q->out, ']');

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


dur_rc_t
dur_query_event_runs(dur_store_t *s, const dur_ulid_t *event, dur_buf_t *out)
{
    dur_query_which_t  which = { event, DUR_QUERY_V1, false };

    return dur_query_read(s, out, dur_query_read_event_runs, &which);
}


dur_rc_t
dur_query_event_runs_v2(dur_store_t *s, const dur_ulid_t *event,
    dur_buf_t *out)
{
    dur_query_which_t  which = { event, DUR_QUERY_V2, false };

    return dur_query_read(s, out, dur_query_read_event_runs, &which);
}


/* -- jobs ----------------------------------------------------------------- */

static const char *
dur_query_item_kind(uint8_t kind)
{
    static const char  *names[] = {
        "unknown", "discovery", "step", "sleep", "wait", "gateway", "deadline"
    };

    return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : names[0];
}


static void
dur_query_write_job(dur_query_t *q, dur_table_t where, const dur_item_t *item)
{
    char        hash[DUR_HASH_TEXT_LEN + 1];
    dur_buf_t  *out = q->out;

    dur_query_comma(out);
    dur_buf_addf(out, "{\"JobID\":\"%llu\"", (unsigned long long) item->id);
    dur_query_time(out, "at", item->due);
    dur_query_number(out, "position", 0);
    dur_query_string(out, "kind",
                     dur_str_c(dur_query_item_kind(item->kind)));
    dur_query_number(out, "attempt", item->attempt);
    dur_query_key(out, "Raw");
    dur_buf_addc(out, '{');
    dur_query_string(out, "state", dur_str_c(where == DUR_T_LEASE ? "leased"
                                             : where == DUR_T_TIMER ? "timer"
                                             : "ready"));
    dur_query_number(out, "generation", item->generation);

    if (item->kind != DUR_ITEM_DISCOVERY) {
        dur_hash_text(&item->step, hash);
        dur_query_string(out, "step_id", dur_str_c(hash));
    }

    dur_buf_addz(out, "}}");
}


static dur_rc_t
dur_query_read_jobs(dur_query_t *q, void *id)
{
    uint32_t      i, left;
    dur_rc_t      rc;
    dur_tree_t    tree;
    dur_item_t    item;
    dur_table_t   where;

    rc = dur_tree_load(q, id, &tree);
    if (rc != DUR_OK) {
        return rc;
    }

    left = DUR_QUERY_JOBS;
    dur_buf_addc(q->out, '[');

    where = dur_query_item(q, &tree.run, NULL, &item);
    if (where != DUR_T_MAX) {
        dur_query_write_job(q, where, &item);
        left--;
    }

    for (i = 0; i < tree.nsteps && left > 0; i++) {
        if (tree.steps[i].where != DUR_T_MAX) {
            (void) dur_query_item(q, &tree.run, &tree.steps[i].step, &item);
            dur_query_write_job(q, tree.steps[i].where, &item);
            left--;
        }
    }

    return dur_buf_addc(q->out, ']');
}


dur_rc_t
dur_query_jobs(dur_store_t *s, const dur_ulid_t *id, dur_buf_t *out)
{
    return dur_query_read(s, out, dur_query_read_jobs, (void *) id);
}
