/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_ring.h"


#define DUR_RING_ALIGN    8
#define DUR_RING_BUCKET   4096      /* bytes of the block for each of them */
#define DUR_RING_SHARE    4         /* one message is at most this part */
#define DUR_RING_FILLER   0xff      /* kind: up to the end of the block */

/* How far back in a bucket one call looks. */
#define DUR_RING_WALK     4096


/*
 * An id is a position in an endless row of bytes, of which the data area holds
 * the last part.  `end` is written last: what is behind it is not there.
 */
struct dur_ring_s {
    uint64_t  capacity;             /* of the data, a multiple of 8 */
    uint64_t  first;
    uint64_t  end;
    uint64_t  count;
    uint32_t  nbuckets;             /* a power of two */
    uint32_t  unused;
    uint64_t  buckets[];            /* the newest message of each, or 0 */
};


/* Before the bytes of channel, topic and text. */
typedef struct {
    uint64_t  id;
    uint64_t  previous;             /* of the same bucket, or 0 */
    int64_t   time;
    uint32_t  size;                 /* with this, a multiple of 8 */
    uint32_t  text;
    uint16_t  channel;
    uint16_t  topic;
    uint8_t   kind;
    uint8_t   unused[3];
} dur_ring_entry_t;


static size_t
dur_ring_align(size_t n)
{
    return (n + DUR_RING_ALIGN - 1) / DUR_RING_ALIGN * DUR_RING_ALIGN;
}


static uint8_t *
dur_ring_at(const dur_ring_t *ring, uint64_t position)
{
    return (uint8_t *) (ring->buckets + ring->nbuckets)
           + position % ring->capacity;
}


/* Bytes from a position to where the data area begins anew. */
static uint64_t
dur_ring_rest(const dur_ring_t *ring, uint64_t position)
{
    return ring->capacity - position % ring->capacity;
}


dur_ring_t *
dur_ring_create(void *block, size_t size, uint64_t after)
{
    size_t       head;
    dur_ring_t  *ring = block;

    ring->nbuckets = 8;

    while ((uint64_t) ring->nbuckets * 2 * DUR_RING_BUCKET <= size) {
        ring->nbuckets *= 2;
    }

    head = sizeof(dur_ring_t) + ring->nbuckets * sizeof(ring->buckets[0]);

    ring->capacity = (size - head) / DUR_RING_ALIGN * DUR_RING_ALIGN;
    ring->unused = 0;
    ring->end = (after / ring->capacity + 1) * ring->capacity;
    ring->first = ring->end;

    memset(ring->buckets, 0, ring->nbuckets * sizeof(ring->buckets[0]));

    return ring;
}


size_t
dur_ring_largest(const dur_ring_t *ring)
{
    return (size_t) ring->capacity / DUR_RING_SHARE
           - dur_ring_align(sizeof(dur_ring_entry_t) + 2 * DUR_RING_NAME);
}


uint64_t
dur_ring_first(const dur_ring_t *ring)
{
    return ring->first;
}


uint64_t
dur_ring_count(const dur_ring_t *ring)
{
    return ring->count;
}


uint64_t
dur_ring_end(const dur_ring_t *ring)
{
    return ring->end;
}


uint32_t
dur_ring_hash(dur_str_t channel)
{
    size_t    i;
    uint32_t  hash;

    hash = 2166136261u;             /* FNV-1a */

    for (i = 0; i < channel.len; i++) {
        hash = (hash ^ channel.data[i]) * 16777619u;
    }

    return hash;
}


/* Where the entry behind this position stands, or would stand. */
static uint64_t
dur_ring_step(const dur_ring_t *ring, uint64_t position)
{
    uint64_t          rest;
    dur_ring_entry_t  entry;

    rest = dur_ring_rest(ring, position);

    if (rest < sizeof(entry)) {
        return position + rest;
    }

    memcpy(&entry, dur_ring_at(ring, position), sizeof(entry));

    return position + entry.size;
}


/* Whether an entry stands here, and is no filler. */
static bool
dur_ring_entry(const dur_ring_t *ring, uint64_t position,
    dur_ring_entry_t *entry)
{
    if (position < ring->first || position >= ring->end
        || dur_ring_rest(ring, position) < sizeof(*entry))
    {
        return false;
    }

    memcpy(entry, dur_ring_at(ring, position), sizeof(*entry));

    return entry->id == position && entry->kind != DUR_RING_FILLER;
}


static void
dur_ring_make_room(dur_ring_t *ring, uint64_t until)
{
    uint64_t  first;

    first = ring->first;

    while (until - first > ring->capacity) {
        first = first < ring->end ? dur_ring_step(ring, first) : ring->end;
    }

    /* before a byte of what falls out is written over */

    __atomic_store_n(&ring->first, first, __ATOMIC_RELEASE);
}


