/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What a fuzz target is made of: seeds, words of its language, and one
 * function that takes any bytes and checks what must hold for all of them.
 * Built with clang -fsanitize=fuzzer -DDUR_LIBFUZZER it is a libFuzzer target.
 * Built as it is, it is a test: a fixed number of mutations of the seeds from
 * a fixed start, so a failure comes back each time.
 *
 *     <target>_fuzz [mutations [start]]
 */

#ifndef DUR_FUZZ_H
#define DUR_FUZZ_H

#include "engine/dur_base.h"

#include <stdio.h>
#include <stdlib.h>

#define FUZZ_MUTATIONS  50000
#define FUZZ_INPUT_MAX  4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static inline void
fuzz_failed(const uint8_t *data, size_t len, const char *what, int line)
{
    printf("not ok 1 - %s\n# line %d, %zu bytes:\n# ", what, line, len);

    for (size_t i = 0; i < len; i++) {
        printf("%02x", data[i]);
    }

    printf("\n");
    fflush(stdout);
    abort();
}

/* In a target with `data` and `len` in sight. */
#define fuzz_check(cond)                                                     \
    do {                                                                     \
        if (!(cond)) {                                                       \
            fuzz_failed(data, len, #cond, __LINE__);                         \
        }                                                                    \
    } while (0)


extern const dur_str_t  fuzz_seeds[];       /* both end with dur_str_null */
extern const dur_str_t  fuzz_words[];
extern const char       fuzz_name[];

#define FUZZ_TARGET(name)  const char  fuzz_name[] = name;


#ifndef DUR_LIBFUZZER

static uint64_t  fuzz_state;


static inline size_t
fuzz_below(size_t n)
{
    fuzz_state ^= fuzz_state << 13;
    fuzz_state ^= fuzz_state >> 7;
    fuzz_state ^= fuzz_state << 17;

    return n ? (size_t) ((fuzz_state >> 11) % n) : 0;
}


static inline size_t
fuzz_count(const dur_str_t *list)
{
    size_t  n;

    for (n = 0; list[n].data != NULL; n++) { /* void */ }

    return n;
}


/* Makes room for n bytes at a place of the input, or less. */

static inline size_t
fuzz_open(uint8_t *p, size_t *len, size_t at, size_t n)
{
    if (n > FUZZ_INPUT_MAX - *len) {
        n = FUZZ_INPUT_MAX - *len;
    }

    memmove(p + at + n, p + at, *len - at);
    *len += n;

    return n;
}


static inline void
fuzz_insert(uint8_t *p, size_t *len, dur_str_t s)
{
    size_t   at, n;
    uint8_t  copy[FUZZ_INPUT_MAX];

    n = s.len < sizeof(copy) ? s.len : sizeof(copy);
    if (n) {
        memcpy(copy, s.data, n);
    }

    at = fuzz_below(*len + 1);
    n = fuzz_open(p, len, at, n);
    memcpy(p + at, copy, n);
}


static inline void
fuzz_mutate(uint8_t *p, size_t *len)
{
    size_t     at, n;
    uint8_t    c;
    dur_str_t  s;

    at = fuzz_below(*len);

    switch (fuzz_below(8)) {
    case 0:
        if (*len) {
            p[at] ^= (uint8_t) (1 << fuzz_below(8));
        }
        break;
    case 1:
        if (*len) {
            p[at] = (uint8_t) fuzz_below(256);
        }
        break;
    case 2:
        c = (uint8_t) fuzz_below(256);
        fuzz_insert(p, len, dur_str_make(&c, 1));
        break;
    case 3:
        n = fuzz_below(*len - at < 16 ? *len - at + 1 : 16);
        memmove(p + at, p + at + n, *len - at - n);
        *len -= n;
        break;
    case 4:
        *len = at;
        break;
    case 5:
        n = fuzz_below(*len - at < 64 ? *len - at + 1 : 64);
        fuzz_insert(p, len, dur_str_make(p + at, n));
        break;
    case 6:
        fuzz_insert(p, len, fuzz_words[fuzz_below(fuzz_count(fuzz_words))]);
        break;
    case 7:
        s = fuzz_seeds[fuzz_below(fuzz_count(fuzz_seeds))];
        at = fuzz_below(s.len);
        fuzz_insert(p, len, dur_str_make(s.data + at,
                                         fuzz_below(s.len - at + 1)));
        break;
    }
}


/* The target sees memory of exactly this size. */

static inline void
fuzz_run(const uint8_t *p, size_t len)
{
    uint8_t  *copy;

    copy = malloc(len ? len : 1);
    if (copy == NULL) {
        abort();
    }

    memcpy(copy, p, len);
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}


int
main(int argc, char **argv)
{
    size_t     n, len;
    uint8_t    p[FUZZ_INPUT_MAX];
    uint64_t   mutations, start;
    dur_str_t  s;

    mutations = argc > 1 ? strtoull(argv[1], NULL, 10) : FUZZ_MUTATIONS;
    start = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

    fuzz_state = start * 0x9e3779b97f4a7c15 + 1;
    n = fuzz_count(fuzz_seeds);

    for (size_t i = 0; i < n; i++) {
        fuzz_run(fuzz_seeds[i].data, fuzz_seeds[i].len);
    }

    for (uint64_t i = 0; i < mutations; i++) {
        s = fuzz_seeds[fuzz_below(n)];
        len = s.len < sizeof(p) ? s.len : sizeof(p);
        memcpy(p, s.data, len);

        for (size_t k = fuzz_below(6) + 1; k > 0; k--) {
            fuzz_mutate(p, &len);
        }

        fuzz_run(p, len);
    }

    printf("ok 1 - %llu mutations of %s\n1..1\n",
           (unsigned long long) mutations, fuzz_name);

    return 0;
}

#else

int LLVMFuzzerInitialize(int *argc, char ***argv);


static inline FILE *
fuzz_file(const char *dir, const char *name)
{
    char   path[4096];
    FILE  *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);

    f = fopen(path, "wb");
    if (f == NULL) {
        perror(path);
        exit(1);
    }

    return f;
}


/* Seeds and words, for libFuzzer to begin with, into a directory. */

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char         name[32];
    FILE        *f;
    size_t       i, k;
    const char  *dir;

    (void) argc;
    (void) argv;

    dir = getenv("FUZZ_SEEDS");
    if (dir == NULL) {
        return 0;
    }

    for (i = 0; fuzz_seeds[i].data != NULL; i++) {
        snprintf(name, sizeof(name), "seed-%02zu", i);

        f = fuzz_file(dir, name);
        fwrite(fuzz_seeds[i].data, 1, fuzz_seeds[i].len, f);
        fclose(f);
    }

    f = fuzz_file(dir, "../words");

    for (i = 0; fuzz_words[i].data != NULL; i++) {
        fputc('"', f);
        for (k = 0; k < fuzz_words[i].len; k++) {
            fprintf(f, "\\x%02x", fuzz_words[i].data[k]);
        }
        fputs("\"\n", f);
    }

    fclose(f);

    return 0;
}

#endif /* DUR_LIBFUZZER */

#endif /* DUR_FUZZ_H */
