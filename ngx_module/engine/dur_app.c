/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_app.h"
#include "engine/dur_app_option.h"
#include "engine/dur_app_url.h"
#include "engine/dur_cron.h"
#include "engine/dur_json.h"
#include "engine/dur_retry.h"
#include "engine/dur_sign.h"
#include "engine/dur_time.h"

#include <stdio.h>
#include <stdlib.h>


#define DUR_APP_NAME_MAX     255
#define DUR_APP_JITTER_MAX   (5 * 60 * 1000)

/* A canonical text is longer where numbers such as 1e20 are written out. */
#define DUR_APP_GROWTH       8


typedef struct {
    dur_app_t         *app;
    dur_app_report_t   r;
    json_t            *slugs;   /* those seen so far */
} dur_app_parser_t;


static bool
dur_app_copy(dur_app_parser_t *ps, dur_str_t s, dur_str_t *out)
{
    *out = dur_arena_copy(&ps->app->arena, s);

    if (out->data == NULL) {
        ps->r.nomem = true;
        return false;
    }

    return true;
}


/* Names end in logs, headers and URLs: no control characters. */

static bool
dur_app_printable(dur_app_parser_t *ps, const char *field, dur_str_t s,
    size_t most)
{
    if (s.len > most) {
        return dur_app_refuse(&ps->r, "%s is longer than %zu bytes", field,
                              most);
    }

    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < 0x20 || s.data[i] == 0x7f) {
            return dur_app_refuse(&ps->r, "%s holds a control character",
                                  field);
        }
    }

    return true;
}


/* "Full One!" is full-one. */

static bool
dur_app_slugify(dur_app_parser_t *ps, dur_str_t name, dur_str_t *slug)
{
    uint8_t   c, *start, *p;

    start = dur_arena_alloc(&ps->app->arena, name.len + 1);
    if (start == NULL) {
        ps->r.nomem = true;
        return false;
    }

    p = start;

    for (size_t i = 0; i < name.len; i++) {
        c = name.data[i];
        c = (c >= 'A' && c <= 'Z') ? (uint8_t) (c | 0x20) : c;

        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_') {
            *p++ = c;

        } else if (p > start && p[-1] != '-') {
            *p++ = '-';
        }
    }

    if (p > start && p[-1] == '-') {
        p--;
    }

    *p = '\0';
    *slug = dur_str_make(start, (size_t) (p - start));

    return true;
}


static bool
dur_app_identity(dur_app_parser_t *ps, const json_t *config,
    dur_app_function_t *fn)
{
    dur_str_t  id, name;

    if (!dur_app_string(&ps->r, config, "name", &name)
        || !dur_app_string(&ps->r, config, "id", &id))
    {
        return false;
    }

    if (id.len == 0) {
        if (!dur_app_slugify(ps, name, &id)) {
            return false;
        }

    } else if (!dur_app_copy(ps, id, &id)) {
        return false;
    }

    if (!dur_app_printable(ps, "id", id, DUR_APP_NAME_MAX)
        || !dur_app_printable(ps, "name", name, DUR_APP_NAME_MAX))
    {
        return false;
    }

    ps->r.function = id;

    if (name.len == 0) {
        return dur_app_refuse(&ps->r, "a function name is required");
    }

    if (id.len == 0) {
        return dur_app_refuse(&ps->r, "a function with the name \"%.*s\" "
                              "needs an id", (int) name.len, name.data);
    }

    fn->slug = id;

    return dur_app_copy(ps, name, &fn->name);
}


/* A function may only be named once. */

static bool
dur_app_unique(dur_app_parser_t *ps)
{
    const char  *slug;

    slug = (const char *) ps->r.function.data;

    if (json_object_getn(ps->slugs, slug, ps->r.function.len) != NULL) {
        return dur_app_refuse(&ps->r, "this id is used by two functions");
    }

    if (json_object_setn_new_nocheck(ps->slugs, slug, ps->r.function.len,
                                     json_null()) != 0)
    {
        ps->r.nomem = true;
        return false;
    }

    return true;
}


