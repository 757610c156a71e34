/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What this nginx says of itself as an app: its functions, as SDKs register
 * them, and introspection (protocol 3).  Pure; knows no store.
 */

#ifndef DUR_SERVED_APP_H
#define DUR_SERVED_APP_H

#include "engine/dur_base.h"
#include "engine/dur_plan.h"

#define DUR_SERVED_VERSION_TEXT  "0.1.0"
#define DUR_SERVED_SDK           "nginx:v" DUR_SERVED_VERSION_TEXT

/* The route of a webhook. */
typedef struct {
    dur_str_t  connector;
    dur_str_t  target;          /* its URL */
    uint32_t   timeout;         /* ms */
    unsigned   retries;
    bool       ordered;
} dur_served_route_t;

typedef struct {
    dur_str_t   app;            /* its name */
    dur_str_t   url;            /* where it is called */
    dur_str_t   api;            /* of the server, without a slash behind */
    dur_str_t   events;         /* the same, where events go */
    dur_str_t   key;            /* signing keys and event key, or empty */
    dur_str_t   fallback;
    dur_str_t   event_key;
    dur_str_t   origin;         /* what serve_origin= says, or empty */
    bool        dev;
    size_t      nroutes;
    const dur_served_route_t  *routes;
    size_t      ndefs;          /* workflows */
    dur_plan_def_t *const     *defs;
} dur_served_app_t;

/* The functions by which runs know them: "<app>-api-<connector>" and
 * "<app>-<workflow>". */
dur_rc_t dur_served_slug(dur_str_t app, dur_str_t connector, dur_buf_t *b);
dur_rc_t dur_served_slug_of(dur_str_t app, const dur_plan_def_t *def,
    dur_buf_t *b);

/* The name of the one step that a route's function has. */
dur_rc_t dur_served_step(dur_str_t target, dur_arena_t *arena,
    dur_str_t *name, dur_hash_t *id);

/* Append: the payload of POST /fn/register; the answer to an in-band sync;
 * introspection, short when nobody has shown to know the key. */
dur_rc_t dur_served_write_register(dur_buf_t *b, const dur_served_app_t *a);
dur_rc_t dur_served_write_sync(dur_buf_t *b, const dur_served_app_t *a);
dur_rc_t dur_served_write_inspection(dur_buf_t *b, const dur_served_app_t *a,
    bool authenticated, bool refused);

#endif /* DUR_SERVED_APP_H */
