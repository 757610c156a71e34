/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One look at the store after a commit, shared by what checks it: items and
 * figures (sim_check), runs and their steps (sim_check_run), events and what
 * they started (sim_check_event).
 */

#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "engine/dur_counter.h"
#include "engine/dur_queue.h"
#include "engine/dur_run.h"
#include "engine/dur_step.h"

#include "sim.h"

#define SIM_ITEMS_MAX   4096
#define SIM_HOUR        ((int64_t) 3600 * 1000)


typedef struct {
    uint64_t     id;
    dur_table_t  table;
    dur_item_t   item;
    bool         counted;
    bool         fresh;         /* leased since the last commit */
    int          run;
    uint64_t     partition;
    dur_counter_t  counter;     /* blocked: what it waits for */
} sim_item_t;

typedef struct {
    sim_t       *s;
    dur_txn_t   *txn;
    unsigned     nitems;
    sim_item_t   items[SIM_ITEMS_MAX];
    uint64_t     leases;
    uint64_t     live;
    uint64_t     locked;
    int64_t      first_timer;
    dur_target_t targets[SIM_APPS_MAX];
} sim_view_t;


/* sim_check.c */
void sim_view_open(sim_t *s, dur_txn_t **txn);

/* sim_check_run.c: the number of a function of the engine; every run, its
 * items and steps. */
unsigned sim_view_fn(sim_view_t *v, uint32_t id);
void sim_view_runs(sim_view_t *v);

/* sim_check_flow.c: of a run that is new, lives, has ended, and all. */
void sim_flow_born(sim_t *s, sim_run_t *m, const dur_run_t *run);
void sim_flow_live(sim_view_t *v, const sim_run_t *m, const dur_run_t *run);
void sim_flow_ended(sim_view_t *v, const sim_run_t *m, const dur_run_t *run);
void sim_flow_rows(sim_view_t *v);
/* The rate limit may have kept the event from starting the function. */
bool sim_flow_refuses(const sim_t *s, unsigned event, unsigned fn);

/* sim_check_concurrency.c: who may run at a time, and who must. */
void sim_concurrency_born(sim_t *s, sim_run_t *m);
void sim_view_concurrency(sim_view_t *v);

/* sim_check_blocked.c: what the engine counts, counted again. */
void sim_view_blocked(sim_view_t *v);

/* sim_check_throttle.c: when runs may start, and in which order. */
void sim_priority_born(sim_t *s, sim_run_t *m);
void sim_view_throttle(sim_view_t *v);
/* Whether a run might start now, by its throttle. */
bool sim_throttle_allows(sim_t *s, const sim_run_t *m);

/* sim_check_debounce.c: which event is held, and until when. */
void sim_view_debounce(sim_view_t *v);

/* sim_check_cron.c: the slots of schedules. */
void sim_view_cron(sim_view_t *v);

/* sim_check_batch.c: which events are in which batch, and when it starts. */
void sim_view_batch(sim_view_t *v);

/* sim_check_event.c: what the events started that were accepted. */
void sim_view_events(sim_view_t *v);
/* What an event that is stored says. */
void sim_event_data(sim_view_t *v, const dur_ulid_t *id, sim_data_t *data);

#endif /* SIM_CHECK_H */
