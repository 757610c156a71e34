/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What travels between publishers and subscribers (protocol 8.3): the tokens
 * by which a client may hear topics of channels, and the messages, JSON texts
 * that are made once for all who hear them.  Pure; where messages wait is
 * dur_ring, who hears them is not known here.
 */

#ifndef DUR_REALTIME_H
#define DUR_REALTIME_H

#include "engine/dur_base.h"
#include "engine/dur_ring.h"

#include <jansson.h>

#define DUR_REALTIME_TOPICS  64             /* of one token */
#define DUR_REALTIME_LIFE    60             /* of a token, seconds */
#define DUR_REALTIME_CHUNK   1024           /* bytes of a stream's piece */

/* Topic of bytes that are sent on as they are. */
#define DUR_REALTIME_RAW     "$stream"

typedef struct {
    dur_str_t  channel;
    dur_str_t  name;
} dur_realtime_topic_t;

/*
 * Claims of the token that POST /v1/realtime/token asks for: body is an array
 * of {"channel","name","kind"?}.  `streams`: its bearer knows the messages of
 * streams; all others get their pieces as ordinary ones.  DUR_EINVAL and a
 * sentence.
 */
dur_rc_t dur_realtime_claims(dur_str_t body, int64_t now_s, bool streams,
    dur_buf_t *claims, char err[160]);

/* What verified claims allow; borrowed from them. */
typedef struct {
    unsigned              n;
    dur_realtime_topic_t  topics[DUR_REALTIME_TOPICS];
    bool                  publish;
    bool                  streams;
} dur_realtime_grant_t;

/* DUR_EACCES: this is no token of realtime. */
dur_rc_t dur_realtime_grant(const json_t *claims, dur_realtime_grant_t *grant);

/* What a client says on its socket. */
typedef enum {
    DUR_REALTIME_NOTHING = 0,   /* none of these: not answered */
    DUR_REALTIME_SUB,           /* token */
    DUR_REALTIME_UNSUB          /* grant.topics, perhaps without channels */
} dur_realtime_ask_t;

/* Borrowed from root, which the caller frees; it may be NULL. */
dur_realtime_ask_t dur_realtime_ask(dur_str_t text, json_t **root,
    dur_str_t *token, dur_realtime_grant_t *grant);


/* Kinds of messages, also in the ring. */
typedef enum {
    DUR_REALTIME_DATA = 1,
    DUR_REALTIME_RUN,
    DUR_REALTIME_STREAM_START,  /* data: the stream's id */
    DUR_REALTIME_CHUNK_OF,      /* data: text */
    DUR_REALTIME_STREAM_END,
    DUR_REALTIME_BYTES,         /* no JSON: sent on as it is */
    DUR_REALTIME_FEED,          /* a line of the feed */
    DUR_REALTIME_STEP
} dur_realtime_kind_t;

typedef struct {
    dur_realtime_kind_t  kind;
    int64_t              now;           /* ms */
    dur_str_t            channel;
    dur_str_t            topic;
    dur_str_t            run_id;        /* may be empty, like these: */
    dur_str_t            fn_slug;
    dur_str_t            metadata;      /* JSON */
    dur_str_t            stream_id;
    dur_str_t            data;          /* JSON is kept; other text becomes a
                                           string */
} dur_realtime_message_t;

/* Appends the message as clients get it, one line. */
dur_rc_t dur_realtime_write(dur_buf_t *out, const dur_realtime_message_t *m);

/* The piece of a stream as an ordinary message, for a client that does not
 * know of streams: what is returned, and what is left of the text.  Empty:
 * the text is no such piece. */
dur_str_t dur_realtime_plain(dur_str_t *text);

#endif /* DUR_REALTIME_H */
