
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * What the files of the process half share: the one process struct, the ops in
 * flight, the framed links, and the two threads of a leader.  The HTTP half
 * includes ngx_durable.h only.
 */


#ifndef _NGX_DURABLE_PROCESS_H_INCLUDED_
#define _NGX_DURABLE_PROCESS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <pthread.h>

#include "ngx_durable.h"
#include "engine/dur_call_body.h"
#include "engine/dur_engine.h"
#include "engine/dur_frame.h"
#include "engine/dur_metrics.h"


#define NGX_DURABLE_OPS_MAX        4096
#define NGX_DURABLE_BYTES_MAX      (8 * 1024 * 1024)
#define NGX_DURABLE_RESULTS_MAX    (32 * 1024 * 1024)

#define NGX_DURABLE_BATCH_OPS      128
#define NGX_DURABLE_BATCH_CONTROL  96
#define NGX_DURABLE_BATCH_BYTES    (256 * 1024)
#define NGX_DURABLE_BATCHES        4

#define NGX_DURABLE_BODY_MAX       (24 * 1024 * 1024)
#define NGX_DURABLE_LINK_MAX       (64 * 1024 * 1024)
#define NGX_DURABLE_SUBSCRIBER_MAX (1024 * 1024)

#define NGX_DURABLE_BACKOFF_MIN    100
#define NGX_DURABLE_BACKOFF_MAX    5000

#define NGX_DURABLE_NO_LEADER      2000
#define NGX_DURABLE_NO_REPLY       5000
#define NGX_DURABLE_DRAIN          4000


typedef struct ngx_durable_chunk_s       ngx_durable_chunk_t;
typedef struct ngx_durable_entry_s       ngx_durable_entry_t;
typedef struct ngx_durable_batch_s       ngx_durable_batch_t;
typedef struct ngx_durable_link_s        ngx_durable_link_t;
typedef struct ngx_durable_partial_s     ngx_durable_partial_t;
typedef struct ngx_durable_commit_s      ngx_durable_commit_t;
typedef struct ngx_durable_caller_s      ngx_durable_caller_t;
typedef struct ngx_durable_calls_s       ngx_durable_calls_t;
typedef struct ngx_durable_changes_s     ngx_durable_changes_t;
typedef struct ngx_durable_stream_s      ngx_durable_stream_t;


/* Which queue an op waits in. */
typedef enum {
    NGX_DURABLE_RESULT = 0,             /* kept and tried again, never lost */
    NGX_DURABLE_CONTROL,
    NGX_DURABLE_INGEST,
    NGX_DURABLE_INVENTORY,              /* goes before everything else */
    NGX_DURABLE_STATUS                  /* never reaches the engine */
} ngx_durable_class_e;


/* An op in flight, whoever sent it; memory of a chunk. */
struct ngx_durable_entry_s {
    ngx_durable_entry_t       *next;    /* the commit queues */
    ngx_queue_t                queue;   /* of its peer, dp->waiting or own */
    ngx_rbtree_node_t          node;    /* dp->sent, by id */
    ngx_durable_chunk_t       *chunk;
    ngx_durable_op_t          *op;      /* a request of this process, or */
    ngx_durable_link_t        *peer;    /* .. another worker, or neither */
    uint64_t                   id;
    ngx_msec_t                 deadline;
    uint64_t                   queued;  /* when, us */
    uint32_t                   link;    /* inventory: of which sidecar link */
    ngx_durable_class_e        class;
    unsigned                   sent:1;
    unsigned                   settled:1;
    dur_reply_t                reply;
    size_t                     len;
    u_char                     data[];
};


typedef struct {
    ngx_durable_entry_t       *first;
    ngx_durable_entry_t      **last;
    ngx_uint_t                 count;
} ngx_durable_list_t;


/* What the commit thread hands back. */
struct ngx_durable_batch_s {
    ngx_durable_batch_t       *next;
    ngx_durable_list_t         ops;
    ngx_durable_list_t         kept;    /* failed results, to be tried again */
    ngx_durable_entry_t       *inventory;   /* the same */
    dur_arena_t                arena;
    dur_effect_t              *effects;
    dur_effect_t             **last;
    dur_engine_stat_t          stat;
    int64_t                    due;
    uint64_t                   us;
    uint32_t                   link;    /* its calls may go to this link */
    ngx_uint_t                 nops;
    ngx_uint_t                 calls;
    dur_rc_t                   rc;
    unsigned                   own:1;   /* timers, tasks, dispatch too */
    unsigned                   fatal:1;
};


