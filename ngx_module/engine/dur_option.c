/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_option.h"
#include "engine/dur_json.h"
#include "engine/dur_time.h"


/* What a start writes: the limit's row, the event's and an index row for each
 * of them; a lock; a timer; two rows of each wait; the held event's row, hold
 * and timer, old and new; the batch's row and timer, the member with its link,
 * the event's id and an index row. */
#define DUR_OPTION_ROWS_LIMIT     4
#define DUR_OPTION_ROWS_LOCK      1
#define DUR_OPTION_ROWS_TIMER     1
#define DUR_OPTION_ROWS_CANCEL    2
#define DUR_OPTION_ROWS_DEBOUNCE  6
#define DUR_OPTION_ROWS_BATCH     6


typedef struct {
    dur_arena_t   *arena;
    dur_option_t  *option;
    dur_rc_t       rc;              /* the first failure */
} dur_option_load_t;


static bool
dur_option_fail(dur_option_load_t *l, dur_rc_t rc)
{
    if (l->rc == DUR_OK) {
        l->rc = rc;
    }

    return false;
}


/* A string of the arena; empty when there is none. */
static bool
dur_option_text(dur_option_load_t *l, const json_t *v, dur_str_t *text)
{
    *text = dur_str_null;

    if (v == NULL) {
        return true;
    }

    if (!json_is_string(v)) {
        return dur_option_fail(l, DUR_ECORRUPT);
    }

    *text = dur_arena_copy(l->arena, dur_str_make(json_string_value(v),
                                                  json_string_length(v)));

    return text->data != NULL || dur_option_fail(l, DUR_ENOMEM);
}


static bool
dur_option_compile(dur_option_load_t *l, dur_str_t text, dur_expr_t **expr)
{
    char      err[160];
    dur_rc_t  rc;

    if (text.len == 0) {
        return true;
    }

    rc = dur_expr_compile(text, expr, err);

    return rc == DUR_OK
           || dur_option_fail(l, rc == DUR_EINVAL ? DUR_ECORRUPT : rc);
}


/* An expression of a member; stays NULL when there is none. */
static bool
dur_option_key(dur_option_load_t *l, const json_t *v, dur_expr_t **expr)
{
    dur_str_t  text;

    return dur_option_text(l, v, &text) && dur_option_compile(l, text, expr);
}


/* Milliseconds; 0 when there is none. */
static bool
dur_option_duration(dur_option_load_t *l, const json_t *v, int64_t *ms)
{
    dur_str_t  text;

    if (!dur_option_text(l, v, &text)) {
        return false;
    }

    if (text.len && (dur_duration_parse(text, ms) != DUR_OK || *ms < 0)) {
        *ms = 0;
        return dur_option_fail(l, DUR_ECORRUPT);
    }

    return true;
}


static bool
dur_option_load_cancel(dur_option_load_t *l, const json_t *entry)
{
    dur_option_cancel_t  *cancel;

    if (l->option->ncancels == DUR_OPTION_CANCELS) {
        return dur_option_fail(l, DUR_ECORRUPT);
    }

    /* counted first: what was compiled before a failure is freed */

    cancel = &l->option->cancels[l->option->ncancels++];
    l->option->rows += DUR_OPTION_ROWS_CANCEL;

    return dur_option_text(l, dur_json_iget(entry, "event"), &cancel->event)
           && dur_option_text(l, dur_json_iget(entry, "if"),
                              &cancel->expression)
           && dur_option_compile(l, cancel->expression, &cancel->expr)
           && dur_option_text(l, dur_json_iget(entry, "timeout"),
                              &cancel->timeout);
}


static bool
dur_option_load_cancels(dur_option_load_t *l, const json_t *v)
{
    for (size_t i = 0; i < json_array_size(v); i++) {
        if (!dur_option_load_cancel(l, json_array_get(v, i))) {
            return false;
        }
    }

    return true;
}


static bool
dur_option_load_timeouts(dur_option_load_t *l, const json_t *v)
{
    dur_option_t  *o = l->option;

    if (!dur_option_duration(l, dur_json_iget(v, "start"), &o->start)
        || !dur_option_duration(l, dur_json_iget(v, "finish"), &o->finish))
    {
        return false;
    }

    o->rows += (o->start || o->finish) ? DUR_OPTION_ROWS_TIMER : 0;

    return true;
}


/* A whole number of at least `least`. */
static bool
dur_option_count(dur_option_load_t *l, const json_t *v, uint32_t least,
    uint32_t *count)
{
    if (!json_is_number(v) || json_number_value(v) < least
        || json_number_value(v) > UINT32_MAX)
    {
        return dur_option_fail(l, DUR_ECORRUPT);
    }

    *count = (uint32_t) json_number_value(v);

    return true;
}


