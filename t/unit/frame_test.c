/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_frame.h"
#include "tap.h"

#include <stdlib.h>


#define BUF_MAX  (32 * 1024 * 1024)


static uint8_t *
pattern(size_t n)
{
    uint8_t  *p;

    p = malloc(n);
    for (size_t i = 0; i < n; i++) {
        p[i] = (uint8_t) (i * 7 + (i >> 8));
    }

    return p;
}


static void
test_fields(void)
{
    size_t              used, need;
    uint64_t            v;
    uint8_t             attempt[DUR_ATTEMPT_LEN];
    dur_buf_t           b;
    dur_str_t           s;
    dur_frame_t         f;
    dur_frame_writer_t  w;

    dur_buf_init(&b, BUF_MAX);
    dur_attempt_put(attempt, 0x1122334455667788, 0x99aabbcc);

    dur_frame_begin(&w, &b, DUR_FRAME_CALL, 0);
    dur_frame_put(&w, DUR_TAG_ATTEMPT,
                  dur_str_make(attempt, DUR_ATTEMPT_LEN));
    dur_frame_put_u8(&w, DUR_TAG_KIND, 200);
    dur_frame_put_u16(&w, DUR_TAG_STATUS, 40000);
    dur_frame_put_u32(&w, DUR_TAG_APP, 4000000000u);
    dur_frame_put_u64(&w, DUR_TAG_TIMEOUT, UINT64_MAX - 1);
    dur_frame_put(&w, DUR_TAG_METHOD, dur_str_null);
    dur_frame_put(&w, DUR_TAG_URL, dur_str("http://a/"));
    is_int(dur_frame_end(&w, dur_str("body")), DUR_OK, "a frame is built");

    is_int(dur_frame_decode(dur_buf_str(&b), &f, &used, &need), DUR_OK,
           "and decoded");
    is_int(used, b.len, "all its bytes are used");
    is_int(dur_get32(b.data), b.len - 4,
           "the length counts what follows it");
    is_int(f.type, DUR_FRAME_CALL, "its type");
    is_int(f.flags, 0, "its flags are the writer's");
    is_str(f.data, "body", "its data");

    is_int(dur_frame_get(&f, DUR_TAG_ATTEMPT, &s), DUR_OK, "a bytes field");
    ok(s.len == 12 && dur_attempt_item(s.data) == 0x1122334455667788
       && dur_attempt_generation(s.data) == 0x99aabbcc,
       "an attempt is its item and its generation");

    is_int(dur_frame_get_u64(&f, DUR_TAG_KIND, &v), DUR_OK, "a u8 is read");
    is_int(v, 200, "with its value");
    is_int(dur_frame_get_u64(&f, DUR_TAG_STATUS, &v), DUR_OK, "a u16 too");
    is_int(v, 40000, "with its value");
    is_int(dur_frame_get_u64(&f, DUR_TAG_APP, &v), DUR_OK, "a u32 too");
    is_int(v, 4000000000u, "with its value");
    is_int(dur_frame_get_u64(&f, DUR_TAG_TIMEOUT, &v), DUR_OK, "a u64 too");
    ok(v == UINT64_MAX - 1, "with its value");

    is_int(dur_frame_get_u64(&f, DUR_TAG_URL, &v), DUR_EINVAL,
           "a text is no number");
    is_int(dur_frame_get(&f, DUR_TAG_METHOD, &s), DUR_OK,
           "an empty field is there");
    is_int(s.len, 0, "and empty");
    is_int(dur_frame_get(&f, DUR_TAG_TOPIC, &s), DUR_ENOTFOUND,
           "a field that was not written is not found");
    is_int(dur_frame_get_u64(&f, DUR_TAG_ID, &v), DUR_ENOTFOUND,
           "nor as a number");

    dur_buf_deinit(&b);
}


