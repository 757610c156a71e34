/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The parts of `durable sidecar` and what they share (design section 5).
 *
 *   durable_sidecar   options, the loop, signals, the end
 *   durable_listen    the unix socket
 *   durable_link      a connection of an nginx: frames in and out
 *   durable_session   what the frames mean: fencing, calls, their end
 *   durable_reply     what is said in return: results, credits
 *   durable_ledger    the calls of each store until their ACK
 *   durable_pool      libcurl's multi handle and the calls in it
 *   durable_socket    libcurl's sockets in our epoll
 *   durable_slot      an easy handle and its callbacks
 *   durable_call      one HTTP exchange; durable_redirect: the next one
 *   durable_error     why an exchange has no status, in words
 *   durable_body      bodies; durable_policy: addresses; durable_log
 *
 * One thread, one epoll.  All state hangs on one durable_t.
 */

#ifndef DURABLE_SIDECAR_H
#define DURABLE_SIDECAR_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/dur_frame.h"

#include "durable.h"
#include "durable_body.h"
#include "durable_policy.h"


#define DURABLE_EPHEMERAL_RUNNING  32
#define DURABLE_EPHEMERAL_QUEUED   4096
#define DURABLE_HOST_CONNECTIONS   256
#define DURABLE_BUCKETS            4096         /* a power of two */
#define DURABLE_INVENTORY          (DUR_FRAME_DATA_MAX / DUR_ATTEMPT_LEN)
#define DURABLE_CREDITS_MAX        4096
#define DURABLE_SPACES             256
#define DURABLE_LINKS              64
#define DURABLE_HEADERS_MAX        (16 * 1024)  /* of an answer */
#define DURABLE_REQUEST_MAX        (64 * 1024 * 1024)
#define DURABLE_REDIRECTS          60
#define DURABLE_CONNECT_TIMEOUT    10000        /* ms */
#define DURABLE_CALL_TIMEOUT       (2 * 3600 * 1000)
#define DURABLE_MAX_BODY           (8 * 1024 * 1024)
#define DURABLE_KEEP               (16 * 1024)  /* of a buffer not in use */
#define DURABLE_NEVER              UINT64_MAX
#define DURABLE_EXEC_DIRS          16


typedef struct durable_s         durable_t;
typedef struct durable_space_s   durable_space_t;
typedef struct durable_call_s    durable_call_t;
typedef struct durable_link_s    durable_link_t;
typedef struct durable_slot_s    durable_slot_t;
typedef struct durable_multi_s   durable_multi_t;
typedef struct durable_node_s    durable_node_t;
typedef struct durable_program_s  durable_program_t;


/* An intrusive list: a ring through its head. */
struct durable_node_s {
    durable_node_t  *prev;
    durable_node_t  *next;
};

#define durable_of(node, type, member)                                       \
    ((type *) ((char *) (node) - offsetof(type, member)))

static inline void
durable_list_init(durable_node_t *head)
{
    head->prev = head;
    head->next = head;
}

static inline bool
durable_list_empty(const durable_node_t *head)
{
    return head->next == head;
}

