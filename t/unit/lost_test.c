/* SPDX-License-Identifier: BSD-2-Clause */

/* Runs whose call cannot be made any more: what it is made of is gone. */

#include "kit.h"

#define FAILED  "inngest/function.failed"
#define NAME    "event/api.webhooks.one.action"


static void
lose(dur_table_t table, const dur_ulid_t *id)
{
    dur_txn_t  *t;

    if (dur_txn_begin(dur_engine_store(kit.engine), true, &t) == DUR_OK) {
        (void) dur_txn_del(t, table, dur_str_make(id->b, DUR_ULID_LEN));
        is_int(dur_txn_commit(t), DUR_OK, "a store that lost a row");
    }
}


/* The function of a leased item. */
static uint32_t
function_of(kit_attempt_t a)
{
    uint8_t      key[8];
    dur_txn_t   *t;
    dur_str_t    row;
    dur_item_t   item;

    memset(&item, 0, sizeof(item));
    dur_put64(key, a.item);

    if (dur_txn_begin(dur_engine_store(kit.engine), false, &t) == DUR_OK) {
        if (dur_txn_get(t, DUR_T_LEASE, dur_str_make(key, 8), &row)
            == DUR_OK)
        {
            (void) dur_item_decode(row, &item);
        }
        dur_txn_abort(t);
    }

    return item.function;
}


/* What a leader does with a call that it cannot make. */
static void
give_up(kit_attempt_t a)
{
    is_int(kit_build(a), DUR_ECORRUPT, "the call cannot be made");
    ok(kit_result_error(a, DUR_CALL_EGONE), "which is told");
}


/* The output of a run: {"error","message","name"}. */
static bool
failed_of_it(const dur_ulid_t *event)
{
    json_t      *run;
    bool         rc;
    const char  *text;

    run = kit_run(event);
    text = json_string_value(json_object_get(json_object_get(run, "output"),
                                             "message"));
    rc = text != NULL && strstr(text, "is not in the store any more") != NULL;
    json_decref(run);

    return rc;
}


static void
test_event(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 3);
    event = kit_event("f");
    kit_dispatch();
    a = kit_attempt(0);

    lose(DUR_T_EVENT, &event);
    give_up(a);

    is_str(dur_str_c(kit_status(&event)), "Failed",
           "a run whose event is gone fails, and is not tried again");
    ok(failed_of_it(&event), "with a sentence");
    is_int(kit_build(a), DUR_ENOTFOUND, "its lease is gone");
    is_int(kit_dispatch(), 0, "and nothing of it is left to do");

    kit_event("f");
    is_int(kit_dispatch(), 1, "others go on");
    is_int(kit_build(kit_attempt(0)), DUR_OK, "with their calls");
}


/* What function.failed quotes is gone, so it is not sent. */
static void
test_listener(void)
{
    dur_ulid_t     event;
    kit_attempt_t  a;

    kit_fresh();
    kit_app("app", KIT_FN("app-f", KIT_ON("t/f"), "") ","
                   KIT_FN("app-l", KIT_ON(FAILED), ""));
    event = kit_event("f");
    kit_dispatch();
    a = kit_attempt(0);

    lose(DUR_T_EVENT, &event);
    give_up(a);

    is_str(dur_str_c(kit_status(&event)), "Failed",
           "a failure that somebody listens for is one all the same");
    is_int(kit_take("app-l").item, 0, "although there is nothing to tell");
}


static void
test_route(void)
{
    unsigned        i;
    dur_op_t        op;
    dur_ulid_t      first;
    kit_attempt_t   a;
    dur_op_event_t  event;

    kit_fresh();

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_ROUTES;
    op.body = dur_str("[{\"connector\":\"one\",\"url\":\"http://127.0.0.1:9/\""
                      ",\"retries\":3,\"ordered\":true,\"timeout\":1000}]");
    kit_op(&op);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;

    for (i = 0; i < 2; i++) {
        memset(&event, 0, sizeof(event));
        event.id = kit_ulid(++kit.entropy);
        event.ts = kit.now;
        event.name = dur_str(NAME);
        event.json = dur_str("{\"data\":{\"body\":\"x\"},\"name\":\"" NAME
                             "\",\"ts\":1}");
        first = i == 0 ? event.id : first;
        kit_op(&op);
    }

    is_int(kit_dispatch(), 1, "of an ordered route one goes out");
    a = kit_attempt(0);

    lose(DUR_T_EVENT, &first);
    give_up(a);

    is_str(dur_str_c(kit_status(&first)), "Failed",
           "a delivery whose webhook is gone fails");
    is_int(kit_dispatch(), 1, "and holds up no other one");
    is_int(kit_build(kit_attempt(0)), DUR_OK, "which can be made");
}


/* The function too may be what is missing. */
static void
test_function(void)
{
    uint8_t        key[4];
    dur_txn_t     *t;
    dur_ulid_t     event;
    kit_attempt_t  a;

    kit_fresh();
    kit_register("f", 0);
    event = kit_event("f");
    kit_dispatch();
    a = kit_attempt(0);

    dur_put32(key, function_of(a));

    if (dur_txn_begin(dur_engine_store(kit.engine), true, &t) == DUR_OK) {
        (void) dur_txn_del(t, DUR_T_FUNCTION, dur_str_make(key, 4));
        is_int(dur_txn_commit(t), DUR_OK, "a store that lost a function");
    }

    give_up(a);
    is_str(dur_str_c(kit_status(&event)), "Failed", "its runs fail");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_event();
    test_listener();
    test_route();
    test_function();

    return kit_done();
}
