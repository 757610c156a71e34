/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Workflows: what a durable_function of nginx.conf says, compiled once, and
 * what it wants next.  A plan is a pure function of the definition and of the
 * memos, so that a run can be planned again at any time, by the engine
 * (dur_workflow.h) or for another server that keeps the memos.
 *
 * A definition is a JSON object, the directives as they were written:
 *
 *     {"name","file","line","failure_of"?,
 *      "body":[{"w":["step","ocr","http://..","timeout=30s"],"l":line,
 *               "f"?:file,"b"?:[..]}, ..]}
 *
 * What it means and what can be wrong with it is decided here alone.  The
 * steps of loops are told apart by the rounds they stand in: "embed[3]".  A
 * step's hash is the SHA-1 of this name, as it is with SDKs.
 *
 *     dur_plan            what comes next
 *     dur_plan_name       what its steps are called
 *     dur_plan_load       a definition is read, compiled, checked
 *     dur_plan_directive  the directives that are steps and blocks
 *     dur_plan_setting    the directives that are options of a function
 *     dur_plan_scope      what expressions see
 *     dur_plan_call       the request of a step, and what its answer means
 *
 * Knows no store and no clock.
 */

#ifndef DUR_PLAN_H
#define DUR_PLAN_H

#include "engine/dur_base.h"
#include "engine/dur_app.h"
#include "engine/dur_expr.h"

#define DUR_PLAN_DEPTH    4             /* loops inside of loops */
#define DUR_PLAN_NODES    500           /* directives of a definition */
#define DUR_PLAN_NAME     100           /* bytes of a name */
#define DUR_PLAN_TEXT     (256 * 1024)  /* bytes of a definition */
#define DUR_PLAN_ROUNDS   10000         /* of a loop */
#define DUR_PLAN_WIDE     64            /* rounds of foreach at once */
#define DUR_PLAN_OPS      64            /* that one plan starts */

typedef enum {
    DUR_PLAN_STEP = 1,
    DUR_PLAN_SLEEP,
    DUR_PLAN_SLEEP_UNTIL,
    DUR_PLAN_WAIT_EVENT,
    DUR_PLAN_WAIT_SIGNAL,
    DUR_PLAN_SEND_EVENT,
    DUR_PLAN_INVOKE,                    /* up to here: has a memo */
    DUR_PLAN_FAIL,
    DUR_PLAN_RETURN,
    DUR_PLAN_BRANCH,                    /* from here on: has a block */
    DUR_PLAN_PARALLEL,
    DUR_PLAN_FOREACH,
    DUR_PLAN_UNTIL
} dur_plan_kind_t;

typedef struct dur_plan_node_s  dur_plan_node_t;

/* An expression, and the steps whose output it looks at. */
typedef struct {
    dur_expr_t              *tree;      /* NULL: there is none */
    bool                     event;     /* it looks at the event */
    unsigned                 nuses;
    const dur_plan_node_t  **uses;
} dur_plan_expr_t;

typedef struct {
    dur_str_t  name;
    dur_str_t  value;                   /* its last word may be a reference to
                                           a secret: file:/path, env:NAME */
} dur_plan_header_t;

struct dur_plan_node_s {
    uint8_t             kind;           /* dur_plan_kind_t */
    uint8_t             depth;          /* loops around it */
    uint16_t            number;         /* from 0, in the order of the text */
    unsigned            line;
    dur_str_t           file;
    dur_str_t           name;           /* empty for what has none */
    dur_hash_t          id;             /* of a step outside of loops */
    dur_plan_node_t    *parent;
    dur_plan_node_t    *first;          /* of a block */
    dur_plan_node_t    *last;
    dur_plan_node_t    *next;
    dur_plan_node_t    *prev;
    dur_plan_node_t    *loops[DUR_PLAN_DEPTH];  /* the outermost first */

    dur_plan_expr_t     expr;           /* if, in, until's, body, data, signal,
                                           at, return's */
    dur_plan_expr_t     equals;         /* WAIT_EVENT */
    dur_str_t           target;         /* URL, event, function, fail's text */
    dur_str_t           match;          /* WAIT_EVENT: a path, or .. */
    dur_str_t           condition;      /* .. an expression over both events */
    int64_t             time;           /* ms: timeout, or how long to sleep;
                                           0: the default */
    unsigned            most;           /* rounds: at once, at most */

    /* STEP */
    bool                exec;           /* target is the path of a program */
    dur_str_t           method;
    dur_str_t           idempotency;    /* the header's name; empty: none */
    unsigned            retries;
    unsigned            origin;         /* of def->origins */
    unsigned            nexpect;
    uint16_t           *expect;         /* statuses, or classes from 1 to 5 */
    unsigned            nheaders;
    dur_plan_header_t  *headers;
};

