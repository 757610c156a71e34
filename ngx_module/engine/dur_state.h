/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What the units of the engine share inside one batch: the transaction, the
 * instant, the configuration, the registry, the counters and the effects.
 * Only the engine's own units include this; the outside sees dur_engine.h.
 *
 * Everything here that is not a cache lives in the store.  After an abort the
 * caches are read again (dur_engine_abort()).
 */

#ifndef DUR_STATE_H
#define DUR_STATE_H

#include "engine/dur_base.h"
#include "engine/dur_cancellation_rule.h"
#include "engine/dur_codec.h"
#include "engine/dur_config.h"
#include "engine/dur_counter.h"
#include "engine/dur_engine.h"
#include "engine/dur_metrics.h"
#include "engine/dur_op.h"
#include "engine/dur_refusal.h"
#include "engine/dur_registry.h"
#include "engine/dur_store.h"
#include "engine/dur_wait_cache.h"
#include "engine/dur_workflow_store.h"

/* Rows one op may write before the rest becomes a task (design section 3). */
#define DUR_OP_ROWS  256

/* Counters in DUR_T_META; next values, so 1 is the first. */
typedef struct {
    uint64_t  item;
    uint64_t  sequence;         /* of the commit */
    uint64_t  task;
    uint32_t  app;
    uint32_t  function;
    uint64_t  live;             /* not a next value: runs that live */
    uint64_t  waits;            /* the same: waits for events */
} dur_counters_t;

struct dur_engine_s {
    dur_store_t        *store;
    dur_txn_t          *txn;            /* of the batch, or NULL */
    dur_arena_t        *arena;          /* of the batch */
    int64_t             now;            /* of the batch, ms */
    uint64_t            random;         /* state, seeded by each op */

    dur_config_t        conf;
    dur_registry_t      registry;
    dur_counters_t      counters;
    dur_cancellations_t cancellations;
    dur_counters_of_t   slots;          /* what leases count, see dur_flow */

    uint64_t            epoch;
    uint8_t             store_id[16];
    uint8_t             instance[16];   /* of the sidecar last seen */

    /* rows that events the engine makes may still write in this op */
    unsigned            rows;

    /* credits a RESULT passes on: to the next call of its run, or else to one
     * that waited for a limit */
    unsigned            credits;

    unsigned            wakes;          /* see dur_wake.h */

    int64_t             next_due;       /* earliest timer */
    int64_t             next_expiry;    /* earliest retention, idem bucket */
    bool                timers_dirty;   /* next_due must be read again */
    bool                has_tasks;
    bool                shared;         /* others wait for this TASKS */
    bool                nearly_full;
    bool                said_full;      /* the log knows */
    bool                feed;
    bool                heard;

    dur_zone_read_pt    zone;           /* NULL, or reads a time zone */
    void               *zone_data;

    dur_wait_cache_t   *wait_cache;     /* compiled expressions of waits */
    dur_workflow_cache_t *workflows;    /* compiled definitions */
    bool                planning;       /* what a workflow asked for happens:
                                           others are planned by timers */
    bool                matching;       /* waits are being resumed: events of
                                           what ends are matched by tasks */

    dur_refusals_t      refusals;       /* what the log was told */

    dur_effect_t       *effects;
    dur_effect_t      **effects_last;

    dur_engine_stat_t   stat;
    dur_engine_stat_t   committed_stat; /* both as of the last commit */
    dur_metrics_t       committed;
    dur_metrics_t       metrics;
    uint8_t             row[DUR_ROW_MAX];   /* scratch of row encoders */
};

/* The counters as they are stored.  DUR_ECORRUPT: they cannot be read. */
dur_rc_t dur_state_counters_get(dur_engine_t *e);
dur_rc_t dur_state_counters_put(dur_engine_t *e);

/* Adds an effect of the batch; NULL without memory. */
dur_effect_t *dur_state_effect(dur_engine_t *e, dur_effect_type_t type);

/* A line for the log; the text is formatted into the batch's arena. */
void dur_state_log(dur_engine_t *e, unsigned level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The op is refused: {"error": text, "status": status} and rc DUR_EINVAL. */
dur_rc_t dur_state_refuse(dur_engine_t *e, dur_reply_t *reply,
    unsigned status, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The counters' row; without one all are at their beginning. */
dur_rc_t dur_state_counters_get(dur_engine_t *e);
dur_rc_t dur_state_counters_put(dur_engine_t *e);

/* The op's pseudo-random sequence: deterministic, seeded by its entropy. */
uint64_t dur_state_random(dur_engine_t *e);
void dur_state_ulid(dur_engine_t *e, dur_ulid_t *u);

static inline dur_str_t
dur_ulid_key(const dur_ulid_t *u)
{
    return dur_str_make(u->b, DUR_ULID_LEN);
}

#endif /* DUR_STATE_H */
