/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_app_option.h"
#include "engine/dur_expr.h"
#include "engine/dur_expr_policy.h"
#include "engine/dur_json.h"
#include "engine/dur_option.h"
#include "engine/dur_time.h"

#include <math.h>
#include <stdio.h>


#define DUR_OPTION_CONCURRENCY_MAX  2
#define DUR_OPTION_PERIOD_MAX       DUR_TIME_DAY_MS
#define DUR_OPTION_DEBOUNCE_MAX     (7 * DUR_TIME_DAY_MS)
#define DUR_OPTION_NAME_MAX         255


/* Sets *set when the option asks for something. */
typedef bool (*dur_option_pt)(dur_app_report_t *r, const json_t *value,
    bool *set);


bool
dur_app_refuse(dur_app_report_t *r, const char *fmt, ...)
{
    int      n;
    size_t   len;
    va_list  ap;

    if (r->size == 0 || r->err[0] != '\0') {
        return false;
    }

    n = 0;

    if (r->function.len) {
        len = r->function.len < 128 ? r->function.len : 128;

        n = snprintf(r->err, r->size, "function \"%.*s\": ", (int) len,
                     (const char *) r->function.data);
    }

    if (n >= 0 && (size_t) n < r->size) {
        va_start(ap, fmt);
        vsnprintf(r->err + n, r->size - (size_t) n, fmt, ap);
        va_end(ap);
    }

    return false;
}


static const char *
dur_option_key(const char *name)
{
    const char  *dot;

    dot = strrchr(name, '.');

    return dot ? dot + 1 : name;
}


bool
dur_app_string(dur_app_report_t *r, const json_t *object, const char *name,
    dur_str_t *value)
{
    json_t  *v;

    *value = dur_str("");

    v = dur_json_iget(object, dur_option_key(name));
    if (v == NULL) {
        return true;
    }

    if (!json_is_string(v)) {
        return dur_app_refuse(r, "%s must be a string", name);
    }

    *value = dur_str_make(json_string_value(v), json_string_length(v));

    return true;
}


static bool
dur_option_integer(const json_t *v, int64_t *value)
{
    double  d;

    if (json_is_integer(v)) {
        *value = json_integer_value(v);
        return true;
    }

    d = json_is_real(v) ? json_real_value(v) : NAN;

    if (!(fabs(d) <= 9007199254740992.0) || d != trunc(d)) {
        return false;
    }

    *value = (int64_t) d;

    return true;
}


bool
dur_app_integer(dur_app_report_t *r, const json_t *object, const char *name,
    int64_t missing, int64_t *value)
{
    json_t  *v;

    *value = missing;

    v = dur_json_iget(object, dur_option_key(name));

    if (v != NULL && !dur_option_integer(v, value)) {
        return dur_app_refuse(r, "%s must be a whole number", name);
    }

    return true;
}


static bool
dur_option_object(dur_app_report_t *r, const json_t *v, const char *name)
{
    return json_is_object(v) ? true
                             : dur_app_refuse(r, "%s must be an object", name);
}


/* A duration; *ms is -1 when there is none. */

static bool
dur_option_duration(dur_app_report_t *r, const json_t *object,
    const char *name, int64_t *ms)
{
    dur_str_t  text;

    *ms = -1;

    if (!dur_app_string(r, object, name, &text)) {
        return false;
    }

    if (text.len == 0) {
        return true;
    }

    if (dur_duration_parse(text, ms) != DUR_OK || *ms < 0) {
        return dur_app_refuse(r, "%s must be a duration such as \"1h30m\"",
                              name);
    }

    return true;
}


bool
dur_app_expression(dur_app_report_t *r, const char *name, dur_str_t text,
    dur_app_ask_t ask)
{
    char         err[160];
    dur_rc_t     rc;
    dur_expr_t  *expr;

    if (text.len == 0) {
        return true;
    }

    rc = ask == DUR_APP_PARSES ? dur_expr_parse(text, &expr, err)
                               : dur_expr_compile(text, &expr, err);

    if (rc == DUR_OK) {
        if (ask == DUR_APP_COMPARES) {
            rc = dur_expr_restricted(expr, err);
        }

        dur_expr_free(expr);
    }

    if (rc == DUR_EINVAL) {
        return dur_app_refuse(r, "invalid %s expression \"%.*s\": %s", name,
                              (int) (text.len < 96 ? text.len : 96),
                              text.data, err);
    }

    r->nomem = r->nomem || rc != DUR_OK;

    return rc == DUR_OK;
}


