/* SPDX-License-Identifier: BSD-2-Clause */

/* Webhooks that are sent again, and how deliveries are listed. */

#include "kit.h"

#define TARGET  "http://u:p@127.0.0.1:5000/linear?key=1"
#define ROUTES  "[{\"connector\":\"linear\",\"url\":\"" TARGET "\","          \
                "\"retries\":1,\"ordered\":false,\"timeout\":1000}]"
#define MANY    300


/* -- a kit for deliveries ------------------------------------------------- */

static unsigned
routes(const char *list)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_ROUTES;
    op.body = dur_str_c(list);
    kit_op(&op);

    return kit.reply.status;
}


static dur_ulid_t
webhook(const char *connector, const char *client)
{
    char            name[64], json[256];
    dur_op_t        op;
    dur_op_event_t  event;

    kit.now++;
    snprintf(name, sizeof(name), "event/api.webhooks.%s.action", connector);
    snprintf(json, sizeof(json), "{\"data\":{\"body\":\"%s\",\"headers\":{},"
             "\"method\":\"POST\"},\"id\":\"%s\",\"name\":\"%s\",\"ts\":1,"
             "\"user\":{}}", client, client, name);

    memset(&event, 0, sizeof(event));
    event.id = kit_ulid(kit.entropy);
    event.ts = kit.now;
    event.name = dur_str_c(name);
    event.client_id = dur_str_c(client);
    event.json = dur_str_c(json);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    kit_op(&op);

    return event.id;
}


/* Answers all calls that are out or due; how many there were.  `order` gets
 * the bodies of the calls. */
static unsigned
answer(unsigned status, char *order, size_t size)
{
    size_t         i, n, used;
    kit_attempt_t  calls[MANY];

    kit_out.n = 0;
    kit_gather();
    kit_dispatch();
    kit_gather();

    n = kit_out.n;
    used = 0;
    memcpy(calls, kit_out.out, n * sizeof(calls[0]));
    kit_out.n = 0;

    for (i = 0; i < n; i++) {
        if (order != NULL && kit_build(calls[i]) == DUR_OK) {
            used += (size_t) snprintf(order + used, size - used, "%.*s ",
                                      (int) kit.call.body.len,
                                      (const char *) kit.call.body.data);
        }

        kit_result(calls[i], status, "", "so it says");
    }

    return (unsigned) n;
}


static void
fail_all(void)
{
    while (answer(404, NULL, 0) > 0) { /* void */ }
}


static unsigned
redeliver(const dur_ulid_t *run)
{
    dur_op_t  op;

    kit.now++;
    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REDELIVER;
    op.id = kit_ulid(++kit.entropy);
    op.run = *run;
    kit_op(&op);

    return kit.reply.status;
}


/* The status; *id is of the redelivery. */
static unsigned
redeliver_all(const char *connector, const char *body, dur_ulid_t *id)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REDELIVER;
    op.id = kit_ulid(++kit.entropy);
    op.url = dur_str_c(connector);
    op.body = dur_str_c(body);
    kit_op(&op);

    if (id != NULL) {
        *id = op.id;
    }

    return kit.reply.status;
}


static unsigned
stop(const dur_ulid_t *id)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REDELIVER;
    op.id = kit_ulid(++kit.entropy);
    op.run = *id;
    op.generation = 1;
    kit_op(&op);

    return kit.reply.status;
}


/* Does what is left of tasks; how many pieces it were. */
static unsigned
work(void)
{
    unsigned  n;

    for (n = 0; n < 1000 && dur_engine_has_tasks(kit.engine); n++) {
        kit_plain(DUR_OP_TASKS, 0);
    }

    return n;
}


/* The redelivery; a new reference. */
static json_t *
progress(const dur_ulid_t *id)
{
    json_t     *got;
    dur_buf_t   b;

    dur_buf_init(&b, 4096);
    (void) dur_query_redelivery(dur_engine_store(kit.engine), id, &b);
    got = json_loadb((char *) b.data, b.len, 0, NULL);
    dur_buf_deinit(&b);

    return got;
}


