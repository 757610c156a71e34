/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The ops that an SDK puts into its answer: steps that it ran, steps that it
 * leaves to the server, and defers.
 */

#include "sim_app.h"

#include <time.h>


bool
sim_step_reports(const sim_step_t *st)
{
    return st->kind > SIM_DO_SAY;
}


/* "" is at once. */
static void
sim_op_time(unsigned ms, char text[32])
{
    unsigned  sec;

    sec = ms / 1000;

    if (sec == 0) {
        text[0] = '\0';
    } else if (sec >= 60) {
        snprintf(text, 32, "%um%us", sec / 60, sec % 60);
    } else {
        snprintf(text, 32, "%us", sec);
    }
}


/* An instant, the same whenever the function says it. */
static void
sim_op_date(int64_t ms, char text[32])
{
    time_t     sec;
    struct tm  tm;

    sec = (time_t) (ms / 1000);
    gmtime_r(&sec, &tm);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
}


static json_t *
sim_op(sim_ctx_t *x, const char *op, unsigned step)
{
    json_t            *o;
    const sim_step_t  *st;

    st = &x->fn->steps[step];

    o = json_pack("{s:s,s:s,s:s,s:s,s:{},s:{s:s}}", "op", op, "id", st->hash,
                  "name", st->id, "displayName", st->id, "opts",
                  "userland", "id", st->id);
    if (st->race) {
        json_object_set_new(json_object_get(o, "opts"), "parallelMode",
                            json_string("race"));
    }

    return o;
}


/* A function that there may be, or never was. */
static const char *
sim_op_target(const sim_t *s, int fn)
{
    return fn >= 0 && fn < (int) s->nfns ? s->fns[fn].slug : "app0-nobody";
}


static json_t *
sim_op_opts(json_t *op)
{
    return json_object_get(op, "opts");
}


static json_t *
sim_op_sleep(sim_ctx_t *x, unsigned step)
{
    char               text[32];
    json_t            *o;
    int64_t            due;
    const sim_step_t  *st;

    st = &x->fn->steps[step];
    o = sim_op(x, "Sleep", step);

    if (st->date) {
        due = SIM_TIME + st->ms;
        sim_op_date(due, text);
        json_object_set_new(o, "name", json_string(text));

    } else {
        due = x->s->now + st->ms;
        sim_op_time(st->ms, text);

        if (st->ms && (step & 1)) {
            json_object_set_new(sim_op_opts(o), "duration",
                                json_string(text));
        } else {
            json_object_set_new(o, "name", json_string(text));
        }
    }

    if (x->run->steps[step].due == 0) {
        x->run->steps[step].due = due;
    }

    return o;
}


/* opts.timeout of whatever waits. */
static void
sim_op_timeout(const sim_step_t *st, json_t *o)
{
    char  text[32];

    if (st->forever) {
        return;
    }

    if (st->date) {
        sim_op_date(SIM_TIME + st->ms, text);
    } else {
        sim_op_time(st->ms, text);
    }

    json_object_set_new(sim_op_opts(o), "timeout", json_string(text));
}


static json_t *
sim_op_wait(sim_ctx_t *x, unsigned step)
{
    char               name[24];
    json_t            *o;
    const sim_step_t  *st;

    st = &x->fn->steps[step];
    o = sim_op(x, "WaitForEvent", step);
    sim_event_name(name, st->name);

    if (step & 1) {
        json_object_set_new(sim_op_opts(o), "event", json_string(name));
    } else {
        json_object_set_new(o, "name", json_string(name));
    }

    if (st->cond != SIM_IF_NONE) {
        json_object_set_new(sim_op_opts(o), "if",
                            json_string(sim_if_text(st->cond)));
    }

    sim_op_timeout(st, o);

    return o;
}


static json_t *
sim_op_signal(sim_ctx_t *x, unsigned step)
{
    json_t            *o;
    const sim_step_t  *st;

    st = &x->fn->steps[step];
    o = sim_op(x, "WaitForSignal", step);

    json_object_set_new(sim_op_opts(o), "signal",
                        json_sprintf("sig%u", st->name));

    if (st->replace) {
        json_object_set_new(sim_op_opts(o), "conflict",
                            json_string("replace"));
    }

    sim_op_timeout(st, o);

    return o;
}


static json_t *
sim_op_invoke(sim_ctx_t *x, unsigned step)
{
    json_t            *o;
    const char        *slug;
    const sim_step_t  *st;

    st = &x->fn->steps[step];
    o = sim_op(x, "InvokeFunction", step);
    slug = sim_op_target(x->s, st->target);

    json_object_set_new(sim_op_opts(o), "function_id", json_string(slug));
    json_object_set_new(sim_op_opts(o), "payload",
                        json_pack("{s:{s:i,s:i}}", "data", "j", (int) step,
                                  "k", (int) (step % 3)));
    sim_op_timeout(st, o);

    return o;
}


static json_t *
sim_op_fetch(sim_ctx_t *x, unsigned step)
{
    json_t  *o;

    o = sim_op(x, "Gateway", step);

    json_object_set_new(sim_op_opts(o), "url",
                        json_sprintf("http://example.com/%u", step));
    json_object_set_new(sim_op_opts(o), "method", json_string("GET"));

    return o;
}


