/* SPDX-License-Identifier: BSD-2-Clause */

#include "tap.h"
#include "engine/dur_op.h"


static dur_arena_t  arena;


/* Encodes and decodes; then every shorter text must be refused. */

static void
round_trip(const dur_op_t *op, dur_op_t *out, dur_buf_t *b, const char *title)
{
    size_t    bad;
    dur_op_t  ignored;

    dur_buf_reset(b);
    is_int(dur_op_encode(op, b), DUR_OK, "%s is encoded", title);

    bad = 0;

    for (size_t n = 0; n < b->len; n++) {
        if (dur_op_decode(dur_str_make(b->data, n), &ignored, &arena)
            == DUR_EINVAL)
        {
            bad++;
        }
    }

    is_int(bad, b->len, "%s that was cut off is refused", title);

    dur_buf_addc(b, 0);
    is_int(dur_op_decode(dur_buf_str(b), &ignored, &arena), DUR_EINVAL,
           "%s with a byte too many is refused", title);
    b->len--;

    is_int(dur_op_decode(dur_buf_str(b), out, &arena), DUR_OK,
           "%s is decoded", title);
    ok(out->type == op->type && out->resubmitted == op->resubmitted
       && memcmp(out->entropy, op->entropy, 16) == 0,
       "%s keeps its head", title);
}


static void
test_events(void)
{
    bool             same;
    dur_op_t         op, out;
    dur_buf_t        b;
    dur_op_event_t   events[3], *e;

    memset(&op, 0, sizeof(op));
    memset(events, 0, sizeof(events));
    memcpy(op.entropy, "0123456789abcdef", 16);

    op.type = DUR_OP_EVENTS;
    op.resubmitted = 2;
    op.nevents = 3;
    op.events = events;

    for (size_t i = 0; i < 3; i++) {
        memset(events[i].id.b, (int) i + 1, DUR_ULID_LEN);
        events[i].flags = (uint8_t) i;
        events[i].ts = (int64_t) i - 1;
        events[i].name = dur_str("app/user.created");
        events[i].json = dur_str("{\"data\":{}}");
    }

    events[2].client_id = dur_str("evt-1");
    events[2].flags = DUR_EVENT_F_UPLOADED;
    events[2].length = 123456;

    dur_buf_init(&b, 1 << 20);
    round_trip(&op, &out, &b, "an op of three events");

    is_int(out.nevents, 3, "with three events");

    same = true;

    for (size_t i = 0; i < out.nevents; i++) {
        e = &out.events[i];
        same = same && memcmp(&e->id, &events[i].id, DUR_ULID_LEN) == 0
               && e->flags == events[i].flags && e->ts == events[i].ts
               && dur_str_eq(e->name, events[i].name)
               && dur_str_eq(e->client_id, events[i].client_id)
               && dur_str_eq(e->json, events[i].json)
               && e->length == events[i].length;
    }

    ok(same, "each as it was");
    ok(out.events[0].json.data > b.data
       && out.events[0].json.data < b.data + b.len,
       "whose texts are borrowed from the input");

    dur_put32(b.data + 20, UINT32_MAX);
    is_int(dur_op_decode(dur_buf_str(&b), &out, &arena), DUR_EINVAL,
           "a count beyond the input asks for no memory");

    op.nevents = 0;
    dur_buf_reset(&b);
    is_int(dur_op_encode(&op, &b), DUR_OK, "no events are encoded");
    is_int(dur_op_decode(dur_buf_str(&b), &out, &arena), DUR_OK,
           "and decoded");
    is_int(out.nevents, 0, "as none");

    op.nevents = 5001;
    dur_buf_reset(&b);
    ok(dur_op_encode(&op, &b) == DUR_ETOOBIG && b.len == 0,
       "5,001 events are refused");

    dur_buf_deinit(&b);
}


static void
test_result(void)
{
    dur_op_t          op, out;
    dur_buf_t         b;
    dur_op_result_t  *r;

    memset(&op, 0, sizeof(op));
    dur_buf_init(&b, 1 << 20);

    r = &op.result;
    op.type = DUR_OP_RESULT;
    r->item = 0x0102030405060708;
    r->generation = 77;
    r->status = 206;
    r->error_kind = 3;
    r->started = 1700000000000;
    r->duration = 12345;
    r->error = dur_str("lost");
    r->headers = dur_str("x-inngest-sdk: js:v4\n");
    r->body = dur_str("[]");

    round_trip(&op, &out, &b, "a result");

    ok(out.result.item == r->item && out.result.generation == 77
       && out.result.status == 206 && out.result.error_kind == 3
       && out.result.started == r->started && out.result.duration == 12345,
       "numbers of a result are kept");
    is_str(out.result.error, "lost", "its error");
    is_str(out.result.headers, "x-inngest-sdk: js:v4\n", "its headers");
    is_str(out.result.body, "[]", "its body");

    dur_buf_deinit(&b);
}


