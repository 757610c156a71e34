/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * An engine on a store of its own, for unit tests: one op is one batch, the
 * clock is kit.now, and what the last batch wanted done is in kit.effects.
 */

#ifndef DUR_KIT_H
#define DUR_KIT_H

#include "engine/dur_base.h"
#include "engine/dur_call.h"
#include "engine/dur_config.h"
#include "engine/dur_engine.h"
#include "engine/dur_frame.h"
#include "engine/dur_op.h"
#include "engine/dur_query.h"
#include "engine/dur_store.h"
#include "engine/dur_ulid.h"

#include "tap.h"

#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIT_EFFECTS_MAX  2048
#define KIT_SDK          "x-inngest-sdk: js:v4.24.0\n"                        \
                         "x-inngest-req-version: 2\n"
#define KIT_GO           "x-inngest-sdk: go:v0.13.1\n"                        \
                         "x-inngest-req-version: 2\n"
#define KIT_SDK1         "x-inngest-sdk: js:v3.54.0\n"                        \
                         "x-inngest-req-version: 1\n"

/* sha1 of "a", "b", "c" */
#define KIT_A  "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"
#define KIT_B  "e9d71f5ee7c92d6dc9e92ffdad17b8bd49418f98"
#define KIT_C  "84a516841ba77a5b4648de2cd0dfcb30ea46dbb4"

static struct {
    char           path[64];
    dur_engine_t  *engine;
    dur_config_t   conf;
    dur_arena_t    arena;
    dur_buf_t      buf;
    dur_call_t     call;
    json_t        *body;            /* of the last call built */
    int64_t        now;
    uint64_t       entropy;
    dur_zone_read_pt  zone;         /* NULL: the engine knows UTC only */
    dur_reply_t    reply;           /* of the last op */
    size_t         n;
    dur_effect_t   effects[KIT_EFFECTS_MAX];
} kit;

typedef struct {
    uint64_t  item;
    uint32_t  generation;
} kit_attempt_t;

/* Calls that are out and were not answered yet, see kit_take(). */
static struct {
    size_t         n;
    kit_attempt_t  out[KIT_EFFECTS_MAX];
} kit_out;


__attribute__((unused))
static bool
kit_open(void)
{
    char                  err[256] = "";
    dur_rc_t              rc;
    dur_engine_options_t  options;

    memset(&options, 0, sizeof(options));
    options.path = kit.path;
    options.size = (uint64_t) 256 << 20;
    options.async = true;
    options.zone = kit.zone;
    memset(options.store_id, 7, sizeof(options.store_id));

    rc = dur_engine_open(&kit.engine, &options, err, sizeof(err));

    return ok(rc == DUR_OK, "the store opens%s%s", err[0] ? ": " : "", err);
}


/* Runs one op as a batch; kit.reply and kit.effects say what it did. */
__attribute__((unused))
static bool
kit_op(dur_op_t *op)
{
    dur_rc_t       rc;
    dur_effect_t  *f;

    memset(op->entropy, 0, sizeof(op->entropy));
    dur_put64(op->entropy, ++kit.entropy);

    dur_buf_reset(&kit.buf);
    dur_op_encode(op, &kit.buf);
    dur_arena_reset(&kit.arena);
    memset(&kit.reply, 0, sizeof(kit.reply));
    kit.n = 0;

    rc = dur_engine_begin(kit.engine, kit.now, &kit.arena);
    if (rc == DUR_OK) {
        rc = dur_engine_apply(kit.engine, dur_buf_str(&kit.buf), &kit.reply);
    }

    if (rc != DUR_OK) {
        dur_engine_abort(kit.engine);
        return ok(false, "op %u is decided: %s", op->type, dur_strerror(rc));
    }

    rc = dur_engine_commit(kit.engine, &f);
    if (rc != DUR_OK) {
        return ok(false, "op %u commits: %s", op->type, dur_strerror(rc));
    }

    for ( ; f != NULL && kit.n < KIT_EFFECTS_MAX; f = f->next) {
        kit.effects[kit.n++] = *f;
    }

    return true;
}


