/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_flow_batch.h"
#include "engine/dur_event.h"
#include "engine/dur_flow.h"
#include "engine/dur_invoke.h"
#include "engine/dur_json.h"
#include "engine/dur_lifecycle.h"
#include "engine/dur_member.h"
#include "engine/dur_sign.h"
#include "engine/dur_state.h"
#include "engine/dur_task.h"
#include "engine/dur_timer.h"
#include "engine/dur_ulid.h"


#define DUR_BATCH_NS  ((int64_t) 1000000)       /* of one ms */

/* It starts when its events are this large together. */
#define DUR_BATCH_BYTES  ((uint64_t) 10 * 1024 * 1024)

/* How long a client's event id is not taken again. */
#define DUR_BATCH_ONCE_MS  (30 * 60 * (int64_t) 1000)

#define DUR_BATCH_F_QUIET    0x01
#define DUR_BATCH_F_INVOKED  0x02       /* some of its events are invokes */

#define DUR_BATCH_ROW  96

/* Rows of a piece: members that are looked at, and what answering costs. */
#define DUR_BATCH_CALLER  16

/* Cursor of a batch that is dropped: all callers were told. */
#define DUR_BATCH_TOLD    UINT32_MAX


typedef struct {
    dur_ulid_t  run;
    uint32_t    count;
    uint64_t    bytes;
    int64_t     opened;
    int64_t     due;
    uint64_t    item;           /* the timer */
    uint8_t     flags;
    uint8_t     depth;          /* of its invokes, the most */
} dur_batch_t;


/* -- the row -------------------------------------------------------------- */

static dur_rc_t
dur_batch_put(dur_engine_t *e, dur_str_t key, const dur_batch_t *b)
{
    uint8_t    row[DUR_BATCH_ROW];
    dur_enc_t  w;

    dur_enc_init(&w, row, sizeof(row));

    dur_enc_begin(&w);
    dur_enc_raw(&w, b->run.b, DUR_ULID_LEN);
    dur_enc_u32(&w, b->count);
    dur_enc_u64(&w, b->bytes);
    dur_enc_u64(&w, (uint64_t) b->opened);
    dur_enc_u64(&w, (uint64_t) b->due);
    dur_enc_u64(&w, b->item);
    dur_enc_u8(&w, b->flags);
    dur_enc_u8(&w, b->depth);
    dur_enc_end(&w);

    return w.failed ? DUR_EINTERNAL
                    : dur_txn_put(e->txn, DUR_T_FLOW, key, dur_enc_done(&w));
}


/* DUR_ENOTFOUND, also for what cannot be read: another one is opened. */
static dur_rc_t
dur_batch_get(dur_engine_t *e, dur_str_t key, dur_batch_t *b)
{
    dur_rc_t   rc;
    dur_str_t  row;
    dur_dec_t  r;

    rc = dur_txn_get(e->txn, DUR_T_FLOW, key, &row);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    dur_dec_raw(&r, b->run.b, DUR_ULID_LEN);
    b->count = dur_dec_u32(&r);
    b->bytes = dur_dec_u64(&r);
    b->opened = (int64_t) dur_dec_u64(&r);
    b->due = (int64_t) dur_dec_u64(&r);
    b->item = dur_dec_u64(&r);
    b->flags = dur_dec_u8(&r);
    b->depth = dur_dec_u8(&r);
    dur_dec_end(&r);

    return r.failed ? DUR_ENOTFOUND : DUR_OK;
}


/* -- which events --------------------------------------------------------- */

/* False: it runs alone.  So does what cannot be read. */
static dur_rc_t
dur_batch_takes(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, bool *takes)
{
    json_t            *root;
    dur_rc_t           rc;
    dur_arena_t        arena;
    dur_expr_vars_t    vars;

    *takes = fn->option.batch > 0 && !event->scheduled;

    if (!*takes || fn->option.batch_if == NULL) {
        return DUR_OK;
    }

    root = event->root ? NULL : dur_json_parse(event->json, NULL);

    memset(&vars, 0, sizeof(vars));
    vars.event = event->root ? event->root : root;
    vars.now_ms = e->now;

    *takes = false;
    rc = DUR_OK;

    if (vars.event != NULL) {
        dur_arena_init(&arena);
        rc = dur_expr_true(fn->option.batch_if, &vars, &arena, takes);
        dur_arena_deinit(&arena);
    }

    json_decref(root);

    return rc;
}


static dur_rc_t
dur_batch_refuse(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, const char *err)
{
    char  id[DUR_ULID_TEXT_LEN + 1];

    dur_ulid_text(&event->id, id);

    dur_state_log(e, 1, "function \"%.*s\" is not started by event %s: its "
                  "batch's key has no value, %s", (int) fn->slug.len,
                  (const char *) fn->slug.data, id, err);

    return DUR_OK;
}