static bool
dur_option_rate_limit(dur_app_report_t *r, const json_t *v, bool *set)
{
    int64_t    limit, period;
    dur_str_t  key;

    if (!dur_option_object(r, v, "rateLimit")
        || !dur_app_integer(r, v, "rateLimit.limit", 0, &limit)
        || !dur_option_duration(r, v, "rateLimit.period", &period)
        || !dur_app_string(r, v, "rateLimit.key", &key)
        || !dur_app_expression(r, "rateLimit.key", key, DUR_APP_COMPILES))
    {
        return false;
    }

    if (limit < 1 || limit > UINT32_MAX) {
        return dur_app_refuse(r, "rateLimit.limit must be at least 1");
    }

    /* cut to whole seconds, less than one would be no limit */

    if (period < 1000 || period > DUR_OPTION_PERIOD_MAX) {
        return dur_app_refuse(r, "rateLimit.period must lie between 1s and "
                              "24h");
    }

    *set = true;

    return true;
}


static bool
dur_option_throttle(dur_app_report_t *r, const json_t *v, bool *set)
{
    int64_t    limit, period, burst;
    dur_str_t  key;

    if (!dur_option_object(r, v, "throttle")
        || !dur_app_integer(r, v, "throttle.limit", 1, &limit)
        || !dur_app_integer(r, v, "throttle.burst", 0, &burst)
        || !dur_option_duration(r, v, "throttle.period", &period)
        || !dur_app_string(r, v, "throttle.key", &key)
        || !dur_app_expression(r, "throttle.key", key, DUR_APP_COMPILES))
    {
        return false;
    }

    if (limit < 0) {                            /* 0 counts as 1 */
        return dur_app_refuse(r, "throttle.limit must not be negative");
    }

    if (burst < 0) {
        return dur_app_refuse(r, "throttle.burst must not be negative");
    }

    if (period <= 0) {
        return dur_app_refuse(r, "throttle.period must be longer than 0");
    }

    *set = true;

    return true;
}


static bool
dur_option_debounce(dur_app_report_t *r, const json_t *v, bool *set)
{
    int64_t    period, timeout;
    dur_str_t  key;

    if (!dur_option_object(r, v, "debounce")
        || !dur_option_duration(r, v, "debounce.period", &period)
        || !dur_option_duration(r, v, "debounce.timeout", &timeout)
        || !dur_app_string(r, v, "debounce.key", &key)
        || !dur_app_expression(r, "debounce.key", key, DUR_APP_COMPILES))
    {
        return false;
    }

    if (period < 1000 || period > DUR_OPTION_DEBOUNCE_MAX) {
        return dur_app_refuse(r, "debounce.period must lie between 1s and 7d");
    }

    *set = true;

    return true;
}


static bool
dur_option_batch(dur_app_report_t *r, const json_t *v, bool *set)
{
    int64_t    size, timeout;
    dur_str_t  text, key, expr;

    if (!dur_option_object(r, v, "batchEvents")
        || !dur_app_integer(r, v, "batchEvents.maxSize", 0, &size)
        || !dur_option_duration(r, v, "batchEvents.timeout", &timeout)
        || !dur_app_string(r, v, "batchEvents.timeout", &text)
        || !dur_app_string(r, v, "batchEvents.key", &key)
        || !dur_app_string(r, v, "batchEvents.if", &expr)
        || !dur_app_expression(r, "batchEvents.key", key, DUR_APP_COMPILES)
        || !dur_app_expression(r, "batchEvents.if", expr, DUR_APP_COMPILES))
    {
        return false;
    }

    if (size < 2 || size > UINT32_MAX) {
        return dur_app_refuse(r, "batchEvents.maxSize must be at least 2%s",
                              size < 2 ? "" : ", and at most 4294967295");
    }

    /* features 0.2: this one knows no days and weeks */

    if (timeout < 1000
        || memchr(text.data, 'd', text.len) != NULL
        || memchr(text.data, 'w', text.len) != NULL)
    {
        return dur_app_refuse(r, "batchEvents.timeout must be at least 1s, in "
                              "units up to h");
    }

    *set = true;

    return true;
}


static bool
dur_option_priority(dur_app_report_t *r, const json_t *v, bool *set)
{
    dur_str_t  run;

    if (!dur_option_object(r, v, "priority")
        || !dur_app_string(r, v, "priority.run", &run)
        || !dur_app_expression(r, "priority.run", run, DUR_APP_PARSES))
    {
        return false;
    }

    *set = run.len != 0;

    return true;
}


