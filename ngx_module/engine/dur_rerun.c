/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_rerun.h"
#include "engine/dur_event.h"
#include "engine/dur_flow_concurrency.h"
#include "engine/dur_json.h"
#include "engine/dur_member.h"
#include "engine/dur_run.h"
#include "engine/dur_sign.h"
#include "engine/dur_state.h"
#include "engine/dur_step.h"
#include "engine/dur_task.h"
#include "engine/dur_ulid.h"
#include "engine/dur_wait.h"


#define DUR_RERUN_CURSOR  (4 + DUR_HASH_LEN + 4)


/* What is still to be copied: memos at positions below `limit`, from `next`
 * on; of a batch the events from `member` on, which go first. */
typedef struct {
    uint32_t     limit;
    dur_hash_t   next;
    uint32_t     member;
} dur_rerun_cursor_t;


typedef struct {
    dur_run_t    old;
    dur_run_t    run;
    dur_hash_t   step;          /* to begin with */
    dur_str_t    name;          /* of it, for people */
    dur_str_t    input;         /* JSON array, or empty */
    uint32_t     limit;         /* steps to copy */
} dur_rerun_t;


/* -- what is asked for ---------------------------------------------------- */

/* The step by its hash, or by the id that the code gave it. */
static dur_rc_t
dur_rerun_find(dur_engine_t *e, dur_rerun_t *x, dur_str_t id,
    dur_step_t *step)
{
    dur_rc_t  rc;

    if (dur_hash_parse(id, &x->step) == DUR_OK) {
        rc = dur_step_get(e->txn, &x->old.id, &x->step, step);
        if (rc != DUR_ENOTFOUND) {
            return rc;
        }
    }

    dur_sha1(id, x->step.b);

    return dur_step_get(e->txn, &x->old.id, &x->step, step);
}


static dur_rc_t
dur_rerun_step(dur_engine_t *e, dur_rerun_t *x, dur_str_t id)
{
    dur_rc_t    rc;
    dur_step_t  step;

    rc = dur_rerun_find(e, x, id, &step);
    if (rc != DUR_OK) {
        return rc;
    }

    if (step.state == DUR_STEP_DEFERRED
        || step.state == DUR_STEP_DEFER_ABORTED)
    {
        return DUR_ENOTFOUND;
    }

    x->name = dur_arena_copy(e->arena, step.name);
    x->limit = step.state == DUR_STEP_DONE ? step.stack : x->old.steps;

    return x->name.data ? DUR_OK : DUR_ENOMEM;
}


/* DUR_EINVAL: `text` is what is wrong; DUR_ENOTFOUND: there is no such step */
static dur_rc_t
dur_rerun_body(dur_engine_t *e, dur_rerun_t *x, dur_str_t body,
    const char **text)
{
    json_t            *root, *value, *input;
    dur_rc_t           rc;
    dur_str_t          id;
    dur_json_error_t   err;

    root = dur_json_parse(body, &err);

    *text = "from_step must be an object with the string \"stepID\"";

    value = dur_json_iget(root, "stepID");
    if (value == NULL) {
        value = json_object_get(root, "step_id");
    }

    if (!json_is_string(value) || json_string_length(value) == 0) {
        rc = DUR_EINVAL;
        goto done;
    }

    id = dur_str_make(json_string_value(value), json_string_length(value));

    input = json_object_get(root, "input");

    if (input != NULL && !json_is_null(input)) {
        *text = "the input of a step must be an array of its arguments";

        rc = json_is_array(input)
             ? dur_json_member(body, dur_str("input"), &x->input)
             : DUR_EINVAL;

        if (rc == DUR_OK && x->input.len > e->conf.max_output) {
            *text = "the input of the step is larger than an output may be";
            rc = DUR_EINVAL;
        }
        if (rc != DUR_OK) {
            goto done;
        }
    }

    rc = dur_rerun_step(e, x, id);

done:

    json_decref(root);

    return rc;
}


/* -- the copy ------------------------------------------------------------- */

