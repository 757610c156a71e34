/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * How many times in a second a workflow of 50 steps is planned, for runs of
 * which 0, 1, .. 49 steps are done in turn.  Prints "rate=..".
 *
 *     plan SECONDS
 */

#include "net.h"

#include "engine/dur_plan.h"

#include <stdio.h>
#include <stdlib.h>

#define PLAN_STEPS  50


static dur_plan_state_t
state(void *data, const dur_plan_at_t *at)
{
    int *done = data;

    return at->node->number < *done ? DUR_PLAN_DONE : DUR_PLAN_NEW;
}


static dur_rc_t
output(void *data, const dur_plan_at_t *at, dur_str_t *json)
{
    (void) data;
    (void) at;
    *json = dur_str("{\"ok\":true}");

    return DUR_OK;
}


static dur_rc_t
event(void *data, dur_str_t *one, dur_str_t *all)
{
    (void) data;
    *one = dur_str("{\"data\":{},\"name\":\"go\"}");
    *all = dur_str_null;

    return DUR_OK;
}


static dur_plan_def_t *
definition(void)
{
    int                i;
    dur_buf_t          b;
    dur_plan_def_t    *def;
    dur_plan_error_t   err;

    dur_buf_init(&b, 1 << 20);
    dur_buf_addz(&b, "{\"name\":\"bench\",\"file\":\"b\",\"line\":1,"
                 "\"body\":[");

    for (i = 0; i < PLAN_STEPS; i++) {
        dur_buf_addf(&b, "%s{\"w\":[\"step\",\"s%d\",\"http://h/%d\"],"
                     "\"l\":1}", i ? "," : "", i, i);
    }

    dur_buf_addz(&b, "]}");

    if (dur_plan_load(dur_buf_str(&b), &def, &err) != DUR_OK) {
        net_die("%s", err.text);
    }

    dur_buf_deinit(&b);

    return def;
}


int
main(int argc, char **argv)
{
    int               done;
    uint64_t          n, start, now, end;
    dur_plan_t        plan;
    dur_arena_t       arena;
    dur_plan_def_t   *def;
    dur_plan_memo_t   memo;

    if (argc != 2) {
        net_die("usage: plan SECONDS");
    }

    def = definition();
    dur_arena_init(&arena);
    memset(&memo, 0, sizeof(memo));
    memo.data = &done;
    memo.state = state;
    memo.output = output;
    memo.event = event;
    memo.run_id = dur_str("01JQDAE4RQF8MBCR55T5AK4KXR");

    n = 0;
    start = now = net_now_us();
    end = start + (uint64_t) (atof(argv[1]) * 1e6);

    for ( ; now < end; now = net_now_us()) {
        for (done = 0; done < PLAN_STEPS; done++) {
            dur_arena_reset(&arena);

            if (dur_plan_next(def, &memo, 64, &arena, &plan) != DUR_OK
                || plan.nops != 1 || plan.ops[0].at.node->number != done)
            {
                net_die("the plan is not the next step");
            }
        }

        n += PLAN_STEPS;
    }

    printf("rate=%.0f\n", (double) n * 1e6 / (double) (now - start));

    dur_plan_free(def);
    dur_arena_deinit(&arena);

    return 0;
}
