/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Between the parts of the world: the ops of one batch (sim_op), the leader
 * that decides it (sim_leader), and what happens around both (sim_world).
 */

#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "engine/dur_queue.h"

#include "sim.h"

#define SIM_EVENTS_MAX  8               /* of one request */

typedef struct {
    uint8_t     type;
    dur_str_t   bytes;              /* malloced */
    int         ref;                /* call, event, app, run, or -1 */
    uint32_t    fns;                /* REGISTER: the functions in it */
} sim_op_t;

typedef struct {
    unsigned    n;
    sim_op_t    ops[SIM_BATCH_MAX];
    dur_reply_t replies[SIM_BATCH_MAX];
} sim_ops_t;


/* sim_op.c: each adds one op to a batch. */
void sim_add_config(sim_t *s, sim_ops_t *b);
void sim_add_inventory(sim_t *s, sim_ops_t *b);
void sim_add_register(sim_t *s, sim_ops_t *b, unsigned app);
void sim_add_remove(sim_t *s, sim_ops_t *b, unsigned app);
void sim_add_plain(sim_t *s, sim_ops_t *b, uint8_t type, uint32_t budget);
void sim_add_result(sim_t *s, sim_ops_t *b, unsigned call);
void sim_add_sync(sim_t *s, sim_ops_t *b, unsigned app);
void sim_add_cancel(sim_t *s, sim_ops_t *b, unsigned run);
void sim_add_events(sim_t *s, sim_ops_t *b, unsigned first);
void sim_add_signal(sim_t *s, sim_ops_t *b, unsigned signal);
void sim_ops_free(sim_ops_t *b);
sim_op_t *sim_op_add(sim_t *s, sim_ops_t *b, dur_op_t *op, int ref);

void sim_add_checkpoint(sim_t *s, sim_ops_t *b, const sim_checkpoint_t *p,
    int ref);

void sim_add_pause(sim_t *s, sim_ops_t *b, unsigned fn, bool pause);
void sim_add_rerun(sim_t *s, sim_ops_t *b, unsigned rerun);
void sim_add_rule(sim_t *s, sim_ops_t *b, unsigned rule, bool remove);

/* sim_ask.c */
void sim_gather_asks(sim_t *s, sim_ops_t *b);
void sim_committed_pause(sim_t *s, const sim_op_t *o,
    const dur_reply_t *reply);
void sim_committed_rerun(sim_t *s, const sim_op_t *o,
    const dur_reply_t *reply);
void sim_committed_rule(sim_t *s, const sim_op_t *o,
    const dur_reply_t *reply);
void sim_ask_replied(sim_t *s, const sim_op_t *o);
bool sim_ask_idle(const sim_t *s);

/* sim_bulk.c */
void sim_bulk_gather(sim_t *s, sim_ops_t *b);
void sim_bulk_committed(sim_t *s, const sim_op_t *o,
    const dur_reply_t *reply);
bool sim_bulk_idle(const sim_t *s);

/* sim_checkpoint.c */
void sim_gather_checkpoints(sim_t *s, sim_ops_t *b);
void sim_committed_checkpoint(sim_t *s, const sim_op_t *o,
    const dur_reply_t *reply);
void sim_checkpoint_replied(sim_t *s, const sim_op_t *o,
    const dur_reply_t *reply);
void sim_checkpoint_unheard(sim_t *s, const sim_op_t *o);
void sim_checkpoint_settle(sim_t *s, const sim_ops_t *b);

/* sim_leader.c */
void sim_open(sim_t *s);
/* The leader is gone and another one stands. */
void sim_leader_change(sim_t *s);
/* Decides a batch, or dies over it, and looks at what became of it. */
void sim_batch(sim_t *s, sim_ops_t *b);

/* sim_target.c */
bool sim_target_lease(sim_t *s, uint64_t id, dur_item_t *item);
void sim_target_begin(sim_t *s);
void sim_target_result(sim_t *s, const sim_call_t *c);
void sim_target_removed(sim_t *s, unsigned app);
void sim_target_probes(sim_t *s, const sim_ops_t *b);

#endif /* SIM_WORLD_H */
