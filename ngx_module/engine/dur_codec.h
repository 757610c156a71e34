/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Writing and reading the values of rows: big-endian integers and
 * length-prefixed strings.  Both sides carry a sticky failure, so a row is
 * written or read field by field and checked once.
 *
 * A row that may grow starts with dur_enc_begin() .. dur_enc_end(): a u16
 * with the length of its fixed part.  A reader ends the fixed part with
 * dur_dec_end(), which skips fields that a newer writer added; fields that an
 * older writer did not have read as zero.
 */

#ifndef DUR_CODEC_H
#define DUR_CODEC_H

#include "engine/dur_base.h"

/* Everything that is not a payload fits a row of this size. */
#define DUR_ROW_MAX  (64 * 1024)

typedef struct {
    uint8_t  *p;
    uint8_t  *start;
    uint8_t  *end;
    uint8_t  *fixed;            /* where the length of the fixed part is */
    bool      failed;
} dur_enc_t;

typedef struct {
    const uint8_t  *p;
    const uint8_t  *end;
    const uint8_t  *fixed;      /* end of the fixed part, or NULL */
    bool            failed;
} dur_dec_t;


static inline void
dur_enc_init(dur_enc_t *w, uint8_t *p, size_t size)
{
    w->p = p;
    w->start = p;
    w->end = p + size;
    w->fixed = NULL;
    w->failed = false;
}

static inline uint8_t *
dur_enc_room(dur_enc_t *w, size_t n)
{
    uint8_t  *p;

    if (dur_unlikely(n > (size_t) (w->end - w->p))) {
        w->failed = true;
        return NULL;
    }

    p = w->p;
    w->p += n;

    return p;
}

static inline void
dur_enc_u8(dur_enc_t *w, uint8_t v)
{
    uint8_t  *p = dur_enc_room(w, 1);

    if (p) {
        *p = v;
    }
}

static inline void
dur_enc_u16(dur_enc_t *w, uint16_t v)
{
    uint8_t  *p = dur_enc_room(w, 2);

    if (p) {
        dur_put16(p, v);
    }
}

static inline void
dur_enc_u32(dur_enc_t *w, uint32_t v)
{
    uint8_t  *p = dur_enc_room(w, 4);

    if (p) {
        dur_put32(p, v);
    }
}

static inline void
dur_enc_u64(dur_enc_t *w, uint64_t v)
{
    uint8_t  *p = dur_enc_room(w, 8);

    if (p) {
        dur_put64(p, v);
    }
}

static inline void
dur_enc_raw(dur_enc_t *w, const void *v, size_t n)
{
    uint8_t  *p = dur_enc_room(w, n);

    if (p && n) {
        memcpy(p, v, n);
    }
}

static inline void
dur_enc_str(dur_enc_t *w, dur_str_t s)
{
    dur_enc_u32(w, (uint32_t) s.len);
    dur_enc_raw(w, s.data, s.len);
}

static inline void
dur_enc_begin(dur_enc_t *w)
{
    w->fixed = dur_enc_room(w, 2);
}

static inline void
dur_enc_end(dur_enc_t *w)
{
    if (w->fixed && !w->failed) {
        dur_put16(w->fixed, (uint16_t) (w->p - w->fixed - 2));
    }
}

static inline dur_str_t
dur_enc_done(const dur_enc_t *w)
{
    return dur_str_make(w->start, (size_t) (w->p - w->start));
}


static inline void
dur_dec_init(dur_dec_t *r, dur_str_t s)
{
    r->p = s.data;
    r->end = s.data + s.len;
    r->fixed = NULL;
    r->failed = false;
}

static inline const uint8_t *
dur_dec_room(dur_dec_t *r, size_t n)
{
    const uint8_t  *p, *end;

    end = r->fixed ? r->fixed : r->end;

    if (dur_unlikely(n > (size_t) (end - r->p))) {
        if (r->fixed) {         /* an older writer: the field is zero */
            r->p = r->fixed;
        } else {
            r->failed = true;
        }
        return NULL;
    }

    p = r->p;
    r->p += n;

    return p;
}

static inline uint8_t
dur_dec_u8(dur_dec_t *r)
{
    const uint8_t  *p = dur_dec_room(r, 1);

    return p ? *p : 0;
}

static inline uint16_t
dur_dec_u16(dur_dec_t *r)
{
    const uint8_t  *p = dur_dec_room(r, 2);

    return p ? dur_get16(p) : 0;
}

static inline uint32_t
dur_dec_u32(dur_dec_t *r)
{
    const uint8_t  *p = dur_dec_room(r, 4);

    return p ? dur_get32(p) : 0;
}

static inline uint64_t
dur_dec_u64(dur_dec_t *r)
{
    const uint8_t  *p = dur_dec_room(r, 8);

    return p ? dur_get64(p) : 0;
}

static inline void
dur_dec_raw(dur_dec_t *r, void *v, size_t n)
{
    const uint8_t  *p = dur_dec_room(r, n);

    if (p) {
        memcpy(v, p, n);
    } else {
        memset(v, 0, n);
    }
}

static inline dur_str_t
dur_dec_str(dur_dec_t *r)
{
    size_t          n;
    const uint8_t  *p;

    n = dur_dec_u32(r);
    p = n ? dur_dec_room(r, n) : NULL;

    return p ? dur_str_make(p, n) : dur_str_null;
}

/* Bytes are left: a field that older writers did not have may follow. */
static inline bool
dur_dec_more(const dur_dec_t *r)
{
    return !r->failed && r->p < r->end;
}

static inline void
dur_dec_begin(dur_dec_t *r)
{
    size_t  n;

    n = dur_dec_u16(r);

    if (n > (size_t) (r->end - r->p)) {
        r->failed = true;
        n = 0;
    }

    r->fixed = r->p + n;
}

static inline void
dur_dec_end(dur_dec_t *r)
{
    if (r->fixed) {
        r->p = r->fixed;
        r->fixed = NULL;
    }
}

#endif /* DUR_CODEC_H */
