/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_defer.h"
#include "engine/dur_event.h"
#include "engine/dur_json.h"
#include "engine/dur_state.h"
#include "engine/dur_step.h"
#include "engine/dur_ulid.h"


/* An input, and what is added to it. */
#define DUR_DEFER_EVENT  (16 * 1024 * 1024)

#define DUR_DEFER_NAME   "inngest/deferred.schedule"

/* Of a slug and a name. */
#define DUR_DEFER_TEXT   512


/* The defers of a run, ascending by key; borrowed from the transaction. */
typedef struct {
    size_t  n;

    struct {
        dur_hash_t  key;
        dur_step_t  step;
    } row[DUR_DEFER_MAX];
} dur_defer_list_t;


/* -- rows ----------------------------------------------------------------- */

/* The key of a hash, and the hash of a key. */
static dur_hash_t
dur_defer_turn(const dur_hash_t *hash)
{
    size_t      i;
    dur_hash_t  out;

    for (i = 0; i < DUR_HASH_LEN; i++) {
        out.b[i] = (uint8_t) ~hash->b[i];
    }

    return out;
}


static dur_rc_t
dur_defer_list(dur_txn_t *t, const dur_run_t *run, dur_defer_list_t *list)
{
    uint8_t        key[DUR_STEP_KEY];
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_step_t     step;
    dur_hash_t     first;
    dur_cursor_t  *c;

    list->n = 0;

    if (run->defers == 0) {
        return DUR_OK;
    }

    memset(&first, 0, sizeof(first));

    rc = dur_cursor_open(t, DUR_T_STEP, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_step_key(key, &run->id, &first), &k, &v);
         rc == DUR_OK && k.len == DUR_STEP_KEY && list->n < DUR_DEFER_MAX
         && memcmp(k.data, run->id.b, DUR_ULID_LEN) == 0;
         rc = dur_cursor_next(c, &k, &v))
    {
        /* a row that cannot be read is the step's own trouble */

        if (dur_step_decode(v, &step) == DUR_OK
            && (step.state == DUR_STEP_DEFERRED
                || step.state == DUR_STEP_DEFER_ABORTED))
        {
            memcpy(list->row[list->n].key.b, k.data + DUR_ULID_LEN,
                   DUR_HASH_LEN);
            list->row[list->n++].step = step;
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* -- ops ------------------------------------------------------------------ */

static dur_rc_t
dur_defer_say(dur_engine_t *e, const dur_run_t *run, const char *why)
{
    char  id[DUR_ULID_TEXT_LEN + 1];

    dur_ulid_text(&run->id, id);
    dur_state_log(e, 1, "a defer of run %s is ignored: %s", id, why);

    return DUR_OK;
}


/* The SDK reports it again with each call: the log is told once. */
static dur_rc_t
dur_defer_ignore(dur_engine_t *e, dur_run_t *run, const char *why)
{
    if (run->flags & DUR_RUN_F_UNDEFERRED) {
        return DUR_OK;
    }

    run->flags |= DUR_RUN_F_UNDEFERRED;

    return dur_defer_say(e, run, why);
}


/* A member of opts that is an object; empty when it is not there. */
static bool
dur_defer_object(const dur_answer_op_t *op, dur_str_t key, dur_str_t *value)
{
    if (op->opts.len == 0
        || dur_json_member(op->opts, key, value) != DUR_OK
        || dur_str_eq(*value, dur_str("null")))
    {
        *value = dur_str_null;
        return true;
    }

    return value->data[0] == '{';
}


/* Whether one more of this size is within the limits; NULL, or why not. */
static dur_rc_t
dur_defer_room(dur_engine_t *e, const dur_run_t *run, size_t size,
    const char **why)
{
    size_t            i;
    dur_rc_t          rc;
    uint64_t          bytes;
    dur_defer_list_t  list;

    rc = dur_defer_list(e->txn, run, &list);

    for (i = 0, bytes = size; i < list.n; i++) {
        bytes += list.row[i].step.input.length;
        bytes += list.row[i].step.output.length;
    }

    *why = bytes > DUR_DEFER_BYTES
           ? "a run may defer 4 MiB of input, not more" : NULL;

    return rc;
}


static dur_rc_t
dur_defer_put(dur_engine_t *e, dur_run_t *run, const dur_answer_op_t *op,
    dur_str_t input, dur_str_t meta)
{
    dur_rc_t    rc;
    dur_hash_t  key;
    dur_step_t  step;

    memset(&step, 0, sizeof(step));
    step.state = DUR_STEP_DEFERRED;
    step.op = DUR_OPCODE_DEFER_ADD;
    step.created = e->now;
    step.name = op->name;
    step.detail = op->target;

    if (step.name.len > DUR_DEFER_TEXT) {
        step.name.len = DUR_DEFER_TEXT;
    }

    rc = dur_payload_put(e->txn, &run->id, &run->payload_sequence,
                         input.len ? input : dur_str("{}"), 0, &step.input);

    if (rc == DUR_OK && meta.len) {
        rc = dur_payload_put(e->txn, &run->id, &run->payload_sequence, meta,
                             0, &step.output);
    }

    if (rc != DUR_OK) {
        return rc;
    }

    run->defers++;
    key = dur_defer_turn(&op->id);

    return dur_step_put(e, &run->id, &key, &step);
}


dur_rc_t
dur_defer_add(dur_engine_t *e, dur_run_t *run, const dur_answer_op_t *op)
{
    dur_rc_t     rc;
    dur_str_t    input, meta;
    dur_hash_t   key;
    dur_step_t   step;
    const char  *why;

    key = dur_defer_turn(&op->id);

    rc = dur_step_get(e->txn, &run->id, &key, &step);
    if (rc != DUR_ENOTFOUND) {
        return rc;              /* the one that was there first stays */
    }

    if (op->target.len == 0 || op->target.len > DUR_DEFER_TEXT) {
        return dur_defer_ignore(e, run, "it names no function");
    }

    if (!dur_defer_object(op, dur_str("input"), &input)
        || !dur_defer_object(op, dur_str("meta"), &meta))
    {
        return dur_defer_ignore(e, run, "its input and its meta must be "
                                "objects");
    }

    if (run->defers >= DUR_DEFER_MAX) {
        return dur_defer_ignore(e, run, "a run may have 20, not more");
    }

    rc = dur_defer_room(e, run, input.len + meta.len, &why);

    if (rc != DUR_OK) {
        return rc;
    }

    return why ? dur_defer_ignore(e, run, why)
               : dur_defer_put(e, run, op, input, meta);
}


dur_rc_t
dur_defer_abort(dur_engine_t *e, dur_run_t *run, const dur_answer_op_t *op)
{
    dur_rc_t    rc;
    dur_hash_t  key;
    dur_step_t  step;

    if (dur_hash_parse(op->target, &key) != DUR_OK) {
        return dur_defer_ignore(e, run, "an abort of it has no valid "
                                "\"target_hashed_id\"");
    }

    key = dur_defer_turn(&key);

    rc = dur_step_get(e->txn, &run->id, &key, &step);

    if (rc != DUR_OK || step.state != DUR_STEP_DEFERRED) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    /* the row without what it was given; the payload goes with the run */

    step.state = DUR_STEP_DEFER_ABORTED;
    step.ended = e->now;
    step.name = dur_arena_copy(e->arena, step.name);
    step.detail = dur_arena_copy(e->arena, step.detail);
    memset(&step.input, 0, sizeof(step.input));
    memset(&step.output, 0, sizeof(step.output));

    return dur_step_put(e, &run->id, &key, &step);
}


/* -- calls ---------------------------------------------------------------- */

dur_rc_t
dur_defer_write(dur_txn_t *t, const dur_run_t *run, dur_buf_t *out)
{
    char              hex[DUR_HASH_TEXT_LEN + 1];
    size_t            i;
    dur_rc_t          rc;
    dur_hash_t        hash;
    dur_defer_list_t  list;

    rc = dur_defer_list(t, run, &list);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_addc(out, '{');

    /* keys ascend, so hashes descend: JCS wants them ascending */

    for (i = list.n; i > 0; i--) {
        hash = dur_defer_turn(&list.row[i - 1].key);
        dur_hash_text(&hash, hex);

        dur_buf_addf(out, "%s\"%s\":{\"abortable\":%s}", i < list.n ? "," : "",
                     hex, list.row[i - 1].step.state == DUR_STEP_DEFERRED
                          ? "true" : "false");
    }

    return dur_buf_addc(out, '}');
}


/* -- the end -------------------------------------------------------------- */

/* A body as a value of its own, NULL when it cannot be read. */
static dur_rc_t
dur_defer_load(dur_engine_t *e, const dur_run_t *run,
    const dur_payload_t *payload, json_t **value)
{
    dur_rc_t   rc;
    dur_buf_t  b;

    *value = NULL;

    dur_buf_init(&b, DUR_DEFER_EVENT);

    rc = dur_payload_get(e->txn, &run->id, payload, &b);
    if (rc == DUR_OK) {
        *value = dur_json_parse(dur_buf_str(&b), NULL);
    }

    dur_buf_deinit(&b);

    return rc == DUR_ECORRUPT ? DUR_OK : rc;
}


/* data._inngest of the event (protocol 1.9). */
static json_t *
dur_defer_source(dur_engine_t *e, const dur_run_t *run, dur_str_t slug)
{
    char                   id[DUR_ULID_TEXT_LEN + 1];
    char                   uuid[DUR_UUID_TEXT_LEN + 1];
    json_t                *inner;
    dur_function_t        *fn;
    dur_registered_app_t  *app;

    inner = json_object();
    fn = dur_registry_function(&e->registry, run->function);
    app = dur_registry_app(&e->registry, run->app);

    dur_ulid_text(&run->id, id);

    json_object_set_new(inner, "fn_slug",
                        json_stringn((const char *) slug.data, slug.len));
    json_object_set_new(inner, "parent_run_id", json_string(id));

    if (app != NULL) {
        dur_uuid5("app", app->name, uuid);
        json_object_set_new(inner, "parent_app_id", json_string(uuid));
    }

    if (fn != NULL) {
        json_object_set_new(inner, "parent_fn_id", json_string(fn->uuid));
        json_object_set_new(inner, "parent_fn_slug",
                            json_stringn((const char *) fn->slug.data,
                                         fn->slug.len));
    }

    return inner;
}


/* Takes over data and meta (may be NULL). */
static dur_rc_t
dur_defer_emit(dur_engine_t *e, const dur_ulid_t *id, json_t *data,
    json_t *meta)
{
    char             text[DUR_ULID_TEXT_LEN + 1];
    json_t          *root;
    dur_rc_t         rc;
    dur_buf_t        b;
    dur_op_event_t   event;

    root = json_object();
    dur_ulid_text(id, text);

    json_object_set_new(root, "id", json_string(text));
    json_object_set_new(root, "name", json_string(DUR_DEFER_NAME));
    json_object_set_new(root, "ts", json_integer(e->now));
    json_object_set_new(root, "user", json_object());
    json_object_set_new(root, "data", data);

    if (meta != NULL) {
        json_object_set_new(root, "meta", meta);
    }

    dur_buf_init(&b, DUR_DEFER_EVENT);

    memset(&event, 0, sizeof(event));
    event.id = *id;
    event.flags = DUR_EVENT_F_CANONICAL;
    event.ts = e->now;
    event.name = dur_str(DUR_DEFER_NAME);

    rc = json_object_size(root) < 5 ? DUR_ENOMEM : dur_json_write(&b, root);

    if (rc == DUR_OK) {
        event.json = dur_buf_str(&b);
        rc = dur_event_emit(e, &event, false);
    }

    json_decref(root);
    dur_buf_deinit(&b);

    return rc;
}


static dur_rc_t
dur_defer_schedule(dur_engine_t *e, const dur_run_t *run,
    const dur_hash_t *key, const dur_step_t *step)
{
    json_t      *data, *meta;
    dur_rc_t     rc;
    dur_ulid_t   id;

    meta = NULL;

    rc = dur_defer_load(e, run, &step->input, &data);

    if (rc == DUR_OK && step->output.length) {
        rc = dur_defer_load(e, run, &step->output, &meta);
    }

    if (rc != DUR_OK || !json_is_object(data)) {
        json_decref(data);
        json_decref(meta);
        return rc == DUR_OK
               ? dur_defer_say(e, run, "its input cannot be read") : rc;
    }

    json_object_set_new(data, "_inngest",
                        dur_defer_source(e, run, step->detail));
    dur_ulid_derive(&id, run->ended, &run->id, key);

    rc = dur_defer_emit(e, &id, data, meta);

    return rc == DUR_ETOOBIG
           ? dur_defer_say(e, run, "its event is too large") : rc;
}


dur_rc_t
dur_defer_ended(dur_engine_t *e, const dur_run_t *run)
{
    size_t             i;
    dur_rc_t           rc;
    dur_step_t        *step;
    dur_defer_list_t   list;

    rc = dur_defer_list(e->txn, run, &list);
    if (rc != DUR_OK) {
        return rc;
    }

    /* events are written between them */

    for (i = 0; i < list.n; i++) {
        step = &list.row[i].step;
        step->detail = dur_arena_copy(e->arena, step->detail);
        step->input.bytes = dur_arena_copy(e->arena, step->input.bytes);
        step->output.bytes = dur_arena_copy(e->arena, step->output.bytes);
    }

    for (i = 0; rc == DUR_OK && i < list.n; i++) {
        if (list.row[i].step.state == DUR_STEP_DEFERRED) {
            rc = dur_defer_schedule(e, run, &list.row[i].key,
                                    &list.row[i].step);
        }
    }

    return rc;
}
