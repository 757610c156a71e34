/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What the engine counts for people who watch it: events, runs, attempts and
 * steps, and how long things took, since the leader began.  Plain arrays in
 * the engine's state, so that counting allocates nothing and no read of them
 * grows with the number of runs.  Nothing decides from them, and what a batch
 * counted that did not happen is taken back.
 *
 * Functions have counters of their own in the order in which they are first
 * met; there is room for 200, all others are counted together.
 */

#ifndef DUR_METRICS_H
#define DUR_METRICS_H

#include "engine/dur_base.h"

typedef struct dur_engine_s  dur_engine_t;

#define DUR_HISTOGRAM_BOUNDS   18

/* Functions that are told apart. */
#define DUR_METRICS_FUNCTIONS  200
#define DUR_METRICS_PLACES     512      /* a power of two, twice as many */

#define DUR_METRICS_OPCODES    24       /* of dur_answer_op.h, all */
#define DUR_METRICS_SCOPES     6        /* of dur_counter.h, from 1 on */

typedef struct {
    uint64_t  bucket[DUR_HISTOGRAM_BOUNDS + 1];     /* not cumulative; the
                                                       last: above all */
    uint64_t  sum;
} dur_histogram_t;

/* Upper bounds, ascending. */
typedef struct {
    unsigned         n;
    bool             seconds;           /* values are microseconds */
    const uint64_t  *le;
} dur_bounds_t;

extern const dur_bounds_t  dur_bounds_short;    /* 50 us to 10 s */
extern const dur_bounds_t  dur_bounds_long;     /* 1 ms to a day */
extern const dur_bounds_t  dur_bounds_count;    /* 1 to 128 */

void dur_histogram_add(dur_histogram_t *h, const dur_bounds_t *bounds,
    uint64_t value);

/* How many values there are, and below which one are so many of a hundred, as
 * near as the bounds tell; 0 when there are none. */
uint64_t dur_histogram_count(const dur_histogram_t *h);
uint64_t dur_histogram_percentile(const dur_histogram_t *h,
    const dur_bounds_t *bounds, unsigned percent);

typedef enum {
    DUR_SOURCE_CLIENT = 0,
    DUR_SOURCE_WEBHOOK,
    DUR_SOURCE_SCHEDULE,
    DUR_SOURCE_INTERNAL,                /* made here: inngest/function.* .. */
    DUR_SOURCE_MAX
} dur_metrics_source_t;

typedef enum {
    DUR_ENDED_COMPLETED = 0,
    DUR_ENDED_FAILED,
    DUR_ENDED_CANCELLED,
    DUR_ENDED_SKIPPED,
    DUR_ENDED_MAX
} dur_metrics_end_t;

typedef enum {
    DUR_REFUSED_LIMIT = 0,              /* rateLimit, idempotency */
    DUR_REFUSED_KNOWN,                  /* the event's id started one before */
    DUR_REFUSED_MAX
} dur_metrics_refused_t;

/* History outcomes that are attempts, from DUR_HISTORY_OK to _PARKED. */
#define DUR_METRICS_OUTCOMES  5

typedef struct {
    uint32_t  id;                       /* 0: all others */
    uint64_t  started;
    uint64_t  ended[DUR_ENDED_MAX];
    uint64_t  refused[DUR_REFUSED_MAX];
    uint64_t  attempts[DUR_METRICS_OUTCOMES];
} dur_metrics_function_t;

typedef struct dur_metrics_s {
    uint64_t                events[DUR_SOURCE_MAX];
    uint64_t                steps[DUR_METRICS_OPCODES];
    uint64_t                blocked[DUR_METRICS_SCOPES];
    dur_histogram_t         start;      /* from due to leased */
    dur_histogram_t         call;       /* of a call, as the executor saw it */
    dur_histogram_t         run;        /* from made to ended */
    dur_histogram_t         late;       /* timers, after they were due */
    uint16_t                place[DUR_METRICS_PLACES];
    uint32_t                nfunctions;
    dur_metrics_function_t  function[DUR_METRICS_FUNCTIONS + 1];
} dur_metrics_t;

/* Copies what is in use. */
void dur_metrics_copy(dur_metrics_t *to, const dur_metrics_t *from);

/* The counters of a function; those of all others when there is no room. */
dur_metrics_function_t *dur_metrics_of(dur_metrics_t *m, uint32_t function);

/* Which of them an event's name is. */
dur_metrics_source_t dur_metrics_source(dur_str_t name);

/* Times are in ms of the engine, durations in us; a clock that was set back
 * makes none of them negative. */
void dur_metrics_event(dur_engine_t *e, dur_str_t name);
void dur_metrics_started(dur_engine_t *e, uint32_t function);
void dur_metrics_refused(dur_engine_t *e, uint32_t function,
    dur_metrics_refused_t why);
void dur_metrics_ended(dur_engine_t *e, uint32_t function,
    dur_metrics_end_t how, int64_t created);
void dur_metrics_attempt(dur_engine_t *e, uint32_t function, uint8_t outcome,
    uint64_t duration);
void dur_metrics_step(dur_engine_t *e, uint8_t opcode);
void dur_metrics_blocked(dur_engine_t *e, uint8_t scope);
void dur_metrics_leased(dur_engine_t *e, int64_t due);
void dur_metrics_fired(dur_engine_t *e, int64_t due);

#endif /* DUR_METRICS_H */
