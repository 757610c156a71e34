/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Whether the server answers, and whether it is ours: another one may have
 * taken the port just before.
 */

#ifndef DURABLE_HEALTH_H
#define DURABLE_HEALTH_H

#include <stdbool.h>
#include <stddef.h>

#define DURABLE_HEALTH_TOKEN  "/durable/instance"

/*
 * True when DURABLE_HEALTH_TOKEN answers with the token and /health with 200.
 * Else, when our server answers but is not well, `unwell` holds what it says
 * (its "error"); it is left alone when nothing answers.  Waits at most a few
 * hundred milliseconds.
 */
bool durable_health(const char *address, unsigned port, const char *token,
    char *unwell, size_t size);

#endif /* DURABLE_HEALTH_H */