static bool
dur_option_load_limit(dur_option_load_t *l, const json_t *v)
{
    dur_option_t  *o = l->option;

    if (v == NULL) {
        return true;
    }

    o->rows += DUR_OPTION_ROWS_LIMIT;

    return dur_option_count(l, dur_json_iget(v, "limit"), 1, &o->limit)
           && dur_option_duration(l, dur_json_iget(v, "period"), &o->period)
           && dur_option_key(l, dur_json_iget(v, "key"), &o->limit_key);
}


/* Takes the place of a rateLimit (features 0.1). */
static bool
dur_option_load_idempotency(dur_option_load_t *l, const json_t *v)
{
    dur_str_t      text;
    dur_option_t  *o = l->option;

    if (!dur_option_text(l, v, &text) || text.len == 0) {
        return l->rc == DUR_OK;
    }

    dur_expr_free(o->limit_key);

    o->rows += o->limit ? 0 : DUR_OPTION_ROWS_LIMIT;
    o->limit = 1;
    o->period = DUR_TIME_DAY_MS;
    o->limit_key = NULL;

    return dur_option_compile(l, text, &o->limit_key);
}


static bool
dur_option_load_singleton(dur_option_load_t *l, const json_t *v)
{
    dur_str_t      mode;
    dur_option_t  *o = l->option;

    if (v == NULL) {
        return true;
    }

    if (!dur_option_text(l, dur_json_iget(v, "mode"), &mode)) {
        return false;
    }

    o->rows += DUR_OPTION_ROWS_LOCK;
    o->singleton = dur_str_eq(mode, dur_str("cancel")) ? DUR_SINGLETON_CANCEL
                                                       : DUR_SINGLETON_SKIP;

    return dur_option_key(l, dur_json_iget(v, "key"), &o->singleton_key);
}


static bool
dur_option_load_debounce(dur_option_load_t *l, const json_t *v)
{
    dur_option_t  *o = l->option;

    if (v == NULL) {
        return true;
    }

    o->rows += DUR_OPTION_ROWS_DEBOUNCE;

    if (!dur_option_duration(l, dur_json_iget(v, "period"), &o->debounce)
        || !dur_option_duration(l, dur_json_iget(v, "timeout"),
                                &o->debounce_timeout))
    {
        return false;
    }

    if (o->debounce == 0) {
        return dur_option_fail(l, DUR_ECORRUPT);
    }

    return dur_option_key(l, dur_json_iget(v, "key"), &o->debounce_key);
}


static bool
dur_option_load_batch(dur_option_load_t *l, const json_t *v)
{
    dur_option_t  *o = l->option;

    if (v == NULL) {
        return true;
    }

    o->rows += DUR_OPTION_ROWS_BATCH;

    return dur_option_count(l, dur_json_iget(v, "maxSize"), 2, &o->batch)
           && dur_option_duration(l, dur_json_iget(v, "timeout"),
                                  &o->batch_timeout)
           && dur_option_key(l, dur_json_iget(v, "key"), &o->batch_key)
           && dur_option_key(l, dur_json_iget(v, "if"), &o->batch_if);
}


/* What decides whether, and when, an event starts a run. */
static bool
dur_option_load_flow(dur_option_load_t *l, const json_t *root)
{
    return dur_option_load_limit(l, dur_json_iget(root, "rateLimit"))
           && dur_option_load_idempotency(l, dur_json_iget(root,
                                                           "idempotency"))
           && dur_option_load_singleton(l, dur_json_iget(root, "singleton"))
           && dur_option_load_debounce(l, dur_json_iget(root, "debounce"))
           && dur_option_load_batch(l, dur_json_iget(root, "batchEvents"));
}


dur_rc_t
dur_option_load(dur_str_t config, dur_arena_t *arena, dur_option_t *option)
{
    json_t             *root;
    dur_json_error_t    err;
    dur_option_load_t   l = { arena, option, DUR_OK };

    memset(option, 0, sizeof(*option));

    root = dur_json_parse(config, &err);
    if (root == NULL) {
        return strstr(err.text, "out of memory") ? DUR_ENOMEM : DUR_ECORRUPT;
    }

    (void) (dur_option_load_cancels(&l, dur_json_iget(root, "cancel"))
            && dur_option_load_timeouts(&l, dur_json_iget(root, "timeouts"))
            && dur_option_load_flow(&l, root));

    json_decref(root);

    if (l.rc != DUR_OK) {
        dur_option_free(option);
    }

    return l.rc;
}


void
dur_option_free(dur_option_t *option)
{
    for (unsigned i = 0; i < option->ncancels; i++) {
        dur_expr_free(option->cancels[i].expr);
    }

    dur_expr_free(option->limit_key);
    dur_expr_free(option->singleton_key);
    dur_expr_free(option->debounce_key);
    dur_expr_free(option->batch_key);
    dur_expr_free(option->batch_if);

    memset(option, 0, sizeof(*option));
}