static int64_t
counted(const dur_ulid_t *id, const char *what)
{
    json_t   *x;
    int64_t   n;

    x = progress(id);
    n = json_is_true(json_object_get(x, "done"))
        ? json_integer_value(json_object_get(x, what)) : -1;
    json_decref(x);

    return n;
}


/* The deliveries of a connector, newest first; a new reference. */
static json_t *
deliveries(const char *connector, unsigned statuses)
{
    json_t            *list;
    dur_buf_t          b;
    dur_query_list_t   want;
    dur_query_page_t   page;

    memset(&want, 0, sizeof(want));
    want.limit = 1000;
    want.filter.before_ms = INT64_MAX;
    want.shape = DUR_QUERY_DELIVERY;
    want.filter.connector = dur_str_c(connector);
    want.filter.statuses = statuses;

    dur_buf_init(&b, 16 << 20);
    list = NULL;

    if (dur_query_runs(dur_engine_store(kit.engine), &want, &page, &b)
        == DUR_OK)
    {
        list = json_loadb((char *) b.data, b.len, 0, NULL);
    }

    dur_buf_deinit(&b);

    return list;
}


static size_t
delivered(const char *connector, const char *status)
{
    size_t   n;
    json_t  *list;

    list = deliveries(connector, dur_query_status_mask(dur_str_c(status)));
    n = json_array_size(list);
    json_decref(list);

    return n;
}


static bool
text_is(const json_t *object, const char *key, const char *want)
{
    const char  *got = json_string_value(json_object_get(object, key));

    return got != NULL && strcmp(got, want) == 0;
}


/* -- tests ---------------------------------------------------------------- */

static void
test_list(void)
{
    json_t     *list, *one;
    dur_buf_t   b;

    kit_fresh();
    routes(ROUTES);
    kit_app("app", KIT_FN("app-hook", KIT_ON("event/api.webhooks.github."
                          "action") "," KIT_ON("event/api.webhooks.x.action"),
                          "") "," KIT_FN("app-f", KIT_ON("t/f"), ""));

    dur_buf_init(&b, 1 << 16);
    (void) dur_query_routes(dur_engine_store(kit.engine), &b);
    list = json_loadb((char *) b.data, b.len, 0, NULL);
    is_int(json_array_size(list), 3, "routes are what webhooks start");

    one = json_array_get(list, 0);
    ok(text_is(one, "connector", "linear") && text_is(one, "function",
                                                      "api-linear")
       && json_is_true(json_object_get(one, "forward"))
       && json_integer_value(json_object_get(one, "retries")) == 1,
       "one that forwards");
    ok(text_is(one, "url", "http://127.0.0.1:5000/linear"),
       "whose URL is shown without what may be secret");
    ok(text_is(json_array_get(list, 1), "connector", "github")
       && text_is(json_array_get(list, 1), "app", "app")
       && text_is(json_array_get(list, 2), "connector", "x"),
       "and one of an app, for each of its connectors");
    json_decref(list);
    dur_buf_deinit(&b);

    webhook("linear", "linear:1");
    webhook("github", "github:1");
    webhook("x", "x:1");
    kit_event("f");
    kit_dispatch();

    list = deliveries("linear", 0);
    is_int(json_array_size(list), 1, "a route has its own deliveries");
    one = json_array_get(list, 0);
    ok(text_is(one, "delivery_id", "linear:1")
       && text_is(one, "status", "Running")
       && json_integer_value(json_object_get(one, "attempts")) == 0
       && json_object_get(one, "received_at") != NULL,
       "one on its way, as its sender knows it");
    json_decref(list);

    kit_fresh();
    routes(ROUTES);
    webhook("linear", "linear:1");
    answer(503, NULL, 0);
    kit_timers();
    answer(404, NULL, 0);

    list = deliveries("linear", 0);
    one = json_array_get(list, 0);
    ok(text_is(one, "status", "Failed")
       && json_integer_value(json_object_get(one, "attempts")) == 2
       && json_integer_value(json_object_get(one, "http_status")) == 404
       && text_is(one, "error", "the target answered HTTP 404")
       && json_is_false(json_object_get(one, "redelivered")),
       "one that failed says how often and why");
    json_decref(list);

    is_int(delivered("linear", "Failed"), 1, "it is found by its outcome");
    is_int(delivered("linear", "Completed"), 0, "not by another one");
    ok(deliveries("nobody", 0) == NULL, "an unknown route has no list");

    routes("[]");
    is_int(delivered("linear", "Failed"), 1, "a route that is gone has one");
}


