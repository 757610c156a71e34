/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What the files of the world of webhooks share (sim_route.c): its state, the
 * senders of webhooks (sim_route_send.c), and the sidecar with the targets
 * that they are sent on to (sim_route_target.c).
 */

#ifndef SIM_ROUTE_WORLD_H
#define SIM_ROUTE_WORLD_H

#include "engine/dur_event.h"
#include "engine/dur_json.h"
#include "engine/dur_run.h"
#include "engine/dur_ulid.h"
#include "engine/dur_upload.h"

#include "sim_route.h"

#define ROUTES    3
#define SLOTS     24
#define BATCH     48
#define LARGE     50000
#define RETRIES   2
#define HOUR      ((int64_t) 3600 * 1000)

typedef struct {
    bool       ordered;
    bool       wanted;                  /* of the next leader's list */
    bool       listed;                  /* of the last one committed */
    bool       says_503;                /* while it is away */
    int64_t    away_until;
    unsigned   n;                       /* deliveries, in order, .. */
    unsigned   head;                    /* .. the first that has not ended */
    unsigned  *all;
} sim_route_t;

typedef struct {
    dur_ulid_t  id;
    unsigned    route;
    int         again;                  /* the one whose id it has, or -1 */
    int64_t     at;
    bool        stored;
    bool        acked;                  /* the provider knows */
    bool        runs;                   /* it must be delivered */
    bool        bad;                    /* the target does not want it */
    bool        left;                   /* its sender, in the middle */
    unsigned    size;                   /* of a body that comes in pieces */
    unsigned    pieces;                 /* that are stored */
    unsigned    sent_pieces;            /* that its sender knows of */
    int64_t     since;                  /* of the first one */
    dur_ulid_t  run;                    /* the last one that went out */
    unsigned    nruns;
    bool        mended;                 /* asked for again, with all others */
    bool        good;                   /* a 2xx was committed */
    bool        final;                  /* so was a final status */
    bool        ended;
    bool        look;                   /* it may have ended */
    unsigned    refused;
    unsigned    failed;                 /* other failures, lost executors */
} sim_delivery_t;

typedef struct {
    uint64_t  item;
    uint32_t  generation;
    unsigned  delivery;
    bool      done;                     /* .. with this result */
    uint16_t  status;
    uint8_t   error_kind;
    unsigned  retry_after;
} sim_route_call_t;

typedef enum {
    OP_OTHER,
    OP_ROUTES,
    OP_EVENT,
    OP_PIECE,
    OP_AGAIN,
    OP_RESULT
} sim_route_kind_t;

typedef struct {
    sim_route_kind_t    kind;
    unsigned     ref;
    dur_reply_t  reply;
} sim_route_made_t;

typedef struct {
    const sim_options_t  *opt;
    uint64_t              seed;
    sim_rand_t            rand;
    jmp_buf               failed;
    char                  path[256];
    int64_t               now;
    bool                  calm;
    bool                  mending;      /* all that failed goes again */
    unsigned              nagain;
    bool                  large;
    unsigned              chaos;        /* permille */
    unsigned              batches;
    unsigned              deaths;

    dur_engine_t         *engine;
    bool                  fresh;        /* a new leader: configures first */
    uint8_t               instance[16];
    dur_arena_t           arena;
    dur_call_t            call;
    dur_buf_t             buf;

    sim_route_t               routes[ROUTES];
    unsigned              n;
    unsigned              max;
    sim_delivery_t           *all;
    unsigned              nopen;        /* must end and have not */
    unsigned              nsubmitted;   /* of all, from the first on */

    unsigned              ncalls;
    sim_route_call_t                calls[SLOTS];
    uint64_t              sent;

    unsigned              nmade;
    sim_route_made_t                made[BATCH + 8];
} sim_route_world_t;


/* Ends the seed with what is wrong. */
__attribute__((noreturn, format(printf, 2, 3)))
void sim_wrong(sim_route_world_t *w, const char *fmt, ...);

/* One op of the batch; ref: what it is about. */
void sim_route_apply(sim_route_world_t *w, sim_route_kind_t kind,
    unsigned ref, dur_op_t *op);

/* The leader, and another one. */
void sim_route_die(sim_route_world_t *w);

/* What senders do, what was committed of it, and what they learn. */
void sim_route_apply_events(sim_route_world_t *w, unsigned most);
void sim_route_apply_again(sim_route_world_t *w);
void sim_route_committed_event(sim_route_world_t *w,
    const sim_route_made_t *m);
void sim_route_committed_piece(sim_route_world_t *w,
    const sim_route_made_t *m);
void sim_route_committed_again(sim_route_world_t *w,
    const sim_route_made_t *m);
void sim_route_answered(sim_route_world_t *w, const sim_route_made_t *m);

/* A call goes out, is answered, its result is told and committed. */
void sim_route_sent(sim_route_world_t *w, const dur_effect_t *f);
void sim_route_answer(sim_route_world_t *w, sim_route_call_t *c);
void sim_route_apply_result(sim_route_world_t *w, unsigned n);
void sim_route_committed_result(sim_route_world_t *w,
    const sim_route_made_t *m);
void sim_route_settled(sim_route_world_t *w, const dur_effect_t *f);
void sim_route_sidecar_dies(sim_route_world_t *w);

/* What the store says: the runs of a delivery, what has ended. */
unsigned sim_route_runs_of(sim_route_world_t *w, dur_txn_t *txn,
    const sim_delivery_t *d, uint8_t *status);
void sim_route_look_all(sim_route_world_t *w);

#endif /* SIM_ROUTE_WORLD_H */
