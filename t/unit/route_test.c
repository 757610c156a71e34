/* SPDX-License-Identifier: BSD-2-Clause */

/* Routes that forward: what they declare, what becomes of a delivery, and
 * the order of those that are ordered. */

#include "kit.h"

#define LINEAR   "http://127.0.0.1:5000/linear"
#define ROUTE(connector, url, retries, ordered)                              \
    "{\"connector\":\"" connector "\",\"url\":\"" url "\",\"retries\":"       \
    #retries ",\"ordered\":" #ordered ",\"timeout\":30000}"
#define STEP     "forward request to " LINEAR


/* -- a kit for routes ----------------------------------------------------- */

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


static void
setup(const char *list)
{
    kit_fresh();
    is_int(routes(list), 200, "the routes are declared");
}


/* A webhook of linear whose body is the number. */
static dur_ulid_t
webhook_as(unsigned n, const char *client)
{
    char            json[512];
    dur_op_t        op;
    dur_op_event_t  event;

    snprintf(json, sizeof(json), "{\"data\":{\"body\":\"%u\",\"headers\":{},"
             "\"method\":\"POST\"},\"id\":\"%s\",\"name\":"
             "\"event/api.webhooks.linear.action\",\"ts\":1,\"user\":{}}", n,
             client);

    memset(&event, 0, sizeof(event));
    event.id = kit_ulid(kit.entropy);
    event.ts = kit.now;
    event.name = dur_str("event/api.webhooks.linear.action");
    event.client_id = dur_str_c(client);
    event.json = dur_str_c(json);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    kit_op(&op);

    return event.id;
}


static dur_ulid_t
webhook(unsigned n)
{
    return webhook_as(n, "");
}


/* What the call is of; 0 when there is none. */
static unsigned
number(kit_attempt_t a)
{
    char  text[16] = "";

    if (a.item == 0 || kit_build(a) != DUR_OK) {
        return 0;
    }

    memcpy(text, kit.call.body.data, kit.call.body.len < 15
           ? kit.call.body.len : 15);

    return (unsigned) atoi(text);
}


/* Leases what may go; the first call, when there is one and no other. */
static kit_attempt_t
next(void)
{
    kit_attempt_t  none = { 0, 0 };

    return kit_dispatch() == 1 ? kit_attempt(0) : none;
}


/* Goes on in time until a call is leased. */
static kit_attempt_t
later(void)
{
    unsigned       i;
    kit_attempt_t  a;

    for (i = 0; i < 100; i++) {
        a = next();
        if (a.item != 0 || kit_timers() == INT64_MAX) {
            break;
        }
    }

    return a;
}


static json_t *
query(dur_rc_t (*handler)(dur_store_t *s, const dur_ulid_t *id,
    dur_buf_t *out), const dur_ulid_t *event)
{
    json_t     *v;
    dur_buf_t   b;
    dur_ulid_t  run;

    run = kit_run_id(event);
    dur_buf_init(&b, 16 << 20);
    (void) handler(dur_engine_store(kit.engine), &run, &b);
    v = json_loadb((char *) b.data, b.len, 0, NULL);
    dur_buf_deinit(&b);

    return v;
}


static const char *
text(const json_t *object, const char *key)
{
    const char  *s;

    s = json_string_value(json_object_get(object, key));

    return s ? s : "";
}


/* Outcomes of the attempts, and how many there are. */
static const char *
outcomes(const dur_ulid_t *event)
{
    size_t       i;
    json_t      *list;
    static char  line[512];

    line[0] = '\0';
    list = query(dur_query_history, event);

    for (i = 0; i < json_array_size(list); i++) {
        snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s%s",
                 i ? " " : "", text(json_array_get(list, i), "outcome"));
    }

    json_decref(list);

    return line;
}


static bool
is_outcomes(const dur_ulid_t *event, const char *want)
{
    const char  *got;

    got = outcomes(event);

    return ok(strcmp(got, want) == 0, "its attempts: %s (%s)", want, got);
}


