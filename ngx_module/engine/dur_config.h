/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What the directives decide for the engine.  The leader's first op carries it
 * as a canonical blob, the engine stores it and decides from what it stored,
 * so a replay decides the same.
 */

#ifndef DUR_CONFIG_H
#define DUR_CONFIG_H

#include "engine/dur_base.h"

/* Apps with a limit of their own. */
#define DUR_CONFIG_APPS  64

typedef struct {
    dur_hash_t  url;            /* of the normalised URL */
    uint32_t    max_calls;
} dur_config_app_t;

typedef struct {
    bool      dev;              /* durable_mode dev */
    int64_t   retry_interval;   /* ms, -1: the back-off table */
    int64_t   retention;        /* ms a finished run is kept, 0: for ever */
    uint32_t  max_steps;        /* per run, default 1000 */
    uint32_t  max_calls;        /* leases per app, default 128 */
    uint32_t  max_concurrency;  /* leases of all apps, default 1000 */
    uint32_t  napps;
    dur_config_app_t  apps[DUR_CONFIG_APPS];    /* by hash; others: above */
    uint64_t  max_output;       /* bytes of one step's output, 4 MiB */
    uint64_t  max_state;        /* bytes of all outputs of a run, 32 MiB */
    int64_t   call_timeout;     /* ms for one call, default 2 h */
} dur_config_t;

/* Every default of the table above. */
void dur_config_init(dur_config_t *conf);

/*
 * A limit of calls at a time that is the app's own.  The URL is normalised
 * already; one that is there gets the new limit.  DUR_EFULL: too many.
 */
dur_rc_t dur_config_app_add(dur_config_t *conf, dur_str_t url,
    uint32_t max_calls);
uint32_t dur_config_app_calls(const dur_config_t *conf, dur_str_t url);

/* Fixed-order TLV; decode accepts missing fields (their default). */
dur_rc_t dur_config_encode(const dur_config_t *conf, dur_buf_t *out);
dur_rc_t dur_config_decode(dur_str_t in, dur_config_t *conf);

#endif /* DUR_CONFIG_H */
