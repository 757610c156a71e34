/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_sign.h"

#include "sim.h"

#include <stddef.h>


static unsigned
sim_node(sim_fn_t *fn, sim_node_type_t type)
{
    sim_node_t  *n;

    n = &fn->nodes[fn->nnodes];
    n->type = type;
    n->nkids = 0;

    return fn->nnodes++;
}


/* How long something sleeps, or waits. */
static void
sim_program_time(sim_t *s, sim_step_t *st)
{
    st->ms = 1000 * sim_below(&s->rand, 90);

    if (sim_permille(&s->rand, 50)) {
        st->ms += 86400 * 1000;
    }

    st->date = sim_permille(&s->rand, 100);
}


static unsigned
sim_program_name(sim_t *s)
{
    return sim_permille(&s->rand, 600)
           ? SIM_NAME_WORD + sim_below(&s->rand, SIM_WORDS)
           : sim_below(&s->rand, s->nnames + 1);
}


static void
sim_program_wait(sim_t *s, sim_step_t *st)
{
    st->kind = SIM_DO_WAIT;
    st->name = sim_program_name(s);
    sim_program_time(s, st);

    if (sim_permille(&s->rand, 500)) {
        st->ms *= 20;
    }

    st->cond = sim_permille(&s->rand, 10)
               ? SIM_IF_BAD
               : (sim_if_t) sim_below(&s->rand, SIM_IF_BAD);
}


static void
sim_program_signal(sim_t *s, sim_step_t *st)
{
    st->kind = SIM_DO_SIGNAL;
    st->name = sim_below(&s->rand, SIM_SIGNALS);
    st->replace = sim_permille(&s->rand, 650);
    sim_program_time(s, st);
}


/* Only functions behind this one, so that there is an end; one that is to be
 * invoked need not be there. */
static void
sim_program_invoke(sim_t *s, sim_fn_t *fn, sim_step_t *st)
{
    unsigned  self;

    self = (unsigned) (fn - s->fns);

    st->kind = SIM_DO_INVOKE;
    st->target = self + 1 < SIM_FNS_MAX
                 ? (int) sim_range(&s->rand, self + 1, SIM_FNS_MAX - 1) : -1;
    st->forever = sim_permille(&s->rand, 300);
    sim_program_time(s, st);
    st->ms *= 10;
    fn->invokes++;
}


static void
sim_program_fetch(sim_t *s, sim_step_t *st)
{
    st->kind = SIM_DO_FETCH;
    st->fails = sim_permille(&s->rand, 200)
                ? sim_range(&s->rand, 1, 3) : 0;
    st->uncaught = sim_permille(&s->rand, 500);
}


/* A step that the function reports and somebody else ends; false: it runs. */
static bool
sim_program_report(sim_t *s, sim_fn_t *fn, sim_step_t *st)
{
    if (!sim_permille(&s->rand, s->waits_share)) {
        return false;
    }

    switch (sim_below(&s->rand, 10)) {

    case 0:
    case 1:
    case 2:
        st->kind = SIM_DO_SLEEP;
        sim_program_time(s, st);
        return true;

    case 3:
    case 4:
    case 5:
        sim_program_wait(s, st);
        return true;

    case 6:
        sim_program_signal(s, st);
        return true;

    case 7:
    case 8:
        if (fn->invokes >= 2) {
            return false;
        }
        sim_program_invoke(s, fn, st);
        return true;

    default:
        sim_program_fetch(s, st);
        return true;
    }
}


static void
sim_program_defer(sim_t *s, sim_fn_t *fn, sim_step_t *st)
{
    unsigned  i, self;

    self = (unsigned) (fn - s->fns);

    if (self + 1 < SIM_FNS_MAX && sim_permille(&s->rand, 60)) {
        st->defer = (int) sim_range(&s->rand, self + 1, SIM_FNS_MAX - 1);
        return;
    }

    for (i = 0; i + 1 < fn->nsteps; i++) {
        if (fn->steps[i].defer >= 0 && sim_permille(&s->rand, 150)) {
            st->abort = (int) i;
        }
    }
}


