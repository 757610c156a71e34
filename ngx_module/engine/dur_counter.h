/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What limits count.  A counter is named by its scope, the function (env and
 * account have none: functions share them) and the hash of the key's value.
 *
 * The counters of leases are nothing but the number of leases that carry
 * them, so they live in memory: read from the leases when the registry is
 * loaded, and kept by lease and release.  An item that was woken stands in
 * `ready` and will take its slots when its turn comes; until then it is
 * counted, so that nobody who comes later takes them from it.
 *
 * Used by dur_flow_concurrency.c, which knows the limits.
 */

#ifndef DUR_COUNTER_H
#define DUR_COUNTER_H

#include "engine/dur_base.h"

typedef struct dur_engine_s  dur_engine_t;

/* As stored in keys of DUR_T_BLOCKED. */
typedef enum {
    DUR_SCOPE_FN = 1,
    DUR_SCOPE_ACCOUNT,
    DUR_SCOPE_ENV,
    DUR_SCOPE_RUNS,             /* whole runs: concurrency.fn */
    DUR_SCOPE_THROTTLE
} dur_scope_t;

typedef struct {
    uint8_t   scope;
    uint32_t  function;         /* 0: env, account */
    uint64_t  value;            /* hash of the key's value; 0: no key */
} dur_counter_t;

#define DUR_COUNTER_KEY  (1 + 4 + 8)

/* 13 bytes, see docs/storage.md. */
void dur_counter_put(uint8_t *p, const dur_counter_t *c);
void dur_counter_get(const uint8_t *p, dur_counter_t *c);

/* Order in which limits are asked, narrow ones and slow ones first: > 0 when
 * a comes before b, 0 for the same counter. */
int dur_counter_cmp(const dur_counter_t *a, const dur_counter_t *b);

typedef struct {
    dur_counter_t  counter;
    uint32_t       app;         /* of the items that were woken; 0: any */
    uint32_t       leased;
    uint32_t       woken;
} dur_slot_t;

/* Zeroed: empty. */
typedef struct {
    dur_slot_t     *list;       /* open addressing; no scope: a free place */
    size_t          n;
    size_t          size;       /* a power of two */
    dur_counter_t  *touched;    /* where this op gave something back */
    size_t          ntouched;
    size_t          touched_size;
} dur_counters_of_t;

void dur_counters_clear(dur_counters_of_t *s);
void dur_counters_free(dur_counters_of_t *s);

/* NULL when nothing is counted; DUR_ENOMEM. */
dur_slot_t *dur_counters_find(const dur_counters_of_t *s,
    const dur_counter_t *c, uint32_t app);
dur_rc_t dur_counters_slot(dur_counters_of_t *s, const dur_counter_t *c,
    uint32_t app, dur_slot_t **slot);

/* There may be room now: who waits is looked at when the op is decided. */
dur_rc_t dur_counters_touch(dur_counters_of_t *s, const dur_counter_t *c);
bool dur_counters_touched(const dur_counters_of_t *s, const dur_counter_t *c);

#endif /* DUR_COUNTER_H */
