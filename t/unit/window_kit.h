/* SPDX-License-Identifier: BSD-2-Clause */

/* For tests of what holds events back: events with data, time that passes. */

#ifndef DUR_WINDOW_KIT_H
#define DUR_WINDOW_KIT_H

#include "kit.h"

#define SECOND  ((int64_t) 1000)
#define MINUTE  (60 * SECOND)
#define HOUR    (60 * MINUTE)


__attribute__((unused))
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


/* Does what is due, as the leader would; calls are gathered. */
__attribute__((unused))
static void
settle(void)
{
    unsigned  i;

    for (i = 0; i < 2000; i++) {
        kit_gather();

        if (dur_engine_next_due(kit.engine) <= kit.now) {
            kit_plain(DUR_OP_TIMERS, 0);
            kit_gather();

        } else if (!dur_engine_has_tasks(kit.engine)) {
            return;
        }

        if (dur_engine_has_tasks(kit.engine)) {
            kit_plain(DUR_OP_TASKS, 0);
        }
    }
}


/* Time passes, and what is due meanwhile is done when it is. */
__attribute__((unused))
static void
pass(int64_t ms)
{
    int64_t  end, due;

    end = kit.now + ms;

    for ( ;; ) {
        settle();
        due = dur_engine_next_due(kit.engine);

        if (due > end) {
            break;
        }

        kit.now = due > kit.now ? due : kit.now;
    }

    kit.now = end;
}


/* is_str() of C strings, of which none may be NULL. */
#define is_text(got, want, ...)                                              \
    is_str(dur_str_c(got), want, __VA_ARGS__)


/* One event; ts 0 is now, client may be NULL. */
typedef struct {
    const char  *name;
    const char  *data;
    const char  *client;
    int64_t      ts;
} sent_t;


__attribute__((unused))
static dur_ulid_t
put(sent_t sent)
{
    char             json[1024], id[DUR_ULID_TEXT_LEN + 1];
    dur_op_t         op;
    dur_op_event_t   event;

    memset(&event, 0, sizeof(event));
    event.id = kit_ulid(kit.entropy + 1);
    event.ts = sent.ts ? sent.ts : kit.now;
    dur_ulid_text(&event.id, id);

    snprintf(json, sizeof(json), "{\"data\":%s,\"id\":\"%s\",\"name\":\"%s\","
             "\"ts\":%" PRId64 ",\"user\":{}}", sent.data,
             sent.client ? sent.client : id, sent.name, event.ts);

    event.name = dur_str_c(sent.name);
    event.client_id = dur_str_c(sent.client);
    event.json = dur_str_c(json);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;
    kit_op(&op);
    kit_gather();

    return event.id;
}


__attribute__((unused))
static dur_ulid_t
send(const char *data)
{
    return put((sent_t) { "f", data, NULL, 0 });
}


__attribute__((unused))
static bool
pause_function(const char *slug, bool on)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_PAUSE;
    op.url = dur_str_c(slug);
    op.generation = on;

    return kit_op(&op) && kit.reply.status == 200;
}


__attribute__((unused))
static bool
said(const char *text)
{
    size_t         i;
    dur_effect_t  *f;

    for (i = 0; (f = kit_effect(DUR_EFFECT_LOG, i)) != NULL; i++) {
        if (memmem(f->text.data, f->text.len, text, strlen(text)) != NULL) {
            return true;
        }
    }

    return false;
}


/* Whether the event can still be read. */
__attribute__((unused))
static bool
stored(const dur_ulid_t *event)
{
    bool       found;
    dur_buf_t  b;

    dur_buf_init(&b, 16 << 20);
    found = dur_query_event(dur_engine_store(kit.engine), event, &b)
            == DUR_OK;
    dur_buf_deinit(&b);

    return found;
}


/* The data.n of the list of events in kit.body, as text: "1,2,3". */
__attribute__((unused))
static const char *
numbers(const json_t *list)
{
    size_t       i, n;
    static char  text[4096];

    text[0] = '\0';

    for (i = 0, n = 0; i < json_array_size(list) && n < 4000; i++) {
        n += (size_t) snprintf(text + n, sizeof(text) - n, "%s%d",
                               i ? "," : "", (int) json_integer_value(
                               json_object_get(json_object_get(
                               json_array_get(list, i), "data"), "n")));
    }

    return text;
}


/* The numbers of the events of the next call of a function; "" for none. */
__attribute__((unused))
static const char *
called(const char *slug)
{
    (void) kit_take(slug);

    return numbers(kit_get("events", NULL));
}


/* Sends {"n":from} to {"n":to}; the first one's id. */
__attribute__((unused))
static dur_ulid_t
series(int from, int to)
{
    char        data[32];
    dur_ulid_t  id, first;

    memset(&first, 0, sizeof(first));

    for (int n = from; n <= to; n++) {
        snprintf(data, sizeof(data), "{\"n\":%d}", n);
        id = send(data);
        first = n == from ? id : first;
    }

    return first;
}


__attribute__((unused))
static size_t
runs_of(const dur_ulid_t *event)
{
    size_t      n;
    json_t     *list;
    dur_buf_t   b;

    dur_buf_init(&b, 16 << 20);
    (void) dur_query_event_runs(dur_engine_store(kit.engine), event, &b);
    list = json_loadb((char *) b.data, b.len, 0, NULL);
    n = json_array_size(list);
    json_decref(list);
    dur_buf_deinit(&b);

    return n;
}


/* What a query says of a run; a new reference. */
__attribute__((unused))
static json_t *
asked(dur_rc_t (*query)(dur_store_t *, const dur_ulid_t *, dur_buf_t *),
    const dur_ulid_t *run)
{
    json_t     *v;
    dur_buf_t   b;

    dur_buf_init(&b, 64 << 20);
    (void) query(dur_engine_store(kit.engine), run, &b);
    v = json_loadb((char *) b.data, b.len, 0, NULL);
    dur_buf_deinit(&b);

    return v;
}



#endif /* DUR_WINDOW_KIT_H */