static void
sim_program_name_step(sim_step_t *st, unsigned number)
{
    snprintf(st->id, sizeof(st->id), "s%u", number);
    dur_sha1(dur_str_c(st->id), st->key.b);
    dur_hex(st->key.b, sizeof(st->key.b), st->hash);
}


static unsigned
sim_program_step(sim_t *s, sim_fn_t *fn, bool race)
{
    unsigned     node;
    sim_step_t  *st;

    node = sim_node(fn, SIM_STEP);
    fn->nodes[node].step = fn->nsteps;

    st = &fn->steps[fn->nsteps];
    sim_program_name_step(st, fn->nsteps);
    st->race = race;
    st->defer = -1;
    st->abort = -1;

    fn->nsteps++;

    if (sim_program_report(s, fn, st)) {
        return node;
    }

    sim_program_defer(s, fn, st);

    if (sim_permille(&s->rand, 100)) {
        st->kind = SIM_DO_SAY;
        st->name = sim_permille(&s->rand, 700)
                   ? SIM_NAME_WORD + sim_below(&s->rand, SIM_WORDS)
                   : sim_below(&s->rand, SIM_SIGNALS);
    }

    if (sim_permille(&s->rand, 250)) {
        st->fails = sim_permille(&s->rand, 300)
                    ? SIM_ALWAYS : sim_range(&s->rand, 1, 3);
        st->fatal = sim_permille(&s->rand, 200);
        st->uncaught = sim_permille(&s->rand, 500);
    }

    switch (sim_below(&s->rand, 20)) {
    case 0:
        st->size = sim_range(&s->rand, 1000, 9000);
        break;
    case 1:
        st->size = sim_range(&s->rand, 100, 1200);
        break;
    default:
        st->size = sim_below(&s->rand, 20);
    }

    return node;
}


static unsigned
sim_program_branch(sim_t *s, sim_fn_t *fn, bool race)
{
    unsigned  i, n, seq, kid;

    n = sim_permille(&s->rand, 700) ? 1 : sim_range(&s->rand, 2, 3);

    if (n == 1 || fn->nsteps + n > SIM_STEPS_MAX - 6) {
        return sim_program_step(s, fn, race);
    }

    seq = sim_node(fn, SIM_SEQ);

    for (i = 0; i < n; i++) {
        kid = sim_program_step(s, fn, race);
        fn->nodes[seq].kids[i] = kid;
    }

    fn->nodes[seq].nkids = n;

    return seq;
}


static unsigned
sim_program_group(sim_t *s, sim_fn_t *fn)
{
    bool      race, flag;
    unsigned  i, n, node, kid;

    race = sim_permille(&s->rand, 400);
    flag = race && sim_permille(&s->rand, 700);

    node = sim_node(fn, race ? SIM_RACE : SIM_ALL);
    n = sim_range(&s->rand, 2, 4);

    for (i = 0; i < n; i++) {
        kid = sim_program_branch(s, fn, flag);
        fn->nodes[node].kids[i] = kid;
    }

    fn->nodes[node].nkids = n;

    return node;
}


static void
sim_program_body(sim_t *s, sim_fn_t *fn)
{
    unsigned  i, n, kid;

    fn->root = sim_node(fn, SIM_SEQ);
    n = sim_range(&s->rand, 0, SIM_KIDS_MAX);

    for (i = 0; i < n; i++) {

        if (fn->nsteps < SIM_STEPS_MAX - 13
            && sim_permille(&s->rand, 350))
        {
            kid = sim_program_group(s, fn);

        } else if (fn->nsteps < SIM_STEPS_MAX) {
            kid = sim_program_step(s, fn, false);

        } else {
            break;
        }

        fn->nodes[fn->root].kids[i] = kid;
    }

    fn->nodes[fn->root].nkids = i;
}


