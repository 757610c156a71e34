/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What waits, by app and function (GET /v1/queue, /v1/functions/{slug}/queue).
 * Of each app at most 1,000 ready items are looked at and of each paused
 * function as many; counts that end there say so, so that a backlog of
 * millions costs no more than one of thousands.
 */

#ifndef DUR_QUERY_QUEUE_H
#define DUR_QUERY_QUEUE_H

#include "engine/dur_base.h"
#include "engine/dur_store.h"

typedef struct {
    uint32_t  cursor;           /* id of an app: begins behind it, or 0 */
    unsigned  limit;            /* apps */
    int64_t   now;              /* ms */
} dur_query_queue_t;

/* {"ready","leased","timers":{..},"apps":[..],"cursor"}. */
dur_rc_t dur_query_queue(dur_store_t *s, const dur_query_queue_t *want,
    dur_buf_t *out);

/* The same of one function, by its slug or UUID; DUR_ENOTFOUND. */
dur_rc_t dur_query_function_queue(dur_store_t *s, dur_str_t function,
    int64_t now, dur_buf_t *out);

#endif /* DUR_QUERY_QUEUE_H */