/* A step that is reported but not run. */
json_t *
sim_op_report(sim_ctx_t *x, unsigned step)
{
    json_t  *o;

    if (sim_step_reports(&x->fn->steps[step])) {
        x->c->reports |= (uint32_t) 1 << step;
    }

    switch (x->fn->steps[step].kind) {

    case SIM_DO_SLEEP:
        return sim_op_sleep(x, step);

    case SIM_DO_WAIT:
        return sim_op_wait(x, step);

    case SIM_DO_SIGNAL:
        return sim_op_signal(x, step);

    case SIM_DO_INVOKE:
        return sim_op_invoke(x, step);

    case SIM_DO_FETCH:
        return sim_op_fetch(x, step);

    default:
        o = sim_op(x, "StepPlanned", step);
        json_object_set_new(o, "data", json_null());
        return o;
    }
}


/* What the step says to others is sent by the time that it answers. */
static void
sim_op_say(sim_t *s, const sim_step_t *st)
{
    if (s->nevents > s->opt->steps) {
        return;
    }

    if (st->name >= SIM_NAME_WORD) {
        (void) sim_event_new(s, st->name, -1);
    } else {
        sim_signal_new(s, st->name);
    }
}


/* Runs a step; *failed when it did not succeed. */
json_t *
sim_op_run(sim_ctx_t *x, unsigned step, bool *failed)
{
    bool         last, final;
    char        *pad;
    json_t      *o, *error;
    sim_t       *s;
    sim_run_t   *run;
    sim_step_t  *st;

    s = x->s;
    run = x->run;
    st = &x->fn->steps[step];

    if (run->steps[step].memo != NULL) {
        sim_fail(s, "step %s of a run of %s runs although it has a memo",
                 st->id, x->fn->slug);
    }

    if (run->steps[step].by != 0 && run->steps[step].by != x->c->item) {
        sim_fail(s, "step %s of a run of %s runs in item %" PRIu64
                 " while item %" PRIu64 " runs it", st->id, x->fn->slug,
                 x->c->item, run->steps[step].by);
    }

    run->steps[step].by = x->c->item;
    x->c->steps |= (uint32_t) 1 << step;
    s->figures.executed++;

    *failed = x->attempt < st->fails;

    if (!*failed) {
        o = sim_op(x, "StepRun", step);
        pad = malloc(st->size + 1);
        memset(pad, 'x', st->size);
        pad[st->size] = '\0';
        json_object_set_new(o, "data", json_pack("{s:s,s:s,s:i,s:s}",
            "fn", x->fn->slug, "step", st->id, "n", (int) ++run->executions,
            "pad", pad));
        free(pad);
        run->steps[step].ran++;
        if (st->kind == SIM_DO_SAY) {
            sim_op_say(s, st);
        }
        return o;
    }

    last = x->attempt + 1 >= x->max_attempts;
    final = st->fatal || last;

    if (final && (x->fn->version == 2 || (last && (step & 1)))) {
        o = sim_op(x, "StepFailed", step);
    } else {
        o = sim_op(x, "StepError", step);
    }

    x->no_retry = final && x->fn->version == 2 ? "true"
                  : st->fatal ? "true" : "false";

    if (!final && sim_permille(&s->rand, 200)) {
        x->retry_after = sim_range(&s->rand, 1, 40);
    }

    error = json_pack("{s:s,s:s,s:s,s:b}", "name", "TypeError",
                      "message", "bad step", "stack", "TypeError: bad",
                      "__serialized", 1);
    json_object_set_new(o, "error", error);

    return o;
}


/* The defer of a step has the id that the step has. */
static json_t *
sim_op_defer(sim_ctx_t *x, unsigned step)
{
    json_t            *o;
    const sim_step_t  *st;

    st = &x->fn->steps[step];

    o = json_pack("{s:s,s:s,s:s,s:{s:s,s:{s:i}}}", "op", "DeferAdd", "id",
                  st->hash, "name", st->id, "opts", "fn_slug",
                  sim_op_target(x->s, st->defer), "input", "step",
                  (int) step);
    x->c->defers |= (uint32_t) 1 << step;

    return o;
}


/* What the step defers, or takes back, unless the server knows of it. */
void
sim_op_defers(sim_ctx_t *x, unsigned step, json_t *ops)
{
    json_t            *known;
    const sim_step_t  *st, *other;

    st = &x->fn->steps[step];
    known = json_object_get(x->body, "defers");

    if (st->defer >= 0 && json_object_get(known, st->hash) == NULL) {
        json_array_append_new(ops, sim_op_defer(x, step));
    }

    if (st->abort < 0) {
        return;
    }

    other = &x->fn->steps[st->abort];

    if (json_is_true(json_object_get(json_object_get(known, other->hash),
                                     "abortable")))
    {
        json_array_append_new(ops, json_pack("{s:s,s:s,s:{s:s}}",
            "op", "DeferAbort", "id", st->hash, "opts",
            "target_hashed_id", other->hash));
        x->c->aborts |= (uint32_t) 1 << st->abort;
    }
}
