/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Gateways (protocol 5.9, 5.10): requests that the server itself makes for a
 * step, step.fetch and step.ai.infer.  The op's opts are kept as the step's
 * input; the request is built from them when it is sent, and what comes back
 * is put as an SDK would have answered (dur_gateway_answer.h), so attempts,
 * memos and history are those of any other step.
 *
 * Keys stand in opts and in the request, nowhere else: no message, and not
 * the step's detail, repeats them.
 */

#ifndef DUR_GATEWAY_H
#define DUR_GATEWAY_H

#include "engine/dur_base.h"

/* Limits of a request; both fit into one frame of the sidecar link. */
#define DUR_GATEWAY_URL      (8 * 1024)
#define DUR_GATEWAY_HEADERS  (16 * 1024)

typedef struct {
    dur_buf_t  *method;
    dur_buf_t  *url;
    dur_buf_t  *headers;        /* "Name: value\n" lines */
    dur_buf_t  *body;
} dur_gateway_call_t;

/* The request of a step; opts is its input, JSON.  DUR_EINVAL: it cannot be
 * sent (dur_gateway_check() refused it); DUR_ETOOBIG. */
dur_rc_t dur_gateway_build(uint8_t op, dur_str_t opts,
    const dur_gateway_call_t *call);

/* What may stand in a request: a method or a header's name, its value, an
 * absolute URL of http: or https:. */
bool dur_gateway_is_token(dur_str_t s);
bool dur_gateway_is_value(dur_str_t s);
bool dur_gateway_is_url(dur_str_t url);

/* NULL, or a sentence: what is wrong with the opts of an op. */
const char *dur_gateway_check(uint8_t op, dur_str_t opts);

/* The URL without what may be secret: user, query, fragment.  From the arena,
 * or borrowed. */
dur_str_t dur_gateway_detail(dur_str_t url, dur_arena_t *arena);

#endif /* DUR_GATEWAY_H */
