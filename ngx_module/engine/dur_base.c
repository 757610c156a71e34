/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_base.h"

#include <stdio.h>
#include <stdlib.h>


#define DUR_ARENA_CHUNK   (64 * 1024)
#define DUR_BUF_KEEP      (1024 * 1024)


struct dur_arena_chunk_s {
    dur_arena_chunk_t  *next;
    size_t              size;
    size_t              used;
    uint8_t             data[] __attribute__((aligned(16)));
};


const char *
dur_strerror(dur_rc_t rc)
{
    switch (rc) {
    case DUR_OK:
        return "ok";
    case DUR_ENOMEM:
        return "out of memory";
    case DUR_EINVAL:
        return "invalid input";
    case DUR_ENOTFOUND:
        return "not found";
    case DUR_EEXIST:
        return "exists already";
    case DUR_ETOOBIG:
        return "too large";
    case DUR_ECONFLICT:
        return "superseded";
    case DUR_EFULL:
        return "the store or its disk is full";
    case DUR_EIO:
        return "input/output error";
    case DUR_ECORRUPT:
        return "the store is damaged";
    case DUR_EFORMAT:
        return "the store was written by another version";
    case DUR_EBUSY:
        return "in use";
    case DUR_EACCES:
        return "permission denied";
    case DUR_EINTERNAL:
        return "internal error";
    }

    return "unknown error";
}


static uint8_t
dur_lower(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') ? (uint8_t) (c | 0x20) : c;
}


bool
dur_str_caseeq(dur_str_t a, dur_str_t b)
{
    if (a.len != b.len) {
        return false;
    }

    for (size_t i = 0; i < a.len; i++) {
        if (dur_lower(a.data[i]) != dur_lower(b.data[i])) {
            return false;
        }
    }

    return true;
}


void
dur_buf_init(dur_buf_t *b, size_t max)
{
    memset(b, 0, sizeof(*b));
    b->max = max;
}


void
dur_buf_deinit(dur_buf_t *b)
{
    free(b->data);
    b->data = NULL;
    b->len = 0;
    b->size = 0;
}


void
dur_buf_reset(dur_buf_t *b)
{
    if (b->size > DUR_BUF_KEEP) {
        dur_buf_deinit(b);
    }

    b->len = 0;
    b->failed = false;
}


/* Memory for n more bytes; one past the maximum is for a final zero. */
static dur_rc_t
dur_buf_grow(dur_buf_t *b, size_t n)
{
    size_t    size;
    uint8_t  *p;

    size = b->size ? b->size * 2 : 256;

    if (size > b->max) {
        size = b->max;
    }
    if (size < b->len + n) {
        size = b->len + n;
    }

    p = realloc(b->data, size);
    if (p == NULL) {
        b->failed = true;
        return DUR_ENOMEM;
    }

    b->data = p;
    b->size = size;

    return DUR_OK;
}


dur_rc_t
dur_buf_reserve(dur_buf_t *b, size_t n)
{
    if (n > b->max - b->len) {
        b->failed = true;
        return DUR_ETOOBIG;
    }

    return n <= b->size - b->len ? DUR_OK : dur_buf_grow(b, n);
}


dur_rc_t
dur_buf_add(dur_buf_t *b, const void *p, size_t n)
{
    dur_rc_t  rc;

    if (n == 0) {
        return DUR_OK;
    }

    if (dur_unlikely(n > b->size - b->len || n > b->max - b->len)) {
        rc = dur_buf_reserve(b, n);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    memcpy(b->data + b->len, p, n);
    b->len += n;

    return DUR_OK;
}


dur_rc_t
dur_buf_addc(dur_buf_t *b, uint8_t c)
{
    return dur_buf_add(b, &c, 1);
}


dur_rc_t
dur_buf_adds(dur_buf_t *b, dur_str_t s)
{
    return dur_buf_add(b, s.data, s.len);
}


dur_rc_t
dur_buf_addz(dur_buf_t *b, const char *s)
{
    return dur_buf_add(b, s, strlen(s));
}


dur_rc_t
dur_buf_addf(dur_buf_t *b, const char *fmt, ...)
{
    int       n;
    size_t    room;
    va_list   ap;
    dur_rc_t  rc;

    /* the room that is there is nearly always enough: one pass */

    room = b->size - b->len;

    va_start(ap, fmt);
    n = vsnprintf(room ? (char *) b->data + b->len : NULL, room, fmt, ap);
    va_end(ap);

    if (n < 0) {
        return DUR_EINVAL;
    }

    if ((size_t) n >= room) {
        if ((size_t) n > b->max - b->len) {
            b->failed = true;
            return DUR_ETOOBIG;
        }

        rc = dur_buf_grow(b, (size_t) n + 1);
        if (rc != DUR_OK) {
            return rc;
        }

        va_start(ap, fmt);
        vsnprintf((char *) b->data + b->len, (size_t) n + 1, fmt, ap);
        va_end(ap);
    }

    b->len += (size_t) n;

    return DUR_OK;
}


void
dur_arena_init(dur_arena_t *a)
{
    memset(a, 0, sizeof(*a));
}


static void
dur_arena_free_chunks(dur_arena_chunk_t *c)
{
    dur_arena_chunk_t  *next;

    for ( ; c != NULL; c = next) {
        next = c->next;
        free(c);
    }
}


void
dur_arena_reset(dur_arena_t *a)
{
    if (a->first == NULL) {
        return;
    }

    dur_arena_free_chunks(a->first->next);

    a->first->next = NULL;
    a->first->used = 0;
    a->last = a->first;
    a->total = a->first->size;
}


void
dur_arena_deinit(dur_arena_t *a)
{
    dur_arena_free_chunks(a->first);
    dur_arena_init(a);
}


void *
dur_arena_alloc(dur_arena_t *a, size_t n)
{
    void               *p;
    size_t              size;
    dur_arena_chunk_t  *c;

    n = (n + 15) & ~(size_t) 15;
    c = a->last;

    if (c == NULL || n > c->size - c->used) {
        size = n > DUR_ARENA_CHUNK ? n : DUR_ARENA_CHUNK;

        c = malloc(sizeof(dur_arena_chunk_t) + size);
        if (c == NULL) {
            return NULL;
        }

        c->next = NULL;
        c->size = size;
        c->used = 0;

        if (a->last != NULL) {
            a->last->next = c;
        } else {
            a->first = c;
        }

        a->last = c;
        a->total += size;
    }

    p = c->data + c->used;
    c->used += n;

    return p;
}


void *
dur_arena_zalloc(dur_arena_t *a, size_t n)
{
    void  *p;

    p = dur_arena_alloc(a, n);
    if (p != NULL) {
        memset(p, 0, n);
    }

    return p;
}


dur_str_t
dur_arena_copy(dur_arena_t *a, dur_str_t s)
{
    uint8_t  *p;

    p = dur_arena_alloc(a, s.len + 1);
    if (p == NULL) {
        return dur_str_null;
    }

    if (s.len) {
        memcpy(p, s.data, s.len);
    }
    p[s.len] = '\0';

    return dur_str_make(p, s.len);
}


char *
dur_arena_printf(dur_arena_t *a, const char *fmt, ...)
{
    int       n;
    char     *p;
    va_list   ap;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);

    if (n < 0) {
        return NULL;
    }

    p = dur_arena_alloc(a, (size_t) n + 1);
    if (p == NULL) {
        return NULL;
    }

    va_start(ap, fmt);
    vsnprintf(p, (size_t) n + 1, fmt, ap);
    va_end(ap);

    return p;
}
