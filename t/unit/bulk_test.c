/* SPDX-License-Identifier: BSD-2-Clause */

/* Bulk jobs: many runs are cancelled, or run again, once each. */

#include "kit.h"
#include "engine/dur_bulk.h"
#include "engine/dur_run.h"

#define MANY    10000
#define NFUNCS                                                               \
    KIT_FN("app-good", KIT_ON("t/good"), "") ","                             \
    KIT_FN("app-bad", KIT_ON("t/bad"), "") ","                               \
    KIT_FN("app-slow", KIT_ON("t/slow"), "")


/* -- a kit for jobs ------------------------------------------------------- */

static char  job_id[DUR_ULID_TEXT_LEN + 1];


/* Jobs are under way: their pieces are not done by the way. */
static bool  busy;


/* n events of a name, a millisecond apart, data.n counts from `first` on. */
static void
events(const char *name, unsigned n, unsigned first)
{
    char            texts[100][160], full[64];
    unsigned        i, k;
    dur_op_t        op;
    dur_op_event_t  list[100];

    snprintf(full, sizeof(full), "t/%s", name);

    for (i = 0; i < n; i += k) {
        memset(list, 0, sizeof(list));
        kit.now++;

        for (k = 0; k < 100 && i + k < n; k++) {
            list[k].id = kit_ulid(++kit.entropy);
            list[k].ts = kit.now;
            list[k].name = dur_str_c(full);

            snprintf(texts[k], sizeof(texts[k]), "{\"data\":{\"n\":%u},"
                     "\"name\":\"%s\",\"ts\":1,\"user\":{}}", first + i + k,
                     full);
            list[k].json = dur_str_c(texts[k]);
        }

        memset(&op, 0, sizeof(op));
        op.type = DUR_OP_EVENTS;
        op.events = list;
        op.nevents = k;
        kit_op(&op);

        /* the runs that one op may not start */

        while (busy == false && dur_engine_has_tasks(kit.engine)) {
            kit_plain(DUR_OP_TASKS, 0);
        }
    }
}


static bool
is_call_of(kit_attempt_t a, const char *slug)
{
    return kit_build(a) == DUR_OK
           && memmem(kit.call.url.data, kit.call.url.len, slug,
                     strlen(slug)) != NULL;
}


/* Calls are answered until nothing is left to do: bad ones fail, slow ones
 * never end. */
static void
settle(void)
{
    size_t         i, n;
    unsigned       done;
    kit_attempt_t  calls[KIT_EFFECTS_MAX];

    do {
        kit_out.n = 0;
        kit_plain(DUR_OP_DISPATCH, 1000);
        kit_gather();

        n = kit_out.n;
        memcpy(calls, kit_out.out, n * sizeof(calls[0]));
        kit_out.n = 0;

        for (i = 0, done = 0; i < n; i++) {
            kit.now++;

            if (is_call_of(calls[i], "app-slow")) {
                continue;
            }

            done++;

            if (is_call_of(calls[i], "app-bad")) {
                kit_result(calls[i], 500,
                           KIT_SDK "x-inngest-no-retry: true\n",
                           "{\"name\":\"Error\",\"message\":\"bad\"}");
            } else {
                kit_result(calls[i], 200, KIT_SDK, "{\"fine\":true}");
            }
        }
    } while (done > 0);
}


/* The status of POST /v1/bulk. */
static unsigned
begin(const char *body)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_BULK;
    op.id = kit_ulid(++kit.entropy);
    op.body = dur_str_c(body);
    kit_op(&op);

    dur_ulid_text(&op.id, job_id);

    return kit.reply.status;
}


static unsigned
stop(void)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_BULK;
    op.id = kit_ulid(++kit.entropy);
    op.generation = 1;
    (void) dur_ulid_parse(dur_str_c(job_id), &op.run);
    kit_op(&op);

    return kit.reply.status;
}


/* The job as people see it. */
static json_t *
job(void)
{
    json_t      *v;
    dur_buf_t    b;
    dur_ulid_t   id;

    dur_buf_init(&b, 1 << 20);
    (void) dur_ulid_parse(dur_str_c(job_id), &id);
    (void) dur_query_bulk(dur_engine_store(kit.engine), &id, &b);
    v = json_loadb((char *) b.data, b.len, 0, NULL);
    dur_buf_deinit(&b);

    return v;
}


static int64_t
figure(const char *name)
{
    json_t   *v;
    int64_t   n;

    v = job();
    n = json_integer_value(json_object_get(v, name));
    json_decref(v);

    return n;
}