static bool
dur_option_singleton(dur_app_report_t *r, const json_t *v, bool *set)
{
    dur_str_t  key, mode;

    if (!dur_option_object(r, v, "singleton")
        || !dur_app_string(r, v, "singleton.key", &key)
        || !dur_app_string(r, v, "singleton.mode", &mode)
        || !dur_app_expression(r, "singleton.key", key, DUR_APP_COMPILES))
    {
        return false;
    }

    if (!dur_str_eq(mode, dur_str("skip"))
        && !dur_str_eq(mode, dur_str("cancel")))
    {
        return dur_app_refuse(r, "singleton.mode must be \"skip\" or "
                              "\"cancel\"");
    }

    *set = true;

    return true;
}


static bool
dur_option_idempotency(dur_app_report_t *r, const json_t *v, bool *set)
{
    dur_str_t  key;

    if (!json_is_string(v)) {
        return dur_app_refuse(r, "idempotency must be a string");
    }

    key = dur_str_make(json_string_value(v), json_string_length(v));
    *set = key.len != 0;

    return dur_app_expression(r, "idempotency", key, DUR_APP_COMPILES);
}


static bool
dur_option_timeouts(dur_app_report_t *r, const json_t *v, bool *set)
{
    int64_t  start, finish;

    if (!dur_option_object(r, v, "timeouts")
        || !dur_option_duration(r, v, "timeouts.start", &start)
        || !dur_option_duration(r, v, "timeouts.finish", &finish))
    {
        return false;
    }

    *set = start > 0 || finish > 0;             /* "0" is none */

    return true;
}


static bool
dur_option_cancel_entry(dur_app_report_t *r, const json_t *v)
{
    int64_t    ms;
    dur_str_t  event, expr, timeout;

    if (!dur_option_object(r, v, "each entry of cancel")
        || !dur_app_string(r, v, "cancel.event", &event)
        || !dur_app_string(r, v, "cancel.if", &expr)
        || !dur_app_string(r, v, "cancel.timeout", &timeout)
        || !dur_app_expression(r, "cancel.if", expr, DUR_APP_COMPARES))
    {
        return false;
    }

    if (event.len == 0 || event.len > DUR_OPTION_NAME_MAX) {
        return dur_app_refuse(r, "cancel.event must be the name of an event, "
                              "at most 255 bytes");
    }

    if (timeout.len
        && (dur_duration_parse(timeout, &ms) != DUR_OK || ms < 0)
        && dur_rfc3339_parse(timeout, &ms) != DUR_OK)
    {
        return dur_app_refuse(r, "cancel.timeout must be a duration or a "
                              "RFC 3339 time");
    }

    return true;
}


static bool
dur_option_cancel(dur_app_report_t *r, const json_t *v, bool *set)
{
    size_t  n;

    if (!json_is_array(v)) {
        return dur_app_refuse(r, "cancel must be an array");
    }

    n = json_array_size(v);

    if (n > DUR_OPTION_CANCELS) {
        return dur_app_refuse(r, "cancel has more than %d entries",
                              DUR_OPTION_CANCELS);
    }

    for (size_t i = 0; i < n; i++) {
        if (!dur_option_cancel_entry(r, json_array_get(v, i))) {
            return false;
        }
    }

    *set = n != 0;

    return true;
}


/* One {limit, key?, scope?} of steps; Go writes the scope as "Fn". */

static bool
dur_option_limit(dur_app_report_t *r, const json_t *v, bool *set)
{
    int64_t    limit;
    dur_str_t  key, scope;

    if (!dur_option_object(r, v, "each limit of concurrency")
        || !dur_app_integer(r, v, "concurrency.limit", 0, &limit)
        || !dur_app_string(r, v, "concurrency.key", &key)
        || !dur_app_string(r, v, "concurrency.scope", &scope)
        || !dur_app_expression(r, "concurrency.key", key, DUR_APP_PARSES))
    {
        return false;
    }

    if (limit < 0) {
        return dur_app_refuse(r, "concurrency.limit must not be negative");
    }

    if (dur_str_caseeq(scope, dur_str("env"))
        || dur_str_caseeq(scope, dur_str("account")))
    {
        if (key.len == 0) {
            return dur_app_refuse(r, "concurrency.scope \"%.*s\" needs a key",
                                  (int) scope.len, scope.data);
        }

    } else if (scope.len && !dur_str_caseeq(scope, dur_str("fn"))) {
        return dur_app_refuse(r, "concurrency.scope must be \"fn\", \"env\" "
                              "or \"account\"");
    }

    *set = *set || limit > 0;

    return true;
}


