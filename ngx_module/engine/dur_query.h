/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What the REST endpoints read (docs/rest.md; protocol 2.4, 4.7, 8).  Any
 * process that opened the store may call these; each is one short read
 * transaction that is over when it returns, and looks at a bounded number of
 * rows.  All append JSON to `out`; on an error `out` is as it was.
 *
 * Retention takes runs and events away in pieces: what misses a part by then
 * is shown with what is left of it and "incomplete".
 */

#ifndef DUR_QUERY_H
#define DUR_QUERY_H

#include "engine/dur_base.h"
#include "engine/dur_filter_want.h"
#include "engine/dur_store.h"

/* One account and one environment; the SDKs want UUIDs. */
#define DUR_QUERY_ACCOUNT      "00000000-0000-4000-a000-000000000000"
#define DUR_QUERY_ENVIRONMENT  "00000000-0000-4000-b000-000000000000"

/* Bare array of the run's events; DUR_ENOTFOUND. */
dur_rc_t dur_query_batch(dur_store_t *s, const dur_ulid_t *run,
    dur_buf_t *out);

/* Bare map of memos, as `steps` of a call; DUR_ENOTFOUND. */
dur_rc_t dur_query_actions(dur_store_t *s, const dur_ulid_t *run,
    dur_buf_t *out);

/* Which API an object is for: its names of things. */
typedef enum {
    DUR_QUERY_V1 = 0,
    DUR_QUERY_LIST,             /* v1 without the output */
    DUR_QUERY_DELIVERY,         /* of a webhook */
    DUR_QUERY_V2
} dur_query_shape_t;

/* One run as GET /v1/runs/{id} and /v2/runs/{id} show it; DUR_ENOTFOUND. */
dur_rc_t dur_query_run(dur_store_t *s, const dur_ulid_t *run, dur_buf_t *out);
dur_rc_t dur_query_run_v2(dur_store_t *s, const dur_ulid_t *run,
    dur_buf_t *out);

/* The same with nothing hidden, for who waits for the answer. */
dur_rc_t dur_query_run_whole(dur_store_t *s, const dur_ulid_t *run,
    dur_buf_t *out);

/* null, or DUR_ENOTFOUND. */
dur_rc_t dur_query_exists(dur_store_t *s, const dur_ulid_t *run,
    dur_buf_t *out);

/* Array of the runs that an event started. */
dur_rc_t dur_query_event_runs(dur_store_t *s, const dur_ulid_t *event,
    dur_buf_t *out);
dur_rc_t dur_query_event_runs_v2(dur_store_t *s, const dur_ulid_t *event,
    dur_buf_t *out);

/* Array of the run's open items, at most 10 (protocol 8.1, jobs). */
dur_rc_t dur_query_jobs(dur_store_t *s, const dur_ulid_t *run,
    dur_buf_t *out);

/* Array of history records of a run (attempts, in order), for people. */
dur_rc_t dur_query_history(dur_store_t *s, const dur_ulid_t *run,
    dur_buf_t *out);

/* The run with its steps, attempts, and what it waits for. */
dur_rc_t dur_query_tree(dur_store_t *s, const dur_ulid_t *run,
    dur_buf_t *out);

/* The same as a tree of spans, for /v2/runs/{id}/trace. */
dur_rc_t dur_query_trace(dur_store_t *s, const dur_ulid_t *run,
    dur_buf_t *out);

/* One step with all of its bodies. */
dur_rc_t dur_query_step(dur_store_t *s, const dur_ulid_t *run,
    const dur_hash_t *step, dur_buf_t *out);

/* One event; DUR_ENOTFOUND. */
dur_rc_t dur_query_event(dur_store_t *s, const dur_ulid_t *event,
    dur_buf_t *out);

/* Its text as it is stored; DUR_ENOTFOUND also when it is being deleted,
 * DUR_ETOOBIG when it is longer than `max`. */
dur_rc_t dur_query_event_text(dur_store_t *s, const dur_ulid_t *event,
    size_t max, dur_buf_t *out);


/* A page of events or runs, newest first. */
typedef struct {
    const dur_ulid_t   *cursor;     /* begins before it; may be NULL */
    unsigned            limit;
    unsigned            scan;       /* rows to look at, 0: what their work
                                       allows */
    int64_t             now_ms;     /* of expressions */
    dur_query_shape_t   shape;      /* LIST of events: large data is null */
    dur_filter_want_t   filter;
} dur_query_list_t;