static bool
dur_app_cron(dur_app_parser_t *ps, dur_str_t text)
{
    char        err[160];
    dur_cron_t  cron;

    if (text.len > DUR_APP_NAME_MAX) {
        return dur_app_refuse(&ps->r, "triggers.cron is longer than %d bytes",
                              DUR_APP_NAME_MAX);
    }

    if (dur_cron_parse(text, &cron, err) != DUR_OK) {
        return dur_app_refuse(&ps->r, "invalid triggers.cron \"%.*s\": %s",
                              (int) text.len, (const char *) text.data, err);
    }

    return true;
}


static bool
dur_app_jitter(dur_app_parser_t *ps, const json_t *v, uint32_t *jitter)
{
    int64_t    ms;
    dur_str_t  text;

    *jitter = 0;

    if (!dur_app_string(&ps->r, v, "triggers.jitter", &text)) {
        return false;
    }

    if (text.len == 0) {
        return true;
    }

    if (dur_duration_parse(text, &ms) != DUR_OK
        || (ms != 0 && (ms < 1000 || ms > DUR_APP_JITTER_MAX)))
    {
        return dur_app_refuse(&ps->r, "triggers.jitter must lie between 1s "
                              "and 5m");
    }

    *jitter = (uint32_t) ms;

    return true;
}


static bool
dur_app_trigger(dur_app_parser_t *ps, const json_t *v, dur_app_function_t *fn)
{
    uint32_t            jitter;
    dur_str_t           event, cron, expression;
    dur_app_trigger_t  *t, *other;

    if (!json_is_object(v)) {
        return dur_app_refuse(&ps->r, "each of triggers must be an object");
    }

    if (!dur_app_string(&ps->r, v, "triggers.event", &event)
        || !dur_app_string(&ps->r, v, "triggers.cron", &cron)
        || !dur_app_string(&ps->r, v, "triggers.expression", &expression)
        || !dur_app_jitter(ps, v, &jitter))
    {
        return false;
    }

    if ((event.len == 0) == (cron.len == 0)) {
        return dur_app_refuse(&ps->r, "each of triggers must have either an "
                              "event or a cron");
    }

    if (event.len > DUR_APP_NAME_MAX) {
        return dur_app_refuse(&ps->r, "triggers.event is longer than %d bytes",
                              DUR_APP_NAME_MAX);
    }

    if ((cron.len && !dur_app_cron(ps, cron))
        || !dur_app_expression(&ps->r, "trigger", expression,
                               DUR_APP_COMPILES))
    {
        return false;
    }

    t = &fn->triggers[fn->ntriggers];
    t->jitter = jitter;

    if (!dur_app_copy(ps, event, &t->event)
        || !dur_app_copy(ps, cron, &t->cron)
        || !dur_app_copy(ps, expression, &t->expression))
    {
        return false;
    }

    for (other = fn->triggers; other < t; other++) {

        if (dur_str_eq(other->event, event) && dur_str_eq(other->cron, cron)
            && (cron.len || dur_str_eq(other->expression, expression)))
        {
            return dur_app_refuse(&ps->r, "the trigger \"%.*s\" is there "
                                  "twice",
                                  (int) (cron.len ? cron.len : event.len),
                                  cron.len ? cron.data : event.data);
        }
    }

    fn->ntriggers++;

    return true;
}


static bool
dur_app_triggers(dur_app_parser_t *ps, const json_t *config,
    dur_app_function_t *fn)
{
    size_t   n;
    json_t  *v;

    v = dur_json_iget(config, "triggers");
    if (v == NULL) {
        return true;
    }

    if (!json_is_array(v)) {
        return dur_app_refuse(&ps->r, "triggers must be an array");
    }

    n = json_array_size(v);

    if (n > DUR_APP_TRIGGERS_MAX) {
        return dur_app_refuse(&ps->r, "triggers has more than %d entries",
                              DUR_APP_TRIGGERS_MAX);
    }

    for (size_t i = 0; i < n; i++) {
        if (!dur_app_trigger(ps, json_array_get(v, i), fn)) {
            return false;
        }
    }

    return true;
}


/* Those of the step, else those of the function, else the default. */