static bool
dur_option_limits(dur_app_report_t *r, const json_t *v, const char *name,
    size_t most, bool *set)
{
    size_t  n;

    if (v == NULL) {
        return true;
    }

    if (!json_is_array(v)) {
        return dur_app_refuse(r, "%s must be an array", name);
    }

    n = json_array_size(v);

    if (n > most) {
        return dur_app_refuse(r, "%s has more than %zu limit%s", name, most,
                              most > 1 ? "s" : "");
    }

    for (size_t i = 0; i < n; i++) {
        if (!dur_option_limit(r, json_array_get(v, i), set)) {
            return false;
        }
    }

    return true;
}


/* {fn: [..], step: [..]}: limits of whole runs, and of steps. */

static bool
dur_option_concurrency_new(dur_app_report_t *r, const json_t *fn,
    const json_t *step, bool *set)
{
    int64_t  limit;

    if (!dur_option_limits(r, fn, "concurrency.fn", 1, set)
        || !dur_option_limits(r, step, "concurrency.step",
                              DUR_OPTION_CONCURRENCY_MAX, set))
    {
        return false;
    }

    for (size_t i = 0; i < json_array_size(fn); i++) {

        if (!dur_app_integer(r, json_array_get(fn, i), "concurrency.fn.limit",
                             0, &limit))
        {
            return false;
        }

        if (limit <= 0) {
            return dur_app_refuse(r, "concurrency.fn.limit must be at least "
                                  "1");
        }
    }

    return true;
}


/* There, and not an empty array, which says nothing. */

static bool
dur_option_is_list(const json_t *v)
{
    return v != NULL && !(json_is_array(v) && json_array_size(v) == 0);
}


static bool
dur_option_concurrency(dur_app_report_t *r, const json_t *v, bool *set)
{
    int64_t  limit;
    json_t  *fn, *step;

    if (json_is_array(v)) {
        return dur_option_limits(r, v, "concurrency",
                                 DUR_OPTION_CONCURRENCY_MAX, set);
    }

    if (json_is_object(v)) {
        fn = dur_json_iget(v, "fn");
        step = dur_json_iget(v, "step");

        if (dur_option_is_list(fn) || dur_option_is_list(step)) {
            return dur_option_concurrency_new(r, fn, step, set);
        }

        return dur_option_limit(r, v, set);
    }

    if (!dur_option_integer(v, &limit) || limit < 0) {
        return dur_app_refuse(r, "concurrency must be a number from 0, an "
                              "object or an array");
    }

    *set = limit > 0;

    return true;
}


bool
dur_app_options(dur_app_report_t *r, const json_t *function,
    dur_buf_t *names)
{
    bool      set, batch;
    json_t   *v;

    /* the batch comes first: what it excludes comes after it */

    static const struct {
        const char     *name;
        dur_option_pt   check;
        bool            batch;          /* goes together with a batch */
        bool            enforced;
    } options[] = {
        { "batchEvents", dur_option_batch, true, true },
        { "rateLimit", dur_option_rate_limit, true, true },
        { "throttle", dur_option_throttle, true, true },
        { "debounce", dur_option_debounce, false, true },
        { "priority", dur_option_priority, false, true },
        { "concurrency", dur_option_concurrency, true, true },
        { "cancel", dur_option_cancel, false, true },
        { "timeouts", dur_option_timeouts, true, true },
        { "singleton", dur_option_singleton, false, true },
        { "idempotency", dur_option_idempotency, true, true },
        { NULL, NULL, false, false }
    };

    batch = false;

    for (int i = 0; options[i].name != NULL; i++) {

        v = dur_json_iget(function, options[i].name);
        if (v == NULL) {
            continue;
        }

        set = false;

        if (!options[i].check(r, v, &set)) {
            return false;
        }

        if (!set) {
            continue;
        }

        batch = batch || i == 0;

        if (batch && !options[i].batch) {
            return dur_app_refuse(r, "batchEvents and %s are mutually "
                                  "exclusive", options[i].name);
        }

        if (options[i].enforced) {
            continue;
        }

        if (names->len) {
            dur_buf_addc(names, ',');
        }

        dur_buf_addz(names, options[i].name);
    }

    r->nomem = r->nomem || names->failed;

    return !names->failed;
}
