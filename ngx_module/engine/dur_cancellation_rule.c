/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_cancellation_rule.h"
#include "engine/dur_event.h"
#include "engine/dur_run.h"
#include "engine/dur_retention.h"
#include "engine/dur_state.h"
#include "engine/dur_ulid.h"
#include "engine/dur_walk.h"

#include <stdio.h>


/* Of one piece: runs that are looked at, bytes of their events. */
#define DUR_CANCELLATION_READS   512
#define DUR_CANCELLATION_EVENTS  (4 * 1024 * 1024)

/* Rows that ending a run writes, beside those of its items and waits. */
#define DUR_CANCELLATION_ROWS    8


/* -- rows ----------------------------------------------------------------- */

dur_rc_t
dur_cancellation_put(dur_engine_t *e, const dur_cancellation_t *rule)
{
    dur_enc_t  w;

    dur_enc_init(&w, e->row, sizeof(e->row));

    dur_enc_begin(&w);
    dur_enc_u8(&w, rule->done);
    dur_enc_u32(&w, rule->function);
    dur_enc_u64(&w, (uint64_t) rule->created);
    dur_enc_u64(&w, (uint64_t) rule->after);
    dur_enc_u64(&w, (uint64_t) rule->before);
    dur_enc_u64(&w, rule->sequence);
    dur_enc_raw(&w, rule->cursor.b, DUR_ULID_LEN);
    dur_enc_u64(&w, rule->scanned);
    dur_enc_u64(&w, rule->cancelled);
    dur_enc_end(&w);

    dur_enc_str(&w, rule->app);
    dur_enc_str(&w, rule->slug);
    dur_enc_str(&w, rule->expression);

    if (w.failed) {
        return DUR_EINTERNAL;
    }

    if (rule->done) {
        dur_retention_soon(e, rule->before > rule->created ? rule->before
                                                           : rule->created);
    }

    return dur_txn_put(e->txn, DUR_T_CANCELLATION, dur_ulid_key(&rule->id),
                       dur_enc_done(&w));
}


dur_rc_t
dur_cancellation_decode(dur_str_t key, dur_str_t row,
    dur_cancellation_t *rule)
{
    dur_dec_t  r;

    memset(rule, 0, sizeof(*rule));

    if (key.len != DUR_ULID_LEN) {
        return DUR_ECORRUPT;
    }

    memcpy(rule->id.b, key.data, DUR_ULID_LEN);

    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    rule->done = dur_dec_u8(&r) != 0;
    rule->function = dur_dec_u32(&r);
    rule->created = (int64_t) dur_dec_u64(&r);
    rule->after = (int64_t) dur_dec_u64(&r);
    rule->before = (int64_t) dur_dec_u64(&r);
    rule->sequence = dur_dec_u64(&r);
    dur_dec_raw(&r, rule->cursor.b, DUR_ULID_LEN);
    rule->scanned = dur_dec_u64(&r);
    rule->cancelled = dur_dec_u64(&r);
    dur_dec_end(&r);

    rule->app = dur_dec_str(&r);
    rule->slug = dur_dec_str(&r);
    rule->expression = dur_dec_str(&r);

    return r.failed ? DUR_ECORRUPT : DUR_OK;
}


/* -- the cache ------------------------------------------------------------ */

void
dur_cancellation_unload(dur_engine_t *e)
{
    size_t                i;
    dur_cancellations_t  *all = &e->cancellations;

    for (i = 0; i < all->n; i++) {
        dur_expr_free(all->list[i].expr);
    }

    all->n = 0;
    all->list = NULL;
    dur_arena_deinit(&all->arena);
}


/* Takes one over into the cache.  An expression that does not compile, made
 * by another version, is true for nothing. */
static dur_rc_t
dur_cancellation_keep(dur_cancellations_t *all,
    const dur_cancellation_t *rule)
{
    char                 err[160];
    dur_cancellation_t  *to;

    to = &all->list[all->n];
    *to = *rule;
    to->app = dur_arena_copy(&all->arena, rule->app);
    to->slug = dur_arena_copy(&all->arena, rule->slug);
    to->expression = dur_arena_copy(&all->arena, rule->expression);

    if (to->app.data == NULL || to->slug.data == NULL
        || to->expression.data == NULL)
    {
        return DUR_ENOMEM;
    }

    if (to->expression.len
        && dur_expr_compile(to->expression, &to->expr, err) == DUR_ENOMEM)
    {
        return DUR_ENOMEM;
    }

    all->n++;

    return DUR_OK;
}


