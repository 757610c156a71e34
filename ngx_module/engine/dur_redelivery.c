/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_redelivery.h"
#include "engine/dur_json.h"
#include "engine/dur_rerun.h"
#include "engine/dur_state.h"
#include "engine/dur_task.h"
#include "engine/dur_time.h"
#include "engine/dur_ulid.h"
#include "engine/dur_walk.h"

#include <stdio.h>


/* Of one piece: runs that are looked at, and that are begun.  A piece ends
 * between milliseconds, unless there are as many as MOST. */
#define DUR_REDELIVERY_READS  512
#define DUR_REDELIVERY_RUNS   24
#define DUR_REDELIVERY_MOST   48

#define DUR_REDELIVERY_BEFORE  "event/api.webhooks."
#define DUR_REDELIVERY_AFTER   ".action"

#define DUR_REDELIVERY_MS_MAX  (((int64_t) 1 << 48) - 1)


/* How a delivery may have ended. */
static const struct {
    const char        *name;
    dur_run_status_t   status;
} dur_redelivery_statuses[] = {
    { "Completed", DUR_RUN_COMPLETED },
    { "Failed",    DUR_RUN_FAILED },
    { "Cancelled", DUR_RUN_CANCELLED },
    { "Skipped",   DUR_RUN_SKIPPED }
};

#define DUR_REDELIVERY_NSTATUSES                                             \
    (sizeof(dur_redelivery_statuses) / sizeof(dur_redelivery_statuses[0]))


/* -- rows ----------------------------------------------------------------- */

static dur_rc_t
dur_redelivery_put(dur_engine_t *e, const dur_redelivery_t *x)
{
    dur_enc_t  w;

    dur_enc_init(&w, e->row, sizeof(e->row));

    dur_enc_begin(&w);
    dur_enc_u8(&w, x->done);
    dur_enc_u32(&w, x->statuses);
    dur_enc_u64(&w, (uint64_t) x->created);
    dur_enc_u64(&w, (uint64_t) x->after);
    dur_enc_u64(&w, (uint64_t) x->before);
    dur_enc_u64(&w, x->sequence);
    dur_enc_raw(&w, x->cursor.b, DUR_ULID_LEN);
    dur_enc_u64(&w, x->scanned);
    dur_enc_u64(&w, x->redelivered);
    dur_enc_u64(&w, x->refused);
    dur_enc_end(&w);

    dur_enc_str(&w, x->connector);

    if (w.failed) {
        return DUR_EINTERNAL;
    }

    return dur_txn_put(e->txn, DUR_T_REDELIVERY, dur_ulid_key(&x->id),
                       dur_enc_done(&w));
}


static dur_rc_t
dur_redelivery_decode(dur_str_t key, dur_str_t row, dur_redelivery_t *x)
{
    dur_dec_t  r;

    memset(x, 0, sizeof(*x));

    if (key.len != DUR_ULID_LEN) {
        return DUR_ECORRUPT;
    }

    memcpy(x->id.b, key.data, DUR_ULID_LEN);

    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    x->done = dur_dec_u8(&r) != 0;
    x->statuses = dur_dec_u32(&r);
    x->created = (int64_t) dur_dec_u64(&r);
    x->after = (int64_t) dur_dec_u64(&r);
    x->before = (int64_t) dur_dec_u64(&r);
    x->sequence = dur_dec_u64(&r);
    dur_dec_raw(&r, x->cursor.b, DUR_ULID_LEN);
    x->scanned = dur_dec_u64(&r);
    x->redelivered = dur_dec_u64(&r);
    x->refused = dur_dec_u64(&r);
    dur_dec_end(&r);

    x->connector = dur_dec_str(&r);

    return r.failed ? DUR_ECORRUPT : DUR_OK;
}


