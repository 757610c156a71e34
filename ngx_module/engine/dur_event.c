/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_event.h"
#include "engine/dur_flow.h"
#include "engine/dur_invoke.h"
#include "engine/dur_json.h"
#include "engine/dur_match.h"
#include "engine/dur_retention.h"
#include "engine/dur_state.h"
#include "engine/dur_task.h"
#include "engine/dur_ulid.h"
#include "engine/dur_upload.h"
#include "engine/dur_wait.h"


/* Rows one started run costs: run, event_run, item, idem. */
#define DUR_EVENT_RUN_ROWS   4

/* Runs that a reply names at most. */
#define DUR_EVENT_RUNS       8

/* The largest one that is read back; the engine makes larger ones than it
 * takes. */
#define DUR_EVENT_MAX  (16 * 1024 * 1024)


/* -- rows ----------------------------------------------------------------- */

dur_rc_t
dur_event_put(dur_engine_t *e, const dur_op_event_t *sent)
{
    uint8_t        *row;
    size_t          size;
    uint32_t        sequence;
    dur_rc_t        rc;
    dur_enc_t       w;
    dur_payload_t   json;

    sequence = 0;

    rc = (sent->flags & DUR_EVENT_F_UPLOADED)
         ? dur_upload_take(e, sent, &json)
         : dur_payload_put(e->txn, &sent->id, &sequence, sent->json,
                           (sent->flags & DUR_EVENT_F_CANONICAL)
                           ? DUR_PAYLOAD_F_CANONICAL : 0, &json);
    if (rc != DUR_OK) {
        return rc;
    }

    size = 64 + sent->name.len + sent->client_id.len + DUR_PAYLOAD_INLINE;
    row = e->row;

    if (size > sizeof(e->row)) {
        row = dur_arena_alloc(e->arena, size);
        if (row == NULL) {
            return DUR_ENOMEM;
        }
    }

    dur_enc_init(&w, row, size);

    dur_enc_begin(&w);
    dur_enc_u8(&w, sent->flags & DUR_EVENT_F_CANONICAL);
    dur_enc_u64(&w, (uint64_t) e->now);
    dur_enc_u64(&w, (uint64_t) sent->ts);
    dur_enc_u64(&w, e->counters.sequence);
    dur_enc_end(&w);

    dur_enc_str(&w, sent->name);
    dur_enc_str(&w, sent->client_id);
    dur_payload_enc(&w, &json);

    if (w.failed) {
        return DUR_EINTERNAL;
    }

    dur_metrics_event(e, sent->name);

    return dur_txn_put(e->txn, DUR_T_EVENT, dur_ulid_key(&sent->id),
                       dur_enc_done(&w));
}


dur_rc_t
dur_event_decode(dur_str_t row, dur_event_t *event)
{
    dur_dec_t  r;

    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    event->flags = dur_dec_u8(&r);
    event->received = (int64_t) dur_dec_u64(&r);
    event->ts = (int64_t) dur_dec_u64(&r);
    event->sequence = dur_dec_u64(&r);
    dur_dec_end(&r);

    event->name = dur_dec_str(&r);
    event->client_id = dur_dec_str(&r);
    dur_payload_dec(&r, &event->json);

    return r.failed ? DUR_ECORRUPT : DUR_OK;
}


dur_rc_t
dur_event_get(dur_txn_t *t, const dur_ulid_t *id, dur_event_t *event)
{
    dur_rc_t   rc;
    dur_str_t  row;

    rc = dur_txn_get(t, DUR_T_EVENT, dur_ulid_key(id), &row);

    return rc == DUR_OK ? dur_event_decode(row, event) : rc;
}


dur_rc_t
dur_event_recall(dur_engine_t *e, const dur_ulid_t *id, bool read,
    dur_run_event_t *event)
{
    dur_rc_t     rc;
    dur_buf_t    b;
    dur_event_t  row;

    rc = dur_event_get(e->txn, id, &row);
    if (rc != DUR_OK) {
        return rc == DUR_ECORRUPT ? DUR_ENOTFOUND : rc;
    }

    memset(event, 0, sizeof(*event));
    event->id = *id;
    event->ts = row.ts;
    event->name = dur_arena_copy(e->arena, row.name);
    event->client_id = dur_arena_copy(e->arena, row.client_id);

    if (event->name.data == NULL || event->client_id.data == NULL) {
        return DUR_ENOMEM;
    }

    if (!read) {
        return DUR_OK;
    }

    dur_buf_init(&b, (size_t) row.json.length + 1);

    rc = dur_payload_get(e->txn, id, &row.json, &b);
    if (rc == DUR_OK) {
        event->json = dur_arena_copy(e->arena, dur_buf_str(&b));
        rc = event->json.data ? DUR_OK : DUR_ENOMEM;
    }

    dur_buf_deinit(&b);

    return rc == DUR_ECORRUPT ? DUR_ENOTFOUND : rc;
}


