/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What the newest runs say of their functions: how many start, how they end,
 * how long they take.  It is a sample, so that it costs the same with any
 * number of runs, and says how far it reaches.
 */

#include "engine/dur_query_core.h"
#include "engine/dur_ulid.h"

#include <stdlib.h>


#define DUR_FIGURES_RUNS       10000
#define DUR_FIGURES_FUNCTIONS  200
#define DUR_FIGURES_BUCKETS    60


typedef struct {
    uint32_t  started;
    uint32_t  completed;
    uint32_t  failed;
} dur_figures_bucket_t;


typedef struct {
    uint32_t              id;
    uint32_t              app;
    uint32_t              started;
    uint32_t              ended[DUR_RUN_SKIPPED + 1];
    dur_figures_bucket_t  bucket[DUR_FIGURES_BUCKETS];
} dur_figures_function_t;


typedef struct {
    uint32_t  function;             /* its place */
    int64_t   ms;
} dur_figures_duration_t;


typedef struct {
    int64_t                  now;
    int64_t                  window;
    int64_t                  first;         /* begin of the first bucket */
    uint32_t                 runs;
    int64_t                  newest;
    int64_t                  oldest;
    bool                     complete;
    bool                     more;          /* functions are left out */
    uint32_t                 nfunctions;
    uint32_t                 ndurations;
    dur_figures_function_t  *functions;
    dur_figures_duration_t  *durations;
    dur_figures_bucket_t     bucket[DUR_FIGURES_BUCKETS];
} dur_figures_t;


/* -- the sample ----------------------------------------------------------- */

/* The place of a function; NULL when there is no room for one more. */
static dur_figures_function_t *
dur_figures_of(dur_figures_t *f, const dur_run_t *run)
{
    uint32_t  i;

    for (i = 0; i < f->nfunctions; i++) {
        if (f->functions[i].id == run->function) {
            return &f->functions[i];
        }
    }

    if (i == DUR_FIGURES_FUNCTIONS) {
        f->more = true;
        return NULL;
    }

    f->functions[i].id = run->function;
    f->functions[i].app = run->app;
    f->nfunctions++;

    return &f->functions[i];
}


/* NULL: before all buckets. */
static dur_figures_bucket_t *
dur_figures_bucket(const dur_figures_t *f, dur_figures_bucket_t *buckets,
    int64_t ms)
{
    int64_t  i;

    if (ms < f->first) {
        return NULL;
    }

    i = (ms - f->first) / (f->window / DUR_FIGURES_BUCKETS);

    return &buckets[i < DUR_FIGURES_BUCKETS ? i : DUR_FIGURES_BUCKETS - 1];
}


static void
dur_figures_count(const dur_figures_t *f, dur_figures_bucket_t *buckets,
    const dur_run_t *run)
{
    dur_figures_bucket_t  *b;

    b = dur_figures_bucket(f, buckets, run->created);
    if (b != NULL) {
        b->started++;
    }

    b = run->ended ? dur_figures_bucket(f, buckets, run->ended) : NULL;
    if (b != NULL) {
        b->completed += run->status == DUR_RUN_COMPLETED;
        b->failed += run->status == DUR_RUN_FAILED;
    }
}


static void
dur_figures_add(dur_figures_t *f, const dur_run_t *run)
{
    dur_figures_function_t  *fn;

    f->oldest = run->created;
    if (f->runs++ == 0) {
        f->newest = run->created;
    }

    /* one that was skipped never ran */

    if (run->status == DUR_RUN_SKIPPED) {
        return;
    }

    dur_figures_count(f, f->bucket, run);

    fn = dur_figures_of(f, run);
    if (fn == NULL) {
        return;
    }

    fn->started++;
    fn->ended[run->status]++;
    dur_figures_count(f, fn->bucket, run);

    if (run->status == DUR_RUN_COMPLETED || run->status == DUR_RUN_FAILED) {
        f->durations[f->ndurations].function
            = (uint32_t) (fn - f->functions);
        f->durations[f->ndurations++].ms = dur_query_duration(run);
    }
}


static dur_rc_t
dur_figures_sample(dur_query_t *q, dur_figures_t *f)
{
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_run_t      run;
    dur_ulid_t     id;
    dur_cursor_t  *c;

    rc = dur_cursor_open(q->txn, DUR_T_RUN, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_last(c, &k, &v);
         rc == DUR_OK && k.len == DUR_ULID_LEN && f->runs < DUR_FIGURES_RUNS;
         rc = dur_cursor_prev(c, &k, &v))
    {
        memcpy(id.b, k.data, DUR_ULID_LEN);

        if ((int64_t) dur_ulid_ms(&id) < f->now - f->window) {
            rc = DUR_ENOTFOUND;
            break;
        }

        if (dur_run_decode(&id, v, &run) == DUR_OK) {
            dur_figures_add(f, &run);
        }
    }

    dur_cursor_close(c);

    f->complete = rc == DUR_ENOTFOUND;

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* -- how long ------------------------------------------------------------- */

static int
dur_figures_by_duration(const void *one, const void *two)
{
    const dur_figures_duration_t  *a = one, *b = two;

    if (a->function != b->function) {
        return a->function < b->function ? -1 : 1;
    }

    return (a->ms > b->ms) - (a->ms < b->ms);
}


static void
dur_figures_percentiles(dur_query_t *q, const dur_figures_t *f, uint32_t fn)
{
    size_t    i;
    uint32_t  first, n;

    static const struct {
        const char  *key;
        unsigned     percent;
    } rows[] = { { "p50_ms", 50 }, { "p95_ms", 95 }, { "p99_ms", 99 } };

    for (first = 0; first < f->ndurations; first++) {
        if (f->durations[first].function == fn) {
            break;
        }
    }

    for (n = first; n < f->ndurations; n++) {
        if (f->durations[n].function != fn) {
            break;
        }
    }

    n -= first;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        dur_query_key(q->out, rows[i].key);

        if (n == 0) {
            dur_buf_addz(q->out, "null");
            continue;
        }

        dur_buf_addf(q->out, "%lld", (long long)
                     f->durations[first + ((uint64_t) n * rows[i].percent
                                           + 99) / 100 - 1].ms);
    }
}


