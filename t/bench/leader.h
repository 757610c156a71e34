/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * An engine as its leader drives it, for benches that ask about the engine
 * alone: one store, a clock of their own, ops in batches.  Commits are not
 * synced: the disk is not what is asked about.  Whatever fails ends the
 * program.
 */

#ifndef LEADER_H
#define LEADER_H

#include "net.h"

#include "engine/dur_config.h"
#include "engine/dur_engine.h"
#include "engine/dur_op.h"
#include "engine/dur_ulid.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    dur_engine_t  *engine;
    dur_arena_t    arena;       /* of the batch */
    dur_buf_t      op;
    int64_t        now;         /* ms */
    uint64_t       entropy;     /* ops so far */
} leader;


static inline void
leader_begin(void)
{
    dur_arena_reset(&leader.arena);

    if (dur_engine_begin(leader.engine, leader.now, &leader.arena) != DUR_OK) {
        net_die("the engine begins no batch");
    }
}


static inline dur_effect_t *
leader_commit(void)
{
    dur_effect_t  *effects;

    if (dur_engine_commit(leader.engine, &effects) != DUR_OK) {
        net_die("a batch is not committed");
    }

    return effects;
}


static inline void
leader_apply(dur_op_t *op)
{
    dur_reply_t  reply;

    dur_put64(op->entropy, ++leader.entropy);
    dur_buf_reset(&leader.op);

    if (dur_op_encode(op, &leader.op) != DUR_OK
        || dur_engine_apply(leader.engine, dur_buf_str(&leader.op), &reply)
           != DUR_OK
        || reply.rc != DUR_OK || (reply.status && reply.status != 200))
    {
        net_die("op %u is refused", op->type);
    }
}


/* A batch of its own. */
static inline dur_effect_t *
leader_alone(dur_op_t *op)
{
    leader_begin();
    leader_apply(op);

    return leader_commit();
}


/* One event; data is JSON in canonical form, without user and v. */
static inline void
leader_event(const dur_ulid_t *id, dur_str_t name, int64_t ts, dur_str_t json)
{
    dur_op_t        op;
    dur_op_event_t  event;

    memset(&op, 0, sizeof(op));
    memset(&event, 0, sizeof(event));

    event.id = *id;
    event.flags = DUR_EVENT_F_CANONICAL;
    event.ts = ts;
    event.name = name;
    event.json = json;

    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;

    leader_apply(&op);
}


/* A store of dev mode that keeps everything, and an app whose registration is
 * given. */
static inline void
leader_open(const char *path, uint64_t size, dur_str_t app)
{
    char                  err[256];
    dur_op_t              op;
    dur_buf_t             b;
    dur_config_t          conf;
    dur_engine_options_t  options;

    dur_arena_init(&leader.arena);
    dur_buf_init(&leader.op, 4 * 1024 * 1024);

    memset(&options, 0, sizeof(options));
    options.path = path;
    options.size = size;
    options.async = true;

    if (dur_engine_open(&leader.engine, &options, err, sizeof(err))
        != DUR_OK)
    {
        net_die("%s", err);
    }

    dur_config_init(&conf);
    conf.dev = true;
    conf.retention = 0;

    dur_buf_init(&b, 64 * 1024);
    dur_config_encode(&conf, &b);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CONFIG;
    op.body = dur_buf_str(&b);
    (void) leader_alone(&op);
    dur_buf_deinit(&b);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REGISTER;
    op.body = app;
    (void) leader_alone(&op);
}


static inline void
leader_close(void)
{
    dur_engine_close(leader.engine);
    dur_arena_deinit(&leader.arena);
    dur_buf_deinit(&leader.op);
}

#endif /* LEADER_H */
