/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The other side of step.fetch: a server that answers some requests, and
 * fails as often as the program says.
 */

#include "sim.h"


/* The step of the run that the URL was made from. */
static unsigned
sim_gateway_step(sim_t *s, const sim_fn_t *fn)
{
    char         text[64];
    size_t       n;
    unsigned     step;
    const char  *p;

    n = s->call.url.len;
    if (n >= sizeof(text)) {
        n = sizeof(text) - 1;
    }

    memcpy(text, s->call.url.data, n);
    text[n] = '\0';

    p = strrchr(text, '/');
    step = p ? (unsigned) strtoul(p + 1, NULL, 10) : SIM_STEPS_MAX;

    if (step >= fn->nsteps || fn->steps[step].kind != SIM_DO_FETCH) {
        sim_fail(s, "a request is for no step of %s: %s", fn->slug, text);
    }

    return step;
}


void
sim_gateway_answer(sim_t *s, sim_call_t *c)
{
    unsigned     step;
    sim_run_t   *run;
    sim_step_t  *st;

    run = &s->runs[c->run];
    step = sim_gateway_step(s, &s->fns[run->fn]);
    st = &s->fns[run->fn].steps[step];

    if (run->steps[step].memo != NULL) {
        sim_fail(s, "request %s of a run of %s is sent although it has a "
                 "memo", st->id, s->fns[run->fn].slug);
    }

    if (run->steps[step].by != 0 && run->steps[step].by != c->item) {
        sim_fail(s, "request %s of a run of %s is sent twice", st->id,
                 s->fns[run->fn].slug);
    }

    run->steps[step].by = c->item;
    c->steps |= (uint32_t) 1 << step;
    c->headers = strdup("content-type: text/plain\n");

    if (c->attempt < st->fails) {
        c->error_kind = sim_permille(&s->rand, 500) ? DUR_CALL_ECONNECT
                                                    : DUR_CALL_ETIMEOUT;
        c->body = strdup("");
        return;
    }

    c->status = 200;
    c->body = strdup(st->id);
    run->steps[step].ran++;
}