static double
progress(void)
{
    double   p;
    json_t  *v;

    v = job();
    p = json_real_value(json_object_get(v, "progress"));
    json_decref(v);

    return p;
}


static bool
flag(const char *name)
{
    bool     is;
    json_t  *v;

    v = job();
    is = json_is_true(json_object_get(v, name));
    json_decref(v);

    return is;
}


/* Goes on until the job is done; the number of pieces. */
static unsigned
work(void)
{
    unsigned  n;

    for (n = 0; n < 10000 && !flag("done"); n++) {
        kit.now++;
        kit_plain(DUR_OP_TASKS, 0);
    }

    return n;
}


/* What is in the store: runs by status, and those that run again. */
static struct {
    unsigned  status[8];
    unsigned  again;            /* are reruns, */
    unsigned  twice;            /* .. of a run that has another one */
    unsigned  wrong;            /* .. of one that did not fail */
} census;


static int
by_id(const void *a, const void *b)
{
    return memcmp(a, b, DUR_ULID_LEN);
}


static void
count(void)
{
    size_t         i;
    dur_str_t      k, v;
    dur_run_t      run, old;
    dur_txn_t     *txn;
    dur_ulid_t     id, *originals;
    dur_cursor_t  *c;

    static const dur_ulid_t  none;

    memset(&census, 0, sizeof(census));
    originals = malloc(4 * MANY * sizeof(dur_ulid_t));

    (void) dur_txn_begin(dur_engine_store(kit.engine), false, &txn);
    (void) dur_cursor_open(txn, DUR_T_RUN, &c);

    for (dur_rc_t rc = dur_cursor_seek(c, dur_str_null, &k, &v);
         rc == DUR_OK;
         rc = dur_cursor_next(c, &k, &v))
    {
        memcpy(id.b, k.data, DUR_ULID_LEN);

        if (dur_run_decode(&id, v, &run) != DUR_OK) {
            continue;
        }

        census.status[run.status]++;

        if (by_id(run.original.b, none.b) == 0) {
            continue;
        }

        originals[census.again++] = run.original;

        if (dur_run_get(txn, &run.original, &old) != DUR_OK
            || old.status != DUR_RUN_FAILED)
        {
            census.wrong++;
        }
    }

    dur_cursor_close(c);
    dur_txn_abort(txn);

    qsort(originals, census.again, sizeof(dur_ulid_t), by_id);

    for (i = 1; i < census.again; i++) {
        census.twice += by_id(&originals[i - 1], &originals[i]) == 0;
    }

    free(originals);
}


static bool
says(const char *text)
{
    return memmem(kit.reply.body.data, kit.reply.body.len, text,
                  strlen(text)) != NULL;
}


static void
fresh(void)
{
    kit_fresh();
    kit_app("app", NFUNCS);
}


/* -- tests ---------------------------------------------------------------- */

static void
test_refused(void)
{
    size_t  i;

    static const struct {
        const char  *body;
        unsigned     status;
        const char  *says;
    } table[] = {
        { "", 400, "not JSON" },
        { "{", 400, "not JSON" },
        { "[]", 400, "must be an object" },
        { "{}", 400, "action must be" },
        { "{\"action\":\"delete\"}", 400, "action must be" },
        { "{\"action\":7}", 400, "action must be" },
        { "{\"action\":\"replay\"}", 400, "\\\"all\\\":true" },
        { "{\"action\":\"replay\",\"filter\":{}}", 400, "\\\"all\\\":true" },
        { "{\"action\":\"replay\",\"all\":1}", 400, "all must be" },
        { "{\"action\":\"replay\",\"all\":true,\"x\":1}", 400,
          "no members but" },
        { "{\"action\":\"replay\",\"filter\":[]}", 400, "is an object" },
        { "{\"action\":\"replay\",\"filter\":{\"what\":\"x\"}}", 400,
          "no filter \\\"what\\\"" },
        { "{\"action\":\"replay\",\"filter\":{\"app\":7}}", 400,
          "must be a string" },
        { "{\"action\":\"replay\",\"filter\":{\"status\":\"x\"}}", 400,
          "status must be" },
        { "{\"action\":\"replay\",\"filter\":{\"status\":\"Running\"}}", 400,
          "has ended" },
        { "{\"action\":\"cancel\",\"filter\":{\"status\":\"Failed\"}}", 400,
          "lives" },
        { "{\"action\":\"cancel\",\"filter\":{\"q\":\"event.x ==\"}}", 400,
          "at column" },
        { "{\"action\":\"cancel\",\"filter\":{\"id\":\"x\"}}", 400,
          "id must be" },
        { "{\"action\":\"cancel\",\"filter\":{\"after\":\"today\"}}", 400,
          "RFC 3339" },
        { "{\"action\":\"cancel\",\"filter\":{\"after\":\"2030-01-02T00:00:"
          "00Z\",\"before\":\"2030-01-01T00:00:00Z\"}}", 400,
          "before must not be" },
        { "{\"action\":\"cancel\",\"filter\":{\"app\":\"nobody\"}}", 404,
          "no app" },
        { "{\"action\":\"cancel\",\"filter\":{\"function\":\"nobody\"}}", 404,
          "no function" }
    };

    fresh();
    events("slow", 3, 0);

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        is_int(begin(table[i].body), table[i].status, "%s is refused",
               table[i].body);
        ok(says(table[i].says), "and says why");
    }

    ok(dur_engine_has_tasks(kit.engine) == false, "nothing was begun");

    job_id[0] = '0';
    is_int(stop(), 404, "what is not there cannot be stopped");
}


