/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The one source of chance in the simulation (splitmix64): a seed is a whole
 * history, so a failing seed can be played again.
 */

#ifndef SIM_RAND_H
#define SIM_RAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t  state;
} sim_rand_t;

static inline uint64_t
sim_rand(sim_rand_t *r)
{
    uint64_t  z;

    z = (r->state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;

    return z ^ (z >> 31);
}

/* 0 .. n - 1; n is not 0 */
static inline unsigned
sim_below(sim_rand_t *r, unsigned n)
{
    return (unsigned) ((sim_rand(r) >> 11) % n);
}

/* lo .. hi, both included */
static inline unsigned
sim_range(sim_rand_t *r, unsigned lo, unsigned hi)
{
    return lo + sim_below(r, hi - lo + 1);
}

/* true n times in a thousand */
static inline bool
sim_permille(sim_rand_t *r, unsigned n)
{
    return sim_below(r, 1000) < n;
}

static inline void
sim_bytes(sim_rand_t *r, uint8_t *p, size_t n)
{
    while (n--) {
        *p++ = (uint8_t) (sim_rand(r) >> 32);
    }
}

#endif /* SIM_RAND_H */
