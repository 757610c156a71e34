/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_query.h"
#include "engine/dur_event.h"
#include "engine/dur_history.h"
#include "engine/dur_json.h"
#include "engine/dur_memo.h"
#include "engine/dur_registry.h"
#include "engine/dur_run.h"
#include "engine/dur_step.h"
#include "engine/dur_time.h"
#include "engine/dur_ulid.h"


/* One account and one environment; the SDKs want UUIDs. */
#define DUR_QUERY_ACCOUNT      "00000000-0000-4000-a000-000000000000"
#define DUR_QUERY_ENVIRONMENT  "00000000-0000-4000-b000-000000000000"

#define DUR_QUERY_SCRATCH      (64 * 1024 * 1024)

/* Rows a page of events looks at before it ends early. */
#define DUR_QUERY_SCAN         10000


/* What every query has: a read transaction and a scratch buffer. */
typedef struct {
    dur_txn_t  *txn;
    dur_buf_t  *out;
    dur_buf_t   scratch;
    size_t      start;
} dur_query_t;


static dur_rc_t
dur_query_begin(dur_query_t *q, dur_store_t *s, dur_buf_t *out)
{
    q->out = out;
    q->start = out->len;
    dur_buf_init(&q->scratch, DUR_QUERY_SCRATCH);

    return dur_txn_begin(s, false, &q->txn);
}


static dur_rc_t
dur_query_end(dur_query_t *q, dur_rc_t rc)
{
    dur_txn_abort(q->txn);
    dur_buf_deinit(&q->scratch);

    if (rc == DUR_OK && q->out->failed) {
        rc = DUR_ETOOBIG;
    }

    if (rc != DUR_OK) {
        q->out->len = q->start;
    }

    return rc;
}


static void
dur_query_time(dur_buf_t *out, const char *key, int64_t ms)
{
    char  text[32];

    if (ms == 0) {
        dur_buf_addf(out, ",\"%s\":null", key);
        return;
    }

    dur_rfc3339_text(ms, text);
    dur_buf_addf(out, ",\"%s\":\"%s\"", key, text);
}


static void
dur_query_string(dur_buf_t *out, const char *key, dur_str_t value)
{
    dur_buf_addf(out, ",\"%s\":", key);
    dur_json_write_string(out, value);
}


/* -- runs ----------------------------------------------------------------- */

dur_rc_t
dur_query_batch(dur_store_t *s, const dur_ulid_t *id, dur_buf_t *out)
{
    dur_rc_t     rc;
    dur_run_t    run;
    dur_query_t  q;
    dur_event_t  event;

    rc = dur_query_begin(&q, s, out);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_run_get(q.txn, id, &run);
    if (rc == DUR_OK) {
        rc = dur_event_get(q.txn, &run.event, &event);
    }
    if (rc == DUR_OK) {
        dur_buf_addc(out, '[');
        rc = dur_payload_get_canonical(q.txn, &run.event, &event.json, out,
                                       &q.scratch);
        dur_buf_addc(out, ']');
    }

    return dur_query_end(&q, rc);
}


dur_rc_t
dur_query_actions(dur_store_t *s, const dur_ulid_t *id, dur_buf_t *out)
{
    dur_rc_t     rc;
    dur_run_t    run;
    dur_query_t  q;

    rc = dur_query_begin(&q, s, out);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_run_get(q.txn, id, &run);
    if (rc == DUR_OK) {
        rc = dur_memo_steps(q.txn, &run, out, &q.scratch);
    }

    return dur_query_end(&q, rc);
}


/* A run that waits for its first call is "Scheduled". */
static const char *
dur_query_status(dur_query_t *q, const dur_run_t *run)
{
    uint8_t    key[8];
    dur_str_t  row;

    if (run->status == DUR_RUN_LIVE && run->started == 0) {
        dur_put64(key, run->discovery);

        if (dur_txn_get(q->txn, DUR_T_LEASE, dur_str_make(key, 8), &row)
            == DUR_ENOTFOUND)
        {
            return "Scheduled";
        }
    }

    return dur_run_status_name(run);
}


