/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Builds the request of a leased call from what is stored (protocol 4.1): of
 * an app, of the URL that a gateway's step names (dur_gateway.h), or of a
 * route's target (dur_forward.h).  Runs
 * after the commit, outside the commit thread, in a read transaction of
 * its own that is over when the function returns.
 */

#ifndef DUR_CALL_H
#define DUR_CALL_H

#include "engine/dur_base.h"
#include "engine/dur_call_body.h"
#include "engine/dur_plan_call.h"
#include "engine/dur_store.h"
#include "engine/dur_workflow_store.h"

/* What another server knows this one by (dur_served.h). */
typedef struct {
    dur_str_t   app;
    dur_str_t   key;                /* signing keys, or empty */
    dur_str_t   fallback;
    dur_str_t   event;              /* event key */
} dur_call_key_t;

typedef struct {
    dur_str_t   signing_key;        /* empty: not signed (dev) */
    bool        dev;                /* server kind header */
    int64_t     now_ms;             /* for the signature */
    size_t      nserved;
    const dur_call_key_t  *served;
    dur_plan_secrets_t     secrets; /* of headers of workflows */
} dur_call_options_t;

typedef struct {
    uint32_t   app;
    bool       gateway;             /* to a URL of a step, not to the app */
    bool       forward;             /* the request that an event was */
    bool       exec;                /* no request: a program */
    int64_t    timeout_ms;
    uint64_t   max_body;            /* of the answer, bytes */
    dur_buf_t  method;              /* all reused from call to call */
    dur_buf_t  url;
    dur_buf_t  headers;             /* "Name: value\n" lines */
    dur_buf_t  body;
    dur_buf_t  scratch;

    dur_call_body_t  rest;          /* in place of body, when it is large */

    dur_arena_t            arena;   /* of workflows */
    dur_workflow_cache_t  *workflows;
    char                   error[512];  /* why there is no call */
} dur_call_t;

void dur_call_init(dur_call_t *call);
void dur_call_deinit(dur_call_t *call);

/* DUR_ENOTFOUND: the lease or its run is gone, or the generation is another
 * one: drop it silently.  DUR_ECORRUPT: what the request is made of is not
 * there, and will not be.  DUR_EINVAL: the request of a workflow's step can
 * never be made, DUR_EACCES: not now; call->error says why.  A call with
 * rest.length > 0 has a body that is read with dur_call_body_read(). */
dur_rc_t dur_call_build(dur_store_t *store, uint64_t item,
    uint32_t generation, const dur_call_options_t *options, dur_call_t *call);

#endif /* DUR_CALL_H */