__attribute__((unused))
static bool
kit_plain(uint8_t type, uint32_t budget)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = type;
    op.budget = budget;

    return kit_op(&op);
}


__attribute__((unused))
static bool
kit_configure(void)
{
    bool       done;
    dur_op_t   op;
    dur_buf_t  b;

    dur_buf_init(&b, 4096);
    dur_config_encode(&kit.conf, &b);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CONFIG;
    op.body = dur_buf_str(&b);
    done = kit_op(&op);

    dur_buf_deinit(&b);

    return done;
}


__attribute__((unused))
static void
kit_remove_store(void)
{
    char         name[96];
    size_t       i;
    static const char  *files[] = { "data.mdb", "lock.mdb", "format" };

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(name, sizeof(name), "%s/%s", kit.path, files[i]);
        unlink(name);
    }

    rmdir(kit.path);
}


__attribute__((unused))
static bool
kit_init(void)
{
    snprintf(kit.path, sizeof(kit.path), "%s/dur-unit-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(kit.path) == NULL) {
        return false;
    }

    dur_config_init(&kit.conf);
    kit.conf.dev = true;
    kit.conf.retry_interval = 1000;
    kit.conf.retention = 0;
    kit.now = 1790000000000;

    dur_arena_init(&kit.arena);
    dur_buf_init(&kit.buf, 64 << 20);
    dur_call_init(&kit.call);

    return kit_open() && kit_configure();
}


__attribute__((unused))
static int
kit_done(void)
{
    dur_engine_close(kit.engine);
    dur_arena_deinit(&kit.arena);
    dur_buf_deinit(&kit.buf);
    dur_call_deinit(&kit.call);
    json_decref(kit.body);
    kit_remove_store();

    return done_testing();
}


/* Begins anew: an empty store, so that tests do not meet. */
__attribute__((unused))
static void
kit_fresh(void)
{
    dur_engine_close(kit.engine);
    kit_remove_store();
    kit_out.n = 0;

    if (mkdir(kit.path, 0700) == -1 || !kit_open() || !kit_configure()) {
        exit(2);
    }
}


/* One function "app-<name>" of app "app", triggered by "t/<name>". */
__attribute__((unused))
static bool
kit_register(const char *name, unsigned retries)
{
    char      text[1024];
    dur_op_t  op;

    snprintf(text, sizeof(text), "{\"url\":\"http://127.0.0.1:3000/api/inngest"
             "\",\"deployType\":\"ping\",\"framework\":\"nodejs\",\"appName\":"
             "\"app\",\"sdk\":\"js:v4.24.0\",\"v\":\"0.1\",\"functions\":[{"
             "\"id\":\"app-%s\",\"name\":\"%s\",\"triggers\":[{\"event\":"
             "\"t/%s\"}],\"steps\":{\"step\":{\"id\":\"step\",\"name\":"
             "\"step\",\"runtime\":{\"type\":\"http\",\"url\":\"http://"
             "127.0.0.1:3000/api/inngest?fnId=app-%s&stepId=step\"},"
             "\"retries\":{\"attempts\":%u}}}}]}",
             name, name, name, name, retries);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REGISTER;
    op.body = dur_str_c(text);

    return kit_op(&op) && kit.reply.rc == DUR_OK && kit.reply.status == 200;
}


/* A function for kit_app(): what follows its id may name more options. */
#define KIT_FN(id, triggers, more)                                           \
    "{\"id\":\"" id "\",\"name\":\"" id "\",\"triggers\":[" triggers "]"      \
    ",\"steps\":{\"step\":{\"id\":\"step\",\"name\":\"step\","                \
    "\"runtime\":{\"type\":\"http\",\"url\":\"http://127.0.0.1/?fnId=" id     \
    "&stepId=step\"},\"retries\":{\"attempts\":0}}}" more "}"
#define KIT_ON(event)  "{\"event\":\"" event "\"}"
#define KIT_IF(event, expression)                                            \
    "{\"event\":\"" event "\",\"expression\":\"" expression "\"}"

