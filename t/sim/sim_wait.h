/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Between the model of what waits (sim_wait) and what compares it with the
 * store (sim_check_wait).
 */

#ifndef SIM_WAIT_H
#define SIM_WAIT_H

#include "engine/dur_step.h"

#include "sim.h"

/* A step that has its memo since this commit, and one that waits still. */
void sim_wait_done(sim_t *s, dur_txn_t *txn, const sim_wait_t *w,
    const dur_step_t *row);
void sim_wait_open(sim_t *s, dur_txn_t *txn, const sim_wait_t *w,
    const dur_step_t *row);

/* The table of waits agrees with itself, with the runs and the counters. */
void sim_wait_rows(sim_t *s, dur_txn_t *txn);

#endif /* SIM_WAIT_H */
