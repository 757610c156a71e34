/* SPDX-License-Identifier: BSD-2-Clause */

/* What the tests of waits share: events with data, ops that wait, and a look
 * at the rows. */

#ifndef DUR_WAIT_KIT_H
#define DUR_WAIT_KIT_H

#include "kit.h"
#include "engine/dur_state.h"
#include "engine/dur_wait.h"

#define WAIT_EVENT(id, name, event, timeout, expr)                           \
    "{\"op\":\"WaitForEvent\",\"id\":\"" id "\",\"name\":\"" event           \
    "\",\"displayName\":\"" name "\",\"opts\":{\"timeout\":\"" timeout       \
    "\",\"if\":\"" expr "\"}}"
#define WAIT_ANY(id, name, event, timeout)                                   \
    "{\"op\":\"WaitForEvent\",\"id\":\"" id "\",\"name\":\"" event           \
    "\",\"displayName\":\"" name "\",\"opts\":{\"timeout\":\"" timeout "\"}}"
#define WAIT_SIGNAL(id, name, signal, conflict)                              \
    "{\"op\":\"WaitForSignal\",\"id\":\"" id "\",\"name\":\"" name           \
    "\",\"displayName\":\"" name "\",\"opts\":{\"signal\":\"" signal         \
    "\",\"timeout\":\"1h\",\"conflict\":\"" conflict "\"}}"

#define WAIT_SAME  "event.data.id == async.data.id"


/* A function "app-f" on "t/f"; `more` are further members of it, with a comma
 * before them. */
__attribute__((unused))
static bool
wait_register(const char *more)
{
    char      text[4096];
    dur_op_t  op;

    snprintf(text, sizeof(text), "{\"url\":\"http://127.0.0.1:3000/api/inngest"
             "\",\"deployType\":\"ping\",\"framework\":\"nodejs\",\"appName\":"
             "\"app\",\"sdk\":\"js:v4.24.0\",\"v\":\"0.1\",\"functions\":[{"
             "\"id\":\"app-f\",\"name\":\"f\",\"triggers\":[{\"event\":"
             "\"t/f\"}],\"steps\":{\"step\":{\"id\":\"step\",\"name\":"
             "\"step\",\"runtime\":{\"type\":\"http\",\"url\":\"http://"
             "127.0.0.1:3000/api/inngest?fnId=app-f&stepId=step\"},"
             "\"retries\":{\"attempts\":0}}}%s}]}", more);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REGISTER;
    op.body = dur_str_c(text);

    return kit_op(&op)
           && ok(kit.reply.rc == DUR_OK && kit.reply.status == 200,
                 "the function registers%s%.*s",
                 kit.reply.status == 200 ? "" : ": ",
                 kit.reply.status == 200 ? 0 : (int) kit.reply.body.len,
                 (const char *) kit.reply.body.data);
}


__attribute__((unused))
static dur_ulid_t
wait_send(const char *name, const char *data)
{
    char            id[DUR_ULID_TEXT_LEN + 1];
    dur_op_t        op;
    dur_buf_t       json;
    dur_op_event_t  event;

    memset(&event, 0, sizeof(event));
    event.id = kit_ulid(kit.entropy + 1);
    dur_ulid_text(&event.id, id);

    dur_buf_init(&json, 16 << 20);
    dur_buf_addf(&json, "{\"data\":%s,\"id\":\"%s\",\"name\":\"%s\",\"ts\":%"
                 PRId64 ",\"user\":{}}", data, id, name, kit.now);

    event.ts = kit.now;
    event.name = dur_str_c(name);
    event.json = dur_buf_str(&json);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    kit_op(&op);

    dur_buf_deinit(&json);

    return event.id;
}


/* A run of "app-f" whose first call is out. */
__attribute__((unused))
static kit_attempt_t
wait_start(const char *data, dur_ulid_t *event)
{
    *event = wait_send("t/f", data);
    kit_dispatch();

    return kit_attempt(0);
}


/* The same, and its first answer. */
__attribute__((unused))
static dur_ulid_t
wait_run(const char *data, const char *ops)
{
    dur_ulid_t     event;
    kit_attempt_t  a;

    a = wait_start(data, &event);
    kit_result(a, 206, KIT_SDK, ops);

    return event;
}


__attribute__((unused))
static bool
wait_signal(const char *name, const char *data)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_SIGNAL;
    op.id = kit_ulid(kit.entropy + 1);
    op.url = dur_str_c(name);
    op.body = dur_str_c(data);

    return kit_op(&op);
}


__attribute__((unused))
static unsigned
wait_table(dur_table_t table)
{
    unsigned    n;
    dur_txn_t  *txn;

    if (dur_txn_begin(dur_engine_store(kit.engine), false, &txn) != DUR_OK) {
        return UINT32_MAX;
    }

    n = (unsigned) dur_txn_count(txn, table);
    dur_txn_abort(txn);

    return n;
}


__attribute__((unused))
static unsigned
wait_rows(void)
{
    return wait_table(DUR_T_WAIT);
}


/* Leases the next call, whose memo of a step is then this JSON; "none". */
__attribute__((unused))
static const char *
wait_next_memo(const char *step)
{
    json_t       *memo;
    char         *text;
    static char   line[512];

    snprintf(line, sizeof(line), "none");

    if (kit_dispatch() != 1 || kit_build(kit_attempt(0)) != DUR_OK) {
        snprintf(line, sizeof(line), "%zu calls", kit_calls());
        return line;
    }

    memo = kit_get("steps", step);
    text = memo ? json_dumps(memo, JSON_ENCODE_ANY | JSON_COMPACT
                                   | JSON_SORT_KEYS) : NULL;
    if (text != NULL) {
        snprintf(line, sizeof(line), "%s", text);
    }
    free(text);

    return line;
}


/* Runs tasks until there are none; how many pieces it took. */
__attribute__((unused))
static unsigned
wait_tasks(void)
{
    unsigned  n;

    for (n = 0; wait_table(DUR_T_TASK) > 0 && n < 10000; n++) {
        kit_plain(DUR_OP_TASKS, 0);
    }

    return n;
}


__attribute__((unused))
static void
wait_reopen(void)
{
    dur_engine_close(kit.engine);
    kit_open();
}

#endif /* DUR_WAIT_KIT_H */
