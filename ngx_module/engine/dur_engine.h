/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The engine: (state in LMDB, op, now, entropy) -> (new state, reply,
 * effects).  No sockets, clock, threads, nginx types or global state.
 *
 * One thread of one process owns it (the leader's commit thread).  A batch is
 *
 *     dur_engine_begin(e, now, arena);
 *     dur_engine_apply(e, op, &reply);        for each op
 *     dur_engine_commit(e, &effects);         one durable transaction
 *
 * Replies and effects live in the arena that the caller gave to begin and
 * may be used by another thread once commit returned.  Nothing may leave the
 * process (no reply, no call, no ACK) before commit returned DUR_OK; when
 * commit or apply asks for an abort, nothing of the batch happened.
 */

#ifndef DUR_ENGINE_H
#define DUR_ENGINE_H

#include "engine/dur_base.h"
#include "engine/dur_config.h"
#include "engine/dur_op.h"

typedef struct dur_engine_s  dur_engine_t;

/*
 * The engine reads no files: appends the bytes of a time zone (dur_zone.h),
 * of the machine's own for the empty name.  DUR_ENOTFOUND.
 */
typedef dur_rc_t (*dur_zone_read_pt)(void *data, dur_str_t name,
    dur_buf_t *bytes);

typedef struct {
    const char  *path;          /* directory, exists */
    uint64_t     size;          /* map size in bytes; 0: 64 GiB */
    bool         async;         /* no sync on commit (durability=async) */
    uint8_t      store_id[16];  /* random bytes, used when the store is new */
    void        *zone_data;
    dur_zone_read_pt  zone;     /* NULL: only UTC is known */
} dur_engine_options_t;

/*
 * Opens (creates) the store, loads the registry, bumps the epoch durably.
 * On failure err holds a sentence for the log.
 */
dur_rc_t dur_engine_open(dur_engine_t **engine,
    const dur_engine_options_t *options, char *err, size_t size);
void dur_engine_close(dur_engine_t *e);

/* The read side of the same environment, for dur_query.h and dur_call.h in
 * this process.  Never opened twice in one process. */
struct dur_store_s *dur_engine_store(dur_engine_t *e);

/* Raises the epoch to at least `seen` + 1 (the sidecar refused ours). */
dur_rc_t dur_engine_raise_epoch(dur_engine_t *e, uint64_t seen);

/*
 * Starts a batch.  now_ms never goes backwards inside the engine: an earlier
 * clock is used as it is for due times only.  DUR_EFULL, DUR_EIO: try later.
 */
dur_rc_t dur_engine_begin(dur_engine_t *e, int64_t now_ms,
    dur_arena_t *arena);

/*
 * Decides one op.  The return code is about the batch: DUR_OK go on (the
 * reply, whatever it says, is about this op alone and wrote nothing unless it
 * succeeded); any other value: the caller must call dur_engine_abort() and
 * none of the batch happened.  DUR_EINTERNAL: run the ops again one by one;
 * an op that fails alone is then given to dur_engine_poison().
 */
dur_rc_t dur_engine_apply(dur_engine_t *e, dur_str_t op, dur_reply_t *reply);

/*
 * Inside a batch of its own: quarantines what the op is about (its run is
 * Failed with the error "internal", visible) so that it never comes again.
 */
dur_rc_t dur_engine_poison(dur_engine_t *e, dur_str_t op, dur_reply_t *reply);

typedef struct dur_effect_s  dur_effect_t;

/* Durable when it returns DUR_OK; *effects is then the list in order. */
dur_rc_t dur_engine_commit(dur_engine_t *e, dur_effect_t **effects);
void dur_engine_abort(dur_engine_t *e);

/* When the earliest timer, or the probe of a parked app, is due (ms),
 * INT64_MAX without one; valid between batches. */
int64_t dur_engine_next_due(const dur_engine_t *e);

/* True while timers are due: submit a DUR_OP_TIMERS; also within a batch. */
bool dur_engine_has_timers(const dur_engine_t *e);

/* True while bounded tasks are waiting: submit a DUR_OP_TASKS. */
bool dur_engine_has_tasks(const dur_engine_t *e);

/* True while ready work waits for a credit. */
bool dur_engine_has_ready(const dur_engine_t *e);

/* Feed notices are only made while somebody listens. */
void dur_engine_set_feed(dur_engine_t *e, bool on);

/* Outputs of steps and results of runs are realtime messages only while
 * somebody listens to a run (dur_publish.h). */
void dur_engine_set_heard(dur_engine_t *e, bool on);

typedef enum {
    /* Send a call: item, generation, app.  One credit is spent.  The call
     * itself is built by dur_call_build(). */
    DUR_EFFECT_CALL = 1,

    /* The result of (item, generation) is settled: tell the sidecar. */
    DUR_EFFECT_ACK,

    /* Nobody waits for (item, generation) any more. */
    DUR_EFFECT_CANCEL,

    /* A line of the feed: text is one JSON object. */
    DUR_EFFECT_FEED,

    /* A line for the error log: text; level 0 error .. 3 info. */
    DUR_EFFECT_LOG,

    /* The registry changed: (re)load what hangs on it (apps to poll). */
    DUR_EFFECT_APPS,

    /* A realtime message: text, in a topic of a channel. */
    DUR_EFFECT_PUBLISH
} dur_effect_type_t;

struct dur_effect_s {
    dur_effect_t      *next;
    dur_effect_type_t  type;
    uint8_t            level;
    uint32_t           generation;
    uint32_t           app;
    uint64_t           item;
    dur_str_t          text;
    dur_str_t          channel;
    dur_str_t          topic;
};

typedef struct {
    uint64_t  epoch;
    uint8_t   store_id[16];
    uint64_t  sequence;         /* commit sequence */
    uint64_t  events;           /* since open: accepted, */
    uint64_t  runs_started;
    uint64_t  runs_completed;
    uint64_t  runs_failed;
    uint64_t  runs_cancelled;
    uint64_t  runs_live;        /* now, also of leaders before */
    uint64_t  attempts;         /* calls leased */
    uint64_t  steps;            /* memos written */
    uint64_t  leases;           /* now */
    uint64_t  pages_used;       /* of the map */
    uint64_t  pages_last;       /* of the file */
    uint64_t  pages_total;
    uint64_t  page_size;
    uint64_t  readers;          /* slots that are or were in use */
} dur_engine_stat_t;

void dur_engine_stat(const dur_engine_t *e, dur_engine_stat_t *stat);

/* What was counted since open, of what was committed; valid until the next
 * commit. */
const struct dur_metrics_s *dur_engine_metrics(const dur_engine_t *e);

#endif /* DUR_ENGINE_H */
