/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Waits in the store after a commit: each step that waits, the memo of each
 * that does not any more, and the table of waits as a whole.
 */

#include "engine/dur_answer_op.h"
#include "engine/dur_codec.h"
#include "engine/dur_run.h"
#include "engine/dur_wait_row.h"

#include "sim_wait.h"


static void __attribute__((noreturn))
sim_wait_wrong(sim_t *s, const sim_wait_t *w, const char *what)
{
    char              id[DUR_ULID_TEXT_LEN + 1];
    const sim_fn_t   *fn;

    fn = &s->fns[s->runs[w->run].fn];
    dur_ulid_text(&s->runs[w->run].id, id);

    sim_fail(s, "step %s of run %s of %s: %s", fn->steps[w->step].id, id,
             fn->slug, what);
}


/* -- memos ---------------------------------------------------------------- */

static bool
sim_wait_is(const dur_buf_t *memo, const char *text)
{
    return memo->len == strlen(text) && memcmp(memo->data, text, memo->len)
                                        == 0;
}


/* It timed out: at its time, and nothing it waits for was there before. */
static void
sim_wait_timed_out(sim_t *s, const sim_wait_t *w)
{
    s->figures.timed_out++;

    if (s->now < w->expires) {
        sim_wait_wrong(s, w, "timed out too early");
    }

    if (w->match >= 0) {
        sim_wait_wrong(s, w, "timed out although there was an event");
    }

    if (w->heard >= 0) {
        sim_wait_wrong(s, w, "timed out although there was a signal");
    }
}


/* The first event that it asked for, whatever was on its way besides. */
static void
sim_wait_event_memo(sim_t *s, const sim_wait_t *w, const dur_buf_t *memo)
{
    char  text[256];

    if (sim_wait_is(memo, "null")) {
        sim_wait_timed_out(s, w);
        return;
    }

    s->figures.waited++;

    if (w->match == -1) {
        sim_wait_wrong(s, w, "has an event that it did not wait for");
    }

    sim_event_json(s, (unsigned) w->match, text);

    if (!sim_wait_is(memo, text)) {
        sim_wait_wrong(s, w, "has another event than the first that it "
                       "waited for");
    }
}


static void
sim_wait_signal_memo(sim_t *s, const sim_wait_t *w, const dur_buf_t *memo)
{
    char  text[64];

    if (sim_wait_is(memo, "null")) {
        sim_wait_timed_out(s, w);
        return;
    }

    s->figures.heard++;

    if (w->heard >= 0) {
        snprintf(text, sizeof(text), "{\"data\":%d,\"signal\":\"sig%u\"}",
                 w->heard, s->signals[w->heard].name);

        if (sim_wait_is(memo, text)) {
            return;
        }
    }

    sim_wait_wrong(s, w, "has a signal that it did not wait for");
}


/* The run that the step invoked, and that knows it. */
static void
sim_wait_child(sim_t *s, dur_txn_t *txn, const sim_wait_t *w,
    const dur_step_t *row, dur_run_t *child)
{
    const sim_step_t  *st;

    st = &s->fns[s->runs[w->run].fn].steps[w->step];

    if (dur_run_get(txn, &row->child, child) != DUR_OK) {
        sim_wait_wrong(s, w, "the run that it invoked is gone");
    }

    if (child->flags & DUR_RUN_F_BATCH) {
        return;                 /* of which others may be the first event */
    }

    if (!(child->flags & DUR_RUN_F_INVOKED)
        || memcmp(&child->parent, &s->runs[w->run].id, DUR_ULID_LEN) != 0
        || memcmp(&child->parent_step, &st->key, DUR_HASH_LEN) != 0)
    {
        sim_wait_wrong(s, w, "invoked a run that does not know it");
    }
}


static bool
sim_wait_has_child(const dur_step_t *row)
{
    static const dur_ulid_t  none;

    return memcmp(&row->child, &none, sizeof(none)) != 0;
}


static bool
sim_wait_says(const dur_buf_t *memo, const char *text)
{
    return memo->len && memmem(memo->data, memo->len, text, strlen(text));
}


