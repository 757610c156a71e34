/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_deadline.h"
#include "engine/dur_state.h"
#include "engine/dur_timer.h"


static dur_rc_t
dur_deadline_put(dur_engine_t *e, dur_run_t *run, int64_t due)
{
    dur_item_t  item;

    memset(&item, 0, sizeof(item));

    item.kind = DUR_ITEM_DEADLINE;
    item.id = e->counters.item++;
    item.app = run->app;
    item.function = run->function;
    item.score = dur_run_score(run);
    item.due = due;
    item.run = run->id;

    run->deadline = item.id;
    run->deadline_due = due;

    return dur_timer_put(e, &item);
}


/* The first call is out. */
static dur_rc_t
dur_deadline_started(dur_engine_t *e, const dur_function_t *fn,
    dur_run_t *run)
{
    dur_rc_t  rc;

    run->started = e->now;

    rc = dur_deadline_remove(e, run);

    return (rc == DUR_OK && fn->option.finish > 0)
           ? dur_deadline_put(e, run, e->now + fn->option.finish) : rc;
}


dur_rc_t
dur_deadline_start(dur_engine_t *e, dur_run_t *run)
{
    dur_function_t  *fn;

    fn = dur_registry_function(&e->registry, run->function);

    if (fn == NULL) {
        run->started = e->now;
        return DUR_OK;
    }

    return dur_deadline_started(e, fn, run);
}


/* No work is lost that is out: what ends in time still counts. */
static dur_rc_t
dur_deadline_over(dur_engine_t *e, dur_run_t *run)
{
    return dur_run_cancel_live(e, run, run->started == 0
                               ? "The run did not start in time "
                                 "(timeouts.start)"
                               : "The run did not finish in time "
                                 "(timeouts.finish)");
}


dur_rc_t
dur_deadline_begin(dur_engine_t *e, dur_run_t *run)
{
    int64_t          from;
    dur_rc_t         rc;
    dur_item_t       item;
    dur_function_t  *fn;

    fn = dur_registry_function(&e->registry, run->function);

    if (fn == NULL || (fn->option.start == 0 && fn->option.finish == 0)) {
        return DUR_OK;
    }

    rc = dur_queue_lease_get(e, run->discovery, &item);

    if (rc == DUR_OK) {
        return dur_deadline_started(e, fn, run);
    }

    /* a batch has waited already: it has no time to start in */

    if (rc != DUR_ENOTFOUND || fn->option.start == 0
        || (run->flags & DUR_RUN_F_BATCH))
    {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    /* a run of the future is not late before it may start */

    from = (run->discovery_due > run->created
            && run->discovery_due != DUR_RUN_HELD)
           ? run->discovery_due : run->created;

    return dur_deadline_put(e, run, from + fn->option.start);
}


dur_rc_t
dur_deadline_lease(dur_engine_t *e, const dur_item_t *item, bool *late)
{
    dur_rc_t         rc;
    dur_run_t        run;
    dur_function_t  *fn;

    *late = false;

    fn = dur_registry_function(&e->registry, item->function);

    if (fn == NULL || (fn->option.start == 0 && fn->option.finish == 0)) {
        return DUR_OK;
    }

    rc = dur_run_get(e->txn, &item->run, &run);

    if (rc != DUR_OK || run.status != DUR_RUN_LIVE) {
        /* its ready items went along with it */
        return (rc == DUR_OK || rc == DUR_ENOTFOUND) ? DUR_EINTERNAL : rc;
    }

    if (run.deadline != 0 && run.deadline_due <= e->now) {
        *late = true;
        return dur_deadline_over(e, &run);
    }

    if (run.started != 0) {
        return DUR_OK;
    }

    rc = dur_deadline_started(e, fn, &run);

    return rc == DUR_OK ? dur_run_put(e, &run) : rc;
}


dur_rc_t
dur_deadline_due(dur_engine_t *e, const dur_item_t *item)
{
    dur_rc_t   rc;
    dur_run_t  run;

    rc = dur_run_get(e->txn, &item->run, &run);

    if (rc != DUR_OK || run.status != DUR_RUN_LIVE
        || run.deadline != item->id)
    {
        /* the timer of a run goes with it */
        return (rc == DUR_OK || rc == DUR_ENOTFOUND) ? DUR_EINTERNAL : rc;
    }

    run.deadline = 0;
    run.deadline_due = 0;

    return dur_deadline_over(e, &run);
}


dur_rc_t
dur_deadline_remove(dur_engine_t *e, dur_run_t *run)
{
    dur_rc_t  rc;

    if (run->deadline == 0) {
        return DUR_OK;
    }

    rc = dur_timer_del(e, run->deadline_due, run->deadline);

    run->deadline = 0;
    run->deadline_due = 0;

    /* it may have been what fired just now */

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}