/* Gives the new run one memo; what is borrowed is taken over first. */
static dur_rc_t
dur_rerun_copy_step(dur_engine_t *e, const dur_ulid_t *from, dur_run_t *run,
    const dur_hash_t *id, dur_step_t *step, unsigned *rows)
{
    dur_rc_t   rc;
    dur_buf_t  b;

    step->name = dur_arena_copy(e->arena, step->name);
    step->detail = dur_arena_copy(e->arena, step->detail);

    dur_buf_init(&b, (size_t) step->output.length + 1);

    rc = dur_payload_get(e->txn, from, &step->output, &b);

    if (rc == DUR_OK) {
        step->item = 0;
        step->due = 0;
        step->pending_generation = 0;
        step->flags &= (uint8_t) ~DUR_STEP_F_INPUT;
        memset(&step->input, 0, sizeof(step->input));

        rc = dur_payload_put(e->txn, &run->id, &run->payload_sequence,
                             dur_buf_str(&b), step->output.flags,
                             &step->output);
    }

    if (rc == DUR_OK) {
        run->state_bytes += b.len;
        *rows += 1 + (unsigned) (b.len / DUR_PAYLOAD_ROW);

        rc = dur_step_put(e, &run->id, id, step);
    }

    dur_buf_deinit(&b);

    return rc;
}


/* The next memo of `from` with a hash of at least *id; DUR_ENOTFOUND. */
static dur_rc_t
dur_rerun_next(dur_cursor_t *c, const dur_ulid_t *from, dur_hash_t *id,
    dur_step_t *step)
{
    uint8_t    key[DUR_STEP_KEY];
    dur_rc_t   rc;
    dur_str_t  k, v;

    rc = dur_cursor_seek(c, dur_step_key(key, from, id), &k, &v);
    if (rc != DUR_OK) {
        return rc;
    }

    if (k.len != DUR_STEP_KEY || memcmp(k.data, from->b, DUR_ULID_LEN) != 0) {
        return DUR_ENOTFOUND;
    }

    memcpy(id->b, k.data + DUR_ULID_LEN, DUR_HASH_LEN);

    return dur_step_decode(v, step);
}


/* The hash after this one; false behind the last. */
static bool
dur_rerun_after(dur_hash_t *id)
{
    unsigned  i;

    for (i = DUR_HASH_LEN; i > 0; i--) {
        if (++id->b[i - 1] != 0) {
            return true;
        }
    }

    return false;
}


/*
 * Copies what stands below `limit` from *next on, at least one memo and about
 * as many as an op may write; *done when there are no more.
 */