/* -- writing -------------------------------------------------------------- */

static void
dur_figures_series(dur_query_t *q, const dur_figures_t *f,
    const dur_figures_bucket_t *buckets, bool all)
{
    int64_t   at;
    unsigned  i;

    dur_query_key(q->out, "series");
    dur_buf_addc(q->out, '[');

    for (i = 0; i < DUR_FIGURES_BUCKETS; i++) {
        at = f->first + i * (f->window / DUR_FIGURES_BUCKETS);

        dur_buf_addf(q->out, "%s[%lld,%u", i ? "," : "",
                     (long long) (at / 1000), buckets[i].started);

        if (all) {
            dur_buf_addf(q->out, ",%u", buckets[i].completed);
        }

        dur_buf_addf(q->out, ",%u]", buckets[i].failed);
    }

    dur_buf_addc(q->out, ']');
}


/* The window, or what of it the sample reaches. */
static double
dur_figures_minutes(const dur_figures_t *f)
{
    int64_t  ms;

    ms = f->complete ? f->window : f->now - f->oldest;

    return (double) (ms < 1000 ? 1000 : ms) / 60000;
}


static dur_rc_t
dur_figures_write_function(dur_query_t *q, const dur_figures_t *f,
    const dur_figures_function_t *x)
{
    uint32_t               over;
    dur_rc_t               rc;
    dur_buf_t             *out = q->out;
    dur_function_t         fn;
    dur_registered_app_t   app;

    rc = dur_query_function(q, x->id, &fn);
    if (rc == DUR_OK) {
        rc = dur_query_app(q, x->app, &app);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    dur_query_comma(out);
    dur_buf_addc(out, '{');
    dur_query_string(out, "function", fn.slug);
    dur_query_string(out, "app", app.name);
    dur_query_number(out, "started", x->started);
    dur_query_number(out, "completed", x->ended[DUR_RUN_COMPLETED]);
    dur_query_number(out, "failed", x->ended[DUR_RUN_FAILED]);
    dur_query_number(out, "cancelled", x->ended[DUR_RUN_CANCELLED]);
    dur_query_number(out, "running", x->ended[DUR_RUN_LIVE]);
    dur_query_key(out, "per_minute");
    dur_buf_addf(out, "%.3f", x->started / dur_figures_minutes(f));
    dur_query_key(out, "failure_share");

    over = x->ended[DUR_RUN_COMPLETED] + x->ended[DUR_RUN_FAILED];

    if (over) {
        dur_buf_addf(out, "%.4f", (double) x->ended[DUR_RUN_FAILED] / over);
    } else {
        dur_buf_addz(out, "null");
    }

    dur_figures_percentiles(q, f, (uint32_t) (x - f->functions));
    dur_figures_series(q, f, x->bucket, false);

    return dur_buf_addc(out, '}');
}


static dur_rc_t
dur_figures_write(dur_query_t *q, const dur_figures_t *f)
{
    dur_rc_t    rc;
    uint32_t    i;
    dur_buf_t  *out = q->out;

    dur_buf_addf(out, "{\"window_s\":%lld,\"sampled\":{\"runs\":%u",
                 (long long) (f->window / 1000), f->runs);
    dur_query_time(out, "newest", f->newest);
    dur_query_time(out, "oldest", f->oldest);
    dur_buf_addc(out, '}');
    dur_query_bool(out, "complete", f->complete);
    dur_query_bool(out, "more_functions", f->more);
    dur_query_key(out, "functions");
    dur_buf_addc(out, '[');

    for (i = 0, rc = DUR_OK; rc == DUR_OK && i < f->nfunctions; i++) {
        rc = dur_figures_write_function(q, f, &f->functions[i]);
    }

    dur_buf_addc(out, ']');
    dur_figures_series(q, f, f->bucket, true);

    return rc == DUR_OK ? dur_buf_addc(out, '}') : rc;
}


static dur_rc_t
dur_query_read_figures(dur_query_t *q, void *arg)
{
    int64_t         width;
    dur_rc_t        rc;
    dur_figures_t  *f = arg;

    width = f->window / DUR_FIGURES_BUCKETS;
    f->first = (f->now / width - DUR_FIGURES_BUCKETS + 1) * width;

    f->functions = dur_arena_zalloc(&q->arena, DUR_FIGURES_FUNCTIONS
                                               * sizeof(*f->functions));
    f->durations = dur_arena_alloc(&q->arena, DUR_FIGURES_RUNS
                                              * sizeof(*f->durations));

    if (f->functions == NULL || f->durations == NULL) {
        return DUR_ENOMEM;
    }

    rc = dur_figures_sample(q, f);
    if (rc != DUR_OK) {
        return rc;
    }

    qsort(f->durations, f->ndurations, sizeof(*f->durations),
          dur_figures_by_duration);

    return dur_figures_write(q, f);
}


dur_rc_t
dur_query_figures(dur_store_t *s, int64_t now_ms, int64_t window_ms,
    dur_buf_t *out)
{
    dur_figures_t  f;

    memset(&f, 0, sizeof(f));
    f.now = now_ms;
    f.window = window_ms;

    return dur_query_read(s, out, dur_query_read_figures, &f);
}
