/* SPDX-License-Identifier: BSD-2-Clause */

/* Which runs and events a filter means. */

#include "kit.h"
#include "engine/dur_filter.h"
#include "engine/dur_time.h"

#define HOUR  (3600 * (int64_t) 1000)


/*
 * One store for all of it.  In the order of the letters, an hour apart:
 *   a  shop-order, t/order.placed   Completed {"total":7}
 *   b  shop-order, t/order.placed   Failed
 *   c  shop-mail,  t/mail           Running
 *   d  crm-sync,   t/order.changed  Scheduled
 */
#define NRUNS  4

static dur_ulid_t  events[NRUNS], runs[NRUNS];
static dur_ulid_t  lone;            /* an event that started nothing */


static dur_ulid_t
event_of(const char *name, const char *data)
{
    char            json[512], id[DUR_ULID_TEXT_LEN + 1];
    dur_op_t        op;
    dur_op_event_t  event;

    kit.now += HOUR;

    memset(&event, 0, sizeof(event));
    event.id = kit_ulid(kit.entropy);
    dur_ulid_text(&event.id, id);
    snprintf(json, sizeof(json), "{\"data\":%s,\"id\":\"%s\",\"name\":\"%s\","
             "\"ts\":%" PRId64 ",\"user\":{}}", data, id, name, kit.now);

    event.flags = DUR_EVENT_F_CANONICAL;
    event.ts = kit.now;
    event.name = dur_str_c(name);
    event.json = dur_str_c(json);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    kit_op(&op);

    return event.id;
}


static void
fill(void)
{
    size_t  i;

    kit_app("shop", KIT_FN("shop-order", KIT_ON("t/order.placed"), "") ","
            KIT_FN("shop-mail", KIT_ON("t/mail"), ""));
    kit_app("crm", KIT_FN("crm-sync", KIT_ON("t/order.changed"), ""));

    events[0] = event_of("t/order.placed", "{\"id\":1,\"who\":\"ann\"}");
    kit_answer("shop-order", 200, "{\"total\":7}");
    events[1] = event_of("t/order.placed", "{\"id\":2,\"who\":\"bob\"}");
    kit_answer("shop-order", 400, "{\"name\":\"Error\",\"message\":\"no\"}");
    events[2] = event_of("t/mail", "{\"to\":[\"x\",\"y\"]}");
    (void) kit_take("shop-mail");
    events[3] = event_of("t/order.changed", "{\"id\":1}");

    for (i = 0; i < NRUNS; i++) {
        runs[i] = kit_run_id(&events[i]);
    }

    lone = event_of("t/nobody", "{}");
}


/* The letters of the runs that are meant, or the sentence. */
static const char *
meant(const char *json)
{
    bool                match;
    size_t              i, n;
    json_t             *root;
    dur_rc_t            rc;
    dur_run_t           run;
    dur_txn_t          *txn;
    dur_filter_t        f;
    dur_filter_want_t   want;
    static char         answer[160];

    root = json_loads(json, JSON_DECODE_ANY, NULL);
    rc = dur_filter_read(root, &want, answer);

    if (rc == DUR_OK && dur_txn_begin(dur_engine_store(kit.engine), false,
                                      &txn) == DUR_OK)
    {
        rc = dur_filter_open_runs(&f, txn, &want, kit.now, answer);

        for (i = 0, n = 0; rc == DUR_OK && i < NRUNS; i++) {
            if (dur_run_get(txn, &runs[i], &run) == DUR_OK
                && dur_filter_run(&f, txn, &run, &match) == DUR_OK && match)
            {
                answer[n++] = (char) ('a' + i);
            }
        }

        if (rc == DUR_OK) {
            answer[n] = '\0';
            ok(f.work > 0, "that took work");
            dur_filter_close(&f);
        }

        dur_txn_abort(txn);
    }

    json_decref(root);

    return answer;
}


