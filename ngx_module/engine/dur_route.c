/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_route.h"
#include "engine/dur_answer_op.h"
#include "engine/dur_forward.h"
#include "engine/dur_gateway.h"
#include "engine/dur_json.h"
#include "engine/dur_register.h"
#include "engine/dur_retry.h"
#include "engine/dur_run_feed.h"
#include "engine/dur_sign.h"
#include "engine/dur_state.h"
#include "engine/dur_step.h"
#include "engine/dur_target.h"

#include <stdio.h>


#define DUR_ROUTE_NAME     128
#define DUR_ROUTE_CONFIG   (32 * 1024)
#define DUR_ROUTE_TIMEOUT  (2 * 3600 * 1000)


typedef struct {
    dur_str_t  connector;
    dur_str_t  url;
    dur_str_t  app;                     /* their names */
    dur_str_t  function;
    dur_str_t  event;
    uint32_t   retries;
    uint32_t   timeout;                 /* ms */
    bool       ordered;
    uint8_t    checksum[32];            /* of all of this */
} dur_route_t;


/* -- what the leader says ------------------------------------------------- */

/* Names of apps, functions and events are made of it. */
static bool
dur_route_is_connector(dur_str_t s)
{
    size_t   i;
    uint8_t  c;

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if ((c < '0' || c > '9') && (c < 'A' || c > 'Z')
            && (c < 'a' || c > 'z') && c != '-' && c != '_' && c != '.')
        {
            return false;
        }
    }

    return s.len > 0 && s.len <= DUR_ROUTE_NAME;
}


static dur_str_t
dur_route_name(dur_engine_t *e, const char *before, dur_str_t connector,
    const char *after)
{
    return dur_str_c(dur_arena_printf(e->arena, "%s%.*s%s", before,
                                      (int) connector.len,
                                      (const char *) connector.data, after));
}


/* A number from 0 to `most`; false for anything else. */
static bool
dur_route_number(const json_t *object, const char *key, uint32_t most,
    uint32_t *value)
{
    int64_t  n;

    if (dur_json_get_int(object, key, &n) != DUR_OK || n < 0 || n > most) {
        return false;
    }

    *value = (uint32_t) n;

    return true;
}


/* NULL, or what is wrong. */
static const char *
dur_route_read(dur_engine_t *e, const json_t *object, dur_route_t *route)
{
    char  *text;

    memset(route, 0, sizeof(*route));

    if (dur_json_get_string(object, "connector", &route->connector) != DUR_OK
        || !dur_route_is_connector(route->connector))
    {
        return "\"connector\" is no name";
    }

    if (dur_json_get_string(object, "url", &route->url) != DUR_OK
        || route->url.len > DUR_GATEWAY_URL
        || !dur_gateway_is_url(route->url))
    {
        return "\"url\" is no http: or https: URL";
    }

    if (!dur_route_number(object, "retries", DUR_RETRY_MAX,
                          &route->retries))
    {
        return "\"retries\" is no number from 0 to 20";
    }

    if (!dur_route_number(object, "timeout", DUR_ROUTE_TIMEOUT,
                          &route->timeout))
    {
        return "\"timeout\" is no number of milliseconds up to two hours";
    }

    route->ordered = json_is_true(json_object_get(object, "ordered"));

    route->app = dur_route_name(e, DUR_ROUTE_APP, route->connector, "");
    route->function = dur_route_name(e, DUR_ROUTE_FUNCTION, route->connector,
                                     "");
    route->event = dur_route_name(e, "event/api.webhooks.", route->connector,
                                  ".action");

    text = dur_arena_printf(e->arena, "%u %u %u %.*s", route->retries,
                            route->timeout, route->ordered,
                            (int) route->url.len,
                            (const char *) route->url.data);
    dur_sha256(dur_str_c(text), route->checksum);

    return NULL;
}


/* -- the registry --------------------------------------------------------- */

/* As an SDK would have sent it: readers know one shape. */
static dur_rc_t
dur_route_config(const dur_route_t *route, dur_buf_t *b)
{
    dur_buf_addz(b, "{\"id\":");
    dur_json_write_string(b, route->function);
    dur_buf_addz(b, ",\"name\":");
    dur_json_write_string(b, route->function);
    dur_buf_addf(b, ",\"steps\":{\"step\":{\"id\":\"step\",\"name\":\"step\","
                 "\"retries\":{\"attempts\":%u},\"runtime\":{\"type\":"
                 "\"http\",\"url\":", route->retries);
    dur_json_write_string(b, route->url);
    dur_buf_addz(b, "}}},\"triggers\":[{\"event\":");
    dur_json_write_string(b, route->event);

    return dur_buf_addz(b, "}]}");
}


