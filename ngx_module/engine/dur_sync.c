/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_sync.h"
#include "engine/dur_app.h"
#include "engine/dur_json.h"
#include "engine/dur_register.h"
#include "engine/dur_state.h"
#include "engine/dur_target.h"
#include "engine/dur_ulid.h"


#define DUR_SYNC_ERROR   1024
#define DUR_SYNC_NOTICE  (64 * 1024)


/* -- notices -------------------------------------------------------------- */

/* Takes the buffer over. */
static dur_rc_t
dur_sync_notice(dur_engine_t *e, dur_buf_t *b)
{
    dur_effect_t  *effect;

    effect = dur_state_effect(e, DUR_EFFECT_FEED);
    if (effect != NULL) {
        effect->text = dur_arena_copy(e->arena, dur_buf_str(b));
    }

    dur_buf_deinit(b);

    return (effect && effect->text.data) ? DUR_OK : DUR_ENOMEM;
}


dur_rc_t
dur_sync_feed(dur_engine_t *e, dur_str_t name, dur_str_t url,
    size_t functions)
{
    dur_buf_t  b;

    if (!e->feed) {
        return DUR_OK;
    }

    dur_buf_init(&b, DUR_SYNC_NOTICE);
    dur_buf_addz(&b, "{\"app\":");
    dur_json_write_string(&b, name);
    dur_buf_addf(&b, ",\"functions\":%zu,\"kind\":\"app.synced\",\"ts\":%lld,"
                 "\"url\":", functions, (long long) e->now);
    dur_json_write_string(&b, url);
    dur_buf_addc(&b, '}');

    return dur_sync_notice(e, &b);
}


/* Why the app at a URL is not synced. */
static dur_rc_t
dur_sync_feed_error(dur_engine_t *e, dur_str_t url, dur_str_t error)
{
    dur_buf_t  b;

    if (!e->feed) {
        return DUR_OK;
    }

    dur_buf_init(&b, DUR_SYNC_NOTICE);
    dur_buf_addf(&b, "{\"kind\":\"app.error\",\"ts\":%lld,\"url\":",
                 (long long) e->now);
    dur_json_write_string(&b, url);
    dur_buf_addz(&b, ",\"error\":");
    dur_json_write_string(&b, error);
    dur_buf_addc(&b, '}');

    return dur_sync_notice(e, &b);
}


static size_t
dur_sync_functions(const dur_registry_t *r, uint32_t app)
{
    size_t    n;
    uint32_t  i;

    for (i = 0, n = 0; i < r->nfunctions; i++) {
        n += r->functions[i] != NULL && r->functions[i]->app == app
             && !r->functions[i]->archived;
    }

    return n;
}


/* -- how it went ---------------------------------------------------------- */

static dur_rc_t
dur_sync_put(dur_engine_t *e, const dur_registered_app_t *app)
{
    dur_rc_t  rc;

    rc = dur_registry_app_put(e, app);

    return rc == DUR_OK ? dur_register_reload(e) : rc;
}


/* The row of a URL that is asked for the first time. */
static void
dur_sync_fresh(dur_engine_t *e, dur_str_t url, dur_registered_app_t *app)
{
    memset(app, 0, sizeof(*app));

    app->id = e->counters.app++;
    app->created = e->now;
    app->url = url;
}


/* What follows from an outcome; *next is the row as it will be. */
static dur_rc_t
dur_sync_outcome(dur_engine_t *e, dur_registered_app_t *next,
    dur_str_t error)
{
    bool      asked = next->syncing;
    dur_rc_t  rc;
    uint32_t  id = next->id;

    next->syncing = false;
    next->error = error;

    if (error.len == 0) {
        next->synced = e->now;
    }

    if (error.len) {
        rc = dur_sync_feed_error(e, next->url, error);
    } else if (asked) {
        rc = dur_sync_feed(e, next->name, next->url,
                           dur_sync_functions(&e->registry, id));
    } else {
        rc = DUR_OK;
    }

    return rc == DUR_OK ? dur_sync_put(e, next) : rc;
}


dur_rc_t
dur_sync_report(dur_engine_t *e, dur_str_t url, dur_str_t error,
    dur_reply_t *reply)
{
    dur_rc_t               rc;
    uint32_t               id;
    dur_str_t              normal;
    dur_registered_app_t  *app, next;

    reply->status = 200;

    rc = dur_app_url_normalize(url, e->arena, &normal);
    if (rc != DUR_OK) {
        (void) dur_state_refuse(e, reply, 400, "the URL of an app must "
                                "begin with http:// or https://");
        return rc == DUR_EINVAL ? DUR_OK : rc;
    }

    if (error.len > DUR_SYNC_ERROR) {
        error.len = DUR_SYNC_ERROR;
    }

    app = dur_register_app_by_url(&e->registry, normal);

    if (app == NULL) {
        dur_sync_fresh(e, normal, &next);
        return dur_sync_outcome(e, &next, error);
    }

    rc = DUR_OK;
    id = app->id;

    if (app->syncing || !dur_str_eq(app->error, error)) {
        next = *app;
        rc = dur_sync_outcome(e, &next, error);
    }

    return (rc == DUR_OK && error.len == 0) ? dur_target_hint(e, id) : rc;
}


