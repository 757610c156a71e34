/* SPDX-License-Identifier: BSD-2-Clause */

/* Schedules: what is planned, what a slot starts, and what a restart, a clock
 * and a new registration do to them (features 6). */

#include "kit.h"
#include "engine/dur_schedule.h"
#include "engine/dur_time.h"

#define MINUTE  ((int64_t) 60 * 1000)
#define HOUR    (60 * MINUTE)
#define DAY     (24 * HOUR)

#define CRON(text)         "{\"cron\":\"" text "\"}"
#define JITTER(text, j)    "{\"cron\":\"" text "\",\"jitter\":\"" j "\"}"


static const char  *berlin;             /* what the machine knows of it */
static const char  *local;


static dur_rc_t
read_zone(void *data, dur_str_t name, dur_buf_t *bytes)
{
    const char  *text;

    (void) data;

    text = name.len == 0 ? local
           : dur_str_eq(name, dur_str("Europe/Berlin")) ? berlin : NULL;

    return text ? dur_buf_addz(bytes, text) : DUR_ENOTFOUND;
}


static int64_t
at(const char *text)
{
    int64_t  ms;

    return dur_rfc3339_parse(dur_str_c(text), &ms) == DUR_OK ? ms : 0;
}


static void
fresh(const char *now)
{
    berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
    local = NULL;
    kit.conf.retention = 0;
    kit.now = at(now);
    kit_fresh();
}


static void
is_next(uint32_t function, const char *when, const char *what)
{
    char        text[32] = "never";
    int64_t     due;
    dur_txn_t  *t;

    dur_txn_begin(dur_engine_store(kit.engine), false, &t);
    due = 0;

    if (dur_schedule_next(t, function, &due) == DUR_OK && due != INT64_MAX) {
        dur_rfc3339_text(due, text);
    }

    dur_txn_abort(t);
    is_str(dur_str_c(text), when, "%s", what);
}


/* What the engine has to do at an instant; stops when nothing is left. */
static void
work(void)
{
    unsigned  i;

    for (i = 0; i < 1000; i++) {
        if (dur_engine_next_due(kit.engine) <= kit.now) {
            kit_plain(DUR_OP_TIMERS, 0);
        } else if (dur_engine_has_tasks(kit.engine)) {
            kit_plain(DUR_OP_TASKS, 0);
        } else {
            return;
        }
    }

    ok(false, "the work comes to an end");
}


static void
go_to(const char *when)
{
    kit.now = at(when);
    work();
}


static uint64_t
rows(dur_table_t table)
{
    uint64_t    n;
    dur_txn_t  *t;

    dur_txn_begin(dur_engine_store(kit.engine), false, &t);
    n = dur_txn_count(t, table);
    dur_txn_abort(t);

    return n;
}


/* The `event` of the next call of a function, a borrowed reference. */
static json_t *
called(const char *slug)
{
    return kit_take(slug).item ? kit_get("event", NULL) : NULL;
}


static const char *
text_of(json_t *object, const char *a, const char *b)
{
    json_t      *v;
    const char  *text;

    v = json_object_get(object, a);
    v = b ? json_object_get(v, b) : v;
    text = json_string_value(v);

    return text ? text : "";
}


static void
test_event(void)
{
    json_t         *event;
    kit_attempt_t   a;

    fresh("2026-03-01T11:59:30Z");
    kit_app("app", KIT_FN("app-f", CRON("0 12 * * *"), ""));
    ok(kit_effect(DUR_EFFECT_LOG, 0) == NULL, "nothing is left unenforced");
    is_next(1, "2026-03-01T12:00:00Z", "a registration plans the next slot");
    is_int(dur_engine_next_due(kit.engine), at("2026-03-01T12:00:00Z"),
           "the engine asks to be woken then");

    go_to("2026-03-01T11:59:59.999Z");
    is_int(rows(DUR_T_RUN), 0, "nothing starts before it");

    go_to("2026-03-01T12:00:00.003Z");
    a = kit_take("app-f");
    event = kit_get("event", NULL);
    is_str(dur_str_c(text_of(event, "name", NULL)),
           "inngest/scheduled.timer", "the event's name");
    is_str(dur_str_c(text_of(event, "id", NULL)), "2026-03-01T12:00:00Z",
           "its id is the slot");
    is_int(json_integer_value(json_object_get(event, "ts")),
           at("2026-03-01T12:00:00Z"), "ts is when it was due");
    is_str(dur_str_c(text_of(event, "data", "cron")), "0 12 * * *",
           "data.cron");
    is_str(dur_str_c(text_of(event, "data", "scheduledAt")),
           "2026-03-01T12:00:00Z", "data.scheduledAt");
    is_str(dur_str_c(text_of(event, "data", "fireAt")),
           "2026-03-01T12:00:00Z", "data.fireAt");

    kit_result(a, 200, KIT_SDK, "1");
    is_next(1, "2026-03-02T12:00:00Z", "the slot after it");
    is_int(rows(DUR_T_RUN), 1, "one run");
    is_int(rows(DUR_T_TIMER), 1, "one timer");
}


