/* SPDX-License-Identifier: BSD-2-Clause */

/* GET /v2/runs/{id}/trace: the steps of a run as spans (protocol 8.5). */

#include "engine/dur_query_core.h"
#include "engine/dur_answer_op.h"
#include "engine/dur_query_wait.h"
#include "engine/dur_ulid.h"


static const char *
dur_trace_op(uint8_t op)
{
    switch (op) {
    case DUR_OPCODE_SLEEP:
        return "SLEEP";
    case DUR_OPCODE_WAIT_EVENT:
        return "WAIT_FOR_EVENT";
    case DUR_OPCODE_WAIT_SIGNAL:
        return "WAIT_FOR_SIGNAL";
    case DUR_OPCODE_INVOKE:
        return "INVOKE";
    case DUR_OPCODE_AI:
        return "AI_GATEWAY";
    case DUR_OPCODE_GATEWAY:
        return "FETCH";
    default:
        return "RUN";
    }
}


static const char *
dur_trace_status(const dur_tree_step_t *s)
{
    switch (s->step.state) {
    case DUR_STEP_DONE:
        return s->step.wrap == DUR_STEP_ERROR ? "FAILED" : "COMPLETED";
    case DUR_STEP_SLEEPING:
    case DUR_STEP_WAITING:
        return "WAITING";
    default:
        return s->where == DUR_T_LEASE ? "RUNNING" : "QUEUED";
    }
}


static const char *
dur_trace_outcome(uint8_t outcome)
{
    switch (outcome) {
    case DUR_HISTORY_OK:
    case DUR_HISTORY_CHECKPOINT:
        return "COMPLETED";
    case DUR_HISTORY_PARKED:
        return "QUEUED";
    default:
        return "FAILED";
    }
}


static void
dur_trace_times(dur_buf_t *out, int64_t queued, int64_t started,
    int64_t ended)
{
    dur_query_time(out, "queuedAt", queued);
    dur_query_time(out, "startedAt", started);
    dur_query_time(out, "endedAt", ended);
    dur_query_key(out, "durationMs");

    if (started && ended >= started) {
        dur_buf_addf(out, "%lld", (long long) (ended - started));
    } else {
        dur_buf_addz(out, "null");
    }
}


static void
dur_trace_attempts(dur_query_t *q, const dur_tree_t *tree, uint32_t first)
{
    uint32_t              i;
    dur_buf_t            *out = q->out;
    const dur_history_t  *h;

    for (i = first; i != DUR_TREE_NONE; i = tree->attempts[i].next) {
        h = &tree->attempts[i].record;

        dur_query_comma(out);
        dur_buf_addf(out, "{\"spanId\":\"%llu-%u\",\"name\":\"Attempt %u\","
                     "\"status\":\"%s\",\"attempt\":%u,\"httpStatus\":%u",
                     (unsigned long long) h->item, h->generation, h->attempt,
                     dur_trace_outcome(h->outcome), h->attempt, h->status);
        dur_trace_times(out, h->started, h->started,
                        h->started ? h->started
                                     + (int64_t) (h->duration / 1000)
                                   : 0);
        if (h->error.len) {
            dur_query_message(q, "error", h->error);
        }

        dur_buf_addz(out, ",\"childrenSpans\":[]}");
    }
}


static void
dur_trace_step(dur_query_t *q, const dur_tree_t *tree,
    const dur_tree_step_t *s)
{
    char        hash[DUR_HASH_TEXT_LEN + 1];
    int64_t     started;
    dur_buf_t  *out = q->out;

    dur_hash_text(&s->id, hash);
    started = s->first == DUR_TREE_NONE
              ? s->step.created
              : tree->attempts[s->first].record.started;

    dur_query_comma(out);
    dur_buf_addf(out, "{\"spanId\":\"%s\",\"stepId\":\"%s\"", hash, hash);
    dur_query_ulid(out, "parentSpanId", &tree->run.id);
    dur_query_string(out, "name", s->step.name);
    dur_query_string(out, "stepOp", dur_str_c(dur_trace_op(s->step.op)));
    dur_query_string(out, "status", dur_str_c(dur_trace_status(s)));
    dur_query_number(out, "attempts", s->step.attempt);
    dur_query_bool(out, "isRoot", false);
    dur_trace_times(out, s->step.created, started, s->step.ended);

    dur_query_key(out, "stepInfo");
    dur_buf_addc(out, '{');
    dur_query_detail(out, &s->step);

    if (s->where == DUR_T_TIMER) {
        dur_query_time(out, "until", s->step.due);
    }

    if (!dur_query_zero(&s->step.child)) {
        dur_query_ulid(out, "runId", &s->step.child);
    }

    dur_buf_addz(out, "},\"childrenSpans\":[");
    dur_trace_attempts(q, tree, s->first);
    dur_buf_addz(out, "]}");
}


static const char *
dur_trace_run_status(dur_query_t *q, const dur_run_t *run)
{
    switch (run->status) {
    case DUR_RUN_COMPLETED:
        return "COMPLETED";
    case DUR_RUN_FAILED:
        return "FAILED";
    case DUR_RUN_CANCELLED:
        return "CANCELLED";
    case DUR_RUN_SKIPPED:
        return "SKIPPED";
    default:
        return dur_query_status(q, run)[0] == 'S' ? "QUEUED" : "RUNNING";
    }
}


static dur_rc_t
dur_trace_write(dur_query_t *q, void *id)
{
    uint32_t     i;
    dur_rc_t     rc;
    dur_buf_t   *out = q->out;
    dur_tree_t   tree;

    rc = dur_tree_load(q, id, &tree);
    if (rc == DUR_OK) {
        rc = dur_tree_load_attempts(q, &tree);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_addc(out, '{');
    dur_query_ulid(out, "runId", &tree.run.id);
    dur_query_key(out, "rootSpan");
    dur_buf_addc(out, '{');
    dur_query_ulid(out, "spanId", &tree.run.id);
    dur_query_string(out, "name", tree.fn.name);
    dur_query_string(out, "appId", tree.app.name);
    dur_query_string(out, "functionId", tree.fn.slug);
    dur_query_string(out, "status",
                     dur_str_c(dur_trace_run_status(q, &tree.run)));
    dur_query_bool(out, "isRoot", true);
    dur_trace_times(out, tree.run.created, tree.run.started, tree.run.ended);

    rc = dur_query_waiting(q, &tree, &dur_wait_words_v2);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_query_key(out, "childrenSpans");
    dur_buf_addc(out, '[');

    for (i = 0; i < tree.nsteps; i++) {
        dur_trace_step(q, &tree, &tree.steps[i]);
    }

    /* those of calls that brought no result of a step */

    dur_trace_attempts(q, &tree, tree.first);

    return dur_buf_addz(out, "]}}");
}


dur_rc_t
dur_query_trace(dur_store_t *s, const dur_ulid_t *id, dur_buf_t *out)
{
    return dur_query_read(s, out, dur_trace_write, (void *) id);
}
