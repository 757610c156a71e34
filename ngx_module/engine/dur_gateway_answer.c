/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_gateway_answer.h"
#include "engine/dur_answer_op.h"
#include "engine/dur_frame.h"
#include "engine/dur_gateway.h"
#include "engine/dur_json.h"
#include "engine/dur_retry.h"


#define DUR_GATEWAY_STACK   (8 * 1024)

/* What stands around the body of an answer, its headers aside. */
#define DUR_GATEWAY_AROUND  (64 * 1024)


/* -- errors --------------------------------------------------------------- */

static const char *
dur_gateway_error_name(uint8_t op)
{
    return op == DUR_OPCODE_AI ? "AIGatewayError" : "GatewayError";
}


static const char *
dur_gateway_prefix(uint8_t op)
{
    return op == DUR_OPCODE_AI ? "Error making AI request: "
                               : "Error making the request: ";
}


/* {"data"?,"message","name","stack"?}; the body may be empty. */
static dur_str_t
dur_gateway_object(uint8_t op, dur_str_t message, dur_str_t body,
    dur_arena_t *arena)
{
    json_t            *value;
    dur_buf_t          b;
    dur_str_t          text;
    dur_json_error_t   err;

    dur_buf_init(&b, 8 * (body.len + message.len) + DUR_GATEWAY_AROUND);
    dur_buf_addc(&b, '{');

    if (body.len) {
        value = dur_json_parse(body, &err);
        dur_buf_addz(&b, "\"data\":");

        if (value != NULL) {
            dur_buf_adds(&b, body);
        } else {
            dur_json_write_string(&b, body);
        }

        json_decref(value);
        dur_buf_addc(&b, ',');
    }

    dur_buf_addz(&b, "\"message\":");
    dur_json_write_string(&b, message);
    dur_buf_addf(&b, ",\"name\":\"%s\"", dur_gateway_error_name(op));

    if (body.len) {
        body.len = body.len < DUR_GATEWAY_STACK ? body.len
                                                : DUR_GATEWAY_STACK;
        dur_buf_addz(&b, ",\"stack\":");
        dur_json_write_string(&b, body);
    }

    dur_buf_addc(&b, '}');

    text = b.failed ? dur_str_null : dur_arena_copy(arena, dur_buf_str(&b));
    dur_buf_deinit(&b);

    return text;
}


dur_str_t
dur_gateway_error(uint8_t op, const char *message, dur_arena_t *arena)
{
    return dur_gateway_object(op, dur_str_c(message), dur_str_null, arena);
}


static dur_rc_t
dur_gateway_failed(const dur_gateway_t *g, dur_str_t why, dur_str_t body,
    dur_arena_t *arena, dur_answer_op_t *op)
{
    op->opcode = DUR_OPCODE_STEP_ERROR;
    op->message = dur_str_c(dur_arena_printf(arena, "%s%.*s",
                                             dur_gateway_prefix(g->step->op),
                                             (int) why.len,
                                             (const char *) why.data));

    op->error = dur_gateway_object(g->step->op, op->message, body, arena);

    if (op->error.len > g->max_output) {
        /* a memo like any other: what fits of the body has to do */
        body.len = g->max_output > 16 * DUR_GATEWAY_STACK ? DUR_GATEWAY_STACK
                                                          : 0;
        op->error = dur_gateway_object(g->step->op, op->message, body, arena);
    }

    return op->error.data ? DUR_OK : DUR_ENOMEM;
}


static dur_rc_t
dur_gateway_too_large(const dur_gateway_t *g, dur_arena_t *arena,
    dur_answer_op_t *op)
{
    return dur_gateway_failed(g, dur_str("the answer is larger than the "
                                         "output of a step may be"),
                              dur_str_null, arena, op);
}


/* -- what came back ------------------------------------------------------ */

/* libcurl unpacked the body: what says otherwise would mislead.  A key of
 * JSON holds no zero. */
static bool
dur_gateway_hides(dur_str_t headers, dur_str_t name)
{
    if (dur_str_eq(name, dur_str("content-encoding"))
        || (name.len && memchr(name.data, '\0', name.len) != NULL))
    {
        return true;
    }

    return dur_str_eq(name, dur_str("content-length"))
           && dur_headers_get(headers, "content-encoding").len > 0;
}


/* The next "name: value" line; false at the end. */
static bool
dur_gateway_line(dur_str_t *lines, dur_str_t *name, dur_str_t *value)
{
    dur_str_t       line;
    const uint8_t  *p;

    while (lines->len) {
        p = memchr(lines->data, '\n', lines->len);
        line = *lines;

        if (p != NULL) {
            line.len = (size_t) (p - lines->data);
            lines->data += line.len + 1;
            lines->len -= line.len + 1;
        } else {
            lines->len = 0;
        }

        p = line.len ? memchr(line.data, ':', line.len) : NULL;
        if (p == NULL) {
            continue;
        }

        *name = dur_str_make(line.data, (size_t) (p - line.data));
        *value = dur_str_make(p + 1, line.len - name->len - 1);

        if (value->len && value->data[0] == ' ') {
            value->data++;
            value->len--;
        }

        return true;
    }

    return false;
}