/* DUR_EINVAL: it has none, which was said. */
static dur_rc_t
dur_batch_key(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, uint8_t key[DUR_FLOW_KEY])
{
    uint8_t            digest[20];
    dur_rc_t           rc;
    dur_flow_value_t   value;

    rc = dur_flow_value(e, event, fn->option.batch_key, &value);

    if (rc == DUR_EINVAL) {
        (void) dur_batch_refuse(e, fn, event, value.err);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    if (value.none) {
        /* false is a value like any other */
        dur_sha1(dur_str("false"), digest);
        memcpy(value.hash, digest, DUR_FLOW_HASH);
    }

    (void) dur_flow_key(key, DUR_FLOW_BATCH, fn->id, value.hash);

    return DUR_OK;
}


/* DUR_EEXIST: the client's id of the event was in a batch a moment ago. */
static dur_rc_t
dur_batch_once(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event)
{
    int64_t    ns;
    uint8_t    key[DUR_FLOW_KEY], digest[20];
    dur_rc_t   rc;
    dur_str_t  k;

    if (event->client_id.len == 0) {
        return DUR_OK;
    }

    dur_sha1(event->client_id, digest);
    k = dur_flow_key(key, DUR_FLOW_BATCHED, fn->id, digest);

    rc = dur_flow_until_get(e, k, &ns);

    if (rc == DUR_OK && ns > e->now * DUR_BATCH_NS) {
        return DUR_EEXIST;
    }

    if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
        return rc;
    }

    return dur_flow_until_put(e, k, (e->now + DUR_BATCH_ONCE_MS)
                              * DUR_BATCH_NS, rc == DUR_ENOTFOUND);
}


/* -- appending ------------------------------------------------------------ */

static dur_rc_t
dur_batch_open(dur_engine_t *e, const dur_function_t *fn,
    const uint8_t key[DUR_FLOW_KEY], dur_batch_t *b)
{
    dur_item_t  item;

    memset(b, 0, sizeof(*b));
    dur_state_ulid(e, &b->run);
    b->opened = e->now;
    b->due = e->now + fn->option.batch_timeout;
    b->item = e->counters.item++;

    memset(&item, 0, sizeof(item));
    item.kind = DUR_ITEM_BATCH;
    item.id = b->item;
    item.app = fn->app;
    item.function = fn->id;
    item.score = b->opened;
    item.due = b->due;
    memcpy(item.step.b, key + DUR_FLOW_KEY - DUR_FLOW_HASH, DUR_FLOW_HASH);

    return dur_timer_put(e, &item);
}


/* The text of an upload that nobody reads is not at hand. */
static dur_rc_t
dur_batch_length(dur_engine_t *e, const dur_run_event_t *event,
    uint64_t *length)
{
    dur_rc_t     rc;
    dur_event_t  row;

    *length = event->json.len;

    if (*length > 0) {
        return DUR_OK;
    }

    rc = dur_event_get(e->txn, &event->id, &row);
    if (rc == DUR_OK) {
        *length = row.json.length;
    }

    return rc;
}


static dur_rc_t
dur_batch_append(dur_engine_t *e, const dur_run_event_t *event,
    dur_batch_t *b)
{
    uint64_t      length;
    dur_rc_t      rc;
    dur_member_t  member;

    rc = dur_batch_length(e, event, &length);
    if (rc != DUR_OK) {
        return rc;
    }

    memset(&member, 0, sizeof(member));
    member.event = event->id;
    member.invoked = event->invoked;
    member.parent = event->parent;
    member.parent_step = event->parent_step;

    rc = dur_member_put(e, &b->run, b->count, &member);

    b->count++;
    b->bytes += length;
    b->depth = event->depth > b->depth ? event->depth : b->depth;
    b->flags |= (event->quiet ? DUR_BATCH_F_QUIET : 0)
                | (event->invoked ? DUR_BATCH_F_INVOKED : 0);

    return rc;
}


/* -- the run -------------------------------------------------------------- */

