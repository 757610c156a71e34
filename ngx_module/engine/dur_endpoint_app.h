/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Whose durable endpoint it is: nobody registers one, so the server it runs
 * on and the function it is are made of the first request that is reported.
 * They are marked, and never met by a registration of the same names.  Their
 * number is bounded: paths may hold ids.
 */

#ifndef DUR_ENDPOINT_APP_H
#define DUR_ENDPOINT_APP_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"
#include "engine/dur_registry.h"

#include <jansson.h>

/* Servers that may have endpoints, and endpoints that each may have by name;
 * the ones beyond are one function, "*". */
#define DUR_ENDPOINT_APPS       100
#define DUR_ENDPOINT_FUNCTIONS  100

/* Longest domain, and longest name of a function, in bytes. */
#define DUR_ENDPOINT_NAME       255

typedef struct {
    dur_str_t  domain;
    dur_str_t  slug;            /* "GET /path", or what the SDK says */
    unsigned   retries;
} dur_endpoint_of_t;

/*
 * Checks the data of an inngest/http.request event: what it holds can be sent
 * again as a request.  Fills domain and slug, borrowed from the data or from
 * the arena; a reply of 400 with a sentence otherwise.
 */
dur_rc_t dur_endpoint_check(dur_engine_t *e, const json_t *data,
    dur_endpoint_of_t *of, dur_reply_t *reply);

/*
 * The function, made when it is new, with its retries as they are now; of a
 * server with too many of them it is "*".  NULL and a reply of 429: too many
 * servers.
 */
dur_rc_t dur_endpoint_find(dur_engine_t *e, dur_endpoint_of_t *of,
    dur_function_t **fn, dur_reply_t *reply);

#endif /* DUR_ENDPOINT_APP_H */