static bool
is_status(const dur_ulid_t *event, const char *want)
{
    return ok(strcmp(kit_status(event), want) == 0, "the delivery is %s (%s)",
              want, kit_status(event));
}


static json_t *
apps(void)
{
    json_t     *v;
    dur_buf_t   b;

    dur_buf_init(&b, 1 << 20);
    (void) dur_query_apps(dur_engine_store(kit.engine), &b);
    v = json_loadb((char *) b.data, b.len, 0, NULL);
    dur_buf_deinit(&b);

    return v;
}


static unsigned
nparked(void)
{
    json_t     *v;
    unsigned    n;
    dur_buf_t   b;

    dur_buf_init(&b, 1 << 20);
    (void) dur_query_parked(dur_engine_store(kit.engine), &b);
    v = json_loadb((char *) b.data, b.len, 0, NULL);
    n = (unsigned) json_array_size(v);
    json_decref(v);
    dur_buf_deinit(&b);

    return n;
}


/* The functions as the API shows them; a new reference. */
static json_t *
function(const char *slug)
{
    size_t      i;
    json_t     *list, *found;
    dur_buf_t   b;

    found = NULL;
    dur_buf_init(&b, 1 << 20);
    (void) dur_query_functions(dur_engine_store(kit.engine), dur_str_null,
                               &b);
    list = json_loadb((char *) b.data, b.len, 0, NULL);
    dur_buf_deinit(&b);

    for (i = 0; i < json_array_size(list); i++) {
        if (strcmp(text(json_array_get(list, i), "id"), slug) == 0
            && json_is_null(json_object_get(json_array_get(list, i),
                                            "archived_at")))
        {
            found = json_incref(json_array_get(list, i));
        }
    }

    json_decref(list);

    return found;
}


static int
version(void)
{
    int      n;
    json_t  *fn;

    fn = function("api-linear");
    n = (int) json_integer_value(json_object_get(fn, "version"));
    json_decref(fn);

    return n;
}


/* -- what is declared ----------------------------------------------------- */

static void
declared(void)
{
    json_t  *list;

    setup("[" ROUTE("github", "http://127.0.0.1:5000/github", 0, false) ","
          ROUTE("linear", LINEAR, 3, false) "]");

    list = apps();
    is_int(json_array_size(list), 2, "a route's target is an app");
    ok(strcmp(text(json_array_get(list, 1), "name"), "nginx:linear") == 0
       && strcmp(text(json_array_get(list, 1), "url"), LINEAR) == 0
       && strcmp(text(json_array_get(list, 1), "sdk"), "nginx") == 0,
       "by the name of its connector");
    ok(json_is_true(json_object_get(json_array_get(list, 1), "forward")),
       "which is never asked to register");
    json_decref(list);

    is_int(version(), 1, "and has one function");

    routes("[" ROUTE("github", "http://127.0.0.1:5000/github", 0, false) ","
           ROUTE("linear", LINEAR, 3, false) "]");
    ok(version() == 1 && kit_effect(DUR_EFFECT_APPS, 0) == NULL,
       "the same routes change nothing");

    routes("[" ROUTE("linear", LINEAR, 4, false) "]");
    ok(version() == 2 && kit_effect(DUR_EFFECT_APPS, 0) != NULL,
       "another number of retries is another version");

    list = apps();
    is_int(json_array_size(list), 1, "a route that is gone is no app");
    json_decref(list);

    routes("[]");
    is_int(version(), 0, "and no function");
    routes("[" ROUTE("linear", LINEAR, 4, false) "]");
    is_int(version(), 3, "it may come back");
}