static void
test_others(void)
{
    dur_op_t   op, out;
    dur_buf_t  b;

    static const struct {
        uint8_t      type;
        const char  *title;
    } empty[] = {
        { DUR_OP_TIMERS, "a timers op" }, { DUR_OP_TASKS, "a tasks op" },
        { DUR_OP_NOP, "a barrier" },
    };

    memset(&op, 0, sizeof(op));
    dur_buf_init(&b, 1 << 20);

    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        op.type = empty[i].type;
        round_trip(&op, &out, &b, empty[i].title);
    }

    op.body = dur_str("body");
    op.url = dur_str("http://localhost:3000/");
    op.error = dur_str("unreachable");
    op.budget = 0xfffffffe;
    memset(op.run.b, 0xab, DUR_ULID_LEN);
    memset(op.instance, 0xcd, 16);

    op.type = DUR_OP_CONFIG;
    round_trip(&op, &out, &b, "a configuration");
    is_str(out.body, "body", "and keeps its blob");

    op.type = DUR_OP_REGISTER;
    round_trip(&op, &out, &b, "a registration");
    is_str(out.body, "body", "and keeps its payload");

    op.type = DUR_OP_SYNC;
    round_trip(&op, &out, &b, "a sync");
    is_str(out.url, "http://localhost:3000/", "and keeps its URL");
    is_str(out.error, "unreachable", "and its error");

    op.type = DUR_OP_REMOVE;
    round_trip(&op, &out, &b, "a removal");
    is_str(out.url, "http://localhost:3000/", "and keeps its URL");
    is_str(out.error, "", "fields of other types stay empty");

    op.type = DUR_OP_INVENTORY;
    round_trip(&op, &out, &b, "an inventory");
    ok(memcmp(out.instance, op.instance, 16) == 0, "and keeps its instance");
    is_str(out.body, "body", "and its attempts");

    op.type = DUR_OP_DISPATCH;
    round_trip(&op, &out, &b, "a dispatch");
    is_int(out.budget, 0xfffffffe, "and keeps its budget");

    op.type = DUR_OP_CANCEL;
    round_trip(&op, &out, &b, "a cancellation");
    ok(memcmp(&out.run, &op.run, DUR_ULID_LEN) == 0, "and keeps its run");

    b.data[0] = DUR_OP_CODEC + 1;
    is_int(dur_op_decode(dur_buf_str(&b), &out, &arena), DUR_EFORMAT,
           "another codec is told apart from nonsense");

    b.data[0] = DUR_OP_CODEC;
    b.data[1] = DUR_OP_MAX;
    is_int(dur_op_decode(dur_buf_str(&b), &out, &arena), DUR_EINVAL,
           "an unknown type is refused");

    op.type = 0;
    dur_buf_reset(&b);
    ok(dur_op_encode(&op, &b) == DUR_EINVAL && b.len == 0,
       "an op without a type is not encoded");

    dur_buf_deinit(&b);
    dur_buf_init(&b, 30);
    dur_buf_addz(&b, "before");
    op.type = DUR_OP_CONFIG;
    is_int(dur_op_encode(&op, &b), DUR_ETOOBIG, "an op that does not fit");
    is_str(dur_buf_str(&b), "before", "leaves the buffer as it was");

    dur_buf_deinit(&b);

    ok(dur_op_is_ingest(DUR_OP_EVENTS) && dur_op_is_ingest(DUR_OP_UPLOAD)
       && !dur_op_is_ingest(DUR_OP_RESULT),
       "events are ingest, results are not");
}


static void
test_reply(void)
{
    dur_buf_t    b;
    dur_reply_t  reply, out;

    memset(&reply, 0, sizeof(reply));
    dur_buf_init(&b, 64);

    reply.status = 404;
    reply.flags = DUR_REPLY_F_DUPLICATE;
    reply.body = dur_str("{}");

    is_int(dur_reply_encode(&reply, &b), DUR_OK, "a reply is encoded");
    is_int(dur_reply_decode(dur_buf_str(&b), &out), DUR_OK, "and decoded");
    ok(out.status == 404 && out.flags == DUR_REPLY_F_DUPLICATE
       && out.rc == DUR_OK, "with status and flags");
    is_str(out.body, "{}", "and its body");

    for (size_t n = 0; n < 4; n++) {
        is_int(dur_reply_decode(dur_str_make(b.data, n), &out), DUR_EINVAL,
               "%zu bytes are no reply", n);
    }

    is_int(dur_reply_decode(dur_str_make(b.data, 4), &out), DUR_OK,
           "a reply may have no body");

    dur_buf_deinit(&b);
}


int
main(void)
{
    dur_arena_init(&arena);

    test_events();
    test_result();
    test_others();
    test_reply();

    dur_arena_deinit(&arena);

    return done_testing();
}
