/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_answer_op.h"
#include "engine/dur_json.h"
#include "engine/dur_time.h"
#include "engine/dur_ulid.h"

#include <stdio.h>


#define DUR_ANSWER_OPS_MAX  1000

/* Of an invoke and a signal that name none (features 0.5). */
#define DUR_ANSWER_TIMEOUT  (365 * DUR_TIME_DAY_MS)
#define DUR_ANSWER_LONGEST  (366 * DUR_TIME_DAY_MS)


static const struct {
    const char    *name;
    dur_opcode_t   opcode;
    const char    *target;      /* the member of opts */
} dur_answer_opcodes[] = {
    { "None", DUR_OPCODE_NONE, NULL },
    { "StepRun", DUR_OPCODE_STEP_RUN, NULL },
    { "Step", DUR_OPCODE_STEP_LEGACY, NULL },
    { "StepError", DUR_OPCODE_STEP_ERROR, NULL },
    { "StepFailed", DUR_OPCODE_STEP_FAILED, NULL },
    { "StepPlanned", DUR_OPCODE_STEP_PLANNED, NULL },
    { "Sleep", DUR_OPCODE_SLEEP, NULL },
    { "RunComplete", DUR_OPCODE_RUN_COMPLETE, NULL },
    { "DiscoveryRequest", DUR_OPCODE_DISCOVERY, NULL },
    { "WaitForEvent", DUR_OPCODE_WAIT_EVENT, "event" },
    { "WaitForSignal", DUR_OPCODE_WAIT_SIGNAL, "signal" },
    { "InvokeFunction", DUR_OPCODE_INVOKE, "function_id" },
    { "AIGateway", DUR_OPCODE_AI, "url" },
    { "Gateway", DUR_OPCODE_GATEWAY, "url" },
    { "DeferAdd", DUR_OPCODE_DEFER_ADD, "fn_slug" },
    { "DeferAbort", DUR_OPCODE_DEFER_ABORT, "target_hashed_id" },
    { "SyncRunComplete", DUR_OPCODE_SYNC_COMPLETE, NULL }
};

#define DUR_ANSWER_NOPCODES                                                   \
    (sizeof(dur_answer_opcodes) / sizeof(dur_answer_opcodes[0]))


bool
dur_opcode_is_plan(dur_opcode_t opcode)
{
    switch (opcode) {
    case DUR_OPCODE_STEP_PLANNED:
    case DUR_OPCODE_SLEEP:
    case DUR_OPCODE_WAIT_EVENT:
    case DUR_OPCODE_WAIT_SIGNAL:
    case DUR_OPCODE_INVOKE:
    case DUR_OPCODE_AI:
    case DUR_OPCODE_GATEWAY:
        return true;
    default:
        return false;
    }
}


bool
dur_opcode_is_step(dur_opcode_t opcode)
{
    switch (opcode) {
    case DUR_OPCODE_STEP_RUN:
    case DUR_OPCODE_STEP_LEGACY:
    case DUR_OPCODE_STEP_ERROR:
    case DUR_OPCODE_STEP_FAILED:
        return true;
    default:
        return dur_opcode_is_plan(opcode);
    }
}


const char *
dur_opcode_name(dur_opcode_t opcode)
{
    size_t  i;

    for (i = 0; i < DUR_ANSWER_NOPCODES; i++) {
        if (dur_answer_opcodes[i].opcode == opcode) {
            return dur_answer_opcodes[i].name;
        }
    }

    return "None";
}


/* -- fields --------------------------------------------------------------- */

static dur_str_t
dur_answer_string(dur_arena_t *arena, const json_t *object, const char *key)
{
    dur_str_t  s;

    if (dur_json_get_string(object, key, &s) != DUR_OK) {
        return dur_str_null;
    }

    return dur_arena_copy(arena, s);
}


/* The index of the opcode in the table, or -1. */
static int
dur_answer_find(dur_str_t name)
{
    size_t  i;

    for (i = 0; i < DUR_ANSWER_NOPCODES; i++) {
        if (dur_str_caseeq(name, dur_str_c(dur_answer_opcodes[i].name))) {
            return (int) i;
        }
    }

    return -1;
}


static dur_rc_t
dur_answer_sleep(const json_t *object, const json_t *opts, int64_t now,
    int64_t *due)
{
    dur_str_t  text;

    if (dur_json_get_string(opts, "duration", &text) != DUR_OK
        && dur_json_get_string(object, "name", &text) != DUR_OK)
    {
        text = dur_str_null;
    }

    return dur_sleep_until(text, now, due);
}


