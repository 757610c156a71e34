/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_answer.h"
#include "engine/dur_frame.h"
#include "engine/dur_json.h"
#include "engine/dur_retry.h"

#include <stdio.h>


/* Of what an app says went wrong: a stack, a message. */
#define DUR_ANSWER_TEXT_MAX   (8 * 1024)
#define DUR_ANSWER_ERROR_MAX  (16 * 1024 * 1024)


/* -- headers -------------------------------------------------------------- */

dur_str_t
dur_headers_get(dur_str_t headers, const char *name)
{
    dur_str_t       line, want, value;
    const uint8_t  *p, *end, *eol, *colon;

    want = dur_str_c(name);
    end = headers.data + headers.len;

    for (p = headers.data; p < end; p = eol + 1) {
        eol = memchr(p, '\n', (size_t) (end - p));
        if (eol == NULL) {
            eol = end;
        }

        colon = memchr(p, ':', (size_t) (eol - p));
        if (colon == NULL) {
            continue;
        }

        line = dur_str_make(p, (size_t) (colon - p));

        if (!dur_str_caseeq(line, want)) {
            continue;
        }

        value = dur_str_make(colon + 1, (size_t) (eol - colon - 1));

        while (value.len && (value.data[0] == ' ' || value.data[0] == '\t')) {
            value.data++;
            value.len--;
        }

        while (value.len && (value.data[value.len - 1] == ' '
                             || value.data[value.len - 1] == '\r'))
        {
            value.len--;
        }

        return value;
    }

    return dur_str_null;
}


/* -- errors --------------------------------------------------------------- */

static dur_str_t
dur_answer_cut(dur_str_t s)
{
    if (s.len > DUR_ANSWER_TEXT_MAX) {
        s.len = DUR_ANSWER_TEXT_MAX;
    }

    return s;
}


static dur_str_t
dur_answer_copy(dur_arena_t *arena, dur_buf_t *b)
{
    dur_str_t  s;

    s = b->failed ? dur_str_null : dur_arena_copy(arena, dur_buf_str(b));
    dur_buf_deinit(b);

    return s;
}


dur_rc_t
dur_answer_error(dur_arena_t *arena, dur_answer_t *answer, const char *name,
    dur_str_t message, dur_str_t stack)
{
    dur_buf_t  b;

    stack = dur_answer_cut(stack);
    message = dur_answer_cut(message);

    dur_buf_init(&b, DUR_ANSWER_ERROR_MAX);

    dur_buf_addz(&b, "{\"error\":");
    dur_json_write_string(&b, message);
    dur_buf_addz(&b, ",\"message\":");
    dur_json_write_string(&b, message);
    dur_buf_addf(&b, ",\"name\":\"%s\"", name);

    if (stack.len) {
        dur_buf_addz(&b, ",\"stack\":");
        dur_json_write_string(&b, stack);
    }

    dur_buf_addc(&b, '}');

    answer->kind = DUR_ANSWER_ERROR;
    answer->message = dur_arena_copy(arena, message);
    answer->error = dur_answer_copy(arena, &b);

    return (answer->error.data && answer->message.data) ? DUR_OK
                                                        : DUR_ENOMEM;
}


static void
dur_answer_member(dur_buf_t *b, const char *key, const json_t *value)
{
    if (value != NULL && !json_is_null(value)) {
        dur_buf_addf(b, "%s\"%s\":", b->len > 1 ? "," : "", key);
        dur_json_write(b, value);
    }
}


/* The error an SDK reports: name, message, stack, cause (protocol 4.2). */
static dur_rc_t
dur_answer_sdk_error(dur_arena_t *arena, dur_answer_t *answer,
    const json_t *body)
{
    json_t     *name, *message, *error;
    dur_buf_t   b;
    dur_str_t   text;

    error = json_object_get(body, "error");
    name = json_object_get(body, "name");
    message = json_object_get(body, "message");

    if (json_is_string(message)) {
        text = dur_str_make(json_string_value(message),
                            json_string_length(message));

    } else if (json_is_string(error)) {
        text = dur_str_make(json_string_value(error),
                            json_string_length(error));

    } else {
        text = dur_str("Function execution error");
    }

    text = dur_answer_cut(text);

    dur_buf_init(&b, DUR_ANSWER_ERROR_MAX);
    dur_buf_addc(&b, '{');

    dur_answer_member(&b, "cause", json_object_get(body, "cause"));
    dur_answer_member(&b, "data", json_object_get(body, "data"));

    if (error != NULL) {
        dur_answer_member(&b, "error", error);
    } else {
        dur_buf_addf(&b, "%s\"error\":", b.len > 1 ? "," : "");
        dur_json_write_string(&b, text);
    }

    dur_buf_addz(&b, ",\"message\":");
    dur_json_write_string(&b, text);

    if (json_is_string(name)) {
        dur_answer_member(&b, "name", name);
    } else {
        dur_buf_addz(&b, ",\"name\":\"Error\"");
    }

    dur_answer_member(&b, "stack", json_object_get(body, "stack"));
    dur_buf_addc(&b, '}');

    if (b.failed) {
        /* larger than anybody will read */
        dur_buf_deinit(&b);
        return dur_answer_error(arena, answer, "Error", text, dur_str_null);
    }

    answer->kind = DUR_ANSWER_ERROR;
    answer->message = dur_arena_copy(arena, text);
    answer->error = dur_answer_copy(arena, &b);

    return (answer->error.data && answer->message.data) ? DUR_OK
                                                        : DUR_ENOMEM;
}


