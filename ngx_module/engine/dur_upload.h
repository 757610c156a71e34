/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Large events on their way in.  The text of one is stored piece by piece, as
 * payload rows under the event's ULID, before there is an event: so neither
 * the worker that reads the request nor the batch that stores it holds more
 * than a piece.  The event takes the rows over; what no event takes within an
 * hour is deleted.
 */

#ifndef DUR_UPLOAD_H
#define DUR_UPLOAD_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"
#include "engine/dur_payload.h"

typedef struct dur_engine_s  dur_engine_t;

/* Bytes of a piece, but for the last one, which is smaller: whole rows. */
#define DUR_UPLOAD_PIECE  (16 * DUR_PAYLOAD_ROW)

/* Bytes of one event; readers take no larger ones. */
#define DUR_UPLOAD_MAX    (16 * 1024 * 1024)

#define DUR_UPLOAD_TIME   (3600 * (int64_t) 1000)

/*
 * The op UPLOAD.  Pieces come one after the other from 0 on; the last one may
 * come again, after a change of leader, and is not stored twice.  Replies 400,
 * 409 (not the next piece), 413, 503 (the store is nearly full).
 */
dur_rc_t dur_upload_apply(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply);

/* Whether the upload of this event is there, as long as it says. */
dur_rc_t dur_upload_find(dur_engine_t *e, const dur_op_event_t *event);

/* The rows are the event's from now on.  Only after dur_upload_find(). */
dur_rc_t dur_upload_take(dur_engine_t *e, const dur_op_event_t *event,
    dur_payload_t *json);

/* Deletes what nobody took within *budget; *next is when there may be more
 * (ms). */
dur_rc_t dur_upload_expire(dur_engine_t *e, unsigned *budget, int64_t *next);

#endif /* DUR_UPLOAD_H */
