/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The options of a function that steer its runs (features 0.1, 0.3 and
 * section 5), out of the configuration that was registered, with their
 * expressions compiled.  What is enforced is read here; what is only checked
 * at registration is in dur_app_option.
 */

#ifndef DUR_OPTION_H
#define DUR_OPTION_H

#include "engine/dur_base.h"
#include "engine/dur_counter.h"
#include "engine/dur_expr.h"

#define DUR_OPTION_CANCELS  5

/* One entry of cancelOn. */
typedef struct {
    dur_str_t    event;
    dur_str_t    expression;    /* may be empty */
    dur_expr_t  *expr;
    dur_str_t    timeout;       /* duration or RFC 3339; empty: 365 days */
} dur_option_cancel_t;

#define DUR_OPTION_LIMITS  2

/* One limit of concurrency, see dur_counter.h for the scopes. */
typedef struct {
    uint8_t      scope;
    uint32_t     limit;         /* 0: none */
    uint32_t     hash;          /* of the key's text; 0: no key */
    dur_expr_t  *key;
} dur_option_limit_t;

typedef struct {
    uint32_t     limit;         /* 0: none */
    uint32_t     burst;
    int64_t      period;        /* ms, whole seconds */
    uint32_t     hash;
    dur_expr_t  *key;
} dur_option_throttle_t;

typedef enum {
    DUR_SINGLETON_NONE = 0,
    DUR_SINGLETON_SKIP,
    DUR_SINGLETON_CANCEL
} dur_singleton_t;

typedef struct {
    unsigned              ncancels;
    dur_option_cancel_t   cancels[DUR_OPTION_CANCELS];

    int64_t               start;        /* timeouts, ms; 0: none */
    int64_t               finish;

    /* rateLimit, or idempotency, which is one of 1 in 24 h */
    uint32_t              limit;        /* 0: none */
    int64_t               period;       /* ms */
    dur_expr_t           *limit_key;    /* NULL: one for all */

    dur_singleton_t       singleton;
    dur_expr_t           *singleton_key;

    int64_t               debounce;     /* period, ms; 0: none */
    int64_t               debounce_timeout;     /* 0: none */
    dur_expr_t           *debounce_key;

    /* batchEvents */
    uint32_t              batch;        /* events at most; 0: none */
    int64_t               batch_timeout;        /* ms */
    dur_expr_t           *batch_key;
    dur_expr_t           *batch_if;

    /* concurrency: of calls; of whole runs (concurrency.fn) */
    unsigned              nlimits;
    dur_option_limit_t    limits[DUR_OPTION_LIMITS];
    dur_option_limit_t    runs;
    dur_option_throttle_t throttle;
    dur_expr_t           *priority;

    unsigned              rows;         /* that starting a run writes more
                                           than without options */
} dur_option_t;

/*
 * Reads a function's configuration (JSON, as it was registered).  Strings are
 * from the arena, expressions are freed by dur_option_free().  DUR_ECORRUPT:
 * it cannot have been registered like this; DUR_ENOMEM.
 */
dur_rc_t dur_option_load(dur_str_t config, dur_arena_t *arena,
    dur_option_t *option);
void dur_option_free(dur_option_t *option);

/* Whether starting a run looks into the event. */
bool dur_option_reads(const dur_option_t *o);

/* Whether calls of its runs may have to wait for a limit. */
static inline bool
dur_option_waits(const dur_option_t *o)
{
    return o->nlimits > 0 || o->runs.limit > 0 || o->throttle.limit > 0;
}

#endif /* DUR_OPTION_H */