/* An earlier line has the name too. */
static bool
dur_gateway_seen(dur_str_t headers, dur_str_t name)
{
    dur_str_t  other, value;

    while (dur_gateway_line(&headers, &other, &value)
           && other.data != name.data)
    {
        if (dur_str_caseeq(other, name)) {
            return true;
        }
    }

    return false;
}


void
dur_gateway_write_headers(dur_buf_t *b, dur_str_t headers)
{
    dur_buf_t  joined;
    dur_str_t  rest, later, name, other, value;

    dur_buf_init(&joined, headers.len + 1);
    rest = headers;
    dur_buf_addc(b, '{');

    while (dur_gateway_line(&rest, &name, &value)) {

        if (dur_gateway_hides(headers, name)
            || dur_gateway_seen(headers, name))
        {
            continue;
        }

        later = rest;
        dur_buf_reset(&joined);
        dur_buf_adds(&joined, value);

        while (dur_gateway_line(&later, &other, &value)) {
            if (dur_str_caseeq(other, name)) {
                dur_buf_addc(&joined, ',');
                dur_buf_adds(&joined, value);
            }
        }

        dur_buf_addz(b, b->data[b->len - 1] == '{' ? "" : ",");
        dur_json_write_string(b, name);
        dur_buf_addc(b, ':');
        dur_json_write_string(b, dur_buf_str(&joined));
    }

    dur_buf_addc(b, '}');
    b->failed |= joined.failed;
    dur_buf_deinit(&joined);
}


static dur_rc_t
dur_gateway_fetched(const dur_gateway_t *g, const dur_op_result_t *result,
    dur_arena_t *arena, dur_answer_op_t *op)
{
    dur_buf_t  b;
    dur_str_t  url;

    if (dur_json_member(g->opts, dur_str("url"), &url) != DUR_OK) {
        url = dur_str("null");
    }

    dur_buf_init(&b, 6 * result->body.len + DUR_GATEWAY_URL
                     + 6 * result->headers.len + DUR_GATEWAY_AROUND);

    dur_buf_addz(&b, "{\"body\":");
    dur_json_write_string(&b, result->body);
    dur_buf_addz(&b, ",\"headers\":");
    dur_gateway_write_headers(&b, result->headers);
    dur_buf_addf(&b, ",\"status_code\":%u,\"url\":", result->status);
    dur_buf_adds(&b, url);
    dur_buf_addc(&b, '}');

    if (b.failed) {
        dur_buf_deinit(&b);
        return DUR_ENOMEM;
    }

    if (b.len > g->max_output) {
        dur_buf_deinit(&b);
        return dur_gateway_too_large(g, arena, op);
    }

    op->data = dur_arena_copy(arena, dur_buf_str(&b));
    dur_buf_deinit(&b);

    return op->data.data ? DUR_OK : DUR_ENOMEM;
}


static dur_rc_t
dur_gateway_inferred(const dur_gateway_t *g, const dur_op_result_t *result,
    dur_arena_t *arena, dur_answer_t *answer)
{
    char              *text;
    json_t            *value;
    dur_str_t          after;
    dur_json_error_t   err;

    if (result->status > 299) {
        after = dur_headers_get(result->headers, "retry-after");

        if (dur_retry_after(after, g->now_ms, &answer->retry_at) != DUR_OK) {
            answer->retry_at = 0;
        }

        text = dur_arena_printf(arena, "the provider answered HTTP %u",
                                result->status);

        return dur_gateway_failed(g, dur_str_c(text), result->body, arena,
                                  answer->ops);
    }

    value = dur_json_parse(result->body, &err);

    if (value == NULL) {
        return dur_gateway_failed(g, dur_str("the provider's answer is not "
                                             "JSON"), result->body, arena,
                                  answer->ops);
    }

    json_decref(value);

    if (result->body.len > g->max_output) {
        return dur_gateway_too_large(g, arena, answer->ops);
    }

    answer->ops->data = result->body;

    return DUR_OK;
}


dur_rc_t
dur_gateway_answer(const dur_gateway_t *g, const dur_op_result_t *result,
    dur_arena_t *arena, dur_answer_t *answer)
{
    dur_answer_op_t  *op;

    memset(answer, 0, sizeof(*answer));

    op = dur_arena_zalloc(arena, sizeof(dur_answer_op_t));
    if (op == NULL) {
        return DUR_ENOMEM;
    }

    answer->kind = DUR_ANSWER_OPS;
    answer->ops = op;
    answer->nops = 1;

    op->opcode = DUR_OPCODE_STEP_RUN;
    op->id = *g->id;
    op->name = dur_arena_copy(arena, g->step->name);
    op->race = (g->step->flags & DUR_STEP_F_RACE) != 0;

    if (result->status == 0) {
        answer->no_retry = result->error_kind == DUR_CALL_EPOLICY;

        return dur_gateway_failed(g, result->error.len
                                     ? result->error
                                     : dur_str("the request failed"),
                                  dur_str_null, arena, op);
    }

    return g->step->op == DUR_OPCODE_AI
           ? dur_gateway_inferred(g, result, arena, answer)
           : dur_gateway_fetched(g, result, arena, op);
}
