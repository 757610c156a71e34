/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Retention of what is not a run: functions that were archived, apps that
 * were removed, cancellations that are done.  They go when their time is over
 * and no run can need them, which the oldest run tells: all runs of a
 * function began before it was archived.
 */

#ifndef DUR_RETENTION_REGISTRY_H
#define DUR_RETENTION_REGISTRY_H

#include "engine/dur_base.h"

typedef struct dur_engine_s  dur_engine_t;

/* Within *budget; *next is when there may be more (ms).  What an old run holds
 * up is looked at again whenever runs are deleted. */
dur_rc_t dur_retention_registry(dur_engine_t *e, unsigned *budget,
    int64_t *next);

#endif /* DUR_RETENTION_REGISTRY_H */
