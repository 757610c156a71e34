/* SPDX-License-Identifier: BSD-2-Clause */

#include "durable_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>


static const uint8_t  durable_policy_v4[12] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
};

/* 64:ff9b::/96, an IPv4 address behind a translator (RFC 6052) */
static const uint8_t  durable_policy_nat64[12] = {
    0, 0x64, 0xff, 0x9b
};

static const char  *durable_policy_denied[] = {
    "169.254.0.0/16",           /* link-local, most clouds' metadata */
    "100.100.100.200",          /* metadata at Alibaba */
    "fe80::/10",
    "fd00:ec2::254",            /* metadata at AWS */
    NULL
};


void
durable_policy_init(durable_policy_t *policy)
{
    policy->n = 0;

    for (unsigned i = 0; durable_policy_denied[i] != NULL; i++) {
        durable_policy_add(policy, durable_policy_denied[i], false);
    }
}


static int
durable_policy_parse(const char *cidr, durable_policy_rule_t *rule)
{
    long         bits;
    size_t       n;
    char         text[INET6_ADDRSTRLEN + 1], *end;
    unsigned     shift, max;
    const char  *slash;

    slash = strchr(cidr, '/');
    n = slash ? (size_t) (slash - cidr) : strlen(cidr);

    if (n >= sizeof(text)) {
        return -1;
    }

    memcpy(text, cidr, n);
    text[n] = '\0';

    if (inet_pton(AF_INET, text, rule->addr + 12) == 1) {
        memcpy(rule->addr, durable_policy_v4, 12);
        max = 32;
        shift = 96;

    } else if (inet_pton(AF_INET6, text, rule->addr) == 1) {
        max = 128;
        shift = 0;

    } else {
        return -1;
    }

    bits = (long) max;

    if (slash != NULL) {
        bits = strtol(slash + 1, &end, 10);
        if (end == slash + 1 || *end != '\0' || bits < 0
            || bits > (long) max)
        {
            return -1;
        }
    }

    rule->bits = (uint8_t) (bits + shift);

    return 0;
}


int
durable_policy_add(durable_policy_t *policy, const char *cidr, bool allow)
{
    durable_policy_rule_t  rule;

    if (policy->n == DURABLE_POLICY_RULES
        || durable_policy_parse(cidr, &rule) != 0)
    {
        return -1;
    }

    rule.allow = allow;
    policy->rules[policy->n++] = rule;

    return 0;
}


static bool
durable_policy_match(const durable_policy_rule_t *rule, const uint8_t *addr)
{
    unsigned  bytes, rest;

    bytes = rule->bits / 8;
    rest = rule->bits % 8;

    if (memcmp(rule->addr, addr, bytes) != 0) {
        return false;
    }

    return rest == 0
           || ((rule->addr[bytes] ^ addr[bytes]) >> (8 - rest)) == 0;
}


bool
durable_policy_allows(const durable_policy_t *policy,
    const struct sockaddr *sa)
{
    int                                best;
    bool                               allow;
    uint8_t                            addr[16];
    const struct sockaddr_in          *sin;
    const struct sockaddr_in6         *sin6;

    if (sa->sa_family == AF_INET) {
        sin = (const struct sockaddr_in *) sa;
        memcpy(addr, durable_policy_v4, 12);
        memcpy(addr + 12, &sin->sin_addr, 4);

    } else if (sa->sa_family == AF_INET6) {
        sin6 = (const struct sockaddr_in6 *) sa;
        memcpy(addr, &sin6->sin6_addr, 16);

        if (memcmp(addr, durable_policy_nat64, 12) == 0) {
            memcpy(addr, durable_policy_v4, 12);
        }

    } else {
        return false;
    }

    best = -1;
    allow = true;

    for (unsigned i = 0; i < policy->n; i++) {
        if (policy->rules[i].bits >= best
            && durable_policy_match(&policy->rules[i], addr))
        {
            best = policy->rules[i].bits;
            allow = policy->rules[i].allow;
        }
    }

    return allow;
}