static dur_rc_t
dur_query_write_run(dur_query_t *q, const dur_run_t *run)
{
    char             id[DUR_ULID_TEXT_LEN + 1], event[DUR_ULID_TEXT_LEN + 1];
    char             uuid[DUR_UUID_TEXT_LEN + 1];
    uint8_t          key[4];
    dur_rc_t         rc;
    dur_str_t        k, row;
    dur_function_t   fn;

    dur_ulid_text(&run->id, id);
    dur_ulid_text(&run->event, event);

    dur_put32(key, run->function);
    k = dur_str_make(key, 4);

    rc = dur_txn_get(q->txn, DUR_T_FUNCTION, k, &row);
    if (rc == DUR_OK) {
        rc = dur_registry_function_decode(k, row, &fn);
    }
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_ECORRUPT : rc;
    }

    dur_uuid5("function", fn.slug, uuid);

    dur_buf_addf(q->out, "{\"run_id\":\"%s\",\"status\":\"%s\"", id,
                 dur_query_status(q, run));
    dur_query_time(q->out, "run_started_at",
                   run->started ? run->started : run->created);
    dur_query_time(q->out, "ended_at", run->ended);
    dur_buf_addf(q->out, ",\"function_id\":\"%s\",\"function_version\":%u,"
                 "\"environment_id\":\"" DUR_QUERY_ENVIRONMENT "\","
                 "\"event_id\":\"%s\"", uuid, run->version, event);
    dur_query_string(q->out, "function", fn.slug);
    dur_buf_addz(q->out, ",\"output\":");

    rc = run->output.length
         ? dur_payload_get(q->txn, &run->id, &run->output, q->out)
         : dur_buf_addz(q->out, "null");

    return rc == DUR_OK ? dur_buf_addc(q->out, '}') : rc;
}


dur_rc_t
dur_query_run(dur_store_t *s, const dur_ulid_t *id, dur_buf_t *out)
{
    dur_rc_t     rc;
    dur_run_t    run;
    dur_query_t  q;

    rc = dur_query_begin(&q, s, out);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_run_get(q.txn, id, &run);
    if (rc == DUR_OK) {
        rc = dur_query_write_run(&q, &run);
    }

    return dur_query_end(&q, rc);
}


dur_rc_t
dur_query_event_runs(dur_store_t *s, const dur_ulid_t *event, dur_buf_t *out)
{
    dur_rc_t       rc;
    dur_str_t      k;
    dur_run_t      run;
    dur_ulid_t     id;
    dur_query_t    q;
    dur_cursor_t  *c;

    rc = dur_query_begin(&q, s, out);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_open(q.txn, DUR_T_EVENT_RUN, &c);
    if (rc != DUR_OK) {
        return dur_query_end(&q, rc);
    }

    dur_buf_addc(out, '[');

    for (rc = dur_cursor_seek(c, dur_str_make(event->b, DUR_ULID_LEN), &k,
                              NULL);
         rc == DUR_OK && k.len == 2 * DUR_ULID_LEN
         && memcmp(k.data, event->b, DUR_ULID_LEN) == 0;
         rc = dur_cursor_next(c, &k, NULL))
    {
        memcpy(id.b, k.data + DUR_ULID_LEN, DUR_ULID_LEN);

        rc = dur_run_get(q.txn, &id, &run);

        if (rc == DUR_OK) {
            if (out->data[out->len - 1] != '[') {
                dur_buf_addc(out, ',');
            }
            rc = dur_query_write_run(&q, &run);
        }

        if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
            break;
        }
    }

    dur_cursor_close(c);
    dur_buf_addc(out, ']');

    return dur_query_end(&q, rc == DUR_ENOTFOUND ? DUR_OK : rc);
}


/* -- events --------------------------------------------------------------- */