/* No run was started: why that may be. */
static void
sim_wait_not_started(sim_t *s, const sim_wait_t *w, const dur_buf_t *memo)
{
    int  target;

    target = s->fns[s->runs[w->run].fn].steps[w->step].target;

    if (sim_wait_says(memo, "rate limited") && target >= 0
        && s->fns[target].flow.limit)
    {
        return;
    }

    if (!sim_wait_says(memo, "could not find function")
        || (target >= 0 && target < (int) s->nfns
            && !s->fns[target].toggled))
    {
        sim_wait_wrong(s, w, "invoked nothing, and nobody knows why");
    }
}


static void
sim_wait_invoke_memo(sim_t *s, dur_txn_t *txn, const sim_wait_t *w,
    const dur_step_t *row, const dur_buf_t *memo)
{
    bool       same;
    dur_buf_t  output;
    dur_run_t  child;

    if (row->wrap == DUR_STEP_ERROR
        && sim_wait_says(memo, "InngestInvokeTimeoutError"))
    {
        sim_wait_timed_out(s, w);
        return;
    }

    if (!sim_wait_has_child(row)
        || sim_wait_says(memo, "could not find function"))
    {
        sim_wait_not_started(s, w, memo);
        return;
    }

    sim_wait_child(s, txn, w, row, &child);

    if (child.status == DUR_RUN_LIVE) {
        sim_wait_wrong(s, w, "has the result of a run that lives");
    }

    if (child.status == DUR_RUN_CANCELLED) {
        if (!sim_wait_says(memo, "InngestInvokeCancelledError")) {
            sim_wait_wrong(s, w, "does not say that its run was cancelled");
        }
        return;
    }

    dur_buf_init(&output, 1 << 20);
    same = dur_payload_get(txn, &child.id, &child.output, &output) == DUR_OK
           && output.len == memo->len
           && memcmp(output.data, memo->data, memo->len) == 0
           && row->wrap == (child.status == DUR_RUN_COMPLETED
                            ? DUR_STEP_DATA : DUR_STEP_ERROR);
    dur_buf_deinit(&output);

    if (!same) {
        sim_wait_wrong(s, w, "has another result than its run");
    }
}


void
sim_wait_done(sim_t *s, dur_txn_t *txn, const sim_wait_t *w,
    const dur_step_t *row)
{
    dur_buf_t  memo;

    dur_buf_init(&memo, 1 << 20);

    if (dur_payload_get(txn, &s->runs[w->run].id, &row->output, &memo)
        != DUR_OK)
    {
        sim_wait_wrong(s, w, "its memo cannot be read");
    }

    switch (s->fns[s->runs[w->run].fn].steps[w->step].kind) {

    case SIM_DO_WAIT:
        sim_wait_event_memo(s, w, &memo);
        break;

    case SIM_DO_SIGNAL:
        sim_wait_signal_memo(s, w, &memo);
        break;

    default:
        sim_wait_invoke_memo(s, txn, w, row, &memo);
    }

    dur_buf_deinit(&memo);
}


/* -- steps that wait ------------------------------------------------------ */

static bool
sim_wait_linked(sim_t *s, dur_txn_t *txn, const sim_wait_t *w, uint8_t kind)
{
    uint8_t         key[1 + DUR_WAIT_WHO];
    dur_str_t       row;
    dur_wait_who_t  who;

    who.run = s->runs[w->run].id;
    who.kind = kind;
    who.step = s->fns[s->runs[w->run].fn].steps[w->step].key;

    key[0] = 'R';
    dur_wait_who_put(key + 1, &who);

    return dur_txn_get(txn, DUR_T_WAIT, dur_str_make(key, sizeof(key)), &row)
           == DUR_OK;
}


/* The run is that of a batch which is open. */
static bool
sim_wait_collected(const sim_t *s, dur_txn_t *txn, const dur_step_t *row)
{
    unsigned   i;
    dur_run_t  run;

    for (i = 0; i < s->nbatches_of; i++) {
        if (memcmp(&s->batches_of[i].run, &row->child, DUR_ULID_LEN) == 0) {
            return dur_run_get(txn, &row->child, &run) == DUR_ENOTFOUND;
        }
    }

    return false;
}


