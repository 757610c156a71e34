/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The event that a webhook becomes: method, headers, body and what else a
 * handler may want of the request, as JSON.  dur_forward makes the request of
 * it again, and so do apps that forward themselves, with fetch(): what would
 * make that fail is left out.
 *
 * The text is written piece by piece, because bodies may be large.  Pure; its
 * pieces together are in canonical form (JCS).
 */

#ifndef DUR_WEBHOOK_H
#define DUR_WEBHOOK_H

#include "engine/dur_base.h"

/* What stands before the connector in the name of the event, and after it. */
#define DUR_WEBHOOK_BEFORE     "event/api.webhooks."
#define DUR_WEBHOOK_AFTER      ".action"

#define DUR_WEBHOOK_CONNECTOR  128

/* Headers that are added: x-forwarded-for, -host, -proto. */
#define DUR_WEBHOOK_MORE       3

typedef struct {
    dur_str_t  name;            /* in lower case */
    dur_str_t  value;
    size_t     order;           /* of dur_webhook_prepare() */
} dur_webhook_header_t;

typedef struct {
    dur_str_t              method;
    dur_str_t              url;         /* whole, as its sender sees it */
    dur_str_t              query;
    dur_str_t              remote;      /* address of the client */
    dur_str_t              body;
    size_t                 nheaders;
    dur_webhook_header_t  *headers;     /* as they came, with room for
                                           DUR_WEBHOOK_MORE */
} dur_webhook_t;

/* One event of it: a request may become several, of different names. */
typedef struct {
    dur_str_t  name;
    dur_str_t  id;
    int64_t    ts;                      /* ms */
    bool       text;                    /* the body is UTF-8 */
    size_t     pos;                     /* bytes of the body that are done */
} dur_webhook_event_t;

/* Names of events, functions and apps are made of it: letters, digits, "-",
 * "_", ".". */
bool dur_webhook_is_connector(dur_str_t s);

/*
 * The id of a delivery, as its sender knows it, for the event: with the
 * connector before it.  One that is long or no text is told by its hash.
 * From the arena; data is NULL without memory.
 */
dur_str_t dur_webhook_id(dur_str_t connector, dur_str_t id,
    dur_arena_t *arena);

/* To be called once, before anything is written: what is not passed on goes,
 * the rest is put in order. */
void dur_webhook_prepare(dur_webhook_t *w);

/*
 * The event's text is head, then parts until pos is the length of the body,
 * then tail.  A part stands for at most `max` bytes of the body, and at least
 * some.  head fills text and pos.
 */
dur_rc_t dur_webhook_head(const dur_webhook_t *w, dur_webhook_event_t *event,
    dur_buf_t *out);
dur_rc_t dur_webhook_part(const dur_webhook_t *w, dur_webhook_event_t *event,
    size_t max, dur_buf_t *out);
dur_rc_t dur_webhook_tail(const dur_webhook_t *w,
    const dur_webhook_event_t *event, dur_buf_t *out);

/*
 * Bytes of the event's text, before its parts are written; fills text and pos
 * as head does.  scratch is the caller's.
 */
uint64_t dur_webhook_size(const dur_webhook_t *w, dur_webhook_event_t *event,
    dur_buf_t *scratch);

#endif /* DUR_WEBHOOK_H */
