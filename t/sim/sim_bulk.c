/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A second opinion on bulk jobs: which runs they must, may and must not meet.
 * A run is meant when it was committed before the job; one that had ended by
 * then runs again once for each job that means it, one that lives is cancelled
 * before the last task is done.
 */

#include "sim_world.h"


#define SIM_BULK_WHY  "The run was cancelled by the bulk job "


/* -- what is asked for ---------------------------------------------------- */

static void
sim_bulk_new(sim_t *s)
{
    uint8_t      entropy[10];
    sim_bulk_t  *k;

    if (s->nbulks == SIM_BULKS_MAX || s->nruns == 0) {
        return;
    }

    k = &s->bulks[s->nbulks++];
    memset(k, 0, sizeof(*k));

    sim_bytes(&s->bulk_rand, entropy, sizeof(entropy));
    dur_ulid_make(&k->id, (uint64_t) s->now, entropy);
    k->fn = s->runs[sim_below(&s->bulk_rand, s->nruns)].fn;
    k->replay = sim_permille(&s->bulk_rand, 600);
    k->some = sim_permille(&s->bulk_rand, 400);
}


static void
sim_bulk_add(sim_t *s, sim_ops_t *b, unsigned bulk)
{
    char         body[400];
    dur_op_t     op;
    sim_bulk_t  *k = &s->bulks[bulk];

    snprintf(body, sizeof(body), "{\"action\":\"%s\",\"filter\":{\"function\":"
             "\"%s\"%s%s}}", k->replay ? "replay" : "cancel",
             s->fns[k->fn].slug,
             k->replay ? ",\"status\":\"Completed,Failed,Cancelled,Skipped\""
                       : "",
             k->some ? ",\"q\":\"event.data.k == 1\"" : "");

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_BULK;
    op.id = k->id;
    op.body = dur_str_c(body);

    sim_op_add(s, b, &op, (int) bulk);
}


void
sim_bulk_gather(sim_t *s, sim_ops_t *b)
{
    unsigned  i;

    if (!s->calm && sim_permille(&s->bulk_rand, s->asks / 3)) {
        sim_bulk_new(s);
    }

    for (i = 0; i < s->nbulks && b->n < SIM_BATCH_MAX - 8; i++) {
        if (!s->bulks[i].acked) {
            sim_bulk_add(s, b, i);
        }
    }
}


void
sim_bulk_committed(sim_t *s, const sim_op_t *o, const dur_reply_t *reply)
{
    sim_bulk_t  *k = &s->bulks[o->ref];

    if (reply->status == 201) {
        if (!k->taken) {
            k->taken = true;
            k->batch = s->nlog;
            s->figures.bulks++;
        }
        return;
    }

    if (k->taken || reply->status != 404 || !s->fns[k->fn].toggled) {
        sim_fail(s, "a bulk job is refused: %u %.*s", reply->status,
                 (int) reply->body.len, (const char *) reply->body.data);
    }
}


bool
sim_bulk_idle(const sim_t *s)
{
    unsigned  i;

    for (i = 0; i < s->nbulks; i++) {
        if (!s->bulks[i].acked) {
            return false;
        }
    }

    return true;
}


/* -- what it does --------------------------------------------------------- */

static bool
sim_bulk_means(const sim_bulk_t *k, const sim_run_t *run, bool replay)
{
    return k->taken && k->replay == replay && k->fn == run->fn && run->born
           && run->batch < k->batch && (!k->some || run->data.k == 1);
}


bool
sim_bulk_cancels(const sim_t *s, const sim_run_t *run, const char *why)
{
    unsigned    i;
    dur_ulid_t  id;

    if (strncmp(why, SIM_BULK_WHY, strlen(SIM_BULK_WHY)) != 0
        || dur_ulid_parse(dur_str_c(why + strlen(SIM_BULK_WHY)), &id)
           != DUR_OK)
    {
        return false;
    }

    for (i = 0; i < s->nbulks; i++) {
        if (memcmp(&s->bulks[i].id, &id, sizeof(id)) == 0) {
            return sim_bulk_means(&s->bulks[i], run, false);
        }
    }

    return false;
}


/* A run that nobody asked for by its name runs another one again. */
bool
sim_bulk_born(sim_t *s, sim_run_t *run, const dur_ulid_t *original)
{
    int         at;
    unsigned    i, n;
    sim_run_t  *old;

    at = sim_run_find(s, original, false);
    if (at < 0) {
        return false;
    }

    old = &s->runs[at];

    for (i = 0, n = 0; i < s->nbulks; i++) {
        n += sim_bulk_means(&s->bulks[i], old, true);
    }

    if (old->replayed == n) {
        sim_fail(s, "a run of %s runs again, of which no bulk job says so, "
                 "or did already", s->fns[old->fn].slug);
    }

    old->replayed++;
    s->figures.replayed++;

    run->original = at;
    run->memos = 0;
    run->errored |= s->conf.retention > 0;

    return true;
}


/* When nothing is left to do, the jobs have met whom they must. */
void
sim_bulk_check(sim_t *s)
{
    unsigned     i, k, must;
    sim_run_t   *run;
    sim_bulk_t  *job;

    if (s->nbulks == 0 || dur_engine_has_tasks(s->engine)) {
        return;
    }

    for (i = 0; i < s->nruns; i++) {
        run = &s->runs[i];

        for (k = 0, must = 0; k < s->nbulks; k++) {
            job = &s->bulks[k];

            if (!run->ended && sim_bulk_means(job, run, false)) {
                sim_fail(s, "a bulk job did not cancel a run of %s",
                         s->fns[run->fn].slug);
            }

            must += sim_bulk_means(job, run, true) && run->ended
                    && run->ended_in < job->batch;
        }

        /* its function may be gone, or retention has taken it */

        if (run->replayed < must && s->conf.retention == 0
            && !s->fns[run->fn].toggled)
        {
            sim_fail(s, "a bulk job did not run a run of %s again",
                     s->fns[run->fn].slug);
        }
    }
}
