/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Why a run waits: its open items, and for each of them what holds it up, how
 * many are before it and when it goes on by itself.  Nothing of it is stored;
 * it is found out when somebody asks, and counts end at 1,000.
 *
 * Included by the dur_query_*.c only.
 */

#ifndef DUR_QUERY_WAIT_H
#define DUR_QUERY_WAIT_H

#include "engine/dur_query_core.h"

/* Rows that are counted; more is "at least". */
#define DUR_WAIT_COUNT  1000

/* How the members are called. */
typedef struct {
    const char  *job;
    const char  *step_id;
    const char  *least;
    const char  *parked;
    const char  *child;
    const char  *key_hash;
} dur_wait_words_t;

extern const dur_wait_words_t  dur_wait_words_v1;
extern const dur_wait_words_t  dur_wait_words_v2;

/* The member "waiting" of an object: an empty array unless the run lives.
 * The attempts of the tree are not needed. */
dur_rc_t dur_query_waiting(dur_query_t *q, dur_tree_t *tree,
    const dur_wait_words_t *words);

/* A member, and "at_least" beside it when the count ended there. */
void dur_query_count(dur_buf_t *out, const char *key, const char *least,
    unsigned n);

/* Calls of the app that are out, and how many may be.  The leases are
 * bounded by what the executor takes. */
dur_rc_t dur_query_calls(dur_query_t *q, const dur_registered_app_t *app,
    unsigned *leased, unsigned *limit);

#endif /* DUR_QUERY_WAIT_H */
