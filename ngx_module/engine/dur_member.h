/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The events of a run that has several, in order: rows of their own under the
 * run's id, from the moment its batch opens until the run is deleted.  The
 * first one is run.event as well.
 *
 * dur_member_events() is for all runs, so that what shows or sends events
 * need not know of batches.
 */

#ifndef DUR_MEMBER_H
#define DUR_MEMBER_H

#include "engine/dur_base.h"
#include "engine/dur_run.h"

typedef struct {
    dur_ulid_t  event;
    bool        invoked;        /* parent and parent_step wait */
    dur_ulid_t  parent;
    dur_hash_t  parent_step;
} dur_member_t;

/* The n-th one, from 0.  DUR_ENOTFOUND. */
dur_rc_t dur_member_get(dur_txn_t *t, const dur_ulid_t *run, uint32_t n,
    dur_member_t *member);

/* Stores it, and links its event to the run. */
dur_rc_t dur_member_put(dur_engine_t *e, const dur_ulid_t *run, uint32_t n,
    const dur_member_t *member);

/*
 * Copies those of `from` to `to`, from *n on, while *rows lasts; *n is then
 * where to go on.  DUR_ENOTFOUND behind the last one.
 */
dur_rc_t dur_member_copy(dur_engine_t *e, const dur_ulid_t *from,
    const dur_ulid_t *to, uint32_t *n, unsigned *rows);

/*
 * Takes all away from the first one on, within *budget: all are gone when it
 * is above 0 afterwards.  Events that no other run has are deleted, or only
 * told to retention when `keep` is true.
 */
dur_rc_t dur_member_remove(dur_engine_t *e, const dur_ulid_t *run, bool keep,
    unsigned *budget);

/* The length of the events of a run together, as they are stored. */
dur_rc_t dur_member_length(dur_txn_t *t, const dur_run_t *run,
    uint64_t *length);

/*
 * Appends the events of a run in canonical form with commas between them.
 * DUR_ENOTFOUND, DUR_ECORRUPT: one cannot be read.
 */
dur_rc_t dur_member_events(dur_txn_t *t, const dur_run_t *run, dur_buf_t *out,
    dur_buf_t *scratch);

/* How many events a run has. */
static inline uint32_t
dur_member_count(const dur_run_t *run)
{
    return ((run->flags & DUR_RUN_F_BATCH) && run->nevents) ? run->nevents : 1;
}

/* The id of the n-th event of any run. */
dur_rc_t dur_member_event(dur_txn_t *t, const dur_run_t *run, uint32_t n,
    dur_ulid_t *event);

#endif /* DUR_MEMBER_H */