static dur_rc_t
dur_query_write_event(dur_query_t *q, const dur_ulid_t *id,
    const dur_event_t *event)
{
    char      text[DUR_ULID_TEXT_LEN + 1];
    dur_rc_t  rc;

    dur_ulid_text(id, text);

    dur_buf_addf(q->out, "{\"internal_id\":\"%s\","
                 "\"account_id\":\"" DUR_QUERY_ACCOUNT "\","
                 "\"environment_id\":\"" DUR_QUERY_ENVIRONMENT "\","
                 "\"source\":\"\",\"source_id\":null", text);
    dur_query_time(q->out, "received_at", event->received);

    dur_buf_reset(&q->scratch);

    rc = dur_payload_get(q->txn, id, &event->json, &q->scratch);
    if (rc != DUR_OK) {
        return rc;
    }

    if (q->scratch.len < 2) {
        return DUR_ECORRUPT;
    }

    /* the stored object goes on where ours ends */

    dur_buf_addc(q->out, ',');

    return dur_buf_add(q->out, q->scratch.data + 1, q->scratch.len - 1);
}


dur_rc_t
dur_query_event(dur_store_t *s, const dur_ulid_t *id, dur_buf_t *out)
{
    dur_rc_t     rc;
    dur_query_t  q;
    dur_event_t  event;

    rc = dur_query_begin(&q, s, out);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_event_get(q.txn, id, &event);
    if (rc == DUR_OK) {
        rc = dur_query_write_event(&q, id, &event);
    }

    return dur_query_end(&q, rc);
}


