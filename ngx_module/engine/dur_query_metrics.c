/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_query_metrics.h"
#include "engine/dur_answer_op.h"
#include "engine/dur_query_limit.h"


/* Apps that have series of their own. */
#define DUR_METRICS_APPS  200

/* app u32 + partition u64 + score u64 + item u64 */
#define DUR_METRICS_READY_KEY  28


typedef struct {
    const dur_metrics_view_t  *view;
    dur_exposition_t          *x;

    /* the functions that have counters, under their names */
    uint32_t                   nfunctions;
    dur_str_t                  slug[DUR_METRICS_FUNCTIONS + 1];
    dur_metrics_function_t     function[DUR_METRICS_FUNCTIONS + 1];

    uint32_t                   napps;
    uint32_t                   parked;
    struct {
        dur_str_t              name;
        uint64_t               oldest;      /* ms that its next item waits */
        bool                   failing;     /* its last sync failed */
        bool                   parked;
    } app[DUR_METRICS_APPS];
} dur_metrics_query_t;


static void
dur_metrics_family(dur_metrics_query_t *mq, dur_exposition_type_t type,
    const char *name, const char *help)
{
    dur_exposition_family(mq->x, type, name, help);
}


static void
dur_metrics_labelled(dur_metrics_query_t *mq, const char *key,
    const char *value, uint64_t n)
{
    dur_exposition_sample(mq->x);
    dur_exposition_label(mq->x, key, dur_str_c(value));
    dur_exposition_integer(mq->x, n);
}


/* -- functions ------------------------------------------------------------ */

static void
dur_metrics_sum(dur_metrics_function_t *to, const dur_metrics_function_t *f)
{
    unsigned  i;

    to->started += f->started;

    for (i = 0; i < DUR_ENDED_MAX; i++) {
        to->ended[i] += f->ended[i];
    }

    for (i = 0; i < DUR_REFUSED_MAX; i++) {
        to->refused[i] += f->refused[i];
    }

    for (i = 0; i < DUR_METRICS_OUTCOMES; i++) {
        to->attempts[i] += f->attempts[i];
    }
}


/* A slug may have several rows, of which one is not archived: they are one
 * series.  What has no row any more is counted with the others. */
static dur_rc_t
dur_metrics_functions(dur_query_t *q, dur_metrics_query_t *mq)
{
    dur_rc_t              rc;
    uint32_t              i, n;
    dur_function_t        fn;
    const dur_metrics_t  *m = mq->view->metrics;

    mq->nfunctions = 1;
    mq->slug[0] = dur_str("other");
    mq->function[0] = m->function[0];

    for (i = 1; i <= m->nfunctions; i++) {
        rc = dur_query_function(q, m->function[i].id, &fn);
        if (rc != DUR_OK) {
            return rc;
        }

        if (fn.id == 0) {
            dur_metrics_sum(&mq->function[0], &m->function[i]);
            continue;
        }

        for (n = 0; n < mq->nfunctions; n++) {
            if (dur_str_eq(mq->slug[n], fn.slug)) {
                break;
            }
        }

        if (n < mq->nfunctions) {
            dur_metrics_sum(&mq->function[n], &m->function[i]);
            continue;
        }

        mq->slug[n] = fn.slug;
        mq->function[n] = m->function[i];
        mq->nfunctions++;
    }

    return DUR_OK;
}


static void
dur_metrics_per_function(dur_metrics_query_t *mq, const char *key,
    const char *const *names, unsigned n, size_t offset)
{
    uint32_t         i, k;
    const uint64_t  *values;

    for (i = 0; i < mq->nfunctions; i++) {
        values = (const uint64_t *) (const void *)
                 ((const uint8_t *) &mq->function[i] + offset);

        for (k = 0; k < n; k++) {
            dur_exposition_sample(mq->x);
            dur_exposition_label(mq->x, "function", mq->slug[i]);

            if (key) {
                dur_exposition_label(mq->x, key, dur_str_c(names[k]));
            }

            dur_exposition_integer(mq->x, values[k]);
        }
    }
}


