/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * GET /v1/routes, the deliveries of a route, and redeliveries.  A route is a
 * function that the event of a connector starts, whoever declared it; its
 * deliveries are its runs, which dur_query_list walks.
 */

#include "engine/dur_query_core.h"
#include "engine/dur_event.h"
#include "engine/dur_gateway.h"
#include "engine/dur_json.h"
#include "engine/dur_redelivery.h"
#include "engine/dur_ulid.h"


/* Records of one delivery that are looked at. */
#define DUR_DELIVERY_RECORDS  256


/* -- functions of connectors ---------------------------------------------- */

typedef dur_rc_t (*dur_delivery_route_pt)(dur_query_t *q,
    const dur_function_t *fn, dur_str_t connector, void *data);


/* Each connector of the function, as a rule one or none. */
static dur_rc_t
dur_delivery_connectors(dur_query_t *q, const dur_function_t *fn,
    dur_delivery_route_pt handler, void *data)
{
    size_t      i;
    json_t     *root, *trigger;
    dur_rc_t    rc;
    dur_str_t   event, connector;

    /* most functions are none: their configuration is not parsed */

    if (memmem(fn->config.data, fn->config.len, "webhooks.", 9) == NULL) {
        return DUR_OK;
    }

    root = dur_json_parse(fn->config, NULL);
    rc = DUR_OK;

    json_array_foreach(json_object_get(root, "triggers"), i, trigger) {
        if (rc == DUR_OK
            && dur_json_get_string(trigger, "event", &event) == DUR_OK
            && dur_redelivery_connector(event, &connector))
        {
            rc = handler(q, fn, connector, data);
        }
    }

    json_decref(root);

    return rc;
}


