/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The newest messages of all channels, in one block of memory of a fixed size:
 * what is published goes in at the end, what is oldest falls out.  So a
 * million channels cost no more than one, and who comes a moment too late
 * finds what was said.
 *
 * The block may be shared by processes.  Whoever calls holds its lock; what is
 * borrowed from the ring is valid until the lock is given up.  A process that
 * dies in the middle of a call leaves a ring that is whole.
 */

#ifndef DUR_RING_H
#define DUR_RING_H

#include "engine/dur_base.h"

#define DUR_RING_MIN      (64 * 1024)       /* bytes of a block */
#define DUR_RING_NAME     1024              /* bytes of a channel, a topic */

typedef struct dur_ring_s  dur_ring_t;

typedef struct {
    uint64_t   id;              /* grows, never 0; set by put */
    int64_t    time;            /* ms since the epoch */
    uint8_t    kind;            /* the caller's */
    dur_str_t  channel;
    dur_str_t  topic;
    dur_str_t  text;
} dur_ring_message_t;

/* Makes an empty ring of a block of at least DUR_RING_MIN bytes, aligned to
 * 8.  Its first id is above `after`. */
dur_ring_t *dur_ring_create(void *block, size_t size, uint64_t after);

/* The largest text that a ring takes, for any channel and topic. */
size_t dur_ring_largest(const dur_ring_t *ring);

/* DUR_ETOOBIG: it is larger than that, or its names are too long. */
dur_rc_t dur_ring_put(dur_ring_t *ring, dur_ring_message_t *message);

/* The id of the oldest message that is there, and that of the next one. */
uint64_t dur_ring_first(const dur_ring_t *ring);
uint64_t dur_ring_end(const dur_ring_t *ring);

/* How many messages were put into it. */
uint64_t dur_ring_count(const dur_ring_t *ring);

/*
 * Reads the message at *at and moves *at behind it; *at is an id of this unit,
 * nothing that came from outside.  DUR_ENOTFOUND: that is the end.
 * DUR_ECONFLICT: it has fallen out; *at is now the oldest.
 */
dur_rc_t dur_ring_next(const dur_ring_t *ring, uint64_t *at,
    dur_ring_message_t *message);

/*
 * The ids of the newest messages of a channel that are not older than `since`,
 * at most `max`, oldest first; their number.  Channels that share a bucket
 * share the work, which is bounded.
 */
unsigned dur_ring_recent(const dur_ring_t *ring, dur_str_t channel,
    int64_t since, uint64_t *ids, unsigned max);

/* A hash of a channel's name. */
uint32_t dur_ring_hash(dur_str_t channel);

#endif /* DUR_RING_H */
