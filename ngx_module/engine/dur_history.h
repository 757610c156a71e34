/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * History: one record per attempt of a run, for people.  Nothing decides
 * from it.
 */

#ifndef DUR_HISTORY_H
#define DUR_HISTORY_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"
#include "engine/dur_run.h"

typedef enum {
    DUR_HISTORY_OK = 1,         /* steps or the function went on */
    DUR_HISTORY_RETRY,          /* failed, tried again at `at` */
    DUR_HISTORY_FAILED,         /* failed, no attempts left or final */
    DUR_HISTORY_LOST,           /* the executor was lost meanwhile */
    DUR_HISTORY_PARKED,         /* no answer of a parked app: not counted */
    DUR_HISTORY_CHECKPOINT      /* steps of a call that goes on; the first of
                                   them is `step` */
} dur_history_outcome_t;

typedef struct {
    uint8_t     outcome;
    uint8_t     kind;           /* dur_item_kind_t */
    uint16_t    status;         /* HTTP, or 0 */
    uint16_t    attempt;
    uint32_t    generation;
    uint64_t    item;
    int64_t     started;        /* ms */
    uint64_t    duration;       /* us */
    int64_t     at;             /* RETRY: when */
    dur_hash_t  step;
    dur_hash_t  reported;       /* the last step that the answer brought a
                                   result of, or zero */
    dur_str_t   error;          /* first bytes of it */
    dur_str_t   answer;         /* forwards: of the answer */
} dur_history_t;

/* PARKED after PARKED of the same item replaces it: an app may be away for
 * long. */
dur_rc_t dur_history_add(dur_engine_t *e, dur_run_t *run,
    const dur_history_t *h);

/* Borrowed from the row. */
dur_rc_t dur_history_decode(dur_str_t row, dur_history_t *h);

const char *dur_history_outcome_name(uint8_t outcome);

#endif /* DUR_HISTORY_H */
