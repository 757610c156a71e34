/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A deterministic simulation of everything around the engine, in one process:
 * apps that really read the calls and answer as an SDK does (sim_app), a
 * sidecar with slots, a ledger and losses (sim_sidecar), and a world that
 * submits ops in random batches, moves the clock, kills the leader before or
 * after a commit and the sidecar at any time (sim_world).  Apps go away for
 * seconds or an hour (sim_target says what that may mean).  After each commit
 * and when the world is quiet, sim_check compares the store with what the
 * models saw.
 *
 * All chance comes from the seed; a violation prints the command that shows
 * it again.
 */

#ifndef SIM_H
#define SIM_H

#include "engine/dur_base.h"
#include "engine/dur_call.h"
#include "engine/dur_counter.h"
#include "engine/dur_engine.h"
#include "engine/dur_frame.h"
#include "engine/dur_op.h"
#include "engine/dur_store.h"
#include "engine/dur_target.h"
#include "engine/dur_ulid.h"

#include "sim_rand.h"

#include <inttypes.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#define SIM_APPS_MAX   3
#define SIM_FNS_MAX    8
#define SIM_STEPS_MAX  24
#define SIM_NODES_MAX  64
#define SIM_KIDS_MAX   5
#define SIM_RUNS_MAX   2048
#define SIM_CALLS_MAX  512
#define SIM_CLIENTS    4            /* different client event ids */
#define SIM_WORDS      3            /* events that start nothing */
#define SIM_NAME_WORD  100          /* their names, from here on */
#define SIM_SIGNALS    2
#define SIM_RULES_MAX  4
#define SIM_RERUNS_MAX 16
#define SIM_BULKS_MAX  4
#define SIM_THROTTLES_MAX  64
#define SIM_DEBOUNCES_MAX  64
#define SIM_BATCHES_MAX    64
#define SIM_BLOCKED_MAX    1024
#define SIM_IDS_MAX    64           /* function ids of the engine */
#define SIM_BATCH_MAX  48           /* ops */
#define SIM_TIME       ((int64_t) 1790000000000)
#define SIM_ALWAYS     99           /* fails as often as it is tried */

typedef struct sim_s  sim_t;


typedef enum {
    SIM_DO_RUN = 0,
    SIM_DO_SAY,                 /* runs, and sends an event or a signal */
    SIM_DO_SLEEP,
    SIM_DO_WAIT,                /* for an event */
    SIM_DO_SIGNAL,
    SIM_DO_INVOKE,
    SIM_DO_FETCH                /* a gateway */
} sim_do_t;

/* What a wait or a cancelOn wants of an event; sim_event.c has the texts. */
typedef enum {
    SIM_IF_NONE = 0,
    SIM_IF_SAME,                /* the same field as in the run's event */
    SIM_IF_VALUE,               /* a field with a value */
    SIM_IF_OVER,                /* no equality */
    SIM_IF_BOTH,
    SIM_IF_OPTIONAL,            /* equality of a field that may be missing */
    SIM_IF_BAD                  /* no expression: the run fails */
} sim_if_t;

/* The data of an event as expressions see it; -1: there is no such field. */
typedef struct {
    int  j;
    int  k;
    int  o;
} sim_data_t;

/* One step of a function's program. */
typedef struct {
    char      id[16];
    char      hash[DUR_HASH_TEXT_LEN + 1];
    dur_hash_t  key;
    sim_do_t  kind;
    unsigned  ms;               /* of a sleep, or a timeout */
    bool      date;             /* .. which ends at an instant instead */
    bool      forever;          /* no timeout was given */
    unsigned  name;             /* event or signal */
    sim_if_t  cond;
    bool      replace;          /* opts.conflict of a signal */
    int       target;           /* function to invoke, -1: there is none */
    int       defer;            /* function that it defers, or -1 */
    int       abort;            /* step whose defer it aborts, or -1 */
    unsigned  fails;            /* attempts that fail, SIM_ALWAYS */
    bool      fatal;            /* the failure is not retriable */
    bool      uncaught;         /* the function throws when it failed */
    bool      race;             /* opts.parallelMode */
    unsigned  size;             /* of the output's padding */
} sim_step_t;

typedef enum {
    SIM_STEP,
    SIM_SEQ,
    SIM_ALL,                    /* Promise.all */
    SIM_RACE                    /* Promise.race */
} sim_node_type_t;