static void
test_split(void)
{
    bool                more, known;
    size_t              used, need;
    dur_buf_t           b;
    dur_frame_t         f;
    dur_frame_writer_t  w;

    dur_buf_init(&b, BUF_MAX);

    dur_frame_begin(&w, &b, DUR_FRAME_ACK, DUR_FRAME_F_END);
    dur_frame_put(&w, DUR_TAG_ATTEMPT, dur_str("123456789012"));
    dur_frame_end(&w, dur_str("some data"));

    more = true;
    known = true;

    for (size_t n = 0; n < b.len; n++) {
        if (dur_frame_decode(dur_str_make(b.data, n), &f, &used, &need)
            != DUR_ENOTFOUND || used != 0)
        {
            more = false;
        }

        if (need != (n < 4 ? 0 : b.len)) {
            known = false;
        }
    }

    ok(more, "a frame cut at any byte needs more");
    ok(known, "how many is known from the fourth byte on");

    dur_frame_begin(&w, &b, DUR_FRAME_PING, DUR_FRAME_F_END);
    dur_frame_end(&w, dur_str_null);

    is_int(dur_frame_decode(dur_buf_str(&b), &f, &used, &need), DUR_OK,
           "the first of two frames");
    is_int(f.type, DUR_FRAME_ACK, "is the first");
    is_int(dur_frame_decode(dur_str_make(b.data + used, b.len - used), &f,
                            &used, &need),
           DUR_OK, "the second follows");
    is_int(f.type, DUR_FRAME_PING, "it is the other one");
    is_int(used, DUR_FRAME_PREFIX, "and as small as a frame can be");

    dur_buf_deinit(&b);
}


static void
test_invalid(void)
{
    size_t       used, need;
    dur_frame_t  f;

    static const struct {
        const char  *what;
        size_t       len;
        uint8_t      bytes[16];
    } cases[] = {
        { "a length under the smallest frame", 4, { 0, 0, 0, 3 } },
        { "a length over the largest frame", 4, { 0, 1, 0x80, 5 } },
        { "text of another protocol", 8, "GET / HT" },
        { "type 0", 8, { 0, 0, 0, 4, 0, 0, 0, 0 } },
        { "a header longer than its frame", 8,
          { 0, 0, 0, 4, 1, 0, 0, 1 } },
        { "a header over its maximum", 8,
          { 0, 1, 0, 0, 1, 0, 0x80, 1 } },
        { "data over its maximum", 8,
          { 0, 1, 0, 5, 1, 0, 0, 0 } },
        { "a header that ends in a field's head", 11,
          { 0, 0, 0, 7, 1, 0, 0, 3, 0, 1, 0 } },
        { "a field longer than its header", 12,
          { 0, 0, 0, 8, 1, 0, 0, 4, 0, 1, 0, 1 } },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int(dur_frame_decode(dur_str_make(cases[i].bytes, cases[i].len),
                                &f, &used, &need),
               DUR_EINVAL, "%s is no frame", cases[i].what);
    }

    /* a caller's own frame with a broken header */
    f.header = dur_str_make(cases[8].bytes + 8, 4);
    is_int(dur_frame_get(&f, DUR_TAG_URL, &f.data), DUR_EINVAL,
           "a getter does not read past the header");
}


static void
test_limits(void)
{
    size_t              before, used, need;
    uint8_t            *big;
    dur_buf_t           b;
    dur_frame_t         f;
    dur_frame_writer_t  w;

    big = pattern(128 * 1024);
    dur_buf_init(&b, BUF_MAX);

    dur_frame_begin(&w, &b, DUR_FRAME_PING, DUR_FRAME_F_END);
    dur_frame_end(&w, dur_str("x"));
    before = b.len;

    dur_frame_begin(&w, &b, DUR_FRAME_CALL, DUR_FRAME_F_END);
    dur_frame_put(&w, DUR_TAG_URL,
                  dur_str_make(big, DUR_FRAME_HEADER_MAX - 4));
    ok(!b.failed, "a header may be filled to its maximum");
    is_int(dur_frame_end(&w, dur_str_make(big, DUR_FRAME_DATA_MAX)), DUR_OK,
           "and the data too");
    is_int(b.len - before, DUR_FRAME_MAX + 4, "that is the largest frame");
    is_int(dur_frame_decode(dur_str_make(b.data + before, b.len - before),
                            &f, &used, &need),
           DUR_OK, "it is valid");
    b.len = before;

    dur_frame_begin(&w, &b, DUR_FRAME_CALL, DUR_FRAME_F_END);
    dur_frame_put(&w, DUR_TAG_URL,
                  dur_str_make(big, DUR_FRAME_HEADER_MAX - 4));
    dur_frame_put_u8(&w, DUR_TAG_KIND, 0);
    ok(b.failed, "one field more fails the buffer");
    is_int(dur_frame_end(&w, dur_str_null), DUR_ETOOBIG, "and the frame");
    is_int(b.len, before, "the frames before it stay as they are");
    b.failed = false;

    dur_frame_begin(&w, &b, DUR_FRAME_CALL, 0);
    is_int(dur_frame_end(&w, dur_str_make(big, DUR_FRAME_DATA_MAX + 1)),
           DUR_ETOOBIG, "data over its maximum fails");
    is_int(b.len, before, "and leaves nothing behind");

    dur_buf_deinit(&b);

    dur_buf_init(&b, 100);
    dur_frame_begin(&w, &b, DUR_FRAME_CALL, 0);
    dur_frame_put(&w, DUR_TAG_URL, dur_str_make(big, 200));
    is_int(dur_frame_end(&w, dur_str_null), DUR_ETOOBIG,
           "a full buffer fails the frame");
    is_int(b.len, 0, "and leaves nothing behind");
    dur_buf_deinit(&b);

    dur_buf_init(&b, 100 * 1024);
    dur_frame_begin(&w, &b, DUR_FRAME_RESULT, 0);
    is_int(dur_frame_end_body(&w, dur_str_make(big, 128 * 1024),
                              DUR_TAG_ATTEMPT, dur_str("123456789012")),
           DUR_ETOOBIG, "a body that does not fit the buffer fails");
    is_int(b.len, 0, "with all its frames");
    dur_buf_deinit(&b);

    free(big);
}