static void
sim_wait_open_invoke(sim_t *s, dur_txn_t *txn, const sim_wait_t *w,
    const dur_step_t *row)
{
    int              target;
    dur_run_t        child;
    const sim_fn_t  *fn;

    if (!sim_wait_has_child(row)) {
        target = s->fns[s->runs[w->run].fn].steps[w->step].target;
        fn = target >= 0 ? &s->fns[target] : NULL;

        if (fn != NULL && (fn->was_paused || fn->flow.singleton
                           || fn->flow.debounce || fn->flow.batch))
        {
            return;                     /* skipped, or not yet started */
        }

        sim_wait_wrong(s, w, "waits for a run that was never started");
    }

    if (sim_wait_collected(s, txn, row)) {
        return;
    }

    /* a batch that starts nothing tells its callers in pieces */

    if (dur_engine_has_tasks(s->engine)
        && dur_run_get(txn, &row->child, &child) == DUR_ENOTFOUND)
    {
        return;
    }

    sim_wait_child(s, txn, w, row, &child);

    if (child.status != DUR_RUN_LIVE
        && (!(child.flags & DUR_RUN_F_BATCH)
            || (child.status != DUR_RUN_SKIPPED
                && !dur_engine_has_tasks(s->engine))))
    {
        sim_wait_wrong(s, w, "waits for a run that has ended");
    }
}


void
sim_wait_open(sim_t *s, dur_txn_t *txn, const sim_wait_t *w,
    const dur_step_t *row)
{
    const sim_step_t  *st;

    st = &s->fns[s->runs[w->run].fn].steps[w->step];

    if (row->state != DUR_STEP_WAITING) {
        sim_wait_wrong(s, w, "does not wait");
    }

    /* it may wait on for an event that is on its way */

    if (!st->forever && row->due != w->expires
        && (row->due < w->expires || s->now < w->expires
            || st->kind != SIM_DO_WAIT))
    {
        sim_fail(s, "step %s waits until %" PRId64 " instead of %" PRId64,
                 st->id, row->due, w->expires);
    }

    if (w->match >= 0 && !dur_engine_has_tasks(s->engine)) {
        sim_wait_wrong(s, w, "missed the event that it waits for");
    }

    if (w->heard >= 0) {
        sim_wait_wrong(s, w, "missed the signal that it waits for");
    }

    switch (st->kind) {

    case SIM_DO_WAIT:
        if (sim_wait_linked(s, txn, w, DUR_WAIT_STEP) == w->empty) {
            sim_wait_wrong(s, w, "is not in the table of waits");
        }
        break;

    case SIM_DO_SIGNAL:
        if (sim_wait_linked(s, txn, w, DUR_WAIT_SIGNAL) == w->displaced) {
            sim_wait_wrong(s, w, w->displaced
                           ? "is found by a signal that is another's"
                           : "is not in the table of waits");
        }
        break;

    default:
        sim_wait_open_invoke(s, txn, w, row);
    }
}


/* -- the table ------------------------------------------------------------ */

typedef struct {
    uint64_t  counted;          /* by the rows of names */
    uint64_t  events;           /* rows of waits */
    uint64_t  signals;
    uint64_t  links[DUR_WAIT_SIGNAL + 1];
} sim_wait_sums_t;

static void
sim_wait_row_name(sim_t *s, dur_txn_t *txn, dur_str_t key,
    sim_wait_sums_t *sums)
{
    unsigned          i;
    dur_wait_names_t  names;

    if (dur_wait_names_get(txn, key.data + 1, &names) != DUR_OK) {
        sim_fail(s, "the waits for an event cannot be read");
    }

    sums->counted += names.plain;

    for (i = 0; i < names.n; i++) {
        sums->counted += names.paths[i].count;
    }
}


