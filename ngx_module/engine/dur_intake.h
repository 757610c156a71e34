/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Events as clients send them: from the body of a request to the events of an
 * op (protocol 1.1-1.4).  All of them are good, or the request is refused with
 * a sentence.  The text is parsed once; data, user and meta are kept as they
 * were received.  Pure: ids, the instant and the seed are the caller's.
 */

#ifndef DUR_INTAKE_H
#define DUR_INTAKE_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"

#include <jansson.h>

#define DUR_INTAKE_EVENTS  5000         /* of one request */
#define DUR_INTAKE_NAME    512          /* bytes of an event's name */
#define DUR_INTAKE_ERROR   512

typedef struct {
    int64_t       now_ms;
    size_t        event_max;            /* bytes of one event */
    bool          invoke;               /* one object; its name is ours */
    bool          again;                /* the text of a stored event, which
                                           is to be another one */
    bool          seeded;               /* ids are made of the seed */
    uint64_t      seed_ms;
    uint8_t       seed[10];

    /* makes the id of an event without a seed */
    dur_rc_t    (*id)(void *data, int64_t ms, dur_ulid_t *id);
    void         *data;

    dur_buf_t    *text;                 /* what is stored, one after another */
    dur_buf_t    *scratch;
    dur_arena_t  *arena;                /* of the array of events */
    char          error[DUR_INTAKE_ERROR];
} dur_intake_t;

/*
 * Reads a seed header; one that is malformed or more than a day off is not
 * used.
 */
void dur_intake_seed(dur_intake_t *in, dur_str_t header);

/*
 * Fills op: EVENTS, or INVOKE with id and body.  It borrows from the buffers,
 * the arena and *root, which the caller releases (NULL after an error).
 * DUR_EINVAL: in->error is a sentence for the client; DUR_ENOMEM, and what
 * in->id returned.
 */
dur_rc_t dur_intake(dur_intake_t *in, dur_str_t body, dur_op_t *op,
    json_t **root);

#endif /* DUR_INTAKE_H */
