/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_retention.h"
#include "engine/dur_event.h"
#include "engine/dur_flow.h"
#include "engine/dur_idem.h"
#include "engine/dur_member.h"
#include "engine/dur_retention_registry.h"
#include "engine/dur_served.h"
#include "engine/dur_state.h"
#include "engine/dur_step.h"
#include "engine/dur_upload.h"


#define DUR_ENDED_KEY  (8 + 1 + DUR_ULID_LEN)

/* Rows of a piece for each of those that have few. */
#define DUR_RETENTION_SHARE  32


void
dur_retention_soon(dur_engine_t *e, int64_t since)
{
    if (e->conf.retention > 0 && since + e->conf.retention < e->next_expiry) {
        e->next_expiry = since + e->conf.retention;
    }
}


static dur_rc_t
dur_ended_put(dur_engine_t *e, uint8_t kind, const dur_ulid_t *id)
{
    uint8_t  key[DUR_ENDED_KEY];

    dur_put64(key, (uint64_t) e->now);
    key[8] = kind;
    memcpy(key + 9, id->b, DUR_ULID_LEN);

    dur_retention_soon(e, e->now);

    return dur_txn_put(e->txn, DUR_T_ENDED,
                       dur_str_make(key, sizeof(key)), dur_str_null);
}


dur_rc_t
dur_retention_ended(dur_engine_t *e, const dur_run_t *run)
{
    return dur_ended_put(e, 'r', &run->id);
}


dur_rc_t
dur_retention_event(dur_engine_t *e, const dur_ulid_t *event)
{
    return dur_ended_put(e, 'e', event);
}