typedef struct {
    sim_node_type_t  type;
    unsigned         step;
    unsigned         nkids;
    unsigned         kids[SIM_KIDS_MAX];
} sim_node_t;

#define SIM_CANCELS_MAX  2

typedef enum {
    SIM_SINGLETON_NONE = 0,
    SIM_SINGLETON_SKIP,
    SIM_SINGLETON_CANCEL
} sim_singleton_t;

/* What a key is made of; events may lack the last one. */
typedef enum {
    SIM_KEY_NONE = 0,
    SIM_KEY_K,
    SIM_KEY_J,
    SIM_KEY_O,
    SIM_KEYS
} sim_key_t;

typedef enum {
    SIM_SCOPE_FN = 0,
    SIM_SCOPE_ENV,
    SIM_SCOPE_ACCOUNT
} sim_scope_t;

/* Calls at a time. */
typedef struct {
    unsigned         limit;     /* 0: none */
    sim_scope_t      scope;
    sim_key_t        key;
} sim_limit_t;

#define SIM_LIMITS_MAX  2
#define SIM_PRIORITIES  5
#define SIM_CRONS       5

/* What a registration asks for besides; the keys of singletons and rate
 * limits are event.data.k. */
typedef struct {
    unsigned         ncancels;
    struct {
        unsigned     name;
        sim_if_t     cond;
        unsigned     ms;        /* timeout, 0: none */
    } cancels[SIM_CANCELS_MAX];
    unsigned         start;     /* timeouts, ms, 0: none */
    unsigned         finish;
    sim_singleton_t  singleton;
    bool             singleton_key;
    unsigned         limit;     /* 0: none */
    unsigned         period;    /* s */
    bool             limit_key;
    unsigned         nlimits;
    sim_limit_t      limits[SIM_LIMITS_MAX];
    sim_limit_t      runs;      /* of whole runs; the scope is the function */
    unsigned         throttle;  /* starts, 0: none .. */
    unsigned         throttle_period;   /* .. in so many s .. */
    unsigned         burst;     /* .. and those at once */
    sim_key_t        throttle_key;
    unsigned         priority;  /* number of an expression, 0: none */
    unsigned         debounce;  /* s, 0: none */
    unsigned         debounce_timeout;  /* s, 0: none */
    sim_key_t        debounce_key;
    unsigned         batch;     /* events at most, 0: none */
    unsigned         batch_timeout;     /* s */
    sim_key_t        batch_key;
    sim_if_t         batch_if;  /* NONE or OVER */
    unsigned         cron;      /* number of a schedule, 0: none */
    unsigned         jitter;    /* .. s */
} sim_flow_t;

typedef struct {
    char        slug[32];
    unsigned    app;
    unsigned    event;          /* number of the event that triggers it */
    bool        any;            /* .. or a wildcard that takes all of them */
    bool        deferred;       /* .. or it runs what others defer */
    unsigned    invokes;        /* steps that invoke */
    int         handles;        /* function whose failures it handles, or -1 */
    int         handler;        /* the reverse, or -1 */
    unsigned    retries;
    unsigned    version;        /* of the request, 1 or 2 */
    bool        run_complete;   /* ends with a RunComplete op */
    unsigned    buffered;       /* runs up to so many steps in one call */
    unsigned    checkpoints;    /* tells so many steps at once, 0: none */
    unsigned    throws;         /* attempts that throw, SIM_ALWAYS .. */
    unsigned    throws_at;      /* .. once so many memos are there */
    bool        throws_final;   /* NonRetriableError */
    unsigned    retry_after;    /* seconds, 0: none */
    bool        registered;     /* in the payload of its app */
    bool        active;         /* in the one that was committed last */
    bool        toggled;        /* it was not always registered */
    bool        retries_changed;
    sim_flow_t  flow;           /* of the next registration */
    sim_flow_t  held;           /* of the one that was committed last .. */
    sim_flow_t  before;         /* .. and the one before that */
    unsigned    held_in;        /* .. when this batch changed it */
    bool        flow_changed;   /* at some time */
    unsigned    active_in;      /* the batch in which it came or went */
    bool        paused;
    bool        was_paused;     /* at some time */
    unsigned    paused_in;      /* the batch that paused it, or went on */
    unsigned    nsteps;
    sim_step_t  steps[SIM_STEPS_MAX];
    unsigned    nnodes;
    sim_node_t  nodes[SIM_NODES_MAX];
    unsigned    root;
} sim_fn_t;

