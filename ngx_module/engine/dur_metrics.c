/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_metrics.h"
#include "engine/dur_history.h"
#include "engine/dur_state.h"

#include <stddef.h>


static const uint64_t  dur_metrics_short[] = {
    50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000,
    500000, 1000000, 2500000, 5000000, 10000000
};

static const uint64_t  dur_metrics_long[] = {
    1000, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000,
    5000000, 10000000, 30000000, 60000000, 300000000, 1800000000, 3600000000,
    86400000000
};

static const uint64_t  dur_metrics_count[] = { 1, 2, 4, 8, 16, 32, 64, 128 };

#define DUR_METRICS_BOUNDS(a, seconds)                                        \
    { sizeof(a) / sizeof((a)[0]), seconds, a }

const dur_bounds_t  dur_bounds_short =
    DUR_METRICS_BOUNDS(dur_metrics_short, true);
const dur_bounds_t  dur_bounds_long =
    DUR_METRICS_BOUNDS(dur_metrics_long, true);
const dur_bounds_t  dur_bounds_count =
    DUR_METRICS_BOUNDS(dur_metrics_count, false);


void
dur_histogram_add(dur_histogram_t *h, const dur_bounds_t *bounds,
    uint64_t value)
{
    unsigned  i;

    /* most values are small */

    for (i = 0; i < bounds->n && value > bounds->le[i]; i++) { /* void */ }

    h->bucket[i]++;
    h->sum += value;
}


uint64_t
dur_histogram_count(const dur_histogram_t *h)
{
    uint64_t  n;
    unsigned  i;

    for (i = 0, n = 0; i <= DUR_HISTOGRAM_BOUNDS; i++) {
        n += h->bucket[i];
    }

    return n;
}


uint64_t
dur_histogram_percentile(const dur_histogram_t *h, const dur_bounds_t *bounds,
    unsigned percent)
{
    uint64_t  n, before, from, to;
    unsigned  i;

    n = dur_histogram_count(h);
    if (n == 0) {
        return 0;
    }

    n = (n * percent + 99) / 100;

    for (i = 0, before = 0; i < bounds->n; i++) {
        if (before + h->bucket[i] >= n) {
            break;
        }

        before += h->bucket[i];
    }

    from = i ? bounds->le[i - 1] : 0;
    to = i < bounds->n ? bounds->le[i] : from;

    return from + (to - from) * (n - before) / (h->bucket[i] ? h->bucket[i]
                                                             : 1);
}


void
dur_metrics_copy(dur_metrics_t *to, const dur_metrics_t *from)
{
    memcpy(to, from, offsetof(dur_metrics_t, function)
                     + (from->nfunctions + 1) * sizeof(from->function[0]));
}


const dur_metrics_t *
dur_engine_metrics(const dur_engine_t *e)
{
    return &e->committed;
}


/* -- functions ------------------------------------------------------------ */

dur_metrics_function_t *
dur_metrics_of(dur_metrics_t *m, uint32_t function)
{
    uint32_t  i;

    i = function * 0x9e3779b1U;

    for (i >>= 23; ; i++) {
        i &= DUR_METRICS_PLACES - 1;

        if (m->place[i] == 0) {
            break;
        }

        if (m->function[m->place[i]].id == function) {
            return &m->function[m->place[i]];
        }
    }

    if (m->nfunctions == DUR_METRICS_FUNCTIONS || function == 0) {
        return &m->function[0];
    }

    m->place[i] = (uint16_t) ++m->nfunctions;

    memset(&m->function[m->nfunctions], 0, sizeof(m->function[0]));
    m->function[m->nfunctions].id = function;

    return &m->function[m->nfunctions];
}


/* -- counting ------------------------------------------------------------- */

dur_metrics_source_t
dur_metrics_source(dur_str_t name)
{
    static const struct {
        const char            *prefix;
        dur_metrics_source_t   source;
    } names[] = {
        { "inngest/scheduled.timer", DUR_SOURCE_SCHEDULE },
        { "inngest/", DUR_SOURCE_INTERNAL },
        { "event/api.webhooks.", DUR_SOURCE_WEBHOOK },
    };

    size_t  i, len;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        len = strlen(names[i].prefix);

        if (name.len >= len && memcmp(name.data, names[i].prefix, len) == 0) {
            return names[i].source;
        }
    }

    return DUR_SOURCE_CLIENT;
}


static uint64_t
dur_metrics_us(dur_engine_t *e, int64_t since)
{
    return since < e->now ? (uint64_t) (e->now - since) * 1000 : 0;
}


void
dur_metrics_event(dur_engine_t *e, dur_str_t name)
{
    e->metrics.events[dur_metrics_source(name)]++;
}


void
dur_metrics_started(dur_engine_t *e, uint32_t function)
{
    dur_metrics_of(&e->metrics, function)->started++;
}


void
dur_metrics_refused(dur_engine_t *e, uint32_t function,
    dur_metrics_refused_t why)
{
    dur_metrics_of(&e->metrics, function)->refused[why]++;
}


void
dur_metrics_ended(dur_engine_t *e, uint32_t function, dur_metrics_end_t how,
    int64_t created)
{
    dur_metrics_of(&e->metrics, function)->ended[how]++;

    if (how != DUR_ENDED_SKIPPED) {
        dur_histogram_add(&e->metrics.run, &dur_bounds_long,
                          dur_metrics_us(e, created));
    }
}


void
dur_metrics_attempt(dur_engine_t *e, uint32_t function, uint8_t outcome,
    uint64_t duration)
{
    if (outcome < DUR_HISTORY_OK || outcome > DUR_HISTORY_PARKED) {
        return;
    }

    dur_metrics_of(&e->metrics, function)->attempts[outcome
                                                    - DUR_HISTORY_OK]++;

    if (outcome != DUR_HISTORY_LOST) {
        dur_histogram_add(&e->metrics.call, &dur_bounds_long, duration);
    }
}


void
dur_metrics_step(dur_engine_t *e, uint8_t opcode)
{
    e->metrics.steps[opcode < DUR_METRICS_OPCODES ? opcode : 0]++;
}


void
dur_metrics_blocked(dur_engine_t *e, uint8_t scope)
{
    e->metrics.blocked[scope < DUR_METRICS_SCOPES ? scope : 0]++;
}


void
dur_metrics_leased(dur_engine_t *e, int64_t due)
{
    dur_histogram_add(&e->metrics.start, &dur_bounds_long,
                      dur_metrics_us(e, due));
}


void
dur_metrics_fired(dur_engine_t *e, int64_t due)
{
    dur_histogram_add(&e->metrics.late, &dur_bounds_long,
                      dur_metrics_us(e, due));
}
