
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Who listens in this worker, by whatever transport: topics of channels, and
 * the messages that are on their way to them.
 */


#ifndef _NGX_HTTP_DURABLE_SUBSCRIBER_H_INCLUDED_
#define _NGX_HTTP_DURABLE_SUBSCRIBER_H_INCLUDED_


#include "ngx_http_durable.h"

#include "engine/dur_realtime.h"


/* What one subscriber may be behind, and all of a worker together. */
#define NGX_HTTP_DURABLE_BEHIND      (1024 * 1024)
#define NGX_HTTP_DURABLE_BEHIND_ALL  (32 * 1024 * 1024)

#define NGX_HTTP_DURABLE_KEEPALIVE   15000


typedef struct ngx_http_durable_subscriber_s  ngx_http_durable_subscriber_t;


/*
 * A message, made once for all who get it; freed with its last reference.
 * `frame` is a whole WebSocket frame, the text its end.
 */
typedef struct ngx_http_durable_note_s  ngx_http_durable_note_t;

struct ngx_http_durable_note_s {
    ngx_uint_t                      refs;
    uint64_t                        id;
    dur_realtime_kind_t             kind;
    ngx_http_durable_note_t        *plain;      /* of a stream's piece */
    size_t                          size;       /* of data */
    dur_str_t                       frame;
    dur_str_t                       text;
    u_char                          data[];     /* names, frame */
};


/* One that waits to be sent. */
typedef struct {
    ngx_queue_t                     queue;
    ngx_http_durable_note_t        *note;
    size_t                          sent;
} ngx_http_durable_pending_t;


typedef void (*ngx_http_durable_subscriber_pt)(
    ngx_http_durable_subscriber_t *s);


struct ngx_http_durable_subscriber_s {
    ngx_queue_t                     queue;      /* all of this worker */
    ngx_queue_t                     topics;
    ngx_uint_t                      ntopics;
    ngx_http_request_t             *request;

    ngx_queue_t                     pending;
    size_t                          behind;     /* bytes of it */

    ngx_http_durable_subscriber_pt  flush;      /* soon: something pends */
    ngx_http_durable_subscriber_pt  slow;       /* soon: it is too far
                                                   behind, disconnect it */
    ngx_http_durable_subscriber_pt  quit;       /* the worker exits */

    unsigned                        streams:1;  /* knows their messages */
    unsigned                        feed:1;     /* the feed, nothing else */
    unsigned                        runs:1;     /* topics of runs */
    unsigned                        closed:1;   /* gets no more */
};


/* The subscriber's memory is of its request; s->request and the handlers are
 * set.  It hears nothing before it has topics. */
ngx_int_t ngx_http_durable_subscriber_add(ngx_http_durable_subscriber_t *s);
void ngx_http_durable_subscriber_remove(ngx_http_durable_subscriber_t *s);

/* It still listens; to be said within each NGX_HTTP_DURABLE_KEEPALIVE. */
void ngx_http_durable_subscriber_alive(ngx_http_durable_subscriber_t *s);

/* Adds topics, with what was said in them a moment ago, or since the message
 * `after`.  NGX_DECLINED: too many. */
ngx_int_t ngx_http_durable_subscribe(ngx_http_durable_subscriber_t *s,
    dur_realtime_grant_t *grant, uint64_t after);
void ngx_http_durable_unsubscribe(ngx_http_durable_subscriber_t *s,
    dur_realtime_grant_t *grant);

/* The feed, from behind the message `after` on; 0: from now on.  *gap: what
 * was behind it is not there any more. */
ngx_int_t ngx_http_durable_subscribe_feed(ngx_http_durable_subscriber_t *s,
    dur_realtime_grant_t *grant, uint64_t after, ngx_uint_t *gap);

/* How many there are in this worker; and the end of the worker. */
ngx_uint_t ngx_http_durable_subscribers(void);
void ngx_http_durable_hear_stop(void);
void ngx_http_durable_pending_stop(void);

/* A frame of this opcode, with one reference; NULL without memory. */
ngx_http_durable_note_t *ngx_http_durable_note(uint8_t opcode, dur_str_t head,
    dur_str_t text);
ngx_http_durable_note_t *ngx_http_durable_note_raw(dur_str_t frame);

/* Of a message of the ring, with channel and topic in front of its frame. */
ngx_http_durable_note_t *ngx_http_durable_note_of(dur_ring_message_t *m);
void ngx_http_durable_notes_stop(void);
void ngx_http_durable_note_free(ngx_http_durable_note_t *note);

/* Appends to what is pending, which takes a reference of its own.
 * NGX_DECLINED: that is too much, slow() was called; NGX_ERROR: no memory. */
ngx_int_t ngx_http_durable_subscriber_send(ngx_http_durable_subscriber_t *s,
    ngx_http_durable_note_t *note);
ngx_int_t ngx_http_durable_subscriber_queue(ngx_http_durable_subscriber_t *s,
    ngx_http_durable_note_t *note);
void ngx_http_durable_subscriber_sent(ngx_http_durable_subscriber_t *s,
    ngx_http_durable_pending_t *p);


#endif /* _NGX_HTTP_DURABLE_SUBSCRIBER_H_INCLUDED_ */