/* -- answers -------------------------------------------------------------- */

static dur_rc_t
dur_answer_done(dur_arena_t *arena, dur_answer_t *answer, dur_str_t body)
{
    json_t            *value;
    dur_buf_t          b;
    dur_json_error_t   err;

    answer->kind = DUR_ANSWER_DONE;

    if (body.len == 0) {
        answer->output = dur_str("null");
        return DUR_OK;
    }

    value = dur_json_parse(body, &err);

    if (value != NULL) {
        json_decref(value);
        answer->output = body;
        return DUR_OK;
    }

    dur_buf_init(&b, 6 * body.len + 2);
    dur_json_write_string(&b, body);
    answer->output = dur_answer_copy(arena, &b);

    return answer->output.data ? DUR_OK : DUR_ENOMEM;
}


static dur_rc_t
dur_answer_http(dur_arena_t *arena, dur_answer_t *answer, unsigned status,
    bool sdk, dur_str_t body)
{
    char               text[128];
    dur_rc_t           rc;
    json_t            *value;
    dur_json_error_t   err;

    if (!sdk) {
        snprintf(text, sizeof(text), (status >= 200 && status < 300)
                 ? "The response did not come from an Inngest SDK (HTTP %u "
                   "without the x-inngest-sdk header)"
                 : "Your server returned HTTP %u before the SDK responded.",
                 status);

        return dur_answer_error(arena, answer, (status >= 200 && status < 300)
                                ? "not_sdk" : "http_error", dur_str_c(text),
                                body);
    }

    value = dur_json_parse(body, &err);

    if (value == NULL) {
        snprintf(text, sizeof(text), "The SDK answered HTTP %u with a body "
                 "that is not JSON", status);
        return dur_answer_error(arena, answer, "Error",
                                body.len ? dur_str_c(text)
                                         : dur_str("Function execution "
                                                   "error"), body);
    }

    if (json_is_object(value)) {
        rc = dur_answer_sdk_error(arena, answer, value);

    } else {
        rc = dur_answer_error(arena, answer, "Error",
                              json_is_string(value)
                              ? dur_str_make(json_string_value(value),
                                             json_string_length(value))
                              : json_is_null(value)
                              ? dur_str("Function execution error")
                              : body, dur_str_null);
    }

    json_decref(value);

    return rc;
}


static dur_rc_t
dur_answer_steps(dur_arena_t *arena, dur_answer_t *answer, dur_str_t body,
    int64_t now)
{
    char      err[256];
    dur_rc_t  rc;

    rc = dur_answer_ops(arena, body, now, &answer->ops, &answer->nops, err);

    if (rc == DUR_OK) {
        answer->kind = DUR_ANSWER_OPS;
        return DUR_OK;
    }

    if (rc == DUR_ETOOBIG) {
        answer->no_retry = true;
        return dur_answer_error(arena, answer, "InngestErrFunctionOverflowed",
                                dur_str_c(err), dur_str_null);
    }

    return rc == DUR_EINVAL
           ? dur_answer_error(arena, answer, "ProtocolError", dur_str_c(err),
                              body)
           : rc;
}


static dur_rc_t
dur_answer_transport(dur_arena_t *arena, dur_answer_t *answer,
    const dur_op_result_t *result)
{
    const char  *name;

    switch (result->error_kind) {
    case DUR_CALL_ECONNECT:
        name = "unreachable";
        break;
    case DUR_CALL_ETIMEOUT:
        name = "timeout";
        break;
    case DUR_CALL_ELOST:
        name = "connection_lost";
        break;
    case DUR_CALL_ETOOBIG:
        name = "output_too_large";
        break;
    case DUR_CALL_EPOLICY:
        name = "address_not_allowed";
        break;
    default:
        name = "transport_error";
    }

    return dur_answer_error(arena, answer, name,
                            result->error.len ? result->error
                                              : dur_str("The call failed"),
                            dur_str_null);
}


/* The inner headers of a streamed reply, those of Go among them. */
static void
dur_answer_inner_headers(const json_t *reply, dur_buf_t *b)
{
    json_t      *v;
    const char  *key;

    json_object_foreach(json_object_get(reply, "headers"), key, v) {
        if (json_is_string(v)) {
            dur_buf_addf(b, "%s: %s\n", key, json_string_value(v));
        }
    }

    if (json_is_true(json_object_get(reply, "noRetry"))) {
        dur_buf_addz(b, "x-inngest-no-retry: true\n");
    }

    v = json_object_get(reply, "retryAt");

    if (json_is_string(v)) {
        dur_buf_addf(b, "retry-after: %s\n", json_string_value(v));
    }
}


