/* SPDX-License-Identifier: BSD-2-Clause */

/* What waits and why, with backlogs that are longer than what is counted. */

#include "kit.h"

#include "engine/dur_query_queue.h"

static dur_buf_t  out;


static json_t *
parsed(dur_rc_t rc)
{
    json_t  *v;

    v = rc == DUR_OK ? json_loadb((char *) out.data, out.len, JSON_DECODE_ANY,
                                  NULL)
                     : NULL;
    dur_buf_reset(&out);

    return v;
}


/* One function "app-f" of app "app" with more options, for t/f. */
static void
limited(const char *options)
{
    dur_op_t   op;
    dur_buf_t  b;

    dur_buf_init(&b, 1 << 16);
    dur_buf_addf(&b, "{\"url\":\"http://127.0.0.1:3000/api/inngest\","
                 "\"deployType\":\"ping\",\"appName\":\"app\",\"sdk\":"
                 "\"js:v4.24.0\",\"v\":\"0.1\",\"functions\":[{\"id\":"
                 "\"app-f\",\"name\":\"f\",\"triggers\":[{\"event\":\"t/f\"}],"
                 "\"steps\":{\"step\":{\"id\":\"step\",\"name\":\"step\","
                 "\"runtime\":{\"type\":\"http\",\"url\":\"http://127.0.0.1:"
                 "3000/api/inngest?fnId=app-f&stepId=step\"}}},%s}]}",
                 options);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REGISTER;
    op.body = dur_buf_str(&b);
    kit_op(&op);
    is_int(kit.reply.status, 200, "a function with %s", options);
    dur_buf_deinit(&b);
}


/* An event with data.k; its id. */
static dur_ulid_t
sent(unsigned k)
{
    char            json[128];
    dur_op_t        op;
    dur_op_event_t  event;

    memset(&event, 0, sizeof(event));
    event.id = kit_ulid(++kit.entropy);
    snprintf(json, sizeof(json), "{\"name\":\"t/f\",\"data\":{\"k\":%u},"
             "\"ts\":%lld}", k, (long long) kit.now);
    event.name = dur_str("t/f");
    event.json = dur_str_c(json);
    event.ts = kit.now;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.events = &event;
    op.nevents = 1;
    kit_op(&op);
    kit.now++;

    return event.id;
}


static json_t *
first_reason(const dur_ulid_t *event)
{
    json_t      *v, *reason;
    dur_ulid_t   run;

    run = kit_run_id(event);
    v = parsed(dur_query_run(dur_engine_store(kit.engine), &run, &out));
    reason = json_incref(json_array_get(json_object_get(v, "waiting"), 0));
    json_decref(v);

    return reason;
}


static json_t *
queue(void)
{
    dur_query_queue_t  want = { 0, 20, kit.now };

    return parsed(dur_query_queue(dur_engine_store(kit.engine), &want, &out));
}


static long long
number(json_t *v, const char *key)
{
    return json_integer_value(json_object_get(v, key));
}


static const char *
text(json_t *v, const char *key)
{
    const char  *s;

    s = json_string_value(json_object_get(v, key));

    return s ? s : "(none)";
}


static void
test_backlog(void)
{
    json_t      *v, *app;
    unsigned     i;
    dur_ulid_t   ids[1005];

    kit_fresh();
    kit_register("f", 1);

    for (i = 0; i < 1005; i++) {
        ids[i] = sent(i);
    }

    v = first_reason(&ids[7]);
    is_str(dur_str_c(text(v, "kind")), "queued", "a run is queued");
    is_int(number(v, "before"), 7, "behind those that were before it");
    ok(json_object_get(v, "at_least") == NULL, "counted to the end");
    json_decref(v);

    v = first_reason(&ids[1004]);
    is_int(number(v, "before"), 1000, "counts end at 1,000");
    ok(json_is_true(json_object_get(v, "at_least")), "and say so");
    json_decref(v);

    v = queue();
    app = json_array_get(json_object_get(v, "apps"), 0);
    is_int(number(v, "ready"), 1005, "the number of all is exact");
    is_int(number(app, "ready"), 1000, "that of an app ends at 1,000");
    ok(json_is_true(json_object_get(app, "at_least")), "and says so");
    ok(json_is_null(json_object_get(v, "cursor")), "there is one app");
    json_decref(v);
}


static void
test_limits(void)
{
    json_t      *v, *keys, *limits;
    unsigned     i;
    dur_ulid_t   last;

    kit_fresh();
    limited("\"concurrency\":[{\"limit\":1,\"key\":\"event.data.k\"}]");

    for (i = 0; i < 12; i++) {
        last = sent(i % 3 == 0 ? 1 : i % 3);
    }

    /* keys 1 and 2: eight and four of them; one of each runs */

    kit_dispatch();

    v = first_reason(&last);
    is_str(dur_str_c(text(v, "kind")), "concurrency", "a limit holds it up");
    is_str(dur_str_c(text(v, "scope")), "fn", "of the function");
    is_str(dur_str_c(text(v, "key")), "event.data.k", "with its key");
    is_int(number(v, "limit"), 1, "and its number");
    is_int(number(v, "before"), 2, "behind those of the same value");
    json_decref(v);

    v = parsed(dur_query_function_queue(dur_engine_store(kit.engine),
                                        dur_str("app-f"), kit.now, &out));
    limits = json_object_get(v, "limits");
    keys = json_object_get(v, "keys");

    is_int(number(v, "leased"), 2, "two run");
    is_int(number(v, "blocked"), 10, "ten wait for a limit");
    is_int(json_array_size(limits), 1, "of which there is one");
    is_int(json_array_size(keys), 2, "for two values");
    is_int(number(json_array_get(keys, 0), "waiting"), 7,
           "that most wait for is the first");
    is_int(number(json_array_get(keys, 0), "in_use"), 1, "one of it runs");
    is_int(number(json_array_get(keys, 1), "waiting"), 3, "then the other");
    json_decref(v);

    is_int(dur_query_function_queue(dur_engine_store(kit.engine),
                                    dur_str("nobody"), kit.now, &out),
           DUR_ENOTFOUND, "a function that is not there");
}


static void
test_throttle(void)
{
    json_t      *v;
    dur_ulid_t   first, second;

    kit_fresh();
    limited("\"throttle\":{\"limit\":1,\"period\":\"60s\"}");

    first = sent(1);
    second = sent(2);
    kit_dispatch();

    v = first_reason(&first);
    is_str(dur_str_c(text(v, "kind")), "call", "the first is called");
    json_decref(v);

    v = first_reason(&second);
    is_str(dur_str_c(text(v, "kind")), "throttle", "the second waits");
    ok(json_is_string(json_object_get(v, "until")), "and knows until when");
    json_decref(v);
}


int
main(void)
{
    dur_buf_init(&out, 1 << 24);

    if (!kit_init()) {
        return 2;
    }

    test_backlog();
    test_limits();
    test_throttle();

    dur_buf_deinit(&out);

    return kit_done();
}