/* What the commit thread measures. */
typedef struct {
    dur_histogram_t            ops;     /* of a batch */
    dur_histogram_t            batch;
    dur_histogram_t            commit;
    dur_histogram_t            wait[NGX_DURABLE_INGEST + 1];
    uint64_t                   failed;
} ngx_durable_figures_t;


struct ngx_durable_commit_s {
    pthread_t                  thread;
    pthread_mutex_t            mutex;
    pthread_cond_t             cond;
    ngx_uint_t                 started;

    /* under the mutex */
    ngx_durable_list_t         queues[NGX_DURABLE_INGEST + 1];
    ngx_durable_entry_t       *inventory;
    ngx_durable_batch_t       *done;
    ngx_durable_batch_t      **done_last;
    ngx_durable_batch_t       *free;
    int64_t                    credits;
    uint32_t                   link;    /* the sidecar link of now, or 0 */
    uint64_t                   raise;   /* the epoch the sidecar has seen */
    unsigned                   idle:1;
    unsigned                   stop:1;
    unsigned                   drain:1;
    unsigned                   feed:1;
    unsigned                   fresh:1; /* credits came: dispatch anew */
    ngx_durable_figures_t      published;
    dur_metrics_t              metrics;

    /* of the thread */
    dur_engine_t              *engine;
    ngx_durable_figures_t      figures;
    uint32_t                   ready_link;
    int64_t                    retry_at;
    int64_t                    backoff;
    int64_t                    last_due;
    ngx_uint_t                 errors;
    ngx_uint_t                 feeding;
    int64_t                    busy;    /* ms: others are about to come */
    ngx_uint_t                 dispatched;  /* a dispatch found nothing */
    dur_buf_t                  op;
    ngx_durable_batch_t        batches[NGX_DURABLE_BATCHES];
};


typedef struct {
    uint64_t                   item;
    uint32_t                   generation;
    uint32_t                   link;
    dur_rc_t                   rc;
} ngx_durable_lease_t;


/* A call whose body goes out piece by piece. */
struct ngx_durable_stream_s {
    ngx_durable_stream_t      *next;
    ngx_durable_lease_t        lease;
    dur_call_body_t            body;
    unsigned                   gone:1;      /* the link that it went to */
};


/* Frames that the call thread made of leases. */
struct ngx_durable_calls_s {
    ngx_durable_calls_t       *next;
    dur_buf_t                  frames;
    uint32_t                   link;
    ngx_uint_t                 unused;      /* credits of what was not sent */
    ngx_uint_t                 nfailed;
    ngx_durable_lease_t        failed[16];
    u_char                     errors[16][512];     /* what is known of why */
};


struct ngx_durable_caller_s {
    pthread_t                  thread;
    pthread_mutex_t            mutex;
    pthread_cond_t             cond;
    ngx_uint_t                 started;

    /* under the mutex */
    ngx_durable_lease_t       *leases;      /* a ring */
    size_t                     head;
    size_t                     count;
    size_t                     size;
    ngx_durable_calls_t       *done;
    ngx_durable_calls_t      **done_last;
    ngx_durable_calls_t       *free;
    size_t                     pending;     /* bytes built, not yet sent */
    uint32_t                   link;        /* of now, 0 without one */
    unsigned                   stop:1;
    unsigned                   streaming:1; /* waits for a link that drains */
    unsigned                   turn:1;

    /* of the thread */
    ngx_durable_stream_t      *streams;     /* the first one goes out */
    ngx_durable_stream_t     **streams_last;
    dur_buf_t                  part;
    dur_buf_t                  text;
    dur_store_t               *store;
    dur_str_t                  signing_key;
    bool                       dev;
    ngx_array_t                served;      /* of dur_call_key_t */
    ngx_array_t                secrets;     /* of ngx_durable_secret_t */
};


typedef ngx_int_t (*ngx_durable_frame_pt)(ngx_durable_link_t *l,
    dur_frame_t *f);
typedef void (*ngx_durable_link_pt)(ngx_durable_link_t *l);

/*
 * A framed stream over a unix socket.  `frame` returns NGX_OK or NGX_ERROR;
 * it must not close its link.  `lost` is called once, from the event loop,
 * and closes it.
 */
struct ngx_durable_link_s {
    ngx_queue_t                queue;       /* dp->peers */
    ngx_connection_t          *connection;
    ngx_durable_frame_pt       frame;
    ngx_durable_link_pt        lost;
    ngx_durable_link_pt        drained;     /* all was written, or NULL */

    dur_buf_t                  in;
    size_t                     parsed;
    dur_buf_t                  out;
    size_t                     written;
    size_t                     partial;     /* bytes left of out's frame */
    dur_buf_t                  urgent;      /* goes first, between frames */
    size_t                     urgent_written;

