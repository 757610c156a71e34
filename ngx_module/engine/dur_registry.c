/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_registry.h"
#include "engine/dur_queue.h"
#include "engine/dur_retention.h"
#include "engine/dur_state.h"
#include "engine/dur_ulid.h"

#include <stdio.h>
#include <stdlib.h>


#define DUR_APP_F_REGISTERED    0x01
#define DUR_APP_F_REMOVED       0x02
#define DUR_APP_F_FORWARD       0x04
#define DUR_APP_F_ORDERED       0x08
#define DUR_APP_F_ENDPOINT      0x10
#define DUR_APP_F_SERVED        0x20
#define DUR_APP_F_WORKFLOW      0x40
#define DUR_APP_F_SYNCING       0x80
#define DUR_FUNCTION_F_ARCHIVED 0x01
#define DUR_FUNCTION_F_PAUSED   0x02
#define DUR_FUNCTION_F_RESUMING 0x04


static dur_str_t
dur_registry_key(uint8_t key[4], uint32_t id)
{
    dur_put32(key, id);
    return dur_str_make(key, 4);
}


/* -- rows ----------------------------------------------------------------- */

dur_rc_t
dur_registry_app_put(dur_engine_t *e, const dur_registered_app_t *app)
{
    uint8_t    key[4];
    dur_enc_t  w;

    dur_enc_init(&w, e->row, sizeof(e->row));

    dur_enc_begin(&w);
    dur_enc_u16(&w, (app->registered ? DUR_APP_F_REGISTERED : 0)
                    | (app->removed ? DUR_APP_F_REMOVED : 0)
                    | (app->forward ? DUR_APP_F_FORWARD : 0)
                    | (app->ordered ? DUR_APP_F_ORDERED : 0)
                    | (app->endpoint ? DUR_APP_F_ENDPOINT : 0)
                    | (app->served ? DUR_APP_F_SERVED : 0)
                    | (app->workflow ? DUR_APP_F_WORKFLOW : 0)
                    | (app->syncing ? DUR_APP_F_SYNCING : 0));
    dur_enc_u64(&w, (uint64_t) app->created);
    dur_enc_raw(&w, app->checksum, sizeof(app->checksum));
    dur_enc_u64(&w, (uint64_t) app->removed_at);
    dur_enc_u64(&w, (uint64_t) app->synced);
    dur_enc_end(&w);

    dur_enc_str(&w, app->name);
    dur_enc_str(&w, app->url);
    dur_enc_str(&w, app->sdk);
    dur_enc_str(&w, app->framework);
    dur_enc_str(&w, app->version);
    dur_enc_str(&w, app->error);

    if (w.failed) {
        return DUR_EINTERNAL;
    }

    if (app->removed) {
        dur_retention_soon(e, app->removed_at);
    }

    return dur_txn_put(e->txn, DUR_T_APP, dur_registry_key(key, app->id),
                       dur_enc_done(&w));
}


dur_rc_t
dur_registry_app_decode(dur_str_t key, dur_str_t row,
    dur_registered_app_t *app)
{
    uint16_t   flags;
    dur_dec_t  r;

    memset(app, 0, sizeof(*app));

    if (key.len != 4) {
        return DUR_ECORRUPT;
    }

    app->id = dur_get32(key.data);

    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    flags = dur_dec_u16(&r);
    app->created = (int64_t) dur_dec_u64(&r);
    dur_dec_raw(&r, app->checksum, sizeof(app->checksum));
    app->removed_at = (int64_t) dur_dec_u64(&r);
    app->synced = (int64_t) dur_dec_u64(&r);
    dur_dec_end(&r);

    app->registered = (flags & DUR_APP_F_REGISTERED) != 0;
    app->removed = (flags & DUR_APP_F_REMOVED) != 0;
    app->forward = (flags & DUR_APP_F_FORWARD) != 0;
    app->ordered = (flags & DUR_APP_F_ORDERED) != 0;
    app->endpoint = (flags & DUR_APP_F_ENDPOINT) != 0;
    app->served = (flags & DUR_APP_F_SERVED) != 0;
    app->workflow = (flags & DUR_APP_F_WORKFLOW) != 0;
    app->syncing = (flags & DUR_APP_F_SYNCING) != 0;
    app->maybe_ready = true;
    app->name = dur_dec_str(&r);
    app->url = dur_dec_str(&r);
    app->sdk = dur_dec_str(&r);
    app->framework = dur_dec_str(&r);
    app->version = dur_dec_str(&r);
    app->error = dur_dec_str(&r);

    return r.failed ? DUR_ECORRUPT : DUR_OK;
}


