/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_plan_load.h"
#include "engine/dur_json.h"
#include "engine/dur_option.h"

#include <stdio.h>


#define DUR_PLAN_CONFIG  (32 * 1024)


/*
 * A directive becomes an option of the configuration that an SDK would send:
 * the one implementation that checks and enforces options is that of apps.
 */
typedef struct {
    const char  *word;
    uint8_t      words;                 /* before its options */
    const char  *options;
    const char  *key;                   /* in the configuration */
    bool         list;                  /* may be there more than once */
    const char  *first;                 /* the first word's key; NULL: none;
                                           empty: it is the whole value */
    bool         number;                /* and it is a number */
} dur_plan_setting_t;


static const dur_plan_setting_t  dur_plan_settings[] = {
    { "trigger", 0, "event if cron jitter", "triggers", true, NULL, false },
    { "retries", 1, "", "retries", false, "", true },
    { "concurrency", 1, "key scope", "concurrency", true, "limit", true },
    { "throttle", 1, "period burst key", "throttle", false, "limit", true },
    { "rate_limit", 1, "period key", "rateLimit", false, "limit", true },
    { "debounce", 1, "key timeout", "debounce", false, "period", false },
    { "batch", 1, "timeout key if", "batchEvents", false, "maxSize", true },
    { "priority", 1, "", "priority", false, "run", false },
    { "singleton", 1, "key", "singleton", false, "mode", false },
    { "idempotency", 1, "", "idempotency", false, "", false },
    { "timeouts", 0, "start finish", "timeouts", false, NULL, false },
    { "cancel_on", 0, "event if match timeout", "cancel", true, NULL, false },
    { NULL, 0, NULL, NULL, false, NULL, false }
};


static json_t *
dur_plan_text(dur_str_t s)
{
    return json_stringn((const char *) s.data, s.len);
}


/* A number where SDKs send one; a text that is none stays a text, so that
 * whoever checks the option says what is wrong. */
static json_t *
dur_plan_value(dur_str_t s, bool number)
{
    size_t   i;
    int64_t  n;

    for (i = 0, n = 0; number && i < s.len && i < 15; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            break;
        }
        n = n * 10 + (s.data[i] - '0');
    }

    return (number && s.len > 0 && i == s.len) ? json_integer(n)
                                               : dur_plan_text(s);
}


/* The name of an option as SDKs have it; in a trigger `if` is another one. */
static const char *
dur_plan_setting_key(const dur_plan_setting_t *s, const char *key)
{
    if (strcmp(key, "if") == 0 && strcmp(s->key, "triggers") == 0) {
        return "expression";
    }

    return key;
}


static json_t *
dur_plan_setting_object(dur_plan_reader_t *r, const dur_plan_setting_t *s)
{
    int          bad;
    char         key[32];
    size_t       len;
    json_t      *object;
    dur_str_t    value, match;
    const char  *p;

    object = json_object();
    bad = 0;

    if (s->first != NULL) {
        bad |= json_object_set_new(object, s->first,
                                   dur_plan_value(r->words[1], s->number));
    }

    for (p = s->options; *p != '\0'; p += len + (p[len] == ' ')) {
        len = strcspn(p, " ");
        snprintf(key, sizeof(key), "%.*s", (int) len, p);

        if (!dur_plan_option(r, key, &value)) {
            continue;
        }

        if (strcmp(key, "match") == 0) {
            match = dur_str_c(dur_arena_printf(&r->def->arena,
                              "event.%.*s == async.%.*s", (int) value.len,
                              (const char *) value.data, (int) value.len,
                              (const char *) value.data));
            bad |= json_object_set_new(object, "if", dur_plan_text(match));

        } else {
            bad |= json_object_set_new(object, dur_plan_setting_key(s, key),
                                       dur_plan_value(value, strcmp(key,
                                                      "burst") == 0));
        }
    }

    if (bad) {
        json_decref(object);
        r->nomem = true;
        return NULL;
    }

    return object;
}


static bool
dur_plan_setting_put(dur_plan_reader_t *r, const dur_plan_setting_t *s)
{
    json_t  *value, *list;

    if (json_object_get(r->config, s->key) != NULL && !s->list) {
        return dur_plan_refuse(r, "\"%s\" is there twice", s->word);
    }

    value = (s->first != NULL && s->first[0] == '\0')
            ? dur_plan_value(r->words[1], s->number)
            : dur_plan_setting_object(r, s);

    if (value == NULL) {
        r->nomem = true;
        return false;
    }

    if (!s->list) {
        r->nomem |= json_object_set_new(r->config, s->key, value) != 0;
        return !r->nomem;
    }

    list = json_object_get(r->config, s->key);

    if (list == NULL) {
        list = json_array();
        r->nomem |= json_object_set_new(r->config, s->key, list) != 0;
    }

    r->nomem |= json_array_append_new(list, value) != 0;

    return !r->nomem;
}