static void
test_meant(void)
{
    size_t  i;

    static const struct {
        const char  *filter;
        const char  *meant;
    } rows[] = {
        { "{}", "abcd" },
        { "{\"app\":null,\"q\":\"\"}", "abcd" },

        { "{\"status\":\"Completed\"}", "a" },
        { "{\"status\":\"failed,COMPLETED\"}", "ab" },
        { "{\"status\":\"Scheduled\"}", "d" },
        { "{\"status\":\"Running\"}", "c" },
        { "{\"status\":\"Scheduled,Running\"}", "cd" },
        { "{\"status\":\"Cancelled,Skipped\"}", "" },
        { "{\"app\":\"shop\"}", "abc" },
        { "{\"function\":\"shop-mail\"}", "c" },
        { "{\"app\":\"shop\",\"function\":\"order\"}", "ab" },
        { "{\"app\":\"shop\",\"status\":\"Failed\"}", "b" },

        { "{\"event\":\"t/mail\"}", "c" },
        { "{\"event\":\"t/order.*\"}", "abd" },
        { "{\"event\":\"t/order\"}", "" },
        { "{\"event\":\"*\"}", "abcd" },
        { "{\"event\":\"t/*.placed\"}", "" },

        { "{\"q\":\"event.data.id == 1\"}", "ad" },
        { "{\"q\":\"event.name == 't/mail'\"}", "c" },
        { "{\"q\":\"'y' in event.data.to\"}", "c" },
        { "{\"q\":\"event.data.to[7] == 'x' || event.data.id == 2\"}", "b" },
        { "{\"q\":\"event.data.id / 0 == 1\"}", "" },
        { "{\"q\":\"1\"}", "" },
        { "{\"q\":\"output.total > 5\"}", "a" },
        { "{\"q\":\"output == null\"}", "cd" },
        { "{\"q\":\"output.message == 'no'\"}", "b" },
        { "{\"q\":\"run.status == 'Failed' || run.app == 'crm'\"}", "bd" },
        { "{\"q\":\"run.function == 'shop-order' && event.data.who == 'ann'"
          "\"}", "a" },
        { "{\"q\":\"run.ended_at == null\",\"app\":\"crm\"}", "d" },
        { "{\"q\":\"timestamp(run.created_at) < now()\"}", "abcd" },

        { "{\"app\":\"nobody\"}", "there is no app \"nobody\"" },
        { "{\"function\":\"nobody\"}", "there is no function \"nobody\"" },
        { "{\"app\":\"crm\",\"function\":\"shop-mail\"}",
          "there is no function \"shop-mail\"" },
        { "{\"status\":\"odd\"}", "status must be a list of Scheduled, "
          "Running, Completed, Failed, Cancelled and Skipped" },
        { "{\"status\":\"Failed,\"}", "status must be a list of Scheduled, "
          "Running, Completed, Failed, Cancelled and Skipped" },
        { "{\"after\":\"yesterday\"}", "after must be an RFC 3339 time" },
        { "{\"before\":\"12\"}", "before must be an RFC 3339 time" },
        { "{\"id\":\"01\"}", "id must be 3 to 26 letters and digits of an "
          "id, such as 01K8" },
        { "{\"id\":\"01K%\"}", "id must be 3 to 26 letters and digits of an "
          "id, such as 01K8" },
        { "{\"q\":\"event.data.id = 1\"}", "q: \"=\" is no operator, == "
          "compares, at column 15" },
        { "{\"q\":\"outptu.total > 5\"}", "q: unknown name \"outptu\", at "
          "column 1" },
        { "{\"limit\":\"3\"}", "there is no filter \"limit\"" },
        { "{\"connector\":\"\"}", "there is no filter \"connector\"" },
        { "{\"app\":3}", "the filter \"app\" must be a string" },
        { "[]", "a filter is an object, {\"status\":\"Failed\"}" },
        { "null", "a filter is an object, {\"status\":\"Failed\"}" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_str(dur_str_c(meant(rows[i].filter)), rows[i].meant, "%s",
               rows[i].filter);
    }
}


/* A filter with one member, printed. */
static const char *
with(const char *name, const char *value, int from, int length)
{
    static char  json[160];

    snprintf(json, sizeof(json), "{\"%s\":\"%.*s\"}", name, length,
             value + from);

    return json;
}


static void
test_ids(void)
{
    char    id[DUR_ULID_TEXT_LEN + 1], event[DUR_ULID_TEXT_LEN + 1];
    char    lower[DUR_ULID_TEXT_LEN + 1], window[160];
    size_t  i;

    dur_ulid_text(&runs[1], id);
    dur_ulid_text(&events[1], event);

    for (i = 0; i <= DUR_ULID_TEXT_LEN; i++) {
        lower[i] = (char) (id[i] >= 'A' ? id[i] | 0x20 : id[i]);
    }

    is_str(dur_str_c(meant(with("id", id, 0, 26))), "b", "a whole id");
    is_str(dur_str_c(meant(with("id", lower, 0, 26))), "b", "in any case");
    is_str(dur_str_c(meant(with("id", event, 0, 26))), "b",
           "that of its event");
    is_str(dur_str_c(meant(with("id", lower, 4, 22))), "b", "a part of it");
    is_str(dur_str_c(meant(with("id", id, 0, 3))), "abcd",
           "what all begin with");

    snprintf(window, sizeof(window), "{\"id\":\"%s\",\"before\":"
             "\"2001-01-01T00:00:00Z\"}", id);
    is_str(dur_str_c(meant(window)), "b", "a whole id is in any window");
    snprintf(window, sizeof(window), "{\"id\":\"%.25s\",\"before\":"
             "\"2001-01-01T00:00:00Z\"}", id);
    is_str(dur_str_c(meant(window)), "", "a part of it is not");
    snprintf(window, sizeof(window), "{\"id\":\"%s\",\"status\":"
             "\"Completed\"}", id);
    is_str(dur_str_c(meant(window)), "", "nor has it any status");
}


static void
test_times(void)
{
    char  after[32], before[32], json[160];

    dur_rfc3339_text((int64_t) dur_ulid_ms(&runs[1]), after);
    dur_rfc3339_text((int64_t) dur_ulid_ms(&runs[3]), before);

    is_str(dur_str_c(meant(with("after", after, 0, 32))), "bcd",
           "what was made then or later");
    is_str(dur_str_c(meant(with("before", before, 0, 32))), "abc",
           "what was made before");
    snprintf(json, sizeof(json), "{\"after\":\"%s\",\"before\":\"%s\"}",
             after, before);
    is_str(dur_str_c(meant(json)), "bc", "and between");
}


/* How many of the five events are meant, or -1 and the sentence. */
static int
events_of(const char *json, char err[160])
{
    int                 n;
    bool                match;
    size_t              i;
    json_t             *root;
    dur_txn_t          *txn;
    dur_event_t         row;
    dur_filter_t        f;
    dur_filter_want_t   want;

    n = -1;
    root = json_loads(json, 0, NULL);

    if (dur_filter_read(root, &want, err) != DUR_OK
        || dur_filter_open_events(&f, &want, kit.now, err) != DUR_OK
        || dur_txn_begin(dur_engine_store(kit.engine), false, &txn)
           != DUR_OK)
    {
        json_decref(root);
        return n;
    }

    for (i = 0, n = 0; i <= NRUNS; i++) {
        if (dur_event_get(txn, i < NRUNS ? &events[i] : &lone, &row) == DUR_OK
            && dur_filter_event(&f, txn, i < NRUNS ? &events[i] : &lone, &row,
                                &match) == DUR_OK)
        {
            n += match;
        }
    }

    dur_filter_close(&f);
    dur_txn_abort(txn);
    json_decref(root);

    return n;
}


static void
test_events(void)
{
    char  id[DUR_ULID_TEXT_LEN + 1], err[160];

    dur_ulid_text(&lone, id);

    is_int(events_of("{}", err), 5, "all events");
    is_int(events_of("{\"event\":\"t/order*\"}", err), 3, "a name's start");
    is_int(events_of("{\"event\":\"t/nobody\"}", err), 1, "a name");
    is_int(events_of(with("id", id, 0, 26), err), 1, "an id");
    is_int(events_of("{\"q\":\"event.data.id == 1\"}", err), 2,
           "an expression");
    is_int(events_of("{\"q\":\"output.x == 1\"}", err), -1,
           "events have no output");
    is_str(dur_str_c(err), "q: unknown name \"output\", at column 1",
           "and it says so");
}


/* What was asked for, and asked again as it is written, is the same. */
static void
test_write(void)
{
    size_t              i;
    json_t             *root;
    dur_buf_t           b;
    dur_filter_want_t   want;
    char                err[160];

    static const char  *rows[] = {
        "{}",
        "{\"status\":\"Failed\"}",
        "{\"status\":\"Scheduled,Running,Skipped\",\"app\":\"a\"}",
        "{\"function\":\"f\",\"event\":\"e*\",\"id\":\"01k\"}",
        "{\"q\":\"event.data.x == \\\"\\u0001\\\"\"}",
        "{\"after\":\"2026-01-02T03:04:05.678Z\","
        "\"before\":\"2026-01-02T03:04:06Z\"}"
    };

    dur_buf_init(&b, 4096);

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        root = json_loads(rows[i], 0, NULL);
        is_int(dur_filter_read(root, &want, err), DUR_OK, "it is read");
        is_int(dur_filter_all(&want), i == 0, "all is what has no member");
        dur_buf_reset(&b);
        (void) dur_filter_write(&want, &b);
        is_str(dur_buf_str(&b), rows[i], "and written as it was");
        json_decref(root);
    }

    dur_buf_deinit(&b);
}


