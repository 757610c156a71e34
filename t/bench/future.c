/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What a start in the future costs the engine while many others wait: to
 * enqueue it, and to pick it when it is due.  Prints microseconds of each,
 * with an empty queue and beside COUNT others.  Commits are not synced: the
 * disk is not what is asked about.
 *
 *     future DIRECTORY COUNT
 */

#include "net.h"

#include "engine/dur_config.h"
#include "engine/dur_engine.h"
#include "engine/dur_op.h"
#include "engine/dur_ulid.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUTURE_ITEMS  20000         /* that are measured */
#define FUTURE_BATCH  64            /* ops of a commit */
#define FUTURE_SOON   10000         /* ms */
#define FUTURE_LATE   (24 * 3600 * (int64_t) 1000)

static struct {
    dur_engine_t  *engine;
    dur_arena_t    arena;
    dur_buf_t      op;
    int64_t        now;
    uint64_t       n;
    uint32_t       chance;
} f;


static void
future_begin(void)
{
    dur_arena_reset(&f.arena);

    if (dur_engine_begin(f.engine, f.now, &f.arena) != DUR_OK) {
        net_die("the engine begins no batch");
    }
}


static void
future_commit(void)
{
    dur_effect_t  *effects;

    if (dur_engine_commit(f.engine, &effects) != DUR_OK) {
        net_die("a batch is not committed");
    }
}


static void
future_apply(dur_op_t *op)
{
    dur_reply_t  reply;

    dur_put64(op->entropy, ++f.n);
    dur_buf_reset(&f.op);

    if (dur_op_encode(op, &f.op) != DUR_OK
        || dur_engine_apply(f.engine, dur_buf_str(&f.op), &reply) != DUR_OK
        || reply.rc != DUR_OK || reply.status != 200)
    {
        net_die("op %u is refused", op->type);
    }
}


static void
future_alone(dur_op_t *op)
{
    future_begin();
    future_apply(op);
    future_commit();
}


static void
future_event(int64_t ts)
{
    char             json[256], id[DUR_ULID_TEXT_LEN + 1];
    uint8_t          entropy[10] = { 0 };
    dur_op_t         op;
    dur_op_event_t   event;

    memset(&op, 0, sizeof(op));
    memset(&event, 0, sizeof(event));

    dur_put64(entropy + 2, f.n);
    dur_ulid_make(&event.id, (uint64_t) f.now, entropy);
    dur_ulid_text(&event.id, id);

    snprintf(json, sizeof(json), "{\"data\":{\"x\":1},\"id\":\"%s\","
             "\"name\":\"bench/one\",\"ts\":%" PRId64 ",\"user\":{}}", id, ts);

    event.flags = DUR_EVENT_F_CANONICAL;
    event.ts = ts;
    event.name = dur_str("bench/one");
    event.json = dur_str_c(json);

    op.type = DUR_OP_EVENTS;
    op.nevents = 1;
    op.events = &event;

    future_apply(&op);
}


/* Microseconds of one. */
static double
future_enqueue(unsigned n, int64_t from, int64_t span)
{
    unsigned  i;
    uint64_t  start;

    start = net_now_us();

    for (i = 0; i < n; i++) {
        if (i % FUTURE_BATCH == 0) {
            f.now++;
            future_begin();
        }

        f.chance = f.chance * 1664525u + 1013904223u;
        future_event(f.now + from + f.chance % span);

        if (i % FUTURE_BATCH == FUTURE_BATCH - 1 || i + 1 == n) {
            future_commit();
        }
    }

    return (double) (net_now_us() - start) / n;
}


static double
future_pick(unsigned n)
{
    dur_op_t  op;
    uint64_t  start;

    f.now += 2 * FUTURE_SOON + n;
    start = net_now_us();

    while (dur_engine_next_due(f.engine) <= f.now) {
        memset(&op, 0, sizeof(op));
        op.type = DUR_OP_TIMERS;
        future_alone(&op);
    }

    return (double) (net_now_us() - start) / n;
}


static void
future_open(const char *path)
{
    char                  err[256];
    dur_op_t              op;
    dur_buf_t             b;
    dur_config_t          conf;
    dur_engine_options_t  options;

    memset(&options, 0, sizeof(options));
    options.path = path;
    options.size = (uint64_t) 16 << 30;
    options.async = true;

    if (dur_engine_open(&f.engine, &options, err, sizeof(err)) != DUR_OK) {
        net_die("%s", err);
    }

    dur_config_init(&conf);
    conf.dev = true;
    conf.retention = 0;

    dur_buf_init(&b, 64 * 1024);
    dur_config_encode(&conf, &b);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CONFIG;
    op.body = dur_buf_str(&b);
    future_alone(&op);
    dur_buf_deinit(&b);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REGISTER;
    op.body = dur_str("{\"url\":\"http://127.0.0.1/api\",\"appName\":\"bench\""
                      ",\"sdk\":\"js:v4\",\"functions\":[{\"id\":\"bench-one\""
                      ",\"name\":\"one\",\"triggers\":[{\"event\":\"bench/one"
                      "\"}],\"steps\":{\"step\":{\"id\":\"step\",\"name\":"
                      "\"step\",\"runtime\":{\"type\":\"http\",\"url\":"
                      "\"http://127.0.0.1/api?fnId=bench-one&stepId=step\"}}}"
                      "}]}");
    future_alone(&op);
}


int
main(int argc, char **argv)
{
    double    enqueue[2], pick[2];
    unsigned  count;

    if (argc != 3) {
        net_die("usage: future DIRECTORY COUNT");
    }

    count = (unsigned) atoi(argv[2]);
    f.now = 1790000000000;

    dur_arena_init(&f.arena);
    dur_buf_init(&f.op, 1024 * 1024);
    future_open(argv[1]);

    enqueue[0] = future_enqueue(FUTURE_ITEMS, FUTURE_SOON / 2, FUTURE_SOON);
    pick[0] = future_pick(FUTURE_ITEMS);

    (void) future_enqueue(count, FUTURE_LATE, FUTURE_LATE);

    enqueue[1] = future_enqueue(FUTURE_ITEMS, FUTURE_SOON / 2, FUTURE_SOON);
    pick[1] = future_pick(FUTURE_ITEMS);

    printf("enqueue=%.2f pick=%.2f full_enqueue=%.2f full_pick=%.2f\n",
           enqueue[0], pick[0], enqueue[1], pick[1]);

    dur_engine_close(f.engine);
    dur_arena_deinit(&f.arena);
    dur_buf_deinit(&f.op);

    return 0;
}
