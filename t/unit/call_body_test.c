/* SPDX-License-Identifier: BSD-2-Clause */

/* Large webhooks that are sent on: their bodies in pieces. */

#include "kit.h"
#include "engine/dur_call_body.h"
#include "engine/dur_upload.h"
#include "engine/dur_webhook.h"

#define NAME    "event/api.webhooks.big.action"
#define TARGET  "http://127.0.0.1:9/b?k=v"
#define LARGE   DUR_CALL_BODY_LARGE


static dur_buf_t   sent, json, got, part, text;
static dur_ulid_t  id;


/* -- a webhook ------------------------------------------------------------ */

static void
declare(void)
{
    dur_op_t  op;

    kit_fresh();

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_ROUTES;
    op.body = dur_str("[{\"connector\":\"big\",\"url\":\"" TARGET "\","
                      "\"retries\":2,\"ordered\":false,\"timeout\":1000}]");
    kit_op(&op);
}


/* The event's text, as a route writes it. */
static void
write_event(void)
{
    dur_webhook_t         w;
    dur_webhook_event_t   event;
    dur_webhook_header_t  headers[4] = {
        { dur_str("content-type"), dur_str("text/x-\"odd\""), 0 }
    };

    memset(&w, 0, sizeof(w));
    w.method = dur_str("PUT");
    w.url = dur_str("https://hooks.example.com/big?a=1");
    w.query = dur_str("a=1");
    w.remote = dur_str("203.0.113.9");
    w.body = dur_buf_str(&sent);
    w.nheaders = 1;
    w.headers = headers;
    dur_webhook_prepare(&w);

    memset(&event, 0, sizeof(event));
    event.name = dur_str(NAME);
    event.id = dur_str("big:1");
    event.ts = 1;

    dur_buf_reset(&json);
    dur_webhook_head(&w, &event, &json);

    while (event.pos < w.body.len) {
        dur_webhook_part(&w, &event, 30000, &json);
    }

    dur_webhook_tail(&w, &event, &json);
}


static void
upload(void)
{
    size_t          done, n;
    dur_op_t        op;
    dur_op_event_t  event;

    id = kit_ulid(++kit.entropy);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_UPLOAD;
    op.id = id;

    for (done = 0; done < json.len; done += n, op.item++) {
        n = json.len - done;
        n = n < DUR_UPLOAD_PIECE ? n : DUR_UPLOAD_PIECE;

        op.body = dur_str_make(json.data + done, n);
        kit_op(&op);
    }

    memset(&event, 0, sizeof(event));
    event.id = id;
    event.flags = DUR_EVENT_F_CANONICAL | DUR_EVENT_F_UPLOADED;
    event.ts = kit.now;
    event.name = dur_str(NAME);
    event.length = (uint32_t) json.len;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    kit_op(&op);
}


/* The call of a webhook with what is in `sent`. */
static kit_attempt_t
call(void)
{
    write_event();
    upload();
    kit_dispatch();

    return kit_attempt(0);
}


/* Reads all pieces to `got`; the number of them. */
static unsigned
read_all(dur_rc_t *rc)
{
    unsigned          n;
    dur_call_body_t  *body = &kit.call.rest;

    dur_buf_reset(&got);
    *rc = DUR_OK;

    for (n = 0; body->pos < body->end && n < 10000; n++) {
        *rc = dur_call_body_read(dur_engine_store(kit.engine), body, &part,
                                 &text);
        if (*rc != DUR_OK) {
            break;
        }

        dur_buf_adds(&got, dur_buf_str(&part));
    }

    return n;
}


/* Whether it goes out as it came; *n: in so many pieces. */
static bool
whole(unsigned *n)
{
    dur_rc_t       rc;
    kit_attempt_t  a;

    a = call();

    if (kit_build(a) != DUR_OK || kit.call.body.len != 0
        || kit.call.rest.length != sent.len)
    {
        return false;
    }

    *n = read_all(&rc);

    return rc == DUR_OK && dur_str_eq(dur_buf_str(&got), dur_buf_str(&sent));
}


static void
fill(const char *line, size_t length)
{
    dur_buf_reset(&sent);

    while (sent.len < length) {
        dur_buf_addz(&sent, line);
    }
}


/* -- tests ---------------------------------------------------------------- */

static void
test_text(void)
{
    unsigned  n;

    declare();

    fill("a line of text\n", 1000000);
    ok(whole(&n), "a large text is sent on as it came");
    ok(n > 10 && n < 30, "in pieces");

    is_str(dur_buf_str(&kit.call.method), "PUT", "with its method");
    is_str(dur_buf_str(&kit.call.url), TARGET "&a=1", "its query");
    ok(memmem(kit.call.headers.data, kit.call.headers.len,
              "content-type: text/x-\"odd\"\n", 27) != NULL, "its headers");

    fill("\x01", 1000000);
    ok(whole(&n), "so is one that is all escapes");
    fill("\"\\\n\t/<gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\x1f",
         1000000);
    ok(whole(&n), "and one of all kinds of characters");
    fill("\\\"", LARGE);
    ok(whole(&n), "and one whose escapes look like its end");
}


