/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Walks over lists while runs come, end and go; figures of the newest runs.
 */

#include "kit.h"

#define WALKS  150
#define ROWS   400


static dur_buf_t  out;
static uint32_t   chance;


static uint32_t
pick(uint32_t n)
{
    chance = chance * 1664525u + 1013904223u;

    return (chance >> 8) % n;
}


typedef struct {
    char      id[DUR_ULID_TEXT_LEN + 1];
    unsigned  seen;
    bool      old;          /* it was there when the walk began */
    bool      gone;         /* it was deleted meanwhile */
} row_t;

static struct {
    unsigned  n;
    row_t     rows[ROWS];
} world;


static void
start_run(void)
{
    dur_ulid_t   event, run;

    kit.now += pick(3);
    event = kit_event(pick(2) ? "f" : "g");
    run = kit_run_id(&event);

    memset(&world.rows[world.n], 0, sizeof(row_t));
    dur_ulid_text(&run, world.rows[world.n++].id);
}


static void
remove_run(void)
{
    row_t       *row;
    dur_ulid_t   id;
    dur_txn_t   *t;

    row = &world.rows[pick(world.n)];

    if (row->gone || dur_ulid_parse(dur_str_c(row->id), &id) != DUR_OK) {
        return;
    }

    if (dur_txn_begin(dur_engine_store(kit.engine), true, &t) != DUR_OK
        || dur_txn_del(t, DUR_T_RUN, dur_str_make(id.b, DUR_ULID_LEN))
           != DUR_OK
        || dur_txn_commit(t) != DUR_OK)
    {
        exit(2);
    }

    row->gone = true;
}


static void
end_run(void)
{
    dur_op_t   op;
    row_t     *row = &world.rows[pick(world.n)];

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;

    if (!row->gone && dur_ulid_parse(dur_str_c(row->id), &op.run) == DUR_OK) {
        kit_op(&op);
    }
}


static void
meanwhile(void)
{
    unsigned  n;

    for (n = pick(4); n > 0 && world.n < ROWS; n--) {
        switch (pick(3)) {
        case 0:
            start_run();
            break;
        case 1:
            end_run();
            break;
        default:
            remove_run();
            break;
        }
    }
}


static void
see(const char *id)
{
    unsigned  i;

    for (i = 0; i < world.n; i++) {
        if (strcmp(world.rows[i].id, id) == 0) {
            world.rows[i].seen++;
        }
    }
}


/* One page; whether there are more. */
static bool
read_page(dur_query_list_t *want, dur_query_page_t *page)
{
    size_t   i;
    json_t  *list, *run;

    dur_buf_reset(&out);

    if (dur_query_runs(dur_engine_store(kit.engine), want, page, &out)
        != DUR_OK)
    {
        exit(2);
    }

    list = json_loadb((char *) out.data, out.len, 0, NULL);

    json_array_foreach(list, i, run) {
        see(json_string_value(json_object_get(run, "run_id")));
    }

    json_decref(list);
    want->cursor = &page->cursor;

    return page->more;
}


/* Rows that lived throughout and were not met exactly once, or any that was
 * met twice. */
static unsigned
walk(const char *q)
{
    unsigned           i, wrong;
    dur_query_list_t   want;
    dur_query_page_t   page;

    memset(&want, 0, sizeof(want));
    dur_filter_init(&want.filter);
    want.filter.q = dur_str_c(q);
    want.shape = DUR_QUERY_LIST;

    for (i = 0; i < world.n; i++) {
        world.rows[i].old = !world.rows[i].gone;
        world.rows[i].seen = 0;
    }

    do {
        meanwhile();
        want.limit = 1 + pick(5);
        want.scan = 1 + pick(7);
    } while (read_page(&want, &page));

    for (i = 0, wrong = 0; i < world.n; i++) {
        if (world.rows[i].seen > 1
            || (world.rows[i].old && !world.rows[i].gone
                && world.rows[i].seen != 1))
        {
            wrong++;
        }
    }

    return wrong;
}


static void
test_walks(void)
{
    unsigned  i, wrong;

    kit_app("app", KIT_FN("app-f", KIT_ON("t/f"), "") ","
            KIT_FN("app-g", KIT_ON("t/g"), ""));

    for (i = 0, wrong = 0; i < WALKS; i++) {
        chance = i;

        if (world.n >= ROWS - 60 || world.n == 0) {
            kit_fresh();
            kit_app("app", KIT_FN("app-f", KIT_ON("t/f"), "") ","
                    KIT_FN("app-g", KIT_ON("t/g"), ""));

            for (world.n = 0; world.n < 50; /* void */) {
                start_run();
            }
        }

        wrong += walk(i % 2 ? "" : "event.data.x == 1");
    }

    is_int(wrong, 0, "each run that lived throughout is met exactly once, in "
           "%u walks", WALKS);
}


