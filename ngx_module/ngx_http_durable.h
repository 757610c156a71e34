
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * What the files of the HTTP half share.  A request is routed (server), let in
 * (auth), read (body), made an op (event, register) or a query (rest), and
 * answered (respond).  Leaders, links and threads are on the other side of
 * ngx_durable.h.
 */


#ifndef _NGX_HTTP_DURABLE_H_INCLUDED_
#define _NGX_HTTP_DURABLE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_durable.h"
#include "engine/dur_cancellation.h"
#include "engine/dur_exposition.h"
#include "engine/dur_json.h"
#include "engine/dur_query.h"
#include "engine/dur_realtime.h"
#include "engine/dur_served.h"
#include "engine/dur_served_app.h"
#include "engine/dur_served_call.h"
#include "engine/dur_sign.h"
#include "engine/dur_time.h"
#include "engine/dur_ulid.h"
#include "engine/dur_verify.h"
#include "engine/dur_webhook.h"


#define NGX_HTTP_DURABLE_VERSION       "0.1.0"

#define NGX_HTTP_DURABLE_NAME_MAX      512
#define NGX_HTTP_DURABLE_REQUEST_MAX   (16 * 1024 * 1024)
#define NGX_HTTP_DURABLE_BUFFER_MAX    (64 * 1024 * 1024)
#define NGX_HTTP_DURABLE_ERROR_LEN     512
#define NGX_HTTP_DURABLE_OUTCOMES      9        /* of $durable_status */


/* The context of the directives in "durable_function"; a bit that no module
 * of nginx has. */
#define NGX_HTTP_DURABLE_FUNCTION_CONF  0x00200000


typedef struct ngx_http_durable_ctx_s    ngx_http_durable_ctx_t;
typedef struct ngx_http_durable_route_s  ngx_http_durable_route_t;
typedef struct ngx_http_durable_serve_s  ngx_http_durable_serve_t;
typedef struct ngx_http_durable_served_s  ngx_http_durable_served_t;
typedef struct ngx_http_durable_dashboard_s  ngx_http_durable_dashboard_t;

