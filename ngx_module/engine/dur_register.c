/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_register.h"
#include "engine/dur_app.h"
#include "engine/dur_flow_concurrency.h"
#include "engine/dur_json.h"
#include "engine/dur_queue.h"
#include "engine/dur_refusal.h"
#include "engine/dur_schedule.h"
#include "engine/dur_state.h"
#include "engine/dur_sync.h"
#include "engine/dur_task.h"
#include "engine/dur_ulid.h"
#include "engine/dur_wake.h"

#include <stdio.h>
#include <stdlib.h>


#define DUR_FUNCTION_CONFIG_MAX  (32 * 1024)


/* -- looking up ----------------------------------------------------------- */

dur_registered_app_t *
dur_register_app_by_url(const dur_registry_t *r, dur_str_t url)
{
    uint32_t               i;
    dur_registered_app_t  *app;

    app = NULL;

    for (i = 0; i < r->napps; i++) {
        if (r->apps[i] == NULL || r->apps[i]->forward
            || r->apps[i]->endpoint || r->apps[i]->served
            || !dur_str_eq(r->apps[i]->url, url))
        {
            continue;
        }

        if (!r->apps[i]->removed) {
            return r->apps[i];
        }

        app = app ? app : r->apps[i];
    }

    return app;
}


/* -- registration --------------------------------------------------------- */

static void
dur_register_uuid(dur_engine_t *e, char text[DUR_UUID_TEXT_LEN + 1])
{
    uint64_t  a, b;

    a = dur_state_random(e);
    b = dur_state_random(e);

    snprintf(text, DUR_UUID_TEXT_LEN + 1, "%08x-%04x-4%03x-a%03x-%012llx",
             (unsigned) (a >> 32), (unsigned) (a >> 16) & 0xffff,
             (unsigned) a & 0xfff, (unsigned) (b >> 52),
             (unsigned long long) (b & 0xffffffffffffULL));
}


static void
dur_register_answer(dur_engine_t *e, dur_str_t name, bool modified,
    dur_reply_t *reply)
{
    char  *text, app[DUR_UUID_TEXT_LEN + 1], sync[DUR_UUID_TEXT_LEN + 1];

    dur_uuid5("app", name, app);
    dur_register_uuid(e, sync);

    text = dur_arena_printf(e->arena, "{\"app_id\":\"%s\",\"modified\":%s,"
                            "\"ok\":true,\"sync_id\":\"%s\"}", app,
                            modified ? "true" : "false", sync);

    reply->status = 200;
    reply->body = dur_str_c(text);
}


/* The row of a function as it will be; borrows from the parsed app. */
static dur_rc_t
dur_register_store_function(dur_engine_t *e, uint32_t app,
    const dur_app_function_t *sent)
{
    unsigned         i;
    dur_rc_t         rc;
    dur_buf_t        config;
    dur_trigger_t    triggers[DUR_APP_TRIGGERS_MAX];
    dur_function_t   fn, *old;

    memset(&fn, 0, sizeof(fn));
    memset(triggers, 0, sizeof(triggers));

    old = dur_registry_function_of(&e->registry, DUR_FUNCTION_APP,
                                   sent->slug);

    fn.id = old ? old->id : e->counters.function++;
    fn.version = old ? old->version + 1 : 1;
    fn.created = old ? old->created : e->now;
    fn.paused = old && old->paused;
    fn.resuming = old && old->resuming;
    fn.app = app;
    fn.retries = sent->retries;
    fn.slug = sent->slug;
    fn.name = sent->name;
    fn.url = sent->url;
    fn.ntriggers = sent->ntriggers;
    fn.triggers = triggers;

    for (i = 0; i < sent->ntriggers; i++) {
        triggers[i].event = sent->triggers[i].event;
        triggers[i].cron = sent->triggers[i].cron;
        triggers[i].jitter = sent->triggers[i].jitter;
        triggers[i].expression = sent->triggers[i].expression;
    }

    dur_buf_init(&config, DUR_FUNCTION_CONFIG_MAX);

    rc = dur_json_write(&config, sent->config);
    if (rc == DUR_OK) {
        fn.config = dur_buf_str(&config);
        rc = dur_registry_function_put(e, &fn);
    }

    dur_buf_deinit(&config);

    if (rc == DUR_OK && old != NULL && dur_option_waits(&old->option)) {
        rc = dur_wake_function(e, old->id);
    }

    if (rc == DUR_OK && sent->unenforced.len) {
        dur_state_log(e, 1, "function \"%.*s\": %.*s %s not enforced by this "
                      "version", (int) sent->slug.len, sent->slug.data,
                      (int) sent->unenforced.len, sent->unenforced.data,
                      memchr(sent->unenforced.data, ',', sent->unenforced.len)
                      ? "are" : "is");
    }

    return rc;
}


