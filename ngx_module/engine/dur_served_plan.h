/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Workflows for another server: the memos are in its call, the plan is that of
 * dur_plan, and what it wants is said as SDKs say it (protocol 5).  A step
 * that is alone is executed in the same call; several are planned, and the
 * server calls for each.  Pure; knows no store.
 */

#ifndef DUR_SERVED_PLAN_H
#define DUR_SERVED_PLAN_H

#include "engine/dur_base.h"
#include "engine/dur_gateway.h"
#include "engine/dur_plan.h"
#include "engine/dur_served.h"
#include "engine/dur_served_app.h"
#include "engine/dur_served_call.h"

typedef enum {
    DUR_SERVED_OPS = 1,         /* text: an array of ops */
    DUR_SERVED_EXECUTE,         /* op: a step, or an event to be sent */
    DUR_SERVED_COMPLETED,       /* text: the result of the function */
    DUR_SERVED_ENDED,           /* text: its error */
    DUR_SERVED_MISSING,         /* the step that was asked for */
    DUR_SERVED_UNKNOWN          /* memos are not in the call */
} dur_served_next_kind_t;

typedef struct {
    dur_served_next_kind_t  kind;
    dur_str_t               text;
    dur_plan_op_t           op;
} dur_served_next_t;

typedef struct {
    const dur_plan_def_t     *def;
    const dur_served_call_t  *call;
    dur_str_t                 app;      /* before the names of functions */
    size_t                    ndefs;    /* those that are served */
    dur_plan_def_t *const    *defs;
    int64_t                   now_ms;
    dur_arena_t              *arena;
} dur_served_plan_t;

/* What the call is answered with; step is the one that it names, or NULL.
 * All is from the arena.  DUR_ENOMEM. */
dur_rc_t dur_served_plan(const dur_served_plan_t *p, const dur_hash_t *step,
    dur_served_next_t *next);

/*
 * The request of what is to be executed.  In place of a secret stands what
 * dur_served_build() puts it in for.  `api` is the server, where events go.
 * DUR_EINVAL and a sentence, DUR_ETOOBIG, DUR_ENOMEM.
 */
dur_rc_t dur_served_plan_request(const dur_served_plan_t *p,
    const dur_plan_op_t *op, dur_str_t api, const dur_gateway_call_t *call,
    dur_served_request_t *request, char err[256]);

#endif /* DUR_SERVED_PLAN_H */