static void
refused(void)
{
    size_t  i;

    static const char  *lists[] = {
        "", "{}", "[7]", "[{}]", "[" ROUTE("a b", LINEAR, 0, false) "]",
        "[" ROUTE("", LINEAR, 0, false) "]",
        "[" ROUTE("a", "ftp://a/", 0, false) "]",
        "[" ROUTE("a", "http://a b/", 0, false) "]",
        "[" ROUTE("a", LINEAR, 21, false) "]",
        "[" ROUTE("a", LINEAR, -1, false) "]",
        "[" ROUTE("a", LINEAR, 0, false) "," ROUTE("a", LINEAR, 0, false) "]"
    };

    setup("[" ROUTE("linear", LINEAR, 3, false) "]");

    for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        ok(routes(lists[i]) == 400 && kit.reply.body.len > 0,
           "%s is refused with a sentence", lists[i]);
    }

    is_int(version(), 1, "and the routes before stay");
}


static bool
kit_registers(const char *app, const char *functions)
{
    char      body[2048];
    dur_op_t  op;

    snprintf(body, sizeof(body), "{\"url\":\"http://127.0.0.1/%s\","
             "\"deployType\":\"ping\",\"framework\":\"nodejs\",\"appName\":"
             "\"%s\",\"sdk\":\"js:v4.24.0\",\"v\":\"0.1\",\"functions\":[%s]}",
             app, app, functions);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REGISTER;
    op.body = dur_str_c(body);
    kit_op(&op);

    return kit.reply.status == 200;
}


static bool
said(const char *what)
{
    return kit.reply.body.len
           && memmem(kit.reply.body.data, kit.reply.body.len, what,
                     strlen(what)) != NULL;
}


static bool
logged(const char *what)
{
    size_t         i;
    dur_effect_t  *f;

    for (i = 0; (f = kit_effect(DUR_EFFECT_LOG, i)) != NULL; i++) {
        if (f->level == 0
            && memmem(f->text.data, f->text.len, what, strlen(what)) != NULL)
        {
            return true;
        }
    }

    return false;
}


static void
taken(void)
{
    dur_ulid_t  event;

    setup("[" ROUTE("linear", LINEAR, 3, false) "]");

    ok(!kit_registers("mine", KIT_FN("api-linear", KIT_ON("t/a"), ""))
       && said("durable_forward"),
       "an app cannot have the function of a route, and is told why");
    ok(!kit_registers("nginx:mine", KIT_FN("mine-f", KIT_ON("t/a"), "")),
       "nor the name of one");

    routes("[" ROUTE("linear", "http://127.0.0.1/mine", 3, false) "]");
    ok(kit_registers("mine", KIT_FN("mine-f", KIT_ON("t/a"), ""))
       && version() == 2, "an app at the URL of a target is another one");

    routes("[]");
    ok(kit_registers("mine", KIT_FN("api-linear",
                     KIT_ON("event/api.webhooks.linear.action"), "")),
       "when the route is gone it can");

    event = webhook(1);
    kit_dispatch();
    kit_build(kit_attempt(0));
    ok(json_is_object(kit.body), "and is called as an app");

    routes("[" ROUTE("linear", LINEAR, 3, false) "]");
    ok(logged("linear") && logged("mine"),
       "a route whose function an app has is logged with both names");
    is_int(kit.reply.status, 200, "and stops nothing else");

    kit_result(kit_attempt(0), 0, "", "");
    is_status(&event, "Running");
}


/* An old run of an app keeps being one when its function is a route's. */
static void
two_kinds(void)
{
    dur_op_t       op;
    dur_ulid_t     event;
    kit_attempt_t  a;

    kit_fresh();
    kit_registers("mine", KIT_FN("api-linear",
                  KIT_ON("event/api.webhooks.linear.action"), ""));
    event = webhook(1);
    a = next();

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REMOVE;
    op.url = dur_str("http://127.0.0.1/mine");
    kit_op(&op);
    routes("[" ROUTE("linear", LINEAR, 3, false) "]");
    is_int(version(), 1, "a route's function is one of its own");

    is_int(kit_build(a), DUR_OK, "a run that an app began ..");
    ok(json_is_object(kit.body), ".. is called as it began");
    kit_result(a, 200, KIT_SDK, "7");
    is_status(&event, "Completed");
}