static dur_rc_t
dur_query_page(dur_query_t *q, dur_cursor_t *c,
    const dur_query_events_t *want)
{
    unsigned      found, seen;
    dur_rc_t      rc;
    dur_str_t     k, v;
    dur_ulid_t    id;
    dur_event_t   event;

    found = 0;

    if (want->cursor != NULL) {
        rc = dur_cursor_seek(c, dur_str_make(want->cursor->b, DUR_ULID_LEN),
                             &k, &v);
        rc = (rc == DUR_ENOTFOUND) ? dur_cursor_last(c, &k, &v)
                                   : dur_cursor_prev(c, &k, &v);
    } else {
        rc = dur_cursor_last(c, &k, &v);
    }

    for (seen = 0;
         rc == DUR_OK && found < want->limit && seen < DUR_QUERY_SCAN;
         rc = dur_cursor_prev(c, &k, &v), seen++)
    {
        if (k.len != DUR_ULID_LEN) {
            return DUR_ECORRUPT;
        }

        memcpy(id.b, k.data, DUR_ULID_LEN);

        rc = dur_event_decode(v, &event);
        if (rc != DUR_OK) {
            return rc;
        }

        if (event.received < want->after_ms
            || event.received >= want->before_ms
            || (want->name.len && !dur_str_eq(want->name, event.name)))
        {
            continue;
        }

        if (found++) {
            dur_buf_addc(q->out, ',');
        }

        rc = dur_query_write_event(q, &id, &event);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


dur_rc_t
dur_query_events(dur_store_t *s, const dur_query_events_t *want,
    dur_buf_t *out)
{
    dur_rc_t       rc;
    dur_query_t    q;
    dur_cursor_t  *c;

    rc = dur_query_begin(&q, s, out);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_open(q.txn, DUR_T_EVENT, &c);

    if (rc == DUR_OK) {
        dur_buf_addc(out, '[');
        rc = dur_query_page(&q, c, want);
        dur_buf_addc(out, ']');
        dur_cursor_close(c);
    }

    return dur_query_end(&q, rc);
}


/* -- history -------------------------------------------------------------- */

static void
dur_query_write_attempt(dur_query_t *q, const dur_run_t *run,
    const dur_history_t *h)
{
    char        hash[DUR_HASH_TEXT_LEN + 1];
    dur_step_t  step;

    dur_buf_addf(q->out, "{\"outcome\":\"%s\",\"attempt\":%u,\"status\":%u,"
                 "\"job_id\":\"%llu\",\"generation\":%u,\"duration_us\":%llu",
                 dur_history_outcome_name(h->outcome), h->attempt, h->status,
                 (unsigned long long) h->item, h->generation,
                 (unsigned long long) h->duration);
    dur_query_time(q->out, "started_at", h->started);

    if (h->kind == DUR_ITEM_STEP || h->kind == DUR_ITEM_GATEWAY) {
        dur_hash_text(&h->step, hash);
        dur_buf_addf(q->out, ",\"step_id\":\"%s\"", hash);

        if (dur_step_get(q->txn, &run->id, &h->step, &step) == DUR_OK) {
            dur_query_string(q->out, "step", step.name);
        }
    }

    if (h->at) {
        dur_query_time(q->out, "retry_at", h->at);
    }

    if (h->error.len) {
        dur_query_string(q->out, "error", h->error);
    }

    dur_buf_addc(q->out, '}');
}


dur_rc_t
dur_query_history(dur_store_t *s, const dur_ulid_t *id, dur_buf_t *out)
{
    dur_rc_t        rc;
    dur_str_t       k, v;
    dur_run_t       run;
    dur_query_t     q;
    dur_cursor_t   *c;
    dur_history_t   h;

    rc = dur_query_begin(&q, s, out);
    if (rc != DUR_OK) {
        return rc;
    }

    c = NULL;
    rc = dur_run_get(q.txn, id, &run);
    if (rc == DUR_OK) {
        rc = dur_cursor_open(q.txn, DUR_T_HISTORY, &c);
    }
    if (rc != DUR_OK) {
        return dur_query_end(&q, rc);
    }

    dur_buf_addc(out, '[');

    for (rc = dur_cursor_seek(c, dur_str_make(id->b, DUR_ULID_LEN), &k, &v);
         rc == DUR_OK && memcmp(k.data, id->b, DUR_ULID_LEN) == 0;
         rc = dur_cursor_next(c, &k, &v))
    {
        rc = dur_history_decode(v, &h);
        if (rc != DUR_OK) {
            break;
        }

        if (out->data[out->len - 1] != '[') {
            dur_buf_addc(out, ',');
        }

        dur_query_write_attempt(&q, &run, &h);
    }

    dur_cursor_close(c);
    dur_buf_addc(out, ']');

    return dur_query_end(&q, rc == DUR_ENOTFOUND ? DUR_OK : rc);
}


/* -- apps and functions --------------------------------------------------- */

typedef void (*dur_query_row_pt)(dur_query_t *q, dur_str_t key,
    dur_str_t row, void *data);


/* An array of what the handler writes for each row of a table. */
static dur_rc_t
dur_query_table(dur_query_t *q, dur_table_t table, dur_query_row_pt handler,
    void *data)
{
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    rc = dur_cursor_open(q->txn, table, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_addc(q->out, '[');

    for (rc = dur_cursor_seek(c, dur_str_null, &k, &v);
         rc == DUR_OK;
         rc = dur_cursor_next(c, &k, &v))
    {
        handler(q, k, v, data);
    }

    dur_cursor_close(c);
    dur_buf_addc(q->out, ']');

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static void
dur_query_comma(dur_query_t *q)
{
    if (q->out->len && q->out->data[q->out->len - 1] == '}') {
        dur_buf_addc(q->out, ',');
    }
}


static void
dur_query_write_function(dur_query_t *q, dur_str_t key, dur_str_t row,
    void *data)
{
    char                         fn_id[DUR_UUID_TEXT_LEN + 1];
    char                         app_id[DUR_UUID_TEXT_LEN + 1];
    dur_function_t               fn;
    const dur_registered_app_t  *app = data;

    if (dur_registry_function_decode(key, row, &fn) != DUR_OK
        || (app->id != 0 && fn.app != app->id))
    {
        return;
    }

    dur_uuid5("function", fn.slug, fn_id);
    dur_uuid5("app", app->name, app_id);

    dur_query_comma(q);
    dur_buf_addf(q->out, "{\"internal_id\":\"%s\","
                 "\"env_id\":\"" DUR_QUERY_ENVIRONMENT "\","
                 "\"app_id\":\"%s\"", fn_id, app_id);
    dur_query_string(q->out, "id", fn.slug);
    dur_query_string(q->out, "name", fn.name);
    dur_buf_addf(q->out, ",\"version\":%u,\"config\":", fn.version);
    dur_buf_adds(q->out, fn.config);
    dur_query_time(q->out, "created_at", fn.created);
    dur_query_time(q->out, "archived_at", fn.archived ? fn.archived_at : 0);
    dur_buf_addc(q->out, '}');
}


static dur_rc_t
dur_query_find_app(dur_query_t *q, dur_str_t name, dur_registered_app_t *app)
{
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    memset(app, 0, sizeof(*app));

    if (name.len == 0) {
        return DUR_OK;
    }

    rc = dur_cursor_open(q->txn, DUR_T_APP, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_str_null, &k, &v);
         rc == DUR_OK;
         rc = dur_cursor_next(c, &k, &v))
    {
        rc = dur_registry_app_decode(k, v, app);

        if (rc != DUR_OK || dur_str_eq(app->name, name)) {
            break;
        }
    }

    dur_cursor_close(c);

    return rc;
}


dur_rc_t
dur_query_functions(dur_store_t *s, dur_str_t name, dur_buf_t *out)
{
    dur_rc_t               rc;
    dur_query_t            q;
    dur_registered_app_t   app;

    rc = dur_query_begin(&q, s, out);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_query_find_app(&q, name, &app);
    if (rc == DUR_OK) {
        rc = dur_query_table(&q, DUR_T_FUNCTION, dur_query_write_function,
                             &app);
    }

    return dur_query_end(&q, rc);
}


static void
dur_query_count_function(dur_query_t *q, dur_str_t key, dur_str_t row,
    void *data)
{
    dur_function_t  fn;
    unsigned       *count = data;

    (void) q;

    /* count[0] is the app, count[1] the number */

    if (dur_registry_function_decode(key, row, &fn) == DUR_OK
        && !fn.archived && fn.app == count[0])
    {
        count[1]++;
    }
}


static void
dur_query_write_app(dur_query_t *q, dur_str_t key, dur_str_t row, void *data)
{
    char                  id[DUR_UUID_TEXT_LEN + 1];
    size_t                length;
    unsigned              count[2];
    dur_registered_app_t  app;

    (void) data;

    if (dur_registry_app_decode(key, row, &app) != DUR_OK || app.removed) {
        return;
    }

    count[0] = app.id;
    count[1] = 0;
    length = q->out->len;
    (void) dur_query_table(q, DUR_T_FUNCTION, dur_query_count_function,
                           count);
    q->out->len = length;

    dur_uuid5("app", app.name, id);

    dur_query_comma(q);
    dur_buf_addf(q->out, "{\"id\":\"%s\",\"registered\":%s,"
                 "\"functions\":%u", id, app.registered ? "true" : "false",
                 count[1]);
    dur_query_string(q->out, "name", app.name);
    dur_query_string(q->out, "url", app.url);
    dur_query_string(q->out, "sdk", app.sdk);
    dur_query_string(q->out, "framework", app.framework);
    dur_query_string(q->out, "version", app.version);
    dur_query_string(q->out, "error", app.error);
    dur_buf_addc(q->out, '}');
}


dur_rc_t
dur_query_apps(dur_store_t *s, dur_buf_t *out)
{
    dur_rc_t     rc;
    dur_query_t  q;

    rc = dur_query_begin(&q, s, out);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_query_table(&q, DUR_T_APP, dur_query_write_app, NULL);

    return dur_query_end(&q, rc);
}


static void
dur_query_write_parked(dur_query_t *q, dur_str_t key, dur_str_t row,
    void *data)
{
    dur_str_t              value;
    dur_target_t           t;
    dur_registered_app_t   app;

    (void) data;

    if (dur_target_decode(row, &t) != DUR_OK || t.parked == 0
        || dur_txn_get(q->txn, DUR_T_APP, key, &value) != DUR_OK
        || dur_registry_app_decode(key, value, &app) != DUR_OK)
    {
        return;
    }

    dur_query_comma(q);
    dur_buf_addz(q->out, "{\"app\":");
    dur_json_write_string(q->out, app.name);
    dur_query_string(q->out, "url", app.url);
    dur_query_string(q->out, "error", dur_str_c(t.error));
    dur_query_time(q->out, "parked_at", t.parked);
    dur_query_time(q->out, "probe_at", t.probe_at);
    dur_buf_addc(q->out, '}');
}


dur_rc_t
dur_query_parked(dur_store_t *s, dur_buf_t *out)
{
    dur_rc_t     rc;
    dur_query_t  q;

    rc = dur_query_begin(&q, s, out);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_query_table(&q, DUR_T_TARGET, dur_query_write_parked, NULL);

    return dur_query_end(&q, rc);
}