typedef struct {
    char      name[16];
    unsigned  version;          /* of its registration */
    bool      registered;
    int64_t   down_until;       /* refuses connections until then */
    bool      down_503;         /* .. or answers 503 */
    unsigned  errors;           /* failures in a row, as the models count */
    bool      was_parked;       /* before the batch */
    bool      answered;         /* .. and not any more, in between */
    unsigned  calls;            /* of the batch */
} sim_app_t;


/* What the models know of a run. */
typedef struct {
    dur_ulid_t  id;
    unsigned    fn;
    bool        called;         /* an app saw it */
    bool        completed;      /* an app answered that it is complete */
    bool        errored;        /* some answer may have failed it */
    bool        cancelled;      /* a cancel was accepted */
    bool        ended;
    bool        kept;           /* the store still has it */
    int64_t     ended_at;
    unsigned    ended_in;       /* batch */
    bool        locked;         /* holds a singleton */
    char        status[16];     /* when ended */
    dur_ulid_t  event;
    unsigned    seen;           /* memos the last discovery was told of */
    unsigned    handled;        /* runs of its failure handler */
    unsigned    executions;     /* of steps, gives each output its number */
    bool        born;           /* a commit was seen with it: */
    unsigned    batch;          /* .. which one, */
    int64_t     created;
    int64_t     ts;             /* of its event, */
    sim_data_t  data;           /* .. and what that says */
    int         parent;         /* run that invoked it, or -1 */
    bool        counted;        /* by the rate limit, and has no client id */
    bool        must_cancel;    /* an event came that its cancelOn names */
    bool        may_cancel;
    int         original;       /* it runs that one again, or -1 */
    unsigned    replayed;       /* so often bulk jobs ran it again */
    int         from;           /* .. from this step on, or -1 */
    bool        edited;         /* .. with another input */
    int         memos;          /* .. so many are copied, -1: not known */
    uint32_t    defers;         /* steps whose defers were taken, as bits */
    uint32_t    aborted;
    uint32_t    deferred;       /* .. and those whose function began */
    uint32_t    seen_rows;      /* steps whose rows were seen done */
    uint32_t    told;           /* steps that a checkpoint committed */
    uint32_t    keys;           /* sim_key_t that it has values of, as bits */
    uint32_t    maybe_keys;     /* .. or may have */
    bool        begun;          /* its first call was leased */
    unsigned    begun_in;       /* .. in this batch */
    bool        slot_of;        /* .. and it counts as a run at a time */
    bool        batched;        /* it is of a batch .. */
    unsigned    nevents;        /* .. of so many */
    int64_t     slot;           /* of the schedule that started it, or 0 */
    unsigned    cron;
    int         factor;         /* of its priority, s */
    bool        any_factor;     /* .. which is not known */
    unsigned    waits;          /* that it counts */
    unsigned    wait_rows;      /* .. and has */
    bool        must_fail;      /* a commit refused what it asked for */
    struct {
        json_t   *memo;         /* as the apps saw it first */
        uint64_t  by;           /* item that executes it now, 0: none */
        unsigned  ran;          /* successful executions */
        int64_t   due;          /* sleeps: not before */
        bool      known;        /* a commit took its wait */
        unsigned  stack;        /* of seen_rows: where it stands */
    } steps[SIM_STEPS_MAX];
} sim_run_t;

/* A cancelOn entry of a run that lives. */
typedef struct {
    int       run;
    unsigned  entry;
    int64_t   expires;
} sim_cancel_t;

/* Runs that people want cancelled, by when they were created. */
typedef struct {
    dur_ulid_t  id;
    unsigned    fn;
    int64_t     after;
    int64_t     before;
    bool        some;           /* .. only those whose k is 1 */
    bool        acked;
    bool        taken;
    unsigned    batch;          /* that took it */
    bool        removing;
    bool        removed;
} sim_rule_t;

/* Runs of a function that people want cancelled, or run again, all of them. */
typedef struct {
    dur_ulid_t  id;
    unsigned    fn;
    bool        replay;
    bool        some;           /* .. only those whose k is 1 */
    bool        acked;
    bool        taken;
    unsigned    batch;          /* that took it */
} sim_bulk_t;