dur_rc_t
dur_event_delete(dur_engine_t *e, const dur_ulid_t *id, unsigned *budget)
{
    dur_rc_t     rc;
    dur_event_t  event;

    rc = dur_event_get(e->txn, id, &event);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    if (event.json.where == 2) {
        rc = dur_payload_purge(e->txn, id, budget);
        if (rc != DUR_OK || *budget == 0) {
            return rc;
        }
    }

    if (*budget > 0) {
        (*budget)--;
    }

    return dur_txn_del(e->txn, DUR_T_EVENT, dur_ulid_key(id));
}


/* -- routing -------------------------------------------------------------- */

/* The event parsed, once for all functions whose options look into it; NULL
 * when none does, or when it cannot be read: they find out. */
static json_t *
dur_event_root(dur_function_t **functions, size_t n, dur_str_t json)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (dur_option_reads(&functions[i]->option)) {
            return dur_json_parse(json, NULL);
        }
    }

    return NULL;
}


/*
 * Starts the runs of the functions with an id of at least `from`; stops when
 * *rows is used up, *next is then the function to go on with, else 0.
 */
static dur_rc_t
dur_event_route(dur_engine_t *e, dur_run_event_t *event, uint32_t from,
    unsigned *rows, uint32_t *next)
{
    bool              none;
    size_t            i, n;
    dur_rc_t          rc;
    dur_run_t         run;
    unsigned          cost;
    dur_start_t       start;
    dur_function_t   *invoked, **functions;
    dur_match_key_t   key = { event->name, event->json, e->now };

    *next = 0;
    none = false;
    invoked = dur_invoke_target(&e->registry, event->name, event->json);

    rc = dur_match_event(&e->registry, &key, e->arena, &functions, &n);
    if (rc != DUR_OK) {
        return rc;
    }

    if (n == 0 && from == 0) {
        return dur_retention_event(e, &event->id);
    }

    event->root = dur_event_root(functions, n, event->json);

    for (i = 0; i < n; i++) {
        if (functions[i]->id < from) {
            continue;
        }

        if (functions[i] == invoked || functions[i]->id == event->past) {
            none = true;
            continue;
        }

        cost = DUR_EVENT_RUN_ROWS + functions[i]->option.rows;

        if (*rows < cost) {
            *next = functions[i]->id;
            none = false;
            break;
        }

        *rows -= cost;

        rc = dur_run_start(e, functions[i], event, &run, &start);
        if (rc != DUR_OK) {
            break;
        }

        none |= start != DUR_START_RUN && start != DUR_START_SKIPPED;
    }

    json_decref((json_t *) event->root);
    event->root = NULL;

    /* a client's id or a rate limit may have kept all of them from starting */

    return (rc == DUR_OK && none) ? dur_retention_unused(e, &event->id) : rc;
}


/* Routes a fresh event as far as *rows goes, the rest becomes a task; past a
 * function that has it already, or 0. */
