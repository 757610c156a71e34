/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_query_queue.h"
#include "engine/dur_config.h"
#include "engine/dur_query_limit.h"


/* Functions of an app that are told apart. */
#define DUR_DEPTH_FUNCTIONS  100

/* Leases that are looked at; they are bounded by what the executor takes. */
#define DUR_DEPTH_LEASES     10000

/* Due within a minute. */
#define DUR_DEPTH_SOON       60000

#define DUR_DEPTH_READY_KEY  28
#define DUR_DEPTH_TIMER_KEY  16


/* What is known of a function in one app. */
typedef struct {
    uint32_t  id;
    unsigned  ready;            /* of the first 1,000 of the app */
    unsigned  leased;
    unsigned  paused;           /* that wait for it to go on */
    int64_t   oldest;           /* since when the first of them is due */
} dur_depth_cell_t;

typedef struct {
    const dur_query_queue_t  *want;
    dur_config_t              conf;
    unsigned                  ready;    /* of the app that is shown */
    unsigned                  leased;
    int64_t                   oldest;
    unsigned                  ncells;
    dur_depth_cell_t          cells[DUR_DEPTH_FUNCTIONS];
} dur_depth_view_t;


static dur_depth_cell_t *
dur_depth_cell(dur_depth_view_t *qv, uint32_t function)
{
    unsigned           i;
    dur_depth_cell_t  *cell;

    for (i = 0; i < qv->ncells; i++) {
        if (qv->cells[i].id == function) {
            return &qv->cells[i];
        }
    }

    if (i == DUR_DEPTH_FUNCTIONS) {
        return NULL;
    }

    cell = &qv->cells[qv->ncells++];
    memset(cell, 0, sizeof(*cell));
    cell->id = function;

    return cell;
}


static void
dur_depth_older(int64_t *oldest, int64_t due)
{
    if (*oldest == 0 || due < *oldest) {
        *oldest = due;
    }
}


/* -- counting ------------------------------------------------------------- */

typedef void (*dur_depth_row_pt)(dur_depth_view_t *qv, const dur_item_t *item);


