/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The sidecar: slots that are the credits, calls that run for a while, a
 * ledger of results until their ACK, and an instance that may die with all of
 * it.  It checks what only a sidecar can see: never more calls than slots,
 * and no attempt that is sent twice.
 */

#include "sim_world.h"


static void
sim_sidecar_attempt(sim_t *s, const sim_call_t *c)
{
    size_t    i;
    uint8_t   attempt[DUR_ATTEMPT_LEN], *p;

    dur_attempt_put(attempt, c->item, c->generation);

    for (i = 0; i < s->nattempts; i++) {
        p = s->attempts + i * DUR_ATTEMPT_LEN;

        if (memcmp(p, attempt, DUR_ATTEMPT_LEN) == 0) {
            sim_fail(s, "item %" PRIu64 " generation %u is sent twice",
                     c->item, c->generation);
        }
    }

    if (s->nattempts == s->attempts_size) {
        s->attempts_size = s->attempts_size ? s->attempts_size * 2 : 256;
        s->attempts = realloc(s->attempts,
                              s->attempts_size * DUR_ATTEMPT_LEN);
    }

    memcpy(s->attempts + s->nattempts++ * DUR_ATTEMPT_LEN, attempt,
           DUR_ATTEMPT_LEN);
}


void
sim_sidecar_start(sim_t *s)
{
    sim_bytes(&s->rand, s->instance, sizeof(s->instance));
    s->need_inventory = true;
}


/* The steps that the call ran run no longer. */
static void
sim_call_leave(sim_t *s, sim_call_t *c)
{
    unsigned    i;
    sim_run_t  *run;

    if (c->run < 0) {
        return;
    }

    run = &s->runs[c->run];

    for (i = 0; i < SIM_STEPS_MAX; i++) {
        if ((c->steps >> i & 1) && run->steps[i].by == c->item) {
            run->steps[i].by = 0;
        }
    }

    c->steps = 0;
}


void
sim_call_free(sim_t *s, sim_call_t *c)
{
    sim_call_leave(s, c);
    sim_checkpoint_leave(s, c);
    free(c->headers);
    free(c->body);
    memset(c, 0, sizeof(*c));
    c->run = -1;
}


void
sim_sidecar_crash(sim_t *s)
{
    unsigned     i;
    sim_call_t  *c;

    sim_note(s, "the sidecar dies");

    for (i = 0; i < s->ncalls; i++) {
        c = &s->calls[i];

        if (c->state == SIM_CALL_FREE || c->ghost) {
            continue;
        }

        /* to be lost again and again uses attempts */
        sim_check_lost(s, c->item);

        if (c->state != SIM_CALL_LEASED && sim_permille(&s->rand, 300)) {
            /* read by the leader before the sidecar died, but not decided */
            sim_call_leave(s, c);
            sim_checkpoint_leave(s, c);
            c->ghost = true;
            c->state = SIM_CALL_FINISHED;
            c->at = s->now + sim_below(&s->rand, 3000);
            c->submitted = false;
            continue;
        }

        sim_call_free(s, c);
    }

    sim_sidecar_start(s);
}


void
sim_sidecar_link(sim_t *s)
{
    unsigned     i;
    sim_call_t  *c;

    for (i = 0; i < s->ncalls; i++) {
        c = &s->calls[i];
        c->submitted = false;
        c->resent = c->state == SIM_CALL_FINISHED;

        if (c->state == SIM_CALL_LEASED) {
            sim_call_free(s, c);
        }
    }

    s->need_inventory = true;
}


unsigned
sim_sidecar_used(const sim_t *s)
{
    unsigned  i, n;

    for (i = 0, n = 0; i < s->ncalls; i++) {
        if (s->calls[i].state != SIM_CALL_FREE && !s->calls[i].ghost) {
            n++;
        }
    }

    return n;
}


int64_t
sim_sidecar_next(const sim_t *s)
{
    int64_t   at;
    unsigned  i;

    at = INT64_MAX;

    for (i = 0; i < s->ncalls; i++) {
        if (s->calls[i].state != SIM_CALL_FREE && s->calls[i].at < at) {
            at = s->calls[i].at;
        }
    }

    return at;
}


