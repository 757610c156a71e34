/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Pages of events and runs, newest first.  The keys are ULIDs, so a time is a
 * place in the table; what a filter skips counts against a limit of work, and
 * a page that ends there has a cursor like any other.
 */

#include "engine/dur_query_core.h"
#include "engine/dur_event.h"
#include "engine/dur_json.h"
#include "engine/dur_ulid.h"


#define DUR_QUERY_SCAN   10000
#define DUR_QUERY_BYTES  (4 * 1024 * 1024)

/* Senders may make ids by their own clock, and an event may wait for its
 * commit; a clock that is off by more is not looked for. */
#define DUR_QUERY_SLACK  (5 * 60 * (int64_t) 1000)

#define DUR_QUERY_MS_MAX  (((int64_t) 1 << 48) - 1)


typedef struct dur_query_scan_s  dur_query_scan_t;

struct dur_query_scan_s {
    const dur_query_list_t  *want;
    dur_ulid_t               cursor;    /* a copy: the caller may have it in
                                           the page */
    dur_query_page_t        *page;
    dur_table_t              table;
    uint32_t                 app;       /* runs: of this one, 0: any */
    uint32_t                 function;
    size_t                   nfunctions;    /* of the connector, if any */
    uint32_t                *functions;
    unsigned                 found;

    dur_rc_t               (*handler)(dur_query_t *q, dur_query_scan_t *scan,
                                      const dur_ulid_t *id, dur_str_t row);
};


/* The newest row that may be in the page. */
static dur_rc_t
dur_query_first(dur_query_scan_t *scan, dur_cursor_t *c, dur_str_t *k,
    dur_str_t *v)
{
    int64_t     ms;
    uint8_t     zero[10] = { 0 };
    dur_rc_t    rc;
    dur_ulid_t  bound;

    ms = scan->want->before_ms;
    ms = (ms > DUR_QUERY_MS_MAX - DUR_QUERY_SLACK) ? DUR_QUERY_MS_MAX
                                                   : ms + DUR_QUERY_SLACK;

    dur_ulid_make(&bound, (uint64_t) (ms < 0 ? 0 : ms), zero);

    if (scan->want->cursor != NULL
        && memcmp(scan->cursor.b, bound.b, DUR_ULID_LEN) < 0)
    {
        bound = scan->cursor;
    }

    rc = dur_cursor_seek(c, dur_str_make(bound.b, DUR_ULID_LEN), k, v);

    return rc == DUR_ENOTFOUND ? dur_cursor_last(c, k, v)
           : rc == DUR_OK ? dur_cursor_prev(c, k, v)
           : rc;
}


static dur_rc_t
dur_query_page_row(dur_query_t *q, dur_query_scan_t *scan, dur_str_t k,
    dur_str_t v)
{
    int64_t            ms;
    dur_ulid_t         id;
    dur_query_page_t  *page = scan->page;

    if (k.len != DUR_ULID_LEN) {
        return DUR_ECORRUPT;
    }

    memcpy(id.b, k.data, DUR_ULID_LEN);
    ms = (int64_t) dur_ulid_ms(&id);

    if (ms < scan->want->after_ms - DUR_QUERY_SLACK) {
        return DUR_ENOTFOUND;
    }

    page->oldest = ms;
    if (page->scanned++ == 0) {
        page->newest = ms;
    }

    page->cursor = id;

    return scan->handler(q, scan, &id, v);
}


