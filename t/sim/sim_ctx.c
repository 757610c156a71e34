/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Reads a call and checks what only an app can see: the memos are the
 * stack's, each is what a step returned, and none changes or vanishes.
 */

#include "sim_app.h"


static int
sim_ctx_fn(sim_t *s)
{
    char        slug[64];
    size_t      n;
    unsigned    i;
    dur_str_t   url;
    const char *p;

    url = dur_buf_str(&s->call.url);
    p = memmem(url.data, url.len, "fnId=", 5);
    if (p == NULL) {
        return -1;
    }

    p += 5;
    n = 0;
    while ((const uint8_t *) p < url.data + url.len && *p != '&'
           && n < sizeof(slug) - 1)
    {
        slug[n++] = *p++;
    }
    slug[n] = '\0';

    for (i = 0; i < s->nfns; i++) {
        if (strcmp(s->fns[i].slug, slug) == 0) {
            return (int) i;
        }
    }

    return -1;
}


static int64_t
sim_int(sim_t *s, json_t *o, const char *key)
{
    json_t  *v;

    v = json_object_get(o, key);
    if (!json_is_integer(v)) {
        sim_fail(s, "\"%s\" of a call is not an integer", key);
    }

    return json_integer_value(v);
}


static void
sim_ctx_slept(sim_ctx_t *x, unsigned step, json_t *memo)
{
    sim_t             *s;
    int64_t            due;
    const sim_step_t  *st;

    s = x->s;
    st = &x->fn->steps[step];
    due = x->run->steps[step].due;

    /* instants are rounded to whole seconds from now */

    if (st->date) {
        due -= 500;
    }

    if (!json_is_null(memo)) {
        sim_fail(s, "the memo of sleep %s is not null", st->id);
    }

    if (due == 0) {
        sim_fail(s, "sleep %s ended but was never reported", st->id);
    }

    if (!s->clock_steps && s->now < due) {
        sim_fail(s, "sleep %s of %s ended %" PRId64 " ms early", st->id,
                 x->fn->slug, due - s->now);
    }
}


static void
sim_ctx_ran(sim_ctx_t *x, unsigned step, json_t *memo)
{
    const char        *id;
    const sim_step_t  *st;

    st = &x->fn->steps[step];

    if (x->failed[step]) {
        if (st->fails == 0) {
            sim_fail(x->s, "step %s of %s failed though it never fails",
                     st->id, x->fn->slug);
        }
        return;
    }

    id = json_string_value(json_object_get(json_object_get(memo, "data"),
                                           "step"));

    if (id == NULL || strcmp(id, st->id) != 0
        || x->run->steps[step].ran == 0)
    {
        sim_fail(x->s, "the memo of step %s of %s is not what it returned",
                 st->id, x->fn->slug);
    }
}


/* A sidecar that is lost again and again is an error of a request. */
static void
sim_ctx_fetched(sim_ctx_t *x, unsigned step, json_t *memo)
{
    json_t            *data;
    const char        *body;
    const sim_step_t  *st;

    st = &x->fn->steps[step];

    if (x->failed[step]) {
        if (st->fails == 0 && !x->run->errored) {
            sim_fail(x->s, "request %s of %s failed though it never fails",
                     st->id, x->fn->slug);
        }
        return;
    }

    data = json_object_get(memo, "data");
    body = json_string_value(json_object_get(data, "body"));

    if (body == NULL || strcmp(body, st->id) != 0
        || json_integer_value(json_object_get(data, "status_code")) != 200
        || x->run->steps[step].ran == 0)
    {
        sim_fail(x->s, "the memo of request %s of %s is not what came back",
                 st->id, x->fn->slug);
    }
}


/* A memo is what one of our executions said, and stays what it was. */
static void
sim_ctx_memo(sim_ctx_t *x, unsigned step, json_t *memo)
{
    sim_t             *s;
    sim_run_t         *run;
    const sim_step_t  *st;

    s = x->s;
    run = x->run;
    st = &x->fn->steps[step];
    x->failed[step] = json_object_get(memo, "error") != NULL;

    if (run->steps[step].memo != NULL) {
        if (!json_equal(run->steps[step].memo, memo)) {
            sim_fail(s, "the memo of step %s of a run of %s changed",
                     st->id, x->fn->slug);
        }
        return;
    }

    switch (st->kind) {

    case SIM_DO_SLEEP:
        sim_ctx_slept(x, step, memo);
        break;

    case SIM_DO_RUN:
    case SIM_DO_SAY:
        sim_ctx_ran(x, step, memo);
        break;

    case SIM_DO_FETCH:
        sim_ctx_fetched(x, step, memo);
        break;

    default:
        /* sim_wait_check() saw it when it was written */
        if (!run->steps[step].known) {
            sim_fail(s, "step %s of %s waited but was never reported",
                     st->id, x->fn->slug);
        }
    }

    run->steps[step].memo = json_incref(memo);
}


