/* SPDX-License-Identifier: BSD-2-Clause */

#ifndef SIM_ROUTE_H
#define SIM_ROUTE_H

#include "sim.h"

/* Webhooks of one seed, in a world of their own (sim_route.c); false when
 * something was wrong, which it says. */
bool sim_route(const sim_options_t *opt, uint64_t seed, sim_figures_t *total);

#endif /* SIM_ROUTE_H */