static void
test_one(void)
{
    json_t      *list;
    dur_ulid_t   event, run, other;

    kit_fresh();
    routes(ROUTES);
    kit_register("f", 0);

    event = webhook("linear", "linear:1");
    run = kit_run_id(&event);
    kit_dispatch();
    is_int(redeliver(&run), 409, "a delivery under way is not sent again");

    kit_fresh();
    routes(ROUTES);
    kit_register("f", 0);
    event = webhook("linear", "linear:1");
    run = kit_run_id(&event);
    fail_all();

    is_int(redeliver(&run), 200, "one that failed is");
    ok(strncmp((const char *) kit.reply.body.data, "{\"run_id\":\"", 11) == 0,
       "and has another run");
    is_int(answer(200, NULL, 0), 1, "with a call of its own");
    is_int(delivered("linear", "Completed"), 1, "which may do better");

    list = deliveries("linear", 0);
    ok(json_object_get(json_array_get(list, 0), "original_run_id") != NULL
       && json_is_true(json_object_get(json_array_get(list, 1),
                                       "redelivered")),
       "both say of each other");
    json_decref(list);

    is_int(redeliver(&run), 200, "it may be sent again and again");

    event = kit_event("f");
    other = kit_run_id(&event);
    fail_all();
    is_int(redeliver(&other), 404, "another run is no delivery");
    other = kit_ulid(99);
    is_int(redeliver(&other), 404, "nor is none at all");

    fail_all();
    routes("[]");
    is_int(redeliver(&run), 409, "without its route nobody takes it");
}


static void
test_many(void)
{
    char        order[64];
    dur_ulid_t  id, again;

    kit_fresh();
    routes(ROUTES);
    webhook("linear", "1");
    webhook("linear", "2");
    answer(200, NULL, 0);
    webhook("linear", "3");
    webhook("linear", "4");
    webhook("linear", "5");
    fail_all();

    is_int(redeliver_all("linear", "{}", &id), 200, "all that failed");
    is_int(counted(&id, "redelivered"), -1, "is a task");
    work();
    is_int(counted(&id, "redelivered"), 3, "that sends each again");
    is_int(counted(&id, "scanned"), 5, "and says what it looked at");

    is_int(answer(404, order, sizeof(order)), 3, "as many calls");
    is_str(dur_str_c(order), "3 4 5 ", "in the order they came in");

    redeliver_all("linear", "{\"status\":\"failed\"}", &again);
    work();
    is_int(counted(&again, "redelivered"), 3, "those that failed once more "
           "are sent once more, the first ones not");
    is_int(answer(200, NULL, 0), 3, "they go through");

    redeliver_all("linear", "{}", &again);
    work();
    is_int(counted(&again, "redelivered"), 0, "what went through in the end "
           "is not sent again");

    redeliver_all("linear", "{\"status\":\"Completed,Failed\"}", &again);
    work();
    is_int(counted(&again, "redelivered"), 5, "unless that is asked for");
}


/* Within a millisecond the ids of runs say nothing. */
static void
test_order(void)
{
    char        name[8], order[256], want[256];
    size_t      used;
    unsigned    i;
    dur_ulid_t  id;

    kit_fresh();
    routes(ROUTES);
    used = 0;

    for (i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "%u", i);
        used += (size_t) snprintf(want + used, sizeof(want) - used, "%u ", i);
        webhook("linear", name);
        kit.now--;
    }

    kit.now++;
    fail_all();
    redeliver_all("linear", "{}", &id);
    work();
    is_int(answer(200, order, sizeof(order)), 40, "what came at once");
    is_str(dur_str_c(order), want, "goes in the order it came in");
}


