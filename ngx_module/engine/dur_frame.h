/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The frames of both links: leader <-> sidecar and follower <-> leader.  A
 * pure codec, compiled into the module and into the `durable` program.
 *
 *   u32 length       of all that follows, at most DUR_FRAME_MAX
 *   u8  type         DUR_FRAME_*
 *   u8  flags        DUR_FRAME_F_*
 *   u16 header       bytes of TLV header, at most DUR_FRAME_HEADER_MAX
 *   TLV header       { u16 tag, u16 length, bytes }*, integers big-endian
 *   data             the rest, at most DUR_FRAME_DATA_MAX
 *
 * A body larger than DUR_FRAME_DATA_MAX travels in several frames: the first
 * one (CALL, RESULT, OP, REPLY) without DUR_FRAME_F_END, then DATA frames
 * with the same identity (DUR_TAG_ATTEMPT, or DUR_TAG_ID on the leader link),
 * the last with DUR_FRAME_F_END.  Frames of other identities may stand
 * between them, so a large body never holds up an ACK.  A small body is one
 * frame with DUR_FRAME_F_END.  DUR_TAG_LENGTH of the first frame says how
 * large the whole body is.
 *
 * Sidecar link.  nginx connects, the sidecar listens.
 *   HELLO      nginx -> sidecar   VERSION, STORE_ID(16), EPOCH(u64), PID
 *   HELLO      sidecar -> nginx   VERSION, INSTANCE(16), PID, SOFTWARE
 *   REFUSED    sidecar -> nginx   EPOCH(seen); then it closes
 *   INVENTORY  sidecar -> nginx   data: 12-byte attempts {item u64, gen u32}
 *                                 running or finished and not acked
 *   CREDIT     sidecar -> nginx   COUNT(u32), additive; after a HELLO first
 *                                 the slots that are free now; 0: it stops,
 *                                 credits given before are void
 *   CALL       nginx -> sidecar   ATTEMPT, KIND, METHOD, URL, HEADERS,
 *                                 TIMEOUT(ms), APP(u32), MAX_BODY, LENGTH,
 *                                 FOLLOW; data: body
 *   RESULT     sidecar -> nginx   ATTEMPT, KIND, STATUS(u16; 0 with ERROR),
 *                                 ERROR(text), ERROR_KIND(u8), HEADERS,
 *                                 STARTED(ms u64), DURATION(us u64), LENGTH;
 *                                 data: body
 *   ACK        nginx -> sidecar   ATTEMPT: the result is committed, forget it
 *   CANCEL     nginx -> sidecar   ATTEMPT; answered by a RESULT with
 *                                 ERROR_KIND cancelled
 *   PING, PONG both ways          data is echoed
 *   LOG        sidecar -> nginx   LEVEL(u8), data: text
 *
 * Leader link.  A worker or an observer connects, the leader listens.
 *   HELLO      -> leader          VERSION, PID, ROLE(u8), CODEC(u8)
 *   WELCOME    <- leader          VERSION, FORMAT(u32), EPOCH, STORE_ID, PID
 *   YIELD      -> leader          CODEC: a newer worker asks an older leader
 *                                 to step down
 *   OP         -> leader          ID(u64), LENGTH; data: an encoded op
 *   REPLY      <- leader          ID, STATUS(i16 as u16: dur_rc_t), LENGTH;
 *                                 data: an encoded reply
 *   SUBSCRIBE  -> leader          TOPIC(text), SEQUENCE(u64)
 *   NOTIFY     <- leader          TOPIC, SEQUENCE; data: one JSON object
 *   GAP        <- leader          TOPIC: notices were dropped
 */

#ifndef DUR_FRAME_H
#define DUR_FRAME_H

#include "engine/dur_base.h"

#define DUR_FRAME_VERSION      1
#define DUR_FRAME_PREFIX       8                    /* length .. header */
#define DUR_FRAME_HEADER_MAX   (32 * 1024)
#define DUR_FRAME_DATA_MAX     (64 * 1024)
#define DUR_FRAME_MAX          (4 + DUR_FRAME_HEADER_MAX + DUR_FRAME_DATA_MAX)
#define DUR_ATTEMPT_LEN        12

