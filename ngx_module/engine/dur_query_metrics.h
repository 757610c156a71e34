/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The engine's part of durable_metrics (docs/metrics.md): what it counted, and
 * what the store knows without a walk over runs.  One short read transaction;
 * at most 200 apps and 200 functions have series of their own.
 */

#ifndef DUR_QUERY_METRICS_H
#define DUR_QUERY_METRICS_H

#include "engine/dur_engine.h"
#include "engine/dur_exposition.h"
#include "engine/dur_metrics.h"
#include "engine/dur_store.h"

/* Of a moment: the counters are of the last commit, the rest is read now. */
typedef struct {
    const dur_metrics_t      *metrics;
    const dur_engine_stat_t  *stat;
    int64_t                   now;      /* ms */
} dur_metrics_view_t;

/* On an error nothing is written. */
dur_rc_t dur_query_metrics(dur_store_t *s, const dur_metrics_view_t *view,
    dur_exposition_t *x);

#endif /* DUR_QUERY_METRICS_H */