static bool
dur_app_retries(dur_app_parser_t *ps, const json_t *config,
    const json_t *step, dur_app_function_t *fn)
{
    bool      done;
    json_t   *v;
    int64_t   n;

    v = dur_json_iget(step, "retries");

    if (v != NULL && !json_is_object(v)) {
        return dur_app_refuse(&ps->r, "steps.retries must be an object");
    }

    if (v != NULL && dur_json_iget(v, "attempts") != NULL) {
        done = dur_app_integer(&ps->r, v, "steps.retries.attempts",
                               DUR_RETRY_DEFAULT, &n);

    } else {
        done = dur_app_integer(&ps->r, config, "retries", DUR_RETRY_DEFAULT,
                               &n);
    }

    if (!done) {
        return false;
    }

    if (n < 0) {
        return dur_app_refuse(&ps->r, "retries must not be negative");
    }

    fn->retries = (unsigned) (n > DUR_RETRY_MAX ? DUR_RETRY_MAX : n);

    return true;
}


static bool
dur_app_step_url(dur_app_parser_t *ps, const json_t *step,
    dur_app_function_t *fn)
{
    json_t         *runtime;
    dur_str_t       url;
    dur_app_url_t   u;

    runtime = dur_json_iget(step, "runtime");

    if (!json_is_object(runtime)) {
        return dur_app_refuse(&ps->r, "steps.runtime must be an object");
    }

    if (!dur_app_string(&ps->r, runtime, "steps.runtime.url", &url)) {
        return false;
    }

    if (!dur_app_url_split(url, &u)) {
        return dur_app_refuse(&ps->r, "steps.runtime.url must be an absolute "
                              "URL of at most %d bytes", DUR_APP_URL_MAX);
    }

    if (dur_app_url_scheme(&u, "ws") || dur_app_url_scheme(&u, "wss")) {
        return dur_app_refuse(&ps->r, "steps.runtime.url names a connect "
                              "worker (%.*s); serve the app over http or "
                              "https", (int) u.scheme.len, u.scheme.data);
    }

    if (!dur_app_url_scheme(&u, "http") && !dur_app_url_scheme(&u, "https")) {
        return dur_app_refuse(&ps->r, "steps.runtime.url must start with "
                              "http:// or https://");
    }

    return dur_app_copy(ps, url, &fn->url);
}


static bool
dur_app_step(dur_app_parser_t *ps, const json_t *config,
    dur_app_function_t *fn)
{
    json_t  *steps, *step;

    steps = dur_json_iget(config, "steps");

    if (!json_is_object(steps) || json_object_size(steps) != 1) {
        return dur_app_refuse(&ps->r, "steps must be an object with exactly "
                              "one step");
    }

    step = json_object_iter_value(json_object_iter(steps));

    if (!json_is_object(step)) {
        return dur_app_refuse(&ps->r, "the step in steps must be an object");
    }

    return dur_app_step_url(ps, step, fn)
           && dur_app_retries(ps, config, step, fn);
}


static bool
dur_app_unenforced(dur_app_parser_t *ps, const json_t *config,
    dur_app_function_t *fn)
{
    bool       done;
    dur_buf_t  names;

    dur_buf_init(&names, 512);

    done = dur_app_options(&ps->r, config, &names)
           && dur_app_copy(ps, dur_buf_str(&names), &fn->unenforced);

    dur_buf_deinit(&names);

    return done;
}


static bool
dur_app_function(dur_app_parser_t *ps, json_t *config, size_t number,
    dur_app_function_t *fn)
{
    ps->r.function = dur_str_null;
    fn->config = config;

    if (!json_is_object(config)) {
        return dur_app_refuse(&ps->r, "functions[%zu] must be an object",
                              number);
    }

    return dur_app_identity(ps, config, fn)
           && dur_app_unique(ps)
           && dur_app_step(ps, config, fn)
           && dur_app_triggers(ps, config, fn)
           && dur_app_unenforced(ps, config, fn);
}


static bool
dur_app_functions(dur_app_parser_t *ps)
{
    size_t               n;
    json_t              *v;
    dur_app_function_t  *fn;

    v = dur_json_iget(ps->app->root, "functions");
    if (v == NULL) {
        return true;
    }

    if (!json_is_array(v)) {
        return dur_app_refuse(&ps->r, "functions must be an array");
    }

    n = json_array_size(v);
    if (n == 0) {
        return true;
    }

    fn = dur_arena_zalloc(&ps->app->arena, n * sizeof(dur_app_function_t));
    if (fn == NULL) {
        ps->r.nomem = true;
        return false;
    }

    ps->app->functions = fn;
    ps->app->nfunctions = n;

    for (size_t i = 0; i < n; i++) {
        if (!dur_app_function(ps, json_array_get(v, i), i, &fn[i])) {
            return false;
        }
    }

    return true;
}


