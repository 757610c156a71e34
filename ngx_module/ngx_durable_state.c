
/*
 * Copyright (C) the nginx-durable authors
 */


/* The figures of a leader, as durable_status shows them. */


#include "ngx_durable_process.h"
#include "engine/dur_query.h"


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