static void
test_bounded(void)
{
    char         first[8];
    json_t      *x;
    unsigned     i;
    dur_ulid_t   id;

    kit_fresh();
    routes(ROUTES);

    for (i = 0; i < 100; i++) {
        snprintf(first, sizeof(first), "%u", i);
        webhook("linear", first);
    }

    fail_all();
    kit.now += 1000;
    is_int(redeliver_all("linear", "{}", &id), 200, "many");
    kit_plain(DUR_OP_TASKS, 0);
    ok(dur_engine_has_tasks(kit.engine), "are sent again in pieces");

    kit_reopen();
    ok(work() >= 3, "also by the next leader");
    is_int(counted(&id, "redelivered"), 100, "each once");
    is_int(answer(200, NULL, 0), 100, "with a call each");

    kit_fresh();
    routes(ROUTES);

    for (i = 0; i < 100; i++) {
        webhook("linear", "");
    }

    fail_all();
    redeliver_all("linear", "{}", &id);
    kit_plain(DUR_OP_TASKS, 0);
    x = progress(&id);
    i = (unsigned) json_integer_value(json_object_get(x, "redelivered"));
    json_decref(x);
    ok(i > 0 && i < 100, "a redelivery that is half done");

    is_int(stop(&id), 200, "can be stopped");
    work();
    is_int(counted(&id, "redelivered"), i, "and goes no further");
}


static void
test_window(void)
{
    char        body[160];
    dur_ulid_t  id;

    kit_fresh();
    routes(ROUTES);
    kit.now = 1790000000000;
    webhook("linear", "old");
    kit.now += 3600 * 1000;
    webhook("linear", "young");
    fail_all();
    kit.now += 1000;

    snprintf(body, sizeof(body), "{\"after\":\"2026-09-21T14:30:00Z\"}");
    redeliver_all("linear", body, &id);
    work();
    is_int(counted(&id, "redelivered"), 1, "those of a window");
    is_int(counted(&id, "scanned"), 1, "alone are looked at");

    redeliver_all("linear", "{\"before\":\"2026-09-21T14:30:00Z\"}", &id);
    work();
    is_int(counted(&id, "redelivered"), 1, "before an instant");

    is_int(redeliver_all("nobody", "{}", NULL), 404, "an unknown route");
    is_int(redeliver_all("linear", "[]", NULL), 400, "a body that is none");
    is_int(redeliver_all("linear", "{\"status\":\"Running\"}", NULL), 400,
           "what has not ended");
    is_int(redeliver_all("linear", "{\"status\":\"\"}", NULL), 400,
           "no status");
    is_int(redeliver_all("linear", "{\"status\":7}", NULL), 400, "a number");
    is_int(redeliver_all("linear", "{\"after\":\"soon\"}", NULL), 400,
           "no time");
    is_int(redeliver_all("linear", "{\"after\":\"2026-09-22T00:00:00Z\","
                         "\"before\":\"2026-09-21T00:00:00Z\"}", NULL), 400,
           "a window that ends before it begins");
}


/* What cannot be sent again is counted, and only so many are kept. */
static void
test_refused(void)
{
    unsigned    i;
    json_t     *list;
    dur_buf_t   b;
    dur_ulid_t  id;

    kit_fresh();
    routes(ROUTES);
    webhook("linear", "1");
    fail_all();
    routes("[]");

    redeliver_all("linear", "{}", &id);
    work();
    ok(counted(&id, "redelivered") == 0 && counted(&id, "refused") == 1,
       "a delivery without a route is counted as refused");

    for (i = 0; i < 99; i++) {
        redeliver_all("linear", "{}", NULL);
    }

    is_int(redeliver_all("linear", "{}", NULL), 200,
           "the hundred and first takes the place of one that is done");
    ok(progress(&id) == NULL, "the oldest");
    is_int(redeliver_all("linear", "{}", NULL), 409,
           "without one that is done there is no place");

    dur_buf_init(&b, 1 << 20);
    (void) dur_query_redeliveries(dur_engine_store(kit.engine), &b);
    list = json_loadb((char *) b.data, b.len, 0, NULL);
    is_int(json_array_size(list), 100, "they are listed");
    json_decref(list);
    dur_buf_deinit(&b);
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_list();
    test_one();
    test_many();
    test_order();
    test_bounded();
    test_window();
    test_refused();

    return kit_done();
}
