/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What an executor says it holds when it is met, against what is leased.
 */

#ifndef DUR_INVENTORY_H
#define DUR_INVENTORY_H

#include "engine/dur_base.h"

typedef struct dur_engine_s  dur_engine_t;

/* The op INVENTORY (design section 5): adopts what the executor holds, sends
 * or leases again what it does not, cancels what nobody knows. */
dur_rc_t dur_inventory_apply(dur_engine_t *e, const uint8_t instance[16],
    dur_str_t attempts);

#endif /* DUR_INVENTORY_H */
