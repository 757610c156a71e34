/* SPDX-License-Identifier: BSD-2-Clause */

/* GET /v1/runs/{id}/tree, /history and /steps/{hash}: for people. */

#include "engine/dur_query_core.h"
#include "engine/dur_answer_op.h"
#include "engine/dur_query_wait.h"
#include "engine/dur_ulid.h"


/* A body that is longer has a link instead, and so have all of them once the
 * tree is as long as this. */
#define DUR_SHOW_INLINE  (64 * 1024)
#define DUR_SHOW_TREE    (4 * 1024 * 1024)


static size_t
dur_show_max(const dur_query_t *q)
{
    return dur_query_room(q, DUR_SHOW_TREE) > DUR_SHOW_INLINE ? DUR_SHOW_INLINE
                                                              : 0;
}


/* -- attempts ------------------------------------------------------------- */

static void
dur_show_attempt(dur_query_t *q, const dur_history_t *h)
{
    dur_buf_t  *out = q->out;

    dur_query_comma(out);
    dur_buf_addf(out, "{\"outcome\":\"%s\",\"attempt\":%u,\"status\":%u,"
                 "\"job_id\":\"%llu\",\"generation\":%u,\"duration_us\":%llu",
                 dur_history_outcome_name(h->outcome), h->attempt, h->status,
                 (unsigned long long) h->item, h->generation,
                 (unsigned long long) h->duration);
    dur_query_time(out, "started_at", h->started);

    if (h->at) {
        dur_query_time(out, "retry_at", h->at);
    }

    if (h->error.len) {
        dur_query_message(q, "error", h->error);
    }

    if (h->answer.len) {
        dur_query_message(q, "answer", h->answer);
    }
}


static void
dur_show_attempts(dur_query_t *q, const dur_tree_t *tree, uint32_t first)
{
    uint32_t  i;

    dur_query_key(q->out, "attempts");
    dur_buf_addc(q->out, '[');

    for (i = first; i != DUR_TREE_NONE; i = tree->attempts[i].next) {
        dur_show_attempt(q, &tree->attempts[i].record);
        dur_buf_addc(q->out, '}');
    }

    dur_buf_addc(q->out, ']');
}


static void
dur_show_record(dur_query_t *q, const dur_run_t *run, const dur_history_t *h)
{
    char        hash[DUR_HASH_TEXT_LEN + 1];
    dur_step_t  step;

    dur_show_attempt(q, h);

    if (h->kind != DUR_ITEM_DISCOVERY) {
        dur_hash_text(&h->step, hash);
        dur_query_string(q->out, "step_id", dur_str_c(hash));

        if (dur_step_get(q->txn, &run->id, &h->step, &step) == DUR_OK) {
            dur_query_string(q->out, "step", step.name);
        }
    }

    dur_buf_addc(q->out, '}');
}


