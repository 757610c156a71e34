/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_deadline.h"
#include "engine/dur_state.h"


dur_rc_t
dur_deadline_begin(dur_engine_t *e, dur_run_t *run)
{
    (void) e;
    (void) run;

    return DUR_OK;
}


dur_rc_t
dur_deadline_leased(dur_engine_t *e, const dur_item_t *item)
{
    (void) e;
    (void) item;

    return DUR_OK;
}


dur_rc_t
dur_deadline_due(dur_engine_t *e, const dur_item_t *item)
{
    (void) e;
    (void) item;

    return DUR_OK;
}


dur_rc_t
dur_deadline_remove(dur_engine_t *e, dur_run_t *run)
{
    (void) e;
    (void) run;

    return DUR_OK;
}
