/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_query_core.h"
#include "engine/dur_json.h"
#include "engine/dur_schedule.h"
#include "engine/dur_ulid.h"


typedef dur_rc_t (*dur_query_row_pt)(dur_query_t *q, dur_str_t key,
    dur_str_t row, void *data);


/* Calls the handler for every row of a table, until one does not say DUR_OK;
 * DUR_OK at the end. */
static dur_rc_t
dur_query_walk(dur_query_t *q, dur_table_t table, dur_query_row_pt handler,
    void *data)
{
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    rc = dur_cursor_open(q->txn, table, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_str_null, &k, &v);
         rc == DUR_OK;
         rc = dur_cursor_next(c, &k, &v))
    {
        rc = handler(q, k, v, data);
        if (rc != DUR_OK) {
            dur_cursor_close(c);
            return rc;
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static dur_rc_t
dur_query_table(dur_query_t *q, dur_table_t table, dur_query_row_pt handler,
    void *data)
{
    dur_rc_t  rc;

    dur_buf_addc(q->out, '[');
    rc = dur_query_walk(q, table, handler, data);
    dur_buf_addc(q->out, ']');

    return rc;
}


/* -- looking up ----------------------------------------------------------- */

dur_rc_t
dur_query_function(dur_query_t *q, uint32_t id, dur_function_t *fn)
{
    uint8_t    key[4];
    dur_rc_t   rc;
    dur_str_t  row;

    memset(fn, 0, sizeof(*fn));
    dur_put32(key, id);

    rc = dur_txn_get(q->txn, DUR_T_FUNCTION, dur_str_make(key, 4), &row);

    if (rc == DUR_OK) {
        rc = dur_registry_function_decode(dur_str_make(key, 4), row, fn);
    }

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


dur_rc_t
dur_query_app(dur_query_t *q, uint32_t id, dur_registered_app_t *app)
{
    uint8_t    key[4];
    dur_rc_t   rc;
    dur_str_t  row;

    memset(app, 0, sizeof(*app));
    dur_put32(key, id);

    rc = dur_txn_get(q->txn, DUR_T_APP, dur_str_make(key, 4), &row);

    if (rc == DUR_OK) {
        rc = dur_registry_app_decode(dur_str_make(key, 4), row, app);
    }

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static bool
dur_query_named(dur_str_t wanted, const char *kind, dur_str_t name)
{
    char  uuid[DUR_UUID_TEXT_LEN + 1];

    if (dur_str_eq(wanted, name)) {
        return true;
    }

    if (wanted.len != DUR_UUID_TEXT_LEN) {
        return false;
    }

    dur_uuid5(kind, name, uuid);

    return dur_str_caseeq(wanted, dur_str_make(uuid, DUR_UUID_TEXT_LEN));
}


static bool
dur_query_is_function(dur_str_t wanted, const dur_function_t *fn)
{
    char  uuid[DUR_UUID_TEXT_LEN + 1];

    if (dur_str_eq(wanted, fn->slug)) {
        return true;
    }

    if (wanted.len != DUR_UUID_TEXT_LEN) {
        return false;
    }

    dur_registry_function_uuid(fn, uuid);

    return dur_str_caseeq(wanted, dur_str_make(uuid, DUR_UUID_TEXT_LEN));
}


typedef struct {
    dur_str_t                    name;
    const dur_registered_app_t  *app;       /* of functions, or NULL */
    dur_registered_app_t        *found_app;
    dur_function_t              *found;
    bool                         done;
} dur_query_find_t;


/* One that was removed gives way to one that was not. */
static dur_rc_t
dur_query_match_app(dur_query_t *q, dur_str_t key, dur_str_t row, void *data)
{
    dur_query_find_t      *find = data;
    dur_registered_app_t   app;

    (void) q;

    memset(&app, 0, sizeof(app));

    if (dur_registry_app_decode(key, row, &app) == DUR_OK
        && dur_query_named(find->name, "app", app.name)
        && (!find->done || find->found_app->removed))
    {
        *find->found_app = app;
        find->done = true;
    }

    return DUR_OK;
}


dur_rc_t
dur_query_find_app(dur_query_t *q, dur_str_t name, dur_registered_app_t *app)
{
    dur_rc_t          rc;
    dur_query_find_t  find;

    memset(&find, 0, sizeof(find));
    find.name = name;
    find.found_app = app;

    rc = dur_query_walk(q, DUR_T_APP, dur_query_match_app, &find);

    return (rc == DUR_OK && !find.done) ? DUR_ENOTFOUND : rc;
}


/* The slug without the name of the app before it. */
static dur_str_t
dur_query_short(const dur_function_t *fn, dur_str_t app)
{
    if (fn->slug.len > app.len + 1
        && memcmp(fn->slug.data, app.data, app.len) == 0
        && fn->slug.data[app.len] == '-')
    {
        return dur_str_make(fn->slug.data + app.len + 1,
                            fn->slug.len - app.len - 1);
    }

    return fn->slug;
}


/* One that was archived gives way to one that was not. */
static dur_rc_t
dur_query_match_function(dur_query_t *q, dur_str_t key, dur_str_t row,
    void *data)
{
    dur_function_t     fn;
    dur_query_find_t  *find = data;

    (void) q;

    if (dur_registry_function_decode(key, row, &fn) != DUR_OK
        || (find->app != NULL && fn.app != find->app->id))
    {
        return DUR_OK;
    }

    if (!dur_query_is_function(find->name, &fn)
        && (find->app == NULL
            || !dur_str_eq(find->name,
                           dur_query_short(&fn, find->app->name))))
    {
        return DUR_OK;
    }

    if (!find->done || find->found->archived) {
        *find->found = fn;
        find->done = true;
    }

    return DUR_OK;
}


dur_rc_t
dur_query_find_function(dur_query_t *q, dur_str_t name,
    const dur_registered_app_t *app, dur_function_t *fn)
{
    dur_rc_t          rc;
    dur_query_find_t  find;

    memset(&find, 0, sizeof(find));
    find.name = name;
    find.app = app;
    find.found = fn;

    rc = dur_query_walk(q, DUR_T_FUNCTION, dur_query_match_function, &find);

    return (rc == DUR_OK && !find.done) ? DUR_ENOTFOUND : rc;
}


/* -- functions ------------------------------------------------------------ */

typedef struct {
    dur_str_t             name;         /* empty: all of them */
    dur_str_t             function;
    dur_query_shape_t     shape;
    dur_registered_app_t  app;
    uint32_t             *counts;       /* functions by id of the app */
    uint32_t              ncounts;
} dur_query_registry_t;


/* When its schedules are due next, for functions that have any. */
static void
dur_query_write_next(dur_query_t *q, const char *key,
    const dur_function_t *fn)
{
    int64_t  due;

    if (!fn->archived && dur_schedule_next(q->txn, fn->id, &due) == DUR_OK
        && due != INT64_MAX)
    {
        dur_query_time(q->out, key, due);
    }
}


static void
dur_query_write_function_v1(dur_buf_t *out, const dur_function_t *fn,
    dur_str_t app)
{
    dur_query_function_uuid(out, "internal_id", fn);
    dur_buf_addz(out, ",\"env_id\":\"" DUR_QUERY_ENVIRONMENT "\"");
    dur_query_uuid(out, "app_id", "app", app);
    dur_query_string(out, "id", fn->slug);
    dur_query_string(out, "name", fn->name);
    dur_query_string(out, "app", app);
    dur_query_number(out, "version", fn->version);
    dur_query_bool(out, "paused", fn->paused);
    dur_query_key(out, "config");
    dur_buf_adds(out, fn->config);
    dur_query_time(out, "created_at", fn->created);
    dur_query_time(out, "archived_at", fn->archived ? fn->archived_at : 0);
}


static void
dur_query_write_function_v2(dur_buf_t *out, const dur_function_t *fn,
    dur_str_t app)
{
    dur_query_string(out, "id", dur_query_short(fn, app));
    dur_query_function_uuid(out, "internalId", fn);
    dur_query_string(out, "slug", fn->slug);
    dur_query_string(out, "name", fn->name);
    dur_query_string(out, "appId", app);
    dur_query_number(out, "version", fn->version);
    dur_query_bool(out, "isPaused", fn->paused);
    dur_query_bool(out, "isArchived", fn->archived);
    dur_query_key(out, "config");
    dur_buf_adds(out, fn->config);
    dur_query_time(out, "createdAt", fn->created);
    dur_query_time(out, "archivedAt", fn->archived ? fn->archived_at : 0);
}


static dur_rc_t
dur_query_write_one(dur_query_t *q, const dur_query_registry_t *want,
    const dur_function_t *fn)
{
    dur_buf_addc(q->out, '{');

    if (want->shape == DUR_QUERY_V2) {
        dur_query_write_function_v2(q->out, fn, want->app.name);
        dur_query_write_next(q, "nextRunAt", fn);
    } else {
        dur_query_write_function_v1(q->out, fn, want->app.name);
        dur_query_write_next(q, "next_run_at", fn);
    }

    return dur_buf_addc(q->out, '}');
}


static dur_rc_t
dur_query_write_function(dur_query_t *q, dur_str_t key, dur_str_t row,
    void *data)
{
    dur_function_t         fn;
    dur_query_registry_t   of, *want = data;

    if (dur_registry_function_decode(key, row, &fn) != DUR_OK
        || (want->name.len && fn.app != want->app.id))
    {
        return DUR_OK;
    }

    dur_query_comma(q->out);

    if (want->name.len) {
        return dur_query_write_one(q, want, &fn);
    }

    of = *want;
    (void) dur_query_app(q, fn.app, &of.app);

    return dur_query_write_one(q, &of, &fn);
}


static dur_rc_t
dur_query_read_functions(dur_query_t *q, void *arg)
{
    dur_rc_t               rc;
    dur_function_t         fn;
    dur_query_registry_t  *want = arg;

    if (want->name.len) {
        rc = dur_query_find_app(q, want->name, &want->app);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    if (want->function.len == 0) {
        return dur_query_table(q, DUR_T_FUNCTION, dur_query_write_function,
                               want);
    }

    rc = dur_query_find_function(q, want->function,
                                 want->name.len ? &want->app : NULL, &fn);
    if (rc == DUR_OK && want->name.len == 0) {
        rc = dur_query_app(q, fn.app, &want->app);
    }

    return rc == DUR_OK ? dur_query_write_one(q, want, &fn) : rc;
}


dur_rc_t
dur_query_functions(dur_store_t *s, dur_str_t app, dur_buf_t *out)
{
    dur_query_registry_t  want;

    memset(&want, 0, sizeof(want));
    want.name = app;

    return dur_query_read(s, out, dur_query_read_functions, &want);
}


dur_rc_t
dur_query_one_function(dur_store_t *s, dur_str_t name, dur_buf_t *out)
{
    dur_query_registry_t  want;

    memset(&want, 0, sizeof(want));
    want.function = name;

    return dur_query_read(s, out, dur_query_read_functions, &want);
}


dur_rc_t
dur_query_functions_v2(dur_store_t *s, dur_str_t app, dur_str_t function,
    dur_buf_t *out)
{
    dur_query_registry_t  want;

    memset(&want, 0, sizeof(want));
    want.name = app;
    want.function = function;
    want.shape = DUR_QUERY_V2;

    return dur_query_read(s, out, dur_query_read_functions, &want);
}


/* -- apps ----------------------------------------------------------------- */

static dur_rc_t
dur_query_count_function(dur_query_t *q, dur_str_t key, dur_str_t row,
    void *data)
{
    dur_function_t         fn;
    dur_query_registry_t  *want = data;

    (void) q;

    if (dur_registry_function_decode(key, row, &fn) == DUR_OK
        && !fn.archived && fn.app < want->ncounts)
    {
        want->counts[fn.app]++;
    }

    return DUR_OK;
}


/* Keys of apps are numbers that grow. */
static dur_rc_t
dur_query_count(dur_query_t *q, dur_query_registry_t *want)
{
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    rc = dur_cursor_open(q->txn, DUR_T_APP, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_last(c, &k, &v);
    if (rc == DUR_OK && k.len == 4) {
        want->ncounts = dur_get32(k.data) + 1;
    }

    dur_cursor_close(c);

    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    want->counts = dur_arena_zalloc(&q->arena,
                                    want->ncounts * sizeof(uint32_t));
    if (want->counts == NULL) {
        return DUR_ENOMEM;
    }

    return dur_query_walk(q, DUR_T_FUNCTION, dur_query_count_function, want);
}


static dur_rc_t
dur_query_write_app(dur_query_t *q, dur_str_t key, dur_str_t row, void *data)
{
    dur_buf_t             *out = q->out;
    dur_registered_app_t   app;
    dur_query_registry_t  *want = data;

    if (dur_registry_app_decode(key, row, &app) != DUR_OK || app.removed
        || app.served
        || (want->name.len && !dur_query_named(want->name, "app", app.name)))
    {
        return DUR_OK;
    }

    dur_query_comma(out);
    dur_buf_addc(out, '{');

    if (want->shape == DUR_QUERY_V2) {
        dur_query_string(out, "id", app.name);
        dur_query_uuid(out, "internalId", "app", app.name);
    } else {
        dur_query_uuid(out, "id", "app", app.name);
    }

    dur_query_bool(out, "registered", app.registered);
    dur_query_bool(out, "endpoint", app.endpoint);
    dur_query_number(out, want->shape == DUR_QUERY_V2 ? "functionCount"
                                                      : "functions",
                     app.id < want->ncounts ? want->counts[app.id] : 0);
    dur_query_string(out, "name", app.name);
    dur_query_string(out, "url", app.url);
    dur_query_string(out, "sdk", app.sdk);
    dur_query_string(out, "framework", app.framework);
    dur_query_string(out, "version", app.version);
    dur_query_string(out, "error", app.error);

    if (want->shape == DUR_QUERY_V1) {
        dur_query_bool(out, "syncing", app.syncing);
        dur_query_time(out, "synced_at", app.synced);
    }

    if (app.forward) {
        dur_query_bool(out, "forward", true);
    }

    return dur_buf_addc(out, '}');
}


static dur_rc_t
dur_query_read_apps(dur_query_t *q, void *arg)
{
    size_t                 length;
    dur_rc_t               rc;
    dur_query_registry_t  *want = arg;

    rc = dur_query_count(q, want);
    if (rc != DUR_OK) {
        return rc;
    }

    if (want->name.len == 0) {
        return dur_query_table(q, DUR_T_APP, dur_query_write_app, want);
    }

    length = q->out->len;
    rc = dur_query_walk(q, DUR_T_APP, dur_query_write_app, want);

    return (rc == DUR_OK && q->out->len == length) ? DUR_ENOTFOUND : rc;
}


dur_rc_t
dur_query_apps(dur_store_t *s, dur_buf_t *out)
{
    dur_query_registry_t  want;

    memset(&want, 0, sizeof(want));

    return dur_query_read(s, out, dur_query_read_apps, &want);
}


static dur_rc_t
dur_query_read_app_url(dur_query_t *q, void *name)
{
    dur_rc_t              rc;
    dur_registered_app_t  app;

    rc = dur_query_find_app(q, *(dur_str_t *) name, &app);

    return rc == DUR_OK ? dur_buf_adds(q->out, app.url) : rc;
}


dur_rc_t
dur_query_app_url(dur_store_t *s, dur_str_t name, dur_buf_t *out)
{
    return dur_query_read(s, out, dur_query_read_app_url, &name);
}


dur_rc_t
dur_query_apps_v2(dur_store_t *s, dur_str_t app, dur_buf_t *out)
{
    dur_query_registry_t  want;

    memset(&want, 0, sizeof(want));
    want.name = app;
    want.shape = DUR_QUERY_V2;

    return dur_query_read(s, out, dur_query_read_apps, &want);
}


static dur_rc_t
dur_query_write_parked(dur_query_t *q, dur_str_t key, dur_str_t row,
    void *data)
{
    dur_str_t              value;
    dur_buf_t             *out = q->out;
    dur_target_t           t;
    dur_registered_app_t   app;

    (void) data;

    if (dur_target_decode(row, &t) != DUR_OK || t.parked == 0
        || dur_txn_get(q->txn, DUR_T_APP, key, &value) != DUR_OK
        || dur_registry_app_decode(key, value, &app) != DUR_OK)
    {
        return DUR_OK;
    }

    dur_query_comma(out);
    dur_buf_addc(out, '{');
    dur_query_string(out, "app", app.name);
    dur_query_string(out, "url", app.url);
    dur_query_string(out, "error", dur_str_c(t.error));
    dur_query_time(out, "parked_at", t.parked);
    dur_query_time(out, "probe_at", t.probe_at);

    return dur_buf_addc(out, '}');
}


static dur_rc_t
dur_query_read_parked(dur_query_t *q, void *arg)
{
    return dur_query_table(q, DUR_T_TARGET, dur_query_write_parked, arg);
}


dur_rc_t
dur_query_parked(dur_store_t *s, dur_buf_t *out)
{
    return dur_query_read(s, out, dur_query_read_parked, NULL);
}


/* -- names ---------------------------------------------------------------- */

typedef struct {
    dur_str_t  app;
    dur_str_t  function;
} dur_query_names_t;


static dur_rc_t
dur_query_read_slug(dur_query_t *q, void *arg)
{
    dur_rc_t                  rc;
    dur_function_t            fn;
    dur_registered_app_t      app;
    const dur_query_names_t  *names = arg;

    rc = dur_query_find_app(q, names->app, &app);
    if (rc == DUR_OK) {
        rc = dur_query_find_function(q, names->function, &app, &fn);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    return fn.archived ? DUR_ENOTFOUND : dur_buf_adds(q->out, fn.slug);
}


dur_rc_t
dur_query_slug(dur_store_t *s, dur_str_t app, dur_str_t function,
    dur_buf_t *out)
{
    dur_query_names_t  names = { app, function };

    return dur_query_read(s, out, dur_query_read_slug, &names);
}
