/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_memo.h"
#include "engine/dur_step.h"
#include "engine/dur_ulid.h"


typedef dur_rc_t (*dur_memo_pt)(dur_txn_t *t, const dur_run_t *run,
    const dur_hash_t *id, const dur_step_t *step, dur_buf_t *out,
    dur_buf_t *scratch);


/* Calls the handler for every step that is done, and those whose input was
 * edited, ascending by hash. */
static dur_rc_t
dur_memo_walk(dur_txn_t *t, const dur_run_t *run, dur_memo_pt handler,
    dur_buf_t *out, dur_buf_t *scratch)
{
    uint8_t        key[DUR_STEP_KEY];
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_step_t     step;
    dur_hash_t     id;
    dur_cursor_t  *c;

    if (run->steps == 0 && !(run->flags & DUR_RUN_F_INPUT)) {
        return DUR_OK;
    }

    memset(&id, 0, sizeof(id));

    rc = dur_cursor_open(t, DUR_T_STEP, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_step_key(key, &run->id, &id), &k, &v);
         rc == DUR_OK && k.len == DUR_STEP_KEY
         && memcmp(k.data, run->id.b, DUR_ULID_LEN) == 0;
         rc = dur_cursor_next(c, &k, &v))
    {
        memcpy(id.b, k.data + DUR_ULID_LEN, DUR_HASH_LEN);

        rc = dur_step_decode(v, &step);

        if (rc == DUR_OK
            && (step.state == DUR_STEP_DONE
                || (step.flags & DUR_STEP_F_INPUT)))
        {
            rc = handler(t, run, &id, &step, out, scratch);
        }

        if (rc != DUR_OK) {
            break;
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static dur_rc_t
dur_memo_entry(dur_txn_t *t, const dur_run_t *run, const dur_hash_t *id,
    const dur_step_t *step, dur_buf_t *out, dur_buf_t *scratch)
{
    char      hex[DUR_HASH_TEXT_LEN + 1];
    dur_rc_t  rc;

    dur_hash_text(id, hex);

    if (out->data[out->len - 1] != '{') {
        dur_buf_addc(out, ',');
    }

    dur_buf_addc(out, '"');
    dur_buf_add(out, hex, DUR_HASH_TEXT_LEN);
    dur_buf_addz(out, "\":");

    if (step->state != DUR_STEP_DONE) {
        dur_buf_addz(out, "{\"input\":");

        rc = dur_payload_get_canonical(t, &run->id, &step->input, out,
                                       scratch);

        return rc == DUR_OK ? dur_buf_addc(out, '}') : rc;
    }

    if (step->wrap == DUR_STEP_DATA) {
        dur_buf_addz(out, "{\"data\":");
    } else if (step->wrap == DUR_STEP_ERROR) {
        dur_buf_addz(out, "{\"error\":");
    }

    rc = step->output.length
         ? dur_payload_get_canonical(t, &run->id, &step->output, out, scratch)
         : dur_buf_addz(out, "null");

    if (rc == DUR_OK && step->wrap != DUR_STEP_RAW) {
        rc = dur_buf_addc(out, '}');
    }

    return rc;
}


dur_rc_t
dur_memo_steps(dur_txn_t *t, const dur_run_t *run, dur_buf_t *out,
    dur_buf_t *scratch)
{
    dur_rc_t  rc;

    rc = dur_buf_addc(out, '{');
    if (rc == DUR_OK) {
        rc = dur_memo_walk(t, run, dur_memo_entry, out, scratch);
    }
    if (rc == DUR_OK) {
        rc = dur_buf_addc(out, '}');
    }

    return out->failed ? DUR_ETOOBIG : rc;
}


/* The scratch buffer is an array of hashes by position. */
static dur_rc_t
dur_memo_position(dur_txn_t *t, const dur_run_t *run, const dur_hash_t *id,
    const dur_step_t *step, dur_buf_t *out, dur_buf_t *scratch)
{
    (void) t;
    (void) out;

    if (step->state != DUR_STEP_DONE) {
        return DUR_OK;
    }

    if (step->stack >= run->steps) {
        return DUR_ECORRUPT;
    }

    memcpy(scratch->data + (size_t) step->stack * DUR_HASH_LEN, id->b,
           DUR_HASH_LEN);

    return DUR_OK;
}


dur_rc_t
dur_memo_stack(dur_txn_t *t, const dur_run_t *run, dur_buf_t *out,
    dur_buf_t *scratch)
{
    char        hex[DUR_HASH_TEXT_LEN + 1];
    uint32_t    i;
    dur_rc_t    rc;
    dur_hash_t  id;

    dur_buf_reset(scratch);

    rc = dur_buf_reserve(scratch, (size_t) run->steps * DUR_HASH_LEN + 1);
    if (rc == DUR_OK) {
        rc = dur_memo_walk(t, run, dur_memo_position, out, scratch);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_addc(out, '[');

    for (i = 0; i < run->steps; i++) {
        memcpy(id.b, scratch->data + (size_t) i * DUR_HASH_LEN, DUR_HASH_LEN);
        dur_hash_text(&id, hex);

        dur_buf_addz(out, i ? ",\"" : "\"");
        dur_buf_add(out, hex, DUR_HASH_TEXT_LEN);
        dur_buf_addc(out, '"');
    }

    return dur_buf_addc(out, ']');
}


static dur_rc_t
dur_memo_input(dur_txn_t *t, const dur_run_t *run, const dur_hash_t *id,
    const dur_step_t *step, dur_buf_t *out, dur_buf_t *scratch)
{
    return step->state == DUR_STEP_DONE
           ? DUR_OK : dur_memo_entry(t, run, id, step, out, scratch);
}


dur_rc_t
dur_memo_in_order(dur_txn_t *t, const dur_run_t *run, dur_buf_t *out,
    dur_buf_t *scratch)
{
    uint32_t     i;
    dur_rc_t     rc;
    dur_buf_t    order;
    dur_hash_t   id;
    dur_step_t   step;

    dur_buf_init(&order, (size_t) run->steps * DUR_HASH_LEN + 1);
    dur_buf_addc(out, '{');

    rc = dur_buf_reserve(&order, (size_t) run->steps * DUR_HASH_LEN + 1);
    if (rc == DUR_OK) {
        memset(order.data, 0, (size_t) run->steps * DUR_HASH_LEN);
        rc = dur_memo_walk(t, run, dur_memo_position, out, &order);
    }

    for (i = 0; rc == DUR_OK && i < run->steps; i++) {
        memcpy(id.b, order.data + (size_t) i * DUR_HASH_LEN, DUR_HASH_LEN);

        rc = dur_step_get(t, &run->id, &id, &step);

        if (rc == DUR_OK) {
            rc = dur_memo_entry(t, run, &id, &step, out, scratch);
        }
        if (rc == DUR_ENOTFOUND) {
            rc = DUR_OK;        /* retention takes the run away in pieces */
        }
    }

    if (rc == DUR_OK) {
        rc = dur_memo_walk(t, run, dur_memo_input, out, scratch);
    }

    dur_buf_deinit(&order);
    dur_buf_addc(out, '}');

    return out->failed ? DUR_ETOOBIG : rc;
}
