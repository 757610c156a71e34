/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The ops that SDKs report (protocol 5), as plain structures: of an answer,
 * of a checkpoint.  Pure; knows no store.
 */

#ifndef DUR_ANSWER_OP_H
#define DUR_ANSWER_OP_H

#include "engine/dur_base.h"

typedef enum {
    DUR_OPCODE_NONE = 0,
    DUR_OPCODE_STEP_RUN,        /* memo {"data": ..} */
    DUR_OPCODE_STEP_LEGACY,     /* "Step": memo as it is */
    DUR_OPCODE_STEP_ERROR,      /* retried while attempts are left */
    DUR_OPCODE_STEP_FAILED,     /* memo {"error": ..} */
    DUR_OPCODE_STEP_PLANNED,
    DUR_OPCODE_SLEEP,
    DUR_OPCODE_RUN_COMPLETE,
    DUR_OPCODE_DISCOVERY,
    DUR_OPCODE_WAIT_EVENT,
    DUR_OPCODE_WAIT_SIGNAL,
    DUR_OPCODE_INVOKE,
    DUR_OPCODE_AI,              /* AIGateway */
    DUR_OPCODE_GATEWAY,
    DUR_OPCODE_DEFER_ADD,
    DUR_OPCODE_DEFER_ABORT,
    DUR_OPCODE_SYNC_COMPLETE
} dur_opcode_t;

typedef struct {
    dur_opcode_t  opcode;
    dur_hash_t    id;
    bool          race;         /* opts.parallelMode */
    bool          replace;      /* WaitForSignal: opts.conflict */
    dur_str_t     opname;       /* as sent */
    dur_str_t     name;         /* for people */
    dur_str_t     target;       /* WaitForEvent: the event's name,
                                   WaitForSignal: the signal, InvokeFunction:
                                   slug or UUID, gateways: the URL, DeferAdd:
                                   slug, DeferAbort: the other op's id */
    dur_str_t     expression;   /* WaitForEvent: opts.if */
    dur_str_t     data;         /* JSON as received, empty when absent */
    dur_str_t     error;        /* JSON as received, empty when absent */
    dur_str_t     message;      /* of the error, for people */
    dur_str_t     opts;         /* JSON as received, empty when absent */
    int64_t       started;      /* ms, 0: not told; by the app's clock */
    int64_t       duration;     /* us */
    int64_t       due;          /* Sleep: when it ends, waits and invokes: when
                                   they time out; ms, -1: beyond 366 days */
} dur_answer_op_t;

/*
 * An array of ops, or one op alone; *value is what `text` parses to.  Strings
 * are from the arena or borrowed from `text`.  DUR_EINVAL and a sentence for
 * the app's developer; DUR_ETOOBIG: more than 1,000; DUR_ENOMEM.
 */
dur_rc_t dur_answer_ops(dur_arena_t *arena, dur_str_t text, int64_t now_ms,
    dur_answer_op_t **ops, size_t *n, char err[256]);

/* An op that plans work or a wait instead of reporting a result. */
bool dur_opcode_is_plan(dur_opcode_t opcode);

/* One that counts among the parallel ones of an answer (protocol 4.6). */
bool dur_opcode_is_step(dur_opcode_t opcode);

/* As SDKs write it: "StepRun". */
const char *dur_opcode_name(dur_opcode_t opcode);

#endif /* DUR_ANSWER_OP_H */
