/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_cancellation.h"
#include "engine/dur_cancellation_rule.h"
#include "engine/dur_json.h"
#include "engine/dur_query.h"
#include "engine/dur_state.h"
#include "engine/dur_task.h"
#include "engine/dur_time.h"
#include "engine/dur_ulid.h"


/* How far started_before may be ahead of our clock, ms (features 8). */
#define DUR_CANCELLATION_AHEAD    5000


/* -- JSON ----------------------------------------------------------------- */

static void
dur_cancellation_time(dur_buf_t *b, const char *key, int64_t ms)
{
    char  text[32];

    if (ms == 0) {
        dur_buf_addf(b, ",\"%s\":null", key);
        return;
    }

    dur_rfc3339_text(ms, text);
    dur_buf_addf(b, ",\"%s\":\"%s\"", key, text);
}


/* Protocol 8.1, and three members that say how far it is. */
static void
dur_cancellation_write(const dur_cancellation_t *rule, dur_buf_t *b)
{
    char  id[DUR_ULID_TEXT_LEN + 1];
    char  app[DUR_UUID_TEXT_LEN + 1], function[DUR_UUID_TEXT_LEN + 1];

    dur_ulid_text(&rule->id, id);
    dur_uuid5("app", rule->app, app);
    dur_uuid5("function", rule->slug, function);

    dur_buf_addf(b, "{\"id\":\"%s\",\"name\":null", id);
    dur_cancellation_time(b, "created_at", rule->created);
    dur_buf_addf(b, ",\"account_id\":\"" DUR_QUERY_ACCOUNT "\","
                 "\"environment_id\":\"" DUR_QUERY_ENVIRONMENT "\","
                 "\"app_id\":\"%s\",\"function_internal_id\":\"%s\","
                 "\"function_id\":", app, function);
    dur_json_write_string(b, rule->slug);
    dur_cancellation_time(b, "started_after", rule->after);
    dur_cancellation_time(b, "started_before", rule->before);

    if (rule->expression.len) {
        dur_buf_addz(b, ",\"if\":");
        dur_json_write_string(b, rule->expression);
    }

    dur_buf_addf(b, ",\"kind\":\"run\",\"cause\":\"api\",\"done\":%s,"
                 "\"scanned\":%llu,\"cancelled\":%llu}",
                 rule->done ? "true" : "false",
                 (unsigned long long) rule->scanned,
                 (unsigned long long) rule->cancelled);
}


dur_rc_t
dur_cancellation_show(dur_str_t key, dur_str_t row, dur_buf_t *out)
{
    dur_rc_t            rc;
    dur_cancellation_t  rule;

    rc = dur_cancellation_decode(key, row, &rule);

    if (rc == DUR_OK) {
        dur_cancellation_write(&rule, out);
    }

    return rc;
}


/* -- what is asked for ---------------------------------------------------- */

/* A time of the body; DUR_ENOTFOUND, DUR_EINVAL. */
static dur_rc_t
dur_cancellation_instant(const json_t *root, const char *key, int64_t *ms)
{
    dur_rc_t   rc;
    dur_str_t  text;

    rc = dur_json_get_string(root, key, &text);

    if (rc == DUR_OK && dur_rfc3339_parse(text, ms) != DUR_OK) {
        rc = DUR_EINVAL;
    }

    return rc;
}


/* What is wrong with the window, or NULL. */
static const char *
dur_cancellation_window(dur_engine_t *e, const json_t *root,
    dur_cancellation_t *rule)
{
    dur_rc_t  rc;

    if (dur_cancellation_instant(root, "started_before", &rule->before)
        != DUR_OK)
    {
        return "started_before must be an RFC 3339 time";
    }

    rc = dur_cancellation_instant(root, "started_after", &rule->after);

    if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
        return "started_after must be an RFC 3339 time";
    }

    if (rule->before < 0 || rule->after < 0) {
        return "a time before 1970 is before all runs";
    }

    if (rule->before > e->now + DUR_CANCELLATION_AHEAD) {
        return "started_before must not be in the future";
    }

    if (rule->before < rule->after) {
        return "started_before must not be before started_after";
    }

    return NULL;
}


/* The function by the two ids that the SDK gave: "<app>-<function>", or the
 * slug as it is.  NULL: the app has none of this name. */
static dur_function_t *
dur_cancellation_function(dur_engine_t *e, dur_str_t app, dur_str_t id)
{
    char                  *slug;
    dur_function_t        *fn;
    dur_registered_app_t  *owner;

    slug = dur_arena_printf(e->arena, "%.*s-%.*s", (int) app.len,
                            (const char *) app.data, (int) id.len,
                            (const char *) id.data);

    fn = slug ? dur_registry_function_by_slug(&e->registry, dur_str_c(slug))
              : NULL;
    if (fn == NULL) {
        fn = dur_registry_function_by_slug(&e->registry, id);
    }
    if (fn == NULL) {
        return NULL;
    }

    owner = dur_registry_app(&e->registry, fn->app);

    return (owner && dur_str_eq(owner->name, app)) ? fn : NULL;
}


