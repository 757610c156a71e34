/* SPDX-License-Identifier: BSD-2-Clause */

/* What is counted, what an abort takes back, and the text of it. */

#include "kit.h"

#include "engine/dur_exposition.h"
#include "engine/dur_metrics.h"
#include "engine/dur_query_metrics.h"

static dur_buf_t  out;


static void
test_histogram(void)
{
    unsigned         i;
    dur_histogram_t  h;

    static const struct {
        uint64_t     value;
        unsigned     bucket;
        const char  *title;
    } tests[] = {
        { 0, 0, "nothing is in the first bucket" },
        { 1, 0, "so is what equals its bound" },
        { 2, 1, "what is above it is in the next" },
        { 3, 2, "as is what lies between two" },
        { 128, 7, "the last bound has a bucket" },
        { 129, 8, "and what is above all bounds" },
        { UINT64_MAX / 2, 8, "however large it is" },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        memset(&h, 0, sizeof(h));
        dur_histogram_add(&h, &dur_bounds_count, tests[i].value);
        is_int(h.bucket[tests[i].bucket], 1, "%s", tests[i].title);
        is_int(h.sum, tests[i].value, "its sum is the value");
    }

    for (i = 1; i < dur_bounds_long.n; i++) {
        if (dur_bounds_long.le[i] <= dur_bounds_long.le[i - 1]) {
            break;
        }
    }

    is_int(i, dur_bounds_long.n, "bounds ascend");
    ok(dur_bounds_long.n <= DUR_HISTOGRAM_BOUNDS
       && dur_bounds_short.n <= DUR_HISTOGRAM_BOUNDS
       && dur_bounds_count.n <= DUR_HISTOGRAM_BOUNDS,
       "and have room in a histogram");
}


static void
test_functions(void)
{
    bool            same;
    uint32_t        i;
    dur_metrics_t  *m, *copy;

    m = calloc(1, sizeof(*m));
    copy = calloc(1, sizeof(*copy));

    for (i = 1; i <= DUR_METRICS_FUNCTIONS; i++) {
        dur_metrics_of(m, i * 7919)->started = i;
    }

    for (i = 1, same = true; i <= DUR_METRICS_FUNCTIONS; i++) {
        same &= dur_metrics_of(m, i * 7919)->started == i;
    }

    ok(same, "200 functions are told apart");
    is_int(m->nfunctions, DUR_METRICS_FUNCTIONS, "there is room for no more");

    dur_metrics_of(m, 5)->started++;
    dur_metrics_of(m, 6)->started++;
    is_int(m->function[0].started, 2, "all others are counted together");
    ok(dur_metrics_of(m, 0) == &m->function[0], "as is what has no id");

    dur_metrics_copy(copy, m);
    is_int(dur_metrics_of(copy, 7919 * 200)->started, 200,
           "a copy has all of it");

    free(m);
    free(copy);
}


static void
test_sources(void)
{
    size_t  i;

    static const struct {
        const char            *name;
        dur_metrics_source_t   source;
    } tests[] = {
        { "shop/order", DUR_SOURCE_CLIENT },
        { "", DUR_SOURCE_CLIENT },
        { "inngest", DUR_SOURCE_CLIENT },
        { "inngest/function.finished", DUR_SOURCE_INTERNAL },
        { "inngest/scheduled.timer", DUR_SOURCE_SCHEDULE },
        { "event/api.webhooks.linear.action", DUR_SOURCE_WEBHOOK },
    };

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        is_int(dur_metrics_source(dur_str_c(tests[i].name)), tests[i].source,
               "where \"%s\" is from", tests[i].name);
    }
}


