/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What cancellations do (features 8).  One first walks the runs of its window
 * in pieces, by their ids, which are times.  It stays as a rule after that: a
 * run of the window that it has not looked at, because the window ends in the
 * future or the clock was set back, ends when it is about to be called.  Which
 * ones it has looked at follows from its cursor and from the commit that made
 * it, so a rule that is done costs a run one comparison.
 */

#ifndef DUR_CANCELLATION_RULE_H
#define DUR_CANCELLATION_RULE_H

#include "engine/dur_base.h"
#include "engine/dur_expr.h"
#include "engine/dur_queue.h"
#include "engine/dur_store.h"

typedef struct dur_engine_s  dur_engine_t;

/* The most there may be. */
#define DUR_CANCELLATIONS  1000

typedef struct {
    dur_ulid_t   id;
    bool         done;          /* all runs that were there are looked at */
    uint32_t     function;
    int64_t      created;       /* ms, as the next two */
    int64_t      after;         /* 0: from the first run on */
    int64_t      before;        /* both inclusive */
    uint64_t     sequence;      /* commit that made it */
    dur_ulid_t   cursor;        /* the last run that was looked at */
    uint64_t     scanned;
    uint64_t     cancelled;
    dur_str_t    app;           /* names, as they were then */
    dur_str_t    slug;
    dur_str_t    expression;    /* empty: all */
    dur_expr_t  *expr;          /* compiled, only in the cache */
} dur_cancellation_t;

/* All of them, oldest first; a cache of the engine. */
typedef struct {
    dur_arena_t          arena;
    size_t               n;
    dur_cancellation_t  *list;
} dur_cancellations_t;

dur_rc_t dur_cancellation_put(dur_engine_t *e,
    const dur_cancellation_t *rule);
/* Borrowed from the row, not compiled.  DUR_ECORRUPT. */
dur_rc_t dur_cancellation_decode(dur_str_t key, dur_str_t row,
    dur_cancellation_t *rule);

/* Reads the cache again. */
dur_rc_t dur_cancellation_load(dur_engine_t *e);
void dur_cancellation_unload(dur_engine_t *e);

/* One piece of its work: some hundreds of runs are looked at. */
dur_rc_t dur_cancellation_more(dur_engine_t *e, const dur_ulid_t *id,
    bool *done);

/* True when a rule must look at the run of the item before it is called. */
bool dur_cancellation_concerns(dur_engine_t *e, const dur_item_t *item);

/* Does that: *stopped when the run was cancelled.  The item is in no table;
 * nobody holds the run's header in memory. */
dur_rc_t dur_cancellation_stops(dur_engine_t *e, const dur_item_t *item,
    bool *stopped);

#endif /* DUR_CANCELLATION_RULE_H */
