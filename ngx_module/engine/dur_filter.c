/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_filter.h"
#include "engine/dur_expr_path.h"
#include "engine/dur_json.h"
#include "engine/dur_query_core.h"
#include "engine/dur_time.h"
#include "engine/dur_ulid.h"

#include <stdio.h>


/* What a row takes, in units: its header, its ids as text, each further row
 * that is looked up for it, a byte that is parsed, what the header is as an
 * object, a unit of an expression; and how many bytes are passed over for a
 * unit. */
#define DUR_FILTER_ROW     50
#define DUR_FILTER_ID      20
#define DUR_FILTER_LOOKUP  80
#define DUR_FILTER_BYTE    4
#define DUR_FILTER_HEADER  150
#define DUR_FILTER_STEP    2
#define DUR_FILTER_PASS    3

/* An event that is used more often is parsed as a whole. */
#define DUR_FILTER_USES    8


/* -- opening -------------------------------------------------------------- */

static dur_rc_t
dur_filter_missing(dur_rc_t rc, const char *what, dur_str_t name,
    char err[160])
{
    if (rc == DUR_ENOTFOUND) {
        snprintf(err, 160, "there is no %s \"%.*s\"", what,
                 (int) (name.len < 100 ? name.len : 100),
                 (const char *) name.data);
    }

    return rc;
}


static dur_rc_t
dur_filter_names(dur_filter_t *f, dur_query_t *q, char err[160])
{
    dur_rc_t                  rc;
    dur_function_t            fn;
    dur_registered_app_t      app;
    const dur_filter_want_t  *want = f->want;

    if (want->app.len) {
        rc = dur_query_find_app(q, want->app, &app);
        if (rc != DUR_OK) {
            return dur_filter_missing(rc, "app", want->app, err);
        }

        f->app = app.id;
    }

    if (want->function.len) {
        rc = dur_query_find_function(q, want->function,
                                     f->app ? &app : NULL, &fn);
        if (rc != DUR_OK) {
            return dur_filter_missing(rc, "function", want->function, err);
        }

        f->function = fn.id;
    }

    if (want->connector.len) {
        rc = dur_query_connector(q, want->connector, &f->functions,
                                 &f->nfunctions);
        if (rc != DUR_OK) {
            return dur_filter_missing(rc, "route", want->connector, err);
        }
    }

    return DUR_OK;
}


static dur_rc_t
dur_filter_compile(dur_filter_t *f, size_t nnames, char err[160])
{
    char       wrong[160];
    size_t     at;
    dur_rc_t   rc;
    dur_str_t  field;

    static const dur_str_t  names[] = {
        { (const uint8_t *) "output", 6 }, { (const uint8_t *) "run", 3 }
    };

    rc = dur_expr_compile_named(f->want->q, names, nnames, &f->expr, wrong);
    if (rc != DUR_OK) {
        snprintf(err, 160, "q: %.150s", wrong);
        return rc;
    }

    f->uses_event = dur_expr_count_event(f->expr);

    at = 0;
    f->uses_output = dur_expr_uses(f->expr, 0, &at, &field);

    at = 0;
    f->uses_run = dur_expr_uses(f->expr, 1, &at, &field);

    return DUR_OK;
}


static void
dur_filter_prepare(dur_filter_t *f, const dur_filter_want_t *want,
    int64_t now_ms, char err[160])
{
    size_t  i;

    err[0] = '\0';
    memset(f, 0, sizeof(*f));

    f->want = want;
    f->now_ms = now_ms;
    f->event = want->event;

    dur_arena_init(&f->names);
    dur_arena_init(&f->row);
    dur_buf_init(&f->scratch, DUR_FILTER_BODY);
    dur_buf_init(&f->shown, 16 * DUR_FILTER_BODY + 64);

    if (want->event.len && want->event.data[want->event.len - 1] == '*') {
        f->prefix = true;
        f->event.len--;
    }

    for (i = 0; i < want->id.len && i < DUR_ULID_TEXT_LEN; i++) {
        f->id[i] = (char) (want->id.data[i] >= 'a' ? want->id.data[i] & ~0x20
                                                   : want->id.data[i]);
    }

    f->nid = i;
    f->exact = dur_ulid_parse(want->id, &f->ulid) == DUR_OK;
}


dur_rc_t
dur_filter_open_runs(dur_filter_t *f, dur_txn_t *txn,
    const dur_filter_want_t *want, int64_t now_ms, char err[160])
{
    dur_rc_t     rc;
    dur_query_t  q;

    dur_filter_prepare(f, want, now_ms, err);

    memset(&q, 0, sizeof(q));
    q.txn = txn;
    q.arena = f->names;

    rc = dur_filter_names(f, &q, err);
    f->names = q.arena;

    if (rc == DUR_OK && want->q.len) {
        rc = dur_filter_compile(f, 2, err);
    }

    if (rc != DUR_OK) {
        dur_filter_close(f);
    }

    return rc;
}