/* The function as an SDK sends it. */
static json_t *
dur_plan_payload(dur_plan_reader_t *r)
{
    json_t      *fn, *payload, *retries, *steps;
    const char  *name;

    name = (const char *) r->def->name.data;
    fn = json_copy(r->config);
    retries = json_incref(json_object_get(r->config, "retries"));
    json_object_del(fn, "retries");

    steps = json_pack("{s:{s:s,s:s,s:{s:s,s:s}}}", "step", "id", "step",
                      "name", "step", "runtime", "type", "http", "url",
                      "http://nginx.conf/");

    if (retries != NULL) {
        json_object_set_new(json_object_get(steps, "step"), "retries",
                            json_pack("{s:o}", "attempts", retries));
    }

    if (json_object_set_new(fn, "id", json_string(name)) != 0
        || json_object_set_new(fn, "name", json_string(name)) != 0
        || json_object_set_new(fn, "steps", steps) != 0)
    {
        json_decref(fn);
        return NULL;
    }

    payload = json_pack("{s:s,s:s,s:[o]}", "appName", "nginx.conf", "url",
                        "http://nginx.conf/", "functions", fn);

    return payload;
}


/* As a registration: what is refused there is refused here. */
static bool
dur_plan_check(dur_plan_reader_t *r, bool keep)
{
    char        text[512];
    json_t     *payload;
    dur_rc_t    rc;
    dur_buf_t   b;
    dur_app_t   app;
    char       *p;

    payload = dur_plan_payload(r);
    dur_buf_init(&b, 4 * DUR_PLAN_TEXT);
    rc = payload ? dur_json_write(&b, payload) : DUR_ENOMEM;
    json_decref(payload);

    if (rc == DUR_OK) {
        rc = dur_app_parse(dur_buf_str(&b), &app, text, sizeof(text));
    }

    dur_buf_deinit(&b);

    if (rc == DUR_EINVAL) {
        p = strstr(text, "\": ");
        return dur_plan_refuse(r, "%s", p ? p + 3 : text);
    }

    if (rc != DUR_OK) {
        r->nomem = true;
        return false;
    }

    if (keep) {
        r->def->app = app;
    } else {
        dur_app_deinit(&app);
    }

    return true;
}


static const dur_plan_setting_t *
dur_plan_setting_find(dur_str_t word)
{
    const dur_plan_setting_t  *s;

    for (s = dur_plan_settings; s->word != NULL; s++) {
        if (dur_str_eq(word, dur_str_c(s->word))) {
            return s;
        }
    }

    return NULL;
}


bool
dur_plan_is_setting(dur_str_t word)
{
    return dur_plan_setting_find(word) != NULL;
}


bool
dur_plan_setting(dur_plan_reader_t *r)
{
    const dur_plan_setting_t  *s;

    s = dur_plan_setting_find(r->words[0]);

    return dur_plan_shape(r, s->words, s->options)
           && dur_plan_setting_put(r, s)
           && dur_plan_check(r, false);
}


/* What runs when another function has failed is started by its event. */
static bool
dur_plan_failure(dur_plan_reader_t *r, dur_str_t failure_of)
{
    char    *text;
    json_t  *triggers;

    if (failure_of.len == 0) {
        return true;
    }

    text = dur_arena_printf(&r->def->arena, "event.data.function_id == "
                            "\"%.*s\"", (int) failure_of.len,
                            (const char *) failure_of.data);

    triggers = json_pack("[{s:s,s:s}]", "event", "inngest/function.failed",
                         "expression", text);

    r->nomem |= text == NULL
                || json_object_set_new(r->config, "triggers", triggers) != 0;

    return !r->nomem;
}


bool
dur_plan_settle(dur_plan_reader_t *r, dur_str_t failure_of)
{
    dur_rc_t      rc;
    dur_buf_t     b;
    dur_option_t  option;

    if (!dur_plan_failure(r, failure_of) || !dur_plan_check(r, true)) {
        return false;
    }

    dur_buf_init(&b, DUR_PLAN_CONFIG);
    rc = dur_json_write(&b, r->def->app.functions[0].config);

    if (rc == DUR_OK) {
        r->def->config = dur_arena_copy(&r->def->arena, dur_buf_str(&b));
        rc = dur_option_load(r->def->config, &r->def->arena, &option);
    }

    dur_buf_deinit(&b);

    if (rc == DUR_OK) {
        dur_option_free(&option);
        return true;
    }

    if (rc == DUR_ETOOBIG || rc == DUR_ECORRUPT) {
        return dur_plan_refuse(r, "the options of the function are longer "
                               "than %d bytes, or cannot be read",
                               DUR_PLAN_CONFIG);
    }

    r->nomem = true;

    return false;
}