static dur_rc_t
dur_delivery_walk(dur_query_t *q, dur_delivery_route_pt handler, void *data)
{
    dur_rc_t        rc;
    dur_str_t       k, v;
    dur_cursor_t   *c;
    dur_function_t  fn;

    rc = dur_cursor_open(q->txn, DUR_T_FUNCTION, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_str_null, &k, &v);
         rc == DUR_OK;
         rc = dur_cursor_next(c, &k, &v))
    {
        if (dur_registry_function_decode(k, v, &fn) != DUR_OK) {
            continue;
        }

        rc = dur_delivery_connectors(q, &fn, handler, data);
        if (rc != DUR_OK) {
            break;
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


typedef struct {
    dur_str_t   connector;
    size_t      n;
    uint32_t   *ids;
} dur_delivery_ids_t;


static dur_rc_t
dur_delivery_add(dur_query_t *q, const dur_function_t *fn,
    dur_str_t connector, void *data)
{
    uint32_t            *ids;
    dur_delivery_ids_t  *x = data;

    if (!dur_str_eq(connector, x->connector)) {
        return DUR_OK;
    }

    /* few: a connector has one function, or one of each app */

    ids = dur_arena_alloc(&q->arena, (x->n + 1) * sizeof(uint32_t));
    if (ids == NULL) {
        return DUR_ENOMEM;
    }

    if (x->n) {
        memcpy(ids, x->ids, x->n * sizeof(uint32_t));
    }

    ids[x->n++] = fn->id;
    x->ids = ids;

    return DUR_OK;
}


dur_rc_t
dur_query_connector(dur_query_t *q, dur_str_t connector, uint32_t **ids,
    size_t *n)
{
    dur_rc_t            rc;
    dur_delivery_ids_t  x;

    memset(&x, 0, sizeof(x));
    x.connector = connector;

    rc = dur_delivery_walk(q, dur_delivery_add, &x);

    *ids = x.ids;
    *n = x.n;

    return (rc == DUR_OK && x.n == 0) ? DUR_ENOTFOUND : rc;
}


/* -- routes --------------------------------------------------------------- */

/* Zeroed while the app answers. */
static void
dur_delivery_target(dur_query_t *q, uint32_t app, dur_target_t *target)
{
    uint8_t    key[4];
    dur_str_t  row;

    dur_put32(key, app);

    if (dur_txn_get(q->txn, DUR_T_TARGET, dur_str_make(key, 4), &row)
        != DUR_OK
        || dur_target_decode(row, target) != DUR_OK)
    {
        memset(target, 0, sizeof(*target));
    }
}


static dur_rc_t
dur_delivery_write_route(dur_query_t *q, const dur_function_t *fn,
    dur_str_t connector, void *data)
{
    dur_rc_t               rc;
    dur_buf_t             *out = q->out;
    dur_target_t           target;
    dur_registered_app_t   app;

    (void) data;

    if (fn->archived) {
        return DUR_OK;
    }

    rc = dur_query_app(q, fn->app, &app);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_delivery_target(q, fn->app, &target);

    dur_query_comma(out);
    dur_buf_addc(out, '{');
    dur_query_string(out, "connector", connector);
    dur_query_string(out, "function", fn->slug);
    dur_query_string(out, "app", app.name);
    dur_query_bool(out, "forward", fn->kind == DUR_FUNCTION_FORWARD);
    dur_query_string(out, "url", dur_gateway_detail(app.url, &q->arena));
    dur_query_number(out, "retries", fn->retries);
    dur_query_bool(out, "ordered", app.ordered);
    dur_query_bool(out, "paused", fn->paused);
    dur_query_time(out, "parked_at", target.parked);

    if (target.parked) {
        dur_query_string(out, "error", dur_str_c(target.error));
    }

    return dur_buf_addc(out, '}');
}


static dur_rc_t
dur_delivery_routes(dur_query_t *q, void *arg)
{
    dur_rc_t  rc;

    (void) arg;

    dur_buf_addc(q->out, '[');
    rc = dur_delivery_walk(q, dur_delivery_write_route, NULL);

    return rc == DUR_OK ? dur_buf_addc(q->out, ']') : rc;
}


dur_rc_t
dur_query_routes(dur_store_t *s, dur_buf_t *out)
{
    return dur_query_read(s, out, dur_delivery_routes, NULL);
}


/* -- a delivery ----------------------------------------------------------- */

/* What its attempts say; `last` is borrowed, zeroed when there is none. */
static dur_rc_t
dur_delivery_attempts(dur_query_t *q, const dur_ulid_t *run,
    unsigned *attempts, dur_history_t *last)
{
    unsigned       i;
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;
    dur_history_t  h;

    *attempts = 0;
    memset(last, 0, sizeof(*last));

    rc = dur_cursor_open(q->txn, DUR_T_HISTORY, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_seek(c, dur_str_make(run->b, DUR_ULID_LEN), &k, &v);

    for (i = 0; rc == DUR_OK && i < DUR_DELIVERY_RECORDS; i++) {
        if (k.len < DUR_ULID_LEN
            || memcmp(k.data, run->b, DUR_ULID_LEN) != 0)
        {
            break;
        }

        if (dur_history_decode(v, &h) == DUR_OK) {
            *attempts += h.outcome == DUR_HISTORY_OK
                         || h.outcome == DUR_HISTORY_RETRY
                         || h.outcome == DUR_HISTORY_FAILED;
            *last = h;
        }

        rc = dur_cursor_next(c, &k, &v);
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* The event as its sender knows it. */
static void
dur_delivery_event(dur_query_t *q, const dur_run_t *run)
{
    dur_event_t  event;

    if (dur_event_get(q->txn, &run->event, &event) != DUR_OK) {
        dur_query_bool(q->out, "incomplete", true);
        return;
    }

    dur_query_time(q->out, "received_at", event.received);

    if (event.client_id.len) {
        dur_query_string(q->out, "delivery_id", event.client_id);
    }
}


dur_rc_t
dur_query_write_delivery(dur_query_t *q, const dur_run_t *run,
    const dur_function_t *fn)
{
    dur_rc_t        rc;
    unsigned        attempts;
    dur_buf_t      *out = q->out;
    dur_history_t   last;

    rc = dur_delivery_attempts(q, &run->id, &attempts, &last);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_query_ulid(out, "run_id", &run->id);
    dur_query_string(out, "status", dur_str_c(dur_query_status(q, run)));
    dur_query_string(out, "function", fn->slug);
    dur_query_ulid(out, "event_id", &run->event);
    dur_delivery_event(q, run);
    dur_query_time(out, "created_at", run->created);
    dur_query_time(out, "ended_at", run->ended);
    dur_query_number(out, "attempts", attempts);

    if (last.status) {
        dur_query_number(out, "http_status", last.status);
    }

    if (last.error.len) {
        dur_query_message(q, "error", last.error);
    }

    if (!dur_query_zero(&run->original)) {
        dur_query_ulid(out, "original_run_id", &run->original);
    }

    dur_query_bool(out, "redelivered", run->flags & DUR_RUN_F_REDELIVERED);

    return DUR_OK;
}