static inline void
durable_list_add(durable_node_t *head, durable_node_t *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* May be called for a node that is in no list. */
static inline void
durable_list_del(durable_node_t *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    durable_list_init(node);
}


typedef enum {
    DURABLE_CALL_RECEIVING = 0,     /* its body is on its way */
    DURABLE_CALL_QUEUED,            /* ephemeral, the pool is full */
    DURABLE_CALL_RUNNING,
    DURABLE_CALL_DONE               /* until it is sent, a step until ACK */
} durable_call_state_t;


struct durable_call_s {
    durable_call_t        *chain;           /* bucket, or free list */
    durable_node_t         in_space;
    durable_node_t         in_queue;        /* send, or waiting ephemerals */
    durable_space_t       *space;
    durable_slot_t        *slot;            /* while it runs, or .. */
    durable_program_t     *program;         /* .. the program that it is */

    uint8_t                attempt[DUR_ATTEMPT_LEN];
    uint8_t                kind;
    uint8_t                state;
    uint8_t                error_kind;
    uint8_t                redirects;
    uint16_t               status;

    bool                   requested;       /* curl began to send */
    bool                   resent;          /* curl wanted to do it twice */
    bool                   opened;          /* a socket was allowed */
    bool                   denied;          /* a socket was denied */
    bool                   too_big;
    bool                   spool_failed;
    bool                   fetch;           /* DUR_FOLLOW_FETCH */
    bool                   relay;           /* DUR_FOLLOW_NONE */
    bool                   foreign;         /* redirected to another host */
    bool                   bodyless;        /* a redirect took the body */
    bool                   headers_end;
    bool                   announced;       /* RESULT went, DATA follows */

    uint64_t               timeout;         /* ms, whole exchange */
    uint64_t               max_body;
    uint64_t               length;          /* announced, of the request */
    uint64_t               charged;         /* bytes counted in the cap */
    uint64_t               begun_us;        /* monotonic */
    uint64_t               started_ms;      /* wall clock */
    uint64_t               duration_us;
    size_t                 sent;            /* bytes of the answer's body */

    dur_buf_t              text;            /* method, URL, header lines */
    const char            *method;          /* in text, terminated */
    const char            *first_url;
    char                  *lines;
    dur_buf_t              url;             /* of the exchange, terminated */
    durable_body_t         request;
    dur_buf_t              headers;         /* of the answer */
    durable_body_t         response;
    char                   error[320];
};


/* What one store has here; its epoch outlives its calls. */
struct durable_space_s {
    durable_node_t         node;
    uint8_t                id[16];
    uint64_t               epoch;
    durable_link_t        *link;
    durable_node_t         calls;
    durable_node_t         send;            /* results to be written */
    uint32_t               steps;           /* calls that hold a slot */
    int64_t                granted;         /* credits that nginx holds */
    uint32_t               backlog;         /* results before the CREDIT */
    uint64_t               lost;            /* since when without a link */
};


struct durable_link_s {
    durable_node_t         node;
    int                    fd;
    uint32_t               events;          /* epoll interest */
    durable_space_t       *space;           /* after HELLO */
    uint64_t               opened;
    bool                   closing;         /* after what is in out */
    uint32_t               pid;
    uint8_t               *in;
    size_t                 in_len;
    dur_buf_t              out;
    size_t                 out_sent;
};


typedef struct {
    const char            *path;
    const char            *ca;
    uint32_t               credits;
    uint64_t               ledger_bytes;
    uint64_t               drain;           /* ms */
    uint64_t               abandon;         /* ms */
    bool                   proxy_from_env;
    durable_policy_t       policy;
    uint32_t               nexec;
    char                  *exec[DURABLE_EXEC_DIRS];     /* real paths */
    uint64_t               exec_memory;     /* bytes of a program */
} durable_options_t;


typedef struct {
    durable_multi_t       *multi;
    uint8_t                want;            /* CURL_POLL_* */
    uint8_t                have;            /* what epoll knows */
    bool                   ours;            /* we hear of its close */
    bool                   dirty;
} durable_socket_t;


struct durable_multi_s {
    durable_multi_t       *next;
    durable_t             *durable;
    CURLM                 *curl;
    uint64_t               due;             /* ms, DURABLE_NEVER */
    uint32_t               running;
    bool                   retired;
};


struct durable_s {
    durable_options_t      options;
    uint8_t                instance[16];
    uint32_t               pid;
    int                    epoll;
    int                    listen;
    int                    signals;
    bool                   activated;       /* the socket is systemd's */

    uint64_t               now;             /* ms, monotonic, of this turn */
    uint64_t               stop;            /* deadline, 0: not stopping */
    uint64_t               stopped;         /* when it began */
    bool                   quit;

    durable_node_t         links;
    durable_node_t         spaces;

    durable_call_t        *buckets[DURABLE_BUCKETS];
    durable_call_t        *free_calls;
    uint32_t               calls;
    uint64_t               bytes;           /* of all bodies held */
    bool                   full;

    durable_multi_t       *multi;           /* the first takes new calls */
    durable_slot_t        *free_slots;
    uint32_t               running;
    uint32_t               ephemerals;      /* running */
    uint32_t               waiting;         /* ephemerals */
    durable_node_t         queue;           /* ephemerals that wait */
    durable_node_t         programs;        /* that run */
    durable_socket_t      *sockets;         /* by descriptor */
    int                    nsockets;
    int                   *dirty;
    int                    ndirty;
    int                    dirty_size;
    char                   encodings[32];
};


/* What an epoll event belongs to; the descriptor is in the upper half. */
typedef enum {
    DURABLE_EVENT_SOCKET = 0,
    DURABLE_EVENT_LINK,
    DURABLE_EVENT_LISTEN,
    DURABLE_EVENT_SIGNAL,
    DURABLE_EVENT_PROGRAM
} durable_event_t;

static inline uint64_t
durable_event(int fd, durable_event_t what)
{
    return (uint64_t) fd << 32 | what;
}

uint64_t durable_monotonic_us(void);
uint64_t durable_wall_ms(void);


/* durable_listen: -1 after it said why. */
int durable_listen(durable_t *d);
void durable_listen_close(durable_t *d);
void durable_accept(durable_t *d);


/* durable_link */
durable_link_t *durable_link_new(durable_t *d, int fd);
durable_link_t *durable_link_find(durable_t *d, int fd);
void durable_link_read(durable_t *d, durable_link_t *link);
/* Writes what the sessions want to say; once per turn for every link. */
void durable_link_flush(durable_t *d, durable_link_t *link);
void durable_link_close(durable_t *d, durable_link_t *link);
size_t durable_link_pending(const durable_link_t *link);


/* durable_session: DUR_EINVAL closes the link. */
dur_rc_t durable_session_frame(durable_t *d, durable_link_t *link,
    const dur_frame_t *f);
/* The link of a space is gone. */
void durable_session_lost(durable_t *d, durable_space_t *space);
/* A call is over: its result goes to the send queue. */
void durable_session_done(durable_t *d, durable_call_t *call);
/* Stores whose nginx did not come back; returns the next time to look. */
uint64_t durable_session_expire(durable_t *d);
/* SIGTERM: no more credits. */
void durable_session_stop(durable_t *d);


/* durable_reply: frames to link->out. */
void durable_reply_welcome(durable_t *d, durable_link_t *link);
void durable_reply_refuse(durable_link_t *link, uint64_t seen);
void durable_reply_inventory(durable_link_t *link);
void durable_reply_credit(durable_link_t *link, uint32_t n);
void durable_reply_pong(durable_link_t *link, const dur_frame_t *f);
/* To a CANCEL of an attempt that is not known. */
void durable_reply_cancelled(durable_link_t *link, const uint8_t *attempt);
/* The result of a call, and those of all calls of a store, to the queue. */
void durable_reply_send(durable_call_t *call);
void durable_reply_resend(durable_space_t *space);
/* Appends results and credits; true when more is waiting. */
bool durable_reply_fill(durable_t *d, durable_link_t *link);


/* durable_ledger */
durable_space_t *durable_space_find(durable_t *d, const uint8_t *id);
durable_space_t *durable_space_new(durable_t *d, const uint8_t *id);
durable_call_t *durable_ledger_find(durable_t *d, durable_space_t *space,
    const uint8_t *attempt);
durable_call_t *durable_ledger_add(durable_t *d, durable_space_t *space,
    const uint8_t *attempt, uint8_t kind);
void durable_ledger_remove(durable_t *d, durable_call_t *call);
/* Counts what the bodies of the call hold now. */
void durable_ledger_charge(durable_t *d, durable_call_t *call);
void durable_ledger_deinit(durable_t *d);


/* durable_pool */
int durable_pool_init(durable_t *d);
void durable_pool_deinit(durable_t *d);
/* New connections trust what the CA file says now. */
int durable_pool_reload(durable_t *d);
/* The call's request is complete. */
void durable_pool_submit(durable_t *d, durable_call_t *call);
/* Takes a queued or running call away from the pool. */
void durable_pool_cancel(durable_t *d, durable_call_t *call);
/* Runs what is due; returns when to come again. */
uint64_t durable_pool_turn(durable_t *d);


/* durable_exec: programs in place of requests */
/* A directory whose programs may be run; -1: it is none, or everybody may
 * write to it. */
int durable_exec_allow(durable_options_t *o, const char *dir);
void durable_exec_start(durable_t *d, durable_call_t *call);
void durable_exec_cancel(durable_t *d, durable_call_t *call);
void durable_exec_event(durable_t *d, int fd);
/* Ends what is late; returns when to come again. */
uint64_t durable_exec_turn(durable_t *d);


/* durable_socket */
/* Of a socket that libcurl opens and closes through us; -1: no memory. */
int durable_socket_opened(durable_t *d, int fd);
void durable_socket_closed(durable_t *d, int fd);
/* libcurl's CURLMOPT_SOCKETFUNCTION; data is the durable_multi_t. */
int durable_socket_on_want(CURL *curl, curl_socket_t fd, int what, void *data,
    void *socket_data);
void durable_socket_event(durable_t *d, int fd, uint32_t events);
/* Tells epoll what changed in this turn. */
void durable_socket_settle(durable_t *d);
void durable_socket_deinit(durable_t *d);


/* durable_slot */
struct durable_slot_s {
    durable_slot_t        *next;
    durable_t             *durable;
    durable_multi_t       *multi;
    CURL                  *curl;
    durable_call_t        *call;
    struct curl_slist     *lines;
    size_t                 lines_size;
    char                   error[CURL_ERROR_SIZE];
};

durable_slot_t *durable_slot_new(durable_t *d);
void durable_slot_free(durable_slot_t *slot);


/* durable_call */
/* Copies the request in; DUR_ENOMEM, DUR_EINVAL. */
dur_rc_t durable_call_set(durable_call_t *call, const dur_frame_t *f);
/* Sets the slot up for the call's next exchange. */
dur_rc_t durable_call_prepare(durable_slot_t *slot);
/* The exchange ended: true when a redirect asks for another one, else the
 * call has its status or its error. */
bool durable_call_finish(durable_slot_t *slot, CURLcode code);
/* Ends the call without an exchange. */
void durable_call_fail(durable_call_t *call, dur_call_error_t kind,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));


/* durable_redirect: the next URL is in call->url; false: it has its error. */
bool durable_redirect(durable_call_t *call, long status,
    const char *location);
/* True for a header that another host must not see. */
bool durable_redirect_secret(const char *name, size_t len);


/* durable_error */
void durable_error_explain(durable_slot_t *slot, CURLcode code);
/* "host:port" of a URL, never its user or password. */
const char *durable_error_peer(const char *url, char *buf, size_t size);
const char *durable_error_time(uint64_t ms, char *buf, size_t size);

#endif /* DURABLE_SIDECAR_H */
