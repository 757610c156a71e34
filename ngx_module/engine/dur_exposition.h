/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The text that Prometheus reads: version 0.0.4, or OpenMetrics 1.0.  A family
 * is named once, its samples follow; labels are escaped here and nowhere else.
 * Names of counters are given without "_total", which is written where the
 * format wants it.
 */

#ifndef DUR_EXPOSITION_H
#define DUR_EXPOSITION_H

#include "engine/dur_base.h"
#include "engine/dur_metrics.h"

typedef enum {
    DUR_EXPOSITION_COUNTER = 0,
    DUR_EXPOSITION_GAUGE,
    DUR_EXPOSITION_HISTOGRAM
} dur_exposition_type_t;

typedef struct {
    dur_buf_t              *out;
    bool                    open;       /* OpenMetrics */
    dur_exposition_type_t   type;       /* of the family that is written */
    const char             *name;
    unsigned                labels;     /* of the sample that is written */
    const void             *data;       /* of who writes */
} dur_exposition_t;

void dur_exposition_init(dur_exposition_t *x, dur_buf_t *out, bool open);

/* name and help are literals. */
void dur_exposition_family(dur_exposition_t *x, dur_exposition_type_t type,
    const char *name, const char *help);

/* A sample: begin, labels, one value. */
void dur_exposition_sample(dur_exposition_t *x);
void dur_exposition_label(dur_exposition_t *x, const char *key,
    dur_str_t value);
void dur_exposition_integer(dur_exposition_t *x, uint64_t value);
void dur_exposition_seconds(dur_exposition_t *x, uint64_t us);

/* A family of one sample without labels. */
void dur_exposition_gauge(dur_exposition_t *x, const char *name,
    const char *help, uint64_t value);

/* All samples of a histogram; key may be NULL. */
void dur_exposition_histogram(dur_exposition_t *x, const dur_histogram_t *h,
    const dur_bounds_t *bounds, const char *key, const char *value);

/* What stands behind everything. */
void dur_exposition_end(dur_exposition_t *x);

#endif /* DUR_EXPOSITION_H */
