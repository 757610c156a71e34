
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * What became of webhooks, for durable_metrics.  Any worker takes one, and
 * most that are refused never reach the leader: the counters are in memory
 * that all workers share and that a reload keeps.  Routes are told apart by
 * names of the configuration, never by what a request says.
 */


#include "ngx_http_durable.h"


#define NGX_HTTP_DURABLE_TALLY_SIZE    (128 * 1024)
#define NGX_HTTP_DURABLE_TALLY_ROUTES  200
#define NGX_HTTP_DURABLE_TALLY_NAME    64


typedef struct {
    ngx_uint_t                     len;
    u_char                         name[NGX_HTTP_DURABLE_TALLY_NAME];
    ngx_atomic_t                   count[NGX_HTTP_DURABLE_OUTCOMES];
} ngx_http_durable_tally_row_t;


/* The first row is for all that have no room. */

typedef struct {
    ngx_uint_t                     n;
    ngx_http_durable_tally_row_t   rows[NGX_HTTP_DURABLE_TALLY_ROUTES + 1];
} ngx_http_durable_tally_t;


static ngx_int_t ngx_http_durable_tally_init(ngx_shm_zone_t *zone,
    void *data);
static void ngx_http_durable_tally_count(void *data);
static ngx_http_durable_tally_row_t *ngx_http_durable_tally_row(
    ngx_shm_zone_t *zone, ngx_str_t *name);


static const char  *ngx_http_durable_outcomes[NGX_HTTP_DURABLE_OUTCOMES] = {
    "accepted", "duplicate", "delivered", "undelivered", "challenge", "probe",
    "unverified", "refused", "failed"
};


ngx_int_t
ngx_http_durable_tally_zone(ngx_conf_t *cf)
{
    ngx_str_t                      name;
    ngx_http_durable_main_conf_t  *dmcf;

    dmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_durable_module);

    ngx_str_set(&name, "durable_webhooks");

    dmcf->tally = ngx_shared_memory_add(cf, &name,
                                        NGX_HTTP_DURABLE_TALLY_SIZE,
                                        &ngx_http_durable_module);
    if (dmcf->tally == NULL) {
        return NGX_ERROR;
    }

    dmcf->tally->init = ngx_http_durable_tally_init;

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_tally_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t  *pool;

    if (data) {
        zone->data = data;
        return NGX_OK;
    }

    pool = (ngx_slab_pool_t *) zone->shm.addr;

    if (zone->shm.exists) {
        zone->data = pool->data;
        return NGX_OK;
    }

    zone->data = ngx_slab_calloc(pool, sizeof(ngx_http_durable_tally_t));
    pool->data = zone->data;

    return zone->data ? NGX_OK : NGX_ERROR;
}


/* The request counts when it is over, by what $durable_status says then. */

ngx_int_t
ngx_http_durable_tally(ngx_http_request_t *r, ngx_http_durable_ctx_t *ctx)
{
    ngx_http_cleanup_t  *cln;

    if (ctx->conf->tally == NULL) {
        return NGX_OK;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_durable_tally_count;
    cln->data = ctx;

    return NGX_OK;
}


static void
ngx_http_durable_tally_count(void *data)
{
    ngx_http_durable_ctx_t *ctx = data;

    ngx_str_t                      name;
    ngx_uint_t                     i;
    ngx_http_durable_delivery_t   *d;
    ngx_http_durable_tally_row_t  *row;

    d = ctx->delivery;
    name = d->hook->name;

    if (name.len == 0) {

        /* the request names the connector */

        ngx_str_set(&name, "*");
    }

    row = ngx_http_durable_tally_row(ctx->conf->tally, &name);

    for (i = 0; i < NGX_HTTP_DURABLE_OUTCOMES; i++) {
        if (d->outcome.len == ngx_strlen(ngx_http_durable_outcomes[i])
            && ngx_memcmp(d->outcome.data, ngx_http_durable_outcomes[i],
                          d->outcome.len)
               == 0)
        {
            (void) ngx_atomic_fetch_add(&row->count[i], 1);
            return;
        }
    }
}


static ngx_http_durable_tally_row_t *
ngx_http_durable_tally_row(ngx_shm_zone_t *zone, ngx_str_t *name)
{
    ngx_uint_t                     i;
    ngx_slab_pool_t               *pool;
    ngx_http_durable_tally_t      *tally;
    ngx_http_durable_tally_row_t  *row;

    tally = zone->data;
    pool = (ngx_slab_pool_t *) zone->shm.addr;

    ngx_shmtx_lock(&pool->mutex);

    for (i = 1; i <= tally->n; i++) {
        row = &tally->rows[i];

        if (row->len == name->len
            && ngx_memcmp(row->name, name->data, name->len) == 0)
        {
            ngx_shmtx_unlock(&pool->mutex);
            return row;
        }
    }

    row = &tally->rows[0];

    if (name->len <= NGX_HTTP_DURABLE_TALLY_NAME
        && tally->n < NGX_HTTP_DURABLE_TALLY_ROUTES)
    {
        row = &tally->rows[++tally->n];
        row->len = name->len;
        ngx_memcpy(row->name, name->data, name->len);
    }

    ngx_shmtx_unlock(&pool->mutex);

    return row;
}


/* Behind the leader's families; nothing without a route. */

void
ngx_http_durable_tally_write(ngx_http_durable_main_conf_t *conf,
    dur_exposition_t *x)
{
    dur_str_t                      name;
    ngx_uint_t                     i, k, n;
    ngx_slab_pool_t               *pool;
    ngx_http_durable_tally_t      *tally;
    ngx_http_durable_tally_row_t  *row;

    if (conf->tally == NULL) {
        return;
    }

    tally = conf->tally->data;
    pool = (ngx_slab_pool_t *) conf->tally->shm.addr;

    /* rows stay as they are once they are there */

    ngx_shmtx_lock(&pool->mutex);
    n = tally->n;
    ngx_shmtx_unlock(&pool->mutex);

    dur_exposition_family(x, DUR_EXPOSITION_COUNTER, "durable_webhooks",
                          "Requests at routes, by what became of them.");

    for (i = 0; i <= n; i++) {
        row = &tally->rows[i];
        name = i ? dur_str_make(row->name, row->len) : dur_str("other");

        for (k = 0; k < NGX_HTTP_DURABLE_OUTCOMES; k++) {
            dur_exposition_sample(x);
            dur_exposition_label(x, "route", name);
            dur_exposition_label(x, "outcome",
                                 dur_str_c(ngx_http_durable_outcomes[k]));
            dur_exposition_integer(x, row->count[k]);
        }
    }
}
