/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_served_call.h"
#include "engine/dur_json.h"
#include "engine/dur_sign.h"
#include "engine/dur_ulid.h"

#include <inttypes.h>
#include <stdio.h>


#define DUR_SERVED_CALL_ID        256
#define DUR_SERVED_CALL_ATTEMPTS  1000


/* -- the request ---------------------------------------------------------- */

/* Most servers have ULIDs; what is none stands for one. */
static const char *
dur_served_call_run(const json_t *ctx, dur_served_call_t *call)
{
    uint8_t    digest[20];
    dur_str_t  text;

    if (dur_json_get_string(ctx, "run_id", &text) != DUR_OK
        || text.len == 0 || text.len > DUR_SERVED_CALL_ID)
    {
        return "\"ctx.run_id\" must be the id of a run";
    }

    call->run_id = text;

    if (dur_ulid_parse(text, &call->run) != DUR_OK) {
        dur_sha1(text, digest);
        memcpy(call->run.b, digest, DUR_ULID_LEN);
    }

    return NULL;
}


/* A number that may be absent. */
static bool
dur_served_call_number(const json_t *object, const char *key, int64_t least,
    int64_t most, int64_t *value)
{
    dur_rc_t  rc;

    rc = dur_json_get_int(object, key, value);

    return rc == DUR_ENOTFOUND
           || (rc == DUR_OK && *value >= least && *value <= most);
}


/* The item of the server's queue and its attempt: a call that comes again
 * because its answer was lost has another one. */
static void
dur_served_call_id(const json_t *ctx, dur_served_call_t *call)
{
    char       text[32];
    uint8_t    digest[20];
    dur_str_t  parts[3];

    if (dur_json_get_string(ctx, "qi_id", &parts[0]) != DUR_OK
        && dur_json_get_string(ctx, "job_id", &parts[0]) != DUR_OK)
    {
        parts[0] = dur_str_null;
    }

    snprintf(text, sizeof(text), "%u", call->attempt);
    parts[1] = dur_str("\n");
    parts[2] = dur_str_c(text);

    dur_sha1_parts(parts, 3, digest);
    call->id = dur_get64(digest);
}


static const char *
dur_served_call_ctx(const json_t *ctx, dur_served_call_t *call)
{
    int64_t      attempt, most;
    const char  *wrong;

    if (!json_is_object(ctx)) {
        return "\"ctx\" must be an object";
    }

    wrong = dur_served_call_run(ctx, call);
    if (wrong != NULL) {
        return wrong;
    }

    attempt = 0;
    most = 0;

    if (!dur_served_call_number(ctx, "attempt", 0, DUR_SERVED_CALL_ATTEMPTS,
                                &attempt)
        || !dur_served_call_number(ctx, "max_attempts", 0,
                                   DUR_SERVED_CALL_ATTEMPTS, &most))
    {
        return "\"ctx.attempt\" and \"ctx.max_attempts\" must be numbers of "
               "attempts";
    }

    call->attempt = (unsigned) attempt;
    call->max_attempts = (unsigned) most;
    call->plan = json_is_true(json_object_get(ctx,
                                              "disable_immediate_execution"));
    call->use_api = json_is_true(json_object_get(ctx, "use_api"));
    call->stack = json_object_get(json_object_get(ctx, "stack"), "stack");

    dur_served_call_id(ctx, call);

    return NULL;
}


const char *
dur_served_call_read(dur_str_t body, dur_served_call_t *call)
{
    int64_t      version;
    const char  *wrong;

    memset(call, 0, sizeof(*call));

    call->root = dur_json_parse(body, NULL);

    if (!json_is_object(call->root)) {
        return "the body of a call must be a JSON object";
    }

    wrong = dur_served_call_ctx(json_object_get(call->root, "ctx"), call);
    if (wrong != NULL) {
        return wrong;
    }

    version = -1;

    if (!dur_served_call_number(call->root, "version", -1, 2, &version)
        || version == 0)
    {
        return "\"version\" must be -1, 1 or 2: no other version of the "
               "protocol is known";
    }

    if (!json_is_object(json_object_get(call->root, "event"))
        || dur_json_member(body, dur_str("event"), &call->event) != DUR_OK)
    {
        return "\"event\" must be an object";
    }

    if (json_array_size(json_object_get(call->root, "events")) < 2
        || dur_json_member(body, dur_str("events"), &call->events) != DUR_OK)
    {
        call->events = dur_str_null;
    }

    call->use_api |= json_is_true(json_object_get(call->root, "use_api"));
    call->steps = json_object_get(call->root, "steps");

    if (call->steps != NULL && !json_is_object(call->steps)
        && !json_is_null(call->steps))
    {
        return "\"steps\" must be an object";
    }

    return NULL;
}


