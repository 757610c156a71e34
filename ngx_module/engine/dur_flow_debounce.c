/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_flow_debounce.h"
#include "engine/dur_event.h"
#include "engine/dur_flow.h"
#include "engine/dur_invoke.h"
#include "engine/dur_retention.h"
#include "engine/dur_sign.h"
#include "engine/dur_state.h"
#include "engine/dur_timer.h"
#include "engine/dur_ulid.h"


/* Lives are counted in whole seconds, and a timer runs for one at least. */
#define DUR_DEBOUNCE_SECOND  ((int64_t) 1000)

#define DUR_DEBOUNCE_F_QUIET      0x01
#define DUR_DEBOUNCE_F_INVOKED    0x02
#define DUR_DEBOUNCE_F_SCHEDULED  0x04

#define DUR_DEBOUNCE_ROW  128


typedef struct {
    dur_ulid_t  event;
    int64_t     ts;             /* of the event */
    int64_t     began;          /* when the first one was held */
    int64_t     due;
    uint64_t    item;           /* the timer */
    uint8_t     flags;
    uint8_t     depth;          /* the invoke that the event is */
    dur_ulid_t  parent;
    dur_hash_t  parent_step;
} dur_debounce_t;


/* -- the row -------------------------------------------------------------- */

static dur_rc_t
dur_debounce_put(dur_engine_t *e, dur_str_t key, const dur_debounce_t *d)
{
    uint8_t    row[DUR_DEBOUNCE_ROW];
    dur_enc_t  w;

    dur_enc_init(&w, row, sizeof(row));

    dur_enc_begin(&w);
    dur_enc_raw(&w, d->event.b, DUR_ULID_LEN);
    dur_enc_u64(&w, (uint64_t) d->ts);
    dur_enc_u64(&w, (uint64_t) d->began);
    dur_enc_u64(&w, (uint64_t) d->due);
    dur_enc_u64(&w, d->item);
    dur_enc_u8(&w, d->flags);
    dur_enc_u8(&w, d->depth);
    dur_enc_raw(&w, d->parent.b, DUR_ULID_LEN);
    dur_enc_raw(&w, d->parent_step.b, DUR_HASH_LEN);
    dur_enc_end(&w);

    return w.failed ? DUR_EINTERNAL
                    : dur_txn_put(e->txn, DUR_T_FLOW, key, dur_enc_done(&w));
}


/* DUR_ENOTFOUND, also for what cannot be read: it holds nothing. */
static dur_rc_t
dur_debounce_get(dur_engine_t *e, dur_str_t key, dur_debounce_t *d)
{
    dur_rc_t   rc;
    dur_str_t  row;
    dur_dec_t  r;

    rc = dur_txn_get(e->txn, DUR_T_FLOW, key, &row);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    dur_dec_raw(&r, d->event.b, DUR_ULID_LEN);
    d->ts = (int64_t) dur_dec_u64(&r);
    d->began = (int64_t) dur_dec_u64(&r);
    d->due = (int64_t) dur_dec_u64(&r);
    d->item = dur_dec_u64(&r);
    d->flags = dur_dec_u8(&r);
    d->depth = dur_dec_u8(&r);
    dur_dec_raw(&r, d->parent.b, DUR_ULID_LEN);
    dur_dec_raw(&r, d->parent_step.b, DUR_HASH_LEN);
    dur_dec_end(&r);

    return r.failed ? DUR_ENOTFOUND : DUR_OK;
}


/* -- holding -------------------------------------------------------------- */

static dur_rc_t
dur_debounce_timer(dur_engine_t *e, const dur_function_t *fn,
    const uint8_t hash[DUR_FLOW_HASH], const dur_debounce_t *d)
{
    dur_item_t  item;

    memset(&item, 0, sizeof(item));
    item.kind = DUR_ITEM_DEBOUNCE;
    item.id = d->item;
    item.app = fn->app;
    item.function = fn->id;
    item.score = d->began;
    item.due = d->due;
    memcpy(item.step.b, hash, DUR_FLOW_HASH);

    return dur_timer_put(e, &item);
}


/* The event starts no run of this function any more. */
static dur_rc_t
dur_debounce_let_go(dur_engine_t *e, uint32_t function,
    const dur_ulid_t *event)
{
    dur_rc_t  rc;

    rc = dur_flow_release(e, function, event);

    return rc == DUR_OK ? dur_retention_unused(e, event) : rc;
}


/*
 * When it fires.  What is left of `timeout` is rounded to the nearest second
 * by the first event and down by later ones, and is never below one: so that
 * events without end cannot hold it for ever, it ends one second after the
 * time-out.
 */
static int64_t
dur_debounce_until(dur_engine_t *e, const dur_option_t *o,
    const dur_debounce_t *d, bool first)
{
    int64_t  left, last;

    if (o->debounce_timeout == 0) {
        return e->now + o->debounce;
    }

    last = d->began + o->debounce_timeout + DUR_DEBOUNCE_SECOND;
    left = d->began + o->debounce_timeout - e->now
           + (first ? DUR_DEBOUNCE_SECOND / 2 : 0);

    left = left < DUR_DEBOUNCE_SECOND
           ? DUR_DEBOUNCE_SECOND
           : left / DUR_DEBOUNCE_SECOND * DUR_DEBOUNCE_SECOND;

    if (left > o->debounce) {
        left = o->debounce;
    }

    return e->now + left < last ? e->now + left : last;
}


static void
dur_debounce_take(dur_debounce_t *d, const dur_run_event_t *event)
{
    d->event = event->id;
    d->ts = event->ts;
    d->depth = event->depth;
    d->parent = event->parent;
    d->parent_step = event->parent_step;
    d->flags = (event->quiet ? DUR_DEBOUNCE_F_QUIET : 0)
               | (event->invoked ? DUR_DEBOUNCE_F_INVOKED : 0)
               | (event->scheduled ? DUR_DEBOUNCE_F_SCHEDULED : 0);
}


