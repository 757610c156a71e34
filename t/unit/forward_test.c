/* SPDX-License-Identifier: BSD-2-Clause */

/* Forwarding: the request that an event was, and what an answer means. */

#include "engine/dur_base.h"
#include "engine/dur_forward.h"
#include "engine/dur_frame.h"

#include "tap.h"

#include <jansson.h>
#include <stdlib.h>

#define TARGET  "http://127.0.0.1:5000/linear/webhook"
#define NOW     1790000000000


static dur_buf_t            method, url, headers, body;
static dur_gateway_call_t   call = { &method, &url, &headers, &body };
static dur_arena_t          arena;
static dur_answer_t         answer;


static dur_rc_t
build_to(const char *target, const char *event)
{
    dur_buf_reset(&method);
    dur_buf_reset(&url);
    dur_buf_reset(&headers);
    dur_buf_reset(&body);

    return dur_forward_build(dur_str_c(event), dur_str_c(target), &call);
}


/* An event whose data is this. */
static dur_rc_t
build(const char *data)
{
    dur_rc_t   rc;
    dur_buf_t  b;

    dur_buf_init(&b, 1 << 20);
    dur_buf_addf(&b, "{\"data\":%s,\"id\":\"1\",\"name\":\"event/api.webhooks."
                 "linear.action\",\"ts\":1,\"user\":{}}", data);
    dur_buf_addc(&b, '\0');
    rc = build_to(TARGET, (char *) b.data);
    dur_buf_deinit(&b);

    return rc;
}


static bool
has(const dur_buf_t *b, const char *text)
{
    return memmem(b->data, b->len, text, strlen(text)) != NULL;
}


static bool
same(const dur_buf_t *b, const char *text)
{
    return dur_str_eq(dur_buf_str(b), dur_str_c(text));
}


static void
requests(void)
{
    is_int(build("{\"body\":\"{\\\"a\\\": 1}\\n\",\"headers\":{"
                 "\"content-type\":\"application/json\",\"host\":"
                 "\"hooks.example.com\",\"linear-signature\":\"abc\"},"
                 "\"method\":\"PUT\",\"query\":\"a=1&b=%20\",\"remote\":"
                 "\"203.0.113.9\",\"url\":\"https://hooks.example.com/l\"}"),
           DUR_OK, "a webhook's event is a request");

    ok(same(&method, "PUT"), "with the original method");
    ok(same(&url, TARGET "?a=1&b=%20"), "and query, behind the target");
    ok(same(&body, "{\"a\": 1}\n"), "the bytes of the body are those that "
       "were received");
    ok(has(&headers, "content-type: application/json\n")
       && has(&headers, "linear-signature: abc\n"), "so are the headers");
    ok(!has(&headers, "\nhost:") && has(&headers,
       "x-forwarded-host: hooks.example.com\n"),
       "the host is the target's, the original one is told");
    ok(has(&headers, "x-forwarded-for: 203.0.113.9\n"), "and who asked");
    ok(has(&headers, "x-forwarded-proto: https\n"), "and how");

    is_int(build_to(TARGET "?k=v#part", "{\"data\":{\"query\":\"a=1\"}}"),
           DUR_OK, "a target may have a query of its own");
    ok(same(&url, TARGET "?k=v&a=1"), "the original's follows it");
}


