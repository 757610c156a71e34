/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Which runs, or which events, a person means: what the lists of REST and
 * bulk jobs are asked for (docs/rest.md).  Opening what was asked looks up the
 * names and compiles the expression; then every row is asked, cheap questions
 * first.
 *
 * It is used in read transactions and in the engine's own.  Each row takes
 * work, which is counted, so that callers stop in time; what is found does
 * not depend on where they stop.
 */

#ifndef DUR_FILTER_H
#define DUR_FILTER_H

#include "engine/dur_base.h"
#include "engine/dur_event.h"
#include "engine/dur_expr.h"
#include "engine/dur_redact.h"
#include "engine/dur_filter_want.h"
#include "engine/dur_run.h"
#include "engine/dur_store.h"

/* Units of work: one takes about 10 ns.  Of a page of a list. */
#define DUR_FILTER_PAGE  1500000

/* An expression does not look into bodies that are longer. */
#define DUR_FILTER_BODY  (1024 * 1024)

typedef struct {
    const dur_filter_want_t  *want;
    uint32_t                  app;          /* 0: any */
    uint32_t                  function;
    size_t                    nfunctions;   /* of the connector */
    uint32_t                 *functions;
    bool                      prefix;       /* of the event's name */
    dur_str_t                 event;        /* without the * */
    size_t                    nid;          /* 0: any */
    char                      id[DUR_ULID_TEXT_LEN + 1];
    bool                      exact;        /* all of an id: the window does
                                               not count */
    dur_ulid_t                ulid;
    dur_expr_t               *expr;         /* or NULL */
    unsigned                  uses_event;   /* how many times */
    bool                      uses_output;
    bool                      uses_run;
    int64_t                   now_ms;
    uint64_t                  work;         /* units so far */
    dur_arena_t               names;
    dur_arena_t               row;
    dur_buf_t                 scratch;
    dur_buf_t                 shown;        /* a body without what is hidden */
    dur_redact_what_t         what;         /* a body is */
} dur_filter_t;

/*
 * Of runs, or of events.  `want` stays borrowed; the transaction is only for
 * the names.  DUR_ENOTFOUND: there is no such app, function or connector;
 * DUR_EINVAL: the expression is wrong; both with a sentence.  Close it unless
 * it failed.
 */
dur_rc_t dur_filter_open_runs(dur_filter_t *f, dur_txn_t *txn,
    const dur_filter_want_t *want, int64_t now_ms, char err[160]);
dur_rc_t dur_filter_open_events(dur_filter_t *f,
    const dur_filter_want_t *want, int64_t now_ms, char err[160]);
void dur_filter_close(dur_filter_t *f);

/*
 * Whether the row is meant; reads only.  What is not whole any more, and an
 * expression that is an error or takes too much work, is no match.
 */
dur_rc_t dur_filter_run(dur_filter_t *f, dur_txn_t *txn, const dur_run_t *run,
    bool *match);
dur_rc_t dur_filter_event(dur_filter_t *f, dur_txn_t *txn,
    const dur_ulid_t *id, const dur_event_t *event, bool *match);

#endif /* DUR_FILTER_H */
