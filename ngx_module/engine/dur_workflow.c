/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_workflow.h"
#include "engine/dur_answer_op.h"
#include "engine/dur_json.h"
#include "engine/dur_plan_call.h"
#include "engine/dur_register.h"
#include "engine/dur_run_feed.h"
#include "engine/dur_schedule.h"
#include "engine/dur_sign.h"
#include "engine/dur_state.h"
#include "engine/dur_step.h"

#include <stdio.h>


/* One function of nginx.conf. */
typedef struct {
    dur_str_t        json;
    dur_plan_def_t  *def;
} dur_workflow_new_t;


/* -- who is who ----------------------------------------------------------- */

bool
dur_workflow_is(dur_engine_t *e, const dur_run_t *run)
{
    (void) e;

    return run->definition != 0;
}


bool
dur_workflow_owns(dur_engine_t *e, const dur_item_t *item)
{
    dur_function_t  *fn;

    fn = dur_registry_function(&e->registry, item->function);

    return fn != NULL && fn->kind == DUR_FUNCTION_WORKFLOW;
}


dur_rc_t
dur_workflow_of(dur_engine_t *e, const dur_run_t *run, dur_plan_def_t **def)
{
    return dur_workflow_def(&e->workflows, e->txn, run->function,
                            run->definition, def);
}


dur_rc_t
dur_workflow_count(dur_engine_t *e, const dur_run_t *run, int change)
{
    bool             old;
    dur_function_t  *fn;

    fn = dur_registry_function(&e->registry, run->function);
    old = fn == NULL || fn->version != run->definition || fn->archived;

    return dur_workflow_def_count(e, run->function, run->definition, change,
                                  old);
}


/* -- the registry --------------------------------------------------------- */

/* The app of this name, made when it is not there. */
static dur_rc_t
dur_workflow_app(dur_engine_t *e, dur_str_t name, dur_str_t url,
    uint32_t *id, bool *changed)
{
    dur_registered_app_t  app, *old;

    old = dur_registry_app_by_name(&e->registry, name);

    if (old != NULL && !old->removed) {
        *id = old->id;
        return DUR_OK;
    }

    memset(&app, 0, sizeof(app));

    app.id = old ? old->id : e->counters.app++;
    app.created = old ? old->created : e->now;
    app.registered = true;
    app.forward = true;
    app.workflow = true;
    app.name = name;
    app.url = url;
    app.sdk = dur_str("nginx");
    app.framework = dur_str("nginx");

    *id = app.id;
    *changed = true;

    return dur_registry_app_put(e, &app);
}


/* The targets of the functions; rows of the registry are read before more of
 * them are looked for. */
static dur_rc_t
dur_workflow_targets(dur_engine_t *e, const dur_plan_def_t *def)
{
    bool       changed;
    char      *name;
    dur_rc_t   rc;
    uint32_t   id;
    unsigned   i;

    for (i = 0, rc = DUR_OK; rc == DUR_OK && i < def->norigins; i++) {
        changed = false;

        name = dur_arena_printf(e->arena, DUR_WORKFLOW_TARGET "%.*s",
                                (int) def->origins[i].len,
                                (const char *) def->origins[i].data);
        if (name == NULL) {
            return DUR_ENOMEM;
        }

        rc = dur_workflow_app(e, dur_str_c(name), def->origins[i], &id,
                              &changed);

        if (rc == DUR_OK && changed) {
            rc = dur_registry_load(&e->registry, e->txn);
        }
    }

    return rc;
}


static dur_rc_t
dur_workflow_put(dur_engine_t *e, const dur_workflow_new_t *new,
    const dur_function_t *old, uint32_t app)
{
    dur_rc_t                   rc;
    unsigned                   i;
    dur_function_t             fn;
    dur_trigger_t              triggers[DUR_APP_TRIGGERS_MAX];
    const dur_app_function_t  *sent = &new->def->app.functions[0];

    memset(&fn, 0, sizeof(fn));
    memset(triggers, 0, sizeof(triggers));

    fn.id = old ? old->id : e->counters.function++;
    fn.version = old ? old->version + 1 : 1;
    fn.created = old ? old->created : e->now;
    fn.paused = old && old->paused;
    fn.resuming = old && old->resuming;
    fn.app = app;
    fn.kind = DUR_FUNCTION_WORKFLOW;
    fn.retries = sent->retries;
    fn.slug = new->def->name;
    fn.name = new->def->name;
    fn.url = dur_str("nginx.conf");
    fn.config = new->def->config;
    fn.ntriggers = sent->ntriggers;
    fn.triggers = triggers;

    for (i = 0; i < sent->ntriggers; i++) {
        triggers[i].event = sent->triggers[i].event;
        triggers[i].cron = sent->triggers[i].cron;
        triggers[i].jitter = sent->triggers[i].jitter;
        triggers[i].expression = sent->triggers[i].expression;
    }

    rc = dur_registry_function_put(e, &fn);

    if (rc == DUR_OK) {
        rc = dur_workflow_def_put(e, fn.id, fn.version, new->json);
    }

    return (rc == DUR_OK && old != NULL)
           ? dur_workflow_def_count(e, old->id, old->version, 0, true) : rc;
}