/* The rows of `ready` under an app and a partition. */
static dur_rc_t
dur_depth_walk(dur_query_t *q, dur_depth_view_t *qv, uint32_t app,
    uint64_t partition, dur_depth_row_pt row)
{
    uint8_t        key[DUR_DEPTH_READY_KEY];
    dur_rc_t       rc;
    unsigned       n;
    dur_str_t      k, v;
    dur_item_t     item;
    dur_cursor_t  *c;

    rc = dur_cursor_open(q->txn, DUR_T_READY, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    memset(key, 0, sizeof(key));
    dur_put32(key, app);
    dur_put64(key + 4, partition);

    for (rc = dur_cursor_seek(c, dur_str_make(key, sizeof(key)), &k, &v),
             n = 0;
         rc == DUR_OK && n < DUR_WAIT_COUNT
         && k.len == sizeof(key) && memcmp(k.data, key, 12) == 0;
         rc = dur_cursor_next(c, &k, &v), n++)
    {
        if (dur_item_decode(v, &item) == DUR_OK) {
            row(qv, &item);
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static void
dur_depth_ready(dur_depth_view_t *qv, const dur_item_t *item)
{
    dur_depth_cell_t  *cell;

    qv->ready++;
    dur_depth_older(&qv->oldest, item->due);

    cell = dur_depth_cell(qv, item->function);

    if (cell) {
        cell->ready++;
        dur_depth_older(&cell->oldest, item->due);
    }
}


static void
dur_depth_paused(dur_depth_view_t *qv, const dur_item_t *item)
{
    dur_depth_cell_t  *cell;

    cell = dur_depth_cell(qv, item->function);

    if (cell) {
        cell->paused++;
        dur_depth_older(&cell->oldest, item->due);
    }
}


static dur_rc_t
dur_depth_leased(dur_query_t *q, dur_depth_view_t *qv, uint32_t app)
{
    dur_rc_t           rc;
    unsigned           n;
    dur_str_t          k, v;
    dur_item_t         item;
    dur_cursor_t      *c;
    dur_depth_cell_t  *cell;

    rc = dur_cursor_open(q->txn, DUR_T_LEASE, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_str_null, &k, &v), n = 0;
         rc == DUR_OK && n < DUR_DEPTH_LEASES;
         rc = dur_cursor_next(c, &k, &v), n++)
    {
        if (dur_item_decode(v, &item) != DUR_OK || item.app != app) {
            continue;
        }

        qv->leased++;
        cell = dur_depth_cell(qv, item.function);

        if (cell) {
            cell->leased++;
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* Those of paused functions wait under their ids. */
static dur_rc_t
dur_depth_all_paused(dur_query_t *q, dur_depth_view_t *qv, uint32_t app)
{
    dur_rc_t         rc;
    dur_str_t        k, v;
    dur_cursor_t    *c;
    dur_function_t   fn;

    rc = dur_cursor_open(q->txn, DUR_T_FUNCTION, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_str_null, &k, &v);
         rc == DUR_OK;
         rc = dur_cursor_next(c, &k, &v))
    {
        if (dur_registry_function_decode(k, v, &fn) == DUR_OK
            && fn.app == app && (fn.paused || fn.resuming))
        {
            rc = dur_depth_walk(q, qv, app, fn.id, dur_depth_paused);
            if (rc != DUR_OK) {
                break;
            }
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static dur_rc_t
dur_depth_count(dur_query_t *q, dur_depth_view_t *qv, uint32_t app)
{
    dur_rc_t  rc;

    qv->ready = 0;
    qv->leased = 0;
    qv->oldest = 0;
    qv->ncells = 0;

    rc = dur_depth_walk(q, qv, app, 0, dur_depth_ready);
    if (rc == DUR_OK) {
        rc = dur_depth_leased(q, qv, app);
    }

    return rc == DUR_OK ? dur_depth_all_paused(q, qv, app) : rc;
}


/* -- writing -------------------------------------------------------------- */

static void
dur_depth_write_cell(dur_query_t *q, const dur_depth_view_t *qv,
    const dur_depth_cell_t *cell, const dur_function_t *fn)
{
    dur_buf_t  *out = q->out;

    dur_query_string(out, "function", fn->slug);
    dur_query_bool(out, "paused", fn->paused);

    if (fn->paused) {
        dur_query_count(out, "ready", "at_least", cell->paused);

    } else {
        dur_query_number(out, "ready", cell->ready);

        if (qv->ready >= DUR_WAIT_COUNT) {
            dur_query_bool(out, "at_least", true);
        }
    }

    dur_query_number(out, "leased", cell->leased);
    dur_query_time(out, "oldest_ready_at", cell->oldest);
}


static dur_rc_t
dur_depth_write_cells(dur_query_t *q, const dur_depth_view_t *qv)
{
    dur_rc_t        rc;
    unsigned        i;
    dur_function_t  fn;

    dur_query_key(q->out, "functions");
    dur_buf_addc(q->out, '[');

    for (i = 0; i < qv->ncells; i++) {
        rc = dur_query_function(q, qv->cells[i].id, &fn);
        if (rc != DUR_OK) {
            return rc;
        }

        dur_query_comma(q->out);
        dur_buf_addc(q->out, '{');
        dur_depth_write_cell(q, qv, &qv->cells[i], &fn);
        dur_buf_addc(q->out, '}');
    }

    return dur_buf_addc(q->out, ']');
}


static dur_rc_t
dur_depth_write_app(dur_query_t *q, dur_depth_view_t *qv,
    const dur_registered_app_t *app)
{
    uint8_t        key[4];
    dur_rc_t       rc;
    dur_buf_t     *out = q->out;
    dur_str_t      row;
    dur_target_t   target;

    rc = dur_depth_count(q, qv, app->id);
    if (rc != DUR_OK) {
        return rc;
    }

    memset(&target, 0, sizeof(target));
    dur_put32(key, app->id);

    if (dur_txn_get(q->txn, DUR_T_TARGET, dur_str_make(key, 4), &row)
        == DUR_OK)
    {
        (void) dur_target_decode(row, &target);
    }

    dur_query_comma(out);
    dur_buf_addc(out, '{');
    dur_query_string(out, "app", app->name);
    dur_query_string(out, "url", app->url);
    dur_query_count(out, "ready", "at_least", qv->ready);
    dur_query_time(out, "oldest_ready_at", qv->oldest);
    dur_query_number(out, "leased", qv->leased);
    dur_query_number(out, "max_calls", app->ordered ? 1
                     : dur_config_app_calls(&qv->conf, app->url));
    dur_query_time(out, "parked_at", target.parked);
    dur_query_time(out, "probe_at", target.parked ? target.probe_at : 0);
    dur_query_time(out, "held_until", target.hold);

    rc = dur_depth_write_cells(q, qv);

    return rc == DUR_OK ? dur_buf_addc(out, '}') : rc;
}


/* Timers: how many in all, and those that are due within a minute. */
static dur_rc_t
dur_depth_write_timers(dur_query_t *q, int64_t now)
{
    dur_rc_t       rc;
    unsigned       n;
    dur_buf_t     *out = q->out;
    dur_str_t      k;
    dur_cursor_t  *c;

    rc = dur_cursor_open(q->txn, DUR_T_TIMER, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_str_null, &k, NULL), n = 0;
         rc == DUR_OK && n < DUR_WAIT_COUNT && k.len == DUR_DEPTH_TIMER_KEY
         && (int64_t) dur_get64(k.data) <= now + DUR_DEPTH_SOON;
         rc = dur_cursor_next(c, &k, NULL))
    {
        n++;
    }

    dur_cursor_close(c);

    if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
        return rc;
    }

    dur_query_key(out, "timers");
    dur_buf_addc(out, '{');
    dur_query_number(out, "all", dur_txn_count(q->txn, DUR_T_TIMER));
    dur_query_count(out, "within_a_minute", "at_least", n);

    return dur_buf_addc(out, '}');
}


/* -- all apps ------------------------------------------------------------- */

static dur_rc_t
dur_depth_write_apps(dur_query_t *q, dur_depth_view_t *qv, uint32_t *cursor)
{
    uint8_t                key[4];
    dur_rc_t               rc;
    unsigned               left;
    dur_str_t              k, v;
    dur_cursor_t          *c;
    dur_registered_app_t   app;

    *cursor = 0;
    left = qv->want->limit;
    dur_put32(key, qv->want->cursor + 1);

    rc = dur_cursor_open(q->txn, DUR_T_APP, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_str_make(key, 4), &k, &v), app.id = 0;
         rc == DUR_OK;
         rc = dur_cursor_next(c, &k, &v))
    {
        if (left == 0) {
            *cursor = app.id;
            break;
        }

        memset(&app, 0, sizeof(app));

        if (dur_registry_app_decode(k, v, &app) != DUR_OK || app.removed) {
            continue;
        }

        left--;

        rc = dur_depth_write_app(q, qv, &app);
        if (rc != DUR_OK) {
            break;
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static dur_rc_t
dur_depth_view(dur_query_t *q, const dur_query_queue_t *want,
    dur_depth_view_t **view)
{
    dur_str_t  row;

    *view = dur_arena_zalloc(&q->arena, sizeof(**view));
    if (*view == NULL) {
        return DUR_ENOMEM;
    }

    (*view)->want = want;
    dur_config_init(&(*view)->conf);

    if (dur_txn_get(q->txn, DUR_T_META, dur_str("config"), &row) == DUR_OK) {
        (void) dur_config_decode(row, &(*view)->conf);
    }

    return DUR_OK;
}


static dur_rc_t
dur_depth_read(dur_query_t *q, void *arg)
{
    dur_rc_t           rc;
    uint32_t           cursor;
    dur_buf_t         *out = q->out;
    dur_depth_view_t  *qv;

    rc = dur_depth_view(q, arg, &qv);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_addc(out, '{');
    dur_query_number(out, "ready", dur_txn_count(q->txn, DUR_T_READY));
    dur_query_number(out, "leased", dur_txn_count(q->txn, DUR_T_LEASE));
    dur_query_number(out, "blocked", dur_txn_count(q->txn, DUR_T_BLOCKED));

    rc = dur_depth_write_timers(q, qv->want->now);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_query_key(out, "apps");
    dur_buf_addc(out, '[');
    rc = dur_depth_write_apps(q, qv, &cursor);
    dur_buf_addc(out, ']');
    dur_query_key(out, "cursor");

    if (cursor) {
        dur_buf_addf(out, "\"%u\"", cursor);
    } else {
        dur_buf_addz(out, "null");
    }

    return rc == DUR_OK ? dur_buf_addc(out, '}') : rc;
}


dur_rc_t
dur_query_queue(dur_store_t *s, const dur_query_queue_t *want,
    dur_buf_t *out)
{
    return dur_query_read(s, out, dur_depth_read, (void *) want);
}


/* -- one function --------------------------------------------------------- */

typedef struct {
    dur_str_t          name;
    dur_query_queue_t  want;
} dur_depth_which_t;


static dur_rc_t
dur_depth_read_function(dur_query_t *q, void *arg)
{
    dur_rc_t                  rc;
    dur_function_t            fn;
    dur_depth_view_t         *qv;
    dur_depth_cell_t         *cell;
    dur_registered_app_t      app;
    const dur_depth_which_t  *which = arg;

    rc = dur_query_find_function(q, which->name, NULL, &fn);
    if (rc == DUR_OK) {
        rc = dur_query_app(q, fn.app, &app);
    }
    if (rc == DUR_OK) {
        rc = dur_depth_view(q, &which->want, &qv);
    }
    if (rc == DUR_OK) {
        rc = dur_depth_count(q, qv, fn.app);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    cell = dur_depth_cell(qv, fn.id);
    if (cell == NULL) {
        cell = &qv->cells[0];
        memset(cell, 0, sizeof(*cell));
    }

    dur_buf_addc(q->out, '{');
    dur_query_string(q->out, "app", app.name);
    dur_depth_write_cell(q, qv, cell, &fn);

    rc = dur_query_limits(q, &fn);

    return rc == DUR_OK ? dur_buf_addc(q->out, '}') : rc;
}


dur_rc_t
dur_query_function_queue(dur_store_t *s, dur_str_t function, int64_t now,
    dur_buf_t *out)
{
    dur_depth_which_t  which = { function, { 0, 0, now } };

    return dur_query_read(s, out, dur_depth_read_function, &which);
}
