/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_event.h"
#include "engine/dur_json.h"
#include "engine/dur_match.h"
#include "engine/dur_retention.h"
#include "engine/dur_state.h"
#include "engine/dur_task.h"
#include "engine/dur_ulid.h"


/* Rows one started run costs: run, event_run, item, idem. */
#define DUR_EVENT_RUN_ROWS   4

#define DUR_EVENT_LIFECYCLE_MAX  (16 * 1024 * 1024)


/* -- rows ----------------------------------------------------------------- */

static dur_rc_t
dur_event_put(dur_engine_t *e, const dur_op_event_t *sent)
{
    uint8_t        *row;
    size_t          size;
    uint32_t        sequence;
    dur_rc_t        rc;
    dur_enc_t       w;
    dur_payload_t   json;

    sequence = 0;

    rc = dur_payload_put(e->txn, &sent->id, &sequence, sent->json,
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
    dur_enc_u8(&w, sent->flags);
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

/*
 * Starts the runs of the functions with an id of at least `from`; stops when
 * *rows is used up, *next is then the function to go on with, else 0.
 */
static dur_rc_t
dur_event_route(dur_engine_t *e, const dur_run_event_t *event, dur_str_t json,
    uint32_t from, unsigned *rows, uint32_t *next)
{
    size_t            i, n;
    dur_rc_t          rc;
    dur_function_t  **functions;
    dur_match_key_t   key = { event->name, json, e->now };

    *next = 0;

    rc = dur_match_event(&e->registry, &key, e->arena, &functions, &n);
    if (rc != DUR_OK) {
        return rc;
    }

    if (n == 0 && from == 0) {
        return dur_retention_event(e, &event->id);
    }

    for (i = 0; i < n; i++) {
        if (functions[i]->id < from) {
            continue;
        }

        if (*rows < DUR_EVENT_RUN_ROWS) {
            *next = functions[i]->id;
            return DUR_OK;
        }

        *rows -= DUR_EVENT_RUN_ROWS;

        rc = dur_run_start(e, functions[i], event);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    /* a client's id may have kept all of them from starting */

    return event->client_id.len ? dur_retention_unused(e, &event->id)
                                : DUR_OK;
}


/* Routes a fresh event as far as *rows goes, the rest becomes a task. */
static dur_rc_t
dur_event_accept(dur_engine_t *e, const dur_op_event_t *sent, bool quiet,
    unsigned *rows)
{
    dur_rc_t         rc;
    uint32_t         next;
    dur_run_event_t  event;

    if (!dur_match_any(&e->registry, sent->name)) {
        return dur_retention_event(e, &sent->id);
    }

    memset(&event, 0, sizeof(event));
    event.id = sent->id;
    event.ts = sent->ts;
    event.name = sent->name;
    event.client_id = sent->client_id;
    event.quiet = quiet;

    if (*rows < DUR_EVENT_RUN_ROWS) {
        return dur_task_fan_out(e, &sent->id, 0, quiet);
    }

    rc = dur_event_route(e, &event, sent->json, 0, rows, &next);

    if (rc == DUR_OK && next != 0) {
        rc = dur_task_fan_out(e, &sent->id, next, quiet);
    }

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


dur_rc_t
dur_event_ingest(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    size_t    i;
    unsigned  rows;
    dur_rc_t  rc;

    if (e->nearly_full) {
        reply->rc = DUR_EFULL;
        reply->status = 503;
        return DUR_OK;
    }

    rc = dur_event_compare_all(e, op);

    if (rc == DUR_OK) {
        reply->flags |= DUR_REPLY_F_DUPLICATE;
        return DUR_OK;
    }

    if (rc == DUR_ECONFLICT) {
        reply->status = 409;
        return DUR_OK;
    }

    if (rc != DUR_ENOTFOUND) {
        return rc;
    }

    rows = DUR_OP_ROWS;

    for (i = 0; i < op->nevents; i++) {
        rc = dur_event_put(e, &op->events[i]);
        if (rc != DUR_OK) {
            return rc;
        }

        if (rows > 0) {
            rows--;
        }

        rc = dur_event_accept(e, &op->events[i], false, &rows);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    e->stat.events += op->nevents;

    return DUR_OK;
}


dur_rc_t
dur_event_fan_out(dur_engine_t *e, const dur_ulid_t *id, uint32_t *cursor,
    bool quiet, bool *done)
{
    unsigned         rows;
    dur_rc_t         rc;
    uint32_t         next;
    dur_buf_t        json;
    dur_event_t      row;
    dur_run_event_t  event;

    *done = true;

    rc = dur_event_get(e->txn, id, &row);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    dur_buf_init(&json, DUR_EVENT_LIFECYCLE_MAX);

    rc = dur_payload_get(e->txn, id, &row.json, &json);

    if (rc == DUR_OK) {
        memset(&event, 0, sizeof(event));
        event.id = *id;
        event.ts = row.ts;
        event.name = dur_arena_copy(e->arena, row.name);
        event.client_id = dur_arena_copy(e->arena, row.client_id);
        event.quiet = quiet;

        rows = DUR_OP_ROWS;
        rc = dur_event_route(e, &event, dur_buf_str(&json), *cursor, &rows,
                             &next);

        *cursor = next;
        *done = (next == 0);
    }

    dur_buf_deinit(&json);

    return rc;
}


/* -- lifecycle ------------------------------------------------------------ */

typedef struct {
    const dur_run_t       *run;
    const dur_function_t  *fn;
    dur_str_t              event;       /* canonical JSON of the trigger */
    dur_str_t              output;      /* canonical result or error */
} dur_lifecycle_t;


/* The whole event, keys in JCS order. */
static void
dur_lifecycle_write(dur_engine_t *e, const dur_lifecycle_t *l,
    const char *name, const char *id, dur_buf_t *b)
{
    char  run[DUR_ULID_TEXT_LEN + 1];

    dur_ulid_text(&l->run->id, run);

    dur_buf_addf(b, "{\"data\":{\"_inngest\":{\"status\":\"%s\"}",
                 dur_run_status_name(l->run));

    if (l->run->status != DUR_RUN_COMPLETED) {
        dur_buf_addz(b, ",\"error\":");
        dur_buf_adds(b, l->output);
    }

    dur_buf_addz(b, ",\"event\":");
    dur_buf_adds(b, l->event);
    dur_buf_addz(b, ",\"events\":[");
    dur_buf_adds(b, l->event);
    dur_buf_addz(b, "],\"function_id\":");
    dur_json_write_string(b, l->fn->slug);

    if (l->run->status == DUR_RUN_COMPLETED) {
        dur_buf_addz(b, ",\"result\":");
        if (l->output.len) {
            dur_buf_adds(b, l->output);
        } else {
            dur_buf_addz(b, "null");
        }
    }

    dur_buf_addf(b, ",\"run_id\":\"%s\"},\"id\":\"%s\",\"name\":\"%s\","
                 "\"ts\":%lld,\"user\":{}}", run, id, name,
                 (long long) e->now);
}


static dur_rc_t
dur_lifecycle_emit(dur_engine_t *e, const dur_lifecycle_t *l,
    const char *name, bool run_id)
{
    char            id[DUR_ULID_TEXT_LEN + 1];
    unsigned        rows;
    dur_rc_t        rc;
    dur_buf_t       b;
    dur_op_event_t  event;

    if (!dur_match_any(&e->registry, dur_str_c(name))) {
        return DUR_OK;
    }

    memset(&event, 0, sizeof(event));
    dur_state_ulid(e, &event.id);
    dur_ulid_text(run_id ? &l->run->id : &event.id, id);

    dur_buf_init(&b, DUR_EVENT_LIFECYCLE_MAX);
    dur_lifecycle_write(e, l, name, id, &b);

    if (b.failed) {
        dur_buf_deinit(&b);
        dur_state_log(e, 0, "the event %s of a run is larger than %d bytes "
                      "and is not sent", name, DUR_EVENT_LIFECYCLE_MAX);
        return DUR_OK;
    }

    event.flags = DUR_EVENT_F_CANONICAL;
    event.ts = e->now;
    event.name = dur_str_c(name);
    event.json = dur_buf_str(&b);

    rows = DUR_OP_ROWS;

    rc = dur_event_put(e, &event);
    if (rc == DUR_OK) {
        rc = dur_event_accept(e, &event, true, &rows);
    }

    dur_buf_deinit(&b);

    return rc;
}


static dur_rc_t
dur_lifecycle_emit_all(dur_engine_t *e, const dur_lifecycle_t *l)
{
    dur_rc_t  rc;

    rc = dur_lifecycle_emit(e, l, "inngest/function.finished", false);

    if (rc == DUR_OK && l->run->status == DUR_RUN_FAILED) {
        rc = dur_lifecycle_emit(e, l, "inngest/function.failed", true);
    }

    if (rc == DUR_OK && l->run->status == DUR_RUN_CANCELLED) {
        rc = dur_lifecycle_emit(e, l, "inngest/function.cancelled", true);
    }

    return rc;
}


static bool
dur_lifecycle_wanted(dur_engine_t *e, const dur_run_t *run)
{
    const dur_registry_t  *r = &e->registry;

    if (run->flags & DUR_RUN_F_QUIET) {
        return false;
    }

    return dur_match_any(r, dur_str("inngest/function.finished"))
           || (run->status == DUR_RUN_FAILED
               && dur_match_any(r, dur_str("inngest/function.failed")))
           || (run->status == DUR_RUN_CANCELLED
               && dur_match_any(r, dur_str("inngest/function.cancelled")));
}


dur_rc_t
dur_event_lifecycle(dur_engine_t *e, const dur_run_t *run, dur_str_t output)
{
    dur_rc_t         rc;
    dur_buf_t        event, canonical, scratch;
    dur_event_t      row;
    dur_lifecycle_t  l;

    if (!dur_lifecycle_wanted(e, run)) {
        return DUR_OK;
    }

    l.run = run;
    l.fn = dur_registry_function(&e->registry, run->function);

    if (l.fn == NULL) {
        return DUR_OK;
    }

    dur_buf_init(&event, DUR_EVENT_LIFECYCLE_MAX);
    dur_buf_init(&canonical, DUR_EVENT_LIFECYCLE_MAX);
    dur_buf_init(&scratch, DUR_EVENT_LIFECYCLE_MAX);

    rc = dur_event_get(e->txn, &run->event, &row);

    if (rc == DUR_OK) {
        rc = dur_payload_get_canonical(e->txn, &run->event, &row.json, &event,
                                       &scratch);
    }

    if (rc == DUR_OK && output.len) {
        rc = dur_json_canonicalize(&canonical, output);
    }

    if (rc == DUR_OK) {
        l.event = dur_buf_str(&event);
        l.output = dur_buf_str(&canonical);
        rc = dur_lifecycle_emit_all(e, &l);
    }

    dur_buf_deinit(&event);
    dur_buf_deinit(&canonical);
    dur_buf_deinit(&scratch);

    return rc;
}
