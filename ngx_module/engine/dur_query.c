/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_query_core.h"
#include "engine/dur_json.h"
#include "engine/dur_time.h"
#include "engine/dur_ulid.h"


#define DUR_QUERY_SCRATCH  (64 * 1024 * 1024)


dur_rc_t
dur_query_read(dur_store_t *s, dur_buf_t *out, dur_query_pt handler,
    void *arg)
{
    dur_rc_t     rc;
    dur_query_t  q;

    memset(&q, 0, sizeof(q));
    q.out = out;
    q.start = out->len;
    q.redact = dur_store_redact(s);

    rc = dur_txn_begin(s, false, &q.txn);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_init(&q.scratch, DUR_QUERY_SCRATCH);
    dur_arena_init(&q.arena);

    rc = handler(&q, arg);

    dur_txn_abort(q.txn);
    dur_arena_deinit(&q.arena);
    dur_buf_deinit(&q.scratch);

    if (rc == DUR_OK && out->failed) {
        rc = DUR_ETOOBIG;
    }

    if (rc != DUR_OK) {
        out->len = q.start;
        out->failed = false;
    }

    return rc;
}


/* -- members -------------------------------------------------------------- */

void
dur_query_comma(dur_buf_t *out)
{
    uint8_t  last;

    last = out->len ? out->data[out->len - 1] : '{';

    if (last != '{' && last != '[' && last != ':') {
        dur_buf_addc(out, ',');
    }
}


void
dur_query_key(dur_buf_t *out, const char *key)
{
    dur_query_comma(out);
    dur_buf_addf(out, "\"%s\":", key);
}


void
dur_query_string(dur_buf_t *out, const char *key, dur_str_t value)
{
    dur_query_key(out, key);
    dur_json_write_string(out, value);
}


void
dur_query_number(dur_buf_t *out, const char *key, uint64_t value)
{
    dur_query_key(out, key);
    dur_buf_addf(out, "%llu", (unsigned long long) value);
}


void
dur_query_bool(dur_buf_t *out, const char *key, bool value)
{
    dur_query_key(out, key);
    dur_buf_addz(out, value ? "true" : "false");
}


void
dur_query_time(dur_buf_t *out, const char *key, int64_t ms)
{
    char  text[32];

    dur_query_key(out, key);

    if (ms == 0) {
        dur_buf_addz(out, "null");
        return;
    }

    dur_rfc3339_text(ms, text);
    dur_buf_addf(out, "\"%s\"", text);
}


void
dur_query_ulid(dur_buf_t *out, const char *key, const dur_ulid_t *id)
{
    char  text[DUR_ULID_TEXT_LEN + 1];

    dur_ulid_text(id, text);
    dur_query_key(out, key);
    dur_buf_addf(out, "\"%s\"", text);
}


void
dur_query_uuid(dur_buf_t *out, const char *key, const char *kind,
    dur_str_t name)
{
    char  text[DUR_UUID_TEXT_LEN + 1];

    dur_uuid5(kind, name, text);
    dur_query_key(out, key);
    dur_buf_addf(out, "\"%s\"", text);
}


void
dur_query_function_uuid(dur_buf_t *out, const char *key,
    const dur_function_t *fn)
{
    char  text[DUR_UUID_TEXT_LEN + 1];

    dur_registry_function_uuid(fn, text);
    dur_query_key(out, key);
    dur_buf_addf(out, "\"%s\"", text);
}


bool
dur_query_zero(const dur_ulid_t *id)
{
    static const dur_ulid_t  zero;

    return memcmp(id, &zero, sizeof(zero)) == 0;
}


size_t
dur_query_room(const dur_query_t *q, size_t max)
{
    size_t  used;

    used = q->out->len - q->start;

    return used < max ? max - used : 0;
}


/* What cannot be looked through is not shown at all. */
dur_rc_t
dur_query_shown(dur_query_t *q, dur_redact_what_t what, dur_str_t text)
{
    dur_rc_t  rc;

    if (q->redact == NULL) {
        return dur_buf_add(q->out, text.data, text.len);
    }

    rc = dur_redact_json(q->redact, what, text, q->out);

    return rc == DUR_EINVAL
           ? dur_buf_addz(q->out, "\"" DUR_REDACT_TEXT "\"") : rc;
}


void
dur_query_message(dur_query_t *q, const char *key, dur_str_t text)
{
    dur_buf_t  b;

    if (q->redact == NULL) {
        dur_query_string(q->out, key, text);
        return;
    }

    dur_buf_init(&b, 2 * text.len + sizeof(DUR_REDACT_TEXT) * 8);

    if (dur_redact_message(q->redact, text, &b) == DUR_OK) {
        dur_query_string(q->out, key, dur_buf_str(&b));
    } else {
        dur_query_string(q->out, key, dur_str(DUR_REDACT_TEXT));
    }

    dur_buf_deinit(&b);
}