dur_rc_t
dur_filter_open_events(dur_filter_t *f, const dur_filter_want_t *want,
    int64_t now_ms, char err[160])
{
    dur_rc_t  rc;

    dur_filter_prepare(f, want, now_ms, err);

    rc = want->q.len ? dur_filter_compile(f, 0, err) : DUR_OK;

    if (rc != DUR_OK) {
        dur_filter_close(f);
    }

    return rc;
}


void
dur_filter_close(dur_filter_t *f)
{
    dur_expr_free(f->expr);
    dur_arena_deinit(&f->names);
    dur_arena_deinit(&f->row);
    dur_buf_deinit(&f->scratch);
    dur_buf_deinit(&f->shown);
}


/* -- cheap questions ------------------------------------------------------ */

static bool
dur_filter_has_function(const dur_filter_t *f, uint32_t function)
{
    size_t  i;

    for (i = 0; i < f->nfunctions; i++) {
        if (f->functions[i] == function) {
            return true;
        }
    }

    return f->want->connector.len == 0;
}


/* A live run is scheduled or running, which only its lease tells. */
static bool
dur_filter_has_status(dur_filter_t *f, dur_txn_t *txn, const dur_run_t *run)
{
    unsigned  live, wanted = f->want->statuses;

    if (wanted == 0 || run->status != DUR_RUN_LIVE) {
        return wanted == 0 || (wanted & 1u << run->status);
    }

    live = wanted & DUR_QUERY_LIVE;

    if (live == 0 || live == DUR_QUERY_LIVE) {
        return live != 0;
    }

    f->work += DUR_FILTER_LOOKUP;

    return (wanted & dur_query_status_bit(txn, run)) != 0;
}


static bool
dur_filter_has_text(const dur_filter_t *f, const dur_ulid_t *id)
{
    char  text[DUR_ULID_TEXT_LEN + 1];

    dur_ulid_text(id, text);

    return memmem(text, DUR_ULID_TEXT_LEN, f->id, f->nid) != NULL;
}


static bool
dur_filter_is_event(const dur_filter_t *f, dur_str_t name)
{
    if (!f->prefix) {
        return f->event.len == 0 || dur_str_eq(f->event, name);
    }

    return name.len >= f->event.len
           && memcmp(name.data, f->event.data, f->event.len) == 0;
}


