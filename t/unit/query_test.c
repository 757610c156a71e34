/* SPDX-License-Identifier: BSD-2-Clause */

/* What the REST endpoints read (protocol 2.4, 4.7, 8.1). */

#include "kit.h"

static dur_buf_t  out;


static json_t *
parsed(dur_rc_t rc)
{
    json_t  *v;

    if (rc != DUR_OK) {
        return NULL;
    }

    v = json_loadb((char *) out.data, out.len, JSON_DECODE_ANY, NULL);
    dur_buf_reset(&out);

    return v;
}


static const char *
text(json_t *object, const char *key)
{
    const char  *s;

    s = json_string_value(json_object_get(object, key));

    return s ? s : "(none)";
}


static void
test_run(void)
{
    char            id[DUR_ULID_TEXT_LEN + 1];
    json_t         *v, *first;
    dur_ulid_t      event, run;
    dur_store_t    *s;

    kit_fresh();
    s = dur_engine_store(kit.engine);
    kit_register("f", 1);
    event = kit_event("f");
    run = kit_run_id(&event);

    v = parsed(dur_query_run(s, &run, &out));
    dur_ulid_text(&run, id);
    is_str(dur_str_c(text(v, "run_id")), id, "a run has its id");
    is_int(strlen(text(v, "function_id")), 36, "its function's UUID");
    dur_ulid_text(&event, id);
    is_str(dur_str_c(text(v, "event_id")), id, "its event");
    ok(json_is_null(json_object_get(v, "ended_at")), "and no end yet");
    json_decref(v);

    kit_dispatch();
    kit_result(kit_attempt(0), 206, KIT_SDK,
               "[" KIT_RUN(KIT_A, "a", "{\"z\":1,\"a\":[1.50]}") "]");

    is_int(dur_query_actions(s, &run, &out), DUR_OK, "its memos are a map");
    is_str(dur_buf_str(&out),
           "{\"" KIT_A "\":{\"data\":{\"a\":[1.5],\"z\":1}}}",
           "in canonical form, as a call has them");
    dur_buf_reset(&out);

    v = parsed(dur_query_batch(s, &run, &out));
    first = json_array_get(v, 0);
    is_str(dur_str_c(text(first, "name")), "t/f",
           "its events are a bare list");
    json_decref(v);

    kit_result(kit_attempt(0), 500, KIT_SDK, "{\"message\":\"boom\"}");
    kit_timers();
    kit_dispatch();
    kit_result(kit_attempt(0), 200, KIT_SDK, "{\"b\":1,  \"a\":2}");

    v = parsed(dur_query_run(s, &run, &out));
    is_str(dur_str_c(text(v, "status")), "Completed", "an ended run");
    ok(json_is_string(json_object_get(v, "ended_at")), "has its end");
    is_int(json_integer_value(json_object_get(json_object_get(v, "output"),
                                              "a")), 2, "and its output");
    json_decref(v);

    v = parsed(dur_query_history(s, &run, &out));
    is_int(json_array_size(v), 3, "every attempt has a record");
    is_int(json_integer_value(json_object_get(json_array_get(v, 1),
                                              "status")), 500,
           "in order, with its status");
    json_decref(v);
}


static void
test_unknown(void)
{
    dur_ulid_t    id;
    dur_store_t  *s;

    s = dur_engine_store(kit.engine);
    id = kit_ulid(424242);

    dur_buf_reset(&out);
    dur_buf_addz(&out, "before");
    is_int(dur_query_run(s, &id, &out), DUR_ENOTFOUND, "no such run");
    is_int(dur_query_batch(s, &id, &out), DUR_ENOTFOUND, "no events of it");
    is_int(dur_query_actions(s, &id, &out), DUR_ENOTFOUND, "nor memos");
    is_int(dur_query_event(s, &id, &out), DUR_ENOTFOUND, "no such event");
    is_int(dur_query_functions(s, dur_str("nobody"), &out), DUR_ENOTFOUND,
           "no such app");
    is_str(dur_buf_str(&out), "before", "what was written stays as it was");
    dur_buf_reset(&out);
}


