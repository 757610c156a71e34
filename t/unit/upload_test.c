/* SPDX-License-Identifier: BSD-2-Clause */

/* Large events that come in pieces. */

#include "kit.h"
#include "engine/dur_upload.h"

#define HOUR  ((int64_t) 3600 * 1000)
#define NAME  "event/api.webhooks.big.action"
#define FN(id, more)  KIT_FN("app-" id, KIT_ON(NAME), more)


static struct {
    dur_ulid_t  id;
    dur_buf_t   json;
} big;


static uint64_t
rows(dur_table_t table)
{
    uint64_t    n;
    dur_txn_t  *t;

    if (dur_txn_begin(dur_engine_store(kit.engine), false, &t) != DUR_OK) {
        return 0;
    }

    n = dur_txn_count(t, table);
    dur_txn_abort(t);

    return n;
}


/* -- a large event -------------------------------------------------------- */

/* Its text; the body is so many bytes. */
static void
make(size_t length)
{
    char    id[DUR_ULID_TEXT_LEN + 1];
    size_t  i;

    big.id = kit_ulid(++kit.entropy);
    dur_ulid_text(&big.id, id);

    dur_buf_reset(&big.json);
    dur_buf_addz(&big.json, "{\"data\":{\"body\":\"");

    for (i = 0; i < length; i++) {
        dur_buf_addc(&big.json, (uint8_t) ('a' + i % 23));
    }

    dur_buf_addf(&big.json, "\",\"headers\":{},\"method\":\"PUT\",\"n\":7},"
                 "\"id\":\"%s\",\"name\":\"" NAME "\",\"ts\":1,\"user\":{}}",
                 id);
}


static unsigned
piece(uint64_t number, size_t from, size_t length)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_UPLOAD;
    op.id = big.id;
    op.item = number;
    op.body = dur_str_make(big.json.data + from, length);
    kit_op(&op);

    return kit.reply.status;
}


/* All pieces; the status of the last one. */
static unsigned
pieces(void)
{
    size_t    done, n;
    unsigned  status;
    uint64_t  number;

    number = 0;
    status = 0;

    for (done = 0; done < big.json.len; done += n) {
        n = big.json.len - done;
        n = n < DUR_UPLOAD_PIECE ? n : DUR_UPLOAD_PIECE;

        status = piece(number++, done, n);
        if (status != 200) {
            break;
        }
    }

    return status;
}


static unsigned
event_of(uint32_t length)
{
    dur_op_t        op;
    dur_op_event_t  event;

    memset(&event, 0, sizeof(event));
    event.id = big.id;
    event.flags = DUR_EVENT_F_CANONICAL | DUR_EVENT_F_UPLOADED;
    event.ts = kit.now;
    event.name = dur_str(NAME);
    event.length = length;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    kit_op(&op);

    return kit.reply.status;
}


static unsigned
event(void)
{
    return event_of((uint32_t) big.json.len);
}


/* Whether the API shows the event as it was uploaded. */
static bool
shown(void)
{
    bool       same;
    json_t    *got, *want, *data;
    dur_buf_t  b;

    dur_buf_init(&b, 64 << 20);
    (void) dur_query_event(dur_engine_store(kit.engine), &big.id, &b);

    got = json_loadb((char *) b.data, b.len, 0, NULL);
    want = json_loadb((char *) big.json.data, big.json.len, 0, NULL);
    data = json_object_get(want, "data");
    same = data != NULL && json_equal(json_object_get(got, "data"), data);

    json_decref(got);
    json_decref(want);
    dur_buf_deinit(&b);

    return same;
}


/* Does what is due, as the leader would. */
static unsigned
expire(void)
{
    unsigned  n;

    for (n = 0; n < 1000; n++) {
        if (dur_engine_next_due(kit.engine) <= kit.now) {
            kit_plain(DUR_OP_TIMERS, 0);
        }
        if (!dur_engine_has_tasks(kit.engine)) {
            break;
        }
        kit_plain(DUR_OP_TASKS, 0);
    }

    return n;
}


/* -- tests ---------------------------------------------------------------- */