/* What costs much is counted as much. */
static void
test_work(void)
{
    bool                match;
    size_t              i;
    uint64_t            work[3];
    dur_run_t           run;
    dur_txn_t          *txn;
    dur_filter_t        f;
    dur_filter_want_t   want;
    char                err[160];

    static const char  *rows[] = {
        "", "event.data.id == 1",
        "[1,2,3,4,5,6,7,8].all(a, [1,2,3,4,5,6,7,8].all(b, "
        "[1,2,3,4,5,6,7,8].all(c, [1,2,3,4,5,6,7,8].all(d, "
        "[1,2,3,4,5,6,7,8].all(e, [1,2,3,4,5,6,7,8].all(f, a < 9))))))"
    };

    for (i = 0; i < 3; i++) {
        dur_filter_init(&want);
        want.q = dur_str_c(rows[i]);

        if (dur_txn_begin(dur_engine_store(kit.engine), false, &txn)
            != DUR_OK
            || dur_filter_open_runs(&f, txn, &want, kit.now, err) != DUR_OK
            || dur_run_get(txn, &runs[0], &run) != DUR_OK)
        {
            exit(2);
        }

        (void) dur_filter_run(&f, txn, &run, &match);
        ok(match == (i < 2), i < 2 ? "it matches"
                                   : "too much work is no match");
        work[i] = f.work;

        dur_filter_close(&f);
        dur_txn_abort(txn);
    }

    ok(work[0] < work[1] && work[1] < work[2], "each takes more work");
    ok(work[2] >= 1000000, "an expression without end takes much");
}


int
main(void)
{
    if (!kit_init()) {
        printf("Bail out! no store\n");
        return 1;
    }

    fill();
    test_meant();
    test_ids();
    test_times();
    test_events();
    test_write();
    test_work();

    return kit_done();
}