/* An app by its name, with a list of KIT_FN(). */
__attribute__((unused))
static bool
kit_app(const char *app, const char *functions)
{
    bool       done;
    dur_op_t   op;
    dur_buf_t  b;

    dur_buf_init(&b, 1 << 20);
    dur_buf_addf(&b, "{\"url\":\"http://127.0.0.1/%s\",\"deployType\":"
                 "\"ping\",\"framework\":\"nodejs\",\"appName\":\"%s\","
                 "\"sdk\":\"js:v4.24.0\",\"v\":\"0.1\",\"functions\":[%s]}",
                 app, app, functions);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REGISTER;
    op.body = dur_buf_str(&b);
    done = kit_op(&op);

    dur_buf_deinit(&b);

    return ok(done && kit.reply.rc == DUR_OK && kit.reply.status == 200,
              "the app %s is registered", app);
}


__attribute__((unused))
static dur_ulid_t
kit_ulid(uint64_t n)
{
    uint8_t     entropy[10] = { 0 };
    dur_ulid_t  u;

    dur_put64(entropy + 2, n);
    dur_ulid_make(&u, (uint64_t) kit.now, entropy);

    return u;
}


/* An event "t/<name>"; client may be NULL. */
__attribute__((unused))
static dur_ulid_t
kit_event_at(const char *name, const char *client, int64_t ts)
{
    char            full[64], json[256], id[DUR_ULID_TEXT_LEN + 1];
    dur_op_t        op;
    dur_op_event_t  event;

    memset(&event, 0, sizeof(event));
    event.id = kit_ulid(kit.entropy);
    dur_ulid_text(&event.id, id);

    snprintf(full, sizeof(full), "t/%s", name);
    snprintf(json, sizeof(json), "{\"data\":{\"x\":1},\"id\":\"%s\","
             "\"name\":\"%s\",\"ts\":%" PRId64 ",\"user\":{}}",
             client ? client : id, full, ts);

    event.flags = DUR_EVENT_F_CANONICAL;
    event.ts = ts;
    event.name = dur_str_c(full);
    event.client_id = dur_str_c(client);
    event.json = dur_str_c(json);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    kit_op(&op);

    return event.id;
}


__attribute__((unused))
static dur_ulid_t
kit_event(const char *name)
{
    return kit_event_at(name, NULL, kit.now);
}


/* The n-th effect of a kind of the last op, or NULL. */
__attribute__((unused))
static dur_effect_t *
kit_effect(dur_effect_type_t type, size_t n)
{
    size_t  i;

    for (i = 0; i < kit.n; i++) {
        if (kit.effects[i].type == type && n-- == 0) {
            return &kit.effects[i];
        }
    }

    return NULL;
}


__attribute__((unused))
static size_t
kit_calls(void)
{
    size_t  n;

    for (n = 0; kit_effect(DUR_EFFECT_CALL, n) != NULL; n++) { /* void */ }

    return n;
}


/* Leases what is due; the number of calls. */
__attribute__((unused))
static size_t
kit_dispatch(void)
{
    kit_plain(DUR_OP_DISPATCH, 1000);

    return kit_calls();
}


/* The n-th CALL of the last op, its attempt; a zero item when there is none */
__attribute__((unused))
static kit_attempt_t
kit_attempt(size_t n)
{
    dur_effect_t   *f;
    kit_attempt_t   a = { 0, 0 };

    f = kit_effect(DUR_EFFECT_CALL, n);
    if (f != NULL) {
        a.item = f->item;
        a.generation = f->generation;
    }

    return a;
}


/* Builds a call; kit.call is the request, kit.body its body. */
__attribute__((unused))
static dur_rc_t
kit_build(kit_attempt_t a)
{
    dur_rc_t            rc;
    dur_call_options_t  options;

    memset(&options, 0, sizeof(options));
    options.dev = true;
    options.now_ms = kit.now;

    rc = dur_call_build(dur_engine_store(kit.engine), a.item, a.generation,
                        &options, &kit.call);

    json_decref(kit.body);
    kit.body = NULL;

    if (rc == DUR_OK) {
        kit.body = json_loadb((char *) kit.call.body.data, kit.call.body.len,
                              0, NULL);
    }

    return rc;
}