/* opts.timeout: a duration or an instant, "" is now (features 0.2). */
static dur_rc_t
dur_answer_timeout(const json_t *opts, int64_t now, int64_t missing,
    int64_t *due)
{
    int64_t    ms;
    dur_rc_t   rc;
    dur_str_t  text;

    rc = dur_json_get_string(opts, "timeout", &text);

    if (rc == DUR_ENOTFOUND) {
        *due = now + missing;
        return DUR_OK;
    }

    if (rc != DUR_OK) {
        return rc;
    }

    if (text.len == 0) {
        *due = now;
        return DUR_OK;
    }

    rc = dur_duration_parse(text, &ms);

    if (rc == DUR_OK) {
        if (ms > DUR_ANSWER_LONGEST) {
            return DUR_ETOOBIG;
        }
        *due = now + (ms > 0 ? ms : 0);
        return DUR_OK;
    }

    if (rc == DUR_ETOOBIG) {
        return rc;
    }

    rc = dur_rfc3339_parse(text, due);

    if (rc == DUR_OK && *due - now > DUR_ANSWER_LONGEST) {
        return DUR_ETOOBIG;
    }

    if (*due < now) {
        *due = now;
    }

    return rc;
}


/* When it ends or times out; NULL when that is fine, else what is wrong. */
static const char *
dur_answer_due(const json_t *object, const json_t *opts, int64_t now,
    dur_answer_op_t *op)
{
    dur_rc_t     rc;
    const char  *wrong;

    switch (op->opcode) {

    case DUR_OPCODE_SLEEP:
        rc = dur_answer_sleep(object, opts, now, &op->due);
        wrong = "is a Sleep without a duration or date";
        break;

    case DUR_OPCODE_WAIT_EVENT:
        rc = dur_answer_timeout(opts, now, 0, &op->due);
        wrong = "has an \"opts.timeout\" that is no duration or RFC 3339 time";
        break;

    case DUR_OPCODE_WAIT_SIGNAL:
    case DUR_OPCODE_INVOKE:
        rc = dur_answer_timeout(opts, now, DUR_ANSWER_TIMEOUT, &op->due);
        wrong = "has an \"opts.timeout\" that is no duration or RFC 3339 time";
        break;

    default:
        return NULL;
    }

    if (rc == DUR_ETOOBIG) {
        op->due = -1;
        return NULL;
    }

    return rc == DUR_OK ? NULL : wrong;
}


/* What the op is about; NULL when that is fine, else what is wrong. */
static const char *
dur_answer_target(dur_arena_t *arena, const json_t *object,
    const json_t *opts, const char *member, dur_answer_op_t *op)
{
    dur_str_t  conflict;

    if (member == NULL) {
        return NULL;
    }

    op->target = dur_answer_string(arena, opts, member);

    if (op->target.len == 0 && op->opcode == DUR_OPCODE_WAIT_EVENT) {
        op->target = dur_answer_string(arena, object, "name");
    }

    if (op->target.len == 0) {
        switch (op->opcode) {
        case DUR_OPCODE_WAIT_EVENT:
            return "waits for an event without a name";
        case DUR_OPCODE_WAIT_SIGNAL:
            return "has no \"opts.signal\"";
        case DUR_OPCODE_INVOKE:
            return "has no \"opts.function_id\"";
        case DUR_OPCODE_AI:
        case DUR_OPCODE_GATEWAY:
            return "has no \"opts.url\"";
        default:
            return NULL;        /* a bad defer never fails a run */
        }
    }

    op->expression = dur_answer_string(arena, opts, "if");

    if (dur_json_get_string(opts, "conflict", &conflict) == DUR_OK) {
        op->replace = dur_str_eq(conflict, dur_str("replace"));
    }

    return NULL;
}


static const char *
dur_answer_error_of(dur_arena_t *arena, const json_t *object, dur_str_t text,
    dur_answer_op_t *op)
{
    json_t  *error;

    if (op->opcode != DUR_OPCODE_STEP_ERROR
        && op->opcode != DUR_OPCODE_STEP_FAILED)
    {
        return NULL;
    }

    error = json_object_get(object, "error");

    if (!json_is_object(error)) {
        return "has no \"error\" object";
    }

    (void) dur_json_member(text, dur_str("error"), &op->error);
    op->message = dur_answer_string(arena, error, "message");

    return NULL;
}


/* {"a": begin, "b": duration}, both in nanoseconds (protocol 5.1). */
static void
dur_answer_timing(const json_t *timing, dur_answer_op_t *op)
{
    double  a, b;

    a = json_number_value(json_object_get(timing, "a")) / 1e6;
    b = json_number_value(json_object_get(timing, "b")) / 1e3;

    if (a >= 1 && a < 1e15 && b >= 0 && b < 1e15) {
        op->started = (int64_t) a;
        op->duration = (int64_t) b;
    }
}


