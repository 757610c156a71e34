/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Apps and functions: what is stored of a registration, and the cache of it
 * that the commit thread decides from.  The cache is read from the store when
 * the engine opens, after an abort, and after every registration that changed
 * something; it belongs to the engine.
 */

#ifndef DUR_REGISTRY_H
#define DUR_REGISTRY_H

#include "engine/dur_base.h"
#include "engine/dur_config.h"
#include "engine/dur_expr.h"
#include "engine/dur_option.h"
#include "engine/dur_store.h"
#include "engine/dur_target.h"

typedef struct dur_engine_s  dur_engine_t;

/* Who is called. */
typedef enum {
    DUR_FUNCTION_APP = 0,           /* an SDK, which runs it */
    DUR_FUNCTION_FORWARD,           /* the target of a route: the event is
                                       sent on as the request it was */
    DUR_FUNCTION_ENDPOINT,          /* a durable endpoint: nobody registered
                                       it; url is that of its server */
    DUR_FUNCTION_WORKFLOW           /* nginx.conf: dur_workflow.h */
} dur_function_kind_t;

typedef struct {
    dur_str_t    event;             /* name or wildcard pattern; empty: cron */
    dur_str_t    cron;
    uint32_t     jitter;            /* ms, of a cron */
    dur_str_t    expression;
    dur_expr_t  *expr;              /* compiled, NULL without expression */
} dur_trigger_t;

typedef struct {
    uint32_t        id;
    uint32_t        app;
    uint32_t        version;
    bool            archived;
    bool            paused;
    bool            resuming;       /* what waited is being put back */
    bool            unreadable;     /* its options: an older version took
                                       what this one refuses; none applies */
    uint8_t         kind;           /* dur_function_kind_t */
    uint32_t        timeout;        /* ms of a call, 0: that of all */
    unsigned        retries;
    int64_t         created;        /* ms, of the first registration */
    int64_t         archived_at;
    dur_str_t       slug;
    dur_str_t       name;
    dur_str_t       url;            /* with fnId, as the SDK sent it */
    dur_str_t       config;         /* JSON of the function as sent */
    unsigned        ntriggers;
    dur_trigger_t  *triggers;
    dur_option_t    option;         /* what `config` asks for, compiled */
    char            uuid[DUR_UUID_TEXT_LEN + 1];
} dur_function_t;

typedef struct {
    uint32_t   id;
    bool       registered;          /* false: a URL that never synced */
    bool       removed;
    bool       forward;             /* a route's target: never synced */
    bool       ordered;             /* its calls go one after the other */
    bool       endpoint;            /* a server with durable endpoints */
    bool       served;              /* of the steps that other servers ask
                                       for, see dur_served.h */
    bool       workflow;            /* forward, and of durable_function: its
                                       functions, or a target of its steps */
    bool       syncing;             /* somebody wants it asked to register */
    bool       maybe_ready;         /* false: no ready rows for sure */
    uint32_t   leases;              /* calls out now */
    uint32_t   max_calls;           /* 0: not asked for yet */
    int64_t    created;
    int64_t    removed_at;          /* ms; 0: an older version removed it */
    int64_t    synced;              /* ms: it registered, or was asked and is
                                       as it was; 0: not known */
    dur_str_t  name;
    dur_str_t  url;                 /* normalised */
    dur_str_t  sdk;
    dur_str_t  framework;
    dur_str_t  version;
    dur_str_t  error;               /* of the last sync, empty: fine */
    uint8_t    checksum[32];
    dur_target_t  target;           /* whether it answers */
} dur_registered_app_t;

/* One row of the trigger index, sorted by pattern, function, trigger. */
typedef struct {
    dur_str_t  pattern;
    uint32_t   function;
    uint32_t   trigger;
} dur_trigger_index_t;

typedef struct {
    dur_arena_t            arena;
    uint32_t               napps;           /* highest id */
    dur_registered_app_t **apps;            /* by id - 1, NULL gaps */
    uint32_t               nfunctions;
    dur_function_t       **functions;       /* by id - 1, NULL gaps */
    uint32_t               nslugs;
    dur_function_t       **slugs;           /* by slug, then id */
    uint32_t               nindex;
    dur_trigger_index_t   *index;
} dur_registry_t;

/* Reads everything, also the number of leases and the health per app. */
dur_rc_t dur_registry_load(dur_registry_t *r, dur_txn_t *t);
void dur_registry_unload(dur_registry_t *r);

/* True while one more call may go to the app. */
bool dur_registry_may_call(dur_registered_app_t *app,
    const dur_config_t *conf);
/* The configuration has changed. */
void dur_registry_configure(dur_registry_t *r);

/* NULL when unknown. */
dur_registered_app_t *dur_registry_app(const dur_registry_t *r, uint32_t id);
dur_function_t *dur_registry_function(const dur_registry_t *r, uint32_t id);
/* One that is archived gives way to one that is not. */
dur_function_t *dur_registry_function_by_slug(const dur_registry_t *r,
    dur_str_t slug);
/* The same among those of one kind, so that a row keeps its kind. */
dur_function_t *dur_registry_function_of(const dur_registry_t *r,
    dur_function_kind_t kind, dur_str_t slug);
dur_registered_app_t *dur_registry_app_by_name(const dur_registry_t *r,
    dur_str_t name);

/* Write a row; the cache learns of it with the next load. */
dur_rc_t dur_registry_app_put(dur_engine_t *e,
    const dur_registered_app_t *app);
dur_rc_t dur_registry_function_put(dur_engine_t *e, const dur_function_t *fn);

/* The UUID of a function, the same in every store. */
void dur_registry_function_uuid(const dur_function_t *fn,
    char uuid[DUR_UUID_TEXT_LEN + 1]);

/* Decoders of rows, for the readers outside the commit thread; strings are
 * borrowed from the row, triggers are not decoded. */
dur_rc_t dur_registry_app_decode(dur_str_t key, dur_str_t row,
    dur_registered_app_t *app);
dur_rc_t dur_registry_function_decode(dur_str_t key, dur_str_t row,
    dur_function_t *fn);

#endif /* DUR_REGISTRY_H */
