/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A body on its way through the sidecar, request or answer: in memory while
 * it is small, in an unlinked file of TMPDIR once it is large.  It is filled
 * first, then sealed, then read; a thousand large answers that wait for their
 * ACK thus cost page cache, not memory of the process.
 */

#ifndef DURABLE_BODY_H
#define DURABLE_BODY_H

#include "engine/dur_base.h"

#define DURABLE_BODY_SPOOL  (256 * 1024)    /* larger ones go to the file */

typedef struct {
    uint8_t  *data;         /* NULL while it is written to the file */
    size_t    len;
    size_t    size;         /* bytes allocated, 0 for the file */
    int       fd;           /* -1: in memory */
} durable_body_t;

void durable_body_init(durable_body_t *body);

/* Empties the body; memory up to `keep` bytes stays for the next use. */
void durable_body_reset(durable_body_t *body, size_t keep);

/* DUR_ENOMEM, or DUR_EIO when the file cannot be written. */
dur_rc_t durable_body_add(durable_body_t *body, const void *p, size_t n);

/* Ends the filling: data and len are what was added.  DUR_EIO. */
dur_rc_t durable_body_seal(durable_body_t *body);

#endif /* DURABLE_BODY_H */