static dur_rc_t
dur_route_put_function(dur_engine_t *e, const dur_route_t *route,
    uint32_t app)
{
    dur_rc_t         rc;
    dur_buf_t        config;
    dur_trigger_t    trigger;
    dur_function_t   fn, *old;

    old = dur_registry_function_of(&e->registry, DUR_FUNCTION_FORWARD,
                                   route->function);

    memset(&trigger, 0, sizeof(trigger));
    trigger.event = route->event;

    memset(&fn, 0, sizeof(fn));
    fn.id = old ? old->id : e->counters.function++;
    fn.version = old ? old->version + 1 : 1;
    fn.created = old ? old->created : e->now;
    fn.paused = old && old->paused;
    fn.resuming = old && old->resuming;
    fn.app = app;
    fn.kind = DUR_FUNCTION_FORWARD;
    fn.timeout = route->timeout;
    fn.retries = route->retries;
    fn.slug = route->function;
    fn.name = route->function;
    fn.url = route->url;
    fn.ntriggers = 1;
    fn.triggers = &trigger;

    dur_buf_init(&config, DUR_ROUTE_CONFIG);

    rc = dur_route_config(route, &config);

    if (rc == DUR_OK) {
        fn.config = dur_buf_str(&config);
        rc = dur_registry_function_put(e, &fn);
    }

    dur_buf_deinit(&config);

    return rc == DUR_ETOOBIG ? DUR_EINTERNAL : rc;
}


static dur_rc_t
dur_route_put(dur_engine_t *e, const dur_route_t *route,
    const dur_registered_app_t *old)
{
    dur_rc_t              rc;
    dur_registered_app_t  app;

    memset(&app, 0, sizeof(app));

    app.id = old ? old->id : e->counters.app++;
    app.created = old ? old->created : e->now;
    app.registered = true;
    app.forward = true;
    app.ordered = route->ordered;
    app.name = route->app;
    app.url = route->url;
    app.sdk = dur_str("nginx");
    app.framework = dur_str("nginx");
    memcpy(app.checksum, route->checksum, sizeof(app.checksum));

    rc = dur_registry_app_put(e, &app);

    if (rc == DUR_OK && old != NULL) {
        /* what was found out is of another target, or another order */
        rc = dur_target_forget(e, old->id);
    }

    return rc == DUR_OK ? dur_route_put_function(e, route, app.id) : rc;
}


/* True when it was; *changed when something was written. */
static dur_rc_t
dur_route_declare(dur_engine_t *e, const dur_route_t *route, bool *changed)
{
    dur_str_t              name;
    dur_function_t        *fn;
    dur_registered_app_t  *app, *other;

    app = dur_registry_app_by_name(&e->registry, route->app);

    if (app != NULL && !app->removed
        && memcmp(app->checksum, route->checksum, 32) == 0)
    {
        return DUR_OK;
    }

    fn = dur_registry_function_of(&e->registry, DUR_FUNCTION_APP,
                                  route->function);

    if (fn != NULL && !fn->archived) {
        other = dur_registry_app(&e->registry, fn->app);
        name = other ? other->name : dur_str("?");

        dur_state_log(e, 0, "route \"%.*s\" is not forwarded: the app "
                      "\"%.*s\" has registered its function \"%.*s\"",
                      (int) route->connector.len,
                      (const char *) route->connector.data, (int) name.len,
                      (const char *) name.data, (int) fn->slug.len,
                      (const char *) fn->slug.data);
        return DUR_OK;
    }

    *changed = true;

    return dur_route_put(e, route, app);
}


/* Its runs in flight go on: what is known of its target stays. */
static dur_rc_t
dur_route_archive(dur_engine_t *e, const dur_registered_app_t *old)
{
    uint32_t               i;
    dur_rc_t               rc;
    dur_function_t         fn;
    dur_registered_app_t   app;

    app = *old;
    app.removed = true;
    app.removed_at = e->now;

    rc = dur_registry_app_put(e, &app);

    for (i = 0; rc == DUR_OK && i < e->registry.nfunctions; i++) {

        if (e->registry.functions[i] == NULL
            || e->registry.functions[i]->app != app.id
            || e->registry.functions[i]->archived)
        {
            continue;
        }

        fn = *e->registry.functions[i];
        fn.archived = true;
        fn.archived_at = e->now;

        rc = dur_registry_function_put(e, &fn);
    }

    return rc;
}


static bool
dur_route_listed(const dur_route_t *routes, size_t n, dur_str_t app)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (dur_str_eq(routes[i].app, app)) {
            return true;
        }
    }

    return false;
}


static dur_rc_t
dur_route_store(dur_engine_t *e, const dur_route_t *routes, size_t n)
{
    bool                   changed;
    size_t                 i;
    dur_rc_t               rc;
    dur_registered_app_t  *app;

    rc = DUR_OK;
    changed = false;

    for (i = 0; rc == DUR_OK && i < e->registry.napps; i++) {
        app = e->registry.apps[i];

        if (app != NULL && app->forward && !app->workflow && !app->removed
            && !dur_route_listed(routes, n, app->name))
        {
            changed = true;
            rc = dur_route_archive(e, app);
        }
    }

    for (i = 0; rc == DUR_OK && i < n; i++) {
        rc = dur_route_declare(e, &routes[i], &changed);
    }

    return (rc == DUR_OK && changed) ? dur_register_reload(e) : rc;
}


