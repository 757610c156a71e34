/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What a start in the future costs the engine while many others wait: to
 * enqueue it, and to pick it when it is due.  Prints microseconds of each,
 * with an empty queue and beside COUNT others.  Commits are not synced: the
 * disk is not what is asked about.
 *
 *     future DIRECTORY COUNT
 */

#include "leader.h"

#define FUTURE_ITEMS  20000         /* that are measured */
#define FUTURE_BATCH  64            /* ops of a commit */
#define FUTURE_SOON   10000         /* ms */
#define FUTURE_LATE   (24 * 3600 * (int64_t) 1000)

#define FUTURE_APP  \
    "{\"url\":\"http://127.0.0.1/api\",\"appName\":\"bench\"" \
    ",\"sdk\":\"js:v4\",\"functions\":[{\"id\":\"bench-one\"" \
    ",\"name\":\"one\",\"triggers\":[{\"event\":\"bench/one" \
    "\"}],\"steps\":{\"step\":{\"id\":\"step\",\"name\":" \
    "\"step\",\"runtime\":{\"type\":\"http\",\"url\":" \
    "\"http://127.0.0.1/api?fnId=bench-one&stepId=step\"}}}" \
    "}]}"

static uint32_t  future_chance;


static void
future_event(int64_t ts)
{
    char        json[256], text[DUR_ULID_TEXT_LEN + 1];
    uint8_t     entropy[10] = { 0 };
    dur_ulid_t  id;

    dur_put64(entropy + 2, leader.entropy);
    dur_ulid_make(&id, (uint64_t) leader.now, entropy);
    dur_ulid_text(&id, text);

    snprintf(json, sizeof(json), "{\"data\":{\"x\":1},\"id\":\"%s\","
             "\"name\":\"bench/one\",\"ts\":%" PRId64 ",\"user\":{}}", text,
             ts);

    leader_event(&id, dur_str("bench/one"), ts, dur_str_c(json));
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
            leader.now++;
            leader_begin();
        }

        future_chance = future_chance * 1664525u + 1013904223u;
        future_event(leader.now + from + future_chance % span);

        if (i % FUTURE_BATCH == FUTURE_BATCH - 1 || i + 1 == n) {
            (void) leader_commit();
        }
    }

    return (double) (net_now_us() - start) / n;
}


static double
future_pick(unsigned n)
{
    dur_op_t  op;
    uint64_t  start;

    leader.now += 2 * FUTURE_SOON + n;
    start = net_now_us();

    while (dur_engine_next_due(leader.engine) <= leader.now) {
        memset(&op, 0, sizeof(op));
        op.type = DUR_OP_TIMERS;
        (void) leader_alone(&op);
    }

    return (double) (net_now_us() - start) / n;
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
    leader.now = 1790000000000;

    leader_open(argv[1], (uint64_t) 16 << 30, dur_str(FUTURE_APP));

    enqueue[0] = future_enqueue(FUTURE_ITEMS, FUTURE_SOON / 2, FUTURE_SOON);
    pick[0] = future_pick(FUTURE_ITEMS);

    (void) future_enqueue(count, FUTURE_LATE, FUTURE_LATE);

    enqueue[1] = future_enqueue(FUTURE_ITEMS, FUTURE_SOON / 2, FUTURE_SOON);
    pick[1] = future_pick(FUTURE_ITEMS);

    printf("enqueue=%.2f pick=%.2f full_enqueue=%.2f full_pick=%.2f\n",
           enqueue[0], pick[0], enqueue[1], pick[1]);

    leader_close();

    return 0;
}