typedef enum {
    DUR_FRAME_HELLO = 1,
    DUR_FRAME_WELCOME,
    DUR_FRAME_REFUSED,
    DUR_FRAME_INVENTORY,
    DUR_FRAME_CREDIT,
    DUR_FRAME_CALL,
    DUR_FRAME_DATA,
    DUR_FRAME_RESULT,
    DUR_FRAME_ACK,
    DUR_FRAME_CANCEL,
    DUR_FRAME_PING,
    DUR_FRAME_PONG,
    DUR_FRAME_LOG,
    DUR_FRAME_YIELD,
    DUR_FRAME_OP,
    DUR_FRAME_REPLY,
    DUR_FRAME_SUBSCRIBE,
    DUR_FRAME_NOTIFY,
    DUR_FRAME_GAP
} dur_frame_type_t;

#define DUR_FRAME_F_END  0x01

typedef enum {
    DUR_TAG_VERSION = 1,    /* u32 */
    DUR_TAG_STORE_ID,       /* 16 bytes */
    DUR_TAG_EPOCH,          /* u64 */
    DUR_TAG_INSTANCE,       /* 16 bytes, random at the sidecar's start */
    DUR_TAG_PID,            /* u32 */
    DUR_TAG_COUNT,          /* u32 */
    DUR_TAG_ATTEMPT,        /* DUR_ATTEMPT_LEN */
    DUR_TAG_KIND,           /* u8, DUR_CALL_* */
    DUR_TAG_METHOD,         /* text */
    DUR_TAG_URL,            /* text */
    DUR_TAG_HEADERS,        /* "name: value\n" lines, names as to be sent */
    DUR_TAG_TIMEOUT,        /* u64 ms, whole exchange */
    DUR_TAG_APP,            /* u32, the unit of max_calls */
    DUR_TAG_MAX_BODY,       /* u64 bytes of an answer */
    DUR_TAG_LENGTH,         /* u64 bytes of the whole body */
    DUR_TAG_STATUS,         /* u16 */
    DUR_TAG_ERROR,          /* text for the user */
    DUR_TAG_ERROR_KIND,     /* u8, DUR_CALL_E* */
    DUR_TAG_STARTED,        /* u64 ms since the epoch */
    DUR_TAG_DURATION,       /* u64 us */
    DUR_TAG_LEVEL,          /* u8: 0 error, 1 warning, 2 notice, 3 info */
    DUR_TAG_ROLE,           /* u8: 0 worker, 1 observer */
    DUR_TAG_CODEC,          /* u8, DUR_OP_CODEC */
    DUR_TAG_FORMAT,         /* u32, format of the store */
    DUR_TAG_ID,             /* u64 */
    DUR_TAG_TOPIC,          /* text */
    DUR_TAG_SEQUENCE,       /* u64 */
    DUR_TAG_FOLLOW,         /* u8, DUR_FOLLOW_*; absent: 0 */
    DUR_TAG_SOFTWARE        /* text: program and version, library and version
                             */
} dur_tag_t;

/* What a CALL is for.  Only DUR_CALL_STEP is kept in the sidecar's ledger
 * until its ACK; the others are ephemeral and use a small pool of their own
 * that costs no credits. */
typedef enum {
    DUR_CALL_STEP = 0,
    DUR_CALL_SYNC,          /* PUT to an app */
    DUR_CALL_PROBE          /* GET that looks for an app */
} dur_call_kind_t;

/* What a redirect does to the request. */
typedef enum {
    DUR_FOLLOW_REPEAT = 0,  /* nothing, and its query goes along: an app */
    DUR_FOLLOW_FETCH,       /* what browsers do: any other URL */
    DUR_FOLLOW_NONE         /* it is the answer; and an answer counts once its
                               status is known: what is over MAX_BODY is cut
                               off, what breaks off is as it is */
} dur_follow_t;