static sim_fn_t *
sim_program_fn(sim_t *s)
{
    sim_fn_t  *fn;

    fn = &s->fns[s->nfns++];

    fn->handles = -1;
    fn->handler = -1;
    fn->registered = true;
    fn->retries = sim_permille(&s->rand, 300)
                  ? 0 : sim_range(&s->rand, 1, 4);
    fn->version = sim_permille(&s->rand, 750) ? 2 : 1;
    fn->run_complete = fn->version == 2 && sim_permille(&s->rand, 650);

    if (fn->run_complete && sim_permille(&s->rand, 250)) {
        fn->buffered = sim_range(&s->rand, 2, 4);

    } else if (fn->run_complete && sim_permille(&s->rand, 750)) {
        fn->checkpoints = sim_permille(&s->rand, 700)
                          ? 1 : sim_range(&s->rand, 2, 4);
    }

    sim_program_body(s, fn);

    if (sim_permille(&s->rand, 250)) {
        fn->throws = sim_permille(&s->rand, 400)
                     ? SIM_ALWAYS : sim_range(&s->rand, 1, 2);
        fn->throws_at = sim_below(&s->rand, fn->nsteps + 1);
        fn->throws_final = sim_permille(&s->rand, 250);
        if (sim_permille(&s->rand, 250)) {
            fn->retry_after = sim_range(&s->rand, 1, 100);
        }
    }

    return fn;
}


/* Most of what is invoked or deferred is there. */
static void
sim_program_targets(sim_t *s)
{
    unsigned     i, j, k;
    sim_step_t  *st;

    for (i = 0; i + 1 < s->nfns; i++) {
        for (j = 0; j < s->fns[i].nsteps; j++) {
            st = &s->fns[i].steps[j];

            if (st->kind == SIM_DO_INVOKE && sim_permille(&s->rand, 800)) {
                st->target = (int) sim_range(&s->rand, i + 1, s->nfns - 1);
            }

            for (k = i + 1; st->defer >= 0 && k < s->nfns; k++) {
                if (s->fns[k].deferred) {
                    st->defer = (int) k;
                }
            }
        }
    }
}


/* Many runs of one function wait for the same few events, more than one op
 * may resume or end. */
static void
sim_program_crowd(sim_t *s)
{
    sim_fn_t  *fn;

    fn = &s->fns[0];

    fn->nsteps = 0;
    fn->nnodes = 0;
    fn->throws = 0;
    fn->any = false;
    fn->deferred = false;
    fn->event = 0;
    fn->root = sim_node(fn, SIM_SEQ);
    fn->nodes[fn->root].kids[0] = sim_program_step(s, fn, false);
    fn->nodes[fn->root].nkids = 1;

    memset(&fn->steps[0], 0, offsetof(sim_step_t, defer));
    sim_program_name_step(&fn->steps[0], 0);
    sim_program_wait(s, &fn->steps[0]);
    fn->steps[0].name = SIM_NAME_WORD;
    fn->steps[0].defer = -1;
    fn->steps[0].abort = -1;
    fn->steps[0].ms += 60 * 1000;

    memset(&fn->flow, 0, sizeof(fn->flow));

    if (sim_permille(&s->rand, 500)) {
        fn->flow.ncancels = 1;
        fn->flow.cancels[0].name = SIM_NAME_WORD
                                   + sim_below(&s->rand, SIM_WORDS);
    }
}