/* Memos of the run that this one runs again: as many as must be, the first
 * of its stack, and as they were. */
static void
sim_ctx_copied(sim_ctx_t *x, const json_t *stack)
{
    size_t            n;
    json_t           *v, *memo;
    unsigned          i;
    sim_run_t        *run;
    const sim_run_t  *old;

    run = x->run;
    old = &x->s->runs[run->original];

    if (run->memos >= 0 && json_array_size(stack) != (size_t) run->memos) {
        sim_fail(x->s, "a run of %s runs again with %zu memos instead of %d",
                 x->fn->slug, json_array_size(stack), run->memos);
    }

    json_array_foreach(stack, n, v) {
        memo = json_object_get(x->steps, json_string_value(v));

        for (i = 0; i < x->fn->nsteps; i++) {
            if (strcmp(json_string_value(v), x->fn->steps[i].hash) == 0) {
                break;
            }
        }

        if (i == x->fn->nsteps || !(old->seen_rows >> i & 1)
            || old->steps[i].stack != n
            || (old->steps[i].memo && !json_equal(memo, old->steps[i].memo)))
        {
            sim_fail(x->s, "memo %zu of a run of %s that runs again is "
                     "another one", n, x->fn->slug);
        }

        run->steps[i].memo = json_incref(memo);
        run->steps[i].known = true;
    }
}


/* One step is known by nothing but its new input, until it is done, or the
 * server has taken over what it does. */
static size_t
sim_ctx_edited(sim_ctx_t *x)
{
    json_t      *v;
    const char  *input;

    if (!x->run->edited || (x->run->seen_rows >> x->run->from & 1)
        || x->run->steps[x->run->from].known)
    {
        return 0;
    }

    v = json_object_get(x->steps, x->fn->steps[x->run->from].hash);
    input = json_string_value(json_array_get(json_object_get(v, "input"), 0));

    if (input == NULL || strcmp(input, "edited") != 0) {
        sim_fail(x->s, "a run of %s does not know its edited step %s",
                 x->fn->slug, x->fn->steps[x->run->from].id);
    }

    return 1;
}


static void
sim_ctx_steps(sim_ctx_t *x, bool first)
{
    size_t       n;
    json_t      *stack, *v, *memo;
    unsigned     i;
    const char  *hash;

    x->steps = json_object_get(x->body, "steps");
    stack = json_object_get(json_object_get(x->body, "ctx"), "stack");
    stack = json_object_get(stack, "stack");

    if (!json_is_object(x->steps) || !json_is_array(stack)) {
        sim_fail(x->s, "a call has no steps or no stack");
    }

    if (first && x->run->original >= 0) {
        sim_ctx_copied(x, stack);
    }

    if (json_object_size(x->steps)
        != json_array_size(stack) + sim_ctx_edited(x))
    {
        sim_fail(x->s, "a call has %zu memos and a stack of %zu",
                 json_object_size(x->steps), json_array_size(stack));
    }

    for (i = 0; i < x->fn->nsteps; i++) {
        x->pos[i] = SIM_NO_MEMO;
    }

    json_array_foreach(stack, n, v) {
        hash = json_string_value(v);

        for (i = 0; i < x->fn->nsteps; i++) {
            if (hash && strcmp(hash, x->fn->steps[i].hash) == 0) {
                break;
            }
        }

        memo = hash ? json_object_get(x->steps, hash) : NULL;

        if (i == x->fn->nsteps || memo == NULL) {
            sim_fail(x->s, "the stack of a run of %s holds %s, which is no "
                     "memo of it", x->fn->slug, hash ? hash : "no text");
        }
        if (x->pos[i] != SIM_NO_MEMO) {
            sim_fail(x->s, "step %s is twice in the stack",
                     x->fn->steps[i].id);
        }

        x->pos[i] = (int) n;
        x->nmemos++;
        sim_ctx_memo(x, i, memo);
    }

    for (i = 0; i < x->fn->nsteps; i++) {
        if (x->run->steps[i].memo != NULL && x->pos[i] == SIM_NO_MEMO) {
            sim_fail(x->s, "the memo of step %s of a run of %s is gone",
                     x->fn->steps[i].id, x->fn->slug);
        }
    }
}


