/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_endpoint_app.h"
#include "engine/dur_app.h"
#include "engine/dur_app_url.h"
#include "engine/dur_checkpoint.h"
#include "engine/dur_json.h"
#include "engine/dur_state.h"


/* What an URL may be made of: three bytes each in the call, at the most. */
#define DUR_ENDPOINT_PATH   2048
#define DUR_ENDPOINT_QUERY  5120
#define DUR_ENDPOINT_TYPE   256


typedef struct {
    dur_engine_t  *e;
    const json_t  *data;
    dur_reply_t   *reply;
} dur_endpoint_read_t;

/* The client's request, as the event has it. */
typedef struct {
    dur_str_t  domain;
    dur_str_t  method;
    dur_str_t  path;
    dur_str_t  query;
    dur_str_t  type;
    dur_str_t  body;
    dur_str_t  fn;
} dur_endpoint_text_t;


/* -- what is sent --------------------------------------------------------- */

/* A string of the event's data; false and a reply when it is none. */
static bool
dur_endpoint_text(dur_endpoint_read_t *x, const char *key, size_t max,
    dur_str_t *text)
{
    dur_rc_t  rc;

    *text = dur_str_null;

    rc = dur_json_get_string(x->data, key, text);

    if (rc == DUR_EINVAL) {
        (void) dur_state_refuse(x->e, x->reply, 400, "\"event.data.%s\" "
                                "must be a string", key);
        return false;
    }

    if (text->len > max) {
        (void) dur_state_refuse(x->e, x->reply, 400, "\"event.data.%s\" is "
                                "longer than %zu bytes", key, max);
        return false;
    }

    return true;
}


static bool
dur_endpoint_is_origin(dur_str_t domain)
{
    size_t         i;
    dur_app_url_t  u;

    for (i = 0; i < domain.len; i++) {
        if (domain.data[i] <= 0x20 || domain.data[i] >= 0x7f) {
            return false;
        }
    }

    return dur_app_url_split(domain, &u)
           && (dur_app_url_scheme(&u, "http")
               || dur_app_url_scheme(&u, "https"))
           && u.user.len == 0 && u.path.len == 0 && u.query.len == 0;
}


static bool
dur_endpoint_is_token(dur_str_t method)
{
    size_t  i;

    for (i = 0; i < method.len; i++) {
        if (method.data[i] < 'A' || method.data[i] > 'Z') {
            return false;
        }
    }

    return method.len > 0;
}


/* A header's value: nothing may begin another line. */
static bool
dur_endpoint_is_value(dur_str_t text)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] < 0x20 || text.data[i] == 0x7f) {
            return false;
        }
    }

    return true;
}


/* The name of the function: what the SDK says, or method and path. */
static dur_rc_t
dur_endpoint_slug(dur_engine_t *e, const dur_endpoint_text_t *t,
    dur_endpoint_of_t *of)
{
    of->slug = t->fn;

    if (t->fn.len == 0) {
        of->slug = dur_str_c(dur_arena_printf(e->arena, "%.*s %.*s",
                                              (int) t->method.len,
                                              t->method.data,
                                              (int) t->path.len,
                                              t->path.data));
        if (of->slug.data == NULL) {
            return DUR_ENOMEM;
        }
    }

    if (of->slug.len > DUR_ENDPOINT_NAME) {
        of->slug = dur_str("*");
    }

    return DUR_OK;
}


static const char *
dur_endpoint_wrong(const dur_endpoint_text_t *t)
{
    if (!dur_endpoint_is_origin(t->domain)) {
        return "domain\" must be http:// or https:// and a host";
    }

    if (!dur_endpoint_is_token(t->method)) {
        return "method\" must be a method in capital letters";
    }

    if (t->path.len == 0 || t->path.data[0] != '/') {
        return "path\" must begin with a slash";
    }

    if (!dur_endpoint_is_value(t->type)) {
        return "content_type\" has a control character";
    }

    return NULL;
}


dur_rc_t
dur_endpoint_check(dur_engine_t *e, const json_t *data,
    dur_endpoint_of_t *of, dur_reply_t *reply)
{
    const char           *wrong;
    dur_endpoint_read_t   x = { e, data, reply };
    dur_endpoint_text_t   t;

    if (!dur_endpoint_text(&x, "domain", DUR_ENDPOINT_NAME, &t.domain)
        || !dur_endpoint_text(&x, "method", 16, &t.method)
        || !dur_endpoint_text(&x, "path", DUR_ENDPOINT_PATH, &t.path)
        || !dur_endpoint_text(&x, "query_params", DUR_ENDPOINT_QUERY,
                              &t.query)
        || !dur_endpoint_text(&x, "content_type", DUR_ENDPOINT_TYPE, &t.type)
        || !dur_endpoint_text(&x, "body", SIZE_MAX, &t.body)
        || !dur_endpoint_text(&x, "fn", DUR_ENDPOINT_NAME, &t.fn))
    {
        return DUR_OK;
    }

    wrong = dur_endpoint_wrong(&t);

    if (wrong != NULL) {
        (void) dur_state_refuse(e, reply, 400, "\"event.data.%s", wrong);
        return DUR_OK;
    }

    of->domain = t.domain;

    return dur_endpoint_slug(e, &t, of);
}