/* Deletes rows whose key begins with the ULID, within *budget. */
static dur_rc_t
dur_retention_prefix(dur_engine_t *e, dur_table_t table,
    const dur_ulid_t *id, unsigned *budget)
{
    dur_rc_t       rc;
    dur_str_t      k;
    dur_cursor_t  *c;

    rc = dur_cursor_open(e->txn, table, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    while (*budget > 0) {
        rc = dur_cursor_seek(c, dur_ulid_key(id), &k, NULL);

        if (rc != DUR_OK || k.len < DUR_ULID_LEN
            || memcmp(k.data, id->b, DUR_ULID_LEN) != 0)
        {
            break;
        }

        rc = dur_cursor_del(c);
        if (rc != DUR_OK) {
            break;
        }

        (*budget)--;
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static dur_rc_t
dur_retention_has_runs(dur_engine_t *e, const dur_ulid_t *event, bool *has)
{
    dur_rc_t       rc;
    dur_str_t      k;
    dur_cursor_t  *c;

    *has = false;

    rc = dur_cursor_open(e->txn, DUR_T_EVENT_RUN, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_seek(c, dur_ulid_key(event), &k, NULL);
    if (rc == DUR_OK) {
        *has = memcmp(k.data, event->b, DUR_ULID_LEN) == 0;
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


dur_rc_t
dur_retention_unused(dur_engine_t *e, const dur_ulid_t *event)
{
    bool      has;
    dur_rc_t  rc;

    rc = dur_retention_has_runs(e, event, &has);

    return (rc == DUR_OK && !has) ? dur_retention_event(e, event) : rc;
}


dur_rc_t
dur_retention_orphan(dur_engine_t *e, const dur_ulid_t *event,
    unsigned *budget)
{
    bool      has;
    dur_rc_t  rc;

    rc = dur_retention_has_runs(e, event, &has);

    return (rc == DUR_OK && !has) ? dur_event_delete(e, event, budget) : rc;
}


/* Everything of one run; it is gone when *budget is above 0 afterwards. */
static dur_rc_t
dur_retention_run_rows(dur_engine_t *e, const dur_ulid_t *id,
    unsigned *budget)
{
    uint8_t     key[2 * DUR_ULID_LEN];
    dur_rc_t    rc;
    dur_run_t   run;
    dur_ulid_t  event;

    rc = dur_run_get(e->txn, id, &run);

    if (rc == DUR_ECORRUPT) {
        /* its event is not known, and stays */
        memset(&run, 0, sizeof(run));
        rc = DUR_OK;
    }

    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    event = run.event;

    rc = dur_retention_prefix(e, DUR_T_STEP, id, budget);
    if (rc == DUR_OK && *budget > 0) {
        rc = dur_retention_prefix(e, DUR_T_HISTORY, id, budget);
    }
    if (rc == DUR_OK && *budget > 0) {
        rc = dur_payload_purge(e->txn, id, budget);
    }
    if (rc == DUR_OK && *budget > 0 && (run.flags & DUR_RUN_F_BATCH)) {
        rc = dur_member_remove(e, id, false, budget);
    }
    if (rc != DUR_OK || *budget == 0) {
        return rc;
    }

    memcpy(key, event.b, DUR_ULID_LEN);
    memcpy(key + DUR_ULID_LEN, id->b, DUR_ULID_LEN);

    rc = dur_txn_del(e->txn, DUR_T_EVENT_RUN, dur_str_make(key, sizeof(key)));
    if (rc == DUR_OK || rc == DUR_ENOTFOUND) {
        rc = dur_retention_orphan(e, &event, budget);
    }
    if (rc != DUR_OK || *budget == 0) {
        return rc;
    }

    (*budget)--;

    rc = dur_txn_del(e->txn, DUR_T_RUN, dur_ulid_key(id));
    if (rc == DUR_OK && *budget == 0) {
        *budget = 1;            /* it is gone all the same */
    }

    return rc;
}


/* The oldest entry; DUR_ENOTFOUND without one.  One that cannot be read is
 * dropped: nothing behind it would ever go. */
static dur_rc_t
dur_ended_first(dur_engine_t *e, uint8_t key[DUR_ENDED_KEY])
{
    dur_rc_t       rc;
    dur_str_t      k;
    dur_cursor_t  *c;

    rc = dur_cursor_open(e->txn, DUR_T_ENDED, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_seek(c, dur_str_null, &k, NULL);

    while (rc == DUR_OK && k.len != DUR_ENDED_KEY) {
        rc = dur_cursor_del(c);
        if (rc == DUR_OK) {
            rc = dur_cursor_seek(c, dur_str_null, &k, NULL);
        }
    }

    if (rc == DUR_OK) {
        memcpy(key, k.data, DUR_ENDED_KEY);
    }

    dur_cursor_close(c);

    return rc;
}


static dur_rc_t
dur_retention_ended_rows(dur_engine_t *e, unsigned *budget, int64_t *next)
{
    bool        live;
    uint8_t     key[DUR_ENDED_KEY];
    dur_rc_t    rc;
    dur_ulid_t  id;

    *next = INT64_MAX;

    while (e->conf.retention > 0) {
        rc = dur_ended_first(e, key);
        if (rc != DUR_OK) {
            return rc == DUR_ENOTFOUND ? DUR_OK : rc;
        }

        *next = (int64_t) dur_get64(key) + e->conf.retention;

        if (*next > e->now || *budget == 0) {
            return DUR_OK;
        }

        memcpy(id.b, key + 9, DUR_ULID_LEN);

        if (key[8] == 'r') {
            rc = dur_retention_run_rows(e, &id, budget);

        } else {
            /* a run may have come of it later, its end will count then */
            rc = dur_retention_has_runs(e, &id, &live);
            if (rc == DUR_OK && !live) {
                rc = dur_event_delete(e, &id, budget);
            }
        }

        if (rc != DUR_OK || *budget == 0) {
            return rc;
        }

        rc = dur_txn_del(e->txn, DUR_T_ENDED, dur_str_make(key, sizeof(key)));
        if (rc != DUR_OK) {
            return rc;
        }

        (*budget)--;
        *next = INT64_MAX;
    }

    return DUR_OK;
}


typedef dur_rc_t (*dur_retention_pt)(dur_engine_t *e, unsigned *budget,
    int64_t *next);


/* What there may be much of comes with the rows that others left: a long
 * backlog of it does not hold them up.  What waits for runs to go is behind
 * it. */
static dur_rc_t
dur_retention_piece(dur_engine_t *e, unsigned budget)
{
    size_t    i;
    int64_t   next, earliest;
    dur_rc_t  rc;
    unsigned  share, left;

    static const dur_retention_pt  handlers[] = {
        dur_idem_expire, dur_flow_expire, dur_upload_expire,
        dur_served_expire, dur_retention_ended_rows, dur_retention_registry
    };

    earliest = INT64_MAX;

    for (i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
        share = handlers[i] == dur_retention_ended_rows ? budget
                : budget < DUR_RETENTION_SHARE ? budget : DUR_RETENTION_SHARE;
        left = share;

        rc = handlers[i](e, &left, &next);
        if (rc != DUR_OK) {
            return rc;
        }

        budget -= share - left;
        earliest = next < earliest ? next : earliest;
    }

    e->next_expiry = earliest;

    return DUR_OK;
}


dur_rc_t
dur_retention_run(dur_engine_t *e, unsigned rows)
{
    return dur_retention_piece(e, rows);
}


dur_rc_t
dur_retention_poison(dur_engine_t *e)
{
    uint8_t   key[DUR_ENDED_KEY];
    dur_rc_t  rc;

    rc = dur_ended_first(e, key);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    if (e->conf.retention == 0
        || (int64_t) dur_get64(key) + e->conf.retention > e->now)
    {
        return DUR_OK;
    }

    dur_state_log(e, 0, "what ended first could not be deleted and stays "
                  "(internal error)");

    return dur_txn_del(e->txn, DUR_T_ENDED, dur_str_make(key, sizeof(key)));
}


dur_rc_t
dur_retention_next(dur_engine_t *e)
{
    return dur_retention_piece(e, 0);
}