void
sim_sidecar_inventory(sim_t *s, dur_buf_t *out)
{
    uint8_t      attempt[DUR_ATTEMPT_LEN];
    unsigned     i;
    sim_call_t  *c;

    for (i = 0; i < s->ncalls; i++) {
        c = &s->calls[i];

        if (c->ghost || c->state < SIM_CALL_RUNNING) {
            continue;
        }

        dur_attempt_put(attempt, c->item, c->generation);
        dur_buf_add(out, attempt, sizeof(attempt));
    }
}


sim_call_t *
sim_sidecar_find(sim_t *s, uint64_t item, uint32_t generation)
{
    unsigned     i;
    sim_call_t  *c;

    for (i = 0; i < s->ncalls; i++) {
        c = &s->calls[i];

        if (c->state != SIM_CALL_FREE && !c->ghost && c->item == item
            && c->generation == generation)
        {
            return c;
        }
    }

    return NULL;
}


bool
sim_sidecar_newer(const sim_t *s, uint64_t item, uint32_t generation)
{
    size_t    i;
    uint8_t  *p;

    for (i = 0; i < s->nattempts; i++) {
        p = s->attempts + i * DUR_ATTEMPT_LEN;

        if (dur_attempt_item(p) == item
            && dur_attempt_generation(p) > generation)
        {
            return true;
        }
    }

    return false;
}


/* What is leased now is of no paused function, and no cancellation means its
 * run; what was leased before is sent again all the same. */
static void
sim_sidecar_allowed(sim_t *s, sim_call_t *c)
{
    int                 run;
    unsigned            fn;
    dur_item_t          item;
    const sim_rule_t   *r;

    if (!sim_target_lease(s, c->item, &item)) {
        return;                 /* it went in the batch that made it */
    }

    c->gateway = item.kind == DUR_ITEM_GATEWAY;
    fn = item.function < SIM_IDS_MAX ? s->fn_ids[item.function] : 0;
    run = sim_run_find(s, &item.run, false);

    if (fn == 0 || s->inventory_in == s->nlog) {
        return;
    }

    if (s->fns[fn - 1].paused && s->fns[fn - 1].paused_in != s->nlog) {
        sim_fail(s, "%s is called while it is paused", s->fns[fn - 1].slug);
    }

    r = run >= 0 && s->runs[run].born
        ? sim_cancel_rule(s, &s->runs[run], NULL) : NULL;

    if (r != NULL && r->batch != s->nlog && !r->removing) {
        sim_fail(s, "a run of %s is called that a cancellation means",
                 s->fns[fn - 1].slug);
    }
}


static void
sim_sidecar_call(sim_t *s, const dur_effect_t *f)
{
    unsigned     i, n;
    sim_call_t  *c;

    if (sim_sidecar_find(s, f->item, f->generation) != NULL) {
        sim_fail(s, "item %" PRIu64 " generation %u is called twice",
                 f->item, f->generation);
    }

    /*
     * A result that the leader before this one settled waits for its ACK
     * again; what that leader leased in its place takes its slot already.
     */

    for (i = 0, n = sim_sidecar_used(s); i < s->ncalls; i++) {
        if (s->calls[i].resent && !s->calls[i].ghost) {
            n--;
        }
    }

    if (n >= s->slots) {
        sim_fail(s, "more calls than the sidecar's %u slots", s->slots);
    }

    for (i = 0, n = 0; i < s->ncalls; i++) {
        c = &s->calls[i];
        if ((c->state == SIM_CALL_LEASED || c->state == SIM_CALL_RUNNING)
            && c->app == f->app)
        {
            n++;
        }
    }

    if (n >= s->conf.max_calls) {
        sim_fail(s, "more calls of one app than its %u", s->conf.max_calls);
    }

    for (i = 0; i < s->ncalls; i++) {
        if (s->calls[i].state == SIM_CALL_FREE) {
            break;
        }
    }

    if (i == SIM_CALLS_MAX) {
        sim_fail(s, "the simulation is too small for its calls");
    }

    if (i == s->ncalls) {
        s->ncalls++;
    }

    c = &s->calls[i];
    memset(c, 0, sizeof(*c));
    c->state = SIM_CALL_LEASED;
    c->item = f->item;
    c->generation = f->generation;
    c->app = f->app;
    c->run = -1;
    sim_sidecar_allowed(s, c);
    s->apps[c->app - 1].calls += !c->gateway;
    c->at = s->now + (sim_permille(&s->rand, 100)
                      ? sim_below(&s->rand, 500) : 0);
}