typedef ngx_int_t (*ngx_http_durable_handler_pt)(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
typedef dur_rc_t (*ngx_http_durable_query_pt)(dur_store_t *s,
    const dur_ulid_t *id, dur_buf_t *out);
typedef dur_rc_t (*ngx_http_durable_all_pt)(dur_store_t *s, dur_buf_t *out);
typedef ngx_int_t (*ngx_http_durable_wait_pt)(ngx_http_request_t *r,
    void *data, ngx_uint_t last);
typedef void (*ngx_http_durable_reply_pt)(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);


#include "ngx_http_durable_watch.h"


/* Where a directive stands, for messages about several of them. */
typedef struct {
    ngx_str_t                      file;
    ngx_uint_t                     line;    /* 0: it is not there */
} ngx_http_durable_place_t;


/*
 * Buffers of the worker.  They are used within one call and hold nothing
 * across requests but their memory, so that a request in steady state
 * allocates none.
 */
typedef struct {
    dur_buf_t                      body;
    dur_buf_t                      text;
    dur_buf_t                      canonical;
    dur_buf_t                      op;
    dur_arena_t                    arena;
    dur_ulid_t                     last;
    u_char                         random[1024];
    size_t                         left;
    ngx_http_durable_figures_t     figures[NGX_HTTP_DURABLE_FIGURES];
} ngx_http_durable_scratch_t;


/* A durable_function while its block is read. */
typedef struct {
    ngx_str_t                      name;
    ngx_http_durable_place_t       place;
    dur_buf_t                      text;    /* its definition so far */
    ngx_uint_t                     depth;   /* of blocks */
    unsigned                       failure:1;   /* on_failure was there */
} ngx_http_durable_function_t;


/* Where a step is sent to. */
typedef struct {
    ngx_str_t                      url;
    ngx_http_durable_place_t       place;
} ngx_http_durable_target_t;


typedef struct {
    ngx_durable_conf_t             durable;
    ngx_path_t                    *path;

    ngx_http_durable_place_t       store;
    ngx_http_durable_place_t       sidecar;
    ngx_http_durable_place_t       app;
    ngx_http_durable_place_t       server;
    ngx_http_durable_place_t       status;
    ngx_http_durable_place_t       metrics;
    ngx_http_durable_place_t       route;
    ngx_http_durable_place_t       serve;
    ngx_http_durable_place_t       dashboard;
    ngx_http_durable_place_t       keyed;   /* a dashboard with the key */
    ngx_http_durable_place_t       function;

    ngx_http_durable_function_t   *current;     /* whose block is read */
    ngx_array_t                    function_places;
    ngx_array_t                    targets;     /* of steps */

    ngx_array_t                    forwards;    /* of pointers to
                                                   ngx_http_durable_hook_t */
    ngx_array_t                    serves;      /* the same, of
                                                   ngx_http_durable_serve_t */
    ngx_array_t                    functions;   /* of dur_served_route_t */
    ngx_array_t                    workflows;   /* of dur_plan_def_t *, those
                                                   that are served */

    ngx_str_t                      kind;    /* "dev" or "cloud" */
    ngx_shm_zone_t                *tally;   /* of routes; NULL: there is
                                               none */
    ngx_http_durable_scratch_t     scratch;
    unsigned                       warned:1;
} ngx_http_durable_main_conf_t;


typedef enum {
    NGX_HTTP_DURABLE_NONE = 0,
    NGX_HTTP_DURABLE_SERVER,
    NGX_HTTP_DURABLE_STATUS,
    NGX_HTTP_DURABLE_ROUTE,
    NGX_HTTP_DURABLE_SERVE,
    NGX_HTTP_DURABLE_METRICS,
    NGX_HTTP_DURABLE_DASHBOARD
} ngx_http_durable_surface_e;


/* What durable_verify says. */
typedef struct {
    const dur_verify_scheme_t     *scheme;
    ngx_uint_t                     tolerance;   /* seconds, 0: the scheme's */
    ngx_array_t                    secrets;     /* of dur_str_t */
} ngx_http_durable_verify_t;


/* A location with durable_route, and what may stand above it. */
typedef struct {
    ngx_http_complex_value_t      *connector;   /* NULL: of the path */
    ngx_str_t                      name;        /* the connector, when it is
                                                   always the same */
    ngx_str_t                      also;        /* a second event's name */
    ngx_uint_t                     methods;
    ngx_http_complex_value_t      *base;        /* of the URL */
    ngx_http_durable_place_t       place;

    ngx_str_t                      forward;
    ngx_msec_t                     timeout;
    ngx_flag_t                     ordered;
    ngx_http_durable_place_t       forward_place;

    ngx_http_durable_verify_t     *verify;      /* NULL: nothing is asked */
    ngx_int_t                      retries;
    ngx_http_complex_value_t      *dedupe;      /* NULL: as the provider
                                                   says */
    ngx_uint_t                     status;      /* 0: sync */
    ngx_msec_t                     sync;
    ngx_http_durable_place_t       sync_place;
} ngx_http_durable_hook_t;


/* What durable_serve says. */
struct ngx_http_durable_serve_s {
    ngx_str_t                      app;
    ngx_str_t                      server;      /* without a slash behind */
    ngx_str_t                      events;
    ngx_str_t                      key;         /* empty: nothing is signed */
    ngx_str_t                      fallback;
    ngx_str_t                      event_key;
    ngx_str_t                      origin;
    ngx_http_durable_place_t       place;
};


/* A webhook on its way in. */
typedef struct {
    ngx_http_durable_hook_t       *hook;
    dur_webhook_t                  webhook;
    ngx_str_t                      connector;
    dur_ulid_t                     ulid;        /* of the event */
    dur_str_t                      id;          /* by which a repeated one is
                                                   known, or empty */
    ngx_str_t                      event;       /* $durable_event_id */
    ngx_str_t                      runs;        /* $durable_run_id */
    ngx_str_t                      outcome;     /* $durable_status */
} ngx_http_durable_delivery_t;


typedef struct {
    ngx_uint_t                     surface;
    ngx_http_handler_pt            handler;     /* of that surface */
    ngx_http_durable_hook_t        hook;
    ngx_http_durable_serve_t      *serve;
    ngx_http_durable_dashboard_t  *dashboard;
} ngx_http_durable_loc_conf_t;


typedef enum {
    NGX_HTTP_DURABLE_OPEN = 0,
    NGX_HTTP_DURABLE_EVENT_KEY,             /* in the path */
    NGX_HTTP_DURABLE_SIGNING_KEY,           /* as a bearer token */
    NGX_HTTP_DURABLE_PEOPLE,                /* that, or by a dashboard */
    NGX_HTTP_DURABLE_PUBLISH                /* that, or a realtime token */
} ngx_http_durable_auth_e;


struct ngx_http_durable_route_s {
    ngx_uint_t                     methods;
    ngx_str_t                      pattern; /* "*": segment, "**": rest */
    ngx_http_durable_auth_e        auth;
    ngx_http_durable_handler_pt    handler;
};


/*
 * An event on its way in, piece by piece.  write() appends more of its text:
 * NGX_OK, NGX_DONE after the last of it, NGX_ERROR; at most 1M at a time.
 */
typedef struct {
    dur_ulid_t                     id;
    ngx_int_t                    (*write)(void *data, dur_buf_t *out);
    void                          *data;
    ngx_http_durable_handler_pt    done;
    uint32_t                       length;      /* of what is stored */

    uint64_t                       pieces;
    dur_buf_t                      text;        /* that is not stored yet */
    ngx_uint_t                     written;     /* all of it is made */
} ngx_http_durable_upload_t;


/* A request of the server that orchestrates this nginx as an app. */
struct ngx_http_durable_served_s {
    ngx_http_durable_serve_t      *serve;
    ngx_str_t                     *key;         /* that signed it, or NULL */
    ngx_uint_t                     refused;     /* its signature was none */

    dur_ulid_t                     run;         /* what is executed, */
    dur_hash_t                     step;
    uint64_t                       call;
    dur_served_t                   result;      /* and what became of it */
    ngx_msec_t                     timeout;
    ngx_http_durable_handler_pt    done;        /* scratch.text has the JSON */
    void                          *data;
};


typedef struct ngx_http_durable_stream_s  ngx_http_durable_stream_t;


/* A step that is executed for it. */
typedef struct {
    ngx_str_t                      name;
    ngx_uint_t                     last;        /* its last attempt */
} ngx_http_durable_step_t;


struct ngx_http_durable_ctx_s {
    ngx_durable_op_t               op;
    ngx_http_request_t            *request;
    ngx_http_durable_main_conf_t  *conf;
    const ngx_http_durable_route_t  *route;
    ngx_http_durable_delivery_t   *delivery;    /* of durable_route */
    ngx_http_durable_served_t     *served;      /* of durable_serve */
    ngx_http_durable_dashboard_t  *dashboard;   /* of durable_dashboard */

    ngx_str_t                      args[2]; /* what the pattern's "*" met */
    off_t                          limit;   /* of the body, 0: none */
    off_t                          received;

    ngx_http_durable_handler_pt    read;    /* the body is here */
    ngx_http_durable_reply_pt      reply;
    ngx_http_durable_upload_t     *upload;
    ngx_http_durable_stream_t     *stream;
    void                          *websocket;
    void                          *sse;

    dur_ulid_t                    *ids;
    ngx_uint_t                     nids;
    ngx_uint_t                     status;  /* of what was found, 0: 200 */

    ngx_str_t                      error;   /* the body in place of nginx's */

    unsigned                       reading:1;
    unsigned                       waiting:1;
    unsigned                       cleanup:1;
    unsigned                       answered:1;
    unsigned                       replace:1;
    unsigned                       replaced:1;
    unsigned                       events:1;    /* errors have "ids" */
    unsigned                       v2:1;        /* the words of 8.5 */
    unsigned                       comment:1;   /* errors are "# text" */
    unsigned                       seeded:1;
    unsigned                       unseeded:1;
};


/* ngx_http_durable_conf.c */
void *ngx_http_durable_create_main_conf(ngx_conf_t *cf);
char *ngx_http_durable_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_http_durable_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_durable_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);

