/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Forwarding: the request that a webhook's event was, for the target of its
 * route, and what the target's answer means.  Pure; knows no store.
 *
 * Of the event only `data` is read: method, url, query, remote, headers and
 * body (with bodyEncoding "base64").  Anybody who may send events may send
 * such a one, so what cannot stand in a request is left out.
 */

#ifndef DUR_FORWARD_H
#define DUR_FORWARD_H

#include "engine/dur_base.h"
#include "engine/dur_answer.h"
#include "engine/dur_gateway.h"
#include "engine/dur_op.h"

/* Bytes that are kept of an answer. */
#define DUR_FORWARD_ANSWER   (64 * 1024)

/* Bytes of it that stand in the history. */
#define DUR_FORWARD_EXCERPT  256

/*
 * The request: method, query, headers and body are the original's.  Left out
 * are host, content-length, hop-by-hop headers and accept-encoding, which is
 * between us and the target; x-forwarded-for, -host and -proto are set.
 * DUR_EINVAL for what is no event; DUR_ETOOBIG.
 */
dur_rc_t dur_forward_build(dur_str_t event, dur_str_t target,
    const dur_gateway_call_t *call);

/*
 * The same for an event with a large body, which is the first member of data
 * and a string: `event` has a 0 in its place, the body is read on its own.
 * *encoded: it is base64.
 */
dur_rc_t dur_forward_head(dur_str_t event, dur_str_t target,
    const dur_gateway_call_t *call, bool *encoded);

/*
 * Appends the bytes that a piece of the body's text stands for, at most as
 * many, and sets *used: what is left goes before the next piece.  `last`:
 * there is none, and nothing is left.  DUR_EINVAL: this is no such text.
 */
dur_rc_t dur_forward_part(dur_str_t text, bool encoded, bool last,
    dur_buf_t *out, size_t *used);

/*
 * 2xx: DONE with {"body","bodyEncoding"?,"bodyTruncated"?,"headers","status"}.
 * 408, 429, 5xx and no answer: ERROR, to be tried again; Retry-After counts.
 * Every other status, and what the address policy refuses: ERROR that is
 * final.  An error has the answer, in the same form, as "data".
 */
dur_rc_t dur_forward_answer(const dur_op_result_t *result, int64_t now_ms,
    dur_arena_t *arena, dur_answer_t *answer);

#endif /* DUR_FORWARD_H */
