/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The calls that a server makes of this nginx as of an app (protocol 4), and
 * what they are answered with: the other side of dur_call.h and dur_answer.h.
 * Pure; knows no store.
 */

#ifndef DUR_SERVED_CALL_H
#define DUR_SERVED_CALL_H

#include "engine/dur_base.h"
#include "engine/dur_served.h"

#include <jansson.h>

typedef struct {
    json_t      *root;          /* what all of it borrows from, or from the
                                   body */
    json_t      *steps;         /* an object, or NULL */
    json_t      *stack;         /* an array, or NULL */
    dur_str_t    event;         /* JSON as received */
    dur_str_t    events;        /* the same, when there are several */
    dur_str_t    run_id;        /* as received */
    dur_ulid_t   run;           /* its id, or what stands for one */
    uint64_t     id;            /* tells the attempts of the server apart */
    unsigned     attempt;       /* from 0 */
    unsigned     max_attempts;  /* 0: not told */
    bool         plan;          /* disable_immediate_execution */
    bool         use_api;       /* memos, or events, are not all here */
} dur_served_call_t;

/*
 * Reads the body of a call.  NULL, or a sentence for the server's developer;
 * dur_served_call_free() in any case.
 */
const char *dur_served_call_read(dur_str_t body, dur_served_call_t *call);
void dur_served_call_free(dur_served_call_t *call);

/* The memo of a step, borrowed; NULL without one. */
json_t *dur_served_call_memo(const dur_served_call_t *call,
    const dur_hash_t *step);

/* Whether the server says that the step is done. */
bool dur_served_call_done(const dur_served_call_t *call,
    const dur_hash_t *step);

/* Whether all memos of done steps are here. */
bool dur_served_call_whole(const dur_served_call_t *call);

/* True when the attempt is the last one, so that nothing is retriable. */
bool dur_served_call_last(const dur_served_call_t *call);


/* Appends an array of one op: that a step is planned, or what it brought.
 * `result` is the output or the error of `served`, JSON. */
dur_rc_t dur_served_write_plan(dur_buf_t *b, const dur_hash_t *step,
    dur_str_t name);
dur_rc_t dur_served_write_result(dur_buf_t *b, const dur_hash_t *step,
    dur_str_t name, const dur_served_t *served, dur_str_t result);

/* Appends an error as SDKs answer with: {"message","name","stack"}. */
dur_rc_t dur_served_write_error(dur_buf_t *b, const char *name,
    dur_str_t message);

#endif /* DUR_SERVED_CALL_H */
