/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What must, may and must not be started by an event that was accepted.
 */

#include "engine/dur_event.h"
#include "engine/dur_payload.h"

#include "sim_check.h"


/* The runs that an event started, by function. */
static void
sim_event_runs(sim_t *s, dur_txn_t *txn, const dur_ulid_t *event,
    unsigned counts[SIM_FNS_MAX], int runs[SIM_FNS_MAX])
{
    int            r;
    unsigned       i;
    dur_rc_t       rc;
    dur_str_t      key;
    dur_ulid_t     id;
    dur_cursor_t  *c;

    for (i = 0; i < SIM_FNS_MAX; i++) {
        counts[i] = 0;
        runs[i] = -1;
    }

    if (dur_cursor_open(txn, DUR_T_EVENT_RUN, &c) != DUR_OK) {
        sim_fail(s, "the runs of events cannot be read");
    }

    for (rc = dur_cursor_seek(c, dur_str_make(event->b, DUR_ULID_LEN), &key,
                              NULL);
         rc == DUR_OK && memcmp(key.data, event->b, DUR_ULID_LEN) == 0;
         rc = dur_cursor_next(c, &key, NULL))
    {
        memcpy(&id, key.data + DUR_ULID_LEN, sizeof(id));

        r = sim_run_find(s, &id, false);
        if (r == -1) {
            continue;
        }

        if (s->runs[r].batched) {
            continue;
        }

        if (memcmp(&s->runs[r].event, event, sizeof(*event)) != 0) {
            sim_fail(s, "an event claims the run of another");
        }

        if (s->runs[r].original >= 0) {
            continue;
        }

        counts[s->runs[r].fn]++;
        runs[s->runs[r].fn] = r;
    }

    dur_cursor_close(c);
}


void
sim_event_data(sim_view_t *v, const dur_ulid_t *id, sim_data_t *data)
{
    json_t       *json;
    dur_event_t   event;

    dur_buf_reset(&v->s->buf);

    if (dur_event_get(v->txn, id, &event) != DUR_OK
        || dur_payload_get(v->txn, id, &event.json, &v->s->buf) != DUR_OK)
    {
        sim_fail(v->s, "an event that is wanted cannot be read");
    }

    json = json_loadb((char *) v->s->buf.data, v->s->buf.len, 0, NULL);
    sim_data_read(json, data);
    json_decref(json);
}


/*
 * Functions that must, or may, start for an event: its triggers, without
 * those whose last run for the same client id lives or ended within 24 hours
 * (rows of ended ones may stay for another day).
 */
void
sim_check_event(sim_t *s, unsigned event)
{
    unsigned      i;
    sim_fn_t     *fn;
    sim_event_t  *e;

    if (s->naccepted == s->accepted_size) {
        s->accepted_size = s->accepted_size ? s->accepted_size * 2 : 64;
        s->accepted = realloc(s->accepted,
                              s->accepted_size * sizeof(*s->accepted));
    }

    s->accepted[s->naccepted++] = event;

    e = &s->events[event];
    e->must = 0;
    e->may = 0;
    e->later = 0;
    e->accepted = s->now;
    e->order = s->naccepted;
    e->batch = s->nlog;

    for (i = 0; i < s->nfns; i++) {
        fn = &s->fns[i];

        if (fn->handles >= 0 || fn->deferred || !fn->active
            || (fn->any ? e->name >= SIM_NAME_WORD : fn->event != e->name))
        {
            continue;
        }

        e->may |= (uint32_t) 1 << i;

        if (fn->held.debounce
            || (fn->held.batch
                && sim_if_true(fn->held.batch_if, &e->data, &e->data)))
        {
            e->later |= (uint32_t) 1 << i;

        } else if (e->client < 0) {
            e->must |= (uint32_t) 1 << i;
        }
    }
}


/* Its client id has this run now, false: it began none that counts. */
static bool
sim_event_client(sim_t *s, const sim_event_t *e, unsigned fn, int run)
{
    if (run < 0 || strcmp(s->runs[run].status, "Skipped") == 0) {
        return false;
    }

    s->clients[e->client][fn] = run + 1;

    return true;
}


static void
sim_view_client(sim_view_t *v, sim_event_t *e, unsigned fn, int run)
{
    bool         held;
    int          last;
    int64_t      ended;

    last = v->s->clients[e->client][fn];

    if (!sim_event_client(v->s, e, fn, run) && run >= 0) {
        return;                 /* it never was */
    }

    if (v->s->fns[fn].flow.limit
        || (run < 0 && v->s->conf.retention > 0
            && v->s->now >= e->accepted + v->s->conf.retention))
    {
        return;                 /* it may have started none, or is gone */
    }

    if (last-- == 0) {
        if (run < 0) {
            sim_fail(v->s, "the first event of a client id started no run "
                     "of %s", v->s->fns[fn].slug);
        }
        return;
    }

    if (last == run) {
        return;
    }

    ended = v->s->runs[last].ended_at;
    held = !v->s->runs[last].ended || ended > e->accepted - 24 * SIM_HOUR;

    if (run >= 0 && held && !v->s->clock_steps) {
        sim_fail(v->s, "a second run of %s for the same client id",
                 v->s->fns[fn].slug);
    }

    if (run < 0 && v->s->runs[last].ended
        && ended < e->accepted - 50 * SIM_HOUR)
    {
        sim_fail(v->s, "no run of %s for a client id of old",
                 v->s->fns[fn].slug);
    }
}


/* In the order of acceptance, once all fan-out is done; retention may have
 * taken what an event started long ago. */
void
sim_view_events(sim_view_t *v)
{
    int           runs[SIM_FNS_MAX];
    sim_t        *s;
    unsigned      f, bit, counts[SIM_FNS_MAX];
    sim_event_t  *e;

    s = v->s;

    if (dur_engine_has_tasks(s->engine)) {
        return;
    }

    while (s->nverified < s->naccepted) {
        e = &s->events[s->accepted[s->nverified++]];

        sim_event_runs(s, v->txn, &e->id, counts, runs);

        for (f = 0; f < s->nfns; f++) {
            bit = (uint32_t) 1 << f;

            /* the rest of a fan-out asks for the functions of its time */

            if (e->batch != s->nlog && s->fns[f].toggled) {
                if (e->client >= 0) {
                    (void) sim_event_client(s, e, f, runs[f]);
                }
                continue;
            }
            if (counts[f] > 1) {
                sim_fail(s, "an event started %u runs of %s", counts[f],
                         s->fns[f].slug);
            }
            if (counts[f] && !(e->may & bit)) {
                sim_fail(s, "an event started %s, which does not want it",
                         s->fns[f].slug);
            }
            if (!counts[f] && (e->must & bit)
                && sim_flow_refuses(s, (unsigned) (e - s->events), f))
            {
                s->figures.limited++;
                continue;
            }
            if (!counts[f] && (e->must & bit)
                && (s->conf.retention == 0
                    || s->now < e->accepted + s->conf.retention))
            {
                sim_fail(s, "an accepted event started no run of %s",
                         s->fns[f].slug);
            }
            if (e->client >= 0 && (e->may & ~e->later & bit)) {
                sim_view_client(v, e, f, runs[f]);
            }
        }
    }
}
