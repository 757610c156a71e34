/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The request of a step that is executed for another server, as a worker asks
 * for it and as it is stored, and what is put in only when it is sent: keys
 * and secrets, which never enter the store.  Pure.
 */

#ifndef DUR_SERVED_REQUEST_H
#define DUR_SERVED_REQUEST_H

#include "engine/dur_base.h"
#include "engine/dur_call.h"

/* Whose key goes along as a bearer token; a row never holds one. */
typedef enum {
    DUR_SERVED_NO_KEY = 0,
    DUR_SERVED_KEY,
    DUR_SERVED_FALLBACK_KEY,
    DUR_SERVED_EVENT_KEY        /* behind the URL, not as a token */
} dur_served_auth_t;

/* What its answer means. */
typedef enum {
    DUR_SERVED_FORWARD = 0,     /* dur_forward.h */
    DUR_SERVED_STEP             /* of a workflow, dur_plan_call.h */
} dur_served_judge_t;

/* Around the name of a secret, in place of its value: U+E000, which stands
 * for nothing. */
#define DUR_SERVED_SECRET     "\xee\x80\x80"

/* How long a step of a workflow may take that does not say so, ms. */
#define DUR_SERVED_STEP_TIME  (60 * 1000)

#define DUR_SERVED_EXPECT     64

/* What such a step may answer: as much as the output of a step may be. */
#define DUR_SERVED_ANSWER     (4 * 1024 * 1024)

/* The request of a step. */
typedef struct {
    uint8_t    auth;            /* dur_served_auth_t */
    uint8_t    judge;           /* dur_served_judge_t */
    uint32_t   timeout;         /* ms */
    unsigned   nexpect;         /* STEP: statuses, or classes from 1 to 5 */
    uint16_t  *expect;          /* decoded: NULL, see dur_served_expect() */
    dur_str_t  expected;
    dur_str_t  app;             /* the name it is served under */
    dur_str_t  method;
    dur_str_t  url;
    dur_str_t  headers;         /* "Name: value\n" lines */
    dur_str_t  body;
} dur_served_request_t;

/* As the body of the op; decoding borrows.  DUR_EINVAL for what is none. */
dur_rc_t dur_served_encode(const dur_served_request_t *request,
    dur_buf_t *out);
dur_rc_t dur_served_decode(dur_str_t in, dur_served_request_t *request);
void dur_served_expect(const dur_served_request_t *request,
    uint16_t expect[DUR_SERVED_EXPECT]);

/* Fills in the request of a call, but for its app. */
dur_rc_t dur_served_fill(const dur_served_request_t *request,
    const dur_call_options_t *options, dur_call_t *call);

#endif /* DUR_SERVED_REQUEST_H */