static void
test_zones(void)
{
    dur_op_t  op;

    fresh("2026-03-01T00:00:00Z");
    kit_app("app", KIT_FN("app-f", CRON("TZ=Europe/Berlin 0 9 * * *"), ""));
    is_next(1, "2026-03-01T08:00:00Z", "nine in Berlin");
    go_to("2026-03-29T07:00:00Z");
    is_next(1, "2026-03-30T07:00:00Z", "also in summer");

    kit_app("app", KIT_FN("app-f", CRON("0 9 * * *"), ""));
    is_next(1, "2026-03-29T09:00:00Z", "without a zone it is UTC");

    berlin = NULL;
    kit_reopen();
    kit_app("app", KIT_FN("app-f", CRON("CRON_TZ=Europe/Berlin 1 9 * * *"),
                          ""));
    is_next(1, "2026-03-29T07:01:00Z", "a zone that was known stays known");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REGISTER;
    op.body = dur_str("{\"url\":\"http://127.0.0.1/app\",\"appName\":\"app\","
                      "\"functions\":["
                      KIT_FN("app-f", CRON("TZ=Europe/Atlantis 0 9 * * *"), "")
                      "]}");
    kit_op(&op);
    is_int(kit.reply.status, 400, "an unknown zone is refused");
    ok(memmem(kit.reply.body.data, kit.reply.body.len,
              "\\\"Europe/Atlantis\\\" is not known on this server; is the "
              "package tzdata installed?", 79) != NULL,
       "with a sentence that says what to do: %.*s",
       (int) kit.reply.body.len, (const char *) kit.reply.body.data);
    is_next(1, "2026-03-29T07:01:00Z", "what was registered before stays");
}


static void
test_new_rules(void)
{
    fresh("2026-03-01T00:00:00Z");
    kit_app("app", KIT_FN("app-f", CRON("TZ=Europe/Berlin 0 9 * * *"), "")
            "," KIT_FN("app-g", CRON("0 9 * * *"), ""));
    is_next(1, "2026-03-01T08:00:00Z", "as the rules are");

    berlin = "MSK-3";
    local = "EST5";
    kit_reopen();
    work();
    is_next(1, "2026-03-01T06:00:00Z",
            "a leader that finds new rules plans anew");
    is_next(2, "2026-03-01T14:00:00Z", "also for the machine's own zone");
    is_int(rows(DUR_T_TIMER), 2, "in place of the old ones");

    go_to("2026-03-01T06:00:00Z");
    berlin = "CET-1";
    kit_reopen();
    work();
    is_next(1, "2026-03-01T08:00:00Z", "a slot is one by the rules it has");
    is_int(rows(DUR_T_RUN), 1, "and none is repeated");

    berlin = "nonsense";
    kit_reopen();
    work();
    is_next(1, "2026-03-01T08:00:00Z", "rules that are none change nothing");
}


static void
test_registrations(void)
{
    fresh("2026-03-01T00:00:30Z");
    kit_app("app", KIT_FN("app-f", CRON("*/10 * * * *") ","
                          CRON("0 5 * * *"), ""));
    is_int(rows(DUR_T_TIMER), 2, "each text has a timer");

    kit.now += MINUTE;
    kit_app("app", KIT_FN("app-f", CRON("*/10 * * * *") ","
                          CRON("0 6 * * *"), ""));
    is_next(1, "2026-03-01T00:10:00Z", "what is the same stays");
    is_int(rows(DUR_T_TIMER), 2, "what is no more goes");

    kit_app("app", KIT_FN("app-f", KIT_ON("t/f"), ""));
    is_int(rows(DUR_T_TIMER), 0, "also the last");
    is_int(rows(DUR_T_FLOW), 0, "with its row");

    kit_app("app", KIT_FN("app-f", CRON("0 0 30 2 *"), ""));
    is_int(rows(DUR_T_TIMER), 0, "a date that never comes is no error");

    kit_app("app", KIT_FN("app-f", CRON("*/10 * * * *"), ""));
    kit_app("app", KIT_FN("app-g", CRON("0 6 * * *"), ""));
    is_next(1, "never", "a function that is gone has none");
    is_next(2, "2026-03-01T06:00:00Z", "that of another one");

    go_to("2026-03-01T00:20:00Z");
    is_int(rows(DUR_T_RUN), 0, "and starts nothing");
}