static void
dur_metrics_write_functions(dur_metrics_query_t *mq)
{
    static const char  *ended[] = {
        "completed", "failed", "cancelled", "skipped"
    };
    static const char  *refused[] = { "limit", "duplicate" };
    static const char  *outcomes[] = {
        "ok", "retry", "failed", "lost", "parked"
    };

    dur_metrics_family(mq, DUR_EXPOSITION_COUNTER, "durable_runs_started",
                       "Runs that were started.");
    dur_metrics_per_function(mq, NULL, NULL, 1,
                             offsetof(dur_metrics_function_t, started));

    dur_metrics_family(mq, DUR_EXPOSITION_COUNTER, "durable_runs_ended",
                       "Runs that ended, by how they ended.");
    dur_metrics_per_function(mq, "status", ended, DUR_ENDED_MAX,
                             offsetof(dur_metrics_function_t, ended));

    dur_metrics_family(mq, DUR_EXPOSITION_COUNTER, "durable_runs_refused",
                       "Starts that left no run: over a rate limit, or the "
                       "event's id had started one before.");
    dur_metrics_per_function(mq, "reason", refused, DUR_REFUSED_MAX,
                             offsetof(dur_metrics_function_t, refused));

    dur_metrics_family(mq, DUR_EXPOSITION_COUNTER, "durable_attempts",
                       "Calls of apps that are over, by what became of "
                       "them.");
    dur_metrics_per_function(mq, "outcome", outcomes, DUR_METRICS_OUTCOMES,
                             offsetof(dur_metrics_function_t, attempts));
}


/* -- apps ----------------------------------------------------------------- */

