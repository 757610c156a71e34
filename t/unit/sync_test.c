/* SPDX-License-Identifier: BSD-2-Clause */

/* Apps that people add, ask to register again, and remove. */

#include "kit.h"
#include "engine/dur_query.h"

#define URL    "http://127.0.0.1:3000/api/inngest"
#define OTHER  "http://127.0.0.1:4000/api/inngest"


static unsigned
app_op(const char *name, const char *url, unsigned remove)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_APP;
    op.id = kit_ulid(kit.entropy);
    op.item = name != NULL;
    op.generation = remove;
    op.url = dur_str_c(name ? name : url);
    kit_op(&op);

    return kit.reply.status;
}


static bool
says(const char *text)
{
    return memmem(kit.reply.body.data, kit.reply.body.len, text,
                  strlen(text)) != NULL;
}


static void
report(const char *url, const char *error)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_SYNC;
    op.url = dur_str_c(url);
    op.error = dur_str_c(error);
    kit_op(&op);
}


/* The only app that is shown at a URL of this port, and how many there are. */
static json_t *
shown(const char *port, unsigned *n)
{
    size_t      i;
    json_t     *all, *app, *found;
    dur_buf_t   b;

    dur_buf_init(&b, 1 << 20);
    (void) dur_query_apps(dur_engine_store(kit.engine), &b);
    all = json_loadb((char *) b.data, b.len, 0, NULL);
    dur_buf_deinit(&b);

    found = NULL;
    *n = 0;

    json_array_foreach(all, i, app) {
        if (strstr(json_string_value(json_object_get(app, "url")), port)) {
            found = app;
            ++*n;
        }
    }

    found = found ? json_incref(found) : json_object();
    json_decref(all);

    return found;
}


static bool
syncing(const char *port)
{
    bool       is;
    json_t    *app;
    unsigned   n;

    app = shown(port, &n);
    is = json_is_true(json_object_get(app, "syncing"));
    json_decref(app);

    return is;
}


static unsigned
number(const char *port)
{
    unsigned  n;

    json_decref(shown(port, &n));

    return n;
}


static void
test_add(void)
{
    json_t    *app;
    unsigned   n;

    kit_fresh();

    is_int(app_op(NULL, OTHER, 0), 202, "a URL that nobody knows is taken");
    ok(says("\"state\":\"syncing\""), "to be synced");
    ok(kit_effect(DUR_EFFECT_APPS, 0) != NULL, "whoever asks apps is told");
    ok(syncing(":4000"), "it is shown like that");

    kit_reopen();
    ok(syncing(":4000"), "a new leader knows it as well");

    report(OTHER, "unreachable");
    app = shown(":4000", &n);
    is_int(n, 1, "its outcome is one app");
    ok(kit_is(json_object_get(app, "error"), "\"unreachable\""),
       "with the reason");
    ok(json_is_null(json_object_get(app, "synced_at")), "never synced");
    json_decref(app);
    ok(!syncing(":4000"), "and nobody waits for it any more");

    is_int(app_op(NULL, OTHER, 0), 202, "it can be asked again");
    is_int(number(":4000"), 1, "and is still one app");

    is_int(app_op(NULL, "http://localhost:4000/api/inngest", 1), 200,
           "one that never told its name is removed by its URL");
    is_int(number(":4000"), 0, "and is gone");
    is_int(app_op(NULL, OTHER, 0), 202, "until it is added again");
    is_int(number(":4000"), 1, "anew");
}


static void
test_again(void)
{
    json_t        *app;
    unsigned       n;
    dur_effect_t  *notice;

    kit_fresh();
    kit_register("f", 2);
    dur_engine_set_feed(kit.engine, true);

    is_int(app_op("app", NULL, 0), 202, "a known app is asked again");
    ok(syncing(":3000"), "it is shown");

    kit.now += 5000;
    kit_register("f", 2);
    ok(syncing(":3000"), "what it registers is not the outcome");

    report(URL, "");
    notice = kit_effect(DUR_EFFECT_FEED, 0);
    is_str(notice ? notice->text : dur_str_null,
           "{\"app\":\"app\",\"functions\":1,\"kind\":\"app.synced\","
           "\"ts\":1790000005000,"
           "\"url\":\"http://localhost:3000/api/inngest\"}",
           "the outcome is told, also when nothing has changed");

    app = shown(":3000", &n);
    ok(!json_is_true(json_object_get(app, "syncing"))
       && json_is_string(json_object_get(app, "synced_at")),
       "and when it was");
    json_decref(app);

    report(URL, "");
    ok(kit_effect(DUR_EFFECT_FEED, 0) == NULL, "once");

    dur_engine_set_feed(kit.engine, false);
}


static void
test_remove(void)
{
    dur_ulid_t  event;

    kit_fresh();
    kit_register("f", 2);
    event = kit_event("f");

    is_int(app_op("app", NULL, 1), 200, "an app is removed by its name");
    is_int(number(":3000"), 0, "it is not shown any more");
    is_str(dur_str_c(kit_status(&event)), "Scheduled", "its runs live on");

    is_int(app_op("app", NULL, 1), 404, "there is no second one");
    is_int(app_op("app", NULL, 0), 404, "nor can it be asked");

    is_int(app_op(NULL, URL, 0), 202, "but for by its URL");
    kit_register("f", 2);
    report(URL, "");
    is_int(number(":3000"), 1, "then it is one app again");
}


static void
test_refused(void)
{
    size_t    i;
    dur_op_t  op;

    static const struct {
        const char  *name;
        const char  *url;
        unsigned     remove;
        unsigned     status;
        const char  *says;
        const char  *title;
    } table[] = {
        { NULL, "", 0, 400, "http://", "an empty URL" },
        { NULL, "ftp://127.0.0.1/", 0, 400, "http://", "another scheme" },
        { NULL, "http://", 0, 400, "a host", "no host" },
        { NULL, "/api/inngest", 0, 400, "http://", "a path alone" },
        { NULL, OTHER, 1, 404, "there is no app", "an unknown URL" },
        { "nobody", NULL, 0, 404, "\\\"nobody\\\"", "an unknown name" },
        { "nobody", NULL, 1, 404, "there is no app", "removing it" },
        { "nginx:linear", NULL, 0, 409, "nginx.conf",
          "the target of a route" },
        { "nginx:linear", NULL, 1, 409, "nginx.conf", "removing that" }
    };

    kit_fresh();

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_ROUTES;
    op.body = dur_str("[{\"connector\":\"linear\",\"url\":\"http://127.0.0.1:"
                      "5000/\",\"retries\":1,\"ordered\":false,\"timeout\":"
                      "1000}]");
    kit_op(&op);

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        is_int(app_op(table[i].name, table[i].url, table[i].remove),
               table[i].status, table[i].title);
        ok(says(table[i].says), "says why");
    }
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_add();
    test_again();
    test_remove();
    test_refused();

    return kit_done();
}
