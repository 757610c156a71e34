/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What the REST endpoints read (protocol 4.7, 8.1, 2.4).  Any process that
 * opened the store may call these; each is one short read transaction that is
 * over when it returns.  All append JSON to `out`; on an error `out` is as it
 * was.
 */

#ifndef DUR_QUERY_H
#define DUR_QUERY_H

#include "engine/dur_base.h"
#include "engine/dur_store.h"

/* Bare array of the run's events; DUR_ENOTFOUND. */
dur_rc_t dur_query_batch(dur_store_t *s, const dur_ulid_t *run,
    dur_buf_t *out);

/* Bare map of memos, as `steps` of a call; DUR_ENOTFOUND. */
dur_rc_t dur_query_actions(dur_store_t *s, const dur_ulid_t *run,
    dur_buf_t *out);

/* One run as GET /v1/runs/{id} shows it, without the envelope. */
dur_rc_t dur_query_run(dur_store_t *s, const dur_ulid_t *run, dur_buf_t *out);

/* Array of the runs that an event started. */
dur_rc_t dur_query_event_runs(dur_store_t *s, const dur_ulid_t *event,
    dur_buf_t *out);

/* One event; and a page, newest first, before `cursor` (may be NULL). */
dur_rc_t dur_query_event(dur_store_t *s, const dur_ulid_t *event,
    dur_buf_t *out);
typedef struct {
    const dur_ulid_t  *cursor;
    unsigned           limit;
    int64_t            after_ms;    /* received_after, or 0 */
    int64_t            before_ms;   /* received_before, or INT64_MAX */
    dur_str_t          name;        /* empty: any */
} dur_query_events_t;
dur_rc_t dur_query_events(dur_store_t *s, const dur_query_events_t *q,
    dur_buf_t *out);

/* Array of history records of a run (attempts, in order), for people. */
dur_rc_t dur_query_history(dur_store_t *s, const dur_ulid_t *run,
    dur_buf_t *out);

/* Bare array of the functions of an app (protocol 8.1); all when app is
 * empty.  DUR_ENOTFOUND for an unknown app. */
dur_rc_t dur_query_functions(dur_store_t *s, dur_str_t app, dur_buf_t *out);

/* Array of apps: {"id","name","url","sdk","error","functions":n}. */
dur_rc_t dur_query_apps(dur_store_t *s, dur_buf_t *out);

/* Array of the apps that are parked: {"app","url","error","parked_at",
 * "probe_at"}. */
dur_rc_t dur_query_parked(dur_store_t *s, dur_buf_t *out);

#endif /* DUR_QUERY_H */