/* An entry does not go around the end of the block. */
static void
dur_ring_fill(dur_ring_t *ring, uint64_t rest)
{
    dur_ring_entry_t  entry;

    if (rest >= sizeof(entry)) {
        memset(&entry, 0, sizeof(entry));
        entry.id = ring->end;
        entry.size = (uint32_t) rest;
        entry.kind = DUR_RING_FILLER;

        memcpy(dur_ring_at(ring, ring->end), &entry, sizeof(entry));
    }

    __atomic_store_n(&ring->end, ring->end + rest, __ATOMIC_RELEASE);
}


dur_rc_t
dur_ring_put(dur_ring_t *ring, dur_ring_message_t *message)
{
    uint8_t           *p;
    uint64_t           rest, *bucket;
    dur_ring_entry_t   entry;

    if (message->channel.len > DUR_RING_NAME
        || message->topic.len > DUR_RING_NAME
        || message->text.len > dur_ring_largest(ring))
    {
        return DUR_ETOOBIG;
    }

    memset(&entry, 0, sizeof(entry));

    entry.time = message->time;
    entry.kind = message->kind;
    entry.channel = (uint16_t) message->channel.len;
    entry.topic = (uint16_t) message->topic.len;
    entry.text = (uint32_t) message->text.len;
    entry.size = (uint32_t) dur_ring_align(sizeof(entry)
                                           + message->channel.len
                                           + message->topic.len
                                           + message->text.len);

    rest = dur_ring_rest(ring, ring->end);

    if (rest < entry.size) {
        dur_ring_make_room(ring, ring->end + rest + entry.size);
        dur_ring_fill(ring, rest);

    } else {
        dur_ring_make_room(ring, ring->end + entry.size);
    }

    bucket = &ring->buckets[dur_ring_hash(message->channel)
                            & (ring->nbuckets - 1)];

    entry.id = ring->end;
    entry.previous = *bucket;
    message->id = entry.id;

    p = dur_ring_at(ring, entry.id);

    memcpy(p, &entry, sizeof(entry));
    p += sizeof(entry);

    if (message->channel.len) {
        memcpy(p, message->channel.data, message->channel.len);
    }
    if (message->topic.len) {
        memcpy(p + message->channel.len, message->topic.data,
               message->topic.len);
    }
    if (message->text.len) {
        memcpy(p + message->channel.len + message->topic.len,
               message->text.data, message->text.len);
    }

    *bucket = entry.id;

    __atomic_store_n(&ring->end, entry.id + entry.size, __ATOMIC_RELEASE);
    ring->count++;

    return DUR_OK;
}


static void
dur_ring_read(const dur_ring_t *ring, const dur_ring_entry_t *entry,
    dur_ring_message_t *message)
{
    const uint8_t  *p;

    p = dur_ring_at(ring, entry->id) + sizeof(*entry);

    message->id = entry->id;
    message->time = entry->time;
    message->kind = entry->kind;
    message->channel = dur_str_make(p, entry->channel);
    message->topic = dur_str_make(p + entry->channel, entry->topic);
    message->text = dur_str_make(p + entry->channel + entry->topic,
                                 entry->text);
}


dur_rc_t
dur_ring_next(const dur_ring_t *ring, uint64_t *at,
    dur_ring_message_t *message)
{
    dur_ring_entry_t  entry;

    if (*at == ring->end) {
        return DUR_ENOTFOUND;
    }

    if (*at < ring->first || *at > ring->end) {
        *at = ring->first;
        return DUR_ECONFLICT;
    }

    while (*at < ring->end) {

        if (dur_ring_entry(ring, *at, &entry)) {
            dur_ring_read(ring, &entry, message);
            *at += entry.size;
            return DUR_OK;
        }

        /* a filler, or what is shorter than one */

        if (dur_ring_rest(ring, *at) >= sizeof(entry)
            && (entry.id != *at || entry.size == 0))
        {
            *at = ring->first;
            return DUR_ECONFLICT;
        }

        *at = dur_ring_step(ring, *at);
    }

    return DUR_ENOTFOUND;
}


unsigned
dur_ring_recent(const dur_ring_t *ring, dur_str_t channel, int64_t since,
    uint64_t *ids, unsigned max)
{
    unsigned            n, i, steps;
    uint64_t            at, swap;
    dur_ring_entry_t    entry;
    dur_ring_message_t  message;

    at = ring->buckets[dur_ring_hash(channel) & (ring->nbuckets - 1)];
    n = 0;

    for (steps = 0; steps < DUR_RING_WALK && n < max; steps++) {

        if (at == 0 || !dur_ring_entry(ring, at, &entry)
            || entry.time < since)
        {
            break;
        }

        dur_ring_read(ring, &entry, &message);

        if (dur_str_eq(message.channel, channel)) {
            ids[n++] = at;
        }

        at = entry.previous;
    }

    for (i = 0; i < n / 2; i++) {
        swap = ids[i];
        ids[i] = ids[n - 1 - i];
        ids[n - 1 - i] = swap;
    }

    return n;
}