dur_rc_t
dur_registry_function_put(dur_engine_t *e, const dur_function_t *fn)
{
    uint8_t    key[4];
    unsigned   i;
    dur_enc_t  w;

    dur_enc_init(&w, e->row, sizeof(e->row));

    dur_enc_begin(&w);
    dur_enc_u32(&w, fn->app);
    dur_enc_u32(&w, fn->version);
    dur_enc_u16(&w, (fn->archived ? DUR_FUNCTION_F_ARCHIVED : 0)
                    | (fn->paused ? DUR_FUNCTION_F_PAUSED : 0)
                    | (fn->resuming ? DUR_FUNCTION_F_RESUMING : 0));
    dur_enc_u16(&w, (uint16_t) fn->retries);
    dur_enc_u64(&w, (uint64_t) fn->created);
    dur_enc_u64(&w, (uint64_t) fn->archived_at);
    dur_enc_u8(&w, fn->kind);
    dur_enc_u32(&w, fn->timeout);
    dur_enc_end(&w);

    dur_enc_str(&w, fn->slug);
    dur_enc_str(&w, fn->name);
    dur_enc_str(&w, fn->url);
    dur_enc_str(&w, fn->config);
    dur_enc_u8(&w, (uint8_t) fn->ntriggers);

    for (i = 0; i < fn->ntriggers; i++) {
        dur_enc_str(&w, fn->triggers[i].event);
        dur_enc_str(&w, fn->triggers[i].cron);
        dur_enc_str(&w, fn->triggers[i].expression);
    }

    for (i = 0; i < fn->ntriggers; i++) {
        dur_enc_u32(&w, fn->triggers[i].jitter);
    }

    if (w.failed) {
        return DUR_EINTERNAL;
    }

    if (fn->archived) {
        dur_retention_soon(e, fn->archived_at);
    }

    return dur_txn_put(e->txn, DUR_T_FUNCTION, dur_registry_key(key, fn->id),
                       dur_enc_done(&w));
}


static dur_rc_t
dur_registry_function_head(dur_dec_t *r, dur_str_t key, dur_str_t row,
    dur_function_t *fn)
{
    uint16_t  flags;

    memset(fn, 0, sizeof(*fn));

    if (key.len != 4) {
        return DUR_ECORRUPT;
    }

    fn->id = dur_get32(key.data);

    dur_dec_init(r, row);

    dur_dec_begin(r);
    fn->app = dur_dec_u32(r);
    fn->version = dur_dec_u32(r);
    flags = dur_dec_u16(r);
    fn->retries = dur_dec_u16(r);
    fn->created = (int64_t) dur_dec_u64(r);
    fn->archived_at = (int64_t) dur_dec_u64(r);
    fn->kind = dur_dec_u8(r);
    fn->timeout = dur_dec_u32(r);
    dur_dec_end(r);

    fn->archived = (flags & DUR_FUNCTION_F_ARCHIVED) != 0;
    fn->paused = (flags & DUR_FUNCTION_F_PAUSED) != 0;
    fn->resuming = (flags & DUR_FUNCTION_F_RESUMING) != 0;
    fn->slug = dur_dec_str(r);
    fn->name = dur_dec_str(r);
    fn->url = dur_dec_str(r);
    fn->config = dur_dec_str(r);
    fn->ntriggers = dur_dec_u8(r);

    return r->failed ? DUR_ECORRUPT : DUR_OK;
}


dur_rc_t
dur_registry_function_decode(dur_str_t key, dur_str_t row, dur_function_t *fn)
{
    dur_dec_t  r;

    return dur_registry_function_head(&r, key, row, fn);
}


/* Endpoints have names that are their own within their server only. */
void
dur_registry_function_uuid(const dur_function_t *fn,
    char uuid[DUR_UUID_TEXT_LEN + 1])
{
    char    name[1024];
    size_t  n;

    if (fn->kind != DUR_FUNCTION_ENDPOINT) {
        dur_uuid5("function", fn->slug, uuid);
        return;
    }

    n = (size_t) snprintf(name, sizeof(name), "%.*s %.*s",
                          (int) fn->url.len, fn->url.data,
                          (int) fn->slug.len, fn->slug.data);

    dur_uuid5("endpoint", dur_str_make(name, n < sizeof(name)
                                             ? n : sizeof(name) - 1), uuid);
}