/* A run that somebody wants to be run again. */
typedef struct {
    dur_ulid_t  id;
    int         run;
    int         from;           /* step, or -1 */
    bool        edited;
    bool        acked;
    bool        taken;
    int64_t     at;
    dur_ulid_t  made;           /* the new run */
} sim_rerun_t;

/* A step that waits, from the commit that made it wait. */
typedef struct {
    int       run;
    unsigned  step;
    int64_t   expires;
    int       match;            /* event that it must have, or -1 */
    int       heard;            /* signal that it must have, or -1 */
    bool      displaced;        /* by another waiter for its signal */
    bool      empty;            /* its time was over when it came */
} sim_wait_t;

/* A signal that a client sends until it has an answer. */
typedef struct {
    dur_ulid_t  id;
    unsigned    name;
    bool        acked;
    bool        taken;          /* a commit delivered it .. */
    int64_t     at;             /* .. then .. */
    int         run;            /* .. to this run */
} sim_signal_t;


/* Steps that a call tells before it answers. */
typedef struct {
    uint64_t  item;
    uint32_t  generation;
    int       run;
    char     *ops;              /* JSON array */
    unsigned  nsteps;
    uint32_t  defers;
    uint32_t  aborts;
    int64_t   at;               /* a late one arrives then */
} sim_checkpoint_t;

typedef enum {
    SIM_CALL_FREE = 0,
    SIM_CALL_LEASED,            /* effect seen, request not built yet */
    SIM_CALL_RUNNING,           /* at the app */
    SIM_CALL_FINISHED           /* result in the ledger until its ACK */
} sim_call_state_t;

typedef struct {
    sim_call_state_t  state;
    uint64_t          item;
    uint32_t          generation;
    uint32_t          app;
    bool              cancelled;
    bool              submitted;    /* the result is in this batch */
    bool              resent;       /* finished before the link was new */
    bool              ghost;        /* its sidecar is gone, it may come late */
    int64_t           at;           /* built or finished then */
    uint16_t          status;
    uint8_t           error_kind;
    int64_t           started;
    char             *headers;
    char             *body;
    int               run;          /* whose steps it executes, or -1 */
    uint32_t          steps;        /* which, as bits */
    unsigned          attempt;      /* of the item, when it was sent */
    unsigned          losses;
    bool              discovery;
    bool              gateway;
    unsigned          memos;        /* that it was told of */
    uint32_t          reports;      /* steps that it says will wait */
    uint32_t          defers;       /* steps whose defers it adds .. */
    uint32_t          aborts;       /* .. or aborts */
    unsigned          nscript;      /* checkpoints before it answers */
    unsigned          told;         /* .. that were taken */
    sim_checkpoint_t *script;
} sim_call_t;


/* An event that a client wants accepted, and what must come of it. */
typedef struct {
    dur_ulid_t  id;
    unsigned    name;           /* sim_event_name() */
    sim_data_t  data;
    int         client;         /* number of its client id, or -1 */
    int64_t     ts;
    bool        sent;           /* a commit accepted it */
    bool        acked;          /* the client knows */
    int64_t     accepted;
    unsigned    batch;          /* that accepted it */
    bool        first;          /* first event of its op */
    unsigned    nops;           /* events in the same op, when first */
    unsigned    tries;
    uint32_t    must;           /* functions that must have a run of it */
    uint32_t    may;            /* functions that may */
    uint32_t    later;          /* .. and those that wait for others first */
    unsigned    order;          /* of acceptance */
    bool        late;           /* a task may have led it on */
    dur_ulid_t  in[SIM_FNS_MAX];        /* the run of its batch */
} sim_event_t;

/* Starts that a throttle lets go: features 5.2, in microseconds. */
typedef struct {
    unsigned    fn;
    int         value;
    int64_t     tat;
    bool        unsure;         /* others may have gone as well */
    unsigned    woken;          /* that will take theirs */
} sim_throttle_t;

/* An item that waits for a limit. */
typedef struct {
    uint64_t    item;
    int64_t     score;
    uint32_t    function;
    dur_counter_t  counter;
} sim_waiter_t;