/* An app has registered a function of this name: who was first stays. */
static bool
dur_workflow_taken(dur_engine_t *e, const dur_plan_def_t *def)
{
    dur_str_t              name;
    dur_function_t        *fn;
    dur_registered_app_t  *app;

    fn = dur_registry_function_by_slug(&e->registry, def->name);

    if (fn == NULL || fn->archived || fn->kind == DUR_FUNCTION_WORKFLOW) {
        return false;
    }

    app = dur_registry_app(&e->registry, fn->app);
    name = app ? app->name : dur_str("?");

    dur_state_log(e, 0, "durable_function \"%.*s\" in %.*s:%u is not there: "
                  "the app \"%.*s\" has a function of this name",
                  (int) def->name.len, (const char *) def->name.data,
                  (int) def->file.len,
                  def->file.len ? (const char *) def->file.data : "",
                  def->line, (int) name.len, (const char *) name.data);

    return true;
}


static dur_rc_t
dur_workflow_declare(dur_engine_t *e, const dur_workflow_new_t *new,
    uint32_t app, bool *changed)
{
    dur_rc_t         rc;
    dur_function_t  *old;

    old = dur_registry_function_of(&e->registry, DUR_FUNCTION_WORKFLOW,
                                   new->def->name);

    if (old != NULL && !old->archived
        && dur_workflow_def_is(e, old->id, old->version, new->json))
    {
        return DUR_OK;
    }

    if (dur_workflow_taken(e, new->def)) {
        return DUR_OK;
    }

    rc = dur_workflow_targets(e, new->def);

    /* the registry may have been read anew */
    old = dur_registry_function_of(&e->registry, DUR_FUNCTION_WORKFLOW,
                                   new->def->name);
    *changed = true;

    if (rc == DUR_OK && new->def->app.functions[0].unenforced.len) {
        dur_state_log(e, 1, "durable_function \"%.*s\": %.*s: not enforced by "
                      "this version", (int) new->def->name.len,
                      (const char *) new->def->name.data,
                      (int) new->def->app.functions[0].unenforced.len,
                      (const char *)
                      new->def->app.functions[0].unenforced.data);
    }

    return rc == DUR_OK ? dur_workflow_put(e, new, old, app) : rc;
}


static bool
dur_workflow_listed(const dur_workflow_new_t *list, size_t n, dur_str_t slug)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (dur_str_eq(list[i].def->name, slug)) {
            return true;
        }
    }

    return false;
}


/* Functions that nginx.conf names no more; their runs go on. */
static dur_rc_t
dur_workflow_archive(dur_engine_t *e, const dur_workflow_new_t *list,
    size_t n, bool *changed)
{
    uint32_t         i;
    dur_rc_t         rc;
    dur_function_t   fn;

    for (i = 0, rc = DUR_OK; rc == DUR_OK && i < e->registry.nfunctions; i++) {

        if (e->registry.functions[i] == NULL) {
            continue;
        }

        fn = *e->registry.functions[i];

        if (fn.kind != DUR_FUNCTION_WORKFLOW || fn.archived
            || dur_workflow_listed(list, n, fn.slug))
        {
            continue;
        }

        fn.archived = true;
        fn.archived_at = e->now;
        *changed = true;

        rc = dur_registry_function_put(e, &fn);

        if (rc == DUR_OK) {
            rc = dur_workflow_def_count(e, fn.id, fn.version, 0, true);
        }
    }

    return rc;
}


static dur_rc_t
dur_workflow_store(dur_engine_t *e, const dur_workflow_new_t *list, size_t n)
{
    bool       changed;
    size_t     i;
    dur_rc_t   rc;
    uint32_t   app;

    changed = false;
    app = 0;
    rc = dur_workflow_archive(e, list, n, &changed);

    if (rc == DUR_OK && n > 0) {
        rc = dur_workflow_app(e, dur_str(DUR_WORKFLOW_APP),
                              dur_str("nginx.conf"), &app, &changed);
    }

    for (i = 0; rc == DUR_OK && i < n; i++) {
        rc = dur_workflow_declare(e, &list[i], app, &changed);
    }

    if (rc == DUR_OK && changed) {
        rc = dur_register_reload(e);

        if (rc == DUR_OK && app != 0) {
            rc = dur_schedule_plan(e, app);
        }
    }

    return rc;
}