static dur_rc_t
dur_debounce_key(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, uint8_t hash[DUR_FLOW_HASH])
{
    uint8_t            digest[20];
    dur_rc_t           rc;
    dur_flow_value_t   value;

    rc = dur_flow_value(e, event, fn->option.debounce_key, &value);
    memcpy(hash, value.hash, DUR_FLOW_HASH);

    if (rc == DUR_EINVAL || (rc == DUR_OK && value.none)) {

        /* false is a value like any other, what has none shares one */

        dur_sha1(rc == DUR_OK ? dur_str("false") : dur_str("<invalid>"),
                 digest);
        memcpy(hash, digest, DUR_FLOW_HASH);
        rc = DUR_OK;
    }

    return rc;
}


/* In place of what is held. */
static dur_rc_t
dur_debounce_replace(dur_engine_t *e, const dur_function_t *fn,
    dur_debounce_t *d)
{
    dur_rc_t  rc;

    rc = dur_debounce_let_go(e, fn->id, &d->event);

    if (rc == DUR_OK) {
        rc = dur_timer_del(e, d->due, d->item);
    }

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


dur_rc_t
dur_flow_debounce(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_start_t *start)
{
    bool             first;
    uint8_t          key[DUR_FLOW_KEY], hash[DUR_FLOW_HASH];
    dur_rc_t         rc;
    dur_str_t        k;
    dur_debounce_t   d;

    if (fn->option.debounce == 0) {
        return DUR_OK;
    }

    *start = DUR_START_DEBOUNCED;

    rc = dur_debounce_key(e, fn, event, hash);
    if (rc != DUR_OK) {
        return rc;
    }

    k = dur_flow_key(key, DUR_FLOW_DEBOUNCE, fn->id, hash);

    rc = dur_debounce_get(e, k, &d);
    first = (rc == DUR_ENOTFOUND);

    if (rc == DUR_OK) {
        if (event->ts < d.ts) {
            return DUR_OK;
        }
        rc = dur_debounce_replace(e, fn, &d);

    } else if (first) {
        d.began = e->now;
        d.item = e->counters.item++;
        rc = DUR_OK;
    }

    if (rc != DUR_OK) {
        return rc;
    }

    dur_debounce_take(&d, event);
    d.due = dur_debounce_until(e, &fn->option, &d, first);

    rc = dur_flow_hold(e, fn->id, &d.event);
    if (rc == DUR_OK) {
        rc = dur_debounce_timer(e, fn, hash, &d);
    }

    return rc == DUR_OK ? dur_debounce_put(e, k, &d) : rc;
}


/* -- the end -------------------------------------------------------------- */

static dur_rc_t
dur_debounce_start(dur_engine_t *e, const dur_function_t *fn,
    const dur_debounce_t *d)
{
    dur_rc_t          rc;
    dur_run_t         run;
    dur_start_t       start;
    dur_run_event_t   event;

    rc = dur_event_recall(e, &d->event, dur_option_reads(&fn->option),
                          &event);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    event.quiet = (d->flags & DUR_DEBOUNCE_F_QUIET) != 0;
    event.invoked = (d->flags & DUR_DEBOUNCE_F_INVOKED) != 0;
    event.scheduled = (d->flags & DUR_DEBOUNCE_F_SCHEDULED) != 0;
    event.parent = d->parent;
    event.parent_step = d->parent_step;
    event.depth = d->depth;

    dur_run_prepare(e, fn, &event, &run);

    rc = dur_run_launch(e, fn, &event, &run, &start);

    if (rc == DUR_OK && start == DUR_START_RUN && event.invoked) {
        rc = dur_invoke_started(e, &run);
    }

    return rc;
}


/* Takes the row of the timer away; DUR_ENOTFOUND when it is of another one. */
static dur_rc_t
dur_debounce_pop(dur_engine_t *e, const dur_item_t *item, dur_debounce_t *d)
{
    uint8_t    key[DUR_FLOW_KEY];
    dur_rc_t   rc;
    dur_str_t  k;

    k = dur_flow_key(key, DUR_FLOW_DEBOUNCE, item->function, item->step.b);

    rc = dur_debounce_get(e, k, d);
    if (rc == DUR_OK && d->item != item->id) {
        rc = DUR_ENOTFOUND;
    }

    return rc == DUR_OK ? dur_txn_del(e->txn, DUR_T_FLOW, k) : rc;
}


dur_rc_t
dur_flow_debounce_due(dur_engine_t *e, const dur_item_t *item)
{
    dur_rc_t         rc;
    dur_debounce_t   d;
    dur_function_t  *fn;

    rc = dur_debounce_pop(e, item, &d);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    fn = dur_registry_function(&e->registry, item->function);

    if (fn != NULL && !fn->archived) {
        rc = dur_debounce_start(e, fn, &d);

    } else if (d.flags & DUR_DEBOUNCE_F_INVOKED) {
        rc = dur_invoke_gone(e, &d.parent, &d.parent_step);
    }

    /* last, for until then only this keeps the event */

    return rc == DUR_OK ? dur_debounce_let_go(e, item->function, &d.event)
                        : rc;
}


dur_rc_t
dur_flow_debounce_poison(dur_engine_t *e, const dur_item_t *item)
{
    dur_rc_t         rc;
    dur_debounce_t   d;

    rc = dur_debounce_pop(e, item, &d);

    if (rc == DUR_OK) {
        rc = dur_debounce_let_go(e, item->function, &d.event);
    }

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}