/* An event that waits for others, as the last commit left it. */
typedef struct {
    unsigned    fn;
    int         value;          /* of the key */
    uint64_t    item;           /* tells it from later ones */
    dur_ulid_t  event;
    int64_t     ts;
    int64_t     began;
    int64_t     due;
} sim_debounce_t;

/* A batch that is open. */
typedef struct {
    unsigned    fn;
    int         value;          /* of the key */
    uint64_t    item;
    dur_ulid_t  run;            /* to come */
    unsigned    count;
    int64_t     opened;
    int64_t     due;
} sim_batch_of_t;

/* The slot that a function waits for. */
typedef struct {
    unsigned    fn;
    unsigned    cron;
    uint64_t    item;
    int64_t     slot;
    int64_t     due;
} sim_slot_t;

/* One committed batch, for playing it again. */
typedef struct {
    int64_t    now;
    unsigned   reopens;         /* before it */
    unsigned   nops;
    dur_str_t *ops;             /* malloced */
} sim_batch_t;


typedef struct {
    uint64_t     start;
    uint64_t     seeds;
    unsigned     steps;
    unsigned     jobs;
    uint32_t     without;       /* features, as bits */
    unsigned     replay_every;  /* seeds whose log is played again */
    bool         verbose;
    const char  *directory;
    const char  *program;
} sim_options_t;

typedef struct {
    uint64_t  seeds;
    uint64_t  failed;
    uint64_t  runs;
    uint64_t  executed;         /* steps */
    uint64_t  batches;
    uint64_t  ops;
    uint64_t  deaths;           /* of leaders */
    uint64_t  parked;           /* apps, so many times */
    uint64_t  probes;
    uint64_t  waited;           /* for an event that came */
    uint64_t  heard;            /* signals */
    uint64_t  timed_out;        /* either of them */
    uint64_t  invoked;
    uint64_t  deliveries;       /* webhooks, see sim_route.c */
    uint64_t  reruns;
    uint64_t  waiters;          /* for limits, by commits */
    uint64_t  debounced;        /* runs */
    uint64_t  batched;          /* events */
    uint64_t  slots;            /* of schedules, that came up */
    uint64_t  skipped;          /* runs */
    uint64_t  limited;          /* events that started nothing */
    uint64_t  late;             /* runs that timeouts ended */
    uint64_t  cancelled;        /* .. events, .. */
    uint64_t  ruled_out;        /* .. and cancellations */
    uint64_t  bulks;            /* jobs, and runs that these started, */
    uint64_t  replayed;
    uint64_t  swept;            /* .. and cancelled */
    uint64_t  deferred;
    uint64_t  checkpointed;     /* steps */
} sim_figures_t;

struct sim_s {
    const sim_options_t  *opt;
    uint64_t              seed;
    sim_rand_t            rand;
    jmp_buf               failed;
    char                  path[256];

    int64_t               now;
    bool                  clock_steps;  /* the clock is set now and then */
    bool                  long_pauses;  /* hours pass between ops */
    bool                  calm;         /* no more chaos, all must end */
    unsigned              chaos;        /* permille of each kind of trouble */
    unsigned              garbage;      /* permille of answers */
    bool                  crowd;        /* many wait for the same */
    unsigned              asks;         /* permille of what people want */
    unsigned              inventory_in; /* batch of the last one */

    dur_engine_t         *engine;
    dur_config_t          conf;
    uint8_t               store_id[16];
    unsigned              opened;       /* times since the last commit */
    bool                  need_config;
    bool                  need_inventory;
    dur_arena_t           arena;
    dur_call_t            call;
    dur_buf_t             buf;

    unsigned              napps;
    sim_app_t             apps[SIM_APPS_MAX];
    unsigned              nfns;
    sim_fn_t              fns[SIM_FNS_MAX];
    unsigned              nnames;       /* event names */
    unsigned              waits_share;  /* permille of steps */

    unsigned              nruns;
    sim_run_t             runs[SIM_RUNS_MAX];

    uint8_t               instance[16];
    unsigned              slots;
    unsigned              ncalls;       /* high-water mark */
    sim_call_t            calls[SIM_CALLS_MAX];
    size_t                nattempts;    /* every attempt ever sent */
    size_t                attempts_size;
    uint8_t              *attempts;

    unsigned              nlate;        /* copies of checkpoints */
    sim_checkpoint_t     *late;