static void
test_removed(void)
{
    dur_op_t  op;

    fresh("2026-03-01T00:00:30Z");
    kit_app("app", KIT_FN("app-f", CRON("* * * * *"), ""));

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REMOVE;
    op.url = dur_str("http://127.0.0.1/app");
    kit_op(&op);
    is_int(kit.reply.status, 200, "an app is removed");
    is_int(rows(DUR_T_TIMER), 0, "its schedules go along");

    /* another app takes the place: nobody tells the schedule */

    kit_app("app", KIT_FN("app-f", CRON("* * * * *"), ""));
    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REGISTER;
    op.body = dur_str("{\"url\":\"http://127.0.0.1/app\",\"appName\":\"new\","
                      "\"functions\":["
                      KIT_FN("new-f", KIT_ON("t/f"), "") "]}");
    kit_op(&op);
    is_int(kit.reply.status, 200, "another app is at its URL");
    go_to("2026-03-01T00:05:00Z");
    is_int(rows(DUR_T_RUN), 0, "the schedule of the first is over");
    is_int(rows(DUR_T_TIMER), 0, "and leaves nothing");
}


static void
test_downtime(void)
{
    fresh("2026-03-01T00:00:30Z");
    kit_app("app", KIT_FN("app-f", CRON("*/5 * * * *") ","
                          CRON("0 * * * *"), ""));

    kit.now = at("2026-03-01T06:02:00Z");
    kit_reopen();
    work();
    is_int(rows(DUR_T_RUN), 2,
           "after six hours without a server each text has one run");
    is_str(dur_str_c(text_of(called("app-f"), "id", NULL)),
           "2026-03-01T00:05:00Z", "for the first slot that was missed");
    is_next(1, "2026-03-01T06:05:00Z", "and goes on with the next to come");

    go_to("2026-03-01T06:05:00Z");
    is_int(rows(DUR_T_RUN), 3, "which has its own");
}


static void
test_leaders(void)
{
    unsigned  i;

    fresh("2026-03-01T00:00:30Z");
    kit_app("app", KIT_FN("app-f", CRON("* * * * *"), ""));

    for (i = 0; i < 5; i++) {
        kit.now = at("2026-03-01T00:01:00Z") + i;
        kit_reopen();
        work();
    }

    is_int(rows(DUR_T_RUN), 1, "a slot has one run whoever leads");

    kit.now = at("2026-03-01T00:00:10Z");
    kit_reopen();
    work();
    go_to("2026-03-01T00:01:00Z");
    is_int(rows(DUR_T_RUN), 1, "also when the clock was set back");
    is_next(1, "2026-03-01T00:02:00Z", "the next one is the next");
}


/* Two texts that meet are one slot of the function. */
static void
test_same_slot(void)
{
    fresh("2026-03-01T00:00:30Z");
    kit_app("app", KIT_FN("app-f", CRON("*/30 * * * *") ","
                          CRON("0 * * * *"), ""));
    go_to("2026-03-01T00:30:00Z");
    go_to("2026-03-01T01:00:00Z");
    is_int(rows(DUR_T_RUN), 2, "two texts that are due together start one");
    go_to("2026-03-01T01:30:00Z");
    is_int(rows(DUR_T_RUN), 3, "and both go on");
    is_int(rows(DUR_T_TIMER), 2, "with their timers");
}