/* Fills the rule; false: the reply says why not. */
static bool
dur_cancellation_check(dur_engine_t *e, const json_t *root,
    dur_cancellation_t *rule, dur_reply_t *reply)
{
    char             err[160];
    dur_rc_t         rc;
    dur_str_t        app, id;
    dur_expr_t      *expr;
    const char      *text;
    dur_function_t  *fn;

    if (!json_is_object(root)
        || dur_json_get_string(root, "app_id", &app) != DUR_OK
        || dur_json_get_string(root, "function_id", &id) != DUR_OK
        || app.len == 0 || id.len == 0)
    {
        (void) dur_state_refuse(e, reply, 400, "a cancellation has the "
                                "strings \"app_id\", \"function_id\" and "
                                "\"started_before\"");
        return false;
    }

    text = dur_cancellation_window(e, root, rule);
    if (text != NULL) {
        (void) dur_state_refuse(e, reply, 400, "%s", text);
        return false;
    }

    rc = dur_json_get_string(root, "if", &rule->expression);

    if (rc == DUR_OK && rule->expression.len) {
        rc = dur_expr_compile(rule->expression, &expr, err);

        if (rc == DUR_OK) {
            dur_expr_free(expr);

        } else {
            (void) dur_state_refuse(e, reply, 400, "if: %s",
                                    rc == DUR_EINVAL ? err
                                                     : dur_strerror(rc));
            return false;
        }

    } else if (rc == DUR_EINVAL) {
        (void) dur_state_refuse(e, reply, 400, "if must be a string");
        return false;
    }

    fn = dur_cancellation_function(e, app, id);
    if (fn == NULL) {
        (void) dur_state_refuse(e, reply, 404, "the app \"%.*s\" has no "
                                "function \"%.*s\"", (int) app.len,
                                (const char *) app.data, (int) id.len,
                                (const char *) id.data);
        return false;
    }

    rule->function = fn->id;
    rule->app = app;
    rule->slug = fn->slug;

    return true;
}


static dur_rc_t
dur_cancellation_reply(dur_engine_t *e, const dur_cancellation_t *rule,
    dur_reply_t *reply)
{
    dur_buf_t  b;

    dur_buf_init(&b, DUR_ROW_MAX);
    dur_cancellation_write(rule, &b);

    reply->status = 200;
    reply->body = b.failed ? dur_str_null
                           : dur_arena_copy(e->arena, dur_buf_str(&b));
    dur_buf_deinit(&b);

    return reply->body.data ? DUR_OK : DUR_ENOMEM;
}


static dur_rc_t
dur_cancellation_create(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply)
{
    json_t              *root;
    dur_rc_t             rc;
    dur_json_error_t     err;
    dur_cancellation_t   rule;

    if (e->cancellations.n >= DUR_CANCELLATIONS) {
        return dur_state_refuse(e, reply, 409, "there are %u cancellations: "
                                "delete some first", DUR_CANCELLATIONS);
    }

    root = dur_json_parse(op->body, &err);
    if (root == NULL) {
        return dur_state_refuse(e, reply, 400, "the body is not JSON: %s",
                                err.text);
    }

    memset(&rule, 0, sizeof(rule));
    rule.id = op->id;
    rule.created = e->now;
    rule.sequence = e->counters.sequence;

    if (!dur_cancellation_check(e, root, &rule, reply)) {
        json_decref(root);
        return reply->body.data ? DUR_OK : DUR_ENOMEM;
    }

    rc = dur_cancellation_put(e, &rule);
    if (rc == DUR_OK) {
        rc = dur_task_add(e, DUR_TASK_CANCELLATION, &rule.id, dur_str_null);
    }
    if (rc == DUR_OK) {
        rc = dur_cancellation_reply(e, &rule, reply);
    }

    json_decref(root);

    return rc == DUR_OK ? dur_cancellation_load(e) : rc;
}


static dur_rc_t
dur_cancellation_delete(dur_engine_t *e, dur_str_t text, dur_reply_t *reply)
{
    dur_rc_t    rc;
    dur_ulid_t  id;

    if (dur_ulid_parse(text, &id) != DUR_OK) {
        return dur_state_refuse(e, reply, 400, "the id of a cancellation is "
                                "a ULID");
    }

    rc = dur_txn_del(e->txn, DUR_T_CANCELLATION, dur_ulid_key(&id));

    if (rc == DUR_ENOTFOUND) {
        return dur_state_refuse(e, reply, 404, "there is no such "
                                "cancellation");
    }
    if (rc != DUR_OK) {
        return rc;
    }

    reply->status = 200;
    reply->body = dur_str("{\"ok\":true}");

    return dur_cancellation_load(e);
}


dur_rc_t
dur_cancellation_apply(dur_engine_t *e, const dur_op_t *op,
    dur_reply_t *reply)
{
    return op->url.len ? dur_cancellation_delete(e, op->url, reply)
                       : dur_cancellation_create(e, op, reply);
}
