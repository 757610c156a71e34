/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The time zones that schedules use, as bytes in the store: so a replay
 * decides the same, and a machine without zone files keeps its schedules.
 * The empty name is the zone of the machine.
 */

#ifndef DUR_SCHEDULE_ZONE_H
#define DUR_SCHEDULE_ZONE_H

#include "engine/dur_state.h"
#include "engine/dur_zone.h"

/* Whether a zone is in the store, or can be read.  DUR_EINVAL and a sentence
 * that says what to do. */
dur_rc_t dur_schedule_zone_check(dur_engine_t *e, dur_str_t name,
    char err[160]);

/* The zone, which is put into the store when it is not there; borrowed from
 * the transaction.  DUR_ENOTFOUND. */
dur_rc_t dur_schedule_zone_get(dur_engine_t *e, dur_str_t name,
    dur_zone_t *zone);

/* Reads again what is stored, and the machine's own. */
dur_rc_t dur_schedule_zone_refresh(dur_engine_t *e);

#endif /* DUR_SCHEDULE_ZONE_H */