static void
hops(void)
{
    build("{\"headers\":{\"accept-encoding\":\"br\",\"connection\":"
          "\"close, X-Hop\",\"content-length\":\"3\",\"expect\":"
          "\"100-continue\",\"keep-alive\":\"1\",\"te\":\"trailers\","
          "\"transfer-encoding\":\"chunked\",\"upgrade\":\"h2c\","
          "\"x-forwarded-for\":\"198.51.100.1\",\"x-forwarded-host\":"
          "\"evil\",\"x-forwarded-proto\":\"ftp\",\"x-hop\":\"1\","
          "\"x-stays\":\"1\"},\"remote\":\"203.0.113.9\"}");

    ok(same(&headers, "x-stays: 1\n"
            "x-forwarded-for: 198.51.100.1, 203.0.113.9\n"),
       "what is of the connection stays behind, also what it lists; the "
       "chain of x-forwarded-for grows");

    build("{\"headers\":{\"x-forwarded-for\":\"198.51.100.1, 203.0.113.9\"},"
          "\"remote\":\"203.0.113.9\"}");
    ok(same(&headers, "x-forwarded-for: 198.51.100.1, 203.0.113.9\n"),
       "but not by what is its end already");

    build("{\"headers\":{\"x-a\":\"caf\\u00e9\",\"x-b\":\"\\u20ac\\u00e9\"}}");
    ok(same(&headers, "x-a: caf\xe9\nx-b: \xe2\x82\xac\xc3\xa9\n"),
       "characters up to U+00FF are bytes of a header");
}


static void
bytes(void)
{
    is_int(build("{\"body\":\"AAH/gA==\",\"bodyEncoding\":\"base64\"}"),
           DUR_OK, "bytes that are no text travel as base64");
    ok(body.len == 4 && memcmp(body.data, "\0\1\377\200", 4) == 0,
       "and are sent as they were received");

    build("{\"body\":\"\\u0000\\u00e9\\ud83d\\ude00\\\\\\/\"}");
    ok(body.len == 9 && memcmp(body.data, "\0\303\251\360\237\230\200\\/", 9)
       == 0, "escapes of JSON are none of the body");

    is_int(build("{\"body\":\"A\",\"bodyEncoding\":\"base64\"}"), DUR_EINVAL,
           "what says that it is base64, and is not, is not sent");
}


/* Anybody who may send events may send one of this name. */
static void
strange(void)
{
    is_int(build("{\"body\":{\"a\":[1]},\"headers\":{\"x-a\":\"1\\nx-b: 2\","
                 "\"x c\":\"1\",\"x-d\":7,\"x-e\":\"ok\"},\"method\":"
                 "\"GET / HTTP\",\"query\":\"a b\",\"remote\":\"1\\n2\"}"),
           DUR_OK, "an event that was no webhook is a request as well");
    ok(same(&method, "POST"), "what is no method is POST");
    ok(same(&body, "{\"a\":[1]}"), "a body that is no string is its JSON");
    ok(same(&headers, "x-e: ok\n"), "what is no header is left out");
    ok(same(&url, TARGET), "and so is what is no query");

    is_int(build("null"), DUR_OK, "even one without data");
    ok(same(&method, "POST") && body.len == 0 && headers.len == 0,
       "which is a POST of nothing");
    is_int(build_to(TARGET, "{}"), DUR_EINVAL, "what is no event is none");
}


static void
answers(unsigned status, const char *lines, dur_str_t text)
{
    dur_op_result_t  result;

    memset(&result, 0, sizeof(result));
    result.status = (uint16_t) status;
    result.headers = dur_str_c(lines);
    result.body = text;

    dur_arena_reset(&arena);
    is_int(dur_forward_answer(&result, NOW, &arena, &answer), DUR_OK,
           "an answer of %u is understood", status);
}


static bool
is_text(dur_str_t s, const char *text)
{
    bool  equal;

    equal = dur_str_eq(s, dur_str_c(text));

    if (!equal) {
        printf("# got %.*s\n", (int) s.len, (const char *) s.data);
    }

    return equal;
}


