/* SPDX-License-Identifier: BSD-2-Clause */

#include "tap.h"

#include <stdlib.h>


static void
test_strings(void)
{
    ok(dur_str_eq(dur_str("abc"), dur_str_c("abc")), "equal bytes are equal");
    ok(!dur_str_eq(dur_str("abc"), dur_str("abC")), "case makes a difference");
    ok(dur_str_eq(dur_str_null, dur_str_c(NULL)), "no text is the empty text");
    ok(dur_str_caseeq(dur_str("AppName"), dur_str("appname")),
       "keys may be compared without case");
    ok(!dur_str_caseeq(dur_str("\xc3\x84"), dur_str("\xc3\xa4")),
       "only ASCII letters have two cases");
    ok(!dur_str_caseeq(dur_str("@"), dur_str("`")),
       "signs next to letters have one case");
}


static void
test_buffer(void)
{
    char       text[8];
    dur_buf_t  b;

    dur_buf_init(&b, 8);

    is_int(dur_buf_addz(&b, "abcd"), DUR_OK, "a buffer takes bytes");
    is_int(dur_buf_addz(&b, "efghi"), DUR_ETOOBIG,
           "an append past the maximum is refused");
    is_str(dur_buf_str(&b), "abcd", "and leaves the buffer as it was");
    ok(b.failed, "and is remembered");
    is_int(dur_buf_addz(&b, "efgh"), DUR_OK, "exactly the maximum fits");
    is_int(dur_buf_addc(&b, 'i'), DUR_ETOOBIG, "one more does not");

    dur_buf_reset(&b);
    ok(b.len == 0 && !b.failed, "a reset forgets bytes and failure");

    is_int(dur_buf_addf(&b, "%d-%s", 12, "ab"), DUR_OK, "printf appends");
    is_str(dur_buf_str(&b), "12-ab", "what printf says");
    is_int(dur_buf_addf(&b, "%d", 123), DUR_OK, "up to the last byte");
    is_int(dur_buf_addf(&b, "%d", 4), DUR_ETOOBIG, "and not past it");
    is_str(dur_buf_str(&b), "12-ab123", "of which nothing is left");
    b.failed = false;

    memset(text, 'x', sizeof(text));
    is_int(dur_buf_add(&b, text, 0), DUR_OK, "nothing can always be added");

    dur_buf_deinit(&b);
}


static void
test_arena(void)
{
    bool          aligned, kept;
    size_t        total;
    uint8_t      *p;
    dur_str_t     s;
    dur_arena_t   a;

    dur_arena_init(&a);

    s = dur_arena_copy(&a, dur_str("hello"));
    is_str(s, "hello", "an arena copies a string");
    is_int(s.data[5], 0, "and terminates it");

    aligned = true;
    kept = true;

    for (size_t n = 1; n < 3000; n += 7) {
        p = dur_arena_alloc(&a, n);
        aligned = aligned && ((uintptr_t) p & 15) == 0;
        memset(p, 0x5a, n);
    }

    kept = dur_str_eq(s, dur_str("hello"));

    ok(aligned, "every piece is aligned to 16 bytes");
    ok(kept, "later pieces leave earlier ones alone");

    p = dur_arena_zalloc(&a, 200 * 1024);
    ok(p != NULL && p[0] == 0 && p[200 * 1024 - 1] == 0,
       "a piece may be larger than a chunk, and zeroed");

    dur_arena_reset(&a);
    total = a.total;
    dur_arena_alloc(&a, 100);
    ok(a.total == total, "after a reset the first chunk is used again");

    is_str(dur_str_c(dur_arena_printf(&a, "%s=%d", "x", 7)), "x=7",
           "an arena prints");

    dur_arena_deinit(&a);
    is_int(a.total, 0, "an arena gives everything back");
}


static void
test_integers(void)
{
    uint8_t  p[8];

    dur_put16(p, 0x0102);
    ok(p[0] == 1 && p[1] == 2 && dur_get16(p) == 0x0102,
       "16-bit integers are big-endian");
    dur_put32(p, 0x01020304);
    ok(p[0] == 1 && p[3] == 4 && dur_get32(p) == 0x01020304,
       "32-bit integers are big-endian");
    dur_put64(p, 0x0102030405060708);
    ok(p[0] == 1 && p[7] == 8 && dur_get64(p) == 0x0102030405060708,
       "64-bit integers are big-endian");
}


int
main(void)
{
    bool  said;

    said = true;

    for (int rc = 1; rc >= -20; rc--) {
        said = said && dur_strerror((dur_rc_t) rc)[0] != '\0';
    }

    ok(said, "every return code has a phrase, unknown ones too");

    test_strings();
    test_buffer();
    test_arena();
    test_integers();

    return done_testing();
}
