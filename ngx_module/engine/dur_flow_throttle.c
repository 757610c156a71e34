/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_flow_throttle.h"
#include "engine/dur_blocked.h"
#include "engine/dur_flow.h"
#include "engine/dur_state.h"
#include "engine/dur_timer.h"


#define DUR_THROTTLE_NS         ((int64_t) 1000000)         /* of one ms */

/* The longest that a row may say: 30 years. */
#define DUR_THROTTLE_LONGEST    ((int64_t) 1000000000 * 86400 * 10950)


/* What a key may do, in ns. */
typedef struct {
    int64_t  emission;          /* between two starts */
    int64_t  tolerance;         /* that may have been used up */
} dur_throttle_pace_t;

/* What it did. */
typedef struct {
    int64_t  until;             /* ns: when all that started is paid for */
    int64_t  timer;             /* ms: when the first that waits is woken; 0:
                                   no timer stands */
    int64_t  emission;          /* ns, for readers */
    bool     fresh;             /* no row yet */
} dur_throttle_row_t;


static dur_str_t
dur_throttle_key(uint8_t key[DUR_FLOW_KEY], const dur_counter_t *c)
{
    uint8_t  hash[DUR_FLOW_HASH];

    memset(hash, 0, sizeof(hash));
    dur_put64(hash, c->value);

    return dur_flow_key(key, DUR_FLOW_THROTTLE, c->function, hash);
}


/* False: the function has no throttle any more. */
static bool
dur_throttle_pace(dur_engine_t *e, const dur_counter_t *c,
    dur_throttle_pace_t *pace)
{
    int64_t                 period, most;
    dur_function_t         *fn;
    dur_option_throttle_t  *t;

    fn = dur_registry_function(&e->registry, c->function);

    if (fn == NULL || fn->option.throttle.limit == 0) {
        return false;
    }

    t = &fn->option.throttle;
    period = t->period < DUR_THROTTLE_LONGEST / DUR_THROTTLE_NS
             ? t->period * DUR_THROTTLE_NS : DUR_THROTTLE_LONGEST;

    pace->emission = period / t->limit > 0 ? period / t->limit : 1;

    most = DUR_THROTTLE_LONGEST / pace->emission;
    if (most > (int64_t) t->limit + t->burst) {
        most = (int64_t) t->limit + t->burst;
    }

    pace->tolerance = pace->emission * most;

    return true;
}


static dur_rc_t
dur_throttle_get(dur_txn_t *t, const dur_counter_t *c,
    dur_throttle_row_t *row)
{
    uint8_t    key[DUR_FLOW_KEY];
    dur_rc_t   rc;
    dur_str_t  value;
    dur_dec_t  r;

    memset(row, 0, sizeof(*row));
    row->fresh = true;

    rc = dur_txn_get(t, DUR_T_FLOW, dur_throttle_key(key, c), &value);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    row->fresh = false;

    dur_dec_init(&r, value);
    dur_dec_begin(&r);
    row->until = (int64_t) dur_dec_u64(&r);
    row->timer = (int64_t) dur_dec_u64(&r);
    row->emission = (int64_t) dur_dec_u64(&r);
    dur_dec_end(&r);

    /* one that cannot be read counts no more */

    if (r.failed) {
        memset(row, 0, sizeof(*row));
    }

    return DUR_OK;
}


static dur_rc_t
dur_throttle_put(dur_engine_t *e, const dur_counter_t *c,
    const dur_throttle_row_t *row)
{
    uint8_t    key[DUR_FLOW_KEY], value[32];
    dur_rc_t   rc;
    dur_str_t  k;
    dur_enc_t  w;

    dur_enc_init(&w, value, sizeof(value));
    dur_enc_begin(&w);
    dur_enc_u64(&w, (uint64_t) row->until);
    dur_enc_u64(&w, (uint64_t) row->timer);
    dur_enc_u64(&w, (uint64_t) row->emission);
    dur_enc_end(&w);

    k = dur_throttle_key(key, c);
    rc = dur_txn_put(e->txn, DUR_T_FLOW, k, dur_enc_done(&w));

    return (rc == DUR_OK && row->fresh) ? dur_flow_index(e, k, row->until)
                                        : rc;
}


/*
 * From when on the next start is paid for.  More than can be owed says that
 * the limit was changed, or the clock set back.
 */