/* Of a run: it lives, and what the row names is there. */
static void
sim_wait_row_link(sim_t *s, dur_txn_t *txn, dur_str_t key, dur_str_t value,
    sim_wait_sums_t *sums)
{
    int             run;
    dur_str_t       row;
    dur_step_t      step;
    dur_wait_who_t  who;

    dur_wait_who_get(key.data + 1, &who);
    run = sim_run_find(s, &who.run, false);

    if (run == -1 || s->runs[run].ended) {
        sim_fail(s, "a run that does not live waits for something");
    }

    if (who.kind < DUR_WAIT_STEP || who.kind > DUR_WAIT_SIGNAL
        || dur_txn_get(txn, DUR_T_WAIT, value, &row) != DUR_OK)
    {
        sim_fail(s, "a wait of a run of %s is nowhere",
                 s->fns[s->runs[run].fn].slug);
    }

    if (who.kind != DUR_WAIT_CANCEL
        && (dur_step_get(txn, &who.run, &who.step, &step) != DUR_OK
            || step.state != DUR_STEP_WAITING))
    {
        sim_fail(s, "a step of a run of %s that does not wait is in the "
                 "table of waits", s->fns[s->runs[run].fn].slug);
    }

    s->runs[run].wait_rows++;
    sums->links[who.kind]++;
}


/* The figure that the engine keeps in its counters. */
static uint64_t
sim_wait_counter(sim_t *s, dur_txn_t *txn)
{
    uint64_t   waits;
    dur_str_t  row;
    dur_dec_t  r;

    if (dur_txn_get(txn, DUR_T_META, dur_str("counters"), &row) != DUR_OK) {
        return 0;
    }

    dur_dec_init(&r, row);
    dur_dec_begin(&r);
    (void) dur_dec_u64(&r);             /* item, sequence, task */
    (void) dur_dec_u64(&r);
    (void) dur_dec_u64(&r);
    (void) dur_dec_u32(&r);             /* app, function */
    (void) dur_dec_u32(&r);
    (void) dur_dec_u64(&r);             /* live */
    waits = dur_dec_u64(&r);

    if (r.failed) {
        sim_fail(s, "the counters cannot be read");
    }

    return waits;
}


static void
sim_wait_sums(sim_t *s, dur_txn_t *txn, const sim_wait_sums_t *sums)
{
    unsigned  i;
    uint64_t  waits;

    waits = sums->links[DUR_WAIT_STEP] + sums->links[DUR_WAIT_CANCEL];

    if (sums->events != waits || sums->counted != waits
        || sums->signals != sums->links[DUR_WAIT_SIGNAL])
    {
        sim_fail(s, "%u waits of runs, %u by their events, which count %u; "
                 "%u and %u signals", (unsigned) waits,
                 (unsigned) sums->events, (unsigned) sums->counted,
                 (unsigned) sums->links[DUR_WAIT_SIGNAL],
                 (unsigned) sums->signals);
    }

    if (sim_wait_counter(s, txn) != waits) {
        sim_fail(s, "the engine counts %u waits for events, there are %u",
                 (unsigned) sim_wait_counter(s, txn), (unsigned) waits);
    }

    for (i = 0; i < s->nruns; i++) {
        if (s->runs[i].kept && s->runs[i].waits != s->runs[i].wait_rows) {
            sim_fail(s, "a run of %s counts %u waits and has %u",
                     s->fns[s->runs[i].fn].slug, s->runs[i].waits,
                     s->runs[i].wait_rows);
        }
    }
}


void
sim_wait_rows(sim_t *s, dur_txn_t *txn)
{
    dur_rc_t          rc;
    unsigned          i;
    dur_str_t         key, value;
    dur_cursor_t     *c;
    sim_wait_sums_t   sums;

    memset(&sums, 0, sizeof(sums));

    for (i = 0; i < s->nruns; i++) {
        s->runs[i].wait_rows = 0;
    }

    if (dur_cursor_open(txn, DUR_T_WAIT, &c) != DUR_OK) {
        sim_fail(s, "the waits cannot be read");
    }

    for (rc = dur_cursor_seek(c, dur_str_null, &key, &value);
         rc == DUR_OK;
         rc = dur_cursor_next(c, &key, &value))
    {
        switch (key.data[0]) {

        case 'N':
            sim_wait_row_name(s, txn, key, &sums);
            break;

        case 'W':
            sums.events++;
            break;

        case 'S':
            sums.signals++;
            break;

        case 'T':
            if (dur_txn_count(txn, DUR_T_TASK) == 0) {
                sim_fail(s, "an event is on its way, and there is no task");
            }
            break;

        default:
            sim_wait_row_link(s, txn, key, value, &sums);
        }
    }

    dur_cursor_close(c);
    sim_wait_sums(s, txn, &sums);
}