static dur_rc_t
dur_event_accept(dur_engine_t *e, const dur_op_event_t *sent, bool quiet,
    uint32_t past, unsigned *rows)
{
    dur_rc_t          rc;
    uint32_t          next;
    dur_run_event_t   event;
    dur_wait_match_t  match;

    if (dur_wait_any(e, sent->name)) {
        match.id = sent->id;
        match.name = sent->name;
        match.json = sent->json;

        rc = dur_wait_match(e, &match, rows);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    if (!dur_match_any(&e->registry, sent->name)) {
        return dur_retention_event(e, &sent->id);
    }

    memset(&event, 0, sizeof(event));
    event.id = sent->id;
    event.ts = sent->ts;
    event.name = sent->name;
    event.client_id = sent->client_id;
    event.json = sent->json;
    event.quiet = quiet;
    event.past = past;

    if (*rows < DUR_EVENT_RUN_ROWS) {
        return dur_task_fan_out(e, &sent->id, 0, quiet);
    }

    rc = dur_event_route(e, &event, 0, rows, &next);

    if (rc == DUR_OK && next != 0) {
        rc = dur_task_fan_out(e, &sent->id, next, quiet);
    }

    return rc;
}


/* Whether what it meets looks into an event of this name. */
static bool
dur_event_is_read(dur_engine_t *e, dur_str_t name)
{
    return dur_wait_any(e, name)
           || dur_match_reads(&e->registry, name, e->arena);
}


/* The same for one that was uploaded: it is read only when it must be. */
static dur_rc_t
dur_event_accept_upload(dur_engine_t *e, const dur_op_event_t *sent,
    unsigned *rows)
{
    dur_rc_t        rc;
    dur_buf_t       json;
    dur_event_t     row;
    dur_op_event_t  event;

    if (!dur_event_is_read(e, sent->name)) {
        return dur_event_accept(e, sent, false, 0, rows);
    }

    dur_buf_init(&json, DUR_EVENT_MAX);

    rc = dur_event_get(e->txn, &sent->id, &row);
    if (rc == DUR_OK) {
        rc = dur_payload_get(e->txn, &sent->id, &row.json, &json);
    }

    if (rc == DUR_OK) {
        event = *sent;
        event.json = dur_buf_str(&json);

        rc = dur_event_accept(e, &event, false, 0, rows);
    }

    dur_buf_deinit(&json);

    return rc;
}


/*
 * Whether the stored event is the one that was sent: DUR_OK, DUR_ECONFLICT for
 * another one, DUR_ENOTFOUND when its id is free.
 */
static dur_rc_t
dur_event_compare(dur_engine_t *e, const dur_op_event_t *sent)
{
    dur_rc_t     rc;
    dur_buf_t    json;
    dur_event_t  row;

    rc = dur_event_get(e->txn, &sent->id, &row);
    if (rc != DUR_OK) {
        return rc;
    }

    if (sent->flags & DUR_EVENT_F_UPLOADED) {
        return row.json.length == sent->length ? DUR_OK : DUR_ECONFLICT;
    }

    if (row.json.length != sent->json.len) {
        return DUR_ECONFLICT;
    }

    dur_buf_init(&json, sent->json.len + 1);

    rc = dur_payload_get(e->txn, &sent->id, &row.json, &json);

    if (rc == DUR_OK && !dur_str_eq(dur_buf_str(&json), sent->json)) {
        rc = DUR_ECONFLICT;
    }

    dur_buf_deinit(&json);

    return rc;
}


/*
 * A request that was stored is stored whole, so all of its events are there
 * and the same, or none.  DUR_OK, DUR_ECONFLICT, DUR_ENOTFOUND as above.
 */
static dur_rc_t
dur_event_compare_all(dur_engine_t *e, const dur_op_t *op)
{
    size_t    i, found;
    dur_rc_t  rc;

    for (i = 0, found = 0; i < op->nevents; i++) {
        rc = dur_event_compare(e, &op->events[i]);

        if (rc == DUR_OK) {
            found++;

        } else if (rc != DUR_ENOTFOUND) {
            return rc;
        }
    }

    if (found == 0) {
        return DUR_ENOTFOUND;
    }

    return found == op->nevents ? DUR_OK : DUR_ECONFLICT;
}


/*
 * The runs that the event has started, as {"runs":[..]}, when they are few: a
 * webhook's request log names its delivery.  Read back, so that an event that
 * is sent again is answered alike.
 */
static dur_rc_t
dur_event_runs(dur_engine_t *e, const dur_ulid_t *id, dur_reply_t *reply)
{
    char           text[DUR_ULID_TEXT_LEN + 1];
    size_t         n;
    dur_rc_t       rc;
    dur_buf_t      b;
    dur_str_t      k;
    dur_ulid_t     run;
    dur_cursor_t  *c;

    rc = dur_cursor_open(e->txn, DUR_T_EVENT_RUN, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_init(&b, 1024);
    dur_buf_addz(&b, "{\"runs\":[");
    n = 0;

    for (rc = dur_cursor_seek(c, dur_ulid_key(id), &k, NULL);
         rc == DUR_OK && k.len == 2 * DUR_ULID_LEN && n <= DUR_EVENT_RUNS
         && memcmp(k.data, id->b, DUR_ULID_LEN) == 0;
         rc = dur_cursor_next(c, &k, NULL))
    {
        memcpy(run.b, k.data + DUR_ULID_LEN, DUR_ULID_LEN);

        if (dur_flow_is_hold(&run)) {
            continue;
        }

        dur_ulid_text(&run, text);
        dur_buf_addf(&b, "%s\"%s\"", n++ ? "," : "", text);
    }

    dur_cursor_close(c);
    dur_buf_addz(&b, "]}");

    if (n > 0 && n <= DUR_EVENT_RUNS && !b.failed) {
        reply->body = dur_arena_copy(e->arena, dur_buf_str(&b));
    }

    dur_buf_deinit(&b);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static dur_rc_t
dur_event_find_uploads(dur_engine_t *e, const dur_op_t *op)
{
    size_t    i;
    dur_rc_t  rc;

    for (i = 0, rc = DUR_OK; i < op->nevents && rc == DUR_OK; i++) {
        if (op->events[i].flags & DUR_EVENT_F_UPLOADED) {
            rc = dur_upload_find(e, &op->events[i]);
        }
    }

    return rc;
}


/* Those of the first event that has any; a webhook is one, or two. */
static dur_rc_t
dur_event_first_runs(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    size_t    i;
    dur_rc_t  rc;

    rc = DUR_OK;

    if (op->nevents > 2) {
        return rc;
    }

    for (i = 0; i < op->nevents && rc == DUR_OK && reply->body.len == 0; i++) {
        rc = dur_event_runs(e, &op->events[i].id, reply);
    }

    return rc;
}


dur_rc_t
dur_event_ingest(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    size_t    i;
    unsigned  rows;
    dur_rc_t  rc;
    uint64_t  started;

    if (e->nearly_full) {
        reply->rc = DUR_EFULL;
        reply->status = 503;
        return DUR_OK;
    }

    rc = dur_event_compare_all(e, op);

    if (rc == DUR_OK) {
        reply->flags |= DUR_REPLY_F_DUPLICATE;
        return dur_event_first_runs(e, op, reply);
    }

    if (rc == DUR_ECONFLICT) {
        reply->status = 409;
        return DUR_OK;
    }

    if (rc != DUR_ENOTFOUND) {
        return rc;
    }

    rc = dur_event_find_uploads(e, op);

    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND
               ? dur_state_refuse(e, reply, 503, "what was uploaded of the "
                                  "event is not there any more: send it "
                                  "again")
               : rc;
    }

    rows = DUR_OP_ROWS;
    started = e->stat.runs_started;

    for (i = 0; i < op->nevents; i++) {
        rc = dur_event_put(e, &op->events[i]);
        if (rc != DUR_OK) {
            return rc;
        }

        if (rows > 0) {
            rows--;
        }

        rc = (op->events[i].flags & DUR_EVENT_F_UPLOADED)
             ? dur_event_accept_upload(e, &op->events[i], &rows)
             : dur_event_accept(e, &op->events[i], false, 0, &rows);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    e->stat.events += op->nevents;

    return e->stat.runs_started != started
           ? dur_event_first_runs(e, op, reply) : DUR_OK;
}


dur_rc_t
dur_event_fan_out(dur_engine_t *e, const dur_ulid_t *id, uint32_t *cursor,
    bool quiet, unsigned *rows)
{
    dur_rc_t         rc;
    uint32_t         from;
    dur_buf_t        json;
    dur_event_t      row;
    dur_run_event_t  event;

    from = *cursor;
    *cursor = 0;

    rc = dur_event_get(e->txn, id, &row);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    dur_buf_init(&json, DUR_EVENT_MAX);

    rc = dur_payload_get(e->txn, id, &row.json, &json);

    if (rc == DUR_OK) {
        memset(&event, 0, sizeof(event));
        event.id = *id;
        event.ts = row.ts;
        event.name = dur_arena_copy(e->arena, row.name);
        event.client_id = dur_arena_copy(e->arena, row.client_id);
        event.json = dur_buf_str(&json);
        event.quiet = quiet;

        rc = dur_event_route(e, &event, from, rows, cursor);
    }

    dur_buf_deinit(&json);

    return rc;
}


dur_rc_t
dur_event_emit(dur_engine_t *e, const dur_op_event_t *event, bool quiet)
{
    dur_rc_t  rc;

    rc = dur_event_put(e, event);

    return rc == DUR_OK ? dur_event_publish(e, event, quiet) : rc;
}


dur_rc_t
dur_event_publish(dur_engine_t *e, const dur_op_event_t *event, bool quiet)
{
    return dur_event_accept(e, event, quiet, 0, &e->rows);
}


dur_rc_t
dur_event_scheduled(dur_engine_t *e, const dur_op_event_t *event,
    uint32_t function)
{
    if (!dur_wait_any(e, event->name)
        && !dur_match_any(&e->registry, event->name))
    {
        return DUR_OK;
    }

    return dur_event_accept(e, event, false, function, &e->rows);
}