/* -- deliveries ----------------------------------------------------------- */

static void
delivered(void)
{
    json_t         *list, *step;
    dur_ulid_t      event;
    kit_attempt_t   a;

    setup("[" ROUTE("linear", LINEAR, 3, false) "]");

    event = webhook(7);
    ok(said("{\"runs\":[\""), "the reply names the run");

    a = next();
    is_int(number(a), 7, "the event goes out as the request it was");
    is_str(dur_buf_str(&kit.call.url), LINEAR, "to the target");
    ok(kit.call.forward && kit.call.timeout_ms == 30000,
       "with the time of the route");

    kit_result(a, 201, "x-a: 1\n", "thanks");
    is_status(&event, "Completed");
    is_int(kit_effect(DUR_EFFECT_ACK, 0) != NULL, 1, "its result is settled");

    list = kit_run(&event);
    ok(kit_is(json_object_get(list, "output"), "{\"body\":\"thanks\","
              "\"headers\":{\"x-a\":\"1\"},\"status\":201}"),
       "its output is the answer");
    json_decref(list);

    list = query(dur_query_tree, &event);
    step = json_array_get(json_object_get(list, "steps"), 0);
    ok(json_array_size(json_object_get(list, "steps")) == 1
       && strcmp(text(step, "id"), STEP) == 0, "one step is shown");
    is_int(json_array_size(json_object_get(step, "attempts")), 1,
           "which has the attempt");
    json_decref(list);

    list = query(dur_query_history, &event);
    ok(strcmp(text(json_array_get(list, 0), "answer"), "thanks") == 0
       && json_integer_value(json_object_get(json_array_get(list, 0),
                                             "status")) == 201,
       "with status and first bytes of the answer");
    json_decref(list);

    kit_result(a, 500, "", "");
    is_int(kit.reply.status, 409, "after a 2xx nothing else counts");
    is_int(later().item, 0, "and nothing is sent again");
}


static void
tried_again(void)
{
    json_t         *run;
    int64_t         was;
    dur_ulid_t      event;
    kit_attempt_t   a;

    setup("[" ROUTE("linear", LINEAR, 2, false) "]");

    event = webhook(1);
    kit_result(next(), 500, "", "oops");
    is_status(&event, "Running");

    was = kit.now;
    a = later();
    is_int(kit.now - was, kit.conf.retry_interval,
           "a 500 is tried again after the back-off");

    kit_result(a, 429, "retry-after: 60\n", "");
    was = kit.now;
    a = later();
    is_int(kit.now - was, 60000, "Retry-After says when");
    is_int(number(a), 1, "it is the same request");

    kit_result(a, 500, "", "still");
    is_status(&event, "Failed");
    is_outcomes(&event, "retry retry failed");

    run = kit_run(&event);
    ok(strcmp(text(json_object_get(run, "output"), "message"),
              "the target answered HTTP 500") == 0,
       "the error says what the target said");
    json_decref(run);

    run = query(dur_query_tree, &event);
    ok(json_array_size(json_object_get(run, "steps")) == 1
       && json_array_size(json_object_get(json_array_get(
              json_object_get(run, "steps"), 0), "attempts")) == 3,
       "the step has all attempts");
    json_decref(run);

    event = webhook(2);
    kit_result(next(), 404, "", "");
    is_status(&event, "Failed");
    is_outcomes(&event, "failed");
}


static void
known(void)
{
    setup("[" ROUTE("linear", LINEAR, 2, false) "]");

    webhook_as(1, "delivery-1");
    ok(said("runs"), "a delivery starts a run");
    webhook_as(1, "delivery-1");
    ok(!said("runs"), "one that is sent again starts none");
    is_int(kit_dispatch(), 1, "and is sent on once");
}


