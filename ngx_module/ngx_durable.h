
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * The contract between the two halves of the glue.  The process half
 * (ngx_durable_*.c) elects the leader, runs the commit and call threads and
 * owns the links; the HTTP half (ngx_http_durable_*.c) reads requests, makes
 * ops of them and writes answers.  The HTTP half knows nothing of leaders.
 */


#ifndef _NGX_DURABLE_H_INCLUDED_
#define _NGX_DURABLE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "engine/dur_base.h"
#include "engine/dur_call.h"
#include "engine/dur_config.h"
#include "engine/dur_exposition.h"
#include "engine/dur_op.h"
#include "engine/dur_redact.h"
#include "engine/dur_ring.h"
#include "engine/dur_store.h"


/* The longest durable_store that leaves room for its socket's name. */
#define NGX_DURABLE_PATH_MAX                                                 \
    (sizeof(((struct sockaddr_un *) 0)->sun_path) - sizeof("/leader.sock"))


typedef struct {
    ngx_str_t           url;
    ngx_uint_t          max_calls;          /* default 128 */
} ngx_durable_app_t;


/* A durable_route that forwards. */
typedef struct {
    ngx_str_t           connector;
    ngx_str_t           url;                /* of the target */
    ngx_uint_t          retries;
    ngx_msec_t          timeout;
    ngx_flag_t          ordered;
} ngx_durable_route_t;


/* A durable_function: its definition, JSON (dur_plan.h). */
typedef struct {
    ngx_str_t           name;
    ngx_str_t           text;
} ngx_durable_workflow_t;


/* What a header of a step refers to. */
typedef struct {
    ngx_str_t           name;               /* "file:/path", "env:NAME" */
    ngx_str_t           value;
} ngx_durable_secret_t;


/* What the directives say; filled by the HTTP half at configuration time. */
typedef struct {
    ngx_str_t           path;               /* durable_store, terminated */
    uint64_t            size;
    ngx_flag_t          async;
    ngx_msec_t          retention;          /* seconds, 0: keep */
    ngx_str_t           sidecar;            /* socket path, terminated */
    ngx_flag_t          dev;
    ngx_array_t         event_keys;         /* of ngx_str_t */
    ngx_str_t           signing_key;
    ngx_str_t           signing_key_fallback;
    ngx_array_t         apps;               /* of ngx_durable_app_t */
    ngx_array_t         routes;             /* of ngx_durable_route_t, sorted
                                               by connector */
    ngx_array_t         workflows;          /* of ngx_durable_workflow_t */
    ngx_array_t         secrets;            /* of ngx_durable_secret_t */
    ngx_array_t         served;             /* of dur_call_key_t, one for each
                                               app of durable_serve */
    ngx_msec_t          poll_interval;      /* 0: only apps in error */
    ngx_flag_t          discovery;          /* dev: look for apps */
    ngx_msec_int_t      retry_interval;     /* -1: the table */
    size_t              event_max_size;
    size_t              request_max_size;
    ngx_uint_t          max_steps;
    ngx_uint_t          concurrency;        /* calls at a time, of all apps */
    size_t              realtime_size;      /* of the zone below */
    ngx_shm_zone_t     *realtime;           /* messages, of all workers */
    dur_redact_t       *redact;             /* NULL: nothing is hidden */
    ngx_uint_t          enabled;            /* durable_store is there */
} ngx_durable_conf_t;


/*
 * One op on its way.  Embedded in the caller's own structure (pool memory);
 * the bytes are copied by ngx_durable_submit(), so they may be freed at once.
 * `done` is called exactly once, later, from the event loop, unless the op is
 * orphaned before.  In it:
 *
 *   rc == DUR_OK       reply is what the engine said, valid during the call
 *   rc == DUR_EFULL    store or disk full: 503
 *   rc == DUR_EIO      the store could not be written: 503 + Retry-After; the
 *                      outcome is unknown
 *   rc == DUR_EBUSY    no leader, queue full, or no reply in time: 503 +
 *                      Retry-After; the outcome is unknown when it was sent
 *   any other          500
 */
typedef struct ngx_durable_op_s  ngx_durable_op_t;

typedef void (*ngx_durable_done_pt)(ngx_durable_op_t *op);

struct ngx_durable_op_s {
    ngx_queue_t          queue;
    uint64_t             id;
    ngx_durable_done_pt  done;
    void                *data;
    dur_rc_t             rc;
    dur_reply_t          reply;
    void                *entry;             /* of the process half */
    ngx_msec_t           sent;
    unsigned             pending:1;
    unsigned             resubmitted:3;
};

/*
 * NGX_OK: done will be called; NGX_BUSY: nothing was taken, the caller answers
 * 503 (back-pressure, or the store is not open: see ngx_durable_reason());
 * NGX_ERROR: no memory.
 */
ngx_int_t ngx_durable_submit(ngx_durable_op_t *op, dur_str_t bytes);

/* The submitter goes away: done will not be called any more. */
void ngx_durable_orphan(ngx_durable_op_t *op);

/* The store to read from, NULL while there is none (answer 503). */
dur_store_t *ngx_durable_store(void);

/* When this worker began. */
time_t ngx_durable_started(void);

/* Why the store cannot be used now, one sentence for logs and 503 bodies;
 * empty when all is well. */
ngx_str_t *ngx_durable_reason(void);

/* The file of a time zone (dur_engine.h). */
dur_rc_t ngx_durable_zone_read(void *data, dur_str_t name, dur_buf_t *bytes);

/*
 * Realtime: the ring of messages that all workers share, valid until unlock;
 * NULL without one.  Who put something into it tells.  Who wants to know of
 * new ones hears, see ngx_durable_realtime.c.
 */
typedef void (*ngx_durable_realtime_pt)(void);

ngx_int_t ngx_durable_realtime_init(ngx_shm_zone_t *zone, void *data);
dur_ring_t *ngx_durable_realtime_lock(void);
void ngx_durable_realtime_unlock(void);
void ngx_durable_realtime_tell(void);
void ngx_durable_realtime_hear(ngx_durable_realtime_pt hear,
    ngx_durable_realtime_pt quit);
/* How many listen in this worker; that one was disconnected, as it does not
 * read; and what all workers counted. */
void ngx_durable_realtime_listeners(ngx_uint_t n);
void ngx_durable_realtime_dropped(void);
void ngx_durable_realtime_metrics(dur_exposition_t *x);

/* Asked for again within 45 seconds. */
void ngx_durable_realtime_want_feed(void);
void ngx_durable_realtime_want_runs(void);

/* No name that a client can give. */
#define NGX_DURABLE_FEED_CHANNEL  dur_str("\0feed")

/*
 * What durable_status shows: an op of type DUR_OP_STATUS is answered by the
 * leader's event loop (it never reaches the engine); reply.body is a JSON
 * object: role, pid, epoch, queues, batch figures, credits, parked, pages.
 */


/*
 * Called by the HTTP half from the module's hooks.  init_process opens and
 * elects only when conf->enabled, in worker and single processes.  A store
 * problem never ends a worker: it is logged, ngx_durable_reason() says it,
 * and it is tried again with back-off.
 */
ngx_int_t ngx_durable_init_process(ngx_cycle_t *cycle,
    ngx_durable_conf_t *conf);
void ngx_durable_exit_process(ngx_cycle_t *cycle);


#endif /* _NGX_DURABLE_H_INCLUDED_ */