void
dur_served_call_free(dur_served_call_t *call)
{
    json_decref(call->root);
    call->root = NULL;
}


json_t *
dur_served_call_memo(const dur_served_call_t *call, const dur_hash_t *step)
{
    char     text[DUR_HASH_TEXT_LEN + 1];
    json_t  *memo;

    dur_hash_text(step, text);
    memo = json_object_get(call->steps, text);

    /* an input that was edited for a step that has not run */

    return (json_object_size(memo) == 1
            && json_object_get(memo, "input") != NULL) ? NULL : memo;
}


bool
dur_served_call_done(const dur_served_call_t *call, const dur_hash_t *step)
{
    char         text[DUR_HASH_TEXT_LEN + 1];
    size_t       i;
    const char  *id;

    if (dur_served_call_memo(call, step) != NULL) {
        return true;
    }

    dur_hash_text(step, text);

    for (i = 0; i < json_array_size(call->stack); i++) {
        id = json_string_value(json_array_get(call->stack, i));

        if (id != NULL && strcmp(id, text) == 0) {
            return true;
        }
    }

    return false;
}


bool
dur_served_call_whole(const dur_served_call_t *call)
{
    size_t       i;
    const char  *id;

    for (i = 0; i < json_array_size(call->stack); i++) {
        id = json_string_value(json_array_get(call->stack, i));

        if (id != NULL && json_object_get(call->steps, id) == NULL) {
            return false;
        }
    }

    return true;
}


bool
dur_served_call_last(const dur_served_call_t *call)
{
    return call->max_attempts != 0
           && call->attempt + 1 >= call->max_attempts;
}


/* -- the answer ----------------------------------------------------------- */

static void
dur_served_write_op(dur_buf_t *b, const char *op, const dur_hash_t *step,
    dur_str_t name)
{
    char  text[DUR_HASH_TEXT_LEN + 1];

    dur_hash_text(step, text);

    dur_buf_addf(b, "[{\"id\":\"%s\",\"op\":\"%s\",\"name\":", text, op);
    dur_json_write_string(b, name);
    dur_buf_addz(b, ",\"displayName\":");
    dur_json_write_string(b, name);
    dur_buf_addz(b, ",\"opts\":{},\"userland\":{\"id\":");
    dur_json_write_string(b, name);
    dur_buf_addz(b, "},\"data\":");
}


dur_rc_t
dur_served_write_plan(dur_buf_t *b, const dur_hash_t *step, dur_str_t name)
{
    dur_served_write_op(b, "StepPlanned", step, name);

    return dur_buf_addz(b, "null}]");
}


dur_rc_t
dur_served_write_result(dur_buf_t *b, const dur_hash_t *step,
    dur_str_t name, const dur_served_t *served, dur_str_t result)
{
    dur_served_write_op(b, served->state == DUR_SERVED_DONE ? "StepRun"
                           : served->state == DUR_SERVED_FAILED ? "StepError"
                           : "StepFailed", step, name);

    if (result.len == 0) {
        result = dur_str("null");
    }

    if (served->state == DUR_SERVED_DONE) {
        dur_buf_adds(b, result);

    } else {
        dur_buf_addz(b, "null,\"error\":");
        dur_buf_adds(b, result);
    }

    /* nanoseconds */

    return dur_buf_addf(b, ",\"timing\":{\"a\":%" PRId64 ",\"b\":%" PRId64
                        "}}]", served->started * 1000000,
                        served->duration * 1000);
}


dur_rc_t
dur_served_write_error(dur_buf_t *b, const char *name, dur_str_t message)
{
    dur_buf_addz(b, "{\"message\":");
    dur_json_write_string(b, message);
    dur_buf_addf(b, ",\"name\":\"%s\",\"stack\":", name);
    dur_json_write_string(b, message);

    return dur_buf_addc(b, '}');
}