/* -- a target that is away ------------------------------------------------ */

static void
away(void)
{
    unsigned       i, tries;
    dur_ulid_t     event;
    kit_attempt_t  a;

    setup("[" ROUTE("linear", LINEAR, 0, false) "]");

    event = webhook(1);
    kit_result_error(next(), DUR_CALL_ECONNECT);
    is_int(nparked(), 1, "without attempts left nobody home parks the target");
    is_status(&event, "Running");

    for (i = tries = 0; i < 20; i++) {
        a = later();
        tries += number(a) == 1;
        kit_result_error(a, DUR_CALL_ECONNECT);
    }

    is_int(tries, 20, "it is tried for as long as it takes");
    is_outcomes(&event, "parked");

    kit_result(later(), 200, "", "");
    is_status(&event, "Completed");
    is_int(nparked(), 0, "and delivered when somebody is there");
}


static void
poison(void)
{
    unsigned       i, n;
    dur_ulid_t     bad, good;
    kit_attempt_t  a;

    setup("[" ROUTE("linear", LINEAR, 9, false) "]");
    bad = webhook(1);

    for (i = 0; i < 5; i++) {
        kit_result(later(), 503, "", "");
    }

    is_int(nparked(), 1, "a target that says 503 is parked");
    good = webhook(2);

    for (i = n = 0; i < 4 && n != 2; i++) {
        a = later();
        n = number(a);
        kit_result(a, n == 1 ? 503 : 200, "", "");
    }

    is_int(n, 2, "a request that it always answers so does not hold up "
           "others");
    is_status(&good, "Completed");
    is_int(nparked(), 0, "which unpark it");

    a = later();
    is_int(number(a), 1, "the one goes on with its attempts");
    is_status(&bad, "Running");
}


/* -- order ---------------------------------------------------------------- */

static void
ordered(void)
{
    json_t         *tree;
    int64_t         was;
    dur_ulid_t      first;
    kit_attempt_t   a;

    setup("[" ROUTE("linear", LINEAR, 2, true) "]");

    first = webhook(1);
    kit.now -= 60000;
    webhook(2);
    kit.now -= 60000;
    webhook(3);
    kit.now += 120000;

    a = next();
    is_int(number(a), 1, "the first goes first, whatever the clock says");
    is_int(kit_dispatch(), 0, "the next one waits for its answer");

    kit_result(a, 500, "", "");
    is_int(kit_dispatch(), 0, "and for its back-off");

    kit_reopen();
    is_int(kit_dispatch(), 0, "also after a restart");
    tree = query(dur_query_tree, &first);
    ok(strcmp(text(json_object_get(tree, "waits"), "for"), "retry") == 0,
       "which is what it says it waits for");
    json_decref(tree);
    ok(dur_engine_next_due(kit.engine) == kit.now + kit.conf.retry_interval,
       "when it is over is known");

    was = kit.now;
    a = later();
    ok(number(a) == 1 && kit.now - was == kit.conf.retry_interval,
       "then the same one goes again");

    kit_reopen();
    is_int(kit_dispatch(), 0, "what is out holds up the next one, too");
    kit_result(a, 400, "", "");
    is_status(&first, "Failed");

    a = next();
    is_int(number(a), 2, "one that failed for good lets the next one go");
    kit_result(a, 200, "", "");
    is_int(number(next()), 3, "and so does one that was delivered");
}


static void
cancelled(void)
{
    dur_op_t       op;
    dur_ulid_t     first;
    kit_attempt_t  a;

    setup("[" ROUTE("linear", LINEAR, 2, true) "]");
    first = webhook(1);
    webhook(2);

    kit_result(next(), 503, "retry-after: 3600\n", "");
    is_int(kit_dispatch(), 0, "a target may ask for an hour");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    op.run = kit_run_id(&first);
    kit_op(&op);
    is_status(&first, "Cancelled");

    a = next();
    is_int(number(a), 2, "a delivery that is cancelled lets the next one go");

    op.run = kit_run_id(&first);
    kit_op(&op);
    is_int(number(a), 2, "once");
}


