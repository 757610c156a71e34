/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Realtime: what clients send as topics, as tokens' claims, on their sockets
 * and as messages, and the ring in which the messages are.
 */

#include "fuzz.h"

#include "engine/dur_json.h"
#include "engine/dur_realtime.h"

FUZZ_TARGET("realtime: topics, tokens, messages and their ring")

/* The first byte says what the others are. */

const dur_str_t  fuzz_seeds[] = {
    dur_str("0[{\"channel\":\"c\",\"name\":\"t\",\"kind\":\"run\"}]"),
    dur_str("0{\"iss\":\"rt.inngest.com\",\"topics\":[{\"channel\":\"c\","
            "\"name\":\"t\"}],\"publish\":true}"),
    dur_str("0{\"iss\":\"api.inngest.com\",\"sub\":\"realtime-claim\","
            "\"RunID\":\"r\"}"),
    dur_str("0{\"kind\":\"sub\",\"data\":\"a.b.c\"}"),
    dur_str("0{\"kind\":\"unsub\",\"data\":[\"a\",{\"topic\":\"b\"}]}"),
    dur_str("1channeltopics{\"a\":1}"),
    dur_str("1chan\xfftop\nsnot j"),
    dur_str("2abcdefghijklmnopqrstuvwxyz\xff\xff\xff\xff\xff\x01\x02"),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("\"channel\":"), dur_str("\"name\":"), dur_str("\"topic\":"),
    dur_str("\"kind\":"), dur_str("\"data\":"), dur_str("\"unsub\""),
    dur_str("\"topics\":["), dur_str("null"), dur_str("[]"), dur_str("{}"),
    dur_str("\\u0000"), dur_str("\xc3"), dur_str("\xff\xfe\xfd"),
    dur_str_null
};


static void
fuzz_token(const uint8_t *data, size_t len)
{
    dur_str_t              in = dur_str_make(data, len);
    char                   err[160];
    json_t                *root;
    dur_buf_t              claims;
    dur_str_t              token;
    dur_realtime_grant_t   grant;

    dur_buf_init(&claims, 1024 * 1024);

    if (dur_realtime_claims(in, 1, in.len % 2, &claims, err) == DUR_OK) {

        root = dur_json_parse(dur_buf_str(&claims), NULL);

        fuzz_check(dur_realtime_grant(root, &grant) == DUR_OK && grant.n > 0);

        json_decref(root);
    }

    dur_buf_deinit(&claims);

    root = dur_json_parse(in, NULL);
    (void) dur_realtime_grant(root, &grant);
    json_decref(root);

    (void) dur_realtime_ask(in, &root, &token, &grant);
    json_decref(root);
}


static void
fuzz_message(const uint8_t *data, size_t len)
{
    dur_str_t               in = dur_str_make(data, len);
    size_t                  cut;
    json_t                 *root;
    dur_buf_t               out;
    dur_str_t               text;
    dur_realtime_message_t  m;

    cut = in.len / 3;

    memset(&m, 0, sizeof(m));
    m.kind = in.len % 4 == 0 ? DUR_REALTIME_CHUNK_OF : DUR_REALTIME_DATA;
    m.channel = dur_str_make(in.data, cut);
    m.topic = dur_str_make(in.data + cut, cut);
    m.data = dur_str_make(in.data + 2 * cut, in.len - 2 * cut);

    dur_buf_init(&out, 16 * 1024 * 1024);

    if (dur_realtime_write(&out, &m) == DUR_OK) {

        text = dur_buf_str(&out);
        root = dur_json_parse(text, NULL);

        /* always one line of JSON */

        fuzz_check(root != NULL && memchr(text.data, '\n', text.len) == NULL);

        json_decref(root);
        (void) dur_realtime_plain(&text);
    }

    dur_buf_deinit(&out);
}


/* Each byte is a message of that size, or so. */
static void
fuzz_ring(const uint8_t *data, size_t len)
{
    dur_str_t            in = dur_str_make(data, len);
    void                *block;
    size_t               i;
    uint8_t              text[16 * 1024];
    uint64_t             at, ids[16];
    dur_ring_t          *ring;
    dur_ring_message_t   m;

    block = malloc(DUR_RING_MIN);
    if (block == NULL) {
        return;
    }

    ring = dur_ring_create(block, DUR_RING_MIN, 0);

    for (i = 0; i < in.len && i < 4096; i++) {
        memset(&m, 0, sizeof(m));
        memset(text, in.data[i], sizeof(text));
        m.time = (int64_t) i;
        m.channel = dur_str_make(text, in.data[i] % 5);
        m.text = dur_str_make(text, (size_t) in.data[i] * 61);

        (void) dur_ring_put(ring, &m);
    }

    at = dur_ring_first(ring);

    while (dur_ring_next(ring, &at, &m) == DUR_OK) {
        for (i = 0; i < m.text.len; i++) {
            fuzz_check(m.text.data[i] == m.text.data[0]);
        }
    }

    fuzz_check(at == dur_ring_end(ring));

    (void) dur_ring_recent(ring, dur_str_make(in.data, in.len ? 1 : 0), 0, ids,
                           16);

    free(block);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0) {
        return 0;
    }

    switch (data[0] % 3) {

    case 0:
        fuzz_token(data + 1, len - 1);
        break;

    case 1:
        fuzz_message(data + 1, len - 1);
        break;

    default:
        fuzz_ring(data + 1, len - 1);
    }

    return 0;
}
