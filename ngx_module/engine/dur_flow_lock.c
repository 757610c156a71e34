/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_flow_lock.h"
#include "engine/dur_flow.h"
#include "engine/dur_state.h"


/* The run that holds the lock; *held is false when nobody does, or a run that
 * does not live: such a row says nothing. */
static dur_rc_t
dur_flow_holder(dur_engine_t *e, dur_str_t key, dur_run_t *holder, bool *held)
{
    dur_rc_t    rc;
    dur_str_t   row;
    dur_ulid_t  id;

    *held = false;

    rc = dur_txn_get(e->txn, DUR_T_FLOW, key, &row);

    if (rc == DUR_OK && row.len == DUR_ULID_LEN) {
        memcpy(id.b, row.data, DUR_ULID_LEN);

        rc = dur_run_get(e->txn, &id, holder);
        if (rc == DUR_OK) {
            *held = holder->status == DUR_RUN_LIVE;
        }
    }

    return (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) ? DUR_OK : rc;
}


/* Ends the holder, so that the lock is free, unless a run that this started
 * was faster. */
static dur_rc_t
dur_flow_take_over(dur_engine_t *e, dur_str_t key, dur_run_t *holder,
    bool *held)
{
    dur_rc_t  rc;

    rc = dur_run_cancel_live(e, holder, "A newer run of the same singleton "
                             "began");

    return rc == DUR_OK ? dur_flow_holder(e, key, holder, held) : rc;
}


/* The run that invokes this one cannot end while it does. */
static bool
dur_flow_invoked_by(const dur_run_event_t *event, const dur_run_t *holder)
{
    return event->invoked
           && memcmp(event->parent.b, holder->id.b, DUR_ULID_LEN) == 0;
}


dur_rc_t
dur_flow_lock(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_run_t *run, dur_run_skip_t *skip)
{
    bool              held;
    uint8_t           key[DUR_FLOW_KEY];
    dur_rc_t          rc;
    dur_str_t         k;
    dur_run_t         holder;
    dur_flow_value_t  value;

    skip->reason = NULL;

    if (fn->option.singleton == DUR_SINGLETON_NONE) {
        return DUR_OK;
    }

    rc = dur_flow_value(e, event, fn->option.singleton_key, &value);
    if (rc != DUR_OK || value.none) {
        return rc == DUR_EINVAL ? DUR_OK : rc;
    }

    k = dur_flow_key(key, DUR_FLOW_LOCK, fn->id, value.hash);

    rc = dur_flow_holder(e, k, &holder, &held);

    if (rc == DUR_OK && held
        && fn->option.singleton == DUR_SINGLETON_CANCEL
        && !dur_flow_invoked_by(event, &holder))
    {
        rc = dur_flow_take_over(e, k, &holder, &held);
    }

    if (rc != DUR_OK) {
        return rc;
    }

    if (held) {
        skip->reason = "Singleton";
        skip->holder = holder.id;
        return DUR_OK;
    }

    run->flags |= DUR_RUN_F_LOCKED;
    memcpy(run->lock_hash, value.hash, sizeof(run->lock_hash));

    return dur_txn_put(e->txn, DUR_T_FLOW, k, dur_ulid_key(&run->id));
}


dur_rc_t
dur_flow_unlock(dur_engine_t *e, dur_run_t *run)
{
    uint8_t    key[DUR_FLOW_KEY];
    dur_rc_t   rc;
    dur_str_t  k, row;

    if ((run->flags & DUR_RUN_F_LOCKED) == 0) {
        return DUR_OK;
    }

    run->flags &= (uint16_t) ~DUR_RUN_F_LOCKED;

    k = dur_flow_key(key, DUR_FLOW_LOCK, run->function, run->lock_hash);

    rc = dur_txn_get(e->txn, DUR_T_FLOW, k, &row);

    if (rc == DUR_OK && dur_str_eq(row, dur_ulid_key(&run->id))) {
        rc = dur_txn_del(e->txn, DUR_T_FLOW, k);
    }

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}
