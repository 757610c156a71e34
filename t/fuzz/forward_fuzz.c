/* SPDX-License-Identifier: BSD-2-Clause */

#include "fuzz.h"
#include "engine/dur_forward.h"
#include "engine/dur_json.h"

FUZZ_TARGET("webhooks that are sent on")

/* The event, '\n', a status, '\n', headers, an empty line, the body. */

#define NOW  1790000000000
#define OK   "\n200\ncontent-type: a\n\nthanks"

const dur_str_t  fuzz_seeds[] = {
    dur_str("{\"data\":{\"body\":\"{\\\"a\\\": 1}\",\"headers\":{\"host\":"
            "\"h\",\"x-a\":\"1\",\"x-forwarded-for\":\"1.2.3.4\"},\"method\":"
            "\"POST\",\"query\":\"a=1\",\"remote\":\"::1\",\"url\":"
            "\"https://h/l\"},\"id\":\"1\",\"name\":\"n\"}" OK),
    dur_str("{\"data\":{\"body\":\"AAH/gA==\",\"bodyEncoding\":\"base64\"}}"
            "\n503\nretry-after: 5\n\n\xff\x00z"),
    dur_str("{\"data\":{\"body\":{\"a\":[1]},\"headers\":{\"connection\":"
            "\"close, x-b\",\"x-b\":\"2\"},\"method\":\"a b\"}}\n404\n\n"),
    dur_str("{\"data\":null}\n0\n\nrefused"),
    dur_str("{\"data\":{\"body\":\"\\u0000\\ud83d\\ude00\\ud83d\"}}" OK),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("\"body\":"), dur_str("\"bodyEncoding\":\"base64\""),
    dur_str("\"headers\":"), dur_str("\"method\":"), dur_str("\"query\":"),
    dur_str("\"remote\":"), dur_str("\"url\":"), dur_str("\"data\":"),
    dur_str("\\n"), dur_str("\\u0000"), dur_str("null"), dur_str("{}"),
    dur_str("\"connection\":"), dur_str("\n"), dur_str(": "),
    dur_str("\"\""), dur_str("[]"), dur_str_null
};


/* A line of a request cannot be broken into two. */
static void
check_request(const uint8_t *data, size_t len, const dur_gateway_call_t *c)
{
    size_t  i, lines, colons;

    fuzz_check(c->method->len > 0);

    for (i = 0; i < c->method->len; i++) {
        fuzz_check(c->method->data[i] > 0x20);
    }

    for (i = 0; i < c->url->len; i++) {
        fuzz_check(c->url->data[i] > 0x20 && c->url->data[i] != '#');
    }

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
check_build(const uint8_t *data, size_t len, dur_str_t event)
{
    json_t              *value;
    dur_rc_t             rc;
    dur_buf_t            method, url, headers, body;
    dur_gateway_call_t   call = { &method, &url, &headers, &body };

    value = dur_json_parse(event, NULL);

    if (value == NULL) {
        return;                         /* no such event is stored */
    }

    json_decref(value);

    dur_buf_init(&method, 4096);
    dur_buf_init(&url, 64 * 1024);
    dur_buf_init(&headers, 64 * 1024);
    dur_buf_init(&body, 64 * 1024);

    rc = dur_forward_build(event, dur_str("http://a/?b#c"), &call);

    fuzz_check(rc == DUR_OK || rc == DUR_EINVAL);

    if (rc == DUR_OK) {
        check_request(data, len, &call);
        fuzz_check(body.len <= event.len);
    }

    dur_buf_deinit(&method);
    dur_buf_deinit(&url);
    dur_buf_deinit(&headers);
    dur_buf_deinit(&body);
}


/* The bytes of a body are the same in pieces. */
static void
check_parts(const uint8_t *data, size_t len, dur_str_t text, bool encoded)
{
    bool       last;
    size_t     used, n;
    dur_rc_t   rc;
    dur_str_t  piece, rest;
    dur_buf_t  all, parts;

    dur_buf_init(&all, text.len + 1);
    dur_buf_init(&parts, text.len + 1);

    if (dur_forward_part(text, encoded, true, &all, &used) == DUR_OK) {

        for (rest = text; rest.len > 0; rest.data += used, rest.len -= used) {
            n = 16 + rest.len % 5;
            last = n >= rest.len;
            piece = dur_str_make(rest.data, last ? rest.len : n);

            rc = dur_forward_part(piece, encoded, last, &parts, &used);

            if (rc != DUR_OK && encoded) {
                break;                  /* an escape, or padding before more */
            }

            fuzz_check(rc == DUR_OK && used > 0 && used <= piece.len);
        }

        fuzz_check(rest.len > 0
                   || dur_str_eq(dur_buf_str(&all), dur_buf_str(&parts))
                   || encoded);
    }

    dur_buf_deinit(&all);
    dur_buf_deinit(&parts);
}


static void
check_answer(const uint8_t *data, size_t len, const dur_op_result_t *result,
    dur_arena_t *arena)
{
    json_t        *value;
    dur_answer_t   answer;

    fuzz_check(dur_forward_answer(result, NOW, arena, &answer) == DUR_OK);
    fuzz_check((answer.kind == DUR_ANSWER_DONE)
               == (result->status >= 200 && result->status < 300));
    fuzz_check(answer.retry_at == 0 || answer.retry_at > NOW);
    fuzz_check(answer.excerpt.len <= DUR_FORWARD_EXCERPT);

    value = dur_json_parse(answer.kind == DUR_ANSWER_DONE ? answer.output
                                                          : answer.error,
                           NULL);
    fuzz_check(value != NULL);
    json_decref(value);
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
    dur_str_t        rest, event, status;
    dur_arena_t      arena;
    dur_op_result_t  result;

    rest = dur_str_make(data, len);
    event = cut(&rest, dur_str("\n"));
    status = cut(&rest, dur_str("\n"));

    memset(&result, 0, sizeof(result));
    result.headers = cut(&rest, dur_str("\n\n"));
    result.body = rest;
    result.error = rest;

    for (i = 0; i < status.len && i < 3; i++) {
        result.status = (uint16_t) (result.status * 10 + status.data[i] % 10);
    }

    check_build(data, len, event);

    if (event.len > 0) {
        check_parts(data, len, event, false);
        check_parts(data, len, event, true);
    }

    dur_arena_init(&arena);
    check_answer(data, len, &result, &arena);
    dur_arena_deinit(&arena);

    return 0;
}