/* Not the sidecar's, but an effect all the same: a line of the feed. */
static void
sim_sidecar_feed(sim_t *s, const dur_effect_t *f)
{
    json_t        *line;
    json_error_t   err;

    line = json_loadb((const char *) f->text.data, f->text.len, 0, &err);

    if (!json_is_object(line) || !json_is_string(json_object_get(line, "kind"))
        || !json_is_integer(json_object_get(line, "ts")))
    {
        sim_fail(s, "a line of the feed is not one: %.*s",
                 (int) f->text.len, (const char *) f->text.data);
    }

    json_decref(line);
}


void
sim_sidecar_effect(sim_t *s, const dur_effect_t *f)
{
    sim_call_t  *c;

    switch (f->type) {

    case DUR_EFFECT_CALL:
        sim_sidecar_call(s, f);
        break;

    case DUR_EFFECT_ACK:
        c = sim_sidecar_find(s, f->item, f->generation);

        if (c != NULL && c->state == SIM_CALL_FINISHED) {
            sim_call_free(s, c);
        }
        break;

    case DUR_EFFECT_CANCEL:
        c = sim_sidecar_find(s, f->item, f->generation);

        if (c == NULL || c->state == SIM_CALL_FINISHED) {
            break;
        }

        if (c->state == SIM_CALL_LEASED) {
            sim_call_free(s, c);
            break;
        }

        sim_call_leave(s, c);
        sim_checkpoint_leave(s, c);
        c->state = SIM_CALL_FINISHED;
        c->cancelled = true;
        c->at = s->now;
        c->status = 0;
        c->error_kind = DUR_CALL_ECANCELLED;
        break;

    case DUR_EFFECT_FEED:
        sim_sidecar_feed(s, f);
        break;

    case DUR_EFFECT_LOG:
        sim_note(s, "log %u: %.*s", f->level, (int) f->text.len,
                 (const char *) f->text.data);
        break;

    default:
        break;
    }
}


static void
sim_sidecar_build(sim_t *s, sim_call_t *c)
{
    dur_rc_t            rc;
    dur_call_options_t  options;

    memset(&options, 0, sizeof(options));
    options.dev = true;
    options.now_ms = s->now;

    rc = dur_call_build(dur_engine_store(s->engine), c->item, c->generation,
                        &options, &s->call);

    if (rc == DUR_ENOTFOUND) {
        sim_call_free(s, c);
        return;
    }

    if (rc != DUR_OK) {
        sim_fail(s, "the call of item %" PRIu64 " cannot be built: %s",
                 c->item, dur_strerror(rc));
    }

    sim_sidecar_attempt(s, c);
    sim_target_sent(s, c);

    c->state = SIM_CALL_RUNNING;
    c->started = s->now;
    c->at = s->now + (sim_permille(&s->rand, 100)
                      ? sim_below(&s->rand, 60000)
                      : sim_below(&s->rand, 300));

    if (c->gateway) {
        sim_gateway_answer(s, c);
    } else {
        sim_app_answer(s, c);
    }

    sim_note(s, "call item %" PRIu64 " gen %u: %.*s -> %u/%u %s%.120s",
             c->item, c->generation, (int) s->call.url.len,
             (const char *) s->call.url.data, c->status, c->error_kind,
             strstr(c->headers, "no-retry: true") ? "(final) " : "", c->body);
}


void
sim_sidecar_work(sim_t *s)
{
    unsigned     i;
    sim_call_t  *c;

    for (i = 0; i < s->ncalls; i++) {
        c = &s->calls[i];

        if (s->now < c->at) {
            continue;
        }

        if (c->state == SIM_CALL_LEASED) {
            sim_sidecar_build(s, c);

        } else if (c->state == SIM_CALL_RUNNING
                   && !sim_checkpoint_waits(c))
        {
            c->state = SIM_CALL_FINISHED;
        }
    }
}