/* -- the cache ------------------------------------------------------------ */

static dur_rc_t
dur_registry_load_app(dur_registry_t *r, dur_str_t key, dur_str_t row)
{
    dur_rc_t               rc;
    dur_registered_app_t  *app;

    app = dur_arena_alloc(&r->arena, sizeof(*app));
    row = dur_arena_copy(&r->arena, row);

    if (app == NULL || row.data == NULL) {
        return DUR_ENOMEM;
    }

    rc = dur_registry_app_decode(key, row, app);
    if (rc != DUR_OK) {
        return rc;
    }

    if (app->id == 0 || app->id > r->napps) {
        return DUR_ECORRUPT;
    }

    r->apps[app->id - 1] = app;

    return DUR_OK;
}


static dur_rc_t
dur_registry_load_trigger(dur_dec_t *d, dur_trigger_t *trigger)
{
    char      err[160];
    dur_rc_t  rc;

    trigger->event = dur_dec_str(d);
    trigger->cron = dur_dec_str(d);
    trigger->expression = dur_dec_str(d);

    if (d->failed) {
        return DUR_ECORRUPT;
    }

    if (trigger->expression.len == 0) {
        return DUR_OK;
    }

    rc = dur_expr_compile(trigger->expression, &trigger->expr, err);

    return rc == DUR_EINVAL ? DUR_ECORRUPT : rc;
}


static dur_rc_t
dur_registry_load_options(dur_registry_t *r, dur_function_t *fn)
{
    dur_rc_t  rc;

    rc = dur_option_load(fn->config, &r->arena, &fn->option);

    /* the server starts all the same; the next registration is refused */

    fn->unreadable = rc == DUR_ECORRUPT;

    return fn->unreadable ? DUR_OK : rc;
}


static dur_rc_t
dur_registry_load_function(dur_registry_t *r, dur_str_t key, dur_str_t row)
{
    unsigned         i;
    dur_rc_t         rc;
    dur_dec_t        d;
    dur_function_t  *fn;

    fn = dur_arena_alloc(&r->arena, sizeof(*fn));
    row = dur_arena_copy(&r->arena, row);

    if (fn == NULL || row.data == NULL) {
        return DUR_ENOMEM;
    }

    rc = dur_registry_function_head(&d, key, row, fn);
    if (rc != DUR_OK) {
        return rc;
    }

    if (fn->id == 0 || fn->id > r->nfunctions) {
        return DUR_ECORRUPT;
    }

    fn->triggers = dur_arena_zalloc(&r->arena,
                                    fn->ntriggers * sizeof(dur_trigger_t));
    if (fn->triggers == NULL) {
        return DUR_ENOMEM;
    }

    dur_registry_function_uuid(fn, fn->uuid);
    r->functions[fn->id - 1] = fn;

    for (i = 0; i < fn->ntriggers; i++) {
        rc = dur_registry_load_trigger(&d, &fn->triggers[i]);
        if (rc != DUR_OK) {
            return rc;
        }

        if (fn->triggers[i].event.len && !fn->archived) {
            r->nindex++;
        }
    }

    /* an older version wrote none */

    for (i = 0; i < fn->ntriggers && dur_dec_more(&d); i++) {
        fn->triggers[i].jitter = dur_dec_u32(&d);
    }

    return dur_registry_load_options(r, fn);
}


static int
dur_registry_str_cmp(dur_str_t a, dur_str_t b)
{
    int     rc;
    size_t  n;

    n = a.len < b.len ? a.len : b.len;

    rc = n ? memcmp(a.data, b.data, n) : 0;

    return rc != 0 ? rc : (a.len > b.len) - (a.len < b.len);
}


static int
dur_registry_slug_cmp(const void *one, const void *two)
{
    int                           rc;
    const dur_function_t *const  *a = one, *const *b = two;

    rc = dur_registry_str_cmp((*a)->slug, (*b)->slug);

    return rc != 0 ? rc : ((*a)->id > (*b)->id) - ((*a)->id < (*b)->id);
}


