/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What people are shown of a run while it goes on: a JSON object for each
 * thing that happens, with ts, kind, run, function and what follows here.
 * Nothing is made while nobody listens.  The reader is the program's
 * durable_print.c, which shows kinds and members that it does not know as
 * they are.
 *
 *     run.started     event, at; parent (invoked), original (a rerun)
 *     run.skipped     error: the reason
 *     run.completed   ms since its creation; also run.failed, run.cancelled
 *                     with error
 *     step.completed  step, attempt, ms; step.failed with error, step.retry
 *                     with error and at
 *     step.sleeping   step, at: when it ends by itself
 *     step.waiting    step, at, and one of event, signal, invokes
 *     step.calling    step, url: a request of the server
 */

#ifndef DUR_RUN_FEED_H
#define DUR_RUN_FEED_H

#include "engine/dur_base.h"
#include "engine/dur_run.h"

/* A notice; step may be empty, at 0, error empty. */
dur_rc_t dur_run_feed(dur_engine_t *e, const dur_run_t *run,
    const char *kind, dur_str_t step, unsigned attempt, int64_t ms,
    int64_t at, dur_str_t error);

/* A step that is not done yet. */
typedef struct {
    const char  *kind;
    dur_str_t    step;
    const char  *what;      /* it waits for or calls: a key, or NULL */
    dur_str_t    name;      /* of that */
    int64_t      due;       /* when it ends by itself, or 0 */
} dur_run_open_t;

dur_rc_t dur_run_feed_open(dur_engine_t *e, const dur_run_t *run,
    const dur_run_open_t *open);

dur_rc_t dur_run_feed_started(dur_engine_t *e, const dur_run_t *run,
    dur_str_t event);

/* output: the result, or an error object. */
dur_rc_t dur_run_feed_ended(dur_engine_t *e, const dur_run_t *run,
    dur_str_t output);

#endif /* DUR_RUN_FEED_H */
