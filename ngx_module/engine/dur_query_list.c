/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Pages of events and runs, newest first.  The keys are ULIDs, so a time is a
 * place in the table; what a filter looks at counts against a limit of work,
 * and a page that ends there has a cursor like any other.
 */

#include "engine/dur_query_core.h"
#include "engine/dur_event.h"
#include "engine/dur_filter.h"
#include "engine/dur_json.h"
#include "engine/dur_ulid.h"


#define DUR_QUERY_BYTES  (4 * 1024 * 1024)

/* Of a row: events that are longer are shown without their data, messages of
 * errors are cut, runs of an event counted so far. */
#define DUR_QUERY_DATA     (64 * 1024)
#define DUR_QUERY_MESSAGE  200
#define DUR_QUERY_RUNS     100

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
    dur_filter_t             filter;
    unsigned                 found;

    dur_rc_t               (*handler)(dur_query_t *q, dur_query_scan_t *scan,
                                      const dur_ulid_t *id, dur_str_t row);
};


static void
dur_query_scan_init(dur_query_scan_t *scan, const dur_query_list_t *want,
    dur_query_page_t *page)
{
    memset(scan, 0, sizeof(*scan));

    if (want->cursor != NULL) {
        scan->cursor = *want->cursor;
    }

    memset(page, 0, sizeof(*page));
    page->limit = want->limit;

    scan->want = want;
    scan->page = page;
}