/* -- ops ------------------------------------------------------------------ */

/* NULL when the op is fine, else what is wrong with it. */
static const char *
dur_answer_op(dur_arena_t *arena, const json_t *object, dur_str_t text,
    int64_t now, dur_answer_op_t *op)
{
    int          i;
    json_t      *opts;
    dur_str_t    id, mode;
    const char  *wrong;

    memset(op, 0, sizeof(*op));

    if (!json_is_object(object)) {
        return "is not an object";
    }

    op->opname = dur_answer_string(arena, object, "op");

    if (op->opname.len == 0) {
        return "has no \"op\"";
    }

    i = dur_answer_find(op->opname);

    if (i < 0) {
        return "has an unknown \"op\"";
    }

    op->opcode = dur_answer_opcodes[i].opcode;
    op->name = dur_answer_string(arena, object, "displayName");

    if (op->name.len == 0) {
        op->name = dur_answer_string(arena, object, "name");
    }

    if (op->opcode == DUR_OPCODE_NONE || op->opcode == DUR_OPCODE_DISCOVERY) {
        return NULL;
    }

    (void) dur_json_member(text, dur_str("data"), &op->data);

    if (op->opcode == DUR_OPCODE_RUN_COMPLETE
        || op->opcode == DUR_OPCODE_SYNC_COMPLETE)
    {
        return NULL;
    }

    if (dur_json_get_string(object, "id", &id) != DUR_OK
        || dur_hash_parse(id, &op->id) != DUR_OK)
    {
        return "has an \"id\" that is not 40 lower-case hex characters";
    }

    dur_answer_timing(json_object_get(object, "timing"), op);

    opts = json_object_get(object, "opts");
    (void) dur_json_member(text, dur_str("opts"), &op->opts);

    if (dur_json_get_string(opts, "parallelMode", &mode) == DUR_OK) {
        op->race = dur_str_caseeq(mode, dur_str("race"));
    }

    wrong = dur_answer_error_of(arena, object, text, op);
    if (wrong == NULL) {
        wrong = dur_answer_target(arena, object, opts,
                                  dur_answer_opcodes[i].target, op);
    }
    if (wrong == NULL) {
        wrong = dur_answer_due(object, opts, now, op);
    }

    return wrong;
}


static dur_rc_t
dur_answer_ops_of(dur_arena_t *arena, dur_str_t text, const json_t *value,
    int64_t now, dur_answer_op_t *ops, size_t n, char err[256])
{
    size_t       i, pos;
    dur_str_t    element;
    const char  *wrong;

    for (i = 0, pos = 0; i < n; i++) {
        element = text;

        if (json_is_array(value)
            && dur_json_next(text, &pos, &element) != DUR_OK)
        {
            return DUR_EINTERNAL;
        }

        wrong = dur_answer_op(arena, json_is_array(value)
                                     ? json_array_get(value, i) : value,
                              element, now, &ops[i]);
        if (wrong != NULL) {
            snprintf(err, 256, "The SDK reported an op that cannot be "
                     "understood: op %zu %s", i, wrong);
            return DUR_EINVAL;
        }
    }

    return DUR_OK;
}


dur_rc_t
dur_answer_ops(dur_arena_t *arena, dur_str_t text, int64_t now_ms,
    dur_answer_op_t **ops, size_t *n, char err[256])
{
    dur_rc_t           rc;
    json_t            *value;
    dur_json_error_t   je;

    *n = 0;

    value = dur_json_parse(text, &je);

    if (value == NULL) {
        snprintf(err, 256, "The SDK answered HTTP 206 with a body that is "
                 "not JSON: %s (byte %zu)", je.text, je.offset);
        return DUR_EINVAL;
    }

    if (!json_is_array(value) && !json_is_object(value)) {
        snprintf(err, 256, "The SDK answered HTTP 206 with a body that is "
                 "not a list of ops");
        rc = DUR_EINVAL;
        goto done;
    }

    *n = json_is_array(value) ? json_array_size(value) : 1;

    if (*n > DUR_ANSWER_OPS_MAX) {
        snprintf(err, 256, "The SDK reported more than 1000 ops at once.");
        rc = DUR_ETOOBIG;
        goto done;
    }

    *ops = dur_arena_alloc(arena, (*n + 1) * sizeof(dur_answer_op_t));

    rc = *ops == NULL ? DUR_ENOMEM
                      : dur_answer_ops_of(arena, text, value, now_ms, *ops,
                                          *n, err);

done:

    json_decref(value);

    return rc;
}
