/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Redelivery: deliveries of webhooks that are sent again, one or all that
 * ended in some way.  A delivery is a run of a function that is started by the
 * event of a connector, whoever declared it; sent again, it is another run of
 * the same event.
 *
 * Many are a task with a row that says how far it is.  It walks the runs from
 * the oldest on, so that order is kept, and passes by what was sent again
 * already: the newest run of a delivery says how it ended.
 */

#ifndef DUR_REDELIVERY_H
#define DUR_REDELIVERY_H

#include "engine/dur_base.h"
#include "engine/dur_codec.h"
#include "engine/dur_op.h"
#include "engine/dur_run.h"
#include "engine/dur_store.h"

/* How many are kept. */
#define DUR_REDELIVERIES  100

typedef struct {
    dur_ulid_t  id;
    bool        done;
    uint32_t    statuses;       /* 1 << dur_run_status_t */
    int64_t     created;        /* ms */
    int64_t     after;          /* runs created at or after */
    int64_t     before;         /* and before */
    uint64_t    sequence;       /* commit that made it */
    dur_ulid_t  cursor;         /* the last run that was looked at */
    uint64_t    scanned;
    uint64_t    redelivered;
    uint64_t    refused;        /* their function or event is gone */
    dur_str_t   connector;
} dur_redelivery_t;

/* The connector of an event of this name; false when it is of none. */
bool dur_redelivery_connector(dur_str_t event, dur_str_t *connector);

/* The op REDELIVER. */
dur_rc_t dur_redelivery_apply(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply);

/* One piece of the walk; *done when nothing is left. */
dur_rc_t dur_redelivery_more(dur_engine_t *e, const dur_ulid_t *id,
    bool *done);

/* It cannot go on. */
dur_rc_t dur_redelivery_poison(dur_engine_t *e, const dur_ulid_t *id);

/* For readers: how a row is shown.  DUR_ECORRUPT. */
dur_rc_t dur_redelivery_show(dur_str_t key, dur_str_t row, dur_buf_t *out);

#endif /* DUR_REDELIVERY_H */
