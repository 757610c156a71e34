/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A call as an app reads it; shared by the reader (sim_ctx), which checks
 * it, and the SDK (sim_app), which answers it.
 */

#ifndef SIM_APP_H
#define SIM_APP_H

#include "sim.h"

#define SIM_NO_MEMO  (-1)

typedef struct {
    sim_t       *s;
    sim_call_t  *c;
    sim_fn_t    *fn;
    sim_run_t   *run;
    json_t      *body;
    json_t      *steps;
    int          pos[SIM_STEPS_MAX];    /* in the stack, or SIM_NO_MEMO */
    bool         failed[SIM_STEPS_MAX];
    unsigned     nmemos;
    unsigned     attempt;
    unsigned     max_attempts;
    bool         plan;                  /* immediate execution disabled */
    const char  *target;                /* step id of the call */
    unsigned     nfrontier;
    unsigned     frontier[SIM_STEPS_MAX];
    const char  *no_retry;
    unsigned     retry_after;
    json_t      *tells;                 /* ops of the next checkpoint */
    sim_checkpoint_t  checkpoint;
} sim_ctx_t;

/* Parses s->call into x and checks all that an app can see of it. */
void sim_ctx_parse(sim_ctx_t *x);

/* sim_app_op.c: the server ends the step, not the app. */
bool sim_step_reports(const sim_step_t *st);
json_t *sim_op_report(sim_ctx_t *x, unsigned step);
/* Runs a step; *failed when it did not succeed. */
json_t *sim_op_run(sim_ctx_t *x, unsigned step, bool *failed);
void sim_op_defers(sim_ctx_t *x, unsigned step, json_t *ops);

#endif /* SIM_APP_H */
