/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Targets: whether an app answers at all.  One that does not, five times in a
 * row, is parked: its work waits in `ready` and uses no attempts, and one item
 * goes out as a probe after 1 s, 2 s, 4 s .. 30 s.  The first answer of any
 * kind unparks it.
 *
 * An app whose calls go one after the other is held while one of them waits
 * to be tried again.
 *
 * The state is a row of DUR_T_TARGET and, equal to it, a member of the app in
 * the registry; an app that answers has no row, so that its results write
 * nothing here.
 */

#ifndef DUR_TARGET_H
#define DUR_TARGET_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"

typedef struct dur_engine_s  dur_engine_t;

/* Failures in a row that park. */
#define DUR_TARGET_ERRORS     5

/* Milliseconds between probes; the largest is also what a probe that says
 * nothing holds the next one up. */
#define DUR_TARGET_DELAY_MIN  1000
#define DUR_TARGET_DELAY_MAX  30000

typedef struct {
    uint32_t  errors;           /* in a row, at most DUR_TARGET_ERRORS */
    uint32_t  delay;            /* ms to wait when the next probe fails */
    int64_t   parked;           /* since when, ms; 0: it is not */
    int64_t   probe_at;
    uint64_t  probe;            /* the item that is out as one, or 0 */
    int64_t   hold;             /* ordered: nothing goes out before, ms, .. */
    uint64_t  held;             /* .. for this item is tried again then */
    char      error[160];       /* of the last probe, for people */
} dur_target_t;

/* No answer of the app: nobody was there, the connection broke, its time was
 * over, or a proxy said so. */
bool dur_target_is_failure(const dur_op_result_t *result);

/* Work must wait: the app is parked and no probe is due, or it is held. */
bool dur_target_waits(const dur_target_t *t, int64_t now);

/* When it must not any more; 0: it must not. */
int64_t dur_target_wakes(const dur_target_t *t);

/* The item is out as the probe of its app. */
bool dur_target_is_probe(dur_engine_t *e, uint32_t app, uint64_t item);

/* The item was leased although the app is parked. */
dur_rc_t dur_target_probe(dur_engine_t *e, uint32_t app, uint64_t item);

/* The item is leased no more, whatever became of it: when it was the probe,
 * the next one may go. */
dur_rc_t dur_target_released(dur_engine_t *e, uint32_t app, uint64_t item);

/* A call failed; *parked: the app is parked now.  `probe`: it was the one. */
dur_rc_t dur_target_failed(dur_engine_t *e, uint32_t app, bool probe,
    dur_str_t error, bool *parked);

/* The next failure parks the app, however few there were. */
void dur_target_doubt(dur_engine_t *e, uint32_t app);

/* Nothing goes out before `until` (0: any time), for the item's sake. */
dur_rc_t dur_target_hold(dur_engine_t *e, uint32_t app, uint64_t item,
    int64_t until);

dur_rc_t dur_target_answered(dur_engine_t *e, uint32_t app);

/* Something else than a call says that the app is back: probe now. */
dur_rc_t dur_target_hint(dur_engine_t *e, uint32_t app);

/* The app was removed: what was known of it is forgotten. */
dur_rc_t dur_target_forget(dur_engine_t *e, uint32_t app);

/* The key is the app's id. */
dur_rc_t dur_target_decode(dur_str_t row, dur_target_t *t);

#endif /* DUR_TARGET_H */