static dur_rc_t
dur_show_history(dur_query_t *q, void *id)
{
    uint32_t     i;
    dur_rc_t     rc;
    dur_tree_t   tree;

    rc = dur_tree_load(q, id, &tree);
    if (rc == DUR_OK) {
        rc = dur_tree_load_attempts(q, &tree);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_addc(q->out, '[');

    for (i = 0; i < tree.nattempts; i++) {
        dur_show_record(q, &tree.run, &tree.attempts[i].record);
    }

    return dur_buf_addc(q->out, ']');
}


dur_rc_t
dur_query_history(dur_store_t *s, const dur_ulid_t *id, dur_buf_t *out)
{
    return dur_query_read(s, out, dur_show_history, (void *) id);
}


/* -- steps ---------------------------------------------------------------- */

/* What a body is shown as when it is not: its length and where it is. */
static void
dur_show_link(dur_query_t *q, const dur_run_t *run, const char *hash)
{
    char  id[DUR_ULID_TEXT_LEN + 1];

    dur_ulid_text(&run->id, id);
    dur_query_key(q->out, "link");
    dur_buf_addf(q->out, "\"/v1/runs/%s/steps/%s\"", id, hash);
}


dur_rc_t
dur_tree_write_step(dur_query_t *q, const dur_run_t *run,
    const dur_tree_step_t *s, size_t max)
{
    char               hash[DUR_HASH_TEXT_LEN + 1];
    dur_rc_t           rc;
    dur_buf_t         *out = q->out;
    const char        *key;
    const dur_step_t  *step = &s->step;

    dur_hash_text(&s->id, hash);

    dur_query_string(out, "id", step->name);
    dur_query_string(out, "hashed_id", dur_str_c(hash));
    dur_query_string(out, "op", dur_str_c(dur_opcode_name(step->op)));
    dur_query_string(out, "state", dur_str_c(dur_tree_state(s)));
    dur_query_time(out, "created_at", step->created);
    dur_query_time(out, "ended_at", step->ended);
    dur_query_detail(out, step);

    if (s->where == DUR_T_TIMER) {
        dur_query_time(out, step->state == DUR_STEP_WAITING ? "expires_at"
                            : step->state == DUR_STEP_SLEEPING ? "wakes_at"
                            : "retry_at",
                       step->due);
    }

    if (!dur_query_zero(&step->child)) {
        dur_query_ulid(out, "child_run_id", &step->child);
    }

    rc = dur_query_input(q, &run->id, step, max);
    if (rc != DUR_OK) {
        return rc;
    }

    if (step->state == DUR_STEP_DONE) {
        key = step->wrap == DUR_STEP_ERROR ? "error" : "output";

        rc = dur_query_body(q, key, &run->id, &step->output, max);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    if (step->output.length > max || step->input.length > max) {
        dur_show_link(q, run, hash);
    }

    return DUR_OK;
}


typedef struct {
    const dur_ulid_t  *run;
    const dur_hash_t  *step;
} dur_show_step_t;


static dur_rc_t
dur_show_one_step(dur_query_t *q, void *arg)
{
    dur_rc_t                rc;
    dur_run_t               run;
    dur_item_t              item;
    dur_tree_step_t         s;
    const dur_show_step_t  *which = arg;

    memset(&s, 0, sizeof(s));
    s.id = *which->step;

    rc = dur_run_get(q->txn, which->run, &run);
    if (rc == DUR_OK) {
        rc = dur_step_get(q->txn, which->run, which->step, &s.step);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    s.where = s.step.state == DUR_STEP_DONE
              ? DUR_T_MAX
              : dur_query_item(q, &run, &s.step, &item);

    dur_buf_addc(q->out, '{');

    rc = dur_tree_write_step(q, &run, &s, SIZE_MAX);

    return rc == DUR_OK ? dur_buf_addc(q->out, '}') : rc;
}


dur_rc_t
dur_query_step(dur_store_t *s, const dur_ulid_t *run,
    const dur_hash_t *step, dur_buf_t *out)
{
    dur_show_step_t  which = { run, step };

    return dur_query_read(s, out, dur_show_one_step, &which);
}


/* -- the tree ------------------------------------------------------------- */

static void
dur_show_wait(dur_query_t *q, const dur_tree_t *tree)
{
    char                    hash[DUR_HASH_TEXT_LEN + 1];
    dur_buf_t              *out = q->out;
    const dur_tree_wait_t  *wait = &tree->wait;

    dur_query_time(out, "next_at", tree->next);
    dur_query_key(out, "waits");

    if (wait->reason == NULL) {
        dur_buf_addz(out, "null");
        return;
    }

    dur_buf_addc(out, '{');
    dur_query_string(out, "for", dur_str_c(wait->reason));
    dur_query_time(out, "until", wait->until);

    if (wait->step) {
        dur_hash_text(&wait->step->id, hash);
        dur_query_string(out, "step", wait->step->step.name);
        dur_query_string(out, "step_id", dur_str_c(hash));
        dur_query_detail(out, &wait->step->step);
    }

    if (tree->target.parked) {
        dur_query_time(out, "parked_at", tree->target.parked);
        dur_query_string(out, "error", dur_str_c(tree->target.error));
    }

    dur_buf_addc(out, '}');
}


static void
dur_show_header(dur_query_t *q, const dur_tree_t *tree)
{
    dur_buf_t        *out = q->out;
    const dur_run_t  *run = &tree->run;

    dur_query_ulid(out, "run_id", &run->id);
    dur_query_string(out, "status", dur_str_c(dur_query_status(q, run)));
    dur_query_string(out, "app", tree->app.name);
    dur_query_string(out, "function", tree->fn.slug);
    dur_query_string(out, "function_name", tree->fn.name);
    dur_query_number(out, "function_version", run->version);

    dur_query_key(out, "event_ids");
    dur_query_event_ids(q, run);
    dur_query_number(out, "events", run->nevents ? run->nevents : 1);

    if ((run->flags & DUR_RUN_F_INVOKED) && !dur_query_zero(&run->parent)) {
        dur_query_ulid(out, "parent_run_id", &run->parent);
    }

    if (!dur_query_zero(&run->original)) {
        dur_query_ulid(out, "original_run_id", &run->original);
    }

    dur_query_time(out, "created_at", run->created);
    dur_query_time(out, "started_at", run->started);
    dur_query_time(out, "ended_at", run->ended);

    if (run->deadline) {
        dur_query_time(out, "deadline_at", run->deadline_due);
    }

    dur_query_number(out, "open", run->open);
    dur_query_number(out, "state_bytes", run->state_bytes);
    dur_show_wait(q, tree);
}


static dur_rc_t
dur_show_steps(dur_query_t *q, const dur_tree_t *tree)
{
    uint32_t   i;
    dur_rc_t   rc;

    dur_query_key(q->out, "steps");
    dur_buf_addc(q->out, '[');

    for (i = 0; i < tree->nsteps; i++) {
        dur_query_comma(q->out);
        dur_buf_addc(q->out, '{');

        rc = dur_tree_write_step(q, &tree->run, &tree->steps[i],
                                 dur_show_max(q));
        if (rc != DUR_OK) {
            return rc;
        }

        dur_show_attempts(q, tree, tree->steps[i].first);
        dur_buf_addc(q->out, '}');
    }

    return dur_buf_addc(q->out, ']');
}


static dur_rc_t
dur_show_tree(dur_query_t *q, void *id)
{
    char         text[DUR_ULID_TEXT_LEN + 1];
    dur_rc_t     rc;
    dur_tree_t   tree;

    rc = dur_tree_load(q, id, &tree);
    if (rc == DUR_OK) {
        rc = dur_tree_load_attempts(q, &tree);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_addc(q->out, '{');
    dur_show_header(q, &tree);

    rc = dur_query_waiting(q, &tree, &dur_wait_words_v1);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_query_body(q, tree.run.status == DUR_RUN_FAILED
                           || tree.run.status == DUR_RUN_CANCELLED
                           ? "error" : "output",
                        &tree.run.id, &tree.run.output, DUR_SHOW_INLINE);
    if (rc != DUR_OK) {
        return rc;
    }

    if (tree.run.output.length > DUR_SHOW_INLINE) {
        dur_ulid_text(&tree.run.id, text);
        dur_query_key(q->out, "link");
        dur_buf_addf(q->out, "\"/v1/runs/%s\"", text);
    }

    rc = dur_show_steps(q, &tree);
    if (rc != DUR_OK) {
        return rc;
    }

    /* those of calls that brought no result of a step */

    dur_show_attempts(q, &tree, tree.first);
    dur_query_bool(q->out, "truncated", tree.truncated);

    return dur_buf_addc(q->out, '}');
}


dur_rc_t
dur_query_tree(dur_store_t *s, const dur_ulid_t *id, dur_buf_t *out)
{
    return dur_query_read(s, out, dur_show_tree, (void *) id);
}