    ngx_queue_t                bodies;
    size_t                     bodies_size;
    ngx_durable_partial_t     *whole;

    ngx_queue_t                ops;         /* entries of this peer */
    uint64_t                   sequence;
    ngx_uint_t                 pid;

    unsigned                   ready:1;     /* HELLO was answered */
    unsigned                   paused:1;
    unsigned                   failed:1;
    unsigned                   observer:1;
    unsigned                   feed:1;
    unsigned                   gap:1;
    unsigned                   realtime:1;  /* the peer listens */
};


typedef struct {
    ngx_durable_link_t        *link;
    ngx_event_t                retry;
    ngx_event_t                ping;
    ngx_msec_t                 delay;
    uint32_t                   number;      /* of the link */
    uint8_t                    instance[16];
    u_char                     software[96];
    size_t                     software_len;
    ngx_uint_t                 pid;
    unsigned                   started:1;
    unsigned                   warned:1;
    unsigned                   denied:1;    /* and that it may not be used */
    unsigned                   heard:1;
    unsigned                   pinged:1;
} ngx_durable_sidecar_t;


/* An app to sync: one of the directives, of the store, or discovered. */
typedef struct {
    ngx_str_t                  url;         /* as it is called */
    ngx_str_t                  key;         /* normalised */
    uint64_t                   item;        /* the PUT in flight, or 0 */
    ngx_msec_t                 due;
    ngx_msec_t                 delay;       /* before the next try */
    u_char                     error[128];
    size_t                     error_len;
    unsigned                   configured:1;
    unsigned                   found:1;     /* on a port of this machine */
    unsigned                   stored:1;
    unsigned                   asked:1;     /* for: the outcome is told */
    unsigned                   known:1;     /* error is what the store has */
    unsigned                   failed:1;
} ngx_durable_target_t;


typedef struct {
    ngx_event_t                timer;
    ngx_array_t                targets;     /* of ngx_durable_target_t */
    ngx_pool_t                *pool;
    uint64_t                   item;
    ngx_event_t                scan;
    uint64_t                  *probes;      /* in flight, by port */
    ngx_uint_t                *paths;       /* tried next, by port */
    ngx_uint_t                 started;
    ngx_uint_t                 found;       /* an app registered here */
} ngx_durable_sync_t;


typedef enum {
    NGX_DURABLE_OFF = 0,
    NGX_DURABLE_FOLLOWER,
    NGX_DURABLE_LEADER,
    NGX_DURABLE_DRAINING
} ngx_durable_role_e;


typedef struct {
    ngx_durable_conf_t        *conf;
    time_t                     started;     /* this worker */
    ngx_durable_role_e         role;
    ngx_str_t                  reason;
    u_char                     reason_text[256];

    uint64_t                   epoch;
    uint64_t                   id;          /* of the last op */
    uint8_t                    store_id[16];

    /* ops in flight */
    ngx_uint_t                 nops;
    ngx_uint_t                 queued[NGX_DURABLE_STATUS + 1];
    size_t                     bytes[NGX_DURABLE_STATUS + 1];
    ngx_durable_list_t         fresh[NGX_DURABLE_INGEST + 1];
    ngx_durable_list_t         status;
    ngx_durable_chunk_t       *chunk;
    ngx_durable_chunk_t       *spare;
    ngx_event_t                hold;
    ngx_event_t                kick;
    ngx_connection_t           idle;    /* what timers name in debug logs */
    dur_buf_t                  scratch;
    dur_buf_t                  answer;

    /* wake-up of the event loop, and of a worker that exits */
    ngx_connection_t          *wake;
    ngx_atomic_t               notified;
    uint64_t                   notified_at;     /* us */
    dur_histogram_t            lag;

    /* realtime */
    ngx_durable_realtime_pt    hear;
    ngx_durable_realtime_pt    hear_quit;
    ngx_event_t                tell;
    ngx_durable_changes_t     *changes;     /* of a leader: the feed */

    /* election and follower */
    ngx_event_t                elect;
    ngx_uint_t                 tries;
    ngx_msec_t                 backoff;
    ngx_msec_t                 lost_at;
    ngx_msec_t                 yield_until;
    ngx_durable_link_t        *leader;
    dur_store_t               *store;
    ngx_queue_t                waiting;     /* ops, in order of deadlines */
    ngx_rbtree_t               sent;
    ngx_rbtree_node_t          sentinel;

    /* leader */
    ngx_queue_t                own;         /* the same, of a leader */
    ngx_fd_t                   lock;
    dur_engine_t              *engine;
    dur_engine_stat_t          stat;
    time_t                     since;   /* it leads */
    ngx_durable_commit_t       commit;
    ngx_durable_caller_t       caller;
    ngx_uint_t                 batches;
    ngx_uint_t                 batch_ops;
    uint64_t                   batch_us;
    ngx_connection_t          *listening;
    ngx_connection_t          *clock;
    int64_t                    due;
    ngx_msec_t                 drain_until;
    ngx_queue_t                peers;
    ngx_uint_t                 npeers;
    ngx_uint_t                 nfeeds;
    uint64_t                   notices;

    ngx_durable_sidecar_t      sidecar;
    ngx_durable_sync_t         sync;

    unsigned                   broken:1;    /* reason says why */
    unsigned                   strange:1;   /* another master was seen */
    unsigned                   yield:1;
    unsigned                   wanted_quit:1;
    unsigned                   abandoned:1; /* the last commit hangs */
    unsigned                   exited:1;
} ngx_durable_process_t;