static dur_rc_t
dur_registry_build_slugs(dur_registry_t *r)
{
    uint32_t  i;

    r->slugs = dur_arena_alloc(&r->arena,
                               r->nfunctions * sizeof(void *) + 1);
    if (r->slugs == NULL) {
        return DUR_ENOMEM;
    }

    for (r->nslugs = 0, i = 0; i < r->nfunctions; i++) {
        if (r->functions[i] != NULL) {
            r->slugs[r->nslugs++] = r->functions[i];
        }
    }

    qsort(r->slugs, r->nslugs, sizeof(void *), dur_registry_slug_cmp);

    return DUR_OK;
}


static int
dur_registry_index_cmp(const void *one, const void *two)
{
    int                         rc;
    const dur_trigger_index_t  *a = one, *b = two;

    rc = dur_registry_str_cmp(a->pattern, b->pattern);
    if (rc != 0) {
        return rc;
    }

    if (a->function != b->function) {
        return a->function < b->function ? -1 : 1;
    }

    return a->trigger < b->trigger ? -1 : a->trigger > b->trigger;
}


static dur_rc_t
dur_registry_build_index(dur_registry_t *r)
{
    uint32_t              i, t, n;
    dur_function_t       *fn;
    dur_trigger_index_t  *index;

    r->index = dur_arena_alloc(&r->arena, r->nindex * sizeof(*index) + 1);
    if (r->index == NULL) {
        return DUR_ENOMEM;
    }

    for (n = 0, i = 0; i < r->nfunctions; i++) {
        fn = r->functions[i];

        if (fn == NULL || fn->archived) {
            continue;
        }

        for (t = 0; t < fn->ntriggers; t++) {
            if (fn->triggers[t].event.len) {
                index = &r->index[n++];
                index->pattern = fn->triggers[t].event;
                index->function = fn->id;
                index->trigger = t;
            }
        }
    }

    qsort(r->index, n, sizeof(*index), dur_registry_index_cmp);

    return DUR_OK;
}


typedef dur_rc_t (*dur_registry_row_pt)(dur_registry_t *r, dur_str_t key,
    dur_str_t row);