static void
test_stored(void)
{
    kit_fresh();
    kit_app("app", FN("f", ""));
    make(200000);

    is_int(pieces(), 200, "an event may come in pieces");
    is_int(rows(DUR_T_EVENT), 0, "which are no event yet");
    is_int(rows(DUR_T_UPLOAD), 1, "but an upload");

    is_int(event(), 200, "the event takes them over");
    is_int(rows(DUR_T_UPLOAD), 0, "the upload is done");
    ok(shown(), "the event is what was uploaded");

    is_int(kit_dispatch(), 1, "its run is called");
    is_int(kit_build(kit_attempt(0)), DUR_OK, "the call can be made");
    is_int(json_string_length(json_object_get(json_object_get(
               kit_get("event", NULL), "data"), "body")), 200000,
           "and has all of the event");
}


static void
test_again(void)
{
    char      runs[256];
    uint64_t  before;

    kit_fresh();
    kit_app("app", FN("f", ""));
    make(100000);

    is_int(piece(0, 0, DUR_UPLOAD_PIECE), 200, "a piece is stored");
    before = rows(DUR_T_PAYLOAD);
    is_int(piece(0, 0, DUR_UPLOAD_PIECE), 200, "one that comes again");
    ok((kit.reply.flags & DUR_REPLY_F_DUPLICATE)
       && rows(DUR_T_PAYLOAD) == before, "is not stored twice");

    is_int(piece(1, DUR_UPLOAD_PIECE, big.json.len - DUR_UPLOAD_PIECE), 200,
           "the next one is");
    is_int(piece(0, 0, DUR_UPLOAD_PIECE), 409, "an earlier one is refused");
    is_int(piece(3, 0, 10), 409, "and one that leaves a gap");
    is_int(piece(2, 0, 0), 400, "and one that is empty");
    is_int(piece(2, 0, DUR_UPLOAD_PIECE + 1), 400, "and one that is long");
    is_int(piece(2, 0, 10), 400, "and one behind the last one");

    is_int(event(), 200, "the event is stored all the same");
    snprintf(runs, sizeof(runs), "%.*s", (int) kit.reply.body.len,
             (const char *) kit.reply.body.data);
    ok(strncmp(runs, "{\"runs\":[\"", 10) == 0, "and names its run");
    ok(shown(), "and whole");

    is_int(event(), 200, "sent again, after a change of leader");
    ok(kit.reply.flags & DUR_REPLY_F_DUPLICATE, "it is known");
    is_str(kit.reply.body, runs, "and answered alike");
    is_int(event_of(99), 409, "another one of its id is refused");
    is_int(piece(0, 0, 10), 409, "and so is an upload for it");
    ok(shown(), "which leaves it alone");
}


static void
test_gone(void)
{
    kit_fresh();
    make(100000);

    is_int(event(), 503, "an event without its upload is refused");
    ok(memmem(kit.reply.body.data, kit.reply.body.len, "send it again", 13)
       != NULL, "with what to do");

    (void) pieces();
    is_int(event_of(99), 503, "so is one of another length");
    is_int(rows(DUR_T_EVENT), 0, "nothing is stored of it");
    is_int(event(), 200, "the right one finds its upload");
}


static void
test_expiry(void)
{
    unsigned    n;
    dur_ulid_t  first;

    kit_fresh();
    make(3000000);
    first = big.id;
    (void) pieces();
    ok(rows(DUR_T_PAYLOAD) > 700, "an upload of many rows");

    kit.now += HOUR / 2;
    make(1000);
    (void) pieces();

    kit_reopen();
    kit.now += HOUR / 2 - 1;
    (void) expire();
    is_int(rows(DUR_T_UPLOAD), 2, "is kept for an hour, also by the next "
           "leader");

    kit.now += 1;
    is_int(dur_engine_next_due(kit.engine), kit.now, "then it is due");
    n = expire();
    ok(n > 2, "is deleted in pieces");
    is_int(rows(DUR_T_UPLOAD), 1, "alone");
    is_int(rows(DUR_T_PAYLOAD), 1, "with all of its rows");

    is_int(event(), 200, "a younger one is there");
    big.id = first;
    is_int(event(), 503, "the event of the old one comes too late");

    kit.now += HOUR;
    (void) expire();
    is_int(rows(DUR_T_PAYLOAD), 1, "what an event took over stays");
}


