/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_plan_call.h"
#include "engine/dur_frame.h"
#include "engine/dur_json.h"
#include "engine/dur_plan_scope.h"
#include "engine/dur_retry.h"

#include <stdio.h>


/* Bytes of an answer that an error shows; of what a program said of it. */
#define DUR_PLAN_EXCERPT  256
#define DUR_PLAN_STDERR   (4096 + 256)


/* -- the request ---------------------------------------------------------- */

static dur_rc_t
dur_plan_write_header(const dur_plan_header_t *h,
    const dur_plan_secrets_t *secrets, dur_buf_t *out, char err[256])
{
    dur_str_t  reference, value;

    dur_buf_adds(out, h->name);
    dur_buf_addz(out, ": ");

    reference = dur_plan_reference(h->value);

    dur_buf_add(out, h->value.data, h->value.len - reference.len);

    if (reference.len) {
        if (secrets == NULL || secrets->get == NULL
            || !secrets->get(secrets->data, reference, &value)
            || !dur_gateway_is_value(value))
        {
            snprintf(err, 256, "the secret \"%.*s\" of the header \"%.*s\" "
                     "is not in nginx.conf any more", (int) reference.len,
                     (const char *) reference.data, (int) h->name.len,
                     (const char *) h->name.data);
            return DUR_EACCES;
        }

        dur_buf_adds(out, value);
    }

    return dur_buf_addc(out, '\n');
}


static bool
dur_plan_has_header(const dur_plan_node_t *node, const char *name)
{
    unsigned  i;

    for (i = 0; i < node->nheaders; i++) {
        if (dur_str_caseeq(node->headers[i].name, dur_str_c(name))) {
            return true;
        }
    }

    return false;
}


static dur_rc_t
dur_plan_request_headers(const dur_plan_at_t *at,
    const dur_plan_memo_t *memo, const dur_plan_secrets_t *secrets,
    dur_buf_t *out, char err[256])
{
    dur_rc_t                rc;
    unsigned                i;
    dur_arena_t             arena;
    const dur_plan_node_t  *node = at->node;

    if (!dur_plan_has_header(node, "content-type")) {
        dur_buf_addz(out, "Content-Type: application/json\n");
    }

    if (node->idempotency.len) {
        dur_arena_init(&arena);
        dur_buf_adds(out, node->idempotency);
        dur_buf_addz(out, ": ");
        dur_buf_adds(out, memo->run_id);
        dur_buf_addc(out, ':');
        dur_buf_adds(out, dur_plan_name(at, &arena));
        dur_buf_addc(out, '\n');
        dur_arena_deinit(&arena);
    }

    for (i = 0, rc = DUR_OK; rc == DUR_OK && i < node->nheaders; i++) {
        rc = dur_plan_write_header(&node->headers[i], secrets, out, err);
    }

    return rc;
}


/* What a directive sees of a step, under its name; nothing when it did not
 * run.  Outside of loops it is the text that is stored. */
static dur_rc_t
dur_plan_body_step(dur_plan_scope_t *s, const dur_plan_node_t *step,
    const dur_plan_at_t *at, dur_buf_t *value)
{
    json_t         *json;
    dur_rc_t        rc;
    dur_str_t       text;
    dur_plan_at_t   outer;

    if (step->depth > 0) {
        rc = dur_plan_value_of(s, step, at, &json);

        if (rc == DUR_OK && json != NULL) {
            rc = dur_json_write(value, json);
        }

        json_decref(json);

        return rc;
    }

    memset(&outer, 0, sizeof(outer));
    outer.node = step;

    if (s->memo->state(s->memo->data, &outer) != DUR_PLAN_DONE) {
        return DUR_OK;
    }

    rc = s->memo->output(s->memo->data, &outer, &text);

    return rc == DUR_OK ? dur_buf_adds(value, text.len ? text
                                                       : dur_str("null"))
                        : rc;
}


static dur_rc_t
dur_plan_body_steps(dur_plan_scope_t *s, const dur_plan_at_t *at,
    dur_buf_t *b)
{
    bool                    some;
    size_t                  start, named;
    dur_rc_t                rc;
    unsigned                i;
    const dur_plan_node_t  *step;

    some = false;
    rc = DUR_OK;

    dur_buf_addc(b, '{');

    for (i = 0; rc == DUR_OK && i < at->node->number; i++) {
        step = s->def->nodes[i];

        if (step->kind > DUR_PLAN_INVOKE) {
            continue;
        }

        start = b->len;
        dur_buf_addz(b, some ? "," : "");
        dur_json_write_string(b, step->name);
        dur_buf_addc(b, ':');
        named = b->len;

        rc = dur_plan_body_step(s, step, at, b);

        if (b->len == named) {
            b->len = start;
        } else {
            some = true;
        }
    }

    dur_buf_addc(b, '}');

    return rc;
}


