/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The vocabulary that every engine unit shares: return codes, borrowed byte
 * strings, a growable buffer that always has a maximum, the arena of a batch,
 * and big-endian integers.
 *
 * Nothing here knows nginx, curl, LMDB or the clock.  All functions are safe
 * to use from several threads as long as one object is used by one thread.
 */

#ifndef DUR_BASE_H
#define DUR_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <string.h>
#include <stdarg.h>


/* Return code of the engine: 0 or one of these. */
typedef enum {
    DUR_OK = 0,
    DUR_ENOMEM = -1,        /* no memory, or an arena or buffer is full */
    DUR_EINVAL = -2,        /* bad input: the caller's mistake */
    DUR_ENOTFOUND = -3,
    DUR_EEXIST = -4,        /* the key exists already */
    DUR_ETOOBIG = -5,       /* over a limit */
    DUR_ECONFLICT = -6,     /* superseded: stale generation, ended run */
    DUR_EFULL = -7,         /* map or disk full */
    DUR_EIO = -8,           /* the disk or the system failed */
    DUR_ECORRUPT = -9,      /* the store holds what it must not hold */
    DUR_EFORMAT = -10,      /* the store was written by another version */
    DUR_EBUSY = -11,        /* in use by somebody else */
    DUR_EACCES = -12,       /* no permission */
    DUR_EINTERNAL = -13     /* an invariant of the engine does not hold */
} dur_rc_t;

/* One short English phrase, never NULL, for any value. */
const char *dur_strerror(dur_rc_t rc);


/* A borrowed byte string; not terminated. */
typedef struct {
    const uint8_t  *data;
    size_t          len;
} dur_str_t;

#define dur_str(lit)      ((dur_str_t) { (const uint8_t *) (lit),            \
                                         sizeof(lit) - 1 })
#define dur_str_null      ((dur_str_t) { NULL, 0 })

static inline dur_str_t
dur_str_make(const void *data, size_t len)
{
    return (dur_str_t) { data, len };
}

/* From a terminated string; NULL gives the empty string. */
static inline dur_str_t
dur_str_c(const char *s)
{
    return (dur_str_t) { (const uint8_t *) s, s == NULL ? 0 : strlen(s) };
}

static inline bool
dur_str_eq(dur_str_t a, dur_str_t b)
{
    return a.len == b.len
           && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* ASCII case-insensitive comparison. */
bool dur_str_caseeq(dur_str_t a, dur_str_t b);


/*
 * A growable buffer.  It never grows past `max`; an append that would leaves
 * the buffer as it is and sets `failed`, so a writer may append many times
 * and check once.
 */
typedef struct {
    uint8_t  *data;
    size_t    len;
    size_t    size;
    size_t    max;
    bool      failed;
} dur_buf_t;

void dur_buf_init(dur_buf_t *b, size_t max);
void dur_buf_deinit(dur_buf_t *b);

/* Empties the buffer, keeps its memory (frees it when over 1 MiB). */
void dur_buf_reset(dur_buf_t *b);

/* Makes room for n more bytes; DUR_ETOOBIG past the maximum, DUR_ENOMEM. */
dur_rc_t dur_buf_reserve(dur_buf_t *b, size_t n);

dur_rc_t dur_buf_add(dur_buf_t *b, const void *p, size_t n);
dur_rc_t dur_buf_addc(dur_buf_t *b, uint8_t c);
dur_rc_t dur_buf_adds(dur_buf_t *b, dur_str_t s);
dur_rc_t dur_buf_addz(dur_buf_t *b, const char *s);
dur_rc_t dur_buf_addf(dur_buf_t *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static inline dur_str_t
dur_buf_str(const dur_buf_t *b)
{
    return (dur_str_t) { b->data, b->len };
}


/*
 * An arena: memory that is freed all at once.  Alignment is 16 bytes.
 * Reset keeps the first chunk, so that a batch in steady state asks the
 * system for nothing.
 */
typedef struct dur_arena_chunk_s  dur_arena_chunk_t;

typedef struct {
    dur_arena_chunk_t  *first;
    dur_arena_chunk_t  *last;
    size_t              total;      /* bytes asked from the system */
} dur_arena_t;

void dur_arena_init(dur_arena_t *a);
void dur_arena_reset(dur_arena_t *a);
void dur_arena_deinit(dur_arena_t *a);

/* NULL when there is no memory; not zeroed. */
void *dur_arena_alloc(dur_arena_t *a, size_t n);
void *dur_arena_zalloc(dur_arena_t *a, size_t n);

/* A copy with a terminating zero behind it; data is NULL without memory. */
dur_str_t dur_arena_copy(dur_arena_t *a, dur_str_t s);
char *dur_arena_printf(dur_arena_t *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));


/* Big-endian integers, the order of all keys and frames. */

static inline void
dur_put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t) (v >> 8);
    p[1] = (uint8_t) v;
}

static inline void
dur_put32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, 4);
}

static inline void
dur_put64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, 8);
}

static inline uint16_t
dur_get16(const uint8_t *p)
{
    return (uint16_t) ((p[0] << 8) | p[1]);
}

static inline uint32_t
dur_get32(const uint8_t *p)
{
    uint32_t  v;

    memcpy(&v, p, 4);
    return __builtin_bswap32(v);
}

static inline uint64_t
dur_get64(const uint8_t *p)
{
    uint64_t  v;

    memcpy(&v, p, 8);
    return __builtin_bswap64(v);
}


#define DUR_ULID_LEN       16       /* binary */
#define DUR_ULID_TEXT_LEN  26
#define DUR_HASH_LEN       20       /* SHA-1 of a step id */
#define DUR_HASH_TEXT_LEN  40
#define DUR_UUID_TEXT_LEN  36

typedef struct {
    uint8_t  b[DUR_ULID_LEN];
} dur_ulid_t;

typedef struct {
    uint8_t  b[DUR_HASH_LEN];
} dur_hash_t;

/*
 * Our own bugs, never input: in the engine a failed invariant rolls the
 * batch back (the caller returns DUR_EINTERNAL), it never aborts a worker.
 */
#define dur_likely(x)    __builtin_expect(!!(x), 1)
#define dur_unlikely(x)  __builtin_expect(!!(x), 0)

#endif /* DUR_BASE_H */