static void
good(void)
{
    char        *text;
    json_t      *v;
    const char  *s;

    answers(200, "content-type: text/plain\nx-a: 1\n", dur_str("thanks"));
    ok(answer.kind == DUR_ANSWER_DONE && is_text(answer.output,
       "{\"body\":\"thanks\",\"headers\":{\"content-type\":\"text/plain\","
       "\"x-a\":\"1\"},\"status\":200}"), "2xx ends it, with the answer");
    ok(is_text(answer.excerpt, "thanks"), "its first bytes are for people");

    answers(204, "", dur_str_null);
    ok(answer.kind == DUR_ANSWER_DONE && is_text(answer.output,
       "{\"body\":\"\",\"headers\":{},\"status\":204}"),
       "an empty answer is one, too");

    answers(200, "", dur_str_make("\377\0", 2));
    ok(is_text(answer.output, "{\"body\":\"/wA=\",\"bodyEncoding\":"
               "\"base64\",\"headers\":{},\"status\":200}"),
       "bytes that are no text are base64");

    text = malloc(DUR_FORWARD_ANSWER + 1);
    memset(text, 'x', DUR_FORWARD_ANSWER + 1);
    memcpy(text + DUR_FORWARD_ANSWER - 1, "\303\251", 2);
    answers(200, "", dur_str_make(text, DUR_FORWARD_ANSWER + 1));

    v = json_loadb((const char *) answer.output.data, answer.output.len, 0,
                   NULL);
    s = json_string_value(json_object_get(v, "body"));
    ok(s != NULL && strlen(s) == DUR_FORWARD_ANSWER - 1
       && json_is_true(json_object_get(v, "bodyTruncated")),
       "of a long answer the first 64 KiB are kept, and no half character");
    ok(answer.excerpt.len == DUR_FORWARD_EXCERPT, "for people even less");

    json_decref(v);
    free(text);
}


static void
bad(void)
{
    size_t           i;
    dur_op_result_t  result;

    static const struct {
        unsigned  status;
        bool      again;
    } statuses[] = {
        { 301, false }, { 400, false }, { 401, false }, { 404, false },
        { 408, true }, { 410, false }, { 422, false }, { 429, true },
        { 500, true }, { 501, true }, { 503, true }, { 599, true }
    };

    for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        answers(statuses[i].status, "", dur_str("no"));
        ok(answer.kind == DUR_ANSWER_ERROR
           && answer.no_retry == !statuses[i].again, "and %s",
           statuses[i].again ? "is tried again" : "is final");
    }

    answers(404, "x-a: 1\n", dur_str("nobody"));
    ok(is_text(answer.error, "{\"data\":{\"body\":\"nobody\",\"headers\":{"
               "\"x-a\":\"1\"},\"status\":404},\"error\":\"the target "
               "answered HTTP 404\",\"message\":\"the target answered HTTP "
               "404\",\"name\":\"ForwardError\"}"),
       "an error has the answer with it");

    answers(429, "retry-after: 120\n", dur_str_null);
    ok(answer.retry_at == NOW + 120000, "Retry-After is heeded");

    memset(&result, 0, sizeof(result));
    result.error_kind = DUR_CALL_ECONNECT;
    result.error = dur_str("connection refused by 127.0.0.1:5000");
    dur_arena_reset(&arena);
    is_int(dur_forward_answer(&result, NOW, &arena, &answer), DUR_OK,
           "no answer is understood");
    ok(answer.kind == DUR_ANSWER_ERROR && !answer.no_retry
       && is_text(answer.message, "connection refused by 127.0.0.1:5000"),
       "and tried again");

    result.error_kind = DUR_CALL_EPOLICY;
    dur_forward_answer(&result, NOW, &arena, &answer);
    ok(answer.no_retry, "an address that is refused is final");
}


int
main(void)
{
    dur_buf_init(&method, 1024);
    dur_buf_init(&url, 64 * 1024);
    dur_buf_init(&headers, 64 * 1024);
    dur_buf_init(&body, 1 << 20);
    dur_arena_init(&arena);

    requests();
    hops();
    bytes();
    strange();
    good();
    bad();

    dur_buf_deinit(&method);
    dur_buf_deinit(&url);
    dur_buf_deinit(&headers);
    dur_buf_deinit(&body);
    dur_arena_deinit(&arena);

    return done_testing();
}