static dur_rc_t
dur_plan_body(dur_plan_scope_t *s, const dur_plan_at_t *at, dur_buf_t *b)
{
    dur_rc_t   rc;
    dur_str_t  event, events;

    rc = s->memo->event(s->memo->data, &event, &events);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_addf(b, "{\"attempt\":%u,\"event\":", s->memo->attempt);
    dur_buf_adds(b, event);

    if (events.len) {
        dur_buf_addz(b, ",\"events\":");
        dur_buf_adds(b, events);
    }

    dur_buf_addz(b, ",\"run_id\":");
    dur_json_write_string(b, s->memo->run_id);
    dur_buf_addz(b, ",\"step\":");
    dur_json_write_string(b, dur_plan_name(at, s->arena));
    dur_buf_addz(b, ",\"steps\":");

    rc = dur_plan_body_steps(s, at, b);

    dur_buf_addc(b, '}');

    return rc;
}


static dur_rc_t
dur_plan_request_body(dur_plan_scope_t *s, const dur_plan_at_t *at,
    dur_buf_t *b)
{
    dur_rc_t                rc;
    dur_expr_result_t       result;
    const dur_plan_node_t  *node = at->node;

    if (dur_str_eq(node->method, dur_str("GET"))
        || dur_str_eq(node->method, dur_str("HEAD")))
    {
        return DUR_OK;
    }

    if (node->expr.tree == NULL) {
        return dur_plan_body(s, at, b);
    }

    rc = dur_plan_eval(s, &node->expr, at, &result);

    if (rc == DUR_OK) {
        dur_plan_write(b, &result);
    }

    return rc;
}


dur_rc_t
dur_plan_request(const dur_plan_def_t *def, const dur_plan_at_t *at,
    const dur_plan_memo_t *memo, const dur_plan_secrets_t *secrets,
    const dur_gateway_call_t *call, dur_arena_t *arena, char err[256])
{
    dur_rc_t                rc;
    dur_plan_scope_t        s;
    const dur_plan_node_t  *node = at->node;

    err[0] = '\0';

    dur_buf_adds(call->method, node->method);
    dur_buf_addz(call->url, node->exec ? "exec:" : "");
    dur_buf_adds(call->url, node->target);

    rc = dur_plan_request_headers(at, memo, secrets, call->headers, err);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_plan_scope_init(&s, def, memo, arena);

    rc = dur_plan_request_body(&s, at, call->body);

    if (rc == DUR_EINVAL) {
        snprintf(err, 256, "the body: %.200s", s.err);
    }

    dur_plan_scope_deinit(&s);

    if (rc == DUR_OK && (call->body->failed || call->headers->failed
                         || call->url->failed))
    {
        snprintf(err, 256, "the request is too large");
        rc = DUR_ETOOBIG;
    }

    return rc;
}


/* -- the answer ----------------------------------------------------------- */

static bool
dur_plan_is_expected(const dur_plan_node_t *node, unsigned status)
{
    unsigned  i;

    if (node->nexpect == 0) {
        return status >= 200 && status < 300;
    }

    for (i = 0; i < node->nexpect; i++) {
        if (node->expect[i] == status || node->expect[i] == status / 100) {
            return true;
        }
    }

    return false;
}


/* The start of an answer in one line of printable text, for people. */
static dur_str_t
dur_plan_excerpt(dur_str_t body, size_t most, dur_arena_t *arena)
{
    size_t    i, n;
    uint8_t  *p;

    n = body.len < most ? body.len : most;

    while (n > 0 && n < body.len && (body.data[n] & 0xc0) == 0x80) {
        n--;
    }

    p = dur_arena_alloc(arena, n + 1);
    if (p == NULL) {
        return dur_str_null;
    }

    for (i = 0; i < n; i++) {
        p[i] = body.data[i] < 0x20 || body.data[i] == 0x7f ? ' '
                                                           : body.data[i];
    }

    return dur_str_make(p, n);
}