/* Reads them all; *wrong is what the first bad one says. */
static dur_rc_t
dur_workflow_read(dur_engine_t *e, dur_str_t body, dur_workflow_new_t **list,
    size_t *n, const char **wrong)
{
    size_t             pos, size;
    dur_rc_t           rc;
    dur_str_t          one;
    dur_plan_error_t   err;

    for (pos = 0, size = 0; dur_json_next(body, &pos, &one) == DUR_OK; ) {
        size++;
    }

    *list = dur_arena_zalloc(e->arena, (size + 1) * sizeof(**list));
    if (*list == NULL) {
        return DUR_ENOMEM;
    }

    for (pos = 0; dur_json_next(body, &pos, &one) == DUR_OK; ) {
        (*list)[*n].json = one;

        rc = dur_plan_load(one, &(*list)[*n].def, &err);

        if (rc == DUR_EINVAL) {
            *wrong = dur_arena_printf(e->arena, "%s in %s:%u", err.text,
                                      err.file, err.line);
            return *wrong ? DUR_OK : DUR_ENOMEM;
        }

        if (rc != DUR_OK) {
            return rc;
        }

        if (dur_workflow_listed(*list, *n, (*list)[*n].def->name)) {
            *wrong = "a function is there twice";
        }

        (*n)++;
    }

    return DUR_OK;
}


dur_rc_t
dur_workflow_apply(dur_engine_t *e, dur_str_t body, dur_reply_t *reply)
{
    size_t               i, n;
    json_t              *root;
    dur_rc_t             rc;
    const char          *wrong;
    dur_workflow_new_t  *list;

    root = dur_json_parse(body, NULL);
    rc = json_is_array(root) ? DUR_OK : DUR_EINVAL;
    json_decref(root);

    if (rc != DUR_OK) {
        return dur_state_refuse(e, reply, 400, "the functions are no list");
    }

    n = 0;
    list = NULL;
    wrong = NULL;

    rc = dur_workflow_read(e, body, &list, &n, &wrong);

    if (rc == DUR_OK) {
        rc = wrong ? dur_state_refuse(e, reply, 400, "%s", wrong)
                   : dur_workflow_store(e, list, n);
    }

    for (i = 0; i < n; i++) {
        dur_plan_free(list[i].def);
    }

    return rc;
}


/* -- results -------------------------------------------------------------- */

dur_rc_t
dur_workflow_parse(dur_result_t *x, const dur_op_result_t *result)
{
    dur_rc_t         rc;
    dur_step_t       step;
    dur_engine_t    *e = x->e;
    dur_plan_at_t    at;
    dur_plan_def_t  *def;

    rc = dur_step_get(e->txn, &x->item.run, &x->item.step, &step);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_EINTERNAL : rc;
    }

    rc = dur_workflow_of(e, &x->run, &def);

    if (rc == DUR_OK && dur_plan_find(def, step.name, &at)) {
        x->attempts = at.node->retries + 1;

        return dur_plan_answer(at.node, result, e->conf.max_output, e->now,
                               e->arena, &x->answer);
    }

    if (rc != DUR_OK && rc != DUR_ENOTFOUND && rc != DUR_ECORRUPT) {
        return rc;
    }

    memset(&x->answer, 0, sizeof(x->answer));
    x->attempts = 1;

    return dur_answer_error(e->arena, &x->answer, "internal", dur_str("The "
                            "definition of the function cannot be read by "
                            "this version of the server."), dur_str_null);
}


/* The memo of the step; its run is planned with it. */
static dur_rc_t
dur_workflow_memoize(dur_result_t *x, dur_step_report_t *report)
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
        rc = dur_run_feed(e, &x->run, report->wrap == DUR_STEP_ERROR
                          ? "step.failed" : "step.completed", report->name,
                          x->item.attempt,
                          (int64_t) (x->history.duration / 1000), 0,
                          x->answer.message);
    }

    return rc == DUR_OK ? dur_workflow_next(e, &x->run) : rc;
}


dur_rc_t
dur_workflow_decide(dur_result_t *x)
{
    bool               exhausted;
    dur_rc_t           rc;
    dur_step_t         step;
    dur_step_report_t  report;

    rc = dur_step_get(x->e->txn, &x->item.run, &x->item.step, &step);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_EINTERNAL : rc;
    }

    memset(&report, 0, sizeof(report));
    report.id = x->item.step;
    report.name = dur_arena_copy(x->e->arena, step.name);
    report.op = step.op;
    report.started = x->history.started;
    report.duration = (int64_t) x->history.duration;

    x->history.reported = report.id;
    x->history.answer = x->answer.excerpt;

    if (report.name.data == NULL) {
        return DUR_ENOMEM;
    }

    if (x->answer.kind == DUR_ANSWER_DONE) {
        report.wrap = DUR_STEP_DATA;
        report.output = x->answer.output;
        return dur_workflow_memoize(x, &report);
    }

    rc = dur_result_retry(x, report.name, x->answer.message, &exhausted);

    if (rc == DUR_OK && exhausted) {
        report.wrap = DUR_STEP_ERROR;
        report.output = x->answer.error;
        rc = dur_workflow_memoize(x, &report);
    }

    return rc;
}