/*
 * A streamed reply: the real status, headers and body stand in the body
 * (protocol 4.2), or what went wrong with it.  *inner borrows from the arena.
 */
static dur_rc_t
dur_answer_unwrap(dur_arena_t *arena, const dur_op_result_t *outer,
    dur_op_result_t *inner, bool *ok)
{
    json_t            *value, *body, *error;
    int64_t            status;
    dur_buf_t          b;
    dur_json_error_t   err;

    *ok = false;
    *inner = *outer;

    value = dur_json_parse(outer->body, &err);

    if (value == NULL || !json_is_object(value)
        || dur_json_get_int(value, "status", &status) != DUR_OK
        || status < 100 || status > 599)
    {
        json_decref(value);
        return DUR_OK;
    }

    inner->status = (uint16_t) status;
    body = json_object_get(value, "body");
    error = json_object_get(value, "error");

    if (json_is_string(error) && json_string_length(error) > 0) {
        inner->error = dur_arena_copy(arena,
                           dur_str_make(json_string_value(error),
                                        json_string_length(error)));
    }

    if (json_is_string(body)) {
        inner->body = dur_arena_copy(arena,
                          dur_str_make(json_string_value(body),
                                       json_string_length(body)));

    } else if (dur_json_member(outer->body, dur_str("body"), &inner->body)
               != DUR_OK)
    {
        inner->body = dur_str_null;
    }

    dur_buf_init(&b, 4 * outer->body.len + outer->headers.len + 1024);
    dur_answer_inner_headers(value, &b);
    dur_buf_adds(&b, outer->headers);   /* the inner ones are found first */
    json_decref(value);

    inner->headers = dur_answer_copy(arena, &b);
    *ok = true;

    return inner->headers.data ? DUR_OK : DUR_ENOMEM;
}


static void
dur_answer_flags(const dur_op_result_t *result, int64_t now,
    dur_answer_t *answer)
{
    dur_str_t  value;

    value = dur_headers_get(result->headers, "x-inngest-no-retry");
    answer->no_retry = dur_str_caseeq(value, dur_str("true"));

    value = dur_headers_get(result->headers, "retry-after");
    if (value.len
        && dur_retry_after(value, now, &answer->retry_at) != DUR_OK)
    {
        answer->retry_at = 0;
    }

    value = dur_headers_get(result->headers, "x-inngest-req-version");
    if (value.len == 1 && value.data[0] >= '1' && value.data[0] <= '9') {
        answer->request_version = (uint8_t) (value.data[0] - '0');
    }
}


/* Go says null to a call of a step that it does not find (protocol 10). */
static bool
dur_answer_is_missed(const dur_op_result_t *result)
{
    dur_str_t  sdk;

    sdk = dur_headers_get(result->headers, "x-inngest-sdk");

    return sdk.len >= 3 && memcmp(sdk.data, "go:", 3) == 0
           && (result->body.len == 0
               || dur_str_eq(result->body, dur_str("null")));
}


dur_rc_t
dur_answer_parse(const dur_op_result_t *result, int64_t now_ms,
    dur_arena_t *arena, dur_answer_t *answer)
{
    bool             ok, sdk;
    dur_rc_t         rc;
    dur_op_result_t  inner;

    memset(answer, 0, sizeof(*answer));

    if (result->status == 0) {
        return dur_answer_transport(arena, answer, result);
    }

    if (result->status == 201) {
        rc = dur_answer_unwrap(arena, result, &inner, &ok);

        if (rc != DUR_OK) {
            return rc;
        }

        if (!ok) {
            return dur_answer_error(arena, answer, "ProtocolError",
                                    dur_str("The SDK answered HTTP 201 with "
                                            "a body that is no streamed "
                                            "reply"), result->body);
        }

        result = &inner;
    }

    dur_answer_flags(result, now_ms, answer);

    if (result->error.len) {
        return dur_answer_error(arena, answer, "Error", result->error,
                                dur_str_null);
    }

    sdk = dur_headers_get(result->headers, "x-inngest-sdk").len > 0;

    if (sdk && result->status == 206) {
        return dur_answer_steps(arena, answer, result->body, now_ms);
    }

    if (!sdk || result->status < 200 || result->status > 299) {
        return dur_answer_http(arena, answer, result->status, sdk,
                               result->body);
    }

    if (answer->no_retry || answer->retry_at) {
        return dur_answer_http(arena, answer, result->status, sdk,
                               result->body);
    }

    answer->missed = dur_answer_is_missed(result);

    return dur_answer_done(arena, answer, result->body);
}