/* The newest row that may be in the page. */
static dur_rc_t
dur_query_first(dur_query_scan_t *scan, dur_cursor_t *c, dur_str_t *k,
    dur_str_t *v)
{
    int64_t     ms;
    uint8_t     zero[10] = { 0 };
    dur_rc_t    rc;
    dur_ulid_t  bound;

    ms = scan->want->filter.before_ms;
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


/* Looks at one row, which the next page begins behind. */
static dur_rc_t
dur_query_page_look(dur_query_t *q, dur_query_scan_t *scan,
    const dur_ulid_t *id, dur_str_t row)
{
    int64_t            ms;
    dur_query_page_t  *page = scan->page;

    ms = (int64_t) dur_ulid_ms(id);

    page->oldest = ms;
    if (page->scanned++ == 0) {
        page->newest = ms;
    }

    page->cursor = *id;

    return scan->handler(q, scan, id, row);
}


static dur_rc_t
dur_query_page_row(dur_query_t *q, dur_query_scan_t *scan, dur_str_t k,
    dur_str_t v)
{
    dur_ulid_t  id;

    if (k.len != DUR_ULID_LEN) {
        return DUR_ECORRUPT;
    }

    memcpy(id.b, k.data, DUR_ULID_LEN);

    if ((int64_t) dur_ulid_ms(&id)
        < scan->want->filter.after_ms - DUR_QUERY_SLACK)
    {
        return DUR_ENOTFOUND;
    }

    return dur_query_page_look(q, scan, &id, v);
}


static bool
dur_query_page_is_full(const dur_query_t *q, const dur_query_scan_t *scan)
{
    return scan->found >= scan->want->limit
           || scan->filter.work >= DUR_FILTER_PAGE
           || (scan->want->scan && scan->page->scanned >= scan->want->scan)
           || dur_query_room(q, DUR_QUERY_BYTES) == 0;
}


static dur_rc_t
dur_query_page_walk(dur_query_t *q, dur_query_scan_t *scan)
{
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    rc = dur_cursor_open(q->txn, scan->table, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_query_first(scan, c, &k, &v);
         rc == DUR_OK;
         rc = dur_cursor_prev(c, &k, &v))
    {
        if (dur_query_page_is_full(q, scan)) {
            scan->page->more = true;
            break;
        }

        rc = dur_query_page_row(q, scan, k, v);
        if (rc != DUR_OK) {
            break;
        }
    }

    dur_cursor_close(c);

    return rc;
}


/* -- an id as a whole ----------------------------------------------------- */

/* The row of this id, unless it is before the page. */
static dur_rc_t
dur_query_exact_row(dur_query_t *q, dur_query_scan_t *scan,
    const dur_ulid_t *id)
{
    dur_rc_t   rc;
    dur_str_t  row;

    if (scan->want->cursor != NULL
        && memcmp(id->b, scan->cursor.b, DUR_ULID_LEN) >= 0)
    {
        return DUR_OK;
    }

    rc = dur_txn_get(q->txn, scan->table, dur_str_make(id->b, DUR_ULID_LEN),
                     &row);

    return rc == DUR_OK ? dur_query_page_look(q, scan, id, row)
           : rc == DUR_ENOTFOUND ? DUR_OK
           : rc;
}


/* The last run of the event before `next`; a debounce may hold it as well. */
static dur_rc_t
dur_query_exact_first(dur_cursor_t *c, const dur_ulid_t *event,
    const dur_ulid_t *next, dur_str_t *k)
{
    uint8_t   key[2 * DUR_ULID_LEN];
    dur_rc_t  rc;

    memcpy(key, event->b, DUR_ULID_LEN);
    memset(key + DUR_ULID_LEN, 0xff, DUR_ULID_LEN);

    if (next != NULL) {
        memcpy(key + DUR_ULID_LEN, next->b, DUR_ULID_LEN);
    }

    rc = dur_cursor_seek(c, dur_str_make(key, sizeof(key)), k, NULL);

    return rc == DUR_ENOTFOUND ? dur_cursor_last(c, k, NULL)
           : rc == DUR_OK ? dur_cursor_prev(c, k, NULL)
           : rc;
}


/*
 * Runs: the one of this id, and those of the event of this id.  The event of a
 * run that ended has its id, so it may be both.
 */
static dur_rc_t
dur_query_exact_runs(dur_query_t *q, dur_query_scan_t *scan)
{
    int                order;
    bool               own, full;
    dur_rc_t           rc;
    dur_str_t          k;
    dur_ulid_t         run;
    dur_cursor_t      *c;
    const dur_ulid_t  *id = &scan->filter.ulid;

    rc = dur_cursor_open(q->txn, DUR_T_EVENT_RUN, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    own = false;
    full = false;

    for (rc = dur_query_exact_first(c, id, scan->want->cursor ? &scan->cursor
                                                              : NULL, &k);
         rc == DUR_OK && k.len == 2 * DUR_ULID_LEN
         && memcmp(k.data, id->b, DUR_ULID_LEN) == 0;
         rc = dur_cursor_prev(c, &k, NULL))
    {
        full = dur_query_page_is_full(q, scan);
        if (full) {
            break;
        }

        memcpy(run.b, k.data + DUR_ULID_LEN, DUR_ULID_LEN);
        order = memcmp(run.b, id->b, DUR_ULID_LEN);

        if (!own && order < 0) {
            rc = dur_query_exact_row(q, scan, id);
        }

        own = own || order <= 0;

        rc = rc == DUR_OK ? dur_query_exact_row(q, scan, &run) : rc;
        if (rc != DUR_OK) {
            break;
        }
    }

    dur_cursor_close(c);

    scan->page->more = full;

    if (full || own || (rc != DUR_OK && rc != DUR_ENOTFOUND)) {
        return rc;
    }

    return dur_query_exact_row(q, scan, id);
}


static dur_rc_t
dur_query_page(dur_query_t *q, dur_query_scan_t *scan)
{
    dur_rc_t  rc;

    dur_buf_addc(q->out, '[');

    if (!scan->filter.exact) {
        rc = dur_query_page_walk(q, scan);

    } else if (scan->table == DUR_T_RUN) {
        rc = dur_query_exact_runs(q, scan);

    } else {
        rc = dur_query_exact_row(q, scan, &scan->filter.ulid);
    }

    dur_buf_addc(q->out, ']');

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* -- events --------------------------------------------------------------- */

static void
dur_query_begin_event(dur_buf_t *out, const dur_ulid_t *id,
    const dur_event_t *event)
{
    dur_query_comma(out);
    dur_buf_addc(out, '{');
    dur_query_ulid(out, "internal_id", id);
    dur_buf_addz(out, ",\"account_id\":\"" DUR_QUERY_ACCOUNT "\","
                 "\"environment_id\":\"" DUR_QUERY_ENVIRONMENT "\","
                 "\"source\":\"\",\"source_id\":null");
    dur_query_time(out, "received_at", event->received);
}


/* What the row says by itself. */
static void
dur_query_short_event(dur_buf_t *out, const dur_ulid_t *id,
    const dur_event_t *event)
{
    if (event->client_id.len) {
        dur_query_string(out, "id", event->client_id);
    } else {
        dur_query_ulid(out, "id", id);
    }

    dur_query_string(out, "name", event->name);
    dur_query_number(out, "ts", (uint64_t) event->ts);
    dur_buf_addz(out, ",\"data\":null");
}


/* The stored object goes on where ours ends. */
static dur_rc_t
dur_query_whole_event(dur_query_t *q, const dur_ulid_t *id,
    const dur_event_t *event)
{
    size_t    at;
    dur_rc_t  rc;

    dur_buf_reset(&q->scratch);

    rc = dur_payload_get(q->txn, id, &event->json, &q->scratch);

    if (rc == DUR_ECORRUPT || (rc == DUR_OK && q->scratch.len < 2)) {
        dur_query_short_event(q->out, id, event);

        return dur_buf_addz(q->out, ",\"incomplete\":true}");
    }

    if (rc != DUR_OK) {
        return rc;
    }

    at = q->out->len;

    rc = dur_query_shown(q, DUR_REDACT_EVENT, dur_buf_str(&q->scratch));

    if (rc == DUR_OK && q->out->data[at] == '{') {
        q->out->data[at] = ',';
        return DUR_OK;
    }

    q->out->len = at;
    dur_query_short_event(q->out, id, event);

    return dur_buf_addz(q->out, ",\"incomplete\":true}");
}


static dur_rc_t
dur_query_read_event(dur_query_t *q, void *id)
{
    dur_rc_t     rc;
    dur_event_t  event;

    rc = dur_event_get(q->txn, id, &event);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_query_begin_event(q->out, id, &event);

    return dur_query_whole_event(q, id, &event);
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


/* How many runs an event has, of the first ones. */
static dur_rc_t
dur_query_count_runs(dur_query_t *q, const dur_ulid_t *id, unsigned *n)
{
    dur_rc_t       rc;
    dur_str_t      k;
    dur_cursor_t  *c;

    static const uint8_t  held[12];

    *n = 0;

    rc = dur_cursor_open(q->txn, DUR_T_EVENT_RUN, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_str_make(id->b, DUR_ULID_LEN), &k, NULL);
         rc == DUR_OK && *n < DUR_QUERY_RUNS && k.len == 2 * DUR_ULID_LEN
         && memcmp(k.data, id->b, DUR_ULID_LEN) == 0;
         rc = dur_cursor_next(c, &k, NULL))
    {
        *n += memcmp(k.data + DUR_ULID_LEN, held, sizeof(held)) != 0;
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static dur_rc_t
dur_query_list_event(dur_query_t *q, dur_query_scan_t *scan,
    const dur_ulid_t *id, dur_str_t row)
{
    bool          match;
    dur_rc_t      rc;
    unsigned      runs;
    dur_event_t   event;

    /* a row that cannot be read says so when it is asked for by itself */

    if (dur_event_decode(row, &event) != DUR_OK) {
        return DUR_OK;
    }

    rc = dur_filter_event(&scan->filter, q->txn, id, &event, &match);

    if (rc == DUR_OK && match) {
        rc = dur_query_count_runs(q, id, &runs);
    }
    if (rc != DUR_OK || !match) {
        return rc;
    }

    scan->found++;

    dur_query_begin_event(q->out, id, &event);
    dur_query_number(q->out, "runs", runs);

    if (event.json.length <= DUR_QUERY_DATA
        || scan->want->shape != DUR_QUERY_LIST)
    {
        return dur_query_whole_event(q, id, &event);
    }

    dur_query_short_event(q->out, id, &event);
    dur_query_number(q->out, "data_bytes", event.json.length);

    return dur_buf_addc(q->out, '}');
}


static dur_rc_t
dur_query_read_events(dur_query_t *q, void *arg)
{
    dur_rc_t           rc;
    dur_query_scan_t  *scan = arg;

    rc = dur_filter_open_events(&scan->filter, &scan->want->filter,
                                scan->want->now_ms, scan->page->error);

    if (rc == DUR_OK) {
        rc = dur_query_page(q, scan);
        dur_filter_close(&scan->filter);
    }

    return rc;
}


dur_rc_t
dur_query_events(dur_store_t *s, const dur_query_list_t *want,
    dur_query_page_t *page, dur_buf_t *out)
{
    dur_query_scan_t  scan;

    dur_query_scan_init(&scan, want, page);
    scan.table = DUR_T_EVENT;
    scan.handler = dur_query_list_event;

    return dur_query_read(s, out, dur_query_read_events, &scan);
}


/* -- runs ----------------------------------------------------------------- */

static size_t
dur_query_cut(dur_str_t text, size_t max)
{
    if (text.len <= max) {
        return text.len;
    }

    while (max > 0 && (text.data[max] & 0xc0) == 0x80) {
        max--;
    }

    return max;
}


/* The beginning of the message of a run that failed. */
static dur_rc_t
dur_query_list_message(dur_query_t *q, dur_query_scan_t *scan,
    const dur_run_t *run)
{
    json_t     *root;
    dur_rc_t    rc;
    dur_str_t   value;

    if (run->status != DUR_RUN_FAILED
        || run->output.length > DUR_FILTER_BODY)
    {
        return DUR_OK;
    }

    dur_buf_reset(&q->scratch);
    scan->filter.work += run->output.length;

    rc = dur_payload_get(q->txn, &run->id, &run->output, &q->scratch);
    if (rc != DUR_OK) {
        return rc == DUR_ECORRUPT ? DUR_OK : rc;
    }

    if (dur_json_member(dur_buf_str(&q->scratch), dur_str("message"), &value)
        != DUR_OK)
    {
        return DUR_OK;
    }

    root = dur_json_parse(value, NULL);

    if (json_is_string(root)) {
        value = dur_str_make(json_string_value(root),
                             json_string_length(root));
        value.len = dur_query_cut(value, DUR_QUERY_MESSAGE);
        dur_query_message(q, "error", value);
    }

    json_decref(root);

    return DUR_OK;
}


/* What a row of a list has besides. */
static dur_rc_t
dur_query_list_more(dur_query_t *q, dur_query_scan_t *scan,
    const dur_run_t *run)
{
    dur_rc_t     rc;
    dur_buf_t   *out = q->out;
    dur_event_t  event;

    if (out->failed) {
        return DUR_OK;
    }

    out->len--;

    if (dur_event_get(q->txn, &run->event, &event) == DUR_OK) {
        dur_query_string(out, "event_name", event.name);
    } else {
        dur_buf_addz(out, ",\"event_name\":null");
    }

    dur_query_key(out, "duration_ms");

    if (run->ended) {
        dur_buf_addf(out, "%lld", (long long) dur_query_duration(run));
    } else {
        dur_buf_addz(out, "null");
    }

    dur_query_bool(out, "has_output", run->output.length != 0);

    rc = dur_query_list_message(q, scan, run);

    return rc == DUR_OK ? dur_buf_addc(out, '}') : rc;
}


static dur_rc_t
dur_query_list_run(dur_query_t *q, dur_query_scan_t *scan,
    const dur_ulid_t *id, dur_str_t row)
{
    bool       match;
    dur_rc_t   rc;
    dur_run_t  run;

    if (dur_run_decode(id, row, &run) != DUR_OK) {
        return DUR_OK;
    }

    rc = dur_filter_run(&scan->filter, q->txn, &run, &match);
    if (rc != DUR_OK || !match) {
        return rc;
    }

    scan->found++;

    rc = dur_query_write_run(q, &run, scan->want->shape);

    if (rc == DUR_OK && scan->want->shape == DUR_QUERY_LIST) {
        rc = dur_query_list_more(q, scan, &run);
    }

    return rc;
}


static dur_rc_t
dur_query_read_runs(dur_query_t *q, void *arg)
{
    dur_rc_t           rc;
    dur_query_scan_t  *scan = arg;

    rc = dur_filter_open_runs(&scan->filter, q->txn, &scan->want->filter,
                              scan->want->now_ms, scan->page->error);

    if (rc == DUR_OK) {
        rc = dur_query_page(q, scan);
        dur_filter_close(&scan->filter);
    }

    return rc;
}


dur_rc_t
dur_query_runs(dur_store_t *s, const dur_query_list_t *want,
    dur_query_page_t *page, dur_buf_t *out)
{
    dur_query_scan_t  scan;

    dur_query_scan_init(&scan, want, page);
    scan.table = DUR_T_RUN;
    scan.handler = dur_query_list_run;

    return dur_query_read(s, out, dur_query_read_runs, &scan);
}