extern ngx_durable_process_t  ngx_durable_process;


/* ngx_durable_process.c */
void ngx_durable_fail(dur_rc_t rc, const char *text);
void ngx_durable_notify(void);
void ngx_durable_arm_hold(void);

/* ngx_durable_entry.c */
void ngx_durable_list_init(ngx_durable_list_t *list);
void ngx_durable_list_push(ngx_durable_list_t *list, ngx_durable_entry_t *e);
void ngx_durable_list_append(ngx_durable_list_t *list,
    ngx_durable_list_t *tail);
ngx_durable_entry_t *ngx_durable_list_pop(ngx_durable_list_t *list);
ngx_durable_entry_t *ngx_durable_entry_create(dur_str_t bytes);
void ngx_durable_entry_free(ngx_durable_entry_t *e);
void ngx_durable_entry_finish(ngx_durable_entry_t *e);
ngx_int_t ngx_durable_queue(ngx_durable_entry_t *e);
ngx_int_t ngx_durable_internal(dur_op_t *op, uint32_t link);
void ngx_durable_kick(void);
void ngx_durable_requeue(ngx_durable_list_t *list);
void ngx_durable_expire(ngx_queue_t *queue, ngx_uint_t all);
void ngx_durable_entropy(uint8_t out[16]);
void ngx_durable_chunks_free(void);

/* ngx_durable_elect.c */
void ngx_durable_elect_later(ngx_msec_t delay);
void ngx_durable_elect_now(void);
void ngx_durable_elect_handler(ngx_event_t *ev);
void ngx_durable_elect_failed(void);
void ngx_durable_elect_guard(ngx_uint_t on);

/* ngx_durable_follower.c */
ngx_int_t ngx_durable_follower_connect(void);
void ngx_durable_follower_close(void);
void ngx_durable_follower_wait(ngx_durable_entry_t *e);
void ngx_durable_follower_send_all(void);

/* ngx_durable_changes.c */
ngx_uint_t ngx_durable_changes_heard(void);
void ngx_durable_changes_wanted(void);
void ngx_durable_changes_stop(void);
void ngx_durable_changes_notice(dur_str_t text);

/* ngx_durable_realtime.c */
void ngx_durable_realtime_listen(ngx_durable_link_t *l);
void ngx_durable_realtime_relay(ngx_durable_link_t *from);
void ngx_durable_realtime_publish(ngx_uint_t kind, dur_str_t channel,
    dur_str_t topic, dur_str_t text);
void ngx_durable_realtime_welcome(ngx_durable_link_t *l);
ngx_uint_t ngx_durable_realtime_feed_wanted(void);
ngx_uint_t ngx_durable_realtime_runs_wanted(time_t now);

/* ngx_durable_leader.c */
dur_rc_t ngx_durable_leader_start(void);
void ngx_durable_leader_stop(void);
void ngx_durable_leader_drain(void);
void ngx_durable_leader_drained(void);
void ngx_durable_leader_late(void);
void ngx_durable_leader_wake(void);

/* ngx_durable_peer.c */
ngx_int_t ngx_durable_peer_listen(void);
void ngx_durable_peer_pause_all(void);
void ngx_durable_peer_close_all(void);
void ngx_durable_peer_reply(ngx_durable_entry_t *e);

/* ngx_durable_commit.c */
ngx_int_t ngx_durable_commit_start(ngx_durable_commit_t *c);
ngx_int_t ngx_durable_commit_stop(ngx_durable_commit_t *c);
ngx_uint_t ngx_durable_commit_busy(ngx_durable_commit_t *c);
void ngx_durable_commit_wake(ngx_durable_commit_t *c);