static int64_t
dur_throttle_base(dur_engine_t *e, const dur_throttle_row_t *row,
    const dur_throttle_pace_t *pace)
{
    int64_t  now, base;

    now = e->now * DUR_THROTTLE_NS;
    base = row->until > now ? row->until : now;

    return base - now > pace->tolerance ? now + pace->tolerance : base;
}


dur_rc_t
dur_flow_throttle_room(dur_engine_t *e, const dur_counter_t *c,
    int64_t *room)
{
    int64_t              owed;
    dur_rc_t             rc;
    dur_throttle_row_t   row;
    dur_throttle_pace_t  pace;

    *room = INT64_MAX;

    if (!dur_throttle_pace(e, c, &pace)) {
        return DUR_OK;
    }

    rc = dur_throttle_get(e->txn, c, &row);
    if (rc == DUR_OK) {
        owed = dur_throttle_base(e, &row, &pace) - e->now * DUR_THROTTLE_NS;
        *room = (pace.tolerance - owed) / pace.emission;
    }

    return rc;
}


dur_rc_t
dur_flow_throttle_take(dur_engine_t *e, const dur_counter_t *c)
{
    dur_rc_t             rc;
    dur_throttle_row_t   row;
    dur_throttle_pace_t  pace;

    if (!dur_throttle_pace(e, c, &pace)) {
        return DUR_OK;
    }

    rc = dur_throttle_get(e->txn, c, &row);
    if (rc != DUR_OK) {
        return rc;
    }

    row.until = dur_throttle_base(e, &row, &pace) + pace.emission;
    row.emission = pace.emission;

    return dur_throttle_put(e, c, &row);
}


static dur_rc_t
dur_throttle_timer(dur_engine_t *e, const dur_counter_t *c, int64_t due)
{
    dur_item_t  item;

    memset(&item, 0, sizeof(item));

    item.kind = DUR_ITEM_THROTTLE;
    item.id = e->counters.item++;
    item.function = c->function;
    item.due = due;
    dur_put64(item.step.b, c->value);

    return dur_timer_put(e, &item);
}


dur_rc_t
dur_flow_throttle_arm(dur_engine_t *e, const dur_counter_t *c)
{
    bool                 less;
    int64_t              due, base;
    dur_rc_t             rc;
    dur_throttle_row_t   row;
    dur_throttle_pace_t  pace;

    if (!dur_throttle_pace(e, c, &pace)) {
        return DUR_OK;
    }

    rc = dur_throttle_get(e->txn, c, &row);
    if (rc != DUR_OK) {
        return rc;
    }

    base = dur_throttle_base(e, &row, &pace);
    due = (base + pace.emission - pace.tolerance + DUR_THROTTLE_NS - 1)
          / DUR_THROTTLE_NS;

    if (due <= e->now) {
        due = e->now + 1;
    }

    /* what is owed no more must not be owed again a moment later */

    less = row.fresh || base < row.until;

    if (row.timer != 0 && row.timer <= due) {
        due = 0;
    }

    if (due == 0 && !less) {
        return DUR_OK;
    }

    row.until = less ? base : row.until;
    row.emission = pace.emission;

    if (due != 0) {
        row.timer = due;

        rc = dur_throttle_timer(e, c, due);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    return dur_throttle_put(e, c, &row);
}


dur_rc_t
dur_flow_throttle_due(dur_engine_t *e, const dur_item_t *item)
{
    dur_rc_t            rc;
    dur_counter_t       c;
    dur_throttle_row_t  row;

    memset(&c, 0, sizeof(c));
    c.scope = DUR_SCOPE_THROTTLE;
    c.function = item->function;
    c.value = dur_get64(item->step.b);

    rc = dur_throttle_get(e->txn, &c, &row);

    if (rc == DUR_OK && row.timer == item->due) {
        row.timer = 0;
        rc = dur_throttle_put(e, &c, &row);
    }

    return rc == DUR_OK ? dur_counters_touch(&e->slots, &c) : rc;
}


int64_t
dur_flow_throttle_allowed(dur_txn_t *t, const dur_counter_t *c,
    unsigned before)
{
    dur_throttle_row_t  row;

    if (dur_throttle_get(t, c, &row) != DUR_OK || row.timer == 0) {
        return 0;
    }

    return row.timer + row.emission * before / DUR_THROTTLE_NS;
}
