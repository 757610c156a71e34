/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The read side of durable endpoints (protocol 6.3): the request that calls an
 * endpoint again, which is the client's request made once more, and what the
 * handler answered in the end, for the client that was sent away meanwhile.
 */

#ifndef DUR_ENDPOINT_READ_H
#define DUR_ENDPOINT_READ_H

#include "engine/dur_base.h"
#include "engine/dur_call.h"
#include "engine/dur_queue.h"
#include "engine/dur_run.h"

#include <jansson.h>

/*
 * Builds the call of a leased item of the run: method, URL, headers, body.
 * The body carries no state, the SDK fetches it.  DUR_ECORRUPT when the event
 * is gone or is none of an endpoint.
 */
dur_rc_t dur_endpoint_build(dur_txn_t *t, const dur_run_t *run,
    const dur_item_t *item, const dur_call_options_t *options,
    dur_call_t *call);

typedef struct {
    uint8_t    run;             /* dur_run_status_t; LIVE: nothing else is
                                   filled */
    uint16_t   status;          /* 200..599; 0: the run did not complete */
    json_t    *root;            /* what the others are borrowed from */
    json_t    *headers;         /* an object, or NULL */
    dur_str_t  body;
    bool       json;            /* body is a JSON text without headers of its
                                   own */
    dur_str_t  error;           /* why the run did not complete */
} dur_endpoint_output_t;

/* What the run came to; `text` keeps its bytes.  DUR_ENOTFOUND: no such run.
 * The caller owns output->root. */
dur_rc_t dur_endpoint_output(dur_store_t *s, const dur_ulid_t *run,
    dur_buf_t *text, dur_endpoint_output_t *output);

/* A key for tokens that is the store's own, where no signing key is set. */
dur_rc_t dur_endpoint_key(dur_store_t *s, uint8_t key[32]);

#endif /* DUR_ENDPOINT_READ_H */