/* Every place where a piece may end within what stands for a byte. */
static void
test_borders(void)
{
    bool      same;
    unsigned  i, n;

    declare();
    same = true;

    for (i = 0; i < 13 && same; i++) {
        fill("\x02\"", 150000);
        sent.len -= i;
        memset(sent.data, 'x', i);
        same = whole(&n);
    }

    ok(same, "wherever a piece ends");
}


static void
test_bytes(void)
{
    bool      same;
    size_t    i, length;
    unsigned  n;

    declare();
    same = true;

    for (length = 200000; length < 200007 && same; length++) {
        dur_buf_reset(&sent);

        for (i = 0; i < length; i++) {
            dur_buf_addc(&sent, (uint8_t) (i * 2654435761u >> 13));
        }

        same = whole(&n);
    }

    ok(same && kit.call.rest.encoded,
       "bytes that are no text, of any length, are what they were");
}


/* Anybody may send an event of this name, in any order of its members. */
static void
test_others(void)
{
    size_t          i;
    dur_op_t        op;
    dur_op_event_t  event;

    declare();
    dur_buf_reset(&json);
    dur_buf_addz(&json, "{\"data\":{\"method\":\"PUT\",\"body\":\"");

    for (i = 0; i < LARGE; i++) {
        dur_buf_addc(&json, 'x');
    }

    dur_buf_addz(&json, "\"},\"name\":\"" NAME "\"}");

    memset(&event, 0, sizeof(event));
    event.id = kit_ulid(++kit.entropy);
    event.ts = kit.now;
    event.name = dur_str(NAME);
    event.json = dur_buf_str(&json);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    kit_op(&op);

    kit_dispatch();
    is_int(kit_build(kit_attempt(0)), DUR_OK, "a large event that was no "
           "webhook is a request");
    ok(kit.call.rest.length == 0 && kit.call.body.len == LARGE,
       "as a whole");
}


static void
test_cancelled(void)
{
    dur_rc_t       rc;
    dur_op_t       op;
    kit_attempt_t  a;

    declare();
    fill("x", 300000);
    a = call();
    is_int(kit_build(a), DUR_OK, "a body on its way");
    is_int(dur_call_body_read(dur_engine_store(kit.engine), &kit.call.rest,
                              &part, &text), DUR_OK, "of some pieces");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    op.run = kit_run_id(&id);
    kit_op(&op);
    is_int(kit.reply.status, 200, "whose run is cancelled");

    (void) read_all(&rc);
    is_int(rc, DUR_ENOTFOUND, "is wanted no more");
}


/* Deletes a payload row of the event, the event itself without one. */
static void
lose(int sequence)
{
    uint8_t     key[DUR_ULID_LEN + 4];
    dur_txn_t  *t;

    memcpy(key, id.b, DUR_ULID_LEN);
    dur_put32(key + DUR_ULID_LEN, (uint32_t) sequence);

    if (dur_txn_begin(dur_engine_store(kit.engine), true, &t) != DUR_OK) {
        return;
    }

    (void) dur_txn_del(t, sequence < 0 ? DUR_T_EVENT : DUR_T_PAYLOAD,
                       dur_str_make(key, sequence < 0 ? DUR_ULID_LEN
                                                      : DUR_ULID_LEN + 4));
    is_int(dur_txn_commit(t), DUR_OK, "a store that lost a row");
}


static void
test_lost(void)
{
    dur_rc_t       rc;
    kit_attempt_t  a;

    declare();
    fill("x", 300000);
    a = call();
    is_int(kit_build(a), DUR_OK, "a body on its way");
    lose(40);
    (void) read_all(&rc);
    is_int(rc, DUR_ECORRUPT, "gives no other bytes in its place");
    is_int(kit_build(a), DUR_ECORRUPT, "and is not begun again");

    lose(-1);
    is_int(kit_build(a), DUR_ECORRUPT, "an event that is gone is told from a "
           "lease that is gone");
}


int
main(void)
{
    dur_buf_init(&sent, 16 << 20);
    dur_buf_init(&json, 32 << 20);
    dur_buf_init(&got, 16 << 20);
    dur_buf_init(&part, DUR_CALL_BODY_PART);
    dur_buf_init(&text, DUR_CALL_BODY_PART);

    if (!kit_init()) {
        return 2;
    }

    test_text();
    test_borders();
    test_bytes();
    test_others();
    test_cancelled();
    test_lost();

    dur_buf_deinit(&sent);
    dur_buf_deinit(&json);
    dur_buf_deinit(&got);
    dur_buf_deinit(&part);
    dur_buf_deinit(&text);

    return kit_done();
}