/* Retention takes a run away in pieces. */
static dur_rc_t
dur_query_payload(dur_query_t *q, const dur_ulid_t *owner,
    const dur_payload_t *body, dur_redact_what_t what)
{
    size_t    length;
    dur_rc_t  rc;

    length = q->out->len;

    if (q->redact == NULL) {
        rc = dur_payload_get(q->txn, owner, body, q->out);

    } else {
        dur_buf_reset(&q->scratch);
        rc = dur_payload_get(q->txn, owner, body, &q->scratch);

        if (rc == DUR_OK) {
            rc = dur_query_shown(q, what, dur_buf_str(&q->scratch));
        }
    }

    if (rc != DUR_ECORRUPT) {
        return rc;
    }

    q->out->len = length;

    return dur_buf_addz(q->out, "null,\"incomplete\":true");
}


/* True when there is a value to write. */
static bool
dur_query_begin_body(dur_query_t *q, const char *key,
    const dur_payload_t *body, size_t max)
{
    dur_query_key(q->out, key);

    if (body->length == 0) {
        dur_buf_addz(q->out, "null");
        return false;
    }

    if (body->length > max) {
        dur_buf_addf(q->out, "null,\"%s_bytes\":%u", key, body->length);
        return false;
    }

    return true;
}


dur_rc_t
dur_query_body(dur_query_t *q, const char *key, const dur_ulid_t *owner,
    const dur_payload_t *body, size_t max)
{
    return dur_query_begin_body(q, key, body, max)
           ? dur_query_payload(q, owner, body,
                               strcmp(key, "error") == 0 ? DUR_REDACT_ERROR
                                                         : DUR_REDACT_VALUE)
           : DUR_OK;
}


dur_rc_t
dur_query_result(dur_query_t *q, const char *key, const dur_run_t *run,
    size_t max)
{
    return dur_query_begin_body(q, key, &run->output, max)
           ? dur_query_payload(q, &run->id, &run->output,
                               run->status == DUR_RUN_COMPLETED
                               ? DUR_REDACT_VALUE : DUR_REDACT_ERROR)
           : DUR_OK;
}


/* -- items ---------------------------------------------------------------- */

dur_table_t
dur_query_item(dur_query_t *q, const dur_run_t *run, const dur_step_t *step,
    dur_item_t *item)
{
    memset(item, 0, sizeof(*item));

    item->id = step ? step->item : run->discovery;

    if (item->id == 0) {
        return DUR_T_MAX;
    }

    item->app = step ? dur_step_app(run, step) : run->app;
    item->function = run->function;
    item->score = dur_run_score(run);
    item->due = step ? step->due : run->discovery_due;

    return dur_queue_find(q->txn, item);
}


/* -- statuses ------------------------------------------------------------- */

/* Behind the first by dur_run_status_t. */
static const char  *dur_query_statuses[] = {
    "Scheduled", "Running", "Completed", "Failed", "Cancelled", "Skipped"
};

#define DUR_QUERY_NSTATUSES                                                   \
    (sizeof(dur_query_statuses) / sizeof(dur_query_statuses[0]))


unsigned
dur_query_status_mask(dur_str_t name)
{
    unsigned  i;

    for (i = 0; i < DUR_QUERY_NSTATUSES; i++) {
        if (dur_str_caseeq(name, dur_str_c(dur_query_statuses[i]))) {
            return 1u << i;
        }
    }

    return 0;
}


const char *
dur_query_status_name(unsigned bit)
{
    return bit < DUR_QUERY_NSTATUSES ? dur_query_statuses[bit] : NULL;
}


/* A run that waits for its first call is "Scheduled". */
unsigned
dur_query_status_bit(dur_txn_t *txn, const dur_run_t *run)
{
    uint8_t    key[8];
    dur_str_t  row;

    if (run->status == DUR_RUN_LIVE && run->started == 0) {
        dur_put64(key, run->discovery);

        if (dur_txn_get(txn, DUR_T_LEASE, dur_str_make(key, 8), &row)
            == DUR_ENOTFOUND)
        {
            return 1u << 0;
        }
    }

    return 1u << run->status;
}


const char *
dur_query_status(dur_query_t *q, const dur_run_t *run)
{
    return dur_query_status_bit(q->txn, run) == 1u << 0
           ? dur_query_statuses[0] : dur_run_status_name(run);
}