static void
test_replay(void)
{
    json_t  *v;

    fresh();
    events("good", 50, 0);
    events("bad", 70, 0);
    settle();
    events("slow", 5, 0);

    is_int(begin("{\"action\":\"replay\",\"all\":true}"), 201,
           "a replay of all runs that failed");
    ok(says("\"filter\":{\"status\":\"Failed\"}"), "says so");
    ok(!flag("done") && figure("scanned") == 0, "it has not begun");

    work();
    v = job();
    ok(kit_is(json_object_get(v, "scanned"), "125")
       && kit_is(json_object_get(v, "matched"), "70")
       && kit_is(json_object_get(v, "changed"), "70")
       && kit_is(json_object_get(v, "refused"), "0")
       && kit_is(json_object_get(v, "progress"), "1.0"), "its figures");
    ok(json_is_string(json_object_get(v, "at")), "and where it ended");
    json_decref(v);

    count();
    is_int(census.again, 70, "each of them runs again");
    is_int(census.twice, 0, "once");
    is_int(census.wrong, 0, "and no other one");

    settle();
    count();
    is_int(census.status[DUR_RUN_FAILED], 140, "and fails again");
    is_int(census.again, 70, "which the job does not look at");

    is_int(begin("{\"action\":\"replay\",\"filter\":{\"status\":"
                 "\"completed\",\"function\":\"app-good\"}}"), 201,
           "those that were well");
    work();
    is_int(figure("changed"), 50, "run again, too");
}


static void
test_cancel(void)
{
    json_t      *run;
    dur_ulid_t   last;

    fresh();
    events("bad", 20, 0);
    settle();
    events("slow", 300, 0);
    last = kit_event("slow");

    is_int(begin("{\"action\":\"cancel\",\"filter\":{\"app\":\"app\"}}"),
           201, "a cancellation of all that lives");
    ok(work() > 1, "takes several pieces");
    is_int(figure("changed"), 301, "ends all of them");
    is_int(figure("scanned"), 321, "and looks at the others as well");

    count();
    is_int(census.status[DUR_RUN_CANCELLED], 301, "they are cancelled");
    is_int(census.status[DUR_RUN_LIVE], 0, "nothing lives");

    run = kit_run(&last);
    ok(strstr(json_string_value(json_object_get(json_object_get(run, "output"),
                                                "message")), job_id) != NULL,
       "and says by which job");
    json_decref(run);
}


static void
test_filters(void)
{
    char    body[512];
    size_t  i;

    static const struct {
        const char  *filter;
        unsigned     matched;
    } table[] = {
        { "\"function\":\"app-bad\"", 40 },
        { "\"function\":\"app-good\"", 0 },
        { "\"event\":\"t/b*\"", 40 },
        { "\"event\":\"t/bad\"", 40 },
        { "\"event\":\"t/ba\"", 0 },
        { "\"q\":\"event.data.n >= 30\"", 10 },
        { "\"q\":\"event.data.n >= 30 && output.message == 'bad'\"", 10 },
        { "\"q\":\"run.function == 'app-good'\"", 0 },
        { "\"status\":\"Failed,Completed\"", 50 },
        { "\"status\":\"Skipped\"", 0 },
        { "\"before\":\"2001-01-01T00:00:00Z\"", 0 },
        { "\"after\":\"2001-01-01T00:00:00Z\"", 40 },
        { "\"after\":\"2040-01-01T00:00:00Z\"", 0 },
        { "\"id\":\"ZZZZ\"", 0 }
    };

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        fresh();
        events("good", 10, 0);
        events("bad", 40, 0);
        settle();

        snprintf(body, sizeof(body), "{\"action\":\"replay\",\"filter\":{%s}}",
                 table[i].filter);
        is_int(begin(body), 201, "%s", table[i].filter);
        work();
        is_int(figure("matched"), table[i].matched, "means so many");
        is_int(figure("changed"), table[i].matched, "which run again");
        ok(progress() == 1.0, "and is all");
    }

    fresh();
    events("bad", 10, 0);
    settle();
    kit.now += 3600 * 1000;
    events("bad", 7, 0);
    settle();
    begin("{\"action\":\"replay\",\"filter\":{\"after\":"
          "\"2026-09-21T15:00:00Z\"}}");
    work();
    is_int(figure("changed"), 7, "a time means what came after it");
    is_int(figure("scanned"), 7, "what was long before is not looked at");
}