/* What is behind the page.  Ids only grow older, so the cursor stays good
 * while rows are added, and when its own row is deleted. */
typedef struct {
    bool         more;          /* rows are left to look at */
    dur_ulid_t   cursor;        /* where the next page begins, if so */
    unsigned     limit;         /* as asked for */
    unsigned     scanned;       /* rows that were looked at */
    int64_t      newest;        /* their time, ms; 0: there were none */
    int64_t      oldest;
    char         error[160];    /* the sentence of ENOTFOUND and EINVAL */
} dur_query_page_t;

/* DUR_ENOTFOUND: there is no such app, function or connector; DUR_EINVAL: the
 * expression is wrong. */
dur_rc_t dur_query_events(dur_store_t *s, const dur_query_list_t *want,
    dur_query_page_t *page, dur_buf_t *out);
dur_rc_t dur_query_runs(dur_store_t *s, const dur_query_list_t *want,
    dur_query_page_t *page, dur_buf_t *out);

/* The bit of a status in any case; 0: there is none of this name. */
unsigned dur_query_status_mask(dur_str_t name);

/* The name of the bit at this place; NULL behind the last one. */
const char *dur_query_status_name(unsigned bit);


/* Bare array of the functions of an app (protocol 8.1); all when app is
 * empty.  DUR_ENOTFOUND for an unknown app. */
dur_rc_t dur_query_functions(dur_store_t *s, dur_str_t app, dur_buf_t *out);

/* One function, by its slug or UUID, as it stands in that array.
 * DUR_ENOTFOUND. */
dur_rc_t dur_query_one_function(dur_store_t *s, dur_str_t name,
    dur_buf_t *out);

/* Array of apps: {"id","name","url","sdk","error","functions":n,"syncing",
 * "synced_at"}. */
dur_rc_t dur_query_apps(dur_store_t *s, dur_buf_t *out);

/* The URL of an app, by its name or UUID; no JSON.  DUR_ENOTFOUND. */
dur_rc_t dur_query_app_url(dur_store_t *s, dur_str_t name, dur_buf_t *out);

/* The same for v2: all apps or one, the functions of one or one of them. */
dur_rc_t dur_query_apps_v2(dur_store_t *s, dur_str_t app, dur_buf_t *out);
dur_rc_t dur_query_functions_v2(dur_store_t *s, dur_str_t app,
    dur_str_t function, dur_buf_t *out);

/* The slug of a function of an app, both as v2 names them; no JSON.
 * DUR_ENOTFOUND; archived ones are none. */
dur_rc_t dur_query_slug(dur_store_t *s, dur_str_t app, dur_str_t function,
    dur_buf_t *out);

/* Array of the apps that are parked: {"app","url","error","parked_at",
 * "probe_at"}. */
dur_rc_t dur_query_parked(dur_store_t *s, dur_buf_t *out);

/* Array of what webhooks start: {"connector","function","app","forward","url",
 * "retries","ordered","paused","parked_at","error"?}. */
dur_rc_t dur_query_routes(dur_store_t *s, dur_buf_t *out);

/* One redelivery, or DUR_ENOTFOUND; array of all, the newest first. */
dur_rc_t dur_query_redelivery(dur_store_t *s, const dur_ulid_t *id,
    dur_buf_t *out);
dur_rc_t dur_query_redeliveries(dur_store_t *s, dur_buf_t *out);

/* The same for bulk jobs; all cancellations. */
dur_rc_t dur_query_bulk(dur_store_t *s, const dur_ulid_t *id,
    dur_buf_t *out);
dur_rc_t dur_query_bulks(dur_store_t *s, dur_buf_t *out);
dur_rc_t dur_query_cancellations(dur_store_t *s, dur_buf_t *out);

/* Whether the run lives; DUR_ENOTFOUND.  Writes nothing. */
dur_rc_t dur_query_live(dur_store_t *s, const dur_ulid_t *run, bool *live);

/* What at most 10,000 of the newest runs say, of a window before now that is
 * a minute at least. */
dur_rc_t dur_query_figures(dur_store_t *s, int64_t now_ms, int64_t window_ms,
    dur_buf_t *out);

/* How large the store is, and the number of rows of each table. */
dur_rc_t dur_query_system(dur_store_t *s, dur_buf_t *out);

#endif /* DUR_QUERY_H */