void
sim_program_make(sim_t *s)
{
    unsigned   i, n, fi;
    sim_fn_t  *fn, *handler;

    s->napps = sim_range(&s->rand, 1, SIM_APPS_MAX);
    s->nnames = sim_range(&s->rand, 1, 4);

    for (i = 0; i < s->napps; i++) {
        snprintf(s->apps[i].name, sizeof(s->apps[i].name), "app%u", i);
        s->apps[i].registered = true;
    }

    s->waits_share = sim_permille(&s->rand, 200)
                     ? 0 : sim_range(&s->rand, 100, 500);
    n = sim_range(&s->rand, 1, SIM_FNS_MAX - 2);

    while (s->nfns < n) {
        fi = s->nfns;
        fn = sim_program_fn(s);
        fn->app = sim_below(&s->rand, s->napps);
        fn->event = sim_below(&s->rand, s->nnames);
        fn->any = sim_permille(&s->rand, 80);
        fn->deferred = !fn->any && sim_permille(&s->rand, 250);
        sim_option_make(s, fn);
        snprintf(fn->slug, sizeof(fn->slug), "app%u-f%u", fn->app, fi);

        if (s->nfns == SIM_FNS_MAX || !sim_permille(&s->rand, 300)) {
            continue;
        }

        fn->handler = (int) s->nfns;
        handler = sim_program_fn(s);
        handler->app = fn->app;
        handler->event = (unsigned) -1;
        handler->handles = (int) fi;
        snprintf(handler->slug, sizeof(handler->slug), "app%u-f%u-failure",
                 fn->app, fi);
        sim_option_make(s, handler);
    }

    sim_program_targets(s);

    if (s->crowd) {
        sim_program_crowd(s);
    }

    for (i = 0; i < s->nfns; i++) {
        sim_option_drop(s, &s->fns[i].flow);
    }
}


static json_t *
sim_program_trigger(sim_t *s, const sim_fn_t *fn)
{
    char  text[96];

    if (fn->handles >= 0) {
        snprintf(text, sizeof(text), "event.data.function_id == '%s'",
                 s->fns[fn->handles].slug);
        return json_pack("{s:s,s:s}", "event", "inngest/function.failed",
                         "expression", text);
    }

    if (fn->any) {
        return json_pack("{s:s}", "event", "sim/*");
    }

    if (fn->deferred) {
        snprintf(text, sizeof(text), "event.data._inngest.fn_slug == '%s'",
                 fn->slug);
        return json_pack("{s:s,s:s}", "event", "inngest/deferred.schedule",
                         "expression", text);
    }

    sim_event_name(text, fn->event);

    return json_pack("{s:s}", "event", text);
}


static json_t *
sim_program_triggers(sim_t *s, const sim_fn_t *fn)
{
    json_t  *list, *trigger;

    list = json_pack("[o]", sim_program_trigger(s, fn));

    if (fn->flow.cron) {
        trigger = json_pack("{s:s}", "cron", sim_crons[fn->flow.cron].text);
        if (fn->flow.jitter) {
            json_object_set_new(trigger, "jitter",
                                json_sprintf("%us", fn->flow.jitter));
        }
        json_array_append_new(list, trigger);
    }

    return list;
}


char *
sim_program_payload(sim_t *s, unsigned app)
{
    char       url[128], step_url[160], version[16], *text;
    json_t    *root, *list, *function;
    unsigned   i;
    sim_fn_t  *fn;

    snprintf(url, sizeof(url), "http://127.0.0.1:%u/api/inngest", 3000 + app);
    snprintf(version, sizeof(version), "v%u", s->apps[app].version);

    list = json_array();

    for (i = 0; i < s->nfns; i++) {
        fn = &s->fns[i];

        if (fn->app != app || !fn->registered) {
            continue;
        }

        snprintf(step_url, sizeof(step_url), "%s?fnId=%s&stepId=step", url,
                 fn->slug);

        function = json_pack(
            "{s:s,s:s,s:o,s:{s:{s:s,s:s,s:{s:s,s:s},s:{s:i}}}}",
            "id", fn->slug, "name", fn->slug,
            "triggers", sim_program_triggers(s, fn),
            "steps", "step", "id", "step", "name", "step",
            "runtime", "type", "http", "url", step_url,
            "retries", "attempts", (int) fn->retries);
        sim_option_add(fn, function);
        json_array_append_new(list, function);
    }

    root = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:o}",
                     "url", url, "deployType", "ping", "framework", "nodejs",
                     "appName", s->apps[app].name, "sdk", "js:v4.24.0",
                     "v", "0.1", "appVersion", version, "functions", list);

    text = json_dumps(root, JSON_COMPACT);
    json_decref(root);

    return text;
}
