/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Calls that tell their steps while they are open: the checkpoints that an
 * app makes one after the other before it answers, copies of them that come
 * again or late, and what a commit of one means.
 *
 * An app that hears nothing gives up at some time and answers with the steps;
 * one that is superseded stops, and what it still answers must be dropped.
 */

#include "sim_world.h"

#define SIM_LATE_MAX  64


static void
sim_checkpoint_copy(sim_checkpoint_t *to, const sim_checkpoint_t *from)
{
    *to = *from;
    to->ops = strdup(from->ops);
}


void
sim_checkpoint_add(sim_t *s, sim_call_t *c, sim_checkpoint_t *p)
{
    if (c->nscript == SIM_STEPS_MAX) {
        sim_fail(s, "the simulation is too small for its checkpoints");
    }

    if (c->script == NULL) {
        c->script = calloc(SIM_STEPS_MAX, sizeof(*c->script));
    }

    p->item = c->item;
    p->generation = c->generation;
    p->run = c->run;
    c->script[c->nscript++] = *p;
}


/* A copy of it will arrive some time. */
static void
sim_checkpoint_late(sim_t *s, const sim_checkpoint_t *p)
{
    sim_checkpoint_t  *late;

    if (s->nlate == SIM_LATE_MAX || s->calm) {
        return;
    }

    if (s->late == NULL) {
        s->late = calloc(SIM_LATE_MAX, sizeof(*s->late));
    }

    late = &s->late[s->nlate++];
    sim_checkpoint_copy(late, p);
    late->at = s->now + sim_below(&s->rand, sim_permille(&s->rand, 300)
                                            ? 3600 * 1000 : 3000);
}


/* The sidecar gave the call up; the app does not know and goes on. */
void
sim_checkpoint_leave(sim_t *s, sim_call_t *c)
{
    unsigned  i;

    for (i = c->told; i < c->nscript; i++) {
        sim_checkpoint_late(s, &c->script[i]);
    }

    for (i = 0; i < c->nscript; i++) {
        free(c->script[i].ops);
    }

    free(c->script);
    c->script = NULL;
    c->nscript = 0;
    c->told = 0;
}


bool
sim_checkpoint_waits(const sim_call_t *c)
{
    return c->state == SIM_CALL_RUNNING && c->told < c->nscript;
}


/* -- ops ------------------------------------------------------------------ */

void
sim_gather_checkpoints(sim_t *s, sim_ops_t *b)
{
    unsigned     i;
    sim_call_t  *c;

    for (i = 0; i < s->ncalls && b->n < SIM_BATCH_MAX - 12; i++) {
        c = &s->calls[i];

        if (sim_checkpoint_waits(c) && s->now >= c->at) {
            sim_add_checkpoint(s, b, &c->script[c->told], (int) i);

            if (!s->calm && sim_permille(&s->rand, 60)) {
                sim_checkpoint_late(s, &c->script[c->told]);
            }
        }
    }

    for (i = 0; i < s->nlate && b->n < SIM_BATCH_MAX - 8; i++) {
        if (s->calm || s->now >= s->late[i].at) {
            sim_add_checkpoint(s, b, &s->late[i], -1 - (int) i);
        }
    }
}


static sim_checkpoint_t *
sim_checkpoint_of(sim_t *s, const sim_op_t *o)
{
    return o->ref >= 0 ? &s->calls[o->ref].script[s->calls[o->ref].told]
                       : &s->late[-1 - o->ref];
}


/* What the lease of its call is now; false when there is none. */
static bool
sim_checkpoint_leased(sim_t *s, const sim_checkpoint_t *p)
{
    dur_item_t  item;

    return sim_target_lease(s, p->item, &item)
           && item.generation == p->generation;
}


/* -- commits -------------------------------------------------------------- */

/* Its steps are memos now, as the first of those who told them said. */
static void
sim_checkpoint_taken(sim_t *s, const sim_checkpoint_t *p)
{
    size_t       n;
    json_t      *ops, *op, *data;
    unsigned     i;
    sim_run_t   *run;

    run = &s->runs[p->run];
    run->defers |= p->defers;
    run->aborted |= p->aborts;
    ops = json_loads(p->ops, 0, NULL);

    json_array_foreach(ops, n, op) {
        data = json_object_get(op, "data");

        for (i = 0; data != NULL && i < s->fns[run->fn].nsteps; i++) {
            if (strcmp(json_string_value(json_object_get(op, "id")),
                       s->fns[run->fn].steps[i].hash) != 0)
            {
                continue;
            }

            run->told |= (uint32_t) 1 << i;

            if (run->steps[i].memo == NULL && !(run->seen_rows >> i & 1)) {
                run->steps[i].memo = json_pack("{s:O}", "data", data);
                s->figures.checkpointed++;
            }
        }
    }

    json_decref(ops);
}