static dur_rc_t
dur_registry_each(dur_registry_t *r, dur_txn_t *t, dur_table_t table,
    dur_registry_row_pt handler)
{
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    rc = dur_cursor_open(t, table, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_str_null, &k, &v);
         rc == DUR_OK;
         rc = dur_cursor_next(c, &k, &v))
    {
        rc = handler(r, k, v);
        if (rc != DUR_OK) {
            break;
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static dur_rc_t
dur_registry_highest(dur_txn_t *t, dur_table_t table, uint32_t *id)
{
    dur_rc_t       rc;
    dur_str_t      k;
    dur_cursor_t  *c;

    *id = 0;

    rc = dur_cursor_open(t, table, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_last(c, &k, NULL);
    if (rc == DUR_OK && k.len == 4) {
        *id = dur_get32(k.data);
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static dur_rc_t
dur_registry_count_lease(dur_registry_t *r, dur_str_t key, dur_str_t row)
{
    dur_rc_t               rc;
    dur_item_t             item;
    dur_registered_app_t  *app;

    (void) key;

    /* one that cannot be read belongs to no app: see dur_inventory */

    rc = dur_item_decode(row, &item);
    if (rc != DUR_OK) {
        return DUR_OK;
    }

    app = dur_registry_app(r, item.app);
    if (app != NULL) {
        app->leases++;
    }

    return DUR_OK;
}


static dur_rc_t
dur_registry_load_target(dur_registry_t *r, dur_str_t key, dur_str_t row)
{
    dur_registered_app_t  *app;

    app = key.len == 4 ? dur_registry_app(r, dur_get32(key.data)) : NULL;

    if (app != NULL && dur_target_decode(row, &app->target) != DUR_OK) {
        /* it is found out anew */
        memset(&app->target, 0, sizeof(app->target));
    }

    return DUR_OK;
}


dur_rc_t
dur_registry_load(dur_registry_t *r, dur_txn_t *t)
{
    dur_rc_t  rc;

    dur_registry_unload(r);

    rc = dur_registry_highest(t, DUR_T_APP, &r->napps);
    if (rc == DUR_OK) {
        rc = dur_registry_highest(t, DUR_T_FUNCTION, &r->nfunctions);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    r->apps = dur_arena_zalloc(&r->arena, (r->napps + 1) * sizeof(void *));
    r->functions = dur_arena_zalloc(&r->arena,
                                    (r->nfunctions + 1) * sizeof(void *));

    if (r->apps == NULL || r->functions == NULL) {
        r->nfunctions = 0;
        return DUR_ENOMEM;
    }

    rc = dur_registry_each(r, t, DUR_T_APP, dur_registry_load_app);
    if (rc == DUR_OK) {
        rc = dur_registry_each(r, t, DUR_T_FUNCTION,
                               dur_registry_load_function);
    }
    if (rc == DUR_OK) {
        rc = dur_registry_each(r, t, DUR_T_LEASE, dur_registry_count_lease);
    }
    if (rc == DUR_OK) {
        rc = dur_registry_each(r, t, DUR_T_TARGET, dur_registry_load_target);
    }
    if (rc == DUR_OK) {
        rc = dur_registry_build_slugs(r);
    }
    if (rc == DUR_OK) {
        rc = dur_registry_build_index(r);
    }

    return rc;
}


void
dur_registry_unload(dur_registry_t *r)
{
    uint32_t         i, t;
    dur_function_t  *fn;

    for (i = 0; i < r->nfunctions; i++) {
        fn = r->functions[i];

        for (t = 0; fn != NULL && t < fn->ntriggers; t++) {
            dur_expr_free(fn->triggers[t].expr);
        }

        if (fn != NULL) {
            dur_option_free(&fn->option);
        }
    }

    dur_arena_deinit(&r->arena);
    memset(r, 0, sizeof(*r));
}


bool
dur_registry_may_call(dur_registered_app_t *app, const dur_config_t *conf)
{
    if (app->max_calls == 0) {
        app->max_calls = dur_config_app_calls(conf, app->url);
    }

    return app->leases < (app->ordered ? 1 : app->max_calls);
}


void
dur_registry_configure(dur_registry_t *r)
{
    uint32_t  i;

    for (i = 0; i < r->napps; i++) {
        if (r->apps[i] != NULL) {
            r->apps[i]->max_calls = 0;
        }
    }
}


dur_registered_app_t *
dur_registry_app(const dur_registry_t *r, uint32_t id)
{
    return (id == 0 || id > r->napps) ? NULL : r->apps[id - 1];
}


dur_function_t *
dur_registry_function(const dur_registry_t *r, uint32_t id)
{
    return (id == 0 || id > r->nfunctions) ? NULL : r->functions[id - 1];
}


dur_registered_app_t *
dur_registry_app_by_name(const dur_registry_t *r, dur_str_t name)
{
    uint32_t  i;

    for (i = 0; i < r->napps; i++) {
        if (r->apps[i] != NULL && !r->apps[i]->endpoint
            && dur_str_eq(r->apps[i]->name, name))
        {
            return r->apps[i];
        }
    }

    return NULL;
}


dur_function_t *
dur_registry_function_of(const dur_registry_t *r, dur_function_kind_t kind,
    dur_str_t slug)
{
    uint32_t         low, high, middle;
    dur_function_t  *fn, *archived;

    for (low = 0, high = r->nslugs; low < high; ) {
        middle = low + (high - low) / 2;

        if (dur_registry_str_cmp(r->slugs[middle]->slug, slug) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }

    archived = NULL;

    for ( ; low < r->nslugs && dur_str_eq(r->slugs[low]->slug, slug); low++) {
        fn = r->slugs[low];

        if (fn->kind != kind) {
            continue;
        }

        if (!fn->archived) {
            return fn;
        }

        archived = fn;
    }

    return archived;
}


dur_function_t *
dur_registry_function_by_slug(const dur_registry_t *r, dur_str_t slug)
{
    unsigned         i;
    dur_function_t  *fn, *found;

    static const dur_function_kind_t  kinds[] = {
        DUR_FUNCTION_APP, DUR_FUNCTION_FORWARD, DUR_FUNCTION_WORKFLOW
    };

    found = NULL;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        fn = dur_registry_function_of(r, kinds[i], slug);

        if (fn != NULL && !fn->archived) {
            return fn;
        }

        found = found ? found : fn;
    }

    return found;
}