static void
test_nothing(void)
{
    fresh();
    is_int(begin("{\"action\":\"cancel\",\"all\":true}"), 201,
           "a job without any run");
    ok(flag("done") && progress() == 1.0, "is done at once");
    ok(!dur_engine_has_tasks(kit.engine), "and leaves nothing");
}


/* The op's reply is lost with its leader: it comes again. */
static void
test_again(void)
{
    dur_op_t   op;
    dur_buf_t  b;

    fresh();
    events("bad", 3, 0);
    settle();

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_BULK;
    op.id = kit_ulid(++kit.entropy);
    op.body = dur_str("{\"action\":\"replay\",\"all\":true}");
    kit_op(&op);
    kit_reopen();
    kit_op(&op);
    is_int(kit.reply.status, 201, "a job that is asked for again");

    dur_buf_init(&b, 1 << 20);
    (void) dur_query_bulks(dur_engine_store(kit.engine), &b);
    op.body = dur_buf_str(&b);
    ok(memmem(op.body.data, op.body.len, "},{", 3) == NULL, "is one");
    dur_buf_deinit(&b);

    dur_ulid_text(&op.id, job_id);
    work();
    count();
    is_int(census.again, 3, "which does its work once");
}


/* The leader dies after each piece; runs come and end meanwhile. */
static void
test_reopened(void)
{
    unsigned  n;
    double    before, after;

    fresh();
    events("bad", 400, 0);
    settle();

    begin("{\"action\":\"replay\",\"all\":true}");
    before = 0;

    for (n = 0; n < 1000 && !flag("done"); n++) {
        kit.now += 10;
        kit_plain(DUR_OP_TASKS, 0);
        kit_reopen();
        settle();
        busy = true;
        events("bad", 2, 0);
        busy = false;

        after = progress();
        if (after < before || (after == 1.0) != flag("done")) {
            ok(false, "from %f to %f", before, after);
        }
        before = after;
    }

    ok(n > 3, "a job in several pieces, with a new leader for each");
    is_int(figure("scanned"), 400, "looks at what there was");
    is_int(figure("changed"), 400, "does its work");
    settle();
    count();
    is_int(census.again, 400, "all of it");
    is_int(census.twice, 0, "nothing twice");
    is_int(census.wrong, 0, "to nothing else");
}


static void
test_stop(void)
{
    double  p;

    fresh();
    events("bad", 400, 0);
    settle();

    begin("{\"action\":\"replay\",\"all\":true}");
    kit_plain(DUR_OP_TASKS, 0);
    p = progress();
    ok(figure("changed") > 0 && figure("changed") < 400, "a job is under way");

    is_int(stop(), 200, "it is stopped");
    ok(says("\"stopped\":true"), "which is said");
    count();
    p = p - progress();
    kit_plain(DUR_OP_TASKS, 0);
    is_int(figure("changed"), census.again, "nothing more is begun");
    ok(p == 0 && progress() < 1.0, "it is where it was");
    ok(!dur_engine_has_tasks(kit.engine), "and has no task any more");
    is_int(stop(), 200, "once more");

    settle();
    count();
    is_int(census.status[DUR_RUN_LIVE], 0, "what was begun goes on");
}


static void
test_gone(void)
{
    dur_op_t  op;

    fresh();
    events("bad", 300, 0);
    settle();
    begin("{\"action\":\"replay\",\"filter\":{\"function\":\"app-bad\","
          "\"app\":\"app\"}}");
    kit_plain(DUR_OP_TASKS, 0);
    count();

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_APP;
    op.id = kit_ulid(++kit.entropy);
    op.item = 1;
    op.generation = 1;
    op.url = dur_str("app");
    kit_op(&op);
    is_int(kit.reply.status, 200, "the app is removed in the middle of a job");

    work();
    is_int(figure("matched"), 300, "which comes to its end");
    is_int(figure("changed"), census.again, "what was begun was done");
    is_int(figure("refused"), 300 - census.again, "the rest cannot be");
}


