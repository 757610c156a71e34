/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Limits as people see them: which one an item waits for, with the number and
 * the key of the newest registration, and who waits for those of a function.
 * Keys are told by the hash of their value, which is all that is kept.
 *
 * Included by the dur_query_*.c only.
 */

#ifndef DUR_QUERY_LIMIT_H
#define DUR_QUERY_LIMIT_H

#include "engine/dur_blocked.h"
#include "engine/dur_query_wait.h"

/* "fn", "account", "env", "run", "throttle". */
const char *dur_query_scope(uint8_t scope);

/* The members "scope", "limit", "key" and "key_hash" of what the item waits
 * for; a limit that is no more has its scope only. */
dur_rc_t dur_query_limit(dur_query_t *q, const dur_function_t *fn,
    const dur_counter_t *c, const dur_item_t *item,
    const dur_wait_words_t *words);

/*
 * The members "blocked", "limits" and "keys" of a function: how many of it
 * wait for limits, which limits there are, and the keys that most wait for, of
 * the first 1,000.
 */
dur_rc_t dur_query_limits(dur_query_t *q, const dur_function_t *fn);

#endif /* DUR_QUERY_LIMIT_H */