static dur_rc_t
dur_redelivery_get(dur_engine_t *e, const dur_ulid_t *id,
    dur_redelivery_t *x)
{
    dur_rc_t   rc;
    dur_str_t  row;

    rc = dur_txn_get(e->txn, DUR_T_REDELIVERY, dur_ulid_key(id), &row);
    if (rc == DUR_OK) {
        rc = dur_redelivery_decode(dur_ulid_key(id), row, x);
    }
    if (rc == DUR_OK) {
        x->connector = dur_arena_copy(e->arena, x->connector);
        rc = x->connector.data ? DUR_OK : DUR_ENOMEM;
    }

    return rc;
}


static void
dur_redelivery_time(dur_buf_t *out, const char *key, int64_t ms)
{
    char  text[32];

    dur_rfc3339_text(ms, text);
    dur_buf_addf(out, ",\"%s\":\"%s\"", key, text);
}


static void
dur_redelivery_write(const dur_redelivery_t *x, dur_buf_t *out)
{
    char      id[DUR_ULID_TEXT_LEN + 1];
    size_t    i;
    unsigned  n;

    dur_ulid_text(&x->id, id);

    dur_buf_addf(out, "{\"id\":\"%s\",\"connector\":", id);
    dur_json_write_string(out, x->connector);
    dur_buf_addz(out, ",\"status\":\"");

    for (i = 0, n = 0; i < DUR_REDELIVERY_NSTATUSES; i++) {
        if (x->statuses & 1u << dur_redelivery_statuses[i].status) {
            dur_buf_addf(out, "%s%s", n++ ? "," : "",
                         dur_redelivery_statuses[i].name);
        }
    }

    dur_buf_addc(out, '"');
    dur_redelivery_time(out, "created_at", x->created);
    dur_redelivery_time(out, "after", x->after);
    dur_redelivery_time(out, "before", x->before);
    dur_buf_addf(out, ",\"done\":%s,\"scanned\":%llu,\"redelivered\":%llu,"
                 "\"refused\":%llu}", x->done ? "true" : "false",
                 (unsigned long long) x->scanned,
                 (unsigned long long) x->redelivered,
                 (unsigned long long) x->refused);
}


dur_rc_t
dur_redelivery_show(dur_str_t key, dur_str_t row, dur_buf_t *out)
{
    dur_rc_t          rc;
    dur_redelivery_t  x;

    rc = dur_redelivery_decode(key, row, &x);

    if (rc == DUR_OK) {
        dur_redelivery_write(&x, out);
    }

    return rc;
}


/* -- connectors ----------------------------------------------------------- */

bool
dur_redelivery_connector(dur_str_t event, dur_str_t *connector)
{
    size_t     around;
    dur_str_t  before = dur_str(DUR_REDELIVERY_BEFORE);
    dur_str_t  after = dur_str(DUR_REDELIVERY_AFTER);

    around = before.len + after.len;

    if (event.len <= around
        || memcmp(event.data, before.data, before.len) != 0
        || memcmp(event.data + event.len - after.len, after.data, after.len)
           != 0)
    {
        return false;
    }

    *connector = dur_str_make(event.data + before.len, event.len - around);

    return true;
}


/* Whether runs of the function are deliveries: of this connector, or of any
 * when it is empty. */
static bool
dur_redelivery_has(const dur_function_t *fn, dur_str_t connector)
{
    unsigned   i;
    dur_str_t  name;

    for (i = 0; fn != NULL && i < fn->ntriggers; i++) {
        if (dur_redelivery_connector(fn->triggers[i].event, &name)
            && (connector.len == 0 || dur_str_eq(name, connector)))
        {
            return true;
        }
    }

    return false;
}


static bool
dur_redelivery_known(const dur_registry_t *r, dur_str_t connector)
{
    uint32_t  i;

    for (i = 0; i < r->nfunctions; i++) {
        if (dur_redelivery_has(r->functions[i], connector)) {
            return true;
        }
    }

    return false;
}


/* -- one delivery --------------------------------------------------------- */

/*
 * Begins its run again.  DUR_ENOTFOUND: the function is archived, or the event
 * is being deleted.
 */
