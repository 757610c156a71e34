/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_served_app.h"
#include "engine/dur_gateway.h"
#include "engine/dur_json.h"
#include "engine/dur_route.h"
#include "engine/dur_sign.h"
#include "engine/dur_ulid.h"

#include <stdio.h>


/* Hex digits of a hashed signing key that introspection shows. */
#define DUR_SERVED_SHOWN  12

#define DUR_SERVED_CAPABILITIES  "{\"trust_probe\":\"v1\"}"


/* -- names ---------------------------------------------------------------- */

dur_rc_t
dur_served_slug(dur_str_t app, dur_str_t connector, dur_buf_t *b)
{
    dur_buf_adds(b, app);
    dur_buf_addz(b, "-" DUR_ROUTE_FUNCTION);

    return dur_buf_adds(b, connector);
}


dur_rc_t
dur_served_slug_of(dur_str_t app, const dur_plan_def_t *def, dur_buf_t *b)
{
    dur_buf_adds(b, app);
    dur_buf_addc(b, '-');

    return dur_buf_adds(b, def->name);
}


dur_rc_t
dur_served_step(dur_str_t target, dur_arena_t *arena, dur_str_t *name,
    dur_hash_t *id)
{
    dur_str_t  shown;

    shown = dur_gateway_detail(target, arena);

    *name = dur_str_c(dur_arena_printf(arena, "forward request to %.*s",
                                       (int) shown.len,
                                       (const char *) shown.data));
    dur_sha1(*name, id->b);

    return name->data ? DUR_OK : DUR_ENOMEM;
}


/* -- functions ------------------------------------------------------------ */

static void
dur_served_write_route(dur_buf_t *b, const dur_served_app_t *a,
    const dur_served_route_t *route)
{
    bool       query;
    dur_buf_t  text;

    dur_buf_init(&text, 64 * 1024);
    dur_served_slug(a->app, route->connector, &text);

    dur_buf_addz(b, "{\"id\":");
    dur_json_write_string(b, dur_buf_str(&text));
    dur_buf_addz(b, ",\"name\":");
    dur_json_write_string(b, dur_str_make(text.data + a->app.len + 1,
                                          text.len - a->app.len - 1));

    query = a->url.len && memchr(a->url.data, '?', a->url.len) != NULL;

    dur_buf_reset(&text);
    dur_buf_adds(&text, a->url);
    dur_buf_addz(&text, query ? "&fnId=" : "?fnId=");
    dur_served_slug(a->app, route->connector, &text);
    dur_buf_addz(&text, "&stepId=step");

    dur_buf_addz(b, ",\"triggers\":[{\"event\":\"event/api.webhooks.");
    dur_json_write_chars(b, route->connector);
    dur_buf_addz(b, ".action\"}],\"steps\":{\"step\":{\"id\":\"step\","
                 "\"name\":\"step\",\"runtime\":{\"type\":\"http\",\"url\":");
    dur_json_write_string(b, dur_buf_str(&text));
    dur_buf_addf(b, "},\"retries\":{\"attempts\":%u}}}", route->retries);

    if (route->ordered) {
        dur_buf_addz(b, ",\"concurrency\":[{\"limit\":1}]");
    }

    dur_buf_addc(b, '}');

    b->failed |= text.failed;
    dur_buf_deinit(&text);
}


static json_t *
dur_served_string(const dur_buf_t *b, size_t from)
{
    return json_stringn((char *) b->data + from, b->len - from);
}


/* What a failure handler waits for names the function as the server does. */
static void
dur_served_failure(const dur_served_app_t *a, json_t *config)
{
    json_t      *trigger;
    dur_buf_t    text;
    const char  *expression;

    static const char  before[] = "event.data.function_id == \"";

    trigger = json_array_get(json_object_get(config, "triggers"), 0);
    expression = json_string_value(json_object_get(trigger, "expression"));

    if (json_array_size(json_object_get(config, "triggers")) != 1
        || expression == NULL
        || strcmp(json_string_value(json_object_get(trigger, "event")),
                  "inngest/function.failed") != 0
        || strncmp(expression, before, sizeof(before) - 1) != 0)
    {
        return;
    }

    dur_buf_init(&text, 64 * 1024);
    dur_buf_addz(&text, before);
    dur_buf_adds(&text, a->app);
    dur_buf_addc(&text, '-');
    dur_buf_addz(&text, expression + sizeof(before) - 1);

    if (!text.failed) {
        json_object_set_new(trigger, "expression",
                            dur_served_string(&text, 0));
    }

    dur_buf_deinit(&text);
}


/* The workflow's configuration is what an SDK would have sent, but for its id
 * and where it is called. */
static void
dur_served_write_workflow(dur_buf_t *b, const dur_served_app_t *a,
    const dur_plan_def_t *def)
{
    size_t      start;
    json_t     *config, *runtime;
    dur_buf_t   text;

    dur_buf_init(&text, 64 * 1024);

    config = dur_json_parse(def->config, NULL);
    runtime = json_object_get(json_object_get(json_object_get(config, "steps"),
                                              "step"), "runtime");

    dur_served_slug_of(a->app, def, &text);
    json_object_set_new(config, "id", dur_served_string(&text, 0));

    start = text.len;
    dur_buf_adds(&text, a->url);
    dur_buf_addz(&text, a->url.len && memchr(a->url.data, '?', a->url.len)
                        ? "&fnId=" : "?fnId=");
    dur_served_slug_of(a->app, def, &text);
    dur_buf_addz(&text, "&stepId=step");
    json_object_set_new(runtime, "url", dur_served_string(&text, start));

    dur_served_failure(a, config);

    b->failed |= text.failed || dur_json_write(b, config) != DUR_OK;

    json_decref(config);
    dur_buf_deinit(&text);
}


