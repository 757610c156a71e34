/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Which addresses the sidecar may connect to.  The most specific rule that
 * holds the address decides; of two equal ones the later.  Without any rule
 * of the user, link-local and cloud metadata addresses are denied and all
 * others allowed: a URL that a user typed must not read the machine's
 * credentials.
 */

#ifndef DURABLE_POLICY_H
#define DURABLE_POLICY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define DURABLE_POLICY_RULES  128

typedef struct {
    uint8_t   addr[16];         /* IPv4 as ::ffff:a.b.c.d */
    uint8_t   bits;
    bool      allow;
} durable_policy_rule_t;

typedef struct {
    unsigned               n;
    durable_policy_rule_t  rules[DURABLE_POLICY_RULES];
} durable_policy_t;

/* With the defaults. */
void durable_policy_init(durable_policy_t *policy);

/* "10.0.0.0/8", "fd00::/8" or one address; -1 when it is none of these or
 * there are too many. */
int durable_policy_add(durable_policy_t *policy, const char *cidr, bool allow);

/* Address families other than IPv4 and IPv6 are not allowed. */
bool durable_policy_allows(const durable_policy_t *policy,
    const struct sockaddr *sa);

#endif /* DURABLE_POLICY_H */
