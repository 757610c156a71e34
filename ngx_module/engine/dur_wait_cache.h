/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Compiled expressions of waits: rows hold text, and what waits for events of
 * one name mostly shares a few texts.  A cache of fixed size that belongs to
 * the engine; it decides nothing, a text that is not in it is compiled again.
 */

#ifndef DUR_WAIT_CACHE_H
#define DUR_WAIT_CACHE_H

#include "engine/dur_base.h"
#include "engine/dur_expr.h"

typedef struct dur_wait_cache_s  dur_wait_cache_t;

/*
 * The compiled text; borrowed until the next call.  *cache is made when it is
 * NULL.  DUR_EINVAL and a sentence, DUR_ENOMEM.
 */
dur_rc_t dur_wait_cache_get(dur_wait_cache_t **cache, dur_str_t text,
    const dur_expr_t **expr, char err[160]);
void dur_wait_cache_free(dur_wait_cache_t *cache);      /* NULL allowed */

#endif /* DUR_WAIT_CACHE_H */