static void
test_poison(void)
{
    dur_op_t       op;
    dur_effect_t  *f;

    fresh();
    events("bad", 300, 0);
    settle();
    begin("{\"action\":\"replay\",\"all\":true}");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_TASKS;
    dur_buf_reset(&kit.buf);
    dur_op_encode(&op, &kit.buf);
    dur_arena_reset(&kit.arena);

    ok(dur_engine_begin(kit.engine, kit.now, &kit.arena) == DUR_OK
       && dur_engine_poison(kit.engine, dur_buf_str(&kit.buf), &kit.reply)
          == DUR_OK
       && dur_engine_commit(kit.engine, &f) == DUR_OK,
       "a piece that breaks an invariant");

    ok(flag("done") && flag("stopped"), "stops its job");
    ok(progress() < 1.0, "which says how far it came");
    kit_plain(DUR_OP_TASKS, 0);
    ok(!dur_engine_has_tasks(kit.engine), "and is not tried again");
}


static void
test_kept(void)
{
    char        first[DUR_ULID_TEXT_LEN + 1];
    size_t      i, n;
    json_t     *all;
    dur_buf_t   b;

    fresh();
    events("bad", 3, 0);
    settle();
    begin("{\"action\":\"cancel\",\"all\":true}");
    memcpy(first, job_id, sizeof(first));

    for (i = 1; i < DUR_BULKS + 3; i++) {
        work();
        begin("{\"action\":\"cancel\",\"all\":true}");
    }

    dur_buf_init(&b, 1 << 20);
    (void) dur_query_bulks(dur_engine_store(kit.engine), &b);
    all = json_loadb((char *) b.data, b.len, 0, NULL);
    dur_buf_deinit(&b);

    n = json_array_size(all);
    is_int(n, DUR_BULKS, "the last jobs are kept");
    ok(strcmp(json_string_value(json_object_get(json_array_get(all, 0),
                                                "id")), job_id) == 0,
       "the newest is the first");
    ok(strcmp(json_string_value(json_object_get(json_array_get(all, n - 1),
                                                "id")), first) != 0,
       "the oldest are gone");
    json_decref(all);

    for (i = 1; i < DUR_BULKS_ON; i++) {
        is_int(begin("{\"action\":\"cancel\",\"all\":true}"), 201, "another");
    }

    is_int(begin("{\"action\":\"cancel\",\"all\":true}"), 409,
           "there are only so many at a time");
    ok(says("not done"), "which is said");
}


static void
test_notices(void)
{
    size_t         i;
    unsigned       progress, done;
    dur_effect_t  *f;

    fresh();
    events("bad", 400, 0);
    settle();
    dur_engine_set_feed(kit.engine, true);
    begin("{\"action\":\"replay\",\"all\":true}");

    for (i = 0, progress = 0, done = 0; i < 1000 && !flag("done"); i++) {
        kit.now += 100;
        kit_plain(DUR_OP_TASKS, 0);

        for (size_t k = 0; (f = kit_effect(DUR_EFFECT_FEED, k)); k++) {
            progress += memmem(f->text.data, f->text.len, "bulk.progress",
                               13) != NULL;
            done += memmem(f->text.data, f->text.len, "bulk.done", 9) != NULL;
        }
    }

    dur_engine_set_feed(kit.engine, false);

    ok(progress > 0 && progress <= i / 2, "whoever looks on is told now and "
       "then: %u of %zu pieces", progress, i);
    is_int(done, 1, "and of the end, once");
}


static void
test_many(void)
{
    unsigned  n;

    fresh();
    events("bad", MANY / 2, 0);
    settle();
    events("good", MANY / 2, 0);
    settle();

    begin("{\"action\":\"replay\",\"filter\":{\"q\":\"event.data.n % 2 == 0\"}"
          "}");
    n = work();
    is_int(figure("scanned"), MANY, "%d runs in %u pieces", MANY, n);
    is_int(figure("changed"), MANY / 4, "of which a quarter is meant");
    count();
    is_int(census.again, MANY / 4, "and runs again");
    is_int(census.twice + census.wrong, 0, "once each");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_refused();
    test_replay();
    test_cancel();
    test_filters();
    test_nothing();
    test_again();
    test_reopened();
    test_stop();
    test_gone();
    test_poison();
    test_kept();
    test_notices();
    test_many();

    return kit_done();
}
