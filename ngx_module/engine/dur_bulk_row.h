/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The rows of bulk jobs: what is kept of one, how it is shown, and what those
 * who look on are told.  What a job does is dur_bulk.h.
 */

#ifndef DUR_BULK_ROW_H
#define DUR_BULK_ROW_H

#include "engine/dur_base.h"
#include "engine/dur_codec.h"

typedef struct dur_engine_s  dur_engine_t;

typedef enum {
    DUR_BULK_CANCEL = 1,        /* of runs that live */
    DUR_BULK_REPLAY             /* of runs that ended: they run again */
} dur_bulk_action_t;

typedef struct {
    dur_ulid_t  id;
    uint8_t     action;         /* dur_bulk_action_t */
    bool        done;
    bool        stopped;        /* by somebody, or it could not go on */
    uint32_t    app;            /* what the names of the filter were, 0: any */
    uint32_t    function;
    int64_t     created;        /* ms */
    uint64_t    sequence;       /* commit that made it */
    dur_ulid_t  cursor;         /* the last run that was looked at */
    dur_ulid_t  last;           /* the last one there was */
    int64_t     first;          /* ms: the first one there was */
    uint64_t    scanned;
    uint64_t    matched;
    uint64_t    changed;
    uint64_t    refused;        /* their function or event is gone */
    int64_t     told;           /* ms: the last notice */
    dur_str_t   filter;         /* JSON, see dur_filter.h */
} dur_bulk_t;

const char *dur_bulk_name(dur_bulk_action_t action);

dur_rc_t dur_bulk_put(dur_engine_t *e, const dur_bulk_t *job);

/* The filter is from the arena.  DUR_ENOTFOUND, DUR_ECORRUPT. */
dur_rc_t dur_bulk_get(dur_engine_t *e, const dur_ulid_t *id,
    dur_bulk_t *job);

/* Borrowed from key and row; DUR_ECORRUPT. */
dur_rc_t dur_bulk_decode(dur_str_t key, dur_str_t row, dur_bulk_t *job);

/* As people see it; and a row, for readers: DUR_ECORRUPT. */
void dur_bulk_write(const dur_bulk_t *job, dur_buf_t *out);
dur_rc_t dur_bulk_show(dur_str_t key, dur_str_t row, dur_buf_t *out);

/* Whoever looks on is told now and then, and of the end.  Sets job->told,
 * before it is put. */
dur_rc_t dur_bulk_notice(dur_engine_t *e, dur_bulk_t *job);

#endif /* DUR_BULK_ROW_H */