static bool
dur_app_head(dur_app_parser_t *ps)
{
    dur_rc_t    rc;
    dur_str_t   name, url, sdk, framework, version;
    dur_app_t  *app;

    app = ps->app;

    if (!dur_app_string(&ps->r, app->root, "appName", &name)
        || !dur_app_string(&ps->r, app->root, "url", &url)
        || !dur_app_string(&ps->r, app->root, "sdk", &sdk)
        || !dur_app_string(&ps->r, app->root, "framework", &framework)
        || !dur_app_string(&ps->r, app->root, "appVersion", &version)
        || !dur_app_printable(ps, "appName", name, DUR_APP_NAME_MAX))
    {
        return false;
    }

    if (name.len == 0) {
        return dur_app_refuse(&ps->r, "appName is required");
    }

    rc = dur_app_url_normalize(url, &app->arena, &app->url);

    if (rc == DUR_EINVAL) {
        return dur_app_refuse(&ps->r, "url must be an http:// or https:// URL "
                              "of at most %d bytes", DUR_APP_URL_MAX);
    }

    ps->r.nomem = (rc != DUR_OK);

    return rc == DUR_OK
           && dur_app_copy(ps, name, &app->name)
           && dur_app_copy(ps, sdk, &app->sdk)
           && dur_app_copy(ps, framework, &app->framework)
           && dur_app_copy(ps, version, &app->version);
}


/* Protocol 3.5: observations change from one sync to the next. */

static bool
dur_app_checksum(dur_app_parser_t *ps, size_t len)
{
    void       *it;
    bool        done;
    dur_buf_t   b;
    dur_str_t   key;

    for (it = json_object_iter(ps->app->root);
         it != NULL;
         it = json_object_iter_next(ps->app->root, it))
    {
        key = dur_str_make(json_object_iter_key(it),
                           json_object_iter_key_len(it));

        if (dur_str_caseeq(key, dur_str("featureObservations"))) {
            json_object_deln(ps->app->root, (const char *) key.data, key.len);
            break;
        }
    }

    dur_buf_init(&b, len * DUR_APP_GROWTH);

    done = dur_json_write(&b, ps->app->root) == DUR_OK;

    if (done) {
        dur_sha256(dur_buf_str(&b), ps->app->checksum);
    } else {
        ps->r.nomem = true;
    }

    dur_buf_deinit(&b);

    return done;
}


dur_rc_t
dur_app_parse(dur_str_t payload, dur_app_t *app, char *err, size_t size)
{
    bool               done;
    dur_app_parser_t   ps;
    dur_json_error_t   error;

    memset(app, 0, sizeof(*app));
    memset(&ps, 0, sizeof(ps));

    dur_arena_init(&app->arena);

    ps.app = app;
    ps.r.err = err;
    ps.r.size = size;

    if (size) {
        err[0] = '\0';
    }

    app->root = dur_json_parse(payload, &error);

    if (app->root == NULL) {
        dur_app_refuse(&ps.r, "the payload is not JSON: %s (line %zu, byte "
                       "%zu)", error.text, error.line, error.offset);
        return DUR_EINVAL;
    }

    if (!json_is_object(app->root)) {
        dur_app_refuse(&ps.r, "the payload must be a JSON object");
        dur_app_deinit(app);
        return DUR_EINVAL;
    }

    ps.slugs = json_object();
    ps.r.nomem = (ps.slugs == NULL);

    done = ps.slugs != NULL
           && dur_app_checksum(&ps, payload.len)
           && dur_app_head(&ps)
           && dur_app_functions(&ps);

    json_decref(ps.slugs);

    if (!done) {
        dur_app_deinit(app);
        return ps.r.nomem ? DUR_ENOMEM : DUR_EINVAL;
    }

    return DUR_OK;
}


void
dur_app_deinit(dur_app_t *app)
{
    json_decref(app->root);
    dur_arena_deinit(&app->arena);

    memset(app, 0, sizeof(*app));
}
