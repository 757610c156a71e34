
/*
 * Copyright (C) the nginx-durable authors
 */


/* The figures of a leader, as durable_status shows them. */


#include "ngx_durable_process.h"
#include "engine/dur_json.h"
#include "engine/dur_query.h"
#include "engine/dur_time.h"


static void ngx_durable_state_times(dur_buf_t *out, const char *name,
    dur_histogram_t *h, const char *after);
static void ngx_durable_state_sidecar(dur_buf_t *out, int64_t credits);


void
ngx_durable_state_write(dur_buf_t *out)
{
    size_t                  len;
    int64_t                 credits;
    dur_store_t            *store;
    dur_engine_stat_t      *st;
    ngx_durable_commit_t   *c;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;
    c = &dp->commit;
    st = &dp->stat;

    (void) pthread_mutex_lock(&c->mutex);
    credits = c->credits;
    (void) pthread_mutex_unlock(&c->mutex);

    (void) dur_buf_addf(out,
        "{\"role\":\"leader\",\"pid\":%lu,\"epoch\":%llu,"
        "\"queue\":{\"control\":%lu,\"ingest\":%lu},"
        "\"batch\":{\"ops\":%lu,\"us\":%llu,\"count\":%lu},"
        "\"sidecar\":{\"connected\":%s,\"credits\":%lld},"
        "\"followers\":%lu,",
        (unsigned long) ngx_pid, (unsigned long long) dp->epoch,
        (unsigned long) (dp->queued[NGX_DURABLE_CONTROL]
                         + dp->queued[NGX_DURABLE_RESULT]
                         + dp->queued[NGX_DURABLE_INVENTORY]),
        (unsigned long) dp->queued[NGX_DURABLE_INGEST],
        (unsigned long) dp->batch_ops, (unsigned long long) dp->batch_us,
        (unsigned long) dp->batches,
        dp->sidecar.link && dp->sidecar.link->ready ? "true" : "false",
        (long long) credits, (unsigned long) dp->npeers);

    (void) dur_buf_addf(out,
        "\"engine\":{\"sequence\":%llu,\"events\":%llu,"
        "\"runs_started\":%llu,\"runs_completed\":%llu,"
        "\"runs_failed\":%llu,\"runs_cancelled\":%llu,"
        "\"runs_live\":%llu,"
        "\"attempts\":%llu,\"steps\":%llu,\"leases\":%llu,"
        "\"pages_used\":%llu,\"pages_total\":%llu,\"page_size\":%llu},"
        "\"parked\":",
        (unsigned long long) st->sequence,
        (unsigned long long) st->events,
        (unsigned long long) st->runs_started,
        (unsigned long long) st->runs_completed,
        (unsigned long long) st->runs_failed,
        (unsigned long long) st->runs_cancelled,
        (unsigned long long) st->runs_live,
        (unsigned long long) st->attempts,
        (unsigned long long) st->steps,
        (unsigned long long) st->leases,
        (unsigned long long) st->pages_used,
        (unsigned long long) st->pages_total,
        (unsigned long long) st->page_size);

    store = ngx_durable_store();
    len = out->len;

    if (store == NULL || dur_query_parked(store, out) != DUR_OK) {
        out->len = len;
        (void) dur_buf_addz(out, "[]");
    }

    (void) dur_buf_addc(out, '}');
}


/* The leader's part of GET /v1/system: members of an object. */

void
ngx_durable_state_system(dur_buf_t *out)
{
    char                    since[32];
    int64_t                 credits;
    ngx_durable_commit_t   *c;
    ngx_durable_figures_t   f;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;
    c = &dp->commit;

    (void) pthread_mutex_lock(&c->mutex);
    credits = c->credits;
    f = c->published;
    (void) pthread_mutex_unlock(&c->mutex);

    dur_rfc3339_text((int64_t) dp->since * 1000, since);

    (void) dur_buf_addf(out,
        "{\"leader\":{\"pid\":%lu,\"epoch\":%llu,\"since\":\"%s\","
        "\"followers\":%lu},"
        "\"queue\":{\"control\":%lu,\"ingest\":%lu},"
        "\"batches\":{\"count\":%llu,\"failed\":%llu,\"last_ops\":%lu,"
        "\"ops_p50\":%llu,\"ops_p99\":%llu,",
        (unsigned long) ngx_pid, (unsigned long long) dp->epoch, since,
        (unsigned long) dp->npeers,
        (unsigned long) (dp->queued[NGX_DURABLE_CONTROL]
                         + dp->queued[NGX_DURABLE_RESULT]
                         + dp->queued[NGX_DURABLE_INVENTORY]),
        (unsigned long) dp->queued[NGX_DURABLE_INGEST],
        (unsigned long long) dur_histogram_count(&f.batch),
        (unsigned long long) f.failed, (unsigned long) dp->batch_ops,
        (unsigned long long) dur_histogram_percentile(&f.ops,
                                                      &dur_bounds_count, 50),
        (unsigned long long) dur_histogram_percentile(&f.ops,
                                                      &dur_bounds_count, 99));

    ngx_durable_state_times(out, "batch", &f.batch, ",");
    ngx_durable_state_times(out, "commit", &f.commit, "},\"event_loop\":{");
    ngx_durable_state_times(out, "lag", &dp->lag, "},");
    ngx_durable_state_sidecar(out, credits);

    (void) dur_buf_addf(out, ",\"runs_live\":%llu,\"events\":%llu,"
                        "\"runs_started\":%llu",
                        (unsigned long long) dp->stat.runs_live,
                        (unsigned long long) dp->stat.events,
                        (unsigned long long) dp->stat.runs_started);
}


static void
ngx_durable_state_times(dur_buf_t *out, const char *name, dur_histogram_t *h,
    const char *after)
{
    (void) dur_buf_addf(out, "\"%s_p50_us\":%llu,\"%s_p99_us\":%llu%s", name,
        (unsigned long long) dur_histogram_percentile(h, &dur_bounds_short,
                                                      50), name,
        (unsigned long long) dur_histogram_percentile(h, &dur_bounds_short,
                                                      99), after);
}


static void
ngx_durable_state_sidecar(dur_buf_t *out, int64_t credits)
{
    ngx_uint_t              connected;
    ngx_durable_process_t  *dp;
    ngx_durable_sidecar_t  *sc;

    dp = &ngx_durable_process;
    sc = &dp->sidecar;

    connected = sc->link && sc->link->ready;

    (void) dur_buf_addf(out, "\"sidecar\":{\"connected\":%s,\"credits\":%lld,"
                        "\"in_flight\":%llu,\"pid\":",
                        connected ? "true" : "false", (long long) credits,
                        (unsigned long long) dp->stat.leases);

    if (!connected) {
        (void) dur_buf_addz(out, "null,\"version\":null}");
        return;
    }

    (void) dur_buf_addf(out, "%lu,\"version\":", (unsigned long) sc->pid);

    if (sc->software_len) {
        (void) dur_json_write_string(out, dur_str_make(sc->software,
                                                       sc->software_len));
    } else {
        (void) dur_buf_addz(out, "null");
    }

    (void) dur_buf_addc(out, '}');
}