static void
test_events(void)
{
    char                 id[DUR_ULID_TEXT_LEN + 1];
    json_t              *v;
    unsigned             i;
    dur_ulid_t           ids[5];
    dur_store_t         *s;
    dur_query_list_t     q;
    dur_query_page_t     page;

    kit_fresh();
    s = dur_engine_store(kit.engine);

    for (i = 0; i < 5; i++) {
        kit.now += 1000;
        ids[i] = kit_event(i == 2 ? "other" : "some");
    }

    memset(&q, 0, sizeof(q));
    q.limit = 3;
    q.filter.before_ms = INT64_MAX;

    v = parsed(dur_query_events(s, &q, &page, &out));
    is_int(json_array_size(v), 3, "a page has as many events as asked");
    dur_ulid_text(&ids[4], id);
    is_str(dur_str_c(text(json_array_get(v, 0), "internal_id")), id,
           "newest first");
    json_decref(v);

    q.cursor = &ids[2];
    v = parsed(dur_query_events(s, &q, &page, &out));
    is_int(json_array_size(v), 2, "the next page begins before the cursor");
    dur_ulid_text(&ids[1], id);
    is_str(dur_str_c(text(json_array_get(v, 0), "internal_id")), id,
           "with the one before it");
    json_decref(v);

    q.cursor = NULL;
    q.filter.event = dur_str("t/other");
    v = parsed(dur_query_events(s, &q, &page, &out));
    is_int(json_array_size(v), 1, "a name picks its events");
    json_decref(v);

    q.filter.event = dur_str_null;
    q.limit = 50;
    q.filter.after_ms = kit.now - 1500;
    v = parsed(dur_query_events(s, &q, &page, &out));
    is_int(json_array_size(v), 2, "a time picks the later ones");
    json_decref(v);

    v = parsed(dur_query_event(s, &ids[0], &out));
    is_str(dur_str_c(text(v, "name")), "t/some", "one event can be read");
    json_decref(v);
}


/* The ids of a page, oldest last, as the numbers of ids[]; 9: another. */
static const char *
page_of(const dur_query_list_t *q, dur_query_page_t *page,
    const dur_ulid_t *ids, size_t n)
{
    char          id[DUR_ULID_TEXT_LEN + 1];
    json_t       *v;
    size_t        i, j;
    dur_store_t  *s = dur_engine_store(kit.engine);
    static char   list[32];

    v = parsed(dur_query_runs(s, q, page, &out));
    memset(list, 0, sizeof(list));

    for (i = 0; i < json_array_size(v) && i < sizeof(list) - 1; i++) {
        list[i] = '9';

        for (j = 0; j < n; j++) {
            dur_ulid_text(&ids[j], id);

            if (strcmp(text(json_array_get(v, i), "run_id"), id) == 0) {
                list[i] = (char) ('0' + j);
            }
        }
    }

    json_decref(v);

    return list;
}


static void
forget_run(const dur_ulid_t *id)
{
    dur_txn_t    *t;
    dur_store_t  *s = dur_engine_store(kit.engine);

    if (dur_txn_begin(s, true, &t) != DUR_OK
        || dur_txn_del(t, DUR_T_RUN, dur_str_make(id->b, DUR_ULID_LEN))
           != DUR_OK
        || dur_txn_commit(t) != DUR_OK)
    {
        exit(2);
    }
}


static void
test_runs(void)
{
    unsigned             i;
    dur_ulid_t           ids[6], event;
    dur_query_list_t     q;
    dur_query_page_t     page;

    kit_fresh();
    kit_app("app", KIT_FN("app-f", KIT_ON("t/f"), "") ","
            KIT_FN("app-g", KIT_ON("t/g"), ""));

    for (i = 0; i < 6; i++) {
        kit.now += 60 * 60 * 1000;
        event = kit_event(i == 2 ? "g" : "f");
        ids[i] = kit_run_id(&event);
    }

    memset(&q, 0, sizeof(q));
    q.limit = 2;
    q.filter.before_ms = INT64_MAX;

    is_str(dur_str_c(page_of(&q, &page, ids, 6)), "54",
           "runs are listed newest first");
    ok(page.more, "there are more");

    kit.now += 1000;
    kit_event("f");
    q.cursor = &page.cursor;
    is_str(dur_str_c(page_of(&q, &page, ids, 6)), "32",
           "a cursor goes on where it was while runs are added");

    forget_run(&ids[2]);
    is_str(dur_str_c(page_of(&q, &page, ids, 6)), "10",
           "and when its run was deleted");
    ok(!page.more, "until there are no more");

    q.cursor = NULL;
    q.limit = 50;
    q.filter.function = dur_str("app-f");
    is_str(dur_str_c(page_of(&q, &page, ids, 6)), "954310",
           "a function picks its runs");
    q.filter.function = dur_str("nobody");
    is_int(dur_query_runs(dur_engine_store(kit.engine), &q, &page, &out),
           DUR_ENOTFOUND, "one that is not there is not found");
    q.filter.function = dur_str_null;
    q.filter.app = dur_str("nobody");
    is_int(dur_query_runs(dur_engine_store(kit.engine), &q, &page, &out),
           DUR_ENOTFOUND, "nor is an app");
    q.filter.app = dur_str("app");

    q.filter.after_ms = kit.now - 2 * 60 * 60 * 1000 - 1000;
    is_str(dur_str_c(page_of(&q, &page, ids, 6)), "9543",
           "a time those after");
    ok(page.scanned == 4, "without a look at the others");
    q.filter.before_ms = kit.now - 1000;
    is_str(dur_str_c(page_of(&q, &page, ids, 6)), "43", "and those before");

    q.filter.after_ms = 0;
    q.filter.before_ms = INT64_MAX;
    kit_dispatch();
    kit_result(kit_attempt(0), 200, KIT_SDK, "1");
    q.filter.statuses = dur_query_status_mask(dur_str("COMPLETED"));
    is_str(dur_str_c(page_of(&q, &page, ids, 6)), "0", "a status");
    q.filter.statuses |= dur_query_status_mask(dur_str("Running"));
    is_str(dur_str_c(page_of(&q, &page, ids, 6)), "954310",
           "and several of them");
    is_int(dur_query_status_mask(dur_str("odd")), 0, "which have a name");

    q.filter.statuses = dur_query_status_mask(dur_str("Completed"));
    q.scan = 4;
    is_str(dur_str_c(page_of(&q, &page, ids, 6)), "",
           "a page that found nothing in its time");
    ok(page.more && page.scanned == 4, "says how far it came");
    q.cursor = &page.cursor;
    is_str(dur_str_c(page_of(&q, &page, ids, 6)), "0", "and can go on");
}