/* Its rows may be on their way out. */
static void
test_late(void)
{
    kit_fresh();
    make(200000);
    is_int(piece(0, 0, DUR_UPLOAD_PIECE), 200, "an upload begins");

    kit.now += HOUR - 1;
    is_int(piece(1, DUR_UPLOAD_PIECE, DUR_UPLOAD_PIECE), 200,
           "and goes on within the hour");

    kit.now += 1;
    is_int(piece(2, 2 * DUR_UPLOAD_PIECE, DUR_UPLOAD_PIECE), 503,
           "but not later");
    is_int(event_of(2 * DUR_UPLOAD_PIECE), 503, "nor is it an event then");

    (void) expire();
    is_int(pieces(), 200, "from the beginning it may be sent again");
    is_int(event(), 200, "to its end");
}


static void
test_limit(void)
{
    unsigned  i, status;

    kit_fresh();
    make(100000);

    status = 200;

    for (i = 0; status == 200 && i < 1000; i++) {
        status = piece(i, 0, DUR_UPLOAD_PIECE);
    }

    is_int(status, 413, "an upload that grows too large is refused");
    ok((i - 1) * (size_t) DUR_UPLOAD_PIECE <= DUR_UPLOAD_MAX
       && i * (size_t) DUR_UPLOAD_PIECE > DUR_UPLOAD_MAX,
       "at the limit, not before");
}


/* What looks into an event sees the one that was uploaded. */
static void
test_read(void)
{
    json_t  *got;

    kit_fresh();
    kit_app("app",
            KIT_FN("app-yes", KIT_IF(NAME, "event.data.n == 7"), "") ","
            KIT_FN("app-no", KIT_IF(NAME, "event.data.n == 8"), "") ","
            KIT_FN("app-one", KIT_ON(NAME), ",\"singleton\":{\"key\":"
                   "\"event.data.method\",\"mode\":\"skip\"}"));

    make(100000);
    (void) pieces();
    is_int(event(), 200, "functions look into an event that was uploaded");

    ok(kit_answer("app-yes", 200, "1"), "one whose expression is true");
    ok(kit_answer("app-one", 206, "[" KIT_SLEEP(KIT_A, "nap", "1h") "]"),
       "one with a key");
    is_int(kit_take("app-no").item, 0, "not one whose expression is false");

    make(100000);
    (void) pieces();
    (void) event();
    ok(kit_answer("app-yes", 200, "1"), "the next event starts the first");
    is_int(kit_take("app-one").item, 0, "and meets the key of the other");

    /* a wait gets it whole */

    kit_fresh();
    kit_register("f", 0);
    big.id = kit_event("f");
    kit_dispatch();
    kit_result(kit_attempt(0), 206, KIT_SDK, "[{\"op\":\"WaitForEvent\","
               "\"id\":\"" KIT_A "\",\"name\":\"" NAME "\",\"displayName\":"
               "\"a\",\"opts\":{\"event\":\"" NAME "\",\"timeout\":\"1h\","
               "\"if\":\"async.data.n == 7\"}}]");

    make(100000);
    (void) pieces();
    is_int(event(), 200, "a step that waits");
    kit_dispatch();
    is_int(kit_build(kit_attempt(0)), DUR_OK, "gets it");

    got = json_object_get(kit_get("steps", KIT_A), "data");
    is_int(json_string_length(json_object_get(got, "body")), 100000, "whole");
}


static void
test_forward(void)
{
    dur_op_t  op;

    kit_fresh();

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_ROUTES;
    op.body = dur_str("[{\"connector\":\"big\",\"url\":\"http://127.0.0.1:9/b"
                      "\",\"retries\":0,\"ordered\":false,\"timeout\":1000}]");
    kit_op(&op);

    make(300000);
    (void) pieces();
    is_int(event(), 200, "a webhook that was uploaded");
    kit_dispatch();
    is_int(kit_build(kit_attempt(0)), DUR_OK, "is forwarded");
    is_str(dur_buf_str(&kit.call.method), "PUT", "as it came");
    is_int(kit.call.rest.length, 300000, "with all bytes of its body");
}


int
main(void)
{
    dur_buf_init(&big.json, 32 << 20);

    if (!kit_init()) {
        return 2;
    }

    test_stored();
    test_again();
    test_gone();
    test_expiry();
    test_late();
    test_limit();
    test_read();
    test_forward();

    dur_buf_deinit(&big.json);

    return kit_done();
}