static dur_rc_t
dur_rerun_copy(dur_engine_t *e, dur_run_t *run, uint32_t limit,
    dur_hash_t *next, bool *done)
{
    unsigned       rows, read;
    dur_rc_t       rc;
    dur_step_t     step;
    dur_cursor_t  *c;

    *done = false;

    rc = dur_cursor_open(e->txn, DUR_T_STEP, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rows = 0;
    read = 0;

    while (rows < DUR_OP_ROWS / 2 && read++ < DUR_OP_ROWS) {
        rc = dur_rerun_next(c, &run->original, next, &step);

        if (rc == DUR_OK && step.state == DUR_STEP_DONE
            && step.stack < limit)
        {
            rc = dur_rerun_copy_step(e, &run->original, run, next, &step,
                                     &rows);
            run->steps++;
        }

        if (rc != DUR_OK || !dur_rerun_after(next)) {
            *done = true;
            break;
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* One piece; *done when there is no more, or it is not there any more. */
static dur_rc_t
dur_rerun_piece(dur_engine_t *e, dur_run_t *run, dur_rerun_cursor_t *c,
    bool *done)
{
    dur_rc_t  rc;
    unsigned  rows = DUR_OP_ROWS / 2;

    *done = false;

    if ((run->flags & DUR_RUN_F_BATCH) && c->member < run->nevents) {

        rc = dur_member_copy(e, &run->original, &run->id, &c->member, &rows);
        if (rc == DUR_OK) {
            return DUR_OK;
        }

        if (rc != DUR_ENOTFOUND || c->member < run->nevents) {
            *done = true;
            return rc == DUR_ENOTFOUND ? DUR_OK : rc;
        }
    }

    if (c->limit == 0) {
        *done = true;
        return DUR_OK;
    }

    return dur_rerun_copy(e, run, c->limit, &c->next, done);
}


/* All is there: the first call is due.  Writes the run. */
static dur_rc_t
dur_rerun_copied(dur_engine_t *e, dur_run_t *run, const dur_rerun_cursor_t *c)
{
    dur_rc_t  rc;

    if (run->steps != c->limit
        || ((run->flags & DUR_RUN_F_BATCH) && c->member < run->nevents))
    {
        return dur_run_fail(e, run, "RerunFailed", "The run that was to be "
                            "run again was deleted while its steps were "
                            "copied.");
    }

    rc = dur_run_release(e, run);

    return rc == DUR_OK ? dur_run_put(e, run) : rc;
}


static void
dur_rerun_cursor_put(dur_buf_t *cursor, const dur_rerun_cursor_t *c)
{
    uint8_t  limit[4], member[4];

    dur_put32(limit, c->limit);
    dur_put32(member, c->member);

    dur_buf_reset(cursor);
    dur_buf_add(cursor, limit, sizeof(limit));
    dur_buf_add(cursor, c->next.b, DUR_HASH_LEN);
    dur_buf_add(cursor, member, sizeof(member));
}


dur_rc_t
dur_rerun_more(dur_engine_t *e, const dur_ulid_t *id, dur_buf_t *cursor,
    bool *done)
{
    dur_rc_t            rc;
    dur_run_t           run;
    dur_rerun_cursor_t  c;

    *done = true;

    /* an older writer knew no batches */

    if (cursor->len != DUR_RERUN_CURSOR
        && cursor->len != DUR_RERUN_CURSOR - 4)
    {
        return DUR_ECORRUPT;
    }

    c.limit = dur_get32(cursor->data);
    memcpy(c.next.b, cursor->data + 4, DUR_HASH_LEN);
    c.member = cursor->len == DUR_RERUN_CURSOR
               ? dur_get32(cursor->data + 4 + DUR_HASH_LEN) : 0;

    rc = dur_run_get(e->txn, id, &run);
    if (rc != DUR_OK || run.status != DUR_RUN_LIVE) {
        /* cancelled, and maybe deleted already */
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    rc = dur_rerun_piece(e, &run, &c, done);
    if (rc != DUR_OK) {
        return rc;
    }

    if (*done) {
        return dur_rerun_copied(e, &run, &c);
    }

    dur_rerun_cursor_put(cursor, &c);

    return dur_run_put(e, &run);
}


dur_rc_t
dur_rerun_poison(dur_engine_t *e, const dur_ulid_t *id)
{
    dur_rc_t   rc;
    dur_run_t  run;

    rc = dur_run_get(e->txn, id, &run);
    if (rc != DUR_OK || run.status != DUR_RUN_LIVE) {
        return (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) ? DUR_OK : rc;
    }

    return dur_run_fail(e, &run, "internal", "The server could not copy the "
                        "steps of the run before (internal error).");
}


/* -- the new run ---------------------------------------------------------- */

/* What started the old run, as it starts another one; from the arena.  Its
 * text only when the function looks into it. */
static dur_rc_t
dur_rerun_event(dur_engine_t *e, const dur_run_t *old,
    const dur_function_t *fn, dur_run_event_t *event)
{
    dur_rc_t  rc;

    rc = dur_event_recall(e, &old->event, dur_option_reads(&fn->option),
                          event);
    if (rc == DUR_OK) {
        event->ts = e->now;
        event->client_id = dur_str_null;
    }

    return rc;
}


/* The step that the new run begins with knows what to do. */
static dur_rc_t
dur_rerun_edit(dur_engine_t *e, dur_rerun_t *x)
{
    dur_rc_t    rc;
    dur_step_t  step;

    if (x->input.len == 0) {
        return DUR_OK;
    }

    memset(&step, 0, sizeof(step));
    step.state = DUR_STEP_EDITED;
    step.flags = DUR_STEP_F_INPUT;
    step.created = e->now;
    step.name = x->name;

    x->run.flags |= DUR_RUN_F_INPUT;

    rc = dur_payload_put(e->txn, &x->run.id, &x->run.payload_sequence,
                         x->input, 0, &step.input);

    return rc == DUR_OK ? dur_step_put(e, &x->run.id, &x->step, &step) : rc;
}


/* The first piece of the copy, all of it as a rule. */
static dur_rc_t
dur_rerun_first(dur_engine_t *e, dur_rerun_t *x)
{
    bool                done;
    dur_rc_t            rc;
    dur_buf_t           cursor;
    dur_rerun_cursor_t  c;

    memset(&c, 0, sizeof(c));
    c.limit = x->limit;

    rc = dur_rerun_piece(e, &x->run, &c, &done);

    if (rc == DUR_OK && done) {
        return dur_rerun_copied(e, &x->run, &c);
    }
    if (rc == DUR_OK) {
        rc = dur_run_put(e, &x->run);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_init(&cursor, DUR_TASK_CURSOR);
    dur_rerun_cursor_put(&cursor, &c);

    rc = dur_task_add(e, DUR_TASK_RERUN, &x->run.id, dur_buf_str(&cursor));

    dur_buf_deinit(&cursor);

    return rc;
}


static dur_rc_t
dur_rerun_begin(dur_engine_t *e, dur_rerun_t *x, const dur_function_t *fn,
    const dur_run_event_t *event)
{
    bool      held;
    dur_rc_t  rc;

    dur_run_init(e, fn, &x->run);
    x->run.event = x->old.event;
    x->run.nevents = x->old.nevents;
    x->run.original = x->old.id;
    x->run.depth = x->old.depth;
    x->run.flags = x->old.flags & (DUR_RUN_F_QUIET | DUR_RUN_F_BATCH);

    held = x->limit > 0 || (x->run.flags & DUR_RUN_F_BATCH);

    rc = dur_flow_keys(e, fn, event, &x->run);

    if (rc == DUR_OK && (x->run.flags & DUR_RUN_F_BATCH) == 0) {
        rc = dur_wait_cancel_on(e, fn, event, &x->run);
    }

    if (rc == DUR_OK) {
        rc = dur_rerun_edit(e, x);
    }
    if (rc == DUR_OK) {
        rc = dur_run_begin(e, &x->run, held ? DUR_RUN_HELD : 0, event->name);
    }

    return (rc == DUR_OK && held) ? dur_rerun_first(e, x) : rc;
}


dur_rc_t
dur_rerun_whole(dur_engine_t *e, const dur_run_t *old,
    const dur_function_t *fn, dur_ulid_t *id)
{
    dur_rc_t         rc;
    dur_rerun_t      x;
    dur_run_event_t  event;

    memset(&x, 0, sizeof(x));
    x.old = *old;

    rc = dur_rerun_event(e, old, fn, &event);
    if (rc == DUR_OK) {
        rc = dur_rerun_begin(e, &x, fn, &event);
    }

    *id = x.run.id;

    return rc;
}


dur_rc_t
dur_rerun_apply(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    char              id[DUR_ULID_TEXT_LEN + 1];
    dur_rc_t          rc;
    const char       *text;
    dur_rerun_t       x;
    dur_function_t   *fn;
    dur_run_event_t   event;

    memset(&x, 0, sizeof(x));

    rc = dur_run_get(e->txn, &op->run, &x.old);

    if (rc == DUR_ENOTFOUND) {
        return dur_state_refuse(e, reply, 404, "there is no such run");
    }
    if (rc != DUR_OK) {
        return rc;
    }

    if (x.old.flags & DUR_RUN_F_ENDPOINT) {
        return dur_state_refuse(e, reply, 409, "a durable endpoint runs for "
                                "the request of its client: it cannot be run "
                                "again");
    }

    fn = dur_registry_function(&e->registry, x.old.function);

    if (fn == NULL || fn->archived) {
        return dur_state_refuse(e, reply, 409, "the function of the run is "
                                "archived: no app has it any more");
    }

    if (op->body.len) {
        rc = dur_rerun_body(e, &x, op->body, &text);

        if (rc == DUR_EINVAL) {
            return dur_state_refuse(e, reply, 400, "%s", text);
        }
        if (rc == DUR_ENOTFOUND) {
            return dur_state_refuse(e, reply, 404, "the run has no such "
                                    "step");
        }
        if (rc != DUR_OK) {
            return rc;
        }
    }

    rc = dur_rerun_event(e, &x.old, fn, &event);

    if (rc == DUR_ENOTFOUND) {
        return dur_state_refuse(e, reply, 409, "the event of the run is "
                                "being deleted");
    }
    if (rc == DUR_OK) {
        rc = dur_rerun_begin(e, &x, fn, &event);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    dur_ulid_text(&x.run.id, id);
    reply->status = 200;
    reply->body = dur_str_c(dur_arena_printf(e->arena, "{\"run_id\":\"%s\"}",
                                             id));

    return reply->body.data ? DUR_OK : DUR_ENOMEM;
}
