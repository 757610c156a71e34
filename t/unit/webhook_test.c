/* SPDX-License-Identifier: BSD-2-Clause */

#include "tap.h"
#include "engine/dur_forward.h"
#include "engine/dur_json.h"
#include "engine/dur_webhook.h"

#define NAME  "event/api.webhooks.linear.action"

static dur_buf_t             text;
static dur_webhook_t         w;
static dur_webhook_event_t   last;          /* of event() */
static dur_webhook_header_t  headers[32];


static void
request(const char *method, dur_str_t body)
{
    memset(&w, 0, sizeof(w));
    w.method = dur_str_c(method);
    w.url = dur_str("https://hooks.example.com/linear/webhook?a=1");
    w.query = dur_str("a=1");
    w.remote = dur_str("203.0.113.9");
    w.body = body;
    w.headers = headers;
}


static void
header(const char *name, dur_str_t value)
{
    w.headers[w.nheaders].name = dur_str_c(name);
    w.headers[w.nheaders++].value = value;
}


/* The event, its body in parts of at most `max` bytes. */
static dur_str_t
event(size_t max)
{
    memset(&last, 0, sizeof(last));
    last.name = dur_str(NAME);
    last.id = dur_str("linear:d-1");
    last.ts = 1700000000000;

    dur_buf_reset(&text);
    dur_webhook_prepare(&w);
    dur_webhook_head(&w, &last, &text);

    while (last.pos < w.body.len) {
        dur_webhook_part(&w, &last, max, &text);
    }

    dur_webhook_tail(&w, &last, &text);

    return dur_buf_str(&text);
}


static bool
has(const char *part)
{
    return memmem(text.data, text.len, part, strlen(part)) != NULL;
}


static void
test_event(void)
{
    request("POST", dur_str("{\"a\": \"\xc3\xa9\"}\n"));
    header("content-type", dur_str("application/json"));
    header("host", dur_str("hooks.example.com"));
    header("linear-delivery", dur_str("d-1"));

    is_str(event(1000),
           "{\"data\":{\"body\":\"{\\\"a\\\": \\\"\xc3\xa9\\\"}\\n\","
           "\"headers\":{\"content-type\":\"application/json\","
           "\"host\":\"hooks.example.com\",\"linear-delivery\":\"d-1\","
           "\"x-forwarded-for\":\"203.0.113.9\","
           "\"x-forwarded-host\":\"hooks.example.com\","
           "\"x-forwarded-proto\":\"https\"},\"method\":\"POST\","
           "\"query\":\"a=1\",\"remote\":\"203.0.113.9\","
           "\"url\":\"https://hooks.example.com/linear/webhook?a=1\"},"
           "\"id\":\"linear:d-1\",\"name\":\"" NAME "\","
           "\"ts\":1700000000000,\"user\":{}}",
           "a request is an event: its body a string, all of it in order");

    request("POST", dur_str_null);
    event(1000);
    ok(has("{\"data\":{\"body\":\"\",\"headers\""),
       "an empty body is an empty string");

    request("GET", dur_str_null);
    event(1000);
    ok(has("{\"data\":{\"headers\""), "but absent of a GET: fetch() refuses "
       "even an empty one");

    request("POST", dur_str("\xff\x00"));
    event(1000);
    ok(has("{\"body\":\"/wA=\",\"bodyEncoding\":\"base64\",\"headers\""),
       "what is no UTF-8 is base64, and says so");
}


static void
test_headers(void)
{
    request("POST", dur_str("x"));
    header("X", dur_str("1"));
    header("cookie", dur_str("a=1"));
    header("accept", dur_str("text/html"));
    header("cookie", dur_str("b=2"));
    header("accept", dur_str("*/*"));
    header("a", dur_str("\"caf\xe9\"\\\x01"));
    header("bad name", dur_str("1"));
    event(1000);

    ok(has("\"headers\":{\"X\":\"1\",\"a\":\"\\\"caf\xc3\xa9\\\"\\\\\\u0001\","
           "\"accept\":\"text/html, */*\",\"cookie\":\"a=1; b=2\","
           "\"x-forwarded-for\""),
       "headers are sorted, repeated ones joined, bytes are characters");

    request("POST", dur_str("x"));
    header("connection", dur_str("close, X-Hop"));
    header("content-length", dur_str("1"));
    header("expect", dur_str("100-continue"));
    header("keep-alive", dur_str("timeout=5"));
    header("te", dur_str("trailers"));
    header("transfer-encoding", dur_str("chunked"));
    header("upgrade", dur_str("h2c"));
    header("x-hop", dur_str("1"));
    header("x-hub-signature", dur_str("sha1=00"));
    event(1000);

    ok(has("\"headers\":{\"x-forwarded-for\":\"203.0.113.9\","
           "\"x-forwarded-host\":\"\",\"x-forwarded-proto\":\"https\","
           "\"x-hub-signature\":\"sha1=00\"}"),
       "what is of the connection goes no further, also what it lists");

    request("POST", dur_str("x"));
    header("x-forwarded-for", dur_str("198.51.100.1"));
    header("x-forwarded-port", dur_str("444"));
    header("x-forwarded-host", dur_str("evil"));
    header("x-forwarded-proto", dur_str("ftp"));
    header("x-forwarded-for", dur_str("198.51.100.2"));
    header("host", dur_str("good"));
    event(1000);

    ok(has("\"x-forwarded-for\":\"198.51.100.1, 198.51.100.2, 203.0.113.9\","
           "\"x-forwarded-host\":\"good\",\"x-forwarded-port\":\"444\","
           "\"x-forwarded-proto\":\"https\"}"),
       "the chain of x-forwarded-for grows, host and proto are ours to say");
}


