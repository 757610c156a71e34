/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A store with COUNT finished runs of the last seven days, made by the engine
 * itself, for those who read lists of it.  One run in a hundred has failed,
 * one in ten thousand is of the function bench-rare, and the first run of all
 * has an event with {"needle":true}.  The newest run has 1,000 steps.
 *
 *     lists DIRECTORY COUNT
 */

#include "leader.h"

#include <time.h>

#define LISTS_BATCH     64
#define LISTS_PAST      (7 * 24 * 3600 * (int64_t) 1000)
#define LISTS_FAILED    100
#define LISTS_RARE      10000
#define LISTS_STEPS     1000
#define LISTS_ANSWER    100             /* steps of one answer */
#define LISTS_SDK       "x-inngest-sdk: js:v4.24.0\n"                        \
                        "x-inngest-req-version: 2\n"
#define LISTS_NO_RETRY  "x-inngest-no-retry: true\n"

typedef struct {
    uint64_t  item;
    uint32_t  generation;
    uint64_t  n;                        /* of the run */
} lists_call_t;

static struct {
    dur_buf_t      body;
    uint64_t       n;                   /* calls so far */
    size_t         ncalls;
    lists_call_t   calls[2 * LISTS_BATCH];
} l;


/* What is called, to be answered in the next batch. */
static void
lists_commit(void)
{
    dur_effect_t  *f;

    for (f = leader_commit(); f != NULL; f = f->next) {
        if (f->type == DUR_EFFECT_CALL && l.ncalls < 2 * LISTS_BATCH) {
            l.calls[l.ncalls].item = f->item;
            l.calls[l.ncalls].generation = f->generation;
            l.calls[l.ncalls++].n = l.n++;
        }
    }
}


static void
lists_event(uint64_t n, const char *name)
{
    char        json[1024], text[DUR_ULID_TEXT_LEN + 1];
    uint8_t     entropy[10] = { 0 };
    dur_ulid_t  id;

    dur_put64(entropy + 2, n * UINT64_C(0x9e3779b97f4a7c15));
    dur_ulid_make(&id, (uint64_t) leader.now, entropy);
    dur_ulid_text(&id, text);

    snprintf(json, sizeof(json),
             "{\"data\":{\"customer\":{\"email\":\"customer%" PRIu64
             "@example.com\",\"id\":%" PRIu64 ",\"plan\":\"%s\"},"
             "\"items\":[{\"price\":1999,\"quantity\":2,\"sku\":"
             "\"A-%" PRIu64 "\"},{\"price\":450,\"quantity\":1,\"sku\":"
             "\"B-7\"}],\"needle\":%s,\"note\":\"Please leave the parcel with "
             "the neighbours, the bell does not work.\",\"order\":%" PRIu64
             ",\"total\":4448},\"id\":\"%s\",\"name\":\"%s\",\"ts\":%" PRId64
             ",\"user\":{}}",
             n % 5000, n % 5000, n % 3 ? "free" : "pro", n % 97,
             n == 0 ? "true" : "false", n, text, name, leader.now);

    leader_event(&id, dur_str_c(name), leader.now, dur_str_c(json));
}


static void
lists_answer(const lists_call_t *call, unsigned status, dur_str_t body)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_RESULT;
    op.result.item = call->item;
    op.result.generation = call->generation;
    op.result.status = (uint16_t) status;
    op.result.headers = status == 400 ? dur_str(LISTS_SDK LISTS_NO_RETRY)
                                      : dur_str(LISTS_SDK);
    op.result.body = body;
    op.result.started = leader.now - 5;
    op.result.duration = 5000;

    leader_apply(&op);
}


static void
lists_end(const lists_call_t *call)
{
    if (call->n % LISTS_FAILED == 1) {
        lists_answer(call, 400, dur_str("{\"name\":\"Error\",\"message\":"
            "\"the payment was declined\",\"stack\":\"Error: the payment was "
            "declined\\n    at charge (/srv/shop/order.js:17:9)\"}"));
        return;
    }

    dur_buf_reset(&l.body);
    dur_buf_addf(&l.body, "{\"invoice\":\"INV-%" PRIu64 "\",\"paid\":true,"
                 "\"shipment\":{\"carrier\":\"post\",\"tracking\":"
                 "\"0034043%" PRIu64 "\"},\"total\":%" PRIu64 "}",
                 call->n, call->n, call->n % 10000);
    lists_answer(call, 200, dur_buf_str(&l.body));
}


