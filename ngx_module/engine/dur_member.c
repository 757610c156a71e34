/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_member.h"
#include "engine/dur_event.h"
#include "engine/dur_flow.h"
#include "engine/dur_retention.h"
#include "engine/dur_state.h"


#define DUR_MEMBER_KEY   (1 + DUR_ULID_LEN + 4)
#define DUR_MEMBER_ROW   80
#define DUR_MEMBER_LINK  (2 * DUR_ULID_LEN)

#define DUR_MEMBER_F_INVOKED  0x01


/* -- rows ----------------------------------------------------------------- */

static dur_str_t
dur_member_key(uint8_t key[DUR_MEMBER_KEY], const dur_ulid_t *run, uint32_t n)
{
    key[0] = DUR_FLOW_MEMBER;
    memcpy(key + 1, run->b, DUR_ULID_LEN);
    dur_put32(key + 1 + DUR_ULID_LEN, n);

    return dur_str_make(key, DUR_MEMBER_KEY);
}


static dur_str_t
dur_member_link(uint8_t key[DUR_MEMBER_LINK], const dur_ulid_t *event,
    const dur_ulid_t *run)
{
    memcpy(key, event->b, DUR_ULID_LEN);
    memcpy(key + DUR_ULID_LEN, run->b, DUR_ULID_LEN);

    return dur_str_make(key, DUR_MEMBER_LINK);
}


static dur_rc_t
dur_member_decode(dur_str_t row, dur_member_t *member)
{
    dur_dec_t  r;

    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    dur_dec_raw(&r, member->event.b, DUR_ULID_LEN);
    member->invoked = (dur_dec_u8(&r) & DUR_MEMBER_F_INVOKED) != 0;
    dur_dec_raw(&r, member->parent.b, DUR_ULID_LEN);
    dur_dec_raw(&r, member->parent_step.b, DUR_HASH_LEN);
    dur_dec_end(&r);

    return r.failed ? DUR_ECORRUPT : DUR_OK;
}


dur_rc_t
dur_member_get(dur_txn_t *t, const dur_ulid_t *run, uint32_t n,
    dur_member_t *member)
{
    uint8_t    key[DUR_MEMBER_KEY];
    dur_rc_t   rc;
    dur_str_t  row;

    rc = dur_txn_get(t, DUR_T_FLOW, dur_member_key(key, run, n), &row);

    return rc == DUR_OK ? dur_member_decode(row, member) : rc;
}


dur_rc_t
dur_member_put(dur_engine_t *e, const dur_ulid_t *run, uint32_t n,
    const dur_member_t *member)
{
    uint8_t    key[DUR_MEMBER_KEY], link[DUR_MEMBER_LINK];
    uint8_t    row[DUR_MEMBER_ROW];
    dur_rc_t   rc;
    dur_enc_t  w;

    dur_enc_init(&w, row, sizeof(row));

    dur_enc_begin(&w);
    dur_enc_raw(&w, member->event.b, DUR_ULID_LEN);
    dur_enc_u8(&w, member->invoked ? DUR_MEMBER_F_INVOKED : 0);
    dur_enc_raw(&w, member->parent.b, DUR_ULID_LEN);
    dur_enc_raw(&w, member->parent_step.b, DUR_HASH_LEN);
    dur_enc_end(&w);

    if (w.failed) {
        return DUR_EINTERNAL;
    }

    rc = dur_txn_put(e->txn, DUR_T_FLOW, dur_member_key(key, run, n),
                     dur_enc_done(&w));

    return rc == DUR_OK ? dur_txn_put(e->txn, DUR_T_EVENT_RUN,
                                      dur_member_link(link, &member->event,
                                                      run),
                                      dur_str_null)
                        : rc;
}


dur_rc_t
dur_member_copy(dur_engine_t *e, const dur_ulid_t *from, const dur_ulid_t *to,
    uint32_t *n, unsigned *rows)
{
    dur_rc_t      rc;
    dur_member_t  member;

    for (rc = DUR_OK; rc == DUR_OK && *rows > 1; (*n)++, *rows -= 2) {

        rc = dur_member_get(e->txn, from, *n, &member);
        if (rc != DUR_OK) {
            break;
        }

        /* nobody waits for the second time */

        memset(&member.parent, 0, sizeof(member.parent));
        memset(&member.parent_step, 0, sizeof(member.parent_step));
        member.invoked = false;

        rc = dur_member_put(e, to, *n, &member);
    }

    return rc;
}


