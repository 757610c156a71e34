/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The options of `durable dev` and `durable start` with their types, checked
 * as far as that is possible without touching anything: numbers, URLs, keys.
 * All texts are owned by the durable_flags_t they were made from.
 */

#ifndef DURABLE_OPTIONS_H
#define DURABLE_OPTIONS_H

#include <stdint.h>

#include "durable_flags.h"

#define DURABLE_PORT_DEFAULT  8288
#define DURABLE_PORT_TRIES    100
#define DURABLE_HOST_LEN      256


typedef struct {
    durable_mode_t   command;

    char              **urls;           /* with a scheme */
    size_t              nurls;
    char              **event_keys;
    size_t              nevent_keys;
    char               *signing_key;    /* NULL: none */
    char               *signing_key_fallback;

    char                host[DURABLE_HOST_LEN];     /* [::1], 1.2.3.4 */
    char                address[DURABLE_HOST_LEN];  /* without brackets */
    unsigned            port;           /* 0: the first free one */
    const char         *port_where;     /* who asked for it */

    bool                discovery;
    bool                poll;
    int64_t             poll_interval;  /* ms, -1: the default */
    int64_t             retry_interval; /* ms, 0: the table */

    bool                persist;
    const char         *store;          /* NULL: a temporary directory */
    unsigned            workers;        /* 0: one per processor */
    const char         *nginx;          /* NULL: look for it */
    const char         *module;
    bool                print_config;
    bool                json;
    unsigned            verbose;
} durable_settings_t;


/* False with a sentence in f->error. */
bool durable_options_make(durable_flags_t *f, durable_settings_t *o);

#endif /* DURABLE_OPTIONS_H */