/* A batch: the runs of the last one end, others begin. */
static void
lists_batch(uint64_t first, uint64_t n)
{
    size_t        i, ended;
    uint64_t      k;
    char          name[32];
    dur_op_t      op;
    lists_call_t  calls[2 * LISTS_BATCH];

    ended = l.ncalls;
    memcpy(calls, l.calls, sizeof(calls));
    l.ncalls = 0;

    leader_begin();

    for (i = 0; i < ended; i++) {
        lists_end(&calls[i]);
    }

    for (k = first; k < first + n; k++) {
        snprintf(name, sizeof(name), k % LISTS_RARE == 5 ? "bench/rare"
                                                         : "bench/order%u",
                 (unsigned) (k % 8));
        lists_event(k, name);
    }

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_DISPATCH;
    op.budget = 2 * LISTS_BATCH;
    leader_apply(&op);

    lists_commit();
}


static void
lists_fill(uint64_t count)
{
    int64_t   start;
    uint64_t  n;

    start = leader.now;

    for (n = 0; n < count; n += LISTS_BATCH) {
        leader.now = start + (int64_t) ((double) LISTS_PAST * n / count);
        lists_batch(n, n + LISTS_BATCH < count ? LISTS_BATCH : count - n);
    }

    leader.now = start + LISTS_PAST;

    while (l.ncalls) {
        lists_batch(0, 0);
    }
}


/* One run, whose answers have many steps each. */
static void
lists_long(void)
{
    char          hash[DUR_HASH_TEXT_LEN + 1];
    unsigned      i, k;
    dur_op_t      op;
    lists_call_t  call;

    leader_begin();
    lists_event(1, "bench/long");
    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_DISPATCH;
    op.budget = 1;
    leader_apply(&op);
    lists_commit();

    for (i = 0; i < LISTS_STEPS / LISTS_ANSWER; i++) {
        if (l.ncalls != 1) {
            net_die("the run of many steps is not called");
        }

        call = l.calls[0];
        l.ncalls = 0;
        dur_buf_reset(&l.body);

        for (k = 0; k < LISTS_ANSWER; k++) {
            memset(hash, '0', DUR_HASH_TEXT_LEN);
            snprintf(hash + DUR_HASH_TEXT_LEN - 8, 9, "%08x",
                     i * LISTS_ANSWER + k + 1);
            dur_buf_addf(&l.body, "%c{\"op\":\"StepRun\",\"id\":\"%s\","
                         "\"name\":\"s%u\",\"displayName\":\"s%u\",\"opts\":{}"
                         ",\"data\":{\"n\":%u,\"text\":\"a step has done "
                         "something\"}}", k ? ',' : '[', hash, k, k, k);
        }

        dur_buf_addc(&l.body, ']');
        leader.now++;

        leader_begin();
        lists_answer(&call, 206, dur_buf_str(&l.body));
        memset(&op, 0, sizeof(op));
        op.type = DUR_OP_DISPATCH;
        op.budget = 1;
        leader_apply(&op);
        lists_commit();
    }

    lists_batch(0, 0);
}


/* The functions order0 to order7, rare and long. */
static void
lists_open(const char *path)
{
    char       name[16];
    unsigned   i;
    dur_buf_t  b;

    dur_buf_init(&b, 64 * 1024);
    dur_buf_addz(&b, "{\"url\":\"http://127.0.0.1/api\",\"appName\":\"bench\","
                     "\"sdk\":\"js:v4\",\"functions\":[");

    for (i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), i == 8 ? "rare" : i == 9 ? "long"
                                     : "order%u", i);
        dur_buf_addf(&b, "%s{\"id\":\"bench-%s\",\"name\":\"%s\",\"triggers\":"
                     "[{\"event\":\"bench/%s\"}],\"steps\":{\"step\":{\"id\":"
                     "\"step\",\"name\":\"step\",\"runtime\":{\"type\":"
                     "\"http\",\"url\":\"http://127.0.0.1/api?fnId=bench-%s"
                     "&stepId=step\"},\"retries\":{\"attempts\":0}}}}",
                     i ? "," : "", name, name, name, name);
    }

    dur_buf_addz(&b, "]}");

    leader_open(path, (uint64_t) 64 << 30, dur_buf_str(&b));
    dur_buf_deinit(&b);
}


int
main(int argc, char **argv)
{
    if (argc != 3) {
        net_die("usage: lists DIRECTORY COUNT");
    }

    leader.now = (int64_t) time(NULL) * 1000 - LISTS_PAST - 1000;

    dur_buf_init(&l.body, 4 * 1024 * 1024);
    lists_open(argv[1]);

    lists_fill((uint64_t) atoll(argv[2]));
    lists_long();

    printf("runs=%" PRIu64 "\n", (uint64_t) atoll(argv[2]) + 1);

    leader_close();
    dur_buf_deinit(&l.body);

    return 0;
}