/* The first event stands for all where a run has one. */
static dur_rc_t
dur_batch_start(dur_engine_t *e, const dur_function_t *fn,
    const dur_batch_t *b)
{
    dur_rc_t          rc;
    dur_run_t         run;
    dur_start_t       start;
    dur_member_t      first;
    dur_run_event_t   event;

    rc = dur_member_get(e->txn, &b->run, 0, &first);
    if (rc == DUR_OK) {
        rc = dur_event_recall(e, &first.event, dur_option_reads(&fn->option),
                              &event);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    event.client_id = dur_str_null;
    event.ts = e->now;
    event.quiet = (b->flags & DUR_BATCH_F_QUIET) != 0;
    event.depth = b->depth;

    dur_run_prepare(e, fn, &event, &run);

    run.id = b->run;
    run.created = b->opened;
    run.nevents = b->count;
    run.flags |= DUR_RUN_F_BATCH
                 | ((b->flags & DUR_BATCH_F_INVOKED) ? DUR_RUN_F_INVOKED : 0);

    return dur_run_launch(e, fn, &event, &run, &start);
}


/* Nothing comes of it: its events are told to retention. */
static dur_rc_t
dur_batch_forget(dur_engine_t *e, const dur_batch_t *b)
{
    return dur_task_add(e, DUR_TASK_BATCH_DROP, &b->run, dur_str_null);
}


static dur_rc_t
dur_batch_close(dur_engine_t *e, const dur_function_t *fn,
    const dur_batch_t *b)
{
    dur_rc_t  rc;

    rc = (fn == NULL || fn->archived) ? DUR_ENOTFOUND
                                      : dur_batch_start(e, fn, b);

    /* the function is gone, or the first event cannot be read */

    return (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT)
           ? dur_batch_forget(e, b) : rc;
}


static dur_rc_t
dur_batch_full(dur_engine_t *e, const dur_function_t *fn, dur_str_t key,
    const dur_batch_t *b)
{
    dur_rc_t  rc;

    rc = dur_timer_del(e, b->due, b->item);

    if (rc == DUR_OK || rc == DUR_ENOTFOUND) {
        rc = dur_txn_del(e->txn, DUR_T_FLOW, key);
    }

    /* the first event may have been enough by itself: no row yet */

    return (rc == DUR_OK || rc == DUR_ENOTFOUND) ? dur_batch_close(e, fn, b)
                                                 : rc;
}


dur_rc_t
dur_flow_batch(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_run_t *run, dur_start_t *start)
{
    bool         takes;
    uint8_t      key[DUR_FLOW_KEY];
    dur_rc_t     rc;
    dur_str_t    k;
    dur_batch_t  b;

    *start = DUR_START_RUN;

    rc = dur_batch_takes(e, fn, event, &takes);
    if (rc != DUR_OK || !takes) {
        return rc;
    }

    rc = dur_batch_key(e, fn, event, key);
    if (rc == DUR_OK) {
        rc = dur_batch_once(e, fn, event);
    }

    if (rc == DUR_EINVAL || rc == DUR_EEXIST) {
        *start = rc == DUR_EINVAL ? DUR_START_REFUSED : DUR_START_KNOWN;
        return DUR_OK;
    }

    *start = DUR_START_BATCHED;
    k = dur_str_make(key, DUR_FLOW_KEY);

    if (rc == DUR_OK) {
        rc = dur_batch_get(e, k, &b);
    }
    if (rc == DUR_ENOTFOUND) {
        rc = dur_batch_open(e, fn, key, &b);
    }
    if (rc == DUR_OK) {
        rc = dur_batch_append(e, event, &b);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    run->id = b.run;

    return (b.count >= fn->option.batch || b.bytes >= DUR_BATCH_BYTES)
           ? dur_batch_full(e, fn, k, &b) : dur_batch_put(e, k, &b);
}


/* Takes the row of the timer away; DUR_ENOTFOUND when it is of another one. */
static dur_rc_t
dur_batch_pop(dur_engine_t *e, const dur_item_t *item, dur_batch_t *b)
{
    uint8_t    key[DUR_FLOW_KEY];
    dur_rc_t   rc;
    dur_str_t  k;

    k = dur_flow_key(key, DUR_FLOW_BATCH, item->function, item->step.b);

    rc = dur_batch_get(e, k, b);
    if (rc == DUR_OK && b->item != item->id) {
        rc = DUR_ENOTFOUND;
    }

    return rc == DUR_OK ? dur_txn_del(e->txn, DUR_T_FLOW, k) : rc;
}


dur_rc_t
dur_flow_batch_due(dur_engine_t *e, const dur_item_t *item)
{
    dur_rc_t     rc;
    dur_batch_t  b;

    rc = dur_batch_pop(e, item, &b);

    if (rc == DUR_OK) {
        rc = dur_batch_close(e, dur_registry_function(&e->registry,
                                                      item->function), &b);
    }

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


dur_rc_t
dur_flow_batch_poison(dur_engine_t *e, const dur_item_t *item)
{
    dur_rc_t     rc;
    dur_batch_t  b;

    rc = dur_batch_pop(e, item, &b);

    if (rc == DUR_OK) {
        rc = dur_batch_forget(e, &b);
    }

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* The callers of a batch that starts nothing, from *n on while *rows lasts;
 * DUR_ENOTFOUND behind the last event. */
static dur_rc_t
dur_batch_gone(dur_engine_t *e, const dur_ulid_t *run, uint32_t *n,
    unsigned *rows)
{
    dur_rc_t      rc;
    dur_member_t  member;

    for (rc = DUR_OK; rc == DUR_OK && *rows > 0; (*n)++) {

        rc = dur_member_get(e->txn, run, *n, &member);
        if (rc == DUR_ENOTFOUND) {
            break;
        }

        (*rows)--;

        if (rc == DUR_OK && member.invoked) {
            rc = dur_invoke_gone(e, &member.parent, &member.parent_step);
            *rows = *rows > DUR_BATCH_CALLER ? *rows - DUR_BATCH_CALLER : 0;
        }

        if (rc == DUR_ECORRUPT) {
            rc = DUR_OK;        /* names no caller */
        }
    }

    return rc;
}


dur_rc_t
dur_flow_batch_drop(dur_engine_t *e, const dur_ulid_t *run, dur_buf_t *cursor,
    bool *done)
{
    uint8_t   number[4];
    uint32_t  n;
    dur_rc_t  rc;
    unsigned  rows = DUR_OP_ROWS;

    n = cursor->len == sizeof(number) ? dur_get32(cursor->data) : 0;

    if (n != DUR_BATCH_TOLD) {
        *done = false;

        rc = dur_batch_gone(e, run, &n, &rows);
        if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
            return rc;
        }

        dur_put32(number, rc == DUR_OK ? n : DUR_BATCH_TOLD);
        dur_buf_reset(cursor);

        return dur_buf_add(cursor, number, sizeof(number));
    }

    rc = dur_member_remove(e, run, true, &rows);
    *done = rows > 0;

    return rc;
}


/* -- callers -------------------------------------------------------------- */

static dur_rc_t
dur_batch_answer(dur_engine_t *e, const dur_run_t *run, uint32_t n,
    const dur_member_t *member, dur_str_t output)
{
    dur_rc_t   rc;
    dur_run_t  child;

    /* the first one was told when the run ended */

    rc = n > 0 ? dur_lifecycle_answered(e, run, member, output) : DUR_OK;

    child = *run;
    child.parent = member->parent;
    child.parent_step = member->parent_step;

    return rc == DUR_OK ? dur_invoke_finished(e, &child, output) : rc;
}


/* Those from *n on, while *rows lasts; DUR_ENOTFOUND behind the last event. */
static dur_rc_t
dur_batch_callers(dur_engine_t *e, const dur_run_t *run, dur_str_t output,
    uint32_t *n, unsigned *rows)
{
    dur_rc_t      rc;
    dur_member_t  member;

    for (rc = DUR_OK; rc == DUR_OK && *rows > 0; (*n)++) {

        rc = dur_member_get(e->txn, &run->id, *n, &member);
        if (rc == DUR_ENOTFOUND) {
            break;
        }

        (*rows)--;

        if (rc == DUR_OK && member.invoked) {
            rc = dur_batch_answer(e, run, *n, &member, output);
            *rows = *rows > DUR_BATCH_CALLER ? *rows - DUR_BATCH_CALLER : 0;
        }

        if (rc == DUR_ECORRUPT) {
            rc = DUR_OK;        /* names no caller */
        }
    }

    return rc;
}


dur_rc_t
dur_flow_batch_ended(dur_engine_t *e, const dur_run_t *run, dur_str_t output)
{
    uint8_t   cursor[4];
    uint32_t  n;
    unsigned  rows;
    dur_rc_t  rc;

    n = 0;

    /* an event that says so has all events of the batch in it */

    rows = dur_lifecycle_heard(e) ? 1 : DUR_OP_ROWS / 4;

    rc = dur_batch_callers(e, run, output, &n, &rows);

    if (rc == DUR_OK) {
        dur_put32(cursor, n);
        rc = dur_task_add(e, DUR_TASK_BATCH_ANSWER, &run->id,
                          dur_str_make(cursor, sizeof(cursor)));
    }

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


dur_rc_t
dur_flow_batch_answer(dur_engine_t *e, const dur_ulid_t *id,
    dur_buf_t *cursor, bool *done)
{
    uint8_t    number[4];
    uint32_t   n;
    unsigned   rows;
    dur_rc_t   rc;
    dur_buf_t  output;
    dur_run_t  run;

    *done = true;

    if (cursor->len != sizeof(number)) {
        return DUR_ECORRUPT;
    }

    rc = dur_run_get(e->txn, id, &run);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    n = dur_get32(cursor->data);
    rows = dur_lifecycle_heard(e) ? 1 : DUR_OP_ROWS;

    dur_buf_init(&output, (size_t) run.output.length + 1);

    rc = dur_payload_get(e->txn, id, &run.output, &output);
    if (rc == DUR_OK) {
        rc = dur_batch_callers(e, &run, dur_buf_str(&output), &n, &rows);
        *done = rc == DUR_ENOTFOUND;
    }

    dur_buf_deinit(&output);

    dur_put32(number, n);
    dur_buf_reset(cursor);
    dur_buf_add(cursor, number, sizeof(number));

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}