static dur_rc_t
dur_plan_answer_error(dur_arena_t *arena, dur_answer_t *answer,
    const char *text)
{
    if (text == NULL) {
        return DUR_ENOMEM;
    }

    return dur_answer_error(arena, answer, "StepError", dur_str_c(text),
                            dur_str_null);
}


static dur_rc_t
dur_plan_answer_none(const dur_op_result_t *result, uint64_t most,
    dur_arena_t *arena, dur_answer_t *answer)
{
    char      *text;
    dur_rc_t   rc;

    if (result->error_kind == DUR_CALL_EREQUEST) {
        answer->no_retry = true;
        return dur_plan_answer_error(arena, answer,
                   dur_arena_printf(arena, "%.*s", (int) result->error.len,
                                    (const char *) result->error.data));
    }

    text = result->error_kind == DUR_CALL_ETOOBIG
           ? dur_arena_printf(arena, "the answer is larger than %llu bytes",
                              (unsigned long long) most)
           : dur_arena_printf(arena, "there is no answer: %.*s",
                              (int) result->error.len,
                              result->error.len
                              ? (const char *) result->error.data : "");

    rc = dur_plan_answer_error(arena, answer, text);
    answer->no_retry = result->error_kind == DUR_CALL_EPOLICY;

    return rc;
}


static dur_rc_t
dur_plan_answer_status(const dur_plan_node_t *node,
    const dur_op_result_t *result, int64_t now_ms, dur_arena_t *arena,
    dur_answer_t *answer)
{
    char       *text;
    dur_rc_t    rc;
    unsigned    status = result->status;
    dur_str_t   excerpt, after;

    if (node->exec) {
        excerpt = dur_plan_excerpt(result->body, DUR_PLAN_STDERR, arena);
        return dur_plan_answer_error(arena, answer,
                   dur_arena_printf(arena, "%.*s", (int) excerpt.len,
                                    excerpt.len ? (const char *) excerpt.data
                                                : ""));
    }

    excerpt = dur_plan_excerpt(result->body, DUR_PLAN_EXCERPT, arena);
    text = dur_arena_printf(arena, "the answer has the status %u%s%.*s",
                            status, excerpt.len ? ": " : "",
                            (int) excerpt.len,
                            excerpt.len ? (const char *) excerpt.data : "");

    rc = dur_plan_answer_error(arena, answer, text);

    answer->no_retry = status < 500 && status != 408 && status != 429;
    after = dur_headers_get(result->headers, "retry-after");

    if (dur_retry_after(after, now_ms, &answer->retry_at) != DUR_OK) {
        answer->retry_at = 0;
    }

    return rc;
}


static bool
dur_plan_is_blank(dur_str_t s)
{
    return dur_json_skip_space(s.data, s.data + s.len) == s.data + s.len;
}


dur_rc_t
dur_plan_answer(const dur_plan_node_t *node, const dur_op_result_t *result,
    uint64_t most, int64_t now_ms, dur_arena_t *arena, dur_answer_t *answer)
{
    json_t            *value;
    dur_str_t          excerpt;
    dur_json_error_t   err;

    memset(answer, 0, sizeof(*answer));
    answer->excerpt = dur_plan_excerpt(result->body, DUR_PLAN_EXCERPT, arena);

    if (result->status == 0) {
        return dur_plan_answer_none(result, most, arena, answer);
    }

    if (!dur_plan_is_expected(node, result->status)) {
        return dur_plan_answer_status(node, result, now_ms, arena, answer);
    }

    if (result->body.len > most) {
        return dur_plan_answer_error(arena, answer,
                   dur_arena_printf(arena, "the answer is larger than %llu "
                                    "bytes", (unsigned long long) most));
    }

    answer->kind = DUR_ANSWER_DONE;
    answer->output = dur_str("null");

    if (result->body.len == 0 || dur_plan_is_blank(result->body)) {
        return DUR_OK;
    }

    value = dur_json_parse(result->body, &err);

    if (value == NULL) {
        excerpt = answer->excerpt;
        return dur_plan_answer_error(arena, answer,
                   dur_arena_printf(arena, "the answer is no JSON: %s: "
                                    "%.*s", err.text, (int) excerpt.len,
                                    (const char *) excerpt.data));
    }

    json_decref(value);
    answer->output = result->body;

    return DUR_OK;
}
