/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Items: the units of work of runs, and the four places one can be in.
 *
 *   blocked due, waits for a limit of its function
 *   ready   due, waits for a credit; the oldest run of an app goes first;
 *           or for its function, which is paused
 *   lease   sent to the executor, its result is awaited
 *   timer   due later: a retry, a sleep, a start in the future
 *
 * An item is in exactly one of them.  Its identity on the wire is (item,
 * generation); the generation grows whenever it is leased anew.
 */

#ifndef DUR_QUEUE_H
#define DUR_QUEUE_H

#include "engine/dur_base.h"
#include "engine/dur_store.h"

typedef struct dur_engine_s  dur_engine_t;

typedef enum {
    DUR_ITEM_DISCOVERY = 1,     /* call with stepId=step */
    DUR_ITEM_STEP,              /* call of one planned step */
    DUR_ITEM_SLEEP,             /* no call: ends a sleep when it is due */
    DUR_ITEM_WAIT,              /* no call: a wait or an invoke timed out */
    DUR_ITEM_GATEWAY,           /* call of a URL that a step names */
    DUR_ITEM_DEADLINE,          /* no call, not counted as open: the time to
                                   start, or to finish, is over */
    DUR_ITEM_THROTTLE,          /* of no run: a throttle lets go of those
                                   that wait; step begins with its key's
                                   hash */
    DUR_ITEM_DEBOUNCE,          /* of no run: an event was held long enough,
                                   step begins with its key's hash */
    DUR_ITEM_BATCH,             /* of no run: a batch waited long enough, step
                                   begins with its key's hash */
    DUR_ITEM_CRON,              /* of no run: a schedule is due, step begins
                                   with the hash of its text */
    DUR_ITEM_SERVED             /* a call for a run of another server, see
                                   dur_served.h; no run here counts it */
} dur_item_kind_t;

#define DUR_ITEM_F_START  0x01  /* the first call of its run, not leased yet */
#define DUR_ITEM_F_WOKEN  0x02  /* ready: it waited for a limit before */
#define DUR_ITEM_F_SLOT   0x04  /* its run holds a slot of concurrency.fn */

/* A key of a limit as it was when the run was made. */
typedef struct {
    uint32_t    key;            /* hash of the expression's text */
    uint64_t    value;          /* hash of its value's text */
} dur_item_key_t;

/* Two of concurrency, one of concurrency.fn, one of throttle. */
#define DUR_ITEM_KEYS     4

typedef struct {
    uint8_t     kind;
    uint8_t     losses;         /* sidecars lost while it was leased, calls
                                   of a parked app that broke */
    uint16_t    attempt;        /* from 0, restarts with every new item */
    uint32_t    generation;
    uint64_t    id;
    uint32_t    app;
    uint32_t    function;
    int64_t     score;          /* creation of the run, ms, earlier or later
                                   by its priority */
    int64_t     due;            /* timer: when; ready, lease: since when */
    dur_ulid_t  run;
    dur_hash_t  step;           /* DISCOVERY: the step that caused it, or
                                   zero; DEADLINE: zero; CRON: the hash of
                                   the schedule's text; others: which */
    uint8_t     flags;
    uint8_t     nkeys;          /* of its run */
    dur_item_key_t  keys[DUR_ITEM_KEYS];
} dur_item_t;

/* A losses value from which a lost sidecar counts as an attempt. */
#define DUR_ITEM_LOSSES  3

#define DUR_ITEM_ROW     160

dur_str_t dur_item_encode(const dur_item_t *item, uint8_t row[DUR_ITEM_ROW]);
dur_rc_t dur_item_decode(dur_str_t row, dur_item_t *item);

/*
 * Makes due work of an item: leased at once while the op has a credit of its
 * own to pass on and the app is below its limit and not parked, else ready.
 * While a limit of its function is full it waits there, see dur_blocked.h.
 */
dur_rc_t dur_queue_push(dur_engine_t *e, dur_item_t *item);

/* Leases at most `budget` ready items, one app after the other; of an app that
 * is parked only a probe that is due.  Those of paused functions step aside,
 * those of runs whose time is over end them. */
dur_rc_t dur_queue_dispatch(dur_engine_t *e, unsigned budget);

/* The turn of an item that waited for a limit: leased, or ready. */
dur_rc_t dur_queue_wake(dur_engine_t *e, dur_item_t *item);

/* A ready item by its score there; DUR_ENOTFOUND. */
dur_rc_t dur_queue_ready(dur_txn_t *t, uint32_t app, int64_t score,
    uint64_t id, dur_item_t *item);

/* DUR_ENOTFOUND when there is no such lease. */
dur_rc_t dur_queue_lease_get(dur_engine_t *e, uint64_t id, dur_item_t *item);

/* The call of a leased item made progress: its attempts and losses count
 * from 0 again. */
dur_rc_t dur_queue_renew(dur_engine_t *e, dur_item_t *item);

/* Ends a lease; the item is nowhere afterwards. */
dur_rc_t dur_queue_release(dur_engine_t *e, const dur_item_t *item);

/* Takes an item away wherever it is; a leased one is cancelled at the
 * executor.  `due` is where its timer stands, if it has one. */
dur_rc_t dur_queue_remove(dur_engine_t *e, uint32_t app, int64_t score,
    uint64_t id, int64_t due);

/*
 * Reads an item wherever it is, for people: app, function, score, id and due
 * (where its timer may stand) of *item say which.  DUR_T_READY, DUR_T_LEASE,
 * DUR_T_BLOCKED or DUR_T_TIMER and *item is filled; DUR_T_MAX: it is nowhere.
 */
dur_table_t dur_queue_find(dur_txn_t *t, dur_item_t *item);

/* Puts back a piece of what waited while the function was paused. */
dur_rc_t dur_queue_resume(dur_engine_t *e, uint32_t function, bool *done);

/* Effects: the call of a leased item is to be sent; nobody waits for it. */
dur_rc_t dur_queue_call(dur_engine_t *e, const dur_item_t *item);
dur_rc_t dur_queue_cancel(dur_engine_t *e, uint64_t id, uint32_t generation);

#endif /* DUR_QUEUE_H */