/* An expression that takes much work ends a page, not the walk. */
static void
test_budget(void)
{
    unsigned           i, pages;
    dur_query_list_t   want;
    dur_query_page_t   page;

    kit_fresh();
    kit_app("app", KIT_FN("app-f", KIT_ON("t/f"), "") ","
            KIT_FN("app-g", KIT_ON("t/g"), ""));

    for (world.n = 0; world.n < 30; /* void */) {
        start_run();
    }

    memset(&want, 0, sizeof(want));
    dur_filter_init(&want.filter);
    want.limit = 51;
    want.filter.q = dur_str("event.data.x == 1 && [1,2,3,4,5,6,7,8].all(a, "
                            "[1,2,3,4,5,6,7,8].all(b, [1,2,3,4,5,6,7,8].all("
                            "c, [1,2,3,4,5,6,7,8].all(d, [1,2,3,4,5,6,7,8]"
                            ".all(e, a < 9)))))");

    for (pages = 1; read_page(&want, &page) && pages < 100; pages++) {
        ok(page.scanned < 30, "a page ends when its work is used");
    }

    ok(pages > 2, "so there are several");

    for (i = 0; i < world.n && world.rows[i].seen == 1; i++) { /* void */ }

    is_int(i, world.n, "and all runs are found");
}


static void
test_live(void)
{
    bool          live;
    dur_ulid_t    event, run;
    dur_store_t  *s;

    kit_fresh();
    kit_app("app", KIT_FN("app-f", KIT_ON("t/f"), ""));
    s = dur_engine_store(kit.engine);
    event = kit_event("f");
    run = kit_run_id(&event);

    is_int(dur_query_live(s, &run, &live), DUR_OK, "a run is looked at");
    ok(live, "it lives");
    kit_answer("app-f", 200, "1");
    is_int(dur_query_live(s, &run, &live), DUR_OK, "and again");
    ok(!live, "it has ended");
    is_int(dur_query_live(s, &event, &live), DUR_ENOTFOUND,
           "one that is gone is not there");
    ok(!live, "nor alive");
}


static int64_t
number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}


static json_t *
figures(int64_t window)
{
    dur_buf_reset(&out);

    if (dur_query_figures(dur_engine_store(kit.engine), kit.now, window, &out)
        != DUR_OK)
    {
        exit(2);
    }

    return json_loadb((char *) out.data, out.len, 0, NULL);
}


static int64_t
total(const json_t *series, size_t column)
{
    size_t   i;
    json_t  *row;
    int64_t  sum;

    sum = 0;

    json_array_foreach(series, i, row) {
        sum += json_integer_value(json_array_get(row, column));
    }

    return sum;
}


static void
test_figures(void)
{
    json_t         *f, *fn;
    unsigned        i;
    kit_attempt_t   a;

    kit_fresh();
    kit_app("app", KIT_FN("app-f", KIT_ON("t/f"), ""));

    f = figures(3600000);
    is_int(number(json_object_get(f, "sampled"), "runs"), 0,
           "an empty store has no runs");
    ok(json_is_true(json_object_get(f, "complete")), "and that is all");
    is_int(json_array_size(json_object_get(f, "series")), 60,
           "its series is there");
    json_decref(f);

    kit_event("f");
    kit_answer("app-f", 200, "1");
    kit.now += 7200000;

    for (i = 1; i <= 10; i++) {
        kit.now += 1000;
        kit_event("f");
        a = kit_take("app-f");
        kit.now += i * 10;
        kit_result(a, i == 10 ? 400 : 200,
                   i == 10 ? KIT_SDK "x-inngest-no-retry: true\n" : KIT_SDK,
                   "{\"message\":\"m\"}");
    }

    kit_event("f");

    f = figures(3600000);
    fn = json_array_get(json_object_get(f, "functions"), 0);

    is_int(number(fn, "started"), 11, "what is before the window is left out");
    is_int(number(fn, "completed"), 9, "how many completed");
    is_int(number(fn, "failed"), 1, "failed");
    is_int(number(fn, "running"), 1, "and run");
    is_int(number(fn, "p50_ms"), 50, "half of them took that long at most");
    is_int(number(fn, "p99_ms"), 100, "and nearly all");
    is_int(total(json_object_get(fn, "series"), 1), 11, "each started once");
    is_int(total(json_object_get(fn, "series"), 2), 1, "one failed");
    is_int(total(json_object_get(f, "series"), 2), 9, "nine completed");
    json_decref(f);
}


int
main(void)
{
    if (!kit_init()) {
        printf("Bail out! no store\n");
        return 1;
    }

    dur_buf_init(&out, 16 << 20);
    test_walks();
    test_budget();
    test_live();
    test_figures();
    dur_buf_deinit(&out);

    return kit_done();
}