/* -- what people ask for -------------------------------------------------- */

/* By its name or its UUID; NULL. */
static dur_registered_app_t *
dur_sync_named(const dur_registry_t *r, dur_str_t name)
{
    char                   uuid[DUR_UUID_TEXT_LEN + 1];
    uint32_t               i;
    dur_registered_app_t  *app;

    for (i = 0; i < r->napps; i++) {
        app = r->apps[i];

        if (app == NULL || app->removed || app->served || app->name.len == 0) {
            continue;
        }

        if (dur_str_eq(app->name, name)) {
            return app;
        }

        if (name.len == DUR_UUID_TEXT_LEN) {
            dur_uuid5("app", app->name, uuid);

            if (dur_str_caseeq(name, dur_str_make(uuid, DUR_UUID_TEXT_LEN))) {
                return app;
            }
        }
    }

    return NULL;
}


/* NULL, or why neither is done to this app. */
static const char *
dur_sync_foreign(const dur_registered_app_t *app)
{
    if (app->workflow || app->forward) {
        return "nginx.conf says what it is";
    }

    return app->endpoint ? "it is the server of durable endpoints, which tell "
                           "of themselves"
                         : NULL;
}


static dur_rc_t
dur_sync_answer(dur_engine_t *e, dur_str_t url, unsigned status,
    const char *state, dur_reply_t *reply)
{
    dur_buf_t  b;

    dur_buf_init(&b, DUR_SYNC_NOTICE);
    dur_buf_addz(&b, "{\"url\":");
    dur_json_write_string(&b, url);
    dur_buf_addf(&b, ",\"state\":\"%s\"}", state);

    reply->status = (uint16_t) status;
    reply->body = dur_arena_copy(e->arena, dur_buf_str(&b));
    dur_buf_deinit(&b);

    return reply->body.data ? DUR_OK : DUR_ENOMEM;
}


/* app NULL: a URL that nobody knows. */
static dur_rc_t
dur_sync_ask(dur_engine_t *e, const dur_registered_app_t *app, dur_str_t url,
    dur_reply_t *reply)
{
    dur_rc_t              rc;
    dur_registered_app_t  next;

    if (app == NULL) {
        dur_sync_fresh(e, url, &next);
    } else {
        next = *app;
    }

    next.syncing = true;

    /* the registry is read anew by what puts the row */

    rc = dur_sync_answer(e, next.url, 202, "syncing", reply);

    return rc == DUR_OK ? dur_sync_put(e, &next) : rc;
}


static dur_rc_t
dur_sync_remove(dur_engine_t *e, const dur_registered_app_t *app,
    dur_reply_t *reply)
{
    dur_rc_t   rc;
    dur_str_t  url;

    url = dur_arena_copy(e->arena, app->url);
    if (url.data == NULL) {
        return DUR_ENOMEM;
    }

    rc = dur_register_remove(e, url, reply);

    return rc == DUR_OK ? dur_sync_answer(e, url, 200, "removed", reply) : rc;
}


dur_rc_t
dur_sync_apply(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    bool                   remove = op->generation != 0;
    dur_rc_t               rc;
    dur_str_t              url = dur_str_null;
    const char            *why;
    dur_registered_app_t  *app;

    if (op->item != 0) {
        app = dur_sync_named(&e->registry, op->url);

    } else {
        rc = dur_app_url_normalize(op->url, e->arena, &url);

        if (rc == DUR_EINVAL) {
            return dur_state_refuse(e, reply, 400, "the URL of an app must "
                                    "begin with http:// or https:// and name "
                                    "a host");
        }
        if (rc != DUR_OK) {
            return rc;
        }

        app = dur_register_app_by_url(&e->registry, url);
        app = (app && app->removed) ? NULL : app;
    }

    if (app == NULL && (remove || op->item != 0)) {
        return dur_state_refuse(e, reply, 404, "there is no app \"%.*s\"",
                                (int) op->url.len,
                                (const char *) op->url.data);
    }

    why = app ? dur_sync_foreign(app) : NULL;

    if (why != NULL) {
        return dur_state_refuse(e, reply, 409, "the app \"%.*s\" cannot be %s "
                                "here: %s", (int) app->name.len,
                                (const char *) app->name.data,
                                remove ? "removed" : "synced", why);
    }

    return remove ? dur_sync_remove(e, app, reply)
                  : dur_sync_ask(e, app, url, reply);
}