typedef struct {
    dur_arena_t         arena;
    dur_str_t           name;           /* also the slug of the function */
    dur_str_t           file;
    unsigned            line;
    unsigned            nnodes;
    dur_plan_node_t    *nodes[DUR_PLAN_NODES];
    dur_plan_node_t     root;           /* a BRANCH that is always taken */
    unsigned            norigins;       /* where its steps are sent to: */
    dur_str_t          *origins;        /* scheme://host:port, or "exec:" */
    unsigned            nsecrets;       /* references in headers */
    dur_str_t          *secrets;

    /* what an SDK would have registered; borrowed by dur_option_load() */
    dur_str_t           config;         /* JSON */
    dur_app_t           app;            /* the same, read */
} dur_plan_def_t;

/* What is wrong, and where it stands. */
typedef struct {
    unsigned   line;
    char       file[256];
    char       text[512];
} dur_plan_error_t;

/* Heap object.  DUR_EINVAL and *err filled; DUR_ENOMEM. */
dur_rc_t dur_plan_load(dur_str_t json, dur_plan_def_t **def,
    dur_plan_error_t *err);
void dur_plan_free(dur_plan_def_t *def);


/* One instance of a directive: the first node->depth of the rounds count. */
typedef struct {
    const dur_plan_node_t  *node;
    uint32_t                round[DUR_PLAN_DEPTH];
} dur_plan_at_t;

void dur_plan_id(const dur_plan_at_t *at, dur_hash_t *id);
/* "embed[3]"; NULL data without memory. */
dur_str_t dur_plan_name(const dur_plan_at_t *at, dur_arena_t *arena);
/* The other way; false when the definition has no such step. */
bool dur_plan_find(const dur_plan_def_t *def, dur_str_t name,
    dur_plan_at_t *at);

typedef enum {
    DUR_PLAN_NEW = 0,
    DUR_PLAN_OPEN,                      /* started: it will have a memo */
    DUR_PLAN_DONE,
    DUR_PLAN_FAILED
} dur_plan_state_t;

/*
 * The memos, as the caller has them.  Texts are borrowed for as long as the
 * plan is made; an output is that of a step that is DONE, or the error object
 * of one that has FAILED.  `events` may be empty: the event alone.
 */
typedef struct {
    void              *data;
    dur_plan_state_t (*state)(void *data, const dur_plan_at_t *at);
    dur_rc_t         (*output)(void *data, const dur_plan_at_t *at,
                               dur_str_t *json);
    dur_rc_t         (*event)(void *data, dur_str_t *event,
                              dur_str_t *events);
    dur_str_t          run_id;
    unsigned           attempt;
    int64_t            now_ms;
} dur_plan_memo_t;

/* What to start: by the kind of the node. */
typedef struct {
    dur_plan_at_t  at;
    dur_hash_t     id;
    dur_str_t      name;
    int64_t        due;                 /* when a sleep ends, or a wait times
                                           out; ms */
    dur_str_t      target;              /* URL, event, signal, function */
    dur_str_t      expression;          /* WAIT_EVENT; may be empty */
    dur_str_t      data;                /* SEND_EVENT, INVOKE: an object */
} dur_plan_op_t;

typedef enum {
    DUR_PLAN_GOES_ON = 0,
    DUR_PLAN_COMPLETED,
    DUR_PLAN_ENDED                      /* with an error */
} dur_plan_end_t;

typedef struct {
    dur_plan_end_t  end;
    dur_str_t       output;             /* COMPLETED: JSON; ENDED: an error
                                           object {"error","message","name"} */
    dur_str_t       message;            /* ENDED: for people */
    bool            again;              /* events were to be sent, or there
                                           was more: plan again at once */
    size_t          nops;
    dur_plan_op_t  *ops;
} dur_plan_t;

/*
 * At most `budget` ops; all from the arena.  A run that goes on without ops
 * waits for what is open.  DUR_ENOMEM, or what the memos return.
 */
dur_rc_t dur_plan_next(const dur_plan_def_t *def,
    const dur_plan_memo_t *memo, unsigned budget, dur_arena_t *arena,
    dur_plan_t *plan);

/* "step \"ocr\" in nginx.conf:12: text". */
dur_str_t dur_plan_message(const dur_plan_node_t *node, dur_arena_t *arena,
    const char *text);
/* {"error","message","name"} */
dur_str_t dur_plan_error(dur_arena_t *arena, const char *name,
    dur_str_t message);

#endif /* DUR_PLAN_H */