static void
reordered(void)
{
    kit_attempt_t  a;

    setup("[" ROUTE("linear", LINEAR, 2, false) "]");
    webhook(1);
    webhook(2);
    routes("[" ROUTE("linear", LINEAR, 2, true) "]");
    webhook(3);

    a = next();
    is_int(number(a), 1, "a route that is ordered from now on ..");
    kit_result(a, 200, "", "");
    a = next();
    is_int(number(a), 2, ".. begins with what waits");

    routes("[" ROUTE("linear", LINEAR, 2, false) "]");
    webhook(4);
    is_int(kit_dispatch(), 2, "one that is not any more sends all");
    kit_result(a, 200, "", "");
    is_int(kit_dispatch(), 0, "each once");
}


/* Waiting items are found by key wherever they are. */
static void
gone(void)
{
    dur_ulid_t     one, two;
    kit_attempt_t  a;

    setup("[" ROUTE("linear", LINEAR, 0, true) "]");
    one = webhook(1);
    two = webhook(2);
    a = next();
    routes("[]");

    webhook(3);
    kit_result(a, 200, "", "");
    is_status(&one, "Completed");
    a = next();
    is_int(number(a), 2, "what came before a route was gone is delivered");
    kit_result(a, 200, "", "");
    is_status(&two, "Completed");
    is_int(later().item, 0, "what came after is an event only");
}


static void
pausing(bool pause)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_PAUSE;
    op.url = dur_str("api-linear");
    op.generation = pause;
    kit_op(&op);
}


static void
resumed(void)
{
    unsigned       i, wrong;
    kit_attempt_t  a;

    setup("[" ROUTE("linear", LINEAR, 0, true) "]");

    for (i = 1; i <= 300; i++) {
        webhook(i);
    }

    pausing(true);

    for (i = 0; i < 10; i++) {
        is_int(kit_dispatch(), 0, "a paused route sends nothing");
    }

    pausing(false);
    wrong = 0;
    webhook(301);

    for (i = 1; i <= 301; i++) {
        a = next();

        while (a.item == 0 && dur_engine_has_tasks(kit.engine)) {
            kit_plain(DUR_OP_TASKS, 0);
            a = next();
        }

        wrong += number(a) != i;
        kit_result(a, 200, "", "");
    }

    is_int(wrong, 0, "one that goes on keeps the order");
}


/* An hour away, all delivered afterwards, in order. */
static void
long_away(void)
{
    unsigned       i, wrong;
    int64_t        back;
    kit_attempt_t  a;

    setup("[" ROUTE("linear", LINEAR, 3, true) "]");
    back = kit.now + 3600 * 1000;
    wrong = 0;

    for (i = 1; i <= 500; i++) {
        webhook(i);
        kit.now += 7200;

        a = next();
        if (a.item != 0) {
            wrong += number(a) != 1;
            kit_result_error(a, DUR_CALL_ECONNECT);
        }

        while (dur_engine_next_due(kit.engine) <= kit.now) {
            kit_plain(DUR_OP_TIMERS, 0);
        }
    }

    ok(kit.now >= back, "a target is away for an hour");
    is_int(wrong, 0, "meanwhile only the first delivery is tried");

    for (i = 1; i <= 500; i++) {
        a = later();
        wrong += number(a) != i;
        kit_result(a, 200, "", "");
    }

    is_int(wrong, 0, "then all are delivered, in the order they came in");
    is_int(later().item, 0, "each once");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    declared();
    refused();
    taken();
    two_kinds();
    delivered();
    tried_again();
    known();
    away();
    poison();
    ordered();
    cancelled();
    reordered();
    gone();
    resumed();
    long_away();

    return kit_done();
}