/* Member of a member: "ctx", "attempt" or "steps", NULL. */
__attribute__((unused))
static json_t *
kit_get(const char *key, const char *sub)
{
    json_t  *v;

    v = json_object_get(kit.body, key);

    return sub ? json_object_get(v, sub) : v;
}


__attribute__((unused))
static bool
kit_result(kit_attempt_t a, unsigned status, const char *headers,
    const char *body)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_RESULT;
    op.result.item = a.item;
    op.result.generation = a.generation;
    op.result.status = (uint16_t) status;
    op.result.headers = dur_str_c(headers);
    op.result.body = dur_str_c(body);
    op.result.started = kit.now;

    return kit_op(&op);
}


__attribute__((unused))
static bool
kit_result_error(kit_attempt_t a, dur_call_error_t kind)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_RESULT;
    op.result.item = a.item;
    op.result.generation = a.generation;
    op.result.error_kind = (uint8_t) kind;
    op.result.error = dur_str("connection refused");
    op.result.started = kit.now;

    return kit_op(&op);
}


/* Goes to the first due instant and fires what is due. */
__attribute__((unused))
static int64_t
kit_timers(void)
{
    int64_t  due;

    due = dur_engine_next_due(kit.engine);

    if (due != INT64_MAX) {
        if (due > kit.now) {
            kit.now = due;
        }
        kit_plain(DUR_OP_TIMERS, 0);
    }

    return due;
}


/* The only run of an event as the API shows it; a new reference or NULL. */
__attribute__((unused))
static json_t *
kit_run(const dur_ulid_t *event)
{
    json_t     *list, *run;
    dur_buf_t   b;

    dur_buf_init(&b, 16 << 20);
    run = NULL;

    if (dur_query_event_runs(dur_engine_store(kit.engine), event, &b)
        == DUR_OK)
    {
        list = json_loadb((char *) b.data, b.len, 0, NULL);
        if (json_array_size(list) == 1) {
            run = json_incref(json_array_get(list, 0));
        }
        json_decref(list);
    }

    dur_buf_deinit(&b);

    return run;
}


/* The status of the only run of an event: "Scheduled", .., or "none". */
__attribute__((unused))
static const char *
kit_status(const dur_ulid_t *event)
{
    json_t       *run;
    const char   *text;
    static char   status[32];

    run = kit_run(event);
    text = json_string_value(json_object_get(run, "status"));
    snprintf(status, sizeof(status), "%s", text ? text : "none");
    json_decref(run);

    return status;
}


/* The id of the only run of an event. */
__attribute__((unused))
static dur_ulid_t
kit_run_id(const dur_ulid_t *event)
{
    json_t      *run;
    dur_ulid_t   id;

    memset(&id, 0, sizeof(id));
    run = kit_run(event);
    (void) dur_ulid_parse(
        dur_str_c(json_string_value(json_object_get(run, "run_id"))), &id);
    json_decref(run);

    return id;
}


/*
 * Several functions at once: the calls that are out, answered by the slug of
 * their function, the oldest first.
 */
/* Remembers the calls of the last op. */
__attribute__((unused))
static void
kit_gather(void)
{
    size_t  i, n;

    n = kit_calls();

    for (i = 0; i < n && kit_out.n < KIT_EFFECTS_MAX; i++) {
        kit_out.out[kit_out.n++] = kit_attempt(i);
    }

    kit.n = 0;
}


/* The engine ends and opens its store again. */
__attribute__((unused))
static void
kit_reopen(void)
{
    kit_gather();
    dur_engine_close(kit.engine);

    if (!kit_open() || !kit_configure()) {
        exit(2);
    }
}