/* Builds a body of n bytes, takes it apart again. */
static void
test_body(size_t n)
{
    bool                ids, ends, first;
    size_t              at, frames, want;
    size_t              used, need;
    uint8_t            *body;
    uint64_t            length;
    dur_buf_t           b, got;
    dur_str_t           s;
    dur_frame_t         f;
    dur_frame_writer_t  w;

    body = pattern(n ? n : 1);
    dur_buf_init(&b, BUF_MAX);
    dur_buf_init(&got, BUF_MAX);

    dur_frame_begin(&w, &b, DUR_FRAME_OP, 0);
    dur_frame_put_u64(&w, DUR_TAG_ID, 77);
    is_int(dur_frame_end_body(&w, dur_str_make(body, n), DUR_TAG_ID,
                              dur_str("\0\0\0\0\0\0\0\x4d")),
           DUR_OK, "a body of %zu bytes is built", n);

    want = n == 0 ? 1 : (n + DUR_FRAME_DATA_MAX - 1) / DUR_FRAME_DATA_MAX;
    frames = 0;
    length = UINT64_MAX;
    ids = true;
    ends = true;
    first = true;

    for (at = 0; at < b.len; at += used) {
        if (dur_frame_decode(dur_str_make(b.data + at, b.len - at), &f,
                             &used, &need) != DUR_OK)
        {
            break;
        }

        frames++;

        if (first) {
            dur_frame_get_u64(&f, DUR_TAG_LENGTH, &length);
        }

        if (f.type != (first ? DUR_FRAME_OP : DUR_FRAME_DATA)) {
            ids = false;
        }

        if (dur_frame_get(&f, DUR_TAG_ID, &s) != DUR_OK || s.len != 8
            || dur_get64(s.data) != 77)
        {
            ids = false;
        }

        if ((f.flags == DUR_FRAME_F_END) != (at + used == b.len)) {
            ends = false;
        }

        dur_buf_adds(&got, f.data);
        first = false;
    }

    is_int(at, b.len, "%zu: every frame is valid", n);
    is_int(frames, want, "%zu: as few frames as possible", n);
    is_int(length, n, "%zu: the first frame says the length", n);
    ok(ids, "%zu: every frame has the identity", n);
    ok(ends, "%zu: only the last frame has the end flag", n);
    ok(got.len == n && (n == 0 || memcmp(got.data, body, n) == 0),
       "%zu: the body is the same", n);

    dur_buf_deinit(&b);
    dur_buf_deinit(&got);
    free(body);
}


int
main(void)
{
    test_fields();
    test_split();
    test_invalid();
    test_limits();

    test_body(0);
    test_body(1);
    test_body(DUR_FRAME_DATA_MAX);
    test_body(DUR_FRAME_DATA_MAX + 1);
    test_body(2 * DUR_FRAME_DATA_MAX);
    test_body(8 * 1024 * 1024 + 17);

    return done_testing();
}
