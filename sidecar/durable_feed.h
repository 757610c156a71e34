/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The leader's feed: an observer's connection to <store>/leader.sock that
 * hands over one JSON object for each thing that happened.  The leader is a
 * worker of nginx and may be another one after a reload, so the connection is
 * made again whenever it ends.  Nothing here blocks.
 */

#ifndef DURABLE_FEED_H
#define DURABLE_FEED_H

#include <sys/un.h>

#include "engine/dur_base.h"


typedef void (*durable_feed_pt)(void *data, dur_str_t json);

typedef struct {
    struct sockaddr_un   addr;
    int                  fd;            /* -1: not connected */
    bool                 welcome;       /* the leader has answered */
    int64_t              due;           /* when to connect again */
    uint64_t             sequence;      /* of the last notice, 0: none */
    dur_buf_t            in;
    durable_feed_pt      notice;        /* empty json: some were left out */
    void                *data;
} durable_feed_t;


void durable_feed_init(durable_feed_t *f, const char *store,
    durable_feed_pt notice, void *data);
void durable_feed_deinit(durable_feed_t *f);

/* Connects when it is due; returns ms until it wants to be called again, -1
 * while it is connected. */
int64_t durable_feed_step(durable_feed_t *f, int64_t now);

/* Reads what is there and calls `notice` for each object. */
void durable_feed_read(durable_feed_t *f, int64_t now);

#endif /* DURABLE_FEED_H */