static void
dur_served_write_functions(dur_buf_t *b, const dur_served_app_t *a)
{
    size_t  i;

    dur_buf_addz(b, "\"functions\":[");

    for (i = 0; i < a->nroutes; i++) {
        if (i > 0) {
            dur_buf_addc(b, ',');
        }

        dur_served_write_route(b, a, &a->routes[i]);
    }

    for (i = 0; i < a->ndefs; i++) {
        if (i + a->nroutes > 0) {
            dur_buf_addc(b, ',');
        }

        dur_served_write_workflow(b, a, a->defs[i]);
    }

    dur_buf_addc(b, ']');
}


dur_rc_t
dur_served_write_register(dur_buf_t *b, const dur_served_app_t *a)
{
    dur_buf_addz(b, "{\"url\":");
    dur_json_write_string(b, a->url);
    dur_buf_addz(b, ",\"deployType\":\"ping\",\"framework\":\"nginx\","
                 "\"appName\":");
    dur_json_write_string(b, a->app);
    dur_buf_addz(b, ",\"sdk\":\"" DUR_SERVED_SDK "\",\"v\":\"0.1\","
                 "\"capabilities\":" DUR_SERVED_CAPABILITIES ",");
    dur_served_write_functions(b, a);

    return dur_buf_addc(b, '}');
}


/* -- introspection -------------------------------------------------------- */

static void
dur_served_write_member(dur_buf_t *b, const char *key, dur_str_t value)
{
    dur_buf_addf(b, ",\"%s\":", key);

    if (value.len == 0) {
        dur_buf_addz(b, "null");
    } else {
        dur_json_write_string(b, value);
    }
}


static void
dur_served_write_key(dur_buf_t *b, const char *key, dur_str_t value)
{
    dur_buf_t  hash;
    dur_str_t  hex;

    dur_buf_init(&hash, 8 * 1024);

    if (value.len == 0 || dur_signing_key_hash(value, &hash) != DUR_OK) {
        dur_buf_addf(b, ",\"%s\":null", key);

    } else {
        hex = dur_signing_key_strip(dur_buf_str(&hash));
        dur_buf_addf(b, ",\"%s\":\"%.*s\"", key, DUR_SERVED_SHOWN,
                     (const char *) hex.data);
    }

    dur_buf_deinit(&hash);
}


static void
dur_served_write_event_key(dur_buf_t *b, dur_str_t value)
{
    char     hex[65];
    uint8_t  digest[32];

    if (value.len == 0) {
        dur_buf_addz(b, ",\"event_key_hash\":null");
        return;
    }

    dur_sha256(value, digest);
    dur_hex(digest, sizeof(digest), hex);
    dur_buf_addf(b, ",\"event_key_hash\":\"%s\"", hex);
}


static void
dur_served_write_facts(dur_buf_t *b, const dur_served_app_t *a)
{
    dur_served_write_member(b, "api_origin", a->api);
    dur_served_write_member(b, "app_id", a->app);
    dur_buf_addz(b, ",\"capabilities\":" DUR_SERVED_CAPABILITIES
                 ",\"env\":null");
    dur_served_write_member(b, "event_api_origin", a->events);
    dur_served_write_event_key(b, a->event_key);
    dur_buf_addz(b, ",\"framework\":\"nginx\",\"sdk_language\":\"nginx\","
                 "\"sdk_version\":\"" DUR_SERVED_VERSION_TEXT "\"");
    dur_served_write_member(b, "serve_origin", a->origin);
    dur_buf_addz(b, ",\"serve_path\":null");
    dur_served_write_key(b, "signing_key_fallback_hash", a->fallback);
    dur_served_write_key(b, "signing_key_hash", a->key);
}


dur_rc_t
dur_served_write_inspection(dur_buf_t *b, const dur_served_app_t *a,
    bool authenticated, bool refused)
{
    dur_buf_addf(b, "{\"authentication_succeeded\":%s,\"extra\":{},"
                 "\"function_count\":%zu,\"has_event_key\":%s,"
                 "\"has_signing_key\":%s,\"has_signing_key_fallback\":%s,"
                 "\"mode\":\"%s\",\"schema_version\":\"2024-05-24\"",
                 authenticated ? "true" : refused ? "false" : "null",
                 a->nroutes + a->ndefs, a->event_key.len ? "true" : "false",
                 a->key.len ? "true" : "false",
                 a->fallback.len ? "true" : "false",
                 a->dev ? "dev" : "cloud");

    if (authenticated) {
        dur_served_write_facts(b, a);
    }

    return dur_buf_addc(b, '}');
}


dur_rc_t
dur_served_write_sync(dur_buf_t *b, const dur_served_app_t *a)
{
    dur_buf_addz(b, "{\"app_id\":");
    dur_json_write_string(b, a->app);
    dur_buf_addz(b, ",\"appVersion\":null,\"capabilities\":"
                 DUR_SERVED_CAPABILITIES ",\"env\":null,"
                 "\"framework\":\"nginx\",");
    dur_served_write_functions(b, a);
    dur_buf_addz(b, ",\"inspection\":");
    dur_served_write_inspection(b, a, !a->dev, false);
    dur_buf_addz(b, ",\"platform\":null,\"sdk_author\":\"nginx-durable\","
                 "\"sdk_language\":\"nginx\",\"sdk_version\":\""
                 DUR_SERVED_VERSION_TEXT "\",\"sdk\":\"" DUR_SERVED_SDK
                 "\"");
    dur_served_write_member(b, "url", a->url);

    return dur_buf_addc(b, '}');
}