/* How long the item waits that goes next, of those that may. */
static dur_rc_t
dur_metrics_oldest(dur_query_t *q, uint32_t app, int64_t now, uint64_t *ms)
{
    uint8_t        key[DUR_METRICS_READY_KEY];
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_item_t     item;
    dur_cursor_t  *c;

    *ms = 0;

    rc = dur_cursor_open(q->txn, DUR_T_READY, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    memset(key, 0, sizeof(key));
    dur_put32(key, app);

    rc = dur_cursor_seek(c, dur_str_make(key, sizeof(key)), &k, &v);

    /* the app and partition 0 */

    if (rc == DUR_OK && k.len == sizeof(key) && memcmp(k.data, key, 12) == 0
        && dur_item_decode(v, &item) == DUR_OK && item.due < now)
    {
        *ms = (uint64_t) (now - item.due);
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static dur_rc_t
dur_metrics_app(dur_query_t *q, dur_metrics_query_t *mq,
    const dur_registered_app_t *app)
{
    uint8_t        key[4];
    uint32_t       i;
    dur_str_t      row, name;
    dur_target_t   target;

    dur_put32(key, app->id);

    if (dur_txn_get(q->txn, DUR_T_TARGET, dur_str_make(key, 4), &row)
        != DUR_OK
        || dur_target_decode(row, &target) != DUR_OK)
    {
        target.parked = 0;
    }

    mq->parked += target.parked != 0;

    /* one that never registered has its URL only */

    name = app->name.len ? app->name : app->url;

    for (i = 0; i < mq->napps; i++) {
        if (dur_str_eq(mq->app[i].name, name)) {
            return DUR_OK;
        }
    }

    if (i == DUR_METRICS_APPS) {
        return DUR_OK;
    }

    mq->app[i].name = name;
    mq->app[i].parked = target.parked != 0;
    mq->app[i].failing = app->error.len != 0;
    mq->napps++;

    return dur_metrics_oldest(q, app->id, mq->view->now, &mq->app[i].oldest);
}


static dur_rc_t
dur_metrics_apps(dur_query_t *q, dur_metrics_query_t *mq)
{
    dur_rc_t               rc;
    dur_str_t              k, v;
    dur_cursor_t          *c;
    dur_registered_app_t   app;

    rc = dur_cursor_open(q->txn, DUR_T_APP, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_str_null, &k, &v);
         rc == DUR_OK;
         rc = dur_cursor_next(c, &k, &v))
    {
        memset(&app, 0, sizeof(app));

        if (dur_registry_app_decode(k, v, &app) != DUR_OK || app.removed) {
            continue;
        }

        rc = dur_metrics_app(q, mq, &app);
        if (rc != DUR_OK) {
            break;
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static void
dur_metrics_write_apps(dur_metrics_query_t *mq)
{
    uint32_t  i;

    dur_exposition_gauge(mq->x, "durable_apps_parked",
                         "Apps and targets that do not answer and are tried "
                         "from time to time.", mq->parked);

    dur_metrics_family(mq, DUR_EXPOSITION_GAUGE, "durable_app_parked",
                       "1 while the app is parked.");

    for (i = 0; i < mq->napps; i++) {
        dur_exposition_sample(mq->x);
        dur_exposition_label(mq->x, "app", mq->app[i].name);
        dur_exposition_integer(mq->x, mq->app[i].parked);
    }

    dur_metrics_family(mq, DUR_EXPOSITION_GAUGE, "durable_app_sync_failed",
                       "1 when the last sync of the app failed.");

    for (i = 0; i < mq->napps; i++) {
        dur_exposition_sample(mq->x);
        dur_exposition_label(mq->x, "app", mq->app[i].name);
        dur_exposition_integer(mq->x, mq->app[i].failing);
    }

    dur_metrics_family(mq, DUR_EXPOSITION_GAUGE,
                       "durable_queue_oldest_ready_seconds",
                       "How long the call that goes next to the app has been "
                       "ready.");

    for (i = 0; i < mq->napps; i++) {
        dur_exposition_sample(mq->x);
        dur_exposition_label(mq->x, "app", mq->app[i].name);
        dur_exposition_seconds(mq->x, mq->app[i].oldest * 1000);
    }
}


/* -- what is not of a function or an app ---------------------------------- */

static void
dur_metrics_write_counts(dur_metrics_query_t *mq)
{
    unsigned              i;
    const dur_metrics_t  *m = mq->view->metrics;
    static const char    *sources[] = {
        "client", "webhook", "schedule", "internal"
    };

    dur_metrics_family(mq, DUR_EXPOSITION_COUNTER, "durable_events",
                       "Events that were stored, by where they came from.");

    for (i = 0; i < DUR_SOURCE_MAX; i++) {
        dur_metrics_labelled(mq, "source", sources[i], m->events[i]);
    }

    dur_metrics_family(mq, DUR_EXPOSITION_COUNTER, "durable_steps",
                       "Steps that were done, by their op.");

    for (i = 1; i < DUR_METRICS_OPCODES; i++) {
        if (dur_opcode_is_step((dur_opcode_t) i)) {
            dur_metrics_labelled(mq, "op",
                                 dur_opcode_name((dur_opcode_t) i),
                                 m->steps[i]);
        }
    }

    dur_metrics_family(mq, DUR_EXPOSITION_COUNTER, "durable_limit_waits",
                       "Calls that had to wait for a limit, by its scope.");

    for (i = 1; i < DUR_METRICS_SCOPES; i++) {
        dur_metrics_labelled(mq, "scope", dur_query_scope((uint8_t) i),
                             m->blocked[i]);
    }

    dur_metrics_family(mq, DUR_EXPOSITION_COUNTER, "durable_calls_leased",
                       "Calls that were given to the sidecar.");
    dur_exposition_sample(mq->x);
    dur_exposition_integer(mq->x, mq->view->stat->attempts);
}


static void
dur_metrics_write_times(dur_metrics_query_t *mq)
{
    size_t                i;
    const dur_metrics_t  *m = mq->view->metrics;

    const struct {
        const char             *name;
        const char             *help;
        const dur_histogram_t  *h;
    } times[] = {
        { "durable_schedule_to_start_seconds",
          "From when a call was due to when it was given to the sidecar.",
          &m->start },
        { "durable_call_duration_seconds",
          "How long calls of apps took.", &m->call },
        { "durable_run_duration_seconds",
          "From when a run was made to its end.", &m->run },
        { "durable_timer_lag_seconds",
          "How late sleeps, retries and timeouts fired.", &m->late },
    };

    for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        dur_metrics_family(mq, DUR_EXPOSITION_HISTOGRAM, times[i].name,
                           times[i].help);
        dur_exposition_histogram(mq->x, times[i].h, &dur_bounds_long, NULL,
                                 NULL);
    }
}


static void
dur_metrics_write_queue(dur_query_t *q, dur_metrics_query_t *mq)
{
    size_t  i;

    static const struct {
        const char   *state;
        dur_table_t   table;
    } states[] = {
        { "ready", DUR_T_READY },
        { "leased", DUR_T_LEASE },
        { "timer", DUR_T_TIMER },
        { "blocked", DUR_T_BLOCKED },
    };

    dur_exposition_gauge(mq->x, "durable_runs_live", "Runs that live.",
                         mq->view->stat->runs_live);
    dur_exposition_gauge(mq->x, "durable_calls_in_flight",
                         "Calls that are with the sidecar.",
                         mq->view->stat->leases);

    dur_metrics_family(mq, DUR_EXPOSITION_GAUGE, "durable_queue_items",
                       "Work by where it is: ready for a call, leased to the "
                       "sidecar, on a timer, blocked by a limit.");

    for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        dur_metrics_labelled(mq, "state", states[i].state,
                             dur_txn_count(q->txn, states[i].table));
    }
}


static void
dur_metrics_write_store(dur_query_t *q, dur_metrics_query_t *mq)
{
    unsigned                  i;
    const dur_engine_stat_t  *st = mq->view->stat;

    dur_exposition_gauge(mq->x, "durable_store_used_bytes",
                         "The store without pages that are known to be free; "
                         "those are looked for when it is nearly full.",
                         st->pages_used * st->page_size);
    dur_exposition_gauge(mq->x, "durable_store_file_bytes",
                         "Size that the file of the store has grown to.",
                         st->pages_last * st->page_size);
    dur_exposition_gauge(mq->x, "durable_store_limit_bytes",
                         "Size that durable_store allows.",
                         st->pages_total * st->page_size);
    dur_exposition_gauge(mq->x, "durable_store_reader_slots",
                         "Slots of the store's reader table that are or were "
                         "in use.", st->readers);

    dur_metrics_family(mq, DUR_EXPOSITION_GAUGE, "durable_store_rows",
                       "Rows of each table of the store.");

    for (i = 0; i < DUR_T_MAX; i++) {
        dur_metrics_labelled(mq, "table",
                             dur_store_table_name((dur_table_t) i),
                             dur_txn_count(q->txn, (dur_table_t) i));
    }
}


static dur_rc_t
dur_metrics_read(dur_query_t *q, void *arg)
{
    dur_rc_t              rc;
    dur_metrics_query_t  *mq;

    mq = dur_arena_zalloc(&q->arena, sizeof(*mq));
    if (mq == NULL) {
        return DUR_ENOMEM;
    }

    mq->x = arg;
    mq->view = mq->x->data;

    rc = dur_metrics_functions(q, mq);
    if (rc == DUR_OK) {
        rc = dur_metrics_apps(q, mq);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    dur_metrics_write_counts(mq);
    dur_metrics_write_functions(mq);
    dur_metrics_write_times(mq);
    dur_metrics_write_queue(q, mq);
    dur_metrics_write_apps(mq);
    dur_metrics_write_store(q, mq);

    return DUR_OK;
}


dur_rc_t
dur_query_metrics(dur_store_t *s, const dur_metrics_view_t *view,
    dur_exposition_t *x)
{
    x->data = view;

    return dur_query_read(s, x->out, dur_metrics_read, x);
}