static void
test_jitter(void)
{
    int64_t   first, second;
    unsigned  i;

    fresh("2026-03-01T00:00:30Z");
    kit_app("app", KIT_FN("app-f", JITTER("0 * * * *", "5m"), ""));

    first = dur_engine_next_due(kit.engine) - at("2026-03-01T01:00:00Z");
    ok(first >= 1000 && first < 5 * MINUTE,
       "a slot with a jitter is due up to that later");

    kit_reopen();
    work();
    is_int(dur_engine_next_due(kit.engine),
           at("2026-03-01T01:00:00Z") + first, "whoever looks");

    kit.now = at("2026-03-01T01:00:00Z") + first;
    work();
    is_str(dur_str_c(text_of(called("app-f"), "id", NULL)),
           "2026-03-01T01:00:00Z", "the event's id is the slot");
    is_int(json_integer_value(json_object_get(kit_get("event", NULL), "ts")),
           kit.now, "its ts when it was due");

    second = dur_engine_next_due(kit.engine) - at("2026-03-01T02:00:00Z");
    ok(second >= 1000 && second < 5 * MINUTE && second != first,
       "each slot has its own");

    kit_app("app", KIT_FN("app-f", JITTER("0 * * * *", "1s"), ""));
    is_int(dur_engine_next_due(kit.engine),
           at("2026-03-01T02:00:00Z") + second,
           "another jitter is that of the slot after");
    kit.now = at("2026-03-01T02:00:00Z") + second;
    work();
    is_int(dur_engine_next_due(kit.engine), at("2026-03-01T03:00:01Z"),
           "a jitter of a second is a second");

    /* more jitter than there is between slots */

    fresh("2026-03-01T00:00:30Z");
    kit_app("app", KIT_FN("app-f", JITTER("* * * * *", "5m"), ""));

    for (i = 0; i < 60 * 60; i++) {
        kit.now += 1000;
        if (dur_engine_next_due(kit.engine) <= kit.now) {
            work();
        }
    }

    ok(rows(DUR_T_RUN) >= 55 && rows(DUR_T_RUN) <= 60,
       "a jitter does not swallow slots: %d in an hour",
       (int) rows(DUR_T_RUN));
}


static void
test_flow(void)
{
    dur_op_t  op;

    fresh("2026-03-01T00:00:30Z");
    kit_app("app", KIT_FN("app-f", CRON("* * * * *"), ",\"rateLimit\":{"
                          "\"limit\":1,\"period\":\"1h\"}"));
    go_to("2026-03-01T00:01:00Z");
    go_to("2026-03-01T00:02:00Z");
    is_int(rows(DUR_T_RUN), 1, "a rate limit holds for slots");
    is_next(1, "2026-03-01T00:03:00Z", "one that is limited is done");

    fresh("2026-03-01T00:00:30Z");
    kit_app("app", KIT_FN("app-f", CRON("* * * * *"), ",\"singleton\":{"
                          "\"mode\":\"skip\"}"));
    go_to("2026-03-01T00:01:00Z");
    go_to("2026-03-01T00:02:00Z");
    is_int(rows(DUR_T_RUN), 2, "a singleton that runs skips a slot");
    is_int(rows(DUR_T_READY) + rows(DUR_T_LEASE), 1, "which does not run");

    fresh("2026-03-01T00:00:30Z");
    kit_app("app", KIT_FN("app-f", CRON("* * * * *"), ""));
    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_PAUSE;
    op.url = dur_str("app-f");
    op.generation = 1;
    kit_op(&op);
    go_to("2026-03-01T00:01:00Z");
    is_int(rows(DUR_T_RUN), 1, "a paused function has a record of its slot");
    is_int(rows(DUR_T_READY), 0, "that is skipped");
    op.generation = 0;
    kit_op(&op);
    go_to("2026-03-01T00:02:00Z");
    is_int(rows(DUR_T_READY), 1, "and goes on by the next");

    fresh("2026-03-01T00:00:30Z");
    kit_app("app", KIT_FN("app-f", CRON("* * * * *") "," KIT_ON("t/f"),
                          ",\"debounce\":{\"period\":\"5m\"}"));
    kit_event_at("f", NULL, at("2026-03-01T00:02:00Z"));
    go_to("2026-03-01T00:01:00Z");
    is_int(rows(DUR_T_EVENT_RUN), 1, "a debounce that holds a later event "
           "does not hold the slot's");
    is_int(rows(DUR_T_ENDED), 1, "which nobody keeps");
}


static void
test_listeners(void)
{
    fresh("2026-03-01T00:00:30Z");
    kit_app("app", KIT_FN("app-f", CRON("* * * * *") ","
                          KIT_ON("inngest/*"), "") ","
            KIT_FN("app-g", KIT_ON("inngest/scheduled.timer"), "") ","
            KIT_FN("app-h", KIT_ON("t/h"), ""));
    go_to("2026-03-01T00:01:00Z");
    is_int(rows(DUR_T_RUN), 2, "others that listen see the event");
    ok(called("app-g") != NULL, "by its name");
    ok(called("app-f") != NULL, "the function itself has it once");
}


