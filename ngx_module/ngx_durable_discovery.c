
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Looks for an app on the usual ports of this machine, in development and
 * until the first one is synced (protocol 3.7).  One request per port at a
 * time; a port that refuses is not asked for the other paths.
 */


#include "ngx_durable_process.h"


#define NGX_DURABLE_SCAN          5000
#define NGX_DURABLE_SCAN_TIMEOUT  1000


static void ngx_durable_discovery_handler(ngx_event_t *ev);
static void ngx_durable_discovery_probe(ngx_uint_t port);
static ngx_uint_t ngx_durable_discovery_header(dur_str_t headers);
static u_char *ngx_durable_discovery_url(ngx_uint_t port, u_char *buf,
    size_t size);


static const uint16_t  ngx_durable_discovery_ports[] = {
    80, 443, 3000, 3001, 3002, 3003, 3004, 3005, 3006, 3007, 3008, 3009,
    3010, 4321, 5000, 5173, 8000, 8080, 8081, 8787, 8888, 8910, 8911, 8912,
    8913, 8914, 8915
};

static const char *const  ngx_durable_discovery_paths[] = {
    "/api/inngest",
    "/x/inngest",
    "/.netlify/functions/inngest",
    "/.redwood/functions/inngest"
};

#define NGX_DURABLE_PORTS                                                    \
    (sizeof(ngx_durable_discovery_ports) / sizeof(uint16_t))

#define NGX_DURABLE_PATHS                                                    \
    (sizeof(ngx_durable_discovery_paths) / sizeof(char *))


void
ngx_durable_discovery_start(void)
{
    ngx_durable_sync_t     *s;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;
    s = &dp->sync;

    if (!dp->conf->dev || !dp->conf->discovery) {
        return;
    }

    s->probes = ngx_pcalloc(s->pool, NGX_DURABLE_PORTS * sizeof(uint64_t));
    s->paths = ngx_pcalloc(s->pool, NGX_DURABLE_PORTS * sizeof(ngx_uint_t));

    if (s->probes == NULL || s->paths == NULL) {
        s->probes = NULL;
        return;
    }

    s->scan.handler = ngx_durable_discovery_handler;
    s->scan.data = &ngx_durable_process.idle;
    s->scan.log = ngx_cycle->log;
    s->scan.cancelable = 1;
}


void
ngx_durable_discovery_stop(void)
{
    ngx_durable_sync_t  *s;

    s = &ngx_durable_process.sync;

    if (s->scan.timer_set) {
        ngx_del_timer(&s->scan);
    }

    s->probes = NULL;
}


void
ngx_durable_discovery_link(ngx_uint_t up)
{
    ngx_uint_t           i;
    ngx_durable_sync_t  *s;

    s = &ngx_durable_process.sync;

    if (s->probes == NULL) {
        return;
    }

    if (s->scan.timer_set) {
        ngx_del_timer(&s->scan);
    }

    for (i = 0; i < NGX_DURABLE_PORTS; i++) {
        s->probes[i] = 0;
    }

    if (up) {
        ngx_add_timer(&s->scan, 1);
    }
}


void
ngx_durable_discovery_result(dur_op_result_t *r)
{
    u_char               buf[128];
    ngx_str_t            url;
    ngx_uint_t           i;
    ngx_durable_sync_t  *s;

    s = &ngx_durable_process.sync;

    if (s->probes == NULL) {
        return;
    }

    for (i = 0; i < NGX_DURABLE_PORTS; i++) {
        if (s->probes[i] == r->item) {
            break;
        }
    }

    if (i == NGX_DURABLE_PORTS) {
        return;
    }

    s->probes[i] = 0;

    if (r->status == 0) {
        return;
    }

    if (ngx_durable_discovery_header(r->headers)) {
        url.data = buf;
        url.len = ngx_durable_discovery_url(i, buf, sizeof(buf)) - buf;

        if (ngx_durable_sync_add(&url)) {
            ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                          "durable: an app was found at %V", &url);
        }

        return;
    }

    if (++s->paths[i] < NGX_DURABLE_PATHS) {
        ngx_durable_discovery_probe(i);
    }
}


static void
ngx_durable_discovery_handler(ngx_event_t *ev)
{
    ngx_uint_t           i;
    ngx_durable_sync_t  *s;

    s = &ngx_durable_process.sync;

    if (s->found || ngx_exiting) {
        return;
    }

    for (i = 0; i < NGX_DURABLE_PORTS; i++) {
        s->paths[i] = 0;
        ngx_durable_discovery_probe(i);
    }

    ngx_add_timer(&s->scan, NGX_DURABLE_SCAN);
}


static void
ngx_durable_discovery_probe(ngx_uint_t port)
{
    u_char               buf[128], *p;
    ngx_durable_sync_t  *s;

    s = &ngx_durable_process.sync;

    p = ngx_durable_discovery_url(port, buf, sizeof(buf));

    s->probes[port] = DUR_ITEM_EPHEMERAL | ++s->item;

    (void) ngx_durable_sidecar_call(s->probes[port], DUR_CALL_PROBE, "GET",
                                    dur_str_make(buf, p - buf),
                                    dur_str("accept: application/json\n"),
                                    dur_str_null, NGX_DURABLE_SCAN_TIMEOUT);
}


static u_char *
ngx_durable_discovery_url(ngx_uint_t port, u_char *buf, size_t size)
{
    ngx_uint_t           n;
    ngx_durable_sync_t  *s;

    s = &ngx_durable_process.sync;
    n = ngx_durable_discovery_ports[port];

    return ngx_snprintf(buf, size, "%s://127.0.0.1:%ui%s",
                        n == 443 ? "https" : "http", n,
                        ngx_durable_discovery_paths[s->paths[port]]);
}


/* "x-inngest-sdk: ..." at the start of a line, in either case. */

static ngx_uint_t
ngx_durable_discovery_header(dur_str_t headers)
{
    u_char       *p, *last, *next;
    const size_t  len = sizeof("x-inngest-sdk:") - 1;

    p = (u_char *) headers.data;
    last = p + headers.len;

    while (p < last) {

        if ((size_t) (last - p) >= len
            && ngx_strncasecmp(p, (u_char *) "x-inngest-sdk:", len) == 0)
        {
            return 1;
        }

        next = ngx_strlchr(p, last, '\n');

        if (next == NULL) {
            return 0;
        }

        p = next + 1;
    }

    return 0;
}