/* ngx_http_durable_module.c */
char *ngx_http_durable_taken(ngx_http_durable_loc_conf_t *dlcf,
    ngx_uint_t surface);

/* ngx_http_durable_set.c */
char *ngx_http_durable_set_function(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_durable_set_word(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_durable_set_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_durable_function_init(ngx_conf_t *cf);
/* The upstream block that the host of a URL names, NULL. */
ngx_http_upstream_srv_conf_t *ngx_http_durable_upstream(ngx_conf_t *cf,
    ngx_str_t *url);
void ngx_http_durable_place(ngx_conf_t *cf, ngx_http_durable_place_t *place);
ngx_int_t ngx_http_durable_check_url(ngx_str_t *url);
ngx_int_t ngx_http_durable_check_signing_key(ngx_str_t *key);
char *ngx_http_durable_set_store(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_durable_set_sidecar(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_durable_set_event_key(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_durable_set_signing_key(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_durable_set_app(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ngx_http_durable_secret.c */
ngx_int_t ngx_http_durable_secret(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *secret);

/* ngx_http_durable_route_conf.c */
char *ngx_http_durable_set_route(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_durable_set_forward(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_durable_set_dedupe(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_durable_set_respond(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ngx_http_durable_route_merge.c */
void ngx_http_durable_route_create(ngx_http_durable_hook_t *hook);
char *ngx_http_durable_route_merge(ngx_conf_t *cf,
    ngx_http_durable_loc_conf_t *prev, ngx_http_durable_loc_conf_t *conf);
ngx_int_t ngx_http_durable_route_segment(ngx_str_t *path, ngx_uint_t whole,
    ngx_str_t *segment);
ngx_int_t ngx_http_durable_route_init(ngx_conf_t *cf);

/* ngx_http_durable_route_verify.c */
char *ngx_http_durable_set_verify(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_durable_route_verify(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_route_custom.c */
dur_verify_scheme_t *ngx_http_durable_custom(ngx_conf_t *cf);
ngx_int_t ngx_http_durable_custom_option(ngx_conf_t *cf,
    dur_verify_scheme_t *scheme, ngx_str_t *option);
ngx_int_t ngx_http_durable_custom_check(ngx_conf_t *cf,
    dur_verify_scheme_t *scheme);

/* ngx_http_durable_route.c */
ngx_int_t ngx_http_durable_route_handler(ngx_http_request_t *r);

/* ngx_http_durable_route_event.c */
ngx_int_t ngx_http_durable_route_read(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_route_headers(ngx_http_request_t *r,
    dur_webhook_t *w);
ngx_int_t ngx_http_durable_route_events(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_op_t *op);
ngx_int_t ngx_http_durable_route_event(ngx_http_durable_ctx_t *ctx,
    ngx_uint_t second, dur_op_event_t *event, dur_webhook_event_t *e);

/* ngx_http_durable_route_upload.c */
ngx_int_t ngx_http_durable_route_upload(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_http_durable_reply_pt reply);

/* ngx_http_durable_route_sync.c */
ngx_int_t ngx_http_durable_route_sync(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_serve_conf.c */
char *ngx_http_durable_set_serve(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_durable_serve_init(ngx_conf_t *cf);

/* ngx_http_durable_serve.c */
ngx_int_t ngx_http_durable_serve_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_durable_serve_app(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_served_app_t *app);
ngx_int_t ngx_http_durable_serve_send(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_uint_t status, dur_str_t body);
ngx_int_t ngx_http_durable_serve_error(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_uint_t status, const char *name,
    const char *fmt, ...);
ngx_int_t ngx_http_durable_serve_execute(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const dur_served_request_t *request);

/* ngx_http_durable_serve_sync.c */
ngx_int_t ngx_http_durable_serve_inspect(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_serve_sync(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t body);

/* ngx_http_durable_serve_call.c */
ngx_int_t ngx_http_durable_serve_call(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t body);
ngx_int_t ngx_http_durable_serve_step(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const dur_served_call_t *call,
    ngx_http_durable_step_t *step, dur_served_request_t *request);
ngx_int_t ngx_http_durable_serve_missing(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_str_t *id);
ngx_int_t ngx_http_durable_serve_final(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t error);

/* ngx_http_durable_serve_flow.c */
ngx_int_t ngx_http_durable_serve_flow(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const dur_plan_def_t *def,
    const dur_served_call_t *call);

/* ngx_http_durable_redact.c */
char *ngx_http_durable_set_redact(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_uint_t ngx_http_durable_redacted(ngx_http_durable_ctx_t *ctx,
    dur_redact_what_t what, dur_str_t json);
ngx_int_t ngx_http_durable_redacted_error(ngx_http_request_t *r);

/* ngx_http_durable_relay.c */
ngx_int_t ngx_http_durable_relay_headers(ngx_http_request_t *r,
    const json_t *headers, ngx_str_t *type);
ngx_int_t ngx_http_durable_relay_copy(ngx_http_request_t *r, dur_str_t s,
    ngx_str_t *copy);

/* ngx_http_durable_variables.c */
ngx_int_t ngx_http_durable_add_variables(ngx_conf_t *cf);

/* ngx_http_durable_server.c */
ngx_int_t ngx_http_durable_server_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_durable_server_route(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_str_t *path);
ngx_http_durable_ctx_t *ngx_http_durable_ctx(ngx_http_request_t *r);
ngx_uint_t ngx_http_durable_match(ngx_str_t *pattern, ngx_str_t *uri,
    ngx_str_t *args);
ngx_int_t ngx_http_durable_no_route(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_uint_t allowed);

/* ngx_http_durable_auth.c */
ngx_int_t ngx_http_durable_auth_signing_key(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_auth(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_body.c */
ngx_int_t ngx_http_durable_read_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, off_t limit,
    ngx_http_durable_handler_pt handler);
ngx_int_t ngx_http_durable_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t *body);
ngx_int_t ngx_http_durable_body_filter_init(ngx_conf_t *cf);

/* ngx_http_durable_submit.c */
ngx_int_t ngx_http_durable_submit(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_op_t *op,
    ngx_http_durable_reply_pt reply);
ngx_int_t ngx_http_durable_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);
void ngx_http_durable_reply_as_is(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);
ngx_int_t ngx_http_durable_entropy(ngx_http_durable_scratch_t *s, u_char *p,
    size_t n);
ngx_int_t ngx_http_durable_ulid(ngx_http_durable_scratch_t *s, uint64_t ms,
    dur_ulid_t *id);

/* ngx_http_durable_upload.c */
ngx_int_t ngx_http_durable_upload(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_http_durable_upload_t *upload);
ngx_int_t ngx_http_durable_upload_refuse(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_event.c */
ngx_int_t ngx_http_durable_event_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

ngx_int_t ngx_http_durable_replay_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_app.c */
ngx_int_t ngx_http_durable_add_app_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_sync_app_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_remove_app_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_remove_url_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_invoke.c */
ngx_int_t ngx_http_durable_invoke_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_parse.c */
ngx_int_t ngx_http_durable_events_parse(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t body, dur_op_t *op,
    json_t **root);
ngx_int_t ngx_http_durable_replay_parse(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t text, dur_op_t *op,
    json_t **root);
ngx_int_t ngx_http_durable_invoke_parse(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_str_t body, dur_op_t *op);

/* ngx_http_durable_register.c */
ngx_int_t ngx_http_durable_register_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_remove_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_checkpoint.c */
ngx_int_t ngx_http_durable_checkpoint_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_endpoint.c */
ngx_int_t ngx_http_durable_endpoint_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_token_check(ngx_http_durable_ctx_t *ctx,
    ngx_str_t *token, dur_ulid_t *run);

/* ngx_http_durable_token.c */
ngx_int_t ngx_http_durable_token_sign(ngx_http_durable_ctx_t *ctx,
    dur_str_t claims, dur_buf_t *out);
ngx_int_t ngx_http_durable_token_verify(ngx_http_durable_ctx_t *ctx,
    ngx_str_t *token, json_t **claims);

/* ngx_http_durable_realtime.c */
ngx_int_t ngx_http_durable_realtime_token_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_publish_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_tee_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_uint_t ngx_http_durable_realtime_token(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, json_t **claims,
    dur_realtime_grant_t *grant);
ngx_int_t ngx_http_durable_realtime_refuse(ngx_http_request_t *r,
    ngx_uint_t status);
ngx_int_t ngx_http_durable_realtime_publisher(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_handshake.c */
ngx_uint_t ngx_http_durable_handshake(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_str_t **key);
ngx_int_t ngx_http_durable_handshake_answer(ngx_http_request_t *r,
    ngx_str_t *key);

/* ngx_http_durable_websocket.c */
ngx_int_t ngx_http_durable_connect_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_sse.c */
ngx_int_t ngx_http_durable_sse_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_feed_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_output.c */
ngx_int_t ngx_http_durable_output_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_rest.c */
ngx_int_t ngx_http_durable_batch_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_actions_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_one_event_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_event_runs_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_history_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_tree_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_jobs_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_step_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_cancel_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_cancel_v0_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_cancel(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_http_durable_reply_pt reply);
ngx_int_t ngx_http_durable_by_id(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, const char *what, ngx_uint_t envelope,
    ngx_http_durable_query_pt query);
ngx_int_t ngx_http_durable_all(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, ngx_http_durable_all_pt query);
ngx_int_t ngx_http_durable_id(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_ulid_t *id);
dur_buf_t *ngx_http_durable_answer(ngx_http_durable_ctx_t *ctx,
    ngx_uint_t envelope);
ngx_int_t ngx_http_durable_found(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, const dur_query_page_t *page,
    ngx_uint_t envelope);

/* ngx_http_durable_list.c */
ngx_int_t ngx_http_durable_arg(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);
ngx_int_t ngx_http_durable_events_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_runs_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_list_runs(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_query_list_t *want);
ngx_int_t ngx_http_durable_app_functions_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_functions_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_apps_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_accept.c */
ngx_int_t ngx_http_durable_traces_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_metadata_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_control.c */
ngx_int_t ngx_http_durable_signal_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_rerun_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_cancellations_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_cancellation_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_uncancel_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_pause_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_resume_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

json_t *ngx_http_durable_control_parse(ngx_http_request_t *r,
    dur_str_t body, ngx_int_t *rc);
ngx_int_t ngx_http_durable_control_submit(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_op_t *op,
    ngx_http_durable_reply_pt reply);
void ngx_http_durable_control_reply(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx, dur_rc_t rc, dur_reply_t *reply);

/* ngx_http_durable_delivery.c */
ngx_int_t ngx_http_durable_routes_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_deliveries_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_redeliver_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_redeliver_many_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_redeliveries_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_redelivery_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_unredeliver_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_bulk.c */
ngx_int_t ngx_http_durable_bulk_begin_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_bulks_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_bulk_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_bulk_stop_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_v2.c */
ngx_int_t ngx_http_durable_v2_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_status.c */
ngx_int_t ngx_http_durable_status_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_durable_health_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_dev_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_telemetry_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_tally.c */
ngx_int_t ngx_http_durable_tally_zone(ngx_conf_t *cf);
ngx_int_t ngx_http_durable_tally(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
void ngx_http_durable_tally_write(ngx_http_durable_main_conf_t *conf,
    dur_exposition_t *x);

/* ngx_http_durable_queue.c */
ngx_int_t ngx_http_durable_queue_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
ngx_int_t ngx_http_durable_function_queue_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);

/* ngx_http_durable_metrics.c */
ngx_int_t ngx_http_durable_metrics_handler(ngx_http_request_t *r);

/* ngx_http_durable_respond.c */
ngx_int_t ngx_http_durable_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *body);
ngx_int_t ngx_http_durable_send_typed(ngx_http_request_t *r,
    ngx_uint_t status, ngx_str_t *type, ngx_str_t *body);
ngx_int_t ngx_http_durable_send_text(ngx_http_request_t *r,
    ngx_uint_t status, ngx_str_t *body);
ngx_int_t ngx_http_durable_send_copy(ngx_http_request_t *r,
    ngx_uint_t status, dur_str_t body);
ngx_int_t ngx_http_durable_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *fmt, ...);
ngx_int_t ngx_http_durable_unavailable(ngx_http_request_t *r);
ngx_int_t ngx_http_durable_refuse(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *text);
const char *ngx_http_durable_error_code(ngx_uint_t status);
ngx_int_t ngx_http_durable_error_rc(ngx_http_request_t *r, dur_rc_t rc);
ngx_int_t ngx_http_durable_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);
ngx_str_t *ngx_http_durable_request_header(ngx_http_request_t *r,
    const char *name, size_t len);

/* ngx_http_durable_filter.c */
ngx_int_t ngx_http_durable_header_filter_init(ngx_conf_t *cf);


extern ngx_module_t  ngx_http_durable_module;


#endif /* _NGX_HTTP_DURABLE_H_INCLUDED_ */