/* The oldest call of the function, built; a zero item when there is none. */
__attribute__((unused))
static kit_attempt_t
kit_take(const char *slug)
{
    char           want[128];
    size_t         i;
    kit_attempt_t  a = { 0, 0 };

    kit_gather();
    kit_dispatch();
    kit_gather();

    snprintf(want, sizeof(want), "fnId=%s&", slug);

    for (i = 0; i < kit_out.n; i++) {
        if (kit_build(kit_out.out[i]) == DUR_OK
            && memmem(kit.call.url.data, kit.call.url.len, want,
                      strlen(want)) != NULL)
        {
            a = kit_out.out[i];
            kit_out.n--;
            memmove(&kit_out.out[i], &kit_out.out[i + 1],
                    (kit_out.n - i) * sizeof(a));
            return a;
        }
    }

    json_decref(kit.body);
    kit.body = NULL;

    return a;
}


/* Answers it; kit.body is what it was asked with. */
__attribute__((unused))
static bool
kit_answer(const char *slug, unsigned status, const char *body)
{
    kit_attempt_t  a;

    a = kit_take(slug);

    if (a.item == 0) {
        return ok(false, "%s is called", slug);
    }

    return kit_result(a, status, status < 300
                      ? KIT_SDK : KIT_SDK "x-inngest-no-retry: true\n",
                      body);
}


/* The events of a name as the API shows them, newest first; a new
 * reference. */
__attribute__((unused))
static json_t *
kit_events(const char *name)
{
    json_t            *list;
    dur_buf_t          b;
    dur_query_list_t   want;
    dur_query_page_t   page;

    memset(&want, 0, sizeof(want));
    want.limit = 1000;
    want.filter.before_ms = INT64_MAX;
    want.filter.event = dur_str_c(name);

    dur_buf_init(&b, 64 << 20);
    (void) dur_query_events(dur_engine_store(kit.engine), &want, &page,
                            &b);
    list = json_loadb((char *) b.data, b.len, 0, NULL);
    dur_buf_deinit(&b);

    return list;
}


/* Whether a value is what the text says. */
__attribute__((unused))
static bool
kit_is(const json_t *got, const char *want)
{
    bool     same;
    char    *text;
    json_t  *value;

    value = json_loads(want, JSON_DECODE_ANY, NULL);
    same = value != NULL && json_equal(got, value);

    if (!same) {
        text = json_dumps(got, JSON_ENCODE_ANY | JSON_SORT_KEYS);
        printf("# got %s\n# not %s\n", text ? text : "nothing", want);
        free(text);
    }

    json_decref(value);

    return same;
}


#define KIT_RUN(id, name, data)                                              \
    "{\"op\":\"StepRun\",\"id\":\"" id "\",\"name\":\"" name                 \
    "\",\"displayName\":\"" name "\",\"opts\":{},\"data\":" data "}"
#define KIT_PLAN(id, name)                                                   \
    "{\"op\":\"StepPlanned\",\"id\":\"" id "\",\"name\":\"" name             \
    "\",\"displayName\":\"" name "\",\"opts\":{},\"data\":null}"
#define KIT_PLAN_RACE(id, name)                                              \
    "{\"op\":\"StepPlanned\",\"id\":\"" id "\",\"name\":\"" name             \
    "\",\"displayName\":\"" name "\",\"opts\":{\"parallelMode\":\"race\"}}"
#define KIT_SLEEP(id, name, time)                                            \
    "{\"op\":\"Sleep\",\"id\":\"" id "\",\"name\":\"" time                   \
    "\",\"displayName\":\"" name "\",\"opts\":{}}"
#define KIT_INVOKE(id, name, function, more)                                 \
    "{\"op\":\"InvokeFunction\",\"id\":\"" id "\",\"displayName\":\"" name    \
    "\",\"opts\":{\"function_id\":\"" function "\",\"payload\":{"             \
    "\"data\":{\"q\":1}}" more "}}"
#define KIT_ERROR(op, id, name)                                              \
    "{\"op\":\"" op "\",\"id\":\"" id "\",\"name\":\"" name                  \
    "\",\"displayName\":\"" name "\",\"opts\":{},\"error\":{\"name\":"       \
    "\"TypeError\",\"message\":\"bad step\",\"stack\":\"at f\"}}"

#endif /* DUR_KIT_H */