/* Why an exchange has no HTTP status. */
typedef enum {
    DUR_CALL_OK = 0,
    DUR_CALL_ECONNECT,      /* refused, DNS, TLS: nothing was sent */
    DUR_CALL_ETIMEOUT,
    DUR_CALL_ELOST,         /* broken after sending */
    DUR_CALL_ETOOBIG,       /* the answer is over MAX_BODY */
    DUR_CALL_EPOLICY,       /* the address or scheme is not allowed */
    DUR_CALL_ECANCELLED,
    DUR_CALL_EOTHER,
    DUR_CALL_EGONE,         /* what the request is made of is not stored any
                               more: never sent, and final; of the leader */
    DUR_CALL_EREQUEST       /* a workflow's step asks for what is no request:
                               likewise */
} dur_call_error_t;


/* A decoded frame: borrowed from the input. */
typedef struct {
    uint8_t    type;
    uint8_t    flags;
    dur_str_t  header;
    dur_str_t  data;
} dur_frame_t;

/*
 * Looks at the start of `in`: DUR_OK and *used bytes consumed; DUR_ENOTFOUND
 * when more bytes are needed (*need is the total wanted, when known, else 0);
 * DUR_EINVAL when these are no frames (the link must be closed).
 */
dur_rc_t dur_frame_decode(dur_str_t in, dur_frame_t *f, size_t *used,
    size_t *need);

/* Fields of the header.  DUR_ENOTFOUND, or DUR_EINVAL for a wrong length. */
dur_rc_t dur_frame_get(const dur_frame_t *f, dur_tag_t tag, dur_str_t *v);
dur_rc_t dur_frame_get_u64(const dur_frame_t *f, dur_tag_t tag, uint64_t *v);
        /* for u8, u16, u32 and u64 fields alike */

/*
 * Building: begin, fields, end.  `out` may hold earlier frames.  Fields past
 * the header's maximum set out->failed.
 */
typedef struct {
    dur_buf_t  *out;
    size_t      start;
} dur_frame_writer_t;

void dur_frame_begin(dur_frame_writer_t *w, dur_buf_t *out, uint8_t type,
    uint8_t flags);
void dur_frame_put(dur_frame_writer_t *w, dur_tag_t tag, dur_str_t v);
void dur_frame_put_u8(dur_frame_writer_t *w, dur_tag_t tag, uint8_t v);
void dur_frame_put_u16(dur_frame_writer_t *w, dur_tag_t tag, uint16_t v);
void dur_frame_put_u32(dur_frame_writer_t *w, dur_tag_t tag, uint32_t v);
void dur_frame_put_u64(dur_frame_writer_t *w, dur_tag_t tag, uint64_t v);
/* Ends the frame with its data (at most DUR_FRAME_DATA_MAX). */
dur_rc_t dur_frame_end(dur_frame_writer_t *w, dur_str_t data);

/*
 * Ends the frame with a body of any size: sets DUR_FRAME_F_END on it when the
 * body fits, else appends the DATA frames that follow, each with `tag` = `id`
 * (DUR_TAG_ATTEMPT or DUR_TAG_ID) and the last with DUR_FRAME_F_END.
 * DUR_TAG_LENGTH is added to the first frame.
 */
dur_rc_t dur_frame_end_body(dur_frame_writer_t *w, dur_str_t body,
    dur_tag_t tag, dur_str_t id);

static inline void
dur_attempt_put(uint8_t p[DUR_ATTEMPT_LEN], uint64_t item, uint32_t generation)
{
    dur_put64(p, item);
    dur_put32(p + 8, generation);
}

static inline uint64_t
dur_attempt_item(const uint8_t p[DUR_ATTEMPT_LEN])
{
    return dur_get64(p);
}

static inline uint32_t
dur_attempt_generation(const uint8_t p[DUR_ATTEMPT_LEN])
{
    return dur_get32(p + 8);
}

/* Items with this bit are ephemeral calls; the engine never makes them. */
#define DUR_ITEM_EPHEMERAL  ((uint64_t) 1 << 63)

#endif /* DUR_FRAME_H */