/* What the run's event says, which its waits may ask for. */
static void
sim_ctx_event(sim_ctx_t *x)
{
    int          parent;
    json_t      *event, *data;
    unsigned     step;
    dur_ulid_t   id;
    const char  *text;

    event = json_object_get(x->body, "event");
    data = json_object_get(event, "data");

    if (x->run->original == -1
        && json_array_size(json_object_get(x->body, "events"))
           != (x->run->batched ? x->run->nevents : 1))
    {
        sim_fail(x->s, "a call of %s has more events than its run, or less",
                 x->fn->slug);
    }

    if (!x->fn->deferred || strcmp(json_string_value(
            json_object_get(event, "name")), "inngest/deferred.schedule"))
    {
        return;
    }

    text = json_string_value(json_object_get(json_object_get(data,
                             "_inngest"), "parent_run_id"));
    step = (unsigned) json_integer_value(json_object_get(data, "step"));

    if (text == NULL || dur_ulid_parse(dur_str_c(text), &id) != DUR_OK
        || (parent = sim_run_find(x->s, &id, false)) == -1
        || step >= SIM_STEPS_MAX
        || !(x->s->runs[parent].defers >> step & 1)
        || (x->s->runs[parent].aborted >> step & 1)
        || !x->s->runs[parent].ended)
    {
        sim_fail(x->s, "a run of %s was deferred by nobody", x->fn->slug);
    }

    x->s->figures.deferred += !(x->s->runs[parent].deferred >> step & 1);
    x->s->runs[parent].deferred |= (uint32_t) 1 << step;
}


/* The defers that the server has, and whether it would take them back. */
static void
sim_ctx_defers(sim_ctx_t *x)
{
    json_t      *known, *d;
    unsigned     i, n;

    known = json_object_get(x->body, "defers");

    for (i = 0, n = 0; i < x->fn->nsteps; i++) {
        if (!(x->run->defers >> i & 1)) {
            continue;
        }

        n++;
        d = json_object_get(known, x->fn->steps[i].hash);

        if (d == NULL || json_is_true(json_object_get(d, "abortable"))
                         == (x->run->aborted >> i & 1))
        {
            sim_fail(x->s, "a call of %s does not know its defer %s",
                     x->fn->slug, x->fn->steps[i].id);
        }
    }

    if (json_object_size(known) != n) {
        sim_fail(x->s, "a call of %s knows more defers than there are",
                 x->fn->slug);
    }
}


void
sim_ctx_parse(sim_ctx_t *x)
{
    int            fn, run;
    bool           first;
    sim_t         *s;
    json_t        *ctx, *v;
    int64_t        version;
    dur_str_t      body;
    dur_ulid_t     id;
    json_error_t   err;

    s = x->s;
    body = dur_buf_str(&s->call.body);

    x->body = json_loadb((const char *) body.data, body.len, 0, &err);
    if (x->body == NULL) {
        sim_fail(s, "the body of a call is not JSON: %s", err.text);
    }

    ctx = json_object_get(x->body, "ctx");
    v = json_object_get(ctx, "run_id");

    if (!json_is_string(v)
        || dur_ulid_parse(dur_str_c(json_string_value(v)), &id) != DUR_OK)
    {
        sim_fail(s, "a call has no run id");
    }

    fn = sim_ctx_fn(s);
    if (fn == -1) {
        sim_fail(s, "a call is for no function: %.*s",
                 (int) s->call.url.len, (char *) s->call.url.data);
    }

    run = sim_run_find(s, &id, true);

    x->fn = &s->fns[fn];
    x->run = &s->runs[run];
    x->c->run = run;

    if (x->run->called && x->run->fn != (unsigned) fn) {
        sim_fail(s, "a run of %s calls %s", s->fns[x->run->fn].slug,
                 x->fn->slug);
    }

    x->run->fn = (unsigned) fn;
    first = !x->run->called;
    x->run->called = true;
    sim_ctx_event(x);

    x->target = json_string_value(json_object_get(ctx, "step_id"));
    if (x->target == NULL) {
        sim_fail(s, "a call has no step id");
    }

    x->attempt = (unsigned) sim_int(s, ctx, "attempt");
    x->max_attempts = (unsigned) sim_int(s, ctx, "max_attempts");
    x->plan = json_is_true(json_object_get(ctx,
                                           "disable_immediate_execution"));

    if (!x->fn->retries_changed && x->attempt >= x->max_attempts) {
        sim_fail(s, "attempt %u of %u", x->attempt, x->max_attempts);
    }

    if (!x->fn->retries_changed && x->max_attempts != x->fn->retries + 1) {
        sim_fail(s, "%s has %u attempts instead of %u", x->fn->slug,
                 x->max_attempts, x->fn->retries + 1);
    }

    version = sim_int(s, x->body, "version");
    if (version != -1 && version != (int64_t) x->fn->version
        && s->garbage == 0)
    {
        sim_fail(s, "the version of a call is %d", (int) version);
    }

    sim_ctx_steps(x, first);
    sim_ctx_defers(x);
}