/* -- the end -------------------------------------------------------------- */

/* The first row that is left; DUR_ENOTFOUND without one. */
static dur_rc_t
dur_member_first(dur_engine_t *e, const dur_ulid_t *run,
    uint8_t key[DUR_MEMBER_KEY], dur_member_t *member)
{
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    rc = dur_cursor_open(e->txn, DUR_T_FLOW, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_seek(c, dur_member_key(key, run, 0), &k, &v);

    if (rc == DUR_OK && (k.len != DUR_MEMBER_KEY
                         || memcmp(k.data, key, DUR_MEMBER_KEY - 4) != 0))
    {
        rc = DUR_ENOTFOUND;
    }

    if (rc == DUR_OK) {
        memcpy(key, k.data, DUR_MEMBER_KEY);
        rc = dur_member_decode(v, member);
    }

    dur_cursor_close(c);

    return rc;
}


/* The event of a row that goes. */
static dur_rc_t
dur_member_unlink(dur_engine_t *e, const dur_ulid_t *run,
    const dur_ulid_t *event, bool keep, unsigned *budget)
{
    uint8_t   link[DUR_MEMBER_LINK];
    dur_rc_t  rc;

    rc = dur_txn_del(e->txn, DUR_T_EVENT_RUN,
                     dur_member_link(link, event, run));
    if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
        return rc;
    }

    return keep ? dur_retention_unused(e, event)
                : dur_retention_orphan(e, event, budget);
}


dur_rc_t
dur_member_remove(dur_engine_t *e, const dur_ulid_t *run, bool keep,
    unsigned *budget)
{
    uint8_t       key[DUR_MEMBER_KEY];
    dur_rc_t      rc;
    dur_member_t  member;

    while (*budget > 0) {
        rc = dur_member_first(e, run, key, &member);

        if (rc == DUR_OK) {
            rc = dur_member_unlink(e, run, &member.event, keep, budget);

            if (rc == DUR_OK && *budget == 0) {
                break;          /* more of a large event is left */
            }

        } else if (rc == DUR_ECORRUPT) {
            rc = DUR_OK;        /* names no event */
        }

        if (rc == DUR_OK) {
            rc = dur_txn_del(e->txn, DUR_T_FLOW,
                             dur_str_make(key, DUR_MEMBER_KEY));
        }
        if (rc != DUR_OK) {
            return rc == DUR_ENOTFOUND ? DUR_OK : rc;
        }

        (*budget)--;
    }

    return DUR_OK;
}


/* -- what the run was started with ---------------------------------------- */

dur_rc_t
dur_member_event(dur_txn_t *t, const dur_run_t *run, uint32_t n,
    dur_ulid_t *event)
{
    dur_rc_t      rc;
    dur_member_t  member;

    *event = run->event;

    if ((run->flags & DUR_RUN_F_BATCH) == 0) {
        return n == 0 ? DUR_OK : DUR_ENOTFOUND;
    }

    rc = dur_member_get(t, &run->id, n, &member);
    if (rc == DUR_OK) {
        *event = member.event;
    }

    return rc;
}


dur_rc_t
dur_member_length(dur_txn_t *t, const dur_run_t *run, uint64_t *length)
{
    uint32_t     n;
    dur_rc_t     rc;
    dur_ulid_t   id;
    dur_event_t  row;

    *length = 0;

    for (n = 0; n < dur_member_count(run); n++) {

        rc = dur_member_event(t, run, n, &id);
        if (rc == DUR_OK) {
            rc = dur_event_get(t, &id, &row);
        }
        if (rc != DUR_OK) {
            return rc;
        }

        *length += row.json.length + 1;
    }

    return DUR_OK;
}


dur_rc_t
dur_member_events(dur_txn_t *t, const dur_run_t *run, dur_buf_t *out,
    dur_buf_t *scratch)
{
    uint32_t     n;
    dur_rc_t     rc;
    dur_ulid_t   id;
    dur_event_t  row;

    for (n = 0; n < dur_member_count(run); n++) {

        rc = dur_member_event(t, run, n, &id);
        if (rc == DUR_OK) {
            rc = dur_event_get(t, &id, &row);
        }

        if (rc == DUR_OK && n > 0) {
            rc = dur_buf_addc(out, ',');
        }
        if (rc == DUR_OK) {
            rc = dur_payload_get_canonical(t, &id, &row.json, out, scratch);
        }
        if (rc != DUR_OK) {
            return rc;
        }
    }

    return DUR_OK;
}