static dur_rc_t
dur_query_page(dur_query_t *q, dur_query_scan_t *scan)
{
    unsigned           limit;
    dur_rc_t           rc;
    dur_str_t          k, v;
    dur_cursor_t      *c;
    dur_query_page_t  *page = scan->page;

    if (scan->want->cursor != NULL) {
        scan->cursor = *scan->want->cursor;
    }

    memset(page, 0, sizeof(*page));
    page->limit = scan->want->limit;
    limit = scan->want->scan ? scan->want->scan : DUR_QUERY_SCAN;

    rc = dur_cursor_open(q->txn, scan->table, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_addc(q->out, '[');

    for (rc = dur_query_first(scan, c, &k, &v);
         rc == DUR_OK;
         rc = dur_cursor_prev(c, &k, &v))
    {
        if (scan->found >= scan->want->limit || page->scanned >= limit
            || dur_query_room(q, DUR_QUERY_BYTES) == 0)
        {
            page->more = true;
            break;
        }

        rc = dur_query_page_row(q, scan, k, v);
        if (rc != DUR_OK) {
            break;
        }
    }

    dur_cursor_close(c);
    dur_buf_addc(q->out, ']');

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* -- events --------------------------------------------------------------- */

static dur_rc_t
dur_query_write_event(dur_query_t *q, const dur_ulid_t *id,
    const dur_event_t *event)
{
    dur_rc_t    rc;
    dur_buf_t  *out = q->out;

    dur_query_comma(out);
    dur_buf_addc(out, '{');
    dur_query_ulid(out, "internal_id", id);
    dur_buf_addz(out, ",\"account_id\":\"" DUR_QUERY_ACCOUNT "\","
                 "\"environment_id\":\"" DUR_QUERY_ENVIRONMENT "\","
                 "\"source\":\"\",\"source_id\":null");
    dur_query_time(out, "received_at", event->received);

    dur_buf_reset(&q->scratch);

    rc = dur_payload_get(q->txn, id, &event->json, &q->scratch);

    if (rc == DUR_ECORRUPT || (rc == DUR_OK && q->scratch.len < 2)) {
        dur_query_string(out, "name", event->name);
        dur_query_number(out, "ts", (uint64_t) event->ts);

        return dur_buf_addz(out, ",\"data\":null,\"incomplete\":true}");
    }

    if (rc != DUR_OK) {
        return rc;
    }

    /* the stored object goes on where ours ends */

    dur_buf_addc(out, ',');

    return dur_buf_add(out, q->scratch.data + 1, q->scratch.len - 1);
}


static dur_rc_t
dur_query_read_event(dur_query_t *q, void *id)
{
    dur_rc_t     rc;
    dur_event_t  event;

    rc = dur_event_get(q->txn, id, &event);

    return rc == DUR_OK ? dur_query_write_event(q, id, &event) : rc;
}


dur_rc_t
dur_query_event(dur_store_t *s, const dur_ulid_t *id, dur_buf_t *out)
{
    return dur_query_read(s, out, dur_query_read_event, (void *) id);
}


typedef struct {
    const dur_ulid_t  *id;
    size_t             max;
} dur_query_text_t;


static dur_rc_t
dur_query_read_event_text(dur_query_t *q, void *arg)
{
    dur_rc_t           rc;
    dur_event_t        event;
    dur_query_text_t  *want = arg;

    rc = dur_event_get(q->txn, want->id, &event);

    if (rc == DUR_OK && event.json.length > want->max) {
        rc = DUR_ETOOBIG;
    }
    if (rc == DUR_OK) {
        rc = dur_payload_get(q->txn, want->id, &event.json, q->out);
    }

    return rc == DUR_ECORRUPT ? DUR_ENOTFOUND : rc;
}


dur_rc_t
dur_query_event_text(dur_store_t *s, const dur_ulid_t *id, size_t max,
    dur_buf_t *out)
{
    dur_query_text_t  want;

    want.id = id;
    want.max = max;

    return dur_query_read(s, out, dur_query_read_event_text, &want);
}


static dur_rc_t
dur_query_list_event(dur_query_t *q, dur_query_scan_t *scan,
    const dur_ulid_t *id, dur_str_t row)
{
    dur_event_t              event;
    const dur_query_list_t  *want = scan->want;

    /* a row that cannot be read says so when it is asked for by itself */

    if (dur_event_decode(row, &event) != DUR_OK) {
        return DUR_OK;
    }

    if (event.received < want->after_ms || event.received >= want->before_ms
        || (want->name.len && !dur_str_eq(want->name, event.name)))
    {
        return DUR_OK;
    }

    scan->found++;

    return dur_query_write_event(q, id, &event);
}


static dur_rc_t
dur_query_read_events(dur_query_t *q, void *arg)
{
    return dur_query_page(q, arg);
}


dur_rc_t
dur_query_events(dur_store_t *s, const dur_query_list_t *want,
    dur_query_page_t *page, dur_buf_t *out)
{
    dur_query_scan_t  scan;

    memset(&scan, 0, sizeof(scan));
    scan.want = want;
    scan.page = page;
    scan.table = DUR_T_EVENT;
    scan.handler = dur_query_list_event;

    return dur_query_read(s, out, dur_query_read_events, &scan);
}


/* -- runs ----------------------------------------------------------------- */

static bool
dur_query_is_of(const dur_query_scan_t *scan, uint32_t function)
{
    size_t  i;

    for (i = 0; i < scan->nfunctions; i++) {
        if (scan->functions[i] == function) {
            return true;
        }
    }

    return scan->want->connector.len == 0;
}


static dur_rc_t
dur_query_list_run(dur_query_t *q, dur_query_scan_t *scan,
    const dur_ulid_t *id, dur_str_t row)
{
    dur_run_t                run;
    const dur_query_list_t  *want = scan->want;

    (void) row;

    if (dur_run_get(q->txn, id, &run) != DUR_OK) {
        return DUR_OK;
    }

    if ((scan->app && run.app != scan->app)
        || (scan->function && run.function != scan->function)
        || !dur_query_is_of(scan, run.function)
        || run.created < want->after_ms || run.created >= want->before_ms)
    {
        return DUR_OK;
    }

    if (want->statuses
        && !(want->statuses
             & dur_query_status_mask(dur_str_c(dur_query_status(q, &run)))))
    {
        return DUR_OK;
    }

    scan->found++;

    return dur_query_write_run(q, &run, want->shape);
}


static dur_rc_t
dur_query_read_runs(dur_query_t *q, void *arg)
{
    dur_rc_t               rc;
    dur_function_t         fn;
    dur_query_scan_t      *scan = arg;
    dur_registered_app_t   app;

    if (scan->want->app.len) {
        rc = dur_query_find_app(q, scan->want->app, &app);
        if (rc != DUR_OK) {
            return rc;
        }

        scan->app = app.id;
    }

    if (scan->want->function.len) {
        rc = dur_query_find_function(q, scan->want->function,
                                     scan->app ? &app : NULL, &fn);
        if (rc != DUR_OK) {
            return rc;
        }

        scan->function = fn.id;
    }

    if (scan->want->connector.len) {
        rc = dur_query_connector(q, scan->want->connector, &scan->functions,
                                 &scan->nfunctions);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    return dur_query_page(q, scan);
}


dur_rc_t
dur_query_runs(dur_store_t *s, const dur_query_list_t *want,
    dur_query_page_t *page, dur_buf_t *out)
{
    dur_query_scan_t  scan;

    memset(&scan, 0, sizeof(scan));
    scan.want = want;
    scan.page = page;
    scan.table = DUR_T_RUN;
    scan.handler = dur_query_list_run;

    return dur_query_read(s, out, dur_query_read_runs, &scan);
}