dur_rc_t
dur_route_apply(dur_engine_t *e, dur_str_t body, dur_reply_t *reply)
{
    size_t             i, n;
    json_t            *list;
    dur_rc_t           rc;
    const char        *wrong;
    dur_route_t       *routes;
    dur_json_error_t   err;

    list = dur_json_parse(body, &err);

    if (!json_is_array(list)) {
        json_decref(list);
        return dur_state_refuse(e, reply, 400, "the routes are no list");
    }

    n = json_array_size(list);
    wrong = NULL;

    routes = dur_arena_alloc(e->arena, (n + 1) * sizeof(dur_route_t));
    if (routes == NULL) {
        json_decref(list);
        return DUR_ENOMEM;
    }

    for (i = 0; i < n && wrong == NULL; i++) {
        wrong = dur_route_read(e, json_array_get(list, i), &routes[i]);

        if (wrong == NULL && dur_route_listed(routes, i, routes[i].app)) {
            wrong = "the connector has a route already";
        }
    }

    rc = wrong ? dur_state_refuse(e, reply, 400, "route %zu: %s", i, wrong)
               : dur_route_store(e, routes, n);

    json_decref(list);

    return rc;
}


/* -- runs ----------------------------------------------------------------- */

bool
dur_route_owns(dur_engine_t *e, const dur_item_t *item)
{
    dur_function_t  *fn;

    fn = dur_registry_function(&e->registry, item->function);

    return fn != NULL && fn->kind == DUR_FUNCTION_FORWARD
           && item->kind == DUR_ITEM_DISCOVERY;
}


/* The one step of the run; its name is from the arena. */
static dur_rc_t
dur_route_step(dur_result_t *x, dur_step_report_t *report)
{
    dur_str_t        url;
    dur_function_t  *fn;

    fn = dur_registry_function(&x->e->registry, x->item.function);
    url = dur_gateway_detail(fn->url, x->e->arena);

    memset(report, 0, sizeof(*report));

    report->name = dur_route_name(x->e, "forward request to ", url, "");
    report->op = DUR_OPCODE_STEP_RUN;
    report->started = x->history.started;
    report->duration = (int64_t) x->history.duration;

    dur_sha1(report->name, report->id.b);

    return report->name.data ? DUR_OK : DUR_ENOMEM;
}


/* The memo of the step, and the end of the run, in one transaction. */
static dur_rc_t
dur_route_end(dur_result_t *x, dur_step_report_t *report,
    dur_run_status_t status)
{
    bool           fresh;
    dur_rc_t       rc;
    dur_engine_t  *e = x->e;

    rc = dur_step_done(e, &x->run, report, x->item.attempt + 1u, &fresh);

    if (rc == DUR_ETOOBIG) {
        return dur_run_fail(e, &x->run, "InngestErrStateOverflowed", "The "
                            "state of the run is larger than the server "
                            "allows.");
    }

    if (rc == DUR_OK) {
        rc = dur_run_feed(e, &x->run, status == DUR_RUN_COMPLETED
                          ? "step.completed" : "step.failed", report->name,
                          x->item.attempt,
                          (int64_t) (x->history.duration / 1000), 0,
                          x->answer.message);
    }

    return rc == DUR_OK ? dur_run_end(e, &x->run, status, report->output)
                        : rc;
}


dur_rc_t
dur_route_decide(dur_result_t *x)
{
    bool               exhausted;
    dur_rc_t           rc;
    dur_step_report_t  report;

    rc = dur_route_step(x, &report);
    if (rc != DUR_OK) {
        return rc;
    }

    x->history.reported = report.id;
    x->history.answer = x->answer.excerpt;

    if (x->answer.kind == DUR_ANSWER_DONE) {
        report.wrap = DUR_STEP_DATA;
        report.output = x->answer.output;
        return dur_route_end(x, &report, DUR_RUN_COMPLETED);
    }

    rc = dur_result_retry(x, report.name, x->answer.message, &exhausted);

    if (rc == DUR_OK && exhausted) {
        report.wrap = DUR_STEP_ERROR;
        report.output = x->answer.error;
        rc = dur_route_end(x, &report, DUR_RUN_FAILED);
    }

    return rc;
}


bool
dur_route_ordered(dur_engine_t *e, const dur_item_t *item)
{
    dur_registered_app_t  *app;

    app = dur_registry_app(&e->registry, item->app);

    return app != NULL && app->ordered;
}


dur_rc_t
dur_route_retry(dur_result_t *x, int64_t due)
{
    dur_rc_t  rc;

    /* it was the first that waited, so it goes first again */

    rc = dur_target_hold(x->e, x->item.app, x->item.id, due);

    return rc == DUR_OK ? dur_queue_push(x->e, &x->item) : rc;
}


int64_t
dur_route_later(dur_result_t *x)
{
    dur_registered_app_t  *app;

    app = dur_registry_app(&x->e->registry, x->item.app);

    return app->target.probe_at + DUR_TARGET_DELAY_MIN;
}