/* A timer that is lost is found missing by the next leader. */
static void
test_lost_timer(void)
{
    dur_txn_t     *t;
    dur_str_t      k;
    dur_cursor_t  *c;

    fresh("2026-03-01T00:00:30Z");
    kit_app("app", KIT_FN("app-f", CRON("* * * * *"), ""));

    dur_txn_begin(dur_engine_store(kit.engine), true, &t);
    dur_cursor_open(t, DUR_T_TIMER, &c);
    dur_cursor_seek(c, dur_str_null, &k, NULL);
    dur_cursor_del(c);
    dur_cursor_close(c);
    is_int(dur_txn_commit(t), DUR_OK, "a timer is lost");

    kit_reopen();
    work();
    go_to("2026-03-01T00:01:00Z");
    is_int(rows(DUR_T_RUN), 1, "its schedule is not");
}


static void
test_poison(void)
{
    dur_op_t       op;
    dur_reply_t    reply;
    dur_effect_t  *f;

    fresh("2026-03-01T00:00:30Z");
    kit_app("app", KIT_FN("app-f", CRON("* * * * *"), ""));
    kit.now = at("2026-03-01T00:01:00Z");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_TIMERS;
    dur_buf_reset(&kit.buf);
    dur_op_encode(&op, &kit.buf);
    dur_arena_reset(&kit.arena);
    dur_engine_begin(kit.engine, kit.now, &kit.arena);
    is_int(dur_engine_poison(kit.engine, dur_buf_str(&kit.buf), &reply),
           DUR_OK, "a slot that cannot be decided");
    is_int(dur_engine_commit(kit.engine, &f), DUR_OK, "is left out");
    is_int(rows(DUR_T_RUN), 0, "without a run");
    is_next(1, "2026-03-01T00:02:00Z", "and the next one is planned");
}


#define MANY  10000

static void
test_many(void)
{
    char       text[768];
    unsigned   i, ops;
    uint64_t   before, most;
    dur_op_t   op;
    dur_buf_t  b;

    fresh("2026-03-01T00:00:30Z");

    dur_buf_init(&b, 16 << 20);
    dur_buf_addz(&b, "{\"url\":\"http://127.0.0.1/app\",\"appName\":\"app\","
                 "\"functions\":[");

    for (i = 0; i < MANY; i++) {
        snprintf(text, sizeof(text), "%s{\"id\":\"app-f%u\",\"name\":\"f\","
                 "\"triggers\":[{\"cron\":\"* * * * *\"}],\"steps\":{\"step\":"
                 "{\"id\":\"step\",\"name\":\"step\",\"runtime\":{\"type\":"
                 "\"http\",\"url\":\"http://127.0.0.1/?fnId=f&stepId=step\"}}"
                 "}}", i ? "," : "", i);
        dur_buf_addz(&b, text);
    }

    dur_buf_addz(&b, "]}");
    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REGISTER;
    op.body = dur_buf_str(&b);
    kit_op(&op);
    dur_buf_deinit(&b);

    is_int(kit.reply.status, 200, "10,000 functions register at once");
    ok(dur_engine_has_tasks(kit.engine) && rows(DUR_T_TIMER) < 200,
       "and are planned in pieces");
    kit.now = at("2026-03-01T00:00:59.500Z");
    for (i = 0; dur_engine_has_tasks(kit.engine) && i < 1000; i++) {
        kit_plain(DUR_OP_TASKS, 0);
    }
    is_int(rows(DUR_T_TIMER), MANY, "all of them");

    kit.now = at("2026-03-01T00:01:00Z");
    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_TIMERS;
    op.resubmitted = 1;
    kit_op(&op);
    is_int(rows(DUR_T_RUN), 1, "an op that is tried again fires one timer");

    for (most = 0, ops = 0; dur_engine_next_due(kit.engine) <= kit.now; ops++)
    {
        before = rows(DUR_T_RUN);
        kit_plain(DUR_OP_TIMERS, 0);
        before = rows(DUR_T_RUN) - before;
        most = before > most ? before : most;
    }
    is_int(rows(DUR_T_RUN), MANY, "each has its run");
    ok(most <= 64, "never more than 64 by one op");
}


int
main(void)
{
    kit.zone = read_zone;

    if (!kit_init()) {
        return 2;
    }

    test_event();
    test_zones();
    test_new_rules();
    test_registrations();
    test_removed();
    test_downtime();
    test_leaders();
    test_same_slot();
    test_jitter();
    test_flow();
    test_listeners();
    test_lost_timer();
    test_poison();
    test_many();

    return kit_done();
}
