/* SPDX-License-Identifier: BSD-2-Clause */

/* The newest messages of all channels in a block of a fixed size. */

#include "tap.h"

#include "engine/dur_ring.h"

#include <stdlib.h>

#define BLOCK  (128 * 1024)
#define MANY   20000


typedef struct {
    uint64_t  id;
    int64_t   time;
    unsigned  channel;
    size_t    len;
    uint8_t   fill;
} kept_t;


static uint32_t  state;


static unsigned
any(unsigned n)
{
    state = state * 1664525u + 1013904223u;

    return (state >> 8) % n;
}


static dur_str_t
channel_name(char text[32], unsigned n)
{
    snprintf(text, 32, "channel-%u", n);

    return dur_str_c(text);
}


static dur_rc_t
put(dur_ring_t *ring, const char *channel, const char *text, int64_t time,
    uint64_t *id)
{
    dur_rc_t            rc;
    dur_ring_message_t  m;

    memset(&m, 0, sizeof(m));
    m.time = time;
    m.channel = dur_str_c(channel);
    m.topic = dur_str("t");
    m.text = dur_str_c(text);

    rc = dur_ring_put(ring, &m);

    if (id != NULL) {
        *id = m.id;
    }

    return rc;
}


static void
test_order(void)
{
    uint64_t             at, id, ids[8];
    dur_ring_t          *ring;
    dur_ring_message_t   m;

    ring = dur_ring_create(malloc(BLOCK), BLOCK, 0);
    at = dur_ring_end(ring);

    is_int(dur_ring_next(ring, &at, &m), DUR_ENOTFOUND, "a new ring is empty");
    is_int(dur_ring_recent(ring, dur_str("a"), 0, ids, 8), 0,
           "and a channel of it as well");

    put(ring, "a", "one", 10, NULL);
    put(ring, "b", "two", 20, NULL);
    put(ring, "a", "three", 30, &id);

    is_int(dur_ring_next(ring, &at, &m), DUR_OK, "messages are read");
    is_str(m.text, "one", "in the order in which they came");
    is_str(m.channel, "a", "with their channel");
    is_str(m.topic, "t", "and topic");
    is_int(m.time, 10, "and time");
    dur_ring_next(ring, &at, &m);
    dur_ring_next(ring, &at, &m);
    is_str(m.text, "three", "up to the last");
    is_int(m.id, id, "which has the id that put() told");
    is_int(dur_ring_next(ring, &at, &m), DUR_ENOTFOUND, "then there is none");

    is_int(dur_ring_recent(ring, dur_str("a"), 0, ids, 8), 2,
           "a channel has its own messages");
    is_int(ids[1], id, "the newest is the last one");
    is_int(dur_ring_recent(ring, dur_str("a"), 20, ids, 8), 1,
           "older ones are left out");
    is_int(dur_ring_recent(ring, dur_str("a"), 0, ids, 1), 1,
           "no more than asked for are told");
    is_int(ids[0], id, "and these are the newest");

    ok(dur_ring_count(ring) == 3, "all that were put into it count");
    free(ring);
}


static void
test_limits(void)
{
    char         *text;
    size_t        largest;
    uint64_t      id, before;
    dur_ring_t   *ring;

    ring = dur_ring_create(malloc(BLOCK), BLOCK, 0);
    largest = dur_ring_largest(ring);

    text = calloc(1, largest + 2);
    memset(text, 'x', largest + 1);

    before = dur_ring_end(ring);
    is_int(put(ring, "a", text, 0, NULL), DUR_ETOOBIG,
           "a message may be too large for the ring");
    is_int(dur_ring_end(ring), before, "and leaves it as it was");

    text[largest] = '\0';
    is_int(put(ring, "a", text, 0, NULL), DUR_OK,
           "the largest one that fits is taken");

    text[DUR_RING_NAME + 1] = '\0';
    is_int(put(ring, text, "x", 0, NULL), DUR_ETOOBIG,
           "the name of a channel has a limit");

    free(text);
    put(ring, "a", "x", 0, &id);
    free(ring);

    ring = dur_ring_create(malloc(BLOCK), BLOCK, id);
    put(ring, "a", "x", 0, &before);
    ok(before > id, "a ring that follows another one has larger ids");
    free(ring);
}


/* What is in the ring, and that it is the newest of what was put. */
static void
same(dur_ring_t *ring, const kept_t *kept, unsigned n)
{
    bool                 good;
    unsigned             i, from;
    uint64_t             at;
    dur_ring_message_t   m;

    at = dur_ring_first(ring);

    for (from = 0; from < n && kept[from].id < at; from++) { /* void */ }

    good = n - from > 2;

    for (i = from; i < n && good; i++) {
        good = dur_ring_next(ring, &at, &m) == DUR_OK
               && m.id == kept[i].id && m.time == kept[i].time
               && m.text.len == kept[i].len
               && (m.text.len == 0
                   || (m.text.data[0] == kept[i].fill
                       && m.text.data[m.text.len - 1] == kept[i].fill));
    }

    good = good && dur_ring_next(ring, &at, &m) == DUR_ENOTFOUND;

    ok(good, "after %u messages the newest %u are there, whole", n, n - from);

    at = kept[0].id;
    is_int(dur_ring_next(ring, &at, &m), DUR_ECONFLICT,
           "one that has fallen out is told as such");
    is_int(at, dur_ring_first(ring), "with the oldest to go on from");
}


static void
same_channel(dur_ring_t *ring, const kept_t *kept, unsigned n,
    unsigned channel)
{
    char       name[32];
    bool       good;
    unsigned   i, got, found;
    uint64_t   ids[100], want[100];

    found = 0;

    for (i = n; i > 0 && found < 100; i--) {
        if (kept[i - 1].id < dur_ring_first(ring)) {
            break;
        }
        if (kept[i - 1].channel == channel) {
            want[found++] = kept[i - 1].id;
        }
    }

    got = dur_ring_recent(ring, channel_name(name, channel), 0, ids, 100);
    good = got == found;

    for (i = 0; i < got && good; i++) {
        good = ids[i] == want[found - 1 - i];
    }

    ok(good, "channel %u has its newest %u messages", channel, found);
}


/* Thousands of random messages against a list of them. */
static void
test_many(void)
{
    char                 name[32], *text;
    kept_t              *kept;
    unsigned             i;
    dur_ring_t          *ring;
    dur_ring_message_t   m;

    ring = dur_ring_create(malloc(BLOCK), BLOCK, 0);
    kept = calloc(MANY, sizeof(kept_t));
    text = malloc(BLOCK);

    for (i = 0; i < MANY; i++) {
        kept[i].channel = any(7);
        kept[i].time = i;
        kept[i].fill = (uint8_t) any(256);
        kept[i].len = any(50) == 0 ? any((unsigned) dur_ring_largest(ring))
                                   : any(400);
        memset(text, kept[i].fill, kept[i].len);

        memset(&m, 0, sizeof(m));
        m.time = i;
        m.channel = channel_name(name, kept[i].channel);
        m.text = dur_str_make(text, kept[i].len);

        if (dur_ring_put(ring, &m) != DUR_OK) {
            ok(false, "message %u is taken", i);
        }

        kept[i].id = m.id;

        if (i % 4999 == 4998) {
            same(ring, kept, i + 1);
            same_channel(ring, kept, i + 1, any(7));
        }
    }

    free(text);
    free(kept);
    free(ring);
}


int
main(void)
{
    state = 4711;

    test_order();
    test_limits();
    test_many();

    return done_testing();
}
