/* SPDX-License-Identifier: BSD-2-Clause */

#include "fuzz.h"
#include "engine/dur_answer_op.h"
#include "engine/dur_gateway.h"
#include "engine/dur_gateway_answer.h"
#include "engine/dur_json.h"

FUZZ_TARGET("requests of steps")

/* The opts, '\n', a status, '\n', headers, an empty line, the body. */

#define OK  "\n200\n\n"

const dur_str_t  fuzz_seeds[] = {
    dur_str("{\"url\":\"http://u:p@a.test:80/x?q=1#f\",\"method\":\"PUT\","
            "\"headers\":{\"a\":\"b\",\"c\":\"\"},\"body\":\"x\"}" OK "y"),
    dur_str("{\"url\":\"https://a.test\",\"auth_key\":\"k /\",\"format\":"
            "\"gemini\",\"body\":{\"a\":1.50}}" OK "{\"b\":[]}"),
    dur_str("{\"url\":\"https://a.test/?key=1\",\"auth_key\":\"k\","
            "\"format\":\"anthropic\",\"headers\":{\"X-API-Key\":\"m\"}}"
            "\n429\nretry-after: 20\n\n{\"error\":\"no\"}"),
    dur_str("{\"url\":\"HTTP://[::1]/\",\"format\":\"bedrock\",\"auth_key\":"
            "\"k\",\"headers\":null,\"publish\":{}}\n0\n\nrefused"),
    dur_str("{\"url\":\"http://a\"}\n404\nset-cookie: a\nset-cookie: b\n"
            "content-encoding: gzip\ncontent-length: 3\nx\n\n\xff\"\\\x01"),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("\"url\":"), dur_str("\"method\":"), dur_str("\"headers\":"),
    dur_str("\"body\":"), dur_str("\"auth_key\":"), dur_str("\"format\":"),
    dur_str("\"openai-chat\""), dur_str("\\r\\n"), dur_str("\\u0000"),
    dur_str("http://"), dur_str("https://"), dur_str("null"), dur_str("{}"),
    dur_str("#"), dur_str("?key="), dur_str("@"), dur_str("\n"),
    dur_str(": "), dur_str_null
};


/* A line of a request cannot be broken into two. */
static void
check_request(const uint8_t *data, size_t len, const dur_gateway_call_t *c)
{
    size_t  i, lines, colons;

    for (i = 0; i < c->url->len; i++) {
        fuzz_check(c->url->data[i] > 0x20 && c->url->data[i] != '#');
    }

    fuzz_check(c->method->len > 0);
    fuzz_check(c->url->len <= DUR_GATEWAY_URL);
    fuzz_check(c->headers->len <= DUR_GATEWAY_HEADERS);

    for (i = 0, lines = 0, colons = 0; i < c->headers->len; i++) {
        fuzz_check(c->headers->data[i] != '\r'
                   && c->headers->data[i] != '\0');

        if (c->headers->data[i] == ':' && colons == lines) {
            colons++;
        }

        if (c->headers->data[i] == '\n') {
            lines++;
            fuzz_check(lines == colons);
        }
    }
}


static void
check_answer(const uint8_t *data, size_t len, const dur_gateway_t *g,
    const dur_op_result_t *result, dur_arena_t *arena)
{
    json_t           *value;
    dur_answer_t      answer;
    dur_answer_op_t  *op;

    fuzz_check(dur_gateway_answer(g, result, arena, &answer) == DUR_OK);
    fuzz_check(answer.kind == DUR_ANSWER_OPS && answer.nops == 1);

    op = answer.ops;

    fuzz_check(op->opcode == DUR_OPCODE_STEP_RUN
               || op->opcode == DUR_OPCODE_STEP_ERROR);

    value = dur_json_parse(op->opcode == DUR_OPCODE_STEP_RUN ? op->data
                                                             : op->error,
                           NULL);
    fuzz_check(value != NULL);
    fuzz_check(op->data.len <= g->max_output);
    json_decref(value);
}


static void
check_op(const uint8_t *data, size_t len, uint8_t op, dur_str_t opts)
{
    dur_rc_t             rc;
    dur_buf_t            method, url, headers, body;
    const char          *wrong;
    dur_gateway_call_t   call = { &method, &url, &headers, &body };

    dur_buf_init(&method, 4096);
    dur_buf_init(&url, 64 * 1024);
    dur_buf_init(&headers, 64 * 1024);
    dur_buf_init(&body, 64 * 1024);

    wrong = dur_gateway_check(op, opts);
    rc = dur_gateway_build(op, opts, &call);

    fuzz_check((wrong == NULL) == (rc == DUR_OK));

    if (rc == DUR_OK) {
        check_request(data, len, &call);
    }

    dur_buf_deinit(&method);
    dur_buf_deinit(&url);
    dur_buf_deinit(&headers);
    dur_buf_deinit(&body);
}


/* What stands before the separator; *rest is what follows it. */
static dur_str_t
cut(dur_str_t *rest, dur_str_t separator)
{
    dur_str_t       s;
    const uint8_t  *p;

    s = *rest;
    p = s.len ? memmem(s.data, s.len, separator.data, separator.len) : NULL;

    if (p == NULL) {
        *rest = dur_str_make(s.data + s.len, 0);
        return s;
    }

    s.len = (size_t) (p - s.data);
    rest->data += s.len + separator.len;
    rest->len -= s.len + separator.len;

    return s;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    size_t           i;
    json_t          *value;
    dur_str_t        rest, opts, status;
    dur_hash_t       id;
    dur_step_t       step;
    dur_arena_t      arena;
    dur_gateway_t    g;
    dur_op_result_t  result;

    memset(&id, 0, sizeof(id));
    memset(&step, 0, sizeof(step));
    memset(&result, 0, sizeof(result));

    rest = dur_str_make(data, len);
    opts = cut(&rest, dur_str("\n"));
    status = cut(&rest, dur_str("\n"));

    for (i = 0; i < status.len; i++) {
        result.status = (uint16_t) ((result.status * 10 + status.data[i])
                                    % 600);
    }

    result.headers = cut(&rest, dur_str("\n\n"));
    result.body = rest;
    result.error = result.status == 0 ? rest : dur_str_null;

    check_op(data, len, DUR_OPCODE_GATEWAY, opts);
    check_op(data, len, DUR_OPCODE_AI, opts);

    /* only opts that were checked reach the answer */

    value = dur_json_parse(opts, NULL);

    if (value == NULL) {
        return 0;
    }

    json_decref(value);

    dur_arena_init(&arena);

    (void) dur_gateway_detail(opts, &arena);

    g = (dur_gateway_t) { &id, &step, opts, 4 << 20, 1790000000000 };

    step.op = DUR_OPCODE_GATEWAY;
    check_answer(data, len, &g, &result, &arena);
    step.op = DUR_OPCODE_AI;
    check_answer(data, len, &g, &result, &arena);

    g.max_output = 64;
    check_answer(data, len, &g, &result, &arena);

    dur_arena_deinit(&arena);

    return 0;
}