    unsigned              nwaiting;     /* of parked apps, in this batch */
    struct {
        uint64_t  item;
        unsigned  attempt;
    } waiting[SIM_BATCH_MAX];

    unsigned              nrequests;
    unsigned              nevents;
    unsigned              events_size;
    sim_event_t          *events;
    unsigned              naccepted;
    unsigned              nverified;
    unsigned              accepted_size;
    unsigned             *accepted;     /* numbers, in order of acceptance */
    int                   clients[SIM_CLIENTS][SIM_FNS_MAX];
                                        /* last run of a client id + 1 */
    unsigned              fn_ids[SIM_IDS_MAX];

    unsigned              nwaits;
    unsigned              waits_size;
    sim_wait_t           *waits;
    unsigned              ncancels;
    unsigned              cancels_size;
    sim_cancel_t         *cancels;
    unsigned              nrules;
    sim_rule_t            rules[SIM_RULES_MAX];
    sim_rand_t            bulk_rand;    /* leaves all other chance as it is */
    unsigned              nbulks;
    sim_bulk_t            bulks[SIM_BULKS_MAX];
    unsigned              nreruns;
    sim_rerun_t           reruns[SIM_RERUNS_MAX];
    unsigned              batch_events; /* accepted before the batch */
    bool                  had_tasks;    /* .. when it began */
    unsigned              batch_ops;
    unsigned              nsignals;
    unsigned              signals_size;
    sim_signal_t         *signals;
    int                   waiter[SIM_SIGNALS];  /* number of the run, or -1 */
    unsigned              waiter_step[SIM_SIGNALS];

    unsigned              nleased;      /* calls, by the last commit */
    uint64_t              leased[SIM_CALLS_MAX];
    unsigned              nblocked;     /* items that waited for a limit */
    sim_waiter_t          blocked[SIM_BLOCKED_MAX];
    unsigned              nthrottles;
    sim_throttle_t        throttles[SIM_THROTTLES_MAX];
    unsigned              ndebounces;
    sim_debounce_t        debounces[SIM_DEBOUNCES_MAX];
    unsigned              nbatches_of;
    sim_batch_of_t        batches_of[SIM_BATCHES_MAX];
    unsigned              nslots_of;
    sim_slot_t            slots_of[SIM_FNS_MAX];

    unsigned              nlog;
    unsigned              log_size;
    sim_batch_t          *log;

    bool                  passed;
    sim_figures_t         figures;
};


/* Says what is wrong and how to see it again, and gives the seed up. */
void sim_fail(sim_t *s, const char *fmt, ...)
    __attribute__((noreturn, format(printf, 2, 3)));
