/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_option.h"
#include "engine/dur_json.h"
#include "engine/dur_sign.h"
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

/* Who waits for a limit has a row more; a slot of a run and a throttle have
 * one, and the latter an index row and a timer. */
#define DUR_OPTION_ROWS_WAIT      1
#define DUR_OPTION_ROWS_THROTTLE  3


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


/* A key that is only parsed, and the hash by which runs keep its value. */
static bool
dur_option_parse(dur_option_load_t *l, const json_t *v, dur_expr_t **expr,
    uint32_t *hash)
{
    char       err[160];
    uint8_t    digest[20];
    dur_rc_t   rc;
    dur_str_t  text;

    if (!dur_option_text(l, v, &text)) {
        return false;
    }

    if (text.len == 0) {
        return true;
    }

    dur_sha1(text, digest);
    *hash = dur_get32(digest) != 0 ? dur_get32(digest) : 1;

    rc = dur_expr_parse(text, expr, err);

    return rc == DUR_OK
           || dur_option_fail(l, rc == DUR_EINVAL ? DUR_ECORRUPT : rc);
}


/* A count; 0 when there is none. */
static bool
dur_option_number(dur_option_load_t *l, const json_t *v, uint32_t *n)
{
    double  number;

    number = v != NULL ? json_number_value(v) : 0;

    if ((v != NULL && !json_is_number(v)) || !(number >= 0)) {
        return dur_option_fail(l, DUR_ECORRUPT);
    }

    *n = number < UINT32_MAX ? (uint32_t) number : UINT32_MAX;

    return true;
}


static uint8_t
dur_option_scope(const json_t *v)
{
    dur_str_t  scope;

    scope = dur_str_c(json_string_value(v));

    return dur_str_caseeq(scope, dur_str("env")) ? DUR_SCOPE_ENV
           : dur_str_caseeq(scope, dur_str("account")) ? DUR_SCOPE_ACCOUNT
           : DUR_SCOPE_FN;
}


/* {limit, key?, scope?}; a limit of 0 is none. */
static bool
dur_option_load_slots(dur_option_load_t *l, const json_t *v,
    dur_option_limit_t *limit)
{
    limit->scope = dur_option_scope(dur_json_iget(v, "scope"));

    return dur_option_number(l, dur_json_iget(v, "limit"), &limit->limit)
           && (limit->limit == 0
               || dur_option_parse(l, dur_json_iget(v, "key"), &limit->key,
                                   &limit->hash));
}


/* One more limit of calls. */
static bool
dur_option_load_calls(dur_option_load_t *l, const json_t *v)
{
    dur_option_t  *o = l->option;

    if (o->nlimits == DUR_OPTION_LIMITS) {
        return dur_option_fail(l, DUR_ECORRUPT);
    }

    o->nlimits++;

    if (!dur_option_load_slots(l, v, &o->limits[o->nlimits - 1])) {
        return false;
    }

    o->nlimits -= o->limits[o->nlimits - 1].limit == 0;

    return true;
}


static bool
dur_option_load_list(dur_option_load_t *l, const json_t *v)
{
    for (size_t i = 0; i < json_array_size(v); i++) {
        if (!dur_option_load_calls(l, json_array_get(v, i))) {
            return false;
        }
    }

    return true;
}


/* A number, a limit, a list of them, or { fn: [..], step: [..] }. */
static bool
dur_option_load_concurrency(dur_option_load_t *l, const json_t *v)
{
    json_t        *fn, *step;
    dur_option_t  *o = l->option;

    if (json_is_number(v)) {
        o->limits[0].scope = DUR_SCOPE_FN;

        if (!dur_option_number(l, v, &o->limits[0].limit)) {
            return false;
        }

        o->nlimits = o->limits[0].limit > 0;

    } else if (json_is_array(v)) {
        if (!dur_option_load_list(l, v)) {
            return false;
        }

    } else if (v != NULL) {
        fn = dur_json_iget(v, "fn");
        step = dur_json_iget(v, "step");

        if (json_array_size(fn) == 0 && json_array_size(step) == 0) {
            if (!dur_option_load_calls(l, v)) {
                return false;
            }

        } else if (!dur_option_load_list(l, step)
                   || (json_array_size(fn) > 0
                       && !dur_option_load_slots(l, json_array_get(fn, 0),
                                                 &o->runs)))
        {
            return false;
        }

        o->runs.scope = DUR_SCOPE_RUNS;
    }

    o->rows += (o->nlimits > 0 ? DUR_OPTION_ROWS_WAIT : 0)
               + (o->runs.limit > 0 ? DUR_OPTION_ROWS_WAIT + 1 : 0);

    return true;
}


static bool
dur_option_load_throttle(dur_option_load_t *l, const json_t *v)
{
    dur_option_t  *o = l->option;

    if (v == NULL) {
        return true;
    }

    o->rows += DUR_OPTION_ROWS_THROTTLE;

    if (!dur_option_number(l, dur_json_iget(v, "limit"), &o->throttle.limit)
        || !dur_option_number(l, dur_json_iget(v, "burst"),
                              &o->throttle.burst)
        || !dur_option_duration(l, dur_json_iget(v, "period"),
                                &o->throttle.period)
        || !dur_option_parse(l, dur_json_iget(v, "key"), &o->throttle.key,
                             &o->throttle.hash))
    {
        return false;
    }

    o->throttle.limit = o->throttle.limit ? o->throttle.limit : 1;
    o->throttle.period -= o->throttle.period % 1000;

    if (o->throttle.period == 0) {
        o->throttle.period = 1000;
    }

    return true;
}


static bool
dur_option_load_priority(dur_option_load_t *l, const json_t *v)
{
    uint32_t  hash;

    return v == NULL
           || dur_option_parse(l, dur_json_iget(v, "run"),
                               &l->option->priority, &hash);
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
            && dur_option_load_flow(&l, root)
            && dur_option_load_concurrency(&l, dur_json_iget(root,
                                                             "concurrency"))
            && dur_option_load_throttle(&l, dur_json_iget(root, "throttle"))
            && dur_option_load_priority(&l, dur_json_iget(root,
                                                          "priority")));

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

    for (unsigned i = 0; i < option->nlimits; i++) {
        dur_expr_free(option->limits[i].key);
    }

    dur_expr_free(option->runs.key);
    dur_expr_free(option->throttle.key);
    dur_expr_free(option->priority);

    memset(option, 0, sizeof(*option));
}


bool
dur_option_reads(const dur_option_t *o)
{
    for (unsigned i = 0; i < o->nlimits; i++) {
        if (o->limits[i].key != NULL) {
            return true;
        }
    }

    return o->limit_key != NULL || o->singleton_key != NULL
           || o->debounce_key != NULL || o->batch_key != NULL
           || o->batch_if != NULL || o->runs.key != NULL
           || o->throttle.key != NULL || o->priority != NULL
           || o->ncancels > 0;
}
