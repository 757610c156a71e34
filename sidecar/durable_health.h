/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Whether the server answers: one GET /health on its own port.
 */

#ifndef DURABLE_HEALTH_H
#define DURABLE_HEALTH_H

#include <stdbool.h>
#include <stddef.h>

/*
 * True for a 200.  Else, when the server answers but is not well, `unwell`
 * holds what it says (its "error"); it is left alone when nothing answers.
 * Waits at most a few hundred milliseconds.
 */
bool durable_health(const char *address, unsigned port, char *unwell,
    size_t size);

#endif /* DURABLE_HEALTH_H */