/* An op that is decided and then does not happen. */
static void
aborted(void)
{
    dur_op_t        op;
    dur_op_event_t  event;

    memset(&event, 0, sizeof(event));
    memset(event.id.b, 0x33, DUR_ULID_LEN);
    event.name = dur_str("t/f");
    event.json = dur_str("{\"name\":\"t/f\",\"data\":{}}");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.events = &event;
    op.nevents = 1;

    dur_buf_reset(&kit.buf);
    dur_op_encode(&op, &kit.buf);

    is_int(dur_engine_begin(kit.engine, kit.now, &kit.arena), DUR_OK,
           "a batch begins");
    is_int(dur_engine_apply(kit.engine, dur_buf_str(&kit.buf), &kit.reply),
           DUR_OK, "an event is decided");
    dur_engine_abort(kit.engine);
}


static void
test_counted(void)
{
    const dur_metrics_t     *m;
    dur_metrics_function_t  *f;

    kit_fresh();
    kit_register("f", 1);
    m = dur_engine_metrics(kit.engine);

    kit_event("f");
    is_int(m->events[DUR_SOURCE_CLIENT], 1, "an event is counted");

    f = dur_metrics_of((dur_metrics_t *) m, 1);
    is_int(f->started, 1, "and its run, for its function");

    aborted();
    m = dur_engine_metrics(kit.engine);
    is_int(m->events[DUR_SOURCE_CLIENT], 1, "what did not happen is not");
    is_int(f->started, 1, "nor its run");

    kit.now += 2000;
    kit_dispatch();
    is_int(m->start.bucket[9], 1, "the first call waited for 2 s");
    is_int(m->start.sum, 2000000, "which are so many microseconds");

    kit_result(kit_attempt(0), 500, KIT_SDK, "{\"message\":\"no\"}");
    is_int(f->attempts[1], 1, "it is tried again");

    kit.now += 60000;
    kit_timers();
    is_int(m->late.sum > 0, true, "a timer that fired late is seen");

    kit_dispatch();
    kit_result(kit_attempt(0), 200, KIT_SDK, "1");
    is_int(f->attempts[0], 1, "the second attempt is fine");
    is_int(f->ended[DUR_ENDED_COMPLETED], 1, "the run is complete");
    is_int(m->run.sum, 62000000, "and how long it took");

    aborted();
    is_int(f->ended[DUR_ENDED_COMPLETED], 1, "an abort leaves that alone");
}


static bool
has(const char *line)
{
    return memmem(out.data, out.len, line, strlen(line)) != NULL;
}


static void
test_text(void)
{
    dur_histogram_t   h;
    dur_exposition_t  x;

    memset(&h, 0, sizeof(h));
    dur_histogram_add(&h, &dur_bounds_short, 75);
    dur_histogram_add(&h, &dur_bounds_short, 3000000);

    dur_buf_reset(&out);
    dur_exposition_init(&x, &out, false);
    dur_exposition_family(&x, DUR_EXPOSITION_COUNTER, "a_thing", "A thing.");
    dur_exposition_sample(&x);
    dur_exposition_label(&x, "name", dur_str("q\"b\\n\n"));
    dur_exposition_label(&x, "other", dur_str(""));
    dur_exposition_integer(&x, 7);

    is_str(dur_buf_str(&out), "# HELP a_thing_total A thing.\n"
           "# TYPE a_thing_total counter\n"
           "a_thing_total{name=\"q\\\"b\\\\n\\n\",other=\"\"} 7\n",
           "labels are escaped, a counter ends in _total");

    dur_buf_reset(&out);
    dur_exposition_family(&x, DUR_EXPOSITION_HISTOGRAM, "a_seconds", "A.");
    dur_exposition_histogram(&x, &h, &dur_bounds_short, "k", "v");
    ok(has("a_seconds_bucket{k=\"v\",le=\"0.00005\"} 0\n")
       && has("a_seconds_bucket{k=\"v\",le=\"0.0001\"} 1\n")
       && has("a_seconds_bucket{k=\"v\",le=\"1.0\"} 1\n")
       && has("a_seconds_bucket{k=\"v\",le=\"5.0\"} 2\n")
       && has("a_seconds_bucket{k=\"v\",le=\"+Inf\"} 2\n"),
       "buckets are cumulative and in seconds");
    ok(has("a_seconds_sum{k=\"v\"} 3.000075\n")
       && has("a_seconds_count{k=\"v\"} 2\n"), "with their sum and count");

    dur_buf_reset(&out);
    dur_exposition_init(&x, &out, true);
    dur_exposition_family(&x, DUR_EXPOSITION_COUNTER, "a_bytes", "A.");
    dur_exposition_sample(&x);
    dur_exposition_integer(&x, 1);
    dur_exposition_end(&x);
    is_str(dur_buf_str(&out), "# HELP a_bytes A.\n# TYPE a_bytes counter\n"
           "# UNIT a_bytes bytes\na_bytes_total 1\n# EOF\n",
           "OpenMetrics names the family without it, and has units");
}