static void
test_ids(void)
{
    char         big[300];
    dur_str_t    id;
    dur_arena_t  a;

    dur_arena_init(&a);
    memset(big, 'a', sizeof(big));

    is_str(dur_webhook_id(dur_str("linear"), dur_str("d-1"), &a),
           "linear:d-1", "the id of an event has the connector before it");

    id = dur_webhook_id(dur_str("x"), dur_str_make(big, sizeof(big)), &a);
    ok(id.len == 66, "a long id is told by its hash");
    id = dur_webhook_id(dur_str("x"), dur_str("\xff"), &a);
    ok(id.len == 66 && dur_utf8_valid(id), "so is one that is no text");

    ok(dur_webhook_is_connector(dur_str("a-B_9.c")), "a connector is a word");
    ok(!dur_webhook_is_connector(dur_str_null)
       && !dur_webhook_is_connector(dur_str("a/b"))
       && !dur_webhook_is_connector(dur_str("a b"))
       && !dur_webhook_is_connector(dur_str_make(big, 129)),
       "nothing, paths, spaces and long words are none");

    dur_arena_deinit(&a);
}


/* Any body, in parts of any size: the text is canonical, always the same, and
 * what is forwarded has the same bytes. */
static void
test_parts(void)
{
    bool                same, canonical, back, sized;
    size_t              i, k, len;
    uint8_t             body[200];
    uint32_t            seed;
    dur_buf_t           whole, out, method, url, list, sent;
    dur_gateway_call_t  call = { .method = &method, .url = &url,
                                 .headers = &list, .body = &sent };

    static const char  *pieces[] = { "a", "\n", "\"", "\x01\x0b\x7f\b",
                                     "\xc3\xa9", "\xe2\x82\xac",
                                     "\xf0\x9f\x98\x80", "\xff" };

    dur_buf_init(&whole, 1 << 20);
    dur_buf_init(&out, 1 << 20);
    dur_buf_init(&method, 64);
    dur_buf_init(&url, 4096);
    dur_buf_init(&list, 4096);
    dur_buf_init(&sent, 4096);

    seed = 1;
    same = canonical = back = sized = true;

    for (i = 0; i < 2000; i++) {

        for (len = 0; len < i % 150; len += strlen(pieces[k])) {
            seed = seed * 1103515245 + 12345;
            k = (seed >> 16) % (i % 2 ? 8 : 7);
            memcpy(body + len, pieces[k], strlen(pieces[k]));
        }

        request("POST", dur_str_make(body, len));
        event(1 << 20);
        dur_buf_reset(&whole);
        dur_buf_adds(&whole, dur_buf_str(&text));

        request("POST", dur_str_make(body, len));
        same &= dur_str_eq(event(1 + i % 9), dur_buf_str(&whole));

        dur_buf_reset(&out);
        sized &= dur_webhook_size(&w, &last, &out) == whole.len;

        dur_buf_reset(&out);
        canonical &= dur_json_canonicalize(&out, dur_buf_str(&whole)) == DUR_OK
                     && dur_str_eq(dur_buf_str(&out), dur_buf_str(&whole));

        dur_buf_reset(&method);
        dur_buf_reset(&url);
        dur_buf_reset(&list);
        dur_buf_reset(&sent);
        back &= dur_forward_build(dur_buf_str(&whole), dur_str("http://a/"),
                                  &call) == DUR_OK
                && dur_str_eq(dur_buf_str(&sent), dur_str_make(body, len));
    }

    ok(same, "parts of any size make the same text");
    ok(sized, "whose length is known before");
    ok(canonical, "it is canonical");
    ok(back, "the request that is made of it has the same body");

    dur_buf_deinit(&whole);
    dur_buf_deinit(&out);
    dur_buf_deinit(&method);
    dur_buf_deinit(&url);
    dur_buf_deinit(&list);
    dur_buf_deinit(&sent);
}


int
main(void)
{
    dur_buf_init(&text, 1 << 20);

    test_event();
    test_headers();
    test_ids();
    test_parts();

    dur_buf_deinit(&text);

    return done_testing();
}