dur_rc_t
dur_cancellation_load(dur_engine_t *e)
{
    size_t                size;
    dur_rc_t              rc;
    dur_str_t             k, v;
    dur_cursor_t         *c;
    dur_cancellation_t    rule;
    dur_cancellations_t  *all = &e->cancellations;

    dur_cancellation_unload(e);

    size = dur_txn_count(e->txn, DUR_T_CANCELLATION);
    if (size == 0) {
        return DUR_OK;
    }

    all->list = dur_arena_zalloc(&all->arena, size * sizeof(rule));
    if (all->list == NULL) {
        return DUR_ENOMEM;
    }

    rc = dur_cursor_open(e->txn, DUR_T_CANCELLATION, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_str_null, &k, &v);
         rc == DUR_OK && all->n < size;
         rc = dur_cursor_next(c, &k, &v))
    {
        /* one that cannot be read must not keep the store from opening */

        if (dur_cancellation_decode(k, v, &rule) != DUR_OK) {
            continue;
        }

        rc = dur_cancellation_keep(all, &rule);
        if (rc != DUR_OK) {
            break;
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static dur_cancellation_t *
dur_cancellation_find(dur_engine_t *e, const dur_ulid_t *id)
{
    size_t                i;
    dur_cancellations_t  *all = &e->cancellations;

    for (i = 0; i < all->n; i++) {
        if (memcmp(all->list[i].id.b, id->b, DUR_ULID_LEN) == 0) {
            return &all->list[i];
        }
    }

    return NULL;
}


/* -- what it does --------------------------------------------------------- */

static bool
dur_cancellation_has(const dur_cancellation_t *rule, uint32_t function,
    const dur_ulid_t *run)
{
    int64_t  ms = (int64_t) dur_ulid_ms(run);

    return rule->function == function && ms >= rule->after
           && ms <= rule->before;
}


/* The run was there when the rule was made, and the rule was there. */
static bool
dur_cancellation_knows(const dur_cancellation_t *rule, const dur_run_t *run)
{
    return run->sequence < rule->sequence
           && (rule->done
               || memcmp(run->id.b, rule->cursor.b, DUR_ULID_LEN) <= 0);
}


/* Whether a live run is meant; *bytes grows by what was read for it. */
static dur_rc_t
dur_cancellation_means(dur_engine_t *e, const dur_cancellation_t *rule,
    const dur_run_t *run, size_t *bytes, bool *means)
{
    json_t           *event;
    dur_rc_t          rc;
    dur_event_t       row;
    dur_expr_vars_t   vars;

    *means = rule->expression.len == 0;

    if (*means || rule->expr == NULL) {
        return DUR_OK;
    }

    rc = dur_event_get(e->txn, &run->event, &row);
    if (rc == DUR_OK) {
        *bytes += row.json.length;
        rc = dur_run_event(e, run, &event);
    }
    if (rc != DUR_OK) {
        return (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) ? DUR_OK : rc;
    }

    memset(&vars, 0, sizeof(vars));
    vars.event = event;
    vars.now_ms = e->now;

    rc = dur_expr_true(rule->expr, &vars, e->arena, means);

    json_decref(event);

    return rc;
}


static dur_rc_t
dur_cancellation_cancel(dur_engine_t *e, dur_cancellation_t *rule,
    dur_run_t *run)
{
    char  id[DUR_ULID_TEXT_LEN + 1], why[96];

    dur_ulid_text(&rule->id, id);
    snprintf(why, sizeof(why), "The run was cancelled by the cancellation %s",
             id);

    rule->cancelled++;

    return dur_run_cancel_live(e, run, why);
}


/* -- the walk ------------------------------------------------------------- */

/* Looks at one run; *rows is what that wrote. */
static dur_rc_t
dur_cancellation_look(dur_engine_t *e, dur_cancellation_t *rule,
    const dur_ulid_t *id, unsigned *rows, size_t *bytes)
{
    bool       means;
    dur_rc_t   rc;
    dur_run_t  run;

    rc = dur_run_get(e->txn, id, &run);
    if (rc != DUR_OK) {
        /* one that cannot be read cannot be called either */
        return rc == DUR_ECORRUPT ? DUR_OK : rc;
    }

    rule->scanned++;

    if (run.status != DUR_RUN_LIVE || run.function != rule->function) {
        return DUR_OK;
    }

    rc = dur_cancellation_means(e, rule, &run, bytes, &means);

    if (rc == DUR_OK && means) {
        *rows += DUR_CANCELLATION_ROWS + run.open + 2 * run.waits;
        rc = dur_cancellation_cancel(e, rule, &run);
    }

    return rc;
}


dur_rc_t
dur_cancellation_more(dur_engine_t *e, const dur_ulid_t *id, bool *done)
{
    size_t               bytes;
    unsigned             reads, rows;
    dur_rc_t             rc;
    dur_ulid_t           run, last;
    dur_walk_t           w;
    dur_cancellation_t  *rule;

    *done = true;

    rule = dur_cancellation_find(e, id);
    if (rule == NULL) {
        return DUR_OK;          /* deleted meanwhile */
    }

    dur_walk_until(&last, rule->before);

    rc = dur_walk_open(&w, e->txn, &rule->cursor, rule->after, &last);
    if (rc != DUR_OK) {
        return rc;
    }

    rows = 0;
    bytes = 0;

    for (reads = 0;
         rc == DUR_OK && reads < DUR_CANCELLATION_READS && rows < DUR_OP_ROWS
         && bytes < DUR_CANCELLATION_EVENTS;
         reads++)
    {
        rc = dur_walk_next(&w, &run);

        if (rc == DUR_OK) {
            rc = dur_cancellation_look(e, rule, &run, &rows, &bytes);
            rule->cursor = run;
        }
    }

    dur_walk_close(&w);

    if (rc == DUR_ENOTFOUND) {
        rule->done = true;
        rc = DUR_OK;
    }

    *done = rule->done;

    return rc == DUR_OK ? dur_cancellation_put(e, rule) : rc;
}


/* -- the rule ------------------------------------------------------------- */

bool
dur_cancellation_concerns(dur_engine_t *e, const dur_item_t *item)
{
    bool                  known;
    size_t                i;
    dur_run_t             run;
    dur_cancellations_t  *all = &e->cancellations;

    for (i = 0, known = false; i < all->n; i++) {
        if (!dur_cancellation_has(&all->list[i], item->function, &item->run)) {
            continue;
        }

        /* a run that begins has no row yet */

        if (!known && dur_run_get(e->txn, &item->run, &run) != DUR_OK) {
            return true;
        }

        known = true;

        if (!dur_cancellation_knows(&all->list[i], &run)) {
            return true;
        }
    }

    return false;
}


dur_rc_t
dur_cancellation_stops(dur_engine_t *e, const dur_item_t *item,
    bool *stopped)
{
    size_t                i, bytes;
    dur_rc_t              rc;
    dur_run_t             run;
    dur_cancellation_t   *rule;
    dur_cancellations_t  *all = &e->cancellations;

    *stopped = false;

    if (!dur_cancellation_concerns(e, item)) {
        return DUR_OK;
    }

    rc = dur_run_get(e->txn, &item->run, &run);
    if (rc != DUR_OK || run.status != DUR_RUN_LIVE) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    for (i = 0, bytes = 0; i < all->n && !*stopped; i++) {
        rule = &all->list[i];

        if (!dur_cancellation_has(rule, run.function, &run.id)
            || dur_cancellation_knows(rule, &run))
        {
            continue;
        }

        rc = dur_cancellation_means(e, rule, &run, &bytes, stopped);

        if (rc == DUR_OK && *stopped) {
            rc = dur_cancellation_cancel(e, rule, &run);
        }
        if (rc == DUR_OK && *stopped) {
            rc = dur_cancellation_put(e, rule);
        }
        if (rc != DUR_OK) {
            return rc;
        }
    }

    return DUR_OK;
}
