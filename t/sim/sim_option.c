/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Options of functions that steer their flow: chosen, and as a registration
 * has them.
 */

#include "sim.h"


static void
sim_option_cancels(sim_t *s, sim_flow_t *f)
{
    unsigned  i;

    f->ncancels = sim_range(&s->rand, 1, SIM_CANCELS_MAX);

    for (i = 0; i < f->ncancels; i++) {
        f->cancels[i].name = SIM_NAME_WORD + sim_below(&s->rand, SIM_WORDS);
        f->cancels[i].cond = (sim_if_t) sim_below(&s->rand, SIM_IF_BAD);
        f->cancels[i].ms = sim_permille(&s->rand, 500)
                           ? 1000 * sim_range(&s->rand, 1, 600) : 0;
    }
}


static void
sim_option_timeouts(sim_t *s, sim_flow_t *f)
{
    if (sim_permille(&s->rand, 600)) {
        f->start = 1000 * sim_range(&s->rand, 1, 120);
    }

    if (sim_permille(&s->rand, 600)) {
        f->finish = 1000 * sim_range(&s->rand, 1, 1200);
    }
}


/* What keeps runs from starting is for those that events start. */
void
sim_option_make(sim_t *s, sim_fn_t *fn)
{
    sim_flow_t  *f;

    f = &fn->flow;

    if (sim_permille(&s->rand, 200)) {
        sim_option_cancels(s, f);
    }

    if (sim_permille(&s->rand, 150)) {
        sim_option_timeouts(s, f);
    }

    if (fn->handles >= 0 || fn->deferred) {
        return;
    }

    if (sim_permille(&s->rand, 150)) {
        f->singleton = sim_permille(&s->rand, 500) ? SIM_SINGLETON_SKIP
                                                   : SIM_SINGLETON_CANCEL;
        f->singleton_key = sim_permille(&s->rand, 600);
    }

    if (sim_permille(&s->rand, 120)) {
        f->limit = sim_range(&s->rand, 1, 25);
        f->period = sim_range(&s->rand, 1, 120);
        f->limit_key = sim_permille(&s->rand, 500);
    }
}


static json_t *
sim_option_duration(unsigned ms)
{
    return json_sprintf("%us", ms / 1000);
}


static void
sim_option_add_cancels(const sim_flow_t *f, json_t *function)
{
    char       name[24];
    json_t    *list, *entry;
    unsigned   i;

    list = json_array();

    for (i = 0; i < f->ncancels; i++) {
        sim_event_name(name, f->cancels[i].name);
        entry = json_pack("{s:s}", "event", name);

        if (f->cancels[i].cond != SIM_IF_NONE) {
            json_object_set_new(entry, "if", json_string(
                                sim_if_text(f->cancels[i].cond)));
        }

        if (f->cancels[i].ms) {
            json_object_set_new(entry, "timeout",
                                sim_option_duration(f->cancels[i].ms));
        }

        json_array_append_new(list, entry);
    }

    json_object_set_new(function, "cancel", list);
}


static void
sim_option_add_key(json_t *option, bool key)
{
    if (key) {
        json_object_set_new(option, "key", json_string("event.data.k"));
    }
}


void
sim_option_add(const sim_fn_t *fn, json_t *function)
{
    json_t            *option;
    const sim_flow_t  *f;

    f = &fn->flow;

    if (f->ncancels) {
        sim_option_add_cancels(f, function);
    }

    if (f->start || f->finish) {
        option = json_object();
        if (f->start) {
            json_object_set_new(option, "start",
                                sim_option_duration(f->start));
        }
        if (f->finish) {
            json_object_set_new(option, "finish",
                                sim_option_duration(f->finish));
        }
        json_object_set_new(function, "timeouts", option);
    }

    if (f->singleton != SIM_SINGLETON_NONE) {
        option = json_pack("{s:s}", "mode", f->singleton == SIM_SINGLETON_SKIP
                                            ? "skip" : "cancel");
        sim_option_add_key(option, f->singleton_key);
        json_object_set_new(function, "singleton", option);
    }

    if (f->limit) {
        option = json_pack("{s:i,s:o}", "limit", (int) f->limit, "period",
                           sim_option_duration(f->period * 1000));
        sim_option_add_key(option, f->limit_key);
        json_object_set_new(function, "rateLimit", option);
    }
}
