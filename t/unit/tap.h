/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * TAP for the unit tests: ok(), is_int(), is_str(), and done_testing() as the
 * value of main().  A test file is one program named <unit>_test.c.
 */

#ifndef DUR_TAP_H
#define DUR_TAP_H

#include <stdio.h>
#include <string.h>
#include <stdbool.h>
#include <inttypes.h>

#include "engine/dur_base.h"

static int  tap_run, tap_failed;

__attribute__((unused, format(printf, 4, 5)))
static bool
tap_ok(bool pass, const char *file, int line, const char *fmt, ...)
{
    va_list  ap;

    tap_run++;
    printf("%sok %d - ", pass ? "" : "not ", tap_run);

    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");

    if (!pass) {
        tap_failed++;
        printf("# failed at %s line %d\n", file, line);
    }
    fflush(stdout);

    return pass;
}

#define ok(cond, ...)                                                        \
    tap_ok((cond), __FILE__, __LINE__, __VA_ARGS__)

#define is_int(got, want, ...)                                               \
    do {                                                                     \
        int64_t tap_g = (int64_t) (got), tap_w = (int64_t) (want);           \
        if (!tap_ok(tap_g == tap_w, __FILE__, __LINE__, __VA_ARGS__)) {      \
            printf("#      got: %" PRId64 "\n# expected: %" PRId64 "\n",     \
                   tap_g, tap_w);                                            \
        }                                                                    \
    } while (0)

/* got is a dur_str_t, want a C string */
#define is_str(got, want, ...)                                               \
    do {                                                                     \
        dur_str_t tap_g = (got), tap_w = dur_str_c(want);                    \
        if (!tap_ok(dur_str_eq(tap_g, tap_w), __FILE__, __LINE__,            \
                    __VA_ARGS__))                                            \
        {                                                                    \
            printf("#      got: %.*s\n# expected: %.*s\n",                   \
                   (int) tap_g.len, (const char *) tap_g.data,               \
                   (int) tap_w.len, (const char *) tap_w.data);              \
        }                                                                    \
    } while (0)

__attribute__((unused))
static int
done_testing(void)
{
    printf("1..%d\n", tap_run);
    return tap_failed ? 1 : 0;
}

#endif /* DUR_TAP_H */