/* Two rows of a function are one series. */
static void
test_query(void)
{
    dur_buf_t            small;
    dur_exposition_t     x;
    dur_engine_stat_t    stat;
    dur_metrics_view_t   view;

    kit_fresh();
    kit_register("f", 1);
    kit_event("f");
    kit_event("f");
    kit.now += 1500;

    dur_engine_stat(kit.engine, &stat);
    view.metrics = dur_engine_metrics(kit.engine);
    view.stat = &stat;
    view.now = kit.now;

    dur_buf_reset(&out);
    dur_exposition_init(&x, &out, false);
    is_int(dur_query_metrics(dur_engine_store(kit.engine), &view, &x), DUR_OK,
           "the text is made");
    ok(has("durable_runs_started_total{function=\"app-f\"} 2\n"),
       "functions have their slugs");
    ok(has("durable_queue_items{state=\"ready\"} 2\n"), "work is where it is");
    ok(has("durable_queue_oldest_ready_seconds{app=\"app\"} 1.5\n"),
       "the first of it waits since then");
    ok(has("durable_runs_live 2\n"), "runs live");
    ok(has("durable_store_rows{table=\"event\"} 2\n"), "tables have rows");

    dur_buf_init(&small, 100);
    dur_exposition_init(&x, &small, false);
    is_int(dur_query_metrics(dur_engine_store(kit.engine), &view, &x),
           DUR_ETOOBIG, "without room");
    is_int(small.len, 0, "nothing is written");
    dur_buf_deinit(&small);
}


static void
test_percentile(void)
{
    unsigned         i;
    dur_histogram_t  h;

    memset(&h, 0, sizeof(h));
    is_int(dur_histogram_percentile(&h, &dur_bounds_short, 99), 0,
           "what has no values has no percentile");

    for (i = 0; i < 100; i++) {
        dur_histogram_add(&h, &dur_bounds_short, i < 90 ? 40 : 3000000);
    }

    is_int(dur_histogram_count(&h), 100, "a histogram knows how many it has");
    is_int(dur_histogram_percentile(&h, &dur_bounds_short, 45), 25,
           "a percentile is estimated between the bounds");
    is_int(dur_histogram_percentile(&h, &dur_bounds_short, 90), 50,
           "up to the bound that holds it");
    ok(dur_histogram_percentile(&h, &dur_bounds_short, 99) > 2500000,
       "the slow ones show");

    for (i = 0; i < 1000; i++) {
        dur_histogram_add(&h, &dur_bounds_short, 1000000000);
    }

    is_int(dur_histogram_percentile(&h, &dur_bounds_short, 99), 10000000,
           "what is above all bounds counts as the last one");
}


int
main(void)
{
    dur_buf_init(&out, 1 << 20);

    test_histogram();
    test_percentile();
    test_functions();
    test_sources();
    test_text();

    if (!kit_init()) {
        return 2;
    }

    test_counted();
    test_query();

    dur_buf_deinit(&out);

    return kit_done();
}