static void
sim_checkpoint_refused(sim_t *s, const sim_checkpoint_t *p,
    const dur_reply_t *reply)
{
    if (reply->status == 404 && s->conf.retention > 0) {
        return;
    }

    if (reply->status != 409) {
        sim_fail(s, "a checkpoint is refused: %u %.*s", reply->status,
                 (int) reply->body.len, (const char *) reply->body.data);
    }

    if (sim_checkpoint_leased(s, p)) {
        sim_fail(s, "a checkpoint of a call of %s that is open is refused",
                 s->fns[s->runs[p->run].fn].slug);
    }
}


void
sim_committed_checkpoint(sim_t *s, const sim_op_t *o,
    const dur_reply_t *reply)
{
    sim_call_t              *c;
    const sim_checkpoint_t  *p;

    p = sim_checkpoint_of(s, o);

    if (reply->status != 200) {
        sim_checkpoint_refused(s, p, reply);
        return;
    }

    if (s->runs[p->run].ended) {
        sim_fail(s, "a run of %s that ended takes a checkpoint",
                 s->fns[s->runs[p->run].fn].slug);
    }

    if (sim_sidecar_newer(s, p->item, p->generation)) {
        sim_fail(s, "a run of %s takes a checkpoint of a call that is "
                 "superseded", s->fns[s->runs[p->run].fn].slug);
    }

    sim_checkpoint_taken(s, p);
    c = sim_sidecar_find(s, p->item, p->generation);

    if (c != NULL) {
        c->attempt = 0;
        c->losses = 0;
        c->memos += o->ref >= 0 ? p->nsteps : 0;
    }
}


/* -- what the app does then ----------------------------------------------- */

static void
sim_checkpoint_answer(sim_call_t *c, unsigned status, const char *headers,
    const char *body)
{
    free(c->headers);
    free(c->body);
    c->headers = strdup(headers);
    c->body = strdup(body);
    c->status = (uint16_t) status;
    c->error_kind = DUR_CALL_OK;
    c->reports = 0;
    c->defers = 0;
    c->aborts = 0;
}


/* The rest of the script never happens. */
static void
sim_checkpoint_stop(sim_t *s, sim_call_t *c)
{
    unsigned  i;

    for (i = c->told; i < c->nscript; i++) {
        free(c->script[i].ops);
    }

    c->nscript = c->told;
    c->at = s->now;
}


/* The reply of a late one reaches nobody. */
void
sim_checkpoint_replied(sim_t *s, const sim_op_t *o, const dur_reply_t *reply)
{
    sim_call_t  *c;

    if (o->ref < 0) {
        return;
    }

    c = &s->calls[o->ref];

    if (!sim_checkpoint_waits(c)) {
        return;                         /* cancelled in the same batch */
    }

    if (reply->status == 200) {
        c->told++;
        c->at = s->now + sim_below(&s->rand, 200);
        return;
    }

    sim_checkpoint_stop(s, c);
    sim_checkpoint_answer(c, 400, "x-inngest-sdk: inngest-js:v4.24.0\n"
                          "x-inngest-no-retry: true\n",
                          "{\"name\":\"StaleDispatchError\",\"message\":"
                          "\"this call is stale\"}");
}


/* The app heard nothing: it tries again, or answers with the steps. */
void
sim_checkpoint_unheard(sim_t *s, const sim_op_t *o)
{
    char              headers[128];
    sim_call_t       *c;
    sim_checkpoint_t  p;

    if (o->ref < 0) {
        return;
    }

    c = &s->calls[o->ref];

    if (!sim_checkpoint_waits(c) || !sim_permille(&s->rand, 300)) {
        return;
    }

    p = c->script[c->told];
    p.ops = strdup(p.ops);
    sim_checkpoint_stop(s, c);

    snprintf(headers, sizeof(headers), "x-inngest-sdk: inngest-js:v4.24.0\n"
             "x-inngest-req-version: 2\n");
    sim_checkpoint_answer(c, 206, headers, p.ops);
    c->defers = p.defers;
    c->aborts = p.aborts;
    free(p.ops);
}


/* Late ones of a batch that was committed are over. */
void
sim_checkpoint_settle(sim_t *s, const sim_ops_t *b)
{
    unsigned  i, n;
    bool      gone[SIM_LATE_MAX] = { false };

    for (i = 0; i < b->n; i++) {
        if (b->ops[i].type == DUR_OP_CHECKPOINT && b->ops[i].ref < 0) {
            gone[-1 - b->ops[i].ref] = true;
        }
    }

    for (i = 0, n = 0; i < s->nlate; i++) {
        if (gone[i]) {
            free(s->late[i].ops);
        } else {
            s->late[n++] = s->late[i];
        }
    }

    s->nlate = n;
}


void
sim_checkpoint_free(sim_t *s)
{
    unsigned  i;

    for (i = 0; i < s->nlate; i++) {
        free(s->late[i].ops);
    }

    free(s->late);
}
