/* SPDX-License-Identifier: BSD-2-Clause */

#include "fuzz.h"
#include "engine/dur_json.h"
#include "engine/dur_webhook.h"

FUZZ_TARGET("webhooks as events")

/* The URL, '\n', headers, an empty line, the body. */

#define HEADERS_MAX  256

const dur_str_t  fuzz_seeds[] = {
    dur_str("https://h.test/linear?a=1\nhost:h.test\ncontent-type:a/b\n"
            "x-forwarded-for:1.2.3.4\n\n{\"a\": \"\xc3\xa9\\n\"}"),
    dur_str("http://a/\nconnection:close, x-b\nx-b:2\ncookie:a\ncookie:b\n\n"
            "\xff\x00z"),
    dur_str("\n\n"),
    dur_str("http://a/\nx-a:\"caf\xe9\"\\\nbad name:1\n\n"
            "\xf0\x9f\x98\x80\xe2\x82\xac"),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("connection:"), dur_str("host:"), dur_str("cookie:"),
    dur_str("x-forwarded-for:"), dur_str("x-forwarded-host:"), dur_str(", "),
    dur_str("\n"), dur_str("\n\n"), dur_str("\xe2\x82\xac"), dur_str("\xff"),
    dur_str("\""), dur_str("\\"), dur_str_null
};


static dur_str_t
line(dur_str_t *rest, char end)
{
    dur_str_t       s;
    const uint8_t  *p;

    s = *rest;
    p = s.len ? memchr(s.data, end, s.len) : NULL;

    if (p != NULL) {
        s.len = (size_t) (p - s.data);
    }

    rest->data += s.len + (p != NULL);
    rest->len -= s.len + (p != NULL);

    return s;
}


static void
event(const dur_webhook_t *w, dur_webhook_event_t *e, size_t max,
    dur_buf_t *out)
{
    dur_webhook_head(w, e, out);

    while (e->pos < w->body.len) {
        dur_webhook_part(w, e, max, out);
    }

    dur_webhook_tail(w, e, out);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    dur_buf_t             whole, parts, canonical;
    dur_str_t             rest, one;
    dur_webhook_t         w;
    dur_webhook_event_t   e = { .name = dur_str("n"), .id = dur_str("i"),
                                .ts = 1790000000000 };
    dur_webhook_header_t  headers[HEADERS_MAX + DUR_WEBHOOK_MORE];

    rest = dur_str_make(data, len);

    memset(&w, 0, sizeof(w));
    w.method = dur_str("POST");
    w.remote = dur_str("192.0.2.1");
    w.headers = headers;
    w.url = line(&rest, '\n');
    w.query = w.url;

    while (w.nheaders < HEADERS_MAX) {
        one = line(&rest, '\n');
        if (one.len == 0) {
            break;
        }

        headers[w.nheaders].name = line(&one, ':');
        headers[w.nheaders++].value = one;
    }

    w.body = rest;

    dur_buf_init(&whole, 1 << 20);
    dur_buf_init(&parts, 1 << 20);
    dur_buf_init(&canonical, 1 << 20);

    dur_webhook_prepare(&w);
    event(&w, &e, 1 << 20, &whole);
    event(&w, &e, 5, &parts);

    fuzz_check(!whole.failed && !parts.failed);
    fuzz_check(dur_webhook_size(&w, &e, &canonical) == whole.len);
    dur_buf_reset(&canonical);
    fuzz_check(dur_str_eq(dur_buf_str(&whole), dur_buf_str(&parts)));
    fuzz_check(dur_json_canonicalize(&canonical, dur_buf_str(&whole))
               == DUR_OK);
    fuzz_check(dur_str_eq(dur_buf_str(&whole), dur_buf_str(&canonical)));

    dur_buf_deinit(&whole);
    dur_buf_deinit(&parts);
    dur_buf_deinit(&canonical);

    return 0;
}