void sim_note(sim_t *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void sim_directory(const char *path, bool create);

/* sim_event.c: events, signals, and what is asked of them. */
void sim_event_name(char text[24], unsigned name);
void sim_event_json(const sim_t *s, unsigned event, char text[256]);
/* A new one that a client will send; its number. */
unsigned sim_event_new(sim_t *s, unsigned name, int client);
/* The number of a client's event, or -1. */
int sim_event_find(const sim_t *s, const dur_ulid_t *id);
void sim_signal_new(sim_t *s, unsigned name);
const char *sim_if_text(sim_if_t cond);
bool sim_if_true(sim_if_t cond, const sim_data_t *event,
    const sim_data_t *async);
void sim_data_read(const json_t *event, sim_data_t *data);

/* Schedules that a division knows the slots of. */
typedef struct {
    const char  *text;
    unsigned     period;        /* s */
    unsigned     offset;        /* .. from the epoch on */
} sim_cron_text_t;

extern const sim_cron_text_t  sim_crons[SIM_CRONS + 1];

/* The zones of those: what a machine would have as files. */
dur_rc_t sim_zone(void *data, dur_str_t name, dur_buf_t *bytes);

/* sim_option.c: what steers the flow of a function. */
void sim_option_make(sim_t *s, sim_fn_t *fn);
/* Other settings, for its next registration; false: it has none to change. */
bool sim_option_change(sim_t *s, sim_fn_t *fn);
/* A feature that histories shall not have; false: there is none of the
 * name. */
bool sim_option_without(sim_options_t *opt, const char *name);
void sim_option_drop(const sim_t *s, sim_flow_t *f);
/* What the expressions say of an event: two that are equal are one key. */
int sim_key_value(sim_key_t key, const sim_data_t *data);
int sim_priority_value(unsigned priority, const sim_data_t *data);
void sim_option_add(const sim_fn_t *fn, json_t *function);

/* sim_cancel.c: cancelOn and cancellations, as far as commits tell. */
void sim_cancel_born(sim_t *s, int run);
void sim_cancel_event(sim_t *s, unsigned event);
void sim_cancel_check(sim_t *s, dur_txn_t *txn);
/* A rule that means the run, or that one if it does; NULL. */
const sim_rule_t *sim_cancel_rule(const sim_t *s, const sim_run_t *run,
    const dur_ulid_t *id);

/* sim_bulk.c: jobs over many runs. */
bool sim_bulk_cancels(const sim_t *s, const sim_run_t *run, const char *why);
bool sim_bulk_born(sim_t *s, sim_run_t *run, const dur_ulid_t *original);
void sim_bulk_check(sim_t *s);

/* sim_program.c: random functions, and their registration. */
void sim_program_make(sim_t *s);
/* The payload of an app's registration; free() it. */
char *sim_program_payload(sim_t *s, unsigned app);

/*
 * sim_app.c: answers the request in s->call as an SDK would.  Fills status,
 * headers and body of the call and the step that it executes.
 */
void sim_app_answer(sim_t *s, sim_call_t *c);

/* sim_gateway.c: answers a request of a step. */
void sim_gateway_answer(sim_t *s, sim_call_t *c);

/* sim_sidecar.c */
void sim_sidecar_start(sim_t *s);
void sim_sidecar_crash(sim_t *s);
void sim_sidecar_link(sim_t *s);        /* a new link: all is unacked again */
void sim_sidecar_effect(sim_t *s, const dur_effect_t *f);
void sim_sidecar_work(sim_t *s);        /* builds, runs, finishes calls */
unsigned sim_sidecar_used(const sim_t *s);
int64_t sim_sidecar_next(const sim_t *s);   /* instant, INT64_MAX: none */
void sim_sidecar_inventory(sim_t *s, dur_buf_t *out);
void sim_call_free(sim_t *s, sim_call_t *c);
sim_call_t *sim_sidecar_find(sim_t *s, uint64_t item, uint32_t generation);
/* Another attempt of the item was sent after this one. */
bool sim_sidecar_newer(const sim_t *s, uint64_t item, uint32_t generation);

/* sim_checkpoint.c */
void sim_checkpoint_add(sim_t *s, sim_call_t *c, sim_checkpoint_t *p);
void sim_checkpoint_leave(sim_t *s, sim_call_t *c);
bool sim_checkpoint_waits(const sim_call_t *c);     /* for a reply */
void sim_checkpoint_free(sim_t *s);

/* sim_target.c */
bool sim_target_away(const sim_call_t *c);      /* no answer of the app */
void sim_target_sent(sim_t *s, sim_call_t *c);
/* Compares the store with the models; the rows of the apps, by number. */
void sim_target_check(sim_t *s, dur_txn_t *txn,
    dur_target_t targets[SIM_APPS_MAX]);

/* sim_wait.c: who waits, as far as commits tell. */
void sim_wait_reported(sim_t *s, const sim_call_t *c);
void sim_wait_event(sim_t *s, unsigned event);
/* run: who had it, -1: nobody waited. */
void sim_wait_signal(sim_t *s, sim_signal_t *signal, int run);
/* Compares them with the store, after a commit. */
void sim_wait_check(sim_t *s, dur_txn_t *txn);

/* sim_world.c */
void sim_world_run(sim_t *s);
void sim_world_close(sim_t *s);
int sim_run_find(sim_t *s, const dur_ulid_t *id, bool add);

/* sim_check.c */
void sim_check_commit(sim_t *s);
void sim_check_quiet(sim_t *s);
void sim_check_event(sim_t *s, unsigned event);     /* when it is accepted */
void sim_check_lost(sim_t *s, uint64_t item);   /* its run may fail */
bool sim_check_empty(sim_t *s);         /* no item is anywhere */
void sim_check_stuck(sim_t *s) __attribute__((noreturn));
void sim_check_retired(sim_t *s);

/* sim_replay.c: plays the log of a seed again, with aborted batches and with
 * more leader changes than there were; the stores must be equal. */
void sim_replay(sim_t *s);

#endif /* SIM_H */