static void
test_v2(void)
{
    json_t             *v;
    dur_str_t           app = dur_str("app");
    dur_store_t        *s;
    dur_ulid_t          event;
    dur_query_list_t    q;
    dur_query_page_t    page;

    kit_fresh();
    s = dur_engine_store(kit.engine);
    kit_register("f", 1);
    event = kit_event("f");

    v = parsed(dur_query_apps_v2(s, app, &out));
    is_str(dur_str_c(text(v, "id")), "app", "an app of v2 has its own id");
    is_int(json_integer_value(json_object_get(v, "functionCount")), 1,
           "and counts its functions");
    is_int(dur_query_apps_v2(s, dur_str("ap"), &out), DUR_ENOTFOUND,
           "the beginning of an id is none");
    is_int(dur_query_apps_v2(s, dur_str_c(text(v, "internalId")), &out),
           DUR_OK, "its UUID is as good");
    json_decref(v);
    dur_buf_reset(&out);

    v = parsed(dur_query_functions_v2(s, app, dur_str("f"), &out));
    is_str(dur_str_c(text(v, "slug")), "app-f",
           "a function is found without the app's name before it");
    json_decref(v);
    is_int(dur_query_functions_v2(s, app, dur_str("g"), &out), DUR_ENOTFOUND,
           "but not another");
    v = parsed(dur_query_functions_v2(s, app, dur_str_null, &out));
    is_int(json_array_size(v), 1, "without a name they all are");
    json_decref(v);

    memset(&q, 0, sizeof(q));
    q.limit = 5;
    q.filter.before_ms = INT64_MAX;
    q.shape = DUR_QUERY_V2;
    v = parsed(dur_query_runs(s, &q, &page, &out));
    is_str(dur_str_c(text(json_array_get(v, 0), "status")), "SCHEDULED",
           "its statuses are upper case");
    json_decref(v);
    v = parsed(dur_query_event_runs_v2(s, &event, &out));
    is_str(dur_str_c(text(json_array_get(v, 0), "functionId")), "app-f",
           "the runs of an event too");
    json_decref(v);
}


static void
test_registry(void)
{
    json_t       *v, *fn;
    dur_store_t  *s;

    kit_fresh();
    s = dur_engine_store(kit.engine);
    kit_register("f", 3);

    v = parsed(dur_query_functions(s, dur_str("app"), &out));
    fn = json_array_get(v, 0);
    is_int(json_array_size(v), 1, "the functions of an app are a bare list");
    is_str(dur_str_c(text(fn, "id")), "app-f", "with the slug");
    is_int(strlen(text(fn, "internal_id")), 36, "and the UUID");
    ok(json_is_object(json_object_get(fn, "config")), "and what was sent");
    json_decref(v);

    v = parsed(dur_query_apps(s, &out));
    is_str(dur_str_c(text(json_array_get(v, 0), "name")), "app",
           "the apps are a list");
    is_int(json_integer_value(json_object_get(json_array_get(v, 0),
                                              "functions")), 1,
           "with the number of functions");
    json_decref(v);
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    dur_buf_init(&out, 16 << 20);

    test_run();
    test_unknown();
    test_events();
    test_runs();
    test_v2();
    test_registry();

    dur_buf_deinit(&out);

    return kit_done();
}
