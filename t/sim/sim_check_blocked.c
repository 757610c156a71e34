/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The counters that the engine keeps in memory are those of its leases and of
 * the items that it woke, whatever process counts them.
 */

#include "sim_check.h"

#include "engine/dur_flow_concurrency.h"
#include "engine/dur_state.h"


/* A second count agrees with what was added and taken away one by one. */
static void
sim_blocked_counters(sim_view_t *v, dur_engine_t *e)
{
    size_t              i;
    dur_slot_t         *slot, *kept;
    dur_counters_of_t   was;

    was = e->slots;
    memset(&e->slots, 0, sizeof(e->slots));

    if (dur_flow_count(e) != DUR_OK) {
        sim_fail(v->s, "the slots cannot be counted");
    }

    for (i = 0; i < was.size + e->slots.size; i++) {
        slot = i < was.size ? &was.list[i] : &e->slots.list[i - was.size];

        if (slot->counter.scope == 0) {
            continue;
        }

        kept = dur_counters_find(i < was.size ? &e->slots : &was,
                                 &slot->counter, slot->app);

        if ((kept ? kept->leased : 0) != slot->leased
            || (kept ? kept->woken : 0) != slot->woken)
        {
            sim_fail(v->s, "scope %u of function %u: %u and %u calls are out,"
                     " %u and %u were woken", slot->counter.scope,
                     slot->counter.function, slot->leased,
                     kept ? kept->leased : 0, slot->woken,
                     kept ? kept->woken : 0);
        }
    }

    dur_counters_free(&e->slots);
    e->slots = was;
}


void
sim_view_blocked(sim_view_t *v)
{
    dur_engine_t  *e = v->s->engine;

    e->txn = v->txn;
    sim_blocked_counters(v, e);
    e->txn = NULL;
}
