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


dur_rc_t
dur_query_body(dur_query_t *q, const char *key, const dur_ulid_t *owner,
    const dur_payload_t *body, size_t max)
{
    size_t    length;
    dur_rc_t  rc;

    dur_query_key(q->out, key);

    if (body->length == 0) {
        return dur_buf_addz(q->out, "null");
    }

    if (body->length > max) {
        return dur_buf_addf(q->out, "null,\"%s_bytes\":%u", key,
                            body->length);
    }

    length = q->out->len;

    rc = dur_payload_get(q->txn, owner, body, q->out);

    if (rc != DUR_ECORRUPT) {
        return rc;
    }

    q->out->len = length;

    return dur_buf_addz(q->out, "null,\"incomplete\":true");
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
