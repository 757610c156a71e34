
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * The text of durable_metrics: what the engine counted and what a leader knows
 * of itself.  The commit thread keeps its own figures and publishes them with
 * each batch, so that asking waits neither for it nor for the disk.
 */


#include "ngx_durable_process.h"
#include "engine/dur_query_metrics.h"

#include <time.h>


static void ngx_durable_metrics_leader(dur_exposition_t *x);
static void ngx_durable_metrics_batches(dur_exposition_t *x,
    ngx_durable_figures_t *f);
static void ngx_durable_metrics_waits(dur_exposition_t *x,
    ngx_durable_figures_t *f);


static const char  *ngx_durable_metrics_classes[] = {
    "result", "control", "event"
};


uint64_t
ngx_durable_us(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * (uint64_t) 1000000 + ts.tv_nsec / 1000;
}


/* In the commit thread: a batch that is over. */

void
ngx_durable_metrics_batch(ngx_durable_commit_t *c, ngx_durable_batch_t *b)
{
    if (b->rc != DUR_OK) {
        c->figures.failed++;
        return;
    }

    if (b->nops || b->effects) {
        dur_histogram_add(&c->figures.ops, &dur_bounds_count, b->nops);
        dur_histogram_add(&c->figures.batch, &dur_bounds_short, b->us);
    }
}


/* In the commit thread, before the batch: how long its ops waited. */

void
ngx_durable_metrics_taken(ngx_durable_commit_t *c, ngx_durable_batch_t *b)
{
    uint64_t              now;
    ngx_durable_entry_t  *e;

    if (b->ops.first == NULL) {
        return;
    }

    now = ngx_durable_us();

    for (e = b->ops.first; e; e = e->next) {
        if (e->class <= NGX_DURABLE_INGEST) {
            dur_histogram_add(&c->figures.wait[e->class], &dur_bounds_short,
                              now > e->queued ? now - e->queued : 0);
        }
    }
}


/* The figures of a moment; `form` is that of the op STATUS. */

void
ngx_durable_metrics_write(dur_buf_t *out, dur_op_form_t form)
{
    dur_store_t            *store;
    dur_exposition_t        x;
    dur_metrics_view_t      view;
    ngx_durable_commit_t   *c;
    ngx_durable_process_t  *dp;
    ngx_durable_figures_t   figures;
    static dur_metrics_t    metrics;

    dp = &ngx_durable_process;
    c = &dp->commit;

    dur_exposition_init(&x, out, form == DUR_OP_FORM_OPENMETRICS);

    (void) pthread_mutex_lock(&c->mutex);

    figures = c->published;
    dur_metrics_copy(&metrics, &c->metrics);

    (void) pthread_mutex_unlock(&c->mutex);

    ngx_durable_metrics_leader(&x);
    ngx_durable_metrics_batches(&x, &figures);
    ngx_durable_metrics_waits(&x, &figures);

    view.metrics = &metrics;
    view.stat = &dp->stat;
    view.now = ngx_durable_clock_now();

    store = ngx_durable_store();

    if (store == NULL || dur_query_metrics(store, &view, &x) != DUR_OK) {

        /* a part of it would look as if the rest had gone */

        out->failed = 1;
    }
}


static void
ngx_durable_metrics_leader(dur_exposition_t *x)
{
    int64_t                 credits;
    ngx_durable_commit_t   *c;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;
    c = &dp->commit;

    (void) pthread_mutex_lock(&c->mutex);
    credits = c->credits;
    (void) pthread_mutex_unlock(&c->mutex);

    dur_exposition_gauge(x, "durable_leader_epoch",
                         "Epoch of the leader; grows with each one.",
                         dp->epoch);
    dur_exposition_gauge(x, "durable_leader_start_time_seconds",
                         "When the leader began, in seconds of Unix time; "
                         "counters begin there.", (uint64_t) dp->since);
    dur_exposition_gauge(x, "durable_leader_followers",
                         "Workers and other processes that are connected to "
                         "the leader.", dp->npeers);
    dur_exposition_gauge(x, "durable_sidecar_connected",
                         "1 while the sidecar is connected.",
                         dp->sidecar.link && dp->sidecar.link->ready);
    dur_exposition_gauge(x, "durable_sidecar_credits",
                         "Calls that the sidecar takes now.",
                         (uint64_t) ngx_max(credits, 0));

    dur_exposition_family(x, DUR_EXPOSITION_HISTOGRAM,
                          "durable_event_loop_lag_seconds",
                          "From when a commit is done to when the leader's "
                          "event loop sees it.");
    dur_exposition_histogram(x, &dp->lag, &dur_bounds_short, NULL, NULL);
}


static void
ngx_durable_metrics_batches(dur_exposition_t *x, ngx_durable_figures_t *f)
{
    dur_exposition_family(x, DUR_EXPOSITION_HISTOGRAM, "durable_batch_ops",
                          "Ops that were decided and committed together.");
    dur_exposition_histogram(x, &f->ops, &dur_bounds_count, NULL, NULL);

    dur_exposition_family(x, DUR_EXPOSITION_HISTOGRAM,
                          "durable_batch_duration_seconds",
                          "How long a batch took, with its commit.");
    dur_exposition_histogram(x, &f->batch, &dur_bounds_short, NULL, NULL);

    dur_exposition_family(x, DUR_EXPOSITION_HISTOGRAM,
                          "durable_commit_duration_seconds",
                          "How long a commit took: writing and syncing.");
    dur_exposition_histogram(x, &f->commit, &dur_bounds_short, NULL, NULL);

    dur_exposition_family(x, DUR_EXPOSITION_COUNTER, "durable_batches_failed",
                          "Batches that could not be committed and were "
                          "rolled back.");
    dur_exposition_sample(x);
    dur_exposition_integer(x, f->failed);
}


static void
ngx_durable_metrics_waits(dur_exposition_t *x, ngx_durable_figures_t *f)
{
    ngx_uint_t              i, n;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    dur_exposition_family(x, DUR_EXPOSITION_GAUGE, "durable_ops_queued",
                          "Ops that are with the leader and not answered.");

    for (i = NGX_DURABLE_RESULT; i <= NGX_DURABLE_INGEST; i++) {

        n = dp->queued[i];

        if (i == NGX_DURABLE_RESULT) {
            n += dp->queued[NGX_DURABLE_INVENTORY];
        }

        dur_exposition_sample(x);
        dur_exposition_label(x, "class",
                             dur_str_c(ngx_durable_metrics_classes[i]));
        dur_exposition_integer(x, n);
    }

    dur_exposition_family(x, DUR_EXPOSITION_HISTOGRAM,
                          "durable_op_wait_seconds",
                          "How long ops waited for the batch before theirs.");

    for (i = NGX_DURABLE_RESULT; i <= NGX_DURABLE_INGEST; i++) {
        dur_exposition_histogram(x, &f->wait[i], &dur_bounds_short, "class",
                                 ngx_durable_metrics_classes[i]);
    }
}
