/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The registration of an app (protocol 3.3-3.5, features 0.1, 0.3): decodes
 * and validates the payload of POST /fn/register into plain structures.  Pure;
 * what is stored is decided by dur_registry.
 *
 * Keys are matched without case, null is absent, unknown keys are ignored.
 */

#ifndef DUR_APP_H
#define DUR_APP_H

#include "engine/dur_base.h"

#include <jansson.h>

#define DUR_APP_TRIGGERS_MAX  10

typedef struct {
    dur_str_t  event;           /* exact name or wildcard pattern; or .. */
    dur_str_t  cron;            /* .. a cron text; one of the two is empty */
    uint32_t   jitter;          /* ms, of a cron */
    dur_str_t  expression;      /* may be empty; compiles */
} dur_app_trigger_t;

typedef struct {
    dur_str_t          slug;
    dur_str_t          name;
    dur_str_t          url;             /* of the one step, as sent */
    unsigned           retries;         /* 0..20 */
    unsigned           ntriggers;
    dur_app_trigger_t  triggers[DUR_APP_TRIGGERS_MAX];
    json_t            *config;          /* the function as sent; borrowed from
                                           dur_app_t.root */
    dur_str_t          unenforced;      /* comma list of options that are
                                           stored but not enforced yet, or
                                           empty */
} dur_app_function_t;

typedef struct {
    dur_str_t            name;          /* appName */
    dur_str_t            url;           /* normalised (protocol 3.5) */
    dur_str_t            sdk;
    dur_str_t            framework;
    dur_str_t            version;       /* appVersion; may be empty */
    uint8_t              checksum[32];  /* of the payload without
                                           featureObservations */
    size_t               nfunctions;
    dur_app_function_t  *functions;
    json_t              *root;
    dur_arena_t          arena;         /* owns all strings above */
} dur_app_t;

/*
 * On failure *err (of size) holds a sentence that names the function and the
 * field.  DUR_EINVAL: the payload is refused as a whole; DUR_ENOMEM.
 */
dur_rc_t dur_app_parse(dur_str_t payload, dur_app_t *app, char *err,
    size_t size);
void dur_app_deinit(dur_app_t *app);

/* localhost, 127.0.0.1 and 0.0.0.0 become localhost, default ports and the
 * parameter deployId are dropped; DUR_EINVAL when not http(s). */
dur_rc_t dur_app_url_normalize(dur_str_t url, dur_arena_t *arena,
    dur_str_t *out);

#endif /* DUR_APP_H */