static dur_rc_t
dur_redelivery_begin(dur_engine_t *e, const dur_ulid_t *id, dur_ulid_t *again)
{
    dur_rc_t         rc;
    dur_run_t        run;
    dur_function_t  *fn;

    rc = dur_run_get(e->txn, id, &run);
    if (rc != DUR_OK) {
        return rc;
    }

    fn = dur_registry_function(&e->registry, run.function);

    if (fn == NULL || fn->archived) {
        return DUR_ENOTFOUND;
    }

    rc = dur_rerun_whole(e, &run, fn, again);

    if (rc == DUR_OK) {
        /* what was borrowed of it was lost */
        rc = dur_run_get(e->txn, id, &run);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    run.flags |= DUR_RUN_F_REDELIVERED;

    return dur_run_put(e, &run);
}


static dur_rc_t
dur_redelivery_one(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    char         id[DUR_ULID_TEXT_LEN + 1];
    dur_rc_t     rc;
    dur_run_t    run;
    dur_ulid_t   again;

    rc = dur_run_get(e->txn, &op->run, &run);

    if (rc == DUR_OK
        && !dur_redelivery_has(dur_registry_function(&e->registry,
                                                     run.function),
                               dur_str_null))
    {
        rc = DUR_ENOTFOUND;
    }

    if (rc == DUR_ENOTFOUND) {
        return dur_state_refuse(e, reply, 404, "there is no such delivery of "
                                "a webhook");
    }
    if (rc != DUR_OK) {
        return rc;
    }

    if (run.status == DUR_RUN_LIVE) {
        return dur_state_refuse(e, reply, 409, "the delivery is still under "
                                "way");
    }

    rc = dur_redelivery_begin(e, &op->run, &again);

    if (rc == DUR_ENOTFOUND) {
        return dur_state_refuse(e, reply, 409, "nobody takes the delivery any "
                                "more: its route, or its function, was "
                                "removed");
    }
    if (rc != DUR_OK) {
        return rc;
    }

    dur_ulid_text(&again, id);
    reply->status = 200;
    reply->body = dur_str_c(dur_arena_printf(e->arena, "{\"run_id\":\"%s\"}",
                                             id));

    return reply->body.data ? DUR_OK : DUR_ENOMEM;
}


/* -- many: what is asked for ---------------------------------------------- */

/* A comma list; false for what is none. */
static bool
dur_redelivery_read_statuses(dur_str_t list, uint32_t *statuses)
{
    size_t     i, k, start;
    dur_str_t  name;

    *statuses = 0;

    for (i = 0, start = 0; i <= list.len; i++) {
        if (i < list.len && list.data[i] != ',') {
            continue;
        }

        name = dur_str_make(list.data + start, i - start);
        start = i + 1;

        for (k = 0; k < DUR_REDELIVERY_NSTATUSES; k++) {
            if (dur_str_caseeq(name,
                               dur_str_c(dur_redelivery_statuses[k].name)))
            {
                break;
            }
        }

        if (k == DUR_REDELIVERY_NSTATUSES) {
            return false;
        }

        *statuses |= 1u << dur_redelivery_statuses[k].status;
    }

    return true;
}


/* An instant of the body; false when it is there and is none. */
static bool
dur_redelivery_instant(const json_t *root, const char *key, int64_t *ms)
{
    dur_rc_t   rc;
    dur_str_t  text;

    rc = dur_json_get_string(root, key, &text);

    if (rc == DUR_ENOTFOUND) {
        return true;
    }

    return rc == DUR_OK && dur_rfc3339_parse(text, ms) == DUR_OK && *ms >= 0
           && *ms <= DUR_REDELIVERY_MS_MAX;
}


/* NULL, or what is wrong. */
static const char *
dur_redelivery_read(const json_t *root, dur_redelivery_t *x)
{
    dur_rc_t   rc;
    dur_str_t  list;

    if (!json_is_object(root)) {
        return "the body must be an object, {\"status\":\"Failed\"}";
    }

    rc = dur_json_get_string(root, "status", &list);

    if (rc == DUR_ENOTFOUND) {
        list = dur_str("Failed");
    }

    if (rc == DUR_EINVAL || !dur_redelivery_read_statuses(list, &x->statuses))
    {
        return "status must be a list of Completed, Failed, Cancelled and "
               "Skipped";
    }

    if (!dur_redelivery_instant(root, "after", &x->after)) {
        return "after must be an RFC 3339 time";
    }

    if (!dur_redelivery_instant(root, "before", &x->before)) {
        return "before must be an RFC 3339 time";
    }

    return x->before < x->after ? "before must not be before after" : NULL;
}


static bool
dur_redelivery_is_done(dur_str_t key, dur_str_t row)
{
    dur_redelivery_t  x;

    return dur_redelivery_decode(key, row, &x) != DUR_OK || x.done;
}


static dur_rc_t
dur_redelivery_reply(dur_engine_t *e, const dur_redelivery_t *x,
    dur_reply_t *reply)
{
    dur_buf_t  b;

    dur_buf_init(&b, DUR_ROW_MAX);
    dur_redelivery_write(x, &b);

    reply->status = 200;
    reply->body = dur_arena_copy(e->arena, dur_buf_str(&b));
    dur_buf_deinit(&b);

    return reply->body.data ? DUR_OK : DUR_ENOMEM;
}


static dur_rc_t
dur_redelivery_many(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    json_t            *root;
    dur_rc_t           rc;
    const char        *wrong;
    dur_redelivery_t   x;

    memset(&x, 0, sizeof(x));
    x.id = op->id;
    x.created = e->now;
    x.before = e->now + 1;
    x.sequence = e->counters.sequence;
    x.connector = op->url;

    if (!dur_redelivery_known(&e->registry, x.connector)) {
        return dur_state_refuse(e, reply, 404, "there is no route \"%.*s\"",
                                (int) op->url.len,
                                (const char *) op->url.data);
    }

    root = dur_json_parse(op->body, NULL);
    wrong = dur_redelivery_read(root, &x);
    json_decref(root);

    if (wrong != NULL) {
        return dur_state_refuse(e, reply, 400, "%s", wrong);
    }

    dur_ulid_make(&x.cursor, (uint64_t) x.after, (uint8_t[10]) { 0 });

    rc = dur_walk_room(e->txn, DUR_T_REDELIVERY, DUR_REDELIVERIES,
                       dur_redelivery_is_done);

    if (rc == DUR_EBUSY) {
        return dur_state_refuse(e, reply, 409, "there are %u redeliveries "
                                "that are not done", DUR_REDELIVERIES);
    }
    if (rc == DUR_OK) {
        rc = dur_redelivery_put(e, &x);
    }
    if (rc == DUR_OK) {
        rc = dur_task_add(e, DUR_TASK_REDELIVERY, &x.id, dur_str_null);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    return dur_redelivery_reply(e, &x, reply);
}


/* What was begun goes on. */
static dur_rc_t
dur_redelivery_stop(dur_engine_t *e, const dur_ulid_t *id,
    dur_reply_t *reply)
{
    dur_rc_t          rc;
    dur_redelivery_t  x;

    rc = dur_redelivery_get(e, id, &x);

    if (rc == DUR_ENOTFOUND) {
        return dur_state_refuse(e, reply, 404, "there is no such redelivery");
    }

    if (rc == DUR_OK && !x.done) {
        x.done = true;
        rc = dur_redelivery_put(e, &x);
    }

    return rc == DUR_OK ? dur_redelivery_reply(e, &x, reply) : rc;
}


dur_rc_t
dur_redelivery_apply(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    if (op->generation != 0) {
        return dur_redelivery_stop(e, &op->run, reply);
    }

    return op->url.len ? dur_redelivery_many(e, op, reply)
                       : dur_redelivery_one(e, op, reply);
}


/* -- many: a piece -------------------------------------------------------- */

typedef struct {
    int64_t     created;
    dur_ulid_t  event;
    dur_ulid_t  id;
} dur_redelivery_run_t;


typedef struct {
    size_t                n;
    dur_redelivery_run_t  runs[DUR_REDELIVERY_MOST];
    bool                  end;          /* of the window */
} dur_redelivery_piece_t;


static bool
dur_redelivery_wants(dur_engine_t *e, const dur_redelivery_t *x,
    const dur_run_t *run)
{
    return (x->statuses & 1u << run->status)
           && !(run->flags & DUR_RUN_F_REDELIVERED)
           && run->sequence <= x->sequence
           && run->created >= x->after && run->created < x->before
           && dur_redelivery_has(dur_registry_function(&e->registry,
                                                       run->function),
                                 x->connector);
}


/*
 * In the order they came in: ids of runs are in none within a millisecond,
 * those of events are, of one worker.
 */
static void
dur_redelivery_note(dur_redelivery_piece_t *piece, const dur_run_t *run)
{
    size_t                 i;
    dur_redelivery_run_t  *to = piece->runs;

    for (i = piece->n; i > 0; i--) {
        if (to[i - 1].created < run->created
            || (to[i - 1].created == run->created
                && memcmp(to[i - 1].event.b, run->event.b, DUR_ULID_LEN) <= 0))
        {
            break;
        }

        to[i] = to[i - 1];
    }

    to[i].created = run->created;
    to[i].event = run->event;
    to[i].id = run->id;
    piece->n++;
}


static bool
dur_redelivery_is_full(const dur_redelivery_piece_t *piece, unsigned reads,
    const dur_ulid_t *last, const dur_ulid_t *next)
{
    if (piece->n < DUR_REDELIVERY_RUNS && reads < DUR_REDELIVERY_READS) {
        return false;
    }

    return piece->n == DUR_REDELIVERY_MOST
           || reads >= 2 * DUR_REDELIVERY_READS
           || dur_ulid_ms(last) != dur_ulid_ms(next);
}


/* Moves the cursor on, and notes which runs are meant. */
static dur_rc_t
dur_redelivery_look(dur_engine_t *e, dur_redelivery_t *x,
    dur_redelivery_piece_t *piece)
{
    unsigned    reads;
    dur_rc_t    rc;
    dur_run_t   run;
    dur_ulid_t  id, last;
    dur_walk_t  w;

    piece->n = 0;
    piece->end = true;

    dur_walk_until(&last, x->before - 1);

    rc = dur_walk_open(&w, e->txn, &x->cursor, x->after, &last);
    if (rc != DUR_OK) {
        return rc;
    }

    for (reads = 0; (rc = dur_walk_next(&w, &id)) == DUR_OK; reads++) {

        if (dur_redelivery_is_full(piece, reads, &x->cursor, &id)) {
            piece->end = false;
            break;
        }

        x->cursor = id;
        x->scanned++;

        if (dur_run_get(e->txn, &id, &run) == DUR_OK
            && dur_redelivery_wants(e, x, &run))
        {
            dur_redelivery_note(piece, &run);
        }
    }

    dur_walk_close(&w);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


dur_rc_t
dur_redelivery_more(dur_engine_t *e, const dur_ulid_t *id, bool *done)
{
    size_t                  i;
    dur_rc_t                rc;
    dur_ulid_t              again;
    dur_redelivery_t        x;
    dur_redelivery_piece_t  piece;

    *done = true;

    rc = dur_redelivery_get(e, id, &x);
    if (rc != DUR_OK || x.done) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    rc = dur_redelivery_look(e, &x, &piece);
    if (rc != DUR_OK) {
        return rc;
    }

    for (i = 0; i < piece.n; i++) {
        rc = dur_redelivery_begin(e, &piece.runs[i].id, &again);

        if (rc == DUR_OK) {
            x.redelivered++;

        } else if (rc == DUR_ENOTFOUND) {
            x.refused++;

        } else {
            return rc;
        }
    }

    x.done = piece.end;
    *done = piece.end;

    return dur_redelivery_put(e, &x);
}


dur_rc_t
dur_redelivery_poison(dur_engine_t *e, const dur_ulid_t *id)
{
    dur_rc_t          rc;
    dur_redelivery_t  x;

    rc = dur_redelivery_get(e, id, &x);
    if (rc != DUR_OK) {
        return (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) ? DUR_OK : rc;
    }

    x.done = true;

    return dur_redelivery_put(e, &x);
}