/* -- app and function ----------------------------------------------------- */

static dur_registered_app_t *
dur_endpoint_app(const dur_registry_t *r, dur_str_t domain, unsigned *n)
{
    uint32_t  i;

    for (*n = 0, i = 0; i < r->napps; i++) {
        if (r->apps[i] == NULL || !r->apps[i]->endpoint) {
            continue;
        }

        (*n)++;

        if (dur_str_eq(r->apps[i]->name, domain)) {
            return r->apps[i];
        }
    }

    return NULL;
}


static dur_function_t *
dur_endpoint_function(const dur_registry_t *r, uint32_t app, dur_str_t slug,
    unsigned *n)
{
    uint32_t         i;
    dur_function_t  *fn;

    for (*n = 0, i = 0; i < r->nfunctions; i++) {
        fn = r->functions[i];

        if (fn == NULL || fn->kind != DUR_FUNCTION_ENDPOINT
            || fn->app != app)
        {
            continue;
        }

        (*n)++;

        if (dur_str_eq(fn->slug, slug)) {
            return fn;
        }
    }

    return NULL;
}


static dur_rc_t
dur_endpoint_add_app(dur_engine_t *e, dur_str_t domain, uint32_t *id)
{
    dur_rc_t              rc;
    dur_registered_app_t  app;

    memset(&app, 0, sizeof(app));
    app.id = e->counters.app++;
    app.created = e->now;
    app.registered = true;
    app.endpoint = true;
    app.name = domain;
    app.framework = dur_str("endpoint");

    rc = dur_app_url_normalize(domain, e->arena, &app.url);

    *id = app.id;

    return rc == DUR_OK ? dur_registry_app_put(e, &app)
                        : rc == DUR_EINVAL ? DUR_EINTERNAL : rc;
}


static dur_rc_t
dur_endpoint_put(dur_engine_t *e, const dur_endpoint_of_t *of, uint32_t app,
    dur_function_t **fn)
{
    dur_rc_t        rc;
    dur_function_t  fresh;

    memset(&fresh, 0, sizeof(fresh));

    if (*fn != NULL) {
        fresh = **fn;

    } else {
        fresh.id = e->counters.function++;
        fresh.app = app;
        fresh.created = e->now;
        fresh.kind = DUR_FUNCTION_ENDPOINT;
        fresh.slug = of->slug;
        fresh.name = of->slug;
        fresh.url = of->domain;
        fresh.config = dur_str("{}");
    }

    fresh.version++;
    fresh.retries = of->retries;

    rc = dur_registry_function_put(e, &fresh);
    if (rc == DUR_OK) {
        rc = dur_registry_load(&e->registry, e->txn);
    }

    *fn = dur_registry_function(&e->registry, fresh.id);

    return (rc == DUR_OK && *fn == NULL) ? DUR_EINTERNAL : rc;
}


dur_rc_t
dur_endpoint_find(dur_engine_t *e, dur_endpoint_of_t *of,
    dur_function_t **fn, dur_reply_t *reply)
{
    unsigned               n;
    dur_rc_t               rc;
    uint32_t               id;
    dur_registered_app_t  *app;

    *fn = NULL;

    app = dur_endpoint_app(&e->registry, of->domain, &n);

    if (app == NULL && n >= DUR_ENDPOINT_APPS) {
        (void) dur_state_refuse(e, reply, 429, "there are endpoints of %u "
                                "servers already: no more are taken",
                                DUR_ENDPOINT_APPS);
        return DUR_OK;
    }

    id = app ? app->id : 0;

    *fn = dur_endpoint_function(&e->registry, id, of->slug, &n);

    if (*fn == NULL && n >= DUR_ENDPOINT_FUNCTIONS) {
        of->slug = dur_str("*");
        *fn = dur_endpoint_function(&e->registry, id, of->slug, &n);
    }

    if (*fn != NULL && (*fn)->retries == of->retries) {
        return DUR_OK;
    }

    rc = app ? DUR_OK : dur_endpoint_add_app(e, of->domain, &id);

    return rc == DUR_OK ? dur_endpoint_put(e, of, id, fn) : rc;
}
