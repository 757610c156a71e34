/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Syncs: an app is asked to register, by a PUT to its URL.  The leader's glue
 * asks, here is what is known of it: how it went, and that somebody wants it
 * to be done.  Such a wish is a flag of the app's row until the outcome is
 * there, so that it survives a change of leader; a URL that nobody knows is a
 * row without a name.
 */

#ifndef DUR_SYNC_H
#define DUR_SYNC_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"

typedef struct dur_engine_s  dur_engine_t;

/* The op SYNC: how syncing a URL went; error is empty when it went well. */
dur_rc_t dur_sync_report(dur_engine_t *e, dur_str_t url, dur_str_t error,
    dur_reply_t *reply);

/* The op APP. */
dur_rc_t dur_sync_apply(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply);

/* The notice that an app is synced. */
dur_rc_t dur_sync_feed(dur_engine_t *e, dur_str_t name, dur_str_t url,
    size_t functions);

#endif /* DUR_SYNC_H */