static int
dur_register_slug_cmp(const void *one, const void *two)
{
    const dur_str_t  *a = one, *b = two;

    return a->len != b->len ? (a->len < b->len ? -1 : 1)
                            : memcmp(a->data, b->data, a->len);
}


/* The slugs that are sent, sorted; from the batch's arena. */
static dur_str_t *
dur_register_slugs(dur_engine_t *e, const dur_app_t *sent)
{
    size_t      i;
    dur_str_t  *slugs;

    slugs = dur_arena_alloc(e->arena,
                            (sent->nfunctions + 1) * sizeof(dur_str_t));

    for (i = 0; slugs != NULL && i < sent->nfunctions; i++) {
        slugs[i] = sent->functions[i].slug;
    }

    if (slugs != NULL) {
        qsort(slugs, sent->nfunctions, sizeof(dur_str_t),
              dur_register_slug_cmp);
    }

    return slugs;
}


/* Functions of the app that the payload does not name any more. */
static dur_rc_t
dur_register_archive(dur_engine_t *e, uint32_t app, const dur_app_t *sent)
{
    uint32_t         i;
    dur_rc_t         rc;
    dur_str_t       *slugs;
    dur_function_t   fn;

    slugs = NULL;

    if (sent != NULL) {
        slugs = dur_register_slugs(e, sent);
        if (slugs == NULL) {
            return DUR_ENOMEM;
        }
    }

    for (i = 0; i < e->registry.nfunctions; i++) {
        if (e->registry.functions[i] == NULL) {
            continue;
        }

        fn = *e->registry.functions[i];

        if (fn.app != app || fn.archived
            || (slugs != NULL
                && bsearch(&fn.slug, slugs, sent->nfunctions,
                           sizeof(dur_str_t), dur_register_slug_cmp) != NULL))
        {
            continue;
        }

        fn.archived = true;
        fn.archived_at = e->now;

        rc = dur_registry_function_put(e, &fn);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    return DUR_OK;
}


/* The app that has the function now, unless it has it no more or its place
 * is taken by this registration; NULL. */
static const dur_registered_app_t *
dur_register_owner(dur_engine_t *e, const dur_function_t *fn,
    const dur_app_t *sent, const dur_registered_app_t *app)
{
    const dur_registered_app_t  *owner;

    if (fn == NULL || fn->archived || (app != NULL && fn->app == app->id)) {
        return NULL;
    }

    owner = dur_registry_app(&e->registry, fn->app);

    return (owner == NULL
            || (!owner->forward && dur_str_eq(owner->url, sent->url)))
           ? NULL : owner;
}


/* Whether the time zones of its schedules are known here. */
static dur_rc_t
dur_register_schedules(dur_engine_t *e, const dur_app_function_t *sent,
    char err[512])
{
    char       why[160];
    unsigned   i;
    dur_rc_t   rc;
    dur_str_t  cron;

    for (i = 0; i < sent->ntriggers; i++) {
        cron = sent->triggers[i].cron;
        rc = cron.len ? dur_schedule_check(e, cron, why) : DUR_OK;

        if (rc != DUR_OK) {
            snprintf(err, 512, "function \"%.*s\": invalid triggers.cron "
                     "\"%.*s\": %s", (int) sent->slug.len,
                     (const char *) sent->slug.data, (int) cron.len,
                     (const char *) cron.data, why);
            return rc;
        }
    }

    return DUR_OK;
}


/* What cannot be seen from one payload alone; DUR_EINVAL and a sentence. */
static dur_rc_t
dur_register_acceptable(dur_engine_t *e, const dur_app_t *sent,
    const dur_registered_app_t *app, char err[512])
{
    size_t                       i;
    dur_rc_t                     rc;
    dur_buf_t                    b;
    dur_str_t                    slug;
    const dur_registered_app_t  *owner;

    if (sent->name.len >= 6 && memcmp(sent->name.data, "nginx:", 6) == 0) {
        snprintf(err, 512, "an app's name must not begin with \"nginx:\": "
                 "those are the routes of nginx.conf");
        return DUR_EINVAL;
    }

    for (i = 0, rc = DUR_OK; rc == DUR_OK && i < sent->nfunctions; i++) {
        slug = sent->functions[i].slug;

        owner = dur_register_owner(e, dur_registry_function_by_slug(
                                          &e->registry, slug), sent, app);
        if (owner != NULL) {
            snprintf(err, 512, "function \"%.*s\" belongs to another app, "
                     "\"%.*s\": %s", (int) slug.len,
                     (const char *) slug.data, (int) owner->name.len,
                     (const char *) owner->name.data,
                     owner->workflow
                     ? "durable_function in nginx.conf declares it"
                     : owner->forward
                     ? "durable_forward in nginx.conf declares it"
                     : "sync that one without it first");
            return DUR_EINVAL;
        }

        rc = dur_register_schedules(e, &sent->functions[i], err);
        if (rc != DUR_OK) {
            return rc;
        }

        dur_buf_init(&b, DUR_FUNCTION_CONFIG_MAX);
        rc = dur_json_write(&b, sent->functions[i].config);
        dur_buf_deinit(&b);

        if (rc != DUR_OK && rc != DUR_ENOMEM) {
            snprintf(err, 512, "function \"%.*s\": its configuration is "
                     "larger than %d bytes", (int) slug.len,
                     (const char *) slug.data, DUR_FUNCTION_CONFIG_MAX);
            return DUR_EINVAL;
        }
    }

    return rc;
}


dur_rc_t
dur_register_reload(dur_engine_t *e)
{
    dur_rc_t  rc;

    rc = dur_registry_load(&e->registry, e->txn);
    if (rc == DUR_OK) {
        rc = dur_flow_count(e);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    return dur_state_effect(e, DUR_EFFECT_APPS) ? DUR_OK : DUR_ENOMEM;
}


/* The app is there no more: what lives of it goes on. */
static dur_rc_t
dur_register_drop_app(dur_engine_t *e, const dur_registered_app_t *app)
{
    dur_rc_t              rc;
    dur_registered_app_t  copy;

    copy = *app;
    copy.removed = true;
    copy.removed_at = e->now;
    copy.syncing = false;

    rc = dur_registry_app_put(e, &copy);

    if (rc == DUR_OK) {
        rc = dur_target_forget(e, app->id);
    }

    return rc == DUR_OK ? dur_register_archive(e, app->id, NULL) : rc;
}


/*
 * A URL is one app: one that was only polled is known by its name from now
 * on, another one that answered there is gone.
 */
static dur_rc_t
dur_register_take_url(dur_engine_t *e, uint32_t app, dur_str_t url)
{
    uint8_t                key[4];
    uint32_t               i;
    dur_rc_t               rc;
    dur_registered_app_t  *other;

    for (i = 0, rc = DUR_OK; rc == DUR_OK && i < e->registry.napps; i++) {
        other = e->registry.apps[i];

        if (other == NULL || other->removed || other->forward
            || other->id == app || !dur_str_eq(other->url, url))
        {
            continue;
        }

        if (other->registered) {
            dur_state_log(e, 1, "app \"%.*s\" is removed: another one "
                          "answers at its URL", (int) other->name.len,
                          (const char *) other->name.data);
            rc = dur_register_drop_app(e, other);
            continue;
        }

        dur_put32(key, other->id);
        rc = dur_txn_del(e->txn, DUR_T_APP, dur_str_make(key, 4));
    }

    return rc;
}


/* The app's row, and, when they may differ, its functions. */
static dur_rc_t
dur_register_store(dur_engine_t *e, const dur_app_t *sent,
    dur_registered_app_t *old, bool functions)
{
    size_t                 i;
    dur_rc_t               rc;
    dur_registered_app_t   app;

    memset(&app, 0, sizeof(app));

    app.id = old ? old->id : e->counters.app++;
    app.created = old ? old->created : e->now;
    app.registered = true;
    app.synced = e->now;
    app.syncing = old && old->syncing;
    app.name = sent->name;
    app.url = sent->url;
    app.sdk = sent->sdk;
    app.framework = sent->framework;
    app.version = sent->version;
    memcpy(app.checksum, sent->checksum, sizeof(app.checksum));

    rc = dur_registry_app_put(e, &app);

    if (rc == DUR_OK) {
        rc = dur_register_take_url(e, app.id, app.url);
    }

    if (!functions) {
        return rc;
    }

    for (i = 0; rc == DUR_OK && i < sent->nfunctions; i++) {
        rc = dur_register_store_function(e, app.id, &sent->functions[i]);
    }

    if (rc == DUR_OK) {
        rc = dur_register_archive(e, app.id, sent);
    }

    return rc;
}


static dur_rc_t
dur_register_accept(dur_engine_t *e, const dur_app_t *sent,
    dur_registered_app_t *app, dur_reply_t *reply)
{
    bool      modified;
    dur_rc_t  rc;
    uint32_t  id;

    rc = DUR_OK;
    id = app ? app->id : 0;

    modified = (app == NULL || !app->registered || app->removed
                || memcmp(app->checksum, sent->checksum, 32) != 0);

    if (modified || app->error.len || !dur_str_eq(app->url, sent->url)) {
        rc = dur_register_store(e, sent, app, modified);
        if (rc == DUR_OK) {
            rc = dur_register_reload(e);
        }
        if (rc == DUR_OK && modified) {
            rc = dur_schedule_plan(e, dur_registry_app_by_name(
                                          &e->registry, sent->name)->id);
        }
        if (rc == DUR_OK) {
            rc = dur_sync_feed(e, sent->name, sent->url, sent->nfunctions);
        }
    }

    if (rc == DUR_OK && id != 0) {
        rc = dur_target_hint(e, id);
    }

    if (rc == DUR_OK) {
        dur_register_answer(e, sent->name, modified, reply);
    }

    return rc;
}


dur_rc_t
dur_register(dur_engine_t *e, dur_str_t payload, dur_reply_t *reply)
{
    char                   err[512];
    dur_rc_t               rc;
    dur_app_t              sent;
    dur_registered_app_t  *app;

    rc = dur_app_parse(payload, &sent, err, sizeof(err));

    if (rc == DUR_EINVAL) {
        dur_refusal_say(e, payload, err);
        (void) dur_state_refuse(e, reply, 400, "%s", err);
        return DUR_OK;
    }

    if (rc != DUR_OK) {
        return rc;
    }

    /* one that moved, or else one that has another name now */

    app = dur_registry_app_by_name(&e->registry, sent.name);
    if (app == NULL) {
        app = dur_register_app_by_url(&e->registry, sent.url);
    }

    rc = dur_register_acceptable(e, &sent, app, err);

    if (rc == DUR_OK) {
        dur_refusal_forget(e, sent.name);
        rc = dur_register_accept(e, &sent, app, reply);

    } else if (rc == DUR_EINVAL) {
        dur_refusal_say(e, payload, err);
        (void) dur_state_refuse(e, reply, 400, "%s", err);
        rc = DUR_OK;
    }

    dur_app_deinit(&sent);

    return rc;
}


/* -- people ------------------------------------------------------------- */

dur_rc_t
dur_register_remove(dur_engine_t *e, dur_str_t url, dur_reply_t *reply)
{
    dur_rc_t               rc;
    uint32_t               id;
    dur_str_t              normal;
    dur_registered_app_t  *app;

    rc = dur_app_url_normalize(url, e->arena, &normal);
    app = (rc == DUR_OK) ? dur_register_app_by_url(&e->registry, normal)
                         : NULL;

    if (app == NULL || app->removed) {
        (void) dur_state_refuse(e, reply, 404, "no app has this URL");
        return rc == DUR_EINVAL ? DUR_OK : rc;
    }

    id = app->id;

    rc = dur_register_drop_app(e, app);
    if (rc == DUR_OK) {
        rc = dur_register_reload(e);
    }
    if (rc == DUR_OK) {
        rc = dur_schedule_plan(e, id);
    }

    reply->status = 200;

    return rc;
}


dur_rc_t
dur_register_pause(dur_engine_t *e, dur_str_t slug, bool pause,
    dur_reply_t *reply)
{
    uint8_t          id[4];
    dur_rc_t         rc;
    dur_ulid_t       nothing = { { 0 } };
    dur_function_t  *fn, copy;

    fn = dur_registry_function_by_slug(&e->registry, slug);

    if (fn == NULL || (fn->archived && pause)) {
        (void) dur_state_refuse(e, reply, 404, "no function has this name");
        return DUR_OK;
    }

    reply->status = 200;

    if (fn->paused == pause) {
        return DUR_OK;
    }

    dur_state_log(e, 2, "function \"%.*s\" %s", (int) fn->slug.len,
                  (const char *) fn->slug.data,
                  pause ? "is paused" : "goes on");

    copy = *fn;
    copy.paused = pause;
    copy.resuming = !pause;

    rc = dur_registry_function_put(e, &copy);

    if (rc == DUR_OK && !pause) {
        dur_put32(id, fn->id);
        rc = dur_task_add(e, DUR_TASK_RESUME, &nothing, dur_str_make(id, 4));
    }
    if (rc == DUR_OK && !pause && dur_option_waits(&fn->option)) {
        rc = dur_wake_function(e, fn->id);
    }

    return rc == DUR_OK ? dur_register_reload(e) : rc;
}


dur_rc_t
dur_register_resume(dur_engine_t *e, dur_str_t cursor, bool *done)
{
    dur_rc_t         rc;
    dur_function_t  *fn;

    *done = true;

    fn = cursor.len == 4
         ? dur_registry_function(&e->registry, dur_get32(cursor.data)) : NULL;

    if (fn == NULL || !fn->resuming) {
        return DUR_OK;
    }

    rc = dur_queue_resume(e, fn->id, done);

    if (rc == DUR_OK && *done) {
        fn->resuming = false;
        rc = dur_registry_function_put(e, fn);
    }

    return rc;
}