/* The run of one of its events; of a batch that may be any of them. */
static dur_rc_t
dur_filter_is_run(dur_filter_t *f, dur_txn_t *txn, const dur_run_t *run,
    bool *is)
{
    uint8_t    key[2 * DUR_ULID_LEN];
    dur_rc_t   rc;
    dur_str_t  row;

    *is = memcmp(run->id.b, f->ulid.b, DUR_ULID_LEN) == 0
          || memcmp(run->event.b, f->ulid.b, DUR_ULID_LEN) == 0;

    if (*is || !(run->flags & DUR_RUN_F_BATCH)) {
        return DUR_OK;
    }

    memcpy(key, f->ulid.b, DUR_ULID_LEN);
    memcpy(key + DUR_ULID_LEN, run->id.b, DUR_ULID_LEN);
    f->work += DUR_FILTER_LOOKUP;

    rc = dur_txn_get(txn, DUR_T_EVENT_RUN, dur_str_make(key, sizeof(key)),
                     &row);
    *is = rc == DUR_OK;

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* -- the expression ------------------------------------------------------- */

/* Borrowed until the next one.  DUR_ENOTFOUND: it is not whole, or too large.
 */
static dur_rc_t
dur_filter_text(dur_filter_t *f, dur_txn_t *txn, const dur_ulid_t *owner,
    const dur_payload_t *body, dur_str_t *text)
{
    dur_rc_t  rc;

    if (body->length > DUR_FILTER_BODY) {
        return DUR_ENOTFOUND;
    }

    if (body->where == 1) {
        *text = body->bytes;
        return DUR_OK;
    }

    dur_buf_reset(&f->scratch);
    f->work += DUR_FILTER_LOOKUP
               * (1 + body->length / (uint64_t) DUR_PAYLOAD_ROW);

    rc = dur_payload_get(txn, owner, body, &f->scratch);
    *text = dur_buf_str(&f->scratch);

    return rc == DUR_ECORRUPT ? DUR_ENOTFOUND : rc;
}


/* As people see it: else an expression would tell what is hidden. */
static dur_rc_t
dur_filter_shown(dur_filter_t *f, dur_txn_t *txn, dur_str_t *text)
{
    dur_rc_t             rc;
    const dur_redact_t  *redact;

    redact = dur_txn_redact(txn);

    if (redact == NULL) {
        return DUR_OK;
    }

    dur_buf_reset(&f->shown);
    f->work += DUR_FILTER_BYTE * (uint64_t) text->len;

    rc = dur_redact_json(redact, f->what, *text, &f->shown);
    *text = dur_buf_str(&f->shown);

    return rc == DUR_EINVAL ? DUR_ENOTFOUND : rc;
}


static dur_rc_t
dur_filter_body(dur_filter_t *f, dur_txn_t *txn, const dur_ulid_t *owner,
    const dur_payload_t *body, json_t **value)
{
    dur_rc_t   rc;
    dur_str_t  text;

    *value = NULL;

    rc = dur_filter_text(f, txn, owner, body, &text);
    if (rc == DUR_OK) {
        rc = dur_filter_shown(f, txn, &text);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    f->work += DUR_FILTER_BYTE * (uint64_t) text.len;
    *value = dur_json_parse(text, NULL);

    return *value ? DUR_OK : DUR_ENOTFOUND;
}


/* The event, or what the expression uses of it. */
static dur_rc_t
dur_filter_event_body(dur_filter_t *f, dur_txn_t *txn, const dur_ulid_t *id,
    const dur_payload_t *body, json_t **event)
{
    dur_rc_t   rc;
    dur_str_t  text;

    *event = NULL;
    f->what = DUR_REDACT_EVENT;

    if (f->uses_event > DUR_FILTER_USES) {
        return dur_filter_body(f, txn, id, body, event);
    }

    rc = dur_filter_text(f, txn, id, body, &text);
    if (rc == DUR_OK) {
        rc = dur_filter_shown(f, txn, &text);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    f->work += f->uses_event
               * (DUR_FILTER_LOOKUP + text.len / DUR_FILTER_PASS);
    *event = dur_expr_project_text(f->expr, text);

    return *event ? DUR_OK : DUR_ENOTFOUND;
}


/* A run has no output, null, until it ends. */
static dur_rc_t
dur_filter_output(dur_filter_t *f, dur_txn_t *txn, const dur_run_t *run,
    json_t **output)
{
    if (!f->uses_output || run->output.length == 0) {
        *output = json_null();
        return DUR_OK;
    }

    f->what = run->status == DUR_RUN_COMPLETED ? DUR_REDACT_VALUE
                                               : DUR_REDACT_ERROR;

    return dur_filter_body(f, txn, &run->id, &run->output, output);
}


static json_t *
dur_filter_string(dur_str_t text)
{
    return json_stringn_nocheck((const char *) text.data, text.len);
}


static json_t *
dur_filter_time(int64_t ms)
{
    char  text[32];

    if (ms == 0) {
        return json_null();
    }

    dur_rfc3339_text(ms, text);

    return json_string_nocheck(text);
}


/* What the header says, under the names that the lists have. */
static json_t *
dur_filter_header(dur_filter_t *f, dur_txn_t *txn, const dur_run_t *run)
{
    char                   id[DUR_ULID_TEXT_LEN + 1];
    json_t                *root;
    dur_query_t            q;
    dur_function_t         fn;
    dur_registered_app_t   app;

    memset(&q, 0, sizeof(q));
    q.txn = txn;

    root = json_object();
    f->work += 3 * DUR_FILTER_LOOKUP + DUR_FILTER_HEADER;

    (void) dur_query_app(&q, run->app, &app);
    (void) dur_query_function(&q, run->function, &fn);
    dur_ulid_text(&run->id, id);

    json_object_set_new_nocheck(root, "id", json_string_nocheck(id));
    json_object_set_new_nocheck(root, "status",
                                json_string_nocheck(dur_query_status(&q,
                                                                     run)));
    json_object_set_new_nocheck(root, "app", dur_filter_string(app.name));
    json_object_set_new_nocheck(root, "function", dur_filter_string(fn.slug));
    json_object_set_new_nocheck(root, "version", json_integer(run->version));
    json_object_set_new_nocheck(root, "steps", json_integer(run->steps));
    json_object_set_new_nocheck(root, "events",
                                json_integer(run->nevents ? run->nevents
                                                          : 1));
    json_object_set_new_nocheck(root, "created_at",
                                dur_filter_time(run->created));
    json_object_set_new_nocheck(root, "started_at",
                                dur_filter_time(run->started));
    json_object_set_new_nocheck(root, "ended_at",
                                dur_filter_time(run->ended));
    json_object_set_new_nocheck(root, "duration_ms",
                                run->ended
                                ? json_integer(dur_query_duration(run))
                                : json_null());

    return root;
}


static dur_rc_t
dur_filter_true(dur_filter_t *f, const json_t *event,
    const json_t *const *named, bool *match)
{
    dur_rc_t          rc;
    dur_expr_vars_t   vars;
    dur_expr_truth_t  truth;

    memset(&vars, 0, sizeof(vars));
    vars.event = event;
    vars.now_ms = f->now_ms;

    rc = dur_expr_true_named(f->expr, &vars, named, &f->row, &truth);

    *match = rc == DUR_OK && truth.value;
    f->work += DUR_FILTER_STEP * truth.work;
    dur_arena_reset(&f->row);

    return rc;
}


static dur_rc_t
dur_filter_ask_run(dur_filter_t *f, dur_txn_t *txn, const dur_run_t *run,
    bool *match)
{
    json_t        *event, *output, *header;
    dur_rc_t       rc;
    dur_event_t    row;
    const json_t  *named[2];

    event = NULL;
    output = NULL;
    header = NULL;
    rc = DUR_OK;

    if (f->uses_event) {
        f->work += DUR_FILTER_LOOKUP;
        rc = dur_event_get(txn, &run->event, &row);

        if (rc == DUR_OK) {
            rc = dur_filter_event_body(f, txn, &run->event, &row.json,
                                       &event);
        }
    }

    if (rc == DUR_OK) {
        rc = dur_filter_output(f, txn, run, &output);
    }

    if (rc == DUR_OK && f->uses_run) {
        header = dur_filter_header(f, txn, run);
    }

    if (rc == DUR_OK) {
        named[0] = output;
        named[1] = header;
        rc = dur_filter_true(f, event, named, match);
    }

    json_decref(event);
    json_decref(output);
    json_decref(header);

    return rc;
}


/* What was there and is not whole any more is no match. */
static dur_rc_t
dur_filter_gone(dur_rc_t rc)
{
    return (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) ? DUR_OK : rc;
}


/* -- asking --------------------------------------------------------------- */

static dur_rc_t
dur_filter_look(dur_filter_t *f, dur_txn_t *txn, const dur_run_t *run,
    bool *match)
{
    bool         is;
    dur_rc_t     rc;
    dur_event_t  row;

    if (f->exact) {
        rc = dur_filter_is_run(f, txn, run, &is);
        if (rc != DUR_OK || !is) {
            return rc;
        }

    } else if (f->nid) {
        f->work += DUR_FILTER_ID;

        if (!dur_filter_has_text(f, &run->id)
            && !dur_filter_has_text(f, &run->event))
        {
            return DUR_OK;
        }
    }

    if (f->event.len) {
        f->work += DUR_FILTER_LOOKUP;
        rc = dur_event_get(txn, &run->event, &row);

        if (rc != DUR_OK || !dur_filter_is_event(f, row.name)) {
            return rc;
        }
    }

    if (f->expr != NULL) {
        return dur_filter_ask_run(f, txn, run, match);
    }

    *match = true;

    return DUR_OK;
}


dur_rc_t
dur_filter_run(dur_filter_t *f, dur_txn_t *txn, const dur_run_t *run,
    bool *match)
{
    const dur_filter_want_t  *want = f->want;

    *match = false;
    f->work += DUR_FILTER_ROW;

    if ((f->app && run->app != f->app)
        || (f->function && run->function != f->function)
        || !dur_filter_has_function(f, run->function)
        || (!f->exact && (run->created < want->after_ms
                          || run->created >= want->before_ms))
        || !dur_filter_has_status(f, txn, run))
    {
        return DUR_OK;
    }

    return dur_filter_gone(dur_filter_look(f, txn, run, match));
}


dur_rc_t
dur_filter_event(dur_filter_t *f, dur_txn_t *txn, const dur_ulid_t *id,
    const dur_event_t *event, bool *match)
{
    json_t                   *root;
    dur_rc_t                  rc;
    const dur_filter_want_t  *want = f->want;

    *match = false;
    f->work += DUR_FILTER_ROW;

    if ((!f->exact && (event->received < want->after_ms
                       || event->received >= want->before_ms))
        || !dur_filter_is_event(f, event->name)
        || (f->nid && !dur_filter_has_text(f, id)))
    {
        return DUR_OK;
    }

    if (f->expr == NULL) {
        *match = true;
        return DUR_OK;
    }

    rc = dur_filter_event_body(f, txn, id, &event->json, &root);

    if (rc == DUR_OK) {
        rc = dur_filter_true(f, root, NULL, match);
        json_decref(root);
    }

    return dur_filter_gone(rc);
}
