/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_wait_cache.h"

#include <stdlib.h>


#define DUR_WAIT_CACHE_SETS  32
#define DUR_WAIT_CACHE_WAYS  4


typedef struct {
    uint64_t     hash;
    uint8_t     *text;
    size_t       len;
    dur_expr_t  *expr;
} dur_wait_cached_t;

typedef struct {
    unsigned           oldest;
    dur_wait_cached_t  ways[DUR_WAIT_CACHE_WAYS];
} dur_wait_cache_set_t;

struct dur_wait_cache_s {
    dur_wait_cache_set_t  sets[DUR_WAIT_CACHE_SETS];
};


/* FNV-1a; whoever makes texts collide waits for the compiler himself. */
static uint64_t
dur_wait_cache_hash(dur_str_t text)
{
    size_t    i;
    uint64_t  hash;

    hash = 0xcbf29ce484222325ULL;

    for (i = 0; i < text.len; i++) {
        hash = (hash ^ text.data[i]) * 0x100000001b3ULL;
    }

    return hash;
}


static void
dur_wait_cached_free(dur_wait_cached_t *c)
{
    free(c->text);
    dur_expr_free(c->expr);
    memset(c, 0, sizeof(*c));
}


static dur_rc_t
dur_wait_cached_fill(dur_wait_cached_t *c, uint64_t hash, dur_str_t text,
    char err[160])
{
    dur_rc_t  rc;

    dur_wait_cached_free(c);

    rc = dur_expr_compile(text, &c->expr, err);
    if (rc != DUR_OK) {
        c->expr = NULL;
        return rc;
    }

    c->text = malloc(text.len + 1);
    if (c->text == NULL) {
        dur_wait_cached_free(c);
        return DUR_ENOMEM;
    }

    memcpy(c->text, text.data, text.len);
    c->len = text.len;
    c->hash = hash;

    return DUR_OK;
}


dur_rc_t
dur_wait_cache_get(dur_wait_cache_t **cache, dur_str_t text,
    const dur_expr_t **expr, char err[160])
{
    dur_rc_t               rc;
    unsigned               i;
    uint64_t               hash;
    dur_wait_cached_t     *c;
    dur_wait_cache_set_t  *set;

    if (*cache == NULL) {
        *cache = calloc(1, sizeof(**cache));
        if (*cache == NULL) {
            return DUR_ENOMEM;
        }
    }

    hash = dur_wait_cache_hash(text);
    set = &(*cache)->sets[hash % DUR_WAIT_CACHE_SETS];

    for (i = 0; i < DUR_WAIT_CACHE_WAYS; i++) {
        c = &set->ways[i];

        if (c->expr != NULL && c->hash == hash
            && dur_str_eq(dur_str_make(c->text, c->len), text))
        {
            *expr = c->expr;
            return DUR_OK;
        }
    }

    c = &set->ways[set->oldest];

    rc = dur_wait_cached_fill(c, hash, text, err);
    if (rc != DUR_OK) {
        return rc;
    }

    set->oldest = (set->oldest + 1) % DUR_WAIT_CACHE_WAYS;
    *expr = c->expr;

    return DUR_OK;
}


void
dur_wait_cache_free(dur_wait_cache_t *cache)
{
    unsigned  i, k;

    if (cache == NULL) {
        return;
    }

    for (i = 0; i < DUR_WAIT_CACHE_SETS; i++) {
        for (k = 0; k < DUR_WAIT_CACHE_WAYS; k++) {
            dur_wait_cached_free(&cache->sets[i].ways[k]);
        }
    }

    free(cache);
}