/* ngx_durable_batch.c */
void ngx_durable_batch_run(ngx_durable_commit_t *c, ngx_durable_batch_t *b,
    int64_t now, int64_t budget);

/* ngx_durable_caller.c */
ngx_int_t ngx_durable_caller_start(ngx_durable_caller_t *t);
void ngx_durable_caller_stop(ngx_durable_caller_t *t);
void ngx_durable_caller_push(ngx_durable_caller_t *t,
    ngx_durable_batch_t *b);
ngx_durable_calls_t *ngx_durable_caller_take(ngx_durable_caller_t *t);
void ngx_durable_caller_recycle(ngx_durable_caller_t *t,
    ngx_durable_calls_t *calls);
void ngx_durable_caller_sent(ngx_durable_caller_t *t, size_t pending);
void ngx_durable_caller_link(ngx_durable_caller_t *t, uint32_t link);

/* ngx_durable_stream.c */
void ngx_durable_stream_start(ngx_durable_caller_t *t);
void ngx_durable_stream_stop(ngx_durable_caller_t *t);
dur_rc_t ngx_durable_stream_add(ngx_durable_caller_t *t,
    ngx_durable_lease_t *lease, dur_call_body_t *body);
void ngx_durable_stream_next(ngx_durable_caller_t *t,
    ngx_durable_calls_t *calls);

/* ngx_durable_sidecar.c */
void ngx_durable_sidecar_start(void);
void ngx_durable_sidecar_stop(void);
void ngx_durable_sidecar_flow(void);
void ngx_durable_sidecar_epoch(void);
void ngx_durable_sidecar_effect(dur_effect_t *effect);
void ngx_durable_sidecar_calls(ngx_durable_calls_t *calls);
ngx_int_t ngx_durable_sidecar_call(uint64_t item, dur_call_kind_t kind,
    const char *method, dur_str_t url, dur_str_t headers, dur_str_t body,
    ngx_msec_t timeout);

/* ngx_durable_sync.c */
void ngx_durable_sync_start(void);
void ngx_durable_sync_stop(void);
void ngx_durable_sync_link(ngx_uint_t up);
void ngx_durable_sync_reload(void);
void ngx_durable_sync_result(dur_op_result_t *result);
ngx_uint_t ngx_durable_sync_add(ngx_str_t *url);

/* ngx_durable_discovery.c */
void ngx_durable_discovery_start(void);
void ngx_durable_discovery_stop(void);
void ngx_durable_discovery_link(ngx_uint_t up);
void ngx_durable_discovery_result(dur_op_result_t *result);

/* ngx_durable_feed.c */
void ngx_durable_feed_subscribe(ngx_durable_link_t *l);
void ngx_durable_feed_forget(ngx_durable_link_t *l);
void ngx_durable_feed_notify(dur_str_t text);
void ngx_durable_feed_set(void);


/* ngx_durable_clock.c */
ngx_int_t ngx_durable_clock_open(void);
void ngx_durable_clock_close(void);
void ngx_durable_clock_arm(int64_t due);
int64_t ngx_durable_clock_now(void);

/* ngx_durable_metrics.c */
uint64_t ngx_durable_us(void);
void ngx_durable_metrics_taken(ngx_durable_commit_t *c,
    ngx_durable_batch_t *b);
void ngx_durable_metrics_batch(ngx_durable_commit_t *c,
    ngx_durable_batch_t *b);
void ngx_durable_metrics_write(dur_buf_t *out, dur_op_form_t form);

/* ngx_durable_state.c */
void ngx_durable_state_write(dur_buf_t *out);
void ngx_durable_state_system(dur_buf_t *out);

/* ngx_durable_link.c */
ngx_durable_link_t *ngx_durable_link_create(ngx_socket_t s);
ngx_durable_link_t *ngx_durable_link_connect(const char *path,
    ngx_err_t *err);
void ngx_durable_link_close(ngx_durable_link_t *l);
void ngx_durable_link_push(ngx_durable_link_t *l);
ngx_int_t ngx_durable_link_flush(ngx_durable_link_t *l);
void ngx_durable_link_pause(ngx_durable_link_t *l, ngx_uint_t paused);
size_t ngx_durable_link_pending(ngx_durable_link_t *l);

/* ngx_durable_body.c */
ngx_int_t ngx_durable_link_body(ngx_durable_link_t *l, dur_frame_t *f,
    dur_tag_t tag, size_t max, dur_frame_t *whole);
void ngx_durable_link_bodies_free(ngx_durable_link_t *l);


#endif /* _NGX_DURABLE_PROCESS_H_INCLUDED_ */
