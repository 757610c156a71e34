/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_workflow_memo.h"
#include "engine/dur_event.h"
#include "engine/dur_member.h"
#include "engine/dur_ulid.h"

#include <stdlib.h>


#define DUR_WORKFLOW_EVENTS  (64 * 1024 * 1024)


static dur_plan_state_t
dur_workflow_row_state(const dur_step_t *step)
{
    switch (step->state) {

    case DUR_STEP_DONE:
        return step->wrap == DUR_STEP_ERROR ? DUR_PLAN_FAILED : DUR_PLAN_DONE;

    case DUR_STEP_EDITED:
        return DUR_PLAN_NEW;

    case DUR_STEP_PLANNED:
        return step->item ? DUR_PLAN_OPEN : DUR_PLAN_NEW;

    default:
        return DUR_PLAN_OPEN;
    }
}


static dur_rc_t
dur_workflow_rows(dur_workflow_memo_t *m, dur_cursor_t *c)
{
    size_t               size;
    uint8_t              key[DUR_STEP_KEY];
    dur_rc_t             rc;
    dur_str_t            k, v;
    dur_step_t           step;
    dur_hash_t           first;
    dur_workflow_row_t  *rows;

    memset(&first, 0, sizeof(first));
    size = 0;

    for (rc = dur_cursor_seek(c, dur_step_key(key, &m->run->id, &first), &k,
                              &v);
         rc == DUR_OK && k.len == DUR_STEP_KEY
         && memcmp(k.data, m->run->id.b, DUR_ULID_LEN) == 0;
         rc = dur_cursor_next(c, &k, &v))
    {
        rc = dur_step_decode(v, &step);
        if (rc != DUR_OK) {
            return rc;
        }

        if (m->n == size) {
            size = size ? 4 * size : 16;
            rows = dur_arena_alloc(m->arena, size * sizeof(*rows));
            if (rows == NULL) {
                return DUR_ENOMEM;
            }

            if (m->n > 0) {
                memcpy(rows, m->rows, m->n * sizeof(*rows));
            }

            m->rows = rows;
        }

        rows = &m->rows[m->n++];
        memcpy(rows->id.b, k.data + DUR_ULID_LEN, DUR_HASH_LEN);
        rows->state = (uint8_t) dur_workflow_row_state(&step);
        rows->output = step.output;
    }

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static int
dur_workflow_row_cmp(const void *one, const void *two)
{
    const dur_workflow_row_t  *a = one;
    const dur_workflow_row_t  *b = two;

    return memcmp(a->id.b, b->id.b, DUR_HASH_LEN);
}


static const dur_workflow_row_t *
dur_workflow_row(const dur_workflow_memo_t *m, const dur_plan_at_t *at)
{
    dur_workflow_row_t  key;

    if (m->n == 0) {
        return NULL;
    }

    dur_plan_id(at, &key.id);

    return bsearch(&key, m->rows, m->n, sizeof(key), dur_workflow_row_cmp);
}


static dur_plan_state_t
dur_workflow_state(void *data, const dur_plan_at_t *at)
{
    const dur_workflow_row_t  *row;

    row = dur_workflow_row(data, at);

    return row ? row->state : DUR_PLAN_NEW;
}


static dur_rc_t
dur_workflow_text(dur_workflow_memo_t *m, const dur_ulid_t *owner,
    const dur_payload_t *payload, dur_str_t *text)
{
    dur_rc_t   rc;
    dur_buf_t  b;

    dur_buf_init(&b, (size_t) payload->length + 1);

    rc = dur_payload_get(m->txn, owner, payload, &b);

    if (rc == DUR_OK) {
        *text = dur_arena_copy(m->arena, dur_buf_str(&b));
        rc = text->data ? DUR_OK : DUR_ENOMEM;
    }

    dur_buf_deinit(&b);

    return rc;
}


static dur_rc_t
dur_workflow_output(void *data, const dur_plan_at_t *at, dur_str_t *json)
{
    dur_workflow_memo_t       *m = data;
    const dur_workflow_row_t  *row;

    row = dur_workflow_row(m, at);

    return row ? dur_workflow_text(m, &m->run->id, &row->output, json)
               : DUR_ECORRUPT;
}


/* All events of a batch, an array. */
static dur_rc_t
dur_workflow_events(dur_workflow_memo_t *m)
{
    dur_rc_t   rc;
    dur_buf_t  b, scratch;

    dur_buf_init(&b, DUR_WORKFLOW_EVENTS);
    dur_buf_init(&scratch, DUR_WORKFLOW_EVENTS);

    dur_buf_addc(&b, '[');
    rc = dur_member_events(m->txn, m->run, &b, &scratch);
    dur_buf_addc(&b, ']');

    if (rc == DUR_OK) {
        m->events = dur_arena_copy(m->arena, dur_buf_str(&b));
        rc = m->events.data && !b.failed ? DUR_OK : DUR_ENOMEM;
    }

    dur_buf_deinit(&b);
    dur_buf_deinit(&scratch);

    return rc;
}


static dur_rc_t
dur_workflow_event(void *data, dur_str_t *event, dur_str_t *events)
{
    dur_rc_t              rc;
    dur_event_t           row;
    dur_workflow_memo_t  *m = data;

    if (m->event.data == NULL) {
        rc = dur_event_get(m->txn, &m->run->event, &row);

        if (rc == DUR_OK) {
            rc = dur_workflow_text(m, &m->run->event, &row.json, &m->event);
        }
        if (rc == DUR_OK && (m->run->flags & DUR_RUN_F_BATCH)) {
            rc = dur_workflow_events(m);
        }
        if (rc != DUR_OK) {
            return rc == DUR_ENOTFOUND ? DUR_ECORRUPT : rc;
        }
    }

    *event = m->event;
    *events = m->events;

    return DUR_OK;
}


dur_rc_t
dur_workflow_memo(dur_workflow_memo_t *m, dur_txn_t *txn,
    const dur_run_t *run, dur_arena_t *arena, dur_plan_memo_t *view)
{
    dur_rc_t       rc;
    dur_cursor_t  *c;

    memset(m, 0, sizeof(*m));
    m->txn = txn;
    m->run = run;
    m->arena = arena;
    dur_ulid_text(&run->id, m->run_id);

    memset(view, 0, sizeof(*view));
    view->data = m;
    view->state = dur_workflow_state;
    view->output = dur_workflow_output;
    view->event = dur_workflow_event;
    view->run_id = dur_str_c(m->run_id);

    rc = dur_cursor_open(txn, DUR_T_STEP, &c);

    if (rc == DUR_OK) {
        rc = dur_workflow_rows(m, c);
        dur_cursor_close(c);
    }

    return rc;
}
